#!/usr/bin/python3
"""agent job: files that say what is wrong with them, inputs, rerun first and then the model, atomic publishing, what stays and
what is told to whom, and runs that overlap."""
import fcntl
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from jobs import *


def finished():
    return sorted(p.name for p in reports.iterdir() if re.match(r"\d{4}-", p.name))


# --- job files ---
for text, said in (
        ("qestion = x\n", r'w\.job:1: unknown key "qestion"; did you mean question\?'),
        ("question = x\nmodel = y\n", r'w\.job:2: unknown key "model"; settings stand below \[settings\]'),
        ("question = x\n[settings]\nmax_cots = 1\n", r'w\.job:3: unknown setting "max_cots"; did you mean max_cost\?'),
        ("question = x\n[settings]\nmax_cost = much\n", r"w\.job:3: max_cost: "),
        ("question = x\n[settings]\nfile = a.csv\n", r"w\.job:3: file is the job's own affair"),
        ("question = x\n[other]\n", r'w\.job:2: unknown section "\[other\]"'),
        ("question = x\nquestion = y\n", r"w\.job:2: question is set twice"),
        ("question = x\nmode = sometimes\n", r"w\.job:2: mode is rerun-first or model-always"),
        ("question = x\nkeep = 0\n", r"w\.job:2: keep is"),
        ("question = x\noutput = ../x.html\n", r"w\.job:2: .*lies in the report's folder"),
        ("question = x\noutput = x.doc\n", r"w\.job:2: output: the format is told by the ending"),
        ("question = {{todya}}\n", r"question: \{\{todya\}\} is no date"),
        ("keep = 2\n", r"there is no question"),
        ("question = x\nquestion_file = y\n", r"question_file"),
        ("just words\n", r"w\.job:1: is not of the form name = value"),
        ("question = x\nkeep =\n", r"w\.job:2: keep has no value")):
    write(text)
    r = job("check", "w.job")
    eq(r.status, 3, f"refused: {text!r}")
    like(r.err, said, "and said where and why")
write("question = x\ninput = data/no-*.csv\n")
r = job("check", "w.job")
eq(r.status, 2, "a pattern that matches nothing")
like(r.err, r"input: no file matches data/no-\*\.csv", "is named")
r = job("run", "w.job")
eq((r.status, latest()), (2, None), "and nothing is made of it")
(work / "new").mkdir()
r = job("new", "new/n.job")
eq((r.status, job("check", "new/n.job").status), (0, 0), "new: a file to begin with, which is a good one")
eq(job("new", "new/n.job").status, 2, "what is there is not overwritten")
new = (work / "new/n.job").read_text()
keys = re.findall(r"(?m)^(?:# )?(\w+) = (.*)$", new.split("[settings]")[0])
told = re.findall(r"(?m)^\| ([a-z_, ]+) \|", (TOP / "docs/JOBS.md").read_text().split("| key |")[1].split("\n\n")[0])
eq(sorted(k for k, _ in keys), sorted({k for line in told for k in line.split(", ")}),
   "it shows all keys that docs/JOBS.md describes, and no other")
(work / "new/question.md").write_text("What?\n")
wrong = {}
for key, value in keys:
    (work / "new/one.job").write_text(f"{key} = {value}\n" + ("" if key.startswith("question") else "question = x\n"))
    r = job("check", "new/one.job")
    if r.status not in (0, 2) or (r.status == 2 and "no file matches" not in r.err):
        wrong[key] = r.err
eq(wrong, {}, "and each of its examples is a good value")
eq((job("bad").status, job("run").status, job("run", "nothere.job").status, job("check", "x.txt").status), (2, 2, 3, 2), "wrong use")

# --- a first report, then the same code on other files ---
shutil.rmtree(reports, ignore_errors=True)
(work / "data").mkdir()
for name, text, t in (("s-1.csv", "n\n1\n", 100), ("s-2.csv", "n\n2\n", 200), ("s-0.csv", "n\n9\n", 50)):
    (work / "data" / name).write_text(text)
    os.utime(work / "data" / name, (t, t))
JOB = """question = Describe the file.
input = newest data/s-*.csv as s.csv
output = report.html
output = notes-{{today:%Y}}.md
must_exist = out.txt
keep = 2
only_if_changed = true
on_success = cat > told.json; echo "$AGENT_JOB_STATUS $AGENT_JOB_REPORT" > told.txt
on_failure = cat > failed.json
[settings]
max_turns = 5
grounding = false
"""
CODE = "t = open('s.csv').read().split()[1]\nopen('out.txt', 'w').write(t)\nprint(t)"
SCRIPT = [code(CODE), say("The file is described in out.txt.")]
write(JOB)
r = job("run", "w.job", script=SCRIPT)
eq((r.status, len(r.requests)), (0, 2), "a first run asks the model")
one = latest()
like(one or "", r"^\d{4}-\d\d-\d\d_\d{6}$", "latest is a folder named by the time")
eq(sorted(str(p.relative_to(reports / one)) for p in (reports / one).rglob("*") if p.is_file()),
   ["answer.md", "files/out.txt", "job.json", f"notes-{time.gmtime().tm_year}.md", "report.html"], "all of the report is there")
