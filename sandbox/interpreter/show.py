"""How a value is shown: the text of it, and its other representations as a MIME bundle.

Everything here may call methods of the model's objects, so everything may raise, and what comes
back may be of any type and size: failures are contained and said, sizes bounded with exact counts.
KeyboardInterrupt passes through: it is the agent's way to end a repr that never returns.
"""
import sys
import posix

load = globals()["load"]    # set by the loader in driver.py

# What one value may send. The frame's own cap is 24 MiB.
MAX_PLAIN = 1 << 20         # characters of text/plain: cut, with a count
MAX_TEXT = 4 << 20          # other text: left out when larger, since half an HTML page is none
MAX_BINARY = 12 << 20       # an image
MAX_BUNDLE = 20 << 20

REPRS = (
    ("text/html", "_repr_html_"), ("text/markdown", "_repr_markdown_"),
    ("image/svg+xml", "_repr_svg_"), ("image/png", "_repr_png_"),
    ("image/jpeg", "_repr_jpeg_"), ("text/latex", "_repr_latex_"),
    ("application/json", "_repr_json_"), ("application/javascript", "_repr_javascript_"),
    ("application/pdf", "_repr_pdf_"),
)
DATA, CHART = "application/vnd.agent.data+json", "application/vnd.agent.chart+json"
BINARY = ("image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf")


def note(text):
    """A remark of the interpreter's own among what the cell wrote."""
    try:
        sys.stdout.flush()
    except Exception:
        pass
    try:
        posix.write(2, ("[%s]\n" % text).encode("utf-8", "replace"))
    except OSError:
        pass


def commas(n):
    return "{:,}".format(n)


# ---- text of values ----

def cut(text, limit, what="characters"):
    if len(text) <= limit:
        return text
    head, tail = limit * 3 // 4, limit // 4
    return "%s\n... [%s of %s %s cut here] ...\n%s" % (
        text[:head], commas(len(text) - head - tail), commas(len(text)), what, text[-tail:])


def plain_text(obj):
    kind = type(obj)
    try:
        if kind in (str, bytes) and len(obj) > MAX_PLAIN:
            head = MAX_PLAIN * 3 // 4
            return "%r... [%s of %s %s cut]" % (
                obj[:head], commas(len(obj) - head), commas(len(obj)),
                "characters" if kind is str else "bytes")
        text = kind.__repr__(obj) if kind in (str, bytes, int, float) else repr(obj)
        if kind in (dict, list, tuple, set, frozenset) and 79 < len(text) < 20000:
            import pprint
            text = pprint.pformat(obj, width=100, compact=True, **(
                {"sort_dicts": False} if sys.version_info >= (3, 8) else {}))
    except KeyboardInterrupt:
        raise
    except BaseException as e:
        return "<%s object at %#x: its __repr__ raised %s>" % (
            name_of(kind), id(obj), one_line(e))
    extra = frame_facts(obj)
    if not extra and kind_is_styler(obj):
        return plain_text(obj.data)     # its own repr is an address
    return cut(text, MAX_PLAIN - len(extra)) + extra


def is_pandas(obj):
    return type(obj).__module__.startswith("pandas.")


def frame_facts(obj):
    """Shape and dtypes under the text of a DataFrame: what a reader needs before the next cell."""
    pandas = sys.modules.get("pandas")
    try:
        if pandas is None or not isinstance(obj, pandas.DataFrame):
            return ""
        cols = ["%s %s" % (cut(str(c), 60), t) for c, t in list(obj.dtypes.items())[:50]]
        more = obj.shape[1] - len(cols)
        return "\n\n[shape: %s rows x %s columns; dtypes: %s%s]" % (
            commas(obj.shape[0]), commas(obj.shape[1]), ", ".join(cols),
            ", and %d more" % more if more > 0 else "")
    except Exception:
        return ""


def name_of(kind):
    try:
        return str(type.__getattribute__(kind, "__name__"))[:200]
    except Exception:
        return "?"


def one_line(e):
    try:
        text = str(e)
    except KeyboardInterrupt:
        raise
    except BaseException:
        text = "(its message cannot be shown)"
    return cut("%s: %s" % (name_of(type(e)), text) if text else name_of(type(e)), 500)


# ---- bundles ----

def method(obj, name):
    """A real method of that name: not one that __getattr__ invents, nor a class's own."""
    if isinstance(obj, type):
        return None
    try:
        if getattr(type(obj), name, None) is None and name not in getattr(obj, "__dict__", ()):
            return None
        m = getattr(obj, name, None)
        return m if callable(m) else None
    except Exception:
        return None


def call_repr(obj, name):
    m = method(obj, name)
    if m is None:
        return None
    try:
        value = m()
    except NotImplementedError:
        return None
    except KeyboardInterrupt:
        raise
    except BaseException as e:
        note("%s of %s raised %s" % (name, name_of(type(obj)), one_line(e)))
        return None
    return value[0] if isinstance(value, tuple) and value else value


def to_bytes(mime, value):
    """A representation as bytes, or None when it is not one."""
    if value is None:
        return None
    if mime in BINARY:
        if isinstance(value, (bytes, bytearray, memoryview)):
            return bytes(value)
        import binascii
        return binascii.a2b_base64(value) if isinstance(value, str) else None
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace")
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    if mime == "application/json" or mime.endswith("+json"):
        return json_bytes(value)
    return str(value).encode("utf-8", "backslashreplace")


