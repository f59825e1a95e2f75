#!/usr/bin/python3
"""The five wire formats: the same job with the same script in each, streamed and whole, ends with the
same answer and the same record but for the wire's own words. And what each format does with opaque
state, pictures, cut replies, refusals and models without tools.

With REQUEST_DUMP=DIR every request's body is written there as FORMAT.N.json (tests/cli/schemas.t), and what
brings no further kinds of requests is left out.
"""
import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

FORMATS = {"openai-chat": "/v1", "openai-responses": "/v1", "anthropic-messages": "",
           "gemini-generate-content": "", "ollama-chat": ""}
DUMP = os.environ.get("REQUEST_DUMP")
dumped = 0


def go(wire, script, *flags, each=None, question="count them", **how):
    global dumped
    with Provider([{**(each or {}), **step} for step in script]) as p:
        base = f"http://127.0.0.1:{p.port}{FORMATS[wire]}"
        r = finish(start("-m", "model-1", "--wire", wire, "--base-url", base, "--api-key-env",
                         "OPENAI_API_KEY", *flags, question, **how), keep=[p.process.pid])
        r.requests = p.read()
    for q in [q for q in r.requests if DUMP and isinstance(q.get("body"), dict)]:
        dumped += 1
        Path(DUMP, f"{wire}.run-{dumped}.json").write_text(json.dumps(q["body"]))
    return r


def events(r, *types):
    return [e for e in (r.record.events if r.record else []) if e["type"] in types]


# --- the same job
SOURCE = "import json\nrows = [3, 14, 15]\nprint('sum', sum(rows))\n"
JOB = [code(SOURCE, "Add them — 東京", text="Let me see.", opaque=True),
       cells("print('mean', sum(rows) / len(rows))", "1/0", opaque=True),
       say("The sum is {1}.\nGröße: µm 😀", find=r"^sum (\d+)$", opaque=True)]
WANT = "The sum is 32.\nGröße: µm 😀\n"
# What belongs to the wire, to the clock, or to the run; ids of calls are told by their order instead.
WIRE = {"t", "seq", "raw", "wire", "stop_word", "response_id", "id", "usage", "reasoning", "base_url", "origin",
        "duration_us", "cpu_us", "duration_ms", "session", "started", "peak_bytes", "build_us", "python_start_us"}


def neutral(value, ids):
    if isinstance(value, dict):
        return {k: neutral(ids.setdefault(v, len(ids)) if k == "call_id" else
                           json.loads(v) if k == "arguments" else v, ids)
                for k, v in value.items() if k not in WIRE}
    if isinstance(value, list):
        return [neutral(v, ids) for v in value]
    return value


def story(r):
    skip = ("session.start", "sandbox.start", "inputs", "session.end")
    ids = {}
    return [neutral(e, ids) for e in r.record.events if e["type"] not in skip]


# --- no recorded body is left out of the unit tests
CASES = TOP / "tests" / "cases"
expected = {w["file"] for t in CASES.glob("*/expected.json") for w in json.loads(t.read_text()) if "file" in w}
sources = "".join(p.read_text() for p in (TOP / "tests" / "unit").glob("test_*.c"))
bodies = [str(p.relative_to(CASES / "samples")) for p in (CASES / "samples").rglob("*")
          if p.suffix in (".json", ".sse") and "sse-vectors" not in str(p)]
ok(len(bodies) > 90, "the recorded bodies are here", len(bodies))
eq([b for b in sorted(bodies) if b not in expected and f'"{b}"' not in sources], [],
   "each is decoded or judged by a unit test")

