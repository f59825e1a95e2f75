#!/usr/bin/python3
"""--device: a character device that is named is there, inside and for nobody else; what is dangerous is refused by what it is, not by
what it is called. The nodes of this test are made in /dev, which takes root; the harmless device is that of the processor's
identity (cpuid)."""
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
sys.path.insert(0, str(Path(__file__).resolve().parent))
import boxlib  # noqa: E402
from boxlib import *  # noqa: E402,F403

BUILD = Path(os.environ.get("BUILD") or TOP / "build").resolve()
POD = BUILD / "tests/sandbox/pod"
MARK = f"agent-test-{os.getpid()}"
made = []


def number(path, name):
    """The number that a driver has in /proc/devices (character devices) or /proc/misc; None: it is not here."""
    for line in Path(path).read_text().split("Block devices:")[0].splitlines():
        if line.split()[1:] == [name] and line.split()[0].isdigit():
            return int(line.split()[0])
    return None


def node(name, kind, major, minor, mode=0o666):
    path = f"/dev/{MARK}-{name}"
    os.mknod(path, kind | mode, os.makedev(major, minor))
    os.chmod(path, mode)
    made.append(path)
    return path


def refused(argv, why, name, uid=0, layer=None):
    r = Run([*argv, "--", "sh", "-c", "echo RAN"], uid=uid)
    ok(r.status == 125 and not r.out and why in r.err and (layer is None or r.last.get("layer") == layer), name, r.err, r.lines)


# --- the option
for value, why in (("/etc/passwd", "below /dev"), ("/dev", "below /dev"), ("nvidia0", "absolute"), ("/dev/../etc/passwd", ". or .."),
                   ("/dev/null", "its own"), ("/dev/shm/x", "its own"), ("/dev/" + "x" * 250, "more than"), ("/dev/a\nb", "below /dev")):
    refused(["--device", value], why, f"--device {value[:30]!r} is refused")
refused([x for i in range(65) for x in ("--device", f"/dev/nvidia{i}")], "more than 64", "at most 64")
refused(["--device", f"/dev/{MARK}-none"], "is its driver loaded?", "a device that is not there")

# --- what this machine has
for path, why in (("/dev/tty", "terminals"), ("/dev/kmsg", "kernel"), ("/dev/ptmx", "terminals"), ("/dev/fuse", "major 10"),
                  ("/dev/kvm", "major 10"), ("/dev/net/tun", "major 10"), ("/dev/loop-control", "major 10"), ("/dev/loop0", "block device"),
                  ("/dev/vda", "block device"), ("/dev/mem", "kernel"), ("/dev/tty1", "terminal"), ("/dev/vcs", "consoles")):
    if Path(path).exists():
        for uid in each_user():
            refused(["--device", path], why, f"{path} is never shown", uid)

cpuid = number("/proc/devices", "cpu/cpuid")
if not AM_ROOT or cpuid is None:
    skip("needs root and the driver cpuid (modprobe cpuid)")
    done()
