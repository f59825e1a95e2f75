/* agent "question": settings → sandbox and provider → loop → answer, record.
 *
 * The order matters. Everything that can be wrong with the command line, the attachments and the
 * key is found before anything is started; the sandbox is up before the first request is paid for;
 * the record exists before the network is touched; the answer is printed before the record is
 * closed, so that a full disk does not take it along. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/asking.h"
#include "agent/base/io.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/log.h"
#include "agent/base/utf8.h"
#include "agent/checks.h"
#include "agent/consent.h"
#include "agent/dry_run.h"
#include "agent/events.h"
#include "agent/grounding.h"
#include "agent/intake.h"
#include "agent/libs.h"
#include "agent/loop.h"
#include "agent/network.h"
#include "agent/program.h"
#include "agent/reporting.h"
#include "agent/rerun.h"
#include "agent/resume.h"
#include "agent/schema.h"
#include "agent/validate.h"
#include "agent/base/banned.h"

static void on_notice(void *arg, const char *line)
{
    ui_note(arg, "%s", line);
}

static int read_stdin(struct program *p, struct err *e)
{
    bool is_prompt = conf_prompt_is_stdin(&p->conf);

    struct stat st;
    if (!is_prompt &&
        (p->conf.standard_input == STDIN_NO || fstat(STDIN_FILENO, &st) < 0 || S_ISCHR(st.st_mode)))
        return 0; /* a terminal or /dev/null: nothing to keep a folder for */
    const char *dir = record_inputs(p->run.record, e);
    if (dir == NULL)
        return -1;
    struct attach_stdin in = {
        .fd = STDIN_FILENO,
        .is_prompt = is_prompt,
        .wait = p->conf.standard_input == STDIN_WAIT,
        .dir = dir,
        .notice = on_notice,
        .arg = p->run.ui,
    };
    if (attach_stdin(&p->files, &in, &p->stop, &p->stdin_text, e) < 0)
        return -1;
    if (is_prompt)
        p->question = steal_ptr(&p->stdin_text);
    return 0;
}

static bool is_blank(const char *s)
{
    return s == NULL || str_trim(str_of(s)).n == 0;
}

static int check_question(struct program *p, struct err *e)
{
    if (is_blank(p->question))
        return err_set(e, ERR_USAGE, 0, "no question: standard input was empty");
    if (strlen(p->question) > MAX_PROMPT_BYTES)
        return err_set(
            e, ERR_USAGE, 0,
            "the question has %zu bytes; the limit is %u. Attach the text as a file (-f)",
            strlen(p->question), MAX_PROMPT_BYTES);
    return 0;
}

/* Can the answer be written where -o says? Found out before it is paid for. */
static int check_output(const struct conf *c, struct err *e)
{
    cleanup_buf struct buf b = BUF_MAX(8192);
    struct stat st;

    if (c->output == NULL)
        return 0;
    const char *slash = strrchr(c->output, '/');
    cleanup_free char *dir = slash == NULL ? xstrdup(".")
                             : slash == c->output
                                 ? xstrdup("/")
                                 : xstrndup(c->output, (size_t)(slash - c->output));
    utf8_clean_line(&b, str_of(c->output));
    if (stat(c->output, &st) == 0 && S_ISDIR(st.st_mode))
        return err_set(e, ERR_USAGE, 0, "--output %s: is a folder; name a file in it",
                       buf_cstr(&b));
    if (slash && slash[1] == '\0')
        return err_set(e, ERR_USAGE, 0, "--output %s: names a folder, not a file", buf_cstr(&b));
    if (stat(dir, &st) < 0 || !S_ISDIR(st.st_mode))
        return err_set(e, ERR_USAGE, 0,
                       "--output %s: there is no folder of that name to write into; make it first "
                       "(mkdir -p)",
                       buf_cstr(&b));
    /* What is no file of its own (a terminal, a pipe) is written to, not replaced. */
    bool in_place = stat(c->output, &st) == 0 && !S_ISREG(st.st_mode);
    if (access(in_place ? c->output : dir, W_OK) < 0)
        return err_set(e, ERR_USAGE, errno, "--output %s cannot be written", buf_cstr(&b));
    return 0;
}

