#include "providers/quirk.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "agent/base/mem.h"
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

/* Hosts that want max_completion_tokens from the start; the portable name is max_tokens. */
static const char *const new_name_hosts[] = { "://api.openai.com/", ".openai.azure.com/" };

void quirk_init(struct quirks *q, const char *base_url)
{
    *q = (struct quirks){ 0, 0 };
    for (size_t i = 0; base_url && i < ARRAY_LEN(new_name_hosts); i++)
        if (strcasestr(base_url, new_name_hosts[i]))
            q->set |= CHAT_COMPLETION_TOKENS;
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
