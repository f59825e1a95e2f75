/* The four wire formats beside chat completions: recorded bodies to turns, bodies that no recording
 * has, conversations to requests, and opaque state that goes back as it came. With REQUEST_DUMP=DIR
 * each request is written there as CODEC.NAME.json, for a check against the published schemas. */
#include <fcntl.h>
#include "providers/quirk.h"
#include "tests/unit/decode.h"

#define RESPONSES "openai-responses"
#define ANTHROPIC "anthropic-messages"
#define GEMINI "gemini-generate-content"
#define OLLAMA "ollama-chat"
#define CHAT "openai-chat"

static const char *const all[] = { CHAT, RESPONSES, ANTHROPIC, GEMINI, OLLAMA };

/* --- bodies that no recording has --- */

static const struct {
    const char *codec, *name, *in;
    bool stream;
    const char *text, *reasoning, *calls, *stop; /* calls as "name(args) ..." */
    const char *error; /* a piece of the message: then nothing else is looked at */
} cases[] = {
    /* Anthropic */
    { ANTHROPIC, "calls without ids, input as text, no name",
      "{\"type\":\"message\",\"content\":[{\"type\":\"tool_use\",\"name\":\"f\",\"input\":\"{"
      "\\\"a\\\":1}\"},"
      "{\"type\":\"tool_use\",\"name\":\"g\"},{\"type\":\"tool_use\",\"name\":\"\",\"input\":{}}],"
      "\"stop_reason\":\"tool_use\"}",
      false, "", "", "f({\"a\":1}) g({})", "end", NULL },
    { ANTHROPIC, "a context that is full",
      "{\"content\":[{\"type\":\"text\",\"text\":\"x\"}],\"stop_reason\":\"model_context_window_"
      "exceeded\"}",
      false, "x", "", "", "context", NULL },
    { ANTHROPIC, "a stop that nobody knows",
      "{\"content\":[{\"type\":\"text\",\"text\":\"x\"}],\"stop_reason\":\"tired\"}", false, "x",
      "", "", "other", NULL },
    { ANTHROPIC, "arguments cut at the limit",
      "data: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"content\":[]}}\n\n"
      "data: "
      "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\","
      "\"id\":\"t\","
      "\"name\":\"f\",\"input\":{}}}\n\n"
      "data: "
      "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_json_delta\","
      "\"partial_json\":\"{\\\"code\\\":\\\"pri\"}}\n\n"
      "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"max_tokens\"}}\n\n"
      "data: {\"type\":\"message_stop\"}\n\n",
      true, "", "", "f({\"code\":\"pri)", "length", NULL },
    { ANTHROPIC, "a stream that breaks", "data: {\"type\":\"message_start\",\"message\":{}}\n\n",
      true, NULL, NULL, NULL, NULL, "was cut" },
    { ANTHROPIC, "an end without a begin", "data: {\"type\":\"message_stop\"}\n\n", true, NULL,
      NULL, NULL, NULL, "no reply" },
    { ANTHROPIC, "an error instead of an answer",
      "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}",
      false, NULL, NULL, NULL, NULL, "Overloaded" },
    { ANTHROPIC, "another format's answer", "{\"choices\":[]}", false, NULL, NULL, NULL, NULL,
      "no \"content\"" },
    { ANTHROPIC, "members of the wrong type",
      "{\"id\":1,\"content\":[1,null,\"x\",{},{\"type\":7},{\"type\":\"text\",\"text\":4},{"
      "\"type\":\"tool_use\","
      "\"id\":{},\"name\":\"f\",\"input\":[1]}],\"usage\":[],\"stop_reason\":{}}",
      false, "", "", "f([1])", "end", NULL },
    { ANTHROPIC, "blocks that begin late and pieces of blocks that never began",
      "data: {\"type\":\"message_start\",\"message\":{}}\n\n"
      "data: "
      "{\"type\":\"content_block_delta\",\"index\":3,\"delta\":{\"type\":\"text_delta\",\"text\":"
      "\"a\"}}\n\n"
      "data: "
      "{\"type\":\"content_block_delta\",\"index\":4,\"delta\":{\"type\":\"input_json_delta\","
      "\"partial_json\":\"{}\"}}\n\n"
      "data: {\"type\":\"content_block_delta\",\"delta\":7}\n\ndata: "
      "{\"type\":\"message_stop\"}\n\n",
      true, "a", "", "", "end", NULL },
    { ANTHROPIC, "broken bytes, half an emoji, an escaped NUL",
      "{\"content\":[{\"type\":\"text\",\"text\":\"a\xFF\\ud83d\\u0000b\"}]}", false,
      "a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"
      "b",
      "", "", "end", NULL },
    { ANTHROPIC, "a member twice: the first counts",
      "{\"content\":[{\"type\":\"text\",\"text\":\"a\",\"text\":\"b\"}]}", false, "a", "", "",
      "end", NULL },
    /* Responses */
    { RESPONSES, "cut at the limit",
      "{\"status\":\"incomplete\",\"incomplete_details\":{\"reason\":\"max_output_tokens\"},"
      "\"output\":[{"
      "\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"a\"}]}]}",
      false, "a", "", "", "length", NULL },
    { RESPONSES, "filtered",
      "{\"status\":\"incomplete\",\"incomplete_details\":{\"reason\":\"content_filter\"},"
      "\"output\":[]}",
      false, "", "", "", "filter", NULL },
    { RESPONSES, "a refusal",
      "{\"status\":\"completed\",\"output\":[{\"type\":\"message\",\"content\":[{\"type\":"
      "\"refusal\","
      "\"refusal\":\"no\"}]}]}",
      false, "", "", "", "refusal", NULL },
    { RESPONSES, "it failed",
      "{\"status\":\"failed\",\"error\":{\"code\":\"server_error\",\"message\":\"boo\"},"
      "\"output\":[]}",
      false, NULL, NULL, NULL, NULL, "boo" },
    { RESPONSES, "it is still queued", "{\"status\":\"queued\",\"output\":[]}", false, NULL, NULL,
      NULL, NULL, "queued" },
    { RESPONSES, "two messages and a summary",
      "{\"status\":\"completed\",\"output\":[{\"type\":\"reasoning\",\"summary\":[{\"text\":\"r\"},"
      "{\"text\":"
      "\"s\"}]},{\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"a\"},{"
      "\"type\":"
      "\"output_text\",\"text\":\"b\"}]},{\"type\":\"message\",\"content\":[{\"type\":\"output_"
      "text\","
      "\"text\":\"c\"}]}]}",
      false, "ab\n\nc", "r\n\ns", "", "end", NULL },
    { RESPONSES, "a service whose last event is empty: the items count",
      "data: {\"type\":\"response.created\",\"response\":{\"id\":\"r\"}}\n\n"
      "data: {\"type\":\"response.output_text.delta\",\"output_index\":0,\"delta\":\"he\"}\n\n"
      "data: "
      "{\"type\":\"response.output_item.done\",\"item\":{\"type\":\"message\",\"content\":[{"
      "\"type\":"
      "\"output_text\",\"text\":\"hey\"}]}}\n\n"
      "data: "
      "{\"type\":\"response.output_item.done\",\"item\":{\"type\":\"function_call\",\"call_id\":"
      "\"c\","
      "\"name\":\"f\",\"arguments\":\"\"}}\n\n"
      "data: "
      "{\"type\":\"response.completed\",\"response\":{\"status\":\"completed\",\"output\":[]}}\n\n"
      "data: [DONE]\n\n",
      true, "hey", "", "f({})", "end", NULL },
    { RESPONSES, "arguments as an object",
      "{\"output\":[{\"type\":\"function_call\",\"name\":\"f\",\"arguments\":{\"a\":1}}]}", false,
      "", "", "f({\"a\":1})", "end", NULL },
    { RESPONSES, "an error event without an object",
      "event: error\ndata: {\"type\":\"error\",\"code\":\"x\",\"message\":\"boo\"}\n\n", true, NULL,
      NULL, NULL, NULL, "boo" },
    { RESPONSES, "failed in the middle",
      "data: "
      "{\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":\"server_error\","
      "\"message\":"
      "\"boo\"}}}\n\n",
      true, NULL, NULL, NULL, NULL, "boo" },
    { RESPONSES, "a stream that breaks",
      "data: {\"type\":\"response.created\",\"response\":{}}\n\n", true, NULL, NULL, NULL, NULL,
      "was cut" },
    { RESPONSES, "another format's answer", "{\"choices\":[]}", false, NULL, NULL, NULL, NULL,
      "no \"output\"" },
    { RESPONSES, "members of the wrong type",
      "{\"id\":1,\"output\":[1,null,{},{\"type\":3},{\"type\":\"message\",\"content\":7},{\"type\":"
      "\"reasoning\",\"summary\":\"x\"},{\"type\":\"function_call\",\"name\":5,\"arguments\":5}]}",
      false, "", "", "", "end", NULL },
    /* Gemini */
    { GEMINI, "a number in place of the word",
      "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]},\"finishReason\":2}]}", false,
      "a", "", "", "length", NULL },
    { GEMINI, "a call that the service could not read",
      "{\"candidates\":[{\"content\":{},\"finishReason\":\"MALFORMED_FUNCTION_CALL\"}]}", false,
      NULL, NULL, NULL, NULL, "could not read" },
    { GEMINI, "an array that is an error", "[{\"error\":{\"code\":503,\"message\":\"boo\"}}]",
      false, NULL, NULL, NULL, NULL, "boo" },
    { GEMINI, "an array that was cut after a chunk",
      "[{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}]", false, NULL, NULL, NULL,
      NULL, "was cut" },
    { GEMINI, "an error in the stream",
      "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}\r\n\r\n"
      "data: {\"error\":{\"code\":500,\"message\":\"boo\"}}\r\n\r\n",
      true, NULL, NULL, NULL, NULL, "boo" },
    { GEMINI, "a stream that breaks",
      "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}\r\n\r\n", true, NULL,
      NULL, NULL, NULL, "was cut" },
    { GEMINI, "an end without parts", "{\"candidates\":[{\"finishReason\":\"STOP\"}]}", false, "",
      "", "", "end", NULL },
    { GEMINI, "thoughts, text in pieces, a call without arguments",
      "data: "
      "{\"candidates\":[{\"content\":{\"parts\":[{\"thought\":true,\"text\":\"r\"}]}}]}\r\n\r\n"
      "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}\r\n\r\n"
      "data: "
      "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"b\"},{\"functionCall\":{\"name\":"
      "\"f\"}}]},"
      "\"finishReason\":\"STOP\"}]}\r\n\r\n",
      true, "ab", "r", "f({})", "end", NULL },
    { GEMINI, "another format's answer", "{\"choices\":[]}", false, NULL, NULL, NULL, NULL,
      "no \"candidates\"" },
    { GEMINI, "members of the wrong type",
      "{\"candidates\":[1,null,{\"content\":7},{\"content\":{\"parts\":[1,{\"text\":3},{"
      "\"functionCall\":4},{"
      "\"functionCall\":{\"name\":5,\"args\":[1]}}]},\"finishReason\":[]}],\"usageMetadata\":[1]}",
      false, "", "", "([1])", "end", NULL },
    /* Ollama */
    { OLLAMA, "lines: thinking, text, a call, the end",
      "{\"message\":{\"thinking\":\"r\"},\"done\":false}\n{\"message\":{\"content\":\"a\"},"
      "\"done\":false}\n\n"
      "{\"message\":{\"content\":\"b\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":"
      "{\"a\":1}}}]},"
      "\"done\":false}\n{\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\"}\n",
      true, "ab", "r", "f({\"a\":1})", "end", NULL },
    { OLLAMA, "the last line without its end",
      "{\"message\":{\"content\":\"a\"},\"done\":true,\"done_reason\":\"length\"}", true, "a", "",
      "", "length", NULL },
    { OLLAMA, "the same lines where their content type was lost",
      "{\"message\":{\"content\":\"a\"},\"done\":false}\n{\"message\":{\"content\":\"b\"},\"done\":"
      "true}\n",
      false, "ab", "", "", "end", NULL },
    { OLLAMA, "tags in the text of a model that the server does not know",
      "{\"message\":{\"content\":\"<think>hm</think>yes\"},\"done\":true}", false, "yes", "hm", "",
      "end", NULL },
    { OLLAMA, "an error line",
      "{\"message\":{\"content\":\"a\"},\"done\":false}\n{\"error\":\"boo\"}\n", true, NULL, NULL,
      NULL, NULL, "boo" },
    { OLLAMA, "a stream that breaks", "{\"message\":{\"content\":\"a\"},\"done\":false}\n", true,
      NULL, NULL, NULL, NULL, "was cut" },
    { OLLAMA, "a line that is no JSON", "zzz\n", true, NULL, NULL, NULL, NULL, "event 1" },
    { OLLAMA, "another format's answer", "{\"choices\":[]}", false, NULL, NULL, NULL, NULL,
      "no \"message\"" },
    { OLLAMA, "members of the wrong type",
      "{\"message\":{\"content\":1,\"thinking\":[],\"tool_calls\":[1,{},{\"function\":4},{"
      "\"function\":{\"name\":"
      "3,\"arguments\":\"x\"}}]},\"done\":true,\"done_reason\":{}}",
      false, "", "", "(x)", "end", NULL },
};