/* --schema and --ask. */
static int open_form(struct program *p, struct err *e)
{
    if (p->conf.schema && p->conf.report.n)
        return err_set(
            e, ERR_USAGE, 0,
            "--schema and --report exclude each other: the answer is JSON by the one and "
            "the report's text by the other");
    if (p->conf.schema && (p->run.schema = schema_open(p->conf.schema, e)) == NULL)
        return -1;
    if (p->conf.ask && !p->conf.dry_run && (p->run.consent = consent_open("--ask", e)) == NULL)
        return -1;
    return 0;
}

/* What the command line asks for, checked before anything is made. */
static int read_command(struct program *p, struct err *e)
{
    if (check_output(&p->conf, e) < 0)
        return -1;
    if (p->conf.command == CMD_RERUN)
        return reporting_check_names(&p->conf, e) < 0 ? -1 : rerun_open(p, e);
    if (!conf_prompt_is_stdin(&p->conf)) {
        p->question = conf_prompt(&p->conf);
        if (is_blank(p->question))
            return err_set(
                e, ERR_USAGE, 0,
                "no question: agent \"question\" [-f FILE]..., or agent - to read it from "
                "standard input; agent --help shows more");
        if (check_question(p, e) < 0)
            return -1;
    }
    if (resume_open(p, e) < 0 || validate_patterns(&p->conf, e) < 0 ||
        reporting_check_names(&p->conf, e) < 0 || open_form(p, e) < 0 || program_attach(p, e) < 0 ||
        resume_attach(p, e) < 0)
        return -1;
    return program_choose_model(p, e);
}

void ask_record_start(struct program *p, bool further)
{
    cJSON *ev = cJSON_CreateObject();

    cJSON_AddStringToObject(ev, "id", record_id(p->run.record));
    cJSON_AddStringToObject(ev, "program", "agent " AGENT_VERSION);
    json_add_str(ev, "question", str_of(p->question));
    if (p->conf.model && !p->rerun) /* what is run again asks none, but to repair it */
        json_add_str(ev, "model", str_of(p->conf.model));
    if (p->conf.replay)
        json_add_str(ev, "replay", str_of(p->conf.replay));
    else if (p->run.asking)
        json_add_str(ev, "base_url", str_of(asking_base_url(p->run.asking)));
    if (p->run.asking)
        json_add_str(ev, "service", str_of(asking_service(p->run.asking)));
    if (p->rerun)
        json_add_str(ev, "rerun_of", str_of(p->rerun->saved.id));
    cleanup_free char *cwd = getcwd(NULL, 0);
    if (cwd)
        json_add_str(ev, "cwd", str_of(cwd));
    cJSON_AddItemToObject(ev, "settings", resume_settings(&p->conf));
    record_event(p->run.record, further ? "session.resume" : "session.start", ev);
}

/* The sandbox is built and answers, the workspace is open, the conversation has begun. */
int ask_prepare(struct program *p, struct intake *intake, struct err *e)
{
    struct run *r = &p->run;
    cleanup_free char *extra = p->conf.out_dir ? xstrdup(p->conf.out_dir) : NULL;

    if (program_start_sandbox(p, e) < 0 || (p->run.asking && asking_open(p->run.asking, e) < 0) ||
        program_hash_inputs(p, false, e) < 0)
        return -1;
    fonts_check(&p->fonts);
    cJSON *inputs = cJSON_CreateObject();
    cJSON_AddItemToObject(inputs, "files", program_inputs_json(&p->files));
    record_event(r->record, "inputs", inputs);
    if (sandbox_wait_ready(r->sandbox, &p->stop, e) < 0)
        return -1;
    record_drop_inputs(r->record);
    if (program_sandbox_ready(p, e) < 0)
        return -1;
    if (extra == NULL && p->conf.ephemeral)
        extra = xasprintf("agent-files-%s", record_id(r->record));
    cleanup_free char *kept =
        record_dir(r->record) ? io_join(record_dir(r->record), "artifacts") : NULL;
    r->artifacts = artifacts_new(sandbox_workspace_fd(r->sandbox), record_artifacts_fd(r->record),
                                 kept, extra);
    if (artifacts_baseline(r->artifacts, e) < 0)
        return -1;
    /* matplotlib's list of fonts is made before code of any kind has run over foreign files. */
    bool early = p->fonts.name != NULL;
    bool wanted = !p->rerun; /* nobody reads it there */
    if (wanted && early &&
        intake_begin(intake, r->sandbox, &p->conf, &p->files, false, &p->stop, e) < 0)
        return -1;
    if (reporting_check_tools(r, e) < 0)
        return -1;
    r->libraries = libs_list(r->sandbox, &p->env, r->ui, &p->stop, e);
    if (r->libraries == NULL)
        return -1;
    if (strstr(r->libraries, "matplotlib") &&
        fonts_make(&p->fonts, r->sandbox, r->ui, &p->stop, e) < 0)
        return -1;
    if (wanted && !early &&
        intake_begin(intake, r->sandbox, &p->conf, &p->files, false, &p->stop, e) < 0)
        return -1;
    if (languages_probe(r, &p->languages, e) < 0)
        return -1;
    r->languages = &p->languages;
    if (intake_end(intake, r->sandbox, &p->files, &p->stop, e) < 0)
        return -1;
    if (wanted)
        intake_record(intake, &p->files, r->record);
    r->intake = intake;
    intake_say(intake, &p->files, r->ui);
    return p->rerun ? 0 : resume_restore(p, e);
}

