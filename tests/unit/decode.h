/* Feeds recorded bodies to a codec in pieces of any size, and compares the turn with what is
 * expected (tests/cases/CODEC/expected.json). */
#ifndef TESTS_UNIT_DECODE_H
#define TESTS_UNIT_DECODE_H

#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>
#include "agent/base/json.h"
#include "providers/provider.h"
#include "providers/sse.h"
#include "tests/unit/samples.h"
#include "tests/unit/tap.h"

struct feed {
    const struct codec *codec;
    struct decoder *dec;
    struct buf text, reasoning;
};

__attribute__((unused)) static void on_text(void *arg, struct str s)
{
    buf_putstr(&((struct feed *)arg)->text, s);
}

__attribute__((unused)) static void on_reasoning(void *arg, struct str s)
{
    buf_putstr(&((struct feed *)arg)->reasoning, s);
}

__attribute__((unused)) static void on_restart(void *arg)
{
    buf_clear(&((struct feed *)arg)->text);
    buf_clear(&((struct feed *)arg)->reasoning);
}

__attribute__((unused)) static int on_event(void *arg, struct str name, struct str data,
                                            struct err *e)
{
    struct feed *f = arg;

    return f->codec->event(f->dec, str_is(name, "bare") ? STR("error") : name, data, e);
}

__attribute__((unused)) static int on_tail(void *arg, struct str name, struct str data,
                                           struct err *e)
{
    struct err ignored = ERR_INIT;
    cleanup_json cJSON *j = reply_json(data, &ignored);

    return j ? on_event(arg, name, data, e) : 0;
}

/* Decodes `in` in pieces of `step` bytes (0 = random). The pieces that were shown must add up to
 * the turn's text. */
__attribute__((unused)) static int decode(const char *codec, struct str in, bool stream,
                                          size_t step, unsigned seed, struct chat_turn *t,
                                          struct err *e)
{
    struct feed f = { codec_find(codec), NULL, BUF_MAX(1 << 24), BUF_MAX(1 << 24) };
    struct decoder_sink sink = { on_text, on_reasoning, &f, on_restart };
    struct sse *s = NULL;
    int r = 0;

    s = f.codec->framing == CODEC_LINES ? sse_new_lines() : sse_new();
    f.dec = f.codec->begin(&sink);
    if (!stream)
        r = f.codec->body(f.dec, str_trim(in), e);
    while (stream && in.n && r == 0) {
        size_t n = step ? step : 1 + next_random(&seed) % 90;
        n = n < in.n ? n : in.n;
        r = sse_feed(s, (struct str){ in.p, n }, on_event, &f, e);
        in = str_from(in, n);
    }
    if (r == 0 && stream)
        r = sse_end(s, on_tail, &f, e);
    if (r == 0)
        r = f.codec->finish(f.dec, t, e);
    if (r == 0 && (!str_eq(buf_str(&f.text), str_of(t->text)) ||
                   !str_eq(buf_str(&f.reasoning), str_of(t->reasoning)))) {
        printf("# what was shown is not the turn's text: %s\n", buf_cstr(&f.text));
        chat_turn_done(t);
        r = err_set(e, ERR_INTERNAL, 0, "shown text differs");
    }
    f.codec->free(f.dec);
    sse_free(s);
    buf_free(&f.text);
    buf_free(&f.reasoning);
    return r;
}

__attribute__((unused)) static bool same(const char *got, const cJSON *want, const char *what)
{
    const char *w = json_str(want, what);

    if (strcmp(got ? got : "", w ? w : "") == 0)
        return true;
    printf("# %s: got \"%s\", want \"%s\"\n", what, got ? got : "(none)", w ? w : "");
    return false;
}

__attribute__((unused)) static bool same_count(int64_t got, const cJSON *usage, const char *what)
{
    if (got == json_int(usage, what, -99))
        return true;
    printf("# usage %s: got %lld\n", what, (long long)got);
    return false;
}

__attribute__((unused)) static bool is_made_id(const char *id)
{
    return strlen(id) == 9 && strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789") == 9;
}

