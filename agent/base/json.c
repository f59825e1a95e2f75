#include "json.h"
#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "limits.h"
#include "mem.h"
#include "utf8.h"
#include "banned.h"

/* cJSON accepts what it should not (a NUL ends its text early) and recurses by its own limit
 * (1000), so the text is scanned once for depth and NULs first. */
static int scan(struct str s, struct err *e)
{
    size_t depth = 0;
    bool in_string = false;

    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '\0')
            return err_set(e, ERR_PROVIDER, 0, "not JSON: a NUL byte at offset %zu", i);
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > JSON_MAX_DEPTH)
                return err_set(e, ERR_PROVIDER, 0, "JSON nested deeper than %d at offset %zu",
                               JSON_MAX_DEPTH, i);
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return 0;
}

/* cJSON ends a string at an escaped NUL, which would lose the rest of a text in silence. */
static bool has_nul_escape(struct str s)
{
    return s.n >= 6 && memmem(s.p, s.n, "\\u0000", 6) != NULL;
}

static void replace_nul_escapes(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\\' && i + 5 < s.n && memcmp(s.p + i, "\\u0000", 6) == 0) {
            buf_puts(out, "\\ufffd");
            i += 5;
        } else {
            buf_putc(out, s.p[i]);
            if (s.p[i] == '\\' && i + 1 < s.n)
                buf_putc(out, s.p[++i]);
        }
    }
}

struct cJSON *json_parse(struct str s, struct err *e)
{
    cleanup_buf struct buf copy = BUF_MAX(SIZE_MAX / 4);
    const char *end = NULL;

    if (s.n >= 3 && memcmp(s.p, "\xEF\xBB\xBF", 3) == 0)
        s = str_from(s, 3);
    s = str_trim(s);
    if (s.n == 0) {
        err_set(e, ERR_PROVIDER, 0, "not JSON: it is empty");
        return NULL;
    }
    if (scan(s, e) < 0)
        return NULL;
    if (has_nul_escape(s)) {
        replace_nul_escapes(&copy, s);
        s = buf_str(&copy);
    }
    cJSON *j = cJSON_ParseWithLengthOpts(s.p, s.n, &end, false);
    if (j == NULL) {
        err_set(e, ERR_PROVIDER, 0, "not JSON: syntax error near offset %zu",
                end ? (size_t)(end - s.p) : (size_t)0);
        return NULL;
    }
    if (end != NULL && str_trim(str_from(s, (size_t)(end - s.p))).n != 0) {
        err_set(e, ERR_PROVIDER, 0, "not JSON: more text after the value at offset %zu",
                (size_t)(end - s.p));
        cJSON_Delete(j);
        return NULL;
    }
    return j;
}

/* The number at the front of what is left, outside of strings: those of a JSON text in their order
 * are the numbers of its tree in theirs. */
static struct str next_number(struct str *s)
{
    size_t i = 0, from;

    for (; i < s->n && s->p[i] != '-' && !(s->p[i] >= '0' && s->p[i] <= '9'); i++) {
        if (s->p[i] != '"')
            continue;
        for (i++; i < s->n && s->p[i] != '"'; i++)
            i += s->p[i] == '\\';
    }
    for (from = i; i < s->n && memchr("+-.eE0123456789", s->p[i], 15); i++)
        ;
    struct str number = { s->p + from, i - from };
    *s = str_from(*s, i);
    return number;
}

/* More digits than a double is sure to hold, and the shape that every reader of JSON takes. */
static bool is_long_integer(struct str s)
{
    if (s.n && s.p[0] == '-')
        s = str_from(s, 1);
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return s.n > 15 && s.p[0] != '0';
}

static void keep_integers(cJSON *j, struct str *rest)
{
    cJSON *member;

    if (cJSON_IsNumber(j)) {
        struct str number = next_number(rest);
        if (is_long_integer(number)) {
            j->type = cJSON_Raw;
            j->valuestring = str_dup(number);
        }
    }
    cJSON_ArrayForEach(member, j) keep_integers(member, rest);
}

