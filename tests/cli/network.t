#!/usr/bin/python3
"""The setting `network`: listed hosts are reached, nothing else is, and every connection is on record.

The proxy refuses every address that is not public, this machine's own included, so the servers
stand in a network namespace of their own, joined to the test's by a virtual cable, under an address that
looks public. No packet leaves this machine. That needs root, iproute2 and openssl."""
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import netns  # noqa: E402

SERVER = """
import ctypes, os, socket, ssl, sys, threading
folder = sys.stdin.readline().strip()
def serve(port, tls):
    s = socket.create_server(('', port))
    ctx = None
    if tls:
        ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); ctx.load_cert_chain(folder + '/ca.pem', folder + '/key.pem')
    def one(c):
        try:
            if ctx: c = ctx.wrap_socket(c, server_side=True)
            head = b''
            while b'\\r\\n\\r\\n' not in head:
                part = c.recv(4096)
                if not part: return
                head += part
            body = b'x' * 3000000 if b'/big' in head else b'seen ' + head.split(b'\\r\\n')[0]
            c.sendall(b'HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: %d\\r\\n\\r\\n' % len(body) + body)
        except OSError: pass
        finally: c.close()
    while True:
        threading.Thread(target=one, args=(s.accept()[0],), daemon=True).start()
for port, tls in ((80, False), (443, True), (8443, True), (81, False)):
    threading.Thread(target=serve, args=(port, tls), daemon=True).start()
print('up', flush=True)
sys.stdin.read()
"""

netns.enter(SERVER, __file__)
from harness import *  # noqa: E402
import socket  # noqa: E402
import struct  # noqa: E402
import threading  # noqa: E402

if "IN_NETNS" in os.environ:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def events(r):
    return [e for e in r.record.events if e["type"] == "network"] if r.record else []


def seen(r):
    return [(e["host"], e["port"], e["allowed"]) for e in events(r)]


def cell(source, *args, **how):
    """One cell; its observation is r.told."""
    r = run("q", *args, script=[code(source), say("done")], **how)
    r.told = r.observations[0]
    return r


def scan(pid, word):
    """How many bytes of a process's memory can be read, and how often the word is in them."""
    looked = found = 0
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        span, flags = line.split()[:2]
        low, high = (int(x, 16) for x in span.split("-"))
        if "r" not in flags or "[v" in line or high - low > 1 << 28:
            continue
        with open(f"/proc/{pid}/mem", "rb") as f:
            f.seek(low)
            try:
                data = f.read(high - low)
            except OSError:
                continue
        looked += len(data)
        found += data.count(word.encode())
    return looked, found


# --- without the setting there is nothing
ABSENT = """
import os, socket
print(os.path.exists('/run/sandbox/egress.sock'), os.path.exists('/etc/ssl/certs'), socket.socket.__module__)
try: socket.socket()
except PermissionError as e: print('refused')
"""
r = cell(ABSENT)
like(r.told, r"False False socket\nrefused", "without the setting: no socket, no certificates, no shim")
eq(events(r), [], "and no event")

# --- the setting
for bad, why in (("1.2.3.4", "address"), ("*.org", "top-level"), ("https://a.org", "colon|port"), ("a.org none", "stands alone"),
                 ("a.org:0", "port")):
    r = run("q", "--network", bad, url="http://127.0.0.1:9/v1")
    eq(r.status, 2, f"--network {bad!r} is refused")
    like(r.err, why, "with the reason")
home = new_home()
(home / "work" / "agent.conf").write_text("network = evil.example.org\n")
r = run("q", home=home, url="http://127.0.0.1:9/v1")
eq(r.status, 3, "a project's agent.conf may not open the network")
like(r.err, r"may not set network", "and says so")

