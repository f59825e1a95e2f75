"""Matplotlib's figures as results. Loaded when the first figure is shown.

A figure is a picture (PNG, and on request SVG, JPEG or PDF), which is also saved as figure-N.png in
the workspace, and the chart in it as data (charts.py). Beside the PNG stand figure-N.svg and, with the
data, figure-N.csv. A figure that the code saved itself, and did not touch since, keeps that name alone.
"""
import sys
import posix

load = globals()["load"]        # set by the loader in driver.py
show = load("show")
WORKSPACE = globals()["driver"].ROOT.decode() + "/workspace"
MAX_FIGURES = 100           # of one cell
MAX_SVG = 4 << 20
MAX_SVG_POINTS = 20000      # drawn points: an SVG of more is slow to make and slower to open
MAX_CSV_POINTS = 20000      # of one series
PUBLISHED = "figures"       # folder of what report.figure() publishes

# What a format is called by whom: name -> (format of savefig, MIME type, extension, dots).
FORMATS = {
    "png": ("png", "image/png", "png", 1),
    "retina": ("png", "image/png", "png", 2), "png2x": ("png", "image/png", "png", 2),
    "svg": ("svg", "image/svg+xml", "svg", 1),
    "jpeg": ("jpeg", "image/jpeg", "jpg", 1), "jpg": ("jpeg", "image/jpeg", "jpg", 1),
    "pdf": ("pdf", "application/pdf", "pdf", 1),
}


def formats_of(words):
    """Names of formats in order, each once. ValueError names the one that is none."""
    out = []
    for word in words:
        word = str(word).strip(" '\"").lower()
        if word not in FORMATS:
            raise ValueError("%r is no figure format; there are: %s" % (
                word, ", ".join(sorted(FORMATS))))
        if FORMATS[word][2] not in [FORMATS[o][2] for o in out]:
            out.append(word)
    return out or ["png"]


