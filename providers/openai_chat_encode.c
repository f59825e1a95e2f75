/* Requests in OpenAI's chat-completions format: the portable core, and the rest only on demand.
 *
 * The one rule that services enforce hardest is that after an assistant message with tool calls
 * exactly one tool message for each must follow, before anything else. A run that was interrupted
 * leaves a history without them, so the encoder pairs calls and results itself: results in the
 * order of the calls, a note for each that is missing, and no result without a call. */
#include "providers/openai_chat.h"
#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/mem.h"
#include "agent/base/banned.h"

static const char no_output[] = "(no output)";
static const char no_result[] =
    "(no result: the run was interrupted before this call was answered)";

static bool is_json_object(const char *text)
{
    struct err ignored = ERR_INIT;
    cleanup_json cJSON *j = json_parse(str_of(text), &ignored);

    return cJSON_IsObject(j);
}

void openai_chat_put_calls(struct buf *out, const struct chat_call *calls, size_t n,
                           const char *(*extra)(const void *arg, size_t i), const void *arg)
{
    buf_putc(out, '[');
    for (size_t i = 0; i < n; i++) {
        const char *more = extra ? extra(arg, i) : NULL;
        buf_puts(out, i ? ",{\"id\":" : "{\"id\":");
        json_quote(out, str_of(calls[i].id));
        buf_puts(out, ",\"type\":\"function\",\"function\":{\"name\":");
        /* An empty name is refused everywhere; the call keeps its place under a name that says so.
         */
        json_quote(out, str_of(*calls[i].name ? calls[i].name : "unnamed"));
        buf_puts(out, ",\"arguments\":");
        json_quote(out, is_json_object(calls[i].args) ? str_of(calls[i].args) : STR("{}"));
        buf_putc(out, '}');
        if (more)
            buf_putf(out, ",\"extra_content\":%s", more);
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
}

/* The assistant's turn as it came, less what this service will not take back. */
static void put_raw(struct buf *out, const struct chat_message *m, unsigned quirks)
{
    struct err ignored = ERR_INIT;

    if (!(quirks & CHAT_NO_REASONING_BACK)) {
        buf_puts(out, m->raw);
        return;
    }
    cleanup_json cJSON *j = json_parse(str_of(m->raw), &ignored);
    cJSON_DeleteItemFromObjectCaseSensitive(j, "reasoning_content");
    cJSON_DeleteItemFromObjectCaseSensitive(j, "reasoning_details");
    cleanup_free char *text = j ? json_text(j) : NULL;
    buf_puts(out, text ? text : m->raw);
}

static void put_assistant(struct buf *out, const struct chat_message *m, unsigned quirks)
{
    if (m->raw && m->wire && strcmp(m->wire, OPENAI_CHAT) == 0) {
        put_raw(out, m, quirks);
        return;
    }
    buf_puts(out, "{\"role\":\"assistant\",\"content\":");
    if (m->n_calls && (m->text == NULL || *m->text == '\0'))
        buf_puts(out, "null");
    else
        json_quote(out, str_of(m->text));
    if (m->n_calls) {
        buf_puts(out, ",\"tool_calls\":");
        openai_chat_put_calls(out, m->calls, m->n_calls, NULL, NULL);
    }
    buf_putc(out, '}');
}

static void put_result(struct buf *out, const char *id, const char *text)
{
    buf_puts(out, ",{\"role\":\"tool\",\"tool_call_id\":");
    json_quote(out, str_of(id));
    buf_puts(out, ",\"content\":");
    json_quote(out, str_of(text && *text ? text : no_output));
    buf_putc(out, '}');
}

/* One result for each call of message `i`, from the tool messages right behind it. */
static void put_results(struct buf *out, const struct chat_request *rq, size_t i)
{
    const struct chat_message *m = &rq->messages[i];

    for (size_t c = 0; c < m->n_calls; c++) {
        const struct chat_message *found = NULL;
        for (size_t k = i + 1; k < rq->n_messages && rq->messages[k].role == CHAT_TOOL; k++) {
            const char *id = rq->messages[k].call_id;
            if (found == NULL && id && strcmp(id, m->calls[c].id) == 0)
                found = &rq->messages[k];
        }
        put_result(out, m->calls[c].id, found ? found->text : no_result);
    }
}

static void put_messages(struct buf *out, const struct chat_request *rq)
{
    bool first = true;

    buf_puts(out, ",\"messages\":[");
    for (size_t i = 0; i < rq->n_messages; i++) {
        const struct chat_message *m = &rq->messages[i];
        if (m->role == CHAT_TOOL)
            continue; /* written with its call */
        if (!first)
            buf_putc(out, ',');
        first = false;
        if (m->role == CHAT_ASSISTANT) {
            put_assistant(out, m, rq->quirks);
            put_results(out, rq, i);
        } else {
            buf_putf(out,
                     "{\"role\":\"%s\",\"content\":", m->role == CHAT_SYSTEM ? "system" : "user");
            json_quote(out, str_of(m->text));
            buf_putc(out, '}');
        }
    }
    buf_putc(out, ']');
}

static void put_tools(struct buf *out, const struct chat_request *rq)
{
    if (rq->n_tools == 0)
        return;
    buf_puts(out, ",\"tools\":[");
    for (size_t i = 0; i < rq->n_tools; i++) {
        const struct chat_tool *t = &rq->tools[i];
        buf_puts(out, i ? ",{\"type\":\"function\",\"function\":{\"name\":"
                        : "{\"type\":\"function\",\"function\":{\"name\":");
        json_quote(out, str_of(t->name));
        buf_puts(out, ",\"description\":");
        json_quote(out, str_of(t->description));
        buf_puts(out, ",\"parameters\":");
        buf_putstr(out, str_trim(str_of(t->schema)));
        buf_puts(out, "}}");
    }
    buf_putc(out, ']');
    if (!(rq->quirks & CHAT_NO_TOOL_CHOICE))
        buf_puts(out, rq->tools_off ? ",\"tool_choice\":\"none\"" : ",\"tool_choice\":\"auto\"");
}

int openai_chat_encode(const struct chat_request *rq, struct buf *body, struct err *e)
{
    if (rq->model == NULL || *rq->model == '\0')
        return err_set(e, ERR_CONFIG, 0,
                       "no model is named: give one with -m or the setting \"model\"");
    buf_puts(body, "{\"model\":");
    json_quote(body, str_of(rq->model));
    put_messages(body, rq);
    put_tools(body, rq);
    if (rq->stream && !(rq->quirks & CHAT_NO_STREAM)) {
        buf_puts(body, ",\"stream\":true");
        if (!(rq->quirks & CHAT_NO_STREAM_OPTIONS))
            buf_puts(body, ",\"stream_options\":{\"include_usage\":true}");
    }
    if (rq->max_tokens > 0 && !(rq->quirks & CHAT_NO_MAX_TOKENS))
        buf_putf(body, ",\"%s\":%ld",
                 rq->quirks & CHAT_COMPLETION_TOKENS ? "max_completion_tokens" : "max_tokens",
                 rq->max_tokens);
    if (isfinite(rq->temperature) && !(rq->quirks & CHAT_NO_TEMPERATURE))
        buf_putf(body, ",\"temperature\":%.6g", rq->temperature);
    if (rq->quirks & CHAT_EFFORT_NONE)
        buf_puts(body, ",\"reasoning_effort\":\"none\"");
    buf_putc(body, '}');
    if (body->over)
        return err_set(e, ERR_LIMIT, 0, "the conversation is longer than %zu MiB: start a new one",
                       body->max >> 20);
    return 0;
}
