#!/usr/bin/python3
"""Job: 16,000 rows with many nulls; what was left out is part of the answer."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

need_modules("pandas")
marvel, = need_samples("real/marvel-wikia-data.csv")
truth = bare("""
import collections, csv, sys
rows = list(csv.DictReader(open(sys.argv[1], encoding='utf-8', newline='')))
known = [r for r in rows if r['EYE']]
eye, n = collections.Counter(r['EYE'] for r in known).most_common(1)[0]
print(f'{eye}: {n} of {len(known)} ({100 * n / len(known):.1f} %); {len(rows) - len(known)} of {len(rows)} rows say nothing.')
""", marvel)
r = run("Which eye colour is most common?", "-f", marvel, "--timeout", "120s", timeout=150, script=[
    code("import pandas as pd\ndf = pd.read_csv('marvel-wikia-data.csv')\nprint(df.isna().sum())"),
    code("e = df['EYE'].dropna()\nn = e.value_counts()\n"
         "print(f'{n.index[0]}: {n.iloc[0]} of {len(e)} ({100 * n.iloc[0] / len(e):.1f} %); "
         "{len(df) - len(e)} of {len(df)} rows say nothing.')"),
    say("{1}", find=r"^(.+: \d+ of \d+ .*rows say nothing\.)$")])
eq((r.status, r.out, r.rules), (0, truth + "\n", []), "the answer is what bare Python computes")
done()
