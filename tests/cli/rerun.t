#!/usr/bin/python3
"""agent rerun: recorded cells on other files, without a model: which run, under which names the files are, what becomes of
numbers in prose, and what ends it."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

home = new_home()
root = home / "share" / "agent" / "sessions"
work = home / "work"


def again(*args, **how):
    r = run("rerun", *args, model=None, home=home, script=[], **how)
    eq(r.requests, [], f"no request: rerun {' '.join(args)[:60]}")
    return r


def last():
    return Record(max(root.iterdir(), key=lambda p: (p / "events.jsonl").stat().st_mtime_ns))


def ran(record):
    return [record.file(e["code"]) for e in record.events if e["type"] == "cell.start"]


# --- new numbers ---
(work / "sales.csv").write_text("month,sum\nmay,41\njune,30\n")
(work / "prices.csv").write_text("p\n5\n")
(work / "new.csv").write_text("month,sum\nmay,1000\njune,300\n")
first = run("what is the sum over 20?", "-f", "sales.csv", home=home, script=[
    code("import csv\nrows = list(csv.DictReader(open('sales.csv')))", description="Load"),
    code("half = 3\nseen = []\nraise KeyError('sum_eur')", description="Wrong"),
    code("nothing = 1\n1/0"),
    code("total = sum(int(r['sum']) for r in rows)\nseen_half = half + 1\nopen('out.txt', 'w').write(str(total))\nprint(total)"),
    say("The sum is 71, over 20, with `71` in code. See out.txt.")])
eq((first.status, len(first.sessions)), (0, 1), "a first question")
sid = first.sessions[0].name
r = again(sid, "-f", "new.csv")
eq(r.status, 0, "the cells run again on another file")
like(r.err, r"new\.csv stands for the session's sales\.csv", "which takes the place of the only one")
like(r.err, r"running 3 of 4 cells of session \S+ again; left out: 3 \(it failed\)", "what is left out is said")
like(r.out, r"sum is ~~71~~, over 20, with `71` in code", "a number as plain text is struck through; those of the question stay")
like(r.out, r"(?s)^> This text was written about earlier data.*not computed again", "and the reader is told")
like(r.out, r"(?s)What the code gives on the present files.*\n    1300\n", "the new number stands behind it")
like(r.err, r"1 numbers in the text are of the earlier data", "and the user is warned")
new = last()
eq(ran(new), ["import csv\nrows = list(csv.DictReader(open('sales.csv')))", "half = 3\nseen = []\n",
              "total = sum(int(r['sum']) for r in rows)\nseen_half = half + 1\nopen('out.txt', 'w').write(str(total))\nprint(total)"],
   "of a failed cell the part runs on which others rest")
eq((new.path / "artifacts" / "out.txt").read_text(), "1300", "files are made anew")
manifest = json.loads((new.path / "manifest.json").read_text())
eq((manifest["rerun_of"], manifest["status"], manifest["usage"], manifest["turns"]), (sid, "ok", {}, 0), "the record says what it is")
eq([(i["name"], i["path"].endswith("new.csv")) for i in manifest["inputs"]], [("sales.csv", True)], "with its files")
ok(sid != new.path.name and (root / sid / "answer.md").read_text().startswith("The sum is 71,"), "the first session is as it was")
r = again(sid)
like(r.out, r"^The sum is 71, over 20", "on the same files the text stands")
r = again(new.path.name, "-f", "new.csv")
like(r.out, r"^> This text", "a re-run can be run again", )
eq(again(sid, "-f", "new.csv", "--strict").status, 9, "--strict: numbers of the earlier data fail it")
r = again(sid, "-f", "new.csv", "--output-format", "json", "-o", "out.md")
got = json.loads(r.out)
eq((got["status"], got["rerun_of"], [c["status"] for c in got["code_executions"]]), ("ok", sid, ["ok"] * 3), "as JSON")
like((work / "out.md").read_text(), "~~71~~", "-o writes the text")

# --- which file is which ---
two = run("join", "-f", "sales.csv", "-f", "prices.csv", home=home, script=[
    code("print(open('sales.csv').read(), open('prices.csv').read())"), say("Done, it is 41.")])
sid2 = last().path.name
r = again(sid2, "-f", "new.csv")
eq(r.status, 2, "a file that could stand for two is refused")
like(r.err, r"which file of session \S+ does new\.csv stand for\? Say it as -f new\.csv:NAME\. Its files are: sales\.csv, prices\.csv", "and how to say it")
r = again(sid2, "-f", "new.csv:sales.csv")
like(r.out, r"(?s)may,1000.*\n    5", "said, the other one is read again where it lay")
(work / "prices.csv").rename(work / "gone.csv")
r = again(sid2, "-f", "new.csv:sales.csv")
eq(r.status, 2, "a file that is gone ends it before anything runs")
like(r.err, r"the session's file prices\.csv, for which none was given \(-f PATH:prices\.csv\)", "and is named")
r = again(sid2, "-f", "new.csv:sales.csv", "-f", "gone.csv")
eq(r.status, 0, "the last one that is left takes the last place")

# --- what ends it ---
(work / "other.csv").write_text("month,amount\nmay,1\n")
r = again(sid, "-f", "other.csv")
eq(r.status, 9, "a cell that fails on the new file ends it")
like(r.err, r"cell 4 of session \S+ succeeded then and fails now \(KeyError: 'sum'\)", "and the user is told which and why")
eq(r.out, "", "there is no answer")
eq(json.loads((last().path / "manifest.json").read_text())["status"], "check", "the record says so")
r = again("last", "-f", "new.csv")
eq(r.status, 0, "\"last\" after a re-run that failed is the session that it was one of")
like(r.err, rf"session \S+ is a re-run that failed; {sid} is run again", "which is told")
eq(again("nosuch").status, 2, "a session that there is not")
eq(again().status, 2, "no session")
r = again(sid, "--ephemeral")
eq(r.status, 2, "it has to be recorded")
said = run("hello", home=home, script=[say("Hello.")])
r = again("last")
eq(r.status, 2, "a session without code")
like(r.err, r"has no cell that succeeded", "is told apart")
with open(root / sid2 / "events.jsonl", "a") as f:
    f.write("{broken}\n")
r = again(sid2)
eq(r.status, 2, "a damaged record is not run again")

# --- references show the new values ---
(work / "r.csv").write_text("n\n41\n")
(work / "r2.csv").write_text("n\n1300\n")
ref = run("total?", "-f", "r.csv", home=home, script=[
    code("rows = open('r.csv').read().split()"), code("print(len(rows))\nrows"),
    code("report.number('total', int(rows[1]), unit='$')\nif int(rows[1]) < 5000: report.number('small', 1)"),
    say("# Total\n\nIt is {{num:total}}, {{num:small}}.")])
like(ref.out, r"It is \$41, 1", "a text with references")
sid3 = last().path.name
r = again(sid3, "-f", "r2.csv", "--strict", "--report", "out.html", "-o", "ref.md")
eq(r.status, 0, "has nothing old in it")
like((work / "ref.md").read_text(), r"(?s)\A# Total\n\nIt is \$1,?300, 1", "and shows the new values")
like((work / "out.html").read_text(), r"It is \$1,?300", "in the report too")
like(r.err, r"running 2 of 3 cells .*left out: 2 \(it only showed things\)", "a cell that only looked is left out")
r = again(last().path.name, "-f", "r.csv")
like(r.out, r"It is \$41", "a re-run of a re-run shows its own")
(work / "r3.csv").write_text("n\n9000\n")
r = again(sid3, "-f", "r3.csv")
like(r.err, r"refers to 1 values that were not published this time; the first: \{\{num:small\}\}", "a value that was not published this time is told")
eq(again(sid3, "-f", "r3.csv", "--strict").status, 9, "and fails with --strict")

# --- hostile code cannot choose what runs ---
evil = run("x", home=home, script=[code("import sys\nprint('[[\"run\"]]')"), code("print(5)"), say("5")])
r = again("last")
eq((r.status, len(ran(last()))), (0, 2), "what cells print decides nothing")
done()
