/* Requests in the Responses format, without anything kept at the service (store: false): every turn
 * carries the whole conversation, and reasoning travels along in encrypted form. The items of a
 * turn go back in their order, since reasoning without the item that followed it is refused. */
#include "providers/responses.h"
#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/mem.h"
#include "providers/history.h"
#include "providers/structured.h"
#include "agent/base/banned.h"

struct writer {
    struct buf *out;
    bool any;
};

static void next_item(struct writer *w)
{
    if (w->any)
        buf_putc(w->out, ',');
    w->any = true;
}

static void put_image(struct buf *out, const struct chat_image *im)
{
    buf_puts(out, "{\"type\":\"input_image\",\"detail\":\"auto\",\"image_url\":");
    history_put_data_url(out, im);
    buf_putc(out, '}');
}

/* A list of a text and the pictures behind it. */
static void put_parts(struct buf *out, const struct chat_request *rq, const char *text,
                      const struct chat_message *m)
{
    buf_puts(out, "[{\"type\":\"input_text\",\"text\":");
    json_quote(out, str_of(text));
    buf_putc(out, '}');
    for (size_t k = 0; k < history_images(rq, m); k++) {
        buf_putc(out, ',');
        put_image(out, &m->images[k]);
    }
    buf_putc(out, ']');
}

/* The turn as it came; without its reasoning for a service that refuses it, and then without the
 * ids that would ask for it. */
static void put_raw(struct writer *w, const struct chat_request *rq, const char *raw)
{
    struct err ignored = ERR_INIT;
    struct str s = str_trim(str_of(raw));

    if (!(rq->quirks & CHAT_NO_REASONING_BACK)) {
        if (s.n > 2) {
            next_item(w);
            buf_put(w->out, s.p + 1, s.n - 2);
        }
        return;
    }
    cleanup_json cJSON *list = json_parse_exact(s, &ignored);
    for (cJSON *v = list ? list->child : NULL; v; v = v->next) {
        const char *type = json_str(v, "type");
        if (type && strcmp(type, "reasoning") == 0)
            continue;
        cJSON_DeleteItemFromObjectCaseSensitive(v, "id");
        cleanup_free char *text = json_text(v);
        next_item(w);
        buf_puts(w->out, text);
    }
}

static void put_assistant(struct writer *w, const struct chat_request *rq, size_t i)
{
    const struct chat_message *m = &rq->messages[i];

    if (history_raw(rq, m, RESPONSES)) {
        put_raw(w, rq, m->raw);
        return;
    }
    if (!history_blank(m->text)) {
        next_item(w);
        buf_puts(w->out, "{\"role\":\"assistant\",\"content\":");
        json_quote(w->out, str_of(m->text));
        buf_putc(w->out, '}');
    }
    for (size_t c = 0; c < m->n_calls; c++) {
        next_item(w);
        buf_puts(w->out, "{\"type\":\"function_call\",\"call_id\":");
        history_put_id(w->out, rq, RESPONSES, i, c);
        buf_puts(w->out, ",\"name\":");
        history_put_name(w->out, m->calls[c].name);
        buf_puts(w->out, ",\"arguments\":");
        json_quote(w->out, str_of(history_args(m->calls[c].args)));
        buf_putc(w->out, '}');
    }
}

static void put_result(struct writer *w, const struct chat_request *rq, size_t i, size_t c)
{
    const struct chat_message *r = history_result(rq, i, c);

    next_item(w);
    buf_puts(w->out, "{\"type\":\"function_call_output\",\"call_id\":");
    history_put_id(w->out, rq, RESPONSES, i, c);
    buf_puts(w->out, ",\"output\":");
    if (history_images(rq, r))
        put_parts(w->out, rq, history_result_text(r), r);
    else
        json_quote(w->out, str_of(history_result_text(r)));
    buf_putc(w->out, '}');
}

static void put_input(struct buf *out, const struct chat_request *rq)
{
    struct writer w = { out, false };

    buf_puts(out, ",\"input\":[");
    for (size_t i = 0; i < rq->n_messages; i++) {
        const struct chat_message *m = &rq->messages[i];
        if (m->role == CHAT_USER) {
            next_item(&w);
            buf_puts(out, "{\"role\":\"user\",\"content\":");
            put_parts(out, rq, m->text, m);
            buf_putc(out, '}');
        } else if (m->role == CHAT_ASSISTANT) {
            put_assistant(&w, rq, i);
            for (size_t c = 0; c < m->n_calls; c++)
                put_result(&w, rq, i, c);
        }
    }
    buf_putc(out, ']');
}

