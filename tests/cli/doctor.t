#!/usr/bin/python3
"""agent doctor: what it says is what is so, each line with its cause and its cure."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *
from listing import Listing

home = new_home()


def doctor(*args, **how):
    return finish(start("doctor", *args, home=home, **how), timeout=180 * PATIENCE)


def checks(r):
    return {(c["section"], c["check"]): c for c in json.loads(r.out)["checks"]}


with Listing() as server:
    r = doctor("--json", url=server.url)
eq(r.status, 0, "0 where the sandbox starts")
found = checks(r)
eq({c["state"] for c in found.values()} - {"ok", "weaker", "missing"}, set(), "each is ok, weaker or missing")
probed = subprocess.run([HELPER, "--check"], stdout=subprocess.PIPE, text=True).stdout
for line in probed.splitlines():
    if line.startswith(("holds", "absent")):
        layer = line[8:25].strip()
        eq(found[("The sandbox", layer)]["state"], "ok" if line.startswith("holds") else "weaker",
           f"the layer {layer!r} as agent-sandbox --check has it")
eq(found[("The interpreter", "Python")]["state"], "ok", "Python starts")
eq(found[("The interpreter", "a cell")]["state"], "ok", "and runs a cell")
eq(found[("This machine", "records")]["state"], "ok", "the record's folder can be written")
ok(not (home / "share" / "agent" / "sessions").exists(), "and is not made by looking")
eq((found[("The model's service", "key")]["state"], found[("The model's service", "endpoint")]["state"]),
   ("ok", "ok"), "the key is there, and the service takes it")
eq(server.keys, [f"Bearer {KEY}"], "which was asked once")
like(found[("The model's service", "clock")]["text"], r"within \d s", "the clock is compared")
unlike(r.out + r.err, KEY[:12], "nothing of the key is shown")

with Listing(status=401, skew=-7200) as server:
    found = checks(doctor("--json", url=server.url))
eq(found[("The model's service", "endpoint")]["state"], "missing", "a refused key")
eq(found[("The model's service", "endpoint")]["mend"], "agent keys set openai", "and what mends it")
like(found[("The model's service", "clock")]["text"], r"^7[12]\d\d s ahead of", "a clock that goes wrong")
r = doctor("--json", url=server.url)
eq((r.status, checks(r)[("The model's service", "endpoint")]["state"]), (0, "missing"), "nobody there: said, and still 0")

with Listing() as server:
    r = doctor("--offline", url=server.url)
eq((r.status, server.paths), (0, []), "--offline asks nobody")
like(r.out, r"^  ok +endpoint +not asked", "and says so")
like(r.out, r"^\d+ ok, \d+ weaker, \d+ missing\. The sandbox starts\.$", "the sum")
eq([line for line in r.out.splitlines() if len(line) > 79 and ">" not in line and "/" not in line], [],
   "at most 79 columns, but for what is to be copied")

r = doctor("--offline", key=None, env={"AGENT_LANGUAGES": "python bash", "AGENT_BASH": "/nonexistent/bash"})
like(r.out, r"^  missing +key ", "no key: missing")
like(r.out, r"> agent keys set openai$", "with the command that mends it")
like(r.out, r"^  missing +Bash .*/nonexistent/bash", "a language whose program is not there")
r = doctor("--offline", env={"AGENT_LANGUAGES": "python bash"})
like(r.out, r"^  ok +Bash +\d", "one that works is run")

broken = write("no-sandbox", "#!/bin/sh\necho 'agent-sandbox: namespaces: forbidden here; type: sysctl -w x=1' >&2\nexit 125\n")
os.chmod(broken, 0o755)
r = doctor("--offline", "--sandbox-helper", broken)
eq(r.status, 5, "5 where the sandbox does not start")
like(r.out, r"^  missing +start +namespaces: forbidden here; type:", "with the cause and the cure")
like(r.out, r"The sandbox does not start", "in the last line too")
r = doctor("--offline", "--sandbox-helper", "/nonexistent/agent-sandbox", "--json")
eq((r.status, json.loads(r.out)["sandbox"]), (5, False), "and where there is none")

lying = write("weak-sandbox", "#!/bin/sh\n[ \"$1\" = --check ] || exit 125\n"
              "echo 'FAILS   seccomp           filter loaded'\nexit 1\n")
os.chmod(lying, 0o755)
r = doctor("--offline", "--sandbox-helper", lying)
eq(r.status, 5, "5 where a layer does not hold")
like(r.out, r"^  missing +seccomp +does NOT hold", "which is named")

readonly = home / "readonly"
readonly.write_text("a file where a folder should be")
r = doctor("--offline", "--session-dir", readonly / "sessions")
like(r.out, r"^  missing +records +.*\n? +cannot be written", "a record that cannot be written")
eq(doctor("word").status, 2, "it takes no words")
done()