first = None
for wire in FORMATS:
    for name, flags, each in (("streamed at random splits", (), {"chunk": "random:1"}),
                              ("streamed byte by byte", (), {"chunk": "bytes"}),
                              ("whole", ("--no-stream",), {}))[1 if DUMP else 0:]:
        r = go(wire, JOB, *flags, each=each)
        told = f"{wire}, {name}"
        eq((r.status, r.out, r.rules), (0, WANT, []), f"{told}: the answer, and every request was in order")
        eq(len(r.requests), 3, f"{told}: three requests")
        ok(all(q["auth"] for q in r.requests), f"{told}: the key went the format's own way")
        streams = [q["body"].get("stream") or ":stream" in q["path"] for q in r.requests]
        eq(streams, [not flags] * 3, f"{told}: a stream was asked for, or not")
        turns = events(r, "turn")
        eq([t.get("wire") for t in turns], [wire] * 3, f"{told}: the record says which format")
        got = story(r)
        first = first or got
        eq(json.dumps(got, indent=1, sort_keys=True).split("\n"),
           json.dumps(first, indent=1, sort_keys=True).split("\n"), f"{told}: the same record")
        eq([(t["usage"]["output_tokens"]) for t in turns], [30] * 3, f"{told}: the usage")

# --- reasoning shows on standard error when it is asked for, and only there
for wire in list(FORMATS)[1:] if not DUMP else ():
    thought = "think-1-" if wire == "ollama-chat" else "Thinking hard."
    for flags in ((), ("--no-stream",)):
        r = go(wire, JOB, "--show-reasoning", *flags)
        ok(thought in r.err and thought not in r.out, f"{wire} {flags}: reasoning shows on standard error", r.err)
    r = go(wire, JOB, "-v")
    ok(thought not in r.err, f"{wire}: without --show-reasoning it does not", r.err)

# --- pictures
DOT = """import struct, zlib
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
class Dot:
    def __init__(self, grey): self.grey = grey
    def _repr_png_(self):
        return (b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
                + chunk(b"IDAT", zlib.compress(bytes([0, self.grey]))) + chunk(b"IEND", b"") + %s)
Dot(%d)"""
dot, broken = DOT % ("b''", 7), DOT % ("b'more'", 7)
for wire in FORMATS:
    r = go(wire, [code(dot), say("A dot.", images=1)], "--images", "on")
    eq((r.status, r.rules), (0, []), f"{wire}: the model sees the picture it made")
    shown = [e["images"] for e in events(r, "observation") if "images" in e]
    ok(len(shown) == 1 and shown[0][0]["mime"] == "image/png" and len(shown[0][0]["sha256"]) == 64
       and "data" not in shown[0][0], f"{wire}: the record names the picture, and does not hold it", shown)
r = go("openai-chat", [code(dot), say("None.", images=0)], "--images", "off")
eq((r.status, r.rules), (0, []), "--images off shows none")
r = go("openai-chat", [code(dot), say("None.", images=0)])
eq((r.status, r.rules), (0, []), "auto shows none to a model that is not known to look at pictures")
r = go("openai-chat", [code(broken), say("None.", images=0)], "--images", "on")
eq((r.status, r.rules), (0, []), "a picture that is not whole is not shown")
like(Told(e["text"] for e in events(r, "observation"))[0], r"not shown to you: more follows", "and the model is told")
r = go("anthropic-messages", [code(DOT % ("b''", n)) for n in range(3)] + [say("Two.", images=2)],
       "--images", "on", "--max-images", "2")
eq((r.status, r.rules), (0, []), "--max-images keeps the newest")
blind = [code(dot), {"status": 400, "body": json.dumps({"error": {"message":
         "This model does not support image input."}})}, say("None.", images=0)]
