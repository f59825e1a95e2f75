/* What of a session is run again, as rerun_plan.c decided; then its text. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/checks.h"
#include "agent/export.h"
#include "agent/recorded.h"
#include "agent/reporting.h"
#include "agent/rerun.h"
#include "agent/tools.h"
#include "agent/base/banned.h"

static void tell_plan(struct program *p)
{
    const struct rerun *r = p->rerun;
    cleanup_buf struct buf left = BUF_MAX(MAX_CONF_BYTES);
    size_t runs = 0;

    for (size_t i = 0; i < r->n; i++) {
        runs += r->v[i].code != NULL;
        if (r->v[i].why && left.n < 2000)
            buf_putf(&left, "%s%d (%s)", left.n ? ", " : "", r->v[i].cell->number, r->v[i].why);
    }
    ui_note(p->run.ui, "running %zu of %zu cells of session %s again%s%s", runs, r->n, r->saved.id,
            left.n ? "; left out: " : "", buf_cstr(&left));
}

/* What the last cell of the new record ended with: one clean line. Caller frees. */
static char *how_it_ended(const struct program *p)
{
    struct err ignored = ERR_INIT;
    cleanup_buf struct buf why = BUF_MAX(64 * KIB);
    struct saved now;

    if (saved_load(record_dir(p->run.record), &now, &ignored) == 0) {
        const struct saved_cell *last = now.n_cells ? &now.cells[now.n_cells - 1] : NULL;
        const cJSON *error = last ? json_obj(last->end, "error") : NULL;
        if (error) {
            utf8_clean_line(&why, utf8_head(str_of(json_str(error, "name")), 100));
            buf_puts(&why, ": ");
            utf8_clean_line(&why, utf8_head(str_of(json_str(error, "value")), 300));
        } else if (last && last->status) {
            utf8_clean_line(&why, utf8_head(str_of(last->status), 40));
        }
        saved_done(&now);
    }
    return why.n ? buf_steal(&why) : xstrdup("it did not run");
}

/* 0: it succeeded, or r->broken says what it ended with; -1: the run has to stop. */
static int run_cell(struct program *p, size_t i, struct err *e)
{
    struct rerun_cell *rc = &p->rerun->v[i];
    const struct saved_cell *c = rc->cell;
    const struct sandbox_language *l = recorded_language(&p->run, c);
    const char *context = json_str(c->start, "context");
    struct tool_outcome o = TOOL_OUTCOME_INIT;

    if (l == NULL)
        return err_set(e, ERR_CONFIG, 0,
                       "cell %d of session %s is in %.40s, which is not there now (--languages)",
                       c->number, p->rerun->saved.id, c->language);
    cleanup_json cJSON *args = cJSON_CreateObject();
    json_add_str(args, "code", str_of(rc->code));
    if (c->description)
        json_add_str(args, "description", str_of(c->description));
    if (context && context[0])
        json_add_str(args, "context", str_of(context));
    cleanup_free char *text = json_text(args), *id = xasprintf("cell-%d", c->number);
    struct chat_call call = { .id = id, .name = (char *)l->name, .args = text };
    int r = tool_code_call(&p->run, l, &call, false, &o, e);
    if (r == 0 && o.is_error) {
        p->rerun->broken = how_it_ended(p);
        p->rerun->broken_at = i;
    }
    rc->seen = buf_steal(&o.text);
    tool_outcome_done(&o);
    return r;
}

/* Behind a text without references: what the cells printed this time, since the text cannot say it.
 */
static int put_printed(struct program *p, struct buf *out, struct err *e)
{
    struct saved now;

    if (saved_load(record_dir(p->run.record), &now, e) < 0)
        return -1;
    buf_puts(out, "\n\n## What the code gives on the present files\n");
    for (size_t i = 0; i < now.n_cells; i++) {
        struct export_piece *v;
        cleanup_buf struct buf all = BUF_MAX(MAX_STREAM_BYTES * 4), shown = BUF_MAX(16 * KIB);
        size_t n = export_pieces(&now.cells[i], &v);
        for (size_t k = 0; k < n; k++) {
            const char *text = v[k].kind == PIECE_RESULT ? json_str(v[k].result, "text") : NULL;
            if (v[k].kind == PIECE_OUT)
                export_plain(&all, v[k].text);
            else if (text)
                buf_putf(&all, "%s\n", text);
        }
        free(v);
        struct str text = str_trim(buf_str(&all));
        if (text.n == 0 || now.cells[i].status == NULL)
            continue;
        export_clip(&shown, text, 4000);
        const char *what = now.cells[i].description;
        buf_putf(out, "\nCell %d%s%s:\n\n", now.cells[i].number, what ? ", " : "",
                 what ? what : "");
        struct str rest = buf_str(&shown), line; /* indented: no fence in it can end it */
        while (rest.n) {
            (void)str_cut(&rest, '\n', &line);
            buf_putf(out, "    %.*s\n", (int)line.n, line.p);
        }
    }
    saved_done(&now);
    return 0;
}

static int run_cells(struct program *p, struct err *e)
{
    struct rerun *r = p->rerun;

    tell_plan(p);
    for (size_t i = 0; i < r->n && r->broken == NULL; i++)
        if (r->v[i].code && (stop_check(&p->stop, e) < 0 || run_cell(p, i, e) < 0))
            return -1;
    return 0;
}

