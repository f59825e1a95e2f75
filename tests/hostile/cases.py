"""Hostile code, as data. Each case: (id, name, code, options).

The code says HELD or BROKEN itself (prelude.py), unless options say what must come out:
  want=REGEX      in what it printed
  cause=WORD      cause in the helper's last status line
  status=N        the helper's exit status
  limits=[...]    --limit arguments; args=[...] further arguments of agent-sandbox
  control=True    run outside as well, as an ordinary user: there it must NOT say HELD, or the
                  probe proves nothing (then the case is skipped, with that reason)
  seconds=N       it must be over by then (default 20)
CANARY_* are replaced by what the runner placed on the host.
"""
import platform

CASES = []


def case(ident, name, code, **options):
    CASES.append((ident, name, code, options))


# --- system calls that must be refused: written by hand, apart from the policy table, so that a row
# that gets lost there is missed here ---
X86 = platform.machine() == "x86_64"
# name: (x86_64, aarch64, arguments)
MUST_DENY = {
    "ptrace(TRACEME)": (101, 117, "0, 0, 0, 0"),
    "ptrace(ATTACH, 1)": (101, 117, "16, 1, 0, 0"),
    "process_vm_readv": (310, 270, "os.getpid(), 0, 0, 0, 0, 0"),
    "process_vm_writev": (311, 271, "os.getpid(), 0, 0, 0, 0, 0"),
    "process_madvise": (440, 440, "-1, 0, 0, 0, 0"),
    "pidfd_getfd": (438, 438, "-1, 0, 0"),
    "kcmp": (312, 272, "os.getpid(), os.getpid(), 0, 0, 0"),
    "mount": (165, 40, "b'x', b'/tmp', b'tmpfs', 0, 0"),
    "umount2": (166, 39, "b'/proc', 2"),
    "pivot_root": (155, 41, "b'/tmp', b'/tmp'"),
    "chroot": (161, 51, "b'/tmp'"),
    "open_tree": (428, 428, "-100, b'/', 1"),
    "move_mount": (429, 429, "-1, b'', -1, b'', 0"),
    "fsopen": (430, 430, "b'tmpfs', 0"),
    "fsconfig": (431, 431, "-1, 0, 0, 0, 0"),
    "fsmount": (432, 432, "-1, 0, 0"),
    "fspick": (433, 433, "-100, b'/', 0"),
    "mount_setattr": (442, 442, "-100, b'/', 0, 0, 0"),
    "statmount": (457, 457, "0, 0, 0, 0"),
    "listmount": (458, 458, "0, 0, 0, 0"),
    "open_tree_attr": (467, 467, "-100, b'/', 1, 0, 0"),
    "unshare(NEWUSER)": (272, 97, "0x10000000"),
    "unshare(NEWNS)": (272, 97, "0x20000"),
    "unshare(NEWNET)": (272, 97, "0x40000000"),
    "unshare(NEWPID)": (272, 97, "0x20000000"),
    "unshare(FILES)": (272, 97, "0x400"),
    "setns": (308, 268, "-1, 0"),
    "clone(NEWUSER)": (56, 220, "0x10000011, 0, 0, 0, 0"),
    "clone(NEWPID)": (56, 220, "0x20000011, 0, 0, 0, 0"),
    "clone(NEWNET)": (56, 220, "0x40000011, 0, 0, 0, 0"),
    "clone(NEWNS|high bits)": (56, 220, "0x100020011, 0, 0, 0, 0"),
    "clone3": (435, 435, "bytes(88), 88"),
    "io_uring_setup": (425, 425, "8, bytes(256)"),
    "io_uring_enter": (426, 426, "-1, 0, 0, 0, 0, 0"),
    "io_uring_register": (427, 427, "-1, 0, 0, 0"),
    "io_setup": (206, 0, "1, bytes(8)"),
    "bpf": (321, 280, "0, bytes(128), 128"),
    "perf_event_open": (298, 241, "bytes(128), 0, -1, -1, 0"),
    "userfaultfd": (323, 282, "1"),
    "keyctl(GET)": (250, 219, "0, -3, 0, 0, 0"),
    "keyctl(JOIN)": (250, 219, "1, 0, 0, 0, 0"),
    "add_key": (248, 217, "b'user', b'x', b'y', 1, -2"),
    "request_key": (249, 218, "b'user', b'x', 0, 0"),
    "mmap(HUGETLB)": (9, 222, "0, 2 << 20, 3, 0x40022, -1, 0"),
    "memfd_create(HUGETLB)": (319, 279, "b'x', 4"),
    "memfd_secret": (447, 447, "0"),
    "shmget": (29, 194, "0, 4096, 0o1600"),
    "shmat": (30, 196, "0, 0, 0"),
    "semget": (64, 190, "0, 1, 0o1600"),
    "msgget": (68, 186, "0, 0o1600"),
    "mq_open": (240, 180, "b'x', 0o102, 0o600, 0"),
    "name_to_handle_at": (303, 264, "-100, b'/', bytes(200), bytes(8), 0"),
    "open_by_handle_at": (304, 265, "-100, bytes(200), 0"),
    "init_module": (175, 105, "0, 0, b''"),
    "finit_module": (313, 273, "-1, b'', 0"),
    "delete_module": (176, 106, "b'x', 0"),
    "kexec_load": (246, 104, "0, 0, 0, 0"),
    "kexec_file_load": (320, 294, "-1, -1, 0, 0, 0"),
    "reboot": (169, 142, "0, 0, 0, 0"),
    "swapon": (167, 224, "b'/x', 0"),
    "swapoff": (168, 225, "b'/x'"),
    "acct": (163, 89, "b'/tmp/x'"),
    "quotactl": (179, 60, "0, 0, 0, 0"),
    "quotactl_fd": (443, 443, "-1, 0, 0, 0"),
    "sethostname": (170, 161, "b'x', 1"),
    "setdomainname": (171, 162, "b'x', 1"),
    "settimeofday": (164, 170, "0, 0"),
    "clock_settime": (227, 112, "0, 0"),
    "clock_adjtime": (305, 266, "0, bytes(256)"),
    "adjtimex": (159, 171, "bytes(256)"),
    "syslog": (103, 116, "3, bytes(100), 100"),
    "vhangup": (153, 58, ""),
    "iopl": (172, 0, "3"),
    "ioperm": (173, 0, "0, 1, 1"),
    "modify_ldt": (154, 0, "0, bytes(16), 16"),
    "lookup_dcookie": (212, 18, "0, 0, 0"),
    "uselib": (134, 0, "b'/x'"),
    "personality(ADDR_NO_RANDOMIZE)": (135, 92, "0x40000"),
    "personality(READ_IMPLIES_EXEC)": (135, 92, "0x400000"),
    "seccomp(FILTER, LISTENER)": (317, 277, "1, 8, 0"),
    "seccomp(STRICT)": (317, 277, "0, 0, 0"),
    "prctl(SET_SECCOMP)": (157, 167, "22, 2, 0, 0, 0"),
    "prlimit64(pid 1)": (302, 261, "1, 0, bytes(16), 0"),
    "prctl(SET_DUMPABLE)": (157, 167, "4, 0, 0, 0, 0"),
    "prctl(SET_PTRACER)": (157, 167, "0x59616d61, -1, 0, 0, 0"),
    "prctl(SET_MM)": (157, 167, "35, 1, 0, 0, 0"),
    "prctl(CAP_AMBIENT_RAISE)": (157, 167, "47, 2, 21, 0, 0"),
    "prctl(SUBREAPER)": (157, 167, "36, 1, 0, 0, 0"),
    "prctl(SET_KEEPCAPS)": (157, 167, "8, 1, 0, 0, 0"),
    "landlock_create_ruleset": (444, 444, "0, 0, 1"),
    "landlock_restrict_self": (446, 446, "-1, 0"),
    "fanotify_init": (300, 262, "0, 0"),
    "mbind": (237, 235, "0, 0, 0, 0, 0, 0"),
    "move_pages": (279, 239, "0, 0, 0, 0, 0, 0"),
    "migrate_pages": (256, 238, "0, 0, 0, 0"),
    "set_mempolicy": (238, 237, "0, 0, 0"),
    "splice": (275, 76, "-1, 0, -1, 0, 0, 0"),
    "tee": (276, 77, "-1, -1, 0, 0"),
    "vmsplice": (278, 75, "-1, 0, 0, 0"),
    "mknodat(fifo)": (259, 33, "-100, b'/workspace/f', 0o10600, 0"),
    "mknodat(block)": (259, 33, "-100, b'/workspace/d', 0o60600, 0x801"),
    "capset": (126, 91, "bytes(8), bytes(24)"),
    "setgroups": (116, 159, "0, 0"),
    "mlockall": (151, 230, "3"),
    "sched_setscheduler": (144, 119, "0, 1, bytes(4)"),
    "sync": (162, 81, ""),
    "setxattr": (188, 5, "b'/workspace', b'user.x', b'y', 1, 0"),
    "fcntl(SETLEASE)": (72, 25, "os.open('/usr/bin/env', 0), 1024, 0"),
    "fcntl(NOTIFY)": (72, 25, "os.open('/usr', 0), 1026, 1"),
    "ioctl(TIOCSTI)": (16, 29, "0, 0x5412, b'x'"),
    "ioctl(TIOCSTI, high bits)": (16, 29, "0, 0x100005412, b'x'"),
    "ioctl(TIOCLINUX)": (16, 29, "0, 0x541c, b'x'"),
    "ioctl(TIOCSCTTY)": (16, 29, "0, 0x540e, 1"),
    "ioctl(FS_IOC_SETFLAGS)": (16, 29, "os.open('/workspace', 0), 0x40086602, bytes(8)"),
    "socketpair(NETLINK)": (53, 199, "16, 3, 0, bytes(8)"),
    "a number of the future": (999, 999, "0"),
    "the highest number": (0x3fffffff, 0x3fffffff, "0"),
}
for _name, (_x86, _arm, _args) in MUST_DENY.items():
    _nr = _x86 if X86 else _arm
    if _nr:
        case("D:" + _name, f"refused: {_name}", f"refused(sc, {_nr}{', ' + _args if _args else ''})", control=None)

