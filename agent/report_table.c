/* Tables of a report's page. On a screen a wide one scrolls; on paper it stands there in parts,
 * each with as many columns as a page takes. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/html.h"
#include "agent/report_parts.h"
#include "agent/base/banned.h"

#define PAGE_WIDTH 92 /* characters of a printed line of a table; measured on A4 */
#define CELL_WIDTH 28 /* of one column: longer texts go on in the next line */
#define LOOKED_AT 60  /* rows whose texts say how wide a column is */
#define PRINTED_ROWS 100
#define PRINTED_LEAST 25 /* of a table in many parts */

struct table {
    const cJSON *data;
    bool with_index, for_print;
    int n_columns;
    bool *numbers; /* is the column one of numbers? */
    size_t *width; /* in characters; [n_columns] is the index's */
};

static bool is_number_type(const char *type)
{
    return strstr(type, "int") || strstr(type, "float") || strstr(type, "Int") ||
           strstr(type, "Float");
}

/* A word that is longer than a column may be broken there. */
static void put_text(const struct table *t, struct str s, struct buf *out)
{
    size_t run = 0, from = 0;

    for (size_t i = 0; t->for_print && i < s.n; i++) {
        bool first = ((unsigned char)s.p[i] & 0xC0) != 0x80; /* of a character */
        run = s.p[i] == ' ' ? 0 : run + first;
        if (first && run > CELL_WIDTH) {
            html_text(out, (struct str){ s.p + from, i - from });
            buf_puts(out, "&#8203;");
            from = i;
            run = 1;
        }
    }
    html_text(out, str_from(s, from));
}

static void put_cell(const struct table *t, int row, int column, const cJSON *v, const char *tag,
                     struct buf *out)
{
    cleanup_buf struct buf text = BUF_MAX(MAX_CONF_BYTES);
    bool none = v == NULL || cJSON_IsNull(v), number = cJSON_IsNumber(v);

    report_cell_text(t->data, row, column, v, &text);
    buf_putf(out, "<%s", tag);
    if (none)
        buf_puts(out, column >= 0 && t->numbers[column] ? " class=\"r none\"" : " class=\"none\"");
    else if (number) /* what it is sorted by; a text of digits only */
        buf_putf(out, " class=\"r\" data-v=\"%.17g\"", v->valuedouble);
    buf_putc(out, '>');
    put_text(t, buf_str(&text), out);
    buf_putf(out, "</%s>", tag);
}

static void index_title(const cJSON *data, struct buf *out)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, json_arr(data, "index_names"))
    {
        if (v != json_arr(data, "index_names")->child)
            buf_puts(out, " / ");
        if (cJSON_IsString(v))
            utf8_clean_line(out, str_of(v->valuestring));
    }
}

/* Columns [from, to), and before them the row's name: the index, or else the first column. */
static bool shown(const struct table *t, int column, int from, int to)
{
    return (column >= from && column < to) || (!t->with_index && column == 0);
}

static void put_head(const struct table *t, int from, int to, struct buf *out)
{
    const cJSON *v;
    int k = 0;

    buf_puts(out, "<thead><tr>");
    if (t->with_index) {
        cleanup_buf struct buf title = BUF_MAX(MAX_CONF_BYTES);
        index_title(t->data, &title);
        buf_puts(out, "<th scope=\"col\">");
        put_text(t, buf_str(&title), out);
        buf_puts(out, "</th>");
    }
    cJSON_ArrayForEach(v, json_arr(t->data, "columns"))
    {
        cleanup_buf struct buf text = BUF_MAX(MAX_CONF_BYTES);
        if (shown(t, k, from, to)) {
            report_cell_text(t->data, 0, -1, v, &text);
            buf_puts(out, t->numbers[k] ? "<th scope=\"col\" class=\"r\">" : "<th scope=\"col\">");
            put_text(t, buf_str(&text), out);
            buf_puts(out, "</th>");
        }
        k++;
    }
    buf_puts(out, "</tr></thead>\n<tbody>\n");
}

/* Returns how many rows it wrote. */
static int put_part(const struct table *t, int from, int to, int max_rows, struct buf *out)
{
    const cJSON *row, *v, *at = NULL;
    int n = 0;

    if (t->with_index && json_arr(t->data, "index"))
        at = json_arr(t->data, "index")->child;
    buf_puts(out, "<div class=\"scroll\"><table class=\"sortable\">\n");
    put_head(t, from, to, out);
    cJSON_ArrayForEach(row, json_arr(t->data, "rows"))
    {
        int k = 0;
        if (n >= max_rows)
            break;
        buf_puts(out, "<tr>");
        if (t->with_index)
            put_cell(t, n, -1, at, "th", out);
        at = at ? at->next : NULL;
        cJSON_ArrayForEach(v, row)
        {
            if (shown(t, k, from, to))
                put_cell(t, n, k, v, "td", out);
            k++;
        }
        buf_puts(out, "</tr>\n");
        n++;
    }
    buf_puts(out, "</tbody></table></div>\n");
    return n;
}

