#!/usr/bin/python3
"""Two publish at once. Runs of one job whose lock file is taken away between their beginnings, so that it does not keep them apart; two job
files with one folder; and reports of one session written to one place at the same time. tests/unit/test_job_folder.c races what publishes
alone, hundreds of times."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from jobs import *

ROUNDS = int(os.environ.get("RACE_ROUNDS", "5"))
WHOLE = {"answer.md", "job.json", "report.html", "report.md", "files"}
CODE = "t = open('s.csv').read().split()[1]\nopen('out.txt', 'w').write(t)\nreport.number('t', int(t))"
SCRIPT = [code(CODE), say("There are {{num:t}}.")]
JOB = """question = Describe the file.
input = s.csv
input = command: sleep 0.0$(date +%N | cut -c1); cat s.csv as made.csv
output = report.html
output = report.md
must_exist = out.txt
[settings]
grounding = false
"""


def begin(provider, name="w.job"):
    return start("job", "run", name, url=provider.url, home=home, env={"AGENT_MODEL": "scripted", **RUNTIME})


def finished():
    return sorted(p.name for p in reports.iterdir() if re.match(r"\d{4}-", p.name))


(work / "s.csv").write_text("n\n5\n")
write(JOB)
eq(job("run", "w.job", script=SCRIPT).status, 0, "a first report")
bad, both = [], 0
with Provider([], idle=600) as provider:
    for i in range(ROUNDS):
        had = finished()
        runs = []
        for _ in range(2):
            (reports / ".lock").unlink(missing_ok=True)
            runs.append(begin(provider))
            end = time.monotonic() + 10 * PATIENCE
            while not (reports / ".lock").exists() and time.monotonic() < end:
                time.sleep(0.001)
        for r in runs:
            finish(r, keep=[provider.process.pid, *(o.process.pid for o in runs if o is not r)])
        new = [name for name in finished() if name not in had]
        both += len(new) == 2
        if [r.status for r in runs] != [0, 0] or len(new) != 2:
            bad.append((i, [(r.status, r.err) for r in runs], new))
        if latest() not in new:
            bad.append((i, "latest", latest(), new))
        for name in new:
            names = {p.name for p in (reports / name).iterdir()}
            page = (reports / name / "report.html").read_text()
            if WHOLE - names or "</html>" not in page or (reports / name / "answer.md").read_text() != "There are 5.\n":
                bad.append((i, name, names))
            if json.loads((reports / name / "job.json").read_text())["folder"] != name or not (reports / ".inputs" / name / "made.csv").exists():
                bad.append((i, name, "job.json, inputs"))
eq((bad, both), ([], ROUNDS), f"{ROUNDS} times two runs at once: both reports are whole, latest is one of them, and none is lost")
eq([p.name for p in reports.iterdir() if p.name.startswith(".") and p.name not in (".lock", ".inputs")], [], "and nothing else is left")

# --- two job files, one folder: the lock is the folder's ---
write(JOB.replace("sleep 0.0", "touch at-work; sleep 2.0"))
write(JOB.replace("question", "folder = w.reports\nquestion", 1), "other.job")
with Provider([], idle=600) as provider:
    r = begin(provider)
    while not (work / "at-work").exists():
        time.sleep(0.02)
    other = finish(begin(provider, "other.job"), keep=[provider.process.pid, r.process.pid])
    finish(r, keep=[provider.process.pid])
eq((r.status, other.status), (0, 0), "two job files with one folder: the second does nothing")
like(other.err, r"job other: a run is at work in w\.reports already: this one does nothing", "and says where the other is at work")

# --- reports of one session, to one place ---
session = summary()["session"]
(work / "out").mkdir()
torn = []
for i in range(ROUNDS):
    runs = [start("report", session, "out/r.html", "out/r.md", home=home) for _ in range(3)]
    while any(r.process.poll() is None for r in runs):
        for path in (work / "out").glob("r.*"):
            if path.suffix == ".html" and "</html>" not in path.read_text():
                torn.append((i, path.name))
    for r in runs:
        finish(r, keep=[o.process.pid for o in runs if o is not r])
    torn += [(i, r.status, r.err) for r in runs if r.status != 0]
eq(torn, [], "three write the same files at once: at any moment each is whole")
eq(sorted(p.name for p in (work / "out").iterdir()), ["r.html", "r.md"], "and nothing else is there")
done()
