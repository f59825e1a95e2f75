#!/usr/bin/python3
"""agent export: a real session as a script, a notebook, Markdown and a page; each is used as its reader would."""
import base64
import html
import html.parser
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

need_modules("pandas", "matplotlib")
home = new_home()
root = home / "share" / "agent" / "sessions"
work = home / "work"
(work / "sales.csv").write_text("month,units\nJan,3\nFeb,5\nMar,9\n")


def export(*args, **how):
    return finish(start("export", *args, home=home, key=None, **how))


ANSWER = """The best month is **Mar** with 9 units, <script>alert(1)</script> and 4711 more.

| month | units |
|---|--:|
| Mar | 9 |

See [the site](https://example.com/a?b=1&c=2), [bad](javascript:alert(1)), ![the chart](figure-1.png)
and ![far](https://example.com/x.png)."""
run("which month was <b>best</b>? \x1b[31m", "-f", "sales.csv", home=home, script=[
    code("import pandas as pd\ndf = pd.read_csv('/data/sales.csv')\nprint('rows', len(df))\ndf", "Load <i>it</i>",
         text="I look at the *file* first."),
    code("total = int(df.units.sum())\nprint('total', total)\nraise ValueError('<oops>')", "Fails"),
    code("import matplotlib.pyplot as plt\n%matplotlib inline\nplt.bar(df.month, df.units)\nplt.title('Units')\n"
         "x = !echo from the shell\nprint(x[0], total); total * 2", "Draw"),
    code("import asyncio\nawait asyncio.sleep(0)\nprint('\\x1b[1mawaited\\x1b[0m')\n'/workspace/sales.csv'", "Wait"),
    say(ANSWER), say(ANSWER)])
session = next(root.iterdir())
events = [json.loads(line) for line in (session / "events.jsonl").read_text().splitlines()]
ends = [e for e in events if e["type"] == "cell.end"]
eq([e["status"] for e in ends], ["ok", "error", "ok", "ok"], "the session is as the test needs it")


def printed():
    return "".join((session / f"cells/{i}.stdout").read_text() for i in (1, 2, 3, 4))


# --- how it is asked ---
for args, why in ((("last",), "which format"), (("last", "--py", "--md"), "one format"), (("--py",), "one session"),
                  (("nope/../x", "--py"), "no session id")):
    r = export(*args)
    eq((r.status, r.out), (2, ""), f"{' '.join(args)} is refused")
    like(r.err, why, "and told why")
r = export("last", "-o", "missing/dir/x.html")
eq((r.status, "missing/dir" in r.err), (2 if r.status == 2 else 1, True), "-o into a missing folder")
eq(export("last", "-o", "x.html").status, 0, "the file's ending chooses the format")
eq((work / "x.html").read_text(), export("last", "--html").out, "a file has what standard output has")

# --- the script ---
r = export("last", "--py", "-o", "run.py")
eq((r.status, os.access(work / "run.py", os.X_OK)), (0, True), "the script can be executed")
source = (work / "run.py").read_text()
compile(source, "run.py", "exec")


def script(*args, cwd):
    return subprocess.run([PYTHON, "-I", str(work / "run.py"), *args], capture_output=True, text=True, cwd=cwd,
                          env={"PATH": "/usr/bin:/bin", "HOME": str(home), "MPLCONFIGDIR": str(home / "config")})


folder = home / "elsewhere"
folder.mkdir()
p = script(cwd=folder)
eq((p.returncode != 0, "sales.csv" in p.stderr), (True, True), "without its file it says which one is missing")
shutil.copy(work / "sales.csv", folder)
p = script(cwd=folder)
ok(p.returncode == 0, "with it, it runs by a bare python3", p.stderr, source)
for line in printed().splitlines():
    ok(line in p.stdout.splitlines(), f"it prints what the cells printed: {line!r}", p.stdout)
for shown in ("34", "'sales.csv'", "2   Mar      9"):
    ok(shown in p.stdout, f"and what they showed: {shown!r}", p.stdout)
