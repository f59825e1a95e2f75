/* Changes to a request's JSON text that leave every other byte as it is: opaque state inside must
 * go back exactly as it came. Pure. */
#ifndef PROVIDERS_PATCH_H
#define PROVIDERS_PATCH_H

#include <stdbool.h>
#include <stddef.h>
#include "agent/base/err.h"
#include "agent/base/str.h"

struct patch {
    const char *path; /* a member, or members within members: "reasoning.effort" */
    const char *json; /* its new value as JSON text; NULL = the member is left out */
};

/* `body` holds one valid JSON object. -1 with ERR_INTERNAL if it does not, with ERR_LIMIT beyond
 * the buffer's cap. */
int patch_body(struct buf *body, const struct patch *p, size_t n, struct err *e);
/* Is there a member of that name at the top level? */
bool patch_has(struct str body, const char *member);
/* The value of a top-level member as JSON text; empty if there is none. Points into `body`. */
struct str patch_get(struct str body, const char *member);

#endif
