"""How matplotlib's figures look when the code asks for nothing else. Loaded when matplotlib is.

Defaults are set in rcParams alone, once in a context, before the code that imports matplotlib goes on:
what it sets itself stands, and style.use("default") and rcdefaults() give matplotlib's own look. What
rcParams cannot say is done by the call that draws (barh, twinx, imshow) or when the figure is saved.
Which font has which script is in scripts.py. `agent exec` has none of this: it is a bare python3.
"""
import sys
import functools

load = globals()["load"]    # set by the loader in driver.py

# Eight colours that people with any kind of colour blindness tell apart: Okabe and Ito, "Color Universal Design"
# (2008), without their yellow, which is too light for lines on white.
CYCLE = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#7F7F7F", "#000000")
INK, SOFT, FAINT = "#222222", "#6B6B6B", "#DDDDDD"

STYLE = {
    "figure.figsize": (8.0, 4.5), "figure.dpi": 120, "savefig.bbox": "tight", "savefig.pad_inches": 0.12,
    "font.size": 10.5, "text.color": INK, "axes.labelcolor": INK, "xtick.color": SOFT, "ytick.color": SOFT,
    "xtick.labelcolor": INK, "ytick.labelcolor": INK, "xtick.major.size": 3, "ytick.major.size": 3,
    "axes.titlesize": 13, "axes.titleweight": "bold", "axes.titlepad": 10, "figure.titlesize": 14,
    "figure.titleweight": "bold",
    "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": SOFT, "axes.linewidth": 0.8,
    "axes.grid": True, "axes.grid.axis": "y", "axes.axisbelow": True, "grid.color": FAINT, "grid.linewidth": 0.8,
    "lines.linewidth": 2, "lines.markersize": 5, "axes.formatter.useoffset": False, "axes.formatter.limits": (-5, 12),
    "legend.frameon": True, "legend.framealpha": 0.9, "legend.edgecolor": "white", "legend.fontsize": 9.5,
}
THOUSANDS_FROM = 10000      # years have none


def set_defaults(matplotlib):
    """What a matplotlibrc of the user's changed stands."""
    rc, default = matplotlib.rcParams, matplotlib.rcParamsDefault
    wanted = dict(STYLE)
    if rc["axes.prop_cycle"] == default["axes.prop_cycle"]:
        from cycler import cycler
        wanted["axes.prop_cycle"] = cycler(color=CYCLE)
    for name, value in wanted.items():
        if name in rc and rc[name] == default.get(name):
            try:
                rc[name] = value
            except ValueError:
                pass        # a word that this version does not have


# ---- what single charts need ----

def after(owner, name, work):
    """owner.name does work(self, result) behind its own. What fails there costs nothing."""
    plain = getattr(owner, name)

    @functools.wraps(plain)
    def wrapped(self, *args, **kw):
        result = plain(self, *args, **kw)
        try:
            work(self, result)
        except Exception:
            pass
        return result
    setattr(owner, name, wrapped)


def is_styled():
    return sys.modules["matplotlib"].rcParams["axes.grid.axis"] == STYLE["axes.grid.axis"]


def has_grid(axis):
    return any(line.get_visible() for line in axis.get_gridlines())


def turn_grid(axes, _):
    """Lying bars are read along x."""
    if is_styled() and has_grid(axes.yaxis) and not has_grid(axes.xaxis):
        axes.grid(False, axis="y")
        axes.grid(True, axis="x")


def no_grid(axes, _):
    if is_styled():
        axes.grid(False)


def part_wedges(_, result):
    if is_styled():
        for wedge in result[0]:
            if wedge.get_edgecolor()[3] == 0:
                wedge.set(edgecolor="white", linewidth=0.8)


def part_bins(_, result):
    """Neighbouring bins in one colour would be one mountain."""
    for container in [result[2]] if hasattr(result[2], "patches") else list(result[2]):
        patches = getattr(container, "patches", ())
        if is_styled() and 1 < len(patches) <= 100 and patches[0].get_edgecolor()[3] == 0:
            for patch in patches:
                patch.set(edgecolor="white", linewidth=0.6)


def on_axes(axes):
    after(axes.Axes, "barh", turn_grid)
    after(axes.Axes, "imshow", no_grid)
    after(axes.Axes, "twinx", lambda self, twin: no_grid(twin, None))
    after(axes.Axes, "twiny", lambda self, twin: no_grid(twin, None))
    after(axes.Axes, "pie", part_wedges)
    after(axes.Axes, "hist", part_bins)


# ---- when a figure is saved ----

def on_figure(module):
    plain = module.Figure.savefig

    @functools.wraps(plain)
    def savefig(self, fname, *args, **kw):
        if is_styled():
            try:
                settle(self)
            except Exception:
                pass            # it then looks as matplotlib has it
        plain(self, fname, *args, **kw)
        load("scripts").look_at(self)
        if isinstance(fname, str) or hasattr(fname, "__fspath__"):
            load("figures").keep_name(self, fname)
    module.Figure.savefig = savefig


def settle(figure):
    """Room between sub-plots where the code chose no layout, and thousands apart in long numbers."""
    import matplotlib.ticker
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            formatter = axis.get_major_formatter()
            if type(formatter) is matplotlib.ticker.ScalarFormatter:
                formatter.__class__ = with_thousands()      # it keeps what ticklabel_format() said
        if type(axes.xaxis.get_major_locator()) is matplotlib.ticker.AutoLocator:
            make_room(axes)
    places = [axes.get_subplotspec() for axes in figure.axes if axes.get_label() != "<colorbar>"]
    untouched = all(getattr(figure.subplotpars, side) == figure_default(side)
                    for side in ("left", "right", "bottom", "top", "wspace", "hspace"))
    if untouched and None not in places and len({str(p) for p in places}) > 1 \
            and figure.get_layout_engine() is None:
        figure.set_layout_engine("tight")     # constrained fails on colour bars made before it


def make_room(axes):
    """Fewer ticks where long numbers would run into each other."""
    longest = max([len(t.get_text()) for t in axes.get_xticklabels()] or [0])
    room = axes.get_window_extent().width / axes.figure.dpi * 72
    fit = int(room / ((longest + 2) * 0.62 * axes.xaxis.get_ticklabels()[0].get_size())) if longest > 6 else 99
    if fit < len(axes.get_xticks()):
        axes.locator_params(axis="x", nbins=max(fit, 2))


def figure_default(side):
    return sys.modules["matplotlib"].rcParams["figure.subplot." + side]


@functools.lru_cache(None)
def with_thousands():
    from matplotlib.ticker import ScalarFormatter

    class Thousands(ScalarFormatter):
        """25,000 for 25000; the digits are ScalarFormatter's."""

        def __call__(self, x, pos=None):
            text = super().__call__(x, pos)
            digits = text.lstrip("-\u2212")
            whole, point, rest = digits.partition(".")
            largest = max([abs(x)] + [abs(place) for place in self.locs])   # one axis, one way of writing
            if not whole.isdecimal() or largest < THOUSANDS_FROM or (rest and not rest.isdecimal()):
                return text
            return text[:len(text) - len(digits)] + format(int(whole), ",") + point + rest
    return Thousands
