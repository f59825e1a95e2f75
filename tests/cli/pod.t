#!/usr/bin/python3
"""The whole program where namespaces are forbidden: strict refuses, best answers, warns and records."""
import sys
from pathlib import Path
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from harness import *  # noqa: E402,F403

POD = AGENT.parent / "tests/sandbox/pod"
if not POD.exists():
    skip_all(f"{POD} is not built (make tests-build)")
helper = BOX / "helper"
helper.write_text(f'#!/bin/sh\nexec {POD} docker {HELPER} "$@"\n')
helper.chmod(0o755)
(BOX / "sales.csv").write_text("a,b\n1,2\n3,4\n")
SCRIPT = [code("import os, pandas as pd\nd = pd.read_csv('sales.csv')\nd.plot()\nprint(d.a.sum(), os.getcwd())\nprint('x' * 20000)"),
          code("print(len(open(os.environ['SANDBOX_ROOT'] + '/output/cell-1-stdout.txt').read()) > 20000)\n"
               "%cd\nopen('/tmp/x', 'w')"),
          code("import time\nfor i in range(9):\n  open(f'f{i}', 'wb').write(bytes(1 << 20))\ntime.sleep(20)"),
          code("import os; print(sorted(os.listdir()))"),
          say("The sum is {1}.", find=r"^(\d+) /")]

for argv in ([], ["--sandbox", "strict"]):
    r = run("what is the sum?", "--sandbox-helper", str(helper), *argv, script=SCRIPT)
    eq((r.status, r.out), (5, ""), f"{argv}: strict: the exit status of a sandbox that cannot be had")
    eq(len(r.requests), 0, "and no request was paid for")
    like(r.err, r"namespaces: clone with new namespaces: Operation not permitted.*sandbox = best", "it says what, why, and what else may be done")

r = run("what is the sum?", "--sandbox-helper", str(helper), "--sandbox", "best", "--file", str(BOX / "sales.csv"),
        "--workspace-size", "4m", script=SCRIPT)
eq((r.status, r.out), (0, "The sum is 4.\n"), "best: answered")
ok(any(a.endswith(".png") for a in r.artifacts), "a figure came out", r.artifacts)
like(r.err, r"warning: .*weaker here \(sandbox = best\)", "the user is warned without asking")
like(r.err, r"warning: no namespaces, which this place forbids", "and told why")
starts = [e for e in r.record.events if e["type"] == "sandbox.start"]
eq(starts[0].get("backend"), "landlock", "the record names the back end")
like(starts[0].get("weaker"), "no namespaces", "and what is weaker")
system = r.bodies()[0]["messages"][0]["content"]
like(system, r"The working directory is /tmp/agent-sandbox\.\w{6}/workspace\.", "the model is told where it works")
like(system, r"## /tmp/agent-sandbox\.\w{6}/workspace/sales\.csv", "and where its files are")
unlike(system, r"(?<!\w)/(workspace|data|output)\b(?<!\w{6}/workspace)(?<!\w{6}/data)", "and of no place that is not there")
like(r.observations[0], r"^4 /tmp/agent-sandbox", "the code works there")
like(r.observations[0], r"the whole text is in /tmp/agent-sandbox\.\w{6}/output/cell-1-stdout\.txt", "long output is where the model is told")
like(r.observations[1], r"^True$", "and can be read")
like(r.observations[1], r"PermissionError", "the host's /tmp is closed")
like(r.observations[2], r"died|ended", "a workspace over its limit ends the sandbox")
like(r.observations[3], r"started anew.*sales\.csv", "which is started anew, with the attachment") if "\n" not in r.observations[3] else \
    ok("started anew" in r.observations[3] and "sales.csv" in r.observations[3], "which is started anew, with the attachment", r.observations[3])

r = run("what is the sum?", "--sandbox", "best", script=[code("import os; print(os.getcwd())"), say("done")])
eq((r.status, r.observations[0].split("\n")[1]), (0, "/workspace"), "best where namespaces are to be had is strict")
unlike(r.err, "weaker", "and nothing is weaker")
r = run("what is the sum?", "--sandbox-helper", str(helper), "--sandbox", "best", "--network", "example.org", script=SCRIPT)
eq((r.status, len(r.requests)), (5, 0), "best with permitted hosts: refused, since that way needs a file tree of its own")
like(r.err, r"set network = none, or permit namespaces", "and it says what to do")
done()
