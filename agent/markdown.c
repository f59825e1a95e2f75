#include "agent/markdown.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/highlight.h"
#include "agent/markdown_parts.h"
#include "agent/base/banned.h"

#define MAX_TABLE (256 * KIB) /* a longer one is shown in pieces */
#define MAX_INDENT 24

/* What the lines before have left; a copy of it looks ahead. */
struct state {
    bool any, blank; /* something was shown; a blank line is due before what follows */
    char fence;      /* 0 = outside of code */
    size_t fence_n;
    const struct highlight_language *language;
    struct highlight_state code;
};

struct markdown {
    struct buf partial; /* the line that has no end yet */
    struct buf table;   /* lines that are a table, or may become the head of one */
    bool is_table;      /* the rule was there */
    struct state st;
};

struct markdown *markdown_new(void)
{
    struct markdown *m = xcalloc(1, sizeof *m);

    m->partial = (struct buf)BUF_MAX(SIZE_MAX / 8);
    m->table = (struct buf)BUF_MAX(SIZE_MAX / 8);
    return m;
}

void markdown_free(struct markdown *m)
{
    if (m == NULL)
        return;
    buf_free(&m->partial);
    buf_free(&m->table);
    free(m);
}

static struct markdown_look sane(const struct markdown_look *look)
{
    struct markdown_look l = *look;

    if (l.columns < 10)
        l.columns = 10;
    return l;
}

/* Blank lines come one at a time, never first and never last. */
static void begin(struct state *st, struct buf *out)
{
    if (st->blank && st->any)
        buf_putc(out, '\n');
    st->blank = false;
    st->any = true;
}

static size_t indent_of(struct str line)
{
    size_t n = 0;

    while (n < line.n && line.p[n] == ' ')
        n++;
    return n;
}

/* ``` or ~~~, three or more, with at most a word behind it. 0 = none. */
static size_t fence_of(struct str line, struct str *word)
{
    struct str s = str_trim(line);
    size_t n = 0;

    if (s.n == 0 || (s.p[0] != '`' && s.p[0] != '~'))
        return 0;
    while (n < s.n && s.p[n] == s.p[0])
        n++;
    *word = str_trim(str_from(s, n));
    if (n < 3 || (s.p[0] == '`' && memchr(word->p, '`', word->n)))
        return 0;
    return n;
}

static void code_line(struct state *st, struct str line, const struct markdown_look *look,
                      struct buf *out)
{
    cleanup_styled struct styled t = STYLED_INIT;

    begin(st, out);
    styled_put(&t, STR("    "), 0);
    highlight_line(st->language, &st->code, line, &t);
    styled_write(&t, 0, t.text.n, look->colour, out);
    buf_putc(out, '\n');
}

/* A line of text behind its mark; lines that follow are indented as far as the mark reaches. */
static void text_line(struct str line, struct styled *mark, bool repeat, unsigned style,
                      const struct markdown_look *look, struct buf *out)
{
    cleanup_styled struct styled text = STYLED_INIT, blank = STYLED_INIT;

    for (size_t i = styled_width(mark); i > 0; i--)
        styled_put(&blank, STR(" "), 0);
    markdown_inline(str_trim(line), style, look->colour, &text);
    styled_wrap(&text, mark, repeat ? mark : &blank, look->columns, look->colour, out);
}

static size_t heading_of(struct str s)
{
    size_t n = 0;

    while (n < s.n && s.p[n] == '#')
        n++;
    return n >= 1 && n <= 6 && n < s.n && s.p[n] == ' ' ? n : 0;
}

static void heading(struct str s, size_t level, const struct markdown_look *look, struct buf *out)
{
    cleanup_styled struct styled mark = STYLED_INIT;
    struct str text = str_trim(str_from(s, level));

    if (!look->colour)
        styled_put(&mark, (struct str){ s.p, level + 1 }, 0);
    while (text.n && text.p[text.n - 1] == '#')
        text.n--;
    text_line(text, &mark, false,
              ST_BOLD | (level <= 2 ? (unsigned)ST_CYAN : 0) | (level == 1 ? ST_UNDER : 0), look,
              out);
}

