/* agent rerun SESSION: the recorded cells of a session, run again on other files, without a model:
 * no request, no cost. What comes of it is a session of its own, with the same text: references in
 * it ({{num:...}}) show the new values, and numbers that were written as plain text are struck
 * through, since nobody computed them again.
 *
 * Each file of the session is replaced by one that is given, or is read again where it lay. Cells
 * that failed are left out, unless what they did before is used later; in a report that rests on
 * published values also those that only showed things (agent/rerun_plan.py decides, within the
 * sandbox, and in doubt a cell runs). The first cell that fails ends the run. */
#ifndef AGENT_RERUN_H
#define AGENT_RERUN_H

#include "agent/loop.h"
#include "agent/program.h"
#include "agent/saved.h"

struct rerun_cell {
    const struct saved_cell *cell;
    char *code;      /* what runs: all of it, or the part that had succeeded; NULL = left out */
    const char *why; /* it is left out; static */
};
struct rerun {
    struct saved saved;
    const char *text;     /* the answer, with its references; borrowed from `saved` */
    struct rerun_cell *v; /* all cells */
    size_t n;
    bool same_files; /* each file is byte for byte what it was */
};
void rerun_free(struct rerun *r); /* NULL is fine */

/* --- the steps of agent/ask.c --- */

/* By the command line: loads the session, takes over its limits where they are stricter, and
 * matches files. Before anything is started. */
int rerun_open(struct program *p, struct err *e);
/* Instead of the loop, once the sandbox is ready. */
void rerun_run(struct program *p, struct loop_result *ret);

/* --- its parts --- */

/* Decides what runs: fills r->v. -1: the run has to stop. */
int rerun_plan(struct program *p, struct err *e);
/* The text for the new files: what of its numbers stands there as plain text and comes neither from
 * the question nor from the code is marked as old. Returns how many. */
size_t rerun_mark(const struct rerun *r, const char *question, struct buf *out);
#endif
