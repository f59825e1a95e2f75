/* What a service turned out not to take. A refusal (400 or 422) that names a member of our request
 * is answered by leaving it out, or by its other name, once, and for the rest of the run. Pure. */
#ifndef PROVIDERS_QUIRK_H
#define PROVIDERS_QUIRK_H

#include <stdbool.h>
#include <stddef.h>
#include "providers/chat.h"
#include "providers/errbody.h"

struct quirks {
    unsigned set;     /* enum chat_quirk */
    unsigned refused; /* names of the token limit that were refused: bit 0 old, bit 1 new */
    long max_tokens;  /* the longest reply that the model can be asked for; 0 = not learnt */
};

/* Starts with what is known beforehand; `known` 0 = by the service at `base_url` (may be NULL). */
void quirk_init(struct quirks *q, unsigned known, const char *base_url);
/* True if the refusal taught something, so that the same question is worth asking again at once:
 * `notice` then holds a line for the user. Each lesson is learnt once, so this ends. */
bool quirk_learn(struct quirks *q, const struct chat_request *sent, long status,
                 const struct errbody *b, char *notice, size_t size);

/* True if the refusal names a further member of the request's top level as unwanted, one that can
 * be done without: `name` then holds it. `sent` is the request's JSON. */
bool quirk_member(long status, const struct errbody *b, struct str sent, char *name, size_t size);

#endif
