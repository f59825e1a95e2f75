/* One run of a job: inputs found, code run again or a model asked, checked, published. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/sha256.h"
#include "agent/base/utf8.h"
#include "agent/conf_table.h"
#include "agent/job_child.h"
#include "agent/job_parts.h"
#include "agent/program.h"
#include "agent/saved.h"
#include "agent/base/banned.h"

#define STATUS_USAGE 2
#define STATUS_CHECK 9

struct job_work {
    struct program *p;
    struct job *j;
    int folder_fd;
    char *question, *stage; /* dates put in; the name of the folder in the making */
    struct job_files files;
    char print[65];                    /* of the job and all it reads */
    struct conf_list reports, exports; /* outputs, dates put in, by who makes them */
    cJSON *last;                       /* job.json of the latest report; NULL = none */
    cJSON *params;                     /* with their values */
    cJSON *numbers;                    /* that the run published */
    cJSON *result;                     /* what the run said */
    enum { BY_MODEL, BY_RERUN, BY_REPAIR } by;
    char *name; /* of the report: the time */
    bool published;
};

static void work_done(struct job_work *w)
{
    if (w->name)
        job_leave(w->folder_fd, w->name);
    /* A failed run's record can be run again on them, until the next run. */
    if (w->folder_fd >= 0 && !w->published && json_str(w->result, "record") == NULL)
        job_clean_inputs(w->folder_fd);
    cleanup_closep(&w->folder_fd);
    free(w->question);
    free(w->stage);
    free(w->name);
    job_files_done(&w->files);
    conf_list_done(&w->reports);
    conf_list_done(&w->exports);
    cJSON_Delete(w->last);
    cJSON_Delete(w->numbers);
    cJSON_Delete(w->params);
    cJSON_Delete(w->result);
}

/* Of the job's file, its question as it is written, and the bytes of all inputs. */
static int fingerprint(struct job_work *w, struct err *e)
{
    cleanup_buf struct buf text = BUF_MAX(MAX_CONF_BYTES);
    struct sha256 h;

    if (io_read_file(io_basename(w->j->path), &text, e) < 0 ||
        job_hash_inputs(&w->files, &w->p->stop, e) < 0)
        return -1;
    sha256_init(&h);
    sha256_put(&h, w->j->question, strlen(w->j->question) + 1);
    sha256_put(&h, text.p, text.n);
    for (size_t i = 0; i < w->files.n; i++) {
        const char *name = w->files.v[i].name ? w->files.v[i].name : "";
        sha256_put(&h, name, strlen(name) + 1);
        sha256_put(&h, w->files.v[i].sha256, sizeof w->files.v[i].sha256);
    }
    sha256_hex(&h, w->print);
    return 0;
}

/* The SHA-256 of an input as the run read it; "" = not told. */
static const char *read_sum(const struct job_work *w, const struct job_found *f)
{
    const char *called = f->name ? f->name : io_basename(f->path);
    const cJSON *one;

    cJSON_ArrayForEach(one, json_arr(w->result, "inputs"))
    {
        const char *name = json_str(one, "name"), *sum = json_str(one, "sha256");
        if (name && sum && strcmp(name, called) == 0)
            return sum;
    }
    return "";
}

/* Did the run read what the fingerprint is of? The code can read a file at any time of the run; one
 * that another took the place of was read as the one or the other. */
static int check_same(struct job_work *w, struct err *e)
{
    for (size_t i = 0; i < w->files.n; i++) {
        const struct job_found *f = &w->files.v[i];
        const char *sum = read_sum(w, f);
        struct stat st;
        bool same = stat(f->path, &st) == 0 && st.st_ino == f->ino;
        if ((*sum && strcmp(sum, f->sha256) != 0) ||
            (same && (st.st_size != f->bytes || st.st_mtim.tv_sec != f->mtime.tv_sec ||
                      st.st_mtim.tv_nsec != f->mtime.tv_nsec)))
            return err_set(e, ERR_CHECK, 0,
                           "input: %.300s changed while the run read it: run the job again when it "
                           "is complete",
                           f->path);
    }
    return 0;
}

/* --- the run --- */