/* --- what does not do, though every cell ran --- */

/* Must the text say all of the present files, so that what it cannot say fails it? */
static bool must_say(const struct program *p)
{
    return p->conf.strict || p->conf.repair != REPAIR_NEVER;
}

/* The text for the present files into ret->answer. *lacks: what it cannot say of them, a line for
 * each kind. -1: it cannot be made. */
static int make_text(struct program *p, struct buf *lacks, struct loop_result *ret)
{
    struct rerun *r = p->rerun;
    cleanup_buf struct buf text = BUF_MAX(MAX_ANSWER_BYTES * 4),
                           unknown = BUF_MAX(MAX_PROMPT_BYTES);
    size_t old = rerun_mark(r, p->question, &text);

    if (old && !report_has_references(str_of(r->text)) && put_printed(p, &text, &ret->why) < 0)
        return -1;
    ret->answer = reporting_resolve(&p->run, buf_cstr(&text));
    size_t n = p->run.reporting.markdown ? reporting_unknown(&p->run, &unknown) : 0;
    struct str rest = buf_str(&unknown), first;
    (void)str_cut(&rest, '\n', &first);
    if (n)
        buf_putf(lacks,
                 "the text refers to %zu values that were not published this time; the first: "
                 "%.*s\n",
                 n, (int)first.n, first.p);
    if (old)
        buf_putf(
            lacks,
            "%zu numbers in the text are of the earlier data: they are no published values, so "
            "that only a model could write them anew\n",
            old);
    return 0;
}

static int check_text(struct program *p, struct str lacks, struct err *e)
{
    struct str first;

    if (lacks.n == 0)
        return 0;
    if (!must_say(p)) {
        program_warn_lines(p->run.ui, lacks);
        return 0;
    }
    (void)str_cut(&lacks, '\n', &first);
    return err_set(e, ERR_CHECK, 0, "%.*s%s", (int)first.n, first.p,
                   p->conf.strict ? " (--strict)" : "");
}

/* Columns on which the code may rest and that are not what they were. */
static int check_columns(struct program *p, struct err *e)
{
    cleanup_buf struct buf differ = BUF_MAX(64 * KIB), untold = BUF_MAX(64 * KIB);
    struct str rest, line;

    if (p->rerun->same_files)
        return 0;
    if (rerun_profile(p, e) < 0)
        return -1;
    size_t n = rerun_columns(p, &differ, &untold);
    for (rest = buf_str(&untold); rest.n;) {
        (void)str_cut(&rest, '\n', &line);
        ui_note(p->run.ui, "%.*s", (int)line.n, line.p);
    }
    return n == 0 ? 0
                  : err_set(e, ERR_CHECK, 0, "the files are of another form than then: %.600s",
                            buf_cstr(&differ));
}

/* A model mends the whole. Where the user says no to that, the text may stay as it is, but not past
 * a check that failed or --strict. */
static void repair_whole(struct program *p, bool may_stay, struct str lacks,
                         struct loop_result *ret)
{
    struct rerun *r = p->rerun;
    cleanup_free char *text = steal_ptr(&ret->answer), *markdown = NULL;

    if (p->run.reporting.markdown)
        markdown = xstrdup(p->run.reporting.markdown);
    r->broken = xstrdup(ret->why.msg);
    r->broken_at = r->n;
    *ret = (struct loop_result){ NULL, ERR_INIT };
    rerun_repair(p, ret);
    if (r->repairs || ret->why.code != ERR_CHECK || !may_stay)
        return;
    *ret = (struct loop_result){ steal_ptr(&text), ERR_INIT };
    free(p->run.reporting.markdown);
    p->run.reporting.markdown = steal_ptr(&markdown);
    program_warn_lines(p->run.ui, lacks);
    (void)checks_run(p, &ret->why);
}

/* Every cell ran: the text, and whether it will do. A model is asked only if it will not. */
static void conclude(struct program *p, struct loop_result *ret)
{
    cleanup_buf struct buf lacks = BUF_MAX(MAX_CONF_BYTES);
    bool repairs = p->conf.repair != REPAIR_NEVER;
    bool may_stay = !p->conf.strict; /* as it is, when the user wants no repair */

    if (make_text(p, &lacks, ret) < 0)
        return;
    if (check_text(p, buf_str(&lacks), &ret->why) == 0) {
        if (checks_run(p, &ret->why) < 0)
            may_stay = false;
        else if (!repairs || check_columns(p, &ret->why) == 0)
            return;
    }
    if (repairs && ret->why.code == ERR_CHECK)
        repair_whole(p, may_stay, buf_str(&lacks), ret);
}

void rerun_run(struct program *p, struct loop_result *ret)
{
    struct rerun *r = p->rerun;

    rerun_keep_profile(p);
    if (rerun_plan(p, &ret->why) == 0 && run_cells(p, &ret->why) == 0) {
        if (r->broken)
            rerun_repair(p, ret);
        else
            conclude(p, ret);
    }
    p->run.intake = NULL;
    intake_done(&r->intake, p->run.sandbox);
}
