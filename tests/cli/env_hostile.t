#!/usr/bin/python3
"""Wheels that mean harm, and bad moments: an environment is made whole or not at all, and nothing of a wheel runs
outside the sandbox."""
import fcntl
import json
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *  # noqa: E402
from wheels import wheel  # noqa: E402

if have_modules("pip"):
    skip_all(f"pip is not installed for {PYTHON} (python3-pip)")

HOME = new_home()
ENVS = HOME / "share" / "agent" / "envs"


def make(name, folder, *args, **how):
    return run("env", "create", name, "--wheels", folder, *args, model=None, home=HOME, **how)


def rests():
    return sorted(p.name for p in ENVS.iterdir() if p.name.startswith((".new-", ".old-")))


OUTSIDE = BOX / "outside"
OUTSIDE.mkdir()
W = BOX / "w"
REFUSED = (
    ("a path out of the folder", "up", dict(files={"../../../../../../workspace/escaped.py": "x = 1\n"}), r"outside the target directory"),
    ("an absolute path", "absolute", dict(files={f"{OUTSIDE}/escaped.py": "x = 1\n"}), r"outside the target directory|Not a directory|is damaged"),
    ("a wrong hash in RECORD", "liar", dict(files={"liar.py": "x = 1\n"}, lie={"liar.py"}),
     r"wheel of liar-1\.0 is damaged or was changed: the content of liar\.py is not what its RECORD says"),
    ("another platform", "windows", dict(files={"windows.py": ""}, tag="cp27-cp27m-win32"), r"No matching distribution found for windows"),
    ("a missing dependency", "lonely", dict(files={"lonely.py": ""}, requires=["not-in-here>=7"]),
     r"No matching distribution found for not-in-here>=7"),
    ("a name with an escape sequence", "escape", dict(files={"escape.py": "", "evil\x1b[2J.py": "x = 1\n"}), r"control characters or broken UTF-8"),
    ("more than --env-size", "bomb", dict(files={"bomb.py": b"#" * (60 << 20)}), r"No space left|more than 4 MiB|File too large"),
    ("deep nesting", "deep", dict(files={"deep/" * 60 + "x.py": "x = 1\n"}), r"nested too deep"),
)
for what, name, how, why in REFUSED:
    wheel(W / name, name, "1.0", **how)
    r = make(name, W / name, name, "--env-size", "4m")
    ok(r.status not in (0, None), f"{what}: nothing is made", r.status, r.err)
    like(r.err, why, f"{what}: the reason is said")
    ok(len(r.err) < 4000 and "\x1b" not in r.err, f"{what}: in a bounded and clean text", r.err)
eq(sorted(p.name for p in ENVS.iterdir()), [".lock"], "nothing is left of any of them")
eq(list(OUTSIDE.iterdir()), [], "nor outside")

(W / "source").mkdir()
import tarfile  # noqa: E402
(BOX / "setup.py").write_text(f"open({str(OUTSIDE / 'ran')!r}, 'w')\n")
with tarfile.open(W / "source" / "source-1.0.tar.gz", "w:gz") as t:
    t.add(BOX / "setup.py", "source-1.0/setup.py")
r = make("source", W / "source", "source")
eq((r.status, list(OUTSIDE.iterdir())), (1, []), "a source archive is not built: its setup.py never runs")
like(r.err, "No matching distribution found for source", "which is said")

# --- code in .pth files, links ---
MARK = "import os; open('/workspace/pth-ran', 'w').write('x'); os.path.isdir('/workspace/site') and open('/workspace/site/smuggled.py', 'w').write('x = 1')\n"
wheel(W / "pth", "pth", "1.0", {"pth.pth": MARK, "pth.py": f"import os\nRAN = os.path.exists('{OUTSIDE}')\n", "link.py": "/etc/passwd"}, links={"link.py"})
wheel(W / "ends", "ends", "1.0", {"ends.pth": "import os; os._exit(7)\n", "ends.py": ""})
wheel(W / "quits", "quits", "1.0", {"quits.pth": "import sys; sys.exit('enough')\n", "quits.py": ""})
r = make("pth", W / "pth", "pth")
eq(r.status, 0, "a .pth file with code in it is installed")
site = ENVS / "pth" / "site"
ok(not (site / "smuggled.py").exists(), "but does not run while it is")
eq([p for p in site.rglob("*") if p.is_symlink()], [], "a link in the archive is no link afterwards")
r = run("--env", "pth", "q", script=[code("import os, pth; a = os.path.exists('/workspace/pth-ran'); print(a, pth.RAN)"), say("x")], home=HOME)
like(r.observations[0], "True False", "it runs where the code runs, and sees nothing else")
for name, what, why in (("ends", "a .pth file that ends the process", r"exited with status 7"), ("quits", "a .pth file that raises", r"a \.pth file of the environment failed: SystemExit")):
    eq(make(name, W / name, name).status, 0, f"{what} is installed")
    r = run("--env", name, "q", script=[code("import math; print('still', math.pi)"), say("x")], home=HOME)
    like(r.observations[0], why, "and what it does is reported as what it is")

