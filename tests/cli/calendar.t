#!/usr/bin/python3
"""The next times of calendar events against systemd's own: events from a grammar, over several zones and moments near
changes of the clock, year ends and leap days."""
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

PROGRAM = AGENT.parent / "tests" / "unit" / "test_calendar"
if not shutil.which("systemd-analyze") or not PROGRAM.exists():
    skip_all("there is no systemd-analyze to compare with" if PROGRAM.exists() else "make tests-build makes what is tested")
seed = int(os.environ.get("TEST_SEED") or 1)  # the same events each time: what systemd gets wrong is not ours to find
print(f"# TEST_SEED={seed}")
rng = random.Random(seed)
EVENTS = ["Mon 07:00", "hourly", "daily", "weekly", "monthly", "quarterly", "semiannually", "yearly", "*:0/15", "02:30", "03:00",
          "Sun 02:30", "*-02-29 12:00", "*-*~1 18:00", "Fri *-*~07/1 17:00", "Mon *-*-1..7 07:00", "*-1..6/2-15 8..18/3:05",
          "Mon..Fri,Sun 23:59:59", "*-*-31", "2027..2029-01-01 00:00", "*-*-1/2 0/6:00", "07:00 UTC", "Sun *-10-25..31 02:15:10"]
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Sao_Paulo"]


def part(low, high, start=None):
    def one():
        a = rng.randint(low, high)
        kind = rng.random()
        if kind < .5 or a == high:
            return f"{a:02d}"
        b = rng.randint(min(a + 1, high), high)
        return f"{a}..{b}" if kind < .75 else f"{a}..{b}/{rng.randint(1, 5)}" if kind < .85 else f"{a}/{rng.randint(1, 9)}"
    return "*" if rng.random() < .3 else ",".join(one() for _ in range(rng.choice((1, 1, 1, 2, 3))))


def event():
    words = []
    if rng.random() < .4:
        a = rng.randint(0, 6)
        names = "Mon Tue Wed Thu Fri Sat Sun".split()
        words.append(names[a] if rng.random() < .5 else f"{names[a]}..{names[rng.randint(a, 6)]}")
    if rng.random() < .6:
        year = rng.choice(("", "", "*-", f"{rng.randint(2026, 2040)}-"))
        words.append(f"{year}{part(1, 12)}" + (f"~{rng.randint(1, 28):02d}" if rng.random() < .2 else f"-{part(1, 31)}"))
    if not words or rng.random() < .8:
        words.append(f"{part(0, 23)}:{part(0, 59)}" + (f":{part(0, 59)}" if rng.random() < .3 else ""))
    return " ".join(words) + (" UTC" if rng.random() < .1 else "")


def moments(zone):
    z = ZoneInfo(zone)
    fixed = [(2026, 3, 28, 12), (2026, 3, 29, 0), (2026, 3, 8, 1), (2026, 10, 24, 23), (2026, 11, 1, 0), (2026, 4, 4, 23), (2026, 10, 3, 23),
             (2026, 12, 31, 23), (2028, 2, 28, 23), (2027, 2, 28, 13)]
    for y, m, d, h in fixed:
        yield int(datetime(y, m, d, h, rng.randint(0, 59), 0, tzinfo=z).timestamp())


def systemd(zone, base, text):
    r = subprocess.run(["systemd-analyze", "calendar", f"--base-time=@{base}", text], capture_output=True, text=True,
                       env={"TZ": zone, "PATH": os.environ["PATH"], "LC_ALL": "C"})
    if "Failed to determine next elapse" in r.stderr:
        return None  # systemd 252 gives up on some events before a change of the clock
    if r.returncode:
        return "refused"
    m = re.search(r"Next elapse: (.*)", r.stdout)
    if m[1] == "never":
        return "never"
    utc = re.search(r"\(in UTC\): \w+ (\S+ \S+) UTC", r.stdout) or re.search(r"Next elapse: \w+ (\S+ \S+) UTC", r.stdout)
    return int(datetime.strptime(utc[1], "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc).timestamp())


def shown(zone, at):
    return datetime.fromtimestamp(at, ZoneInfo(zone)).replace(tzinfo=None) if isinstance(at, int) else at


if subprocess.run(["systemd-analyze", "calendar", "--base-time=@0", "daily"], capture_output=True).returncode:
    skip_all("this systemd-analyze knows no --base-time")
for zone in ZONES:
    rows = [(base, text) for base in moments(zone) for text in rng.sample(EVENTS, 8) + [event() for _ in range(8)]]
    r = subprocess.run([PROGRAM, "next"], input="".join(f"{b}\t{t}\n" for b, t in rows), capture_output=True, text=True,
                       env={"TZ": zone})
    lines = [line.split("\t") for line in r.stdout.splitlines()]
    ours = [int(line[0]) if line[0].isdigit() else line[0] for line in lines]
    full = [line[-1] for line in lines]
    # A time that the clock shows twice is one of two for systemd, by what it was asked before; it is the same on the wall.
    # With steps systemd goes beyond the end of an hour or a day; so it is asked about the event in full.
    wrong = [(base, text, got, theirs) for (base, text), got, whole in zip(rows, ours, full)
             if (theirs := systemd(zone, base, text if got == "refused" else whole)) and shown(zone, got) != shown(zone, theirs)]
    eq((len(ours), wrong), (len(rows), []), f"{zone}: {len(rows)} next times are systemd's "
       f"({sum(isinstance(x, int) for x in ours)} times, {ours.count('never')} never)")
done()
