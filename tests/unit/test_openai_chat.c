/* Recorded bodies to turns (tests/cases/openai-chat/expected.json), conversations to requests. With
 * REQUEST_DUMP=DIR each request is also written there, for a check against the published schema. */
#include <cjson/cJSON.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include "agent/base/json.h"
#include "providers/provider.h"
#include "providers/sse.h"
#include "tests/unit/decode.h"
#include "tests/unit/samples.h"
#include "tests/unit/tap.h"

static void samples(void)
{
    CHECK(decode_samples("openai-chat") >= 50, "all recorded bodies were read");
}

/* Bodies that no recording has. */
static const struct {
    const char *name, *in;
    bool stream;
    const char *text, *reasoning, *args, *stop; /* NULL = not looked at */
    const char *error;
} cases[] = {
    { "reasoning in the text's tags",
      "{\"choices\":[{\"message\":{\"content\":\"<think>hm</think>\\n\\nyes\"}}]}", false, "yes",
      "hm", NULL, "end", NULL },
    { "tags in a stream, cut anywhere",
      "data: {\"choices\":[{\"delta\":{\"content\":\" <th\"}}]}\n\n"
      "data: {\"choices\":[{\"delta\":{\"content\":\"ink>a</thi\"}}]}\n\n"
      "data: {\"choices\":[{\"delta\":{\"content\":\"nk>b\"}}]}\n\ndata: [DONE]\n\n",
      true, "b", "a", NULL, "end", NULL },
    { "a tag that is text", "{\"choices\":[{\"message\":{\"content\":\"<thin> x\"}}]}", false,
      "<thin> x", "", NULL, "end", NULL },
    { "the beginning of a tag, and nothing more",
      "{\"choices\":[{\"message\":{\"content\":\"<thi\"}}]}", false, "<thi", "", NULL, "end",
      NULL },
    { "content as a list of parts",
      "{\"choices\":[{\"message\":{\"content\":[{\"type\":\"thinking\",\"thinking\":[{\"type\":"
      "\"text\","
      "\"text\":\"r\"}]},{\"type\":\"text\",\"text\":\"t\"}]}}]}",
      false, "t", "r", NULL, "end", NULL },
    { "both names of reasoning count once",
      "{\"choices\":[{\"message\":{\"content\":\"t\",\"reasoning_content\":\"r\",\"reasoning\":"
      "\"r\"}}]}",
      false, "t", "r", NULL, "end", NULL },
    { "an escaped NUL does not end the text",
      "{\"choices\":[{\"message\":{\"content\":\"a\\u0000b\"}}]}", false,
      "a\xEF\xBF\xBD"
      "b",
      "", NULL, "end", NULL },
    { "an escaped backslash before u0000 stays",
      "{\"choices\":[{\"message\":{\"content\":\"a\\\\u0000b\"}}]}", false, "a\\u0000b", "", NULL,
      "end", NULL },
    { "half an emoji, and a whole one",
      "{\"choices\":[{\"message\":{\"content\":\"\\ud83d x \\uDE00 \\ud83d\\ude00\"}}]}", false,
      "\xEF\xBF\xBD x \xEF\xBF\xBD \xF0\x9F\x98\x80", "", NULL, "end", NULL },
    { "broken bytes", "{\"choices\":[{\"message\":{\"content\":\"a\xFF\xC3\"}}]}", false,
      "a\xEF\xBF\xBD\xEF\xBF\xBD", "", NULL, "end", NULL },
    { "two whole calls glued together",
      "data: "
      "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":"
      "\"f\",\"arguments\":\"{\\\"x\\\":1}\"}}]}}]}\n\n"
      "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":"
      "\"{\\\"x\\\":2}\"}}]}}]}\n\ndata: [DONE]\n\n",
      true, "", "", "{\"x\":1}", "end", NULL },
    { "arguments in pieces with a brace each are one call",
      "data: "
      "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":"
      "\"f\",\"arguments\":\"{\\\"x\\\":\"}}]}}]}\n\n"
      "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":"
      "\"{}\"}}]}}]}\n\n"
      "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":"
      "\"}\"}}]}}]}\n\ndata: [DONE]\n\n",
      true, "", "", "{\"x\":{}}", "end", NULL },
    { "a second choice is not ours",
      "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"no\"}},{\"index\":0,\"delta\":{"
      "\"content\":\"yes\"}}]}\n\ndata: [DONE]\n\n",
      true, "yes", "", NULL, "end", NULL },
    { "events after the end mark are ignored",
      "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: [DONE]\n\ndata: junk\n\n",
      true, "a", "", NULL, "end", NULL },
    { "an unclosed last event that is whole",
      "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}", true, "a",
      "", NULL, "end", NULL },
    { "an unknown finish word",
      "{\"choices\":[{\"message\":{\"content\":\"a\"},\"finish_reason\":\"zz\"}]}", false, "a", "",
      NULL, "other", NULL },
    { "no choices", "{\"id\":\"x\"}", false, NULL, NULL, NULL, NULL, "no \"choices\"" },
    { "an error in a good answer", "{\"error\":{\"message\":\"boo\",\"code\":500}}", false, NULL,
      NULL, NULL, NULL, "boo" },
    { "an error as an array", "[{\"error\":{\"message\":\"boo\",\"code\":500}}]", false, NULL, NULL,
      NULL, NULL, "boo" },
    { "an error event", "event: error\ndata: {\"message\":\"boo\"}\n\n", true, NULL, NULL, NULL,
      NULL, "boo" },
    { "a bare error body", "{\n\"error\":\"boo\"\n}\n", true, NULL, NULL, NULL, NULL, "boo" },
    { "an event that is no JSON", "data: zzz\n\n", true, NULL, NULL, NULL, NULL, "event 1" },
    { "an end mark without a reply", "data: [DONE]\n\n", true, NULL, NULL, NULL, NULL, "no reply" },
    { "an empty stream", "", true, NULL, NULL, NULL, NULL, "was cut" },
    { "the service gave up",
      "{\"choices\":[{\"message\":{\"content\":\"a\"},\"finish_reason\":\"insufficient_system_"
      "resource\"}]}",
      false, NULL, NULL, NULL, NULL, "gave up" },
    { "members of the wrong type",
      "{\"id\":1,\"model\":{},\"usage\":[],\"choices\":[{\"index\":\"x\",\"message\":{\"content\":"
      "7,"
      "\"tool_calls\":{\"a\":1},\"refusal\":3,\"reasoning_details\":\"z\"},\"finish_reason\":9}]}",
      false, "", "", NULL, "end", NULL },
    { "calls of the wrong type",
      "{\"choices\":[{\"message\":{\"tool_calls\":[1,null,\"x\",{},{\"function\":7},{\"function\":{"
      "\"name\":5,"
      "\"arguments\":[1]}}]}}]}",
      false, "", "", "[1]", "end", NULL },
};

