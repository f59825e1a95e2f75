/* What refusals mean, over the recorded error bodies and made ones: retried or not, after what
 * wait, and in which words. */
#include <math.h>
#include <string.h>
#include "providers/fault.h"
#include "providers/quirk.h"
#include "providers/retry.h"
#include "tests/unit/samples.h"
#include "tests/unit/tap.h"

/* --- recorded bodies --- */
static const struct {
    const char *file;
    long status;
    bool again;
    int64_t wait_ms;        /* of the first retry; 0 = the back-off's */
    enum err_code code;     /* of the words for the user */
    const char *text, *has; /* the human part; a piece of the whole message */
} bodies[] = {
    { "openai-error-401.json", 401, false, 0, ERR_CONFIG, "Incorrect API key provided: REDACTED.",
      "OPENAI_API_KEY" },
    { "anthropic-error-401.json", 401, false, 0, ERR_CONFIG, "invalid x-api-key",
      "refuses the key" },
    { "azure-error-401.json", 401, false, 0, ERR_CONFIG, "Access denied due to invalid",
      "refuses the key" },
    { "cohere-error-401.json", 401, false, 0, ERR_CONFIG, "Incorrect API key", "refuses the key" },
    { "deepseek-error-401.json", 401, false, 0, ERR_CONFIG, "Authentication Fails",
      "refuses the key" },
    { "mistral-error-401.json", 401, false, 0, ERR_CONFIG, "Invalid API Key", "refuses the key" },
    { "openrouter-error-401.json", 401, false, 0, ERR_CONFIG, "Missing Authentication header",
      "refuses the key" },
    { "gemini-error-400-key.json", 400, false, 0, ERR_CONFIG, "API key not valid.",
      "refuses the key" },
    { "xai-error-400-key.json", 400, false, 0, ERR_CONFIG, "Incorrect API key provided.",
      "refuses the key" },
    { "openai-error-404-model.json", 404, false, 0, ERR_PROVIDER, "The model `gpt-5.2-proo`",
      "-m" },
    { "anthropic-error-404.json", 404, false, 0, ERR_PROVIDER, "model: claude-does-not-exist",
      "/v1" },
    { "azure-error-404-deployment.json", 404, false, 0, ERR_PROVIDER, "The API deployment", "-m" },
    { "gemini-error-404.json", 404, false, 0, ERR_PROVIDER, "models/gemini-3.6-flahs", "-m" },
    { "ollama-error-404.json", 404, false, 0, ERR_PROVIDER,
      "model 'nonexistent-model:latest' not found", "-m" },
    { "openai-error-429-insufficient-quota.json", 429, false, 0, ERR_PROVIDER,
      "You exceeded your current quota", "the quota is spent" },
    { "azure-error-429.json", 429, true, 0, ERR_PROVIDER, "Your requests to grok",
      "limits the rate" },
    { "gemini-error-429.json", 429, true, 48000, ERR_PROVIDER, "You exceeded your current quota",
      "limits the rate" },
    { "openrouter-error-429.json", 429, true, 0, ERR_PROVIDER,
      "Provider returned error: google/gemini", "limits the rate" },
    { "openai-error-400-context-length.json", 400, false, 0, ERR_CONTEXT, "Your input exceeds",
      "too long" },
    { "anthropic-error-400-too-long.json", 400, false, 0, ERR_CONTEXT, "prompt is too long",
      "too long" },
    { "deepseek-error-400-context.json", 400, false, 0, ERR_CONTEXT, "This model's maximum context",
      "too long" },
    { "ollama-error-400-context.json", 400, false, 0, ERR_CONTEXT, "prompt too long", "too long" },
    { "deepseek-error-400-missing-tool-output.json", 400, false, 0, ERR_PROVIDER,
      "No tool output found", "refuses the request" },
    { "openai-error-400-role.json", 400, false, 0, ERR_PROVIDER, "Unsupported value",
      "refuses the request" },
    { "azure-content-filter-prompt.json", 400, false, 0, ERR_PROVIDER, "The response was filtered",
      "refuses the request" },
    { "groq-error-tool_use_failed.json", 400, true, 0, ERR_PROVIDER, "Tool call validation failed",
      "refuses the request" },
};

