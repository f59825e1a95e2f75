#!/usr/bin/python3
"""agent rerun --repair: a re-run whose code does not do for the present files. Nobody is asked before that, then the model
goes on from the cell that failed; what comes of it runs again without a model. Who decides, what it may cost, what ends it."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *
from screen import Screen, pyte

home = new_home()
root = home / "share" / "agent" / "sessions"
work = home / "work"
(work / "sales.csv").write_text("month,sum\nmay,41\njune,30\n")
(work / "new.csv").write_text("month,amount\nmay,1000\njune,300\n")
(work / "same.csv").write_text("month,sum\nmay,7\njune,8\n")
(work / "next.csv").write_text("month,amount\nmay,5\njune,6\n")


def rerun(*args, script=(), **how):
    return run("rerun", *args, model=None, home=home, script=script if script is None else list(script), env={"AGENT_MODEL": "scripted", **how.pop("env", {})}, **how)


def last():
    return Record(max(root.iterdir(), key=lambda p: (p / "events.jsonl").stat().st_mtime_ns))


def manifest(record):
    return json.loads((record.path / "manifest.json").read_text())


def ran(record):
    return [record.file(e["code"]) for e in record.events if e["type"] == "cell.start"]


LOAD = "import csv\nrows = list(csv.DictReader(open('sales.csv')))\nprint(len(rows), 'rows of', rows[0]['month'])"
SUM = "total = sum(int(r['sum']) for r in rows)\nreport.number('total', total)"
WRITE = "open('out.txt', 'w').write(str(total))\nprint('written', total)"
first = run("what is the sum?", "-f", "sales.csv", home=home, script=[
    code(LOAD, description="Load"), code(SUM, description="Add up"), code(WRITE, description="Write"),
    say("# Sum\n\nThe sum is {{num:total}}. See out.txt.")])
eq(first.status, 0, "a first question")
sid = first.record.path.name
plain = run("what is the sum?", "-f", "sales.csv", home=home, script=[
    code(LOAD, description="Load"), code(SUM, description="Add up"),
    say("# Sum\n\nThe sum is {{num:total}}, the first was 41.")]).record.path.name
FIXED = SUM.replace("r['sum']", "r['amount']")
REPAIR = [code(FIXED, description="Add up"), code(WRITE, description="Write"), say("# Sum\n\nThe sum is {{num:total}}. See out.txt.")]

# --- nobody is asked where the code does, or where it may not be asked ---
r = rerun(sid, "-f", "same.csv:sales.csv", "--repair", "auto")
eq((r.status, r.requests, "repaired_from" in manifest(last())), (0, [], False), "code that does: no request with --repair auto")
r = rerun(sid, "-f", "same.csv:sales.csv", "--repair", "auto", key=None)
eq(r.status, 0, "and no key is needed")
for how in ((), ("--repair", "never"), ("--no-repair",)):
    r = rerun(sid, "-f", "new.csv:sales.csv", *how, script=REPAIR)
    eq((r.status, r.requests, r.out), (9, [], ""), f"{how or 'the default'}: no request, status 9")
    like(r.err, r"cell 2 of session \S+ succeeded then and fails now \(KeyError: 'sum'\).*--repair auto", "and what could be done")

# --- a column that has another name ---
r = rerun(sid, "-f", "new.csv:sales.csv", "--repair", "auto", "-o", "out.md", "--report", "r.html", script=REPAIR)
eq((r.status, len(r.requests)), (0, 3), "the model repairs it")
like(r.out, r"The sum is 1,?300\.", "the answer has the new value")
like((work / "r.html").read_text(), r"The sum is 1,?300", "the report too")
told = "\n".join(m["content"] for m in r.bodies()[0]["messages"])
like(told, r"(?s)what is the sum\?.*cell 2 of session \S+ succeeded then and fails now \(KeyError: 'sum'\)", "the model is told the question and what broke")
like(told, r"(?s)# What has run on the present files.*Cell 1 of then, Load:\n    import csv.*It gave:\n.*2 rows of may.*# What did not", "what has run, and what it gave")
like(told, r"(?s)# What did not\n\nCell 2 of then, Add up:\n    total = sum.*KeyError.*Cell 3 of then, Write:\n    open\('out\.txt'", "the cell that failed, and those behind it")
like(told, r"- sales\.csv: another file than then\n- sales\.csv: column sum is gone \(new there: amount\)\n", "which files differ, and how")
like(told, r"(?s)described so.*\n    .*month.*\n    .*sum.*# What has run", "how they were")
like(told, r"amount", "and how they are")
like(told, r"The sum is \{\{num:total\}\}\. See out\.txt", "the answer of then")
one = last()
eq(ran(one), [LOAD, SUM, FIXED, WRITE], "the record holds the cells that ran unchanged and the repaired ones")
eq([e["status"] for e in one.events if e["type"] == "cell.end"], ["ok", "error", "ok", "ok"], "with how each ended")
m = manifest(one)
eq((m["status"], m["rerun_of"], m["repaired_from"], m["model"], m["turns"]), ("ok", sid, sid, "scripted", 3), "the record says of which session it is a repair")
eq(m["repair"], {"cell": 2, "why": "KeyError: 'sum'", "diff": "repair.diff"}, "of which cell, why, and where the diff is")
ok(m["usage"]["input_tokens"] > 0, "and what it took")
diff = one.file("repair.diff")
like(diff, r"(?s)\A--- session %s\n\+\+\+ session %s\n@@ -\d+,\d+ \+\d+,\d+ @@ cell 2\n.*\n-total = sum\(int\(r\['sum'\]\) for r in rows\)\n\+total = sum\(int\(r\['amount'\]\) for r in rows\)\n" % (sid, one.path.name), "the diff of the code")
unlike(diff, r"^[-+]open", "no more than what was changed")
ok(diff in r.err, "is shown at the end", r.err)
eq([(e["type"], e.get("cell"), e.get("cells")) for e in one.events if e["type"].startswith("repair.")], [("repair.started", 2, None), ("repair.completed", None, 3)], "both are events of the record")
like(run("sessions", "show", one.path.name, model=None, home=home).out, r"(?s)repaired +session %s, cell 2 \(KeyError.*\+total = sum\(int\(r\['amount'\]" % sid, "agent sessions show tells it, with the diff")
for flag in ("--md", "--html"):
    like(run("export", one.path.name, flag, model=None, home=home).out, r"(?s)%s.*\+total = sum\(int\(r\[('|&#39;|&apos;)amount" % sid, f"and the export {flag}")
like(run("usage", model=None, home=home).out, r"scripted\s+10\b", "agent usage counts its turns")
r = rerun(sid, "-f", "new.csv:sales.csv", "--repair", "auto", "-q", script=REPAIR)
eq((r.status, r.err), (0, ""), "--quiet")
like(r.bodies()[0]["messages"][0]["content"], r"Publish every figure, table and number that the report shows", "the model is told how values are published, as the answer rests on them, also without --report")

# --- what was repaired is what runs from then on ---
r = rerun("last", "-f", "next.csv:sales.csv", "--repair", "auto")
eq((r.status, r.requests), (0, []), "the repaired session runs on the next file without a model")
like(r.out, r"The sum is 11\.", "with its values")
eq(ran(last()), [LOAD, FIXED, WRITE], "by the repaired cells")
ok((root / sid / "manifest.json").read_text().find("repaired") < 0, "the first session is as it was")

# --- a text that only a model can write anew ---
NEW = [say("# Sum\n\nThe sum is {{num:total}}, the first was 7.")]
for how in ((), ("--strict",)):
    r = rerun(plain, "-f", "same.csv:sales.csv", "--repair", "auto", *how, script=NEW)
    eq((r.status, len(r.requests), r.out), (0, 1, "# Sum\n\nThe sum is 15, the first was 7.\n"), f"old numbers in the text: it alone is written anew {how}")
told = "\n".join(m["content"] for m in r.bodies()[0]["messages"])
like(told, r"stopped: 1 numbers in the text are of the earlier data", "the model is told why")
like(told, r"The sum is \{\{num:total\}\}, the first was \[number of then\]", "and has the text without the old numbers")
unlike(told, r"first was 41", "in no place")
like(r.err, "the code is what it was", "the code is not changed")
eq(manifest(last())["repair"].get("cell"), None, "which the record says")
eq(rerun("last", "-f", "sales.csv", "--repair", "auto", script=[say("# Sum\n\nThe sum is {{num:total}}.")]).status, 0, "such a text can be written anew again")
eq(rerun("last", "-f", "next.csv:sales.csv").status, 9, "and the code is still that of then")

# --- a check that does not hold ---
CHECK = ("--check", "total < 10", "--check", "len(rows) == 2")
r = rerun(sid, "-f", "same.csv:sales.csv", "--repair", "never", *CHECK)
eq((r.status, r.requests), (9, []), "a check fails a re-run")
CAPPED = "total = min(total, 9)\nreport.number('total', total)"
r = rerun(sid, "-f", "same.csv:sales.csv", "--repair", "auto", *CHECK, script=[code(CAPPED), say("The sum is {{num:total}}.")])
eq((r.status, r.out, len(r.requests)), (0, "The sum is 9.\n", 2), "with --repair the model is asked")
like("\n".join(m["content"] for m in r.bodies()[0]["messages"]), r"(?s)stopped: check total < 10: expected True, found False.*# What did not\nAll cells did\.", "told which")
eq([e["ok"] for e in last().events if e["type"] == "check"], [False, True, True, True], "and what it made is checked again")
r = rerun(sid, "-f", "same.csv:sales.csv", "--repair", "auto", *CHECK, script=[code("1"), say("The sum is {{num:total}}.")])
eq(r.status, 9, "a repair that does not pass the check fails")
like(r.err, r"repair of session \S+: check total < 10", "by it")
r = rerun(sid, "-f", "sales.csv", "--repair", "auto", "--check", "total > 0")
eq((r.status, r.requests), (0, []), "a check that holds: no request")

# --- columns that are not what they were, though the code runs ---
SHOW = "total = sum(len(line) for line in open('sales.csv'))\nprint(total)"
loose = run("how long is it?", "-f", "sales.csv", home=home, script=[code(SHOW), say("See the output.")]).record.path.name
(work / "gone.csv").write_text("month,other\nmay,7\njune,8\n")
(work / "kind.csv").write_text("month,sum\nmay,seven\njune,eight\n")
(work / "more.csv").write_text("new,sum,month\n1,7.5,may\n2,8,june\n")
for name, said in (("gone.csv", r"sales.csv: column sum is gone \(new there: other\)"), ("kind.csv", "sales.csv: column sum was number and is text")):
    eq(rerun(loose, "-f", f"{name}:sales.csv").status, 0, f"{name}: the code runs")
    r = rerun(loose, "-f", f"{name}:sales.csv", "--repair", "auto", script=[say("See the output.")])
    eq((r.status, len(r.requests)), (0, 1), "with --repair the model looks at it")
    like("\n".join(m["content"] for m in r.bodies()[0]["messages"]), f"stopped: the files are of another form than then: {said}", "and is told what differs")
r = rerun("last", "-f", "kind.csv:sales.csv", "--repair", "auto")
eq((r.status, r.requests), (0, []), "what it has looked at is known the next time")
r = rerun(loose, "-f", "more.csv:sales.csv", "--repair", "auto")
eq((r.status, r.requests), (0, []), "further columns, another order and decimals are no reason")

# --- by the columns that the record has, which no clipped text limits ---
COUNT = "n = sum(1 for line in open('wide.csv'))\nprint(n)"
names = [f"c{i}" for i in range(300)]
(work / "wide.csv").write_text(",".join(names) + "\n" + ",".join(["1"] * 300) + "\n" + ",".join(["2.5"] * 300) + "\n")
(work / "renamed.csv").write_text((work / "wide.csv").read_text().replace("c287", "klein"))
(work / "comma.csv").write_text((work / "wide.csv").read_text().replace(",", ";").replace(".", ","))
wide = run("how long is it?", "-f", "wide.csv", home=home, script=[code(COUNT), say("See the output.")]).record
profile = next(e for e in wide.events if e["type"] == "profile")
eq([c["name"] for c in profile["files"][0]["tables"][0]["columns"]], names, "the record has all columns of a wide table")
unlike(next(e for e in wide.events if e["type"] == "system")["text"], "c287", "of which the model was told the first")
r = rerun(wide.path.name, "-f", "renamed.csv:wide.csv", "--repair", "auto", script=[say("See the output.")])
eq(len(r.requests), 1, "a column renamed far behind is noticed")
like("\n".join(m["content"] for m in r.bodies()[0]["messages"]), r"wide\.csv: column c287 is gone \(new there: klein\)", "and named, with what is new")
r = rerun("last", "-f", "renamed.csv:wide.csv", "--repair", "auto")
eq((r.status, r.requests), (0, []), "what was looked at is the record's from then on")
(work / "alike.csv").write_text((work / "wide.csv").read_text().replace("2.5", "7.5"))
eq(rerun(wide.path.name, "-f", "alike.csv:wide.csv").status, 0, "a re-run without repair compares nothing")
r = rerun("last", "-f", "comma.csv:wide.csv", "--repair", "auto", script=[say("See the output.")])
like("\n".join(m["content"] for m in r.bodies()[0]["messages"]), r"column c0 was number and is number with a decimal comma.*; and 280 further differences",
     "and hands on what it has: numbers in another notation are of another kind")

# --- where they cannot be compared, that is said ---
off = run("how long is it?", "-f", "wide.csv", "--intake", "off", home=home, script=[code(COUNT), say("See the output.")]).record
eq([(e["intake"], e["files"]) for e in off.events if e["type"] == "profile"], [("off", [])], "intake = off: the record says so, and has no column")
old = run("how long is it?", "-f", "wide.csv", home=home, script=[code(COUNT), say("See the output.")]).record.path
kept = [e for e in (old / "events.jsonl").read_text().splitlines() if '"type":"profile"' not in e]
(old / "events.jsonl").write_text("\n".join(kept) + "\n")
for sid_, flags, said in ((off.path.name, (), "the session's files were not profiled (intake = off)"),
                          (wide.path.name, ("--intake", "off"), "the present files are not profiled (intake = off)"),
                          (old.name, (), "the session's record does not say what they were")):
    r = rerun(sid_, "-f", "renamed.csv:wide.csv", "--repair", "auto", *flags)
    eq((r.status, r.requests), (0, []), f"{said}: nobody is asked")
    ok(f"columns of wide.csv cannot be compared with those of then: {said}" in r.err, "and the user is told", r.err)
(work / "people.csv").write_text("Zoe,Paris\nBob,Rome\nEve,Oslo\n")
(work / "others.csv").write_text("Ann,Bonn\nTim,Cork\nIda,Kiel\n")
COUNT = "n = sum(1 for line in open('people.csv'))\nprint(n)"
shy = run("how long is it?", "-f", "people.csv", "-f", "sales.csv", "--intake", "schema", home=home, script=[code(COUNT), say("See the output.")]).record
text = json.dumps([e for e in shy.events if e["type"] == "profile"])
unlike(text, "Zoe|Paris|Bob|41|may", "intake = schema: no value of a file in it, nor a name that may be one")
like(text, r'"unnamed": 2.*"name": "month", "type": "text".*"name": "sum", "type": "int"', "but names, types and numbers of columns")
r = rerun(shy.path.name, "-f", "others.csv:people.csv", "--repair", "auto")
eq((r.status, r.requests), (0, []), "such columns are no reason")
like(r.err, "2 columns of people.csv cannot be compared with those of then: their names are not recorded", "and it is said")
try:
    import jsonschema
    form = json.loads((TOP / "docs/schema/profile.schema.json").read_text())
    events = [e for rec in (wide, off, shy) for e in rec.events if e["type"] == "profile"]
    eq([x.message for e in events for x in jsonschema.Draft202012Validator(form).iter_errors(e)], [], "the events are as docs/schema says")
except ImportError:
    skip("no jsonschema")

# --- a repair that fails ---
r = rerun(sid, "-f", "new.csv:sales.csv", "--repair", "auto", script=[say("There is no column sum. I cannot.")])
eq((r.status, r.out), (9, ""), "a model that gives up: status 9, and what it said is no answer")
like(r.err, r"repair of cell 2 of session \S+ \(KeyError: 'sum'\): no code of the model succeeded; it said: There is no column sum", "but is told")
eq("diff" in manifest(last())["repair"], False, "and there is no diff")
r = rerun("last")
eq((r.status, manifest(last())["rerun_of"]), (0, sid), "nor anything to run again: the last one is the session that it was to repair")
r = rerun(sid, "-f", "new.csv:sales.csv", "--repair", "auto", script=[code(SUM)] * 4 + [say("no")])
eq((r.status, len(r.requests)), (11, 3), "the same failing code again and again: no progress")
like(r.err, r"repair of cell 2 .*the model ran the same code", "is said")
ok(any(e["type"] == "loop.detected" for e in last().events), "and recorded")
r = rerun(sid, "-f", "new.csv:sales.csv", "--repair", "auto", "--max-turns", "2", script=[code(FIXED), say("So far: {{num:total}}.")])
eq((r.status, r.out), (6, "So far: 1,300.\n"), "--max-turns")
r = rerun(sid, "-f", "new.csv:sales.csv", "--repair", "auto", "--max-tokens-total", "10", script=REPAIR)
eq((r.status, r.requests), (7, []), "a limit that forbids the first request")
r = rerun(sid, "-f", "new.csv:sales.csv", "--repair", "auto", "--deadline", f"{4 * PATIENCE}s", script=[{**REPAIR[0], "delay": 30}])
eq((r.status, r.out, manifest(last())["status"]), (124, "", "deadline"), "--deadline")
r = rerun(sid, "-f", "new.csv:sales.csv", "--repair", "auto", script=[refusal(400)])
eq(r.status, 4, "a service that refuses")
like(r.err, r"repair of cell 2 of session \S+ \(KeyError: 'sum'\): ", "is told as what ended the repair")
r = rerun(sid, "-f", "new.csv:sales.csv", "--repair", "auto", key=None, script=None)
eq(r.status, 3, "without a key")
like(r.err, r"OPENAI_API_KEY", "what is missing is named")
r = rerun(sid, "-f", "new.csv:sales.csv", "--repair", "auto", script=[code(FIXED), say("# Sum\n\nIt is 987654.")])
like(r.err, r"987654", "numbers that nothing proves are told as of any answer")

# --- for programs ---
r = rerun(sid, "-f", "new.csv:sales.csv", "--repair", "auto", "--output-format", "json", script=REPAIR)
got = json.loads(r.out)
eq((got["status"], got["repaired_from"], got["repair"]["diff"], [c["status"] for c in got["code_executions"]]),
   ("ok", sid, "repair.diff", ["ok", "error", "ok", "ok"]), "one object")
r = rerun(sid, "-f", "new.csv:sales.csv", "--repair", "auto", "--json", script=REPAIR)
types = [json.loads(line)["type"] for line in r.out.splitlines()]
ok(types.index("repair.started") < types.index("repair.completed") < types.index("turn.completed"), "a stream", types)
eq(rerun(sid, "--dry-run").status, 2, "--dry-run is refused: there is no first request")
eq(run("x", "--repair", "auto", script=[]).status, 2, "--repair is for agent rerun alone")

# --- who decides ---
r = rerun(sid, "-f", "new.csv:sales.csv", "--repair", "ask", script=REPAIR, start_new_session=True)
eq((r.status, r.requests), (2, []), "ask without a terminal is refused")
like(r.err, "--repair ask needs a terminal", "which is said")
r = rerun(sid, "-f", "same.csv:sales.csv", "--repair", "auto", env={"AGENT_ASK": "true"}, start_new_session=True)
eq(r.status, 2, "ask = true wants a terminal for code of a model")

# --- a conversation that goes on ---
rerun(sid, "-f", "new.csv:sales.csv", "--repair", "auto", script=REPAIR)
r = run("-c", "and the double?", home=home, script=[code("print(total * 2)"), say("It is 2600.")])
eq((r.status, r.out), (0, "It is 2600.\n"), "a repaired session goes on: its variables are there")
told = [m["content"] for m in r.bodies()[0]["messages"]]
ok(any("what is the sum?" in t for t in told) and any("It gave:" in t for t in told), "and its conversation", told)

# --- a model without tool calls ---
r = rerun(sid, "-f", "new.csv:sales.csv", "--repair", "auto", "--tools", "fenced", script=[
    say(f"```python\n{FIXED}\n```"), say(f"```python\n{WRITE}\n```"), say("The sum is {{num:total}}.")])
eq((r.status, r.out), (0, "The sum is 1,300.\n"), "code in fences")

# --- limits of the session hold ---
strict = run("sum?", "-f", "sales.csv", "--memory", "300m", "--forbid-imports", "socket", "--intake", "schema", home=home, script=[
    code(LOAD), code(SUM), say("It is {{num:total}}.")])
(home / "config/agent/agent.conf").write_text("memory = 2g\nnetwork = example.org\nintake = full\n")
r = rerun(strict.record.path.name, "-f", "new.csv:sales.csv", "--repair", "auto", script=REPAIR)
(home / "config/agent/agent.conf").unlink()
eq(r.status, 0, "a session with limits is repaired")
settings = [e for e in last().events if e["type"] == "session.start"][0]["settings"]
eq((settings["memory"], settings["network"], settings["intake"], "socket" in settings["forbid_imports"]), ("300m", "none", "schema", True), "under its own limits")
told = "\n".join(m["content"] for m in r.bodies()[0]["messages"])
unlike(told, r"described so|\b1000\b", "and no value of a file is told")

# --- hostile code cannot write to the terminal by the diff ---
r = rerun(sid, "-f", "new.csv:sales.csv", "--repair", "auto", script=[code(FIXED + "  # \x1b]0;evil\x07"), code(WRITE), say("It is {{num:total}}.")])
eq((r.status, "\x1b]0;" in r.err, "evil" in r.err), (0, False, True), "control sequences in the diff are shown, not obeyed")

# --- SIGKILL at any moment of a repair leaves a record that loads ---
for wait in (0.6, 1.2, 1.8, 2.4):
    with Provider([{**s, "delay": 0.5} for s in REPAIR]) as p:
        r = start("rerun", sid, "-f", "new.csv:sales.csv", "--repair", "auto", url=p.url, home=home, env={"AGENT_MODEL": "scripted"})
        time.sleep(wait * PATIENCE)
        r.process.kill()
        finish(r, keep=[p.process.pid])
    eq((last().broken, run("sessions", "show", "last", model=None, home=home).status), ([], 0), f"killed after {wait} s")
# --- on a terminal ---
if pyte is None:
    skip("python3-pyte is not installed", "a terminal", 11)
    done()
conf = home / "config/agent/agent.conf"
conf.write_text("[price scripted]\nin = 1\nout = 2\n")
ARGS = ("rerun", sid, "-f", "new.csv:sales.csv", "--repair", "ask", "--max-cost", "5")
for word, status, n in (("n\r", 9, 0), ("y\r", 0, 3)):
    with Screen(*ARGS, script=REPAIR, home=home, columns=200, model=None, env={"AGENT_MODEL": "scripted"}) as s:
        s.until(r"Ask it to\? y\(es\), n\(o\):$", "the terminal asks")
        like(s.text(), r"(?s)Cell 2 of session.*KeyError: 'sum'.*scripted \(openai\) can repair it.*about \d+ tokens, \$0\.00\d+, and its reply on top.*limits +\d+ turns, \$5\n", "with what failed and the limits")
        s.keys(word)
        r = s.end()
        eq((r.status, len(r.requests)), (status, n), f"{word!r}")
        if n:
            ok(b"\x1b[31m-total = " in s.raw and b"\x1b[32m+total = " in s.raw, "the diff is coloured on a terminal", s.text())
with Screen("rerun", plain, "-f", "same.csv:sales.csv", "--repair", "ask", script=NEW, home=home, model=None, env={"AGENT_MODEL": "scripted"}) as s:
    s.until(r"Ask it to\? y\(es\), n\(o\):$")
    s.keys("n\r")
    r = s.end()
    eq((r.status, len(r.requests)), (0, 0), "no to a new text: the old one is given")
    like(s.text(), r"numbers in the text are of the earlier data", "with a warning")
    like((last().path / "answer.md").read_text(), r"The sum is 15, the first was ~~41~~", "and its old numbers struck through")
with Screen("rerun", sid, "-f", "new.csv:sales.csv", "--repair", "auto", "--ask", script=REPAIR, home=home, model=None, env={"AGENT_MODEL": "scripted"}) as s:
    for n in (1, 2):
        s.until(r"(?s)(Run it\?.*){%d}q\(uit\):\s*\Z" % n, "--ask asks before each cell of the model, not before those of then")
        s.keys("y\r")
    eq(s.end().status, 0, "--ask and --repair")
done()
