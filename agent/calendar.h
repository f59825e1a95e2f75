/* When something happens again and again: calendar events in the form of systemd.time(7), such as
 * "Mon 07:00", "Mon..Fri *-*-* 06:30", "*-*~1 18:00" (the last day of a month), "weekly".
 *
 * Taken: weekdays with lists and ranges; dates and times with *, lists, ranges and steps; ~ for
 * days counted from a month's end; hourly, daily, weekly, monthly, quarterly, semiannually, yearly
 * and minutely; UTC at the end. Refused, with the reason: fractions of a second, other zones,
 * @TIME.
 *
 * Times are those that a clock on the wall shows: one that a change of the clock leaves out does
 * not come on that day, one that it shows twice comes once. Pure but for the zone of the machine
 * (TZ), which is the C library's affair. */
#ifndef AGENT_CALENDAR_H
#define AGENT_CALENDAR_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>
#include "agent/base/err.h"
#include "agent/base/str.h"

#define CALENDAR_TEXT 200  /* bytes of one event */
#define CALENDAR_RANGES 60 /* of one part: all minutes one by one */

struct calendar_range {
    int from, to, step; /* step 0: each. to -1: up to the greatest there is */
};
struct calendar_part {
    size_t n; /* 0 = any */
    struct calendar_range r[CALENDAR_RANGES];
};
struct calendar {
    unsigned weekdays; /* bit 0 = Monday; 0 = any */
    struct calendar_part year, month, day, hour, minute, second;
    bool from_end; /* days count from the month's last, which is 1 */
    bool utc;
};

/* ERR_CONFIG says what part of the text is wrong, and how it is to be. */
int calendar_parse(const char *text, struct calendar *ret, struct err *e);
/* The first time after `after`; false: there is none before the year 2200. */
bool calendar_next(const struct calendar *c, time_t after, time_t *ret);
/* The same event in full, each step written out as the values that it means: systemd (252) goes on
 * with a step beyond the end of an hour or a day, so that its 0/7 leaves out the next hour's 0. */
void calendar_text(const struct calendar *c, struct buf *out);
/* The first five fields of a line of crontab(5). ERR_CONFIG: cron cannot say this. */
int calendar_cron(const struct calendar *c, struct buf *out, struct err *e);

#endif
