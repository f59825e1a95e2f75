/* agent exec: the sandboxed interpreter on its own, with no model, no key and no record.
 *
 * Code from a file, standard input or -c becomes units, each of a context. A program's units run as
 * python3 would run them; a notebook's (--notebook, --json) as cells. Output goes out as it comes,
 * byte by byte, except to a terminal, where what could drive it is made visible. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/cell_json.h"
#include "agent/program.h"
#include "agent/terminal.h"
#include "agent/validate.h"
#include "agent/base/banned.h"

#define STATUS_EXCEPTION 1
#define STATUS_TIME 124   /* as timeout(1) gives it */
#define STATUS_LIMIT 137  /* killed: memory, output */
#define STATUS_SIGNAL 128 /* plus its number */

/* A piece of code. */
struct unit {
    struct str code;
    const char *script, *context;
};

struct exec {
    struct program *p;
    const struct sandbox_language *language;
    struct unit *units;
    size_t n;
    struct buf text;   /* of a file or standard input */
    char *script;      /* the file's name in the workspace, later its place */
    const char *argv0; /* as sys.argv shows it */
    const char **argv; /* NULL-terminated */
    bool stdin_is_code;
    struct stop stop; /* ends the run as well when nobody reads the output any more */
    struct terminal terminal[2];
    bool is_terminal[2];
    cJSON *cells; /* --json: of each unit that ran */
    int unread;   /* errno of a stream that takes nothing more; 0 = all is well */
};

static void exec_done(struct exec *x)
{
    cJSON_Delete(x->cells);
    buf_free(&x->text);
    free(x->units);
    free(x->script);
    free(x->argv);
}

/* --- the code --- */

static int check_length(struct str code, struct err *e)
{
    size_t chars = 0;

    for (size_t i = 0; i < code.n; i++)
        chars += ((unsigned char)code.p[i] & 0xC0) != 0x80;
    if (chars > MAX_CODE_CHARS)
        return err_set(e, ERR_USAGE, 0,
                       "the code has %zu characters; the limit is %d. Split it, and attach what is "
                       "data or a module of its own (-f)",
                       chars, MAX_CODE_CHARS);
    return 0;
}

static int read_code(struct exec *x, int fd, const char *what, struct err *e)
{
    x->text = (struct buf)BUF_MAX(MAX_CODE_CHARS * 4 + 1);
    if (io_read_fd(fd, &x->text, e) < 0) {
        if (e->code == ERR_LIMIT)
            return err_set(e, ERR_USAGE, 0, "%s: the code is longer than %d characters", what,
                           MAX_CODE_CHARS);
        return err_wrap(e, "%s", what);
    }
    return check_length(buf_str(&x->text), e);
}

static int read_standard_input(struct exec *x, struct err *e)
{
    if (x->p->conf.n_args == 0 && isatty(STDIN_FILENO))
        return err_set(e, ERR_USAGE, 0,
                       "no code: agent exec FILE, agent exec -c CODE, or agent exec - to read it "
                       "from standard input; agent exec --help shows more");
    x->stdin_is_code = true;
    return read_code(x, STDIN_FILENO, "standard input", e);
}

/* The script as an attachment, so that it lies beside the code's files under its own name. */
static int attach_script(struct exec *x, const char *path, struct err *e)
{
    struct program *p = x->p;
    cleanup_buf struct buf notices = BUF_MAX(MAX_CONF_BYTES);

    for (size_t i = 0; i < p->files.n; i++)
        if (strcmp(p->files.v[i].path, path) == 0) {
            x->script = xstrdup(p->files.v[i].name);
            return 0;
        }
    if (attach_add(&p->files, path, &notices, e) < 0)
        return -1;
    program_warn_lines(p->run.ui, buf_str(&notices));
    x->script = xstrdup(p->files.v[p->files.n - 1].name);
    return 0;
}

static int read_file(struct exec *x, const char *path, struct err *e)
{
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set(e, ERR_USAGE, errno, "cannot open %s", path);
    if (S_ISDIR(st.st_mode))
        return err_set(e, ERR_USAGE, 0, "%s is a directory; name a file of Python", path);
    if (read_code(x, fd, path, e) < 0)
        return -1;
    /* A pipe or an empty file is code, and nothing to attach. */
    if (S_ISREG(st.st_mode) && st.st_size > 0)
        return attach_script(x, path, e);
    x->script = xstrdup(io_basename(path));
    return 0;
}

