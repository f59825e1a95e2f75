"""A guardian and the context that it parents: see driver.py for the whole.

The guardian is ours to the end: it never runs the model's code, cannot be traced or signalled by
it, and inherits what its context leaves behind. What it says of the context's end is believed.
"""
import posix
import select
import _signal

load, driver = globals()["load"], globals()["driver"]   # set by the loader in driver.py
# Where a guardian and its context keep their descriptors: out of the way of what code opens.
CONTROL, OUT, ERR, GUARD = 200, 201, 202, 203
TO_AGENT = 204      # of a runtime behind pipes: what it writes; it reads at CONTROL


def place(fds):
    """Moves the descriptors to their places and closes everything else. A fifth is standard
    input."""
    for link in driver.Link.all:
        link.sock.detach()      # or its end, at some later time, would close another's descriptor
    driver.Link.all.clear()
    high = [posix_dup_above(fd) for fd in fds]
    for fd, at in zip(high, (CONTROL, OUT, ERR, GUARD, 0)):
        posix.dup2(fd, at, at == 0)
    posix.closerange(3, CONTROL)
    posix.closerange(GUARD + 1, driver.FD_END)


def posix_dup_above(fd):
    """A copy of fd above the places, so that placing one cannot close another."""
    taken = []
    while True:
        new = posix.dup(fd)
        if new > GUARD or new not in (CONTROL, OUT, ERR, GUARD):
            break
        taken.append(new)
    for other in taken:
        posix.close(other)
    return new


