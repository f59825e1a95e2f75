/* Tables: columns as wide as they need, the widest made narrower until all fit, what does not fit
 * into its cell cut. */
#include <stdlib.h>
#include <string.h>
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/markdown_parts.h"
#include "agent/base/banned.h"

#define MAX_COLUMNS 64
#define LEAST_WIDTH 3

enum align { LEFT, RIGHT, CENTRE };

/* The next cell of a row; *row moves on. A column sign that is escaped or in code is none. */
static bool next_cell(struct str *row, struct str *ret)
{
    bool code = false;

    if (row->p == NULL)
        return false;
    for (size_t i = 0; i < row->n; i++) {
        if (row->p[i] == '\\')
            i++;
        else if (row->p[i] == '`')
            code = !code && memchr(row->p + i + 1, '`', row->n - i - 1) != NULL;
        else if (row->p[i] == '|' && !code) {
            *ret = str_trim((struct str){ row->p, i });
            *row = str_from(*row, i + 1);
            return true;
        }
    }
    *ret = str_trim(*row);
    *row = (struct str){ NULL, 0 };
    return true;
}

/* Without the signs at both ends. */
static struct str bare_row(struct str line)
{
    line = str_trim(line);
    if (line.n && line.p[0] == '|')
        line = str_from(line, 1);
    if (line.n && line.p[line.n - 1] == '|' && !(line.n > 1 && line.p[line.n - 2] == '\\'))
        line.n--;
    return line;
}

static size_t split(struct str line, struct str cells[MAX_COLUMNS])
{
    struct str row = bare_row(line), cell;
    size_t n = 0;

    while (n < MAX_COLUMNS && next_cell(&row, &cell))
        cells[n++] = cell;
    return n;
}

bool markdown_has_column(struct str line)
{
    struct str cell;

    line = str_trim(line);
    return line.n && next_cell(&line, &cell) && line.p != NULL;
}

bool markdown_is_rule(struct str rule, struct str head)
{
    struct str cells[MAX_COLUMNS], names[MAX_COLUMNS];
    size_t n = split(rule, cells);

    if (n == 0 || n != split(head, names))
        return false;
    for (size_t i = 0; i < n; i++) {
        struct str c = cells[i];
        if (c.n && c.p[0] == ':')
            c = str_from(c, 1);
        if (c.n && c.p[c.n - 1] == ':')
            c.n--;
        if (c.n == 0)
            return false;
        for (size_t k = 0; k < c.n; k++)
            if (c.p[k] != '-')
                return false;
    }
    return true;
}

struct table {
    const struct markdown_look *look;
    size_t n, shown; /* columns; those that have room */
    enum align align[MAX_COLUMNS];
    size_t width[MAX_COLUMNS];
};

static void measure(struct table *t, struct str line)
{
    struct str cells[MAX_COLUMNS];
    size_t n = split(line, cells);

    for (size_t i = 0; i < n && i < t->n; i++) {
        cleanup_styled struct styled s = STYLED_INIT;
        markdown_inline(cells[i], 0, t->look->colour, &s);
        size_t w = styled_width(&s);
        if (w > t->width[i])
            t->width[i] = w;
    }
}

/* Between the columns stands " | ". */
static void shrink(struct table *t)
{
    size_t room = t->look->columns;

    /* So many that each can have its least width; when some are left out, a mark says so. */
    for (t->shown = t->n; t->shown > 1; t->shown--) {
        size_t least = t->shown < t->n ? 4 : 0;
        for (size_t i = 0; i < t->shown; i++)
            least += (t->width[i] < LEAST_WIDTH ? t->width[i] : LEAST_WIDTH) + (i ? 3 : 0);
        if (least <= room)
            break;
    }
    for (;;) {
        size_t all = t->shown < t->n ? 4 : 0, widest = 0;
        for (size_t i = 0; i < t->shown; i++) {
            all += t->width[i] + (i ? 3 : 0);
            if (t->width[i] > t->width[widest])
                widest = i;
        }
        if (all <= room || t->width[widest] <= 1)
            return;
        /* Straight to the second widest, or as far as is needed. */
        size_t second = 1, over = all - room;
        for (size_t i = 0; i < t->shown; i++)
            if (i != widest && t->width[i] > second)
                second = t->width[i];
        size_t cut = t->width[widest] > second ? t->width[widest] - second : 1;
        cut = cut < over ? cut : over;
        t->width[widest] -= cut < t->width[widest] ? cut : t->width[widest] - 1;
    }
}

static void pad(struct buf *out, size_t n)
{
    while (n--)
        buf_putc(out, ' ');
}

static void dim(const struct table *t, struct buf *out, const char *sign)
{
    if (t->look->colour)
        buf_puts(out, "\033[0;2m");
    buf_puts(out, sign);
    if (t->look->colour)
        buf_puts(out, "\033[0m");
}

static void put_row(const struct table *t, struct str line, unsigned style, struct buf *out)
{
    const struct markdown_look *look = t->look;
    struct str cells[MAX_COLUMNS];
    size_t n = split(line, cells);

    for (size_t i = 0; i < t->shown; i++) {
        cleanup_styled struct styled s = STYLED_INIT;
        cleanup_buf struct buf b = BUF_MAX(SIZE_MAX / 8);
        if (i < n)
            markdown_inline(cells[i], style, look->colour, &s);
        size_t used = styled_write_cut(&s, t->width[i], look->colour, look->ascii, &b);
        size_t left = t->width[i] > used ? t->width[i] - used : 0;
        size_t before = t->align[i] == RIGHT ? left : t->align[i] == CENTRE ? left / 2 : 0;
        if (i)
            dim(t, out, look->ascii ? " | " : " │ ");
        pad(out, before);
        buf_putstr(out, buf_str(&b));
        if (i + 1 < t->n)
            pad(out, left - before);
    }
    if (t->shown < t->n)
        dim(t, out, look->ascii ? " | ~" : " │ …");
    buf_putc(out, '\n');
}

static void put_rule(const struct table *t, struct buf *out)
{
    cleanup_buf struct buf b = BUF_MAX(SIZE_MAX / 8);
    const char *line = t->look->ascii ? "-" : "─", *cross = t->look->ascii ? "-+-" : "─┼─";

    for (size_t i = 0; i < t->shown; i++) {
        buf_puts(&b, i ? cross : "");
        for (size_t k = 0; k < t->width[i]; k++)
            buf_puts(&b, line);
    }
    if (t->shown < t->n) {
        buf_puts(&b, cross);
        buf_puts(&b, line);
    }
    dim(t, out, buf_cstr(&b));
    buf_putc(out, '\n');
}

void markdown_table(struct str lines, const struct markdown_look *look, struct buf *out)
{
    struct table t = { .look = look };
    struct str cells[MAX_COLUMNS], rest = lines, line, head, rule;

    str_cut(&rest, '\n', &head);
    str_cut(&rest, '\n', &rule);
    t.n = split(rule, cells);
    for (size_t i = 0; i < t.n; i++) {
        bool left = cells[i].p[0] == ':', right = cells[i].p[cells[i].n - 1] == ':';
        t.align[i] = right ? left ? CENTRE : RIGHT : LEFT;
        t.width[i] = 1;
    }
    measure(&t, head);
    for (struct str r = rest; r.n;) {
        str_cut(&r, '\n', &line);
        measure(&t, line);
    }
    shrink(&t);
    put_row(&t, head, ST_BOLD, out);
    put_rule(&t, out);
    while (rest.n) {
        str_cut(&rest, '\n', &line);
        put_row(&t, line, 0, out);
    }
}
