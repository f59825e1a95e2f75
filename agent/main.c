/* agent: argv → settings → sandbox and provider → loop → answer, record, exit status.
 *
 * The order matters. Everything that can be wrong with the command line, the attachments and the
 * key is found before anything is started; the sandbox is up before the first request is paid for;
 * the record exists before the network is touched; the answer is printed before the record is
 * closed, so that a full disk does not take it along. This file alone prints errors and exits. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/attach.h"
#include "agent/base/io.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/log.h"
#include "agent/base/mem.h"
#include "agent/conf.h"
#include "agent/fonts.h"
#include "agent/keys.h"
#include "agent/libs.h"
#include "agent/loop.h"
#include "agent/network.h"
#include "agent/opening.h"
#include "agent/run.h"
#include "agent/base/banned.h"

/* One run's belongings, so that every path out releases the same things. */
struct program {
    struct conf conf;
    struct stop stop;
    struct key key;
    struct attach_list files;
    struct fonts fonts;
    char *question, *stdin_text;
    struct run run;
    int64_t started_ms;
};

/* No core dump and no ptrace by siblings: the key is in this memory. The descriptors 0-2 are open,
 * so that no file of ours ever becomes "standard output". A standard output that was closed stays
 * one that cannot be written: the answer must not vanish with status 0. */
static int harden(struct err *e)
{
    struct rlimit none = { 0, 0 };

    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 &&
            open("/dev/null", fd == STDERR_FILENO ? O_WRONLY : O_RDONLY) != fd)
            return err_set(e, ERR_INTERNAL, errno, "open /dev/null");
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || signal(SIGCHLD, SIG_DFL) == SIG_ERR)
        return err_set(e, ERR_INTERNAL, errno, "signal");
    if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
        return err_set(e, ERR_INTERNAL, errno, "forbid core dumps");
    return 0;
}

static int print_and_done(struct program *p, struct ui *ui)
{
    cleanup_buf struct buf b = BUF_MAX(MAX_CONF_BYTES);
    struct err e = ERR_INIT;

    switch (p->conf.action) {
    case CONF_HELP:
        conf_help(&b);
        break;
    case CONF_VERSION:
        buf_puts(&b, "agent " AGENT_VERSION "\n");
        break;
    case CONF_PRINT:
        conf_print(&p->conf, &b);
        break;
    case CONF_RUN:
        break;
    }
    if (io_write_all(STDOUT_FILENO, b.p, b.n, &e) < 0 && e.sys != EPIPE) {
        ui_error(ui, &e);
        return err_exit_status(&e);
    }
    return 0;
}

static void on_notice(void *arg, const char *line)
{
    ui_note(arg, "%s", line);
}

static void on_tick(void *arg)
{
    ui_tick(arg);
}

static void show_lines(struct ui *ui, struct str lines)
{
    struct str line;

    while (lines.n) {
        str_cut(&lines, '\n', &line);
        if (line.n)
            ui_warn(ui, "%.*s", (int)line.n, line.p);
    }
}

