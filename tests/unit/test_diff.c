/* The diff of two programs made of cells: by hand, and by applying it to random ones. */
#include <stdlib.h>
#include <string.h>
#include "agent/base/mem.h"
#include "agent/diff.h"
#include "tests/unit/tap.h"

static struct diff_cell cell(int number, const char *code)
{
    return (struct diff_cell){ number, str_of(code) };
}

static void by_hand(void)
{
    struct diff_cell old[] = { cell(1, "a\nb"), cell(4, "c\nd\ne\n") };
    struct diff_cell now[] = { cell(1, "a\nb"), cell(3, "c\nD\ne\n"), cell(4, "f") };
    cleanup_buf struct buf out = BUF_MAX(10000);

    diff_cells(old, 2, old, 2, &out);
    CHECK(out.n == 0, "equal programs have no diff");
    diff_cells(old, 2, now, 3, &out);
    CHECK(strcmp(buf_cstr(&out),
                 "@@ -3,5 +3,7 @@ cell 4\n b\n # %%\n c\n-d\n+D\n e\n+# %%\n+f\n") == 0,
          "a changed line and a new cell");
    buf_clear(&out);
    diff_cells(old, 1, NULL, 0, &out);
    CHECK(strcmp(buf_cstr(&out), "@@ -1,3 +0,0 @@ cell 1\n-# %%\n-a\n-b\n") == 0, "all gone");
    buf_clear(&out);
    diff_cells(NULL, 0, old, 1, &out);
    CHECK(strcmp(buf_cstr(&out), "@@ -0,0 +1,3 @@\n+# %%\n+a\n+b\n") == 0, "all new");
}

/* Does `diff` make `now` of `old`? */
static bool applies(struct str old, struct str diff, struct str now)
{
    cleanup_buf struct buf made = BUF_MAX(1 << 24);
    struct str line, kept;
    long at = 1;

    while (diff.n) {
        (void)str_cut(&diff, '\n', &line);
        if (str_starts(line, "@@ ")) {
            long from = strtol(line.p + 4, NULL, 10);
            bool none = strncmp(strchr(line.p, ','), ",0 ", 3) == 0;
            for (from += none; at < from && old.n; at++) {
                (void)str_cut(&old, '\n', &kept);
                buf_putf(&made, "%.*s\n", (int)kept.n, kept.p);
            }
            continue;
        }
        if (line.p[0] != '+') {
            (void)str_cut(&old, '\n', &kept);
            at++;
            if (!str_eq(kept, str_from(line, 1)))
                return false;
        }
        if (line.p[0] != '-')
            buf_putf(&made, "%.*s\n", (int)line.n - 1, line.p + 1);
    }
    buf_putstr(&made, old);
    return str_eq(buf_str(&made), now);
}

static void random_code(struct buf *out, unsigned lines, unsigned kinds)
{
    for (unsigned i = 0; i < lines; i++)
        buf_putf(out, "line %u\n", (unsigned)rand() % kinds);
}

static void at_random(void)
{
    int bad = 0;

    srand(11);
    for (int i = 0; i < 400; i++) {
        cleanup_buf struct buf old = BUF_MAX(1 << 24), now = BUF_MAX(1 << 24),
                               out = BUF_MAX(1 << 24);
        cleanup_buf struct buf whole_old = BUF_MAX(1 << 24), whole_now = BUF_MAX(1 << 24);
        unsigned lines = i == 0 ? 3000 : 40; /* the first is beyond what is compared by lines */
        random_code(&old, (unsigned)rand() % lines + (i == 0 ? 3000 : 0), 7);
        random_code(&now, (unsigned)rand() % lines + (i == 0 ? 3000 : 0), i % 2 ? 7 : 3);
        struct diff_cell a = { 1, buf_str(&old) }, b = { 1, buf_str(&now) };
        diff_cells(&a, 1, &b, 1, &out);
        buf_putf(&whole_old, "# %%%%\n%s", buf_cstr(&old));
        buf_putf(&whole_now, "# %%%%\n%s", buf_cstr(&now));
        bad += !applies(buf_str(&whole_old), buf_str(&out), buf_str(&whole_now));
    }
    CHECK(bad == 0, "%d of 400 random diffs do not make the new text of the old", bad);
}

int main(void)
{
    by_hand();
    at_random();
    return tap_done();
}
