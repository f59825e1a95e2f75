/* Replies in Anthropic's format. A reply is a list of blocks; what came in each, opaque members and
 * all, goes back with the next request in the same order. In a stream a block begins as a shell,
 * grows by deltas, and is known by its index. A second message_start in the middle (a proxy tried
 * again) makes all before it void. */
#include "providers/anthropic.h"
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "providers/history.h"
#include "providers/provider.h"
#include "providers/reply.h"
#include "providers/toolacc.h"
#include "agent/base/banned.h"

extern const struct codec codec_anthropic_messages;

enum { MAX_BLOCKS = 2000, MAX_SIGNATURE = 1024 * 1024 };

enum kind { B_OTHER, B_TEXT, B_THINKING, B_TOOL, B_SERVER_TOOL };

/* A block in parts. `rest` is what is in none of the others: kept as text, since parsed JSON takes
 * forty times its bytes, and a hostile stream may bring many. */
struct block {
    long index;
    enum kind kind;
    char *rest;       /* a JSON object, its "type" at least */
    char *id, *name;  /* tool_use only; "" if it has none */
    struct buf grown; /* text, thinking, or the input as JSON text */
    struct buf signature;
};

struct decoder {
    struct reply r;
    struct block *blocks;
    size_t n;
    int64_t fresh, cache_read; /* input that was not cached, and that was; -1 = not told */
    bool begun;
};

static void blocks_free(struct decoder *d)
{
    for (size_t i = 0; i < d->n; i++) {
        free(d->blocks[i].rest);
        free(d->blocks[i].id);
        free(d->blocks[i].name);
        buf_free(&d->blocks[i].grown);
        buf_free(&d->blocks[i].signature);
    }
    free(d->blocks);
    d->blocks = NULL;
    d->n = 0;
}

static struct decoder *begin(const struct decoder_sink *sink)
{
    struct decoder *d = xcalloc(1, sizeof *d);

    reply_init(&d->r, sink);
    d->fresh = d->cache_read = -1;
    return d;
}

static void decoder_free(struct decoder *d)
{
    if (d == NULL)
        return;
    reply_free(&d->r);
    blocks_free(d);
    free(d);
}

/* Later counts overwrite earlier ones; what is absent stays. */
static void take_usage(struct decoder *d, const cJSON *u)
{
    struct chat_usage *g = &d->r.usage;

    reply_count(&d->fresh, u, "input_tokens");
    reply_count(&d->cache_read, u, "cache_read_input_tokens");
    reply_count(&g->cache_write, u, "cache_creation_input_tokens");
    reply_count(&g->output, u, "output_tokens");
    reply_count(&g->reasoning, json_obj(u, "output_tokens_details"), "thinking_tokens");
    g->cached = d->cache_read;
    if (d->fresh >= 0)
        g->input = d->fresh + (d->cache_read > 0 ? d->cache_read : 0) +
                   (g->cache_write > 0 ? g->cache_write : 0);
}

static void take_stop(struct decoder *d, const cJSON *o)
{
    const char *why = json_str(o, "stop_reason");
    const char *words = json_str(json_obj(o, "stop_details"), "explanation");

    reply_word(&d->r.stop, why, true);
    if (why && strcmp(why, "refusal") == 0 && d->r.refusal.n == 0)
        buf_puts(&d->r.refusal, words && *words ? words : "(the service gives no explanation)");
}

/* The member of a block that grows, by kind. */
static const char *const grows[] = {
    [B_TEXT] = "text", [B_THINKING] = "thinking", [B_TOOL] = "input", [B_SERVER_TOOL] = "input"
};

static enum kind kind_of(const char *type)
{
    if (type == NULL)
        return B_OTHER;
    return strcmp(type, "text") == 0              ? B_TEXT
           : strcmp(type, "thinking") == 0        ? B_THINKING
           : strcmp(type, "tool_use") == 0        ? B_TOOL
           : strcmp(type, "server_tool_use") == 0 ? B_SERVER_TOOL
                                                  : B_OTHER;
}

static int grow(struct decoder *d, struct block *b, const char *piece, struct err *e)
{
    buf_puts(&b->grown, piece);
    if (b->kind == B_TEXT)
        reply_text(&d->r, str_of(piece));
    else if (b->kind == B_THINKING)
        reply_reasoning(&d->r, str_of(piece));
    else if (b->grown.over)
        return err_set(e, ERR_PROVIDER, 0, "the arguments of a tool call are longer than %u MiB",
                       MAX_ARGS_BYTES / MIB);
    return reply_check(&d->r, e);
}

static struct block *block_add(struct decoder *d, long index, enum kind kind, struct err *e)
{
    if (d->n == MAX_BLOCKS) {
        err_set(e, ERR_PROVIDER, 0, "the reply has more than %d blocks", MAX_BLOCKS);
        return NULL;
    }
    d->blocks = xrealloc(d->blocks, d->n + 1, sizeof *d->blocks);
    struct block *b = &d->blocks[d->n++];
    *b = (struct block){ .index = index, .kind = kind };
    b->signature.max = MAX_SIGNATURE;
    b->grown.max = kind == B_TOOL || kind == B_SERVER_TOOL ? MAX_ARGS_BYTES : MAX_ANSWER_BYTES;
    return b;
}

