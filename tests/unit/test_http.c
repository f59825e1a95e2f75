/* The HTTP pump against a real server on the loopback: good, slow, broken and hostile answers. */
#include <signal.h>
#include <sys/resource.h>
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "providers/http.h"
#include "tests/unit/tap.h"
#include "tests/unit/loopback.h"

struct got {
    struct buf body;
    size_t calls;
    long status_at_first;
    struct http_resp resp;
    int answer; /* of the sink */
    bool finish_early;
};

static int sink(void *arg, struct str s, struct err *e)
{
    struct got *g = arg;

    if (g->calls++ == 0)
        g->status_at_first = g->resp.status;
    buf_putstr(&g->body, s);
    g->resp.finishing = g->finish_early;
    return g->answer < 0 ? err_set(e, ERR_PROVIDER, 42, "the sink says no") : g->answer;
}

static struct got fresh(void)
{
    return (struct got){ .body = BUF_MAX(MAX_REPLY_BYTES) };
}

static void done(struct got *g)
{
    buf_free(&g->body);
    http_resp_free(&g->resp);
}

static int ask(struct http *h, const char *path, struct http_req rq, const struct stop *stop,
               struct got *g, struct err *e)
{
    cleanup_free char *url = loopback_url(path);
    struct stop never = STOP_NEVER;

    rq.url = url;
    return http_stream(h, &rq, stop ? stop : &never, sink, g, &g->resp, e);
}

static const struct http_req get = { .body = { NULL, 0 } };
static const struct http_req post = { .body = { "{\"stream\":true}", 15 } };

static void good(struct http *h)
{
    struct err e = ERR_INIT;
    struct got g = fresh();
    struct http_req rq = { .body = { "{\"a\":1}", 7 },
                           .headers = STR("X-One: 1\nAuthorization: Bearer k\nExpect:\n") };

    CHECK(ask(h, "echo?x=1", rq, NULL, &g, &e) == 0 && g.resp.status == 200 &&
              g.status_at_first == 200,
          "POST: %s", e.msg);
    CHECK(strstr(buf_cstr(&g.body), "\"x-one\": \"1\"") &&
              strstr(buf_cstr(&g.body), "\"authorization\": \"Bearer k\"") &&
              strstr(buf_cstr(&g.body), "\"user-agent\": \"agent/" AGENT_VERSION "\"") &&
              strstr(buf_cstr(&g.body), "\"accept-encoding\": \"gzip\"") &&
              !strstr(buf_cstr(&g.body), "expect") && strstr(buf_cstr(&g.body), "{\\\"a\\\":1}"),
          "headers and body arrive as given");
    CHECK(str_is(http_header(buf_str(&g.resp.headers), "CONTENT-TYPE"), "application/json"),
          "headers are found without case");
    done(&g);
    g = fresh();
    CHECK(ask(h, "echo", get, NULL, &g, &e) == 0 && !strstr(buf_cstr(&g.body), "authorization"),
          "GET, and no header of an earlier request");
    done(&g);
    g = fresh();
    CHECK(ask(h, "gzip", post, NULL, &g, &e) == 0 && strstr(buf_cstr(&g.body), "[DONE]"),
          "gzip is unpacked");
    done(&g);
    g = fresh();
    CHECK(ask(h, "status/500", post, NULL, &g, &e) == 0 && g.resp.status == 500,
          "a 500 is an answer");
    done(&g);
    g = fresh();
    CHECK(ask(h, "redirect", post, NULL, &g, &e) == 0 && g.resp.status == 307,
          "a redirect is not followed");
    done(&g);
}

static void keep_alive(void)
{
    struct err e = ERR_INIT;
    struct http *h = http_new(&e);
    long made = 0;

    for (int i = 0; i < 3; i++) {
        struct got g = fresh();
        CHECK(ask(h, i == 1 ? "bytes" : "ok", post, NULL, &g, &e) == 0, "request %d", i);
        made += g.resp.new_connections;
        done(&g);
    }
    CHECK(made == 1, "three requests, one connection");
    int open_fds = 0, inherited = 0;
    for (int fd = 3; fd < 256; fd++) {
        int flags = fcntl(fd, F_GETFD);
        open_fds += flags >= 0;
        inherited += flags >= 0 && !(flags & FD_CLOEXEC);
    }
    CHECK(open_fds > 2 && inherited == 0, "no child inherits the connection: %d of %d descriptors",
          inherited, open_fds);
    http_free(h);
}

/* What must fail, how, how soon, and with which words. */
static const struct {
    const char *path;
    long first_byte_ms, stall_ms, request_ms;
    enum err_code code;
    const char *has;
    int64_t at_most_ms;
} bad[] = {
    { "no-answer", 200, 0, 0, ERR_NET, "first_byte_timeout", 10000 },
    { "no-answer", 0, 0, 200, ERR_NET, "request_timeout", 10000 },
    { "stall", 0, 200, 0, ERR_NET, "stall_timeout", 10000 },
    { "dribble", 0, 700, 0, ERR_NET, "stall_timeout", 10000 },
    { "slow", 0, 0, 100, ERR_NET, "request_timeout", 10000 },
    { "cut", 0, 0, 0, ERR_NET, "broke after 40 bytes", 10000 },
    { "cut-stream", 0, 0, 0, ERR_NET, "broke after 150 bytes", 10000 },
    { "close-at-once", 0, 0, 0, ERR_NET, "without an answer", 10000 },
    { "endless-headers", 0, 0, 0, ERR_PROVIDER, "256 KiB", 10000 },
    { "long-header", 0, 0, 0, ERR_PROVIDER, "header line", 10000 },
    { "endless-interim", 0, 0, 0, ERR_PROVIDER, "256 KiB", 10000 },
    { "endless-body", 0, 0, 0, ERR_PROVIDER, "64 MiB", 15000 },
    { "gzip-bomb", 0, 0, 0, ERR_PROVIDER, "64 MiB", 15000 },
};

