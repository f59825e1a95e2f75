#include "agent/attach.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/mem.h"
#include "agent/base/sha256.h"
#include "agent/base/utf8.h"
#include "agent/base/banned.h"

#define MAX_NAME 200 /* bytes: file systems take 255, and programs add suffixes */

const char *attach_encoding_word(enum attach_encoding enc)
{
    static const char *const words[] = {
        [ENC_ASCII] = "ascii",        [ENC_UTF8] = "utf-8",
        [ENC_UTF8_BOM] = "utf-8-sig", [ENC_UTF16LE] = "utf-16-le",
        [ENC_UTF16BE] = "utf-16-be",  [ENC_8BIT] = "8-bit (latin-1, cp1252, ...)",
        [ENC_BINARY] = "binary",
    };

    return words[enc];
}

/* Foreign names go into messages cleaned and in full: they are what the user has to find. */
static const char *shown(struct buf *b, const char *s)
{
    buf_clear(b);
    utf8_clean_line(b, utf8_head(str_of(s), 300));
    return buf_cstr(b);
}

/* PATH:NAME; NULL in *name when there is none. The path as it stands wins: names may hold colons.
 */
static int split(const char *arg, char **path, char **name, struct err *e)
{
    cleanup_buf struct buf b = BUF_MAX(8192);
    struct stat st;
    const char *colon = strrchr(arg, ':');

    *name = NULL;
    if (lstat(arg, &st) == 0 || colon == NULL || colon == arg) {
        *path = xstrdup(arg);
        return 0;
    }
    *path = xstrndup(arg, (size_t)(colon - arg));
    if (strchr(colon, '/') && lstat(*path, &st) < 0) {
        /* A mistyped path with a colon in a folder's name, not a name with a slash. */
        free(*path);
        *path = xstrdup(arg);
        return 0;
    }
    if (colon[1] == '\0')
        return err_set(e, ERR_USAGE, 0, "attachment %s: no name after the colon; write PATH:NAME",
                       shown(&b, arg));
    if (strchr(colon, '/'))
        return err_set(e, ERR_USAGE, 0,
                       "attachment %s: the name after the colon is a file name and has no slash",
                       shown(&b, arg));
    *name = xstrdup(colon + 1);
    return 0;
}

/* A name that is safe as a file name, in a prompt, and after the colon of PATH:NAME. Same text if
 * it already is. */
static char *safe_name(const char *name)
{
    cleanup_buf struct buf out = BUF_MAX(4096);
    struct str s = str_of(name);

    if (s.n == 0 || s.p[0] == '.' || s.p[0] == '-')
        buf_putc(&out, '_');
    for (size_t n; s.n; s = str_from(s, n)) {
        cleanup_buf struct buf clean = BUF_MAX(64);
        n = utf8_seq(s, NULL);
        struct str c = { s.p, n ? n : 1 };
        n = c.n;
        utf8_clean_line(&clean, c);
        if (str_eq(buf_str(&clean), c) && c.p[0] != '/' && c.p[0] != ':')
            buf_putstr(&out, c);
        else
            buf_putc(&out, '_');
        if (out.over)
            break;
    }
    if (out.n > MAX_NAME) {
        /* Keep the extension: programs choose their reader by it. */
        struct str all = buf_str(&out);
        const char *dot = strrchr(buf_cstr(&out), '.');
        size_t ext = dot ? all.n - (size_t)(dot - all.p) : 0;
        if (ext > 16)
            ext = 0;
        struct str head = utf8_head(all, MAX_NAME - ext);
        return xasprintf("%.*s%.*s", (int)head.n, head.p, (int)ext, all.p + all.n - ext);
    }
    return buf_steal(&out);
}

static const char *kind_word(mode_t mode)
{
    return S_ISFIFO(mode)   ? "a named pipe"
           : S_ISSOCK(mode) ? "a socket"
           : S_ISCHR(mode)  ? "a device"
           : S_ISBLK(mode)  ? "a device"
                            : "not a regular file";
}

