"""The intake profile, part 6: which kind each file is, whether the line that reads it works, what may
join them, and the words. One line of JSON a file goes to standard output, so that what was found
stays found when a later file takes all the time.

With "schema" no value of a file is in the words: no sample, no range, no frequent value, and no name that
may be a value.
"""
import sys

MAX_LINE = 60               # characters of a name
TABLES = (".csv", ".tsv", ".tab", ".psv", ".dat")
SHOWN_VALUES = 5
MAX_JOINS = 12
CHECKED = 32 << 20          # bytes that pandas reads whole for the check
MOST_CELLS = 3000000        # of a table that is not CSV: its values are objects
RECORDED_COLUMNS = 5000     # of one file, by name and type
RECORDED_NAME = 200         # characters


def quote(v, n=MAX_SHOWN):
    """A value or name on one line, bounded."""
    v = v if isinstance(v, str) else json.dumps(v, ensure_ascii=False, default=str) if isinstance(v, (dict, list)) \
        else str(v)
    more = len(v) - n
    return json.dumps(v[:n], ensure_ascii=False) + ("... (%d more characters)" % more if more > 0 else "")


def bare(name):
    return name if re.fullmatch(r"[^\W\d][\w ./()%$&-]{0,59}", name) else quote(name, MAX_LINE)


def count(n, word):
    return "%d %s%s" % (n, word, "" if n == 1 else "s")


# ---- the line that reads it ----

def csv_options(p):
    d, t, out = p.dialect, p.table, []
    if d.delimiter != ",":
        out.append("sep=%s" % json.dumps(d.delimiter))
    if p.encoding != "utf-8":
        out.append('encoding="%s"' % p.encoding)
    if COUNTED["bad"]:
        out.append('encoding_errors="replace"')
    if d.skip:
        out.append("skiprows=%d" % d.skip)
    if not d.header:
        out.append("header=None")
    if d.comment:
        out.append('comment="#"')
    if d.quote != '"':
        out.append("quotechar=%s" % json.dumps(d.quote))
    if d.escape:
        out.append("escapechar=%s" % json.dumps(d.escape))
    kinds = {c.family()[0] for c in t.columns}
    if "comma" in kinds and "dec" not in kinds and d.delimiter != ",":
        out.append('decimal=","')
    elif "dotted" in kinds and not kinds & {"dec", "grouped"}:
        out += ['decimal=","', 'thousands="."']
    elif "grouped" in kinds and not kinds & {"comma", "dotted"}:
        out.append('thousands=","')
    words = sorted({w for c in t.columns for w in c.missing()})
    if words:
        out.append("na_values=%s" % json.dumps(words, ensure_ascii=False))
    codes = [c.name for c in t.columns if c.family()[0] in ("code", "digits")]
    if codes and (d.header or not d.skip) and p.names_told:
        out.append("dtype={%s}" % ", ".join("%s: str" % (json.dumps(n, ensure_ascii=False) if d.header else n)
                                            for n in codes[:20]))
    if t.longer:
        out.append('on_bad_lines="skip"')
    return out


def check(line, rows, columns, whole, pandas, schema):
    """(line that works or "", what is told of it). The line is run."""
    import warnings
    last = ""
    for more in ("", ', engine="python"') if line.startswith("pd.read_csv") else ("",):
        text = line[:-1] + more + line[-1]
        shown = text[:-1] + ("" if whole else ", nrows=20000") + text[-1]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                df = eval(shown, {"pd": pandas, "str": str, "json": json, "sqlite3": sys.modules.get("sqlite3")})
        except MemoryError:
            raise
        except Exception as e:
            last = type(e).__name__ if schema else "%s: %s" % (type(e).__name__, str(e).strip().split("\n")[0][:160])
            continue
        got, wide = df.shape
        if whole and rows is not None and (got, wide) == (rows, columns):
            return text, "run here: %s, %s" % (count(got, "row"), count(wide, "column"))
        if not whole and wide == columns:
            return text, "run here on the first %d rows: %s" % (got, count(wide, "column"))
        last = "it gives %s and %s where the profile counted %s and %s" % (
            count(got, "row"), count(wide, "column"), "%d" % rows if rows is not None else "an unknown number",
            columns)
        if not whole or got < (rows or 0) * 0.5:
            continue
        return text, "run here: " + last
    return "", last


# ---- one file ----

