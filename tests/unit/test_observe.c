/* What the model is told about a cell. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/mem.h"
#include "agent/observe.h"
#include "tests/unit/tap.h"

static struct buf spilled = BUF_MAX(1 << 20);
static char spilled_name[64];

static bool spill(void *arg, const char *name, struct str whole)
{
    (void)arg;
    snprintf(spilled_name, sizeof spilled_name, "%s", name);
    buf_clear(&spilled);
    buf_putstr(&spilled, whole);
    return true;
}

static struct sandbox_item stream(enum sandbox_item_kind kind, const char *text)
{
    return (struct sandbox_item){ .kind = kind, .text = xstrdup(text), .n = strlen(text) };
}

static struct sandbox_item result(const char *mime, const char *text, const char *file)
{
    struct sandbox_item it = { .kind = ITEM_RESULT, .is_main = true, .n_reprs = 1 };

    it.reprs = xcalloc(1, sizeof *it.reprs);
    it.reprs[0] = (struct sandbox_repr){ xstrdup(mime), xstrdup(text), strlen(text) };
    it.file = file ? xstrdup(file) : NULL;
    return it;
}

static void items_free(struct sandbox_item *it, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(it[i].text);
        for (size_t k = 0; k < it[i].n_reprs; k++) {
            free(it[i].reprs[k].mime);
            free(it[i].reprs[k].data);
        }
        free(it[i].reprs);
        free(it[i].file);
    }
}

/* What observe_cell says of these items under a cap. Caller frees. */
static char *said(struct sandbox_item *it, size_t n, size_t cap, const char *traceback)
{
    struct buf out = BUF_MAX(1 << 22);
    struct sandbox_result r = { .items = it, .n_items = n };
    struct observe_cell c = { 3, cap, 30000, "/output", "" };

    r.traceback = traceback ? xstrdup(traceback) : NULL;
    r.status = traceback ? SANDBOX_ERROR : SANDBOX_OK;
    spilled_name[0] = '\0';
    observe_cell(&out, &c, &r, spill, NULL);
    free(r.traceback);
    items_free(it, n);
    return buf_steal(&out);
}

/* What came in pieces, with results between: each line is shown where it ended. */
static void test_bars(void)
{
    struct sandbox_item bar[] = {
        stream(ITEM_STDERR, "\r 10%"),         stream(ITEM_STDOUT, "a\n"),
        stream(ITEM_STDERR, "\r 50%"),         result("text/plain", "1", NULL),
        stream(ITEM_STDERR, "\r100%\nlast\n"), stream(ITEM_STDOUT, "b\n")
    };
    char *s = said(bar, 6, 100, NULL);
    CHECK(strcmp(s, "stdout:\na\nresult:\n1\nstderr:\n100%\nlast\nstdout:\nb\n") == 0,
          "a bar is shown once, where it ended");
    free(s);

    struct sandbox_item parts[] = { stream(ITEM_STDOUT, "x\ny"), result("text/plain", "1", NULL),
                                    stream(ITEM_STDOUT, "z\n\r1\r2"),
                                    result("text/plain", "2", NULL),
                                    stream(ITEM_STDOUT, "\r3\nend") };
    s = said(parts, 5, 100, NULL);
    CHECK(strcmp(s, "stdout:\nx\ny\nresult:\n1\nstdout:\nz\nresult:\n2\nstdout:\n3\nend\n") == 0,
          "parts of lines keep their places");
    free(s);

    struct sandbox_item open[] = { stream(ITEM_STDERR, "\r 1%\r 2%"),
                                   result("text/plain", "1", NULL) };
    s = said(open, 2, 100, NULL);
    CHECK(strcmp(s, "stderr:\n 2%\nresult:\n1\n") == 0, "a bar that never ended");
    free(s);

    struct sandbox_item crlf[] = { stream(ITEM_STDOUT, "\n\na\r\nb\r\n"),
                                   result("text/plain", "1", NULL), stream(ITEM_STDOUT, "c\r\n") };
    s = said(crlf, 3, 100, NULL);
    CHECK(strcmp(s, "stdout:\n\n\na\nb\nresult:\n1\nstdout:\nc\n") == 0, "CR LF is a line end");
    free(s);
}

static void test_plain(void)
{
    struct sandbox_item one[] = { stream(ITEM_STDOUT, "4\n") };
    char *s = said(one, 1, 100, NULL);
    CHECK(strcmp(s, "stdout:\n4\n") == 0, "a short stream is shown whole");
    free(s);

    s = said(NULL, 0, 100, NULL);
    CHECK(strstr(s, "printed nothing"), "a silent cell says so");
    free(s);

    struct sandbox_item pieces[] = { stream(ITEM_STDOUT, "ab"), stream(ITEM_STDOUT, "cd\n") };
    s = said(pieces, 2, 100, NULL);
    CHECK(strcmp(s, "stdout:\nabcd\n") == 0, "pieces of one stream are joined");
    free(s);

    struct sandbox_item mixed[] = { stream(ITEM_STDOUT, "before\n"),
                                    result("text/plain", "42", NULL),
                                    stream(ITEM_STDOUT, "after\n") };
    s = said(mixed, 3, 100, NULL);
    CHECK(strcmp(s, "stdout:\nbefore\nresult:\n42\nstdout:\nafter\n") == 0,
          "prints and results keep their order");
    free(s);

    struct sandbox_item words[] = { result(
        "text/plain", "<Figure size 1x1 with 1 Axes>\n[bar chart; a 1]", "figure-1.png") };
    s = said(words, 1, 100, NULL);
    CHECK(strcmp(s, "result:\n[figure saved as figure-1.png]\n[bar chart; a 1]\n") == 0,
          "a figure is told in words");
    free(s);

    struct sandbox_item fig[] = { result("image/png", "\x89PNG", "figure-1.png") };
    s = said(fig, 1, 100, NULL);
    CHECK(strstr(s, "figure-1.png") && !strstr(s, "PNG\n"), "a figure is named, not printed");
    free(s);
}

