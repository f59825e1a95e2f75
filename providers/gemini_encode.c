/* Requests in Gemini's format. Its rules:
 *   - the model and the mode are in the path, not in the body;
 *   - there are two roles, user and model; the results of a turn are together in the next user
 *     message, as many as there were calls;
 *   - a call has an id only when the service gave one, and then its result has the same;
 *   - the first call of a step carries a thoughtSignature. A step that another service made has
 *     none: the documented word in its place tells the service not to look for it. */
#include "providers/gemini.h"
#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/mem.h"
#include "providers/history.h"
#include "providers/structured.h"
#include "agent/base/banned.h"

static const char no_signature[] = ",\"thoughtSignature\":\"skip_thought_signature_validator\"";

static bool model_is(const struct chat_request *rq, const char *front)
{
    const char *m = rq->model;

    if (strncmp(m, "models/", 7) == 0)
        m += 7;
    return strncmp(m, front, strlen(front)) == 0;
}

void gemini_path(const struct chat_request *rq, struct buf *out)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-/";
    const char *m = rq->model ? rq->model : "";

    buf_puts(out, strchr(m, '/') ? "/v1beta/" : "/v1beta/models/");
    for (; *m; m++) {
        if (strchr(plain, *m))
            buf_putc(out, *m);
        else
            buf_putf(out, "%%%02X", (unsigned char)*m);
    }
    buf_puts(out, rq->stream ? ":streamGenerateContent?alt=sse" : ":generateContent");
}

struct writer {
    struct buf *out;
    const char *role; /* NULL = no content is open */
};

static void next_part(struct writer *w, const char *role)
{
    if (w->role && strcmp(w->role, role) == 0) {
        buf_putc(w->out, ',');
        return;
    }
    buf_putf(w->out, "%s{\"role\":\"%s\",\"parts\":[", w->role ? "]}," : "", role);
    w->role = role;
}

static void put_text(struct writer *w, const char *role, const char *text)
{
    if (history_blank(text))
        return;
    next_part(w, role);
    buf_puts(w->out, "{\"text\":");
    json_quote(w->out, str_of(text));
    buf_putc(w->out, '}');
}

static void put_image(struct buf *out, const struct chat_image *im)
{
    buf_putf(out, "{\"inlineData\":{\"mimeType\":\"%s\",\"data\":", im->mime);
    history_put_base64(out, im);
    buf_puts(out, "}}");
}

/* The id that the service itself gave call `c` of a raw turn. */
static const char *own_id(const cJSON *raw, size_t c)
{
    const cJSON *part;

    cJSON_ArrayForEach(part, raw)
    {
        const cJSON *call = json_obj(part, "functionCall");
        if (call && c-- == 0)
            return json_str(call, "id");
    }
    return NULL;
}

static void put_result(struct writer *w, const struct chat_request *rq, size_t i, size_t c,
                       const cJSON *raw)
{
    const struct chat_message *r = history_result(rq, i, c);
    const char *id = own_id(raw, c);
    /* From Gemini 3 on pictures belong into the result; before, they stand beside it. */
    bool inside = !model_is(rq, "gemini-1") && !model_is(rq, "gemini-2");
    size_t n_images = history_images(rq, r);

    next_part(w, "user");
    buf_puts(w->out, "{\"functionResponse\":{\"name\":");
    history_put_name(w->out, rq->messages[i].calls[c].name);
    if (id) {
        buf_puts(w->out, ",\"id\":");
        json_quote(w->out, str_of(id));
    }
    buf_putf(w->out, ",\"response\":{\"%s\":", r == NULL || r->is_error ? "error" : "output");
    json_quote(w->out, str_of(history_result_text(r)));
    buf_putc(w->out, '}');
    for (size_t k = 0; inside && k < n_images; k++) {
        buf_puts(w->out, k ? "," : ",\"parts\":[");
        put_image(w->out, &r->images[k]);
    }
    buf_puts(w->out, inside && n_images ? "]}}" : "}}");
}

/* All results first: nothing may stand between them. */
static void put_results(struct writer *w, const struct chat_request *rq, size_t i)
{
    const struct chat_message *m = &rq->messages[i];
    struct err ignored = ERR_INIT;
    cleanup_json cJSON *raw =
        history_raw(rq, m, GEMINI) ? json_parse_exact(str_of(m->raw), &ignored) : NULL;

    for (size_t c = 0; c < m->n_calls; c++)
        put_result(w, rq, i, c, raw);
    if (!model_is(rq, "gemini-1") && !model_is(rq, "gemini-2"))
        return;
    for (size_t c = 0; c < m->n_calls; c++) {
        const struct chat_message *r = history_result(rq, i, c);
        for (size_t k = 0; k < history_images(rq, r); k++) {
            next_part(w, "user");
            put_image(w->out, &r->images[k]);
        }
    }
}

static void put_model_turn(struct writer *w, const struct chat_request *rq, size_t i)
{
    const struct chat_message *m = &rq->messages[i];

    if (history_raw(rq, m, GEMINI)) {
        struct str raw = str_trim(str_of(m->raw));
        if (raw.n > 2) {
            next_part(w, "model");
            buf_put(w->out, raw.p + 1, raw.n - 2);
        }
        return;
    }
    put_text(w, "model", m->text);
    for (size_t c = 0; c < m->n_calls; c++) {
        next_part(w, "model");
        buf_puts(w->out, "{\"functionCall\":{\"name\":");
        history_put_name(w->out, m->calls[c].name);
        buf_putf(w->out, ",\"args\":%s}", history_args(m->calls[c].args));
        if (c == 0 && !model_is(rq, "gemini-1") && !model_is(rq, "gemini-2"))
            buf_puts(w->out, no_signature);
        buf_putc(w->out, '}');
    }
}

