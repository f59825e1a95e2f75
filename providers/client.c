/* How it works: client_ask() is a loop of attempts. One attempt encodes, sends (or takes the next
 * reply of a cassette), and reads what comes (providers/reading.h). After a failed attempt three
 * pure judges speak: quirk_learn() (was a member of our request refused by name? leave it out and
 * ask again), retry_judge() (wait how long?), and fault_*() (the words for the user). */
#include "providers/client.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "agent/base/limits.h"
#include "agent/base/log.h"
#include "agent/base/mem.h"
#include "providers/cassette.h"
#include "providers/errbody.h"
#include "providers/fault.h"
#include "providers/http.h"
#include "providers/quirk.h"
#include "providers/pause.h"
#include "providers/reading.h"
#include "providers/retry.h"
#include "agent/base/banned.h"

/* A local server that loads a large model answers 503 for minutes. */
#define LOADING_MAX_MS (10 * 60 * 1000)

#define SWITCH_WIRE                                                                                \
    "openai-responses" /* what chat completions sends to for tools and reasoning                   \
                        */

struct client {
    struct client_conf conf; /* its strings are ours */
    const struct codec *codec;
    struct patch *patches; /* the user's, then what was learnt */
    size_t n_patches;
    struct http *http;
    struct cassette *replay;
    char *host;
    bool switched; /* to another codec, by a refusal */
    struct quirks quirks;
    uint32_t chance;
    char date[64]; /* client_date() */
};

/* A recorded line names its wire format: a replay needs no setting to be understood. */
static void take_wire(struct client *c)
{
    const char *wire = c->replay && !c->conf.wire_fixed ? cassette_wire(c->replay) : NULL;
    const struct codec *codec = wire ? codec_find(wire) : NULL;

    if (codec)
        c->codec = codec;
}

static int play(struct client *c, struct str body, struct reading *r, struct err *e)
{
    struct cassette_reply reply = { 0 };
    enum { PIECE = 61 }; /* small and odd: a replay goes through the same seams as a real stream */
    int rc = 0;

    if (cassette_next(c->replay, body, &reply, e) < 0)
        return -1;
    r->resp.status = reply.status;
    r->resp.headers.max = MAX_HEADER_BYTES;
    buf_putf(&r->resp.headers, "content-type: %s\n", reply.content_type);
    for (struct str s = str_of(reply.body); s.n && rc == 0;) {
        struct str piece = { s.p, s.n < PIECE ? s.n : PIECE };
        r->resp.bytes += piece.n;
        rc = reading_bytes(r, piece, e);
        s = str_from(s, piece.n);
    }
    cassette_reply_done(&reply);
    return rc < 0 ? -1 : 0;
}

/* base + path, with the base's query, if it has one, kept at the end. */
static char *join_url(const char *base_url, struct str path)
{
    cleanup_buf struct buf u = BUF_MAX(64 * KIB);
    struct str base = str_of(base_url), front;
    bool query = str_cut(&base, '?', &front);

    if (front.n && front.p[front.n - 1] == '/')
        front.n--;
    buf_putstr(&u, front);
    buf_putstr(&u, path);
    if (query) {
        buf_putc(&u, path.n && memchr(path.p, '?', path.n) ? '&' : '?');
        buf_putstr(&u, base);
    }
    return buf_steal(&u);
}

static char *make_url(const struct client *c, const struct chat_request *rq)
{
    cleanup_buf struct buf path = BUF_MAX(64 * KIB);

    codec_path(c->codec, rq, &path);
    return join_url(c->conf.base_url, buf_str(&path));
}

/* What the messages may show of a URL: no query, no user. */
static char *show_url(const char *url)
{
    struct str s = str_of(url), front;
    cleanup_buf struct buf b = BUF_MAX(KIB);

    str_cut(&s, '?', &front);
    const char *scheme = memmem(front.p, front.n, "://", 3);
    const char *host = scheme ? scheme + 3 : front.p;
    const char *slash = memchr(host, '/', front.n - (size_t)(host - front.p));
    const char *end = slash ? slash : front.p + front.n;
    const char *at = memrchr(host, '@', (size_t)(end - host));
    if (at) {
        buf_put(&b, front.p, (size_t)(host - front.p));
        front = str_from(front, (size_t)(at + 1 - front.p));
    }
    errbody_clean(&b, front, 300);
    return buf_steal(&b);
}