static const struct fault_place place = {
    "h.example:443", "https://h.example/v1/chat/completions", "m", "OPENAI_API_KEY", true, false
};

static void recorded(void)
{
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        cleanup_free char *path = xasprintf("tests/cases/samples/%s", bodies[i].file);
        cleanup_buf struct buf b = sample(path);
        struct errbody eb;
        struct err e = ERR_INIT;
        errbody_read(buf_str(&b), &eb);
        fault_refused(&place, bodies[i].status, STR(""), &eb, &e);
        struct retry_case c = { e.code, bodies[i].status, STR(""), &eb, 1, 0, 0 };
        struct retry_verdict v = retry_judge(&c);
        bool ok = v.again == bodies[i].again && e.code == bodies[i].code &&
                  str_starts(str_of(eb.text), bodies[i].text) && strstr(e.msg, bodies[i].has) &&
                  (strstr(e.msg, "h.example") || strstr(e.msg, "model m"));
        ok = ok && (bodies[i].wait_ms ? v.wait_ms == bodies[i].wait_ms
                                      : !v.again || (v.wait_ms > 370 && v.wait_ms <= 500));
        if (!CHECK(ok, "%s", bodies[i].file))
            printf("# again %d, wait %lld, %s: %s\n", v.again, (long long)v.wait_ms, eb.text,
                   e.msg);
    }
}

/* --- shapes of error bodies --- */
static const struct {
    const char *name, *body, *text, *code, *param;
    long status;
    int64_t wait_ms;
} shapes[] = {
    { "object", "{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":\"p\",\"code\":\"c\"}}",
      "m", "c", "p", 0, 0 },
    { "number as code", "{\"error\":{\"message\":\"m\",\"code\":503}}", "m", "", "", 503, 0 },
    { "string", "{\"code\":\"c\",\"error\":\"m\"}", "m", "c", "", 0, 0 },
    { "array", "[{\"error\":{\"message\":\"m\"}}]", "m", "", "", 0, 0 },
    { "message", "{\"message\":\"m\"}", "m", "", "", 0, 0 },
    { "detail", "{\"detail\":\"m\"}", "m", "", "", 0, 0 },
    { "validation list",
      "{\"detail\":[{\"loc\":[\"body\",\"temperature\"],\"msg\":\"extra\",\"type\":\"extra_"
      "forbidden\"}]}",
      "temperature: extra", "", "temperature", 0, 0 },
    { "validation in a message",
      "{\"object\":\"error\",\"message\":{\"detail\":[{\"type\":\"x\",\"loc\":[\"body\",\"n\"],"
      "\"msg\":\"bad\"}]}}",
      "n: bad", "", "n", 0, 0 },
    { "nothing known", "{\"foo\":1}", "{\"foo\":1}", "", "", 0, 0 },
    { "plain text", "  service down \n", "service down", "", "", 0, 0 },
    { "a page", "<html><title>502 Bad\nGateway</title>", "502 Bad Gateway", "", "", 0, 0 },
    { "empty", "", "", "", "", 0, 0 },
    { "a wait in words", "{\"error\":{\"message\":\"Please try again in 1m2.5s.\"}}",
      "Please try again in 1m2.5s.", "", "", 0, 62500 },
    { "a wait in milliseconds", "{\"error\":{\"message\":\"Please try again in 174ms.\"}}",
      "Please try again in 174ms.", "", "", 0, 174 },
    { "control bytes and colours", "{\"error\":{\"message\":\"a\\u001b[31mb\\r\\nc\"}}",
      "a\\x1b[31mb  c", "", "", 0, 0 },
    { "keys", "{\"error\":{\"message\":\"bad key sk-abcdef123456 or abcd***wxyz, gsk_12345678\"}}",
      "bad key [redacted] or [redacted], [redacted]", "", "", 0, 0 },
    { "words that only look alike", "{\"error\":{\"message\":\"task-force sk-a\"}}",
      "task-force sk-a", "", "", 0, 0 },
    { "wrong types", "{\"error\":{\"message\":7,\"code\":[],\"param\":{}}}",
      "{\"error\":{\"message\":7,\"code\":[],\"param\":{}}}", "", "", 0, 0 },
};

