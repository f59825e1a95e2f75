"""The interpreter inside the sandbox: processes and messages. What a cell does is in cell.py.

    base      this program, started by agent-sandbox through start.py, whose names it shares. Bare,
              quick to start, always there to answer.
    warm      a fork of base that imports the data stack (the preload list) in the background.
    guardian  one per context, a fork of base or warm. It parents the context, hears the agent when
              the context must be interrupted or killed, and reports how it ended.
    context   a fork of the guardian that runs the model's code.

Base, warm and guardians never run the model's code, and a context runs none before context.so has
locked it in (Landlock, seccomp); when that cannot be done the process ends. Guardian and context
are in guardian.py. Start-up is paid on
every run: only modules that are built in or cheap are imported at the top of this file, the rest
is loaded in steps while base is idle.

Messages: u32 length, then fields of u8 name length, name, u32 value length, value (little endian).
"""
import sys
import posix
import select
import gc
import _ctypes
import _signal
import _socket

DRIVER = sys.modules["__main__"]
# Where workspace and output lie: below "/", or in a private directory where there are no namespaces.
ROOT, RO = posix.environ.get(b"SANDBOX_ROOT", b""), posix.environ.get(b"SANDBOX_RO", b"")
DEVICES = posix.environ.get(b"SANDBOX_DEVICES", b"")
OUTPUT = ROOT.decode() + "/output/"
FD_END = 4096       # descriptors are closed up to here
# Imports that are quicker from warm, although they are not preloaded themselves.
BUILT_ON = {
    "scipy": "numpy", "sklearn": "numpy", "statsmodels": "pandas", "seaborn": "matplotlib",
    "mpl_toolkits": "matplotlib", "pylab": "matplotlib", "pyarrow": "numpy", "polars": "numpy",
    "xarray": "pandas", "plotly": "pandas", "altair": "pandas", "networkx": "numpy",
}


def native_value(name, *arguments):
    """What a function of context.so returns."""
    handle = _ctypes.dlopen(HERE + "/context.so", 2)
    return _ctypes.call_function(_ctypes.dlsym(handle, name), arguments)


def native(name, *arguments):
    """Calls a function of context.so: 0 or -errno. Nothing goes on without it."""
    r = native_value(name, *arguments)
    if r != 0:
        raise OSError(-r, "%s of context.so refused: %s" % (name, posix.strerror(-r)))


def pack(fields):
    body = b"".join([
        b"%c%b%b%b" % (len(n), n, len(v).to_bytes(4, "little"), v)
        for n, v in ((n.encode(), v if isinstance(v, bytes) else str(v).encode("utf-8", "replace"))
                     for n, v in fields)])
    return len(body).to_bytes(4, "little") + body


def unpack(body):
    fields, at = {}, 0
    while at < len(body):
        n = body[at]
        name = body[at + 1:at + 1 + n].decode()
        at += 1 + n
        size = int.from_bytes(body[at:at + 4], "little")
        fields[name] = body[at + 4:at + 4 + size]
        at += 4 + size
    return fields


class Leave(BaseException):
    """Takes a context's process out of all frames of the driver, to run a program at the bottom of
    the stack: see the end of start.py."""