static void record(struct client *c, struct str body, struct reading *r, int *rc, struct err *e)
{
    struct err why = ERR_INIT;

    /* Nothing came, nothing to play. A cut answer is recorded as far as it came. */
    if (c->conf.record == NULL || r->resp.status == 0)
        return;
    if (cassette_append(c->conf.record, c->codec->name, body, r->resp.status, reading_type(r),
                        buf_str(&r->tape), &why) < 0 &&
        *rc == 0) {
        *rc = -1; /* an asked-for recording that cannot be made is no detail */
        *e = why;
    }
}

/* The codec's lines, with the user's own over them. */
static void header_lines(const struct client *c, const char *key, struct buf *out)
{
    struct str own = str_of(c->conf.headers), line, name;
    cleanup_buf struct buf first = BUF_MAX(64 * KIB);

    codec_headers(c->codec, key, c->conf.auth, &first);
    for (struct str rest = buf_str(&first); rest.n;) {
        (void)str_cut(&rest, '\n', &line);
        struct str after = line;
        if (!str_cut(&after, ':', &name))
            continue;
        cleanup_free char *n = str_dup(name);
        if (http_header(own, n).n)
            continue;
        buf_putstr(out, line);
        buf_putc(out, '\n');
    }
    buf_putstr(out, own);
    mem_wipe(first.p, first.n);
}

static void accept_line(const struct client *c, const struct chat_request *rq, struct buf *out)
{
    buf_putf(out, "Accept: %s\n",
             !rq->stream                        ? "application/json"
             : c->codec->framing == CODEC_LINES ? "application/x-ndjson"
                                                : "text/event-stream");
}

static int encode(const struct client *c, const struct chat_request *rq, struct buf *body,
                  struct err *e)
{
    if (c->codec->encode(rq, body, e) < 0)
        return -1;
    return patch_body(body, c->patches, c->n_patches, e);
}

/* One attempt. *eb is filled when the service refused; *sent gets the body. */
static int attempt(struct client *c, const struct chat_request *rq, const struct stop *stop,
                   const struct decoder_sink *sink, const struct fault_place *p, const char *url,
                   struct reading *r, struct errbody *eb, struct buf *sent, struct chat_turn *ret,
                   struct err *e)
{
    cleanup_buf struct buf lines = BUF_MAX(64 * KIB);
    int rc;

    if (encode(c, rq, sent, e) < 0)
        return -1;
    reading_begin(r, c->codec, sink, c->conf.record != NULL);
    if (c->replay) {
        rc = play(c, buf_str(sent), r, e);
    } else {
        header_lines(c, c->conf.key, &lines);
        accept_line(c, rq, &lines);
        buf_puts(&lines, "Expect:\n"); /* no 100-continue: it costs a round trip */
        struct http_req hr = { url,
                               buf_str(sent),
                               buf_str(&lines),
                               c->conf.connect_ms,
                               c->conf.first_byte_ms,
                               c->conf.stall_ms,
                               c->conf.request_ms };
        rc = http_stream(c->http, &hr, stop, reading_bytes, r, &r->resp, e);
        mem_wipe(lines.p, lines.n);
    }
    bool cut = rc < 0 && e->code == ERR_NET && r->mode == READING_STREAM && r->resp.bytes > 0;
    if (rc == 0 && !reading_is_2xx(r->resp.status)) {
        errbody_read(buf_str(&r->body), eb);
        rc = fault_refused(p, r->resp.status, buf_str(&r->resp.headers), eb, e);
    } else if (rc == 0) {
        rc = reading_end(r, p, false, ret, e);
    } else if (cut) {
        /* Servers that end sloppily have often said all: then it counts. */
        struct err why = ERR_INIT;
        if (reading_end(r, p, true, ret, &why) == 0)
            rc = 0;
        else if (strstr(why.msg, "reports an error"))
            *e = why; /* its last words say more than the broken connection */
    }
    record(c, buf_str(sent), r, &rc, e);
    return rc;
}

static uint32_t next_chance(struct client *c)
{
    c->chance = c->chance * 1664525u + 1013904223u;
    return c->chance >> 8;
}

