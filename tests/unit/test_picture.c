/* Pictures in a terminal: what a terminal's answer means, and a PNG as sixels, from pixels made
 * here. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "agent/base/mem.h"
#include "agent/picture.h"
#include "tests/unit/tap.h"
#include "agent/base/banned.h"

static void test_answers(void)
{
    static const struct {
        const char *name, *answer;
        bool whole;
        struct picture_place want;
    } rows[] = {
        { "nothing", "", false, { PICTURE_NONE, 0, 0 } },
        { "a plain terminal", "\033[?62;22c", true, { PICTURE_NONE, 0, 0 } },
        { "sixel", "\033[?62;4;22c", true, { PICTURE_SIXEL, 0, 0 } },
        { "sixel as the last", "\033[?62;4c", true, { PICTURE_SIXEL, 0, 0 } },
        { "forty-two is not four", "\033[?62;42;14c", true, { PICTURE_NONE, 0, 0 } },
        { "half of an answer", "\033[?62;4", false, { PICTURE_NONE, 0, 0 } },
        { "kitty", "\033_Gi=4211;OK\033\\\033[6;20;10t\033[?62c", true, { PICTURE_KITTY, 10, 20 } },
        { "kitty that cannot",
          "\033_Gi=4211;ENOTSUPPORTED\033\\\033[?62c",
          true,
          { PICTURE_NONE, 0, 0 } },
        { "iTerm2", "\033P>|iTerm2 3.5.0\033\\\033[?62;4c", true, { PICTURE_ITERM, 0, 0 } },
        { "WezTerm", "\033P>|WezTerm 20240203\033\\\033[?65;4c", true, { PICTURE_ITERM, 0, 0 } },
        { "tmux", "\033P>|tmux 3.3a\033\\\033[?1;2c", true, { PICTURE_NONE, 0, 0 } },
        { "sizes that are none", "\033[6;0;99999t\033[?62;4c", true, { PICTURE_SIXEL, 0, 0 } },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct picture_place got;
        bool whole = picture_answer(str_of(rows[i].answer), &got);
        CHECK(whole == rows[i].whole && got.way == rows[i].want.way &&
                  got.cell_width == rows[i].want.cell_width &&
                  got.cell_height == rows[i].want.cell_height,
              "%s", rows[i].name);
    }
}

/* --- a PNG of these bytes, each row with its filter's number before it --- */

static void put32(struct buf *b, uint32_t v)
{
    for (int s = 24; s >= 0; s -= 8)
        buf_putc(b, (char)(v >> s));
}

static void chunk(struct buf *b, const char *type, const void *data, size_t n)
{
    put32(b, (uint32_t)n);
    buf_puts(b, type);
    buf_put(b, data, n);
    put32(b, 0); /* the checksum is not looked at */
}

static void make_png(struct buf *b, unsigned w, unsigned h, int type, const void *rows, size_t n)
{
    cleanup_buf struct buf head = BUF_MAX(64);
    unsigned char packed[4096];
    uLongf size = sizeof packed;

    buf_put(b, "\x89PNG\r\n\x1a\n", 8);
    put32(&head, w);
    put32(&head, h);
    buf_putc(&head, 8);
    buf_putc(&head, (char)type);
    buf_put(&head, "\0\0\0", 3);
    chunk(b, "IHDR", head.p, head.n);
    if (type == 3) {
        chunk(b, "PLTE", "\0\0\0\377\0\0", 6);
        chunk(b, "tRNS", "\0", 1);
    }
    compress(packed, &size, rows, n);
    chunk(b, "IDAT", packed, size);
    chunk(b, "IEND", "", 0);
}

static void test_sixel(void)
{
    static const struct {
        const char *name;
        unsigned w, h, max_w, max_h;
        int type;
        const char *rows;
        size_t n;
        const char *want;
    } rows[] = {
        { "grey", 2, 1, 9, 9, 0, "\0\377\0", 3, "\"1;1;2;1#0;2;100;100;100#1;2;0;0;0#0@$#1?@-" },
        { "colours, beside each other and above", 1, 2, 9, 9, 2, "\0\377\0\0\0\0\0\377", 8,
          "\"1;1;1;2#0;2;100;0;0#1;2;0;0;100#0@$#1A-" },
        { "transparent is white", 1, 1, 9, 9, 6, "\0\0\0\0\0", 5, "\"1;1;1;1#0;2;100;100;100#0@-" },
        { "a palette, its first colour transparent", 2, 1, 9, 9, 3, "\0\0\1", 3,
          "\"1;1;2;1#0;2;100;100;100#1;2;100;0;0#0@$#1?@-" },
        { "filters sub and up", 2, 2, 9, 9, 0, "\1\12\0\2\0\0", 6, "\"1;1;2;2#0;2;3;3;3#0BB-" },
        { "filters average and Paeth", 2, 2, 9, 9, 0, "\3\20\10\4\0\0", 6,
          "\"1;1;2;2#0;2;6;6;6#0BB-" },
        { "made smaller by averages", 2, 2, 1, 9, 0, "\0\0\377\0\0\377", 6,
          "\"1;1;1;1#0;2;48;48;48#0@-" },
        { "a filter that is none", 1, 1, 9, 9, 0, "\7\0", 2, NULL },
        { "pixels that are missing", 1, 2, 9, 9, 0, "\0\0", 2, NULL },
        { "pixels that are too many", 1, 1, 9, 9, 0, "\0\0\0\0", 4, NULL },
        { "sixteen million columns", 16777216, 1, 9, 9, 0, "\0\0", 2, NULL },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup_buf struct buf png = BUF_MAX(1 << 16), out = BUF_MAX(1 << 16);
        make_png(&png, rows[i].w, rows[i].h, rows[i].type, rows[i].rows, rows[i].n);
        bool ok = picture_sixel(buf_str(&png), rows[i].max_w, rows[i].max_h, &out);
        if (rows[i].want == NULL) {
            CHECK(!ok && out.n == 0, "%s: not shown", rows[i].name);
            continue;
        }
        cleanup_free char *want = xasprintf("\033P0;1q%s\033\\", rows[i].want);
        CHECK(ok && !strcmp(buf_cstr(&out), want), "%s: %s", rows[i].name,
              out.n > 6 ? out.p + 6 : "");
        buf_clear(&out);
        for (size_t cut = 0; cut < png.n; cut += 3)
            ok = ok && !picture_sixel((struct str){ png.p, cut }, 9, 9, &out) && out.n == 0;
        CHECK(ok, "%s: cut anywhere it is not shown", rows[i].name);
    }
}

int main(void)
{
    test_answers();
    test_sixel();
    return tap_done();
}
