/* Reports as Markdown with files beside it, and as the content of a spreadsheet. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/base/base64.h"
#include "agent/base/io.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/ground.h"
#include "agent/report_parts.h"
#include "agent/base/banned.h"

/* --- Markdown --- */

/* "-1", "+2.5%", "-1,200", "-1e6": what a spreadsheet reads as a number, and nothing more. */
static bool is_plain_number(const char *s)
{
    s += *s == '+' || *s == '-';
    if (strspn(s, "0123456789.") == 0)
        return false;
    s += strspn(s, "0123456789.,");
    if (*s == 'e' || *s == 'E') {
        s++;
        s += *s == '+' || *s == '-';
        if (strspn(s, "0123456789") == 0)
            return false;
        s += strspn(s, "0123456789");
    }
    return strcmp(s, "%") == 0 || *s == '\0';
}

/* Spreadsheets take a text that begins so for a formula: it gets an apostrophe before it. */
static bool looks_like_formula(const char *s)
{
    return s[0] && strchr("=+-@\t\r", s[0]) != NULL && !is_plain_number(s);
}

static void put_csv(const cJSON *v, struct buf *out)
{
    cleanup_free char *text = v == NULL || cJSON_IsNull(v) ? xstrdup("")
                              : cJSON_IsString(v)          ? xstrdup(v->valuestring)
                                                           : json_text(v);
    bool formula = cJSON_IsString(v) && looks_like_formula(text);

    if (!formula && strpbrk(text, ",\"\r\n") == NULL) {
        buf_puts(out, text);
        return;
    }
    buf_puts(out, formula ? "\"'" : "\"");
    for (const char *p = text; *p; p++) {
        if (*p == '"')
            buf_putc(out, '"');
        buf_putc(out, *p);
    }
    buf_putc(out, '"');
}

static void table_csv(const cJSON *data, struct buf *out)
{
    const cJSON *row, *v, *at = NULL;
    bool with_index = report_index_matters(data);

    if (with_index && json_arr(data, "index"))
        at = json_arr(data, "index")->child;
    if (with_index)
        put_csv(cJSON_GetArrayItem(json_arr(data, "index_names"), 0), out);
    cJSON_ArrayForEach(v, json_arr(data, "columns"))
    {
        if (with_index || v != json_arr(data, "columns")->child)
            buf_putc(out, ',');
        put_csv(v, out);
    }
    buf_putc(out, '\n');
    cJSON_ArrayForEach(row, json_arr(data, "rows"))
    {
        if (with_index)
            put_csv(at, out);
        at = at ? at->next : NULL;
        cJSON_ArrayForEach(v, row)
        {
            if (with_index || v != row->child)
                buf_putc(out, ',');
            put_csv(v, out);
        }
        buf_putc(out, '\n');
    }
}

struct folder {
    char *path; /* "DIR/sales-files" */
    char *name; /* "sales-files", as links write it */
};

static void folder_of(const char *path, struct folder *f)
{
    const char *dot = strrchr(io_basename(path), '.');
    size_t n = dot && dot > io_basename(path) ? (size_t)(dot - path) : strlen(path);

    f->path = xasprintf("%.*s-files", (int)n, path);
    f->name = xstrdup(io_basename(f->path));
}

/* A link's target: what Markdown or a URL would read otherwise is written as its bytes' numbers. */
static void put_link(struct buf *out, const char *folder, const char *file)
{
    cleanup_free char *path = xasprintf("%s/%s", folder, file);

    for (const char *p = path; *p; p++) {
        bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                     (*p >= '0' && *p <= '9') || strchr("-_./", *p);
        if (plain)
            buf_putc(out, *p);
        else
            buf_putf(out, "%%%02X", (unsigned char)*p);
    }
}

/* The picture, and beside it the same as SVG and what it shows as CSV, where the code gave them. */
static int put_figure(const struct folder *f, const struct report_block *b,
                      const struct published *values, struct buf *md, struct err *e)
{
    const struct published_value *v = b->value;
    cleanup_buf struct buf label = BUF_MAX(MAX_CONF_BYTES);
    /* A table's CSV has the plain name; no name has a blank. */
    bool taken = published_find(values, PUBLISHED_TABLE, str_of(v->name)) != NULL;
    const struct {
        const char *end, *word;
        struct str bytes;
    } files[] = {
        { ".png", "as PNG", buf_str(&v->png) },
        { ".svg", "as SVG", buf_str(&v->svg) },
        { taken ? " (figure).csv" : ".csv", "its data as CSV", buf_str(&v->csv) },
    };
    bool beside = false;

    report_label(b, &label);
    for (size_t i = 0; i < label.n; i++)
        if (strchr("[]\\`<>", label.p[i])) /* what stands in brackets must not end them */
            label.p[i] = ' ';
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        cleanup_free char *file = xasprintf("%s%s", v->name, files[i].end);
        cleanup_free char *path = io_join(f->path, file);
        if (files[i].bytes.n == 0)
            continue;
        if (i == 0)
            buf_putf(md, "\n![%s](", buf_cstr(&label));
        else
            buf_putf(md, "%s[%s](", beside ? " · " : "", files[i].word);
        put_link(md, f->name, file);
        buf_puts(md, i == 0 ? ")\n\n" : ")");
        beside |= i > 0;
        if (io_write_atomic(AT_FDCWD, path, files[i].bytes, 0666, e) < 0)
            return -1;
    }
    buf_puts(md, beside ? "\n\n" : "");
    return 0;
}