static void add_usage(const struct program *p, cJSON *usage)
{
    struct asking_total t = asking_total(p->run.asking);

    if (p->run.replies == 0)
        return;
    if (t.input >= 0)
        json_add_int(usage, "input_tokens", t.input);
    if (t.output >= 0)
        json_add_int(usage, "output_tokens", t.output);
    if (t.cached >= 0)
        json_add_int(usage, "cached_tokens", t.cached);
    if (t.reasoning >= 0)
        json_add_int(usage, "reasoning_tokens", t.reasoning);
    if (!isnan(t.cost))
        cJSON_AddNumberToObject(usage, "cost_usd", t.cost);
    else
        cJSON_AddStringToObject(usage, "cost", "unpriced");
}

static cJSON *manifest(const struct program *p, const struct err *why, bool answered)
{
    cJSON *m = cJSON_CreateObject(), *arts = cJSON_CreateArray(), *usage = cJSON_CreateObject();

    json_add_int(m, "v", RECORD_VERSION);
    cJSON_AddStringToObject(m, "id", record_id(p->run.record));
    cJSON_AddStringToObject(m, "status", err_word(why->code));
    json_add_int(m, "exit_status", err_exit_status(why));
    if (why->code != ERR_NONE)
        json_add_str(m, "message", str_of(why->msg));
    cJSON_AddBoolToObject(m, "answered", answered);
    json_add_str(m, "question", str_of(p->question));
    if (p->rerun)
        rerun_json(p->rerun, m);
    if (p->conf.model && (p->rerun == NULL || p->rerun->repairs))
        json_add_str(m, "model", str_of(p->conf.model));
    if (p->run.artifacts) { /* the sandbox was ready */
        struct sandbox_info info;
        sandbox_get_info(p->run.sandbox, &info);
        json_add_str(m, "python", str_of(info.python_path));
        json_add_str(m, "python_version", str_of(info.python_version));
    }
    if (p->env.name) {
        json_add_str(m, "env", str_of(p->env.name));
        json_add_str(m, "env_lock_sha256", str_of(p->env.lock_sha256));
    }
    cJSON_AddItemToObject(m, "inputs", program_inputs_json(&p->files));
    for (size_t i = 0; p->run.artifacts && i < artifacts_count(p->run.artifacts); i++) {
        cJSON *o = artifacts_json(p->run.artifacts, i);
        if (record_dir(p->run.record)) { /* for who moves the record */
            cleanup_free char *file =
                io_join("artifacts", artifacts_get(p->run.artifacts, i)->file);
            json_add_str(o, "file", str_of(file));
        }
        cJSON_AddItemToArray(arts, o);
    }
    cJSON_AddItemToObject(m, "artifacts", arts);
    json_add_int(m, "turns", p->run.turns);
    json_add_int(m, "cells", p->run.cells);
    json_add_int(m, "cells_ok", p->run.cells_ok);
    add_usage(p, usage);
    cJSON_AddItemToObject(m, "usage", usage);
    cJSON *grounding = grounding_json(&p->run);
    if (grounding)
        cJSON_AddItemToObject(m, "grounding", grounding);
    json_add_int(m, "duration_ms", now_ms() - p->started_ms);
    return m;
}

