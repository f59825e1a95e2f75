#include "io.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>
#include "mem.h"
#include "banned.h"

int io_read_fd(int fd, struct buf *out, struct err *e)
{
    char tmp[65536];

    for (;;) {
        ssize_t r = read(fd, tmp, sizeof tmp);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return err_set(e, ERR_SYS, errno, "read");
        if (r == 0)
            return 0;
        buf_put(out, tmp, (size_t)r);
        if (out->over)
            return err_set(e, ERR_LIMIT, 0, "larger than %zu bytes", out->max);
    }
}

int io_read_file(const char *path, struct buf *out, struct err *e)
{
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return err_set(e, ERR_SYS, errno, "open %s", path);
    if (io_read_fd(fd, out, e) < 0)
        return err_wrap(e, "%s", path);
    return 0;
}

int io_write_all(int fd, const void *p, size_t n, struct err *e)
{
    const char *q = p;

    while (n) {
        ssize_t r = write(fd, q, n);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return err_set(e, ERR_SYS, errno, "write");
        q += r;
        n -= (size_t)r;
    }
    return 0;
}

int io_write_atomic(int dirfd, const char *name, struct str content, mode_t mode, struct err *e)
{
    cleanup_free char *tmp = xasprintf("%s.tmp.%ld", name, (long)getpid());
    cleanup_fd int fd =
        openat(dirfd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);

    if (fd < 0)
        return err_set(e, ERR_SYS, errno, "create %s", tmp);
    if (io_write_all(fd, content.p, content.n, e) < 0) {
        unlinkat(dirfd, tmp, 0);
        return err_wrap(e, "%s", name);
    }
    if (renameat(dirfd, tmp, dirfd, name) < 0) {
        int sys = errno;
        unlinkat(dirfd, tmp, 0);
        return err_set(e, ERR_SYS, sys, "write %s", name);
    }
    return 0;
}

int io_mkdirs(const char *path, mode_t mode, struct err *e)
{
    cleanup_free char *p = xstrdup(path);
    int refused = 0;

    for (char *q = p + 1; *q; q++) {
        if (*q != '/')
            continue;
        *q = '\0';
        if (mkdir(p, mode) < 0 && errno != EEXIST) {
            if (errno != EROFS && errno != EACCES)
                return err_set(e, ERR_SYS, errno, "create directory %s", p);
            refused = errno; /* it may be there all the same */
        }
        *q = '/';
    }
    if (mkdir(p, mode) < 0 && errno != EEXIST)
        return err_set(e, ERR_SYS, errno == ENOENT && refused ? refused : errno,
                       "create directory %s", p);
    struct stat st;
    if (stat(p, &st) < 0 || !S_ISDIR(st.st_mode))
        return err_set(e, ERR_SYS, ENOTDIR, "%s", p);
    return 0;
}

int io_remove_tree(int dirfd, const char *name, struct err *e)
{
    if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return err_set(e, ERR_SYS, errno, "remove %s", name);
    int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_set(e, ERR_SYS, errno, "remove %s", name);
    DIR *d = fdopendir(fd);
    if (d == NULL) {
        close(fd);
        return err_set(e, ERR_SYS, errno, "remove %s", name);
    }
    int r = 0;
    for (struct dirent *de; r == 0 && (de = readdir(d)) != NULL;)
        if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0)
            r = io_remove_tree(fd, de->d_name, e);
    closedir(d);
    if (r == 0 && unlinkat(dirfd, name, AT_REMOVEDIR) < 0)
        return err_set(e, ERR_SYS, errno, "remove %s", name);
    return r;
}

/* Where openat2 is not to be had (an engine's old filter), part by part: as strict, but that
 * another mount is entered. */
static int walk_beneath(int dirfd, const char *name, int flags)
{
    struct str rest = str_of(name), part;
    cleanup_fd int held = -1;
    int at = dirfd;

    for (bool more = true; more;) {
        more = str_cut(&rest, '/', &part);
        cleanup_free char *one = str_dup(part);
        if (part.n == 0 || str_is(part, "..")) {
            errno = EXDEV;
            return -1;
        }
        int fd = openat(at, one, (more ? O_PATH | O_DIRECTORY : flags) | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || !more)
            return fd;
        cleanup_closep(&held);
        held = at = fd;
    }
    return -1;
}

int io_open_beneath(int dirfd, const char *name, int flags)
{
    struct open_how how = {
        .flags = (uint64_t)flags | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
    };
    int fd;

    do
        fd = (int)syscall(SYS_openat2, dirfd, name, &how, sizeof how);
    while (fd < 0 && errno == EINTR);
    return fd < 0 && errno == ENOSYS ? walk_beneath(dirfd, name, flags) : fd;
}

char *io_join(const char *dir, const char *name)
{
    size_t n = strlen(dir);
    return xasprintf("%s%s%s", dir, n && dir[n - 1] == '/' ? "" : "/", name);
}

const char *io_basename(const char *path)
{
    const char *q = strrchr(path, '/');
    return q ? q + 1 : path;
}

int io_set_nonblock(int fd, bool on)
{
    int fl = fcntl(fd, F_GETFL);
    if (fl < 0)
        return -1;
    return fcntl(fd, F_SETFL, on ? fl | O_NONBLOCK : fl & ~O_NONBLOCK);
}

bool io_set_echo(int fd, bool on)
{
    struct termios t;

    if (tcgetattr(fd, &t) < 0)
        return true;
    bool was = t.c_lflag & ECHO;
    if (was != on) {
        t.c_lflag ^= ECHO;
        (void)tcsetattr(fd, TCSANOW, &t);
    }
    return was;
}