static void shape_cases(void)
{
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
        struct errbody b;
        errbody_read(str_of(shapes[i].body), &b);
        if (!CHECK(!strcmp(b.text, shapes[i].text) && !strcmp(b.code, shapes[i].code) &&
                       !strcmp(b.param, shapes[i].param) && b.status == shapes[i].status &&
                       b.wait_ms == shapes[i].wait_ms,
                   "error body: %s", shapes[i].name))
            printf("# %s | %s | %s | %ld | %lld\n", b.text, b.code, b.param, b.status,
                   (long long)b.wait_ms);
    }
}

/* --- the judge --- */
static const struct {
    const char *name;
    enum err_code code;
    long status;
    const char *headers, *body;
    int attempt;
    bool again;
    int64_t wait_ms; /* with chance 0 */
} judged[] = {
    { "connection error", ERR_NET, 0, "", NULL, 1, true, 500 },
    { "second back-off", ERR_NET, 0, "", NULL, 2, true, 1000 },
    { "third back-off", ERR_NET, 0, "", NULL, 3, true, 2000 },
    { "the cap is reached", ERR_NET, 0, "", NULL, 5, true, 8000 },
    { "a long way below it", ERR_NET, 0, "", NULL, 4, true, 4000 },
    { "back-off is capped", ERR_NET, 0, "", NULL, 40, true, 8000 },
    { "an error in the answer that is final", ERR_PROVIDER, 0, "", NULL, 1, false, 0 },
    { "deadline", ERR_DEADLINE, 0, "", NULL, 1, false, 0 },
    { "cancel", ERR_CANCEL, 0, "", NULL, 1, false, 0 },
    { "our own fault", ERR_INTERNAL, 0, "", NULL, 1, false, 0 },
    { "bad URL", ERR_CONFIG, 0, "", NULL, 1, false, 0 },
    { "408", ERR_PROVIDER, 408, "", NULL, 1, true, 500 },
    { "409", ERR_PROVIDER, 409, "", NULL, 1, true, 500 },
    { "500", ERR_PROVIDER, 500, "", NULL, 1, true, 500 },
    { "529", ERR_PROVIDER, 529, "", NULL, 1, true, 500 },
    { "400", ERR_PROVIDER, 400, "", NULL, 1, false, 0 },
    { "402", ERR_PROVIDER, 402, "", NULL, 1, false, 0 },
    { "404", ERR_PROVIDER, 404, "", NULL, 1, false, 0 },
    { "413", ERR_PROVIDER, 413, "", NULL, 1, false, 0 },
    { "422", ERR_PROVIDER, 422, "", NULL, 1, false, 0 },
    { "a redirect", ERR_PROVIDER, 307, "", NULL, 1, false, 0 },
    { "Retry-After in seconds", ERR_PROVIDER, 429, "Retry-After: 7\n", NULL, 1, true, 7000 },
    { "Retry-After with a fraction", ERR_PROVIDER, 429, "retry-after: 0.25\n", NULL, 1, true, 250 },
    { "Retry-After as a date", ERR_PROVIDER, 503, "Retry-After: Wed, 21 Oct 2026 07:28:09 GMT\n",
      NULL, 1, true, 9000 },
    { "a date that is past", ERR_PROVIDER, 503, "Retry-After: Wed, 21 Oct 2026 07:27:00 GMT\n",
      NULL, 1, true, 500 },
    { "a date that is none", ERR_PROVIDER, 503, "Retry-After: Wed, 99 Foo 2026\n", NULL, 1, true,
      500 },
    { "milliseconds win", ERR_PROVIDER, 429, "retry-after: 7\nretry-after-ms: 30\n", NULL, 1, true,
      30 },
    { "one millisecond", ERR_PROVIDER, 429, "retry-after-ms: 1\n", NULL, 1, true, 1 },
    { "a leap second", ERR_PROVIDER, 503, "Retry-After: Wed, 21 Oct 2026 07:28:60 GMT\n", NULL, 1,
      true, 60000 },
    { "zero milliseconds are ignored", ERR_PROVIDER, 429, "Retry-After-Ms: 0\nRetry-After: 1\n",
      NULL, 1, true, 1000 },
    { "zero seconds are ignored", ERR_PROVIDER, 429, "Retry-After: 0\n", NULL, 1, true, 500 },
    { "too long a wait", ERR_PROVIDER, 429, "Retry-After: 121\n", NULL, 1, false, 121000 },
    { "a negative wait", ERR_PROVIDER, 429, "Retry-After: -5\n", NULL, 1, true, 500 },
    { "nonsense", ERR_PROVIDER, 429, "Retry-After: soon\n", NULL, 1, true, 500 },
    { "x-should-retry false", ERR_PROVIDER, 500, "x-should-retry: false\n", NULL, 1, false, 0 },
    { "x-should-retry true", ERR_PROVIDER, 400, "x-should-retry: true\n", NULL, 1, true, 500 },
    { "a spent quota", ERR_PROVIDER, 429, "", "{\"error\":{\"code\":\"insufficient_quota\"}}", 1,
      false, 0 },
    { "a spend limit", ERR_PROVIDER, 429, "",
      "{\"error\":{\"details\":{\"error_code\":\"enforced_spend_limit_reached\"}}}", 1, false, 0 },
    { "one request too large", ERR_PROVIDER, 429, "",
      "{\"error\":{\"message\":\"Request too large for m\",\"code\":\"rate_limit_exceeded\"}}", 1,
      false, 0 },
    { "a daily quota", ERR_PROVIDER, 429, "",
      "{\"error\":{\"details\":[{\"violations\":[{\"quotaId\":\"XPerDayY\"}]},{\"retryDelay\":"
      "\"9s\"}]}}",
      1, false, 0 },
    { "a wait in the body", ERR_PROVIDER, 429, "",
      "{\"error\":{\"details\":[{\"retryDelay\":\"34.4s\"}]}}", 1, true, 34400 },
    { "a model that is loading", ERR_PROVIDER, 503, "",
      "{\"error\":{\"message\":\"Loading model\",\"code\":503}}", 1, true, 2000 },
};