static char *calls_text(const struct chat_turn *t)
{
    struct buf b = BUF_MAX(1 << 20);

    for (size_t i = 0; i < t->n_calls; i++)
        buf_putf(&b, "%s%s(%s)", i ? " " : "", t->calls[i].name, t->calls[i].args);
    return buf_steal(&b);
}

static void more_cases(void)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct chat_turn t = { 0 };
        struct err e = ERR_INIT;
        int r = decode(cases[i].codec, str_of(cases[i].in), cases[i].stream, 1, 0, &t, &e);
        cleanup_free char *calls = calls_text(&t);
        bool ok = cases[i].error
                      ? r < 0 && strstr(e.msg, cases[i].error)
                      : r == 0 && !strcmp(t.text ? t.text : "", cases[i].text) &&
                            !strcmp(t.reasoning ? t.reasoning : "", cases[i].reasoning) &&
                            !strcmp(calls, cases[i].calls) &&
                            !strcmp(chat_stop_word(t.stop), cases[i].stop);
        if (!CHECK(ok, "%s: %s", cases[i].codec, cases[i].name))
            printf("# r %d, text %s, reasoning %s, calls %s, stop %s, error %s\n", r, t.text,
                   t.reasoning, calls, chat_stop_word(t.stop), e.msg);
        chat_turn_done(&t);
    }
}

