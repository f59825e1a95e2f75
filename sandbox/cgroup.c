/* Memory and processes of the whole sandbox, counted by the kernel.
 *
 * Where systemd rules the version 2 tree, root and ordinary users alike get a transient scope that
 * is delegated to them (scope.c), and the group is made in it. Without systemd, root makes a group
 * in the version 1 or version 2 tree, and an ordinary user beside its own where what is above was
 * delegated. Else there are per-process limits and the meter (meter.c), reported as weaker.
 *
 * A keeper process waits for the end of everything else (a pipe hangs up) and then removes the
 * group, also when helper and agent were killed. Groups that a killed keeper left are removed by
 * the next start.
 *
 * The child moves itself, by writing "0" to descriptors that were opened while it was still
 * permitted: to version 1 `tasks', which moves one thread and so takes no lock over all of the
 * machine's forks (18 ms). */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "sandbox/box.h"
#include "sandbox/scope.h"
#include "agent/base/io.h"
#include "agent/base/mem.h"
#include "agent/base/banned.h"

#define ROOT_DIR "/sys/fs/cgroup"
#define PREFIX "agent-sandbox."
/* Group directories of one sandbox: memory and, with cpu-share, cpu. */
#define MAX_GROUPS 2

/* Shared with the keeper, which starts before the first directory is made: a name stands here
 * before its directory exists, so that there is no moment at which a kill could leave one behind.
 */
struct groups {
    char dirs[MAX_GROUPS][512];
    size_t n;
    bool keeper_failed;
    struct err why;
};

static int open_in(const char *dir, const char *name, int flags)
{
    cleanup_free char *path = io_join(dir, name);

    return open(path, flags | O_CLOEXEC);
}

static int write_file(const char *dir, const char *name, const char *text)
{
    cleanup_fd int fd = open_in(dir, name, O_WRONLY);

    return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
}

static int write_number(const char *dir, const char *name, int64_t v)
{
    char text[32];

    snprintf(text, sizeof text, "%lld", (long long)v);
    return write_file(dir, name, text);
}

/* Small files of the kernel are read whole and anew each time. */
static bool read_text(int fd, char *text, size_t size)
{
    ssize_t n = fd >= 0 ? pread(fd, text, size - 1, 0) : -1;

    if (n < 0)
        return false;
    text[n] = '\0';
    return true;
}

/* --- the keeper --- */

static void kill_group(const char *dir)
{
    char text[4096];
    cleanup_fd int fd = open_in(dir, "cgroup.procs", O_RDONLY);

    if (write_file(dir, "cgroup.kill", "1") == 0 || !read_text(fd, text, sizeof text))
        return;
    for (char *p = text, *end; (void)(end = p), *p; p = end + (*end == '\n')) {
        long pid = strtol(p, &end, 10);
        if (pid > 1)
            kill((pid_t)pid, SIGKILL);
        if (end == p)
            break;
    }
}

/* Groups whose maker is gone and that are empty: left by a keeper that was killed. */
static void sweep(const char *parent)
{
    DIR *d = opendir(parent);
    struct dirent *entry;

    while (d && (entry = readdir(d)) != NULL) {
        if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0)
            continue;
        long pid = strtol(entry->d_name + strlen(PREFIX), NULL, 10);
        if (pid > 0 && kill((pid_t)pid, 0) < 0 && errno == ESRCH)
            unlinkat(dirfd(d), entry->d_name, AT_REMOVEDIR);
    }
    if (d)
        closedir(d);
}

/* Ends the process. Everything else of this sandbox holds `pipe_fd`'s other end. */
__attribute__((noreturn)) static void keeper_run(const struct groups *g, const char *parent,
                                                 int pipe_fd, int other_end)
{
    struct pollfd p = { pipe_fd, 0, 0 };
    sigset_t all;

    /* Descriptors of the caller would keep its pipes from hanging up; a signal to its process group
     * would leave the groups behind. */
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    setsid();
    close(other_end);
    if (syscall(SYS_close_range, 0, (unsigned)pipe_fd - 1, 0) < 0 ||
        syscall(SYS_close_range, (unsigned)pipe_fd + 1, ~0u, 0) < 0)
        for (int fd = 0; fd < 1024; fd++)
            if (fd != pipe_fd)
                close(fd);
    prctl(PR_SET_NAME, "sandbox-keeper");
    sweep(parent); /* here, where nobody waits for it */
    while (poll(&p, 1, -1) < 0)
        ;
    for (size_t i = 0; i < g->n; i++)
        for (int tries = 0; rmdir(g->dirs[i]) < 0 && errno == EBUSY && tries < 200; tries++) {
            kill_group(g->dirs[i]);
            poll(NULL, 0,
                 tries < 20 ? 1 : 50); /* the kernel is still taking the last process apart */
        }
    _exit(0);
}

