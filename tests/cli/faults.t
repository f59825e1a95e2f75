#!/usr/bin/python3
"""What a service can do wrong: a message for a person, the right status, and nothing lost."""
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

FAST = ("--retries", "1")
NO_RETRY = ("--retries", "0")


def fails(name, step, status, says, *args, before=(), **more):
    r = run("go on", *(args or FAST), script=list(before) + [dict(step, times=0)], **more)
    eq(r.status, status, f"{name}: status {status}")
    like(r.err, says, f"{name}: the message says what and what to do")
    eq(r.out, "", f"{name}: nothing on standard output")
    ok(len(r.err) < 3000, f"{name}: in few words", clip(r.err))
    unlike(r.err, r"\x1b|\x00", f"{name}: nothing of it drives a terminal")
    ok(r.record and not r.record.broken and r.record.events, f"{name}: the record loads")
    return r


r = fails("401", refusal(401, "Incorrect API key provided: sk-test-***b60.", code="invalid_api_key"),
          3, r"OPENAI_API_KEY")
eq(len(r.requests), 1, "401: it is not tried again")
r = fails("403", refusal(403, "Country not supported"), 3, r"Country not supported")
r = fails("404", refusal(404, "The model `scripted` does not exist", code="model_not_found"), 4,
          r"scripted")
eq(len(r.requests), 1, "404: it is not tried again")
fails("404 of another server", {"status": 404, "content_type": "text/html",
      "body": "<html><title>Not here</title></html>"}, 4, r"404.*|/v1|base.?url")
r = fails("429 quota", refusal(429, "You exceeded your current quota", "insufficient_quota",
                               "insufficient_quota"), 4, r"(?i)quota")
eq(len(r.requests), 1, "429 quota: waiting would not help, so it is not tried again")
r = fails("429", refusal(429, "Rate limit reached", code="rate_limit_exceeded",
                         headers={"Retry-After": "1"}), 4, r"(?i)429|rate limit")
eq(len(r.requests), 2, "429: tried again as often as --retries says")
ok(r.seconds >= 1, "429: not before Retry-After", r.seconds)
r = fails("500", refusal(500, "The server had an error", "server_error"), 4, r"500")
eq(len(r.requests), 2, "500: tried again")
fails("502 in HTML", {"status": 502, "content_type": "text/html",
      "body": "<html>\x1b[31m<h1>Bad gateway</h1></html>"}, 4, r"502")
fails("400", refusal(400, "max tokens is too large: 5"), 4, r"max tokens is too large")
fails("a stream cut half-way", say("This answer will be cut", cut=300), 4,
      r"(?i)cut|broke|ended|incomplete|closed")
fails("a stream cut before its first byte", say("x", cut=0), 4, r"(?i)cut|broke|ended|empty|closed")
fails("a stream that just ends", say("The answer", end=False), 4,
      r"(?i)cut|broke|ended|incomplete|closed")
fails("a body cut half-way", say("This answer will be cut", cut=100), 4,
      r"(?i)cut|broke|ended|incomplete|closed|transfer", *FAST, "--no-stream")
fails("a connection closed at once", {"close": True}, 4, r"(?i)clos|empty|no answer|nothing")
fails("not JSON", {"body": "certainly! the answer is 5", "content_type": "application/json"}, 4,
      r"(?i)JSON", *NO_RETRY, "--no-stream")
fails("not JSON where a stream was asked for", {"body": "certainly!", "content_type": "text/plain"},
      4, r"(?i)text/plain|JSON|event", *NO_RETRY)
fails("a web page", {"body": "<html><body>Welcome to the hotel network</body></html>",
      "content_type": "text/html"}, 4, r"(?i)html|web page", *NO_RETRY)
fails("JSON of another kind", {"body": "{\"object\": \"list\"}"}, 4, r"(?i)choices|not a|reply",
      *NO_RETRY, "--no-stream")