/* ***, ---, ___ alone on a line. */
static bool is_break(struct str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == ' ')
            continue;
        if (s.p[i] != s.p[0] || (s.p[i] != '*' && s.p[i] != '-' && s.p[i] != '_'))
            return false;
        n++;
    }
    return n >= 3;
}

static void break_line(const struct markdown_look *look, struct buf *out)
{
    size_t n = look->columns - 1 < 40 ? look->columns - 1 : 40;

    buf_puts(out, look->colour ? "\033[0;2m" : "");
    while (n--)
        buf_puts(out, look->ascii ? "-" : "─");
    buf_puts(out, look->colour ? "\033[0m\n" : "\n");
}

/* The length of a list's mark with its space; 0 = none. */
static size_t list_mark(struct str s)
{
    size_t n = 0;

    if (s.n > 1 && (s.p[0] == '-' || s.p[0] == '*' || s.p[0] == '+') && s.p[1] == ' ')
        return 2;
    while (n < s.n && n < 9 && s.p[n] >= '0' && s.p[n] <= '9')
        n++;
    return n && n + 1 < s.n && (s.p[n] == '.' || s.p[n] == ')') && s.p[n + 1] == ' ' ? n + 2 : 0;
}

/* A line outside of code and tables. */
static void block_line(struct state *st, struct str line, const struct markdown_look *look,
                       struct buf *out)
{
    cleanup_styled struct styled mark = STYLED_INIT;
    size_t indent = indent_of(line), n;
    struct str s = str_trim(line);

    if (s.n == 0) {
        st->blank = true;
        return;
    }
    begin(st, out);
    if (indent > MAX_INDENT)
        indent = MAX_INDENT;
    if (indent * 2 > look->columns)
        indent = 0;
    if ((n = heading_of(s)) != 0) {
        heading(s, n, look, out);
        return;
    }
    if (is_break(s)) {
        break_line(look, out);
        return;
    }
    for (size_t i = 0; i < indent; i++)
        styled_put(&mark, STR(" "), 0);
    bool quote = s.p[0] == '>';
    while (s.n && s.p[0] == '>' && mark.text.n < look->columns / 2) {
        styled_put(&mark, str_of(look->ascii ? "| " : "│ "), ST_DIM);
        s = str_trim(str_from(s, 1));
    }
    if (quote) {
        text_line(s, &mark, true, ST_ITALIC, look, out);
        return;
    }
    n = list_mark(s);
    if (n == 2)
        styled_put(&mark, str_of(look->ascii ? "- " : "• "), ST_CYAN);
    else if (n)
        styled_put(&mark, (struct str){ s.p, n }, ST_CYAN);
    text_line(str_from(s, n), &mark, false, 0, look, out);
}

/* Tabs as far as the next of every fourth column, so that the width is known; controls in sight. */
static void clean_line(struct str line, struct buf *out)
{
    struct str piece;

    for (bool more = true; more;) {
        more = str_cut(&line, '\t', &piece);
        if (!more && piece.n && piece.p[piece.n - 1] == '\r')
            piece.n--; /* a line that ends as in DOS */
        utf8_clean_line(out, piece);
        if (more)
            do
                buf_putc(out, ' ');
            while (utf8_width(buf_str(out)) % 4);
    }
}

static void fence_or_block(struct state *st, struct str line, const struct markdown_look *look,
                           struct buf *out)
{
    struct str word = { NULL, 0 };
    size_t n = fence_of(line, &word);

    if (st->fence) {
        bool ends = n >= st->fence_n && word.n == 0 && str_trim(line).p[0] == st->fence;
        if (!ends)
            code_line(st, line, look, out);
        else
            st->fence = 0;
    } else if (n) {
        struct str name;
        str_cut(&word, ' ', &name);
        st->fence = str_trim(line).p[0];
        st->fence_n = n;
        st->language = highlight_find(name);
        st->code = (struct highlight_state){ 0 };
    } else {
        block_line(st, line, look, out);
        return;
    }
    if (n && !look->colour) { /* without colours the fences tell where the code is */
        begin(st, out);
        buf_putstr(out, str_trim(line));
        buf_putc(out, '\n');
    }
}