static int keeper_start(struct cgroup *cg, struct groups *g, const char *parent, struct err *e)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0)
        return err_set(e, ERR_SANDBOX, errno, "pipe");
    /* A fork whose end sends no SIGCHLD and that no plain wait() sees: init is the helper's only
     * ordinary child. */
    long pid = syscall(SYS_clone, 0ul, NULL, NULL, NULL, NULL);
    if (pid == 0)
        keeper_run(g, parent, fds[0], fds[1]);
    close(fds[0]);
    if (pid < 0) {
        close(fds[1]);
        return err_set(e, ERR_SANDBOX, errno, "cannot start the cgroup's keeper");
    }
    cg->keeper = (pid_t)pid;
    cg->keeper_fd = fds[1];
    return 0;
}

void cgroup_release(struct cgroup *cg)
{
    if (cg->keeper <= 0)
        return;
    close(cg->keeper_fd);
    while (waitpid(cg->keeper, NULL, __WALL) < 0 && errno == EINTR)
        ;
    cg->keeper = 0;
}

/* --- making groups --- */

static char *make_group(struct cgroup *cg, struct groups *g, const char *parent)
{
    char *dir = g->dirs[g->n];

    if (snprintf(dir, sizeof g->dirs[0], "%s/" PREFIX "%d", parent, (int)getpid()) >=
        (int)sizeof g->dirs[0])
        return NULL;
    if (cg->keeper > 0) {
        sweep(parent); /* that of the first group is the keeper's work */
    } else if (keeper_start(cg, g, parent, &g->why) < 0) {
        g->keeper_failed = true;
        return NULL;
    }
    g->n++;
    int r = mkdir(dir, 0755);
    if (r < 0 && errno == EEXIST && rmdir(dir) == 0) /* of an earlier process with our pid */
        r = mkdir(dir, 0755);
    if (r < 0) {
        g->n--;
        return NULL;
    }
    return dir;
}

static int add_attach(struct cgroup *cg, const char *dir, const char *file)
{
    int fd = open_in(dir, file, O_WRONLY);

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
    if (fd >= 0 && write_file(dir, "cgroup.event_control", text) < 0)
        cleanup_closep(&fd);
    return fd;
}

static int make_v1(struct box *b, struct groups *g)
{
    const int64_t *limits = b->spec->limits;
    struct cgroup *cg = &b->cg;
    char *memory = make_group(cg, g, ROOT_DIR "/memory");

    if (!memory || write_number(memory, "memory.limit_in_bytes", limits[LIMIT_MEMORY]) < 0)
        return -1;
    /* Swap would be a way around; the file is missing where the kernel does not count swap. */
    if (write_number(memory, "memory.memsw.limit_in_bytes", limits[LIMIT_MEMORY]) < 0 &&
        errno != ENOENT)
        return -1;
    cg->events_fd = open_in(memory, "memory.oom_control", O_RDONLY);
    cg->peak_fd = open_in(memory, "memory.max_usage_in_bytes", O_RDONLY);
    if (cg->events_fd < 0 || add_attach(cg, memory, "tasks") < 0)
        return -1;
    cg->notify_fd = oom_eventfd(memory, cg->events_fd);
    /* No group of the pids controller: RLIMIT_NPROC, per user namespace, holds the same limit
     * without a directory more. */
    if (limits[LIMIT_CPU_SHARE]) {
        char *cpu = make_group(cg, g, ROOT_DIR "/cpu");
        cg->has_cpu = cpu &&
                      write_number(cpu, "cpu.cfs_quota_us", limits[LIMIT_CPU_SHARE] * 1000) == 0 &&
                      add_attach(cg, cpu, "tasks") == 0;
        cg->share_fd = cg->has_cpu ? open_in(cpu, "cpu.stat", O_RDONLY) : -1;
    }
    cg->backend = BACKEND_CGROUP1;
    return 0;
}

static int make_v2(struct box *b, struct groups *g, const char *parent)
{
    const int64_t *limits = b->spec->limits;
    struct cgroup *cg = &b->cg;
    char text[64];
    char *dir = make_group(cg, g, parent);

    if (!dir || write_number(dir, "memory.max", limits[LIMIT_MEMORY]) < 0)
        return -1;
    if (write_number(dir, "memory.swap.max", 0) < 0 && errno != ENOENT)
        return -1;
    /* The largest process is killed, not all: the template outlives its contexts. */
    write_file(dir, "memory.oom.group", "0");
    if (access(dir, F_OK) == 0 && write_number(dir, "pids.max", limits[LIMIT_PROCESSES] + 1) < 0 &&
        errno != ENOENT)
        return -1;
    if (limits[LIMIT_CPU_SHARE]) {
        snprintf(text, sizeof text, "%lld 100000", (long long)limits[LIMIT_CPU_SHARE] * 1000);
        cg->has_cpu = write_file(dir, "cpu.max", text) == 0;
        cg->share_fd = open_in(dir, "cpu.stat", O_RDONLY);
    }
    cg->events_fd = open_in(dir, "memory.events", O_RDONLY);
    cg->peak_fd = open_in(dir, "memory.peak", O_RDONLY);
    cg->cpu_fd = open_in(dir, "cpu.stat", O_RDONLY);
    if (cg->events_fd < 0 || add_attach(cg, dir, "cgroup.procs") < 0)
        return -1;
    cg->backend = BACKEND_CGROUP2;
    return 0;
}

