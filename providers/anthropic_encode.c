/* Requests in Anthropic's format. Its rules:
 *   - the system prompt is no message; messages of one role in a row are one message;
 *   - the results of a turn are all in the next user message, before any text;
 *   - text that is empty or white space is refused, wherever it is;
 *   - thinking blocks go back as they came, in their place (they are in the raw form).
 * The prompt cache is marked twice: behind the system prompt (with the tools, the part that never
 * changes) and at the end of the conversation so far, where the next request will begin. */
#include "providers/anthropic.h"
#include <math.h>
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/mem.h"
#include "providers/history.h"
#include "providers/structured.h"
#include "agent/base/banned.h"

static const char cache_mark[] = ",\"cache_control\":{\"type\":\"ephemeral\"}";

/* The messages as they are written: one is open, of this role, with so many blocks. */
struct writer {
    struct buf *out;
    const char *role; /* NULL = none is open */
};

/* Where the next block of `role` goes: into the open message, or into a new one. */
static void next_block(struct writer *w, const char *role)
{
    if (w->role && strcmp(w->role, role) == 0) {
        buf_putc(w->out, ',');
        return;
    }
    buf_putf(w->out, "%s{\"role\":\"%s\",\"content\":[", w->role ? "]}," : "", role);
    w->role = role;
}

static void put_text(struct writer *w, const char *role, const char *text)
{
    if (history_blank(text))
        return;
    next_block(w, role);
    buf_puts(w->out, "{\"type\":\"text\",\"text\":");
    json_quote(w->out, str_of(text));
    buf_putc(w->out, '}');
}

static void put_image(struct buf *out, const struct chat_image *im)
{
    buf_putf(out,
             "{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"%s\",\"data\":",
             im->mime);
    history_put_base64(out, im);
    buf_puts(out, "}}");
}

static void put_result(struct writer *w, const struct chat_request *rq, size_t i, size_t c)
{
    const struct chat_message *r = history_result(rq, i, c);

    next_block(w, "user");
    buf_puts(w->out, "{\"type\":\"tool_result\",\"tool_use_id\":");
    history_put_id(w->out, rq, ANTHROPIC, i, c);
    buf_puts(w->out, ",\"content\":[{\"type\":\"text\",\"text\":");
    json_quote(w->out, str_of(history_result_text(r)));
    buf_putc(w->out, '}');
    for (size_t k = 0; k < history_images(rq, r); k++) {
        buf_putc(w->out, ',');
        put_image(w->out, &r->images[k]);
    }
    buf_putc(w->out, ']');
    if (r == NULL || r->is_error)
        buf_puts(w->out, ",\"is_error\":true");
    buf_putc(w->out, '}');
}

static void put_assistant(struct writer *w, const struct chat_request *rq, size_t i)
{
    const struct chat_message *m = &rq->messages[i];

    if (history_raw(rq, m, ANTHROPIC)) {
        struct str raw = str_trim(str_of(m->raw));
        if (raw.n > 2) { /* the blocks, without the brackets around them */
            next_block(w, "assistant");
            buf_put(w->out, raw.p + 1, raw.n - 2);
        }
        return;
    }
    put_text(w, "assistant", m->text);
    for (size_t c = 0; c < m->n_calls; c++) {
        next_block(w, "assistant");
        buf_puts(w->out, "{\"type\":\"tool_use\",\"id\":");
        history_put_id(w->out, rq, ANTHROPIC, i, c);
        buf_puts(w->out, ",\"name\":");
        history_put_name(w->out, m->calls[c].name);
        buf_putf(w->out, ",\"input\":%s}", history_args(m->calls[c].args));
    }
}

static void put_messages(struct buf *out, const struct chat_request *rq)
{
    struct writer w = { out, NULL };

    buf_puts(out, ",\"messages\":[");
    for (size_t i = 0; i < rq->n_messages; i++) {
        const struct chat_message *m = &rq->messages[i];
        if (m->role == CHAT_USER) {
            put_text(&w, "user", m->text);
            for (size_t k = 0; k < history_images(rq, m); k++) {
                next_block(&w, "user");
                put_image(out, &m->images[k]);
            }
        } else if (m->role == CHAT_ASSISTANT) {
            put_assistant(&w, rq, i);
            for (size_t c = 0; c < m->n_calls; c++)
                put_result(&w, rq, i, c);
        }
    }
    if (w.role && strcmp(w.role, "user") == 0 && !(rq->quirks & CHAT_NO_CACHE_MARK)) {
        out->n--; /* into the last block, before its brace */
        buf_puts(out, cache_mark);
        buf_putc(out, '}');
    }
    buf_puts(out, w.role ? "]}]" : "]");
}

static void put_system(struct buf *out, const struct chat_request *rq)
{
    bool any = false;

    for (size_t i = 0; i < rq->n_messages; i++) {
        const struct chat_message *m = &rq->messages[i];
        if (m->role != CHAT_SYSTEM || history_blank(m->text))
            continue;
        buf_puts(out, any ? ",{\"type\":\"text\",\"text\":"
                          : ",\"system\":[{\"type\":\"text\",\"text\":");
        json_quote(out, str_of(m->text));
        buf_putc(out, '}');
        any = true;
    }
    if (any && !(rq->quirks & CHAT_NO_CACHE_MARK)) {
        out->n--;
        buf_puts(out, cache_mark);
        buf_putc(out, '}');
    }
    if (any)
        buf_putc(out, ']');
}

