#!/usr/bin/python3
"""Job: two figures in one cell, both kept, neither drawn over the other; the next cell adds a third."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

need_modules("pandas", "matplotlib")
truth = bare("""
import csv, sys
wet = {}
for r in csv.DictReader(open(sys.argv[1])):
    wet[r['location']] = wet.get(r['location'], 0) + (float(r['precipitation']) > 0)
print('; '.join(f'{k}: {wet[k]} wet days' for k in sorted(wet)))
""", DATA / "weather.csv")
r = run("Draw rain and wind, and count wet days.", "-f", DATA / "weather.csv", "--timeout", "120s",
        "--out-dir", "charts", timeout=150, script=[
    code("""import pandas as pd, matplotlib.pyplot as plt
df = pd.read_csv('weather.csv', parse_dates=['date'])
df.groupby([df['date'].dt.year, 'location'])['precipitation'].sum().unstack().plot.bar(title='Rain')
plt.show()
plt.figure()
plt.hist(df['wind'], bins=30)
plt.title('Wind')""", "Draw rain and wind"),
    code("wet = (df['precipitation'] > 0).groupby(df['location']).sum()\nwet.plot.barh(title='Wet days')\n"
         "print('; '.join(f'{k}: {v} wet days' for k, v in wet.items()))", "Count wet days"),
    say("{1}", find=r"^(.*: \d+ wet days.*)$")])
eq((r.status, r.out, r.rules), (0, truth + "\n", []), "the answer is what bare Python computes")
charts = sorted((r.home / "work/charts").glob("*.png"))
eq(len(charts), 3, "three figures are in --out-dir")
ok(charts and all(is_png(p) for p in charts), "each is a whole PNG")
eq(len({sha256(p) for p in charts}), len(charts), "and no two are the same")
like(r.err, r"charts/\S+\.png", "standard error says where they are")
done()
