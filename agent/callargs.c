#include "agent/callargs.h"
#include <cjson/cJSON.h>
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/banned.h"

#define SEND_LIKE "Send {\"code\": \"...\", \"description\": \"...\"}."

/* What a pass over the text has seen and done. */
struct mend {
    struct buf out;
    char open[JSON_MAX_DEPTH]; /* the closing signs that are due, innermost last */
    size_t depth;
    bool in_string, closed; /* closed: the one value is complete */
    const char *what;
};

static void strip_fence(struct str *s, struct mend *m)
{
    struct str rest = *s, first;

    if (!str_starts(*s, "```") || !str_ends(*s, "```") || s->n < 7)
        return;
    str_cut(&rest, '\n', &first);
    first = str_from(first, 3);
    if (first.n && !str_is(str_trim(first), "json"))
        return;
    *s = str_trim((struct str){ rest.p, rest.n >= 3 ? rest.n - 3 : 0 });
    m->what = "a code fence around them";
}

/* One sign outside of strings. false: it cannot be mended. */
static bool take_sign(struct mend *m, struct str rest)
{
    char c = rest.p[0];

    if (c == ',') {
        struct str after = str_trim(str_from(rest, 1));
        if (after.n && (after.p[0] == '}' || after.p[0] == ']')) {
            m->what = "a comma before the end";
            return true;
        }
    } else if (c == '{' || c == '[') {
        if (m->depth == sizeof m->open)
            return false;
        m->open[m->depth++] = c == '{' ? '}' : ']';
    } else if (c == '}' || c == ']') {
        if (m->depth == 0 || m->open[m->depth - 1] != c)
            return false;
        m->closed = --m->depth == 0;
    }
    buf_putc(&m->out, c);
    return true;
}

/* Behind the value there may be nothing but closing signs that nobody opened. */
static bool only_closers(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!strchr("}] \t\r\n", s.p[i]))
            return false;
    return true;
}

static bool mend(struct mend *m, struct str s, bool cut)
{
    strip_fence(&s, m);
    if (s.n == 0 || s.p[0] != '{')
        return false;
    for (; s.n; s = str_from(s, 1)) {
        char c = s.p[0];
        if (m->closed) {
            if (!only_closers(s))
                return false;
            m->what = str_trim(s).n ? "too many closing braces" : m->what;
            break;
        }
        if (!m->in_string) {
            m->in_string = c == '"';
            if (!take_sign(m, s))
                return false;
        } else if (c == '\\' && s.n > 1 && s.p[1] == '\'') {
            m->what = "\\' in a string";
            buf_putc(&m->out, '\'');
            s = str_from(s, 1);
        } else {
            m->in_string = c != '"';
            buf_putc(&m->out, c);
            if (c == '\\' && s.n > 1) {
                buf_putc(&m->out, s.p[1]);
                s = str_from(s, 1);
            }
        }
    }
    if (m->closed)
        return true;
    if (cut || m->in_string)
        return false;
    while (m->depth)
        buf_putc(&m->out, m->open[--m->depth]);
    m->what = "closing braces missing";
    return true;
}

static void refuse(struct buf *why, bool cut, bool is_json, const char *syntax)
{
    if (!is_json && cut)
        buf_puts(why, "the arguments were cut off at your output limit, so nothing ran. Send "
                      "shorter code, in several cells.");
    else if (!is_json)
        buf_putf(why, "the arguments are %s. Nothing ran. " SEND_LIKE, syntax);
    else
        buf_puts(why, "the arguments are not a JSON object. Nothing ran. " SEND_LIKE);
}

/* A string: an object encoded twice, or the one argument without the object around it. */
static cJSON *from_string(const char *s, const char *sole)
{
    struct err ignored = ERR_INIT;
    cJSON *inner = json_parse(str_of(s), &ignored);

    if (cJSON_IsObject(inner))
        return inner;
    bool code = inner == NULL && sole && str_trim(str_of(s)).n && str_trim(str_of(s)).p[0] != '{';
    cJSON_Delete(inner);
    if (!code)
        return NULL;
    cJSON *o = cJSON_CreateObject();
    json_add_str(o, sole, str_of(s));
    return o;
}

void callargs_read(const char *text, bool cut, const char *sole, struct callargs *ret,
                   struct buf *why)
{
    struct err syntax = ERR_INIT, ignored = ERR_INIT;
    struct mend m = { .out = BUF_MAX(2 * (size_t)MAX_ARGS_BYTES) };
    cJSON *args = json_parse(str_of(text), &syntax);

    *ret = (struct callargs){ NULL, NULL };
    if (cJSON_IsString(args)) {
        ret->object = from_string(args->valuestring, sole);
        ret->mended = ret->object ? "a string in place of the object" : NULL;
    } else if (cJSON_IsObject(args)) {
        ret->object = args;
        args = NULL;
    } else if (args == NULL && mend(&m, str_trim(str_of(text)), cut)) {
        ret->object = json_parse(buf_str(&m.out), &ignored);
        ret->mended = ret->object ? m.what : NULL;
    }
    if (ret->object && !cJSON_IsObject(ret->object)) {
        cJSON_Delete(ret->object);
        ret->object = NULL;
    }
    if (ret->object == NULL)
        refuse(why, cut, args != NULL, syntax.msg);
    cJSON_Delete(args);
    buf_free(&m.out);
}
