/* What is said in a run, as the record keeps it: replies, results of calls, and the messages that
 * the program itself writes to the model. Nothing here waits but for the disk. */
#ifndef AGENT_TRANSCRIPT_H
#define AGENT_TRANSCRIPT_H

#include "agent/run.h"
#include "agent/tools.h"

/* The event "turn": a reply with its calls, its usage and its raw form. */
void transcript_turn(struct run *run, const struct chat_turn *t);
/* The event "observation": what a call is answered with. Pictures stand there by their hash. */
void transcript_observation(struct run *run, const char *call_id, const struct tool_outcome *o);
/* The event `type` ("system", "user") with a text. */
void transcript_text(struct run *run, const char *type, const char *text);

/* A message in the user's place that is the program's own, and so no evidence for an answer
 * (agent/grounding.h): into the conversation and the record. The second takes it from prompts/. */
void transcript_say(struct run *run, const char *text);
int transcript_say_prompt(struct run *run, const char *file, struct err *e);

#endif
