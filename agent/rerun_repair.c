/* Where the code of a session does not do for the present files, the model takes over: it is told
 * what has run, what broke and what had stood behind it, and the ordinary loop goes on in the same
 * sandbox. The settings that ask it are looked at only then, so that a re-run that needs no model
 * needs no key either. */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "agent/asking.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/checks.h"
#include "agent/consent.h"
#include "agent/diff.h"
#include "agent/export.h"
#include "agent/opening.h"
#include "agent/recorded.h"
#include "agent/reporting.h"
#include "agent/rerun.h"
#include "agent/transcript.h"
#include "prompts/prompts.h"
#include "agent/base/banned.h"

#define SHOWN_CODE 20000u  /* bytes of one cell, as the model is told */
#define SHOWN_SEEN 2000u   /* of what a cell gave that ran */
#define SHOWN_BROKEN 8000u /* and of what the one gave that did not */
#define DIFF_FILE "repair.diff"

int rerun_repair_open(struct program *p, struct err *e)
{
    const struct conf *c = &p->conf;
    bool each = c->repair == REPAIR_AUTO && c->ask;

    if (c->repair != REPAIR_ASK && !each)
        return 0;
    p->rerun->terminal = consent_open(each ? "--ask" : "--repair ask", e);
    return p->rerun->terminal ? 0 : -1;
}

/* What broke, as a sentence without its end. */
static void put_broken(const struct rerun *r, struct buf *out)
{
    if (r->broken_at == r->n)
        buf_puts(out, r->broken);
    else
        buf_putf(out,
                 "cell %d of session %s succeeded then and fails now (%s): these files are not "
                 "like the ones that it was written for",
                 r->v[r->broken_at].cell->number, r->saved.id, r->broken);
}

/* --- what the model is told --- */

/* Indented, so that nothing in it can end it. */
static void put_block(struct buf *out, struct str text, size_t max)
{
    cleanup_buf struct buf clip = BUF_MAX(SIZE_MAX / 4), clean = BUF_MAX(SIZE_MAX / 4);
    struct str rest, line;

    export_clip(&clip, str_trim(text), max);
    utf8_clean(&clean, buf_str(&clip));
    for (rest = buf_str(&clean); rest.n;) {
        (void)str_cut(&rest, '\n', &line);
        buf_putf(out, "    %.*s\n", (int)line.n, line.p);
    }
}

static void put_cell(struct buf *out, const struct rerun_cell *rc, size_t max_seen)
{
    const char *context = json_str(rc->cell->start, "context");

    buf_putf(out, "\nCell %d of then", rc->cell->number);
    if (rc->cell->description) {
        buf_puts(out, ", ");
        utf8_clean_line(out, utf8_head(str_of(rc->cell->description), 300));
    }
    if (strcmp(rc->cell->language, "python") != 0)
        buf_putf(out, " (%s)", rc->cell->language);
    if (context && context[0]) {
        buf_puts(out, " (context ");
        utf8_clean_line(out, utf8_head(str_of(context), 100));
        buf_puts(out, ")");
    }
    buf_puts(out, ":\n");
    put_block(out, str_of(rc->code), SHOWN_CODE);
    if (rc->seen == NULL)
        return;
    buf_puts(out, "It gave:\n");
    put_block(out, str_of(rc->seen), max_seen);
}

/* What the model of then was told of the files; "" where it may not be told here. */
static struct str old_profile(const struct program *p)
{
    static const char head[] = "# Attached files\n";
    const char *prompt = saved_text(&p->rerun->saved, "system", "text");
    const char *at = prompt ? strstr(prompt, head) : NULL;

    if (at == NULL || p->conf.intake != INTAKE_FULL || p->rerun->same_files)
        return (struct str){ "", 0 };
    at += strlen(head);
    const char *end = strstr(at, "\n# ");
    return (struct str){ at, end ? (size_t)(end - at) : strlen(at) };
}

static void put_changes(const struct program *p, struct buf *out)
{
    const char *cwd;
    const cJSON *f;

    cJSON_ArrayForEach(f, recorded_inputs(&p->rerun->saved, &cwd))
    {
        bool same;
        const struct attach *a = rerun_file(p, f, &same);
        if (a == NULL)
            continue;
        buf_puts(out, "- ");
        utf8_clean_line(out, utf8_head(str_of(a->name), 300));
        buf_puts(out, same ? ": the file of then\n" : ": another file than then\n");
    }
    if (out->n == 0)
        buf_puts(out, "There were no attached files.\n");
    cleanup_buf struct buf columns = BUF_MAX(64 * KIB), untold = BUF_MAX(64 * KIB);
    if (!p->rerun->same_files && rerun_columns(p, &columns, &untold))
        buf_putf(out, "- %s\n", buf_cstr(&columns));
    struct str profile = old_profile(p);
    if (profile.n) {
        buf_puts(out, "The files of then were described so (compare with the attached files of "
                      "now):\n");
        put_block(out, profile, SHOWN_CODE);
    }
}

