/* Dates in job files. Pure but for the time zone. */
#include <string.h>
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/conf_load.h"
#include "agent/job_parts.h"
#include "agent/base/banned.h"

/* A row is a day, counted from today or the first of its week, month or year. */
static const struct date {
    const char *word, *form;
    char first_of; /* 'd', 'w', 'm', 'y' */
    int step;      /* of those */
} dates[] = {
    { "today", "%Y-%m-%d", 'd', 0 },   { "yesterday", "%Y-%m-%d", 'd', -1 },
    { "this_week", "%G-W%V", 'w', 0 }, { "last_week", "%G-W%V", 'w', -1 },
    { "this_month", "%Y-%m", 'm', 0 }, { "last_month", "%Y-%m", 'm', -1 },
    { "this_year", "%Y", 'y', 0 },     { "last_year", "%Y", 'y', -1 },
};

static int put_date(const struct date *d, struct str form, time_t now, struct buf *out,
                    struct err *e)
{
    struct tm tm;
    char text[256];

    if (localtime_r(&now, &tm) == NULL)
        return err_set(e, ERR_SYS, 0, "the clock shows no time that has a date");
    /* Noon: no change of the clock falls on it, so that adding days gives days. */
    tm.tm_hour = 12;
    tm.tm_min = tm.tm_sec = 0;
    tm.tm_isdst = -1;
    if (d->first_of == 'd')
        tm.tm_mday += d->step;
    if (d->first_of == 'w')
        tm.tm_mday += d->step * 7 - (tm.tm_wday + 6) % 7;
    if (d->first_of == 'm' || d->first_of == 'y')
        tm.tm_mday = 1;
    if (d->first_of == 'm')
        tm.tm_mon += d->step;
    if (d->first_of == 'y') {
        tm.tm_mon = 0;
        tm.tm_year += d->step;
    }
    if (mktime(&tm) == (time_t)-1)
        return err_set(e, ERR_SYS, 0, "{{%s}} is no date now", d->word);
    cleanup_free char *f = form.n ? str_dup(form) : xstrdup(d->form);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    size_t n = strftime(text, sizeof text, f, &tm);
#pragma GCC diagnostic pop
    if (n == 0)
        return err_set(e, ERR_CONFIG, 0, "{{%s:%.60s}}: the form gives nothing, or too much",
                       d->word, f);
    buf_put(out, text, n);
    return 0;
}

static const struct date *find_date(struct str word)
{
    for (size_t i = 0; i < ARRAY_LEN(dates); i++)
        if (str_is(word, dates[i].word))
            return &dates[i];
    return NULL;
}

bool job_is_date(struct str word)
{
    return find_date(word) != NULL;
}

/* One {{...}}, of which `text` is what stands within. */
static int put_word(const struct job *j, struct str text, bool keep, time_t now, struct buf *out,
                    struct err *e)
{
    cleanup_buf struct buf shown = BUF_MAX(1024);
    const struct job_param *p = job_param_find(j, str_trim(text));
    struct str form = text, word;

    if (p && keep) {
        buf_putf(out, "{{%s}}", p->name);
        return 0;
    }
    if (p)
        return job_expand(NULL, p->value, now, out, e);
    (void)str_cut(&form, ':', &word);
    const struct date *d = find_date(str_trim(word));
    if (d == NULL)
        return err_set(e, ERR_CONFIG, 0,
                       "{{%s}} is no date%s: there are today, yesterday, this_week, last_week, "
                       "this_month, last_month, this_year, last_year",
                       conf_shown(&shown, word), j ? " and no parameter" : "");
    return put_date(d, form, now, out, e);
}

static int expand(const struct job *j, const char *text, bool keep, time_t now, struct buf *out,
                  struct err *e)
{
    struct str rest = str_of(text);

    for (;;) {
        const char *open = rest.n ? memmem(rest.p, rest.n, "{{", 2) : NULL;
        if (open == NULL)
            break;
        buf_put(out, rest.p, (size_t)(open - rest.p));
        rest = str_from(rest, (size_t)(open - rest.p) + 2);
        const char *close = rest.n ? memmem(rest.p, rest.n, "}}", 2) : NULL;
        if (close == NULL)
            return err_set(e, ERR_CONFIG, 0, "\"{{\" without \"}}\": dates are written {{today}}");
        struct str within = { rest.p, (size_t)(close - rest.p) };
        rest = str_from(rest, within.n + 2);
        if (put_word(j, within, keep, now, out, e) < 0)
            return -1;
    }
    buf_putstr(out, rest);
    return 0;
}

int job_expand(const struct job *j, const char *text, time_t now, struct buf *out, struct err *e)
{
    return expand(j, text, false, now, out, e);
}

int job_expand_dates(const struct job *j, const char *text, time_t now, struct buf *out,
                     struct err *e)
{
    return expand(j, text, true, now, out, e);
}
