#!/usr/bin/python3
"""agent batch: the data stack is imported once, and the sandboxes of all questions share that memory and nothing else."""
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *
from anyservice import AnyService
from memory import IDLE, measure

# Says whether its memory is shared, and then spoils all of it that it can.
CELL = """import pandas, numpy, ctypes
mark = b"potentially heterogeneous tabular data"
print("shared", "memfd:template" in open("/proc/self/maps").read(), "clean", mark.decode() in pandas.DataFrame.__doc__)
print("random", numpy.random.rand(), "hash", hash("word"))
for line in open("/proc/self/maps").readlines():
    if "memfd:template" in line and " rw-p " in line:
        a, b = [int(x, 16) for x in line.split()[0].split("-")]
        block = ctypes.string_at(a, b - a)
        at = block.find(mark)
        while at >= 0:
            ctypes.memset(a + at, ord("X"), len(mark))
            at = block.find(mark, at + 1)
print("spoilt", "XXXXXX" in pandas.DataFrame.__doc__)     # what was `mark` may be spoilt too
"""


def answer(request):
    tools = [m for m in request["body"]["messages"] if m["role"] == "tool"]
    return {"text": tools[0]["content"]} if tools else {"calls": [CELL], "text": ""}


def batch(home, *args, questions=4, **how):
    (home / "work" / "q.jsonl").write_text("".join(json.dumps({"question": f"q {i}"}) + "\n" for i in range(questions)))
    return start("batch", "q.jsonl", "--out", "out.jsonl", *args, "--stream=false", "-m", "scripted", url=s.url + "/v1",
                 home=home, cwd=home / "work", **how)


def told(home, word):
    return [re.search(word + r" (\S+)", json.loads(line)["answer"])[1]
            for line in (home / "work" / "out.jsonl").read_text().splitlines()]


with AnyService(answer) as s:
    home = new_home()
    r = finish(batch(home, "-j", "2"), timeout=120)
    eq((r.status, told(home, "shared")), (0, ["True"] * 4), "the cells of all questions run from the image")
    eq((told(home, "spoilt"), told(home, "clean")), (["True"] * 4, ["True"] * 4), "what one does to its memory no other sees")
    eq((len(set(told(home, "random"))), len(set(told(home, "hash")))), (4, 1), "random numbers differ; strings hash alike")

    for flags, why in ((("--share-template=no",), "a setting turns it off"),
                       (("--preload", ""), "there is nothing to share without a preload list"),
                       (("--network", "example.org"), "with a network each has its own")):
        home = new_home()
        r = finish(batch(home, "-j", "2", *flags, questions=3), timeout=120)
        eq((r.status, told(home, "shared"), len(set(told(home, "hash")))), (0, ["False"] * 3, 3), why)
    home = new_home()
    r = finish(batch(home, "-j", "2", questions=2), timeout=120)
    eq((r.status, told(home, "shared")), (0, ["False"] * 2), "nor is it made where all questions run at once")

    # Killed while it is made or used: harness.done() looks for what is left.
    for _ in range(10):
        home = new_home()
        r = batch(home, "-j", "3")
        time.sleep(random.uniform(0, 1.5))
        r.process.kill()
        finish(r, timeout=60)
    # What makes it is killed: the questions go without.
    home = new_home()
    r = batch(home, "-j", "2")
    makers = []
    while not makers:   # of its children the one that is this program still, and no agent ask
        makers = [p for p in children_of([r.process.pid]) if "batch" in command_of(p)]
    os.kill(makers[0], 9)
    finish(r, timeout=120)
    eq((r.status, told(home, "shared")), (0, ["False"] * 4), "its maker was killed: each has its own")

if os.getuid() == 0:
    first, two = measure(1, IDLE), measure(2, IDLE)
    ok(two - first <= first * 0.25, f"a second sandbox adds {100 * (two - first) / first:.0f} % of the first",
       f"{first} kB alone, {two} kB the two")
done()