/* --- requests --- */

static const char schema[] =
    "{\"type\":\"object\",\"properties\":{\"code\":{\"type\":\"string\"},\"description\":{\"type\":"
    "\"string\"}},\"required\":[\"code\"],\"additionalProperties\":false}\n";

static void dump(const char *codec, const char *name, struct str body)
{
    const char *dir = getenv("REQUEST_DUMP");
    struct err e = ERR_INIT;

    if (dir == NULL)
        return;
    cleanup_free char *path = xasprintf("%s/%s.%s.json", dir, codec, name);
    if (io_write_atomic(AT_FDCWD, path, body, 0644, &e) < 0)
        printf("# %s\n", e.msg);
}

static char *encoded(const char *codec, const char *name, struct chat_request *rq)
{
    static const struct chat_tool tool = { "execute_python", "Runs Python.", schema };
    struct err e = ERR_INIT;
    struct buf b = BUF_MAX(1 << 24);

    rq->model = rq->model ? rq->model : strcmp(codec, GEMINI) == 0 ? "gemini-3-flash" : "model";
    rq->tools = &tool;
    rq->n_tools = 1;
    if (codec_find(codec)->encode(rq, &b, &e) < 0)
        printf("# %s\n", e.msg);
    cleanup_json cJSON *j = json_parse(buf_str(&b), &e);
    if (j == NULL)
        printf("# %s\n", e.msg);
    dump(codec, name, buf_str(&b));
    return buf_steal(&b);
}

static bool has(const char *codec, const char *name, struct chat_request *rq,
                const char *const *want, size_t n)
{
    cleanup_free char *body = encoded(codec, name, rq);
    bool ok = true;
    const char *at = body;

    for (size_t i = 0; i < n && want[i]; i++) { /* in this order */
        const char *found = strstr(at, want[i]);
        if (found == NULL) {
            printf("# %s not found (in its place) in: %s\n", want[i], body);
            ok = false;
        } else {
            at = found + strlen(want[i]);
        }
    }
    return ok;
}