# --- what is refused, needs no server
LOOK = """
import socket, urllib.request, http.client
def look(f):
    try: print('BAD', f())
    except OSError as e:
        e = getattr(e, 'reason', e)
        print(type(e).__name__, e)
"""
r = cell(LOOK + """
look(lambda: urllib.request.urlopen('https://other.example.org/'))
look(lambda: socket.create_connection(('data.example.com', 22)))
look(lambda: socket.create_connection(('127.0.0.1', 443)))
look(lambda: socket.create_connection(('::1', 443)))
look(lambda: socket.create_connection(('169.254.169.254', 80)))
look(lambda: socket.create_connection(('localhost', 443)))
look(lambda: socket.create_connection(('sub.data.example.com', 443)))
s = socket.socket(); print(s.connect_ex(('other.example.org', 443)))
look(lambda: socket.socket().bind(('', 8000)))
look(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
""", "--network", "data.example.com localhost")
like(r.told, r"PermissionError.*other\.example\.org:443.*not among those of the setting `network'", "another host: a clear error that names host and setting")
like(r.told, r"data\.example\.com:22.*port is not permitted", "another port")
like(r.told, r"127\.0\.0\.1:443: an address", "an IPv4 address")
like(r.told, r"\[::1\]:443: an address", "an IPv6 address")
like(r.told, r"169\.254\.169\.254:80: an address", "the clouds' metadata address")
like(r.told, r"localhost:443: the name stands for an address that is not public", "a permitted name of a loopback address")
like(r.told, r"sub\.data\.example\.com:443: the host is not among", "a name below a permitted one")
like(r.told, r"\n13\n", "connect_ex gives EACCES")
unlike(r.told, "BAD", "nothing got through")
got = seen(r)
eq(len(got), 8, "each of the eight is on record")
eq([g for g in got if g[2]], [], "as not allowed")
eq(got[:1], [("other.example.org", 443, False)], "with host and port")
eq([e["reason"] == "" for e in events(r)], [False] * 8, "and a reason each")
start_event = [e for e in r.record.events if e["type"] == "sandbox.start"][0]
eq(start_event["network"], "data.example.com localhost", "the permitted hosts are on record")
like(r.bodies()[0]["messages"][0]["content"], r"these hosts and no others: data\.example\.com localhost", "and the model is told of them")

# --- hostile to the proxy itself
r = cell("""
import _socket, time, threading
PATH = '/run/sandbox/egress.sock'
def raw(data, wait=3):
    s = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM); s.settimeout(wait); s.connect(PATH)
    try:
        s.sendall(data)
        out = b''
        while True:
            part = s.recv(4096)
            if not part: break
            out += part
        return out
    except OSError as e: return repr(e).encode()
    finally: s.close()
print('bomb', raw(b'CONNECT data.example.com:443 HTTP/1.1\\r\\n' + b'A: b\\r\\n' * 40000)[:12])
print('binary', raw(bytes(range(256)) * 10)[:12])
print('smuggle', raw(b'GET http://evil.example.org/ HTTP/1.1\\r\\nHost: data.example.com\\r\\n\\r\\n')[:12])
t = time.monotonic()
many = []
for i in range(1000):
    s = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM); s.setblocking(False)
    try: s.connect(PATH)
    except BlockingIOError: s.close(); continue
    many.append(s)
print('open at once', len(many) <= 300, time.monotonic() - t < 5)
""", "--network", "data.example.com", timeout=60)
like(r.told, r"bomb b'HTTP/1.1 400", "a head without an end is refused with an answer")
like(r.told, r"binary b'HTTP/1.1 400", "bytes that are no HTTP")
like(r.told, r"smuggle b'HTTP/1.1 403", "the URL counts, not the Host")
like(r.told, r"open at once True True", "a thousand connections: most do not even get into the queue, and nothing hangs")
ok(any("larger than permitted" in e["reason"] for e in events(r)), "the head's size is the recorded reason", events(r)[:3])
eq(sum(e["reason"].startswith("cut off") for e in events(r)) <= 32, True, "at most 32 had a process when the sandbox ended")

# --- kill -9 leaves no proxy; no key in it
with Provider([code("import time; print('up', flush=True); time.sleep(60)"), say("never")]) as provider:
    run_ = start("-m", "scripted", "--network", "data.example.com", "q", url=provider.url)
    end = time.monotonic() + 20 * PATIENCE
    proxy = None
    while proxy is None and time.monotonic() < end:
        proxy = next((p for p, c in children_of([run_.process.pid]).items() if c.startswith("agent-egress")), None)
        time.sleep(0.02)
    ok(proxy is not None, "the proxy is a process of its own")
    time.sleep(0.5)
    if os.getuid() == 0:
        looked, found = scan(proxy, KEY)
        ok(looked > 100000 and found == 0, "the key is nowhere in its memory", looked, found)
        ok(scan(run_.process.pid, KEY)[1] > 0, "(while the same search finds it in the agent's)")
        env = Path(f"/proc/{proxy}/environ").read_bytes()
        eq(KEY.encode() in env, False, "nor in its environment")
        eq(os.stat(f"/proc/{proxy}").st_uid == 0 and "Uid:\t0" in Path(f"/proc/{proxy}/status").read_text(), False,
           "started by root it is nobody")
    else:
        skip("reading the proxy's memory needs root", n=4)
    run_.process.kill()
    run_.process.wait()
    end = time.monotonic() + 5 * PATIENCE
    while any("agent-egress" in c for c in children_of([os.getpid()]).values()) and time.monotonic() < end:
        reap([proxy])
        time.sleep(0.02)
    eq([c for c in children_of([os.getpid()]).values() if "agent-egress" in c], [], "kill -9 of agent ends the proxy")
    run_.process.stdout.close()
    run_.process.stderr.close()
    left_after([provider.process.pid])

