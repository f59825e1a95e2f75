/* agent batch --slurm N: an array job of N tasks, each a shard of the same batch (--shard auto/N
 * --resume), submitted with sbatch and watched with squeue. Slurm starts a task again when its node
 * is lost; the task then goes on where its file of results ends. When the job is over and rows are
 * still missing, it is submitted again, a few times. Keys travel in the job's environment, as
 * sbatch hands it on, or by api_key_file; never in the script. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/batch_rows.h"
#include "agent/job_child.h"
#include "agent/program.h"
#include "agent/base/banned.h"

#define SUBMISSIONS 3    /* tasks that fail for good would be sent for ever */
#define LOOK_MS 2000     /* between two looks at the queue */
#define COMMAND_MS 60000 /* of one sbatch, squeue or scancel */

/* Runs one of Slurm's commands with `input` on its standard input; its output, both streams. -1
 * when it cannot be run; else its exit status. No stop cuts it short: a job that was submitted has
 * to be known, and one that is cancelled to be gone. */
static int slurm_command(const char *const *argv, const char *input, struct buf *out, struct err *e)
{
    cleanup_buf struct buf errors = BUF_MAX(64 * KIB);
    struct stop never = STOP_NEVER;
    int status = job_child_command(argv, str_of(input), out, &errors, COMMAND_MS, &never, e);

    if (status < 0)
        return err_wrap(e, "%s", argv[0]);
    if (status == 127)
        return err_set(e, ERR_CONFIG, 0,
                       "there is no %s (Slurm's commands; Debian has them in slurm-client)",
                       argv[0]);
    buf_putstr(out, buf_str(&errors));
    return status;
}

/* One word for a shell. */
static void quote(struct buf *out, const char *word)
{
    buf_putc(out, '\'');
    for (; *word; word++) {
        if (*word == '\'')
            buf_puts(out, "'\\''");
        else
            buf_putc(out, *word);
    }
    buf_puts(out, "' ");
}

struct slurm {
    struct program *p;
    char *parts; /* folder of the shards' results */
    char *job;   /* the array job's id; NULL = none runs */
    long n;
};

static char *part_path(const struct slurm *s, long i)
{
    return xasprintf("%s/part-%ld.jsonl", s->parts, i);
}

static char *script(const struct slurm *s, struct err *e)
{
    const struct conf *c = &s->p->conf;
    struct buf b = BUF_MAX(MAX_CONF_BYTES);
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    if (n < 0) {
        err_set(e, ERR_SYS, errno, "find this program");
        return NULL;
    }
    self[n] = '\0';
    buf_putf(&b,
             "#!/bin/sh\n# The rows of one shard; started again, it goes on where it was.\nexec ");
    quote(&b, self);
    buf_puts(&b, "batch ");
    quote(&b, c->args[0]);
    buf_putf(&b, "--shard auto/%ld --resume --quiet -j %ld --out ", s->n, c->jobs);
    quote(&b, s->parts);
    b.n--; /* the shell joins what stands side by side */
    buf_puts(&b, "/part-\"$SLURM_ARRAY_TASK_ID\".jsonl ");
    for (size_t i = 0; i < c->given.n; i++)
        if (strncmp(c->given.v[i], "--max-cost=", 11) != 0)
            quote(&b, c->given.v[i]);
    if (c->max_cost > 0)
        buf_putf(&b, "--max-cost=%.6f", c->max_cost / (double)s->n);
    buf_putc(&b, '\n');
    return buf_steal(&b);
}

static int submit(struct slurm *s, struct err *e)
{
    cleanup_free char *text = script(s, e), *array = xasprintf("--array=1-%ld", s->n),
                      *log = xasprintf("--output=%s/task-%%a.log", s->parts);
    const char *const argv[] = {
        "sbatch", "--parsable", "--requeue", "--job-name=agent-batch", "--open-mode=append",
        array,    log,          NULL
    };
    cleanup_buf struct buf out = BUF_MAX(64 * KIB), clean = BUF_MAX(256 * KIB);
    long long id;

    if (text == NULL)
        return -1;
    int status = slurm_command(argv, text, &out, e);
    if (status < 0)
        return -1;
    struct str rest = buf_str(&out), first;
    (void)str_cut(&rest, '\n', &first);
    rest = first;
    (void)str_cut(&rest, ';', &first); /* "id;cluster" */
    if (status != 0 || !str_to_ll(str_trim(first), &id) || id < 1) {
        utf8_clean_line(&clean, utf8_head(str_trim(buf_str(&out)), 400));
        return err_set(e, ERR_CONFIG, 0, "sbatch did not take the job: %s", buf_cstr(&clean));
    }
    s->job = xasprintf("%lld", id);
    ui_note(s->p->run.ui, "submitted as job %s: %ld tasks, results in %s", s->job, s->n, s->parts);
    return 0;
}

/* 1 = it is in the queue, 0 = it is over. A queue that does not answer is asked again: it says
 * nothing about the job. */
