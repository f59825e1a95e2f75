/* A provider is a codec, not a client: bytes out, events in. It has no socket, no clock and no
 * environment, so it can be tested and fuzzed from memory. A new wire format is one .c file, one
 * row in the table in provider.c, and its recorded cases in tests/cases/. */
#ifndef PROVIDERS_PROVIDER_H
#define PROVIDERS_PROVIDER_H

#include "agent/base/err.h"
#include "agent/base/str.h"
#include "providers/chat.h"

struct decoder; /* opaque, each codec's own */

/* Called as a reply arrives, so that it can be shown; the turn itself comes from finish(). */
struct decoder_sink {
    void (*text)(void *arg, struct str piece); /* visible text */
    void (*reasoning)(void *arg, struct str piece);
    void *arg;
    /* May be NULL. What was shown is void: the reply began anew in the middle of its stream. */
    void (*restart)(void *arg);
};

/* How a stream is cut into events: server-sent events, or one JSON document a line. */
enum codec_framing { CODEC_SSE, CODEC_LINES };

struct codec {
    const char *name; /* "openai-chat", "openai-responses", "anthropic-messages",
                         "gemini-generate-content", "ollama-chat" */
    enum codec_framing framing;
    /* REQUIRED, one of the two. The path after the base URL; path_of() where it depends on the
     * model or the mode. */
    const char *path;
    void (*path_of)(const struct chat_request *rq, struct buf *out);
    enum chat_auth auth; /* REQUIRED. How the key travels where the settings do not say. */
    const char *headers; /* OPTIONAL. Further "Name: value\n" lines. */
    /* REQUIRED. Appends the request body. Must repair a history that would be refused: broken
     * arguments become {}, an empty result becomes "(no output)". */
    int (*encode)(const struct chat_request *rq, struct buf *body, struct err *e);
    /* REQUIRED, all four: one reply. event() takes one SSE event (or, from a service that ignores
     * `stream`, body() takes the whole JSON document). An in-band error is -1 with ERR_PROVIDER or
     * ERR_NET (worth a retry). finish() fails with ERR_NET when the stream ended too early; on
     * success the caller owns *ret. free() on every path, NULL is fine. */
    struct decoder *(*begin)(const struct decoder_sink *sink);
    int (*event)(struct decoder *d, struct str name, struct str data, struct err *e);
    int (*body)(struct decoder *d, struct str json, struct err *e);
    int (*finish)(struct decoder *d, struct chat_turn *ret, struct err *e);
    void (*free)(struct decoder *d);
    /* OPTIONAL. Looks at a finished exchange and appends a line for the user if something about it
     * is not as it should be: a prompt that the server cut in silence, say. */
    void (*review)(const struct chat_request *rq, const struct chat_turn *t, struct buf *notice);
};

/* NULL if there is none of that name. */
const struct codec *codec_find(const char *name);

/* Appends the path of a request, and the "Name: value\n" lines that the format wants. `key` may be
 * NULL (local servers): then no header carries it. */
void codec_path(const struct codec *c, const struct chat_request *rq, struct buf *out);
void codec_headers(const struct codec *c, const char *key, enum chat_auth auth, struct buf *lines);

/* json_parse_exact() for what a service sent: at most REPLY_MAX_VALUES values (cJSON takes some 80
 * bytes for each, so 64 MiB of "[0,0,0" would become gigabytes). Bytes and escapes that are no
 * character, and the escape for NUL, become U+FFFD: all strings of the result are UTF-8 without a
 * loss behind a NUL. A text that ends in the middle is ERR_NET (worth a retry), other faults are
 * ERR_PROVIDER.
 */
struct cJSON;
struct cJSON *reply_json(struct str s, struct err *e);
#define REPLY_MAX_VALUES 500000

#endif
