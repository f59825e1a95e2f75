#!/usr/bin/python3
"""Environments from a package index: a server of our own under a public-looking address, in a network namespace of its
own, joined to the test's by a virtual cable (see network.t). That needs root, iproute2 and openssl."""
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import netns  # noqa: E402

SERVER = """
import http.server, os, ssl, sys, threading
folder = sys.stdin.readline().strip()
os.chdir(folder + '/www')
log = open(folder + '/log', 'w', buffering=1)
class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, form, *args): log.write(self.headers.get('Host', '') + ' ' + self.requestline + '\\n')
server = http.server.ThreadingHTTPServer(('', 443), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(folder + '/ca.pem', folder + '/key.pem')
server.socket = context.wrap_socket(server.socket, server_side=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
print('up', flush=True)
sys.stdin.read()
"""

netns.enter(SERVER, __file__)
from harness import *  # noqa: E402
from wheels import wheel  # noqa: E402
import socket  # noqa: E402
import struct  # noqa: E402
import threading  # noqa: E402

if have_modules("pip"):
    skip_all(f"pip is not installed for {PYTHON} (python3-pip)")
HOME = new_home()
ENVS = HOME / "share" / "agent" / "envs"
FILES = ("--package-hosts", "files.example.org")
INDEX = ("--package-index", "https://index.example.org/simple")


def create(name, *args, **how):
    return run("env", "create", name, *args, model=None, home=HOME, **how)


for url, why in (("http://index.example.org/simple", "must be an https:// URL"), ("https://127.0.0.1/simple", "package_index: .*address"),
                 ("https://localhost/simple", "cannot be reached|not permit|refused|not public")):
    r = create("x", "--package-index", url, "beta")
    ok(r.status not in (0, None), f"{url} is refused", r.status)
    like(r.err, why, "with the reason")
project = new_home()
(project / "work" / "agent.conf").write_text("package_index = https://evil.example.org/\n")
eq(run("env", "create", "x", "beta", model=None, home=project).status, 3, "a project's agent.conf may not choose the index")

if "IN_NETNS" not in os.environ:
    skip("reaching a server needs root, unshare, nsenter, ip and openssl")
    done()

HERE_IP, THERE = "93.184.215.1", "93.184.215.14"
# Where this pip goes by itself: our server answers under that name too.
DEFAULT = subprocess.run([PYTHON, "-c", "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"], capture_output=True,
                         text=True).stdout.strip()
NAMES = ("index.example.org", "files.example.org", "evil.example.org", DEFAULT.split("/")[2])
site = BOX / "site"
pages = site / "www" / "simple"
wheels = {w.name.partition("-")[0]: w for w in (
    wheel(site / "www" / "files", "alpha", "1.0", {"alpha.py": "import beta\n"}, requires=["beta"]),
    wheel(site / "www" / "files", "beta", "2.1", {"beta.py": "TWO = 2\n"}),
    wheel(site / "www" / "files", "stray", "1.0", {"stray.py": ""}))}
for name, path in wheels.items():
    host = "evil" if name == "stray" else "files"
    (pages / name).mkdir(parents=True)
    (pages / name / "index.html").write_text(
        f'<!DOCTYPE html><html><body><a href="https://{host}.example.org/files/{path.name}#sha256={sha256(path)}">{path.name}</a></body></html>')
subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test",
                "-addext", "subjectAltName=DNS:*.example.org,DNS:" + NAMES[3], "-keyout", site / "key.pem", "-out", site / "ca.pem"], check=True, capture_output=True)
SERVER_PID, GO, UP = map(int, os.environ["IN_NETNS"].split())


def ip(*words, where=()):
    subprocess.run([*where, "ip", *words], check=True, capture_output=True)


there = ("nsenter", "-t", str(SERVER_PID), "-n")
ip("link", "set", "lo", "up")
ip("link", "add", "here", "type", "veth", "peer", "name", "there")
ip("link", "set", "there", "netns", str(SERVER_PID))
ip("addr", "add", HERE_IP + "/24", "dev", "here")
ip("link", "set", "here", "up")
ip("addr", "add", THERE + "/24", "dev", "there", where=there)
ip("link", "set", "there", "up", where=there)
os.write(GO, f"{site}\n".encode())
os.read(UP, 3)