class File:
    def __init__(self, spec, schema):
        self.name, self.path = spec["name"], spec["path"]
        self.schema = schema
        self.kind = ""
        self.facts = []         # words for the first line
        self.notes = []
        self.tables = []        # Found
        self.delimited = None
        self.packed = None      # what pandas has to be told of its compression; None: it is not compressed

    def stat(self):
        st = os.stat(self.path)
        return st.st_size, st.st_mtime_ns

    def look(self, deadline):
        before = self.stat()
        self.size = before[0]
        with open(self.path, "rb") as f:
            head = f.read(HEAD)
        if not head:
            self.kind = "an empty file"
            self.facts.append("0 bytes: it holds nothing")
        else:
            self.dispatch(head, deadline)
        if self.stat() != before:
            self.notes.insert(0, "THE FILE CHANGED WHILE IT WAS READ; what is told of it may mix two states")

    def within(self, kind, deadline):
        """A compressed file: what is in it, read with the line that reads the file itself."""
        own = self.path
        self.path, name, whole = unpack(own, kind, deadline)
        self.packed = ""
        try:
            if not self.name.lower().endswith(ENDINGS[kind]):
                self.packed = ', compression="%s"' % kind
            self.size = os.stat(self.path).st_size
            with open(self.path, "rb") as f:
                head = f.read(HEAD)
            if head and (packed_kind(head) is None or b"xl/" in head):
                low = self.name.lower()
                self.text(head, name.lower() or low.removesuffix(ENDINGS[kind]), deadline)
        finally:
            os.unlink(self.path)
            self.path = own
        if self.kind.startswith("JSON"):
            self.notes = [n.partition(" Read it: ")[0] for n in self.notes]
            for found in self.tables:
                found.line = found.line[:-1] + self.packed + ")" if found.line.startswith("pd.read_json(") else ""
        if self.kind:
            self.kind += " in " + kind
        if not whole:
            self.notes.insert(0, "what is told is of its first %d MiB, unpacked" % (self.size >> 20))
            for found in self.tables:
                found.at_least, found.all_read, found.exact = True, False, False

    def dispatch(self, head, deadline):
        low = self.name.lower()
        if head.startswith(b"SQLite format 3\0"):
            self.kind = "SQLite"
            self.tables, self.notes = read_sqlite(self.path, self.name, deadline)
        elif head.startswith(b"PAR1") or low.endswith(".parquet"):
            self.kind = "Parquet"
            self.tables, self.notes = read_parquet(self.path, self.name, self.size, deadline)
        elif head.startswith(b"PK\3\4") and (b"xl/" in head or low.endswith((".xlsx", ".xlsm"))):
            self.kind = "XLSX"
            self.tables, self.notes = read_xlsx(self.path, self.name, deadline)
        elif head.startswith(b"\xd0\xcf\x11\xe0") and low.endswith(".xls"):
            self.kind = "XLS"
            self.facts.append("the old binary form of Excel: pandas reads it where xlrd is installed, which is %s here"
                              % ("so" if installed("xlrd") else "not so"))
        elif low.endswith((".xlsx", ".xlsm")):
            raise Unreadable("it is encrypted with a password, or an old .xls with another name"
                             if head.startswith(b"\xd0\xcf\x11\xe0") else "it is called XLSX and is no archive")
        elif packed_kind(head) and (not head.startswith(b"PK") or low.endswith(".zip")):
            self.within(packed_kind(head), deadline)
        else:
            self.text(head, low, deadline)

    def text(self, head, low, deadline):
        encoding, mark, _ = encoding_of(head, len(head) >= self.size)
        wide = encoding.startswith("utf-16") or encoding.startswith("utf-32")
        controls = sum(head.count(bytes([c])) for c in range(32) if c not in (9, 10, 11, 12, 13, 27))
        if not wide and controls > len(head) * 0.1 and not low.endswith(TABLES):
            return      # binary
        text = head.decode(encoding, "replace").lstrip("\ufeff \t\r\n\0")
        first, _, rest = text.partition("\n")
        if re.match(r"(?i)<(?:!doctype html|html|\?xml)\b", text):
            if low.endswith(TABLES):
                raise Unreadable("it is called a table and holds a page (HTML or XML), such as an error or a login")
            return
        if text[:1] in ("{", "[") and (not low.endswith(TABLES) or re.match(r'\[?\s*\{\s*"', text)):
            self.facts.append(encoding)
            if low.endswith((".jsonl", ".ndjson")) or (text[0] == "{" and is_object(first) and rest.lstrip()[:1] == "{"):
                self.kind = "JSON lines"
                self.tables, self.notes = read_jsonl(self.path, self.name, self.size, deadline, encoding)
            else:
                self.kind = "JSON"
                self.tables, self.notes = read_json(self.path, self.name, self.size, deadline, encoding, self.schema)
            return
        if low.endswith((".json", ".jsonl", ".ndjson")):
            if re.fullmatch(r'(?s)"[^"\\]*"|null|true|false|-?[0-9.eE+-]+', text.strip()):
                self.kind, self.notes = "JSON", ["one value and no table"]
                return
            raise Unreadable("it does not begin as JSON does")
        p = Delimited(self.path, self.name, head, self.size, deadline)
        if not low.endswith(TABLES):
            rows = [row for row in split_rows(head.decode(p.encoding, "replace").replace("\0", "")[:60000], 60,
                                              **p.dialect.how()) if row]
            same = sum(1 for row in rows if len(row) == p.dialect.width)
            if p.dialect.width < 2 or len(rows) < 3 or same < len(rows) * 0.9 or p.dialect.delimiter in ":^~" or p.dialect.prose:
                return      # prose, code, a log
        self.kind = "TSV" if p.dialect.delimiter == "\t" else "CSV"
        p.names_told = True
        p.read()
        self.delimited = p
        self.of_delimited(p, deadline)

    def of_delimited(self, p, deadline):
        d, t = p.dialect, p.table
        p.names_told = not self.schema or d.header and d.sure
        self.facts += [p.encoding + (" (guessed)" if p.how_known == "guessed" else "")
                       + (" with a byte order mark" if p.mark else "")]
        if t.width > 1:
            self.facts.append("delimiter %s" % {"\t": "tab"}.get(d.delimiter, json.dumps(d.delimiter)))
        if d.quote != '"':
            self.facts.append("quotes %s" % d.quote)
        if d.escape:
            self.facts.append("quotes within fields escaped by a backslash")
        self.facts.append("header in line %d" % (d.skip + 1) if d.header else "no header")
        found = Found("", t, "")
        found.total, found.exact, found.all_read, found.sure = p.total, p.rows_exact, p.all_read, d.sure and d.header
        found.places, found.scanned, found.at_least = p.places, p.scanned, p.at_least
        self.tables = [found]
        say = self.notes.append
        self.notes += p.notes
        if d.skip and d.skip == 1:
            say("line 1 is no part of the table")
        elif d.skip:
            say("lines 1 to %d are no part of the table" % d.skip)
        if d.comment:
            say("lines that begin with # are comments")
        if COUNTED["bad"] or p.how_known == "mixed":
            say("mixed encodings: %s not valid %s" % (
                "1 place is" if COUNTED["bad"] == 1 else "%d places are" % COUNTED["bad"], p.encoding))
        if COUNTED.get("nul"):
            say("it holds %s, left out here" % count(COUNTED["nul"], "NUL byte"))
        if t.longer or t.shorter:
            say("ragged: %s with more fields than %s, %d with fewer; the first is row %d" % (
                count(t.longer, "row"), "the header" if d.header else "the others", t.shorter, t.first_bad))
        if t.longer:
            say("pandas stops at rows that are too long; the line below leaves them out")
        if t.blank:
            say(count(t.blank, "blank line"))
        if p.multiline:
            say("quoted fields hold line breaks: lines are not rows")
        if p.unclosed:
            say("a quote is opened and never closed: the last row may hold many lines of the file")
        if p.twice:
            say("names that stand twice in the header are told apart by .1, .2 as pandas does")
        formulas = sum(k for c in t.columns for v, k in c.top.items()
                       if v[:1] in "=@" and len(v) > 1 or v[:1] in "+-" and re.match(r"[+-][A-Za-z(]|[+-].*\|", v))
        if formulas:
            say("%s with = + - or @ as a formula does; keep such texts as text when writing XLSX" %
                (count(formulas, "field") + (" begins" if formulas == 1 else " begin")))
        long = [c for c in t.columns if c.long and c.long > 32000]
        if long:
            say("a field of %d characters in %s" % (long[0].long, self.label(found, t.columns.index(long[0]))))

    def label(self, found, i):
        name = found.table.names[i]
        if self.schema and not found.sure or i in getattr(found, "withheld", ()) and self.schema:
            return "column %d" % (i + 1)
        return bare(name) if self.delimited is None or self.delimited.dialect.header else "column %s" % name

    def check_lines(self, pandas, deadline):
        p = self.delimited
        if p is not None and p.table is not None:
            line = "pd.read_csv(%s%s)" % (
                ", ".join([json.dumps(self.name, ensure_ascii=False)] + csv_options(p)), self.packed or "")
            self.tables[0].line = self.checked(line, pandas, deadline)
        else:
            for found in self.tables:
                if found.line.startswith("pd.") and (found.all_read or found.at_least) and self.size <= CHECKED // (
                        16 if self.kind == "XLSX" else 1):
                    found.line = self.checked(found.line, pandas, deadline, found)

    def checked(self, line, pandas, deadline, found=None):
        p, t = self.delimited, (found or self.tables[0]).table
        other = 'csv.reader(open(%s, encoding="%s", errors="replace", newline="")%s)' % (
            json.dumps(self.name, ensure_ascii=False), p.encoding, "" if p.dialect.delimiter == "," else
            ", delimiter=%s" % json.dumps(p.dialect.delimiter)) if p and self.packed is None else ""
        if pandas is None:
            return other + " (run here; there is no pandas)" if other else line
        if time.monotonic() > deadline:
            return line + " (not tried: no time was left)"
        whole = self.size <= CHECKED
        one = found or self.tables[0]
        if one.at_least or one.far or t.widest > 2 * t.width + 100 or (
                t.width * t.rows > MOST_CELLS and found is not None):
            # Pandas makes an index of what a row has too much; a table with holes takes their memory too.
            return (other or line) + " (not tried: it may take all memory)"
        if found is not None:
            os.chdir(os.path.dirname(self.path))
            text, told = check(line, found.total, found.table.width, True, pandas, self.schema)
            return "%s (%s)" % (text or line, told if text else "pandas could not: " + told)
        rows = t.rows - t.longer if p.all_read else None
        os.chdir(os.path.dirname(self.path))
        if p.all_read and t.rows == 0:
            rows = 0
        text, told = check(line, rows, t.width - p.extra_index, whole, pandas, self.schema)
        if text:
            return "%s (%s)" % (text, told)
        return "%s (%spandas could not: %s)" % (other or line, "run here; " if other else "", told)

    # -- words --

    def words(self, columns, limit):
        if not self.kind:
            return ""
        out = [self.kind + (": " + ", ".join(self.facts) if self.facts else "") + "."]
        out += ["Note: %s." % n.rstrip(".") for n in self.notes[:30]]
        if len(self.notes) > 30:
            out.append("Note: %d further notes." % (len(self.notes) - 30))
        for i, found in enumerate(self.tables):
            size = sum(len(x) for x in out)
            if size > limit:
                out.append("%d further tables are not shown." % (len(self.tables) - i))
                break
            self.table_words(found, columns, limit - size, out)
        return "\n".join(out)

    def title(self, found):
        word = {"XLSX": "Sheet", "SQLite": "Table"}.get(self.kind, "Member")
        return "%s %s: " % (word, quote(found.title, MAX_LINE)) if found.title else ""

    def table_words(self, found, columns, limit, out):
        t = found.table
        how = "" if found.exact else "at least " if found.at_least else "about "
        read = "all were read" if found.all_read else "types, counts and ranges are of %d of them" % t.rows
        if getattr(found, "places", 0):
            read = "types, counts and ranges are of %d of them: the first %d, and %d from %d places behind" % (
                t.rows, found.scanned, t.rows - found.scanned, found.places)
        out.append("%s%s%s, %s; %s." % (self.title(found), how, count(found.total, "row"), count(t.width, "column"), read)
                   if t.rows or not found.all_read else
                   "%sno rows, %s: a header and nothing else." % (self.title(found), count(t.width, "column")))
        if found.all_read and t.repeated():
            out.append("Note: %s the same as an earlier one in every field." % (
                "1 row is" if t.repeated() == 1 else "%d rows are" % t.repeated()))
        out += ["Note: %s." % n for n in found.notes[:10]]
        if found.keys:
            out.append("Keys: %s." % "; ".join(quote(k, 200)[1:-1] for k in found.keys[:20]))
        used, shown, hidden = 0, 0, []
        samples = [] if self.schema else [s for s in t.samples if any(v not in (None, "") for v in s[1])]
        room = limit * (0.7 if samples else 0.95)
        for i, c in enumerate(t.columns):
            text = self.column_words(found, i, c)
            if shown >= columns or used + len(text) > room:
                hidden.append(c)
                continue
            used, shown = used + len(text) + 1, shown + 1
            out.append(text)
        if hidden:
            kinds = collections.Counter(WORDS.get(c.family()[0], c.family()[0]) for c in hidden)
            out.append("- and %d further columns: %s" % (
                len(hidden), ", ".join("%d %s" % (n, w) for w, n in kinds.most_common())))
        if self.schema and not found.sure and t.width:
            out.append("Names of columns are left out: they may be values.")
        for n, row in samples:
            text = ", ".join(quote(v) if isinstance(v, (str, dict, list)) else "null" if v is None else str(v)[:MAX_SHOWN]
                             for v in row[:shown])
            out.append("Row %d: %s" % (n, text[:max(200, int(limit * 0.1))] + (
                "... (cut)" if len(text) > max(200, int(limit * 0.1)) else "")))
        if found.line:
            out.append("Read it: %s" % found.line)

    def column_words(self, found, i, c):
        declared = getattr(found, "declared", None)
        if declared and not c.rows:
            return "- %s: %s" % (self.label(found, i), quote(declared[i] or "?", 40)[1:-1])
        parts = [c.type_words(not self.schema)]
        kind, _ = c.family()
        if declared and declared[i]:
            parts[0] += " (declared %s)" % quote(declared[i], 40)[1:-1]
        nulls = c.null_count()
        if c.rows:
            parts.append("%d missing" % nulls if nulls else "none missing")
        if c.missing():
            parts[-1] += " (of them written %s)" % ", ".join(quote(w) for w in sorted(c.missing()))
        distinct = c.distinct.count()
        if kind not in ("empty", "object", "list", "bytes"):
            exact = c.distinct.level == 0
            filled = c.rows - nulls
            parts.append("all different" if exact and distinct == filled and filled > 1 else
                         "%s%d different" % ("" if exact else "about ", distinct))
        if not self.schema:
            if c.range_words():
                parts.append(c.range_words())
            top = c.frequent(SHOWN_VALUES)
            if kind in ("text", "code", "bool") and top and not c.top_full and distinct < max(2, c.rows * 0.5):
                parts.append(("values: " if distinct <= len(top) else "most frequent: ") +
                             ", ".join("%s (%d)" % (quote(v, 40), k) for v, k in top))
        if c.edges:
            parts.append("%d with blanks around them" % c.edges)
        return "- %s: %s" % (self.label(found, i), "; ".join(parts))

    def columns(self):
        """Each table's columns by name and type, for the record: by these a re-run compares its files. What has no
        name to be told, or is beyond the bound, is counted."""
        out, left = [], RECORDED_COLUMNS
        for found in self.tables:
            withheld = getattr(found, "withheld", ()) if self.schema else ()
            listed, unnamed, more = [], 0, 0
            for i, c in enumerate(found.table.columns):
                if self.schema and not found.sure or i in withheld:
                    unnamed += 1
                elif left == 0:
                    more += 1
                else:
                    left -= 1
                    col = {"name": c.name[:RECORDED_NAME], "type": c.family()[0]}
                    if col["type"] == "date":
                        col["formats"] = [f for f, _ in c.format_words()[:8]]
                    listed.append(col)
            out.append({"title": found.title[:RECORDED_NAME], "columns": listed, "unnamed": unnamed, "more": more})
        return out

    def data(self):
        """The same for programs."""
        out = {"name": self.name, "kind": self.kind or None, "bytes": self.size, "facts": self.facts,
               "notes": self.notes, "tables": []}
        for found in self.tables:
            t = found.table
            o = {"title": found.title, "rows": found.total, "rows_exact": found.exact, "rows_read": t.rows,
                 "all_read": found.all_read, "read": found.line, "notes": found.notes, "keys": found.keys,
                 "repeated_rows": t.repeated() if found.all_read else None, "columns": []}
            for i, c in enumerate(t.columns):
                col = {"name": self.label(found, i) if self.schema else c.name[:1000], "type": c.family()[0],
                       "words": c.type_words(not self.schema), "missing": c.null_count(), "distinct": c.distinct.count(),
                       "distinct_exact": c.distinct.level == 0}
                if c.formats:
                    col["formats"] = [f for f, _ in c.format_words()]
                if getattr(found, "declared", None):
                    col["declared"] = found.declared[i]
                if not self.schema:
                    col["range"] = c.range_words()
                o["columns"].append(col)
            if not self.schema:
                o["samples"] = [{"row": n, "values": [quote(v, 200) for v in row[:200]]} for n, row in t.samples]
            out["tables"].append(o)
        return out


