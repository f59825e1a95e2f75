/* Grounding within a run: what counts as evidence (agent/ground.h), when the model is asked to mend
 * its answer, and how what stays unmatched is told and recorded. */
#ifndef AGENT_GROUNDING_H
#define AGENT_GROUNDING_H

#include "agent/run.h"
#include "agent/saved.h"

struct cJSON;

/* Evidence: what the user said and attached, and what a cell gave. */
void grounding_said(struct run *run, const char *text);
void grounding_cell(struct run *run, struct str code, const struct sandbox_result *r);
/* What the cells of a recorded session gave. */
void grounding_saved(struct run *run, const struct saved *s);

/* Is there something to check against, by the settings? Without a cell that succeeded only
 * --strict checks. */
bool grounding_applies(const struct run *run);
/* Looks the answer up; the result stays in run->grounding. Returns the number of unmatched claims.
 * Reads text files that the cells made. */
size_t grounding_check(struct run *run, const char *answer);
/* The unmatched claims, one a line, for the model or a warning; at most `max` of them. */
void grounding_lines(const struct run *run, size_t max, struct buf *out);
/* {"checked": N, "unmatched": [{"kind", "text", "around"}]}; NULL when nothing was checked. Caller
 * owns. */
struct cJSON *grounding_json(const struct run *run);
void grounding_done(struct run *run);

#endif
