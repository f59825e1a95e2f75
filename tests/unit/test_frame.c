/* The interpreter's messages: what is well formed is taken, what lies is refused. Input sits at the
 * end of its allocation, so that the address sanitizer sees a read past it. */
#include <stdlib.h>
#include <string.h>
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "sandbox/collect.h"
#include "sandbox/frame.h"
#include "sandbox/needs.h"
#include "tests/unit/tap.h"
#include "agent/base/banned.h"

/* Fields in a short notation: "op=x;a=bc", without the frame's length. */
static void body_of(struct buf *out, const char *fields)
{
    struct buf frame = BUF_MAX(4096);
    struct str rest = str_of(fields), one, name;

    for (bool more = true; more;) {
        more = str_cut(&rest, ';', &one);
        str_cut(&one, '=', &name);
        cleanup_free char *n = str_dup(name);
        frame_put(&frame, n, one);
    }
    buf_putstr(out, buf_str(&frame));
    buf_free(&frame);
}

static void test_parse(void)
{
    static const struct {
        const char *name, *bytes;
        size_t n;
        int want;
    } cases[] = {
        { "an empty body has no op", "", 0, -1 },
        { "op alone", "\2op\4\0\0\0done", 11, 0 },
        { "op with an empty value", "\2op\0\0\0\0", 7, 0 },
        { "a first field that is not op", "\2ox\4\0\0\0done", 11, -1 },
        { "a value longer than the body", "\2op\5\0\0\0done", 11, -1 },
        { "a value length of 4 GB",
          "\2op\xff\xff\xff\xff"
          "done",
          11, -1 },
        { "a name longer than the body", "\377op\4\0\0\0done", 11, -1 },
        { "a length that is cut off", "\2op\4\0\0", 6, -1 },
        { "a field that begins and ends at once", "\2op\4\0\0\0done\1", 12, -1 },
        { "a second field", "\2op\4\0\0\0done\1k\1\0\0\0v", 18, 0 },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct frame f;
        char *exact = xmalloc(cases[i].n + 1);
        memcpy(exact + 1, cases[i].bytes, cases[i].n);
        int r = frame_parse((struct str){ exact + 1, cases[i].n }, &f);
        CHECK(r == cases[i].want, "%s", cases[i].name);
        free(exact);
    }
}

static void test_many_fields(void)
{
    struct buf b = BUF_MAX(1 << 20);
    struct frame f;

    frame_put(&b, "op", str_of("result"));
    for (int i = 1; i < FRAME_MAX_FIELDS; i++)
        frame_put(&b, "x", str_of("y"));
    CHECK(frame_parse(buf_str(&b), &f) == 0 && f.n == FRAME_MAX_FIELDS, "as many fields as fit");
    frame_put(&b, "x", str_of("y"));
    CHECK(frame_parse(buf_str(&b), &f) < 0, "one more is refused");
    buf_free(&b);
}

static void test_round_trip(void)
{
    struct buf b = BUF_MAX(1 << 20);
    struct str body, in;
    struct frame f;
    size_t used = 0, at = frame_begin(&b, "run");

    frame_put(&b, "code", (struct str){ "a\0b\xff", 4 });
    frame_put_num(&b, "cell", 12);
    frame_end(&b, at);
    size_t first = b.n;
    at = frame_begin(&b, "ack");
    frame_end(&b, at);
    in = buf_str(&b);
    bool early = false;
    for (size_t n = 0; n < first; n++)
        early |= frame_next((struct str){ in.p, n }, 100, &body, &used) != 0;
    CHECK(!early, "no frame before its last byte");
    CHECK(frame_next(in, 100, &body, &used) == 1 && used == first, "then one, of its own length");
    CHECK(frame_parse(body, &f) == 0 && frame_is(&f, "run"), "its op");
    CHECK(str_eq(frame_get(&f, "code"), (struct str){ "a\0b\xff", 4 }), "bytes of any kind");
    CHECK(frame_num(&f, "cell", -1) == 12, "a number");
    CHECK(frame_num(&f, "code", -1) == -1 && frame_num(&f, "none", -2) == -2, "what is no number");
    CHECK(frame_get(&f, "none").n == 0, "an absent field is empty");
    CHECK(frame_next(str_from(in, first), 100, &body, &used) == 1 && frame_parse(body, &f) == 0 &&
              frame_is(&f, "ack"),
          "the next frame follows");
    CHECK(frame_next(in, 5, &body, &used) < 0, "a frame over the cap is refused by its length");
    CHECK(frame_next((struct str){ "\xff\xff\xff\xff", 4 }, MAX_FRAME_BYTES, &body, &used) < 0,
          "a length of 4 GB is refused before its bytes come");
    buf_free(&b);
}

