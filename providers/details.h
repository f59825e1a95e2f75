/* Collects reasoning_details, which some services stream in pieces and want back unchanged: pieces
 * of one index and type are joined, all else is kept as it came, in order. */
#ifndef PROVIDERS_DETAILS_H
#define PROVIDERS_DETAILS_H

#include "agent/base/err.h"
#include "agent/base/str.h"

struct cJSON;
struct details;
struct details *details_new(void);
void details_free(struct details *d); /* NULL is fine */
/* `list` is the array that came, or NULL. ERR_PROVIDER past DETAILS_MAX elements or
 * MAX_ANSWER_BYTES. */
int details_add(struct details *d, const struct cJSON *list, struct err *e);
bool details_any(const struct details *d);
/* Appends the JSON array; only when there is any. */
void details_put(const struct details *d, struct buf *out);

#define DETAILS_MAX 1000 /* replies have a handful */

#endif
