/* Replies in Ollama's own format: one JSON document a line, text and thinking in pieces, calls
 * whole. The line with "done" ends it; an error is a line of its own. */
#include "providers/ollama.h"
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "providers/history.h"
#include "providers/provider.h"
#include "providers/reply.h"
#include "providers/think.h"
#include "providers/toolacc.h"
#include "agent/base/banned.h"

extern const struct codec codec_ollama_chat;

struct decoder {
    struct reply r;
    struct think *think; /* models that the server does not know think in tags */
    struct toolacc *calls;
    long n_calls;
    struct buf created; /* what tells one reply from another: there are no ids */
    bool any;
};

static struct decoder *begin(const struct decoder_sink *sink)
{
    struct decoder *d = xcalloc(1, sizeof *d);

    reply_init(&d->r, sink);
    d->think = reply_thinking(&d->r);
    d->calls = toolacc_new();
    d->created.max = 1024;
    return d;
}

static void decoder_free(struct decoder *d)
{
    if (d == NULL)
        return;
    reply_free(&d->r);
    think_free(d->think);
    toolacc_free(d->calls);
    buf_free(&d->created);
    free(d);
}

/* Each element is a call of its own; what else it holds goes back with it. */
static int take_call(struct decoder *d, const cJSON *t, struct err *e)
{
    const cJSON *fn = json_obj(t, "function");
    struct toolacc_piece p = { .index = d->n_calls };

    if (!cJSON_IsObject(t))
        return 0;
    cleanup_free char *whole = json_text(t), *text = reply_args(json_get(fn, "arguments"));
    p.id = str_of(json_str(t, "id"));
    p.name = str_of(json_str(fn, "name"));
    p.args = str_of(text);
    p.extra = str_of(whole);
    d->n_calls++;
    return toolacc_add(d->calls, &p, e);
}

static int take_line(struct decoder *d, const cJSON *j, struct err *e)
{
    const cJSON *m = json_obj(j, "message"), *t;
    const char *thought = json_str(m, "thinking"), *text = json_str(m, "content");

    d->any = d->any || m != NULL;
    reply_word(&d->r.model, json_str(j, "model"), false);
    reply_word(&d->created, json_str(j, "created_at"), false);
    if (thought && *thought)
        reply_reasoning(&d->r, str_of(thought));
    if (text)
        think_feed(d->think, str_of(text));
    cJSON_ArrayForEach(t, json_arr(m, "tool_calls")) if (take_call(d, t, e) < 0) return -1;
    reply_count(&d->r.usage.input, j, "prompt_eval_count");
    reply_count(&d->r.usage.output, j, "eval_count");
    reply_word(&d->r.stop, json_str(j, "done_reason"), true);
    d->r.done = json_bool(j, "done", false);
    return reply_check(&d->r, e);
}

static int event(struct decoder *d, struct str name, struct str data, struct err *e)
{
    data = str_trim(data);
    if (d->r.done || data.n == 0)
        return 0;
    cleanup_json cJSON *j = reply_event(&d->r, name, data, e);
    if (j == NULL)
        return -1;
    if (json_get(j, "error") && !cJSON_IsNull(json_get(j, "error")))
        return reply_inband(data, e);
    return take_line(d, j, e);
}

/* A stream whose content type a proxy has lost: one document a line. */
static int body_lines(struct decoder *d, struct str rest, struct err *e)
{
    struct str line;

    while (rest.n) {
        str_cut(&rest, '\n', &line);
        if (event(d, STR("message"), line, e) < 0)
            return -1;
    }
    return 0;
}

static int body(struct decoder *d, struct str json, struct err *e)
{
    struct err why = ERR_INIT;
    cleanup_json cJSON *j = reply_json(json, &why);

    if (j == NULL && strstr(why.msg, "more text after the value"))
        return body_lines(d, json, e);
    if (j == NULL) {
        *e = why;
        return -1;
    }
    if (json_get(j, "error") && !cJSON_IsNull(json_get(j, "error")))
        return reply_inband(json, e);
    if (json_obj(j, "message") == NULL)
        return reply_none(json, "message", e);
    if (take_line(d, j, e) < 0)
        return -1;
    d->r.done = json_bool(j, "done", true); /* one document is a whole reply unless it says no */
    return 0;
}

/* The call as it came, under the id, name and arguments that our side knows it by. */
static void put_call(struct buf *out, const struct chat_call *call, const char *whole)
{
    cleanup_buf struct buf name = BUF_MAX(KIB), id = BUF_MAX(16 * KIB);
    struct err ignored = ERR_INIT;
    cleanup_json cJSON *j = reply_json(str_of(whole), &ignored);
    cJSON *fn = cJSON_GetObjectItemCaseSensitive(j, "function");

    if (!cJSON_IsObject(fn)) {
        cJSON_DeleteItemFromObjectCaseSensitive(j, "function");
        fn = cJSON_AddObjectToObject(j, "function");
    }
    history_put_name(&name, call->name);
    json_quote(&id, str_of(call->id));
    cJSON_DeleteItemFromObjectCaseSensitive(j, "id");
    cJSON_AddRawToObject(j, "id", buf_cstr(&id));
    cJSON_DeleteItemFromObjectCaseSensitive(fn, "name");
    cJSON_AddRawToObject(fn, "name", buf_cstr(&name));
    cJSON_DeleteItemFromObjectCaseSensitive(fn, "arguments");
    cJSON_AddRawToObject(fn, "arguments", history_args(call->args));
    cleanup_free char *text = json_text(j);
    buf_puts(out, text);
}

static char *make_raw(const struct decoder *d, const struct chat_turn *t)
{
    struct buf out = BUF_MAX(SIZE_MAX / 2);

    buf_puts(&out, "{\"role\":\"assistant\",\"content\":");
    json_quote(&out, str_of(t->text));
    if (t->reasoning) {
        buf_puts(&out, ",\"thinking\":");
        json_quote(&out, str_of(t->reasoning));
    }
    for (size_t i = 0; i < t->n_calls; i++) {
        buf_puts(&out, i ? "," : ",\"tool_calls\":[");
        put_call(&out, &t->calls[i], toolacc_extra(d->calls, i));
    }
    buf_puts(&out, t->n_calls ? "]}" : "}");
    return buf_steal(&out);
}

static const struct reply_stop stops[] = {
    { "stop", CHAT_STOP_END },
    { "length", CHAT_STOP_LENGTH },
    { NULL, CHAT_STOP_OTHER },
};

static int finish(struct decoder *d, struct chat_turn *ret, struct err *e)
{
    think_end(d->think);
    if (!d->r.done)
        return reply_cut(&d->r, e);
    if (!d->any)
        return err_set(e, ERR_NET, 0, "the stream held no reply");
    reply_turn(&d->r, ret);
    ret->stop = reply_stop(&d->r, stops);
    toolacc_finish(d->calls, buf_str(&d->created), &ret->calls, &ret->n_calls);
    ret->raw = make_raw(d, ret);
    ret->wire = xstrdup(OLLAMA);
    return 0;
}

const struct codec codec_ollama_chat = {
    .name = OLLAMA,
    .framing = CODEC_LINES,
    .path = "/api/chat",
    .auth = CHAT_AUTH_BEARER,
    .encode = ollama_encode,
    .begin = begin,
    .event = event,
    .body = body,
    .finish = finish,
    .free = decoder_free,
    .review = ollama_review,
};
