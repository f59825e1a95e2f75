#!/usr/bin/python3
"""The ends that come from outside: the deadline, Ctrl-C, SIGTERM. Prompt, clean, and on record."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

FIRST = code("open('first.txt', 'w').write('1')\nprint('first done')")
SLOW_CELL = code("print('cell begun', flush=True)\nimport time, subprocess\n"
                 "subprocess.Popen(['sleep', '300'])\n"
                 "try:\n    time.sleep(300)\nexcept BaseException:\n    time.sleep(300)")
PLACES = {  # where the run is when its end comes
    "while a request waits": [FIRST, say("late", delay=40)],
    "while a reply streams": [FIRST, say("slow " * 400, gap=0.05)],
    "while a cell runs": [FIRST, SLOW_CELL],
    "while a retry waits": [FIRST, refusal(503, "later", headers={"Retry-After": "40"}, times=0)],
}


def wait_for(provider, requests, seconds=20):
    end = time.monotonic() + seconds * PATIENCE
    while len(provider.read()) < requests and time.monotonic() < end:
        time.sleep(0.02)
    return len(provider.read()) >= requests


def check(r, name, status):
    eq(r.status, status, f"{name}: status {status}")
    eq(r.out, "", f"{name}: nothing on standard output")
    eq(r.left, {}, f"{name}: no process is left")
    rec = r.record
    ok(rec and not rec.broken and not rec.torn, f"{name}: the record loads", rec and rec.broken)
    like(rec.text() if rec else "", "first done", f"{name}: the cell before is on record")
    ok("first.txt" in r.artifacts, f"{name}: and what it made", r.artifacts)


for place, script in PLACES.items():
    for sig, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        name = f"{sig.name} {place}"
        with Provider(script) as provider:
            r = start("-m", "scripted", "wait", "--timeout", "200s", url=provider.url)
            ok(wait_for(provider, 2), f"{name}: the run got there")
            time.sleep(0.5 * PATIENCE)
            r.process.send_signal(sig)
            sent = time.monotonic()
            finish(r, 15, keep=[provider.process.pid])
            took = time.monotonic() - sent
        check(r, name, status)
        ok(took < 3 * PATIENCE, f"{name}: it ended at once", f"{took:.2f} s")
    name = f"the deadline {place}"
    r = run("wait", "--deadline", f"{3 * PATIENCE:.0f}s", "--timeout", "200s", script=script, timeout=20)
    # No time for the retry is known before the deadline: then it is the provider that failed.
    check(r, name, 124 if r.status != 4 or "retry" not in place else 4)
    ok(r.seconds < 6 * PATIENCE, f"{name}: it ended at once", f"{r.seconds:.2f} s")
    like(r.err, r"(?i)deadline", f"{name}: it says that it was the deadline")

# --- as a terminal does it: the whole process group gets the signal
with Provider([FIRST, SLOW_CELL]) as provider:
    r = start("-m", "scripted", "wait", "--timeout", "200s", url=provider.url, start_new_session=True)
    wait_for(provider, 2)
    time.sleep(0.5 * PATIENCE)
    os.killpg(r.process.pid, signal.SIGINT)
    finish(r, 15, keep=[provider.process.pid])
check(r, "Ctrl-C to the whole group", 130)

# --- a run that is not interrupted does not notice its deadline
r = run("quick", "--deadline", "60s", script=[say("in time")])
eq((r.status, r.out), (0, "in time\n"), "a deadline that is not reached changes nothing")
# --- a caller that ignores SIGINT (nohup, a shell's background job) is not surprised
with Provider([say("after", delay=1.5)]) as provider:
    r = start("-m", "scripted", "wait", url=provider.url,
              preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    wait_for(provider, 1)
    r.process.send_signal(signal.SIGINT)
    finish(r, 15, keep=[provider.process.pid])
ok(r.status in (0, 130), "a SIGINT that the caller had ignored ends in a documented way", r.status)
done()
