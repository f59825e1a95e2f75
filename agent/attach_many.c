/* One -f for many files: a pattern, or a folder with a slash behind it. */
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "agent/attach.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/base/banned.h"

static void shown(struct buf *b, const char *s)
{
    utf8_clean_line(b, utf8_head(str_of(s), 300));
}

/* Why a file that a pattern found is left out; NULL = it is attached. */
static const char *left_out(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return errno == ENOENT ? "a link that leads nowhere"
                               : NULL; /* attach_add says what it is */
    return S_ISDIR(st.st_mode)    ? "a folder"
           : !S_ISREG(st.st_mode) ? "no regular file"
           : st.st_size == 0      ? "empty"
                                  : NULL;
}

static int add_found(struct attach_list *l, const char *arg, const glob_t *g, struct buf *notices,
                     struct err *e)
{
    cleanup_buf struct buf name = BUF_MAX(4096);
    size_t before = l->n;

    for (size_t i = 0; i < g->gl_pathc; i++) {
        const char *why = left_out(g->gl_pathv[i]);
        if (why) {
            buf_puts(notices, "attachment ");
            shown(notices, g->gl_pathv[i]);
            buf_putf(notices, " is left out: it is %s\n", why);
        } else if (attach_add(l, g->gl_pathv[i], notices, e) < 0) {
            return -1;
        }
    }
    if (l->n > before)
        return 0;
    shown(&name, arg);
    return err_set(e, ERR_USAGE, 0, "attachment %s: %s", buf_cstr(&name),
                   g->gl_pathc ? "there is nothing in it that can be attached"
                   : str_ends(str_of(arg), "/")
                       ? "there is no file in this folder"
                       : "no file matches the pattern; paths start at the current folder");
}

/* The folder's name as a pattern that means only itself, and all that is in it. */
static char *folder_pattern(const char *dir)
{
    cleanup_buf struct buf b = BUF_MAX(64 * 1024);

    for (const char *p = dir; *p; p++) {
        if (strchr("*?[\\", *p))
            buf_putc(&b, '\\');
        buf_putc(&b, *p);
    }
    buf_putc(&b, '*');
    return buf_steal(&b);
}

int attach_add_all(struct attach_list *l, const char *arg, struct buf *notices, struct err *e)
{
    cleanup_free char *pattern = NULL;
    struct stat st;
    glob_t g = { 0 };
    bool exists = stat(arg, &st) == 0;

    if (str_ends(str_of(arg), "/") && exists && S_ISDIR(st.st_mode))
        pattern = folder_pattern(arg);
    else if (!exists && lstat(arg, &st) < 0 && strpbrk(arg, "*?["))
        pattern = xstrdup(arg);
    else
        return attach_add(l, arg, notices, e);
    int r = glob(pattern, GLOB_ERR, NULL, &g);
    if (r == GLOB_ABORTED || r == GLOB_NOSPACE) {
        cleanup_buf struct buf name = BUF_MAX(4096);
        shown(&name, arg);
        r = err_set(e, ERR_USAGE, r == GLOB_ABORTED ? errno : ENOMEM,
                    "attachment %s: its folder cannot be read", buf_cstr(&name));
    } else if (r == GLOB_NOMATCH && strrchr(arg, ':') && !str_ends(str_of(arg), "/")) {
        /* A pattern with a name behind it, or a path with a bracket and one: said by attach_add. */
        r = attach_add(l, arg, notices, e);
    } else {
        r = add_found(l, arg, &g, notices, e);
    }
    globfree(&g);
    return r;
}