/* Is `word` one of the words in this file? */
static bool has_word(const char *dir, const char *file, const char *word)
{
    char text[512];
    cleanup_fd int fd = open_in(dir, file, O_RDONLY);
    struct str rest, one;

    if (!read_text(fd, text, sizeof text))
        return false;
    text[strcspn(text, "\n")] = '\0';
    for (rest = str_of(text); rest.n;) {
        str_cut(&rest, ' ', &one);
        if (str_is(one, word))
            return true;
    }
    return false;
}

/* What is below user@UID.service and no slice or service of systemd's own making. */
static bool is_systemds(const char *dir)
{
    struct str s = str_of(dir);

    return str_ends(s, ".slice") || strstr(strrchr(dir, '/'), "/user@");
}

/* Where an ordinary user may make a group without systemd: beside our own, when what is above was
 * delegated. NULL: nowhere. */
static char *delegated_parent(void)
{
    cleanup_free char *own = scope_own_group();
    char *slash = own ? strrchr(own, '/') : NULL;

    if (!slash || slash == own)
        return NULL;
    *slash = '\0';
    cleanup_free char *parent = xasprintf(ROOT_DIR "%s", own);
    if (!is_systemds(parent) && access(parent, W_OK) == 0 &&
        has_word(parent, "cgroup.subtree_control", "memory"))
        return steal_ptr(&parent);
    return NULL;
}

/* Gives to groups below `parent` what it has itself; the tree refuses a line that names one that is
 * missing. */
static int give_controllers(const char *parent, struct buf *why)
{
    static const char *const names[] = { "memory", "pids", "cpu" };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char text[16];
        snprintf(text, sizeof text, "+%s", names[i]);
        errno = ENOENT;
        if (has_word(parent, "cgroup.subtree_control", names[i]) ||
            (has_word(parent, "cgroup.controllers", names[i]) &&
             write_file(parent, "cgroup.subtree_control", text) == 0))
            continue;
        if (i > 0) /* processes are limited by RLIMIT_NPROC too, and cpu-share asks for itself */
            continue;
        if (errno == EROFS)
            buf_puts(why, "the cgroup tree is read-only here, as in a container");
        else
            buf_putf(why, "the memory controller is not to be had in %s: %s", parent,
                     strerror(errno));
        return -1;
    }
    return 0;
}

/* The group in which ours is made, with the controllers that it needs. NULL: *why says why not. */
static char *find_parent(const struct box *b, struct buf *why)
{
    uid_t uid = b->from_root ? 0 : getuid();
    cleanup_free char *parent = b->from_root ? NULL : delegated_parent();

    if (!parent && scope_manager(uid)) {
        parent = scope_enter(ROOT_DIR, uid, why);
        if (!parent)
            return NULL;
    }
    if (!parent && b->from_root)
        parent = xstrdup(ROOT_DIR);
    if (!parent) {
        buf_puts(why, access("/run/systemd/system", F_OK) == 0
                          ? "this user has no systemd session; as root: loginctl enable-linger USER"
                          : "no cgroup is delegated to this user; run as root, or under systemd");
        return NULL;
    }
    return give_controllers(parent, why) < 0 ? NULL : steal_ptr(&parent);
}

static int try_backends(struct box *b, struct groups *g, struct buf *why)
{
    int r;

    if (has_word(ROOT_DIR, "cgroup.controllers", "memory")) {
        cleanup_free char *parent = find_parent(b, why);
        if (!parent)
            return -1;
        r = make_v2(b, g, parent);
        if (r < 0)
            buf_putf(why, "cannot make a group in %s: %s", parent, strerror(errno));
        return r;
    }
    if (access(ROOT_DIR "/memory/memory.limit_in_bytes", F_OK) < 0) {
        buf_puts(why, "no memory controller below " ROOT_DIR);
        return -1;
    }
    if (!b->from_root) {
        buf_puts(why, "this machine has cgroups of version 1, which only root can use");
        return -1;
    }
    r = make_v1(b, g);
    if (r < 0)
        buf_putf(why, "cannot make a group in " ROOT_DIR "/memory: %s", strerror(errno));
    return r;
}

