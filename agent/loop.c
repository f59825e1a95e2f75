#include "agent/loop.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/events.h"
#include "agent/fences.h"
#include "agent/answering.h"
#include "agent/asking.h"
#include "agent/schema.h"
#include "agent/tools.h"
#include "agent/transcript.h"
#include "prompts/prompts.h"
#include "agent/base/banned.h"

#define REPEATS_NUDGE 2 /* the same code with the same result: the model is told */
#define REPEATS_END 3   /* and once more: the run ends */

struct loop {
    struct run *run;
    struct chat_tool *tools;
    size_t n_tools;
    struct repeat {
        char digest[65];
        int count;
    } * repeats;
    size_t n_repeats;
    struct answering answering;
};

static void on_text(void *arg, struct str piece)
{
    struct run *run = arg;

    ui_text(run->ui, piece);
    events_text(run->events, piece);
}

static void on_reasoning(void *arg, struct str piece)
{
    struct run *run = arg;

    ui_reasoning(run->ui, piece);
}

static void on_restart(void *arg)
{
    struct run *run = arg;

    ui_text_end(run->ui, false);
    ui_warn(run->ui, "the reply began anew: what was shown of it is void");
}

static void on_retry(void *arg, const struct err *why, int64_t wait_ms, int attempt)
{
    struct run *run = arg;
    cJSON *ev = cJSON_CreateObject();

    ui_retry(run->ui, why, wait_ms, attempt);
    json_add_str(ev, "why", str_of(why->msg));
    json_add_int(ev, "wait_ms", wait_ms);
    json_add_int(ev, "attempt", attempt);
    record_event(run->record, "retry", ev);
}

static void on_notice(void *arg, const char *line)
{
    struct run *run = arg;
    cJSON *ev = cJSON_CreateObject();

    ui_warn(run->ui, "%s", line);
    json_add_str(ev, "text", str_of(line));
    record_event(run->record, "notice", ev);
}

static void show_usage(struct run *run, const struct chat_turn *t)
{
    const struct chat_usage *u = &t->usage;
    struct ui_spent s = { u->input, u->output, u->cached, u->reasoning,
                          asking_last_cost(run->asking) };
    char what[40];

    snprintf(what, sizeof what, "turn %d", run->turns);
    ui_spent(run->ui, what, &s);
}

static void attach_images(struct loop *l, struct tool_outcome *o)
{
    if (o->n_images == 0)
        return;
    convo_images(&l->run->convo, steal_ptr(&o->images), o->n_images);
    o->n_images = 0;
    convo_limit_images(&l->run->convo, (size_t)l->run->conf->max_images);
}

static void observe(struct loop *l, const struct chat_call *call, struct tool_outcome *o)
{
    transcript_observation(l->run, call->id, o);
    convo_tool(&l->run->convo, call, buf_cstr(&o->text), o->is_error);
    attach_images(l, o);
}

/* How often this code gave this result, this time included. */
static int count_repeat(struct loop *l, const char *digest)
{
    for (size_t i = 0; i < l->n_repeats; i++)
        if (strcmp(l->repeats[i].digest, digest) == 0)
            return ++l->repeats[i].count;
    l->repeats = xrealloc(l->repeats, l->n_repeats + 1, sizeof *l->repeats);
    struct repeat *r = &l->repeats[l->n_repeats++];
    memcpy(r->digest, digest, sizeof r->digest);
    return r->count = 1;
}

static bool has_fence(const struct chat_turn *t)
{
    struct str text = str_of(t->text), code;

    return fence_next(&text, &code, NULL);
}

/* The answer's schema goes along where code is not written as text, which it would forbid. */
static struct chat_request request(const struct loop *l, bool last)
{
    const struct conf *c = l->run->conf;
    bool text_only = last || l->answering.form_only;

    return (struct chat_request){
        .tools = l->tools,
        .n_tools = c->tools == TOOLS_NATIVE ? l->n_tools : 0,
        .tools_off = text_only,
        .schema = l->run->schema && (text_only || c->tools == TOOLS_NATIVE)
                      ? schema_text(l->run->schema)
                      : NULL,
        .stream = c->stream,
        .max_tokens = c->max_tokens,
        .temperature = c->temperature,
        .effort = conf_effort_word(c),
        .show_reasoning = c->show_reasoning,
        .num_ctx = c->num_ctx,
    };
}

