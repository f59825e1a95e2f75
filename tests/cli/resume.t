#!/usr/bin/python3
"""agent -c, -r, --fork, --session-id: conversation, variables and files come back, under limits that are
never wider; what cannot come back is said; a session killed at any moment can go on."""
import fcntl
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

home = new_home()
root = home / "share" / "agent" / "sessions"
work = home / "work"


def messages(r):
    return r.bodies()[0]["messages"] if r.bodies() else []


def shape(ms):
    return " ".join(m["role"][0] for m in ms)


def events(name, kind=None):
    found = Record(root / name).events
    return [e for e in found if kind is None or e["type"] == kind]


# --- the conversation and the variables ---
(work / "sales.csv").write_text("month,sum\nmay,41\n")
first = run("what is the sum?", "-f", "sales.csv", home=home, script=[
    code("import csv\nrows = list(csv.DictReader(open('sales.csv')))\ntotal = int(rows[0]['sum'])\n"
         "open('made.txt', 'w').write('m' * 7)\nprint(total)"),
    code("raise ValueError('no')\n"), say("It is {1}.", find=r"^(\d+)$")])
eq((first.status, len(first.sessions)), (0, 1), "a first question")
sid = first.sessions[0].name
before = messages(first)[:2]

r = run("-c", "and one more?", home=home, script=[
    code("print(total + 1, open('made.txt').read(), open('/data/sales.csv').read())"),
    say("It is 42.")])
eq((r.status, r.out), (0, "It is 42.\n"), "-c: the next question is answered")
ms = messages(r)
eq(ms[:2], before, "system prompt and first question are what they were, byte for byte")
eq(shape(ms), "s u a t a t a u", "then turns, results, the answer, and the new question")
eq((ms[-2]["content"], ms[-1]["content"]), ("It is 41.", "and one more?"), "which stand as they were said")
like(r.observations[-1], r"42 mmmmmmm month,sum", "variables, files and attachments are there again")
eq(r.rules, [], "the request is a good one")
eq([p.name for p in r.sessions], [sid], "it is the same session")
eq([(root / sid / n).read_text() for n in ("answer.md", "answer-1.md")], ["It is 42.\n", "It is 41.\n"],
   "answer.md is the last answer, and the earlier one is kept")
ok((root / sid / "manifest-1.json").exists() and json.loads((root / sid / "manifest.json").read_text())["question"]
   == "and one more?", "so is the manifest")
eq([(e["cell"], Path(e["code"]).name) for e in events(sid, "cell.start")], [(1, "1.py"), (2, "2.py"), (3, "3.py")],
   "cells are numbered on")
eq([e["turn"] for e in events(sid, "turn")], [1, 2, 3, 4, 5], "and so are turns")
eq([e["seq"] for e in events(sid)], list(range(1, len(events(sid)) + 1)), "and so are events")
unlike(r.err, "not all", "nothing is said to be missing")

r = run("-r", sid[:15], "third", home=home, script=[code("print(total * 2)"), say("82")])
eq((shape(messages(r)), r.observations[-1].count("82") > 0), ("s u a t a t a u a t a u", True),
   "-r by the beginning of its id, a third time")
shown = finish(start("sessions", "show", sid, home=home, key=None)).out
ok(all(w in shown for w in ("what is the sum?", "and one more?", "third", "It is 41.", "It is 42.")),
   "show tells all questions and answers", shown)