static void add_unit(struct exec *x, struct str code, const char *script)
{
    x->units[x->n++] = (struct unit){ code, script, "default" };
}

static int name_contexts(struct exec *x, struct err *e)
{
    const struct conf_list *names = &x->p->conf.context;

    if (names->n > 1 && names->n != x->n)
        return err_set(e, ERR_USAGE, 0,
                       "%zu --context for %zu pieces of code; give one for all, or one for each -c",
                       names->n, x->n);
    for (size_t i = 0; names->n && i < x->n; i++)
        x->units[i].context = names->v[names->n == 1 ? 0 : i];
    return 0;
}

static int gather(struct exec *x, struct err *e)
{
    const struct conf *c = &x->p->conf;
    size_t first = 0; /* of the code's own arguments */

    x->units = xcalloc(c->code.n + 1, sizeof *x->units);
    for (size_t i = 0; i < c->code.n; i++) {
        if (check_length(str_of(c->code.v[i]), e) < 0)
            return -1;
        add_unit(x, str_of(c->code.v[i]), "<string>");
    }
    if (c->code.n) {
        x->argv0 = "-c";
    } else if (c->n_args == 0 || strcmp(c->args[0], "-") == 0) {
        if (read_standard_input(x, e) < 0)
            return -1;
        add_unit(x, buf_str(&x->text), "<stdin>");
        x->argv0 = c->n_args ? "-" : "";
        first = c->n_args > 0;
    } else {
        if (read_file(x, c->args[0], e) < 0)
            return -1;
        add_unit(x, buf_str(&x->text), x->script);
        x->argv0 = c->args[0];
        first = 1;
    }
    x->argv = xcalloc(c->n_args + 2, sizeof *x->argv);
    x->argv[0] = x->argv0;
    for (size_t i = first; i < c->n_args; i++)
        x->argv[1 + i - first] = c->args[i];
    return name_contexts(x, e);
}

/* --- the run --- */

static void on_output(void *arg, bool is_stderr, struct str bytes)
{
    struct exec *x = arg;
    struct err e = ERR_INIT;
    cleanup_buf struct buf clean = BUF_MAX(SIZE_MAX / 4);

    if (x->unread)
        return;
    if (x->is_terminal[is_stderr]) {
        terminal_filter(&x->terminal[is_stderr], bytes, &clean);
        bytes = buf_str(&clean);
    }
    if (io_write_all(is_stderr ? STDERR_FILENO : STDOUT_FILENO, bytes.p, bytes.n, &e) < 0) {
        x->unread = e.sys ? e.sys : EIO;
        x->stop.deadline_ms = 1; /* long past: the code is ended */
    }
}

static void print(struct exec *x, bool is_stderr, const char *text)
{
    struct str s = str_of(text);

    on_output(x, is_stderr, s);
    if (s.n && s.p[s.n - 1] != '\n')
        on_output(x, is_stderr, STR("\n"));
}

/* --notebook: a value as text, a picture by its file's name. */
static void on_result(void *arg, const struct sandbox_item *it, int number)
{
    struct exec *x = arg;

    (void)number;
    if (x->p->conf.json || !x->p->conf.notebook)
        return;
    for (size_t i = 0; i < it->n_reprs && !it->file; i++)
        if (strcmp(it->reprs[i].mime, "text/plain") == 0)
            print(x, false, it->reprs[i].data);
}

static void on_error(void *arg, const char *name, const char *value, const char *traceback,
                     int line)
{
    struct exec *x = arg;

    (void)line;
    if (x->p->conf.json)
        return;
    /* A program that ends with a status has said what it had to say. */
    if (x->language->start != START_PYTHON &&
        (strcmp(name, "ExitStatus") == 0 || strcmp(name, "Exit") == 0))
        return;
    if (strcmp(name, "SystemExit") != 0)
        print(x, true, traceback);
    else if (value[0] < '0' || value[0] > '9') /* a text instead of a status */
        print(x, true, value);
}

/* --- files, in and out --- */

/* PATH:NAME at the last colon; without one, or where `whole` exists as it is, NULL. Ends the first
 * part. */
static char *split(char *text, bool whole)
{
    char *colon = whole && access(text, F_OK) == 0 ? NULL : strrchr(text, ':');

    if (colon == NULL || colon[1] == '\0')
        return NULL;
    *colon = '\0';
    return colon + 1;
}

