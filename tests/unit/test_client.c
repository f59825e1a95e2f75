/* The whole client against the loopback server and against cassettes. */
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "providers/client.h"
#include "providers/http.h"
#include "tests/unit/samples.h"
#include "tests/unit/tap.h"
#include "tests/unit/loopback.h"

/* Without the looks of a key, so that only its registration masks it. */
#define KEY "qx7.canary.0123456789"

/* What the user would have seen. */
static struct buf shown = BUF_MAX(1 << 20), notices = BUF_MAX(1 << 20);
static int retries;
static int64_t waited;

static void on_text(void *arg, struct str s)
{
    (void)arg;
    buf_putstr(&shown, s);
}

static void on_retry(void *arg, const struct err *why, int64_t wait_ms, int attempt)
{
    (void)arg;
    retries++;
    waited += wait_ms;
    buf_putf(&notices, "[%d: %s]", attempt, why->msg);
    buf_clear(&shown);
}

static void on_notice(void *arg, const char *line)
{
    (void)arg;
    buf_putf(&notices, "(%s)", line);
}

static const struct client_events events = {
    { on_text, NULL, NULL, NULL }, on_retry, NULL, on_notice
};
static const struct chat_message hi[] = { { .role = CHAT_USER, .text = "hi" } };
static const struct chat_tool tool = { "execute_python", "Runs Python.", "{\"type\":\"object\"}" };

static struct chat_request question(bool stream)
{
    return (struct chat_request){ .model = "m",
                                  .messages = hi,
                                  .n_messages = 1,
                                  .tools = &tool,
                                  .n_tools = 1,
                                  .stream = stream,
                                  .temperature = 0.5,
                                  .max_tokens = 9 };
}

static struct client *client_at(const char *path, int n_retries, struct err *e)
{
    cleanup_free char *url = loopback_url(path);
    struct client_conf c = { .codec = "openai-chat",
                             .base_url = url,
                             .key = KEY,
                             .key_hint = "OPENAI_API_KEY",
                             .connect_ms = 60000,
                             .first_byte_ms = 60000,
                             .stall_ms = 60000,
                             .retries = n_retries };

    return client_new(&c, e);
}

static void reset(void)
{
    buf_clear(&shown);
    buf_clear(&notices);
    retries = 0;
    waited = 0;
}

static int ask(struct client *c, bool stream, const struct stop *stop, struct chat_turn *t,
               struct err *e)
{
    struct chat_request rq = question(stream);
    struct stop never = STOP_NEVER;

    reset();
    return client_ask(c, &rq, stop ? stop : &never, &events, t, e);
}

/* --- servers that answer in the end --- */
static const struct {
    const char *path;
    bool stream;
    int retries; /* that it takes */
    const char *notice;
} fine[] = {
    { "ok", true, 0, "" },
    { "ok", false, 0, "" },
    { "v1/", true, 0, "" },
    { "bytes", true, 0, "" },
    { "slow", true, 0, "" },
    { "json-anyway", true, 0, "" },
    { "sse-anyway", false, 0, "" },
    { "no-type", true, 0, "" },
    { "blank-lines", false, 0, "" },
    { "gzip", true, 0, "" },
    { "sloppy", true, 0, "" },
    { "lingers", true, 0, "" },
    { "comments", true, 0, "" },
    { "empty-events", true, 0, "" },
    { "duplicate-keys", false, 0, "" },
    { "limit-twice", true, 2, "limits the rate" },
    { "fail-once", false, 1, "oops" },
    { "cut-once", true, 1, "broke after 150 bytes" },
    { "loading", true, 1, "Loading model" },
    { "picky", true, 0, "max_completion_tokens" },
    { "effort", true, 0, "reasoning_effort" },
};

