#!/usr/bin/python3
"""The live view in a real pseudo-terminal, seen through a terminal emulator. The screens are kept
in tests/data/screens; UPDATE_SCREENS=1 writes them anew (then look at them)."""
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from screen import *

if pyte is None:
    skip_all("python3-pyte is not installed")

REPORT = """# Sales by region

The **total** is {1}, by `df.sum()`; a [source](http://example.org/data).

| Region | Sum | What the people of this region said of it |
|:-------|----:|:------------------------------------------|
| North | 12 | Nothing that would be worth the space that it would take up here |
| 東京 | 30 | 売り上げは去年よりも多かったが、その理由はまだ分からない |

- one point that is made at such length that it cannot be in a single line of a terminal
- another

```python
def total(df):
    return df["sum"].sum()  # all of it
```
"""
SLOW = "import time\nfor i in range(30):\n    print('row', i, flush=True)\n    time.sleep(0.1)\n"
SCRIPT = [code("print(12 + 30)", "Add the regions", text="I will **add** the regions first.\n\n"),
          code("{}['Süd']", "Look for the south"),
          code("from pathlib import Path\nPath('regions.csv').write_text('a')\nprint(42)",
               "Write down the regions, with a description that takes up more room than there is"),
          say(REPORT, find=r"^(42)$", gap=0.002)]
FIRST = Screen("x", script=[code("print(1)"), say("1")])  # what is looked for once is in the cache
FIRST.__enter__()
FIRST.end()
FIRST.__exit__()


def view(name, columns, *args, script=SCRIPT, **how):
    with Screen(*args, "--out-dir", "out", "what were the sales?", script=script, columns=columns, **how) as s:
        r = s.end()
        eq(r.status, 0, f"{name}: answered")
        looks_like(s.text(), name, f"{name}: the screen")
        return s


view("live-80", 80)
view("live-40", 40)
view("live-20", 20)
s = view("live-ascii", 60, env={"LANG": "C", "LC_ALL": None})
unlike(s.text().replace("Süd", "").replace("東京", ""), r"[✓✗│─•⠋…]", "LANG=C: our own signs are ASCII")
s = view("live-no-color", 80, env={"NO_COLOR": "1"})
ok(b"\x1b[3" not in s.raw and b"\x1b[0;" not in s.raw, "NO_COLOR: no colour sequence at all")
s = view("live-dumb", 80, term="")
ok(b"\x1b" not in s.raw, "no TERM: no escape sequence at all")
s = view("live-verbose", 80, "-v")
like(s.raw.decode(), r"\x1b\[0;35mimport", "-v: the code has colours")
view("live-quiet", 80, "-q")

# While it runs.
with Screen("count", script=[code(SLOW, "Count slowly"), say("There were 30 rows.")]) as s:
    if s.until(r"row 6\n"):
        shown = s.text()
        like(shown, r"^    row \d+\n    row \d+\n    row \d+\n    row \d+\n    row 6\n. \[1\] Count slowly",
             "the last five lines of the output stand above the moving line")
    s.until(r"\[1\] Count slowly 2s", "the time that the cell has run is told")
    # made narrow and wide again in the middle
    s.resize(40)
    s.until(r"row 2\d", "the window is made narrower")
    like(s.text(), r"^    row \d+\n. \[1\] Count slowly \ds$", "and the view fits")
    s.resize(100)
    r = s.end()
    eq(r.status, 0, "a resize: answered")
    looks_like(s.text(), "live-resized", "a resize: the screen at the end")

# Text as it comes.
with Screen("tell", script=[say("| a | b |\n|---|---|\n| 1 | **2** |\n| 3 | 4 |\n\nLast words.\n", gap=0.3)]) as s:
    s.until(r"^a +│ b\n─+┼─+\n1 +│ 2$", "a table is aligned while it grows")
    r = s.end()
    eq(r.status, 0, "text: answered")
    eq(s.text(), "a │ b\n──┼──\n1 │ 2\n3 │ 4\n\nLast words.\n\n" + s.text().splitlines()[-1] + "\n",
       "the answer is on the screen once")

# Standard output is elsewhere.
with open(BOX / "answer", "wb") as out, \
        Screen("tell", script=[code("print(7)", "Seven", text="I *look*."), say("It is **7**.", gap=0.2)],
               stdout=out) as s:
    s.until(r"^It is 7\.?$", "the answer is seen while it comes")
    r = s.end()
    looks_like(s.text(), "live-redirected", "it leaves the screen when it goes elsewhere")
    eq((BOX / "answer").read_text(), "It is **7**.\n", "where it is as the model wrote it")

# Ctrl-C.
with Screen("wait", script=[code("print(1)", "One"), say("Thinking aloud about this. " * 50, gap=0.3)]) as s:
    s.until(r"Thinking aloud")
    s.keys("\x03")
    r = s.end()
    eq(r.status, 130, "Ctrl-C in a turn: the status says so")
    like(s.text(), r"\n\nThinking aloud(.*\n)+\ndone: .*\nagent: stopped by SIGINT\n",
         "Ctrl-C in a turn: what had come stays on the screen")
with Screen("wait", script=[code(SLOW * 20, "Count for ever"), say("no")]) as s:
    s.until(r"row 3")
    s.keys("\x03")
    r = s.end()
    eq(r.status, 130, "Ctrl-C in a cell: the status says so")
    like(s.text(), r"^✗ \[1\] Count for ever  not finished\ndone: .*\nagent: stopped by SIGINT",
         "Ctrl-C in a cell: the cell has a line, and why it ended")

# Nothing foreign drives the terminal.
EVIL = "\x1b]0;owned\x07\x1b[2J\x1b[31mred\x9b5m\u202e"
with Screen("evil", script=[
        code(f"print({EVIL!r}, flush=True)\nimport time; time.sleep(0.5)\n"
             f"open('a\\x1b[2J\\nb', 'w').write('x')\nraise ValueError({EVIL!r})", "Do\x1b[2J evil\x07"),
        say(EVIL + "\n\n```\n" + EVIL + "\n```\n| a |\n|---|\n| " + EVIL + " |\n")]) as s:
    r = s.end()
    eq(r.status, 8, "no cell succeeded")
    bare = re.sub(rb"\x1b\[[0-9;]*m|\x1b\[\d*A|\x1b\[[JK]|\r", b"", s.raw)
    ok(not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80\xae|\x1b", bare),
       "no control sequence of the model's, the code's or a file's", bare)
    ok(b"\x1b[2J" not in s.raw and b"\x1b]" not in s.raw, "nor one that looks like ours")
    like(s.text(), r"\\x1b\]0;owned\\x07", "they are shown instead")
done()
