/* Properties of a codec's decoder, for a stream and (first byte even) a whole document:
 *   - any fragmentation gives the same turn or the same error;
 *   - what was shown adds up to the turn's text;
 *   - all strings are UTF-8, ids are unique and not empty;
 *   - the turn can be sent back: the next request is one JSON document with a result for each call,
 *     and so it is in every other format;
 *   - parsed JSON takes no more than MEMORY_FIXED and MEMORY_RATIO bytes for each byte of the
 * input. A fuzzer is a file that names its codec and includes this one. */
#ifndef TESTS_FUZZ_CODEC_H
#define TESTS_FUZZ_CODEC_H

#include <cjson/cJSON.h>
#include <malloc.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "providers/provider.h"
#include "providers/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(cond) ((cond) ? (void)0 : __builtin_trap())

/* cJSON takes some 80 bytes for a value of two bytes ("1,"), and some values are there twice. All
 * else are buffers with caps of their own. */
#define MEMORY_FIXED (1u << 20)
#define MEMORY_RATIO 400

static size_t memory_now, memory_peak;

static void *count_malloc(size_t n)
{
    void *p = malloc(n);

    memory_now += p ? malloc_usable_size(p) : 0;
    memory_peak = memory_now > memory_peak ? memory_now : memory_peak;
    return p;
}

static void count_free(void *p)
{
    size_t n = p ? malloc_usable_size(p) : 0;

    memory_now -= n < memory_now ? n : memory_now;
    free(p);
}

static void memory_begin(void)
{
    cJSON_Hooks hooks = { count_malloc, count_free };

    cJSON_InitHooks(&hooks);
    memory_now = memory_peak = 0;
}

struct feed {
    const struct codec *codec;
    struct decoder *dec;
    struct buf text, reasoning;
};

static void on_text(void *arg, struct str s)
{
    buf_putstr(&((struct feed *)arg)->text, s);
}

static void on_reasoning(void *arg, struct str s)
{
    buf_putstr(&((struct feed *)arg)->reasoning, s);
}

static void on_restart(void *arg)
{
    buf_clear(&((struct feed *)arg)->text);
    buf_clear(&((struct feed *)arg)->reasoning);
}

static int on_event(void *arg, struct str name, struct str data, struct err *e)
{
    struct feed *f = arg;

    return f->codec->event(f->dec, name, data, e);
}

static int decode(struct str in, bool stream, size_t step, struct chat_turn *t, struct err *e)
{
    struct feed f = { codec_find(CODEC), NULL, BUF_MAX(64u << 20), BUF_MAX(64u << 20) };
    struct sse *s = f.codec->framing == CODEC_LINES ? sse_new_lines() : sse_new();
    int r = 0;

    f.dec = f.codec->begin(&(struct decoder_sink){ on_text, on_reasoning, &f, on_restart });
    if (!stream)
        r = f.codec->body(f.dec, in, e);
    while (stream && in.n && r == 0) {
        size_t n = step < in.n ? step : in.n;
        r = sse_feed(s, (struct str){ in.p, n }, on_event, &f, e);
        in = str_from(in, n);
    }
    if (r == 0 && stream)
        r = sse_end(s, on_event, &f, e);
    if (r == 0)
        r = f.codec->finish(f.dec, t, e);
    if (r == 0 && utf8_valid(buf_str(&f.text)))
        HOLDS(str_eq(buf_str(&f.text), str_of(t->text)));
    if (r == 0 && utf8_valid(buf_str(&f.reasoning)))
        HOLDS(str_eq(buf_str(&f.reasoning), str_of(t->reasoning)));
    f.codec->free(f.dec);
    sse_free(s);
    buf_free(&f.text);
    buf_free(&f.reasoning);
    return r;
}

static bool same(const char *a, const char *b)
{
    return (a == NULL) == (b == NULL) && (a == NULL || strcmp(a, b) == 0);
}

