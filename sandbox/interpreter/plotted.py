"""The data of a chart (charts.py) as CSV.

Where all that is drawn stands over the same places, a column each: `month,revenue,share`. Else a line
for each point: `chart,series,x,y`. A text that a spreadsheet would take for a formula has an
apostrophe before it; a number, or a bin such as "-2 to -1", is none.
"""
import re

MAX_ROWS = 20000
MAX_BYTES = 1 << 20
FIVE = ("min", "first_quartile", "median", "third_quartile", "max")


NUMBER = r"[+-]?[0-9.][0-9.,]*(?:[eE][+-]?[0-9]+)?%?"
NO_FORMULA = re.compile(NUMBER + "(?: to " + NUMBER + ")?")


def cell(v):
    if v is None:
        return ""
    if isinstance(v, str):
        return "'" + v if v[:1] in tuple("=+-@\t\r") and not NO_FORMULA.fullmatch(v) else v
    return v


def series_of(kind, elements, chart):
    """[(name, [x], [y])]"""
    out = {}
    value = chart.get("x_label" if chart.get("orientation") == "horizontal" else "y_label") or "value"
    if kind in ("line", "scatter"):
        return [(e["label"] or value, [p[0] for p in e["points"]], [p[1] for p in e["points"]]) for e in elements]
    for e in elements:
        if kind == "bar":
            parts = [(e["group"] or value, e["label"], e["value"])]
        elif kind == "pie":
            parts = [("fraction", e["label"], e["fraction"])]
        elif kind == "box_and_whisker":
            label = " ".join(filter(None, (e["label"], e.get("group"))))
            parts = [(word, label, e[word]) for word in FIVE]
            parts.append(("outliers", label, " ".join(str(v) for v in e["outliers"])))
        elif kind == "heatmap":
            rows, columns = (named(chart, axis, e.get("values") or [], axis == "x") for axis in "yx")
            parts = [(column, row, v) for row, values in zip(rows, e.get("values") or [])
                     for column, v in zip(columns, values)]
        else:
            parts = []
        for name, x, y in parts:
            xs, ys = out.setdefault(name, ([], []))
            xs.append(x)
            ys.append(y)
    return [(name, xs, ys) for name, (xs, ys) in out.items()]


def named(chart, axis, values, across):
    """What the rows or columns of a heat map are called: by their ticks, where each has one."""
    n = len(values[0]) if across and values else len(values)
    labels = chart.get(axis + "_tick_labels") or []
    return labels if len(labels) == n and len(set(labels)) == n else [str(i) for i in range(n)]


def all_series(chart):
    """[(title, name, xs, ys)] of a chart and of the charts in it."""
    out = []
    for part in chart["elements"] if chart["type"] == "superchart" else [chart]:
        for kind, elements in [(part["type"], part["elements"])] + [
                (o["type"], o["elements"]) for o in part.get("overlays", ())]:
            out += [(part.get("title") or "", *s) for s in series_of(kind, elements, part)]
    return out


def place_name(chart):
    first = chart["elements"][0] if chart["type"] == "superchart" and chart["elements"] else chart
    return first.get("y_label" if first.get("orientation") == "horizontal" else "x_label") or (
        "x" if first["type"] in ("line", "scatter") else "label")


def rows_of(chart):
    found = all_series(chart)
    names = [name for _, name, _, _ in found]
    places = found[0][2] if found else []
    try:
        one_each = len(set(places)) == len(places) and len(set(names)) == len(names)
    except TypeError:
        one_each = False
    if found and one_each and all(xs == places for _, _, xs, _ in found):
        yield [place_name(chart)] + names
        for i, x in enumerate(places):
            yield [x] + [ys[i] for _, _, _, ys in found]
        return
    if found:
        yield ["chart", "series", "x", "y"]
    for title, name, xs, ys in found:
        for x, y in zip(xs, ys):
            yield [title, name, x, y]


def csv_of(chart):
    """The text, or None when there is nothing or too much of it."""
    import csv
    import io
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for n, row in enumerate(rows_of(chart)):
        if n > MAX_ROWS or out.tell() > MAX_BYTES:
            return None
        writer.writerow([cell(v) for v in row])
    return out.getvalue() or None
