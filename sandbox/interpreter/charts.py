"""What a chart shows, as data: `chart` of a result. Loaded when the first figure is shown.

    {"type": "line" | "scatter" | "bar" | "pie" | "box_and_whisker" | "heatmap" | "unknown",
     "title", "x_label", "y_label", "x_unit", "y_unit", "x_scale", "y_scale",
     "x_ticks", "x_tick_labels", "y_ticks", "y_tick_labels", "elements": [...], "overlays": [...]}
    {"type": "superchart", "title", "elements": [charts]}                     several axes

Elements are what is drawn:
    line, scatter     {"label", "points": [[x, y], ...]}, and "n_points" when some are left out
    bar               {"label", "group", "value"}; orientation "horizontal" is said in the chart
    pie               {"label", "angle" in degrees, "fraction", "radius"}
    box_and_whisker   {"label", perhaps "group", "min", "first_quartile", "median", "third_quartile", "max",
                       "outliers"}; min and max are the whiskers' ends
    heatmap           {"label", "values": rows}
What else is drawn over it (a line over bars) is in `overlays`: [{"type", "elements"}]. Values are
those that the code gave, not where they lie on the paper. A long series is thinned out evenly, its
first and last point kept, and `cut` counts exactly what is not there.
"""
import sys

load = globals()["load"]        # set by the loader in driver.py
show = load("show")

MAX_POINTS = 400            # of one series
MAX_SERIES = 60             # of one chart
MAX_BARS = 400
MAX_AXES = 40
MAX_TICKS = 60
MAX_TEXT = 300
MAX_BYTES = 256 << 10       # of the whole, as JSON


# ---- values ----

def text(s):
    s = str(s)
    return s if len(s) <= MAX_TEXT else s[:MAX_TEXT] + "..."


def plain(v):
    """A value as JSON has it."""
    kind = type(v)
    if kind in (int, bool, str) or v is None:
        return v if kind is not str else text(v)
    if kind is float:
        return v if v - v == 0 else None
    if hasattr(v, "isoformat"):
        return tidy_date(v.isoformat())
    if kind.__module__ == "numpy" and getattr(v, "ndim", 1) == 0:
        if v.dtype.kind in "mMSU":
            return tidy_date(str(v))
        return plain(v.item())
    try:
        return plain(float(v))
    except (TypeError, ValueError, OverflowError):
        return text(v)


def tidy_date(iso):
    """Without a time of midnight and without a zone that is UTC."""
    for end in ("+00:00", ".000000", ".000000000", "T00:00:00", " 00:00:00"):
        if iso.endswith(end):
            iso = iso[:-len(end)]
    return iso if iso != "NaT" else None


def sequence(values):
    import numpy
    if isinstance(values, numpy.ma.MaskedArray):
        return values.tolist()
    return list(values)


def unit(label):
    """What stands in brackets at the end: "Speed (km/h)" is in km/h."""
    label = label.strip()
    for a, b in ("()", "[]"):
        if label.endswith(b) and a in label:
            return label[label.rindex(a) + 1:-1].strip() or None
    return None


class Axis:
    """One axis of a plot: its scale, and how a place on it reads."""

    def __init__(self, axis):
        self.axis = axis
        get = getattr(axis, "get_converter", None)
        converter = get() if get else getattr(axis, "converter", None)
        kind = type(converter).__name__
        self.scale = axis.get_scale()
        self.names = {}
        if self.scale == "linear" and "Category" in kind:
            self.scale = "categorical"
            mapping = getattr(axis.units, "_mapping", {})
            self.names = {float(at): str(name) for name, at in mapping.items()}
        elif self.scale == "linear" and ("Date" in kind or "Period" in kind):
            self.scale = "datetime"
        self.is_period = "Period" in kind
        formatter = type(axis.get_major_formatter()).__name__
        if self.scale == "linear" and formatter in ("FixedFormatter", "FuncFormatter"):
            self.names = dict(self.ticks())     # set_xticks with labels, or pandas' own
        if "Date" in formatter and self.scale == "linear":
            self.scale = "datetime"

    def ticks(self):
        """(place, text) of the ticks that are seen."""
        low, high = sorted(self.axis.get_view_interval())
        slack = (high - low) * 1e-6
        places = self.axis.get_majorticklocs()
        labels = self.axis.get_majorticklabels()
        return [(float(at), label.get_text()) for at, label in zip(places, labels)
                if low - slack <= at <= high + slack][:MAX_TICKS]

    def read(self, v):
        """A place given as the floating point number that matplotlib keeps."""
        if v is None:
            return None
        if self.names:
            name = self.name_at(float(v), 0.01)
            if name is not None:
                return name
        if self.scale == "datetime":
            return self.date(float(v))
        return plain(v)

    def name_at(self, at, reach):
        for place, name in self.names.items():
            if abs(place - at) <= reach and name:
                return name
        return None

    def date(self, at):
        try:
            if self.is_period:
                import pandas
                return str(pandas.Period(ordinal=round(at), freq=self.axis.freq))
            import matplotlib.dates
            return tidy_date(matplotlib.dates.num2date(at).replace(microsecond=0).isoformat())
        except Exception:
            return plain(at)

    def facts(self, letter):
        label = self.axis.get_label().get_text()
        out = {letter + "_label": text(label), letter + "_unit": unit(label),
               letter + "_scale": self.scale}
        ticks = self.ticks()
        out[letter + "_ticks"] = [self.read(at) if self.scale == "datetime" else plain(at)
                                  for at, _ in ticks]
        out[letter + "_tick_labels"] = [text(label) for _, label in ticks]
        return out