static void more_cases(void)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct chat_turn t = { 0 };
        struct err e = ERR_INIT;
        int r = decode("openai-chat", str_of(cases[i].in), cases[i].stream, 1, 0, &t, &e);
        bool ok = cases[i].error
                      ? r < 0 && strstr(e.msg, cases[i].error)
                      : r == 0 && !strcmp(t.text ? t.text : "", cases[i].text) &&
                            !strcmp(t.reasoning ? t.reasoning : "", cases[i].reasoning) &&
                            !strcmp(chat_stop_word(t.stop), cases[i].stop);
        if (ok && cases[i].args)
            ok = t.n_calls > 0 && strcmp(t.calls[0].args, cases[i].args) == 0;
        if (!CHECK(ok, "%s", cases[i].name))
            printf("# r %d, text %s, reasoning %s, error %s\n", r, t.text, t.reasoning, e.msg);
        chat_turn_done(&t);
    }
}

static void dump(const char *name, struct str body)
{
    const char *dir = getenv("REQUEST_DUMP");
    struct err e = ERR_INIT;

    if (dir == NULL)
        return;
    cleanup_free char *path = xasprintf("%s/%s.json", dir, name);
    if (io_write_atomic(AT_FDCWD, path, body, 0644, &e) < 0)
        printf("# %s\n", e.msg);
}

static const char schema[] =
    "{\"type\":\"object\",\"properties\":{\"code\":{\"type\":\"string\"},\"description\":{\"type\":"
    "\"string\"}},\"required\":[\"code\"],\"additionalProperties\":false}\n";

