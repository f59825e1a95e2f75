#!/usr/bin/python3
"""The hostile cases once more, in contexts whose template came from an image that another sandbox wrote, as in agent
batch. Required is what hostile.t requires; where a context is another place than a command's process (its
descriptors, its parent), what a context of a template of its own says. Cases about limits are left to hostile.t.

    tests/hostile/shared.t [REGEX of ids]
"""
import importlib.machinery
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
loader = importlib.machinery.SourceFileLoader("hostile", str(HERE / "hostile.t"))
hostile = importlib.util.module_from_spec(importlib.util.spec_from_loader("hostile", loader))
loader.exec_module(hostile)

CELL = Path(os.environ.get("BUILD") or HERE.parent.parent / "build").resolve() / "tests/sandbox/cell"
OF_TWO_RUNS = ("B52w", "B52r")     # contexts of one sandbox share its workspace
OF_A_NEW_ONE = ("C14",)            # looks for files in it, so it comes first
AT_ONCE = 24    # contexts of a sandbox, each with its guardian; the usual limit is 128 processes
FIRST = "import pandas\nassert %s == ('memfd:template' in open('/proc/self/maps').read())\n"


def said(cases, uid, shared, folder):
    """What each case wrote, in a context of its own."""
    path = folder / "cells"
    parts = []
    for i, (_, _, code, _) in enumerate(cases):
        parts.append(f"%%%% case{i}\n{FIRST % shared}{hostile.PRELUDE}{code}\n")
    path.write_text("pass\n" + "".join(parts))
    argv = ["/usr/bin/env", f"SANDBOX_PROGRAM={hostile.SANDBOX}", str(CELL), "--preload", "pandas", "--timeout", str(int(20000 * hostile.PATIENCE))]
    status, text, err = hostile.run(argv + (["--image", "whole"] if shared else []) + [str(path)], uid, 600)
    found = re.split(r"^\[\d+ ", text, flags=re.M)[2:]
    return [re.sub(r"^(out|err|error|value|tb): ", "", t, flags=re.M) for t in found], f"{status} {err} {text[-300:]}"


def check(cases, uid, who, canaries, folder):
    texts, why = said(cases, uid, True, folder)
    if not hostile.point(len(texts) == len(cases), f"{who} every case was run", f"{len(texts)} of {len(cases)}: {why}"):
        return
    for (ident, name, code, options), text in zip(cases, texts):
        held = re.search("^HELD", text, re.M) and "BROKEN" not in text
        own = "" if held else said([(ident, name, code, options)], uid, False, folder)[0][0]
        problems = canaries.harm()
        if not held and shape(own) != shape(text):
            problems.append(f"from the image:\n{text}\nfrom a template of its own:\n{own}")
        if hostile.KEY in text:
            problems.append("the key came out")
        hostile.point(not problems, f"{who} {ident} {name}{'' if held else ', as in any context'}", "\n".join(problems))


def shape(text):
    """Without what differs from run to run, and from program to program that a template is."""
    return re.sub(r"\d+", "N", re.sub(r"0x[0-9a-f]+", "", text))


def main():
    wanted = re.compile(sys.argv[1] if len(sys.argv) > 1 else "")
    cases = [c for c in hostile.CASES if set(c[3]) <= {"control"} and wanted.search(c[0]) and c[0] not in OF_TWO_RUNS]
    cases.sort(key=lambda c: c[0] not in OF_A_NEW_ONE)
    canaries = hostile.Canaries()
    cases = [(ident, name, canaries.fill(code), options) for ident, name, code, options in cases]
    with tempfile.TemporaryDirectory(prefix="shared-") as folder:
        os.chmod(folder, 0o755)
        for uid in [0, hostile.USER] if os.getuid() == 0 else [0]:
            who = "root" if os.getuid() == 0 and not uid else "user"
            for at in range(0, len(cases), AT_ONCE):
                check(cases[at:at + AT_ONCE], uid, who, canaries, Path(folder))
    canaries.close()
    print(f"1..{hostile.count}")
    return 1 if hostile.failed else 0


if subprocess.run(["/usr/bin/python3", "-c", "import pandas"], capture_output=True).returncode:
    print("1..0 # SKIP pandas is not installed")
    sys.exit(0)
sys.exit(main())
