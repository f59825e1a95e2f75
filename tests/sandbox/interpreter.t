#!/usr/bin/python3
"""The interpreter's behaviour as a table: cells/*.case, code in, what comes out.

    tests/sandbox/interpreter.t [NAME...]          runs the files (default: all)
    tests/sandbox/interpreter.t --record NAME      prints the file with what came out now, to be read with care

A file is one session: its cells run one after another in one sandbox. `=== name` starts a cell, `--->` ends its
code, and what follows is what tests/sandbox/cell prints of it: a status line, then the output line by line.
`...` stands for anything in a line; a line of nothing else for any lines. Addresses, durations and caret
lines under tracebacks are made equal first, since they differ between runs and versions of Python.
"""
import fnmatch
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILD = Path(os.environ.get("BUILD") or HERE.parent.parent / "build")
CELL = Path(os.environ.get("CELL") or BUILD / "tests" / "sandbox" / "cell")
os.environ.setdefault("SANDBOX_PROGRAM", str(BUILD / "agent-sandbox"))
LIMIT = 300
SHOWN = 30  # lines of a failure


def parse(path):
    head, options, cells = [], [], []
    for line in path.read_text().split("\n"):
        if line.startswith("=== "):
            cells.append({"name": line[4:], "code": [], "want": None})
        elif not cells:
            head.append(line)
            if line.startswith("# options:"):
                options = line.split(":", 1)[1].split()
        elif line == "--->":
            cells[-1]["want"] = []
        elif cells[-1]["want"] is None:
            cells[-1]["code"].append(line)
        else:
            cells[-1]["want"].append(line)
    for cell in cells:
        cell["want"] = [x for x in cell["want"] or [] if x]
    return head, options, cells


def tidy(lines):
    out, syntax = [], any(re.match(r"error: (Syntax|Indentation)Error", x) for x in lines)
    for line in lines:
        if re.match(r"(tb|err):\s+[~^]+\s*$", line) and not syntax:
            continue
        line = re.sub(r"0x[0-9a-fA-F]{6,}", "0x...", line)
        line = re.sub(r"\d+(\.\d+)?(e[+-]\d+)? (ns|us|ms|s)\b", "N s", line)
        line = re.sub(r"/usr/lib/python3\.\d+/", "/usr/lib/python3.N/", line)
        out.append(line)
    return out


def sorted_pieces(lines):
    """Standard error and standard output are two pipes, and which of two neighbouring pieces is read
    first is chance: each run of err: and out: lines is put into one order, each stream's own kept."""
    out, run = [], []
    for line in [*lines, ""]:
        if line.startswith(("err:", "out:")):
            run.append(line)
            continue
        out += [x for x in run if x.startswith("err:")] + [x for x in run if x.startswith("out:")]
        run = []
        out.append(line)
    return out[:-1]


def matches(want, got):
    """A line of `...` takes any number of lines; backtracking is cheap at this size."""
    if not want:
        return not got
    if want[0] == "...":
        return any(matches(want[1:], got[i:]) for i in range(len(got) + 1))
    if not got:
        return False
    pattern = fnmatch.translate(re.sub(r"([*?[])", r"[\1]", want[0]).replace("...", "*"))
    return bool(re.match(pattern, got[0])) and matches(want[1:], got[1:])


def run(options, cells):
    with tempfile.NamedTemporaryFile("w", suffix=".py") as f:
        f.write("\n%%%%\n".join("\n".join(c["code"]) for c in cells))
        f.flush()
        done = subprocess.run([str(CELL)] + options + [f.name], capture_output=True, timeout=LIMIT)
    text = done.stdout.decode("utf-8", "replace")
    parts, lines = {}, None
    for line in text.split("\n"):
        m = re.match(r"\[(\d+) ", line)
        if m:
            lines = parts.setdefault(int(m.group(1)), [])
            line = "[" + line[m.end():]
        if lines is None and line:
            lines = parts.setdefault(1, [])
        if line:
            lines.append(line)
    return parts, done.stderr.decode("utf-8", "replace")


def has(module):
    return subprocess.run(["/usr/bin/python3", "-c", "import " + module], capture_output=True).returncode == 0


def main():
    args = sys.argv[1:]
    record = args[:1] == ["--record"]
    # Further languages are languages.t's, which runs beside this one.
    names = args[record:] or sorted(p.stem for p in (HERE / "cells").glob("*.case") if "--language" not in p.read_text())
    count = failed = 0
    for name in names:
        head, options, cells = parse(HERE / "cells" / (name + ".case"))
        need = [w for line in head if line.startswith("# needs:") for w in line.split(":", 1)[1].split()]
        lacking = [f"/usr/bin/python3 has no {m}" for m in need if not has(m)]
        tools = [w for line in head if line.startswith("# tools:") for w in line.split(":", 1)[1].split()]
        lacking += [f"no {tool} is installed" for tool in tools if not shutil.which(tool)]
        if lacking and not record:
            count += 1
            print(f"ok {count} # SKIP {name}: {'; '.join(lacking)}")
            continue
        parts, stderr = run(options, cells)
        if record:
            print("\n".join(head).rstrip())
        for i, cell in enumerate(cells, 1):
            got = tidy(parts.get(i, []))
            if record:
                print("===", cell["name"])
                print("\n".join(cell["code"]).rstrip())
                print("--->")
                print("\n".join(got) + "\n")
                continue
            count += 1
            want = tidy(cell["want"])
            ok = bool(want) and (matches(want, got) or matches(sorted_pieces(want), sorted_pieces(got)))
            print(f"{'ok' if ok else 'not ok'} {count} - {name}: {cell['name'].replace('#', '')}", flush=True)
            if not ok:
                failed += 1
                print("\n".join("#  want: " + x for x in cell["want"][:SHOWN]))
                print("\n".join("#   got: " + x[:300] for x in got[:SHOWN]) or "#   got nothing: " + stderr[-300:])
    if not record:
        print(f"1..{count}")
    return failed != 0


sys.exit(main())