static void bad_answers(struct http *h)
{
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err e = ERR_INIT;
        struct got g = fresh();
        struct http_req rq = post;
        rq.first_byte_ms = bad[i].first_byte_ms;
        rq.stall_ms = bad[i].stall_ms;
        rq.request_ms = bad[i].request_ms;
        int64_t begun = now_ms();
        int r = ask(h, bad[i].path, rq, NULL, &g, &e);
        int64_t took = now_ms() - begun;
        if (!CHECK(r < 0 && e.code == bad[i].code && strstr(e.msg, bad[i].has) &&
                       took < bad[i].at_most_ms,
                   "%s: %s", bad[i].path, bad[i].has))
            printf("# %d %s after %lld ms: %s\n", r, err_word(e.code), (long long)took, e.msg);
        done(&g);
    }
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
#ifndef BUILD_ASAN
    CHECK(u.ru_maxrss < 400 * 1024, "memory stayed bounded: %ld KiB", u.ru_maxrss);
#endif
}

static void patience(struct http *h)
{
    struct err e = ERR_INIT;
    struct got g = fresh();
    struct http_req rq = post;

    rq.stall_ms = 2000;
    CHECK(ask(h, "comments", rq, NULL, &g, &e) == 0, "keep-alive comments are signs of life: %s",
          e.msg);
    done(&g);
    g = fresh();
    g.finish_early = true;
    int64_t begun = now_ms();
    CHECK(ask(h, "lingers", post, NULL, &g, &e) == 0 && now_ms() - begun < 100000,
          "a stream that lingers after its end is left");
    done(&g);
    g = fresh();
    g.answer = 1;
    CHECK(ask(h, "endless-body", post, NULL, &g, &e) == 0 && g.calls == 1,
          "the sink may have enough");
    done(&g);
    g = fresh();
    g.answer = -1;
    CHECK(ask(h, "ok", post, NULL, &g, &e) < 0 && e.sys == 42 && g.calls == 1,
          "the sink's failure ends the request and is passed on");
    done(&g);
}

static void stops(struct http *h)
{
    struct err e = ERR_INIT;
    struct got g = fresh();
    struct stop s = STOP_NEVER;
    int p[2];

    s.deadline_ms = now_ms() + 150;
    CHECK(ask(h, "no-answer", post, &s, &g, &e) < 0 && e.code == ERR_DEADLINE &&
              now_ms() < s.deadline_ms + 10000,
          "the deadline ends the wait");
    done(&g);

    if (pipe2(p, O_CLOEXEC) < 0)
        return;
    pid_t pid = fork();
    if (pid == 0) {
        usleep(150000);
        _exit(write(p[1], "x", 1) == 1 ? 0 : 1);
    }
    s = (struct stop){ .cancel_fd = p[0] };
    g = fresh();
    int64_t begun = now_ms();
    CHECK(ask(h, "stall", post, &s, &g, &e) < 0 && e.code == ERR_CANCEL && now_ms() - begun < 10000,
          "a cancel in the middle of a stream");
    done(&g);
    g = fresh();
    CHECK(ask(h, "no-answer", post, &s, &g, &e) < 0 && e.code == ERR_CANCEL,
          "and every later wait");
    done(&g);
    waitpid(pid, NULL, 0);
    close(p[0]);
    close(p[1]);
}

static void unreachable(struct http *h)
{
    static const struct {
        const char *url;
        enum err_code code;
        const char *has;
    } cases[] = {
        { "http://127.0.0.1:1/v1", ERR_NET, "no connection to 127.0.0.1:1 (Connection refused)" },
        { "http://nobody.invalid/v1", ERR_NET, "no address is known for nobody.invalid:80" },
        { "https://127.0.0.1:1/v1", ERR_NET, "127.0.0.1:1" },
        { "ftp://127.0.0.1/", ERR_CONFIG, "no http or https URL" },
        { "file:///etc/passwd", ERR_CONFIG, "no http or https URL" },
        { "nonsense", ERR_CONFIG, "no http or https URL" },
        { "", ERR_CONFIG, "no http or https URL" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e = ERR_INIT;
        struct got g = fresh();
        struct stop never = STOP_NEVER;
        struct http_req rq = { .url = cases[i].url, .body = STR("{}"), .connect_ms = 5000 };
        int r = http_stream(h, &rq, &never, sink, &g, &g.resp, &e);
        if (!CHECK(r < 0 && e.code == cases[i].code && strstr(e.msg, cases[i].has), "%s",
                   cases[i].url))
            printf("# %s\n", e.msg);
        done(&g);
    }
    cleanup_free char *tls = xasprintf("https://127.0.0.1:%d/v1", loopback_port);
    struct err e = ERR_INIT;
    struct got g = fresh();
    struct stop never = STOP_NEVER;
    struct http_req rq = { .url = tls, .body = STR("{}"), .connect_ms = 2000 };
    CHECK(http_stream(h, &rq, &never, sink, &g, &g.resp, &e) < 0 && e.code == ERR_NET,
          "TLS to a plain port: %s", e.msg);
    done(&g);
}

int main(void)
{
    struct err e = ERR_INIT;

    signal(SIGPIPE, SIG_IGN);
    if (!loopback_start()) {
        tap_skip("python3 is not there: no server to talk to");
        return tap_done();
    }
    struct http *h = http_new(&e);
    good(h);
    keep_alive();
    bad_answers(h);
    patience(h);
    stops(h);
    unreachable(h);
    http_free(h);
    loopback_stop();
    return tap_done();
}
