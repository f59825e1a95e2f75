/* The JSON of a cell's outcome: names, values, order; and what the sandbox may not make of it. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/base64.h"
#include "agent/base/json.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/cell_json.h"
#include "tap.h"

static void test_compact(void)
{
    static const struct {
        const char *in, *want; /* NULL: no JSON */
    } rows[] = {
        { " { \"a\" : [ 1 ,\n 2.50e+3 , -0 ] , \"b\":null } ",
          "{\"a\":[1,2.50e+3,-0],\"b\":null}" },
        { "123456789012345678901234567890", "123456789012345678901234567890" },
        { "[[],{},[[ ]] ,true,false]", "[[],{},[[]],true,false]" },
        { "\" a\\n\\u00e9\\\"b \"", "\" a\\n\\u00e9\\\"b \"" },
        { "", NULL },
        { "NaN", NULL },
        { "[1,]", NULL },
        { "[1 2]", NULL },
        { "{\"a\"}", NULL },
        { "{\"a\":1,}", NULL },
        { "{1:2}", NULL },
        { "01", NULL },
        { "1.", NULL },
        { "+1", NULL },
        { "-", NULL },
        { "1e", NULL },
        { "[1]]", NULL },
        { "[1", NULL },
        { "[", NULL },
        { "{", NULL },
        { "{\"a\":", NULL },
        { "\"a", NULL },
        { "\"a\\", NULL },
        { "\"\\x\"", NULL },
        { "\"\\u12g4\"", NULL },
        { "\"\\u12", NULL },
        { "\"a\nb\"", NULL },
        { "\"\xff\"", NULL },
        { "tru", NULL },
        { "1 1", NULL },
        { "[}", NULL },
        { "{\"a\":1]", NULL },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf out = BUF_MAX(1000);
        bool ok = json_compact(str_of(rows[i].in), &out);
        CHECK(ok == (rows[i].want != NULL) && (!ok || strcmp(buf_cstr(&out), rows[i].want) == 0),
              "compact row %zu", i);
        buf_free(&out);
    }
    char deep[1000];
    memset(deep, '[', 500);
    memset(deep + 500, ']', 500);
    struct buf out = BUF_MAX(4000);
    CHECK(!json_compact((struct str){ deep, 1000 }, &out), "500 levels are too deep");
    buf_free(&out);
}

static void test_base64(void)
{
    static const struct {
        const char *in;
        size_t n;
        const char *want;
    } rows[] = { { "", 0, "" },
                 { "f", 1, "Zg==" },
                 { "fo", 2, "Zm8=" },
                 { "foo", 3, "Zm9v" },
                 { "foobar", 6, "Zm9vYmFy" },
                 { "\0\xff\xfe", 3, "AP/+" },
                 { "\xfb\xf0", 2, "+/A=" } };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf out = BUF_MAX(100);
        base64_put(&out, (struct str){ rows[i].in, rows[i].n });
        CHECK(strcmp(buf_cstr(&out), rows[i].want) == 0, "base64 row %zu: %s", i, buf_cstr(&out));
        buf_free(&out);
    }
}

static struct sandbox_repr repr(const char *mime, const char *data, size_t n)
{
    return (struct sandbox_repr){ (char *)(uintptr_t)mime, (char *)(uintptr_t)data, n };
}
#define REPR(mime, data) repr(mime, data, strlen(data))

static bool store(void *arg, int number, const char *name, const char *ext, struct str bytes,
                  struct buf *ret_file)
{
    *(size_t *)arg += bytes.n;
    buf_putf(ret_file, "%s-%d.%s", name, number, ext);
    return true;
}

static char *text_of(struct sandbox_result *r, const struct cell_json_opts *opts)
{
    cleanup_json cJSON *o = cJSON_CreateObject();

    cell_json_put(o, r, opts);
    return json_text(o);
}

static bool has(const char *text, const char *part)
{
    bool yes = strstr(text, part) != NULL;

    if (!yes)
        printf("# %s\n# lacks %s\n", text, part);
    return yes;
}

