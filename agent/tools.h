/* The tools offered to the model: one for each language of the run (agent/languages.h). A handler
 * turns a call into text for the model; the model's mistakes (bad arguments, unknown name) are text
 * as well, never an error of the program. */
#ifndef AGENT_TOOLS_H
#define AGENT_TOOLS_H

#include "agent/run.h"

struct tool_outcome {
    struct buf text;           /* for the model, clean UTF-8, never empty */
    struct chat_image *images; /* for a model that looks at pictures; owned */
    size_t n_images;
    bool is_error;
    bool ran;        /* code ran */
    char digest[65]; /* of code and result, when it ran: equal = nothing new */
};
#define TOOL_OUTCOME_INIT                                                                          \
    {                                                                                              \
        BUF_MAX(MAX_REPLY_BYTES), NULL, 0, false, false, ""                                        \
    }

/* The declarations, with texts from prompts/. Owned by the caller (tools_free). */
struct chat_tool *tools_declare(const struct run *run, size_t *ret_n, struct err *e);
void tools_free(struct chat_tool *t, size_t n);

/* Executes one call. `cut` = the reply ended at the model's output cap, so that the arguments may
 * be incomplete. -1 only when the run cannot go on (sandbox lost, deadline, cancel); then *ret is
 * still to be released. Blocks in the sandbox. */
int tools_call(struct run *run, const struct chat_call *call, bool cut, struct tool_outcome *ret,
               struct err *e);

/* Releases what is left in *o. */
void tool_outcome_done(struct tool_outcome *o);

/* tool_code.c */
int tool_code_call(struct run *run, const struct sandbox_language *language,
                   const struct chat_call *call, bool cut, struct tool_outcome *ret, struct err *e);

#endif
