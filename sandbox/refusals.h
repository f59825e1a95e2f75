/* The agent's side of denied.h. Pure, but for the memory that the helper writes. */
#ifndef SANDBOX_REFUSALS_H
#define SANDBOX_REFUSALS_H

#include "sandbox/denied.h"
#include "sandbox/sandbox.h"

/* A copy of the counters; NULL gives none. */
void refusals_look(const struct denied_counts *now, struct denied_counts *ret);
/* Fills the result's `denied` with what was counted since that copy. */
void refusals_since(const struct denied_counts *counts, const struct denied_counts *before,
                    struct sandbox_result *r);

#endif
