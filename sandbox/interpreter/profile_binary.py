"""The intake profile, part 4: XLSX, SQLite, Parquet. Each gives tables, and a line of Python that
reads it."""
import json

MAX_GAP = 100               # empty rows or columns, behind which a cell is no part of the table
MAX_TABLES = 40             # of a database, or sheets of a workbook
MAX_SHARED = 64 << 20       # bytes of an XLSX's texts
MAX_PART = 512 << 20        # bytes of a sheet: what a small file can unpack to


# ---- XLSX ----

def local(tag):
    return tag.rpartition("}")[2]


def part(z, name, limit):
    """A part of the archive, bounded whatever its directory says of its size."""
    import zipfile
    import zlib
    try:
        f = z.open(name)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError):
        raise Unreadable("its part %s cannot be unpacked" % name)

    class Bounded:
        left = limit

        def read(self, n=65536):
            try:
                data = f.read(min(n, 1 << 20))
            except (zipfile.BadZipFile, zlib.error, EOFError):
                raise Unreadable("its part %s cannot be unpacked" % name)
            self.left -= len(data)
            if self.left < 0:
                raise Unreadable("a part of it unpacks to more than %d MiB" % (limit >> 20))
            return data
    return Bounded()


def elements(source):
    import xml.etree.ElementTree as tree
    try:
        yield from tree.iterparse(source, ("start", "end"))
    except tree.ParseError as e:
        # Its own words may quote the file.
        from xml.parsers import expat
        raise Unreadable("a part of it is no valid XML: %s in line %d" % (expat.ErrorString(e.code), e.position[0]))


def shared_texts(z, names):
    out = []
    if "xl/sharedStrings.xml" not in names:
        return out
    for event, e in elements(part(z, "xl/sharedStrings.xml", MAX_SHARED)):
        if event == "end" and local(e.tag) == "si":
            out.append("".join(t.text or "" for t in e.iter() if local(t.tag) == "t"))
            e.clear()
    return out


def date_styles(z, names):
    """Which cell styles show a date."""
    if "xl/styles.xml" not in names:
        return set()
    forms, out, inside = {}, set(), False
    i = 0
    for event, e in elements(part(z, "xl/styles.xml", MAX_SHARED)):
        tag = local(e.tag)
        if tag == "numFmt" and event == "start":
            forms[e.get("numFmtId")] = re.sub(r'"[^"]*"|\[[^\]]*\]|\\.', "", e.get("formatCode", ""))
        elif tag == "cellXfs":
            inside = event == "start"
        elif tag == "xf" and inside and event == "start":
            n = e.get("numFmtId", "0")
            if n in forms and re.search("[dmyhs]", forms[n].lower()) or n.isdigit() and (
                    14 <= int(n) <= 22 or 45 <= int(n) <= 47):
                out.add(str(i))
            i += 1
    return out


def column_number(ref):
    n = 0
    for c in ref:
        if not c.isalpha():
            break
        n = n * 26 + ord(c.upper()) - 64
    return n - 1


def day_text(number, old):
    import datetime
    try:
        day = datetime.datetime(1904, 1, 1) if old else datetime.datetime(1899, 12, 30)
        day += datetime.timedelta(days=float(number))
    except (ValueError, OverflowError):
        return number
    day = day.replace(microsecond=0)
    return day.strftime("%Y-%m-%d") if not (day.hour or day.minute or day.second) else day.strftime("%Y-%m-%d %H:%M:%S")


