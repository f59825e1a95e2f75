/* One run of a job: inputs found, code run again or a model asked, checked, published. */
#include <cjson/cJSON.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/sha256.h"
#include "agent/base/utf8.h"
#include "agent/conf_table.h"
#include "agent/job_parts.h"
#include "agent/program.h"
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
    cJSON *result;                     /* what the run said */
    bool rerun;
    char *published; /* name */
};

static void work_done(struct job_work *w)
{
    struct err ignored = ERR_INIT;

    if (w->stage && w->folder_fd >= 0)
        (void)io_remove_tree(w->folder_fd, w->stage, &ignored);
    cleanup_closep(&w->folder_fd);
    free(w->question);
    free(w->stage);
    free(w->published);
    job_files_done(&w->files);
    conf_list_drop(&w->reports);
    conf_list_drop(&w->exports);
    cJSON_Delete(w->last);
    cJSON_Delete(w->result);
}

/* --- inputs --- */

void job_files_done(struct job_files *f)
{
    for (size_t i = 0; i < f->n; i++)
        free(f->v[i].path);
    free(f->v);
    *f = (struct job_files){ NULL, 0 };
}

static void add_file(struct job_files *f, const char *path, const char *name)
{
    f->v = xrealloc(f->v, f->n + 1, sizeof *f->v);
    f->v[f->n++] = (struct job_found){ xstrdup(path), name };
}

static int find_input(const struct job_input *in, time_t now, struct job_files *f, struct err *e)
{
    cleanup_buf struct buf pattern = BUF_MAX(PATH_MAX);
    struct timespec best = { 0, 0 };
    const char *newest = NULL;
    size_t found = 0;
    glob_t g;
    struct stat st;

    if (job_expand(in->pattern, now, &pattern, e) < 0)
        return -1;
    int r = glob(buf_cstr(&pattern), 0, NULL, &g);
    for (size_t i = 0; r == 0 && i < g.gl_pathc; i++) {
        const char *path = g.gl_pathv[i];
        if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
            continue;
        found++;
        if (newest == NULL || st.st_mtim.tv_sec > best.tv_sec ||
            (st.st_mtim.tv_sec == best.tv_sec && st.st_mtim.tv_nsec >= best.tv_nsec)) {
            newest = path;
            best = st.st_mtim;
        }
        if (!in->newest)
            add_file(f, path, in->name);
    }
    if (in->newest && newest)
        add_file(f, newest, in->name);
    if (r == 0)
        globfree(&g);
    if (found == 0)
        return err_set(e, ERR_USAGE, 0, "input: no file matches %.300s", buf_cstr(&pattern));
    if (found > 1 && in->name && !in->newest)
        return err_set(e, ERR_USAGE, 0,
                       "input: %zu files match %.300s, and only one can be called %.100s (newest "
                       "takes the last)",
                       found, buf_cstr(&pattern), in->name);
    return 0;
}

int job_find_inputs(const struct job *j, time_t now, struct job_files *f, struct err *e)
{
    for (size_t i = 0; i < j->n_inputs; i++)
        if (find_input(&j->inputs[i], now, f, e) < 0)
            return -1;
    if (f->n > ATTACH_MAX_FILES)
        return err_set(e, ERR_USAGE, 0, "input: %zu files match; the limit is %d", f->n,
                       ATTACH_MAX_FILES);
    return 0;
}

static int hash_file(struct sha256 *h, const char *path, const struct stop *stop, struct err *e)
{
    char part[65536];
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    ssize_t n = fd < 0 ? -1 : 0;

    while (fd >= 0 && (n = read(fd, part, sizeof part)) > 0) {
        if (stop_check(stop, e) < 0)
            return -1;
        sha256_put(h, part, (size_t)n);
    }
    return n < 0 ? err_set(e, ERR_SYS, errno, "input: read %.300s", path) : 0;
}

/* Of the job's file, its question as it is written, and the bytes of all inputs. */
static int fingerprint(struct job_work *w, struct err *e)
{
    struct sha256 h;

    sha256_init(&h);
    sha256_put(&h, w->j->question, strlen(w->j->question) + 1);
    if (hash_file(&h, io_basename(w->j->path), &w->p->stop, e) < 0)
        return -1;
    for (size_t i = 0; i < w->files.n; i++) {
        const char *name = w->files.v[i].name ? w->files.v[i].name : "";
        sha256_put(&h, name, strlen(name) + 1);
        if (hash_file(&h, w->files.v[i].path, &w->p->stop, e) < 0)
            return -1;
    }
    sha256_hex(&h, w->print);
    return 0;
}

