/* Calendar events are read by one pass over the text. The next time is found by walking over days,
 * which costs a comparison each, and only then over the hours, minutes and seconds of a day that
 * fits; the C library is asked about the clock only for those. */
#include "agent/calendar.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/base/banned.h"

#define FIRST_YEAR 1970
#define LAST_YEAR 2199
#define FROM_END 28 /* every month has that many days */

static const char *const weekdays[] = { "Monday", "Tuesday",  "Wednesday", "Thursday",
                                        "Friday", "Saturday", "Sunday" };
static const struct {
    const char *word, *means;
} shorthands[] = {
    { "minutely", "*-*-* *:*:00" },
    { "hourly", "*-*-* *:00:00" },
    { "daily", "*-*-* 00:00:00" },
    { "weekly", "Mon *-*-* 00:00:00" },
    { "monthly", "*-*-01 00:00:00" },
    { "quarterly", "*-01,04,07,10-01 00:00:00" },
    { "semiannually", "*-01,07-01 00:00:00" },
    { "yearly", "*-01-01 00:00:00" },
    { "annually", "*-01-01 00:00:00" },
};

/* --- reading --- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int read_number(const char **p, const char *what, int min, int max, int *ret, struct err *e)
{
    long n = 0;
    int digits = 0;

    for (; is_digit(**p) && digits < 5; (*p)++, digits++)
        n = n * 10 + (**p - '0');
    if (digits == 0)
        return err_set(e, ERR_CONFIG, 0, "%s: a number or * is wanted at \"%.40s\"", what, *p);
    if (n < min || n > max)
        return err_set(e, ERR_CONFIG, 0, "%s: %ld is not within %d to %d", what, n, min, max);
    *ret = (int)n;
    return 0;
}

/* A list of N, N..M, N/STEP, N..M/STEP; or *. */
static int read_part(const char **p, const char *what, int min, int max, struct calendar_part *ret,
                     struct err *e)
{
    ret->n = 0;
    if (**p == '*') {
        (*p)++;
        if (**p == '/')
            return err_set(e, ERR_CONFIG, 0, "%s: a step begins at a number: %d%.20s, not *%.20s",
                           what, min, *p, *p);
        return 0;
    }
    for (;;) {
        struct calendar_range r = { 0, 0, 0 };
        if (read_number(p, what, min, max, &r.from, e) < 0)
            return -1;
        r.to = r.from;
        if (strncmp(*p, "..", 2) == 0) {
            *p += 2;
            if (read_number(p, what, min, max, &r.to, e) < 0)
                return -1;
            if (r.to <= r.from)
                return err_set(e, ERR_CONFIG, 0,
                               "%s: %d..%d is no range: the greater stands second", what, r.from,
                               r.to);
        } else if (**p == '/') {
            r.to = -1;
        }
        if (**p == '/') {
            (*p)++;
            if (read_number(p, what, 1, max, &r.step, e) < 0)
                return err_wrap(e, "the step of %s", what);
            if (r.to < 0 && r.from + r.step > max)
                return err_set(e, ERR_CONFIG, 0,
                               "the step of %s: %d and %d are more than %d, so that there is no "
                               "second",
                               what, r.from, r.step, max);
        }
        if (ret->n == CALENDAR_RANGES)
            return err_set(e, ERR_CONFIG, 0, "%s: a list of more than %d", what, CALENDAR_RANGES);
        ret->r[ret->n++] = r;
        if (**p != ',')
            return 0;
        (*p)++;
    }
}

static int weekday(const char **p, struct err *e)
{
    size_t n = 0;

    while (is_letter((*p)[n]))
        n++;
    for (int i = 0; i < 7; i++) {
        if ((n == 3 || n == strlen(weekdays[i])) && strncasecmp(*p, weekdays[i], n) == 0) {
            *p += n;
            return i;
        }
    }
    return err_set(e, ERR_CONFIG, 0,
                   "\"%.*s\" is no weekday (Mon, Tue, ... or Monday, ...) and none of the words "
                   "hourly, daily, weekly, monthly, quarterly, yearly",
                   n > 40 ? 40 : (int)n, *p);
}

/* Mon,Wed..Fri */
static int read_weekdays(const char **p, struct calendar *c, struct err *e)
{
    for (;;) {
        int from = weekday(p, e);
        if (from < 0)
            return -1;
        int to = from;
        if (**p == '-' || strncmp(*p, "..", 2) == 0) {
            *p += **p == '-' ? 1 : 2;
            to = weekday(p, e);
            if (to < 0)
                return -1;
        }
        if (to < from)
            return err_set(e, ERR_CONFIG, 0,
                           "weekdays run from Monday to Sunday: write %.3s..Sun,Mon..%.3s",
                           weekdays[from], weekdays[to]);
        for (int i = from; i <= to; i++)
            c->weekdays |= 1u << i;
        if (**p != ',')
            return 0;
        (*p)++;
    }
}

