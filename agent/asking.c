#include "agent/asking.h"
#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/log.h"
#include "agent/base/mem.h"
#include "agent/endpoint.h"
#include "agent/run.h"
#include "agent/spend.h"
#include "agent/base/banned.h"

#define FIRST_RATIO 0.28  /* tokens a byte before a service has counted: English, code, numbers */
#define IMAGE_TOKENS 1500 /* what services count for a chart */
#define SHRINK_TRIES 12   /* each takes a third of what may be shortened */
#define DAY_OUTPUT 2000   /* tokens put down for a reply while nothing is known of its length */
#define CONTEXT_RESERVE 4096 /* left for the reply */

struct asking {
    const struct conf *conf;
    const struct stop *stop;
    struct endpoint *v; /* the first, then the fallbacks */
    size_t n, at;
    struct client *client;
    struct spend *spend; /* NULL = no place for it, and no limit that needs one */
    bool reserved;       /* the request under way has been put down there */
    double ratio;        /* tokens a byte */
    int64_t last_input;  /* tokens of the last request, as counted; 0 = none was */
    size_t last_bytes;   /* and its bytes */
    int64_t turns;
    struct asking_total total;
    struct asking_total mark; /* what it was at asking_mark() */
    double counted_cost;      /* USD for the limits: estimates where a turn is not counted */
    int64_t counted_tokens, counted_output;
    bool blind; /* a turn's cost is not known at all */
    double last_cost;
    const char *last_from;
};

struct estimate {
    size_t bytes;
    int64_t images, input, output; /* tokens */
    double cost;                   /* USD; NAN = no price */
};

/* Services that tell each answer's cost themselves, or may: what a gateway at an address of the
 * user's own does is not known before it has answered. */
static bool tells_cost(const struct endpoint *ep)
{
    return !strcmp(ep->service, "openrouter") || !strcmp(ep->service, "xai") ||
           service_at(ep->base_url) == NULL;
}

static bool priced(const struct endpoint *ep)
{
    return !isnan(ep->facts.price.in) && !isnan(ep->facts.price.out);
}

/* A limit in money needs a price: without one it would be a promise that nobody keeps. */
static int check_price(const struct asking *a, const struct endpoint *ep, struct err *e)
{
    bool cap = !isnan(a->conf->max_cost), day = !isnan(a->conf->max_cost_per_day);

    if ((!cap && !day) || priced(ep) || !ep->billed || tells_cost(ep) || a->conf->replay)
        return 0;
    return err_set(e, ERR_CONFIG, 0,
                   "%s cannot be kept: no price is known for the model %s of %s. Say it in "
                   "agent.conf, in US dollars per million tokens:\n"
                   "  [price %s]\n  in = 1.25\n  out = 10\n"
                   "or limit tokens instead (--max-tokens-total)",
                   cap ? "max_cost" : "max_cost_per_day", ep->model, ep->service, ep->model);
}

static int add_endpoint(struct asking *a, const char *model, struct ui *ui, struct err *e)
{
    struct endpoint *ep = &a->v[a->n];

    if (endpoint_find(a->conf, model, a->n == 0, ep, e) < 0) {
        endpoint_done(ep);
        return -1;
    }
    a->n++;
    /* A second model of the same service: its key has been taken out of the environment. */
    for (size_t i = 0; i + 1 < a->n; i++) {
        if (strcmp(a->v[i].service, ep->service) != 0 ||
            strcmp(a->v[i].base_url, ep->base_url) != 0)
            continue;
        const struct key *k = &a->v[i].key;
        ep->key.value = k->value ? xstrdup(k->value) : NULL;
        ep->key.hint = k->hint ? xstrdup(k->hint) : NULL;
        return check_price(a, ep, e);
    }
    if (endpoint_key(ep, a->stop, e) < 0) {
        if (!a->conf->dry_run || e->code != ERR_CONFIG)
            return -1;
        ui_warn(ui, "%s", e->msg); /* nothing is sent, so it is not needed yet */
        *e = (struct err)ERR_INIT;
    }
    if (ep->key.warning)
        ui_warn(ui, "%s", ep->key.warning);
    return check_price(a, ep, e);
}