class Link:
    """One end of a channel. Descriptors travel with the first byte of the frame they belong to."""

    all = []

    def __init__(self, fd):
        self.sock = _socket.socket(fileno=fd)
        Link.all.append(self)
        self.fd = fd
        self.buf = b""
        self.fds = []

    def send(self, *fields, fds=()):
        data = pack(fields)
        anc = []
        if fds:
            anc = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS,
                    b"".join([fd.to_bytes(4, "little") for fd in fds]))]
        n = self.sock.sendmsg([data], anc, _socket.MSG_NOSIGNAL)
        if n < len(data):
            self.sock.sendall(data[n:], _socket.MSG_NOSIGNAL)

    def fill(self):
        """One read. False at the end of the channel."""
        data, anc, _, _ = self.sock.recvmsg(1 << 18, 64, _socket.MSG_CMSG_CLOEXEC)
        for level, kind, raw in anc:
            if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
                for i in range(0, len(raw) - 3, 4):
                    self.fds.append(int.from_bytes(raw[i:i + 4], "little"))
        self.buf += data
        return bool(data)

    def take(self):
        """The next whole frame as a dict, or None."""
        if len(self.buf) < 4:
            return None
        end = 4 + int.from_bytes(self.buf[:4], "little")
        if len(self.buf) < end:
            return None
        body, self.buf = self.buf[4:end], self.buf[end:]
        return unpack(body)

    def take_fds(self, n):
        fds, self.fds = self.fds[:n], self.fds[n:]
        return fds

    def pending(self, ms):
        """True when something to read is there, or comes within the time."""
        return bool(self.buf) or bool(select.select([self.fd], [], [], ms / 1000)[0])

    def receive(self):
        """Waits for a frame; None at the end of the channel."""
        while True:
            frame = self.take()
            if frame is not None:
                return frame
            if not self.fill():
                return None


# ---- what base and warm prepare while idle ----

class Shared:
    """What forks inherit."""
    modules = {}
    site_done = False
    packages_done = False


def load(name):
    """Another file of this folder, as a module that is not in sys.modules; start.py has its code."""
    if name not in Shared.modules:
        module = type(sys)(name)
        module.__file__ = "%s%s.py" % (SHOWN, name)
        module.load = load
        module.driver = DRIVER
        exec(code_of(name), module.__dict__)
        Shared.modules[name] = module
    return Shared.modules[name]


def load_site():
    """What a plain python3 does at start: dist-packages, .pth files, the venv, exit and help."""
    if not Shared.site_done:
        Shared.site_done = True
        import site
        site.main()
        plain_flags()


def plain_flags():
    """This interpreter was started with -I and -S. What multiprocessing and joblib start in turn takes over
    what sys.flags says, and would find no packages."""
    class Object(_ctypes._SimpleCData):
        _type_ = "O"

    class Index(_ctypes._SimpleCData):
        _type_ = "l"

    try:
        python = _ctypes.dlopen(None, 2)
        keep, put = [_ctypes.dlsym(python, name) for name in ("Py_IncRef", "PyStructSequence_SetItem")]
        fields = [part.partition("=")[0] for part in repr(sys.flags)[len("sys.flags("):-1].split(", ")]
        for name in ("isolated", "no_site", "no_user_site", "ignore_environment", "safe_path"):
            if name in fields:
                value = type(getattr(sys.flags, name))(0)
                _ctypes.call_function(keep, (Object(value),))
                _ctypes.call_function(put, (Object(sys.flags), Index(fields.index(name)), Object(value)))
    except (OSError, TypeError):
        pass        # another kind of Python: its children do as they are told


def load_packages():
    """Contexts only: site, then the environment of packages that the user gave (PYTHONPATH), before the system's
    packages. Its .pth files are code, so no template comes here."""
    load_site()
    place = posix.environ.get(b"PYTHONPATH", b"").decode("utf-8", "surrogateescape")
    if not place or Shared.packages_done:
        return
    Shared.packages_done = True
    import site
    before = list(sys.path)
    try:
        site.addsitedir(place)
    except BaseException as e:      # a .pth file may raise what it likes
        print("[a .pth file of the environment failed: %s: %s]" % (type(e).__name__, e), file=sys.stderr)
    added = [p for p in sys.path if p not in before]
    at = next((i for i, p in enumerate(before) if p.endswith(("/dist-packages", "/site-packages"))), len(before))
    sys.path[:] = before[:at] + added + before[at:]
    load("fonts").place_once()      # elsewhere the warm template does it


def load_runtime():
    load("guardian")
    load("cell")


