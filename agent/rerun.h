/* agent rerun SESSION: the recorded cells of a session, run again on other files, without a model:
 * no request, no cost. What comes of it is a session of its own, with the same text: references in
 * it ({{num:...}}) show the new values, and numbers that were written as plain text are struck
 * through, since nobody computed them again.
 *
 * Each file of the session is replaced by one that is given, or is read again where it lay. Cells
 * that failed are left out, unless what they did before is used later; in a report that rests on
 * published values also those that only showed things (agent/rerun_plan.c decides, within the
 * sandbox, and in doubt a cell runs).
 *
 * The first cell that fails ends the run, and so do, in the end, a check (--check) and with
 * --strict a text that cannot say the new values. With --repair the model takes over there, at
 * such a text, and at files whose columns are not those of then (rerun_columns.c), and only then:
 * it is told what has run and what broke, and goes on in the same interpreters by the ordinary loop
 * (rerun_repair.c). The new record then holds the cells that ran unchanged and the repaired ones,
 * so that it can be run again itself. */
#ifndef AGENT_RERUN_H
#define AGENT_RERUN_H

#include "agent/intake.h"
#include "agent/loop.h"
#include "agent/program.h"
#include "agent/saved.h"

struct cJSON;
struct consent;

struct rerun_cell {
    const struct saved_cell *cell;
    char *code;      /* what runs: all of it, or the part that had succeeded; NULL = left out */
    const char *why; /* it is left out; static */
    char *seen;      /* what came of it now, as a model is told; NULL = it has not run */
};
struct rerun {
    struct saved saved;
    const char *text;     /* the answer, with its references; borrowed from `saved` */
    struct rerun_cell *v; /* all cells */
    size_t n;
    bool same_files; /* each file is byte for byte what it was */
    /* What did not do: v[broken_at], or when that is n the whole: its text, a check. One clean
     * line; NULL = all did. */
    char *broken;
    size_t broken_at;
    struct intake intake; /* of the present files; made when a repair is thought of */
    bool profiled;
    struct consent *terminal; /* to ask on; NULL = nobody is asked */
    bool repairs;             /* a model was asked to repair it */
    char *diff;               /* the record's file that says what was changed; NULL = none */
};
void rerun_free(struct rerun *r); /* NULL is fine */

/* --- the steps of agent/ask.c --- */

/* By the command line: loads the session, takes over its limits where they are stricter, and
 * matches files. Before anything is started. */
int rerun_open(struct program *p, struct err *e);
/* Instead of the loop, once the sandbox is ready. */
void rerun_run(struct program *p, struct loop_result *ret);

/* What the record and the manifest say of it: rerun_of, repaired_from, repair. */
void rerun_json(const struct rerun *r, struct cJSON *o);

/* --- its parts --- */

/* The file that stands for one of the session's inputs, NULL = none; *ret_same: it is byte for byte
 * what it was. */
const struct attach *rerun_file(const struct program *p, const struct cJSON *input, bool *ret_same);
/* The profile of the present files into r->intake, once. Blocks in the sandbox. */
int rerun_profile(struct program *p, struct err *e);
/* The recorded columns of the session into the new record: its code was written for these, and is
 * compared with them when it is run again. */
void rerun_keep_profile(struct program *p);
/* How the columns of r->intake differ from the recorded ones: "a.csv: column x is gone" and so on,
 * on one line. Returns how many. `untold` gets a line for each file of which it cannot be said. */
size_t rerun_columns(const struct program *p, struct buf *differ, struct buf *untold);
/* --repair: the terminal, where somebody is to be asked. Before anything has begun. */
int rerun_repair_open(struct program *p, struct err *e);
/* r->broken is set: the model repairs it from there on, if the settings permit. Blocks in the loop.
 */
void rerun_repair(struct program *p, struct loop_result *ret);

/* Decides what runs: fills r->v. -1: the run has to stop. */
int rerun_plan(struct program *p, struct err *e);
/* The text for the new files: what of its numbers stands there as plain text and comes neither from
 * the question nor from the code is marked as old. Returns how many. */
size_t rerun_mark(const struct rerun *r, const char *question, struct buf *out);
/* The same text with "[number of then]" in their place, for a model: it cannot take them over. */
void rerun_blank(const struct rerun *r, const char *question, struct buf *out);
#endif