static int open_record(struct program *p, struct err *e)
{
    cleanup_free char *root = NULL;

    if (!p->conf.ephemeral) {
        root = conf_session_root(&p->conf, e);
        if (root == NULL)
            return -1;
    }
    p->run.record = record_new(root, p->conf.ephemeral, e);
    return p->run.record ? 0 : -1;
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

/* What the command line asks for, checked before anything is made. */
static int read_command(struct program *p, struct err *e)
{
    cleanup_buf struct buf notices = BUF_MAX(MAX_CONF_BYTES);

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
    for (size_t i = 0; i < p->conf.file.n; i++)
        if (attach_add(&p->files, p->conf.file.v[i], &notices, e) < 0)
            return -1;
    show_lines(p->run.ui, buf_str(&notices));
    if (keys_resolve(&p->conf, &p->stop, &p->key, e) < 0)
        return -1;
    if (p->key.warning)
        ui_warn(p->run.ui, "%s", p->key.warning);
    return 0;
}

#define HASH_FIRST_BYTES                                                                           \
    (64ll * MIB) /* a quarter of a second; larger files are hashed at the end */

/* Fingerprints for the record: while the sandbox is being built, or for large files afterwards, so
 * that nobody waits for them. */
static int hash_inputs(struct program *p, bool large, struct err *e)
{
    for (size_t i = 0; i < p->files.n; i++)
        if ((p->files.v[i].size > HASH_FIRST_BYTES) == large &&
            attach_hash(&p->files.v[i], &p->stop, e) < 0)
            return -1;
    return 0;
}

static int start_sandbox(struct program *p, struct err *e)
{
    const struct conf *c = &p->conf;
    struct sandbox_file *files = xcalloc(p->files.n + 1, sizeof *files);

    fonts_open(c->python, &p->fonts);
    for (size_t i = 0; i < p->files.n; i++)
        files[i] = (struct sandbox_file){ p->files.v[i].path, p->files.v[i].name };
    struct sandbox_spec spec = {
        .helper = c->sandbox_helper,
        .python = c->python,
        .files = files,
        .n_files = p->files.n,
        .memory_bytes = c->memory_bytes,
        .workspace_bytes = c->workspace_bytes,
        .file_bytes = c->file_bytes,
        .max_processes = (int)c->max_processes,
        .cpu_seconds = (int)((c->cpu_ms + 999) / 1000),
        .best = c->sandbox == SANDBOX_BEST,
        .network = c->network,
        .preload = c->preload,
        .fonts_name = p->fonts.name,
        .fonts_fd = p->fonts.fd,
    };
    p->run.sandbox = sandbox_start(&spec, e);
    free(files);
    return p->run.sandbox ? 0 : -1;
}

static int open_client(struct program *p, struct err *e)
{
    const struct conf *c = &p->conf;
    struct client_conf cc = {
        .codec = "openai-chat",
        .base_url = c->base_url,
        .key = p->key.value,
        .key_hint = p->key.hint,
        .replay = c->replay,
        .record = c->record,
        .connect_ms = (long)c->connect_ms,
        .first_byte_ms = (long)c->first_byte_ms,
        .stall_ms = (long)c->stall_ms,
        .request_ms = (long)c->request_ms,
        .retries = (int)c->retries,
    };

    p->run.client = client_new(&cc, e);
    return p->run.client ? 0 : -1;
}

static cJSON *inputs_json(const struct attach_list *files)
{
    cJSON *list = cJSON_CreateArray();

    for (size_t i = 0; i < files->n; i++) {
        cJSON *o = cJSON_CreateObject();
        json_add_str(o, "name", str_of(files->v[i].name));
        json_add_str(o, "path", str_of(files->v[i].path));
        json_add_int(o, "bytes", files->v[i].size);
        if (files->v[i].sha256[0])
            json_add_str(o, "sha256", str_of(files->v[i].sha256));
        cJSON_AddItemToArray(list, o);
    }
    return list;
}

static void record_start(struct program *p)
{
    cJSON *ev = cJSON_CreateObject();

    cJSON_AddStringToObject(ev, "id", record_id(p->run.record));
    cJSON_AddStringToObject(ev, "program", "agent " AGENT_VERSION);
    json_add_str(ev, "question", str_of(p->question));
    if (p->conf.model)
        json_add_str(ev, "model", str_of(p->conf.model));
    if (p->conf.replay)
        json_add_str(ev, "replay", str_of(p->conf.replay));
    else
        json_add_str(ev, "base_url", str_of(p->conf.base_url));
    record_event(p->run.record, "session.start", ev);
}

static void record_sandbox(struct program *p)
{
    struct sandbox_info info;
    cJSON *ev = cJSON_CreateObject();

    sandbox_get_info(p->run.sandbox, &info);
    json_add_str(ev, "python", str_of(info.python_path));
    json_add_str(ev, "python_version", str_of(info.python_version));
    json_add_str(ev, "limits", str_of(info.limits_backend));
    json_add_str(ev, "backend", str_of(info.backend));
    json_add_str(ev, "weaker", str_of(info.weaker));
    json_add_str(ev, "network", str_of(p->conf.network ? p->conf.network : "none"));
    record_event(p->run.record, "sandbox.start", ev);
    bool lone = strcmp(info.backend, "landlock") == 0;
    if (lone)
        ui_warn(
            p->run.ui,
            "the sandbox is weaker here (sandbox = best), since this place forbids namespaces:");
    struct str rest = str_of(info.weaker), line;
    while (rest.n) {
        str_cut(&rest, '\n', &line);
        if (lone)
            ui_warn(p->run.ui, "%.*s", (int)line.n, line.p);
        else
            ui_detail(p->run.ui, "sandbox: %.*s", (int)line.n, line.p);
    }
}

/* The sandbox is built and answers, the workspace is open, the conversation has begun. */
static int prepare(struct program *p, struct err *e)
{
    struct run *r = &p->run;
    cleanup_free char *extra = p->conf.out_dir ? xstrdup(p->conf.out_dir) : NULL;

    if (start_sandbox(p, e) < 0 || open_client(p, e) < 0 || hash_inputs(p, false, e) < 0)
        return -1;
    fonts_check(&p->fonts);
    cJSON *inputs = cJSON_CreateObject();
    cJSON_AddItemToObject(inputs, "files", inputs_json(&p->files));
    record_event(r->record, "inputs", inputs);
    if (sandbox_wait_ready(r->sandbox, &p->stop, e) < 0)
        return -1;
    record_drop_inputs(r->record);
    record_sandbox(p);
    if (extra == NULL && p->conf.ephemeral)
        extra = xasprintf("agent-files-%s", record_id(r->record));
    r->artifacts =
        artifacts_new(sandbox_workspace_fd(r->sandbox), record_artifacts_fd(r->record), extra);
    if (artifacts_baseline(r->artifacts, e) < 0)
        return -1;
    cleanup_free char *libraries = libs_list(r->sandbox, r->ui, &p->stop, e);
    if (libraries == NULL)
        return -1;
    if (strstr(libraries, "matplotlib") &&
        fonts_make(&p->fonts, r->sandbox, r->ui, &p->stop, e) < 0)
        return -1;
    return opening_write(r, p->question, p->stdin_text, &p->files, libraries, e);
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
    if (p->conf.model)
        json_add_str(m, "model", str_of(p->conf.model));
    if (p->run.artifacts) { /* the sandbox was ready */
        struct sandbox_info info;
        sandbox_get_info(p->run.sandbox, &info);
        json_add_str(m, "python", str_of(info.python_path));
        json_add_str(m, "python_version", str_of(info.python_version));
    }
    cJSON_AddItemToObject(m, "inputs", inputs_json(&p->files));
    for (size_t i = 0; p->run.artifacts && i < artifacts_count(p->run.artifacts); i++) {
        const struct artifact *a = artifacts_get(p->run.artifacts, i);
        cJSON *o = cJSON_CreateObject();
        json_add_str(o, "name", str_of(a->name));
        cleanup_free char *file = io_join("artifacts", a->file);
        json_add_str(o, "file", str_of(file));
        json_add_str(o, "mime", str_of(a->mime));
        json_add_int(o, "bytes", a->size);
        json_add_str(o, "sha256", str_of(a->sha256));
        json_add_int(o, "cell", a->cell);
        cJSON_AddItemToArray(arts, o);
    }
    cJSON_AddItemToObject(m, "artifacts", arts);
    json_add_int(m, "turns", p->run.turns);
    json_add_int(m, "cells", p->run.cells);
    json_add_int(m, "cells_ok", p->run.cells_ok);
    if (p->run.replies > 0 && p->run.usage.input >= 0)
        json_add_int(usage, "input_tokens", p->run.usage.input);
    if (p->run.replies > 0 && p->run.usage.output >= 0)
        json_add_int(usage, "output_tokens", p->run.usage.output);
    cJSON_AddItemToObject(m, "usage", usage);
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
    if (io_write_atomic(AT_FDCWD, c->output, buf_str(&b), 0666, e) < 0)
        return err_wrap(e, "--output");
    return 0;
}

static void show_artifacts(struct program *p)
{
    struct artifacts *a = p->run.artifacts;

    for (size_t i = 0; a && i < artifacts_count(a); i++) {
        const struct artifact *art = artifacts_get(a, i);
        cleanup_free char *dir = p->conf.out_dir ? xstrdup(p->conf.out_dir)
                                 : record_dir(p->run.record)
                                     ? io_join(record_dir(p->run.record), "artifacts")
                                     : xasprintf("agent-files-%s", record_id(p->run.record));
        cleanup_free char *path = io_join(dir, art->file);
        ui_artifact(p->run.ui, path, art->size);
    }
}

/* The answer out, the record closed; the first failure of these decides when the run itself had
 * none. */
static void finish(struct program *p, struct loop_result *res)
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
        if (write_output(&p->conf, res->answer, &e) < 0 && res->why.code == ERR_NONE)
            res->why = e;
        if (ui_answer(r->ui, str_of(res->answer), &e) < 0 && e.sys != EPIPE &&
            res->why.code == ERR_NONE)
            res->why = e;
    }
    if (res->why.code == ERR_NONE && r->artifact_err.code != ERR_NONE)
        res->why = r->artifact_err;
    show_artifacts(p);
    if (r->replies > 0) {
        struct ui_usage us = {
            r->turns,     r->cells, r->usage.input, r->usage.output, now_ms() - p->started_ms,
            r->usage.cost
        };
        ui_usage(r->ui, &us);
    }
    if (record_dir(r->record) && hash_inputs(p, true, &e) < 0)
        ui_warn(r->ui, "no fingerprint of a large file in the record: %s", e.msg);
    network_record(r, true);
    cJSON *ev = cJSON_CreateObject();
    cJSON_AddStringToObject(ev, "status", err_word(res->why.code));
    json_add_int(ev, "exit_status", err_exit_status(&res->why));
    if (res->why.code != ERR_NONE)
        json_add_str(ev, "message", str_of(res->why.msg));
    record_event(r->record, "session.end", ev);
    if (record_close(r->record, manifest(p, &res->why, res->answer != NULL), &e) < 0) {
        ui_warn(r->ui, "%s", e.msg);
        if (res->why.code == ERR_NONE)
            res->why = e;
    }
    if (record_dir(r->record))
        ui_detail(r->ui, "record: %s", record_dir(r->record));
}