static int open_spend(struct asking *a, struct err *e)
{
    cleanup_free char *dir = conf_data_dir();
    bool needed = !isnan(a->conf->max_cost_per_day);

    if (a->conf->replay || (a->conf->ephemeral && !needed))
        return 0; /* nothing is spent, or nothing is to be kept */
    if (dir)
        a->spend = spend_open(dir);
    if (a->spend || !needed)
        return 0;
    return err_set(e, ERR_CONFIG, 0,
                   "max_cost_per_day cannot be kept: HOME is not set, so there is no place for the "
                   "day's sum");
}

struct asking *asking_new(const struct conf *c, const struct stop *stop, struct ui *ui,
                          struct err *e)
{
    struct asking *a = xcalloc(1, sizeof *a);

    *a = (struct asking){ .conf = c, .stop = stop, .ratio = FIRST_RATIO, .last_cost = NAN };
    a->v = xcalloc(c->fallback.n + 1, sizeof *a->v);
    int r = add_endpoint(a, c->model ? c->model : "", ui, e);
    for (size_t i = 0; r == 0 && i < c->fallback.n && !c->replay; i++) {
        r = add_endpoint(a, c->fallback.v[i], ui, e);
        if (r < 0)
            err_wrap(e, "--fallback-model %s", c->fallback.v[i]);
    }
    if (r < 0 || open_spend(a, e) < 0) {
        asking_free(a);
        return NULL;
    }
    return a;
}

void asking_free(struct asking *a)
{
    if (a == NULL)
        return;
    for (size_t i = 0; i < a->n; i++)
        endpoint_done(&a->v[i]);
    free(a->v);
    client_free(a->client);
    spend_free(a->spend);
    free(a);
}

int asking_open(struct asking *a, struct err *e)
{
    client_free(a->client);
    a->client = endpoint_client(&a->v[a->at], a->conf, e);
    return a->client ? 0 : -1;
}

int asking_choose(struct asking *a, const char *model, struct ui *ui, struct err *e)
{
    size_t old = a->at, n = a->n;
    struct err ignored = ERR_INIT;

    a->v = xrealloc(a->v, a->n + 1, sizeof *a->v);
    a->v[n] = (struct endpoint){ 0 };
    if (add_endpoint(a, model, ui, e) == 0) {
        a->at = a->n - 1;
        if (asking_open(a, e) == 0) {
            a->ratio = FIRST_RATIO;
            a->last_input = 0; /* another model counts in other tokens */
            return 0;
        }
    }
    if (a->n > n)
        endpoint_done(&a->v[--a->n]);
    a->at = old;
    (void)asking_open(a, &ignored); /* it was open before */
    return -1;
}

/* --- estimates --- */

static size_t message_bytes(const struct chat_message *m)
{
    size_t n = 16 + (m->raw ? strlen(m->raw) : m->text ? strlen(m->text) : 0);

    for (size_t i = 0; m->raw == NULL && i < m->n_calls; i++)
        n += 40 + strlen(m->calls[i].args);
    return n;
}

static struct estimate estimate(const struct asking *a, const struct chat_request *rq)
{
    struct estimate s = { 0, 0, 0, 0, NAN };

    for (size_t i = 0; i < rq->n_messages; i++) {
        s.bytes += message_bytes(&rq->messages[i]);
        s.images += (int64_t)rq->messages[i].n_images;
    }
    for (size_t i = 0; i < rq->n_tools; i++)
        s.bytes += strlen(rq->tools[i].description) + strlen(rq->tools[i].schema);
    s.bytes += rq->schema ? strlen(rq->schema) : 0;
    s.input = (int64_t)((double)s.bytes * a->ratio) + s.images * IMAGE_TOKENS;
    /* The request before this one has been counted, so only what came since is a guess. */
    if (a->last_input > 0 && s.bytes >= a->last_bytes)
        s.input = a->last_input + (int64_t)((double)(s.bytes - a->last_bytes) * a->ratio);
    else if (a->last_input > 0)
        s.input = (int64_t)((double)a->last_input * (double)s.bytes / (double)a->last_bytes);
    s.output = a->turns ? a->counted_output / a->turns : 0;
    struct chat_usage u = CHAT_USAGE_NONE;
    u.input = s.input;
    u.output = s.output;
    s.cost = price_of(&a->v[a->at].facts.price, &u);
    return s;
}

