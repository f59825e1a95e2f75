"""The intake profile, part 2: text files. Encoding, and CSV with all that can be odd about it."""
import codecs
import csv
import io
import itertools
import os
import time
import unicodedata

HEAD = 256 << 10            # bytes that the guesses are made from
LONGEST_LINE = 8 << 20      # characters; a "line" beyond it is no line
BATCH = 4000                # rows that are looked at together
MAX_CELLS = 1000000          # of a batch: wide tables have shorter ones
PLACES = 24                 # of a large file that are sampled behind its beginning
MAX_DISTINCT = 3000000      # hashes kept, over all columns of a file
DELIMITERS = ",;\t|^~:"
MAX_WIDTH = 20000           # columns of a table; a spreadsheet has 16,384
NAME = re.compile(r"[^\W\d][\w .()%/$#&-]{0,60}")     # what a header usually holds
COUNTED = {"bad": 0}

csv.field_size_limit(LONGEST_LINE)


def count_bad(e):
    if isinstance(e, UnicodeDecodeError):
        COUNTED["bad"] += 1
        return "\ufffd", e.end
    raise e


codecs.register_error("counted", count_bad)


class Unreadable(Exception):
    """What is told instead of a profile."""


# ---- encoding ----

SINGLE = ("cp1252", "cp1251", "cp1250", "cp1253", "cp1254", "cp1255", "cp1256", "koi8_r")
DOUBLE = ("shift_jis", "gb18030", "euc_kr", "big5", "euc_jp")


def likely_text(text):
    """How much its non-ASCII characters look like words, from 0 to 1."""
    good = bad = 0.0
    before = ""
    scripts = {}
    for c in text:
        if c < "\x80":
            before = c
            continue
        kind = unicodedata.category(c)
        if kind in ("Ll", "Lu", "Lo", "Lm"):
            script = unicodedata.name(c, "?").split()[0]
            scripts[script] = scripts.get(script, 0) + 1
            good += 1
            if kind == "Lu" and before and before.islower():
                bad += 1        # an upper-case letter within a word
            if before.isalpha() and before < "\x80" and script not in ("LATIN",):
                bad += 0.5      # scripts mixed within a word
            if script == "LATIN" and before > "\x7f" and before.isalpha():
                bad += 0.6      # accents side by side: another script taken for Latin
            if script == "HALFWIDTH":
                bad += 0.7
        elif kind in ("Sc", "Pd", "Pi", "Pf", "Po", "Ps", "Pe") or c in "°²³½¼×\u3000":
            good += 0.7
        else:
            bad += 1
        before = c
    if good + bad == 0:
        return 0.0
    if len(scripts) > 1:        # rare scripts beside the main one
        bad += (sum(scripts.values()) - max(scripts.values())) * (0.2 if "CJK" in scripts else 0.8)
    return good / (good + bad)


def common_cjk(text, codec):
    """The share of the two-byte characters that stand in the much-used part of their set."""
    wide = [c for c in text if ord(c) > 0x2e00]
    if not wide:
        return 0.0
    kana_or_hangul = sum(1 for c in wide if 0x3040 <= ord(c) < 0x3100 or 0xac00 <= ord(c) < 0xd7a4)
    used = 0
    for c in wide:
        try:
            lead = c.encode(codec)[0]
        except UnicodeEncodeError:
            continue
        first, last = {"shift_jis": (0x81, 0x97), "gb18030": (0xb0, 0xd7), "euc_kr": (0xb0, 0xc8),
                       "big5": (0xa4, 0xc6), "euc_jp": (0xa4, 0xcf)}[codec]
        used += first <= lead <= last
    return min(1.0, used / len(wide) + 0.2 * kana_or_hangul / len(wide))


def is_utf8(data):
    try:
        data.decode()
        return True
    except UnicodeDecodeError:
        return False


