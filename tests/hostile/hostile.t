#!/usr/bin/python3
"""Runs every hostile case (cases.py) in the sandbox, as whoever runs this and, as root, as an ordinary
user too. After each case the canaries are looked at: a file tree, a listening port, an abstract socket, a unix socket,
a sibling process, core_pattern; and no process of the sandbox may be left.

    tests/hostile/hostile.t [REGEX of ids]
"""
import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from cases import CASES  # noqa: E402

SANDBOX = os.path.realpath(os.environ.get("SANDBOX_PROGRAM") or HERE.parent.parent / "build" / "agent-sandbox")
PYTHON = "/usr/bin/python3"
PATIENCE = float(os.environ.get("TEST_PATIENCE") or 1)
PRELUDE = (HERE / "prelude.py").read_text()
KEY = "sk-hostile-canary-4d1e" + "0b7c"
USER = 12345
count = failed = 0


def point(good, name, why=""):
    global count, failed
    count += 1
    print(f"{'ok' if good else 'not ok'} {count} - {name}", flush=True)
    if not good:
        failed += 1
        for line in str(why).split("\n")[:20]:
            print("#   " + line[:500])
    return good


def skip(name, why):
    global count
    count += 1
    print(f"ok {count} - {name} # SKIP {why}", flush=True)


class Canaries:
    """Things of the host that no case may touch."""

    def __init__(self):
        self.dir = Path(tempfile.mkdtemp(prefix="CANARY-", dir="/var/tmp"))
        self.dir.chmod(0o755)
        (self.dir / "secret").write_text("the canary sings")
        self.tcp = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", self.tcp.getsockname()[1]))
        self.abstract = socket.socket(socket.AF_UNIX)
        self.abstract_name = f"canary-{os.getpid()}"
        self.abstract.bind("\0" + self.abstract_name)
        self.path = socket.socket(socket.AF_UNIX)
        self.path.bind(str(self.dir / "socket"))
        (self.dir / "socket").chmod(0o777)
        for s in (self.tcp, self.abstract, self.path):
            s.listen(64)
        for s in (self.tcp, self.abstract, self.path, self.udp):
            s.setblocking(False)
        self.sibling = subprocess.Popen(["sleep", "3600"])
        self.before = self.state()

    def state(self):
        def text(path):
            try:
                return Path(path).read_text()
            except OSError:
                return None
        return (hashlib.sha256((self.dir / "secret").read_bytes()).hexdigest(), sorted(os.listdir(self.dir)),
                text("/proc/sys/kernel/core_pattern"), text("/proc/sys/kernel/hostname"),
                text("/proc/sys/kernel/modprobe"))

    def visitors(self):
        """Connections and datagrams that arrived; takes them away."""
        n = 0
        for s in (self.tcp, self.abstract, self.path):
            try:
                while True:
                    s.accept()[0].close()
                    n += 1
            except OSError:
                pass
        try:
            while True:
                self.udp.recv(10)
                n += 1
        except OSError:
            pass
        return n

    def harm(self):
        problems = []
        if self.visitors():
            problems.append("somebody connected to a canary socket")
        if self.sibling.poll() is not None:
            problems.append("the sibling process is gone")
        if self.state() != self.before:
            problems.append(f"files or settings changed: {self.state()}")
        return problems

    def fill(self, code):
        for name, value in (("CANARY_PORT", self.tcp.getsockname()[1]), ("CANARY_ABSTRACT", self.abstract_name),
                            ("CANARY_DIR", self.dir), ("CANARY_PID", self.sibling.pid), ("CANARY_KEY", KEY[::-1])):
            code = code.replace(name, str(value))
        return code

    def close(self):
        self.sibling.kill()
        self.sibling.wait()
        for name in os.listdir(self.dir):
            (self.dir / name).unlink()
        self.dir.rmdir()


def run(argv, uid, seconds, pass_fds=(), drain=False):
    env = {"PATH": "/usr/bin:/bin", "CANARY_ENV": "SECRET-" + KEY, "OPENAI_API_KEY": KEY, "HOME": "/root"}
    who = {"user": uid, "group": uid, "extra_groups": []} if uid else {}
    out = subprocess.DEVNULL if drain else subprocess.PIPE
    p = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE,
                         pass_fds=pass_fds, cwd="/", **who)
    try:
        text, err = p.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        p.kill()
        p.communicate()
        return None, "", f"not over after {seconds} s"
    return p.returncode, (text or b"").decode("utf-8", "replace"), err.decode("utf-8", "replace")