def sheet_rows(z, path, texts, days, old, tally):
    """Rows of a sheet as lists of values."""
    row, at, kind, style, value = [], -1, None, None, None
    number = 0
    for event, e in elements(part(z, path, MAX_PART)):
        tag = local(e.tag)
        if event == "start":
            if tag == "c":
                ref = e.get("r")
                at = column_number(ref) if ref else at + 1
                kind, style, value = e.get("t"), e.get("s"), None
            continue
        if tag == "v":
            value = e.text
        elif tag == "t" and kind == "inlineStr":
            value = (value or "") + (e.text or "")
        elif tag == "f":
            tally["formulas"] += 1
        elif tag == "mergeCell":
            tally["merged"] += 1
        elif tag == "c":
            if kind == "s" and value is not None and value.isdigit():
                value = texts[int(value)] if int(value) < len(texts) else None
            elif kind == "b":
                value = value == "1"
            elif kind == "e":
                tally["errors"] += 1
                value = None
            elif kind in (None, "n") and value is not None:
                if style in days:
                    value = day_text(value, old)
                else:
                    try:
                        value = float(value)
                        value = int(value) if value.is_integer() and abs(value) < 1e15 else value
                    except ValueError:
                        pass
            if 0 <= at < 16384:
                row += [None] * (at + 1 - len(row))
                row[at] = value
            e.clear()
        elif tag == "row":
            number += 1
            gap = int(e.get("r")) - number if e.get("r", "").isdigit() else 0
            if gap > MAX_GAP:
                tally["far"] += 1
            for _ in range(min(MAX_GAP, gap)):
                yield []        # rows that are left out of the file
                number += 1
            yield row
            row, at = [], -1
            e.clear()
        elif tag == "sheetData":
            e.clear()


def read_xlsx(path, name, deadline):
    import zipfile
    try:
        z = zipfile.ZipFile(path)
        names = set(z.namelist())
    except (zipfile.BadZipFile, OSError, ValueError) as e:
        raise Unreadable("it is no whole XLSX file: %s" % e)
    if "xl/workbook.xml" not in names:
        raise Unreadable("it is an archive, and no XLSX workbook")
    sheets, targets, old = [], {}, False
    for event, e in elements(part(z, "xl/workbook.xml", MAX_SHARED)):
        if event == "start" and local(e.tag) == "sheet":
            rel = next((v for k, v in e.attrib.items() if local(k) == "id"), "")
            sheets.append((e.get("name", ""), rel, e.get("state", "")))
        elif event == "start" and local(e.tag) == "workbookPr":
            old = e.get("date1904") in ("1", "true")
    if "xl/_rels/workbook.xml.rels" in names:
        for event, e in elements(part(z, "xl/_rels/workbook.xml.rels", MAX_SHARED)):
            if event == "start" and e.get("Id"):
                target = e.get("Target", "")
                targets[e.get("Id")] = target.lstrip("/") if target.startswith("/") else "xl/" + target
    texts, days, out, notes = shared_texts(z, names), date_styles(z, names), [], []
    for title, rel, state in sheets[:MAX_TABLES]:
        where = targets.get(rel, "")
        if where not in names or "worksheet" not in where:
            continue
        found = sheet_of(z, where, texts, days, old, deadline)
        if found is None:
            notes.append("sheet %s is empty" % json.dumps(title[:MAX_SHOWN], ensure_ascii=False))
            continue
        found.title = title
        how = ", header=None" if not found.header else ", skiprows=%d" % found.skip if found.skip else ""
        found.line = "pd.read_excel(%s, sheet_name=%s%s)" % (
            json.dumps(name, ensure_ascii=False), json.dumps(title, ensure_ascii=False), how)
        if state not in ("", "visible"):
            found.notes.append("the sheet is hidden")
        out.append(found)
    if "xl/vbaProject.bin" in names:
        notes.append("it holds macros, which are not run")
    if len(sheets) > MAX_TABLES:
        notes.append("%d further sheets were not looked at" % (len(sheets) - MAX_TABLES))
    return out, notes


def sheet_of(z, where, texts, days, old, deadline):
    tally = {"formulas": 0, "merged": 0, "errors": 0, "far": 0}
    rows = sheet_rows(z, where, texts, days, old, tally)
    head = []
    for row in rows:
        head.append(row)
        if len(head) >= 60:
            break
    if not any(head):
        return None
    width = usual_width([row for row in head if row])
    skip = next((i for i, row in enumerate(head) if sum(v is not None for v in row) >= max(1, width * 0.6)), 0)
    d = Dialect()
    header_of(d, [["" if v is None else str(v) for v in row] for row in head[skip:]])
    first = head[skip]
    if any(isinstance(v, (int, float)) and not isinstance(v, bool) for v in first):
        d.header = False
    width = max([len(row) for row in head[skip:]])
    first = first + [None] * (width - len(first))
    table = Table(pandas_names(["" if v is None else str(v) for v in first], d.header), typed=True)
    complete = True

    def add(row):
        tally["far"] += len(row) > width + MAX_GAP
        row = row[:width] + [None] * (width - len(row))
        return table.add(row)
    for row in head[skip + d.header:]:
        add(row)
    for row in rows:
        if not add(row) and time.monotonic() > deadline:
            complete = False
            break
    table.flush()
    found = Found("", table, "")
    found.header, found.skip, found.sure = d.header, skip, d.sure
    found.all_read = found.exact = complete
    found.at_least = not complete
    if tally["far"]:
        found.far = True
        found.notes.append("cells stand far below or beside the table; they are left out here")
    if skip:
        found.notes.append("the table begins in row %d" % (skip + 1))
    if tally["formulas"]:
        found.notes.append("%s with a formula; the values are those last saved" % count(tally["formulas"], "cell"))
    if tally["errors"]:
        found.notes.append("%s with an error such as #REF!" % count(tally["errors"], "cell"))
    if tally["merged"]:
        found.notes.append("%s of merged cells: only the first cell of each has the value" % count(tally["merged"], "range"))
    return found


