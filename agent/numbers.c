#include "agent/number_parts.h"
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

/* What stands at the front for one sign of a number in LaTeX; 0: nothing does. */
static size_t latex_form(struct str text, char *ret)
{
    static const struct {
        const char *tex;
        char is;
    } forms[] = { { "{,}", ',' }, { "\\%", '%' }, { "\\$", '$' }, { "\\,", NUMBER_SPACE } };

    if (text.p[0] != '{' && text.p[0] != '\\')
        return 0;
    for (size_t k = 0; k < ARRAY_LEN(forms); k++)
        if (str_starts(text, forms[k].tex)) {
            *ret = forms[k].is;
            return strlen(forms[k].tex);
        }
    return 0;
}

void number_normalise(struct str text, struct buf *out)
{
    while (text.n) {
        unsigned cp;
        char tex;
        size_t tex_n = latex_form(text, &tex);
        if (tex_n) {
            buf_putc(out, tex);
            text = str_from(text, tex_n);
            continue;
        }
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
static size_t thousands(struct str t, const struct groups *g, char sep)
{
    size_t k = 1;

    if (g->len[0] > 3 || g->len[0] == 0 || t.p[g->from[0]] == '0') /* 0.125 has none */
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
    size_t k = g->n > 1 ? thousands(t, g, sep) : 1;

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
        n->comma_group = k == 2 && sep == ',';
        if (k == 2 && (sep == '.' || sep == ',')) /* 1.234, or one and a bit */
            add_reading(n, digits_value(t, g, 1, 2), pow(10, -(double)g->len[1]));
        return k;
    }
    bool two = g->n > 2 && g->sep[2] == sep; /* 1,2,3: a list; 1.2.3: a version, an address */
    if (two && sep == '.') {
        n->version = true;
        add_reading(n, digits_value(t, g, 1, 1), 1);
        for (k = 1; k < g->n && g->sep[k] == '.';)
            k++;
        return k;
    }
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
    enum {
        SURE,
        ALSO,
        ATTACHED
    } how; /* ALSO: it may be something else, so both readings;
              ATTACHED: that, and only directly behind the digits */
} scales[] = {
    { "thousand", 1e3, SURE },    { "million", 1e6, SURE },   { "billion", 1e9, SURE },
    { "trillion", 1e12, SURE },   { "hundred", 1e2, SURE },   { "lakh", 1e5, SURE },
    { "crore", 1e7, SURE },       { "mn", 1e6, SURE },        { "mln", 1e6, SURE },
    { "mio", 1e6, SURE },         { "mrd", 1e9, SURE },       { "mld", 1e9, SURE },
    { "bn", 1e9, SURE },          { "tsd", 1e3, SURE },       { "tausend", 1e3, SURE },
    { "millionen", 1e6, SURE },   { "milliarde", 1e9, SURE }, { "milliarden", 1e9, SURE },
    { "milliard", 1e9, SURE },    { "mille", 1e3, SURE },     { "mil", 1e3, SURE },
    { "millones", 1e6, SURE },    { "milioni", 1e6, SURE },   { "miliardi", 1e9, SURE },
    { "miljoen", 1e6, SURE },     { "miljard", 1e9, SURE },   { "milhões", 1e6, SURE },
    { "milliers de", 1e3, SURE }, { "тыс", 1e3, SURE },       { "млн", 1e6, SURE },
    { "млрд", 1e9, SURE },        { "миллион", 1e6, SURE },   { "миллиард", 1e9, SURE },
    { "千", 1e3, SURE },          { "万", 1e4, SURE },        { "萬", 1e4, SURE },
    { "亿", 1e8, SURE },          { "億", 1e8, SURE },        { "basis point", 1e-4, ALSO },
    { "bps", 1e-4, ALSO },        { "bp", 1e-4, ALSO },       { "k", 1e3, ATTACHED },
    { "m", 1e6, ATTACHED },       { "b", 1e9, ATTACHED },     { "t", 1e12, ATTACHED },
};

static void scale_readings(struct number *n, const struct scale *s)
{
    size_t had = n->n_r;

    if (n->n_plain) /* "thousand million" */
        for (size_t r = n->n_plain; r < had; r++) {
            n->r[r].value *= s->factor;
            n->r[r].unit *= s->factor;
        }
    else
        for (size_t r = 0; r < had; r++)
            add_reading(n, n->r[r].value * s->factor, n->r[r].unit * s->factor);
    n->n_plain = n->n_plain ? n->n_plain : had;
    n->scale_sure = s->how == SURE;
    n->scale *= s->factor;
    n->round_unit *= s->factor;
    n->integer = false;
}

static size_t read_scale(struct str t, size_t i, struct number *n)
{
    size_t word = skip_space(t, i);

    for (size_t k = 0; k < ARRAY_LEN(scales); k++) {
        const struct scale *s = &scales[k];
        size_t from = s->how == ATTACHED ? i : word, len = strlen(s->word);
        if (!starts_ci(t, from, s->word))
            continue;
        size_t end = from + len;
        bool plural = s->how != ATTACHED && len >= 4 && (at(t, end) == 's' || at(t, end) == 'S');
        end += plural;
        if (!(s->word[0] & 0x80) && latin(at(t, end)))
            continue;
        scale_readings(n, s);
        return end;
    }
    return i;
}

/* --- powers of ten --- */

/* A superscript digit or minus sign at i: '0' to '9', '-'; 0 for none. */
static char superscript(struct str t, size_t i, size_t *ret_n)
{
    unsigned cp;

    if (i >= t.n || !(t.p[i] & 0x80))
        return 0;
    *ret_n = utf8_seq(str_from(t, i), &cp);
    if (*ret_n == 0)
        return 0;
    switch (cp) {
    case 0xB9:
        return '1';
    case 0xB2:
        return '2';
    case 0xB3:
        return '3';
    case 0x207B:
        return '-';
    }
    return cp == 0x2070 || (cp >= 0x2074 && cp <= 0x2079) ? (char)('0' + (cp - 0x2070)) : 0;
}

/* The exponent behind a 10: ^6, ^{-6}, **6, or raised digits. False: there is none. */
static bool read_exponent(struct str t, size_t *i, int *ret)
{
    char word[8];
    size_t n = 0, k = *i, len;
    bool brace = false;

    if (at(t, k) == '^' || (at(t, k) == '*' && at(t, k + 1) == '*')) {
        k += at(t, k) == '^' ? 1 : 2;
        brace = at(t, k) == '{';
        k += brace;
        while (n < 4 && (digit(at(t, k)) || (n == 0 && at(t, k) == '-')))
            word[n++] = t.p[k++];
        if (brace && at(t, k++) != '}')
            return false;
    } else {
        for (char c; n < 4 && (c = superscript(t, k, &len)) != 0; k += len)
            word[n++] = c;
    }
    word[n] = '\0';
    if (n == 0 || strcmp(word, "-") == 0 || digit(at(t, k)))
        return false;
    *ret = (int)strtol(word, NULL, 10);
    *i = k;
    return true;
}

static void raise_readings(struct number *n, int exponent)
{
    double f = pow(10, exponent);

    for (size_t r = 0; r < n->n_r; r++)
        n->r[r] = (struct number_reading){ n->r[r].value * f, n->r[r].unit * f };
    n->integer = false;
}

/* "e-05", "x 10^6", "\times 10^{6}" behind the digits. Returns the end. */
static size_t read_power(struct str t, size_t i, struct number *n)
{
    static const char *const times[] = { "x", "*", "×", "·", "⋅", "\\times", "\\cdot" };
    size_t k = i + 1;
    int x = -1;

    if (at(t, i) == 'e' || at(t, i) == 'E') {
        bool minus = at(t, k) == '-';
        k += at(t, k) == '-' || at(t, k) == '+';
        x = digit(at(t, k)) ? read_int(t, &k, 1, 3) : -1;
        if (x < 0 || latin(at(t, k)))
            return i;
        raise_readings(n, minus ? -x : x);
        return k;
    }
    size_t from = skip_space(t, i);
    for (size_t w = 0; w < ARRAY_LEN(times); w++) {
        if (!starts_ci(t, from, times[w]))
            continue;
        k = skip_space(t, from + strlen(times[w]));
        if (at(t, k) != '1' || at(t, k + 1) != '0')
            continue;
        k += 2;
        if (!read_exponent(t, &k, &x))
            continue;
        raise_readings(n, x);
        return k;
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

/* "3x", "3 times", "3-fold" */
static bool is_times(struct str t, size_t i)
{
    size_t word = at(t, i) == '-' ? i + 1 : i;

    return (starts_ci(t, i, "x") && !latin(at(t, i + 1)) && !digit(at(t, i + 1))) ||
           starts_ci(t, i, "×") || starts_ci(t, i, "times") ||
           (starts_ci(t, word, "fold") && !latin(at(t, word + 4)));
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
    return is_times(t, from);
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

    *n = (struct number){ .kind = NUMBER_PLAIN, .scale = 1 };
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
    if (n->n_r && strchr("eE x*\\\xc2\xc3\xe2", at(t, end)) && at(t, end))
        end = read_power(t, end, n);
    n->round_unit = rounded_to(n->r[0].value, n->r[0].unit);
    size_t ordinal = number_skip_ordinal(t, end);
    n->ordinal = n->integer && ordinal > end;
    end = n->ordinal ? ordinal : end;
    *ret_end = end;
    n->has_unit = i > 0 && currency_before(t, i);
    /* Most numbers of a printed table have no word behind them: that is seen at once. */
    char next = at(t, skip_space(t, end));
    if (n->ordinal || !(latin(next) || strchr("%$-", next) || (next & 0x80)))
        return true;
    end = read_scale(t, end, n);
    if (n->scale_sure)
        end = read_scale(t, end, n);
    n->has_unit = n->has_unit || unit_behind(t, end);
    *ret_end = read_percent(t, end, n);
    return true;
}

bool number_next(struct str t, size_t *pos, struct number *ret)
{
    for (size_t i = *pos; i < t.n; i++) {
        size_t end;
        if (t.p[i] >= 'A' && t.p[i] <= 'Z' && number_named_date(t, i, &end, ret)) {
            ret->text = (struct str){ t.p + i, end - i };
            ret->at = i;
            *pos = end;
            return true;
        }
        bool point = t.p[i] == '.' && digit(at(t, i + 1)) && !(i > 0 && digit(t.p[i - 1]));
        if (!digit(t.p[i]) && !point)
            continue;
        /* UTF-8, COVID-19, x_2, v1.4, ISO-8859-1: part of a name. A dash between a word in small
         * letters and a number (mid-1990) is none. */
        bool named = (letter_before(t, i) && !currency_before(t, i)) ||
                     (i > 1 && t.p[i - 1] == '-' && t.p[i - 2] >= 'A' && t.p[i - 2] <= 'Z');
        end = i + 1;
        if (!named && (number_digit_date(t, i, &end, ret) || read_number(t, i, &end, ret))) {
            ret->text = (struct str){ t.p + i, end - i };
            ret->at = i;
            *pos = end;
            return true;
        }
        while (end < t.n &&
               (digit(t.p[end]) || (named && (latin(t.p[end]) || t.p[end] == '_' ||
                                              (strchr("-.", t.p[end]) && digit(at(t, end + 1)))))))
            end++;
        i = end - 1;
    }
    *pos = t.n;
    return false;
}