/* --- processes --- */

static void become(const char *const *argv, int in, int out, const char *const *env)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    setpgid(0, 0);
    /* What it started goes with it: each program of ours sees to that for its own sandbox. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() == 1 || dup2(in, STDIN_FILENO) < 0 ||
        dup2(out, STDOUT_FILENO) < 0)
        _exit(126);
    for (; env && *env; env += 2)
        if (setenv(env[0], env[1], 1) < 0)
            _exit(126);
    execv(argv[0], (char *const *)argv);
    _exit(127);
}

/* Waits for the end of a child whose output comes by `fd` (-1 = it has none of its own). A stop
 * ends it too. */
static int wait_child(struct job_work *w, pid_t pid, int fd, struct buf *out, struct err *e)
{
    int status, r = 0;
    char part[65536];
    bool told = false, open = fd >= 0;

    for (;;) {
        struct pollfd fds[] = { { w->p->stop.cancel_fd, told ? 0 : POLLIN, 0 },
                                { open ? fd : -1, POLLIN, 0 } };
        (void)poll(fds, 2, 100);
        if (!told && stop_check(&w->p->stop, e) < 0) {
            kill(-pid, SIGTERM);
            told = true;
            r = -1;
        }
        if (open && fds[1].revents) {
            ssize_t n = read(fd, part, sizeof part);
            if (n > 0)
                buf_put(out, part, (size_t)n);
            open = n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
        }
        if (!open && waitpid(pid, &status, WNOHANG) == pid)
            break;
    }
    if (r < 0)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* The exit status; -1: it could not be run, or the stop came. `out` NULL: standard output is ours.
 */
static int run_child(struct job_work *w, const char *const *argv, const char *const *env, int in,
                     struct buf *out, struct err *e)
{
    int fds[2] = { -1, -1 };
    cleanup_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null < 0 || (out && pipe2(fds, O_CLOEXEC) < 0))
        return err_set(e, ERR_SYS, errno, "start %s", argv[0]);
    pid_t pid = fork();
    if (pid == 0)
        become(argv, in >= 0 ? in : null, out ? fds[1] : STDOUT_FILENO, env);
    int error = errno;
    cleanup_closep(&fds[1]);
    if (pid < 0) {
        cleanup_closep(&fds[0]);
        return err_set(e, ERR_SYS, error, "start %s", argv[0]);
    }
    int r = wait_child(w, pid, fds[0], out, e);
    cleanup_closep(&fds[0]);
    return r;
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
        conf_list_put(&own, word);                                                                 \
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
    ADD("--output-format=json");
    ADD(w->p->conf.verbose ? "--verbose" : "--quiet");
    if (session)
        ADD("--strict"); /* numbers that only a model could write anew are for the model */
    else
        ADD("--stdin=no");
#undef ADD
    cleanup_free const char **v = xcalloc(own.n + 8, sizeof *v);
    v[n++] = "/proc/self/exe";
    v[n++] = session ? "rerun" : "ask";
    for (size_t i = 0; i < own.n; i++)
        v[n++] = own.v[i];
    v[n++] = "--";
    v[n++] = session ? session : w->question;
    int status = run_child(w, v, NULL, -1, &out, e);
    conf_list_drop(&own);
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
    w->stage = xasprintf(".new-%d", (int)getpid());
    if (mkdirat(w->folder_fd, w->stage, 0777) < 0) {
        err_set(e, ERR_SYS, errno, "make %s/%s", w->j->folder, w->stage);
        free(w->stage);
        w->stage = NULL;
        return -1;
    }
    return 0;
}

static int failed(struct job_work *w, int status, struct err *e)
{
    const char *message = json_str(w->result, "message"), *record = json_str(w->result, "record");
    cleanup_buf struct buf clean = BUF_MAX(8192);

    utf8_clean_line(&clean, utf8_head(str_of(message ? message : "it ended early"), 400));
    w->p->exit_status = status ? status : 1;
    return err_set(e, ERR_CHECK, 0, "the run failed: %s%s%.200s", buf_cstr(&clean),
                   record ? ". Its record: " : "", record ? record : "");
}

/* The code of before on the present files, as far as nothing speaks against it. 1 = done, 0 = the
 * model is to be asked, -1. */
