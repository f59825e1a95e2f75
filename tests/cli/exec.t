#!/usr/bin/python3
"""agent exec beyond python3: limits, files, figures, notebook and JSON, contexts, refusals, validation."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

home = new_home()
work = home / "work"


class Exec:
    def __init__(self, *args, stdin=b"", env=None, timeout=60):
        began = time.monotonic()
        p = subprocess.run([str(AGENT), "exec", *args], input=stdin, capture_output=True, cwd=work,
                           env=dict(base_env(home), **(env or {})), timeout=timeout * PATIENCE)
        self.seconds = time.monotonic() - began
        self.status, self.raw = p.returncode, p.stdout
        self.out, self.err = (s.decode("utf-8", "replace") for s in (p.stdout, p.stderr))

    @property
    def json(self):
        return json.loads(self.out)


def notes(r):
    """What agent itself said, without the code's own lines."""
    return [l for l in r.err.splitlines() if l.startswith(("agent: ", "file: "))]


# --- which code
(work / "script.py").write_text("import sys, helper\nprint(sys.argv, __file__, helper.X)\n")
(work / "helper.py").write_text("X = 5\n")
r = Exec("-f", "helper.py", "script.py", "a", "--json", "-c")
eq((r.status, r.out), (0, "['script.py', 'a', '--json', '-c'] /workspace/script.py 5\n"),
   "a file: its arguments are all words after it, attached modules are beside it")
eq(Exec("-c", "x = 6", "-c", "print(x * 7)").out, "42\n", "several -c are one program")
r = Exec("-c", "1/0", "-c", "print('never')")
eq((r.status, r.out), (1, ""), "an exception ends it")
eq(Exec("-c", "").status, 0, "no code at all is fine")
eq(Exec(stdin=b"print('from a pipe')").out, "from a pipe\n", "without a word it reads standard input")
for args, status, what, words in (
        (["nosuch.py"], 2, "a file that is not there", "cannot open nosuch.py"),
        (["."], 2, "a folder", "is a directory"),
        (["-c", "#" * 100001], 2, "100,001 characters", "the limit is 100000"),
        (["--model", "x", "-c", "1"], 2, "a flag of another command", "no flag of agent exec"),
        (["--context", "a", "--context", "b", "-c", "1"], 2, "more contexts than code", "2 --context"),
        (["--context", "../x", "-c", "1"], 2, "a name that is none", "a name is 1 to 64"),
        (["--cwd", "/nowhere", "-c", "1"], 5, "a working directory that is not there", "No such file"),
        (["--setenv", "NOVALUE", "-c", "1"], 2, "a variable without a value", "NAME=VALUE"),
        (["--forbid-patterns", "(", "-c", "1"], 3, "a pattern that is none", "regular expression")):
    r = Exec(*args)
    ok(r.status == status and words in r.err and r.out == "", f"refused with a reason: {what}", r.status, r.err)
r = Exec("-c", "#" * 99990 + "\nprint(1)")
eq(r.out, "1\n", "100,000 characters run")
eq(Exec("--cwd", "/tmp", "--setenv", "A=b=c", "-c", "import os\nprint(os.getcwd(), os.environ['A'])").out,
   "/tmp b=c\n", "--cwd and --setenv")
unlike(Exec("-c", "import os\nprint(os.environ)", env={"OPENAI_API_KEY": KEY}).out, KEY, "no key enters")

# --- the end, named
r = Exec("--timeout", "0.5", "-c", "print('a', flush=True)\nwhile True: pass")
eq((r.status, r.out, notes(r)), (124, "a\n", ["agent: the code was ended at its time limit of 0.5 s (--timeout)"]),
   "the time limit")
r = Exec("--timeout", "0.5", "-c", "import signal, time\nsignal.signal(2, signal.SIG_IGN)\ntime.sleep(60)")
eq(r.status, 124, "the time limit of code that ignores the interrupt")
r = Exec("--memory", "256m", "-c", "x = []\nwhile True: x.append(bytearray(10 << 20))")
ok(r.status == 137 and "memory limit of 256 MiB" in r.err or r.status == 1 and "MemoryError" in r.err,
   "the memory limit", r.status, r.err)