static void put_instructions(struct buf *out, const struct chat_request *rq)
{
    cleanup_buf struct buf all = BUF_MAX(SIZE_MAX / 2);

    for (size_t i = 0; i < rq->n_messages; i++) {
        if (rq->messages[i].role != CHAT_SYSTEM || history_blank(rq->messages[i].text))
            continue;
        buf_puts(&all, all.n ? "\n\n" : "");
        buf_puts(&all, rq->messages[i].text);
    }
    if (all.n == 0)
        return;
    buf_puts(out, ",\"instructions\":");
    json_quote(out, buf_str(&all));
}

/* `strict` must be said: here its default is true, which permits no optional argument. */
static void put_tools(struct buf *out, const struct chat_request *rq)
{
    if (rq->n_tools == 0)
        return;
    buf_puts(out, ",\"tools\":[");
    for (size_t i = 0; i < rq->n_tools; i++) {
        buf_puts(out, i ? ",{\"type\":\"function\",\"name\":" : "{\"type\":\"function\",\"name\":");
        json_quote(out, str_of(rq->tools[i].name));
        buf_puts(out, ",\"description\":");
        json_quote(out, str_of(rq->tools[i].description));
        buf_puts(out, ",\"strict\":false,\"parameters\":");
        buf_putstr(out, str_trim(str_of(rq->tools[i].schema)));
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
    if (!(rq->quirks & CHAT_NO_TOOL_CHOICE))
        buf_puts(out, rq->tools_off ? ",\"tool_choice\":\"none\"" : ",\"tool_choice\":\"auto\"");
}

static void put_reasoning(struct buf *out, const struct chat_request *rq)
{
    bool effort = rq->effort && !(rq->quirks & CHAT_NO_EFFORT);
    bool summary = rq->show_reasoning && !(rq->quirks & CHAT_NO_SUMMARY);

    if (!(rq->quirks & CHAT_NO_INCLUDE))
        buf_puts(out, ",\"include\":[\"reasoning.encrypted_content\"]");
    if (!effort && !summary)
        return;
    buf_puts(out, ",\"reasoning\":{");
    if (effort) {
        buf_puts(out, "\"effort\":");
        json_quote(out, str_of(rq->effort));
    }
    if (summary)
        buf_puts(out, effort ? ",\"summary\":\"auto\"" : "\"summary\":\"auto\"");
    buf_putc(out, '}');
}

static void put_schema(struct buf *out, const struct chat_request *rq)
{
    cleanup_buf struct buf b = BUF_MAX(SIZE_MAX / 2);

    if (!structured_sent(rq, true) || !structured_openai(&b, rq->schema))
        return;
    buf_puts(out, ",\"text\":{\"format\":{\"type\":\"json_schema\"");
    buf_putstr(out, buf_str(&b));
    buf_puts(out, "}}");
}

int responses_encode(const struct chat_request *rq, struct buf *body, struct err *e)
{
    if (history_need_model(rq, e) < 0)
        return -1;
    buf_puts(body, "{\"model\":");
    json_quote(body, str_of(rq->model));
    put_instructions(body, rq);
    put_input(body, rq);
    put_tools(body, rq);
    put_reasoning(body, rq);
    put_schema(body, rq);
    buf_puts(body, ",\"store\":false");
    if (rq->stream && !(rq->quirks & CHAT_NO_STREAM))
        buf_puts(body, ",\"stream\":true");
    if (rq->max_tokens > 0 && !(rq->quirks & CHAT_NO_MAX_TOKENS)) /* its least is 16 */
        buf_putf(body, ",\"max_output_tokens\":%ld", rq->max_tokens < 16 ? 16 : rq->max_tokens);
    if (isfinite(rq->temperature) && !(rq->quirks & CHAT_NO_TEMPERATURE))
        buf_putf(body, ",\"temperature\":%.6g", rq->temperature);
    buf_putc(body, '}');
    return history_body_fits(body, e);
}
