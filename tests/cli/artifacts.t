#!/usr/bin/python3
"""Files that cells make: brought out, figures captured, and no trick of theirs reaches the user's files."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *

secret = write("secret.txt", b"the user's secret, not for cells\n")
secret.chmod(0o644)

# --- new and changed files, after each cell
r = run("make", script=[
    code("import os\nopen('a.csv', 'w').write('x\\n1\\n')\nos.makedirs('deep/er')\n"
         "open('deep/er/b.txt', 'w').write('b')"),
    code("open('a.csv', 'a').write('2\\n')"),
    code("print('nothing new')"), say("made")])
eq(r.artifacts, ["a.csv", "deep/er/b.txt"], "new files are brought out, folders kept")
eq((r.record.path / "artifacts/a.csv").read_text(), "x\n1\n2\n", "a changed file is brought out anew")
like(r.observations[0], r"a\.csv", "the model is told of new files")
like(r.observations[1], r"a\.csv", "and of changed ones")
unlike(r.observations[2], r"a\.csv", "but not of those that did not change")

# --- figures
missing = have_modules("matplotlib")
if missing:
    skip("matplotlib is not installed for /usr/bin/python3 (package python3-matplotlib)", "figures", 8)
else:
    r = run("plot", "--timeout", "120s", timeout=120, script=[
        code("import matplotlib.pyplot as plt\nplt.plot([1, 2, 3])\nplt.show()\n"
             "plt.figure()\nplt.bar(['a', 'b'], [1, 2])"),
        code("plt.plot([3, 1])\nplt.title('later')"),
        code("fig, ax = plt.subplots()\nax.pie([1, 2])\nfig.savefig('own.png')\nplt.close(fig)"),
        say("plotted")])
    eq(r.status, 0, "a run with figures")
    r2 = run("plot", "--figures", "png", "--timeout", "120s", timeout=120, script=[code("import matplotlib.pyplot as plt\nplt.plot([1, 2])"), say("x")])
    eq(r2.artifacts, ["figure-1.png"], "--figures png: the picture alone")
    bare_ = finish(start("exec", "--out-dir", "bare", "-c", "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nprint(plt.rcParams['figure.dpi'])",
                         home=r2.home, key=None), timeout=120)
    eq((bare_.out, sorted(p.name for p in (r2.home / "work/bare").iterdir())), ("100.0\n", ["figure-1.png"]),
       "agent exec has matplotlib's own look, and the picture alone")
    eq([n for n in r.artifacts if n.endswith((".svg", ".csv"))],
       [f"figure-{i}.{end}" for i in (1, 2, 3) for end in ("csv", "svg")], "with SVG and data beside those that were shown")
    names = [n for n in r.artifacts if n.endswith(".png")]
    eq(len(names), 4, "shown, open and saved figures are all there: " + " ".join(names))
    ok("own.png" in names, "one that the code saved keeps its name")
    bad = [n for n in names if not is_png(r.record.path / "artifacts" / n)]
    eq(bad, [], "each is a whole PNG")
    eq(len(set(sha256(r.record.path / "artifacts" / n) for n in names)), 4, "and no two are the same")
    for i, n in ((0, 2), (1, 1)):
        eq(len(re.findall(r"figure[^\n]*\.png", r.observations[i])) >= n, True,
           f"the model is told of the figures of cell {i + 1}")
    unlike(r.observations[0], r"iVBOR|base64", "but gets no image data as text")

# --- hostile files
TRICKS = f"""
import os, socket
def sparse():
    with open('sparse.bin', 'wb') as f:
        f.truncate(200 << 20)
def noread():
    open('noread.txt', 'w').write('x')
    os.chmod('noread.txt', 0)
def device():
    os.mknod('null', 0o20666, os.makedev(1, 3))
os.makedirs('d/e')
open('-rf', 'w').write('dash')
open('.hidden', 'w').write('dot')
done = 0
for trick in (  # what the sandbox refuses need not be survived
        lambda: os.symlink({str(secret)!r}, 'link.txt'), lambda: os.symlink('/etc/passwd', 'passwd'),
        lambda: os.symlink('..', 'up'), lambda: os.symlink('/', 'd/root'), lambda: os.mkfifo('pipe'),
        lambda: socket.socket(socket.AF_UNIX).bind('sock'), device, sparse, noread,
        lambda: open('\\x1b[31mred\\n.txt', 'w').write('odd name'),
        lambda: open('..%2f..%2fescape', 'w').write('x'), lambda: os.link('-rf', 'hard'),
        lambda: open(b'bad-\\xff\\xfe.bin', 'wb').write(b'x'), lambda: os.chmod('.hidden', 0o4777)):
    try:
        trick()
        done += 1
    except OSError as e:
        print(e)
print('tricks', done)
"""
r = run("tricks", script=[code(TRICKS), say("{1}", find=r"^tricks (\d+)$")], timeout=90)
ok(r.status == 0 and int(r.out) >= 10, "a cell full of tricks does not disturb the run",
   r.status, r.out, r.err, *r.observations)
art = r.record.path / "artifacts"
links = [str(p) for p in art.rglob("*") if p.is_symlink() or not (p.is_file() or p.is_dir())]
eq(links, [], "no link, pipe or socket comes out")
stolen = [str(p) for p in art.rglob("*") if p.is_file() and p.stat().st_size < 1 << 20
          and (b"user's secret" in p.read_bytes() or b"root:" in p.read_bytes())]
eq(stolen, [], "nothing from outside the workspace comes out through a link")
odd = [p.name for p in art.rglob("*") if re.search(r"[\x00-\x1f\x7f]", p.name) or p.name.startswith("-")]
eq(odd, [], "names are made harmless")
ok(any("red" in p.name for p in art.rglob("*")), "but the file is there", [p.name for p in art.rglob("*")])
modes = [p.name for p in art.rglob("*") if p.is_file() and p.stat().st_mode & 0o7177]
eq(modes, [], "modes are ours, not the cell's")
blocks = sum(p.stat().st_blocks * 512 for p in art.rglob("*") if p.is_file())
ok(blocks < 20 << 20, "a sparse file is not blown up", blocks)
eq([p for p in BOX.rglob("escape")], [], "no name climbs out of the folder")

# --- too much
r = run("many", script=[code("for i in range(1500): open(f'f{i}.txt', 'w').write('x')\nprint('wrote')"),
                        say("ok")], timeout=90)
eq(r.status, 0, "a thousand and more files do not end the run")
ok(len(r.artifacts) <= 1000, "at most a thousand come out", len(r.artifacts))
like(r.err, r"1,?000", "and the user is told")
r = run("full", "--workspace-size", "16m", script=[
    code("try:\n    open('big.bin', 'wb').write(b'x' * (64 << 20))\n    print('WROTE')\n"
         "except OSError as e:\n    print('refused', e.errno)\nimport os\nos.remove('big.bin')"),
    code("open('small.txt', 'w').write('x')\nprint('again')"), say("ok")])
like(r.observations[0], r"^refused 2[78]$", "the workspace has a size")
eq((r.status, "small.txt" in r.artifacts), (0, True), "and goes on when there is room again")

# --- what happens to files when the cell fails
r = run("fail", script=[code("open('half.txt', 'w').write('half')\n1/0"), code("print(1)"), say("ok")])
eq(r.artifacts, ["half.txt"], "a file of a cell that failed is kept too")
done()