# --- what is permitted
if "IN_NETNS" not in os.environ:
    skip("reaching a server needs root, unshare, nsenter, ip and openssl", n=1)
    done()

HERE_IP, THERE = "93.184.215.1", "93.184.215.14"
NAMES = {"ok.example.org": THERE, "a.wild.example.org": THERE, "b.a.wild.example.org": THERE, "port.example.org": THERE,
         "private.example.org": "10.0.0.5", "self.example.org": HERE_IP, "closed.example.org": THERE}
certs = BOX / "certs"
certs.mkdir()
subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test",
                "-addext", "subjectAltName=DNS:ok.example.org,DNS:*.wild.example.org",
                "-keyout", certs / "key.pem", "-out", certs / "ca.pem"], check=True, capture_output=True)

SERVER_PID, GO, UP = map(int, os.environ["IN_NETNS"].split())


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True)


ip("link", "add", "here", "type", "veth", "peer", "name", "there")
ip("link", "set", "there", "netns", str(SERVER_PID))
ip("addr", "add", HERE_IP + "/24", "dev", "here")
ip("link", "set", "here", "up")
for words in (["addr", "add", THERE + "/24", "dev", "there"], ["link", "set", "there", "up"]):
    subprocess.run(["nsenter", "-t", str(SERVER_PID), "-n", "ip", *words], check=True, capture_output=True)
os.write(GO, f"{certs}\n".encode())
os.read(UP, 3)

FLIPS = {}


def dns():
    """Answers A queries; flip.example.org is public the first time and loopback ever after."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 53))
    while True:
        q, who = s.recvfrom(512)
        labels, at = [], 12
        while q[at]:
            labels.append(q[at + 1:at + 1 + q[at]].decode())
            at += 1 + q[at]
        name, kind = ".".join(labels).lower(), struct.unpack(">H", q[at + 1:at + 3])[0]
        if name == "slow.example.org":
            continue
        answers = []
        if kind == 1 and name == "flip.example.org":
            FLIPS[name] = FLIPS.get(name, 0) + 1
            answers = [THERE if FLIPS[name] == 1 else "127.0.0.1"]
        elif kind == 1 and name == "mixed.example.org":
            answers = ["127.0.0.1", THERE]
        elif kind == 1 and name in NAMES:
            answers = [NAMES[name]]
        elif kind == 28 and name == "six.example.org":
            answers = ["::ffff:127.0.0.1"]
        rcode = 0 if answers or name in NAMES or name in ("flip.example.org", "mixed.example.org", "six.example.org") else 3
        out = q[:2] + struct.pack(">HHHHH", 0x8180 | rcode, 1, len(answers), 0, 0) + q[12:at + 5]
        for a in answers:
            data = socket.inet_pton(socket.AF_INET6 if ":" in a else socket.AF_INET, a)
            out += b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 0, len(data)) + data
        s.sendto(out, who)


threading.Thread(target=dns, daemon=True).start()
for name, text in (("resolv.conf", "nameserver 127.0.0.1\n"), ("nsswitch.conf", "hosts: files dns\n"), ("hosts", "127.0.0.1 localhost\n")):
    (BOX / name).write_text(text)
    (BOX / name).chmod(0o644)
    subprocess.run(["mount", "--bind", BOX / name, Path("/etc", name).resolve()], check=True)
CA = ["-f", f"{certs}/ca.pem"]
TLS = "import ssl, urllib.request, socket, http.client\nctx = ssl.create_default_context(cafile='/data/ca.pem')\n"
ALL = ("ok.example.org *.wild.example.org port.example.org:81 private.example.org self.example.org flip.example.org mixed.example.org "
       "six.example.org gone.example.org closed.example.org:9")

r = cell(TLS + """
print(urllib.request.urlopen('https://ok.example.org/a', context=ctx, timeout=10).read())
print(urllib.request.urlopen('http://ok.example.org/b', timeout=10).read())
print(urllib.request.urlopen('https://a.wild.example.org/c', context=ctx).read())
print(urllib.request.urlopen('http://b.a.wild.example.org/d').read())
print(urllib.request.urlopen('http://port.example.org:81/e').read())
print(len(urllib.request.urlopen('https://ok.example.org/big', context=ctx).read()))
c = http.client.HTTPConnection('ok.example.org'); c.request('GET', '/f'); print(c.getresponse().read(), c.sock)
""", "--network", ALL, *CA)
for part in "abcdef":
    like(r.told, rf"seen GET /{part} HTTP", f"a permitted host answers: {part}")
like(r.told, r"^3000000$", "three megabytes arrive")
eq([e["allowed"] for e in events(r)], [True] * 7, "seven connections are on record as allowed")
eq(sorted({e["reason"] for e in events(r)}), [""], "and ran to their end")
big = max(events(r), key=lambda e: e["bytes_in"])
ok(3000000 < big["bytes_in"] < 3100000 and 300 < big["bytes_out"] < 10000 and big["duration_us"] > 0,
   "with their bytes and time", big)

r = cell(LOOK + TLS + """
look(lambda: socket.create_connection(('private.example.org', 443)))
look(lambda: socket.create_connection(('self.example.org', 443)))
look(lambda: socket.create_connection(('six.example.org', 443)))
look(lambda: socket.create_connection(('wild.example.org', 443)))
look(lambda: socket.create_connection(('port.example.org', 80)))
look(lambda: socket.create_connection(('gone.example.org', 443)))
look(lambda: socket.create_connection(('closed.example.org', 9)))
print('first', urllib.request.urlopen('http://flip.example.org/flip').read())
look(lambda: socket.create_connection(('flip.example.org', 80)))
print('mixed', urllib.request.urlopen('http://mixed.example.org/mixed').read())
look(lambda: urllib.request.urlopen('https://mixed.example.org/', context=ctx))
""", "--network", ALL, *CA)
like(r.told, r"PermissionError.*private\.example\.org:443.*not public \(private\)", "a permitted name of a private address")
like(r.told, r"self\.example\.org:443.*not public \(this machine's own\)", "a permitted name of this machine's own public address")
like(r.told, r"six\.example\.org:443.*IPv6's clothes", "a permitted name of loopback dressed as IPv6")
like(r.told, r"wild\.example\.org:443: the host is not among", "a wildcard does not stand for its own domain")
like(r.told, r"port\.example\.org:80: the port", "with a port given, 80 is not permitted")
like(r.told, r"ConnectionError.*gone\.example\.org:443 cannot be reached: the name cannot be resolved", "a name that there is not")
like(r.told, r"closed\.example\.org:9 cannot be reached: connecting failed: Connection refused", "a port where nobody listens")
like(r.told, r"first b'seen GET /flip", "a name whose address turns: reached while it is public")
like(r.told, r"flip\.example\.org:80.*not public \(loopback\)", "and refused once it is loopback")
eq(FLIPS, {"flip.example.org": 2}, "each connection looked the name up once, so there is no second answer to be fooled by")
like(r.told, r"mixed b'seen GET /mixed", "of two addresses the public one is used")
like(r.told, r"SSL|certificate", "TLS checks the name end to end")
unlike(r.told, "BAD", "nothing else got through")

r = cell("""
import asyncio, subprocess
async def go():
    r, w = await asyncio.open_connection('ok.example.org', 80)
    w.write(b'GET /async HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'); await w.drain()
    print(await r.read())
