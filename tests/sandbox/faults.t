#!/usr/bin/python3
"""Fault injection: every system call of the set-up fails once, with EPERM, ENOMEM, EMFILE and ENOSYS. Then either
the helper says what failed and ends with 125, and the command never ran; or the call is one whose failure
takes nothing away (TOLERATED says why), and the command ran behind all its layers, as it proves itself.

Of a call that is made many times, the first ones, one from the middle and the last one fail.
"""
import collections
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SANDBOX = os.path.realpath(os.environ.get("SANDBOX_PROGRAM") or HERE.parent.parent / "build" / "agent-sandbox")
ERRORS = ("EPERM", "ENOMEM", "EMFILE", "ENOSYS")
# The command proves its layers with shell builtins alone.
PROOF = r"""
echo RAN
while read -r k v; do case $k in
Seccomp:) [ "$v" = 2 ] && echo seccomp;; NoNewPrivs:) [ "$v" = 1 ] && echo nnp;;
CapEff:|CapBnd:|CapPrm:) [ "$v" = 0000000000000000 ] && echo cap;; Uid:) [ "${v%%[!0-9]*}" = 1000 ] && echo uid;;
esac; done </proc/self/status
[ -e /home ] || [ -e /etc/shadow ] || [ -e /sys/kernel ] || echo files
[ -w /usr ] || [ -w /etc ] || [ -w / ] || [ -w /proc/sys/kernel/core_pattern ] || echo readonly
read -r h </proc/sys/kernel/hostname; [ "$h" = sandbox ] && echo names
n=0; while read -r l; do n=$((n+1)); done </proc/net/dev; [ $n -le 3 ] && echo net
[ "$(ulimit -n)" = 1024 ] && echo limits
"""
WHOLE = ["RAN", "cap", "cap", "cap", "files", "limits", "names", "net", "nnp", "readonly", "seccomp", "uid"]
# What libc does before main, and what ends processes: there is no set-up in it.
NOT_OURS = {"execve", "brk", "arch_prctl", "set_tid_address", "set_robust_list", "rseq", "mprotect", "exit_group",
            "getrandom", "rt_sigreturn", "mmap", "munmap", "sigaltstack", "exit", "restart_syscall"}
TOLERATED = {
    "close": "the descriptor closes at exec or exit as well",
    "close_range": "in the keeper, which then merely keeps descriptors open; in the command's process it is fatal",
    "capget": "libcap asks for the kernel's version; our own reading back is fatal",
    "access": "an optional file counts as absent, or the cgroup as not to be had: then the watcher, reported as weaker",
    "readlink": "what is no link is bound instead", "readlinkat": "likewise",
    "newfstatat": "a file counts as covered by its own rights, or fails", "fstat": "likewise",
    "rt_sigaction": "an inherited disposition stays", "rt_sigprocmask": "a blocked signal stays blocked",
    "umask": "cannot fail in a kernel; modes come out narrower or wider inside our own tmpfs",
    "geteuid": "cannot fail in a kernel; a wrong answer ends in a refused step",
    "getuid": "likewise", "getgid": "likewise", "getpid": "likewise", "getresuid": "likewise",
    "sched_getaffinity": "one thread for numpy instead of several",
    "landlock_create_ruleset": "asking for the level failed: reported as a kernel without Landlock",
    "mkdir": "the cgroup is not to be had: then the watcher, reported as weaker",
    "rmdir": "the keeper tries again", "eventfd2": "out of memory is noticed at the end instead of at once",
    "openat": "the cgroup is not to be had, or an optional file is absent", "write": "likewise, or a status line is lost",
    "open": "likewise", "unlinkat": "an old cgroup stays", "getdents64": "likewise", "lseek": "likewise",
    "pread64": "usage is not reported", "read": "likewise",
    "futex": "looks again a millisecond later",
    "poll": "waits again", "ppoll": "waits again", "wait4": "waits again", "recvfrom": "read again at the end",
    "signalfd4": "signals end the helper in the ordinary way, and the leash ends the sandbox",
    "setsid": "in the keeper; in pid 1 it is fatal", "prctl": "in the helper, whose memory holds nothing; or the keeper's name; or "
    "asking for a capability past the last: the layers prove themselves below",
    "prlimit64": "the old limit stands where reading it failed; the command proves its own",
    "fcntl": "a descriptor", "getcwd": "not used", "chdir": "fatal in the set-up", "kill": "an old cgroup stays",
    "open_tree": "an optional file counts as absent only with ENOENT, else fatal", "umount2": "fatal",
    "fstatfs": "the watcher's sum of what the file trees hold is a beat late", "recvmsg": "the watcher reads again",
    "socketpair": "the mounts are taken apart before the end instead of after it", "sendmsg": "likewise",
    "keyctl": "ENOSYS: a kernel without keyrings", "uname": "not used", "ioctl": "not used",
}