static bool takes(enum conf_command command, const char *flag)
{
    struct str name = str_of(flag), head;
    char key[100];
    size_t n = 0;

    (void)str_cut(&name, '=', &head);
    for (size_t i = 2; i < head.n && n < sizeof key - 1; i++)
        key[n++] = head.p[i] == '-' ? '_' : head.p[i];
    int i = conf_find((struct str){ key, n });
    return i >= 0 && conf_in_scope(&conf_table[i], command);
}

/* agent ask or agent rerun, into the folder in the making. Its exit status; -1 = *e. */
static int run_agent(struct job_work *w, const char *session, struct err *e)
{
    enum conf_command command = session ? CMD_RERUN : CMD_ASK;
    struct conf_list own = { NULL, 0 };
    cleanup_buf struct buf out = BUF_MAX(MAX_REPLY_BYTES * 4);
    cleanup_free char *word = NULL;
    size_t n = 0;

#define ADD(...)                                                                                   \
    do {                                                                                           \
        word = xasprintf(__VA_ARGS__);                                                             \
        conf_list_add(&own, word);                                                                 \
        free(word);                                                                                \
        word = NULL;                                                                               \
    } while (0)
    for (size_t i = 0; i < w->j->settings.n; i++)
        if (takes(command, w->j->settings.v[i]))
            ADD("%s", w->j->settings.v[i]);
    if (w->p->conf.session_dir)
        ADD("--session-dir=%s", w->p->conf.session_dir);
    for (size_t i = 0; i < w->files.n; i++)
        ADD("--file=%s%s%s", w->files.v[i].path, w->files.v[i].name ? ":" : "",
            w->files.v[i].name ? w->files.v[i].name : "");
    ADD("--out-dir=%s/%s/files", w->j->folder, w->stage);
    ADD("--output=%s/%s/answer.md", w->j->folder, w->stage);
    for (size_t i = 0; i < w->reports.n; i++)
        ADD("--report=%s/%s/%s", w->j->folder, w->stage, w->reports.v[i]);
    for (size_t i = 0; i < w->j->n_checks; i++)
        if (w->j->checks[i].code)
            ADD("--check=%s", w->j->checks[i].code);
    ADD("--output-format=json");
    ADD(w->p->conf.verbose ? "--verbose" : "--quiet");
    if (session == NULL)
        ADD("--stdin=no");
    else if (w->j->no_repair)
        ADD("--strict"); /* numbers of the earlier data in the text fail it too */
    if (session)
        ADD("--repair=%s", w->j->no_repair ? "never" : "auto");
#undef ADD
    cleanup_free const char **v = xcalloc(own.n + 8, sizeof *v);
    v[n++] = "/proc/self/exe";
    v[n++] = session ? "rerun" : "ask";
    for (size_t i = 0; i < own.n; i++)
        v[n++] = own.v[i];
    v[n++] = "--";
    v[n++] = session ? session : w->question;
    struct job_child child = { .argv = v, .in = -1, .take = job_child_append, .arg = &out };
    int status = job_child_run(&child, &w->p->stop, e);
    conf_list_done(&own);
    if (status < 0)
        return -1;
    struct err bad = ERR_INIT;
    cJSON_Delete(w->result);
    w->result = json_parse(buf_str(&out), &bad);
    if (status == 0 && (w->result == NULL || json_str(w->result, "thread_id") == NULL))
        return err_set(e, ERR_INTERNAL, 0, "the run gave no result: %s", bad.msg);
    return status;
}

static int make_stage(struct job_work *w, struct err *e)
{
    struct err ignored = ERR_INIT;

    if (w->stage)
        (void)io_remove_tree(w->folder_fd, w->stage, &ignored);
    free(w->stage);
    w->stage = job_stage(w->name);
    if (mkdirat(w->folder_fd, w->stage, 0777) < 0)
        return err_set(e, ERR_SYS, errno, "make %s/%s", w->j->folder, w->stage);
    return 0;
}

static const char *what_to_do(const char *message)
{
    return strstr(message, strerror(ENOSPC)) ? " (free some room there, then run the job again)"
                                             : "";
}

static int failed(struct job_work *w, int status, struct err *e)
{
    const char *message = json_str(w->result, "message"), *record = json_str(w->result, "record");
    cleanup_buf struct buf clean = BUF_MAX(8192);

    utf8_clean_line(&clean, utf8_head(str_of(message ? message : "it ended early"), 400));
    w->p->exit_status = status ? status : 1;
    return err_set(e, ERR_CHECK, 0, "the run failed: %s%s%s%.200s", buf_cstr(&clean),
                   what_to_do(buf_cstr(&clean)), record ? ". Its record: " : "",
                   record ? record : "");
}

