#include "providers/retry.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "agent/base/mem.h"
#include "providers/http.h"
#include "agent/base/banned.h"

static bool has(const char *text, const char *part)
{
    return strcasestr(text, part) != NULL;
}

/* The same status means different things: these are the answers that no wait will change. */
const char *retry_hopeless(long status, const struct errbody *b)
{
    static const struct errbody none;

    if (b == NULL)
        b = &none;
    if (!strcmp(b->code, "insufficient_quota") || !strcmp(b->type, "insufficient_quota"))
        return "the quota is spent";
    if (!strcmp(b->code, "enforced_spend_limit_reached"))
        return "the spend limit is reached";
    if (b->per_day)
        return "the daily quota is spent";
    if (status == 429 && has(b->text, "request too large"))
        return "this one request is larger than the limit";
    if (!strcmp(b->code, "tool_use_failed"))
        return NULL; /* the model's call did not fit the schema: it may next time */
    switch (status) {
    case 0:
    case 408:
    case 409:
    case 429:
        return NULL;
    case 402:
        return "no balance";
    default:
        return status >= 500 ? NULL : "the request is refused";
    }
}

long retry_inband_status(const struct errbody *b)
{
    static const struct {
        const char *word;
        long status;
    } words[] = {
        { "overloaded_error", 529 },      { "rate_limit_error", 429 },
        { "rate_limit_exceeded", 429 },   { "insufficient_quota", 429 },
        { "timeout_error", 504 },         { "api_error", 500 },
        { "server_error", 500 },          { "internal_error", 500 },
        { "authentication_error", 401 },  { "permission_error", 403 },
        { "not_found_error", 404 },       { "request_too_large", 413 },
        { "content_filter", 400 },        { "context_length_exceeded", 400 },
        { "invalid_request_error", 400 },
    };

    if (b->status >= 400 && b->status < 600)
        return b->status;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (!strcmp(b->code, words[i].word) || !strcmp(b->type, words[i].word))
            return words[i].status;
    return 0;
}

static int64_t month_of(struct str w)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

    for (int i = 0; w.n == 3 && i < 12; i++)
        if (memcmp(w.p, names + 3 * i, 3) == 0)
            return i;
    return -1;
}

/* "Wed, 21 Oct 2026 07:28:00 GMT" to seconds since 1970; -1 if it is not that. */
static int64_t http_date(struct str s)
{
    struct str w[6] = { { NULL, 0 } };
    long long day, year, h, m, sec;
    struct tm tm = { 0 };

    for (int i = 0; i < 6; i++) {
        s = str_trim(s);
        str_cut(&s, ' ', &w[i]);
    }
    struct str clock = w[4], hh, mm;
    str_cut(&clock, ':', &hh);
    str_cut(&clock, ':', &mm);
    int64_t month = month_of(w[2]);
    if (month < 0 || !str_to_ll(w[1], &day) || !str_to_ll(w[3], &year) || !str_to_ll(hh, &h) ||
        !str_to_ll(mm, &m) || !str_to_ll(clock, &sec) || year < 1970 || year > 9999 || day < 1 ||
        day > 31 || h < 0 || h > 23 || m < 0 || m > 59 || sec < 0 || sec > 60)
        return -1;
    tm.tm_mday = (int)day;
    tm.tm_mon = (int)month;
    tm.tm_year = (int)year - 1900;
    tm.tm_hour = (int)h;
    tm.tm_min = (int)m;
    tm.tm_sec = (int)sec;
    return timegm(&tm);
}

static bool number(struct str s, double *ret)
{
    char tmp[32], *end;

    if (s.n == 0 || s.n >= sizeof tmp)
        return false;
    memcpy(tmp, s.p, s.n);
    tmp[s.n] = '\0';
    *ret = strtod(tmp, &end);
    return *end == '\0' && *ret >= 0 && *ret < 1e9;
}

/* What the service asks for, in ms; 0 = nothing. */
static int64_t asked_wait(const struct retry_case *c)
{
    struct str ms = http_header(c->headers, "retry-after-ms");
    struct str after = http_header(c->headers, "retry-after");
    double v;

    if (number(ms, &v) && v >= 1)
        return (int64_t)v;
    if (number(after, &v) && v > 0)
        return (int64_t)(v * 1000);
    int64_t date = after.n ? http_date(after) : -1;
    if (date > c->now_s)
        return (date - c->now_s) * 1000;
    return c->body ? c->body->wait_ms : 0;
}

/* 0.5 s, 1 s, 2 s, ... 8 s, less up to a quarter by chance. */
static int64_t backoff(int attempt, uint32_t chance)
{
    int64_t ms = attempt > 4 ? 8000 : 500ll << (attempt > 0 ? attempt - 1 : 0);

    return ms - ms * (int64_t)(chance % 1000) / 4000;
}

struct retry_verdict retry_judge(const struct retry_case *c)
{
    struct retry_verdict v = { false, false, 0, NULL };
    struct str said = http_header(c->headers, "x-should-retry");

    if (c->code != ERR_NET && c->code != ERR_PROVIDER && c->code != ERR_CONFIG)
        return v; /* a deadline, a cancel, a fault of ours */
    if (c->status == 0 && c->code != ERR_NET)
        return v; /* the codec has judged an error inside a good answer already */
    bool hopeless = c->status && retry_hopeless(c->status, c->body) != NULL;
    if (c->status >= 400 && str_is(said, "false")) {
        v.reason = hopeless ? NULL : "the service says that another attempt is useless";
        return v;
    }
    if (hopeless && !(c->status >= 400 && str_is(said, "true")))
        return v; /* the words for the refusal say why */
    if (c->status == 503 && c->body && has(c->body->text, "loading model")) {
        v.again = v.loading = true;
        v.wait_ms = 2000;
        return v;
    }
    v.wait_ms = asked_wait(c);
    if (v.wait_ms > RETRY_MAX_WAIT_MS) {
        v.reason = "it asks to wait longer than two minutes";
        return v;
    }
    if (v.wait_ms == 0)
        v.wait_ms = backoff(c->attempt, c->chance);
    v.again = true;
    return v;
}
