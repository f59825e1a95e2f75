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
#include "agent/consent.h"
#include "agent/recorded.h"
#include "agent/reporting.h"
#include "agent/validate.h"
#include "agent/base/banned.h"

#define MAX_RERUNS_BACK 100 /* of re-runs that failed, one of the other */

void rerun_free(struct rerun *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->n; i++) {
        free(r->v[i].code);
        free(r->v[i].seen);
    }
    free(r->v);
    free(r->broken);
    free(r->diff);
    consent_free(r->terminal);
    saved_done(&r->saved);
    free(r);
}

/* --- its files --- */

static struct attach *file_named(const struct program *p, const char *name)
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
        cleanup_free char *path = recorded_input_path(&p->rerun->saved, given, cwd);
        if (attach_again(&p->files, path, name, &notices, e) < 0)
            return err_wrap(e,
                            "the session's file %.100s, for which none was given (-f PATH:%.100s)",
                            name, name);
        program_warn_lines(p->run.ui, buf_str(&notices));
    }
    return 0;
}

const struct attach *rerun_file(const struct program *p, const cJSON *input, bool *ret_same)
{
    const char *name = json_str(input, "name");
    const struct attach *a = name ? file_named(p, name) : NULL;
    const char *was = json_str(recorded_input(&p->rerun->saved, input), "sha256");

    *ret_same = a && was && strcmp(was, a->sha256) == 0;
    return a;
}

/* Are the files what they were? */
static int compare_files(struct program *p, const cJSON *inputs, struct err *e)
{
    const cJSON *f;
    bool same;

    for (size_t i = 0; i < p->files.n; i++)
        if (attach_hash(&p->files.v[i], &p->stop, e) < 0)
            return -1;
    p->rerun->same_files = true;
    cJSON_ArrayForEach(f, inputs)
    {
        if (rerun_file(p, f, &same) && !same)
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

/* The session that the word names. A re-run that failed has nothing of its own that could run: what
 * it was a re-run of is meant, as by "last" after a failure. */
static int find_session(struct program *p, struct saved *s, struct err *e)
{
    cleanup_free char *root = conf_session_root(&p->conf, e), *word = xstrdup(p->conf.args[0]);

    for (int i = 0; root && i < MAX_RERUNS_BACK; i++) {
        cleanup_free char *dir = saved_find(root, word, e);
        if (dir == NULL || saved_load(dir, s, e) < 0)
            return -1;
        const char *of = saved_text(s, "session.start", "rerun_of");
        if (s->damage || text_of(s) || of == NULL)
            return 0;
        ui_note(p->run.ui, "session %s is a re-run that failed; %.40s is run again", s->id, of);
        free(word);
        word = xstrdup(of);
        saved_done(s);
    }
    return root ? err_set(e, ERR_USAGE, 0, "session %s: only re-runs that failed", p->conf.args[0])
                : -1;
}

static int load(struct program *p, struct err *e)
{
    struct rerun *r = p->rerun = xcalloc(1, sizeof *r);

    r->saved.dir_fd = -1;
    if (find_session(p, &r->saved, e) < 0)
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
    return 0;
}

int rerun_open(struct program *p, struct err *e)
{
    const char *cwd = NULL;

    if (check_flags(p, e) < 0 || load(p, e) < 0 || recorded_policy(p, &p->rerun->saved, e) < 0 ||
        validate_patterns(&p->conf, e) < 0 || reporting_check_names(&p->conf, e) < 0 ||
        program_attach(p, e) < 0 || rerun_repair_open(p, e) < 0)
        return -1;
    const cJSON *inputs = recorded_inputs(&p->rerun->saved, &cwd);
    if (match_given(p, inputs, e) < 0 || attach_rest(p, inputs, cwd, e) < 0)
        return -1;
    return compare_files(p, inputs, e);
}

void rerun_json(const struct rerun *r, cJSON *o)
{
    json_add_str(o, "rerun_of", str_of(r->saved.id));
    if (!r->repairs)
        return;
    json_add_str(o, "repaired_from", str_of(r->saved.id));
    cJSON *repair = cJSON_AddObjectToObject(o, "repair");
    if (r->broken_at < r->n)
        json_add_int(repair, "cell", r->v[r->broken_at].cell->number);
    json_add_str(repair, "why", str_of(r->broken));
    if (r->diff)
        json_add_str(repair, "diff", str_of(r->diff));
}
