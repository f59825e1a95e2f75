#!/usr/bin/env python3
"""A loopback HTTP server for the unit tests: good, slow, broken and hostile, by the first part of the
path. Prints its port, serves until its standard input closes. Every hostile answer is bounded, so
that a client that swallows it does not take the machine down."""
import gzip
import json
import socket
import sys
import threading
import time

LOCK = threading.Lock()
STATE = {"connections": 0, "requests": 0, "count": {}, "last": {}}
USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}


def chunk(delta, finish=None, **more):
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "m",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}


def sse(*objects, done=True):
    text = "".join("data: " + json.dumps(o) + "\n\n" for o in objects)
    return (text + ("data: [DONE]\n\n" if done else "")).encode()


HELLO = sse(chunk({"role": "assistant", "content": "Hel"}), chunk({"content": "lo"}),
            chunk({}, "stop"), {"choices": [], "usage": USAGE})
HELLO_JSON = json.dumps({"id": "chatcmpl-2", "model": "m", "usage": USAGE, "choices": [
    {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}]}).encode()


def error(text, **more):
    return json.dumps({"error": {"message": text, **more}}).encode()


class Conn:
    def __init__(self, sock):
        self.sock = sock
        self.buf = b""

    def send(self, data):
        self.sock.sendall(data)

    def read_request(self):
        while b"\r\n\r\n" not in self.buf:
            data = self.sock.recv(65536)
            if not data:
                return None
            self.buf += data
        head, self.buf = self.buf.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        headers = {k.strip().lower(): v.strip() for k, v in (l.split(":", 1) for l in lines[1:])}
        n = int(headers.get("content-length", 0))
        while len(self.buf) < n:
            data = self.sock.recv(65536)
            if not data:
                return None
            self.buf += data
        body, self.buf = self.buf[:n], self.buf[n:]
        return lines[0].split()[1], headers, body

    def answer(self, body, status=200, ctype="application/json", extra=(), length=None):
        lines = ["HTTP/1.1 %d X" % status]
        if ctype is not None:
            lines.append("Content-Type: " + ctype)
        lines.append("Content-Length: %d" % (len(body) if length is None else length))
        lines += extra
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def start_stream(self, ctype="text/event-stream", extra=()):
        lines = ["HTTP/1.1 200 OK", "Content-Type: " + ctype, "Transfer-Encoding: chunked", *extra]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n")

    def piece(self, data):
        self.send(b"%x\r\n" % len(data) + data + b"\r\n")

    def end_stream(self):
        self.send(b"0\r\n\r\n")

    def stream(self, data, size=0, delay=0):
        self.start_stream()
        size = size or len(data)
        for i in range(0, len(data), size):
            self.piece(data[i:i + size])
            if delay:
                time.sleep(delay)
        self.end_stream()


def good(c, body):
    if json.loads(body or b"{}").get("stream"):
        c.stream(HELLO)
    else:
        c.answer(HELLO_JSON)


def until_closed(c, data, limit, delay=0):
    """Sends the same bytes again until the client hangs up, or the limit."""
    sent = 0
    while sent < limit:
        c.send(data)
        sent += len(data)
        if delay:
            time.sleep(delay)


def gzip_bomb(c, size):
    import zlib
    z = zlib.compressobj(9, zlib.DEFLATED, 31)
    c.start_stream(extra=["Content-Encoding: gzip"])
    block = b": " + b"x" * (1 << 20) + b"\n"
    for _ in range(size):
        data = z.compress(block)
        if data:
            c.piece(data)
    c.piece(z.flush())
    c.end_stream()


def flood(c, block, times):
    c.start_stream()
    for _ in range(times):
        c.piece(block)
    c.end_stream()


