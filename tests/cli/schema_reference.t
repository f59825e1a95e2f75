#!/usr/bin/python3
"""The validator against another implementation of the standard: thousands of small schemas and
values, made at random but always the same, and one verdict for each pair from both."""
import random
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from harness import *

try:
    from jsonschema import Draft202012Validator
except ImportError:
    skip_all("python3-jsonschema is not installed: nothing to compare with")
PROGRAM = AGENT.parent / "tests" / "unit" / "test_schema"
if not PROGRAM.exists():
    skip_all("build/tests/unit/test_schema is not built")

R = random.Random(20)
NAMES = ["a", "b", "ab", "x_1"]


def value(depth=0):
    kind = R.choice("nbiifss" + ("aooo" if depth < 3 else ""))
    return {"n": lambda: None, "b": lambda: R.choice([True, False]), "i": lambda: R.randint(-3, 6),
            "f": lambda: R.choice([0.5, 1.0, 2.5, -1.5, 4.0]), "s": lambda: R.choice(["", "a", "ab", "é", "a1", "12", "x_1"]),
            "a": lambda: [value(depth + 1) for _ in range(R.randint(0, 3))],
            "o": lambda: {R.choice(NAMES): value(depth + 1) for _ in range(R.randint(0, 3))}}[kind]()


def schema(depth=0):
    if R.random() < 0.06:
        return R.choice([True, False])
    s, sub = {}, lambda: schema(depth + 1)
    rules = {
        "type": lambda: R.choice(["null", "boolean", "integer", "number", "string", "array", "object",
                                  ["string", "null"], ["integer", "object", "array"]]),
        "enum": lambda: [value(2) for _ in range(R.randint(1, 4))], "const": lambda: value(2),
        "minimum": lambda: R.randint(-2, 3), "maximum": lambda: R.choice([0, 2.5, 4]),
        "exclusiveMinimum": lambda: R.randint(-2, 2), "exclusiveMaximum": lambda: R.randint(0, 5),
        "multipleOf": lambda: R.choice([1, 2, 0.5]), "minLength": lambda: R.randint(0, 2),
        "maxLength": lambda: R.randint(0, 2),
        "pattern": lambda: R.choice(["^a", "\\d", "^[a-z]+$", "^\\S*$", "(?:a|x)_?", "[^\\d]", "^.$"]),
        "minItems": lambda: R.randint(0, 2), "maxItems": lambda: R.randint(0, 2), "uniqueItems": lambda: R.random() < .7,
        "required": lambda: R.sample(NAMES, R.randint(0, 2)), "minProperties": lambda: R.randint(0, 2),
        "maxProperties": lambda: R.randint(0, 2), "dependentRequired": lambda: {R.choice(NAMES): R.sample(NAMES, 1)},
    }
    if depth < 3:
        rules |= {
            "properties": lambda: {n: sub() for n in R.sample(NAMES, R.randint(1, 3))}, "additionalProperties": sub,
            "patternProperties": lambda: {R.choice(["^a", "b$", "_\\d"]): sub()}, "propertyNames": sub,
            "items": sub, "prefixItems": lambda: [sub() for _ in range(R.randint(1, 2))], "contains": sub,
            "minContains": lambda: R.randint(0, 2), "maxContains": lambda: R.randint(0, 2), "not": sub,
            "allOf": lambda: [sub(), sub()], "anyOf": lambda: [sub(), sub()], "oneOf": lambda: [sub(), sub()],
            "if": sub, "then": sub, "else": sub, "dependentSchemas": lambda: {R.choice(NAMES): sub()},
            "$ref": lambda: R.choice(["#/$defs/one", "#/$defs/two"]),
        }
    for word in R.sample(sorted(rules), R.randint(1, 4)):
        s[word] = rules[word]()
    if depth == 0:
        s["$defs"] = {"one": {"type": R.choice(["string", "object", "array"])}, "two": schema(3)}
    return s


cases, lines = [], []
for _ in range(2500):
    s = schema()
    s = s if isinstance(s, dict) else {"allOf": [s], "$defs": {}}
    try:
        check = Draft202012Validator(s)
        for _ in range(6):
            v = value()
            cases.append((s, v, "valid" if check.is_valid(v) else "invalid"))
    except RecursionError:
        continue
text = "".join(json.dumps(s) + "\t" + json.dumps(v) + "\n" for s, v, _ in cases)
p = subprocess.run([PROGRAM, "--pairs"], input=text, capture_output=True, text=True, timeout=120 * PATIENCE)
got = p.stdout.split()
eq((p.returncode, len(got)), (0, len(cases)), "one verdict for each pair")
wrong = [(c, g) for c, g in zip(cases, got) if c[2] != g]
ok(not wrong, f"all {len(cases)} verdicts are the same", *[f"{json.dumps(c[0])} of {json.dumps(c[1])}: {c[2]}, here {g}"
                                                        for c, g in wrong[:5]])
shares = {w: got.count(w) for w in ("valid", "invalid")}
ok(min(shares.values()) > len(got) / 10, f"and neither verdict is rare: {shares}")
done()
