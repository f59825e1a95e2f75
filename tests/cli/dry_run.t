#!/usr/bin/python3
"""--dry-run: the first request is printed, nothing is sent, nothing runs, the key is nowhere."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

data = write("sales.csv", "a,b\n1,4711\n")
r = run("what is b?", "--dry-run", "-f", data, script=[say("never", times=0)])
eq((r.status, r.requests), (0, []), "nothing is sent")
like(r.out, r"POST http://127\.0\.0\.1:\d+/v1/chat/completions", "method and address")
like(r.out, r"what is b\?", "the question")
like(r.out, r"4711", "what the model would be told of the file")
eq((KEY in r.out, KEY in r.err), (False, False), "the key is not shown")
like(r.out, r"(?i)authorization: ", "its header is, without it")
r = run("what is b?", "--dry-run", "--ephemeral", url="http://127.0.0.1:9/v1")
eq(r.status, 0, "no service is needed")
done()
