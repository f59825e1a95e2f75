#include "sandbox/writes.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include "agent/base/mem.h"
#include "agent/base/banned.h"

enum act {
    OPEN,       /* what is there, or with O_CREAT a new name */
    MAKE,       /* a name that must be new */
    TAKE,       /* a name away: the kernel asks for the mount before it looks for the name */
    MOVE,       /* likewise two names, if both are on one mount */
    TOUCH,      /* what is there */
    TOUCH_LINK, /* the link itself, where the last name is one */
};
#define NO (-1)
#define SHORT 256 /* of a path, at first: most end there, and each page costs */

/* Which argument is what; NO as a directory is the working directory. `flags` may hold O_NOFOLLOW
 * (OPEN) or AT_SYMLINK_NOFOLLOW (TOUCH). */
static const struct write_call {
    int nr;
    enum denied_verb verb;
    enum act act;
    int dir, path, flags, to_dir, to_path;
} calls[] = {
#ifdef SYS_open /* x86-64; newer architectures have the calls with a directory alone */
    { SYS_open, VERB_OPEN, OPEN, NO, 0, 1, NO, NO },
    { SYS_creat, VERB_OPEN, OPEN, NO, 0, NO, NO, NO },
    { SYS_mkdir, VERB_MKDIR, MAKE, NO, 0, NO, NO, NO },
    { SYS_rmdir, VERB_RMDIR, TAKE, NO, 0, NO, NO, NO },
    { SYS_unlink, VERB_UNLINK, TAKE, NO, 0, NO, NO, NO },
    { SYS_rename, VERB_RENAME, MOVE, NO, 0, NO, NO, 1 },
    { SYS_link, VERB_LINK, MAKE, NO, 1, NO, NO, NO },
    { SYS_symlink, VERB_SYMLINK, MAKE, NO, 1, NO, NO, NO },
    { SYS_chmod, VERB_CHMOD, TOUCH, NO, 0, NO, NO, NO },
    { SYS_chown, VERB_CHOWN, TOUCH, NO, 0, NO, NO, NO },
    { SYS_lchown, VERB_CHOWN, TOUCH_LINK, NO, 0, NO, NO, NO },
#endif
#ifdef SYS_renameat
    { SYS_renameat, VERB_RENAME, MOVE, 0, 1, NO, 2, 3 },
#endif
    { SYS_openat, VERB_OPEN, OPEN, 0, 1, 2, NO, NO },
    { SYS_openat2, VERB_OPEN, OPEN, 0, 1, 2, NO, NO },
    { SYS_mkdirat, VERB_MKDIR, MAKE, 0, 1, NO, NO, NO },
    { SYS_unlinkat, VERB_UNLINK, TAKE, 0, 1, NO, NO, NO },
    { SYS_renameat2, VERB_RENAME, MOVE, 0, 1, NO, 2, 3 },
    { SYS_linkat, VERB_LINK, MAKE, 2, 3, NO, NO, NO },
    { SYS_symlinkat, VERB_SYMLINK, MAKE, 1, 2, NO, NO, NO },
    { SYS_truncate, VERB_TRUNCATE, TOUCH, NO, 0, NO, NO, NO },
    { SYS_fchmodat, VERB_CHMOD, TOUCH, 0, 1, NO, NO, NO },
    { 452 /* fchmodat2 */, VERB_CHMOD, TOUCH, 0, 1, 3, NO, NO },
    { SYS_fchownat, VERB_CHOWN, TOUCH, 0, 1, 4, NO, NO },
};

/* One call that waits. */
struct look {
    pid_t pid;
    const __u64 *args;
    int root;   /* of the caller's file tree */
    bool blind; /* this kernel lets us read no memory */
};

static const struct write_call *find(int nr)
{
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        if (calls[i].nr == nr)
            return &calls[i];
    return NULL;
}

/* All processes of a sandbox have one root, which they cannot change (chroot is refused). So it is
 * opened once, through whoever comes first. */
static int root_of(pid_t pid)
{
    static int root = -1;
    char path[64];

    if (root < 0) {
        snprintf(path, sizeof path, "/proc/%d/root", (int)pid);
        root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    }
    return root;
}

