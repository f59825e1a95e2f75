/* The conversation of a record, as the loop would have it in memory. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/sha256.h"
#include "agent/callargs.h"
#include "agent/grounding.h"
#include "agent/loop.h"
#include "agent/pictures.h"
#include "agent/resume.h"
#include "agent/base/banned.h"

struct restoring {
    struct run *run;
    const struct saved *s;
    bool fenced;
    size_t cut;             /* calls without a result */
    size_t pictures;        /* that are not to be had again */
    size_t *marks, n_marks; /* where each question began that was not taken back */
};

static bool is(const cJSON *ev, const char *type)
{
    return strcmp(json_str(ev, "type"), type) == 0;
}

/* Where what belongs to the turn at `at` ends. */
static size_t end_of_turn(const struct saved *s, size_t at)
{
    for (at++; at < s->n_events; at++)
        if (is(s->events[at], "turn") || is(s->events[at], "user") || is(s->events[at], "system"))
            break;
    return at;
}

static const cJSON *observation(const struct restoring *r, size_t from, size_t end, const char *id)
{
    for (size_t i = from; i < end; i++) {
        const char *of = json_str(r->s->events[i], "call_id");
        if (of && strcmp(of, id) == 0 && is(r->s->events[i], "observation"))
            return r->s->events[i];
    }
    return NULL;
}

static bool same_picture(const struct buf *b, const char *sha256)
{
    struct sha256 h;
    char hex[65];

    sha256_init(&h);
    sha256_put(&h, b->p, b->n);
    sha256_hex(&h, hex);
    return sha256 && strcmp(hex, sha256) == 0;
}

/* One picture of an observation, out of the files of its cell's results. */
static bool find_picture(const struct restoring *r, size_t from, size_t end, const cJSON *obs,
                         const cJSON *image, struct chat_image *ret)
{
    const char *id = json_str(obs, "call_id"), *mime = json_str(image, "mime");
    const cJSON *result, *file;

    for (size_t i = from; i < end && id && mime; i++) {
        const cJSON *ev = r->s->events[i];
        const char *of = json_str(ev, "call_id");
        if (!is(ev, "cell.end") || of == NULL || strcmp(of, id) != 0)
            continue;
        cJSON_ArrayForEach(result, json_arr(ev, "results"))
        {
            cJSON_ArrayForEach(file, json_obj(result, "stored"))
            {
                cleanup_buf struct buf b = BUF_MAX(MAX_FRAME_BYTES);
                struct err ignored = ERR_INIT;
                if (!cJSON_IsString(file) ||
                    saved_read(r->s, file->valuestring, &b, &ignored) < 0 ||
                    !same_picture(&b, json_str(image, "sha256")))
                    continue;
                *ret = (struct chat_image){ xstrdup(mime), xstrndup(b.p, b.n), b.n };
                return true;
            }
        }
    }
    return false;
}

static void add_pictures(struct restoring *r, size_t from, size_t end, const cJSON *obs)
{
    const cJSON *images = json_arr(obs, "images"), *image;
    struct chat_image *v = NULL;
    size_t n = 0;

    if (images == NULL || !pictures_wanted(r->run))
        return;
    cJSON_ArrayForEach(image, images)
    {
        v = xrealloc(v, n + 1, sizeof *v);
        if (find_picture(r, from, end, obs, image, &v[n]))
            n++;
        else
            r->pictures++;
    }
    if (n)
        convo_images(&r->run->convo, v, n);
    else
        free(v);
}

/* What a call without a result is answered with: the record ends before it, or within it. */
static const char *why_none(struct restoring *r, size_t from, size_t end, const char *id)
{
    r->cut++;
    for (size_t i = from; i < end; i++) {
        const char *of = json_str(r->s->events[i], "call_id");
        if (of && strcmp(of, id) == 0 && is(r->s->events[i], "cell.start"))
            return "Not finished: the session was stopped while this ran; its effects are lost.";
    }
    return "Not run: the session was stopped before this call.";
}

static void put_result(struct buf *out, size_t number, const char *text)
{
    buf_putf(out, "%sResult of block %zu:\n%s", number > 1 ? "\n" : "", number, text);
}

/* The blocks' results, as the loop tells them to a model without tool calls. */
static void add_fence_results(struct restoring *r, size_t at, size_t end)
{
    cleanup_buf struct buf all = BUF_MAX(SIZE_MAX / 4);
    size_t n = 0;

    for (size_t i = at; i < end; i++) {
        const char *id = json_str(r->s->events[i], "call_id");
        if (!is(r->s->events[i], "observation") || id == NULL || !str_starts(str_of(id), FENCE_ID))
            continue;
        const char *text = json_str(r->s->events[i], "text");
        put_result(&all, ++n, text ? text : "");
    }
    if (n == 0)
        return;
    convo_user(&r->run->convo, buf_cstr(&all));
    for (size_t i = at; i < end; i++)
        if (is(r->s->events[i], "observation"))
            add_pictures(r, at, end, r->s->events[i]);
}

static void read_calls(const cJSON *ev, struct chat_turn *t)
{
    const cJSON *c;

    cJSON_ArrayForEach(c, json_arr(ev, "calls"))
    {
        const char *id = json_str(c, "id"), *name = json_str(c, "name"),
                   *args = json_str(c, "arguments");
        t->calls = xrealloc(t->calls, t->n_calls + 1, sizeof *t->calls);
        t->calls[t->n_calls++] =
            (struct chat_call){ xstrdup(id ? id : ""), xstrdup(name ? name : ""),
                                xstrdup(args ? args : "{}") };
    }
}

