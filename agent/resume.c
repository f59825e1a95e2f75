#include "agent/resume.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/grounding.h"
#include "agent/opening.h"
#include "agent/recorded.h"
#include "agent/reporting.h"
#include "prompts/prompts.h"
#include "agent/base/banned.h"

void resume_free(struct resume *r)
{
    if (r == NULL)
        return;
    saved_done(&r->saved);
    buf_free(&r->differs);
    free(r);
}

/* --- which session --- */

static int check_flags(const struct conf *c, struct err *e)
{
    bool goes_on = c->go_on || c->resume;

    if (c->go_on && c->resume)
        return err_set(e, ERR_USAGE, 0,
                       "--continue is the session used last and --resume the one it names: give "
                       "one of them");
    if (c->fork && !goes_on)
        return err_set(e, ERR_USAGE, 0,
                       "--fork goes on with a copy of a session: say which, by -c or -r ID");
    if (!c->replay_cells && !goes_on)
        return err_set(e, ERR_USAGE, 0,
                       "--no-replay-cells is for a session that goes on (-c, -r ID): a new one has "
                       "no cells to run again");
    if (c->session_id == NULL)
        return 0;
    if (goes_on && !c->fork)
        return err_set(e, ERR_USAGE, 0,
                       "--session-id names a new session, and this one has its name: with --fork "
                       "it names the copy");
    if (c->ephemeral)
        return err_set(e, ERR_USAGE, 0,
                       "--session-id names a record, and --ephemeral keeps none (%s)",
                       conf_origin(c, "ephemeral"));
    if (!record_is_id(str_of(c->session_id)) || strcmp(c->session_id, "last") == 0) {
        cleanup_buf struct buf shown = BUF_MAX(1024);
        utf8_clean_line(&shown, utf8_head(str_of(c->session_id), 60));
        return err_set(e, ERR_USAGE, 0,
                       "--session-id: \"%s\" cannot be an id: 1 to %d digits, small letters and "
                       "dashes, no dash first, and not \"last\"",
                       buf_cstr(&shown), MAX_SESSION_ID);
    }
    return 0;
}

static int count(const struct saved *s, const char *type)
{
    int n = 0;

    for (size_t i = 0; i < s->n_events; i++)
        n += strcmp(json_str(s->events[i], "type"), type) == 0;
    return n;
}

int resume_open(struct program *p, struct err *e)
{
    const struct conf *c = &p->conf;

    if (check_flags(c, e) < 0)
        return -1;
    if (!c->go_on && c->resume == NULL)
        return 0;
    cleanup_free char *root = conf_session_root(c, e);
    cleanup_free char *dir = root ? saved_find(root, c->resume ? c->resume : "last", e) : NULL;
    if (dir == NULL)
        return -1;
    /* Locked before it is read: what is read is what the record goes on from. */
    if (!c->fork && !c->ephemeral && (p->run.record = record_reopen(dir, e)) == NULL)
        return -1;
    struct resume *r = p->resume = xcalloc(1, sizeof *r);
    r->saved.dir_fd = -1;
    r->differs = (struct buf)BUF_MAX(MAX_PROMPT_BYTES);
    if (saved_load(dir, &r->saved, e) < 0)
        return -1;
    if (saved_last(&r->saved, "session.start") == NULL)
        return err_set(e, ERR_USAGE, 0,
                       "session %s cannot go on: its record does not say how it began",
                       r->saved.id);
    r->question = count(&r->saved, "session.resume") + 2;
    const char *mended = p->run.record ? record_damage(p->run.record) : NULL;
    if (mended)
        ui_warn(p->run.ui, "session %s: %s", r->saved.id, mended);
    if (r->saved.damage)
        ui_warn(p->run.ui, "session %s: %s", r->saved.id, r->saved.damage);
    return recorded_policy(p, &r->saved, e);
}

/* --- its attachments --- */

static const char *rebind(struct program *p, const cJSON *file, const char *path, const char *name,
                          struct buf *notices)
{
    const char *sha256 = json_str(file, "sha256");
    struct err e = ERR_INIT;

    if (attach_again(&p->files, path, name, notices, &e) < 0)
        return access(path, F_OK) < 0 ? "is gone" : "cannot be attached again";
    struct attach *a = &p->files.v[p->files.n - 1];
    const char *why = NULL;
    if (json_int(file, "bytes", -1) != a->size)
        why = "has changed";
    else if (attach_hash(a, &p->stop, &e) < 0)
        why = "cannot be read";
    else if (sha256 == NULL)
        why = "has no fingerprint in the record, which ended early";
    else if (strcmp(sha256, a->sha256) != 0)
        why = "has changed";
    a->known = true;
    if (why) {
        free(a->path);
        free(a->name);
        free(a->head);
        p->files.n--;
    }
    return why;
}

