#!/usr/bin/python3
"""start.py takes the bytecode that the build made where it is for this Python, and the source where it is not."""
import shutil
import sys
from pathlib import Path
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

HERE = BOX / "start"
HERE.mkdir()
shutil.copy(TOP / "sandbox" / "interpreter" / "start.py", HERE)
DRIVER, CODE = HERE / "driver.py", HERE / "code.bin"


def started():
    p = subprocess.run([PYTHON, "-I", "-S", "-B", str(HERE / "start.py")], capture_output=True, text=True)
    return p.stdout.strip() if p.returncode == 0 else p.stderr


DRIVER.write_text("print('bytecode', run.__code__.co_name)\nprogram = None\n")
subprocess.run([PYTHON, "-I", "-S", str(TOP / "sandbox" / "precompile.py"), str(CODE), str(DRIVER)], check=True)
made = CODE.read_bytes()
DRIVER.write_text("print('source', run.__code__.co_filename == __file__)\nprogram = None\n")
eq(started(), "bytecode run", "bytecode of this Python is taken, and shares the names of start.py")
CODE.write_bytes(bytes([made[0] ^ 1]) + made[1:])
eq(started(), "source True", "bytecode of another Python is not")
CODE.write_bytes(made[:4] + b"pypy-99".ljust(28, b"\0") + made[32:])
eq(started(), "source True", "nor that of another implementation")
CODE.write_bytes(b"")
eq(started(), "source True", "a build without Python: the source")
DRIVER.write_text("def f():\n    raise ValueError\nf()\n")
like(started(), r'File "/run/sandbox/driver.py", line 2', "what is shown of the files is where they lie in the sandbox")
real = AGENT.parent / "gen" / "driver_code.bin"
ok(real.stat().st_size > 50000, "this build made bytecode", real)
done()
