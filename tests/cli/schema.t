#!/usr/bin/python3
"""--schema: the answer is JSON that the schema allows, in each wire format, or the status is 9."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from harness import *

SCHEMA = {"type": "object", "properties": {"total": {"type": "integer", "minimum": 1}, "names": {
    "type": "array", "items": {"type": "string"}}}, "required": ["total", "names"], "additionalProperties": False}
LOOSE = {"type": "object", "properties": {"total": {"type": "integer"}, "note": {"type": "string"}},
         "required": ["total"]}
FILE = BOX / "schema.json"
FILE.write_text(json.dumps(SCHEMA, indent=1))
GOOD = '{"total": 3, "names": ["a", "b"]}'
RUN = code("print(3)")


def asked(r):
    return [m["content"] for b in r.bodies() for m in b["messages"] if m["role"] == "user"]


# --- an answer that fits
r = run("how many?", "--schema", FILE, script=[RUN, say(GOOD)])
eq((r.status, json.loads(r.out or "0")), (0, json.loads(GOOD)), "an answer that fits is the answer")
first = r.bodies()[0]
eq(first.get("response_format"), {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA}},
   "the service is told the schema, strictly where that is possible")
ok(len(first["tools"]) == 1, "beside the tools")
like(first["messages"][1]["content"], r'"total":\{"type":"integer"', "and the question holds it as well")
r = run("how many?", "--json-schema", json.dumps(LOOSE), script=[say("```json\n{\"total\": 3}\n```")])
eq((r.status, r.out), (0, '{"total": 3}\n'), "--json-schema with the schema itself; a fence around the answer goes")
eq(r.bodies()[0]["response_format"]["json_schema"]["strict"], False, "what strict mode would refuse is not sent as strict")
r = run("how many?", "--output-schema", FILE, "-o", "a.json", script=[RUN, say(GOOD)])
eq((r.home / "work/a.json").read_text(), r.out, "--output-schema; -o holds the same")
r = run("how many?", "--schema", FILE, "--output-format", "json", script=[RUN, say(GOOD)])
eq(json.loads(json.loads(r.out)["answer"]), json.loads(GOOD), "--output-format json holds the answer")

# --- one that does not
r = run("how many?", "--schema", FILE, script=[RUN, say("There are 3."), say('{"total": 0, "names": []}'), say(GOOD)])
eq((r.status, json.loads(r.out or "0")), (0, json.loads(GOOD)), "what does not fit is asked for again, twice")
like(asked(r)[-2], "no JSON", "with the reason: no JSON")
like(asked(r)[-1], r"/total: must be at least 1, is 0", "with the reason: which member, and why")
eq([b["tool_choice"] for b in r.bodies()], ["auto", "auto", "none", "none"], "the form is mended without tools")
r = run("how many?", "--schema", FILE, script=[RUN, say("Three.", times=0)])
eq((r.status, r.out, len(r.requests)), (9, "Three.\n", 4), "after two more tries: status 9, and the answer is printed all the same")
like(r.err, r"does not fit the schema.*asked 3 times", "and it is said why")
eq([e["status"] for e in r.record.events if e["type"] == "session.end"], ["check"], "the record says it too")
r = run("how many?", "--schema", FILE, "-n", "2", script=[RUN, say("Three.", times=0)])
eq((r.status, len(r.requests)), (9, 2), "--max-turns holds: no further try")

# --- what the service does not take is left out
r = run("how many?", "--schema", FILE, script=[
    refusal(400, "response_format json_schema is not available on this model"), RUN, say(GOOD)])
eq(r.status, 0, "a service without structured output is asked without it")
ok("response_format" not in r.bodies()[1] and len(r.requests) == 3, "once refused it is not sent again")
like(r.err, "does not take the schema", "and that is said")
r = run("how many?", "--schema", FILE, script=[
    refusal(400, "json mode cannot be combined with tool/function calling"), RUN, say("x"), say(GOOD)])
eq(["response_format" in b for b in r.bodies()], [True, False, False, True],
   "one that takes it without tools only has it in the request without tools")
eq(r.status, 0, "and answers")
r = run("how many?", "--tools", "fenced", "--schema", FILE, script=[say("```python\nprint(3)\n```"), say("3"), say(GOOD)])
eq((r.status, ["response_format" in b for b in r.bodies()]), (0, [False, False, True]),
   "where code is written as text, the schema does not forbid it")

# --- numbers inside the JSON are looked up
r = run("how many?", "--schema", json.dumps(LOOSE), script=[RUN, say('{"total": 4711}'), say('{"total": 3}')])
eq((r.status, json.loads(r.out or "0"), len(r.requests)), (0, {"total": 3}, 3), "a number that was not printed is mended")
r = run("how many?", "--schema", json.dumps(LOOSE), script=[RUN, say('{"total": 4711}'), say("It was 3.")])
eq((r.status, json.loads(r.out or "0"), len(r.requests)), (0, {"total": 4711}, 3), "mending that takes the form away: the answer before it stands")
like(r.err, "4711", "with its warning")

# --- each wire format
NATIVE = {
    "openai-responses": lambda b: b.get("text", {}).get("format", {}).get("schema"),
    "anthropic-messages": lambda b: b.get("output_config", {}).get("format", {}).get("schema"),
    "gemini-generate-content": lambda b: b.get("generationConfig", {}).get("responseJsonSchema"),
    "ollama-chat": lambda b: b.get("format"),
}
for wire, find in NATIVE.items():
    with Provider([RUN, say("3"), say(GOOD)]) as p:
        r = finish(start("-m", "gemini-3-pro" if "gemini" in wire else "scripted", "--wire", wire, "--schema", FILE,
                         "how many?", url=p.url.replace("/v1", "") if "gemini" in wire or "ollama" in wire else p.url),
                   keep=[p.process.pid])
        r.requests = p.read()
    eq((r.status, json.loads(r.out or "0")), (0, json.loads(GOOD)), f"{wire}: the answer fits")
    sent = [find(b) for b in r.bodies()]
    ok(sent and sent[-1] and sent[-1]["required"] == ["total", "names"], f"{wire}: the service is told the schema", sent)
    ok("ollama" not in wire or sent[0] is None, f"{wire}: not where it would forbid the tools")
    ok("anthropic" not in wire or "minimum" not in json.dumps(sent), f"{wire}: without what it refuses")

r = run("how many?", "--schema", json.dumps(LOOSE), "--report", "r.md", script=[say(GOOD)])
eq((r.status, len(r.requests)), (2, 0), "--schema and --report exclude each other")

# --- what is no schema: before anything is sent
for text, says in [("{", "not JSON"), ("[1, 2]", "no JSON Schema"), ('{"type": "objekt"}', "not objekt"),
                   ('{"propertys": {}}', "did you mean properties"), ('{"unevaluatedItems": false}', "not supported"),
                   ("", "JSON"), ("\0\1\2", "JSON")]:
    FILE.write_text(text)
    r = run("how many?", "--schema", FILE, script=[say(GOOD)])
    eq((r.status, r.out, len(r.requests), r.sessions), (2, "", 0, []), f"{text!r}: status 2, nothing was sent or written")
    like(r.err, f"--schema {FILE}.*{says}", f"{text!r}: said in words")
for name, says in [("nowhere.json", "nowhere.json"), (BOX, "directory")]:
    r = run("how many?", "--schema", name, script=[say(GOOD)])
    eq((r.status, len(r.requests)), (2, 0), f"{name} as a schema: status 2")
    like(r.err, f"(?i){says}", "and named")
done()
