"""What the end-to-end tests share: TAP, a private home for each test, the scripted provider, and one
whole run of the program with everything it left behind.

    from harness import *
    r = run("what is 2+2?", script=[code("print(2+2)"), say("It is {1}.", find=r"^(\\d+)$")])
    eq(r.status, 0, "the exit status says that the question was answered")
    done()

A test process is the reaper of all its descendants, so a process that a run leaves behind is
found by looking (Run.left). done() adds what must hold after every run of a file: no process and no
temporary file left, the key nowhere.
"""
import atexit
import ctypes
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIB = Path(__file__).resolve().parent
TOP = LIB.parent.parent
DATA = TOP / "tests" / "data"
SAMPLES = Path(os.environ.get("SAMPLE_DATA") or TOP.parent / "shared" / "data")
AGENT = Path(os.environ.get("AGENT") or TOP / "build" / "agent").resolve()
HELPER = Path(os.environ.get("SANDBOX_PROGRAM") or AGENT.parent / "agent-sandbox").resolve()
PYTHON = "/usr/bin/python3"
KEY = "sk-test-canary-7f3a9c51d2e84b60"
# A sanitized program is several times slower; a test's patience is not what is tested.
PATIENCE = float(os.environ.get("TEST_PATIENCE") or 1)

ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER

BOX = Path(tempfile.mkdtemp(prefix="agent-test-"))
BOX.chmod(0o755)


# --- TAP ---
_count = _failed = 0


def ok(cond, name, *why):
    global _count, _failed
    _count += 1
    print(f"{'ok' if cond else 'not ok'} {_count} - {name}", flush=True)
    if not cond:
        _failed += 1
        frame = sys._getframe(1)
        while frame.f_code.co_filename == __file__:
            frame = frame.f_back
        print(f"# at {os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}")
        for line in "\n".join(str(w) for w in why).split("\n"):
            print("#   " + line[:2000])
        sys.stdout.flush()
    return bool(cond)


def eq(got, want, name):
    return ok(got == want, name, f"got  {got!r}", f"want {want!r}")


def like(text, regex, name):
    return ok(re.search(regex, text or "", re.M) is not None, name, f"no match for {regex!r} in:",
              clip(text))


def unlike(text, regex, name):
    hit = re.search(regex, text or "", re.M)
    return ok(hit is None, name, f"{regex!r} matched {hit and hit[0]!r}")


