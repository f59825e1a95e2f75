/* The API key of one service: from an environment variable, else from a credential that systemd
 * handed to the service it runs in ($CREDENTIALS_DIRECTORY/agent-SERVICE), else from a file (a
 * regular file of the user's own, mode 0600 or stricter), else from a command (first line of its
 * output), else from what `agent keys set` kept. Never from the command line.
 *
 * The key is registered with secret_add(), its copy in the environment is overwritten and removed.
 * keys_resolve() blocks only while api_key_cmd runs: at most 30 s, and under the stop. */
#ifndef AGENT_KEYS_H
#define AGENT_KEYS_H

#include <stdbool.h>
#include "agent/base/err.h"
#include "agent/base/stop.h"

#define KEYS_CREDENTIAL "agent-" /* before the service's name, of a credential */

/* Where a service's key may come from. Strings are the caller's. */
struct key_source {
    const char *service; /* its name, for messages; NULL = the URL stands for it */
    const char *url;     /* where the key will go */
    const char *env; /* names of variables, separated by a space, the first that is set counts */
    const char *file, *cmd; /* NULL = none */
    bool keyless;           /* the service needs none */
    bool replay;            /* nothing will be sent anywhere */
};

struct key {
    char *value; /* NULL = none, and none is needed (replay, or a server on loopback) */
    char *hint;  /* what to name when the service refuses it: "OPENAI_API_KEY", "api_key_file X" */
    char *warning; /* one line for the user; NULL = none. E.g. the key travels unencrypted */
};

/* On success the caller owns *ret. No key although one is needed: ERR_CONFIG that names every way
 * to give one. */
int keys_resolve(const struct key_source *s, const struct stop *stop, struct key *ret,
                 struct err *e);
void key_done(struct key *k); /* wipes */
/* Is one of the variables set? Looks, takes nothing. */
bool keys_there(const char *env);

/* Keys that `agent keys set` keeps: $XDG_CONFIG_HOME/agent/keys/SERVICE, or that in ~/.config, one
 * a file. The path is NULL when there is no home, or the name is none that a file may have; caller
 * frees. */
char *keys_stored_path(const char *service);
bool keys_stored(const char *service);
/* Where a key would be taken from now, in a few words without the key ("the variable
 * OPENAI_API_KEY", "api_key_file /x"); NULL = from nowhere. Looks, takes nothing, runs nothing.
 * Caller frees. */
char *keys_where(const struct key_source *s);
/* The file that would give it where no variable is set: api_key_file, or else what is kept, unless
 * there is a command. NULL = none. Caller frees. */
char *keys_file(const struct key_source *s);
/* Reads one key from a descriptor up to the end of its line or of the input, and keeps it for the
 * service: mode 0600, in folders 0700. A terminal shows nothing of it meanwhile. Blocks for the
 * user, under the stop. */
int keys_store(const char *service, int fd, const struct stop *stop, struct err *e);
/* 0 = it is gone, 1 = there was none. */
int keys_forget(const char *service, struct err *e);

/* The api_key_cmd part alone: runs `cmd` by /bin/sh -c, with an empty standard input and its
 * standard error passed, and takes the first line of its output. Ends it, with all that it
 * started, after limit_ms. */
int keys_from_cmd(const char *cmd, const struct stop *stop, int64_t limit_ms, struct key *ret,
                  struct err *e);

#endif
