#include "providers/quirk.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/mem.h"
#include "providers/patch.h"
#include "providers/services.h"
#include "agent/base/banned.h"

static const struct {
    const char *member; /* as the wire calls it */
    unsigned flag;
} members[] = {
    { "stream_options", CHAT_NO_STREAM_OPTIONS },
    { "temperature", CHAT_NO_TEMPERATURE },
    { "tool_choice", CHAT_NO_TOOL_CHOICE },
    { "reasoning_content", CHAT_NO_REASONING_BACK },
    { "reasoning_details", CHAT_NO_REASONING_BACK },
    { "stream", CHAT_NO_STREAM },
    { "include", CHAT_NO_INCLUDE },
    { "reasoning.summary", CHAT_NO_SUMMARY },
    { "reasoning.effort", CHAT_NO_EFFORT },
    { "reasoning_effort", CHAT_NO_EFFORT },
    { "thinking", CHAT_NO_EFFORT },
    { "cache_control", CHAT_NO_CACHE_MARK },
};

void quirk_init(struct quirks *q, unsigned known, const char *base_url)
{
    const struct service *s = known || base_url == NULL ? NULL : service_at(base_url);

    *q = (struct quirks){ .set = s ? s->quirks : known };
}

static bool is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool has_word(const char *text, const char *word)
{
    size_t n = strlen(word);

    for (const char *p = text; (p = strstr(p, word)) != NULL; p += n)
        if ((p == text || !is_word_char(p[-1])) && !is_word_char(p[n]))
            return true;
    return false;
}

/* "param" when the service fills it in (perhaps with a path), else its words. "stream" and
 * "include" are everyday words, so they count only as a param or in quotes. */
static bool names(const struct errbody *b, const char *member)
{
    if (b->param[0])
        return has_word(b->param, member);
    if (strcmp(member, "stream") != 0 && strcmp(member, "include") != 0)
        return has_word(b->text, member);
    size_t n = strlen(member);
    for (const char *p = b->text; (p = strstr(p, member)) != NULL; p += n)
        if (p > b->text && strchr("'\"`", p[-1]) && p[n] == p[-1])
            return true;
    return false;
}

/* Does it say that the member as such is unwanted, and not that its value is too large, say? */
static bool unwanted(const struct errbody *b)
{
    static const char *const codes[] = { "unsupported_parameter", "unsupported_value",
                                         "unknown_parameter", "extra_forbidden" };
    static const char *const words[] = { "not supported", "unsupported",      "unknown",
                                         "unrecognized",  "not permitted",    "extra inputs",
                                         "extra fields",  "does not support", "not allowed",
                                         "unexpected",    "deprecated",       "only supports" };

    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        if (!strcmp(b->code, codes[i]) || !strcmp(b->type, codes[i]))
            return true;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcasestr(b->text, words[i]))
            return true;
    return false;
}

static bool was_sent(const struct chat_request *rq, unsigned flag)
{
    if (rq->quirks & flag)
        return false;
    switch (flag) {
    case CHAT_NO_STREAM:
    case CHAT_NO_STREAM_OPTIONS:
        return rq->stream;
    case CHAT_NO_TEMPERATURE:
        return isfinite(rq->temperature);
    case CHAT_NO_TOOL_CHOICE:
        return rq->n_tools > 0;
    case CHAT_NO_SUMMARY:
        return rq->show_reasoning;
    case CHAT_NO_EFFORT:
        return rq->effort != NULL;
    default:
        return true;
    }
}

static bool learn_tokens(struct quirks *q, const struct chat_request *sent, const struct errbody *b,
                         char *notice, size_t size)
{
    bool is_new = sent->quirks & CHAT_COMPLETION_TOKENS;
    const char *name = is_new ? "max_completion_tokens" : "max_tokens";

    if (sent->max_tokens <= 0 || sent->quirks & CHAT_NO_MAX_TOKENS || !names(b, name))
        return false;
    q->refused |= is_new ? 2u : 1u;
    if (q->refused == 3) {
        q->set |= CHAT_NO_MAX_TOKENS;
        snprintf(notice, size,
                 "the service takes no limit on the reply's tokens: left out from now on");
    } else {
        q->set ^= CHAT_COMPLETION_TOKENS;
        snprintf(notice, size, "the service does not take %s: sent as %s from now on", name,
                 is_new ? "max_tokens" : "max_completion_tokens");
    }
    return true;
}

