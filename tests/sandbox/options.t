#!/usr/bin/python3
"""The command line: what is wrong is named, with what would be right; nothing runs; 125."""
import os
import subprocess
import sys
from pathlib import Path
sys.path.insert(0, str(Path(__file__).resolve().parent))
from boxlib import *  # noqa: E402,F403

BAD = [
    (["--polcy"], "did you mean --policy?"), (["--xyzzyxyzzy"], "--help"), ([], "no command"), (["--"], "no command"),
    (["true"], "write -- before the command"), (["--limit", "memory", "--", "true"], "NAME=VALUE"),
    (["--limit", "memory=", "--", "true"], "512m"), (["--limit", "memory=1x", "--", "true"], "512m"),
    (["--limit", "memory=-1", "--", "true"], "512m"), (["--limit", "memory=1", "--", "true"], "out of range"),
    (["--limit", "memory=99999999999999999999g", "--", "true"], "512m"), (["--limit", "memory=0", "--", "true"], "out of range"),
    (["--limit", "mem=1g", "--", "true"], "there are memory"), (["--limit", "wall=1d", "--", "true"], "90s"),
    (["--ro", ":/x", "--", "true"], "no source"), (["--ro", "/opt:/proc/x", "--", "true"], "belongs to the sandbox"),
    (["--ro", "/opt:/dev", "--", "true"], "belongs to the sandbox"), (["--ro", "/opt:/a/../b", "--", "true"], ".."),
    (["--ro", "relative", "--", "true"], "absolute"), (["--ro", "/opt:/", "--", "true"], "absolute"),
    (["--ro", "/nonexistent-xyz", "--", "true"], "cannot open /nonexistent-xyz"),
    (["--ro", "/etc:/usr/not-there", "--", "true"], "Read-only"),
    (["--data", "/nonexistent.csv", "--", "true"], "cannot read the attachment"),
    (["--data", "/etc", "--", "true"], "no regular file"), (["--data", "/dev/null", "--", "true"], "no regular file"),
    (["--data", "/etc/passwd:..", "--", "true"], "cannot be the name"),
    (["--data", "/etc/passwd", "--data", "/usr/share/base-passwd/passwd.master:passwd", "--", "true"], "another name"),
    (["--pass-fd", "77", "--", "true"], "must open it"), (["--pass-fd", "1", "--", "true"], "3 or more"),
    (["--pass-fd", "x", "--", "true"], "not a descriptor number"), (["--pass-fd", "-1", "--", "true"], "not a descriptor number"),
    (["--file-fd", "9", "--", "true"], "FD:PATH"), (["--env", "A", "--", "true"], "NAME=VALUE"),
    (["--env", "=A", "--", "true"], "NAME=VALUE"), (["--chdir", "x", "--", "true"], "absolute path"),
    (["--chdir", "/nonexistent", "--", "true"], "no such directory inside"), (["--template=1", "--", "true"], "takes no value"),
    (["--limit"], "needs NAME=VALUE"), (["--limit", "--", "true"], "needs NAME=VALUE"),
]
for uid in each_user():
    for argv, want in BAD:
        r = Run(argv, uid=uid)
        ok(r.status == 125 and want in r.err and r.err.startswith("agent-sandbox: ") and not r.out and
           r.last.get("event") == "error" and want in r.last.get("message", ""),
           " ".join(argv) or "(nothing)", r.status, r.err, r.out, r.events)
    r = Run(["--", "no-such-program"], uid=uid)
    ok(r.status == 127 and "no-such-program" in r.err and r.last["event"] == "error", "a missing command: 127", r.status, r.err)
    r = Run(["--", "/etc/passwd"], uid=uid)
    ok(r.status == 126 and "/etc/passwd" in r.err, "what cannot be run: 126", r.status, r.err)
    r = Run(["--ro=/usr/share/zoneinfo:/opt/zones", "--env=A=b=c", "--chdir=/tmp", "--", "sh", "-c",
             "ls /opt/zones/UTC; echo $A; pwd; touch /opt/zones/x || echo refused"], uid=uid)
    eq(r.out, "/opt/zones/UTC\nb=c\n/tmp\nrefused\n", "--ro, --env, --chdir, with = as well")
    directory = os.open("/etc", os.O_RDONLY | os.O_DIRECTORY)
    r = Run(["--", "true"], uid=uid, stdin=directory)
    ok(r.status == 125 and "would be a way out" in r.err, "standard input that is a directory is refused", r.err)
    r = Run(["--pass-fd", str(directory), "--", "true"], uid=uid, pass_fds=(directory,))
    ok(r.status == 125 and "would be a way out" in r.err, "a directory as --pass-fd is refused", r.err)
    os.close(directory)
for option, want in (("--help", "--lifeline-fd"), ("--version", "agent-sandbox 0"), ("--policy", "io_uring_setup")):
    r = subprocess.run([SANDBOX, option], capture_output=True, text=True)
    ok(r.returncode == 0 and want in r.stdout and not r.stderr, option, r.stdout[-300:], r.stderr)
policy = subprocess.run([SANDBOX, "--policy"], capture_output=True, text=True).stdout
for part in ("Steps of the helper", "Files (kind", "Visible in /proc", "Environment", "Limits (", "Resource limits", "Landlock",
             "System calls"):
    has(policy, part, f"--policy has the table `{part}'")
for uid in each_user():
    if "__asan" in open(SANDBOX, "rb").read().decode("latin-1"):
        skip("--check: the sanitizer's memory does not fit into the limits that are probed")
        continue
    r = Run(["--check"], uid=uid)
    ok(r.status == 0 and r.out.count("\nholds ") >= 15 and "FAILS" not in r.out, "--check: every layer holds", r.out, r.err)
if AM_ROOT:
    r = subprocess.run(["unshare", "-Ur", SANDBOX, "--", "true"], capture_output=True, text=True)
    ok(r.returncode == 125 and "ordinary user" in r.stderr, "where only root is mapped, the message says what to do", r.stderr)
done()
