/* Whom to ask: a model's name and the settings become a service, an address, a wire format, a key.
 *
 * The rule, from strongest to weakest: a setting said for this run, a service's word before a slash
 * in the model's name, a setting in a file, what the model's name means ("claude-..."), OpenAI.
 * A service's key goes to that service's address, or to the address the user gave for it; never to
 * another's. */
#ifndef AGENT_ENDPOINT_H
#define AGENT_ENDPOINT_H

#include "agent/base/err.h"
#include "agent/base/stop.h"
#include "agent/conf.h"
#include "agent/keys.h"
#include "providers/client.h"
#include "providers/models.h"
#include "providers/services.h"

struct endpoint {
    const struct service *row; /* never NULL; "custom" for a service of the user's own */
    char *service;             /* "openrouter", or the user's own name for one */
    char *model;               /* as the service calls it */
    char *base_url;
    const char *wire;
    unsigned quirks;
    char *headers; /* further "Name: value\n" lines; NULL = none */
    struct patch *patches;
    size_t n_patches;
    struct key_source source; /* its strings are the settings', or in `owned` */
    char *owned_env;
    struct key key;
    struct model_facts facts;
    int64_t context; /* tokens; 0 = not known */
    bool own_price;  /* facts.price is the user's */
    bool billed;     /* false for a server of one's own: a request costs nothing that is known */
};

/* Without the key. `model` as the user wrote it; `first` = it is the setting "model", not a
 * fallback. ERR_CONFIG says what to change. */
int endpoint_find(const struct conf *c, const char *model, bool first, struct endpoint *ret,
                  struct err *e);
/* The same for a service without a model, to list what it has. NULL = the one that the settings
 * mean. */
int endpoint_of_service(const struct conf *c, const char *service, struct endpoint *ret,
                        struct err *e);
int endpoint_key(struct endpoint *ep, const struct stop *stop, struct err *e);
struct client *endpoint_client(const struct endpoint *ep, const struct conf *c, struct err *e);
/* Where the list of models is, for client_get(). */
const char *endpoint_list_path(const struct endpoint *ep);
/* Is somebody there who takes the key? One GET, tried once, with its own short time limits (at most
 * ENDPOINT_TRY_MS). 0 = yes; -1 with what client_get() says: ERR_CONFIG is a key that is refused.
 * *ret_date is the Date header of the answer, "" without one; caller frees, also on failure. */
#define ENDPOINT_TRY_MS 10000
int endpoint_try(const struct endpoint *ep, const struct conf *c, const struct stop *stop,
                 char **ret_date, struct err *e);
void endpoint_done(struct endpoint *ep);

#endif
