#!/usr/bin/python3
"""Each limit: what stays below it works, what passes it meets the result that docs/SANDBOX.md names for it. As root and as
an ordinary user, hence with the back ends that this machine has for them."""
import sys
from pathlib import Path
sys.path.insert(0, str(Path(__file__).resolve().parent))
from boxlib import *  # noqa: E402,F403

# What a limited call says: the name of the errno, or that it went well.
TRY = """
import errno, os, sys, threading, time
def says(f):
    try: return f() or 'ok'
    except OSError as e: return errno.errorcode[e.errno]
    except MemoryError: return 'MemoryError'
    except RuntimeError as e: return 'RuntimeError'
def write(path, n):
    with open(path, 'wb', buffering=0) as f:
        while n > 0:
            n -= f.write(b'x' * min(n, 1 << 16))
def names(where, n):
    for i in range(n): open(f'{where}/{i}', 'w').close()
def forks(n):
    pids = []
    try:
        for i in range(n):
            pid = os.fork()
            if pid == 0: time.sleep(30); os._exit(0)
            pids.append(pid)
    finally:
        for pid in pids: os.kill(pid, 9); os.waitpid(pid, 0)
def threads(n):
    go, all = threading.Event(), []
    try:
        for i in range(n):
            t = threading.Thread(target=go.wait, daemon=True); t.start(); all.append(t)
    finally:
        go.set()
        for t in all: t.join()
def descriptors(n):
    fds = []
    try:
        for i in range(n): fds.append(os.dup(0))
    finally:
        for fd in fds: os.close(fd)
"""
# name of the limit, its setting, what stays below, what passes, what that says
CALLS = [
    ("file", ["file=2m"], "write('/workspace/a', 2 << 20)", "write('/workspace/a', (2 << 20) + 1)", "EFBIG"),
    ("workspace", ["workspace=4m"], "write('/workspace/a', 3 << 20)", "write('/workspace/a', 5 << 20)", "ENOSPC"),
    ("tmp", ["tmp=4m"], "write('/tmp/a', 3 << 20)", "write('/tmp/a', 5 << 20)", "ENOSPC"),
    ("shm", ["shm=4m"], "write('/dev/shm/a', 3 << 20)", "write('/dev/shm/a', 5 << 20)", "ENOSPC"),
    ("inodes of /workspace", ["inodes=200"], "names('/workspace', 150)", "names('/workspace', 250)", "ENOSPC"),
    ("inodes of /tmp", ["inodes=200"], "names('/tmp', 150)", "names('/tmp', 250)", "ENOSPC"),
    ("processes", ["processes=20"], "forks(10)", "forks(30)", "EAGAIN"),
    ("processes, by threads", ["processes=20"], "threads(10)", "threads(30)", "RuntimeError"),
    ("open-files", ["open-files=64"], "descriptors(40)", "descriptors(80)", "EMFILE"),
    ("memory of one process", ["memory=256m"], "len(bytearray(64 << 20)) and None", "len(bytearray(400 << 20)) and None",
     "MemoryError"),
]
SPIN = "while True: pass"
TOUCH = "import mmap, time\nm = mmap.mmap(-1, {n} << 20)\nfor i in range(0, {n} << 20, 4096): m[i] = 1\n"

for uid in each_user():
    for name, limits, below, beyond, want in CALLS:
        options = [x for l in limits for x in ("--limit", l)]
        r = python(f"{TRY}\nprint(says(lambda: {below}))", *options, uid=uid)
        eq((r.out, r.last.get("cause")), ("ok\n", "exit"), f"{name}: what stays below the limit works")
        r = python(f"{TRY}\nprint(says(lambda: {beyond}))", *options, uid=uid)
        eq((r.out, r.last.get("cause")), (f"{want}\n", "exit"), f"{name}: beyond it comes {want}, and the command lives")
    for depth, want in ((500, ("ok\n", "exit", 0)), (10**6, ("", "signal", 11))):
        r = python(f"import sys\nsys.setrecursionlimit(10**7)\nx = []\nfor i in range({depth}): x = [x]\nrepr(x)\nprint('ok')",
                   "--limit", "stack=1m", uid=uid)
        eq((r.out, r.last.get("cause"), r.last.get("signal")), want, f"stack: C code {depth} calls deep")
    # A shared mapping is no process's own: only the sum over the sandbox holds it.
    r = python(TOUCH.format(n=20) + "print('ok')", "--limit", "memory=100m", uid=uid)
    eq((r.out, r.last["cause"], r.last["oom_kills"]), ("ok\n", "exit", 0), "memory, shared: what stays below works")
    r = python(TOUCH.format(n=200) + "time.sleep(5)", "--limit", "memory=100m", uid=uid)
    ok(r.status == 137 and r.last["cause"] == "memory" and r.last["oom_kills"] >= 1, "memory, shared: cause memory", r.last)
    r = python("import os, mmap, time\nfor i in range(4):\n  if os.fork() == 0:\n    m = mmap.mmap(-1, 50 << 20)\n    "
               "for k in range(0, 50 << 20, 4096): m[k] = 1\n    time.sleep(5); os._exit(0)\nfor i in range(4): os.wait()",
               "--limit", "memory=100m", uid=uid)
    ok(r.last["oom_kills"] >= 1, "memory, the sum of several processes, each below it: killed, and counted", r.last)
    r = sh("head -c 150000000 /dev/zero >/workspace/a; sleep 5; echo after", "--limit", "memory=64m", "--limit", "workspace=256m", uid=uid)
    ok(r.last["oom_kills"] >= 1 or "No space" in r.err or r.last["cause"] == "memory", "memory counts files in /workspace too",
       r.last, r.out, r.err)
    r = python(SPIN, "--limit", "cpu=1", "--limit", "wall=30", uid=uid)
    ok(r.last["cause"] == "cpu", "cpu: cause cpu", r.last)
    r = python("import time; time.sleep(1.2); print('ok')", "--limit", "cpu=1", "--limit", "wall=30", uid=uid)
    eq((r.out, r.last["cause"]), ("ok\n", "exit"), "cpu: waiting costs nothing")
    r = python("import time; time.sleep(60)", "--limit", "wall=400ms", uid=uid)
    ok(r.status == 137 and r.last["cause"] == "wall", "wall: cause wall", r.last)
    r = python("import time; time.sleep(0.2); print('ok')", "--limit", "wall=10", uid=uid)
    eq((r.out, r.last["cause"]), ("ok\n", "exit"), "wall: what ends before works")
done()