static int ask(struct loop *l, bool last, struct chat_turn *ret, struct err *e)
{
    struct run *run = l->run;
    const struct conf *c = run->conf;
    struct chat_request rq = request(l, last);
    struct client_events ev = {
        .sink = { .text = on_text, .reasoning = on_reasoning, .restart = on_restart, .arg = run },
        .retry = on_retry,
        .notice = on_notice,
        .arg = run,
    };

    run->turns++;
    cJSON *start = cJSON_CreateObject();
    json_add_int(start, "turn", run->turns_before + run->turns);
    cJSON_AddBoolToObject(start, "tools_off", rq.tools_off);
    record_event(run->record, "turn.start", start);
    ui_wait(run->ui, "thinking");
    int r = asking_turn(run->asking, run, &rq, &ev, ret, e);
    ui_text_end(run->ui, r < 0 || ret->n_calls || (c->tools == TOOLS_FENCED && has_fence(ret)));
    ui_wait_end(run->ui);
    if (r < 0)
        return -1;
    run->replies++;
    transcript_turn(run, ret);
    if (c->usage)
        show_usage(run, ret);
    return 0;
}

/* Runs one call, or says in *out why it did not run. Once the run has to stop (*r < 0, with *e) the
 * rest is answered with that, so that the recorded conversation stays whole. */
static void run_call(struct loop *l, const struct chat_call *call, size_t number, bool cut,
                     struct tool_outcome *out, int *r, struct err *e)
{
    if (*r == 0 && stop_check(l->run->stop, e) < 0)
        *r = -1;
    if (*r == 0 && number >= MAX_CALLS_PER_TURN) {
        out->is_error = true;
        buf_puts(&out->text, "Tool error: too many calls in one reply; this one did not run.");
        return;
    }
    bool began = *r == 0;
    if (began)
        *r = tools_call(l->run, call, cut, out, e);
    if (*r < 0) {
        buf_clear(&out->text);
        if (began && l->run->goes_on)
            buf_puts(&out->text, "Interrupted by the user while it ran.");
        else
            buf_puts(&out->text, "Not run: the session was stopped.");
        out->is_error = true;
        return;
    }
    int repeats = out->ran ? count_repeat(l, out->digest) : 1;
    if (repeats == REPEATS_NUDGE) {
        cleanup_free char *nudge = prompt_text(l->run->conf->prompts_dir, "no_progress.md", e);
        if (nudge == NULL)
            *r = -1;
        else
            buf_putf(&out->text, "\n%s\n", nudge);
        ui_note(l->run->ui, "the same code with the same result, for the second time");
    }
    if (repeats >= REPEATS_END) {
        record_event(l->run->record, "loop.detected", NULL);
        *r = err_set(e, ERR_LOOP, 0,
                     "no progress: the model ran the same code with the same result %d times. "
                     "Try another wording of the question, or another model (-m)",
                     repeats);
    }
}

/* Runs every call of the last reply in order and answers each. */
static int run_calls(struct loop *l, bool cut, struct err *e)
{
    const struct chat_message *m = convo_last_assistant(&l->run->convo);
    size_t n = m->n_calls;
    /* The conversation grows below, so its memory may move: the calls do not, they are their own.
     */
    const struct chat_call *calls = m->calls;
    int r = 0;

    for (size_t i = 0; i < n; i++) {
        __attribute__((cleanup(tool_outcome_done))) struct tool_outcome out = TOOL_OUTCOME_INIT;
        run_call(l, &calls[i], i, cut && i + 1 == n, &out, &r, e);
        observe(l, &calls[i], &out);
    }
    return r;
}

static char *code_args(struct str code)
{
    struct buf b = BUF_MAX(SIZE_MAX / 2);

    buf_puts(&b, "{\"code\":");
    json_quote(&b, code);
    buf_putc(&b, '}');
    return buf_steal(&b);
}

/* A model without tool calls: the blocks of its text are the cells, and all their results together
 * are the next message of the user. A block that the output limit cut does not run. */