def json_bytes(value):
    """JSON has no word for NaN and the infinities: null."""
    import json
    try:
        return json.dumps(value, default=json_of, allow_nan=False).encode()
    except ValueError:
        return json.dumps(finite(value), default=json_of).encode()


def json_of(v):
    """What JSON does not know: arrays as lists, numpy's numbers as numbers, all else as text."""
    tolist = getattr(v, "tolist", None)
    if tolist is not None and type(v).__module__.partition(".")[0] in ("numpy", "pandas"):
        return finite(tolist())
    return str(v)


def finite(v):
    if isinstance(v, float):
        return v if v - v == 0 else None
    if isinstance(v, dict):
        return {k: finite(x) for k, x in v.items()}
    if isinstance(v, (list, tuple)):
        return [finite(x) for x in v]
    return v


def bundle(obj):
    """[(mime, bytes)] with text/plain first, bounded."""
    found = {}
    m = method(obj, "_repr_mimebundle_")
    if "plotly" in sys.modules and load("webcharts").is_plotly(obj):
        m = None
        found = guarded(load("webcharts").plotly_bundle, obj) or {}
    if m is not None:
        try:
            value = m(include=None, exclude=None)
            if isinstance(value, tuple):
                value = value[0]
            if isinstance(value, dict):
                found.update(value)
        except KeyboardInterrupt:
            raise
        except BaseException as e:
            note("_repr_mimebundle_ of %s raised %s" % (name_of(type(obj)), one_line(e)))
    if "altair" in sys.modules and load("webcharts").is_altair(obj):
        found.update(guarded(load("webcharts").altair_bundle, obj) or {})
    for mime, name in REPRS:
        if mime not in found:
            value = call_repr(obj, name)
            if value is not None:
                found[mime] = value
    if "text/plain" not in found:
        found["text/plain"] = plain_text(obj)
    add_data(obj, found)
    return bound(found, name_of(type(obj)))


def guarded(work, obj):
    """What is an extra must not cost the result itself."""
    try:
        return work(obj)
    except KeyboardInterrupt:
        raise
    except BaseException as e:
        note("%s of %s: %s" % (work.__name__, name_of(type(obj)), one_line(e)))
        return None


def add_data(obj, found):
    """A table's values, or what a browser's chart shows, as data of a known shape."""
    if "pandas" in sys.modules:
        tables = load("tables")
        if kind_is_styler(obj):
            obj = obj.data
        if tables.is_table(obj):
            text = guarded(tables.table, obj)
            if text is not None:
                found[DATA] = text
            return
    if any(str(m).startswith(("application/vnd.plotly.", "application/vnd.vegalite."))
           for m in found):
        chart, words = guarded(load("webcharts").of_bundle, found) or (None, "")
        if chart is not None:
            found[CHART] = chart
        if words:
            first = str(found["text/plain"]).partition("\n")[0]
            found["text/plain"] = first[:200] + "\n" + words


def kind_is_styler(obj):
    return type(obj).__name__ == "Styler" and is_pandas(obj)


def bound(found, what):
    out, size, plain, left_out = [], 0, b"", []
    for mime, value in found.items():
        mime = str(mime)[:100]
        try:
            if mime == "text/plain" and isinstance(value, str):
                value = cut(value, MAX_PLAIN + 1000)
            data = to_bytes(mime, value)
        except KeyboardInterrupt:
            raise
        except BaseException as e:
            note("%s of %s cannot be used: %s" % (mime, what, one_line(e)))
            continue
        if data is None:
            continue
        limit = MAX_BINARY if mime in BINARY else MAX_TEXT
        if mime == "text/plain":
            plain = data
        elif len(data) > limit or size + len(data) > MAX_BUNDLE - MAX_TEXT or len(out) >= 20:
            left_out.append("%s of %s bytes" % (mime, commas(len(data))))
        else:
            out.append((mime, data))
            size += len(data)
    if left_out:
        plain += ("\n[left out as too large: %s]" % ", ".join(left_out)).encode()
    return [("text/plain", plain)] + out


def is_figure(obj):
    figure = sys.modules.get("matplotlib.figure")
    try:
        return figure is not None and isinstance(obj, figure.Figure)
    except Exception:
        return False


def warm_paths():
    """Takes the ways that first cells take, so that forks find the lazy parts loaded."""
    import io
    pandas = sys.modules.get("pandas")
    if pandas is not None:
        text = "day,kind,n\n2024-01-02,a,1\n2024-01-03,b,2\n2024-01-04,a,3\n"
        frame = pandas.read_csv(io.StringIO(text), parse_dates=["day"])
        total = frame.groupby("kind")["n"].agg(["sum", "mean"]).sort_values("sum").reset_index()
        bundle(total)
        repr(frame.describe())
        repr(frame.set_index("day").resample("D").sum())
        frame.merge(total, on="kind").to_csv(io.StringIO())
    plt = sys.modules.get("matplotlib.pyplot")
    if plt is not None:
        load("figures")
        charts = load("charts")
        for name in ("style", "scripts", "plotted", "words"):
            load(name)
        charts.keep_boxes(sys.modules["matplotlib.axes"].Axes)
        figure, axes = plt.subplots()
        axes.plot([1, 2], [1, 2], label="a")
        axes.bar(["x", "y"], [1, 2])
        axes.set_title("a")
        axes.legend()
        figure.savefig(io.BytesIO(), format="png", bbox_inches="tight")
        charts.of_figure(figure)
        plt.close("all")