/* Is there another attempt? Waits for it if so. -1: no, with the final *e. */
static int wait_turn(struct client *c, const struct reading *r, const struct errbody *eb,
                     const struct fault_place *p, int *tries, int64_t *loading_ms,
                     const struct stop *stop, const struct client_events *ev, struct err *e)
{
    bool refused = r->resp.status && !reading_is_2xx(r->resp.status);
    struct retry_case rc = { e->code,
                             refused ? r->resp.status : 0,
                             buf_str(&r->resp.headers),
                             refused ? eb : NULL,
                             *tries,
                             next_chance(c),
                             (int64_t)time(NULL) };
    struct retry_verdict v = retry_judge(&rc);
    bool spent = v.loading ? *loading_ms >= LOADING_MAX_MS : *tries > c->conf.retries;

    if (c->replay && v.again)
        v.wait_ms = 0; /* nobody is at the other end */
    if (!v.again || spent) {
        cleanup_free char *why = v.reason ? xasprintf(" [not tried again: %s]", v.reason) : NULL;
        return fault_final(p, *tries, why, e);
    }
    if (stop->deadline_ms != 0 && now_ms() + v.wait_ms >= stop->deadline_ms)
        return fault_final(p, *tries, " [no time for another attempt before the deadline]", e);
    if (refused && (r->resp.status == 429 || r->resp.status == 503 || r->resp.status == 529))
        pause_extend(c->conf.pause, v.wait_ms);
    if (ev && ev->retry)
        ev->retry(ev->arg, e, v.wait_ms, *tries + 1);
    log_debug("retry in %lld ms: %s", (long long)v.wait_ms, e->msg);
    if (v.wait_ms > 0 && stop_sleep(stop, v.wait_ms, e) < 0)
        return -1;
    if (v.loading)
        *loading_ms += v.wait_ms;
    else
        ++*tries;
    return 0;
}

/* What the codec finds odd about an exchange that went well. */
static void review(const struct client *c, const struct chat_request *rq, const struct chat_turn *t,
                   const struct client_events *ev)
{
    cleanup_buf struct buf line = BUF_MAX(KIB);

    if (c->codec->review)
        c->codec->review(rq, t, &line);
    if (line.n && ev && ev->notice)
        ev->notice(ev->arg, buf_cstr(&line));
}

/* A refusal may teach what to leave out, or which of OpenAI's two formats the model wants. True:
 * ask again at once. */
static bool learn(struct client *c, const struct chat_request *rq, long status,
                  const struct errbody *eb, struct str sent, char *notice, size_t size)
{
    char name[64];

    if (status == 400 && !c->switched && !c->conf.wire_fixed && rq->n_tools > 0 &&
        strcmp(c->codec->name, "openai-chat") == 0 && strstr(eb->text, "/v1/responses") &&
        codec_find(SWITCH_WIRE)) {
        c->switched = true;
        c->codec = codec_find(SWITCH_WIRE);
        snprintf(notice, size,
                 "the model takes tools by the Responses API only: asked by that from now on");
        return true;
    }
    /* Not every server that repeats OpenAI's words has what they name. */
    if ((status == 404 || status == 405 || (status == 400 && strstr(eb->text, "/v1/responses"))) &&
        c->switched && strcmp(c->codec->name, SWITCH_WIRE) == 0 &&
        !(c->quirks.set & CHAT_EFFORT_NONE)) {
        c->codec = codec_find("openai-chat");
        c->quirks.set |= CHAT_EFFORT_NONE;
        snprintf(notice, size,
                 "the service has no Responses API: asked by chat completions again, with "
                 "reasoning_effort \"none\"");
        return true;
    }
    if (quirk_learn(&c->quirks, rq, status, eb, notice, size))
        return true;
    if (!quirk_member(status, eb, sent, name, sizeof name))
        return false;
    c->patches = xrealloc(c->patches, c->n_patches + 1, sizeof *c->patches);
    c->patches[c->n_patches++] = (struct patch){ xstrdup(name), NULL };
    snprintf(notice, size, "the service does not take \"%s\": left out from now on", name);
    return true;
}

static void set_origin(const struct client *c, struct chat_turn *t)
{
    free(t->origin);
    t->origin = c->conf.origin ? xstrdup(c->conf.origin) : NULL;
}

const char *client_wire(const struct client *c)
{
    return c->codec->name;
}

/* The request with what was learnt and what is the connection's. */
static struct chat_request complete(const struct client *c, const struct chat_request *rq)
{
    struct chat_request mine = *rq;