struct cJSON *json_parse_exact(struct str s, struct err *e)
{
    cJSON *j = json_parse(s, e);

    if (j)
        keep_integers(j, &s);
    return j;
}

void cleanup_jsonp(struct cJSON **j)
{
    cJSON_Delete(*j);
}

const struct cJSON *json_get(const struct cJSON *o, const char *name)
{
    return cJSON_IsObject(o) ? cJSON_GetObjectItemCaseSensitive(o, name) : NULL;
}

const char *json_str(const struct cJSON *o, const char *name)
{
    const cJSON *v = json_get(o, name);
    return cJSON_IsString(v) ? v->valuestring : NULL;
}

const struct cJSON *json_obj(const struct cJSON *o, const char *name)
{
    const cJSON *v = json_get(o, name);
    return cJSON_IsObject(v) ? v : NULL;
}

const struct cJSON *json_arr(const struct cJSON *o, const char *name)
{
    const cJSON *v = json_get(o, name);
    return cJSON_IsArray(v) ? v : NULL;
}

double json_num(const struct cJSON *o, const char *name, double def)
{
    const cJSON *v = json_get(o, name);
    return cJSON_IsNumber(v) && isfinite(v->valuedouble) ? v->valuedouble : def;
}

int64_t json_int(const struct cJSON *o, const char *name, int64_t def)
{
    double d = json_num(o, name, (double)def);

    if (d >= 9.2e18)
        return INT64_MAX;
    if (d <= -9.2e18)
        return INT64_MIN;
    return (int64_t)d;
}

bool json_bool(const struct cJSON *o, const char *name, bool def)
{
    const cJSON *v = json_get(o, name);
    return cJSON_IsBool(v) ? cJSON_IsTrue(v) : def;
}

static void sanitize(struct buf *out, struct str s)
{
    while (s.n) {
        size_t n = s.p[0] == '\0' ? 0 : utf8_seq(s, NULL);
        if (n == 0)
            buf_puts(out, "\xEF\xBF\xBD");
        else
            buf_put(out, s.p, n);
        s = str_from(s, n ? n : 1);
    }
}

void json_add_str(struct cJSON *o, const char *name, struct str s)
{
    cleanup_buf struct buf b = BUF_MAX(SIZE_MAX / 4);

    sanitize(&b, s);
    cJSON_AddStringToObject(o, name, buf_cstr(&b));
}

void json_add_int(struct cJSON *o, const char *name, int64_t v)
{
    cJSON_AddNumberToObject(o, name, (double)v);
}

char *json_text(const struct cJSON *j)
{
    char *p = cJSON_PrintUnformatted(j);

    if (p == NULL)
        abort();
    return p;
}

void json_quote(struct buf *out, struct str s)
{
    static const char hex[] = "0123456789abcdef";

    buf_putc(out, '"');
    while (s.n) {
        size_t run = 0;
        while (run < s.n && s.p[run] >= 0x20 && s.p[run] < 0x7f && s.p[run] != '"' &&
               s.p[run] != '\\')
            run++;
        if (run) { /* nearly all of it: copied whole */
            buf_put(out, s.p, run);
            s = str_from(s, run);
            continue;
        }
        unsigned char c = (unsigned char)s.p[0];
        size_t n = c == 0 ? 1 : utf8_seq(s, NULL);
        if (n == 0) {
            buf_puts(out, "\\ufffd");
            n = 1;
        } else if (c == '"' || c == '\\') {
            buf_putc(out, '\\');
            buf_putc(out, (char)c);
        } else if (c == '\n') {
            buf_puts(out, "\\n");
        } else if (c == '\t') {
            buf_puts(out, "\\t");
        } else if (c == '\r') {
            buf_puts(out, "\\r");
        } else if (c < 0x20 || c == 0x7f) {
            buf_puts(out, "\\u00");
            buf_putc(out, hex[c >> 4]);
            buf_putc(out, hex[c & 15]);
        } else {
            buf_put(out, s.p, n);
        }
        s = str_from(s, n);
    }
    buf_putc(out, '"');
}
