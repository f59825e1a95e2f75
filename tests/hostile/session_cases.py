"""Hostile code in a session, as data: cells of every language, what looks at refused calls, results, and files that come out.

SESSIONS are run by tests/sandbox/cell. Each: (id, name, cells, options); a cell is (context, code), a context is LANGUAGE/NAME.
After the last cell a cell of Python in a context of its own must still be answered. What the cells print must not hold BROKEN,
the canary or the key, and must match
  want=REGEX      (default ^out: HELD)
  needs=PROGRAM   skipped where it is missing
  control=ARGV    the first cell's code run outside as the last argument, as an ordinary user: there it must print BROKEN
  files=N         the limit of open files under which it is started;  preload=MODULES  for the template
  timeout=MS      of a cell (default 10000);  seconds=N  of the whole (default 60)

EXECS are run by `agent exec`. Each: (id, name, arguments, code, good): good(run) says whether the outcome is the required one;
run has status, out, err, files (name -> bytes of what came out), room (bytes of disk), seconds, and json() where --json was given."""
SESSIONS, EXECS = [], []


def session(ident, name, *cells, **options):
    SESSIONS.append((ident, name, cells, options))


def execs(ident, name, args, code, good):
    EXECS.append((ident, name, args, code, good))


# --- JavaScript ---
NODE = ("node", "-e")
JS = dict(needs="node")


def js(ident, name, code, control=True, **options):
    session(ident, "JavaScript: " + name, ("javascript/j", code), **JS, **options, **({"control": NODE} if control else {}))


js("J1", "reads a file of the host", """
try { console.log('BROKEN', require('fs').readFileSync('CANARY_DIR/secret', 'utf8')) } catch (e) { console.log('HELD', e.code) }""")
js("J2", "connects to the host's loopback", """
new Promise(done => { const s = require('net').connect(CANARY_PORT, '127.0.0.1', () => { console.log('BROKEN'); s.destroy(); done() })
  s.on('error', e => { console.log('HELD', e.code); done() }) })""")
js("J3", "a child process reads a file of the host", """
const r = require('child_process').spawnSync('/bin/cat', ['CANARY_DIR/secret'])
console.log(r.stdout && r.stdout.length ? 'BROKEN ' + r.stdout : 'HELD')""")
js("J4", "a worker thread reads a file of the host", """
new Promise(done => { const w = new (require('worker_threads').Worker)(
  "require('worker_threads').parentPort.postMessage(require('fs').readFileSync('CANARY_DIR/secret', 'utf8'))", { eval: true })
  w.on('message', m => { console.log('BROKEN', m); done() }); w.on('error', e => { console.log('HELD', e.code); done() }) })""")
js("J5", "connects to a socket of the host by its path", """
new Promise(done => { const s = require('net').connect('CANARY_DIR/socket', () => { console.log('BROKEN'); s.destroy(); done() })
  s.on('error', e => { console.log('HELD', e.code); done() }) })""")
js("J6", "kills its parent, and all that it may", """
for (const pid of [process.ppid, 1]) try { process.kill(pid, 'SIGKILL'); console.log('BROKEN', pid) } catch (e) { console.log('HELD', e.code) }
process.kill(-1, 'SIGKILL')""", control=False)
js("J7", "writes to every descriptor", """
const fs = require('fs'); console.log('HELD')
for (let fd = 3; fd < 260; fd++) try { fs.writeSync(fd, Buffer.alloc(4096, 255)) } catch (e) { }""", control=False, want=r"^\[1 ")
js("J8", "replaces what the driver is made of", """
console.log('HELD')
for (const o of [Array.prototype, Buffer, JSON, String.prototype, require('fs'), process])
  for (const k of Object.getOwnPropertyNames(o)) try { o[k] = () => { throw new Error('replaced') } } catch (e) { }""",
   control=False, timeout=3000, want=r"^\[1 ")
js("J9", "finds no key in its environment", """
const all = JSON.stringify([process.env, process.argv, process.execArgv])
console.log(all.includes('CANARY_E' + 'NV') || all.includes('sk-hostile') ? 'BROKEN' : 'HELD')""", control=False)

# --- Bash ---
BASH = ("bash", "-c")


def bash(ident, name, code, control=True, **options):
    session(ident, "Bash: " + name, ("bash/b", code), **options, **({"control": BASH} if control else {}))