def dns():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 53))
    while True:
        q, who = s.recvfrom(512)
        labels, at = [], 12
        while q[at]:
            labels.append(q[at + 1:at + 1 + q[at]].decode())
            at += 1 + q[at]
        name, kind = ".".join(labels).lower(), struct.unpack(">H", q[at + 1:at + 3])[0]
        found = kind == 1 and name in NAMES
        out = q[:2] + struct.pack(">HHHHH", 0x8180 | (0 if name in NAMES else 3), 1, found, 0, 0) + q[12:at + 5]
        if found:
            out += b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 0, 4) + socket.inet_aton(THERE)
        s.sendto(out, who)


threading.Thread(target=dns, daemon=True).start()
for name, text in (("resolv.conf", "nameserver 127.0.0.1\n"), ("nsswitch.conf", "hosts: files dns\n"), ("hosts", "127.0.0.1 localhost\n"),
                   ("ssl/certs/ca-certificates.crt", (site / "ca.pem").read_text())):
    path = BOX / "etc" / Path(name).name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o644)
    subprocess.run(["mount", "--bind", path, Path("/etc", name).resolve()], check=True)

r = create("net", *INDEX, *FILES, "-v", "alpha")
eq(r.status, 0, "an environment is made from an index")
like(r.out, r"(?s)^from +https://index\.example\.org/simple$.*^  alpha 1\.0 .*^  beta 2\.1 ", "with what it needs")
like(r.err, r"network: index\.example\.org:443, \d+ bytes in", "which hosts were reached is shown")
like((site / "log").read_text(), r"index\.example\.org GET /simple/alpha/", "the index was asked")
like((site / "log").read_text(), r"files\.example\.org GET /files/beta-2\.1", "and the files' host")
lock = ENVS / "net" / "lock"
like(lock.read_text(), rf"^alpha==1\.0 --hash=sha256:{sha256(wheels['alpha'])}$", "the lock has the hashes")
r = run("--env", "net", "q", script=[code("import alpha, socket\nprint('TWO', alpha.beta.TWO)\ntry: socket.socket()\nexcept PermissionError: print('no network')"), say("x")], home=HOME)
like(r.observations[0], r"TWO 2\nno network", "a run with it has its modules and no network")
r = create("default", *FILES, "-v", "beta")
eq((r.status, json.loads((ENVS / "default" / "manifest.json").read_text())["index"]), (0, DEFAULT), "without a setting it is pip's own index")
like(r.err, rf"network: {re.escape(NAMES[3])}:443, \d+ bytes in", "which is reached")
r = create("again", *INDEX, *FILES, "--lock", lock)
eq((r.status, (ENVS / "again" / "lock").read_text()), (0, lock.read_text()), "the lock makes the same again")

r = create("stray", *INDEX, *FILES, "stray")
eq(r.status, 1, "a file on another host is not fetched")
like(r.err, r"network: evil\.example\.org:443 was refused: .*package_hosts", "the refused host is named, and the setting")
unlike((site / "log").read_text(), r"evil\.example\.org", "and was never reached")
wheels["beta"].write_bytes(b"PK" + wheels["beta"].read_bytes()[2:-4] + b"evil")
r = create("changed", *INDEX, *FILES, "--lock", lock)
eq((r.status, (ENVS / "changed").exists()), (1, False), "a file that was changed on its way is refused")
like(r.err, "DO NOT MATCH THE HASHES", "with the reason")
r = create("nope", *INDEX, *FILES, "not-there")
eq(r.status, 1, "a package that is not there")
like(r.err, "No matching distribution found for not-there", "is named")
(BOX / "etc" / "ca-certificates.crt").write_text("")
r = create("untrusted", *INDEX, *FILES, "alpha", timeout=120)
eq(r.status, 1, "an index whose certificate nobody vouches for is not trusted")
done()
