#include "agent/numbers.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/base/banned.h"

#define MAX_DIGITS 40 /* longer runs are serial numbers */
#define MAX_GROUPS 12

/* --- one form --- */

static char plain_form(unsigned cp)
{
    if (cp >= 0x660 && cp <= 0x669) /* Arabic-Indic, and its Eastern form */
        return (char)('0' + (cp - 0x660));
    if (cp >= 0x6F0 && cp <= 0x6F9)
        return (char)('0' + (cp - 0x6F0));
    if (cp >= 0xFF10 && cp <= 0xFF19) /* full width */
        return (char)('0' + (cp - 0xFF10));
    switch (cp) {
    case 0x66B: /* Arabic decimal separator */
        return '.';
    case 0x66C: /* and the one of thousands */
        return ',';
    case 0xA0:
    case 0x202F:
    case 0x2009:
        return NUMBER_SPACE;
    case 0x2010:
    case 0x2011:
    case 0x2012:
    case 0x2013:
    case 0x2014:
    case 0x2212:
        return '-';
    case 0x2019:
        return '\'';
    case 0xFF05:
        return '%';
    case 0xFF0C:
        return ',';
    }
    return 0;
}

void number_normalise(struct str text, struct buf *out)
{
    while (text.n) {
        unsigned cp;
        size_t n = utf8_seq(text, &cp);
        char c = n > 1 ? plain_form(cp) : 0;
        if (c)
            buf_putc(out, c);
        else if (text.p[0] == NUMBER_SPACE)
            buf_putc(out, ' ');
        else
            buf_put(out, text.p, n ? n : 1);
        text = str_from(text, n ? n : 1);
    }
}

