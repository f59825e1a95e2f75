/* The models of a service as its own list last had them, kept in $XDG_CACHE_HOME/agent for
 * completing: one a line. */
#ifndef AGENT_MODELS_CACHE_H
#define AGENT_MODELS_CACHE_H

#include <stdbool.h>
#include "agent/base/str.h"

#define MAX_MODELS_CACHE (1u << 20) /* 5000 names of 200 bytes */

/* A cache that cannot be written is no error. */
void models_cache_keep(const char *service, char *const *ids, size_t n);
/* False: none was kept. */
bool models_cache_read(const char *service, struct buf *out);

#endif