def is_object(line):
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def installed(name):
    import importlib.util
    return importlib.util.find_spec(name) is not None


# ---- join keys ----

def plain_name(name, title):
    name = re.sub(r"[^a-z0-9]", "", name.lower())
    title = re.sub(r"[^a-z0-9]", "", title.lower().rpartition(".")[0] or title.lower()).rstrip("s")
    return (title if name in ("id", "code", "key", "no") else name.removesuffix("id").removesuffix("code").rstrip("s")) or name


def joins_of(files):
    columns = []
    for f in files:
        for found in f.tables:
            title = found.title or f.name
            for i, c in enumerate(found.table.columns[:400]):
                if c.family()[0] in ("int", "code", "text", "digits") and c.distinct.count() >= 3:
                    where = f.name + (" " + quote(found.title, MAX_LINE) if found.title else "")
                    name = plain_name(c.name, title) if not c.name.isdigit() else ""
                    columns.append((found, "%s %s" % (where, f.label(found, i)), name, c))
    out, looked = [], 0
    for i, (fa, wa, na, a) in enumerate(columns):
        for fb, wb, nb, b in columns[i + 1:]:
            if fa is fb or (a.family()[0] == "text") != (b.family()[0] == "text"):
                continue
            looked += 1
            if looked > 200000:
                break
            both = []
            for one, two, w1, w2 in ((a, b, wa, wb), (b, a, wb, wa)):
                unique = two.distinct.count() >= (two.rows - two.null_count()) * 0.95
                if not unique:
                    continue
                share, n = one.distinct.within(two.distinct)
                same = na == nb and na != ""
                if not same and None not in (one.low, two.low) and (one.high - one.low) * 2 < two.high - two.low:
                    continue        # small numbers are in every run of numbers
                least = 3 if same else 20 if one.family()[0] == "text" else 100
                if n >= least and share >= (0.5 if same else 0.9):
                    both.append((same, share, "%s = %s: %.4g %% of the %d different values of the first are in the second"
                                % (w1, w2, 100 * share, one.distinct.count())))
            if both:
                out.append(max(both))
    out.sort(key=lambda x: (-x[0], -x[1]))
    return [text for _, _, text in out[:MAX_JOINS]]


