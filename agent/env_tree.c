/* A tree out of the sandbox that built it. What is there was written by whoever made the packages:
 * every look-up goes through a descriptor with openat2(RESOLVE_BENEATH, no links, no other mount),
 * every name, kind, size and count is judged, and nothing of owner, times or special modes is taken
 * over. The sandbox is still there while it is read, but its code has ended; what changes
 * meanwhile all the same is at worst a broken module in a later sandbox. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/env_parts.h"
#include "agent/base/banned.h"

struct copy {
    struct env_tree *t;
    const struct stop *stop;
    long entries;
};

static int refuse(const char *path, const char *why, struct err *e)
{
    cleanup_buf struct buf shown = BUF_MAX(1024);

    utf8_clean_line(&shown, utf8_head(str_of(path), 200));
    return err_set(e, ERR_SANDBOX, 0, "what was installed is not taken over: %s %s",
                   buf_cstr(&shown), why);
}

/* Package files have names in many scripts, but none has control characters or broken UTF-8. */
static bool is_plain_name(const char *name)
{
    cleanup_buf struct buf clean = BUF_MAX(4096);

    utf8_clean_line(&clean, str_of(name));
    return str_eq(buf_str(&clean), str_of(name));
}

static bool is_identifier(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
              (i && c >= '0' && c <= '9')))
            return false;
    }
    return s.n > 0;
}

/* "alpha" (a folder), "beta.py" and "gamma.cpython-311-x86_64-linux-gnu.so" can be imported. */
static void note_module(struct env_tree *t, const char *name, bool is_dir)
{
    struct str rest = str_of(name), stem = rest;

    if (!is_dir) {
        if (!str_ends(rest, ".py") && !str_ends(rest, ".so"))
            return;
        str_cut(&rest, '.', &stem);
    }
    if (!is_identifier(stem) || stem.p[0] == '_' || t->modules.n + stem.n > MAX_ENV_MODULES)
        return;
    if (t->modules.n)
        buf_putc(&t->modules, ' ');
    buf_putstr(&t->modules, stem);
}

static int copy_file(struct copy *c, int in, int to, const char *name, const struct stat *st,
                     struct err *e)
{
    mode_t mode = st->st_mode & 0111 ? 0755 : 0644;
    cleanup_fd int out =
        openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    char part[64 * KIB];

    if (out < 0 || fchmod(out, mode) < 0)
        return err_set(e, ERR_SYS, errno, "write the environment: create %s", name);
    for (;;) {
        ssize_t n = read(in, part, sizeof part);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(e, ERR_SYS, errno, "read %s", name);
        if (n == 0)
            break;
        c->t->bytes += n;
        if (c->t->bytes > c->t->max_bytes)
            return err_set(e, ERR_LIMIT, 0,
                           "what was installed has more than %lld MiB; permit more with --env-size",
                           (long long)(c->t->max_bytes / MIB));
        if (io_write_all(out, part, (size_t)n, e) < 0)
            return err_wrap(e, "write the environment: %s", name);
    }
    c->t->files++;
    return 0;
}

static int copy_dir(struct copy *c, int from, int to, const char *prefix, int depth, struct err *e);

static int copy_entry(struct copy *c, int from, int to, const char *name, const char *path,
                      int depth, struct err *e)
{
    struct stat st;

    if (++c->entries > c->t->max_files)
        return err_set(e, ERR_LIMIT, 0, "what was installed has more than %ld files",
                       c->t->max_files);
    if (c->entries % 64 == 0 && stop_check(c->stop, e) < 0)
        return -1;
    if (!is_plain_name(name))
        return refuse(path, "has a name with control characters or broken UTF-8", e);
    cleanup_fd int fd = io_open_beneath(from, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
    if (fd < 0)
        return errno == ELOOP ? refuse(path, "is a symbolic link", e)
                              : err_set(e, ERR_SANDBOX, errno, "read what was installed: %s", path);
    if (fstat(fd, &st) < 0)
        return err_set(e, ERR_SYS, errno, "read what was installed: %s", path);
    if (S_ISREG(st.st_mode)) {
        if (depth == 0)
            note_module(c->t, name, false);
        return copy_file(c, fd, to, name, &st, e);
    }
    if (!S_ISDIR(st.st_mode))
        return refuse(path, "is neither a file nor a folder", e);
    if (depth >= MAX_SCAN_DEPTH)
        return refuse(path, "is nested too deep", e);
    if (depth == 0)
        note_module(c->t, name, true);
    if (mkdirat(to, name, 0755) < 0 || fchmodat(to, name, 0755, 0) < 0)
        return err_set(e, ERR_SYS, errno, "write the environment: create %s", path);
    cleanup_fd int below = io_open_beneath(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (below < 0)
        return err_set(e, ERR_SYS, errno, "write the environment: open %s", path);
    return copy_dir(c, fd, below, path, depth + 1, e);
}

static int copy_dir(struct copy *c, int from, int to, const char *prefix, int depth, struct err *e)
{
    int again = io_open_beneath(from, ".", O_RDONLY | O_DIRECTORY);
    DIR *d = again < 0 ? NULL : fdopendir(again);
    int r = 0;

    if (d == NULL) {
        err_set(e, ERR_SANDBOX, errno, "read what was installed: %s", prefix);
        if (again >= 0)
            close(again);
        return -1;
    }
    for (struct dirent *de; r == 0 && (errno = 0, de = readdir(d)) != NULL;) {
        if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
            continue;
        cleanup_free char *path = prefix[0] ? io_join(prefix, de->d_name) : xstrdup(de->d_name);
        r = copy_entry(c, from, to, de->d_name, path, depth, e);
    }
    if (r == 0 && errno)
        r = err_set(e, ERR_SANDBOX, errno, "read what was installed: %s", prefix);
    closedir(d);
    return r;
}

int env_tree_copy(int from, int to, struct env_tree *t, const struct stop *stop, struct err *e)
{
    struct copy c = { .t = t, .stop = stop };

    return copy_dir(&c, from, to, "", 0, e);
}