static void test_clip(void)
{
    struct buf text = BUF_MAX(1 << 20);
    for (int i = 0; i < 1000; i++)
        buf_putf(&text, "line %04d\n", i); /* 10,000 bytes, 1000 lines */
    struct sandbox_item it[] = { stream(ITEM_STDOUT, buf_cstr(&text)) };
    char *s = said(it, 1, 1000, NULL);
    CHECK(strstr(s, "[... 9000 bytes, 900 lines cut here"), "the cut is counted exactly");
    CHECK(strstr(s, "line 0000\n") && strstr(s, "line 0999\n"), "head and tail are kept");
    CHECK(strstr(s, "/output/cell-3-stdout.txt"), "the file with the whole text is named");
    CHECK(str_eq(buf_str(&spilled), buf_str(&text)), "and holds all of it");
    free(s);

    struct sandbox_item exact[] = { stream(ITEM_STDOUT, buf_cstr(&text)) };
    s = said(exact, 1, 10000, NULL);
    CHECK(!strstr(s, "cut here") && !spilled_name[0], "at the cap nothing is cut");
    free(s);

    /* 1000 three-byte characters: a cap in characters, never inside one. */
    buf_clear(&text);
    for (int i = 0; i < 1000; i++)
        buf_puts(&text, "\xE2\x82\xAC");
    struct sandbox_item wide[] = { stream(ITEM_STDOUT, buf_cstr(&text)) };
    s = said(wide, 1, 1000, NULL);
    CHECK(!strstr(s, "cut here"), "the cap counts characters, not bytes");
    free(s);
    struct sandbox_item wide2[] = { stream(ITEM_STDOUT, buf_cstr(&text)) };
    s = said(wide2, 1, 101, NULL);
    CHECK(strstr(s, "[... 2697 bytes, 0 lines cut") && !strstr(s, "\xEF\xBF\xBD"),
          "no character is torn");
    free(s);

    struct sandbox_item both[] = { stream(ITEM_STDERR, "warn\n"),
                                   stream(ITEM_STDOUT, buf_cstr(&text)) };
    char tb[20001];
    memset(tb, 'x', sizeof tb - 1);
    tb[sizeof tb - 1] = '\0';
    s = said(both, 2, 100, tb);
    size_t n = strlen(s);
    CHECK(n > 20000 && strstr(s, tb) == s + n - 20001, "the traceback is whole and last");
    free(s);
    buf_free(&text);
}

static void test_harmless(void)
{
    struct sandbox_item it[] = { stream(ITEM_STDOUT, "a\x1b[2Jb\xff\xfe\x07\r\nok\n") };
    char *s = said(it, 1, 1000, NULL);
    CHECK(strcmp(s, "stdout:\na\\x1b[2Jb\xEF\xBF\xBD\xEF\xBF\xBD\\x07\nok\n") == 0,
          "control bytes and broken UTF-8 are made harmless");
    free(s);

    struct sandbox_item bar[] = { stream(ITEM_STDERR, "10%\r50%\r100%\ndone\n") };
    s = said(bar, 1, 1000, NULL);
    CHECK(strcmp(s, "stderr:\n100%\ndone\n") == 0, "a progress bar keeps its last state");
    free(s);
}

static void test_digest(void)
{
    char a[65], b[65], c[65];
    struct sandbox_item one[] = { stream(ITEM_STDOUT, "ab") };
    struct sandbox_item two[] = { stream(ITEM_STDOUT, "a"), stream(ITEM_STDOUT, "b") };
    struct sandbox_item other[] = { stream(ITEM_STDOUT, "ac") };
    struct sandbox_result r1 = { .items = one, .n_items = 1, .duration_us = 5 };
    struct sandbox_result r2 = { .items = two, .n_items = 2, .duration_us = 9 };
    struct sandbox_result r3 = { .items = other, .n_items = 1 };

    observe_digest(STR("print('ab')"), &r1, a);
    observe_digest(STR("print('ab')\n"), &r2, b);
    observe_digest(STR("print('ab')"), &r3, c);
    CHECK(strcmp(a, b) == 0, "pieces, times and white space at the end do not count");
    CHECK(strcmp(a, c) != 0, "another output is another digest");
    items_free(one, 1);
    items_free(two, 2);
    items_free(other, 1);
}

int main(void)
{
    test_plain();
    test_bars();
    test_clip();
    test_harmless();
    test_digest();
    buf_free(&spilled);
    return tap_done();
}