/* -o FILE: the answer, whole or not at all. */
static int write_output(const struct conf *c, const char *answer, struct err *e)
{
    cleanup_buf struct buf b = BUF_MAX(MAX_ANSWER_BYTES + 2);

    if (c->output == NULL)
        return 0;
    buf_puts(&b, answer);
    if (!str_ends(buf_str(&b), "\n"))
        buf_putc(&b, '\n');
    struct stat st;
    if (stat(c->output, &st) == 0 && !S_ISREG(st.st_mode)) { /* /dev/stderr, a pipe */
        cleanup_fd int fd = open(c->output, O_WRONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
            return err_set(e, ERR_SYS, errno, "--output: open %s", c->output);
        return io_write_all(fd, b.p, b.n, e) < 0 ? err_wrap(e, "--output %s", c->output) : 0;
    }
    /* Through a link: the file it leads to is the one that is replaced. */
    char *real = realpath(c->output, NULL);
    int r = io_write_atomic(AT_FDCWD, real ? real : c->output, buf_str(&b), 0666, e);
    free(real);
    return r < 0 ? err_wrap(e, "--output") : 0;
}

/* What the reader of the answer should not take on trust. */
static void show_unmatched(struct program *p)
{
    cleanup_buf struct buf lines = BUF_MAX(MAX_CONF_BYTES);

    if (!p->run.grounded || p->run.grounding.n_unmatched == 0)
        return;
    ui_warn(p->run.ui,
            "%zu of %zu numbers and files in the answer are not in what the code printed or made:",
            p->run.grounding.n_unmatched, p->run.grounding.checked);
    grounding_lines(&p->run, 10, &lines);
    program_warn_lines(p->run.ui, buf_str(&lines));
}

/* One object on standard output: how a run ended, for --output-format json. */
static void print_result(const struct program *p, cJSON *summary, struct err *e)
{
    cleanup_json cJSON *o = cJSON_CreateObject();
    cJSON *cells = cJSON_CreateArray(), *member, *next;
    const cJSON *item;
    cleanup_buf struct buf raw = BUF_MAX(SIZE_MAX / 4), b = BUF_MAX(SIZE_MAX / 4);

    cJSON_AddStringToObject(o, "type", "result");
    json_add_int(o, "schema_version", EVENTS_SCHEMA_VERSION);
    for (member = summary ? summary->child : NULL; member; member = next) {
        next = member->next;
        cJSON_DetachItemViaPointer(summary, member);
        cJSON_AddItemToObject(o, member->string, member);
    }
    cJSON_Delete(summary);
    cJSON_ArrayForEach(item, events_items(p->run.events))
    {
        const char *type = json_str(item, "type");
        if (type && strcmp(type, "code_execution") == 0)
            cJSON_AddItemToArray(cells, cJSON_Duplicate(item, true));
    }
    cJSON_AddItemToObject(o, "code_executions", cells);
    cleanup_free char *text = json_text(o);
    buf_putf(&raw, "%s\n", text);
    secret_redact(&b, buf_str(&raw));
    io_write_all(STDOUT_FILENO, b.p, b.n, e);
}

/* The end of a run for programs; takes `summary`, the manifest. */
static void tell_programs(struct program *p, cJSON *summary, struct loop_result *res)
{
    struct err e = ERR_INIT;

    if (p->run.events == NULL)
        return;
    cJSON_DeleteItemFromObject(summary, "v");
    cJSON_DeleteItemFromObject(summary, "id");
    json_add_str(summary, "thread_id", str_of(record_id(p->run.record)));
    if (res->answer)
        json_add_str(summary, "answer", str_of(res->answer));
    if (record_dir(p->run.record))
        json_add_str(summary, "record", str_of(record_dir(p->run.record)));
    if (p->conf.output_format == FORMAT_JSON) {
        print_result(p, summary, &e);
    } else {
        events_end(p->run.events, &res->why, summary);
        (void)events_status(p->run.events, &e);
    }
    if (e.code != ERR_NONE && e.sys != EPIPE && res->why.code == ERR_NONE)
        res->why = e;
}

/* What is wrong was found before there was a session. */
static void tell_failure(struct program *p, const struct err *why)
{
    struct err e = ERR_INIT;

    if (p->run.events && p->conf.output_format == FORMAT_JSON) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "status", err_word(why->code));
        json_add_int(o, "exit_status", err_exit_status(why));
        json_add_str(o, "message", str_of(why->msg));
        print_result(p, o, &e);
    } else {
        events_error(p->run.events, why);
    }
}

