/* What the file tree inside is made of, as a table, and the opening of everything in it that comes
 * from the host.
 *
 * Sources are opened before anything is mounted over, and mounts are attached by descriptor: no
 * path of the host is looked up twice, so there is nothing to swap in between. open_tree() needs
 * CAP_SYS_ADMIN over the mount namespace: root has it and opens before it drops its id, so that
 * files only root may reach can be shown; an ordinary user's child has it in its own namespaces. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "sandbox/box.h"
#include "agent/base/mem.h"
#include "agent/base/banned.h"

#ifndef MOUNT_ATTR_RDONLY
#include <linux/mount.h>
#endif
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

/* Up to here an attachment is copied, so that its host path stays unknown inside; above it is
 * bound. */
#define COPY_DATA_BYTES (64ll << 20)
/* Up to here /workspace/NAME is a writable copy of its own; above it is a link to /data/NAME. */
#define COPY_WORK_BYTES (16ll << 20)

enum row_kind {
    ROW_DIR,
    ROW_TMPFS,
    ROW_BIND,
    ROW_MAYBE,
    ROW_PREFIX,
    ROW_DEVICE,
    ROW_LINK,
    ROW_SAME,
    ROW_TEXT,
    ROW_PROC,
    ROW_EGRESS
};
static const struct row {
    enum row_kind kind;
    const char *dst;
    const char *arg; /* link target, text, or mount options */
    const char *why;
} rows[] = {
    { ROW_BIND, "/usr", NULL, "interpreter, libraries, fonts, time zones; read-only, no set-id" },
    { ROW_SAME, "/bin", NULL, "a link into /usr where the host has one, else the directory" },
    { ROW_SAME, "/sbin", NULL, "likewise" },
    { ROW_SAME, "/lib", NULL, "likewise" },
    { ROW_SAME, "/lib32", NULL, "likewise" },
    { ROW_SAME, "/lib64", NULL, "likewise: the loader's path" },
    { ROW_SAME, "/libx32", NULL, "likewise" },
    { ROW_DIR, "/etc", NULL, "a chosen few of the host's files, and written ones" },
    { ROW_MAYBE, "/etc/ld.so.cache", NULL, "where shared libraries are" },
    { ROW_MAYBE, "/etc/alternatives", NULL, "libblas and liblapack are links through it" },
    { ROW_SAME, "/etc/localtime", NULL, "the time zone" },
    { ROW_MAYBE, "/etc/timezone", NULL, "the time zone's name" },
    { ROW_MAYBE, "/etc/fonts", NULL, "fontconfig" },
    { ROW_MAYBE, "/etc/matplotlibrc", NULL, "matplotlib's settings" },
    { ROW_MAYBE, "/etc/mime.types", NULL, "the mimetypes module" },
    { ROW_SAME, "/etc/os-release", NULL, "the platform module" },
    { ROW_MAYBE, "/etc/services", NULL, "names of ports" },
    { ROW_MAYBE, "/etc/protocols", NULL, "names of protocols" },
    { ROW_EGRESS, "/etc/ssl/certs", NULL, "whom TLS trusts; Debian and many others" },
    { ROW_EGRESS, "/etc/pki/tls/certs", NULL, "likewise; Fedora" },
    { ROW_EGRESS, "/etc/pki/ca-trust/extracted", NULL, "likewise: what the links in it lead to" },
    { ROW_PREFIX, "/etc/python3", NULL, "sitecustomize and settings of the system's Python" },
    { ROW_TEXT, "/etc/passwd",
      "sandbox:x:1000:1000:sandbox:/workspace:/bin/sh\nnobody:x:65534:65534:nobody:/:/usr/sbin/"
      "nologin\n",
      "one user, and no name of the host's" },
    { ROW_TEXT, "/etc/group", "sandbox:x:1000:\nnogroup:x:65534:\n", "one group" },
    { ROW_TEXT, "/etc/hosts", "127.0.0.1 localhost sandbox\n::1 localhost\n",
      "no name of the host's" },
    { ROW_TEXT, "/etc/nsswitch.conf",
      "passwd: files\ngroup: files\nhosts: files\nservices: files\n",
      "no directory services, no DNS" },
    { ROW_TEXT, "/etc/hostname", "sandbox\n", "no name of the host's" },
    { ROW_TEXT, "/etc/machine-id", "00000000000000000000000000000001\n",
      "tells no machine from another" },
    { ROW_DIR, "/dev", NULL, "five harmless devices; no terminal, no disk" },
    { ROW_DEVICE, "/dev/null", NULL, "nothing" },
    { ROW_DEVICE, "/dev/zero", NULL, "zeros" },
    { ROW_DEVICE, "/dev/full", NULL, "a full disk" },
    { ROW_DEVICE, "/dev/random", NULL, "random bytes" },
    { ROW_DEVICE, "/dev/urandom", NULL, "random bytes" },
    { ROW_LINK, "/dev/fd", "/proc/self/fd", "shells and tools use it" },
    { ROW_LINK, "/dev/stdin", "/proc/self/fd/0", "likewise" },
    { ROW_LINK, "/dev/stdout", "/proc/self/fd/1", "likewise" },
    { ROW_LINK, "/dev/stderr", "/proc/self/fd/2", "likewise" },
    { ROW_TMPFS, "/dev/shm", "shm 1777 noexec",
      "semaphores and shared memory of multiprocessing; its own" },
    { ROW_TMPFS, "/workspace", "workspace 0700",
      "the working directory, home, and the only place for results" },
    { ROW_TMPFS, "/tmp", "tmp 1777", "temporary files; its own" },
    { ROW_TMPFS, "/output", "tmp 0755",
      "files that trusted code shows to contexts; Landlock keeps contexts from writing" },
    { ROW_DIR, "/data", NULL, "attachments, read-only" },
    { ROW_DIR, "/run", NULL, "no sockets of the host" },
    { ROW_DIR, "/run/sandbox", NULL, "files that the caller placed, read-only" },
    { ROW_PROC, "/proc", NULL,
      "its own processes; of the rest, only what is harmless (see below)" },
};

