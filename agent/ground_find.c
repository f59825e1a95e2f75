/* Is a number of an answer among the evidence? */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "agent/base/mem.h"
#include "agent/ground_parts.h"
#include "agent/base/banned.h"

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
    double slack = tolerance + (v == 0 ? 1e-15 : 1e-12 * v); /* 2e-16 is a 0 */

    return within(l, v - slack, v + slack);
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (c & 0x80);
}

bool ground_has_file(const struct ground *g, struct str name)
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

/* --- words before a number --- */

enum looseness { EXACT, ABOUT, ABOVE, BELOW };

/* Ends `word` at `end`, whole? */
static bool ends_with(struct str t, size_t end, const char *word)
{
    size_t n = strlen(word);

    return end >= n && strncasecmp(t.p + end - n, word, n) == 0 &&
           (end == n || !is_word(t.p[end - n - 1]) || !is_word(word[0]));
}

static size_t skip_back(struct str t, size_t at, const char *of)
{
    size_t from = at > 24 ? at - 24 : 0;

    while (at > from && strchr(of, t.p[at - 1]))
        at--;
    return at;
}

/* Words that announce a rounded number, or one that is only near. */
static enum looseness word_before(struct str t, size_t end)
{
    static const struct {
        const char *word;
        enum looseness how;
    } words[] = {
        { "about", ABOUT },      { "around", ABOUT },        { "roughly", ABOUT },
        { "circa", ABOUT },      { "approximately", ABOUT }, { "approx.", ABOUT },
        { "ca.", ABOUT },        { "some", ABOUT },          { "~", ABOUT },
        { "≈", ABOUT },          { "rund", ABOUT },          { "etwa", ABOUT },
        { "около", ABOUT },      { "near", ABOUT },          { "close to", ABOUT },
        { "nearly", BELOW },     { "almost", BELOW },        { "under", BELOW },
        { "below", BELOW },      { "most", BELOW },          { "fast", BELOW },
        { "knapp", BELOW },      { "up to", BELOW },         { "less than", BELOW },
        { "fewer than", BELOW }, { "lower than", BELOW },    { "smaller than", BELOW },
        { "over", ABOVE },       { "than", ABOVE },          { "above", ABOVE },
        { "least", ABOVE },      { "exceeds", ABOVE },       { "exceeding", ABOVE },
    };

    for (size_t k = 0; k < ARRAY_LEN(words); k++)
        if (ends_with(t, end, words[k].word))
            return words[k].how;
    return EXACT;
}

static enum looseness looseness(struct str t, size_t at)
{
    size_t end = skip_back(t, at, " *_$(\x1f");

    while (end >= 3 && memcmp(t.p + end - 3, "€", 3) == 0)
        end = skip_back(t, end - 3, " *_(");
    enum looseness how = word_before(t, end);
    if (how != EXACT)
        return how;
    /* "about 3,000 to 4,000": the second is as loose as the first. */
    static const char *const joins[] = { "to", "and", "-", "bis" };
    for (size_t k = 0; k < ARRAY_LEN(joins); k++) {
        if (!ends_with(t, end, joins[k]))
            continue;
        size_t before = skip_back(t, end - strlen(joins[k]), " ");
        size_t first = skip_back(t, before, "0123456789.,'$%kKMB\x1f");
        return first < before ? word_before(t, skip_back(t, first, " *_$(")) : EXACT;
    }
    return EXACT;
}

/* "about 100,000" may be 98,765, but not 120,000; "over 3,000" may be 3,412, but not 2,990. What
 * is a whole step of its last digit away is another number. */
#define LOOSE 0.05
#define ONE_SIDED 0.2

static bool loosely(struct values *l, double v, double step, enum looseness how)
{
    double room = fmin(step * (1 - 1e-6), v * (how == ABOUT ? LOOSE : ONE_SIDED));

    return how != EXACT && within(l, v - (how == ABOVE ? 0 : room), v + (how == BELOW ? 0 : room));
}

/* --- one number --- */

/* A small count is met by chance in any table, so it must be there as it stands. */
#define SMALL_COUNT 20

static bool number_found(struct ground *g, struct str text, const struct ground_claim *c)
{
    const struct number *n = &c->n;
    enum looseness how = looseness(text, n->at);

    for (size_t k = 0; k < n->n_r; k++) {
        double v = n->r[k].value, half = n->r[k].unit / 2;
        if ((n->comma_group && c->point_decimals && k % 2 == 1) ||
            (n->scale_sure && k < n->n_plain && !g->in_units))
            continue;
        if (n->integer && !n->percent && !n->has_unit && how == EXACT && v < SMALL_COUNT)
            half = 0;
        if (near(&g->said, v, 0) || near(&g->printed, v, half))
            return true;
        if (n->percent && (near(&g->printed, v / 100, half / 100) ||
                           near(&g->percents, v / 100, half / 100) || near(&g->said, v / 100, 0)))
            return true;
        if (!n->percent && near(&g->percents, v, half))
            return true;
        if (k == n->n_plain &&
            (loosely(&g->printed, v, n->round_unit, how) ||
             (n->percent && loosely(&g->printed, v / 100, n->round_unit / 100, how))))
            return true;
    }
    return false;
}

