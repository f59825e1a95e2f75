/* Markdown as HTML, through md4c: its parser calls back with blocks, spans and text, and what is
 * written is decided here, so that nothing of the text is ever markup. */
#include <md4c.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/html.h"
#include "agent/base/banned.h"

struct writer {
    struct buf *out;
    const struct html_markdown *opts;
    struct buf text; /* that has come in pieces and is not written yet */
    bool code;       /* it is in a code span */
    int in_picture;  /* depth; its text is collected in `text` */
    int links;       /* open <a> elements: 1 or 0 */
    bool verbatim;   /* in a code block */
    size_t most;     /* what `out` may hold at the end: beyond it the text is made to swell */
};

static bool is_word(struct str s, size_t i)
{
    unsigned char c = (unsigned char)s.p[i];

    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c >= 0x80;
}

static bool is_digit(struct str s, size_t i)
{
    return i < s.n && s.p[i] >= '0' && s.p[i] <= '9';
}

/* "12" is not found in "120", "3.12", "12,5" or "a12". */
static bool stands_alone(struct str s, size_t at, size_t n)
{
    size_t end = at + n;

    if (at > 0 && is_word(s, at - 1) && is_word(s, at) && (unsigned char)s.p[at - 1] < 0x80)
        return false;
    if (at > 1 && (s.p[at - 1] == '.' || s.p[at - 1] == ',') && is_digit(s, at - 2) &&
        is_digit(s, at))
        return false;
    if (end < s.n && is_word(s, end) && is_word(s, end - 1) && (unsigned char)s.p[end] < 0x80)
        return false;
    return !(end + 1 < s.n && (s.p[end] == '.' || s.p[end] == ',') && is_digit(s, end + 1) &&
             is_digit(s, end - 1));
}

/* The longest mark that stands at `at`, 0 if none does. */
static size_t mark_at(const struct writer *w, struct str s, size_t at)
{
    size_t best = 0;

    for (size_t i = 0; i < w->opts->n_marks; i++) {
        struct str m = str_of(w->opts->marks[i]);
        if (m.n > best && m.n <= s.n - at && memcmp(m.p, s.p + at, m.n) == 0 &&
            stands_alone(s, at, m.n))
            best = m.n;
    }
    return best;
}

/* <br> is how a line ends within a cell of a table; models write it. */
static size_t break_at(struct str s)
{
    static const char *const forms[] = { "<br>", "<br/>", "<br />" };

    for (size_t i = 0; i < ARRAY_LEN(forms); i++)
        if (str_starts(s, forms[i]))
            return strlen(forms[i]);
    return 0;
}

static void flush(struct writer *w)
{
    struct str s = buf_str(&w->text);
    size_t plain = 0;

    if (w->in_picture)
        return;
    for (size_t i = 0; i < s.n && !w->verbatim; i++) {
        size_t br = s.p[i] == '<' && !w->code ? break_at(str_from(s, i)) : 0;
        size_t n = br ? br : mark_at(w, s, i);
        if (n == 0)
            continue;
        html_text(w->out, (struct str){ s.p + plain, i - plain });
        if (br) {
            buf_puts(w->out, "<br>");
        } else {
            buf_puts(w->out, "<mark title=\"");
            html_text(w->out, str_of(w->opts->mark_title ? w->opts->mark_title : ""));
            buf_puts(w->out, "\">");
            html_text(w->out, (struct str){ s.p + i, n });
            buf_puts(w->out, "</mark>");
        }
        plain = i + n;
        i = plain - 1;
    }
    html_text(w->out, str_from(s, plain));
    buf_clear(&w->text);
}

static const char *align_class(const void *detail)
{
    switch (((const MD_BLOCK_TD_DETAIL *)detail)->align) {
    case MD_ALIGN_RIGHT:
        return " class=\"r\"";
    case MD_ALIGN_CENTER:
        return " class=\"m\"";
    default:
        return "";
    }
}

