/* A report as a page: the style and the safety of agent/html.h, with tables that can be sorted. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/ground.h"
#include "agent/html.h"
#include "agent/report_parts.h"
#include "agent/base/banned.h"

extern const char report_sort_js[], report_sort_js_end[], report_css[], report_css_end[];

/* --- the text --- */

static void put_block(const struct report_block *b, const struct html_markdown *opts,
                      bool for_print, struct buf *out)
{
    cleanup_buf struct buf label = BUF_MAX(MAX_CONF_BYTES);

    if (b->kind == BLOCK_MARKDOWN) {
        html_markdown(out, str_of(b->markdown), opts);
        return;
    }
    report_label(b, &label);
    if (b->kind == BLOCK_FIGURE) {
        html_picture(out, "image/png", buf_str(&b->value->png), buf_cstr(&label), buf_cstr(&label));
        return;
    }
    buf_puts(out, "<section class=\"table\"><p class=\"label\">");
    html_text(out, buf_str(&label));
    buf_puts(out, "</p>\n");
    report_table_html(b->value->data, for_print, out);
    buf_puts(out, "</section>\n");
}

/* What is to be marked: claims without proof, references to nothing. */
struct marks {
    const char **v;
    size_t n;
    char *unknown; /* owned; its lines are cut apart */
};

static void marks_of(const struct report *r, struct marks *m)
{
    cleanup_buf struct buf lines = BUF_MAX(MAX_CONF_BYTES);
    size_t unknown = report_unknown(r->markdown, r->values, &lines);

    *m = (struct marks){ 0 };
    m->v = xcalloc(unknown + (r->grounding ? r->grounding->n_unmatched : 0) + 1, sizeof *m->v);
    for (size_t i = 0; r->grounding && i < r->grounding->n_unmatched; i++)
        m->v[m->n++] = r->grounding->unmatched[i].text;
    m->unknown = buf_steal(&lines);
    for (char *s = m->unknown, *end; unknown && (end = strchr(s, '\n')) != NULL; s = end + 1) {
        *end = '\0';
        m->v[m->n++] = s;
    }
}

/* The title is the page's own heading; said twice it would be noise. */
static struct str without_title(struct str markdown)
{
    struct str rest = markdown, line;

    while (rest.n && (rest.p[0] == '\n' || rest.p[0] == ' '))
        rest = str_from(rest, 1);
    if (!str_starts(rest, "# ") && !str_starts(rest, "## "))
        return markdown;
    str_cut(&rest, '\n', &line);
    return rest;
}

/* --- behind the text --- */

static void put_fact(void *arg, const char *name, const char *value)
{
    struct buf *out = arg;

    buf_puts(out, "<tr><th scope=\"row\">");
    html_text(out, str_of(name));
    buf_puts(out, "</th><td>");
    html_text(out, str_of(value));
    buf_puts(out, "</td></tr>\n");
}

static void put_inputs(const struct report *r, struct buf *out)
{
    const cJSON *in;

    if (cJSON_GetArraySize(r->inputs) == 0)
        return;
    buf_puts(out, "<div class=\"scroll wrap\"><table><thead><tr><th>Input</th><th "
                  "class=\"r\">Bytes</th><th>SHA-256</th></tr></thead><tbody>\n");
    cJSON_ArrayForEach(in, r->inputs)
    {
        buf_puts(out, "<tr><td>");
        html_text(out, str_of(json_str(in, "name")));
        buf_putf(out, "</td><td class=\"r\">%lld</td><td class=\"hash\">",
                 (long long)json_int(in, "bytes", 0));
        html_text(out, str_of(json_str(in, "sha256")));
        buf_puts(out, "</td></tr>\n");
    }
    buf_puts(out, "</tbody></table></div>\n");
}

static void put_code(const struct report *r, bool for_print, struct buf *out)
{
    const char *tag = for_print ? "section" : "details";

    if (r->n_code == 0)
        return;
    buf_putf(out, "<section class=\"appendix\"><h2>Code</h2>\n");
    for (size_t i = 0; i < r->n_code; i++) {
        const struct report_cell *c = &r->code[i];
        if (!c->ok)
            continue; /* what failed made nothing that is in the report */
        buf_putf(out,
                 "<%s class=\"cell\"><%s><span class=\"number\">%d</span><span class=\"title\">",
                 tag, for_print ? "header" : "summary", c->number);
        html_text(out, str_of(c->description ? c->description : "Cell"));
        buf_puts(out, "</span><span class=\"facts\">");
        html_text(out, str_of(c->language));
        buf_putf(out, "</span></%s>\n", for_print ? "header" : "summary");
        html_code(out, c->language, c->code);
        buf_putf(out, "</%s>\n", tag);
    }
    buf_puts(out, "</section>\n");
}

void report_html(const struct report *r, bool for_print, struct buf *out)
{
    cleanup_free char *title = report_title(r);
    struct report_blocks blocks;
    struct marks marks;

    marks_of(r, &marks);
    struct html_markdown opts = { .marks = marks.v,
                                  .n_marks = marks.n,
                                  .mark_title = "not found in what the code computed" };
    struct html_extra extra = {
        .css = { report_css, (size_t)(report_css_end - report_css) },
        .script = { report_sort_js, for_print ? 0 : (size_t)(report_sort_js_end - report_sort_js) },
    };
    html_page_begin_with(out, title, &extra);
    buf_puts(out, "<article class=\"report\"><h1>");
    html_text(out, str_of(title));
    buf_puts(out, "</h1>\n");
    if (r->made) {
        buf_puts(out, "<p class=\"made\">");
        html_text(out, str_of(r->made));
        buf_puts(out, "</p>\n");
    }
    if (marks.n) {
        buf_putf(out,
                 "<p class=\"warn\">%zu %s in the text %s not found in what the code computed and "
                 "%s marked.</p>\n",
                 marks.n, marks.n == 1 ? "number or name" : "numbers or names",
                 marks.n == 1 ? "was" : "were", marks.n == 1 ? "is" : "are");
    }
    report_blocks_of(without_title(r->markdown), r->values, &blocks);
    for (size_t i = 0; i < blocks.n; i++)
        put_block(&blocks.v[i], &opts, for_print, out);
    report_blocks_done(&blocks);
    buf_puts(out, "</article>\n");
    put_code(r, for_print, out);
    buf_puts(out, "<footer><h2>How this report was made</h2>\n<table class=\"facts\"><tbody>\n");
    report_facts(r, put_fact, out);
    buf_puts(out, "</tbody></table>\n");
    put_inputs(r, out);
    buf_puts(out, "</footer>\n");
    html_page_end_with(out, &extra);
    free(marks.v);
    free(marks.unknown);
}
