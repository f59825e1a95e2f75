/* Starting agent-sandbox with the interpreter in it, as a child of its own with an empty
 * environment. Part of run.c's side of the sandbox; nothing here waits. */
#ifndef SANDBOX_LAUNCH_H
#define SANDBOX_LAUNCH_H

#include <spawn.h>
#include <sys/types.h>
#include "sandbox/denied.h"
#include "sandbox/sandbox.h"

/* Our ends of the helper's channels; -1 when closed. All are O_CLOEXEC and non-blocking. */
struct helper {
    pid_t pid;
    int pidfd;
    int control;                        /* frames with the interpreter's base process */
    int status;                         /* JSON lines of the helper */
    int log;                            /* stderr of the helper and of the template */
    int workspace;                      /* brings the descriptor of /workspace */
    int lifeline;                       /* closing it ends everything inside */
    pid_t egress;                       /* the proxy; -1 = there is none */
    int network;                        /* JSON lines of the proxy */
    int egress_life;                    /* closing it ends the proxy */
    const struct denied_counts *denied; /* what the helper counts; mapped */
};
#define HELPER_INIT                                                                                \
    {                                                                                              \
        -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, NULL                                               \
    }

/* The interpreter to use: absolute, not resolved through links (a venv is known by its link).
 * NULL with ERR_CONFIG when there is none or it cannot be run. Caller frees. */
char *launch_find_python(const char *wanted, struct err *e);
/* An executable of that name in PATH, or NULL. Caller frees. */
char *launch_search_path(const char *name);
/* Starts a program with an empty environment, no signal blocked, in a process group of its own. */
int launch_spawn(const char *program, char *const *argv, const posix_spawn_file_actions_t *files,
                 pid_t *ret, struct err *e);
int launch_helper(const struct sandbox_spec *spec, const char *python, struct helper *ret,
                  struct err *e);
/* Ends it: closes the lifeline, waits up to `ms`, then kills; reaps. Closes all descriptors. */
void launch_end(struct helper *h, int ms);

#endif