static void test_collect(void)
{
    struct collect c = { .r.status = SANDBOX_OK };
    struct buf b = BUF_MAX(1 << 20);
    struct frame f;

    collect_text(&c, false, str_of("a"));
    collect_text(&c, false, str_of("b"));
    collect_text(&c, true, str_of("e"));
    CHECK(c.r.n_items == 2 && c.r.items[0].n == 2 && strcmp(c.r.items[0].text, "ab") == 0,
          "writes to one stream are joined, the other starts an item");
    body_of(&b, "op=result;main=1;file=../x;m:text/plain=p;m:text/html=h");
    CHECK(frame_parse(buf_str(&b), &f) == 0, "a result");
    collect_result(&c, &f);
    struct sandbox_item *it = &c.r.items[2];
    CHECK(it->n_reprs == 2 && it->is_main && strcmp(it->reprs[1].mime, "text/html") == 0,
          "its representations");
    CHECK(it->file == NULL, "a file name with a slash is dropped");
    buf_clear(&b);
    body_of(&b, "op=result;main=1");
    CHECK(frame_parse(buf_str(&b), &f) == 0, "a result without a representation");
    collect_result(&c, &f);
    CHECK(c.r.n_items == 3 && c.r.dropped_results == 1, "is counted and dropped");
    buf_clear(&b);
    body_of(&b, "op=error;name=E;value=v;traceback=t;line=-3");
    CHECK(frame_parse(buf_str(&b), &f) == 0, "an error");
    collect_error(&c, &f);
    CHECK(strcmp(c.r.error_name, "E") == 0 && c.r.error_line == 0, "with a line that is none");
    sandbox_result_done(&c.r);
    buf_free(&b);
}

static void test_bounds(void)
{
    struct collect c = { .r.status = SANDBOX_OK };
    size_t n = 1 << 20;
    char *big = xcalloc(n, 1);

    for (int i = 0; i < 20; i++)
        collect_text(&c, false, (struct str){ big, n });
    CHECK(c.kept[0] == MAX_STREAM_BYTES && c.r.items[0].n == MAX_STREAM_BYTES,
          "text is kept up to the cap");
    CHECK(c.r.stdout_bytes == 20ll << 20, "and counted beyond it");
    for (int i = 0; i < 100000; i++)
        collect_text(&c, true, (struct str){ i % 2 ? "x" : "y", 1 }),
            collect_text(&c, false, STR("z"));
    CHECK(c.r.n_items <= 4 * MAX_CELL_EVENTS, "alternating writes do not make endless items");
    struct buf b = BUF_MAX(32u << 20);
    struct frame f;
    frame_put(&b, "op", str_of("result"));
    frame_put(&b, "m:text/plain", (struct str){ big, n });
    CHECK(frame_parse(buf_str(&b), &f) == 0, "a result of 1 MiB");
    for (int i = 0; i < 80; i++)
        collect_result(&c, &f);
    CHECK(c.result_bytes <= 64u << 20 && c.r.dropped_results == 80 - 64,
          "results are kept up to 64 MiB a cell, the others counted");
    sandbox_result_done(&c.r);
    buf_free(&b);
    free(big);
}

static void test_needs(void)
{
    static const struct {
        const char *code, *want;
    } cases[] = {
        { "import pandas as pd", "pandas" },
        { "import os, numpy as np\nx = 1", "os numpy" },
        { "  from matplotlib.pyplot import plot", "matplotlib.pyplot" },
        { "from . import x", "" },
        { "important = 1\nfromage = 2", "" },
        { "import", "" },
        { "import \nfrom ", "" },
        { "", "" },
        { "import a\r\nimport b\r\n", "a b" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf b = BUF_MAX(4096);
        needs_of(str_of(cases[i].code), &b);
        CHECK(str_is(buf_str(&b), cases[i].want), "needs of case %zu: %s", i, cases[i].want);
        buf_free(&b);
    }
    struct buf code = BUF_MAX(1 << 22), b = BUF_MAX(4096);
    for (int i = 0; i < 10000; i++)
        buf_putf(&code, "import name%d\n", i);
    needs_of(buf_str(&code), &b);
    CHECK(b.n > 900 && b.n <= 1024, "the list is bounded");
    buf_free(&code);
    buf_free(&b);
}

int main(void)
{
    test_parse();
    test_many_fields();
    test_round_trip();
    test_collect();
    test_bounds();
    test_needs();
    return tap_done();
}