def serve_one(c, path, headers, body):
    """True: keep the connection."""
    parts = [p for p in path.split("?")[0].split("/") if p]
    name = parts[0] if parts else ""
    with LOCK:
        STATE["requests"] += 1
        STATE["last"] = {"path": path, "headers": headers, "body": body.decode("utf-8", "replace")}
        n = STATE["count"][name] = STATE["count"].get(name, 0) + 1
    rq = json.loads(body) if body[:1] == b"{" else {}

    if name == "stats":
        with LOCK:
            STATE["requests"] -= 1
            c.answer(json.dumps({k: STATE[k] for k in ("connections", "requests", "count")}).encode())
    elif name == "last":
        c.answer(b"{}")
    elif name == "echo":
        c.answer(json.dumps({"headers": headers, "path": path, "body": body.decode()}).encode())
    elif name in ("ok", "v1"):
        good(c, body)
    elif name == "bytes":
        c.stream(HELLO, 1)
    elif name == "slow":
        c.stream(HELLO, 40, 0.02)
    elif name == "json-anyway":
        c.answer(HELLO_JSON)
    elif name == "sse-anyway":
        c.stream(HELLO)
    elif name == "no-type":
        c.answer(HELLO, ctype=None)
    elif name == "blank-lines":
        c.start_stream("application/json")
        for _ in range(20):
            c.piece(b"\n\n")
            time.sleep(0.01)
        c.piece(HELLO_JSON)
        c.end_stream()
    elif name == "gzip":
        data = gzip.compress(HELLO)
        c.answer(data, ctype="text/event-stream", extra=["Content-Encoding: gzip"])
    elif name == "cut":  # promises more than it sends
        c.answer(HELLO_JSON[:40], length=len(HELLO_JSON))
        return False
    elif name == "cut-stream":
        c.start_stream()
        c.piece(HELLO[:150])
        return False
    elif name == "cut-clean":  # ends as if all were well, without a finish
        c.stream(HELLO[:150])
    elif name == "cut-once":
        if n == 1:
            c.start_stream()
            c.piece(HELLO[:150])
            return False
        c.stream(HELLO)
    elif name == "sloppy":  # says all, and hangs up without the last chunk
        c.start_stream()
        c.piece(HELLO)
        return False
    elif name == "lingers":  # says all, and keeps the stream open
        c.start_stream()
        c.piece(HELLO)
        time.sleep(20)
        return False
    elif name == "no-answer":
        time.sleep(float(parts[1]) if len(parts) > 1 and parts[1][0].isdigit() else 20)
        return False
    elif name == "close-at-once":
        return False
    elif name == "stall":
        c.start_stream()
        c.piece(HELLO[:150])
        time.sleep(20)
        return False
    elif name == "dribble":  # one byte now and then, for ever
        c.start_stream()
        for _ in range(100):
            c.piece(b":")
            time.sleep(0.2)
        return False
    elif name == "comments":  # long silence but for comments
        c.start_stream()
        for _ in range(30):
            c.piece(b": keep-alive\n\n")
            time.sleep(0.1)
        c.piece(HELLO)
        c.end_stream()
    elif name == "endless-headers":
        c.send(b"HTTP/1.1 200 OK\r\n")
        until_closed(c, b"X-Filler: " + b"a" * 1000 + b"\r\n", 20 << 20)
        return False
    elif name == "long-header":
        c.send(b"HTTP/1.1 200 OK\r\nX-Filler: ")
        until_closed(c, b"a" * 4096, 20 << 20)
        return False
    elif name == "endless-interim":
        until_closed(c, b"HTTP/1.1 103 Early Hints\r\nX-A: " + b"b" * 200 + b"\r\n\r\n", 20 << 20)
        return False
    elif name == "endless-body":
        c.start_stream("application/json")
        until_closed(c, b"10000\r\n" + b"{" + b" " * 65535 + b"\r\n", 300 << 20)
        return False
    elif name == "endless-error":
        c.send(b"HTTP/1.1 400 X\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n")
        until_closed(c, b"400\r\n" + b"e" * 1024 + b"\r\n", 300 << 20)
        return False
    elif name == "gzip-bomb":
        gzip_bomb(c, 1024)
    elif name == "big-line":
        flood(c, b"data: " + b"A" * (1 << 20), 1)
        return False
    elif name == "huge-line":
        flood(c, b"A" * (1 << 20), 40)
        return False
    elif name == "empty-events":
        c.start_stream()
        for _ in range(100):
            c.piece(b"data:\n\n" * 5000 + b"\n" * 5000)
        c.piece(HELLO)
        c.end_stream()
    elif name == "deep":
        c.answer(b'{"choices":' + b"[" * 100000 + b"]" * 100000 + b"}")
    elif name == "many-values":
        c.answer(b'{"choices":[' + b"0," * 5000000 + b"0]}")
    elif name == "deep-event":
        c.stream(b"data: " + b"[" * 100000 + b"\n\n")
    elif name == "nul":
        c.stream(b'data: {"choices":[{"index":0,"delta":{"content":"a\0b"}}]}\n\n')
    elif name == "bad-utf8":
        c.stream(sse(chunk({"content": "OK@@"}), chunk({}, "stop")).replace(b"@@", b"\xff\xfe"))
    elif name == "duplicate-keys":
        c.answer(HELLO_JSON[:-1] + b',"choices":[],"model":"other","id":7}')
    elif name == "redirect":
        c.answer(b"", 307, extra=["Location: http://127.0.0.1:1/steal?key=1"])
    elif name == "html200":
        c.answer(b"<!DOCTYPE html><html><title>Log in</title></html>", ctype="text/html")
    elif name == "html502":
        c.answer(b"<html><head><title>502 Bad Gateway</title></head></html>", 502, "text/html")
    elif name == "text200":
        c.answer(b"hello there", ctype="text/plain")
    elif name == "empty":
        c.answer(b"", ctype="text/event-stream")
    elif name == "half-json":
        c.answer(HELLO_JSON[:60])
    elif name == "other-json":
        c.answer(b'{"hello":"world"}')
    elif name == "status":  # /status/429/...
        c.answer(error("status %s from the test" % parts[1], code="x"), int(parts[1]))
    elif name == "key":
        c.answer(error("Incorrect API key provided: sk-abcd****wxyz and " +
                       headers.get("authorization", "nothing")[7:], code="invalid_api_key"), 401)
    elif name == "quota":
        c.answer(error("You exceeded your current quota", type="insufficient_quota",
                       code="insufficient_quota"), 429)
    elif name == "limit-twice":
        if n <= 2:
            c.answer(error("slow down", code="rate_limit_exceeded"), 429, extra=["Retry-After-Ms: 30"])
        else:
            good(c, body)
    elif name == "wait-long":
        c.answer(error("later"), 429, extra=["Retry-After: 3600"])
    elif name == "wait-some":
        c.answer(error("later"), 429, extra=["Retry-After: 5"])
    elif name == "never":
        c.answer(error("no"), 500, extra=["x-should-retry: false"])
    elif name == "fail-once":
        if n == 1:
            c.answer(error("oops", type="server_error"), 500, extra=["retry-after-ms: 20"])
        else:
            good(c, body)
    elif name == "loading":
        if n <= 1:
            c.answer(error("Loading model", type="unavailable_error", code=503), 503)
        else:
            good(c, body)
    elif name == "error-in-stream":
        c.stream(sse(chunk({"content": "x"}), {"error": {"message": "overloaded",
                                                          "type": "overloaded_error"}}, done=False))
    elif name == "last-words":  # an error without its empty line, then a broken connection
        c.start_stream()
        c.piece(sse(chunk({"content": "x"}), done=False) + b'error: {"error":{"message":"out of memory","type":"server_error"}}')
        return False
    elif name == "picky":  # refuses members one after the other
        for member in ("temperature", "stream_options", "tool_choice", "max_tokens"):
            if member in rq:
                c.answer(error("Unsupported parameter: '%s' is not supported with this model." % member,
                               type="invalid_request_error", param=member,
                               code="unsupported_parameter"), 400)
                return True
        good(c, body)
    elif name == "value":  # names a member, but for its value: nothing to drop
        c.answer(error("max_tokens is too large: 9. At most 5.", param="max_tokens",
                       code="invalid_value"), 400)
    elif name == "effort":
        if rq.get("reasoning_effort") != "none":
            c.answer(error("Function tools with reasoning_effort are not supported for m in "
                           "/v1/chat/completions. To use function tools, use /v1/responses or set "
                           "reasoning_effort to 'none'.", param="reasoning_effort", code=None), 400)
        else:
            good(c, body)
    else:
        c.answer(error("no such scenario"), 404)
    return True


def serve(sock):
    with LOCK:
        STATE["connections"] += 1
    c = Conn(sock)
    try:
        while True:
            rq = c.read_request()
            if rq is None or not serve_one(c, *rq):
                break
    except (OSError, ValueError):
        pass
    finally:
        sock.close()


def main():
    ls = socket.socket()
    ls.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    ls.bind(("127.0.0.1", 0))
    ls.listen(64)
    print(ls.getsockname()[1], flush=True)

    def accept():
        while True:
            sock, _ = ls.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=serve, args=(sock,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    sys.stdin.read()


main()
