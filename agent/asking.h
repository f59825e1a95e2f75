/* Asking the model, by the user's limits: which service answers, who takes over when it does not,
 * what a request may cost, and what is shortened when the conversation is too long.
 *
 * Before each request its tokens are estimated (bytes of the conversation, by the ratio of the
 * requests before it), so that a limit stops a request before it is made and not after. */
#ifndef AGENT_ASKING_H
#define AGENT_ASKING_H

#include "agent/base/err.h"
#include "agent/base/stop.h"
#include "agent/conf.h"
#include "providers/client.h"

struct asking;
struct run;
struct ui;
struct cJSON;

/* Finds all services and keys that the settings name, fallbacks included, so that what is missing
 * is known before anything has begun. Blocks while api_key_cmd runs. ERR_CONFIG. */
struct asking *asking_new(const struct conf *c, const struct stop *stop, struct ui *ui,
                          struct err *e);
void asking_free(struct asking *a); /* wipes the keys; NULL is fine */
/* Opens the first client: reads a cassette, no network yet. */
int asking_open(struct asking *a, struct err *e);

/* From now on `model` answers, found as a fallback is: its service and key as the settings say, or
 * where the first model is. On failure nothing has changed. */
int asking_choose(struct asking *a, const char *model, struct ui *ui, struct err *e);

/* One turn over run->convo, which can get shorter by it. `rq` has tools and switches; model and
 * messages are filled in. ERR_BUDGET: a limit forbids the request. On success the turn's usage has
 * been counted. Blocks in client_ask. */
int asking_turn(struct asking *a, struct run *run, struct chat_request *rq,
                const struct client_events *ev, struct chat_turn *ret, struct err *e);
/* The request that asking_turn() would make, with the estimate that the limits go by. Nothing is
 * sent or counted. Caller: client_preview_done(&ret->request), also after a failure. */
struct asking_preview {
    struct client_preview request;
    int64_t input_tokens;
    double cost; /* USD of these tokens; NAN = no price is known */
};
int asking_preview(struct asking *a, const struct run *run, struct chat_request *rq,
                   struct asking_preview *ret, struct err *e);
/* Is the budget so far gone that the turn that follows should be the last? */
bool asking_low(const struct asking *a, const struct run *run);
/* The model and service that answer now. */
const char *asking_model(const struct asking *a);
const char *asking_service(const struct asking *a); /* NULL of NULL */
const char *asking_base_url(const struct asking *a);
/* Does the model look at pictures, as far as is known? NULL does not. */
bool asking_sees(const struct asking *a);
/* The tokens that the model takes in all; 0 = not known. */
int64_t asking_context(const struct asking *a);

/* What has been used: tokens by the services' counts, USD as told or by the table of prices. */
struct asking_total {
    int64_t input, output, cached, reasoning; /* -1 = a turn did not say */
    double cost;                              /* NAN = a turn has no known price */
};
struct asking_total asking_total(const struct asking *a); /* of NULL: nothing */
/* The same since the last asking_mark(), as of one question of several. */
void asking_mark(struct asking *a);
struct asking_total asking_since(const struct asking *a);
/* The last turn's: adds "cost_usd" and "cost_from" to a record's usage object, when known. */
void asking_add_cost(const struct asking *a, struct cJSON *usage);
double asking_last_cost(const struct asking *a);

#endif
