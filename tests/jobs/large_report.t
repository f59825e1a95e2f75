#!/usr/bin/python3
"""Job: 45,000 rows into a workbook and a PDF, both of which open and hold the right sums."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

need_modules("pandas", "matplotlib", "openpyxl")
sales = BOX / "sales.csv"
subprocess.run([PYTHON, str(LIB / "make_sales.py"), str(sales)], check=True)
truth = bare("""
import csv, sys
from decimal import Decimal
sums, n = {}, 0
for r in csv.DictReader(open(sys.argv[1])):
    sums[r['region']] = sums.get(r['region'], 0) + Decimal(r['amount'])
    n += 1
best = max(sums, key=sums.get)
print(n, best, sums[best], sum(sums.values()))
""", sales).split()
eq(truth[0], "45000", "the table has 45,000 rows")

r = run("A workbook and a PDF report of sales by region and month, please.", "-f", sales,
        "--timeout", "200s", timeout=300, script=[
    code("import pandas as pd\ndf = pd.read_csv('sales.csv', parse_dates=['date'])\n"
         "print(df.shape, df['amount'].isna().sum())\ndf.dtypes", "Look at the table"),
    code("""df['month'] = df['date'].dt.strftime('%Y-%m')
by = df.pivot_table(index='month', columns='region', values='amount', aggfunc='sum').round(2)
total = df.groupby('region')['amount'].sum().round(2)
with pd.ExcelWriter('sales.xlsx', engine='openpyxl') as out:
    df.drop(columns='month').to_excel(out, sheet_name='rows', index=False)
    by.to_excel(out, sheet_name='by month')
print('best', total.idxmax(), f'{total.max():.2f}', 'all', f"{df['amount'].sum():.2f}")""",
         "Sum up and write the workbook"),
    code("""import matplotlib.pyplot as plt
from matplotlib.backends.backend_pdf import PdfPages
with PdfPages('report.pdf') as pdf:
    fig, ax = plt.subplots(figsize=(8, 5))
    by.plot(ax=ax)
    ax.set(title='Sales by month', ylabel='amount')
    pdf.savefig(fig)
    plt.close(fig)
    fig, ax = plt.subplots(figsize=(8, 5))
    total.sort_values().plot.barh(ax=ax)
    ax.set(title='Sales by region', xlabel='amount')
    pdf.savefig(fig)
    plt.close(fig)
import os
print('pdf', os.path.getsize('report.pdf'))""", "Make the PDF"),
    say("Region {1} leads with {2} of {3}.", find=r"^best (\w+) ([\d.]+) all ([\d.]+)$")])
eq((r.status, r.rules), (0, []), "the job is done")
eq(r.out, f"Region {truth[1]} leads with {truth[2]} of {truth[3]}.\n",
   "the answer is what bare Python computes, to the cent")
eq(r.artifacts, ["report.pdf", "sales.xlsx"], "workbook and PDF are artifacts")
art = r.record.path / "artifacts"
if "report.pdf" in r.artifacts:
    pdf = (art / "report.pdf").read_bytes()
    ok(pdf.startswith(b"%PDF-") and pdf.rstrip().endswith(b"%%EOF"), "the PDF is whole")
    eq(len(re.findall(rb"/Type\s*/Page\b", pdf)), 2, "and has two pages")
if "sales.xlsx" in r.artifacts:
    eq(bare("import openpyxl, sys\nw = openpyxl.load_workbook(sys.argv[1], read_only=True)\n"
            "print(w.sheetnames, sum(1 for _ in w['rows'].iter_rows()), "
            "round(sum(r[4] for r in w['rows'].iter_rows(min_row=2, values_only=True)), 2))",
            art / "sales.xlsx"),
       f"['rows', 'by month'] 45001 {float(truth[3])}", "the workbook opens and its rows add up")
done()