static int put_file(struct exec *x, const char *arg, struct err *e)
{
    cleanup_free char *path = xstrdup(arg);
    const char *name = split(path, true);
    struct stat st;
    cleanup_fd int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set(e, ERR_USAGE, errno, "--put: cannot open %s", path);
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_USAGE, 0, "--put: %s is no plain file", path);
    if (sandbox_file_write(x->p->run.sandbox, str_of(name ? name : io_basename(path)), fd,
                           &x->p->stop, e) < 0)
        return err_wrap(e, "--put %s", path);
    return 0;
}

static int copy_out(int in, int out, int64_t size, struct err *e)
{
    char tmp[65536];

    for (int64_t left = size; left > 0;) {
        ssize_t n = read(in, tmp, left < (int64_t)sizeof tmp ? (size_t)left : sizeof tmp);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0 ? 0 : err_set(e, ERR_SYS, errno, "read");
        if (io_write_all(out, tmp, (size_t)n, e) < 0)
            return -1;
        left -= n;
    }
    return 0;
}

static int get_file(struct exec *x, const char *arg, struct err *e)
{
    cleanup_free char *name = xstrdup(arg);
    const char *to = split(name, false);
    cleanup_buf struct buf own = BUF_MAX(4096);
    int64_t size;

    cleanup_fd int in = sandbox_file_open(x->p->run.sandbox, str_of(name), &size, e);
    if (in < 0)
        return err_wrap(e, "--get");
    if (size > (int64_t)MAX_ARTIFACT_BYTES)
        return err_set(e, ERR_LIMIT, 0, "--get %s: %" PRId64 " bytes is over the limit of %llu",
                       name, size, MAX_ARTIFACT_BYTES);
    artifact_file_name(&own, str_of(io_basename(name)));
    if (to == NULL)
        to = buf_cstr(&own);
    cleanup_fd int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (out < 0)
        return err_set(e, ERR_SYS, errno, "--get: write %s", to);
    return copy_out(in, out, size, e) < 0 ? err_wrap(e, "--get %s", name) : 0;
}

static int make_contexts(struct exec *x, struct err *e)
{
    const struct conf *c = &x->p->conf;
    cleanup_free const char **env = xcalloc(c->setenv.n + 1, sizeof *env);

    for (size_t i = 0; i < c->setenv.n; i++)
        env[i] = c->setenv.v[i];
    for (size_t i = 0; i < x->n; i++) {
        bool known = false;
        for (size_t k = 0; k < i; k++)
            known = known || strcmp(x->units[k].context, x->units[i].context) == 0;
        struct sandbox_context_options o = {
            .cwd = c->cwd,
            .env = env,
            /* One reader only, or each would get a part of it. */
            .input = i == 0 && !x->stdin_is_code ? STDIN_FILENO : -1,
        };
        if (!known &&
            sandbox_context_create(x->p->run.sandbox, x->language, x->units[i].context, &o, e) < 0)
            return -1;
    }
    return 0;
}

static int start(struct exec *x, struct err *e)
{
    struct program *p = x->p;
    struct run *r = &p->run;

    r->record = record_new(NULL, NULL, true, e); /* gives the run its number, and keeps nothing */
    if (r->record == NULL || program_start_sandbox(p, e) < 0 ||
        sandbox_wait_ready(r->sandbox, &p->stop, e) < 0)
        return -1;
    if (program_sandbox_ready(p, e) < 0)
        return -1;
    if (x->script) { /* where the workspace lies is known only now */
        struct sandbox_info info;
        sandbox_get_info(r->sandbox, &info);
        char *path = io_join(info.workspace_dir, x->script);
        free(x->script);
        x->units[0].script = x->script = path;
    }
    for (size_t i = 0; i < x->n; i++)
        if (memmem(x->units[i].code.p, x->units[i].code.n, "matplotlib", 10) ||
            memmem(x->units[i].code.p, x->units[i].code.n, "seaborn", 7)) {
            if (fonts_make(&p->fonts, r->sandbox, r->ui, &p->stop, e) < 0)
                return -1;
            break;
        }
    for (size_t i = 0; i < p->conf.put.n; i++)
        if (put_file(x, p->conf.put.v[i], e) < 0)
            return -1;
    if (p->conf.get.n && p->conf.out_dir == NULL)
        return make_contexts(x, e);
    cleanup_free char *dir = p->conf.out_dir ? xstrdup(p->conf.out_dir)
                                             : xasprintf("agent-files-%s", record_id(r->record));
    r->artifacts = artifacts_new(sandbox_workspace_fd(r->sandbox), -1, NULL, dir);
    if (artifacts_baseline(r->artifacts, e) < 0)
        return -1;
    return make_contexts(x, e);
}

