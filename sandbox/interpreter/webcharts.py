"""Charts that a browser would draw (plotly, altair), read into the shape of charts.py. Loaded when
the first of them is shown."""
import sys

load = globals()["load"]        # set by the loader in driver.py
charts, words, show = load("charts"), load("words"), load("show")
plain, text, unit = charts.plain, charts.text, charts.unit

PLOTLY, VEGA = "application/vnd.plotly.v1+json", "application/vnd.vegalite."


def of_bundle(found):
    """(chart as JSON text, in words) for a bundle that holds one of them; (None, "") else."""
    for mime, value in found.items():
        if isinstance(value, dict):
            if mime == PLOTLY:
                return both(of_plotly, value)
            if str(mime).startswith(VEGA):
                return both(of_vega, value)
    return None, ""


def both(read, value):
    points = charts.MAX_POINTS
    while points >= 2:
        cut = charts.Cut(points)
        chart = read(value, cut)
        if cut.points or cut.series:
            chart["cut"] = {"points": cut.points, "series": cut.series}
        data = charts.dumps(chart)
        if len(data) <= charts.MAX_BYTES:
            return data, words.describe(chart)
        points //= 4
    return None, words.describe(chart)


def empty(kind, title, x_label, y_label, x_scale="linear", y_scale="linear"):
    return {"type": kind, "title": title, "x_label": x_label, "y_label": y_label,
            "x_unit": unit(x_label), "y_unit": unit(y_label), "x_scale": x_scale,
            "y_scale": y_scale, "elements": []}


def gather(chart, kind, elements):
    """Puts elements into a chart whose first kind gives the type."""
    if chart["type"] in ("unknown", kind):
        chart["type"] = kind
        chart["elements"] += elements
        return
    for other in chart.setdefault("overlays", []):
        if other["type"] == kind:
            other["elements"] += elements
            return
    chart["overlays"].append({"type": kind, "elements": elements})


def when(v):
    """A value that may be a date as text."""
    v = plain(v)
    return charts.tidy_date(v) if isinstance(v, str) and v[:4].isdigit() else v


def quartiles(values):
    """A box's numbers, as plotly and Vega compute them from the data."""
    values = sorted(v for v in values if isinstance(v, (int, float)) and v == v)
    if not values:
        return None

    def at(q):
        place = q * (len(values) - 1)
        low = int(place)
        high = min(low + 1, len(values) - 1)
        return values[low] + (values[high] - values[low]) * (place - low)
    q1, q3 = at(0.25), at(0.75)
    inside = [v for v in values if q1 - 1.5 * (q3 - q1) <= v <= q3 + 1.5 * (q3 - q1)]
    return {"min": inside[0], "first_quartile": q1, "median": at(0.5), "third_quartile": q3,
            "max": inside[-1], "outliers": [v for v in values if not inside[0] <= v <= inside[-1]]}


def scale_of(values, said=None):
    if said in ("log", "category", "date"):
        return {"category": "categorical", "date": "datetime"}.get(said, said)
    texts = [v for v in values if isinstance(v, str)]
    if not texts:
        return "linear"
    dates = all(v[:4].isdigit() and v[4:5] == "-" for v in texts)
    return "datetime" if dates else "categorical"


# ---- plotly ----

def is_plotly(obj):
    base = getattr(sys.modules.get("plotly.basedatatypes"), "BaseFigure", None)
    try:
        return base is not None and isinstance(obj, base)
    except Exception:
        return False


def plotly_bundle(figure):
    """What a notebook that knows plotly gets, whatever plotly thinks of where it runs."""
    import json
    return {PLOTLY: json.loads(figure.to_json()),
            "text/html": figure.to_html(include_plotlyjs="cdn", full_html=False),
            "text/plain": "<plotly %s>" % type(figure).__name__}


def numbers(values):
    """A column of a trace: a list, or since plotly 6 an array in base64."""
    if isinstance(values, dict) and "bdata" in values:
        import binascii
        import numpy
        out = numpy.frombuffer(binascii.a2b_base64(values["bdata"]), dtype=values["dtype"])
        if "shape" in values:
            out = out.reshape([int(n) for n in str(values["shape"]).split(",")])
        return out.tolist()
    return list(values) if values is not None else []


def title_of(holder):
    title = (holder or {}).get("title")
    return text((title.get("text") if isinstance(title, dict) else title) or "")