bash("S1", "reads a file of the host", "x=$(cat CANARY_DIR/secret 2>&1) && echo \"BROKEN $x\" || echo HELD")
bash("S2", "connects to the host's loopback", "(exec 9<>/dev/tcp/127.0.0.1/CANARY_PORT) 2>/dev/null && echo BROKEN || echo HELD")
bash("S3", "kills all that it may", "kill -9 -1; kill -9 1; kill -9 $PPID; echo HELD", control=False, want=r"^\[1 ")
bash("S4", "every descriptor is closed", "for i in {3..255}; do eval \"exec $i>&-\"; done; echo HELD", control=False, want=r"^\[1 ")
bash("S5", "the driver's functions are replaced", "__agent_send() { :; }; __agent_next() { :; }; echo HELD", control=False, timeout=3000,
     want=r"^\[1 ")
bash("S6", "reads the environments and memory of all processes",
     "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline /proc/1/mem 2>/dev/null | grep -aE 'CANARY_E[N]V|sk-hostil[e]' && echo BROKEN || echo HELD",
     control=False)
bash("S7", "forks without end", "b() { b | b & }; b 2>/dev/null; sleep 1; kill -9 -1; echo HELD", control=False, want=r"^\[1 ")
session("S8", "Bash: no scratch file can be made, and it says so",
        ("python/fill", "n = 0\ntry:\n    while True:\n        open(f'/tmp/{n}', 'w').close(); n += 1\nexcept OSError as e:\n"
                        "    print('HELD', e.strerror)"),
        ("bash/b", "echo ran"), want=r"(?s)^out: HELD No space.*no scratch file in /tmp", timeout=60000)

# --- R, Java, Go ---
R = ("Rscript", "-e")
session("R1", "R: reads a file of the host", ("r/r", """
x <- tryCatch(suppressWarnings(readLines('CANARY_DIR/secret')), error = function(e) NULL)
cat(if (is.null(x)) 'HELD' else paste('BROKEN', x), '\\n')"""), needs="Rscript", control=R)
session("R2", "R: connects to the host's loopback", ("r/r", """
x <- tryCatch(socketConnection('127.0.0.1', CANARY_PORT, timeout = 2), error = function(e) NULL, warning = function(w) NULL)
cat(if (is.null(x)) 'HELD' else 'BROKEN', '\\n')"""), needs="Rscript", control=R)
session("R3", "R: kills all that it may, and quits", ("r/r", "cat('HELD\\n'); tools::pskill(1, 9); system('kill -9 -1'); quit('no', 7)"),
        needs="Rscript", want=r"^\[1 ")
session("V1", "Java: reads a file of the host, connects, kills its parent", ("java/v", """
try { System.out.println("BROKEN " + java.nio.file.Files.readString(java.nio.file.Path.of("CANARY_DIR/secret"))); }
catch (Exception e) { System.out.println("HELD " + e.getClass()); }
try { new java.net.Socket("127.0.0.1", CANARY_PORT).close(); System.out.println("BROKEN"); }
catch (Exception e) { System.out.println("HELD " + e.getClass()); }
System.out.println("HELD");
ProcessHandle.allProcesses().filter(p -> p.pid() != ProcessHandle.current().pid()).forEach(p -> p.destroyForcibly());"""),
        needs="java", want=r"(?s)^out: HELD.*^out: HELD.*^out: HELD", timeout=30000)
session("V2", "Java: halts in the middle", ("java/v", "System.out.println(\"HELD\"); Runtime.getRuntime().halt(0);"), needs="java",
        want=r"^\[1 ", timeout=30000)
session("G1", "Go: reads a file of the host, connects, makes a namespace, kills pid 1", ("go/g", """
package main

import (
\t"fmt"
\t"net"
\t"os"
\t"syscall"
)

func main() {
\tif b, err := os.ReadFile("CANARY_DIR/secret"); err == nil {
\t\tfmt.Println("BROKEN", string(b))
\t}
\tif _, err := net.Dial("tcp", "127.0.0.1:CANARY_PORT"); err == nil {
\t\tfmt.Println("BROKEN")
\t}
\tif _, _, e := syscall.RawSyscall(syscall.SYS_UNSHARE, syscall.CLONE_NEWUSER, 0, 0); e == 0 {
\t\tfmt.Println("BROKEN")
\t}
\tif err := syscall.Kill(1, syscall.SIGKILL); err == nil {
\t\tfmt.Println("BROKEN")
\t}
\tfmt.Println("HELD")
}"""), needs="go", timeout=60000, seconds=120)