def encoding_of(head, whole):
    """(Python's name, mark at the beginning?, note)"""
    for mark, name in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32"),
                       (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if head.startswith(mark):
            return name, True, ""
    odd, even = head[1::2].count(0), head[::2].count(0)
    if odd > len(head) / 4 and even * 10 < odd:
        return "utf-16-le", False, ""
    if even > len(head) / 4 and odd * 10 < even:
        return "utf-16-be", False, ""
    if head.isascii():
        return "utf-8", False, ""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(head, whole)
        return "utf-8", False, ""
    except UnicodeDecodeError:
        pass
    lines = [line for line in head.split(b"\n") if not line.isascii()]
    right = sum(1 for line in lines if is_utf8(line))
    text = head.decode("utf-8", "surrogateescape")
    wrong = sum(1 for c in text if "\udc80" <= c <= "\udcff")
    # Text of another encoding is seldom UTF-8 by chance, not in a third of its lines.
    if right >= 3 and right * 3 >= len(lines) or sum(1 for c in text if c > "\x7f") > 3 * wrong:
        return "utf-8", False, "mixed"
    lines = lines[:400]
    sample = b"\n".join(lines)[:30000]
    best, score = "latin-1", -1.0
    for name in DOUBLE + SINGLE:
        try:
            decoder = codecs.getincrementaldecoder(name)()
            text = decoder.decode(sample[:len(sample) - (len(sample) == 30000)], False)
        except UnicodeDecodeError:
            continue
        s = likely_text(text)
        s = s * common_cjk(text, name) * 1.02 if name in DOUBLE else s * (1.0 if name == "cp1252" else 0.97)
        if s > score:
            best, score = name, s
    return best, False, "guessed"


# ---- how a table is written ----

def split_rows(text, limit=200, **how):
    rows = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), **how):
            rows.append(row)
            if len(rows) >= limit:
                break
    except csv.Error:
        pass
    return rows


class Dialect:
    def __init__(self):
        self.delimiter, self.quote, self.escape = ",", '"', None
        self.skip = 0           # lines above the table
        self.comment = None
        self.header = True
        self.sure = True        # that the first row is a header
        self.width = 1
        self.prose = False      # blanks follow the delimiters, as in sentences

    def how(self):
        out = {"delimiter": self.delimiter, "quotechar": self.quote}
        if self.escape:
            out.update(escapechar=self.escape, doublequote=False)
        return out


def usual_width(rows):
    counts = {}
    for row in rows:
        counts[len(row)] = counts.get(len(row), 0) + 1
    return max(counts, key=lambda n: (counts[n], n)) if counts else 0


def dialect_of(text, name, cut):
    d = Dialect()
    lines = list(io.StringIO(text, newline=""))
    if cut and len(lines) > 1:
        lines.pop()
    comments = {i for i, line in enumerate(lines) if line.startswith("#")}
    if comments == {0} and len(lines) > 1 and any(0 < lines[0].count(c) == lines[1].count(c) for c in DELIMITERS):
        comments = set()        # a header that begins with the sign
    if len(comments) * 2 > len(lines) or all(len(lines[i].strip()) < 3 for i in comments):
        comments = set()
    kept = [i for i in range(len(lines)) if i not in comments]
    text = "".join(lines[i] for i in kept)
    best = -1.0
    for c in DELIMITERS:
        if c not in text:
            continue
        quote = '"'
        if text.count("'" + c + "'") > 2 and '"' + c not in text:
            quote = "'"
        rows = [row for row in split_rows(text, delimiter=c, quotechar=quote) if row]
        width = usual_width(rows)
        if width < 2:
            continue
        same = sum(1 for row in rows if len(row) == width) / len(rows)
        score = same + min(width, 20) * 0.01 - (0.25 if c in ":^~" else 0)
        spaced = sum(1 for row in rows for f in row[1:] if f[:1] == " ") / max(1, sum(len(r) - 1 for r in rows))
        if c in ",:" and spaced > 0.6:
            score -= 0.4        # prose
        if name.lower().endswith((".tsv", ".tab")) and c == "\t":
            score += 0.3
        if score > best:
            best, d.delimiter, d.quote, d.width = score, c, quote, width
            d.prose = c in ",:" and spaced > 0.6
    if '\\"' in text and text.count('\\"') > text.count('""') - text.count('"",'):
        d.escape = "\\"
    rows = split_rows(text, **d.how())
    if "\\" + d.delimiter in text and not d.escape:
        # A backslash before the delimiter: is it meant to take away its meaning?
        d.escape = "\\"
        other = split_rows(text, **d.how())
        if len({len(row) for row in other if row}) < len({len(row) for row in rows if row}):
            rows = other
        else:
            d.escape = None
    filled = [(i, row) for i, row in enumerate(rows) if row]
    d.width = usual_width([row for _, row in filled]) or 1
    first = 0
    if d.width > 1:
        first = next((i for i, row in filled if len(row) >= d.width), 0)
        run = [len(row) for i, row in filled if i >= first][:3]
        if first > 50 or any(n != d.width for n in run):
            first = 0
    if first or (comments and min(comments) < kept[0]):
        d.skip = kept[first] if first < len(kept) else 0
        d.comment = "#" if any(i > d.skip for i in comments) else None
    elif comments:
        d.comment = "#"
    d.skipped = first
    filled = [(i, row) for i, row in filled if i >= first]
    header_of(d, [row for _, row in filled])
    return d


