"""The intake profile, part 1: what the values of one column are.

The parts (profile_column, profile_text, profile_json, profile_binary, profile_packed, profile) are one cell, in
this order, and no files of the driver: it runs in a context of its own, before any code of the model's,
over files that may be hostile. Only the standard library is needed. Values are looked at once each where a batch
repeats them, and everything that grows with the data has a cap.
"""
import sys

# The attached files lie in the working directory, and none of them is to be run: a sqlite3.py is a file like others.
sys.path[:] = [p for p in sys.path if p not in ("", ".", "/workspace")]
import collections
import re

NULLS = {"", "NA", "N/A", "n/a", "#N/A", "NULL", "null", "None", "nan", "NaN", "<NA>", "-nan", "-NaN",
         "#NA", "1.#IND", "1.#QNAN", "-1.#IND", "-1.#QNAN", "#N/A N/A"}   # what pandas takes for missing
MAYBE_NULLS = {"\\N", "-", "--", "?", ".", "n.a.", "N.A.", "missing", "unknown", "*"}
BOOLEANS = {"true", "false", "yes", "no", "t", "f", "y", "n"}
MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()

NO_TEXT = set(MONTHS) | {"usd", "eur", "gbp", "rub", "jpy", "cny", "chf", "руб"}    # a date or an amount may begin so

INT = re.compile(r"[+-]?[0-9]+")
DEC = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
DEC_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+(?:[eE][+-]?[0-9]+)?")
GROUPED = re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?")
GROUPED_DOT = re.compile(r"[+-]?[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]+|[+-]?[0-9]{1,3}(?:\.[0-9]{3}){2,}")
GROUPED_SPACE = re.compile("[+-]?[0-9]{1,3}(?:[ \u00a0\u202f'][0-9]{3})+(?:[.,][0-9]+)?")
CURRENCY = re.compile("[$€£¥₽₹₩₺₴]|\\b(?:USD|EUR|GBP|RUB|JPY|CNY|CHF)\\b|руб\\.?|zł|kr\\.?")
TIME = re.compile(r"[0-2]?[0-9]:[0-5][0-9](?::[0-5][0-9](?:[.,][0-9]+)?)?(?: ?[AaPp][Mm])?")
ALL_INT = re.compile(r"(?:-?(?:0|[1-9][0-9]{0,17})\n)+")
ALL_DEC = re.compile(r"(?:[+-]?[0-9]{1,18}\.[0-9]{1,18}\n)+")
ALL_ISO = re.compile(r"(?:(?:19|20)[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])\n)+")
ISO = re.compile(r"([0-9]{4})([-/.])([0-9]{1,2})\2([0-9]{1,2})")
NUMERIC_DATE = re.compile(r"([0-9]{1,2})([-/.])([0-9]{1,2})\2([0-9]{4}|[0-9]{2})")
DAY_NAME = re.compile(r"([0-9]{1,2})([- /.]?)([A-Za-z]{3,9})\.?,?\2([0-9]{4}|[0-9]{2})")
NAME_DAY = re.compile(r"([A-Za-z]{3,9})\.? ([0-9]{1,2}),? ([0-9]{4})")
MONTH = re.compile(r"([A-Za-z]{3})[- ']([0-9]{4}|[0-9]{2})")
YEAR_MONTH = re.compile(r"((?:19|20)[0-9]{2})-(0[1-9]|1[0-2])")

MAX_TOP = 2000      # values that are counted one by one
MAX_SHOWN = 60      # characters of a value