class Guardian:
    def __init__(self, main, runtime):
        self.main = main
        self.runtime = runtime
        self.ended = None       # (wait status, rusage) of the context's main process

    def reap(self):
        """True while there are children."""
        while True:
            try:
                pid, status, usage = posix.wait4(-1, posix.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self.main:
                self.ended = (status, usage)

    def children(self):
        me = posix.getpid()
        fd = posix.open("/proc/self/task/%d/children" % me, posix.O_RDONLY | posix.O_CLOEXEC)
        try:
            text = b""
            while True:
                part = posix.read(fd, 65536)
                if not part:
                    return [int(p) for p in text.split()]
                text += part
        finally:
            posix.close(fd)

    def interrupt(self):
        """A runtime may be waiting for a program that it started: both are told, as a terminal does."""
        try:
            if self.runtime is None:
                posix.kill(self.main, _signal.SIGINT)
            else:
                posix.killpg(self.main, _signal.SIGINT)
        except ProcessLookupError:
            pass        # not yet a group of its own: the kill comes after the grace time

    def kill_all(self):
        """Kills children until none is left: what they leave behind becomes our child in turn."""
        while self.reap():
            for pid in self.children():
                try:
                    posix.kill(pid, _signal.SIGKILL)
                except ProcessLookupError:
                    pass
            select.select([], [], [], 0.0005)


def guardian(fds, options):
    """Never returns. What goes wrong is told to the agent."""
    link = None
    try:
        place(fds)
        link = driver.Link(GUARD)
        guard(link, options)
    except driver.Leave:
        raise       # the context, on its way down to run a program
    except BaseException as e:
        if link is not None:
            link.send(("op", "failed"), ("text", "%s: %s" % (type(e).__name__, e)))
    posix._exit(125)


def guard(link, options):
    driver.native("guardian_enter")
    _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
    me = posix.getpid()
    main = posix.fork()
    if main == 0:
        try:
            context(me, options)
        except driver.Leave:
            raise
        except BaseException:
            pass
        posix._exit(125)
    for fd in (CONTROL, OUT, ERR):
        posix.close(fd)
    if "stdin" in options:      # the context's alone, so that its end is seen
        null = posix.open("/dev/null", posix.O_RDONLY)
        posix.dup2(null, 0)
        posix.close(null)
    r, w = posix.pipe2(posix.O_CLOEXEC | posix.O_NONBLOCK)
    _signal.signal(_signal.SIGCHLD, lambda *_: None)
    _signal.set_wakeup_fd(w, warn_on_full_buffer=False)
    g = Guardian(main, options if "start" in options else None)
    poller = select.poll()
    poller.register(GUARD, select.POLLIN)
    poller.register(r, select.POLLIN)
    link.send(("op", "started"), ("pid", main))
    g.reap()
    while g.ended is None:
        for fd, _ in poller.poll():
            if fd == r:
                posix.read(r, 4096)
                g.reap()
                continue
            alive = link.fill()
            while True:
                frame = link.take()
                if frame is None:
                    break
                if frame.get("op") == b"interrupt" and g.ended is None:
                    g.interrupt()
                elif frame.get("op") == b"kill":
                    g.kill_all()
            if not alive:
                g.kill_all()
                posix._exit(0)
    g.kill_all()
    status, usage = g.ended
    link.send(("op", "died"),
              ("exit", posix.WEXITSTATUS(status) if posix.WIFEXITED(status) else 0),
              ("signal", posix.WTERMSIG(status) if posix.WIFSIGNALED(status) else 0),
              ("cpu_us", int((usage.ru_utime + usage.ru_stime) * 1e6)),
              ("peak_bytes", usage.ru_maxrss * 1024))
    posix._exit(0)


def repr_of(e, join="{}: {}".format, kind=type, text=str):
    """An exception in a line, with no builtin that code may have replaced."""
    try:
        return join(kind(e).__name__, text(e))[:500]
    except BaseException:
        return "an error that cannot be shown"


def set_up(options):
    """What the context was asked to have of its own: environment and working directory."""
    entries = [e.partition(b"=") for e in options.get("setenv", b"").split(b"\0") if e]
    if entries:
        import os
        for name, _, value in entries:
            os.environb[name] = value
            posix.environ[name] = value
    if options.get("cwd"):
        posix.chdir(options["cwd"])


def context(guardian_pid, options):
    posix.close(GUARD)
    _signal.set_wakeup_fd(-1)
    link = driver.Link(CONTROL)
    try:
        posix.dup2(OUT, 1)
        posix.dup2(ERR, 2)
        posix.setsid()
        if "start" not in options:
            cell = load("cell")
            if "figures" in options:
                words = options["figures"].decode().split()
                cell.FORMATS = [w for w in words if w != "beside"]
                cell.BESIDE = "beside" in words
        driver.native("context_enter", driver.ROOT, driver.RO, driver.DEVICES)
        if posix.getppid() != guardian_pid:
            posix._exit(125)
        set_up(options)
    except BaseException as e:
        link.send(("op", "failed"), ("text", "%s: %s" % (type(e).__name__, e)))
        posix._exit(125)
    if "start" in options:
        become(link, options)
    try:
        cell.main(link, driver.load_packages, (driver.load_packages, driver.load_helpers))
    except driver.Leave:
        raise
    except BaseException as e:
        # The code broke what the interpreter itself needs (builtins, modules, memory).
        posix.write(ERR, b"[the interpreter failed and ends: %s]\n"
                    % repr_of(e).encode("utf-8", "replace"))


# ---- languages besides Python ----

# The usual size of a main stack. A runtime's threads take it for their own, and a dozen reserved ones
# of the sandbox's larger limit would leave little of the memory.
STACK = 8 << 20


def lines_of(value):
    return [line for line in value.split(b"\n") if line]


def become(link, runtime):
    """Makes the context, locked in already, a process of the language's runtime. Never returns."""
    program, here = runtime["program"], driver.HERE.encode()
    try:
        argv = [program] + [a.replace(b"{driver}", here) for a in lines_of(runtime["args"])]
        env = dict(posix.environ)
        env.update(line.split(b"=", 1) for line in lines_of(runtime["env"]))
        folder = program.rpartition(b"/")[0]
        if folder not in env.get(b"PATH", b"").split(b":"):
            env[b"PATH"] = folder + b":" + env.get(b"PATH", b"")
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
        if runtime["start"] == b"fork":
            name = runtime["driver"].decode().rpartition(".")[0]
            load(name).main(link, argv, env)
            posix._exit(0)
        import resource
        resource.setrlimit(resource.RLIMIT_STACK, (STACK, resource.getrlimit(resource.RLIMIT_STACK)[1]))
        for number in (_signal.SIGPIPE, _signal.SIGXFSZ):   # Python's own choice, not the runtime's
            _signal.signal(number, _signal.SIG_DFL)
        if runtime["start"] == b"relay":
            make_relay()
        for fd in (CONTROL, OUT, ERR):
            posix.set_inheritable(fd, True)
        posix.execve(program, argv, env)
    except BaseException as e:
        link.send(("op", "failed"), ("text", "%s: %s" % (program.decode("utf-8", "replace"), e)))
        posix._exit(125)


def make_relay():
    """Two pipes and a process that carries bytes between them and the channel: a pipe can be opened
    by its name in /proc, which is all that some runtimes know, and a socket cannot."""
    r, to_runtime = posix.pipe()
    from_runtime, w = posix.pipe()
    if posix.fork() == 0:
        _signal.signal(_signal.SIGINT, _signal.SIG_IGN)
        for fd in (0, 1, 2, OUT, ERR, r, w):
            posix.close(fd)
        try:
            relay(from_runtime, to_runtime)
        finally:
            posix._exit(0)
    posix.dup2(r, CONTROL)
    posix.dup2(w, TO_AGENT)
    for fd in (r, w, to_runtime, from_runtime):
        posix.close(fd)


def relay(from_runtime, to_runtime):
    poller = select.poll()
    poller.register(CONTROL, select.POLLIN)
    poller.register(from_runtime, select.POLLIN)
    while True:
        for fd, _ in poller.poll():
            data = posix.read(fd, 1 << 16)
            if not data:
                return
            to = to_runtime if fd == CONTROL else CONTROL
            while data:
                data = data[posix.write(to, data):]
