/* The loop: ask the model, run the cells it wants, tell it what came out, until it answers.
 *
 * Ends by itself after conf->max_turns turns (the last is asked with tools off), when the same code
 * gave the same result three times, when the model keeps silent, at the deadline, on a signal, or
 * when the provider or the sandbox fails. Blocks in client_ask and the sandbox, under run->stop. */
#ifndef AGENT_LOOP_H
#define AGENT_LOOP_H

#include "agent/run.h"

/* The ids that calls have in the record when the model wrote its code in fences: "fence_3_1". */
#define FENCE_ID "fence_"

struct loop_result {
    char *answer;   /* the answer's text, caller frees; NULL = none. There can be one although `why`
                       is an error */
    struct err why; /* ERR_NONE = answered; ERR_TURNS, ERR_NO_CELL: answered with a reservation;
                       else why not */
};

/* run->convo holds system and question. Every event goes into the record as it happens. */
void loop_run(struct run *run, struct loop_result *ret);

struct asking_preview;
/* The first request of such a run, not sent (agent/asking.h). Caller: client_preview_done(). */
int loop_preview(struct run *run, struct asking_preview *ret, struct err *e);

#endif
