/* The inputs of a job: files that match a pattern, and files that a command makes. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/sha256.h"
#include "agent/base/utf8.h"
#include "agent/job_child.h"
#include "agent/job_parts.h"
#include "agent/program.h"
#include "agent/base/banned.h"

void job_files_done(struct job_files *f)
{
    for (size_t i = 0; i < f->n; i++)
        free(f->v[i].path);
    free(f->v);
    *f = (struct job_files){ NULL, 0 };
}

static void add_file(struct job_files *f, const char *path, const struct job_input *in)
{
    f->v = xrealloc(f->v, f->n + 1, sizeof *f->v);
    f->v[f->n++] = (struct job_found){ .path = xstrdup(path), .name = in->name, .input = in };
}

/* --- patterns --- */

static const char *kind_word(mode_t mode)
{
    return S_ISDIR(mode)    ? "a folder"
           : S_ISFIFO(mode) ? "a FIFO"
           : S_ISSOCK(mode) ? "a socket"
                            : "a device";
}

static int no_file(const char *pattern, const char *other, mode_t mode, struct err *e)
{
    if (other == NULL)
        return err_set(e, ERR_USAGE, 0, "input: no file matches %.300s", pattern);
    if (mode == 0)
        return err_set(e, ERR_USAGE, 0, "input: no file matches %.300s: %.200s leads nowhere",
                       pattern, other);
    return err_set(e, ERR_USAGE, 0, "input: no file matches %.300s: %.200s is %s", pattern, other,
                   kind_word(mode));
}

static int find_input(const struct job *j, const struct job_input *in, time_t now,
                      struct job_files *f, struct err *e)
{
    cleanup_buf struct buf pattern = BUF_MAX(PATH_MAX);
    cleanup_free char *newest = NULL, *other = NULL;
    struct timespec best = { 0, 0 };
    mode_t mode = 0;
    size_t found = 0;
    glob_t g;
    struct stat st;

    if (job_expand(j, in->text, now, &pattern, e) < 0)
        return -1;
    int r = glob(buf_cstr(&pattern), 0, NULL, &g);
    for (size_t i = 0; r == 0 && i < g.gl_pathc; i++) {
        const char *path = g.gl_pathv[i];
        bool there = stat(path, &st) == 0;
        if (!there || !S_ISREG(st.st_mode)) {
            free(other);
            other = xstrdup(path);
            mode = there ? st.st_mode : 0;
            continue;
        }
        found++;
        if (newest == NULL || st.st_mtim.tv_sec > best.tv_sec ||
            (st.st_mtim.tv_sec == best.tv_sec && st.st_mtim.tv_nsec >= best.tv_nsec)) {
            free(newest);
            newest = xstrdup(path);
            best = st.st_mtim;
        }
        if (!in->newest)
            add_file(f, path, in);
    }
    if (in->newest && newest)
        add_file(f, newest, in);
    if (r == 0)
        globfree(&g);
    if (found == 0)
        return no_file(buf_cstr(&pattern), other, mode, e);
    if (found > 1 && in->name && !in->newest)
        return err_set(e, ERR_USAGE, 0,
                       "input: %zu files match %.300s, and only one can be called %.100s (newest "
                       "takes the last)",
                       found, buf_cstr(&pattern), in->name);
    return 0;
}

int job_find_inputs(const struct job *j, time_t now, struct job_files *f, struct err *e)
{
    size_t commands = 0;

    for (size_t i = 0; i < j->n_inputs; i++) {
        commands += j->inputs[i].is_command;
        if (!j->inputs[i].is_command && find_input(j, &j->inputs[i], now, f, e) < 0)
            return -1;
    }
    if (f->n + commands > ATTACH_MAX_FILES)
        return err_set(e, ERR_USAGE, 0, "input: %zu files match; the limit is %d", f->n + commands,
                       ATTACH_MAX_FILES);
    return 0;
}

/* --- commands --- */

struct sink {
    int fd;
    uint64_t bytes;
};

static int take_output(void *arg, struct str bytes, struct err *e)
{
    struct sink *s = arg;

    s->bytes += bytes.n;
    if (s->bytes > MAX_JOB_COMMAND_BYTES)
        return err_set(e, ERR_LIMIT, 0, "it gave more than %llu bytes, which is the limit",
                       (unsigned long long)MAX_JOB_COMMAND_BYTES);
    if (io_write_all(s->fd, bytes.p, bytes.n, e) < 0)
        return err_set(e, ERR_SYS, e->sys, "its output could not be written");
    return 0;
}

/* The last lines of what it said, on one line. */
static void put_last_lines(struct buf *out, struct str said)
{
    said = str_trim(said);
    const char *at = said.p + said.n;
    for (int lines = 0; at > said.p; at--)
        if (at[-1] == '\n' && ++lines == 3)
            break;
    said = str_from(said, (size_t)(at - said.p));
    if (said.n > 500)
        said = str_from(said, said.n - 500);
    if (said.n)
        buf_puts(out, ": ");
    utf8_clean_line(out, said);
}

