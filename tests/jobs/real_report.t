#!/usr/bin/python3
"""Two cities' real weather in a report of four formats, and the same report of the following years without a model."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

need_modules("pandas", "matplotlib", "openpyxl")
PDF = have_modules("weasyprint") is None and shutil.which("pdftotext")
lines = (DATA / "weather.csv").read_text().splitlines(keepends=True)
early, late = BOX / "early" / "weather.csv", BOX / "late" / "weather.csv"
for path, years in ((early, ("2012", "2013")), (late, ("2014", "2015"))):
    path.parent.mkdir()
    path.write_text(lines[0] + "".join(line for line in lines[1:] if line.split(",")[1][:4] in years))


def truth(path):
    """Days, the wetter city and its rain in mm, as bare Python counts them."""
    days, rain, city = bare("""
import csv, sys
rain = {}
rows = list(csv.DictReader(open(sys.argv[1])))
for r in rows:
    rain[r['location']] = rain.get(r['location'], 0) + float(r['precipitation'])
city = max(rain, key=rain.get)
print(len(rows), f'{rain[city]:,.1f}', city)
""", path).strip().split(" ", 2)
    return f"{int(days):,}", rain, city


CODE = ["""import pandas as pd
df = pd.read_csv('weather.csv', parse_dates=['date'])
print(df.shape)
df.head(3)""", """report.number('days', len(df))
rain = df.groupby('location').precipitation.sum()
report.text('wettest', rain.idxmax())
report.number('rain', rain.max(), format=',.1f', unit='mm')
report.table(rain.rename('rain (mm)').reset_index(), 'cities', caption='Rain by city', formats={'rain (mm)': ',.1f'})""",
        """import matplotlib.pyplot as plt
monthly = df.pivot_table(index=df.date.dt.month, columns='location', values='precipitation', aggfunc='sum')
fig, ax = plt.subplots()
monthly.plot.bar(ax=ax, rot=0)
ax.set(title='Rain by month', xlabel='Month', ylabel='Rain (mm)')
report.figure(fig, 'months', caption='Rain by month, all years together')"""]
TEXT = """# Rain in two cities

Over {{num:days}} days {{text:wettest}} had the most rain, {{num:rain}}.

{{fig:months}}

{{table:cities}}
"""
names = ["rain.html", "rain.md", "rain.xlsx"] + (["rain.pdf"] if PDF else [])


def check(r, folder, path, what):
    days, rain, city = truth(path)
    eq(r.status, 0, f"{what}: the job is done")
    like(r.out, re.escape(f"Over {days} days {city} had the most rain, {rain}"), f"{what}: the answer has what bare Python counts")
    page = (folder / "rain.html").read_text()
    ok(f"Over {days} days {city}" in page and sha256(path) in page and page.count("<img ") == 1, f"{what}: so has the page")
    text = (folder / "rain.md").read_text()
    ok(f"Over {days} days {city}" in text and is_png(folder / "rain-files/months.png"), f"{what}: so has the Markdown")
    like((folder / "rain-files/cities.csv").read_text(), rf"(?m)^{city},{float(rain.replace(',', '')):g}$", f"{what}: the table beside it too")
    sheet = json.loads(bare("""
import json, openpyxl, sys
w = openpyxl.load_workbook(sys.argv[1])
print(json.dumps([len(w['months']._charts), [f'{c.value:,.1f}' for row in w['cities'].iter_rows() for c in row if isinstance(c.value, (int, float))]]))
""", folder / "rain.xlsx"))
    ok(sheet[0] == 1 and rain in sheet[1], f"{what}: so has the workbook, with a chart of its own", sheet)
    if PDF:
        words = subprocess.run(["pdftotext", "-layout", folder / "rain.pdf", "-"], capture_output=True, text=True).stdout
        like(words, re.escape(f"Over {days} days {city}"), f"{what}: so has the PDF")
    else:
        skip("weasyprint or pdftotext is not installed", f"{what}: the PDF")


home = new_home()
reports = lambda folder: [a for name in names for a in ("--report", str(folder / name))]
first, second = BOX / "first", BOX / "second"
first.mkdir()
second.mkdir()
r = run("How much rain fell in the two cities?", "-f", early, *reports(first), "--timeout", "120s", "--strict", timeout=300, home=home,
        script=[code(source) for source in CODE] + [say(TEXT)])
check(r, first, early, "2012 and 2013")
r = run("rerun", "last", "-f", late, *reports(second), "--timeout", "120s", "--strict", timeout=300, home=home, model=None, script=[])
eq(r.requests, [], "the following years: no model is asked")
check(r, second, late, "2014 and 2015")
ok(truth(early) != truth(late), "and their numbers are others", truth(early), truth(late))
if KEEP := os.environ.get("KEEP_REPORTS"):
    shutil.copytree(second, KEEP, dirs_exist_ok=True)
done()
