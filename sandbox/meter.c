/* Memory without a cgroup: the helper, outside, sums what the processes of the sandbox hold and
 * kills the largest when the sum passes the limit. Weaker than a cgroup: a fast allocation passes
 * the limit for up to a tenth of a second, which the per-process limits (limits.c) bound.
 *
 * Cheap first: resident sizes from statm, which count shared pages in every process and so are
 * never too small. Only when they pass the limit are the proportional sizes read, which the kernel
 * works out page by page. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <unistd.h>
#include "sandbox/box.h"
#include "agent/base/mem.h"
#include "agent/base/banned.h"

struct meter {
    const struct box *box;
    pid_t init;
    int64_t peak;
    pid_t *pids; /* of this round */
    size_t n;
};

union dir_control {
    struct cmsghdr head;
    char space[CMSG_SPACE(sizeof(int) * METER_DIRS)];
};

int meter_send(struct box *b, struct err *e)
{
    static const char *const dirs[METER_DIRS] = { "/workspace", "/tmp", "/dev/shm", "/output" };
    struct info info = { .kind = INFO_DIRS };
    struct iovec iov = { &info, sizeof info };
    union dir_control control = { .space = { 0 } };
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
    };
    int fds[METER_DIRS];

    if (b->cg.backend != BACKEND_RLIMITS)
        return 0;
    for (size_t i = 0; i < METER_DIRS; i++) {
        fds[i] = open(dirs[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fds[i] < 0)
            return err_set(e, ERR_SANDBOX, errno, "open %s", dirs[i]);
    }
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fds);
    memcpy(CMSG_DATA(c), fds, sizeof fds);
    ssize_t n = sendmsg(b->info_fd, &msg, MSG_NOSIGNAL);
    int sys = errno;
    for (size_t i = 0; i < METER_DIRS; i++)
        close(fds[i]);
    return n < 0 ? err_set(e, ERR_SANDBOX, sys, "tell the helper what to count") : 0;
}

bool meter_receive(struct box *b, int info_fd, struct info *ret)
{
    union dir_control control = { .space = { 0 } };
    struct iovec iov = { ret, sizeof *ret };
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
    };
    ssize_t n = recvmsg(info_fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (n != (ssize_t)sizeof *ret)
        return false;
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof b->meter_fds))
        memcpy(b->meter_fds, CMSG_DATA(c), sizeof b->meter_fds);
    if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof b->listener))
        memcpy(&b->listener, CMSG_DATA(c), sizeof b->listener);
    return true;
}

struct meter *meter_new(const struct box *b, pid_t init)
{
    struct meter *m = xcalloc(1, sizeof *m);

    m->box = b;
    m->init = init;
    return m;
}

void meter_free(struct meter *m)
{
    if (m)
        free(m->pids);
    free(m);
}

static bool read_proc(pid_t pid, const char *name, char *text, size_t size)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, size - 1) : -1;
    if (n < 0)
        return false;
    text[n] = '\0';
    return true;
}

static void add_children(struct meter *m, pid_t pid)
{
    char path[64];
    struct dirent *entry;

    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *d = opendir(path);
    while (d && (entry = readdir(d)) != NULL) {
        char name[300], text[16384];
        snprintf(name, sizeof name, "task/%s/children", entry->d_name);
        if (entry->d_name[0] == '.' || !read_proc(pid, name, text, sizeof text))
            continue;
        char *end;
        for (char *p = text;; p = end) {
            long child = strtol(p, &end, 10);
            if (end == p)
                break;
            if (m->n % 64 == 0)
                m->pids = xrealloc(m->pids, m->n + 64, sizeof *m->pids);
            m->pids[m->n++] = (pid_t)child;
        }
    }
    if (d)
        closedir(d);
}

/* All processes inside, without pid 1. Orphans are its children, so the tree is whole. */
static void list(struct meter *m)
{
    m->n = 0;
    add_children(m, m->init);
    for (size_t i = 0; i < m->n; i++)
        add_children(m, m->pids[i]);
}

size_t meter_below(pid_t top, pid_t **ret)
{
    struct meter m = { .init = top };

    list(&m);
    *ret = m.pids;
    return m.n;
}

static int64_t tmpfs_bytes(const struct meter *m)
{
    int64_t sum = 0;

    for (size_t i = 0; i < ARRAY_LEN(m->box->meter_fds) && !m->box->lone;
         i++) { /* a disk is no memory */
        struct statfs st;
        if (m->box->meter_fds[i] >= 0 && fstatfs(m->box->meter_fds[i], &st) == 0)
            sum += (int64_t)(st.f_blocks - st.f_bfree) * st.f_bsize;
    }
    return sum;
}

static int64_t resident(pid_t pid)
{
    char text[256];
    long long size, pages;

    return read_proc(pid, "statm", text, sizeof text) &&
                   sscanf(text, "%lld %lld", &size, &pages) == 2
               ? pages * sysconf(_SC_PAGESIZE)
               : 0;
}

static int64_t proportional(pid_t pid)
{
    char text[4096];

    if (!read_proc(pid, "smaps_rollup", text, sizeof text))
        return resident(pid); /* it just ended, or forbids: then the larger figure */
    const char *pss = strstr(text, "\nPss:");
    return pss ? strtoll(pss + 5, NULL, 10) * 1024 : 0;
}

static int oom_score(pid_t pid)
{
    char text[32];

    return read_proc(pid, "oom_score_adj", text, sizeof text) ? (int)strtol(text, NULL, 10) : 0;
}

int meter_check(struct meter *m)
{
    int64_t limit = m->box->spec->limits[LIMIT_MEMORY], sum = tmpfs_bytes(m), files = sum,
            largest = -1;
    pid_t victim = 0;
    int score = -1;

    list(m);
    for (size_t i = 0; i < m->n; i++)
        sum += resident(m->pids[i]);
    if (sum > limit) {
        sum = files;
        for (size_t i = 0; i < m->n; i++) {
            int64_t size = proportional(m->pids[i]);
            int s = oom_score(m->pids[i]);
            sum += size;
            if (s > score || (s == score && size > largest)) {
                victim = m->pids[i];
                score = s;
                largest = size;
            }
        }
    }
    if (sum > m->peak)
        m->peak = sum;
    if (sum <= limit || victim == 0)
        return 0;
    kill(victim, SIGKILL);
    return 1;
}

int64_t meter_peak(const struct meter *m)
{
    return m->peak;
}

/* Processor time of the living processes and their reaped children. */
int64_t meter_cpu_ms(struct meter *m)
{
    int64_t ticks = 0;

    list(m);
    for (size_t i = 0; i <= m->n; i++) {
        char text[1024];
        unsigned long u, s;
        long cu, cs;
        if (!read_proc(i < m->n ? m->pids[i] : m->init, "stat", text, sizeof text))
            continue;
        const char *after = strrchr(text, ')'); /* the name before it may hold anything */
        if (after &&
            sscanf(after + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld", &u,
                   &s, &cu, &cs) == 4)
            ticks += (int64_t)u + (int64_t)s + cu + cs;
    }
    return ticks * 1000 / sysconf(_SC_CLK_TCK);
}
