#!/usr/bin/python3
"""agent batch: one result line a question whatever happens; kill and resume; one slows all; shards and merge."""
import random
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *
from anyservice import AnyService

FAST = ("--connect-timeout", "2s")
asked = []
lock = threading.Lock()
slow = {"until": 0.0, "seen": []}


def question(request):
    return next(m["content"] for m in request["body"]["messages"] if m["role"] == "user")


def answer(request):
    """2 * N after a cell; an error, a delay or a 429 by the words of the question."""
    q = question(request)
    number = int(re.search(r"\d+", q)[0]) if re.search(r"\d+", q) else 0
    with lock:
        asked.append((time.monotonic(), q))
    if "refuse" in q:
        return {"status": 400, "json": {"error": {"message": "no such thing", "type": "x"}}}
    if "slow" in q:
        time.sleep(0.4)
    if "cell" in q and not any(m["role"] == "tool" for m in request["body"]["messages"]):
        return {"calls": [f"print({number} * 2)"], "text": "", "usage": {"cost": 0.01}}
    return {"text": f"It is {number * 2}.", "usage": {"cost": 0.01}}


def batch(home, *args, url, **how):
    return finish(start("batch", *args, "--stream=false", *FAST, "-m", "scripted", url=url, home=home,
                        cwd=home / "work", **how), timeout=120)


def lines(home, name="out.jsonl"):
    return [json.loads(line) for line in (home / "work" / name).read_text().splitlines()]


