#include "providers/patch.h"
#include <string.h>
#include "agent/base/banned.h"

static size_t skip_space(struct str s, size_t i)
{
    while (i < s.n && (s.p[i] == ' ' || s.p[i] == '\t' || s.p[i] == '\n' || s.p[i] == '\r'))
        i++;
    return i;
}

/* The offset behind the string that starts at `i`. */
static size_t skip_string(struct str s, size_t i)
{
    for (i++; i < s.n && s.p[i] != '"'; i++)
        if (s.p[i] == '\\')
            i++;
    return i < s.n ? i + 1 : s.n;
}

static size_t skip_value(struct str s, size_t i)
{
    size_t depth = 0;

    while (i < s.n) {
        char c = s.p[i];
        if (c == '"') {
            i = skip_string(s, i);
        } else if (c == '{' || c == '[') {
            depth++;
            i++;
        } else if (depth && (c == '}' || c == ']')) {
            depth--;
            i++;
        } else if (depth == 0 && (c == ',' || c == '}' || c == ']')) {
            return i;
        } else {
            i++;
            if (depth)
                continue;
            while (i < s.n && !strchr(",}] \t\r\n", s.p[i]))
                i++;
        }
        if (depth == 0)
            return i;
    }
    return i;
}

struct member {
    struct str name, value; /* the name without its quotes */
};

/* The member at *at, which is moved behind it; false at the object's end. */
static bool next_member(struct str o, size_t *at, struct member *ret)
{
    size_t i = skip_space(o, *at);

    if (i < o.n && o.p[i] == ',')
        i = skip_space(o, i + 1);
    if (i >= o.n || o.p[i] != '"')
        return false;
    size_t end = skip_string(o, i);
    ret->name = (struct str){ o.p + i + 1, end > i + 1 ? end - i - 2 : 0 };
    i = skip_space(o, end);
    if (i >= o.n || o.p[i] != ':')
        return false;
    i = skip_space(o, i + 1);
    end = skip_value(o, i);
    ret->value = (struct str){ o.p + i, end - i };
    *at = end;
    return true;
}

struct str patch_get(struct str body, const char *member)
{
    struct member m;
    size_t at = skip_space(body, 0) + 1;

    while (at < body.n && next_member(body, &at, &m))
        if (str_is(m.name, member))
            return m.value;
    return (struct str){ "", 0 };
}

bool patch_has(struct str body, const char *member)
{
    return patch_get(body, member).n > 0;
}

static void put_name(struct buf *out, struct str name, bool *first)
{
    buf_puts(out, *first ? "\"" : ",\"");
    buf_putstr(out, name);
    buf_puts(out, "\":");
    *first = false;
}

/* Writes object `o` with the member at `path` changed. Paths are short: the depth is bounded by
 * their dots. */
static void put_changed(struct buf *out, struct str o, struct str path, const char *json)
{
    struct str head, rest = path;
    bool deeper = str_cut(&rest, '.', &head), found = false, first = true;
    size_t at = 1;
    struct member m;

    buf_putc(out, '{');
    while (o.n && next_member(o, &at, &m)) {
        if (!str_eq(m.name, head)) {
            put_name(out, m.name, &first);
            buf_putstr(out, m.value);
            continue;
        }
        if (found)
            continue; /* a repeated name: one is enough */
        found = true;
        bool object = m.value.n && m.value.p[0] == '{';
        if (deeper && (json || object)) {
            put_name(out, m.name, &first);
            put_changed(out, object ? m.value : STR("{}"), rest, json);
        } else if (deeper) {
            put_name(out, m.name, &first);
            buf_putstr(out, m.value);
        } else if (json) {
            put_name(out, m.name, &first);
            buf_puts(out, json);
        }
    }
    if (!found && json) {
        put_name(out, head, &first);
        if (deeper)
            put_changed(out, STR("{}"), rest, json);
        else
            buf_puts(out, json);
    }
    buf_putc(out, '}');
}

int patch_body(struct buf *body, const struct patch *p, size_t n, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        struct str o = str_trim(buf_str(body));
        cleanup_buf struct buf out = BUF_MAX(body->max);
        if (o.n < 2 || o.p[0] != '{' || o.p[o.n - 1] != '}')
            return err_set(e, ERR_INTERNAL, 0, "the request to change is no JSON object");
        put_changed(&out, o, str_of(p[i].path), p[i].json);
        if (out.over)
            return err_set(e, ERR_LIMIT, 0, "the request is longer than %zu MiB", body->max >> 20);
        struct buf old = *body;
        *body = out;
        out = old;
    }
    return 0;
}
