#!/usr/bin/python3
"""A job on a timer of the real systemd, as whoever runs this: installed, run twice by the timer, the first time with a model and the
second time its code again without one, and removed. Started by guest.sh, in the virtual machine."""
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

AS_ROOT = os.getuid() == 0
os.environ.setdefault("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}")
SYSTEMCTL = ["systemctl"] if AS_ROOT else ["systemctl", "--user"]
work = Path.home() / "timer-test"
work.mkdir()
env = {name: os.environ[name] for name in ("HOME", "PATH", "XDG_RUNTIME_DIR") if name in os.environ}
env["HOME"] = str(Path.home())


def call(*argv):
    p = subprocess.run(list(map(str, argv)), cwd=work, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return p.returncode, p.stdout + p.stderr


def runs():
    log = work / "tick.reports/log.jsonl"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def wait_runs(n):
    end = time.monotonic() + 60 * PATIENCE
    while len(runs()) < n and time.monotonic() < end:
        time.sleep(0.5)
    return len(runs()) >= n


(work / "key").write_text(KEY)
(work / "key").chmod(0o600)
(work / "a.csv").write_text("x\n1\n2\n")
with Provider([code("print(sum(int(l) for l in open('a.csv').read().split()[1:]))"), say("It is 3.")], idle=3600) as provider:
    (work / "tick.job").write_text(f"""question = what is the sum?
input = a.csv
schedule = *-*-* *:*:00/30
[settings]
model = scripted
base_url = {provider.url}
api_key_file = {work}/key
""")
    r = call(AGENT, "job", "install", "tick.job")
    eq(r[0], 0, f"job install {r[1]}")
    timers = call(*SYSTEMCTL, "list-timers", "--no-legend", "agent-job-tick-*")[1]
    like(timers, "agent-job-tick-", "systemd knows the timer")
    ok(wait_runs(2), "the timer ran it twice", runs(), *call("journalctl", *SYSTEMCTL[1:], "-n", "40", "--no-pager"))
    asked = len(provider.read())
    eq([(r.get("status"), r.get("by")) for r in runs()[:2]], [("ok", "model"), ("ok", "rerun")],
       "both to a good end: the first by the model, the second by its code")
    eq(asked, 2, "the second asked no model")
    eq((work / "tick.reports/latest").is_symlink(), True, "there is a report")
    r = call(AGENT, "job", "remove", "tick.job")
    eq(r[0], 0, f"job remove {r[1]}")
    eq(call(*SYSTEMCTL, "list-timers", "--all", "--no-legend", "agent-job-tick-*")[1].strip(), "", "and no timer is left")
    n = len(runs())
    time.sleep(32)
    ok(len(runs()) <= n + 1 and "agent-job-tick" not in call(*SYSTEMCTL, "list-units", "--all", "--no-legend", "agent-job-*")[1],
       "nothing runs any more")
print(f"# {runs()}")
shutil.rmtree(work)
done()
