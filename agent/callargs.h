/* The arguments of a tool call as models really send them. Pure.
 *
 * An object is taken as it is; an object that was encoded twice, or a bare string where the tool
 * has one required string, is what it must mean. Broken JSON is mended only where it can mean one
 * thing:
 *   - a code fence around the object;
 *   - a comma before a closing brace or bracket;
 *   - \' inside a string;
 *   - closing braces and brackets that are missing at the end, outside of a string, or too many.
 * Everything else is refused in words for the model: guessing at code would run what nobody wrote.
 */
#ifndef AGENT_CALLARGS_H
#define AGENT_CALLARGS_H

#include <stdbool.h>
#include "agent/base/str.h"

struct cJSON;

struct callargs {
    struct cJSON *object; /* owned; NULL = refused */
    const char *mended;   /* what was wrong, for the record; NULL = nothing */
};

/* `cut`: the reply ended at the model's output limit, so that the end may be missing; then nothing
 * is added to it. `sole` is the name of the tool's only required argument, a string; NULL = there
 * is none. When refused, the reason is appended to `why`. */
void callargs_read(const char *text, bool cut, const char *sole, struct callargs *ret,
                   struct buf *why);

#endif
