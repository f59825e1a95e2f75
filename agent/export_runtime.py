#: files
def _work_in_folder(words):
    """Other files in place of those the cells name: links in a folder of its own, where all is written."""
    import tempfile
    given, free = {}, list(FILES)
    for word in words:
        name, equals, path = word.partition("=")
        if not equals or name not in FILES:
            name, path = (free[0] if free else None), word
        if name not in free:
            sys.exit(f"{sys.argv[0]}: {word}: there are only these files to replace: {', '.join(FILES) or 'none'}")
        free.remove(name)
        given[name] = path
    folder = tempfile.mkdtemp(prefix="run-", dir=".")
    for name in FILES:
        path = os.path.abspath(given.get(name, name))
        if not os.path.exists(path):
            os.rmdir(folder) if not os.listdir(folder) else None
            sys.exit(f"{sys.argv[0]}: {path} is not there (it is to be {name})")
        link = os.path.join(folder, name)
        os.makedirs(os.path.dirname(link), exist_ok=True)
        os.symlink(path, link)
    os.chdir(folder)
    print(f"working in {folder}", file=sys.stderr)


if len(sys.argv) > 1:
    _work_in_folder(sys.argv[1:])
    sys.argv[1:] = []
else:
    _missing = [name for name in FILES if not os.path.exists(name)]
    if _missing:
        sys.exit(f"{sys.argv[0]}: not in this folder: {', '.join(_missing)}. Give the path of each as an argument, "
                 f"in this order: {', '.join(FILES)}")

#: display
def display(*values, **_):
    """Shows values as text; figures become files."""
    for value in values:
        if value is None:
            continue
        if hasattr(value, "savefig"):
            _save_figures([value])
        else:
            print(value.data if type(value).__name__ in ("Markdown", "Latex", "Pretty") and hasattr(value, "data")
                  else repr(value), flush=True)


#: figures
os.environ["MPLBACKEND"] = "Agg"
_figures = 0


def _save_figures(figures=None):
    """Writes open figures to figure-N.png and closes them."""
    global _figures
    plt = sys.modules.get("matplotlib.pyplot")
    if plt is None:
        return
    plt.show = lambda *_, **__: _save_figures()
    for figure in figures or [plt.figure(number) for number in plt.get_fignums()]:
        if not figure.axes and not figure.texts:
            continue
        _figures += 1
        figure.savefig(f"figure-{_figures}.png")
        print(f"wrote figure-{_figures}.png", file=sys.stderr)
        plt.close(figure)


#: matplotlib
import matplotlib.pyplot

matplotlib.pyplot.show = lambda *_, **__: _save_figures()

#: shell
def _shell(command, lines=False):
    """A notebook's !command; {name} and $name are filled in with variables."""
    import re
    import subprocess

    def fill(match):
        try:
            return str(eval(match[1] or match[2], globals()))
        except Exception:
            return match[0]
    command = re.sub(r"\{([^{}]+)\}|\$(\w+)", fill, command)
    sys.stdout.flush()
    done = subprocess.run(command, shell=True, executable="/bin/bash", text=True,
                          stdout=subprocess.PIPE if lines else None, stdin=subprocess.DEVNULL)
    return done.stdout.splitlines() if lines else None


#: await
def _run_async(source, name):
    """A cell that awaits outside of functions."""
    import ast
    import asyncio
    global _loop
    if "_loop" not in globals():
        _loop = asyncio.new_event_loop()
        asyncio.set_event_loop(_loop)
    waits = eval(compile(source, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), globals())
    if waits is not None:
        _loop.run_until_complete(waits)


#: ipython
def _stand_in_for_ipython():
    """What the cells may import from IPython when it is not installed."""
    import types

    class Shown:
        def __init__(self, data=None, *_, **named):
            self.data = data if data is not None else named.get("filename", "")

        def __repr__(self):
            return f"<{type(self).__name__} object>"

    top, inner = types.ModuleType("IPython"), types.ModuleType("IPython.display")
    for name in ("HTML", "Markdown", "Latex", "Pretty", "Image", "SVG", "JSON", "Javascript"):
        setattr(inner, name, type(name, (Shown,), {}))
    inner.display, inner.clear_output = display, lambda *_, **__: None
    top.display, top.get_ipython = inner, lambda: None
    sys.modules.update({"IPython": top, "IPython.display": inner})


import importlib.util

if importlib.util.find_spec("IPython") is None:
    _stand_in_for_ipython()

#: report
class _Report:
    """Stands in for the helper of the session: numbers and words are printed, figures and tables become files in published/."""

    def number(self, name, value=None, format="", unit="", caption=""):
        if isinstance(value, str) and not isinstance(name, str):
            name, value = value, name
        whole = not isinstance(value, float) and value == int(value)
        text = f"{round(value) if format.endswith('d') else value:{format or (',d' if whole else ',.2f')}}"
        print(f"{name}: {unit}{text}" if unit in tuple("$€£¥₹") else f"{name}: {text}{unit if unit == '%' else ' ' + unit}".rstrip())

    def text(self, name, value=None):
        print(f"{name}: {value}")

    def table(self, frame, name=None, caption="", formats=None):
        if isinstance(frame, str) and not isinstance(name, str):
            frame, name = name, frame
        display(frame)
        if hasattr(frame, "to_csv"):
            os.makedirs("published", exist_ok=True)
            frame.to_csv(f"published/{name}.csv")

    def figure(self, figure=None, name=None, caption=""):
        import matplotlib.pyplot as plt
        if isinstance(figure, str) and not isinstance(name, str):
            figure, name = name, figure
        figure = plt.gcf() if figure is None else getattr(figure, "figure", None) or figure
        os.makedirs("published", exist_ok=True)
        figure.savefig(f"published/{name}.png")
        print(f"wrote published/{name}.png", file=sys.stderr)
        if "get_ipython" in globals():
            display(figure)
        plt.close(figure)

    def param(self, name):
        import json
        with open("params.json", encoding="utf-8") as f:
            return str(json.load(f)[name])


import importlib.util

report = _Report()
if "report" not in sys.modules and importlib.util.find_spec("report") is None:
    sys.modules["report"] = report
