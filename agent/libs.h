/* Which libraries really import in this sandbox, for the system prompt. Asking takes seconds (each
 * is imported for real), so the answer is kept in $XDG_CACHE_HOME/agent under a key made of the
 * interpreter, its version and the state of its package folders. */
#ifndef AGENT_LIBS_H
#define AGENT_LIBS_H

#include "agent/base/err.h"
#include "agent/base/stop.h"
#include "sandbox/sandbox.h"

struct ui;
/* "numpy 1.24.2, pandas 1.5.3, ..." or "only the standard library". Caller frees. Blocks in the
 * sandbox when the cache has no answer. A cache that cannot be written is no error. */
char *libs_list(struct sandbox *s, struct ui *ui, const struct stop *stop, struct err *e);

#endif
