#!/usr/bin/python3
"""The settings `devices` and `cpu_share`: what is named reaches the code and the record, and no project may name it."""
import os
import stat
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import *  # noqa: E402


def started(r):
    return next((e for e in r.record.events if e["type"] == "sandbox.start"), {}) if r.record else {}


for bad, why in (("/etc/shadow", "no path of a device"), ("nvidia0", "no path of a device"), ("/dev/a none", "stands alone")):
    r = run("q", "--devices", bad, url="http://127.0.0.1:9/v1")
    eq(r.status, 2, f"--devices {bad!r} is refused")
    like(r.err, why, "with the reason")
r = run("q", "--devices", "/dev/tty", script=[code("print('ran')"), say("done")])
eq(r.status, 5, "a terminal is never shown: status 5")
like(r.err, r"/dev/tty is never shown: terminals", "and the message says why")
place = Path(tempfile.mkdtemp(dir=BOX))
(place / "agent.conf").write_text("devices = /dev/tty\n")
r = run("q", script=[code("print('ran')"), say("done")], cwd=place)
ok(r.status == 3 and not r.observations, "a project's agent.conf may not set it", r.status, r.observations)
like(r.err.replace("\n", " "), r"devices.*driver of this machine", "and the message says why")

drivers = [l.split() for l in Path("/proc/devices").read_text().split("Block")[0].splitlines()]
number = next((int(l[0]) for l in drivers if l[1:] == ["cpu/cpuid"]), None)
if os.getuid() != 0 or number is None:
    skip("showing a device needs root and the driver cpuid (modprobe cpuid)")
else:
    path = f"/dev/agent-test-{os.getpid()}"
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(number, 0))
    try:
        os.chmod(path, 0o666)
        # A context has a domain and a filter of its own: both must know the device.
        r = run("q", "--devices", path, script=[code(f"""
import os, fcntl, errno
f = os.open({path!r}, os.O_RDONLY)
print('bytes', len(os.pread(f, 16, 0)))
try: fcntl.ioctl(f, 0xc0406400, bytearray(64))
except OSError as e: print('ioctl', errno.errorcode[e.errno])
try: fcntl.ioctl(f, 0x80047601, bytearray(64))
except OSError as e: print('other', errno.errorcode[e.errno])
"""), say("done")])
        like(r.observations[0], r"bytes 16\nioctl ENOTTY\nother ENOSYS", "the code uses the device, by ioctls of GPUs and no others")
        eq(started(r).get("devices"), path, "the record names it")
        r = run("q", script=[code(f"open({path!r})"), say("done")])
        like(r.observations[0], "No such file", "without the setting it is not there")
    finally:
        os.unlink(path)

r = run("q", "--cpu-share", "20%", script=[code("""
import time
t, c = time.monotonic(), time.process_time()
while time.monotonic() - t < 2: pass
print('share', (time.process_time() - c) / (time.monotonic() - t))
"""), say("done")])
if r.status == 5 and "cpu-share needs a cpu cgroup" in r.err.replace("\n", " "):
    skip("cpu_share: no cpu cgroup can be had here, and it is an error that says so")
else:
    found = re.search(r"share ([\d.]+)", r.observations[0])
    ok(found and float(found[1]) < 0.3, "cpu_share holds the code at a fifth of a processor", r.observations[0])
done()
