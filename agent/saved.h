/* A recorded session, read back: the one reader that resume, export, re-run and listings use. The
 * record may end anywhere (a crash), or be damaged by hand: it loads up to the damage, and says
 * where that is. Nothing here writes, and nothing waits. */
#ifndef AGENT_SAVED_H
#define AGENT_SAVED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "agent/base/err.h"
#include "agent/base/str.h"

struct cJSON;

struct saved_cell {
    int number;
    const char *language;      /* "python"; borrowed from the event, like the next three */
    const char *call_id;       /* "" when it has none */
    const char *description;   /* NULL = none */
    const char *status;        /* "ok", "error", ...; NULL = it never ended */
    char *code;                /* owned; "" when its file is gone */
    struct buf out, err;       /* what it printed */
    const struct cJSON *start; /* cell.start */
    const struct cJSON *end;   /* cell.end: results, error, artifacts; NULL = it never ended */
};

struct saved {
    char *id, *dir;
    int dir_fd;
    struct cJSON **events; /* in order, every one an object with a string `type` */
    size_t n_events;
    struct saved_cell *cells;
    size_t n_cells;
    struct cJSON *manifest; /* NULL: it was killed, or runs */
    char *damage;           /* one line for the user; NULL = whole */
};

/* `dir` is the session's folder. -1 when there is no record at all (ERR_USAGE) or it cannot be
 * read; a damaged one loads, with `damage` set. */
int saved_load(const char *dir, struct saved *ret, struct err *e);
void saved_done(struct saved *s);

/* The last event of a type, NULL if there is none; and a text member of it, NULL if it has none. */
const struct cJSON *saved_last(const struct saved *s, const char *type);
const char *saved_text(const struct saved *s, const char *type, const char *member);
/* A file of the record by its name in an event ("cells/1.stdout"): no link is followed and nothing
 * outside the folder is read. Appends up to the buffer's cap. */
int saved_read(const struct saved *s, const char *name, struct buf *out, struct err *e);

/* What a listing shows; cheap to make. */
struct saved_info {
    char *id;
    char *started;  /* "2026-11-21T05:33:04Z"; "" when unknown */
    char *question; /* whole; "" when unknown */
    char *model;
    char *status;  /* the manifest's word; "killed" when it has none, "running" when it is held */
    int64_t used;  /* when its record last grew, ns since the epoch */
    int64_t bytes; /* of all its files */
    int cells;
    double cost; /* USD; NAN = unknown */
};
struct saved_list {
    struct saved_info *v; /* the one used last first */
    size_t n;
    size_t more; /* that were not looked into, for they are beyond `max` */
};
/* The first `max`, 0 = all. A root that does not exist is an empty list. Folders that are no
 * sessions are passed over. */
int saved_list(const char *root, size_t max, struct saved_list *ret, struct err *e);
void saved_list_done(struct saved_list *l);

/* The folder of the session that `word` names: an id, the beginning of one id, or "last", which is
 * the one used last. Caller frees. ERR_USAGE says what is wrong with the word, and which ids it
 * could be. */
char *saved_find(const char *root, const char *word, struct err *e);

#endif
