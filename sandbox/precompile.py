"""Build-time program: precompile.py OUT FILE... puts the bytecode of the interpreter's files into OUT, for
sandbox/interpreter/start.py, which says how it is laid out."""
import importlib.util
import marshal
import sys

STAMP = 32

code = {}
for path in sys.argv[2:]:
    name = path.rpartition("/")[2].removesuffix(".py")
    with open(path, "rb") as f:
        code[name] = marshal.dumps(compile(f.read(), f"/run/sandbox/{name}.py", "exec", dont_inherit=True))
stamp = importlib.util.MAGIC_NUMBER + sys.implementation.cache_tag.encode()
with open(sys.argv[1], "wb") as f:
    f.write(stamp.ljust(STAMP, b"\0") + marshal.dumps(code))
