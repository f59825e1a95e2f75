/* Reports within a run: what the model is told of them, what its code published, and the writing
 * at the end (agent/report.h). */
#ifndef AGENT_REPORTING_H
#define AGENT_REPORTING_H

#include "agent/report.h"
#include "agent/run.h"

struct program;

/* Are reports asked for? */
bool reporting_wanted(const struct run *run);
/* The formats, and that what makes them is there: before the sandbox, and once it is ready. */
int reporting_check_names(const struct conf *c, struct err *e);
int reporting_check_tools(struct run *run, struct err *e);
/* What the model is told; "" when no report is asked for. Caller frees; NULL with *e. */
char *reporting_prompt(const struct run *run, struct err *e);

/* What a session that goes on has published already. */
void reporting_saved(struct run *run, const struct saved *s);
/* After each cell. */
void reporting_cell(struct run *run, const struct sandbox_cell *cell, const char *description,
                    const struct sandbox_result *r);
/* The text with its references resolved; as it is when it has none. Caller frees. Keeps the
 * original for the report. */
char *reporting_resolve(struct run *run, const char *text);
/* What the model is told of references to nothing: "" when there are none. Caller frees; NULL with
 * *e. */
char *reporting_repair(const struct run *run, const char *text, struct err *e);

/* How many values that text refers to and nobody published; one a line. */
size_t reporting_unknown(const struct run *run, struct buf *lines);

/* Writes all that was asked for; an event names them. The first failure is in *e, the others are
 * told. */
int reporting_write(struct program *p, const char *answer, struct err *e);
void reporting_done(struct run *run);

#endif
