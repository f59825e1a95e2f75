/* Replies in the Responses format: a list of items (reasoning, calls, messages). A stream shows
 * pieces, hands out each item when it is whole, and ends with the whole response, whose list
 * counts; services that leave that list empty are taken at their items. There is no finish reason:
 * a response has a status. */
#include "providers/responses.h"
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

extern const struct codec codec_openai_responses;

enum { MAX_ITEMS = 2000 };

struct decoder {
    struct reply r;
    char **items; /* as JSON text: parsed it would take forty times its bytes */
    size_t n;
    int64_t text_item;    /* which item the text that is being shown belongs to */
    int64_t thought_part; /* and which part of the reasoning */
    bool begun;
};

static void items_free(struct decoder *d)
{
    for (size_t i = 0; i < d->n; i++)
        free(d->items[i]);
    free(d->items);
    d->items = NULL;
    d->n = 0;
}

static struct decoder *begin(const struct decoder_sink *sink)
{
    struct decoder *d = xcalloc(1, sizeof *d);

    reply_init(&d->r, sink);
    d->text_item = d->thought_part = -1;
    return d;
}

static void decoder_free(struct decoder *d)
{
    if (d == NULL)
        return;
    reply_free(&d->r);
    items_free(d);
    free(d);
}

static int item_add(struct decoder *d, const cJSON *item, struct err *e)
{
    if (!cJSON_IsObject(item))
        return 0;
    if (d->n == MAX_ITEMS)
        return err_set(e, ERR_PROVIDER, 0, "the reply has more than %d items", MAX_ITEMS);
    d->items = xrealloc(d->items, d->n + 1, sizeof *d->items);
    d->items[d->n++] = json_text(item);
    return 0;
}

static void take_usage(struct decoder *d, const cJSON *u)
{
    struct chat_usage *g = &d->r.usage;

    if (u == NULL)
        return;
    *g = CHAT_USAGE_NONE;
    reply_count(&g->input, u, "input_tokens");
    reply_count(&g->output, u, "output_tokens");
    reply_count(&g->cached, json_obj(u, "input_tokens_details"), "cached_tokens");
    reply_count(&g->reasoning, json_obj(u, "output_tokens_details"), "reasoning_tokens");
    g->cost = reply_cost(u, "cost", 1);
}

/* The response object, at any stage. */
static int take_response(struct decoder *d, const cJSON *j, bool last, struct err *e)
{
    const cJSON *list = json_arr(j, "output"), *item;

    d->begun = true;
    reply_word(&d->r.id, json_str(j, "id"), true);
    reply_word(&d->r.model, json_str(j, "model"), true);
    take_usage(d, json_obj(j, "usage"));
    if (!last)
        return 0;
    reply_word(&d->r.stop, json_str(j, "status"), true);
    reply_word(&d->r.stop, json_str(json_obj(j, "incomplete_details"), "reason"), true);
    d->r.done = true;
    if (list == NULL || list->child == NULL)
        return 0; /* what came as items counts */
    items_free(d);
    cJSON_ArrayForEach(item, list) if (item_add(d, item, e) < 0) return -1;
    return 0;
}

/* Messages of one reply are paragraphs of their own. */
static int show_text(struct decoder *d, int64_t item, const char *piece, struct err *e)
{
    if (item != d->text_item && d->r.text.n)
        reply_text(&d->r, STR("\n\n"));
    d->text_item = item;
    reply_text(&d->r, str_of(piece));
    return reply_check(&d->r, e);
}

static int show_thought(struct decoder *d, int64_t part, const char *piece, struct err *e)
{
    if (part != d->thought_part && d->r.reasoning.n)
        reply_reasoning(&d->r, STR("\n\n"));
    d->thought_part = part;
    reply_reasoning(&d->r, str_of(piece));
    return reply_check(&d->r, e);
}

static int take_event(struct decoder *d, struct str type, const cJSON *j, struct str data,
                      struct err *e)
{
    const char *delta = json_str(j, "delta");
    const cJSON *response = json_obj(j, "response");

    if (str_is(type, "response.output_text.delta") && delta)
        return show_text(d, json_int(j, "output_index", 0), delta, e);
    if ((str_is(type, "response.reasoning_summary_text.delta") ||
         str_is(type, "response.reasoning_text.delta")) &&
        delta)
        return show_thought(
            d, json_int(j, "output_index", 0) * 1000 + json_int(j, "summary_index", 0), delta, e);
    if (str_is(type, "response.refusal.delta") && delta) {
        buf_puts(&d->r.refusal, delta);
        return reply_check(&d->r, e);
    }
    if (str_is(type, "response.output_item.done"))
        return item_add(d, json_obj(j, "item"), e);
    if (str_is(type, "response.completed") || str_is(type, "response.incomplete") ||
        str_is(type, "response.done"))
        return take_response(d, response, true, e);
    if (str_is(type, "response.failed") || str_is(type, "response.cancelled")) {
        cleanup_free char *text = response ? json_text(response) : str_dup(data);
        return reply_inband(str_of(text), e);
    }
    return response ? take_response(d, response, false, e) : 0;
}

