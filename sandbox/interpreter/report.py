"""What `report` offers the code: values published under a name, for a report that names them.

A published value is a result like any other, with one more representation that says what it is
(PUBLISH): {"kind": "figure" | "table" | "number" | "text", "name", "caption", ...}. The agent takes
it as a claim. A later value of the same kind and name takes the place of the earlier one.
"""
import sys
import json

load = globals()["load"]    # set by the loader in driver.py
show = load("show")

PUBLISH = "application/vnd.agent.publish+json"
MAX_NAME, MAX_CAPTION, MAX_TEXT = 64, 500, 2000
MAX_SIDE = 8000             # pixels of a picture
MAX_ROWS, MAX_COLUMNS, MAX_CELLS, MAX_BYTES = 5000, 100, 60000, 2 << 20


PARAMS = globals()["driver"].ROOT.decode() + "/workspace/params.json"


def name_of(name):
    if not isinstance(name, str) or not name.isascii() or not 0 < len(name) <= MAX_NAME \
            or not all(c.isalnum() or c in "_-." for c in name) or not name[0].isalnum():
        raise ValueError("%r is no name for a published value: 1 to %d ASCII letters, digits, _, - "
                         "and ., a letter or digit first" % (name, MAX_NAME))
    return name


def line_of(text, limit, what):
    if text is None:
        return ""
    text = " ".join(str(text).split())
    if len(text) > limit:
        raise ValueError("the %s has %d characters; the limit is %d" % (what, len(text), limit))
    return text


def plain_number(value):
    """(a Python int or float, None for what is missing)"""
    item = getattr(value, "item", None)
    if item is not None and not isinstance(value, (int, float)):
        value = item()
    if isinstance(value, bool):
        return int(value)
    if not isinstance(value, (int, float)):
        try:
            value = float(value)        # Decimal, Fraction
        except (TypeError, ValueError):
            raise TypeError("report.number wants a number, not a %s" % type(value).__name__) from None
    return value


def worded(value, form):
    if value != value:
        return "n/a"
    if value in (float("inf"), float("-inf")):
        return "\u221e" if value > 0 else "\u2212\u221e"
    if form and isinstance(value, float) and str(form).endswith("d"):
        value = round(value)            # whole numbers are floats where one is missing
    if form:
        return format(value, str(form))
    if isinstance(value, int):
        return format(value, ",d")
    return format(value, ",.2f") if abs(value) < 1e15 and (value == 0 or abs(value) >= 0.01) \
        else format(value, ".4g")


def with_unit(text, unit):
    """$, a currency sign before the number; % and words behind it."""
    if not unit:
        return text
    if len(unit) == 1 and unit in "$\u20ac\u00a3\u00a5\u20b9":
        return "-" + unit + text[1:] if text.startswith("-") else unit + text
    return text + ("%" if unit == "%" else " " + unit)


def like_neighbours(values):
    """How the numbers of a column are written: all with thousands apart when one of them has that, all with
    decimals when one has; None when each is written so by itself."""
    numbers = [v for v in values if type(v) in (int, float)]
    if any(abs(v) >= 1e15 or 0 < abs(v) < 1e-4 for v in numbers):
        return None
    big, whole = any(abs(v) >= 10000 for v in numbers), [v == int(v) for v in numbers]
    if all(whole) and not (big and any(1000 <= abs(v) < 10000 for v in numbers)):
        return None
    # Up to three decimals are kept where no number has more, else two, or four among small numbers.
    most = max(len(repr(float(v)).partition(".")[2]) for v in numbers)
    small = all(abs(v) < 1 for v in numbers) or any(0 < abs(v) < 0.01 for v in numbers)
    places = 0 if all(whole) else max(most, 2) if most <= 3 else 4 if small else 2
    form = "%s.%df" % ("," if big else "", places)
    return [None if type(v) not in (int, float) else format(v, form) for v in values]