def clip(text, n=3000):
    text = text or ""
    return text if len(text) <= n else text[:n // 2] + "\n[...]\n" + text[-n // 2:]


def skip(reason, name="", n=1):
    global _count
    for _ in range(n):
        _count += 1
        print(f"ok {_count} {'- ' + name + ' ' if name else ''}# SKIP {reason}", flush=True)


def skip_all(reason):
    print(f"1..0 # SKIP {reason}", flush=True)
    sys.exit(0)


def done():
    if RUNS:
        ok(not any(r.left for r in RUNS), f"no process was left behind by any of {len(RUNS)} runs",
           *[f"{r.argv}: {r.left}" for r in RUNS if r.left])
        ok(not any(r.litter for r in RUNS), "no temporary file was left behind by any run",
           *[f"{r.argv}: {r.litter}" for r in RUNS if r.litter])
        leaks = [(r.argv, where) for r in RUNS for where in r.leaks]
        ok(not leaks, "the key is in no output, record or log of any run", *leaks)
    print(f"1..{_count}", flush=True)
    sys.exit(1 if _failed else 0)


# --- the parts of a script (tests/lib/provider.py) ---
def call(name, arguments, id=None):
    return dict({"name": name, "arguments": arguments}, **({"id": id} if id else {}))


def code(source, description="Run the code", text=None, **how):
    """A reply that asks for one cell."""
    step = {"calls": [call("execute_python", {"code": source, "description": description})], **how}
    if text is not None:
        step["text"] = text
    return step


def cells(*sources, **how):
    """A reply that asks for several cells at once."""
    return {"calls": [call("execute_python", {"code": s, "description": f"Part {i}"})
                      for i, s in enumerate(sources, 1)], **how}


def say(text, find=None, **how):
    return dict({"text": text}, **({"find": find} if find else {}), **how)


def refusal(status, message="refused by the script", type="invalid_request_error", code=None, **how):
    return {"status": status, "body": json.dumps(
        {"error": {"message": message, "type": type, "param": None, "code": code}}), **how}


class Provider:
    """The scripted provider as a process; `requests` is what it was asked."""

    def __init__(self, script, idle=60):
        self.dir = Path(tempfile.mkdtemp(prefix="provider-", dir=BOX))
        self.log = self.dir / "requests.jsonl"
        self.log.touch()
        (self.dir / "script.json").write_text(json.dumps(script))
        self.process = subprocess.Popen(
            [PYTHON, str(LIB / "provider.py"), "--script", str(self.dir / "script.json"),
             "--log", str(self.log), "--key", KEY, "--idle", str(idle)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def read(self):
        with open(self.log, encoding="utf-8") as f:
            return [json.loads(line) for line in f if line.endswith("\n")]

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


# --- processes ---
def children_of(pids):
    """Every descendant of these processes that is not a zombie, as {pid: command line}."""
    parent, state = {}, {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as f:
                    fields = f.read().rpartition(b")")[2].split()
            except OSError:
                continue
            parent[int(name)], state[int(name)] = int(fields[1]), fields[0]
    found, todo = {}, list(pids)
    while todo:
        at = todo.pop()
        for pid, up in parent.items():
            if up == at and pid not in found:
                found[pid] = state[pid]
                todo.append(pid)
    return {p: command_of(p) for p, s in found.items() if s != b"Z"}


def command_of(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return f.read().replace(b"\0", b" ").decode("utf-8", "replace").strip() or f"[{pid}]"
    except OSError:
        return f"[{pid}]"


def reap(pids):
    for pid in pids:
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            pass


def left_after(keep, patience=3.0):
    """Our descendants but `keep` and theirs, after they had `patience` seconds to go."""
    end = time.monotonic() + patience * PATIENCE
    while True:
        mine = children_of([os.getpid()])
        kept = children_of(keep)
        left = {p: c for p, c in mine.items() if p not in keep and p not in kept}
        if not left or time.monotonic() > end:
            return left
        reap(left)
        time.sleep(0.02)


# --- one run ---
def base_env(home):
    """What a run sees: nothing of ours but what it needs."""
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8",
            "XDG_CONFIG_HOME": str(home / "config"), "XDG_DATA_HOME": str(home / "share"),
            "XDG_CACHE_HOME": str(CACHE), "XDG_STATE_HOME": str(home / "state"),
            "TMPDIR": str(home / "tmp"), **SANITIZERS}


SANITIZERS = {k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}
# What was probed about this Python is the same for every run of a test: one cache for all of them.
CACHE = Path(os.environ.get("TEST_CACHE") or BOX / "cache")
HOMES = 0


def new_home():
    global HOMES
    HOMES += 1
    home = BOX / f"home{HOMES}"
    for sub in ("", "config/agent", "share", "state", "tmp", "work"):
        (home / sub).mkdir(exist_ok=True, parents=True)
    CACHE.mkdir(exist_ok=True, parents=True)
    return home


class Record:
    """A session's folder. Reading it is the test that it loads."""

    def __init__(self, path):
        self.path = Path(path)
        self.events = []
        self.broken = []
        lines = (self.path / "events.jsonl").read_bytes().split(b"\n")
        self.torn = lines.pop()  # after the last newline: a line that a kill cut short
        for i, line in enumerate(lines):
            try:
                event = json.loads(line.decode("utf-8"))
                assert isinstance(event, dict)
                self.events.append(event)
            except (ValueError, AssertionError):
                self.broken.append(f"line {i + 1}: {line[:200]!r}")

    def text(self):
        return (self.path / "events.jsonl").read_text(encoding="utf-8", errors="replace")

    def file(self, name):
        path = self.path / name
        return path.read_text(encoding="utf-8") if path.exists() else None

    def names(self, sub):
        path = self.path / sub
        return sorted(str(p.relative_to(path)) for p in path.rglob("*") if p.is_file()) \
            if path.exists() else []


class Told(list):
    """A list of texts in which one that is not there reads as empty: its test fails, the rest run."""

    def __getitem__(self, i):
        return super().__getitem__(i) if isinstance(i, slice) or -len(self) <= i < len(self) else ""


class Run:
    """What a run did: status (128+N for a signal), out, err, seconds, requests, record..."""

    def bodies(self):
        return [q["body"] for q in self.requests if isinstance(q.get("body"), dict)]

    @property
    def observations(self):
        """The tool messages the model was told, in order; the last request holds them all."""
        bodies = self.bodies()
        return Told(m["content"] for m in bodies[-1]["messages"] if m["role"] == "tool") \
            if bodies else Told()

    @property
    def rules(self):
        """The requests that the provider found at fault: there must be none."""
        return [q["reason"] for q in self.requests if q.get("status") == 400 and "reason" in q]

    @property
    def sessions(self):
        root = self.home / "share" / "agent" / "sessions"
        return sorted(p for p in root.iterdir() if p.is_dir()) if root.is_dir() else []

    @property
    def record(self):
        # The one written last: ids of the same second are in no order.
        found = [p for p in self.sessions if (p / "events.jsonl").exists()]
        return Record(max(found, key=lambda p: (p / "events.jsonl").stat().st_mtime_ns)) if found else None

    @property
    def artifacts(self):
        return self.record.names("artifacts") if self.record else []


RUNS = []


def leaks_of(r, key):
    """Where the key is that must be nowhere."""
    found = []
    for name, text in (("stdout", r.raw_out), ("stderr", r.raw_err)):
        if key.encode() in text:
            found.append(name)
    for root in (r.home / "share", r.home / "state", r.home / "work", CACHE):
        for path in (Path(folder) / name for folder, _, names in os.walk(root) for name in names):
            try:
                if path.is_file() and not path.is_symlink() and key.encode() in path.read_bytes():
                    found.append(str(path))
            except FileNotFoundError:
                pass  # another run is at work there
    return found


def start(*args, url=None, home=None, env=None, cwd=None, stdin=subprocess.DEVNULL,
          stdout=subprocess.PIPE, stderr=subprocess.PIPE, key=KEY, argv0=None, **more):
    """Starts the program; the caller waits for it (finish)."""
    r = Run()
    r.home = home or new_home()
    full = base_env(r.home)
    if key is not None:
        full["OPENAI_API_KEY"] = key
    if url is not None:
        full["OPENAI_BASE_URL"] = url
    if HELPER.parent != AGENT.parent:
        full["AGENT_SANDBOX_HELPER"] = str(HELPER)
    for name, value in (env or {}).items():
        full.pop(name, None)
        if value is not None:
            full[name] = str(value)
    r.argv = [str(argv0 or AGENT)] + [str(a) for a in args]
    r.t0 = time.monotonic()
    r.process = subprocess.Popen(r.argv, stdin=stdin, stdout=stdout, stderr=stderr, env=full,
                                 cwd=cwd or r.home / "work", **more)
    return r


def finish(r, timeout=60, send=None, keep=()):
    """Waits for a started run, at most `timeout` seconds (a run that takes longer is killed and
    has the status None), then looks at what it left."""
    try:
        out, err = r.process.communicate(send, timeout * PATIENCE)
        r.status = r.process.returncode if r.process.returncode >= 0 \
            else 128 - r.process.returncode
    except subprocess.TimeoutExpired:
        r.process.kill()
        out, err = r.process.communicate()
        r.status = None
        err = (err or b"") + b"\n[the test killed this run: it took too long]"
    r.seconds = time.monotonic() - r.t0
    r.raw_out, r.raw_err = out or b"", err or b""
    r.out, r.err = r.raw_out.decode("utf-8", "replace"), r.raw_err.decode("utf-8", "replace")
    r.left = left_after(keep)
    for pid in r.left:
        os.kill(pid, signal.SIGKILL)
    r.litter = sorted(str(p) for p in (r.home / "tmp").iterdir())
    r.leaks = leaks_of(r, KEY)
    r.requests = []
    RUNS.append(r)
    return r


def run(*args, script=None, timeout=60, send=None, stdin=None, model="scripted", each=None, **how):
    """One whole run against a provider that plays `script`. `send` is given on standard input
    (bytes, then end of file); `each` is put into every step of the script (chunk="bytes")."""
    if stdin is None:
        stdin = subprocess.PIPE if send is not None else subprocess.DEVNULL
    args = (("-m", model) if model else ()) + args
    if script is None:
        return finish(start(*args, stdin=stdin, **how), timeout, send)
    with Provider([{**(each or {}), **step} for step in script]) as provider:
        how.setdefault("url", provider.url)
        r = finish(start(*args, stdin=stdin, **how), timeout, send, keep=[provider.process.pid])
        r.requests = provider.read()
    return r


def bare(source, *args):
    """What the system's Python prints for this source, unsandboxed: the truth to compare with."""
    p = subprocess.run([PYTHON, "-c", source, *map(str, args)], capture_output=True, text=True,
                       timeout=120 * PATIENCE, cwd=BOX)
    if p.returncode:
        raise RuntimeError(p.stderr)
    return p.stdout.strip()


def have_modules(*names):
    """The first of these modules that the sandbox's Python cannot import, or None."""
    for name in names:
        p = subprocess.run([PYTHON, "-c", f"import {name}"], capture_output=True)
        if p.returncode:
            return name
    return None


def need_modules(*names):
    """Skips the whole file when the sandbox's Python lacks one of these."""
    missing = have_modules(*names)
    if missing:
        skip_all(f"{missing} is not installed for {PYTHON}")


def need_samples(*names):
    """The paths of these sample files; skips the whole file when one is not there."""
    for name in names:
        if not os.access(SAMPLES / name, os.R_OK):
            skip_all(f"{SAMPLES / name} is not there (SAMPLE_DATA names the folder of sample files)")
    return [SAMPLES / name for name in names]


def sha256(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def write(name, content):
    """A file for the tests, by its path."""
    path = BOX / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


def is_png(path):
    data = Path(path).read_bytes()
    return data.startswith(b"\x89PNG\r\n\x1a\n") and data.endswith(b"IEND\xaeB`\x82")


if not os.access(AGENT, os.X_OK):
    print(f"Bail out! {AGENT} is not there: run make first", flush=True)
    sys.exit(1)


def _clean_up():
    for pid in left_after([], patience=1.0):
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass
    shutil.rmtree(BOX, ignore_errors=True)


atexit.register(_clean_up)