static int event(struct decoder *d, struct str name, struct str data, struct err *e)
{
    data = str_trim(data);
    if (d->r.done || data.n == 0)
        return 0;
    if (str_starts(data, "[DONE]"))
        return 0; /* some services end so; the end was the response */
    cleanup_json cJSON *j = reply_event(&d->r, name, data, e);
    if (j == NULL)
        return -1;
    const char *type = json_str(j, "type");
    struct str t = type ? str_of(type) : name;
    if (str_is(t, "error") || json_obj(j, "error"))
        return reply_inband(data, e);
    return take_event(d, t, j, data, e);
}

static int body(struct decoder *d, struct str json, struct err *e)
{
    cleanup_json cJSON *j = reply_json(json, e);
    const char *status = json_str(j, "status");

    if (j == NULL)
        return -1;
    if (json_obj(j, "error"))
        return reply_inband(json, e);
    if (json_arr(j, "output") == NULL)
        return reply_none(json, "output", e);
    if (status && strcmp(status, "completed") != 0 && strcmp(status, "incomplete") != 0)
        return err_set(e, ERR_PROVIDER, 0, "the service left its response in the state \"%.40s\"",
                       status);
    return take_response(d, j, true, e);
}

static bool type_is(const cJSON *item, const char *type)
{
    const char *t = json_str(item, "type");

    return t && strcmp(t, type) == 0;
}

/* What one item says, into a message's text, a refusal, or reasoning. */
static void tell(const cJSON *item, struct buf *text, struct buf *refusal, struct buf *thought)
{
    const cJSON *part;
    bool fresh = text->n > 0;

    if (type_is(item, "message")) {
        cJSON_ArrayForEach(part, json_arr(item, "content"))
        {
            const char *s = json_str(part, "text");
            if (s && *s && fresh)
                buf_puts(text, "\n\n");
            fresh = fresh && !(s && *s);
            buf_puts(text, s ? s : "");
            s = json_str(part, "refusal");
            buf_puts(refusal, s ? s : "");
        }
    } else if (type_is(item, "reasoning")) {
        const cJSON *summary = json_arr(item, "summary");
        if (summary == NULL || summary->child == NULL)
            summary = json_arr(item, "content");
        cJSON_ArrayForEach(part, summary)
        {
            const char *s = json_str(part, "text");
            if (s && *s && thought->n)
                buf_puts(thought, "\n\n");
            buf_puts(thought, s ? s : "");
        }
    }
}

/* What the items say and no piece has shown yet is shown now. */
static int show_rest(struct decoder *d, struct err *e)
{
    cleanup_buf struct buf text = BUF_MAX(MAX_REPLY_BYTES), refusal = BUF_MAX(MAX_REPLY_BYTES);
    cleanup_buf struct buf thought = BUF_MAX(MAX_REPLY_BYTES);

    for (size_t i = 0; i < d->n; i++) {
        cleanup_json cJSON *item = reply_json(str_of(d->items[i]), e);
        if (item == NULL)
            return -1;
        tell(item, &text, &refusal, &thought);
    }
    if (text.n > d->r.text.n && str_starts(buf_str(&text), buf_cstr(&d->r.text)))
        reply_text(&d->r, str_from(buf_str(&text), d->r.text.n));
    if (d->r.reasoning.n == 0)
        reply_reasoning(&d->r, buf_str(&thought));
    if (d->r.refusal.n == 0)
        buf_putstr(&d->r.refusal, buf_str(&refusal));
    return reply_check(&d->r, e);
}

static bool is_no_call(const cJSON *item)
{
    const char *name = json_str(item, "name"), *args = json_str(item, "arguments");

    return (name == NULL || *name == '\0') && history_blank(args);
}

static int collect_calls(struct decoder *d, struct toolacc *calls, struct err *e)
{
    for (size_t i = 0; i < d->n; i++) {
        cleanup_json cJSON *item = reply_json(str_of(d->items[i]), e);
        struct toolacc_piece p = { .index = (long)i };
        const cJSON *args = json_get(item, "arguments");
        cleanup_free char *args_text = cJSON_IsObject(args) ? json_text(args) : NULL;
        if (item == NULL)
            return -1;
        if (!type_is(item, "function_call") || (args_text == NULL && is_no_call(item)))
            continue;
        p.id = str_of(json_str(item, "call_id"));
        p.name = str_of(json_str(item, "name"));
        p.args = str_of(args_text ? args_text : json_str(item, "arguments"));
        if (toolacc_add(calls, &p, e) < 0)
            return -1;
    }
    return 0;
}

