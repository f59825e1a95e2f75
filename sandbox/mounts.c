/* The file tree: a tmpfs of ours, filled from the list that sources.c made, and then made the root.
 *
 * All of it happens in an empty tree in our own mount namespace before any foreign code runs, so
 * nobody can race with it. The tmpfs is mounted over the host's /tmp: that directory exists
 * everywhere, and only our namespace sees it covered; the sources are open already. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>
#include "sandbox/box.h"
#include "agent/base/io.h"
#include "agent/base/mem.h"
#include "agent/base/banned.h"

#ifndef MOUNT_ATTR_RDONLY
#include <linux/mount.h>
#endif
#ifndef MOVE_MOUNT_T_EMPTY_PATH
#define MOVE_MOUNT_T_EMPTY_PATH 0x00000040
#endif

static const unsigned char context_so[] = {
#include "context_so.h"
};
static const unsigned char restore_program[] = {
#include "restore.h"
};

#define STAGE "/tmp"
/* Directories, links and written files of the root. */
#define ROOT_BYTES (1ll << 20)

/* What stays visible in /proc besides the processes. */
static const struct {
    const char *name, *why;
} proc_visible[] = {
    { "self", "a process looks at itself" },
    { "thread-self", "likewise" },
    { "mounts", "a link to self/mounts" },
    { "net", "a link to self/net: an empty network" },
    { "stat", "psutil and joblib count processors with it" },
    { "meminfo", "libraries size their buffers with it" },
    { "cpuinfo", "libraries choose their code by it" },
    { "loadavg", "os.getloadavg" },
    { "uptime", "psutil" },
    { "version", "platform" },
    { "filesystems", "libc reads it" },
    { "sys", "read-only; limits that libraries ask for" },
};

/* What the kernel lets root alone read: as the sandbox's uid is not root outside either, that need
 * not be covered, and each mount costs. Asked of these only: each question costs, too. */
static const char *const proc_roots[] = {
    "kmsg",         "kpagecgroup", "kpagecount",    "kpageflags", "kcore",
    "pagetypeinfo", "slabinfo",    "sysrq-trigger", "timer_list", "vmallocinfo",
};

/* The tree that is being filled. The directory that the last entry went into stays open, because
 * the next one mostly goes there too. It cannot be covered meanwhile: what is mounted has its own
 * parent here. */
struct tree {
    int root;
    char *dir; /* owned; NULL = none */
    int dir_fd;
};

static void tree_done(struct tree *t)
{
    free(t->dir);
    cleanup_closep(&t->dir_fd);
}