static struct op *add_op(struct box *b, enum op_kind kind, const char *dst)
{
    if (b->n_ops % 32 == 0)
        b->ops = xrealloc(b->ops, b->n_ops + 32, sizeof *b->ops);
    struct op *op = &b->ops[b->n_ops++];
    *op = (struct op){ .kind = kind, .dst = xstrdup(dst), .fd = -1 };
    return op;
}

void ops_free(struct box *b)
{
    for (size_t i = 0; i < b->n_ops; i++) {
        free(b->ops[i].dst);
        free(b->ops[i].text);
        cleanup_closep(&b->ops[i].fd);
    }
    free(b->ops);
    b->ops = NULL;
    b->n_ops = 0;
}

/* A detached copy of the mount at `path`, or of what the descriptor `at` is open on (-1: none),
 * read-only and without set-id. */
static int open_source(const char *path, int at, bool device, bool *is_dir, struct err *e)
{
    struct stat st;
    struct mount_attr attr = {
        .attr_set =
            MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | (device ? MOUNT_ATTR_NOEXEC : MOUNT_ATTR_NODEV),
        .propagation = MS_PRIVATE,
    };
    cleanup_fd int fd = (int)syscall(SYS_open_tree, at < 0 ? AT_FDCWD : at, at < 0 ? path : "",
                                     OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE |
                                         (at < 0 ? 0 : AT_EMPTY_PATH));

    if (fd < 0 && errno == ENOSYS)
        return err_set(e, ERR_SANDBOX, errno, "open_tree %s (needs Linux 5.12 or newer)", path);
    if (fd < 0 && errno == EPERM)
        return hint_mount(e, errno, path);
    if (fd < 0)
        return err_set(e, ERR_SANDBOX, errno, "cannot open %s", path);
    if (fstat(fd, &st) < 0)
        return err_set(e, ERR_SANDBOX, errno, "stat %s", path);
    if (device && !S_ISCHR(st.st_mode))
        return err_set(e, ERR_SANDBOX, 0, "%s is no character device on this machine", path);
    if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) < 0)
        return err_set(e, ERR_SANDBOX, errno, "mount_setattr %s (needs Linux 5.12 or newer)", path);
    *is_dir = S_ISDIR(st.st_mode);
    return steal_fd(&fd);
}

