/* The parts of agent/env.h: what may be asked for, where environments lie, how a tree comes out of
 * the sandbox that built it. */
#ifndef AGENT_ENV_PARTS_H
#define AGENT_ENV_PARTS_H

#include <stdbool.h>
#include <stdint.h>
#include "agent/base/err.h"
#include "agent/base/stop.h"
#include "agent/base/str.h"

/* --- env_text.c: pure --- */
/* A letter or digit, then letters, digits, dots, dashes, underscores; at most 64. */
int env_check_name(const char *name, struct err *e);
/* Appends the requirements of a file's text, a line each, comments and line continuations resolved.
 * Only names with versions, markers and hashes pass: an option, a path or a URL would move what
 * pip trusts. ERR_USAGE names `what` and the line. */
int env_add_requirements(struct buf *out, const char *what, struct str text, struct err *e);

struct env_package {
    char *name, *version;
    char sha256[65]; /* of its wheel */
    int64_t bytes;
};
struct env_packages {
    struct env_package *v;
    size_t n;
};
/* The installer's lines "name version sha256 bytes": untrusted, so all or nothing. */
int env_parse_packages(struct str text, struct env_packages *ret, struct err *e);
void env_packages_done(struct env_packages *p);
/* The lock file's text. */
void env_write_lock(struct buf *out, const struct env_packages *p);

/* --- env_tree.c --- */
struct env_tree {
    int64_t max_bytes; /* in */
    long max_files;    /* in: entries, folders too */
    int64_t bytes;     /* out */
    long files;
    struct buf modules; /* import names at the top, space separated */
};
/* Copies the tree below `from` into `to`: regular files and folders, looked up beneath `from`
 * without following any link, written as 0644, 0755 and 0755. Anything else is an error that names
 * it. */
int env_tree_copy(int from, int to, struct env_tree *t, const struct stop *stop, struct err *e);

/* --- env_store.c --- */
/* $XDG_DATA_HOME/agent/envs; caller frees. NULL with ERR_CONFIG when there is no home. */
char *env_root(struct err *e);
/* It, opened, made when `make`. -1; *e is untouched when it is merely not there and not to be made.
 */
int env_open_root(bool make, struct err *e);
/* Takes the name away from an environment; its folder goes as soon as no run uses it. */
int env_drop(int root, const char *name, const struct stop *stop, struct err *e);
/* A folder in which an environment grows; unseen until it is committed. */
struct env_draft {
    int root, dir;
    char *name, *tmp;
};
#define ENV_DRAFT_NONE                                                                             \
    {                                                                                              \
        -1, -1, NULL, NULL                                                                         \
    }
/* ERR_USAGE when another draft of the same name is growing. Removes what killed ones left. */
int env_draft_begin(struct env_draft *d, const char *name, const struct stop *stop, struct err *e);
int env_draft_commit(struct env_draft *d, const struct stop *stop, struct err *e);
void env_draft_done(struct env_draft *d); /* removes it unless it was committed */

#endif
