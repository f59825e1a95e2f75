#!/usr/bin/python3
"""How requests travel: HTTP/2 over TLS on one connection for the whole run, proxies by libcurl's own variables, the
time limits as settings."""
import json
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *
from anyservice import AnyService

TEST_KEY = "test-key-of-custom-123"
H2 = r"""
const http2 = require('http2'), fs = require('fs');
let sessions = 0, n = 0;
const s = http2.createSecureServer({ key: fs.readFileSync(process.argv[2]), cert: fs.readFileSync(process.argv[3]) });
s.on('session', () => sessions++);
s.on('stream', (stream, headers) => {
  stream.resume();
  stream.on('end', () => {
    const call = { id: 'call_1', type: 'function', function: { name: 'execute_python', arguments: JSON.stringify({ code: `print(${n})` }) } };
    const message = ++n < 4 ? { role: 'assistant', content: null, tool_calls: [call] } : { role: 'assistant', content: 'Done.' };
    stream.respond({ ':status': 200, 'content-type': 'application/json' });
    stream.end(JSON.stringify({ choices: [{ message, finish_reason: 'stop' }] }));
    fs.writeFileSync(process.argv[4], JSON.stringify({ sessions, n, path: headers[':path'], auth: headers.authorization }));
  });
});
s.listen(0, '127.0.0.1', () => console.log(s.address().port));
"""


def ask(url, *args, env=None, **how):
    return run("-m", "custom/m", "--base-url", url, *args, "hi", model=None, key=None,
               env={"CUSTOM_API_KEY": TEST_KEY, **(env or {})}, **how)


made = subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                       "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(BOX / "k.pem"), "-out",
                       str(BOX / "c.pem")], capture_output=True) if shutil.which("openssl") else None
tls = made is not None and made.returncode == 0

# --- HTTP/2
node = next((n for n in ("/usr/bin/node", shutil.which("node")) if n and Path(n).exists()), None)
if not node or not tls:
    skip("node or openssl is not there: no server for HTTP/2", "HTTP/2", 3)
else:
    server = BOX / "h2.js"
    server.write_text(H2)
    p = subprocess.Popen([node, str(server), str(BOX / "k.pem"), str(BOX / "c.pem"), str(BOX / "seen")],
                         stdout=subprocess.PIPE, text=True)
    try:
        port = int(p.stdout.readline())
        r = finish(start("-m", "custom/m", "--base-url", f"https://127.0.0.1:{port}/v1", "hi", key=None, env={
            "CUSTOM_API_KEY": TEST_KEY, "SSL_CERT_FILE": str(BOX / "c.pem")}), keep=[p.pid])
        ok((r.status, r.out) == (0, "Done.\n"), "a run of four turns over HTTP/2", r.err)
        seen = json.loads((BOX / "seen").read_text())
        eq((seen["sessions"], seen["n"]), (1, 4), "one connection serves the whole run")
        eq((seen["path"], seen["auth"]), ("/v1/chat/completions", f"Bearer {TEST_KEY}"), "by the path, with the key")
    finally:
        p.kill()
        p.wait()

# --- HTTP/1.1 keeps its connection too, retries and all
with AnyService(lambda rq: [{"text": None, "calls": ["1"]}, {"status": 503, "json": {"error": "busy"}},
                            {"text": None, "calls": ["2"]}, "Done."][rq["n"]]) as s:
    r = ask(s.url)
    eq((r.status, len(s.requests), s.conns), (0, 4, 1), "HTTP/1.1: one connection, a retry included")
    like(r.err, r"busy", "the retry is a line on standard error")
    events = (r.sessions[-1] / "events.jsonl").read_text()
    like(events, r'"type":"retry","why":".*busy.*","wait_ms":\d+,"attempt":2', "and an event in the record")


