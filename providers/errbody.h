/* Reads the body of a refusal, whatever the service. Pure. Everything in it is foreign text: the
 * human part is cleaned, redacted and short, the words are clipped. */
#ifndef PROVIDERS_ERRBODY_H
#define PROVIDERS_ERRBODY_H

#include <stdbool.h>
#include <stdint.h>
#include "agent/base/str.h"

struct errbody {
    char text[512];  /* for a person; "" when the body is empty */
    char code[96];   /* error.code or error.details.error_code, when it is a word */
    char type[96];   /* error.type, error.status or metadata.error_type */
    char param[96];  /* the request's member that is at fault */
    long status;     /* a number given as code or status_code; 0 = none */
    int64_t wait_ms; /* the wait it asks for; 0 = none */
    bool per_day;    /* a daily quota is spent: waiting minutes is useless */
    bool html;       /* not an API's answer at all */
};

void errbody_read(struct str body, struct errbody *ret);

/* Does it say that the conversation, or one request, is too long for the model? */
bool errbody_too_long(const struct errbody *b);

/* Appends `s` with registered secrets and words that look like keys ("sk-...") masked, made safe
 * for a terminal, on one line, at most `max` bytes. */
void errbody_clean(struct buf *out, struct str s, size_t max);

#endif
