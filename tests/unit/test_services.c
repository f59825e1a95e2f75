/* The tables of services and models, patches of requests, and what refusals teach beyond names. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "providers/models.h"
#include "providers/patch.h"
#include "providers/provider.h"
#include "providers/quirk.h"
#include "providers/services.h"
#include "tests/unit/tap.h"
#include "agent/base/banned.h"

static void rows(void)
{
    for (size_t i = 0; i < services_n; i++) {
        const struct service *s = &services[i];
        bool good = s->title && s->wire && s->list_path && s->example && s->key_env;
        CHECK(good && codec_find(s->wire), "%s: its row is whole, and its format is there",
              s->name);
        CHECK(service_find(str_of(s->name)) == s, "%s: found by its name", s->name);
        if (s->base_url && !s->keyless)
            CHECK(service_at(s->base_url) == s, "%s: found by its address", s->name);
        if (s->base_url && !s->keyless)
            CHECK(str_starts(str_of(s->base_url), "https://"), "%s: encrypted", s->name);
        for (size_t k = 0; k < i; k++)
            if (strcmp(services[k].name, s->name) == 0)
                CHECK(false, "%s: stands twice", s->name);
    }
    static const struct {
        const char *model, *service; /* NULL = none */
    } names[] = {
        { "claude-sonnet-4-5", "anthropic" },
        { "CLAUDE-x", "anthropic" },
        { "gemini-2.5-pro", "gemini" },
        { "gpt-5.4", "openai" },
        { "o3-mini", "openai" },
        { "grok-4", "xai" },
        { "deepseek-chat", "deepseek" },
        { "mistral-small-latest", "mistral" },
        { "kimi-k2", "moonshot" },
        { "glm-4.7", "zai" },
        { "scripted", NULL },
        { "", NULL },
        { "my-claude-1", NULL },
        { "o", NULL },
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const struct service *s = service_of_model(str_of(names[i].model));
        CHECK(names[i].service ? s && !strcmp(s->name, names[i].service) : s == NULL,
              "\"%s\" is of %s", names[i].model, names[i].service ? names[i].service : "nobody");
    }
    CHECK(service_find(STR("hf")) == service_find(STR("huggingface")), "aliases are found");
    CHECK(service_find(STR("")) == NULL && service_find(STR("open")) == NULL, "parts are not");
    CHECK(!strcmp(service_near(STR("opnrouter")), "openrouter") && !service_near(STR("xyzzy")),
          "the nearest name, or none");
    CHECK(!strcmp(service_at("https://x.openai.azure.com/openai/v1")->name, "azure"),
          "Azure by its domain");
    CHECK(service_at("https://api.openai.com.evil.example/v1") == NULL &&
              service_at("https://evil.example/api.openai.com") == NULL && service_at("") == NULL,
          "a host that looks like another's is not that one");
    const struct service *openai = service_find(STR("openai"));
    CHECK(!strcmp(service_model_trait(openai, STR("gpt-5.4-mini")).wire, "openai-responses") &&
              service_model_trait(openai, STR("gpt-4.1")).wire == NULL,
          "OpenAI's models that reason are asked by Responses");
    CHECK(service_glob("*", STR("")) && service_glob("a*c*e", STR("abcde")) &&
              !service_glob("a*c", STR("ab")) && service_glob("gpt-*", STR("GPT-4")) &&
              !service_glob("", STR("x")) && service_glob("a*b", STR("aXbXb")),
          "patterns");
}