static int try_rerun(struct job_work *w, struct err *e)
{
    const char *session = json_str(w->last, "code_session"), *asked = json_str(w->last, "question");

    if (w->j->mode == JOB_MODEL_ALWAYS || session == NULL)
        return 0;
    if (asked == NULL || strcmp(asked, w->question) != 0) {
        ui_note(w->p->run.ui, "the question is another one than last time: the model is asked");
        return 0;
    }
    int status = run_agent(w, session, e);
    if (status < 0)
        return -1;
    if (status == 0) {
        w->rerun = true;
        return 1;
    }
    if (status != STATUS_CHECK && status != STATUS_USAGE)
        return failed(w, status, e);
    const char *why = json_str(w->result, "message");
    cleanup_buf struct buf clean = BUF_MAX(8192);
    utf8_clean_line(&clean, utf8_head(str_of(why ? why : "it gave no reason"), 400));
    ui_note(w->p->run.ui, "the code of before does not do: %s", buf_cstr(&clean));
    ui_note(w->p->run.ui, "the model is asked");
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
        int status = run_child(w, argv, NULL, -1, &out, e);
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
        if (job_expand(w->j->must_exist.v[i], now, &name, e) < 0)
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

/* --- what is told --- */

static cJSON *summary(struct job_work *w, const struct err *why)
{
    cJSON *o = cJSON_CreateObject(), *list = cJSON_CreateArray();
    const char *session = json_str(w->result, "thread_id"), *record = json_str(w->result, "record");
    const char *before = w->rerun ? json_str(w->last, "code_session") : session;
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
            json_add_str(o, "code_session", str_of(before));
        cJSON_AddStringToObject(o, "by", w->rerun ? "rerun" : "model");
    }
    if (record)
        json_add_str(o, "record", str_of(record));
    if (!isnan(cost))
        cJSON_AddNumberToObject(o, "cost_usd", cost);
    for (size_t i = 0; i < w->files.n; i++)
        cJSON_AddItemToArray(list, cJSON_CreateString(w->files.v[i].path));
    cJSON_AddItemToObject(o, "inputs", list);
    if (w->published)
        json_add_str(o, "folder", str_of(w->published));
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
    cleanup_free char *report =
        w->published && folder ? io_join(folder, w->published) : xstrdup("");
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
    int status = run_child(w, argv, env, in, NULL, &e);
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

    if (job_expand(w->j->question, now, &question, e) < 0 ||
        job_find_inputs(w->j, now, &w->files, e) < 0 || fingerprint(w, e) < 0)
        return -1;
    w->question = buf_steal(&question);
    for (size_t i = 0; i < w->j->outputs.n; i++) {
        cleanup_buf struct buf name = BUF_MAX(PATH_MAX);
        if (job_expand(w->j->outputs.v[i], now, &name, e) < 0)
            return -1;
        bool code = str_ends(buf_str(&name), ".py") || str_ends(buf_str(&name), ".ipynb");
        conf_list_put(code ? &w->exports : &w->reports, buf_cstr(&name));
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
    if (make_exports(w, e) < 0 || check_files(w, now, e) < 0)
        return -1;
    w->published = job_free_name(w->folder_fd, now);
    struct err none = ERR_INIT;
    cleanup_json cJSON *o = summary(w, &none);
    cleanup_free char *text = json_text(o);
    cleanup_free char *path = xasprintf("%s/" JOB_SUMMARY, w->stage);
    if (io_write_atomic(w->folder_fd, path, str_of(text), 0666, e) < 0 ||
        job_publish(w->folder_fd, w->stage, w->published, e) < 0) {
        free(w->published);
        w->published = NULL;
        return err_wrap(e, "publish in %s", w->j->folder);
    }
    free(w->stage); /* it has its name now */
    w->stage = NULL;
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
        if (j->overlap_fails)
            err_set(why, ERR_USAGE, 0,
                    "job %s runs already; this run does nothing (overlap = fail)", j->name);
        else
            ui_warn(p->run.ui, "job %s runs already: this run does nothing", j->name);
        return;
    }
    w.last = job_last(w.folder_fd);
    make(&w, time(NULL), why);
    cleanup_json cJSON *o = summary(&w, why);
    write_log(&w, o);
    if (why->code == ERR_NONE) {
        ui_note(p->run.ui, "job %s: %s/%s (%s)", j->name, j->folder, w.published,
                w.rerun ? "the code of before, no model" : "by the model");
        job_keep(w.folder_fd, j->keep);
        run_hook(&w, j->on_success, "on_success", o);
    } else if (why->code != ERR_UNCHANGED) {
        if (why->code != ERR_CANCEL)
            run_hook(&w, j->on_failure, "on_failure", o);
        err_wrap(why, "job %s", j->name);
    }
}
