#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/report_parts.h"
#include "agent/base/banned.h"

#define ANSWER_ROWS 20

/* --- references --- */

static const struct {
    const char *word;
    enum published_kind kind;
} words[] = {
    { "fig", PUBLISHED_FIGURE }, { "figure", PUBLISHED_FIGURE }, { "table", PUBLISHED_TABLE },
    { "num", PUBLISHED_NUMBER }, { "number", PUBLISHED_NUMBER }, { "text", PUBLISHED_TEXT },
};

struct reference {
    struct str all;  /* "{{fig:sales}}" */
    struct str word; /* "fig" */
    struct str name;
    enum published_kind kind;
    const struct published_value *value; /* NULL: to nothing */
};

/* The first reference in `s`; what stands in double braces and names none of our kinds is text. */
static bool find_reference(struct str s, const struct published *values, struct reference *ret)
{
    for (;;) {
        const char *open = s.n ? memmem(s.p, s.n, "{{", 2) : NULL;
        if (open == NULL)
            return false;
        s = str_from(s, (size_t)(open - s.p));
        const char *close = memmem(s.p, s.n, "}}", 2);
        if (close == NULL)
            return false;
        struct str inner = { s.p + 2, (size_t)(close - s.p) - 2 }, word;
        bool colon = str_cut(&inner, ':', &word);
        word = str_trim(word);
        for (size_t i = 0; colon && i < ARRAY_LEN(words); i++) {
            if (!str_is(word, words[i].word))
                continue;
            ret->all = (struct str){ s.p, (size_t)(close - s.p) + 2 };
            ret->word = word;
            ret->name = str_trim(inner);
            ret->kind = words[i].kind;
            ret->value = published_find(values, ret->kind, ret->name);
            return true;
        }
        s = str_from(s, 2);
    }
}

/* Lines of the text, with what is within a code fence told apart. */
struct lines {
    struct str rest;
    char fence; /* 0, '`' or '~' */
    size_t length;
};

static bool next_line(struct lines *l, struct str *line, bool *code)
{
    if (l->rest.n == 0)
        return false;
    str_cut(&l->rest, '\n', line);
    struct str s = str_trim(*line);
    size_t n = 0;
    while (s.n && n < s.n && s.p[n] == s.p[0] && (s.p[0] == '`' || s.p[0] == '~'))
        n++;
    *code = l->fence != 0;
    if (l->fence == 0 && n >= 3) {
        l->fence = s.p[0];
        l->length = n;
        *code = true;
    } else if (l->fence && n >= l->length && s.p[0] == l->fence && n == s.n) {
        l->fence = 0;
    }
    return true;
}

bool report_has_references(struct str markdown)
{
    struct lines l = { .rest = markdown };
    struct str line;
    struct reference ref;
    bool code;

    while (next_line(&l, &line, &code))
        if (!code && find_reference(line, NULL, &ref))
            return true;
    return false;
}

size_t report_unknown(struct str markdown, const struct published *values, struct buf *out)
{
    struct lines l = { .rest = markdown };
    struct str line;
    size_t n = 0;
    bool code;

    while (next_line(&l, &line, &code)) {
        struct reference ref;
        while (!code && find_reference(line, values, &ref)) {
            line = str_from(line, (size_t)(ref.all.p - line.p) + ref.all.n);
            cleanup_buf struct buf clean = BUF_MAX(MAX_CONF_BYTES);
            utf8_clean_line(&clean, utf8_head(ref.all, 200));
            buf_putc(&clean, '\n');
            struct str so_far = buf_str(out);
            if (ref.value || (so_far.n && memmem(so_far.p, so_far.n, clean.p, clean.n)))
                continue;
            buf_putstr(out, buf_str(&clean));
            n++;
        }
    }
    return n;
}

/* --- blocks --- */

struct maker {
    struct report_blocks *out;
    struct buf text;
    const struct published *values;
    const struct published_value **numbered; /* figures and tables by their first mention */
    size_t n_numbered;
    const struct published_value **later; /* named in this paragraph, not yet standing anywhere */
    size_t n_later;
    const struct published_value **alone; /* that have a line of their own somewhere */
    size_t n_alone;
};

static bool among(const struct published_value *const *v, size_t n, const struct published_value *x)
{
    for (size_t i = 0; i < n; i++)
        if (v[i] == x)
            return true;
    return false;
}

