/* Requests in Ollama's own format. The server makes a context window of a fixed size (some 4,000
 * tokens by default) and cuts longer prompts in silence: the beginning goes, with the task in it.
 * So the window is set with each request (num_ctx), by an estimate that errs on the large side; and
 * after each reply the number of tokens that were read is compared with what must have been there.
 * A change of the window makes the server load the model anew, so the window grows by doubling. */
#include "providers/ollama.h"
#include <math.h>
#include <string.h>
#include "agent/base/json.h"
#include "providers/history.h"
#include "providers/structured.h"
#include "agent/base/banned.h"

enum {
    WINDOW_LEAST = 16384,  /* a few cells with their outputs fit */
    WINDOW_MOST = 1 << 20, /* the server lowers it to what the model has */
    REPLY_ROOM = 4096,     /* tokens for the reply when no limit is set */
    IMAGE_TOKENS = 1500,
};

/* Text as tokens, at most: code and numbers have some 2.5 bytes a token. */
static size_t most_tokens(const char *text)
{
    return text ? strlen(text) * 2 / 5 + 8 : 8;
}

long ollama_num_ctx(const struct chat_request *rq)
{
    size_t tokens = rq->max_tokens > 0 ? (size_t)rq->max_tokens : REPLY_ROOM;
    long window = WINDOW_LEAST;

    if (rq->num_ctx > 0)
        return rq->num_ctx;
    for (size_t i = 0; i < rq->n_messages; i++) {
        const struct chat_message *m = &rq->messages[i];
        tokens += most_tokens(m->text) + m->n_images * IMAGE_TOKENS;
        for (size_t c = 0; c < m->n_calls; c++)
            tokens += most_tokens(m->calls[c].args);
    }
    for (size_t i = 0; i < rq->n_tools; i++)
        tokens += most_tokens(rq->tools[i].description) + most_tokens(rq->tools[i].schema);
    while ((size_t)window < tokens && window < WINDOW_MOST)
        window *= 2;
    return window;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Text as tokens, at least: no token spans two words, so each run of letters is one or more. */
static size_t least_tokens(const char *text)
{
    size_t n = 0;

    for (const char *p = text; p && *p; p++)
        n += is_letter(*p) && !is_letter(p[1]);
    return n;
}

void ollama_review(const struct chat_request *rq, const struct chat_turn *t, struct buf *notice)
{
    size_t least = 0;

    for (size_t i = 0; i < rq->n_messages; i++)
        least += least_tokens(rq->messages[i].text);
    if (t->usage.input <= 0 || (size_t)t->usage.input >= least)
        return;
    buf_putf(
        notice,
        "the server has read %lld tokens of a conversation with at least %zu: it cut the "
        "beginning off. Its context window was asked to be %ld tokens; the model may have less "
        "(num_ctx sets it, and a model with a larger window helps)",
        (long long)t->usage.input, least, ollama_num_ctx(rq));
}

static void put_images(struct buf *out, const struct chat_request *rq, const struct chat_message *m)
{
    if (history_images(rq, m) == 0)
        return;
    buf_puts(out, ",\"images\":[");
    for (size_t k = 0; k < history_images(rq, m); k++) {
        if (k)
            buf_putc(out, ',');
        history_put_base64(out, &m->images[k]);
    }
    buf_putc(out, ']');
}

static void put_plain(struct buf *out, const struct chat_request *rq, const char *role,
                      const struct chat_message *m)
{
    buf_putf(out, "{\"role\":\"%s\",\"content\":", role);
    json_quote(out, str_of(m->text));
    put_images(out, rq, m);
    buf_putc(out, '}');
}

static void put_assistant(struct buf *out, const struct chat_request *rq, size_t i)
{
    const struct chat_message *m = &rq->messages[i];

    if (history_raw(rq, m, OLLAMA)) {
        buf_puts(out, m->raw);
        return;
    }
    buf_puts(out, "{\"role\":\"assistant\",\"content\":");
    json_quote(out, str_of(m->text));
    for (size_t c = 0; c < m->n_calls; c++) {
        buf_puts(out, c ? ",{\"id\":" : ",\"tool_calls\":[{\"id\":");
        history_put_id(out, rq, OLLAMA, i, c);
        buf_puts(out, ",\"function\":{\"name\":");
        history_put_name(out, m->calls[c].name);
        buf_putf(out, ",\"arguments\":%s}}", history_args(m->calls[c].args));
    }
    buf_puts(out, m->n_calls ? "]}" : "}");
}

/* Results, and behind all of them the pictures: templates look for pictures in the user's words. */
static void put_results(struct buf *out, const struct chat_request *rq, size_t i)
{
    const struct chat_message *m = &rq->messages[i];

    for (size_t c = 0; c < m->n_calls; c++) {
        const struct chat_message *r = history_result(rq, i, c);
        buf_puts(out, ",{\"role\":\"tool\",\"tool_name\":");
        history_put_name(out, m->calls[c].name);
        buf_puts(out, ",\"tool_call_id\":");
        history_put_id(out, rq, OLLAMA, i, c);
        buf_puts(out, ",\"content\":");
        json_quote(out, str_of(history_result_text(r)));
        buf_putc(out, '}');
    }
    for (size_t c = 0; c < m->n_calls; c++) {
        const struct chat_message *r = history_result(rq, i, c);
        if (history_images(rq, r) == 0)
            continue;
        buf_puts(out, ",{\"role\":\"user\",\"content\":");
        json_quote(out, str_of(HISTORY_IMAGES_FOLLOW));
        put_images(out, rq, r);
        buf_putc(out, '}');
    }
}

static void put_messages(struct buf *out, const struct chat_request *rq)
{
    bool any = false;

    buf_puts(out, ",\"messages\":[");
    for (size_t i = 0; i < rq->n_messages; i++) {
        const struct chat_message *m = &rq->messages[i];
        if (m->role == CHAT_TOOL)
            continue; /* written with its call */
        if (any)
            buf_putc(out, ',');
        any = true;
        if (m->role != CHAT_ASSISTANT) {
            put_plain(out, rq, m->role == CHAT_SYSTEM ? "system" : "user", m);
            continue;
        }
        put_assistant(out, rq, i);
        put_results(out, rq, i);
    }
    buf_putc(out, ']');
}

/* There is no tool_choice: tools that may not be called are not shown. */
static void put_tools(struct buf *out, const struct chat_request *rq)
{
    if (rq->n_tools > 0 && !rq->tools_off)
        history_put_functions(out, rq);
}

/* One family takes levels, all others yes or no. */
static void put_think(struct buf *out, const struct chat_request *rq)
{
    const char *effort = rq->effort;

    if (effort == NULL || (rq->quirks & CHAT_NO_EFFORT))
        return;
    if (strcmp(effort, "none") == 0)
        buf_puts(out, ",\"think\":false");
    else if (strstr(rq->model, "gpt-oss") == NULL)
        buf_puts(out, ",\"think\":true");
    else
        buf_putf(out, ",\"think\":\"%s\"",
                 strcmp(effort, "minimal") == 0 || strcmp(effort, "low") == 0 ? "low"
                 : strcmp(effort, "medium") == 0                              ? "medium"
                                                                              : "high");
}

int ollama_encode(const struct chat_request *rq, struct buf *body, struct err *e)
{
    if (history_need_model(rq, e) < 0)
        return -1;
    buf_puts(body, "{\"model\":");
    json_quote(body, str_of(rq->model));
    put_messages(body, rq);
    put_tools(body, rq);
    put_think(body, rq);
    if (structured_sent(rq, false)) { /* it binds all text, so that no tool could be called */
        buf_puts(body, ",\"format\":");
        buf_puts(body, rq->schema);
    }
    buf_putf(body, ",\"stream\":%s,\"options\":{\"num_ctx\":%ld",
             rq->stream && !(rq->quirks & CHAT_NO_STREAM) ? "true" : "false", ollama_num_ctx(rq));
    if (rq->max_tokens > 0)
        buf_putf(body, ",\"num_predict\":%ld", rq->max_tokens);
    if (isfinite(rq->temperature))
        buf_putf(body, ",\"temperature\":%.6g", rq->temperature);
    buf_puts(body, "}}");
    return history_body_fits(body, e);
}