ok((folder / "figure-1.png").read_bytes()[:4] == b"\x89PNG", "and saves the figure")
like(source, r"^# raise ValueError", "what failed is a comment")
like(source, r"^total = int", "what ran before it is kept")
(home / "other.csv").write_text("month,units\nApr,100\n")
p = script(str(home / "other.csv"), cwd=folder)
ok(p.returncode == 0 and "total 100" in p.stdout, "another file takes its place", p.stderr)
p = script("sales.csv=" + str(home / "other.csv"), cwd=folder)
ok(p.returncode == 0 and "total 100" in p.stdout, "also by name", p.stderr)
eq(script("a", "b", cwd=folder).returncode != 0, True, "more files than it has are refused")

# --- the notebook ---
r = export("last", "--ipynb", "-o", "n.ipynb")
book = json.loads((work / "n.ipynb").read_text())
outputs = [o for c in book["cells"] if c["cell_type"] == "code" for o in c["outputs"]]
eq([o["output_type"] for o in outputs].count("execute_result"), 3, "values of cells are results")
eq("".join(o["text"] for o in outputs if o["output_type"] == "stream" and o["name"] == "stdout"), printed(),
   "what was printed is there")
images = [o["data"]["image/png"] for o in outputs if "image/png" in o.get("data", {})]
eq(base64.b64decode(images[0])[:4] if images else None, b"\x89PNG", "the chart is there")
eq([o["ename"] for o in outputs if o["output_type"] == "error"], ["ValueError"], "and the error")
if have_modules("nbformat"):
    skip("python3-nbformat is not installed", "the notebook is valid")
else:
    check = ("import nbformat, sys; n = nbformat.read(sys.argv[1], 4); nbformat.validate(n); "
             "assert nbformat.validator.isvalid(n)")
    p = subprocess.run([PYTHON, "-W", "error", "-c", check, str(work / "n.ipynb")], capture_output=True, text=True)
    ok(p.returncode == 0, "the notebook is valid, without a warning", p.stderr)
if have_modules("nbclient", "ipykernel"):
    skip("python3-nbclient or python3-ipykernel is not installed", "the notebook runs")
else:
    again = """
import nbformat, nbclient, sys, json
n = nbformat.read(sys.argv[1], 4)
nbclient.NotebookClient(n, timeout=120, kernel_name="python3").execute()
nbformat.write(n, "again.ipynb")
"""
    p = subprocess.run([PYTHON, "-c", again, str(work / "n.ipynb")], capture_output=True, text=True, cwd=folder,
                       timeout=240 * PATIENCE, env={**base_env(home), "IPYTHONDIR": str(home / "config" / "ipython")})
    ok(p.returncode == 0, "the notebook runs from its first to its last cell", p.stderr[-2000:])
    new = [o for c in json.loads((folder / "again.ipynb").read_text())["cells"] if c["cell_type"] == "code"
           for o in c["outputs"]] if p.returncode == 0 else []
    joined = "".join("".join(o["text"]) for o in new if o["output_type"] == "stream" and o["name"] == "stdout")
    eq(joined, printed(), "and prints what the session printed")
    eq([o["output_type"] for o in new].count("error"), 1, "with the one error of the session")

# --- Markdown ---
r = export("last", "--md", "-o", "notes.md")
text = (work / "notes.md").read_text()
pictures = re.findall(r"!\[[^]]*\]\(<(notes_files/[^>]+)>\)", text)
ok(pictures and all((work / p).read_bytes()[:4] == b"\x89PNG" for p in pictures), "pictures lie beside it", text)
like(text, r"^- model: scripted", "with its provenance")
r = export("last", "--md", "--embed")
like(r.out, r"\]\(data:image/png;base64,", "--embed puts them into the text")
eq((r.status, "data:" in export("last", "--md").out), (0, False), "standard output has neither")