static void is_sound(const struct chat_turn *t)
{
    const char *strings[] = { t->text,  t->reasoning,   t->refusal,  t->raw,
                              t->model, t->response_id, t->stop_word };

    for (size_t i = 0; i < ARRAY_LEN(strings); i++)
        HOLDS(utf8_valid(str_of(strings[i])));
    for (size_t i = 0; i < t->n_calls; i++) {
        HOLDS(t->calls[i].id[0] && utf8_valid(str_of(t->calls[i].id)));
        HOLDS(utf8_valid(str_of(t->calls[i].name)) && utf8_valid(str_of(t->calls[i].args)));
        for (size_t k = 0; k < i; k++)
            HOLDS(strcmp(t->calls[i].id, t->calls[k].id) != 0);
    }
}

static size_t results_in(const cJSON *j, const char *codec)
{
    const cJSON *m, *p;
    size_t n = 0;

    if (strcmp(codec, "openai-responses") == 0) {
        cJSON_ArrayForEach(m, json_arr(j, "input"))
        {
            const char *t = json_str(m, "type");
            n += t && strcmp(t, "function_call_output") == 0;
        }
    } else if (strcmp(codec, "gemini-generate-content") == 0) {
        cJSON_ArrayForEach(m, json_arr(j, "contents")) cJSON_ArrayForEach(p, json_arr(m, "parts"))
            n += json_get(p, "functionResponse") != NULL;
    } else if (strcmp(codec, "anthropic-messages") == 0) {
        cJSON_ArrayForEach(m, json_arr(j, "messages")) cJSON_ArrayForEach(p, json_arr(m, "content"))
        {
            const char *t = json_str(p, "type"), *role = json_str(m, "role");
            n += t && strcmp(t, "tool_result") == 0 && strcmp(role, "user") == 0;
        }
    } else {
        cJSON_ArrayForEach(m, json_arr(j, "messages")) n +=
            strcmp(json_str(m, "role"), "tool") == 0;
    }
    return n;
}

static void goes_back(const struct chat_turn *t, const char *codec, bool raw, unsigned quirks)
{
    struct chat_message m[] = {
        { .role = CHAT_USER, .text = (char *)"q" },
        { .role = CHAT_ASSISTANT,
          .text = t->text,
          .calls = t->calls,
          .n_calls = t->n_calls,
          .raw = raw ? t->raw : NULL,
          .wire = t->wire },
    };
    struct chat_request rq = {
        .model = "gemini-3", .messages = m, .n_messages = 2, .temperature = NAN, .quirks = quirks
    };
    cleanup_buf struct buf body = BUF_MAX(256u << 20);
    struct err e = ERR_INIT;

    HOLDS(codec_find(codec)->encode(&rq, &body, &e) == 0);
    HOLDS(utf8_valid(buf_str(&body)));
    cleanup_json cJSON *j = cJSON_ParseWithLength(body.p, body.n);
    HOLDS(cJSON_IsObject(j) && results_in(j, codec) == t->n_calls);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = { (const char *)data + (size > 0), size - (size > 0) };
    bool stream = size == 0 || data[0] % 2 == 1;
    struct chat_turn a = { 0 }, b = { 0 };
    struct err ea = ERR_INIT, eb = ERR_INIT;
    memory_begin();
    int ra = decode(in, stream, size + 1, &a, &ea);
    HOLDS(memory_peak <= MEMORY_FIXED + MEMORY_RATIO * size);
    int rb = decode(in, stream, size ? 1 + data[0] % 7 : 1, &b, &eb);

    HOLDS(ra == rb && ea.code == eb.code && strcmp(ea.msg, eb.msg) == 0);
    if (ra == 0) {
        HOLDS(same(a.text, b.text) && same(a.reasoning, b.reasoning) && same(a.refusal, b.refusal));
        HOLDS(same(a.raw, b.raw) && a.n_calls == b.n_calls && a.stop == b.stop);
        is_sound(&a);
        static const char *const all[] = { "openai-chat", "openai-responses", "anthropic-messages",
                                           "gemini-generate-content", "ollama-chat" };
        for (size_t i = 0; i < ARRAY_LEN(all); i++)
            goes_back(&a, all[i], true, 0);
        goes_back(&a, CODEC, false, CHAT_SHORT_IDS);
        goes_back(&a, CODEC, true, CHAT_NO_REASONING_BACK);
    }
    chat_turn_done(&a);
    chat_turn_done(&b);
    return 0;
}

#endif