static void judge_cases(void)
{
    for (size_t i = 0; i < ARRAY_LEN(judged); i++) {
        struct errbody eb;
        errbody_read(str_of(judged[i].body), &eb);
        struct retry_case c = { judged[i].code,
                                judged[i].status,
                                str_of(judged[i].headers),
                                judged[i].body ? &eb : NULL,
                                judged[i].attempt,
                                0,
                                1792567680 };
        struct retry_verdict v = retry_judge(&c);
        if (!CHECK(v.again == judged[i].again && v.wait_ms == judged[i].wait_ms, "judge: %s",
                   judged[i].name))
            printf("# again %d wait %lld %s\n", v.again, (long long)v.wait_ms, v.reason);
    }
    int64_t low = 9999, high = 0;
    for (uint32_t chance = 0; chance < 2000; chance++) {
        struct retry_case c = { ERR_NET, 0, STR(""), NULL, 2, chance, 0 };
        int64_t w = retry_judge(&c).wait_ms;
        low = w < low ? w : low;
        high = w > high ? w : high;
    }
    CHECK(low >= 750 && low < 760 && high == 1000, "jitter takes up to a quarter: %lld..%lld",
          (long long)low, (long long)high);
}

/* --- errors inside good answers --- */
static void inband_cases(void)
{
    static const struct {
        const char *body;
        long status;
    } in[] = {
        { "{\"error\":{\"type\":\"overloaded_error\"}}", 529 },
        { "{\"error\":{\"code\":429}}", 429 },
        { "{\"error\":{\"code\":\"rate_limit_exceeded\"}}", 429 },
        { "{\"error\":{\"status_code\":400,\"type\":\"x\"}}", 400 },
        { "{\"error\":{\"type\":\"server_error\"}}", 500 },
        { "{\"error\":\"what\"}", 0 },
        { "{\"error\":{\"code\":7}}", 0 },
    };

    for (size_t i = 0; i < ARRAY_LEN(in); i++) {
        struct errbody b;
        errbody_read(str_of(in[i].body), &b);
        CHECK(retry_inband_status(&b) == in[i].status, "inside an answer: %s", in[i].body);
    }
}