# --- what looks at refused calls (denied[]) ---


def python(ident, name, code, **options):
    session(ident, name, ("python/p", code), **options)


python("N1", "refused calls: no descriptor of the listener, and none that is not accounted for", """
import os
names = {fd: os.readlink(f'/proc/self/fd/{fd}') for fd in os.listdir('/proc/self/fd') if os.path.lexists(f'/proc/self/fd/{fd}')}
bad = {fd: n for fd, n in names.items() if 'seccomp' in n or 'memfd' in n or 'denied' in n}
print('BROKEN' if bad else 'HELD', bad)""")
python("N2", "refused calls: pointers that lead nowhere", """
import ctypes, mmap
L = ctypes.CDLL(None, use_errno=True)
page = mmap.mmap(-1, 8192); base = ctypes.addressof(ctypes.c_char.from_buffer(page))
L.mprotect(ctypes.c_void_p(base + 4096), 4096, 0)
page[4090:4096] = b'/usr/x'  # no NUL before the page that cannot be read
bad = []
for p in (0, 1, -1, -4096, 0x7fffffffffff, 0xffff800000000000, base + 4090):
    for call in (2, 257, 87, 263, 83, 258, 82, 86, 88, 76, 90, 92):  # open openat unlink unlinkat mkdir mkdirat rename link symlink ...
        args = (-100, p, 0o102, 0o600) if call in (257, 263, 258) else (p, 0o102 if call == 2 else p, 0o600)
        if L.syscall(call, *[ctypes.c_long(a) for a in args]) != -1: bad.append((call, p))
print('BROKEN' if bad else 'HELD', bad)""")
python("N3", "refused calls: the path is changed while it is looked at", """
import ctypes, os, threading, time
L = ctypes.CDLL(None, use_errno=True)
good, evil = b'/workspace/aaaaaaa', b'/output/pwned-aaaa'
buf = ctypes.create_string_buffer(good, 64)
stop = False
def flip():
    while not stop:
        ctypes.memmove(buf, evil, len(evil)); ctypes.memmove(buf, good, len(good))
t = threading.Thread(target=flip); t.start()
end = time.time() + 2
while time.time() < end:
    fd = L.open(buf, 0o101, 0o600)
    if fd >= 0: os.close(fd)
stop = True; t.join()
print('BROKEN' if os.path.exists(evil) else 'HELD')""")
python("N4", "refused calls: callers are killed while they wait for the answer", """
import os, signal, socket, time
for round in range(40):
    pids = []
    for i in range(8):
        pid = os.fork()
        if pid == 0:
            while True:
                try: socket.socket(socket.AF_INET)
                except OSError: pass
                try: open('/usr/x', 'w')
                except OSError: pass
        pids.append(pid)
    time.sleep(0.005)
    for pid in pids: os.kill(pid, signal.SIGKILL)
    for pid in pids: os.waitpid(pid, 0)
print('HELD')""", timeout=30000)
session("N5", "refused calls: a flood from one context does not starve another",
        ("python/flood", """
import os, socket
for i in range(16):
    if os.fork() == 0:
        while True:
            try: socket.socket(socket.AF_INET)
            except OSError: pass
print('HELD')"""),
        ("python/other", """
import time
t = time.monotonic()
for i in range(200):
    with open(f'f{i}', 'w') as f: f.write('x')
print('HELD' if time.monotonic() - t < 8 else 'BROKEN', round(time.monotonic() - t, 2))"""),
        want=r"(?s)^out: HELD.*^out: HELD", timeout=20000)
python("N6", "refused calls: a pipe without a reader does not hold up who looks at paths", """
import os, threading, time
r, w = os.pipe(); os.close(r)
for i in range(8): threading.Thread(target=lambda: open(f'/proc/self/fd/{w}', 'w'), daemon=True).start()
t = time.monotonic()
for i in range(50): open(f'g{i}', 'w').close()
print('HELD' if time.monotonic() - t < 8 else 'BROKEN')""")
python("N7", "refused calls: loops of links, the longest paths, and a folder that is deep", """
import os
os.symlink('loop', '/workspace/loop'); errors = set()
for path in ('/workspace/loop', 'a/' * 2047 + 'b', 'x' * 4095, '/usr/' + '../usr/' * 500 + 'x', '//usr//./x', '/proc/self/root/usr/x',
             '/proc/thread-self/root/output/x', '/dev/fd/../root/usr/x'):
    try: open(path, 'w').close(); errors.add('opened ' + path[:40])
    except OSError as e: errors.add(e.errno)
print('HELD' if not any(isinstance(e, str) for e in errors) else 'BROKEN', errors)""")