void ask_deliver(struct program *p, struct loop_result *res)
{
    struct run *r = &p->run;
    struct err e = ERR_INIT;

    if (res->answer) {
        cleanup_buf struct buf b = BUF_MAX(MAX_ANSWER_BYTES * 2);
        buf_puts(&b, res->answer);
        buf_putc(&b, '\n');
        record_file(r->record, "answer.md", buf_str(&b));
        cJSON *ev = cJSON_CreateObject();
        json_add_str(ev, "text", str_of(res->answer));
        record_event(r->record, "answer", ev);
        if (r->grounded)
            record_event(r->record, "grounding", grounding_json(r));
        if (write_output(&p->conf, res->answer, &e) < 0 && res->why.code == ERR_NONE)
            res->why = e;
        if (reporting_write(p, res->answer, &e) < 0 && res->why.code == ERR_NONE)
            res->why = e;
        if (r->events == NULL && ui_answer(r->ui, str_of(res->answer), &e) < 0 && e.sys != EPIPE &&
            res->why.code == ERR_NONE)
            res->why = e;
    }
    if (res->why.code == ERR_NONE && r->artifact_err.code != ERR_NONE)
        res->why = r->artifact_err;
    program_show_artifacts(p);
    show_unmatched(p);
    if (r->replies > 0) {
        struct asking_total t = asking_since(r->asking);
        struct ui_usage us = { r->turns, r->cells, t.input, t.output, now_ms() - p->started_ms,
                               t.cost };
        ui_usage(r->ui, &us);
        struct ui_spent all = { t.input, t.output, t.cached, t.reasoning, t.cost };
        if (p->conf.usage)
            ui_spent(r->ui, "the run", &all);
    }
}

void ask_close(struct program *p, struct loop_result *res)
{
    struct run *r = &p->run;
    struct err e = ERR_INIT;

    if (record_dir(r->record) && program_hash_inputs(p, true, &e) < 0)
        ui_warn(r->ui, "no fingerprint of a large file in the record: %s", e.msg);
    network_record(r, true);
    cJSON *ev = cJSON_CreateObject();
    cJSON_AddStringToObject(ev, "status", err_word(res->why.code));
    json_add_int(ev, "exit_status", err_exit_status(&res->why));
    if (res->why.code != ERR_NONE)
        json_add_str(ev, "message", str_of(res->why.msg));
    record_event(r->record, "session.end", ev);
    cJSON *m = manifest(p, &res->why, res->answer != NULL);
    cJSON *summary = r->events ? cJSON_Duplicate(m, true) : NULL;
    if (record_close(r->record, m, &e) < 0) {
        ui_warn(r->ui, "%s", e.msg);
        if (res->why.code == ERR_NONE)
            res->why = e;
    }
    tell_programs(p, summary, res);
    if (record_dir(r->record))
        ui_detail(r->ui, "record: %s", record_dir(r->record));
}

void ask_command(struct program *p, struct err *ret_why)
{
    struct run *r = &p->run;

    r->files = &p->files;
    r->env = &p->env;
    struct loop_result res = { NULL, ERR_INIT };
    struct intake intake = { 0 };

    if (p->conf.json)
        p->conf.output_format = FORMAT_STREAM;
    if (p->conf.dry_run) { /* there is no run to record, and no cell runs, a second time neither */
        p->conf.ephemeral = true;
        if (p->conf.go_on || p->conf.resume)
            p->conf.replay_cells = false;
        free(p->conf.session_id);
        p->conf.session_id = NULL;
    }
    if (p->conf.output_format != FORMAT_TEXT && !p->conf.dry_run)
        r->events = events_new(STDOUT_FILENO, p->conf.output_format == FORMAT_STREAM);
    if (read_command(p, &res.why) < 0 || resume_record(p, &res.why) < 0) {
        tell_failure(p, &res.why);
    } else {
        if (r->events)
            record_watch(r->record, events_record, r->events);
        bool ok = (p->rerun || read_stdin(p, &res.why) == 0) && check_question(p, &res.why) == 0;
        ask_record_start(p, p->resume != NULL);
        ok = ok && ask_prepare(p, &intake, &res.why) == 0;
        if (p->conf.dry_run) {
            if (ok)
                (void)dry_run_print(r, &res.why);
        } else {
            if (ok && p->rerun)
                rerun_run(p, &res); /* which looks at the checks before it may be repaired */
            else if (ok)
                loop_run(r, &res);
            if (p->rerun == NULL && res.answer && res.why.code == ERR_NONE)
                (void)checks_run(p, &res.why);
            ask_deliver(p, &res);
            ask_close(p, &res);
        }
    }
    r->intake = NULL;
    intake_done(&intake, r->sandbox);
    *ret_why = res.why;
    free(res.answer);
}
