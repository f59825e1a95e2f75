/* The neutral conversation: what the loop and the codecs both speak. Plain data, no behaviour but
 * release. Every char* is NUL-terminated UTF-8 owned by the struct it is in (NULL = absent). */
#ifndef PROVIDERS_CHAT_H
#define PROVIDERS_CHAT_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum chat_role { CHAT_SYSTEM, CHAT_USER, CHAT_ASSISTANT, CHAT_TOOL };

/* Why the model stopped. Never used to decide whether there are tool calls: the calls are. */
enum chat_stop {
    CHAT_STOP_END,     /* said all it wanted, or asks for tools */
    CHAT_STOP_LENGTH,  /* its own output cap: text or arguments are cut */
    CHAT_STOP_FILTER,  /* the service's content filter */
    CHAT_STOP_REFUSAL, /* the model declines */
    CHAT_STOP_CONTEXT, /* the context window is full */
    CHAT_STOP_PAUSE,   /* ask again with the reply in the history */
    CHAT_STOP_OTHER,   /* a word we do not know: treated as END */
};

struct chat_call {
    char *id;   /* as received, or made by us; unique within the turn; never NULL */
    char *name; /* as received; "" when the model gave none */
    char
        *args; /* JSON text as received, never NULL; "{}" when there was none. May be broken JSON */
};

struct chat_image {
    char *mime; /* "image/png" */
    char *data; /* the file's bytes; no NUL behind them */
    size_t n;
};

struct chat_message {
    enum chat_role role;
    char *text;
    struct chat_call *calls; /* assistant */
    size_t n_calls;
    char *call_id; /* tool: which call this answers */
    char *name;    /* tool: the call's tool */
    bool is_error; /* tool */
    char *raw;     /* assistant: the turn as its wire gave it (JSON), sent back byte for byte */
    char *wire;    /* assistant: the codec that `raw` belongs to */
    char *origin;  /* assistant: the service and model that `raw` belongs to; NULL = any */
    struct chat_image *images; /* tool, user: shown to the model after the text */
    size_t n_images;
};

struct chat_tool {
    const char *name, *description;
    const char *schema; /* JSON Schema of the arguments, as text */
};

/* What a service turned out not to take. The client learns it from a refusal that names the
 * member, and every later request is made without it. */
enum chat_quirk {
    CHAT_NO_STREAM = 1 << 0,
    CHAT_NO_STREAM_OPTIONS = 1 << 1,
    CHAT_NO_TEMPERATURE = 1 << 2,
    CHAT_NO_TOOL_CHOICE = 1 << 3,
    CHAT_NO_MAX_TOKENS = 1 << 4,
    CHAT_COMPLETION_TOKENS = 1 << 5, /* max_tokens goes by the name max_completion_tokens */
    CHAT_NO_REASONING_BACK = 1 << 6, /* reasoning members in the history are refused */
    CHAT_EFFORT_NONE = 1 << 7,       /* tools only with reasoning_effort "none" */
    CHAT_NO_INCLUDE = 1 << 8,        /* the model has no encrypted reasoning to include */
    CHAT_NO_SUMMARY = 1 << 9,        /* its reasoning is not to be seen */
    CHAT_NO_EFFORT = 1 << 10,        /* how hard to think cannot be said */
    CHAT_SHORT_IDS = 1 << 11,        /* call ids must be nine letters and digits */
    CHAT_NO_CACHE_MARK = 1 << 12,    /* marks for the prompt cache are refused */
    CHAT_REASONING_BACK = 1 << 13,   /* a turn with calls must have reasoning_content, even "" */
    CHAT_PLAIN_HISTORY = 1 << 14,    /* the service does not take its own opaque state back */
    CHAT_NO_IMAGES = 1 << 15,        /* the model does not look at pictures */
    CHAT_NO_SCHEMA = 1 << 16,        /* no structured output: the answer's schema is not sent */
    CHAT_SCHEMA_ALONE = 1 << 17,     /* not beside tools that may be called */
};

/* How a key travels. */
enum chat_auth {
    CHAT_AUTH_OWN,    /* the wire format's own way */
    CHAT_AUTH_BEARER, /* Authorization: Bearer KEY */
    CHAT_AUTH_API_KEY,
    CHAT_AUTH_X_API_KEY,
    CHAT_AUTH_X_GOOG_API_KEY,
};

struct chat_request {
    const char *model;
    const struct chat_message *messages;
    size_t n_messages;
    const struct chat_tool *tools;
    size_t n_tools;
    bool tools_off; /* the tools are declared but may not be called (tool_choice none) */
    bool stream;
    long max_tokens;     /* 0 = the service's default */
    double temperature;  /* NAN = not sent */
    const char *effort;  /* how hard to think: none, minimal, low, medium, high, xhigh, max; NULL =
                            the service's default */
    bool show_reasoning; /* ask for reasoning that can be read, where that needs asking */
    const char *schema;  /* JSON Schema that the text of the reply should follow; NULL = none. Sent
                            where the service has structured output, so check the reply */
    long num_ctx;    /* the context window to make, where the server makes it; 0 = by estimate */
    unsigned quirks; /* enum chat_quirk; the client sets it, callers leave 0 */
    /* The service and model asked, in any words; the client sets it. A message whose `origin`
     * differs is sent without its opaque state, which only its maker understands. NULL = all fit.
     */
    const char *origin;
};

/* -1 = the service did not say. `cached` is part of `input`, `reasoning` is part of `output`,
 * whatever the wire's convention. */
struct chat_usage {
    int64_t input, output, cached, reasoning;
    double cost;         /* USD as told by the service; NAN = not told */
    int64_t cache_write; /* part of `input`: put into the cache by this request */
};
#define CHAT_USAGE_NONE ((struct chat_usage){ -1, -1, -1, -1, NAN, -1 })

struct chat_turn {
    char *text; /* NULL when there is none */
    char *reasoning;
    char *refusal;
    struct chat_call *calls;
    size_t n_calls;
    enum chat_stop stop;
    char *stop_word; /* the wire's own word, for the record */
    struct chat_usage usage;
    char *model, *response_id;
    char *raw, *wire, *origin; /* as in chat_message; the client fills in `origin` */
};

void chat_message_done(struct chat_message *m); /* releases the fields */
void chat_turn_done(struct chat_turn *t);
void chat_images_free(struct chat_image *images, size_t n);
void chat_calls_free(struct chat_call *calls, size_t n);
const char *chat_stop_word(enum chat_stop s); /* "end", "length", ... */

#endif