# --- the page ---
class Page(html.parser.HTMLParser):
    """All elements, and every address the page names."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.addresses, self.attributes, self.words = [], [], [], ""
        self.marks, self._in = [], None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self._in = tag
        for name, value in attrs:
            self.attributes.append(name)
            if name in ("src", "href"):
                self.addresses.append((tag, value))

    def handle_endtag(self, tag):
        self._in = None

    def handle_data(self, data):
        self.words += data
        if self._in == "mark":
            self.marks.append(data)


def strict(text, what):
    page = Page(text)
    like(text, r"""content="default-src 'none'; img-src data:; style-src 'sha256-[\w+/]{43}=';""", f"{what}: a policy")
    eq([t for t in page.tags if t in ("script", "iframe", "object", "embed", "form", "base", "i", "b", "svg")], [],
       f"{what}: no element of foreign text")
    eq([a for a in page.attributes if a.startswith("on") or a == "style"], [], f"{what}: no handler, no style")
    eq([a for a in page.addresses if not (a[1].startswith("data:image/") or a == ("link", "data:,") or
                                          a[0] == "a" and a[1].startswith("http"))], [],
       f"{what}: no address that is fetched")
    return page


text = export("last", "--html").out
page = strict(text, "the page")
eq([a[1] for a in page.addresses if a[0] == "a"], ["https://example.com/a?b=1&c=2"], "a web link stays, others go")
for words in ("which month was <b>best</b>? \\x1b[31m", "<script>alert(1)</script>", "Load <i>it</i>", "ValueError: <oops>",
              "rows 3", "awaited", "scripted", hashlib.sha256((work / "sales.csv").read_bytes()).hexdigest(),
              "https://example.com/x.png"):
    ok(words in page.words, f"it shows {words!r}")
ok("4711" in page.marks and "9" not in page.marks, "a number found nowhere is marked", page.marks)
eq(len([a for a in page.addresses if a[0] == "img"]), 2, "the chart is in its cell and where the answer has it")
eq(page.tags.count("table") >= 4, True, "tables are tables")
ok(re.search(r"\x1b|[\x00-\x08]", text) is None, "no control character is in it")

# --- hostile records ---
evil = root / "20300101-000000-00000001"
shutil.copytree(session, evil)
X = "</pre></style><script>fetch('http://127.0.0.1:1/')</script><img src=x onerror=alert(1)>\" ' \u202e `"


