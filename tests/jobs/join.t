#!/usr/bin/python3
"""Job: join 67,000 routes with 7,700 airports (no header, \\N for null) to find the longest one."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

need_modules("pandas", "numpy")
airports, routes = need_samples("real/airports.dat", "real/routes.dat")
truth = bare("""
import csv, math, sys
where = {r[0]: r for r in csv.reader(open(sys.argv[1], encoding='utf-8'))}
best, matched = (0, ''), 0
for r in csv.reader(open(sys.argv[2], encoding='utf-8')):
    a, b = where.get(r[3]), where.get(r[5])
    if not a or not b:
        continue
    matched += 1
    p, q, s, t = (math.radians(float(x)) for x in (a[6], a[7], b[6], b[7]))
    h = math.sin((s - p) / 2) ** 2 + math.cos(p) * math.cos(s) * math.sin((t - q) / 2) ** 2
    km = 2 * 6371 * math.asin(math.sqrt(h))
    code = [x[4] if x[4] != '\\\\N' else x[5] for x in (a, b)]
    best = max(best, (km, '-'.join(sorted(code))))
print(f'{matched} {best[1]} {best[0]:.0f}')
""", airports, routes).split()

r = run("Which airline route is longest, and how many routes have both airports known?",
        "-f", airports, "-f", routes, "--timeout", "120s", timeout=150, script=[
    code("""import pandas as pd
a = pd.read_csv('airports.dat', header=None, na_values='\\\\N',
                names='id name city country iata icao lat lon alt tz dst tzname type source'.split())
r = pd.read_csv('routes.dat', header=None, na_values='\\\\N',
                names='airline airline_id src src_id dst dst_id share stops plane'.split())
print(a.shape, r.shape)
r[['src_id', 'dst_id']].isna().sum()""", "Read both files"),
    code("""import numpy as np
p = a[['id', 'lat', 'lon']].assign(code=a['iata'].fillna(a['icao']))
j = (r.dropna(subset=['src_id', 'dst_id'])
      .merge(p.add_prefix('s_'), left_on='src_id', right_on='s_id')
      .merge(p.add_prefix('d_'), left_on='dst_id', right_on='d_id'))
la, lo, lb, mo = (np.radians(j[c]) for c in ('s_lat', 's_lon', 'd_lat', 'd_lon'))
h = np.sin((lb - la) / 2) ** 2 + np.cos(la) * np.cos(lb) * np.sin((mo - lo) / 2) ** 2
j['km'] = 2 * 6371 * np.arcsin(np.sqrt(h))
top = j.loc[j['km'].idxmax()]
j.nlargest(20, 'km').to_csv('longest.csv', index=False)
print('matched', len(j), 'longest', '-'.join(sorted([top.s_code, top.d_code])), round(top.km))""",
         "Join them and measure"),
    say("{2}: {3} km, of {1} routes with both ends known.",
        find=r"^matched (\d+) longest (\S+) (\d+)$")])
eq((r.status, r.rules), (0, []), "the job is done")
eq(r.out, f"{truth[1]}: {truth[2]} km, of {truth[0]} routes with both ends known.\n",
   "the answer is what bare Python computes")
eq(r.artifacts, ["longest.csv"], "the table is an artifact")
done()
