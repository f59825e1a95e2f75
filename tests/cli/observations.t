#!/usr/bin/python3
"""What the model is told about a cell: clipped with exact counts, harmless, the traceback last."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

NOTE = r"(\d+) bytes, (\d+) lines cut[^\n]*?(/[\w./-]+)"


def cell(source, *args, **more):
    r = run("look", *args, script=[code(source), say("ok")], **more)
    r.told = r.observations[0] if r.observations else ""
    return r


def harmless(text):
    """The characters that do something to a terminal or a parser."""
    return sorted({hex(ord(c)) for c in text
                   if (ord(c) < 32 and c not in "\n\t") or 127 <= ord(c) < 160
                   or 0xd800 <= ord(c) < 0xe000 or c in "\u202e\u2066"})


# --- errors
r = cell("a = 1\nb = 0\n\ndef ratio(x, y):\n    return x / y\n\nratio(a, b)\n")
like(r.told, r"ZeroDivisionError: division by zero", "an error is told by name and message")
like(r.told, r"line 7", "with the cell's own line of the call")
like(r.told, r"line 5, in ratio", "and the line where it was raised")
like(r.told, r"return x / y", "and the source line itself")
ok(r.told.rstrip().endswith("ZeroDivisionError: division by zero"), "the error is the last thing",
   clip(r.told))
unlike(r.told, r"driver\.py|/run/sandbox", "no frame of ours is in the traceback")
eq(r.status, 8, "a run in which no cell succeeded has status 8")
r = cell("try:\n    {}['missing']\nexcept KeyError as e:\n    raise ValueError('bad row') from e")
like(r.told, r"(?s)KeyError: 'missing'.*direct cause.*ValueError: bad row", "causes are kept")
r = cell("print('before')\nx = = 1\n")
like(r.told, r"(?s)line 2.*x = = 1.*SyntaxError", "a syntax error shows its line")
unlike(r.told, r"^before$", "and nothing of that cell ran")

# --- clipping: the default cap is 10,000 characters a stream
full = "".join(f"line {i:06d}\n" for i in range(5000))
r = run("much", script=[code("for i in range(5000): print(f'line {i:06d}')"),
                        code("s = open('{3}').read()\nprint('read', len(s), s.count('\\n'), "
                             "hash(s) == hash(''.join(f'line %06d\\n' % i for i in range(5000))))",
                             find=NOTE),
                        say("ok")])
told = r.observations[0]
ok(len(told) < 11000, "long output is clipped to the cap", len(told))
gone = full[5000:-5000]
m = re.search(NOTE, told)
if ok(m, "the clip says what was cut and where the whole text is", clip(told)):
    eq((int(m[1]), int(m[2])), (len(gone), gone.count("\n")), "bytes and lines cut are exact")
ok(full[:5000] in told, "the head is kept")
ok(full[-5000:].rstrip("\n") in told, "the tail is kept")
like(r.observations[1], rf"^read {len(full)} 5000 True$", "the next cell can read the whole text")
whole = [p for p in r.record.path.rglob("*") if p.is_file() and p.stat().st_size == len(full)
         and p.read_text() == full]
ok(whole, "the record keeps the whole text")

r = cell("print('é' * 30000)")
m = re.search(NOTE, r.told)
ok(m and int(m[1]) == 2 * (30001 - 10000),
   "the cap is in characters, the count in bytes, no character is split", clip(r.told, 400))
eq(r.told.count("é"), 9999, "as many characters as the cap are kept, the newline among them")
r = cell("print('x' * 900)\nimport sys\nprint('y' * 700, file=sys.stderr)", "--output-cap", "500")
eq((r.told.count("x") >= 500, r.told.count("y") >= 500), (True, True),
   "each stream has its own cap")
eq([int(a) for a, b, c in re.findall(NOTE, r.told)], [901 - 500, 701 - 500],
   "--output-cap: each stream's cut is counted")
r = cell("print('q' * 9999)")
unlike(r.told, r"bytes, \d+ lines cut", "output of exactly the cap is not clipped")
r = cell("'z' * 40000")
ok(len(r.told) < 12000, "a long value is clipped too", len(r.told))
like(r.told, NOTE, "and says so")

# --- the traceback is whole and last, however much was printed
r = cell("import sys\nprint('o' * 50000)\nprint('e' * 50000, file=sys.stderr)\n"
         "def deep(n):\n    if n == 0:\n        raise RuntimeError('the end ' + 'm' * 3000)\n"
         "    deep(n - 1)\ndeep(2)")
like(r.told, r"RuntimeError: the end m{3000}\s*\Z", "traceback after 100,000 bytes: whole and last")
eq(r.told.count("in deep"), 3, "all its frames are there")
eq(len(re.findall(NOTE, r.told)), 2, "both streams were clipped")

# --- control bytes and broken text
r = cell("import sys\nprint('\\x1b[31mred\\x1b[0m \\x07 \\x08 \\x9b1m \\x7f \\u202e end')\n"
         "sys.stdout.flush()\nsys.stdout.buffer.write(b'\\xff\\xfe caf\\xe9 \\xed\\xa0\\x80 \\x00 z\\n')\n"
         "print('\\ud800'.encode('utf-8', 'surrogatepass')[:1])", "-v", "--show-code")
eq(harmless(r.told), [], "no control byte and no broken UTF-8 reaches the model")
like(r.told, r"red.*end", "the text around them does")
like(r.told, r"caf", "bytes that are no UTF-8 do not lose the rest of the line")
eq(harmless(r.err), [], "nor the terminal, even with -v --show-code")
r = cell("raise ValueError('\\x1b]0;title\\x07 \\x00 boom')")
eq(harmless(r.told), [], "an error's message is made harmless too")
like(r.told, r"ValueError: .*boom", "and is still readable")
r = run("spoof", script=[code("print('x')", "\x1b[2J\x1b]0;owned\x07 nice"),
                         say("answer \x1b[31mred\x07 \u202e end")])
eq(harmless(r.err), [], "a description cannot drive the terminal")
eq(harmless(r.out), [], "nor can an answer")
like(r.out, r"^answer .*red.* end$", "the answer's text is there")
r = cell("import sys\nfor i in range(101): sys.stdout.write(f'\\r{i}% done')\nprint()\nprint('ready')")
like(r.told, r"(?s)100% done.*ready", "a progress bar keeps its last state")
ok(r.told.count("% done") < 5, "and not every state it had", r.told.count("% done"))

# --- nothing printed, output by children, order of output and values
r = cell("x = 1")
ok(r.told.strip(), "a cell that prints nothing is still answered in words", repr(r.told))
r = cell("import subprocess\nsubprocess.run(['/bin/sh', '-c', 'echo from a child; echo err >&2'])\n"
         "print('parent')")
like(r.told, r"from a child", "a child process's output is captured")
like(r.told, r"(?s)stderr:.*err", "and its standard error, named as such")
r = cell("print('one')\ndisplay({'a': 1})\nprint('two')\n[3]")
like(r.told, r"(?s)one.*\{'a': 1\}.*two.*\[3\]", "output and values are in the order they came")

# --- limits of a cell, told to the model
r = run("slow", "--timeout", "1s", script=[
    code("keep = 5\nimport time\nprint('begun', flush=True)\ntime.sleep(60)"),
    code("print('kept', keep)"), say("ok {1}", find=r"^(kept 5)$")])
eq((r.status, r.out), (0, "ok kept 5\n"), "a cell over its time is interrupted; variables survive")
like(r.observations[0], r"(?s)begun.*(time|1 ?s)", "the model is told of the limit, and what came before")
r = run("stubborn", "--timeout", "1s", script=[
    code("lost = 5\nother = 6"),
    code("import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: time.sleep(1)"),
    code("print('lost' in globals())"), say("ok {1}", find=r"^(False)$")])
eq((r.status, r.out), (0, "ok False\n"), "a cell that ignores the interrupt is killed")
like(r.observations[1], r"\blost\b.*\bother\b|\bother\b.*\blost\b", "the model is told which names were lost")
ok(r.seconds < 12 * PATIENCE, "in good time", r.seconds)
r = run("memory", "--memory", "400m", script=[
    code("keep = 1\nprint('small')"), code("b = bytearray(1 << 30)\nb[::4096] = b'x' * len(b[::4096])"),
    code("print('alive')"), say("ok {1}", find=r"^(alive)$")])
eq((r.status, r.out), (0, "ok alive\n"), "a cell that takes too much memory does not end the run")
like(r.observations[1], r"(?i)memory", "the model is told that it was memory")
r = run("gone", script=[code("import os\nos._exit(3)"), code("print('again')"),
                        say("ok {1}", find=r"^(again)$")])
eq((r.status, r.out), (0, "ok again\n"), "a cell that ends the interpreter does not end the run")
like(r.observations[0], r"(?i)exit|ended|status 3", "the model is told so")
done()
