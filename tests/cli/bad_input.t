#!/usr/bin/python3
"""What bad input and bad places get: a clear message, the right status, nothing half-written. And
-f with patterns and folders."""
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from harness import *

OK = [say("ok")]


# --- prompts
for text in ["", "   ", " \n\t "]:
    r = run(text, script=OK)
    eq((r.status, r.out, len(r.requests), r.sessions), (2, "", 0, []), f"the prompt {text!r}: status 2, nothing begun")
    like(r.err, "no question", "and it says what is missing")
    r = run("-", script=OK, send=text.encode())
    eq((r.status, r.out, len(r.requests)), (2, "", 0), f"{text!r} on standard input: the same")
big = "word " * 200_000 + "\nWhat is the last word?"
r = run("-", script=OK, send=big.encode())
eq((r.status, r.out), (0, "ok\n"), "a prompt of 1 MB is asked")
eq(r.bodies()[0]["messages"][1]["content"].split(), big.split(), "whole")
r = run("-", script=OK, send=b"x" * (5 << 20))
eq((r.status, len(r.requests)), (2, 0), "one of 5 MB is refused")
like(r.err, "longer than 4 MB; attach", "with the limit and what to do")

# --- -o
for name, says in [("no/such/dir/a.md", "no folder of that name"), (".", "is a folder"), ("new/", "names a folder")]:
    r = run("go on", "-o", name, script=OK)
    eq((r.status, r.out, len(r.requests), r.sessions), (2, "", 0, []), f"-o {name}: status 2 before anything is paid for")
    like(r.err, f"--output {re.escape(name)}.*{says}", "and why")
home = new_home()
(home / "work/real.md").write_text("old\n")
(home / "work/link.md").symlink_to("real.md")
r = run("go on", "-o", "link.md", script=OK, home=home)
eq(((home / "work/real.md").read_text(), (home / "work/link.md").is_symlink()), ("ok\n", True), "-o through a link writes what it leads to")
eq(sorted(p.name for p in (home / "work").iterdir()), ["link.md", "real.md"], "and leaves no other file")
r = run("go on", "-o", "/dev/stderr", script=OK)
eq(r.status, 0, "-o to a device writes to it")
like(r.err, r"^ok$", "there it is")
ok(Path("/dev/stderr").is_symlink(), "and the device is still there")
r = run("go on", "-o", "/dev/full", script=OK)
eq((r.status, r.out), (1, "ok\n"), "-o to a full device: status 1, the answer is on standard output all the same")
like(r.err, "--output /dev/full.*No space", "and it is said")

# --- places and surroundings
r = run("go on", script=OK, env={"HOME": None, "XDG_DATA_HOME": None, "XDG_CONFIG_HOME": None})
eq((r.status, len(r.requests)), (3, 0), "no home: status 3")
like(r.err, "HOME is not set.*--session-dir.*--ephemeral", "with what to do")
r = run("go on", "--ephemeral", script=OK, env={"HOME": None, "XDG_DATA_HOME": None, "XDG_CONFIG_HOME": None, "XDG_CACHE_HOME": None,
                                                "XDG_STATE_HOME": None})
eq((r.status, r.out), (0, "ok\n"), "no home and no record: it answers")
r = run("go on", script=OK, env={"TERM": None, "LANG": None})
eq((r.status, r.out), (0, "ok\n"), "no TERM, no LANG")
for lang in ["C", "POSIX", "nonsense"]:
    r = run("Wie viele Stück?", script=[code("print('Stück')"), say("Stück für Stück: 七")], env={"LANG": lang, "LC_ALL": lang})
    eq((r.status, r.out), (0, "Stück für Stück: 七\n"), f"LANG={lang}: text outside of ASCII comes through whole")
    eq(r.bodies()[0]["messages"][1]["content"], "Wie viele Stück?", f"LANG={lang}: the question too")
for sid in ["../../etc", "a/b", "-x", "", "..", "x" * 500]:
    r = run("go on", f"--session-id={sid}", script=OK)
    if sid:
        eq((r.status, len(r.requests)), (2, 0), f"--session-id {sid[:20]!r}: status 2")
    r = run("go on", f"--resume={sid}" if sid else "--resume=/", script=OK)
    ok(r.status == 2 and not r.requests, f"--resume {sid[:20]!r}: status 2", r.status, r.err)

