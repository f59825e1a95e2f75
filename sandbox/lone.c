/* The back end for places that forbid namespaces: a container or pod whose seccomp profile refuses
 * them. Only by --backend best, only after a sandbox with namespaces was really tried, and every
 * difference is told as "weaker".
 *
 * What takes the place of what:
 *
 *   mount namespace   Landlock, which opens nothing but the system, the files that were given, and
 * one private directory in /tmp that holds workspace, output, data, tmp and run tmpfs sizes
 * RLIMIT_FSIZE, and the helper, which adds up the tree and kills pid namespace     two subreapers,
 * helper and init: whatever is orphaned becomes a child of one of them, and either kills its
 * children until none is left network, IPC      a second filter (the rows "lone" of
 * seccomp_policy.c): no sockets but socketpair(2) user namespace    root becomes an ordinary user
 * of the run's own, as always; an ordinary user stays who it is, so that what Landlock does not
 * watch (modes, times, limits of other processes) is refused by the filter
 *
 * What lies in the private directory is hostile: it is walked by descriptors, never by paths. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "sandbox/box.h"
#include "agent/base/io.h"
#include "agent/base/mem.h"
#include "agent/base/stop.h"
#include "agent/base/banned.h"

#define LONE_TEMPLATE "/tmp/agent-sandbox.XXXXXX"
#define CHILDREN "/proc/thread-self/children"
/* Deeper trees than this count as over the limit: each level holds a descriptor of the helper while
 * it is added up. */
#define MAX_DEPTH 100
/* Levels of Landlock. Below the third, O_TRUNC is not watched where reading is permitted, and an
 * ordinary user owns files that are shown read-only. */
#define LEVEL_USER 3
#define LEVEL_ROOT 1

static const struct {
    const char *path, *why;
    int limit; /* enum limit_id; -1: nothing in it grows */
} places[METER_DIRS + 1] = {
    { "/workspace", "the working directory", LIMIT_WORKSPACE },
    { "/tmp", "temporary files", LIMIT_TMP },
    { "/output", "files that trusted code shows to contexts", LIMIT_TMP },
    { "/data", "attachments", -1 },
    { "/run", "files that the caller placed", -1 },
};

char *box_place(const struct box *b, const char *path)
{
    for (size_t i = 0; b->lone && i < ARRAY_LEN(places); i++) {
        size_t n = strlen(places[i].path);
        if (strncmp(path, places[i].path, n) == 0 && (path[n] == '/' || path[n] == '\0'))
            return xasprintf("%s%s", b->root, path);
    }
    return xstrdup(path);
}

/* --- set-up, in the helper --- */

int lone_level(struct box *b, struct err *e)
{
    long least = b->from_root ? LEVEL_ROOT : LEVEL_USER;

    if (b->spec->egress_fd >= 0)
        return err_set(e, ERR_SANDBOX, 0,
                       "the way to permitted hosts is a socket in a file tree of the sandbox's "
                       "own, and without "
                       "namespaces there is none: set network = none, or permit namespaces");
    if (b->landlock < least)
        return err_set(e, ERR_SANDBOX, 0,
                       "without namespaces Landlock must hold the files: level %ld of it is "
                       "needed, and %ld is there (0: not in this kernel, "
                       "not in its list lsm=, or refused by the container's filter); use Linux %s "
                       "or newer with Landlock on, or "
                       "permit namespaces",
                       least, b->landlock, b->from_root ? "5.13" : "6.2");
    buf_puts(
        &b->weaker,
        "without a mount namespace, names, sizes and times of this machine's files can be asked "
        "for; their contents and "
        "the lists of folders cannot\n"
        "without namespaces of their own, host name, machine and users of this machine are "
        "visible\n"
        "without a pid namespace, processes of the code may survive if both processes of "
        "agent-sandbox are killed by "
        "SIGKILL at the same moment\n"
        "without a tmpfs, files are added up some times a second: a fast writer can pass the limit "
        "for a moment\n"
        "without namespaces there are no sockets and no semaphores: multiprocessing pools and "
        "locks do not work\n"
        "without a mount namespace, setting times of files is refused: shutil.copy2 fails, "
        "shutil.copyfile works\n");
    if (b->landlock < 6)
        buf_putf(&b->weaker, "Landlock level %ld has no signal scope: the code can signal %s\n",
                 b->landlock,
                 b->from_root ? "the processes of agent-sandbox itself, and then outlive them"
                              : "every process of this user, and outlive agent-sandbox");
    if (!b->from_root)
        buf_puts(&b->weaker, "the code runs as this user: changing modes and owners of files is "
                             "refused altogether\n"
                             "the limit of processes lies on top of what this user runs at the "
                             "start: as many more fit as of these end\n");
    return 0;
}