/* --- members that are refused --- */
static const struct {
    const char *name;
    long status;
    const char *body;
    unsigned before, after; /* equal: nothing learnt */
} lessons[] = {
    { "temperature", 400,
      "{\"error\":{\"message\":\"Unsupported parameter: 'temperature' is not supported with this "
      "model.\",\"param\":\"temperature\"}}",
      0, CHAT_NO_TEMPERATURE },
    { "temperature's value", 400,
      "{\"error\":{\"message\":\"'temperature' does not support 0.5 with this model. Only the "
      "default (1) value is "
      "supported.\",\"param\":\"temperature\",\"code\":\"unsupported_value\"}}",
      0, CHAT_NO_TEMPERATURE },
    { "a 422 list", 422,
      "{\"detail\":[{\"loc\":[\"body\",\"stream_options\"],\"msg\":\"Extra inputs are not "
      "permitted\",\"type\":\"extra_forbidden\"}]}",
      0, CHAT_NO_STREAM_OPTIONS },
    { "no param, only words", 400,
      "{\"error\":{\"message\":\"Unrecognized request argument supplied: tool_choice\"}}", 0,
      CHAT_NO_TOOL_CHOICE },
    { "a word in a quotation is not a quoted word", 400,
      "{\"error\":{\"message\":\"'stream of tokens' is not supported\"}}", 0, 0 },
    { "stream_options is not stream", 400,
      "{\"error\":{\"message\":\"Unknown parameter: "
      "'stream_options'.\",\"param\":\"stream_options\",\"code\":\"unknown_parameter\"}}",
      CHAT_NO_STREAM_OPTIONS, CHAT_NO_STREAM_OPTIONS },
    { "stream itself", 400,
      "{\"error\":{\"message\":\"Unsupported value: 'stream' does not support true with this "
      "model.\",\"param\":\"stream\",\"code\":\"unsupported_value\"}}",
      0, CHAT_NO_STREAM },
    { "max_tokens", 400,
      "{\"error\":{\"message\":\"Unsupported parameter: 'max_tokens' is not supported with this "
      "model. Use 'max_completion_tokens' "
      "instead.\",\"param\":\"max_tokens\",\"code\":\"unsupported_parameter\"}}",
      0, CHAT_COMPLETION_TOKENS },
    { "max_completion_tokens", 422,
      "{\"detail\":[{\"loc\":[\"body\",\"max_completion_tokens\"],\"msg\":\"Extra inputs are not "
      "permitted\",\"type\":\"extra_forbidden\"}]}",
      CHAT_COMPLETION_TOKENS, 0 },
    { "reasoning in the history", 400,
      "{\"error\":{\"message\":\"'messages.2' : property 'reasoning_content' is unsupported\"}}", 0,
      CHAT_NO_REASONING_BACK },
    { "tools only without reasoning", 400,
      "{\"error\":{\"message\":\"Function tools with reasoning_effort are not supported for m in "
      "/v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort to "
      "'none'.\",\"param\":\"reasoning_effort\"}}",
      0, CHAT_EFFORT_NONE },
    { "a value that is too large", 400,
      "{\"error\":{\"message\":\"max_tokens is too large: "
      "9\",\"param\":\"max_tokens\",\"code\":\"invalid_value\"}}",
      0, 0 },
    { "another member", 400,
      "{\"error\":{\"message\":\"Unknown parameter: "
      "'foo'.\",\"param\":\"foo\",\"code\":\"unknown_parameter\"}}",
      0, 0 },
    { "the same lesson twice", 400,
      "{\"error\":{\"message\":\"'temperature' is not supported\",\"param\":\"temperature\"}}",
      CHAT_NO_TEMPERATURE, CHAT_NO_TEMPERATURE },
    { "another status", 500,
      "{\"error\":{\"message\":\"'temperature' is not supported\",\"param\":\"temperature\"}}", 0,
      0 },
};