static int enter_block(MD_BLOCKTYPE type, void *detail, void *arg)
{
    struct writer *w = arg;

    flush(w);
    switch (type) {
    case MD_BLOCK_QUOTE:
        buf_puts(w->out, "<blockquote>\n");
        break;
    case MD_BLOCK_UL:
        buf_puts(w->out, "<ul>\n");
        break;
    case MD_BLOCK_OL:
        buf_putf(w->out, "<ol start=\"%u\">\n", ((MD_BLOCK_OL_DETAIL *)detail)->start);
        break;
    case MD_BLOCK_LI:
        buf_puts(w->out, "<li>");
        if (((MD_BLOCK_LI_DETAIL *)detail)->is_task)
            buf_puts(w->out,
                     ((MD_BLOCK_LI_DETAIL *)detail)->task_mark == ' ' ? "\u2610 " : "\u2611 ");
        break;
    case MD_BLOCK_HR:
        buf_puts(w->out, "<hr>\n");
        break;
    case MD_BLOCK_H: /* below the page's own headings */
        buf_putf(w->out, "<h%u>",
                 ((MD_BLOCK_H_DETAIL *)detail)->level < 5 ? ((MD_BLOCK_H_DETAIL *)detail)->level + 1
                                                          : 6);
        break;
    case MD_BLOCK_CODE:
        buf_puts(w->out, "<pre><code>");
        w->verbatim = true;
        break;
    case MD_BLOCK_P:
        buf_puts(w->out, "<p>");
        break;
    case MD_BLOCK_TABLE:
        buf_puts(w->out, "<div class=\"scroll wrap\"><table>\n");
        break;
    case MD_BLOCK_THEAD:
        buf_puts(w->out, "<thead>");
        break;
    case MD_BLOCK_TBODY:
        buf_puts(w->out, "<tbody>");
        break;
    case MD_BLOCK_TR:
        buf_puts(w->out, "<tr>");
        break;
    case MD_BLOCK_TH:
        buf_putf(w->out, "<th%s>", align_class(detail));
        break;
    case MD_BLOCK_TD:
        buf_putf(w->out, "<td%s>", align_class(detail));
        break;
    default:
        break;
    }
    return w->out->over || w->out->n > w->most;
}

static int leave_block(MD_BLOCKTYPE type, void *detail, void *arg)
{
    static const char *const ends[] = {
        [MD_BLOCK_QUOTE] = "</blockquote>\n",
        [MD_BLOCK_UL] = "</ul>\n",
        [MD_BLOCK_OL] = "</ol>\n",
        [MD_BLOCK_LI] = "</li>\n",
        [MD_BLOCK_CODE] = "</code></pre>\n",
        [MD_BLOCK_P] = "</p>\n",
        [MD_BLOCK_TABLE] = "</table></div>\n",
        [MD_BLOCK_THEAD] = "</thead>\n",
        [MD_BLOCK_TBODY] = "</tbody>",
        [MD_BLOCK_TR] = "</tr>\n",
        [MD_BLOCK_TH] = "</th>",
        [MD_BLOCK_TD] = "</td>",
    };
    struct writer *w = arg;

    flush(w);
    if (type == MD_BLOCK_CODE)
        w->verbatim = false;
    if (type == MD_BLOCK_H)
        buf_putf(w->out, "</h%u>\n",
                 ((MD_BLOCK_H_DETAIL *)detail)->level < 5 ? ((MD_BLOCK_H_DETAIL *)detail)->level + 1
                                                          : 6);
    else if ((size_t)type < ARRAY_LEN(ends) && ends[type])
        buf_puts(w->out, ends[type]);
    return w->out->over || w->out->n > w->most;
}

static struct str attribute(const MD_ATTRIBUTE *a)
{
    return (struct str){ a->text, a->size };
}

static bool may_lead(struct str href)
{
    char head[9] = "";

    for (size_t i = 0; i < href.n && i < 8; i++)
        head[i] = (char)(href.p[i] >= 'A' && href.p[i] <= 'Z' ? href.p[i] + 32 : href.p[i]);
    return strncmp(head, "https://", 8) == 0 || strncmp(head, "http://", 7) == 0 ||
           strncmp(head, "mailto:", 7) == 0;
}

static const char *span_tag(MD_SPANTYPE type)
{
    return type == MD_SPAN_EM       ? "em"
           : type == MD_SPAN_STRONG ? "strong"
           : type == MD_SPAN_CODE   ? "code"
           : type == MD_SPAN_DEL    ? "del"
                                    : NULL;
}

static int enter_span(MD_SPANTYPE type, void *detail, void *arg)
{
    struct writer *w = arg;
    const char *tag = span_tag(type);

    if (type == MD_SPAN_IMG) {
        flush(w);
        w->in_picture++;
    }
    if (w->in_picture)
        return 0;
    flush(w);
    if (tag)
        buf_putf(w->out, "<%s>", tag);
    w->code = type == MD_SPAN_CODE;
    if (type == MD_SPAN_A && may_lead(attribute(&((MD_SPAN_A_DETAIL *)detail)->href))) {
        buf_puts(w->out, "<a rel=\"noopener noreferrer\" href=\"");
        html_text(w->out, attribute(&((MD_SPAN_A_DETAIL *)detail)->href));
        buf_puts(w->out, "\">");
        w->links++;
    }
    return w->out->over || w->out->n > w->most;
}