static void fine_servers(void)
{
    for (size_t i = 0; i < ARRAY_LEN(fine); i++) {
        struct err e = ERR_INIT;
        struct chat_turn t = { 0 };
        struct client *c = client_at(fine[i].path, 2, &e);
        int64_t begun = now_ms();
        int r = c ? ask(c, fine[i].stream, NULL, &t, &e) : -1;
        /* The server that lingers does so for 20 s. */
        bool ok = r == 0 && now_ms() - begun < 15000 && !strcmp(t.text, "Hello") &&
                  retries == fine[i].retries && str_is(buf_str(&shown), "Hello") &&
                  strstr(buf_cstr(&notices), fine[i].notice) && t.usage.input == 5;
        if (!CHECK(ok, "%s%s", fine[i].path, fine[i].stream ? ", streamed" : ""))
            printf("# %d %s retries %d notices %s shown %s\n", r, e.msg, retries,
                   buf_cstr(&notices), buf_cstr(&shown));
        chat_turn_done(&t);
        client_free(c);
    }
}

/* --- servers that do not --- */
static const struct {
    const char *path;
    int retries;
    enum err_code code;
    const char *has, *has_too;
} failing[] = {
    { "key", 0, ERR_CONFIG, "refuses the key (HTTP 401", "OPENAI_API_KEY" },
    { "status/403", 0, ERR_CONFIG, "HTTP 403", "OPENAI_API_KEY" },
    { "status/404", 0, ERR_PROVIDER, "does not know the model m", "/status/404/chat/completions" },
    { "status/413", 0, ERR_CONTEXT, "too long", "HTTP 413" },
    { "status/500", 1, ERR_PROVIDER, "HTTP 500", "[tried 2 times]" },
    { "html502", 1, ERR_PROVIDER, "a web page: 502 Bad Gateway", "[tried 2 times]" },
    { "quota", 0, ERR_PROVIDER, "the quota is spent", "plan and billing" },
    { "wait-long", 0, ERR_PROVIDER, "limits the rate", "longer than two minutes" },
    { "never", 0, ERR_PROVIDER, "HTTP 500", "another attempt is useless" },
    { "redirect", 0, ERR_PROVIDER, "redirect (HTTP 307) to http://127.0.0.1:1/steal",
      "not followed" },
    { "html200", 0, ERR_PROVIDER, "is no JSON: content type text/html", "<title>Log in" },
    { "html200/", 0, ERR_PROVIDER, "is no JSON", "/html200/chat/completions" },
    { "text200", 0, ERR_PROVIDER, "content type text/plain", "hello there" },
    { "other-json", 0, ERR_PROVIDER, "no \"choices\"", "hello" },
    { "value", 0, ERR_PROVIDER, "max_tokens is too large", "refuses the request" },
    { "deep", 0, ERR_PROVIDER, "nested deeper", "" },
    { "deep-event", 0, ERR_PROVIDER, "nested deeper", "" },
    { "many-values", 0, ERR_PROVIDER, "more than 500000 values", "" },
    { "huge-line", 0, ERR_PROVIDER, "longer than 16 MiB", "" },
    { "nul", 0, ERR_PROVIDER, "NUL", "" },
    { "endless-headers", 0, ERR_PROVIDER, "headers are longer", "" },
    { "endless-body", 0, ERR_PROVIDER, "64 MiB", "" },
    { "endless-error", 0, ERR_PROVIDER, "HTTP 400", "eeeeeeee" },
    { "gzip-bomb", 0, ERR_PROVIDER, "64 MiB", "" },
    { "empty", 1, ERR_NET, "empty answer", "[tried 2 times]" },
    { "half-json", 1, ERR_NET, "not JSON", "60 bytes" },
    { "cut", 1, ERR_NET, "broke after 40 bytes", "[tried 2 times]" },
    { "cut-stream", 1, ERR_NET, "broke after 150 bytes", "[tried 2 times]" },
    { "cut-clean", 1, ERR_NET, "was cut", "150 bytes came" },
    { "close-at-once", 1, ERR_NET, "without an answer", "[tried 2 times]" },
    { "last-words", 1, ERR_NET, "inside its answer: out of memory", "[tried 2 times]" },
    { "error-in-stream", 1, ERR_NET, "inside its answer: overloaded", "[tried 2 times]" },
};

