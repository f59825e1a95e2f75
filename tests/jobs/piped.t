#!/usr/bin/python3
"""Job: cat banks.csv | agent "…": quoted commas, Latin-1 blanks in the header, dates like 3-Nov-23."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

need_modules("pandas")
truth = bare("""
import collections, csv, sys
rows = list(csv.reader(open(sys.argv[1], encoding='latin-1', newline='')))[1:]
state = collections.Counter(r[2] for r in rows).most_common(1)[0]
year = collections.Counter(r[5].rsplit('-', 1)[1] for r in rows).most_common(1)[0]
print(f'{len(rows)} banks; most in {state[0]} ({state[1]}); worst year 20{year[0]} ({year[1]}).')
""", DATA / "banklist.csv")
with open(DATA / "banklist.csv", "rb") as f:
    cat = subprocess.Popen(["cat"], stdin=f, stdout=subprocess.PIPE)
r = run("How many banks failed, where and when most?", stdin=cat.stdout, timeout=150, script=[
    code("import pandas as pd\ndf = pd.read_csv('stdin.csv', encoding='latin-1')\n"
         "df.columns = [c.replace('\\xa0', ' ').strip() for c in df.columns]\nprint(len(df), list(df.columns))"),
    code("year = pd.to_datetime(df['Closing Date'], format='%d-%b-%y').dt.year\n"
         "s, y = df['State'].value_counts(), year.value_counts()\n"
         "print('banks', len(df), s.index[0], s.iloc[0], y.index[0], y.iloc[0])"),
    say("{1} banks; most in {2} ({3}); worst year {4} ({5}).",
        find=r"^banks (\d+) (\w+) (\d+) (\d+) (\d+)$")])
cat.stdout.close()
cat.wait()
eq((r.status, r.out, r.rules), (0, truth + "\n", []), "the answer is what bare Python computes")
ok("Heartland" not in r.bodies()[0]["messages"][1]["content"], "the data is a file, not part of the question")
done()