static void flush_table(struct markdown *m, const struct markdown_look *look, struct buf *out)
{
    struct str rest = buf_str(&m->table), line;

    if (m->is_table) {
        begin(&m->st, out);
        markdown_table(rest, look, out);
    } else {
        str_cut(&rest, '\n', &line);
        block_line(&m->st, line, look, out);
    }
    m->is_table = false;
    buf_clear(&m->table);
}

static void whole_line(struct markdown *m, struct str line, const struct markdown_look *look,
                       struct buf *out)
{
    struct str head = buf_str(&m->table);

    if (m->table.n && m->is_table && m->table.n < MAX_TABLE && markdown_has_column(line)) {
        buf_putstr(&m->table, line);
        buf_putc(&m->table, '\n');
        return;
    }
    if (m->table.n && !m->is_table) {
        head.n--;
        m->is_table = markdown_is_rule(line, head);
        if (m->is_table) {
            buf_putstr(&m->table, line);
            buf_putc(&m->table, '\n');
            return;
        }
    }
    if (m->table.n)
        flush_table(m, look, out);
    if (m->st.fence == 0 && markdown_has_column(line)) {
        buf_putstr(&m->table, line);
        buf_putc(&m->table, '\n');
        return;
    }
    fence_or_block(&m->st, line, look, out);
}

void markdown_feed(struct markdown *m, struct str bytes, const struct markdown_look *look,
                   struct buf *out)
{
    struct markdown_look l = sane(look);
    struct str piece;

    while (bytes.n) {
        bool whole = str_cut(&bytes, '\n', &piece);
        buf_putstr(&m->partial, piece);
        if (!whole)
            return;
        cleanup_buf struct buf clean = BUF_MAX(SIZE_MAX / 8);
        clean_line(buf_str(&m->partial), &clean);
        buf_clear(&m->partial);
        whole_line(m, buf_str(&clean), &l, out);
    }
}

/* A sequence that may still become a character is no fault yet. */
static struct str without_cut_end(struct str s)
{
    for (size_t back = 1; back <= 3 && back <= s.n; back++) {
        unsigned char c = (unsigned char)s.p[s.n - back];
        if ((c & 0xC0) == 0x80)
            continue;
        size_t want = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC2 ? 2 : 1;
        return want > back ? (struct str){ s.p, s.n - back } : s;
    }
    return s;
}

static void rest(const struct markdown *m, bool ended, const struct markdown_look *look,
                 struct buf *out)
{
    struct markdown_look l = sane(look);
    struct markdown copy = { BUF_MAX(SIZE_MAX / 8), BUF_MAX(SIZE_MAX / 8), m->is_table, m->st };
    struct str part = buf_str(&m->partial);

    buf_putstr(&copy.table, buf_str(&m->table));
    if (!ended)
        part = without_cut_end(part);
    if (part.n) {
        cleanup_buf struct buf clean = BUF_MAX(SIZE_MAX / 8);
        clean_line(part, &clean);
        whole_line(&copy, buf_str(&clean), &l, out);
    }
    if (copy.table.n)
        flush_table(&copy, &l, out);
    buf_free(&copy.table);
}

void markdown_rest(const struct markdown *m, const struct markdown_look *look, struct buf *out)
{
    rest(m, false, look, out);
}

void markdown_end(struct markdown *m, const struct markdown_look *look, struct buf *out)
{
    rest(m, true, look, out);
    buf_clear(&m->partial);
    buf_clear(&m->table);
    m->is_table = false;
    m->st = (struct state){ 0 };
}

void markdown_render(struct str text, const struct markdown_look *look, struct buf *out)
{
    struct markdown *m = markdown_new();

    markdown_feed(m, text, look, out);
    markdown_end(m, look, out);
    markdown_free(m);
}
