/* Numbers, sizes and times as settings write them: 1.5, 64m, 1m30s. Pure. */
#ifndef AGENT_CONF_UNITS_H
#define AGENT_CONF_UNITS_H

#include <stdbool.h>
#include <stdint.h>
#include "agent/base/str.h"

/* False: it is none, and *ret is of no use. */
bool units_number(struct str s, double *ret);
bool units_size(struct str s, double *ret); /* bytes; without a unit, too */
bool units_duration(struct str s,
                    double *ret); /* milliseconds; without a unit seconds; "none" is 0 */

/* The shortest way to write it that is read as the same. */
void units_put_size(struct buf *out, int64_t v);
void units_put_duration(struct buf *out, int64_t ms);

#endif
