#!/usr/bin/python3
"""Charts in the terminal: the terminal is asked, its answer decides, and what it gets is the file
that the code made. The terminal is a pseudo-terminal that answers as kitty, iTerm2 and others do."""
import base64
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from screen import *

if pyte is None:
    skip_all("python3-pyte is not installed")

# A picture by the standard library alone: red above blue, 40 x 20.
DRAW = """import zlib, struct
def chunk(t, d): return struct.pack('>I', len(d)) + t + d + struct.pack('>I', zlib.crc32(t + d))
rows = b''.join(b'\\0' + (b'\\xff\\0\\0' if y < 10 else b'\\0\\0\\xff') * 40 for y in range(20))
open('chart.png', 'wb').write(b'\\x89PNG\\r\\n\\x1a\\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', 40, 20, 8, 2, 0, 0, 0))
                              + chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b''))
"""
SCRIPT = [code(DRAW, "Draw"), code("print(2)", "Go on"), say("See the chart.")]
QUESTION = b"\x1b[c"
SIXEL = b"\x1b[?62;4;22c"
KITTY = b"\x1b_Gi=4211;OK\x1b\\\x1bP>|kitty(0.35)\x1b\\\x1b[6;20;10t\x1b[?62c"
ITERM = b"\x1bP>|iTerm2 3.5.0\x1b\\\x1b[?62;4c"


def show(name, *args, answer=None, how=SCRIPT, **more):
    with Screen(*args, "draw", script=how, answers={QUESTION: answer} if answer else None, **more) as s:
        r = s.end()
        eq(r.status, 0, f"{name}: answered")
        s.png = (r.record.path / "artifacts" / "chart.png").read_bytes() if r.artifacts else b""
        s.pictures = len(re.findall(rb"\x1bP0;1q|\x1b_Ga=T|\x1b\]1337;File=", s.raw))
        return s


def sixels(data):
    """{(x, y): (r, g, b) in per cent} of a sixel picture."""
    body = re.search(rb"\x1bP0;1q(.*?)\x1b\\", data, re.S)[1].decode()
    colours, pixels, x, y, now = {}, {}, 0, 0, None
    for token in re.findall(r'"[\d;]+|#[\d;]+|!\d+.|.', body, re.S):
        if token[0] == "#" and ";" in token:
            n, _, *rgb = map(int, token[1:].split(";"))
            colours[n] = tuple(rgb)
        elif token[0] == "#":
            now = colours[int(token[1:])]
        elif token == "$":
            x = 0
        elif token == "-":
            x, y = 0, y + 6
        elif token[0] != '"' and not token.isspace():
            times = int(token[1:-1]) if token[0] == "!" else 1
            for _ in range(times):
                for bit in range(6):
                    if (ord(token[-1]) - 63) >> bit & 1:
                        pixels[x, y + bit] = now
                x += 1
    return pixels


s = show("kitty", answer=KITTY)
parts = re.findall(rb"\x1b_G(?:a=T,f=100,q=2,c=(\d+),)?m=[01];([^\x1b]*)\x1b\\", s.raw)
eq(base64.b64decode(b"".join(p[1] for p in parts)), s.png, "kitty gets the file itself")
eq(parts[0][0], b"4", "as many columns wide as its pixels are, by the size that the terminal told")
eq(s.raw.count(b"\x1b_Gi=4211"), 1, "the terminal is asked once")
s = show("iTerm2", answer=ITERM)
found = re.search(rb"\x1b\]1337;File=inline=1;size=(\d+);width=\d+;preserveAspectRatio=1:([^\x07]*)\x07", s.raw)
ok(found and base64.b64decode(found[2]) == s.png and int(found[1]) == len(s.png), "iTerm2 gets the file itself")
s = show("sixel", answer=SIXEL)
pixels = sixels(s.raw)
eq((max(x for x, _ in pixels) + 1, max(y for _, y in pixels) + 1, len(pixels)), (40, 20, 800), "sixel: every pixel once")
eq({pixels[p] for p in ((0, 0), (39, 9))} | {pixels[p] for p in ((0, 10), (39, 19))}, {(100, 0, 0), (0, 0, 100)},
   "sixel: the colours are where they were")
s = show("a terminal that cannot", answer=b"\x1b[?62;22c")
eq(s.pictures, 0, "a terminal that says no other gets none")
like(s.text().replace("\n", ""), r"file: .*chart\.png", "but the path")
s = show("a terminal that keeps silent")
eq(s.pictures, 0, "a terminal that does not answer gets none")
unlike(s.text(), r"4211|\[\?62", "the question leaves nothing on the screen")
s = show("late", answer=KITTY[:20])
eq(s.pictures, 0, "half of an answer is none")
s = show("never", "--inline-images", "never", answer=KITTY)
ok(s.pictures == 0 and QUESTION not in s.raw, "inline_images = never: not even asked")
s = show("said", "--inline-images", "sixel")
ok(s.pictures == 1 and QUESTION not in s.raw, "inline_images = sixel: shown without asking")
s = show("no picture", how=[code("print(1)"), say("1")], answer=KITTY)
ok(QUESTION not in s.raw, "without a picture the terminal is not asked")
s = show("quiet", "-q", answer=KITTY)
ok(s.pictures == 0 and QUESTION not in s.raw, "-q: no picture")
with Screen("draw", script=[code("open('chart.png', 'wb').write(b'\\x89PNG\\r\\n\\x1a\\n' + b'\\x1b[2J' * 99)", "Fake"),
                            say("No.")], answers={QUESTION: SIXEL}) as s:
    eq(s.end().status, 0, "a file that only begins as a picture")
    ok(b"\x1bP0;1q" not in s.raw and b"\x1b[2J" not in s.raw, "is not shown")
r = run("draw", "--inline-images", "kitty", script=SCRIPT)
ok(b"\x1b" not in r.raw_err and b"\x1b" not in r.raw_out, "a pipe never gets one")
done()
