/* Replies in OpenAI's chat-completions format, streamed or whole. Many services speak it, each in
 * its own way; the rules that keep all of them working:
 *   - there are tool calls when tool calls came, whatever finish_reason says;
 *   - a stream is done at [DONE] or when a finish_reason was seen; otherwise it was cut;
 *   - an error may come inside a good answer, as an event, a line or a member of a chunk;
 *   - the last usage object wins, wherever it is;
 *   - reasoning goes by several names, and some services want it back under the name it came with.
 *
 * One chunk's delta and a whole reply's message have the same members, so take_message() reads
 * both. */
#include "providers/openai_chat.h"
#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/mem.h"
#include "providers/details.h"
#include "providers/provider.h"
#include "providers/reply.h"
#include "providers/think.h"
#include "providers/toolacc.h"
#include "agent/base/banned.h"

extern const struct codec codec_openai_chat;

struct decoder {
    struct reply r;
    struct toolacc *calls;
    struct think *think;
    struct details *details;
    cJSON *extra;        /* the message's extra_content */
    bool reasoning_back; /* it came as reasoning_content, even empty: it goes back so */
    bool any_choice;
};

static struct decoder *begin(const struct decoder_sink *sink)
{
    struct decoder *d = xcalloc(1, sizeof *d);

    reply_init(&d->r, sink);
    d->calls = toolacc_new();
    d->think = reply_thinking(&d->r);
    d->details = details_new();
    return d;
}

static void decoder_free(struct decoder *d)
{
    if (d == NULL)
        return;
    reply_free(&d->r);
    toolacc_free(d->calls);
    think_free(d->think);
    details_free(d->details);
    cJSON_Delete(d->extra);
    free(d);
}

static void take_usage(struct decoder *d, const cJSON *u)
{
    const cJSON *in = json_obj(u, "prompt_tokens_details");
    const cJSON *out = json_obj(u, "completion_tokens_details");
    int64_t total = -1;
    struct chat_usage *g = &d->r.usage;

    if (u == NULL)
        return;
    *g = CHAT_USAGE_NONE;
    reply_count(&total, u, "total_tokens");
    reply_count(&g->input, u, "prompt_tokens");
    reply_count(&g->output, u, "completion_tokens");
    reply_count(&g->cached, u, "cache_read_input_tokens");
    reply_count(&g->cached, u, "prompt_cache_hit_tokens");
    reply_count(&g->cached, in, "cached_tokens");
    reply_count(&g->reasoning, u, "reasoning_tokens");
    reply_count(&g->reasoning, out, "reasoning_tokens");
    /* Two services leave the hidden reasoning out of completion_tokens and only count it in the
     * total: it is output, and it is paid as such. */
    if (g->input >= 0 && g->output >= 0 && total > g->input + g->output) {
        int64_t hidden = total - g->input - g->output;
        g->output += hidden;
        if (g->reasoning < hidden)
            g->reasoning = hidden;
    }
    g->cost = reply_cost(u, "cost", 1);
    if (isnan(g->cost))
        g->cost = reply_cost(json_obj(u, "cost"), "total_cost", 1);
    if (isnan(g->cost) && json_get(u, "cost_in_usd_ticks"))
        g->cost = reply_cost(u, "cost_in_usd_ticks", 1e-10);
}

/* Content is a string, or a list of parts from services whose models think aloud. */
static void take_content(struct decoder *d, const cJSON *content)
{
    const cJSON *part, *inner;

    if (cJSON_IsString(content))
        think_feed(d->think, str_of(content->valuestring));
    if (!cJSON_IsArray(content))
        return;
    cJSON_ArrayForEach(part, content)
    {
        if (json_str(part, "text"))
            think_feed(d->think, str_of(json_str(part, "text")));
        cJSON_ArrayForEach(inner, json_arr(part, "thinking"))
            reply_reasoning(&d->r, str_of(json_str(inner, "text")));
        if (json_str(part, "thinking"))
            reply_reasoning(&d->r, str_of(json_str(part, "thinking")));
    }
}

