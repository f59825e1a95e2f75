/* Replies in Gemini's format: chunks (or one document, or an array of chunks from a stream that was
 * not asked for as events), each with parts of the one answer. The parts go back as they came: a
 * thoughtSignature belongs to the part it came on. Only runs of plain text are joined. Nothing is
 * certain to be there: no parts, no content, no candidates are all seen in practice. */
#include "providers/gemini.h"
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

extern const struct codec codec_gemini_generate_content;

enum { MAX_PARTS = 5000 };

struct part {
    enum { P_TEXT, P_THOUGHT, P_CALL, P_OTHER } kind;
    struct buf text; /* P_TEXT and P_THOUGHT: no more than that; else the part as JSON text */
};

struct decoder {
    struct reply r;
    struct part *parts;
    size_t n;
    bool any; /* a chunk came that says something about the reply */
    bool blocked;
};

static struct decoder *begin(const struct decoder_sink *sink)
{
    struct decoder *d = xcalloc(1, sizeof *d);

    reply_init(&d->r, sink);
    return d;
}

static void decoder_free(struct decoder *d)
{
    if (d == NULL)
        return;
    for (size_t i = 0; i < d->n; i++)
        buf_free(&d->parts[i].text);
    free(d->parts);
    reply_free(&d->r);
    free(d);
}

/* Nothing but text, and perhaps the mark of a thought. */
static bool is_plain(const cJSON *part)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, part) if (strcmp(v->string, "text") != 0 &&
                                    strcmp(v->string, "thought") != 0) return false;
    return json_str(part, "text") != NULL;
}

static int take_part(struct decoder *d, const cJSON *p, struct err *e)
{
    const char *text = json_str(p, "text");
    bool thought = json_bool(p, "thought", false), plain = is_plain(p);
    struct part *last = d->n ? &d->parts[d->n - 1] : NULL;

    if (!cJSON_IsObject(p) || (plain && *text == '\0'))
        return 0;
    if (text && thought)
        reply_reasoning(&d->r, str_of(text));
    else if (text)
        reply_text(&d->r, str_of(text));
    if (reply_check(&d->r, e) < 0)
        return -1;
    if (plain && last && last->kind == (thought ? P_THOUGHT : P_TEXT)) {
        buf_puts(&last->text, text);
        return 0;
    }
    if (d->n == MAX_PARTS)
        return err_set(e, ERR_PROVIDER, 0, "the reply has more than %d parts", MAX_PARTS);
    d->parts = xrealloc(d->parts, d->n + 1, sizeof *d->parts);
    last = &d->parts[d->n++];
    *last = (struct part){ P_OTHER, BUF_MAX(MAX_REPLY_BYTES) };
    if (plain) {
        last->kind = thought ? P_THOUGHT : P_TEXT;
        buf_puts(&last->text, text);
        return 0;
    }
    cleanup_free char *json = json_text(p);
    buf_puts(&last->text, json);
    last->kind = json_obj(p, "functionCall") ? P_CALL : P_OTHER;
    return 0;
}

/* The last counts win. The answer's tokens and those of its thoughts are told apart; both are
 * output. */
static void take_usage(struct decoder *d, const cJSON *u)
{
    struct chat_usage *g = &d->r.usage;
    int64_t prompt = -1, tools = 0, said = -1, total = -1;

    reply_count(&prompt, u, "promptTokenCount");
    reply_count(&total, u, "totalTokenCount");
    reply_count(&tools, u, "toolUsePromptTokenCount");
    reply_count(&said, u, "candidatesTokenCount");
    reply_count(&g->reasoning, u, "thoughtsTokenCount");
    reply_count(&g->cached, u, "cachedContentTokenCount");
    if (prompt >= 0)
        g->input = prompt + tools;
    if (said >= 0 || g->reasoning >= 0)
        g->output = (said > 0 ? said : 0) + (g->reasoning > 0 ? g->reasoning : 0);
    else if (prompt >= 0 && total >= prompt + tools)
        g->output = total - prompt - tools;
}