static const struct cgroup no_group = {
    .events_fd = -1, .notify_fd = -1, .peak_fd = -1, .cpu_fd = -1, .share_fd = -1
};

static void forget(struct cgroup *cg, struct groups *g)
{
    for (size_t i = 0; i < cg->n_attach; i++)
        close(cg->attach_fds[i]);
    cleanup_closep(&cg->events_fd);
    cleanup_closep(&cg->notify_fd);
    cleanup_closep(&cg->peak_fd);
    cleanup_closep(&cg->cpu_fd);
    cleanup_closep(&cg->share_fd);
    for (size_t i = 0; i < g->n; i++)
        rmdir(g->dirs[i]);
    cgroup_release(cg);
    *cg = no_group;
}

/* --limit cpu-share is held by the kernel or not at all: nothing else could. */
static int check_share(const struct box *b, const char *why, struct err *e)
{
    if (!b->spec->limits[LIMIT_CPU_SHARE] || b->cg.has_cpu)
        return 0;
    if (b->cg.backend == BACKEND_CGROUP2 && !b->from_root)
        return err_set(e, ERR_SANDBOX, 0,
                       "--limit cpu-share: systemd does not give this user the cpu controller; as "
                       "root: mkdir -p /etc/systemd/system/user@.service.d && printf "
                       "'[Service]\\nDelegate=cpu memory pids\\n' >/etc/systemd/system/"
                       "user@.service.d/delegate.conf && systemctl daemon-reload && systemctl "
                       "restart user@%u",
                       (unsigned)getuid());
    return err_set(
        e, ERR_SANDBOX, 0, "--limit cpu-share needs a cpu cgroup, and none can be had: %s%s", why,
        b->from_root ? "; leave the limit out" : "; leave the limit out, or run as root");
}

int cgroup_make(struct box *b, struct err *e)
{
    struct groups *g =
        mmap(NULL, sizeof *g, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cleanup_buf struct buf why = BUF_MAX(1024);
    int r = 0;

    b->cg = no_group;
    if (g == MAP_FAILED)
        return err_set(e, ERR_SANDBOX, errno, "memory shared with the cgroup's keeper");
    if (try_backends(b, g, &why) < 0) {
        forget(&b->cg, g);
        buf_putf(&b->weaker,
                 "no memory cgroup (%s): memory is summed ten times a second, and a fast "
                 "allocation can pass the limit for a moment\n",
                 buf_cstr(&why));
    }
    if (g->keeper_failed) {
        *e = g->why;
        r = -1;
    } else {
        r = check_share(b, buf_cstr(&why), e);
        if (r < 0 && b->spec->mode == MODE_CHECK) { /* told, and the other layers looked at */
            buf_putf(&b->weaker, "%s\n", e->msg);
            r = 0;
        }
    }
    if (r < 0)
        forget(&b->cg, g);
    munmap(g, sizeof *g);
    return r;
}

int cgroup_join(struct box *b, struct err *e)
{
    for (size_t i = 0; i < b->cg.n_attach; i++)
        if (write(b->cg.attach_fds[i], "0", 1) != 1)
            return err_set(e, ERR_SANDBOX, errno,
                           "cannot move into the cgroup (kernels before 5.16 may refuse)");
    if (b->lone)
        return 0;
    /* Now, so that the group just joined is the root that is seen inside. */
    if (unshare(CLONE_NEWCGROUP) < 0)
        return hint_namespace(e, errno, "unshare the cgroup namespace");
    return 0;
}

/* --- reading --- */

static int64_t number_after(int fd, const char *key)
{
    char text[4096];

    if (!read_text(fd, text, sizeof text))
        return -1;
    const char *at = key ? strstr(text, key) : text;
    return at ? strtoll(at + (key ? strlen(key) : 0), NULL, 10) : -1;
}

int64_t cgroup_oom_kills(const struct cgroup *cg)
{
    int64_t n = number_after(cg->events_fd, "oom_kill ");

    return n < 0 ? 0 : n;
}

int64_t cgroup_peak(const struct cgroup *cg)
{
    return number_after(cg->peak_fd, NULL);
}

int64_t cgroup_cpu_ms(const struct cgroup *cg)
{
    int64_t us = number_after(cg->cpu_fd, "usage_usec ");

    return us < 0 ? -1 : us / 1000;
}

int64_t cgroup_throttled_ms(const struct cgroup *cg)
{
    int64_t us = number_after(cg->share_fd, "throttled_usec "); /* version 2 */

    return us >= 0 ? us / 1000 : number_after(cg->share_fd, "throttled_time ") / 1000000;
}
