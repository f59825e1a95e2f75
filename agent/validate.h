/* Code looked at before it runs (settings validate, forbid_imports, forbid_calls, forbid_patterns).
 * A defence in depth and a help to who reads the record; never the boundary, which is the sandbox.
 *
 * Python's imports and calls are found by Python's own parser, in a process of the sandbox that
 * runs no code; patterns are extended regular expressions over the lines of any language. */
#ifndef AGENT_VALIDATE_H
#define AGENT_VALIDATE_H

#include "agent/conf.h"
#include "sandbox/sandbox.h"

struct warning {
    char *rule;         /* "import ctypes", "call os.system", "pattern /dev/tcp/" */
    const char *reason; /* static */
    int line;
};
struct warnings {
    struct warning *v;
    size_t n;
};
void warnings_done(struct warnings *w);

/* Checks the patterns once at the start: ERR_CONFIG names the one that is no expression. */
int validate_patterns(const struct conf *c, struct err *e);
/* Fills *ret; nothing when the setting is off. -1: the sandbox is lost, or the stop came. */
int validate_code(const struct conf *c, struct sandbox *s, const struct sandbox_cell *cell,
                  const struct stop *stop, struct warnings *ret, struct err *e);
/* "line 3: import ctypes (it calls C ...)", one a line. */
void warnings_text(const struct warnings *w, struct buf *out);
/* The member `warnings`: [{rule, reason, line}, ...]; none when there are none. */
struct cJSON;
void warnings_json(const struct warnings *w, struct cJSON *o);

#endif
