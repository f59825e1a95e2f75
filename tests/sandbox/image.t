#!/usr/bin/python3
"""A warm template that comes from an image: same rules and limits, same results; nothing passes from one sandbox to the
next through it; what does not fit is not taken."""
import re
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from boxlib import *

CELL = Path(os.path.realpath(os.environ.get("BUILD") or TOP / "build")) / "tests" / "sandbox" / "cell"
HERE = Path(tempfile.mkdtemp(prefix="image-"))
HERE.chmod(0o755)
STACK = "numpy pandas matplotlib.pyplot"
FROM_IMAGE = "import pandas\nprint('from image', 'memfd:template' in open('/proc/self/maps').read())\n"


def cells(uid, how, *code, options=()):
    path = HERE / "cells"
    path.write_text("\n%%%%\n".join(code) + "\n")
    argv = [str(CELL), *options, "--preload", STACK, *(["--image", how] if how else []), str(path)]
    p = subprocess.run(argv, capture_output=True, text=True, timeout=300 * PATIENCE, cwd="/", **as_user(uid),
                       env={"PATH": "/usr/bin:/bin", "SANDBOX_PROGRAM": SANDBOX})
    return p.stdout + p.stderr


RESULTS = ["""import numpy as np, pandas as pd
f = pd.DataFrame({"k": np.arange(60000) % 7, "v": np.arange(60000) * 0.5})
print(f.groupby("k").v.agg(["sum", "mean"]).round(3))
print(pd.to_datetime("2026-03-01").strftime("%A"), np.linalg.eigvalsh(np.ones((90, 90))).max().round(6))
f.to_csv("f.csv"); print(len(pd.read_csv("f.csv")))""",
           "import matplotlib.pyplot as plt\nplt.plot([1, 3, 2])\nplt.show()",
           """import threading, subprocess, multiprocessing, time
got = []
t = [threading.Thread(target=lambda: got.append(time.monotonic())) for _ in range(8)]
[x.start() for x in t], [x.join() for x in t]
print(len(got), subprocess.run(["echo", "child"], capture_output=True).stdout, multiprocessing.Pool(2).map(abs, [-1, -2]))""",
           # libc's heap must grow and shrink where the break is another's
           """big = [bytearray(90_000) for _ in range(3000)]; del big
small = [str(i) * 9 for i in range(900_000)]; print(len(small)); del small
big = [bytes(200) for _ in range(900_000)]; print(len(big)); del big""",
           "import sys\nsys.setrecursionlimit(60_000)\ndef down(n): return n and 1 + down(n - 1)\nprint(down(40_000))",
           "raise ValueError('as usual')"]
ENDLESS = ["import pandas, signal\nprint('default', signal.getsignal(signal.SIGINT) is signal.default_int_handler)\nwhile True: pass",
           "print('after the interrupt')"]

# Every question of hostile code to the memory it was given, and to the processes around it.
HOSTILE = r"""import pandas, os, ctypes, re, mmap
libc = ctypes.CDLL(None, use_errno=True)
status = open("/proc/self/status").read()
print("rights", {re.search(n + r":\s*(\w+)", status)[1].strip("0") or "0"
                 for n in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")},
      re.search(r"NoNewPrivs:\s*(\d)", status)[1], re.search(r"Seccomp:\s*(\d)", status)[1])
links = [os.readlink("/proc/self/fd/" + n) for n in os.listdir("/proc/self/fd") if os.path.lexists("/proc/self/fd/" + n)]
print("descriptors", [x for x in links if "memfd" in x or "/" in x and x != "/dev/null"])
opened = []
for where in ("/proc/self/map_files", "/proc/1/map_files"):
    try:
        for n in os.listdir(where):
            try: opened.append(os.open(where + "/" + n, os.O_RDWR))
            except OSError: pass
    except OSError: pass
print("mapped files opened", len(opened))
def tries(*paths):
    n = 0
    for pid in os.listdir("/proc"):
        for what in paths if pid.isdigit() and int(pid) != os.getpid() else ():
            try:
                with open(f"/proc/{pid}/{what}", "rb") as f:
                    n += len(f.read(1)) > 0
            except OSError: pass
    return n
print("others", tries("mem", "maps", "environ", "exe"))
def refused(number, first=0):
    return libc.syscall(number, first, 0, 0, 0, 0, 0) == -1 and ctypes.get_errno() in (1, 38)
# ptrace, process_vm_readv, pidfd_getfd, setns, unshare; prctl(PR_SET_DUMPABLE) last
print("calls", [refused(n, a) for n, a in ((101, 0), (310, 0), (438, 0), (308, 0), (272, 0x10000000))], refused(157, 4))
print("program", os.spawnl(os.P_WAIT, "/run/sandbox/restore", "restore", "5", "6") > 0)
"""
# A page of the image that the next sandbox maps too, by its content.
POISON = """import pandas, ctypes, re
mark = b"Two-dimensional, size-mutable, potentially heterogeneous tabular data"
done = 0
for line in open("/proc/self/maps").readlines():
    if "memfd:template" in line and " rw-p " in line:
        a, b = [int(x, 16) for x in line.split()[0].split("-")]
        block = ctypes.string_at(a, b - a)
        at = block.find(mark)
        while at >= 0:
            ctypes.memset(a + at, ord("X"), len(mark)); done += 1
            at = block.find(mark, at + 1)
pandas.DataFrame.sum = None
print("poisoned", done > 0, "XXXX" in pandas.DataFrame.__doc__)"""
CLEAN = "import pandas\nprint('clean', pandas.DataFrame.sum is not None, 'Two-dimensional' in pandas.DataFrame.__doc__)"

for uid in each_user():
    patient = ("--timeout", str(int(60_000 * PATIENCE)))
    own, shared = (cells(uid, how, *RESULTS, options=patient) for how in (None, "whole"))
    eq(shared.split("\n"), own.split("\n"), "cells do and say the same as from a template of their own")
    ok("a PNG" in shared and "out: 40000" in shared and "value: as usual" in shared, "to the last of them", shared)
    out = cells(uid, "whole", *ENDLESS, options=("--timeout", str(int(3000 * PATIENCE))))
    ok("[1 timeout]" in out and "default True" in out and "after the interrupt" in out, "a cell without end is interrupted", out)
    has(cells(uid, "whole", FROM_IMAGE), "from image True", "it is the image that they run from")
    out = cells(uid, "whole", HOSTILE)
    has(out, "rights {'0'} 1 2", "no capabilities, no new privileges, under a filter")
    has(out, "descriptors []", "the image is nobody's to open")
    has(out, "mapped files opened 0", "nor by way of its mappings")
    has(out, "others 0", "templates, guardian and pid 1 cannot be looked at")
    has(out, "calls [True, True, True, True, True] True", "nor traced, read or joined")
    has(out, "program True", "restore helps nobody")
    out = cells(uid, "whole", POISON + "\n%%%% other\n" + CLEAN)
    has(out, "poisoned True True", "code can change its own copy of what it got")
    has(out, "clean True True", "and changes nobody else's")
    for how, why in (("unsealed", "that somebody could still write to"), ("damaged", "that is none"), ("truncated", "that is cut off"),
                     ("environment", "of another environment")):
        out = cells(uid, how, FROM_IMAGE)
        has(out, "from image False", f"an image {why} is not taken, and cells run all the same")
for path in HERE.iterdir():
    path.unlink()
HERE.rmdir()
done()
