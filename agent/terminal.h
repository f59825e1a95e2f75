/* What foreign code prints, made fit for a terminal: colours, progress bars and text pass; whatever
 * else could drive the terminal (titles, the clipboard, keys typed in the user's name) is shown
 * instead of obeyed. Pure. */
#ifndef AGENT_TERMINAL_H
#define AGENT_TERMINAL_H

#include "agent/base/str.h"

/* One stream; zeroed at the start. Holds what came of a sequence that is not whole yet. */
struct terminal {
    char held[64];
    size_t n;
};
void terminal_filter(struct terminal *t, struct str bytes, struct buf *out);

#endif
