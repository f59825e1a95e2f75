#include <stdlib.h>
#include <string.h>
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/env_parts.h"
#include "agent/base/banned.h"

#define MAX_NAME 64

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool all_of(struct str s, const char *others)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_alnum(s.p[i]) && (s.p[i] == '\0' || !strchr(others, s.p[i])))
            return false;
    return s.n > 0;
}

static bool is_hex(struct str s, size_t n)
{
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f')))
            return false;
    return s.n == n;
}

int env_check_name(const char *name, struct err *e)
{
    cleanup_buf struct buf shown = BUF_MAX(1024);
    struct str s = str_of(name);

    if (s.n <= MAX_NAME && all_of(s, "._-") && is_alnum(s.p[0]))
        return 0;
    utf8_clean_line(&shown, utf8_head(s, 100));
    return err_set(e, ERR_USAGE, 0,
                   "`%s' cannot be the name of an environment: it must begin with a letter or "
                   "digit and have at most %d letters, digits, dots, dashes and underscores",
                   buf_cstr(&shown), MAX_NAME);
}

/* --- requirements --- */

static bool is_hash(struct str word)
{
    static const struct {
        const char *prefix;
        size_t digits;
    } kinds[] = { { "--hash=sha256:", 64 }, { "--hash=sha384:", 96 }, { "--hash=sha512:", 128 } };

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (str_starts(word, kinds[i].prefix))
            return is_hex(str_from(word, strlen(kinds[i].prefix)), kinds[i].digits);
    return false;
}

/* Moves hashes off the end of `line` into `hashes`. */
static void take_hashes(struct str *line, struct buf *hashes)
{
    for (;;) {
        size_t at = line->n;
        while (at > 0 && line->p[at - 1] != ' ' && line->p[at - 1] != '\t')
            at--;
        struct str word = str_from(*line, at);
        if (at == 0 || !is_hash(word))
            return;
        buf_putc(hashes, ' ');
        buf_putstr(hashes, word);
        *line = str_trim((struct str){ line->p, at });
    }
}

static const char *wrong_with(struct str line)
{
    if (!is_alnum(line.p[0]))
        return line.p[0] == '-' ? "it is an option of pip's" : "it does not begin with a name";
    for (size_t i = 0; i < line.n; i++) {
        if (line.p[i] == '/' || line.p[i] == '\\')
            return "it is a path or URL";
        if (line.p[i] == '@')
            return "it names a place of its own";
    }
    if (memmem(line.p, line.n, " -", 2))
        return "it has an option that is no whole --hash=sha256:...";
    if (!all_of(line, " \t._-+!<>=~,;[]()'\"*"))
        return "it has characters that no requirement has";
    if (str_ends(line, ".whl") || str_ends(line, ".zip") || str_ends(line, ".tar.gz"))
        return "it is a file";
    return NULL;
}

static int add_line(struct buf *out, const char *what, long number, struct str line, struct err *e)
{
    cleanup_buf struct buf hashes = BUF_MAX(MAX_CONF_BYTES), shown = BUF_MAX(1024);

    for (size_t i = 0; i < line.n; i++) {
        if (line.p[i] == '#' && (i == 0 || line.p[i - 1] == ' ' || line.p[i - 1] == '\t')) {
            line.n = i;
            break;
        }
    }
    line = str_trim(line);
    if (line.n == 0)
        return 0;
    struct str whole = line;
    take_hashes(&line, &hashes);
    const char *wrong = line.n ? wrong_with(line) : "it is a hash of nothing";
    if (wrong) {
        cleanup_free char *place = number ? xasprintf("%s, line %ld", what, number) : xstrdup(what);
        utf8_clean_line(&shown, utf8_head(whole, 120));
        return err_set(e, ERR_USAGE, 0,
                       "%s: `%s': %s. What can be given are names with versions, markers and "
                       "hashes, such as \"polars>=0.20\"; wheels of your own go into a folder "
                       "(--wheels DIR)",
                       place, buf_cstr(&shown), wrong);
    }
    buf_putstr(out, line);
    buf_putstr(out, buf_str(&hashes));
    buf_putc(out, '\n');
    if (out->over)
        return err_set(e, ERR_USAGE, 0, "%s: the requirements have more than %u bytes", what,
                       MAX_CONF_BYTES);
    return 0;
}

int env_add_requirements(struct buf *out, const char *what, struct str text, struct err *e)
{
    bool is_argument = memchr(text.p ? text.p : "", '\n', text.n) == NULL;
    long number = 0;

    if (str_starts(text, "\xef\xbb\xbf"))
        text = str_from(text, 3);
    while (text.n) {
        cleanup_buf struct buf joined = BUF_MAX(MAX_CONF_BYTES);
        long first = number + 1;
        for (bool more = true; more && text.n;) {
            struct str line;
            str_cut(&text, '\n', &line);
            number++;
            if (str_ends(line, "\r"))
                line.n--;
            more = str_ends(line, "\\");
            line.n -= more;
            buf_putstr(&joined, line);
            if (more)
                buf_putc(&joined, ' ');
        }
        if (add_line(out, what, is_argument ? 0 : first, buf_str(&joined), e) < 0)
            return -1;
    }
    return 0;
}

/* --- what was installed --- */

void env_packages_done(struct env_packages *p)
{
    for (size_t i = 0; i < p->n; i++) {
        free(p->v[i].name);
        free(p->v[i].version);
    }
    free(p->v);
    *p = (struct env_packages){ NULL, 0 };
}

static bool parse_package(struct str line, struct env_package *ret)
{
    struct str name, version, hash;
    long long bytes;

    if (!str_cut(&line, ' ', &name) || !str_cut(&line, ' ', &version) ||
        !str_cut(&line, ' ', &hash) || !str_to_ll(line, &bytes) || bytes < 0)
        return false;
    if (name.n > 200 || version.n > 200 || !all_of(name, "._-") || !all_of(version, "._-+!") ||
        !is_alnum(name.p[0]) || !is_hex(hash, 64))
        return false;
    ret->name = str_dup(name);
    ret->version = str_dup(version);
    memcpy(ret->sha256, hash.p, 64);
    ret->sha256[64] = '\0';
    ret->bytes = bytes;
    return true;
}

int env_parse_packages(struct str text, struct env_packages *ret, struct err *e)
{
    struct env_packages p = { NULL, 0 };
    struct str line;

    while (text.n) {
        str_cut(&text, '\n', &line);
        struct env_package one = { NULL, NULL, "", 0 };
        if (p.n >= MAX_ENV_PACKAGES || !parse_package(line, &one)) {
            env_packages_done(&p);
            return err_set(e, ERR_SANDBOX, 0,
                           "the list of what was installed is not as it should be (a package "
                           "without a name, version or hash)");
        }
        p.v = xrealloc(p.v, p.n + 1, sizeof *p.v);
        p.v[p.n++] = one;
    }
    *ret = p;
    return 0;
}

void env_write_lock(struct buf *out, const struct env_packages *p)
{
    for (size_t i = 0; i < p->n; i++)
        buf_putf(out, "%s==%s --hash=sha256:%s\n", p->v[i].name, p->v[i].version, p->v[i].sha256);
}
