/* A conversation partner: one service, one model family, one connection kept for the whole run.
 *
 * client_ask() encodes, sends, decodes, and retries what is worth it (connection errors, 408, 409,
 * 429, 5xx, broken streams; Retry-After honoured, never past the stop's deadline). It blocks in
 * http_stream and stop_sleep only. With `replay` set there is no network: replies come from a
 * cassette on disk, through the same decoder. With `record` every exchange is appended to a
 * cassette, without headers and with keys redacted. */
#ifndef PROVIDERS_CLIENT_H
#define PROVIDERS_CLIENT_H

#include "agent/base/err.h"
#include "agent/base/limits.h"
#include "agent/base/stop.h"
#include "providers/chat.h"
#include "providers/patch.h"
#include "providers/provider.h"

struct client_conf {
    const char *codec;           /* codec_find() name */
    const char *base_url;        /* "https://host/v1", one trailing slash allowed */
    const char *key;             /* NULL = no Authorization header */
    const char *key_hint;        /* what to tell the user on 401, e.g. "OPENAI_API_KEY" */
    enum chat_auth auth;         /* how the key travels */
    const char *headers;         /* further "Name: value\n" lines; one of a name that is sent anyway
                                    takes its place. NULL = none */
    const struct patch *patches; /* changes to every request; copied */
    size_t n_patches;
    unsigned quirks; /* enum chat_quirk, known beforehand */
    bool wire_fixed; /* the user chose the codec: a refusal that names another does not change it */
    const char *origin;          /* the service and model, in any words; NULL = none */
    const char *pause;           /* a file of providers/pause.h, shared with others; NULL = none */
    const char *replay, *record; /* cassette paths, NULL = none */
    long connect_ms, first_byte_ms, stall_ms, request_ms; /* 0 = none */
    int retries;                                          /* after the first attempt */
};

/* What the user may see while it happens. Every slot may be NULL. */
struct client_events {
    struct decoder_sink sink;
    /* One line of why, the wait in ms, and the attempt that follows (2 = first retry). After a
     * retry the reply starts anew: text that was streamed before is void. */
    void (*retry)(void *arg, const struct err *why, int64_t wait_ms, int attempt);
    void *arg;
    /* One line that the user should know: a parameter that the service refused is left out from now
     * on, say. */
    void (*notice)(void *arg, const char *line);
};

struct client;
struct client *client_new(const struct client_conf *c, struct err *e); /* copies what it needs */
void client_free(struct client *c);                                    /* wipes the key */
/* On success the caller owns *ret (chat_turn_done). Errors: ERR_CONFIG (401, 403: the key),
 * ERR_CONTEXT (the conversation is too long for the model), ERR_PROVIDER (the service says no),
 * ERR_NET (after the last retry), ERR_DEADLINE, ERR_CANCEL. */
int client_ask(struct client *c, const struct chat_request *rq, const struct stop *stop,
               const struct client_events *ev, struct chat_turn *ret, struct err *e);
/* The request that client_ask() would send first, its key and other secrets made unreadable.
 * Nothing is sent. */
struct client_preview {
    struct buf url, headers, body; /* headers: "Name: value\n" lines */
};
#define CLIENT_PREVIEW_INIT                                                                        \
    {                                                                                              \
        BUF_MAX(MAX_HEADER_BYTES), BUF_MAX(MAX_HEADER_BYTES), BUF_MAX(MAX_REPLY_BYTES)             \
    }
int client_preview(struct client *c, const struct chat_request *rq, struct client_preview *ret,
                   struct err *e);
void client_preview_done(struct client_preview *p);
/* The wire format in use: a refusal can change it. */
const char *client_wire(const struct client *c);
/* One GET of a list of models, at a path after the base URL or a whole URL of the same service,
 * with the key; the body, at most MAX_LIST_BYTES, is appended to `out`. Tried again as requests
 * are. */
int client_get(struct client *c, const char *path, const struct stop *stop, struct buf *out,
               struct err *e);
/* The Date header of the last answer to client_get(), "" when it had none. */
const char *client_date(const struct client *c);
#define MAX_LIST_BYTES (8u * 1024 * 1024) /* OpenRouter's list of 400 models has 700 kB */

#endif
