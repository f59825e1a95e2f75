#!/usr/bin/python3
"""A session that goes on in the five wire formats: state that only the service understands comes back to it
as it was, another service gets the conversation without it, pictures are shown again."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

FORMATS = {"openai-chat": "/v1", "openai-responses": "/v1", "anthropic-messages": "",
           "gemini-generate-content": "", "ollama-chat": ""}
PNG = ("import base64\nfrom_b64 = base64.b64decode('iVBOR' 'w0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
       "YPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==')\nclass P:\n    def _repr_png_(self): return from_b64\nP()")
FIRST = [code("x = 6 * 7\nprint(x)", text="Let me see.", opaque=True),
         cells(PNG, "1/0", opaque=True), say("It is 42.", opaque=True)]


def go(p, wire, *flags, home, question="q"):
    seen = len(p.read())
    r = finish(start("-m", "model-1", "--wire", wire, "--base-url", f"http://127.0.0.1:{p.port}{FORMATS[wire]}",
                     "--api-key-env", "OPENAI_API_KEY", "--images", "on", *flags, question, home=home),
               keep=[p.process.pid])
    r.requests = p.read()[seen:]
    return r


homes = {}
for wire in FORMATS:
    home = homes[wire] = new_home()
    with Provider(FIRST + [code("print(x + 1)", opaque=True), say("It is 43.")]) as p:
        r = go(p, wire, home=home)
        pictures = json.dumps(r.requests[-1]["body"]).count("iVBORw0KGgo")
        eq((r.status, r.rules, pictures), (0, [], 1), f"{wire}: a first question, with a picture")
        r2 = go(p, wire, "-c", home=home, question="and one more?")
        eq((r2.status, r2.out, r2.rules), (0, "It is 43.\n", []),
           f"{wire}: -c; the service finds all of its own state as it was")
        body = json.dumps(r2.requests[0]["body"])
        eq(body.count("iVBORw0KGgo"), 1, f"{wire}: the picture is shown again")

for wire in FORMATS:
    for other in FORMATS:
        if other == wire:
            continue
        later = {"calls": [call("execute_python", {"code": "print(x + 2)"}, id=f"later_{wire[:5]}_{other[:8]}")]}
        with Provider([later, say("It is 44.")]) as p:
            r = go(p, other, "-c", "--fork", home=homes[wire])
        ok((r.status, r.out, r.rules) == (0, "It is 44.\n", []) and "not all" not in r.err,
           f"what began in {wire} goes on in {other}", r.status, r.rules, r.err)
    shutil.rmtree(homes[wire])
done()
