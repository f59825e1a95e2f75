#!/usr/bin/python3
"""The end of life: whatever is killed, whenever, nothing is left: no process, no cgroup; and signals and the lifeline end it
at once."""
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
sys.path.insert(0, str(Path(__file__).resolve().parent))
from boxlib import *  # noqa: E402,F403

ROUNDS = int(os.environ.get("KILL_ROUNDS") or 40)
MARK = f"sleep 98{os.getpid() % 100000:05d}"


def ours():
    """Processes of runs of this file: the command carries a number of its own."""
    found = []
    for p in os.listdir("/proc"):
        if p.isdigit():
            try:
                line = Path(f"/proc/{p}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            except OSError:
                continue
            if MARK in line and int(p) != os.getpid():
                found.append(int(p))
    return found


def wait_none(what, seconds=3):
    """Until it is empty, and stays so: one look at /proc is no snapshot."""
    end = time.monotonic() + seconds * PATIENCE
    empty = 0
    while empty < 3 and time.monotonic() < end:
        empty = 0 if what() else empty + 1
        time.sleep(0.005)
    return empty == 3


def start(uid, *argv, **kw):
    return subprocess.Popen([SANDBOX, *argv, "--", "/bin/sh", "-c", f"{MARK} & setsid {MARK} & echo up; {MARK}"], env={},
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd="/", **as_user(uid), **kw)


def groups(pid):
    return [d for d in Path("/sys/fs/cgroup").glob(f"*/agent-sandbox.{pid}-*") if d.exists()]


random.seed(os.getpid())
for uid in each_user():
    p = start(uid)
    eq(p.stdout.readline(), b"up\n", "it runs")
    ok(len(ours()) >= 3, "its processes can be seen from outside (the control of what follows)", ours())
    p.kill()
    p.wait()
    ok(wait_none(ours), "SIGKILL of the helper ends all inside", ours())
    ok(wait_none(lambda: groups(p.pid)), "and its cgroup", groups(p.pid))
    for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        p = start(uid)
        p.stdout.readline()
        p.send_signal(sig)
        eq(p.wait(10), 128 + sig, f"{sig.name} ends it, and the status says so")
        ok(not ours() and not groups(p.pid), "with nothing left when it returns", ours(), groups(p.pid))
    r, w = os.pipe()
    sr, sw = os.pipe()
    p = start(uid, "--lifeline-fd", str(r), "--status-fd", str(sw), pass_fds=(r, sw))
    os.close(sw)
    p.stdout.readline()
    began = time.monotonic()
    os.close(w)
    p.wait(10)
    text = b""
    while chunk := os.read(sr, 4096):
        text += chunk
    ok(b'"cause":"lifeline"' in text and time.monotonic() - began < 2 * PATIENCE, "the lifeline's hang-up ends it", text)
    ok(not ours(), "with nothing left", ours())
    os.close(r)
    os.close(sr)
    bad = []
    for i in range(ROUNDS):
        p = start(uid)
        time.sleep(random.random() * 0.02)
        p.kill()
        p.wait()
        p.stdout.close()
        if not wait_none(ours) or not wait_none(lambda: groups(p.pid)):
            bad.append((i, ours(), groups(p.pid)))
    ok(not bad, f"killed at a random moment, {ROUNDS} times: nothing is left", bad)
    before = time.monotonic()
    r = sh(f"{MARK} & setsid {MARK} & exit 3", uid=uid)
    ok(r.status == 3 and time.monotonic() - before < 5 * PATIENCE and not ours(), "background processes end with the command", r.status, ours())
if AM_ROOT:
    p = start(0)
    p.stdout.readline()
    status = Path(f"/proc/{p.pid}/status").read_text()
    uid_line = [l for l in status.split("\n") if l.startswith("Uid:")][0].split()[1:]
    ok(len(set(uid_line)) == 1 and int(uid_line[0]) == 0x7a000000 + p.pid, "started by root, the helper is an ordinary uid", uid_line)
    ok("CapEff:\t0000000000000000" in status, "without capabilities", status)
    for q in ours():
        if q != p.pid:
            s = Path(f"/proc/{q}/status").read_text()
            if "Name:\tsandbox-keeper" not in s:
                ok("Uid:\t0" not in s, f"no process of it is root ({q})", s[:200])
    p.kill()
    p.wait()
# Groups that a killed keeper left go in the next run that lasts a little; those of another pid namespace, whose pids mean nothing here, do not.
tree = Path("/sys/fs/cgroup/memory")
if os.getuid() == 0 and os.access(tree / "memory.limit_in_bytes", os.F_OK) and os.access(tree, os.W_OK):
    gone = subprocess.Popen(["/bin/true"])
    gone.wait()
    here = os.stat("/proc/self/ns/pid").st_ino
    left, foreign = (tree / f"agent-sandbox.{gone.pid}-{ino}" for ino in (here, here + 1))
    left.mkdir()
    foreign.mkdir()
    p = start(0)
    p.stdout.readline()
    ok(wait_none(lambda: left.exists()), "a group whose owner is gone is removed")
    ok(foreign.exists(), "one of another pid namespace stays")
    p.kill()
    p.wait()
    foreign.rmdir()
else:
    skip("groups that were left: no memory cgroup of version 1 that can be written")
ok(wait_none(ours), "nothing is left at the end", ours())
done()
