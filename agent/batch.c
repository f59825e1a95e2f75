/* agent batch: many questions, each asked by a process of its own (this program again, as agent
 * ask --output-format json), N at a time. The results file gets one line a question, whatever came
 * of it, each by a single write(2); so after a crash at any moment the file tells what is missing.
 * Rows and results are read and written in batch_rows.c. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/batch_image.h"
#include "agent/batch_rows.h"
#include "agent/program.h"
#include "agent/base/banned.h"

struct worker {
    pid_t pid; /* 0 = idle */
    int fd;    /* its standard output */
    size_t row;
    double share; /* of the cost limit, held for it; NAN = no limit */
    struct buf out;
};
struct batch {
    struct program *p;
    struct batch_rows rows;
    int out_fd;
    char *pause; /* path */
    struct batch_image image;
    struct worker *workers;
    size_t n_workers, running, next;
    size_t todo, done, failed; /* of this run */
    double spent, held;
    double dearest; /* question until now */
    int64_t started_ms, said_ms;
    int signals; /* one: no new ones; two: end those that run */
    bool stopping;
};

/* --- one worker --- */

static char **worker_argv(struct batch *b, const struct batch_row *row, double share)
{
    const struct conf_list *given = &b->p->conf.given;
    char **v = xcalloc(given->n + row->files.n + 16, sizeof *v);
    size_t n = 0;

    v[n++] = xstrdup("agent");
    v[n++] = xstrdup("ask");
    for (size_t i = 0; i < given->n; i++)
        if (strncmp(given->v[i], "--max-cost=", 11) != 0)
            v[n++] = xstrdup(given->v[i]);
    v[n++] = xstrdup("--output-format=json");
    v[n++] = xstrdup("--stdin=no");
    v[n++] = xasprintf("--pause-file=%s", b->pause);
    char *image = batch_image_flag(&b->image);
    if (image)
        v[n++] = image;
    if (!isnan(share))
        v[n++] = xasprintf("--max-cost=%.6f", share);
    if (row->model)
        v[n++] = xasprintf("--model=%s", row->model);
    if (row->system_prompt)
        v[n++] = xasprintf("--system=%s", row->system_prompt);
    if (row->append_system)
        v[n++] = xasprintf("--append-system=%s", row->append_system);
    for (size_t i = 0; i < row->files.n; i++)
        v[n++] = xasprintf("--file=%s", row->files.v[i]);
    v[n++] = xstrdup("--");
    v[n++] = xstrdup(row->question);
    return v;
}

static void free_argv(char **v)
{
    for (char **s = v; *s; s++)
        free(*s);
    free(v);
}

/* In the child. A process group of its own: Ctrl-C in the terminal is the batch's to handle. It
 * dies with the batch. */
static void become_worker(const struct batch *b, char **argv, int out, pid_t parent)
{
    sigset_t none;
    int null = open("/dev/null", O_RDWR);

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0);
    batch_image_inherit(&b->image);
    if (null < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent ||
        dup2(null, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
        dup2(null, STDERR_FILENO) < 0)
        _exit(126);
    execv("/proc/self/exe", argv);
    _exit(127);
}

/* What is left of --max-cost is dealt out evenly, so that all together do not pass it; but none
 * starts with less than a question has cost until now. NAN = no limit. */
static double left_of_limit(const struct batch *b)
{
    return b->p->conf.max_cost - b->spent - b->held;
}

static double share_of_limit(const struct batch *b)
{
    double even = left_of_limit(b) / (double)(b->n_workers - b->running);

    if (!(b->p->conf.max_cost > 0))
        return NAN;
    return even > b->dearest ? even : b->dearest;
}

static int start_worker(struct batch *b, struct worker *w, size_t row, struct err *e)
{
    int pipe_fds[2];
    double share = share_of_limit(b);

    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return err_set(e, ERR_SYS, errno, "pipe");
    char **argv = worker_argv(b, &b->rows.v[row], share);
    pid_t parent = getpid(); /* 1 in a container of its own */
    pid_t pid = fork();
    if (pid == 0)
        become_worker(b, argv, pipe_fds[1], parent);
    int error = errno;
    close(pipe_fds[1]);
    free_argv(argv);
    if (pid < 0) {
        close(pipe_fds[0]);
        return err_set(e, ERR_SYS, error, "start a run");
    }
    io_set_nonblock(pipe_fds[0], true);
    *w = (struct worker){ .pid = pid, .fd = pipe_fds[0], .row = row, .share = share };
    w->out = (struct buf)BUF_MAX(MAX_REPLY_BYTES * 4);
    b->held += isnan(share) ? 0 : share;
    b->running++;
    return 0;
}

static int write_result(struct batch *b, cJSON *result, struct err *e)
{
    cleanup_json cJSON *owned = result;
    cleanup_buf struct buf line = BUF_MAX(SIZE_MAX / 4);
    cleanup_free char *text = json_text(owned);

    buf_putf(&line, "%s\n", text);
    b->done++;
    b->failed += json_int(owned, "exit_status", 1) != 0;
    if (io_write_all(b->out_fd, line.p, line.n, e) < 0)
        return err_wrap(e, "write the results to %s", b->p->conf.out);
    return 0;
}