static void put_contents(struct buf *out, const struct chat_request *rq)
{
    struct writer w = { out, NULL };

    buf_puts(out, "\"contents\":[");
    for (size_t i = 0; i < rq->n_messages; i++) {
        const struct chat_message *m = &rq->messages[i];
        if (m->role == CHAT_USER) {
            put_text(&w, "user", m->text);
            for (size_t k = 0; k < history_images(rq, m); k++) {
                next_part(&w, "user");
                put_image(out, &m->images[k]);
            }
        } else if (m->role == CHAT_ASSISTANT) {
            put_model_turn(&w, rq, i);
            put_results(&w, rq, i);
        }
    }
    buf_puts(out, w.role ? "]}]" : "]");
}

static void put_system(struct buf *out, const struct chat_request *rq)
{
    bool any = false;

    for (size_t i = 0; i < rq->n_messages; i++) {
        if (rq->messages[i].role != CHAT_SYSTEM || history_blank(rq->messages[i].text))
            continue;
        buf_puts(out, any ? ",{\"text\":" : ",\"systemInstruction\":{\"parts\":[{\"text\":");
        json_quote(out, str_of(rq->messages[i].text));
        buf_putc(out, '}');
        any = true;
    }
    if (any)
        buf_puts(out, "]}");
}

static void put_tools(struct buf *out, const struct chat_request *rq)
{
    if (rq->n_tools == 0)
        return;
    buf_puts(out, ",\"tools\":[{\"functionDeclarations\":[");
    for (size_t i = 0; i < rq->n_tools; i++) {
        buf_puts(out, i ? ",{\"name\":" : "{\"name\":");
        json_quote(out, str_of(rq->tools[i].name));
        buf_puts(out, ",\"description\":");
        json_quote(out, str_of(rq->tools[i].description));
        buf_puts(out, ",\"parametersJsonSchema\":");
        buf_putstr(out, str_trim(str_of(rq->tools[i].schema)));
        buf_putc(out, '}');
    }
    buf_puts(out, "]}]");
    if (!(rq->quirks & CHAT_NO_TOOL_CHOICE))
        buf_putf(out, ",\"toolConfig\":{\"functionCallingConfig\":{\"mode\":\"%s\"}}",
                 rq->tools_off ? "NONE" : "AUTO");
}

/* Gemini 2.5 takes a budget of tokens, later models a level; earlier ones do not think. */
static void put_thinking(struct buf *out, const struct chat_request *rq)
{
    static const struct {
        const char *effort, *level;
        int budget;
    } levels[] = { { "none", "MINIMAL", 0 },  { "minimal", "MINIMAL", 512 },
                   { "low", "LOW", 1024 },    { "medium", "MEDIUM", 8192 },
                   { "high", "HIGH", 24576 }, { "xhigh", "HIGH", 24576 },
                   { "max", "HIGH", 24576 } };
    bool old = model_is(rq, "gemini-1") || model_is(rq, "gemini-2.0"),
         budget = model_is(rq, "gemini-2");
    bool pro = strstr(rq->model, "-pro") != NULL, any = false;

    if (old)
        return;
    for (size_t i = 0; rq->effort && !(rq->quirks & CHAT_NO_EFFORT) && i < ARRAY_LEN(levels); i++) {
        if (strcmp(rq->effort, levels[i].effort) != 0)
            continue;
        buf_puts(out, ",\"thinkingConfig\":{");
        any = true;
        if (budget) /* the larger models cannot be kept from thinking */
            buf_putf(out, "\"thinkingBudget\":%d",
                     pro && levels[i].budget < 128 ? 128 : levels[i].budget);
        else
            buf_putf(out, "\"thinkingLevel\":\"%s\"",
                     pro && strcmp(levels[i].level, "MINIMAL") == 0 ? "LOW" : levels[i].level);
    }
    if (rq->show_reasoning && !(rq->quirks & CHAT_NO_SUMMARY)) {
        buf_puts(out, any ? "," : ",\"thinkingConfig\":{");
        buf_puts(out, "\"includeThoughts\":true");
        any = true;
    }
    if (any)
        buf_putc(out, '}');
}

static void put_config(struct buf *out, const struct chat_request *rq)
{
    cleanup_buf struct buf c = BUF_MAX(SIZE_MAX / 2);

    if (rq->max_tokens > 0 && !(rq->quirks & CHAT_NO_MAX_TOKENS))
        buf_putf(&c, ",\"maxOutputTokens\":%ld", rq->max_tokens);
    if (isfinite(rq->temperature) && !(rq->quirks & CHAT_NO_TEMPERATURE))
        buf_putf(&c, ",\"temperature\":%.6g", rq->temperature);
    put_thinking(&c, rq);
    /* Up to Gemini 2.5 a reply's type beside tools is refused. */
    if (structured_sent(rq, !model_is(rq, "gemini-1") && !model_is(rq, "gemini-2"))) {
        buf_puts(&c, ",\"responseMimeType\":\"application/json\",\"responseJsonSchema\":");
        buf_puts(&c, rq->schema);
    }
    if (c.n == 0)
        return;
    buf_puts(out, ",\"generationConfig\":{");
    buf_putstr(out, str_from(buf_str(&c), 1));
    buf_putc(out, '}');
}

int gemini_encode(const struct chat_request *rq, struct buf *body, struct err *e)
{
    if (history_need_model(rq, e) < 0)
        return -1;
    buf_putc(body, '{');
    put_contents(body, rq);
    put_system(body, rq);
    put_tools(body, rq);
    put_config(body, rq);
    buf_putc(body, '}');
    return history_body_fits(body, e);
}