static int run_fences(struct loop *l, struct chat_turn *t, struct err *e)
{
    cleanup_free char *said = xstrdup(t->text);
    struct tool_outcome all = TOOL_OUTCOME_INIT;
    struct str text = str_of(said), code;
    bool cut = t->stop == CHAT_STOP_LENGTH, whole;
    int r = 0;

    convo_assistant(&l->run->convo, t);
    for (size_t i = 0; fence_next(&text, &code, &whole); i++) {
        __attribute__((cleanup(tool_outcome_done))) struct tool_outcome out = TOOL_OUTCOME_INIT;
        char id[48];
        snprintf(id, sizeof id, FENCE_ID "%d_%zu", l->run->turns_before + l->run->turns, i + 1);
        cleanup_free char *args = cut && !whole ? xstrdup("{") : code_args(code);
        struct chat_call call = { id, (char *)"execute_python", args };
        run_call(l, &call, i, cut && !whole, &out, &r, e);
        transcript_observation(l->run, id, &out);
        buf_putf(&all.text, "%sResult of block %zu:\n", i ? "\n" : "", i + 1);
        buf_putstr(&all.text, buf_str(&out.text));
        all.images = xrealloc(all.images, all.n_images + out.n_images + 1, sizeof *all.images);
        for (size_t k = 0; k < out.n_images; k++)
            all.images[all.n_images++] = out.images[k];
        out.n_images = 0; /* they have moved */
    }
    convo_user(&l->run->convo, buf_cstr(&all.text));
    attach_images(l, &all);
    tool_outcome_done(&all);
    return r;
}

/* The budget is used up: what the model last said beside its calls is all there is. */
static void best_so_far(struct run *run, struct loop_result *ret)
{
    const struct chat_message *m = convo_last_assistant(&run->convo);

    if (m && m->text && str_trim(str_of(m->text)).n)
        ret->answer = xstrdup(m->text);
}

static void turns(struct loop *l, struct loop_result *ret)
{
    struct run *run = l->run;
    struct err *e = &ret->why;

    for (;;) {
        __attribute__((cleanup(chat_turn_done))) struct chat_turn t = { 0 };
        enum answering_last last = asking_low(run->asking, run)             ? LAST_BUDGET
                                   : run->turns + 1 >= run->conf->max_turns ? LAST_TURN
                                                                            : LAST_NOT;

        if (last != LAST_NOT && run->turns > 0 && transcript_say_prompt(run, "last_turn.md", e) < 0)
            return;
        if (ask(l, last != LAST_NOT, &t, e) < 0) {
            if (e->code == ERR_BUDGET)
                best_so_far(run, ret);
            return;
        }
        if (run->conf->tools == TOOLS_FENCED && t.n_calls == 0 && last == LAST_NOT &&
            has_fence(&t)) {
            l->answering.empty_replies = 0;
            if (run_fences(l, &t, e) < 0)
                return;
            continue;
        }
        if (t.n_calls == 0 || last != LAST_NOT) {
            if (answering_settle(&l->answering, &t, last, ret) <= 0)
                return;
            continue;
        }
        bool cut = t.stop == CHAT_STOP_LENGTH;
        l->answering.empty_replies = 0;
        convo_assistant(&run->convo, &t);
        if (run_calls(l, cut, e) < 0)
            return;
    }
}

void loop_run(struct run *run, struct loop_result *ret)
{
    struct loop l = { .run = run, .answering = { .run = run } };

    *ret = (struct loop_result){ NULL, ERR_INIT };
    l.tools = tools_declare(run, &l.n_tools, &ret->why);
    if (l.tools == NULL)
        return;
    turns(&l, ret);
    answering_end(&l.answering, ret);
    tools_free(l.tools, l.n_tools);
    free(l.repeats);
}

int loop_preview(struct run *run, struct asking_preview *ret, struct err *e)
{
    struct loop l = { .run = run };

    l.tools = tools_declare(run, &l.n_tools, e);
    if (l.tools == NULL)
        return -1;
    struct chat_request rq = request(&l, run->conf->max_turns <= 1);
    int r = asking_preview(run->asking, run, &rq, ret, e);
    tools_free(l.tools, l.n_tools);
    return r;
}
