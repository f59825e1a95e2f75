"""Notebook habits that are not Python: magics, shell escapes, and IPython's display module.

Loaded only when a cell uses one of them. What cannot be had here gets a sentence that says what to
do instead.
"""
import sys
import posix

show = globals()["load"]("show")        # load: set by the loader in driver.py

MAX_MAGICS = 200        # lines of one cell; each costs a compilation
SHELL_MAGICS = ("bash", "sh", "shell", "script bash", "script sh", "system", "sx")
SILENT = ("matplotlib", "pylab", "config", "load_ext", "reload_ext", "autoreload", "precision",
          "colors", "xmode", "pdb", "automagic", "alias_magic", "unload_ext", "pprint")
NO_INSTALL = ("nothing can be installed here: the sandbox has no network. "
              "Use what is there, or write what is missing in plain Python")


class MagicError(Exception):
    """A notebook command that this interpreter does not have."""
    __module__ = "builtins"     # shown by its bare name


# ---- from lines to calls ----

def rewrite(context, source, name, error):
    """The compiled cell with its notebook lines turned into calls; None when it has none of them,
    so that the original SyntaxError stands."""
    tools = Tools(context)
    stripped = source.lstrip()
    if stripped.startswith("%%"):
        return rewrite_cell(context, tools, source, name)
    lines = source.split("\n")
    for _ in range(MAX_MAGICS):
        at = (error.lineno or 0) - 1
        if error.filename != name or not 0 <= at < len(lines):
            return None
        call = line_call(lines[at])
        if call is None:
            return None
        lines[at] = call
        try:
            compiled = context.compile_cell("\n".join(lines), name)
        except SyntaxError as e:
            error = e
            continue
        context.ns["_notebook"] = tools
        return compiled
    return None


def rewrite_cell(context, tools, source, name):
    before, _, rest = source.partition("%%")
    first, _, body = rest.partition("\n")
    word, _, args = first.strip().partition(" ")
    blank = "\n" * (before.count("\n") + 1)     # line numbers stay
    if word in ("time", "capture", "prun"):
        compiled = context.compile_cell(blank + body, name)
        if word == "time":
            from time import perf_counter, process_time
            tools.started = (perf_counter(), process_time())
            context.after_cell = tools.print_time
        return compiled
    context.ns["_notebook"] = tools
    call = "_notebook.cell_magic(%r, %r, %r)" % (word, args.strip(), body)
    return context.compile_cell("\n" * before.count("\n") + call, name)


def line_call(line):
    """The Python call for a notebook line, at the same indentation; None when it is none."""
    text = line.strip()
    indent = line[:len(line) - len(line.lstrip())]
    target = ""
    head, equals, tail = text.partition("=")
    if equals and tail.strip()[:1] in ("!", "%") and not tail.startswith("=") \
            and head.strip().replace(",", "").replace(" ", "").isidentifier():
        target, text = head.strip() + " = ", tail.strip()
    if text.startswith("!"):
        return "%s%s_notebook.shell(%r, %r)" % (indent, target, text.lstrip("!"), bool(target))
    if text.startswith("%") and not text.startswith("%%"):
        word, _, args = text[1:].strip().partition(" ")
        return "%s%s_notebook.line_magic(%r, %r)" % (indent, target, word, args.strip())
    words = text.split()
    if words and words[0] in ("pip", "pip3", "conda", "mamba", "uv") or words[:3] == [
            "python", "-m", "pip"] or words[:3] == ["python3", "-m", "pip"]:
        return "%s_notebook.install(%r)" % (indent, text)
    if text.endswith("?") or text.startswith("?"):
        return "%s_notebook.explain(%r)" % (indent, text.strip("?").strip())
    return None