# --- one context against the others and against what keeps them ---
session("K1", "contexts: limits of other processes, which would kill them", ("python/evil", """
import os, resource
worked = []
for pid in range(1, 400):
    if pid == os.getpid(): continue
    for limit in (resource.RLIMIT_CPU, resource.RLIMIT_NOFILE, resource.RLIMIT_DATA):
        try: resource.prlimit(pid, limit, (0, 0)); worked.append((pid, limit))
        except OSError: pass
print('BROKEN' if worked else 'HELD', worked)"""),
        ("python/other", "sum(i * i for i in range(10**7)); print('HELD')"), want=r"(?s)^out: HELD.*^out: HELD")
session("K2", "contexts: as many descriptors on their way as the kernel permits a user", ("python/evil", """
import array, os, socket
kept, sent = [], 0
try:
    while sent < 30000:
        kept += [*socket.socketpair()]
        for i in range(4):
            kept[-1].sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [0] * 250))]); sent += 250
    print('BROKEN', sent)
except OSError as e: print('HELD', sent, e)"""),
        ("python/other", "import numpy; print('HELD')"), ("python/third", "print('HELD')"),
        want=r"(?s)^out: HELD.*^out: HELD.*^out: HELD", files=1024, preload="numpy")

# --- results ---
python("D1", "results: nested without end, not to be shown, or as large as can be", """
import sys
class Evil:
    def __repr__(self): raise SystemExit('from repr')
    def _repr_html_(self): return 'x' * (200 << 20)
    def _repr_mimebundle_(self, **kw): return {('a' * 100000): 1, 7: 8, 'image/png': 'not base64', 'text/plain': object()}
deep = []
for i in range(100000): deep = [deep]
try: display(Evil())
except BaseException as e: print(type(e).__name__)
try: display(deep)
except BaseException as e: print(type(e).__name__)
print('HELD')""", timeout=30000)
python("D2", "results: text that drives a terminal or ends a page early, lone surrogates", """
class T:
    def __init__(self, s): self.s = s
    def __repr__(self): return self.s
for s in ('\\x1b]0;title\\x07\\x1b[2J', '\\ud800\\udfff', '</script><script>alert(1)</script>', 'a\\x00b', '\\u202e'): display(T(s))
print('HELD')""")
python("D3", "charts: a specification of 60 MB, one with numbers that are none, one that is no object", """
def chart(spec):
    class V:
        def _repr_mimebundle_(self, **kw): return {'application/vnd.vegalite.v5+json': spec, 'text/plain': 'chart'}
    display(V())
for spec in ({'data': {'values': ['x' * 1000] * 60000}}, {'a': float('nan'), 'b': float('inf')}, 'text', None, [1], {'data': {'url': 'file:///etc/shadow'}}):
    try: chart(spec)
    except BaseException as e: print(type(e).__name__)
print('HELD')""", timeout=30000)

# --- files that come out, and what agent exec tells ---
GET = ["--get", "out:CANARY_OUT/got"]
execs("X1", "--get of a link to a file of the host", GET, "import os; os.symlink('CANARY_DIR/secret', 'out')",
      lambda r: r.status == 1 and not r.files)
execs("X2", "--get through a folder that is a link", ["--get", "dir/secret:CANARY_OUT/got"], "import os; os.symlink('CANARY_DIR', 'dir')",
      lambda r: r.status == 1 and not r.files)
execs("X3", "--get of a socket does not wait", GET, "import socket; s = socket.socket(socket.AF_UNIX); s.bind('out'); s.listen(); print('bound')",
      lambda r: r.status != 0 and "bound" in r.out and not r.files and r.seconds < 30)
execs("X4", "--get of a file that is all hole takes no room", GET, "import os; os.truncate(os.open('out', os.O_CREAT | os.O_RDWR), 400 << 20)",
      lambda r: r.room < 16 << 20)
