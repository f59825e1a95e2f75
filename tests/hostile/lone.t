#!/usr/bin/python3
"""The hostile cases on the back end without namespaces, below a filter that forbids them (tests/sandbox/pod.c). Places of the
sandbox lie elsewhere, and what differs is listed, with the reason: nothing may differ besides.

    tests/hostile/lone.t [REGEX of ids]
"""
import importlib.machinery
import importlib.util
import os
import re
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
loader = importlib.machinery.SourceFileLoader("hostile", str(HERE / "hostile.t"))
hostile = importlib.util.module_from_spec(importlib.util.spec_from_loader("hostile", loader))
loader.exec_module(hostile)

POD = Path(os.environ.get("BUILD") or HERE.parent.parent / "build").resolve() / "tests/sandbox/pod"
if not POD.exists():
    print(f"1..0 # SKIP {POD} is not built (make tests-build)")
    sys.exit(0)

CLOSED = r"PermissionError: \[Errno 13\] Permission denied: '%s"
STAT = "that a file is there can be asked, not what it holds"
# id: (what must come out instead, why). In what the code printed, its errors included.
DIFFERENT = {
    "A21": (None, "workspace", "the helper ends what passes the limit"),
    "A22:/tmp": (r"^DIFFERS 100 MiB", "tmp", "the helper ends what passes the limit, if it still runs then"),
    "A23": (None, "workspace", "the helper ends what passes the limit"),
    "A23d": (None, "workspace", "the helper ends what passes the limit"),
    "A40": (r"^HELD", "workspace", "what is too deep to be counted is over the limit"),
    "A22:/dev/shm": (r"Permission denied: '/dev/shm/f'", "the host's /dev/shm is closed"),
    "A39": (CLOSED % "/proc/self/oom_score_adj", "it cannot be lowered, because it cannot be opened"),
    "B3": (CLOSED % "/proc'", "/proc cannot be listed"),
    "B6": (CLOSED % "/proc'", "/proc cannot be listed"),
    "B12": (CLOSED % "/'", "/ cannot be listed"),
    "B14": (r"BROKEN \['", STAT),
    "B14b": (CLOSED % "/dev'", "/dev cannot be listed"),
    "B21": (r"PermissionError: \[Errno 1\]", "there are no sockets"),
    "B22": (r"PermissionError: \[Errno 1\]", "there are no sockets"),
    "B22b": (r"BROKEN \['|^HELD", STAT),
    "B26": (r"^BROKEN \[\]", "/proc/sys cannot be listed: none was found that opens"),
    "B27": (CLOSED % "/proc/self/uid_map'", "there is no user namespace; the uid is an ordinary one"),
    "B28": (r"^BROKEN\s*$", STAT),
    "B31": (r"^HELD|^BROKEN \['CapBnd'\]", "the bounding set is left: it bounds nothing under no_new_privs"),
    "B32": (r"^BROKEN os.statvfs_result|^HELD", "the mount is the host's; no_new_privs holds"),
    "B52w": (CLOSED % "/dev/shm/left'", "the host's /dev/shm is closed"),
    "B63": (r"^HELD|copymode", "an ordinary user cannot copy modes, and so no program either"),
    "B55": (r"^BROKEN \[", "that a number is in use can be asked; no process can be signalled or looked into"),
    "B56": (CLOSED % "/proc/self/cgroup'", "it cannot be read"),
    "B66": (CLOSED % "/proc/self/mountinfo'", "it cannot be read"),
    "B67": (CLOSED % "/proc/net/", "it cannot be read"),
    "C1": (r"^BROKEN \{'SANDBOX_R\w+', 'SANDBOX_R\w+'\}", "two more, which say where the places are"),
    "C3": (CLOSED % "/proc'", "/proc cannot be listed"),
    "C6": (r"^BROKEN \['", STAT),
    "C8": (CLOSED % "/proc/sys/kernel/hostname'", "the host's name is visible by uname; told as weaker"),
    "C8b": (CLOSED % "/etc/machine-id'" + "|No such file or directory: '/etc/machine-id'", "it cannot be read"),
    "C9": (r"getpwuid\(\): uid not found", "no /etc/passwd is shown"),
    "C12": (CLOSED % "/proc/net/", "it cannot be read"),
    "C14": (CLOSED % "/tmp'", "/tmp cannot be listed"),
    "C20": (CLOSED % "/etc/passwd'", "it cannot be read"),
}
# The same calls are refused by the same filter whatever the back end: test_seccomp_rows and hostile.t try them.
SAME = re.compile(r"D:|A15|A16")
wanted = re.compile(sys.argv.pop(1) if len(sys.argv) > 1 else "")
PREFIX = "import os\nROOT = os.environ.get('SANDBOX_ROOT', '')\n"


def moved(code):
    """Paths of the sandbox, where they are written as such, below its directory."""
    code = re.sub(r"(?<![\w/])(f?['\"])/(workspace|tmp)(?=[/'\"])", r"ROOT + \1/\2", code)
    return PREFIX + code


def case(ident, name, code, options):
    if ident not in DIFFERENT:
        return ident, name, moved(code), options
    want, *cause, why = DIFFERENT[ident]
    kept = {k: v for k, v in options.items() if k in ("limits", "args", "seconds", "leak_fds", "drain")}
    if cause and want:
        kept["want_or_cause"] = (re.compile(want, re.M), cause[0])
    elif cause:
        kept["cause"] = cause[0]
    else:
        kept["want"] = want
    # These two are about the host's own places.
    return ident, f"{name} (differs: {why})", code if ident in ("B12", "C14") else moved(code), dict(kept, differs=True)


def in_sandbox(code, options, uid):
    status, text, err, events, took = run_it(code, options, uid)
    if options.get("differs"):
        text = (text + err).replace("BROKEN", "DIFFERS")
    return status, text, err, events, took


with tempfile.TemporaryDirectory(prefix="hostile-", dir="/var/tmp") as tmp:
    os.chmod(tmp, 0o755)
    pod = Path(tmp) / "sandbox"
    pod.write_text(f'#!/bin/sh\nexec {POD} docker {hostile.SANDBOX} --backend best "$@"\n')
    pod.chmod(0o755)
    hostile.SANDBOX = str(pod)
    # The process limit lies on top of what the user runs, so nobody else may be this user meanwhile.
    hostile.USER = 100_000 + os.getpid()
    run_it, hostile.in_sandbox = hostile.in_sandbox, in_sandbox
    DIFFERENT = {k: (v[0] and v[0].replace("BROKEN", "DIFFERS"), *v[1:]) for k, v in DIFFERENT.items()}
    hostile.CASES[:] = [case(*c) for c in hostile.CASES if wanted.search(c[0]) and not SAME.match(c[0])]
    status = hostile.main()
sys.exit(status)
