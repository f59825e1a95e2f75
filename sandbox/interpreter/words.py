"""A chart in a few words, for a reader that cannot see it: what it shows, and over what range."""

MAX_WORDS = 1500
MAX_NAMED = 8


def number(v):
    return "%.6g" % v if isinstance(v, float) else str(v)


def span(values):
    """"1 to 9" for numbers and dates, the first few for names."""
    values = [v for v in values if v is not None]
    if not values:
        return "nothing"
    if any(isinstance(v, str) for v in values):
        values = [str(v) for v in values]
        if all(v[:4].isdigit() and v[4:5] == "-" for v in values):
            return "%s to %s" % (min(values), max(values))
        names = list(dict.fromkeys(values))
        return ", ".join(names[:MAX_NAMED]) + (
            " and %d more" % (len(names) - MAX_NAMED) if len(names) > MAX_NAMED else "")
    low, high = min(values), max(values)
    return number(low) if low == high else "%s to %s" % (number(low), number(high))


def axis(chart, letter):
    label, scale = chart.get(letter + "_label"), chart.get(letter + "_scale")
    return "%s%s%s" % (letter, " '%s'" % label if label else "",
                       " (%s)" % scale if scale not in (None, "linear") else "")


def series(elements):
    """Each line or cloud of points: its name, how many points, and over what they range."""
    out = []
    for e in elements[:MAX_NAMED]:
        points = e.get("points", [])
        n = e.get("n_points", len(points))
        out.append("%s%d point%s, x %s, y %s" % (
            e["label"] + ": " if e.get("label") else "", n, "s" * (n != 1),
            span([p[0] for p in points]), span([p[1] for p in points])))
    if len(elements) > MAX_NAMED:
        out.append("and %d more series" % (len(elements) - MAX_NAMED))
    return "; ".join(out)


def body(kind, elements):
    if kind in ("line", "scatter"):
        return series(elements)
    if kind == "bar":
        out = []
        for group in list(dict.fromkeys(e.get("group", "") for e in elements))[:MAX_NAMED]:
            bars = [e for e in elements if e.get("group", "") == group]
            named = ", ".join("%s %s" % (e["label"], number(e["value"])) for e in bars[:12])
            out.append("%s%s%s" % (group + ": " if group else "", named,
                                   " and %d more bars" % (len(bars) - 12) if len(bars) > 12 else ""))
        return "; ".join(out)
    if kind == "pie":
        return ", ".join("%s %.1f %%" % (e["label"], 100 * e["fraction"]) for e in elements[:20])
    if kind == "box_and_whisker":
        return "; ".join("%s: median %s, quartiles %s to %s, whiskers %s to %s, %d outliers" % (
            " ".join(filter(None, (e["label"], e.get("group")))), number(e["median"]), number(e["first_quartile"]),
            number(e["third_quartile"]), number(e["min"]), number(e["max"]),
            len(e["outliers"])) for e in elements[:MAX_NAMED])
    if kind == "heatmap":
        values = elements[0].get("values")
        if values:
            return "%d x %d values, %s" % (len(values), len(values[0]),
                                           span([v for row in values for v in row]))
        return "%s values" % " x ".join(str(n) for n in elements[0].get("shape", ()))
    return ""


def one(chart):
    kind = chart["type"]
    if kind == "superchart":
        head = "%d charts%s" % (len(chart["elements"]),
                                " '%s'" % chart["title"] if chart["title"] else "")
        return head + "".join("\n  " + one(c) for c in chart["elements"])
    parts = [("chart" if kind == "unknown" else kind.replace("_", " ") + " chart")
             + (" '%s'" % chart["title"] if chart.get("title") else "")]
    if chart.get("x_label") or chart.get("y_label"):
        parts.append(axis(chart, "x") + ", " + axis(chart, "y"))
    if chart["elements"]:
        parts.append(body(kind, chart["elements"]))
    for other in chart.get("overlays", ()):
        parts.append("with %s: %s" % (other["type"].replace("_", " "),
                                      body(other["type"], other["elements"])))
    return "; ".join(parts)


def describe(chart):
    text = "[%s]" % one(chart)
    return text if len(text) <= MAX_WORDS else text[:MAX_WORDS] + "...]"