static void failing_servers(void)
{
    for (size_t i = 0; i < ARRAY_LEN(failing); i++) {
        struct err e = ERR_INIT;
        struct chat_turn t = { 0 };
        struct client *c = client_at(failing[i].path, 1, &e);
        int r = c ? ask(c, true, NULL, &t, &e) : 0;
        bool ok = r < 0 && e.code == failing[i].code && retries == failing[i].retries &&
                  strstr(e.msg, failing[i].has) && strstr(e.msg, failing[i].has_too) &&
                  (strstr(e.msg, "127.0.0.1") || strstr(e.msg, "model m"));
        ok = ok && !strstr(e.msg, "canary") && !strstr(buf_cstr(&notices), "canary");
        if (!CHECK(ok, "%s: %s", failing[i].path, failing[i].has))
            printf("# %s retries %d: %s\n", err_word(e.code), retries, e.msg);
        client_free(c);
    }
}

/* --- one connection, good manners --- */
static int to_buf(void *arg, struct str s, struct err *e)
{
    (void)e;
    buf_putstr(arg, s);
    return 0;
}

static long server_count(struct http *h, const char *member)
{
    cleanup_free char *url = loopback_url("stats");
    cleanup_buf struct buf body = BUF_MAX(1 << 16);
    struct http_req rq = { .url = url };
    struct http_resp resp = { 0 };
    struct stop never = STOP_NEVER;
    struct err e = ERR_INIT;

    (void)http_stream(h, &rq, &never, to_buf, &body, &resp, &e);
    http_resp_free(&resp);
    const char *at = strstr(buf_cstr(&body), member);
    return at ? strtol(at + strlen(member), NULL, 10) : -1;
}

static void one_connection(void)
{
    struct err e = ERR_INIT;
    struct http *h = http_new(&e);
    long before = server_count(h, "\"connections\": ");
    struct client *c = client_at("ok", 0, &e);
    int good = 0;

    for (int i = 0; i < 20; i++) {
        struct chat_turn t = { 0 };
        good += ask(c, i % 2, NULL, &t, &e) == 0;
        chat_turn_done(&t);
    }
    CHECK(good == 20 && server_count(h, "\"connections\": ") == before + 1,
          "twenty requests, streamed and not, over one connection");
    client_free(c);
    http_free(h);
}

static void lessons_stay(void)
{
    struct err e = ERR_INIT;
    struct http *h = http_new(&e);
    struct chat_turn t = { 0 };
    struct client *c = client_at("picky", 0, &e);

    (void)ask(c, true, NULL, &t, &e);
    chat_turn_done(&t);
    long before = server_count(h, "\"requests\": ");
    CHECK(ask(c, true, NULL, &t, &e) == 0 && notices.n == 0 &&
              server_count(h, "\"requests\": ") == before + 1,
          "what a service refused is remembered for the run");
    chat_turn_done(&t);
    client_free(c);
    http_free(h);
}

static void url_and_key(void)
{
    struct err e = ERR_INIT;
    struct chat_turn t = { 0 };
    cleanup_free char *url =
        xasprintf("http://user:hidden@127.0.0.1:%d/other-json/?api=7", loopback_port);
    struct client_conf conf = { .codec = "openai-chat", .base_url = url };
    struct client *c = client_new(&conf, &e);
    CHECK(ask(c, false, NULL, &t, &e) < 0 && !strstr(e.msg, "hidden"),
          "a password in the URL is not shown");
    client_free(c);

    conf = (struct client_conf){ .codec = "openai-chat",
                                 .base_url = "http://127.0.0.1:9/v1?api-version=2",
                                 .headers = "content-type: application/x-own\n" };
    c = client_new(&conf, &e);
    struct client_preview p = CLIENT_PREVIEW_INIT;
    struct chat_request rq = question(false);
    CHECK(c && client_preview(c, &rq, &p, &e) == 0 &&
              strcmp(buf_cstr(&p.url), "http://127.0.0.1:9/v1/chat/completions?api-version=2") == 0,
          "the path is before the address's query: %s", buf_cstr(&p.url));
    CHECK(strstr(buf_cstr(&p.headers), "application/x-own") &&
              !strstr(buf_cstr(&p.headers), "application/json\nAuth") &&
              !strstr(buf_cstr(&p.headers), "Content-Type"),
          "a header of the user's takes the place of ours: %s", buf_cstr(&p.headers));
    client_preview_done(&p);
    client_free(c);

    static const struct {
        const char *url, *key, *codec, *has;
    } wrong[] = {
        { "ftp://x/", NULL, "openai-chat", "OPENAI_BASE_URL" },
        { "", NULL, "openai-chat", "OPENAI_BASE_URL" },
        { "http://x/", "sk-a\nX-Evil: 1", "openai-chat", "line break" },
        { "http://x/", "sk-\xC3\xA9", "openai-chat", "copy it again" },
        { "http://x/", NULL, "morse", "morse" },
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        conf = (struct client_conf){ .codec = wrong[i].codec,
                                     .base_url = wrong[i].url,
                                     .key = wrong[i].key };
        e = (struct err)ERR_INIT;
        CHECK(client_new(&conf, &e) == NULL && e.code == ERR_CONFIG && strstr(e.msg, wrong[i].has),
              "%s", e.msg);
    }
}