FAMILIES = {2: "INET", 10: "INET6", 16: "NETLINK", 17: "PACKET", 38: "ALG", 40: "VSOCK", 44: "XDP",
            30: "TIPC", 29: "CAN", 31: "BLUETOOTH", 15: "KEY", 21: "RDS", 43: "SMC", 4: "IPX", 9: "X25",
            24: "PPPOX", 33: "RXRPC", 36: "IEEE802154", 39: "NFC", 41: "KCM", 42: "QIPCRTR", 45: "MCTP"}
for _n, _name in FAMILIES.items():
    case(f"B19:{_name}", f"no socket of AF_{_name}", f"""
import socket
for kind in (1, 2, 3, 5):
    try:
        sc({41 if X86 else 198}, {_n}, kind, 0)
    except OSError as e:
        if e.errno not in DENIED: broken(e)
        continue
    broken("a socket of kind", kind)
held()
""")

# --- A. exhaustion ---
MEMORY = ["memory=192m", "workspace=16m", "tmp=8m", "shm=8m"]
case("A1", "an endless loop ends at the wall limit", "while True: pass", limits=["wall=700ms"], cause="wall", status=137)
case("A1c", "an endless loop ends at the cpu limit", "while True: pass", limits=["cpu=1", "wall=15"], cause="cpu")
case("A2", "a sleep ends at the wall limit", "import time; time.sleep(10**6)", limits=["wall=500ms"], cause="wall")
case("A3", "ignoring signals does not help", """
import signal
for s in (1, 2, 3, 15): signal.signal(s, signal.SIG_IGN)
while True: pass
""", limits=["wall=500ms"], cause="wall")
case("A4", "blocking signals and catching everything does not help", """
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
while True:
    try:
        while True: pass
    except BaseException: pass
""", limits=["wall=500ms"], cause="wall")
case("A5", "a fork bomb stops at the process limit", """
import signal, time
n = 0
try:
    while n < 500:
        if os.fork() == 0: time.sleep(60); os._exit(0)
        n += 1
    broken("500 forks")
except BlockingIOError:
    held(n, "forks") if n < 32 else broken(n)
""", limits=["processes=32", "wall=10"], want="HELD")
case("A5b", "a fork bomb of everyone stays inside and ends", """
while True:
    try: os.fork()
    except OSError: pass
""", limits=["processes=32", "wall=1"], cause="wall")
case("A6", "a thread bomb stops at the process limit", """
import threading, time
try:
    for i in range(500): threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    broken("500 threads")
except RuntimeError as e: held(i, e)
os._exit(0)
""", limits=["processes=32", "wall=10"], want="HELD")
case("A7", "a daemon does not outlive the command", """
import time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for i in range(3): os.close(i)
        while True: time.sleep(0.05)
    os._exit(0)
os.wait()
held("parent ends")
""", want="HELD", status=0, seconds=5)
case("A8", "a daemon that keeps stdout open delays nobody", """
import time
if os.fork() == 0: time.sleep(60)
held("parent ends")
sys.stdout.flush(); os._exit(0)
""", want="HELD", status=0, seconds=5)
case("A9", "a hundred stubborn daemons die at the wall limit", """
import signal, time
for i in range(100):
    if os.fork() == 0:
        os.setsid()
        for s in range(1, 32):
            try: signal.signal(s, signal.SIG_IGN)
            except OSError: pass
        while True: time.sleep(1)
while True: pass
""", limits=["processes=128", "wall=1500ms"], cause="wall", seconds=8)
case("A10", "stopping itself does not stop the clock", "os.kill(os.getpid(), 19)", limits=["wall=500ms"], cause="wall")
case("A11", "kill(-1, 9) takes only its own", "os.kill(-1, 9)", want="", seconds=5)
case("A12", "pid 1 cannot be killed, stopped or asked", """
for s in (9, 15, 19, 2, 1, 0):
    try: os.kill(1, s)
    except OSError as e:
        if e.errno not in DENIED and e.errno != errno.ESRCH: broken(s, e)
import time; time.sleep(0.2); held("still here")
""")
case("A13", "a huge allocation fails cleanly", """
try: bytearray(64 << 30); broken("64 GiB")
except MemoryError: held()
""")
case("A14", "a touching heap bomb is stopped and named", """
l = []
try:
    while True: l.append(b'x' * 10**7)
except MemoryError: l = None; held("MemoryError")
""", limits=MEMORY, want="HELD")
case("A14s", "shared memory over the limit is killed, and the cause is named", """
import mmap
m = mmap.mmap(-1, 600 << 20)
for i in range(0, 600 << 20, 4096): m[i] = 1
import time; time.sleep(2); broken("600 MiB of shared memory")
""", limits=MEMORY, cause="memory", status=137)
case("A15", "many mappings are stopped", """
import mmap
l = []
try:
    for i in range(10000):
        m = mmap.mmap(-1, 1 << 20); m[0:1 << 20] = b'x' * (1 << 20); l.append(m)
    broken()
except (OSError, MemoryError): held()
""", limits=MEMORY, cause="memory")
case("A16", "memfds count, or are refused", """
try:
    fds = []
    for i in range(200):
        fd = os.memfd_create("x"); os.write(fd, bytes(10**7)); fds.append(fd)
    broken("2 GB of memfd")
except OSError as e: held(e)
""", limits=MEMORY, want_or_cause=("HELD", "memory"))
case("A18", "memory spread over children is summed", """
import time
pids = []
for i in range(8):
    p = os.fork()
    if p == 0:
        x = bytearray(b'x' * (60 << 20)); time.sleep(3); os._exit(0)
    pids.append(p)
killed = sum(os.waitstatus_to_exitcode(os.waitpid(p, 0)[1]) == -9 for p in pids)
held(killed, "children killed") if killed else broken("480 MiB in 192")
""", limits=MEMORY, want_or_cause=("HELD", "memory"))
case("A20", "pipe buffers cannot be grown", """
import fcntl
r, w = os.pipe()
refused(fcntl.fcntl, w, 1031, 1 << 20)
""", control=True)
case("A20b", "pipes and their contents are bounded", """
fds = []
try:
    while len(fds) < 5000:
        r, w = os.pipe(); os.set_blocking(w, False); os.write(w, bytes(65536)); fds += [r, w]
    broken(len(fds))
except OSError as e: held(len(fds), e)
""", limits=["open-files=256"])
case("A20i", "watchers of files are not taken from who started it", """
n = 0
while n < 100 and L.inotify_init1(0) >= 0: n += 1
broken(n) if n > 32 else held(n)
""", control=True)
case("A21", "/workspace ends at its limit", """
try:
    with open('/workspace/f', 'wb') as f:
        for i in range(100): f.write(bytes(1 << 20)); f.flush()
    broken("100 MiB")
except OSError as e: held(e) if e.errno == errno.ENOSPC else broken(e)
""", limits=["workspace=16m"])
for _dir in ("/tmp", "/dev/shm"):
    case("A22:" + _dir, f"{_dir} ends at its limit", f"""
try:
    with open('{_dir}/f', 'wb') as f:
        for i in range(100): f.write(bytes(1 << 20)); f.flush()
    broken("100 MiB")
except OSError as e: held(e) if e.errno == errno.ENOSPC else broken(e)
""", limits=MEMORY)
case("A22o", "/output ends at its limit", """
try:
    with open('/output/f', 'wb') as f:
        for i in range(100): f.write(bytes(1 << 20)); f.flush()
    broken("100 MiB")
except OSError as e: held(e)
""", limits=MEMORY)
case("A23", "inodes end at their limit", """
try:
    for i in range(5000): open(f'/workspace/{i}', 'w').close()
    broken(5000)
except OSError as e: held(i, e) if e.errno == errno.ENOSPC and i < 1100 else broken(i, e)
""", limits=["inodes=1000"])
case("A23d", "directories count as well", """
try:
    for i in range(5000): os.mkdir(f'/workspace/{i}')
    broken(5000)
except OSError as e: held(i, e) if e.errno == errno.ENOSPC else broken(i, e)
""", limits=["inodes=1000"])
case("A25", "a write past the file limit fails", """
with open('/workspace/f', 'wb') as f:
    try: f.write(bytes(3 << 20)); f.flush(); broken("3 MiB")
    except OSError as e: held(e) if e.errno == errno.EFBIG else broken(e)
""", limits=["file=2m"])
case("A25s", "a sparse giant is refused", """
f = os.open('/workspace/f', os.O_RDWR | os.O_CREAT)
try: os.ftruncate(f, 1 << 50); broken("1 PiB")
except OSError as e: held(e)
""")
case("A26", "descriptors end at their limit", """
fds = []
try:
    while True: fds.append(os.open('/dev/null', 0))
except OSError as e: held(len(fds), e) if len(fds) < 64 else broken(len(fds))
""", limits=["open-files=64"])
case("A27", "a flood of output that nobody holds back ends with the wall", "while True: os.write(1, b'A' * 65536)",
     limits=["wall=500ms"], cause="wall", drain=True)
