#include <cjson/cJSON.h>
#include <string.h>
#include "agent/base/json.h"
#include "providers/sse.h"
#include "tests/unit/samples.h"
#include "tests/unit/tap.h"

/* Each event as "[name|data]". */
static int collect(void *arg, struct str name, struct str data, struct err *e)
{
    struct buf *out = arg;

    (void)e;
    buf_putc(out, '[');
    buf_putstr(out, name);
    buf_putc(out, '|');
    buf_putstr(out, data);
    buf_putc(out, ']');
    return 0;
}

/* step 0 = random pieces */
static int run(struct str in, size_t step, unsigned seed, bool end, struct buf *out, struct err *e)
{
    struct sse *s = sse_new();
    int r = 0;

    while (in.n && r == 0) {
        size_t n = step ? step : 1 + next_random(&seed) % 40;
        if (n > in.n)
            n = in.n;
        /* A copy of its own size, so that a sanitizer sees a read beyond the piece. */
        char *p = xmalloc(n);
        memcpy(p, in.p, n);
        r = sse_feed(s, (struct str){ p, n }, collect, out, e);
        free(p);
        in = str_from(in, n);
    }
    if (r == 0 && end)
        r = sse_end(s, collect, out, e);
    sse_free(s);
    return r;
}

static bool same_in_all_pieces(struct str in, bool end, struct str want)
{
    bool ok = true;

    for (size_t i = 0; i < 30; i++) {
        struct err e = ERR_INIT;
        cleanup_buf struct buf got = BUF_MAX(1 << 20);
        size_t step = i == 0 ? in.n + 1 : i < 8 ? i : 0;
        ok = run(in, step, (unsigned)i, end, &got, &e) == 0 && str_eq(buf_str(&got), want) && ok;
        if (!ok)
            printf("# step %zu: got %s\n", step, buf_cstr(&got));
    }
    return ok;
}

static const struct {
    const char *name, *in, *fed, *ended; /* events after the feed, and after the end as well */
} cases[] = {
    { "two data lines join", "data: a\ndata: b\n\n", "[message|a\nb]", "[message|a\nb]" },
    { "no space after the colon", "data:a\n\n", "[message|a]", "[message|a]" },
    { "the name ends with its event", "event: x\ndata: 1\n\ndata: 2\n\n", "[x|1][message|2]",
      "[x|1][message|2]" },
    { "an event without data is none", "event: x\n\ndata: 2\n\n", "[message|2]", "[message|2]" },
    { "a field without colon", "data\n\n", "[message|]", "[message|]" },
    { "comments and ids are dropped", ": hi\nid: 7\nretry: 10\ndata: a\n\n", "[message|a]",
      "[message|a]" },
    { "the open event comes at the end only", "data: a\n\ndata: b\n", "[message|a]",
      "[message|a][message|b]" },
    { "the open line too", "data: a\n\ndata: b", "[message|a]", "[message|a][message|b]" },
    { "an error field is an event", "data: a\n\nerror: {\"m\":1}\n\n",
      "[message|a][error|{\"m\":1}]", "[message|a][error|{\"m\":1}]" },
    { "a bare body on one line", "{\"error\":1}\n\n", "[bare|{\"error\":1}\n]",
      "[bare|{\"error\":1}\n]" },
    { "a bare body on several lines", "{\n  \"error\": 1\n}\n", "",
      "[bare|{\n  \"error\": 1\n}\n]" },
    { "a bare body, then data", "{\"a\":1}\ndata: x\n\n", "[bare|{\"a\":1}\n][message|x]",
      "[bare|{\"a\":1}\n][message|x]" },
    { "CR, LF and CR LF in one stream", "data: a\rdata: b\r\ndata: c\n\r\n", "[message|a\nb\nc]",
      "[message|a\nb\nc]" },
    { "CR CR is an empty line", "data: a\r\rdata: b\r\r", "[message|a][message|b]",
      "[message|a][message|b]" },
    { "half a byte order mark is text",
      "\xEF\xBB"
      "data: a\n\n",
      "", "" },
    { "nothing", "", "", "" },
    { "many empty lines", "\n\n\r\n\r\r\n\n", "", "" },
};

static void vectors(void)
{
    struct err e = ERR_INIT;
    struct buf text = sample("tests/cases/samples/sse-vectors/expected.json");
    cleanup_json cJSON *list = json_parse(buf_str(&text), &e);
    const cJSON *v, *ev;

    cJSON_ArrayForEach(v, list)
    {
        cleanup_free char *path =
            xasprintf("tests/cases/samples/sse-vectors/%s", json_str(v, "file"));
        cleanup_buf struct buf in = sample(path), want = BUF_MAX(1 << 20);
        if (strstr(path, "unknown-field")) /* the one unknown name that we do not ignore */
            buf_puts(&want, "[error|{\"a\":1}]");
        cJSON_ArrayForEach(ev, json_arr(v, "events"))
        {
            const char *data = json_str(ev, "data");
            bool nul = strstr(path, "nul-in-data") != NULL; /* a NUL that C's strings cannot hold */
            buf_putf(&want, "[%s|", json_str(ev, "event"));
            buf_put(&want, nul ? "\0" : data, nul ? 1 : strlen(data));
            buf_putc(&want, ']');
        }
        CHECK(same_in_all_pieces(buf_str(&in), false, buf_str(&want)), "vector %s",
              json_str(v, "file"));
    }
    CHECK(cJSON_GetArraySize(list) == 13, "all vectors were read");
    buf_free(&text);
}

static int refuse(void *arg, struct str name, struct str data, struct err *e)
{
    (void)name, (void)data;
    ++*(int *)arg;
    return err_set(e, ERR_PROVIDER, 7, "enough");
}

static void failures(void)
{
    struct err e = ERR_INIT;
    struct sse *s = sse_new();
    int calls = 0, r = 0;

    CHECK(sse_feed(s, STR("data: a\n\ndata: b\n\n"), refuse, &calls, &e) < 0 && calls == 1 &&
              e.sys == 7,
          "a callback's failure stops the feed and is passed on");
    sse_free(s);

    s = sse_new();
    char *mega = xmalloc(1 << 20);
    memset(mega, 'x', 1 << 20);
    for (int i = 0; i < 20 && r == 0; i++)
        r = sse_feed(s, (struct str){ mega, 1 << 20 }, refuse, &calls, &e);
    CHECK(r < 0 && e.code == ERR_PROVIDER && strstr(e.msg, "16 MiB"), "an endless line: %s", e.msg);
    sse_free(s);

    s = sse_new();
    r = 0;
    for (int i = 0; i < 20 && r == 0; i++) {
        r = sse_feed(s, STR("data: "), refuse, &calls, &e);
        r = r ? r : sse_feed(s, (struct str){ mega, 1 << 20 }, refuse, &calls, &e);
        r = r ? r : sse_feed(s, STR("\n"), refuse, &calls, &e);
    }
    CHECK(r < 0 && strstr(e.msg, "16 MiB"), "an event of endless lines");
    sse_free(s);
    free(mega);
}

int main(void)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CHECK(same_in_all_pieces(str_of(cases[i].in), false, str_of(cases[i].fed)), "%s",
              cases[i].name);
        CHECK(same_in_all_pieces(str_of(cases[i].in), true, str_of(cases[i].ended)), "%s, ended",
              cases[i].name);
    }
    vectors();
    failures();
    return tap_done();
}
