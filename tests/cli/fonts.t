#!/usr/bin/python3
"""matplotlib's list of fonts: made once, handed to later runs, and harmless whatever is in it."""
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *
import harness

missing = have_modules("matplotlib")
if missing:
    skip_all(f"{missing} is not installed for {PYTHON}")

CACHE = BOX / "fonts-cache"     # not the one that test files share: it is spoilt below
CACHE.mkdir()
ENV = {"XDG_CACHE_HOME": str(CACHE)}
LOOK = code("import os\nfrom matplotlib import font_manager as m, pyplot\n"
            "print('handed in', os.path.isdir('/run/sandbox/fonts'))\n"
            "print('default size', m.fontManager.default_size)\n"
            "pyplot.plot([1, 2]); pyplot.savefig('a.png'); print('plotted')")


def plot(name):
    return run(name, env=ENV, script=[LOOK, say("ok")], timeout=300)


def lists():
    return list((CACHE / "agent").glob("mpl-*/fontlist-*.json"))


first = plot("first")
eq(first.status, 0, "the first run of a machine plots")
like(first.observations[0], "^handed in False$", "without a list of earlier")
eq(len(lists()), 1, "and leaves a list of fonts in the user's cache")
path = lists()[0]
eq(path.stat().st_mode & 0o777, 0o600, "which is the user's alone")
made = json.loads(path.read_text())
ok(made["ttflist"], "it names fonts")
unlike(path.read_text(), r"/workspace|/tmp|/output", "and none that code could have placed")

made["default_size"] = 7.25
path.write_text(json.dumps(made))
second = plot("second")
like(second.observations[0], r"^handed in True\ndefault size 7\.25\nplotted$", "a later run uses the list that is kept")
eq(json.loads(path.read_text())["default_size"], 7.25, "and does not make it again")

for what, content in [("garbage", b"\0\xff{"), ("JSON that is no list", b'{"ttflist": 5}'), ("nothing", b"")]:
    path.write_bytes(content)
    r = plot("spoilt")
    eq(r.status, 0, f"{what} in its place is no obstacle")
    like(r.observations[0], "^default size None\nplotted$", "matplotlib makes its own")
    eq(len(json.loads(path.read_text())["ttflist"]), len(made["ttflist"]), "and the kept list is made again")

path.write_text(json.dumps({"ttflist": [], "_version": "0"}))
r = plot("another version")
like(r.observations[0], "^handed in True\ndefault size None\nplotted$", "a list of another version is not used")

secret = BOX / "secret"
secret.write_text(json.dumps(made))
path.unlink()
path.symlink_to(secret)
r = plot("link")
like(r.observations[0], "^handed in False$", "a link in its place is not followed")
ok(path.is_file() and not path.is_symlink(), "and a file takes its place")
done()
