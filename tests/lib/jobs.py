"""What the tests of agent job share: a home with one job, w.job, whose reports come to lie in w.reports."""
from harness import *

home = new_home()
work = home / "work"
reports = work / "w.reports"
RUNTIME = {"TZ": "UTC"}     # of each run; tests change it


def job(*args, script=None, **how):
    return run("job", *args, model=None, home=home, script=script, env={"AGENT_MODEL": "scripted", **RUNTIME}, **how)


def write(text, name="w.job"):
    (work / name).write_text(text)


def latest():
    return os.readlink(reports / "latest") if (reports / "latest").is_symlink() else None


def summary():
    return json.loads((reports / "latest" / "job.json").read_text())
