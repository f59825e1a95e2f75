#include "agent/rerun.h"
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/export.h"
#include "agent/grounding.h"
#include "agent/reporting.h"
#include "agent/resume.h"
#include "agent/tools.h"
#include "agent/validate.h"
#include "agent/base/banned.h"

void rerun_free(struct rerun *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->n; i++)
        free(r->v[i].code);
    free(r->v);
    saved_done(&r->saved);
    free(r);
}

/* --- its files --- */

static struct attach *file_named(struct program *p, const char *name)
{
    for (size_t i = 0; i < p->files.n; i++)
        if (strcmp(p->files.v[i].name, name) == 0)
            return &p->files.v[i];
    return NULL;
}

static bool is_input(const cJSON *inputs, const char *name)
{
    const cJSON *f;

    cJSON_ArrayForEach(f, inputs)
    {
        const char *of = json_str(f, "name");
        if (of && strcmp(of, name) == 0)
            return true;
    }
    return false;
}

static const char *ending(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot ? dot : "";
}

static void list_inputs(const cJSON *inputs, struct buf *out)
{
    const cJSON *f;

    cJSON_ArrayForEach(f, inputs)
    {
        const char *name = json_str(f, "name");
        if (name == NULL)
            continue;
        buf_puts(out, out->n ? ", " : "");
        utf8_clean_line(out, utf8_head(str_of(name), 100));
    }
}

/* The session's file that `a` takes the place of: the only one that is left of its kind. */
static const char *place_for(struct program *p, const cJSON *inputs, const struct attach *a)
{
    const char *found = NULL;
    const cJSON *f;
    size_t mine = 0;

    for (size_t i = 0; i < p->files.n; i++)
        mine += !is_input(inputs, p->files.v[i].name) &&
                strcasecmp(ending(p->files.v[i].name), ending(a->name)) == 0;
    cJSON_ArrayForEach(f, inputs)
    {
        const char *name = json_str(f, "name");
        if (name == NULL || file_named(p, name) || strcasecmp(ending(name), ending(a->name)) != 0)
            continue;
        if (found)
            return NULL;
        found = name;
    }
    return mine == 1 ? found : NULL;
}

/* Files of the command line take the names that the code knows. */
static int match_given(struct program *p, const cJSON *inputs, struct err *e)
{
    for (size_t i = 0; i < p->files.n; i++) {
        struct attach *a = &p->files.v[i];
        if (is_input(inputs, a->name))
            continue;
        const char *name = place_for(p, inputs, a);
        if (name == NULL) {
            cleanup_buf struct buf names = BUF_MAX(MAX_CONF_BYTES);
            list_inputs(inputs, &names);
            if (names.n == 0)
                return err_set(
                    e, ERR_USAGE, 0,
                    "%.200s: session %s had no files, so that none can take the place of "
                    "one",
                    a->path, p->rerun->saved.id);
            return err_set(e, ERR_USAGE, 0,
                           "which file of session %s does %.200s stand for? Say it as -f "
                           "%.100s:NAME. Its files are: %.400s",
                           p->rerun->saved.id, a->path, a->path, buf_cstr(&names));
        }
        ui_note(p->run.ui, "%s stands for the session's %s", a->path, name);
        free(a->name);
        a->name = xstrdup(name);
    }
    return 0;
}

/* The session's other files, as they are now. */
static int attach_rest(struct program *p, const cJSON *inputs, const char *cwd, struct err *e)
{
    const cJSON *f;

    cJSON_ArrayForEach(f, inputs)
    {
        const char *name = json_str(f, "name"), *given = json_str(f, "path");
        cleanup_buf struct buf notices = BUF_MAX(MAX_CONF_BYTES);
        if (name == NULL || given == NULL || file_named(p, name))
            continue;
        cleanup_free char *path = resume_input_path(&p->rerun->saved, given, cwd);
        if (attach_again(&p->files, path, name, &notices, e) < 0)
            return err_wrap(e,
                            "the session's file %.100s, for which none was given (-f PATH:%.100s)",
                            name, name);
        program_warn_lines(p->run.ui, buf_str(&notices));
    }
    return 0;
}

/* Are the files what they were? Those that differ are told. */
static int compare_files(struct program *p, const cJSON *inputs, struct err *e)
{
    const cJSON *f;

    p->rerun->same_files = true;
    cJSON_ArrayForEach(f, inputs)
    {
        const char *name = json_str(f, "name");
        struct attach *a = name ? file_named(p, name) : NULL;
        const char *was = json_str(resume_input_recorded(&p->rerun->saved, f), "sha256");
        if (a == NULL)
            continue;
        if (attach_hash(a, &p->stop, e) < 0)
            return -1;
        if (was == NULL || strcmp(was, a->sha256) != 0)
            p->rerun->same_files = false;
    }
    return 0;
}

/* --- the session --- */

static int check_flags(struct program *p, struct err *e)
{
    const struct conf *c = &p->conf;

    if (c->n_args != 1)
        return err_set(e, ERR_USAGE, 0,
                       "agent rerun takes one session, by its id or \"last\": agent rerun last -f "
                       "FILE; agent sessions lists them");
    if (c->ephemeral)
        return err_set(e, ERR_USAGE, 0,
                       "agent rerun makes a recorded session, and --ephemeral keeps none (%s)",
                       conf_origin(c, "ephemeral"));
    return 0;
}

static const char *text_of(const struct saved *s)
{
    const cJSON *report = saved_last(s, "report");
    const char *text = report ? json_str(report, "markdown") : NULL;

    return text ? text : saved_text(s, "answer", "text");
}

