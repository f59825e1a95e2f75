/* agent job new|check|run|list|show|log|install|remove. */
#include "agent/job.h"
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/job_install.h"
#include "agent/program.h"
#include "agent/base/banned.h"

static int print(const struct buf *b, struct err *e)
{
    return io_write_all(STDOUT_FILENO, b->p ? b->p : "", b->n, e) < 0 && e->sys != EPIPE ? -1 : 0;
}

static int make_new(struct program *p, const char *path, struct err *e)
{
    const char *base = io_basename(path);
    cleanup_buf struct buf text = BUF_MAX(MAX_CONF_BYTES);

    if (!str_ends(str_of(base), ".job") || strlen(base) == 4)
        return err_set(e, ERR_USAGE, 0, "%.300s: a job file is named NAME.job", path);
    cleanup_fd int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 && errno == EEXIST)
        return err_set(e, ERR_USAGE, 0, "%.300s is there already", path);
    job_keys_example(&text);
    if (fd < 0 || io_write_all(fd, text.p, text.n, e) < 0)
        return err_set(e, ERR_SYS, errno, "write %.300s", path);
    ui_note(p->run.ui, "%s: edit it, then agent job check %s", path, path);
    return 0;
}

/* Relative paths of a job begin at its folder; those of the command line stay what they are. */
static int go_there(struct program *p, const struct job *j, struct err *e)
{
    cleanup_free char *here = getcwd(NULL, 0);

    if (p->conf.session_dir && p->conf.session_dir[0] != '/' && here) {
        char *whole = io_join(here, p->conf.session_dir);
        free(p->conf.session_dir);
        p->conf.session_dir = whole;
    }
    const char *slash = strrchr(j->path, '/');
    cleanup_free char *dir = slash ? xstrndup(j->path, (size_t)(slash - j->path)) : NULL;

    if (dir && chdir(dir[0] ? dir : "/") < 0)
        return err_set(e, ERR_SYS, errno, "go to %s", dir);
    return 0;
}

static void put(struct buf *out, const char *text, size_t max)
{
    utf8_clean_line(out, utf8_head(str_of(text), max));
}