static cJSON *encoded(const char *name, struct chat_request *rq)
{
    static const struct chat_tool tool = { "execute_python", "Runs Python.", schema };
    struct err e = ERR_INIT;
    cleanup_buf struct buf b = BUF_MAX(1 << 24);

    rq->model = "gpt-test";
    rq->tools = &tool;
    rq->n_tools = 1;
    if (codec_find("openai-chat")->encode(rq, &b, &e) < 0) {
        printf("# %s\n", e.msg);
        return NULL;
    }
    dump(name, buf_str(&b));
    return json_parse(buf_str(&b), &e);
}

/* "system:be brief user:hi assistant:-(c1) tool(c1):2 ..." */
static char *outline(const cJSON *rq)
{
    struct buf out = BUF_MAX(1 << 20);
    const cJSON *m, *c;

    cJSON_ArrayForEach(m, json_arr(rq, "messages"))
    {
        const char *text = json_str(m, "content"), *id = json_str(m, "tool_call_id");
        buf_putf(&out, "%s%s", out.n ? " " : "", json_str(m, "role"));
        if (id)
            buf_putf(&out, "(%s)", id);
        buf_putf(&out, ":%s", text ? text : "-");
        cJSON_ArrayForEach(c, json_arr(m, "tool_calls")) buf_putf(
            &out, "<%s %s %s>", json_str(c, "id"), json_str(json_obj(c, "function"), "name"),
            json_str(json_obj(c, "function"), "arguments"));
    }
    return buf_steal(&out);
}

static bool outlines(const char *name, struct chat_request *rq, const char *want)
{
    cleanup_json cJSON *j = encoded(name, rq);
    cleanup_free char *got = outline(j);

    if (j && strcmp(got, want) == 0)
        return true;
    printf("# got  %s\n# want %s\n", got, want);
    return false;
}

static void requests(void)
{
    struct chat_call one[] = { { "c1", "execute_python", "{\"code\":\"1+1\"}" } };
    struct chat_call two[] = { { "c1", "execute_python", "{\"code\":\"1\"}" },
                               { "c2", "execute_python", "{\"code\":\"2\"" } };
    struct chat_message hi[] = {
        { .role = CHAT_SYSTEM, .text = "be brief" },
        { .role = CHAT_USER, .text = "h\"i\n\xC3\xA9\xFF\x01" },
    };
    struct chat_request rq = {
        .messages = hi, .n_messages = 2, .stream = true, .temperature = NAN
    };
    CHECK(outlines("question", &rq, "system:be brief user:h\"i\n\xC3\xA9\xEF\xBF\xBD\x01"),
          "a question: quotes, newlines and broken UTF-8 are encoded");

    struct chat_message loop[] = {
        { .role = CHAT_USER, .text = "hi" },
        { .role = CHAT_ASSISTANT, .calls = one, .n_calls = 1 },
        { .role = CHAT_TOOL, .call_id = "c1", .text = "" },
        { .role = CHAT_ASSISTANT, .text = "2" },
        { .role = CHAT_USER, .text = "again" },
    };
    rq = (struct chat_request){
        .messages = loop, .n_messages = 5, .temperature = 0.5, .max_tokens = 99
    };
    CHECK(outlines("loop", &rq,
                   "user:hi assistant:-<c1 execute_python {\"code\":\"1+1\"}> tool(c1):(no output) "
                   "assistant:2 user:again"),
          "a tool loop; an empty result gets words");

    struct chat_message swapped[] = {
        { .role = CHAT_USER, .text = "hi" },
        { .role = CHAT_ASSISTANT, .text = "let me", .calls = two, .n_calls = 2 },
        { .role = CHAT_TOOL, .call_id = "c2", .text = "two" },
        { .role = CHAT_TOOL, .call_id = "c1", .text = "one" },
        { .role = CHAT_TOOL, .call_id = "c9", .text = "nobody's" },
    };
    rq = (struct chat_request){
        .messages = swapped, .n_messages = 5, .temperature = NAN, .tools_off = true
    };
    CHECK(outlines(
              "parallel", &rq,
              "user:hi assistant:let me<c1 execute_python {\"code\":\"1\"}><c2 execute_python {}> "
              "tool(c1):one tool(c2):two"),
          "results in the calls' order, broken arguments become {}, orphans are dropped");

    struct chat_message torn[] = {
        { .role = CHAT_USER, .text = "hi" },
        { .role = CHAT_ASSISTANT, .calls = two, .n_calls = 2 },
        { .role = CHAT_TOOL, .call_id = "c1", .text = "one" },
        { .role = CHAT_USER, .text = "and?" },
    };
    rq = (struct chat_request){ .messages = torn, .n_messages = 4, .temperature = NAN };
    CHECK(outlines("interrupted", &rq,
                   "user:hi assistant:-<c1 execute_python {\"code\":\"1\"}><c2 execute_python {}> "
                   "tool(c1):one tool(c2):(no result: the run was interrupted before this call was "
                   "answered) user:and?"),
          "a call without a result gets one");
}

