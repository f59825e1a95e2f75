/* Collects tool calls from the pieces of a stream (or from a whole reply, which is one piece per
 * call). It accepts what services really send: ids missing, empty or repeated, indexes missing or
 * used twice, names repeated or emptied later, arguments as text in any number of pieces. Pure. */
#ifndef PROVIDERS_TOOLACC_H
#define PROVIDERS_TOOLACC_H

#include "agent/base/err.h"
#include "agent/base/str.h"
#include "providers/chat.h"

struct toolacc_piece {
    long index;    /* -1 = the service gave none */
    struct str id; /* empty = none */
    struct str name;
    struct str args;  /* appended */
    struct str extra; /* opaque JSON of this call that must go back with it; empty = none */
};

struct toolacc;
struct toolacc *toolacc_new(void);
void toolacc_free(struct toolacc *t); /* NULL is fine */
/* ERR_PROVIDER past MAX_CALLS_PER_TURN calls or MAX_ARGS_BYTES of arguments. */
int toolacc_add(struct toolacc *t, const struct toolacc_piece *p, struct err *e);
/* The calls in order of first appearance, ids made unique, "{}" for no arguments, nameless and
 * empty calls dropped. Caller owns *ret (chat_calls_free). `seed` (the response's id) goes into
 * made ids. */
void toolacc_finish(struct toolacc *t, struct str seed, struct chat_call **ret, size_t *ret_n);
/* After finish: what `extra` came with call i; NULL if none. Lives as long as `t`. */
const char *toolacc_extra(const struct toolacc *t, size_t i);

#endif