static int load(struct program *p, struct err *e)
{
    struct rerun *r = p->rerun = xcalloc(1, sizeof *r);

    r->saved.dir_fd = -1;
    cleanup_free char *root = conf_session_root(&p->conf, e);
    cleanup_free char *dir = root ? saved_find(root, p->conf.args[0], e) : NULL;
    if (dir == NULL || saved_load(dir, &r->saved, e) < 0)
        return -1;
    const struct saved *s = &r->saved;
    if (s->damage)
        return err_set(e, ERR_USAGE, 0,
                       "session %s cannot be run again, since its record is not whole: %s", s->id,
                       s->damage);
    r->text = text_of(s);
    const char *question = saved_text(s, "session.start", "question");
    if (r->text == NULL || question == NULL)
        return err_set(e, ERR_USAGE, 0, "session %s has no answer to run again", s->id);
    r->n = s->n_cells;
    r->v = xcalloc(r->n + 1, sizeof *r->v);
    size_t good = 0;
    for (size_t i = 0; i < r->n; i++) {
        r->v[i].cell = &s->cells[i];
        good += s->cells[i].status && strcmp(s->cells[i].status, "ok") == 0;
        if (json_str(s->cells[i].start, "context"))
            p->conf.contexts = true;
    }
    if (good == 0)
        return err_set(e, ERR_USAGE, 0,
                       "session %s has no cell that succeeded: there is nothing to run again",
                       s->id);
    p->question = xstrdup(question);
    free(p->conf.model); /* none is asked */
    p->conf.model = NULL;
    return 0;
}

int rerun_open(struct program *p, struct err *e)
{
    const char *cwd = NULL;

    if (check_flags(p, e) < 0 || load(p, e) < 0 ||
        resume_apply_policy(p, &p->rerun->saved, e) < 0 || validate_patterns(&p->conf, e) < 0 ||
        reporting_check_names(&p->conf, e) < 0 || program_attach(p, e) < 0)
        return -1;
    const cJSON *inputs = resume_inputs(&p->rerun->saved, &cwd);
    if (match_given(p, inputs, e) < 0 || attach_rest(p, inputs, cwd, e) < 0)
        return -1;
    return compare_files(p, inputs, e);
}

/* --- the run --- */

static const struct sandbox_language *language_of(const struct run *run, const struct saved_cell *c)
{
    const struct sandbox_language *l = sandbox_language(c->language);

    if (l == NULL || l->start == START_PYTHON)
        return l;
    for (size_t i = 0; run->languages && i < run->languages->n; i++)
        if (run->languages->v[i].language == l)
            return l;
    return NULL;
}

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

/* What the last cell of the new record ended with. */
static int tell_failed(struct program *p, const struct saved_cell *c, struct err *e)
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
    return err_set(e, ERR_CHECK, 0,
                   "cell %d of session %s succeeded then and fails now (%s): these files are not "
                   "like the ones that it was written for. Ask again: agent -f FILE \"question\"",
                   c->number, p->rerun->saved.id, why.n ? buf_cstr(&why) : "it did not run");
}

static int run_cell(struct program *p, const struct rerun_cell *rc, struct err *e)
{
    const struct saved_cell *c = rc->cell;
    const struct sandbox_language *l = language_of(&p->run, c);
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
    bool failed = o.is_error;
    tool_outcome_done(&o);
    if (r < 0)
        return -1;
    return failed ? tell_failed(p, c, e) : 0;
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

/* Values that the text refers to and the cells did not publish this time. */
static int check_references(struct program *p, struct err *e)
{
    cleanup_buf struct buf lines = BUF_MAX(MAX_PROMPT_BYTES);
    size_t n = p->run.reporting.markdown ? reporting_unknown(&p->run, &lines) : 0;
    struct str rest = buf_str(&lines), first;

    (void)str_cut(&rest, '\n', &first);
    if (n && p->conf.strict)
        return err_set(e, ERR_CHECK, 0,
                       "the text refers to %zu values that were not published this time "
                       "(--strict); the first: %.*s",
                       n, (int)first.n, first.p);
    if (n)
        ui_warn(p->run.ui, "the text refers to %zu values that were not published; the first: %.*s",
                n, (int)first.n, first.p);
    return 0;
}

static int answer(struct program *p, struct loop_result *ret)
{
    struct rerun *r = p->rerun;
    cleanup_buf struct buf text = BUF_MAX(MAX_ANSWER_BYTES * 4);
    size_t old = rerun_mark(r, p->question, &text);

    if (old && !report_has_references(str_of(r->text)) && put_printed(p, &text, &ret->why) < 0)
        return -1;
    ret->answer = reporting_resolve(&p->run, buf_cstr(&text));
    if (check_references(p, &ret->why) < 0 || old == 0)
        return ret->why.code == ERR_NONE ? 0 : -1;
    if (p->conf.strict)
        return err_set(&ret->why, ERR_CHECK, 0,
                       "%zu numbers in the text are of the earlier data, as no published value "
                       "stands for them (--strict)",
                       old);
    ui_warn(p->run.ui,
            "%zu numbers in the text are of the earlier data and struck through: they are no "
            "published values, so that only a model could write them anew",
            old);
    return 0;
}

void rerun_run(struct program *p, struct loop_result *ret)
{
    struct rerun *r = p->rerun;

    if (rerun_plan(p, &ret->why) < 0)
        return;
    tell_plan(p);
    for (size_t i = 0; i < r->n; i++)
        if (r->v[i].code &&
            (stop_check(&p->stop, &ret->why) < 0 || run_cell(p, &r->v[i], &ret->why) < 0))
            return;
    answer(p, ret);
}
