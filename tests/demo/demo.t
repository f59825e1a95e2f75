#!/usr/bin/python3
"""The demo's conversation: it plays without key or network, and its answer is true."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

HERE = Path(__file__).resolve().parent
eq(subprocess.run([PYTHON, str(HERE / "make_demo.py"), "--check"]).returncode, 0,
   "demo.jsonl is what make_demo.py makes")
missing = have_modules("pandas", "matplotlib")
if missing:
    skip(f"{missing} is not installed for {PYTHON}: the demo's cells cannot run", "the demo")
    done()
r = run("Which phase of flight costs most, and what do large animals add?", "--replay", HERE / "demo.jsonl",
        "-f", DATA / "birdstrikes.csv", "--timeout", "120s", key=None, timeout=150)
eq(r.status, 0, "it plays to its end, without a key")
told = [e["text"] for e in r.record.events if e["type"] == "observation"]
eq(len(told), 3, "three cells ran")
if len(told) == 3:
    like(told[1], r"KeyError: 'Phase of Flight'\s*\Z", "the second fails with a real traceback")
    seen = "\n".join(told).replace(",", "")
    invented = [n for n in re.findall(r"\d[\d,]*\d", r.out.replace("figure-1", ""))
                if n.replace(",", "") not in seen]
    eq(invented, ["65"], "every number of the answer was printed by a cell, but for the one percentage")
    sums = re.search(r"\$([\d,]+) of \$([\d,]+)", told[2])
    a, b = (int(x.replace(",", "")) for x in sums.groups())
    eq(round(100 * a / b), 65, "and that one follows from two that were")
eq(r.artifacts, ["cost_by_phase.csv", "figure-1.png"], "it makes a chart and a table")
ok("figure-1.png" in r.artifacts and is_png(r.record.path / "artifacts/figure-1.png"), "the chart is a PNG")
done()