static void lesson_cases(void)
{
    for (size_t i = 0; i < ARRAY_LEN(lessons); i++) {
        struct quirks q = { .set = lessons[i].before };
        struct chat_request rq = { .stream = true,
                                   .temperature = 0.5,
                                   .max_tokens = 9,
                                   .n_tools = 1,
                                   .quirks = lessons[i].before };
        struct errbody b;
        char notice[200] = "";
        errbody_read(str_of(lessons[i].body), &b);
        bool learnt = quirk_learn(&q, &rq, lessons[i].status, &b, notice, sizeof notice);
        CHECK(q.set == lessons[i].after && learnt == (lessons[i].after != lessons[i].before) &&
                  learnt == (notice[0] != '\0'),
              "refused: %s", lessons[i].name);
    }
    struct quirks q = { 0 };
    struct errbody b;
    char notice[200];
    struct chat_request rq = { .max_tokens = 9, .temperature = NAN };
    errbody_read(STR("{\"error\":{\"message\":\"temperature is not supported\"}}"), &b);
    CHECK(!quirk_learn(&q, &rq, 400, &b, notice, sizeof notice) && q.set == 0,
          "what was not sent is not left out");
    quirk_init(&q, 0, "https://api.openai.com/v1");
    CHECK(q.set == CHAT_COMPLETION_TOKENS, "OpenAI gets max_completion_tokens from the start");
    quirk_init(&q, 0, "http://localhost:11434/v1");
    CHECK(q.set == 0, "others get max_tokens");
    int rounds = 0;
    for (; rounds < 10; rounds++) { /* a service that takes neither name */
        rq.quirks = q.set;
        errbody_read(q.set & CHAT_COMPLETION_TOKENS
                         ? STR("{\"error\":{\"message\":\"unknown max_completion_tokens\"}}")
                         : STR("{\"error\":{\"message\":\"unknown max_tokens\"}}"),
                     &b);
        if (!quirk_learn(&q, &rq, 400, &b, notice, sizeof notice))
            break;
    }
    CHECK(rounds == 2 && q.set & CHAT_NO_MAX_TOKENS, "neither name: left out after two refusals");
}

static void words(void)
{
    struct err e;
    struct errbody none, html;

    errbody_read(STR(""), &none);
    errbody_read(STR("<html><title>Bad Gateway</title>"), &html);
    struct fault_place p = place;
    p.has_key = false;
    fault_refused(&p, 401, STR(""), &none, &e);
    CHECK(e.code == ERR_CONFIG && strstr(e.msg, "none was sent") && strstr(e.msg, "OPENAI_API_KEY"),
          "%s", e.msg);
    fault_refused(&place, 402, STR(""), &none, &e);
    CHECK(e.code == ERR_PROVIDER && strstr(e.msg, "no balance"), "%s", e.msg);
    fault_refused(&place, 302, STR("Location: https://evil.example/?k=1\n"), &none, &e);
    CHECK(strstr(e.msg, "https://evil.example/") && !strstr(e.msg, "k=1"), "%s", e.msg);
    fault_refused(&place, 502, STR("x-request-id: req_7\n"), &html, &e);
    CHECK(strstr(e.msg, "a web page: Bad Gateway") && strstr(e.msg, "req_7"), "%s", e.msg);
    fault_not_json(&place, STR("text/html"), STR("<html>\x1b[2J"), &e);
    CHECK(strstr(e.msg, "text/html") && strstr(e.msg, "<html>\\x1b[2J"), "%s", e.msg);
    err_set(&e, ERR_NET, 0, "no connection to h.example:443 (refused)");
    fault_final(&place, 3, NULL, &e);
    CHECK(strstr(e.msg, "OPENAI_BASE_URL") && strstr(e.msg, "[tried 3 times]"), "%s", e.msg);
    char flood[5000];
    memset(flood, 'z', sizeof flood);
    fault_not_json(&place, (struct str){ flood, sizeof flood }, (struct str){ flood, sizeof flood },
                   &e);
    fault_final(&place, 3, NULL, &e);
    CHECK(strlen(e.msg) < 900 && strstr(e.msg, "[tried 3 times]"), "a flood is clipped");
}

int main(void)
{
    recorded();
    shape_cases();
    judge_cases();
    inband_cases();
    lesson_cases();
    words();
    return tap_done();
}
