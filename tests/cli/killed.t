#!/usr/bin/python3
"""SIGKILL at any moment: the record still loads, what was paid for is there, no process is left."""
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

SCRIPT = [code("open('one.txt', 'w').write('1')\nprint('one done')"),
          code("import subprocess\nsubprocess.Popen(['sleep', '300'])\nprint('two done')"),
          code("import time\nfor i in range(40):\n    print('tick', i, flush=True)\n    time.sleep(0.02)"),
          say("All done. " * 50, gap=0.002)]
ROUNDS = 24
seed = int(os.environ.get("TEST_SEED") or time.time())
print(f"# TEST_SEED={seed}", flush=True)
rng = random.Random(seed)

whole = run("steps", script=SCRIPT)
eq(whole.status, 0, "undisturbed, the run answers")
length = whole.seconds
left, torn, broken, lost, loaded = [], [], [], [], 0
for i in range(ROUNDS):
    with Provider(SCRIPT) as provider:
        r = start("-m", "scripted", "steps", url=provider.url)
        moment = rng.uniform(0, length * 1.05)
        time.sleep(moment)
        told = provider.read()
        r.process.kill()
        finish(r, 15, keep=[provider.process.pid])
    r.litter = []  # nobody is left to take it away
    if r.left:
        left.append((f"{moment:.3f}", r.left))
    rec = r.record
    if rec is None:
        # Before the first request goes out there need be no record; after it there must be.
        if told:
            lost.append(f"{moment:.3f}: no record, but {len(told)} requests went out")
        continue
    loaded += 1
    broken += [f"{moment:.3f}: {b}" for b in rec.broken]
    # What the model was told before the kill must have been on record before it was sent.
    for word in ("one done", "two done"):
        if any(word in json.dumps(q.get("body")) for q in told) and word not in rec.text():
            lost.append(f"{moment:.3f}: {word!r} was sent, but is not on record")
ok(loaded >= ROUNDS // 3, "most kills came after the record had begun", loaded)
eq(left, [], f"{ROUNDS} kills at random moments: no process was left")
eq(broken, [], "every whole line of every record loads")
eq(lost, [], "what the model was told is on record")
done()
