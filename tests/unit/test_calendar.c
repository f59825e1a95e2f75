/* Calendar events: what is refused and why, next times in several zones across changes of the
 * clock, year ends and leap days, and lines of cron. With the word "next" it answers instead: from
 * standard input come lines "BASE<TAB>EVENT", and the next time, "never" or "refused" goes out for
 * each, with the event in full (tests/cli/calendar.t compares them with systemd's). */
#include <stdlib.h>
#include <string.h>
#include "agent/base/mem.h"
#include "agent/calendar.h"
#include "tests/unit/tap.h"
#include "agent/base/banned.h"

static const struct {
    const char *zone;
    time_t after;
    const char *text;
    time_t want[3]; /* one after the other; 0 = never */
} rows[] = {
    /* 2026-11-25 07:00:00 UTC, a Wednesday: the time itself is past */
    { "UTC", 1795590000, "07:00", { 1795676400, 1795762800, 1795849200 } },
    { "UTC", 1795590000, "Mon 07:00", { 1796022000, 1796626800, 1797231600 } },
    { "UTC", 1795590000, "weekly", { 1795996800, 1796601600, 1797206400 } },
    { "UTC", 1795590000, "Mon..Fri *:00/30", { 1795591800, 1795593600, 1795595400 } },
    /* the last day of the months, the year's end among them */
    { "UTC", 1795590000, "*-*~1 18:00", { 1796061600, 1798740000, 1801418400 } },
    { "UTC", 1795590000, "yearly", { 1798761600, 1830297600, 1861920000 } },
    { "UTC", 1795590000, "*-02-29", { 1835395200, 1961625600, 2087856000 } },
    { "UTC", 1795590000, "*-02-30", { 0, 0, 0 } },
    { "UTC", 1795590000, "2026-11-25 07:00", { 0, 0, 0 } },
    { "UTC", 1795590000, "2026-11-25 07:00:01", { 1795590001, 0, 0 } },
    /* Berlin, from 2026-03-28 12:00: 02:30 does not come on the 29th, 03:00 is an hour earlier */
    { "Europe/Berlin", 1774695600, "02:30", { 1774830600, 1774917000, 1775003400 } },
    { "Europe/Berlin", 1774695600, "03:00", { 1774746000, 1774832400, 1774918800 } },
    { "Europe/Berlin", 1774695600, "07:00 UTC", { 1774767600, 1774854000, 1774940400 } },
    /* 2026-03-29 01:00: the hour from 2 to 3 is left out */
    { "Europe/Berlin", 1774742400, "hourly", { 1774746000, 1774749600, 1774753200 } },
    /* from 2026-10-24 12:00: 02:30 is shown twice on the 25th, and comes once */
    { "Europe/Berlin", 1792836000, "02:30", { 1792888200, 1792978200, 1793064600 } },
    { "Europe/Berlin", 1792836000, "07:00", { 1792908000, 1792994400, 1793080800 } },
    /* 02:10 of the second time: what comes is what is still to come */
    { "Europe/Berlin", 1792890600, "02:30", { 1792891800, 1792978200, 1793064600 } },
    /* a day that was left out */
    { "Pacific/Apia", 1325152800, "daily", { 1325239200, 1325325600, 1325412000 } },
};

static const struct {
    const char *text, *said;
} bad[] = {
    { "Mno 07:00", "\"Mno\" is no weekday" },
    { "Mon 7", ": and minutes are wanted" },
    { "Mon 25:00", "the hour: 25 is not within 0 to 23" },
    { "Mon 07:60", "the minute: 60 is not within 0 to 59" },
    { "Mon 07:00:00.5", "fractions" },
    { "Sat..Mon 07:00", "Sat..Sun,Mon..Mon" },
    { "*-13-01", "the month: 13" },
    { "*-*-0", "the day: 0" },
    { "*-*~29", "the day from the end: 29" },
    { "26-01-01", "the year: 26" },
    { "5..3:00", "5..3 is no range" },
    { "*:*/5", "a step begins at a number: 0/5, not */5" },
    { "*:0/0", "the step of the minute" },
    { "20/6:00", "the step of the hour: 20 and 6 are more than 23" },
    { "07:00 Europe/Berlin", "\"Europe/Berlin\": the time zone is the machine's own, or UTC" },
    { "Mon 07:00 tomorrow", "the time zone" },
    { "@1795590000", "is not understood" },
    { "", "is not understood" },
    { "UTC", "is not understood" },
    { "Mon,", "is no weekday" },
    { "*~*", "a number is wanted after ~" },
    { "Mon 07:00;reboot", "\";reboot\" is not understood there" },
    { "07:00\n08:00", "has a character" },
    { "0 7 * * 1", ": and minutes are wanted" },
    { "99999999999:00", "the hour: 99999" },
};