# --- fork ---
whole = {p: p.read_bytes() for p in (root / sid).rglob("*") if p.is_file()}
r = run("-c", "--fork", "other way", home=home, script=[code("print(total - 1)"), say("40")])
fork = next(p.name for p in r.sessions if p.name != sid)
eq(r.status, 0, "--fork answers")
like(r.observations[-1], r"^40$", "with the variables")
eq({p: p.read_bytes() for p in (root / sid).rglob("*") if p.is_file()}, whole, "the old session is as it was")
eq(events(fork, "session.fork")[0]["from"], sid, "the copy knows where it comes from")
usage = json.loads(finish(start("usage", "--json", home=home, key=None)).out)
eq(usage["total"]["turns"], 3 + 2 + 2 + 2, "its copied turns are not paid twice in agent usage")
r = run("-c", "--fork", "--session-id", "my-copy-2", "again", home=home, script=[say("ok")])
eq((r.status, (root / "my-copy-2").is_dir()), (0, True), "--fork --session-id names the copy")
r = run("-c", "which?", home=home, script=[say("this")])
eq(len(events("my-copy-2", "session.resume")), 5, "-c takes the session used last")
os.utime(root / sid / "events.jsonl")
r = run("-c", "and now?", home=home, script=[say("that")])
eq(len(events(sid, "session.resume")), 3, "whatever its id")

# --- ids and flags ---
r = run("--session-id", "c0ffee-1", "named", home=home, script=[say("yes")])
eq((r.status, (root / "c0ffee-1" / "answer.md").exists()), (0, True), "--session-id names a new session")
r = run("--session-id", "c0ffee-1", "named", home=home, script=[])
eq(r.status, 2, "once")
like(r.err, "already", "and says so")
for bad in ("../x", "a/b", "UPPER", "-x", "", "last", "a" * 65):
    r = run(f"--session-id={bad}", "q", home=home, script=[say("new")] if bad == "" else [])
    eq(r.status, 0 if bad == "" else 2, f"--session-id={bad!r}")
for args in (("--fork",), ("-c", "-r", sid), ("-c", "--session-id", "x1"), ("--no-replay-cells",),
             ("--ephemeral", "--session-id", "x1"), ("-r", "../../etc"), ("-r", "nosuch"), ("-r", "a/b")):
    r = run(*args, "q", home=home, script=[])
    eq((r.status, r.requests), (2, []), f"{' '.join(args)} is refused before anything is asked")
empty = new_home()
r = run("-c", "q", home=empty, script=[])
eq(r.status, 2, "-c without any session")
like(r.err, "no session", "says why")

# --- ephemeral: the session is read, nothing is kept ---
whole = {p: p.read_bytes() for p in root.rglob("*") if p.is_file()}
r = run("-r", sid, "--ephemeral", "quick", home=home, script=[code("print(total)"), say("41")])
eq((r.status, {p: p.read_bytes() for p in root.rglob("*") if p.is_file()} == whole), (0, True),
   "--ephemeral goes on and keeps nothing")
like(r.observations[-1], "^41", "with the variables")

# --- another wire ---
r = run("-r", sid, "--fork", "-q", "in other words", home=home, env={"AGENT_TOOLS": None},
        script=[say("41")])
eq(r.status, 0, "the copy of a copy")
r = run("-r", sid, "--fork", "--tools", "fenced", "plain?", home=home, script=[
    say("```python\nprint(total + 5)\n```"), say("46")])
ms = messages(r)
eq((r.status, any("tool_calls" in m or m["role"] == "tool" for m in ms)), (0, False),
   "for a model without tools the calls of before are blocks of code")
like(json.dumps(ms), r"```python\\nimport csv", "with their code")
like(r.bodies()[-1]["messages"][-1]["content"], "46", "and the variables are there")
forked = r.sessions
r = run("-c", "and on", home=home, script=[say("```python\nprint(total + 6)\n```"), say("47")])
eq(r.status, 0, "such a session goes on as such")
like(r.bodies()[-1]["messages"][-1]["content"], "47", "without the flag")
like(json.dumps(messages(r)), r"Result of block 1:", "its results are told as before")

# --- what cannot be had again ---
(work / "sales.csv").write_text("month,sum\nmay,99\n")
(work / "more.csv").write_text("new,data\n1,7\n")
r = run("-r", sid, "--fork", "-f", "more.csv", "q", home=home, script=[
    code("import os\nprint(os.path.exists('sales.csv'), open('more.csv').read())"), say("done")])