def header_of(d, rows):
    """Is the first row a header? By how its fields differ from those below."""
    if not rows:
        return
    first, body = rows[0], rows[1:100]
    if any(INT.fullmatch(v.strip()) or (DEC.fullmatch(v.strip()) and v.strip() not in ("", ".")) or v.strip() == "\\N"
           or date_of(v.strip()) for v in first if v and len(v) <= 40) and not all(
               re.fullmatch("(?:19|20)[0-9]{2}", v.strip()) for v in first[1:] if v.strip()):
        # Years may head columns; any other number does not, unless nearly all other fields are names.
        names = sum(1 for v in first if re.match(r"[A-Za-z_]", v.strip()))
        if names < len(first) * 0.8 or len(first) < 4:
            d.header = False
            return
    if not any(v.strip() for v in first):
        d.header = False
        return
    votes = strong = 0
    for i, head in enumerate(first):
        values = [row[i].strip() for row in body if i < len(row) and row[i].strip() not in NULLS]
        head = head.strip()
        if not values or head in NULLS or head in MAYBE_NULLS:
            continue
        kinds = {kind_of(v)[0] if len(v) <= 60 else "text" for v in values}
        if "text" not in kinds:
            votes += 2
            strong += NAME.fullmatch(head) is not None
        elif head in values:
            votes -= 2
        elif len({len(v) for v in values}) == 1 and len(values) > 2:
            votes += 1 if len(head) != len(values[0]) else -1
        elif len(values) > 5 and len(set(values)) < len(values) / 3:
            votes += 1
    names = sum(1 for v in first if NAME.fullmatch(v.strip()))
    d.header = votes >= 0 if names >= len(first) * 0.5 else votes > 0
    d.sure = not d.header or strong > 0


# ---- reading ----

def text_lines(raw, encoding):
    """Lines of a file, with a bound on their length; NULs are dropped and counted."""
    f = io.TextIOWrapper(raw, encoding=encoding, errors="counted", newline="")
    for number in itertools.count(1):
        line = f.readline(LONGEST_LINE)
        if not line:
            return
        if len(line) >= LONGEST_LINE and line[-1] not in "\r\n":
            raise Unreadable("line %d is longer than %d MiB: it and what follows were not looked at"
                             % (number, LONGEST_LINE >> 20))
        if "\0" in line:
            COUNTED["nul"] = COUNTED.get("nul", 0) + line.count("\0")
            line = line.replace("\0", "")
        yield line


