#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "agent/base/log.h"
#include "providers/cassette.h"
#include "tests/unit/samples.h"
#include "tests/unit/tap.h"

#define RESPONSE "\"response\":{\"status\":200,\"content_type\":\"t\",\"body\":\"b\"}"
#define REQUEST                                                                                    \
    "{\"model\":\"m\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}],"          \
    "\"messages\":["                                                                               \
    "{\"role\":\"user\",\"content\":\"hi\"},{\"role\":\"assistant\",\"content\":null,\"tool_"      \
    "calls\":[{\"id\":"                                                                            \
    "\"1\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"content\":"  \
    "\"7 \xC3\xA9 rows\"}]}"

/* Texts that are no cassette, and what the message must say. */
static const struct {
    const char *name, *text, *has;
} broken[] = {
    { "empty", "", "holds no reply" },
    { "white space", "\n \n", "holds no reply" },
    { "not JSON", "{\"v\":1," RESPONSE "}\nhello\n", "c:2: not JSON" },
    { "a cut line", "{\"v\":1,\"response\":{\"status\":200,", "c:1: not JSON" },
    { "no version", "{" RESPONSE "}", "another version" },
    { "another version", "{\"v\":2," RESPONSE "}", "another version" },
    { "no response", "{\"v\":1}", "no \"response\"" },
    { "no status", "{\"v\":1,\"response\":{\"body\":\"\"}}", "\"status\"" },
    { "a status that is none", "{\"v\":1,\"response\":{\"status\":7,\"body\":\"\"}}",
      "\"status\"" },
    { "no body", "\n\n{\"v\":1,\"response\":{\"status\":200}}", "c:3: " },
    { "a body that is no text", "{\"v\":1,\"response\":{\"status\":200,\"body\":{}}}", "\"body\"" },
    { "a request that is no object", "{\"v\":1,\"request\":3," RESPONSE "}", "\"request\"" },
};

/* Requests that differ from REQUEST, and what the message must show. */
static const struct {
    const char *name, *from, *to, *has;
} changes[] = {
    { "model", "\"m\"", "\"n\"", "the model differs from byte 0 on: recorded \"m\", now \"n\"" },
    { "tool", "\"name\":\"f\"}}],\"mess", "\"name\":\"g\"}}],\"mess", "the list of tools" },
    { "role", "\"role\":\"user\"", "\"role\":\"system\"", "messages[0] (system): its role" },
    { "text", "7 \xC3\xA9 rows", "7 \xC3\xA8 rows", "messages[2] (tool): its text" },
    { "called tool", "\"name\":\"f\",\"arg", "\"name\":\"h\",\"arg",
      "messages[1] (assistant): its calls" },
    { "more messages", "rows\"}]", "rows\"},{\"role\":\"user\",\"content\":\"x\"}]",
      "it has 4 messages, the recorded one has 3" },
};

/* Requests that count as the same. */
static const struct {
    const char *name, *from, *to;
} equal[] = {
    { "itself", "", "" },
    { "another order and more members", "{\"model\":\"m\"", "{\"temperature\":1,\"model\":\"m\"" },
    { "content as parts", "\"content\":\"hi\"",
      "\"content\":[{\"type\":\"text\",\"text\":\"h\"},{\"text\":\"i\"}]" },
    { "null as empty", "\"content\":null", "\"content\":\"\"" },
    { "escapes", "\"hi\"", "\"\\u0068i\"" },
};

static char *replaced(const char *s, const char *from, const char *to)
{
    const char *at = strstr(s, from);

    return xasprintf("%.*s%s%s", (int)(at - s), s, to, at + strlen(from));
}

static int ask(const char *line, const char *request, struct err *e)
{
    struct cassette *c = cassette_parse(str_of(line), "c", e);
    struct cassette_reply r = { 0 };
    int rc = c ? cassette_next(c, str_of(request), &r, e) : -1;

    cassette_reply_done(&r);
    cassette_free(c);
    return rc;
}

