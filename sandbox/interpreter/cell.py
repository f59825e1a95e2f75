"""What a cell does: runs code as a notebook would, and reports results, errors and figures.

Loaded by driver.py before contexts are forked from it; main() runs in a context, already locked
in. The code that runs here shares the process, so nothing in this file is a defence: the agent
takes what it sends as claims. What this file owes is an honest report of honest code, and to keep
going when the code is careless: objects whose repr fails, a closed stdout, a full disk.

Kept cheap to load: modules beyond the built-in ones are imported where they are needed.
"""
import sys
import posix
import builtins
import _thread
import _signal
from time import monotonic, sleep

# Set by the loader: load(name) gives another file of this folder as a module.
load = globals()["load"]
show, imports = load("show"), load("imports")
note, cut, one_line, name_of = show.note, show.cut, show.one_line, show.name_of
bundle, bound, plain_text = show.bundle, show.bound, show.plain_text

OWN = __file__.rpartition("/")[0] + "/"     # frames of files below it are not shown
CONTROL, OUT, ERR = 200, 201, 202

MAX_VALUE = 64 << 10        # characters of an error's message
MAX_TRACEBACK = 200 << 10
MAX_NAMES = 4096            # bytes of the list of names
MAX_PENDING = 100           # displays by threads while no cell runs
FORMATS = ["png"]           # of figures, unless the code says otherwise
BESIDE = False              # each with its SVG and its data beside it
IDLE_MS = 30                # without a request: then there is time for other things
FLUSH_AFTER = 0.01          # seconds that a line without its end may wait for the next write

# What a fresh context must have run site for: installed modules, and the names that site defines.
NEED_SITE = ("import", "exit", "quit", "help", "license", "credits", "copyright", "exec", "eval")
PARSE_ONLY, TOP_LEVEL_AWAIT, COROUTINE = 0x400, 0x2000, 0x80
FUTURES = 0x1FF0000 | 0x20000  # the __future__ bits of co_flags

# ---- the context ----

def make_stream(fd, name):
    import io

    class Output(io.BufferedWriter):
        """Written out at each line's end (by the text layer above it), and a part of a line within
        10 ms: at once when nothing was written just before, else by a thread that lives no longer
        than that. Below the text layer, so that no frame of ours is in the traceback of what fails
        there."""
        last = 0.0
        waiting = False
        threads = 0
        at_end = False      # threads must not meet the interpreter's end: each write goes out at once
        before = None       # to be called before more is written: clear_output(wait=True)

        def write(self, data):
            if self.before is not None:
                self.before()
            n = super().write(data)
            now = monotonic()
            if now - self.last > FLUSH_AFTER or self.at_end:
                self.flush()
            elif not self.waiting and bytes(data[-1:]) != b"\n":
                self.waiting = True
                self.threads += 1
                try:
                    _thread.start_new_thread(self.flush_soon, ())
                except RuntimeError:    # no more threads: then without waiting
                    self.waiting = False
                    self.threads -= 1
                    self.flush()
            self.last = now
            return n

        def flush_soon(self):
            sleep(FLUSH_AFTER)
            self.waiting = False
            try:
                self.flush()
            except BaseException:       # closed or broken: the next write says so
                pass
            self.threads -= 1

        def last_words(self):
            self.at_end = True
            while self.threads:
                sleep(0.001)

    raw = io.FileIO(fd, "w", closefd=False)
    f = io.TextIOWrapper(Output(raw), encoding="utf-8", errors="backslashreplace",
                         newline="\n", line_buffering=True, write_through=True)
    f.mode = "w"
    raw.name = name
    return f