class Distinct:
    """How many different values: exact up to the cap, beyond it an estimate from a sample of hashes
    that keeps its size (each step of the level halves it). Two of them can be compared: the sample
    is by hash, so both hold the same values at the same level."""

    def __init__(self, cap):
        self.cap, self.level, self.kept = cap, 0, set()

    def add(self, values):
        mask = (1 << self.level) - 1
        self.kept.update([h for h in map(hash, values) if not h & mask] if mask else map(hash, values))
        while len(self.kept) > self.cap:
            self.level += 1
            mask = (1 << self.level) - 1
            self.kept = {h for h in self.kept if not h & mask}

    def count(self):
        return len(self.kept) << self.level

    def within(self, other):
        """The share of its values that the other has, and how many of them were compared."""
        if self.level == other.level:
            return len(self.kept & other.kept) / max(1, len(self.kept)), len(self.kept)
        mask = (1 << max(self.level, other.level)) - 1
        mine = {h for h in self.kept if not h & mask}
        return (len(mine & other.kept) / len(mine) if mine else 0.0), len(mine)


def year(text):
    return int(text) if len(text) == 4 else 2000 + int(text) if int(text) < 69 else 1900 + int(text)


def month_number(word):
    return MONTHS.index(word[:3].lower()) + 1 if word[:3].lower() in MONTHS else 0


def valid(y, m, d):
    return 1 <= m <= 12 and 1 <= d <= 31 and 1 <= y <= 9999


def date_of(text):
    """(format of strftime with {dm} where day and month can stand either way, key, other key) or None.
    A key is (year, month, day, rest)."""
    rest, day = "", text
    m = re.fullmatch(r"(\S+(?: [0-9]{1,2},? [0-9]{4})?)([T ]+)([0-2]?[0-9]:[0-5][0-9].*)", text)
    clock = ""
    if m:
        day, rest = m[1], m[3]
        t = re.fullmatch(r"[0-2]?[0-9]:[0-5][0-9](:[0-5][0-9])?([.,][0-9]+)?( ?[AaPp][Mm])?"
                         r"(Z|[+-][0-9]{2}:?[0-9]{2})?( ?UTC)?", rest)
        if not t:
            return None
        clock = m[2][0] + ("%I" if t[3] else "%H") + ":%M" + (":%S" if t[1] else "") + (".%f" if t[2] else "") \
            + (t[3][:-2] + "%p" if t[3] else "") + ("%z" if t[4] else "") + (t[5] or "")
    m = ISO.fullmatch(day)
    if m and valid(int(m[1]), int(m[3]), int(m[4])):
        return "%Y" + m[2] + "%m" + m[2] + "%d" + clock, (int(m[1]), int(m[3]), int(m[4]), rest), None
    m = NUMERIC_DATE.fullmatch(day)
    if m:
        y, a, b = year(m[4]), int(m[1]), int(m[3])
        form = "{dm}" + m[2] + ("%Y" if len(m[4]) == 4 else "%y") + clock
        first, second = valid(y, b, a), valid(y, a, b)      # day first, month first
        if first and second and a != b:
            return form.replace("{dm}", "{dm}" + m[2]), (y, b, a, rest), (y, a, b, rest)
        if first:
            form = form.replace("{dm}", "{dm}" + m[2] if a == b else "%d" + m[2] + "%m")
            return form, (y, b, a, rest), (y, a, b, rest) if a == b else None
        if second:
            return form.replace("{dm}", "%m" + m[2] + "%d"), (y, a, b, rest), None
        return None
    m = DAY_NAME.fullmatch(day)
    if m and month_number(m[3]):
        name = "%b" if len(m[3]) == 3 else "%B"
        form = "%d" + m[2] + name + m[2] + ("%Y" if len(m[4]) == 4 else "%y") + clock
        key = (year(m[4]), month_number(m[3]), int(m[1]), rest)
        return (form, key, None) if valid(*key[:3]) else None
    m = NAME_DAY.fullmatch(day)
    if m and month_number(m[1]):
        name = "%b" if len(m[1]) == 3 else "%B"
        key = (int(m[3]), month_number(m[1]), int(m[2]), rest)
        return (name + (" %d, %Y" if "," in day else " %d %Y") + clock, key, None) if valid(*key[:3]) else None
    m = MONTH.fullmatch(text)
    if m and month_number(m[1]):
        return "%b" + text[3] + ("%Y" if len(m[2]) == 4 else "%y"), (year(m[2]), month_number(m[1]), 0, ""), None
    m = YEAR_MONTH.fullmatch(text)
    if m:
        return "%Y-%m", (int(m[1]), int(m[2]), 0, ""), None
    return None


