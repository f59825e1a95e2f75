#!/usr/bin/python3
"""Job: group daily weather by month and city, and draw it."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

need_modules("pandas", "matplotlib")
truth = bare("""
import csv, sys
t = {}
for r in csv.DictReader(open(sys.argv[1])):
    t.setdefault((r['location'], int(r['date'][5:7])), []).append(float(r['temp_max']))
best = max(t, key=lambda k: sum(t[k]) / len(t[k]))
print(f"{best[0]} {best[1]} {sum(t[best]) / len(t[best]):.2f}")
""", DATA / "weather.csv")
place, month, degrees = re.fullmatch(r"(.+) (\d+) ([\d.]+)", truth).groups()

r = run("Which city and month are warmest by mean daily maximum? Draw it.", "-f", DATA / "weather.csv",
        "--timeout", "120s", timeout=150, each={"chunk": "random:7"}, script=[
    code("import pandas as pd\ndf = pd.read_csv('weather.csv', parse_dates=['date'])\n"
         "print(df.shape)\ndf.head(3)", "Look at the columns"),
    code("""import matplotlib.pyplot as plt
mean = df.groupby(['location', df['date'].dt.month])['temp_max'].mean().round(2)
fig, ax = plt.subplots(figsize=(8, 4))
for place, series in mean.groupby(level=0):
    ax.plot(series.index.get_level_values(1), series.values, marker='o', label=place)
ax.set(title='Mean daily maximum by month', xlabel='month', ylabel='°C', xticks=range(1, 13))
ax.legend()
plt.show()
(place, month), value = mean.idxmax(), mean.max()
print(f'warmest: {place} | {month} | {value:.2f}')""", "Group by city and month, and draw"),
    say("{1} in month {2}, with a mean daily maximum of {3} °C.", find=r"^warmest: (.+) \| (\d+) \| ([\d.]+)$")])
eq((r.status, r.rules), (0, []), "the job is done")
eq(r.out, f"{place} in month {month}, with a mean daily maximum of {degrees} °C.\n",
   "the answer is what bare Python computes")
like(r.observations[0], r"\(2922, 7\)", "the model saw the table's shape")
eq(r.artifacts, ["figure-1.csv", "figure-1.png", "figure-1.svg"], "one chart, with SVG and data beside it")
ok(is_png(r.record.path / "artifacts/figure-1.png"), "it is a PNG")
data = (r.record.path / "artifacts/figure-1.csv").read_text().splitlines()
eq((data[0], len(data)), ("month,New York,Seattle", 13), "the data has a line for each month, a column for each city")
done()
