/* Values: text to field and back, by kind. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/io.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/conf_table.h"
#include "agent/conf_units.h"
#include "sandbox/sandbox.h"
#include "agent/base/banned.h"

static bool parse_bool(struct str s, bool *ret)
{
    static const char *const yes[] = { "true", "yes", "on", "1" };
    static const char *const no[] = { "false", "no", "off", "0" };

    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        if (str_is(s, yes[i]) || str_is(s, no[i])) {
            *ret = str_is(s, yes[i]);
            return true;
        }
    }
    return false;
}

static int parse_choice(const struct conf_setting *s, struct str text)
{
    struct str rest = str_of(s->choices), word;
    int i = 0;

    for (bool more = true; more; i++) {
        more = str_cut(&rest, ' ', &word);
        if (str_eq(word, text))
            return i;
    }
    return -1;
}

void conf_value_range(const struct conf_setting *s, struct buf *out)
{
    if (s->zero_ok)
        buf_puts(out, "0, or ");
    switch (s->kind) {
    case K_LONG:
    case K_NUM:
        buf_putf(out, "%.15g to %.15g", s->min, s->max);
        break;
    case K_PERCENT:
        buf_putf(out, "%.15g%% to %.15g%%", s->min, s->max);
        break;
    case K_SIZE:
        units_put_size(out, (int64_t)s->min);
        buf_puts(out, " to ");
        units_put_size(out, (int64_t)s->max);
        break;
    case K_DURATION:
        units_put_duration(out, (int64_t)s->min);
        buf_puts(out, " to ");
        units_put_duration(out, (int64_t)s->max);
        break;
    case K_BOOL:
        buf_puts(out, "true or false");
        break;
    case K_CHOICE: {
        struct str rest = str_of(s->choices), word;
        for (bool more = true, first = true; more; first = false) {
            more = str_cut(&rest, ' ', &word);
            buf_puts(out, first ? "" : more ? ", " : " or ");
            buf_putstr(out, word);
        }
        break;
    }
    default:
        break;
    }
}

static int bad(const struct conf_setting *s, struct str text, const char *what, struct err *e)
{
    cleanup_buf struct buf clean = BUF_MAX(1024), range = BUF_MAX(1024);

    utf8_clean_line(&clean, utf8_head(text, 60));
    conf_value_range(s, &range);
    return err_set(e, ERR_USAGE, 0, "\"%s\"%s %s%s%s", buf_cstr(&clean), text.n > 60 ? "..." : "",
                   what, range.n ? "; allowed: " : "", buf_cstr(&range));
}

static int set_number(const struct conf_setting *s, void *field, struct str text, struct err *e)
{
    double v = 0;
    long long ll;

    switch (s->kind) {
    case K_PERCENT:
        if (text.n > 1 && text.p[text.n - 1] == '%')
            text.n--;
        /* fall through */
    case K_LONG:
        if (!str_to_ll(text, &ll))
            return bad(s, text, "is not a whole number", e);
        v = (double)ll;
        break;
    case K_SIZE:
        if (!units_size(text, &v))
            return bad(s, text, "is not a size such as 512m or 2g", e);
        v = floor(v);
        break;
    case K_DURATION:
        if (!units_duration(text, &v))
            return bad(s, text, "is not a time such as 30s, 10m or 1h30m", e);
        v = floor(v + 0.5);
        break;
    default:
        if (!units_number(text, &v))
            return bad(s, text, "is not a number", e);
    }
    if (!(v >= s->min && v <= s->max) && !(s->zero_ok && v == 0))
        return bad(s, text, "is out of range", e);
    if (field == NULL)
        return 0;
    if (s->kind == K_LONG || s->kind == K_PERCENT)
        *(long *)field = (long)v;
    else if (s->kind == K_NUM)
        *(double *)field = v;
    else
        *(int64_t *)field = (int64_t)v;
    return 0;
}

/* The one query that an address may have: Azure's older addresses end in it. Another could hold a
 * key, which would end up in records. */
static bool is_query(struct str query)
{
    if (!str_starts(query, "api-version="))
        return false;
    query = str_from(query, strlen("api-version="));
    for (size_t i = 0; i < query.n; i++)
        if (!isalnum((unsigned char)query.p[i]) && query.p[i] != '-' && query.p[i] != '.')
            return false;
    return query.n > 0;
}

static int check_url(const struct conf_setting *s, struct str *text, struct err *e)
{
    struct str rest = *text, host, front;

    if (str_starts(rest, "https://"))
        rest = str_from(rest, 8);
    else if (str_starts(rest, "http://"))
        rest = str_from(rest, 7);
    else
        return bad(s, *text, "is not a URL that starts with https:// or http://", e);
    for (size_t i = 0; i < text->n; i++)
        if ((unsigned char)text->p[i] <= ' ' || (unsigned char)text->p[i] >= 0x7f)
            return bad(s, *text, "has a character that no URL has", e);
    struct str query = rest;
    bool has_query = str_cut(&query, '?', &front);
    rest = front;
    (void)str_cut(&rest, '/', &host);
    /* Not shown: it may hold a password. */
    if (memchr(host.p, '@', host.n))
        return err_set(e, ERR_USAGE, 0,
                       "holds a user name or password, which would end up in records: give the "
                       "key by api_key_env, api_key_file or api_key_cmd");
    if (host.n == 0)
        return bad(s, *text, "names no host", e);
    if (memchr(text->p, '#', text->n) || (has_query && !is_query(query)))
        return err_set(e, ERR_USAGE, 0,
                       "has a query or fragment (only ?api-version=VERSION may stand there): give "
                       "the part before it");
    while (text->n && text->p[text->n - 1] == '/')
        text->n--;
    return 0;
}