asyncio.run(go())
import _socket
s = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM); s.connect('/run/sandbox/egress.sock')
s.sendall(b'GET http://ok.example.org/absolute HTTP/1.1\\r\\nHost: evil\\r\\n\\r\\n')
out = b''
while True:
    p = s.recv(4096)
    if not p: break
    out += p
print(out)
""", "--network", "ok.example.org")
like(r.told, r"seen GET /async", "asyncio gets through")
like(r.told, r"seen GET /absolute HTTP/1.1", "a request for an http:// URL, without CONNECT")

# The Python of the test's PATH may be another than the system's, and have requests.
other = subprocess.run(["python3", "-c", "import sys, requests; print(sys.executable)"], capture_output=True,
                       text=True).stdout.strip()
if other:
    r = cell("""
import requests
print(requests.get('https://ok.example.org/req', verify='/data/ca.pem', timeout=10).text)
with requests.Session() as s: print(s.post('http://ok.example.org/post', data='x').text)
try: requests.get('https://evil.example.org/', timeout=10)
except requests.ConnectionError as e: print('ConnectionError', e)
""", "--network", "ok.example.org", "--python", other, *CA)
    like(r.told, r"seen GET /req", "requests gets through TLS")
    like(r.told, r"seen POST /post", "and without")
    like(r.told, r"ConnectionError.*evil\.example\.org:443.*not among", "and shows the reason for what is refused")
    eq([e["allowed"] for e in events(r)], [True, True, False], "all on record")
else:
    skip("the python3 of PATH has no requests", n=4)

# The slow ones last: both are bounded by the proxy, not by the client.
r = cell("""
import _socket, time, socket
def slow():
    s = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM); s.connect('/run/sandbox/egress.sock')
    t = time.monotonic()
    try:
        for c in b'CONNECT ok.example.org:443 HTTP/1.1\\r\\n' + b'A: b\\r\\n' * 100:
            s.send(bytes([c])); time.sleep(0.1)
    except OSError as e: pass
    return time.monotonic() - t
print('slow client ended', slow() < 15)
""", "--network", "ok.example.org slow.example.org")
like(r.told, r"slow client ended True", "a client that sends byte by byte is cut off")
ok(any("no whole request within" in e["reason"] for e in events(r)), "with the reason", events(r))
done()