with AnyService(answer) as s:
    url = s.url + "/v1"
    if os.getuid() == 0:  # as in a container that holds nothing else
        home = new_home()
        (home / "work" / "q.jsonl").write_text('{"question": "cell 3"}\n{"question": "cell 4"}\n{"question": "cell 5"}\n')
        p = subprocess.run(["unshare", "--pid", "--mount-proc", "--fork", "--kill-child", str(AGENT), "batch", "q.jsonl", "-v", "-j", "2", "--out",
                            "out.jsonl", "--stream=false", "-m", "scripted", "--base-url", url], cwd=home / "work", env=base_env(home),
                           stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
        eq((p.returncode, sorted(o.get("answer", str(o)) for o in lines(home))), (0, ["It is 10.", "It is 6.", "It is 8."]), "agent is process 1")
        unlike(p.stderr, "share no memory", "the sandboxes share a template there too")
    else:
        skip("not root: no pid namespace", "agent is process 1", 2)
    home = new_home()
    rows = [{"id": f"q{i}", "question": f"cell {i}"} for i in range(6)]
    rows[2] = {"id": "q2", "question": "refuse 2"}
    rows[3] = {"id": "q3"}
    rows[4] = {"id": "q4", "question": "read 4", "file": "nothing.csv"}
    (home / "work" / "q.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows) + "not json\n\n")
    r = batch(home, "q.jsonl", "--out", "out.jsonl", "-j", "3", url=url)
    got = {x["index"]: x for x in lines(home)}
    eq((r.status, sorted(got)), (9, list(range(7))), "one line for every question; some failed, so not 0")
    like(r.err, r"4 of 7 questions failed", "which is said")
    eq([got[i]["answer"] for i in (0, 1, 5)], ["It is 0.", "It is 2.", "It is 10."], "answers")
    eq([got[i]["exit_status"] for i in range(7)], [0, 0, 4, 2, 2, 0, 2], "each with its exit status")
    eq((got[3]["id"], got[3]["message"]), ("q3", "the row has no question"), "a row without a question")
    like(got[4]["message"], r"nothing\.csv", "a file that is not there")
    like(got[6]["message"], r"line 7", "a line that is no JSON")
    like(got[2]["message"], r"no such thing", "a refusal")
    ok(all(Path(got[i]["record"]).is_dir() for i in (0, 1, 2, 5)) and got[0]["usage"]["cost_usd"] == 0.02,
       "each run has a record and a cost", got[0])
    eq((home / "work" / "out.jsonl.pause").exists(), False, "no file is left beside the results")
    r = batch(home, "q.jsonl", "--out", "out.jsonl", url=url)
    eq((r.status, "--resume" in r.err), (2, True), "an existing file of results is not overwritten")
    n = len(asked)
    r = batch(home, "q.jsonl", "--out", "out.jsonl", "--resume", url=url)
    eq((len(asked) - n, len(lines(home))), (0, 7), "--resume with nothing missing asks nothing")

    # CSV, with what CSV can hold
    (home / "work" / "d.csv").write_text("a,b\n1,4711\n")
    (home / "work" / "q.csv").write_bytes('\ufeffid,question,files,mine\r\n1,"What, is ""7""?\nreally",d.csv,x\r\n'
                                          '2,8,"d.csv;d.csv:e.csv",y\r\n3,,,\r\n'.encode())
    r = batch(home, "q.csv", "--out", "c.jsonl", url=url)
    got = {x["id"]: x for x in lines(home, "c.jsonl")}
    eq((got["1"]["question"], got["1"]["answer"], got["2"]["answer"], got["3"]["exit_status"]),
       ('What, is "7"?\nreally', "It is 14.", "It is 16.", 2), "CSV: quotes, line ends, empty fields, files")
    like(batch(home, "d.csv", "--out", "x.jsonl", url=url).err, 'no column "question"', "a CSV without questions")
    for args, what in (((), "needs a file"), (("none.jsonl", "--out", "x"), "none.jsonl"), (("q.csv",), "--out"),
                       (("q.csv", "--out", "x.jsonl", "--shard", "3/2"), "no shard 3 of 2"),
                       (("q.csv", "--out", "x.jsonl", "--shard", "x"), "not I/N"),
                       (("q.csv", "--out", "x.jsonl", "--shard", "auto"), "SLURM_ARRAY_TASK_ID"),
                       (("q.csv", "--out", "/nonexistent/x.jsonl"), "/nonexistent/x.jsonl"),
                       (("q.csv", "--out", "x.jsonl", "-o", "y"), "no flag of agent batch")):
        r = batch(home, *args, url=url)
        ok(r.status in (1, 2) and what in r.err, f"batch {' '.join(args)}: {what}", r.status, r.err)
    r = batch(home, "q.csv", "--out", "out.jsonl", "--resume", url=url)
    like(r.err, "other questions", "--resume with another list of questions")

    # a cost limit over all
    home = new_home()
    (home / "work" / "q.jsonl").write_text("".join(json.dumps({"question": f"number {i}"}) + "\n" for i in range(30)))
    r = batch(home, "q.jsonl", "--out", "out.jsonl", "-j", "3", "--max-cost", "0.1", url=url)
    got = lines(home)
    spent = sum(x["usage"].get("cost_usd", 0) for x in got)
    ok(r.status == 7 and spent <= 0.1 + 1e-9 and 5 <= len(got) < 30, "--max-cost is for all together",
       r.status, spent, len(got), r.err)
    r = batch(home, "q.jsonl", "--out", "out.jsonl", "-j", "3", "--max-cost", "10", "--resume", url=url)
    eq(sorted(x["index"] for x in lines(home) if x["exit_status"] == 0), list(range(30)),
       "a higher limit asks the rest, each once") if all(x["exit_status"] == 0 for x in got) else \
        ok(sorted({x["index"] for x in lines(home)}) == list(range(30)), "a higher limit asks the rest")

    # killed at random moments, resumed until all is there
    home = new_home()
    (home / "work" / "q.jsonl").write_text("".join(json.dumps({"question": f"cell {i}"}) + "\n" for i in range(12)))
    seed = int(os.environ.get("TEST_SEED") or random.randrange(1 << 30))
    print(f"# TEST_SEED={seed}")
    chance = random.Random(seed)
    left = []
    for round in range(6):
        p = start("batch", "q.jsonl", "--out", "out.jsonl", "--resume", "-j", "3", "--stream=false", "-m", "scripted",
                  url=url, home=home, cwd=home / "work")
        time.sleep(chance.uniform(0.05, 1.2))
        p.process.kill()
        finish(p)
        left += p.left.values()
    eq(left, [], "SIGKILL of the batch leaves no worker and no sandbox")
    r = batch(home, "q.jsonl", "--out", "out.jsonl", "--resume", "-j", "3", url=url)
    got = lines(home)
    eq((r.status, sorted(x["index"] for x in got), {x["answer"] == f"It is {2 * x['index']}." for x in got}),
       (0, list(range(12)), {True}), "after six kills every question is answered exactly once")
    with open(home / "work" / "out.jsonl", "r+b") as f:
        f.truncate(f.seek(0, 2) - 20)
    batch(home, "q.jsonl", "--out", "out.jsonl", "--resume", url=url)
    eq(sorted(x["index"] for x in lines(home)), list(range(12)), "a line that was cut is asked again")

    # Ctrl-C: what runs is waited for
    home = new_home()
    (home / "work" / "q.jsonl").write_text("".join(json.dumps({"question": f"slow {i}"}) + "\n" for i in range(20)))
    p = start("batch", "q.jsonl", "--out", "out.jsonl", "-j", "2", "--stream=false", "-m", "scripted", url=url, home=home,
              cwd=home / "work")
    while not asked or "slow" not in asked[-1][1]:
        time.sleep(0.05)
    p.process.send_signal(signal.SIGINT)
    r = finish(p)
    ok(r.status == 130 and 1 <= len(lines(home)) < 20 and all(x["exit_status"] == 0 for x in lines(home)),
       "one SIGINT: no new questions, those that run are finished", r.status, r.err)
    like(r.err, "--resume", "and it says how to go on")

    # shards
    home = new_home()
    (home / "work" / "q.jsonl").write_text("".join(json.dumps({"question": f"number {i}"}) + "\n" for i in range(7)))
    batch(home, "q.jsonl", "--out", "p1.jsonl", "--shard", "1/3", url=url)
    batch(home, "q.jsonl", "--out", "p2.jsonl", "--shard", "auto", url=url,
          env={"SLURM_ARRAY_TASK_ID": "6", "SLURM_ARRAY_TASK_MIN": "5", "SLURM_ARRAY_TASK_COUNT": "3"})
    eq(sorted(x["index"] for x in lines(home, "p2.jsonl")), [1, 4], "a Slurm array task takes its part")
    r = batch(home, "merge", "--out", "all.jsonl", "p1.jsonl", "p2.jsonl", url=url)
    eq((r.status, [x["index"] for x in lines(home, "all.jsonl")]), (9, [0, 1, 3, 4, 6]),
       "a missing shard is told by merge")
    batch(home, "q.jsonl", "--out", "p3.jsonl", "--shard", "auto/3", url=url, env={"JOB_COMPLETION_INDEX": "2"})
    r = batch(home, "merge", "--out", "all.jsonl", "p3.jsonl", "p1.jsonl", "p2.jsonl", "p1.jsonl", url=url)
    eq((r.status, [x["index"] for x in lines(home, "all.jsonl")]), (0, list(range(7))), "merged: in order, each once")
    like(r.err, r"3 that were there twice", "which is said")

# one 429 slows all workers
times = []


def limited(request):
    with lock:
        times.append(time.monotonic())
        if len(times) == 3:
            return {"status": 429, "headers": {"Retry-After": "2"}, "json": {"error": {"message": "slow down"}}}
    return {"text": "fine", "usage": {"cost": 0}}


with AnyService(limited) as s:
    home = new_home()
    (home / "work" / "q.jsonl").write_text("".join(json.dumps({"question": f"x {i}"}) + "\n" for i in range(16)))
    r = batch(home, "q.jsonl", "--out", "out.jsonl", "-j", "4", url=s.url + "/v1")
    after = [t - times[2] for t in times[3:]]
    # Requests that were on their way when the answer came are not called back.
    ok(r.status == 0 and len(lines(home)) == 16 and sum(t < 1.9 for t in after) <= 3,
       "after a 429 all workers wait", r.status, r.err, after)
done()