static bool has_plain(struct ground *g, int v)
{
    return near(&g->printed, v, 0) || near(&g->said, v, 0);
}

static bool date_found(struct ground *g, const struct number *n)
{
    bool known = false; /* whole dates of this month were printed */

    for (size_t i = 0; i < g->n_dates; i++) {
        const struct date *d = &g->dates[i];
        bool year = n->y == 0 || d->y == 0 || d->y == n->y;
        known = known || (n->y && n->y == d->y && n->m == d->m && d->d);
        if (year && d->m == n->m && (n->d == 0 || d->d == n->d))
            return true;
        if (year && n->d_m_swapped && d->m == n->d && d->d == n->m)
            return true;
    }
    /* Year, month and day as columns of their own, or what only looks like a date: "in May 1352".
     */
    if (known && n->d)
        return false;
    return (n->y == 0 || has_plain(g, n->y)) && (n->d == 0 || has_plain(g, n->d)) &&
           (g->months[n->m] || has_plain(g, n->m));
}

/* "7 pm", "7:00 a.m." at `end`: the hour of the day; -1 for another word. */
static int hour_of_day(struct str t, size_t end, int hour)
{
    static const char *const words[] = { "am", "a.m.", "pm", "p.m." };

    if (hour < 1 || hour > 12)
        return -1;
    end += end < t.n && (t.p[end] == ' ' || t.p[end] == NUMBER_SPACE);
    for (size_t k = 0; k < ARRAY_LEN(words); k++) {
        size_t n = strlen(words[k]);
        if (t.n - end >= n && strncasecmp(t.p + end, words[k], n) == 0 &&
            !(end + n < t.n && is_word(t.p[end + n])))
            return hour % 12 + (k < 2 ? 0 : 12);
    }
    return -1;
}

/* A whole hour needs no minutes in the data. */
static bool time_found(struct ground *g, struct str text, const struct ground_claim *c)
{
    int hour = hour_of_day(text, c->end, c->n.y);

    return (c->n.m == 0 || has_plain(g, c->n.m)) &&
           (has_plain(g, c->n.y) || (hour >= 0 && has_plain(g, hour)));
}

/* "the 1990s": any year of these. */
static bool decade_found(struct ground *g, struct str text, const struct ground_claim *c)
{
    double v = c->n.n_r ? c->n.r[0].value : 0;

    return c->n.integer && v >= 1000 && v < 3000 && fmod(v, 10) == 0 && c->end < text.n &&
           text.p[c->end] == 's' && !(c->end + 1 < text.n && is_word(text.p[c->end + 1])) &&
           within(&g->printed, v, v + 9);
}

/* "p < 0.05": any smaller number may be that p. */
#define LARGEST_BOUND 0.1

static bool bound_of_p(struct ground *g, struct str text, const struct ground_claim *c)
{
    size_t end = skip_back(text, c->n.at, " *_");

    if (end >= 3 && memcmp(text.p + end - 3, "≤", 3) == 0)
        end -= 3;
    else if (end > 0 && text.p[end - 1] == '<')
        end--;
    else
        return false;
    end = skip_back(text, end, " *_");
    return (ends_with(text, end, "p") || ends_with(text, end, "p-value")) && c->n.n_r &&
           c->n.r[0].value <= LARGEST_BOUND && within(&g->printed, 0, c->n.r[0].value);
}

/* --- two numbers that belong together --- */

/* The number that begins at `at`, if one does. */
static bool number_at(struct str text, size_t at, struct number *ret, size_t *ret_end)
{
    *ret_end = at;
    return at < text.n && (text.p[at] == '.' || (is_word(text.p[at]) && !(text.p[at] & 0x80))) &&
           number_next(text, ret_end, ret) && ret->at == at;
}

/* What joins two numbers at `at` to a range; its length, 0 for none. */
static size_t joins(struct str text, size_t at)
{
    static const char *const words[] = { "-", " - ", " to ", " and ", " bis " };

    for (size_t k = 0; k < ARRAY_LEN(words); k++)
        if (at < text.n && str_starts(str_from(text, at), words[k]))
            return strlen(words[k]);
    return 0;
}