static void tell_repair(struct job_work *w)
{
    const cJSON *repair = json_obj(w->result, "repair");
    const char *why = json_str(repair, "why");
    int64_t cell = json_int(repair, "cell", 0);
    cleanup_free char *where = cell > 0 ? xasprintf("cell %lld: ", (long long)cell) : xstrdup("");

    ui_note(w->p->run.ui, "the code of before did not do (%s%s): the model has repaired it%s",
            where, why ? why : "", json_str(repair, "diff") ? ", see " JOB_DIFF : "");
}

/* What the repair changed in the code, beside the report. */
static int keep_diff(struct job_work *w, struct err *e)
{
    const char *record = json_str(w->result, "record");
    const char *diff = json_str(json_obj(w->result, "repair"), "diff");
    cleanup_buf struct buf text = BUF_MAX(MAX_STREAM_BYTES * 4);

    if (record == NULL || diff == NULL)
        return 0;
    cleanup_free char *from = io_join(record, JOB_DIFF), *to = io_join(w->stage, JOB_DIFF);
    if (io_read_file(from, &text, e) < 0 ||
        io_write_atomic(w->folder_fd, to, buf_str(&text), 0666, e) < 0)
        return err_wrap(e, "what the repair changed");
    return 0;
}

/* 1: the code of before does with other values of the parameters; 0: the model is to be asked. */
static int params_fit(struct job_work *w, const char *session, struct err *e)
{
    cleanup_json cJSON *none = cJSON_CreateObject();
    const cJSON *before = json_obj(w->last, "params");
    cleanup_free char *root = conf_session_root(&w->p->conf, e), *why = NULL;
    struct err gone = ERR_INIT;

    if (root == NULL)
        return -1;
    cleanup_free char *dir = saved_find(root, session, &gone);
    if (dir == NULL) /* the run says what is the matter with it */
        return 1;
    if (job_params_free_of(dir, w->params, before ? before : none, &why, e) < 0)
        return -1;
    if (why)
        ui_note(w->p->run.ui, "%s: the model is asked", why);
    return why == NULL;
}

/* The code of before on the present files, repaired by the model from the cell on that does not do.
 * 1 = done, 0 = the whole question is one for the model, -1. */
static int try_rerun(struct job_work *w, struct err *e)
{
    const char *session = json_str(w->last, "code_session"), *asked = json_str(w->last, "question");

    if (w->j->mode == JOB_MODEL_ALWAYS || session == NULL)
        return 0;
    if (asked == NULL || strcmp(asked, w->question) != 0) {
        ui_note(w->p->run.ui, "the question is another one than last time: the model is asked");
        return 0;
    }
    int fits = params_fit(w, session, e);
    if (fits <= 0)
        return fits;
    int status = run_agent(w, session, e);
    if (status < 0)
        return -1;
    w->by = json_str(w->result, "repaired_from") ? BY_REPAIR : BY_RERUN;
    if (w->by == BY_REPAIR && status == 0)
        tell_repair(w);
    if (status == 0)
        return keep_diff(w, e) < 0 ? -1 : 1;
    /* Files that cannot be matched, a session that is gone: there is nothing to repair. */
    if (status != STATUS_USAGE || w->j->no_repair)
        return failed(w, status, e);
    const char *why = json_str(w->result, "message");
    cleanup_buf struct buf clean = BUF_MAX(8192);
    utf8_clean_line(&clean, utf8_head(str_of(why ? why : "it gave no reason"), 400));
    ui_note(w->p->run.ui, "the code of before does not do: %s", buf_cstr(&clean));
    ui_note(w->p->run.ui, "the model is asked");
    w->by = BY_MODEL;
    return make_stage(w, e);
}