static int add_tree(struct box *b, const char *src, const char *dst, bool device, bool optional,
                    struct err *e)
{
    bool is_dir;
    struct err why;
    int fd = open_source(src, -1, device, &is_dir, &why);

    if (fd < 0 && optional && why.sys == ENOENT)
        return 0;
    if (fd < 0) {
        *e = why;
        return -1;
    }
    struct op *op = add_op(b, OP_TREE, dst);
    op->fd = fd;
    op->is_dir = is_dir;
    return 0;
}

/* A symbolic link is copied as it is; anything else is bound. */
static int add_same(struct box *b, const char *path, struct err *e)
{
    char target[PATH_MAX];
    ssize_t n = readlink(path, target, sizeof target);

    if (n < 0 || n == (ssize_t)sizeof target)
        return add_tree(b, path, path, false, true, e);
    add_op(b, OP_SYMLINK, path)->text = xstrndup(target, (size_t)n);
    return 0;
}

static int add_prefix(struct box *b, const char *prefix, struct err *e)
{
    cleanup_free char *dir = xstrdup(prefix);
    char *slash = strrchr(dir, '/');
    struct dirent *entry;
    int r = 0;

    *slash = '\0';
    DIR *d = opendir(dir);
    if (!d)
        return errno == ENOENT ? 0 : err_set(e, ERR_SANDBOX, errno, "open %s", dir);
    while (r == 0 && (entry = readdir(d)) != NULL) {
        if (strncmp(entry->d_name, slash + 1, strlen(slash + 1)) != 0)
            continue;
        cleanup_free char *path = xasprintf("%s/%s", dir, entry->d_name);
        r = add_tree(b, path, path, false, true, e);
    }
    closedir(d);
    return r;
}

/* "NAME MODE [noexec]": the limit that gives the size, and the mode. */
static void add_tmpfs(struct box *b, const struct row *row)
{
    const int64_t *limits = b->spec->limits;
    struct str rest = str_of(row->arg), name, mode;
    enum limit_id id = LIMIT_TMP;

    str_cut(&rest, ' ', &name);
    str_cut(&rest, ' ', &mode);
    for (int i = 0; i < LIMITS; i++)
        if (str_is(name, limit_table[i].name))
            id = (enum limit_id)i;
    struct op *op = add_op(b, OP_TMPFS, row->dst);
    op->text = xasprintf("mode=%.*s,size=%lld,nr_inodes=%lld", (int)mode.n, mode.p,
                         (long long)limits[id], (long long)limits[LIMIT_INODES]);
    op->mount_flags = str_is(rest, "noexec") ? MS_NOEXEC : 0;
}

/* What was judged is what is bound: one descriptor. */
static int add_device(struct box *b, const char *path, struct err *e)
{
    bool is_dir;
    cleanup_fd int at = device_open(path, e);
    int fd = at < 0 ? -1 : open_source(path, at, true, &is_dir, e);

    if (fd < 0)
        return -1;
    add_op(b, OP_TREE, path)->fd = fd;
    return 0;
}

static int add_row(struct box *b, const struct row *row, struct err *e)
{
    switch (row->kind) {
    case ROW_DIR:
        add_op(b, OP_DIR, row->dst);
        return 0;
    case ROW_TMPFS:
        add_tmpfs(b, row);
        return 0;
    case ROW_BIND:
        return add_tree(b, row->dst, row->dst, false, false, e);
    case ROW_MAYBE:
        return add_tree(b, row->dst, row->dst, false, true, e);
    case ROW_EGRESS:
        return b->spec->egress_fd < 0 ? 0 : add_tree(b, row->dst, row->dst, false, true, e);
    case ROW_PREFIX:
        return add_prefix(b, row->dst, e);
    case ROW_DEVICE:
        return add_tree(b, row->dst, row->dst, true, false, e);
    case ROW_LINK:
        add_op(b, OP_SYMLINK, row->dst)->text = xstrdup(row->arg);
        return 0;
    case ROW_SAME:
        return add_same(b, row->dst, e);
    case ROW_TEXT:
        add_op(b, OP_TEXT, row->dst)->text = xstrdup(row->arg);
        return 0;
    case ROW_PROC:
        add_op(b, OP_PROC, row->dst);
        return 0;
    }
    return 0;
}

