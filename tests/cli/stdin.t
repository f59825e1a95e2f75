#!/usr/bin/python3
"""Standard input: used when there is something, never waited for when nobody asked."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

OK = [say("ok")]
CSV = b"city,amount\nOslo,10\nRome,32\n"


def question(r):
    return r.bodies()[0]["messages"][1]["content"] if r.bodies() else ""


def prompt(r):
    return "\n".join(m["content"] for m in r.bodies()[0]["messages"]) if r.bodies() else ""


# --- it never hangs
read_end, write_end = os.pipe()
r = run("alone", script=OK, stdin=read_end, timeout=20)
eq((r.status, r.out), (0, "ok\n"), "a pipe that its owner keeps open and silent: the run goes on")
ok(r.seconds < 5 * PATIENCE, "without waiting for it", r.seconds)
os.close(write_end)
r = run("alone", script=OK, stdin=read_end, timeout=20)
eq((r.status, r.out), (0, "ok\n"), "a pipe at its end")
os.close(read_end)
r = run("alone", script=OK, stdin=subprocess.DEVNULL)
eq((r.status, r.out), (0, "ok\n"), "/dev/null, as under cron")
with Provider(OK) as provider:
    r = finish(start("-m", "scripted", "alone", url=provider.url, stdin=None,
                     preexec_fn=lambda: os.close(0)), 20, keep=[provider.process.pid])
eq((r.status, r.out), (0, "ok\n"), "a closed standard input")
r = run("alone", script=[code("import sys\nprint('stdin', len(sys.stdin.read()))"),
                         say("{1}", find=r"^(stdin 0)$")], send=b"")
eq(r.out, "stdin 0\n", "a cell that reads standard input gets its end, not ours")
r = run("alone", script=[code("try:\n    input('name? ')\nexcept Exception as e:\n    print('no', type(e).__name__)"),
                         say("{1}", find=r"^(no \w+)$")])
like(r.out, r"^no \w+$", "input() in a cell fails at once instead of waiting")

# --- text becomes part of the question
r = run("summarise", script=OK, send=b"Dear all, the meeting is moved to Friday.\n")
like(question(r), r"(?s)summarise.*meeting is moved to Friday", "short text is added to the question")
r = run("-", script=OK, send="What is 2+2 — exactly?\n".encode())
like(question(r), r"What is 2\+2 — exactly\?", "the question itself may come from standard input")
with open(write("question.txt", "From a file?\n"), "rb") as f:
    r = run("-", script=OK, stdin=f)
like(question(r), r"From a file\?", "also from a regular file")
r = run("-", script=OK, send=b"  \n")
eq((r.status, len(r.requests)), (2, 0), "an empty question from standard input is refused, status 2")
r = run("-", script=OK, send=b"bad \xff\xfe bytes?")
ok(r.status in (0, 2) and r.rules == [], "a question that is no UTF-8 is made harmless or refused",
   r.status, r.err, r.rules)

# --- data becomes a file in the sandbox

def look(name):
    return [code(f"import os\nprint(os.listdir('/data'), os.path.getsize('/data/{name}'), "
                 f"os.path.getsize('{name}'))"), say("ok {1}", find=r"^(\[.*)$")]


for kind, data in {"csv": CSV, "tsv": b"city\tamount\nOslo\t10\nRome\t32\n",
                   "json": b'{"rows": [{"city": "Oslo", "amount": 10}]}\n',
                   "jsonl": b'{"city": "Oslo"}\n{"city": "Rome"}\n',
                   "txt": b"just words, many of them. " * 800}.items():
    r = run("use it", script=look(f"stdin.{kind}"), send=data)
    eq((r.status, r.out), (0, f"ok ['stdin.{kind}'] {len(data)} {len(data)}\n"),
       f"{kind.upper()} on standard input is the file stdin.{kind}")
    like(prompt(r), rf"stdin\.{kind}", f"{kind.upper()}: the model is told the file's name")
r = run("top city by amount", send=CSV, script=[
    code("import csv\nrows = list(csv.DictReader(open('stdin.csv')))\n"
         "print('top', max(rows, key=lambda r: int(r['amount']))['city'])"),
    say("{1}", find=r"^top (\w+)$")])
eq((r.status, r.out), (0, "Rome\n"), "piped CSV answers a question (psql --csv | agent ...)")
ok('"Oslo", "10"' in prompt(r), "its first rows are shown to the model")
big = b"a,b\n" + b"".join(b"%d,%d\n" % (i, i * i) for i in range(200000))
r = run("rows?", send=big, script=[
    code("print('rows', sum(1 for _ in open('/data/stdin.csv')))"), say("{1}", find=r"^rows (\d+)$")])
eq((r.status, r.out), (0, "200001\n"), "a few megabytes through the pipe arrive whole")
ok(all(len(json.dumps(b)) < 40000 for b in r.bodies()), "and not in the prompt")
with open(write("piped.csv", CSV), "rb") as f:
    r = run("use it", script=look("stdin.csv"), stdin=f)
eq((r.status, r.out), (0, f"ok ['stdin.csv'] {len(CSV)} {len(CSV)}\n"), "a redirected file is read")
r = run("use both", "-f", write("first.csv", CSV), send=CSV, script=[
    code("import os\nprint(sorted(os.listdir('/data')))"), say("{1}", find=r"^(\[.*)$")])
eq(r.out, "['first.csv', 'stdin.csv']\n", "beside an attachment")
r = run("bin", script=look("stdin.bin"), send=b"\x89PNG\r\n\x1a\n\0\0\0" + bytes(range(256)))
eq(r.status, 0, "bytes that are no text become a file as well")

# --- a producer that is slow
producer = subprocess.Popen(["/bin/sh", "-c", "printf 'a,b\\n1,2\\n'; sleep 1; printf '3,4\\n'"],
                            stdout=subprocess.PIPE)
r = run("rows?", stdin=producer.stdout, timeout=20, script=[
    code("print('rows', sum(1 for _ in open('/data/stdin.csv')))"), say("{1}", find=r"^rows (\d+)$")])
producer.stdout.close()
producer.wait()
eq((r.status, r.out), (0, "3\n"), "once data came it is read to its end")
done()