static void add(const struct published_value ***v, size_t *n, const struct published_value *x)
{
    if (among(*v, *n, x))
        return;
    *v = xrealloc(*v, *n + 1, sizeof **v);
    (*v)[(*n)++] = x;
}

static bool is_block(const struct reference *r)
{
    return r->value && (r->kind == PUBLISHED_FIGURE || r->kind == PUBLISHED_TABLE);
}

static bool stands_alone(struct str line, const struct reference *r)
{
    return is_block(r) && str_trim(line).n == r->all.n;
}

static int number_of(const struct maker *m, const struct published_value *v)
{
    int n = 0;

    for (size_t i = 0; i < m->n_numbered; i++) {
        n += m->numbered[i]->kind == v->kind;
        if (m->numbered[i] == v)
            break;
    }
    return n;
}

static void end_text(struct maker *m)
{
    if (str_trim(buf_str(&m->text)).n) {
        m->out->v = xrealloc(m->out->v, m->out->n + 1, sizeof *m->out->v);
        m->out->v[m->out->n++] =
            (struct report_block){ BLOCK_MARKDOWN, str_dup(buf_str(&m->text)), NULL, 0 };
    }
    buf_clear(&m->text);
}

static void put_block(struct maker *m, const struct published_value *v)
{
    end_text(m);
    m->out->v = xrealloc(m->out->v, m->out->n + 1, sizeof *m->out->v);
    m->out->v[m->out->n++] =
        (struct report_block){ v->kind == PUBLISHED_FIGURE ? BLOCK_FIGURE : BLOCK_TABLE, NULL, v,
                               number_of(m, v) };
}

static void put_later(struct maker *m)
{
    for (size_t i = 0; i < m->n_later; i++)
        put_block(m, m->later[i]);
    m->n_later = 0;
}

/* Words of a value within Markdown mean themselves. */
static void put_words(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (strchr("\\`*_[]<>|~&#", s.p[i]))
            buf_putc(out, '\\');
        buf_putc(out, s.p[i]);
    }
}

static void put_line(struct maker *m, struct str line)
{
    struct reference r;

    while (find_reference(line, m->values, &r)) {
        buf_put(&m->text, line.p, (size_t)(r.all.p - line.p));
        line = str_from(line, (size_t)(r.all.p - line.p) + r.all.n);
        if (r.value == NULL) {
            buf_putstr(&m->text, r.all);
        } else if (is_block(&r)) {
            buf_putf(&m->text, "%s %d", r.kind == PUBLISHED_FIGURE ? "Figure" : "Table",
                     number_of(m, r.value));
            if (!among(m->alone, m->n_alone, r.value)) {
                add(&m->later, &m->n_later, r.value);
                add(&m->alone, &m->n_alone, r.value); /* once is enough */
            }
        } else {
            put_words(&m->text, str_of(r.value->text));
        }
    }
    buf_putstr(&m->text, line);
    buf_putc(&m->text, '\n');
}

static void look_ahead(struct maker *m, struct str markdown)
{
    struct lines l = { .rest = markdown };
    struct str line;
    bool code;

    while (next_line(&l, &line, &code)) {
        struct reference r;
        struct str rest = line;
        while (!code && find_reference(rest, m->values, &r)) {
            rest = str_from(rest, (size_t)(r.all.p - rest.p) + r.all.n);
            if (is_block(&r))
                add(&m->numbered, &m->n_numbered, r.value);
            if (stands_alone(line, &r))
                add(&m->alone, &m->n_alone, r.value);
        }
    }
}

void report_blocks_of(struct str markdown, const struct published *values,
                      struct report_blocks *ret)
{
    struct maker m = { .out = ret, .text = BUF_MAX(MAX_ANSWER_BYTES * 4), .values = values };
    struct lines l = { .rest = markdown };
    struct str line;
    bool code;

    *ret = (struct report_blocks){ 0 };
    look_ahead(&m, markdown);
    while (next_line(&l, &line, &code)) {
        struct reference r;
        if (code) {
            buf_putstr(&m.text, line);
            buf_putc(&m.text, '\n');
        } else if (find_reference(line, values, &r) && stands_alone(line, &r)) {
            put_later(&m);
            put_block(&m, r.value);
        } else if (str_trim(line).n == 0) {
            put_later(&m);
            buf_putc(&m.text, '\n');
        } else {
            put_line(&m, line);
        }
    }
    put_later(&m);
    end_text(&m);
    buf_free(&m.text);
    free(m.numbered);
    free(m.later);
    free(m.alone);
}

