"""Go inside the sandbox: a cell is a whole program, built and run. Nothing stays but files.

This stays a Python process, locked in like any context; the compiler and the program are its
children. Standard error passes through it, so that a panic becomes the cell's error: its text goes
into the traceback, and everything else is written on at once.
"""
import sys
import posix
import _signal

CONTROL, OUT, ERR = 200, 201, 202
MAX_HELD = 1 << 20           # bytes of a panic that are kept back
MAX_PANIC = 200 << 10        # characters of it that are told
PACKAGE = b"package main; "
BEGINS = (b"panic: ", b"fatal error: ", b"runtime: ")     # at the start of a line, when a program dies


class Stderr:
    """What the program writes to standard error: written on, until a line begins its death."""

    def __init__(self):
        self.held = b""         # from that line on
        self.holding = False
        self.part = b""         # the start of a line that may yet become one

    def feed(self, data):
        while data and not self.holding:
            end = data.find(b"\n") + 1 or len(data)
            line, data = self.part + data[:end], data[end:]
            self.part = b""
            if line.startswith(BEGINS):
                self.holding, self.held = True, line
            elif not line.endswith(b"\n") and any(b.startswith(line[:len(b)]) for b in BEGINS):
                self.part = line
            else:
                self.pass_on(line)
        self.held += data
        if len(self.held) > MAX_HELD:      # no panic is so long
            self.pass_on(self.held)
            self.held, self.holding = b"", False

    def end(self, died):
        """The text of the panic, or nothing, and all is written."""
        if died and self.holding:
            return self.held
        self.pass_on(self.held + self.part)
        return b""

    @staticmethod
    def pass_on(data):
        while data:
            data = data[posix.write(2, data):]


