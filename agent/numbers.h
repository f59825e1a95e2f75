/* Finds the numbers, dates and times of day in a text, in the ways people and programs write them:
 * 1,234.56  1.234,56  1'234  1 234 567  12,34,567  1e-05  3.2 x 10^6  3.2 million  45k  12.5 %
 * 2026-01-31  8 January 1990  07:30. What can be read in two ways gets both readings. Digits inside
 * of names (Q1, x2, UTF-8) are no numbers. Pure. */
#ifndef AGENT_NUMBERS_H
#define AGENT_NUMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include "agent/base/str.h"

/* The text with digits of other scripts, dashes, minus signs, narrow spaces, quotes and what LaTeX
 * writes within numbers (1{,}234 12\\%) brought to one form, which the scanner reads. Bytes that
 * are no UTF-8 stay. */
void number_normalise(struct str text, struct buf *out);
/* In normalised text: the space of a fixed width, which joins groups of digits. */
#define NUMBER_SPACE '\x1f'

enum number_kind { NUMBER_PLAIN, NUMBER_DATE, NUMBER_TIME };
struct number_reading {
    double value; /* without its sign, scale words multiplied in */
    double unit;  /* what one step of its last written digit is worth: 0.01 for 1.25 */
};
struct number {
    enum number_kind kind;
    struct str text; /* in the normalised text, with percent sign and scale word */
    size_t at;
    struct number_reading r[4];
    size_t n_r;
    size_t n_plain;    /* the first readings are without the scale word; 0 = there is none */
    bool scale_sure;   /* it is one ("million"), and no name that is only like one ("m") */
    double scale;      /* of its scale word (million), 1 = it has none */
    double round_unit; /* what the last digit that is not 0 is worth: 1000 for 4,000 */
    bool percent;
    bool integer;     /* written without decimals, scale or exponent */
    bool has_unit;    /* a currency sign before, or a unit behind: 5 km, $5, 5 °C, 3x */
    bool ordinal;     /* 3rd */
    bool spaced;      /* a reading joins groups over plain spaces */
    bool comma_group; /* "1,234": of thousands in r[0], of decimals in r[1] */
    bool version;     /* 1.2.3: only the first part is read */
    int y, m, d;      /* date: 0 = not said; time: hours, minutes, seconds */
    bool d_m_swapped; /* date: d and m may be the other way round (03/04/2026) */
};

/* The next one at or after *at, which is moved behind it. false: there is none. */
bool number_next(struct str text, size_t *at, struct number *ret);

/* 1 to 12 when the name of a month, or its short form, stands at i with a capital; else 0. */
int number_month(struct str text, size_t i);

#endif