static int read_date(const char **p, struct calendar *c, struct err *e)
{
    const char *q = *p;
    bool has_year = false;

    /* YEAR-MONTH-DAY or MONTH-DAY: the parts are counted before they are judged. */
    for (int n = 0; *q && *q != ' '; q++)
        has_year = (*q == '-' || *q == '~') && ++n == 2 ? true : has_year;
    if (has_year) {
        if (read_part(p, "the year", FIRST_YEAR, LAST_YEAR, &c->year, e) < 0)
            return -1;
        if (**p != '-')
            return err_set(e, ERR_CONFIG, 0, "- and a month are wanted after the year");
        (*p)++;
    }
    if (read_part(p, "the month", 1, 12, &c->month, e) < 0)
        return -1;
    if (**p != '-' && **p != '~')
        return err_set(e, ERR_CONFIG, 0, "- and a day are wanted after the month");
    c->from_end = **p == '~';
    (*p)++;
    if (c->from_end && **p == '*')
        return err_set(e, ERR_CONFIG, 0, "the day from the end: a number is wanted after ~");
    return read_part(p, c->from_end ? "the day from the end" : "the day", 1,
                     c->from_end ? FROM_END : 31, &c->day, e);
}

static int read_time(const char **p, struct calendar *c, struct err *e)
{
    if (read_part(p, "the hour", 0, 23, &c->hour, e) < 0)
        return -1;
    if (**p != ':')
        return err_set(e, ERR_CONFIG, 0, ": and minutes are wanted after the hour, as in 07:00");
    (*p)++;
    if (read_part(p, "the minute", 0, 59, &c->minute, e) < 0)
        return -1;
    if (**p != ':')
        return 0;
    (*p)++;
    if (read_part(p, "the second", 0, 59, &c->second, e) < 0)
        return -1;
    if (**p == '.')
        return err_set(e, ERR_CONFIG, 0, "the second: fractions of it are not taken");
    return 0;
}

static void skip_spaces(const char **p)
{
    while (**p == ' ' || **p == '\t')
        (*p)++;
}

/* A word that ends with the date or time it was read as. */
static int word_ends(const char **p, struct err *e)
{
    if (**p && **p != ' ' && **p != '\t')
        return err_set(e, ERR_CONFIG, 0, "\"%.40s\" is not understood there", *p);
    skip_spaces(p);
    return 0;
}

static int read_words(const char *p, struct calendar *c, struct err *e)
{
    const struct calendar_part zero = { 1, { { 0, 0, 0 } } };
    bool some = false;

    c->hour = c->minute = c->second = zero;
    if (is_letter(*p) && strcasecmp(p, "UTC") != 0) {
        if (read_weekdays(&p, c, e) < 0 || word_ends(&p, e) < 0)
            return -1;
        some = true;
    }
    if (memchr(p, '-', strcspn(p, " \t")) || memchr(p, '~', strcspn(p, " \t"))) {
        if (read_date(&p, c, e) < 0 || word_ends(&p, e) < 0)
            return -1;
        some = true;
    }
    if (is_digit(*p) || *p == '*') {
        if (read_time(&p, c, e) < 0 || word_ends(&p, e) < 0)
            return -1;
        some = true;
    }
    if (strncasecmp(p, "UTC", 3) == 0 && !is_letter(p[3])) {
        c->utc = true;
        p += 3;
        if (word_ends(&p, e) < 0)
            return -1;
    }
    if (is_letter(*p))
        return err_set(e, ERR_CONFIG, 0,
                       "\"%.40s\": the time zone is the machine's own, or UTC; no other is taken",
                       p);
    if (*p || !some)
        return err_set(e, ERR_CONFIG, 0,
                       "\"%.40s\" is not understood; the form is WEEKDAYS YEAR-MONTH-DAY "
                       "HOUR:MINUTE, of which parts can be left out, as in Mon 07:00",
                       p);
    return 0;
}