__attribute__((format(printf, 2, 3))) static void say(struct ui *ui, const char *fmt, ...)
{
    cleanup_buf struct buf b = BUF_MAX(1024);
    struct err e = ERR_INIT;
    va_list ap;

    va_start(ap, fmt);
    buf_vputf(&b, fmt, ap);
    va_end(ap);
    err_set(&e, ERR_LIMIT, 0, "%s", buf_cstr(&b));
    ui_error(ui, &e);
}

static int status_of(struct exec *x, const struct sandbox_result *r)
{
    struct ui *ui = x->p->run.ui;
    const struct conf *c = &x->p->conf;

    switch (r->status) {
    case SANDBOX_OK:
        return 0;
    case SANDBOX_ERROR:
        if (strcmp(r->error_name, "SystemExit") == 0) {
            long long n;
            return str_to_ll(str_of(r->error_value), &n) ? (int)(n & 255) : STATUS_EXCEPTION;
        }
        return r->exit_code ? r->exit_code : STATUS_EXCEPTION;
    case SANDBOX_TIMEOUT:
    case SANDBOX_KILLED_TIME:
        say(ui, "the code was ended at its time limit of %g s (--timeout)",
            (double)c->timeout_ms / 1000);
        return STATUS_TIME;
    case SANDBOX_MEMORY:
        say(ui, "the code was killed at its memory limit of %" PRId64 " MiB (--memory)",
            c->memory_bytes / MIB);
        return STATUS_LIMIT;
    case SANDBOX_OUTPUT:
        say(ui, "the code was killed at the output limit: it printed more than %lld MiB",
            MAX_WRITTEN_BYTES / MIB);
        return STATUS_LIMIT;
    case SANDBOX_DIED:
        if (r->signal == 0)
            return r->exit_code;
        say(ui, "the code died of signal %d (%s)%s", r->signal, strsignal(r->signal),
            r->signal == SIGXCPU ? ": its processor time was used up (--cpu-time)" : "");
        return STATUS_SIGNAL + r->signal;
    }
    return STATUS_EXCEPTION;
}

/* Files out of the workspace; what cannot be kept is an error of the run. */
static int collect(struct exec *x, int number, struct err *e)
{
    cleanup_buf struct buf lines = BUF_MAX(MAX_CONF_BYTES), notes = BUF_MAX(MAX_CONF_BYTES);
    if (x->p->run.artifacts == NULL)
        return 0;
    int n = artifacts_collect(x->p->run.artifacts, number, &lines, &notes, e);

    program_warn_lines(x->p->run.ui, buf_str(&notes));
    return n;
}

static void keep_json(struct exec *x, const struct sandbox_cell *cell,
                      const struct sandbox_result *r, const struct warnings *w, int status)
{
    cJSON *o = cJSON_CreateObject(), *list = cJSON_CreateArray();
    struct cell_json_opts opts = { .logs = true };

    json_add_str(o, "context", str_of(cell->context));
    cell_json_put(o, r, &opts);
    json_add_int(o, "exit_status", status);
    warnings_json(w, o);
    const struct artifacts *all = x->p->run.artifacts;
    for (size_t i = 0; all && i < artifacts_count(all); i++) {
        if (artifacts_get(all, i)->cell == cell->number)
            cJSON_AddItemToArray(list, artifacts_json(all, i));
    }
    cJSON_AddItemToObject(o, "artifacts", list);
    cJSON_AddItemToArray(x->cells, o);
}

/* validate = strict: nothing ran. */
static void refuse(struct exec *x, const struct sandbox_cell *cell, const struct warnings *w)
{
    cleanup_buf struct buf text = BUF_MAX(64 * KIB);

    warnings_text(w, &text);
    while (text.n && text.p[text.n - 1] == '\n')
        text.p[--text.n] = '\0';
    say(x->p->run.ui,
        "validation_failed: the code was not run, since validate = strict forbids\n%s",
        buf_cstr(&text));
    if (!x->p->conf.json)
        return;
    cJSON *o = cJSON_CreateObject();
    json_add_str(o, "context", str_of(cell->context));
    json_add_str(o, "status", STR("validation_failed"));
    cJSON_AddArrayToObject(o, "results");
    cJSON *err = cJSON_AddObjectToObject(o, "error");
    json_add_str(err, "name", STR("validation_failed"));
    json_add_str(err, "value", buf_str(&text));
    json_add_str(err, "traceback", STR(""));
    json_add_int(err, "line", w->v[0].line);
    json_add_int(o, "exit_status", STATUS_EXCEPTION);
    warnings_json(w, o);
    cJSON_AddArrayToObject(o, "artifacts");
    cJSON_AddItemToArray(x->cells, o);
}