execs("X5", "--get of a file that turns into a link while it is read", GET, """
import os, subprocess, sys
open('real', 'w').write('mine'); os.symlink('CANARY_DIR/secret', 'evil'); open('out', 'w').write('mine')
subprocess.Popen([sys.executable, '-c', '''
import os
while True:
    os.link('real', 't') if not os.path.exists('t') else None; os.rename('t', 'out')
    os.symlink('CANARY_DIR/secret', 't'); os.rename('t', 'out')
'''])""", lambda r: r.files in ({}, {"got": b"mine"}))
execs("X6", "--put above the folder", ["--put", "/etc/hostname:../x"], "print('ran')", lambda r: r.status == 2 and "ran" not in r.out)
execs("X7", "--json: code that prints what looks like the object", ["--json"],
      "print('{\"status\": \"ok\", \"exit_status\": 0}\\n' * 3); print('\\x00\\x1b[0m\"}]}'); raise SystemExit(3)",
      lambda r: r.json()["exit_status"] == 3 and isinstance(r.json()["logs"]["stdout"], list))
execs("X8", "--json: a number of refused calls from many threads is told exactly", ["--json"], """
import socket, threading
def go():
    for i in range(250):
        try: socket.socket(socket.AF_INET6)
        except OSError: pass
ts = [threading.Thread(target=go) for i in range(8)]
[t.start() for t in ts]; [t.join() for t in ts]""",
      lambda r: [d["count"] for d in r.json()["denied"] if "AF_INET6" in str(d)] == [2000])
execs("X9", "--json: what counts refused calls is out of reach", ["--json"], """
import ctypes, os, socket
try: socket.socket(socket.AF_INET)
except OSError: pass
with open('/proc/self/maps') as f: shared = [l for l in f if ' rw-s ' in l]
for l in shared:
    a, b = (int(x, 16) for x in l.split()[0].split('-')); ctypes.memset(a, 255, b - a)
""", lambda r: [d["count"] for d in r.json()["denied"] if "AF_INET" in str(d)] == [1])
execs("X11", "a folder that turns into a link while what is in it is taken", ["--out-dir", "CANARY_OUT"], """
import os, subprocess, sys
os.mkdir('d'); open('d/secret', 'w').write('mine'); os.symlink('CANARY_DIR', 'evil'); os.mkdir('d/e')
for i in range(300): open(f'd/e/f{i}', 'w').write('mine')
subprocess.Popen([sys.executable, '-c', '''
import ctypes
L = ctypes.CDLL(None)
while True: L.renameat2(-100, b'd', -100, b'evil', 2); L.renameat2(-100, b'd/e', -100, b'd/secret', 2)
'''])""", lambda r: r.status == 0 and set(r.files.values()) <= {b"mine"})
execs("X12", "files of no end of sorts, in folders of no end of depth", ["--out-dir", "CANARY_OUT"], """
import os, socket
os.truncate(os.open('hole', os.O_CREAT | os.O_RDWR), 400 << 20)
for n in ('a' * 255, 'b\\n../../etc/x', 'c/../d', ' ', '~', '$(id)', 'con', 'e.' * 100): 
    try: open(n, 'w').write('data')
    except OSError: pass
for i in range(3): os.link('~', f'hard{i}')
s = socket.socket(socket.AF_UNIX); s.bind('sock')
open('closed', 'w').write('data'); os.chmod('closed', 0)
os.symlink('/proc/self/environ', 'env'); os.symlink('/dev/zero', 'zero'); os.symlink('.', 'self')
for i in range(400):
    os.mkdir('deep'); os.chdir('deep')
open('bottom', 'w').write('data')""", lambda r: r.status == 0 and r.seconds < 40 and r.room < 16 << 20 and "zero" not in r.files and "env" not in r.files)
execs("X10", "files with names that drive a terminal, hide, or are none", ["--out-dir", "CANARY_OUT"], """
import os
for n in (b'\\x1b[2J', b'\\xff\\xfe', b'a\\nb', b'-rf', b'.hidden', '\\u202egpj.exe'.encode(), b'x' * 255): open(n, 'w').write('data')
os.symlink('/etc/passwd', 'passwd'); os.link('/workspace/.hidden', '/workspace/hard')""",
      lambda r: r.status == 0 and "passwd" not in r.files and "\x1b" not in r.err and all(n.isprintable() and n[0] not in "-." for n in r.files))