case("A31", "64 burners end together", """
for i in range(63):
    if os.fork() == 0:
        while True: pass
while True: pass
""", limits=["processes=100", "wall=1"], cause="wall")
case("A31c", "burners share one cpu limit", """
for i in range(8):
    if os.fork() == 0: break
while True: pass
""", limits=["cpu=1", "wall=15"], cause="cpu")
case("A32", "a loop inside C heeds no exception and still ends", "9**9**9", limits=["wall=700ms"], cause="wall")
for _r in ("NOFILE", "NPROC", "DATA", "FSIZE", "CORE", "STACK", "MEMLOCK"):
    case("A33:" + _r, f"RLIMIT_{_r} cannot be raised", f"""
import resource
hard = resource.getrlimit(resource.RLIMIT_{_r})[1]
try: resource.setrlimit(resource.RLIMIT_{_r}, (hard + 1, hard + 1)) if hard != -1 else broken("no limit"); broken("raised")
except (ValueError, OSError): held()
""")
case("A34", "locking memory is bounded", """
import mmap
m = mmap.mmap(-1, 8 << 20)
a = ctypes.addressof(ctypes.c_char.from_buffer(m))
refused(lambda: (L.mlock(ctypes.c_void_p(a), 8 << 20) and (_ for _ in ()).throw(OSError(ctypes.get_errno(), "mlock"))) or broken("locked"), also=(errno.ENOMEM,))
""")
case("A36", "no real-time priority", "refused(os.sched_setscheduler, 0, os.SCHED_FIFO, os.sched_param(50))")
case("A36n", "no higher priority", "refused(os.nice, -20)")
case("A37", "timers, eventfds and watches are bounded", """
import select
n = 0
try:
    l = []
    while n < 100000: l.append(os.eventfd(0)); n += 1
    broken(n)
except OSError as e: held(n, e)
""", limits=["open-files=128"])
case("A37t", "posix timers are bounded", """
n = 0
t = ctypes.c_int()
try:
    while n < 20000:
        if L.timer_create(1, None, ctypes.byref(ctypes.create_string_buffer(8))) != 0: break
        n += 1
except OSError: pass
held(n) if n < 20000 else broken(n)
""")
case("A38", "zombies are bounded by the process limit", """
n = 0
try:
    while n < 1000:
        if os.fork() == 0: os._exit(0)
        n += 1
    broken(n)
except BlockingIOError: held(n)
""", limits=["processes=40"])
case("A39", "the kernel's memory killer takes this first", "held() if int(open('/proc/self/oom_score_adj').read()) == 1000 else broken()")
case("A39r", "and it cannot make itself less attractive", """
for score in (b'-1000', b'0', b'999'):
    try: os.write(os.open('/proc/self/oom_score_adj', os.O_WRONLY), score); broken(score)
    except OSError: pass
held()
""")
case("A40", "deep directories do no harm", """
os.chdir('/workspace')
for i in range(900):
    os.mkdir('d'); os.chdir('d')
held()
""", limits=["inodes=2000"])

