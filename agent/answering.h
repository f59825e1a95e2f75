/* A reply without calls: is it the answer? It goes back to the model when it does not fit the
 * schema (--schema), when it claims what nothing proves (agent/grounding.h), when a report refers
 * to values that nobody published, and when it is empty; each of these a few times at most. */
#ifndef AGENT_ANSWERING_H
#define AGENT_ANSWERING_H

#include "agent/loop.h"

struct answering {
    struct run *run;
    int empty_replies; /* in a row; the caller sets it back when a reply has calls */
    char *unproved;    /* the answer that the model was asked to mend; owned */
    /* --schema */
    bool form_only; /* the next reply is the answer in another form */
    int form_tries;
    bool misformed; /* the answer does not fit, after all tries */
    char *misfit;   /* the first reason; owned */
};

/* Why the model is not asked again after this turn. */
enum answering_last { LAST_NOT, LAST_TURN, LAST_BUDGET };

/* 1 = the model is to be asked again (with *t in the conversation, and what it is told), else
 * ret->answer and ret->why say how the run ends. Nothing here waits. */
int answering_settle(struct answering *a, struct chat_turn *t, enum answering_last last,
                     struct loop_result *ret);

/* At the end of the run: an answer that the model was asked to mend in vain is given after all.
 * Releases what `a` holds. */
void answering_end(struct answering *a, struct loop_result *ret);

#endif
