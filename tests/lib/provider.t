#!/usr/bin/python3
"""The scripted provider itself: it must refuse what a strict service refuses, or the tests prove nothing."""
import copy
import http.client
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import provider
from harness import *

TOOL = {"type": "function", "function": {
    "name": "execute_python", "description": "d",
    "parameters": {"type": "object", "properties": {"code": {"type": "string"}}, "required": ["code"]}}}


def asked(*ids):
    return {"role": "assistant", "content": None, "tool_calls": [
        {"id": i, "type": "function", "function": {"name": "execute_python", "arguments": "{}"}} for i in ids]}


def told(i):
    return {"role": "tool", "tool_call_id": i, "content": "4"}


GOOD = {"model": "m", "stream": True, "stream_options": {"include_usage": True}, "tools": [TOOL],
        "tool_choice": "auto", "messages": [
            {"role": "system", "content": "s"}, {"role": "user", "content": "q"},
            asked("a", "b"), told("a"), told("b")]}


def change(**members):
    body = copy.deepcopy(GOOD)
    body.update(members)
    return {k: v for k, v in body.items() if v is not None}


def after(*messages):
    return change(messages=GOOD["messages"][:2] + list(messages))


def verdict(raw):
    try:
        provider.check_request(raw if isinstance(raw, bytes) else json.dumps(raw).encode())
        return "accepted"
    except provider.Bad as e:
        return str(e)


eq(verdict(GOOD), "accepted", "a request in order is accepted")
broken = asked("a")
broken["tool_calls"][0]["function"]["arguments"] = "{\"code\": "
for name, body, why in (
        ("no JSON", b"{", "no JSON"),
        ("bytes that are no UTF-8", json.dumps(GOOD).encode().replace(b'"q"', b'"\xff"'), "no JSON"),
        ("a lone surrogate", after({"role": "user", "content": "\ud800"}), "surrogate"),
        ("an unknown member", change(toolz=1), "toolz"),
        ("no model", change(model=None), "model"),
        ("stream_options without stream", change(stream=False), "stream_options"),
        ("tool_choice without tools", change(tools=None), "tool_choice"),
        ("an empty list of tools", change(tools=[]), "tools"),
        ("no messages", change(messages=[]), "messages"),
        ("an unknown role", after({"role": "robot", "content": "x"}), "robot"),
        ("an unknown member of a message", after({"role": "user", "content": "x", "note": 1}), "note"),
        ("a call without its answer", after(asked("a")), "'a'"),
        ("one answer for two calls", after(asked("a", "b"), told("a")), "'b'"),
        ("a user message before the answer", after(asked("a"), {"role": "user", "content": "x"}, told("a")),
         "'a'"),
        ("answers in the wrong order", after(asked("a", "b"), told("b"), told("a")), "tool_call_id"),
        ("two answers for one call", after(asked("a"), told("a"), told("a")), "answers no tool call"),
        ("an answer to nobody's call", after(told("z")), "answers no tool call"),
        ("two calls of one id", after(asked("a", "a"), told("a"), told("a")), "two calls"),
        ("a call without an id", after(asked(""), told("")), "without an id"),
        ("broken arguments sent back", after(broken, told("a")), "invalid tool call arguments"),
        ("a tool message without text", after(asked("a"), {"role": "tool", "tool_call_id": "a",
                                                           "content": None}), "text only"),
        ("an assistant message at the end", after({"role": "assistant", "content": "x"}), "last message")):
    ok(why in verdict(body), f"{name} is refused", verdict(body))

# --- over HTTP
SCRIPT = [say("whole"), say("by bytes", chunk="bytes"), say("random", chunk="random:1"), {"close": True},
          say("cut here", cut=50)]
with Provider(SCRIPT) as p:
    def post(body, path="/v1/chat/completions", key=KEY):
        c = http.client.HTTPConnection("127.0.0.1", p.port, timeout=10)
        c.request("POST", path, json.dumps(body), {"Content-Type": "application/json",
                                                   "Authorization": f"Bearer {key}"})
        answer = c.getresponse()
        return answer.status, answer.read().decode()

    eq(post(GOOD, key="wrong")[0], 401, "another key: 401")
    eq(post(GOOD, path="/chat/completions")[0], 404, "another path: 404")
    eq(post(change(toolz=1))[0], 400, "a request that breaks a rule: 400, and the step is kept")
    for text in ("whole", "by bytes", "random"):
        status, stream = post(GOOD)
        deltas = [json.loads(x[6:]) for x in stream.split("\n\n") if x.startswith("data: {")]
        got = "".join(d["choices"][0]["delta"].get("content") or "" for d in deltas if d["choices"])
        eq((status, got, stream.endswith("data: [DONE]\n\n")), (200, text, True), f"a stream, {text}")
    for name in ("a closed connection", "a cut stream"):
        try:
            post(GOOD)
            ok(False, f"{name} is noticed")
        except (http.client.HTTPException, ConnectionError) as e:
            ok(True, f"{name} is noticed: {type(e).__name__}")
    eq(post(GOOD)[0], 400, "past the end of the script: 400")
    eq(len(p.read()), 9, "every request is in the log")
done()