int calendar_parse(const char *text, struct calendar *ret, struct err *e)
{
    struct calendar c = { 0 };
    cleanup_buf struct buf b = BUF_MAX(CALENDAR_TEXT * 8), clean = BUF_MAX(CALENDAR_TEXT * 8);
    struct str t = str_trim(str_of(text));

    utf8_clean_line(&clean, utf8_head(t, CALENDAR_TEXT));
    if (t.n > CALENDAR_TEXT)
        return err_set(e, ERR_CONFIG, 0, "\"%.40s...\": longer than %d bytes", buf_cstr(&clean),
                       CALENDAR_TEXT);
    for (size_t i = 0; i < t.n; i++)
        if (t.p[i] != '\t' && (t.p[i] < ' ' || t.p[i] > '~'))
            return err_set(e, ERR_CONFIG, 0, "\"%s\" has a character that no calendar event has",
                           buf_cstr(&clean));
    buf_putstr(&b, t);
    for (size_t i = 0; i < ARRAY_LEN(shorthands); i++) {
        size_t n = strlen(shorthands[i].word);
        if (t.n >= n && strncasecmp(t.p, shorthands[i].word, n) == 0 &&
            (t.n == n || t.p[n] == ' ')) {
            buf_clear(&b);
            buf_puts(&b, shorthands[i].means);
            buf_putstr(&b, str_from(t, n));
        }
    }
    if (read_words(buf_cstr(&b), &c, e) < 0)
        return err_wrap(e, "\"%s\"", buf_cstr(&clean));
    *ret = c;
    return 0;
}

/* --- the next time --- */

