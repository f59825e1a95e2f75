/* A recorded session as a Jupyter notebook (nbformat 4.5), with its outputs. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/base64.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/export.h"
#include "agent/export_source.h"
#include "agent/base/banned.h"

/* Text results and JSON results by the names of the record, and their MIME types. */
static const struct {
    const char *field, *mime;
} types[] = {
    { "text", "text/plain" },  { "html", "text/html" },    { "markdown", "text/markdown" },
    { "latex", "text/latex" }, { "svg", "image/svg+xml" }, { "json", "application/json" },
};

static cJSON *new_cell(const struct export *x, cJSON *cells, const char *type)
{
    cJSON *c = cJSON_CreateObject();
    cleanup_free char *id = xasprintf("cell-%d", cJSON_GetArraySize(cells) + 1);

    (void)x;
    cJSON_AddStringToObject(c, "cell_type", type);
    cJSON_AddStringToObject(c, "id", id);
    cJSON_AddItemToObject(c, "metadata", cJSON_CreateObject());
    cJSON_AddItemToArray(cells, c);
    return c;
}

static void add_markdown(const struct export *x, cJSON *cells, struct str text)
{
    cleanup_buf struct buf clean = BUF_MAX(SIZE_MAX / 4);

    utf8_clean(&clean, text);
    json_add_str(new_cell(x, cells, "markdown"), "source", buf_str(&clean));
}

static void add_stream(cJSON *outputs, const char *name, struct str text)
{
    cleanup_buf struct buf clip = BUF_MAX(SIZE_MAX / 4);
    cJSON *o = cJSON_CreateObject();

    export_clip(&clip, text, MAX_EXPORT_OUTPUT);
    cJSON_AddStringToObject(o, "output_type", "stream");
    cJSON_AddStringToObject(o, "name", name);
    json_add_str(o, "text", buf_str(&clip));
    cJSON_AddItemToArray(outputs, o);
}

static void add_picture(const struct export *x, cJSON *data, const cJSON *result)
{
    cleanup_buf struct buf bytes = BUF_MAX(MAX_FRAME_BYTES), text = BUF_MAX(SIZE_MAX / 4);
    struct export_picture pic;

    if (json_obj(result, "stored") == NULL || !export_picture(x, result, &pic, &bytes))
        return;
    if (pic.missing) {
        if (json_str(data, "text/plain") == NULL)
            cJSON_AddStringToObject(data, "text/plain", "[the picture is missing from the record]");
        return;
    }
    base64_put(&text, buf_str(&bytes));
    json_add_str(data, pic.mime, buf_str(&text));
}

static void add_result(const struct export *x, cJSON *outputs, const cJSON *result, int count)
{
    bool main = json_bool(result, "is_main_result", false);
    cJSON *o = cJSON_CreateObject(), *data = cJSON_CreateObject();

    cJSON_AddStringToObject(o, "output_type", main ? "execute_result" : "display_data");
    if (main)
        json_add_int(o, "execution_count", count);
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        const cJSON *v = json_get(result, types[i].field);
        if (cJSON_IsString(v))
            json_add_str(data, types[i].mime, str_of(v->valuestring));
        else if (v && strcmp(types[i].field, "json") == 0)
            cJSON_AddItemToObject(data, types[i].mime, cJSON_Duplicate(v, true));
    }
    add_picture(x, data, result);
    cJSON_AddItemToObject(o, "data", data);
    cJSON_AddItemToObject(o, "metadata", cJSON_CreateObject());
    cJSON_AddItemToArray(outputs, o);
}

static void add_error(cJSON *outputs, const struct saved_cell *c)
{
    const cJSON *error = json_obj(c->end, "error");
    const char *name = json_str(error, "name"), *value = json_str(error, "value");
    const char *traceback = json_str(error, "traceback");
    cleanup_buf struct buf why = BUF_MAX(8192);

    export_failure(c, &why);
    if (why.n == 0)
        return;
    cJSON *o = cJSON_CreateObject(), *lines = cJSON_CreateArray();
    cJSON_AddStringToObject(o, "output_type", "error");
    json_add_str(o, "ename", str_of(name ? name : "NotFinished"));
    json_add_str(o, "evalue", name ? str_of(value) : buf_str(&why));
    for (struct str rest = str_of(traceback), line; rest.n;) {
        cleanup_json cJSON *s = cJSON_CreateObject();
        str_cut(&rest, '\n', &line);
        json_add_str(s, "s", line);
        cJSON_AddItemToArray(lines, cJSON_DetachItemFromObject(s, "s"));
    }
    cJSON_AddItemToObject(o, "traceback", lines);
    cJSON_AddItemToArray(outputs, o);
}