/* Reads what a worker says; at its end its result is written. */
static int hear_worker(struct batch *b, struct worker *w, struct err *e)
{
    char part[65536];
    ssize_t n;
    int status;

    while ((n = read(w->fd, part, sizeof part)) > 0)
        buf_put(&w->out, part, (size_t)n);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    close(w->fd);
    while (waitpid(w->pid, &status, 0) < 0 && errno == EINTR)
        ;
    cJSON *result = batch_result(&b->rows, w->row, buf_str(&w->out), w->out.over, status);
    double cost = json_num(json_obj(result, "usage"), "cost_usd", NAN);
    b->spent += isnan(cost) ? 0 : cost;
    b->dearest = cost > b->dearest ? cost : b->dearest;
    b->held -= isnan(w->share) ? 0 : w->share;
    b->running--;
    w->pid = 0;
    buf_free(&w->out);
    /* What the batch's own stop ended is not a result: --resume asks it again. */
    if (b->signals > 1 || b->stopping) {
        cJSON_Delete(result);
        return 0;
    }
    /* Its share was too small, but more has come back since: once more, with what is left. */
    struct batch_row *row = &b->rows.v[w->row];
    double limit = b->p->conf.max_cost;
    if (json_int(result, "exit_status", 0) == 7 && limit > 0 && !row->again &&
        limit - b->spent - b->held > 2 * w->share) {
        row->again = true;
        b->next = w->row < b->next ? w->row : b->next;
        cJSON_Delete(result);
        return 0;
    }
    row->done = true;
    return write_result(b, result, e);
}

/* --- the whole --- */

static void progress(struct batch *b, bool last)
{
    struct ui *ui = b->p->run.ui;
    int64_t now = now_ms(), spent_ms = now - b->started_ms;
    size_t left = b->todo - b->done;
    char text[160];

    if (b->done == 0 && !last)
        return;
    double rate = spent_ms > 0 ? (double)b->done * 60000.0 / (double)spent_ms : 0;
    int64_t eta = rate > 0 ? (int64_t)((double)left / rate * 60) : 0;
    snprintf(text, sizeof text, "%zu of %zu asked, %zu failed, %.1f a minute%s", b->done, b->todo,
             b->failed, rate, left ? "" : ", none left");
    if (left && b->done)
        snprintf(text + strlen(text), sizeof text - strlen(text), ", about %lld:%02lld:%02lld left",
                 (long long)(eta / 3600), (long long)(eta / 60 % 60), (long long)(eta % 60));
    if (b->spent > 0)
        snprintf(text + strlen(text), sizeof text - strlen(text), ", $%.4f", b->spent);
    if (b->p->shows_progress && !last) {
        ui_wait(ui, text);
    } else if (last || now - b->said_ms >= 30000) {
        ui_wait_end(ui);
        ui_note(ui, "%s", text);
        b->said_ms = now;
    }
}

/* A second signal ends what runs; a worker that heeds none is killed with its sandbox. */
static void end_workers(struct batch *b, int sig)
{
    for (size_t i = 0; i < b->n_workers; i++)
        if (b->workers[i].pid)
            kill(b->workers[i].pid, sig);
}

static void hear_signal(struct batch *b)
{
    if (stop_take_signal(&b->p->stop) == 0)
        return;
    if (++b->signals == 1 && b->running)
        ui_warn(b->p->run.ui,
                "stopping: no further question is asked, %zu that run are waited for (once more "
                "ends them)",
                b->running);
    else
        end_workers(b, b->signals == 2 ? SIGTERM : SIGKILL);
}

static bool may_start(struct batch *b)
{
    if (b->signals || b->stopping)
        return false;
    return !(b->p->conf.max_cost > 0) || (left_of_limit(b) > 0 && left_of_limit(b) >= b->dearest);
}

static int start_some(struct batch *b, struct err *e)
{
    for (size_t i = 0; i < b->n_workers; i++) {
        if (b->workers[i].pid)
            continue;
        while (b->next < b->rows.n && (b->rows.v[b->next].done || !b->rows.v[b->next].mine))
            b->next++;
        if (b->next >= b->rows.n || !may_start(b))
            return 0;
        struct batch_row *row = &b->rows.v[b->next];
        if (row->fault) {
            row->done = true;
            if (write_result(b, batch_fault(&b->rows, b->next), e) < 0)
                return -1;
            i--; /* the same worker, the next row */
        } else if (start_worker(b, &b->workers[i], b->next, e) < 0) {
            return -1;
        }
        b->next++;
    }
    return 0;
}

