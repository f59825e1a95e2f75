#!/usr/bin/python3
"""The back end without namespaces, below a filter that forbids them as a container engine's does (pod.c): strict refuses, best
runs, says what is weaker, and what it promises holds."""
import glob
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
sys.path.insert(0, str(Path(__file__).resolve().parent))
import boxlib  # noqa: E402
from boxlib import *  # noqa: E402,F403

BUILD = Path(os.environ.get("BUILD") or TOP / "build").resolve()
POD = BUILD / "tests/sandbox/pod"
MARK = f"sleep 97{os.getpid() % 100000:05d}"
if not POD.exists():
    print(f"1..0 # SKIP {POD} is not built (make tests-build)")
    sys.exit(0)
# boxlib starts SANDBOX: a script that starts it where namespaces are forbidden.
tmp = Path(tempfile.mkdtemp(prefix="lone-"))
tmp.chmod(0o755)
REAL = SANDBOX
for mode in ("docker", "mount", "names", "bare"):
    (tmp / mode).write_text(f'#!/bin/sh\nexec {POD} {mode} {REAL} "$@"\n')
    (tmp / mode).chmod(0o755)
secret = tmp / "secret"
secret.write_text("the canary sings")
secret.chmod(0o666)
server = socket.socket(socket.AF_UNIX)
server.bind(str(tmp / "socket"))
(tmp / "socket").chmod(0o777)
server.listen()
server.setblocking(False)


def pod(mode):
    boxlib.SANDBOX = str(tmp / mode)


def dirs():
    return glob.glob("/tmp/agent-sandbox.??????")


