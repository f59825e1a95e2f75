#!/usr/bin/python3
"""Environments of packages from a folder of wheels: made, listed, shown, used, made again from the lock, removed."""
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *  # noqa: E402
from wheels import wheel  # noqa: E402

if have_modules("pip"):
    skip_all(f"pip is not installed for {PYTHON} (python3-pip)")

HOME = new_home()
ENVS = HOME / "share" / "agent" / "envs"
GOOD = BOX / "wheels"
wheel(GOOD, "alpha", "1.0", {"alpha/__init__.py": "import beta\n__version__ = '1.0'\ndef twice(x): return beta.TWO * x\n"},
      requires=["beta>=2"])
wheel(GOOD, "beta", "2.1", {"beta.py": "TWO = 2\n", "beta.pth": "import sys; sys.beta_was_here = 'yes'\n"})
wheel(GOOD, "beta", "3.0", {"beta.py": "TWO = 2\n"})
wheel(GOOD, "broken", "1.0", {"broken.py": "raise RuntimeError('never imports')\n"})
wheel(GOOD, "crash", "1.0", {"crash.py": "import os; os.kill(os.getpid(), 9)\n"})
wheel(GOOD, "jinja2", "99.0", {"jinja2/__init__.py": "__version__ = '99.0'\n"})


def env(*args, **how):
    return run("env", *args, model=None, home=how.pop("home", HOME), **how)


def make(name, *args, wheels=GOOD, **how):
    return env("create", name, "--wheels", wheels, *args, **how)


def tree(path):
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


# --- made, shown, listed ---
r = env("list")
eq((r.status, r.out), (0, ""), "before the first there is an empty list")
like(r.err, "there are no environments", "which says so")
r = make("first", "alpha", "beta<3", "broken", "crash", "jinja2")
eq(r.status, 0, "an environment is made from a folder of wheels")
like(r.err, "first is made: 5 packages; use it with --env first", "what to do with it is said")
for line in (r"^name +first$", r"^Python +3\.\d+", rf"^from +{GOOD}$", r"^  alpha 1\.0 .*sha256:[0-9a-f]{64}$", r"^  beta 2\.1 ",
             r"^imports +alpha beta broken crash jinja2$", r"^size +\d+ .* in \d+ files$"):
    like(r.out, line, f"its description has {line}")
eq(env("show", "first").out, r.out, "env show prints the same")
like(env("list").out, r"^first\t5 packages\t\d+ \w+\tPython 3\.\d+\.\d+\t20\d\d-", "env list has a line of it")
lock = (ENVS / "first" / "lock").read_text()
like(lock, rf"^alpha==1\.0 --hash=sha256:{sha256(GOOD / 'alpha-1.0-py3-none-any.whl')}$", "the lock has the wheel's own hash")
eq(sorted(p.name for p in ENVS.iterdir()), [".lock", "first"], "nothing else lies beside it")
modes = {p.stat().st_mode & 0o7777 for p in (ENVS / "first" / "site").rglob("*")}
eq(modes <= {0o755, 0o644}, True, "its files are plain: 644 and 755")
manifest = json.loads((ENVS / "first" / "manifest.json").read_text())
eq((manifest["lock_sha256"], [p["name"] for p in manifest["packages"]]),
   (sha256(ENVS / "first" / "lock"), ["alpha", "beta", "broken", "crash", "jinja2"]), "the manifest has packages and lock")

