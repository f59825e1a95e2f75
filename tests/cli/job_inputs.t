#!/usr/bin/python3
"""Inputs of a job: files that commands make, with what can go wrong with them; and what is no file, or changes meanwhile."""
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from jobs import *


def made():
    return sorted(str(p.relative_to(reports / ".inputs")) for p in (reports / ".inputs").rglob("*") if p.is_file())


# --- what is wrong with the line ---
for line, said in (("command: echo 1", r"w\.job:2: input is \[newest\] PATTERN \[as NAME\], or command: COMMAND as NAME"),
                   ("command: as x.csv", r"w\.job:2: input is"),
                   ("command: echo as ../x.csv", r"w\.job:2: what follows \"as\" is a file's name"),
                   ("command: echo as .x", r"w\.job:2: what follows \"as\" is a file's name"),
                   ("a.csv as x.csv\ninput = command: echo as x.csv", r"w\.job:3: input: two are called x\.csv"),
                   ("command: echo {{tody}} as x.csv", r"input: \{\{tody\}\} is no date")):
    write(f"question = x\ninput = {line}\n")
    r = job("check", "w.job")
    eq(r.status, 3, f"refused: {line!r}")
    like(r.err, said, "and said why")

(work / "empty.csv").write_text("")
write("question = x\ninput = empty.csv\n")
r = job("check", "w.job")
eq(r.status, 2, "an input of 0 bytes is no input")
like(r.err, r"input \S*empty\.csv: is empty \(0 bytes\) now", "and check says so before the run does")

# --- a file made by a command ---
JOB = """question = What is n?
input = command: echo "run in $PWD" >&2; cat n.txt | sed 's/^/n\\n/' as n.csv
output = report.html
only_if_changed = true
on_failure = cat > failed.json
[settings]
grounding = false
"""
SCRIPT = [code("n = open('n.csv').read().split()[1]\nprint(n)\nreport.number('n', int(n))"), say("It is {{num:n}}.")]
(work / "n.txt").write_text("41\n")
write(JOB)
r = job("show", "w.job")
like(r.out, r"input      command: echo .* as n\.csv", "show: the command, which is not run")
ok(not reports.exists(), "and nothing is made by it")
r = job("run", "w.job", script=SCRIPT)
eq(r.status, 0, "a run", )
one = latest()
got = summary()["made"][0]
path = work / got["path"]
eq((got["name"], path.read_text(), got["sha256"], got["bytes"]), ("n.csv", "n\n41\n", sha256(path), 5), "job.json: what the command gave")
eq(made(), [f"{one}/n.csv"], "which lies by the report's name")
eq((reports / one / "answer.md").read_text(), "It is 41.\n", "the code read it")
r = run("rerun", summary()["session"], model=None, home=home, script=[])
eq((r.status, r.out), (0, "It is 41.\n"), "its record can be run again, on the file")
r = job("run", "w.job", script=[])
eq((r.status, r.requests, made()), (10, [], [f"{one}/n.csv"]), "only_if_changed compares what the command gives, and keeps nothing more")
(work / "n.txt").write_text("1300\n")
r = job("run", "w.job", script=[])
eq((r.status, r.requests, (reports / "latest/answer.md").read_text()), (0, [], "It is 1,300.\n"), "another output: the code runs again on it")
two = latest()
write(JOB.replace("only_if_changed = true", "keep = 1"))
r = job("run", "w.job", script=[])
eq((r.status, made()), (0, [f"{latest()}/n.csv"]), "keep: the file goes with its report")
before = latest()

# --- commands that fail ---
def same(what):
    eq((latest(), made(), [p.name for p in reports.iterdir() if p.name.startswith(".new")]), (before, [f"{before}/n.csv"], []), what)


for command, said in (("echo 1; echo no such table >&2; exit 3", r"job w: input n\.csv: the command ended with status 3: no such table"),
                      ("true", r"input n\.csv: the command gave no output"),
                      ("echo 1; kill -9 $$", r"input n\.csv: the command ended with status 137"),
                      ("for i in 1 2 3 4 5; do echo line $i >&2; done; false", r"status 1: line 3.*line 4.*line 5"),
                      ("/nowhere/psql", r"status 127: .*not found")):
    write(f"question = x\non_failure = cat > failed.json\ninput = command: {command} as n.csv\n")
    (work / "failed.json").unlink(missing_ok=True)
    r = job("run", "w.job", script=[])
    eq((r.status, r.requests), (2, []), f"refused, and no model asked: {command}")
    like(r.err, said, "the message says why, with what it said last")
    eq(json.loads((work / "failed.json").read_text())["status"], "usage", "on_failure is told")
    same("the last report stands, and nothing else is left")
t0 = time.monotonic()
with Provider([]) as provider:
    write("question = x\ninput = command: echo started > mark; sleep 60; echo 1 as n.csv\n")
    r = start("job", "run", "w.job", url=provider.url, home=home, env={"AGENT_MODEL": "scripted"})
    while not (work / "mark").exists() and time.monotonic() - t0 < 20:
        time.sleep(0.05)
    r.process.terminate()
    finish(r, keep=[provider.process.pid])
eq(r.status, 143, "SIGTERM ends a command and the run")
ok(time.monotonic() - t0 < 40, "at once")
same("the last report stands")

# --- what is no file ---
(work / "dir.csv").mkdir()
os.mkfifo(work / "fifo.csv")
os.symlink("nowhere", work / "link.csv")
for name, kind in (("dir.csv", "is a folder"), ("fifo.csv", "is a FIFO"), ("link.csv", "leads nowhere")):
    write(f"question = x\ninput = {name[:-1]}?\n")
    for word in ("check", "run"):
        r = job(word, "w.job", script=[])
        eq((r.status, r.requests), (2, []), f"{word}: {name} is refused")
        like(r.err, rf"input: no file matches \S+: {name} {kind}", "and the message says what it is")
same("the last report stands")

# --- a file that changes while the run reads it ---
big = work / "big.csv"
big.write_text("n\n" + "1\n" * 100)
write("question = n?\ninput = big.csv\noutput = report.html\n[settings]\ngrounding = false\n")


def grow():
    events = [p / "events.jsonl" for p in (home / "share/agent/sessions").iterdir()]
    while not any("turn.start" in p.read_text() for p in (home / "share/agent/sessions").glob("*/events.jsonl") if p not in events):
        time.sleep(0.05)
    with big.open("a") as f:
        f.write("2\n")


writer = threading.Thread(target=grow, daemon=True)
writer.start()
r = job("run", "w.job", script=[code("print(1)", delay=1.5), say("It is 1.")])
ok(r.status not in (0, None), "a file that grows during the run fails it", r.err)
like(r.err, r"input: big\.csv changed while the run read it", "which is said")
same("the last report stands")
done()
