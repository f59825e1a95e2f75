/* What comes out of a context while a cell runs in it, and what goes in. Four channels, read in one
 * poll. What the cell prints comes through two pipes; what the driver says comes through `control`,
 * in the same process as hostile code, so it is believed only where a lie harms nobody but the cell
 * itself: it must carry the cell's key, and all of it is bounded. The guardian's word is ours.
 *
 * Order: the driver flushes before it sends a result and then waits for `ack`. When a result
 * arrives, everything printed before it is therefore in the pipes already, and they are emptied
 * first.
 *
 * Part of run.c's side of the sandbox; what to make of it is runcell.c's affair. */
#ifndef SANDBOX_LISTEN_H
#define SANDBOX_LISTEN_H

#include "sandbox/collect.h"
#include "sandbox/session.h"

struct run {
    struct collect got;
    const struct sandbox_sink *sink;
    char key[33]; /* hex; empty while no cell runs */
    bool done, has_error, interrupted, broken;
    bool is_program; /* its channel may close before it ends: what it runs last may take long */
    bool died;
    bool killed; /* by us; `cause` says why */
    enum sandbox_status cause;
    int64_t kill_at;   /* when the death must have come */
    struct buf failed; /* why the context could not be made */
};

/* Waits up to `ms` for something to happen, and takes it. -1: the stop came, or poll failed. */
int listen_step(struct sandbox *s, struct context *c, struct run *r, const struct stop *stop,
                int64_t ms, struct err *e);
/* Takes what both streams hold now. */
void listen_drain(struct run *r, struct context *c);
/* Sends what waits for the driver, as far as it takes it now. */
void listen_flush(struct run *r, struct context *c);
/* One word to the guardian: "kill", "interrupt". */
void listen_tell(struct context *c, const char *op);

#endif
