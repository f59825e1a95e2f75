#!/usr/bin/python3
"""What a model can get wrong in a tool call: it is told, and can mend it; the run goes on."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

GOOD = [code("print('mended')"), say("It is {1}.", find=r"^(mended)$")]


def bad(arguments, name="execute_python"):
    return {"calls": [call(name, arguments)]}


CASES = [
    # name, the call, what the model is told
    ("arguments that are not JSON", bad("{\"code\": \"print(1)"), r"(?i)json"),
    ("arguments that are bare Python", bad("print(1)+"), r"(?i)json"),
    ("arguments that are a list", bad("[1, 2]"), r"(?i)object|code"),
    ("arguments without code", bad({"description": "nothing"}), r"(?i)\bcode\b"),
    ("arguments that are empty", bad(""), r"(?i)\bcode\b"),
    ("code that is a number", bad("{\"code\": 7}"), r"(?i)\bcode\b.*(string|text)"),
    ("code that is null", bad("{\"code\": null}"), r"(?i)\bcode\b"),
    ("code that is empty", bad({"code": ""}), r"(?i)empty|no code|nothing"),
    ("an unknown tool", bad({"code": "print(1)"}, name="run_shell"),
     r"(?s)run_shell.*execute_python|execute_python.*run_shell"),
    ("code with a NUL", bad({"code": "print('a\0b')"}), r"(?i)NUL|null byte|zero byte"),
    ("code of 100,001 characters", bad({"code": "#" * 100001}), r"100,?001|100,?000"),
    ("a syntax error", bad({"code": "x = 1\nif x\n    print(x)\n"}), r"SyntaxError"),
    ("an indentation error", bad({"code": "def f():\nreturn 1\n"}), r"IndentationError"),
]
for name, step, told in CASES:
    r = run("try", script=[step] + GOOD)
    eq((r.status, r.out, r.rules), (0, "It is mended.\n", []), f"{name}: the run goes on")
    first = r.observations[0] if r.observations else ""
    like(first, told, f"{name}: the model is told what is wrong")
    ok(len(first) < 4000, f"{name}: it is told so in few words", len(first))
    rec = r.record
    ok(rec and not rec.broken and not rec.torn, f"{name}: the record loads", rec and rec.broken)

r = run("lines", script=[bad({"code": "a = 1\r\nif a:\r\n    print('crlf', a)\r\n'''x\r\ny'''"}),
                         say("ok {1}", find=r"^(crlf 1)$")])
eq((r.status, r.out), (0, "ok crlf 1\n"), "code with CRLF line ends runs")
r = run("long", script=[bad({"code": "#" * 99990 + "\nprint(5)"}), say("ok {1}", find=r"^(5)$")])
eq((r.status, r.out), (0, "ok 5\n"), "code of just under 100,000 characters runs")
r = run("wide", script=[bad({"code": "n = len('" + "é" * 60000 + "')\nprint(n)"}),
                        say("ok {1}", find=r"^(60000)$")])
eq((r.status, r.out), (0, "ok 60000\n"), "the length is counted in characters, not in bytes")
r = run("stray", script=[bad({"code": "print('extra')", "timeout": 5, "lang": "python"}),
                         say("ok {1}", find=r"^(extra)$")])
eq((r.status, r.out), (0, "ok extra\n"), "members that the schema does not know are ignored")

# --- a bad call among good ones is answered in its place
r = run("mixed", script=[{"calls": [call("execute_python", {"code": "print('one')"}),
                                    call("execute_python", "{broken"),
                                    call("nobody", {}),
                                    call("execute_python", {"code": "print('four')"})]},
                         say("ok")])
eq((r.status, r.rules, len(r.observations)), (0, [], 4), "good and bad calls: four answers")
like(r.observations[0], r"^one$", "the first ran")
like(r.observations[1], r"(?i)json", "the second was refused")
like(r.observations[2], r"nobody", "the third was refused")
like(r.observations[3], r"^four$", "the fourth ran")

# --- more calls than a reply may hold: an error or an answer for each, never a hang or a crash
r = run("flood", script=[cells(*[f"print({n})" for n in range(200)]), say("ok")], timeout=90)
ok(r.status in (0, 4, 8), "two hundred calls in one reply end in a documented way",
   r.status, clip(r.err))
eq(r.rules, [], "and the next request, if there is one, is in order")
done()