void report_blocks_done(struct report_blocks *b)
{
    for (size_t i = 0; i < b->n; i++)
        free(b->v[i].markdown);
    free(b->v);
    *b = (struct report_blocks){ 0 };
}

/* --- what writers share --- */

void report_label(const struct report_block *b, struct buf *out)
{
    buf_putf(out, "%s %d", b->kind == BLOCK_FIGURE ? "Figure" : "Table", b->number);
    if (b->value->caption[0])
        buf_putf(out, ". %s", b->value->caption);
}

/* A number as it is read: thousands apart, no digits that say nothing. */
static void put_number(double v, struct buf *out)
{
    char s[64];
    bool whole = v == floor(v) && fabs(v) < 1e15;

    if (!isfinite(v) || (v != 0 && (fabs(v) >= 1e15 || fabs(v) < 1e-4))) {
        buf_putf(out, "%.6g", v);
        return;
    }
    snprintf(s, sizeof s, whole ? "%.0f" : fabs(v) >= 1 ? "%.2f" : "%.4f", fabs(v));
    size_t digits = strcspn(s, ".");
    if (v < 0)
        buf_putc(out, '-');
    for (size_t i = 0; s[i]; i++) {
        /* a year is no amount: four digits stay together */
        if (i && i < digits && digits > 4 && (digits - i) % 3 == 0)
            buf_putc(out, ',');
        buf_putc(out, s[i]);
    }
}

/* A day has no time of day: "2024-01-31T00:00:00" in a column of dates, an index or a header. */
static struct str date_part(const cJSON *data, int column, struct str s)
{
    const cJSON *type = column < 0 ? NULL : cJSON_GetArrayItem(json_arr(data, "dtypes"), column);
    bool may =
        column < 0 || (cJSON_IsString(type) && str_starts(str_of(type->valuestring), "date"));

    if (may && s.n == 19 && s.p[4] == '-' && s.p[7] == '-' && str_ends(s, "T00:00:00"))
        s.n = 10;
    return s;
}

void report_cell_text(const cJSON *data, int row, int column, const cJSON *v, struct buf *out)
{
    const cJSON *texts = json_arr(data, "texts");
    const cJSON *t = column < 0 ? NULL : cJSON_GetArrayItem(cJSON_GetArrayItem(texts, row), column);

    if (cJSON_IsString(t))
        utf8_clean_line(out, str_of(t->valuestring));
    else if (v == NULL || cJSON_IsNull(v))
        buf_puts(out, "\u2013");
    else if (cJSON_IsString(v))
        utf8_clean_line(out, date_part(data, column, str_of(v->valuestring)));
    else if (cJSON_IsNumber(v))
        put_number(v->valuedouble, out);
    else if (cJSON_IsArray(v)) { /* a header or index of several levels */
        const cJSON *part;
        cJSON_ArrayForEach(part, v)
        {
            if (part != v->child)
                buf_puts(out, " / ");
            report_cell_text(data, row, -1, cJSON_IsArray(part) ? NULL : part, out);
        }
    } else {
        cleanup_free char *text = json_text(v);
        buf_puts(out, text);
    }
}

bool report_index_matters(const cJSON *data)
{
    const cJSON *v;
    int at = 0;

    cJSON_ArrayForEach(v, json_arr(data, "index_names")) if (cJSON_IsString(v)) return true;
    cJSON_ArrayForEach(v, json_arr(data, "index"))
    {
        if (!cJSON_IsNumber(v) || v->valuedouble != (double)at++)
            return true;
    }
    return false;
}

static void put_markdown_cell(const cJSON *data, int row, int column, const cJSON *v,
                              struct buf *out)
{
    cleanup_buf struct buf text = BUF_MAX(MAX_CONF_BYTES);

    report_cell_text(data, row, column, v, &text);
    buf_putc(out, ' ');
    put_words(out, buf_str(&text));
    buf_puts(out, " |");
}

