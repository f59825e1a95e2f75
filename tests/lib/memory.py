"""What the sandboxes of an `agent batch' take of memory, warmed up, each at its second turn. For root: the
processes of a sandbox show nobody else what they use."""
import json
import os
import threading
import time

from anyservice import AnyService
from harness import finish, new_home, start

IDLE = "print(1)"
BUSY = "import pandas\nf = pandas.DataFrame({'a': [1, 1, 2], 'b': [1., 2., 4.]})\nprint(f.groupby('a').b.sum())"


def reply_at_once(request, cell):
    return {"text": "done"} if any(m["role"] == "tool" for m in request["body"]["messages"]) else \
        {"calls": [cell], "text": ""}


def read(pid, name):
    try:
        with open(f"/proc/{pid}/{name}") as f:
            return f.read()
    except OSError:     # it has ended
        return ""


def below(pid):
    """The process and all that it started, and they."""
    found, text = [pid], read(pid, f"task/{pid}/children")
    for child in text.split():
        found += below(int(child))
    return found


def own_kb(pid):
    """Its proportional set size but for files in memory, of which the image is one."""
    sizes = dict(line.split()[:2] for line in read(pid, "smaps_rollup").split("\n") if line.count(" kB"))
    return int(sizes.get("Pss:", 0)) - int(sizes.get("Pss_Shmem:", 0))


def image_kb(pid):
    """The whole image, mapped or not; 0 if there is none."""
    for n in os.listdir(f"/proc/{pid}/fd"):
        if os.readlink(f"/proc/{pid}/fd/{n}").startswith("/memfd:template"):
            return os.stat(f"/proc/{pid}/fd/{n}").st_blocks // 2
    return 0


def total_kb(batch):
    boxes = [p for p in below(batch) if read(p, "cmdline").startswith("agent-sandbox\0")]
    return sum(own_kb(p) for p in {q for box in boxes for q in below(box)}) + image_kb(batch)


def settled_kb(batch):
    """Once it has not changed for a second: the template is warm."""
    now, since = 0, time.monotonic()
    while time.monotonic() < since + 1:
        time.sleep(0.1)
        was, now = now, total_kb(batch)
        if abs(was - now) > 500:
            since = time.monotonic()
    return now


def measure(n, cell, *flags):
    """KB of `n` sandboxes at the same time, with the image that they share. Each has run the cell."""
    hold, waiting = threading.Event(), threading.Semaphore(0)

    def answer(request):
        if not any(m["role"] == "tool" for m in request["body"]["messages"]):
            return {"calls": [cell], "text": ""}
        waiting.release()
        hold.wait(120)
        return {"text": "done"}

    home = new_home()
    with AnyService(answer) as service:
        rows = [json.dumps({"question": f"q {i}"}) + "\n" for i in range(n + 1)]  # one more than run: else none is shared
        (home / "work" / "q.jsonl").write_text("".join(rows))
        r = start("batch", "q.jsonl", "--out", "o.jsonl", "-j", str(n), "--stream=false", "-m", "scripted", *flags,
                  url=service.url + "/v1", home=home, cwd=home / "work")
        for _ in range(n):
            assert waiting.acquire(timeout=120), "a question got no cell"
        total = settled_kb(r.process.pid)
        hold.set()
        finish(r, timeout=120)
    return total
