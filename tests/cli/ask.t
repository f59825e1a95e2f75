#!/usr/bin/python3
"""--ask: on a terminal each cell is shown and runs only when the user says so; without one it is an
error before anything is sent. --dry-run: the first request, and nothing else at all."""
import os
import pty
import select
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from harness import *

PROMPT = "q(uit): "


def on_tty(script, answers, *args, question="go on"):
    """A run with a terminal of its own; `answers` are pairs: what to wait for, what is typed then."""
    with Provider(script) as p:
        main, side = pty.openpty()
        r = start("-m", "scripted", "--ask", *args, question, url=p.url, stdin=side, stderr=side,
                  stdout=side if question == "chat" else subprocess.PIPE, env={"TERM": "xterm"},
                  preexec_fn=lambda: (os.setsid(), __import__("fcntl").ioctl(0, 0x540E, 0)))
        os.close(side)
        r.screen, at, todo, end = "", 0, list(answers), time.monotonic() + 40 * PATIENCE
        while time.monotonic() < end:
            if select.select([main], [], [], 0.1)[0]:
                try:
                    piece = os.read(main, 65536)
                except OSError:
                    break
                if not piece:
                    break
                r.screen += piece.decode("utf-8", "replace")
            elif r.process.poll() is not None:
                break
            if todo and todo[0][0] in r.screen[at:]:
                at = len(r.screen)
                os.write(main, todo.pop(0)[1].encode())
        finish(r, keep=[p.process.pid])
        os.close(main)
        r.requests, r.todo = p.read(), todo
    return r


TWO = [code("print('first')", "Look\x1b]0;at it\x07"), code("print('sec\x1b[31mond')", "Again"), say("done.")]
r = on_tty(TWO, [(PROMPT, "y\n"), (PROMPT, "n\n"), ("no reason): ", "it is \x7f\x7f\x7fslow\n")])
eq((r.status, r.out), (0, "done.\n"), "yes to the first, no to the second: it answers")
like(r.screen, r"Cell 1, Python: Look", "a cell is shown with its number, language and description")
like(r.screen, r"  \| print\('first'\)", "and its code")
ok("\x1b]0;" not in r.screen and "\x1b[31m" not in r.screen, "what could drive the terminal is shown, not obeyed")
like(r.screen, r"sec\\x1b\[31mond", "as an escape")
like(r.observations[0], "first", "what was allowed ran")
like(r.observations[1], r"does not want it to run.*The user's reason: it ?slow", "what was not did not, and the model has the reason")
eq([e["answer"] for e in r.record.events if e["type"] == "consent"], ["yes", "no"], "the answers are in the record")
eq(len([e for e in r.record.events if e["type"] == "cell.start"]), 1, "one cell ran")
r = on_tty(TWO, [(PROMPT, "a\n")])
eq((r.status, r.screen.count(PROMPT), len(r.observations)), (0, 1, 2), "always: the second is not asked about")
r = on_tty(TWO, [(PROMPT, "perhaps\n"), (PROMPT, "n writes files\n"), (PROMPT, "yes\n")])
eq((r.status, r.screen.count(PROMPT)), (0, 3), "another word is asked again; a reason may follow the no")
like(r.observations[0], "The user's reason: writes files", "and reaches the model")
r = on_tty(TWO, [(PROMPT, "q\n")])
eq((r.status, r.out, len(r.requests)), (130, "", 1), "quit ends the run: status 130, no further request")
like(r.screen, "stopped by the user before cell 1", "and says so")
r = on_tty(TWO, [(PROMPT, "\x04")])
eq((r.status, len(r.requests)), (130, 1), "the end of the terminal's input is no yes")
r = on_tty(TWO, [(PROMPT, "\x03")])
eq((r.status, len(r.requests)), (130, 1), "nor is Ctrl-C")
r = on_tty(TWO, [], "--deadline", "3s")
eq((r.status, len(r.requests)), (124, 1), "nobody answers: the deadline holds")
r = on_tty(TWO, [("> ", "go on\r"), (PROMPT, "n\n"), ("no reason): ", "\n"), (PROMPT, "y\n"), ("2004h> ", "/quit\r")], question="chat")
ok(r.status == 0 and not r.todo, "in agent chat too: the line editor and the question share the terminal", r.status, r.screen)
eq(len([e for e in r.record.events if e["type"] == "cell.start"]), 1, "and one of two cells ran")
r = run("go on", "--ask", script=[say("x")], start_new_session=True)
eq((r.status, len(r.requests), r.sessions), (2, 0, []), "no terminal: status 2, nothing sent, nothing written")
like(r.err, "--ask needs a terminal", "and it says why")

# --- --dry-run
(BOX / "sales.csv").write_text("month,sum\nJan,1\n")
r = run("which month?", "--dry-run", "-f", BOX / "sales.csv", "--append-system", "Be brief.", script=[say("x")])
eq((r.status, len(r.requests), r.sessions), (0, 0, []), "--dry-run: nothing is sent, nothing is recorded")
head, _, body = r.out.partition("\n\n")
like(head, r"(?s)about \d+ tokens.*^POST http://127\.0\.0\.1:\d+/v1/chat/completions$.*^Authorization: Bearer \[redacted\]$",
     "method, address and headers, without the key, and what it would take")
body = json.loads(body)
ok("Be brief." in body["messages"][0]["content"] and "sales.csv" in body["messages"][0]["content"], "the body is the whole request")
eq(body["messages"][1]["content"], "which month?", "with the question")
r2 = run("which month?", "-f", BOX / "sales.csv", "--append-system", "Be brief.", script=[say("x")])
eq(r2.bodies()[0], body, "and it is what a real run sends")
r = run("how much?", "--dry-run", "-m", "claude-sonnet-4-5", "--json", key=None, model=None)
told = json.loads(r.out)
eq((r.status, told["type"], told["url"]), (0, "dry_run", "https://api.anthropic.com/v1/messages"), "--json: one object; no key is needed")
ok(told["input_tokens"] > 100 and told["cost_usd"] > 0, "with tokens and cost as estimated")
like(r.err, "ANTHROPIC_API_KEY", "though it is said that there is none")
r = run("--dry-run", "-", script=[say("x")], send=b"a question\n")
like(r.out, '"content": "a question"', "a question from standard input")
r = run("x", "--dry-run", "-f", "nowhere.csv", script=[say("x")])
eq((r.status, r.out), (2, ""), "what is wrong with a run is wrong with its preview")
done()
