"""A program instead of a notebook's cell: what `python3 FILE`, `python3 -c CODE` and `python3 -` do.

Runs at the bottom of driver.py, after every frame of the driver has been left. The name in
tracebacks, sys.argv, sys.path and the namespace are what python3 gives; an uncaught exception goes
through sys.excepthook; the end is the interpreter's own. Several units may follow each other in one
namespace: the last ends the program, and so does an exception.
"""
import sys
import posix
import builtins
import _signal

real_input = builtins.input     # as it is before a context puts its own there


class Program:
    def __init__(self, context, frame):
        self.context = context
        self.outputs = sys.stdout.buffer, sys.stderr.buffer
        self.pid = posix.getpid()
        self.ns = context.ns
        context.is_program = True
        builtins.input = real_input
        del builtins.display
        import faulthandler
        faulthandler.disable()
        self.open_streams()
        _signal.signal(_signal.SIGINT, _signal.default_int_handler)
        self.ns.update(__annotations__={}, __loader__=sys.modules["_frozen_importlib"].BuiltinImporter)
        self.begin(frame)

    def open_streams(self):
        """sys.stdin was made before there was an input. Errors are handled as any python3 handles
        them under the sandbox's locale."""
        import io
        raw = io.FileIO(0, "r", closefd=False)
        raw.name = "<stdin>"
        sys.stdin = io.TextIOWrapper(io.BufferedReader(raw), encoding="utf-8",
                                     errors="surrogateescape")
        sys.stdin.mode = "r"
        sys.__stdin__ = sys.stdin
        sys.stdout.reconfigure(errors="surrogateescape")

    def begin(self, frame):
        """Takes the next unit. What is wrong with its syntax is reported where it would run."""
        self.context.key = frame.get("key", b"")
        self.last = frame.get("last") == b"1"
        self.failed, self.code = None, ""
        name = frame.get("script", b"").decode("utf-8", "surrogateescape")
        sys.argv = [a.decode("utf-8", "surrogateescape")
                    for a in frame.get("argv", b"").split(b"\0")]
        if name != "<string>":
            self.ns.update(__file__=name, __cached__=None)
        if name.startswith("/"):
            from importlib.machinery import SourceFileLoader
            self.ns["__loader__"] = SourceFileLoader("__main__", name)
            sys.path[0] = name.rpartition("/")[0]
        self.context.finder.hook()
        source = frame.get("code", b"")
        try:
            if b"\0" in source:
                raise SyntaxError("source code cannot contain null bytes")
            self.code = compile(source, name, "exec", 0, True)
        except BaseException as e:
            self.failed = e.with_traceback(None)

    def ended(self, e):
        """After a unit: gives the next one, or ends the process."""
        if e is None:
            e = self.failed
        elif e.__traceback__ is not None:
            e.__traceback__ = e.__traceback__.tb_next   # the frame of driver.py
        if posix.getpid() == self.pid:
            try:
                self.context.show_figures()
            except BaseException as again:
                e = e or again
            if e is None and not self.last:
                self.context.finish()
                return self.next()
        self.end(e)

    def next(self):
        while True:
            frame = self.context.link.receive()
            if frame is None:
                posix._exit(0)
            if frame.get("op") == b"run":
                self.begin(frame)
                return self

    def end(self, e):
        for output in self.outputs if posix.getpid() == self.pid else ():
            output.last_words()
        if e is None:
            raise SystemExit(0)
        if isinstance(e, SystemExit):
            raise SystemExit(e.code) from None
        report(e)
        if isinstance(e, KeyboardInterrupt):
            die_of_interrupt()
        raise SystemExit(1) from None


def report(e):
    """What the interpreter does with an exception that nobody caught."""
    sys.last_type, sys.last_value, sys.last_traceback = type(e), e, e.__traceback__
    try:
        sys.stdout.flush()
    except BaseException:
        pass
    try:
        sys.excepthook(type(e), e, e.__traceback__)
        return
    except SystemExit:
        raise
    except BaseException as again:
        again.__context__ = None
        if again.__traceback__ is not None:
            again.__traceback__ = again.__traceback__.tb_next
        try:
            sys.stderr.write("Error in sys.excepthook:\n")
            sys.__excepthook__(type(again), again, again.__traceback__)
            sys.stderr.write("\nOriginal exception was:\n")
            sys.__excepthook__(type(e), e, e.__traceback__)
        except BaseException:
            pass


def die_of_interrupt():
    """The end by the signal itself, so that who waits sees what it was."""
    import atexit
    threading = sys.modules.get("threading")
    try:
        if threading is not None:
            threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        pass
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    posix.kill(posix.getpid(), _signal.SIGINT)