r = go("openai-chat", blind, "--images", "on")
eq((r.status, r.out), (0, "None.\n"), "a model that refuses pictures is asked again without them")
like(r.err, r"does not take the pictures", "and it is said")
if not have_modules("matplotlib"):
    plot = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.title('t')\nplt.show()"
    r = go("anthropic-messages", [code(plot), say("A line.", images=1)], "--images", "on")
    eq((r.status, r.rules), (0, []), "the model sees its chart")
    made = [e["images"][0]["sha256"] for e in events(r, "observation")]
    kept = {hashlib.sha256((r.record.path / "artifacts" / a).read_bytes()).hexdigest() for a in r.artifacts}
    ok(made and made[0] in kept, "the picture in the record is one of the artifacts", made, kept)
    r = go("openai-chat", [code(plot), say("None.", images=0)], "--images", "on", "--image-size", "1k")
    eq((r.status, r.rules), (0, []), "a picture above --image-size is not shown")
else:
    skip("matplotlib is not here", "charts", 3)

# --- a reply that the output limit cut in the middle of the arguments: nothing runs, the model is told
for wire in FORMATS:
    cut = {"calls": [call("execute_python", '{"code": "print(1)\\nprint(')], "finish": "length"}
    r = go(wire, [cut, code("print('short')"), say("Done.")])
    eq((r.status, r.out, r.rules), (0, "Done.\n", []), f"{wire}: a cut call does not end the run")
    like(events(r, "observation")[0]["text"], r"cut off at your output limit", f"{wire}: the model is told")
    eq(len(events(r, "cell.start")), 1, f"{wire}: the cut code did not run")

# --- arguments that can mean one thing only run, and the record says what was mended
for wire in FORMATS:
    if wire in ("openai-chat", "openai-responses"):
        r = go(wire, [{"calls": [call("execute_python", '{"code": "print(7)",}')]}, say("{1}.", find=r"^(7)$")])
        eq((r.status, r.out, r.rules), (0, "7.\n", []), f"{wire}: a comma too many is mended")
        eq(events(r, "cell.start")[0].get("arguments_mended"), "a comma before the end", f"{wire}: and recorded")
    for bad in ('{"code": "pri', "print(1)", "[1]"):
        r = go(wire, [{"calls": [call("execute_python", bad), call("no.such tool", "{}")]}, say("Done.")])
        eq((r.status, r.out, r.rules), (0, "Done.\n", []), f"{wire}: {bad} and a tool that is not there: the "
           "history is in order")
        told = [e["text"] for e in events(r, "observation")]
        ok(len(told) == 2 and all(t.startswith("Tool error:") for t in told) and not events(r, "cell.start"),
           f"{wire}: {bad}: both are told, nothing ran", told)

# --- a stream that breaks is asked for again; a refusal is told in the service's words
for wire in FORMATS if not DUMP else ():
    r = go(wire, [say("half", end=False), say("Whole.")])
    eq((r.status, r.out), (0, "Whole.\n"), f"{wire}: a stream without its end is asked for again")
    r = go(wire, [say("x" * 400, cut=100), say("Whole.")])
    eq((r.status, r.out), (0, "Whole.\n"), f"{wire}: a stream that is cut is asked for again")
    r = go(wire, [say("x")], key="sk-wrong-key-000000")
    eq(r.status, 3, f"{wire}: a wrong key is told as one")
    r = go(wire, [say("x", finish="content_filter")] * 3 if wire != "ollama-chat" else [])
    ok(r.status in (0, 4), f"{wire}: a filtered reply ends in order", r.status, r.err)