/* Calls as blocks of code, for a model that is asked without tools. */
static void calls_to_fences(struct restoring *r, struct chat_turn *t, size_t at, size_t end)
{
    cleanup_buf struct buf said = BUF_MAX(SIZE_MAX / 4), results = BUF_MAX(SIZE_MAX / 4);

    buf_puts(&said, t->text ? t->text : "");
    for (size_t i = 0; i < t->n_calls; i++) {
        struct callargs a;
        cleanup_buf struct buf why = BUF_MAX(4096);
        callargs_read(t->calls[i].args, false, "code", &a, &why);
        const char *code = json_str(a.object, "code");
        buf_putf(&said, "%s```python\n%s\n```\n", said.n ? "\n" : "", code ? code : "");
        cJSON_Delete(a.object);
        const cJSON *obs = observation(r, at, end, t->calls[i].id);
        const char *text = obs ? json_str(obs, "text") : NULL;
        put_result(&results, i + 1, text ? text : why_none(r, at, end, t->calls[i].id));
    }
    struct chat_turn plain = { .text = buf_steal(&said) };
    convo_assistant(&r->run->convo, &plain);
    chat_turn_done(&plain);
    convo_user(&r->run->convo, buf_cstr(&results));
    for (size_t i = at; i < end; i++)
        if (is(r->s->events[i], "observation"))
            add_pictures(r, at, end, r->s->events[i]);
}

static void add_observations(struct restoring *r, size_t at, size_t end)
{
    size_t where = r->run->convo.n - 1;
    size_t n = r->run->convo.m[where].n_calls;

    for (size_t i = 0; i < n; i++) {
        const struct chat_call *call = &r->run->convo.m[where].calls[i];
        const cJSON *obs = observation(r, at, end, call->id);
        const char *text = obs ? json_str(obs, "text") : NULL;
        convo_tool(&r->run->convo, call, text ? text : why_none(r, at, end, call->id),
                   obs ? json_bool(obs, "is_error", false) : true);
        if (obs)
            add_pictures(r, at, end, obs);
    }
}

/* An empty reply is not part of the conversation (loop.c asks again without it). */
static void add_turn(struct restoring *r, size_t at)
{
    const cJSON *ev = r->s->events[at], *raw = json_get(ev, "raw");
    const char *text = json_str(ev, "text"), *wire = json_str(ev, "wire"),
               *origin = json_str(ev, "origin"), *stop = json_str(ev, "stop");
    __attribute__((cleanup(chat_turn_done))) struct chat_turn t = { 0 };
    size_t end = end_of_turn(r->s, at);

    read_calls(ev, &t);
    bool blank = text == NULL || str_trim(str_of(text)).n == 0;
    if (t.n_calls == 0 && blank && !(stop && strcmp(stop, "pause") == 0))
        return;
    t.text = text ? xstrdup(text) : NULL;
    if (t.n_calls && r->fenced) {
        calls_to_fences(r, &t, at, end);
        return;
    }
    if (raw && wire && wire[0]) {
        t.raw = json_text(raw);
        t.wire = xstrdup(wire);
        t.origin = origin ? xstrdup(origin) : NULL;
    }
    bool calls = t.n_calls > 0;
    convo_assistant(&r->run->convo, &t);
    if (calls)
        add_observations(r, at, end);
    else
        add_fence_results(r, at, end);
}

static void add_system(struct run *run, const char *text)
{
    struct convo *c = &run->convo;

    if (c->n && c->m[0].role == CHAT_SYSTEM) { /* a later one took its place */
        free(c->m[0].text);
        c->m[0].text = xstrdup(text);
    } else if (c->n == 0) {
        convo_system(c, text);
    }
    const char *files = strstr(text, "# Attached files");
    if (files)
        grounding_said(run, files);
}

/* A question begins, is taken back, or all are forgotten (agent/chat.c). */
static void follow_questions(struct restoring *r, const cJSON *ev)
{
    struct convo *c = &r->run->convo;
    size_t least = c->n && c->m[0].role == CHAT_SYSTEM;

    if (is(ev, "session.start") || is(ev, "session.resume")) {
        r->marks = xrealloc(r->marks, r->n_marks + 1, sizeof *r->marks);
        r->marks[r->n_marks++] = c->n;
    } else if (is(ev, "undo") && r->n_marks) {
        size_t mark = r->marks[--r->n_marks];
        convo_truncate(c, mark > least ? mark : least);
    } else if (is(ev, "reset")) {
        r->n_marks = 0;
        convo_truncate(c, least);
    }
}

void resume_convo(struct run *run, const struct saved *s, bool fenced, struct buf *differs)
{
    struct restoring r = { .run = run, .s = s, .fenced = fenced };

    for (size_t i = 0; i < s->n_events; i++) {
        const cJSON *ev = s->events[i];
        const char *text = json_str(ev, "text");
        int64_t turn = json_int(ev, "turn", 0);
        if (turn > run->turns_before && turn < INT32_MAX / 2)
            run->turns_before = (int)turn;
        if (is(ev, "system") && text) {
            add_system(run, text);
        } else if (is(ev, "user") && text) {
            convo_user(&run->convo, text);
            grounding_said(run, text);
        } else if (is(ev, "turn")) {
            add_turn(&r, i);
        } else {
            follow_questions(&r, ev);
        }
    }
    free(r.marks);
    for (size_t i = 0; i < s->n_cells; i++)
        if (s->cells[i].number > run->cells_before && s->cells[i].number < INT32_MAX / 2)
            run->cells_before = s->cells[i].number;
    convo_limit_images(&run->convo, (size_t)run->conf->max_images);
    if (r.cut)
        buf_putf(differs, "- %zu call%s of before had no result: the session was stopped\n", r.cut,
                 r.cut == 1 ? "" : "s");
    if (r.pictures)
        buf_putf(differs, "- %zu picture%s of before cannot be shown again\n", r.pictures,
                 r.pictures == 1 ? "" : "s");
}
