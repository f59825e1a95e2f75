/* --check: builds a sandbox as for any command, and in the command's place, behind every layer,
 * tries what each layer is there to refuse. --policy: the tables. */
#include "sandbox/check.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/mem.h"
#include "agent/base/stop.h"
#include "agent/base/banned.h"

/* Limits small enough to be met in a blink. */
const char *const check_limits[] = { "memory=128m", "workspace=4m", "file=2m", "processes=24",
                                     NULL };
#define CHECK_MEMORY (128ll << 20)
#define CHECK_PROCESSES 24

/* A probe: true if the layer holds. */
typedef bool probe_fn(const struct box *b);

/* The text of a small file; "" if it cannot be read. Caller frees. */
static char *slurp(const char *path)
{
    struct buf text = BUF_MAX(65536);
    struct err ignored;

    if (io_read_file(path, &text, &ignored) < 0)
        buf_clear(&text);
    return buf_steal(&text);
}

static bool file_says(const char *path, const char *what)
{
    cleanup_free char *text = slurp(path);

    return strstr(text, what) != NULL;
}

static bool refused(long r, int error)
{
    return r < 0 && errno == error;
}

static bool cannot_open(const char *path, int flags)
{
    cleanup_fd int fd = open(path, flags | O_CLOEXEC, 0600);

    return fd < 0;
}

static bool probe_identity(const struct box *b)
{
    if (b->lone)
        return getuid() == b->uid && getuid() != 0 && geteuid() != 0;
    cleanup_free char *map = slurp("/proc/self/uid_map");
    char *end;
    long inner = strtol(map, &end, 10), outer = strtol(end, &end, 10),
         count = strtol(end, NULL, 10);

    /* Seen from inside, the outer side of the map is the id as the parent namespace has it. */
    return getuid() == INNER_ID && getgid() == INNER_ID && inner == INNER_ID && count == 1 &&
           outer != 0;
}

static bool probe_caps(const struct box *b)
{
    /* Without namespaces the bounding set may stay: no_new_privs leaves it nothing to bound. */
    return file_says("/proc/self/status", "CapEff:\t0000000000000000") &&
           file_says("/proc/self/status", "CapPrm:\t0000000000000000") &&
           (b->lone || file_says("/proc/self/status", "CapBnd:\t0000000000000000")) &&
           prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 && setuid(0) < 0;
}

static bool probe_pids(const struct box *b)
{
    /* Without a pid namespace init has our uid: what keeps us out is that it is not dumpable, and
     * Landlock. */
    cleanup_free char *dir = xasprintf("/proc/%d", (int)getppid());
    cleanup_free char *memory = xasprintf("%s/mem", dir);
    cleanup_free char *environment = xasprintf("%s/environ", dir);
    if (b->lone)
        return cannot_open(dir, O_RDONLY) && cannot_open(memory, O_RDONLY) &&
               cannot_open(environment, O_RDONLY) && cannot_open("/proc", O_RDONLY);
    return getppid() == 1 && cannot_open("/proc/1/environ", O_RDONLY) &&
           cannot_open("/proc/1/mem", O_RDONLY);
}

static bool probe_files(const struct box *b)
{
    static const char *const absent[] = { "/root", "/home",       "/var",
                                          "/sys",  "/etc/shadow", "/run/docker.sock",
                                          "/boot" };

    /* Without a mount namespace they are there, but closed. */
    for (size_t i = 0; i < ARRAY_LEN(absent); i++)
        if (b->lone ? !cannot_open(absent[i], O_RDONLY) : access(absent[i], F_OK) == 0)
            return false;
    if (b->lone && (!cannot_open("/", O_RDONLY) || !cannot_open("/tmp", O_RDONLY) ||
                    !cannot_open("/etc/passwd", O_RDONLY)))
        return false;
    return cannot_open("/usr/.agent-sandbox-check", O_WRONLY | O_CREAT) &&
           cannot_open("/etc/passwd", O_WRONLY) && cannot_open("/.check", O_WRONLY | O_CREAT) &&
           cannot_open("/proc/sys/kernel/core_pattern", O_WRONLY) &&
           mount("x", "/tmp", "tmpfs", 0, "") < 0;
}

static bool probe_devices(const struct box *b)
{
    char byte = 'x';

    (void)b;
    return cannot_open("/dev/tty", O_RDWR) && cannot_open("/dev/kmsg", O_RDONLY) &&
           cannot_open("/dev/mem", O_RDONLY) && !cannot_open("/dev/null", O_RDWR) &&
           refused(mknod("d", S_IFBLK | 0600, 0x801), EPERM) &&
           refused(ioctl(0, TIOCSTI, &byte), EPERM);
}

static bool probe_network(const struct box *b)
{
    cleanup_free char *interfaces = slurp("/proc/net/dev");
    size_t lines = 0;

    for (const char *p = interfaces; *p; p++)
        lines += *p == '\n';
    for (int family = b->lone ? 1 : 2; family < 46; family++)
        if (!refused(socket(family, SOCK_DGRAM, 0), EPERM))
            return false;
    return lines <= 3; /* two of head, and lo */
}

