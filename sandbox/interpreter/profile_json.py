"""The intake profile, part 3: JSON and JSON lines. Each file gives tables, and a line of Python that reads
it."""
import json

MAX_JSON = 48 << 20         # read whole; beyond it the beginning is
MAX_NAMES = 5000            # columns of a table


class Found:
    """One table of a file."""

    def __init__(self, title, table, line):
        self.title, self.table, self.line = title, table, line
        self.total, self.exact, self.all_read = table.rows if table else 0, True, True
        self.notes = []
        self.keys = []
        self.sure = True        # of the columns' names
        self.at_least = False   # there are more rows than `total`
        self.far = False        # its file has more than the table, so that reading it takes long
        self.places = 0         # that were sampled behind its beginning


class Records:
    """Objects into columns: a name gets its column when it is first met."""

    def __init__(self):
        self.table = Table([], typed=True)
        self.at = {}
        self.seen = []
        self.dropped = 0

    def add(self, record):
        t = self.table
        for k in record:
            if k not in self.at:
                if len(self.at) >= MAX_NAMES:
                    self.dropped += 1
                    continue
                t.flush()
                self.at[k] = len(self.at)
                c = Column(k, 20000, True)
                c.add([None] * t.rows)
                t.names.append(k)
                t.columns.append(c)
                t.width += 1
                self.seen.append(0)
                t.samples = [(n, row + [None]) for n, row in t.samples]
        row = [None] * t.width
        for k, v in record.items():
            i = self.at.get(k)
            if i is not None:
                row[i] = v
                self.seen[i] += 1
        t.size = max(1, min(BATCH, MAX_CELLS // max(1, t.width)))
        t.add(row)


def whole_number(digits):
    return int(digits) if len(digits) < 4000 else float(digits)     # Python refuses longer ones


def loads(text):
    return json.loads(text, parse_int=whole_number)


def reading(name, encoding, more=""):
    """The line that reads it with pandas, which takes UTF-8 without a mark."""
    return "pd.read_json(%s%s%s)" % (json.dumps(name, ensure_ascii=False), more,
                                     "" if encoding == "utf-8" else ', encoding="%s"' % encoding)


def json_text(path, encoding, limit):
    with open(path, "rb") as f:
        data = f.read(limit + 1)
    name = {"utf-8": "utf-8-sig"}.get(encoding, encoding)
    return codecs.getincrementaldecoder(name)("replace").decode(data[:limit], len(data) <= limit), len(data) <= limit


def read_json(path, name, size, deadline, encoding, schema):
    text, whole = json_text(path, encoding, MAX_JSON)
    quoted = json.dumps(name, ensure_ascii=False)
    load = 'json.load(open(%s, encoding="%s"))' % (quoted, "utf-8-sig" if encoding in ("utf-8", "utf-8-sig") else encoding)
    notes, value = [], None
    try:
        if whole:
            value = loads(text)
    except RecursionError:
        raise Unreadable("it is nested too deeply")
    except ValueError as e:
        raise Unreadable("it is no valid JSON: %s" % str(e)[:120])
    if not whole or (isinstance(value, list) and time.monotonic() > deadline):
        value, ended = first_items(text, deadline)
        notes.append("only its first %d MiB were looked at" % (MAX_JSON >> 20))
        found = of_items(value, "", load)
        if found:
            found.all_read = found.exact = False
            found.total = int(len(value) * size / max(1, ended))
            found.notes += notes
            return [found], []
        return [], notes
    if isinstance(value, list):
        found = of_items(value, "", reading(name, encoding), deadline)
        if found:
            return [found], []
        kinds = sorted({type(v).__name__ for v in value[:10000]})
        return [], ["an array of %d: %s. Read it: %s" % (len(value), ", ".join(kinds) or "nothing", load)]
    if not isinstance(value, dict):
        return [], ["one %s. Read it: %s" % (type(value).__name__, load)]
    tables, notes = [], ["an object of %d members. Read it: %s" % (len(value), load)]
    map_like = len(value) > 50 or (len(value) > 3 and len({json_shape(v) for v in value.values()}) == 1)
    if map_like:
        rows = [v for v in value.values() if isinstance(v, dict)]
        if rows and len(rows) == len(value):
            found = of_items(rows, "the members' values", "pd.DataFrame.from_dict(%s, orient=\"index\")" % load, deadline)
            found.notes.append("the members' names are the rows' names")
            return [found], notes
    told = not schema or names_are_names(value)
    for i, (k, v) in enumerate(list(value.items())[:MAX_TABLES], 1):
        if isinstance(v, list) and v and not map_like:
            found = of_items(v, k if told else "number %d" % i, "pd.DataFrame(%s[%s])" % (
                load, json.dumps(k, ensure_ascii=False)) if told else "", deadline)
            if found:
                tables.append(found)
                continue
        if not map_like:
            notes.append("member %s: %s" % (json.dumps(k[:MAX_SHOWN], ensure_ascii=False) if told else i, json_shape(v)))
    if not told:
        notes.append("names of members are left out: they may be values")
    return tables, notes


def names_are_names(value):
    """Members that are all of one kind may be a map, whose names are values."""
    kinds = {bool if isinstance(v, bool) else float if isinstance(v, (int, float)) else type(v) for v in value.values()}
    return len(kinds) > 1 or (len(value) == 1 and kinds == {list})


def json_shape(v):
    if isinstance(v, dict):
        return "an object of %d members" % len(v)
    if isinstance(v, list):
        return "an array of %d" % len(v)
    return {bool: "a boolean", int: "a number", float: "a number", str: "a text"}.get(type(v), "null")


def first_items(text, deadline):
    """The whole items at the beginning of an array that was cut, and where they end."""
    decoder, items = json.JSONDecoder(), []
    at = text.find("[") + 1
    if at == 0 or text[:at].strip("\ufeff \t\r\n[") != "":
        raise Unreadable("a JSON file of this size that is no array is not looked into")
    while time.monotonic() < deadline:
        while at < len(text) and text[at] in " \t\r\n,":
            at += 1
        try:
            item, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            break
        items.append(item)
    return items, at


def of_items(items, title, line, deadline=float("inf")):
    """A table of objects, or of arrays of one length; None when it is neither."""
    if items and all(isinstance(v, dict) for v in items[:1000]):
        records = Records()
        for v in items:
            if not isinstance(v, dict):
                continue
            records.add(v)
            if time.monotonic() > deadline:
                break
        records.table.flush()
        found = Found(title, records.table, line)
        found.total, found.all_read = len(items), records.table.rows == len(items)
        found.withheld = {i for i, n in enumerate(records.seen) if n < records.table.rows * 0.02}
        if records.dropped:
            found.notes.append("more than %d different names; the others are left out" % MAX_NAMES)
        return found
    if items and all(isinstance(v, list) for v in items[:1000]) and len({len(v) for v in items[:1000]}) == 1:
        table = Table([str(i) for i in range(len(items[0]))], typed=True)
        for v in items:
            if isinstance(v, list):
                table.add(v)
        table.flush()
        return Found(title, table, line)
    return None


def read_jsonl(path, name, size, deadline, encoding):
    records, bad, blank = Records(), 0, 0
    found = Found("", records.table, reading(name, encoding, ", lines=True"))
    lines = other = 0
    stopped = ""
    with open(path, "rb") as f:
        counted = Counting(f)
        source = text_lines(io.BufferedReader(counted, 1 << 20), "utf-8-sig" if encoding == "utf-8" else encoding)
        while time.monotonic() <= deadline:
            try:
                line = next(source, None)
            except Unreadable as e:
                stopped = str(e)
                break
            if line is None:
                break
            if not line.strip():
                blank += 1
                continue
            lines += 1
            try:
                v = loads(line)
            except (ValueError, RecursionError):
                bad += 1
                continue
            if isinstance(v, dict):
                records.add(v)
            else:
                other += 1
        found.all_read = counted.count >= size and line is None
        done = counted.count
    records.table.flush()
    found.total = records.table.rows
    found.withheld = {i for i, n in enumerate(records.seen) if n < records.table.rows * 0.02}
    if stopped:
        found.notes.append(stopped)
        found.at_least, found.exact = True, False
    elif not found.all_read:
        n, looked = count_lines(path, 0, time.monotonic() + 1.0)
        found.total = n if looked >= size else int(size * lines / max(1, done))
        found.exact = looked >= size and not bad and not other and not blank
    if bad:
        found.notes.append("%d of %d lines are no valid JSON" % (bad, lines))
        found.line = "line by line with json.loads, leaving out the lines that are not valid"
    if other:
        found.notes.append("%d lines are no object" % other)
    if records.dropped:
        found.notes.append("more than %d different names; the others are left out" % MAX_NAMES)
    if not records.table.rows:
        raise Unreadable(stopped or "no line of it is a JSON object")
    return [found], []
