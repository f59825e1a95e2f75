/* --dry-run: the first request as it would go out, and what it would cost; nothing is sent. */
#ifndef AGENT_DRY_RUN_H
#define AGENT_DRY_RUN_H

#include "agent/run.h"

/* run->convo holds system and question. Prints to standard output: as text, or as one JSON object
 * where the run's output is for programs. */
int dry_run_print(struct run *run, struct err *e);
/* Appends JSON with line breaks and indents, digit for digit. Exposed for its test. */
void dry_run_indent(struct str json, struct buf *out);

#endif