/* --- stopping --- */
static void stops(void)
{
    struct err e = ERR_INIT;
    struct chat_turn t = { 0 };
    struct client *c = client_at("wait-some", 5, &e);
    struct stop s = STOP_NEVER;
    int p[2];

    s.deadline_ms = now_ms() + 2000;
    int64_t begun = now_ms();
    CHECK(ask(c, true, &s, &t, &e) < 0 && e.code == ERR_PROVIDER && now_ms() - begun < 4000 &&
              retries == 0 && strstr(e.msg, "no time for another attempt"),
          "no wait beyond the deadline: %s", e.msg);

    if (pipe2(p, O_CLOEXEC) < 0)
        return;
    pid_t pid = fork();
    if (pid == 0) {
        usleep(150000);
        _exit(write(p[1], "x", 1) == 1 ? 0 : 1);
    }
    s = (struct stop){ .cancel_fd = p[0] };
    begun = now_ms();
    CHECK(ask(c, true, &s, &t, &e) < 0 && e.code == ERR_CANCEL && now_ms() - begun < 4000 &&
              retries == 1,
          "a cancel while waiting for the next attempt");
    waitpid(pid, NULL, 0);
    client_free(c);

    c = client_at("no-answer", 0, &e);
    CHECK(ask(c, true, &s, &t, &e) < 0 && e.code == ERR_CANCEL, "a cancel before a request");
    s = (struct stop){ .deadline_ms = now_ms() + 200, .cancel_fd = -1 };
    CHECK(ask(c, true, &s, &t, &e) < 0 && e.code == ERR_DEADLINE, "a deadline during a request");
    client_free(c);
    close(p[0]);
    close(p[1]);
}

static void unreachable(void)
{
    struct client_conf conf = { .codec = "openai-chat",
                                .base_url = "http://127.0.0.1:1/v1",
                                .retries = 1 };
    struct err e = ERR_INIT;
    struct chat_turn t = { 0 };
    struct client *c = client_new(&conf, &e);

    CHECK(ask(c, true, NULL, &t, &e) < 0 && e.code == ERR_NET && retries == 1 &&
              strstr(e.msg, "127.0.0.1:1 (Connection refused)") &&
              strstr(e.msg, "Is the server running") && strstr(e.msg, "OPENAI_BASE_URL") &&
              strstr(e.msg, "[tried 2 times]"),
          "nobody listens: %s", e.msg);
    client_free(c);
}

/* --- cassettes --- */
static int play(const char *path, const char *record, int n_retries, bool stream, const char *text,
                struct chat_turn *t, struct err *e)
{
    struct client_conf conf = { .codec = "openai-chat",
                                .base_url = "http://unused.invalid/v1",
                                .replay = path,
                                .record = record,
                                .retries = n_retries };
    struct client *c = client_new(&conf, e);
    struct chat_message m[] = { { .role = CHAT_USER, .text = (char *)text } };
    struct chat_request rq = question(stream);
    struct stop never = STOP_NEVER;

    rq.messages = m;
    reset();
    int r = c ? client_ask(c, &rq, &never, &events, t, e) : -1;
    client_free(c);
    return r;
}

