/* Properties of calendar events, any bytes: read, or refused with a message; what is read and
 * written in full is read again, is the same in full, and comes at the same time; the next time is
 * later than the moment from which it was looked for. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/mem.h"
#include "agent/calendar.h"
#include "agent/base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In full a list can be longer than a text that a user gives. */
static void check_same(const struct calendar *c, const char *full, time_t after, bool comes,
                       time_t next)
{
    cleanup_buf struct buf again = BUF_MAX(100000);
    struct calendar d;
    struct err e = ERR_INIT;
    time_t other = 0;

    if (strlen(full) > CALENDAR_TEXT)
        return;
    if (calendar_parse(full, &d, &e) < 0)
        abort();
    calendar_text(&d, &again);
    if (strcmp(buf_cstr(&again), full) != 0 || d.utc != c->utc ||
        calendar_next(&d, after, &other) != comes || (comes && other != next))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup_free char *text = xstrndup((const char *)data, size);
    cleanup_buf struct buf full = BUF_MAX(100000), cron = BUF_MAX(100000);
    const time_t after = 1774742400; /* an hour before a change of the clock in Berlin */
    struct calendar c;
    struct err e = ERR_INIT;
    time_t next = 0;

    setenv("TZ", "Europe/Berlin", 1);
    tzset();
    if (calendar_parse(text, &c, &e) < 0) {
        if (e.code != ERR_CONFIG || e.msg[0] == '\0')
            abort();
        return 0;
    }
    bool comes = calendar_next(&c, after, &next);
    if (comes && next <= after)
        abort();
    calendar_text(&c, &full);
    if (full.over)
        abort();
    check_same(&c, buf_cstr(&full), after, comes, next);
    (void)calendar_cron(&c, &cron, &e);
    return cron.over ? (abort(), 0) : 0;
}
