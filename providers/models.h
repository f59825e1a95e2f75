/* What is known of models: prices, sizes and abilities, from a table generated from a public source
 * (providers/models.tsv names it and its date). Pure. A model that is not in the table is unknown:
 * no price is made up for it. */
#ifndef PROVIDERS_MODELS_H
#define PROVIDERS_MODELS_H

#include <stdbool.h>
#include <stdint.h>
#include "agent/base/str.h"
#include "providers/chat.h"

/* USD per million tokens; NAN = not known. Above `tier` tokens of input (0 = no tier) the second
 * set counts for the whole request. */
struct price {
    double in, out, cache_read, cache_write;
    int64_t tier;
    double tier_in, tier_out, tier_cache_read;
};
#define PRICE_UNKNOWN                                                                              \
    (struct price)                                                                                 \
    {                                                                                              \
        NAN, NAN, NAN, NAN, 0, NAN, NAN, NAN                                                       \
    }

struct model_facts {
    struct price price;
    int64_t context, longest_reply; /* tokens; 0 = not known */
    bool known, images, tools, reasons;
};

/* `service` is a services[] name. A date, "-latest" or a "models/" front in the name is looked
 * through; another model is never taken for this one. */
struct model_facts model_facts(const char *service, struct str model);
/* The line that says where the figures come from and of which day. */
struct str models_source(void);

/* USD of one turn; NAN when a price or a count that it needs is not known. */
double price_of(const struct price *p, const struct chat_usage *u);

#endif
