#include "agent/artifacts.h"
#include <cjson/cJSON.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/sha256.h"
#include "agent/base/utf8.h"
#include "agent/base/banned.h"

/* What was seen of a file: enough to know that it is the same and unchanged. */
struct seen {
    char *name;
    ino_t ino;
    off_t size;
    struct timespec mtime, ctime;
    bool listed; /* in `list` */
    size_t index;
};

struct artifacts {
    int workspace_fd, out_fd, extra_fd;
    char *out_dir, *extra_dir;
    void *seen; /* tsearch(3) tree of struct seen, by name */
    struct artifact *list;
    size_t n;
};

/* One walk over the workspace. */
struct walk {
    struct artifacts *a;
    int cell;
    bool baseline;
    size_t entries;
    int made;
    size_t refused;
    struct buf *lines, *notes;
    struct err *e;
};

static int seen_compare(const void *x, const void *y)
{
    return strcmp(((const struct seen *)x)->name, ((const struct seen *)y)->name);
}

static void seen_free(void *p)
{
    struct seen *s = p;

    free(s->name);
    free(s);
}

struct artifacts *artifacts_new(int workspace_fd, int out_fd, const char *out_dir,
                                const char *extra_dir)
{
    struct artifacts *a = xcalloc(1, sizeof *a);

    a->workspace_fd = workspace_fd;
    a->out_fd = out_fd;
    a->out_dir = out_dir ? xstrdup(out_dir) : NULL;
    a->extra_fd = -1;
    a->extra_dir = extra_dir ? xstrdup(extra_dir) : NULL;
    return a;
}

void artifacts_free(struct artifacts *a)
{
    if (a == NULL)
        return;
    tdestroy(a->seen, seen_free);
    for (size_t i = 0; i < a->n; i++) {
        free(a->list[i].name);
        free(a->list[i].file);
        free(a->list[i].kept);
    }
    cleanup_closep(&a->extra_fd);
    free(a->list);
    free(a->out_dir);
    free(a->extra_dir);
    free(a);
}

size_t artifacts_count(const struct artifacts *a)
{
    return a->n;
}

const struct artifact *artifacts_get(const struct artifacts *a, size_t i)
{
    return &a->list[i];
}