# --- proxies
class Connect:
    """A proxy that connects to where it was asked to, and keeps what it was told."""

    def __init__(self):
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.sock.getsockname()[1]}"
        self.heads = []
        threading.Thread(target=self.loop, daemon=True).start()

    def loop(self):
        while True:
            c, _ = self.sock.accept()
            threading.Thread(target=self.serve, args=(c,), daemon=True).start()

    def serve(self, c):
        head = b""
        while b"\r\n\r\n" not in head:
            more = c.recv(65536)
            if not more:
                return
            head += more
        self.heads.append(head.decode("latin-1"))
        method, target = head.split()[:2]
        where = target if method == b"CONNECT" else target.split(b"/")[2]
        host, port = where.decode().rsplit(":", 1)
        up = socket.create_connection((host, int(port)))
        if method == b"CONNECT":
            c.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            up.sendall(head)

        def pump(a, b):
            try:
                while True:
                    data = a.recv(65536)
                    if not data:
                        break
                    b.sendall(data)
            except OSError:
                pass
            for x in (a, b):
                try:
                    x.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

        threading.Thread(target=pump, args=(up, c), daemon=True).start()
        pump(c, up)


with AnyService(lambda rq: "Fine.") as s:
    proxy = Connect()
    r = ask(s.url, env={"http_proxy": proxy.url})
    eq((r.status, len(proxy.heads)), (0, 1), "http_proxy is asked")
    r = ask(s.url, env={"http_proxy": proxy.url, "no_proxy": "127.0.0.1"})
    eq((r.status, len(proxy.heads)), (0, 1), "no_proxy goes past it")
    r = ask(s.url, "--retries", "0", env={"http_proxy": "http://127.0.0.1:1"})
    eq(r.status, 4, "a proxy that is not there: status 4")
    if not tls:
        skip("openssl is not there", "a proxy for https", 2)
    else:
        import ssl
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(BOX / "c.pem", BOX / "k.pem")
        s.server.socket = context.wrap_socket(s.server.socket, server_side=True)
        r = ask(s.url.replace("http:", "https:"), env={"https_proxy": proxy.url, "SSL_CERT_FILE": str(BOX / "c.pem")})
        eq((r.status, proxy.heads[-1].split()[0]), (0, "CONNECT"), "https_proxy is asked to connect")
        ok(TEST_KEY not in proxy.heads[-1], "and sees no key", proxy.heads[-1])

# --- the time limits
silent = socket.create_server(("127.0.0.1", 0), backlog=8)  # takes connections and never answers
addr = f"http://127.0.0.1:{silent.getsockname()[1]}"
for args, want in [
        (["--first-byte-timeout", "700ms"], r"first.byte|first_byte_timeout"),
        (["--request-timeout", "700ms"], r"request_timeout"),
]:
    r = ask(addr, *args, "--retries", "0")
    eq(r.status, 4, f"{args[0]}: status 4")
    like(r.err, want, f"{args[0]}: named")
    ok(r.seconds < 30 * PATIENCE, f"{args[0]}: in time", r.seconds)
r = ask(addr, "--deadline", "2s", "--retries", "50", "--first-byte-timeout", "300ms")
ok(r.status in (4, 124) and r.seconds < 30 * PATIENCE, "retries never pass --deadline", r.status, r.err)
full = socket.create_server(("127.0.0.1", 0), backlog=0)  # its queue is filled: nobody else gets a connection
fill = [socket.socket() for _ in range(4)]
for f in fill:
    f.setblocking(False)
    f.connect_ex(full.getsockname())
time.sleep(0.3)
r = ask(f"http://127.0.0.1:{full.getsockname()[1]}", "--connect-timeout", "700ms", "--retries", "0")
eq(r.status, 4, "--connect-timeout: status 4")
like(r.err, r"connect", "--connect-timeout: named")
with AnyService(lambda rq: {"status": 429, "headers": {"retry-after": "90"}, "json": {"error": {"message": "slow down"}}}) as s:
    r = ask(s.url, "--deadline", "20s")
    eq((r.status, len(s.requests)), (4, 1), "a wait beyond --deadline is not begun")
    like(r.err, r"no time for another attempt before the deadline", "and it is said")
with AnyService(lambda rq: {"status": 429, "headers": {"retry-after-ms": "20"}, "json": {"error": {"message": "slow down"}}}
                if rq["n"] < 2 else "Fine.") as s:
    r = ask(s.url)
    eq((r.status, len(s.requests)), (0, 3), "retry-after-ms is obeyed")
with AnyService(lambda rq: {"status": 429, "json": {"error": {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED", "details": [
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.05s"}]}}} if rq["n"] < 1 else "Fine.") as s:
    r = ask(s.url, "--wire", "gemini-generate-content", "--no-stream")
    eq((r.status, len(s.requests)), (0, 2), "Gemini's wait in the body is obeyed")
done()