static void run(struct program *p, struct err *ret_why)
{
    struct run *r = &p->run;
    struct loop_result res = { NULL, ERR_INIT };

    if (read_command(p, &res.why) == 0 && open_record(p, &res.why) == 0) {
        bool ok = read_stdin(p, &res.why) == 0 && check_question(p, &res.why) == 0;
        record_start(p);
        if (ok && prepare(p, &res.why) == 0)
            loop_run(r, &res);
        finish(p, &res);
    }
    *ret_why = res.why;
    free(res.answer);
}

static void program_done(struct program *p)
{
    artifacts_free(p->run.artifacts);
    sandbox_free(p->run.sandbox);
    fonts_done(&p->fonts);
    client_free(p->run.client);
    record_free(p->run.record);
    convo_free(&p->run.convo);
    attach_list_done(&p->files);
    key_done(&p->key);
    free(p->question);
    free(p->stdin_text);
    ui_free(p->run.ui);
    conf_done(&p->conf);
    if (p->stop.cancel_fd >= 0)
        close(p->stop.cancel_fd);
}

int main(int argc, char **argv)
{
    struct program p = { .stop = STOP_NEVER, .fonts = { .fd = -1 }, .started_ms = now_ms() };
    struct err e = ERR_INIT;
    int status;

    if (harden(&e) < 0 || stop_open_signals(&p.stop, &e) < 0 ||
        conf_load(&p.conf, argc, argv, &e) < 0) {
        p.run.ui = ui_new(NULL);
        ui_error(p.run.ui, &e);
        status = err_exit_status(&e);
    } else if (p.conf.action != CONF_RUN) {
        p.run.ui = ui_new(&p.conf);
        status = print_and_done(&p, p.run.ui);
    } else {
        p.run.ui = ui_new(&p.conf);
        p.run.conf = &p.conf;
        p.run.stop = &p.stop;
        p.stop = stop_within(&p.stop, p.conf.deadline_ms);
        if (isatty(STDERR_FILENO) && !p.conf.quiet) {
            p.stop.tick = on_tick;
            p.stop.arg = p.run.ui;
        }
        for (size_t i = 0; i < p.conf.notes.n; i++)
            ui_warn(p.run.ui, "%s", p.conf.notes.v[i]);
        if (p.conf.debug == NULL || log_open(p.conf.debug, &e) == 0)
            run(&p, &e);
        if (e.code != ERR_NONE)
            ui_error(p.run.ui, &e);
        status = err_exit_status(&e);
    }
    program_done(&p);
    return status;
}