/* Opens a file that can be attached; -1 says what is wrong and what to do. */
static int open_checked(const char *path, struct stat *st, struct err *e)
{
    cleanup_buf struct buf b = BUF_MAX(8192);
    const char *p = shown(&b, path);

    /* stat first: to open a device may already do something. */
    if (stat(path, st) < 0) {
        int sys = errno;
        if (sys == ENOENT && lstat(path, st) == 0)
            return err_set(e, ERR_USAGE, 0,
                           "attachment %s: is a link that leads nowhere (ls -l shows where to)", p);
        if (sys == ENOENT || sys == ENOTDIR)
            return err_set(e, ERR_USAGE, 0,
                           "attachment %s: no such file; check the spelling, paths start at the "
                           "current folder",
                           p);
        return err_set(e, ERR_USAGE, sys, "attachment %s", p);
    }
    if (S_ISDIR(st->st_mode))
        return err_set(e, ERR_USAGE, 0,
                       "attachment %s: is a directory; to attach the files in it write %s/", p, p);
    if (!S_ISREG(st->st_mode))
        return err_set(e, ERR_USAGE, 0,
                       "attachment %s: is %s; save its content to a file and attach that, or pipe "
                       "it into agent",
                       p, kind_word(st->st_mode));
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 && (errno == EACCES || errno == EPERM))
        return err_set(e, ERR_USAGE, errno,
                       "attachment %s: you may not read it (ls -l shows who may)", p);
    if (fd < 0 || fstat(fd, st) < 0)
        return err_set(e, ERR_USAGE, errno, "attachment %s", p);
    if (!S_ISREG(st->st_mode))
        return err_set(e, ERR_USAGE, 0, "attachment %s: was replaced while it was opened", p);
    if (st->st_size == 0)
        return err_set(e, ERR_USAGE, 0,
                       "attachment %s: is empty (0 bytes); leave it out, or check what wrote it",
                       p);
    return steal_fd(&fd);
}

static int read_sample(int fd, const char *path, struct buf *out, struct err *e)
{
    char tmp[16384];

    while (out->n < GUESS_BYTES) {
        ssize_t r = pread(fd, tmp, sizeof tmp, (off_t)out->n);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return err_set(e, ERR_USAGE, errno, "attachment %s: read", path);
        if (r == 0)
            break;
        buf_put(out, tmp, (size_t)r);
    }
    return 0;
}

static int check_unique(const struct attach_list *l, const char *path, const char *name,
                        struct err *e)
{
    cleanup_buf struct buf a = BUF_MAX(8192), b = BUF_MAX(8192), c = BUF_MAX(8192);

    for (size_t i = 0; i < l->n; i++) {
        if (strcmp(l->v[i].name, name) != 0)
            continue;
        if (strcmp(l->v[i].path, path) == 0)
            return err_set(e, ERR_USAGE, 0, "attachment %s: is given twice; leave one out",
                           shown(&a, path));
        const char *first = shown(&a, l->v[i].path), *second = shown(&b, path);
        return err_set(e, ERR_USAGE, 0,
                       "attachments %s and %s: both would be called %s; give one another name: "
                       "-f %s:NAME",
                       first, second, shown(&c, name), second);
    }
    return 0;
}

