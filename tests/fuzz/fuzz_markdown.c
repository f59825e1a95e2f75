/* Properties of Markdown on a terminal, any bytes, any width: any fragmentation gives the same
 * lines; what waits can be shown without changing anything; nothing comes out but text, newlines
 * and our own colour sequences, ended in each line; no line but code is wider than the window. */
#include <stdint.h>
#include <stdlib.h>
#include "agent/base/utf8.h"
#include "agent/markdown.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void pieces(struct str in, size_t step, const struct markdown_look *look, struct buf *out)
{
    struct markdown *m = markdown_new();

    while (in.n) {
        size_t n = step < in.n ? step : in.n;
        struct buf rest = BUF_MAX(64u << 20);
        markdown_feed(m, (struct str){ in.p, n }, look, out);
        if (in.n % 32 < n)
            markdown_rest(m, look, &rest);
        buf_free(&rest);
        in = str_from(in, n);
    }
    markdown_end(m, look, out);
    markdown_free(m);
}

static void check_line(struct str line, const struct markdown_look *look)
{
    size_t width = 0;
    bool on = false, code = str_starts(line, "    ") || !look->colour;

    while (line.n) {
        unsigned cp = 0;
        size_t n = utf8_seq(line, &cp);
        if (n == 0)
            __builtin_trap();
        if (cp == 0x1b) {
            size_t i = 1;
            if (line.n < 3 || line.p[i++] != '[')
                __builtin_trap();
            while (i < line.n && ((line.p[i] >= '0' && line.p[i] <= '9') || line.p[i] == ';'))
                i++;
            if (i >= line.n || line.p[i] != 'm' || !look->colour)
                __builtin_trap();
            on = i > 3;
            n = i + 1;
        } else if (cp < 0x20 || (cp >= 0x7f && cp < 0xa0)) {
            __builtin_trap();
        } else {
            width += utf8_width((struct str){ line.p, n });
        }
        line = str_from(line, n);
    }
    if (on || (!code && width > (look->columns < 10 ? 10 : look->columns)))
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 8192)
        return 0;
    struct markdown_look look = { data[0] % 100u, data[1] & 1, data[1] & 2 };
    struct str in = { (const char *)data + 2, size - 2 }, line;
    cleanup_buf struct buf whole = BUF_MAX(64u << 20), parts = BUF_MAX(64u << 20),
                           bytes = BUF_MAX(64u << 20);

    pieces(in, size, &look, &whole);
    pieces(in, 1 + data[0] % 7, &look, &parts);
    if (size < 1024)
        pieces(in, 1, &look, &bytes);
    else
        buf_putstr(&bytes, buf_str(&whole));
    if (whole.over || !str_eq(buf_str(&whole), buf_str(&parts)) ||
        !str_eq(buf_str(&whole), buf_str(&bytes)))
        __builtin_trap();
    for (struct str rest = buf_str(&whole); rest.n;) {
        if (!str_cut(&rest, '\n', &line))
            __builtin_trap();
        check_line(line, &look);
    }
    return 0;
}
