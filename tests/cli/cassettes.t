#!/usr/bin/python3
"""Cassettes in every wire format: recorded, redacted, played without a network, and a miss that says how
the request differs."""
import json
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *
from anyservice import AnyService

KEY2 = "qx7.canary.0123456789-abc"
FORMATS = ["openai-chat", "openai-responses", "anthropic-messages", "gemini-generate-content", "ollama-chat"]


def answer(rq):
    text = rq["raw"].decode()
    if "CELL-RAN" in text:
        return {"text": "It is 42. " + KEY2, "calls": []}
    return {"text": "Let me see.", "calls": ["print('CELL-RAN', 6*7)"]}


home = new_home()
for wire in FORMATS:
    tape = home / f"{wire}.jsonl"
    with AnyService(answer) as s:
        args = ["-m", "custom/m1", "--base-url", s.url, "--wire", wire, "--no-stream"]
        r = run(*args, "--record", str(tape), "what?", model=None, home=home, key=None, env={"CUSTOM_API_KEY": KEY2})
        eq((r.status, len(s.requests)), (0, 2), f"{wire}: recorded")
    lines = [json.loads(x) for x in tape.read_text().splitlines()]
    eq([(x["v"], x["wire"], x["response"]["status"]) for x in lines], [(1, wire, 200)] * 2,
       f"{wire}: one JSON document a line, with its format")
    ok(KEY2 not in tape.read_text() and "[redacted]" in tape.read_text(), f"{wire}: redacted")
    eq(oct(tape.stat().st_mode & 0o777), "0o600", f"{wire}: for its owner alone")
    # Played: no service is there, no key, no wire is named.
    r = run("-m", "custom/m1", "--replay", str(tape), "--no-stream", "what?", model=None, home=home, key=None,
            env={"CUSTOM_BASE_URL": ""}, url="http://127.0.0.1:1/v1")
    eq((r.status, r.out), (0, "It is 42. [redacted]\n"), f"{wire}: played")
    r = run("-m", "custom/m1", "--replay", str(tape), "--no-stream", "who?", model=None, home=home, key=None)
    eq(r.status, 4, f"{wire}: another question: status 4")
    like(r.err, r"request 1 is not the recorded one: (messages\[\d\] \(user\): its text|the \w+) differs from byte "
         r"\d+ on: recorded \".*what\?.*\", now \".*who\?", f"{wire}: and how it differs")
    r = run("-m", "custom/m1", "--replay", str(tape), "--no-stream", "--append-system", "Be brief.", "what?", model=None,
            home=home, key=None)
    eq(r.status, 4, f"{wire}: other instructions are a miss too")
    one = home / "one.jsonl"
    one.write_text(tape.read_text().splitlines()[0] + "\n")
    r = run("-m", "custom/m1", "--replay", str(one), "--no-stream", "what?", model=None, home=home, key=None)
    eq(r.status, 4, f"{wire}: a cassette that ends early: status 4")
    like(r.err, r"has only 1 reply, and the run asks for one more", f"{wire}: it says so")
done()
