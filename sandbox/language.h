/* Languages besides Python: where a runtime is, what of this machine it needs to see, and how it
 * starts. Nothing here waits. The table itself is in sandbox.h. */
#ifndef SANDBOX_LANGUAGE_H
#define SANDBOX_LANGUAGE_H

#include "sandbox/frame.h"
#include "sandbox/launch.h"

/* Calls `show` for each path outside the system that must be visible inside, read-only. */
typedef void language_show(void *arg, const char *path);
int language_shows(const struct sandbox_program *p, language_show *show, void *arg, struct err *e);
/* The fields of a `context` frame that tell the guardian how to start it. -1 with ERR_CONFIG: the
 * spec does not name the language, or its program is gone. */
int language_start(const struct sandbox_spec *spec, const struct sandbox_language *l,
                   struct buf *frame, struct err *e);

#endif