class Report:
    """report.figure(fig, "name"), report.table(df, "name"), report.number("name", 12.5) and
    report.text("name", "words") publish values for the report. Its text names them as
    {{fig:name}}, {{table:name}}, {{num:name}} and {{text:name}}."""

    def __init__(self, context):
        self._context = context

    def __repr__(self):
        return self.__doc__

    def _publish(self, facts, found):
        facts = {k: v for k, v in facts.items() if v not in ("", None)}
        found[PUBLISH] = json.dumps(facts, ensure_ascii=False)
        self._context.publish(show.bound(found, "the published value"))

    def figure(self, figure=None, name=None, caption=""):
        """Publishes a matplotlib figure (None: the current one), which is then closed. {{fig:name}}"""
        if isinstance(figure, str) and (name is None or not isinstance(name, str)):
            figure, name = name, figure         # report.figure("name", fig)
        name = name_of(name)
        caption = line_of(caption, MAX_CAPTION, "caption")
        if figure is None:
            import matplotlib.pyplot as plt
            if not plt.get_fignums():
                raise ValueError("there is no open figure to publish as %r" % name)
            figure = plt.gcf()
        figure = getattr(figure, "figure", None) or figure      # axes are taken as their figure
        if not show.is_figure(figure):
            raise TypeError("report.figure wants a matplotlib figure, not a %s" % type(figure).__name__)
        if not caption:
            title = [a.get_title() for a in figure.axes if a.get_title()]
            caption = " ".join((title[0] if title else "").split())[:MAX_CAPTION]
        figures = self._context.figures()
        found = {"text/plain": "[figure %s is published: {{fig:%s}}]" % (name, name)}
        dots = max(figure.get_size_inches()) * figure.dpi
        found["image/png"] = figures.draw(figure, "retina" if dots <= MAX_SIDE / 2.2 else "png")
        if len(found["image/png"]) > show.MAX_BINARY:
            found["image/png"] = figures.draw(figure, "png")
        size = len(found["image/png"])
        if size > show.MAX_BINARY:
            raise ValueError("the picture of %r has %s bytes; the limit is %s: make the figure smaller "
                             "(figsize, dpi) or draw fewer points"
                             % (name, show.commas(size), show.commas(show.MAX_BINARY)))
        chart, words = figures.chart(figure)
        if words:
            found["text/plain"] += "\n" + words
        if chart is not None:
            found[show.CHART] = chart
        for end, data in figures.save_published(figure, name, found["image/png"]):
            found[{"svg": "image/svg+xml", "csv": "text/csv"}[end]] = data.decode()
        figures.close(figure)
        self._publish({"kind": "figure", "name": name, "caption": caption}, found)

    def table(self, frame, name=None, caption="", formats=None):
        """Publishes a DataFrame or Series; formats = {column: format spec, such as ",.0f" or ".1%"}.
        {{table:name}}"""
        if isinstance(frame, str) and not isinstance(name, str):
            frame, name = name, frame
        name = name_of(name)
        tables = load("tables")
        if not tables.is_table(frame):
            import pandas
            frame = pandas.DataFrame(frame)
        if len(frame.shape) == 1:
            frame = frame.to_frame("" if frame.name is None else frame.name)
        columns = min(frame.shape[1], MAX_COLUMNS)
        rows = min(frame.shape[0], MAX_ROWS, MAX_CELLS // max(columns, 1))
        while True:
            data = tables.part(frame, rows, columns)
            text = json.dumps(data, ensure_ascii=False)
            if len(text.encode("utf-8", "replace")) <= MAX_BYTES or rows < 2:
                break
            rows //= 2
        forms = {}
        for column, form in (formats or {}).items():
            if column not in frame.columns:
                raise KeyError("formats names the column %r, which the table %r does not have"
                               % (column, name))
            worded(1.5, form)           # a spec that is none is found here and not in the report
            forms[str(column)] = str(form)[:20]
        texts = [[worded(v, forms[str(c)]) if type(v) in (int, float) else None for v in values]
                 if str(c) in forms else like_neighbours(values)
                 for c, values in zip(data["columns"], zip(*data["rows"]))]
        data["texts"] = [[t and t[i] for t in texts] for i in range(len(data["rows"]))] if any(texts) else []
        left = frame.shape[0] - rows
        words = show.plain_text(frame if frame.shape[0] <= 60 else frame.head(20))
        more = "" if not left else "; the first %s of its %s rows" % (
            show.commas(rows), show.commas(frame.shape[0]))
        self._publish({"kind": "table", "name": name, "caption": line_of(caption, MAX_CAPTION, "caption"),
                       "formats": forms},
                      {"text/plain": "[table %s is published: {{table:%s}}%s]\n%s"
                                     % (name, name, more, words),
                       show.DATA: json.dumps(data, ensure_ascii=False)})

    def number(self, name, value=None, format="", unit="", caption=""):
        """Publishes a number; format is a format spec (",.0f"), unit "$", "%", "kg". {{num:name}}"""
        if isinstance(value, str) and not isinstance(name, str):
            name, value = value, name
        name = name_of(name)
        value = plain_number(value)
        text = with_unit(worded(value, format), line_of(unit, 20, "unit"))
        if len(text) > 200:
            raise ValueError("the number %r is written with %d characters" % (name, len(text)))
        finite = value == value and value not in (float("inf"), float("-inf"))
        self._publish({"kind": "number", "name": name, "text": text, "format": format, "unit": unit,
                       "caption": line_of(caption, MAX_CAPTION, "caption"),
                       "value": value if finite and abs(value) < 1e300 else None},
                      {"text/plain": "[{{num:%s}} is %s]" % (name, text)})

    def param(self, name):
        """The value of a parameter, a string, from params.json, a file of the question."""
        try:
            with open(PARAMS, encoding="utf-8") as f:
                values = json.load(f)
        except FileNotFoundError:
            raise KeyError("there are no parameters: no file params.json was given") from None
        if not isinstance(values, dict) or name not in values:
            raise KeyError("params.json has no parameter %r; it has: %s" % (name, ", ".join(map(str, values))))
        return str(values[name])

    def text(self, name, value=None):
        """Publishes words that come from the data: a name, a date. {{text:name}}"""
        name = name_of(name)
        text = line_of(value, MAX_TEXT, "text")
        self._publish({"kind": "text", "name": name, "text": text},
                      {"text/plain": "[{{text:%s}} is %s]" % (name, text)})


def module(context):
    """`import report` gives this."""
    own = Report(context)
    m = type(sys)("report", Report.__doc__)
    for word in ("figure", "table", "number", "text", "param"):
        setattr(m, word, getattr(own, word))
    return m