static void add_copy(struct box *b, const char *dst, int fd, int64_t size, bool writable)
{
    struct op *op = add_op(b, OP_COPY, dst);

    op->fd = fd;
    op->size = size;
    op->writable = writable;
}

/* One attachment: an op for /data/NAME and one for /workspace/NAME. A bound one is opened later, as
 * a mount, from the path that `text` keeps. */
static int add_data(struct box *b, const struct spec_data *d, struct err *e)
{
    cleanup_fd int fd = open(d->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    cleanup_free char *data = xasprintf("/data/%s", d->name);
    cleanup_free char *work = xasprintf("/workspace/%s", d->name);
    struct stat st;

    if (fd < 0)
        return err_set(e, ERR_SANDBOX, errno, "cannot read the attachment %s", d->path);
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return err_set(e, ERR_SANDBOX, 0, "the attachment %s is no regular file", d->path);
    if (st.st_size <= COPY_WORK_BYTES) {
        int again = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (again < 0)
            return err_set(e, ERR_SANDBOX, errno, "cannot open the attachment %s twice", d->path);
        add_copy(b, work, again, st.st_size, true);
    } else {
        add_op(b, OP_SYMLINK, work)->text = xstrdup(data);
    }
    if (st.st_size <= COPY_DATA_BYTES || b->lone) { /* without namespaces nothing can be bound */
        add_copy(b, data, steal_fd(&fd), st.st_size, false);
    } else {
        struct op *op = add_op(b, OP_TREE, data);
        op->text = xstrdup(d->path);
    }
    return 0;
}

int sources_open_files(struct box *b, struct err *e)
{
    const struct spec *s = b->spec;

    for (size_t i = 0; i < s->n_data; i++)
        if (add_data(b, &s->data[i], e) < 0)
            return -1;
    for (size_t i = 0; i < s->n_files; i++) {
        struct stat st;
        int fd = fcntl(s->files[i].fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
            cleanup_closep(&fd);
            return err_set(e, ERR_SANDBOX, 0, "--file-fd %d: is no regular file (a memfd is one)",
                           s->files[i].fd);
        }
        add_copy(b, s->files[i].dst, fd, st.st_size, false);
    }
    return 0;
}

int sources_open_trees(struct box *b, struct err *e)
{
    const struct spec *s = b->spec;
    /* The files were opened first, but are placed last: into what the table makes. */
    struct op *files = b->ops;
    size_t n_files = b->n_ops;
    int r = 0;

    b->ops = NULL;
    b->n_ops = 0;
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(rows); i++)
        r = add_row(b, &rows[i], e);
    for (size_t i = 0; r == 0 && i < s->n_ro; i++)
        r = add_tree(b, s->ro[i].src, s->ro[i].dst, false, false, e);
    for (size_t i = 0; r == 0 && i < s->n_devices; i++)
        r = add_device(b, s->devices[i], e);
    for (size_t i = 0; i < n_files; i++) {
        if (r == 0 && files[i].kind == OP_TREE) {
            files[i].fd = open_source(files[i].text, -1, false, &files[i].is_dir, e);
            if (files[i].fd < 0)
                r = -1;
        }
        *add_op(b, OP_DIR, "") = files[i];
    }
    free(files);
    return r;
}

void sources_print(struct buf *out)
{
    static const char *const kinds[] = {
        [ROW_DIR] = "directory",  [ROW_TMPFS] = "tmpfs",     [ROW_BIND] = "bind ro",
        [ROW_MAYBE] = "bind ro?", [ROW_PREFIX] = "bind ro*", [ROW_DEVICE] = "device",
        [ROW_LINK] = "link",      [ROW_SAME] = "as host",    [ROW_TEXT] = "written",
        [ROW_PROC] = "proc",      [ROW_EGRESS] = "bind ro+",
    };

    buf_puts(out, "Files (kind; path; why). ?: where the host has it; *: all names that begin so; "
                  "+: with --egress-fd only, where the host has it.\n");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        buf_putf(out, "  %-9s  %-18s %s\n", kinds[rows[i].kind], rows[i].dst, rows[i].why);
}