static int open_in_root(int root, const char *path, uint64_t flags)
{
    struct open_how how = { .flags = flags | O_CLOEXEC,
                            .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };

    return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

/* Opens the directory `path`, making what is missing. */
static int open_dir(int root, const char *path, struct err *e)
{
    int fd = open_in_root(root, *path ? path : "/", O_PATH | O_DIRECTORY);

    if (fd >= 0)
        return fd;
    if (errno != ENOENT)
        return err_set(e, ERR_SANDBOX, errno, "open %s in the sandbox", path);
    const char *slash = strrchr(path, '/');
    cleanup_free char *parent = xstrndup(path, (size_t)(slash - path));
    cleanup_fd int above = open_dir(root, parent, e);
    if (above < 0)
        return -1;
    if (mkdirat(above, slash + 1, 0755) < 0)
        return err_set(e, ERR_SANDBOX, errno,
                       "make the directory %s in the sandbox (its parent is read-only; choose a "
                       "place that is not below "
                       "/usr or another --ro)",
                       path);
    fd = open_in_root(root, path, O_PATH | O_DIRECTORY);
    return fd >= 0 ? fd : err_set(e, ERR_SANDBOX, errno, "open %s in the sandbox", path);
}

/* The directory that holds `path`, which stays the tree's; *name is the last part. */
static int parent_of(struct tree *t, const char *path, const char **name, struct err *e)
{
    size_t n = (size_t)(strrchr(path, '/') - path);

    *name = path + n + 1;
    if (t->dir && strlen(t->dir) == n && memcmp(t->dir, path, n) == 0)
        return t->dir_fd;
    tree_done(t);
    t->dir = xstrndup(path, n);
    t->dir_fd = open_dir(t->root, t->dir, e);
    if (t->dir_fd < 0) {
        free(t->dir);
        t->dir = NULL;
    }
    return t->dir_fd;
}

static int do_dir(struct tree *t, const struct op *op, struct err *e)
{
    const char *name;
    int parent = parent_of(t, op->dst, &name, e);

    if (parent < 0)
        return -1;
    if (mkdirat(parent, name, 0755) < 0 && errno != EEXIST)
        return err_set(e, ERR_SANDBOX, errno, "make %s in the sandbox", op->dst);
    return 0;
}

static int do_tmpfs(struct tree *t, const struct op *op, struct err *e)
{
    if (do_dir(t, op, e) < 0)
        return -1;
    /* Relative to the working directory, which is the new root; the names are the table's. */
    if (mount("tmpfs", op->dst + 1, "tmpfs", MS_NOSUID | MS_NODEV | op->mount_flags, op->text) < 0)
        return hint_mount(e, errno, op->dst);
    return 0;
}

/* Onto an empty file or directory made for it, else onto what is there already. */
static int do_tree(struct tree *t, const struct op *op, struct err *e)
{
    const char *name;
    int parent = parent_of(t, op->dst, &name, e), flags = MOVE_MOUNT_F_EMPTY_PATH;
    cleanup_fd int there = -1;

    if (parent < 0)
        return -1;
    if (op->is_dir ? mkdirat(parent, name, 0755) < 0
                   : mknodat(parent, name, S_IFREG | 0444, 0) < 0) {
        int sys = errno;
        there = open_in_root(t->root, op->dst, O_PATH);
        if (there < 0)
            return err_set(e, ERR_SANDBOX, sys, "make %s in the sandbox", op->dst);
        parent = there;
        name = "";
        flags |= MOVE_MOUNT_T_EMPTY_PATH;
    }
    if (syscall(SYS_move_mount, op->fd, "", parent, name, flags) < 0)
        return hint_mount(e, errno, op->dst);
    return 0;
}

static int do_symlink(struct tree *t, const struct op *op, struct err *e)
{
    const char *name;
    int parent = parent_of(t, op->dst, &name, e);

    if (parent < 0)
        return -1;
    if (symlinkat(op->text, parent, name) < 0)
        return err_set(e, ERR_SANDBOX, errno, "make the link %s in the sandbox", op->dst);
    return 0;
}

static int create(struct tree *t, const char *path, mode_t mode, struct err *e)
{
    const char *name;
    int parent = parent_of(t, path, &name, e);

    if (parent < 0)
        return -1;
    int fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    return fd >= 0 ? fd : err_set(e, ERR_SANDBOX, errno, "make the file %s in the sandbox", path);
}

static int do_written(struct tree *t, const char *dst, const void *p, size_t n, mode_t mode,
                      struct err *e)
{
    cleanup_fd int fd = create(t, dst, mode, e);

    if (fd < 0)
        return -1;
    return io_write_all(fd, p, n, e) < 0 ? err_wrap(e, "%s in the sandbox", dst) : 0;
}

static int do_text(struct tree *t, const char *dst, const void *p, size_t n, struct err *e)
{
    return do_written(t, dst, p, n, 0444, e);
}

static int do_copy(struct tree *t, const struct op *op, struct err *e)
{
    cleanup_fd int fd = create(t, op->dst, op->writable ? 0644 : 0444, e);
    off_t at = 0;

    if (fd < 0)
        return -1;
    while (at < op->size) {
        ssize_t n = sendfile(fd, op->fd, &at, (size_t)(op->size - at));
        if (n < 0)
            return err_set(e, ERR_SANDBOX, errno,
                           "copy to %s (is the limit of memory or workspace too small?)", op->dst);
        if (n == 0)
            return err_set(e, ERR_SANDBOX, 0,
                           "copy to %s: the file shrank while it was read; try again", op->dst);
    }
    return 0;
}

static bool is_roots(int proc, const char *name)
{
    struct stat st;

    for (size_t i = 0; i < ARRAY_LEN(proc_roots); i++)
        if (strcmp(name, proc_roots[i]) == 0)
            return fstatat(proc, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && (st.st_mode & 0077) == 0;
    return false;
}

/* Covers all of /proc that the table does not name with an empty file or directory. */
static int mask_proc(struct err *e)
{
    DIR *d = opendir("proc");
    struct dirent *entry;
    int r = 0;

    if (!d)
        return err_set(e, ERR_SANDBOX, errno, "list /proc");
    while (r == 0 && (entry = readdir(d)) != NULL) {
        const char *name = entry->d_name;
        bool visible = (*name >= '0' && *name <= '9') || *name == '.' || entry->d_type == DT_LNK;
        for (size_t i = 0; !visible && i < ARRAY_LEN(proc_visible); i++)
            visible = strcmp(name, proc_visible[i].name) == 0;
        if (visible || is_roots(dirfd(d), name))
            continue;
        cleanup_free char *path = xasprintf("proc/%s", name);
        if (mount(entry->d_type == DT_DIR ? "run/.empty-dir" : "run/.empty", path, NULL, MS_BIND,
                  NULL) < 0)
            r = err_set(e, ERR_SANDBOX, errno, "cover /%s", path);
    }
    closedir(d);
    return r;
}

static int set_readonly(const char *path, unsigned flags, struct err *e)
{
    struct mount_attr attr = { .attr_set =
                                   MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV };

    if (syscall(SYS_mount_setattr, AT_FDCWD, path, flags, &attr, sizeof attr) < 0)
        return err_set(e, ERR_SANDBOX, errno, "make %s read-only", path);
    return 0;
}

static int bind_readonly(const char *src, const char *dst, struct err *e)
{
    if (mount(src, dst, NULL, MS_BIND, NULL) < 0)
        return err_set(e, ERR_SANDBOX, errno, "bind %s in the sandbox", dst);
    return set_readonly(dst, 0, e);
}

static int do_proc(struct tree *t, const struct op *op, struct err *e)
{
    static const char boot_id[] = "00000000-0000-0000-0000-000000000001\n";

    if (do_dir(t, op, e) < 0)
        return -1;
    /* hidepid=2: a process that may not be inspected (pid 1, the template) is not even listed. */
    if (mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "hidepid=2") < 0)
        return hint_mount(e, errno, "/proc");
    /* The covers are bound to themselves read-only once; each later bind inherits that. */
    if (do_text(t, "/run/.empty", "", 0, e) < 0 || mkdir("run/.empty-dir", 0555) < 0 ||
        do_text(t, "/run/.boot-id", boot_id, sizeof boot_id - 1, e) < 0)
        return err_wrap(e, "covers of /proc");
    if (bind_readonly("run/.empty", "run/.empty", e) < 0 ||
        bind_readonly("run/.empty-dir", "run/.empty-dir", e) < 0 || mask_proc(e) < 0)
        return -1;
    if (bind_readonly("proc/sys", "proc/sys", e) < 0)
        return -1;
    return bind_readonly("run/.boot-id", "proc/sys/kernel/random/boot_id", e);
}

static int do_op(struct tree *t, const struct op *op, struct err *e)
{
    switch (op->kind) {
    case OP_DIR:
        return do_dir(t, op, e);
    case OP_TMPFS:
        return do_tmpfs(t, op, e);
    case OP_TREE:
        return do_tree(t, op, e);
    case OP_SYMLINK:
        return do_symlink(t, op, e);
    case OP_TEXT:
        return do_text(t, op->dst, op->text, strlen(op->text), e);
    case OP_COPY:
        return do_copy(t, op, e);
    case OP_PROC:
        return do_proc(t, op, e);
    }
    return 0;
}

static int fill(struct box *b, int root, struct err *e)
{
    struct tree t = { .root = root, .dir_fd = -1 };
    int r = 0;

    for (size_t i = 0; r == 0 && i < b->n_ops; i++)
        r = do_op(&t, &b->ops[i], e);
    if (r == 0)
        r = do_text(&t, "/run/sandbox/context.so", context_so, sizeof context_so, e);
    if (r == 0 && b->spec->is_template)
        r = do_written(&t, "/run/sandbox/restore", restore_program, sizeof restore_program, 0555,
                       e);
    tree_done(&t);
    return r;
}

int mounts_build(struct box *b, struct err *e)
{
    int64_t size = ROOT_BYTES;

    /* Sizes of what is placed in the root itself: attachments and the caller's files. */
    for (size_t i = 0; i < b->n_ops; i++)
        if (b->ops[i].kind == OP_COPY && !b->ops[i].writable)
            size += b->ops[i].size + 4096;
    cleanup_free char *options = xasprintf("mode=0755,size=%lld,nr_inodes=8192", (long long)size);
    umask(022);
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return hint_mount(e, errno, "/ (private)");
    if (mount("tmpfs", STAGE, "tmpfs", MS_NOSUID | MS_NODEV, options) < 0)
        return hint_mount(e, errno, "the new root on " STAGE);
    if (chdir(STAGE) < 0)
        return err_set(e, ERR_SANDBOX, errno, "chdir " STAGE);
    cleanup_fd int root = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return err_set(e, ERR_SANDBOX, errno, "open the new root");
    return fill(b, root, e);
}

int mounts_place(struct box *b, int root, struct err *e)
{
    for (size_t i = 0; i < b->n_ops; i++) {
        struct op *op = &b->ops[i];
        if (op->kind == OP_SYMLINK) { /* from /workspace/NAME to /data/NAME, wherever the two lie */
            char *near = xasprintf("..%s", op->text);
            free(op->text);
            op->text = near;
        }
    }
    return fill(b, root, e);
}

int mounts_pivot(struct box *b, struct err *e)
{
    (void)b;
    /* pivot_root(".", ".") stacks the old root on the new one; an umount takes it away again, while
     * we go on. Meanwhile ".." of the new root leads to it, and no path that we use has one. */
    if (syscall(SYS_pivot_root, ".", ".") < 0)
        return hint_mount(e, errno, "the new root (pivot_root)");
    ns_aside_pivoted();
    if (chdir("/") < 0)
        return err_set(e, ERR_SANDBOX, errno, "chdir to the new root");
    return set_readonly("/", 0, e);
}

/* One descriptor over a unix socket of the caller's. */
static int send_fd(int socket_fd, int fd, const char *what, const char *option, struct err *e)
{
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } control = { 0 };
    char byte = 'w';
    struct iovec iov = { &byte, 1 };
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
    };

    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    if (sendmsg(socket_fd, &msg, MSG_NOSIGNAL) < 0)
        return err_set(e, ERR_SANDBOX, errno, "send the descriptor of %s to %s %d", what, option,
                       socket_fd);
    return 0;
}

