#!/usr/bin/python3
"""The model's own use of contexts (setting contexts) and of what validation and the kernel say."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *


def cell(source, **more):
    return {"calls": [call("execute_python", dict({"code": source}, **more))]}


def observed(r, n):
    """What the model was told about its call number n."""
    said = [m["content"] for m in r.bodies()[-1]["messages"] if m["role"] == "tool"]
    return said[n - 1] if len(said) >= n else ""


r = run("q", "--contexts", script=[cell("x = 1\nopen('f', 'w').write('f')"), cell("'x' in globals(), open('f').read()", context="other"),
                                   cell("x"), cell("import os\nos._exit(3)", context="other"), cell("x"),
                                   cell("1", context="../up"), say("done")])
tool = r.bodies()[0]["tools"][0]["function"]["parameters"]
ok("context" in tool["properties"] and "context" not in tool["required"], "the schema offers it, optional", tool)
like(observed(r, 2), r"\(False, 'f'\)", "another context has other names and the same files")
like(observed(r, 3), r"^1$", "the usual one keeps its own")
like(observed(r, 4), "started anew", "one dies and is made anew")
like(observed(r, 5), r"^1$", "the other lives on")
like(observed(r, 6), "a name is 1 to 64.*Nothing ran", "a name that is none is refused with the reason")
r = run("q", script=[cell("x = 1"), cell("print('x' in globals())", context="other"), say("done")])
ok("context" not in r.bodies()[0]["tools"][0]["function"]["parameters"]["properties"], "off by default")
like(observed(r, 2), "^True$", "and then not taken either")

r = run("q", script=[cell("import ctypes, socket\ntry:\n    socket.socket()\nexcept OSError:\n    print('no')"), say("done")])
if "not counted" not in r.err:
    like(observed(r, 1), r"The sandbox refused: socket\(AF_INET\) once\. No socket leads out", "the model is told what was refused")
    end = [e for e in r.record.events if e["type"] == "cell.end"][0]
    eq(end["denied"], [{"what": "network", "name": "socket(AF_INET)", "count": 1}], "and the record has it")
rules = [[w["rule"] for w in e["warnings"]] for e in r.record.events if e["type"] == "cell.warnings"]
eq(rules, [["import ctypes", "import socket"]], "validate = warn: recorded")
r = run("q", "--validate", "strict", script=[cell("import ctypes\nprint('ran')"), cell("print(5)"), say("done")])
like(observed(r, 1), "^validation_failed: .*not run", "validate = strict: refused before it runs")
like(observed(r, 1), r"line 1: import ctypes \(", "with the line and the reason")
unlike(observed(r, 1), "ran\n", "and it did not run")
like(observed(r, 2), "^5$", "the next cell does")
done()
