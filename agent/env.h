/* Environments: packages of a user's choice, installed once and shown read-only to the code.
 *
 * An environment is a folder $XDG_DATA_HOME/agent/envs/NAME (or ~/.local/share/agent/envs/NAME):
 *
 *     site/          the modules: regular files and folders only
 *     lock           NAME==VERSION --hash=sha256:... a line: what `env create --lock` makes again
 *     manifest.json  Python's version, packages, sizes, where they came from, when
 *
 * It is built in a sandbox of its own whose network is the package index and nothing else, read out
 * as hostile data, and takes its name by one rename: at any moment there is the old one, the new
 * one or none. What is in it never runs outside a sandbox. A run holds a shared lock on the folder,
 * so that an environment replaced or removed meanwhile stays until that run ends. */
#ifndef AGENT_ENV_H
#define AGENT_ENV_H

#include <stdbool.h>
#include <stdint.h>
#include "agent/base/err.h"
#include "agent/base/stop.h"
#include "agent/conf.h"
#include "sandbox/sandbox.h"

struct ui;

/* An environment in use. Strings are owned. */
struct env {
    char *name, *dir, *site; /* paths of this machine */
    char *lock_sha256;
    char *python;   /* "3.11": of which Python it is */
    char *packages; /* "alpha 1.0, beta 2.1" */
    char *modules;  /* import names, space separated: identifiers only */
    int fd;         /* the folder, with the shared lock */
};
#define ENV_NONE                                                                                   \
    {                                                                                              \
        NULL, NULL, NULL, NULL, NULL, NULL, NULL, -1                                               \
    }
/* ERR_CONFIG when there is none of that name or it is damaged; ERR_USAGE when it is no name. */
int env_open(const char *name, struct env *ret, struct err *e);
void env_done(struct env *env);
/* After sandbox_wait_ready: the interpreter is of the environment's version, and the folder is
 * still the one that was opened. */
int env_check(const struct env *env, const struct sandbox_info *info, struct err *e);

/* `agent env create`: builds it and prints what is in it. Replaces one of that name. */
struct env_plan {
    const char *name;
    const char *requirements; /* -r FILE; NULL = none */
    const char *wheels;       /* --wheels DIR: no network at all; NULL = the index */
    const char *lock;         /* --lock FILE: exactly this; NULL = none */
    char *const *packages;
    size_t n_packages;
};
int env_create(const struct conf *c, const struct env_plan *plan, struct ui *ui,
               const struct stop *stop, struct err *e);
/* What `agent env list|show|remove` print or do. */
int env_list(struct buf *out, struct err *e);
int env_show(const char *name, struct buf *out, struct err *e);
int env_remove(const char *name, const struct stop *stop, struct err *e);

#endif
