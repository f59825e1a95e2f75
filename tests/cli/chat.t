#!/usr/bin/python3
"""agent chat in a real pseudo-terminal: editing, history, commands, Ctrl-C in a turn and in a cell,
variables across questions; and with questions from a pipe."""
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from screen import *

LOOP = "import time\nx += 1\nwhile True:\n    time.sleep(0.1)\n    print('tick', flush=True)\n"


def asked(r):
    """What the last request says, without the system prompt."""
    return [(m["role"], m.get("content")) for m in r.bodies()[-1]["messages"][1:]]


# --- questions from a pipe ---
r = run("chat", script=[code("x = 40\nprint(x)"), say("It is 40."), code("print(x + 2)"), say("It is 42."),
                        say("Three lines.")],
        send=b"what is x?\n\nand two\\\nmore?\n\"\"\"\none\n\n  two\n\"\"\"\n")
eq(r.status, 0, "a pipe: every question was answered")
eq(r.out, "It is 40.\nIt is 42.\nThree lines.\n", "standard output carries the answers alone")
eq([q[1] for q in asked(r) if q[0] == "user"], ["what is x?", "and two\nmore?", "one\n\n  two"],
   "a backslash and three quotes make one question of several lines")
like(r.observations[1], r"^42$", "variables live across questions")
eq(len(r.sessions), 1, "all is one session")
eq(sum(e["type"] in ("session.start", "session.resume") for e in r.record.events), 3, "of three questions")
chat_id = r.sessions[0].name
home = r.home
r = run("-c", "and now?", home=home, script=[code("print(x * 2)"), say("It is 80.")])
like(r.observations[-1], r"^80$", "agent -c goes on with it: variables are there")
eq([q[1] for q in asked(r) if q[0] == "user"][:3], ["what is x?", "and two\nmore?", "one\n\n  two"],
   "and the conversation")
r = run("chat", "-r", chat_id, home=home, script=[code("print(x * 3)"), say("It is 120.")], send=b"thrice?")
eq((r.status, r.out), (0, "It is 120.\n"), "agent chat -r goes on with any; a last line needs no end")

r = run("chat", script=[refusal(400), say("Better.")], send=b"one\ntwo\n")
eq((r.status, r.out), (4, "Better.\n"), "a question that fails: the next is asked, the status tells")
eq(r.err.count("refused by the script"), 1, "and why is told once")
r = run("chat", script=[say("no")], send=b"/undo\n/save\n/nothing\n/cost\n")
eq((r.status, r.requests), (0, []), "commands alone ask nothing")
like(r.err, r"no command /nothing: /help lists them", "an unknown command")
r = run("chat", script=[say("A.")], send=b"/usr/bin is what?\n")
eq(r.out, "A.\n", "a path at the front is a question")
r = run("chat", "a question", script=[])
eq(r.status, 2, "a question on the command line belongs to agent ask")
r = run("chat", "-o", "x", script=[])
like(r.err, r"-o is no flag of agent chat|--output is no flag of agent chat", "a flag that would change nothing is refused")
r = run("chat", script=[], send=b"")
eq((r.status, r.sessions), (0, []), "no question: no session")

# undo is restored as undone
r = run("chat", script=[say("A."), say("B."), say("C.")], send=b"first\nsecond\n/undo\nthird\n")
eq(asked(r), [("user", "first"), ("assistant", "A."), ("user", "third")], "/undo takes the question and its turns back")
r2 = run("-c", "fourth", home=r.home, script=[say("D.")])
eq(asked(r2), [("user", "first"), ("assistant", "A."), ("user", "third"), ("assistant", "C."), ("user", "fourth")],
   "what was taken back stays so when the session goes on")
r = run("chat", script=[say("A."), say("B.")], send=b"first\n/reset\nsecond\n")
eq(asked(r), [("user", "second")], "/reset forgets the conversation")
r2 = run("-c", "third", home=r.home, script=[say("D.")])
eq(asked(r2), [("user", "second"), ("assistant", "B."), ("user", "third")], "and it stays forgotten")
# what /reset forgets, and what stays; a resumed session forgets the same
r = run("chat", script=[code("x = 1\nopen('kept.txt', 'w').write('kept')"), say("A."),
                        code("print('x' in globals(), open('kept.txt').read())"), say("B.")], send=b"first\n/reset\nsecond\n")
