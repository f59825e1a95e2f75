#include "agent/ground.h"
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/ground_parts.h"
#include "agent/base/banned.h"

struct ground *ground_new(void)
{
    return xcalloc(1, sizeof(struct ground));
}

void ground_free(struct ground *g)
{
    if (g == NULL)
        return;
    for (size_t i = 0; i < g->n_files; i++)
        free(g->files[i]);
    free(g->files);
    free(g->printed.v);
    free(g->percents.v);
    free(g->said.v);
    free(g->dates);
    free(g);
}

/* --- evidence --- */

static void add_value(struct values *l, double v)
{
    if (!isfinite(v) || l->n >= MAX_GROUND_NUMBERS)
        return;
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 256;
        l->v = xrealloc(l->v, l->cap, sizeof(double));
    }
    l->v[l->n++] = fabs(v);
    l->sorted = false;
}

static void add_date(struct ground *g, int y, int m, int d)
{
    if (g->n_dates >= MAX_GROUND_NUMBERS)
        return;
    if (g->n_dates == g->cap_dates) {
        g->cap_dates = g->cap_dates ? g->cap_dates * 2 : 64;
        g->dates = xrealloc(g->dates, g->cap_dates, sizeof *g->dates);
    }
    g->dates[g->n_dates++] = (struct date){ y, m, d };
}

static void add_evidence(struct ground *g, struct values *to, const struct number *n)
{
    if (n->kind != NUMBER_PLAIN) {
        add_value(to, n->y);
        add_value(to, n->m);
        if (n->kind == NUMBER_TIME || n->d)
            add_value(to, n->d);
        if (n->kind == NUMBER_DATE) {
            add_date(g, n->y, n->m, n->d);
            if (n->d_m_swapped)
                add_date(g, n->y, n->d, n->m);
        }
        return;
    }
    for (size_t k = n->scale_sure ? n->n_plain : 0; k < n->n_r; k++) {
        add_value(to, n->r[k].value);
        if (n->percent)
            add_value(&g->percents, n->r[k].value / 100);
    }
}

static void scan(struct ground *g, struct values *to, struct str text)
{
    struct number n;

    for (size_t at = 0; number_next(text, &at, &n);)
        add_evidence(g, to, &n);
}

