/* --check EXPRESSION of agent ask and agent rerun: Python that must be true in the context of the
 * cells, after the last of them. It guards against data that is not what was thought, and not
 * against hostile code, which can have made any name mean anything. */
#ifndef AGENT_CHECKS_H
#define AGENT_CHECKS_H

#include "agent/program.h"

/* Evaluates all of them, in their order, once the run has an answer; each is an event of the
 * record. -1: ERR_CHECK names the first one that does not hold, with what was found. */
int checks_run(struct program *p, struct err *e);

#endif