def of_plotly(value, cut):
    layout = value.get("layout") or {}
    panels = {}
    for trace in cut.few(list(value.get("data") or ()), charts.MAX_SERIES):
        key = (trace.get("xaxis", "x"), trace.get("yaxis", "y"))
        if trace.get("type") == "pie":
            key = ("pie", len(panels))
        panels.setdefault(key, []).append(trace)
    out = []
    for (x, y), traces in panels.items():
        xa = layout.get("xaxis" + x[1:]) or {} if x != "pie" else {}
        ya = layout.get("yaxis" + str(y)[1:]) or {} if x != "pie" else {}
        chart = empty("unknown", "", title_of(xa), title_of(ya))
        for trace in traces:
            plotly_trace(chart, trace, cut)
        points = [p for e in chart["elements"] for p in e.get("points", ())]
        labels = [e.get("label") for e in chart["elements"]] \
            if chart["type"] in ("bar", "box_and_whisker") else []
        flat = chart.get("orientation") == "horizontal"
        chart["x_scale"] = scale_of([p[0] for p in points] if flat or not labels else labels,
                                    xa.get("type"))
        chart["y_scale"] = scale_of(labels if flat else [p[1] for p in points], ya.get("type"))
        out.append(chart)
    title = title_of(layout)
    if len(out) == 1:
        out[0]["title"] = title
        return out[0]
    return {"type": "superchart", "title": title, "elements": out}


def plotly_trace(chart, trace, cut):
    kind, name = trace.get("type", "scatter"), text(trace.get("name") or "")
    xs, ys = numbers(trace.get("x")), numbers(trace.get("y"))
    if kind in ("scatter", "scattergl"):
        if not xs:
            xs = list(range(len(ys)))
        points = [[when(a), when(b)] for a, b in cut.thin(list(zip(xs, ys)))]
        mode = trace.get("mode") or ("lines" if len(ys) > 20 else "lines+markers")
        gather(chart, "line" if "lines" in mode else "scatter", [
            charts.series(name, points, min(len(xs), len(ys)))])
    elif kind == "bar":
        flat = trace.get("orientation") == "h"
        labels, values = (ys, xs) if flat else (xs, ys)
        if flat:
            chart["orientation"] = "horizontal"
        gather(chart, "bar", [{"label": str(when(a)), "group": name, "value": plain(b)}
                              for a, b in cut.thin(list(zip(labels or range(len(values)),
                                                            values)))])
    elif kind == "histogram":
        gather(chart, "bar", histogram(numbers(trace.get("x") or trace.get("y")), name))
    elif kind == "pie":
        values = numbers(trace.get("values"))
        labels = numbers(trace.get("labels")) or list(range(len(values)))
        chart["title"] = title_of(trace)
        gather(chart, "pie", slices(zip(labels, values or [1] * len(labels))))
    elif kind == "box":
        gather(chart, "box_and_whisker", boxes(xs, ys, name, cut))
    elif kind in ("heatmap", "imshow"):
        rows = [numbers(r) for r in numbers(trace.get("z"))]
        gather(chart, "heatmap", heat(rows, name))


def slices(pairs):
    """Pieces of a pie: what bears one label is one piece."""
    sums = {}
    for label, v in pairs:
        sums[label] = sums.get(label, 0) + (v if isinstance(v, (int, float)) and v > 0 else 0)
    total = sum(sums.values()) or 1
    return [{"label": text(a), "angle": round(360 * v / total, 6),
             "fraction": round(v / total, 6), "radius": 1} for a, v in sums.items()]


def heat(rows, name):
    n = len(rows[0]) if rows else 0
    if len(rows) * n > 2500:
        return [{"label": name, "shape": [len(rows), n]}]
    return [{"label": name, "values": [[plain(v) for v in row] for row in rows]}]


def histogram(values, name):
    """Counts; plotly's own choice of bins is made in the browser, so these are ours: said in the
    labels."""
    texts = [v for v in values if isinstance(v, str)]
    if texts:
        counts = {}
        for v in values:
            counts[v] = counts.get(v, 0) + 1
        return [{"label": text(k), "group": name, "value": n} for k, n in counts.items()]
    values = [v for v in values if isinstance(v, (int, float)) and v == v]
    if not values:
        return []
    low, high, n = min(values), max(values), 10
    width = (high - low) / n or 1
    counts = [0] * n
    for v in values:
        counts[min(int((v - low) / width), n - 1)] += 1
    return [{"label": "%.6g to %.6g" % (low + i * width, low + (i + 1) * width), "group": name,
             "value": c} for i, c in enumerate(counts)]


def boxes(labels, values, name, cut):
    if not values:
        labels, values = [], labels
    groups = {}
    for i, v in enumerate(values):
        groups.setdefault(labels[i] if i < len(labels) else name, []).append(v)
    out = []
    for label, members in groups.items():
        numbers_ = quartiles(members)
        if numbers_:
            numbers_["outliers"] = cut.thin(numbers_["outliers"])
            out.append(dict({"label": text(label)}, **numbers_))
    return out


# ---- altair: Vega-Lite ----

def is_altair(obj):
    base = getattr(sys.modules.get("altair"), "TopLevelMixin", None)
    try:
        return base is not None and isinstance(obj, base)
    except Exception:
        return False


def altair_bundle(chart):
    """Its specification, whichever renderer is the default here."""
    altair = sys.modules["altair"]
    version = str(getattr(altair, "SCHEMA_VERSION", "v5")).partition(".")[0]
    return {VEGA + version + "+json": chart.to_dict(),
            "text/plain": "<altair %s>" % type(chart).__name__}