static int make_exports(struct job_work *w, struct err *e)
{
    const char *session = json_str(w->result, "thread_id");
    cleanup_free char *dir =
        w->p->conf.session_dir ? xasprintf("--session-dir=%s", w->p->conf.session_dir) : NULL;

    for (size_t i = 0; i < w->exports.n; i++) {
        cleanup_buf struct buf out = BUF_MAX(MAX_CONF_BYTES);
        cleanup_free char *to =
            xasprintf("--output=%s/%s/%s", w->j->folder, w->stage, w->exports.v[i]);
        const char *argv[] = {
            "/proc/self/exe",     "export", to, "--quiet", dir ? dir : "--", dir ? "--" : session,
            dir ? session : NULL, NULL
        };
        struct job_child child = { .argv = argv, .in = -1, .take = job_child_append, .arg = &out };
        int status = job_child_run(&child, &w->p->stop, e);
        if (status < 0)
            return -1;
        if (status != 0) {
            w->p->exit_status = status;
            return err_set(e, ERR_SYS, 0, "output %s could not be made", w->exports.v[i]);
        }
    }
    return 0;
}

static int check_files(struct job_work *w, time_t now, struct err *e)
{
    struct stat st;

    for (size_t i = 0; i < w->j->must_exist.n; i++) {
        cleanup_buf struct buf name = BUF_MAX(PATH_MAX);
        if (job_expand(w->j, w->j->must_exist.v[i], now, &name, e) < 0)
            return -1;
        cleanup_free char *here = xasprintf("%s/%s", w->stage, buf_cstr(&name)),
                          *files = xasprintf("%s/files/%s", w->stage, buf_cstr(&name));
        bool there = fstatat(w->folder_fd, files, &st, AT_SYMLINK_NOFOLLOW) == 0 ||
                     fstatat(w->folder_fd, here, &st, AT_SYMLINK_NOFOLLOW) == 0;
        if (!there || !S_ISREG(st.st_mode) || st.st_size == 0)
            return err_set(e, ERR_CHECK, 0,
                           "must_exist: the run made no %.200s%s. Its record: %.300s",
                           buf_cstr(&name), there ? " with anything in it" : "",
                           json_str(w->result, "record"));
    }
    return 0;
}

static int check_numbers(struct job_work *w, struct err *e)
{
    const char *record = json_str(w->result, "record");

    w->numbers = record ? job_numbers(record, e) : cJSON_CreateObject();
    if (w->numbers == NULL)
        return err_wrap(e, "the run's numbers");
    struct err why = ERR_INIT;
    if (job_check_numbers(w->j, w->numbers, json_obj(w->last, "numbers"), &why) < 0)
        return err_set(e, ERR_CHECK, 0, "%s. Its record: %.300s", why.msg,
                       record ? record : "none");
    return 0;
}

/* --- what is told --- */

/* A file that a command made. */
static cJSON *made_json(const struct job_found *f)
{
    cJSON *o = cJSON_CreateObject();

    json_add_str(o, "name", str_of(f->name));
    json_add_str(o, "command", str_of(f->input->text));
    json_add_str(o, "path", str_of(f->path));
    json_add_int(o, "bytes", f->bytes);
    json_add_str(o, "sha256", str_of(f->sha256));
    return o;
}

static cJSON *summary(struct job_work *w, const struct err *why)
{
    static const char *const by[] = { "model", "rerun", "repair" };
    cJSON *o = cJSON_CreateObject(), *list = cJSON_CreateArray(), *made = cJSON_CreateArray();
    const char *session = json_str(w->result, "thread_id"), *record = json_str(w->result, "record");
    const char *code = w->by == BY_RERUN ? json_str(w->last, "code_session") : session;
    double cost = json_num(json_obj(w->result, "usage"), "cost_usd", NAN);
    char now[40] = "";
    time_t t = time(NULL);
    struct tm tm;

    if (gmtime_r(&t, &tm))
        strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", &tm);
    json_add_str(o, "time", str_of(now));
    json_add_str(o, "job", str_of(w->j->name));
    json_add_str(o, "status", str_of(err_word(why->code)));
    if (why->code != ERR_NONE)
        json_add_str(o, "message", str_of(why->msg));
    if (w->question)
        json_add_str(o, "question", str_of(w->question));
    if (w->print[0])
        json_add_str(o, "fingerprint", str_of(w->print));
    if (session) {
        json_add_str(o, "session", str_of(session));
        if (why->code == ERR_NONE)
            json_add_str(o, "code_session", str_of(code));
        cJSON_AddStringToObject(o, "by", by[w->by]);
        if (w->by == BY_REPAIR && json_str(json_obj(w->result, "repair"), "diff"))
            cJSON_AddStringToObject(o, "diff", JOB_DIFF);
    }
    if (record)
        json_add_str(o, "record", str_of(record));
    if (!isnan(cost))
        cJSON_AddNumberToObject(o, "cost_usd", cost);
    for (size_t i = 0; i < w->files.n; i++) {
        const struct job_found *f = &w->files.v[i];
        cJSON_AddItemToArray(list, cJSON_CreateString(f->path));
        if (f->input && f->input->is_command)
            cJSON_AddItemToArray(made, made_json(f));
    }
    cJSON_AddItemToObject(o, "inputs", list);
    cJSON_AddItemToObject(o, "made", made);
    if (w->j->n_params && w->params)
        cJSON_AddItemToObject(o, "params", cJSON_Duplicate(w->params, true));
    if (w->numbers)
        cJSON_AddItemToObject(o, "numbers", cJSON_Duplicate(w->numbers, true));
    if (w->published)
        json_add_str(o, "folder", str_of(w->name));
    return o;
}