like(r.err, "sales.csv has changed", "a changed attachment is left out, the user is told")
said = messages(r)[-2]["content"]
like(said, r"sales.csv has changed", "and the model")
like(said, r"cell 1, run again, ended with \"error\" \(FileNotFoundError", "a cell that now ends otherwise is told")
like(said, r"## /workspace/more.csv", "a new attachment is described")
like(r.observations[-1], "^False new,data", "and is there")
r = run("-r", sid, "--fork", "-f", "sales.csv", "q", home=home, script=[code("print(total)"), say("99")])
like(messages(r)[-2]["content"], r"cell 1, run again, printed something else than before. Now it begins:\n    99",
     "a cell that printed something else is told")
(work / "sales.csv").unlink()
r = run("-r", sid, "--fork", "--no-replay-cells", "q", home=home, script=[
    code("print('total' in globals())"), say("no")])
like(r.err, "sales.csv is gone", "a missing attachment")
like(messages(r)[-2]["content"], "cells were not run again", "--no-replay-cells is told")
like(r.observations[-1], "^False", "and obeyed")

# --- time-outs, interpreters that died, contexts, a lost sandbox ---
r = run("--session-id", "deaths", "--timeout", "1s", "--contexts", "q", home=home, script=[
    code("a = 1"), code("b = 2\nimport time\ntime.sleep(60)"), code("c = 3"),
    {"calls": [call("execute_python", {"code": "d = 4", "context": "side"})]},
    {"calls": [call("execute_python", {"code": "e = 5\nimport os\nos._exit(3)", "context": "side"})]},
    {"calls": [call("execute_python", {"code": "f = 6", "context": "side"})]}, say("there")])
r = run("-r", "deaths", "q", home=home, script=[
    code("print([n for n in 'abcdef' if n in globals()])"),
    {"calls": [call("execute_python", {"code": "print([n for n in 'abcdef' if n in globals()])",
                                       "context": "side"})]}, say("ok")])
eq([re.search(r"\[.*?\]", o)[0] for o in r.observations[-2:]], ["['a', 'c']", "['f']"],
   "cells run again in their contexts; what a death lost stays lost, what met its limit is left out")
like(r.err, "cell 2 was not run again: it had met its time limit", "which is said")

# --- the policy ---
config = home / "config" / "agent" / "agent.conf"
r = run("--session-id", "narrow", "--memory", "256m", "--timeout", "5s", "q", home=home, script=[code("1"), say("x")])
config.write_text('memory = 1g\nnetwork = "example.org"\nsandbox = best\nvalidate = off\ntimeout = 20s\n')
r = run("-r", "narrow", "q", home=home, script=[code("2"), say("y")])
s = events("narrow", "session.resume")[-1]["settings"]
eq([s[k] for k in ("memory", "network", "sandbox", "validate", "timeout")], ["256m", "none", "strict", "warn", "5s"],
   "settings that have become weaker do not count")
for word in ("memory", "network", "sandbox", "validate", "timeout"):
    like(r.err, rf"{word} is .* as in the session", f"which is said of {word}")
eq(events("narrow", "sandbox.start")[-1]["network"], "none", "they are obeyed")
r = run("-r", "narrow", "--memory", "512m", "--network", "example.net", "q", home=home, script=[code("3"), say("z")])
s = events("narrow", "session.resume")[-1]["settings"]
eq([s[k] for k in ("memory", "network", "timeout")], ["512m", "example.net", "5s"], "but for flags of this command")
like(messages(r)[-2]["content"], "hosts that the code can reach now: example.net", "and the model knows")
config.write_text("memory = 128m\n")
r = run("-r", "narrow", "q", home=home, script=[say("w")])
s = events("narrow", "session.resume")[-1]["settings"]
eq([s["memory"], s["network"]], ["128m", "none"], "what is stricter now counts")
config.unlink()