# --- used ---
USE = """
import alpha, beta, jinja2, sys, subprocess
print(alpha.twice(21), jinja2.__version__, getattr(sys, 'beta_was_here', 'no'))
print(alpha.__file__.startswith('/env/'), alpha.__cached__.endswith('.pyc'))
try: open('/env/beta.py', 'w')
except OSError as e: print('write:', type(e).__name__, e.errno)
print(subprocess.run([sys.executable, '-c', 'import beta; print(beta.TWO)'], capture_output=True, text=True).stdout)
try: import broken
except RuntimeError as e: print('broken:', e)
"""
r = run("--env", "first", "q", script=[code(USE), code("import beta; beta.TWO"), say("done")], home=HOME)
eq(r.status, 0, "a question is answered with it")
like(r.observations[0], r"42 99\.0 yes", "its modules import, before the system's, and its .pth file was heeded")
like(r.observations[0], r"True True", "they are in /env, byte-compiled")
like(r.observations[0], r"write: OSError 30", "read-only")
like(r.observations[0], r"^2$", "a process that the code starts sees them too")
like(r.observations[0], r"broken: never imports", "one that does not import fails as it would anywhere")
unlike(r.observations[0], str(HOME), "the code does not learn where it lies")
start_event = [e for e in r.record.events if e["type"] == "sandbox.start"][0]
eq((start_event.get("env"), start_event.get("env_lock_sha256")), ("first", manifest["lock_sha256"]), "name and lock are on record")
told = r.bodies()[0]["messages"][0]["content"]
like(told, r"alpha 1\.0", "the model is told what imports")
like(told, r"environment of packages brings: alpha 1\.0, beta 2\.1, broken 1\.0", "and what the environment brings")
unlike(told.partition(". The user's environment")[0], r"broken|crash 1", "what does not import is not promised")
like(r.err, r"looking which libraries .* environment first \(once\)", "looking is said")
r = run("--env", "first", "q", script=[code("import sys; print('alpha' in sys.modules, sys.path.index('/env') < len(sys.path) - 1)"), say("x")], home=HOME)
unlike(r.err, r"looking which", "and done once")
like(r.observations[0], r"False", "nothing of it is imported ahead")
r = run("q", script=[code("import alpha"), say("x")], home=HOME)
like(r.observations[0], r"No module named 'alpha'", "without --env there is nothing of it")

r = run("exec", "--env", "first", "-c", "import alpha; print(alpha.twice(4))", model=None, home=HOME)
eq((r.status, r.out), (0, "8\n"), "agent exec takes it too")

# --- a module that is missing ---
r = run("q", script=[code("import polars"), code("import plotly.express"), code("import made_up_by_a_model"), say("x")], home=HOME)
if not have_modules("pandas") and have_modules("polars"):
    like(r.observations[0], r"`polars' is not installed here, .*\. For tables of data there is: .*pandas.*sqlite3 \(Python's own\)", "the model is told what serves the same end")
    like(r.err, r"polars is not installed; `agent env create NAME polars' makes an environment", "and the user how to have it")
else:
    skip("pandas must be installed, polars not", n=2)
like(r.observations[2], r"`made_up_by_a_model' is not installed here.* Installed are: ", "of an unknown one: what is there")
unlike(r.err, r"create NAME made_up", "and nobody is advised to install it")

# --- the lock makes the same again ---
r = env("create", "again", "--wheels", GOOD, "--lock", ENVS / "first" / "lock")
eq(r.status, 0, "another is made from the lock")
eq((ENVS / "again" / "lock").read_text(), lock, "its lock is the same")
eq(tree(ENVS / "again" / "site"), tree(ENVS / "first" / "site"), "and so is each of its files")
wheel(BOX / "other", "beta", "2.1", {"beta.py": "TWO = 3\n"})
(BOX / "beta.lock").write_text([line for line in lock.splitlines() if line.startswith("beta")][0] + "\n")
r = make("again", "--lock", BOX / "beta.lock", wheels=BOX / "other")
eq(r.status, 1, "a wheel with another hash than the lock's is refused")
like(r.err, r"(?s)DO NOT MATCH THE HASHES.*again was not made", "and the reason said")
eq((ENVS / "again" / "lock").read_text(), lock, "the environment of before is still there")
r = make("again", "beta")
eq((r.status, "beta 3.0" in r.out, (ENVS / "again" / "site" / "alpha").exists()), (0, True, False), "made anew under its name, it is replaced whole")

# --- requirements files ---
(BOX / "req.txt").write_text("# what we need\nbeta \\\n  <3   # not the third\n\nalpha; python_version >= '3'\n")
r = make("req", "-r", BOX / "req.txt")
eq((r.status, "beta 2.1" in r.out), (0, True), "-r reads comments, continued lines and markers")
for line, why in (("-e .", "option of pip's"), ("--index-url https://evil.example.org/", "option"), ("--no-binary :all:", "option"),
                  ("./x.whl", "does not begin with a name"), ("beta @ https://evil.example.org/b.whl", "place of its own"),
                  ("file/x", "path or URL"), ("git+https://evil.example.org/x", "path or URL"), ("beta --config-settings=x", "whole --hash"),
                  ("beta.whl", "it is a file"), ("be$HOME", "characters"), ("beta --hash=md5:00", "whole --hash"), ("-r other.txt", "option")):
    (BOX / "bad.txt").write_text("alpha\n" + line + "\n")
    r = make("bad", "-r", BOX / "bad.txt")
    eq(r.status, 2, f"`{line}' is refused")
    like(r.err, rf"bad\.txt, line 2: .*{why}", "with file, line and reason")

