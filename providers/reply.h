/* What the decoders of all wire formats share: the texts as they grow, shown piece by piece and
 * bounded, the words and counts beside them, and errors that come inside a good answer. */
#ifndef PROVIDERS_REPLY_H
#define PROVIDERS_REPLY_H

#include "agent/base/err.h"
#include "agent/base/str.h"
#include "providers/chat.h"
#include "providers/provider.h"

struct cJSON;
struct think;

struct reply {
    struct decoder_sink sink;
    struct buf text, reasoning, refusal;
    struct buf stop, id, model; /* the wire's words */
    struct chat_usage usage;
    size_t events;
    bool done; /* the end mark was seen */
};

void reply_init(struct reply *r, const struct decoder_sink *sink); /* sink may be NULL */
void reply_free(struct reply *r);
void reply_restart(struct reply *r); /* forgets all that came, and tells the sink */

/* Visible text and reasoning: kept, and shown. */
void reply_text(struct reply *r, struct str piece);
void reply_reasoning(struct reply *r, struct str piece);
/* Takes thoughts in tags out of text (providers/think.h); what comes out goes into `r`, which has
 * to outlive it. */
struct think *reply_thinking(struct reply *r);
/* -1 with ERR_PROVIDER when one of the texts has passed MAX_ANSWER_BYTES. */
int reply_check(const struct reply *r, struct err *e);

/* A short word (id, model, stop): NULL and "" leave what is there; without `overwrite` the first
 * one stays. */
void reply_word(struct buf *dst, const char *s, bool overwrite);
/* Sets *dst when the member is there as a number of tokens: not negative, and below
 * REPLY_MAX_COUNT, so that sums of them stay numbers. */
#define REPLY_MAX_COUNT ((int64_t)1 << 40)
void reply_count(int64_t *dst, const struct cJSON *o, const char *name);
/* A cost in USD by the service's word times `unit`; NAN for what is none, negative or absurd. */
double reply_cost(const struct cJSON *o, const char *name, double unit);

/* A call's arguments as JSON text, whether the service sent them as an object or as text; NULL =
 * none. Caller frees. */
char *reply_args(const struct cJSON *args);

/* One event's JSON, with the event's number in the error. NULL on failure, which an event of the
 * name "error" always is. */
struct cJSON *reply_event(struct reply *r, struct str name, struct str data, struct err *e);
/* An error inside a good answer: -1, ERR_CONTEXT when the conversation is too long, ERR_NET when it
 * is worth a retry, else ERR_PROVIDER. */
int reply_inband(struct str json, struct err *e);
/* A whole answer without the member that makes it a reply: -1 with ERR_PROVIDER and its words. */
int reply_none(struct str json, const char *member, struct err *e);
/* The stream ended without its end: -1 with ERR_NET. */
int reply_cut(const struct reply *r, struct err *e);

/* The stop of a wire's word by a table that ends with a NULL word; CHAT_STOP_OTHER if it is not in
 * it, CHAT_STOP_END if there is no word. A refusal text is a refusal whatever the word. */
struct reply_stop {
    const char *word;
    enum chat_stop stop;
};
enum chat_stop reply_stop(const struct reply *r, const struct reply_stop *table);

/* Fills in all but calls, stop, raw and wire. */
void reply_turn(const struct reply *r, struct chat_turn *ret);

#endif
