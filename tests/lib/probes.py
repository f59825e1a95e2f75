#!/usr/bin/python3
"""What code can do where it runs: each probe is a door that a sandbox should close. Prints one line a probe: its
name, a tab, and OK (the door is open), the name of an errno, `killed', or `no' with what was seen.

Runs anywhere: bare (where each must say OK, or it proves nothing), and as `python3 -I - ARGS' in a sandbox. ARGS: the
canary that stands in the environment of whoever started the sandbox, and the number of a TCP port that listens on the host's
loopback. Nothing is changed that outlives a probe.
"""
import ctypes
import errno
import mmap
import os
import platform
import socket
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long
X86 = platform.machine() == "x86_64"
# name: (x86_64, aarch64); 0 = there is none
NUMBERS = {"io_uring_setup": (425, 425), "userfaultfd": (323, 282), "keyctl": (250, 219), "add_key": (248, 217),
           "ptrace": (101, 117), "process_vm_readv": (310, 270), "unshare": (272, 97), "clone": (56, 220),
           "memfd_secret": (447, 447), "shmget": (29, 194), "shmctl": (31, 195), "modify_ldt": (154, 0),
           "personality": (135, 92), "perf_event_open": (298, 241), "name_to_handle_at": (303, 264)}
NEWUSER, SIGCHLD, IPC_CREAT, IPC_RMID = 0x10000000, 17, 0o1000, 0


def call(name, *args):
    """A raw system call: its value, or OSError."""
    nr = NUMBERS[name][0 if X86 else 1]
    if not nr:
        raise OSError(errno.ENOSYS, "no such system call on this machine")
    ctypes.set_errno(0)
    r = LIBC.syscall(ctypes.c_long(nr), *[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
    if r < 0:
        raise OSError(ctypes.get_errno(), name)
    return r


def io_uring():
    os.close(call("io_uring_setup", 4, bytes(120)))


def userfaultfd():
    os.close(call("userfaultfd", 0o2000000 | 1))


def keyring():
    call("keyctl", 0, -3, 1, 0, 0)


def add_key():
    call("add_key", b"user", b"agent-probe", b"x", 1, -2)


def ptrace():
    call("ptrace", 0, 0, 0, 0)


def process_vm_readv():
    text, into = ctypes.create_string_buffer(b"open"), ctypes.create_string_buffer(5)
    local, remote = ((ctypes.c_void_p * 2)(ctypes.addressof(b), 4) for b in (into, text))
    call("process_vm_readv", os.getpid(), local, 1, remote, 1, 0)
    return into.value == b"open"


def unshare_user():
    call("unshare", NEWUSER)


def clone_user():
    pid = call("clone", NEWUSER | SIGCHLD, 0, 0, 0, 0)
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def memfd_secret():
    os.close(call("memfd_secret", 0))


def shmget():
    call("shmctl", call("shmget", 0, 4096, IPC_CREAT | 0o600), IPC_RMID, 0)


def family(number, kind):
    def probe():
        socket.socket(number, kind, 0).close()
    return probe


def modify_ldt():
    call("modify_ldt", 0, bytes(16), 16)


def personality():
    call("personality", 0x40000)  # ADDR_NO_RANDOMIZE


def int80():
    """getpid(2) through the 32-bit door, which a filter on 64-bit numbers does not see."""
    if not X86:
        raise OSError(errno.ENOSYS, "no such door on this machine")
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")  # mov eax, 20; int 0x80; ret
    f = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
    return f() == os.getpid()


def name_to_handle():
    handle = ctypes.create_string_buffer((128).to_bytes(4, "little") + bytes(140))
    call("name_to_handle_at", -100, b"/usr", handle, ctypes.create_string_buffer(8), 0)


def environ():
    """Is the environment of whoever started this readable, in any process?"""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as f:
                if sys.argv[1].encode() in f.read():
                    return True
        except OSError:
            pass
    return False


def loopback():
    with socket.create_connection(("127.0.0.1", int(sys.argv[2])), timeout=5):
        return True


def core_pattern():
    """Opened only: a write would start a program of the writer's choice as root, at the next crash."""
    os.close(os.open("/proc/sys/kernel/core_pattern", os.O_WRONLY))


PROBES = {"io_uring_setup": io_uring, "userfaultfd": userfaultfd, "keyctl": keyring, "add_key": add_key,
          "ptrace TRACEME": ptrace, "process_vm_readv": process_vm_readv, "unshare NEWUSER": unshare_user,
          "clone NEWUSER": clone_user, "memfd_secret": memfd_secret, "shmget": shmget,
          "socket AF_INET": family(2, 1), "socket AF_INET6": family(10, 1), "socket AF_NETLINK": family(16, 3),
          "socket AF_VSOCK": family(40, 1), "TCP to the host's loopback": loopback, "modify_ldt": modify_ldt,
          "personality": personality, "int 0x80": int80, "name_to_handle_at": name_to_handle,
          "caller's environment in /proc": environ, "core_pattern opens for writing": core_pattern}
ROOT_ONLY = "core_pattern opens for writing"


def one(probe):
    """In a process of its own: a probe may be killed for it, or change what it runs in."""
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            seen = probe()
            said = "OK" if seen is None or seen is True else "no"
        except OSError as e:
            said = errno.errorcode.get(e.errno) or ("timeout" if isinstance(e, TimeoutError) else f"errno {e.errno}")
        os.write(w, said.encode())
        os._exit(0)
    os.close(w)
    said = os.read(r, 100).decode()
    os.close(r)
    _, status = os.waitpid(pid, 0)
    return said or ("killed" if os.WIFSIGNALED(status) else f"exit {os.WEXITSTATUS(status)}")


def run_in(prefix, uid=0, seconds=60):
    """Runs all probes behind this command line, as an ordinary user if `uid` says so: {name: what it said}, and what went to
    standard error. The canary stands in the environment of the prefix; a probe without an answer is `nothing'."""
    import subprocess
    canary = f"probe-canary-{os.getpid()}-{id(prefix)}"
    text = open(__file__, encoding="utf-8").read()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        p = subprocess.run([*prefix, "/usr/bin/python3", "-I", "-", canary, str(listener.getsockname()[1])],
                           env={"PATH": "/usr/local/bin:/usr/bin:/bin", "PROBE_CANARY": canary, "HOME": "/tmp"},
                           input=text, capture_output=True, text=True, cwd="/", timeout=seconds,
                           **({"user": uid, "group": uid, "extra_groups": []} if uid else {}))
    said = dict(line.split("\t", 1) for line in p.stdout.splitlines() if line.count("\t") == 1)
    return {name: said.get(name, "nothing") for name in PROBES}, p.stderr


if __name__ == "__main__":
    for name, probe in PROBES.items():
        print(f"{name}\t{one(probe)}", flush=True)