class Cut:
    def __init__(self, points=MAX_POINTS):
        self.max_points = points
        self.points = self.series = 0

    def thin(self, items):
        """At most max_points of them, evenly, first and last kept."""
        n, most = len(items), max(self.max_points, 2)
        if n <= most:
            return items
        self.points += n - most
        return [items[round(i * (n - 1) / (most - 1))] for i in range(most)]

    def few(self, items, most):
        self.series += max(len(items) - most, 0)
        return items[:most]


# ---- one axes ----

def series(label, points, n):
    """One line or cloud; n is how many points it has before it was thinned out."""
    out = {"label": label, "points": points}
    if n > len(points):
        out["n_points"] = n
    return out


class Plot:
    def __init__(self, ax, cut):
        self.ax, self.cut = ax, cut
        self.x, self.y = Axis(ax.xaxis), Axis(ax.yaxis)
        self.colours = self.legend_colours()
        self.found = []             # [type, elements], in the order in which they were drawn
        self.horizontal = False

    def legend_colours(self):
        """Colour -> name as the legend has it, for artists without a label of their own."""
        import matplotlib.colors as colours
        out, legend = {}, self.ax.get_legend()
        handles = getattr(legend, "legend_handles", None) or getattr(
            legend, "legendHandles", None) or ()
        for handle, label in zip(handles, legend.get_texts() if legend else ()):
            for name in ("get_color", "get_facecolor"):
                try:
                    colour = getattr(handle, name)()
                    if name == "get_facecolor" and len(colour) and hasattr(colour[0], "__len__"):
                        colour = colour[0]
                    out.setdefault(colours.to_hex(colour), label.get_text())
                    break
                except Exception:
                    continue
        return out

    def name(self, artist, colour=None):
        label = artist.get_label()
        if isinstance(label, str) and label and not label.startswith("_"):
            return text(label)
        if colour is not None and self.colours:
            import matplotlib.colors as colours
            try:
                return text(self.colours.get(colours.to_hex(colour), ""))
            except ValueError:
                pass
        return ""

    def add(self, kind, elements):
        if not elements:
            return
        for known in self.found:
            if known[0] == kind:
                known[1] += elements
                return
        self.found.append([kind, list(elements)])

    def read(self):
        boxes = getattr(self.ax, "_agent_boxes", [])
        part_of = {id(a) for _, artists in boxes for a in artists} | {id(self.ax.patch)}
        for container in self.ax.containers:
            if type(container).__name__ == "BarContainer":
                part_of.update(id(p) for p in container.patches)
                self.add("bar", self.bars(container))
            elif type(container).__name__ == "StemContainer":
                part_of.add(id(container.baseline))
            elif type(container).__name__ == "ErrorbarContainer":
                part_of.update(id(a) for a in container[1] or ())
        for stats, _ in boxes:
            self.add("box_and_whisker", [self.box(s) for s in stats])
            self.horizontal = self.horizontal or any(s["_flat"] for s in stats)
        for artist in self.ax.get_children():
            if id(artist) in part_of or not artist.get_visible():
                continue
            kind = type(artist).__name__
            if kind == "Line2D":
                self.line(artist)
            elif kind == "PathCollection":
                self.add("scatter", self.scatter(artist))
            elif kind == "Wedge":
                self.add("pie", [self.wedge(artist)])
            elif kind in ("AxesImage", "QuadMesh"):
                self.add("heatmap", self.heat(artist))
        order = {"pie": 0, "box_and_whisker": 1, "bar": 2}
        if any(k[0] == "bar" for k in self.found):
            for kind in self.found:     # error bars drawn as lines
                if kind[0] == "line":
                    kind[1] = [e for e in kind[1] if e["label"] or len(e["points"]) > 3]
            self.found = [k for k in self.found if k[1]]
        self.found.sort(key=lambda k: order.get(k[0], 3))

    def line(self, line):
        across = line.get_transform().contains_branch_seperately(self.ax.transData)
        if not all(across):
            return                      # axhline, axvline: a mark, not data
        xs, ys = sequence(line.get_xdata(True)), sequence(line.get_ydata(True))
        if len(xs) != len(ys) or not xs:
            return
        if self.x.is_period or (self.x.names and self.x.scale != "categorical"):
            xs = [self.x.read(v) if isinstance(v, (int, float)) or not self.x.is_period else str(v)
                  for v in xs]
        elif self.x.scale == "datetime":
            xs = [self.x.read(v) if isinstance(v, float) else v for v in xs]
        points = [[plain(x), plain(y)] for x, y in self.cut.thin(list(zip(xs, ys)))]
        dots = line.get_linestyle() in ("None", " ", "") and line.get_marker() not in (
            "None", " ", "", None)
        self.add("scatter" if dots else "line",
                 [series(self.name(line, line.get_color()), points, len(xs))])

    def scatter(self, dots):
        import numpy
        places = numpy.ma.filled(numpy.ma.asarray(dots.get_offsets(), dtype=float), numpy.nan)
        colours = dots.get_facecolors()
        groups = {}
        if self.colours and len(colours) == len(places) > 1:
            import matplotlib.colors
            for i, colour in enumerate(colours.tolist()):
                groups.setdefault(matplotlib.colors.to_hex(colour), []).append(i)
        if not 1 < len(groups) <= 20 or not all(g in self.colours for g in groups):
            groups = {None: range(len(places))}
        out = []
        for colour, members in groups.items():
            name = self.name(dots, None if not len(colours) else colours[0]) \
                if colour is None else text(self.colours[colour])
            points = self.cut.thin([places[i].tolist() for i in members])
            out.append(series(name, [[self.x.read(x), self.y.read(y)] for x, y in points],
                              len(members)))
        return [e for e in out if e["points"]]

    def bars(self, container):
        flat = getattr(container, "orientation", None) == "horizontal"
        self.horizontal = self.horizontal or flat
        axis = self.y if flat else self.x
        group = self.name(container)
        patches = container.patches
        if not group and patches:
            group = self.name(container, patches[0].get_facecolor())
        ends = [(p.get_y(), p.get_height(), p.get_width()) if flat
                else (p.get_x(), p.get_width(), p.get_height()) for p in patches]
        touching = len(ends) > 1 and not axis.names and axis.scale != "datetime" and all(
            abs(a[0] + a[1] - b[0]) <= 1e-6 * abs(a[1]) for a, b in zip(ends, ends[1:]))
        out = []
        for start, width, value in ends[:MAX_BARS]:
            middle = start + width / 2
            label = axis.name_at(middle, abs(width) / 2 + 0.5 if axis.scale == "categorical"
                                 else max(abs(width), 0.5)) if axis.names else None
            if axis.names and label is not None:
                label = min(((abs(at - middle), name) for at, name in axis.names.items() if name))[1]
            elif touching:
                label = "%.6g to %.6g" % (start, start + width)
            elif label is None:
                label = axis.read(round(middle, 9))
                label = "%.9g" % label if isinstance(label, float) else label
            value = plain(value)
            if value is not None:
                out.append({"label": tidy_date(str(label)), "group": group, "value": value})
        self.cut.points += max(len(ends) - MAX_BARS, 0)
        return out

    @staticmethod
    def wedge(w):
        angle = float(w.theta2 - w.theta1)
        return {"label": text(w.get_label()) if not str(w.get_label()).startswith("_") else "",
                "angle": round(angle, 6), "fraction": round(angle / 360, 6),
                "radius": plain(w.r)}

    def box(self, s):
        axis = self.y if s.get("_flat") else self.x
        at = s.get("_at")
        label = axis.name_at(at, 0.5) if at is not None and axis.names else None
        box, group = s.get("_box"), ""
        if hasattr(box, "get_facecolor"):
            group = self.name(box, box.get_facecolor())
        more = {"group": group} if group else {}
        return {"label": text(label or s.get("label", "")), **more, "min": plain(s.get("whislo")),
                "first_quartile": plain(s.get("q1")), "median": plain(s.get("med")),
                "third_quartile": plain(s.get("q3")), "max": plain(s.get("whishi")),
                "outliers": [plain(v) for v in self.cut.thin(sequence(s.get("fliers", ())))]}

    def heat(self, mesh):
        values = mesh.get_array()
        if values is None:
            return []
        if getattr(values, "ndim", 2) == 1:     # QuadMesh before matplotlib 3.8 is flat
            shape = mesh.get_coordinates().shape
            values = values.reshape(shape[0] - 1, shape[1] - 1)
        if values.ndim != 2 or values.size > 2500:
            return [{"label": self.name(mesh), "shape": list(values.shape)}]
        return [{"label": self.name(mesh), "values": [[plain(v) for v in row]
                                                      for row in values.tolist()]}]

    def chart(self):
        ax = self.ax
        self.read()
        title = next(filter(None, (ax.get_title(loc) for loc in ("center", "left", "right"))), "")
        out = {"type": self.found[0][0] if self.found else "unknown", "title": text(title)}
        if self.horizontal:
            out["orientation"] = "horizontal"
        named = self.y if self.horizontal else self.x
        if out["type"] in ("bar", "box_and_whisker") and named.names and named.scale == "linear":
            named.scale = "categorical"
        if out["type"] != "pie":
            out.update(self.x.facts("x"))
            out.update(self.y.facts("y"))
        out["elements"] = []
        for i, (kind, elements) in enumerate(self.found):
            most = MAX_BARS if kind == "bar" else MAX_SERIES
            if i == 0:
                out["elements"] = self.cut.few(elements, most)
            else:
                out.setdefault("overlays", []).append(
                    {"type": kind, "elements": self.cut.few(elements, most)})
        return out


