/* Processes that a job or a batch starts: agent itself, the system's and the user's commands. Each
 * has a process group of its own and dies with us, by whatever signal we die. */
#ifndef AGENT_JOB_CHILD_H
#define AGENT_JOB_CHILD_H

#include "agent/base/stop.h"
#include "agent/base/str.h"

struct job_child {
    const char *const *argv; /* argv[0] is a path */
    const char *const *env;  /* names and values in turn, NULL at the end; NULL = only ours */
    int in;                  /* its standard input; -1 = /dev/null */
    /* Is given its standard output as it comes; -1 ends the child. NULL: it has ours. */
    int (*take)(void *arg, struct str bytes, struct err *e);
    void *arg;
    struct buf *errors; /* the last of its standard error, up to half its cap; NULL: it has ours */
    int64_t timeout_ms; /* 0 = none */
    /* As long as it runs, all that it started dies with us too, also what left its group. For
     * commands of the user; agent sees to its own. */
    bool guarded;
};
/* Waits until it has ended and its output is at an end. The exit status, 128 and the signal's
 * number where one ended it; -1: it could not be started, or was ended because the stop or the
 * time-out came (ERR_DEADLINE) or take() failed. */
int job_child_run(const struct job_child *c, const struct stop *stop, struct err *e);
/* A command of the system, looked for in PATH, with `input` on its standard input: both its
 * outputs, up to their caps. Status 127: there is none of that name. Blocks at most `ms`. */
int job_child_command(const char *const *argv, struct str input, struct buf *out,
                      struct buf *errors, int64_t ms, const struct stop *stop, struct err *e);
/* A take() that appends to a struct buf, which keeps its cap. */
int job_child_append(void *buf, struct str bytes, struct err *e);

#endif
