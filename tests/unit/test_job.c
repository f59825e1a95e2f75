/* Dates of job files across year ends, leap days and changes of the clock, in several zones. */
#include <stdlib.h>
#include <string.h>
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/job.h"
#include "tests/unit/tap.h"
#include "agent/base/banned.h"

static const struct {
    const char *zone;
    time_t now;
    const char *text, *want;
} rows[] = {
    /* 2026-11-25 07:00:00 UTC, a Wednesday */
    { "UTC", 1795590000, "{{today}} {{yesterday}}", "2026-11-25 2026-11-24" },
    { "UTC", 1795590000, "{{this_week}} {{last_week}}", "2026-W48 2026-W47" },
    { "UTC", 1795590000, "{{last_week:%Y-%m-%d}}", "2026-11-16" },
    { "UTC", 1795590000, "{{ this_month }}|{{last_month:%B %Y}}", "2026-11|October 2026" },
    { "UTC", 1795590000, "no dates, {one} brace", "no dates, {one} brace" },
    /* 2027-01-01 00:30 UTC: a Friday of ISO week 53 of 2026 */
    { "UTC", 1798763400, "{{today}} {{yesterday}}", "2027-01-01 2026-12-31" },
    { "UTC", 1798763400, "{{this_week}} {{last_week}}", "2026-W53 2026-W52" },
    { "UTC", 1798763400, "{{this_month}} {{last_month}} {{this_year}} {{last_year}}",
      "2027-01 2026-12 2027 2026" },
    { "America/New_York", 1798763400, "{{today}} {{last_month}}", "2026-12-31 2026-11" },
    /* 2028-03-01 12:00 UTC, behind a leap day; 2028-03-31 has no counterpart in February */
    { "UTC", 1835524800, "{{yesterday}}", "2028-02-29" },
    { "UTC", 1838116800, "{{today}} {{last_month}}", "2028-03-31 2028-02" },
    /* Berlin: the clock springs on 2026-03-29 and falls back on 2026-10-25 */
    { "Europe/Berlin", 1774828200, "{{today}} {{yesterday}}", "2026-03-30 2026-03-29" },
    { "Europe/Berlin", 1774746000, "{{today}} {{yesterday}}", "2026-03-29 2026-03-28" },
    { "Europe/Berlin", 1792971000, "{{today}} {{yesterday}}", "2026-10-26 2026-10-25" },
    { "Europe/Berlin", 1792891800, "{{today}} {{last_week:%d.%m.}}", "2026-10-25 12.10." },
    { "Europe/Berlin", 1792888200, "{{today}}", "2026-10-25" },
    /* a zone whose clock springs at midnight, and one that left out a whole day (2011-12-30) */
    { "America/Havana", 1772946000, "{{today}} {{yesterday}}", "2026-03-08 2026-03-07" },
    { "Pacific/Apia", 1325282400, "{{today}}", "2011-12-31" },
    { "UTC", 1795590000, "{{tomorow}}", NULL },
    { "UTC", 1795590000, "{{today", NULL },
    { "UTC", 1795590000, "{{today:%%%%%%}}", "%%%" },
};

int main(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup_buf struct buf out = BUF_MAX(MAX_CONF_BYTES);
        struct err e = ERR_INIT;
        setenv("TZ", rows[i].zone, 1);
        tzset();
        int r = job_expand(NULL, rows[i].text, rows[i].now, &out, &e);
        cleanup_free char *name =
            xasprintf("%s at %lld: %s", rows[i].zone, (long long)rows[i].now, rows[i].text);
        if (rows[i].want == NULL)
            CHECK(r < 0 && e.code == ERR_CONFIG, "%s: refused", name);
        else
            CHECK(r == 0 && strcmp(buf_cstr(&out), rows[i].want) == 0, "%s: %s", name,
                  buf_cstr(&out));
    }
    return tap_done();
}
