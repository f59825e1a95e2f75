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
#include "providers/history.h"
#include "providers/structured.h"
#include "providers/patch.h"
#include "agent/base/banned.h"

void openai_chat_put_call(struct buf *out, const struct chat_call *call, struct str quoted_id,
                          const char *extra)
{
    buf_puts(out, "{\"id\":");
    buf_putstr(out, quoted_id);
    buf_puts(out, ",\"type\":\"function\",\"function\":{\"name\":");
    history_put_name(out, call->name);
    buf_puts(out, ",\"arguments\":");
    json_quote(out, str_of(history_args(call->args)));
    buf_putc(out, '}');
    if (extra)
        buf_putf(out, ",\"extra_content\":%s", extra);
    buf_putc(out, '}');
}

/* DeepSeek's thinking mode refuses a turn with calls that lacks it. */
static const char no_reasoning[] = ",\"reasoning_content\":\"\"}";

/* The assistant's turn as it came, less what this service will not take back. */
static void put_raw(struct buf *out, const struct chat_message *m, unsigned quirks)
{
    struct err ignored = ERR_INIT;

    if (!(quirks & CHAT_NO_REASONING_BACK)) {
        bool lacks = quirks & CHAT_REASONING_BACK && m->n_calls &&
                     !patch_has(str_of(m->raw), "reasoning_content");
        buf_put(out, m->raw, strlen(m->raw) - lacks); /* it ends with its brace */
        buf_puts(out, lacks ? no_reasoning : "");
        return;
    }
    cleanup_json cJSON *j = json_parse_exact(str_of(m->raw), &ignored);
    cJSON_DeleteItemFromObjectCaseSensitive(j, "reasoning_content");
    cJSON_DeleteItemFromObjectCaseSensitive(j, "reasoning_details");
    cleanup_free char *text = j ? json_text(j) : NULL;
    buf_puts(out, text ? text : m->raw);
}

static void put_assistant(struct buf *out, const struct chat_request *rq, size_t i)
{
    const struct chat_message *m = &rq->messages[i];

    if (history_raw(rq, m, OPENAI_CHAT)) {
        put_raw(out, m, rq->quirks);
        return;
    }
    buf_puts(out, "{\"role\":\"assistant\",\"content\":");
    if (m->n_calls && (m->text == NULL || *m->text == '\0'))
        buf_puts(out, "null");
    else
        json_quote(out, str_of(m->text));
    for (size_t c = 0; c < m->n_calls; c++) {
        cleanup_buf struct buf id = BUF_MAX(64 * 1024);
        history_put_id(&id, rq, OPENAI_CHAT, i, c);
        buf_puts(out, c ? "," : ",\"tool_calls\":[");
        openai_chat_put_call(out, &m->calls[c], buf_str(&id), NULL);
    }
    buf_puts(out, m->n_calls ? "]" : "");
    buf_puts(out, m->n_calls && rq->quirks & CHAT_REASONING_BACK ? no_reasoning : "}");
}

static void put_parts(struct buf *out, const struct chat_request *rq, const char *text,
                      const struct chat_message *m)
{
    buf_puts(out, "[{\"type\":\"text\",\"text\":");
    json_quote(out, str_of(text));
    buf_putc(out, '}');
    for (size_t k = 0; k < history_images(rq, m); k++) {
        buf_puts(out, ",{\"type\":\"image_url\",\"image_url\":{\"url\":");
        history_put_data_url(out, &m->images[k]);
        buf_puts(out, "}}");
    }
    buf_putc(out, ']');
}

/* One result for each call of message `i`, from the tool messages right behind it. A tool message
 * holds text only, so pictures follow as a user message, when all results are told. */
static void put_results(struct buf *out, const struct chat_request *rq, size_t i)
{
    const struct chat_message *m = &rq->messages[i];

    for (size_t c = 0; c < m->n_calls; c++) {
        buf_puts(out, ",{\"role\":\"tool\",\"tool_call_id\":");
        history_put_id(out, rq, OPENAI_CHAT, i, c);
        buf_puts(out, ",\"content\":");
        json_quote(out, str_of(history_result_text(history_result(rq, i, c))));
        buf_putc(out, '}');
    }
    for (size_t c = 0; c < m->n_calls; c++) {
        const struct chat_message *r = history_result(rq, i, c);
        if (history_images(rq, r) == 0)
            continue;
        buf_puts(out, ",{\"role\":\"user\",\"content\":");
        put_parts(out, rq, HISTORY_IMAGES_FOLLOW, r);
        buf_putc(out, '}');
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
            put_assistant(out, rq, i);
            put_results(out, rq, i);
        } else {
            buf_putf(out,
                     "{\"role\":\"%s\",\"content\":", m->role == CHAT_SYSTEM ? "system" : "user");
            if (history_images(rq, m))
                put_parts(out, rq, m->text, m);
            else
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
    history_put_functions(out, rq);
    if (!(rq->quirks & CHAT_NO_TOOL_CHOICE))
        buf_puts(out, rq->tools_off ? ",\"tool_choice\":\"none\"" : ",\"tool_choice\":\"auto\"");
}

static void put_schema(struct buf *out, const struct chat_request *rq)
{
    cleanup_buf struct buf b = BUF_MAX(SIZE_MAX / 2);

    if (!structured_sent(rq, true) || !structured_openai(&b, rq->schema))
        return;
    buf_puts(out, ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{");
    buf_putstr(out, str_from(buf_str(&b), 1)); /* without the comma */
    buf_puts(out, "}}");
}

int openai_chat_encode(const struct chat_request *rq, struct buf *body, struct err *e)
{
    if (history_need_model(rq, e) < 0)
        return -1;
    buf_puts(body, "{\"model\":");
    json_quote(body, str_of(rq->model));
    put_messages(body, rq);
    put_tools(body, rq);
    put_schema(body, rq);
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
    if (rq->quirks & CHAT_EFFORT_NONE) {
        buf_puts(body, ",\"reasoning_effort\":\"none\"");
    } else if (rq->effort && !(rq->quirks & CHAT_NO_EFFORT)) {
        buf_puts(body, ",\"reasoning_effort\":");
        json_quote(body, str_of(rq->effort));
    }
    buf_putc(body, '}');
    return history_body_fits(body, e);
}