eq((reports / one / "files/out.txt").read_text(), "2", "of the newest file")
eq((summary()["by"], summary()["status"], summary()["inputs"]), ("model", "ok", ["data/s-2.csv"]), "job.json says how it was made")
eq((work / "told.txt").read_text(), f"ok {reports / one}\n", "on_success is told where it is")
eq(json.loads((work / "told.json").read_text())["session"], summary()["session"], "and all about it, on its standard input")
r = job("run", "w.job", script=[])
eq((r.status, r.requests, latest()), (10, [], one), "only_if_changed: nothing new, status 10")
(work / "data" / "s-3.csv").write_text("n\n3\n")
r = job("run", "w.job", script=[])
eq((r.status, r.requests), (0, []), "a new file: the code runs again, and no model is asked")
two = latest()
ok(two != one and (reports / two / "files/out.txt").read_text() == "3", "with the new file's number")
eq((summary()["by"], summary()["code_session"] != summary()["session"]), ("rerun", True), "job.json says so")
(work / "data" / "s-4.csv").write_text("n\n")
before = latest()
r = job("run", "w.job", script=[say("I see no number.")])
eq((r.status, len(r.requests), latest()), (9, 1, before), "a repair that fails: latest is what it was")
like(r.err, r"job w: the run failed: repair of cell 1 .*IndexError.*I see no number.* Its record: \S+sessions/", "and it is said why")
write(JOB.replace("keep", "repair = never\nkeep"))
r = job("run", "w.job", script=SCRIPT)
eq((r.status, r.requests, latest()), (9, [], before), "repair = never: no model is asked, the run fails")
write(JOB)
FIXED = "t = (open('s.csv').read().split() + ['none'])[1]\nopen('out.txt', 'w').write(t)"
r = job("run", "w.job", script=[code(FIXED), say("The file is described in out.txt.")])
eq((r.status, len(r.requests)), (0, 2), "where the code fails on the new file, the model repairs it")
like(r.err, r"the code of before did not do \(cell 1: IndexError.*\): the model has repaired it, see repair\.diff", "which is said")
eq((summary()["by"], summary()["diff"], summary()["code_session"]), ("repair", "repair.diff", summary()["session"]), "job.json says so, and where the diff is")
like((reports / "latest/repair.diff").read_text(), r"(?s)@@ cell 1\n # %%\n-t = .*\+t = \(open", "which shows the code that was changed")
like(job("log", "w.job").out, r"(?s)check  .*\n.* ok  repair  ", "log: by whom")
like(job("show", "w.job").out, r"latest .*, repaired by the model", "show: by whom")
repaired = latest()
(work / "data" / "s-4.csv").write_text("n\n4\n")
r = job("run", "w.job", script=[])
eq((r.status, r.requests, summary()["by"]), (0, [], "rerun"), "the repaired code is what runs from then on")
eq((reports / latest() / "files/out.txt").read_text(), "4", "on the next file")
two = repaired
eq((finished(), one in finished()), (sorted([two, latest()]), False), "keep: two reports stay")
three = latest()
write(JOB.replace("Describe", "Now describe"))
eq(len(job("run", "w.job", script=SCRIPT[:0] + [code("open('out.txt', 'w').write('x')"), say("The file is empty.")]).requests), 2,
   "another question is one for the model")
write(JOB.replace("only_if_changed", "mode = model-always\nonly_if_changed"))
r = job("run", "w.job", script=[code("open('out.txt', 'w').write('y')"), say("The file is empty.")])
eq((r.status, len(r.requests)), (0, 2), "mode = model-always")
before = latest()

# --- what fails leaves the last report ---
def same(what):
    eq((latest(), [p.name for p in reports.iterdir() if p.name.startswith((".new", ".old"))]), (before, []), what)


(work / "data" / "s-5.csv").write_text("n\n5\n")
r = job("run", "w.job", script=[code("1"), say("Nothing was made.")])
eq(r.status, 9, "a file that must exist and does not")
like(r.err, r"job w: must_exist: the run made no out\.txt\. Its record: \S+sessions/", "is named, with the record")
same("latest is what it was")
eq(json.loads((work / "failed.json").read_text())["status"], "check", "on_failure is told")
r = job("run", "w.job", script=[{"status": 401, "body": "{}"}])
ok(r.status not in (0, None), "a model that cannot be asked is a failure", r.err)
same("latest is what it was")
r = job("log", "w.job")
like(r.out, r"(?s)ok  model  \S+\n.*unchanged.*ok  rerun.*check  .*must_exist", "log: what the runs did")
eq(re.findall(r"(?m)^(?:output|schedule) .*", job("show", "w.job").out), ["output     report.html", f"output     notes-{time.gmtime().tm_year}.md"],
   "show: what it is to give, with dates put in")
like(job("show", "w.job").out, r"(?s)question   Describe the file\.\nfolder.*latest     %s.*input      data/s-5\.csv as s\.csv" % before, "show")
like(job("list").out, r"w\.job  %s, session" % before, "list")

# --- two at once ---
with open(reports / ".lock", "w") as f:
    fcntl.flock(f, fcntl.LOCK_EX)
    r = job("run", "w.job", script=[])
    eq((r.status, r.requests), (0, []), "a second run does nothing")
    like(r.err, r"job w: a run is at work in w\.reports already", "and says so")
    write(JOB + "", "w.job")
    write(JOB.replace("keep = 2", "keep = 2\noverlap = fail"))
    eq(job("run", "w.job", script=[]).status, 2, "overlap = fail gives a status")
same("and changes nothing")

# --- latest that is something else ---
write(JOB.replace("question", "folder = odd\nquestion", 1))
(work / "odd" / "latest").mkdir(parents=True)
r = job("run", "w.job", script=[])
eq((r.status, r.requests), (2, []), "a folder in the place of the link is found before anything is paid for")
done()
