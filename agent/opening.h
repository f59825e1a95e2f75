/* How a conversation begins: the system prompt, filled with what is true of this sandbox, and the
 * user's question. */
#ifndef AGENT_OPENING_H
#define AGENT_OPENING_H

#include "agent/attach.h"
#include "agent/run.h"

/* Puts the system prompt and the question into run->convo and the record. `stdin_text` may be NULL.
 * `libraries` is a libs_list() text. */
int opening_write(struct run *run, const char *question, const char *stdin_text,
                  const struct attach_list *files, const char *libraries, struct err *e);

#endif
