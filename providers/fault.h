/* Words for what went wrong with a service, for somebody who reads them at seven in the morning:
 * what, where, why, and what to do. Pure. */
#ifndef PROVIDERS_FAULT_H
#define PROVIDERS_FAULT_H

#include <stdbool.h>
#include "agent/base/err.h"
#include "agent/base/str.h"
#include "providers/errbody.h"

struct fault_place {
    const char *host; /* "api.example.com:443" */
    const char *url;  /* the request's, without query */
    const char *model;
    const char *key_hint; /* where the key comes from; may be NULL */
    bool has_key;
    bool replay; /* no service is there */
};

/* The service refused: sets *e by its status and body. `headers` as "Name: value\n" lines. Returns
 * -1. */
int fault_refused(const struct fault_place *p, long status, struct str headers,
                  const struct errbody *b, struct err *e);
/* The last attempt failed with *e: adds how often it was tried, why no further, and what to do. */
int fault_final(const struct fault_place *p, int attempts, const char *why_no_more, struct err *e);
/* A good status, but neither JSON nor a stream: what it is instead. */
int fault_not_json(const struct fault_place *p, struct str content_type, struct str head,
                   struct err *e);

#endif