#define HAS(codec, name, rq, ...)                                                                  \
    has(codec, name, rq, (const char *const[]){ __VA_ARGS__ },                                     \
        sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

static char png[] = "\x89PNG";
static struct chat_image image = { (char *)"image/png", png, 4 };

/* A loop with two calls, one of them broken, whose results came in the other order and with a
 * picture; then an interrupted one; made by no codec, so that all write it in neutral words. */
static void neutral(void)
{
    struct chat_call two[] = {
        { (char *)"functions.py:0", (char *)"execute_python", (char *)"{\"code\":\"1\"}" },
        { (char *)"functions.py:1", (char *)"no such.tool", (char *)"{\"code\":" },
    };
    struct chat_call again[] = { { (char *)"functions.py:0", (char *)"execute_python",
                                   (char *)"" } };
    struct chat_message m[] = {
        { .role = CHAT_SYSTEM, .text = (char *)"be brief" },
        { .role = CHAT_USER, .text = (char *)"hi" },
        { .role = CHAT_ASSISTANT, .text = (char *)" \n", .calls = two, .n_calls = 2 },
        { .role = CHAT_TOOL,
          .call_id = (char *)"functions.py:1",
          .text = (char *)"",
          .is_error = true },
        { .role = CHAT_TOOL,
          .call_id = (char *)"functions.py:0",
          .text = (char *)"one",
          .images = &image,
          .n_images = 1 },
        { .role = CHAT_TOOL, .call_id = (char *)"nobody", .text = (char *)"orphan" },
        { .role = CHAT_ASSISTANT, .calls = again, .n_calls = 1 },
        { .role = CHAT_USER, .text = (char *)"and?" },
    };
    struct chat_request base = {
        .messages = m, .n_messages = 8, .temperature = NAN, .stream = true
    };
    struct chat_request rq = base;

    CHECK(HAS(ANTHROPIC, "neutral", &rq,
              "\"max_tokens\":32000,\"system\":[{\"type\":\"text\",\"text\":\"be "
              "brief\",\"cache_control\"",
              "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"hi\"}]},{\"role\":"
              "\"assistant\","
              "\"content\":[{\"type\":\"tool_use\",\"id\":\"",
              "\"name\":\"execute_python\",\"input\":{\"code\":\"1\"}}",
              "\"name\":\"no_such_tool\",\"input\":{}}",
              "{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\"",
              "\"text\":\"one\"},{\"type\":\"image\"",
              "\"media_type\":\"image/png\",\"data\":\"iVBORw==\"",
              "\"(no output)\"}],\"is_error\":true}]}", "(no result: the run was interrupted",
              "\"is_error\":true},{\"type\":\"text\",\"text\":\"and?\","
              "\"cache_control\":{\"type\":\"ephemeral\"}}]}]",
              "\"input_schema\":", "\"tool_choice\":{\"type\":\"auto\"}", "\"stream\":true"),
          "Anthropic: a conversation in neutral words");
    rq = base;
    CHECK(
        HAS(RESPONSES, "neutral", &rq, "\"instructions\":\"be brief\"",
            "{\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"hi\"}]},{\"type\":"
            "\"function_call\",\"call_id\":\"",
            "\"name\":\"execute_python\",\"arguments\":\"{\\\"code\\\":\\\"1\\\"}\"}",
            "\"name\":\"no_such_tool\",\"arguments\":\"{}\"}", "\"type\":\"function_call_output\"",
            "\"text\":\"one\"},{\"type\":\"input_image\",\"detail\":\"auto\",\"image_url\":\"data:"
            "image/"
            "png;base64,iVBORw==\"}",
            "\"output\":\"(no output)\"", "(no result", "\"and?\"", "\"strict\":false",
            "\"include\":[\"reasoning.encrypted_content\"]", "\"store\":false,\"stream\":true"),
        "Responses: a conversation in neutral words");
    rq = base;
    CHECK(HAS(GEMINI, "neutral", &rq,
              "{\"role\":\"user\",\"parts\":[{\"text\":\"hi\"}]},{\"role\":\"model\",\"parts\":[{"
              "\"functionCall\":{\"name\":\"execute_python\",\"args\":{\"code\":\"1\"}},"
              "\"thoughtSignature\":"
              "\"skip_thought_signature_validator\"},{\"functionCall\":{\"name\":\"no_such_tool\","
              "\"args\":{}}}",
              "{\"role\":\"user\",\"parts\":[{\"functionResponse\":{\"name\":\"execute_python\","
              "\"response\":{"
              "\"output\":\"one\"},\"parts\":[{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":"
              "\"iVBORw==\"}}]}},{\"functionResponse\":{\"name\":\"no_such_tool\",\"response\":{"
              "\"error\":",
              "(no result", "{\"text\":\"and?\"}]}]",
              "\"systemInstruction\":{\"parts\":[{\"text\":\"be brief\"}]}",
              "\"parametersJsonSchema\":", "\"mode\":\"AUTO\""),
          "Gemini 3: a conversation in neutral words");
    rq = base;
    rq.model = "gemini-2.5-flash";
    CHECK(HAS(GEMINI, "neutral-2", &rq, "\"args\":{\"code\":\"1\"}}},{\"functionCall\"",
              "\"output\":\"one\"}}},{\"functionResponse\"", "\"(no output)\"}}},{\"inlineData\":"),
          "Gemini 2.5: no signature, pictures behind all results");
    rq = base;
    CHECK(HAS(OLLAMA, "neutral", &rq, "{\"role\":\"system\",\"content\":\"be brief\"}",
              "\"tool_calls\":[{\"id\":\"",
              "\"name\":\"execute_python\",\"arguments\":{\"code\":\"1\"}}",
              "\"name\":\"no_such_tool\",\"arguments\":{}}",
              "{\"role\":\"tool\",\"tool_name\":\"execute_python\"", "\"content\":\"one\"}",
              "\"(no output)\"}", "{\"role\":\"user\",\"content\":", "\"images\":[\"iVBORw==\"]}",
              "(no result", "\"and?\"", "\"stream\":true,\"options\":{\"num_ctx\":16384}"),
          "Ollama: a conversation in neutral words");
    rq = base;
    CHECK(HAS(CHAT, "neutral", &rq, "\"content\":\"one\"}", "(no output)\"}",
              "{\"role\":\"user\",\"content\":[{",
              "\"image_url\":{\"url\":\"data:image/png;base64,iVBORw==\"}", "(no result"),
          "chat completions: pictures follow the results");
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        rq = base;
        rq.quirks = CHAT_NO_IMAGES;
        cleanup_free char *body = encoded(all[i], "neutral-blind", &rq);
        CHECK(strstr(body, "iVBORw") == NULL && strstr(body, "functions.py:0") == NULL &&
                  strstr(body, "orphan") == NULL,
              "%s: no pictures to a blind model, no foreign ids, no orphans", all[i]);
    }
}