static bool is_number_column(const cJSON *data, int column)
{
    const cJSON *row;
    bool any = false;

    cJSON_ArrayForEach(row, json_arr(data, "rows"))
    {
        const cJSON *v = cJSON_GetArrayItem(row, column);
        if (cJSON_IsNumber(v))
            any = true;
        else if (!cJSON_IsNull(v))
            return false;
    }
    return any;
}

static void put_index_names(const cJSON *data, struct buf *out)
{
    const cJSON *name;
    bool first = true;

    buf_putc(out, ' ');
    cJSON_ArrayForEach(name, json_arr(data, "index_names"))
    {
        if (!first)
            buf_puts(out, " / ");
        first = false;
        if (cJSON_IsString(name))
            put_words(out, str_of(name->valuestring));
    }
    buf_puts(out, " |");
}

void report_table_markdown(const cJSON *data, size_t max_rows, struct buf *out)
{
    const cJSON *row, *v, *at = NULL;
    bool with_index = report_index_matters(data);
    int n = 0, k = 0;

    if (with_index && json_arr(data, "index"))
        at = json_arr(data, "index")->child;
    buf_putc(out, '|');
    if (with_index)
        put_index_names(data, out);
    cJSON_ArrayForEach(v, json_arr(data, "columns")) put_markdown_cell(data, 0, -1, v, out);
    buf_puts(out, with_index ? "\n| --- |" : "\n|");
    cJSON_ArrayForEach(v, json_arr(data, "columns"))
        buf_puts(out, is_number_column(data, k++) ? " ---: |" : " --- |");
    buf_putc(out, '\n');
    cJSON_ArrayForEach(row, json_arr(data, "rows"))
    {
        if ((size_t)n >= max_rows)
            break;
        buf_putc(out, '|');
        if (with_index)
            put_markdown_cell(data, n, -1, at, out);
        at = at ? at->next : NULL;
        k = 0;
        cJSON_ArrayForEach(v, row) put_markdown_cell(data, n, k++, v, out);
        buf_putc(out, '\n');
        n++;
    }
    int64_t all = json_int(data, "n_rows", n),
            columns = json_int(json_obj(data, "cut"), "columns", 0);
    if (all > n)
        buf_putf(out, "\n%d of %lld rows\n", n, (long long)all);
    if (columns > 0)
        buf_putf(out, "\n%lld more columns are not shown\n", (long long)columns);
}

void report_answer(struct str markdown, const struct published *values, struct buf *out)
{
    struct report_blocks blocks;

    report_blocks_of(markdown, values, &blocks);
    for (size_t i = 0; i < blocks.n; i++) {
        const struct report_block *b = &blocks.v[i];
        if (b->kind == BLOCK_MARKDOWN) {
            buf_puts(out, b->markdown);
            continue;
        }
        cleanup_buf struct buf label = BUF_MAX(MAX_CONF_BYTES);
        report_label(b, &label);
        buf_puts(out, "\n**");
        put_words(out, buf_str(&label));
        buf_puts(out, "**\n\n");
        if (b->kind == BLOCK_TABLE)
            report_table_markdown(b->value->data, ANSWER_ROWS, out);
        buf_putc(out, '\n');
    }
    report_blocks_done(&blocks);
    while (out->n && (out->p[out->n - 1] == '\n' || out->p[out->n - 1] == ' '))
        out->p[--out->n] = '\0';
}

/* The first heading of the text, else the question's first line. */
char *report_title(const struct report *r)
{
    cleanup_buf struct buf b = BUF_MAX(MAX_CONF_BYTES), text = BUF_MAX(MAX_ANSWER_BYTES);
    struct str rest = r->markdown, line;

    while (r->title == NULL && rest.n) {
        str_cut(&rest, '\n', &line);
        if (!str_starts(line, "# ") && !str_starts(line, "## "))
            continue;
        report_answer(line, r->values, &text);
        line = buf_str(&text);
        while (line.n && (line.p[0] == '#' || line.p[0] == ' '))
            line = str_from(line, 1);
        utf8_clean_line(&b, utf8_head(line, 200));
        return buf_steal(&b);
    }
    rest = str_trim(str_of(r->title ? r->title : r->question));
    str_cut(&rest, '\n', &line);
    utf8_clean_line(&b, utf8_head(line, 200));
    if (b.n == 0)
        buf_puts(&b, "Report");
    return buf_steal(&b);
}