/* In a whole reply each element is a call of its own (`ordinal`), whatever its index says; in a
 * stream (-1) it is a piece. */
static int take_call(struct decoder *d, const cJSON *t, long ordinal, struct err *e)
{
    const cJSON *fn = json_obj(t, "function"), *args = json_get(fn, "arguments");
    const cJSON *extra = json_obj(t, "extra_content");
    struct toolacc_piece p = { .index = -1 };
    cleanup_free char *text = reply_args(args), *more = extra ? json_text(extra) : NULL;

    if (!cJSON_IsObject(t))
        return 0;
    p.index = ordinal >= 0 ? ordinal : (long)json_int(t, "index", -1);
    p.id = str_of(json_str(t, "id"));
    p.name = str_of(json_str(fn, "name"));
    p.args = str_of(text);
    p.extra = str_of(more);
    return toolacc_add(d->calls, &p, e);
}

/* A delta, or a whole message. */
static int take_message(struct decoder *d, const cJSON *m, bool whole, struct err *e)
{
    const char *thought = json_str(m, "reasoning_content");
    const cJSON *t;
    long ordinal = 0;

    d->reasoning_back = d->reasoning_back || thought != NULL;
    if (thought == NULL || *thought == '\0')
        thought = json_str(m, "reasoning");
    if (thought && *thought)
        reply_reasoning(&d->r, str_of(thought));
    take_content(d, json_get(m, "content"));
    buf_putstr(&d->r.refusal, str_of(json_str(m, "refusal")));
    if (details_add(d->details, json_arr(m, "reasoning_details"), e) < 0)
        return -1;
    if (json_obj(m, "extra_content")) {
        cJSON_Delete(d->extra);
        d->extra = cJSON_Duplicate(json_obj(m, "extra_content"), true);
    }
    cJSON_ArrayForEach(
        t, json_arr(m, "tool_calls")) if (take_call(d, t, whole ? ordinal++ : -1, e) < 0) return -1;
    return reply_check(&d->r, e);
}

/* What a chunk and a whole reply have in common. */
static int take_reply(struct decoder *d, const cJSON *j, bool whole, struct err *e)
{
    const cJSON *choice, *m;

    reply_word(&d->r.id, json_str(j, "id"), false);
    reply_word(&d->r.model, json_str(j, "model"), false);
    take_usage(d, json_obj(json_obj(j, "x_groq"), "usage"));
    take_usage(d, json_obj(j, "usage"));
    cJSON_ArrayForEach(choice, json_arr(j, "choices"))
    {
        if (json_int(choice, "index", 0) != 0)
            continue; /* only one answer was asked for */
        d->any_choice = true;
        m = json_obj(choice, whole ? "message" : "delta");
        /* A service that ignores "stream" in one way or the other. A `message` beside a delta is
         * the sum so far, and would double the text. */
        if (m == NULL)
            m = json_obj(choice, whole ? "delta" : "message");
        if (m && take_message(d, m, whole, e) < 0)
            return -1;
        reply_word(&d->r.stop, json_str(choice, "finish_reason"), true);
    }
    return 0;
}

static bool is_error(const cJSON *j)
{
    const cJSON *err = json_get(j, "error");

    return cJSON_IsObject(err) || (cJSON_IsString(err) && *err->valuestring);
}

static int event(struct decoder *d, struct str name, struct str data, struct err *e)
{
    data = str_trim(data);
    if (d->r.done || data.n == 0)
        return 0;
    if (str_starts(data, "[DONE]")) {
        d->r.done = true;
        return 0;
    }
    cleanup_json cJSON *j = reply_event(&d->r, name, data, e);
    if (j == NULL)
        return -1;
    if (is_error(j))
        return reply_inband(data, e);
    return take_reply(d, j, false, e);
}

