/* One error shape for the whole program.
 *
 * Functions that can fail take `struct err *e` last and return 0 or -1 (or a pointer or NULL).
 * `*e` is written only on failure. The struct is flat and smaller than PIPE_BUF: it needs no
 * free, survives fork, and crosses a pipe in one write(2).
 *
 * A message names what failed, where, why and, where there is something to do, what to do. Each
 * layer adds its context once with err_wrap(). Only main.c prints. */
#ifndef AGENT_BASE_ERR_H
#define AGENT_BASE_ERR_H

enum err_code {
    ERR_NONE,
    ERR_INTERNAL, /* our own mistake, or a system call that has no business failing */
    ERR_SYS,      /* the system refused: file, memory, descriptor */
    ERR_USAGE,    /* the command line, or an attachment that is not usable */
    ERR_CONFIG,   /* agent.conf, the environment, or the key */
    ERR_NET,      /* no answer: connect, TLS, time-out, stream cut; worth a retry */
    ERR_PROVIDER, /* an answer that says no */
    ERR_CONTEXT,  /* an answer that says that the conversation is too long */
    ERR_SANDBOX,  /* the sandbox could not be made, or was lost */
    ERR_LIMIT,    /* a cap of ours */
    ERR_TURNS,    /* --max-turns */
    ERR_BUDGET,   /* cost or tokens */
    ERR_NO_CELL,  /* code was run and no cell ever succeeded */
    ERR_CHECK,    /* schema, grounding, or a job's check */
    ERR_UNCHANGED,
    ERR_LOOP,     /* no progress */
    ERR_DEADLINE, /* the run's deadline */
    ERR_CANCEL,   /* SIGINT or SIGTERM; `sys` holds the signal number */
};

struct err {
    enum err_code code;
    int sys;        /* errno, HTTP status or signal, by code; 0 if none */
    char msg[1000]; /* NUL-terminated, may hold several lines */
};

#define ERR_INIT                                                                                   \
    {                                                                                              \
        ERR_NONE, 0, ""                                                                            \
    }

/* Both always return -1, so that `return err_set(...)` is the whole failure path. With a
 * non-zero `sys` under ERR_SYS, ERR_SANDBOX, ERR_CONFIG, ERR_USAGE or ERR_INTERNAL, ": " and
 * strerror(sys) are appended. */
int err_set(struct err *e, enum err_code code, int sys, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Puts "context: " before what is there. */
int err_wrap(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The process's exit status for an error: the table in the README and agent(1). */
int err_exit_status(const struct err *e);
/* A stable word for records and JSON: "usage", "provider", "deadline"... */
const char *err_word(enum err_code code);

#endif