/* What is right already stays where it is: the item goes back as it came. */
static void set_str(cJSON *o, const char *name, const char *value)
{
    const char *now = json_str(o, name);

    if (now && strcmp(now, value) == 0)
        return;
    cJSON_DeleteItemFromObjectCaseSensitive(o, name);
    cJSON_AddStringToObject(o, name, value);
}

/* A call as it can go back: with the id, name and arguments that our side knows it by. */
static void mend_call(cJSON *item, const struct chat_call *call)
{
    cleanup_buf struct buf name = BUF_MAX(KIB);

    history_put_name(&name, call->name);
    name.n--; /* its quotes */
    set_str(item, "call_id", call->id);
    cleanup_free char *bare = str_dup(str_from(buf_str(&name), 1));
    set_str(item, "name", bare);
    set_str(item, "arguments", history_args(call->args));
}

static bool is_reasoning(const char *item)
{
    struct err ignored = ERR_INIT;
    cleanup_json cJSON *j = reply_json(str_of(item), &ignored);

    return type_is(j, "reasoning");
}

/* Reasoning that came without its encrypted form cannot go back, since the service keeps nothing;
 * then the ids of the items go too, by which the service would miss it. Reasoning that nothing
 * follows (the reply was cut) is refused, and so are messages that say nothing. */
static char *make_raw(const struct decoder *d, const struct chat_turn *t)
{
    struct buf out = BUF_MAX(SIZE_MAX / 2);
    struct err ignored = ERR_INIT;
    size_t call = 0, n = d->n;
    bool bare = false;

    while (n && is_reasoning(d->items[n - 1]))
        n--;
    for (size_t i = 0; i < n; i++) {
        cleanup_json cJSON *item = reply_json(str_of(d->items[i]), &ignored);
        const char *sealed = json_str(item, "encrypted_content");
        bare = bare || (type_is(item, "reasoning") && (sealed == NULL || *sealed == '\0'));
    }
    for (size_t i = 0; i < n; i++) {
        cleanup_json cJSON *item = reply_json(str_of(d->items[i]), &ignored);
        const cJSON *content = json_get(item, "content");
        bool is_call = type_is(item, "function_call");
        bool skip = (bare && type_is(item, "reasoning")) ||
                    (type_is(item, "message") && (content == NULL || content->child == NULL));
        if (is_call && !cJSON_IsObject(json_get(item, "arguments")) && is_no_call(item))
            skip = true;
        if (skip || (is_call && call == t->n_calls))
            continue;
        if (is_call)
            mend_call(item, &t->calls[call++]);
        if (bare)
            cJSON_DeleteItemFromObjectCaseSensitive(item, "id");
        cleanup_free char *text = json_text(item);
        buf_putc(&out, out.n ? ',' : '[');
        buf_puts(&out, text);
    }
    buf_puts(&out, out.n ? "]" : "[]");
    return buf_steal(&out);
}

static const struct reply_stop stops[] = {
    { "completed", CHAT_STOP_END },     { "max_output_tokens", CHAT_STOP_LENGTH },
    { "max_tokens", CHAT_STOP_LENGTH }, { "content_filter", CHAT_STOP_FILTER },
    { NULL, CHAT_STOP_OTHER },
};

static int finish(struct decoder *d, struct chat_turn *ret, struct err *e)
{
    struct toolacc *calls;
    int rc;

    if (!d->r.done)
        return reply_cut(&d->r, e);
    if (show_rest(d, e) < 0)
        return -1;
    calls = toolacc_new();
    rc = collect_calls(d, calls, e);
    if (rc == 0) {
        reply_turn(&d->r, ret);
        ret->stop = reply_stop(&d->r, stops);
        toolacc_finish(calls, buf_str(&d->r.id), &ret->calls, &ret->n_calls);
        ret->raw = make_raw(d, ret);
        ret->wire = xstrdup(RESPONSES);
    }
    toolacc_free(calls);
    return rc;
}

const struct codec codec_openai_responses = {
    .name = RESPONSES,
    .path = "/responses",
    .auth = CHAT_AUTH_BEARER,
    .encode = responses_encode,
    .begin = begin,
    .event = event,
    .body = body,
    .finish = finish,
    .free = decoder_free,
};
