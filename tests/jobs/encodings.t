#!/usr/bin/python3
"""Jobs: files that are neither UTF-8 nor plain CSV; the prompt's hint on the encoding is what helps."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

need_modules("pandas")

# --- Latin-1: the first try fails as it does for everybody, the second heeds the error
r = run("Who is oldest?", "-f", DATA / "latin1.csv", "--timeout", "120s", timeout=150, script=[
    code("import pandas as pd\ndf = pd.read_csv('latin1.csv')"),
    code("df = pd.read_csv('latin1.csv', encoding='latin-1')\n"
         "top = df.loc[df['age'].idxmax()]\nprint('oldest', top['name'], top['age'])"),
    say("{1}, {2}.", find=r"^oldest (.+) (\d+)$")])
truth = bare("import csv, sys\nrows = csv.DictReader(open(sys.argv[1], encoding='latin-1', newline=''))\n"
             "r = max(rows, key=lambda r: int(r['age']))\nprint(r['name'] + ', ' + r['age'] + '.')",
             DATA / "latin1.csv")
eq((r.status, r.out, r.rules), (0, truth + "\n", []), "Latin-1: mended and answered, umlauts whole")
like(r.observations[0], r"UnicodeDecodeError", "the model was told of the first failure")
like(r.bodies()[0]["messages"][0]["content"], r"(?i)latin|8-bit", "the prompt guesses the encoding")

# --- UTF-16
r = run("How many people, and their mean age?", "-f", DATA / "utf16.csv", "--timeout", "120s", timeout=150,
        script=[code("import pandas as pd\ndf = pd.read_csv('utf16.csv', encoding='utf-16')\n"
                     "print('n', len(df), 'mean', round(df['age'].mean(), 2))"),
                say("{1} people, {2} years on average.", find=r"^n (\d+) mean ([\d.]+)$")])
truth = bare("import csv, sys\nages = [int(r['age']) for r in csv.DictReader("
             "open(sys.argv[1], encoding='utf-16', newline=''))]\n"
             "print(len(ages), 'people,', round(sum(ages) / len(ages), 2), 'years on average.')",
             DATA / "utf16.csv")
eq((r.status, r.out), (0, truth + "\n"), "UTF-16: the answer is right")
like(r.bodies()[0]["messages"][0]["content"], r"(?i)utf-?16", "the prompt guesses the encoding")

# --- tabs, CRLF, empty columns, and notes under the table
r = run("In which year was UK milk production highest?", "-f", DATA / "milk.csv", "--timeout", "120s",
        timeout=150, script=[
    code("import pandas as pd\ndf = pd.read_csv('milk.csv', sep='\\t')\nprint(df.shape)\ndf.iloc[:, :4].tail(6)"),
    code("""year = pd.to_numeric(df.iloc[:, 0], errors='coerce')
made = pd.to_numeric(df.iloc[:, 2], errors='coerce')
good = year.notna() & made.notna() & df.iloc[:, 1].isna()
best = made[good].idxmax()
print('best', int(year[best]), made[best], 'of', int(good.sum()))"""),
    say("{1}, with {2} million litres; {3} years compared.", find=r"^best (\d+) ([\d.]+) of (\d+)$")])
truth = bare("""
import csv, sys
found = []
for row in list(csv.reader(open(sys.argv[1], newline=''), delimiter='\\t'))[1:]:
    try:
        if row[1] == '':
            found.append((float(row[2]), int(row[0])))
    except (ValueError, IndexError):
        pass
print(f'{max(found)[1]}, with {max(found)[0]} million litres; {len(found)} years compared.')
""", DATA / "milk.csv")
eq((r.status, r.out), (0, truth + "\n"), "a tab-separated table with notes: the answer is right")

# --- thousands separators, a stray column, an empty line
name = "FY09_EDU_Recipients_by_State.csv"
r = run("Which state has most recipients, and what is the total?", "-f", DATA / name, "--timeout", "120s",
        timeout=150, script=[
    code(f"import pandas as pd\ndf = pd.read_csv('{name}', thousands=',').dropna(how='all')\n"
         "df.columns = df.columns.str.strip()\ndf = df.dropna(axis=1, how='all')\n"
         "top = df.loc[df['TOTAL'].idxmax()]\n"
         "print('top', top['State Name'], int(top['TOTAL']), 'sum', int(df['TOTAL'].sum()))"),
    say("{1} with {2}, of {3}.", find=r"^top (.+) (\d+) sum (\d+)$")])
truth = bare("""
import csv, sys
rows = [r for r in csv.DictReader(open(sys.argv[1], newline='')) if r['State Name']]
n = lambda r: int(r['TOTAL'].replace(',', ''))
print(f"{max(rows, key=n)['State Name']} with {n(max(rows, key=n))}, of {sum(map(n, rows))}.")
""", DATA / name)
eq((r.status, r.out), (0, truth + "\n"), "thousands separators and a stray column: the answer is right")
done()
