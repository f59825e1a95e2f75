#!/usr/bin/python3
"""The record of a session: what is in it, that it tells the truth, who may read it."""
import stat
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

CSV = b"city,amount\nOslo,10\nRome,32\n"
sales = write("sales.csv", CSV)
SOURCE = "print('rows', len(open('sales.csv').readlines()))\nopen('out.csv', 'w').write('a\\n1\\n')"
SCRIPT = [code(SOURCE, "Count the rows"), code("1/0"), say("There are {1} lines.", find=r"^rows (\d+)$")]
r = run("How many?", "-f", sales, script=SCRIPT)
eq((r.status, r.out), (0, "There are 3 lines.\n"), "a run")
rec = r.record
if not ok(rec is not None and not rec.broken and rec.torn == b"", "it left a record that loads",
          rec and rec.broken):
    done()
eq(len(r.sessions), 1, "one session folder")
ok(all("v" in e and "type" in e and "t" in e for e in rec.events), "every event has version, type, time")
eq([e["seq"] for e in rec.events], list(range(1, len(rec.events) + 1)), "events are numbered without a gap")
types = [e["type"] for e in rec.events]
print("#", *types)
like(rec.text(), "How many", "the question is in it")
eq(rec.file("answer.md").strip(), "There are 3 lines.", "answer.md holds the answer")
eq(rec.file("cells/1.py").rstrip("\n"), SOURCE, "cells/1.py is the code that ran")
eq(rec.file("cells/1.stdout"), "rows 3\n", "cells/1.stdout is what it printed")
eq(rec.file("cells/2.py").rstrip("\n"), "1/0", "the cell that failed is there as well")
like(rec.text(), r"ZeroDivisionError", "with its error")
eq(rec.names("artifacts"), ["out.csv"], "artifacts/ holds what the code made, not what was attached")
manifest = json.loads(rec.file("manifest.json"))
text = json.dumps(manifest)
ok(sha256(sales) in text, "the manifest has the input's hash", text[:1500])
ok(sha256(rec.path / "artifacts/out.csv") in text, "and the artifact's")
like(text, r"scripted", "the model")
like(text, r"3\.\d+\.\d+", "and the Python it ran on")
modes = {str(p.relative_to(r.home)): oct(stat.S_IMODE(p.stat().st_mode))
         for p in [rec.path, *rec.path.rglob("*")] if stat.S_IMODE(p.stat().st_mode) & 0o077}
eq(modes, {}, "nobody else may read it")
like(r.err, re.escape(str(rec.path)) + "|" + re.escape(rec.path.name), "standard error names the session")

# --- the observations on record are those that were sent
told = [e["text"] for e in rec.events if e["type"] == "observation"]
eq(told, r.observations, "the observations on record are what the model was told")

# --- what cells displayed: values by name, pictures as files, in order
r = run("show", script=[code("print('a'); display('b'); print('c', end=''); 42"), code("""
import pandas as pd, matplotlib.pyplot as plt
plt.bar(["x", "y"], [1, 2]); plt.title("T"); plt.show()
pd.DataFrame({"k": ["p", "q"], "n": [1, 2]})"""), code("raise ValueError('v')"), say("done")])
cells = [e for e in r.record.events if e["type"] == "cell.end"]
eq([c["status"] for c in cells], ["ok", "ok", "error"], "three cells")
eq([(x["text"], x["formats"], x["is_main_result"]) for x in cells[0]["results"]],
   [("'b'", ["text"], False), ("42", ["text"], True)], "results by name")