static int put_table(const struct folder *f, const struct report_block *b, struct buf *md,
                     struct err *e)
{
    cleanup_free char *file = xasprintf("%s.csv", b->value->name);
    cleanup_free char *path = io_join(f->path, file);
    cleanup_buf struct buf csv = BUF_MAX(MAX_REPORT_BYTES), label = BUF_MAX(MAX_CONF_BYTES);

    report_label(b, &label);
    for (size_t i = 0; i < label.n; i++)
        if (strchr("*\\`<>", label.p[i]))
            label.p[i] = ' ';
    buf_putf(md, "\n**%s**\n\n", buf_cstr(&label));
    report_table_markdown(b->value->data, MAX_REPORT_ROWS, md);
    buf_puts(md, "\n[as CSV](");
    put_link(md, f->name, file);
    buf_puts(md, ")\n\n");
    table_csv(b->value->data, &csv);
    return io_write_atomic(AT_FDCWD, path, buf_str(&csv), 0666, e);
}

static void put_fact_line(void *arg, const char *name, const char *value)
{
    cleanup_buf struct buf clean = BUF_MAX(MAX_CONF_BYTES);

    utf8_clean_line(&clean, str_of(value));
    for (size_t i = 0; i < clean.n; i++)
        if (strchr("<>`|", clean.p[i]))
            clean.p[i] = ' ';
    buf_putf(arg, "- %s: %s\n", name, buf_cstr(&clean));
}

int report_markdown(const struct report *r, const char *path, struct err *e)
{
    cleanup_buf struct buf md = BUF_MAX(MAX_REPORT_BYTES), unknown = BUF_MAX(MAX_CONF_BYTES);
    struct report_blocks blocks;
    struct folder f;
    const cJSON *in;
    int failed = 0;

    folder_of(path, &f);
    report_blocks_of(r->markdown, r->values, &blocks);
    for (size_t i = 0; i < blocks.n && failed == 0; i++)
        if (blocks.v[i].kind != BLOCK_MARKDOWN)
            failed = io_mkdirs(f.path, 0777, e);
    for (size_t i = 0; i < blocks.n && failed == 0; i++) {
        if (blocks.v[i].kind == BLOCK_MARKDOWN)
            buf_puts(&md, blocks.v[i].markdown);
        else if (blocks.v[i].kind == BLOCK_FIGURE)
            failed = put_figure(&f, &blocks.v[i], r->values, &md, e);
        else
            failed = put_table(&f, &blocks.v[i], &md, e);
    }
    report_blocks_done(&blocks);
    free(f.path);
    free(f.name);
    if (failed)
        return -1;
    if (r->grounding && r->grounding->n_unmatched) {
        buf_puts(&md, "\n**Not found in what the code computed:**\n\n");
        for (size_t i = 0; i < r->grounding->n_unmatched; i++)
            buf_putf(&md, "- `%s`\n", r->grounding->unmatched[i].text);
    }
    if (report_unknown(r->markdown, r->values, &unknown))
        buf_putf(&md, "\n**References to nothing:**\n\n```\n%s```\n", buf_cstr(&unknown));
    buf_puts(&md, "\n---\n\n### How this report was made\n\n");
    report_facts(r, put_fact_line, &md);
    cJSON_ArrayForEach(in, r->inputs)
    {
        cleanup_free char *v = xasprintf("%s, %lld bytes, SHA-256 %s",
                                         json_str(in, "name") ? json_str(in, "name") : "",
                                         (long long)json_int(in, "bytes", 0),
                                         json_str(in, "sha256") ? json_str(in, "sha256") : "?");
        put_fact_line(&md, "Input", v);
    }
    if (md.over)
        return err_set(e, ERR_LIMIT, 0, "%s: the report is larger than %llu MiB", path,
                       MAX_REPORT_BYTES / MIB);
    return io_write_atomic(AT_FDCWD, path, buf_str(&md), 0666, e);
}

/* --- the spreadsheet's content --- */

static void add_text(cJSON *list, const char *kind, struct str s)
{
    cJSON *pair = cJSON_CreateArray();
    cleanup_buf struct buf clean = BUF_MAX(MAX_ANSWER_BYTES * 4);

    /* Cells show no Markdown: its signs go, where they are nothing but that. */
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\\' && i + 1 < s.n && strchr("\\`*_[]<>|~&#", s.p[i + 1]))
            i++;
        else if (i + 1 < s.n && s.p[i] == '*' && s.p[i + 1] == '*') {
            i++;
            continue;
        }
        buf_putc(&clean, s.p[i]);
    }
    cleanup_buf struct buf valid = BUF_MAX(MAX_ANSWER_BYTES * 8);
    utf8_clean(&valid, buf_str(&clean));
    cJSON_AddItemToArray(pair, cJSON_CreateString(kind));
    cJSON_AddItemToArray(pair, cJSON_CreateString(buf_cstr(&valid)));
    cJSON_AddItemToArray(list, pair);
}

