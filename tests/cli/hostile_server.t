#!/usr/bin/python3
"""A hostile or broken service, in every wire format: a clear error within the limits, status 4, and memory that
stays bounded, whatever it sends."""
import gzip
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

FORMATS = ["openai-chat", "openai-responses", "anthropic-messages", "gemini-generate-content", "ollama-chat"]
STREAM = b"text/event-stream"
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\nconnection: close\r\n\r\n"
MEMORY = 300 << 20  # the cap of a reply is 64 MiB; it can be held as it came, cleaned, and parsed. Seen: 75 MB


def forever(chunk):
    while True:
        yield chunk


def many(chunk, n):
    for _ in range(n):
        yield chunk


def doc(body, type=b"application/json", status=b"200 OK", headers=b""):
    return [b"HTTP/1.1 %s\r\ncontent-type: %s\r\ncontent-length: %d\r\n%sconnection: close\r\n\r\n" %
            (status, type, len(body), headers), body]


def bomb():
    z = gzip.compress(b"x" * (300 << 20), 1)  # 300 MB from 1 MB
    return doc(z, headers=b"content-encoding: gzip\r\n")


def trickle():
    yield HEAD % STREAM
    while True:
        time.sleep(1)
        yield b":"


# name, what is sent (a list or a generator of bytes), what the error says, the formats it is tried in
ATTACKS = [
    ("headers without end", lambda: (x for x in [b"HTTP/1.1 200 OK\r\n"] + [b"x-a: " + b"y" * 1000 + b"\r\n"] * 100000),
     r"headers are longer than 256 KiB", FORMATS[:1]),
    ("one header line without end", lambda: (x for x in [b"HTTP/1.1 200 OK\r\nx: "] + [b"y" * 65536] * 1000),
     r"header", FORMATS[:1]),
    ("a body without end", lambda: (x for g in ([HEAD % b"application/json"], forever(b"[" + b"1," * 30000)) for x in g),
     r"64 MiB|500000 values", FORMATS[:2]),
    ("a stream without end", lambda: (x for g in ([HEAD % STREAM], forever(b": ping\n\n" * 9000)) for x in g),
     r"64 MiB|not JSON", FORMATS),
    ("a gzip bomb", bomb, r"64 MiB", FORMATS[:1]),
    ("a line of 20 MB", lambda: (x for g in ([HEAD % STREAM, b"data: {\"a\":\""], many(b"z" * 65536, 320), [b"\"}\n\n"]) for x in g),
     r"longer than 16 MiB|no |broken|cut|not", FORMATS),
    ("a million empty events", lambda: (x for g in ([HEAD % STREAM], many(b"data:\n\n\n" * 1000, 1000)) for x in g),
     r".", FORMATS),
    ("a hundred thousand unknown events", lambda: (x for g in ([HEAD % STREAM], many(b"event: x\ndata: {}\n\n" * 100, 1000))
     for x in g), r".", FORMATS),
    ("JSON nested 100,000 deep", lambda: doc(b'{"a":' * 100000 + b"1" + b"}" * 100000), r"nested deeper", FORMATS),
    ("an event nested 100,000 deep", lambda: [HEAD % STREAM, b"data: " + b"[" * 100000 + b"]" * 100000 + b"\n\n"],
     r"nested deeper|no |cut|not", FORMATS),
    ("bytes that are no UTF-8", lambda: doc(b"\xff\xfe\x80" * 5000), r"no JSON|not JSON|NUL|begins with", FORMATS[2:4]),
    ("NUL bytes", lambda: doc(b'{"a":"' + b"\0" * 5000 + b'"}'), r"NUL|not JSON", FORMATS),
    ("half a document", lambda: doc(b'{"choices":[{"message":{"content":"He'), r"not JSON|cut|ends|syntax", FORMATS),
    ("a list of nothing", lambda: doc(b"[]"), r".", FORMATS[1:3]),
    ("a number", lambda: doc(b"17"), r".", FORMATS[3:]),
    ("members of the wrong types", lambda: doc(b'{"choices":{"a":1},"output":5,"content":true,"candidates":"x","message":[],'
     b'"usage":"much","error":null}'), r".", FORMATS),
    ("a web page", lambda: doc(b"<html><title>Sign in</title>" + b"<p>" * 9000, b"text/html"), r"no JSON.*text/html", FORMATS[2:4]),
    ("a web page with 502", lambda: doc(b"<html><title>Bad\x1b[31m Gateway</title>", b"text/html", b"502 Bad Gateway"),
     r"a web page", FORMATS[:2]),
    ("an error text of 50 MB", lambda: (x for g in ([b"HTTP/1.1 400 Bad\r\nconnection: close\r\n\r\n"], many(b"e" * 65536, 800))
     for x in g), r"HTTP 400", FORMATS[:2]),
    ("a redirect", lambda: doc(b"", status=b"307 Temporary Redirect", headers=b"location: http://127.0.0.1:1/steal\r\n"),
     r"Redirects are not followed", FORMATS[:1]),
    ("no HTTP at all", lambda: [b"SSH-2.0-OpenSSH_9.2\r\n"], r".", FORMATS[:1]),
    ("one byte a second", trickle, r"stall|stopped|no byte|silence|slow|fewer|bytes in", FORMATS[:1]),
    ("nothing", lambda: [], r"without an answer", FORMATS[:1]),
]