# What the first traceback or result would otherwise pay for. Base imports one after the other and answers in
# between, so what they import in turn stands before them.
HELPERS = ("os", "io", "keyword", "operator", "reprlib", "collections", "types", "functools", "enum",
           "copyreg", "re", "token", "tokenize", "linecache", "textwrap", "traceback", "faulthandler", "_ast")


def load_helpers():
    for name in HELPERS:
        __import__(name)


# ---- base and warm ----

class Template:
    def __init__(self, link, preload, is_warm, image=None):
        self.link = link            # to the agent (base) or to base (warm)
        self.preload = preload
        self.is_warm = is_warm
        self.loaded = []            # warm: names of the preload list that are done
        self.waiting = []           # warm: requests for what is not loaded yet
        self.warm = None            # base: link to warm
        self.warm_done = False
        self.warm_tries = 0
        self.image = image          # base: descriptors of an image of a warm template, and of what hangs up when it is done
        self.channel = None         # base: warm's end of the link, until warm has it
        self.restoring = None       # base: hangs up when a restored warm template has it
        self.asked = {}             # base: fd of a throw-away fork -> [bytes so far, what to do then]
        self.poller = select.poll()
        self.poller.register(link.fd, select.POLLIN)
        self.steps = []

    def serve(self):
        while True:
            for fd, _ in self.poller.poll(0 if self.steps else None):
                if fd == self.link.fd:
                    if not self.link.fill():
                        posix._exit(0)
                    while True:
                        frame = self.link.take()
                        if frame is None:
                            break
                        self.handle(frame)
                elif self.warm is not None and fd == self.warm.fd:
                    self.hear_warm()
                elif fd in self.asked:
                    self.hear_fork(fd)
                elif self.image is not None and fd == self.image[1]:
                    self.restore_warm()
                elif fd == self.restoring:
                    self.end_restoring()
            if self.steps:
                self.steps.pop(0)()

    def handle(self, frame):
        op = frame.get("op")
        if op == b"context":
            options = {n: v for n, v in frame.items() if n != "op"}
            fds = self.link.take_fds(5 if "stdin" in options else 4)
            if "start" in frame:        # another language: nothing of Python's is wanted in it
                self.spawn(fds, options)
                return
            needs = frame.get("needs", b"").decode("ascii", "replace").split()
            if self.is_warm:
                self.waiting.append((needs, fds, options))
                self.serve_waiting()
                return
            wanted = self.wanted(needs)
            while wanted and self.steps:
                self.steps.pop(0)()     # warm is about to be started: that is quicker than without
            if self.warm is not None and (self.warm_done or wanted):
                self.warm.send(("op", "context"), ("needs", " ".join(needs)), *options.items(),
                               fds=fds)
                for fd in fds:
                    posix.close(fd)
            else:
                if needs:
                    load_site()
                self.spawn(fds, options)
        elif op == b"put":
            self.put(frame)
        elif op == b"image":
            self.make_image(self.link.take_fds(1)[0])
        elif op == b"probe":
            self.probe(frame.get("modules", b"").decode("ascii", "replace").split())
        elif op == b"fonts":
            self.fonts()
        elif op in (b"file-put", b"file-remove"):
            self.file(op, frame.get("name", b""))
        elif op == b"names":
            self.names(frame)

    def wanted(self, needs):
        """The names of the preload list that these imports wait for."""
        roots = set()
        for name in needs:
            root = name.partition(".")[0]
            roots.add(root)
            roots.add(BUILT_ON.get(root, root))
        return [m for m in self.preload if m.partition(".")[0] in roots]

    def serve_waiting(self):
        still = []
        for needs, fds, options in self.waiting:
            if all(m in self.loaded for m in self.wanted(needs)):
                self.spawn(fds, options)
            else:
                still.append((needs, fds, options))
        self.waiting = still

    def spawn(self, fds, options):
        """Forks a guardian, which forks the context."""
        gc.freeze()     # else the context's first collection goes through, and so copies, all there is
        try:
            if posix.fork() == 0:
                load("guardian").guardian(fds, options)
        except OSError as e:
            # The guardian's channel is where the agent listens for this.
            Link(posix.dup(fds[3])).send(("op", "failed"), ("text", "fork: %s" % e.strerror))
        for fd in fds:
            posix.close(fd)

    # base only

    def start_warm(self):
        if not self.preload or self.warm_tries >= 3:
            return
        self.warm_tries += 1
        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
        self.warm = Link(ours.detach())     # what is asked of it before it is there waits in the channel
        self.channel = theirs.detach()
        self.poller.register(self.warm.fd, select.POLLIN)
        if self.image is None:
            self.fork_warm()
        else:
            self.poller.register(self.image[1], select.POLLIN)

    def fork_warm(self):
        gc.freeze()
        if posix.fork() == 0:
            try:
                run_warm(self.channel, self.preload)
            except Leave:
                raise
            except BaseException:
                pass
            posix._exit(125)
        self.give_channel()

    def give_channel(self):
        posix.close(self.channel)
        self.channel = None

    def restore_warm(self):
        """The image is there, or there will be none; restore looks."""
        (image, gate), self.image = self.image, None
        self.poller.unregister(gate)
        posix.close(gate)
        self.restoring = load("image").restore(image, self.channel)
        posix.close(image)
        self.poller.register(self.restoring, select.POLLIN)

    def end_restoring(self):
        """Warm's first word comes before the end of the pipe."""
        self.poller.unregister(self.restoring)
        posix.close(self.restoring)
        self.restoring = None
        if self.warm_done or self.warm.pending(0):
            self.give_channel()
        else:
            self.fork_warm()

    def make_image(self, fd):
        if self.is_warm:
            self.steps.append(lambda: load("image").save(self, fd))     # after what is still to be imported
            return
        while self.steps:
            self.steps.pop(0)()
        if self.warm is None:
            self.link.send(("op", "image-made"), ("error", "there is no warm template"))
        else:
            self.warm.send(("op", "image"), fds=(fd,))
        posix.close(fd)

    def tell_warm(self):
        self.link.send(("op", "warm"), ("modules", " ".join(m for m in self.preload if m in sys.modules)))

    def hear_warm(self):
        if self.warm.fill():
            while True:
                frame = self.warm.take()
                if frame is None:
                    return
                if frame.get("op") == b"image-made":
                    self.link.send(*frame.items())
                    continue
                self.warm_done = True
                self.link.send(("op", "warm"), ("modules", frame.get("modules", b"")))
        # It died (a preloaded module crashed, or memory ran out): contexts come from base until
        # another is up.
        self.poller.unregister(self.warm.fd)
        self.warm.sock.close()
        self.warm = None
        self.warm_done = False
        self.steps.append(self.start_warm)

    def put(self, frame):
        name = frame.get("name", b"").decode("utf-8", "replace")
        fds = self.link.take_fds(1)
        error = ""
        try:
            if not name or "/" in name or name in (".", ".."):
                raise OSError(22, "not a file name")
            tmp = OUTPUT + ".put"
            try:
                posix.unlink(tmp)
            except FileNotFoundError:
                pass
            out = posix.open(tmp, posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_CLOEXEC, 0o444)
            try:
                while True:
                    data = posix.read(fds[0], 1 << 20)
                    if not data:
                        break
                    while data:
                        data = data[posix.write(out, data):]
            finally:
                posix.close(out)
            posix.rename(tmp, OUTPUT + name)
        except OSError as e:
            error = e.strerror or str(e)
        for fd in fds:
            posix.close(fd)
        self.link.send(("op", "put-done"), ("name", name), ("error", error))

    def ask_fork(self, work, done):
        """work(w) runs in a throw-away fork, so that base stays bare and survives a crash; done gets
        the bytes that it wrote into w."""
        load_site()
        r, w = posix.pipe2(posix.O_CLOEXEC)
        if posix.fork() == 0:
            try:
                posix.close(r)
                work(w)
            finally:
                posix._exit(0)
        posix.close(w)
        self.asked[r] = [b"", done]
        self.poller.register(r, select.POLLIN)

    def hear_fork(self, fd):
        state = self.asked[fd]
        data = posix.read(fd, 65536)
        state[0] += data
        if data:
            return
        self.poller.unregister(fd)
        posix.close(fd)
        text, done = self.asked.pop(fd)
        done(text)

    def probe(self, modules, known=b""):
        """Which of these import. Each is imported for real."""
        def done(text):
            tried = text.count(b"\n")
            lines = known + text
            if tried + 1 < len(modules):
                # The module after the last line took the process with it: go on behind it.
                self.probe(modules[tried + 1:], lines)
                return
            self.link.send(("op", "probed"), ("text", b"".join(
                line + b"\n" for line in lines.split(b"\n") if line not in (b"", b"-"))))
        self.ask_fork(lambda w: run_probe(w, modules), done)

    def file(self, op, name):
        error = ""
        fds = self.link.take_fds(1) if op == b"file-put" else []
        try:
            if fds:
                load("files").write(name, fds[0])
            else:
                load("files").remove(name)
        except OSError as e:
            error = e.strerror or str(e)
        for fd in fds:
            posix.close(fd)
        self.link.send(("op", "file-done"), ("error", error))

    def names(self, frame):
        """Forbidden imports and calls in Python code that is about to run."""
        def lock_in():
            native("context_enter", ROOT, RO, DEVICES)

        validate = load("validate")
        self.ask_fork(lambda w: validate.work(w, frame, lock_in),
                      lambda text: self.link.send(("op", "named"), ("text", text)))

    def fonts(self):
        def done(text):
            name, _, text = text.partition(b"\n")
            self.link.send(("op", "fonts-made"), ("name", name), ("text", text))
        self.ask_fork(load("fonts").make, done)