class Context:
    def __init__(self, link, load_site):
        self.link = link
        self.load_site = load_site
        self.finder = imports.Finder(self)
        self.pid = posix.getpid()
        self.lock = _thread.allocate_lock()
        self.key = b""              # of the running cell; empty between cells
        self.is_program = False     # see program.py
        self.seq = 0
        self.pending = []
        self.own_figures = None     # made with the first figure
        self.formats = list(FORMATS)    # of figures
        self.beside = BESIDE
        self.flags = 0              # __future__ imports so far
        self.sources = {}
        self.loop = None
        self.around = None          # what a cell magic puts around the cell
        self.captured = None        # results that %%capture keeps
        self.clear_later = False    # clear_output(wait=True)
        self.idents = 0
        self.display_names = None   # of the stand-in for IPython.display
        self.ids = [self.identity(fd) for fd in (OUT, ERR)]
        module = type(sys)("__main__")
        self.module = module
        self.ns = module.__dict__
        self.ns["__builtins__"] = builtins
        self.initial = set(self.ns)

    # -- messages --

    def send(self, *fields):
        """A frame goes out whole: an interrupt in the middle would leave half of one."""
        old = _signal.pthread_sigmask(_signal.SIG_BLOCK, (_signal.SIGINT,))
        try:
            self.link.send(*fields)
        except OSError as e:
            try:
                posix.write(ERR, ("[the interpreter lost its channel to the agent (%s) and ends]\n"
                                  % e.strerror).encode())
            finally:
                posix._exit(70)
        finally:
            _signal.pthread_sigmask(_signal.SIG_SETMASK, old)

    def in_child(self):
        for f in (sys.__stdout__, sys.__stderr__):
            buffer = getattr(f, "buffer", None)
            if getattr(buffer, "threads", 0):   # the thread that would write it out is the parent's
                buffer.waiting, buffer.threads = False, 0
        try:
            posix.close(CONTROL)
        except OSError:
            pass

    def flush(self):
        for f in (sys.stdout, sys.stderr):
            try:
                f.flush()
            except KeyboardInterrupt:
                raise
            except BaseException:
                pass

    def publish(self, reprs, main=False, file=None, ident="", update=False):
        """Sends a result and waits until the agent has put it after what was written before. With
        `ident`, an update takes the place of the result of that name."""
        if posix.getpid() != self.pid:
            posix.write(1, reprs[0][1] + b"\n")     # a child process has no channel
            return
        if self.is_program and not file:
            print(reprs[0][1].decode("utf-8", "replace"))
            return
        result = (reprs, main, file, ident, update)
        if self.captured is not None:
            self.captured.append(result)
            return
        with self.lock:
            if not self.key:
                if len(self.pending) < MAX_PENDING:
                    self.pending.append(result)
                return
            if self.clear_later:
                self.clear_now()
            fields = [("op", "result"), ("main", 1 if main else 0)]
            if file:
                fields.append(("file", file))
            if ident:
                fields += [("id", ident), ("update", 1 if update else 0)]
            self.ask(fields + [("m:" + mime, data) for mime, data in reprs])

    def ask(self, fields):
        """A message that has its place among what is written. The lock is held."""
        self.flush()
        self.seq += 1
        fields[1:1] = [("key", self.key), ("seq", self.seq)]
        self.send(*fields)
        want = str(self.seq).encode()
        while True:
            frame = self.link.receive()
            if frame is None:
                posix._exit(0)
            if frame.get("op") == b"ack" and frame.get("seq") == want:
                return

    def display(self, *objs, display_id=None, raw=False, update=False, clear=False, **kw):
        """display(*objects): shows values; with raw=True, MIME bundles given as dicts. With
        display_id (True makes one), gives a handle whose update() replaces what was shown."""
        if clear:
            self.clear_output(wait=True)
        if display_id is True:
            self.idents += 1
            display_id = "display-%d" % self.idents
        ident = str(display_id)[:100] if display_id is not None else ""
        for obj in objs:
            if raw and isinstance(obj, dict):
                self.publish(bound(dict({"text/plain": ""}, **obj), "the bundle"), ident=ident,
                             update=update)
            elif show.is_figure(obj):
                self.figures().display(obj, ident, update)
            elif not self.shows_itself(obj):
                self.publish(bundle(obj), ident=ident, update=update)
        if ident and not update:
            return load("ipython").Handle(self.display, display_id)
        return None

    def shows_itself(self, obj):
        """_ipython_display_: the object calls display by itself."""
        m = show.method(obj, "_ipython_display_")
        if m is None or type(obj).__module__.startswith("plotly."):
            return False
        try:
            m()
        except NotImplementedError:
            return False
        except KeyboardInterrupt:
            raise
        except BaseException as e:
            note("_ipython_display_ of %s raised %s" % (name_of(type(obj)), one_line(e)))
            return False
        return True

    def clear_output(self, wait=False):
        """Takes back what the cell has shown; with wait=True once something new is shown."""
        if self.captured is not None:
            del self.captured[:]
        elif wait:
            self.clear_later = True
            self.set_before(self.clear_before_text)
        elif posix.getpid() == self.pid and self.key:
            with self.lock:
                self.clear_now()

    def clear_before_text(self):
        with self.lock:
            if self.clear_later and self.key:
                self.clear_now()

    def clear_now(self):
        self.clear_later = False
        self.set_before(None)
        self.ask([("op", "clear")])

    @staticmethod
    def set_before(work):
        for f in (sys.__stdout__, sys.__stderr__):
            buffer = getattr(f, "buffer", None)
            if hasattr(buffer, "before"):
                buffer.before = work

    # -- streams --

    def identity(self, fd):
        try:
            st = posix.fstat(fd)
            return (st.st_dev, st.st_ino)
        except OSError:
            return None

    def mend_streams(self):
        """Gives back a standard stream that the cell before closed, and says so."""
        for fd, keep, ident, name in ((1, OUT, self.ids[0], "stdout"),
                                      (2, ERR, self.ids[1], "stderr")):
            if self.identity(fd) != ident:
                posix.dup2(keep, fd)
                note("file descriptor %d (%s) was closed or replaced; it is back" % (fd, name))
            stream = getattr(sys, name, None)
            if stream is None or getattr(stream, "closed", False):
                setattr(sys, name, make_stream(fd, "<%s>" % name))
                setattr(sys, "__%s__" % name, getattr(sys, name))
                note("sys.%s was closed; it is open again" % name)

    # -- code --

    def compile_cell(self, source, name):
        """(body, last expression or None, whether its value is shown)"""
        flags = PARSE_ONLY | TOP_LEVEL_AWAIT | self.flags
        tree = compile(source, name, "exec", flags, True)
        last, shown = None, False
        if tree.body and type(tree.body[-1]).__name__ == "Expr":
            node = tree.body.pop()
            last = node.value
            shown = not self.silenced(source, node)
        import _ast
        run = TOP_LEVEL_AWAIT | self.flags
        body = compile(tree, name, "exec", run, True) if tree.body else None
        if body is not None:
            self.flags |= body.co_flags & FUTURES
        if last is not None:
            last = compile(_ast.Expression(last), name, "eval", TOP_LEVEL_AWAIT | self.flags, True)
        return body, last, shown

    @staticmethod
    def silenced(source, node):
        """A semicolon after the last expression: its value is not shown."""
        lines = source.encode("utf-8", "replace").split(b"\n")
        if node.end_lineno > len(lines):
            return False
        rest = lines[node.end_lineno - 1][node.end_col_offset:]
        return rest.lstrip().startswith(b";")

    def evaluate(self, code):
        value = eval(code, self.ns)
        if code.co_flags & COROUTINE:
            import asyncio
            if self.loop is None or self.loop.is_closed():
                self.loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self.loop)
            task = self.loop.create_task(value)
            try:
                value = self.loop.run_until_complete(task)
            except KeyboardInterrupt:
                task.cancel()
                raise
        return value

    def execute(self, source, name):
        self.around = None
        body, last, shown = self.prepare(source, name)
        if self.around is None:
            self.run_code(body, last, shown)
            return
        around, done = self.around, False
        around.enter()
        try:
            self.run_code(body, last, shown)
            done = True
        finally:
            around.leave(done)

    def run_code(self, body, last, shown):
        if body is not None:
            self.evaluate(body)
        if last is not None:
            value = self.evaluate(last)
            if value is not None:
                self.ns["_"] = value
                if shown:
                    self.show_main(value)

    def prepare(self, source, name):
        try:
            return self.compile_cell(source, name)
        except SyntaxError as e:
            if "%" in source or "!" in source or "?" in source or "pip" in source:
                mended = load("magics").rewrite(self, source, name, e)
                if mended is not None:
                    return mended
            raise

    def show_main(self, value):
        if show.is_figure(value):
            self.figures().show(value, True)
        elif not self.shows_itself(value):
            self.publish(bundle(value), True)

    # -- figures --

    def figures(self):
        if self.own_figures is None:
            self.own_figures = load("figures").Figures(self)
        return self.own_figures

    def show_figures(self):
        """What plt.show() does, and what happens at the end of each cell."""
        if "matplotlib.pyplot" in sys.modules and posix.getpid() == self.pid:
            self.figures().show_all()

    def tell_of_labels(self):
        """What figures could not write, once they are all drawn."""
        if "matplotlib._text_helpers" in self.finder.patched and not self.is_program:
            load("scripts").tell()

    # -- errors --

    def report(self, e, name):
        try:
            kind, value, text, line = self.describe(e, name)
        except KeyboardInterrupt:
            raise
        except BaseException as again:
            kind, value = name_of(type(e)), one_line(e)
            text = "%s\n(the traceback could not be made: %s)\n" % (value, one_line(again))
            line = 0
        self.send(("op", "error"), ("key", self.key), ("name", kind), ("value", value),
                  ("traceback", text), ("line", line))

    def describe(self, e, name):
        import traceback
        self.fill_linecache()
        t = traceback.TracebackException(type(e), e, e.__traceback__)
        seen = set()

        def own_frames_out(x):
            if x is None or id(x) in seen:
                return
            seen.add(id(x))
            x.stack[:] = [f for f in x.stack if not f.filename.startswith(OWN)]
            for i, f in enumerate(x.stack):
                if f.filename in self.sources:
                    del x.stack[:i]     # the event loop's frames above an await
                    break
            own_frames_out(x.__cause__)
            own_frames_out(x.__context__)
            for other in getattr(x, "exceptions", None) or ():
                own_frames_out(other)

        own_frames_out(t)
        if isinstance(e, SyntaxError) and not t.stack and e.filename == name:
            line = e.lineno or 0
        else:
            line = 0
            for f in t.stack:
                if f.filename == name:
                    line = f.lineno or 0
        text = "".join(t.format())
        kind = name_of(type(e))
        try:
            value = str(e)
        except KeyboardInterrupt:
            raise
        except BaseException as again:
            value = "(its message cannot be shown: %s)" % one_line(again)
        return kind, cut(value, MAX_VALUE), cut(text, MAX_TRACEBACK), line

    def fill_linecache(self):
        cache = sys.modules.get("linecache")
        if cache is not None:
            for name, source in self.sources.items():
                if name not in cache.cache:
                    cache.cache[name] = (len(source), None, source.splitlines(True), name)

    # -- a cell --

    def run(self, frame):
        self.key = frame.get("key", b"")
        self.clear_later = False
        number = int(frame.get("cell", b"0"))
        source = frame.get("code", b"").decode("utf-8", "replace")
        name = "cell %d" % number
        self.sources[name] = source if source.endswith("\n") else source + "\n"
        if any(word in source for word in NEED_SITE):
            self.load_site()
        self.mend_streams()
        self.fill_linecache()
        self.finder.hook()
        pending, self.pending = self.pending, []
        for result in pending:
            self.publish(*result)
        self.guarded(source, name)
        if posix.getpid() != self.pid:
            posix._exit(0)
        self.finish()

    def guarded(self, source, name):
        if _signal.getsignal(_signal.SIGINT) == _signal.SIG_IGN:
            _signal.signal(_signal.SIGINT, _signal.default_int_handler)
        error = None
        try:
            try:
                self.execute(source, name)
            finally:
                if posix.getpid() == self.pid:
                    self.show_figures()
                    self.tell_of_labels()
        except SystemExit as e:
            if posix.getpid() != self.pid:
                self.flush()
                posix._exit(e.code if isinstance(e.code, int) else 0 if e.code is None else 1)
            if e.code not in (None, 0):
                error = e
        except BaseException as e:
            error = e
        if posix.getpid() != self.pid:
            # A fork of the cell came to the cell's end: it ends as a program would.
            if error is not None:
                try:
                    sys.stderr.write(self.describe(error, name)[2])
                except BaseException:
                    pass
            self.flush()
            posix._exit(1 if error is not None else 0)
        _signal.signal(_signal.SIGINT, _signal.SIG_IGN)
        self.flush()
        if error is not None:
            self.report(error, name)

    def finish(self):
        names, size = [], 0
        for n in list(self.ns):
            if type(n) is str and n not in self.initial and not n.startswith("_") \
                    and len(n) < 100 and n.isidentifier():
                size += len(n.encode()) + 1
                if size > MAX_NAMES:
                    break
                names.append(n)
        with self.lock:
            self.flush()
            key, self.key = self.key, b""
            self.send(("op", "done"), ("key", key), ("names", " ".join(names)))