static int64_t mtime_ns(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

static int add(struct attach_list *l, const char *path, const char *wanted, struct buf *notices,
               struct err *e)
{
    cleanup_free char *name = NULL;
    cleanup_buf struct buf sample = BUF_MAX(2 * GUESS_BYTES), head = BUF_MAX(ATTACH_HEAD_BYTES + 1),
                           b1 = BUF_MAX(8192), b2 = BUF_MAX(8192);
    struct stat st;

    if (l->n >= ATTACH_MAX_FILES)
        return err_set(e, ERR_USAGE, 0,
                       "more than %d attachments; join them into fewer files, or attach an archive",
                       ATTACH_MAX_FILES);
    cleanup_fd int fd = open_checked(path, &st, e);
    if (fd < 0)
        return -1;
    const char *plain = wanted ? wanted : io_basename(path);
    name = safe_name(plain);
    if (check_unique(l, path, name, e) < 0 || read_sample(fd, path, &sample, e) < 0)
        return -1;
    if (strcmp(name, plain) != 0)
        buf_putf(notices,
                 "attachment %s is called %s in the sandbox: its own name is not safe there\n",
                 shown(&b1, path), shown(&b2, name));

    bool is_all = (int64_t)sample.n >= (int64_t)st.st_size;
    struct attach a = { .size = st.st_size, .mtime_ns = mtime_ns(&st) };
    a.encoding = guess_encoding(buf_str(&sample), is_all);
    a.head_is_all = guess_head(buf_str(&sample), is_all, a.encoding, ATTACH_HEAD_LINES,
                               ATTACH_HEAD_BYTES, &head);
    a.head = buf_steal(&head);
    a.path = xstrdup(path);
    a.name = steal_ptr(&name);
    l->v = xrealloc(l->v, l->n + 1, sizeof *l->v);
    l->v[l->n++] = a;
    return 0;
}

int attach_add(struct attach_list *l, const char *arg, struct buf *notices, struct err *e)
{
    cleanup_free char *path = NULL, *wanted = NULL;

    if (arg[0] == '\0')
        return err_set(e, ERR_USAGE, 0, "an attachment needs a path: -f PATH[:NAME]");
    if (strcmp(arg, "-") == 0)
        return err_set(e, ERR_USAGE, 0,
                       "-f - is not needed: what is piped into agent is attached by itself");
    if (split(arg, &path, &wanted, e) < 0)
        return -1;
    return add(l, path, wanted, notices, e);
}

int attach_again(struct attach_list *l, const char *path, const char *name, struct buf *notices,
                 struct err *e)
{
    return add(l, path, name, notices, e);
}

int attach_hash(struct attach *a, const struct stop *stop, struct err *e)
{
    enum { BLOCK = 1 << 18 };
    cleanup_buf struct buf b = BUF_MAX(8192);
    cleanup_free unsigned char *block = xmalloc(BLOCK);
    struct sha256 sha;
    struct stat st;
    int64_t total = 0;

    cleanup_fd int fd = open_checked(a->path, &st, e);
    if (fd < 0)
        return -1;
    sha256_init(&sha);
    for (;;) {
        if (stop_check(stop, e) < 0)
            return -1;
        ssize_t r = read(fd, block, BLOCK);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return err_set(e, ERR_USAGE, errno, "attachment %s: read", shown(&b, a->path));
        if (r == 0)
            break;
        sha256_put(&sha, block, (size_t)r);
        total += r;
    }
    if (total != a->size)
        return err_set(
            e, ERR_USAGE, 0,
            "attachment %s: has changed since the run began (%lld bytes then, %lld now); "
            "attach a copy that stays as it is",
            shown(&b, a->path), (long long)a->size, (long long)total);
    if (fstat(fd, &st) < 0)
        return err_set(e, ERR_USAGE, errno, "attachment %s", shown(&b, a->path));
    if (mtime_ns(&st) != a->mtime_ns)
        return err_set(e, ERR_USAGE, 0,
                       "attachment %s: was written to since the run began; attach a copy that "
                       "stays as it is",
                       shown(&b, a->path));
    sha256_hex(&sha, a->sha256);
    return 0;
}

void attach_list_cut(struct attach_list *l, size_t n)
{
    while (l->n > n) {
        struct attach *a = &l->v[--l->n];
        free(a->path);
        free(a->name);
        free(a->head);
    }
}

void attach_list_done(struct attach_list *l)
{
    attach_list_cut(l, 0);
    free(l->v);
    *l = (struct attach_list){ NULL, 0 };
}
