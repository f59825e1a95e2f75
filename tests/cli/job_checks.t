#!/usr/bin/python3
"""Checks: expressions of --check in questions and re-runs, and a job's, which decide whether its report is published."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from jobs import *


# --- --check ---
(work / "n.csv").write_text("n\n41\n")
CODE = "n = int(open('n.csv').read().split()[1])\nreport.number('n', n)\nnames = ['a']"
SCRIPT = [code(CODE), say("It is {{num:n}}.")]
r = run("n?", "-f", "n.csv", "--check", "n > 40", "--check", "len(names) == 1", home=home, script=SCRIPT)
eq((r.status, r.out), (0, "It is 41.\n"), "expressions that are true change nothing")
eq([(e["expression"], e["ok"]) for e in r.record.events if e["type"] == "check"], [("n > 40", True), ("len(names) == 1", True)], "and are recorded")
sid = r.record.path.name
for expression, said in (("n > 1000", r"check n > 1000: expected True, found False with \{'n': 41\}"),
                         ("total", r"check total: expected True, found NameError: name 'total' is not defined"),
                         ("n >", r"check n >: expected True, found SyntaxError"),
                         ("'True'", None), ("1", None), ("[]", r"expected True, found False"),
                         ("__import__('os')._exit(1)", r"expected True, found died")):
    r = run("n?", "-f", "n.csv", "--check", expression, home=home, script=SCRIPT)
    eq(r.status, 9 if said else 0, f"--check {expression}")
    if said:
        like(r.err, said, "the message names it and what was found")
        eq(json.loads((r.record.path / "manifest.json").read_text())["status"], "check", "and the record")
r = run("n?", "-f", "n.csv", "--check", "n > 40", home=home, script=[code("1/0"), code("2"), say("None.")])
eq(r.status, 9, "where no cell set the name it fails")
(work / "new.csv").write_text("n\n7\n")
r = run("rerun", sid, "-f", "new.csv", "--check", "n > 40", model=None, home=home, script=[])
eq((r.status, r.requests), (9, []), "in a re-run too")
eq(run("rerun", sid, "-f", "new.csv", "--check", "n < 40", model=None, home=home, script=[]).status, 0, "one that holds")
r = run("n?", "--check", "True if (", "--dry-run", home=home, script=[])
eq(r.status, 0, "a dry run evaluates nothing")

# --- what is wrong with the line ---
for line in ("total > 5", "number total", "number total within 20 of last", "number total within -1% of last", "number total between 5 and 1",
             "number total between a and b", "number total between 1 and 5 or 6", "number total between 1 and inf", "cell:", "cell total"):
    write(f"question = x\ncheck = {line}\n")
    r = job("check", "w.job")
    eq(r.status, 3, f"refused: check = {line}")
    like(r.err, r'w\.job:2: check is of no form that there is: "number NAME within A% of last", "number NAME between A and B", or "cell: ', "with all forms")

# --- in a job ---
JOB = """question = What is n?
input = newest n-*.csv as n.csv
output = report.html
check = number n within 20% of last
check = number n between 1 and 1e6
check = cell: n != 45
on_failure = cat > failed.json
[settings]
grounding = false
"""
clock = 1000


def give(n):
    global clock
    clock += 1
    (work / f"n-{clock}.csv").write_text(f"n\n{n}\n")
    os.utime(work / f"n-{clock}.csv", (clock, clock))


write(JOB)
give(41)
r = job("run", "w.job", script=SCRIPT)
eq(r.status, 0, "a first run has no last number to be near to")
eq(json.loads((reports / "latest/job.json").read_text())["numbers"], {"n": 41}, "its numbers are kept")
give(44)
r = job("run", "w.job", script=[])
eq((r.status, r.requests), (0, []), "a number within its range, by the code of before")
before = latest()
write(JOB.replace("question", "repair = never\nquestion", 1))
for n, said in ((60, r"job w: check = number n within 20% of last: expected within 20% of the latest report's 44: 35\.2 to 52\.8, found 60\. Its record: /"),
                (30, r"number n within 20% of last: .*found 30"),
                (45, r"check n != 45: expected True, found False with \{'n': 45\}")):
    give(n)
    r = job("run", "w.job", script=[])
    eq((r.status, r.requests), (9, []), f"{n}: a check that fails gives status 9, and asks no model")
    like(r.err, said, "the message names it, what was expected and what was found")
    eq((latest(), [p.name for p in reports.iterdir() if p.name.startswith(".new")]), (before, []), "latest is what it was")
    eq(json.loads((work / "failed.json").read_text())["status"], "check", "on_failure is told")
like(job("log", "w.job").out, r"check  .*number n within 20% of last", "log tells it")
write(JOB)
r = job("run", "w.job", script=[code("n += 1\nreport.number('n', n)"), say("It is {{num:n}}.")])
eq((r.status, len(r.requests), json.loads((reports / "latest/job.json").read_text())["by"]), (0, 2, "repair"),
   "an expression that does not hold has the model repair the code")
give(52)
eq(job("run", "w.job", script=[]).status, 0, "the next number is measured by the last one published, and not by those that failed")
write(JOB.replace("between 1 and 1e6", "between -5 and 0.5"))
r = job("run", "w.job", script=[])
eq(r.status, 9, "a range")
like(r.err, r"check = number n between -5 and 0\.5: expected between -5 and 0\.5, found 53", "is told")
write(JOB.replace("number n between", "number sum between"))
r = job("run", "w.job", script=[])
eq(r.status, 9, "a number that was not published")
like(r.err, r"expected between 1 and 1000000, found no number published as sum; there are n\.", "is named, with those that are there")
write(JOB.replace("question", "mode = model-always\nquestion", 1))
r = job("run", "w.job", script=[code("report.number('n', 1000)\nn = 1000"), say("It is {{num:n}}.")])
eq((r.status, latest() != before), (9, True), "a model's answer is checked alike")
like(r.err, "found 1000", "with its number")
done()