/* Jupyter runs Python; a cell in another language is text with its code. */
static void add_foreign(const struct export *x, cJSON *cells, const struct saved_cell *c)
{
    cleanup_buf struct buf b = BUF_MAX(SIZE_MAX / 4);
    char fence[24] = "```";

    while (strstr(c->code, fence) && strlen(fence) < sizeof fence - 2)
        memcpy(fence + strlen(fence), "`", 2);
    buf_putf(&b, "Cell %d was written in %s; it is not run here.\n\n%s%s\n%s\n%s\n", c->number,
             export_language(c), fence, export_language(c), c->code, fence);
    if (c->out.n) {
        cleanup_buf struct buf plain = BUF_MAX(SIZE_MAX / 4);
        export_plain(&plain, buf_str(&c->out));
        buf_puts(&b, "\nIt printed:\n\n    ");
        struct str s = utf8_head(buf_str(&plain), MAX_EXPORT_TEXT);
        for (size_t i = 0; i < s.n; i++)
            buf_put(&b, s.p[i] == '\n' ? "\n    " : s.p + i, s.p[i] == '\n' ? 5 : 1);
        if (s.n < plain.n)
            buf_putf(&b, "\n\n%zu of %zu bytes are shown.\n", s.n, plain.n);
    }
    add_markdown(x, cells, buf_str(&b));
    buf_putf(x->notes, "cell %d is in another language (%s): it is in the notebook as text\n",
             c->number, export_language(c));
}

/* Notebook lines stay: Jupyter knows them. */
static void add_source(const struct export *x, cJSON *cell, const struct saved_cell *c)
{
    cleanup_buf struct buf code = BUF_MAX(SIZE_MAX / 4);
    const char **names = NULL;
    struct source_opts o = { .n_files = export_input_names(x->s, &names) };

    o.files = names;
    if (str_starts(str_of(c->code), "%%"))
        buf_puts(&code, c->code);
    else
        source_paths(&code, &o, str_of(c->code));
    json_add_str(cell, "source", buf_str(&code));
    free(names);
}

static void add_code(const struct export *x, cJSON *cells, const struct saved_cell *c)
{
    cleanup_buf struct buf why = BUF_MAX(8192), lost = BUF_MAX(4096);
    const char *context = json_str(c->start, "context");
    struct export_piece *v = NULL;
    size_t n = export_pieces(c, &v);
    cJSON *cell = new_cell(x, cells, "code"), *outputs = cJSON_CreateArray();
    cJSON *meta = cJSON_GetObjectItemCaseSensitive(cell, "metadata");

    export_failure(c, &why);
    if (why.n) /* so that running all cells goes on behind it, as the session did */
        cJSON_AddItemToArray(cJSON_AddArrayToObject(meta, "tags"),
                             cJSON_CreateString("raises-exception"));
    cJSON *own = cJSON_AddObjectToObject(meta, "agent");
    if (c->description)
        json_add_str(own, "description", str_of(c->description));
    if (context) {
        json_add_str(own, "context", str_of(context));
        buf_putf(x->notes, "cell %d ran in an interpreter of its own; the notebook has one\n",
                 c->number);
    }
    json_add_int(cell, "execution_count", c->number);
    add_source(x, cell, c);
    for (size_t i = 0; i < n; i++) {
        if (v[i].kind == PIECE_RESULT)
            add_result(x, outputs, v[i].result, c->number);
        else if (v[i].text.n)
            add_stream(outputs, v[i].kind == PIECE_ERR ? "stderr" : "stdout", v[i].text);
    }
    free(v);
    export_lost(c, &lost);
    if (lost.n)
        add_stream(outputs, "stderr", buf_str(&lost));
    add_error(outputs, c);
    cJSON_AddItemToObject(cell, "outputs", outputs);
}