# --- B. escape ---
case("B3", "/proc/*/root and cwd lead nowhere", """
bad = []
for p in os.listdir('/proc'):
    if not p.isdigit(): continue
    for link in ('root', 'cwd'):
        try: names = os.listdir(f'/proc/{p}/{link}/')
        except OSError: continue
        if 'home' in names or 'boot' in names: bad.append((p, link))
broken(bad) if bad else held()
""")
case("B3b", "/proc/1 is not there", "unreadable('/proc/1/environ', '/proc/1/cmdline', '/proc/1/maps', '/proc/1/fd', '/proc/1/root', '/proc/1/mountinfo')")
case("B4", "/proc/1/mem", "unwritable('/proc/1/mem', '/proc/1/oom_score_adj', '/proc/1/clear_refs')")
case("B6", "exe of this helper cannot be rewritten", """
bad = []
for p in os.listdir('/proc'):
    if p.isdigit():
        try: os.open(f'/proc/{p}/exe', os.O_WRONLY); bad.append(p)
        except OSError: pass
broken(bad) if bad else held()
""")
case("B7", "a user namespace through unshare(1)", """
import subprocess
r = subprocess.run(['unshare', '-U', 'true'], capture_output=True)
held(r.stderr) if r.returncode else broken()
""", control=True)
case("B9", "namespaces of others cannot be opened and entered", """
for n in ('net', 'mnt', 'user', 'pid'):
    try: fd = os.open(f'/proc/self/ns/{n}', 0)
    except OSError: continue
    try: sc(308 if platform.machine() == 'x86_64' else 268, fd, 0); broken(n)
    except OSError: pass
held()
""")
case("B10", "the system stays read-only", """
import subprocess
r = subprocess.run(['mount', '-o', 'remount,rw,bind', '/usr'], capture_output=True)
try: open('/usr/x', 'w'); broken()
except OSError as e: held(e) if e.errno == errno.EROFS or e.errno in DENIED else broken(e)
""")
case("B12", "chdir up from an open root", """
fd = os.open('/', 0)
os.fchdir(fd)
for i in range(50): os.chdir('..')
broken() if os.path.exists('home') or os.path.exists('etc/shadow') else held()
""")
case("B14", "device nodes of the host", """
bad = [d for d in ('vda', 'sda', 'mem', 'kmsg', 'tty', 'ptmx', 'pts', 'fuse', 'kvm', 'net', 'console', 'loop0', 'port', 'disk', 'input', 'dri', 'vsock', 'tty0', 'mapper', 'hpet', 'cpu') if os.path.lexists('/dev/' + d)]
broken(bad) if bad else held()
""", control=True)
case("B14b", "what is in /dev is harmless", """
names = set(os.listdir('/dev'))
extra = names - {'null', 'zero', 'full', 'random', 'urandom', 'fd', 'stdin', 'stdout', 'stderr', 'shm'}
broken(extra) if extra else held()
""", control=True)
case("B14c", "bound devices cannot be changed", """
for d in ('null', 'zero', 'urandom'):
    for f in (lambda: os.chmod('/dev/' + d, 0o777), lambda: os.utime('/dev/' + d), lambda: os.unlink('/dev/' + d)):
        try: f(); broken(d)
        except OSError: pass
held()
""")
case("B18", "no connection to the host's loopback", """
import socket
refused(lambda: socket.create_connection(('127.0.0.1', CANARY_PORT), 2))
""", control=True)
case("B18u", "no datagram", """
import socket
refused(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', CANARY_PORT)))
""", control=True)
case("B18c", "no connection through a program", """
import subprocess
r = subprocess.run(['bash', '-c', 'exec 3<>/dev/tcp/127.0.0.1/CANARY_PORT && echo open'], capture_output=True, text=True)
broken() if 'open' in r.stdout else held(r.stderr)
""", control=True)
case("B21", "no abstract socket of the host", """
import socket
s = socket.socket(socket.AF_UNIX)
refused(s.connect, '\\0CANARY_ABSTRACT', also=(errno.ECONNREFUSED,))
""", control=True)
case("B22", "no pathname socket of the host", """
import socket
s = socket.socket(socket.AF_UNIX)
refused(s.connect, 'CANARY_DIR/socket', also=(errno.ENOENT,))
""", control=True)
case("B22b", "no well-known sockets", """
bad = [p for p in ('/run/docker.sock', '/var/run/docker.sock', '/run/dbus', '/run/systemd', '/run/user', '/tmp/.X11-unix', '/run/containerd', '/run/snapd.socket', '/run/udev') if os.path.lexists(p)]
broken(bad) if bad else held()
""")
case("B23", "no out-of-band bytes on unix sockets", """
import socket
a, b = socket.socketpair()
refused(a.send, b'x', socket.MSG_OOB)
""", control=True)
case("B25", "no terminal to open", "refused(os.open, '/dev/tty', os.O_RDWR, also=(errno.ENOENT, errno.ENXIO))")
case("B26", "nothing below /proc/sys can be opened for writing", """
bad, n = [], 0
for d, _, files in os.walk('/proc/sys'):
    for f in files:
        n += 1
        try: os.close(os.open(d + '/' + f, os.O_WRONLY)); bad.append(d + '/' + f)
        except OSError: pass
broken(bad[:5]) if bad or n < 100 else held(n)
""")
case("B26b", "core_pattern and modprobe", "unwritable('/proc/sys/kernel/core_pattern', '/proc/sys/kernel/modprobe', '/proc/sys/kernel/hostname', '/proc/sys/kernel/ns_last_pid', '/proc/sys/vm/overcommit_memory')")
case("B27", "the host's uid 0 is not mapped", """
m = open('/proc/self/uid_map').read().split(); g = open('/proc/self/gid_map').read().split()
held(m) if m[1] != '0' and g[1] != '0' and m[2] == '1' and m[0] == '1000' else broken(m, g)
""")
case("B28", "no /sys, no cgroup files", """
broken() if os.path.exists('/sys/kernel') or os.path.exists('/sys/fs/cgroup') else held()
""", control=True)
case("B29", "kernel files of /proc", "unreadable('/proc/kcore', '/proc/kmsg', '/proc/kallsyms', '/proc/config.gz', '/proc/cmdline', '/proc/keys', '/proc/timer_list', '/proc/interrupts', '/proc/modules', '/proc/sched_debug', '/proc/iomem', '/proc/ioports', '/proc/slabinfo', '/proc/locks', '/proc/partitions', '/proc/diskstats', '/proc/key-users', '/proc/swaps', '/proc/pressure', '/proc/bus', '/proc/irq', '/proc/fs', '/proc/acpi', '/proc/scsi', '/proc/sysvipc', '/proc/tty', '/proc/driver', '/proc/cgroups', '/proc/devices', '/proc/consoles')", control=True)
case("B29w", "triggers of /proc", "unwritable('/proc/sysrq-trigger', '/proc/mtrr', '/proc/kmsg', '/proc/pressure/memory', '/proc/irq/default_smp_affinity')")
case("B31", "no capability in any set", """
s = dict(l.split(':\\t') for l in open('/proc/self/status').read().split('\\n') if ':\\t' in l)
bad = [k for k in ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb') if int(s[k], 16)]
broken(bad) if bad or s['NoNewPrivs'].strip() != '1' or s['Seccomp'].strip() != '2' else held()
""", control=True)
case("B31u", "no way to uid 0", """
for f in (lambda: os.setuid(0), lambda: os.setresuid(0, 0, 0), lambda: os.setgid(0), lambda: os.setgroups([0])):
    try: f(); broken()
    except OSError: pass
held()
""")
case("B32", "set-id programs give nothing", """
import subprocess, glob
bad = []
for p in ('/usr/bin/su', '/usr/bin/passwd', '/usr/bin/mount', '/usr/bin/newgrp', '/usr/bin/sudo'):
    if os.path.exists(p): subprocess.run([p, '-h'], capture_output=True, stdin=subprocess.DEVNULL, timeout=5)
import ctypes
st = os.statvfs('/usr')
held() if st.f_flag & os.ST_NOSUID and st.f_flag & os.ST_RDONLY else broken(st)
""")
if X86:
    case("B33", "32-bit system calls kill", """
import mmap
m = mmap.mmap(-1, 4096, prot=7)
m.write(b'\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3')   # getpid by int 0x80
f = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(m)))
pid = os.fork()
if pid == 0:
    f(); os._exit(7)
st = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
held(st) if st < 0 else broken(st)
""", control=True)
    case("B33x", "x32 system calls are refused", """
pid = os.fork()
if pid == 0:
    try: sc(39 | 0x40000000)
    except OSError: os._exit(3)
    os._exit(7)
st = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
held(st) if st < 0 or st == 3 else broken(st)
""")
case("B39", "no hard link out of the system", "refused(os.link, '/usr/bin/env', '/workspace/x', also=(errno.EXDEV,))")
case("B46", "the world is read-only", """
bad = []
for d in ('/', '/usr', '/usr/bin', '/usr/lib', '/etc', '/bin', '/lib', '/dev', '/proc', '/run', '/run/sandbox', '/data', '/usr/local'):
    try: open(d + '/.x', 'w'); bad.append(d)
    except OSError: pass
for f in ('/etc/passwd', '/etc/ld.so.cache', '/usr/bin/env', '/run/sandbox/context.so', '/etc/hosts', '/run/.empty', '/run/.boot-id'):
    for g in (lambda: open(f, 'r+'), lambda: os.chmod(f, 0o777), lambda: os.utime(f), lambda: os.unlink(f), lambda: os.rename(f, f + 'x')):
        try: g(); bad.append(f)
        except OSError: pass
broken(bad) if bad else held()
""")
case("B47", "nothing is inherited but 0, 1, 2", """
import stat
fds = [int(f) for f in os.listdir('/proc/self/fd')]
extra = []
for f in range(3, 1024):
    try: os.fstat(f); extra.append(f)
    except OSError: pass
kinds = [f for f in (0, 1, 2) if stat.S_ISDIR(os.fstat(f).st_mode) or os.isatty(f)]
broken(extra, kinds) if extra or kinds else held()
""", leak_fds=True)
case("B52w", "leave something for the next run", """
for p in ('/tmp', '/dev/shm', '/workspace', '/output'): open(p + '/left', 'w').write('CANARY_LEFT')
held()
""")
case("B52r", "nothing is left by the run before", """
bad = [p for p in ('/tmp/left', '/dev/shm/left', '/workspace/left', '/output/left') if os.path.exists(p)]
broken(bad) if bad else held()
""")
case("B55", "only its own processes are there", """
alive = []
for p in range(1, 33000):
    try: os.kill(p, 0)
    except ProcessLookupError: continue
    except OSError: pass
    alive.append(p)
extra = [p for p in alive if p not in (1, os.getpid())]
broken(extra[:5]) if extra else held(alive)
""", control=True)
case("B55s", "the runner's own process is out of reach", """
try: os.kill(CANARY_PID, 9); broken()
except OSError as e: held(e)
""")
case("B56", "the cgroup tree is out of reach", """
paths = [l.split(':', 2)[2].strip() for l in open('/proc/self/cgroup')]
broken(paths) if any(p != '/' for p in paths) else held()
""")
case("B57", "links in the sandbox lead inside it", """
os.symlink('/etc/shadow', '/workspace/a'); os.symlink('/proc/1/root', '/workspace/b'); os.symlink('CANARY_DIR/secret', '/workspace/c')
unreadable('/workspace/a', '/workspace/b', '/workspace/c')
""")
case("B63", "a program of one's own runs filtered as well", """
import subprocess, shutil
shutil.copy('/usr/bin/env', '/workspace/e'); os.chmod('/workspace/e', 0o6755)
r = subprocess.run(['/workspace/e', sys.executable, '-c', 'import socket; socket.socket(2, 1)'], capture_output=True, text=True)
held() if 'PermissionError' in r.stderr else broken(r)
""")
case("B64", "threads are filtered as well", """
import threading
def f(): refused(sc, 425 if True else 0, 8, bytes(256))
t = threading.Thread(target=f); t.start(); t.join()
""")
case("B65", "a descriptor of a directory passed in by name is no door", """
import glob
bad = []
for f in glob.glob('/proc/self/fd/*'):
    try:
        if 'home' in os.listdir(f + '/..'): bad.append(f)
    except OSError: pass
broken(bad) if bad else held()
""")
case("B66", "mounts show no path of the caller's home", """
t = open('/proc/self/mountinfo').read()
broken() if 'CANARY' in t or '/root' in t.split() or '/home' in t else held()
""")
case("B67", "no raw sockets of the kernel through /proc/net", """
held() if open('/proc/net/dev').read().count('\\n') <= 3 else broken()
""", control=None)