def run_probe(w, modules):
    for name in modules:
        line = "-"
        try:
            __import__(name)
            version = getattr(sys.modules[name.partition(".")[0]], "__version__", "")
            line = (name + " " + str(version)[:40].replace("\n", " ")).strip()
        except BaseException:
            pass
        posix.write(w, (line + "\n").encode("utf-8", "replace"))


def run_warm(fd, preload):
    posix.closerange(3, fd)
    posix.closerange(fd + 1, FD_END)
    t = Template(Link(fd), preload, True)

    def step(name):
        def go():
            try:
                __import__(name)
            except Exception:
                pass  # not installed or broken here: a cell that imports it sees the error
            t.loaded.append(name)
            t.serve_waiting()
        return go

    def paths():
        load("show").warm_paths()
        gc.collect()
        gc.freeze()
        t.tell_warm()

    t.steps = [load_site, load_helpers, lambda: load("fonts").place_once()] + [step(name) for name in preload] + [paths]
    t.serve()


def run_base(fd, preload, image):
    native("template_enter")
    gc.disable()
    _signal.signal(_signal.SIGINT, _signal.SIG_IGN)
    _signal.signal(_signal.SIGCHLD, _signal.SIG_IGN)  # guardians reap themselves
    link = Link(fd)
    t = Template(link, preload, False, image)
    link.send(("op", "ready"), ("python", "%d.%d.%d" % sys.version_info[:3]))
    if posix.access(HERE + "/egress.sock", posix.F_OK):
        load("net").install()   # before any library takes a copy of socket.socket
    helpers = [lambda name=name: __import__(name) for name in HELPERS]
    t.steps = [load_runtime] + helpers + [load_site, t.start_warm]
    t.serve()


program = None      # to be run by start.py
try:
    # Channel, then a warm template's image and what hangs up when it is done (0 0: there is none), then the preload list.
    control, image, gate = [int(a) for a in sys.argv[1:4]]
    run_base(control, sys.argv[4:], (image, gate) if image else None)
except Leave as leave:
    program = leave.args[0]