/* "12-15 %", "1.2 to 1.5 million", "1-15 March": the first has the second's unit. */
static bool range_found(struct ground *g, struct str text, const struct ground_claim *c)
{
    struct ground_claim first = *c;
    size_t n = joins(text, c->end), end;
    struct number second;

    if (n == 0 || c->n.percent || c->n.scale != 1)
        return false;
    n += text.n > c->end + n && text.p[c->end + n] == '$';
    if (!number_at(text, c->end + n, &second, &end))
        return false;
    if (second.kind == NUMBER_DATE && c->n.integer && second.d) {
        second.d = (int)c->n.r[0].value;
        return second.d >= 1 && second.d <= 31 && date_found(g, &second);
    }
    if (second.kind != NUMBER_PLAIN || (!second.percent && second.scale == 1))
        return false;
    first.n.percent = second.percent;
    first.n.integer = false;
    first.n.round_unit *= second.scale;
    for (size_t k = 0; k < first.n.n_r; k++) {
        first.n.r[k].value *= second.scale;
        first.n.r[k].unit *= second.scale;
    }
    return number_found(g, text, &first);
}

/* "March 1-15": the second is a day of the first's month. */
static bool day_found(struct ground *g, struct str text, const struct ground_claim *c)
{
    struct number day;
    size_t n;

    if (c->last == NULL || c->last->kind != NUMBER_DATE || c->last->d == 0 || !c->n.integer)
        return false;
    n = joins(text, c->last_end);
    if (n == 0 || c->last_end + n != c->n.at || c->n.r[0].value < 1 || c->n.r[0].value > 31)
        return false;
    day = *c->last;
    day.d = (int)c->n.r[0].value;
    return date_found(g, &day);
}

/* "2023/24": the season that begins in the first year. */
static bool is_season(const struct number *a, const struct number *b)
{
    double year = a->r[0].value;

    return year >= 1500 && year < 3000 && a->text.n == 4 && b->text.n == 2 &&
           fmod(year + 1, 100) == b->r[0].value;
}

/* a of b, or a for one b, rounded to what was written. */
static bool ratio_found(struct ground *g, const struct number *a, const struct number *b, char sign)
{
    double x = a->r[0].value, y = b->r[0].value;

    if (x == 0 || y == 0)
        return false;
    if (sign == ':')
        return near(&g->printed, x / y, a->r[0].unit / 2 / y) ||
               near(&g->printed, y / x, b->r[0].unit / 2 / x);
    return near(&g->printed, x / y, 0.02) || near(&g->printed, 100 * x / y, 2) ||
           near(&g->percents, x / y, 0.02);
}

#define SMALL_RATIO 20

/* "2/3", "3:1", "2023/24", \frac{2}{3}: one claim. -1: there is no such pair, or 0 or 1. */
static int pair_found(struct ground *g, struct str text, struct ground_claim *c)
{
    struct ground_claim second = { .point_decimals = c->point_decimals };
    size_t at = c->end;

    if (c->n.kind != NUMBER_PLAIN || c->n.n_r == 0 || at >= text.n || !strchr("/:-}", text.p[at]))
        return -1;
    char sign = text.p[at];
    at += sign == '}' ? 2 : 1;
    if ((sign == '}' && text.p[at - 1] != '{') || !number_at(text, at, &second.n, &second.end) ||
        second.n.kind != NUMBER_PLAIN)
        return -1;
    const struct number *a = &c->n, *b = &second.n;
    bool season = sign != ':' && is_season(a, b);
    if (!season && (sign == '-' || a->r[0].value > SMALL_RATIO || b->r[0].value > SMALL_RATIO ||
                    a->percent || b->percent || (sign != ':' && a->r[0].value >= b->r[0].value)))
        return -1;
    bool found = season ? number_found(g, text, c)
                        : (number_found(g, text, c) && number_found(g, text, &second)) ||
                              ratio_found(g, a, b, sign);
    c->end = second.end;
    return found;
}

/* "in 2024 300 units": two numbers side by side, not 2,024,300. */
static bool side_by_side(struct ground *g, const struct ground_claim *c)
{
    cleanup_buf struct buf b = BUF_MAX(4096);
    struct ground_claim part = { .point_decimals = c->point_decimals };
    bool all = true;

    buf_putstr(&b, c->n.text);
    for (size_t i = 0; i < b.n; i++)
        b.p[i] = b.p[i] == ' ' ? ';' : b.p[i];
    for (size_t at = 0; number_next(buf_str(&b), &at, &part.n);)
        all = all && number_found(g, buf_str(&b), &part);
    return all;
}

bool ground_found(struct ground *g, struct str text, struct ground_claim *c)
{
    const struct number *n = &c->n;

    if (n->kind == NUMBER_DATE)
        return date_found(g, n);
    if (n->kind == NUMBER_TIME)
        return time_found(g, text, c);
    int pair = pair_found(g, text, c);
    if (pair >= 0)
        return pair;
    int hour = n->integer ? hour_of_day(text, c->end, (int)fmin(n->r[0].value, 99)) : -1;
    return number_found(g, text, c) || (hour >= 0 && has_plain(g, hour)) ||
           range_found(g, text, c) || day_found(g, text, c) || decade_found(g, text, c) ||
           bound_of_p(g, text, c) || (n->spaced && side_by_side(g, c));
}
