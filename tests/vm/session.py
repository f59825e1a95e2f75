#!/usr/bin/python3
"""A whole question and a shard of a batch, against the scripted provider, in a place that guest.sh has made: a pod, a user of
SELinux's, a shell that AppArmor confines.

    session.py [--sandbox=best]        the flag, for each run: namespaces are forbidden here
"""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *
from anyservice import AnyService

FLAGS = sys.argv[1:]
BACKEND = "landlock" if "--sandbox=best" in FLAGS else "namespaces"


def question(request):
    return next(m["content"] for m in request["body"]["messages"] if m["role"] == "user")


def answer(request):
    """To "double N": the cell that computes it, then what the cell printed."""
    told = [m["content"] for m in request["body"]["messages"] if m["role"] == "tool"]
    if told:
        printed = re.search(r"^(\d+)$", told[0], re.M)[1]
        return {"text": f"It is {printed}.", "usage": {"cost": 0}}
    return {"calls": [f"print({question(request).split()[-1]} * 2)"], "text": "", "usage": {"cost": 0}}


(BOX / "sales.csv").write_text("month,sum\n1,20\n2,22\n")
SCRIPT = [code("import pandas as pd\nd = pd.read_csv('sales.csv')\nd['sum'].cumsum().to_csv('sums.csv')\nprint(d['sum'].sum())"),
          say("The sum is {1}.", find=r"^(\d+)")]

if BACKEND != "namespaces":
    r = run("what is the sum?", "--file", str(BOX / "sales.csv"), script=SCRIPT)
    eq((r.status, r.out, len(r.requests)), (5, "", 0), "strict: status 5, and nothing was asked")
    like(r.err, r"namespaces: .*sandbox = best", "it says what fails, and what else may be done")
r = run("what is the sum?", *FLAGS, "--file", str(BOX / "sales.csv"), script=SCRIPT)
ok((r.status, r.out) == (0, "The sum is 42.\n"), "a question is answered by code that read a file", r.status, r.out, r.err)
eq(r.artifacts, ["sums.csv"], "the file that it wrote came out")
started = next((e for e in r.record.events if e["type"] == "sandbox.start"), {})
eq(started.get("backend"), BACKEND, "the record names the back end")
eq("weaker here" in r.err, BACKEND != "namespaces", "the user is warned where it is weaker, and only there")

with AnyService(answer) as s:
    home = new_home()
    (home / "work/q.jsonl").write_text("".join(json.dumps({"question": f"double {i}"}) + "\n" for i in range(8)))
    r = finish(start("batch", "q.jsonl", *FLAGS, "--shard", "auto/4", "--resume", "-j", "2", "--out", "part.jsonl", "--stream=false",
                     "-m", "scripted", url=s.url + "/v1", home=home, env={"JOB_COMPLETION_INDEX": "3"}), timeout=120)
    part = home / "work/part.jsonl"
    rows = [json.loads(line) for line in part.read_text().splitlines()] if part.exists() else []
    ok(r.status == 0 and sorted((x["index"], x["answer"]) for x in rows) == [(3, "It is 6."), (7, "It is 14.")],
       "a batch takes the shard of its index, and code answered each", r.status, rows, r.err)
done()
