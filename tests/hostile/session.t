#!/usr/bin/python3
"""Runs the hostile cases of session_cases.py: in sessions as `agent` keeps them, and through `agent exec`. After each case the
canaries of hostile.t are looked at, and no process of it may be left.

    tests/hostile/session.t [REGEX of ids]
"""
import importlib.machinery
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from session_cases import EXECS, SESSIONS  # noqa: E402

loader = importlib.machinery.SourceFileLoader("hostile", str(HERE / "hostile.t"))
hostile = importlib.util.module_from_spec(importlib.util.spec_from_loader("hostile", loader))
loader.exec_module(hostile)

BUILD = Path(os.environ.get("BUILD") or HERE.parent.parent / "build").resolve()
AGENT = os.path.realpath(os.environ.get("AGENT") or BUILD / "agent")
CELL = BUILD / "tests/sandbox/cell"
LAST = ("python/last-of-all", "print('ALIVE', 6 * 7)")


class Run:
    """What `agent exec` did."""

    def __init__(self, argv, out, home, uid):
        began = time.monotonic()
        env = {"PATH": "/usr/bin:/bin", "HOME": home, "SANDBOX_PROGRAM": hostile.SANDBOX, "OPENAI_API_KEY": hostile.KEY, "LC_ALL": "C.UTF-8"}
        try:
            p = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, cwd=home,
                               timeout=60 * hostile.PATIENCE, **who(uid))
            self.status, self.raw, self.err = p.returncode, p.stdout, p.stderr.decode("utf-8", "replace")
        except subprocess.TimeoutExpired as e:
            self.status, self.raw, self.err = None, e.stdout or b"", f"not over after {e.timeout} s"
        self.out = self.raw.decode("utf-8", "replace")
        self.seconds = (time.monotonic() - began) / hostile.PATIENCE
        came = [p for p in out.rglob("*") if p.is_file() and not p.is_symlink()]
        self.room = sum(p.stat().st_blocks * 512 for p in came)
        self.files = {p.name: p.open("rb").read(1 << 20) for p in came}

    def json(self):
        return json.loads(self.out)


def who(uid):
    return {"user": uid, "group": uid, "extra_groups": []} if uid else {}


def left(mark):
    """Processes whose command line holds `mark`, once they had time to end."""
    for _ in range(int(100 * hostile.PATIENCE)):
        found = subprocess.run(["pgrep", "-f", mark], capture_output=True, text=True).stdout.split()
        if not found:
            return []
        time.sleep(0.05)
    return found


def judge(title, text, problems, canaries):
    problems = [p for p in problems if p] + canaries.harm()
    for word, what in (("BROKEN", "it says so"), ("the canary sings", "the canary came out"), (hostile.KEY, "the key came out")):
        if word in text:
            problems.append(what)
    hostile.point(not problems, title, "\n".join([*problems, text[-3000:]]))
    return not problems


def outside(argv, code, uid):
    """The first cell's code without a sandbox: never as root."""
    if argv[0] == "node":
        code = "(async () => {" + code + "})()"
    with tempfile.TemporaryDirectory(dir="/var/tmp") as d:
        os.chmod(d, 0o777)
        try:
            return subprocess.run([*argv, code], cwd=d, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30,
                                  env={"PATH": "/usr/bin:/bin", "HOME": d}, **who(uid or (hostile.USER if os.getuid() == 0 else 0))).stdout
        except subprocess.TimeoutExpired:
            return ""


def one_session(case, title, uid, canaries):
    ident, _, cells, options = case
    if options.get("needs") and not shutil.which(options["needs"]):
        return hostile.skip(title, f"{options['needs']} is not installed")
    cells = [(context, canaries.fill(code)) for context, code in cells]
    languages = sorted({context.split("/")[0] for context, _ in cells} - {"python"}) + ["python"]
    with tempfile.TemporaryDirectory(prefix="hostile-") as d:
        os.chmod(d, 0o755)
        path = Path(d) / "cells"
        path.write_text("".join(f"%%%% {context}\n{code.strip(chr(10))}\n" for context, code in [*cells, LAST])[5:].replace(
            f"{cells[0][0]}\n", f"print('first')\n%%%% {cells[0][0]}\n", 1))
        argv = [str(CELL), "--timeout", str(int(options.get("timeout", 10000) * hostile.PATIENCE))]
        if "files" in options:
            argv = ["/usr/bin/prlimit", f"--nofile={options['files']}", *argv]
        if "preload" in options:
            argv += ["--preload", options["preload"]]
        for language in languages:
            argv += ["--language", language]
        try:
            p = subprocess.run([*argv, str(path)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               env={"SANDBOX_PROGRAM": hostile.SANDBOX, "PATH": "/usr/bin:/bin", "CANARY_ENV": hostile.KEY},
                               timeout=options.get("seconds", 60) * hostile.PATIENCE, cwd="/", **who(uid))
            text = p.stdout.decode("utf-8", "replace")
            problem = "" if p.returncode == 0 else f"status {p.returncode}"
        except subprocess.TimeoutExpired as e:
            text, problem = (e.stdout or b"").decode("utf-8", "replace"), f"not over after {e.timeout} s"
        text = text.replace("[2 ", "[1 ", 1)  # the case's first cell is number 1, after the one that only says `first'
        want = options.get("want", "^out: HELD")
        missing = "" if re.search(want, text.split("out: first", 1)[-1], re.M) else f"no {want}"
        dead = "" if "out: ALIVE 42" in text else "the session did not live on"
        if not judge(title, text, [problem, missing, dead, *left(str(path))], canaries):
            return None
    if "control" in options and "BROKEN" not in (out := outside(options["control"], cells[0][1], uid)):
        hostile.point(False, title + ": the control", f"outside it is held as well: {out}")
    canaries.visitors()
    return None


def one_exec(case, title, uid, canaries):
    ident, _, args, code, good = case
    with tempfile.TemporaryDirectory(prefix=f"hostile-{ident}-") as d:
        out = Path(d) / "out"
        out.mkdir()
        for p in (Path(d), out):
            os.chmod(p, 0o777)
        fill = lambda s: canaries.fill(s).replace("CANARY_OUT", str(out))  # noqa: E731
        r = Run([AGENT, "exec", *map(fill, args), "-c", fill(code)], out, d, uid)
        try:
            problem = "" if good(r) else f"status {r.status}, files {sorted(r.files)}, {r.seconds:.1f} s"
        except (ValueError, KeyError) as e:
            problem = f"no such outcome: {e!r}"
        files = b" ".join(r.files.values()).decode("utf-8", "replace")
        judge(title, r.out + r.err + files, [problem, *left(d)], canaries)


def main():
    if not CELL.exists():
        print(f"1..0 # SKIP {CELL} is not built (make tests-build)")
        return 0
    wanted = re.compile(sys.argv[1] if len(sys.argv) > 1 else "")
    canaries = hostile.Canaries()
    for uid in [0, hostile.USER] if os.getuid() == 0 else [0]:
        name = "root" if os.getuid() == 0 and not uid else "user"
        for cases, run in ((SESSIONS, one_session), (EXECS, one_exec)):
            for case in cases:
                if wanted.search(case[0]):
                    run(case, f"{name} {case[0]} {case[1]}", uid, canaries)
    canaries.close()
    print(f"1..{hostile.count}")
    return 1 if hostile.failed else 0


if __name__ == "__main__":
    sys.exit(main())