def keep_boxes(axes_class):
    """Axes.bxp draws from statistics that can hardly be read off its lines again: they are kept
    beside the axes."""
    import functools
    draw = axes_class.bxp
    if getattr(draw, "agent", False):
        return

    @functools.wraps(draw)
    def bxp(self, bxpstats, positions=None, *args, **kw):
        artists = draw(self, bxpstats, positions, *args, **kw)
        try:
            flat = kw.get("vert") is False or kw.get("orientation") == "horizontal" or (
                len(args) > 1 and args[1] is False)
            at = list(range(1, len(bxpstats) + 1) if positions is None else positions)
            stats = [dict(s, _at=float(p), _flat=flat, _box=box)
                     for s, p, box in zip(bxpstats, at, artists.get("boxes") or [None] * len(at))]
            if "_agent_boxes" not in self.__dict__:
                self._agent_boxes = []
            self._agent_boxes.append((stats, [a for l in artists.values() for a in l]))
        except Exception:
            pass
        return artists
    bxp.agent = True
    axes_class.bxp = bxp


# ---- a figure ----

def of_figure(figure):
    """(its chart as JSON text, in words): (None, "") when it has no axes."""
    points = MAX_POINTS
    while points >= 2:
        chart = whole(figure, Cut(points))
        if chart is None:
            return None, ""
        words = load("words").describe(chart)
        data = dumps(chart)
        if len(data) <= MAX_BYTES:
            return data, words
        points //= 4
    return None, words


def data_of(figure, points):
    """The same as a dict, with more points of a series; None when it has no axes."""
    return whole(figure, Cut(points))


def dumps(chart):
    import json
    return json.dumps(chart, ensure_ascii=False, default=str)


def whole(figure, cut):
    axes = [ax for ax in figure.axes
            if ax.get_label() != "<colorbar>" and not hasattr(ax, "get_zlim")]
    charts = [Plot(ax, cut).chart() for ax in axes[:MAX_AXES]]
    charts = [c for c in charts if c["elements"] or c["title"] or c["x_label"] or c["y_label"]]
    top = getattr(figure, "_suptitle", None)
    title = text(top.get_text()) if top is not None else ""
    if not charts:
        return None
    if len(charts) == 1:
        out = charts[0]
        out["title"] = out["title"] or title
    else:
        out = {"type": "superchart", "title": title, "elements": charts}
    cut.series += max(len(axes) - MAX_AXES, 0)
    if cut.points or cut.series:
        out["cut"] = {"points": cut.points, "series": cut.series}
    return out
