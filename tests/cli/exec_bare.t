#!/usr/bin/python3
"""agent exec beside /usr/bin/python3: the same code, input and arguments must give the same exit
status, standard output and standard error. One row a behaviour; what differs by intent is below."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

home = new_home()
ENV = base_env(home)

# name, code, standard input, arguments
ROWS = [
    ("a print", "print('hello')"),
    ("the last expression is not shown", "1 + 1"),
    ("both streams", "import sys\nprint('out')\nprint('err', file=sys.stderr)"),
    ("arguments", "import sys\nprint(sys.argv)", b"", ["a", "--flag", "", "ä b"]),
    ("the main module", "print(__name__, __doc__, __package__, __spec__, sorted(globals()))"),
    ("sys.path begins with the folder", "import sys\nprint(repr(sys.path[0]))"),
    ("the flags that children of multiprocessing and joblib take over",
     "import subprocess, sys\nprint([f for f in subprocess._args_from_interpreter_flags() if f != '-B'], sys.flags.isolated, sys.flags.no_site)\n"
     "print(subprocess.run([sys.executable, *subprocess._args_from_interpreter_flags(), '-c', 'import numpy; print(exit)'], "
     "capture_output=True, text=True).stdout)"),
    ("sys.exit without a status", "import sys\nsys.exit()"),
    ("sys.exit(3)", "import sys\nsys.exit(3)"),
    ("sys.exit(300) wraps", "import sys\nsys.exit(300)"),
    ("sys.exit(-1)", "import sys\nsys.exit(-1)"),
    ("sys.exit with a text", "import sys\nsys.exit('no such thing')"),
    ("sys.exit(None)", "import sys\nsys.exit(None)"),
    ("sys.exit of an object", "import sys\nsys.exit([1, 2])"),
    ("raise SystemExit", "raise SystemExit(7)"),
    ("exit() of site", "exit(5)"),
    ("os._exit", "import os\nprint('a', flush=True)\nos._exit(9)"),
    ("an uncaught exception", "def f(x):\n    return 1 / x\nprint('before')\nf(0)"),
    ("a chain of causes", "try:\n    {}['k']\nexcept KeyError as e:\n    raise ValueError('bad') from e"),
    ("a context", "try:\n    {}['k']\nexcept KeyError:\n    int('x')"),
    ("an exception group", "raise ExceptionGroup('two', [ValueError(1), TypeError('t')])"),
    ("a note on an exception", "e = ValueError('v')\ne.add_note('look here')\nraise e"),
    ("an exception without a text", "raise KeyError"),
    ("an exception whose text fails",
     "class E(Exception):\n    def __str__(self):\n        1/0\nraise E()"),
    ("a syntax error", "print('never')\nx = = 1"),
    ("a syntax error in a long line", "x = (" + "1 + " * 40 + ")"),
    ("an indentation error", "if 1:\nprint(1)"),
    ("an unfinished string", "print('abc"),
    ("a tab error", "if 1:\n\tx = 1\n        y = 2"),
    ("a byte order mark", "\ufeffprint('bom')"),
    ("carriage returns", "print('a')\r\nprint('b')\r\n"),
    ("no newline at the end", "if True:\n    print('x')"),
    ("nothing at all", ""),
    ("only a comment", "# nothing"),
    ("a hook of its own", "import sys\nsys.excepthook = lambda *a: print('hook', a[0].__name__)\n1/0"),
    ("a hook that fails", "import sys\ndef h(*a):\n    raise OSError('h')\nsys.excepthook = h\n1/0"),
    ("atexit in its order", "import atexit\natexit.register(print, 'last')\natexit.register(print, 'first')"),
    ("atexit after an exception", "import atexit\natexit.register(print, 'bye')\n1/0"),
    ("atexit after sys.exit", "import atexit, sys\natexit.register(print, 'bye')\nsys.exit(4)"),
    ("an atexit that fails", "import atexit\ndef f():\n    1/0\natexit.register(f)"),
    ("a destructor at the end", "class D:\n    def __del__(self):\n        print('gone')\nd = D()"),
    ("a thread is waited for",
     "import threading, time\ndef w():\n    time.sleep(0.2)\n    print('thread')\n"
     "threading.Thread(target=w).start()\nprint('main')"),
    ("a daemon thread is not",
     "import threading, time\ndef w():\n    time.sleep(60)\n    print('thread')\n"
     "threading.Thread(target=w, daemon=True).start()\nprint('main')"),
    ("an exception in a thread",
     "import threading\ndef w():\n    1/0\nt = threading.Thread(target=w, name='T')\nt.start()\nt.join()\nprint('on')"),
    ("a thread pool", "from concurrent.futures import ThreadPoolExecutor as P\n"
                      "with P(3) as p:\n    print(list(p.map(lambda x: x * x, range(5))))"),
    ("a thread pool that is left open",
     "from concurrent.futures import ThreadPoolExecutor as P\np = P(2)\nf = p.submit(pow, 2, 5)\nprint(f.result())"),
    ("a process pool", "from multiprocessing import Pool\nif __name__ == '__main__':\n"
                       "    with Pool(2) as p:\n        print(p.map(abs, [-1, -2]))"),
    ("fork and wait", "import os\npid = os.fork()\nif pid == 0:\n    print('child', flush=True)\n    os._exit(3)\n"
                      "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"),
    ("a child that runs on to the end",
     "import os, sys\nr, w = os.pipe()\npid = os.fork()\nif pid == 0:\n    sys.exit(6)\n"
     "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"),
    ("a child that raises", "import os\npid = os.fork()\nif pid == 0:\n    1/0\n"
                            "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"),
    ("a subprocess", "import subprocess\nprint(subprocess.run(['echo', 'hi'], capture_output=True, text=True).stdout)"),
    ("a subprocess that inherits the output", "import subprocess\nsubprocess.run(['sh', '-c', 'echo one; echo two >&2; exit 4'])"),
    ("another Python", "import subprocess, sys\nprint(subprocess.run([sys.executable, '-c', 'import json; print(json.dumps([1]))'],"
                       " capture_output=True, text=True).stdout)"),
    ("input()", "print(input())\nprint(input('? '))", b"one\ntwo\n"),
    ("input() at the end", "print(input())", b""),
    ("sys.stdin in lines", "import sys\nfor l in sys.stdin:\n    print(repr(l))", b"a\nb\nc"),
    ("sys.stdin whole", "import sys\nprint(len(sys.stdin.read()))", b"x" * 300000),
    ("bytes of standard input", "import sys\nprint(sys.stdin.buffer.read())", b"\xff\x00\n"),
    ("a subprocess reads the input", "import subprocess\nsubprocess.run(['cat'])", b"through\n"),
    ("what input there is stays unread", "print('no reading')", b"y" * 1000000),
    ("bytes of output", "import sys\nsys.stdout.buffer.write(bytes(range(256)))"),
    ("a megabyte of output", "print('z' * 1000000)"),
    ("no newline at the end of the output", "import sys\nsys.stdout.write('abc')"),
    ("a lone surrogate", "print('\\udcff')"),
    ("what cannot be printed", "print('\\ud800')"),
    ("a closed stdout", "import sys\nsys.stdout.close()"),
    ("print after stdout was closed", "import os, sys\nprint('a')\nsys.stdout.close()\nprint('b')"),
    ("stdout is None", "import sys\nsys.stdout = None\nprint('nowhere')"),
    ("a stand-in for stdout", "import sys, io\ns = sys.stdout\nsys.stdout = io.StringIO()\nprint('kept')\n"
                              "v = sys.stdout.getvalue()\nsys.stdout = s\nprint(repr(v))"),
    ("a warning", "import warnings\nwarnings.warn('careful')"),
    ("a deprecation in the main module", "import warnings\nwarnings.warn('old', DeprecationWarning)"),
    ("warnings.simplefilter error", "import warnings\nwarnings.simplefilter('error')\nwarnings.warn('now')"),
    ("recursion", "import sys\ndef f():\n    f()\ntry:\n    f()\nexcept RecursionError as e:\n    print(e)"),
    ("KeyboardInterrupt", "raise KeyboardInterrupt"),
    ("SIGINT to itself", "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nimport time\ntime.sleep(5)"),
    ("a handler of SIGTERM", "import os, signal\nsignal.signal(signal.SIGTERM, lambda *a: print('term'))\nos.kill(os.getpid(), 15)"),
    ("an alarm", "import signal, time\nsignal.signal(signal.SIGALRM, lambda *a: print('alarm'))\n"
                 "signal.setitimer(signal.ITIMER_REAL, 0.05)\ntime.sleep(0.3)"),
    ("asyncio.run", "import asyncio\nasync def m():\n    await asyncio.sleep(0.01)\n    return 5\nprint(asyncio.run(m()))"),
    ("await outside of a function", "import asyncio\nawait asyncio.sleep(0)"),
    ("return outside of a function", "return 1"),
    ("__future__", "from __future__ import annotations\ndef f(x: nope): pass\nprint(f.__annotations__)"),
    ("pickle of a class of __main__", "import pickle\nclass A:\n    x = 1\nprint(pickle.loads(pickle.dumps(A)).x)"),
    ("a dataclass", "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\nprint(P(3))"),
    ("argparse", "import argparse\np = argparse.ArgumentParser(prog='t')\np.add_argument('-n', type=int)\nprint(p.parse_args())",
     b"", ["-n", "4"]),
    ("argparse refuses", "import argparse\np = argparse.ArgumentParser(prog='t')\np.add_argument('n', type=int)\np.parse_args()",
     b"", ["x"]),
    ("logging", "import logging\nlogging.warning('w')\nlogging.basicConfig(level=10)\nlogging.info('i')"),
    ("tempfile", "import tempfile, os\nwith tempfile.NamedTemporaryFile() as f:\n    f.write(b'x')\n    f.flush()\n    print(os.path.getsize(f.name))"),
    ("locale", "import locale\nlocale.setlocale(locale.LC_ALL, '')\nprint(locale.getpreferredencoding())"),
    ("zoneinfo", "import zoneinfo, datetime\nprint(datetime.datetime(2024, 7, 1, tzinfo=zoneinfo.ZoneInfo('Europe/Paris')).utcoffset())"),
    ("sqlite", "import sqlite3\nc = sqlite3.connect('t.db')\nc.execute('create table t(a)')\nprint(c.execute('select count(*) from t').fetchall())\nimport os\nos.unlink('t.db')"),
    ("unittest", "import unittest, sys\nclass T(unittest.TestCase):\n    def test(self):\n        self.assertEqual(1, 1)\nsys.stderr = sys.stdout\n"
                 "r = unittest.main(exit=False, argv=['t']).result\nprint(r.testsRun, r.wasSuccessful())"),
    ("display is no name of python3", "display(1)"),
    ("names of the driver are not there", "print([m for m in ('driver', 'cell', 'guardian', 'program') if m in globals()])"),
    ("a long loop of small lines", "for i in range(2000):\n    print(i)"),
    ("os.abort", "import os\nos.abort()"),
    ("a segfault", "import ctypes\nctypes.string_at(0)"),
    ("SIGKILL", "import os\nos.kill(os.getpid(), 9)"),
]

ELAPSED = re.compile(r"0x[0-9a-f]+|Ran \d+ tests? in [\d.]+s")
LINE = re.compile(rb"agent: the code died of signal \d+ \([\w ]+\)\n$")


def same(text):
    return ELAPSED.sub("...", text.decode("utf-8", "surrogateescape"))


def pair(how, stdin, args):
    env = dict(ENV, LANG="C.UTF-8")
    for program in ([PYTHON], [str(AGENT), "exec"]):
        p = subprocess.run(program + how + args, input=stdin, capture_output=True, env=env,
                           cwd=home / "work", timeout=60 * PATIENCE)
        status = p.returncode
        yield (128 - status if status < 0 else status), same(p.stdout), same(LINE.sub(b"", p.stderr))


for row in ROWS:
    name, source, stdin, args = row + (b"", [])[len(row) - 2:]
    if stdin:
        how, send = ["-c", source], stdin
    else:
        how, send = ["-"], source.encode("utf-8", "surrogateescape")
    bare, inside = pair(how, send, args)
    eq(inside, bare, name)
done()
