#!/usr/bin/python3
"""agent keys: keys are kept in files of the user's own, found from there, sent to their service, and never shown."""
import os
import pty
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *
from listing import Listing

home = new_home()
folder = Path(base_env(home)["XDG_CONFIG_HOME"]) / "agent" / "keys" if "XDG_CONFIG_HOME" in base_env(home) \
    else home / ".config" / "agent" / "keys"
feed = write("key.txt", KEY + "\nsecond line\n")


def keys(*args, **how):
    stdin = how.pop("stdin", subprocess.DEVNULL)
    return finish(start("keys", *args, home=home, key=None, stdin=stdin, **how))


def row(service):
    return next((line.split(None, 2) for line in keys().out.splitlines() if line.split()[0] == service), None)


eq(row("openai")[:2], ["openai", "missing"], "without a key it is missing")
eq(row("ollama")[1], "not", "and not needed for a server of one's own")
with open(feed) as f:
    r = keys("set", "openai", stdin=f)
eq(r.status, 0, "set takes the first line of standard input")
unlike(r.out + r.err, KEY, "and does not show it")
path = folder / "openai"
eq((path.read_text(), oct(path.stat().st_mode & 0o777), oct(folder.stat().st_mode & 0o777)),
   (KEY, "0o600", "0o700"), "it is kept 0600 in a folder 0700")
eq(row("openai")[1:], ["set", f"the file {path}"], "the list says where it is from")
unlike(keys().out + keys("--json").out, KEY[:12], "and nothing of it")
listed = {s["service"]: s for s in json.loads(keys("--json").out)["services"]}
eq((listed["openai"]["key"], listed["groq"]["key"], listed["ollama"]["key"]), ("set", "missing", "not needed"), "--json")

r = run("q", home=home, key=None, script=[say("42")])
eq((r.status, r.out.strip()), (0, "42"), "a question is asked with the kept key (the service checks it)")
r = run("q", home=home, key=None, script=[say("42")], env={"OPENAI_API_KEY": "sk-wrong-" + "0" * 20})
eq(r.status, 3, "a variable wins over it")

for status, want, word in ((200, 0, "takes the key"), (401, 3, "")):
    with Listing(status) as server:
        r = finish(start("keys", "test", "openai", url=server.url, home=home, key=None))
    eq((r.status, server.keys), (want, [f"Bearer {KEY}"]), f"test sends the key once, and heeds {status}")
    like(r.out, word, "and says so")
    unlike(r.out + r.err, KEY, "without showing it")

path.chmod(0o644)
r = keys("test", "openai")
eq(r.status, 3, "a key that others can read is not used")
like(r.err, r"chmod 600 .*keys/openai", "and the command that mends it is named")
path.chmod(0o600)

for args, why in ((["set"], "needs a SERVICE"), (["set", "nope"], "no service is called"), (["set", "openai", KEY], "never given"),
                  (["frobnicate"], "list, set, remove or test"), (["remove", "groq"], "no key of groq")):
    r = keys(*args)
    eq(r.status, 2, f"keys {args[0]} {len(args)}: usage")
    like(r.err, why, "which is explained")
    unlike(r.err, KEY, "without the key")
with open("/dev/null") as f:
    eq(keys("set", "groq", stdin=f).status, 2, "an empty key is none")
ok(not (folder / "groq").exists(), "and leaves no file")

# At a terminal: no echo, and Ctrl-C leaves it as it was.
for give, status in ((b"gsk-typed-by-hand-1234\n", 0), (b"half\x03", 130)):
    pid, fd = pty.fork()
    if pid == 0:
        env = dict(base_env(home))
        os.execve(AGENT, ["agent", "keys", "set", "groq"], env)
    import select
    import termios
    seen = b""
    while b"not shown" not in seen:
        seen += os.read(fd, 1000)
    end = time.monotonic() + 10 * PATIENCE
    while termios.tcgetattr(fd)[3] & termios.ECHO and time.monotonic() < end:
        time.sleep(0.01)
    os.write(fd, give)
    try:
        while True:
            more = os.read(fd, 1000)
            if not more:
                break
            seen += more
    except OSError:
        pass
    got = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(fd)
    eq(got, status, f"typed at a terminal: {give[-1:]!r}")
    ok(b"typed" not in seen and b"half" not in seen, "nothing of it is shown", seen)
eq((folder / "groq").read_text(), "gsk-typed-by-hand-1234", "what was typed is kept, what was broken off is not")

eq(keys("remove", "openai").status, 0, "remove")
eq((path.exists(), row("openai")[1]), (False, "missing"), "takes it away")
done()