int workspace_send(struct box *b, struct err *e)
{
    if (b->spec->workspace_fd < 0)
        return 0;
    cleanup_free char *path = box_place(b, "/workspace");
    cleanup_fd int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_set(e, ERR_SANDBOX, errno, "open %s", path);
    return send_fd(b->spec->workspace_fd, fd, "/workspace", "--workspace-fd", e);
}

/* A unix socket is found by its inode, in any network namespace: so it is made in the tree that
 * will be the root, and no file of the host is needed that a kill could leave behind. The listening
 * end is given away and not kept. */
int egress_send(struct box *b, struct err *e)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = EGRESS_SOCKET };

    if (b->spec->egress_fd < 0)
        return 0;
    /* We stand in the new root: without its slash the path is below it. */
    memmove(name.sun_path, name.sun_path + 1, strlen(name.sun_path));
    cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof name) < 0 || listen(fd, 128) < 0)
        return err_set(e, ERR_SANDBOX, errno, "make the socket " EGRESS_SOCKET);
    return send_fd(b->spec->egress_fd, fd, EGRESS_SOCKET, "--egress-fd", e);
}

void mounts_print(struct buf *out)
{
    buf_puts(out, "Visible in /proc besides one's own processes (all else that a user could read "
                  "is covered)\n");
    for (size_t i = 0; i < ARRAY_LEN(proc_visible); i++)
        buf_putf(out, "  %-12s %s\n", proc_visible[i].name, proc_visible[i].why);
}
