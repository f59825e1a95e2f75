#include "sandbox/keeper.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/mem.h"
#include "agent/base/banned.h"

#define PREFIX "agent-sandbox."
/* Group directories of one sandbox: memory and, with cpu-share, cpu. */
#define MAX_GROUPS 2
/* A run that lasts this long removes what killed keepers left. */
#define SWEEP_MS 100

/* The keeper's: a name stands here before its directory exists, so that there is no moment at which
 * the helper's death could leave one behind. */
struct groups {
    char dirs[MAX_GROUPS][512];
    size_t n;
};

/* What the keeper tells when the group is made, or is not to be had: to helper and init, each of
 * which takes one message; without namespaces to the helper alone. The descriptors come beside
 * it, those that there are, in the order of slots_of(). */
struct made {
    enum limits_backend backend;
    size_t n_attach;
    bool has_cpu;
    unsigned there; /* one bit a slot */
    int sys;        /* BACKEND_RLIMITS: why */
};
enum { SLOTS = 7 };

union fds_control {
    struct cmsghdr head;
    char space[CMSG_SPACE(sizeof(int) * SLOTS)];
};

const struct cgroup no_group = { .attach_fds = { -1, -1 },
                                 .events_fd = -1,
                                 .notify_fd = -1,
                                 .peak_fd = -1,
                                 .cpu_fd = -1,
                                 .share_fd = -1,
                                 .keeper_fd = -1 };

static void slots_of(struct cgroup *cg, int *slots[SLOTS])
{
    memcpy(slots,
           (int *[SLOTS]){ &cg->attach_fds[0], &cg->attach_fds[1], &cg->events_fd, &cg->notify_fd,
                           &cg->peak_fd, &cg->cpu_fd, &cg->share_fd },
           sizeof(int *) * SLOTS);
}

int cgroup_open(const char *dir, const char *name, int flags)
{
    cleanup_free char *path = io_join(dir, name);

    return open(path, flags | O_CLOEXEC);
}

int cgroup_write(const char *dir, const char *name, const char *text)
{
    cleanup_fd int fd = cgroup_open(dir, name, O_WRONLY);

    return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
}

bool cgroup_read(int fd, char *text, size_t size)
{
    ssize_t n = fd >= 0 ? pread(fd, text, size - 1, 0) : -1;

    if (n < 0)
        return false;
    text[n] = '\0';
    return true;
}

static int write_number(const char *dir, const char *name, int64_t v)
{
    char text[32];

    snprintf(text, sizeof text, "%lld", (long long)v);
    return cgroup_write(dir, name, text);
}

static void kill_group(const char *dir)
{
    char text[4096];
    cleanup_fd int fd = cgroup_open(dir, "cgroup.procs", O_RDONLY);

    if (cgroup_write(dir, "cgroup.kill", "1") == 0 || !cgroup_read(fd, text, sizeof text))
        return;
    for (char *p = text, *end; (void)(end = p), *p; p = end + (*end == '\n')) {
        long pid = strtol(p, &end, 10);
        if (pid > 1)
            kill((pid_t)pid, SIGKILL);
        if (end == p)
            break;
    }
}

/* A group's name is its owner's pid and, since containers may share one tree of groups, the pid
 * namespace in which that pid means something; 0 where it cannot be told. */
static unsigned long pid_namespace(void)
{
    struct stat st;

    return stat("/proc/self/ns/pid", &st) == 0 ? (unsigned long)st.st_ino : 0;
}

/* Groups of our pid namespace whose maker is gone and that are empty: left by a keeper that was
 * killed. */
static void sweep(const char *parent)
{
    DIR *d = opendir(parent);
    struct dirent *entry;
    unsigned long here = pid_namespace();
    char *end;

    while (d && (entry = readdir(d)) != NULL) {
        if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0)
            continue;
        long pid = strtol(entry->d_name + strlen(PREFIX), &end, 10);
        if (*end != '-' || strtoul(end + 1, NULL, 10) != here)
            continue;
        if (pid > 0 && kill((pid_t)pid, 0) < 0 && errno == ESRCH)
            unlinkat(dirfd(d), entry->d_name, AT_REMOVEDIR);
    }
    if (d)
        closedir(d);
}

/* --- making groups --- */

static char *make_group(struct groups *g, const char *parent, pid_t owner)
{
    char *dir = g->dirs[g->n];

    if (snprintf(dir, sizeof g->dirs[0], "%s/" PREFIX "%d-%lu", parent, (int)owner,
                 pid_namespace()) >= (int)sizeof g->dirs[0]) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    g->n++;
    int r = mkdir(dir, 0755);
    if (r < 0 && errno == EEXIST && rmdir(dir) == 0) /* of an earlier process with that pid */
        r = mkdir(dir, 0755);
    if (r < 0) {
        g->n--;
        return NULL;
    }
    return dir;
}

static int add_attach(struct cgroup *cg, const char *dir, const char *file)
{
    int fd = cgroup_open(dir, file, O_WRONLY);

    if (fd < 0)
        return -1;
    cg->attach_fds[cg->n_attach++] = fd;
    return 0;
}

