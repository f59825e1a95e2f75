#!/usr/bin/python3
"""SIGKILL of `agent' at random moments, while its cells fork into the background and out of their session: no process, no
mount, no cgroup and no temporary file is left.

AGENT_KILL_ROUNDS sets the number of kills (default 40).
"""
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

ROUNDS = int(os.environ.get("AGENT_KILL_ROUNDS") or 40)
# Children that no one waits for: in the background, in a session of their own, ignoring what can be ignored, and one that works.
FORKS = """
import os, signal, subprocess, sys
subprocess.Popen(["sleep", "600"])
subprocess.Popen(["setsid", "sleep", "600"], start_new_session=True)
if os.fork() == 0:
    for s in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT): signal.signal(s, signal.SIG_IGN)
    if os.fork() == 0:
        os.setsid()
        open("/tmp/left", "w").write("x" * 100000)
        while True: signal.pause()
    os._exit(0)
if os.fork() == 0:
    while True: pass
open("/workspace/made.txt", "w").write("made")
print("forked", flush=True)
"""
SCRIPT = [code(FORKS), code("import time\nfor i in range(20):\n    print(i, flush=True)\n    time.sleep(0.02)"), code(FORKS),
          say("Done. " * 100, gap=0.002)]
seed = int(os.environ.get("TEST_SEED") or time.time())
print(f"# TEST_SEED={seed}", flush=True)
rng = random.Random(seed)


def groups():
    """The groups of all sandboxes of this machine, other people's too: each bears the number of its helper."""
    # os.walk passes over what goes away meanwhile: other sandboxes begin and end here too.
    return {os.path.join(d, name) for d, names, _ in os.walk("/sys/fs/cgroup") for name in names
            if name.startswith("agent-sandbox.")}


def is_empty(group):
    try:
        return not (Path(group) / "cgroup.procs").read_text().split()
    except OSError:
        return False


def orphans(seconds=3):
    """New groups that hold no process and stay: a keeper takes its group away when all else has gone."""
    end = time.monotonic() + seconds * PATIENCE
    found = groups() - groups_before
    while found and time.monotonic() < end:
        found = {g for g in found if is_empty(g)}
        time.sleep(0.02)
    return sorted(found)


def mounts():
    """How many there are where we are; a sandbox's own are in its namespace."""
    return Path("/proc/self/mounts").read_text().count("\n")


def loose():
    """What is left in the folders for temporary files and shared memory by an agent or its sandbox."""
    return {str(p) for d in ("/tmp", "/var/tmp", "/dev/shm", "/run") for p in Path(d).glob("agent-sandbox*")}


def loose_for_good(seconds=30):
    """What came and stays: a sandbox that another test runs meanwhile takes its own away."""
    end = time.monotonic() + seconds * PATIENCE
    found = loose() - loose_before
    while found and time.monotonic() < end:
        time.sleep(0.1)
        found &= loose()
    return sorted(found)


groups_before, mounts_before, loose_before = groups(), mounts(), loose()
# The control: while it runs, what is looked for below is there to be found.
with Provider(SCRIPT) as provider:
    r = start("-m", "scripted", "go", url=provider.url)
    end = time.monotonic() + 20 * PATIENCE
    while time.monotonic() < end and \
            sum(c.startswith("sleep 600") for c in children_of([r.process.pid]).values()) < 2:
        time.sleep(0.01)
    inside = children_of([r.process.pid])
    held = [g for g in groups() if int(g.rpartition(".")[2].partition("-")[0]) in inside]
    r.process.kill()
    finish(r, 15, keep=[provider.process.pid])
ok(sum(c.startswith("sleep 600") for c in inside.values()) >= 2, "while it runs, its background processes are seen from outside",
   inside)
if held:
    ok(not any(is_empty(g) for g in held), "while it runs, its cgroup is seen, with its processes", held)
else:
    skip("no cgroup can be had here, so that none can be left", "while it runs, its cgroup is seen")
r.litter = []

whole = run("go", script=SCRIPT)
eq(whole.status, 0, "undisturbed, the run answers")
length = whole.seconds
left, cgroups, files, phases = [], [], [], set()
for i in range(ROUNDS):
    with Provider(SCRIPT) as provider:
        r = start("-m", "scripted", "go", url=provider.url)
        # The first tenth of a second, in which everything is set up, gets a third of the kills.
        moment = rng.uniform(0, 0.1) if i % 3 == 0 else rng.uniform(0, length)
        time.sleep(moment)
        running = r.process.poll() is None
        phases.add(len(provider.read()) if running else "over")
        r.process.kill()
        finish(r, 15, keep=[provider.process.pid])
    if r.left:
        left.append((f"{moment:.3f}", r.left))
    if r.litter:
        files.append((f"{moment:.3f}", r.litter))
    r.litter = []  # told below, once
    if found := orphans():
        cgroups.append((f"{moment:.3f}", found))
    shutil.rmtree(r.home, ignore_errors=True)
ok(len(phases - {"over"}) >= 2, "the kills came in different parts of the run", phases)
eq(left, [], f"{ROUNDS} kills at random moments: no process is left")
eq(cgroups, [], "no cgroup is left")
eq(files, [], "no temporary file is left where the run was told to put them")
eq(loose_for_good(), [], "nor in /tmp, /var/tmp, /dev/shm or /run")
eq(mounts(), mounts_before, "no mount is left")
done()