/* --- characters --- */

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool latin(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static char at(struct str t, size_t i)
{
    return i < t.n ? t.p[i] : '\0';
}

/* A letter of an alphabet that makes names with digits ends just before i. Scripts that set no
 * spaces (Chinese) put words and numbers side by side. */
static bool letter_before(struct str t, size_t i)
{
    if (i == 0)
        return false;
    char c = t.p[i - 1];
    if (latin(c) || c == '_')
        return true;
    if (!(c & 0x80))
        return false;
    size_t start = i - 1;
    while (start > 0 && i - start < 4 && (t.p[start] & 0xC0) == 0x80)
        start--;
    unsigned cp;
    return utf8_seq((struct str){ t.p + start, i - start }, &cp) == i - start && cp >= 0xC0 &&
           cp < 0x590 && cp != 0xD7 && cp != 0xF7;
}

static bool starts_ci(struct str t, size_t i, const char *word)
{
    size_t n = strlen(word);

    return t.n - i >= n && strncasecmp(t.p + i, word, n) == 0;
}

static size_t skip_space(struct str t, size_t i)
{
    if (at(t, i) == ' ' || at(t, i) == NUMBER_SPACE)
        i++;
    return i;
}

/* --- dates and times --- */

static int read_int(struct str t, size_t *i, size_t min, size_t max)
{
    size_t n = 0;
    int v = 0;

    while (n < max && digit(at(t, *i + n)))
        v = v * 10 + (t.p[*i + n++] - '0');
    if (n < min || digit(at(t, *i + n)))
        return -1;
    *i += n;
    return v;
}

static bool date_ok(int y, int m, int d)
{
    return y >= 1500 && y <= 2999 && m >= 1 && m <= 12 && d >= 0 && d <= 31;
}

static const char *const months[] = { "jan", "feb", "mar", "apr", "may", "jun",
                                      "jul", "aug", "sep", "oct", "nov", "dec" };
static const char *const month_rest[] = { "uary", "ruary", "ch",     "il",   "",      "e",
                                          "y",    "ust",   "tember", "ober", "ember", "ember" };

/* 1 to 12, and *ret_end behind the name; 0 for what is none. */
static int month_name(struct str t, size_t i, size_t *ret_end)
{
    if (!(at(t, i) >= 'A' && at(t, i) <= 'Z') || letter_before(t, i))
        return 0;
    for (int m = 0; m < 12; m++) {
        if (!starts_ci(t, i, months[m]))
            continue;
        size_t end = i + 3;
        if (m == 8 && (at(t, end) == 't' || at(t, end) == 'T') && !latin(at(t, end + 1)))
            end++; /* Sept */
        else if (month_rest[m][0] && starts_ci(t, end, month_rest[m]))
            end += strlen(month_rest[m]);
        if (latin(at(t, end)))
            return 0;
        *ret_end = at(t, end) == '.' ? end + 1 : end;
        return m + 1;
    }
    return 0;
}

int number_month(struct str text, size_t i)
{
    size_t end;

    return month_name(text, i, &end);
}

static size_t skip_ordinal(struct str t, size_t i)
{
    static const char *const ends[] = { "st", "nd", "rd", "th" };

    for (size_t k = 0; k < ARRAY_LEN(ends); k++)
        if (starts_ci(t, i, ends[k]) && !latin(at(t, i + 2)))
            return i + 2;
    return i;
}

/* "January 8, 1990", "Jan 1990", "January 8" from a month's name on. */
static bool named_date(struct str t, size_t i, size_t *ret_end, struct number *n)
{
    size_t end;
    int m = month_name(t, i, &end);

    if (m == 0 || at(t, end) == '\0')
        return false;
    size_t k = skip_space(t, end);
    if (at(t, k) == ',')
        k = skip_space(t, k + 1);
    size_t first = k;
    int a = read_int(t, &k, 1, 4);
    if (a < 0 || letter_before(t, first))
        return false;
    if (k - first == 4 && date_ok(a, m, 0)) {
        *n = (struct number){ .kind = NUMBER_DATE, .y = a, .m = m };
        *ret_end = k;
        return true;
    }
    if (k - first > 2 || a < 1 || a > 31)
        return false;
    k = skip_ordinal(t, k);
    *n = (struct number){ .kind = NUMBER_DATE, .m = m, .d = a };
    *ret_end = k;
    size_t y = at(t, k) == ',' ? skip_space(t, k + 1) : skip_space(t, k);
    int year = y > k ? read_int(t, &y, 4, 4) : -1;
    if (year > 0 && date_ok(year, m, a)) {
        n->y = year;
        *ret_end = y;
    }
    return true;
}

/* A date or a time that begins with a digit. */
static bool digit_date(struct str t, size_t i, size_t *ret_end, struct number *n)
{
    size_t k = i;
    int a = read_int(t, &k, 4, 4);
    char sep = at(t, k);

    if (a >= 0 && (sep == '-' || sep == '/' || sep == '.')) {
        size_t j = k + 1;
        int b = read_int(t, &j, 1, 2);
        if (b >= 0 && at(t, j) == sep) {
            size_t l = j + 1;
            int c = read_int(t, &l, 1, 2);
            if (c >= 1 && date_ok(a, b, c)) {
                *n = (struct number){ .kind = NUMBER_DATE, .y = a, .m = b, .d = c };
                *ret_end = l;
                return true;
            }
        } else if (b >= 0 && j - k == 3 && sep == '-' && date_ok(a, b, 0)) {
            *n = (struct number){ .kind = NUMBER_DATE, .y = a, .m = b };
            *ret_end = j;
            return true;
        }
        return false;
    }
    k = i;
    a = read_int(t, &k, 1, 2);
    if (a < 0)
        return false;
    sep = at(t, k);
    if (sep == '.' || sep == '/' || sep == '-') {
        size_t j = k + 1;
        int b = read_int(t, &j, 1, 2);
        if (b >= 0 && at(t, j) == sep) {
            size_t l = j + 1;
            int y = read_int(t, &l, 4, 4);
            if (y >= 0 && (date_ok(y, b, a) || date_ok(y, a, b)) && a > 0 && b > 0) {
                *n = (struct number){ .kind = NUMBER_DATE, .y = y, .m = b, .d = a };
                n->d_m_swapped = sep == '/';
                *ret_end = l;
                return true;
            }
        }
    }
    if (sep == ':' && a < 25) {
        size_t j = k + 1;
        int b = read_int(t, &j, 2, 2);
        if (b >= 0 && b < 60 && at(t, j) != ':') {
            *n = (struct number){ .kind = NUMBER_TIME, .y = a, .m = b };
            *ret_end = j;
            return true;
        }
        if (b >= 0 && b < 60) {
            size_t l = j + 1;
            int s = read_int(t, &l, 2, 2);
            if (s >= 0 && s < 60) {
                *n = (struct number){ .kind = NUMBER_TIME, .y = a, .m = b, .d = s };
                *ret_end = l;
                return true;
            }
        }
    }
    /* "8 January 1990", "8th of January" */
    size_t j = skip_ordinal(t, k), end;
    j = skip_space(t, at(t, j) == '.' ? j + 1 : j);
    if (starts_ci(t, j, "of "))
        j += 3;
    int m = j > k && a >= 1 && a <= 31 ? month_name(t, j, &end) : 0;
    if (m) {
        *n = (struct number){ .kind = NUMBER_DATE, .m = m, .d = a };
        *ret_end = end;
        size_t y = skip_space(t, end);
        int year = y > end ? read_int(t, &y, 4, 4) : -1;
        if (year > 0 && date_ok(year, m, a)) {
            n->y = year;
            *ret_end = y;
        }
        return true;
    }
    return false;
}

/* --- numbers --- */

/* Groups of digits and what stands between them. */
struct groups {
    size_t from[MAX_GROUPS], len[MAX_GROUPS];
    char sep[MAX_GROUPS]; /* sep[k] stands before group k */
    size_t n, digits;
};

static void read_groups(struct str t, size_t i, struct groups *g)
{
    *g = (struct groups){ 0 };
    for (char sep = 0; g->n < MAX_GROUPS;) {
        size_t from = i;
        while (digit(at(t, i)))
            i++;
        g->from[g->n] = from;
        g->len[g->n] = i - from;
        g->sep[g->n++] = sep;
        g->digits += i - from;
        sep = at(t, i);
        bool joins = sep == ',' || sep == '.' || sep == '\'' || sep == NUMBER_SPACE || sep == '_' ||
                     sep == ' ';
        if (!joins || !digit(at(t, i + 1)))
            return;
        i++;
    }
}

/* How many groups from the first on read as thousands under this separator; 1 = none do. */
static size_t thousands(const struct groups *g, char sep)
{
    size_t k = 1;

    if (g->len[0] > 3 || g->len[0] == 0)
        return 1;
    while (k < g->n && g->sep[k] == sep && (g->len[k] == 3 || (g->len[k] == 2 && sep == ',')))
        k++;
    while (k > 1 && g->len[k - 1] != 3)
        k--;
    /* Groups of two stand in the Indian way only: 12,34,567. */
    for (size_t j = 1; j + 1 < k; j++)
        if (g->len[j] == 2 && g->len[0] > 2)
            return 1;
    return k;
}

static double digits_value(struct str t, const struct groups *g, size_t n_whole, size_t n_all)
{
    char b[MAX_DIGITS + 4];
    size_t n = 0;

    for (size_t k = 0; k < n_all; k++) {
        if (k == n_whole)
            b[n++] = '.';
        for (size_t i = 0; i < g->len[k] && n < sizeof b - 2; i++)
            b[n++] = t.p[g->from[k] + i];
    }
    b[n] = '\0';
    return strtod(b, NULL);
}

static void add_reading(struct number *n, double value, double unit)
{
    if (n->n_r < ARRAY_LEN(n->r))
        n->r[n->n_r++] = (struct number_reading){ value, unit };
}

/* Readings of the groups; the number of groups that the longest takes. */
static size_t read_plain(struct str t, const struct groups *g, struct number *n)
{
    char sep = g->n > 1 ? g->sep[1] : 0;
    size_t k = g->n > 1 ? thousands(g, sep) : 1;

    n->integer = true;
    if (k > 1) {
        char point = k < g->n ? g->sep[k] : 0;
        n->spaced = sep == ' ';
        if (((point == '.' && sep != '.') || (point == ',' && sep != ',')) &&
            !(k + 1 < g->n && g->sep[k + 1] == point && g->len[k + 1] == 3)) {
            n->integer = false;
            add_reading(n, digits_value(t, g, k, k + 1), pow(10, -(double)g->len[k]));
            return k + 1;
        }
        add_reading(n, digits_value(t, g, k, k), 1);
        if (k == 2 && (sep == '.' || sep == ',')) /* 1.234, or one and a bit */
            add_reading(n, digits_value(t, g, 1, 2), pow(10, -(double)g->len[1]));
        return k;
    }
    bool two = g->n > 2 && g->sep[2] == sep; /* 1.2.3: no number, but its first part may be one */
    if ((sep == '.' || sep == ',') && !two) {
        n->integer = false;
        add_reading(n, digits_value(t, g, 1, 2), pow(10, -(double)g->len[1]));
        return 2;
    }
    add_reading(n, digits_value(t, g, 1, 1), 1);
    return 1;
}

static const struct scale {
    const char *word;
    double factor;
    bool attached; /* only directly behind the digits; may be something else, so both readings */
} scales[] = {
    { "thousand", 1e3, false },  { "million", 1e6, false }, { "billion", 1e9, false },
    { "trillion", 1e12, false }, { "lakh", 1e5, false },    { "crore", 1e7, false },
    { "mn", 1e6, false },        { "mio", 1e6, false },     { "mrd", 1e9, false },
    { "bn", 1e9, false },        { "tsd", 1e3, false },     { "тыс", 1e3, false },
    { "млн", 1e6, false },       { "млрд", 1e9, false },    { "千", 1e3, false },
    { "万", 1e4, false },        { "萬", 1e4, false },      { "亿", 1e8, false },
    { "億", 1e8, false },        { "k", 1e3, true },        { "m", 1e6, true },
    { "b", 1e9, true },          { "t", 1e12, true },
};

static size_t read_scale(struct str t, size_t i, struct number *n)
{
    size_t word = skip_space(t, i);

    for (size_t k = 0; k < ARRAY_LEN(scales); k++) {
        const struct scale *s = &scales[k];
        size_t from = s->attached ? i : word, len = strlen(s->word);
        if (!starts_ci(t, from, s->word))
            continue;
        size_t end = from + len;
        bool plural = !s->attached && len > 4 && (at(t, end) == 's' || at(t, end) == 'S');
        end += plural;
        if (!(s->word[0] & 0x80) && latin(at(t, end)))
            continue;
        size_t had = n->n_r;
        for (size_t r = 0; r < had; r++) {
            struct number_reading old = n->r[r];
            if (s->attached)
                add_reading(n, old.value * s->factor, old.unit * s->factor);
            else
                n->r[r] = (struct number_reading){ old.value * s->factor, old.unit * s->factor };
        }
        n->round_unit *= s->factor;
        n->integer = false;
        return end;
    }
    return i;
}

static size_t read_percent(struct str t, size_t i, struct number *n)
{
    static const char *const words[] = { "%",  "percentage point", "percent", "per cent", "pct",
                                         "pp", "Prozent",          "процент" };
    size_t from = skip_space(t, i);

    for (size_t k = 0; k < ARRAY_LEN(words); k++) {
        if (!starts_ci(t, from, words[k]))
            continue;
        size_t end = from + strlen(words[k]);
        if (k > 0 && k != 1 && k < 7 && latin(at(t, end)) && !starts_ci(t, end, "age"))
            continue;
        n->percent = true;
        return end;
    }
    return i;
}

static bool currency_before(struct str t, size_t i)
{
    static const char *const signs[] = {
        "$", "€", "£", "¥", "₹", "₽", "USD", "EUR", "GBP", "CHF"
    };

    i -= i > 0 && (t.p[i - 1] == ' ' || t.p[i - 1] == NUMBER_SPACE);
    for (size_t k = 0; k < ARRAY_LEN(signs); k++) {
        size_t n = strlen(signs[k]);
        if (i >= n && memcmp(t.p + i - n, signs[k], n) == 0)
            return true;
    }
    return false;
}

static bool unit_behind(struct str t, size_t i)
{
    static const char *const units[] = { "°",    "km",    "kg",   "cm",    "mm",    "ms",  "GB",
                                         "MB",   "KB",    "g ",   "m ",    "h ",    "s ",  "€",
                                         "$",    "USD",   "EUR",  "hour",  "min",   "sec", "day",
                                         "week", "month", "year", "litre", "liter", "mile" };
    size_t from = skip_space(t, i);

    for (size_t k = 0; k < ARRAY_LEN(units); k++)
        if (t.n - from >= strlen(units[k]) && memcmp(t.p + from, units[k], strlen(units[k])) == 0)
            return true;
    return false;
}

/* The last digit that is not 0 of a whole number. */
static double rounded_to(double v, double unit)
{
    if (v <= 0 || unit < 1)
        return unit;
    while (fmod(v, unit * 10) == 0 && unit < 1e15)
        unit *= 10;
    return unit;
}

/* A number that begins at i, where a digit stands, or a point before one. */
static bool read_number(struct str t, size_t i, size_t *ret_end, struct number *n)
{
    struct groups g;
    size_t end;

    *n = (struct number){ .kind = NUMBER_PLAIN };
    if (at(t, i) == '.') {
        size_t k = i + 1;
        while (digit(at(t, k)))
            k++;
        if (k - i > MAX_DIGITS)
            return false;
        g = (struct groups){ .from = { i, i + 1 }, .len = { 0, k - i - 1 }, .n = 2 };
        add_reading(n, digits_value(t, &g, 1, 2), pow(10, -(double)g.len[1]));
        end = k;
    } else {
        read_groups(t, i, &g);
        if (g.digits > MAX_DIGITS) {
            *ret_end = g.from[g.n - 1] + g.len[g.n - 1];
            return false;
        }
        size_t used = read_plain(t, &g, n);
        end = g.from[used - 1] + g.len[used - 1];
    }
    if ((at(t, end) == 'e' || at(t, end) == 'E') && n->n_r) {
        size_t k = end + 1;
        bool minus = at(t, k) == '-';
        k += at(t, k) == '-' || at(t, k) == '+';
        int x = digit(at(t, k)) ? read_int(t, &k, 1, 3) : -1;
        if (x >= 0 && !latin(at(t, k))) {
            double f = pow(10, minus ? -x : x);
            for (size_t r = 0; r < n->n_r; r++)
                n->r[r] = (struct number_reading){ n->r[r].value * f, n->r[r].unit * f };
            n->integer = false;
            end = k;
        }
    }
    n->round_unit = rounded_to(n->r[0].value, n->r[0].unit);
    size_t ordinal = skip_ordinal(t, end);
    n->ordinal = n->integer && ordinal > end;
    end = n->ordinal ? ordinal : end;
    *ret_end = end;
    n->has_unit = i > 0 && currency_before(t, i);
    /* Most numbers of a printed table have no word behind them: that is seen at once. */
    char next = at(t, skip_space(t, end));
    if (n->ordinal || !(latin(next) || next == '%' || next == '$' || (next & 0x80)))
        return true;
    end = read_scale(t, end, n);
    n->has_unit = n->has_unit || unit_behind(t, end);
    *ret_end = read_percent(t, end, n);
    return true;
}

bool number_next(struct str t, size_t *pos, struct number *ret)
{
    for (size_t i = *pos; i < t.n; i++) {
        size_t end;
        if (t.p[i] >= 'A' && t.p[i] <= 'Z' && named_date(t, i, &end, ret)) {
            ret->text = (struct str){ t.p + i, end - i };
            ret->at = i;
            *pos = end;
            return true;
        }
        bool point = t.p[i] == '.' && digit(at(t, i + 1)) && !(i > 0 && digit(t.p[i - 1]));
        if (!digit(t.p[i]) && !point)
            continue;
        /* UTF-8, COVID-19, x_2: part of a name. A dash between a word in small letters and a
         * number (mid-1990) is none. */
        bool named = letter_before(t, i) ||
                     (i > 1 && t.p[i - 1] == '-' && t.p[i - 2] >= 'A' && t.p[i - 2] <= 'Z');
        end = i + 1;
        if (!named && (digit_date(t, i, &end, ret) || read_number(t, i, &end, ret))) {
            ret->text = (struct str){ t.p + i, end - i };
            ret->at = i;
            *pos = end;
            return true;
        }
        while (end < t.n && (digit(t.p[end]) || (named && (latin(t.p[end]) || t.p[end] == '_'))))
            end++;
        i = end - 1;
    }
    *pos = t.n;
    return false;
}