def in_sandbox(code, options, uid):
    r, w = os.pipe()
    argv = [SANDBOX, "--status-fd", str(w)]
    for limit in options.get("limits", []):
        if limit.startswith("wall=") and options.get("cause") != "wall":  # not what is tried: a slow machine gets more
            limit = f"wall={int(limit[5:]) * PATIENCE:.0f}"
        argv += ["--limit", limit]
    extra = []
    if options.get("leak_fds"):  # open in the helper, named nowhere
        extra = [os.open("/etc", os.O_RDONLY), os.dup(2)]
    argv += options.get("args", []) + ["--", PYTHON, "-I", "-c", PRELUDE + code]
    began = time.monotonic()
    result = run(argv, uid, options.get("seconds", 20) * PATIENCE, (w, *extra), options.get("drain"))
    took = time.monotonic() - began
    for fd in (w, *extra):
        os.close(fd)
    with os.fdopen(r) as f:
        events = [json.loads(line) for line in f]
    return *result, events, took


def outside(code, uid):
    """The same code without a sandbox: never as root."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as d:
        os.chmod(d, 0o777)
        text = PRELUDE + code.replace("/workspace", d)
        return run([PYTHON, "-I", "-c", "import resource; resource.setrlimit(resource.RLIMIT_NPROC, (400, 400))\n" + text],
                   uid or (USER if os.getuid() == 0 else 0), 10)[1]


def verdict(options, status, text, err, events):
    """"" if the outcome is the required one, else what is wrong."""
    last = events[-1] if events else {}
    cause = last.get("cause")
    if status is None:
        return err
    if last.get("event") != "exited" or events[0].get("event") != "started":
        return f"no exit was reported: {events} {err}"
    if "BROKEN" in text:
        return text
    if "want_or_cause" in options:
        want, word = options["want_or_cause"]
        return "" if re.search(want, text) or cause == word else f"neither {want} nor {word}: {text} {last}"
    if "cause" in options and cause != options["cause"]:
        return f"cause {cause}, not {options['cause']}: {text} {err} {last}"
    if "status" in options and status != options["status"]:
        return f"status {status}, not {options['status']}: {text} {err}"
    if "cause" in options or options.get("want") == "":
        return ""
    want = options.get("want", "^HELD")
    return "" if re.search(want, text, re.M) else f"no {want} in: {text} {err} {last}"


def gone(pid):
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass
        time.sleep(0.01)
    return False


def main():
    wanted = re.compile(sys.argv[1] if len(sys.argv) > 1 else "")
    canaries = Canaries()
    users = [0, USER] if os.getuid() == 0 else [0]
    for uid in users:
        who = "root" if os.getuid() == 0 and not uid else "user"
        for ident, name, code, options in CASES:
            if not wanted.search(ident):
                continue
            code = canaries.fill(code)
            title = f"{who} {ident} {name}"
            status, text, err, events, took = in_sandbox(code, options, uid)
            problem = verdict(options, status, text, err, events)
            problems = [problem] if problem else []
            problems += canaries.harm()
            if KEY in text or KEY in err:
                problems.append("the key came out")
            if events and events[0].get("pid") and not gone(events[0]["pid"]):
                problems.append("pid 1 is still there")
            if problems or not options.get("control"):
                point(not problems, title, "\n".join(problems))
                continue
            control = outside(code, uid)
            canaries.visitors()
            if re.search("^HELD", control, re.M):
                skip(title, "outside it is refused as well, so this machine cannot show it")
            else:
                point(True, title)
    left = subprocess.run("ls -d /sys/fs/cgroup/*/agent-sandbox.* 2>/dev/null", shell=True, capture_output=True, text=True).stdout
    mine = [d for d in left.split() if not Path(f"/proc/{d.rsplit('.', 1)[1].split('-')[0]}").exists()]
    deadline = time.monotonic() + 2
    while mine and time.monotonic() < deadline:
        time.sleep(0.05)
        mine = [d for d in mine if os.path.exists(d)]
    point(not mine, "no cgroup is left", mine)
    canaries.close()
    print(f"1..{count}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