/* Some gateways send the enumeration's number. */
static const char *finish_word(const cJSON *candidate)
{
    static const char *const words[] = {
        NULL,    "STOP",      "MAX_TOKENS",         "SAFETY", "RECITATION",
        "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII",   "MALFORMED_FUNCTION_CALL"
    };
    int64_t n = json_int(candidate, "finishReason", 0);

    if (json_str(candidate, "finishReason"))
        return json_str(candidate, "finishReason");
    return n <= 0 ? NULL : (size_t)n < ARRAY_LEN(words) ? words[n] : "OTHER";
}

static int take_chunk(struct decoder *d, const cJSON *j, struct err *e)
{
    const cJSON *c, *p, *feedback = json_obj(j, "promptFeedback");

    reply_word(&d->r.id, json_str(j, "responseId"), false);
    reply_word(&d->r.model, json_str(j, "modelVersion"), false);
    take_usage(d, json_obj(j, "usageMetadata"));
    if (json_str(feedback, "blockReason")) {
        d->any = d->blocked = true;
        reply_word(&d->r.stop, json_str(feedback, "blockReason"), true);
        buf_clear(&d->r.refusal);
        buf_puts(&d->r.refusal, json_str(feedback, "blockReasonMessage")
                                    ? json_str(feedback, "blockReasonMessage")
                                    : "");
    }
    cJSON_ArrayForEach(c, json_arr(j, "candidates"))
    {
        if (json_int(c, "index", 0) != 0)
            continue; /* only one answer was asked for */
        d->any = true;
        reply_word(&d->r.stop, finish_word(c), true);
        cJSON_ArrayForEach(p, json_arr(json_obj(c, "content"), "parts")) if (take_part(d, p, e) <
                                                                             0) return -1;
    }
    return 0;
}

static int event(struct decoder *d, struct str name, struct str data, struct err *e)
{
    data = str_trim(data);
    if (data.n == 0 || str_starts(data, "[DONE]"))
        return 0;
    cleanup_json cJSON *j = reply_event(&d->r, name, data, e);
    if (j == NULL)
        return -1;
    if (json_obj(cJSON_IsArray(j) ? cJSON_GetArrayItem(j, 0) : j, "error"))
        return reply_inband(data, e);
    return take_chunk(d, j, e);
}

static int body(struct decoder *d, struct str json, struct err *e)
{
    cleanup_json cJSON *j = reply_json(json, e);
    const cJSON *chunk, *list = cJSON_IsArray(j) ? j : NULL;

    if (j == NULL)
        return -1;
    cJSON_ArrayForEach(chunk, list)
    {
        if (json_obj(chunk, "error")) {
            cleanup_free char *text = json_text(chunk);
            return reply_inband(str_of(text), e);
        }
        if (take_chunk(d, chunk, e) < 0)
            return -1;
    }
    if (json_obj(j, "error"))
        return reply_inband(json, e);
    if (!cJSON_IsArray(j) && take_chunk(d, j, e) < 0)
        return -1;
    if (!d->any)
        return reply_none(json, "candidates", e);
    d->r.done = !cJSON_IsArray(j); /* the array of a stream can be cut like a stream */
    return 0;
}

static int collect_calls(const struct decoder *d, struct toolacc *calls, struct err *e)
{
    for (size_t i = 0; i < d->n; i++) {
        struct toolacc_piece p = { .index = (long)i };
        if (d->parts[i].kind != P_CALL)
            continue;
        cleanup_json cJSON *part = reply_json(buf_str(&d->parts[i].text), e);
        const cJSON *call = json_obj(part, "functionCall");
        if (part == NULL)
            return -1;
        cleanup_free char *text = reply_args(json_get(call, "args"));
        p.id = str_of(json_str(call, "id"));
        /* Without a name the call keeps its place, since its part goes back too. */
        p.name = str_of(json_str(call, "name"));
        p.args = str_of(text);
        if (str_trim(p.args).n == 0)
            p.args = STR("{}");
        if (toolacc_add(calls, &p, e) < 0)
            return -1;
    }
    return 0;
}

