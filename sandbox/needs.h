/* Which modules a piece of Python seems to import: a hint, so that a context is forked where they
 * are loaded already. Reads lines, not grammar; a wrong guess costs time and nothing else. */
#ifndef SANDBOX_NEEDS_H
#define SANDBOX_NEEDS_H

#include "agent/base/str.h"

/* Appends the names, space separated, at most 1 KiB of them. */
void needs_of(struct str code, struct buf *out);

#endif
