#!/usr/bin/python3
"""Job: a cell fails on a wrong column name, its traceback leads to the mended one."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

need_modules("pandas")
truth = bare("""
import csv, sys
t = {}
for r in csv.DictReader(open(sys.argv[1], newline='')):
    t[r['Wildlife Species']] = t.get(r['Wildlife Species'], 0) + int(r['Cost Total $'])
best = max(t, key=t.get)
print(f'{best}: ${t[best]:,}.')
""", DATA / "birdstrikes.csv")
r = run("Which species cost most?", "-f", DATA / "birdstrikes.csv", "--timeout", "120s", timeout=150,
        each={"chunk": "random:3"}, script=[
    code("import pandas as pd\ndf = pd.read_csv('birdstrikes.csv')\n\n"
         "cost = df.groupby('Species')['Cost Total'].sum()", "Sum the cost by species"),
    code("print(list(df.columns))", "See what the columns are called"),
    code("cost = df.groupby('Wildlife Species')['Cost Total $'].sum()\n"
         "print('most', cost.idxmax(), '|', f'{cost.max():,}')", "Sum again, by the right names"),
    say("{1}: ${2}.", find=r"^most (.+) \| ([\d,]+)$")])
eq((r.status, r.out, r.rules), (0, truth + "\n", []), "the answer is what bare Python computes")
like(r.observations[0], r"(?s)line 4\b.*KeyError: 'Species'\s*\Z",
     "the traceback names the cell's line, and the key last")
ok(len(r.observations[0]) < 4000, "without a page of the library's own frames", len(r.observations[0]))
like(r.observations[1], r"Cost Total \$", "variables outlived the failure")
done()
