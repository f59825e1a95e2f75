/* A recorded session as Markdown, with pictures in a folder beside it, or within. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/base64.h"
#include "agent/base/io.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/export.h"
#include "agent/base/banned.h"

/* A block that its own content cannot close. */
static void put_fence(struct buf *out, const char *language, struct str text)
{
    cleanup_buf struct buf clean = BUF_MAX(SIZE_MAX / 4);
    size_t run = 0, most = 2;

    utf8_clean(&clean, text);
    if (clean.n == 0)
        return;
    for (size_t i = 0; i < clean.n; i++) {
        run = clean.p[i] == '`' ? run + 1 : 0;
        most = run > most ? run : most;
    }
    for (size_t i = 0; i <= most; i++)
        buf_putc(out, '`');
    buf_putf(out, "%s\n", language);
    buf_putstr(out, buf_str(&clean));
    if (!str_ends(buf_str(&clean), "\n"))
        buf_putc(out, '\n');
    for (size_t i = 0; i <= most; i++)
        buf_putc(out, '`');
    buf_puts(out, "\n\n");
}

static void put_stream(struct buf *out, struct str text)
{
    cleanup_buf struct buf plain = BUF_MAX(SIZE_MAX / 4), clip = BUF_MAX(SIZE_MAX / 4);

    export_plain(&plain, text);
    export_clip(&clip, buf_str(&plain), MAX_EXPORT_TEXT);
    put_fence(out, "text", buf_str(&clip));
}

/* Text within a line: nothing in it is markup. */
static void put_inline(struct buf *out, struct str text)
{
    cleanup_buf struct buf clean = BUF_MAX(SIZE_MAX / 4);

    utf8_clean_line(&clean, text);
    for (size_t i = 0; i < clean.n; i++) {
        if (strchr("\\`*_{}[]<>()#|&~", clean.p[i]))
            buf_putc(out, '\\');
        buf_putc(out, clean.p[i]);
    }
}

static void put_value(struct buf *out, const cJSON *v)
{
    cleanup_free char *text = cJSON_IsString(v)              ? xstrdup(v->valuestring)
                              : v == NULL || cJSON_IsNull(v) ? xstrdup("")
                                                             : json_text(v);

    put_inline(out, str_of(text));
    buf_puts(out, " | ");
}

static bool put_table(struct buf *out, const cJSON *data)
{
    const cJSON *rows = json_arr(data, "rows"), *columns = json_arr(data, "columns"), *row, *v;
    const cJSON *index = json_arr(data, "index");
    const cJSON *at = index ? index->child : NULL;
    long long shown = 0;

    if (rows == NULL || columns == NULL)
        return false;
    buf_puts(out, index ? "|  | " : "| ");
    cJSON_ArrayForEach(v, columns) put_value(out, v);
    buf_puts(out, index ? "\n|---|" : "\n|");
    cJSON_ArrayForEach(v, columns) buf_puts(out, "---|");
    buf_putc(out, '\n');
    cJSON_ArrayForEach(row, rows)
    {
        if (shown == MAX_EXPORT_ROWS)
            break;
        shown++;
        buf_puts(out, "| ");
        if (index)
            put_value(out, at);
        at = at ? at->next : NULL;
        cJSON_ArrayForEach(v, row) put_value(out, v);
        buf_putc(out, '\n');
    }
    buf_putf(out, "\n%lld of %lld rows\n\n", shown, (long long)json_int(data, "n_rows", shown));
    return true;
}

static bool put_picture(const struct export *x, const struct saved_cell *c, int number,
                        const cJSON *result)
{
    cleanup_buf struct buf bytes = BUF_MAX(MAX_FRAME_BYTES);
    const char *file = json_str(result, "file");
    struct export_picture pic;
    struct err e = ERR_INIT;

    if (!export_picture(x, result, &pic, &bytes))
        return false;
    if (pic.missing) {
        buf_puts(x->out, "*The picture is missing from the record.*\n\n");
        return true;
    }
    if (!x->embed && x->name == NULL) {
        buf_puts(x->out, "*A picture is not shown here: ");
        put_inline(x->out, str_of(file ? file : pic.mime));
        buf_puts(x->out, "*\n\n");
        return true;
    }
    buf_puts(x->out, "![");
    put_inline(x->out, str_of(file ? file : "a picture"));
    if (x->embed) {
        buf_putf(x->out, "](data:%s;base64,", pic.mime);
        base64_put(x->out, buf_str(&bytes));
    } else {
        cleanup_free char *name = xasprintf("cell-%d-%d.%s", c->number, number, pic.ext);
        if (io_write_atomic(x->folder_fd, name, buf_str(&bytes), 0666, &e) < 0)
            buf_putf(x->notes, "%s/%s: %s\n", x->name, name, e.msg);
        buf_putf(x->out, "](<%s/%s>", x->name, name);
    }
    buf_puts(x->out, ")\n\n");
    return true;
}