fails("no choices", {"body": "{\"choices\": []}"}, 4, r"(?i)choices|empty|no ", *NO_RETRY, "--no-stream")
fails("an error inside a stream", {"content_type": "text/event-stream",
      "body": "data: {\"error\": {\"message\": \"overloaded, go away\", \"type\": \"server_error\"}}\n\n"},
      4, r"overloaded, go away", *NO_RETRY)
r = fails("a body without end", {"fill": 80 << 20, "content_type": "application/json"}, 4,
          r"(?i)large|limit|more than|MiB|bytes", *NO_RETRY, "--no-stream")
r = fails("an event without end", {"fill": 80 << 20, "content_type": "text/event-stream"}, 4,
          r"(?i)large|limit|more than|MiB|bytes|long", *NO_RETRY)
r = fails("a stall in a stream", say("slow and steady", stall=250), 4, r"(?i)stall|silent|no data|second",
          *NO_RETRY, "--stall-timeout", "1s")
ok(r.seconds < 8 * PATIENCE, "a stall: in good time", r.seconds)
r = fails("no first byte", say("late", delay=20), 4, r"(?i)first|answer|second|time",
          *NO_RETRY, "--first-byte-timeout", "1s")
ok(r.seconds < 8 * PATIENCE, "no first byte: in good time", r.seconds)

# --- nobody there
with socket.create_server(("127.0.0.1", 0)) as s:
    port = s.getsockname()[1]
r = run("go on", *FAST, url=f"http://127.0.0.1:{port}/v1")
eq(r.status, 4, "an unreachable host: status 4")
like(r.err, rf"127\.0\.0\.1.*{port}", "it names host and port")
like(r.err, r"(?i)running|OPENAI_BASE_URL|base_url|--base-url", "and what to check")
r = run("go on", *FAST, url="http://no-such-host.invalid/v1")
eq(r.status, 4, "a host name that does not resolve: status 4")
like(r.err, r"no-such-host\.invalid", "it names the host")
r = run("go on", *FAST, url="not a url")
ok(r.status in (2, 3), "a base URL that is none is refused before anything is sent", r.status, r.err)
like(r.err, r"(?i)url", "and it says so")

# --- trouble that passes
OK = say("Fine at last.")
for name, step in {"500": refusal(500, "oops"), "503": refusal(503, "overloaded"),
                   "429": refusal(429, "slow down", headers={"Retry-After": "1"}),
                   "a cut stream": say("Half an ans", cut=700),
                   "a closed connection": {"close": True}}.items():
    r = run("go on", script=[step, OK])
    eq((r.status, r.out), (0, "Fine at last.\n"), f"{name} once: the second try answers, once")
    like(r.err, r"(?i)again|retry|retrying|attempt", f"{name} once: standard error tells of it")
r = run("go on", script=[code("print(1)"), {"close": True}, OK])
eq((r.status, r.out, r.rules), (0, "Fine at last.\n", []), "a connection lost between turns is made anew")
r = run("go on", script=[say("All of it.", done=False)])
eq((r.status, r.out), (0, "All of it.\n"), "a stream with a finish reason, but without [DONE], is whole")
r = run("go on", "--deadline", "2s", script=[refusal(429, "wait", headers={"Retry-After": "3600"}, times=0)])
ok(r.status in (4, 124), "a wait beyond the deadline is not begun", r.status)
ok(r.seconds < 5 * PATIENCE, "and ends in good time", r.seconds)

# --- nothing that was paid for is lost
MADE = code("open('made.txt', 'w').write('kept')\nprint('made it')")
for name, step in {"500": refusal(500, "oops"), "a cut stream": say("lost", cut=200),
                   "401": refusal(401, "revoked")}.items():
    r = fails(f"{name} after a cell", step, 3 if name == "401" else 4, r".", before=[MADE])
    eq(r.artifacts, ["made.txt"], f"{name} after a cell: what it made is kept")
    like(r.record.text(), "made it", f"{name} after a cell: its output is on record")
    ok(len(r.record.names("cells")) >= 1, f"{name} after a cell: its code is on record")
done()