/* `n` bytes at most of the caller's memory, up to the end of what is mapped. -1 with EPERM: this
 * kernel lets us read nothing. */
static ssize_t peek(pid_t pid, uint64_t at, void *to, size_t n)
{
    size_t first = 4096 - (size_t)(at % 4096);
    struct iovec ours = { to, n }, theirs[2] = {
        { (void *)(uintptr_t)at, first < n ? first : n },
        { (void *)(uintptr_t)(at + first), first < n ? n - first : 0 },
    };

    return process_vm_readv(pid, &ours, 1, theirs, first < n ? 2 : 1, 0);
}

/* The path at `at` as an absolute one of the caller's tree, into `ret` of 2 * PATH_MAX bytes.
 * False: the kernel will refuse it as no path, or it leads through a descriptor that is none. */
static bool path_of(struct look *l, int dir, uint64_t at, char *ret)
{
    char path[PATH_MAX], link[64];
    ssize_t n = at ? peek(l->pid, at, path, SHORT) : 0, above = 0;

    if (n == SHORT && !memchr(path, '\0', SHORT))
        n = peek(l->pid, at, path, sizeof path);
    if (n < 0 && errno == EPERM)
        l->blind = true;
    if (n <= 0 || !memchr(path, '\0', (size_t)n) || !path[0])
        return false;
    if (path[0] != '/') {
        int fd = dir == NO ? AT_FDCWD : (int)l->args[dir];
        if (fd == AT_FDCWD)
            snprintf(link, sizeof link, "/proc/%d/cwd", (int)l->pid);
        else
            snprintf(link, sizeof link, "/proc/%d/fd/%d", (int)l->pid, fd);
        above = readlink(link, ret, PATH_MAX - 1);
        if (above <= 0 || above >= PATH_MAX - 1 || ret[0] != '/')
            return false;
        ret[above++] = '/';
    }
    memcpy(ret + above, path, strlen(path) + 1);
    return true;
}

static int open_there(struct look *l, const char *path, bool follow)
{
    struct open_how how = { .flags = O_PATH | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW),
                            .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };

    return (int)syscall(SYS_openat2, l->root, path, &how, sizeof how);
}

/* The directory in which the last name of `path` lies; cuts it off. */
static int open_above(struct look *l, char *path)
{
    size_t n = strlen(path);

    while (n > 1 && path[n - 1] == '/')
        n--;
    while (n > 1 && path[n - 1] != '/')
        n--;
    path[n] = '\0';
    return open_there(l, path, true);
}

static enum denied_place place_of(int fd)
{
    static const struct {
        const char *path;
        enum denied_place place;
    } places[] = {
        { "/usr", PLACE_USR },       { "/etc", PLACE_ETC },   { "/data", PLACE_DATA },
        { "/output", PLACE_OUTPUT }, { "/env", PLACE_ENV },   { "/run", PLACE_RUN },
        { "/dev", PLACE_DEV },       { "/proc", PLACE_PROC },
    };
    char link[64], path[PATH_MAX];

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0)
        return PLACE_OTHER;
    path[n] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        size_t len = strlen(places[i].path);
        if (strncmp(path, places[i].path, len) == 0 && (path[len] == '/' || path[len] == '\0'))
            return places[i].place;
    }
    return strcmp(path, "/") == 0 ? PLACE_ROOT : PLACE_OTHER;
}

/* The mount of /output can be written, by trusted code alone. Its device tells it; 0 = there is
 * none. */
static dev_t output_device(struct look *l)
{
    static dev_t device;
    static bool known;
    struct stat st;

    if (!known) {
        cleanup_fd int fd = open_there(l, "/output", false);
        device = fd >= 0 && fstat(fd, &st) == 0 ? st.st_dev : 0;
        known = true;
    }
    return device;
}

/* Whether what `fd` names may not be changed. With `file` it must be a regular file: a device may
 * be written on a read-only mount, a directory never. */
static bool is_readonly(struct look *l, int fd, bool file, enum denied_place *ret)
{
    struct statfs fs;
    struct stat st;

    if (fd < 0 || fstatfs(fd, &fs) < 0 || fstat(fd, &st) < 0 || (file && !S_ISREG(st.st_mode)))
        return false;
    if (!(fs.f_flags & ST_RDONLY) && st.st_dev != output_device(l))
        return false;
    *ret = place_of(fd);
    return true;
}