/* Every switch of a request in every format. */
static void members(void)
{
    struct chat_message hi[] = { { .role = CHAT_USER, .text = (char *)"hi" } };
    struct chat_request base = { .messages = hi,
                                 .n_messages = 1,
                                 .temperature = 0.25,
                                 .max_tokens = 5000,
                                 .tools_off = true,
                                 .effort = "high",
                                 .show_reasoning = true };
    struct chat_request rq = base;

    CHECK(HAS(RESPONSES, "members", &rq, "\"tool_choice\":\"none\"",
              "\"reasoning\":{\"effort\":\"high\",\"summary\":\"auto\"}",
              "\"max_output_tokens\":5000", "\"temperature\":0.25"),
          "Responses: the members of a request");
    rq.quirks = CHAT_NO_EFFORT | CHAT_NO_SUMMARY | CHAT_NO_INCLUDE | CHAT_NO_MAX_TOKENS |
                CHAT_NO_TEMPERATURE | CHAT_NO_TOOL_CHOICE;
    cleanup_free char *few = encoded(RESPONSES, "members-fewer", &rq);
    CHECK(!strstr(few, "reasoning") && !strstr(few, "include") && !strstr(few, "max_output") &&
              !strstr(few, "temperature") && !strstr(few, "tool_choice") &&
              !strstr(few, "\"stream\""),
          "Responses: refused members are left out");
    rq = base;
    rq.model = "claude-opus-4-8";
    CHECK(HAS(ANTHROPIC, "members", &rq, "\"max_tokens\":5000",
              "\"tool_choice\":{\"type\":\"none\"}",
              "\"thinking\":{\"type\":\"adaptive\",\"display\":\"summarized\"},\"output_config\":{"
              "\"effort\":"
              "\"high\"}"),
          "Anthropic: newer models think by effort");
    rq.model = "claude-sonnet-4-20250514";
    CHECK(HAS(ANTHROPIC, "members-old", &rq,
              "\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":2500}"),
          "Anthropic: older models by a budget below the limit");
    rq.effort = NULL;
    CHECK(HAS(ANTHROPIC, "members-plain", &rq, "\"temperature\":0.25"), "Anthropic: a temperature");
    rq = base;
    CHECK(HAS(GEMINI, "members", &rq, "\"mode\":\"NONE\"",
              "\"maxOutputTokens\":5000,\"temperature\":0.25,",
              "\"thinkingConfig\":{\"thinkingLevel\":\"HIGH\",\"includeThoughts\":true}"),
          "Gemini 3: the members of a request");
    rq.model = "gemini-2.5-pro";
    rq.effort = "none";
    CHECK(HAS(GEMINI, "members-2", &rq, "\"thinkingConfig\":{\"thinkingBudget\":128,"),
          "Gemini 2.5: thinking by a budget");
    rq = base;
    rq.model = "gpt-oss:20b";
    rq.num_ctx = 4096;
    cleanup_free char *o = encoded(OLLAMA, "members", &rq);
    CHECK(strstr(o, "\"think\":\"high\"") && strstr(o, "\"num_ctx\":4096") &&
              strstr(o, "\"num_predict\":5000") && strstr(o, "\"stream\":false") &&
              !strstr(o, "\"tools\""),
          "Ollama: the members of a request; tools that may not be called are not shown");
}

static void paths(void)
{
    static const struct {
        const char *codec, *model, *whole, *stream, *header;
    } rows[] = {
        { CHAT, "m", "/chat/completions", "/chat/completions", "Authorization: Bearer k\n" },
        { RESPONSES, "m", "/responses", "/responses", "Authorization: Bearer k\n" },
        { ANTHROPIC, "m", "/v1/messages", "/v1/messages",
          "anthropic-version: 2023-06-01\nx-api-key: k\n" },
        { GEMINI, "a b?c", "/v1beta/models/a%20b%3Fc:generateContent",
          "/v1beta/models/a%20b%3Fc:streamGenerateContent?alt=sse", "x-goog-api-key: k\n" },
        { GEMINI, "tunedModels/x", "/v1beta/tunedModels/x:generateContent",
          "/v1beta/tunedModels/x:streamGenerateContent?alt=sse", "x-goog-api-key: k\n" },
        { OLLAMA, "m", "/api/chat", "/api/chat", "Authorization: Bearer k\n" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct codec *c = codec_find(rows[i].codec);
        cleanup_buf struct buf a = BUF_MAX(1000), b = BUF_MAX(1000), h = BUF_MAX(1000),
                               n = BUF_MAX(1000), z = BUF_MAX(1000);
        codec_path(c, &(struct chat_request){ .model = rows[i].model }, &a);
        codec_path(c, &(struct chat_request){ .model = rows[i].model, .stream = true }, &b);
        codec_headers(c, "k", CHAT_AUTH_OWN, &h);
        codec_headers(c, NULL, CHAT_AUTH_OWN, &n);
        codec_headers(c, "k", CHAT_AUTH_API_KEY, &z);
        CHECK(!strcmp(buf_cstr(&a), rows[i].whole) && !strcmp(buf_cstr(&b), rows[i].stream) &&
                  strstr(buf_cstr(&h), rows[i].header) && !strstr(buf_cstr(&n), "uthorization") &&
                  !strstr(buf_cstr(&n), "-key") && strstr(buf_cstr(&z), "\napi-key: k\n"),
              "%s: path, key in a header, none without a key", rows[i].codec);
    }
}

/* --- what goes back --- */

static struct chat_turn turn_of(const char *codec, const char *file)
{
    cleanup_free char *path = xasprintf("tests/cases/samples/%s", file);
    cleanup_buf struct buf in = sample(path);
    struct chat_turn t = { 0 };
    struct err e = ERR_INIT;

    if (decode(codec, buf_str(&in), str_ends(str_of(file), ".sse"), 7, 0, &t, &e) < 0)
        printf("# %s: %s\n", file, e.msg);
    return t;
}

static char *next_request(const char *codec, const char *name, struct chat_turn *t, unsigned quirks,
                          const char *origin)
{
    struct chat_message m[3 + 8] = {
        { .role = CHAT_USER, .text = (char *)"q" },
        { .role = CHAT_ASSISTANT,
          .text = t->text,
          .calls = t->calls,
          .n_calls = t->n_calls,
          .raw = t->raw,
          .wire = t->wire,
          .origin = (char *)"there" },
    };
    struct chat_request rq = {
        .messages = m, .n_messages = 2, .temperature = NAN, .quirks = quirks, .origin = origin
    };

    for (size_t i = 0; i < t->n_calls && i < 8; i++)
        m[rq.n_messages++] = (struct chat_message){ .role = CHAT_TOOL,
                                                    .call_id = t->calls[i].id,
                                                    .name = t->calls[i].name,
                                                    .text = (char *)"42" };
    if (t->n_calls == 0)
        m[rq.n_messages++] = (struct chat_message){ .role = CHAT_USER, .text = (char *)"more" };
    return encoded(codec, name, &rq);
}

/* The opaque pieces of the recorded bodies, as their own service sees them again, and as others do
 * not. */
static void goes_back(const char *codec, const char *file, const char *piece)
{
    cleanup_free char *path = xasprintf("tests/cases/samples/%s", file);
    cleanup_buf struct buf in = sample(path);
    struct chat_turn t = turn_of(codec, file);
    cleanup_free char *own = next_request(codec, file, &t, 0, "there");
    cleanup_free char *other = next_request(codec, file, &t, 0, "elsewhere");
    const char *from = strstr(buf_cstr(&in), piece);
    /* The value behind the piece, up to its quote: hundreds of bytes that only the service knows.
     */
    size_t n = from ? strcspn(from + strlen(piece), "\"") + strlen(piece) : 0;
    cleanup_free char *value = from ? xstrndup(from, n) : xstrdup("(not there)");

    /* Recorders print a space behind the colon; we do not. */
    const char *blob = strrchr(value, '"') ? strrchr(value, '"') + 1 : value;
    CHECK(from && strlen(blob) > 20 && strstr(own, blob) && strstr(other, blob) == NULL,
          "%s: the opaque state of %s goes back, %zu bytes, and to nobody else", codec, file,
          strlen(blob));
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        if (strcmp(all[i], codec) == 0)
            continue;
        cleanup_free char *body = next_request(all[i], file, &t, 0, NULL);
        CHECK(strstr(body, blob) == NULL, "%s as history of %s: without the opaque state", file,
              all[i]);
    }
    chat_turn_done(&t);
}