static bool probe_names(const struct box *b)
{
    char name[64] = "";

    (void)b;
    return gethostname(name, sizeof name - 1) == 0 && strcmp(name, "sandbox") == 0 &&
           sethostname("x", 1) < 0 &&
           file_says("/etc/machine-id", "00000000000000000000000000000001");
}

static bool probe_ipc(const struct box *b)
{
    (void)b;
    return refused(syscall(SYS_shmget, 0, 4096, 01600), EPERM) &&
           refused(syscall(SYS_keyctl, 0, -3, 0), EPERM);
}

static bool probe_cgroup_view(const struct box *b)
{
    cleanup_free char *text = slurp("/proc/self/cgroup");
    struct str rest = str_of(text), line;

    (void)b;
    while (rest.n) {
        str_cut(&rest, '\n', &line);
        /* Groups that were joined are the root of what is seen; others show no path of the host
         * either. */
        if (line.n && !str_ends(line, ":/"))
            return false;
    }
    return true;
}

static bool probe_seccomp(const struct box *b)
{
    char buffer[256] = { 0 };

    (void)b;
    return file_says("/proc/self/status", "Seccomp:\t2") &&
           refused(syscall(SYS_io_uring_setup, 1, buffer), EPERM) &&
           refused(syscall(SYS_clone3, buffer, 88), ENOSYS) &&
           refused(syscall(SYS_unshare, 0x10000000), EPERM) &&
           refused(syscall(SYS_ptrace, 0, 0, 0, 0), EPERM) &&
           refused(syscall(SYS_bpf, 0, 0, 0), EPERM) && refused(syscall(9999), ENOSYS);
}

/* Init has our uid: without Landlock's signal scope the kernel would let us ask for it. */
static bool probe_landlock(const struct box *b)
{
    return b->landlock >= 6 && refused(kill(getppid(), 0), EPERM);
}

static bool probe_fds(const struct box *b)
{
    (void)b;
    for (int fd = 3; fd < 256; fd++)
        if (fcntl(fd, F_GETFD) >= 0 && !(fcntl(fd, F_GETFD) & FD_CLOEXEC))
            return false;
    return true;
}

static bool probe_rlimits(const struct box *b)
{
    struct rlimit r;

    (void)b;
    if (getrlimit(RLIMIT_NOFILE, &r) < 0)
        return false;
    r.rlim_max = r.rlim_cur = r.rlim_max + 1;
    return setrlimit(RLIMIT_NOFILE, &r) < 0 && getrlimit(RLIMIT_CORE, &r) == 0 && r.rlim_max <= 1;
}

static bool probe_processes(const struct box *b)
{
    int n = 0;
    pid_t pid = 0;

    (void)b;
    /* A group of our own: without namespaces init is in the one that we were born into, and below
     * Landlock's sixth level the signal would reach it. */
    setpgid(0, 0);
    while (n <= CHECK_PROCESSES && (pid = fork()) > 0)
        n++;
    if (pid == 0) {
        poll(NULL, 0, 10000);
        _exit(0);
    }
    signal(SIGTERM, SIG_IGN);
    kill(0, SIGTERM); /* the children took our disposition only if forked later: they die */
    while (n > 0 && wait(NULL) > 0)
        ;
    return n < CHECK_PROCESSES;
}

/* In a child: more shared memory than the whole sandbox may have, which no per-process limit
 * counts. */
static bool probe_memory(const struct box *b)
{
    int status;
    pid_t pid = fork();

    (void)b;
    if (pid == 0) {
        size_t n = CHECK_MEMORY * 2;
        char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED)
            _exit(1);
        for (size_t i = 0; i < n; i += 4096)
            p[i] = 1;
        poll(NULL, 0, 2000); /* a watcher outside needs its moment */
        _exit(0);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) &&
           WTERMSIG(status) == SIGKILL;
}

/* Bytes that fit into a new file. */
static size_t fill(const char *path)
{
    static const char block[65536];
    cleanup_fd int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    size_t total = 0;
    ssize_t n;

    while (fd >= 0 && (n = write(fd, block, sizeof block)) > 0)
        total += (size_t)n;
    return total;
}

static bool probe_space(const struct box *b)
{
    signal(SIGXFSZ, SIG_IGN);
    size_t one = fill("1");
    if (b->lone) /* the whole of it is the helper's to watch, who would end this check */
        return one > 0 && one <= 2 << 20;
    size_t all = one + fill("2") + fill("3");
    return one > 0 && one <= 2 << 20 && all > one && all <= 4 << 20;
}

