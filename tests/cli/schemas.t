#!/usr/bin/python3
"""Every request against the schema of its format, by npm's ajv: those of whole runs against the scripted
provider in each format (formats.t), and those of conversations that are hard to write (test_codecs,
test_openai_chat). A schema that is given proof by requests that it must refuse.

Three of the schemas are published by others and are not kept here: they are looked for in
../shared/api beside the project, or in SCHEMAS. Needs node and npm (or a folder node_modules with ajv
and ajv-formats, in AJV_MODULES).
"""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

HERE = TOP / "tests" / "schemas"
SHARED = Path(os.environ.get("SCHEMAS") or TOP.parent / "shared" / "api")
BUILD = AGENT.parent
SCHEMA = {"openai-chat": SHARED / "chat-request.strict.schema.json",
          "openai-responses": SHARED / "responses-request.strict.schema.json",
          "anthropic-messages": SHARED / "anthropic-messages-request.schema.json",
          "gemini-generate-content": HERE / "gemini-generate-content.schema.json",
          "ollama-chat": HERE / "ollama-chat.schema.json"}


def modules():
    """The folder with ajv; a reason when there is none."""
    given = os.environ.get("AJV_MODULES")
    if not shutil.which("node"):
        return None, "node is not here"
    if given:
        return Path(given), None
    if not shutil.which("npm"):
        return None, "npm is not here"
    place = BUILD / "schemas"
    place.mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "package.json", place)
    if not (place / "node_modules" / "ajv-formats").is_dir():
        p = subprocess.run(["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"],
                           cwd=place, capture_output=True, text=True, timeout=180 * PATIENCE)
        if p.returncode:
            return None, "npm cannot install ajv: " + " ".join(p.stderr.split())[-200:]
    return place / "node_modules", None


node_modules, why = modules()
if why:
    skip_all(why)
BODIES = BOX / "bodies"
BODIES.mkdir()
env = {**os.environ, "REQUEST_DUMP": str(BODIES)}
for program in ([PYTHON, str(TOP / "tests/cli/formats.t")], [str(BUILD / "tests/unit/test_codecs")],
                [str(BUILD / "tests/unit/test_openai_chat")]):
    if not Path(program[-1]).exists():
        skip("it is not built", program[-1])
        continue
    p = subprocess.run(program, cwd=TOP, env=env, capture_output=True, timeout=600 * PATIENCE)
    ok(p.returncode == 0, f"{Path(program[-1]).name} has written its requests", p.stdout[-500:], p.stderr[-500:])


def verdicts(schema, files):
    p = subprocess.run(["node", str(HERE / "check.js"), str(node_modules), str(schema), *map(str, files)],
                       capture_output=True, text=True)
    return p.stdout.splitlines() if p.returncode == 0 else [f"invalid: {p.stderr[-500:]}"]


def spoilt(wire, body):
    """Requests that must be refused, each by one change."""
    bad = [dict(body, messages="x", contents="x", input=7), dict(body, no_such_member=1)]
    if wire == "gemini-generate-content":
        bad.append(dict(body, contents=[{"role": "function", "parts": [{"text": "x"}]}]))
    elif wire == "openai-responses":
        bad.append(dict(body, tools=[{"type": "function", "function": {"name": "x"}}]))
    else:
        bad.append(dict(body, messages=[{"role": "nobody", "content": "x"}]))
    # Responses know prompts kept at the service that name the model, so it may be missing there.
    if wire == "openai-responses":
        return bad + [dict(body, stream="yes")]
    needed = "contents" if wire == "gemini-generate-content" else "model"
    return bad + [{k: v for k, v in body.items() if k != needed}]


def without_foreign(path):
    """A service's own item goes back as it came, with what the schema does not know of (wires.py puts `at` into one)."""
    body = json.loads(path.read_text())
    for m in body["messages"]:
        for block in m["content"] if isinstance(m["content"], list) else ():
            if block.get("type") == "redacted_thinking":
                block.pop("at", None)
    path.write_text(json.dumps(body))


for wire, schema in SCHEMA.items():
    files = sorted(p for p in BODIES.iterdir() if p.name.startswith(wire + "."))
    if wire == "openai-chat":  # test_openai_chat names its requests by their subject alone
        files = sorted(p for p in BODIES.iterdir() if not p.name.startswith(tuple(SCHEMA)[1:]))
    if not schema.exists():
        skip(f"its schema is not in {SHARED}", f"{wire}: {len(files)} requests")
        continue
    ok(len(files) > 20, f"{wire}: there are requests to check", len(files))
    if wire == "anthropic-messages":
        for f in files:
            without_foreign(f)
    # What some compatible services want back is no member of OpenAI's: the schema that allows more.
    loose = [f for f in files if f.name.startswith("loose-")]
    bad = [v for v in verdicts(schema, [f for f in files if f not in loose]) if not v.startswith("valid ")]
    if loose:
        bad += [v for v in verdicts(SHARED / "chat-request.schema.json", loose) if not v.startswith("valid ")]
    ok(not bad, f"{wire}: {len(files)} requests are valid", *bad[:10])
    sample = json.loads(next(f for f in files if ".run-" in f.name).read_text())
    for i, body in enumerate(spoilt(wire, sample)):
        path = BOX / f"{wire}.bad-{i}.json"
        path.write_text(json.dumps(body))
        ok(verdicts(schema, [path])[0].startswith("invalid"), f"{wire}: a spoilt request ({i}) is refused")
done()