static int run_command(struct program *p, const char *command, int fd, struct err *e)
{
    struct sink sink = { fd, 0 };
    cleanup_buf struct buf said = BUF_MAX(8 * KIB), why = BUF_MAX(4 * KIB);
    const char *argv[] = { "/bin/sh", "-c", command, NULL };
    struct job_child child = {
        .argv = argv,
        .in = -1,
        .take = take_output,
        .arg = &sink,
        .errors = &said,
        .timeout_ms = JOB_COMMAND_MS,
        .guarded = true,
    };
    int status = job_child_run(&child, &p->stop, e);

    put_last_lines(&why, buf_str(&said));
    if (status < 0)
        return -1;
    if (status != 0)
        return err_set(e, ERR_USAGE, 0, "the command ended with status %d%s", status,
                       buf_cstr(&why));
    if (sink.bytes == 0)
        return err_set(e, ERR_USAGE, 0, "the command gave no output%s", buf_cstr(&why));
    return 0;
}

/* A parameter's value becomes a part of the command's text: one that the shell would read as more
 * than a word is refused. */
static int expand_command(const struct job *j, const char *text, time_t now, struct buf *out,
                          struct err *e)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_.,:@%+/-";

    for (size_t i = 0; i < j->n_params; i++) {
        cleanup_free char *word = xasprintf("{{%s}}", j->params[i].name);
        cleanup_buf struct buf value = BUF_MAX(MAX_CONF_BYTES);
        if (strstr(text, word) == NULL)
            continue;
        if (job_expand(NULL, j->params[i].value, now, &value, e) < 0)
            return -1;
        if (strspn(buf_cstr(&value), plain) != value.n)
            return err_set(e, ERR_USAGE, 0,
                           "input: the value of parameter %s has characters other than letters, "
                           "digits and _.,:@%%+/-, which the shell could take for more than a word",
                           j->params[i].name);
    }
    return job_expand(j, text, now, out, e);
}

/* Another run may take JOB_INPUTS away, empty as it is, before there is something in it. What else
 * goes wrong is seen where a file is made. */
static void make_place(int folder_fd, const char *dir)
{
    for (int i = 0; i < 100; i++) {
        (void)mkdirat(folder_fd, JOB_INPUTS, 0777);
        if (mkdirat(folder_fd, dir, 0777) == 0 || errno != ENOENT)
            return;
    }
}

static int put_params(const struct job *j, int folder_fd, const char *dir, const cJSON *params,
                      struct job_files *f, struct err *e)
{
    static const struct job_input own = { .name = (char *)JOB_PARAMS };
    cleanup_free char *text = json_text(params), *path = io_join(dir, JOB_PARAMS);
    cleanup_free char *shown = io_join(j->folder, path), *line = xasprintf("%s\n", text);

    make_place(folder_fd, dir);
    if (io_write_atomic(folder_fd, path, str_of(line), 0666, e) < 0)
        return err_wrap(e, "parameters");
    add_file(f, shown, &own);
    return 0;
}

int job_make_inputs(struct program *p, const struct job *j, int folder_fd, const char *name,
                    time_t now, const cJSON *params, struct job_files *f, struct err *e)
{
    cleanup_free char *dir = xasprintf(JOB_INPUTS "/%s", name);

    if (j->n_params && put_params(j, folder_fd, dir, params, f, e) < 0)
        return -1;

    for (size_t i = 0; i < j->n_inputs; i++) {
        const struct job_input *in = &j->inputs[i];
        cleanup_buf struct buf command = BUF_MAX(MAX_CONF_BYTES);
        if (!in->is_command)
            continue;
        if (expand_command(j, in->text, now, &command, e) < 0)
            return -1;
        cleanup_free char *path = xasprintf("%s/%s", dir, in->name);
        cleanup_free char *shown = xasprintf("%s/%s", j->folder, path);
        make_place(folder_fd, dir);
        cleanup_fd int fd =
            openat(folder_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (fd < 0)
            return err_set(e, ERR_SYS, errno, "input %s: make %.400s", in->name, shown);
        if (run_command(p, buf_cstr(&command), fd, e) < 0)
            return err_wrap(e, "input %s", in->name);
        add_file(f, shown, in);
    }
    return 0;
}

/* --- fingerprints --- */

static int hash_file(struct job_found *file, const struct stop *stop, struct err *e)
{
    char part[65536];
    struct sha256 h;
    cleanup_fd int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;
    ssize_t n = fd < 0 || fstat(fd, &st) < 0 ? -1 : 0;

    sha256_init(&h);
    while (fd >= 0 && (n = read(fd, part, sizeof part)) > 0) {
        if (stop_check(stop, e) < 0)
            return -1;
        sha256_put(&h, part, (size_t)n);
        file->bytes += n;
    }
    if (n < 0)
        return err_set(e, ERR_SYS, errno, "input: read %.300s", file->path);
    sha256_hex(&h, file->sha256);
    file->ino = st.st_ino;
    file->mtime = st.st_mtim;
    return 0;
}

int job_hash_inputs(struct job_files *f, const struct stop *stop, struct err *e)
{
    for (size_t i = 0; i < f->n; i++)
        if (hash_file(&f->v[i], stop, e) < 0)
            return -1;
    return 0;
}