static bool order(const char *body, const char *const *pieces)
{
    for (; *pieces; pieces++) {
        body = strstr(body, *pieces);
        if (body == NULL)
            return false;
        body += strlen(*pieces);
    }
    return true;
}

static void opaque(void)
{
    goes_back(ANTHROPIC, "anthropic-thinking-tool.json", "\"signature\":\"");
    goes_back(ANTHROPIC, "anthropic-thinking-tool-stream.sse",
              "\"signature_delta\",\"signature\":\"");
    goes_back(ANTHROPIC, "anthropic-redacted-thinking-stream.sse",
              "\"redacted_thinking\",\"data\":\"");
    goes_back(GEMINI, "gemini-tool-stream.sse", "\"thoughtSignature\": \"");
    goes_back(GEMINI, "gemini-parallel-ids.json", "\"thoughtSignature\": \"");
    struct chat_turn t = turn_of(ANTHROPIC, "anthropic-thinking-tool-stream.sse");
    cleanup_free char *a = next_request(ANTHROPIC, "order", &t, 0, NULL);
    CHECK(
        order(a, (const char *const[]){ "\"type\":\"thinking\"", "\"thinking\":\"The user wants me",
                                        "\"signature\":\"", "\"type\":\"tool_use\"",
                                        "\"caller\":{\"type\":\"direct\"}", "\"input\":{}",
                                        "\"tool_result\"", NULL }),
        "Anthropic: the blocks go back in their order, whole");
    chat_turn_done(&t);
    t = turn_of(GEMINI, "gemini-parallel-ids.json");
    cleanup_free char *g = next_request(GEMINI, "ids", &t, 0, NULL);
    CHECK(order(g,
                (const char *const[]){ "\"functionResponse\":{\"name\":\"add\",\"id\":\"wxvlv0tv\"",
                                       "\"name\":\"multiply\",\"id\":\"75p2opbh\"", NULL }),
          "Gemini: an id that came goes back with the result");
    chat_turn_done(&t);
    t = turn_of(GEMINI, "gemini-parallel-no-ids.json");
    cleanup_free char *g2 = next_request(GEMINI, "no-ids", &t, 0, NULL);
    CHECK(strstr(g2, "\"id\"") == NULL, "Gemini: an id that did not come is not invented");
    chat_turn_done(&t);

    /* Reasoning that cannot be sent back: not sealed, or behind the end. */
    t = turn_of(RESPONSES, "openai-responses-tool.json");
    cleanup_free char *r = next_request(RESPONSES, "unsealed", &t, 0, NULL);
    CHECK(strstr(r, "\"type\":\"reasoning\"") == NULL && strstr(r, "fc_02e6") == NULL &&
              strstr(r, "\"call_id\":\"call_ves1YcSxZVxr4IGeGzt3Hn6u\""),
          "Responses: reasoning without its sealed form stays here, and the ids that ask for it");
    chat_turn_done(&t);
    struct err e = ERR_INIT;
    static const char sealed[] =
        "data: "
        "{\"type\":\"response.output_item.done\",\"item\":{\"type\":\"reasoning\",\"id\":\"rs_1\","
        "\"summary\":[],\"encrypted_content\":\"gAAAA+/=\\u00e9\"}}\n\n"
        "data: "
        "{\"type\":\"response.output_item.done\",\"item\":{\"type\":\"function_call\",\"id\":\"fc_"
        "1\","
        "\"call_id\":\"call_1\",\"name\":\"f\",\"arguments\":\"{ \\\"a\\\" : 1 "
        "}\",\"status\":\"completed\"}}\n\n"
        "data: "
        "{\"type\":\"response.completed\",\"response\":{\"status\":\"completed\",\"output\":[]}}"
        "\n\n";
    CHECK(decode(RESPONSES, str_of(sealed), true, 1, 0, &t, &e) == 0,
          "Responses: a sealed reasoning");
    cleanup_free char *s1 = next_request(RESPONSES, "sealed", &t, 0, "there");
    cleanup_free char *s2 = next_request(RESPONSES, "sealed-elsewhere", &t, 0, "elsewhere");
    CHECK(order(s1, (const char *const[]){ "\"id\":\"rs_1\"",
                                           "\"encrypted_content\":\"gAAAA+/=\xC3\xA9\"",
                                           "\"id\":\"fc_1\"", "{ \\\"a\\\" : 1 }", "\"status\"",
                                           "function_call_output", NULL }) &&
              !strstr(s2, "gAAAA") && !strstr(s2, "rs_1") && strstr(s2, "\"call_id\":\"call_1\""),
          "Responses: the items go back as they came, and to nobody else");
    chat_turn_done(&t);
    static const char orphan[] = "{\"status\":\"incomplete\",\"incomplete_details\":{\"reason\":"
                                 "\"max_output_tokens\"},\"output\":[{"
                                 "\"type\":\"message\",\"id\":\"m\",\"role\":\"assistant\","
                                 "\"content\":[{\"type\":\"output_text\",\"text\":"
                                 "\"a\",\"annotations\":[]}]},{\"type\":\"reasoning\",\"id\":\"r\","
                                 "\"summary\":[],\"encrypted_content\":"
                                 "\"sealed\"}]}";
    CHECK(decode(RESPONSES, str_of(orphan), false, 0, 0, &t, &e) == 0 && strstr(t.raw, "\"m\"") &&
              !strstr(t.raw, "sealed"),
          "Responses: reasoning that nothing follows does not go back");
    chat_turn_done(&t);
    t = turn_of(RESPONSES, "openai-responses-tool-stream.sse");
    cleanup_free char *q =
        next_request(RESPONSES, "no-reasoning", &t, CHAT_NO_REASONING_BACK, NULL);
    CHECK(!strstr(q, "\"type\":\"reasoning\"") && strstr(q, "\"type\":\"function_call\""),
          "Responses: a service that refuses reasoning gets none");
    chat_turn_done(&t);
}