static const struct attach *attached(const struct program *p, const char *name)
{
    for (size_t i = 0; i < p->files.n; i++)
        if (strcmp(p->files.v[i].name, name) == 0)
            return &p->files.v[i];
    return NULL;
}

/* One file of the record; a later question's takes the place of an earlier one's. */
static void attach_one(struct program *p, const cJSON *file, const char *cwd)
{
    struct resume *r = p->resume;
    const char *given = json_str(file, "path"), *name = json_str(file, "name");
    cleanup_buf struct buf notices = BUF_MAX(MAX_CONF_BYTES), shown = BUF_MAX(16384);

    if (given == NULL || name == NULL || attached(p, name))
        return;
    cleanup_free char *path = recorded_input_path(&r->saved, given, cwd);
    const char *why = rebind(p, file, path, name, &notices);
    if (why == NULL)
        return;
    utf8_clean_line(&shown, utf8_head(str_of(name), 300));
    buf_putf(&r->differs, "- the attached file %s %s: it is not there now\n", buf_cstr(&shown),
             why);
    buf_clear(&shown);
    utf8_clean_line(&shown, utf8_head(str_of(path), 2000));
    ui_warn(p->run.ui, "the attachment %s %s: it is left out (-f attaches it as it is)",
            buf_cstr(&shown), why);
}

int resume_attach(struct program *p, struct err *e)
{
    const struct resume *r = p->resume;
    const char *cwd = NULL;
    const cJSON *file;

    if (r == NULL)
        return stop_check(&p->stop, e);
    cJSON_ArrayForEach(file, recorded_inputs(&r->saved, &cwd))
        attach_one(p, recorded_input(&r->saved, file), cwd);
    return stop_check(&p->stop, e);
}

/* --- its record --- */

int resume_record(struct program *p, struct err *e)
{
    struct resume *r = p->resume;

    if (r == NULL)
        return program_open_record(p, e);
    if (p->run.record == NULL) { /* a copy, or none */
        if (program_open_record(p, e) < 0)
            return -1;
        if (record_dir(p->run.record)) {
            if (record_copy(p->run.record, r->saved.dir_fd, e) < 0)
                return -1;
            cJSON *ev = cJSON_CreateObject();
            json_add_str(ev, "from", str_of(r->saved.id));
            record_event(p->run.record, "session.fork", ev);
            ui_note(p->run.ui, "a copy of session %s goes on as %s", r->saved.id,
                    record_id(p->run.record));
        } else {
            ui_note(p->run.ui, "what follows is not recorded: session %s stays as it is (%s)",
                    r->saved.id, conf_origin(&p->conf, "ephemeral"));
        }
    }
    record_next_question(p->run.record, r->question);
    return 0;
}

/* --- what it held --- */

static bool said_now(const struct conf *c)
{
    return conf_said_now(c, "system") || conf_said_now(c, "append_system");
}

/* The system prompt is the recorded one, since the conversation rests on it; another one that was
 * asked for on this command takes its place. */
static int settle_system(struct program *p, struct err *e)
{
    struct run *run = &p->run;
    struct convo *c = &run->convo;
    bool there = c->n && c->m[0].role == CHAT_SYSTEM;
    cleanup_free char *fenced = prompt_text(p->conf.prompts_dir, "fenced.md", e);
    cleanup_free char *text = NULL;

    if (fenced == NULL)
        return -1;
    if (!there || said_now(&p->conf)) {
        for (size_t i = 0; i < p->files.n; i++)
            p->files.v[i].known = false;
        text = opening_system(run, &p->files, run->libraries, e);
        if (text == NULL)
            return -1;
        for (size_t i = 0; i < p->files.n; i++)
            p->files.v[i].known = true;
    } else if (p->conf.tools == TOOLS_FENCED && strstr(c->m[0].text, fenced) == NULL) {
        text = xasprintf("%s\n\n%s", c->m[0].text, fenced);
    } else {
        return 0;
    }
    if (!there) {
        opening_say(run, true, text);
        if (c->n > 1) { /* to the front of what was said */
            struct chat_message m = c->m[c->n - 1];
            memmove(&c->m[1], &c->m[0], (c->n - 1) * sizeof m);
            c->m[0] = m;
        }
        return 0;
    }
    free(c->m[0].text);
    c->m[0].text = xstrdup(text);
    cJSON *ev = cJSON_CreateObject();
    json_add_str(ev, "text", str_of(text));
    record_event(run->record, "system", ev);
    return 0;
}