r = Exec("-c", "b = 'x' * (1 << 20)\nwhile True: print(b)")
ok(r.status == 137 and "output limit" in r.err, "the output limit", r.status, r.err)
eq(len(r.raw) > 100 << 20, True, "and what came before it is out")
r = Exec("-c", "import os\nos.kill(os.getpid(), 11)")
eq((r.status, notes(r)), (139, ["agent: the code died of signal 11 (Segmentation fault)"]), "a signal")
p = subprocess.run(f"{AGENT} exec -c 'while True: print(1)' | head -1", shell=True, cwd=work, capture_output=True,
                   env=base_env(home), timeout=30 * PATIENCE)
eq(p.stdout, b"1\n", "a reader that goes away ends it")
p = subprocess.Popen([str(AGENT), "exec", "-c", "import time\nprint('up', flush=True)\ntime.sleep(60)"], cwd=work,
                     env=base_env(home), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
p.stdout.readline()
p.send_signal(signal.SIGINT)
eq(p.wait(20 * PATIENCE), 130, "Ctrl-C ends it")
p.stdout.close()

# --- files
r = Exec("--out-dir", "out", "-c", "open('a.csv', 'w').write('x,y\\n')\nopen('-b\\n', 'w').write('z')")
eq(sorted(os.listdir(work / "out")), ["%2Db%0A", "a.csv"], "files come out, hostile names made safe")
ok(any("out/a.csv" in l for l in r.err.splitlines()), "and it is said where", r.err)
r = Exec("-c", "open('kept.txt', 'w').write('1')")
m = re.search(r"(agent-files-\S+/kept.txt)", r.err)
ok(m and (work / m[1]).read_text() == "1", "without --out-dir they go to a folder of their own", r.err)

(work / "in.txt").write_text("from outside\n")
r = Exec("--put", "in.txt:sub/dir/b.txt", "--get", "sub/dir/b.txt:back.txt", "--get", "new", "-c",
         "p = 'sub/dir/b.txt'\nprint(open(p).read())\nopen(p, 'a').write('more')\nopen('new', 'w').write('n')")
eq((r.status, r.out, (work / "back.txt").read_text(), (work / "new").read_text(), (work / "in.txt").read_text()),
   (0, "from outside\n\n", "from outside\nmore", "n", "from outside\n"), "--put gives a copy of its own, --get takes it out")
eq(r.err, "", "and then nothing else is brought out")
for args, status, what, words in (
        (["--put", "in.txt:../z"], 2, "--put above the folder", "no empty, `.' or `..' part"),
        (["--put", "in.txt:/z"], 2, "--put of an absolute name", "a name is relative"),
        (["--put", "in.txt:" + "n" * 256], 2, "--put of a name of 256 bytes", "at most 255 bytes"),
        (["--put", "missing"], 2, "--put of what is not there", "cannot open missing"),
        (["--put", "."], 2, "--put of a folder", "no plain file"),
        (["--get", "../x"], 2, "--get above the folder", "`..' part"),
        (["--get", "none"], 1, "--get of what is not there", "cannot be opened"),
        (["--get", "link"], 1, "--get of a link", "cannot be opened"),
        (["--get", "pipe"], 2, "--get of a folder", "no plain file")):
    r = Exec(*args, "-c", "import os\nos.symlink('/etc/passwd', 'link')\nos.mkdir('pipe')")
    ok(r.status == status and words in r.err, f"refused: {what}", r.status, r.err)
r = Exec("--put", "in.txt:" + "n" * 255, "--put", "in.txt:-x\n\x1b[2J", "-c", "import os\nprint(sorted(map(len, os.listdir())))")
eq(r.out, "[7, 255]\n", "hostile names are only names")

# --- notebook and JSON
eq(Exec("--notebook", "-c", "x = 4", "-c", "print('p'); x * 2").out, "p\n8\n", "--notebook shows the last value")
eq(Exec("--notebook", "-c", "import sys; sys.exit(5)").status, 5, "and gives the status of sys.exit")
j = Exec("--json", "-c", "import sys\nprint('o'); print('e', file=sys.stderr)\nopen('f.txt','w').write('hi')\n6*7").json
eq((j["status"], j["exit_status"], j["results"][0]["text"], j["logs"], j["error"], j["denied"]),
   ("ok", 0, "42", {"stdout": ["o\n"], "stderr": ["e\n"]}, None, []), "--json: one object")
a = j["artifacts"][0]
eq((a["name"], a["bytes"], a["mime"], a["sha256"]),
   ("f.txt", 2, "text/plain", hashlib.sha256(b"hi").hexdigest()), "with the files")
r = Exec("--json", "-c", "a = 1", "-c", "1/0", "-c", "3")
j = r.json
eq((r.status, j["exit_status"], j["error"]["name"], len(j["cells"]), j["cells"][0]["status"]),
   (1, 1, "ZeroDivisionError", 2, "ok"), "several cells, ended by an error")
eq(Exec("--json", "-c", "import os; os._exit(7)").json["exit_code"], 7, "an exit")

# --- contexts
r = Exec("--context", "a", "--context", "b", "--context", "a", "-c", "x = 1; open('f','w').write('shared')",
         "-c", "print('x' in globals(), open('f').read())", "-c", "print(x)")
eq(r.out, "False shared\n1\n", "contexts share the files and nothing else")
r = Exec("--json", "--context", "a", "--context", "b", "--context", "a",
         "-c", "import os; os.environ['V'] = '1'; os.chdir('/tmp'); v = 5", "-c", "[os.getcwd() if 'os' in globals() else None]",
         "-c", "(v, os.getcwd())")
eq([c["results"][0]["text"] if c["results"] else None for c in r.json["cells"]], [None, "[None]", "(5, '/tmp')"],
   "each keeps its own working directory, environment and names")

# --- what the kernel refused
r = Exec("--json", "-c", """
import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)
for i in range(3):
    try: socket.socket()
    except PermissionError: pass
try: socket.socket(socket.AF_INET6)
except PermissionError: pass
libc.ptrace(0, 0, 0, 0); libc.unshare(0x10000000); libc.mount(0, 0, 0, 0, 0); libc.mount(0, 0, 0, 0, 0)
print('Operation not permitted: bpf keyctl')
""")
refused = r.json["denied"]
if refused is None:
    skip("refused system calls are not counted in this place", "denied[]", 4)
else:
    eq({d["name"]: (d["what"], d["count"]) for d in refused},
       {"socket(AF_INET)": ("network", 3), "socket(AF_INET6)": ("network", 1), "ptrace": ("system call", 1),
        "unshare": ("system call", 1), "mount": ("system call", 2)}, "denied[]: what and how often, not by words")
    r = Exec("--json", "-c", "import socket\ntry: socket.socket()\nexcept OSError: pass", "-c", "1")
    eq([[d["count"] for d in c["denied"]] for c in r.json["cells"]], [[1], []], "counted by cell")
    r = Exec("--json", "--timeout", "60", "-c", """
import socket, threading
def go():
    for i in range(10000):
        try: socket.socket()
        except OSError: pass
ts = [threading.Thread(target=go) for i in range(4)]
[t.start() for t in ts]; [t.join() for t in ts]
""")
    eq([d["count"] for d in r.json["denied"]], [40000], "a flood of refused calls is counted to the last")
    r = Exec("--json", "-c", "import os, socket\npid = os.fork()\nif pid == 0:\n    try: socket.socket()\n"
             "    except OSError: pass\n    os._exit(0)\nos.waitpid(pid, 0)")
    eq([d["count"] for d in r.json["denied"]], [1], "and in processes of the code")
    (BOX / "sales.csv").write_text("a,b\n")
    r = Exec("--json", "-f", BOX / "sales.csv", "-c", """
import os, shutil, subprocess
def t(f, *a, **k):
    try: f(*a, **k)
    except OSError: pass
for i in range(3): t(open, '/usr/new', 'w')
t(open, '/etc/passwd', 'a'); t(open, '/data/sales.csv', 'w'); t(open, '/output/x', 'w'); t(open, '/proc/sys/kernel/core_pattern', 'w')
t(os.mkdir, '/home'); t(os.unlink, '/usr/bin/env'); t(os.rmdir, '/usr/lib'); t(os.rmdir, 'usr/lib', dir_fd=os.open('/', os.O_PATH)); t(os.rename, '/usr/a', '/usr/b')
t(os.symlink, 'a', '/usr/l'); t(os.link, '/etc/passwd', '/usr/l'); t(os.chmod, '/etc', 0o777); t(os.chown, '/etc', 0, 0)
t(os.truncate, '/etc/passwd', 0)
os.symlink('/usr', 'u'); t(open, 'u/x', 'w'); t(open, '/workspace/../usr/x', 'w'); t(open, 'u/' + 'x' * 255, 'w')
d = os.open('/usr', os.O_RDONLY); t(os.open, 'x', os.O_CREAT | os.O_RDWR, dir_fd=d); t(os.open, '.', os.O_TMPFILE | os.O_RDWR, dir_fd=d)
subprocess.run(['/bin/sh', '-c', ': > /usr/x'], stderr=subprocess.DEVNULL)
os.chdir('/etc'); t(open, 'x', 'x')
""")
    eq({d["name"]: d["count"] for d in r.json["denied"] if d["what"] == "read-only"},
       {"open to write in /usr": 9, "open to write in /etc": 2, "open to write in /data": 1, "open to write in /output": 1,
        "open to write in /proc": 1, "mkdir in /": 1, "unlink in /usr": 1, "rmdir in /usr": 2, "rename in /usr": 1,
        "symlink in /usr": 1, "link in /usr": 1, "chmod in /etc": 1, "chown in /etc": 1, "truncate in /etc": 1},
       "writes to what is read-only are counted by call and place, however the path is written")
    r = Exec("--json", "-c", """
import os, shutil, sqlite3, tempfile
def t(f, *a, **k):
    try: f(*a, **k)
    except OSError: pass
open('a', 'w').close(); os.mkdir('d'); os.rename('a', 'd/a'); os.unlink('d/a'); os.rmdir('d')
tempfile.TemporaryFile().write(b'x'); open('/dev/null', 'w').write('x'); open('/dev/shm/x', 'w').close(); os.makedirs('/usr/lib', exist_ok=True)
c = sqlite3.connect('x.db'); c.execute('create table t (x)'); c.commit(); c.close()
t(open, '/nowhere/x', 'w'); t(open, '/usr', 'w'); t(os.mkdir, '/etc'); t(open, '', 'w'); t(open, 'x' * 5000, 'w'); t(os.chmod, '/none', 0)
os.symlink('/usr', 'u'); t(os.lchown, 'u', 0, 0)  # the link, which is not what it leads to
print('EROFS Read-only file system: /usr/x')
raise OSError(30, 'Read-only file system', '/usr/x')
""")
    eq(r.json["denied"], [], "and nothing else is: not words, not what is missing or there already, not devices")

# --- validation
BAD = "import os\nfrom socket import socket as S\ndef f():\n    o.chroot('/')\nimport os as o\nopen('/proc/self/maps')\n" \
      "__import__('ctypes')\n"
j = Exec("--json", "-c", BAD).json
eq([(w["rule"], w["line"]) for w in j["warnings"]],
   [("import socket", 2), ("call os.chroot", 4), ("import ctypes", 7),
    ("pattern /proc/([0-9]+|self)/(mem|environ|maps)", 6)], "warn: it runs, and says what it saw")
eq(j["status"], "ok", "and it ran")
r = Exec("--validate", "strict", "--json", "-c", BAD)
eq((r.status, r.json["status"], r.json["error"]["name"]), (1, "validation_failed", "validation_failed"),
   "strict: it does not run")
r = Exec("--validate=strict", "-c", "print('socket ctypes os.chroot in a string')")
eq((r.status, r.out), (0, "socket ctypes os.chroot in a string\n"), "strict: words in strings are none")
r = Exec("--validate=strict", "--forbid-imports", "json.tool", "-c", "import json\nprint(1)\n")
eq(r.out, "1\n", "a submodule's rule leaves its parent alone")
r = Exec("--validate=strict", "--forbid-imports", "json", "-c", "import json.decoder")
like(r.err, r"line 1: import json \(a setting forbids it\)", "a rule of the user's covers what lies below it")
r = Exec("--validate=off", "--json", "-c", "import socket")
ok("warnings" not in r.json, "off: nothing is looked at")
r = Exec("--validate=strict", "-c", "x = (")
like(r.err, "SyntaxError", "what does not parse says so itself")
done()