/* --- Ollama's window --- */

static void window(void)
{
    cleanup_buf struct buf text = BUF_MAX(1 << 22), notice = BUF_MAX(1000);

    for (int i = 0; i < 30000; i++)
        buf_puts(&text, "word ");
    struct chat_message m[] = { { .role = CHAT_USER, .text = text.p } };
    struct chat_request rq = { .messages = m, .n_messages = 1, .temperature = NAN };
    CHECK(buf_cstr(&text) && HAS(OLLAMA, "window", &rq, "\"num_ctx\":65536"),
          "the window grows with the conversation, by doubling");
    struct chat_turn t = { .usage = { 4096, 1, -1, -1, NAN, -1 } };
    codec_find(OLLAMA)->review(&rq, &t, &notice);
    CHECK(strstr(buf_cstr(&notice), "4096 tokens") && strstr(buf_cstr(&notice), "num_ctx"),
          "a prompt that was cut in silence is noticed: %s", buf_cstr(&notice));
    buf_clear(&notice);
    t.usage.input = 30010;
    codec_find(OLLAMA)->review(&rq, &t, &notice);
    CHECK(notice.n == 0, "and one that was read is not");
    t.usage.input = -1;
    codec_find(OLLAMA)->review(&rq, &t, &notice);
    CHECK(notice.n == 0, "nor one whose tokens were not told");
}

/* --- more than any real reply --- */

static void repeat(struct buf *b, const char *piece, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_puts(b, piece);
}

static bool refused(const char *codec, struct str in, bool stream, const char *has_word)
{
    struct chat_turn t = { 0 };
    struct err e = ERR_INIT;
    bool ok = decode(codec, in, stream, 1 << 16, 0, &t, &e) < 0 && strstr(e.msg, has_word);

    if (!ok)
        printf("# %s: %s\n", codec, e.msg);
    chat_turn_done(&t);
    return ok;
}

static void caps(void)
{
    static const char *const many[][3] = {
        { ANTHROPIC, "{\"type\":\"tool_use\",\"name\":\"f\",\"input\":{}}",
          "{\"content\":[%s],\"stop_reason\":\"x\"}" },
        { RESPONSES, "{\"type\":\"function_call\",\"name\":\"f\",\"arguments\":\"{}\"}",
          "{\"output\":[%s]}" },
        { GEMINI, "{\"functionCall\":{\"name\":\"f\"}}",
          "{\"candidates\":[{\"content\":{\"parts\":[%s]},\"finishReason\":\"STOP\"}]}" },
        { OLLAMA, "{\"function\":{\"name\":\"f\",\"arguments\":{}}}",
          "{\"message\":{\"tool_calls\":[%s]},\"done\":true}" },
    };
    static const char *const long_text[][2] = {
        { ANTHROPIC,
          "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\","
          "\"text\":\"%s\"}}\n\n" },
        { RESPONSES, "data: {\"type\":\"response.output_text.delta\",\"delta\":\"%s\"}\n\n" },
        { GEMINI, "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"%s\"}]}}]}\n\n" },
        { OLLAMA, "{\"message\":{\"content\":\"%s\"},\"done\":false}\n" },
    };
    cleanup_free char *mega = xmalloc((1 << 20) + 1);

    memset(mega, 'x', 1 << 20);
    mega[1 << 20] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(many); i++) {
        cleanup_buf struct buf list = BUF_MAX(1 << 20), in = BUF_MAX(1 << 20),
                               events = BUF_MAX(1 << 24), deep = BUF_MAX(1 << 20),
                               empty = BUF_MAX(1 << 24);
        const char *codec = many[i][0], *hole = strstr(many[i][2], "%s");
        repeat(&list, many[i][1], 1);
        for (int k = 0; k < 64; k++)
            buf_putf(&list, ",%s", many[i][1]);
        buf_put(&in, many[i][2], (size_t)(hole - many[i][2]));
        buf_putstr(&in, buf_str(&list));
        buf_puts(&in, hole + 2);
        CHECK(refused(codec, buf_str(&in), false, "more than 64"), "%s: 65 calls", codec);
        hole = strstr(long_text[i][1], "%s");
        for (int k = 0; k < 5; k++) {
            buf_put(&events, long_text[i][1], (size_t)(hole - long_text[i][1]));
            buf_puts(&events, mega);
            buf_puts(&events, hole + 2);
        }
        CHECK(refused(codec, buf_str(&events), true, "4 MiB"), "%s: five MiB of text", codec);
        repeat(&deep, "[", 100000);
        CHECK(refused(codec, buf_str(&deep), false, "deeper"), "%s: 100,000 brackets", codec);
        repeat(&empty, strcmp(codec, OLLAMA) == 0 ? "\n" : "data:\n\n", 1000000);
        CHECK(refused(codec, buf_str(&empty), true, "was cut"), "%s: a million empty events",
              codec);
        CHECK(refused(codec, (struct str){ "{\"a\":\0\"b\"}", 10 }, false, "not JSON"),
              "%s: a NUL byte", codec);
    }
}

