#!/usr/bin/python3
"""What bad files get: a reason that names them, a bounded time, and never the end of a question. One table:
what the profile says of each and whether that is a failure; then all of them attached to questions."""
import bz2
import gzip
import io
import lzma
import socket
import sqlite3
import sys
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

missing = have_modules("pandas")
if missing:
    skip_all(f"{missing} is not installed for {PYTHON}")

ENV = {**base_env(new_home()), "XDG_CACHE_HOME": str(CACHE)}
CACHE.mkdir(exist_ok=True)


def profile(*args, **how):
    t0 = time.monotonic()
    r = subprocess.run([str(AGENT), "profile", *map(str, args)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                       timeout=120 * PATIENCE, env=ENV, cwd=BOX, **how)
    r.seconds = time.monotonic() - t0
    return r


def packed(files):
    b = io.BytesIO()
    with zipfile.ZipFile(b, "w", zipfile.ZIP_DEFLATED) as z:
        for name, text in files.items():
            z.writestr(name, text)
    return b.getvalue()


def book(sheet, more={}):
    return packed({"xl/workbook.xml": '<workbook xmlns:r="r"><sheets><sheet name="s" r:id="a"/></sheets></workbook>',
                   "xl/_rels/workbook.xml.rels": '<R><Relationship Id="a" Target="worksheets/s.xml"/></R>',
                   "xl/worksheets/s.xml": sheet, **more})


def base(*statements, journal=False):
    path = BOX / "made.db"
    path.unlink(missing_ok=True)
    c = sqlite3.connect(path)
    if journal:
        c.execute("pragma journal_mode=wal")
    for s in statements:
        c.execute(s)
    c.commit()
    c.close()
    return path.read_bytes()


CELLS = "<row><c t='inlineStr'><is><t>k</t></is></c></row><row><c t='n'><v>1</v></c></row>"
ENTITIES = "<!DOCTYPE l [<!ENTITY a 'xxxxxxxxxx'>" + "".join(
    f"<!ENTITY {b} '{('&' + a + ';') * 10}'>" for a, b in zip("abcdefgh", "bcdefghi")) + "]>"
rows = base("create table t(a, b)", "insert into t values (1, 2)")
CSV = b"id,n\n1,2\n3,4\n"

# name, content, is it a failure, what is said
TABLE = [
    ("newlines.csv", b"\n\n\n\n", True, "it holds no row: only line ends"),
    ("spaces.csv", b"   \n  \n", True, "it holds no row"),
    ("mark.csv", b"\xef\xbb\xbf", True, "it holds no row: only a byte order mark"),
    ("nuls.csv", b"\0" * 100000, True, "nothing but NUL bytes"),
    ("page.csv", b"<!DOCTYPE html>\n<html><body>Log in, please</body></html>\n", True, "holds a page"),
    ("reply.csv", b'{"error": "not found"}\n', False, "JSON: utf-8"),
    ("half.csv", b"name,n\n" + b"".join(("M\u00fcller,%d\n" % i).encode("utf-8" if i % 2 else "cp1252") for i in range(99)),
     False, "mixed encodings: 50 places are not valid utf-8"),
    ("quote.csv", b'a,b\n1,"open\n2,3\n4,5\n', False, "never closed"),
    ("pipes.csv", b"id,text\n1,a 5\" pipe\n2,b\n", False, r"(?s)^((?!never closed).)*2 rows, 2 columns"),
    ("twice.csv", b"id,x,x,x.1\n1,2,3,4\n", False, r"(?s)x\.2: integer.*x\.1: integer"),
    ("v1.csv", b"id,v1.2\n1,2\n", False, r"(?s)^((?!stand twice).)*v1\.2: integer"),
    ("long.csv", b"id,text\n1,a\n2," + b"x" * (20 << 20) + b"\n3,y\n", False,
     r"(?s)line 3 is longer than 8 MiB.*at least 1 row,.*csv\.reader.*not tried"),
    ("fields.csv", b"id,text\n" + b"1," * (3 << 20) + b"\n2,y\n", False, r"(?s)1 row with more fields.*csv\.reader.*not tried"),
    ("wide.csv", b",".join(b"c%d" % i for i in range(30000)) + b"\n", True, "it has 30000 columns, and more than 20000"),
    ("long.jsonl", b'{"a":1}\n{"a":"' + b"x" * (20 << 20) + b'"}\n', False, r"(?s)at least 1 row,.*line 2 is longer"),
    ("mark.jsonl", b'\xef\xbb\xbf{"a":1}\n{"a":2}\n', False, r'encoding="utf-8-sig"\) \(run here: 2 rows'),
    ("keys.jsonl", b"".join(json.dumps({f"k{i * 50 + j}": 1 for j in range(50)}).encode() + b"\n" for i in range(2000)),
     False, "more than 5000 different names"),
    ("none.jsonl", b"{bad\n{worse\n", True, "no line of it is a JSON object"),
    ("wide.json", '[{"a":1}]'.encode("utf-16"), False, r'encoding="utf-16"\) \(run here: 1 row'),
    ("huge.json", b'[{"a":' + b"9" * 5000 + b',"b":1e999},{"a":NaN,"b":-Infinity}]', False, "2 rows, 2 columns"),
    ("half.json", b'[{"a":"\\ud800"}]', False, "1 row, 1 column"),
    ("deep.json", b"[" * 100000 + b"]" * 100000, True, "nested too deeply"),
    ("deep2.json", b'{"a":' * 100000 + b"1" + b"}" * 100000, True, "nested too deeply"),
    ("null.json", b"null", False, "one value and no table"),
    ("word.json", b"nothing", True, "does not begin as JSON"),
    ("locked.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 4000, True, "encrypted with a password"),
    ("other.xlsx", packed({"x.txt": "x"}), True, "no XLSX workbook"),
    ("cut.xlsx", packed({"xl/workbook.xml": "x" * 999})[:-40], True, "no whole XLSX file"),
    ("torn.xlsx", book("<worksheet><sheetData>" + CELLS), True, "no valid XML: .* in line 1"),
    ("laughs.xlsx", book("<w><sheetData><row><c t='s'><v>0</v></c></row></sheetData></w>",
                         {"xl/sharedStrings.xml": ENTITIES + "<sst><si><t>&i;&i;</t></si></sst>"}), True, "no valid XML|unpacks to more"),
    ("rows.xlsx", book("<w><sheetData>" + "<row><c t='n'><v>1</v></c></row>" * (4 << 20) + "</sheetData></w>"), False,
     r"(?s)at least \d+ rows.*not tried"),
    ("corner.xlsx", book("<w><sheetData>" + CELLS + "<row r='1048576'><c r='XFD1048576' t='n'><v>1</v></c></row></sheetData></w>"),
     False, "(?s)far below or beside.*not tried"),
    ("macro.xlsm", book("<w><sheetData>" + CELLS + "</sheetData></w>", {"xl/vbaProject.bin": "x"}), False, "macros, which are not run"),
    ("torn.db", rows[:4096] + b"\7" * (len(rows) - 4096), True, "SQLite can read no table of it"),
    ("wal.db", base("create table t(a)", "insert into t values (1)", journal=True), False,
     r"(?s)WAL.*immutable=1\", uri=True\)\) \(run here: 1 row"),
    ("names.db", base('create table "a""; drop table b; --\n```\x1b[31m"("x""\ny", "")', "create table g(a, b as (a * 2))",
                      "insert into g(a) values (1)"), False, r"(?s)\\u001b\[31m.*Table \"g\": 1 row, 2 columns.*run here: 1 row, 2 col"),
    ("a.csv.gz", gzip.compress(CSV), False, r'CSV in gzip.*(?s:.*)read_csv\("a.csv.gz"\) \(run here: 2 rows, 2 columns'),
    ("b.csv.bz2", bz2.compress(CSV), False, r'(?s)CSV in bz2.*run here: 2 rows, 2 columns'),
    ("c.csv.xz", lzma.compress(CSV), False, r'(?s)CSV in xz.*run here: 2 rows, 2 columns'),
    ("d.csv.zip", packed({"d.csv": CSV}), False, r'(?s)CSV in zip.*run here: 2 rows, 2 columns'),
    ("e.csv", gzip.compress(CSV), False, r'compression="gzip"\) \(run here: 2 rows'),
    ("two.zip", packed({"a.csv": CSV, "b.csv": CSV}), True, "an archive of 2 files; unpack it"),
    ("cut.csv.gz", gzip.compress(os.urandom(9999))[:5000], True, "no whole gzip file"),
    ("bomb.csv.gz", gzip.compress(b"a,b\n1,2\n" * (12 << 20), 1), False, "(?s)of its first 64 MiB, unpacked.*at least"),
]
paths = [write(name, data) for name, data, _, _ in TABLE]
for path, (name, data, fails, says) in zip(paths, TABLE):
    r = profile(path)
    ok(r.returncode == (2 if fails else 0) and bool(re.search(says, r.stdout)), f"{name}: status {2 if fails else 0}, and {says}",
       r.returncode, clip(r.stdout), r.stderr)
    ok(r.seconds < 15 * PATIENCE and "Traceback" not in r.stdout + r.stderr and not re.search("[\x00-\x08\x0b-\x1f\x7f]", r.stdout),
       f"{name}: in {r.seconds:.1f} s, without a traceback and control characters", clip(r.stdout))

# --- what is no plain file, or cannot be read
(BOX / "loop.csv").symlink_to("loop.csv")
(BOX / "lost.csv").symlink_to("nowhere")
(BOX / "zero.csv").symlink_to("/dev/zero")
place = socket.socket(socket.AF_UNIX)
place.bind(str(BOX / "sock.csv"))
for name, says in [("loop.csv", "Too many levels"), ("lost.csv", "a link that leads nowhere"), ("zero.csv", "is a device"),
                   ("sock.csv", "is a socket")]:
    r = profile(BOX / name)
    ok(r.returncode == 2 and r.stdout == "" and re.search(f"{name}: .*{says}", r.stderr), f"{name} is refused: {says}", r.stderr)
if os.geteuid():
    write("closed.csv", CSV).chmod(0)
    r = profile(BOX / "closed.csv")
    ok(r.returncode == 2 and "you may not read it" in r.stderr, "a file without permission is refused: who may", r.stderr)

# --- names
for name in ["with space.csv", "quo'te\".csv", "new\nline.csv", "-rf.csv", ".hidden.csv", "x" * 251 + ".csv", "$(id).csv", "\x1b[31mred.csv",
             "pandas.csv", "numbers.py", "=cmd.csv", b"bad\xff\xfe.csv"]:
    path = os.path.join(os.fsencode(BOX), os.fsencode(name))
    with open(path, "wb") as f:
        f.write(CSV)
    r = subprocess.run([str(AGENT), "profile", path], stdin=subprocess.DEVNULL, capture_output=True, env=ENV, cwd=BOX,
                       timeout=60 * PATIENCE)
    ok(r.returncode == 0 and b"(run here: 2 rows, 2 columns)" in r.stdout and b"\x1b" not in r.stdout + r.stderr,
       f"a file called {name[:40]!r} is read", r.stdout, r.stderr)

# --- nothing of it is an obstacle to a question
some = [p for p, (n, _, _, _) in zip(paths, TABLE) if n not in ("long.csv", "long.jsonl", "fields.csv", "keys.jsonl", "rows.xlsx")]
r = run("go on", *[a for p in some for a in ("-f", p)], script=[code("import os; print(len(os.listdir('/data')))"), say("ok")], timeout=120)
eq((r.status, r.out), (0, "ok\n"), f"{len(some)} bad files are attached to one question: it is answered")
like(r.observations[0], rf"^{len(some)}$", "and all of them are there")
fails = {p.name for p, (_, _, bad, _) in zip(paths, TABLE) if bad and p in some}
eq({m[1] for m in re.finditer(r"(\S+) could not be profiled", r.err)}, fails, "those without a profile are named, and no others")

# --- with `schema` no value leaves the machine, whatever the file is
SECRET = "Zanzibar"
secret = {
    "gap.csv": f"{SECRET},-\nBob,5\nCarol,7\nDan,9\n",
    "word.csv": f"{SECRET} 12,<1\nBob,5\nCarol,7\nDan,9\n",
    "map.json": json.dumps({SECRET: {"paid": 3}, "Bob": {"paid": 4, "x": 1}}),
    "lists.json": json.dumps({SECRET: [{"paid": 3}], "Bob": [{"paid": 4}]}),
    "one.json": json.dumps({SECRET: {"paid": 3}}),
    "bad.json": '[{"a":"' + SECRET + '" "' + SECRET + '"',
    "bad.jsonl": '{"a":1}\n{' + SECRET + "\n",
    "ragged.csv": f"id,n\n1,2\n1,{SECRET},{SECRET}\n" + f"2,{SECRET}\n" * 5,
    "open.csv": f'id,n\n1,"{SECRET}\n2,3\n',
    "dates.csv": f"day,n\n2024-01-31,1\n31.01.2024,2\n{SECRET},3\n",
    "note.txt": f"{SECRET}\n",
    "x.csv.gz": gzip.compress(f"id,n\n1,{SECRET}\n".encode()),
    "torn.xlsx": book(f"<w><sheetData><row><c><v>&{SECRET};</v></c></row></sheetData></w>"),
    "s.db": base("create table t(a int)", f"insert into t values ('{SECRET}')"),
}
(BOX / "s").mkdir()
files = [write("s/" + n, d if isinstance(d, bytes) else d.encode()) for n, d in secret.items()]
r = run("go on", *[a for p in files for a in ("-f", p)], "--intake", "schema", script=[say("ok")])
eq((r.status, r.out), (0, "ok\n"), "files with a secret, and `schema`: answered")
unlike(json.dumps(r.requests), SECRET, "and the secret is in no request")
r = profile("--intake", "schema", "--json", *files)
unlike(r.stdout + r.stderr, SECRET, "nor in the profile for programs")

# --- a file that is taken away or replaced while the run begins
def taken(do):
    """Runs with a provider that answers late; `do` is done once the sandbox holds the file."""
    path = write("moving.csv", CSV * 20000)
    with Provider([code("print(sum(1 for _ in open('moving.csv')))", delay=1.5), say("ok")]) as p:
        one = start("-m", "scripted", "go on", "-f", path, url=p.url)
        end = time.monotonic() + 30 * PATIENCE
        while not p.read() and time.monotonic() < end and one.process.poll() is None:
            time.sleep(0.02)
        do(path)
        finish(one, keep=[p.process.pid])
        one.requests = p.read()
    return one


for what, do in [("vanishes", lambda p: p.unlink()), ("is replaced", lambda p: (p.unlink(), p.write_bytes(b"x,y\n"))),
                 ("is cut short", lambda p: os.truncate(p, 10))]:
    r = taken(do)
    eq((r.status, r.out), (0, "ok\n"), f"a file that {what} while the model thinks is no harm")
    like(r.observations[0], "^60000$", "the code has it as it was")
done()
