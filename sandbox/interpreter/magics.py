"""Notebook habits that are not Python: magics, shell escapes, questions like `name?`.

Loaded only when a cell uses one of them. What cannot be had here gets a sentence that says what to
do instead.
"""
import sys
import posix

load = globals()["load"]        # set by the loader in driver.py
show = load("show")

MAX_MAGICS = 200        # lines of one cell; each costs a compilation
SHELL_MAGICS = ("bash", "sh", "shell", "script bash", "script sh", "system", "sx")
SILENT = ("matplotlib", "pylab", "load_ext", "autosave", "aimport", "reload_ext", "autoreload", "precision",
          "colors", "xmode", "pdb", "automagic", "alias_magic", "unload_ext", "pprint")
NO_INSTALL = ("nothing can be installed here: the sandbox has no network. "
              "Use what is there, or write what is missing in plain Python; "
              "the user can provide packages beforehand (agent env create NAME PACKAGE...)")


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
    around = {"time": Timed, "capture": Captured, "prun": Profiled}.get(word)
    if around is not None:
        compiled = context.compile_cell(blank + body, name)
        context.around = around(context, args)
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


# ---- what lies around a whole cell: enter before its first line, leave after its last, on every
# path; done only when it ran to its end ----

class Timed:
    def __init__(self, context, args):
        pass

    def enter(self):
        self.clock = Clock()

    def leave(self, done):
        if done:
            self.clock.print()


class Captured:
    """%%capture [NAME]: streams and displays go into NAME instead of out."""

    def __init__(self, context, args):
        self.context = context
        words = [w for w in args.split() if not w.startswith("-")]
        self.name = words[0] if words and words[0].isidentifier() else None

    def enter(self):
        import io
        self.kept = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = self.streams = io.StringIO(), io.StringIO()
        self.context.captured = self.outputs = []

    def leave(self, done):
        sys.stdout, sys.stderr = self.kept
        self.context.captured = None
        self.stdout, self.stderr = (s.getvalue() for s in self.streams)
        if self.name:
            self.context.ns[self.name] = self

    def show(self):
        sys.stdout.write(self.stdout)
        sys.stderr.write(self.stderr)
        for result in self.outputs:
            self.context.publish(*result)

    __call__ = show

    def __str__(self):
        return self.stdout

    def __repr__(self):
        return "<captured: %d characters of stdout, %d of stderr, %d displays>" % (
            len(self.stdout), len(self.stderr), len(self.outputs))


class Profiled:
    def __init__(self, context, args):
        pass

    def enter(self):
        import cProfile
        self.profile = cProfile.Profile()
        self.profile.enable()

    def leave(self, done):
        self.profile.disable()
        if done:
            print_profile(self.profile)


def print_profile(profile):
    import pstats
    pstats.Stats(profile, stream=sys.stdout).sort_stats("cumulative").print_stats(20)


class Clock:
    def __init__(self):
        from time import perf_counter, process_time
        self.clocks = perf_counter, process_time
        self.started = [c() for c in self.clocks]

    def print(self):
        wall, cpu = (c() - t for c, t in zip(self.clocks, self.started))
        print("CPU time: %s, wall time: %s" % (span(cpu), span(wall)))


class Tools:
    def __init__(self, context):
        self.context = context

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
        if posix.access(show.driver.HERE + "/egress.sock", posix.F_OK):
            text = text.replace("has no network", "is read-only")
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
        if word in ("cd", "pwd", "env", "set_env", "who", "whos", "who_ls", "reset", "run", "prun",
                    "config"):
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
        words = [w for w in args.split() if w != "-q"]
        import os
        posix.chdir(os.path.expanduser(words[0]) if words else posix.environ.get(b"HOME",
                                                                                 b"/workspace"))
        print(posix.getcwd())

    def magic_pwd(self, args):
        return posix.getcwd()

    def magic_env(self, args):
        import os
        name, equals, value = args.partition("=")
        if not equals:
            name, _, value = args.partition(" ")
        name, value = name.strip(), value.strip()
        if not name:
            return dict(os.environ)
        if not value and not equals:
            return os.environ.get(name)
        os.environ[name] = self.expand(value)
        print("env: %s=%s" % (name, os.environ[name]))
        return None

    magic_set_env = magic_env

    def magic_config(self, args):
        """InlineBackend.figure_format(s) is obeyed; the rest has no meaning here."""
        name, _, value = args.partition("=")
        if name.strip() in ("InlineBackend.figure_format", "InlineBackend.figure_formats"):
            load("ipython").set_formats(self.context, value)

    def magic_who_ls(self, args):
        return sorted(n for n in self.context.ns if not n.startswith("_"))

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
        import shlex
        words = shlex.split(args)
        if not words:
            raise MagicError("%run FILE [ARGUMENT...]: the file is missing")
        with open(words[0], encoding="utf-8") as f:
            code = compile(f.read(), words[0], "exec")
        before, sys.argv = sys.argv, words
        try:
            exec(code, self.context.ns)
        finally:
            sys.argv = before

    def time(self, code):
        clock = Clock()
        try:
            compiled = compile(code, "%time", "eval")
        except SyntaxError:
            exec(compile(code, "%time", "exec"), self.context.ns)
            clock.print()
            return None
        value = eval(compiled, self.context.ns)
        clock.print()
        return value

    def magic_prun(self, args):
        import cProfile
        profile = cProfile.Profile()
        try:
            profile.runctx(args, self.context.ns, self.context.ns)
        finally:
            print_profile(profile)

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
        if word in ("python", "python3"):
            import subprocess
            self.context.flush()
            done = subprocess.run([sys.executable, "-c", body], stdin=subprocess.DEVNULL)
            if done.returncode:
                raise MagicError("the program ended with status %d" % done.returncode)
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
        mimes = {"javascript": "application/javascript", "js": "application/javascript",
                 "html": "text/html", "HTML": "text/html", "markdown": "text/markdown",
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