/* The string member `name` moves from the shell into its own place. */
static char *move_out(cJSON *shell, const char *name)
{
    const char *s = json_str(shell, name);
    char *copy = xstrdup(s ? s : "");

    cJSON_DeleteItemFromObjectCaseSensitive(shell, name);
    return copy;
}

/* A block's begin in a stream, or a whole one. An input that is still empty may yet come by deltas.
 */
static int take_block(struct decoder *d, const cJSON *v, long index, struct err *e)
{
    enum kind kind = kind_of(json_str(v, "type"));
    cleanup_free char *grown = NULL;

    if (!cJSON_IsObject(v))
        return 0;
    struct block *b = block_add(d, index, kind, e);
    if (b == NULL)
        return -1;
    cleanup_json cJSON *shell = cJSON_Duplicate(v, true);
    const cJSON *input = json_get(shell, "input");
    if (kind == B_TOOL) {
        b->id = move_out(shell, "id");
        b->name = move_out(shell, "name");
    }
    if (kind == B_THINKING) {
        cleanup_free char *signature = move_out(shell, "signature");
        buf_puts(&b->signature, signature);
    }
    if ((kind == B_TOOL || kind == B_SERVER_TOOL) && input && input->child)
        grown = json_text(input);
    if (kind != B_OTHER && grown == NULL)
        grown = move_out(shell, grows[kind]);
    if (kind != B_OTHER)
        cJSON_DeleteItemFromObjectCaseSensitive(shell, grows[kind]);
    b->rest = json_text(shell);
    return grown && *grown ? grow(d, b, grown, e) : 0;
}

static int take_delta(struct decoder *d, const cJSON *j, struct err *e)
{
    static const struct {
        const char *type, *member, *block;
    } kinds[] = {
        { "text_delta", "text", "text" },
        { "thinking_delta", "thinking", "thinking" },
        { "signature_delta", "signature", "thinking" },
        { "input_json_delta", "partial_json", NULL }, /* whose input, only the begin said */
    };
    const cJSON *delta = json_obj(j, "delta");
    long index = (long)json_int(j, "index", -1);
    struct block *b = NULL;

    for (size_t i = d->n; i-- > 0 && b == NULL;)
        if (d->blocks[i].index == index)
            b = &d->blocks[i];
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        const char *type = json_str(delta, "type"), *piece = json_str(delta, kinds[i].member);
        if (type == NULL || piece == NULL || strcmp(type, kinds[i].type) != 0)
            continue;
        if (b == NULL && kinds[i].block == NULL)
            return 0;
        if (b == NULL) { /* its begin was lost: a block of the kind that the delta is for */
            b = block_add(d, index, kind_of(kinds[i].block), e);
            if (b == NULL)
                return -1;
            b->rest = xasprintf("{\"type\":\"%s\"}", kinds[i].block);
            b->id = xstrdup("");
            b->name = xstrdup("");
        }
        if (strcmp(kinds[i].member, "signature") != 0)
            return b->kind == B_OTHER ? 0 : grow(d, b, piece, e);
        buf_puts(&b->signature, piece);
        return b->signature.over ? err_set(e, ERR_PROVIDER, 0, "a signature is longer than 1 MiB")
                                 : 0;
    }
    return 0;
}

static int take_message(struct decoder *d, const cJSON *m, struct err *e)
{
    const cJSON *v;
    long index = 0;

    d->begun = true;
    reply_word(&d->r.id, json_str(m, "id"), true);
    reply_word(&d->r.model, json_str(m, "model"), true);
    take_usage(d, json_obj(m, "usage"));
    cJSON_ArrayForEach(v, json_arr(m, "content")) if (take_block(d, v, index++, e) < 0) return -1;
    take_stop(d, m);
    return 0;
}

static int event(struct decoder *d, struct str name, struct str data, struct err *e)
{
    data = str_trim(data);
    if (d->r.done || data.n == 0)
        return 0;
    if (str_starts(data, "[DONE]")) {
        d->r.done = d->begun;
        return 0;
    }
    cleanup_json cJSON *j = reply_event(&d->r, name, data, e);
    if (j == NULL)
        return -1;
    struct str type = str_of(json_str(j, "type"));
    if (str_is(type, "error") || json_obj(j, "error"))
        return reply_inband(data, e);
    if (str_is(type, "message_start")) {
        if (d->begun) {
            reply_restart(&d->r);
            blocks_free(d);
            d->fresh = d->cache_read = -1;
        }
        return take_message(d, json_obj(j, "message"), e);
    }
    if (str_is(type, "message")) { /* a service that ignores "stream" behind one that does not */
        d->r.done = true;
        return take_message(d, j, e);
    }
    if (str_is(type, "content_block_start"))
        return take_block(d, json_obj(j, "content_block"), (long)json_int(j, "index", -1), e);
    if (str_is(type, "content_block_delta"))
        return take_delta(d, j, e);
    if (str_is(type, "message_delta")) {
        take_usage(d, json_obj(j, "usage"));
        take_stop(d, json_obj(j, "delta"));
    } else if (str_is(type, "message_stop")) {
        d->r.done = true;
    }
    return 0;
}

