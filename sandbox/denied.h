/* What the kernel refused, counted: system calls, and writes to what is read-only.
 *
 * Rows of the policy with SET_TOLD are refused by asking: in the filter around the template they
 * answer SECCOMP_RET_USER_NOTIF, and the helper, which holds the listener, counts the call and
 * answers with the row's errno. It never lets one through; when the helper is gone the kernel
 * answers ENOSYS. The counts lie in memory that the helper shares with its caller (--denied-fd) and
 * with nobody inside, and a call is counted before it returns to the code: so what the caller reads
 * after a cell includes all that the cell was refused. A loop of refused calls costs a counter.
 *
 * Calls that write by a path (rows with WATCHED) it looks at and hands back to the kernel, which
 * alone decides; writes.h says what is counted.
 *
 * Without a listener (another one is in force already, an old kernel) the same rows refuse by
 * themselves, and `works` stays 0. */
#ifndef SANDBOX_DENIED_H
#define SANDBOX_DENIED_H

#include <stdint.h>

enum { DENIED_CALLS = 128, DENIED_FAMILIES = 64 };
/* Of writes.h. */
enum denied_verb {
    VERB_OPEN,
    VERB_MKDIR,
    VERB_UNLINK,
    VERB_RMDIR,
    VERB_RENAME,
    VERB_LINK,
    VERB_SYMLINK,
    VERB_TRUNCATE,
    VERB_CHMOD,
    VERB_CHOWN,
    DENIED_VERBS
};
/* Where: the first part of the path. Text that the code chose reaches nobody. */
enum denied_place {
    PLACE_USR,
    PLACE_ETC,
    PLACE_DATA,
    PLACE_OUTPUT,
    PLACE_ENV,
    PLACE_RUN,
    PLACE_DEV,
    PLACE_PROC,
    PLACE_ROOT, /* in / itself */
    PLACE_OTHER,
    DENIED_PLACES
};
struct denied_counts {
    uint64_t works;                   /* 1 once the listener is in force */
    uint64_t call[DENIED_CALLS];      /* by place in told_calls[] (made by seccomp_gen) */
    uint64_t family[DENIED_FAMILIES]; /* of these, socket(2) by address family; the last: beyond */
    uint64_t blind; /* writes at which the helper could not look: what it counted is not all */
    uint64_t write[DENIED_VERBS][DENIED_PLACES];
};

/* --- the helper's side (denied.c) --- */
struct box;
struct err;
/* Maps the caller's memory. */
int denied_open(struct box *b, struct err *e);
/* Makes answers quicker, once. */
void denied_hurry(int listener);
/* Answers what waits, a bounded number of calls. False: nobody is under the filter any more. */
int denied_serve(int listener, struct denied_counts *counts);

#endif
