#!/usr/bin/python3
"""A job that agent job install --cron gives to a real cron, which runs with a spool, a /run and processes of its own: the report is
published by itself. And what docs/JOBS.md says that cron does when the clock jumps."""
import calendar
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

if os.geteuid() != 0:
    skip_all("only root can give cron a spool of its own")
if not os.path.exists("/usr/sbin/cron") or not shutil.which("crontab"):
    skip_all("cron is not installed (Debian: cron)")
# Nothing of the machine's is to be seen by this cron, nor changed by it.
SETUP = """set -e
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs -o mode=755 none /run
mount -t tmpfs -o mode=755 none /var/spool/cron
mkdir -m 1730 /var/spool/cron/crontabs
chgrp crontab /var/spool/cron/crontabs
for d in /etc/cron.d /etc/systemd; do [ ! -d $d ] || mount -t tmpfs none $d; done
[ ! -e /etc/crontab ] || mount --bind /dev/null /etc/crontab
"""


class Cron:
    def __init__(self, home, run="exec /usr/sbin/cron -f", **env):
        self.home = home
        self.env = {**base_env(home), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **({"AGENT_SANDBOX_HELPER": str(HELPER)}
                                                                              if HELPER.parent != AGENT.parent else {})}
        self.process = subprocess.Popen(["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", SETUP + "echo ready\n" + run],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                        env={"PATH": self.env["PATH"], **env})
        self.started = self.process.stdout.readline() == "ready\n"
        inside = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        self.inside = Path(inside).read_text().split()[0] if self.started else None

    def do(self, *argv):
        return subprocess.run(["nsenter", "-t", self.inside, "-m", "-p", "-w" + str(self.home / "work"), *map(str, argv)], capture_output=True,
                              text=True, env=self.env)

    def end(self):
        self.process.kill()
        self.process.wait()


class Jump:
    """A cron with a clock that can be set (libfaketime); its one line writes down that it ran."""

    def __init__(self, start, line):
        self.dir = Path(tempfile.mkdtemp(dir=BOX))
        self.set(start)
        (self.dir / "table").write_text(f"{line} echo x >> {self.dir}/fired\n")
        self.cron = Cron(home, f"crontab {self.dir}/table\nTZ=Europe/Berlin LD_PRELOAD={FAKETIME} FAKETIME_NO_CACHE=1 "
                               f"FAKETIME_TIMESTAMP_FILE={self.dir}/clock exec /usr/sbin/cron -f")

    def set(self, clock):
        """Local time as a text; or seconds since 1970, where local time comes twice."""
        (self.dir / "new").write_text(f"@{clock}\n" if isinstance(clock, str) else f"{clock - time.time():+.0f}\n")
        (self.dir / "new").rename(self.dir / "clock")

    def fired(self):
        return len((self.dir / "fired").read_text()) // 2 if (self.dir / "fired").exists() else 0


def wait_for(what, seconds):
    end = time.monotonic() + seconds * PATIENCE
    while not what() and time.monotonic() < end:
        time.sleep(0.2)
    return what()


home = new_home()
work = home / "work"
(home / "config/agent/keys").mkdir(mode=0o700)
(home / "config/agent/keys/openai").write_text(KEY)
(home / "config/agent/keys/openai").chmod(0o600)
cron = Cron(home)
if not cron.started:
    cron.end()
    skip_all("no mounts of one's own can be made here")
FAKETIME = next((str(p) for p in Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)
jumps = {}
if FAKETIME:
    jumps["spring"] = Jump("2026-03-29 01:59:50", "30 2 * * *")  # in ten seconds it is three
    jumps["two hours"] = Jump("2026-03-10 01:59:50", "30 3 * * *")
    jumps["seven hours"] = Jump("2026-03-10 01:59:50", "30 7 * * *")
    jumps["back"] = Jump("2026-03-10 03:29:50", "30 3 * * *")
    AUTUMN = calendar.timegm((2026, 10, 25, 0, 29, 50))
    jumps["autumn"] = Jump(AUTUMN, "30 2 * * *")  # in ten seconds it is half past two in summer time, and an hour later in winter time
time.sleep(2)  # cron looks at the spool's time in whole seconds: a change in the one in which it starts would not be seen
try:
    with Provider([code("print(6*7)"), say("It is {1}.", find=r"^(\d+)$")], idle=300) as provider:
        (work / "100% sure.job").write_text("question = What is 6*7?\noutput = report.html\nschedule = *:*\non_success = cat > told.json\n"
                                           f"[settings]\nprovider = openai\nmodel = scripted\nbase_url = {provider.url}\n")
        cron.do("sh", "-c", "printf '# mine\\n0 0 1 1 * true\\n' | crontab -")
        r = cron.do(AGENT, "job", "install", "--cron", "100% sure.job")
        eq(r.returncode, 0, "the job is installed with a real crontab")
        like(cron.do("crontab", "-l").stdout, r"\A# mine\n0 0 1 1 \* true\n\* \* \* \* \* env .*'\n?.* # agent-job-100__sure-\w+\n\Z", "which keeps what was in it")
        like(cron.do(AGENT, "job", "list").stdout, r"100% sure\.job  no report yet; cron, next ", "list shows it")
        latest = work / "100% sure.reports/latest"
        if FAKETIME:
            ok(wait_for(lambda: jumps["back"].fired() and jumps["spring"].fired(), 60), "daylight saving leaves 02:30 out: it is run right after")
            ok(wait_for(jumps["autumn"].fired, 30), "where daylight saving shows 02:30 twice: it is run at the first")
            jumps["autumn"].set(AUTUMN + 3600 - 60)
            jumps["two hours"].set("2026-03-10 04:00:05")
            jumps["seven hours"].set("2026-03-10 09:00:05")
            jumps["back"].set("2026-03-10 03:28:30")
            began = time.monotonic()
        ok(wait_for(lambda: (work / "told.json").exists() and latest.exists(), 150), "cron fires it within two minutes, and a report is published",
           *[p.read_text() for p in (work / "100% sure.reports").glob("log.jsonl")])
        requests = provider.read()
        r = cron.do(AGENT, "job", "remove", "100% sure.job")
    eq((r.returncode, cron.do("crontab", "-l").stdout), (0, "# mine\n0 0 1 1 * true\n"), "remove leaves the table as it was")
    if latest.exists():
        eq((latest / "answer.md").read_text().strip(), "It is 42.", "the answer is the model's")
        eq(sorted(p.name for p in latest.iterdir()), ["answer.md", "job.json", "report.html"], "all of the report is there")
        like((latest / "report.html").read_text(), "It is 42", "also as a page")
    eq([q.get("status", 200) for q in requests[:2]], [200, 200], "the model was asked with the key that is kept")
    log = [json.loads(line) for line in (work / "100% sure.reports/log.jsonl").read_text().splitlines()]
    eq(log[0]["status"], "ok", "and the log says so")
    if FAKETIME:
        ok(wait_for(jumps["two hours"].fired, 90), "a clock set forward by two hours: what lies between is made up for")
        # Each looks at the clock once a minute; the one that went back has by then passed its time again.
        time.sleep(max(0, 125 - (time.monotonic() - began)))
        eq(jumps["seven hours"].fired(), 0, "by seven hours: it is not")
        eq(jumps["back"].fired(), 1, "a clock set back: nothing runs twice")
        eq(jumps["autumn"].fired(), 1, "02:30 an hour later, when daylight saving has ended: it is not run again")
    else:
        skip("libfaketime is not installed (Debian: faketime)", "a clock that jumps", 6)
finally:
    cron.end()
    for jump in jumps.values():
        jump.cron.end()
done()