static void patches(void)
{
    static const struct {
        const char *body, *path, *json, *want;
    } cases[] = {
        { "{}", "a", "1", "{\"a\":1}" },
        { "{\"a\":1}", "a", "2", "{\"a\":2}" },
        { "{\"a\":1}", "a", NULL, "{}" },
        { "{\"a\":1,\"b\":2,\"c\":3}", "b", NULL, "{\"a\":1,\"c\":3}" },
        { "{\"a\":1}", "b", NULL, "{\"a\":1}" },
        { "{\"a\":{\"b\":1}}", "a.b", "2", "{\"a\":{\"b\":2}}" },
        { "{\"a\":{\"b\":1}}", "a.c", "2", "{\"a\":{\"b\":1,\"c\":2}}" },
        { "{\"a\":{\"b\":1}}", "a.b", NULL, "{\"a\":{}}" },
        { "{}", "a.b.c", "[1]", "{\"a\":{\"b\":{\"c\":[1]}}}" },
        { "{\"a\":7}", "a.b", "1", "{\"a\":{\"b\":1}}" },
        { "{\"a\":7}", "a.b", NULL, "{\"a\":7}" },
        { "{\"x\":\"} , \\\" \\\\\",\"a\":[{\"a\":1}]}", "a", "0",
          "{\"x\":\"} , \\\" \\\\\",\"a\":0}" },
        { "{ \"x\" : 1e400 , \"y\":[ 1 , 2 ] }", "z", "true",
          "{\"x\":1e400,\"y\":[ 1 , 2 ],\"z\":true}" },
        { "{\"a\":1,\"a\":2}", "a", "3", "{\"a\":3}" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        cleanup_buf struct buf b = BUF_MAX(1000);
        struct patch p = { cases[i].path, cases[i].json };
        struct err e = ERR_INIT;
        buf_puts(&b, cases[i].body);
        int r = patch_body(&b, &p, 1, &e);
        if (!CHECK(r == 0 && str_is(buf_str(&b), cases[i].want), "patch %s of %s", cases[i].path,
                   cases[i].body))
            printf("# %s\n", buf_cstr(&b));
    }
    cleanup_buf struct buf small = BUF_MAX(10), list = BUF_MAX(10);
    struct patch p = { "member", "\"value\"" };
    struct err e = ERR_INIT;
    buf_puts(&small, "{}");
    CHECK(patch_body(&small, &p, 1, &e) < 0 && e.code == ERR_LIMIT,
          "a patch beyond the cap is an error");
    buf_puts(&list, "[]");
    CHECK(patch_body(&list, &p, 1, &e) < 0 && e.code == ERR_INTERNAL,
          "what is no object is not patched");
    CHECK(str_is(patch_get(STR("{\"a\":{\"b\":1},\"c\":\"x\"}"), "c"), "\"x\"") &&
              !patch_has(STR("{\"a\":{\"b\":1}}"), "b"),
          "members of the top level alone are found");
}

static void prices(void)
{
    CHECK(str_starts(models_source(), "Figures from models.dev"),
          "the source and its day are named");
    struct model_facts f = model_facts("openai", STR("gpt-4.1-mini"));
    CHECK(f.known && f.images && f.tools && f.price.in > 0 && f.price.out > f.price.in &&
              f.context > 100000,
          "a known model");
    CHECK(model_facts("openai", STR("gpt-4.1-mini-2025-04-14")).known,
          "a date at its end is looked through");
    CHECK(model_facts("anthropic", STR("claude-sonnet-4-5-20250929")).known,
          "so is one without dashes");
    CHECK(model_facts("gemini", STR("models/gemini-2.5-pro")).known, "and Gemini's front");
    CHECK(!model_facts("openai", STR("gpt-4.1-minimal")).known &&
              !model_facts("openai", STR("gpt")).known &&
              !model_facts("groq", STR("gpt-4.1-mini")).known &&
              !model_facts(NULL, STR("x")).known && !model_facts("openai", STR("")).known,
          "another model is not taken for a known one");
    CHECK(isnan(model_facts("openai", STR("nothing")).price.in), "an unknown model has no price");
    struct price p = { 10, 100, 1, 12.5, 0, NAN, NAN, NAN };
    struct chat_usage u = CHAT_USAGE_NONE;
    CHECK(isnan(price_of(&p, &u)), "no count, no cost");
    u = (struct chat_usage){ 1000, 10, 400, -1, NAN, 100 };
    CHECK(fabs(price_of(&p, &u) - (500 * 10 + 400 * 1 + 100 * 12.5 + 10 * 100) / 1e6) < 1e-12,
          "cached and written tokens have their own price");
    p.cache_read = NAN;
    CHECK(fabs(price_of(&p, &u) - (900 * 10 + 100 * 12.5 + 10 * 100) / 1e6) < 1e-12,
          "without one they cost no less than the rest");
    struct price tiered = { 1, 2, NAN, NAN, 1000, 3, 4, NAN };
    u = (struct chat_usage){ 1001, 10, -1, -1, NAN, -1 };
    CHECK(fabs(price_of(&tiered, &u) - (1001 * 3 + 10 * 4) / 1e6) < 1e-12,
          "long requests have a tier");
    struct price none = PRICE_UNKNOWN;
    CHECK(isnan(price_of(&none, &u)), "no price, no cost");
}

static void refusals(void)
{
    static const struct {
        const char *name, *body;
        long status;
        const char *member; /* that is left out; NULL = none */
    } members[] = {
        { "by param",
          "{\"error\":{\"message\":\"Unknown parameter: "
          "'seed'.\",\"param\":\"seed\",\"code\":\"unknown_parameter\"}}",
          400, "seed" },
        { "by a quoted word",
          "{\"error\":{\"message\":\"Unrecognized request argument supplied: 'seed'\"}}", 400,
          "seed" },
        { "in Anthropic's words",
          "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"seed: "
          "Extra inputs are not permitted\"}}",
          400, "seed" },
        { "in Mistral's",
          "{\"object\":\"error\",\"message\":{\"detail\":[{\"type\":\"extra_forbidden\",\"loc\":["
          "\"body\",\"seed\"],"
          "\"msg\":\"Extra inputs are not permitted\"}]}}",
          422, "seed" },
        { "one that was not sent",
          "{\"error\":{\"message\":\"Unknown parameter: 'top_k'.\",\"param\":\"top_k\"}}", 400,
          NULL },
        { "one that is needed",
          "{\"error\":{\"message\":\"Unsupported value: 'messages'\",\"param\":\"messages\"}}", 400,
          NULL },
        { "a value that is too large",
          "{\"error\":{\"message\":\"'seed' must be below 5\",\"param\":\"seed\"}}", 400, NULL },
        { "another status",
          "{\"error\":{\"message\":\"Unknown parameter: 'seed'.\",\"param\":\"seed\"}}", 500,
          NULL },
    };
    static const char sent[] = "{\"model\":\"m\",\"messages\":[{\"top_k\":1}],\"seed\":7}";
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        struct errbody b;
        char name[64] = "";
        errbody_read(str_of(members[i].body), &b);
        bool r = quirk_member(members[i].status, &b, str_of(sent), name, sizeof name);
        CHECK(members[i].member ? r && !strcmp(name, members[i].member) : !r,
              "a member refused, %s", members[i].name);
    }
    static const struct {
        const char *name, *body;
        unsigned set;
        long cap;
    } lessons[] = {
        { "Mistral's call ids",
          "{\"object\":\"error\",\"message\":\"Tool call id was turn1_0 but must be a-z, A-Z, 0-9, "
          "with a length of "
          "9.\",\"type\":\"invalid_function_call\",\"param\":null,\"code\":\"3280\"}",
          CHAT_SHORT_IDS, 0 },
        { "a lost thought signature",
          "{\"error\":{\"code\":400,\"message\":\"Corrupted thought "
          "signature.\",\"status\":\"INVALID_ARGUMENT\"}}",
          CHAT_PLAIN_HISTORY, 0 },
        { "changed thinking blocks",
          "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"`"
          "thinking` or `redacted_thinking` "
          "blocks in the latest assistant message cannot be modified.\"}}",
          CHAT_PLAIN_HISTORY, 0 },
        { "an orphaned reasoning item",
          "{\"error\":{\"message\":\"Item 'rs_1' of type 'reasoning' was provided without its "
          "required following "
          "item.\",\"param\":\"input\"}}",
          CHAT_PLAIN_HISTORY, 0 },
        { "DeepSeek's reasoning",
          "{\"error\":{\"message\":\"The reasoning_content in the thinking mode must be passed "
          "back to the API.\"}}",
          CHAT_REASONING_BACK, 0 },
        { "Anthropic's longest reply",
          "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"max_"
          "tokens: 90000 > 8192, which is "
          "the maximum allowed number of output tokens for claude-3-5-haiku\"}}",
          0, 8192 },
        { "OpenAI's longest reply",
          "{\"error\":{\"message\":\"max_tokens is too large: 90000. This model supports at most "
          "16384 completion tokens.\","
          "\"param\":\"max_tokens\",\"code\":\"invalid_value\"}}",
          0, 16384 },
    };
    for (size_t i = 0; i < ARRAY_LEN(lessons); i++) {
        struct quirks q = { .set = 0 };
        struct chat_request rq = { .max_tokens = 90000, .n_tools = 1, .temperature = NAN };
        struct errbody b;
        char notice[200] = "";
        errbody_read(str_of(lessons[i].body), &b);
        bool r = quirk_learn(&q, &rq, 400, &b, notice, sizeof notice);
        CHECK(r && q.set == lessons[i].set && q.max_tokens == lessons[i].cap && notice[0],
              "learnt: %s", lessons[i].name);
        rq.quirks = q.set;
        rq.max_tokens = q.max_tokens ? q.max_tokens : rq.max_tokens;
        CHECK(!quirk_learn(&q, &rq, 400, &b, notice, sizeof notice), "and once only: %s",
              lessons[i].name);
    }
}

int main(void)
{
    rows();
    patches();
    prices();
    refusals();
    return tap_done();
}