static int check_budget(const struct asking *a, const struct estimate *s, struct err *e)
{
    const struct conf *c = a->conf;
    int64_t tokens = s->input + s->output;
    double cost = isnan(s->cost) ? 0 : s->cost;

    if (c->max_tokens_total > 0 && a->counted_tokens + tokens > c->max_tokens_total)
        return err_set(e, ERR_BUDGET, 0,
                       "the token budget is used up: %lld used and about %lld for the next request "
                       "pass --max-tokens-total %ld",
                       (long long)a->counted_tokens, (long long)tokens, c->max_tokens_total);
    if (a->blind && (!isnan(c->max_cost) || !isnan(c->max_cost_per_day)))
        return err_set(
            e, ERR_BUDGET, 0,
            "what %s/%s costs is neither told by it nor known, so that %s cannot be kept: "
            "no further request is made. [price %s] in agent.conf says it",
            a->v[a->at].service, a->v[a->at].model,
            isnan(c->max_cost) ? "max_cost_per_day" : "--max-cost", a->v[a->at].model);
    if (!isnan(c->max_cost) && a->counted_cost + cost > c->max_cost)
        return err_set(e, ERR_BUDGET, 0,
                       "the budget is used up: %.4f USD spent and about %.4f USD for the next "
                       "request pass --max-cost %.6g",
                       a->counted_cost, cost, c->max_cost);
    return 0;
}

bool asking_low(const struct asking *a, const struct run *run)
{
    const struct conf *c = a->conf;
    struct chat_request rq = { .messages = run->convo.m, .n_messages = run->convo.n };

    if (a->turns == 0 || (c->max_tokens_total == 0 && isnan(c->max_cost)))
        return false;
    struct estimate s = estimate(a, &rq);
    struct err ignored = ERR_INIT;
    if (check_budget(a, &s, &ignored) < 0)
        return false; /* not even the last one: asking_turn() says so */
    /* The request after the next has all of the next in it. */
    s.input = s.input * 2 + s.output;
    s.output *= 2;
    s.cost *= 2;
    return check_budget(a, &s, &ignored) < 0;
}

/* --- a conversation that is too long --- */

/* Shortens old outputs by at least `bytes` if it can; true if anything became shorter. */
static bool shrink(struct asking *a, struct run *run, size_t bytes, const char *why)
{
    size_t freed = 0, n = convo_shorten(&run->convo, bytes, &freed);

    if (n == 0)
        return false;
    ui_warn(run->ui, "the conversation is too long for %s: %zu old output%s shortened by %zu kB",
            a->v[a->at].model, n, n == 1 ? "" : "s", (freed + 999) / 1000);
    cJSON *ev = cJSON_CreateObject();
    json_add_str(ev, "why", str_of(why));
    json_add_int(ev, "outputs", (int64_t)n);
    json_add_int(ev, "bytes", (int64_t)freed);
    record_event(run->record, "context.shortened", ev);
    return true;
}

/* Before the service has to refuse it. */
static void make_room(struct asking *a, struct run *run, const struct chat_request *rq)
{
    int64_t window = a->v[a->at].context;
    int64_t reserve = rq->max_tokens > 0 && rq->max_tokens < window / 2 ? rq->max_tokens
                      : window / 4 < CONTEXT_RESERVE                    ? window / 4
                                                                        : CONTEXT_RESERVE;
    struct estimate s = estimate(a, rq);

    if (window <= 0 || s.input + reserve <= window)
        return;
    cleanup_free char *why = xasprintf("about %lld tokens and %lld for the reply; the window has "
                                       "%lld",
                                       (long long)s.input, (long long)reserve, (long long)window);
    /* Down to four fifths, so that it does not happen again at every turn. */
    double over = (double)(s.input + reserve) - (double)window * 0.8;
    (void)shrink(a, run, (size_t)(over / a->ratio), why);
}

/* --- asking --- */

static void count(int64_t *total, int64_t v)
{
    *total = *total < 0 || v < 0 ? -1 : *total + v;
}

static void learn_ratio(struct asking *a, const struct estimate *s, int64_t input)
{
    double text = (double)(input - s->images * IMAGE_TOKENS);

    if (s->bytes == 0)
        return;
    a->last_input = input;
    a->last_bytes = s->bytes;
    if (text > 0)
        a->ratio = fmin(1.0, fmax(0.1, text / (double)s->bytes));
}