/* --ro can only show a path where it is: Landlock moves nothing. */
static int check_spec(const struct spec *s, struct err *e)
{
    for (size_t i = 0; i < s->n_ro; i++) {
        if (strcmp(s->ro[i].src, s->ro[i].dst) != 0)
            return err_set(e, ERR_USAGE, 0,
                           "--ro %s:%s: without namespaces a file can be shown only where it is; "
                           "leave out the second path",
                           s->ro[i].src, s->ro[i].dst);
        if (strchr(s->ro[i].src, '\n') || s->ro[i].src[0] != '/')
            return err_set(
                e, ERR_USAGE, 0,
                "--ro %s: without namespaces this must be an absolute path without line ends",
                s->ro[i].src);
        if (access(s->ro[i].src, F_OK) < 0)
            return err_set(e, ERR_SANDBOX, errno, "--ro %s", s->ro[i].src);
    }
    for (size_t i = 0; i < s->n_files; i++)
        if (strncmp(s->files[i].dst, "/run/", 5) != 0)
            return err_set(e, ERR_USAGE, 0,
                           "--file-fd %d:%s: without namespaces the place must be below /run",
                           s->files[i].fd, s->files[i].dst);
    return 0;
}

int lone_files(struct box *b, struct err *e)
{
    char name[] = LONE_TEMPLATE;

    if (check_spec(b->spec, e) < 0)
        return -1;
    umask(022);
    if (!mkdtemp(name))
        return err_set(
            e, ERR_SANDBOX, errno,
            "make a private directory in /tmp (in a container with a read-only root, mount a "
            "writable volume there)");
    snprintf(b->root, sizeof b->root, "%s", name);
    cleanup_fd int root = open(b->root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (root < 0)
        return err_set(e, ERR_SANDBOX, errno, "open %s", b->root);
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        const char *dir = places[i].path + 1;
        if (mkdirat(root, dir, 0700) < 0)
            return err_set(e, ERR_SANDBOX, errno, "make %s/%s", b->root, dir);
        if (places[i].limit < 0)
            continue;
        b->meter_fds[i] = openat(root, dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (b->meter_fds[i] < 0)
            return err_set(e, ERR_SANDBOX, errno, "open %s/%s", b->root, dir);
    }
    return mounts_place(b, root, e);
}

/* How many tasks the kernel counts for this user, which it does not tell: the lowest RLIMIT_NPROC
 * under which a process can still be forked says it. The count includes what other containers run
 * under the same number. */
static int count_tasks(int64_t *ret, struct err *e)
{
    struct rlimit old;
    int64_t low = 0, high = 1 << 22; /* the kernel's highest pid */
    int report[2], status;

    if (getrlimit(RLIMIT_NPROC, &old) < 0 || pipe2(report, O_CLOEXEC) < 0)
        return err_set(e, ERR_SANDBOX, errno, "count the processes of this user");
    if (old.rlim_max != RLIM_INFINITY && (int64_t)old.rlim_max < high)
        high = (int64_t)old.rlim_max;
    /* In a child, whose limits nobody needs any more. */
    pid_t pid = fork();
    if (pid == 0) {
        while (low < high) {
            int64_t middle = (low + high) / 2;
            struct rlimit r = { (rlim_t)middle, old.rlim_max };
            if (setrlimit(RLIMIT_NPROC, &r) < 0)
                _exit(1);
            pid_t probe = fork();
            if (probe == 0)
                _exit(0);
            if (probe < 0 && errno != EAGAIN)
                _exit(1);
            if (probe > 0 && waitpid(probe, NULL, 0) != probe)
                _exit(1);
            if (probe < 0)
                low = middle + 1;
            else
                high = middle;
        }
        _exit(write(report[1], &low, sizeof low) == (ssize_t)sizeof low ? 0 : 1);
    }
    close(report[1]);
    ssize_t n = pid > 0 ? read(report[0], ret, sizeof *ret) : -1;
    close(report[0]);
    if (pid < 0 || waitpid(pid, &status, 0) != pid || n != (ssize_t)sizeof *ret)
        return err_set(e, ERR_SANDBOX, pid < 0 ? errno : 0, "count the processes of this user");
    return 0;
}

int lone_count(struct box *b, struct err *e)
{
    if (b->from_root)
        return 0; /* the run has a uid of its own */
    if (count_tasks(&b->tasks, e) < 0)
        return -1;
    b->tasks -=
        2; /* those that counted; init and the command are part of the limit, as with namespaces */
    return 0;
}

int lone_reaper(struct box *b, struct err *e)
{
    (void)b;
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        return err_set(e, ERR_SANDBOX, errno, "prctl(PR_SET_CHILD_SUBREAPER)");
    cleanup_fd int fd = open(CHILDREN, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(e, ERR_SANDBOX, errno,
                       "open " CHILDREN
                       ", by which processes are found to be killed (needs /proc, and a kernel "
                       "with CONFIG_PROC_CHILDREN)");
    return 0;
}

/* --- room --- */

struct room {
    int64_t bytes, files, max_bytes, max_files;
};

/* Opens the directory `name`, also one whose mode forbids it to its owner. By a descriptor: a name
 * could become a link to something of the user's between two looks. */
static int open_dir(int parent, const char *name)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    char path[64];

    if (fd >= 0 || errno != EACCES)
        return fd;
    cleanup_fd int held = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (held < 0 || fstat(held, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid())
        return -1;
    snprintf(path, sizeof path, "/proc/self/fd/%d", held);
    if (chmod(path, 0700) < 0)
        return -1;
    return openat(held, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool add_up(struct room *r, int dir, int depth)
{
    struct dirent *entry;
    bool fits = true;
    DIR *d = fdopendir(dir); /* takes the descriptor */

    if (!d) {
        close(dir);
        return false;
    }
    while (fits && (entry = readdir(d)) != NULL) {
        struct stat st;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue; /* it is gone again */
        r->bytes += (int64_t)st.st_blocks * 512;
        r->files++;
        fits = r->bytes <= r->max_bytes && r->files <= r->max_files;
        if (fits && S_ISDIR(st.st_mode)) {
            int sub = open_dir(dirfd(d), entry->d_name);
            if (sub >= 0 && depth < MAX_DEPTH)
                fits = add_up(r, sub, depth + 1);
            else if (sub >= 0 || errno != ENOENT) { /* what cannot be counted is over the limit */
                cleanup_closep(&sub);
                fits = false;
            }
        }
    }
    closedir(d);
    return fits;
}

const char *lone_over(struct box *b)
{
    int64_t began = now_us();

    if (began < b->room_next_us)
        return NULL;
    for (size_t i = 0; i < METER_DIRS; i++) {
        struct room r = { .max_files = b->spec->limits[LIMIT_INODES] };
        if (b->meter_fds[i] < 0)
            continue;
        r.max_bytes = b->spec->limits[places[i].limit];
        int dir = openat(b->meter_fds[i], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0 || !add_up(&r, dir, 0))
            return places[i].limit == LIMIT_WORKSPACE ? "workspace" : "tmp";
    }
    /* Many files take long to look at: at most a tenth of the helper's time goes into it. */
    b->room_next_us = began + 10 * (now_us() - began);
    return NULL;
}

/* --- the end --- */

/* A zombie, or gone: nothing more comes of it. */
static bool has_ended(pid_t pid)
{
    char path[64], text[1024];

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (n <= 0)
        return true;
    text[n] = '\0';
    const char *after = strrchr(text, ')'); /* the name before it may hold anything */
    return after && (after[2] == 'Z' || after[2] == 'X');
}

/* Sends `sig` to all below us but `keep`; how many of them were not known to `seen` and live. */
static size_t signal_all(pid_t keep, int sig, struct buf *seen)
{
    cleanup_free pid_t *pids = NULL;
    size_t n = meter_below(getpid(), &pids), fresh = 0;

    for (size_t i = 0; i < n; i++) {
        bool known = false;
        if (pids[i] == keep || has_ended(pids[i]))
            continue;
        for (size_t at = 0; !known && at + sizeof *pids <= seen->n; at += sizeof *pids)
            known = memcmp(seen->p + at, &pids[i], sizeof *pids) == 0;
        if (!known) {
            buf_put(seen, &pids[i], sizeof *pids);
            fresh++;
        }
        kill(pids[i], sig);
    }
    return fresh;
}

/* First all are stopped, again and again until no new one appears: killed one by one, a fork bomb
 * would fill each place anew. Then all are killed and reaped, until none is left. */
void lone_kill(pid_t keep)
{
    cleanup_buf struct buf seen = BUF_MAX(16 << 20), ignored = BUF_MAX(16 << 20);

    for (int quiet = 0; quiet < 3;)
        quiet = signal_all(keep, SIGSTOP, &seen) ? 0 : quiet + 1;
    for (;;) {
        cleanup_free pid_t *pids = NULL;
        size_t left = 0;
        signal_all(keep, SIGKILL, &ignored);
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        size_t n = meter_below(getpid(), &pids);
        for (size_t i = 0; i < n; i++)
            left += pids[i] != keep;
        if (left == 0)
            return;
        poll(NULL, 0, 1);
    }
}

/* Empties `top`: each directory in it hands its own directories up to `top` before it goes, so that
 * no tree is too deep. */
static void empty(int top)
{
    unsigned long number = 0;

    for (bool found = true; found;) {
        struct dirent *entry;
        int again = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *d = again >= 0 ? fdopendir(again) : NULL;
        if (!d)
            return;
        found = false;
        while ((entry = readdir(d)) != NULL) {
            const char *name = entry->d_name;
            if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
                continue;
            if (unlinkat(top, name, 0) == 0 || unlinkat(top, name, AT_REMOVEDIR) == 0) {
                found = true;
                continue;
            }
            int sub = open_dir(top, name);
            DIR *s = sub >= 0 ? fdopendir(sub) : NULL;
            struct dirent *inner;
            while (s && (inner = readdir(s)) != NULL) {
                char up[64];
                if (strcmp(inner->d_name, ".") == 0 || strcmp(inner->d_name, "..") == 0)
                    continue;
                snprintf(up, sizeof up, ".up-%lu", ++number);
                if (unlinkat(dirfd(s), inner->d_name, 0) == 0 ||
                    unlinkat(dirfd(s), inner->d_name, AT_REMOVEDIR) == 0) {
                    found = true;
                } else {
                    /* A directory that its owner may not write cannot be moved: its ".." would
                     * change. */
                    int opened = open_dir(dirfd(s), inner->d_name);
                    if (opened >= 0)
                        fchmod(opened, 0700);
                    cleanup_closep(&opened);
                    if (renameat(dirfd(s), inner->d_name, top, up) == 0)
                        found = true;
                }
            }
            if (s)
                fchmod(dirfd(s), 0700);
            if (s)
                closedir(s);
            if (unlinkat(top, name, AT_REMOVEDIR) == 0)
                found = true;
        }
        closedir(d);
    }
}

void lone_remove(struct box *b)
{
    if (b->root[0] == '\0')
        return;
    cleanup_fd int top = open(b->root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (top >= 0) {
        empty(top);
        rmdir(b->root);
    }
    b->root[0] = '\0';
}

void lone_print(struct buf *out)
{
    buf_puts(out, "Without namespaces (--backend best, where they are refused): places in a "
                  "private directory below /tmp\n");
    for (size_t i = 0; i < ARRAY_LEN(places); i++)
        buf_putf(out, "  %-12s %-10s %s\n", places[i].path,
                 places[i].limit < 0 ? "" : limit_table[places[i].limit].name, places[i].why);
}
