/* A recorded session as one page: question, answer, cells, provenance. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/export.h"
#include "agent/html.h"
#include "agent/base/banned.h"

static void put_kicker(struct buf *out, const char *text)
{
    buf_puts(out, "<p class=\"kicker\">");
    html_text(out, str_of(text));
    buf_puts(out, "</p>\n");
}

static void put_pre(struct buf *out, const char *class, struct str text)
{
    cleanup_buf struct buf plain = BUF_MAX(SIZE_MAX / 4), clip = BUF_MAX(SIZE_MAX / 4);

    export_plain(&plain, text);
    export_clip(&clip, buf_str(&plain), MAX_EXPORT_TEXT);
    if (str_trim(buf_str(&clip)).n == 0)
        return;
    buf_putf(out, "<pre class=\"%s\">", class);
    html_text(out, buf_str(&clip));
    buf_puts(out, "</pre>\n");
}

static void put_note(struct buf *out, const char *text)
{
    if (text[0] == '\0')
        return;
    buf_puts(out, "<p class=\"note\">");
    html_text(out, str_of(text));
    buf_puts(out, "</p>\n");
}

/* What a chart shows, in a line below it. */
static char *caption_of(const cJSON *result)
{
    const cJSON *chart = json_obj(result, "chart");
    const char *title = json_str(chart, "title"), *file = json_str(result, "file");
    cleanup_buf struct buf b = BUF_MAX(4096);

    if (title && title[0])
        utf8_clean_line(&b, utf8_head(str_of(title), 300));
    if (file) {
        buf_puts(&b, b.n ? " \u00b7 " : "");
        utf8_clean_line(&b, utf8_head(str_of(file), 300));
    }
    return b.n ? buf_steal(&b) : NULL;
}

static bool put_picture(const struct export *x, const cJSON *result)
{
    cleanup_buf struct buf bytes = BUF_MAX(MAX_FRAME_BYTES);
    cleanup_free char *caption = caption_of(result);
    struct export_picture pic;

    if (!export_picture(x, result, &pic, &bytes))
        return false;
    if (pic.missing)
        put_note(x->out, "The picture is missing from the record.");
    else
        html_picture(x->out, pic.mime, buf_str(&bytes), caption ? caption : "A picture", caption);
    return true;
}

static void put_result(const struct export *x, const cJSON *result)
{
    const char *markdown = json_str(result, "markdown"), *text = json_str(result, "text");
    const char *latex = json_str(result, "latex"), *html = json_str(result, "html");
    const cJSON *json = json_get(result, "json");
    cleanup_free char *pretty = json ? cJSON_Print(json) : NULL;

    buf_puts(x->out, "<div class=\"result\">\n");
    if (put_picture(x, result) || html_table(x->out, json_obj(result, "data"), MAX_EXPORT_ROWS))
        ;
    else if (markdown)
        html_markdown(x->out, str_of(markdown), NULL);
    else if (latex || pretty || text)
        put_pre(x->out, "text", str_of(latex ? latex : pretty ? pretty : text));
    /* A page of the code's own is never put in here as markup. */
    if (html && text == NULL && markdown == NULL)
        put_pre(x->out, "text", str_of(html));
    buf_puts(x->out, "</div>\n");
}

static void put_error(const struct export *x, const struct saved_cell *c)
{
    cleanup_buf struct buf why = BUF_MAX(8192);
    const char *traceback = json_str(json_obj(c->end, "error"), "traceback");

    export_failure(c, &why);
    if (why.n == 0)
        return;
    if (traceback && traceback[0])
        put_pre(x->out, "err", str_of(traceback));
    else
        put_pre(x->out, "err", buf_str(&why));
}

static void put_cell_head(const struct export *x, const struct saved_cell *c)
{
    cleanup_buf struct buf why = BUF_MAX(8192);
    int64_t us = json_int(c->end, "duration_us", -1);

    export_failure(c, &why);
    buf_putf(x->out,
             "<details class=\"cell\" open><summary><span class=\"number\">%d</span>"
             "<span class=\"title\">",
             c->number);
    html_text(x->out, utf8_head(str_of(c->description ? c->description : "Code"), 300));
    buf_putf(x->out, "</span><span class=\"facts%s\">", why.n ? " bad" : "");
    if (!export_is_python(c))
        html_text(x->out, str_of(export_language(c)));
    if (why.n)
        buf_puts(x->out, export_is_python(c) ? "failed" : " \u00b7 failed");
    if (us >= 0)
        buf_putf(x->out, "%s%lld.%02lld s", why.n || !export_is_python(c) ? " \u00b7 " : "",
                 (long long)(us / 1000000), (long long)(us % 1000000 / 10000));
    buf_puts(x->out, "</span></summary>\n");
}

