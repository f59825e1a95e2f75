#!/usr/bin/python3
"""What docs/JOBS.md says that a timer does when the clock is set, when daylight saving begins and ends, and after a time in which the
machine was off, with the real systemd, as root. Two boots of one disk: `clock.py before`, then days later `clock.py after`. Started by
guest.sh in the virtual machine.

The jobs have only_if_changed and nothing changes, so each time that the timer fires is a short run and a line of its log."""
import calendar
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

work = Path("/root/clock-test")
JOBS = {"morning": "07:00", "night": "02:30"}
SETTLE = 15  # seconds, after the clock was set, and nothing is to happen


def call(*argv):
    p = subprocess.run(list(map(str, argv)), cwd=work, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                       env={"HOME": "/root", "PATH": os.environ["PATH"]})
    return p.returncode, p.stdout + p.stderr


def fired():
    """How often each job ran, as its log has it."""
    logs = {name: work / f"{name}.reports/log.jsonl" for name in JOBS}
    return {name: len(log.read_text().splitlines()) if log.exists() else 0 for name, log in logs.items()}


def at(text):
    """Sets the clock: local time, or UTC with a Z at the end."""
    if text.endswith("Z"):
        t = calendar.timegm(time.strptime(text[:-1].strip(), "%Y-%m-%d %H:%M:%S"))
    else:
        t = time.mktime(time.strptime(text, "%Y-%m-%d %H:%M:%S"))
    time.clock_settime(time.CLOCK_REALTIME, t)


def more(before, name, what, **by):
    """After `name`, each job ran as often as `by` says, and no more often a while later."""
    want = {job: before[job] + by.get(job, 0) for job in JOBS}
    end = time.monotonic() + 60 * PATIENCE
    while any(fired()[job] < want[job] for job in JOBS) and time.monotonic() < end:
        time.sleep(0.5)
    time.sleep(SETTLE)
    eq({job: n - before[job] for job, n in fired().items()}, {job: by.get(job, 0) for job in JOBS}, f"{name}: {what}")
    print(f"# {name}: {time.strftime('%F %T %Z')}, runs {fired()}", flush=True)


def next_of(job):
    """What systemd and what agent say of the next time."""
    unit = next(Path("/etc/systemd/system").glob(f"agent-job-{job}-*.timer")).name
    systemd = call("systemctl", "show", "-P", "NextElapseUSecRealtime", unit)[1].strip()
    ours = re.search(r": (\w{3} \S+ \S+ \w+)", call(AGENT, "job", "check", f"{job}.job")[1])
    return systemd, ours and ours[1]


def install():
    work.mkdir()
    call("timedatectl", "set-timezone", "Europe/Berlin")
    time.tzset()
    (work / "a.csv").write_text("x\n1\n2\n")
    with Provider([say("It is 3.")] * len(JOBS), idle=3600) as provider:
        for name, when in JOBS.items():
            (work / f"{name}.job").write_text(f"question = what is the sum?\ninput = a.csv\nonly_if_changed = true\nschedule = {when}\n"
                                              f"[settings]\nmodel = scripted\nbase_url = {provider.url}\napi_key_file = {work}/key\n")
            (work / "key").write_text(KEY)
            (work / "key").chmod(0o600)
            r = call(AGENT, "job", "run", f"{name}.job")
            ok(r[0] == 0, f"{name}: a first run, by hand", r[1])
            r = call(AGENT, "job", "install", f"{name}.job")
            ok(r[0] == 0, f"{name}: installed", r[1])
    for unit in Path("/etc/systemd/system").glob("agent-job-*.timer"):
        # Of what install writes this alone is changed, so that nobody waits minutes for what comes within two.
        drop = unit.with_name(unit.name + ".d")
        drop.mkdir()
        (drop / "soon.conf").write_text("[Timer]\nRandomizedDelaySec=0\nAccuracySec=1s\n")
    call("systemctl", "daemon-reload")
    call("systemctl", "restart", "agent-job-*.timer")


def before():
    install()
    n = fired()
    at("2027-03-25 13:00:00")
    more(n, "an afternoon", "nothing is due")
    n = fired()
    at("2027-03-27 08:00:00")
    more(n, "set forward over two of its times", "one run", morning=1, night=1)
    n = fired()
    at("2027-03-28 01:59:50")
    time.sleep(2)
    next_night = next_of("night")
    eq(next_night, ("Mon 2027-03-29 02:30:00 CEST",) * 2, "before the change in spring, systemd and agent name the same next time: the day after")
    time.sleep(10)
    like(time.strftime("%T %Z"), "^03:00:.. CEST$", "the clock went from two to three")
    more(n, "02:30, which there is not", "no run")
    at("2027-03-28 03:29:57")
    more(n, "03:30", "no run either")
    n = fired()
    at("2027-03-28 06:59:57")
    more(n, "seven on that day", "a run", morning=1)
    n = fired()
    at("2027-03-28 06:59:50")
    more(n, "set back, and the time passes again", "a second run", morning=1)
    n = fired()
    at("2027-10-30 20:00:00")
    more(n, "set forward by months", "one run", morning=1, night=1)
    n = fired()
    at("2027-10-31 00:29:57 Z")
    more(n, "02:30 in autumn, for the first time", "a run", night=1)
    eq(next_of("night"), ("Mon 2027-11-01 02:30:00 CET",) * 2, "systemd and agent name the same next time: the day after")
    n = fired()
    at("2027-10-31 01:29:57 Z")
    more(n, "02:30 for the second time, an hour later", "no run")
    n = fired()
    at("2027-10-31 12:00:00 Z")
    more(n, "set forward past seven", "a run", morning=1)
    (work / "count").write_text(json.dumps(fired()))
    os.sync()


def after():
    time.tzset()
    n = json.loads((work / "count").read_text())
    print(f"# {time.strftime('%F %T %Z')}; before it was off: {n}", flush=True)
    ok(time.time() > calendar.timegm((2027, 11, 4, 0, 0, 0)), "it is days later", time.ctime())
    more(n, "off for days, over several of its times", "one run of each", morning=1, night=1)
    print("# " + call("systemctl", "list-timers", "--all", "agent-job-*")[1].replace("\n", "\n# "))


before() if sys.argv[1] == "before" else after()
done()
