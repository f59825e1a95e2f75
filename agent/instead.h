/* What serves the same end as a module that is not installed. Pure. */
#ifndef AGENT_INSTEAD_H
#define AGENT_INSTEAD_H

#include <stdbool.h>
#include "agent/base/str.h"

struct instead {
    struct str module;  /* "polars": the missing one's first name; a view into the message */
    struct str package; /* what an index calls it; empty when it is in no row of ours: then nobody
                           is advised to install what may be a name made up by the model */
};
/* Looks at the message of a ModuleNotFoundError ("No module named 'polars.x'"), which anybody may
 * have written. `libraries` is a libs_list() text: only what is in it, or in Python itself, is
 * recommended. Appends sentences for the model to `out`; false, and nothing appended, when the
 * message is none or the module is there. */
bool instead_of(struct buf *out, struct str message, const char *libraries, bool network,
                struct instead *ret);

#endif