static void settle(struct asking *a, const struct estimate *s, const struct chat_turn *t,
                   struct run *run)
{
    const struct endpoint *ep = &a->v[a->at];
    struct chat_usage u = t->usage;
    struct err e = ERR_INIT;

    /* Both are given: the one that the service says is what it will bill. */
    a->last_cost = u.cost;
    a->last_from = "service";
    if (isnan(a->last_cost)) {
        a->last_cost = price_of(&ep->facts.price, &u);
        a->last_from = ep->own_price ? "settings" : "table";
    }
    count(&a->total.input, u.input);
    count(&a->total.output, u.output);
    count(&a->total.cached, u.cached);
    count(&a->total.reasoning, u.reasoning);
    a->total.cost += a->last_cost; /* NAN, the unknown, stays */
    /* For the limits an uncounted turn counts as it was estimated. */
    size_t said = (t->text ? strlen(t->text) : 0) + (t->raw ? strlen(t->raw) : 0);
    if (u.input < 0)
        u.input = s->input;
    else
        learn_ratio(a, s, u.input);
    if (u.output < 0)
        u.output = (int64_t)((double)said * a->ratio);
    a->turns++;
    a->counted_tokens += u.input + u.output;
    a->counted_output += u.output;
    double cost = isnan(a->last_cost) ? price_of(&ep->facts.price, &u) : a->last_cost;
    if (isnan(cost)) {
        if (ep->billed && !a->conf->replay)
            a->blind = true; /* and stays so: the sum has a hole */
        cost = 0;
    }
    a->counted_cost += cost;
    bool late = a->spend && !a->reserved && cost > 0; /* the answer told it */
    if ((late && spend_reserve(a->spend, cost, NAN, &e) < 0) ||
        (a->reserved && spend_settle(a->spend, cost, &e) < 0))
        ui_warn(run->ui, "the day's sum is not kept: %s", e.msg);
}

/* Puts the request down in the day's file. */
static int reserve(struct asking *a, const struct estimate *s, struct run *run, struct err *e)
{
    struct chat_usage u = CHAT_USAGE_NONE;
    struct err why = ERR_INIT;

    a->reserved = false;
    if (a->spend == NULL)
        return 0;
    u.input = s->input;
    u.output = a->turns ? s->output : a->conf->max_tokens > 0 ? a->conf->max_tokens : DAY_OUTPUT;
    double cost = price_of(&a->v[a->at].facts.price, &u);
    if (isnan(cost) && isnan(a->conf->max_cost_per_day))
        return 0; /* nothing is known of it yet, and nothing depends on it */
    a->reserved = true;
    if (spend_reserve(a->spend, isnan(cost) ? 0 : cost, a->conf->max_cost_per_day, &why) == 0)
        return 0;
    a->reserved = false;
    if (!isnan(a->conf->max_cost_per_day)) {
        *e = why;
        return -1;
    }
    ui_detail(run->ui, "the day's sum is not kept: %s", why.msg);
    spend_free(a->spend);
    a->spend = NULL;
    return 0;
}

/* One request to the service that is at hand, with what is too long made shorter. */
static int ask_one(struct asking *a, struct run *run, struct chat_request *rq,
                   const struct client_events *ev, struct chat_turn *ret, struct err *e)
{
    struct err ignored = ERR_INIT;

    rq->model = a->v[a->at].model;
    for (int tries = 0;; tries++) {
        rq->messages = run->convo.m;
        rq->n_messages = run->convo.n;
        if (tries == 0)
            make_room(a, run, rq);
        struct estimate s = estimate(a, rq);
        if (check_budget(a, &s, e) < 0 || reserve(a, &s, run, e) < 0)
            return -1;
        int r = client_ask(a->client, rq, a->stop, ev, ret, e);
        bool full = r == 0 && ret->stop == CHAT_STOP_CONTEXT && ret->n_calls == 0 &&
                    (ret->text == NULL || *ret->text == '\0');
        if (r == 0) {
            settle(a, &s, ret, run);
            if (!full)
                return 0;
            chat_turn_done(ret);
            *ret = (struct chat_turn){ 0 };
            err_set(e, ERR_CONTEXT, 0, "the conversation fills the whole context of the model %s",
                    rq->model);
        } else if (a->reserved) {
            (void)spend_settle(a->spend, 0, &ignored);
        }
        if (e->code != ERR_CONTEXT || tries >= SHRINK_TRIES ||
            !shrink(a, run, convo_shortable(&run->convo) / 3 + 1, e->msg))
            return -1;
        if (ev && ev->sink.restart)
            ev->sink.restart(ev->sink.arg);
    }
}