static bool look_open(struct look *l, const struct write_call *c, enum denied_place *ret)
{
    char path[2 * PATH_MAX];
    struct open_how how = { .flags = O_WRONLY | O_CREAT | O_TRUNC };

    if (c->nr == SYS_openat2) {
        if (peek(l->pid, l->args[2], &how, sizeof how) < (ssize_t)sizeof how.flags)
            return false;
        if (!(how.flags & (O_ACCMODE | O_CREAT | O_TRUNC)))
            return false;
    } else if (c->flags != NO) {
        how.flags = (unsigned)l->args[c->flags];
    }
    if ((how.flags & O_PATH) || !path_of(l, c->dir, l->args[c->path], path))
        return false;
    cleanup_fd int there = open_there(l, path, !(how.flags & (O_NOFOLLOW | O_EXCL)));
    if (there >= 0 && (how.flags & O_TMPFILE) == O_TMPFILE)
        return is_readonly(l, there, false, ret);
    if (there >= 0) /* an existing one is wanted, or may be */
        return !((how.flags & O_CREAT) && (how.flags & O_EXCL)) &&
               (how.flags & (O_ACCMODE | O_TRUNC)) && is_readonly(l, there, true, ret);
    if (errno != ENOENT || !(how.flags & O_CREAT))
        return false;
    cleanup_fd int above = open_above(l, path);
    return is_readonly(l, above, false, ret);
}

static bool look_move(struct look *l, const struct write_call *c, enum denied_place *ret)
{
    char path[2 * PATH_MAX];
    struct statx from, to;

    if (!path_of(l, c->dir, l->args[c->path], path))
        return false;
    cleanup_fd int above = open_above(l, path);
    if (!is_readonly(l, above, false, ret) || !path_of(l, c->to_dir, l->args[c->to_path], path))
        return false;
    cleanup_fd int goal = open_above(l, path);
    return goal >= 0 && statx(above, "", AT_EMPTY_PATH, STATX_MNT_ID, &from) == 0 &&
           statx(goal, "", AT_EMPTY_PATH, STATX_MNT_ID, &to) == 0 &&
           from.stx_mnt_id == to.stx_mnt_id;
}

static bool look(struct look *l, const struct write_call *c, enum denied_place *ret)
{
    char path[2 * PATH_MAX];
    bool follow =
        c->act != TOUCH_LINK && (c->flags == NO || !((int)l->args[c->flags] & AT_SYMLINK_NOFOLLOW));

    if (c->act == OPEN)
        return look_open(l, c, ret);
    if (c->act == MOVE)
        return look_move(l, c, ret);
    if (!path_of(l, c->dir, l->args[c->path], path))
        return false;
    cleanup_fd int fd = -1;
    switch (c->act) {
    case MAKE:
        fd = open_there(l, path, false);
        if (fd >= 0 || errno != ENOENT)
            return false;
        fd = open_above(l, path);
        break;
    case TAKE:
        fd = open_above(l, path);
        break;
    default:
        fd = open_there(l, path, follow);
    }
    return is_readonly(l, fd, c->verb == VERB_TRUNCATE, ret);
}

static enum denied_verb verb_of(const struct write_call *c, const __u64 *args)
{
    return c->nr == SYS_unlinkat && (args[2] & AT_REMOVEDIR) ? VERB_RMDIR : c->verb;
}

bool writes_look(const struct seccomp_notif *ask, struct denied_counts *counts)
{
    const struct write_call *c = find(ask->data.nr);
    enum denied_place place = PLACE_OTHER;

    if (!c || !counts)
        return c != NULL;
    struct look l = { (pid_t)ask->pid, ask->data.args, root_of((pid_t)ask->pid), false };
    l.blind = l.root < 0;
    if (!l.blind && look(&l, c, &place))
        __atomic_fetch_add(&counts->write[verb_of(c, l.args)][place], 1, __ATOMIC_RELEASE);
    if (l.blind)
        __atomic_store_n(&counts->blind, 1, __ATOMIC_RELEASE);
    return true;
}