static const struct {
    const char *text, *want; /* NULL = cron cannot say it */
} cron[] = {
    { "Mon 07:00", "0 7 * * 1" },
    { "Sun 07:00", "0 7 * * 0" },
    { "Mon..Fri 06:30", "30 6 * * 1,2,3,4,5" },
    { "hourly", "0 * * * *" },
    { "*:0/15", "0-59/15 * * * *" },
    { "8..18/2:05", "5 8-18/2 * * *" },
    { "quarterly", "0 0 1 1,4,7,10 *" },
    { "Mon..Sun *-*-1 07:00", "0 7 1 * *" },
    { "Mon *-*-1..7 07:00", NULL },
    { "*-*~1", NULL },
    { "07:00 UTC", NULL },
    { "2026-12-01 07:00", NULL },
    { "07:00:30", NULL },
    { "*:*:*", NULL },
};

static const struct {
    const char *text, *want;
} whole[] = {
    { "Mon 07:00", "Mon *-*-* 07:00:00" },
    { "weekly UTC", "Mon *-*-* 00:00:00 UTC" },
    { "Mon..Wed,Sun *-1..6/2-1,15..20 8/5:0/20", "Mon,Tue,Wed,Sun *-01,03,05-01,15..20 "
                                                 "08,13,18,23:00,20,40:00" },
    { "2026..2028-*~7/3", "2026..2028-*~07,04,01 00:00:00" },
    { "*~1..5/2 *:*:*", "*-*~05,03,01 *:*:*" },
};

static void check_full(void)
{
    for (size_t i = 0; i < ARRAY_LEN(whole); i++) {
        struct calendar c;
        struct err e = ERR_INIT;
        cleanup_buf struct buf out = BUF_MAX(1000);
        bool read = calendar_parse(whole[i].text, &c, &e) == 0;
        if (read)
            calendar_text(&c, &out);
        CHECK(read && strcmp(buf_cstr(&out), whole[i].want) == 0, "in full: %s: %s%s",
              whole[i].text, buf_cstr(&out), e.msg);
    }
}

static int answer(void)
{
    char *line = NULL;
    size_t size = 0;

    while (getline(&line, &size, stdin) > 0) {
        struct calendar c;
        struct err e = ERR_INIT;
        char *end;
        time_t at = strtoll(line, &end, 10);
        end[strcspn(end, "\n")] = '\0';
        if (*end != '\t' || calendar_parse(end + 1, &c, &e) < 0)
            puts("refused");
        else {
            cleanup_buf struct buf full = BUF_MAX(10000);
            calendar_text(&c, &full);
            if (calendar_next(&c, at, &at))
                printf("%lld\t%s\n", (long long)at, buf_cstr(&full));
            else
                printf("never\t%s\n", buf_cstr(&full));
        }
    }
    free(line);
    return 0;
}

static void check_next(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct calendar c;
        struct err e = ERR_INIT;
        setenv("TZ", rows[i].zone, 1);
        tzset();
        time_t at = rows[i].after, got[3] = { 0, 0, 0 };
        bool read = calendar_parse(rows[i].text, &c, &e) == 0;
        for (int k = 0; read && k < 3 && calendar_next(&c, at, &at); k++)
            got[k] = at;
        CHECK(read && memcmp(got, rows[i].want, sizeof got) == 0,
              "%s after %lld: %s: %lld %lld %lld%s", rows[i].zone, (long long)rows[i].after,
              rows[i].text, (long long)got[0], (long long)got[1], (long long)got[2], e.msg);
    }
}

static void check_long(void)
{
    cleanup_buf struct buf b = BUF_MAX(1000);
    struct calendar c;
    struct err e = ERR_INIT;

    buf_puts(&b, "*:0");
    for (int i = 1; i < 61; i++)
        buf_putf(&b, ",%d", i % 10);
    CHECK(calendar_parse(buf_cstr(&b), &c, &e) < 0 && strstr(e.msg, "a list of more than 60"),
          "a list without end is refused: %s", e.msg);
    for (int i = 0; i < 100; i++)
        buf_puts(&b, ",1");
    CHECK(calendar_parse(buf_cstr(&b), &c, &e) < 0 && strstr(e.msg, "longer than 200 bytes"),
          "and a text without end: %s", e.msg);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "next") == 0)
        return answer();
    check_next();
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct calendar c;
        struct err e = ERR_INIT;
        int r = calendar_parse(bad[i].text, &c, &e);
        CHECK(r < 0 && e.code == ERR_CONFIG && strstr(e.msg, bad[i].said), "refused: %s: %s",
              bad[i].text[0] ? strchr(bad[i].text, '\n') ? "two lines" : bad[i].text : "nothing",
              e.msg);
    }
    for (size_t i = 0; i < ARRAY_LEN(cron); i++) {
        struct calendar c;
        struct err e = ERR_INIT;
        cleanup_buf struct buf out = BUF_MAX(1000);
        bool read = calendar_parse(cron[i].text, &c, &e) == 0;
        int r = read ? calendar_cron(&c, &out, &e) : -1;
        CHECK(read && (cron[i].want ? r == 0 && strcmp(buf_cstr(&out), cron[i].want) == 0
                                    : r < 0 && e.code == ERR_CONFIG),
              "cron: %s: %s%s", cron[i].text, buf_cstr(&out), e.msg);
    }
    check_full();
    check_long();
    return tap_done();
}