READ = "import os, sys\nf = os.open(sys.argv[1], os.O_RDONLY)\nprint(len(os.pread(f, 16, 0)))"
LIST = "import os\nprint(sorted(os.listdir('/dev')))"
try:
    good = node("cpuid", stat.S_IFCHR, cpuid, 0)
    closed = node("closed", stat.S_IFCHR, cpuid, 0, 0o600)
    name = os.path.basename(good)
    control = subprocess.run([PYTHON, "-c", READ, good], capture_output=True, text=True)
    eq(control.stdout, "16\n", "control: outside the device gives its 16 bytes")
    bare_list = python(LIST).out
    for uid in each_user():
        r = Run(["--device", good, "--", PYTHON, "-c", READ, good], uid=uid)
        ok(r.status == 0 and r.out == "16\n" and r.events[0]["devices"] == [good], "a named device can be read, and is told", r.out, r.err)
        r = python(LIST, "--device", good, uid=uid)
        eq(sorted(eval(r.out)), sorted(eval(bare_list) + [name]), "exactly that one is there, beside the usual ones")
        r = Run(["--", PYTHON, "-c", READ, good], uid=uid)
        ok(r.status != 0 and "No such file" in r.err and r.events[0]["devices"] == [], "unnamed it is not there", r.err)
        r = python(f"import os\nfor f in (lambda: os.chmod('{good}', 0o600), lambda: os.unlink('{good}'), lambda: os.utime('{good}')):\n"
                   "    try: f(); print('done')\n    except OSError as e: print('refused')", "--device", good, uid=uid)
        eq(r.out, "refused\n" * 3, "its mode, times and name stay")
        refused(["--device", closed], "may not open it", "a device that its mode closes is an error before anything runs", uid, "devices")
        r = python("import fcntl\nfor n in (0x5412, 0x80047601, 0x40086602):\n"
                   "    try: fcntl.ioctl(1, n, bytes(8)); print('done')\n    except OSError as e: print('refused')", "--device", good, uid=uid)
        eq(r.out, "refused\n" * 3, "with a device, ioctls that are no GPU's stay refused: TIOCSTI, two of file systems")
        # 'd' is the type of DRM's requests. A pipe has none: ENOTTY is its own answer, ENOSYS the filter's.
        ask = "import fcntl, errno\ntry: fcntl.ioctl(1, 0xc0406400, bytearray(64))\nexcept OSError as e: print(errno.errorcode[e.errno])"
        eq([python(ask, "--device", good, uid=uid).out, python(ask, uid=uid).out], ["ENOTTY\n", "ENOSYS\n"],
           "ioctls of GPUs pass the filter with a device, and only then")
        level = r.events[0]["landlock"]
        if level >= 5:
            ask = ("import fcntl, os, errno\nfor p in ('/dev/zero', '%s'):\n    f = os.open(p, os.O_RDONLY)\n"
                   "    try: fcntl.ioctl(f, 0xc0406400, bytearray(64))\n    except OSError as e: print(errno.errorcode[e.errno])" % good)
            eq(python(ask, "--device", good, uid=uid).out, "EACCES\nENOTTY\n", "Landlock keeps them to the device that was named")
        else:
            skip(f"Landlock level {level} does not know device ioctls")
    r = Run(["--check", "--device", good])
    ok(r.status == 0 and f"{good} can be opened" in r.out, "--check looks at it", r.out, r.err)

    # --- by what it is, not by its name
    masked = [("kvm", stat.S_IFCHR, 10, 232, "major 10"), ("terminal", stat.S_IFCHR, 5, 0, "terminals"),
              ("memory", stat.S_IFCHR, 1, 1, "kernel"), ("nobodys", stat.S_IFCHR, 511, 7, "no driver"),
              ("disk", stat.S_IFBLK, 7, 0, "block device"), ("input", stat.S_IFCHR, 13, 64, "keyboard")]
    for short, kind, major, minor, why in masked:
        if (major, minor) == (13, 64) and number("/proc/devices", "input") != 13:
            continue
        refused(["--device", node(short, kind, major, minor)], why, f"a {short} under another name is refused", layer="system files")
    link = f"/dev/{MARK}-link"
    os.symlink(name, link)
    made.append(link)
    refused(["--device", link], "symbolic link", "a link is refused")
    plain = f"/dev/{MARK}-file"
    Path(plain).write_text("x")
    made.append(plain)
    refused(["--device", plain], "no device", "a file in /dev is refused")

    # --- without namespaces
    if POD.exists():
        with tempfile.TemporaryDirectory() as tmp:
            os.chmod(tmp, 0o755)
            inner = Path(tmp) / "pod"
            inner.write_text(f'#!/bin/sh\nexec {POD} docker {SANDBOX} "$@"\n')
            inner.chmod(0o755)
            boxlib.SANDBOX = str(inner)
            r = Run(["--backend", "best", "--device", good, "--", PYTHON, "-c", READ, good])
            if "Landlock must hold" in r.err:
                skip("without namespaces: no Landlock here")
            else:
                ok(r.status == 0 and r.out == "16\n" and r.events[0]["backend"] == "landlock", "without namespaces: a named device can be read",
                   r.out, r.err)
                r = Run(["--backend", "best", "--", PYTHON, "-c", READ, good])
                ok(r.status != 0 and "Permission denied" in r.err, "without namespaces: unnamed it is closed", r.err)
                refused(["--backend", "best", "--device", made[2]], "major 10", "without namespaces: what is dangerous is refused", layer="devices")
    else:
        skip("without namespaces: tests/sandbox/pod is not built")
finally:
    for path in made:
        os.unlink(path)
done()
