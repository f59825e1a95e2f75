#!/usr/bin/python3
"""When a run stops by itself: the turn cap, no progress, nothing that worked, nothing to say."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *


def tools_off(body):
    return "tools" not in body or body.get("tool_choice") == "none"


# --- the turn cap
r = run("dig", "-n", "3", script=[code("print('a', 1)"), code("print('b', 2)"),
                                  say("So far: {1}.", find=r"^b (\d)$")])
eq((r.status, r.out, r.rules), (6, "So far: 2.\n", []), "-n 3: the third turn answers, status 6")
eq([tools_off(b) for b in r.bodies()], [False, False, True], "only the last turn has its tools off")
like(r.err, r"(?i)turn", "it says that the turns ran out")
eq(len(r.record.names("cells")) > 0, True, "the cells are on record")
r = run("dig", script=[code(f"print('cell', {n})") for n in range(7)] + [say("best effort")])
eq((r.status, r.out, len(r.requests)), (6, "best effort\n", 8), "the default is eight turns")
r = run("dig", "-n", "2", script=[code("print(1)"), code("open('no.txt', 'w').write('x')", times=0)])
ok(r.status not in (0, None), "a model that calls even with its tools off: no success", r.status)
eq(r.out, "", "and no answer")
ok("no.txt" not in r.artifacts, "and that call did not run", r.artifacts)
r = run("dig", "-n", "2", script=[
    code("print(1)"), code("open('no.txt', 'w').write('x')", text="Best guess: 5", times=0)])
eq((r.status, r.out), (6, "Best guess: 5\n"), "its text beside such a call is the answer")
ok("no.txt" not in r.artifacts, "and the call did not run", r.artifacts)

# --- no progress
SAME = code("print('same')")
r = run("loop", script=[SAME, SAME, SAME, say("never asked")])
eq((r.status, len(r.requests)), (11, 3), "the same code with the same result a third time: status 11")
eq(r.out, "", "and no answer is made up")
like(r.err, r"(?i)progress|same|repeat", "it says why")
asked = json.dumps(r.bodies()[2]["messages"][4:])
like(asked, r"(?i)same|already|again|repeat", "the second time the model gets a nudge")
unlike(json.dumps(r.bodies()[1]["messages"][1:]), r"(?i)already|same code", "the first time it does not")
r = run("loop", script=[SAME, SAME, code("print('other')"), say("got {1}", find="^(other)$")])
eq((r.status, r.out), (0, "got other\n"), "a model that heeds the nudge goes on")
COUNT = code("n = globals().get('n', 0) + 1\nprint('n', n)")
r = run("count", script=[COUNT, COUNT, COUNT, COUNT, say("n is {1}", find=r"^n (\d)$")])
eq((r.status, r.out), (0, "n is 4\n"), "the same code with new results is progress")
FAIL = code("1/0")
r = run("fail", script=[FAIL, FAIL, FAIL, say("never asked")])
eq((r.status, len(r.requests)), (11, 3), "the same failure three times is no progress either")

# --- no cell ever succeeded
r = run("try", script=[code("1/0"), code("undefined_name"), say("It is about 7.")])
eq(r.status, 8, "no cell ever succeeded: status 8")
eq(r.out, "It is about 7.\n", "the answer is printed, since somebody paid for it")
like(r.err, r"(?i)(no|not one|none).*(cell|code)", "and a warning says what it rests on")
r = run("try", script=[code("1/0"), code("print(7)"), say("It is 7.")])
eq(r.status, 0, "one cell that succeeded is enough")

# --- an empty answer is a failure
for name, step in {"empty text": say(""), "blanks": say(" \n\t \n"), "null": say(None)}.items():
    for before in ([], [code("print(1)")]):
        r = run("say", "--retries", "0", script=before + [dict(step, times=0)])
        ok(r.status not in (0, None), f"{name} {'after a cell' if before else 'at once'} is no success",
           r.status)
        eq(r.out, "", f"{name} {'after a cell' if before else 'at once'}: nothing on standard output")
        like(r.err, r"(?i)empty|no answer|without (an answer|text)|nothing", "and it says so")
        ok(r.record and not r.record.broken, "and the record loads")
# --- two of them end a run only in a row
for name, step, flags in (("a cell", code("print(1)"), ()), ("a block", say("```python\nprint(1)\n```"), ("--tools", "fenced"))):
    r = run("say", *flags, "--retries", "0", script=[say(""), step, say(""), say("It is 1.")])
    eq((r.status, r.out), (0, "It is 1.\n"), f"empty replies before and behind {name}: the run goes on")
    r = run("say", *flags, "--retries", "0", script=[step, say(""), say(""), say("It is 1.")])
    eq((r.status, len(r.requests)), (4, 3), f"two in a row behind {name} end it")
done()