static void write_log(struct job_work *w, const cJSON *o)
{
    cleanup_free char *text = json_text(o), *line = xasprintf("%s\n", text);
    struct err e = ERR_INIT;
    cleanup_fd int fd =
        openat(w->folder_fd, JOB_LOG, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);

    if (fd < 0 || io_write_all(fd, line, strlen(line), &e) < 0)
        ui_warn(w->p->run.ui, "%s/" JOB_LOG " could not be written: %s", w->j->folder,
                strerror(e.sys ? e.sys : errno));
}

static void run_hook(struct job_work *w, const char *command, const char *which, const cJSON *o)
{
    cleanup_free char *text = json_text(o);
    cleanup_free char *folder = realpath(w->j->folder, NULL);
    cleanup_free char *report = w->published && folder ? io_join(folder, w->name) : xstrdup("");
    struct err e = ERR_INIT;
    const char *argv[] = { "/bin/sh", "-c", command, NULL };
    const char *env[] = {
        "AGENT_JOB", w->j->name, "AGENT_JOB_STATUS", json_str(o, "status"), "AGENT_JOB_REPORT",
        report,      NULL
    };
    cleanup_fd int in = memfd_create("summary", MFD_CLOEXEC);

    if (command == NULL)
        return;
    if (in < 0 || io_write_all(in, text, strlen(text), &e) < 0 || lseek(in, 0, SEEK_SET) < 0) {
        ui_warn(w->p->run.ui, "%s was not run: %s", which, strerror(errno));
        return;
    }
    struct job_child child = { .argv = argv, .env = env, .in = in, .guarded = true };
    int status = job_child_run(&child, &w->p->stop, &e);
    if (status < 0)
        ui_warn(w->p->run.ui, "%s: %s", which, e.msg);
    else if (status)
        ui_warn(w->p->run.ui, "%s ended with status %d", which, status);
}

/* --- the whole --- */

