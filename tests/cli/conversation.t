#!/usr/bin/python3
"""The conversation: what is asked, what is answered, and that nothing depends on how the bytes came."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

# --- an answer that needs no code
r = run("What is the capital of France?", script=[say("Paris.")])
eq(r.status, 0, "an answer without code: status 0")
eq(r.out, "Paris.\n", "the answer is on standard output, with one newline")
eq(len(r.requests), 1, "it took one request")
eq(r.rules, [], "the request was in order")
body = r.bodies()[0]
eq(body["model"], "scripted", "-m names the model")
eq([m["role"] for m in body["messages"]], ["system", "user"], "one system and one user message")
like(body["messages"][1]["content"], r"What is the capital of France\?", "the question is asked")
eq(body.get("stream"), True, "streaming is the default")
eq(body.get("stream_options", {}).get("include_usage"), True, "usage is asked for with the stream")
tools = [t["function"] for t in body["tools"]]
eq([t["name"] for t in tools], ["execute_python"], "one tool is offered")
params = tools[0]["parameters"]
eq(sorted(params["properties"]), ["code", "description"], "its parameters are code and description")
ok("code" in params["required"], "code is required", params)
eq(params["properties"]["code"]["type"], "string", "code is text")
eq(body.get("tool_choice", "auto"), "auto", "the model chooses whether to call it")

# --- one cell, then the answer
CELL = [code("print(6*7)", "Multiply six by seven"), say("It is {1}.", find=r"^(\d+)$")]
r = run("six times seven?", script=CELL)
eq((r.status, r.out, r.rules), (0, "It is 42.\n", []), "a cell ran and its output made the answer")
like(r.err, r"Multiply six by seven", "the description is the progress line")
eq(len({q["conn"] for q in r.requests}), 1, "one connection served all requests")
ok(all(q["auth"] for q in r.requests), "the key went as a bearer token")
like(r.requests[0]["headers"].get("user-agent"), r"^agent/\d", "the program names itself")

# --- the same with every way to send and to split a reply
LONG = [code("total = sum(range(10))\nprint('total', total)", "Größe — 東京"),
        cells("print('a', total)", "total * 2"),
        say("Größe: {1} µm — 東京 \U0001f600\nsecond line", find=r"^a (\d+)$")]
want = "Größe: 45 µm — 東京 \U0001f600\nsecond line\n"
seen = set()
ways = {"whole": {"chunk": "whole"}, "byte by byte": {"chunk": "bytes"},
        "CRLF line ends": {"newline": "\r\n"}, "CR line ends, byte by byte":
        {"newline": "\r", "chunk": "bytes"}, "keep-alive comments": {"comments": True},
        **{f"random splits {n}": {"chunk": f"random:{n}"} for n in range(1, 5)}}
for name, how in ways.items():
    r = run("measure", script=LONG, each=how)
    eq((r.status, r.out, r.rules), (0, want, []), f"streamed, {name}: the answer is whole")
    seen.add(tuple(r.observations))
for name, how in {"whole": {}, "byte by byte": {"chunk": "bytes"}}.items():
    r = run("measure", "--no-stream", script=LONG, each=how)
    eq((r.status, r.out, r.rules), (0, want, []), f"--no-stream, {name}: the answer is whole")
    ok(not any(b.get("stream") or "stream_options" in b for b in r.bodies()),
       f"--no-stream, {name}: no request asks for a stream")
    seen.add(tuple(r.observations))
eq(len(seen), 1, "what the model was told is the same in every way")

# --- several calls in one reply
r = run("three things", script=[
    cells("x = 1\nprint('first', x)", "x += 1\nprint('second', x)", "x += 1\nprint('third', x)"),
    say("done {1}", find=r"^third (\d)")])
eq((r.status, r.out, r.rules), (0, "done 3\n", []), "three calls in one reply: all ran, in order")
last = r.bodies()[-1]["messages"]
eq([m["role"] for m in last], ["system", "user", "assistant", "tool", "tool", "tool"],
   "each call has its own tool message")
eq([m["tool_call_id"] for m in last[3:]], [c["id"] for c in last[2]["tool_calls"]],
   "the tool messages are in the order of the calls")
for word, text in zip(("first 1", "second 2", "third 3"), r.observations):
    like(text, word, f"the observation of that call: {word}")

# --- state, and the value of the last expression
r = run("state", script=[
    code("import math\ndef area(r):\n    return math.pi * r ** 2\nradius = 2"),
    code("area(radius)"),
    code("radius = 3\nround(area(radius), 3)"),
    say("{1}", find=r"(28\.274)")])
eq((r.status, r.out), (0, "28.274\n"), "functions, imports and variables live from cell to cell")
like(r.observations[1], r"12\.566370614359172", "the value of the last expression is shown")

# --- text beside calls, and what other services do
r = run("both", script=[code("print('beside')", text="I will look first."), say("Seen.")])
eq((r.status, r.out), (0, "Seen.\n"), "text beside a call is not the answer")
eq(r.bodies()[-1]["messages"][2].get("content"), "I will look first.",
   "text beside a call goes back to the model as it came")
r = run("stop", script=[code("print('ran')", finish="stop"), say("ok {1}", find="^(ran)$")])
eq((r.status, r.out), (0, "ok ran\n"), "a call that comes with finish_reason stop runs too")
same = [call("execute_python", {"code": f"print({n})"}, id="same") for n in (1, 2)]
r = run("ids", script=[{"calls": same}, say("ok")])
eq((r.status, r.rules, len(r.observations)), (0, [], 2),
   "two calls of one id are both answered, by ids of their own")

# --- the question's words
r = run("two", "words", script=[say("ok")])
like(r.bodies()[0]["messages"][1]["content"], r"two words", "several words are one question")
r = run("--", "-x is odd", script=[say("ok")])
like(r.bodies()[0]["messages"][1]["content"], r"-x is odd", "after -- a question may start with -")
done()
