#include "providers/reading.h"
#include <stdlib.h>
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "providers/sse.h"
#include "agent/base/banned.h"

void reading_begin(struct reading *r, const struct codec *codec, const struct decoder_sink *sink,
                   bool taping)
{
    r->codec = codec;
    r->dec = codec->begin(sink);
    r->sse = codec->framing == CODEC_LINES ? sse_new_lines() : sse_new();
    r->body.max = r->tape.max = MAX_REPLY_BYTES;
    r->head.max = 400;
    r->taping = taping;
}

void reading_done(struct reading *r)
{
    if (r->codec)
        r->codec->free(r->dec);
    sse_free(r->sse);
    http_resp_free(&r->resp);
    buf_free(&r->body);
    buf_free(&r->head);
    buf_free(&r->tape);
}

bool reading_is_2xx(long status)
{
    return status >= 200 && status < 300;
}

static bool type_is(struct str type, const char *word)
{
    cleanup_free char *s = str_dup(type);

    return strcasestr(s, word) != NULL;
}

struct str reading_type(struct reading *r)
{
    if (r->type.n == 0)
        r->type = http_header(buf_str(&r->resp.headers), "content-type");
    return r->type;
}

/* By status, then content type, then the first byte that is no space: proxies lose content types,
 * and some servers ignore "stream". */
static void decide(struct reading *r)
{
    struct str s = str_trim(buf_str(&r->body));

    if (!reading_is_2xx(r->resp.status))
        r->mode = READING_REFUSAL;
    else if (r->codec->framing == CODEC_LINES && type_is(r->type, "ndjson"))
        r->mode = READING_STREAM;
    else if (type_is(r->type, "text/event-stream"))
        r->mode = READING_STREAM;
    else if (type_is(r->type, "application/json") || type_is(r->type, "text/html"))
        r->mode = READING_DOCUMENT;
    else if (s.n)
        r->mode = memchr(":dire\xEF", s.p[0], 6) ? READING_STREAM : READING_DOCUMENT;
}

static int on_event(void *arg, struct str name, struct str data, struct err *e)
{
    struct reading *r = arg;

    if (str_starts(str_trim(data), "[DONE]"))
        r->resp.finishing = true;
    if (str_is(name, "bare"))
        name = STR("error"); /* a body without a field name: gateways put errors into streams so */
    return r->codec->event(r->dec, name, data, e);
}

/* The last event, which no empty line closed: taken if it is whole. */
static int on_tail(void *arg, struct str name, struct str data, struct err *e)
{
    struct err ignored = ERR_INIT;
    cleanup_json struct cJSON *j = reply_json(data, &ignored);

    if (j == NULL && !str_starts(str_trim(data), "[DONE]"))
        return 0;
    return on_event(arg, name, data, e);
}

int reading_bytes(void *arg, struct str b, struct err *e)
{
    struct reading *r = arg;

    if (r->taping)
        buf_putstr(&r->tape, b);
    if (r->head.n < 200)
        buf_put(&r->head, b.p, b.n < 200 ? b.n : 200);
    if (r->mode == READING_UNDECIDED) {
        (void)reading_type(r);
        buf_putstr(&r->body, b);
        decide(r);
        if (r->mode != READING_STREAM)
            return 0;
        b = buf_str(&r->body); /* stays as it is; nothing is appended to it any more */
    } else if (r->mode != READING_STREAM) {
        if (r->mode == READING_REFUSAL && r->body.n + b.n > MAX_ERROR_BODY)
            return 1; /* enough to tell what is wrong */
        buf_putstr(&r->body, b);
        return 0;
    }
    return sse_feed(r->sse, b, on_event, r, e);
}

int reading_end(struct reading *r, const struct fault_place *p, bool cut, struct chat_turn *ret,
                struct err *e)
{
    if (r->mode == READING_UNDECIDED)
        return err_set(e, ERR_NET, 0, "%s sent an empty answer (HTTP %ld)", p->host,
                       r->resp.status);
    if (r->mode == READING_STREAM) {
        if (sse_end(r->sse, on_tail, r, e) < 0)
            return -1;
        if (r->codec->finish(r->dec, ret, e) == 0)
            return 0;
        if (!cut && e->code == ERR_NET && r->codec->framing == CODEC_SSE &&
            !type_is(r->type, "text/event-stream") &&
            memmem(buf_cstr(&r->head), r->head.n, "data:", 5) == NULL)
            return fault_not_json(p, r->type, buf_str(&r->head), e);
        cleanup_free char *why = xstrdup(e->msg);
        return err_set(e, e->code, e->sys, "%s: %s (%zu bytes came)", p->host, why, r->resp.bytes);
    }
    struct str s = str_trim(buf_str(&r->body));
    if (s.n == 0)
        return err_set(e, ERR_NET, 0, "%s sent an empty answer (HTTP %ld)", p->host,
                       r->resp.status);
    if (s.p[0] != '{' && s.p[0] != '[')
        return fault_not_json(p, r->type, s, e);
    if (r->codec->body(r->dec, s, e) < 0 || r->codec->finish(r->dec, ret, e) < 0)
        return err_wrap(e, "the answer of %s (%zu bytes)", p->host, r->resp.bytes);
    return 0;
}
