/* agent.conf: INI, split into sections and names by libinih.
 *
 * libinih cuts a line at 200 bytes, takes " ;" as the start of a comment and joins indented lines,
 * each of which would damage a shell command or a prompt. So it is given each line's name with an
 * empty value, and the value is taken from the line itself: nothing is cut, and it does not matter
 * how the library was built. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <ini.h>
#include "agent/base/io.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/conf_load.h"
#include "agent/base/banned.h"

struct reading {
    struct conf_loader *l;
    const char *path;
    char *dir;
    enum conf_level level;
    struct str rest;        /* of the file */
    struct str value;       /* of the current line */
    struct str section;     /* whole: libinih would cut it at 50 bytes */
    struct conf_rule *rule; /* the section, when it is not a profile */
    int line;
    size_t first; /* assignments from here on are this file's */
    struct err *e;
    bool failed;
};

__attribute__((format(printf, 2, 3))) static int fail(struct reading *r, const char *fmt, ...)
{
    cleanup_buf struct buf b = BUF_MAX(2000);
    va_list ap;

    if (r->failed) /* the first mistake is the one to tell */
        return 0;
    va_start(ap, fmt);
    buf_vputf(&b, fmt, ap);
    va_end(ap);
    err_set(r->e, ERR_CONFIG, 0, "%s:%d: %s", r->path, r->line, buf_cstr(&b));
    r->failed = true;
    return 0;
}

/* libinih's idea of fgets(): one line a call. */
static char *next_line(char *out, int max, void *arg)
{
    struct reading *r = arg;
    struct str line, name;

    if (r->rest.n == 0 || r->failed)
        return NULL;
    r->line++;
    (void)str_cut(&r->rest, '\n', &line);
    line = str_trim(line);
    if (line.n == 0 || line.p[0] == '#' || line.p[0] == ';')
        line = STR("");
    r->value = STR("");
    name = line;
    if (line.n && line.p[0] == '[') {
        const char *end = memrchr(line.p, ']', line.n);
        r->rule = NULL;
        r->section =
            end ? str_trim((struct str){ line.p + 1, (size_t)(end - line.p) - 1 }) : STR("");
    }
    if (line.n && line.p[0] != '[') {
        size_t k = 0;
        while (k < line.n && line.p[k] != '=' && line.p[k] != ':')
            k++;
        name = (struct str){ line.p, k < line.n ? k + 1 : k };
        r->value = str_trim(str_from(line, k + 1));
        if (k == line.n) {
            cleanup_buf struct buf b = BUF_MAX(1024);
            fail(r, "\"%s\" is not of the form name = value", conf_shown(&b, line));
            return NULL;
        }
    }
    /* 100 is far above every name and far below what libinih can take. */
    if (name.n > 100 || name.n + 2 > (size_t)max) {
        fail(r, "the name or section is too long");
        return NULL;
    }
    memcpy(out, name.p, name.n);
    memcpy(out + name.n, "\n", 2);
    return out;
}

/* "..." with \n \t \\ \" inside, so that any text can stand on one line. Other text is as it is. */
static int unquote(struct reading *r, struct buf *out)
{
    struct str s = r->value;

    if (s.n == 0 || s.p[0] != '"') {
        buf_putstr(out, s);
        return 0;
    }
    for (size_t i = 1; i < s.n; i++) {
        if (s.p[i] == '"') {
            if (i + 1 == s.n)
                return 0;
            break;
        }
        if (s.p[i] != '\\') {
            buf_putc(out, s.p[i]);
            continue;
        }
        i++;
        if (i < s.n && (s.p[i] == '\\' || s.p[i] == '"')) {
            buf_putc(out, s.p[i]);
        } else if (i < s.n && (s.p[i] == 'n' || s.p[i] == 't')) {
            buf_putc(out, s.p[i] == 'n' ? '\n' : '\t');
        } else {
            fail(r, "in a quoted value \\ stands before n, t, \\ or \" only");
            return -1;
        }
    }
    fail(r, "a value that starts with a quote must end with one; write \\\" for a quote inside");
    return -1;
}

/* Which profile the line belongs to ("" = none); or which rule, then r->rule is set. */
static int section_of(struct reading *r, struct str *ret_profile)
{
    struct err e = ERR_INIT;

    *ret_profile = STR("");
    if (r->section.n == 0 || r->rule)
        return 0;
    if (str_starts(r->section, "profile ")) {
        *ret_profile = str_trim(str_from(r->section, 8));
        return 0;
    }
    r->rule = conf_rule_open(r->l->c, r->section, &e);
    if (r->rule == NULL) {
        fail(r, "%s", e.msg);
        return -1;
    }
    r->rule->where = xasprintf("%s:%d", r->path, r->line);
    r->rule->project = r->level == L_PROJECT;
    return 0;
}