def helper_argv():
    return [SANDBOX, "--", "/bin/sh", "-c", PROOF]


def strace(args, cwd):
    return subprocess.run(["strace", "-f", "-qq", *args, *helper_argv()], env={}, cwd=cwd, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=15)


def calls_of_setup(folder):
    """name -> how often the busiest process made it before the command ran."""
    trace = Path(folder) / "trace"
    r = strace(["-o", str(trace)], folder)
    counts = collections.Counter()
    for line in trace.read_text().split("\n"):
        m = re.match(r"(\d+) +(\w+)\(", line)
        if not m:
            continue
        if 'execve("/bin/sh"' in line:
            break
        counts[m[1], m[2]] += 1
    most = {}
    for (_, name), n in counts.items():
        most[name] = max(most.get(name, 0), n)
    return r, {name: n for name, n in most.items() if name not in NOT_OURS}


def occurrences(n):
    return sorted({k for k in (1, 2, 3, n // 2, n - 1, n) if 1 <= k <= n})


def failed_in_command(trace):
    """strace fails the N-th call of every process, the command's too. When that one was made after it had become
    /bin/sh, what it proves by shell builtins is cut short and says nothing."""
    became, failed = set(), []
    for line in trace.split("\n"):
        pid = line.split(" ", 1)[0]
        if 'execve("/bin/sh"' in line:
            became.add(pid)
        elif "(INJECTED)" in line:
            failed.append(pid in became)
    return any(failed)


def one(job):
    name, when, error, folder = job[:4]
    try:
        trace = Path(folder) / f"trace.{name}.{when}.{error}"
        r = strace(["-o", str(trace), "-e", f"trace={name},execve", "-e",
                    f"inject={name}:error={error}:when={when}"], folder)
    except subprocess.TimeoutExpired:
        # A machine that stalls is no fault of the helper: it must hang again.
        return one((name, when, error, folder, True)) if len(job) == 4 else "it hung, twice"
    out = sorted(r.stdout.split())
    if "RAN" not in out:
        if r.stderr.startswith("/bin/sh:"):
            return ""  # the call failed in the command itself, which was behind all layers by then
        if r.returncode != 125:
            return f"status {r.returncode}, not 125: {r.stderr}"
        if name == "write" and not r.stderr:
            return ""  # the message itself was what could not be written
        return "" if r.stderr.startswith("agent-sandbox: ") else f"no message: {r.stderr!r}"
    if out != WHOLE and not failed_in_command(trace.read_text()):
        return f"the command ran without {sorted(set(WHOLE) - set(out))}"
    return "" if name in TOLERATED else f"the command ran although {name} failed"


def main():
    if not shutil.which("strace"):
        print("1..0 # SKIP strace is not installed")
        return 0
    if "__asan" in open(SANDBOX, "rb").read().decode("latin-1"):
        print("1..0 # SKIP the sanitizer's own calls would fail instead")
        return 0
    folder = tempfile.mkdtemp(prefix="agent-faults-")
    os.chmod(folder, 0o777)
    r, calls = calls_of_setup(folder)
    print(f"{'ok' if sorted(r.stdout.split()) == WHOLE else 'not ok'} 1 - without a fault every layer is there")
    if sorted(r.stdout.split()) != WHOLE:
        print("# " + r.stdout.replace("\n", " ") + r.stderr)
    count, failed = 1, 0
    jobs = [(name, when, error, folder) for name, n in sorted(calls.items())
            for when in occurrences(n) for error in ERRORS]
    ran = 0
    by_call = collections.OrderedDict()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for job, problem in zip(jobs, pool.map(one, jobs)):
            by_call.setdefault(job[0], []).append((job, problem))
    for name, results in by_call.items():
        bad = [(job, problem) for job, problem in results if problem]
        count += 1
        ran += len(results)
        print(f"{'not ok' if bad else 'ok'} {count} - {name}: {len(results)} faults")
        failed += bool(bad)
        for job, problem in bad[:6]:
            print(f"#   call {job[1]}, {job[2]}: {problem[:300].strip()}")
    shutil.rmtree(folder)
    print(f"# {ran} faults in {len(by_call)} different calls")
    print(f"1..{count}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
