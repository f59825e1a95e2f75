/* The columns of an attached file's tables, by name, type and form of dates: as the intake profile
 * found them, the record keeps them (event "profile"), and a re-run compares them with those of
 * other files. A list of the shape that docs/schema/profile.schema.json has under `tables`. No I/O.
 *
 * Names are words of a hostile file, and a record can have been changed by hand: what is taken is
 * bounded, and what is told is clean. */
#ifndef AGENT_COLUMNS_H
#define AGENT_COLUMNS_H

#include <stddef.h>
#include "agent/base/str.h"

struct cJSON;

/* A bounded copy of a list of tables, whatever `tables` is: at most *left columns, which are taken
 * off it; those beyond are counted in `more`. NULL: it is no list. Caller deletes. */
struct cJSON *columns_take(const struct cJSON *tables, size_t *left);

/* What code that ran on the columns of `then` may miss in `now`: columns and tables that are gone,
 * or columns of another type. Further ones, another order and empty ones are no difference.
 * Appends "FILE: column x is gone" and so on, on one line; returns how many. */
size_t columns_differ(const struct cJSON *then, const struct cJSON *now, const char *file,
                      struct buf *out);
/* How many columns have no name in it, so that nothing can be said of them. */
size_t columns_untold(const struct cJSON *tables);

#endif
