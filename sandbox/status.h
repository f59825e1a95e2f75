/* The machine-readable side: one JSON object a line on --status-fd. Written by hand, because the
 * helper links no JSON library: what it prints are numbers and words of its own, and strings that
 * it escapes here. */
#ifndef SANDBOX_STATUS_H
#define SANDBOX_STATUS_H

#include <stdint.h>
#include "agent/base/err.h"
#include "agent/base/str.h"
#include "sandbox/box.h"

struct exit_report {
    int exit, signal;
    const char *cause; /* exit signal memory wall cpu lifeline */
    int64_t wall_ms, cpu_ms, peak_bytes, oom_kills, throttled_ms;
};

/* Appends `s` as a JSON string; bytes that are not ASCII text become \u escapes. */
void status_quote(struct buf *out, const char *s);
/* Each does nothing when fd is -1. A reader that has gone is no error: the run goes on. */
void status_started(int fd, const struct box *b, pid_t init);
void status_memory(int fd, int64_t oom_kills);
void status_exited(int fd, const struct exit_report *r);
void status_error(int fd, const char *layer, const struct err *e);

#endif