eq(cells[0]["order"], [["stdout", 2], ["result", 1], ["stdout", 1], ["result", 2]], "and in order")
if len(cells[1]["results"]) == 2:
    figure, table = cells[1]["results"]
    eq((figure["chart"]["type"], figure["chart"]["title"], [e["value"] for e in figure["chart"]["elements"]]),
       ("bar", "T", [1, 2]), "a figure's data")
    eq((figure["file"], figure["stored"]), ("figure-1.png", {"png": "cells/2-1.png"}), "and its picture, in a file")
    ok((r.record.path / "cells/2-1.png").read_bytes()[:4] == b"\x89PNG", "which is there")
    eq((table["data"]["columns"], table["data"]["rows"], table["data"]["n_rows"]), (["k", "n"], [["p", 1], ["q", 2]], 2),
       "a table's data")
    like(table["html"], "<table", "and its HTML")
    like(r.observations[1], r"figure saved as figure-1.png\]\n\[bar chart 'T'; x 1, y 2\]\n(.*\n)*.*shape: 2 rows x 2 columns",
         "the model is told of both in words")
else:
    skip("/usr/bin/python3 has no pandas or matplotlib")
error = cells[2]["error"]
eq((error["name"], error["value"], error["line"]), ("ValueError", "v", 1), "an error by its fields")
eq(cells[0]["error"], None, "and null where there is none")

# --- failures leave one as well, with the status
for name, script, args, status in (
        ("a provider that fails", [refusal(500, "oops", times=0)], ["--retries", "0"], 4),
        ("the turn cap", [code("print(1)"), say("so far")], ["-n", "2"], 6),
        ("no progress", [code("print(1)", times=3)], [], 11)):
    r = run("fail", *args, script=script)
    eq(r.status, status, f"{name}: status {status}")
    m = json.loads(r.record.file("manifest.json") or "{}")
    ok(str(status) in json.dumps(m), f"{name}: the manifest has the exit status", m)

# --- where it goes, and that it need not be
r = run("quiet", "--ephemeral", script=[code("open('x.txt', 'w').write('x')"), say("ok")])
eq((r.status, r.out), (0, "ok\n"), "--ephemeral: the run is the same")
eq(sorted(p.name for p in (r.home / "share").rglob("*")), [], "--ephemeral: nothing is kept")
eq(sorted(p.name for p in (r.home / "state").rglob("*")), [], "--ephemeral: not elsewhere either")
r = run("out", "--ephemeral", "--out-dir", "made", script=[
    code("open('x.txt', 'w').write('x')"), say("ok")])
eq([p.name for p in (r.home / "work").rglob("*") if p.is_file() and p.name[0] != "."], ["x.txt"],
   "--ephemeral --out-dir: the files are in that folder")
r = run("out", "--out-dir", "made", script=[code("open('x.txt', 'w').write('new')"), say("ok")])
eq((r.home / "work/made/x.txt").read_text(), "new", "--out-dir: the files are there")
home = new_home()
(home / "work/made").mkdir()
(home / "work/made/x.txt").write_text("the user's own")
r = run("out", "--out-dir", "made", home=home,
        script=[code("open('x.txt', 'w').write('new')"), say("ok")])
eq((home / "work/made/x.txt").read_text(), "the user's own", "a file of the user's is not overwritten")
ok(any(p.read_text() == "new" for p in (home / "work/made").iterdir()), "the new one has another name")
r = run("elsewhere", "--session-dir", "records", script=[say("ok")])
ok(list((r.home / "work/records").glob("*/events.jsonl")), "--session-dir keeps it elsewhere")
home = new_home()
(home / "share/agent").write_text("a file where a folder must be")
r = run("blocked", home=home, script=[say("ok", times=0)])
ok(r.status not in (0, None), "a record that cannot be made is no silent loss", r.status)
like(r.err, r"--ephemeral|--session-dir", "and the message says what to do")
eq(len(r.requests), 0, "before anything was spent")

# --- two runs at once do not meet
with Provider([code("import time\ntime.sleep(0.3)\nprint('a')"), say("done")]) as a, \
        Provider([code("import time\ntime.sleep(0.3)\nprint('b')"), say("done")]) as b:
    home = new_home()
    first, second = (start("-m", "scripted", "both", url=p.url, home=home) for p in (a, b))
    keep = [a.process.pid, b.process.pid]
    finish(first, 30, keep=[*keep, second.process.pid])
    finish(second, 30, keep=keep)
eq((first.status, second.status), (0, 0), "two runs at once both answer")
eq(len(first.sessions), 2, "and have a record each")
done()