static const struct {
    const char *layer, *what;
    probe_fn *holds;
    const char *lone; /* what there is without namespaces; NULL: nothing */
} probes[] = {
    { "user namespace", "one id mapped, not root", probe_identity,
      "no namespace; an ordinary user of this machine" },
    { "capabilities", "none in any set, no_new_privs, no way to uid 0", probe_caps,
      "none in effect, no_new_privs, no way to uid 0" },
    { "pid namespace", "pid 1 cannot be inspected", probe_pids,
      "no namespace; other processes cannot be inspected" },
    { "files", "system read-only, nothing else of the host, no mounts, core_pattern closed",
      probe_files, "system read-only, nothing else of the host can be opened or listed" },
    { "devices", "five harmless ones, no terminal, no node can be made", probe_devices,
      "five harmless ones, no terminal, no node can be made" },
    { "network", "no family but unix, no interface but lo", probe_network,
      "no namespace; no sockets of any family" },
    { "names", "host name and machine id tell nothing", probe_names, NULL },
    { "ipc", "no System V objects, no keyrings", probe_ipc, "no System V objects, no keyrings" },
    { "cgroup namespace", "no path of the host's groups", probe_cgroup_view, NULL },
    { "seccomp", "filter loaded; io_uring, ptrace, bpf, namespaces, unknown calls refused",
      probe_seccomp, "filter loaded; io_uring, ptrace, bpf, namespaces, unknown calls refused" },
    { "landlock", "signals do not leave the domain", probe_landlock,
      "signals do not leave the domain" },
    { "descriptors", "nothing inherited but 0, 1, 2", probe_fds, "nothing inherited but 0, 1, 2" },
    { "rlimits", "hard limits cannot be raised, no core files", probe_rlimits,
      "hard limits cannot be raised, no core files" },
    { "workspace limit", "a file and the workspace end at their limits", probe_space,
      "a file ends at its limit; the helper watches the sum" },
    { "process limit", "forks end at the limit", probe_processes, "forks end at the limit" },
    { "memory limit", "shared memory over the limit is killed", probe_memory,
      "shared memory over the limit is killed" },
};

int check_inside(const struct box *b)
{
    cleanup_buf struct buf out = BUF_MAX(65536);
    struct err ignored;
    int failed = 0;

    for (size_t i = 0; i < ARRAY_LEN(probes); i++) {
        /* A layer that this kernel lacks was named as weaker; everything else must hold. */
        bool absent =
            (probes[i].holds == probe_landlock && b->landlock < 6) || (b->lone && !probes[i].lone);
        bool holds = !absent && probes[i].holds(b);
        buf_putf(&out, "%-7s %-17s %s\n",
                 absent  ? "absent"
                 : holds ? "holds"
                         : "FAILS",
                 probes[i].layer, b->lone && probes[i].lone ? probes[i].lone : probes[i].what);
        failed += !holds && !absent;
    }
    for (size_t i = 0; i < b->spec->n_devices; i++) {
        bool opens = !cannot_open(b->spec->devices[i], O_RDWR) ||
                     !cannot_open(b->spec->devices[i], O_RDONLY);
        buf_putf(&out, "%-7s %-17s %s can be opened\n", opens ? "holds" : "FAILS", "device",
                 b->spec->devices[i]);
        failed += !opens;
    }
    io_write_all(1, out.p, out.n, &ignored);
    return failed ? 1 : 0;
}

void check_head(const struct box *b)
{
    static const char *const backends[] = { [BACKEND_RLIMITS] = "per-process limits and a watcher",
                                            [BACKEND_CGROUP1] = "cgroup version 1",
                                            [BACKEND_CGROUP2] = "cgroup version 2" };
    cleanup_buf struct buf out = BUF_MAX(16384);
    struct str rest, line;
    struct err ignored;

    buf_putf(
        &out,
        "started by %s; inside it is the host's user %u\nmemory limit by %s\nLandlock level %ld\n",
        b->from_root ? "root" : "an ordinary user", (unsigned)b->uid, backends[b->cg.backend],
        b->landlock);
    if (b->cg.has_cpu)
        buf_puts(&out, "cpu-share can be held\n");
    buf_putf(&out, "back end: %s\n",
             b->lone ? "Landlock and seccomp, without namespaces" : "namespaces");
    for (rest = buf_str(&b->weaker); rest.n;) {
        str_cut(&rest, '\n', &line);
        buf_putf(&out, "weaker: %.*s\n", (int)line.n, line.p);
    }
    io_write_all(1, out.p, out.n, &ignored);
}

int policy_print(void)
{
    cleanup_buf struct buf out = BUF_MAX(1 << 20);
    struct err e;

    steps_print(&out);
    buf_puts(&out, "\n");
    sources_print(&out);
    buf_puts(&out, "\n");
    devices_print(&out);
    buf_puts(&out, "\n");
    mounts_print(&out);
    buf_puts(&out, "\n");
    environment_print(&out);
    buf_puts(&out, "\n");
    limits_print(&out);
    buf_putc(&out, '\n');
    ns_print(&out);
    buf_puts(&out, "\n");
    landlock_print(&out);
    buf_puts(&out, "\n");
    lone_print(&out);
    buf_puts(&out, "\n");
    seccomp_print(&out);
    return io_write_all(1, out.p, out.n, &e) < 0 ? 1 : 0;
}