/* Before the cells that publish values (report.number and so on): Jupyter has no such helper. */
static void add_report_helper(const struct export *x, cJSON *cells)
{
    cleanup_buf struct buf code = BUF_MAX(SIZE_MAX / 4);
    bool used = false;

    for (size_t i = 0; i < x->s->n_cells && !used; i++)
        used = export_is_python(&x->s->cells[i]) && strstr(x->s->cells[i].code, "report");
    if (!used)
        return;
    buf_puts(&code, "import os\nimport sys\n\n\n");
    export_helper(&code, "report");
    cJSON *cell = new_cell(x, cells, "code");
    json_add_str(cell, "source", str_trim(buf_str(&code)));
    cJSON_AddNullToObject(cell, "execution_count");
    cJSON_AddItemToObject(cell, "outputs", cJSON_CreateArray());
}

static void add_facts(const struct export *x, cJSON *cells)
{
    const cJSON *files = export_inputs(x->s), *f;
    cleanup_buf struct buf b = BUF_MAX(MAX_CONF_BYTES), facts = BUF_MAX(MAX_CONF_BYTES);

    buf_puts(&b, "## Provenance\n\n");
    export_facts(x->s, &facts);
    for (struct str rest = buf_str(&facts), line, what; rest.n;) {
        str_cut(&rest, '\n', &line);
        str_cut(&line, '\t', &what);
        buf_putf(&b, "- %.*s: %.*s\n", (int)what.n, what.p, (int)line.n, line.p);
    }
    cJSON_ArrayForEach(f, files)
    {
        cleanup_buf struct buf name = BUF_MAX(4096);
        utf8_clean_line(&name, utf8_head(str_of(json_str(f, "name")), 500));
        buf_putf(&b, "- needs the file `%s` beside the notebook (SHA-256 %.64s)\n", buf_cstr(&name),
                 json_str(f, "sha256") ? json_str(f, "sha256") : "not known");
    }
    add_markdown(x, cells, buf_str(&b));
}

static cJSON *metadata(const struct export *x)
{
    cJSON *m = cJSON_CreateObject(), *k = cJSON_AddObjectToObject(m, "kernelspec");
    const char *version = saved_text(x->s, "sandbox.start", "python_version");

    cJSON_AddStringToObject(k, "display_name", "Python 3");
    cJSON_AddStringToObject(k, "language", "python");
    cJSON_AddStringToObject(k, "name", "python3");
    cJSON *l = cJSON_AddObjectToObject(m, "language_info");
    cJSON_AddStringToObject(l, "name", "python");
    if (version)
        json_add_str(l, "version", str_of(version));
    cJSON_AddStringToObject(l, "file_extension", ".py");
    cJSON_AddStringToObject(l, "mimetype", "text/x-python");
    cJSON *own = cJSON_AddObjectToObject(m, "agent");
    json_add_str(own, "session", str_of(x->s->id));
    return m;
}

void export_ipynb(const struct export *x)
{
    cleanup_json cJSON *book = cJSON_CreateObject();
    cJSON *cells = cJSON_AddArrayToObject(book, "cells");
    struct export_step *v = NULL;
    size_t n = export_steps(x->s, &v);

    cJSON_AddItemToObject(book, "metadata", metadata(x));
    cJSON_AddNumberToObject(book, "nbformat", 4);
    cJSON_AddNumberToObject(book, "nbformat_minor", 5);
    add_report_helper(x, cells);
    for (size_t i = 0; i < n; i++) {
        if (v[i].kind == STEP_CELL && export_is_python(v[i].cell)) {
            add_code(x, cells, v[i].cell);
        } else if (v[i].kind == STEP_CELL) {
            add_foreign(x, cells, v[i].cell);
        } else {
            cleanup_free char *text = xasprintf("%s%s",
                                                v[i].kind == STEP_QUESTION ? "## Question\n\n"
                                                : v[i].kind == STEP_ANSWER ? "## Answer\n\n"
                                                                           : "",
                                                v[i].text);
            add_markdown(x, cells, str_of(text));
        }
    }
    free(v);
    add_facts(x, cells);
    cleanup_free char *text = cJSON_Print(book);
    buf_puts(x->out, text);
    buf_putc(x->out, '\n');
}
