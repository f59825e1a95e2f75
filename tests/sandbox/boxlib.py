"""What the tests of agent-sandbox share: TAP, and one run of the helper, as whoever runs the test and, from
root, as an ordinary user too (each_user)."""
import json
import os
import subprocess
import sys
import time
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
SANDBOX = os.path.realpath(os.environ.get("SANDBOX_PROGRAM") or TOP / "build" / "agent-sandbox")
PYTHON = "/usr/bin/python3"
PATIENCE = float(os.environ.get("TEST_PATIENCE") or 1)
USER = 12345
AM_ROOT = os.getuid() == 0
_count = _failed = 0
_who = ""


def ok(good, name, *why):
    global _count, _failed
    _count += 1
    print(f"{'ok' if good else 'not ok'} {_count} - {_who}{name}", flush=True)
    if not good:
        _failed += 1
        for line in "\n".join(str(w) for w in why).split("\n")[:30]:
            print("#   " + line[:600], flush=True)
    return good


def skip(why):
    global _count
    _count += 1
    print(f"ok {_count} # SKIP {_who}{why}", flush=True)


def eq(got, want, name):
    return ok(got == want, name, f"got  {got!r}", f"want {want!r}")


def has(text, part, name):
    return ok(part in text, name, f"{part!r} is not in {text!r}")


def done():
    print(f"1..{_count}")
    sys.exit(1 if _failed else 0)


def each_user():
    """0 = as we are; then, from root, the ordinary user."""
    global _who
    for uid in [0, USER] if AM_ROOT else [0]:
        _who = "root: " if AM_ROOT and not uid else "user: "
        yield uid
    _who = ""


def as_user(uid):
    return {"user": uid, "group": uid, "extra_groups": []} if uid else {}


class Run:
    """argv after the program's name. `files`: descriptors to leave open."""

    def __init__(self, argv, uid=0, pass_fds=(), stdin=subprocess.DEVNULL, env=None, seconds=20):
        r, w = os.pipe()
        self.began = time.monotonic()
        p = subprocess.Popen([SANDBOX, "--status-fd", str(w), *argv], stdin=stdin, stdout=subprocess.PIPE, cwd="/",
                             stderr=subprocess.PIPE, pass_fds=(w, *pass_fds), env=env or {}, **as_user(uid))
        os.close(w)
        try:
            out, err = p.communicate(timeout=seconds * PATIENCE)
        except subprocess.TimeoutExpired:
            p.kill()
            out, err = p.communicate()
            err += b"\n(killed by the test: it was not over in time)"
        self.took = time.monotonic() - self.began
        self.status, self.out, self.err = p.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")
        with os.fdopen(r) as f:
            self.lines = f.read()
        self.events = [json.loads(line) for line in self.lines.split("\n") if line]
        self.last = self.events[-1] if self.events else {}


def python(code, *argv, **kw):
    return Run([*argv, "--", PYTHON, "-I", "-c", code], **kw)


def sh(script, *argv, **kw):
    return Run([*argv, "--", "/bin/sh", "-c", script], **kw)