static int check_env_name(struct str text, struct err *e)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] != '_' &&
            !(isalnum((unsigned char)text.p[i]) && (i || !isdigit((unsigned char)text.p[0]))))
            return err_set(e, ERR_USAGE, 0,
                           "the value is not the name of an environment variable; it wants the "
                           "name, such as OPENAI_API_KEY, not the key itself");
    return 0;
}

/* A path as written in a settings file: "~/" is the home, relative starts at the file's folder. */
static int resolve(struct str text, const char *dir, char **ret, struct err *e)
{
    cleanup_free char *path = str_dup(text);

    if (dir == NULL || text.n == 0 || path[0] == '/' || str_is(text, "-")) {
        *ret = steal_ptr(&path);
        return 0;
    }
    if (path[0] == '~' && (path[1] == '/' || path[1] == '\0')) {
        const char *home = getenv("HOME");
        if (home == NULL || home[0] != '/')
            return err_set(e, ERR_USAGE, 0, "~ cannot be resolved: HOME is not set");
        *ret = path[1] ? io_join(home, path + 2) : xstrdup(home);
        return 0;
    }
    *ret = str_is(str_of(dir), ".") ? steal_ptr(&path) : io_join(dir, path);
    return 0;
}

static int set_text(const struct conf_setting *s, void *field, struct str text, const char *dir,
                    struct err *e)
{
    cleanup_free char *v = NULL;

    if (memchr(text.p, '\0', text.n))
        return err_set(e, ERR_USAGE, 0, "the value holds a NUL byte");
    if (s->kind == K_URL && text.n && check_url(s, &text, e) < 0)
        return -1;
    if (s->kind == K_ENVNAME && check_env_name(text, e) < 0)
        return -1;
    if (resolve(text, s->kind == K_PATH || s->kind == K_LIST ? dir : NULL, &v, e) < 0)
        return -1;
    if (field == NULL)
        return 0;
    if (conf_is_list(s)) {
        struct conf_list *l = field;
        if (text.n == 0 && s->kind == K_LIST)
            return 0;
        l->v = xrealloc(l->v, l->n + 1, sizeof *l->v);
        l->v[l->n++] = steal_ptr(&v);
        return 0;
    }
    free(*(char **)field);
    *(char **)field = text.n ? steal_ptr(&v) : NULL;
    return 0;
}

static int check_device(struct str word, struct err *e)
{
    for (size_t i = 0; i < word.n; i++)
        if ((unsigned char)word.p[i] <= ' ' || (unsigned char)word.p[i] >= 0x7f)
            return err_set(e, ERR_USAGE, 0,
                           "the value holds a character that no device's name has");
    if (!str_starts(word, "/dev/") || word.n == 5)
        return err_set(e, ERR_USAGE, 0, "\"%.*s\" is no path of a device, such as /dev/nvidia0",
                       (int)(word.n > 100 ? 100 : word.n), word.p);
    return 0;
}

/* Words separated by spaces or commas, each of them checked; "none" alone is none. */
static int set_words(const struct conf_setting *s, char **field, struct str text, struct err *e)
{
    bool hosts = s->kind == K_HOSTS;
    size_t most = hosts ? MAX_NETWORK_HOSTS : MAX_DEVICES;
    cleanup_buf struct buf b = BUF_MAX(most * 300);
    size_t n = 0;

    for (size_t i = 0; i < text.n;) {
        struct str word = { text.p + i, 0 };
        while (i + word.n < text.n && !strchr(" \t\n,", text.p[i + word.n]))
            word.n++;
        i += word.n + 1;
        if (word.n == 0 || (text.n == 4 && str_is(word, "none")))
            continue;
        if (memchr(word.p, '\0', word.n))
            return err_set(e, ERR_USAGE, 0, "the value holds a NUL byte");
        if (str_is(word, "none"))
            return err_set(e, ERR_USAGE, 0, "\"none\" stands alone, without %s beside it",
                           hosts ? "hosts" : "devices");
        if ((hosts ? sandbox_check_host : check_device)(word, e) < 0)
            return -1;
        if (++n > most)
            return err_set(e, ERR_USAGE, 0, "more than %zu %s", most, hosts ? "hosts" : "devices");
        if (b.n)
            buf_putc(&b, ' ');
        buf_putstr(&b, word);
    }
    if (field == NULL)
        return 0;
    free(*field);
    *field = n ? buf_steal(&b) : NULL;
    return 0;
}