    mine.quirks = c->quirks.set;
    mine.origin = c->conf.origin;
    if (c->quirks.max_tokens > 0 &&
        (mine.max_tokens == 0 || mine.max_tokens > c->quirks.max_tokens))
        mine.max_tokens = c->quirks.max_tokens;
    return mine;
}

int client_preview(struct client *c, const struct chat_request *rq, struct client_preview *ret,
                   struct err *e)
{
    struct chat_request mine = complete(c, rq);

    take_wire(c);
    cleanup_free char *url = make_url(c, &mine);
    buf_puts(&ret->url, url);
    header_lines(c, c->conf.key ? "[redacted]" : NULL, &ret->headers);
    accept_line(c, rq, &ret->headers);
    return encode(c, &mine, &ret->body, e);
}

void client_preview_done(struct client_preview *p)
{
    buf_free(&p->url);
    buf_free(&p->headers);
    buf_free(&p->body);
}

int client_ask(struct client *c, const struct chat_request *rq, const struct stop *stop,
               const struct client_events *ev, struct chat_turn *ret, struct err *e)
{
    struct chat_request mine = *rq;
    struct err fail =
        ERR_INIT; /* an attempt's: the caller's is touched only if the last one failed */
    int64_t loading_ms = 0;
    int tries = 1;

    for (;;) {
        struct reading r = { 0 };
        struct errbody eb = { 0 };
        char notice[200];
        cleanup_buf struct buf sent = BUF_MAX(MAX_REPLY_BYTES);
        int64_t pause_ms = pause_left_ms(c->conf.pause); /* another run was told to slow down */
        if (pause_ms > 0 ? stop_sleep(stop, pause_ms, e) < 0 : stop_check(stop, e) < 0)
            return -1;
        mine = complete(c, rq);
        take_wire(c);
        cleanup_free char *url = make_url(c, &mine), *shown = show_url(url);
        struct fault_place place = { c->host,
                                     shown,
                                     rq->model ? rq->model : "",
                                     c->conf.key_hint,
                                     c->conf.key != NULL,
                                     c->replay != NULL };
        int rc =
            attempt(c, &mine, stop, ev ? &ev->sink : NULL, &place, url, &r, &eb, &sent, ret, &fail);
        if (rc < 0 && learn(c, &mine, r.resp.status, &eb, buf_str(&sent), notice, sizeof notice)) {
            if (ev && ev->notice)
                ev->notice(ev->arg, notice);
            log_debug("quirk: %s", notice);
            reading_done(&r);
            continue;
        }
        if (rc == 0)
            review(c, &mine, ret, ev);
        bool over =
            rc == 0 || wait_turn(c, &r, &eb, &place, &tries, &loading_ms, stop, ev, &fail) < 0;
        reading_done(&r);
        if (over && rc < 0)
            *e = fail;
        if (rc == 0)
            set_origin(c, ret);
        if (over)
            return rc;
    }
}

static char *copy(const char *s)
{
    return s ? xstrdup(s) : NULL;
}

void client_free(struct client *c)
{
    if (c == NULL)
        return;
    if (c->conf.key)
        mem_wipe((char *)c->conf.key, strlen(c->conf.key));
    free((char *)c->conf.base_url);
    free((char *)c->conf.key);
    free((char *)c->conf.key_hint);
    free((char *)c->conf.replay);
    free((char *)c->conf.record);
    free((char *)c->conf.pause);
    free((char *)c->conf.headers);
    free((char *)c->conf.origin);
    for (size_t i = 0; i < c->n_patches; i++) {
        free((char *)c->patches[i].path);
        free((char *)c->patches[i].json);
    }
    free(c->patches);
    free(c->host);
    http_free(c->http);
    cassette_free(c->replay);
    free(c);
}

static int check_key(const struct client_conf *conf, struct err *e)
{
    for (const char *p = conf->key; p && *p; p++)
        if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f)
            return err_set(
                e, ERR_CONFIG, 0,
                "the key from %s holds a space, a line break or a letter that no key has: "
                "copy it again",
                conf->key_hint ? conf->key_hint : "the settings");
    return 0;
}

struct client *client_new(const struct client_conf *conf, struct err *e)
{
    cleanup_buf struct buf host = BUF_MAX(512);
    const struct codec *codec = codec_find(conf->codec);