class Tools:
    def __init__(self, context):
        self.context = context
        self.started = None

    # -- shell --

    def shell(self, command, wanted):
        words = command.split()
        if words[:1] in (["pip"], ["pip3"], ["conda"], ["mamba"], ["uv"]) or "pip" in words[:3] \
                or words[:1] in (["apt"], ["apt-get"]):
            return self.install(command)
        import subprocess
        self.context.flush()
        command = self.expand(command)
        done = subprocess.run(["/bin/sh", "-c", command], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE if wanted else None)
        self.context.ns["_exit_code"] = done.returncode
        if wanted:
            return done.stdout.decode("utf-8", "replace").splitlines()
        if done.returncode:
            show.note("`%s` ended with status %d" % (show.cut(command, 200), done.returncode))
        return None

    def expand(self, command):
        """{name} and $name of Python variables, as notebooks do; what is none stays."""
        import re

        def value(match):
            key = match.group(1) or match.group(2)
            return str(self.context.ns[key]) if key in self.context.ns else match.group(0)
        return re.sub(r"\{([A-Za-z_]\w*)\}|\$([A-Za-z_]\w*)", value, command)

    def install(self, command):
        """Says what of it is there already."""
        import importlib.util
        self.context.load_site()
        here, missing = [], []
        for word in command.replace("==", " ").replace(">=", " ").split():
            if word in ("apt-get", "uninstall"):
                continue
            name = {"scikit-learn": "sklearn", "pillow": "PIL", "beautifulsoup4": "bs4",
                    "pyyaml": "yaml", "opencv-python": "cv2"}.get(word.lower(),
                                                                  word.replace("-", "_"))
            if word.startswith("-") or not name.isidentifier() or word in (
                    "pip", "pip3", "install", "conda", "mamba", "uv", "apt", "get", "python",
                    "python3", "uninstall", "list", "show", "freeze", "add", "sudo"):
                continue
            (here if importlib.util.find_spec(name) else missing).append(word)
        text = NO_INSTALL
        if here:
            text += ". Already here: " + ", ".join(here)
        if missing:
            text += ". Not here: " + ", ".join(missing)
        print("[%s]" % text)

    # -- magics --

    def line_magic(self, word, args):
        if word in ("pip", "conda", "mamba"):
            return self.install(word + " " + args)
        if word in ("timeit", "time"):
            return self.timeit(args) if word == "timeit" else self.time(args)
        if word in ("cd", "pwd", "env", "who", "whos", "reset", "run"):
            return getattr(self, "magic_" + word)(args)
        if word in ("ls", "cat", "mkdir", "cp", "mv", "rm", "head", "tail", "wc"):
            return self.shell(word + " " + args, False)
        if word in SHELL_MAGICS:
            return self.shell(args, word in ("system", "sx"))
        if word in SILENT:
            return None
        raise MagicError("%%%s is a notebook command that is not available here; "
                         "write it in plain Python" % word)

    def magic_cd(self, args):
        posix.chdir(args or posix.environ.get(b"HOME", b"/workspace"))
        print(posix.getcwd())

    def magic_pwd(self, args):
        return posix.getcwd()

    def magic_env(self, args):
        import os
        return dict(os.environ)

    def magic_who(self, args):
        print("  ".join(n for n in self.context.ns if not n.startswith("_")))

    def magic_whos(self, args):
        for n, v in list(self.context.ns.items()):
            if not n.startswith("_"):
                print("%-20s %-15s %s" % (n, type(v).__name__, show.plain_text(v)[:60].replace(
                    "\n", " ")))

    def magic_reset(self, args):
        for n in [n for n in self.context.ns if not n.startswith("_")]:
            del self.context.ns[n]

    def magic_run(self, args):
        name = args.split()[0] if args else ""
        with open(name, encoding="utf-8") as f:
            exec(compile(f.read(), name, "exec"), self.context.ns)

    def time(self, code):
        from time import perf_counter, process_time
        self.started = (perf_counter(), process_time())
        try:
            compiled = compile(code, "%time", "eval")
        except SyntaxError:
            exec(compile(code, "%time", "exec"), self.context.ns)
            self.print_time()
            return None
        value = eval(compiled, self.context.ns)
        self.print_time()
        return value

    def print_time(self):
        from time import perf_counter, process_time
        print("CPU time: %s, wall time: %s" % (span(process_time() - self.started[1]),
                                               span(perf_counter() - self.started[0])))

    def timeit(self, code, setup="pass"):
        import timeit
        words = code.split()
        number = repeat = None
        while words and words[0].startswith("-"):
            option = words.pop(0)
            value = option[2:] or (words.pop(0) if words and option[1:2] in "nr" else "")
            if option[1:2] == "n":
                number = int(value)
            elif option[1:2] == "r":
                repeat = int(value)
        if number is not None or repeat is not None:
            code = " ".join(words)
        timer = timeit.Timer(code, setup, globals=self.context.ns)
        if number is None:
            number, _ = timer.autorange()
        runs = [t / number for t in timer.repeat(repeat or 5, number)]
        mean = sum(runs) / len(runs)
        print("%s per loop (best %s; %d runs of %s loops each)" % (
            span(mean), span(min(runs)), len(runs), show.commas(number)))

    def cell_magic(self, word, args, body):
        if word in ("bash", "sh", "shell", "script"):
            import subprocess
            self.context.flush()
            done = subprocess.run(["/bin/bash" if word != "sh" else "/bin/sh", "-c", body],
                                  stdin=subprocess.DEVNULL)
            if done.returncode:
                raise MagicError("the shell ended with status %d" % done.returncode)
            return
        if word in ("writefile", "file"):
            append = args.startswith("-a ")
            name = args[3:].strip() if append else args
            with open(name, "a" if append else "w", encoding="utf-8") as f:
                f.write(body)
            print("%s %s" % ("Appended to" if append else "Wrote", name))
            return
        if word == "timeit":
            self.timeit(body)
            return
        mimes = {"html": "text/html", "HTML": "text/html", "markdown": "text/markdown",
                 "latex": "text/latex", "svg": "image/svg+xml", "SVG": "image/svg+xml"}
        if word in mimes:
            self.context.display({mimes[word]: body, "text/plain": body}, raw=True)
            return
        raise MagicError("%%%%%s is a notebook command that is not available here; this cell must "
                         "be plain Python" % word)

    def explain(self, expression):
        try:
            value = eval(expression, self.context.ns)
        except Exception as e:
            print("%s: %s" % (expression, show.one_line(e)))
            return
        import inspect
        try:
            print("%s%s" % (expression, inspect.signature(value)))
        except (TypeError, ValueError):
            print("type: %s" % type(value).__name__)
        print(inspect.getdoc(value) or "(no description)")