# --- C. leaks ---
case("C1", "the environment is the declared one", """
known = {'PATH', 'HOME', 'TMPDIR', 'USER', 'LOGNAME', 'LANG', 'TZ', 'TERM', 'MPLBACKEND', 'MPLCONFIGDIR', 'OPENBLAS_NUM_THREADS', 'OMP_NUM_THREADS', 'MALLOC_ARENA_MAX', 'PYTHONDONTWRITEBYTECODE', 'PYTHONUNBUFFERED', 'LC_CTYPE'}
raw = {v.split(b'=')[0].decode() for v in open('/proc/self/environ', 'rb').read().split(b'\\0') if v}
extra = (set(os.environ) | raw) - known
broken(extra) if extra else held()
""", control=True)
case("C2", "no environment of another process", """
import glob
text = b''
for f in glob.glob('/proc/*/environ') + ['/proc/1/environ', '/proc/2/environ']:
    try: text += open(f, 'rb').read()
    except OSError: pass
broken() if b'CANARY_ENV'.replace(b'_ENV', b'_ENV') in text and b'SECRET' in text else held()
""")
case("C3", "the key is in no memory that can be read", """
import glob, re
needle = 'CANARY_KEY'[::-1].encode()
hits = []
for p in [p for p in os.listdir('/proc') if p.isdigit()] + ['1']:
    if int(p) == os.getpid(): continue
    try:
        maps = open(f'/proc/{p}/maps').read(); mem = open(f'/proc/{p}/mem', 'rb')
        for l in maps.split('\\n'):
            m = re.match(r'([0-9a-f]+)-([0-9a-f]+) r', l)
            if m:
                mem.seek(int(m[1], 16)); hits += [p] if needle[::-1] in mem.read(int(m[2], 16) - int(m[1], 16)) else []
    except (OSError, ValueError, OverflowError): pass
broken(hits) if hits else held()
""")
case("C5", "no command line of another process", """
import glob
text = b''
for p in glob.glob('/proc/[0-9]*/cmdline'):
    if p != f'/proc/{os.getpid()}/cmdline':
        try: text += open(p, 'rb').read()
        except OSError: pass
held() if not text else broken(text[:100])
""", control=True)
case("C6", "secrets of the host", """
bad = [p for p in ('/etc/shadow', '/root', '/home', '/var', '/run/secrets', '/etc/ssh', '/etc/ssl/private', '/boot', '/opt', '/srv', '/mnt', '/media', '/etc/sudoers', '/etc/fstab', '/etc/crontab', '/etc/resolv.conf', '/etc/environment', '/etc/profile', '/etc/gshadow', '/lost+found', '/etc/krb5.keytab') if os.path.lexists(p)]
broken(bad) if bad else held()
""", control=True)
case("C6c", "the canary file", "unreadable('CANARY_DIR/secret')", control=True)
case("C7", "no process of the host", """
import subprocess
r = subprocess.run(['ps', 'ax', '-o', 'args='], capture_output=True, text=True).stdout
lines = [l for l in r.split('\\n') if l.strip()]
held(len(lines)) if len(lines) <= 3 else broken(lines[:4])
""", control=True)
case("C8", "no name of the host", """
import socket, platform
names = {socket.gethostname(), platform.node(), open('/proc/sys/kernel/hostname').read().strip(), open('/etc/hostname').read().strip()}
held() if names == {'sandbox'} else broken(names)
""", control=True)
case("C8b", "machine id and boot id tell nothing", """
a = open('/etc/machine-id').read().strip(); b = open('/proc/sys/kernel/random/boot_id').read().strip()
held() if set(a) <= {'0', '1'} and set(b) <= {'0', '1', '-'} else broken(a, b)
""")
case("C9", "user name, id and groups", """
import getpass, pwd
held() if getpass.getuser() == 'sandbox' and pwd.getpwuid(os.getuid()).pw_name == 'sandbox' and os.getuid() == 1000 and len(pwd.getpwall()) == 2 else broken()
""", control=True)
case("C9g", "no group of the caller as root", "held() if set(os.getgroups()) <= {1000, 65534} else broken(os.getgroups())")
case("C11", "no metadata service", """
import socket
for a in ('169.254.169.254', '100.100.100.200'):
    try: socket.create_connection((a, 80), 1); broken(a)
    except OSError as e:
        if e.errno not in DENIED: broken(e)
held()
""")
case("C12", "no interface, route or neighbour", """
t = ''.join(open('/proc/net/' + f).read() for f in ('route', 'arp'))
ifs = [l.split(':')[0].strip() for l in open('/proc/net/dev') if ':' in l]
held() if set(ifs) <= {'lo'} and t.count('\\n') <= 2 else broken(ifs, t)
""", control=True)
case("C14", "no file of the host in the temporary places", """
bad = [d for d in ('/tmp', '/dev/shm', '/workspace', '/output') if os.listdir(d)]
broken(bad) if bad or os.path.exists('/var/tmp') else held()
""")
case("C15", "no name is resolved, and at once", """
import socket, time
t = time.time()
try: socket.getaddrinfo('canary.example', 80); broken()
except OSError: held() if time.time() - t < 1 else broken(time.time() - t)
""")
case("C17", "no serial numbers", "unreadable('/sys/class/dmi/id/product_uuid', '/sys/block', '/sys/class/net', '/sys/firmware')")
case("C20", "no other user's name", "held() if 'root' not in open('/etc/passwd').read() else broken()", control=True)
case("C22", "no keyring of the caller", "unreadable('/proc/keys', '/proc/key-users')")
case("C24", "load of others through cgroup or pressure files", "unreadable('/proc/pressure/cpu', '/sys/fs/cgroup')")
case("C25", "the helper's own path and arguments", """
import glob
t = b''.join(open(f, 'rb').read() for f in glob.glob('/proc/[0-9]*/cmdline') if str(os.getpid()) not in f)
broken(t) if b'agent-sandbox' in t or b'--limit' in t else held()
""")
