/* The workspace's files for callers beside the code: read and listed through the descriptor of the
 * folder, written and removed by the base process inside, which has the code's own rights. */
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
#include "sandbox/session.h"
#include "agent/base/banned.h"

#define MAX_NAME 4095

static int refuse(struct err *e, enum err_code code, int sys, struct str name, const char *why)
{
    cleanup_buf struct buf b = BUF_MAX(16 * KIB);

    utf8_clean_line(&b, utf8_head(name, 200));
    return err_set(e, code, sys, "%s in the workspace: %s", buf_cstr(&b), why);
}

static int check_name(struct str name, struct err *e)
{
    struct str rest = name, part;

    if (name.n == 0 || name.n > MAX_NAME || memchr(name.p, '\0', name.n))
        return refuse(e, ERR_USAGE, 0, name, "a name has 1 to 4095 bytes");
    for (bool more = true; more;) {
        more = str_cut(&rest, '/', &part);
        if (part.n == 0 || str_is(part, ".") || str_is(part, ".."))
            return refuse(e, ERR_USAGE, 0, name,
                          "a name is relative, and has no empty, `.' or `..' part");
        if (part.n > 255)
            return refuse(e, ERR_USAGE, 0, name, "a part of a name has at most 255 bytes");
    }
    return 0;
}

int sandbox_file_open(struct sandbox *s, struct str name, int64_t *ret_size, struct err *e)
{
    cleanup_free char *path = str_dup(name);
    struct stat st;

    if (check_name(name, e) < 0)
        return -1;
    cleanup_fd int fd = io_open_beneath(s->workspace_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) < 0)
        return refuse(e, ERR_SYS, errno, name, "cannot be opened");
    if (!S_ISREG(st.st_mode))
        return refuse(e, ERR_USAGE, 0, name, "is no plain file");
    *ret_size = st.st_size;
    return steal_fd(&fd);
}

static int ask(struct sandbox *s, const char *op, struct str name, int *fd, const struct stop *stop,
               struct err *e)
{
    cleanup_buf struct buf frame = BUF_MAX(16 * KIB), why = BUF_MAX(4 * KIB);
    size_t at = frame_begin(&frame, op);

    if (check_name(name, e) < 0)
        return -1;
    frame_put(&frame, "name", name);
    frame_end(&frame, at);
    if (session_ask(s, &frame, fd, fd ? 1 : 0, "file-done", &why, stop, e) < 0)
        return -1;
    if (why.n == 0)
        return 0;
    cleanup_buf struct buf clean = BUF_MAX(16 * KIB);
    utf8_clean_line(&clean, buf_str(&why));
    return refuse(e, ERR_SYS, 0, name, buf_cstr(&clean));
}

int sandbox_file_write(struct sandbox *s, struct str name, int fd, const struct stop *stop,
                       struct err *e)
{
    return ask(s, "file-put", name, &fd, stop, e);
}

int sandbox_file_remove(struct sandbox *s, struct str name, const struct stop *stop, struct err *e)
{
    return ask(s, "file-remove", name, NULL, stop, e);
}

/* One walk: what is met is counted, so that no tree is too large. */
struct walk {
    sandbox_file_fn *fn;
    void *arg;
    size_t entries;
};

static int walk_dir(struct walk *w, int fd, const char *above, int depth)
{
    DIR *d = fdopendir(fd); /* takes it */
    const struct dirent *entry;
    int more = 1;

    if (d == NULL) {
        close(fd);
        return 1;
    }
    while (more && (entry = readdir(d)) != NULL) {
        struct stat st;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (++w->entries > MAX_SCAN_ENTRIES) {
            more = 0;
            break;
        }
        if (fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        cleanup_free char *name =
            above[0] ? xasprintf("%s/%s", above, entry->d_name) : xstrdup(entry->d_name);
        if (S_ISREG(st.st_mode)) {
            w->fn(w->arg, str_of(name), st.st_size);
        } else if (S_ISDIR(st.st_mode) && depth < MAX_SCAN_DEPTH) {
            int sub = io_open_beneath(dirfd(d), entry->d_name, O_RDONLY | O_DIRECTORY);
            if (sub >= 0)
                more = walk_dir(w, sub, name, depth + 1);
        }
    }
    closedir(d);
    return more;
}

int sandbox_file_list(struct sandbox *s, sandbox_file_fn *fn, void *arg, struct err *e)
{
    struct walk w = { fn, arg, 0 };
    int fd = io_open_beneath(s->workspace_fd, ".", O_RDONLY | O_DIRECTORY);

    if (fd < 0)
        return err_set(e, ERR_SYS, errno, "open the workspace");
    return walk_dir(&w, fd, "", 0);
}