static int body(struct decoder *d, struct str json, struct err *e)
{
    cleanup_json cJSON *j = reply_json(json, e);
    struct str type = str_of(json_str(j, "type"));

    if (j == NULL)
        return -1;
    if (str_is(type, "error") || json_obj(j, "error"))
        return reply_inband(json, e);
    if (json_arr(j, "content") == NULL)
        return reply_none(json, "content", e);
    d->r.done = true;
    return take_message(d, j, e);
}

static bool is_no_call(const struct block *b)
{
    return *b->name == '\0' && str_trim(buf_str(&b->grown)).n == 0;
}

/* The block as it goes back; `call` is its call (NULL = it is none). */
static void put_block(struct buf *out, const struct block *b, const struct chat_call *call)
{
    if (b->kind == B_OTHER) {
        buf_puts(out, b->rest);
        return;
    }
    buf_put(out, b->rest, strlen(b->rest) - 1); /* its "type" is there, so a comma follows */
    if (call) {
        buf_puts(out, ",\"id\":");
        json_quote(out, str_of(call->id));
        buf_puts(out, ",\"name\":");
        history_put_name(out, call->name);
    }
    buf_putf(out, ",\"%s\":", grows[b->kind]);
    if (b->kind == B_TOOL || b->kind == B_SERVER_TOOL)
        buf_puts(out, history_args(buf_cstr(&b->grown)));
    else
        json_quote(out, buf_str(&b->grown));
    if (b->kind == B_THINKING) {
        buf_puts(out, ",\"signature\":");
        json_quote(out, buf_str(&b->signature));
    }
    buf_putc(out, '}');
}

static char *make_raw(struct decoder *d, const struct chat_turn *t)
{
    struct buf out = BUF_MAX(SIZE_MAX / 2);
    size_t call = 0;

    for (size_t i = 0; i < d->n; i++) {
        struct block *b = &d->blocks[i];
        const struct chat_call *c = NULL;
        if (b->kind == B_TOOL) {
            if (is_no_call(b) || call == t->n_calls)
                continue;
            c = &t->calls[call++];
        } else if (b->kind == B_TEXT && str_trim(buf_str(&b->grown)).n == 0) {
            continue; /* it would be refused */
        } else if (b->kind == B_THINKING && b->signature.n == 0) {
            continue; /* it was cut, or a compatible server made it: without a signature it is not
                         taken back */
        }
        buf_putc(&out, out.n ? ',' : '[');
        put_block(&out, b, c);
    }
    buf_puts(&out, out.n ? "]" : "[]");
    return buf_steal(&out);
}

static const struct reply_stop stops[] = {
    { "end_turn", CHAT_STOP_END },
    { "tool_use", CHAT_STOP_END },
    { "stop_sequence", CHAT_STOP_END },
    { "max_tokens", CHAT_STOP_LENGTH },
    { "pause_turn", CHAT_STOP_PAUSE },
    { "refusal", CHAT_STOP_REFUSAL },
    { "model_context_window_exceeded", CHAT_STOP_CONTEXT },
    { NULL, CHAT_STOP_OTHER },
};

static int finish(struct decoder *d, struct chat_turn *ret, struct err *e)
{
    struct toolacc *calls;
    int rc = 0;

    if (!d->r.done && d->r.stop.n == 0)
        return reply_cut(&d->r, e);
    if (!d->begun)
        return err_set(e, ERR_NET, 0, "the stream held no reply");
    calls = toolacc_new();
    for (size_t i = 0; i < d->n && rc == 0; i++) {
        const struct block *b = &d->blocks[i];
        struct toolacc_piece p = { .index = (long)i };
        if (b->kind != B_TOOL || is_no_call(b))
            continue;
        p.id = str_of(b->id);
        p.name = str_of(b->name);
        p.args = buf_str(&b->grown);
        rc = toolacc_add(calls, &p, e);
    }
    if (rc == 0) {
        reply_turn(&d->r, ret);
        ret->stop = reply_stop(&d->r, stops);
        toolacc_finish(calls, buf_str(&d->r.id), &ret->calls, &ret->n_calls);
        ret->raw = make_raw(d, ret);
        ret->wire = xstrdup(ANTHROPIC);
    }
    toolacc_free(calls);
    return rc;
}

const struct codec codec_anthropic_messages = {
    .name = ANTHROPIC,
    .path = "/v1/messages",
    .headers = "anthropic-version: 2023-06-01\n",
    .auth = CHAT_AUTH_X_API_KEY,
    .encode = anthropic_encode,
    .begin = begin,
    .event = event,
    .body = body,
    .finish = finish,
    .free = decoder_free,
};
