#!/usr/bin/python3
"""The status descriptor, exit statuses, and the named causes of every limit."""
import sys
from pathlib import Path
sys.path.insert(0, str(Path(__file__).resolve().parent))
from boxlib import *  # noqa: E402,F403

SPIN = "while True: pass"
for uid in each_user():
    r = sh("exit 7", uid=uid)
    ok(r.status == 7 and [e["event"] for e in r.events] == ["started", "exited"], "started, then exited", r.lines)
    first, last = r.events
    ok(set(first) == {"event", "pid", "limits", "landlock", "backend", "root", "weaker", "devices", "setup_us"} and first["pid"] > 1 and
       first["backend"] == "namespaces" and first["root"] == "" and first["limits"] in ("cgroup1", "cgroup2", "rlimits") and isinstance(first["weaker"], list), "what started says", first)
    ok((first["limits"] == "rlimits") == any("memory cgroup" in w for w in first["weaker"]), "no cgroup is said to be weaker", first)
    ok(set(last) == {"event", "exit", "signal", "cause", "wall_ms", "cpu_ms", "peak_bytes", "oom_kills", "throttled_ms"}, "what exited says", last)
    eq((last["exit"], last["signal"], last["cause"]), (7, 0, "exit"), "the command's own status")
    r = sh("kill -9 $$", uid=uid)
    eq((r.status, r.last["signal"], r.last["cause"]), (137, 9, "signal"), "a signal")
    r = sh("kill -SEGV $$", uid=uid)
    eq((r.status, r.last["signal"], r.last["cause"]), (139, 11, "signal"), "another signal")
    r = python(SPIN, "--limit", "wall=300ms", uid=uid)
    ok(r.status == 137 and r.last["cause"] == "wall" and 250 <= r.last["wall_ms"] <= 2500 * PATIENCE, "cause wall", r.last)
    r = python(SPIN, "--limit", "cpu=1", "--limit", "wall=20", uid=uid)
    ok(r.last["cause"] == "cpu" and 400 <= r.last["cpu_ms"] <= 2500, "cause cpu", r.last)
    r = python("import os\nfor i in range(3): os.fork()\n" + SPIN, "--limit", "cpu=1", "--limit", "wall=20", uid=uid)
    ok(r.last["cause"] == "cpu", "cause cpu, the sum of several processes", r.last)
    r = python("import mmap, time\nm = mmap.mmap(-1, 300 << 20)\nfor i in range(0, 300 << 20, 4096): m[i] = 1\ntime.sleep(3)",
               "--limit", "memory=100m", uid=uid)
    ok(r.status == 137 and r.last["cause"] == "memory" and r.last["oom_kills"] >= 1 and
       any(e["event"] == "memory" for e in r.events), "cause memory, and the event", r.events)
    r = python("""
import mmap, os, time
pid = os.fork()
if pid == 0:
    m = mmap.mmap(-1, 300 << 20)
    for i in range(0, 300 << 20, 4096): m[i] = 1
    time.sleep(3); os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
""", "--limit", "memory=100m", uid=uid)
    ok(r.status == 0 and r.out == "-9\n" and r.last["cause"] == "exit" and r.last["oom_kills"] >= 1,
       "a child over the limit dies alone; the command lives", r.out, r.events)
    r = python("x = bytearray(b'x' * (60 << 20))", uid=uid)
    ok(r.last["peak_bytes"] > 60 << 20, "the peak of memory is reported", r.last)
    r = python(f"import time\nt = time.process_time()\nwhile time.process_time() - t < 0.3: pass", uid=uid)
    ok(r.last["cpu_ms"] >= 290, "processor time is reported", r.last)
    r = python("import numpy, threading; print(numpy.linalg.norm(numpy.ones((500, 500)) @ numpy.ones((500, 500))))",
               "--limit", "memory=512m", uid=uid)
    ok(r.status == 0 and r.out.startswith("250000"), "numpy with its threads runs in 512m", r.out, r.err)
    r = sh("ulimit -n; ulimit -c; ulimit -u", "--limit", "open-files=77", "--limit", "processes=33", uid=uid)
    ok(r.out.split()[0] == "77" and r.out.split()[1] in ("0", "1"), "limits arrive", r.out)
    grouped = r.events[0]["limits"] != "rlimits"
    r = python("import time\nwhile time.process_time() < 0.3: pass", "--limit", "cpu-share=10", uid=uid, seconds=60)
    if grouped and (not uid or r.status == 0):  # an ordinary user may lack the cpu controller alone
        ok(r.last["wall_ms"] > 2000 and r.last["cpu_ms"] < 0.13 * r.last["wall_ms"] + 30 and r.last["throttled_ms"] > 0,
           "cpu-share holds the sandbox at a tenth of a processor, and the report says so", r.last)
    else:
        ok(r.status == 125 and "cpu-share" in r.err and not r.out, "cpu-share that cannot be had is an error", r.err)
done()
