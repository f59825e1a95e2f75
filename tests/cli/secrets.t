#!/usr/bin/python3
"""The key: it goes out in one header and is nowhere else, whatever the code and the service try."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

HALF = KEY[:14]  # the hunt must not hold the key itself, or it would find its own source
HUNT = f"""
import glob, os
want = ({HALF!r} + {KEY[14:]!r}[::-1][::-1]).encode()
found = []
def look(where, data):
    if want in data:
        found.append(where)
look('environ', repr(dict(os.environ)).encode())
files = 0
for pattern in ('/proc/[0-9]*/environ', '/proc/[0-9]*/cmdline', '/proc/[0-9]*/auxv', '/proc/[0-9]*/fd/*',
                '/run/**/*', '/workspace/**/*', '/tmp/**/*', '/data/*', '/etc/*', '/home/**/*', '/root/**/*'):
    for path in glob.glob(pattern, recursive=True):
        try:
            if os.path.realpath(path) == '/proc/self/mem' or not os.path.isfile(path):
                continue
            with open(path, 'rb') as f:
                look(path, f.read(1 << 20))
            files += 1
        except OSError:
            pass
regions = others = 0
for mem in glob.glob('/proc/[0-9]*/mem'):
    pid = mem.split('/')[2]
    if pid == str(os.getpid()):
        continue  # this very code is there
    try:
        maps = open(f'/proc/{{pid}}/maps').read().splitlines()
        f = open(mem, 'rb', 0)
    except OSError:
        continue
    others += 1
    for line in maps:
        a, b = (int(x, 16) for x in line.split()[0].split('-'))
        if 'r' not in line.split()[1] or b - a > 1 << 28:
            continue
        try:
            f.seek(a)
            look(f'{{mem}} {{line}}', f.read(b - a))
            regions += 1
        except (OSError, ValueError, OverflowError):
            pass
print('files', files, 'other memories', others, regions)
print('found', len(found), found[:5])
print(sorted(os.environ))
"""
r = run("hunt", "--debug", "debug.log", script=[code(HUNT), say("{1}", find=r"^found (\d+)")])
eq((r.status, r.out), (0, "0\n"), "a cell that looks everywhere does not find the key")
told = r.observations[0]
print("#", *told.split("\n")[:4])
like(told, r"^files [1-9]\d", "it did look: the probe read files")
unlike(told, r"'(OPENAI|AGENT|XDG|LD_PRELOAD|SSH)", "no variable of the user's environment is inside")
ok((r.home / "work/debug.log").exists(), "a debug log was asked for, and is there")
ok((r.home / "work/debug.log").stat().st_size > 0, "it is not empty")

# --- the positive control: the same hunt does find a key that is there
r = run("control", script=[code(f"import os\nos.environ['LEAK'] = {HALF!r} + {KEY[14:]!r}\n" + HUNT),
                           say("{1}", find=r"^found (\d+)")])
ok(int(r.out or 0) >= 1, "the hunt finds a key that was put there", r.out)

# --- a service that sends the key back: in an error, in an answer, in code
r = run("echo", "--retries", "0", "--debug", "debug.log",
        script=[refusal(401, f"Incorrect API key provided: {KEY}.", times=0)])
eq(r.status, 3, "a 401 that repeats the key: status 3")
unlike(r.err, re.escape(KEY), "and its message does not show it")
r = run("echo", "-v", "--debug", "debug.log", "--record", "cassette.jsonl", "-o", "answer.txt", script=[
    code(f"print('key is {KEY}')"), say(f"Your key is {KEY}.")])
eq(r.status, 0, "a model that knows the key and says it: the run ends well")
# What a model says is shown as it is; what is kept of it has no key in it.
r.leaks = [x for x in r.leaks if x not in ("stdout", "stderr") and not x.endswith("answer.txt")]
eq(r.leaks, [], "and what is kept of it has no key in it: record, log, cassette")
ok((r.home / "work/cassette.jsonl").stat().st_size > 100, "the cassette was recorded")

# --- who can see it while the program runs
with Provider([say("late", delay=30)]) as provider:
    r = start("-m", "scripted", "wait", url=provider.url)
    end = time.monotonic() + 10 * PATIENCE
    while not provider.read() and time.monotonic() < end:
        time.sleep(0.05)
    tree = {r.process.pid, *children_of([r.process.pid])}
    shown = []
    for pid in tree:
        for name in ("cmdline", "environ"):
            try:
                if KEY.encode() in Path(f"/proc/{pid}/{name}").read_bytes():
                    shown.append(f"{pid} {command_of(pid)[:80]}: {name}")
            except OSError:
                pass
    ok(len(tree) >= 2, "the sandbox is running beside it", tree)
    eq(shown, [], "the key is in the environment and command line of no process, not even its own")
    r.process.terminate()
    finish(r, 15, keep=[provider.process.pid])
done()
