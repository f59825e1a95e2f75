#!/usr/bin/python3
"""Attachments, files by descriptor, the workspace's descriptor, context.so, and what the data stack needs."""
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
sys.path.insert(0, str(Path(__file__).resolve().parent))
from boxlib import *  # noqa: E402,F403

folder = Path(tempfile.mkdtemp(prefix="agent-box-", dir="/var/tmp"))
folder.chmod(0o755)
small, middle, large = folder / "small.csv", folder / "middle.bin", folder / "large.bin"
small.write_text("a,b\n1,2\n")
middle.write_bytes(b"m" * (17 << 20))
with open(large, "wb") as f:
    f.truncate(65 << 20)
    f.write(b"L")
(folder / "odd : name.csv").write_text("odd")
for uid in each_user():
    r = sh("cat /data/small.csv /workspace/small.csv; echo x >>/workspace/small.csv && echo mine; echo x >>/data/small.csv || echo no",
           "--data", str(small), uid=uid)
    eq(r.out, "a,b\n1,2\na,b\n1,2\nmine\nno\n", "a small attachment: read-only in /data, a writable copy in /workspace")
    eq(small.read_text(), "a,b\n1,2\n", "the original is unchanged")
    r = sh("stat -c %s /data/m; readlink /workspace/m; grep -c var/tmp /proc/self/mountinfo", "--data", f"{middle}:m", uid=uid)
    eq(r.out, f"{17 << 20}\n/data/m\n0\n", "a larger one: copied to /data, a link in /workspace, its path unknown inside")
    r = sh("stat -c %s /data/l; head -c 1 /data/l; readlink /workspace/l; echo x >/data/l || echo no", "--data", f"{large}:l", uid=uid)
    eq(r.out, f"{65 << 20}\nL/data/l\nno\n", "a large one is bound, read-only")
    r = sh("cat '/data/odd : name.csv'", "--data", str(folder / "odd : name.csv"), uid=uid)
    eq(r.out, "odd", "a name with a colon and blanks")
    if uid == 0 and AM_ROOT:
        (folder / "secret").mkdir(mode=0o700, exist_ok=True)
        (folder / "secret" / "s.csv").write_text("s")
        r = sh("cat /data/s.csv", "--data", str(folder / "secret" / "s.csv"), uid=uid)
        eq(r.out, "s", "root's own file is opened before root is given up")
    fd = os.memfd_create("x", 0)
    os.write(fd, b"print('from a descriptor')")
    r = Run(["--file-fd", f"{fd}:/run/sandbox/d.py", "--", PYTHON, "-I", "/run/sandbox/d.py"], uid=uid, pass_fds=(fd,))
    eq(r.out, "from a descriptor\n", "--file-fd copies what a descriptor holds")
    r, w = os.pipe()
    result = Run(["--pass-fd", str(w), "--", PYTHON, "-I", "-c", f"import os; os.write({w}, b'out'); print(sorted(os.listdir('/proc/self/fd')))"],
                 uid=uid, pass_fds=(w,))
    os.close(w)
    eq(os.read(r, 10), b"out", "--pass-fd keeps the number")
    ok(str(w) in result.out and len(eval(result.out)) <= 5, "and nothing else is open", result.out)
    os.close(r)
    a, b = socket.socketpair()
    Run(["--workspace-fd", str(b.fileno()), "--", "sh", "-c", "echo kept >kept.txt; ln -s /etc/shadow link"], uid=uid, pass_fds=(b.fileno(),))
    message, fds, _, _ = socket.recv_fds(a, 1, 1)
    eq(sorted(os.listdir(fds[0])), ["kept.txt", "link"], "the workspace's descriptor outlives the sandbox")
    eq(os.read(os.open("kept.txt", os.O_RDONLY, dir_fd=fds[0]), 10), b"kept\n", "and its files can be read")
    os.close(fds[0])
    r = python("""
import _ctypes
h = _ctypes.dlopen('/run/sandbox/context.so', 2)
for f in ('template_enter', 'guardian_enter', 'context_enter'): print(_ctypes.dlsym(h, f) > 0)
""", uid=uid)
    eq(r.out, "True\n" * 3, "context.so is there with its three calls")
    r = python("""
import ctypes, os
l = ctypes.CDLL('/run/sandbox/context.so')
print(l.template_enter(), flush=True)
pid = os.fork()
if pid == 0:
    r = l.guardian_enter()
    pid = os.fork()
    if pid == 0:
        import socket
        r += l.context_enter(b"", b"")
        out = [r]
        for p in ('/output/x', '/workspace/x', '/tmp/x', '/dev/shm/x', '/usr/x'):
            try: open(p, 'w'); out.append('w')
            except OSError: out.append('-')
        for f in (lambda: socket.socket(2, 1), lambda: os.kill(os.getppid(), 0), lambda: l.landlock and 0,
                  lambda: open(f'/proc/{os.getppid()}/mem', 'rb'), lambda: os.listdir(f'/proc/{os.getppid()}')):
            try: f(); out.append('BAD')
            except (OSError, AttributeError): out.append('-')
        out.append(open('/proc/self/oom_score_adj').read().strip())
        print(out, flush=True); os._exit(0)
    os.waitpid(pid, 0); os._exit(0)
os.waitpid(pid, 0)
open('/output/y', 'w'); print('template writes /output')
""", "--template", uid=uid)
    eq(r.out, "0\n[0, '-', 'w', 'w', 'w', '-', '-', '-', '-', '-', '-', '1000']\ntemplate writes /output\n",
       "template, guardian, context: each with its rights")
    r = python("import ctypes\nprint(ctypes.CDLL('/run/sandbox/context.so').context_enter(b'', b''))", uid=uid)
    ok(r.out.startswith("-"), "outside a template, context_enter fails closed", r.out, r.err)
    r = python("""
import numpy, pandas, io, matplotlib
matplotlib.use('Agg')
import matplotlib.pyplot as plt, sqlite3, multiprocessing, subprocess, tempfile, zoneinfo, locale, datetime, os
if __name__ == '__main__':
    df = pandas.read_csv(io.StringIO('a,b\\n1,2\\n1,3\\n'))
    print(df.groupby('a').b.sum().to_dict())
    plt.plot([1, 2]); plt.savefig('/workspace/f.png')
    sqlite3.connect('/workspace/x.db').execute('create table t (a)')
    print(multiprocessing.get_context('fork').Pool(2).map(abs, [-1, -2]))
    print(subprocess.check_output(['date', '+%Y'], text=True).strip().isdigit())
""", uid=uid, seconds=60)
    eq(r.out, "{1: 5}\n[1, 2]\nTrue\n", "pandas, matplotlib, sqlite, multiprocessing, subprocess")
for f in sorted(folder.rglob("*"), reverse=True):
    f.rmdir() if f.is_dir() else f.unlink()
folder.rmdir()
done()