# ---- all of them ----

def emit(o):
    # A lone surrogate, which JSON can hold, is no text.
    sys.stdout.write(json.dumps(o, ensure_ascii=False).encode("utf-8", "replace").decode() + "\n")
    sys.stdout.flush()


def profile(spec):
    schema = spec["mode"] == "schema"
    end = time.monotonic() + spec["seconds"]
    pandas, files = None, []
    try:
        pandas = __import__("pandas")
    except BaseException:
        pass        # not there, or broken: the csv module reads it
    left = sum(f["bytes"] for f in spec["files"]) + 1
    for i, f in enumerate(spec["files"]):
        now = time.monotonic()
        # Half of what is left by its size, half by its turn: a small file behind a large one has time too.
        part = 0.5 / (len(spec["files"]) - i) + 0.5 * f["bytes"] / left
        left -= f["bytes"]
        one, why = File(f, schema), ""
        deadline = now + max(0.05, (end - now) * part)
        try:
            one.look(deadline)
        except Unreadable as e:
            why = str(e)
        except MemoryError:
            why = "it takes more memory than the sandbox has"
        except Exception as e:
            why = type(e).__name__ if schema else "%s: %s" % (type(e).__name__, str(e)[:200])
        if why:
            one.kind, one.facts = one.kind or "file", one.facts + ["it could not be profiled: " + why]
        try:
            one.check_lines(pandas, end + 2)
        except Exception as e:
            one.notes.append("its reading could not be checked: %s" % type(e).__name__)
        files.append(one)
        o = {"name": one.name, "failed": why}
        try:
            o["text"] = one.words(spec["columns"], spec["bytes"])
            o["tables"] = one.columns()
            if spec["json"]:
                o["data"] = one.data()
        except Exception as e:
            o.update(failed="%s in the words" % type(e).__name__, text="")
        emit(o)
    try:
        emit({"joins": joins_of(files) if sum(len(f.tables) for f in files) > 1 else []})
    except Exception as e:
        emit({"joins": [], "failed": type(e).__name__})
