#include "agent/ground.h"
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/numbers.h"
#include "agent/base/banned.h"

struct values {
    double *v;
    size_t n, cap;
    bool sorted;
};
struct date {
    int y, m, d;
};
struct ground {
    struct values printed;  /* absolute values of what was printed */
    struct values percents; /* of these, those with a percent sign, as fractions */
    struct values said;     /* by the user, or constants of the code: good as they stand */
    struct date *dates;
    size_t n_dates, cap_dates;
    bool months[13]; /* named somewhere */
    char **files;
    size_t n_files;
};

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
    for (size_t k = 0; k < n->n_r; k++) {
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

/* Twice: "1,234" may be one number or two cells of a table, and so may "1 234". */
static void scan_both(struct ground *g, struct values *to, struct str text)
{
    cleanup_buf struct buf b = BUF_MAX(SIZE_MAX / 4);

    number_normalise(text, &b);
    scan(g, to, buf_str(&b));
    scan_months(g, buf_str(&b));
    for (size_t i = 0; i < b.n; i++)
        if (b.p[i] == ',' || b.p[i] == ' ')
            b.p[i] = ';';
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

/* --- looking up --- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static bool within(struct values *l, double low, double high)
{
    if (!l->sorted && l->n)
        qsort(l->v, l->n, sizeof(double), compare);
    l->sorted = true;
    size_t a = 0, z = l->n;
    while (a < z) {
        size_t mid = a + (z - a) / 2;
        if (l->v[mid] < low)
            a = mid + 1;
        else
            z = mid;
    }
    return a < l->n && l->v[a] <= high;
}

static bool near(struct values *l, double v, double tolerance)
{
    double slack = tolerance + 1e-9 * v + 1e-15;

    return within(l, v - slack, v + slack);
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (c & 0x80);
}

/* Words that announce a rounded number. */
static bool is_loose(struct str text, size_t at)
{
    static const char *const words[] = {
        "about", "around", "roughly", "approximately", "approx.",  "nearly", "almost", "over",
        "than",  "circa",  "ca.",     "some",          "~",        "≈",      "under",  "below",
        "above", "to",     "least",   "most",          "rund",     "etwa",   "около",  "fast",
        "knapp", "near",   "exceeds", "exceeding",     "close to",
    };
    size_t from = at > 8 ? at - 8 : 0;
    while (at > from && strchr(" *_$(\x1f", text.p[at - 1]))
        at--;
    if (at == 0 || !(is_word(text.p[at - 1]) || strchr("~.", text.p[at - 1])))
        return false;
    for (size_t k = 0; k < ARRAY_LEN(words); k++) {
        size_t n = strlen(words[k]);
        if (at >= n && strncasecmp(text.p + at - n, words[k], n) == 0)
            return true;
    }
    return at >= 3 && memcmp(text.p + at - 3, "€", 3) == 0 && is_loose(text, at - 3);
}

/* "about 100,000" may be 98,765, but not 120,000. */
#define LOOSE 0.05
/* A small count is met by chance in any table, so it must be there as it stands. */
#define SMALL_COUNT 20

static bool number_found(struct ground *g, struct str text, const struct number *n)
{
    bool loose = is_loose(text, n->at);

    for (size_t k = 0; k < n->n_r; k++) {
        double v = n->r[k].value, half = n->r[k].unit / 2;
        if (n->integer && !n->percent && !n->has_unit && !loose && v < SMALL_COUNT)
            half = 0;
        if (near(&g->said, v, 0) || near(&g->printed, v, half))
            return true;
        if (n->percent && (near(&g->printed, v / 100, half / 100) ||
                           near(&g->percents, v / 100, half / 100) || near(&g->said, v / 100, 0)))
            return true;
        if (!n->percent && near(&g->percents, v, half))
            return true;
        if (loose && k == 0) {
            double room = fmin(n->round_unit, v * LOOSE);
            if (near(&g->printed, v, room) ||
                (n->percent && near(&g->printed, v / 100, room / 100)))
                return true;
        }
    }
    return false;
}

static bool has_plain(struct ground *g, int v)
{
    return near(&g->printed, v, 0) || near(&g->said, v, 0);
}

static bool date_found(struct ground *g, const struct number *n)
{
    for (size_t i = 0; i < g->n_dates; i++) {
        const struct date *d = &g->dates[i];
        bool year = n->y == 0 || d->y == 0 || d->y == n->y;
        if (year && d->m == n->m && (n->d == 0 || d->d == n->d))
            return true;
        if (year && n->d_m_swapped && d->m == n->d && d->d == n->m)
            return true;
    }
    /* Year, month and day as columns of their own, or what only looks like a date: "in May 1352".
     */
    return (n->y == 0 || has_plain(g, n->y)) && (n->d == 0 || has_plain(g, n->d)) &&
           (g->months[n->m] || has_plain(g, n->m));
}

static bool found(struct ground *g, struct str text, const struct number *n)
{
    if (n->kind == NUMBER_DATE)
        return date_found(g, n);
    if (n->kind == NUMBER_TIME)
        return has_plain(g, n->y) && has_plain(g, n->m);
    if (number_found(g, text, n))
        return true;
    if (!n->spaced)
        return false;
    /* "in 2024 300 units": two numbers side by side, not 2,024,300. */
    cleanup_buf struct buf b = BUF_MAX(4096);
    struct number part;
    bool all = true;
    buf_putstr(&b, n->text);
    for (size_t i = 0; i < b.n; i++)
        b.p[i] = b.p[i] == ' ' ? ';' : b.p[i];
    for (size_t at = 0; number_next(buf_str(&b), &at, &part);)
        all = all && number_found(g, buf_str(&b), &part);
    return all;
}

/* --- claims --- */

static const char *const endings[] = {
    "png",     "jpg",    "jpeg",  "svg",     "gif", "webp", "pdf", "csv", "tsv",   "xlsx",
    "xls",     "json",   "jsonl", "html",    "htm", "md",   "txt", "zip", "ipynb", "py",
    "parquet", "sqlite", "db",    "feather", "pkl", "npy",  "npz", "xml", "docx",  "pptx",
};

/* The name of a file that begins at i: 0, or its length. A name with spaces counts in `quotes`. */
static size_t file_name(struct str t, size_t i, char quote)
{
    size_t end = i;

    if (quote) {
        while (end < t.n && t.p[end] != quote && t.p[end] != '\n' && end - i < 300)
            end++;
        if (end >= t.n || t.p[end] != quote)
            return 0;
    } else {
        while (end < t.n && (is_word(t.p[end]) || strchr("._-/~%+", t.p[end])))
            end++;
        while (end > i && strchr(".-/", t.p[end - 1]))
            end--;
    }
    struct str name = { t.p + i, end - i };
    for (size_t k = name.n; k > 1; k--) {
        if (name.p[k - 1] != '.')
            continue;
        struct str ext = str_from(name, k);
        for (size_t e = 0; e < ARRAY_LEN(endings); e++)
            if (ext.n == strlen(endings[e]) && strncasecmp(ext.p, endings[e], ext.n) == 0)
                return name.n;
        return 0;
    }
    return 0;
}

static bool file_found(const struct ground *g, struct str name)
{
    for (size_t k = name.n; k > 0; k--)
        if (name.p[k - 1] == '/') {
            name = str_from(name, k);
            break;
        }
    for (size_t i = 0; i < g->n_files; i++)
        if (str_is(name, g->files[i]))
            return true;
    return false;
}

/* A copy in which everything that makes no claim is blank: fenced code of a language, inline code
 * with letters, links, headings' and lists' numbers. Same length, so that places agree. */
static void blank(struct buf *b, size_t from, size_t to)
{
    for (size_t i = from; i < to && i < b->n; i++)
        if (b->p[i] != '\n')
            b->p[i] = ' ';
}

static size_t line_end(struct str t, size_t i)
{
    while (i < t.n && t.p[i] != '\n')
        i++;
    return i;
}

/* "1." "2)" "#3" at a line's beginning, behind marks of quotes, lists, headings and bold. */
static size_t numbering_end(struct str t, size_t i, size_t *ret_from)
{
    size_t k = i;
    bool heading = false;

    while (k < t.n && (strchr(" \t>#*-|_", t.p[k]) != NULL)) {
        heading = heading || t.p[k] == '#';
        k++;
    }
    *ret_from = k;
    size_t from = k, parts = 0;
    while (k < t.n && t.p[k] >= '0' && t.p[k] <= '9' && k - from < 12) {
        while (k < t.n && t.p[k] >= '0' && t.p[k] <= '9')
            k++;
        parts++;
        if (k + 1 < t.n && t.p[k] == '.' && t.p[k + 1] >= '0' && t.p[k + 1] <= '9')
            k++;
    }
    if (k == from || k - from > 6)
        return 0;
    char c = k < t.n ? t.p[k] : '\n', next = k + 1 < t.n ? t.p[k + 1] : '\n';
    bool list = (c == '.' || c == ')' || c == ':') && strchr(" \t\n*", next) && parts == 1;
    /* The rank in the first column of a table. */
    size_t bar = k;
    while (bar < t.n && t.p[bar] == ' ')
        bar++;
    if (t.p[i] == '|' && k - from <= 3 && parts == 1 && bar < t.n && t.p[bar] == '|')
        return k;
    return list || (heading && strchr(" \t.)", c)) ? k + 1 : 0;
}

/* "Table 2", "Step 3": the number is a name. */
static bool is_label(struct str t, size_t at)
{
    static const char *const words[] = { "table",   "figure", "fig.",    "chart",    "step",
                                         "section", "page",   "chapter", "appendix", "sheet",
                                         "note",    "part",   "figures", "tables",   "steps",
                                         "no.",     "#",      "cell",    "[^",       "[" };
    size_t end = at;

    size_t from = at > 8 ? at - 8 : 0;
    while (end > from && strchr(" *_", t.p[end - 1]))
        end--;
    if (end == 0 || !(is_word(t.p[end - 1]) || strchr("#.[^", t.p[end - 1])))
        return false;
    for (size_t k = 0; k < ARRAY_LEN(words); k++) {
        size_t n = strlen(words[k]);
        if (end >= n && strncasecmp(t.p + end - n, words[k], n) == 0 &&
            (end == n || !is_word(t.p[end - n - 1]) || !is_word(words[k][0])))
            return true;
    }
    return false;
}

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

/* Takes file names out of the copy, and looks each up. `only` = this is inline code or a link. */
static void check_file(struct checking *c, struct buf *copy, size_t at, size_t n)
{
    struct str name = { c->text.p + at, n };

    c->ret->checked++;
    if (!file_found(c->g, name))
        miss(c, GROUND_FILE, at, name);
    blank(copy, at, at + n);
}

static size_t fence_end(struct str t, size_t i)
{
    for (size_t k = line_end(t, i); k < t.n; k = line_end(t, k + 1)) {
        struct str rest = str_from(t, k + 1);
        while (rest.n && rest.p[0] == ' ')
            rest = str_from(rest, 1);
        if (str_starts(rest, "```"))
            return line_end(t, k + 1);
    }
    return t.n;
}

static void take_out(struct checking *c, struct buf *copy)
{
    struct str t = c->text;

    for (size_t i = 0; i < t.n;) {
        bool first = i == 0 || t.p[i - 1] == '\n';
        size_t from, n = first ? numbering_end(t, i, &from) : 0;
        if (n)
            blank(copy, from, n);
        struct str rest = str_from(t, i);
        if (str_starts(rest, "```")) {
            size_t end = fence_end(t, i);
            if (i + 3 < t.n && is_word(t.p[i + 3]) && !str_starts(str_from(rest, 3), "text"))
                blank(copy, i, end);
            i = end;
            continue;
        }
        if (t.p[i] == '`') {
            size_t end = i + 1, f = file_name(t, i + 1, '`');
            bool letters = false;
            while (end < t.n && t.p[end] != '`' && t.p[end] != '\n') {
                letters = letters || (t.p[end] >= 'A' && t.p[end] <= 'Z') ||
                          (t.p[end] >= 'a' && t.p[end] <= 'z') || t.p[end] == '_';
                end++;
            }
            if (f)
                check_file(c, copy, i + 1, f);
            else if (letters)
                blank(copy, i, end);
            i = end + 1;
            continue;
        }
        if (str_starts(rest, "http://") || str_starts(rest, "https://") ||
            str_starts(rest, "www.")) {
            size_t end = i;
            while (end < t.n && !strchr(" \n)>\"", t.p[end]))
                end++;
            blank(copy, i, end);
            i = end;
            continue;
        }
        if (is_word(t.p[i]) || (t.p[i] == '/' && (i == 0 || t.p[i - 1] == ' '))) {
            size_t f = file_name(t, i, 0), end = i;
            if (f)
                check_file(c, copy, i, f);
            while (end < t.n && (is_word(t.p[end]) || strchr("./_", t.p[end])))
                end++;
            i = f ? i + f : end > i ? end : i + 1;
            continue;
        }
        i++;
    }
}

void ground_check(struct ground *g, struct str answer, struct ground_result *ret)
{
    cleanup_buf struct buf text = BUF_MAX(SIZE_MAX / 4), copy = BUF_MAX(SIZE_MAX / 4);
    struct number n;

    *ret = (struct ground_result){ 0 };
    number_normalise(answer, &text);
    buf_putstr(&copy, buf_str(&text));
    struct checking c = { g, buf_str(&text), ret };
    take_out(&c, &copy);
    struct str claims = buf_str(&copy);
    for (size_t at = 0; number_next(claims, &at, &n);) {
        if (n.kind == NUMBER_PLAIN && n.integer && is_label(claims, n.at))
            continue;
        if (n.ordinal && n.n_r && n.r[0].value <= 10)
            continue; /* "the 2nd": a place in a list that was printed */
        ret->checked++;
        if (!found(g, claims, &n))
            miss(&c, GROUND_NUMBER, n.at, n.text);
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
