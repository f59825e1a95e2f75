#include "agent/conf_units.h"
#include <ctype.h>
#include <string.h>
#include <strings.h>
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/banned.h"

struct unit {
    const char *word;
    double factor;
};
static const struct unit size_units[] = {
    { "g", 1024.0 * MIB },  { "gib", 1024.0 * MIB },
    { "gb", 1024.0 * MIB }, { "m", MIB },
    { "mib", MIB },         { "mb", MIB },
    { "k", KIB },           { "kib", KIB },
    { "kb", KIB },          { "b", 1 },
};
static const struct unit time_units[] = {
    { "d", 86400e3 }, { "h", 3600e3 }, { "m", 60e3 }, { "min", 60e3 },
    { "s", 1e3 },     { "sec", 1e3 },  { "ms", 1 },
};

/* A decimal number at the front: digits with at most one point. strtod() would take "inf", "0x10",
 * and in some locales a comma. */
static bool take_number(struct str *s, double *ret)
{
    char tmp[32];
    size_t n = 0, digits = 0, points = 0;

    while (n < s->n && n < sizeof tmp - 1 && (isdigit((unsigned char)s->p[n]) || s->p[n] == '.')) {
        digits += s->p[n] != '.';
        points += s->p[n] == '.';
        tmp[n] = s->p[n];
        n++;
    }
    if (digits == 0 || points > 1 || n == sizeof tmp - 1)
        return false;
    tmp[n] = '\0';
    double v = 0, scale = 1;
    for (const char *p = tmp; *p && *p != '.'; p++)
        v = v * 10 + (*p - '0');
    if (points)
        for (const char *p = strchr(tmp, '.') + 1; *p; p++)
            v += (*p - '0') * (scale /= 10);
    *ret = v;
    *s = str_from(*s, n);
    return true;
}

/* The unit at the front, longest word first; 0 if there is none. */
static double take_unit(struct str *s, const struct unit *units, size_t n)
{
    size_t k = 0;

    while (k < s->n && isalpha((unsigned char)s->p[k]))
        k++;
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(units[i].word);
        if (len == k && strncasecmp(s->p, units[i].word, k) == 0) {
            *s = str_from(*s, k);
            return units[i].factor;
        }
    }
    return 0;
}

bool units_size(struct str s, double *ret)
{
    double v, unit;

    if (!take_number(&s, &v))
        return false;
    s = str_trim(s);
    if (s.n == 0) {
        *ret = v;
        return true;
    }
    unit = take_unit(&s, size_units, ARRAY_LEN(size_units));
    *ret = v * unit;
    return unit != 0 && s.n == 0;
}

bool units_duration(struct str s, double *ret)
{
    double total = 0;

    if (str_is(s, "none")) {
        *ret = 0;
        return true;
    }
    for (bool first = true; s.n; first = false) {
        double v, unit;
        if (!take_number(&s, &v))
            return false;
        if (s.n == 0) {
            if (!first)
                return false; /* "1m30": thirty of what? */
            *ret = v * 1e3;
            return true;
        }
        unit = take_unit(&s, time_units, ARRAY_LEN(time_units));
        if (unit == 0)
            return false;
        total += v * unit;
        if (s.n == 0) {
            *ret = total;
            return true;
        }
    }
    return false;
}

bool units_number(struct str s, double *ret)
{
    bool negative = s.n && s.p[0] == '-';

    if (negative)
        s = str_from(s, 1);
    if (!take_number(&s, ret) || s.n)
        return false;
    if (negative)
        *ret = -*ret;
    return true;
}

void units_put_size(struct buf *out, int64_t v)
{
    if (v && v % (int64_t)(1024 * MIB) == 0)
        buf_putf(out, "%lldg", (long long)(v / (int64_t)(1024 * MIB)));
    else if (v && v % MIB == 0)
        buf_putf(out, "%lldm", (long long)(v / MIB));
    else if (v && v % KIB == 0)
        buf_putf(out, "%lldk", (long long)(v / KIB));
    else
        buf_putf(out, "%lld", (long long)v);
}

void units_put_duration(struct buf *out, int64_t ms)
{
    if (ms == 0) {
        buf_putc(out, '0');
        return;
    }
    if (ms % 86400000 == 0) {
        buf_putf(out, "%lldd", (long long)(ms / 86400000));
        return;
    }
    if (ms >= 3600000)
        buf_putf(out, "%lldh", (long long)(ms / 3600000));
    ms %= 3600000;
    /* Up to five minutes stay seconds: "300s" is how such limits are spoken of. */
    if (ms > 300000) {
        buf_putf(out, "%lldm", (long long)(ms / 60000));
        ms %= 60000;
    }
    if (ms >= 1000)
        buf_putf(out, "%llds", (long long)(ms / 1000));
    if (ms % 1000)
        buf_putf(out, "%lldms", (long long)(ms % 1000));
}