def poison(value, key=None):
    if isinstance(value, dict):
        return {k if k in KEEP or len(k) < 24 else k: poison(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [poison(v, key) for v in value]
    return X if isinstance(value, str) and key not in KEEP else value


KEEP = ("type", "t", "code", "stdout", "stderr", "png", "order", "status")
(evil / "events.jsonl").write_text("".join(json.dumps(poison(e)) + "\n" for e in events) + '{"type":"answ')
(evil / "manifest.json").write_text(json.dumps(poison(json.loads((session / "manifest.json").read_text()))))
(evil / "cells" / "1.py").write_bytes(b"print(1) # </code><script>\xff\xfe\n")
with open(evil / "cells" / "2.stdout", "wb") as f:
    f.write(b"\xff<script>" + b"x" * (20 << 20))
os.remove(evil / "cells" / "3.stdout")
os.symlink("/etc/passwd", evil / "cells" / "3.stdout")
for f in (evil / "cells").glob("*.png"):
    f.unlink()
r = export(evil.name, "--html")
eq(r.status, 0, "a spoilt record is exported")
like(r.err, "damaged", "and its damage told")
strict(r.out, "a page of a spoilt record")
like(r.out, r"bytes of \d+ are left out here", "an output that is too long is cut with its count")
ok("root:" not in r.out and len(r.out) < 2 << 20, "and no file outside the record is shown")
like(r.out, "picture is missing", "a picture that is gone is told")
r = export(evil.name, "--ipynb")
book = json.loads(r.out)
eq((r.status, book["nbformat_minor"]), (0, 5), "a notebook is made of it")
r = export(evil.name, "--py")
eq(r.status, 0, "a script is made of it")
code_lines = [line for line in r.out.encode("utf-8", "replace").decode().splitlines() if "fetch(" in line]
ok(all(line.startswith(("#", "FILES")) for line in code_lines), "in which no foreign text is code", code_lines)
eq(export(evil.name, "--md").status, 0, "and Markdown")
bare_folder = root / "20300101-000000-00000002"
bare_folder.mkdir()
(bare_folder / "events.jsonl").write_text("")
for form in ("--py", "--ipynb", "--md", "--html"):
    eq(export(bare_folder.name, form).status, 0, f"{form} of a record without one event")
shutil.rmtree(evil)

# --- in a browser ---
browser = next((b for b in ("chromium-headless-shell", "chromium", "google-chrome") if shutil.which(b)), None)
if browser is None:
    skip("no chromium is installed", "the page loads in a browser", 2)
else:
    (home / "page.html").write_text(text)
    p = subprocess.run([shutil.which(browser), "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0",
                        f"--user-data-dir={home / 'tmp' / 'chrome'}", "--host-resolver-rules=MAP * ~NOTFOUND",
                        f"--log-net-log={home / 'net.json'}", "--window-size=1100,1600",
                        f"--screenshot={home / 'page.png'}", f"file://{home / 'page.html'}"],
                       capture_output=True, text=True, timeout=120 * PATIENCE)
    ok(not re.findall(r".*CONSOLE.*", p.stderr) and (home / "page.png").exists(),
       "a browser shows the page without a word on its console", p.stderr)
    net = (home / "net.json").read_text() if (home / "net.json").exists() else ""
    asked = [u for u in re.findall(r'"url":"((?:https?|ftp|ws)[^"]*)"', net) if "example.com" in u or "127.0.0.1" in u]
    eq(asked, [], "and asks nobody for anything")
    shutil.rmtree(home / "tmp" / "chrome", ignore_errors=True)
# --- cells that publish values: script and notebook have a helper of that name ---
run("report it", "-f", "sales.csv", home=home, script=[
    code("import pandas as pd\ndf = pd.read_csv('sales.csv')\nreport.number('units', df.units.sum(), unit='kg')\n"
         "report.number('share', 0.256, format='.1%')\nreport.text('best', 'Mar')\nreport.table(df, 'sales')"),
    code("import report as r\nimport matplotlib.pyplot as plt\nfig, ax = plt.subplots()\nax.bar(df.month, df.units)\nr.figure(fig, 'bars')"),
    say("{{num:units}}")])
folder = BOX / "published"
folder.mkdir()
shutil.copy(work / "sales.csv", folder)
(folder / "s.py").write_text(export("last", "--py").out)
p = subprocess.run([PYTHON, "s.py"], cwd=folder, capture_output=True, text=True, timeout=120)
eq(p.returncode, 0, "the script runs by itself")
like(p.stdout, r"(?s)^units: 17 kg\nshare: 25\.6%\nbest: Mar\n.*Feb +5", "and says what was published")
eq(sorted(f.name for f in (folder / "published").iterdir()), ["bars.png", "sales.csv"], "figures and tables are files")
eq((folder / "sales.csv").read_text(), (work / "sales.csv").read_text(), "and no input is written over")
if not have_modules("nbclient", "ipykernel"):
    shutil.rmtree(folder / "published")
    (folder / "n.ipynb").write_text(export("last", "--ipynb").out)
    p = subprocess.run([PYTHON, "-c", again, "n.ipynb"], cwd=folder, capture_output=True, text=True, timeout=240 * PATIENCE,
                       env={**base_env(home), "IPYTHONDIR": str(home / "config" / "ipython")})
    ok(p.returncode == 0, "the notebook runs", p.stderr[-2000:])
    ok(is_png(folder / "published/bars.png"), "and makes the figure")
else:
    skip("python3-nbclient or python3-ipykernel is not installed", "the notebook of published values", 2)
done()
