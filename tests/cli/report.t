#!/usr/bin/python3
"""Reports: what is published and what is not, references to nothing, hostile values in each format, disks that fill, and
the same report from the record."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

need_modules("pandas", "matplotlib", "openpyxl")
PDF = have_modules("weasyprint") is None
out = BOX / "out"
out.mkdir()


def report(*words, script, files=("r.html",), **how):
    return run("report it", *words, *[a for f in files for a in ("--report", str(out / f))], script=script,
               timeout=200, **how)


# --- the command line ---
r = run("x", "--report", str(out / "r.docx"))
eq(r.status, 2, "a format that there is not is found before anything is started")
like(r.err, r"r\.docx: a report's format is told by its ending: \.html, \.md, \.pdf or \.xlsx", "and said")
r = run("x", "--report", str(out / ".pdf"))
eq(r.status, 2, "a name that is nothing but an ending has none")
r = run("x", "--report", str(out / "r.md"), "--report", str(out / "r.md"))
eq(r.status, 2, "one file for two reports is refused")

# --- publishing ---
r = report(script=[code("report.number('n', 1234.5, unit='$')\nreport.number('share', 0.123, format='.1%')\nreport.text('who', 'Ann_B *x*')"),
                   code("report.number('n', 1234.6, unit='$')"),
                   code("import os; os._exit(3)"),
                   say("# T\n\nIt is {{num:n}}, {{ num : share }}, by {{text:who}}.\n\n```\n{{num:n}}\n```\n")])
eq(r.status, 0, "values outlive the interpreter that published them")
like(r.out, r"It is \$1,234\.60, 12\.3%, by Ann\\_B \\\*x\\\*\.", "the later value of a name counts; words mean themselves")
like(r.out, r"```\n\{\{num:n\}\}\n```", "code is left alone")
page = (out / "r.html").read_text()
like(page, r"It is \$1,234\.60, 12\.3%, by Ann_B \*x\*\.", "and in the page")

r = report(script=[code("""import report as r
for work in (lambda: r.number('a b', 1), lambda: r.number('../x', 1), lambda: r.number('x', 'many'),
             lambda: r.figure(None, 'f'), lambda: r.table([1, 2], 't', formats={'no': ',d'}), lambda: r.text('', 'x'),
             lambda: r.number('x', 1, format='q')):
    try:
        work()
        print('taken')
    except (ValueError, TypeError, KeyError) as e:
        print(type(e).__name__, str(e)[:70])
r.number('nan', float('nan')); r.number('inf', float('-inf')); r.number('big', 10**40, format='.3g'); r.number('yes', True)"""),
                   say("{{num:nan}} {{num:inf}} {{num:big}} {{num:yes}}")])
shown = r.record.file("cells/1.stdout")
eq((shown.count("taken"), shown.count("Error")), (0, 7), "what cannot be published is refused with a reason")
like(r.out, r"n/a \u2212\u221e 1e\+40 1", "NaN and the infinities have words")

r = report(script=[code("open('report.py', 'w').write('x = 41')\nimport report\nprint(report.x + 1)"), say("It is 42.")])
like(r.out, "It is 42", "a file report.py of the code's own is what it imports")

r = report(script=[code("for i in range(700): report.number('n%d' % i, i)"), say("{{num:n499}}")])
eq((r.err.count("was not taken"), "and 150 more" in r.err), (50, True), "values past their number are warned of, not with a line each for ever")

# --- references to nothing ---
r = report(script=[code("report.number('n', 7)"), say("It is {{num:m}} or {{num:n}}."), say("It is {{num:n}}.")])
eq((r.status, r.out), (0, "It is 7.\n"), "a reference to nothing goes back once")
told = r.bodies()[-1]["messages"][-1]["content"]
like(told, r"(?s)not published:\n\{\{num:m\}\}\n.*Published are: \{\{num:n\}\}\.", "the model is told which, and what there is")
bad = [code("report.number('n', 7)"), say("It is {{num:m}}."), say("It is {{fig:m}} and {{num:n}}.")]
r = report(script=bad)
eq((r.status, r.out), (0, "It is {{fig:m}} and 7.\n"), "and then stays as it is")
like(r.err, r"refers to 1 values that were not published.*\{\{fig:m\}\}", "which is told")
like((out / "r.html").read_text(), r"<mark [^>]*>\{\{fig:m\}\}</mark>", "and marked in the page")
eq(report("--strict", script=bad).status, 9, "--strict makes it fail")
r = run("x", script=[code("1 + 1"), say("Jinja writes {{num:x}} and {{name}}.")])
eq((r.status, r.out), (0, "Jinja writes {{num:x}} and {{name}}.\n"), "without a report and published values it is text")

# --- hostile values in every format ---
HOSTILE = """import json, pandas as pd, numpy as np, matplotlib.pyplot as plt
evil = ['<script>alert(1)</script>', '=cmd|x!A1', '+1', '-1', '@SUM(1)', '\\x00\\x1b[31m|a|b', '](javascript:x)', '\\u202eabc']
df = pd.DataFrame({'<img src=x onerror=y>': evil, '=1+1': [np.nan, np.inf, -np.inf, 1, 2, 3, 4, 5]})
report.table(df, 'evil', caption='<b>bold</b> | `x`')
report.table(pd.DataFrame({'n': np.arange(1_000_000)}), 'rows')
report.table(pd.DataFrame(np.zeros((3, 500))), 'columns')
fig, ax = plt.subplots()
ax.bar(['=1+1', '<b>'], [1, 2])
ax.set_title('</figcaption><script>alert(2)</script>')
report.figure(fig, 'f')
report.text('t', '<script>alert(3)</script> =1+1')
for name in ('../../etc/x', 'a/b', ''):
    display({'text/plain': 'x', 'application/vnd.agent.publish+json': {'kind': 'number', 'name': name, 'text': '1'}}, raw=True)
