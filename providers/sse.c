/* How it works: feed() cuts lines (LF, CR or CR LF, also across feeds) into `line`, field() sorts
 * them into `data` and `event`, and an empty line dispatches. A line that lies whole inside one
 * feed is used in place and never copied. */
#include "providers/sse.h"
#include <stdlib.h>
#include <string.h>
#include "agent/base/mem.h"
#include "agent/base/banned.h"

struct sse {
    struct buf line, data, event, bare;
    bool lines; /* no grammar: each line is an event */
    bool has_data;
    bool after_cr; /* the last line ended in CR: a LF that follows belongs to it */
    size_t bom;    /* bytes of the byte order mark seen; BOM_OVER when that is decided */
};

enum { BOM_OVER = 3 };
static const char bom_bytes[] = "\xEF\xBB\xBF";

struct sse *sse_new(void)
{
    struct sse *s = xcalloc(1, sizeof *s);

    s->line.max = s->data.max = s->bare.max = SSE_MAX_EVENT;
    s->event.max = 4096; /* names are short words */
    return s;
}

struct sse *sse_new_lines(void)
{
    struct sse *s = sse_new();

    s->lines = true;
    return s;
}

void sse_free(struct sse *s)
{
    if (s == NULL)
        return;
    buf_free(&s->line);
    buf_free(&s->data);
    buf_free(&s->event);
    buf_free(&s->bare);
    free(s);
}

static int too_long(struct err *e)
{
    return err_set(e, ERR_PROVIDER, 0,
                   "the stream has an event longer than %u MiB: that is no chat reply",
                   SSE_MAX_EVENT / 1024 / 1024);
}

static int flush_bare(struct sse *s, sse_fn *fn, void *arg, struct err *e)
{
    if (s->bare.n == 0)
        return 0;
    int r = fn(arg, STR("bare"), buf_str(&s->bare), e);
    buf_clear(&s->bare);
    return r;
}

static int dispatch(struct sse *s, sse_fn *fn, void *arg, struct err *e)
{
    int r = flush_bare(s, fn, arg, e);

    if (r == 0 && s->has_data) {
        struct str d = buf_str(&s->data);
        d.n--; /* the LF after the last data line */
        r = fn(arg, s->event.n ? buf_str(&s->event) : STR("message"), d, e);
    }
    buf_clear(&s->data);
    buf_clear(&s->event);
    s->has_data = false;
    return r;
}

static int field(struct sse *s, struct str line, sse_fn *fn, void *arg, struct err *e)
{
    struct str name, value = line;
    bool known;

    if (s->lines)
        return str_trim(line).n ? fn(arg, STR("message"), line, e) : 0;
    if (line.p[0] == ':')
        return 0;
    if (line.p[0] == '{' || (s->bare.n && (line.p[0] == ' ' || line.p[0] == '\t' ||
                                           line.p[0] == '}' || line.p[0] == '"'))) {
        buf_putstr(&s->bare, line);
        buf_putc(&s->bare, '\n');
        return s->bare.over ? too_long(e) : 0;
    }
    str_cut(&value, ':', &name);
    if (value.n && value.p[0] == ' ')
        value = str_from(value, 1);
    known = str_is(name, "data") || str_is(name, "event") || str_is(name, "error");
    if (known && flush_bare(s, fn, arg, e) < 0)
        return -1;
    if (str_is(name, "data")) {
        buf_putstr(&s->data, value);
        buf_putc(&s->data, '\n');
        s->has_data = true;
        return s->data.over ? too_long(e) : 0;
    }
    if (str_is(name, "event")) {
        buf_clear(&s->event);
        buf_putstr(&s->event, value);
        return s->event.over ? too_long(e) : 0;
    }
    if (str_is(name, "error"))
        return fn(arg, STR("error"), value, e);
    return 0;
}

static int line_done(struct sse *s, struct str line, sse_fn *fn, void *arg, struct err *e)
{
    return line.n == 0 ? dispatch(s, fn, arg, e) : field(s, line, fn, arg, e);
}

/* Drops one byte order mark at the very front; bytes that only looked like one are a line's begin.
 */
static void skip_bom(struct sse *s, struct str *b)
{
    while (s->bom < BOM_OVER && b->n) {
        if (b->p[0] != bom_bytes[s->bom]) {
            buf_put(&s->line, bom_bytes, s->bom);
            s->bom = BOM_OVER;
            return;
        }
        *b = str_from(*b, 1);
        s->bom++;
    }
}

static size_t line_end(struct str b)
{
    const char *lf = memchr(b.p, '\n', b.n);
    size_t n = lf ? (size_t)(lf - b.p) : b.n;
    const char *cr = memchr(b.p, '\r', n);

    return cr ? (size_t)(cr - b.p) : n;
}

int sse_feed(struct sse *s, struct str b, sse_fn *fn, void *arg, struct err *e)
{
    skip_bom(s, &b);
    while (b.n) {
        if (s->after_cr) {
            s->after_cr = false;
            if (b.p[0] == '\n') {
                b = str_from(b, 1);
                continue;
            }
        }
        size_t n = line_end(b);
        if (n == b.n) {
            buf_putstr(&s->line, b);
            return s->line.over ? too_long(e) : 0;
        }
        struct str line = { b.p, n };
        if (s->line.n) {
            buf_putstr(&s->line, line);
            if (s->line.over)
                return too_long(e);
            line = buf_str(&s->line);
        }
        s->after_cr = b.p[n] == '\r';
        b = str_from(b, n + 1);
        int r = line_done(s, line, fn, arg, e);
        buf_clear(&s->line);
        if (r < 0)
            return -1;
    }
    return 0;
}

int sse_end(struct sse *s, sse_fn *fn, void *arg, struct err *e)
{
    if (s->bom < BOM_OVER) { /* a stream of one or two bytes */
        buf_put(&s->line, bom_bytes, s->bom);
        s->bom = BOM_OVER;
    }
    if (s->line.n && field(s, buf_str(&s->line), fn, arg, e) < 0)
        return -1;
    buf_clear(&s->line);
    return dispatch(s, fn, arg, e);
}
