/* The prose and schemas of this folder, embedded at build time (embed.S). With `prompts_dir` set, a
 * file of the same name there is used instead. */
#ifndef PROMPTS_PROMPTS_H
#define PROMPTS_PROMPTS_H

#include "agent/base/err.h"

/* The text of prompts/NAME, e.g. "system.md", without white space at its end. Caller frees. `dir`
 * may be NULL. A name that is not embedded is our mistake (ERR_INTERNAL); a file in `dir` that
 * cannot be read is ERR_CONFIG. */
char *prompt_text(const char *dir, const char *name, struct err *e);
/* Replaces each {{name}} in `text` by its value. `pairs` = name, value, ..., NULL. An unknown
 * {{name}} is ERR_CONFIG, so that a mistyped word in an own prompt is seen. Frees nothing; caller
 * frees the result. */
char *prompt_fill(const char *text, const char *const *pairs, struct err *e);

#endif
