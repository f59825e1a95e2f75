/* execute_python and its like for further languages: arguments → a cell in the sandbox → an
 * observation for the model, a record on disk, and artifacts brought out. */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/io.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/cell_json.h"
#include "agent/callargs.h"
#include "agent/env.h"
#include "agent/consent.h"
#include "agent/events.h"
#include "agent/grounding.h"
#include "agent/instead.h"
#include "agent/network.h"
#include "agent/observe.h"
#include "agent/pictures.h"
#include "agent/reporting.h"
#include "agent/tools.h"
#include "agent/validate.h"
#include "agent/base/banned.h"

struct code_args {
    char *code;         /* LF line ends */
    char *description;  /* one clean line; NULL = none */
    const char *mended; /* what was wrong with the arguments and could mean one thing only */
    char *context;      /* as the model named it; NULL = the default one */
};

static void args_done(struct code_args *a)
{
    free(a->context);
    free(a->code);
    free(a->description);
}

static int refuse(struct tool_outcome *ret, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static int refuse(struct tool_outcome *ret, const char *fmt, ...)
{
    va_list ap;

    ret->is_error = true;
    buf_puts(&ret->text, "Tool error: ");
    va_start(ap, fmt);
    buf_vputf(&ret->text, fmt, ap);
    va_end(ap);
    return -1;
}

/* JSON's escape for NUL, which no source can hold and no C string either. */
static bool holds_nul_escape(const char *json)
{
    for (const char *p = json; (p = strchr(p, '\\')) != NULL; p += 2) {
        if (strncmp(p, "\\u0000", 6) == 0)
            return true;
        if (p[1] == '\0')
            break;
    }
    return false;
}

static char *unix_lines(const char *s)
{
    cleanup_buf struct buf b = BUF_MAX(MAX_ARGS_BYTES);

    for (; *s; s++)
        if (!(s[0] == '\r' && s[1] == '\n'))
            buf_putc(&b, *s);
    return buf_steal(&b);
}

static size_t count_chars(struct str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xC0) != 0x80;
    return n;
}

#define SEND_LIKE "Send {\"code\": \"...\", \"description\": \"...\"}."

static int parse_args(const struct chat_call *call, bool cut, struct code_args *a,
                      struct tool_outcome *ret)
{
    if (strlen(call->args) > MAX_ARGS_BYTES)
        return refuse(ret, "the arguments are larger than %u bytes. Nothing ran.", MAX_ARGS_BYTES);
    if (holds_nul_escape(call->args))
        return refuse(ret, "the code holds a NUL character (\\u0000). Nothing ran. Write "
                           "\"\\\\x00\" in a string instead.");
    struct callargs read;
    cleanup_buf struct buf why = BUF_MAX(4096);
    callargs_read(call->args, cut, "code", &read, &why);
    cleanup_json cJSON *args = read.object;
    if (args == NULL)
        return refuse(ret, "%s", buf_cstr(&why));
    a->mended = read.mended;
    const cJSON *code = json_get(args, "code");
    if (code == NULL)
        return refuse(ret, "the required argument \"code\" is missing. Nothing ran. " SEND_LIKE);
    if (!cJSON_IsString(code))
        return refuse(ret, "the argument \"code\" must be a string. Nothing ran. " SEND_LIKE);
    if (!utf8_valid(str_of(code->valuestring)))
        return refuse(ret, "the code is not valid UTF-8. Nothing ran.");
    size_t chars = count_chars(str_of(code->valuestring));
    if (chars > MAX_CODE_CHARS)
        return refuse(ret,
                      "the code has %zu characters; the limit is %d. Nothing ran. Split it "
                      "into several cells, and keep data in files.",
                      chars, MAX_CODE_CHARS);
    if (str_trim(str_of(code->valuestring)).n == 0)
        return refuse(ret, "the code is empty. Nothing ran. " SEND_LIKE);
    a->code = unix_lines(code->valuestring);
    const char *context = json_str(args, "context");
    if (context && context[0])
        a->context = xstrdup(context);
    const char *d = json_str(args, "description");
    if (d && str_trim(str_of(d)).n) {
        cleanup_buf struct buf b = BUF_MAX(MAX_ARGS_BYTES);
        utf8_clean_line(&b, utf8_head(str_trim(str_of(d)), 200));
        a->description = buf_steal(&b);
    }
    return 0;
}