/* A picture of the session, or its text and where it would be. */
static void put_picture(struct writer *w, struct str src)
{
    cleanup_buf struct buf alt = w->text;
    const struct html_markdown *o = w->opts;

    w->text = (struct buf)BUF_MAX(MAX_ANSWER_BYTES);
    size_t before = w->out->n;
    if (o->picture && o->picture(o->arg, src, buf_str(&alt), w->out)) {
        w->most += w->out->n - before; /* that it is large is not the text's doing */
        return;
    }
    buf_puts(w->out, "[");
    html_text(w->out, buf_str(&alt));
    buf_puts(w->out, alt.n ? ": " : "");
    html_text(w->out, src);
    buf_puts(w->out, "]");
}

static int leave_span(MD_SPANTYPE type, void *detail, void *arg)
{
    struct writer *w = arg;
    const char *tag = span_tag(type);

    if (type == MD_SPAN_IMG && --w->in_picture == 0)
        put_picture(w, attribute(&((MD_SPAN_IMG_DETAIL *)detail)->src));
    if (w->in_picture || type == MD_SPAN_IMG)
        return w->out->over || w->out->n > w->most;
    flush(w);
    if (tag)
        buf_putf(w->out, "</%s>", tag);
    w->code = false;
    if (type == MD_SPAN_A && w->links) {
        buf_puts(w->out, "</a>");
        w->links = 0;
    }
    return w->out->over || w->out->n > w->most;
}

/* "&lt;" stands for a character; only such names pass as they are. A number could stand for a
 * character that is not shown. */
static bool is_entity(struct str s)
{
    if (s.n < 3 || s.n > 40 || s.p[0] != '&' || s.p[s.n - 1] != ';')
        return false;
    for (size_t i = 1; i + 1 < s.n; i++)
        if (!is_word(s, i))
            return false;
    return true;
}

static int on_text(MD_TEXTTYPE type, const MD_CHAR *p, MD_SIZE n, void *arg)
{
    struct writer *w = arg;
    struct str s = { p, n };

    if (type == MD_TEXT_BR && !w->in_picture) {
        flush(w);
        buf_puts(w->out, "<br>\n");
    } else if (type == MD_TEXT_BR || type == MD_TEXT_SOFTBR) {
        buf_putc(&w->text, '\n');
    } else if (type == MD_TEXT_NULLCHAR) {
        buf_puts(&w->text, "\xEF\xBF\xBD");
    } else if (type == MD_TEXT_ENTITY && !w->in_picture && is_entity(s)) {
        flush(w);
        buf_putstr(w->out, s);
    } else {
        buf_putstr(&w->text, s);
    }
    return w->out->over || w->out->n > w->most;
}

void html_markdown(struct buf *out, struct str text, const struct html_markdown *opts)
{
    static const struct html_markdown none = { 0 };
    struct writer w = { .out = out, .opts = opts ? opts : &none };
    cleanup_buf struct buf clean = BUF_MAX(SIZE_MAX / 4);
    MD_PARSER parser = {
        .flags = MD_FLAG_TABLES | MD_FLAG_STRIKETHROUGH | MD_FLAG_PERMISSIVEURLAUTOLINKS |
                 MD_FLAG_TASKLISTS | MD_FLAG_NOHTML,
        .enter_block = enter_block,
        .leave_block = leave_block,
        .enter_span = enter_span,
        .leave_span = leave_span,
        .text = on_text,
    };

    w.text = (struct buf)BUF_MAX(MAX_ANSWER_BYTES);
    utf8_clean(&clean, text);
    /* A table of many columns and many short rows becomes a thousand times its size. */
    size_t start = out->n;
    w.most = start + clean.n * 30 + 64 * KIB;
    bool whole = clean.n <= MAX_MARKDOWN_BYTES &&
                 md_parse(buf_cstr(&clean), (MD_SIZE)clean.n, &parser, &w) == 0;
    if (whole) {
        flush(&w);
    } else if (!out->over) {
        out->n = start;
        buf_puts(out, "<pre>");
        html_text(out, buf_str(&clean));
        buf_puts(out, "</pre>\n");
    }
    buf_free(&w.text);
}