static void put_cell(const struct export *x, const struct saved_cell *c)
{
    struct export_piece *v = NULL;
    size_t n = export_pieces(c, &v);
    cleanup_buf struct buf lost = BUF_MAX(4096);

    put_cell_head(x, c);
    html_code(x->out, c->language, str_of(c->code));
    for (size_t i = 0; i < n; i++) {
        if (v[i].kind == PIECE_RESULT)
            put_result(x, v[i].result);
        else
            put_pre(x->out, v[i].kind == PIECE_ERR ? "err" : "out", v[i].text);
    }
    free(v);
    put_error(x, c);
    export_lost(c, &lost);
    put_note(x->out, buf_cstr(&lost));
    buf_puts(x->out, "</details>\n");
}

/* --- the answer --- */

static const char *mime_of(const char *mime)
{
    static const char *const shown[] = { "image/png", "image/jpeg", "image/gif", "image/webp",
                                         "image/svg+xml" };

    for (size_t i = 0; mime && i < ARRAY_LEN(shown); i++)
        if (strcmp(shown[i], mime) == 0)
            return shown[i];
    return NULL;
}

/* A picture that the answer names is an artifact of the record, or nothing. */
static bool find_picture(void *arg, struct str name, struct str alt, struct buf *out)
{
    const struct export *x = arg;
    const cJSON *a;
    struct err e = ERR_INIT;

    cJSON_ArrayForEach(a, json_arr(x->s->manifest, "artifacts"))
    {
        const char *is = json_str(a, "name"), *file = json_str(a, "file");
        const char *mime = mime_of(json_str(a, "mime"));
        cleanup_buf struct buf bytes = BUF_MAX(MAX_FRAME_BYTES);
        if (is == NULL || file == NULL || mime == NULL || !str_is(name, is) ||
            saved_read(x->s, file, &bytes, &e) < 0)
            continue;
        cleanup_free char *text = str_dup(alt);
        html_picture(out, mime, buf_str(&bytes), text, text[0] ? text : NULL);
        return true;
    }
    return false;
}

static void put_unmatched(struct buf *out, const cJSON *grounding)
{
    const cJSON *list = json_arr(grounding, "unmatched");
    int n = list ? cJSON_GetArraySize(list) : 0;

    if (grounding == NULL)
        return;
    if (n == 0) {
        buf_putf(out,
                 "<p class=\"note\">Numbers and files checked against what the code printed "
                 "and made: all %lld found.</p>\n",
                 (long long)json_int(grounding, "checked", 0));
        return;
    }
    buf_putf(out,
             "<p class=\"warn\"><strong>%d of %lld</strong> numbers and files in the answer "
             "are not in what the code printed or made; they are marked: ",
             n, (long long)json_int(grounding, "checked", 0));
    for (int i = 0; i < n; i++) {
        const char *text = json_str(cJSON_GetArrayItem(list, i), "text");
        buf_puts(out, i ? ", <mark>" : "<mark>");
        html_text(out, utf8_head(str_of(text), 200));
        buf_puts(out, "</mark>");
    }
    buf_puts(out, ".</p>\n");
}

static void put_answer(const struct export *x, const char *text, bool last)
{
    const cJSON *grounding = last ? export_grounding(x->s) : NULL, *one;
    const char *marks[MAX_GROUND_MISSES];
    struct html_markdown opts = {
        .marks = marks,
        .mark_title = "not found in what the code printed or made",
        .picture = find_picture,
        .arg = (void *)x,
    };

    cJSON_ArrayForEach(one, json_arr(grounding, "unmatched"))
    {
        const char *claim = json_str(one, "text");
        if (claim && claim[0] && opts.n_marks < ARRAY_LEN(marks))
            marks[opts.n_marks++] = claim;
    }
    put_kicker(x->out, "Answer");
    buf_puts(x->out, "<div class=\"answer\">\n");
    html_markdown(x->out, str_of(text), &opts);
    buf_puts(x->out, "</div>\n");
    put_unmatched(x->out, grounding);
}

/* --- provenance --- */