int artifacts_open(const struct artifacts *a, size_t i)
{
    const struct artifact *art = artifacts_get(a, i);
    bool out = a->out_fd >= 0;
    int dir = out ? a->out_fd : a->extra_fd;

    return dir < 0 ? -1
                   : openat(dir, out ? art->file : art->kept,
                            O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
}

char *artifacts_path(const struct artifacts *a, size_t i)
{
    const struct artifact *art = artifacts_get(a, i);

    return art->kept ? io_join(a->extra_dir, art->kept)
                     : io_join(a->out_dir ? a->out_dir : "", art->file);
}

cJSON *artifacts_json(const struct artifacts *a, size_t i)
{
    const struct artifact *art = artifacts_get(a, i);
    cleanup_free char *path = artifacts_path(a, i), *whole = realpath(path, NULL);
    cJSON *o = cJSON_CreateObject();

    json_add_str(o, "name", str_of(art->name));
    json_add_str(o, "path", str_of(whole ? whole : path));
    json_add_str(o, "mime", str_of(art->mime));
    json_add_int(o, "bytes", art->size);
    json_add_str(o, "sha256", str_of(art->sha256));
    json_add_int(o, "cell", art->cell);
    return o;
}

static void encode_component(struct buf *out, struct str s)
{
    cleanup_buf struct buf b = BUF_MAX(4096);
    struct str whole = s;

    for (size_t at = 0; at < s.n;) {
        unsigned cp = 0;
        size_t n = utf8_seq(str_from(s, at), &cp);
        bool edge = (at == 0 && (s.p[0] == '.' || s.p[0] == '-')) ||
                    (at + 1 == s.n && (s.p[at] == ' ' || s.p[at] == '.'));
        cleanup_buf struct buf seen = BUF_MAX(64);
        if (n)
            utf8_clean_line(&seen, (struct str){ s.p + at, n });
        bool same = n && str_eq(buf_str(&seen), (struct str){ s.p + at, n });
        if (same && !edge && cp != '%' && cp != '\\' && cp != ':') {
            buf_put(&b, s.p + at, n);
        } else {
            for (size_t i = 0; i < (n ? n : 1); i++)
                buf_putf(&b, "%%%02X", (unsigned char)s.p[at + i]);
        }
        at += n ? n : 1;
    }
    if (b.n <= 200) {
        buf_putstr(out, buf_str(&b));
        return;
    }
    struct sha256 h;
    char hex[65];
    sha256_init(&h);
    sha256_put(&h, whole.p, whole.n);
    sha256_hex(&h, hex);
    buf_putstr(out, utf8_head(buf_str(&b), 180));
    buf_putf(out, "~%.12s", hex);
}

void artifact_file_name(struct buf *out, struct str name)
{
    bool more = true;

    while (more) {
        struct str part;
        more = str_cut(&name, '/', &part);
        encode_component(out, part);
        if (more)
            buf_putc(out, '/');
    }
}

static const char *mime_of(const char *name)
{
    static const struct {
        const char *ext, *mime;
    } types[] = {
        { ".png", "image/png" },
        { ".jpg", "image/jpeg" },
        { ".jpeg", "image/jpeg" },
        { ".svg", "image/svg+xml" },
        { ".pdf", "application/pdf" },
        { ".csv", "text/csv" },
        { ".tsv", "text/tab-separated-values" },
        { ".json", "application/json" },
        { ".html", "text/html" },
        { ".md", "text/markdown" },
        { ".txt", "text/plain" },
        { ".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" },
        { ".docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document" },
        { ".parquet", "application/vnd.apache.parquet" },
        { ".zip", "application/zip" },
    };
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (str_ends(str_of(name), types[i].ext))
            return types[i].mime;
    return "application/octet-stream";
}

#define MAX_NOTES 20 /* a hostile cell can make thousands of things to refuse */

static void note(struct walk *w, const char *name, const char *why)
{
    if (w->refused++ >= MAX_NOTES)
        return;
    utf8_clean_line(w->notes, str_of(name));
    buf_putf(w->notes, ": not brought out: %s\n", why);
}

static bool same_time(const struct timespec *x, const struct timespec *y)
{
    return x->tv_sec == y->tv_sec && x->tv_nsec == y->tv_nsec;
}

/* True when the file is new or changed; remembers it either way. */
static bool update_seen(struct artifacts *a, const char *name, const struct stat *st,
                        struct seen **ret)
{
    struct seen key = { .name = (char *)(uintptr_t)name };
    struct seen **found = tfind(&key, &a->seen, seen_compare);
    struct seen *s = found ? *found : NULL;

    if (s && s->ino == st->st_ino && s->size == st->st_size && same_time(&s->mtime, &st->st_mtim) &&
        same_time(&s->ctime, &st->st_ctim))
        return false;
    if (s == NULL) {
        s = xcalloc(1, sizeof *s);
        s->name = xstrdup(name);
        if (tsearch(s, &a->seen, seen_compare) == NULL)
            abort();
    }
    s->ino = st->st_ino;
    s->size = st->st_size;
    s->mtime = st->st_mtim;
    s->ctime = st->st_ctim;
    *ret = s;
    return true;
}

/* Copies the data, leaving holes holes, and hashes all of it. `size` was judged before; a file that
 * grows meanwhile is read no further. */
static int copy_data(int in, int out, int64_t size, char *hex, struct err *e)
{
    static const char zeros[4096];
    char tmp[65536];
    struct sha256 h;
    int64_t at = 0;

    sha256_init(&h);
    while (at < size) {
        off_t data = lseek(in, at, SEEK_DATA);
        if (data < 0 || data > size)
            data = errno == ENXIO || data > size ? size : at;
        for (int64_t n; at < data; at += n) {
            n = data - at < (int64_t)sizeof zeros ? data - at : (int64_t)sizeof zeros;
            sha256_put(&h, zeros, (size_t)n);
        }
        off_t hole = at < size ? lseek(in, at, SEEK_HOLE) : size;
        if (hole <= at || hole > size)
            hole = size;
        while (at < hole) {
            size_t want = hole - at < (off_t)sizeof tmp ? (size_t)(hole - at) : sizeof tmp;
            ssize_t r = pread(in, tmp, want, at);
            if (r < 0 && errno == EINTR)
                continue;
            if (r < 0)
                return err_set(e, ERR_SYS, errno, "read");
            if (r == 0) { /* cut while we read: what is left counts as a hole */
                memset(tmp, 0, want);
                r = (ssize_t)want;
            } else if (out >= 0) {
                ssize_t n = pwrite(out, tmp, (size_t)r, at);
                if (n != r) /* a part: the disk became full */
                    return err_set(e, ERR_SYS, n < 0 ? errno : ENOSPC, "write");
            }
            sha256_put(&h, tmp, (size_t)r);
            at += r;
        }
    }
    if (out >= 0 && ftruncate(out, size) < 0)
        return err_set(e, ERR_SYS, errno, "write");
    sha256_hex(&h, hex);
    return 0;
}

/* A directory descriptor for the folder part of `file` below `dirfd`, making folders on the way. */
static int make_parents(int dirfd, const char *file, mode_t mode, const char **ret_base,
                        struct err *e)
{
    int fd = fcntl(dirfd, F_DUPFD_CLOEXEC, 3);
    const char *slash;

    while (fd >= 0 && (slash = strchr(file, '/')) != NULL) {
        cleanup_free char *part = xstrndup(file, (size_t)(slash - file));
        if (mkdirat(fd, part, mode) < 0 && errno != EEXIST)
            goto fail;
        int next = io_open_beneath(fd, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        if (next < 0)
            goto fail;
        close(fd);
        fd = next;
        file = slash + 1;
    }
    *ret_base = file;
    if (fd >= 0)
        return fd;
fail:
    err_set(e, ERR_SYS, errno, "create the folder of %s", file);
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Marks a file in the user's own directory as ours, so that the next run may replace it. Where the
 * file system keeps no such marks, each run writes under a new number instead. */
#define OWNED_MARK "user.agent.artifact"

static bool is_owned(int dirfd, const char *file)
{
    char mark[2];
    cleanup_fd int fd = openat(dirfd, file, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);

    return fd >= 0 && fgetxattr(fd, OWNED_MARK, mark, sizeof mark) == 1;
}

static int write_copy(int in, int dirfd, const char *file, int64_t size, bool mark, char *hex,
                      struct err *e)
{
    const char *base = file;
    cleanup_fd int dir = make_parents(dirfd, file, mark ? 0777 : 0700, &base, e);

    if (dir < 0)
        return -1;
    cleanup_free char *tmp = xasprintf(".%.180s.tmp.%ld", base, (long)getpid());
    unlinkat(dir, tmp, 0);
    cleanup_fd int out =
        openat(dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mark ? 0666 : 0600);
    if (out < 0)
        return err_set(e, ERR_SYS, errno, "create %s", file);
    if (copy_data(in, out, size, hex, e) < 0) {
        unlinkat(dir, tmp, 0);
        return err_wrap(e, "%s", file);
    }
    if (mark)
        (void)fsetxattr(out, OWNED_MARK, "1", 1, 0);
    if (renameat(dir, tmp, dir, base) < 0) {
        err_set(e, ERR_SYS, errno, "write %s", file);
        unlinkat(dir, tmp, 0);
        return -1;
    }
    return 0;
}

static int open_extra(struct artifacts *a, struct err *e)
{
    if (a->extra_fd >= 0)
        return 0;
    if (io_mkdirs(a->extra_dir, 0777, e) < 0)
        return err_wrap(e, "--out-dir");
    a->extra_fd = open(a->extra_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (a->extra_fd < 0)
        return err_set(e, ERR_SYS, errno, "--out-dir: open %s", a->extra_dir);
    return 0;
}

/* The second copy, in the user's own directory: never over a file that is not ours. Its name there,
 * which the caller owns; NULL on failure. */
static char *copy_extra(struct artifacts *a, int in, const char *file, int64_t size,
                        struct buf *notes, struct err *e)
{
    char hex[65];
    cleanup_free char *name = xstrdup(file);

    if (open_extra(a, e) < 0)
        return NULL;
    for (int i = 2; faccessat(a->extra_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0; i++) {
        if (is_owned(a->extra_fd, name))
            break;
        const char *dot = strrchr(file, '.');
        if (dot == NULL || dot == file || strchr(dot, '/'))
            dot = file + strlen(file);
        free(name);
        name = xasprintf("%.*s-%d%s", (int)(dot - file), file, i, dot);
    }
    if (write_copy(in, a->extra_fd, name, size, true, hex, e) < 0) {
        err_wrap(e, "--out-dir %s", a->extra_dir);
        return NULL;
    }
    if (strcmp(name, file) != 0)
        buf_putf(notes, "%s/%s was there before and is not ours: the new file is %s\n",
                 a->extra_dir, file, name);
    return steal_ptr(&name);
}

/* Brings one changed file out and lists it. 0 also when it was refused with a note. */
static int bring_out(struct walk *w, int fd, const char *name, const struct stat *st,
                     struct seen *seen)
{
    struct artifacts *a = w->a;

    if (st->st_size > (off_t)MAX_ARTIFACT_BYTES) {
        cleanup_free char *why = xasprintf("%lld bytes is over the limit of %llu",
                                           (long long)st->st_size, MAX_ARTIFACT_BYTES);
        note(w, name, why);
        return 0;
    }
    if (!seen->listed && a->n >= MAX_ARTIFACTS) {
        note(w, name, "too many files in this session");
        return 0;
    }
    cleanup_buf struct buf file = BUF_MAX(8192);
    char hex[65];
    bool was_listed = seen->listed;
    artifact_file_name(&file, str_of(name));
    if (a->out_fd >= 0) {
        if (write_copy(fd, a->out_fd, buf_cstr(&file), st->st_size, false, hex, w->e) < 0)
            return -1;
    } else if (copy_data(fd, -1, st->st_size, hex, w->e) < 0) {
        return -1;
    }
    cleanup_free char *kept =
        a->extra_dir ? copy_extra(a, fd, buf_cstr(&file), st->st_size, w->notes, w->e) : NULL;
    if (a->extra_dir && kept == NULL)
        return -1;
    if (!seen->listed) {
        a->list = xrealloc(a->list, a->n + 1, sizeof *a->list);
        a->list[a->n] = (struct artifact){ .name = xstrdup(name), .file = buf_steal(&file) };
        a->list[a->n].mime = mime_of(name);
        seen->listed = true;
        seen->index = a->n++;
    }
    struct artifact *art = &a->list[seen->index];
    free(art->kept);
    art->kept = steal_ptr(&kept);
    art->size = st->st_size;
    art->cell = w->cell;
    memcpy(art->sha256, hex, sizeof hex);
    utf8_clean_line(w->lines, str_of(name));
    buf_putf(w->lines, " (%s, %lld bytes)\n", was_listed ? "changed" : "new",
             (long long)st->st_size);
    w->made++;
    return 0;
}

static int visit(struct walk *w, int dirfd, const char *prefix, int depth);

static int visit_entry(struct walk *w, int dirfd, const char *name, const char *path, int depth)
{
    cleanup_fd int fd = io_open_beneath(dirfd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
    struct stat st;
    struct seen *seen = NULL;

    if (fd < 0) {
        int sys = errno;
        /* The attachments of large size are links of ours, so links are passed over in silence
         * unless new. */
        if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            update_seen(w->a, path, &st, &seen) && !w->baseline)
            note(w, path, S_ISLNK(st.st_mode) ? "a symbolic link" : strerror(sys));
        return 0;
    }
    if (fstat(fd, &st) < 0)
        return 0;
    if (S_ISDIR(st.st_mode)) {
        if (depth >= MAX_SCAN_DEPTH) {
            if (update_seen(w->a, path, &st, &seen) && !w->baseline)
                note(w, path, "nested too deep");
            return 0;
        }
        return visit(w, fd, path, depth + 1);
    }
    if (!update_seen(w->a, path, &st, &seen) || w->baseline)
        return 0;
    if (!S_ISREG(st.st_mode)) {
        note(w, path, "not a regular file");
        return 0;
    }
    return bring_out(w, fd, path, &st, seen);
}

static int compare_names(const void *x, const void *y)
{
    return strcmp(*(char *const *)x, *(char *const *)y);
}

/* Caches that Python and its libraries keep in their home are nobody's artifacts. */
static bool is_cache(const char *name)
{
    static const char *const caches[] = {
        ".", "..", ".cache", ".config", ".local", "__pycache__", ".ipython", ".ipynb_checkpoints"
    };

    for (size_t i = 0; i < ARRAY_LEN(caches); i++)
        if (strcmp(name, caches[i]) == 0)
            return true;
    return false;
}

static int visit(struct walk *w, int dirfd, const char *prefix, int depth)
{
    int fd = io_open_beneath(dirfd, ".", O_RDONLY | O_DIRECTORY);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    char **names = NULL;
    size_t n = 0;
    int r = 0;

    if (d == NULL) {
        if (fd >= 0)
            close(fd);
        if (!w->baseline) /* the code may have taken its own right to read away */
            note(w, prefix[0] ? prefix : "/workspace", "the folder cannot be read");
        return 0;
    }
    for (struct dirent *de; (de = readdir(d)) != NULL;) {
        if (is_cache(de->d_name))
            continue;
        if (++w->entries > MAX_SCAN_ENTRIES) {
            if (w->entries == MAX_SCAN_ENTRIES + 1 && !w->baseline)
                buf_putf(w->notes,
                         "more than %d files in the workspace: the rest was not looked "
                         "at\n",
                         MAX_SCAN_ENTRIES);
            break;
        }
        names = xrealloc(names, n + 1, sizeof *names);
        names[n++] = xstrdup(de->d_name);
    }
    if (n)
        qsort(names, n, sizeof *names, compare_names);
    for (size_t i = 0; i < n; i++) {
        cleanup_free char *path = prefix[0] ? io_join(prefix, names[i]) : xstrdup(names[i]);
        if (r == 0)
            r = visit_entry(w, dirfd, names[i], path, depth);
        free(names[i]);
    }
    free(names);
    closedir(d);
    return r;
}

int artifacts_baseline(struct artifacts *a, struct err *e)
{
    struct walk w = { .a = a, .baseline = true, .e = e };

    return visit(&w, a->workspace_fd, "", 0);
}

int artifacts_collect(struct artifacts *a, int cell, struct buf *lines, struct buf *notes,
                      struct err *e)
{
    struct walk w = { .a = a, .cell = cell, .lines = lines, .notes = notes, .e = e };

    if (visit(&w, a->workspace_fd, "", 0) < 0)
        return -1;
    if (w.refused > MAX_NOTES)
        buf_putf(notes, "%zu more were not brought out\n", w.refused - MAX_NOTES);
    return w.made;
}