/* A call's part: as it came, unless its name or its arguments would be refused. */
static void put_call(struct buf *out, const struct part *part, const struct chat_call *call)
{
    cleanup_buf struct buf name = BUF_MAX(1024), given = BUF_MAX(64 * KIB);
    struct err ignored = ERR_INIT;

    history_put_name(&name, call->name);
    json_quote(&given, str_of(call->name));
    cleanup_json cJSON *j = reply_json(buf_str(&part->text), &ignored);
    cJSON *fn = cJSON_GetObjectItemCaseSensitive(j, "functionCall");
    bool good = str_eq(buf_str(&name), buf_str(&given)) && json_obj(fn, "args");
    if (good || fn == NULL) {
        buf_putstr(out, buf_str(&part->text));
        return;
    }
    cJSON_DeleteItemFromObjectCaseSensitive(fn, "name");
    cJSON_AddRawToObject(fn, "name", buf_cstr(&name));
    if (!json_obj(fn, "args")) {
        cJSON_DeleteItemFromObjectCaseSensitive(fn, "args");
        cJSON_AddRawToObject(fn, "args", history_args(call->args));
    }
    cleanup_free char *text = json_text(j);
    buf_puts(out, text);
}

static char *make_raw(const struct decoder *d, const struct chat_turn *t)
{
    struct buf out = BUF_MAX(SIZE_MAX / 2);
    size_t call = 0;

    for (size_t i = 0; i < d->n; i++) {
        const struct part *p = &d->parts[i];
        if (p->kind == P_CALL && call == t->n_calls)
            continue;
        buf_putc(&out, out.n ? ',' : '[');
        if (p->kind == P_CALL) {
            put_call(&out, p, &t->calls[call++]);
        } else if (p->kind == P_OTHER) {
            buf_putstr(&out, buf_str(&p->text));
        } else {
            buf_puts(&out, p->kind == P_THOUGHT ? "{\"thought\":true,\"text\":" : "{\"text\":");
            json_quote(&out, buf_str(&p->text));
            buf_putc(&out, '}');
        }
    }
    buf_puts(&out, out.n ? "]" : "[]");
    return buf_steal(&out);
}

static enum chat_stop stop_of(const struct decoder *d)
{
    static const struct reply_stop stops[] = {
        { "STOP", CHAT_STOP_END },
        { "MAX_TOKENS", CHAT_STOP_LENGTH },
        { "SAFETY", CHAT_STOP_FILTER },
        { "RECITATION", CHAT_STOP_FILTER },
        { "LANGUAGE", CHAT_STOP_FILTER },
        { "BLOCKLIST", CHAT_STOP_FILTER },
        { "PROHIBITED_CONTENT", CHAT_STOP_FILTER },
        { "SPII", CHAT_STOP_FILTER },
        { "MODEL_ARMOR", CHAT_STOP_FILTER },
        { "IMAGE_SAFETY", CHAT_STOP_FILTER },
        { "IMAGE_PROHIBITED_CONTENT", CHAT_STOP_FILTER },
        { "IMAGE_RECITATION", CHAT_STOP_FILTER },
        { "JAILBREAK", CHAT_STOP_FILTER },
        { "UNEXPECTED_TOOL_CALL", CHAT_STOP_END }, /* the call is there, and is answered */
        { NULL, CHAT_STOP_OTHER },
    };

    if (d->blocked)
        return CHAT_STOP_FILTER;
    return reply_stop(&d->r, stops);
}

static int finish(struct decoder *d, struct chat_turn *ret, struct err *e)
{
    struct toolacc *calls;
    int rc;

    if (!d->r.done && d->r.stop.n == 0)
        return reply_cut(&d->r, e);
    if (d->n == 0 && str_is(buf_str(&d->r.stop), "MALFORMED_FUNCTION_CALL"))
        return err_set(e, ERR_NET, 0,
                       "the model made a tool call that its service could not read (%s)",
                       buf_cstr(&d->r.stop));
    calls = toolacc_new();
    rc = collect_calls(d, calls, e);
    if (rc == 0) {
        reply_turn(&d->r, ret);
        ret->stop = stop_of(d);
        toolacc_finish(calls, buf_str(&d->r.id), &ret->calls, &ret->n_calls);
        ret->raw = make_raw(d, ret);
        ret->wire = xstrdup(GEMINI);
    }
    toolacc_free(calls);
    return rc;
}

const struct codec codec_gemini_generate_content = {
    .name = GEMINI,
    .path_of = gemini_path,
    .auth = CHAT_AUTH_X_GOOG_API_KEY,
    .encode = gemini_encode,
    .begin = begin,
    .event = event,
    .body = body,
    .finish = finish,
    .free = decoder_free,
};
