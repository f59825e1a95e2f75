/* Refused system calls, counted.
 *
 * Rows of the policy with SET_TOLD are refused by asking: in the filter around the template they
 * answer SECCOMP_RET_USER_NOTIF, and the helper, which holds the listener, counts the call and
 * answers with the row's errno. It never lets one through; when the helper is gone the kernel
 * answers ENOSYS. The counts lie in memory that the helper shares with its caller (--denied-fd) and
 * with nobody inside, and a call is counted before it returns to the code: so what the caller reads
 * after a cell includes all that the cell was refused. A loop of refused calls costs a counter.
 *
 * Without a listener (another one is in force already, an old kernel) the same rows refuse by
 * themselves, and `works` stays 0. */
#ifndef SANDBOX_DENIED_H
#define SANDBOX_DENIED_H

#include <stdint.h>

enum { DENIED_CALLS = 128, DENIED_FAMILIES = 64 };
struct denied_counts {
    uint64_t works;                   /* 1 once the listener is in force */
    uint64_t call[DENIED_CALLS];      /* by place in told_calls[] (made by seccomp_gen) */
    uint64_t family[DENIED_FAMILIES]; /* of these, socket(2) by address family; the last: beyond */
};

/* --- the helper's side (denied.c) --- */
struct box;
struct err;
/* Maps the caller's memory. */
int denied_open(struct box *b, struct err *e);
/* Answers what waits, a bounded number of calls. False: nobody is under the filter any more. */
int denied_serve(int listener, struct denied_counts *counts);

#endif
