#!/usr/bin/python3
"""Where the sandbox cannot be had the run stops: a clear error, status 5, and no code runs."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

SCRIPT = [code("open('ran.txt', 'w').write('x')\nprint('ran')"), say("done")]


def lonely(*others):
    """A copy of the program without its helper beside it."""
    place = Path(tempfile.mkdtemp(dir=BOX))
    shutil.copy2(AGENT, place / "agent")
    for name, text in others:
        (place / name).write_text(text)
        (place / name).chmod(0o755)
    return place / "agent"


def stopped(name, r, says, status=5):
    eq(r.status, status, f"{name}: status {status}")
    like(r.err, says, f"{name}: the message says what is missing")
    eq(r.out, "", f"{name}: nothing on standard output")
    ok("ran.txt" not in r.artifacts and not list(r.home.rglob("ran.txt")), f"{name}: no code ran")
    told = [o for o in r.observations if re.search(r"^ran$", o, re.M)]
    eq(told, [], f"{name}: and the model was told of none")
    ok(r.record is None or not r.record.broken, f"{name}: the record loads")


NO_HELPER = {"AGENT_SANDBOX_HELPER": None}
r = run("go on", script=SCRIPT, argv0=lonely(), env=NO_HELPER)
stopped("no agent-sandbox", r, r"agent-sandbox")
r = run("go on", "--sandbox-helper", "/nonexistent/agent-sandbox", script=SCRIPT)
stopped("a helper that is not there", r, r"/nonexistent/agent-sandbox")
r = run("go on", script=SCRIPT, argv0=lonely(("agent-sandbox", "not a program\n")), env=NO_HELPER)
stopped("a helper that is no program", r, r"agent-sandbox")
r = run("go on", script=SCRIPT, env=NO_HELPER, timeout=60,
        argv0=lonely(("agent-sandbox", "#!/bin/sh\necho 'no user namespaces here' >&2\nexit 125\n")))
stopped("a helper that fails", r, r"no user namespaces here")
r = run("go on", script=SCRIPT, env=NO_HELPER, timeout=60,
        argv0=lonely(("agent-sandbox", "#!/bin/sh\nexit 0\n")))
stopped("a helper that ends at once", r, r"(?i)sandbox")
r = run("go on", script=SCRIPT, env=NO_HELPER, timeout=60,
        argv0=lonely(("agent-sandbox", "#!/bin/sh\nkill -9 $$\n")))
stopped("a helper that is killed", r, r"(?i)sandbox")
marker = BOX / "unsandboxed"
r = run("go on", script=SCRIPT, env=NO_HELPER, timeout=60, argv0=lonely(
    ("agent-sandbox", f"#!/bin/sh\nwhile [ $# -gt 0 ] && [ \"$1\" != -- ]; do shift; done\nshift\n"
                      f"touch {marker}\nexec \"$@\"\n")))
ok(marker.exists(), "a helper that only runs the command, without any sandbox, was started")
stopped("such a helper", r, r"(?i)sandbox")

r = run("go on", "--python", "/nonexistent/python3", script=SCRIPT)
ok(r.status in (3, 5), "a Python that is not there: status 3 or 5", r.status)
like(r.err, r"/nonexistent/python3", "and it is named")
r = run("go on", "--python", "/bin/true", script=SCRIPT, timeout=60)
ok(r.status in (3, 5), "a Python that is none", r.status, r.err)
r = run("go on", "--no-sandbox", script=SCRIPT)
eq(r.status, 2, "there is no --no-sandbox")

# --- an answer that needs no code does not get one without the sandbox either: what would be told
# about libraries and files could not be true
r = run("go on", "--sandbox-helper", "/nonexistent/agent-sandbox", script=[say("Paris.")])
eq(r.status, 5, "no sandbox, no run")

# --- a sandbox that dies in the middle
with Provider([code("print('one')"), code("import time\ntime.sleep(60)"), say("ok")]) as provider:
    r = start("-m", "scripted", "go on", "--timeout", "100s", url=provider.url)
    end = time.monotonic() + 20 * PATIENCE
    while len(provider.read()) < 2 and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(0.5 * PATIENCE)
    helpers = [p for p, c in children_of([r.process.pid]).items() if "agent-sandbox" in c]
    ok(helpers, "the sandbox is there to be killed")
    for pid in helpers:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    finish(r, 20, keep=[provider.process.pid])
ok(r.status is not None and r.status != 130, "a sandbox killed from outside: the run ends or goes on, documented",
   r.status)
ok(r.status in (0, 5), "with status 0 (made anew) or 5", r.status, r.err)
like(r.record.text(), "one", "and the record holds what came before")
done()