static void members(void)
{
    struct chat_message hi[] = { { .role = CHAT_USER, .text = "hi" } };
    struct chat_request rq = {
        .messages = hi, .n_messages = 1, .stream = true, .temperature = 0.25, .max_tokens = 7
    };
    cleanup_json cJSON *a = encoded("members", &rq);
    CHECK(json_bool(a, "stream", false) &&
              json_bool(json_obj(a, "stream_options"), "include_usage", false) &&
              json_int(a, "max_tokens", 0) == 7 && json_num(a, "temperature", 0) == 0.25 &&
              !strcmp(json_str(a, "tool_choice"), "auto") &&
              json_get(a, "max_completion_tokens") == NULL,
          "the members of a streamed request");
    rq.stream = false;
    rq.tools_off = true;
    rq.quirks = CHAT_COMPLETION_TOKENS | CHAT_NO_TEMPERATURE | CHAT_EFFORT_NONE;
    cleanup_json cJSON *b = encoded("members-quirks", &rq);
    CHECK(json_get(b, "stream") == NULL && json_get(b, "stream_options") == NULL &&
              json_int(b, "max_completion_tokens", 0) == 7 && json_get(b, "temperature") == NULL &&
              !strcmp(json_str(b, "tool_choice"), "none") &&
              !strcmp(json_str(b, "reasoning_effort"), "none"),
          "the members with quirks, not streamed, tools off");
    rq.quirks = CHAT_NO_TOOL_CHOICE | CHAT_NO_MAX_TOKENS | CHAT_NO_STREAM_OPTIONS;
    rq.stream = true;
    cleanup_json cJSON *c = encoded("members-fewer", &rq);
    CHECK(json_get(c, "tool_choice") == NULL && json_get(c, "max_tokens") == NULL &&
              json_get(c, "stream_options") == NULL && json_bool(c, "stream", false),
          "the members that were refused are left out");
}

/* A decoded turn as history: what came opaque goes back, unchanged. */
static void goes_back(const char *file, bool stream, const char *member, unsigned quirks, bool want)
{
    cleanup_free char *path = xasprintf("tests/cases/samples/%s", file);
    cleanup_buf struct buf in = sample(path);
    struct chat_turn t = { 0 };
    struct err e = ERR_INIT;

    if (decode("openai-chat", buf_str(&in), stream, in.n, 0, &t, &e) < 0) {
        CHECK(false, "%s: %s", file, e.msg);
        return;
    }
    struct chat_message m[] = {
        { .role = CHAT_USER, .text = "hi" },
        { .role = CHAT_ASSISTANT,
          .text = t.text,
          .calls = t.calls,
          .n_calls = t.n_calls,
          .raw = t.raw,
          .wire = t.wire },
        { .role = CHAT_TOOL, .call_id = t.calls[0].id, .text = "sunny" },
    };
    struct chat_request rq = {
        .messages = m, .n_messages = 3, .temperature = NAN, .quirks = quirks
    };
    /* Opaque members are other services' own: only the loose schema takes them. */
    cleanup_free char *name = xasprintf("%s-%s-%u", want ? "loose" : "back", file, quirks);
    for (char *p = name; *p; p++)
        *p = *p == '/' || *p == '.' ? '-' : *p;
    cleanup_json cJSON *j = encoded(name, &rq);
    const cJSON *back = cJSON_GetArrayItem(json_arr(j, "messages"), 1);
    const cJSON *got = json_get(back, member);
    CHECK((got != NULL) == want &&
              cJSON_GetArraySize(json_arr(back, "tool_calls")) == (int)t.n_calls,
          "%s: %s %s", file, member, want ? "goes back" : "stays here");
    if (want && !stream && got) { /* equal to what came */
        cleanup_json cJSON *was = json_parse(buf_str(&in), &e);
        const cJSON *msg = json_obj(cJSON_GetArrayItem(json_arr(was, "choices"), 0), "message");
        CHECK(cJSON_Compare(got, json_get(msg, member), true), "%s: %s is unchanged", file, member);
    }
    chat_turn_done(&t);
}

