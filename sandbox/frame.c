#include "sandbox/frame.h"
#include <stdint.h>
#include <string.h>
#include "agent/base/banned.h"

static uint32_t get_u32(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;

    return u[0] | (uint32_t)u[1] << 8 | (uint32_t)u[2] << 16 | (uint32_t)u[3] << 24;
}

static void set_u32(char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (char)(v >> (8 * i) & 0xff);
}

int frame_next(struct str in, size_t max, struct str *ret_body, size_t *ret_used)
{
    if (in.n < 4)
        return 0;
    size_t n = get_u32(in.p);
    if (n > max)
        return -1;
    if (in.n - 4 < n)
        return 0;
    *ret_body = (struct str){ in.p + 4, n };
    *ret_used = 4 + n;
    return 1;
}

int frame_parse(struct str body, struct frame *ret)
{
    struct frame f = { .n = 0 };

    while (body.n) {
        size_t name_n = (unsigned char)body.p[0];
        if (f.n == FRAME_MAX_FIELDS || body.n - 1 < name_n + 4)
            return -1;
        struct str name = { body.p + 1, name_n };
        size_t value_n = get_u32(body.p + 1 + name_n);
        body = str_from(body, 1 + name_n + 4);
        if (body.n < value_n)
            return -1;
        f.field[f.n].name = name;
        f.field[f.n].value = (struct str){ body.p, value_n };
        f.n++;
        body = str_from(body, value_n);
    }
    if (f.n == 0 || !str_is(f.field[0].name, "op"))
        return -1;
    *ret = f;
    return 0;
}

struct str frame_get(const struct frame *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (str_is(f->field[i].name, name))
            return f->field[i].value;
    return str_of(NULL);
}

long long frame_num(const struct frame *f, const char *name, long long def)
{
    long long v;

    return str_to_ll(frame_get(f, name), &v) && v >= 0 ? v : def;
}

bool frame_is(const struct frame *f, const char *op)
{
    return str_is(f->field[0].value, op);
}

size_t frame_begin(struct buf *out, const char *op)
{
    size_t at = out->n;

    buf_put(out, "\0\0\0\0", 4);
    frame_put(out, "op", str_of(op));
    return at;
}

void frame_put(struct buf *out, const char *name, struct str value)
{
    char len[4];

    buf_putc(out, (char)strlen(name));
    buf_puts(out, name);
    set_u32(len, (uint32_t)value.n);
    buf_put(out, len, 4);
    buf_putstr(out, value);
}

void frame_put_num(struct buf *out, const char *name, long long value)
{
    cleanup_buf struct buf b = BUF_MAX(32);

    buf_putf(&b, "%lld", value);
    frame_put(out, name, buf_str(&b));
}

void frame_end(struct buf *out, size_t at)
{
    if (!out->over)
        set_u32(out->p + at, (uint32_t)(out->n - at - 4));
}