static void compare_cases(void)
{
    cleanup_free char *line = xasprintf("{\"v\":1,\"request\":%s,%s}", REQUEST, RESPONSE);

    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        cleanup_free char *rq = replaced(REQUEST, changes[i].from, changes[i].to);
        struct err e = ERR_INIT;
        bool ok = ask(line, rq, &e) < 0 && e.code == ERR_PROVIDER &&
                  strstr(e.msg, changes[i].has) &&
                  strstr(e.msg, "c:1: request 1 is not the recorded one");
        if (!CHECK(ok, "a difference is shown: %s", changes[i].name))
            printf("# %s\n", e.msg);
    }
    for (size_t i = 0; i < ARRAY_LEN(equal); i++) {
        cleanup_free char *rq = replaced(REQUEST, equal[i].from, equal[i].to);
        struct err e = ERR_INIT;
        CHECK(ask(line, rq, &e) == 0, "the same: %s %s", equal[i].name, e.msg);
    }
    struct err e = ERR_INIT;
    CHECK(ask("{\"v\":1," RESPONSE "}", "{\"any\":1}", &e) == 0,
          "a line without request plays as it is");
}

static void play(void)
{
    struct err e = ERR_INIT;
    struct cassette_reply r = { 0 };
    struct cassette *c = cassette_parse(STR("{\"v\":1,\"response\":{\"status\":429,\"body\":\"\"}}"
                                            "\r\n\n{\"v\":1,\"response\":{\"status\":200,"
                                            "\"content_type\":\"a/b\",\"body\":\"x\\ny\"}}"),
                                        "c", &e);

    CHECK(cassette_next(c, STR("{}"), &r, &e) == 0 && r.status == 429 && !strcmp(r.body, "") &&
              !strcmp(r.content_type, ""),
          "the first reply");
    cassette_reply_done(&r);
    CHECK(cassette_next(c, STR("{}"), &r, &e) == 0 && r.status == 200 && !strcmp(r.body, "x\ny") &&
              !strcmp(r.content_type, "a/b"),
          "the second reply");
    cassette_reply_done(&r);
    CHECK(cassette_next(c, STR("{}"), &r, &e) < 0 && strstr(e.msg, "only 2 replies"),
          "past the end: %s", e.msg);
    cassette_free(c);
}

static void record(void)
{
    char path[] = "/tmp/test_cassette_XXXXXX";
    struct err e = ERR_INIT;
    struct cassette_reply r = { 0 };
    int fd = mkstemp(path);

    close(fd);
    unlink(path);
    secret_add("sk-test-secret-0123");
    CHECK(cassette_append(
              path, "openai-chat",
              STR("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"my key "
                  "is sk-test-secret-0123\"}]}"),
              200, STR("text/event-stream"), STR("data: \"sk-test-secret-0123\" \xFF\0z\n\n"),
              &e) == 0 &&
              cassette_append(path, "openai-chat", STR("{\"model\":\"m\",\"messages\":[]}"), 500,
                              STR(""), STR(""), &e) == 0,
          "two exchanges are recorded");
    struct buf text = sample(path);
    CHECK(memmem(text.p, text.n, "sk-test", 7) == NULL && strstr(buf_cstr(&text), "[redacted]"),
          "no key is in the file");
    struct cassette *c = cassette_open(path, &e);
    CHECK(c && cassette_next(
                   c,
                   STR("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"my key "
                       "is sk-test-secret-0123\"}]}"),
                   &r, &e) == 0,
          "the recorded request matches its redacted self: %s", e.msg);
    CHECK(r.body && !strcmp(r.body, "data: \"[redacted]\" \xEF\xBF\xBD\xEF\xBF\xBDz\n\n"),
          "bytes that JSON cannot hold become U+FFFD");
    cassette_reply_done(&r);
    CHECK(cassette_next(c, STR("{\"model\":\"m\",\"messages\":[]}"), &r, &e) == 0 &&
              r.status == 500,
          "a refusal is recorded as well");
    cassette_reply_done(&r);
    cassette_free(c);
    buf_free(&text);
    unlink(path);
    CHECK(cassette_open("/nonexistent/x", &e) == NULL && e.code == ERR_CONFIG &&
              strstr(e.msg, "/nonexistent/x"),
          "a missing file: %s", e.msg);
    CHECK(cassette_append("/nonexistent/x", "openai-chat", STR("{}"), 200, STR(""), STR(""), &e) <
                  0 &&
              strstr(e.msg, "/nonexistent/x"),
          "a place that cannot be written: %s", e.msg);
}

int main(void)
{
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        struct err e = ERR_INIT;
        struct cassette *c = cassette_parse(str_of(broken[i].text), "c", &e);
        if (!CHECK(c == NULL && e.code == ERR_CONFIG && strstr(e.msg, broken[i].has), "broken: %s",
                   broken[i].name))
            printf("# %s\n", e.msg);
        cassette_free(c);
    }
    play();
    compare_cases();
    record();
    return tap_done();
}
