/* Dates and times of day, in the ways people and programs write them. */
#include <strings.h>
#include "agent/base/mem.h"
#include "agent/number_parts.h"
#include "agent/base/banned.h"

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

size_t number_skip_ordinal(struct str t, size_t i)
{
    static const char *const ends[] = { "st", "nd", "rd", "th" };

    for (size_t k = 0; k < ARRAY_LEN(ends); k++)
        if (starts_ci(t, i, ends[k]) && !latin(at(t, i + 2)))
            return i + 2;
    return i;
}

bool number_named_date(struct str t, size_t i, size_t *ret_end, struct number *n)
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
    k = number_skip_ordinal(t, k);
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

/* Two digits, as the last part; -1: they are none. */
static int short_year(struct str t, size_t *i)
{
    size_t k = *i;
    int y = read_int(t, &k, 2, 2);

    if (y < 0 || latin(at(t, k)) || (strchr("./-", at(t, k)) && digit(at(t, k + 1))))
        return -1;
    *i = k;
    return y < 70 ? 2000 + y : 1900 + y;
}

bool number_digit_date(struct str t, size_t i, size_t *ret_end, struct number *n)
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
            if (y < 0 && l == i + 6) /* 31.12.24 */
                y = short_year(t, &l);
            if (y >= 0 && (date_ok(y, b, a) || (sep == '/' && date_ok(y, a, b))) && a > 0 &&
                b > 0) {
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
    size_t j = number_skip_ordinal(t, k), end;
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