/* The one object: the last piece of code's own members, and all pieces in `cells` when there are
 * several. */
static int print_json(struct exec *x, struct err *e)
{
    int n = cJSON_GetArraySize(x->cells);
    cleanup_json cJSON *last =
        n ? cJSON_Duplicate(cJSON_GetArrayItem(x->cells, n - 1), true) : NULL;

    if (last == NULL)
        return 0;
    if (x->n > 1)
        cJSON_AddItemToObject(last, "cells", steal_ptr(&x->cells));
    cleanup_free char *text = json_text(last);
    if (io_write_all(STDOUT_FILENO, text, strlen(text), e) < 0 ||
        io_write_all(STDOUT_FILENO, "\n", 1, e) < 0) {
        x->unread = e->sys ? e->sys : EIO;
        return -1;
    }
    return 0;
}

static int run_unit(struct exec *x, size_t i, int *ret_status, struct err *e)
{
    __attribute__((cleanup(sandbox_result_done))) struct sandbox_result r = { 0 };
    __attribute__((cleanup(warnings_done))) struct warnings warnings = { 0 };
    const struct conf *c = &x->p->conf;
    bool last = true;

    for (size_t k = i + 1; k < x->n; k++)
        last = last && strcmp(x->units[k].context, x->units[i].context) != 0;
    struct sandbox_program_unit program = { x->units[i].script, x->argv, last };
    struct sandbox_cell cell = {
        .context = x->units[i].context,
        .number = (int)i + 1,
        .code = x->units[i].code,
        .timeout_ms = c->timeout_ms,
        .program = c->notebook || c->json || x->language->start != START_PYTHON ? NULL : &program,
        .language = x->language,
    };
    if (validate_code(c, x->p->run.sandbox, &cell, &x->stop, &warnings, e) < 0)
        return -1;
    if (c->validate == VALIDATE_STRICT && warnings.n) {
        refuse(x, &cell, &warnings);
        *ret_status = STATUS_EXCEPTION;
        return 0;
    }
    struct sandbox_sink sink = {
        .output = c->json ? NULL : on_output, .result = on_result, .error = on_error, .arg = x
    };
    if (sandbox_run(x->p->run.sandbox, &cell, &x->stop, &sink, &r, e) < 0)
        return -1;
    if (r.status == SANDBOX_DIED && r.error_name) /* the language's runtime did not start */
        return err_set(e, ERR_SANDBOX, 0, "%s", r.error_value);
    if (collect(x, cell.number, e) < 0)
        return -1;
    *ret_status = status_of(x, &r);
    if (c->json)
        keep_json(x, &cell, &r, &warnings, *ret_status);
    return 0;
}

static int run_all(struct exec *x, struct err *e)
{
    int status = 0;

    for (size_t i = 0; i < x->n && status == 0; i++)
        if (run_unit(x, i, &status, e) < 0)
            break;
    for (size_t i = 0; i < x->p->conf.get.n && e->code == ERR_NONE; i++)
        get_file(x, x->p->conf.get.v[i], e);
    if (x->p->conf.json && x->unread == 0)
        print_json(x, e);
    program_show_artifacts(x->p);
    if (x->unread) { /* what python3 would have died of */
        *e = (struct err)ERR_INIT;
        status = STATUS_SIGNAL + SIGPIPE;
        if (x->unread != EPIPE)
            return err_set(e, ERR_SYS, x->unread, "the output could not be written");
    }
    x->p->exit_status = e->code == ERR_NONE ? status : -1;
    return 0;
}

void exec_command(struct program *p, struct err *why)
{
    __attribute__((cleanup(exec_done))) struct exec x = { .p = p };

    x.language = languages_chosen(&p->conf, why);
    if (x.language == NULL || validate_patterns(&p->conf, why) < 0 || program_attach(p, why) < 0 ||
        gather(&x, why) < 0 || start(&x, why) < 0)
        return;
    x.cells = cJSON_CreateArray();
    x.stop = p->stop;
    x.is_terminal[0] = isatty(STDOUT_FILENO);
    x.is_terminal[1] = isatty(STDERR_FILENO);
    run_all(&x, why);
}