/* Recorded refusals teach what to leave out of the next request. */
static void lessons(void)
{
    static const struct {
        const char *file, *codec, *gone, *instead;
    } rows[] = {
        { "openai-error-400-max_tokens.json", CHAT, "\"max_tokens\"",
          "\"max_completion_tokens\":64" },
        { "openai-error-400-temperature.json", CHAT, "\"temperature\"", "\"max_tokens\":64" },
        { "openai-error-400-temperature.json", RESPONSES, "\"temperature\"",
          "\"max_output_tokens\":64" },
        { "openai-responses-error-reasoning-orphan.json", RESPONSES, "sealed-blob", "\"call_1\"" },
        { "openai-error-400-model-responses.json", RESPONSES, NULL, NULL }, /* nothing to learn */
    };
    static const char raw[] =
        "[{\"type\":\"reasoning\",\"id\":\"rs\",\"summary\":[],\"encrypted_content\":\"sealed-"
        "blob\"},"
        "{\"type\":\"function_call\",\"call_id\":\"call_1\",\"name\":\"f\",\"arguments\":\"{}\"}]";

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup_free char *path = xasprintf("tests/cases/samples/%s", rows[i].file);
        cleanup_buf struct buf in = sample(path);
        struct chat_call call = { (char *)"call_1", (char *)"f", (char *)"{}" };
        struct chat_message m[] = {
            { .role = CHAT_USER, .text = (char *)"hi" },
            { .role = CHAT_ASSISTANT,
              .calls = &call,
              .n_calls = 1,
              .raw = (char *)raw,
              .wire = (char *)RESPONSES },
            { .role = CHAT_TOOL, .call_id = call.id, .text = (char *)"1" },
        };
        struct chat_request rq = {
            .model = "m", .messages = m, .n_messages = 3, .temperature = 0.5, .max_tokens = 64
        };
        struct quirks q = { 0 };
        struct errbody b;
        char notice[400] = "";
        errbody_read(buf_str(&in), &b);
        bool learnt = quirk_learn(&q, &rq, 400, &b, notice, sizeof notice);
        rq.quirks = q.set;
        cleanup_free char *body = encoded(rows[i].codec, "lesson", &rq);
        CHECK(learnt == (rows[i].gone != NULL) &&
                  (!learnt ||
                   (!strstr(body, rows[i].gone) && strstr(body, rows[i].instead) && notice[0])),
              "%s, %s: %s", rows[i].codec, rows[i].file, notice);
    }
}

/* Counts and costs of a service are taken only where sums of them stay numbers. */
static void absurd_counts(void)
{
    static const struct {
        const char *usage;
        int64_t input;
        double cost; /* NAN = none */
    } rows[] = {
        { "{\"prompt_tokens\":1099511627775,\"cost\":0.5}", 1099511627775, 0.5 },
        { "{\"prompt_tokens\":1099511627776,\"cost\":1e6}", -1, NAN },
        { "{\"prompt_tokens\":-1,\"cost\":-0.5}", -1, NAN },
        { "{\"prompt_tokens\":1e300,\"cost\":1e300}", -1, NAN },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct chat_turn t = { 0 };
        struct err e = ERR_INIT;
        cleanup_free char *in = xasprintf(
            "{\"choices\":[{\"message\":{\"content\":\"a\"}}],\"usage\":%s}", rows[i].usage);
        int r = decode(CHAT, str_of(in), false, 0, 0, &t, &e);
        CHECK(r == 0 && t.usage.input == rows[i].input &&
                  (isnan(rows[i].cost) ? isnan(t.usage.cost) : t.usage.cost == rows[i].cost),
              "%s: %lld, %g", rows[i].usage, (long long)t.usage.input, t.usage.cost);
        chat_turn_done(&t);
    }
}

/* One answer was asked for: what belongs to another is not mixed into it. */
static void other_answers(void)
{
    static const char in[] =
        "{\"candidates\":[{\"index\":0,\"content\":{\"parts\":[{\"text\":\"a\"}]},"
        "\"finishReason\":\"STOP\"},{\"index\":1,\"content\":{\"parts\":[{\"text\":\"b\"}]}}]}";
    struct chat_turn t = { 0 };
    struct err e = ERR_INIT;

    CHECK(decode(GEMINI, str_of(in), false, 0, 0, &t, &e) == 0 && t.text &&
              strcmp(t.text, "a") == 0,
          "Gemini: the first answer alone");
    chat_turn_done(&t);
}

/* What goes back as it came has numbers that no double holds. */
static void long_integers(void)
{
#define LONG "9007199254740993"
#define CODE "{\"code\":\"1\",\"n\":" LONG "}"
    static const char *const whole[][2] = {
        { CHAT, "{\"choices\":[{\"message\":{\"reasoning_details\":[{\"type\":\"reasoning.text\","
                "\"at\":" LONG "}],\"tool_calls\":[{\"id\":\"a\",\"function\":{\"name\":\"f\","
                "\"arguments\":" CODE "},\"extra_content\":{\"n\":" LONG "}}]}}]}" },
        { RESPONSES, "{\"status\":\"completed\",\"output\":[{\"type\":\"reasoning\",\"summary\":[],"
                     "\"encrypted_content\":\"x\",\"at\":" LONG "},{\"type\":\"function_call\","
                     "\"call_id\":\"a\",\"name\":\"f\",\"arguments\":\"{}\",\"at\":" LONG "},"
                     "{\"type\":\"item\",\"at\":" LONG "}]}" },
        { ANTHROPIC, "{\"content\":[{\"type\":\"thinking\",\"thinking\":\"x\",\"signature\":\"s\","
                     "\"at\":" LONG "},{\"type\":\"redacted_thinking\",\"data\":\"d\",\"at\":" LONG
                     "},{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"f\",\"input\":" CODE
                     "}],\"stop_reason\":\"tool_use\"}" },
        { GEMINI, "{\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"f\","
                  "\"args\":" CODE "},\"at\":" LONG "},{\"other\":" LONG "}]},"
                  "\"finishReason\":\"STOP\"}]}" },
        { OLLAMA, "{\"message\":{\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":" CODE
                  "},\"at\":" LONG "},{\"function\":{\"name\":\"g\",\"arguments\":" CODE
                  "}}]},\"done\":true}" },
    };

    for (size_t i = 0; i < ARRAY_LEN(whole); i++) {
        struct chat_turn t = { 0 };
        struct err e = ERR_INIT;
        int n = 0;
        CHECK(decode(whole[i][0], str_of(whole[i][1]), false, 0, 0, &t, &e) == 0, "%s: %s",
              whole[i][0], e.msg);
        for (const char *p = t.raw; p && (p = strstr(p, LONG)) != NULL; p++)
            n++;
        CHECK(n == 3, "%s: long integers go back digit for digit (%d): %s", whole[i][0], n, t.raw);
        chat_turn_done(&t);
    }
}

int main(void)
{
    CHECK(decode_samples(RESPONSES) >= 5, "all recorded bodies of Responses were read");
    CHECK(decode_samples(ANTHROPIC) >= 16, "all recorded bodies of Anthropic were read");
    CHECK(decode_samples(GEMINI) >= 10, "all recorded bodies of Gemini were read");
    CHECK(decode_samples(OLLAMA) >= 1, "all recorded bodies of Ollama were read");
    more_cases();
    neutral();
    members();
    paths();
    opaque();
    absurd_counts();
    other_answers();
    long_integers();
    window();
    lessons();
    caps();
    return tap_done();
}
