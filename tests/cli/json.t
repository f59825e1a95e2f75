#!/usr/bin/python3
"""--json and --output-format json: every line is held to docs/schema, in good runs and bad ones."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

try:
    import jsonschema
    EVENTS = json.loads((TOP / "docs/schema/events.schema.json").read_text())
    RESULT = json.loads((TOP / "docs/schema/result.schema.json").read_text())
    STORE = {"events.schema.json": EVENTS}
    CHECK = {name: jsonschema.Draft202012Validator(
        s, resolver=jsonschema.RefResolver("", s, store=STORE)) for name, s in (("e", EVENTS), ("r", RESULT))}
except ImportError:
    CHECK = None


def faults(kind, o):
    if CHECK is None:
        return []
    return [f"{e.json_path}: {e.message[:200]}" for e in CHECK[kind].iter_errors(o)]


def stream(*args, **how):
    r = run(*args, "--json", **how)
    r.events = [json.loads(line) for line in r.out.splitlines()]
    r.types = [e["type"] for e in r.events]
    r.faults = [f for e in r.events for f in faults("e", e)]
    return r


def items(r, kind, event="item.completed"):
    return [e["item"] for e in r.events if e["type"] == event and e["item"]["type"] == kind]


if CHECK is None:
    skip("python3-jsonschema is not installed: lines are parsed, but not held to the schema", "the schema")

r = stream("count", script=[
    code("import sys\nprint('out', 4711)\nprint('err', file=sys.stderr)\nopen('t.csv', 'w').write('a\\n1\\n')\n4711 * 2",
         text="I look."),
    code("1/0"), say("It is 9422.")])
eq((r.status, r.faults), (0, []), "a run with an error in it is a valid stream")
eq((r.types[:2], r.types[-1], "schema_version" in r.events[0]),
   (["thread.started", "turn.started"], "turn.completed", True), "it begins and ends as it should")
eq(sum("schema_version" in e for e in r.events), 1, "the version is on the first line alone")
eq([i["text"] for i in items(r, "agent_message")], ["I look.", "It is 9422."], "the model's texts")
one, two = items(r, "code_execution")
eq((one["stdout"], one["stderr"], one["status"], one["exit_status"], one["error"], one["language"]),
   ("out 4711\n", "err\n", "ok", 0, None, "python"), "what a cell gave")
eq((one["results"][0]["text"], one["results"][0]["is_main_result"]), ("9422", True), "its result")
eq([(a["name"], Path(a["path"]).read_text()) for a in one["artifacts"]], [("t.csv", "a\n1\n")], "its file, by a path that opens")
eq([e["name"] for e in r.events if e["type"] == "artifact.created"], ["t.csv"], "which is told as an event too")
eq((two["status"], two["error"]["name"], two["exit_status"]), ("error", "ZeroDivisionError", 1), "a cell's error")
eq([i["id"] for i in items(r, "code_execution", "item.started")], [one["id"], two["id"]], "items start and complete")
end = r.events[-1]
eq((end["answer"], end["exit_status"], end["cells"], end["grounding"]["unmatched"]), ("It is 9422.", 0, 2, []),
   "the summary")
ok("usage" in end and Path(end["record"]).is_dir(), "with usage, and the record's folder")

seen = []
with Provider([say("late", delay=1.5)]) as provider:
    p = start("-m", "scripted", "wait", "--json", url=provider.url)
    seen.append(p.process.stdout.readline())
    asked = len(provider.read())
    finish(p, keep=[provider.process.pid])
eq((json.loads(seen[0])["type"], asked), ("thread.started", 0), "the first line comes before the network is touched")

r = stream("slow", "--timeout", "60s", script=[
    code("import time\nfor i in range(8):\n    print('step', i, flush=True)\n    time.sleep(0.1)"), say("done")])
updates = items(r, "code_execution", "item.updated")
ok(len(updates) >= 2 and "step 0" in updates[1]["stdout_tail"] and "step 7" not in updates[0]["stdout_tail"], "output is told while it comes",
   [u.get("stdout_tail") for u in updates])
eq(r.faults, [], "validly")
r = stream("flood", script=[code("print('x' * 3_000_000)"), say("done")])
flood = items(r, "code_execution")[0]
eq((len(flood["stdout"]), flood["truncated"], r.faults), (1 << 20, {"stdout": 3_000_001 - (1 << 20)}, []),
   "a large output is cut with an exact count")
r = stream("bytes", script=[code("import os\nos.write(1, b'\\xff\\x00\\x1b[31m\\xe2\\x82')"), say("done")])
eq((items(r, "code_execution")[0]["stdout"][1:2] != "", r.faults), (True, []), "any bytes become valid JSON")

r = stream("sleep", "--timeout", "0.5s", script=[code("import time\ntime.sleep(60)"), say("done")])
eq(([e["limit"] for e in r.events if e["type"] == "limit.reached"], r.faults), (["timeout"], []), "a cell's limit")
r = stream("again", "-n", "2", script=[code("print(1)"), say("enough")])
eq((r.status, r.types[-1], r.events[-1]["error"]["exit_status"], r.events[-1]["answer"], r.faults),
   (6, "turn.failed", 6, "enough", []), "the turn cap: failed, with the answer")
eq([e["limit"] for e in r.events if e["type"] == "limit.reached"], ["max_turns"], "and the limit is named")
r = stream("same", script=[code("print(1)")] * 3)
eq((r.status, "loop.detected" in r.types, r.faults), (11, True, []), "no progress")
r = stream("busy", script=[refusal(503, retry_after=0), say("done")], env={"AGENT_RETRIES": "2"})
eq((r.status, "retry" in r.types, r.faults), (0, True, []), "a retry")
r = stream("wrong", "--strict", script=[code("print(1)"), say("777"), say("777")])
eq((r.status, [e["unmatched"][0]["text"] for e in r.events if e["type"] == "grounding"], r.faults),
   (9, ["777", "777"], []), "grounding")
r = stream("no", script=[refusal(401)])
eq((r.status, r.types[-1], r.faults), (3, "turn.failed", []), "a wrong key")
r = stream("x", "-f", "/nonexistent", script=[say("never", times=0)])
eq((r.status, r.types, r.events[0]["schema_version"], r.faults), (2, ["error"], 1, []),
   "a failure before the session is an event too")

r = run("count", "--output-format", "json", script=[code("print(4711)"), say("It is 4711.")])
o = json.loads(r.out)
eq((r.status, len(r.out.splitlines()), faults("r", o), o["answer"], [c["stdout"] for c in o["code_executions"]]),
   (0, 1, [], "It is 4711.", ["4711\n"]), "one object at the end")
# where files lie: in the record, in a folder of the user's (which had one of that name), without any record
made = [code("open('a.txt', 'w').write('1')"), code("open('a.txt', 'w').write('2')"), say("Done.")]
mine = BOX / "mine"
mine.mkdir()
(mine / "a.txt").write_text("my own")
for words, where in (((), "artifacts/a.txt"), (("--out-dir", mine), "mine/a-2.txt"), (("--ephemeral",), r"agent-files-[^/]+/a.txt")):
    r = stream("write it", *words, script=made)
    eq((r.status, r.faults), (0, []), f"{words}: a valid stream")
    told = [e for e in r.events if e["type"] == "artifact.created"]
    eq([(e["name"], e["cell"]) for e in told], [("a.txt", 1), ("a.txt", 2)], f"{words}: a file that is written again is told again")
    for e in (told[-1], r.events[-1]["artifacts"][0], items(r, "code_execution")[-1]["artifacts"][0]):
        like(e["path"], rf"^/.*{where}$", f"{words}: it lies there")
        eq(Path(e["path"]).read_text(), "2", f"{words}: and can be read")
eq((mine / "a.txt").read_text(), "my own", "the user's own file is what it was")

r = run("count", "--output-format", "json", "--ephemeral", script=[refusal(401)])
o = json.loads(r.out)
eq((r.status, o["exit_status"], faults("r", o)), (3, 3, []), "also of a failure")
r = run("x", "--output-format", "json", "-f", "/nonexistent", script=[say("never", times=0)])
o = json.loads(r.out)
eq((r.status, faults("r", o), "/nonexistent" in o["message"]), (2, [], True), "and of one before the session")

with Provider([code("print(1)"), say("The answer.")]) as provider:
    r = finish(start("-m", "scripted", "x", "--json", url=provider.url, stdout=os.open("/dev/full", os.O_WRONLY)),
               keep=[provider.process.pid])
eq(r.status, 1, "a full disk under standard output is status 1")
like(r.err, "No space left", "and it says so")
with Provider([code("print(1)"), say("The answer.")]) as provider:
    rd, wr = os.pipe()
    os.close(rd)
    r = finish(start("-m", "scripted", "x", "--json", url=provider.url, stdout=wr), keep=[provider.process.pid])
    os.close(wr)
eq((r.status, r.record.file("answer.md")), (0, "The answer.\n"), "a reader that went away ends the writing, not the run")
# --- code that is run again, and repaired ---
home = new_home()
for name, text in (("a.csv", "n\n1\n"), ("b.csv", "k\n2\n")):
    (home / "work" / name).write_text(text)
READ = "import csv\nrow = next(csv.DictReader(open('a.csv')))\nprint(row['n'])"
sid = run("n?", "-f", "a.csv", home=home, script=[code(READ), say("It is in the output.")]).record.path.name
r = stream("rerun", sid, "--repair", "auto", home=home, model=None, script=[])
eq((r.status, r.faults, "repair.started" in r.types), (0, [], False), "a re-run is a valid stream")
for script, status in (([code(READ.replace("'n'", "'k'")), say("It is in the output.")], 0), ([say("I cannot.")], 9)):
    for how in (("--json",), ("--output-format", "json")):
        r = run("rerun", sid, "-f", "b.csv:a.csv", "--repair", "auto", *how, home=home, model=None, script=script, env={"AGENT_MODEL": "scripted"})
        found = [json.loads(line) for line in r.out.splitlines()]
        eq((r.status, [f for o in found for f in faults("r" if "output" in how[0] else "e", o)]), (status, []), f"a repair with status {status}, {how[0]}")
done()
