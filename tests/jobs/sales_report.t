#!/usr/bin/python3
"""The reference case: a quarter's sales, 45,000 rows and five columns with duplicates and gaps, into a report with the
monthly dynamics, an ABC analysis, a funnel, as HTML, Markdown, PDF and XLSX."""
import datetime
import html
import sys
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

need_modules("pandas", "matplotlib", "openpyxl")
PDF = have_modules("weasyprint") is None

# --- the file: what make_sales.py gives, with stages, repeated rows and gaps ---
clean, sales = BOX / "clean.csv", BOX / "q1_sales.csv"
subprocess.run([PYTHON, str(LIB / "make_sales.py"), str(clean), "44700"], check=True)
lines = clean.read_text().splitlines()
stage = ["visit"] * 9 + ["cart"] * 6 + ["checkout"] * 3 + ["paid"] * 2
day = lambda i: datetime.date(2026, 1, 1) + datetime.timedelta(days=i * 90 // 44700)
rows = [f"{day(i)},{p},{stage[i * 7 % 20]},{q},{'' if i % 97 == 5 else a}"
        for i, (_, p, _, q, a) in enumerate(line.split(",") for line in lines[1:])]
rows += rows[100:400]           # 300 rows twice
sales.write_text("date,product,stage,quantity,amount\n" + "\n".join(rows) + "\n")

truth = bare("""
import csv, sys
seen, n, gaps, total, months, products, stages = set(), 0, 0, 0, {}, {}, {}
for r in csv.reader(open(sys.argv[1])):
    if r[0] == 'date':
        continue
    n += 1
    if tuple(r) in seen:
        continue
    seen.add(tuple(r))
    if not r[4]:
        gaps += 1
        continue
    cents = round(float(r[4]) * 100)
    total += cents
    months[r[0][:7]] = months.get(r[0][:7], 0) + cents
    products[r[1]] = products.get(r[1], 0) + cents
    stages[r[2]] = stages.get(r[2], 0) + 1
best = max(products, key=products.get)
print(n, n - len(seen), gaps, total / 100, len(months), best, products[best] / 100,
      stages['paid'] / stages['visit'])
""", sales).split()
n, twice, gaps, total = int(truth[0]), int(truth[1]), int(truth[2]), float(truth[3])
eq((n, twice >= 300), (45000, True), "the table has 45,000 rows, some of them twice")

LOOK = """import pandas as pd
df = pd.read_csv('q1_sales.csv', parse_dates=['date'])
print(df.shape, 'twice', df.duplicated().sum(), 'gaps', df.amount.isna().sum())
df.head(3)"""
CLEAN = """raw = len(df)
df = df.drop_duplicates()
twice = raw - len(df)
gaps = int(df.amount.isna().sum())
df = df.dropna(subset=['amount'])
report.number('rows', raw)
report.number('twice', twice)
report.number('gaps', gaps)
report.number('kept', len(df))
report.number('revenue', df.amount.sum(), format=',.0f', unit='$')"""
MONTHS = """import matplotlib.pyplot as plt
monthly = df.groupby(df.date.dt.strftime('%Y-%m')).amount.sum()
fig, ax = plt.subplots(figsize=(9, 4.2))
ax.bar(monthly.index, monthly / 1e6)
ax.set(title='Revenue by month', xlabel='Month', ylabel='Revenue (million $)')
ax.tick_params(axis='x', rotation=45)
report.figure(fig, 'monthly', caption='Revenue by month')
report.text('best_month', monthly.idxmax())
report.number('best_month_revenue', monthly.max(), format=',.0f', unit='$')"""
ABC = """by = df.groupby('product').amount.agg(['sum', 'count']).sort_values('sum', ascending=False)
by['share'] = by['sum'] / by['sum'].sum()
by['cumulated'] = by.share.cumsum()
by['class'] = pd.cut(by.cumulated, [0, .8, .95, 1.01], labels=list('ABC')).astype(str)
by.columns = ['revenue', 'sales', 'share', 'cumulated', 'class']
report.table(by.head(10), 'top10', caption='Top ten products',
             formats={'revenue': ',.0f', 'sales': ',d', 'share': '.1%', 'cumulated': '.1%'})
fig, ax = plt.subplots(figsize=(9, 4.2))
ax.bar(by.index, by.revenue / 1e6)
ax.set(title='ABC analysis', xlabel='Product', ylabel='Revenue (million $)')
ax.tick_params(axis='x', rotation=45)
ax2 = ax.twinx()
ax2.plot(by.index, by.cumulated * 100, 'o-', color='tab:orange', label='Cumulated share')
ax2.set(ylabel='Cumulated share (%)', ylim=(0, 105))
report.figure(fig, 'pareto', caption='ABC analysis (Pareto)')
report.text('best_product', by.index[0])
report.number('best_revenue', by.revenue.iloc[0], format=',.0f', unit='$')
report.number('a_products', int((by['class'] == 'A').sum()))"""
FUNNEL = """stages = df.stage.value_counts().reindex(['visit', 'cart', 'checkout', 'paid'])
fig, ax = plt.subplots(figsize=(9, 3.4))
ax.barh(stages.index, stages.values)
ax.invert_yaxis()
ax.set(title='Conversion funnel', xlabel='Rows')
report.figure(fig, 'funnel', caption='Conversion funnel')
report.table(pd.DataFrame({'rows': stages, 'of the first': stages / stages.iloc[0]}), 'funnel_table',
             caption='Conversion by stage', formats={'rows': ',d', 'of the first': '.1%'})
report.number('conversion', stages['paid'] / stages['visit'] * 100, format='.1f', unit='%')"""
TEXT = """# Sales, first quarter

Revenue was **{{num:revenue}}**; the best month was {{text:best_month}} with {{num:best_month_revenue}}, the best product
{{text:best_product}} with {{num:best_revenue}}. {{num:conversion}} of the visits were paid.

## Monthly dynamics

{{fig:monthly}}

## Products

{{num:a_products}} products make the A class, as {{fig:pareto}} shows.

{{table:top10}}

## Funnel

{{fig:funnel}}

{{table:funnel_table}}

## The data

Of {{num:rows}} rows, {{num:twice}} were repetitions and {{num:gaps}} had no amount; {{num:kept}} remain.
"""

out = BOX / "out"
out.mkdir()
names = ["report.html", "report.md", "report.xlsx"] + (["report.pdf"] if PDF else [])
r = run("Analyze the attached Q1 sales data. Monthly dynamics, top ten products, conversion funnel. Create a PDF "
        "report with visualizations.", "-f", sales, *[a for f in names for a in ("--report", str(out / f))],
        "--timeout", "200s", "--strict", timeout=400, script=[
            code(LOOK, "Check the structure"), code(CLEAN, "Remove duplicates and gaps"), code(MONTHS, "Monthly dynamics"),
            code(ABC, "ABC analysis"), code(FUNNEL, "The funnel"), say(TEXT)])
eq((r.status, r.rules), (0, []), "the job is done")
money = f"${total:,.0f}"
like(r.out, re.escape(f"**{money}**"), "a number in the answer is the one that the code published")
like(r.out, rf"Of 45,000 rows, {twice} were repetitions and {gaps} had no amount", "counts too")
like(r.out, rf"best product\n{truth[5]} with \${float(truth[6]):,.0f}\. {float(truth[7]) * 100:.1f}% of", "words, and a percentage")
unlike(r.out, r"\{\{", "no reference is left in the answer")
like(r.out, r"as Figure 2 shows", "a figure within a sentence is named by its number")
like(r.out, r"\*\*Table 1\. Top ten products\*\*\n\n\| product \| revenue", "a table stands in the answer")
eq(json.loads(r.record.file("manifest.json"))["grounding"]["unmatched"], [], "all of it is grounded")
system = r.bodies()[0]["messages"][0]["content"]
like(system, r"report\.figure\(fig, \"monthly\"", "the model was told of the helper")
event = [e for e in r.record.events if e["type"] == "report"][0]
eq((event["markdown"].strip(), event["files"]), (TEXT.strip(), [str(out / f) for f in names]),
   "the record keeps the text with its references, and what was written")
eq(sorted(p.name for p in out.iterdir()), sorted(names + ["report-files"]), "what was asked for is there, and no more")

page = (out / "report.html").read_text()
eq((page.count("<img "), page.count('src="data:image/png;base64,')), (3, 3), "HTML: three figures, inline")
eq((page.count('<table class="sortable">'), "{{" in page.split("<script>")[0]), (2, False), "HTML: two tables that can be sorted")
like(page, r"<h1>Sales, first quarter</h1>", "HTML: the title")
like(page, re.escape(html.escape(money)), "HTML: the number")
like(page, sha256(sales), "HTML: the input's fingerprint")
unlike(page, r"(?i)(src|href)=\"?(?!data:)[a-z]+:", "HTML: nothing is fetched")
like(page, r"<summary>.*ABC analysis", "HTML: the code behind it")

text = (out / "report.md").read_text()
links = re.findall(r"\]\((report-files/[^)]+)\)", text)
figures = [f"{name}.{end}" for name in ("funnel", "monthly", "pareto") for end in ("csv", "png", "svg")]
eq(sorted(links), ["report-files/" + f for f in sorted(figures + ["funnel_table.csv", "top10.csv"])],
   "Markdown: figures with their data, and tables beside it")
ok(all((out / link).is_file() for link in links), "Markdown: and they are there")
ok(all(is_png(out / link) for link in links if link.endswith("png")), "Markdown: whole pictures")

book = json.loads(bare("""
import json, openpyxl, sys
w = openpyxl.load_workbook(sys.argv[1])
s = w['top10']
print(json.dumps([w.sheetnames, [c.value for c in s[4]], s['B5'].value, s['B5'].number_format, s['D5'].number_format,
                  {n: len(w[n]._charts) for n in w.sheetnames}, [r[1].value for r in w['Numbers'].iter_rows(min_row=2)]]))
""", out / "report.xlsx"))
eq(book[0], ["Report", "Numbers", "top10", "funnel_table", "monthly", "pareto", "funnel", "How it was made"],
   "XLSX: a sheet for each table and figure")
eq((book[1], book[3], book[4]), (["product", "revenue", "sales", "share", "cumulated", "class"], "#,##0", "0.0%"),
   "XLSX: columns and their number formats")
ok(abs(book[2] - float(truth[6])) < 0.01, "XLSX: the numbers are numbers", book[2], truth[6])
eq([n for n, k in book[5].items() if k], ["monthly", "pareto", "funnel"], "XLSX: native charts")
ok(any(abs(v - total) < 0.01 for v in book[6]), "XLSX: published numbers with all their digits")

if PDF:
    pdf = (out / "report.pdf").read_bytes()
    ok(pdf.startswith(b"%PDF-") and pdf.rstrip().endswith(b"%%EOF"), "PDF: whole")
    if shutil.which("pdftotext"):
        words = subprocess.run(["pdftotext", "-layout", out / "report.pdf", "-"], capture_output=True, text=True).stdout
        like(words, re.escape(money), "PDF: the number")
        like(words, r"Figure 3\. Conversion funnel", "PDF: the captions")
    else:
        skip("pdftotext is not installed (poppler-utils)", "PDF: its text", 2)
else:
    skip("weasyprint is not installed", "PDF", 3)
if KEEP := os.environ.get("KEEP_REPORTS"):
    shutil.copytree(out, KEEP, dirs_exist_ok=True)
done()