# --- two wheels with one file ---
for one in "xy":
    wheel(W / "both", one, "1.0", {"common/__init__.py": f"OF = '{one}'\n", f"{one}.py": ""})
r = make("both", W / "both", "x", "y")
eq(r.status, 0, "two wheels with a file of one name")
like(r.err, r"common/__init__\.py is in x-1\.0 and in y-1\.0; the one of [xy]-1\.0 is there now", "are installed with a warning that names it")

# --- no room on this machine ---
if os.getuid() == 0:
    small = new_home()
    (small / "share" / "agent").mkdir()
    wheel(W / "large", "large", "1.0", {"large.py": os.urandom(3 << 20).hex().encode()})
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", small / "share" / "agent"], capture_output=True).returncode == 0:
        r = run("env", "create", "large", "--wheels", W / "large", "large", model=None, home=small)
        eq(r.status, 1, "a full disk")
        like(r.err, r"write the environment: .*large.*No space left", "is said")
        eq(sorted(p.name for p in (small / "share/agent/envs").iterdir()), [".lock"], "and leaves nothing")
        subprocess.run(["umount", small / "share" / "agent"], check=True)
    else:
        skip("no tmpfs can be mounted here", n=3)
else:
    skip("filling a disk needs root", n=3)

# --- killed at any moment ---
wheel(W / "v1", "app", "1.0", {f"app/m{i}.py": f"V = 1; I = {i}\n" for i in range(60)} | {"app/__init__.py": "V = 1\n"})
wheel(W / "v2", "app", "2.0", {f"app/m{i}.py": f"V = 2; I = {i}\n" for i in range(60)} | {"app/__init__.py": "V = 2\n"})


def state(name):
    """0 = none, 1 or 2 = that version, whole; else what is wrong."""
    if not (ENVS / name).exists():
        return 0
    manifest = json.loads((ENVS / name / "manifest.json").read_text())
    version = int(manifest["packages"][0]["version"][0])
    files = [p for p in (ENVS / name / "site").rglob("*") if p.is_file()]
    for i in range(60):
        if f"V = {version};" not in (ENVS / name / f"site/app/m{i}.py").read_text():
            return f"m{i} is not of version {version}"
    return version if len(files) == manifest["files"] else f"{len(files)} files of {manifest['files']}"


t = time.monotonic()
eq((make("app", W / "v1", "app").status, state("app")), (0, 1), "version 1 is there")
whole = time.monotonic() - t
for name, allowed in (("app", (1, 2)), ("fresh", (0, 2))):
    found = set()
    for i in range(6):
        p = start("env", "create", name, "--wheels", W / "v2", "app", home=HOME)
        time.sleep(whole * (i + 1) / 6)
        p.process.kill()
        finish(p)
        found.add(state(name))
        if state(name) == 2:
            break
    ok(found <= set(allowed), f"kill -9 while {name} is made leaves the old one, the new one or none", found)
eq((make("app", W / "v2", "app").status, state("app")), (0, 2), "the next one succeeds")
eq(rests(), [], "and sweeps away what the killed ones left")
p = start("env", "create", "app", "--wheels", W / "v1", "app", home=HOME)
time.sleep(whole / 2)
p.process.send_signal(signal.SIGINT)
r = finish(p)
ok(r.status in (130, 0), "SIGINT ends it", r.status)
eq(rests(), [], "and leaves nothing")

# --- two at once ---
two = [start("env", "create", "twice", "--wheels", W / v, "app", home=HOME) for v in ("v1", "v2")]
done_ = [finish(p, keep=[q.process.pid for q in two]) for p in two]
ok(sorted(r.status for r in done_) in ([0, 0], [0, 2]), "two at once: one wins, or both in turn", [r.err for r in done_])
ok(state("twice") in (1, 2), "what is there is whole", state("twice"))
(ENVS / ".new-busy").mkdir()
holder = os.open(ENVS / ".new-busy", os.O_RDONLY)
fcntl.flock(holder, fcntl.LOCK_EX)
r = make("busy", W / "v1", "app")
eq(r.status, 2, "while another makes it")
like(r.err, "busy is being made by another agent; wait for it", "that is said")
os.close(holder)
eq(make("busy", W / "v1", "app").status, 0, "when that one has died, it is made")
eq(rests(), [], "nothing is left over")

# --- a folder that the sandbox cannot read; no pip ---
if os.getuid() == 0:
    (W / "v1").chmod(0o700)
    like(make("x", W / "v1", "app").err, r"could not read it; permit that with chmod o\+rx", "a folder of root's alone: how to mend it")
    (W / "v1").chmod(0o755)
else:
    skip("only root's folders are shown to another user")
done()
