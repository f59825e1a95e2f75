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

/* Its parts, for a conversation that goes on. The caller frees the texts. The system prompt; the
 * files that the model was not told of yet ("" = none; the profile may be NULL); and one message
 * more, into conversation and record, which counts as evidence when it is the user's. */
char *opening_system(struct run *run, const struct attach_list *files, const char *libraries,
                     struct err *e);
char *opening_files(const struct attach_list *files, const struct intake *intake,
                    const char *workspace);
/* The user's question, with what stood on standard input and the form that the answer must have. */
int opening_question(struct run *run, const char *question, const char *stdin_text, struct err *e);
void opening_say(struct run *run, bool is_system, const char *text);

#endif
