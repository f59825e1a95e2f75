#include "agent/published.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/pictures.h"
#include "agent/base/banned.h"

#define MIME_PUBLISH "application/vnd.agent.publish+json"
#define MIME_DATA "application/vnd.agent.data+json"
#define MIME_CHART "application/vnd.agent.chart+json"
#define MIME_CSV "text/csv"

static const struct {
    const char *kind, *word;
} kinds[] = {
    [PUBLISHED_FIGURE] = { "figure", "fig" },
    [PUBLISHED_TABLE] = { "table", "table" },
    [PUBLISHED_NUMBER] = { "number", "num" },
    [PUBLISHED_TEXT] = { "text", "text" },
};

const char *published_word(enum published_kind kind)
{
    return kinds[kind].word;
}

static void value_done(struct published_value *v)
{
    free(v->name);
    free(v->caption);
    free(v->text);
    cJSON_Delete(v->facts);
    cJSON_Delete(v->data);
    cJSON_Delete(v->chart);
    buf_free(&v->png);
    buf_free(&v->svg);
    buf_free(&v->csv);
}

void published_done(struct published *p)
{
    for (size_t i = 0; i < p->n; i++)
        value_done(&p->v[i]);
    free(p->v);
    *p = (struct published){ 0 };
}

const struct published_value *published_find(const struct published *p, enum published_kind kind,
                                             struct str name)
{
    for (size_t i = 0; p && i < p->n; i++)
        if (p->v[i].kind == kind && str_is(name, p->v[i].name))
            return &p->v[i];
    return NULL;
}

static bool is_name(const char *s)
{
    size_t n = strlen(s);

    for (size_t i = 0; i < n; i++) {
        bool word = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') ||
                    (s[i] >= '0' && s[i] <= '9');
        if (!word && (i == 0 || strchr("_-.", s[i]) == NULL))
            return false;
    }
    return n > 0 && n <= MAX_PUBLISHED_NAME;
}

static char *clean_line(const char *s, size_t limit)
{
    cleanup_buf struct buf b = BUF_MAX(MAX_CONF_BYTES);

    utf8_clean_line(&b, utf8_head(str_of(s), limit));
    return buf_steal(&b);
}

/* What a result brings for a published value. */
struct brought {
    struct str publish, png, svg, csv; /* views */
    cJSON *data, *chart;               /* owned until taken */
    size_t bytes;                      /* of data and chart */
};

/* Rows and columns of a table are what its writers rely on; also that there are not so many that
 * looking one up by its number takes long. */
static bool is_table(const cJSON *data)
{
    const cJSON *row, *columns = json_arr(data, "columns"), *rows = json_arr(data, "rows");
    int n = cJSON_GetArraySize(columns);

    if (columns == NULL || rows == NULL || n > MAX_PUBLISHED_COLUMNS ||
        cJSON_GetArraySize(rows) > MAX_PUBLISHED_ROWS)
        return false;
    cJSON_ArrayForEach(row, rows)
    {
        if (!cJSON_IsArray(row) || cJSON_GetArraySize(row) != n)
            return false;
    }
    return true;
}

/* NULL, or what is wrong with it. */
static const char *fault_of(const struct published_value *v, const struct brought *b)
{
    switch (v->kind) {
    case PUBLISHED_FIGURE:
        return b->png.n == 0 ? "it has no picture" : picture_fault("image/png", b->png);
    case PUBLISHED_TABLE:
        return is_table(b->data) ? NULL : "its data is no table";
    default:
        return v->text[0] ? NULL : "it says nothing";
    }
}

static void put(struct published *p, struct published_value *v)
{
    for (size_t i = 0; i < p->n; i++) {
        if (p->v[i].kind != v->kind || strcmp(p->v[i].name, v->name) != 0)
            continue;
        p->bytes -= p->v[i].bytes;
        value_done(&p->v[i]);
        p->v[i] = *v;
        return;
    }
    p->v = xrealloc(p->v, p->n + 1, sizeof *p->v);
    p->v[p->n++] = *v;
}