/* The context that the model named: made when it is new. */
static int choose_context(struct run *run, const struct sandbox_language *language,
                          struct code_args *a, struct tool_outcome *ret)
{
    struct sandbox_context_options o = { .input = -1 };
    struct sandbox_context_info info;
    struct err e = ERR_INIT;

    if (!run->conf->contexts) { /* what was not offered is not taken */
        free(a->context);
        a->context = NULL;
    }
    if (a->context == NULL)
        return 0;
    for (size_t i = 0; i < sandbox_context_count(run->sandbox); i++) {
        sandbox_context_get(run->sandbox, i, &info);
        if (info.language == language && strcmp(info.name, a->context) == 0)
            return 0;
    }
    if (sandbox_context_create(run->sandbox, language, a->context, &o, &e) < 0)
        return refuse(ret, "%s. Nothing ran.", e.msg);
    return 0;
}

static bool spill(void *arg, const char *name, struct str whole)
{
    struct run *run = arg;
    struct err e = ERR_INIT;

    if (sandbox_put(run->sandbox, name, whole, run->stop, &e) == 0)
        return true;
    ui_warn(run->ui, "the whole text of %s could not be given to the model: %s", name, e.msg);
    return false;
}

static void on_output(void *arg, bool is_stderr, struct str bytes)
{
    struct run *run = arg;

    ui_cell_output(run->ui, is_stderr, bytes);
    events_output(run->events, is_stderr, bytes);
}

/* The sandbox as a whole had to be started again. What was brought out of the old workspace stays
 * ours; the new one holds the attachments only. */
static int begin_anew(struct run *run, struct err *e)
{
    ui_warn(run->ui,
            "the sandbox had ended and was started anew; its files and variables are gone");
    record_event(run->record, "sandbox.restart", NULL);
    /* It was shown by its name: another of that name would be other packages in the same session.
     */
    struct sandbox_info info;
    sandbox_get_info(run->sandbox, &info);
    if (run->env && env_check(run->env, &info, e) < 0)
        return -1;
    return artifacts_baseline(run->artifacts, e);
}

/* One stream of the cell, joined, into cells/N.NAME. The name is added to the event. */
static void record_stream(struct run *run, int number, const struct sandbox_result *r,
                          enum sandbox_item_kind kind, const char *name, cJSON *ev)
{
    cleanup_buf struct buf all = BUF_MAX(SIZE_MAX / 4);
    char file[64];

    for (size_t i = 0; i < r->n_items; i++)
        if (r->items[i].kind == kind)
            buf_put(&all, r->items[i].text, r->items[i].n);
    if (all.n == 0)
        return;
    snprintf(file, sizeof file, "cells/%d.%s", number, name);
    record_file(run->record, file, buf_str(&all));
    cJSON_AddStringToObject(ev, name, file);
}

struct keep {
    struct run *run;
    int cell;
};

/* A picture goes into a file of its own beside the cell's code: the record does not depend on what
 * the code does to the workspace afterwards. */
static bool keep_picture(void *arg, int number, const char *name, const char *ext, struct str bytes,
                         struct buf *ret_file)
{
    struct keep *k = arg;

    (void)name;
    buf_putf(ret_file, "cells/%d-%d.%s", k->cell, number, ext);
    record_file(k->run->record, buf_cstr(ret_file), bytes);
    return true;
}

