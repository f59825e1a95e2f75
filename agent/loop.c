#include "agent/loop.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/sha256.h"
#include "agent/base/utf8.h"
#include "agent/events.h"
#include "agent/fences.h"
#include "agent/asking.h"
#include "agent/grounding.h"
#include "agent/reporting.h"
#include "agent/schema.h"
#include "agent/tools.h"
#include "prompts/prompts.h"
#include "agent/base/banned.h"

#define REPEATS_NUDGE 2 /* the same code with the same result: the model is told */
#define REPEATS_END 3   /* and once more: the run ends */
#define EMPTY_REPLIES_END 2
#define FORM_TRIES 2 /* how often an answer goes back that does not fit the schema */

struct loop {
    struct run *run;
    struct chat_tool *tools;
    size_t n_tools;
    struct repeat {
        char digest[65];
        int count;
    } * repeats;
    size_t n_repeats;
    int empty_replies;
    bool low;       /* the budget has room for one more turn at most */
    char *unproved; /* the answer that the model was asked to mend; owned */
    /* --schema */
    bool form_only; /* the next reply is the answer in another form */
    int form_tries;
    bool misformed; /* the answer does not fit, after all tries */
    char *misfit;   /* the first reason; owned */
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

static void add_count(cJSON *o, const char *name, int64_t v)
{
    if (v >= 0)
        json_add_int(o, name, v);
}

static void record_turn(struct run *run, const struct chat_turn *t)
{
    cJSON *ev = cJSON_CreateObject();
    cJSON *calls = cJSON_CreateArray(), *usage = cJSON_CreateObject();
    struct err ignored = ERR_INIT;

    json_add_int(ev, "turn", run->turns_before + run->turns);
    if (t->text)
        json_add_str(ev, "text", str_of(t->text));
    if (t->reasoning)
        json_add_str(ev, "reasoning", str_of(t->reasoning));
    if (t->refusal)
        json_add_str(ev, "refusal", str_of(t->refusal));
    for (size_t i = 0; i < t->n_calls; i++) {
        cJSON *c = cJSON_CreateObject();
        json_add_str(c, "id", str_of(t->calls[i].id));
        json_add_str(c, "name", str_of(t->calls[i].name));
        json_add_str(c, "arguments", str_of(t->calls[i].args));
        cJSON_AddItemToArray(calls, c);
    }
    cJSON_AddItemToObject(ev, "calls", calls);
    json_add_str(ev, "service", str_of(asking_service(run->asking)));
    json_add_str(ev, "asked", str_of(asking_model(run->asking)));
    cJSON_AddStringToObject(ev, "stop", chat_stop_word(t->stop));
    if (t->stop_word)
        json_add_str(ev, "stop_word", str_of(t->stop_word));
    if (t->model)
        json_add_str(ev, "model", str_of(t->model));
    if (t->response_id)
        json_add_str(ev, "response_id", str_of(t->response_id));
    add_count(usage, "input_tokens", t->usage.input);
    add_count(usage, "output_tokens", t->usage.output);
    add_count(usage, "cached_tokens", t->usage.cached);
    add_count(usage, "reasoning_tokens", t->usage.reasoning);
    asking_add_cost(run->asking, usage);
    cJSON_AddItemToObject(ev, "usage", usage);
    if (t->raw) {
        cJSON *raw = json_parse(str_of(t->raw), &ignored);
        if (raw)
            cJSON_AddItemToObject(ev, "raw", raw);
        cJSON_AddStringToObject(ev, "wire", t->wire ? t->wire : "");
        if (t->origin) /* who understands the raw form */
            json_add_str(ev, "origin", str_of(t->origin));
    }
    record_event(run->record, "turn", ev);
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

/* Pictures are recorded by what they are, not by their bytes: those are in the cell's own record.
 */
static cJSON *images_json(const struct chat_image *images, size_t n)
{
    cJSON *list = cJSON_CreateArray();

    for (size_t i = 0; i < n; i++) {
        cJSON *o = cJSON_CreateObject();
        char digest[65];
        struct sha256 sha;
        sha256_init(&sha);
        sha256_put(&sha, images[i].data, images[i].n);
        sha256_hex(&sha, digest);
        json_add_str(o, "mime", str_of(images[i].mime));
        json_add_int(o, "bytes", (int64_t)images[i].n);
        cJSON_AddStringToObject(o, "sha256", digest);
        cJSON_AddItemToArray(list, o);
    }
    return list;
}

static void record_observation(struct loop *l, const char *call_id, const struct tool_outcome *o)
{
    cJSON *ev = cJSON_CreateObject();

    json_add_str(ev, "call_id", str_of(call_id));
    cJSON_AddBoolToObject(ev, "is_error", o->is_error);
    json_add_str(ev, "text", buf_str(&o->text));
    if (o->n_images)
        cJSON_AddItemToObject(ev, "images", images_json(o->images, o->n_images));
    record_event(l->run->record, "observation", ev);
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
    record_observation(l, call->id, o);
    convo_tool(&l->run->convo, call, buf_cstr(&o->text), o->is_error);
    attach_images(l, o);
}

static void say_text(struct loop *l, const char *text)
{
    cJSON *ev = cJSON_CreateObject();

    convo_user(&l->run->convo, text);
    json_add_str(ev, "text", str_of(text));
    record_event(l->run->record, "user", ev);
}

static int say(struct loop *l, const char *prompt_file, struct err *e)
{
    cleanup_free char *text = prompt_text(l->run->conf->prompts_dir, prompt_file, e);

    if (text == NULL)
        return -1;
    say_text(l, text);
    return 0;
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
    bool text_only = last || l->form_only;

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
    record_turn(run, ret);
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
        record_observation(l, id, &out);
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

/* What is wrong with the claims of the answer, for the model; "" = nothing. Caller frees. */
static char *unproved_text(struct run *run, struct err *e)
{
    cleanup_buf struct buf lines = BUF_MAX(MAX_PROMPT_BYTES);

    if (run->grounding.n_unmatched == 0)
        return xstrdup("");
    cleanup_free char *form = prompt_text(run->conf->prompts_dir, "ground_repair.md", e);
    if (form == NULL)
        return NULL;
    grounding_lines(run, 20, &lines);
    const char *const pairs[] = { "misses", buf_cstr(&lines), NULL };
    return prompt_fill(form, pairs, e);
}

/* An answer with claims that are found nowhere, or with references to values that nobody
 * published, goes back once. 1 = the model is asked again, 0 = it stands (run->grounding says how;
 * `shown` is what the user sees of it), -1 = *e is set. */
static int ask_to_mend(struct loop *l, struct chat_turn *t, const char *shown, bool last,
                       struct err *e)
{
    struct run *run = l->run;

    if (grounding_applies(run))
        grounding_check(run, shown);
    if (last || l->unproved || run->turns + 2 > run->conf->max_turns)
        return 0;
    cleanup_free char *references = reporting_repair(run, t->text, e);
    cleanup_free char *claims = references ? unproved_text(run, e) : NULL;
    if (claims == NULL)
        return -1;
    if (claims[0] == '\0' && references[0] == '\0')
        return 0;
    l->unproved = xstrdup(t->text);
    if (claims[0])
        record_event(run->record, "grounding", grounding_json(run));
    convo_assistant(&run->convo, t);
    if (references[0])
        ui_note(run->ui, "the report refers to values that were not published: the model is asked "
                         "to mend it");
    if (claims[0])
        ui_note(run->ui,
                "%zu of %zu numbers and files in the answer are not in what the code printed: "
                "the model is asked to mend it",
                run->grounding.n_unmatched, run->grounding.checked);
    cleanup_free char *text =
        xasprintf("%s%s%s", references, references[0] && claims[0] ? "\n\n" : "", claims);
    say_text(l, text);
    return 1;
}

static char *first_line(const struct buf *b)
{
    struct str rest = buf_str(b), line;

    (void)str_cut(&rest, '\n', &line);
    return str_dup(utf8_head(line, 300));
}

/* With --schema the answer must be JSON that fits; what does not goes back, with the reasons. 1 =
 * the model is asked again, 0 = t->text is the answer (l->misformed: and does not fit), -1 = *e is
 * set. */
static int ask_for_form(struct loop *l, struct chat_turn *t, bool last, struct err *e)
{
    struct run *run = l->run;
    cleanup_buf struct buf why = BUF_MAX(MAX_PROMPT_BYTES);
    struct str json = schema_payload(str_of(t->text));

    l->form_only = l->misformed = false;
    if (schema_allows(run->schema, json, &why)) {
        char *bare = str_dup(json);
        free(t->text);
        t->text = bare;
        return 0;
    }
    free(l->misfit);
    l->misfit = first_line(&why);
    if (l->unproved) { /* mending took the form away: the answer before it has it */
        free(t->text);
        t->text = xstrdup(l->unproved);
        return 0;
    }
    l->misformed = true;
    if (last || l->form_tries >= FORM_TRIES)
        return 0;
    l->form_tries++;
    l->form_only = true;
    cleanup_free char *form = prompt_text(run->conf->prompts_dir, "schema_repair.md", e);
    const char *const pairs[] = { "reasons", buf_cstr(&why), NULL };
    cleanup_free char *text = form ? prompt_fill(form, pairs, e) : NULL;
    if (text == NULL)
        return -1;
    ui_note(run->ui, "the answer does not fit the schema (%s): the model is asked again",
            l->misfit);
    convo_assistant(&run->convo, t);
    say_text(l, text);
    return 1;
}

static bool has_text(const struct chat_turn *t)
{
    return t->text && str_trim(str_of(t->text)).n > 0;
}

/* A reply without calls: the answer, or the reason why there is none. 1 = go on. */
static int settle(struct loop *l, struct chat_turn *t, bool last, struct loop_result *ret)
{
    struct run *run = l->run;
    struct err *e = &ret->why;

    if (has_text(t)) {
        int again = run->schema ? ask_for_form(l, t, last, e) : 0;
        if (again) /* the text is the conversation's now */
            return again;
        cleanup_free char *shown = reporting_resolve(run, t->text);
        if (!l->misformed && t->stop != CHAT_STOP_LENGTH)
            again = ask_to_mend(l, t, shown, last, e);
        if (again)
            return again;
        ret->answer = steal_ptr(&shown);
        if (l->misformed)
            return err_set(e, ERR_CHECK, 0,
                           "the answer does not fit the schema (--schema), asked %d times: %s",
                           1 + l->form_tries, l->misfit);
        if (t->stop == CHAT_STOP_LENGTH)
            ui_warn(run->ui, "the answer was cut at the model's output limit (--max-tokens)");
        if (last && l->low)
            return err_set(e, ERR_BUDGET, 0,
                           "stopped before the budget was used up: the answer is the best from "
                           "what was found until then");
        if (last)
            return err_set(e, ERR_TURNS, 0,
                           "stopped after %d turns (--max-turns): the answer is the best from what "
                           "was found until then",
                           run->turns);
        if (run->cells > 0 && run->cells_ok == 0)
            return err_set(e, ERR_NO_CELL, 0,
                           "none of the %d cells succeeded, so the answer rests on no computation",
                           run->cells);
        if (run->conf->strict && run->grounding.n_unmatched)
            return err_set(e, ERR_CHECK, 0,
                           "%zu of %zu numbers and files in the answer are not in what the code "
                           "printed or made (--strict); the first: %s",
                           run->grounding.n_unmatched, run->grounding.checked,
                           run->grounding.unmatched[0].text);
        cleanup_buf struct buf lines = BUF_MAX(MAX_PROMPT_BYTES);
        size_t unknown = run->reporting.markdown ? reporting_unknown(run, &lines) : 0;
        struct str rest = buf_str(&lines), first;
        str_cut(&rest, '\n', &first);
        if (unknown && run->conf->strict)
            return err_set(
                e, ERR_CHECK, 0,
                "the report refers to %zu values that were not published (--strict); the "
                "first: %.*s",
                unknown, (int)first.n, first.p);
        if (unknown)
            ui_warn(run->ui,
                    "the report refers to %zu values that were not published, which are marked in "
                    "it; the first: %.*s",
                    unknown, (int)first.n, first.p);
        return 0;
    }
    if (t->refusal && t->refusal[0])
        return err_set(e, ERR_PROVIDER, 0, "the model declined to answer: %.600s", t->refusal);
    if (t->stop == CHAT_STOP_FILTER)
        return err_set(e, ERR_PROVIDER, 0, "the service's content filter stopped the reply");
    if (last && l->low)
        return err_set(e, ERR_BUDGET, 0,
                       "the budget is used up and there is no answer yet: raise it (--max-cost, "
                       "--max-tokens-total)");
    if (last)
        return err_set(e, ERR_TURNS, 0,
                       "stopped after %d turns (--max-turns) without an answer: raise --max-turns",
                       run->turns);
    if (t->stop == CHAT_STOP_PAUSE) {
        convo_assistant(&run->convo, t);
        return 1;
    }
    /* The empty reply is not sent back: some services refuse an assistant message without content.
     */
    if (++l->empty_replies >= EMPTY_REPLIES_END)
        return err_set(
            e, ERR_PROVIDER, 0,
            "the model gave an empty answer %d times (it stopped with \"%s\"). Ask again, or "
            "use another model (-m)%s",
            l->empty_replies, t->stop_word ? t->stop_word : "",
            t->stop == CHAT_STOP_LENGTH ? "; its output limit (--max-tokens) was reached "
                                          "before any text"
                                        : "");
    return say(l, "empty_reply.md", e) < 0 ? -1 : 1;
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
        l->low = asking_low(run->asking, run);
        bool last = l->low || run->turns + 1 >= run->conf->max_turns;

        if (last && run->turns > 0 && say(l, "last_turn.md", e) < 0)
            return;
        if (ask(l, last, &t, e) < 0) {
            if (e->code == ERR_BUDGET)
                best_so_far(run, ret);
            return;
        }
        if (run->conf->tools == TOOLS_FENCED && t.n_calls == 0 && !last && has_fence(&t)) {
            l->empty_replies = 0;
            if (run_fences(l, &t, e) < 0)
                return;
            continue;
        }
        if (t.n_calls == 0 || last) {
            if (settle(l, &t, last, ret) <= 0)
                return;
            continue;
        }
        bool cut = t.stop == CHAT_STOP_LENGTH;
        l->empty_replies = 0;
        convo_assistant(&run->convo, &t);
        if (run_calls(l, cut, e) < 0)
            return;
    }
}

/* The answer was there, and asking to have it mended came to nothing: it is given, as it is. What
 * stopped the run from outside, or a rule of the user's, keeps its status. */
static void keep_unproved(struct loop *l, struct loop_result *ret)
{
    if (l->unproved && ret->answer == NULL) {
        ret->answer = reporting_resolve(l->run, l->unproved);
        if (grounding_applies(l->run))
            grounding_check(l->run, ret->answer);
        enum err_code c = ret->why.code;
        if (c == ERR_NET || c == ERR_PROVIDER || c == ERR_LOOP || c == ERR_TURNS) {
            ui_warn(l->run->ui, "the answer could not be mended: %s", ret->why.msg);
            ret->why = (struct err)ERR_INIT;
            if (l->run->conf->strict && l->run->grounding.n_unmatched)
                err_set(&ret->why, ERR_CHECK, 0,
                        "%zu of %zu numbers and files in the answer are not in what the code "
                        "printed or made (--strict)",
                        l->run->grounding.n_unmatched, l->run->grounding.checked);
        }
    }
    free(l->unproved);
    l->unproved = NULL;
}

void loop_run(struct run *run, struct loop_result *ret)
{
    struct loop l = { .run = run };

    *ret = (struct loop_result){ NULL, ERR_INIT };
    l.tools = tools_declare(run, &l.n_tools, &ret->why);
    if (l.tools == NULL)
        return;
    turns(&l, ret);
    keep_unproved(&l, ret);
    tools_free(l.tools, l.n_tools);
    free(l.repeats);
    free(l.misfit);
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
