#include "agent/html.h"
#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "agent/base/base64.h"
#include "agent/base/json.h"
#include "agent/base/mem.h"
#include "agent/base/sha256.h"
#include "agent/base/utf8.h"
#include "agent/base/banned.h"

extern const char html_css[], html_css_end[];

/* The hash of a style sheet or script as the policy writes it: nothing else may be one. */
static void put_hash(struct buf *out, struct str css)
{
    struct sha256 sha;
    char hex[65], raw[32];

    sha256_init(&sha);
    sha256_put(&sha, css.p, css.n);
    sha256_hex(&sha, hex);
    for (int i = 0; i < 32; i++) {
        unsigned byte = 0;
        sscanf(hex + i * 2, "%2x", &byte);
        raw[i] = (char)byte;
    }
    base64_put(out, (struct str){ raw, sizeof raw });
}

void html_page_begin(struct buf *out, const char *title)
{
    static const struct html_extra none = { 0 };

    html_page_begin_with(out, title, &none);
}

void html_page_begin_with(struct buf *out, const char *title, const struct html_extra *extra)
{
    struct str css = { html_css, (size_t)(html_css_end - html_css) };

    buf_puts(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                  "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                  "img-src data:; style-src 'sha256-");
    put_hash(out, css);
    if (extra->css.n) {
        buf_puts(out, "' 'sha256-");
        put_hash(out, extra->css);
    }
    if (extra->script.n) {
        buf_puts(out, "'; script-src 'sha256-");
        put_hash(out, extra->script);
    }
    buf_puts(out, "'; base-uri 'none'; form-action 'none'\">\n"
                  "<meta name=\"referrer\" content=\"no-referrer\">\n"
                  "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                  "<link rel=\"icon\" href=\"data:,\">\n<title>");
    html_text(out, str_of(title));
    buf_puts(out, "</title>\n<style>");
    buf_putstr(out, css);
    if (extra->css.n) {
        buf_puts(out, "</style>\n<style>");
        buf_putstr(out, extra->css);
    }
    buf_puts(out, "</style>\n</head>\n<body>\n<main>\n");
}

void html_page_end(struct buf *out)
{
    static const struct html_extra none = { 0 };

    html_page_end_with(out, &none);
}

void html_page_end_with(struct buf *out, const struct html_extra *extra)
{
    buf_puts(out, "</main>\n");
    if (extra->script.n) {
        buf_puts(out, "<script>");
        buf_putstr(out, extra->script);
        buf_puts(out, "</script>\n");
    }
    buf_puts(out, "</body>\n</html>\n");
}

void html_text(struct buf *out, struct str s)
{
    cleanup_buf struct buf clean = BUF_MAX(SIZE_MAX / 4);
    size_t from = 0;

    utf8_clean(&clean, s);
    for (size_t i = 0; i < clean.n; i++) {
        const char *to = clean.p[i] == '&'    ? "&amp;"
                         : clean.p[i] == '<'  ? "&lt;"
                         : clean.p[i] == '>'  ? "&gt;"
                         : clean.p[i] == '"'  ? "&quot;"
                         : clean.p[i] == '\'' ? "&#39;"
                                              : NULL;
        if (to == NULL)
            continue;
        buf_put(out, clean.p + from, i - from);
        buf_puts(out, to);
        from = i + 1;
    }
    buf_put(out, clean.p + from, clean.n - from);
}

void html_picture(struct buf *out, const char *mime, struct str bytes, const char *alt,
                  const char *caption)
{
    buf_puts(out, "<figure><img alt=\"");
    html_text(out, str_of(alt));
    buf_puts(out, "\" src=\"data:");
    html_text(out, str_of(mime));
    buf_puts(out, ";base64,");
    base64_put(out, bytes);
    buf_puts(out, "\">");
    if (caption) {
        buf_puts(out, "<figcaption>");
        html_text(out, str_of(caption));
        buf_puts(out, "</figcaption>");
    }
    buf_puts(out, "</figure>\n");
}

/* --- tables --- */

static void put_value(struct buf *out, const cJSON *v)
{
    if (cJSON_IsString(v)) {
        html_text(out, str_of(v->valuestring));
        return;
    }
    cleanup_free char *text = json_text(v);
    html_text(out, str_of(text));
}

static void put_cell(struct buf *out, const cJSON *v, const char *tag)
{
    if (v == NULL || cJSON_IsNull(v)) {
        buf_putf(out, "<%s class=\"none\">\u2013</%s>", tag, tag);
        return;
    }
    buf_putf(out, "<%s%s>", tag, cJSON_IsNumber(v) ? " class=\"r\"" : "");
    put_value(out, v);
    buf_putf(out, "</%s>", tag);
}

/* An index that only counts the rows says nothing. */
static bool index_matters(const cJSON *index, const cJSON *names)
{
    int at = 0;
    const cJSON *v;

    cJSON_ArrayForEach(v, names) if (cJSON_IsString(v)) return true;
    cJSON_ArrayForEach(v, index)
    {
        if (!cJSON_IsNumber(v) || v->valuedouble != (double)at++)
            return true;
    }
    return false;
}

/* An index of several levels is an array in each row. */
static size_t levels_of(const cJSON *index)
{
    const cJSON *first = index ? index->child : NULL;

    return cJSON_IsArray(first) ? (size_t)cJSON_GetArraySize(first) : 1;
}

static void put_head(struct buf *out, const cJSON *data, size_t levels)
{
    const cJSON *name = json_arr(data, "index_names"), *type = json_arr(data, "dtypes"), *c;

    name = name ? name->child : NULL;
    type = type ? type->child : NULL;
    buf_puts(out, "<thead><tr>");
    for (size_t i = 0; i < levels; i++, name = name ? name->next : NULL) {
        buf_puts(out, "<th>");
        if (cJSON_IsString(name))
            html_text(out, str_of(name->valuestring));
        buf_puts(out, "</th>");
    }
    cJSON_ArrayForEach(c, json_arr(data, "columns"))
    {
        const char *t = cJSON_IsString(type) ? type->valuestring : "";
        bool number = strstr(t, "int") || strstr(t, "float");
        buf_puts(out, number ? "<th class=\"r\">" : "<th>");
        put_value(out, c);
        buf_puts(out, "</th>");
        type = type ? type->next : NULL;
    }
    buf_puts(out, "</tr></thead>\n");
}

bool html_table(struct buf *out, const struct cJSON *data, size_t max_rows)
{
    const cJSON *rows = json_arr(data, "rows"), *index = json_arr(data, "index"), *row;
    const cJSON *at = index ? index->child : NULL, *v;
    size_t n = 0;

    if (rows == NULL || json_arr(data, "columns") == NULL)
        return false;
    bool with_index = index && index_matters(index, json_arr(data, "index_names"));
    size_t levels = with_index ? levels_of(index) : 0;
    buf_puts(out, "<div class=\"scroll\"><table>\n");
    put_head(out, data, levels);
    buf_puts(out, "<tbody>\n");
    cJSON_ArrayForEach(row, rows)
    {
        if (n++ == max_rows)
            break;
        buf_puts(out, "<tr>");
        if (with_index && levels > 1)
            cJSON_ArrayForEach(v, at) put_cell(out, v, "th");
        else if (with_index)
            put_cell(out, at, "th");
        at = at ? at->next : NULL;
        cJSON_ArrayForEach(v, row) put_cell(out, v, "td");
        buf_puts(out, "</tr>\n");
    }
    buf_puts(out, "</tbody></table></div>\n");
    int64_t shown = (int64_t)(n > max_rows ? max_rows : n), all = json_int(data, "n_rows", shown);
    int64_t columns = json_int(json_obj(data, "cut"), "columns", 0);
    if (all > shown || columns > 0) {
        buf_putf(out, "<p class=\"note\">%lld of %lld rows", (long long)shown, (long long)all);
        if (columns > 0)
            buf_putf(out, "; %lld more columns", (long long)columns);
        buf_puts(out, "</p>\n");
    }
    return true;
}