static void record_cell(struct run *run, const struct chat_call *call,
                        const struct sandbox_cell *cell, const struct sandbox_result *r,
                        const char *files)
{
    int number = cell->number;
    cJSON *ev = cJSON_CreateObject();

    json_add_int(ev, "cell", number);
    json_add_str(ev, "call_id", str_of(call->id));
    cJSON_AddStringToObject(ev, "language", cell->language->name);
    record_stream(run, number, r, ITEM_STDOUT, "stdout", ev);
    record_stream(run, number, r, ITEM_STDERR, "stderr", ev);
    struct keep keep = { run, number };
    struct cell_json_opts opts = { .store = keep_picture, .arg = &keep };
    cell_json_put(ev, r, &opts);
    if (files[0])
        json_add_str(ev, "files", str_of(files));
    record_event(run->record, "cell.end", ev);
}

static void record_start(struct run *run, const struct chat_call *call, const struct code_args *a,
                         const struct sandbox_cell *cell)
{
    int number = cell->number;
    cJSON *ev = cJSON_CreateObject();
    char file[64];

    snprintf(file, sizeof file, "cells/%d.%s", number, cell->language->extension);
    record_file(run->record, file, cell->code);
    json_add_int(ev, "cell", number);
    json_add_str(ev, "call_id", str_of(call->id));
    cJSON_AddStringToObject(ev, "language", cell->language->name);
    cJSON_AddStringToObject(ev, "code", file);
    if (strcmp(cell->context, "default") != 0)
        json_add_str(ev, "context", str_of(cell->context));
    if (a->description)
        json_add_str(ev, "description", str_of(a->description));
    if (a->mended)
        json_add_str(ev, "arguments_mended", str_of(a->mended));
    record_event(run->record, "cell.start", ev);
}

/* The last line of the error, for the user's one-line outcome. */
static char *error_line(const struct sandbox_result *r)
{
    cleanup_buf struct buf b = BUF_MAX(MAX_TRACEBACK_BYTES * 4);

    if (r->error_name == NULL)
        return NULL;
    utf8_clean_line(&b, str_of(r->error_name));
    struct str first, rest = str_of(r->error_value);
    str_cut(&rest, '\n', &first);
    if (first.n) {
        buf_puts(&b, ": ");
        utf8_clean_line(&b, utf8_head(first, 300));
    }
    return buf_steal(&b);
}

/* Python is what one expects; another language is named. */
static void show_begin(struct run *run, const struct sandbox_cell *cell, const char *description)
{
    struct str text = str_trim(description ? str_of(description) : cell->code), line;

    str_cut(&text, '\n', &line);
    cleanup_free char *named = xasprintf("%s: %.*s", cell->language->title, (int)line.n, line.p);
    ui_cell_begin(run->ui, cell->number, cell->language->name,
                  cell->language->start == START_PYTHON ? description : named, cell->code);
}

/* The pictures of a cell, in a terminal that shows them. */
static void show_pictures(struct run *run, int number)
{
    size_t n = artifacts_count(run->artifacts), shown = 0;

    for (size_t i = 0; i < n && shown < MAX_PICTURES_SHOWN; i++) {
        const struct artifact *a = artifacts_get(run->artifacts, i);
        cleanup_buf struct buf png = BUF_MAX(MAX_PICTURE_SHOWN);
        struct err ignored = ERR_INIT;
        cleanup_fd int fd = -1;
        if (a->cell != number || strcmp(a->mime, "image/png") != 0 ||
            (fd = artifacts_open(run->artifacts, i)) < 0 || io_read_fd(fd, &png, &ignored) < 0)
            continue;
        ui_picture(run->ui, buf_str(&png));
        shown++;
    }
}