like(r.observations[-1], "^False kept$", "/reset forgets variables, and files stay")
r2 = run("-c", "third", home=r.home, script=[code("print('x' in globals(), open('kept.txt').read())"), say("D.")])
like(r2.observations[-1], "^False kept$", "a session that goes on forgets them at the same place")
unlike(r2.err, "differently|printed something else", "and its cells come out as they did")
r = run("chat", script=[code("x = 1"), say("A."), say("B.")], send=b"first\n/reset\n")
r2 = run("-c", "second", home=r.home, script=[code("print('x' in globals())"), say("D.")])
like(r2.observations[-1], "^False$", "also when nothing was asked after it")
r = run("chat", script=[say("A."), say("B.")], send=b"first\n/model other-one\nsecond\n/model a b/c d/\n")
eq([b["model"] for b in r.bodies()], ["scripted", "other-one"], "/model has another one answer")

# a file before and after the sandbox is there
late = write("late.csv", "a,b\n5,6\n")
early = write("early.csv", "a,b\n1,2\n")
r = run("chat", script=[code("print(open('early.csv').read())"), say("A."),
                        code("print(open('/output/late.csv').read())"), say("B.")],
        send=f"/file {early}\nfirst\n/file {late}\nsecond\n/files\n/file /no/such\n".encode())
eq(r.status, 0, "/file before and after the first question")
like(r.observations[0], "1,2", "the first is in the workspace")
like(r.observations[1], "5,6", "the second is there for the next question")
like(asked(r)[-3][1], r"^second\n(.*\n)*## /output/late\.csv\nSize: 8 bytes\. (.*\n)*5,6", "and the model is told where")
like(r.err, r"attached: late\.csv \(8 bytes\)\nattached: early|attached: early\.csv \(8 bytes\)\nattached: late\.csv", "/files lists them")
like(r.err, r"/no/such", "a file that is not there is told")

r = run("chat", script=[say("A."), say("B.")], send=f"first\n/file {late}\n/reset\nsecond\n".encode())
like(asked(r)[0][1], r"^second\n(.*\n)*## /output/late\.csv\n(.*\n)*5,6", "after /reset the model is told of such a file again")
os.mkfifo(BOX / "pipe.csv")
r = run("chat", script=[say("A."), say("B.")], send=f"first\n/file {BOX}/pipe.csv\n/files\nsecond\n".encode())
eq((r.status, asked(r)[-1]), (0, ("user", "second")), "a file that cannot be attached is none")
like(r.err, "no files", "and is not listed")
r = run("chat", "-q", script=[code("open('made.txt', 'w').write('x')"), say("A.")],
        send=b"/help\n/model\nfirst\n/cells\n/files\n/cost\n/undo\n/reset\n")
for what in ("/file +PATH", "scripted answers", r"\[1\] ok", r"made: \S+/made\.txt \(1 bytes\)", "this chat: ", "taken back", "are forgotten"):
    like(r.err, what, f"in quiet mode too a command answers: {what}")

if pyte is None:
    skip("python3-pyte is not installed", "a terminal")
    done()

# --- a terminal ---
home = new_home()
(home / "work" / "data.csv").write_text("a,b\n1,2\n")
with Screen("chat", home=home, script=[
        code("x = 40\nprint(x)", "Forty"), say("It is **40**."),
        code(LOOP, "Loop for ever"), code("print(x + 1)", "Plus one"), say("It is 42."),
        say("Thinking " * 200, gap=0.2), say("Again."), say("Pasted.")]) as s:
    s.until(r"^>$")
    s.keys("/he\t\r")
    s.until(r"^Ctrl-C stops", "Tab completes a command")
    s.keys("/file da\t")
    s.until(r"^> /file data\.csv$", "Tab completes a file")
    s.keys("\r")
    s.until(r"attached: data\.csv")
    s.keys("what is fourty?\x1b[D\x1b[D\x1b[D\x1b[D\x7f\r")  # corrected at the cursor
    s.until(r"^done: .*\n>$")
    s.keys("loop\r")
    s.until(r"tick\n.*tick")
    s.keys("\x03")
    s.until(r"stopped by SIGINT\n>$", "Ctrl-C in a cell: the prompt is back")
    s.keys("plus one\r")
    s.until(r"It is 42\.\n\ndone.*\n>$", "the interrupted cell's variables are there")
    s.keys("think\r")
    s.until(r"Thinking Thinking")
    s.keys("\x03")
    s.until(r"stopped by SIGINT\n>$", "Ctrl-C in a turn: the prompt is back")
    s.keys("\x1b[A")
    s.until(r"^> think$", "the history comes with the arrow keys")
    s.keys(" again\r")
    s.until(r"^Again\.\n\ndone.*\n>$", "the conversation goes on")
    s.keys("half a que")
    s.until(r"^> half a que$")
    s.keys("\x03")
    s.until(r"^> half a que\^C\n>$", "Ctrl-C at the prompt drops the line")
    s.keys("/cells\r")
    s.until(r"^\[1\] ok  Forty\n\[2\] not finished  Loop for ever\n\[3\] ok  Plus one", "/cells")
    s.keys("/cost\r")
    s.until(r"this chat: \d+ tokens in", "/cost")
    s.keys("/save talk.md\r")
    s.until(r"saved: talk\.md", "/save")
    s.keys("/save talk.md\r")
    s.until(r"exists and is left as it is", "/save overwrites nothing")
    s.keys("\x1b[200~line one\nline\x1btwo\x1b[201~")
    s.until(r"^> line one␤linetwo$", "what is pasted is one question, and no key in it is obeyed")
    s.keys("\r")
    s.until(r"^Pasted\.\n\ndone.*\n>$")
    s.keys("\x04")
    r = s.end()
    eq(r.status, 0, "Ctrl-D ends it with 0")
    text = s.text()
    shown = text[text.index("> what is"):text.index("> /cells")]
    looks_like(re.sub(r"^Thinking.*$", "Thinking...", shown, flags=re.M), "chat", "the screen")
    said = asked(r)
    ok(("user", "what is forty?") in said, "a question is edited before it is asked", said)
    ok(("tool", "Interrupted by the user while it ran.") in said, "the model is told that it was interrupted")
    like(next(t for role, t in said if role == "user" and t.startswith("plus one")), "stopped the turn",
         "and that the user stopped the turn")
    eq(said[-1], ("user", "line one\nline" + "two"), "the pasted line end is one")
    like((home / "work" / "talk.md").read_text(), r"> what is forty\?\n\nIt is \*\*40\*\*\.\n\n---\n", "what was saved")
    history = home / "state" / "agent" / "history"
    eq(oct(history.stat().st_mode & 0o777), "0o600", "the history is the user's alone")