static int wait_some(struct batch *b, struct err *e)
{
    struct pollfd *fds = xcalloc(b->n_workers + 1, sizeof *fds);
    size_t *who = xcalloc(b->n_workers + 1, sizeof *who);
    nfds_t n = 0;
    int r = 0;

    fds[n++] = (struct pollfd){ b->p->stop.cancel_fd, POLLIN, 0 };
    for (size_t i = 0; i < b->n_workers; i++)
        if (b->workers[i].pid) {
            who[n] = i;
            fds[n++] = (struct pollfd){ b->workers[i].fd, POLLIN, 0 };
        }
    if (poll(fds, n, 500) > 0) {
        if (fds[0].revents)
            hear_signal(b);
        for (nfds_t i = 1; i < n && r == 0; i++)
            if (fds[i].revents)
                r = hear_worker(b, &b->workers[who[i]], e);
    }
    free(fds);
    free(who);
    return r;
}

static int ask_all(struct batch *b, struct err *e)
{
    struct err first = ERR_INIT;

    b->started_ms = b->said_ms = now_ms();
    for (;;) {
        if (first.code == ERR_NONE && start_some(b, &first) < 0) {
            b->stopping = true;
            end_workers(b, SIGTERM);
        }
        if (b->running == 0)
            break;
        if (wait_some(b, &first) < 0 && !b->stopping) {
            b->stopping = true; /* the disk is full, say: nothing more can be kept */
            end_workers(b, SIGTERM);
        }
        progress(b, false);
    }
    progress(b, true);
    if (first.code != ERR_NONE) {
        *e = first;
        return -1;
    }
    return 0;
}

static int open_results(struct batch *b, struct err *e)
{
    const struct conf *c = &b->p->conf;

    if (c->out == NULL)
        return err_set(e, ERR_USAGE, 0, "agent batch needs --out FILE for the results");
    int flags = O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | (c->resume_batch ? 0 : O_EXCL);
    b->out_fd = open(c->out, flags, 0666);
    if (b->out_fd < 0 && errno == EEXIST)
        return err_set(e, ERR_USAGE, 0,
                       "%s is there already: --resume goes on with it, another --out begins anew",
                       c->out);
    if (b->out_fd < 0)
        return err_set(e, ERR_SYS, errno, "--out: open %s", c->out);
    if (flock(b->out_fd, LOCK_EX | LOCK_NB) < 0)
        return err_set(e, ERR_USAGE, 0, "another agent batch writes to %s", c->out);
    return c->resume_batch ? batch_take_up(&b->rows, b->out_fd, c->out, &b->spent, e) : 0;
}

/* How the batch as a whole ended. Every question has its own status in the results. */
static void verdict(struct batch *b, struct err *e)
{
    size_t missing = 0;

    for (size_t i = 0; i < b->rows.n; i++)
        missing += b->rows.v[i].mine && !b->rows.v[i].done;
    if (missing == 0) {
        if (b->failed)
            err_set(e, ERR_CHECK, 0,
                    "%zu of %zu questions failed; their lines in %s say why (exit_status)",
                    b->failed, b->done, b->p->conf.out);
    } else if (b->signals) {
        err_set(e, ERR_CANCEL, SIGINT, "stopped; %zu questions are left: --resume asks them",
                missing);
    } else {
        err_set(e, ERR_BUDGET, 0,
                "--max-cost %g is used up ($%.4f); %zu questions are left: --resume with a higher "
                "limit asks them",
                b->p->conf.max_cost, b->spent, missing);
    }
}

static void run_batch(struct program *p, struct err *e)
{
    struct batch b = { .p = p, .out_fd = -1 };

    if (batch_read(&b.rows, p->conf.args[0], e) < 0 ||
        batch_choose(&b.rows, p->conf.shard, e) < 0 || open_results(&b, e) < 0)
        goto out;
    for (size_t i = 0; i < b.rows.n; i++)
        b.todo += b.rows.v[i].mine && !b.rows.v[i].done;
    b.pause = xasprintf("%s.pause", p->conf.out);
    b.n_workers = (size_t)p->conf.jobs;
    b.workers = xcalloc(b.n_workers, sizeof *b.workers);
    if (b.todo > b.n_workers) /* else all would wait for it, and none would come later */
        batch_image_begin(&b.image, p);
    if (ask_all(&b, e) == 0)
        verdict(&b, e);
    if (fsync(b.out_fd) < 0 && errno != EINVAL && e->code == ERR_NONE)
        err_set(e, ERR_SYS, errno, "sync %s", p->conf.out);
    unlink(b.pause);
    batch_image_end(&b.image);
out:
    cleanup_closep(&b.out_fd);
    free(b.workers);
    free(b.pause);
    batch_rows_done(&b.rows);
}

void batch_command(struct program *p, struct err *why)
{
    const struct conf *c = &p->conf;

    if (c->n_args == 0)
        err_set(why, ERR_USAGE, 0, "agent batch needs a file of questions: agent batch --help");
    else if (strcmp(c->args[0], "merge") == 0)
        batch_merge(c, p->run.ui, why);
    else if (c->n_args > 1)
        err_set(why, ERR_USAGE, 0, "agent batch takes one file of questions, not %zu", c->n_args);
    else if (c->slurm > 0)
        batch_slurm(p, why);
    else
        run_batch(p, why);
}