# --- two at once, damage ---
with open(root / sid / "events.jsonl") as held:
    fcntl.flock(held, fcntl.LOCK_EX)
    r = run("-r", sid, "q", home=home, script=[])
    eq(r.status, 2, "a session that runs elsewhere is refused")
    like(r.err, "another agent is at work.*--fork", "with what to do")
    r = run("-r", sid, "--fork", "--no-replay-cells", "q", home=home, script=[say("copy")])
    eq(r.status, 0, "a copy of it goes on")
log = root / "deaths" / "events.jsonl"
lines = log.read_bytes().split(b"\n")
at = next(i for i, l in enumerate(lines) if b'"type":"cell.end"' in l)
log.write_bytes(b"\n".join(lines[:at] + [b'{"broken'] + lines[at + 1:]))
r = run("-r", "deaths", "q", home=home, script=[say("alive")])
eq((r.status, r.rules), (0, []), "a damaged record goes on from where it is whole")
like(r.err, "is damaged", "and says so")
like(r.observations[0], "Not finished", "the call without a result is answered")
kept = list((root / "deaths").glob("damaged-*.jsonl"))
ok(len(kept) == 1 and kept[0].read_bytes().startswith(b'{"broken'), "what was behind the damage is kept aside")
eq(Record(root / "deaths").broken, [], "the record loads again")
r = run("-r", "deaths", "q", home=home, script=[say("twice")])
eq((r.status, "damaged" in r.err, r.rules), (0, False, []), "and goes on again")

# --- programs are told ---
r = run("-r", sid, "--json", "--no-replay-cells", "q", home=home, script=[say("json")])
lines = [json.loads(line) for line in r.out.splitlines()]
eq((lines[0]["type"], lines[0]["thread_id"]), ("thread.started", sid), "--json: the thread is the session")

# --- standard input of several questions ---
r = run("--session-id", "pipes", "q", home=home, send=b"a,b\n1,2\n", script=[code("x = open('stdin.csv').read()"), say("1")])
r = run("-r", "pipes", "q", home=home, script=[code("print(x, open('stdin.csv').read())"), say("2")])
like(r.observations[-1], r"a,b\n1,2\n a,b", "what came by standard input is there again")

# --- a kill at any moment ---
SCRIPT = [code("one = 1\nprint('one done')"),
          code("import time\nfor i in range(20):\n    print('tick', i, flush=True)\n    time.sleep(0.02)\ntwo = 2"),
          say("All done. " * 50, gap=0.002)]
seed = int(os.environ.get("TEST_SEED") or time.time())
print(f"# TEST_SEED={seed}", flush=True)
rng = random.Random(seed)
length = run("steps", home=new_home(), script=SCRIPT).seconds
went, wrong = 0, []
for i in range(8):
    away = new_home()
    with Provider(SCRIPT) as provider:
        r = start("-m", "scripted", "steps", url=provider.url, home=away)
        moment = rng.uniform(0.15, 1.05) * length
        time.sleep(moment)
        r.process.kill()
        finish(r, 15, keep=[provider.process.pid])
    r.litter = []
    if r.record is None or not r.record.events:
        continue
    r = run("-c", "go on", home=away, script=[code("print('alive', globals().get('one'))"), say("yes")])
    went += 1
    at = [e["type"] for e in r.record.events].index("session.resume")
    has_one = any(e["type"] == "cell.end" and e["cell"] == 1 for e in r.record.events[:at])
    if r.status != 0 or r.rules or r.record.broken or "\nalive" not in r.observations[-1]:
        wrong.append((f"{moment:.3f}", r.status, r.rules, r.record.broken, r.err, r.observations))
    elif has_one and "alive 1" not in r.observations[-1]:
        wrong.append((f"{moment:.3f}", "the variable is gone", r.observations))
ok(went >= 3, "most kills left a session that can go on", went)
eq(wrong, [], "each goes on, and is whole")
done()