def span(seconds):
    for factor, unit in ((1, "s"), (1e3, "ms"), (1e6, "us"), (1e9, "ns")):
        if seconds * factor >= 1 or unit == "ns":
            return "%.3g %s" % (seconds * factor, unit)
    return ""


# ---- IPython, as far as cells use it ----

class Display:
    """Base of the display classes: data, or a file's content."""
    mime = "text/plain"
    binary = False

    def __init__(self, data=None, url=None, filename=None, **kw):
        if url is not None:
            raise OSError("%s(url=...): the sandbox has no network" % type(self).__name__)
        if filename is None and self.is_path(data):
            filename = data
        if filename is not None:
            with open(filename, "rb") as f:
                data = f.read()
            if not self.binary:
                data = data.decode("utf-8", "replace")
        self.data = data
        self.filename = filename

    @staticmethod
    def is_path(data):
        return False

    def __repr__(self):
        return "<IPython.core.display.%s object>" % type(self).__name__

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {} if self.data is None else {self.mime: self.data}


def text_class(name, mime):
    return type(name, (Display,), {"mime": mime, "__module__": "IPython.display"})


class Image(Display):
    binary = True

    def __init__(self, data=None, url=None, filename=None, format=None, embed=None, width=None,
                 height=None, **kw):
        super().__init__(data, url, filename)
        head = (self.data or b"")[:12]
        self.mime = ("image/jpeg" if head[:2] == b"\xff\xd8" else
                     "image/gif" if head[:4] == b"GIF8" else
                     "image/webp" if head[8:12] == b"WEBP" else "image/png")

    @staticmethod
    def is_path(data):
        return isinstance(data, str) or hasattr(data, "__fspath__")


class SVG(Display):
    mime = "image/svg+xml"

    @staticmethod
    def is_path(data):
        return isinstance(data, str) and "<svg" not in data[:1000] and data.endswith(".svg")


class JSON(Display):
    mime = "application/json"


class Code(Display):
    def __init__(self, data=None, url=None, filename=None, language=None):
        super().__init__(data, url, filename)

    def __repr__(self):
        return str(self.data)

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {}


class Handle:
    """What display(..., display_id=True) gives: an update is shown as a result of its own."""

    def __init__(self, display):
        self.display = display
        self.display_id = "1"

    def update(self, obj, **kw):
        self.display(obj)


def ipython_spec(context, name):
    """Module specs for IPython and its display module; IPython's other modules are the real ones
    when it is installed."""
    bootstrap = sys.modules["_frozen_importlib"]
    return bootstrap.ModuleSpec(name, ShimLoader(context), is_package=name in (
        "IPython", "IPython.core"))


class ShimLoader:
    def __init__(self, context):
        self.context = context

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        if module.__name__ == "IPython":
            finder = sys.modules["_frozen_importlib_external"].PathFinder
            real = finder.find_spec("IPython")
            if real is not None:
                module.__path__ = list(real.submodule_search_locations or ())
            module.__version__ = "8.0.0"
            module.version_info = (8, 0, 0)
            module.get_ipython = lambda: None
            module.display = sys.modules.get("IPython.display")
            return
        module.__dict__.update(self.display_names())

    def display_names(self):
        def display(*objs, display_id=None, **kw):
            self.context.display(*objs, **kw)
            return Handle(self.context.display) if display_id else None

        def display_as(mime):
            def one(*objs, raw=False, **kw):
                for obj in objs:
                    self.context.display({mime: obj} if raw else obj, raw=raw)
            return one

        names = {
            "display": display, "Image": Image, "SVG": SVG, "JSON": JSON, "Code": Code,
            "HTML": text_class("HTML", "text/html"),
            "Markdown": text_class("Markdown", "text/markdown"),
            "Latex": text_class("Latex", "text/latex"), "Math": text_class("Math", "text/latex"),
            "Javascript": text_class("Javascript", "application/javascript"),
            "Pretty": text_class("Pretty", "text/plain"),
            "DisplayObject": Display, "TextDisplayObject": Display, "DisplayHandle": Handle,
            "clear_output": lambda wait=False: None,
            "update_display": lambda obj, **kw: self.context.display(obj),
            "set_matplotlib_formats": lambda *a, **kw: None,
            "display_html": display_as("text/html"), "display_png": display_as("image/png"),
            "display_markdown": display_as("text/markdown"),
            "display_svg": display_as("image/svg+xml"),
            "display_latex": display_as("text/latex"),
            "publish_display_data": lambda data=None, **kw: self.context.display(data, raw=True),
        }

        class FileLink(Display):
            def __init__(self, path, *a, **kw):
                Display.__init__(self)
                self.path = path

            def __repr__(self):
                return str(self.path)
        names["FileLink"] = names["FileLinks"] = FileLink
        return names
