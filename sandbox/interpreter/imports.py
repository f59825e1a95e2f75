"""What the imports of a cell's code find that is not as on the disk: a stand-in for IPython, the
module `report`, and library modules with one function of ours in them."""
import sys

load = globals()["load"]        # set by the loader in driver.py


class Finder:
    """Looks at imports first; what it has no word on is found as ever."""

    def __init__(self, context):
        self.context = context
        self.patched = set()        # modules that we have changed
        self.patches = {"matplotlib": self.styling("matplotlib", "style", "set_defaults"),
                        "matplotlib._text_helpers": self.styling("matplotlib._text_helpers", "scripts", "on_text_helpers"),
                        "matplotlib.font_manager": self.styling("matplotlib.font_manager", "scripts", "on_font_manager"),
                        "matplotlib.figure": self.styling("matplotlib.figure", "style", "on_figure"),
                        "matplotlib.pyplot": self.patch_pyplot,
                        "matplotlib.axes": self.patch_axes,
                        "plotly.io": self.patch_plotly,
                        "linecache": self.patch_linecache}

    def hook(self):
        """Before each cell: the one before may have taken us out, or loaded what is patched."""
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)
        for name, patch in self.patches.items():
            module = sys.modules.get(name)
            if module is not None and name not in self.patched:
                patch(module)

    def find_spec(self, name, path=None, target=None):
        patch = self.patches.get(name)
        if patch is not None:
            spec = sys.modules["_frozen_importlib_external"].PathFinder.find_spec(name, path)
            if spec is not None and spec.loader is not None:
                spec.loader = PatchLoader(spec.loader, patch)
            return spec
        if name.startswith(("IPython", "matplotlib_inline")) and name in load("ipython").SHIMS:
            return load("ipython").module_spec(self.context, name)
        if name == "report" and not self.context.is_program:
            return self.report_spec(path)
        return None

    def report_spec(self, path):
        """`import report`, unless there is a file of that name."""
        external = sys.modules["_frozen_importlib_external"]
        if external.PathFinder.find_spec("report", path) is not None:
            return None
        return sys.modules["_frozen_importlib"].ModuleSpec("report", ReportLoader(self.context))

    def patch_pyplot(self, plt):
        def show(*args, **kw):
            """Shows the open figures as results and closes them."""
            self.context.show_figures()
        self.patched.add("matplotlib.pyplot")
        plt.show = show

    def patch_axes(self, axes):
        self.patched.add("matplotlib.axes")
        load("charts").keep_boxes(axes.Axes)
        if not self.context.is_program:
            load("style").on_axes(axes)

    def styling(self, name, file, work):
        """A patch that a program, which is to be as under any python3, does not get."""
        def patch(module):
            self.patched.add(name)
            if not self.context.is_program:
                getattr(load(file), work)(module)
        return patch

    def patch_plotly(self, io):
        def show(figure, *args, **kw):
            """Shows the figure as a result."""
            self.context.display(figure)
        self.patched.add("plotly.io")
        io.show = show

    def patch_linecache(self, module):
        self.patched.add("linecache")
        self.context.fill_linecache()


class ReportLoader:
    def __init__(self, context):
        self.context = context

    def create_module(self, spec):
        return load("report").module(self.context)

    def exec_module(self, module):
        pass


class LazyReport:
    """The name `report` of a notebook's cells (report.py, loaded at its first use)."""

    def __init__(self, context):
        self.__dict__["context"] = context

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(load("report").Report(self.context), name)

    def __dir__(self):
        return ["figure", "number", "table", "text"]

    def __repr__(self):
        return load("report").Report.__doc__


class PatchLoader:
    """Runs another loader, then patches the module, and leaves no trace of itself."""

    def __init__(self, loader, patch):
        self.loader, self.patch = loader, patch

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module):
        module.__spec__.loader = module.__loader__ = self.loader
        self.loader.exec_module(module)
        self.patch(module)