static void put_result(const struct export *x, const struct saved_cell *c, int number,
                       const cJSON *result)
{
    const char *markdown = json_str(result, "markdown"), *text = json_str(result, "text");
    const char *latex = json_str(result, "latex"), *html = json_str(result, "html");
    const cJSON *json = json_get(result, "json");
    cleanup_free char *pretty = json ? cJSON_Print(json) : NULL;

    if (put_picture(x, c, number, result) || put_table(x->out, json_obj(result, "data")))
        return;
    const char *any = markdown ? markdown : latex ? latex : pretty ? pretty : text ? text : html;
    if (any)
        put_stream(x->out, str_of(any));
}

static void put_cell(const struct export *x, const struct saved_cell *c)
{
    struct export_piece *v = NULL;
    size_t n = export_pieces(c, &v);
    cleanup_buf struct buf lost = BUF_MAX(4096), why = BUF_MAX(8192);
    int number = 0;

    buf_putf(x->out, "### Cell %d", c->number);
    if (c->description) {
        buf_puts(x->out, ": ");
        put_inline(x->out, utf8_head(str_of(c->description), 300));
    }
    buf_puts(x->out, "\n\n");
    cleanup_buf struct buf language = BUF_MAX(64);
    for (const char *l = c->language; *l >= 'a' && *l <= 'z'; l++)
        buf_putc(&language, *l);
    put_fence(x->out, buf_cstr(&language), str_of(c->code));
    for (size_t i = 0; i < n; i++) {
        if (v[i].kind == PIECE_RESULT)
            put_result(x, c, ++number, v[i].result);
        else
            put_stream(x->out, v[i].text);
    }
    free(v);
    export_failure(c, &why);
    export_lost(c, &lost);
    if (why.n) {
        const char *traceback = json_str(json_obj(c->end, "error"), "traceback");
        buf_puts(x->out, "**This cell ");
        put_inline(x->out, buf_str(&why));
        buf_puts(x->out, "**\n\n");
        if (traceback)
            put_stream(x->out, str_of(traceback));
    }
    if (lost.n)
        buf_putf(x->out, "%s\n\n", buf_cstr(&lost));
}

static void put_files(struct buf *out, const char *title, const cJSON *files)
{
    const cJSON *f;

    if (files == NULL || files->child == NULL)
        return;
    buf_putf(out, "\n**%s**\n\n| name | bytes | SHA-256 |\n|---|--:|---|\n", title);
    cJSON_ArrayForEach(f, files)
    {
        buf_puts(out, "| ");
        put_inline(out, str_of(json_str(f, "name")));
        buf_putf(out, " | %lld | ", (long long)json_int(f, "bytes", 0));
        put_inline(out, utf8_head(str_of(json_str(f, "sha256")), 64));
        buf_puts(out, " |\n");
    }
}

static void put_provenance(const struct export *x)
{
    const cJSON *g = export_grounding(x->s), *one;
    cleanup_buf struct buf facts = BUF_MAX(MAX_CONF_BYTES);

    buf_puts(x->out, "## Provenance\n\n");
    export_facts(x->s, &facts);
    for (struct str rest = buf_str(&facts), line, what; rest.n;) {
        str_cut(&rest, '\n', &line);
        str_cut(&line, '\t', &what);
        buf_puts(x->out, "- ");
        buf_putstr(x->out, what);
        buf_puts(x->out, ": ");
        put_inline(x->out, line);
        buf_putc(x->out, '\n');
    }
    if (g)
        buf_putf(x->out,
                 "- numbers and files of the answer: %lld checked, %d not found in what "
                 "the code printed or made\n",
                 (long long)json_int(g, "checked", 0),
                 cJSON_GetArraySize(json_arr(g, "unmatched")));
    cJSON_ArrayForEach(one, json_arr(g, "unmatched"))
    {
        buf_puts(x->out, "  - not found: ");
        put_inline(x->out, utf8_head(str_of(json_str(one, "text")), 300));
        buf_putc(x->out, '\n');
    }
    put_files(x->out, "Input files", export_inputs(x->s));
    put_files(x->out, "Files made", json_arr(x->s->manifest, "artifacts"));
    cleanup_buf struct buf what = BUF_MAX(8192), diff = BUF_MAX(SIZE_MAX / 4);
    export_repair(x->s, &what, &diff);
    if (diff.n) {
        buf_puts(x->out, "\n**What the repair changed in the code**\n\n");
        put_fence(x->out, "diff", buf_str(&diff));
    }
}

void export_md(const struct export *x)
{
    struct export_step *v = NULL;
    size_t n = export_steps(x->s, &v);
    bool answered = false;

    for (size_t i = 0; i < n; i++) {
        cleanup_buf struct buf text = BUF_MAX(SIZE_MAX / 4);
        if (v[i].kind == STEP_CELL) {
            put_cell(x, v[i].cell);
            continue;
        }
        utf8_clean(&text, str_trim(str_of(v[i].text)));
        answered = answered || v[i].kind == STEP_ANSWER;
        if (v[i].kind != STEP_REMARK)
            buf_puts(x->out, v[i].kind == STEP_QUESTION ? "# Question\n\n" : "## Answer\n\n");
        if (v[i].kind == STEP_QUESTION)
            put_fence(x->out, "text", buf_str(&text));
        else
            buf_putf(x->out, "%s\n\n", buf_cstr(&text));
    }
    free(v);
    if (!answered)
        buf_puts(x->out, "There is no answer.\n\n");
    put_provenance(x);
}
