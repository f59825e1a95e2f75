#include "agent/styled.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/base/banned.h"

void styled_done(struct styled *t)
{
    buf_free(&t->text);
    buf_free(&t->style);
}

void styled_put(struct styled *t, struct str s, unsigned style)
{
    buf_putstr(&t->text, s);
    for (size_t i = 0; i < s.n; i++)
        buf_putc(&t->style, (char)style);
}

size_t styled_width(const struct styled *t)
{
    return utf8_width(buf_str(&t->text));
}

/* The character at `at`: its bytes, and in *w its columns. */
static size_t step(const struct styled *t, size_t at, size_t *w)
{
    size_t n = utf8_seq(str_from(buf_str(&t->text), at), NULL);

    if (n == 0)
        n = 1;
    *w = utf8_width((struct str){ t->text.p + at, n });
    return n;
}

size_t styled_fit(const struct styled *t, size_t from, size_t columns)
{
    size_t at = from, used = 0, w;

    while (at < t->text.n) {
        size_t n = step(t, at, &w);
        if (used + w > columns)
            break;
        used += w;
        at += n;
    }
    return at - from;
}

static void change_style(struct buf *out, unsigned style)
{
    static const char *const on[] = { ";1", ";2", ";3", ";4", ";9" };

    buf_puts(out, "\033[0");
    for (unsigned i = 0; i < ARRAY_LEN(on); i++)
        if (style & 1u << i)
            buf_puts(out, on[i]);
    if (style >> 5)
        buf_putf(out, ";3%u", style >> 5);
    buf_putc(out, 'm');
}

void styled_write(const struct styled *t, size_t from, size_t to, bool colour, struct buf *out)
{
    unsigned now = 0;

    for (size_t i = from; i < to;) {
        unsigned style = (unsigned char)t->style.p[i];
        size_t end = i;
        while (end < to && (unsigned char)t->style.p[end] == style)
            end++;
        if (colour && style != now)
            change_style(out, style);
        now = style;
        buf_put(out, t->text.p + i, end - i);
        i = end;
    }
    if (colour && now)
        buf_puts(out, "\033[0m");
}

size_t styled_write_cut(const struct styled *t, size_t columns, bool colour, bool ascii,
                        struct buf *out)
{
    size_t all = styled_width(t);

    if (all <= columns) {
        styled_write(t, 0, t->text.n, colour, out);
        return all;
    }
    if (columns == 0)
        return 0;
    size_t n = styled_fit(t, 0, columns - 1);
    styled_write(t, 0, n, colour, out);
    buf_puts(out, ascii ? "~" : "…");
    return utf8_width((struct str){ t->text.p, n }) + 1;
}

/* Where a line that begins at `at` ends when it has `columns`, and where the next one begins. */
static size_t line_end(const struct styled *t, size_t at, size_t columns, size_t *next)
{
    size_t fit = styled_fit(t, at, columns), end = at + fit, w;

    if (end >= t->text.n) {
        *next = t->text.n;
        return t->text.n;
    }
    if (fit == 0) /* a wide character in one column: it has to go somewhere */
        end = at + step(t, at, &w);
    size_t cut = end;
    if (t->text.p[end] != ' ') {
        size_t best = 0;
        for (size_t i = at; i < end;) {
            size_t n = step(t, i, &w);
            if (t->text.p[i] == ' ' && i > at)
                best = i;
            else if (w == 2 && i + n <= end)
                best = i + n;
            i += n;
        }
        if (best > at)
            cut = best;
    }
    for (*next = cut; *next < t->text.n && t->text.p[*next] == ' ';)
        ++*next;
    while (cut > at && t->text.p[cut - 1] == ' ')
        cut--;
    return cut;
}

void styled_wrap(const struct styled *t, const struct styled *first, const struct styled *others,
                 size_t columns, bool colour, struct buf *out)
{
    const struct styled *before = first;
    size_t at = 0;

    do {
        size_t indent = styled_width(before), next;
        size_t end = line_end(t, at, columns > indent + 1 ? columns - indent : 1, &next);
        styled_write(before, 0, before->text.n, colour, out);
        styled_write(t, at, end, colour, out);
        buf_putc(out, '\n');
        at = next;
        before = others;
    } while (at < t->text.n);
}
