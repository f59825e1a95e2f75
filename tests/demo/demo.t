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
r = run("Which months see the most wildlife strikes, and how large a part of them does damage?",
        "--replay", HERE / "demo.jsonl", "-f", DATA / "birdstrikes.csv", "--timeout", "120s", key=None,
        timeout=150)
eq(r.status, 0, "it plays to its end, without a key")
told = [e["text"] for e in r.record.events if e["type"] == "observation"]
eq(len(told), 3, "three cells ran")
if len(told) == 3:
    like(told[1], r"KeyError: 'Effect Amount of Damage'\s*\Z", "the second fails with a real traceback")
    seen = re.findall(r"\d[\d,.-]*\d|\d", "\n".join(told))
    seen = {n.replace(",", "") for n in seen}
    numbers = re.findall(r"\d[\d,.-]*\d|\d", r.out.replace("figure-1", ""))
    ok(len(numbers) > 15, "the answer is full of numbers", numbers)
    eq([n for n in numbers if n.replace(",", "") not in seen], [],
       "and every one of them was printed by a cell")
eq(r.artifacts, ["figure-1.csv", "figure-1.png", "figure-1.svg", "strikes_by_month.csv"], "it makes a chart and a table")
ok("figure-1.png" in r.artifacts and is_png(r.record.path / "artifacts/figure-1.png"), "the chart is a PNG")
done()