static void show_end(struct run *run, int number, const struct sandbox_result *r)
{
    cleanup_free char *line = error_line(r);
    size_t all = artifacts_count(run->artifacts), n = 0, lines = 0;
    const char **names = xcalloc(all + 1, sizeof *names);

    for (size_t i = 0; i < all; i++)
        if (artifacts_get(run->artifacts, i)->cell == number)
            names[n++] = artifacts_get(run->artifacts, i)->file;
    for (size_t i = 0; i < r->n_items; i++)
        for (size_t k = 0; r->items[i].kind == ITEM_STDOUT && k < r->items[i].n; k++)
            lines += r->items[i].text[k] == '\n';
    struct ui_cell_end end = {
        .ok = r->status == SANDBOX_OK,
        .status = sandbox_status_word(r->status),
        .error_line = line,
        .duration_us = r->duration_us,
        .stdout_bytes = r->stdout_bytes,
        .stderr_bytes = r->stderr_bytes,
        .stdout_lines = lines,
        .n_artifacts = n,
        .artifacts = names,
    };
    ui_cell_end(run->ui, number, &end);
    free(names);
    show_pictures(run, number);
}

/* New files out of the workspace. A copy that cannot be written is kept for the exit status: the
 * run goes on, because the answer may still come. */
static void collect(struct run *run, int number, struct buf *files)
{
    cleanup_buf struct buf notes = BUF_MAX(MAX_CONF_BYTES);
    struct err e = ERR_INIT;

    if (artifacts_collect(run->artifacts, number, files, &notes, &e) < 0) {
        ui_warn(run->ui, "a file could not be kept: %s", e.msg);
        if (run->artifact_err.code == ERR_NONE)
            run->artifact_err = e;
    }
    struct str rest = buf_str(&notes), line;
    while (rest.n) {
        str_cut(&rest, '\n', &line);
        ui_warn(run->ui, "%.*s", (int)line.n, line.p);
        buf_putstr(files, line);
        buf_putc(files, '\n');
    }
}

/* A missing module: what serves the same end for the model, and once how to have it for the user.
 */
static void advise(struct run *run, const struct sandbox_result *r, struct buf *text)
{
    struct instead in;

    if (run->libraries == NULL || r->status != SANDBOX_ERROR || r->error_name == NULL ||
        strcmp(r->error_name, "ModuleNotFoundError") != 0 ||
        !instead_of(text, str_of(r->error_value), run->libraries, run->conf->network != NULL, &in))
        return;
    if (in.package.n == 0 || run->told_of_env)
        return;
    run->told_of_env = true;
    ui_note(run->ui,
            "%.*s is not installed; `agent env create NAME %.*s' makes an environment with it for "
            "--env NAME",
            (int)in.module.n, in.module.p, (int)in.package.n, in.package.p);
}

static void record_warnings(struct run *run, int number, const struct warnings *w)
{
    cJSON *ev = cJSON_CreateObject();

    json_add_int(ev, "cell", number);
    cJSON_AddBoolToObject(ev, "refused", run->conf->validate == VALIDATE_STRICT);
    warnings_json(w, ev);
    record_event(run->record, "cell.warnings", ev);
}

/* validate = strict: the model is told why nothing ran. */
static int refuse_forbidden(struct run *run, const struct sandbox_cell *cell,
                            const struct warnings *w, struct tool_outcome *ret)
{
    struct ui_cell_end end = { .status = "validation_failed",
                               .error_line = "validation_failed: the settings forbid this code" };
    cJSON *ev = cJSON_CreateObject();

    buf_puts(&ret->text, "validation_failed: this code was not run, because the user's settings "
                         "forbid:\n");
    warnings_text(w, &ret->text);
    buf_puts(&ret->text, "Reach the same end without it.\n");
    ret->is_error = true;
    json_add_int(ev, "cell", cell->number);
    cJSON_AddStringToObject(ev, "status", "validation_failed");
    record_event(run->record, "cell.end", ev);
    ui_cell_end(run->ui, cell->number, &end);
    return 0;
}