static int body(struct decoder *d, struct str json, struct err *e)
{
    cleanup_json cJSON *j = reply_json(json, e);

    if (j == NULL)
        return -1;
    if (is_error(cJSON_IsArray(j) ? cJSON_GetArrayItem(j, 0) : j))
        return reply_inband(json, e);
    if (take_reply(d, j, true, e) < 0)
        return -1;
    if (!d->any_choice)
        return reply_none(json, "choices", e);
    d->r.done = true;
    return 0;
}

static const struct reply_stop stops[] = {
    { "stop", CHAT_STOP_END },          { "tool_calls", CHAT_STOP_END },
    { "function_call", CHAT_STOP_END }, { "eos", CHAT_STOP_END },
    { "end_turn", CHAT_STOP_END },      { "tool_use", CHAT_STOP_END },
    { "stop_sequence", CHAT_STOP_END }, { "length", CHAT_STOP_LENGTH },
    { "max_tokens", CHAT_STOP_LENGTH }, { "content_filter", CHAT_STOP_FILTER },
    { "SAFETY", CHAT_STOP_FILTER },     { "refusal", CHAT_STOP_REFUSAL },
    { "pause_turn", CHAT_STOP_PAUSE },  { "model_context_window_exceeded", CHAT_STOP_CONTEXT },
    { NULL, CHAT_STOP_OTHER },
};

/* The assistant's message as it goes back: what the service needs to see again is in it. */
static char *make_raw(const struct decoder *d, const struct chat_turn *t)
{
    struct buf out = BUF_MAX(SIZE_MAX / 2);
    const char *said = t->text ? t->text : t->refusal;

    buf_puts(&out, "{\"role\":\"assistant\",\"content\":");
    if (said == NULL && t->n_calls)
        buf_puts(&out, "null");
    else
        json_quote(&out, str_of(said));
    if (d->reasoning_back && t->n_calls) {
        buf_puts(&out, ",\"reasoning_content\":");
        json_quote(&out, buf_str(&d->r.reasoning));
    }
    if (details_any(d->details)) {
        buf_puts(&out, ",\"reasoning_details\":");
        details_put(d->details, &out);
    }
    if (d->extra) {
        cleanup_free char *extra = json_text(d->extra);
        buf_putf(&out, ",\"extra_content\":%s", extra);
    }
    for (size_t i = 0; i < t->n_calls; i++) {
        cleanup_buf struct buf id = BUF_MAX(64 * 1024);
        json_quote(&id, str_of(t->calls[i].id));
        buf_puts(&out, i ? "," : ",\"tool_calls\":[");
        openai_chat_put_call(&out, &t->calls[i], buf_str(&id), toolacc_extra(d->calls, i));
    }
    buf_puts(&out, t->n_calls ? "]}" : "}");
    return buf_steal(&out);
}

static int finish(struct decoder *d, struct chat_turn *ret, struct err *e)
{
    think_end(d->think);
    if (!d->r.done && d->r.stop.n == 0)
        return reply_cut(&d->r, e);
    if (!d->any_choice)
        return err_set(e, ERR_NET, 0, "the stream held no reply");
    if (str_is(buf_str(&d->r.stop), "error") ||
        str_is(buf_str(&d->r.stop), "insufficient_system_resource"))
        return err_set(e, ERR_NET, 0, "the service gave up in the middle of its reply (%s)",
                       buf_cstr(&d->r.stop));
    reply_turn(&d->r, ret);
    ret->stop = reply_stop(&d->r, stops);
    toolacc_finish(d->calls, buf_str(&d->r.id), &ret->calls, &ret->n_calls);
    ret->raw = make_raw(d, ret);
    ret->wire = xstrdup(OPENAI_CHAT);
    return 0;
}

const struct codec codec_openai_chat = {
    .name = OPENAI_CHAT,
    .path = "/chat/completions",
    .auth = CHAT_AUTH_BEARER,
    .encode = openai_chat_encode,
    .begin = begin,
    .event = event,
    .body = body,
    .finish = finish,
    .free = decoder_free,
};