display({'text/plain': 'x', 'application/vnd.agent.publish+json': '{"kind": "table", "name": "forged"}',
         'application/vnd.agent.data+json': '{"columns": ["a"], "rows": [[1, 2], 3]}'}, raw=True)
for name, types in (('untyped', ''), ('mistyped', ', "dtypes": [7]')):
    display({'text/plain': 'x', 'application/vnd.agent.publish+json': '{"kind": "table", "name": "%s"}' % name,
             'application/vnd.agent.data+json': '{"columns": ["a"], "rows": [["2024-01-31"]]%s}' % types}, raw=True)
n = 20000
for name, columns, rows in (('wide', n, 1), ('long', 1, n)):
    display({'text/plain': 'x', 'application/vnd.agent.publish+json': '{"kind": "table", "name": "%s"}' % name,
             'application/vnd.agent.data+json': json.dumps({'columns': [0] * columns, 'dtypes': [''] * columns, 'rows': [[0] * columns] * rows})},
            raw=True)
display({'text/plain': 'x', 'application/vnd.agent.publish+json': '{"kind": "figure", "name": "forged"}', 'image/png': b'no png'}, raw=True)"""
TEXT = ("# <script>alert(4)</script> report\n\n{{text:t}} <img src=http://x/y> [l](javascript:alert(5)) ![p](http://x/z.png)\n\n"
        "{{table:evil}}\n\n{{table:rows}}\n\n{{table:columns}}\n\n{{fig:f}}\n\n{{table:untyped}}\n\n{{table:mistyped}}\n")
files = ["h.html", "h.md", "h.xlsx"] + (["h.pdf"] if PDF else [])
r = report("--timeout", "150s", "--no-grounding", files=files, script=[code(HOSTILE), say(TEXT)])
eq((r.status, [l for l in r.err.splitlines() if "error" in l.lower()]), (0, []), "hostile values make a report")
eq(r.err.count("no proper kind or name"), 3, "names of paths are not taken")
like(r.err, r"table `forged' .* not taken: its data is no table", "a table that is none is not taken")
eq(len(re.findall(r"table `(?:wide|long)' .* not taken", r.err)), 2, "nor one that takes its time to write: wider or longer than tables are sent")
like(r.err, r"figure `forged' .* not taken: it is no PNG", "nor a picture that is none")
page = (out / "h.html").read_text()
eq(re.findall(r"(?i)<(script|img|b|iframe)\b[^>]{0,30}", re.sub(r"data:image/png[^\"]*", "", page)), ["img", "script"],
   "HTML: one figure and our script, nothing of theirs")
unlike(page, r"(?i)<[^>]*(href=\"?javascript|src=\"?http)", "HTML: no foreign link or picture")
like(page, r"500 of 1000000 rows are shown", "HTML: rows that are not shown are counted")
like(page, r"400 columns are not", "HTML: columns too")
text = (out / "h.md").read_text()
unlike(text, r"(?m)^\|.*[^\\]<(script|img)", "Markdown: no markup in a table")
like((out / "h-files" / "evil.csv").read_text(), r"(?m)\"'=cmd\|x!A1\",", "CSV: a formula has an apostrophe")
like((out / "h-files" / "evil.csv").read_text(), r"(?m)^\+1,.*\n-1,", "CSV: a number has none")
book = json.loads(bare("""
import json, openpyxl, sys
w = openpyxl.load_workbook(sys.argv[1])
f = [(s.title, c.coordinate) for s in w for row in s.iter_rows() for c in row if c.data_type == 'f']
print(json.dumps([f, [c.value for c in w['evil']['A']][4:8], w['rows'].max_row, w['rows']['A2'].value, w['columns'].max_column]))
""", out / "h.xlsx"))
eq(book[0], [], "XLSX: no cell is a formula")
eq(book[1][:3], ["<script>alert(1)</script>", "=cmd|x!A1", "+1"], "XLSX: it is text, as it was")
eq((book[2], book[3], book[4]), (5004, "The first 5,000 of 1,000,000 rows", 100), "XLSX: a million rows are bounded, and counted")
if PDF:
    ok((out / "h.pdf").read_bytes().startswith(b"%PDF-"), "PDF: made all the same")
else:
    skip("weasyprint is not installed", "PDF")

r = report("--timeout", "150s", script=[code("""import numpy as np, matplotlib.pyplot as plt
fig = plt.figure(figsize=(26, 26), dpi=100)
fig.figimage(np.random.default_rng(1).integers(0, 255, (2600, 2600, 3), dtype=np.uint8))
report.figure(fig, 'huge')"""), say("It is too large.")])
like(json.dumps(r.record.events), r"the picture of 'huge' has [\d,]+ bytes; the limit is 12,582,912", "a picture that is too large is said to be")

# --- from the record ---
first = (out / "h.html").read_text()
hostile = [x for x in RUNS if x.argv and str(out / "h.md") in x.argv][0]
again = run("report", hostile.record.path.name, str(out / "again.html"), str(out / "again.xlsx"), model=None, home=hostile.home)
eq(again.status, 0, "agent report makes it again from the record")
second = (out / "again.html").read_text()
body = lambda page: re.search(r"(?s)</p>\n(.*)</article>", page)[1]
eq(body(second), body(first), "with the same text, figures and tables")
like(second, r"from a recorded session, without a model", "and says so")
r = run("report", "last", model=None, home=hostile.home)
eq(r.status, 2, "without a file it says what it wants")
r = run("report", "nosuch", str(out / "x.html"), model=None, home=hostile.home)
eq((r.status, (out / "x.html").exists()), (2, False), "a session that is not there")

# --- tables as they are read ---
TABLES = code("""import numpy as np, pandas as pd
days = pd.to_datetime(['2024-01-31', '2024-02-29', None])
report.table(pd.DataFrame({'day': days, 'sum': [1234.5, 22000, np.nan], 'year': [1999, 2000, 2001], 'n': [9999, 10000, 3], 'x': [1, 2.5, 0.125], 'mm': [0.8, 10.9, 100 / 3]}), 'forms')
report.table(pd.DataFrame({'v': [1]}, index=pd.to_datetime(['2024-03-01'])), 'index')
report.table(pd.DataFrame(np.arange(500 * 40).reshape(500, 40), columns=['column%02d' % i for i in range(40)]).assign(word='w' * 200), 'wide')
report.table(pd.DataFrame({'a': [], 'b': []}), 'empty')""")
r = report(files=["w.html", "w.xlsx"] + (["w.pdf"] if PDF else []),
           script=[TABLES, say("# W\n\n{{table:forms}}\n\n{{table:index}}\n\n{{table:wide}}\n\n{{table:empty}}")])
page = re.sub(r" data-v=\"[^\"]*\"", "", (out / "w.html").read_text())
like(page, r"<td>2024-01-31</td><td class=\"r\">1,234\.50</td><td class=\"r\">1999</td><td class=\"r\">9,999</td><td class=\"r\">1\.000</td><td class=\"r\">0\.80</td>",
     "a day has no time; the numbers of a column are written alike; years are no amounts")
like(page, r"<td>2024-02-29</td><td class=\"r\">22,000\.00</td><td class=\"r\">2000</td><td class=\"r\">10,000</td><td class=\"r\">2\.500</td>",
     "in each row")
like(page, r"<td class=\"none\">\u2013</td><td class=\"r none\">\u2013</td>.*<td class=\"r\">0\.125</td>",
     "what is missing stands where its column does, and a small number keeps its digits")
like(page, r"<th>2024-03-01</th>", "a day in the index")
like(page, r"It has no rows\.", "an empty table says so")
eq(json.loads(bare("""
import json, openpyxl, sys
w = openpyxl.load_workbook(sys.argv[1])
print(json.dumps([[c.number_format for c in w['forms'][5]], w['empty']['A2'].value]))
""", out / "w.xlsx")), [["yyyy-mm-dd", "#,##0.00", "General", "#,##0", "#,##0.00", "#,##0.00"], "It has no rows"], "XLSX: the same by number formats")
if PDF and shutil.which("pdftotext"):
    text = subprocess.run(["pdftotext", "-layout", out / "w.pdf", "-"], capture_output=True, text=True).stdout
    eq([n for n in range(40) if f"column{n:02d}" not in text], [], "PDF: no column of a wide table is cut off")
    like(text, r"Columns 1 to \d+ of 41\.", "it stands there in parts, and says so")
    boxes = subprocess.run(["pdftotext", "-bbox", out / "w.pdf", "-"], capture_output=True, text=True).stdout
    right = max(float(x) for x in re.findall(r'xMax="([\d.]+)"', boxes))
    ok(500 < right < 560, "nothing stands beyond the margin, a word of 200 letters neither", right)
    like(text, r"25 of 500 rows are shown", "with fewer rows, which are counted")
else:
    skip("weasyprint or pdftotext is not installed", "PDF: wide tables", 4)

# --- what stands beside Markdown ---
BESIDE = code("""import numpy as np, pandas as pd, matplotlib.pyplot as plt
fig, ax = plt.subplots()
ax.hist(np.linspace(-4, 4, 100), bins=4)
report.figure(fig, 'bins')
fig, ax = plt.subplots()
ax.bar(['=1+1', '-5'], [1, -2.5])
report.figure(fig, 'both')
report.table(pd.DataFrame({'a': [1, 2]}), 'both')""")
r = report(files=["s.md"], script=[BESIDE, say("# S\n\n{{fig:bins}}\n\n{{fig:both}}\n\n{{table:both}}")])
eq(sorted(p.name for p in (out / "s-files").iterdir()),
   ["bins.csv", "bins.png", "bins.svg", "both (figure).csv", "both.csv", "both.png", "both.svg"],
   "Markdown: each figure as PNG and SVG, with its data; a table of the same name has its own file")
eq((out / "s-files/bins.csv").read_text().splitlines()[1:], ["-4 to -2,25.0", "-2 to 0,25.0", "0 to 2,25.0", "2 to 4,25.0"],
   "a bin below zero is no formula")
eq((out / "s-files/both (figure).csv").read_text().splitlines()[1:], ["'=1+1,1.0", "-5,-2.5"], "nor is a number; a formula is")
eq((out / "s-files/both.csv").read_text(), "a\n1\n2\n", "the table's CSV is the table's")
like((out / "s.md").read_text(), r"\[as SVG\]\(s-files/both\.svg\) · \[its data as CSV\]\(s-files/both%20%28figure%29\.csv\)", "the text links to them")
again = run("report", "last", str(out / "t.md"), model=None, home=r.home)
eq([(p.name, p.read_bytes()) for p in sorted((out / "t-files").iterdir())],
   [(p.name, p.read_bytes()) for p in sorted((out / "s-files").iterdir())], "and the same comes from the record")

# --- on other files, without a model ---
(BOX / "a.csv").write_text("x\n1\n2\n")
(BOX / "b.csv").write_text("x\n10\n20\n30\n")
SUM = code("import pandas as pd\ndf = pd.read_csv('a.csv')\nreport.number('sum', int(df.x.sum()))\nreport.table(df, 'all')")
r = report("-f", BOX / "a.csv", script=[SUM, say("# Sum\n\nIt is {{num:sum}}.\n\n{{table:all}}\n")])
like(r.out, r"It is 3\.", "the first file's sum")
again = run("rerun", "last", "-f", f"{BOX / 'b.csv'}:a.csv", "--report", str(out / "b.html"), "--report", str(out / "b.xlsx"), model=None,
            home=r.home, timeout=120)
eq(again.status, 0, "agent rerun makes the report of another file")
like(again.out, r"It is 60\.", "with that file's number in the text")
page = (out / "b.html").read_text()
like(page, r"<p>It is 60\.</p>", "and in the page")
eq(page.count("<td class=\"r\""), 4, "and its three rows (and one input's size)")
like(page, r"from a recorded session, without a model", "which says that no model took part")

# --- a disk that fills ---
small = BOX / "small"
small.mkdir()
if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small], capture_output=True).returncode == 0:
    try:
        for name in ("r.html", "r.md", "r.xlsx"):
            (small / name).write_text("old")
        FIG = code("import numpy as np, matplotlib.pyplot as plt\nfig, ax = plt.subplots()\nax.imshow(np.random.rand(300, 300))\nreport.figure(fig, 'f')")
        r = run("x", "--report", str(small / "r.html"), "--report", str(small / "r.md"), "--report", str(out / "good.html"),
                script=[FIG, say("# F\n\n{{fig:f}}")], timeout=120)
        ok(r.status not in (0, 2), "a disk that is full fails the run", r.status)
        like(r.err, r"report: .*r\.html: .*No space left", "and says which file, and why")
        eq([(small / n).read_text() for n in ("r.html", "r.md")], ["old", "old"], "the old reports are whole")
        eq([p.name for p in small.rglob("*") if p.is_file() and p.suffix not in (".html", ".md", ".xlsx")], [], "nothing half-written is left")
        ok((out / "good.html").is_file(), "the report elsewhere is written")
        like(r.out, r"Figure 1", "and the answer is printed")
    finally:
        subprocess.run(["umount", small])
else:
    skip("no tmpfs can be mounted here", "a disk that fills", 6)
done()