/* --ask: 1 = it may run, 0 = the user forbids it and *ret tells the model, -1 = the run ends. */
static int ask_user(struct run *run, const struct sandbox_language *language,
                    const struct code_args *a, struct tool_outcome *ret, struct err *e)
{
    struct consent_cell cell = { run->cells_before + run->cells + 1, language->title,
                                 a->description, str_of(a->code) };
    cleanup_free char *reason = NULL;
    enum consent_answer answer;

    if (run->consent == NULL)
        return 1;
    ui_wait_end(run->ui);
    int r = consent_ask(run->consent, &cell, run->stop, &answer, &reason, e);
    cJSON *ev = cJSON_CreateObject();
    cJSON_AddStringToObject(ev, "answer", r < 0 ? "quit" : answer == CONSENT_YES ? "yes" : "no");
    if (reason)
        json_add_str(ev, "reason", str_of(reason));
    record_event(run->record, "consent", ev);
    if (r < 0 || answer == CONSENT_YES)
        return r < 0 ? -1 : 1;
    ret->is_error = true;
    buf_puts(&ret->text, "Not run: the user looked at this code and does not want it to run.");
    if (reason)
        buf_putf(&ret->text, " The user's reason: %s", reason);
    buf_puts(&ret->text, "\nDo not send the same code again. Reach the end in a way that respects "
                         "this, or answer with what is known and say what is missing.\n");
    return 0;
}

int tool_code_call(struct run *run, const struct sandbox_language *language,
                   const struct chat_call *call, bool cut, struct tool_outcome *ret, struct err *e)
{
    __attribute__((cleanup(args_done))) struct code_args a = { 0 };
    __attribute__((cleanup(sandbox_result_done))) struct sandbox_result r = { 0 };
    __attribute__((cleanup(warnings_done))) struct warnings warnings = { 0 };
    cleanup_buf struct buf files = BUF_MAX(MAX_CONF_BYTES);

    if (parse_args(call, cut, &a, ret) < 0 || choose_context(run, language, &a, ret) < 0)
        return 0;
    int may = ask_user(run, language, &a, ret, e);
    if (may <= 0)
        return may;
    int number = run->cells_before + ++run->cells;
    struct sandbox_cell cell = {
        .context = a.context ? a.context : "default",
        .number = number,
        .code = str_of(a.code),
        .timeout_ms = run->conf->timeout_ms,
        .language = language,
        .spare = run->goes_on,
    };
    events_code(run->events, cell.code);
    record_start(run, call, &a, &cell);
    show_begin(run, &cell, a.description);
    struct sandbox_sink sink = { .output = on_output, .arg = run };
    int revived = sandbox_revive(run->sandbox, run->stop, e);
    if (revived < 0 || (revived > 0 && begin_anew(run, e) < 0))
        return -1;
    if (validate_code(run->conf, run->sandbox, &cell, run->stop, &warnings, e) < 0)
        return -1;
    if (warnings.n)
        record_warnings(run, number, &warnings);
    if (warnings.n && run->conf->validate == VALIDATE_STRICT)
        return refuse_forbidden(run, &cell, &warnings, ret);
    int ran = sandbox_run(run->sandbox, &cell, run->stop, &sink, &r, e);
    network_record(run, false);
    if (ran < 0)
        return -1;
    collect(run, number, &files);
    struct sandbox_info info;
    sandbox_get_info(run->sandbox, &info);
    struct observe_cell oc = { number, (size_t)run->conf->output_cap, cell.timeout_ms,
                               info.output_dir, buf_cstr(&files) };
    if (revived)
        buf_putf(&ret->text,
                 "Before this cell the sandbox had to be started anew: variables and the "
                 "files in the workspace were lost. The workspace is %s; attached files "
                 "are there again.\n",
                 info.workspace_dir);
    observe_cell(&ret->text, &oc, &r, spill, run);
    advise(run, &r, &ret->text);
    pictures_take(run, &r, &ret->images, &ret->n_images, &ret->text);
    observe_digest(cell.code, &r, ret->digest);
    ret->ran = true;
    ret->is_error = r.status != SANDBOX_OK;
    run->cells_ok += r.status == SANDBOX_OK;
    grounding_cell(run, cell.code, &r);
    reporting_cell(run, &cell, a.description, &r);
    record_cell(run, call, &cell, &r, buf_cstr(&files));
    events_cell_end(run->events, &cell, &r, run->artifacts);
    show_end(run, number, &r);
    return 0;
}