with Screen("chat", home=home, script=[say("Yes.")]) as s:
    s.until(r"^>$")
    s.keys("\x1b[A\x1b[A")
    s.until(r"^> /save talk\.md$", "the history outlives the program")
    s.resize(40)
    s.keys("\x15ask at such length that the line goes on below?\r")
    s.until(r"Yes\.")
    s.keys("/quit\r")
    eq(s.end().status, 0, "/quit ends it")
with Screen("chat", script=[say("Thinking " * 30 + "done.", gap=0.1), say("Ahead."), say("Two."), say("Three.")]) as s:
    s.until(r"^>$")
    ok(not termios.tcgetattr(s.master)[3] & termios.ECHO, "the terminal itself shows nothing of what is typed")
    s.keys("think\r")
    s.until(r"Thinking Thinking")
    ok(not termios.tcgetattr(s.master)[3] & termios.ECHO, "nor while a question is answered")
    s.keys("typed ahead\rand two\rand three\r")
    s.until(r"^Three\.\n\ndone.*\n>$", "what is typed ahead are the next questions")
    eq([s.text().count(x) for x in ("typed ahead", "and two", "and three")], [1, 1, 1], "each stands there once")
    like(s.text(), r"^> typed ahead\n\nAhead\.\n\ndone.*\n> and two\n\nTwo\.", "at its prompt")
    s.keys("\x04")
    s.end()
    ok(termios.tcgetattr(s.master)[3] & termios.ECHO, "afterwards the terminal shows again what is typed")
with Screen("chat", "--ask", script=[code("print(1)", "One"), say("It is 1."), code("print(2)", "Two"),
                                     say("Good.")]) as s:
    s.until(r"^>$")
    s.keys("first\r")
    s.until(r"^Cell 1.*One\n(.*\n)*Run it\?", "--ask asks before a cell")
    s.keys("y\r")
    s.until(r"^It is 1\.\n\ndone.*\n>$")
    like(s.text(), r"Run it\?.*: y$", "what is answered is seen")
    s.keys("second\r")
    s.until(r"^Cell 2(.*\n)*Run it\?")
    s.keys("\x03")
    s.until(r"stopped by SIGINT\n>$", "and Ctrl-C there ends the turn alone")
    s.keys("third\r")
    s.until(r"^Good\.\n\ndone.*\n>$")
    s.keys("\x04")
    eq(s.end().status, 0, "--ask: the chat went on")
r = run("chat", "--ask", script=[], send=b"x\n", start_new_session=True)
eq(r.status, 2, "--ask without a terminal is refused")
with Screen("chat", script=[say("Yes.")], term="") as s:
    s.keys("does it work?\n")
    s.until(r"^Yes\.")
    s.keys("\x04")
    eq(s.end().status, 0, "without TERM it reads plain lines")
    ok(b"\x1b" not in s.raw, "and draws nothing")
with Screen("chat", script=[code(LOOP.replace("x += 1", ""), "Loop"), say("no")]) as s:
    s.until(r"^>$")
    s.keys("loop\r")
    s.until("tick")
    s.run.process.send_signal(signal.SIGTERM)
    eq(s.end().status, 143, "SIGTERM ends the chat")
done()