    if (codec == NULL) {
        err_set(e, ERR_CONFIG, 0, "there is no wire format \"%s\"", conf->codec ? conf->codec : "");
        return NULL;
    }
    if (check_key(conf, e) < 0)
        return NULL;
    if (conf->replay)
        buf_puts(&host, "the replay");
    else if (http_url_host(conf->base_url ? conf->base_url : "", &host, e) < 0) {
        err_wrap(e, "the base URL (base_url, OPENAI_BASE_URL)");
        return NULL;
    }
    struct client *c = xcalloc(1, sizeof *c);
    c->conf = *conf;
    c->conf.codec = codec->name;
    c->conf.base_url = xstrdup(conf->base_url ? conf->base_url : "");
    c->conf.key = copy(conf->key);
    c->conf.key_hint = copy(conf->key_hint);
    c->conf.replay = copy(conf->replay);
    c->conf.record = copy(conf->record);
    c->conf.pause = copy(conf->pause);
    c->conf.headers = copy(conf->headers);
    c->conf.origin = copy(conf->origin);
    c->patches = xcalloc(conf->n_patches + 1, sizeof *c->patches);
    for (; c->n_patches < conf->n_patches; c->n_patches++)
        c->patches[c->n_patches] = (struct patch){ xstrdup(conf->patches[c->n_patches].path),
                                                   copy(conf->patches[c->n_patches].json) };
    c->codec = codec;
    c->host = buf_steal(&host);
    c->chance = (uint32_t)now_us() * 2654435761u;
    quirk_init(&c->quirks, conf->quirks, conf->base_url);
    secret_add(conf->key);
    if (conf->replay ? (c->replay = cassette_open(conf->replay, e)) == NULL
                     : (c->http = http_new(e)) == NULL) {
        client_free(c);
        return NULL;
    }
    return c;
}

struct listing {
    struct buf *out, error;
    struct http_resp resp;
};

static int on_list(void *arg, struct str b, struct err *e)
{
    struct listing *l = arg;

    if (!reading_is_2xx(l->resp.status)) {
        buf_putstr(&l->error, b);
        return l->error.over ? 1 : 0;
    }
    buf_putstr(l->out, b);
    if (l->out->over)
        return err_set(e, ERR_PROVIDER, 0, "the list is longer than %zu MiB", l->out->max >> 20);
    return 0;
}

int client_get(struct client *c, const char *path, const struct stop *stop, struct buf *out,
               struct err *e)
{
    cleanup_free char *url =
        strstr(path, "://") ? xstrdup(path) : join_url(c->conf.base_url, str_of(path));
    cleanup_free char *shown = show_url(url);
    cleanup_buf struct buf lines = BUF_MAX(64 * KIB);
    struct fault_place place = { c->host, shown, "", c->conf.key_hint, c->conf.key != NULL, false };
    struct err fail = ERR_INIT;
    int64_t loading_ms = 0;
    int tries = 1;

    if (c->http == NULL)
        return err_set(e, ERR_CONFIG, 0, "a replay has no list of models");
    header_lines(c, c->conf.key, &lines);
    buf_puts(&lines, "Accept: application/json\n");
    for (;;) {
        struct listing l = { .out = out, .error = BUF_MAX(MAX_ERROR_BODY) };
        struct http_req hr = { url,
                               { NULL, 0 },
                               buf_str(&lines),
                               c->conf.connect_ms,
                               c->conf.first_byte_ms,
                               c->conf.stall_ms,
                               c->conf.request_ms };
        struct errbody eb = { 0 };
        buf_clear(out);
        int rc = http_stream(c->http, &hr, stop, on_list, &l, &l.resp, &fail);
        struct str date = http_header(buf_str(&l.resp.headers), "Date");
        if (date.n < sizeof c->date) {
            memcpy(c->date, date.n ? date.p : "", date.n);
            c->date[date.n] = '\0';
        }
        if (rc == 0 && !reading_is_2xx(l.resp.status)) {
            errbody_read(buf_str(&l.error), &eb);
            rc = fault_refused(&place, l.resp.status, buf_str(&l.resp.headers), &eb, &fail);
        }
        struct reading r = { .resp = l.resp };
        bool over =
            rc == 0 || wait_turn(c, &r, &eb, &place, &tries, &loading_ms, stop, NULL, &fail) < 0;
        http_resp_free(&l.resp);
        buf_free(&l.error);
        if (!over)
            continue;
        mem_wipe(lines.p, lines.n);
        if (rc < 0)
            *e = fail;
        return rc;
    }
}

const char *client_date(const struct client *c)
{
    return c->date;
}