/* v1: an eventfd that the kernel signals when the group runs out of memory. */
static int oom_eventfd(const char *dir, int oom_control)
{
    char text[64];
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    snprintf(text, sizeof text, "%d %d", fd, oom_control);
    if (fd >= 0 && cgroup_write(dir, "cgroup.event_control", text) < 0)
        cleanup_closep(&fd);
    return fd;
}

static int make_v1(struct cgroup *cg, const int64_t *limits, const struct place *p,
                   struct groups *g)
{
    char *memory = make_group(g, CGROUP_ROOT "/memory", p->owner);

    if (!memory || write_number(memory, "memory.limit_in_bytes", limits[LIMIT_MEMORY]) < 0)
        return -1;
    /* Swap would be a way around; the file is missing where the kernel does not count swap. */
    if (write_number(memory, "memory.memsw.limit_in_bytes", limits[LIMIT_MEMORY]) < 0 &&
        errno != ENOENT)
        return -1;
    cg->events_fd = cgroup_open(memory, "memory.oom_control", O_RDONLY);
    cg->peak_fd = cgroup_open(memory, "memory.max_usage_in_bytes", O_RDONLY);
    if (cg->events_fd < 0 || add_attach(cg, memory, "tasks") < 0)
        return -1;
    cg->notify_fd = oom_eventfd(memory, cg->events_fd);
    /* No group of the pids controller: RLIMIT_NPROC, per user namespace, holds the same limit
     * without a directory more. */
    if (limits[LIMIT_CPU_SHARE]) {
        char *cpu = make_group(g, CGROUP_ROOT "/cpu", p->owner);
        cg->has_cpu = cpu &&
                      write_number(cpu, "cpu.cfs_quota_us", limits[LIMIT_CPU_SHARE] * 1000) == 0 &&
                      add_attach(cg, cpu, "tasks") == 0;
        cg->share_fd = cg->has_cpu ? cgroup_open(cpu, "cpu.stat", O_RDONLY) : -1;
    }
    cg->backend = BACKEND_CGROUP1;
    return 0;
}

static int make_v2(struct cgroup *cg, const int64_t *limits, const struct place *p,
                   struct groups *g)
{
    char text[64];
    char *dir = make_group(g, p->parent, p->owner);

    if (!dir || write_number(dir, "memory.max", limits[LIMIT_MEMORY]) < 0)
        return -1;
    if (write_number(dir, "memory.swap.max", 0) < 0 && errno != ENOENT)
        return -1;
    /* The largest process is killed, not all: the template outlives its contexts. */
    cgroup_write(dir, "memory.oom.group", "0");
    if (access(dir, F_OK) == 0 && write_number(dir, "pids.max", limits[LIMIT_PROCESSES] + 1) < 0 &&
        errno != ENOENT)
        return -1;
    if (limits[LIMIT_CPU_SHARE]) {
        snprintf(text, sizeof text, "%lld 100000", (long long)limits[LIMIT_CPU_SHARE] * 1000);
        cg->has_cpu = cgroup_write(dir, "cpu.max", text) == 0;
        cg->share_fd = cgroup_open(dir, "cpu.stat", O_RDONLY);
    }
    cg->events_fd = cgroup_open(dir, "memory.events", O_RDONLY);
    cg->peak_fd = cgroup_open(dir, "memory.peak", O_RDONLY);
    cg->cpu_fd = cgroup_open(dir, "cpu.stat", O_RDONLY);
    if (cg->events_fd < 0 || add_attach(cg, dir, "cgroup.procs") < 0)
        return -1;
    cg->backend = BACKEND_CGROUP2;
    return 0;
}

/* --- the keeper --- */