static void put_facts(const struct export *x)
{
    cleanup_buf struct buf facts = BUF_MAX(MAX_CONF_BYTES);
    struct str rest, line, what;

    export_facts(x->s, &facts);
    buf_puts(x->out, "<div class=\"scroll wrap\"><table><tbody>\n");
    for (rest = buf_str(&facts); rest.n;) {
        str_cut(&rest, '\n', &line);
        str_cut(&line, '\t', &what);
        buf_puts(x->out, "<tr><th>");
        html_text(x->out, what);
        buf_puts(x->out, "</th><td>");
        html_text(x->out, line);
        buf_puts(x->out, "</td></tr>\n");
    }
    buf_puts(x->out, "</tbody></table></div>\n");
}

static void put_files(const struct export *x, const char *title, const cJSON *files)
{
    const cJSON *f;

    if (files == NULL || files->child == NULL)
        return;
    put_kicker(x->out, title);
    buf_puts(x->out, "<div class=\"scroll\"><table><thead><tr><th>name</th><th class=\"r\">bytes"
                     "</th><th>SHA-256</th></tr></thead><tbody>\n");
    cJSON_ArrayForEach(f, files)
    {
        buf_puts(x->out, "<tr><td>");
        html_text(x->out, utf8_head(str_of(json_str(f, "name")), 500));
        buf_putf(x->out, "</td><td class=\"r\">%lld</td><td class=\"hash\">",
                 (long long)json_int(f, "bytes", 0));
        html_text(x->out, utf8_head(str_of(json_str(f, "sha256")), 64));
        buf_puts(x->out, "</td></tr>\n");
    }
    buf_puts(x->out, "</tbody></table></div>\n");
}

static void put_repair(const struct export *x)
{
    cleanup_buf struct buf what = BUF_MAX(8192), diff = BUF_MAX(SIZE_MAX / 4);

    export_repair(x->s, &what, &diff);
    if (diff.n == 0)
        return;
    put_kicker(x->out, "What the repair changed in the code");
    put_pre(x->out, "out", buf_str(&diff));
}

static bool is_last_answer(const struct export_step *v, size_t n, size_t i)
{
    for (size_t k = i + 1; k < n; k++)
        if (v[k].kind == STEP_ANSWER)
            return false;
    return true;
}

/* Each question with its answer comes first, and how it was reached below. */
static void put_talk(const struct export *x, const struct export_step *v, size_t n)
{
    bool answered = false;

    for (size_t i = 0; i < n; i++) {
        if (v[i].kind == STEP_QUESTION) {
            put_kicker(x->out, "Question");
            buf_puts(x->out, "<h1 class=\"question\">");
            html_text(x->out, str_trim(utf8_head(str_of(v[i].text), MAX_EXPORT_TEXT)));
            buf_puts(x->out, "</h1>\n");
        } else if (v[i].kind == STEP_ANSWER) {
            answered = true;
            put_answer(x, v[i].text, is_last_answer(v, n, i));
        }
    }
    if (answered)
        return;
    const char *message = json_str(x->s->manifest, "message");
    buf_puts(x->out, "<p class=\"warn\">There is no answer");
    buf_puts(x->out, message ? ": " : ".");
    html_text(x->out, str_of(message));
    buf_puts(x->out, "</p>\n");
}

void export_html(const struct export *x)
{
    struct export_step *v = NULL;
    size_t n = export_steps(x->s, &v);
    cleanup_buf struct buf title = BUF_MAX(4096);

    export_title(x->s, 120, &title);
    html_page_begin(x->out, buf_cstr(&title));
    if (x->s->damage) {
        buf_puts(x->out, "<p class=\"warn\">The record of this session is damaged: ");
        html_text(x->out, str_of(x->s->damage));
        buf_puts(x->out, "</p>\n");
    }
    put_talk(x, v, n);
    if (x->s->n_cells)
        put_kicker(x->out, "How it was computed");
    for (size_t i = 0; i < n; i++) {
        if (v[i].kind == STEP_CELL)
            put_cell(x, v[i].cell);
        if (v[i].kind == STEP_REMARK) {
            buf_puts(x->out, "<div class=\"remark\">");
            html_markdown(x->out, str_of(v[i].text), NULL);
            buf_puts(x->out, "</div>\n");
        }
    }
    free(v);
    put_repair(x);
    put_files(x, "Input files", export_inputs(x->s));
    put_files(x, "Files made", json_arr(x->s->manifest, "artifacts"));
    put_kicker(x->out, "Provenance");
    put_facts(x);
    html_page_end(x->out);
}