class Raw:
    """Sends what an attack is made of to whoever asks."""

    def __init__(self, context=None):
        self.sock = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.context, self.attack, self.asked = context, None, 0
        self.port = self.sock.getsockname()[1]
        threading.Thread(target=self.loop, daemon=True).start()

    def loop(self):
        while True:
            c, _ = self.sock.accept()
            threading.Thread(target=self.serve, args=(c,), daemon=True).start()

    def serve(self, c):
        try:
            if self.context:
                c = self.context.wrap_socket(c, server_side=True)
            head = b""
            while b"\r\n\r\n" not in head:
                more = c.recv(65536)
                if not more:
                    return
                head += more
            n = int((re.search(rb"(?i)content-length: (\d+)", head) or [0, 0])[1])
            got = len(head.split(b"\r\n\r\n", 1)[1])
            while got < n:
                got += len(c.recv(65536))
            self.asked += 1
            for piece in self.attack():
                c.sendall(piece)
            c.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        finally:
            c.close()


def ask(url, wire, *args, env=None):
    """Runs the program and returns its status, its words, the seconds, and the most memory it had."""
    home = new_home()
    full = {**base_env(home), "CUSTOM_API_KEY": "test-key-of-custom-123", **(env or {})}
    if HELPER.parent != AGENT.parent:
        full["AGENT_SANDBOX_HELPER"] = str(HELPER)
    out, err = home / "out", home / "err"
    began = time.monotonic()
    with out.open("wb") as o, err.open("wb") as e:
        p = subprocess.Popen([str(AGENT), "-m", "custom/m", "--base-url", url, "--wire", wire, "--retries", "0",
                              "--stall-timeout", "3s", "--preload", "", *args, "hi"], env=full, stdin=subprocess.DEVNULL,
                             stdout=o, stderr=e, cwd=home / "work")
        timer = threading.Timer(120 * PATIENCE, p.kill)
        timer.start()
        most = 0
        while p.poll() is None:  # its own high-water mark: what wait() tells has the sandbox's in it
            try:
                found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{p.pid}/status").read_text())
            except OSError:
                found = None
            most = max(most, int(found[1]) << 10 if found else 0)
            time.sleep(0.01)
        timer.cancel()
    return p.returncode, err.read_text(errors="replace"), time.monotonic() - began, most


worst = (0, "")
s = Raw()
for name, attack, want, formats in ATTACKS:
    for wire in formats:
        s.attack = attack
        status, err, seconds, memory = ask(f"http://127.0.0.1:{s.port}/v1", wire)
        what = f"{name}, {wire}"
        eq(status, 4, f"{what}: status 4")
        like(err, rf"agent: (?s:.)*({want})", f"{what}: says what")
        ok(memory < MEMORY, f"{what}: {memory >> 20} MB", memory)
        ok("\x1b" not in err and len(err) < 6000, f"{what}: a short, harmless message", err[:2000])
        worst = max(worst, (memory, what))
print(f"# most memory: {worst[0] >> 20} MB ({worst[1]})")

# --- TLS
cert = BOX / "cert.pem"
made = subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                       "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(cert), "-out", str(BOX / "c.crt")],
                      capture_output=True)
if made.returncode:
    skip("openssl is not there", "TLS", 4)
else:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(BOX / "c.crt", cert)
    t = Raw(context)
    t.attack = lambda: doc(b'{"choices":[{"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}]}')
    status, err, _, _ = ask(f"https://127.0.0.1:{t.port}/v1", "openai-chat")
    eq((status, t.asked), (4, 0), "a certificate that nobody vouches for: status 4, and the key was not sent")
    like(err, r"the certificate of 127\.0\.0\.1:\d+ is not trusted.*SSL_CERT_FILE", "and what to do")
    status, err, _, _ = ask(f"https://127.0.0.1:{t.port}/v1", "openai-chat", env={"SSL_CERT_FILE": str(BOX / "c.crt")})
    eq((status, t.asked), (0, 1), "with its CA in SSL_CERT_FILE it is asked")
    status, err, _, _ = ask(f"https://127.0.0.1:{s.port}/v1", "openai-chat")
    eq(status, 4, "no TLS at the other end: status 4")
done()
