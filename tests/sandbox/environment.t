#!/usr/bin/python3
"""Nothing of the caller's environment is in the memory of any process of a sandbox, whatever its names are."""
import os
import subprocess
import sys
from pathlib import Path
sys.path.insert(0, str(Path(__file__).resolve().parent))
from boxlib import *  # noqa: E402,F403

CANARY = "canary-" + os.urandom(8).hex()


def tree(pid):
    """pid and all below it."""
    found = [pid]
    for task in found:
        try:
            for t in os.listdir(f"/proc/{task}/task"):
                found += [int(p) for p in Path(f"/proc/{task}/task/{t}/children").read_text().split()]
        except OSError:
            pass
    return found


def command_name(pid):
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "ended"


def memory_has(pid, text):
    """None when there was nothing to read: one that helped with the set-up may have ended."""
    seen = 0
    try:
        with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as mem:
            for line in maps:
                start, end = (int(x, 16) for x in line.split()[0].split("-"))
                if line.split()[1][0] != "r" or "[vvar" in line or "[vsyscall" in line:
                    continue
                try:
                    mem.seek(start)
                    data = mem.read(end - start)
                except (OSError, OverflowError):
                    continue
                seen += len(data)
                if text.encode() in data:
                    return True
    except OSError:
        pass
    return False if seen else None


if os.getuid():
    skip("only root can read the memory of these processes")
    done()
    sys.exit()
p = subprocess.Popen(["/bin/sleep", "60"], env={"A": CANARY})
ok(memory_has(p.pid, CANARY), "the control: an ordinary process has it")
p.kill()
p.wait()
for uid in each_user():
    for name in ("KEY", "LD_LIBRARY_PATH", "LD_WHATEVER", "GLIBC_TUNABLES", "MALLOC_ARENA_MAX", "MALLOC_TRACE", "TZ", "_"):
        env = {"FIRST": CANARY, name: CANARY if name != "GLIBC_TUNABLES" else f"glibc.malloc.check=0:{CANARY}", "LAST": CANARY * 50}
        p = subprocess.Popen([SANDBOX, "--", "/bin/sh", "-c", "echo up; sleep 60"], env=env, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, cwd="/", **as_user(uid))
        p.stdout.readline()
        pids = tree(p.pid)
        names = {q: command_name(q) for q in pids}
        found = {q: memory_has(q, CANARY) for q in pids}
        read = [has for has in found.values() if has is not None]
        ok(len(read) >= 3 and not any(read), f"no process has it when {name} is among the names", found, names)
        ok(not Path(f"/proc/{p.pid}/environ").read_bytes().strip(b"\0"), "and the environment of the helper reads as empty")
        p.terminate()
        p.communicate()
done()