class Table:
    """Rows into columns."""

    def __init__(self, names, typed=False):
        self.names = list(names)
        cap = max(500, min(50000, MAX_DISTINCT // max(1, len(self.names))))
        self.columns = [Column(n, cap, typed) for n in self.names]
        self.width = len(self.columns)
        self.rows = self.longer = self.shorter = self.blank = self.widest = 0
        self.first_bad = None
        self.samples = []
        self.batch = []
        self.whole = None if typed else Distinct(400000)    # rows, to tell how many stand twice
        self.size = max(1, min(BATCH, MAX_CELLS // max(1, self.width)))

    def add(self, row):
        """False when its batch was just looked at: the time to look at the clock."""
        n = len(row)
        if n != self.width:
            if not row:
                self.blank += 1
                return True
            if self.first_bad is None:
                self.first_bad = self.rows + 1
            if n > self.width:
                self.longer += 1
                self.widest = max(self.widest, n)
                row = row[:self.width]
            else:
                self.shorter += 1
                row = row + [""] * (self.width - n)
        self.rows += 1
        if self.rows <= 2:
            self.samples.append((self.rows, row))
        self.batch.append(row)
        if len(self.batch) < self.size:
            return True
        self.flush()
        return False

    def repeated(self):
        """How many rows are the same as one before; None when it is not known."""
        return None if self.whole is None or self.whole.level else self.rows - self.whole.count()

    def flush(self):
        if not self.batch:
            return
        if self.rows > 2:
            self.samples[2:] = [(self.rows, self.batch[-1])]
        for column, values in zip(self.columns, zip(*self.batch)):
            column.add(values)
        if self.whole is not None:
            self.whole.add(map(tuple, self.batch))
        self.batch = []


def pandas_names(first, header):
    """What pandas calls the columns: one that stands twice gets the first number that makes a new name."""
    if not header:
        return [str(i) for i in range(len(first))]
    out = [name or "Unnamed: %d" % i for i, name in enumerate(first)]
    taken, seen = set(out), {}
    for i in sorted(range(len(out)), key=lambda i: not first[i]):
        name = out[i]
        k = seen.get(name, 0)
        while k and "%s.%d" % (name, k) in taken:
            k += 1
        seen[name] = k + 1
        if k:
            out[i] = "%s.%d" % (name, k)
            taken.add(out[i])
    return out


def count_lines(path, start, deadline):
    """(line ends from there on, bytes looked at)"""
    n = at = 0
    with open(path, "rb", buffering=0) as f:
        f.seek(start)
        while time.monotonic() < deadline:
            data = f.read(4 << 20)
            if not data:
                break
            n += data.count(b"\n")
            at += len(data)
    return n, at


def sample_places(path, size, start, table, d, encoding, deadline):
    """Rows of PLACES places behind `start`: those with the right number of fields."""
    places = 0
    with open(path, "rb") as f:
        for i in range(PLACES):
            if time.monotonic() > deadline:
                break
            f.seek(start + (size - start) * i // PLACES)
            data = f.read(128 << 10)
            data = data[data.find(b"\n") + 1:data.rfind(b"\n") + 1]
            for row in split_rows(data.decode(encoding.replace("-sig", ""), "replace").replace("\0", ""), 2000, **d.how()):
                if len(row) == table.width:
                    table.add(row)
            places += 1
    return places


class Delimited:
    """A file of rows and delimiters."""

    def __init__(self, path, name, head, size, deadline):
        self.path, self.name, self.size, self.deadline = path, name, size, deadline
        self.notes = []
        self.rows_exact = self.all_read = True
        self.places = 0
        self.at_least = False       # its rows were not all counted
        COUNTED.clear()
        COUNTED["bad"] = 0
        self.encoding, self.mark, self.how_known = encoding_of(head, len(head) >= size)
        text = head.decode(self.encoding if self.encoding != "utf-8" else "utf-8", "replace").replace("\0", "")
        self.dialect = dialect_of(text, name, len(head) < size)
        self.multiline = False
        self.formulas = 0
        self.table = None

    def read(self):
        d = self.dialect
        begun = time.monotonic()
        scan_until = begun + (self.deadline - begun) * (0.55 if self.size > (8 << 20) else 0.9)
        raw = open(self.path, "rb", buffering=0)
        counted = Counting(raw)
        stopped = ""
        with io.BufferedReader(counted, 1 << 20) as f:
            quotes = [0]
            reader = csv.reader(self.kept_lines(text_lines(f, self.encoding), quotes), **d.how())
            first = next((row for row in self.good(reader) if len(row) > 1 or any(v.strip() for v in row)), None)
            if first is None:
                raise Unreadable("it holds no row: %s" % (
                    "nothing but NUL bytes" if COUNTED.get("nul", 0) > self.size / 2 else "only blanks and line ends"
                    if self.size > 4 else "only a byte order mark" if self.mark else "only line ends"))
            width = len(first)
            if width > MAX_WIDTH:
                raise Unreadable("it has %d columns, and more than %d are not looked at" % (width, MAX_WIDTH))
            self.extra_index = bool(d.header and d.width == width + 1)
            if not d.header:
                width = max(width, d.width)
                first = first + [""] * (width - len(first))
            if self.extra_index:
                first = ["(row names)"] + first
            self.table = t = Table(pandas_names(first, d.header))
            if not d.header:
                t.add(first)
            try:
                for row in self.good(reader):
                    if t.add(row) or time.monotonic() < scan_until:
                        continue
                    self.all_read = False
                    break
            except Unreadable as e:
                stopped, self.all_read = str(e), False
            self.scanned = t.rows
            at = counted.count if not self.all_read else self.size
            self.multiline = reader.line_num > t.rows + d.skip + 1 + t.blank and self.all_read or \
                reader.line_num > (t.rows + d.skip + 50) * 1.01
        t.flush()
        self.total = t.rows
        self.twice = d.header and len(set(filter(None, first))) < sum(map(bool, first))
        self.unclosed = self.all_read and d.escape is None and quotes[0] % 2 and t.rows > 0 and any(
            "\n" in v for v in t.samples[-1][1])
        if stopped:
            self.notes.append(stopped)
            self.at_least, self.rows_exact = True, False
        elif not self.all_read:
            self.estimate(at)

    def kept_lines(self, lines, quotes):
        d = self.dialect
        for i, line in enumerate(lines):
            if i < d.skip or (d.comment and line.startswith(d.comment)):
                continue
            quotes[0] += line.count(d.quote)
            yield line

    def good(self, reader):
        """Rows; what csv cannot read ends them with the reason."""
        while True:
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as e:
                raise Unreadable("row %d cannot be read: %s" % (reader.line_num, e))
            yield row

    def estimate(self, at):
        """The rest of a large file: sampled, and its rows counted as far as the time goes."""
        t = self.table
        rows, size = t.rows, self.size
        bytes_a_row = at / max(1, rows)
        wide = self.encoding.startswith(("utf-16", "utf-32"))
        until = time.monotonic() + (self.deadline - time.monotonic()) * 0.35
        if not wide:
            self.places = sample_places(self.path, size, at, t, self.dialect, self.encoding, until)
            t.flush()
        if wide or self.multiline:
            self.rows_exact, self.total = False, int(size / bytes_a_row)
            return
        lines, looked = count_lines(self.path, 0, self.deadline)
        with open(self.path, "rb") as f:
            f.seek(max(0, size - 1))
            lines += f.read(1) != b"\n"
        above = self.dialect.skip + (1 if self.dialect.header else 0)
        if looked >= size:
            self.total = lines - above - t.blank
        else:
            self.rows_exact, self.total = False, int(size / (looked / lines if looked > at and lines else bytes_a_row))


class Counting(io.RawIOBase):
    """A raw file that knows how far it was read."""

    def __init__(self, raw):
        self.raw, self.count = raw, 0

    def readable(self):
        return True

    def readinto(self, b):
        n = self.raw.readinto(b)
        self.count += n or 0
        return n

    def close(self):
        self.raw.close()
        super().close()