# ---- SQLite ----

def read_sqlite(path, name, deadline):
    import sqlite3
    import urllib.parse
    c = sqlite3.connect("file:%s?mode=ro&immutable=1" % urllib.parse.quote(path), uri=True)
    with open(path, "rb") as f:
        wal = f.read(20)[18:20] == b"\2\2"
    c.text_factory = lambda b: b.decode("utf-8", "replace")
    c.set_progress_handler(lambda: time.monotonic() > deadline, 10000)
    ident = lambda s: '"' + s.replace('"', '""') + '"'      # noqa: E731
    out, notes, broken = [], [], ""
    if wal:
        notes.append("its journal is a file beside it (WAL), named -wal: what still stands there is not in this file")
    try:
        names = c.execute("select name, type from sqlite_master where type in ('table', 'view') "
                          "and name not like 'sqlite~_%' escape '~' order by type, rowid").fetchall()
    except sqlite3.Error as e:
        raise Unreadable("SQLite cannot read it: %s" % e)
    for title, kind in names[:MAX_TABLES]:
        if kind == "view":
            notes.append("view %s" % json.dumps(title[:MAX_SHOWN], ensure_ascii=False))
            continue
        try:
            out.append(sqlite_table(c, ident, title, name, deadline, wal))
        except sqlite3.Error as e:
            broken = "" if "interrupt" in str(e) else str(e)
            notes.append("table %s: %s" % (json.dumps(title[:MAX_SHOWN], ensure_ascii=False),
                                           "no time was left for it" if "interrupt" in str(e) else e))
    if len(names) > MAX_TABLES:
        notes.append("%d further tables and views were not looked at" % (len(names) - MAX_TABLES))
    if not names:
        notes.append("it holds no table")
    c.close()
    if broken and not out:
        raise Unreadable("SQLite can read no table of it: %s" % broken)
    return out, notes


def sqlite_table(c, ident, title, name, deadline, wal):
    import sqlite3
    import urllib.parse
    info = c.execute("pragma table_xinfo(%s)" % ident(title)).fetchall()[:MAX_NAMES]
    info = [row for row in info if row[6] != 1]     # what `select *` gives: computed columns too, no hidden ones
    table = Table([row[1] for row in info], typed=True)
    # With a WAL it would want to write beside the file.
    where = json.dumps("file:%s?immutable=1" % urllib.parse.quote(name)) + ", uri=True" if wal else \
        json.dumps(name, ensure_ascii=False)
    found = Found(title, table, "pd.read_sql_query(%s, sqlite3.connect(%s))" % (
        json.dumps("select * from " + ident(title), ensure_ascii=False), where))
    found.declared = [row[2] for row in info]
    for row in info:
        if row[5]:
            found.keys.append("primary key %s" % row[1])
    for row in c.execute("pragma foreign_key_list(%s)" % ident(title)).fetchall()[:50]:
        found.keys.append("%s refers to %s.%s" % (row[3], row[2], row[4] or "its key"))
    try:
        for row in c.execute("select * from %s" % ident(title)):
            if not table.add(list(row)) and time.monotonic() > deadline:
                break
        else:
            table.flush()
            found.total = table.rows
            return found
    except sqlite3.OperationalError as e:
        if "interrupt" not in str(e):
            raise
    table.flush()
    found.all_read = False
    found.total = table.rows
    c.set_progress_handler(lambda: time.monotonic() > deadline + 1, 10000)
    try:
        found.total = c.execute("select count(*) from %s" % ident(title)).fetchone()[0]
    except sqlite3.Error:
        found.exact = False
        found.notes.append("the rows could not be counted in the time; there are more than %d" % table.rows)
    return found