static void put_tools(struct buf *out, const struct chat_request *rq)
{
    if (rq->n_tools == 0)
        return;
    buf_puts(out, ",\"tools\":[");
    for (size_t i = 0; i < rq->n_tools; i++) {
        buf_puts(out, i ? ",{\"name\":" : "{\"name\":");
        json_quote(out, str_of(rq->tools[i].name));
        buf_puts(out, ",\"description\":");
        json_quote(out, str_of(rq->tools[i].description));
        buf_puts(out, ",\"input_schema\":");
        buf_putstr(out, str_trim(str_of(rq->tools[i].schema)));
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
    if (!(rq->quirks & CHAT_NO_TOOL_CHOICE))
        buf_putf(out, ",\"tool_choice\":{\"type\":\"%s\"}", rq->tools_off ? "none" : "auto");
}

static bool named(const char *model, const char *const *parts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strstr(model, parts[i]))
            return true;
    return false;
}

/* The format requires a limit. What is not said is set to what every model of the family takes;
 * whole replies (not streamed) have less, since services cut connections that stay silent. */
static long reply_limit(const struct chat_request *rq)
{
    static const char *const oldest[] = { "claude-3-haiku", "claude-3-opus", "claude-3-sonnet" };

    if (rq->max_tokens > 0)
        return rq->max_tokens;
    if (named(rq->model, oldest, ARRAY_LEN(oldest)))
        return 4096;
    if (strstr(rq->model, "claude-3"))
        return 8192;
    return rq->stream ? 32000 : 16000;
}

/* A turn of this tool loop that came without its thinking (another service made it) may not be
 * continued with thinking switched on by a budget. */
static bool loop_is_foreign(const struct chat_request *rq)
{
    for (size_t i = rq->n_messages; i-- > 0 && rq->messages[i].role != CHAT_USER;)
        if (rq->messages[i].n_calls && !history_raw(rq, &rq->messages[i], ANTHROPIC))
            return true;
    return false;
}

/* Older models take a budget of tokens, newer ones an effort, whose member then goes to `output`.
 * Returns whether thinking is on. */
static bool put_thinking(struct buf *out, struct buf *output, const struct chat_request *rq,
                         long limit)
{
    static const char *const by_budget[] = { "claude-3", "sonnet-4-5", "haiku-4-5",
                                             "opus-4-5", "opus-4-1",   "sonnet-4-0",
                                             "opus-4-0", "sonnet-4-2", "opus-4-2025" };
    static const struct {
        const char *effort, *as;
        long budget;
    } levels[] = { { "minimal", "low", 1024 },   { "low", "low", 2048 },
                   { "medium", "medium", 8192 }, { "high", "high", 16384 },
                   { "xhigh", "xhigh", 24576 },  { "max", "max", 31000 } };

    if (rq->effort == NULL || (rq->quirks & CHAT_NO_EFFORT))
        return false;
    if (strcmp(rq->effort, "none") == 0) {
        buf_puts(out, ",\"thinking\":{\"type\":\"disabled\"}");
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
        long budget = levels[i].budget;
        if (strcmp(rq->effort, levels[i].effort) != 0)
            continue;
        if (!named(rq->model, by_budget, ARRAY_LEN(by_budget))) {
            buf_putf(out, ",\"thinking\":{\"type\":\"adaptive\"%s}",
                     rq->show_reasoning ? ",\"display\":\"summarized\"" : "");
            buf_putf(output, ",\"effort\":\"%s\"", levels[i].as);
            return true;
        }
        if (budget > limit / 2)
            budget = limit / 2; /* the rest is for the answer */
        if (budget < 1024 || loop_is_foreign(rq))
            return false;
        buf_putf(out, ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":%ld}", budget);
        return true;
    }
    return false;
}

/* What the reply is to be: `output` holds members, each with a comma before it. */
static void put_output(struct buf *out, struct buf *output, const struct chat_request *rq)
{
    cleanup_buf struct buf schema = BUF_MAX(SIZE_MAX / 2);

    if (structured_sent(rq, true) && structured_anthropic(&schema, rq->schema)) {
        buf_puts(output, ",\"format\":{\"type\":\"json_schema\",\"schema\":");
        buf_putstr(output, buf_str(&schema));
        buf_putc(output, '}');
    }
    if (output->n == 0)
        return;
    buf_puts(out, ",\"output_config\":{");
    buf_putstr(out, str_from(buf_str(output), 1));
    buf_putc(out, '}');
}

int anthropic_encode(const struct chat_request *rq, struct buf *body, struct err *e)
{
    cleanup_buf struct buf output = BUF_MAX(SIZE_MAX / 2);

    if (history_need_model(rq, e) < 0)
        return -1;
    long limit = reply_limit(rq);
    buf_puts(body, "{\"model\":");
    json_quote(body, str_of(rq->model));
    buf_putf(body, ",\"max_tokens\":%ld", limit);
    put_system(body, rq);
    put_messages(body, rq);
    put_tools(body, rq);
    bool thinks = put_thinking(body, &output, rq, limit);
    put_output(body, &output, rq);
    if (rq->stream && !(rq->quirks & CHAT_NO_STREAM))
        buf_puts(body, ",\"stream\":true");
    if (isfinite(rq->temperature) && !thinks && !(rq->quirks & CHAT_NO_TEMPERATURE))
        buf_putf(body, ",\"temperature\":%.6g", rq->temperature > 1 ? 1 : rq->temperature);
    buf_putc(body, '}');
    return history_body_fits(body, e);
}
