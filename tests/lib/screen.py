"""A run in a real pseudo-terminal, seen through a terminal emulator (pyte): what a person would see.

    with Screen("what is 2+2?", script=[...], columns=40) as s:
        s.until("thinking")
        s.keys("\\x03")
        s.end()
    eq(s.text(), golden("stopped"), "...")
"""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios

from harness import *

try:
    import pyte
except ImportError:
    pyte = None

GOLDEN = TOP / "tests" / "data" / "screens"


def masked(text):
    """Times, sizes of folders and session numbers differ from run to run."""
    text = re.sub(r"\b\d+(\.\d+)? (ms|s)\b", "TIME", text)
    text = re.sub(r" \d+m?\d*s(?=$|\n)", " TIME", text)
    text = re.sub(r"TIME.*[…~]$", "TIME…", text, flags=re.M)  # the cut lies where the time lets it
    text = re.sub(r"[^\s…~]*([…~])(?=\s+TIME)", r"\1", text)
    text = re.sub(r"[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]", "*", text)
    return re.sub(r"\s+/\S*/sessions/[^/\s]+", " SESSION", text)


def golden(name):
    """The screen as it is kept; UPDATE_SCREENS=1 writes what is there now (then look at it)."""
    return (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


def looks_like(screen, name, what):
    path = GOLDEN / f"{name}.txt"
    got = masked(screen)
    if os.environ.get("UPDATE_SCREENS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(got, encoding="utf-8")
    want = masked(path.read_text(encoding="utf-8")) if path.exists() else "(no golden screen)"
    return ok(got == want, what, "got:", got, "want:", want)


class Screen:
    """`stdout` is where standard output goes: None = the terminal too."""

    def __init__(self, *args, script=None, columns=80, rows=24, env=None, home=None, stdout=None,
                 model="scripted", term="xterm-256color", answers=None):
        self.provider = Provider(script or [], idle=120) if script is not None else None
        self.master, slave = pty.openpty()
        self.columns, self.rows = columns, rows
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.screen = pyte.HistoryScreen(columns, rows, history=2000, ratio=0.001)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.answers = answers or {}

        def own_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.run = start(*((("-m", model) if model else ()) + args), home=home,
                         url=self.provider.url if self.provider else None,
                         env={"TERM": term, **(env or {})}, stdin=slave,
                         stdout=slave if stdout is None else stdout, stderr=slave,
                         preexec_fn=own_terminal)
        os.close(slave)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.run.process.poll() is None:
            self.run.process.kill()
            self.run.process.wait()
        os.close(self.master)
        if self.provider:
            self.provider.stop()

    def read(self, seconds=0.05):
        """Takes what comes within so many seconds; False at the end."""
        if not select.select([self.master], [], [], seconds)[0]:
            return True
        try:
            piece = os.read(self.master, 65536)
        except OSError:
            piece = b""
        self.raw += piece
        self.stream.feed(piece)
        for asked, answer in self.answers.items():
            if asked in piece:
                os.write(self.master, answer)
        return bool(piece)

    def keys(self, text):
        os.write(self.master, text.encode())

    def resize(self, columns, rows=24):
        self.columns, self.rows = columns, rows
        self.screen.resize(rows, columns)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def text(self):
        """All lines, those that were scrolled away too, without what is blank behind them."""
        def line(cells):
            return "".join(cells[x].data for x in range(self.screen.columns)).rstrip()
        lines = [line(row) for row in self.screen.history.top]
        lines += [row.rstrip() for row in self.screen.display]
        return "\n".join(lines).rstrip() + "\n"

    def until(self, regex, name=None, seconds=30):
        """Reads until the screen shows it; a test of its own when it has a name."""
        end = time.monotonic() + seconds * PATIENCE
        found = None
        while not found and time.monotonic() < end:
            alive = self.read()
            found = re.search(regex, self.text(), re.M)
            if not alive and not found:
                break
        if name or not found:
            ok(found, name or f"the screen comes to show {regex!r}", self.text())
        return found

    def end(self, seconds=60):
        """Reads to the end of the program; the Run, finished."""
        end = time.monotonic() + seconds * PATIENCE
        while time.monotonic() < end and self.read(0.2):
            pass
        finish(self.run, 5, keep=[self.provider.process.pid] if self.provider else ())
        if self.provider:
            self.run.requests = self.provider.read()
        self.run.raw_err = self.raw
        self.run.leaks = leaks_of(self.run, KEY)
        return self.run