def no_input(prompt=""):
    """input() in the sandbox: there is nobody to ask."""
    raise EOFError("input(%r): nobody sits at this program's keyboard; "
                   "put the value into the code or read it from a file" % (prompt,))


def reseed():
    """numpy's global generator was seeded before the fork (random's reseeds itself)."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and "numpy.random" in sys.modules:
        numpy.random.seed()


def main(link, load_site, later):
    """A context's life: run cells until the agent hangs up."""
    import gc
    context = Context(link, load_site)
    for fd, name in ((1, "stdout"), (2, "stderr")):
        stream = make_stream(fd, "<%s>" % name)
        setattr(sys, name, stream)
        setattr(sys, "__%s__" % name, stream)
    sys.modules["__main__"] = context.module
    sys.argv = [""]
    sys.path.insert(0, "")
    program = load("program")   # it keeps the real input()
    builtins.input = no_input
    builtins.display = context.display
    builtins.report = imports.LazyReport(context)
    posix.register_at_fork(after_in_child=context.in_child)
    import faulthandler
    faulthandler.enable(ERR, all_threads=False)
    reseed()
    gc.enable()
    link.send(("op", "ready"))
    idle = []
    while True:
        # Once a cell is done and no other follows at once, what later cells want is loaded.
        while idle and not link.pending(IDLE_MS):
            idle.pop(0)()
        frame = link.receive()
        if frame is None:
            posix._exit(0)
        if frame.get("op") == b"run" and "script" in frame:
            load_site()
            raise globals()["driver"].Leave(program.Program(context, frame))
        if frame.get("op") == b"run":
            context.run(frame)
            idle = list(later)
            later = ()