static int set_languages(char **field, struct str text, struct err *e)
{
    cleanup_buf struct buf b = BUF_MAX(4 * KIB);
    unsigned seen = 0;

    for (size_t i = 0; i < text.n;) {
        struct str word = { text.p + i, 0 };
        while (i + word.n < text.n && !strchr(" \t\n,", text.p[i + word.n]))
            word.n++;
        i += word.n + 1;
        if (word.n == 0)
            continue;
        cleanup_free char *name = str_dup(word);
        const struct sandbox_language *l = sandbox_language(name);
        if (l == NULL) {
            cleanup_buf struct buf known = BUF_MAX(4 * KIB);
            for (size_t k = 0; k < sandbox_languages_n; k++)
                buf_putf(&known, " %s", sandbox_languages[k].name);
            return err_set(e, ERR_USAGE, 0, "there is no language \"%.60s\"; there are:%s", name,
                           buf_cstr(&known));
        }
        unsigned bit = 1u << (l - sandbox_languages);
        if (seen & bit)
            continue;
        seen |= bit;
        buf_putf(&b, "%s%s", b.n ? " " : "", l->name);
    }
    if (!(seen & 1))
        return err_set(e, ERR_USAGE, 0,
                       "python is always among the languages; write \"python%s%s\"", b.n ? " " : "",
                       buf_cstr(&b));
    if (field == NULL)
        return 0;
    free(*field);
    *field = buf_steal(&b);
    return 0;
}

int conf_value_set(const struct conf_setting *s, void *field, struct str text, const char *dir,
                   struct err *e)
{
    if (s->kind != K_STR)
        text = str_trim(text);
    switch (s->kind) {
    case K_NUM:
        if (text.n == 0) {
            if (field)
                *(double *)field = NAN;
            return 0;
        }
        return set_number(s, field, text, e);
    case K_LONG:
    case K_PERCENT:
    case K_SIZE:
    case K_DURATION:
        return set_number(s, field, text, e);
    case K_BOOL: {
        bool v;
        if (!parse_bool(text, &v))
            return bad(s, text, "is neither yes nor no", e);
        if (field)
            *(bool *)field = v;
        return 0;
    }
    case K_CHOICE: {
        int v = parse_choice(s, text);
        if (v < 0)
            return bad(s, text, "is not one of the choices", e);
        if (field)
            *(int *)field = v;
        return 0;
    }
    case K_HOSTS:
    case K_DEVICES:
        return set_words(s, field, text, e);
    case K_LANGUAGES:
        return set_languages(field, text, e);
    default:
        return set_text(s, field, text, dir, e);
    }
}

void conf_value_text(const struct conf_setting *s, const void *field, size_t i, struct buf *out)
{
    switch (s->kind) {
    case K_LONG:
        buf_putf(out, "%ld", *(const long *)field);
        break;
    case K_PERCENT:
        buf_putf(out, "%ld%s", *(const long *)field, *(const long *)field ? "%" : "");
        break;
    case K_NUM:
        if (!isnan(*(const double *)field))
            buf_putf(out, "%.15g", *(const double *)field);
        break;
    case K_SIZE:
        units_put_size(out, *(const int64_t *)field);
        break;
    case K_DURATION:
        units_put_duration(out, *(const int64_t *)field);
        break;
    case K_BOOL:
        buf_puts(out, *(const bool *)field ? "true" : "false");
        break;
    case K_CHOICE: {
        struct str rest = str_of(s->choices), word = { "", 0 };
        for (int k = 0; k <= *(const int *)field; k++)
            (void)str_cut(&rest, ' ', &word);
        buf_putstr(out, word);
        break;
    }
    case K_LIST:
    case K_TEXTS: {
        const struct conf_list *l = field;
        if (i < l->n)
            buf_puts(out, l->v[i]);
        break;
    }
    case K_HOSTS:
    case K_DEVICES:
        buf_puts(out, *(char *const *)field ? *(char *const *)field : "none");
        break;
    default:
        buf_putstr(out, str_of(*(char *const *)field));
    }
}

bool conf_is_list(const struct conf_setting *s)
{
    return s->kind == K_LIST || s->kind == K_TEXTS;
}

size_t conf_value_count(const struct conf_setting *s, const void *field)
{
    return conf_is_list(s) ? ((const struct conf_list *)field)->n : 1;
}

void conf_value_free(const struct conf_setting *s, void *field)
{
    switch (s->kind) {
    case K_STR:
    case K_PATH:
    case K_URL:
    case K_ENVNAME:
    case K_HOSTS:
    case K_LANGUAGES:
    case K_DEVICES:
        free(*(char **)field);
        *(char **)field = NULL;
        break;
    case K_LIST:
    case K_TEXTS: {
        struct conf_list *l = field;
        for (size_t i = 0; i < l->n; i++)
            free(l->v[i]);
        free(l->v);
        *l = (struct conf_list){ NULL, 0 };
        break;
    }
    default:
        break;
    }
}