static void cassettes(void)
{
    char path[] = "/tmp/test_client_XXXXXX";
    cleanup_free char *url = loopback_url("fail-once");
    struct client_conf conf = {
        .codec = "openai-chat", .base_url = url, .key = KEY, .record = path, .retries = 1
    };
    struct err e = ERR_INIT;
    struct chat_turn t = { 0 };
    struct stat st;

    close(mkstemp(path));
    unlink(path);
    struct client *c = client_new(&conf, &e);
    /* fail-once has failed once by now; another server's answer for the refusal */
    CHECK(ask(c, true, NULL, &t, &e) == 0, "recorded");
    chat_turn_done(&t);
    client_free(c);
    cleanup_free char *refusing = loopback_url("status/500");
    conf.base_url = refusing;
    conf.retries = 0;
    c = client_new(&conf, &e);
    (void)ask(c, true, NULL, &t, &e);
    client_free(c);
    struct buf tape = sample(path);
    CHECK(stat(path, &st) == 0 && (st.st_mode & 077) == 0 && !strstr(buf_cstr(&tape), "canary") &&
              !strstr(buf_cstr(&tape), "Bearer"),
          "the cassette is private and holds no key");
    buf_free(&tape);

    CHECK(play(path, NULL, 0, true, "hi", &t, &e) == 0 && !strcmp(t.text, "Hello") &&
              str_is(buf_str(&shown), "Hello") && t.usage.output == 2,
          "replayed without a network");
    chat_turn_done(&t);
    CHECK(play(path, NULL, 0, false, "hi", &t, &e) == 0,
          "stream or not makes no difference to a replay");
    chat_turn_done(&t);
    CHECK(play(path, NULL, 0, true, "ho", &t, &e) < 0 && e.code == ERR_PROVIDER &&
              strstr(e.msg, "messages[0] (user): its text") &&
              strstr(e.msg, "recorded \"hi\", now \"ho\""),
          "another question: %s", e.msg);
    unlink(path);
}

/* Lines written by hand: refusals, cuts and the end. */
static void handmade(void)
{
    static const struct {
        const char *name, *text;
        int retries, want;
        const char *has;
    } cases[] = {
        { "a refusal, then an answer",
          "{\"v\":1,\"response\":{\"status\":500,\"body\":\"\"}}\n"
          "{\"v\":1,\"response\":{\"status\":200,\"content_type\":\"application/"
          "json\",\"body\":\"{\\\"choices\\\":[{"
          "\\\"message\\\":{\\\"content\\\":\\\"yes\\\"}}]}\"}}\n",
          1, 0, "" },
        { "a stream that was cut",
          "{\"v\":1,\"response\":{\"status\":200,\"content_type\":\"text/"
          "event-stream\",\"body\":\"data: {}\\n\\n\"}}",
          0, -1, "was cut" },
        { "the end", "{\"v\":1,\"response\":{\"status\":500,\"body\":\"\"}}\n", 1, -1,
          "only 1 reply" },
        { "a file that is no cassette", "hello\n", 0, -1, ":1: not JSON" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char path[] = "/tmp/test_client_XXXXXX";
        struct err e = ERR_INIT;
        struct chat_turn t = { 0 };
        int fd = mkstemp(path);
        (void)io_write_all(fd, cases[i].text, strlen(cases[i].text), &e);
        close(fd);
        int r = play(path, NULL, cases[i].retries, true, "hi", &t, &e);
        CHECK(r == cases[i].want && (r == 0 || strstr(e.msg, cases[i].has)) && waited == 0,
              "replay: %s %s", cases[i].name, e.msg);
        chat_turn_done(&t);
        unlink(path);
    }
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    if (!loopback_start()) {
        tap_skip("python3 is not there: no server to talk to");
        return tap_done();
    }
    fine_servers();
    failing_servers();
    one_connection();
    lessons_stay();
    url_and_key();
    stops();
    unreachable();
    cassettes();
    handmade();
    buf_free(&shown);
    buf_free(&notices);
    loopback_stop();
    return tap_done();
}