class Go:
    def __init__(self, link, argv, env):
        import os
        import subprocess
        self.os, self.subprocess = os, subprocess
        self.link = link
        self.go = argv[0]
        self.interrupted = False
        tmp = env.get(b"TMPDIR", b"/tmp")
        self.folder = tmp + b"/.go"
        self.env = dict(env)
        for name, value in ((b"GOCACHE", self.folder + b"/cache"), (b"GOPATH", self.folder + b"/path"),
                            (b"GOTMPDIR", self.folder)):
            self.env.setdefault(name, value)
        os.makedirs(self.folder, 0o700, exist_ok=True)

    def on_interrupt(self, *_):
        self.interrupted = True

    def version(self):
        """"1.19" of the compiler, for go.mod: without it a module is of an older language."""
        done = self.subprocess.run([self.go, "env", "GOVERSION"], env=self.env, capture_output=True, cwd=self.folder)
        text = done.stdout.decode("ascii", "replace").strip()
        if done.returncode or not text.startswith("go"):
            raise OSError("%s env GOVERSION: %s" % (self.go.decode(), done.stderr.decode("utf-8", "replace").strip()[:300]))
        return text

    def run(self, frame):
        number = int(frame.get("cell", b"0"))
        key = frame.get("key", b"")
        self.interrupted = False
        self.status = 1
        folder = b"%s/cell-%d" % (self.folder, number)
        try:
            self.os.makedirs(folder, 0o700, exist_ok=True)
            error = self.build(folder, number, frame.get("code", b"")) or self.execute(folder, number)
        except OSError as e:
            error = ("OSError", str(e), 0, "OSError: %s" % e)
        if self.interrupted:
            error = ("Interrupt", "the cell was interrupted", 0, "Interrupt: the cell was interrupted")
        if error:
            name, value, line, text = error
            self.link.send(("op", "error"), ("key", key), ("exit", self.status), ("name", name), ("value", value[:65536]), ("line", line),
                           ("traceback", text[:MAX_PANIC]))
        self.link.send(("op", "done"), ("key", key), ("names", ""))

    def write(self, path, data):
        with open(path, "wb") as f:
            f.write(data)

    def build(self, folder, number, code):
        """None, or the error: (name, value, line, traceback)."""
        shift = 0
        if not self.has_package(code):
            code = PACKAGE + code
            shift = len(PACKAGE)
        self.write(b"%s/cell_%d.go" % (folder, number), code)
        self.write(folder + b"/go.mod", ("module cell\n\ngo %s\n" % self.language).encode())
        process = self.subprocess.Popen([self.go, "build", "-o", "program", "."], cwd=folder, env=self.env,
                                        stdin=self.subprocess.DEVNULL, stdout=self.subprocess.PIPE,
                                        stderr=self.subprocess.STDOUT)
        text = self.tidy(process.communicate()[0][:MAX_PANIC], number, shift)
        if process.returncode == 0:
            return None
        lines = [x for x in text.split("\n") if x and not x.startswith("#")]
        ours = [x for x in lines if x.startswith("cell ")] or lines or [""]
        line, value = self.place(ours[0], number)
        return "CompileError", value or "go build ended with status %d" % process.returncode, line, "\n".join(lines)

    @staticmethod
    def has_package(code):
        """Whether the first word that is no comment is `package`."""
        import re
        return re.match(rb"(\s|//[^\n]*\n|/\*.*?\*/)*package\s", code, re.S) is not None

    @staticmethod
    def tidy(text, number, shift=0):
        """Names the file as the cell, and takes back what was put before its first line."""
        import re
        text = text.decode("utf-8", "replace")
        if shift:
            text = re.sub(r"(cell_%d\.go:1):(\d+)" % number,
                          lambda m: "%s:%d" % (m.group(1), max(1, int(m.group(2)) - shift)), text)
        return re.sub(r"(?:\S*/)?cell_%d\.go:(\d+)" % number, r"cell %d:\1" % number, text).strip("\n")

    @staticmethod
    def place(line, number):
        """(line, message) of "cell 3:5:2: message"."""
        head, _, rest = line.partition(": ")
        parts = head.split(":")
        if parts[0] == "cell %d" % number and len(parts) > 1 and parts[1].isdigit():
            return int(parts[1]), rest
        return 0, line

    def execute(self, folder, number):
        import threading
        r, w = self.os.pipe()
        stderr = Stderr()

        def read():
            while True:
                data = self.os.read(r, 65536)
                if not data:
                    self.os.close(r)
                    return
                stderr.feed(data)

        process = self.subprocess.Popen([folder + b"/program"], env=self.env, stderr=w)
        self.os.close(w)
        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        status = process.wait()
        try:
            self.os.unlink(folder + b"/program")
        except OSError:
            pass        # the program was there first
        thread.join(0.3)        # a child of the program may keep the pipe open
        panic = self.tidy(stderr.end(status == 2), number)
        if status == 0 or self.interrupted:
            return None
        self.status = status if status > 0 else 128 - status
        if status < 0:
            value = "the program was killed by signal %d" % -status
            return "Signal", value, 0, "Signal: " + value
        if not panic:
            value = "the program ended with status %d" % status
            return "ExitStatus", value, 0, "ExitStatus: " + value
        import re
        fatal = re.search(r"^fatal error: (.*)", panic, re.M)
        name, value = ("FatalError", fatal.group(1)) if fatal else ("Panic", panic.split("\n")[0].partition(": ")[2])
        found = re.search(r"cell %d:(\d+)" % number, panic)
        return name, value, int(found.group(1)) if found else 0, panic

    def serve(self):
        _signal.signal(_signal.SIGINT, self.on_interrupt)
        full = self.version()
        self.language = ".".join(full[2:].split(".")[:2]).split("rc")[0].split("beta")[0]
        self.link.send(("op", "ready"))
        while True:
            frame = self.link.receive()
            if frame is None:
                return
            if frame.get("op") == b"run":
                self.run(frame)


def main(link, argv, env):
    sys.path.insert(0, "")
    posix.dup2(OUT, 1)
    posix.dup2(ERR, 2)
    Go(link, argv, env).serve()