static int rule_line(struct reading *r, const char *name, struct str value)
{
    struct err e = ERR_INIT;

    if (conf_rule_set(r->rule, str_of(name), value, r->dir, &e) < 0)
        fail(r, "%s", e.msg);
    return 1;
}

static int unknown_name(struct reading *r, const char *name)
{
    cleanup_buf struct buf b = BUF_MAX(1024);
    const char **names = xcalloc(conf_table_n, sizeof *names);

    if (strcmp(name, "api_key") == 0 || strcmp(name, "key") == 0) {
        fail(r, "%s is not a setting: %s", name, conf_key_advice);
    } else {
        size_t n = 0;
        for (size_t i = 0; i < conf_table_n; i++)
            if (!conf_table[i].flag_only)
                names[n++] = conf_table[i].name;
        const char *near = conf_nearest(str_of(name), names, n);
        fail(r, "unknown setting \"%s\"%s%s%s", conf_shown(&b, str_of(name)),
             near ? "; did you mean " : "; agent --print-config lists all", near ? near : "",
             near ? "?" : "");
    }
    free(names);
    return 0;
}

static int handle(void *user, const char *section, const char *name, const char *value)
{
    struct reading *r = user;
    struct str of;
    cleanup_buf struct buf text = BUF_MAX(MAX_CONF_BYTES);

    (void)value, (void)section; /* the one empty, the other cut: see the top of this file */
    if (r->failed || section_of(r, &of) < 0)
        return 1;
    if (r->rule)
        return unquote(r, &text) < 0 ? 1 : rule_line(r, name, buf_str(&text));
    cleanup_free char *profile = of.n ? str_dup(of) : NULL;
    int setting = conf_find(str_of(name));
    if (setting < 0 || conf_table[setting].flag_only) {
        unknown_name(r, name);
        return 1;
    }
    if (unquote(r, &text) < 0)
        return 1;
    for (size_t i = r->first; i < r->l->n; i++) {
        const struct conf_assign *a = &r->l->v[i];
        bool same_section = profile ? a->profile && !strcmp(a->profile, profile) : !a->profile;
        if (a->setting == setting && same_section && !conf_is_list(&conf_table[setting])) {
            fail(r, "%s is set twice: in line %d too", name, a->line);
            return 1;
        }
    }
    struct conf_assign *a = conf_assign_add(r->l, setting, r->level + (profile ? 1 : 0),
                                            buf_str(&text), xasprintf("%s:%d", r->path, r->line));
    a->dir = xstrdup(r->dir);
    a->line = r->line;
    a->profile = profile ? xstrdup(profile) : NULL;
    if (profile)
        conf_list_add(&r->l->profiles, profile);
    return 1;
}

/* Opens without waiting: a FIFO of that name must not hang a run. */
static int read_all(struct conf_loader *l, const char *path, struct buf *text, bool *ret_there,
                    struct err *e)
{
    struct stat st;
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    *ret_there = false;
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return 0;
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set(e, ERR_CONFIG, errno, "open %s", path);
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_CONFIG, 0, "%s is not a regular file", path);
    if (io_read_fd(fd, text, e) < 0) {
        e->code = ERR_CONFIG;
        return err_wrap(e, "%s", path);
    }
    if (st.st_mode & S_IWOTH)
        conf_note(l->c, "%s can be written by everyone on this machine: chmod o-w %s", path, path);
    *ret_there = true;
    return 0;
}

int conf_read_file(struct conf_loader *l, const char *path, enum conf_level level, struct err *e)
{
    cleanup_buf struct buf text = BUF_MAX(MAX_CONF_BYTES);
    bool there;

    if (read_all(l, path, &text, &there, e) < 0)
        return -1;
    if (!there)
        return 0;
    const char *slash = strrchr(path, '/');
    cleanup_free char *dir = slash ? xstrndup(path, (size_t)(slash - path)) : xstrdup(".");
    struct reading r = { .l = l, .path = path, .dir = dir, .level = level, .first = l->n, .e = e };
    r.rest = buf_str(&text);
    const char *nul = r.rest.n ? memchr(r.rest.p, '\0', r.rest.n) : NULL;
    if (nul) {
        for (const char *p = r.rest.p; p < nul; p++)
            r.line += *p == '\n';
        r.line++;
        fail(&r, "a NUL byte; agent.conf is a text file in UTF-8");
        return -1;
    }
    if (str_starts(r.rest, "\xEF\xBB\xBF"))
        r.rest = str_from(r.rest, 3);
    int bad_line = ini_parse_stream(next_line, &r, handle, &r);
    if (bad_line != 0 && !r.failed) {
        r.line = bad_line > 0 ? bad_line : r.line;
        fail(&r, "is not of the form name = value or [profile NAME]");
    }
    return r.failed ? -1 : 0;
}