/* "image input is not supported", "does not support images", "unknown variant `image_url`", "no
 * endpoints found that support image input": any refusal of a request with pictures that speaks of
 * them. What is learnt is that this model looks at none. */
static bool learn_images(struct quirks *q, const struct chat_request *sent, const struct errbody *b,
                         char *notice, size_t size)
{
    bool any = false;

    for (size_t i = 0; i < sent->n_messages; i++)
        any = any || sent->messages[i].n_images;
    if (!any || (sent->quirks & CHAT_NO_IMAGES) ||
        (!strcasestr(b->text, "image") && !strcasestr(b->text, "vision") &&
         !strcasestr(b->text, "multimodal") && !strcasestr(b->param, "image")))
        return false;
    q->set |= CHAT_NO_IMAGES;
    snprintf(notice, size, "the service does not take the pictures (%.100s): left out from now on",
             b->text);
    return true;
}

/* Refusals of structured output: of the member, of its combination with tools, of the schema. */
static bool learn_schema(struct quirks *q, const struct chat_request *sent, const struct errbody *b,
                         char *notice, size_t size)
{
    static const char *const words[] = { "response_format",
                                         "json_schema",
                                         "text.format",
                                         "output_config.format",
                                         "output_format",
                                         "output format",
                                         "responseJsonSchema",
                                         "response_json_schema",
                                         "responseMimeType",
                                         "response mime type",
                                         "response_schema",
                                         "structured output",
                                         "json mode",
                                         "json schema",
                                         "grammar" };
    bool tools = sent->n_tools > 0 && !sent->tools_off && !(sent->quirks & CHAT_SCHEMA_ALONE);
    bool hit = false;

    if (sent->schema == NULL || (sent->quirks & CHAT_NO_SCHEMA))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        hit = hit || strcasestr(b->text, words[i]) || strcasestr(b->param, words[i]);
    if (!hit)
        return false;
    tools = tools && (strcasestr(b->text, "tool") || strcasestr(b->text, "function"));
    q->set |= tools ? CHAT_SCHEMA_ALONE : CHAT_NO_SCHEMA;
    snprintf(notice, size,
             tools ? "the service takes no schema beside tools: the answer is checked here"
                   : "the service does not take the schema (%.80s): the answer is checked here",
             b->text);
    return true;
}

/* Words by which services refuse the opaque state of an earlier turn: their own, made useless by
 * another key or route, or by a history that was cut. */
static bool learn_state(struct quirks *q, const struct chat_request *sent, const struct errbody *b,
                        char *notice, size_t size)
{
    static const char *const words[] = { "thought signature", "thought_signature",
                                         "redacted_thinking", "without its required following item",
                                         "encrypted content", "encrypted_content" };

    if (strcasestr(b->text, "must be a-z, A-Z, 0-9, with a length of 9") &&
        !(sent->quirks & CHAT_SHORT_IDS)) {
        q->set |= CHAT_SHORT_IDS;
        snprintf(notice, size, "the service wants short call ids: sent so from now on");
        return true;
    }
    if (strstr(b->text, "reasoning_content") && !(sent->quirks & CHAT_REASONING_BACK) &&
        (strcasestr(b->text, "must be passed back") || strcasestr(b->text, "missing"))) {
        q->set = (q->set & ~(unsigned)CHAT_NO_REASONING_BACK) | CHAT_REASONING_BACK;
        snprintf(notice, size, "the service wants its reasoning back: sent from now on");
        return true;
    }
    bool include = !strcmp(b->param, "include") || has_word(b->text, "include");
    for (size_t i = 0; i < ARRAY_LEN(words) && !include; i++) {
        if (!strcasestr(b->text, words[i]) || sent->quirks & CHAT_PLAIN_HISTORY)
            continue;
        q->set |= CHAT_PLAIN_HISTORY;
        snprintf(notice, size,
                 "the service refuses the state of earlier turns: sent without it from now on");
        return true;
    }
    return false;
}