static void opaque(void)
{
    goes_back("deepseek-reasoning-tool-stream.sse", true, "reasoning_content", 0, true);
    goes_back("deepseek-reasoning-tool-stream.sse", true, "reasoning_content",
              CHAT_NO_REASONING_BACK, false);
    goes_back("openrouter-reasoning-details.json", false, "reasoning_details", 0, true);
    goes_back("ollama-openai-tool.json", false, "reasoning", 0, false);
    goes_back("ollama-openai-tool.json", false, "reasoning_content", 0, false);
    goes_back("llamacpp-tool.json", false, "reasoning_content", 0, true);
    goes_back("gemini-openai-compat-tool.json", false, "extra_content", 0, true);
    goes_back("derived/gemini-compat-no-index.sse", true, "tool_calls", 0, true);

    struct err e = ERR_INIT;
    struct chat_turn t = { 0 };
    cleanup_buf struct buf in = sample("tests/cases/samples/derived/gemini-compat-no-index.sse");
    CHECK(decode("openai-chat", buf_str(&in), true, 1, 0, &t, &e) == 0 && t.raw &&
              strstr(t.raw, "U0lHTkFUVVJF"),
          "a call's own signature goes back");
    chat_turn_done(&t);

    static const char pieces[] =
        "data: "
        "{\"choices\":[{\"delta\":{\"reasoning_details\":[{\"type\":\"reasoning.text\",\"index\":0,"
        "\"text\":\"ab\"}]}}]}\n\n"
        "data: "
        "{\"choices\":[{\"delta\":{\"reasoning_details\":[{\"type\":\"reasoning.text\",\"index\":0,"
        "\"text\":\"cd\",\"signature\":\"S\"},{\"type\":\"reasoning.encrypted\",\"index\":1,"
        "\"data\":"
        "\"E\"}]}}]}\n\ndata: [DONE]\n\n";
    CHECK(decode("openai-chat", str_of(pieces), true, 1, 0, &t, &e) == 0 && t.raw &&
              strstr(t.raw, "\"text\":\"abcd\"") && strstr(t.raw, "\"signature\":\"S\"") &&
              strstr(t.raw, "\"data\":\"E\""),
          "reasoning_details in pieces are joined: %s", t.raw);
    chat_turn_done(&t);
}

/* More than any real reply: refused, not swallowed. */
static void caps(void)
{
    struct chat_turn t = { 0 };
    struct err e = ERR_INIT;
    cleanup_buf struct buf many = BUF_MAX(1 << 24), text = BUF_MAX(1 << 24),
                           args = BUF_MAX(1 << 24);

    buf_puts(&many, "{\"choices\":[{\"message\":{\"tool_calls\":[");
    for (int i = 0; i < 65; i++)
        buf_putf(&many, "%s{\"id\":\"%d\",\"function\":{\"name\":\"f\"}}", i ? "," : "", i);
    buf_puts(&many, "]}}]}");
    CHECK(decode("openai-chat", buf_str(&many), false, 0, 0, &t, &e) < 0 &&
              strstr(e.msg, "more than 64"),
          "%s", e.msg);

    char *mega = xmalloc((1 << 20) + 1);
    memset(mega, 'x', 1 << 20);
    mega[1 << 20] = '\0';
    for (int i = 0; i < 5; i++) {
        buf_putf(&text, "data: {\"choices\":[{\"delta\":{\"content\":\"%s\"}}]}\n\n", mega);
        buf_putf(&args,
                 "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{"
                 "\"arguments\":\"%s\"}}]}}]}\n\n",
                 mega);
    }
    CHECK(decode("openai-chat", buf_str(&text), true, 1 << 16, 0, &t, &e) < 0 &&
              strstr(e.msg, "4 MiB"),
          "%s", e.msg);
    CHECK(decode("openai-chat", buf_str(&args), true, 1 << 16, 0, &t, &e) < 0 &&
              strstr(e.msg, "2 MiB"),
          "%s", e.msg);
    free(mega);
}

int main(void)
{
    samples();
    more_cases();
    requests();
    members();
    opaque();
    caps();
    return tap_done();
}