static void take(struct published *p, struct brought *b, int cell, struct buf *notes)
{
    struct err ignored = ERR_INIT;
    cleanup_json cJSON *facts = json_parse(b->publish, &ignored);
    const char *kind = json_str(facts, "kind"), *name = json_str(facts, "name");
    struct published_value v = { .cell = cell,
                                 .png = BUF_MAX(MAX_FRAME_BYTES),
                                 .svg = BUF_MAX(MAX_FRAME_BYTES),
                                 .csv = BUF_MAX(MAX_FRAME_BYTES) };
    size_t k = 0;

    while (k < ARRAY_LEN(kinds) && (kind == NULL || strcmp(kinds[k].kind, kind) != 0))
        k++;
    if (k == ARRAY_LEN(kinds) || name == NULL || !is_name(name)) {
        buf_putf(notes, "a published value of cell %d has no proper kind or name\n", cell);
        return;
    }
    v.kind = (enum published_kind)k;
    v.text = clean_line(json_str(facts, "text"), 8000);
    const char *fault = fault_of(&v, b);
    size_t size = b->publish.n + b->bytes + b->png.n + b->svg.n + b->csv.n;
    if (fault == NULL && p->n >= MAX_PUBLISHED)
        fault = "there are too many already";
    if (fault == NULL && size > MAX_PUBLISHED_BYTES - p->bytes)
        fault = "all published values together are too large";
    if (fault) {
        buf_putf(notes, "the %s `%s' that cell %d published was not taken: %s\n", kinds[k].kind,
                 name, cell, fault);
        free(v.text);
        return;
    }
    v.name = xstrdup(name);
    v.caption = clean_line(json_str(facts, "caption"), 2000);
    v.facts = facts;
    facts = NULL;
    if (v.kind == PUBLISHED_TABLE) {
        v.data = b->data;
        b->data = NULL;
    }
    if (v.kind == PUBLISHED_FIGURE) {
        buf_putstr(&v.png, b->png);
        buf_putstr(&v.svg, b->svg);
        buf_putstr(&v.csv, b->csv);
        v.chart = b->chart;
        b->chart = NULL;
    }
    v.bytes = size;
    p->bytes += size;
    put(p, &v);
}

void published_take(struct published *p, const struct sandbox_result *r, int cell,
                    struct buf *notes)
{
    for (size_t i = 0; i < r->n_items; i++) {
        const struct sandbox_item *it = &r->items[i];
        struct brought b = { 0 };
        struct err ignored = ERR_INIT;
        bool is_one = false;

        for (size_t k = 0; it->kind == ITEM_RESULT && k < it->n_reprs; k++)
            is_one |= strcmp(it->reprs[k].mime, MIME_PUBLISH) == 0;
        for (size_t k = 0; is_one && k < it->n_reprs; k++) {
            const struct sandbox_repr *rep = &it->reprs[k];
            struct str s = { rep->data, rep->n };
            if (strcmp(rep->mime, MIME_PUBLISH) == 0)
                b.publish = s;
            else if (strcmp(rep->mime, "image/png") == 0)
                b.png = s;
            else if (strcmp(rep->mime, "image/svg+xml") == 0)
                b.svg = s;
            else if (strcmp(rep->mime, MIME_CSV) == 0)
                b.csv = s;
            else if (strcmp(rep->mime, MIME_DATA) == 0 && b.data == NULL)
                b.data = json_parse(s, &ignored);
            else if (strcmp(rep->mime, MIME_CHART) == 0 && b.chart == NULL)
                b.chart = json_parse(s, &ignored);
            b.bytes += rep->n;
        }
        if (is_one)
            take(p, &b, cell, notes);
        cJSON_Delete(b.data);
        cJSON_Delete(b.chart);
    }
}

static cJSON *copy_of(const cJSON *j, size_t *bytes)
{
    if (j == NULL)
        return NULL;
    cleanup_free char *text = json_text(j);
    *bytes += strlen(text);
    return cJSON_Duplicate(j, true);
}

static void load_result(struct published *p, const struct saved *s, const cJSON *res, int cell,
                        struct buf *notes)
{
    const cJSON *publish = json_get(json_obj(res, "extra"), MIME_PUBLISH);
    const char *file = json_str(json_obj(res, "stored"), "png");
    cleanup_buf struct buf png = BUF_MAX(MAX_FRAME_BYTES);
    struct err e = ERR_INIT;

    if (publish == NULL)
        return;
    if (file && saved_read(s, file, &png, &e) < 0)
        buf_putf(notes, "%s\n", e.msg);
    cleanup_free char *text =
        cJSON_IsString(publish) ? xstrdup(publish->valuestring) : json_text(publish);
    struct brought b = {
        .publish = str_of(text),
        .png = buf_str(&png),
        .svg = str_of(json_str(res, "svg")),
        .csv = str_of(json_str(json_obj(res, "extra"), MIME_CSV)),
    };
    b.data = copy_of(json_get(res, "data"), &b.bytes);
    b.chart = copy_of(json_get(res, "chart"), &b.bytes);
    take(p, &b, cell, notes);
    cJSON_Delete(b.data);
    cJSON_Delete(b.chart);
}

void published_load(struct published *p, const struct saved *s, struct buf *notes)
{
    for (size_t i = 0; i < s->n_cells; i++) {
        const cJSON *res;
        cJSON_ArrayForEach(res, json_arr(s->cells[i].end, "results"))
            load_result(p, s, res, s->cells[i].number, notes);
    }
}