static void test_shape(void)
{
    struct sandbox_repr a[] = {
        REPR("text/plain", "x"),
        REPR("text/html", "<b>"),
        REPR("application/vnd.agent.data+json", "{\"rows\": [[1e2]]}"),
        REPR("application/vnd.agent.chart+json", "{\"type\": \"line\"}"),
        repr("image/png", "\x89PNG\0", 5),
        REPR("application/vnd.plotly.v1+json", "{\"data\": []}"),
        REPR("application/json", "not json"),
        REPR("text/plain", "again"),
    };
    struct sandbox_item items[] = {
        { .kind = ITEM_STDOUT, .text = (char *)(uintptr_t) "on", .n = 2 },
        { .kind = ITEM_STDOUT, .text = (char *)(uintptr_t) "e\n", .n = 2 },
        { .kind = ITEM_RESULT, .reprs = a, .n_reprs = 8, .is_main = true },
        { .kind = ITEM_STDERR, .text = (char *)(uintptr_t) "\xff!", .n = 2 },
        { .kind = ITEM_STDOUT, .text = (char *)(uintptr_t) "two", .n = 3 },
    };
    struct sandbox_result r = { .status = SANDBOX_ERROR, .items = items, .n_items = 5 };
    r.error_name = (char *)(uintptr_t) "E", r.error_value = (char *)(uintptr_t) "v";
    r.traceback = (char *)(uintptr_t) "tb", r.error_line = 7, r.stdout_bytes = 7;
    r.lost_names = (char *)(uintptr_t) "a b";
    struct cell_json_opts opts = { .logs = true };

    cleanup_free char *s = text_of(&r, &opts);
    CHECK(has(s, "\"status\":\"error\""), "status");
    CHECK(has(s, "\"text\":\"x\",\"html\":\"<b>\""), "text and html by name, the first of two");
    CHECK(has(s, "\"data\":{\"rows\":[[1e2]]},\"chart\":{\"type\":\"line\"}"),
          "data and chart are values");
    CHECK(has(s, "\"png\":\"iVBORwA=\""), "a picture is base64");
    CHECK(has(s, "\"extra\":{\"application/vnd.plotly.v1+json\":{\"data\":[]}}"),
          "others are in extra");
    CHECK(has(s, "\"json\":\"not json\""), "what is no JSON is text");
    CHECK(has(s, "\"formats\":[\"text\",\"html\",\"data\",\"chart\",\"png\","
                 "\"application/vnd.plotly.v1+json\",\"json\"],\"is_main_result\":true"),
          "formats");
    CHECK(has(s, "\"logs\":{\"stdout\":[\"one\\n\",\"two\"],\"stderr\":[\"\xEF\xBF\xBD!\"]}"),
          "logs");
    CHECK(has(s, "\"order\":[[\"stdout\",4],[\"result\",1],[\"stderr\",2],[\"stdout\",3]]"),
          "order");
    CHECK(has(s, "\"error\":{\"name\":\"E\",\"value\":\"v\",\"traceback\":\"tb\",\"line\":7}"),
          "error");
    CHECK(has(s, "\"lost_names\":[\"a\",\"b\"]"), "lost names");
    struct err e = ERR_INIT;
    cleanup_json cJSON *back = json_parse(str_of(s), &e);
    CHECK(back != NULL, "the whole is JSON: %s", e.msg);

    size_t kept = 0;
    struct cell_json_opts files = { .store = store, .arg = &kept };
    cleanup_free char *t = text_of(&r, &files);
    CHECK(kept == 5 && has(t, "\"stored\":{\"png\":\"png-1.png\"}"),
          "a picture can go into a file");
    CHECK(!strstr(t, "iVBORw") && !strstr(t, "\"logs\""), "and is then not in the JSON");
}

static void test_hostile(void)
{
    struct sandbox_repr a[] = {
        REPR("is_main_result", "1"),
        REPR("evil\n\"\x1b[31m\xff", "x"),
        repr("text/plain", "a\0b", 3),
        REPR("x/y+json", "{\"a\":1"),
    };
    struct sandbox_item items[] = { { .kind = ITEM_RESULT, .reprs = a, .n_reprs = 4 } };
    struct sandbox_result r = { .status = SANDBOX_OK, .items = items, .n_items = 1 };
    struct cell_json_opts opts = { .logs = true };

    cleanup_free char *s = text_of(&r, &opts);
    struct err e = ERR_INIT;
    cleanup_json cJSON *back = json_parse(str_of(s), &e);
    CHECK(back && strchr(s, '\n') == NULL, "hostile types give one line of JSON: %s", e.msg);
    CHECK(utf8_valid(str_of(s)), "and it is valid UTF-8");
    CHECK(has(s, "\"is_main_result\":false"), "a MIME type does not become a field");
    CHECK(has(s, "\"text\":\"a\xEF\xBF\xBD"
                 "b\""),
          "a NUL does not cut the text");
    CHECK(has(s, "\"x/y+json\":\"{\\\"a\\\":1\""), "half a JSON value is text");
    CHECK(has(s, "\"error\":null"), "no error is null");
}

int main(void)
{
    test_compact();
    test_base64();
    test_shape();
    test_hostile();
    return tap_done();
}
