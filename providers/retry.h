/* Is it worth another attempt, and when? Pure: no clock, no chance, no I/O of its own. */
#ifndef PROVIDERS_RETRY_H
#define PROVIDERS_RETRY_H

#include <stdbool.h>
#include <stdint.h>
#include "agent/base/err.h"
#include "agent/base/str.h"
#include "providers/errbody.h"

struct retry_case {
    enum err_code code;         /* what the attempt failed with */
    long status;                /* HTTP status; 0 = no answer, or a fault inside a good one */
    struct str headers;         /* "Name: value\n" lines of the answer */
    const struct errbody *body; /* of a refusal; NULL = none */
    int attempt;                /* 1 = the first has failed */
    uint32_t chance;            /* any number: the jitter */
    int64_t now_s;              /* wall clock, for a Retry-After that is a date */
};

struct retry_verdict {
    bool again;
    bool loading; /* a local server is loading its model: does not count as an attempt */
    int64_t wait_ms;
    const char *reason; /* why not, in a few words; NULL if `again` or if it needs no word */
};

struct retry_verdict retry_judge(const struct retry_case *c);

/* The status that an error inside a 200 stands for (0 = it does not say): 429, 529... */
long retry_inband_status(const struct errbody *b);
/* Is a refusal with this status and body worth a retry at all? NULL = yes, else why not. */
const char *retry_hopeless(long status, const struct errbody *b);

#define RETRY_MAX_WAIT_MS 120000 /* a service that asks for more is told good-bye */

#endif