# --- names and words ---
for name in ("../x", "/etc", ".hidden", "-x", "a" * 65, "a" * 255, "a b", "a\nb", "a/b", "ä", ""):
    r = env("create", "--wheels", GOOD, "--", name, "beta")
    eq(r.status, 2, f"the name {name[:10]!r} is refused")
for args, why in ((("create",), "needs the NAME"), (("create", "x"), "no package is named"), ((), "needs one of"), (("list", "x"), "too many"),
                  (("show",), "needs the NAME"), (("frob",), "needs one of"), (("show", "first", "--lock", "/x"), "belong to"),
                  (("create", "x", "-r", "/dev/zero"), "no file"), (("create", "x", "--wheels", "/nowhere", "beta"), "--wheels"),
                  (("create", "x", "--lock", ENVS / "first" / "lock", "beta"), "alone"), (("create", "x", "a#b"), "no #")):
    r = env(*args)
    eq(r.status, 2, f"agent env {' '.join(map(str, args))[:40]}: usage")
    like(r.err, why, "says what is wrong")
for args in (("show", "nope"), ("remove", "nope")):
    r = env(*args)
    eq(r.status, 3, f"{args[0]}: no such environment")
    like(r.err, "there is no environment nope; `agent env list'", "and where to look")
r = run("--env", "nope", "q", home=HOME, url="http://127.0.0.1:9/v1")
eq(r.status, 3, "a question with an environment that is not there ends before anything is asked")
r = env("list", "--network", "x.org")
eq(r.status, 2, "a setting that the command does not obey is refused")
if os.path.exists("/usr/bin/python3"):
    other = ENVS / "old"
    shutil.copytree(ENVS / "req", other)
    text = json.loads((other / "manifest.json").read_text())
    text["python_minor"] = "3.4"
    (other / "manifest.json").write_text(json.dumps(text))
    r = run("--env", "old", "q", script=[say("x")], home=HOME)
    eq(r.status, 3, "an environment of another Python is refused")
    like(r.err, r"was made for Python 3\.4, and /usr/bin/python3 is Python 3\.\d+\.\d+: make it again with `agent env create old --lock", "with the way to mend it")
    (other / "manifest.json").write_text("{")
    r = run("--env", "old", "q", home=HOME, url="http://127.0.0.1:9/v1")
    like(r.err, "the environment old is damaged; make it again", "a damaged one is said to be")
    like(env("list").out, r"^old\tdamaged", "also in the list")

# --- where namespaces are forbidden ---
POD = AGENT.parent / "tests/sandbox/pod"
if POD.exists() and os.getuid() != 0:
    helper = write("helper", f'#!/bin/sh\nexec {POD} docker {HELPER} "$@"\n')
    helper.chmod(0o755)
    best = ("--sandbox", "best", "--sandbox-helper", helper)
    r = make("lone", "alpha", *best)
    eq(r.status, 0, "without namespaces it is made from wheels all the same")
    r = run("exec", *best, "--env", "lone", "-c", "import alpha; print(alpha.twice(4))", model=None, home=HOME)
    eq((r.status, r.out), (0, "8\n"), "and used")
    env("remove", "lone")
else:
    skip("needs an ordinary user and tests/sandbox/pod (make tests-build)", n=2)

# --- removed ---
with Provider([code("import time, alpha; print('up', flush=True); time.sleep(4)"), code("import importlib, beta; print(importlib.reload(beta).TWO)"), say("done")]) as provider:
    user = start("-v", "-m", "scripted", "--env", "first", "q", home=HOME, url=provider.url)
    seen = b""
    while b"up" not in seen and (part := user.process.stderr.readline()):
        seen += part
    gone = subprocess.run([AGENT, "env", "remove", "first"], env=base_env(HOME), capture_output=True, text=True)
    eq((gone.returncode, (ENVS / "first").exists()), (0, False), "an environment in use is removed at once")
    r = finish(user, keep=[provider.process.pid])
    r.requests = provider.read()
    like(r.observations[1], r"^2$", "the run that uses it goes on undisturbed")
like(env("list").out, "^again\t", "the others are there")
unlike(env("list").out, "first", "it is not")
r = env("remove", "again")
eq((r.status, sorted(p.name for p in ENVS.iterdir())), (0, [".lock", "old", "req"]), "afterwards its folder is swept away")
done()