# ---- Parquet ----

class Thrift:
    """The compact protocol, as far as a Parquet footer needs it."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self):
        shift = out = 0
        while True:
            b = self.data[self.at]
            self.at += 1
            out |= (b & 127) << shift
            if b < 128:
                return out
            shift += 7
            if shift > 70:
                raise ValueError("a number is too long")

    def signed(self):
        n = self.number()
        return n >> 1 ^ -(n & 1)

    def value(self, kind, depth=0):
        if depth > 40:
            raise ValueError("nested too deeply")
        if kind in (1, 2):
            return kind == 1
        if kind == 3:
            self.at += 1
            return self.data[self.at - 1]
        if kind in (4, 5, 6):
            return self.signed()
        if kind == 7:
            self.at += 8
            return None
        if kind == 8:
            n = self.number()
            self.at += n
            if self.at > len(self.data):
                raise ValueError("it ends within a text")
            return self.data[self.at - n:self.at]
        if kind in (9, 10):
            head = self.data[self.at]
            self.at += 1
            n = head >> 4 if head >> 4 < 15 else self.number()
            if n > len(self.data):
                raise ValueError("a list is longer than the file")
            if head & 15 in (1, 2):     # booleans take a byte each here
                self.at += n
                return []
            return [self.value(head & 15, depth + 1) for _ in range(n)]
        if kind == 12:
            out, field = {}, 0
            while True:
                head = self.data[self.at]
                self.at += 1
                if head == 0:
                    return out
                field = field + (head >> 4) if head >> 4 else self.signed()
                out[field] = self.value(head & 15, depth + 1)
        raise ValueError("a field of an unknown kind")


PARQUET = {0: "boolean", 1: "integer", 2: "integer", 3: "date and time (old form)", 4: "decimal number",
           5: "decimal number", 6: "bytes", 7: "bytes of one length"}
CONVERTED = {0: "text", 5: "decimal of fixed precision", 6: "date", 7: "time", 8: "time", 9: "date and time",
             10: "date and time", 19: "JSON"}


def read_parquet(path, name, size, deadline):
    """Columns, types and rows from the footer, which needs no library; values where pyarrow is there."""
    with open(path, "rb") as f:
        f.seek(max(0, size - 8))
        end = f.read(8)
        n = int.from_bytes(end[:4], "little")
        if end[4:] != b"PAR1" or n > min(size - 8, 64 << 20):
            raise Unreadable("it is no whole Parquet file: it does not end as one")
        f.seek(size - 8 - n)
        data = f.read(n)
    try:
        meta = Thrift(data).value(12)
        schema = [s for s in meta[2][1:] if not s.get(5)]
        rows = int(meta[3])
        names = [bytes(s[4]).decode("utf-8", "replace") for s in schema[:MAX_NAMES]]
        kinds = [CONVERTED.get(s.get(6)) or ("text" if 1 in (s.get(10) or {}) else PARQUET.get(s.get(1), "?"))
                 for s in schema[:MAX_NAMES]]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError) as e:
        raise Unreadable("its footer cannot be read: %s" % (e or type(e).__name__))
    found = Found("", Table(names, typed=True), "pd.read_parquet(%s)" % json.dumps(name, ensure_ascii=False))
    found.total, found.all_read, found.declared = rows, False, kinds
    try:
        parquet = __import__("pyarrow.parquet").parquet
    except ImportError:
        found.line = ""
        found.notes.append("only its schema is told: its values can be read where pyarrow is installed "
                           "(agent env create NAME pyarrow), which is not so here")
        return [found], []
    table = found.table
    for batch in parquet.ParquetFile(path).iter_batches(batch_size=BATCH):
        for row in zip(*[c.to_pylist() for c in batch.columns]):
            table.add([v.isoformat(" ") if hasattr(v, "hour") else v.isoformat() if hasattr(v, "isoformat") else v
                       for v in row])
        if time.monotonic() > deadline:
            break
    table.flush()
    found.all_read = table.rows == rows
    return [found], []