class Figures:
    """The figures of one context."""

    def __init__(self, context):
        self.context = context
        self.number = 0
        self.displayed = {}     # id -> figure that display() showed in this cell

    # -- drawing and saving --

    def draw(self, figure, name):
        import io
        form, _, _, dots = FORMATS[name]
        more = {"dpi": figure.dpi * dots} if dots != 1 else {}
        if form == "svg":
            more["metadata"] = {"Date": None}
        data = io.BytesIO()
        try:
            figure.savefig(data, format=form, bbox_inches="tight", **more)
        except ValueError:
            data = io.BytesIO()     # a tight box can be too large to draw; the plain one is not
            figure.savefig(data, format=form, **more)
        return data.getvalue()

    def show(self, figure, main=False, close=True, ident="", update=False):
        pictures, saved = [], getattr(figure, "_agent_name", None)
        if saved and (figure.stale or not exists(WORKSPACE + "/" + saved)):
            saved = None        # drawn into since, or gone
        try:
            for name in self.context.formats:
                pictures.append((name, self.draw(figure, name)))
        except KeyboardInterrupt:
            raise
        except BaseException as e:
            show.note("the figure could not be drawn: %s" % show.one_line(e))
        chart, words = self.chart(figure) if pictures else (None, "")
        if not pictures:
            if close:
                self.close(figure)
            return
        files = [saved] if saved else self.save(pictures, figure)
        if close:
            self.close(figure)
        text = show.plain_text(figure)
        found = {"text/plain": text + "\n" + words if words else text}
        for name, data in pictures:
            found[FORMATS[name][1]] = data
        if chart is not None:
            found[show.CHART] = chart
        self.context.publish(show.bound(found, "the figure"), main,
                             files[0] if files else None, ident, update)

    def chart(self, figure):
        """Its data as JSON text, and in words; None and "" when it cannot be told."""
        try:
            return load("charts").of_figure(figure)
        except KeyboardInterrupt:
            raise
        except BaseException as e:
            show.note("the chart's data could not be read: %s" % show.one_line(e))
            return None, ""

    @staticmethod
    def close(figure):
        plt = sys.modules.get("matplotlib.pyplot")
        if plt is not None:
            plt.close(figure)

    def save(self, pictures, figure):
        """Writes them, and what stands beside them, as the next free figure-N; the names of the pictures that
        could be."""
        files = [(FORMATS[name][2], data) for name, data in pictures]
        beside = self.beside(figure, [end for end, _ in files])
        for _ in range(10000):
            self.number += 1
            stem = "figure-%d." % self.number
            if not any(exists(WORKSPACE + "/" + stem + end) for end, _ in files + beside):
                break
        saved = [stem + end for end, data in files if save_file(stem + end, data)]
        for end, data in beside if saved else ():
            save_file(stem + end, data)
        return saved

    def beside(self, figure, there):
        """[(ending, bytes)]: the figure as SVG, and its data as CSV."""
        if not self.context.beside or self.context.is_program:
            return []
        out = []
        try:
            if "svg" not in there and points_of(figure) <= MAX_SVG_POINTS:
                data = self.draw(figure, "svg")
                if len(data) <= MAX_SVG:
                    out.append(("svg", data))
            chart = load("charts").data_of(figure, MAX_CSV_POINTS)
            text = load("plotted").csv_of(chart) if chart else None
            if text and chart.get("cut"):
                show.note("the CSV beside the figure does not have all of it: %s" % ", ".join(
                    "%s %s are left out" % (show.commas(n), what) for what, n in chart["cut"].items() if n))
            if text:
                out.append(("csv", text.encode("utf-8", "replace")))
        except KeyboardInterrupt:
            raise
        except BaseException as e:
            show.note("what stands beside the figure could not be made: %s" % show.one_line(e))
        return out

    def save_published(self, figure, name, picture):
        """What report.figure() publishes, as figures/NAME.png and so on; a later one takes its place. Gives
        what stands beside the picture."""
        if not self.context.beside or self.context.is_program:
            return []
        try:
            posix.mkdir(WORKSPACE + "/" + PUBLISHED, 0o755)
        except OSError:
            pass
        beside = self.beside(figure, ["png"])
        for end, data in [("png", picture)] + beside:
            path = "%s/%s.%s" % (PUBLISHED, name, end)
            try:
                posix.unlink(WORKSPACE + "/" + path)
            except OSError:
                pass
            save_file(path, data)
        return beside

    # -- when --

    def display(self, figure, ident="", update=False):
        """display(figure): it stays open, and is shown again at the cell's end only when something
        was drawn into it since."""
        self.show(figure, close=False, ident=ident, update=update)
        self.displayed[id(figure)] = figure
        figure.stale = False

    def show_all(self):
        """What plt.show() does, and what happens at the end of each cell."""
        plt = sys.modules.get("matplotlib.pyplot")
        displayed, self.displayed = self.displayed, {}
        if plt is None:
            return
        numbers = plt.get_fignums()
        for i, n in enumerate(numbers):
            if i >= MAX_FIGURES:
                show.note("%d more figures are open and were not saved" % (len(numbers) - i))
                plt.close("all")
                break
            figure = plt.figure(n)
            done = displayed.get(id(figure)) is figure and not figure.stale
            if not done and (figure.axes or figure.texts or figure.images or figure.lines
                             or figure.patches[1:] or getattr(figure, "subfigs", None)):
                self.show(figure)
            else:
                plt.close(figure)


def points_of(figure):
    """How many points lines and clouds have: what an SVG has one by one."""
    n = 0
    for axes in figure.axes:
        n += sum(len(line.get_xdata()) for line in axes.lines)
        n += sum(len(c.get_offsets()) for c in axes.collections if hasattr(c, "get_offsets"))
        n += sum(getattr(c.get_array(), "size", 0) for c in axes.collections if type(c).__name__ == "QuadMesh")
    return n


def keep_name(figure, path):
    """The code saved it: as a PNG of the workspace it needs no other name."""
    import os
    path = os.path.realpath(os.fsdecode(path))
    below = path[len(WORKSPACE) + 1:] if path.startswith(WORKSPACE + "/") else ""
    if below.endswith(".png") and exists(path):
        figure._agent_name = below
        figure.stale = False


def exists(path):
    try:
        posix.lstat(path)
        return True
    except OSError:
        return False


def save_file(name, data):
    """A new file of the workspace; False with a note when it is full."""
    flags = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_CLOEXEC | posix.O_NOFOLLOW
    path = WORKSPACE + "/" + name
    try:
        fd = posix.open(path, flags, 0o644)
    except OSError as e:
        show.note("%s could not be saved: %s" % (name, e.strerror))
        return False
    try:
        left = memoryview(data)
        while left:
            left = left[posix.write(fd, left):]
        return True
    except OSError as e:
        show.note("%s could not be saved: %s" % (name, e.strerror))
        posix.unlink(path)
        return False
    finally:
        posix.close(fd)
