#!/usr/bin/python3
"""agent sessions: what was recorded is listed, searched, shown, deleted, pruned; nothing else is touched."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

home = new_home()
root = home / "share" / "agent" / "sessions"


def sessions(*args):
    return finish(start("sessions", *args, home=home, key=None))


r = sessions()
eq((r.status, r.out), (0, ""), "without any there is nothing to list")
like(r.err, "no session yet", "which is said")
eq(sessions("show", "last").status, 2, "and nothing to show")

for question, text in (("first \x1b[31mred", "alpha"), ("second", "beta"), ("third", "gamma")):
    run(question, home=home, script=[code(f"print('{text}' * 2)\n'{text}'.upper()"), say(f"It is {text}.")])
ids = sorted(p.name for p in root.iterdir())
eq(len(ids), 3, "three sessions are there")
broken = root / "20200101-000000-deadbeef"
broken.mkdir()
(broken / "events.jsonl").write_text('{"v":1,"seq":1,"t":"2020-01-01T00:00:00Z","type":"session.start",'
                                     '"question":"long ago"}\n{"v":1,"se')
os.utime(broken / "events.jsonl", (1577836800, 1577836800))
(root / "notes.txt").write_text("mine")
(root / "a folder").mkdir()

r = sessions()
eq(len(r.out.splitlines()), 4, "all are listed, and what is none is not")
like(r.out, r"second$", "with their questions")
like(r.out, r"20200101-000000-deadbeef +2020-01-01 00:00  killed", "one that was killed is called so")
unlike(r.out, "\x1b", "no control character of a question reaches the terminal")
r = sessions("--limit", "1")
eq((len(r.out.splitlines()), "and 3 more" in r.err), (1, True), "--limit, and how many more there are")
listed = json.loads(sessions("--json").out)
eq([len(listed["sessions"]), listed["sessions"][-1]["id"], listed["more"]], [4, broken.name, 0],
   "--json, newest first")

for word, n in (("beta", 1), ("GAMMA", 1), ("long ago", 1), ("It is alpha", 1), ("print", 3), ("nowhere", 0)):
    eq(len(sessions("search", *word.split()).out.splitlines()), n, f"search {word!r}")

r = sessions("show", ids[0])
for part in (r"^session +" + ids[0], r"^ +print\('\w+' \* 2\)$", r"^ +printed:|alphaalpha", r"^answer$"):
    like(r.out, part, f"show tells {part!r}")
r = sessions("show", "2020")
eq(r.status, 0, "a damaged one is shown by the beginning of its id")
like(r.err, "cut by a crash", "and its damage is told")
for word in ("../x", "/etc", "", "\x1b[2J"):
    eq(sessions("show", word).status, 2, f"{word!r} is no session")
eq(sessions("frobnicate").status, 2, "an unknown verb")
like(sessions("prune").err, "needs a rule", "prune without a rule")

outside = home / "work" / "keep"
outside.mkdir()
(outside / "precious").write_text("x")
os.symlink(outside, root / ids[1] / "link")
r = sessions("delete", ids[1], "nonexistent")
eq((r.status, (root / ids[1]).exists()), (2, True), "nothing is deleted when one of the words is wrong")
r = sessions("delete", ids[1])
eq((r.status, (root / ids[1]).exists(), (outside / "precious").read_text()), (0, False, "x"),
   "delete takes the session, not what its links point to")

import fcntl
with open(broken / "events.jsonl") as held:
    fcntl.flock(held, fcntl.LOCK_EX)
    like(sessions("delete", broken.name).err, "running", "a running one is not deleted")
    sessions("prune", "--keep", "0")
    eq(sorted(p.name for p in root.iterdir()), sorted([broken.name, "notes.txt", "a folder"]),
       "prune --keep 0 leaves it, and what is no session")
r = sessions("prune", "--older-than", "365d", "--dry-run")
eq(("would delete " + broken.name in r.err, broken.exists()), (True, True), "--dry-run only says")
sessions("prune", "--older-than", "365d")
eq(broken.exists(), False, "--older-than")
done()