def ours():
    found = []
    for p in os.listdir("/proc"):
        if p.isdigit() and int(p) != os.getpid():
            try:
                line = Path(f"/proc/{p}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            except OSError:
                continue
            if MARK in line:
                found.append(int(p))
    return found


def wait_none(what, seconds=5):
    end = time.monotonic() + seconds * PATIENCE
    while what() and time.monotonic() < end:
        time.sleep(0.01)
    return not what()


def best(code, *argv, **kw):
    return python(code, "--backend", "best", *argv, **kw)


before = dirs()
for uid in each_user():
    for mode in ("docker", "mount", "names"):
        pod(mode)
        for argv in ([], ["--backend", "strict"]):
            r = sh("echo ran", *argv, uid=uid)
            eq((r.status, r.out, r.last.get("event")), (125, "", "error"), f"{mode} {argv}: strict runs nothing")
            has(r.err, "Operation not permitted", f"{mode}: says why")
            has(r.err, "sandbox = best", f"{mode}: and what else may be done")
        r = sh("echo ran", "--backend", "best", uid=uid)
        eq((r.status, r.out), (0, "ran\n"), f"{mode}: best runs")
        eq(r.events[0].get("backend"), "landlock", f"{mode}: and says by what")
        has("\n".join(r.events[0]["weaker"]), "no namespaces, which this place forbids: ", f"{mode}: and why")
        eq("lies on top of what this user runs" in "\n".join(r.events[0]["weaker"]), uid != 0, f"{mode}: and on whom its process limit depends")
    pod("bare")
    r = sh("echo ran", "--backend", "best", uid=uid)
    eq((r.status, r.out, r.last.get("layer")), (125, "", "landlock"), "without Landlock as well nothing runs")
    has(r.err, "Landlock must hold the files", "and it says what is missing")
    boxlib.SANDBOX = REAL
    r = sh("echo $$", "--backend", "best", uid=uid)
    eq((r.events[0]["backend"], r.events[0]["root"], len(r.out)), ("namespaces", "", 2), "best is strict where namespaces are to be had")
    pod("docker")
    r = Run(["--backend", "best", "--ro", "/nonexistent-dir", "--", "/bin/true"], uid=uid)
    eq(r.status, 125, "a failure that has nothing to do with namespaces is none of their absence")
    if b"__asan" in Path(REAL).read_bytes():
        skip("--check: the sanitizer's memory does not fit into the limits that are probed")
    else:
        r = Run(["--backend", "best", "--check"], uid=uid)
        ok(r.status == 0 and "FAILS" not in r.out and "absent" in r.out, "--check: every layer that this back end has holds", r.out, r.err)

    # What code finds
    data = tempfile.TemporaryFile()
    data.write(b"print('placed', __file__)")
    data.flush()
    r = Run(["--backend", "best", "--file-fd", f"{data.fileno()}:/run/sandbox/x.py", "--", PYTHON, "-I", "/run/sandbox/x.py"], uid=uid,
            pass_fds=(data.fileno(),))
    has(r.out, "/run/sandbox/x.py", "an argument that names a placed file finds it")
    r = best("import os; print(os.getcwd() == os.environ['SANDBOX_ROOT'] + '/workspace' == os.environ['HOME']);"
             "print(open('../data/a.txt').read(), open('a.txt').read()); open('a.txt', 'w').write('mine')\n"
             "try: open('../data/a.txt', 'w')\nexcept OSError as e: print(e.errno)", "--data", f"{secret}:a.txt", uid=uid)
    eq(r.out, "True\nthe canary sings the canary sings\n13\n", "the workspace, and data that cannot be written")
    r = best("import tempfile, pandas; f = tempfile.NamedTemporaryFile(); pandas.DataFrame({'a': [1]}).to_csv('x.csv');"
             "import matplotlib; matplotlib.use('Agg'); import matplotlib.pyplot as p; p.plot([1]); p.savefig('x.png');"
             "import subprocess, shutil; shutil.copyfile('x.png', 'y.png'); print(subprocess.run(['ls'], capture_output=True, text=True).stdout)",
             uid=uid, seconds=60)
    eq(r.out, "x.csv\nx.png\ny.png\n\n", "the data stack works: " + r.err[-300:])

    # Canaries
    r = best(f"""
import os, socket, signal
def refused(name, f, *a):
    try: print('BROKEN', name, f(*a))
    except OSError as e: pass
ppid, me = os.getppid(), {os.getpid()}
for path in ({str(secret)!r}, '/etc/passwd', '/etc/hostname', '/proc/%d/environ' % me, '/proc/%d/cmdline' % me, '/proc/%d/environ' % ppid,
             '/proc/%d/mem' % ppid, '/proc/1/cmdline', '/proc/self/net/tcp', '/proc/net/unix', '/proc/self/mountinfo', '/sys/kernel/uevent_seqnum'):
    refused(path, open, path)
for path in ('/', '/tmp', '/proc', '/root', '/home', '/var', '/dev', '/dev/shm', os.environ['SANDBOX_ROOT'], '/sys'):
    refused(path, os.listdir, path)
refused('write', open, {str(secret)!r}, 'a')
refused('truncate', os.truncate, {str(secret)!r}, 0)
open('own', 'w').close()
refused('truncate, by the filter', os.truncate, 'own', 0)  # older Landlock does not watch it
refused('make', open, '/tmp/x', 'w')
refused('shm', open, '/dev/shm/x', 'w')
for family in range(1, 46): refused('socket %d' % family, socket.socket, family, socket.SOCK_DGRAM)
for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW): refused('pair', socket.socketpair, socket.AF_UNIX, kind)
a, b = socket.socketpair()
refused('connect', a.connect, {str(tmp / 'socket')!r})
refused('sendmsg', a.sendmsg, [b'x'], [], 0, {str(tmp / 'socket')!r})
refused('bind', a.bind, 'x')
a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
a.send(b'x'), b.recv(9)
refused('link', os.link, {str(secret)!r}, 'l')
os.symlink({str(secret)!r}, 's')
refused('through a link', open, 's')
import resource
for pid in (me, ppid):
    refused('kill', os.kill, pid, 0)
    refused('prlimit', resource.prlimit, pid, resource.RLIMIT_NOFILE)
    refused('affinity', os.sched_setaffinity, pid, [0])
    refused('nice', os.setpriority, os.PRIO_PROCESS, pid, 5)
refused('utime', os.utime, '/dev/null')
if {uid or os.getuid()}:
    refused('chmod', os.chmod, {str(secret)!r}, 0)
print(sum(1 for l in open('/proc/self/status')) > 9, len(os.listdir('/proc/self/fd')) > 2, 'end')
""", uid=uid)
    eq((r.out, r.status), ("True True end\n", 0), "nothing of the host can be read, written, signalled or reached: " + r.err[-500:])
    eq(secret.read_text(), "the canary sings", "the file is as it was")
    try:
        server.accept()
        ok(False, "nobody connected to the socket")
    except BlockingIOError:
        ok(True, "nobody connected to the socket")
    control = subprocess.run([PYTHON, "-c", f"print(open({str(secret)!r}).read())"], capture_output=True, text=True, **as_user(uid))
    eq(control.stdout, "the canary sings\n", "control: this user can read the file outside")

    # Room and processes
    r = best("import time\nfor i in range(9):\n  open(str(i), 'wb').write(bytes(1 << 20))\ntime.sleep(30)", "--limit", "workspace=4m", uid=uid)
    eq((r.last.get("cause"), r.took < 15), ("workspace", True), "a workspace over its limit ends the run, by name")
    r = best("import time\nfor i in range(300): open(str(i), 'w')\ntime.sleep(30)", "--limit", "inodes=200", uid=uid)
    eq(r.last.get("cause"), "workspace", "so do too many files")
    r = best("import os, time\nfor i in range(150):\n  os.mkdir('d'); os.chdir('d')\ntime.sleep(30)", uid=uid)
    eq(r.last.get("cause"), "workspace", "so does a tree too deep to be counted")
    r = best("import os\nos.mkdir('closed'); open('closed/x', 'wb').write(bytes(9 << 20))\nos.mkdir('none', 0); import time; time.sleep(30)",
             "--limit", "workspace=4m", uid=uid)
    eq(r.last.get("cause"), "workspace", "a directory without any mode is opened, and counted")
    r = best("open('x', 'wb').write(bytes(9 << 20))", "--limit", "file=1m", uid=uid)
    ok(r.status and "x" not in r.out, "a file ends at its limit", r.status, r.err)
    r = best("import os\nn = 0\ntry:\n  while n < 200:\n    if os.fork() == 0: __import__('time').sleep(5); os._exit(0)\n    n += 1\n"
             "except OSError as e: print('refused', 10 < n < 30)", "--limit", "processes=30", uid=uid)
    eq(r.out, "refused True\n", "forks end at the limit, whatever this user runs besides")
    r = best("import os\nwhile True:\n  try: os.fork()\n  except OSError: pass", "--limit", "processes=32", "--limit", "wall=1", uid=uid)
    eq((r.last.get("cause"), r.took < 10 * PATIENCE), ("wall", True), "a fork bomb of everyone ends")
    r = best("x = bytearray(900 << 20); print('no')", "--limit", "memory=200m", uid=uid)
    ok("no" not in r.out and r.status, "memory ends at its limit", r.status, r.out)
    r = best("import os\nos.mkdir('x', 0o700); os.chdir('x')\nfor i in range(90): os.mkdir('y'); os.chdir('y')\n"
             "open('f', 'w'); os.mkdir('z', 0)", uid=uid)
    eq((r.status, dirs()), (0, before), "deep and closed trees are removed")

    # The end of life
    for what in ("the helper", "init", "the agent's end of the lifeline", "SIGTERM"):
        r, w = os.pipe()
        p = subprocess.Popen([boxlib.SANDBOX, "--backend", "best", "--lifeline-fd", str(r), "--", "/bin/sh", "-c",
                              f"{MARK} & setsid {MARK} & (setsid sh -c '{MARK} & {MARK}' &) ; echo up; {MARK}"], env={}, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, cwd="/", pass_fds=(r,), **as_user(uid))
        os.close(r)
        eq(p.stdout.readline(), b"up\n", f"{what}: it runs")
        ok(wait_none(lambda: len(ours()) < 5), f"{what}: processes can be seen from outside (control)", ours())
        if what == "the helper":
            p.kill()
        elif what == "init":
            parent = {}
            for q in os.listdir("/proc"):
                if q.isdigit():
                    try:
                        parent[int(q)] = int(Path(f"/proc/{q}/stat").read_text().rpartition(")")[2].split()[1])
                    except OSError:
                        pass
            init = [q for q, up in parent.items() if up == p.pid and any(parent.get(m) == q for m in ours())]
            eq(len(init), 1, "init: found")
            os.kill(init[0], signal.SIGKILL)
        elif what == "SIGTERM":
            p.terminate()
        else:
            os.close(w)
            w = -1
        ok(wait_none(ours), f"{what}: its end is the end of every process", ours())
        p.wait()
        p.stdout.close()
        if w >= 0:
            os.close(w)
        ok(wait_none(lambda: dirs() != before), f"{what}: no directory is left", dirs())
server.close()
for name in os.listdir(tmp):
    (tmp / name).unlink()
tmp.rmdir()
done()