/* What the sandbox is now, where it was something else. */
static void compare_place(struct program *p)
{
    struct resume *r = p->resume;
    struct sandbox_info info;
    const char *python = saved_text(&r->saved, "sandbox.start", "python_version"),
               *weaker = saved_text(&r->saved, "sandbox.start", "weaker"),
               *lock = saved_text(&r->saved, "sandbox.start", "env_lock_sha256"),
               *network = saved_text(&r->saved, "sandbox.start", "network");
    struct str rest, line;

    sandbox_get_info(p->run.sandbox, &info);
    if (python && strcmp(python, info.python_version) != 0)
        buf_putf(&r->differs, "- Python is %s now\n", info.python_version);
    if (lock && p->env.name && strcmp(lock, p->env.lock_sha256) != 0)
        buf_putf(&r->differs, "- the environment %s of packages holds other versions now\n",
                 p->env.name);
    const char *reach = p->conf.network ? p->conf.network : "none";
    if (network && strcmp(network, reach) != 0)
        buf_putf(&r->differs, "- hosts that the code can reach now: %s\n", reach);
    for (rest = str_of(info.weaker); weaker && rest.n;) {
        (void)str_cut(&rest, '\n', &line);
        cleanup_free char *one = str_dup(line);
        if (line.n && strstr(weaker, one) == NULL)
            ui_warn(p->run.ui, "the sandbox is weaker than in the session: %s", one);
    }
}

static void record_restored(struct program *p)
{
    cJSON *ev = cJSON_CreateObject(), *lines = cJSON_CreateArray();
    struct str rest = buf_str(&p->resume->differs), line;

    cJSON_AddBoolToObject(ev, "cells_replayed", p->conf.replay_cells);
    while (rest.n) {
        (void)str_cut(&rest, '\n', &line);
        cleanup_free char *one = str_dup(line);
        cJSON_AddItemToArray(lines, cJSON_CreateString(one));
    }
    cJSON_AddItemToObject(ev, "differs", lines);
    record_event(p->run.record, "session.restored", ev);
}

/* To the user and to the model, each in its words. */
static int tell(struct program *p, struct err *e)
{
    struct resume *r = p->resume;
    struct sandbox_info info;
    struct str rest = buf_str(&r->differs), line;

    record_restored(p);
    if (rest.n)
        ui_warn(p->run.ui, "not all of session %s is as it was:", r->saved.id);
    while (rest.n) {
        (void)str_cut(&rest, '\n', &line);
        ui_warn(p->run.ui, "%.*s", (int)line.n, line.p);
    }
    sandbox_get_info(p->run.sandbox, &info);
    cleanup_free char *files = opening_files(&p->files, p->run.intake, info.workspace_dir);
    if (r->differs.n == 0 && files[0] == '\0')
        return 0;
    if (r->differs.n == 0) {
        opening_say(&p->run, false, str_trim(str_of(files)).p);
        return 0;
    }
    cleanup_free char *form = prompt_text(p->conf.prompts_dir, "resumed.md", e);
    const char *const pairs[] = { "differences", buf_cstr(&r->differs), NULL };
    cleanup_free char *text = form ? prompt_fill(form, pairs, e) : NULL;
    if (text == NULL)
        return -1;
    cleanup_free char *all = xasprintf("%s%s", text, files);
    opening_say(&p->run, false, all);
    return 0;
}

int resume_restore(struct program *p, struct err *e)
{
    struct resume *r = p->resume;
    struct run *run = &p->run;

    if (r == NULL)
        return opening_write(run, p->question, p->stdin_text, &p->files, run->libraries, e);
    compare_place(p);
    resume_convo(run, &r->saved, p->conf.tools == TOOLS_FENCED, &r->differs);
    grounding_saved(run, &r->saved);
    reporting_saved(run, &r->saved);
    if (p->conf.replay_cells) {
        if (resume_cells(run, &r->saved, &r->differs, e) < 0)
            return err_wrap(e, "running the session's cells again (--no-replay-cells leaves "
                               "it out)");
        /* What they made again is not new. */
        if (artifacts_baseline(run->artifacts, e) < 0)
            return -1;
    } else if (r->saved.n_cells) {
        buf_puts(&r->differs, "- the cells were not run again: their variables are gone, and the "
                              "files that they made in the workspace\n");
    }
    if (settle_system(p, e) < 0 || tell(p, e) < 0)
        return -1;
    cleanup_free char *report = reporting_prompt(run, e);
    if (report == NULL)
        return -1;
    if (report[0] && strstr(run->convo.m[0].text, report) == NULL)
        opening_say(run, false, report); /* the session was begun without */
    return opening_question(run, p->question, p->stdin_text, e);
}