static int is_queued(const struct slurm *s, struct err *e)
{
    const char *const argv[] = { "squeue", "-h", "-j", s->job, "-o", "%i", NULL };
    cleanup_buf struct buf out = BUF_MAX(MIB);
    struct err why = ERR_INIT;
    int status = slurm_command(argv, "", &out, &why);

    if (status < 0 && why.code != ERR_DEADLINE) {
        *e = why;
        return -1;
    }
    if (status != 0)
        return strstr(buf_cstr(&out), "Invalid job id") ? 0 : 1;
    return str_trim(buf_str(&out)).n > 0;
}

static void cancel(struct slurm *s)
{
    const char *const argv[] = { "scancel", s->job, NULL };
    cleanup_buf struct buf out = BUF_MAX(64 * KIB);
    struct err e = ERR_INIT;

    if (s->job && slurm_command(argv, "", &out, &e) != 0)
        ui_warn(s->p->run.ui, "job %s could not be cancelled: scancel %s ends it", s->job, s->job);
}

/* Marks what has a result in any of the parts; how many rows are missing, -1 with *e. */
static long missing(struct slurm *s, struct batch_rows *rows, struct err *e)
{
    long n = 0;

    for (long i = 1; i <= s->n; i++) {
        cleanup_free char *path = part_path(s, i);
        cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd >= 0 && batch_mark(rows, fd, path, e) < 0)
            return -1;
    }
    for (size_t i = 0; i < rows->n; i++)
        n += !rows->v[i].done;
    return n;
}

static int wait_for_job(struct slurm *s, struct batch_rows *rows, struct err *e)
{
    long last = -1;

    for (int queued = 1; queued > 0;) {
        if (stop_sleep(&s->p->stop, LOOK_MS, e) < 0) {
            cancel(s);
            return err_wrap(e, "the job %s was cancelled; --resume goes on with what is there",
                            s->job);
        }
        queued = is_queued(s, e);
        long left = queued < 0 ? -1 : missing(s, rows, e);
        if (left < 0)
            return -1;
        if (left != last)
            ui_note(s->p->run.ui, "%ld of %zu questions have a result", (long)rows->n - left,
                    rows->n);
        last = left;
    }
    free(s->job);
    s->job = NULL;
    return 0;
}

static int join(struct slurm *s, struct err *e)
{
    char **paths = xcalloc((size_t)s->n, sizeof *paths);
    size_t n = 0;

    for (long i = 1; i <= s->n; i++) {
        paths[n] = part_path(s, i);
        if (access(paths[n], F_OK) == 0)
            n++;
        else
            free(paths[n]);
    }
    int r = batch_join((const char *const *)paths, n, s->p->conf.out, s->p->run.ui, e);
    for (size_t i = 0; i < n; i++)
        free(paths[i]);
    free(paths);
    return r;
}

static int open_parts(struct slurm *s, struct err *e)
{
    const struct conf *c = &s->p->conf;

    if (c->out == NULL)
        return err_set(e, ERR_USAGE, 0, "agent batch needs --out FILE for the results");
    if (c->shard)
        return err_set(e, ERR_USAGE, 0, "--slurm makes the shards itself: give no --shard");
    if (access(c->out, F_OK) == 0 && !c->resume_batch)
        return err_set(e, ERR_USAGE, 0,
                       "%s is there already: --resume goes on with it, another --out begins anew",
                       c->out);
    char *full = c->out[0] == '/' ? xstrdup(c->out) : NULL;
    if (full == NULL) {
        cleanup_free char *cwd = getcwd(NULL, 0);
        if (cwd == NULL)
            return err_set(e, ERR_SYS, errno, "find the current folder");
        full = io_join(cwd, c->out);
    }
    s->parts = xasprintf("%s.parts", full);
    free(full);
    if (mkdir(s->parts, 0700) < 0 && (errno != EEXIST || !c->resume_batch))
        return err_set(e, errno == EEXIST ? ERR_USAGE : ERR_SYS, errno == EEXIST ? 0 : errno,
                       "create the folder %s for the tasks' results%s", s->parts,
                       errno == EEXIST ? ": it is there already; --resume goes on with it" : "");
    return 0;
}

void batch_slurm(struct program *p, struct err *e)
{
    struct slurm s = { .p = p, .n = p->conf.slurm };
    struct batch_rows rows = { 0 };
    long left = 1;

    if (batch_read(&rows, p->conf.args[0], e) == 0 && open_parts(&s, e) == 0) {
        if ((size_t)s.n > rows.n)
            s.n = (long)rows.n;
        left = missing(&s, &rows, e);
        for (int i = 0; i < SUBMISSIONS && left > 0 && e->code == ERR_NONE; i++) {
            if (i)
                ui_warn(p->run.ui, "the job is over, but %ld questions have no result: once more",
                        left);
            if (submit(&s, e) < 0 || wait_for_job(&s, &rows, e) < 0)
                break;
            left = missing(&s, &rows, e);
        }
        if (left >= 0 && e->code == ERR_NONE && join(&s, e) == 0 && left > 0)
            err_set(e, ERR_CHECK, 0,
                    "%ld questions have no result after %d submissions; the tasks' logs in %s say "
                    "why; --resume tries again",
                    left, SUBMISSIONS, s.parts);
    }
    free(s.parts);
    free(s.job);
    batch_rows_done(&rows);
}