static void add_markdown(cJSON *list, struct str text)
{
    struct str line, paragraph = { 0 };

    while (text.n) {
        str_cut(&text, '\n', &line);
        bool heading = str_starts(line, "#");
        if (str_trim(line).n && !heading) {
            paragraph = paragraph.p
                            ? (struct str){ paragraph.p, (size_t)(line.p - paragraph.p) + line.n }
                            : line;
            continue;
        }
        if (paragraph.p)
            add_text(list, "p", paragraph);
        paragraph = (struct str){ 0 };
        while (heading && line.n && (line.p[0] == '#' || line.p[0] == ' '))
            line = str_from(line, 1);
        if (heading)
            add_text(list, "h", line);
    }
    if (paragraph.p)
        add_text(list, "p", paragraph);
}

static void add_fact(void *arg, const char *name, const char *value)
{
    cJSON *pair = cJSON_CreateArray();
    cleanup_buf struct buf clean = BUF_MAX(MAX_CONF_BYTES);

    utf8_clean_line(&clean, str_of(value));
    cJSON_AddItemToArray(pair, cJSON_CreateString(name));
    cJSON_AddItemToArray(pair, cJSON_CreateString(buf_cstr(&clean)));
    cJSON_AddItemToArray(arg, pair);
}

static cJSON *value_json(const struct published_value *v, const char *label)
{
    cJSON *o = cJSON_CreateObject();

    json_add_str(o, "name", str_of(v->name));
    json_add_str(o, "label", str_of(label));
    json_add_str(o, "caption", str_of(v->caption));
    json_add_str(o, "text", str_of(v->text));
    const char *const members[] = { "value", "format", "unit", "formats" };
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        if (json_get(v->facts, members[i]))
            cJSON_AddItemToObject(o, members[i],
                                  cJSON_Duplicate(json_get(v->facts, members[i]), true));
    if (v->data) {
        cJSON_AddItemToObject(o, "data", cJSON_Duplicate(v->data, true));
        cJSON_AddBoolToObject(o, "index", report_index_matters(v->data));
    }
    if (v->chart)
        cJSON_AddItemToObject(o, "chart", cJSON_Duplicate(v->chart, true));
    if (v->kind == PUBLISHED_FIGURE) {
        cleanup_buf struct buf b = BUF_MAX(SIZE_MAX / 4);
        base64_put(&b, buf_str(&v->png));
        cJSON_AddStringToObject(o, "png", buf_cstr(&b));
    }
    return o;
}

/* Those that the text shows come first, with their numbers; then the rest. */
void report_sheets(const struct report *r, struct buf *out)
{
    cleanup_json cJSON *o = cJSON_CreateObject();
    cJSON *text = cJSON_AddArrayToObject(o, "text"),
          *numbers = cJSON_AddArrayToObject(o, "numbers"),
          *tables = cJSON_AddArrayToObject(o, "tables"),
          *figures = cJSON_AddArrayToObject(o, "figures"),
          *facts = cJSON_AddArrayToObject(o, "facts");
    cleanup_free char *title = report_title(r);
    struct report_blocks blocks;

    report_blocks_of(r->markdown, r->values, &blocks);
    add_text(text, "title", str_of(title));
    bool *shown = xcalloc(r->values->n + 1, sizeof *shown);
    for (size_t i = 0; i < blocks.n; i++) {
        const struct report_block *b = &blocks.v[i];
        if (b->kind == BLOCK_MARKDOWN) {
            add_markdown(text, str_of(b->markdown));
            continue;
        }
        cleanup_buf struct buf label = BUF_MAX(MAX_CONF_BYTES);
        report_label(b, &label);
        cleanup_free char *where = xasprintf("%s (sheet \"%s\")", buf_cstr(&label), b->value->name);
        add_text(text, "soft", str_of(where));
        if (!shown[b->value - r->values->v])
            cJSON_AddItemToArray(b->kind == BLOCK_FIGURE ? figures : tables,
                                 value_json(b->value, buf_cstr(&label)));
        shown[b->value - r->values->v] = true;
    }
    for (size_t i = 0; i < r->values->n; i++) {
        const struct published_value *v = &r->values->v[i];
        if (!shown[i])
            cJSON_AddItemToArray(v->kind == PUBLISHED_FIGURE  ? figures
                                 : v->kind == PUBLISHED_TABLE ? tables
                                                              : numbers,
                                 value_json(v, v->caption[0] ? v->caption : v->name));
    }
    report_facts(r, add_fact, facts);
    cJSON_AddItemToObject(o, "inputs",
                          r->inputs ? cJSON_Duplicate(r->inputs, true) : cJSON_CreateArray());
    report_blocks_done(&blocks);
    free(shown);
    cleanup_free char *json = json_text(o);
    buf_puts(out, json);
}
