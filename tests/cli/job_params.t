#!/usr/bin/python3
"""Parameters of a job: in names, patterns and commands; read by the code, which runs again with other values, unless it has the earlier ones in it."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from jobs import *


for lines, said in (("param = region\n", r"w\.job:2: param is NAME = VALUE"), ("param = 1a = x\n", r"w\.job:2: param is NAME = VALUE"),
                    ("param = today = x\n", r"w\.job:2: param: today is the name of a date"),
                    ("param = a = x\nparam = a = y\n", r"w\.job:3: param a is set twice"),
                    ("param = a = {{b}}\nparam = b = x\n", r"param a: \{\{b\}\} is no date"),
                    ("param = a = x\ninput = {{b}}.csv\n", r"input: \{\{b\}\} is no date and no parameter"),
                    ("param = a = x\ninput = x.csv as params.json\n", r"params\.json is the file of the parameters")):
    write("question = x\n" + lines)
    r = job("check", "w.job")
    eq(r.status, 3, f"refused: {lines!r}")
    like(r.err, said, "and said why")

JOB = """question = Sum of {{region}} in {{this_year}}?
param = region = north
param = year = {{this_year}}
input = {{region}}.csv as r.csv
input = command: echo {{region}} as name.txt
output = {{region}}.md
[settings]
grounding = false
"""
for region, n in (("north", 41), ("south", 1300), ("west coast", 7)):
    (work / f"{region}.csv").write_text(f"n\n{n}\n")
write(JOB)
CODE = ("n = int(open('r.csv').read().split()[1])\nreport.number('n', n)\nreport.text('region', report.param('region'))\n"
        "report.text('name', open('name.txt').read())\nyear = int(report.param('year'))")
SCRIPT = [code(CODE), say("The sum of {{text:region}} ({{text:name}}) is {{num:n}}.")]
year = time.gmtime().tm_year
r = job("run", "w.job", script=SCRIPT)
eq((r.status, len(r.requests)), (0, 2), "a first run asks the model")
sent = json.dumps(r.bodies()[0])
ok(f"Sum of {{{{region}}}} in {year}?" in sent, "the question names the parameter, and not its value")
ok('report.param(\\\\\\"' in sent or 'report.param(\\"' in sent, "the model is told how code reads it")
eq((summary()["params"], (reports / "latest/north.md").exists()), ({"region": "north", "year": str(year)}, True), "values in job.json and names")
eq((reports / "latest/answer.md").read_text(), "The sum of north (north) is 41.\n", "the code read it")
r = job("run", "w.job", "--param", "region=south", script=[])
eq((r.status, r.requests), (0, []), "another value: the same code, and no model")
eq((reports / "latest/answer.md").read_text(), "The sum of south (south) is 1,300.\n", "with the new value and its file")
eq((summary()["params"]["region"], (reports / "latest/south.md").exists()), ("south", True), "which job.json tells")
r = run("rerun", summary()["session"], model=None, home=home, script=[])
eq((r.status, r.out), (0, "The sum of south (south) is 1,300.\n"), "the record runs again by itself")
before = latest()
r = job("run", "w.job", "--param", "region=west coast", script=[])
eq((r.status, r.requests, latest()), (2, [], before), "a value that the shell would take apart is not put into a command")
like(r.err, "the value of parameter region has characters other than letters", "and said so")
for word in ("x=1", "region"):
    r = job("run", "w.job", "--param", word, script=[])
    eq((r.status, r.requests), (2, []), f"--param {word} is refused")
like(job("check", "w.job", "--param", "x=1").err, "job w has no parameter x; it has: region, year", "with those that there are")
write(JOB.replace("output = {{region}}.md", "output = {{region}}.md\nparam = up = ../x").replace("output = {{region}}", "output = {{up}}"))
r = job("run", "w.job", script=[])
eq((r.status, r.requests), (2, []), "a value cannot lead an output out of its folder")

# --- code that has the value in it is not run again with another one ---
for script, why in (
        ([code(CODE + "\nok = 'north' in open('name.txt').read()"), SCRIPT[1]], "the code of before has its earlier value in it"),
        ([code("report.number('n', 41)"), say("It is {{num:n}}.")], r"the code of before does not read it \(report\.param\)"),
        ([SCRIPT[0], say("In the north it is {{num:n}}.")], "comes with a text that has its earlier value in it")):
    write(JOB.replace("question", "mode = model-always\nquestion", 1))
    r = job("run", "w.job", script=script)
    eq(r.status, 0, "code of another kind")
    write(JOB)
    r = job("run", "w.job", script=[])
    eq((r.status, r.requests), (0, []), "runs again with the same value")
    r = job("run", "w.job", "--param", "region=south", script=SCRIPT)
    eq((r.status, len(r.requests)), (0, 2), "and with another one the model is asked")
    like(r.err, r"parameter region has another value, and " + why.replace("comes with", "the code of before comes with"), "and said why")
done()
