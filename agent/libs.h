/* Which libraries really import in this sandbox, for the system prompt. Asking takes seconds (each
 * is imported for real), so the answer is kept in $XDG_CACHE_HOME/agent under a key made of the
 * interpreter, its version, the state of its package folders and the environment's lock. */
#ifndef AGENT_LIBS_H
#define AGENT_LIBS_H

#include "agent/base/err.h"
#include "agent/base/stop.h"
#include "agent/env.h"
#include "sandbox/sandbox.h"

struct ui;
struct sha256;
/* "numpy 1.24.2, pandas 1.5.3, ..." or "only the standard library". Caller frees. Blocks in the
 * sandbox when the cache has no answer. A cache that cannot be written is no error. */
char *libs_list(struct sandbox *s, const struct env *env, struct ui *ui, const struct stop *stop,
                struct err *e);

/* For other things that are kept per interpreter: the state of a folder, of the folders where
 * packages land, and $XDG_CACHE_HOME/agent/NAME (caller frees; NULL when there is no such place).
 */
void libs_hash_folder(struct sha256 *h, const char *path);
void libs_hash_packages(struct sha256 *h, const char *python);
char *libs_cache_path(const char *name);

#endif
