/* What the model is told about a cell: streams and results in the order they came, clipped with
 * head and tail kept and the cut counted exactly, new files, and the traceback whole and last.
 * Pure. */
#ifndef AGENT_OBSERVE_H
#define AGENT_OBSERVE_H

#include "agent/base/str.h"
#include "sandbox/sandbox.h"

struct observe_cell {
    int number;
    size_t cap;         /* characters (code points) a stream */
    int64_t timeout_ms; /* the cell's limit, for the message */
    const char *output; /* where spilled text lies for the code: "/output" */
    const char *files;  /* lines on new and changed files, NULL or "" = none */
};

/* Called for each stream that was cut, before the text that names it is final: makes `whole`
 * readable for the next cell at `name` in the folder c->output. False: it could not be; the
 * observation then names no file. */
typedef bool observe_spill(void *arg, const char *name, struct str whole);

void observe_cell(struct buf *out, const struct observe_cell *c, const struct sandbox_result *r,
                  observe_spill *spill, void *arg);

/* A hex digest of what the cell was and did, without times and figure numbers: equal digests mean
 * that nothing new was learnt. `ret` holds 65 bytes. */
void observe_digest(struct str code, const struct sandbox_result *r, char *ret);

/* Appends `s` with each line reduced to what a terminal would show after its carriage returns
 * (progress bars keep their last state). CR LF is a line end. */
void observe_collapse_cr(struct buf *out, struct str s);

#endif