static int open_folder(struct job_work *w, int *ret_lock, struct err *e)
{
    struct stat st;

    if (io_mkdirs(w->j->folder, 0777, e) < 0)
        return err_wrap(e, "folder");
    w->folder_fd = open(w->j->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (w->folder_fd < 0)
        return err_set(e, ERR_SYS, errno, "folder: open %s", w->j->folder);
    *ret_lock = openat(w->folder_fd, ".lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (*ret_lock < 0)
        return err_set(e, ERR_SYS, errno, "folder: open %s/.lock", w->j->folder);
    if (flock(*ret_lock, LOCK_EX | LOCK_NB) < 0)
        return 1;
    if (fstatat(w->folder_fd, "latest", &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISLNK(st.st_mode))
        return err_set(e, ERR_USAGE, 0,
                       "%s/latest is no symbolic link, and would have to be one: move it away",
                       w->j->folder);
    job_clean(w->folder_fd);
    return 0;
}

static int make(struct job_work *w, time_t now, struct err *e)
{
    cleanup_buf struct buf question = BUF_MAX(MAX_PROMPT_BYTES);

    if (job_expand_dates(w->j, w->j->question, now, &question, e) < 0 ||
        job_find_inputs(w->j, now, &w->files, e) < 0)
        return -1;
    w->name = job_take_name(w->folder_fd, now, e);
    w->params = w->name ? job_params_json(w->j, now, e) : NULL;
    if (w->params == NULL)
        return -1;
    if (job_make_inputs(w->p, w->j, w->folder_fd, w->name, now, w->params, &w->files, e) < 0 ||
        fingerprint(w, e) < 0)
        return -1;
    w->question = buf_steal(&question);
    for (size_t i = 0; i < w->j->outputs.n; i++) {
        cleanup_buf struct buf name = BUF_MAX(PATH_MAX);
        if (job_expand(w->j, w->j->outputs.v[i], now, &name, e) < 0)
            return -1;
        if (!job_is_inside(buf_cstr(&name)))
            return err_set(e, ERR_USAGE, 0, "output: %.200s lies outside of the report's folder",
                           buf_cstr(&name));
        bool code = str_ends(buf_str(&name), ".py") || str_ends(buf_str(&name), ".ipynb");
        conf_list_add(code ? &w->exports : &w->reports, buf_cstr(&name));
    }
    const char *before = json_str(w->last, "fingerprint"), *asked = json_str(w->last, "question");
    if (w->j->only_if_changed && before && strcmp(before, w->print) == 0 && asked &&
        strcmp(asked, w->question) == 0)
        return err_set(e, ERR_UNCHANGED, 0,
                       "nothing has changed since the last report (only_if_changed)");
    if (make_stage(w, e) < 0)
        return -1;
    int done = try_rerun(w, e);
    if (done < 0)
        return -1;
    int status = done ? 0 : run_agent(w, NULL, e);
    if (status < 0)
        return -1;
    if (status != 0)
        return failed(w, status, e);
    if (make_exports(w, e) < 0 || check_files(w, now, e) < 0 || check_same(w, e) < 0 ||
        check_numbers(w, e) < 0)
        return -1;
    w->published = true;
    struct err none = ERR_INIT;
    cleanup_json cJSON *o = summary(w, &none);
    cleanup_free char *text = json_text(o);
    cleanup_free char *path = xasprintf("%s/" JOB_SUMMARY, w->stage);
    if (io_write_atomic(w->folder_fd, path, str_of(text), 0666, e) < 0 ||
        job_publish(w->folder_fd, w->name, e) < 0) {
        w->published = false;
        return err_wrap(e, "publish in %s", w->j->folder);
    }
    return 0;
}

void job_run(struct program *p, struct job *j, struct err *why)
{
    __attribute__((cleanup(work_done))) struct job_work w = { .p = p, .j = j, .folder_fd = -1 };
    cleanup_fd int lock = -1;

    int held = open_folder(&w, &lock, why);
    if (held < 0)
        return;
    if (held > 0) {
        cleanup_free char *said = xasprintf(
            "job %s: a run is at work in %s already: this one does nothing", j->name, j->folder);
        if (j->overlap_fails)
            err_set(why, ERR_USAGE, 0, "%s (overlap = fail)", said);
        else
            ui_warn(p->run.ui, "%s", said);
        return;
    }
    w.last = job_last(w.folder_fd);
    make(&w, time(NULL), why);
    if (why->sys == ENOSPC) {
        struct err bare = *why;
        err_set(why, bare.code, 0, "%s%s", bare.msg, what_to_do(bare.msg));
    }
    cleanup_json cJSON *o = summary(&w, why);
    write_log(&w, o);
    if (why->code == ERR_NONE) {
        ui_note(p->run.ui, "job %s: %s/%s (%s)", j->name, j->folder, w.name,
                w.by == BY_RERUN    ? "the code of before, no model"
                : w.by == BY_REPAIR ? "the code of before, repaired by the model"
                                    : "by the model");
        job_keep(w.folder_fd, j->keep);
        run_hook(&w, j->on_success, "on_success", o);
    } else if (why->code == ERR_UNCHANGED) {
        /* No error: under --quiet, as by cron, nothing is said of it. */
        ui_note(p->run.ui, "job %s: %s", j->name, why->msg);
        p->exit_status = err_exit_status(why);
        *why = (struct err)ERR_INIT;
    } else {
        if (why->code != ERR_CANCEL)
            run_hook(&w, j->on_failure, "on_failure", o);
        err_wrap(why, "job %s", j->name);
    }
}