MARKS = {"line": "line", "area": "line", "trail": "line", "point": "scatter", "circle": "scatter",
         "square": "scatter", "tick": "scatter", "bar": "bar", "arc": "pie",
         "boxplot": "box_and_whisker", "rect": "heatmap"}


def of_vega(spec, cut, datasets=None, data=None, title=None):
    datasets = spec.get("datasets") or datasets or {}
    data = spec.get("data", data)
    title = vega_title(spec.get("title")) or title or ""
    parts = spec.get("hconcat") or spec.get("vconcat") or spec.get("concat")
    if parts:
        return {"type": "superchart", "title": title, "elements": [
            of_vega(p, cut, datasets, data) for p in cut.few(parts, charts.MAX_AXES)]}
    layers = spec.get("layer") or [spec]
    chart = None
    for layer in layers[:charts.MAX_SERIES]:
        encoding = dict(spec.get("encoding") or {}, **(layer.get("encoding") or {}))
        if chart is None:
            chart = empty("unknown", title or vega_title(layer.get("title")),
                          vega_label(encoding.get("x")), vega_label(encoding.get("y")),
                          vega_scale(encoding.get("x")), vega_scale(encoding.get("y")))
        rows = vega_rows(layer.get("data", data), datasets)
        mark = layer.get("mark")
        vega_layer(chart, mark.get("type") if isinstance(mark, dict) else mark, encoding, rows, cut)
    return chart


def vega_title(title):
    if isinstance(title, dict):
        title = title.get("text")
    return text(" ".join(map(str, title)) if isinstance(title, list) else title or "")


def vega_label(channel):
    channel = channel or {}
    if channel.get("title"):
        return vega_title(channel["title"])
    field, aggregate = channel.get("field", ""), channel.get("aggregate", "")
    if aggregate:
        return text("%s of %s" % (aggregate, field) if field else "%s of records" % aggregate)
    return text(field)


def vega_scale(channel):
    channel = channel or {}
    kind = channel.get("type")
    said = (channel.get("scale") or {}).get("type") if isinstance(channel.get("scale"), dict) else 0
    return said or {"temporal": "datetime", "nominal": "categorical", "ordinal": "categorical"}.get(
        kind, "linear")


def vega_rows(data, datasets):
    data = data or {}
    rows = data.get("values")
    if rows is None:
        rows = datasets.get(data.get("name"), ())
    return [r if isinstance(r, dict) else {"data": r} for r in rows] if isinstance(rows, list) else []


AGGREGATES = {"count": len, "sum": sum, "min": min, "max": max,
              "mean": lambda v: sum(v) / len(v), "average": lambda v: sum(v) / len(v),
              "median": lambda v: quartiles(v)["median"]}


def vega_layer(chart, mark, encoding, rows, cut):
    kind = MARKS.get(mark)
    x, y = encoding.get("x") or {}, encoding.get("y") or {}
    hue = (encoding.get("color") or {}).get("field")
    if kind is None or any(c.get("bin") or c.get("timeUnit") for c in (x, y)):
        return                          # computed in the browser: what is drawn is not known here
    if kind == "pie":
        pie = (encoding.get("theta") or {}).get("field")
        gather(chart, "pie", slices((r.get(hue), r.get(pie)) for r in rows))
        return
    if kind == "box_and_whisker":
        flat = y.get("type") in ("nominal", "ordinal")
        at, of = (y, x) if flat else (x, y)
        gather(chart, kind, boxes([r.get(at.get("field")) for r in rows],
                                  [r.get(of.get("field")) for r in rows], "", cut))
        return
    if kind == "heatmap":
        return
    groups = {}
    for r in rows:
        groups.setdefault(r.get(hue) if hue else "", []).append((r.get(x.get("field")),
                                                                  r.get(y.get("field"))))
    flat = bool(x.get("aggregate")) or kind == "bar" and (y.get("type") in ("nominal", "ordinal"))
    for label, pairs in list(groups.items())[:charts.MAX_SERIES]:
        pairs = aggregate(pairs, x, y)
        if pairs is None:
            return
        n = len(pairs)
        pairs = [[when(a), when(b)] for a, b in cut.thin(pairs)]
        if kind == "bar":
            if flat:
                chart["orientation"] = "horizontal"
            gather(chart, "bar", [{"label": str(b if flat else a), "group": text(label),
                                   "value": a if flat else b} for a, b in pairs])
        else:
            gather(chart, kind, [charts.series(text(label), pairs, n)])


def aggregate(pairs, x, y):
    """Pairs after sum, mean and the like on one of the axes; None when it is one we do not know."""
    for at, channel in ((0, x), (1, y)):
        name = channel.get("aggregate")
        if not name:
            continue
        work = AGGREGATES.get(name) if isinstance(name, str) else None
        if work is None:
            return None
        groups = {}
        for pair in pairs:
            groups.setdefault(pair[1 - at], []).append(pair[at])
        out = []
        for key, values in groups.items():
            if name != "count":
                values = [v for v in values if isinstance(v, (int, float))]
            if values:
                out.append((key, work(values)) if at else (work(values), key))
        return out
    return pairs