/* --- how much a page takes --- */

static void widen(size_t *width, struct str text)
{
    size_t n = utf8_width(text);

    if (n > CELL_WIDTH)
        n = CELL_WIDTH;
    if (n > *width)
        *width = n;
}

static void measure(struct table *t)
{
    const cJSON *row, *v, *columns = json_arr(t->data, "columns"),
                          *types = json_arr(t->data, "dtypes"),
                          *index = t->with_index ? json_arr(t->data, "index") : NULL;
    cleanup_buf struct buf text = BUF_MAX(MAX_CONF_BYTES);
    int n = 0, k = 0;

    t->n_columns = cJSON_GetArraySize(columns);
    t->numbers = xcalloc((size_t)t->n_columns + 1, sizeof *t->numbers);
    t->width = xcalloc((size_t)t->n_columns + 1, sizeof *t->width);
    cJSON_ArrayForEach(v, types)
    {
        if (k < t->n_columns)
            t->numbers[k++] = cJSON_IsString(v) && is_number_type(v->valuestring);
    }
    k = 0;
    cJSON_ArrayForEach(v, columns)
    {
        buf_clear(&text);
        report_cell_text(t->data, 0, -1, v, &text);
        widen(&t->width[k++], buf_str(&text));
    }
    cJSON_ArrayForEach(row, json_arr(t->data, "rows"))
    {
        if (n++ >= LOOKED_AT)
            break;
        k = 0;
        cJSON_ArrayForEach(v, row)
        {
            buf_clear(&text);
            report_cell_text(t->data, n - 1, k, v, &text);
            widen(&t->width[k++], buf_str(&text));
        }
    }
    n = 0;
    cJSON_ArrayForEach(v, index)
    {
        if (n++ >= LOOKED_AT)
            break;
        buf_clear(&text);
        report_cell_text(t->data, 0, -1, v, &text);
        widen(&t->width[t->n_columns], buf_str(&text));
    }
}

/* Where the part that begins at `from` ends. */
static int part_end(const struct table *t, int from)
{
    size_t used = t->with_index || from == 0 ? 0 : t->width[0] + 2;
    int to = from;

    if (!t->for_print)
        return t->n_columns;
    if (t->with_index)
        used += t->width[t->n_columns] + 2;
    do
        used += t->width[to++] + 2;
    while (to < t->n_columns && used + t->width[to] + 2 <= PAGE_WIDTH);
    return to;
}

static void put_count(const struct table *t, int n, struct buf *out)
{
    int64_t all = json_int(t->data, "n_rows", n),
            more = json_int(json_obj(t->data, "cut"), "columns", 0);

    if (all <= n && more <= 0 && n > 0)
        return;
    if (all <= 0)
        buf_puts(out, "<p class=\"note\">It has no rows");
    else
        buf_putf(out, "<p class=\"note\">%d of %lld rows are shown", n, (long long)all);
    if (more > 0)
        buf_putf(out, ", %lld columns are not", (long long)more);
    buf_puts(out, ".</p>\n");
}

void report_table_html(const cJSON *data, bool for_print, struct buf *out)
{
    struct table t = { .data = data,
                       .with_index = report_index_matters(data),
                       .for_print = for_print };
    int n = 0, parts = 0, max_rows = MAX_REPORT_ROWS;

    measure(&t);
    for (int at = 0; at < t.n_columns; at = part_end(&t, at))
        parts++;
    if (for_print)
        max_rows = parts < PRINTED_ROWS / PRINTED_LEAST ? PRINTED_ROWS / (parts ? parts : 1)
                                                        : PRINTED_LEAST;
    for (int at = 0; at < t.n_columns || at == 0;) {
        int to = part_end(&t, at);
        n = put_part(&t, at, to, max_rows, out);
        if (parts > 1 && to > at + 1)
            buf_putf(out, "<p class=\"note\">Columns %d to %d of %d.</p>\n", at + 1, to,
                     t.n_columns);
        else if (parts > 1)
            buf_putf(out, "<p class=\"note\">Column %d of %d.</p>\n", to, t.n_columns);
        if (to <= at)
            break; /* a table without columns */
        at = to;
    }
    put_count(&t, n, out);
    free(t.numbers);
    free(t.width);
}