def kind_of(v):
    """(kind, number or None, what date_of gives or None) of a text that is not missing."""
    if INT.fullmatch(v):
        digits = v.lstrip("+-")
        if len(digits) > 1 and digits[0] == "0":
            return "code", None, None      # leading zeros: a number would lose them
        return ("int", int(v), None) if len(digits) <= 18 else ("digits", None, None)
    if DEC.fullmatch(v):
        return "dec", float(v), None
    if GROUPED.fullmatch(v):
        return "grouped", float(v.replace(",", "")), None
    if DEC_COMMA.fullmatch(v):
        return "comma", float(v.replace(",", ".")), None
    if GROUPED_DOT.fullmatch(v):
        return "dotted", float(v.replace(".", "").replace(",", ".")), None
    if GROUPED_SPACE.fullmatch(v):
        return "spaced", float(re.sub("[ \u00a0\u202f']", "", v).replace(",", ".")), None
    if len(v) > 40:
        return "text", None, None
    if v.lower() in BOOLEANS:
        return "bool", None, None
    if v[-1] == "%" and len(v) > 1:
        kind, number, _ = kind_of(v[:-1].strip() or "x")
        if number is not None:
            return "percent", number, None
    if TIME.fullmatch(v):
        return "time", None, None
    if any(c.isdigit() for c in v):
        date = date_of(v)
        if date is not None:
            return "date", None, date
        plain = CURRENCY.sub("", v).strip()
        if plain.startswith("(") and plain.endswith(")"):
            plain = "-" + plain[1:-1].strip()
        if plain and plain != v:
            kind, number, _ = kind_of(plain)
            if number is not None:
                return "money", number, None
    return "text", None, None


NUMBERS = {"int", "dec", "grouped", "comma", "dotted", "spaced", "percent", "money"}
WORDS = {"int": "integer", "dec": "decimal number", "grouped": "number with thousands commas",
         "comma": "number with a decimal comma", "dotted": "number with thousands dots and a decimal comma",
         "spaced": "number with thousands spaces", "percent": "percentage with a % sign",
         "money": "amount with a currency sign", "code": "digits with leading zeros",
         "digits": "digits, too many for a number", "bool": "boolean", "time": "time of day", "date": "date",
         "text": "text", "object": "object", "list": "list", "bytes": "bytes"}


