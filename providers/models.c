#include "providers/models.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "agent/base/mem.h"
#include "agent/base/banned.h"

extern const char models_tsv[], models_tsv_end[];
static const char *const table_begin = models_tsv, *const table_end = models_tsv_end;

enum {
    C_SERVICE,
    C_MODEL,
    C_IN,
    C_OUT,
    C_READ,
    C_WRITE,
    C_TIER,
    C_TIN,
    C_TOUT,
    C_TREAD,
    C_CONTEXT,
    C_REPLY,
    C_FLAGS,
    C_COUNT
};

struct str models_source(void)
{
    struct str all = { table_begin, (size_t)(table_end - table_begin) }, line;

    (void)str_cut(&all, '\n', &line);
    return str_from(line, 2);
}

static double number(struct str s)
{
    char tmp[32], *end;

    if (s.n == 0 || s.n >= sizeof tmp)
        return NAN;
    memcpy(tmp, s.p, s.n);
    tmp[s.n] = '\0';
    double v = strtod(tmp, &end);
    return *end == '\0' ? v : NAN;
}

static int64_t count(struct str s)
{
    double v = number(s);

    return v > 0 ? (int64_t)v : 0;
}

static struct model_facts facts_of(struct str line)
{
    struct str cell[C_COUNT] = { { NULL, 0 } };

    for (int i = 0; i < C_COUNT; i++)
        (void)str_cut(&line, '\t', &cell[i]);
    return (struct model_facts){
        .price = { number(cell[C_IN]), number(cell[C_OUT]), number(cell[C_READ]),
                   number(cell[C_WRITE]), count(cell[C_TIER]), number(cell[C_TIN]),
                   number(cell[C_TOUT]), number(cell[C_TREAD]) },
        .context = count(cell[C_CONTEXT]),
        .longest_reply = count(cell[C_REPLY]),
        .known = true,
        .images = memchr(cell[C_FLAGS].p, 'v', cell[C_FLAGS].n) != NULL,
        .tools = memchr(cell[C_FLAGS].p, 't', cell[C_FLAGS].n) != NULL,
        .reasons = memchr(cell[C_FLAGS].p, 'r', cell[C_FLAGS].n) != NULL,
    };
}

static bool same(struct str a, struct str b)
{
    return a.n == b.n && strncasecmp(a.p, b.p, a.n) == 0;
}

static bool find(const char *service, struct str model, struct model_facts *ret)
{
    struct str all = { table_begin, (size_t)(table_end - table_begin) }, line;

    while (all.n) {
        (void)str_cut(&all, '\n', &line);
        struct str rest = line, a, b;
        if (line.n == 0 || line.p[0] == '#' || !str_cut(&rest, '\t', &a) || !str_is(a, service))
            continue;
        (void)str_cut(&rest, '\t', &b);
        if (same(b, model)) {
            *ret = facts_of(line);
            return true;
        }
    }
    return false;
}

static bool digits(struct str s, size_t n)
{
    if (s.n != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return true;
}

/* "gpt-4.1-mini-2025-04-14", "claude-x-20250929", "mistral-large-latest" -> without the end. */
static bool cut_date(struct str *s)
{
    size_t n = s->n;

    if (str_ends(*s, "-latest")) {
        s->n -= 7;
        return true;
    }
    if (n > 9 && s->p[n - 9] == '-' && digits((struct str){ s->p + n - 8, 8 }, 8)) {
        s->n -= 9;
        return true;
    }
    if (n > 11 && s->p[n - 11] == '-' && digits((struct str){ s->p + n - 10, 4 }, 4) &&
        s->p[n - 6] == '-' && digits((struct str){ s->p + n - 5, 2 }, 2) && s->p[n - 3] == '-' &&
        digits((struct str){ s->p + n - 2, 2 }, 2)) {
        s->n -= 11;
        return true;
    }
    return false;
}

struct model_facts model_facts(const char *service, struct str model)
{
    struct model_facts f = { .price = PRICE_UNKNOWN };

    if (service == NULL || model.n == 0)
        return f;
    if (str_starts(model, "models/"))
        model = str_from(model, 7);
    if (find(service, model, &f) || (cut_date(&model) && find(service, model, &f)))
        return f;
    cleanup_free char *latest = xasprintf("%.*s-latest", (int)model.n, model.p);
    (void)find(service, str_of(latest), &f);
    return f;
}

double price_of(const struct price *p, const struct chat_usage *u)
{
    bool high = p->tier > 0 && u->input > p->tier;
    double in = high && !isnan(p->tier_in) ? p->tier_in : p->in;
    double out = high && !isnan(p->tier_out) ? p->tier_out : p->out;
    double read = high && !isnan(p->tier_cache_read) ? p->tier_cache_read : p->cache_read;
    int64_t cached = u->cached > 0 ? u->cached : 0, written = u->cache_write;

    if (u->input < 0 || u->output < 0 || isnan(in) || isnan(out))
        return NAN;
    if (written < 0)
        written = 0;
    if (cached > u->input)
        cached = u->input;
    if (written > u->input - cached)
        written = u->input - cached;
    /* Without a price of its own what is cached costs no less than the rest: never too little. */
    double write = isnan(p->cache_write) ? in : p->cache_write;
    return ((double)(u->input - cached - written) * in +
            (double)cached * (isnan(read) ? in : read) + (double)written * write +
            (double)u->output * out) /
           1e6;
}
