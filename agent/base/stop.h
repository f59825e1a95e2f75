/* When to stop waiting. The three functions that may block (http_stream, the sandbox's calls and
 * stop_sleep) take a `const struct stop *`: a deadline and a descriptor that becomes readable on
 * SIGINT or SIGTERM. The descriptor is level-triggered and nobody but stop_take_signal() reads it,
 * so every later wait ends at once as well. */
#ifndef AGENT_BASE_STOP_H
#define AGENT_BASE_STOP_H

#include <stddef.h>
#include <stdint.h>
#include "err.h"

struct stop {
    int64_t deadline_ms; /* on the now_ms() clock; 0 = none */
    int cancel_fd;       /* -1 = none */
    void (*tick)(
        void *arg); /* called by stop_check(); with it every wait wakes ten times a second */
    void *arg;
};

#define STOP_NEVER                                                                                 \
    {                                                                                              \
        0, -1, NULL, NULL                                                                          \
    }

int64_t now_ms(void); /* CLOCK_BOOTTIME: goes on while the machine sleeps */
int64_t now_us(void);

/* Blocks SIGINT and SIGTERM and returns a signalfd for them: call once, before anything else. */
int stop_open_signals(struct stop *s, struct err *e);
/* The pending signal's number, consumed; 0 if none. */
int stop_take_signal(const struct stop *s);

/* -1 with ERR_CANCEL or ERR_DEADLINE if it is time to stop. To be called after every wait. */
int stop_check(const struct stop *s, struct err *e);
/* The same stop with a deadline at most `ms` from now; ms <= 0 leaves it. */
struct stop stop_within(const struct stop *s, int64_t ms);
/* Milliseconds to wait in poll(2), at most `max_ms` (-1 = no maximum of the caller's). */
int stop_poll_ms(const struct stop *s, int64_t max_ms);
/* Sleeps; -1 if the stop came first. */
int stop_sleep(const struct stop *s, int64_t ms, struct err *e);

#endif