static char *repair_text(const struct program *p, struct err *e)
{
    const struct rerun *r = p->rerun;
    cleanup_buf struct buf why = BUF_MAX(MAX_PROMPT_BYTES), changes = BUF_MAX(MAX_PROMPT_BYTES),
                           done = BUF_MAX(MAX_PROMPT_BYTES), rest = BUF_MAX(MAX_PROMPT_BYTES),
                           plain = BUF_MAX(MAX_ANSWER_BYTES * 4), text = BUF_MAX(MAX_PROMPT_BYTES);

    put_broken(r, &why);
    put_changes(p, &changes);
    for (size_t i = 0; i < r->n; i++)
        if (r->v[i].code)
            put_cell(i < r->broken_at ? &done : &rest, &r->v[i],
                     i == r->broken_at ? SHOWN_BROKEN : SHOWN_SEEN);
    rerun_blank(r, p->question, &plain);
    put_block(&text, buf_str(&plain), SHOWN_CODE);
    if (done.over || rest.over || changes.over) {
        err_set(e, ERR_CHECK, 0,
                "the code of session %s is too long to be told to a model for its repair",
                r->saved.id);
        return NULL;
    }
    cleanup_free char *form = prompt_text(p->conf.prompts_dir, "rerun_repair.md", e);
    const char *const pairs[] = { "why",     buf_cstr(&why),
                                  "changes", buf_cstr(&changes),
                                  "done",    done.n ? buf_cstr(&done) : "Nothing.",
                                  "rest",    rest.n ? buf_cstr(&rest) : "All cells did.",
                                  "answer",  buf_cstr(&text),
                                  NULL };
    return form ? prompt_fill(form, pairs, e) : NULL;
}

/* Service and key are found, the files of now are profiled, and the conversation begins. */
static int begin(struct program *p, struct err *e)
{
    struct run *run = &p->run;

    if (program_choose_model(p, e) < 0 || asking_open(run->asking, e) < 0 ||
        rerun_profile(p, e) < 0)
        return -1;
    run->intake = &p->rerun->intake;
    run->reporting.wanted = report_has_references(str_of(p->rerun->text));
    cleanup_free char *text = repair_text(p, e);
    if (text == NULL || opening_write(run, p->question, NULL, &p->files, run->libraries, e) < 0)
        return -1;
    transcript_say(run, text);
    intake_record(run->intake, &p->files, run->record); /* of these the repaired code is */
    return 0;
}

/* --- who decides --- */

static void put_offer(const struct program *p, const struct asking_preview *pre, struct buf *out)
{
    const struct conf *c = &p->conf;
    const struct rerun *r = p->rerun;

    if (r->broken_at < r->n)
        buf_putf(out, "\nCell %d of session %s fails on these files:\n  %s\n",
                 r->v[r->broken_at].cell->number, r->saved.id, r->broken);
    else
        buf_putf(out, "\nWhat session %s gives does not do for these files:\n  %s\n", r->saved.id,
                 r->broken);
    buf_putf(out, "%s (%s) can repair it from there on:\n  first request  about %lld tokens",
             asking_model(p->run.asking), asking_service(p->run.asking),
             (long long)pre->input_tokens);
    if (!isnan(pre->cost))
        buf_putf(out, ", $%.4f, and its reply on top", pre->cost);
    buf_putf(out, "\n  limits         %ld turns", c->max_turns);
    if (!isnan(c->max_cost))
        buf_putf(out, ", $%g", c->max_cost);
    else
        buf_puts(out, ", none of the cost (--max-cost)");
    buf_putc(out, '\n');
}

/* --repair ask. 1 = yes, 0 = no, -1 = *e. */
static int ask_user(struct program *p, struct err *e)
{
    struct asking_preview pre = { .request = CLIENT_PREVIEW_INIT };
    cleanup_buf struct buf text = BUF_MAX(64 * KIB);
    bool yes = false;

    int r = loop_preview(&p->run, &pre, e);
    if (r == 0)
        put_offer(p, &pre, &text);
    client_preview_done(&pre.request);
    if (r < 0)
        return -1;
    ui_wait_end(p->run.ui);
    if (consent_yes(p->rerun->terminal, buf_str(&text), "Ask it to? y(es), n(o): ", &p->stop, &yes,
                    e) < 0)
        return -1;
    return yes;
}

static void record_started(struct program *p)
{
    const struct rerun *r = p->rerun;
    cJSON *ev = cJSON_CreateObject();

    json_add_str(ev, "session", str_of(r->saved.id));
    if (r->broken_at < r->n)
        json_add_int(ev, "cell", r->v[r->broken_at].cell->number);
    json_add_str(ev, "why", str_of(r->broken));
    json_add_str(ev, "model", str_of(asking_model(p->run.asking)));
    json_add_str(ev, "service", str_of(asking_service(p->run.asking)));
    record_event(p->run.record, "repair.started", ev);
}