/* "max_tokens: 32000 > 8192, which is the maximum...", "This model supports at most 16384
 * completion tokens": the number that it takes. */
static bool learn_cap(struct quirks *q, const struct chat_request *sent, const struct errbody *b,
                      char *notice, size_t size)
{
    static const char *const before[] = { " > ", "supports at most ", "less than or equal to ",
                                          "or equal to `" };
    long cap = 0;

    if (sent->max_tokens == 1 || !strstr(b->text, "max_") || !strstr(b->text, "tokens"))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(before) && cap == 0; i++) {
        const char *p = strstr(b->text, before[i]);
        if (p)
            cap = strtol(p + strlen(before[i]), NULL, 10);
    }
    /* 0 is the codec's own choice, where the format must have a number. */
    if (cap <= 0 || (sent->max_tokens > 0 && cap >= sent->max_tokens) ||
        (q->max_tokens > 0 && cap >= q->max_tokens))
        return false;
    q->max_tokens = cap;
    snprintf(notice, size,
             "the model's replies have at most %ld tokens: asked for that from now on", cap);
    return true;
}

bool quirk_member(long status, const struct errbody *b, struct str sent, char *name, size_t size)
{
    /* Without these there is no question, or not the one that was meant. */
    static const char *const needed[] = { "model",  "messages",          "input",        "contents",
                                          "system", "systemInstruction", "instructions", "tools" };
    const char *from = b->param, *end;
    cleanup_buf struct buf text = BUF_MAX(2000);

    if ((status != 400 && status != 422) || !unwanted(b))
        return false;
    /* Without a param, the first word in quotes: "Unknown parameter: 'x'", "x: Extra inputs ...".
     */
    if (from[0] == '\0') {
        size_t n = strcspn(b->text, "'\"`");
        const char *colon = strchr(b->text, ':');
        if (colon && strstr(colon, "xtra inputs") &&
            memchr(b->text, ' ', (size_t)(colon - b->text)) == NULL)
            from = b->text;
        else if (b->text[n])
            from = b->text + n + 1;
        else
            return false;
    }
    for (end = from; is_word_char(*end); end++)
        ;
    if (end == from || (size_t)(end - from) >= size)
        return false;
    buf_put(&text, from, (size_t)(end - from));
    for (size_t i = 0; i < ARRAY_LEN(needed); i++)
        if (str_is(buf_str(&text), needed[i]))
            return false;
    if (!patch_has(sent, buf_cstr(&text)))
        return false;
    snprintf(name, size, "%s", buf_cstr(&text));
    return true;
}

bool quirk_learn(struct quirks *q, const struct chat_request *sent, long status,
                 const struct errbody *b, char *notice, size_t size)
{
    if ((status == 400 || status == 404 || status == 415 || status == 422 || status == 500) &&
        learn_images(q, sent, b, notice, size))
        return true;
    if (status != 400 && status != 422)
        return false;
    if (strstr(b->text, "/v1/responses") && has_word(b->text, "reasoning_effort")) {
        if (sent->quirks & CHAT_EFFORT_NONE || sent->n_tools == 0)
            return false;
        q->set |= CHAT_EFFORT_NONE;
        snprintf(notice, size,
                 "the model takes tools in chat completions only without reasoning: "
                 "reasoning_effort is \"none\" from now on");
        return true;
    }
    if (learn_schema(q, sent, b, notice, size))
        return true;
    if (learn_state(q, sent, b, notice, size) || learn_cap(q, sent, b, notice, size))
        return true;
    if (!unwanted(b))
        return false;
    if (learn_tokens(q, sent, b, notice, size))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        if (!was_sent(sent, members[i].flag) || !names(b, members[i].member))
            continue;
        q->set |= members[i].flag;
        snprintf(notice, size, "the service does not take \"%s\": left out from now on",
                 members[i].member);
        return true;
    }
    return false;
}
