#!/usr/bin/python3
"""SIGKILL at any moment of a job: `latest` is a whole report, nothing is half-written, the next run is a good one that takes away what
was left, and what the user's commands had started is gone with the job."""
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from jobs import *

ROUNDS = int(os.environ.get("KILL_ROUNDS", "60"))
seed = int(os.environ.get("TEST_SEED") or time.time())
print(f"# TEST_SEED={seed}", flush=True)
rng = random.Random(seed)
WHOLE = {"answer.md", "job.json", "report.html", "files"}


def finished():
    return sorted(p.name for p in reports.iterdir() if re.match(r"\d{4}-", p.name))


def hidden():
    return sorted(p.name for p in reports.iterdir() if p.name.startswith((".new", ".old", ".latest", ".run")))


def begin(provider, **env):
    return start("job", "run", "w.job", url=provider.url, home=home, env={"AGENT_MODEL": "scripted", **RUNTIME, **env})


# --- whatever it is doing ---
(work / "data").mkdir()
(work / "data/s.csv").write_text("n\n5\n")
JOB = """question = Describe the file.
input = data/s.csv
input = command: echo n; sleep 0.05; cat data/part.csv 2>/dev/null; true as made.csv
output = report.html
must_exist = out.txt
check = number t between 0 and 100
check = cell: int(t) >= 0
keep = 3
on_success = sleep 0.1
[settings]
grounding = false
"""
CODE = """t = open('s.csv').read().split()[1]
open('out.txt', 'w').write(t)
open('made.csv').read().split()[1]
report.number('t', int(t))"""
SCRIPT = [code(CODE.replace("[1]\nreport", "[0]\nreport")), say("The file is described in out.txt.")]
write(JOB)
eq(job("run", "w.job", script=SCRIPT).status, 0, "a run before the kills")
t0 = time.monotonic()
eq(job("run", "w.job", script=[]).status, 0, "and its code once more")
span = time.monotonic() - t0
bad, published = [], 0
with Provider(SCRIPT * ROUNDS, idle=600) as provider:
    for i in range(ROUNDS):
        (work / "data/part.csv").write_text(f"{i}\n")
        before = latest()
        r = begin(provider)
        # Every other one late, when the report is being made and published.
        moment = rng.uniform(0, 1.1) if i % 2 else rng.uniform(0.7, 1.1)
        time.sleep(span * moment)
        r.process.kill()
        finish(r, keep=[provider.process.pid])
        r.litter = []  # nobody is left to take it away
        if r.left:
            bad.append((i, moment, r.left))
        for name in {latest(), *finished()}:
            if name is None or WHOLE - {p.name for p in (reports / name).iterdir()}:
                bad.append((i, moment, name))
            elif [p for p in (reports / name).rglob("*") if ".tmp." in p.name] or "</html>" not in (reports / name / "report.html").read_text():
                bad.append((i, moment, "half-written", name))
        json.loads((reports / "latest/job.json").read_text())
        published += latest() != before
        if i % 10 == 9:
            r = finish(begin(provider), keep=[provider.process.pid])
            if r.status != 0 or hidden() or len(finished()) > 3 or summary()["by"] != "rerun":
                bad.append((i, r.status, r.err, hidden(), finished()))
            inputs = {p.name for p in (reports / ".inputs").iterdir()}
            if inputs != set(finished()):
                bad.append((i, "inputs", inputs, finished()))
eq(bad, [], f"after each of {ROUNDS} kills latest is a whole report, and so is every other; the next run is good, and clears up")
print(f"# {published} of {ROUNDS} were killed after they had published", flush=True)
for path in (home / "share/agent/sessions").iterdir():
    if (path / "events.jsonl").exists():
        bad += Record(path).broken
eq(bad, [], "every record loads")

# --- what a command started ---
TREE = "(setsid sh -c 'echo $$ >> pids; exec sleep 300' >/dev/null 2>&1 &) ; sh -c 'echo $$ >> pids; exec sleep 300' | cat; echo $$ >> pids; sleep 300"


def kill_when_started(what):
    (work / "pids").unlink(missing_ok=True)
    with Provider(SCRIPT) as provider:
        r = begin(provider)
        end = time.monotonic() + 30 * PATIENCE
        while (not (work / "pids").exists() or len((work / "pids").read_text().split()) < 2) and time.monotonic() < end:
            time.sleep(0.02)
        started = (work / "pids").read_text().split()
        there = [p for p in started if os.path.exists(f"/proc/{p}")]
        eq((len(started), there), (2, started), f"{what}: it has started two programs, one in a session of its own")
        r.process.kill()
        finish(r, keep=[provider.process.pid])
        r.litter = []
        eq(r.left, {}, "and both die with the job that is killed")
        r.left = {}


write(JOB.replace("sleep 0.05", TREE))
kill_when_started("an input's command")
write(JOB.replace("on_success = sleep 0.1", f"on_success = {TREE}"))
kill_when_started("on_success")
write(JOB.replace("on_success = sleep 0.1", "on_success = (setsid sh -c 'echo $$ >> pids; exec sleep 300' >/dev/null 2>&1 &) ; true"))
r = job("run", "w.job", script=[])
eq((r.status, len(r.left)), (0, 1), "of a job that ends by itself, what its command leaves behind goes on")
r.left = {}
write(JOB)
eq((job("run", "w.job", script=[]).status, hidden()), (0, []), "the next run is a good one, and nothing is left")
done()
