#!/usr/bin/python3
"""Fault injection: every system call of the set-up fails once, with EPERM, ENOMEM, EMFILE and ENOSYS. Then either
the helper says what failed and ends with 125, and the command never ran; or the call is one whose failure
takes nothing away (TOLERATED says why), and the command ran behind all its layers, as it proves itself.

Four ways of starting: as root and as an ordinary user, with namespaces and, below a filter that forbids them (pod.c), without.
Of a call that is made many times, the first ones, one from the middle and the last one fail; after the first way only the
first and the last.
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

sys.path.insert(0, str(Path(__file__).resolve().parent))
from boxlib import AM_ROOT, PATIENCE, SANDBOX, TOP, USER, as_user  # noqa: E402

POD = Path(os.environ.get("BUILD") or TOP / "build").resolve() / "tests/sandbox/pod"
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
# Without namespaces: Landlock holds the files, three filters lie on each other (that of pod.c is the first), names show.
PROOF_LONE = r"""
echo RAN
while read -r k v; do case $k in
Seccomp_filters:) [ "$v" = 3 ] && echo seccomp;; NoNewPrivs:) [ "$v" = 1 ] && echo nnp;;
CapEff:|CapPrm:) [ "$v" = 0000000000000000 ] && echo cap;; Uid:) [ "${v%%[!0-9]*}" != 0 ] && echo uid;;
esac; done </proc/self/status
(read -r l <CANARY) 2>/dev/null || echo files
(: >CANARY) 2>/dev/null || (: >/tmp/faults-leak) 2>/dev/null || echo readonly
[ "$(ulimit -n)" = 1024 ] && echo limits
"""
WHOLE_LONE = ["RAN", "cap", "cap", "files", "limits", "nnp", "readonly", "seccomp", "uid"]
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


# Without namespaces the helper adds up what lies in the files, and what cannot be added up is over the limit.
ADDS_UP = {"fcntl", "newfstatat", "fstat", "openat", "getdents64"}


def is_command(line):
    """The exec of the command; to an ordinary user strace cannot show its arguments, because the memory is not dumpable."""
    return " execve(" in line and SANDBOX not in line and "busctl" not in line


class Way:
    """One way of starting the helper."""

    def __init__(self, name, uid, lone, folder, few):
        self.name, self.uid, self.lone, self.folder, self.few = name, uid, lone, folder, few
        self.whole = WHOLE_LONE if lone else WHOLE
        proof = PROOF_LONE.replace("CANARY", str(Path(folder) / "canary")) if lone else PROOF
        self.argv = [SANDBOX] + (["--backend", "best"] if lone else []) + ["--", "/bin/sh", "-c", proof]

    def strace(self, args):
        # The filter lies around strace, too: of each process only the helper's own calls are counted.
        around = [str(POD), "docker"] if self.lone else []
        return subprocess.run([*around, "strace", "-f", "-qq", *args, *self.argv], env={"PATH": "/usr/bin:/bin"}, cwd=self.folder,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=15 * PATIENCE,
                              **as_user(self.uid))

    def calls_of_setup(self):
        """name -> how often the busiest process made it before the command ran."""
        trace = Path(self.folder) / f"trace.{self.name.replace(' ', '')}"
        r = self.strace(["-o", str(trace)])
        counts = collections.Counter()
        for line in trace.read_text().split("\n"):
            m = re.match(r"(\d+) +(\w+)\(", line)
            if not m:
                continue
            if is_command(line):
                break
            counts[m[1], m[2]] += 1
        most = {}
        for (_, name), n in counts.items():
            most[name] = max(most.get(name, 0), n)
        return r, {name: n for name, n in most.items() if name not in NOT_OURS}

    def occurrences(self, n):
        return sorted({k for k in ((1, n) if self.few else (1, 2, 3, n // 2, n - 1, n)) if 1 <= k <= n})


def failed_in_command(trace):
    """strace fails the N-th call of every process, the command's too. When that one was made after it had become
    /bin/sh, what it proves by shell builtins is cut short and says nothing."""
    became, failed = set(), []
    for line in trace.split("\n"):
        pid = line.split(" ", 1)[0]
        if is_command(line):
            became.add(pid)
        elif "(INJECTED)" in line:
            failed.append(pid in became)
    return any(failed)


def one(job):
    way, name, when, error = job[:4]
    try:
        trace = Path(way.folder) / f"trace.{way.name.replace(' ', '')}.{name}.{when}.{error}"
        r = way.strace(["-o", str(trace), "-e", f"trace={name},execve", "-e", f"inject={name}:error={error}:when={when}"])
    except subprocess.TimeoutExpired:
        # A machine that stalls is no fault of the helper: it must hang again.
        return one((*job, True)) if len(job) == 4 else "it hung, twice"
    if "(INJECTED)" not in trace.read_text():
        return ""  # where the number of calls depends on what else runs, this time there were fewer
    out = sorted(r.stdout.split())
    if r.returncode == 137:  # killed; or its end, which init could not tell, counts as that
        return "" if (way.lone and name in ADDS_UP) or (name == "write" and "RAN" in out) else "it was killed"
    if "RAN" not in out:
        if r.stderr.startswith("/bin/sh:"):
            return ""  # the call failed in the command itself, which was behind all layers by then
        if r.returncode != 125:
            return f"status {r.returncode}, not 125: {r.stderr}"
        if name == "write" and not r.stderr:
            return ""  # the message itself was what could not be written
        return "" if r.stderr.startswith("agent-sandbox: ") else f"no message: {r.stderr!r}"
    if out != way.whole and not failed_in_command(trace.read_text()):
        return f"the command ran without {sorted(set(way.whole) - set(out))}"
    return "" if name in TOLERATED else f"the command ran although {name} failed"


class Faults:
    def __init__(self):
        self.count = self.failed = self.ran = 0

    def ok(self, good, name, *why):
        self.count += 1
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.count} - {name}", flush=True)
        for line in why if not good else ():
            print(f"#   {line}")

    def run(self, way):
        r, calls = way.calls_of_setup()
        out = sorted(r.stdout.split())
        self.ok(out == way.whole, f"{way.name}: without a fault every layer is there", f"{out} {r.stderr}")
        jobs = [(way, name, when, error) for name, n in sorted(calls.items())
                for when in way.occurrences(n) for error in ERRORS]
        by_call = collections.OrderedDict()
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for job, problem in zip(jobs, pool.map(one, jobs)):
                by_call.setdefault(job[1], []).append((job, problem))
        for name, results in by_call.items():
            bad = [f"call {job[2]}, {job[3]}: {problem[:300].strip()}" for job, problem in results if problem]
            self.ok(not bad, f"{way.name}: {name}: {len(results)} faults", *bad[:6])
        self.ran += len(jobs)
        print(f"# {way.name}: {len(jobs)} faults in {len(by_call)} different calls", flush=True)


def main():
    if not shutil.which("strace"):
        print("1..0 # SKIP strace is not installed")
        return 0
    if "__asan" in open(SANDBOX, "rb").read().decode("latin-1"):
        print("1..0 # SKIP the sanitizer's own calls would fail instead")
        return 0
    folder = tempfile.mkdtemp(prefix="agent-faults-")
    os.chmod(folder, 0o777)
    canary = Path(folder) / "canary"
    canary.write_text("sings\n")
    canary.chmod(0o666)
    faults = Faults()
    users = [("root", 0), ("user", USER)] if AM_ROOT else [("user", 0)]
    for lone in (False, True):
        for who, uid in users:
            faults.run(Way(who + (" without namespaces" if lone else ""), uid, lone, folder, lone or who != users[0][0]))
    faults.ok(canary.read_text() == "sings\n", "the canary is as it was")
    shutil.rmtree(folder)
    print(f"# {faults.ran} faults in all")
    print(f"1..{faults.count}")
    return 1 if faults.failed else 0


if __name__ == "__main__":
    sys.exit(main())
