#include "agent/diff.h"
#include <stdint.h>
#include <stdlib.h>
#include "agent/base/mem.h"
#include "agent/base/banned.h"

#define AROUND 3
#define MAX_TABLE (4u << 20) /* pairs of lines that are compared: 16 MB for a moment */

struct line {
    struct str text;
    int cell;
};
struct lines {
    struct line *v;
    size_t n, cap;
};
/* What becomes of a line: kept lines stand in both. */
struct edit {
    char sign; /* ' ', '-' or '+' */
    size_t old, now;
};
struct edits {
    struct edit *v;
    size_t n, cap;
};

static void add_line(struct lines *l, struct str text, int cell)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 64;
        l->v = xrealloc(l->v, l->cap, sizeof *l->v);
    }
    l->v[l->n++] = (struct line){ text, cell };
}

static void read_lines(struct lines *l, const struct diff_cell *cells, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct str rest = cells[i].code, line;
        add_line(l, STR("# %%"), cells[i].number);
        while (rest.n) {
            (void)str_cut(&rest, '\n', &line);
            add_line(l, line, cells[i].number);
        }
    }
}

static void add_edit(struct edits *e, char sign, size_t old, size_t now)
{
    if (e->n == e->cap) {
        e->cap = e->cap ? e->cap * 2 : 64;
        e->v = xrealloc(e->v, e->cap, sizeof *e->v);
    }
    e->v[e->n++] = (struct edit){ sign, old, now };
}

static bool same(const struct lines *old, size_t i, const struct lines *now, size_t k)
{
    return str_eq(old->v[i].text, now->v[k].text);
}

/* The middle, between what both begin and end with: the longest common subsequence, by a table of
 * the lengths that are left. */
static void compare(const struct lines *old, size_t from, size_t old_end, const struct lines *now,
                    size_t now_end, struct edits *e)
{
    size_t rows = old_end - from, columns = now_end - from, i = 0, k = 0;
    bool large = columns && rows > MAX_TABLE / (columns + 1);
    uint32_t *left = large ? NULL : xcalloc((rows + 1) * (columns + 1), sizeof *left);

#define LEFT(i, k) left[(i) * (columns + 1) + (k)]
    for (size_t r = left ? rows : 0; r > 0; r--)
        for (size_t c = columns; c > 0; c--) {
            uint32_t down = LEFT(r, c - 1), right = LEFT(r - 1, c);
            LEFT(r - 1, c - 1) = same(old, from + r - 1, now, from + c - 1) ? LEFT(r, c) + 1
                                 : down > right                             ? down
                                                                            : right;
        }
    while (i < rows || k < columns) {
        if (left && i < rows && k < columns && same(old, from + i, now, from + k)) {
            add_edit(e, ' ', from + i, from + k);
            i++;
            k++;
        } else if (i < rows && (k == columns || left == NULL || LEFT(i + 1, k) >= LEFT(i, k + 1))) {
            add_edit(e, '-', from + i++, from + k);
        } else {
            add_edit(e, '+', from + i, from + k++);
        }
    }
#undef LEFT
    free(left);
}

static void find_edits(const struct lines *old, const struct lines *now, struct edits *e)
{
    size_t from = 0, old_end = old->n, now_end = now->n;

    while (from < old_end && from < now_end && same(old, from, now, from)) {
        add_edit(e, ' ', from, from);
        from++;
    }
    while (old_end > from && now_end > from && same(old, old_end - 1, now, now_end - 1)) {
        old_end--;
        now_end--;
    }
    compare(old, from, old_end, now, now_end, e);
    for (; old_end < old->n; old_end++, now_end++)
        add_edit(e, ' ', old_end, now_end);
}

/* One hunk: the edits [from, to). */
static void put_hunk(const struct edits *e, size_t from, size_t to, const struct lines *old,
                     const struct lines *now, struct buf *out)
{
    size_t n_old = 0, n_now = 0, change = from;

    while (e->v[change].sign == ' ')
        change++;
    for (size_t i = from; i < to; i++) {
        n_old += e->v[i].sign != '+';
        n_now += e->v[i].sign != '-';
    }
    const struct edit *first = &e->v[from];
    buf_putf(out, "@@ -%zu,%zu +%zu,%zu @@", first->old + (n_old > 0), n_old,
             first->now + (n_now > 0), n_now);
    size_t at = e->v[change].old < old->n ? e->v[change].old : old->n - 1;
    if (old->n)
        buf_putf(out, " cell %d", old->v[at].cell);
    buf_putc(out, '\n');
    for (size_t i = from; i < to; i++) {
        struct str text = e->v[i].sign == '+' ? now->v[e->v[i].now].text : old->v[e->v[i].old].text;
        buf_putc(out, e->v[i].sign);
        buf_putstr(out, text);
        buf_putc(out, '\n');
    }
}

static void put_hunks(const struct edits *e, const struct lines *old, const struct lines *now,
                      struct buf *out)
{
    for (size_t i = 0; i < e->n;) {
        if (e->v[i].sign == ' ') {
            i++;
            continue;
        }
        size_t from = i > AROUND ? i - AROUND : 0, last = i;
        for (; i < e->n && i <= last + 2 * AROUND; i++)
            if (e->v[i].sign != ' ')
                last = i;
        i = last + 1 + AROUND < e->n ? last + 1 + AROUND : e->n;
        put_hunk(e, from, i, old, now, out);
    }
}

void diff_cells(const struct diff_cell *old, size_t n_old, const struct diff_cell *now,
                size_t n_now, struct buf *out)
{
    struct lines a = { 0 }, b = { 0 };
    struct edits e = { 0 };

    read_lines(&a, old, n_old);
    read_lines(&b, now, n_now);
    find_edits(&a, &b, &e);
    put_hunks(&e, &a, &b, out);
    free(a.v);
    free(b.v);
    free(e.v);
}