static void put_last(const struct job *j, struct buf *out)
{
    cleanup_fd int fd = open(j->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cleanup_free char *latest = fd < 0 ? NULL : job_latest(fd);
    cleanup_json cJSON *last = fd < 0 ? NULL : job_last(fd);

    if (latest == NULL || last == NULL) {
        buf_puts(out, "no report yet");
        return;
    }
    put(out, latest, 100);
    buf_puts(out, ", session ");
    put(out, json_str(last, "session"), 60);
    const char *by = json_str(last, "by");
    buf_puts(out, by && strcmp(by, "rerun") == 0    ? ", no model"
                  : by && strcmp(by, "repair") == 0 ? ", repaired by the model"
                                                    : ", by the model");
}

static void put_row(struct buf *out, const char *what, const char *text)
{
    buf_putf(out, "%-11s", what);
    put(out, text, 1000);
    buf_putc(out, '\n');
}

/* What the run is to give, and when. */
static int put_wanted(const struct job *j, time_t now, struct buf *out, struct err *e)
{
    for (size_t i = 0; i < j->n_params; i++) {
        cleanup_buf struct buf value = BUF_MAX(MAX_CONF_BYTES);
        if (job_expand(NULL, j->params[i].value, now, &value, e) < 0)
            return -1;
        cleanup_free char *both = xasprintf("%s = %s", j->params[i].name, buf_cstr(&value));
        put_row(out, "param", both);
    }
    for (size_t i = 0; i < j->outputs.n; i++) {
        cleanup_buf struct buf name = BUF_MAX(MAX_CONF_BYTES);
        if (job_expand(j, j->outputs.v[i], now, &name, e) < 0)
            return -1;
        put_row(out, "output", buf_cstr(&name));
    }
    for (size_t i = 0; i < j->n_checks; i++)
        put_row(out, "check", j->checks[i].text);
    if (j->schedule)
        put_row(out, "schedule", j->schedule);
    return 0;
}

static void show(struct program *p, struct job *j, struct err *e)
{
    cleanup_buf struct buf out = BUF_MAX(MAX_CONF_BYTES * 4), q = BUF_MAX(MAX_PROMPT_BYTES);
    struct job_files files = { NULL, 0 };
    time_t now = time(NULL);

    (void)p;
    if (job_expand_dates(j, j->question, now, &q, e) < 0)
        return;
    buf_puts(&out, "question   ");
    put(&out, buf_cstr(&q), 1000);
    buf_putf(&out, "\nfolder     %s\nmode       %s%s%s\nlatest     ", j->folder,
             j->mode == JOB_MODEL_ALWAYS ? "model-always" : "rerun-first",
             j->no_repair ? ", no repair" : "",
             j->only_if_changed ? ", only if something changed" : "");
    put_last(j, &out);
    buf_putc(&out, '\n');
    int found = job_find_inputs(j, now, &files, e);
    for (size_t i = 0; i < files.n; i++) {
        buf_puts(&out, "input      ");
        put(&out, files.v[i].path, 1000);
        if (files.v[i].name)
            buf_putf(&out, " as %s", files.v[i].name);
        buf_putc(&out, '\n');
    }
    for (size_t i = 0; i < j->n_inputs; i++)
        if (j->inputs[i].is_command) {
            buf_puts(&out, "input      command: ");
            put(&out, j->inputs[i].text, 1000);
            buf_putf(&out, " as %s\n", j->inputs[i].name);
        }
    struct err bad = ERR_INIT; /* what there is, is shown all the same */
    if (put_wanted(j, now, &out, &bad) < 0 && found == 0) {
        *e = bad;
        found = -1;
    }
    for (size_t i = 0; i < j->settings.n; i++)
        put_row(&out, "setting", j->settings.v[i] + 2);
    job_files_done(&files);
    struct err w = ERR_INIT;
    if (print(&out, &w) < 0 && found == 0)
        *e = w;
}

static void show_log(struct program *p, struct job *j, struct err *e)
{
    cleanup_free char *path = io_join(j->folder, JOB_LOG);
    cleanup_buf struct buf text = BUF_MAX(MAX_RECORD_BYTES), out = BUF_MAX(MAX_RECORD_BYTES);
    struct str rest, line;

    (void)p;
    if (access(path, F_OK) < 0) {
        err_set(e, ERR_USAGE, 0, "job %s has not run yet: there is no %s", j->name, path);
        return;
    }
    if (io_read_file(path, &text, e) < 0)
        return;
    for (rest = buf_str(&text); rest.n;) {
        struct err bad = ERR_INIT;
        (void)str_cut(&rest, '\n', &line);
        cleanup_json cJSON *o = json_parse(line, &bad);
        if (o == NULL) /* the line of a run that was killed while it wrote it */
            continue;
        const char *by = json_str(o, "by"), *to = json_str(o, "folder"),
                   *message = json_str(o, "message");
        put(&out, json_str(o, "time"), 40);
        buf_puts(&out, "  ");
        put(&out, json_str(o, "status"), 20);
        if (by && to) {
            buf_puts(&out, "  ");
            put(&out, by, 20);
        }
        buf_puts(&out, "  ");
        put(&out, to ? to : message, 300);
        buf_putc(&out, '\n');
    }
    (void)print(&out, e);
}

static int list(struct program *p, const char *dir, struct err *e)
{
    cleanup_buf struct buf out = BUF_MAX(MAX_RECORD_BYTES), table = BUF_MAX(MIB);
    struct err no_cron = ERR_INIT;
    glob_t g;

    if (chdir(dir) < 0)
        return err_set(e, ERR_USAGE, errno, "agent job list: %.300s", dir);
    int r = glob("*.job", 0, NULL, &g);
    if (r == 0)
        (void)job_cron_read(p, &table, &no_cron); /* without cron nothing is installed by it */
    for (size_t i = 0; r == 0 && i < g.gl_pathc; i++) {
        struct err bad = ERR_INIT;
        struct job j;
        put(&out, g.gl_pathv[i], 200);
        buf_puts(&out, "  ");
        if (job_read(g.gl_pathv[i], &j, &bad) < 0) {
            put(&out, bad.msg, 400);
        } else {
            put_last(&j, &out);
            buf_puts(&out, "; ");
            job_say_installed(&j, buf_str(&table), &out);
            job_done(&j);
        }
        buf_putc(&out, '\n');
    }
    if (r == 0)
        globfree(&g);
    return print(&out, e);
}

/* A run would be refused with it. */
static int refuse_empty(const struct job_files *files, struct err *e)
{
    struct stat st;

    for (size_t i = 0; i < files->n; i++)
        if (stat(files->v[i].path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 0)
            return err_set(e, ERR_USAGE, 0, "input %.300s: is empty (0 bytes) now",
                           files->v[i].path);
    return 0;
}

static void check(struct program *p, struct job *j, struct err *e)
{
    struct job_files files = { NULL, 0 };

    if (job_find_inputs(j, time(NULL), &files, e) == 0 && refuse_empty(&files, e) == 0 &&
        (!j->schedule || job_say_schedule(p, j, e) == 0))
        ui_note(p->run.ui, "job %s can run: %zu input file%s now; reports go to %s", j->name,
                files.n, files.n == 1 ? "" : "s", j->folder);
    job_files_done(&files);
}

/* What takes a job file that is there, with its folder as the current directory. */
static const struct {
    const char *word;
    void (*run)(struct program *p, struct job *j, struct err *e);
} verbs[] = {
    { "check", check },  { "run", job_run },         { "show", show },
    { "log", show_log }, { "install", job_install },
};

void job_command(struct program *p, struct err *why)
{
    const struct conf *c = &p->conf;
    const char *word = c->n_args ? c->args[0] : "";
    bool is_list = strcmp(word, "list") == 0, is_new = strcmp(word, "new") == 0,
         is_remove = strcmp(word, "remove") == 0;
    size_t verb = 0;
    struct job j;

    while (verb < ARRAY_LEN(verbs) && strcmp(verbs[verb].word, word) != 0)
        verb++;
    if (verb == ARRAY_LEN(verbs) && !is_list && !is_new && !is_remove)
        err_set(why, ERR_USAGE, 0,
                "agent job takes new, check, run, list, show, log, install or remove: agent job "
                "--help");
    else if (c->cron && strcmp(word, "install") != 0)
        err_set(why, ERR_USAGE, 0, "--cron is a flag of agent job install");
    else if (is_list && c->n_args <= 2)
        list(p, c->n_args == 2 ? c->args[1] : ".", why);
    else if (c->n_args != 2)
        err_set(why, ERR_USAGE, 0, "agent job %s takes one job file", word);
    else if (is_new)
        make_new(p, c->args[1], why);
    else if (is_remove)
        job_remove(p, c->args[1], why);
    else if (job_read(c->args[1], &j, why) == 0) {
        if (job_params_override(&j, &c->param, why) == 0 && go_there(p, &j, why) == 0)
            verbs[verb].run(p, &j, why);
        job_done(&j);
    }
}