static bool fits(const struct calendar_part *p, int value)
{
    bool any = p->n == 0;

    for (size_t i = 0; i < p->n && !any; i++) {
        const struct calendar_range *r = &p->r[i];
        any = value >= r->from && (r->to < 0 || value <= r->to) &&
              (r->step == 0 || (value - r->from) % r->step == 0);
    }
    return any;
}

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int month_days(int year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

/* Counted from the end a range turns round: its first day is the one furthest from the end. */
static bool day_fits(const struct calendar *c, int day, int days)
{
    bool any = c->day.n == 0;

    if (!c->from_end)
        return fits(&c->day, day);
    for (size_t i = 0; i < c->day.n && !any; i++) {
        const struct calendar_range *r = &c->day.r[i];
        int first = days + 1 - (r->to < 0 ? r->from : r->to), last = days + 1 - r->from;
        any = day >= first && day <= (r->to < 0 ? days : last) &&
              (r->step == 0 || (day - first) % r->step == 0);
    }
    return any;
}

struct moment {
    int year, month, day, weekday; /* month 1 to 12; weekday 0 = Monday */
    int hour, minute, second;
};

/* The time at which the wall shows this; the earlier, if it does so twice, that is after `after`.
 * False: no clock shows it, or not after. */
static bool to_time(const struct calendar *c, const struct moment *m, time_t after, time_t *ret)
{
    const struct tm wall = { .tm_year = m->year - 1900,
                             .tm_mon = m->month - 1,
                             .tm_mday = m->day,
                             .tm_hour = m->hour,
                             .tm_min = m->minute,
                             .tm_sec = m->second };
    bool found = false;

    for (int dst = -1; dst <= 1; dst++) {
        struct tm t = wall;
        t.tm_isdst = dst;
        time_t at = c->utc ? timegm(&t) : mktime(&t);
        bool same = t.tm_mday == wall.tm_mday && t.tm_hour == wall.tm_hour &&
                    t.tm_min == wall.tm_min && t.tm_sec == wall.tm_sec;
        if (same && at > after && (!found || at < *ret)) {
            *ret = at;
            found = true;
        }
    }
    return found;
}

/* Within the day of *m, not before its hour, minute and second. */
static bool in_day(const struct calendar *c, struct moment *m, time_t after, time_t *ret)
{
    for (; m->hour < 24; m->hour++, m->minute = m->second = 0) {
        if (!fits(&c->hour, m->hour))
            continue;
        for (; m->minute < 60; m->minute++, m->second = 0) {
            if (!fits(&c->minute, m->minute))
                continue;
            for (; m->second < 60; m->second++)
                if (fits(&c->second, m->second) && to_time(c, m, after, ret))
                    return true;
        }
    }
    return false;
}

bool calendar_next(const struct calendar *c, time_t after, time_t *ret)
{
    struct tm t;
    time_t from = after + 1;

    if ((c->utc ? gmtime_r(&from, &t) : localtime_r(&from, &t)) == NULL)
        return false;
    struct moment m = { t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, (t.tm_wday + 6) % 7,
                        t.tm_hour,        t.tm_min,     t.tm_sec };
    while (m.year <= LAST_YEAR) {
        int days = month_days(m.year, m.month);
        if (fits(&c->year, m.year) && fits(&c->month, m.month) && day_fits(c, m.day, days) &&
            (c->weekdays == 0 || c->weekdays & (1u << m.weekday)) && in_day(c, &m, after, ret))
            return true;
        m.hour = m.minute = m.second = 0;
        m.weekday = (m.weekday + 1) % 7;
        if (++m.day > days) {
            m.day = 1;
            if (++m.month > 12) {
                m.month = 1;
                m.year++;
            }
        }
    }
    return false;
}

/* --- as text --- */

/* Steps as the values they mean; a range without one stays a range. */
static void put_part(struct buf *out, const struct calendar_part *p, int max)
{
    const char *comma = "";

    if (p->n == 0)
        buf_putc(out, '*');
    for (size_t i = 0; i < p->n; i++) {
        const struct calendar_range *r = &p->r[i];
        int to = r->to < 0 ? max : r->to;
        if (r->step == 0 && to != r->from)
            buf_putf(out, "%s%02d..%02d", comma, r->from, to);
        for (int v = r->from; (r->step || to == r->from) && v <= to; v += r->step ? r->step : 1) {
            buf_putf(out, "%s%02d", comma, v);
            comma = ",";
        }
        comma = ",";
    }
}

/* Days from the end, of which steps begin at the greatest. */
static void put_days_from_end(struct buf *out, const struct calendar_part *p)
{
    const char *comma = "";

    for (size_t i = 0; i < p->n; i++) {
        const struct calendar_range *r = &p->r[i];
        int first = r->to < 0 ? r->from : r->to, last = r->to < 0 ? 1 : r->from;
        for (int v = first; v >= last; v -= r->step ? r->step : 1) {
            buf_putf(out, "%s%02d", comma, v);
            comma = ",";
        }
    }
}

void calendar_text(const struct calendar *c, struct buf *out)
{
    const char *space = "";

    for (int i = 0; i < 7; i++) {
        if (c->weekdays & (1u << i)) {
            buf_putf(out, "%s%.3s", space, weekdays[i]);
            space = ",";
        }
    }
    if (c->weekdays)
        buf_putc(out, ' ');
    put_part(out, &c->year, LAST_YEAR);
    buf_putc(out, '-');
    put_part(out, &c->month, 12);
    buf_putc(out, c->from_end ? '~' : '-');
    if (c->from_end)
        put_days_from_end(out, &c->day);
    else
        put_part(out, &c->day, 31);
    buf_putc(out, ' ');
    put_part(out, &c->hour, 23);
    buf_putc(out, ':');
    put_part(out, &c->minute, 59);
    buf_putc(out, ':');
    put_part(out, &c->second, 59);
    if (c->utc)
        buf_puts(out, " UTC");
}

/* --- cron --- */

static void put_field(struct buf *out, const struct calendar_part *p, int max)
{
    if (p->n == 0)
        buf_putc(out, '*');
    for (size_t i = 0; i < p->n; i++) {
        const struct calendar_range *r = &p->r[i];
        int to = r->to < 0 ? max : r->to;
        buf_putf(out, "%s%d", i ? "," : "", r->from);
        if (to != r->from)
            buf_putf(out, "-%d", to);
        if (to != r->from && r->step > 1)
            buf_putf(out, "/%d", r->step);
    }
    buf_putc(out, ' ');
}

static void put_weekdays(struct buf *out, unsigned days)
{
    const char *comma = "";

    if (days == 0 || days == 0x7f) {
        buf_putc(out, '*');
        return;
    }
    for (int i = 0; i < 7; i++) {
        if (!(days & (1u << i)))
            continue;
        buf_putf(out, "%s%d", comma, (i + 1) % 7); /* cron's Sunday is 0 */
        comma = ",";
    }
}

int calendar_cron(const struct calendar *c, struct buf *out, struct err *e)
{
    const struct calendar_part *s = &c->second;

    if (c->utc)
        return err_set(e, ERR_CONFIG, 0, "cron knows the machine's own time zone only, not UTC");
    if (c->year.n)
        return err_set(e, ERR_CONFIG, 0, "cron knows no years");
    if (c->from_end)
        return err_set(e, ERR_CONFIG, 0, "cron cannot count days from a month's end (~)");
    if (s->n != 1 || s->r[0].from != 0 || s->r[0].to != 0)
        return err_set(e, ERR_CONFIG, 0, "cron knows no seconds");
    if (c->day.n && c->weekdays && c->weekdays != 0x7f)
        return err_set(e, ERR_CONFIG, 0,
                       "cron runs on days that fit the date or the weekday; it cannot ask for "
                       "both");
    put_field(out, &c->minute, 59);
    put_field(out, &c->hour, 23);
    put_field(out, &c->day, 31);
    put_field(out, &c->month, 12);
    put_weekdays(out, c->weekdays);
    return 0;
}
