/* Code in the text of models that cannot call tools: ```python fences. Pure.
 *
 * Fences are Markdown's: three or more backticks or tildes at the start of a line (up to three
 * spaces before), closed by a line with as many of the same. Only those count whose first word is
 * python, python3 or py; what is inside other fences is not looked at. */
#ifndef AGENT_FENCES_H
#define AGENT_FENCES_H

#include <stdbool.h>
#include "agent/base/str.h"

/* The next block of `text`, which moves on behind it. The code is a view with its last line end.
 * `whole` (may be NULL): the fence was closed. False: there is none. */
bool fence_next(struct str *text, struct str *code, bool *whole);

#endif
