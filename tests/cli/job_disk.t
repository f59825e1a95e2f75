#!/usr/bin/python3
"""A disk that fills in the middle of a job's report, in each format: the message names the place and what to do, the last report stands,
nothing is half-written, and the record loads."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from jobs import *

if os.geteuid() != 0:
    skip_all("not root: no tmpfs can be mounted")
small = work / "small"
small.mkdir()
KIB = 1024


def size(n, *options):
    return subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join([f"size={n}k", *options]), "none", small], capture_output=True).returncode == 0


if not size(2048):
    skip_all("tmpfs cannot be mounted here")
have = {"html": None, "md": None, "xlsx": have_modules("openpyxl"), "pdf": have_modules("weasyprint")}
CODE = """rows = [[i, 'a value that takes some room %d' % (i * 7919)] for i in range(3000)]
import pandas
report.table('rows', pandas.DataFrame(rows, columns=['n', 'text']))
report.number('t', 5)
open('out.txt', 'w').write('5')"""
SCRIPT = [code(CODE), say("There are {{num:t}}.\n\n{{table:rows}}\n")]


def listing(folder):
    return sorted(p.name for p in folder.iterdir())


def filled(kind):
    """A report of this kind where there is room; then where there is room for all but it."""
    job_text = f"question = Describe.\nfolder = small/{kind}\noutput = report.{kind}\nmode = model-always\nmust_exist = out.txt\n" \
               "on_failure = cat > failed.json\n[settings]\ngrounding = false\n"
    write(job_text)
    folder = small / kind
    r = job("run", "w.job", script=SCRIPT)
    if not eq(r.status, 0, f"{kind}: a report that fits"):
        return
    old = os.readlink(folder / "latest")
    made = folder / old / f"report.{kind}"
    parts = made.stat().st_size + sum(p.stat().st_size for p in (folder / old).glob("report-files/*"))
    # What is free is filled, but for half of the report's own room.
    free = os.statvfs(small)
    with open(small / "filler", "wb") as f:
        f.write(b"x" * max(0, free.f_bavail * free.f_frsize - parts // 2 - 8 * KIB))
    r = job("run", "w.job", script=SCRIPT)
    ok(r.status not in (0, None), f"{kind}: one that does not fit fails", r.err)
    like(r.err, rf"job w: .*small/{kind}/.*[Nn]o space left on device", "and the message says where, and that there is no room")
    like(r.err, r"free some room there", "and what to do")
    like(r.err, r"Its record: \S+sessions/", "and where the record is")
    eq((os.readlink(folder / "latest"), listing(folder)), (old, [".lock", old, "latest", "log.jsonl"]), "the last report stands, and nothing is half-written")
    eq(sha256(made), sha256(folder / "latest" / f"report.{kind}"), "it is what it was")
    failed = json.loads((work / "failed.json").read_text())
    rec = Record(failed["record"])
    eq((rec.broken, rec.events[-1]["type"], "There are 5" in (rec.file("answer.md") or "")), ([], "session.end", True), "the record loads, and has the answer")
    again = run("report", failed["session"], str(work / f"again.{kind}"), model=None, home=home)
    eq((again.status, (work / f"again.{kind}").stat().st_size > 0), (0, True), "the report can be made from it, elsewhere, without a model")
    (small / "filler").unlink()
    eq(job("run", "w.job", script=SCRIPT).status, 0, "with room again, the next run is a good one")
    shutil.rmtree(folder)


try:
    for kind, missing in have.items():
        if missing:
            skip(f"{missing} is not installed", kind, 10)
        else:
            filled(kind)
    # --- full from the start ---
    write("question = Describe.\nfolder = small/r\n[settings]\ngrounding = false\n")
    eq(job("run", "w.job", script=SCRIPT[:1] + [say("Five.")]).status, 0, "a report that fits")
    old = os.readlink(small / "r/latest")
    with open(small / "filler", "wb", buffering=0) as f:
        while subprocess.run(["dd", "if=/dev/zero", "bs=4k", "count=1000"], stdout=f, stderr=subprocess.DEVNULL).returncode == 0:
            pass
    r = job("run", "w.job", script=[code("print(1)"), say("Five.")])
    ok(r.status not in (0, None), "a disk that is full from the start", r.err)
    eq((os.readlink(small / "r/latest"), listing(small / "r")), (old, [".lock", old, "latest", "log.jsonl"]), "the last report stands")
    like(r.err, r"small/r.*[Nn]o space left", "and the message says where")
finally:
    subprocess.run(["umount", small])
done()