/* The next of the fallbacks, if this failure is one that another service may not have. */
static bool take_over(struct asking *a, struct run *run, const struct err *why, struct err *e)
{
    const struct endpoint *old = &a->v[a->at];

    if (a->at + 1 >= a->n ||
        (why->code != ERR_NET && why->code != ERR_PROVIDER && why->code != ERR_CONTEXT))
        return false;
    a->at++;
    const struct endpoint *now = &a->v[a->at];
    ui_warn(run->ui, "%s/%s does not answer: %s", old->service, old->model, why->msg);
    ui_warn(run->ui, "%s/%s takes over", now->service, now->model);
    cJSON *ev = cJSON_CreateObject();
    cleanup_free char *from = xasprintf("%s/%s", old->service, old->model);
    cleanup_free char *to = xasprintf("%s/%s", now->service, now->model);
    json_add_str(ev, "from", str_of(from));
    json_add_str(ev, "to", str_of(to));
    json_add_str(ev, "why", str_of(why->msg));
    record_event(run->record, "fallback", ev);
    a->ratio = FIRST_RATIO;
    a->last_input = 0; /* another model counts in other tokens */
    return asking_open(a, e) == 0;
}

int asking_turn(struct asking *a, struct run *run, struct chat_request *rq,
                const struct client_events *ev, struct chat_turn *ret, struct err *e)
{
    struct err why = ERR_INIT;

    for (;;) {
        if (ask_one(a, run, rq, ev, ret, &why) == 0)
            return 0;
        if (!take_over(a, run, &why, &why)) {
            *e = why;
            return -1;
        }
        if (ev && ev->sink.restart)
            ev->sink.restart(ev->sink.arg);
    }
}

int asking_preview(struct asking *a, const struct run *run, struct chat_request *rq,
                   struct asking_preview *ret, struct err *e)
{
    rq->model = a->v[a->at].model;
    rq->messages = run->convo.m;
    rq->n_messages = run->convo.n;
    struct estimate s = estimate(a, rq);
    ret->input_tokens = s.input;
    ret->cost = s.cost;
    return client_preview(a->client, rq, &ret->request, e);
}

const char *asking_model(const struct asking *a)
{
    return a->v[a->at].model;
}

const char *asking_service(const struct asking *a)
{
    return a ? a->v[a->at].service : NULL;
}

const char *asking_base_url(const struct asking *a)
{
    return a->v[a->at].base_url;
}

bool asking_sees(const struct asking *a)
{
    if (a == NULL)
        return false;
    return a->v[a->at].facts.images;
}

int64_t asking_context(const struct asking *a)
{
    return a->v[a->at].context;
}

struct asking_total asking_total(const struct asking *a)
{
    return a ? a->total : (struct asking_total){ 0 };
}

void asking_mark(struct asking *a)
{
    a->mark = a->total;
}

static int64_t since(int64_t now, int64_t then)
{
    return now < 0 || then < 0 ? -1 : now - then;
}

struct asking_total asking_since(const struct asking *a)
{
    if (a == NULL)
        return asking_total(a);
    const struct asking_total *t = &a->total, *m = &a->mark;

    return (struct asking_total){ since(t->input, m->input), since(t->output, m->output),
                                  since(t->cached, m->cached), since(t->reasoning, m->reasoning),
                                  t->cost - m->cost };
}

double asking_last_cost(const struct asking *a)
{
    return a->last_cost;
}

void asking_add_cost(const struct asking *a, cJSON *usage)
{
    if (isnan(a->last_cost))
        return;
    cJSON_AddNumberToObject(usage, "cost_usd", a->last_cost);
    cJSON_AddStringToObject(usage, "cost_from", a->last_from);
}
