/* The tools offered to the model: one table, one row a tool. A handler turns a call into text for
 * the model; the model's mistakes (bad arguments, unknown name) are text as well, never an error of
 * the program. */
#ifndef AGENT_TOOLS_H
#define AGENT_TOOLS_H

#include "agent/run.h"

struct tool_outcome {
    struct buf text; /* for the model, clean UTF-8, never empty */
    bool is_error;
    bool ran;        /* code ran */
    char digest[65]; /* of code and result, when it ran: equal = nothing new */
};
#define TOOL_OUTCOME_INIT                                                                          \
    {                                                                                              \
        BUF_MAX(MAX_REPLY_BYTES), false, false, ""                                                 \
    }

/* The declarations, with texts from prompts/. Owned by the caller (tools_free). */
struct chat_tool *tools_declare(const char *prompts_dir, size_t *ret_n, struct err *e);
void tools_free(struct chat_tool *t, size_t n);

/* Executes one call. `cut` = the reply ended at the model's output cap, so that the arguments may
 * be incomplete. -1 only when the run cannot go on (sandbox lost, deadline, cancel); then *ret is
 * still to be released. Blocks in the sandbox. */
int tools_call(struct run *run, const struct chat_call *call, bool cut, struct tool_outcome *ret,
               struct err *e);

/* tool_python.c */
int tool_python_call(struct run *run, const struct chat_call *call, bool cut,
                     struct tool_outcome *ret, struct err *e);

#endif