# --- a hostile server: a clear error within the limits, memory bounded
HUGE = "x" * 10_000_000
MANY = "[" + "0," * 3_000_000 + "0]}"
HOSTILE = {
    "openai-chat": ({"choices": [{"delta": {"content": HUGE}}]}, '{"choices":'),
    "openai-responses": ({"type": "response.output_text.delta", "delta": HUGE}, '{"output":'),
    "anthropic-messages": ({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": HUGE}},
                           '{"content":'),
    "gemini-generate-content": ({"candidates": [{"content": {"parts": [{"text": HUGE}]}}]}, '{"candidates":'),
    "ollama-chat": ({"message": {"content": HUGE}, "done": False}, '{"message":')}
for wire, (event, front) in HOSTILE.items() if not DUMP else ():
    stream = wire == "ollama-chat" and ("application/x-ndjson", "%s\n") or ("text/event-stream", "data: %s\n\n")
    for name, body, kind, want in (
            ("10 MB of text in one event", stream[1] % json.dumps(event), stream[0], r"longer than 4 MiB"),
            ("three million values", front + MANY, "application/json", r"more than 500000 values"),
            ("JSON 100,000 deep", "[" * 100000, "application/json", r"nested deeper than"),
            ("a million empty events", stream[1] % "" * 1000000, stream[0], r"was cut"),
            ("a page for people", "<html><title>502 Bad Gateway</title></html>", "text/html", r"is no JSON"),
            ("NUL bytes", "{\"a\":\0}", "application/json", r"NUL")):
        r = go(wire, [{"status": 200, "body": body, "content_type": kind, "times": 0}], "--retries", "0")
        eq((r.status, r.out), (4, ""), f"{wire}, {name}: status 4")
        like(r.err, want, f"{wire}, {name}: and it is said")
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
ok(peak < 300 or SANITIZERS, "no process took more than 300 MiB", f"{peak} MiB")

# --- Anthropic's format must have a limit: where the model's own is lower, the refusal says so
r = go("anthropic-messages", [{"status": 400, "body": json.dumps({"type": "error", "error": {
    "type": "invalid_request_error", "message": "max_tokens: 32000 > 8192, which is the maximum allowed number "
    "of output tokens for model-1"}})}, say("Fine.")])
eq((r.status, r.out, [b["max_tokens"] for b in r.bodies()]), (0, "Fine.\n", [32000, 8192]),
   "a limit above the model's own is lowered to it")

# --- Ollama: a prompt that was cut in silence
r = go("ollama-chat", [say("Yes.", prompt_tokens=20)])
eq((r.status, r.out), (0, "Yes.\n"), "a cut prompt: the answer is there")
like(r.err, r"has read 20 tokens of a conversation with at least \d+", "and the user is warned")
r = go("ollama-chat", [say("Yes.")], "--num-ctx", "5000")
eq(r.requests[0]["body"]["options"]["num_ctx"], 5000, "--num-ctx is sent")

# --- models without tools: code in fences
FENCED = [say("I will add.\n```python\nx = 40 + 2\nprint('got', x)\n```\n"),
          say("```python\nprint(x * 2)\n```\nand\n~~~python\nprint('last', x)\n~~~\n```json\n{}\n```"),
          say("It is {1}.", find=r"^last (\d+)$")]
r = go("openai-chat", FENCED, "--tools", "fenced")
eq((r.status, r.out, r.rules), (0, "It is 42.\n", []), "fenced: blocks run as cells, their results are told")
bodies = r.bodies()
ok(not any("tools" in b for b in bodies), "fenced: no tools are offered")
like(bodies[0]["messages"][0]["content"], r"```python", "fenced: the model is told how to write code")
eq([m["role"] for m in bodies[-1]["messages"]], ["system", "user", "assistant", "user", "assistant", "user"],
   "fenced: results come back as the user's words")
eq([len(events(r, t)) for t in ("cell.start", "cell.end", "observation")], [3, 3, 3], "fenced: three cells in the record")
r = go("openai-chat", [say("```python\nprint(1)", finish="length"), say("Sorry.")], "--tools", "fenced")
eq((r.status, r.out, len(events(r, "cell.start"))), (0, "Sorry.\n", 0), "fenced: a block that was cut does not run")
r = go("openai-chat", [say("For example:\n```python\nprint(1)\n```")])
eq((r.status, len(events(r, "cell.start"))), (0, 0), "native: a block in the text is an example and does not run")
r = go("openai-chat", [say("```python\nprint(1)\n```")] * 5, "--tools", "fenced")
eq(r.status, 11, "fenced: the same code with the same result, again and again, ends the run")
done()