/* --- what came of it --- */

/* The code that would have run, and the code that did: the latter is what runs the next time. */
static int write_diff(struct program *p, size_t *ret_cells, struct err *e)
{
    struct rerun *r = p->rerun;
    cleanup_buf struct buf out = BUF_MAX(SIZE_MAX / 4);
    struct saved now;
    size_t n_old = 0, n_now = 0;

    if (saved_load(record_dir(p->run.record), &now, e) < 0)
        return -1;
    struct diff_cell *old = xcalloc(r->n + 1, sizeof *old),
                     *new = xcalloc(now.n_cells + 1, sizeof *new);
    for (size_t i = 0; i < r->n; i++)
        if (r->v[i].code)
            old[n_old++] = (struct diff_cell){ r->v[i].cell->number, str_of(r->v[i].code) };
    for (size_t i = 0; i < now.n_cells; i++)
        if (now.cells[i].status && strcmp(now.cells[i].status, "ok") == 0)
            new[n_now++] = (struct diff_cell){ now.cells[i].number, str_of(now.cells[i].code) };
    buf_putf(&out, "--- session %s\n+++ session %s\n", r->saved.id, record_id(p->run.record));
    size_t head = out.n;
    diff_cells(old, n_old, new, n_now, &out);
    free(old);
    free(new);
    saved_done(&now);
    *ret_cells = n_now;
    if (out.n == head) {
        ui_note(p->run.ui, "the code is what it was: only the text was written anew");
        return 0;
    }
    record_file(p->run.record, DIFF_FILE, buf_str(&out));
    r->diff = xstrdup(DIFF_FILE);
    ui_note(p->run.ui, "the code of session %s was changed so:", r->saved.id);
    ui_diff(p->run.ui, buf_str(&out));
    return 0;
}

/* A cell had failed and none has succeeded since: what was said instead is no report. */
static int gave_up(struct loop_result *ret)
{
    cleanup_buf struct buf said = BUF_MAX(8192);

    utf8_clean_line(&said, utf8_head(str_trim(str_of(ret->answer)), 300));
    free(ret->answer);
    ret->answer = NULL;
    return err_set(&ret->why, ERR_CHECK, 0, "no code of the model succeeded; it said: %s",
                   buf_cstr(&said));
}

static void settle(struct program *p, int cells_before, struct loop_result *ret)
{
    const struct rerun *r = p->rerun;
    size_t cells = 0;

    if (ret->answer && r->broken_at < r->n && p->run.cells_ok == cells_before)
        gave_up(ret);
    if (ret->answer && ret->why.code == ERR_NONE)
        (void)checks_run(p, &ret->why);
    struct err e = ERR_INIT;
    if (ret->answer && write_diff(p, &cells, &e) == 0) {
        cJSON *ev = cJSON_CreateObject();
        json_add_int(ev, "cells", (int64_t)cells);
        if (r->diff)
            json_add_str(ev, "diff", str_of(r->diff));
        record_event(p->run.record, "repair.completed", ev);
    }
    if (ret->why.code == ERR_NONE)
        ret->why = e;
    if (ret->why.code == ERR_NONE)
        return;
    if (r->broken_at < r->n)
        err_wrap(&ret->why, "repair of cell %d of session %s (%s)", r->v[r->broken_at].cell->number,
                 r->saved.id, r->broken);
    else
        err_wrap(&ret->why, "repair of session %s", r->saved.id);
}

/* It stays broken, and the run ends by that. */
static void leave(struct program *p, const char *why, struct loop_result *ret)
{
    cleanup_buf struct buf text = BUF_MAX(64 * KIB);

    put_broken(p->rerun, &text);
    err_set(&ret->why, ERR_CHECK, 0, "%s. %s", buf_cstr(&text), why);
}

void rerun_repair(struct program *p, struct loop_result *ret)
{
    struct rerun *r = p->rerun;
    struct run *run = &p->run;
    int cells_ok = run->cells_ok;

    if (p->conf.repair == REPAIR_NEVER) {
        leave(p, "--repair auto lets the model repair it; or ask again: agent -f FILE \"question\"",
              ret);
        return;
    }
    int may = begin(p, &ret->why);
    if (may == 0)
        may = p->conf.repair == REPAIR_ASK ? ask_user(p, &ret->why) : 1;
    if (may < 0)
        return;
    if (may == 0) {
        leave(p, "It was not repaired, as you chose", ret);
        return;
    }
    if (p->conf.ask)
        run->consent = steal_ptr(&r->terminal);
    r->repairs = true;
    record_started(p);
    ui_note(run->ui, "%s %s: %s repairs it from there on",
            r->broken_at < r->n ? "a cell fails now:" : "all cells ran, but:", r->broken,
            asking_model(run->asking));
    loop_run(run, ret);
    settle(p, cells_ok, ret);
}