# --- a file system that is full or read-only, in a mount namespace of the run's own
probe = subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, text=True) \
    if shutil.which("unshare") else None
if probe is None or probe.returncode: # with -r only root would be mapped, and the sandbox wants an ordinary user
    skip("not root, or unshare -m and a tmpfs in it do not work here: no full or read-only file system to be had",
         "full disk, read-only home", 5)
else:
    def in_mount(options, fill, *args, script=OK):
        home = new_home()
        place = home / "disk"
        place.mkdir()
        line = f'mount -t tmpfs -o {options} none "$1" && {{ {fill}; }} && shift && exec "$@"'
        with Provider(script) as p:
            r = start("-m", "sh", "-c", line, "sh", place, AGENT, "-m", "scripted", *args, argv0=shutil.which("unshare"),
                      url=p.url, home=home, env={"XDG_DATA_HOME": place})
            finish(r, keep=[p.process.pid])
            r.requests = p.read()
        return r

    r = in_mount("size=64k", 'mount -o remount,ro "$1"', "go on")
    eq((r.status, r.out, len(r.requests)), (1, "", 0), "a read-only home: status 1, nothing is sent")
    like(r.err, r"cannot keep a record.*--session-dir.*--ephemeral.*Read-only", "with what to do")
    r = in_mount("size=64k", 'mount -o remount,ro "$1"', "go on", "--ephemeral")
    eq((r.status, r.out), (0, "ok\n"), "a read-only home and no record: it answers")
    r = in_mount("size=256k", "true", "go on", script=[code("print('x' * 600000)"), say("the answer")])
    eq((r.status, r.out), (1, "the answer\n"), "a disk that gets full under the record: status 1, and the answer is printed all the same")
    like(r.err, "(?i)record.*No space left|No space left", "and it is said")

# --- -f with patterns and folders
home = new_home()
data = home / "work/data"
(data / "sub").mkdir(parents=True)
for name, text in [("b.csv", "b\n"), ("a.csv", "a\n"), ("c.txt", "c\n"), ("empty.csv", ""), (".hidden.csv", "h\n"),
                   ("sub/d.csv", "d\n"), ("[x]*.csv", "x\n")]:
    (data / name).write_text(text)


def attached(*args):
    r = run("go on", *args, script=OK, home=home)
    e = [e for e in r.record.events if e["type"] == "inputs"] if r.status == 0 else []
    r.files = [f["name"] for f in e[-1]["files"]] if e else None
    return r


r = attached("-f", "data/[abc]*.csv")
eq(r.files, ["a.csv", "b.csv"], "a pattern: what it names, in order")
r = attached("-f", "data/")
eq(r.files, ["[x]*.csv", "a.csv", "b.csv", "c.txt"], "a folder with a slash: all files in it, no hidden ones")
like(r.err, r"data/empty\.csv is left out: it is empty", "what cannot be attached is told: an empty file")
like(r.err, r"data/sub is left out: it is a folder", "a folder")
r = attached("-f", "data/[x]*.csv")
eq(r.files, ["[x]*.csv"], "a name that exists is no pattern")
r = attached("-f", "data/*.txt", "-f", "data/a.csv:first.csv")
eq(r.files, ["c.txt", "first.csv"], "together with other files")
for arg, says in [("data/*.xls", "no file matches"), ("data", "write data/"), ("nowhere/", "no such file"), ("data/sub/e*", "no file matches"),
                  ("data/emp*", "nothing in it that can be attached")]:
    r = run("go on", "-f", arg, script=OK, home=home)
    eq((r.status, len(r.requests)), (2, 0), f"-f {arg}: status 2")
    like(r.err, says, "and why")
for i in range(101):
    (data / f"many{i}.dat").write_text("x")
r = run("go on", "-f", "data/many*", script=OK, home=home)
eq((r.status, len(r.requests)), (2, 0), "more than a hundred files are refused")
like(r.err, "more than 100 attachments", "with the limit")
done()
