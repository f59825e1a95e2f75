#!/usr/bin/python3
"""The system prompt tells the truth: what imports here, what is attached, what the limits are."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

r = run("hello", "-n", "5", "--timeout", "17s", "--output-cap", "1234", "--memory", "700m",
        "-f", write("sales.csv", b"city,amount\nOslo,10\n"), script=[say("ok")])
eq(r.status, 0, "a run")
system = r.bodies()[0]["messages"][0]["content"]
unlike(system, r"\{\{|\}\}", "no placeholder is left")
version = bare("import sys\nprint('%d.%d.%d' % sys.version_info[:3])")
like(system, re.escape(version), "it names the Python version that is there")
like(system, r"\b17 ?s", "the time limit in force")
like(system, r"\b1234\b", "the output cap in force")
like(system, r"\b5 turns", "the turns in force")
like(system, r"\b700 M", "the memory limit in force")
like(system, r"(?s)sales\.csv.*- city: text.*- amount: integer", "the attachment and its profile")
unlike(system, re.escape(str(BOX)), "no path of the user's machine")

# --- the libraries it names are exactly those that import in the sandbox
KNOWN = "numpy pandas matplotlib scipy sklearn openpyxl xlsxwriter reportlab PIL seaborn statsmodels".split()
really = [m for m in KNOWN if have_modules(m) is None]
DIST = {"sklearn": "scikit-learn|sklearn", "PIL": "pillow|PIL"}
for module in KNOWN:
    named = re.search(rf"(?i)\b({DIST.get(module, module)})\b", system) is not None
    if module in really:
        ok(named, f"{module} imports here, and the model is told")
    else:
        ok(not named, f"{module} does not import here, and nobody claims it")
if really:
    source = "\n".join(f"import {m}; print('{m}', getattr({m}, '__version__', ''))" for m in really)
    r = run("import", "--timeout", "120s", script=[code(source), say("ok")], timeout=120)
    for module in really:
        like(r.observations[0], rf"^{module} ", f"{module} really imports in a cell")
    if "numpy" in really:
        like(system, re.escape(bare("import numpy\nprint(numpy.__version__)")), "versions are told as well")

# --- probed once: the second run does not pay for it
cached = [p for p in CACHE.rglob("*") if p.is_file()]
ok(cached, "what was probed is cached")
before = {p: p.stat().st_mtime_ns for p in cached}
r = run("again", script=[say("ok")])
eq({p: p.stat().st_mtime_ns for p in CACHE.rglob("*") if p.is_file()}, before,
   "a second run does not probe again")
for p in cached:
    p.write_bytes(b"\0\xff garbage \n" * 10)
r = run("broken", script=[say("ok")])
eq((r.status, r.out), (0, "ok\n"), "a broken cache is no obstacle")
again = r.bodies()[0]["messages"][0]["content"]
unlike(again, r"garbage", "and is not believed")
home = new_home()
r = run("nowhere", home=home, env={"XDG_CACHE_HOME": "/proc/nowhere"}, script=[say("ok")], timeout=120)
eq((r.status, r.out), (0, "ok\n"), "a cache that cannot be written is no obstacle")
done()
