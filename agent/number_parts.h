/* What the scanner of numbers (numbers.c) and that of dates (number_dates.c) share: characters, and
 * how a date or a time of day is found at a place. */
#ifndef AGENT_NUMBER_PARTS_H
#define AGENT_NUMBER_PARTS_H

#include <string.h>
#include <strings.h>
#include "agent/base/utf8.h"
#include "agent/numbers.h"

static inline bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool latin(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline char at(struct str t, size_t i)
{
    return i < t.n ? t.p[i] : '\0';
}

/* A letter of an alphabet that makes names with digits ends just before i. Scripts that set no
 * spaces (Chinese) put words and numbers side by side. */
static inline bool letter_before(struct str t, size_t i)
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

static inline bool starts_ci(struct str t, size_t i, const char *word)
{
    size_t n = strlen(word);

    return t.n - i >= n && strncasecmp(t.p + i, word, n) == 0;
}

static inline size_t skip_space(struct str t, size_t i)
{
    if (at(t, i) == ' ' || at(t, i) == NUMBER_SPACE)
        i++;
    return i;
}

/* A number of `min` to `max` digits that none follows; -1: it is not there. *i is moved behind it.
 */
static inline int read_int(struct str t, size_t *i, size_t min, size_t max)
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

/* Behind "st", "nd", "rd" or "th" at i; i: it is not there. */
size_t number_skip_ordinal(struct str t, size_t i);
/* "January 8, 1990", "Jan 1990", "January 8" from a month's name on. */
bool number_named_date(struct str t, size_t i, size_t *ret_end, struct number *n);
/* A date or a time that begins with a digit. */
bool number_digit_date(struct str t, size_t i, size_t *ret_end, struct number *n);

#endif