class Column:
    def __init__(self, name, cap=20000, typed=False):
        self.name = name
        self.typed = typed          # the values have types of their own: JSON, SQLite, XLSX
        self.rows = self.nulls = 0
        self.null_words = collections.Counter()
        self.kinds = collections.Counter()
        self.formats = collections.Counter()
        self.distinct = Distinct(cap)
        self.top = collections.Counter()
        self.top_full = False
        self.low = self.high = None         # numbers
        self.dates = [None, None, None, None]   # first and last, day first; the same, month first
        self.short = self.long = None       # characters of a text
        self.longest_cut = False
        self.edges = 0                      # values with blanks around them
        self.known = None                   # what family() said, and at which row
        self.quoted = 0                     # typed: texts that hold numbers

    def add(self, values):
        """A batch of texts (or, when typed, of values)."""
        self.rows += len(values)
        if self.typed:
            values = self.untype(values)
        counts = collections.Counter(values)
        if len(counts) <= MAX_TOP // 2 or not self.top_full:
            self.top.update(counts)
            if len(self.top) > MAX_TOP:
                self.top_full = True
                self.top = collections.Counter(dict(self.top.most_common(MAX_TOP // 2)))
        for v in [v for v in counts if v in NULLS or v in MAYBE_NULLS or not v.strip()]:
            n = counts.pop(v)
            word = v.strip()
            if word in NULLS:
                self.nulls += n
            if word:
                self.null_words[word] += n
            if word in MAYBE_NULLS:
                self.distinct.add((v,))
                self.kinds["maybe"] += n
        if not counts:
            return
        self.distinct.add(counts)
        n = sum(counts.values())
        lengths = list(map(len, counts))
        self.short = min([min(lengths)] + ([self.short] if self.short is not None else []))
        self.long = max([max(lengths)] + ([self.long] if self.long is not None else []))
        if self.long <= 40 and self.bulk(counts, n):
            return
        texts = 0
        for v, k in counts.items():
            # The usual text, told by its beginning.
            if v[0].isalpha() and v[:3].lower() not in NO_TEXT and (len(v) > 5 or v.lower() not in BOOLEANS) \
                    and not v[-1].isspace():
                texts += k
            else:
                self.one(v, k)
        if texts:
            self.kinds["text"] += texts

    def untype(self, values):
        """Native values as texts; what they were natively is counted by the text's kind."""
        out = []
        for v in values:
            if v is None:
                out.append("")
            elif v is True or v is False:
                out.append("true" if v else "false")
            elif isinstance(v, float):
                out.append("" if v != v else repr(v))
            elif isinstance(v, int):
                out.append(str(v) if -10 ** 18 < v < 10 ** 18 else repr(float(v)) if abs(v) < 10 ** 300 else "0e0")
            elif isinstance(v, str):
                out.append(v)
                if v[:1].isdigit() and DEC.fullmatch(v[:40]):
                    self.quoted += 1
            else:
                kind = "object" if isinstance(v, dict) else "list" if isinstance(v, list) else "bytes"
                self.kinds[kind] += 1
        return out

    def bulk(self, counts, n):
        """The usual columns, at the speed of the regular expressions."""
        text = "\n".join(counts) + "\n"
        if ALL_INT.fullmatch(text):
            self.kinds["int"] += n
            self.span(list(map(int, counts)))
        elif ALL_DEC.fullmatch(text):
            self.kinds["dec"] += n
            self.span(list(map(float, counts)))
        elif ALL_ISO.fullmatch(text):
            self.kinds["date"] += n
            self.formats["%Y-%m-%d"] += n
            for v in (min(counts), max(counts)):
                self.date((int(v[:4]), int(v[5:7]), int(v[8:]), ""), None)
        else:
            return False
        return True

    def span(self, numbers):
        if self.low is not None:
            numbers += [self.low, self.high]
        self.low, self.high = min(numbers), max(numbers)

    def date(self, key, other):
        other = other or key
        for i, k in ((0, key), (2, other)):
            if self.dates[i] is None or k < self.dates[i]:
                self.dates[i] = k
            if self.dates[i + 1] is None or k > self.dates[i + 1]:
                self.dates[i + 1] = k

    def one(self, v, k):
        plain = v.strip() if len(v) < 1000 else v
        if len(plain) != len(v):
            self.edges += k
        kind, number, date = kind_of(plain) if len(plain) <= 60 else ("text", None, None)
        self.kinds[kind] += k
        if number is not None and abs(number) != float("inf"):
            self.span([number])
        if date is not None:
            self.formats[date[0]] += k
            self.date(date[1], date[2])

    # -- what is told --

    def filled(self):
        return sum(self.kinds.values())

    def family(self):
        """The kind that the column is, and how many of its values are of another."""
        if self.known is None or self.known[0] != self.rows:
            self.known = (self.rows, self.decide())
        return self.known[1]

    def decide(self):
        kinds = collections.Counter(self.kinds)
        maybe = kinds.pop("maybe", 0)
        total = sum(kinds.values())
        if not total:
            return ("text" if maybe else "empty"), 0
        if kinds["code"] and kinds["int"]:
            kinds["code"] += kinds.pop("int")       # 007 and 123: one code
        numbers = sum(kinds[k] for k in NUMBERS)
        if numbers > total * 0.5:
            best = "int" if kinds["int"] == numbers else max(
                NUMBERS - {"int"}, key=lambda k: (kinds[k], k == "dec"))
            if best == "grouped" and kinds["comma"]:
                best = "comma"
            if best == "int" and numbers and self.looks_like_days(numbers):
                return "day", total - numbers
            return best, total - numbers
        kind = max(kinds, key=kinds.get)
        return (kind, total - kinds[kind]) if kinds[kind] > total * 0.5 else ("text", total - kinds["text"])

    def looks_like_days(self, n):
        """20240131: every number is a day of the calendar."""
        if self.low is None or self.low < 19000101 or self.high > 21001231 or self.short != 8 or self.top_full:
            return False
        return all(valid(int(v[:4]), int(v[4:6]), int(v[6:])) for v in self.top if INT.fullmatch(v) and len(v) == 8)

    def missing(self):
        """Words that stand for a missing value here and that pandas does not know."""
        kind, _ = self.family()
        return [w for w in self.null_words if w in MAYBE_NULLS and
                (w == "\\N" or kind in NUMBERS or kind in ("date", "time", "day"))]

    def null_count(self):
        return self.nulls + sum(self.null_words[w] for w in self.missing())

    def day_first(self):
        """True, False, or None when the values do not tell."""
        day = sum(n for f, n in self.formats.items() if f.startswith("%d"))
        month = sum(n for f, n in self.formats.items() if f.startswith("%m"))
        return None if bool(day) == bool(month) else bool(day)

    def format_words(self):
        """The formats of its dates, the most frequent first."""
        first, out = self.day_first(), collections.Counter()
        for f, n in self.formats.items():
            if f.startswith("{dm}"):
                sep = f[4]
                rest = f[5:]
                f = ("%d" + sep + "%m" if first else "%m" + sep + "%d") + rest
                if first is None:
                    f = "%d" + sep + "%m" + rest + " or %m" + sep + "%d" + rest
            out[f] += n
        return out.most_common()

    def type_words(self, values=True):
        """What it is; without what only its values can tell when they are not to be told."""
        kind, others = self.family()
        total = self.filled() - self.kinds["maybe"]
        if kind == "empty":
            return "empty"
        words = WORDS.get(kind, "date as a number, %Y%m%d")
        if kind == "date":
            forms = self.format_words()
            words = ("date and time " if any("%M" in f for f, _ in forms) else "date ") + " or ".join(
                f if len(forms) == 1 else "%s (%d)" % (f, n) for f, n in forms[:4])
            if len(forms) > 4:
                words += " or %d further formats" % (len(forms) - 4)
            if any(f.startswith("{dm}") for f in self.formats) and self.day_first() is None:
                words += " (which one cannot be told from the values)"
        if values and kind == "text" and self.long:
            words += " of %s characters" % (self.long if self.short == self.long else "%d to %d" % (self.short, self.long))
        if values and kind == "int" and self.low is not None and (self.low, self.high) == (0, 1):
            words = "integer, 0 or 1"
        if self.typed and self.quoted and kind in NUMBERS:
            words += " (%d of them stored as text)" % self.quoted
        if others:
            words = "mostly %s; %d of %d are something else" % (words, others, total)
        return words

    def range_words(self):
        kind, _ = self.family()
        if (kind in NUMBERS or kind == "day") and self.low is not None:
            return "%s to %s" % (number_text(self.low), number_text(self.high))
        if kind == "date" and self.dates[0]:
            at = 2 if self.day_first() is False else 0
            if self.day_first() is None and any(f.startswith("{dm}") for f in self.formats):
                return ""
            return "%s to %s" % (date_text(self.dates[at]), date_text(self.dates[at + 1]))
        return ""

    def frequent(self, n):
        skip = NULLS | set(self.missing())
        return [(v, k) for v, k in self.top.most_common(n + 6) if v.strip() and v.strip() not in skip][:n]


def number_text(x):
    return repr(x) if isinstance(x, int) else "%.10g" % x


def date_text(key):
    y, m, d, rest = key
    return "%04d-%02d%s%s" % (y, m, "-%02d" % d if d else "", " " + rest if rest else "")
