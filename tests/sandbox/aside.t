#!/usr/bin/python3
"""What the process aside does late: strace holds its umount2() of the host's root up, before the kernel does it or after.
Before: the command waits, and never sees the old root. After: the command does not wait for the kernel's own rest of it."""
import shutil
import subprocess
import time

from boxlib import *

LATE = 1.5 * PATIENCE
LOOK = "for f in /../*; do echo $f; done"


def run(uid, when):
    """Lines of the command, and when the first came."""
    argv = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=umount2", "-e", f"inject=umount2:{when}={int(LATE * 1e6)}",
            SANDBOX, "--", "/bin/sh", "-c", LOOK]
    began = time.monotonic()
    p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env={"PATH": "/usr/bin:/bin"}, cwd="/",
                         **as_user(uid))
    first = p.stdout.readline()
    took = time.monotonic() - began
    out = first + p.stdout.read()
    p.stdout.close()
    return sorted(out.split()), took, p.wait()


if not shutil.which("strace"):
    print("1..0 # SKIP strace is not installed")
    sys.exit(0)
if "__asan" in open(SANDBOX, "rb").read().decode("latin-1"):
    print("1..0 # SKIP the sanitizer's build forks where the other shares memory")
    sys.exit(0)
INSIDE = sorted(f"/../{f}" for f in ["bin", "data", "dev", "etc", "lib", "output", "proc", "run", "sbin", "tmp", "usr", "workspace"])
for uid in each_user():
    seen, took, status = run(uid, "delay_enter")
    ok(status == 0 and set(INSIDE) <= set(seen) and not {"/../home", "/../root", "/../sys"} & set(seen),
       "the host's root is taken away late: \"..\" of the command's root leads nowhere", seen, status)
    ok(took >= LATE, "since it waited", took)
    seen, took, status = run(uid, "delay_exit")
    ok(status == 0 and set(INSIDE) <= set(seen), "the call returns late: the command runs", seen, status)
    ok(took < LATE, "and did not wait for that", took)
done()
