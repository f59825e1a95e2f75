/* The API key: from the environment variable that api_key_env names, else from api_key_file (a
 * regular file of the user's own, mode 0600 or stricter), else from api_key_cmd (first line of its
 * output). Never from the command line.
 *
 * The key is registered with secret_add(), its copy in the environment is overwritten and removed.
 * keys_resolve() blocks only while api_key_cmd runs: at most 30 s, and under the stop. */
#ifndef AGENT_KEYS_H
#define AGENT_KEYS_H

#include "agent/base/err.h"
#include "agent/base/stop.h"
#include "agent/conf.h"

struct key {
    char *value; /* NULL = none, and none is needed (replay, or a server on loopback) */
    char *hint;  /* what to name when the service refuses it: "OPENAI_API_KEY", "api_key_file X" */
    char *warning; /* one line for the user; NULL = none. E.g. the key travels unencrypted */
};

/* On success the caller owns *ret. No key although one is needed: ERR_CONFIG that names every way
 * to give one. */
int keys_resolve(const struct conf *c, const struct stop *stop, struct key *ret, struct err *e);
void key_done(struct key *k); /* wipes */

/* The api_key_cmd part alone: runs `cmd` by /bin/sh -c, with an empty standard input and its
 * standard error passed, and takes the first line of its output. Ends it, with all that it
 * started, after limit_ms. */
int keys_from_cmd(const char *cmd, const struct stop *stop, int64_t limit_ms, struct key *ret,
                  struct err *e);

#endif
