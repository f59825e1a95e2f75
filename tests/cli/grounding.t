#!/usr/bin/python3
"""An answer's numbers are looked up in what the code printed: mended once, then told, recorded, and
with --strict fatal."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

PRINT = code("print('total', 48213, 'share', 0.39327)")


def grounding(r):
    events = [e for e in r.record.events if e["type"] == "grounding"]
    return [(e["checked"], [u["text"] for u in e["unmatched"]]) for e in events]


r = run("sum it up", script=[PRINT, say("The total is 48,213, a share of 39.3 %.")])
eq((r.status, r.err.count("not in what")), (0, 0), "what was printed is found")
eq(grounding(r), [(2, [])], "the record says what was checked")
eq(json.loads(r.record.file("manifest.json"))["grounding"], {"checked": 2, "unmatched": []},
   "and so does the manifest")

r = run("sum it up", script=[PRINT, say("The total is 48,231."), say("The total is 48,213.")])
eq((r.status, r.out), (0, "The total is 48,213.\n"), "a wrong number is mended")
like(r.bodies()[-1]["messages"][-1]["content"], r"^- 48,231 +\(in: The total is 48,231\.\)$",
     "the model is told which, in its words")
eq(grounding(r), [(1, ["48,231"]), (1, [])], "both looks are in the record")
unlike(r.err, "not in what the code printed or made:", "what was mended is no warning")

r = run("sum it up", script=[PRINT, say("The total is 1."), code("print(48213 + 7)"),
                            say("The total is 48220.")])
eq((r.status, r.out), (0, "The total is 48220.\n"), "the model may run code to prove a number")

r = run("chat", send=b"first\nsecond\n", script=[
    code("open('t.csv', 'w').write('a\\n4711\\n')"), say("It is 4,711, in t.csv."),
    code("open('t.csv', 'w').write('a\\n4712\\n')"), say("It is 4,712, in t.csv.")])
eq(grounding(r), [(2, []), (2, [])], "what a cell wrote into a file counts, also where a later one wrote it anew")

WRITE = "open('t.csv', 'w').write('4711\\n' + 'x' * (%d - 5))"
for size, found in ((4 << 20, True), ((4 << 20) + 1, False)):
    r = run("sum it up", script=[code(WRITE % size), say("It is 4711."), say("It is 4711.")])
    eq((r.status, grounding(r)[-1]), (0, (1, [] if found else ["4711"])), f"a file of {size} bytes is {'' if found else 'not '}looked into")

r = run("sum it up", script=[PRINT, say("It is 777 in chart.png."), say("It is 778 in chart.png.")])
eq((r.status, r.out), (0, "It is 778 in chart.png.\n"), "it is asked once only")
like(r.err, r"2 of 2 numbers and files in the answer are not in what the code printed", "the rest is told")
like(r.err, r"- 778 +\(in: It is 778 in chart\.png\.\)", "with its words")
like(r.err, r"- chart\.png ", "an invented file too")
eq([u["kind"] for u in json.loads(r.record.file("manifest.json"))["grounding"]["unmatched"]],
   ["file", "number"], "the manifest has both")

r = run("sum it up", "--strict", script=[PRINT, say("It is 777."), say("It is 778.")])
eq((r.status, r.out), (9, "It is 778.\n"), "--strict: status 9, the answer is printed all the same")
like(r.err, r"--strict.*778", "and it says which")
r = run("sum it up", "--strict", script=[say("It is 777."), say("It is 777.")])
eq(r.status, 9, "--strict: without any code nothing is proved")
r = run("sum it up", "--strict", script=[PRINT, say("It is 48213.")])
eq(r.status, 0, "--strict: what was printed is good")
r = run("sum it up", "--no-grounding", script=[PRINT, say("It is 777.")])
eq((r.status, grounding(r)), (0, []), "--no-grounding checks nothing")
r = run("sum it up", script=[say("It is 777.")])
eq((r.status, grounding(r)), (0, []), "an answer without code is not asked for proof")

r = run("sum it up", "-n", "2", script=[PRINT, say("It is 777.")])
eq((r.status, r.out), (6, "It is 777.\n"), "in the last turn nothing can be mended")
like(r.err, r"- 777 ", "but it is told")
r = run("sum it up", "--retries", "0", script=[PRINT, say("It is 777."), refusal(500, times=0)])
eq((r.status, r.out), (0, "It is 777.\n"), "a service that fails meanwhile does not cost the answer")
like(r.err, r"could not be mended", "which is said")
r = run("sum it up", "--strict", "--retries", "0", script=[PRINT, say("It is 777."), refusal(500, times=0)])
eq(r.status, 9, "--strict holds also where mending came to nothing")
like(r.err, r"--strict\); the first: 777", "and says which")

table = write("t.csv", "a,b\n1,4711\n")
r = run("what is the largest of the 3 above 0.5 in 2026?", "-f", table, script=[
    code("open('out.csv', 'w').write('x,12345.678\\n')\nimport json\nprint(1)"),
    say("Of the 3 above 0.5 in 2026 it is 12,345.68 (out.csv); t.csv says 4,711.")])
eq((r.status, grounding(r)), (0, [(7, [])]),
   "the question, the attachment's first lines, and files that were made count")
r = run("sum", "--ephemeral", script=[code("open('out.csv', 'w').write('x,12345.678\\n')\nprint(1)"),
                                      say("12,345.68, in out.csv.")])
eq((r.status, r.err.count("not in what")), (0, 0), "also without a record")
done()