static void scan_months(struct ground *g, struct str text)
{
    for (size_t i = 0; i < text.n; i++) {
        int m = number_month(text, i);
        if (m)
            g->months[m] = true;
    }
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "revenue_millions", "GDP (bn USD)", "in thousands": the unit of a column, and not of a number
 * that stands before it. */
static bool names_unit(struct str t)
{
    static const char *const words[] = { "million", "billion", "thousand", "milliard", "mill.",
                                         "(bn",     "(mn",     "(mio",     "(mrd",     "(m)",
                                         "(k)",     "mio.",    "mrd.",     "tsd.",     "млн",
                                         "млрд",    "тыс" };

    for (size_t i = 0; i < t.n; i++) {
        size_t before = i > 0 && (t.p[i - 1] == ' ' || t.p[i - 1] == NUMBER_SPACE) ? i - 1 : i;
        if (before > 0 && is_digit(t.p[before - 1]))
            continue;
        for (size_t k = 0; k < ARRAY_LEN(words); k++) {
            size_t n = strlen(words[k]);
            if (t.n - i >= n && strncasecmp(t.p + i, words[k], n) == 0)
                return true;
        }
    }
    return false;
}

/* Where a number with commas of thousands ends that begins at i, behind `before`, and is no row of
 * a table: it stands between spaces. Else i. */
static size_t grouped_end(struct str t, size_t i, char before)
{
    size_t k = i;

    if (!strchr(" \n$(+-~", before))
        return i;
    while (k < t.n && is_digit(t.p[k]))
        k++;
    if (k == i || k - i > 3)
        return i;
    size_t first = k;
    while (k + 3 < t.n && t.p[k] == ',' && is_digit(t.p[k + 1]) && is_digit(t.p[k + 2]) &&
           is_digit(t.p[k + 3]) && !(k + 4 < t.n && is_digit(t.p[k + 4])))
        k += 4;
    if (k == first)
        return i;
    if (k + 1 < t.n && t.p[k] == '.' && is_digit(t.p[k + 1]))
        for (k++; k < t.n && is_digit(t.p[k]);)
            k++;
    bool alone = before == '\n' && (k == t.n || t.p[k] == '\n');
    size_t next = k + (k < t.n && strchr(",.;:%)", t.p[k]));
    return !alone && (next >= t.n || t.p[next] == ' ' || t.p[next] == '\n') ? k : i;
}

/* "1,234" may be two cells of a table, and so may "1 234". */
static void split_cells(struct buf *b)
{
    char before = '\n';

    for (size_t i = 0; i < b->n;) {
        size_t end = is_digit(b->p[i]) ? grouped_end(buf_str(b), i, before) : i;
        if (end > i) {
            before = b->p[end - 1];
            i = end;
            continue;
        }
        before = b->p[i];
        if (b->p[i] == ',' || b->p[i] == ' ')
            b->p[i] = ';';
        i++;
    }
}

/* Twice: as it stands, and cell by cell. */
static void scan_both(struct ground *g, struct values *to, struct str text)
{
    cleanup_buf struct buf b = BUF_MAX(SIZE_MAX / 4);

    number_normalise(text, &b);
    scan(g, to, buf_str(&b));
    scan_months(g, buf_str(&b));
    g->in_units = g->in_units || names_unit(buf_str(&b));
    split_cells(&b);
    scan(g, to, buf_str(&b));
}

void ground_printed(struct ground *g, struct str text)
{
    scan_both(g, &g->printed, text);
}

void ground_said(struct ground *g, struct str text)
{
    scan_both(g, &g->said, text);
}

/* At most two digits that are not 0 at its ends: 0.05, 20, 1500. */
static bool is_parameter(double v)
{
    if (v == 0)
        return true;
    while (fabs(v) >= 100)
        v /= 10;
    while (fabs(v) < 10)
        v *= 10;
    return fabs(v - round(v)) < 1e-9 * fabs(v);
}

void ground_code(struct ground *g, struct str code)
{
    cleanup_buf struct buf b = BUF_MAX(SIZE_MAX / 4);
    struct number n;

    number_normalise(code, &b);
    for (size_t at = 0; number_next(buf_str(&b), &at, &n);)
        if (n.kind == NUMBER_PLAIN && n.n_r && is_parameter(n.r[0].value))
            add_value(&g->said, n.r[0].value);
        else if (n.kind == NUMBER_DATE)
            add_date(g, n.y, n.m, n.d);
}

void ground_file(struct ground *g, const char *name)
{
    const char *base = strrchr(name, '/');

    g->files = xrealloc(g->files, g->n_files + 1, sizeof *g->files);
    g->files[g->n_files++] = xstrdup(base ? base + 1 : name);
}

/* --- the answer --- */

struct checking {
    struct ground *g;
    struct str text; /* normalised answer */
    struct ground_result *ret;
};

static void miss(struct checking *c, enum ground_kind kind, size_t at, struct str text)
{
    struct ground_result *r = c->ret;
    size_t from = at > 40 ? at - 40 : 0,
           to = at + text.n + 30 < c->text.n ? at + text.n + 30 : c->text.n;
    cleanup_buf struct buf around = BUF_MAX(4096), shown = BUF_MAX(4096);

    if (r->n_unmatched >= MAX_GROUND_MISSES)
        return;
    /* Whole words and characters, one line. */
    while (from > 0 && from < at && c->text.p[from - 1] != ' ' && c->text.p[from - 1] != '\n')
        from++;
    while (to > at + text.n && to < c->text.n && (c->text.p[to] & 0xC0) == 0x80)
        to--;
    for (size_t i = from; i < at; i++)
        if (c->text.p[i] == '\n')
            from = i + 1;
    for (size_t i = at + text.n; i < to; i++)
        if (c->text.p[i] == '\n')
            to = i;
    utf8_clean_line(&around, (struct str){ c->text.p + from, to - from });
    utf8_clean_line(&shown, utf8_head(text, 100));
    r->unmatched = xrealloc(r->unmatched, r->n_unmatched + 1, sizeof *r->unmatched);
    r->unmatched[r->n_unmatched++] =
        (struct ground_miss){ kind, buf_steal(&shown), buf_steal(&around) };
}

static void check_file(void *arg, size_t at, struct str name)
{
    struct checking *c = arg;

    c->ret->checked++;
    if (!ground_has_file(c->g, name))
        miss(c, GROUND_FILE, at, name);
}

void ground_check(struct ground *g, struct str answer, struct ground_result *ret)
{
    cleanup_buf struct buf text = BUF_MAX(SIZE_MAX / 4), copy = BUF_MAX(SIZE_MAX / 4);
    struct ground_claim now = { 0 };
    struct number last;

    *ret = (struct ground_result){ 0 };
    number_normalise(answer, &text);
    buf_putstr(&copy, buf_str(&text));
    struct checking c = { g, buf_str(&text), ret };
    ground_take_out(c.text, &copy, check_file, &c);
    struct str claims = buf_str(&copy);
    now.point_decimals = ground_point_decimals(claims);
    for (size_t at = 0; number_next(claims, &at, &now.n); at = now.end) {
        now.end = at;
        if (!ground_no_claim(claims, &now)) {
            ret->checked++;
            if (!ground_found(g, claims, &now))
                miss(&c, GROUND_NUMBER, now.n.at,
                     (struct str){ claims.p + now.n.at, now.end - now.n.at });
        }
        last = now.n;
        now.last = &last;
        now.last_end = now.end;
    }
}

void ground_result_done(struct ground_result *r)
{
    for (size_t i = 0; i < r->n_unmatched; i++) {
        free(r->unmatched[i].text);
        free(r->unmatched[i].around);
    }
    free(r->unmatched);
    *r = (struct ground_result){ 0 };
}
