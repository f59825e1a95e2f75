"""Matplotlib's figures as results. Loaded when the first figure is shown.

A figure is a picture (PNG, and on request SVG, JPEG or PDF), which is also saved as figure-N.png in
the workspace, and the chart in it as data (charts.py).
"""
import sys
import posix

load = globals()["load"]        # set by the loader in driver.py
show = load("show")
WORKSPACE = globals()["driver"].ROOT.decode() + "/workspace"
MAX_FIGURES = 100           # of one cell

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
        data = io.BytesIO()
        try:
            figure.savefig(data, format=form, bbox_inches="tight", **more)
        except ValueError:
            data = io.BytesIO()     # a tight box can be too large to draw; the plain one is not
            figure.savefig(data, format=form, **more)
        return data.getvalue()

    def show(self, figure, main=False, close=True, ident="", update=False):
        pictures = []
        try:
            for name in self.context.formats:
                pictures.append((name, self.draw(figure, name)))
        except KeyboardInterrupt:
            raise
        except BaseException as e:
            show.note("the figure could not be drawn: %s" % show.one_line(e))
        chart, words = self.chart(figure) if pictures else (None, "")
        if close:
            self.close(figure)
        if not pictures:
            return
        files = self.save(pictures)
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

    def save(self, pictures):
        """Writes them as the next free figure-N; the names of those that could be."""
        for _ in range(10000):
            self.number += 1
            names = ["figure-%d.%s" % (self.number, FORMATS[name][2]) for name, _ in pictures]
            if not any(exists(WORKSPACE + "/" + name) for name in names):
                break
        return [name for name, (_, data) in zip(names, pictures) if save_file(name, data)]

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