__attribute__((unused)) static bool same_calls(const struct chat_turn *t, const cJSON *want)
{
    const cJSON *list = json_arr(want, "calls"), *c;
    bool ok = (size_t)cJSON_GetArraySize(list) == t->n_calls;
    size_t i = 0;

    cJSON_ArrayForEach(c, list)
    {
        const char *id = cJSON_GetStringValue(cJSON_GetArrayItem(c, 0));
        if (i == t->n_calls)
            break;
        ok = ok && (id ? strcmp(id, t->calls[i].id) == 0 : is_made_id(t->calls[i].id)) &&
             strcmp(t->calls[i].name, cJSON_GetArrayItem(c, 1)->valuestring) == 0 &&
             strcmp(t->calls[i].args, cJSON_GetArrayItem(c, 2)->valuestring) == 0;
        if (!ok)
            printf("# call %zu: %s %s %s\n", i, t->calls[i].id, t->calls[i].name, t->calls[i].args);
        i++;
    }
    for (i = 1; i < t->n_calls; i++)
        ok = ok && strcmp(t->calls[i].id, t->calls[i - 1].id) != 0;
    return ok;
}

__attribute__((unused)) static bool same_turn(const struct chat_turn *t, const cJSON *want)
{
    const cJSON *u = json_obj(want, "usage");
    double cost = json_num(u, "cost", NAN);
    bool ok = same(t->text, want, "text") && same(t->reasoning, want, "reasoning") &&
              same(t->refusal, want, "refusal") && same(t->stop_word, want, "stop_word") &&
              same(chat_stop_word(t->stop), want, "stop") && same(t->model, want, "model") &&
              same(t->response_id, want, "id") && same_calls(t, want);

    ok = ok && same_count(t->usage.input, u, "input") && same_count(t->usage.output, u, "output") &&
         same_count(t->usage.cached, u, "cached") && same_count(t->usage.reasoning, u, "reasoning");
    if (isnan(cost) != isnan(t->usage.cost) ||
        (!isnan(cost) && fabs(cost - t->usage.cost) > 1e-9)) {
        printf("# cost %g\n", t->usage.cost);
        ok = false;
    }
    return ok && (json_get(u, "cache_write") == NULL ||
                  same_count(t->usage.cache_write, u, "cache_write"));
}

__attribute__((unused)) static bool same_error(const struct err *e, const cJSON *want)
{
    bool ok = strcmp(err_word(e->code), json_str(want, "code")) == 0 &&
              e->sys == json_int(want, "status", -1) && strstr(e->msg, json_str(want, "has"));

    if (!ok)
        printf("# got %s %d: %s\n", err_word(e->code), e->sys, e->msg);
    return ok;
}

__attribute__((unused)) static bool decodes(const char *codec, const cJSON *want, struct str in,
                                            bool stream, size_t step, unsigned seed)
{
    struct chat_turn t = { 0 };
    struct err e = ERR_INIT;
    const cJSON *error = json_obj(want, "error");

    if (decode(codec, in, stream, step, seed, &t, &e) < 0)
        return error ? same_error(&e, error) : (printf("# %s\n", e.msg), false);
    bool ok = error == NULL && same_turn(&t, want);
    chat_turn_done(&t);
    return ok;
}

/* All of tests/cases/CODEC/expected.json: each body whole, and streams in single bytes and at
 * random splits. Returns how many bodies there were. */
__attribute__((unused)) static int decode_samples(const char *codec)
{
    struct err e = ERR_INIT;
    cleanup_free char *table = xasprintf("tests/cases/%s/expected.json", codec);
    cleanup_buf struct buf text = sample(table);
    cleanup_json cJSON *list = json_parse(buf_str(&text), &e);
    const cJSON *want;

    cJSON_ArrayForEach(want, list)
    {
        const char *file = json_str(want, "file");
        cleanup_free char *path = xasprintf("tests/cases/samples/%s", file);
        cleanup_buf struct buf in = sample(path);
        bool stream = str_ends(str_of(file), ".sse") || str_ends(str_of(file), ".ndjson");
        CHECK(decodes(codec, want, buf_str(&in), stream, in.n, 0), "%s", file);
        if (!stream)
            continue;
        bool ok = decodes(codec, want, buf_str(&in), true, 1, 0);
        for (unsigned seed = 1; seed <= 20 && ok; seed++)
            ok = decodes(codec, want, buf_str(&in), true, 0, seed);
        CHECK(ok, "%s in single bytes and at random splits", file);
    }
    return cJSON_GetArraySize(list);
}

#endif