static int send_made(int fd, const struct made *made, int *const slots[SLOTS])
{
    struct made m = *made;
    union fds_control control = { .space = { 0 } };
    struct iovec iov = { &m, sizeof m };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    int fds[SLOTS];
    size_t n = 0;

    for (size_t i = 0; i < SLOTS; i++)
        if (*slots[i] >= 0) {
            m.there |= 1u << i;
            fds[n++] = *slots[i];
        }
    if (n > 0) {
        msg.msg_control = &control;
        msg.msg_controllen = CMSG_SPACE(sizeof(int) * n);
        control.head = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int) * n),
                                         .cmsg_level = SOL_SOCKET,
                                         .cmsg_type = SCM_RIGHTS };
        memcpy(CMSG_DATA(&control.head), fds, sizeof(int) * n);
    }
    return sendmsg(fd, &msg, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

static int receive_made(int fd, struct made *made, int *const slots[SLOTS])
{
    union fds_control control = { .space = { 0 } };
    struct iovec iov = { made, sizeof *made };
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
    };
    ssize_t n;

    while ((n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
        ;
    if (n != (ssize_t)sizeof *made) {
        errno = n < 0 ? errno : ECHILD;
        return -1;
    }
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    size_t got = c ? (c->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;
    for (size_t i = 0, k = 0; i < SLOTS && k < got; i++)
        if (made->there & 1u << i)
            memcpy(slots[i], CMSG_DATA(c) + sizeof(int) * k++, sizeof(int));
    if (msg.msg_flags & MSG_CTRUNC || got != (size_t)__builtin_popcount(made->there)) {
        errno = EMFILE; /* there was no room for some */
        return -1;
    }
    return 0;
}

/* Takes every group away, with what may still run in it. */
static void remove_groups(struct groups *g)
{
    static const struct timespec soon = { .tv_nsec = 100000 }, later = { .tv_nsec = 50000000 };

    for (size_t i = 0; i < g->n; i++)
        for (int tries = 0; rmdir(g->dirs[i]) < 0 && errno == EBUSY && tries < 400; tries++) {
            kill_group(g->dirs[i]);
            /* The kernel is still taking the last process apart. */
            nanosleep(tries < 200 ? &soon : &later, NULL);
        }
}

/* Ends the process. Everything else of this sandbox that lives holds `fd`'s other end. */
__attribute__((noreturn)) static void keeper_run(const struct box *b, const struct place *p, int fd,
                                                 int other_end)
{
    struct pollfd hangup = { fd, 0, 0 };
    struct groups g = { .n = 0 };
    struct cgroup cg = no_group;
    int *slots[SLOTS];
    sigset_t all;

    /* A signal to the caller's process group would leave the groups behind. */
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    close(other_end);
    int r = p->backend == BACKEND_CGROUP2 ? make_v2(&cg, b->spec->limits, p, &g)
                                          : make_v1(&cg, b->spec->limits, p, &g);
    struct made made = { .backend = r < 0 ? BACKEND_RLIMITS : cg.backend,
                         .n_attach = cg.n_attach,
                         .has_cpu = cg.has_cpu,
                         .sys = errno };
    if (r < 0)
        cg = no_group; /* what it holds closes with this process */
    slots_of(&cg, slots);
    for (int readers = b->lone ? 1 : 2; readers > 0; readers--)
        if (send_made(fd, &made, slots) < 0)
            r = -1;
    if (r < 0) {
        remove_groups(&g);
        _exit(0);
    }
    /* Descriptors of the caller would keep its pipes from hanging up. */
    setsid();
    if (syscall(SYS_close_range, 0, (unsigned)fd - 1, 0) < 0 ||
        syscall(SYS_close_range, (unsigned)fd + 1, ~0u, 0) < 0)
        for (int i = 0; i < 1024; i++)
            if (i != fd)
                close(i);
    prctl(PR_SET_NAME, "sandbox-keeper");
    /* A short run shall not pay for what others left. */
    int over = poll(&hangup, 1, SWEEP_MS);
    for (size_t i = 0; over == 0 && i < g.n; i++) {
        cleanup_free char *parent = xstrdup(g.dirs[i]);
        *strrchr(parent, '/') = '\0';
        sweep(parent);
    }
    while (over <= 0)
        over = poll(&hangup, 1, -1);
    remove_groups(&g);
    _exit(0);
}

int keeper_start(struct box *b, const struct place *p, struct err *e)
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
        return err_set(e, ERR_SANDBOX, errno, "socketpair");
    /* A fork whose end sends no SIGCHLD and that no plain wait() sees: init is the helper's only
     * ordinary child. */
    long pid = syscall(SYS_clone, 0ul, NULL, NULL, NULL, NULL);
    if (pid == 0)
        keeper_run(b, p, fds[0], fds[1]);
    close(fds[0]);
    if (pid < 0) {
        close(fds[1]);
        return err_set(e, ERR_SANDBOX, errno, "cannot start the cgroup's keeper");
    }
    b->cg.keeper = (pid_t)pid;
    b->cg.keeper_fd = fds[1];
    return 0;
}

int keeper_answer(struct box *b, int *ret_why)
{
    struct cgroup *cg = &b->cg;
    struct made made = { .backend = BACKEND_RLIMITS };
    int *slots[SLOTS];

    slots_of(cg, slots);
    if (receive_made(cg->keeper_fd, &made, slots) < 0)
        return -1;
    cg->backend = made.backend;
    cg->n_attach = made.n_attach;
    cg->has_cpu = made.has_cpu;
    cg->answered = true;
    *ret_why = made.sys;
    return made.backend == BACKEND_RLIMITS;
}

void cgroup_let_go(struct cgroup *cg)
{
    if (cg->keeper > 0 && cg->keeper_fd >= 0 && close(cg->keeper_fd) < 0)
        cg->keeper = 0; /* not to be waited for: it hangs up when this process ends */
    cg->keeper_fd = -1;
}

void cgroup_release(struct cgroup *cg)
{
    cgroup_let_go(cg);
    while (cg->keeper > 0 && waitpid(cg->keeper, NULL, __WALL) < 0 && errno == EINTR)
        ;
    cg->keeper = 0;
}
