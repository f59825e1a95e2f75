/* Property: any fragmentation of the same bytes gives the same events, in the same order. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/mem.h"
#include "providers/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int collect(void *arg, struct str name, struct str data, struct err *e)
{
    struct buf *out = arg;

    (void)e;
    buf_putf(out, "[%zu %zu|", name.n, data.n);
    buf_putstr(out, name);
    buf_putc(out, '|');
    buf_putstr(out, data);
    return 0;
}

static int run(struct str in, size_t step, struct buf *out)
{
    struct sse *s = sse_new();
    struct err e = ERR_INIT;
    int r = 0;

    while (in.n && r == 0) {
        size_t n = step < in.n ? step : in.n;
        r = sse_feed(s, (struct str){ in.p, n }, collect, out, &e);
        in = str_from(in, n);
    }
    if (r == 0)
        r = sse_end(s, collect, out, &e);
    sse_free(s);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = { (const char *)data, size };
    cleanup_buf struct buf whole = BUF_MAX(64u << 20), parts = BUF_MAX(64u << 20);
    int a = run(in, size + 1, &whole), b = run(in, size ? 1 + data[0] % 7 : 1, &parts);

    if (a != b || !str_eq(buf_str(&whole), buf_str(&parts)))
        __builtin_trap();
    return 0;
}
