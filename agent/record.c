#include "agent/record.h"
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/log.h"
#include "agent/base/mem.h"
#include "agent/base/banned.h"

struct record {
    char id[40];
    char *dir;    /* NULL: ephemeral */
    char *inputs; /* NULL until asked for */
    int dir_fd, events_fd, artifacts_fd;
    int64_t seq;
    record_watcher *watcher;
    void *watcher_arg;
    struct err first; /* the first failure to write */
};

static struct tm utc_now(void)
{
    struct tm tm;
    time_t t = time(NULL);

    gmtime_r(&t, &tm);
    return tm;
}

static void make_id(struct record *r)
{
    unsigned char rnd[4] = { 0 };
    struct tm tm = utc_now();
    char day[24];

    if (getrandom(rnd, sizeof rnd, 0) < 0)
        rnd[0] = (unsigned char)getpid();
    strftime(day, sizeof day, "%Y%m%d-%H%M%S", &tm);
    snprintf(r->id, sizeof r->id, "%s-%02x%02x%02x%02x", day, rnd[0], rnd[1], rnd[2], rnd[3]);
}

static int open_folder(struct record *r, const char *root, struct err *e)
{
    cleanup_free char *dir = io_join(root, r->id);

    if (io_mkdirs(root, 0700, e) < 0)
        return err_wrap(e, "cannot keep a record of this session (--session-dir DIR chooses "
                           "another place, --ephemeral keeps none)");
    if (mkdir(dir, 0700) < 0)
        return err_set(e, ERR_SYS, errno,
                       "cannot keep a record of this session (--session-dir DIR chooses another "
                       "place, --ephemeral keeps none): create %s",
                       dir);
    r->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r->dir_fd < 0 || mkdirat(r->dir_fd, "cells", 0700) < 0 ||
        mkdirat(r->dir_fd, "inputs", 0700) < 0 || mkdirat(r->dir_fd, "artifacts", 0700) < 0)
        return err_set(e, ERR_SYS, errno, "create the session folder %s", dir);
    r->artifacts_fd = openat(r->dir_fd, "artifacts", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    r->events_fd =
        openat(r->dir_fd, "events.jsonl", O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
    if (r->artifacts_fd < 0 || r->events_fd < 0)
        return err_set(e, ERR_SYS, errno, "create the record in %s", dir);
    /* Whoever holds it is at work on this session; it goes with the process. */
    if (flock(r->events_fd, LOCK_EX | LOCK_NB) < 0)
        return err_set(e, ERR_SYS, errno, "lock %s/events.jsonl", dir);
    r->dir = steal_ptr(&dir);
    return 0;
}

/* The number of the last event. A line that a crash cut is taken away, so that the next event does
 * not grow onto it. */
static int take_up_events(struct record *r, const char *dir, struct err *e)
{
    cleanup_buf struct buf all = BUF_MAX(MAX_RECORD_BYTES);
    struct str rest, line;
    size_t whole = 0;

    if (io_read_fd(r->events_fd, &all, e) < 0)
        return err_wrap(e, "%s/events.jsonl", dir);
    for (rest = buf_str(&all); str_cut(&rest, '\n', &line); whole += line.n + 1) {
        struct err ignored = ERR_INIT;
        cleanup_json cJSON *ev = json_parse(line, &ignored);
        int64_t seq = json_int(ev, "seq", 0);
        r->seq = seq > r->seq ? seq : r->seq;
    }
    if (whole < all.n && ftruncate(r->events_fd, (off_t)whole) < 0)
        return err_set(e, ERR_SYS, errno, "mend the end of %s/events.jsonl", dir);
    return 0;
}

struct record *record_reopen(const char *dir, struct err *e)
{
    struct record *r = xcalloc(1, sizeof *r);
    const char *id = io_basename(dir);

    r->dir_fd = r->events_fd = r->artifacts_fd = -1;
    snprintf(r->id, sizeof r->id, "%s", id);
    r->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r->dir_fd >= 0)
        r->events_fd =
            openat(r->dir_fd, "events.jsonl", O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    if (r->events_fd >= 0)
        r->artifacts_fd = openat(r->dir_fd, "artifacts", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r->artifacts_fd < 0) {
        err_set(e, ERR_SYS, errno, "go on with the session %s", dir);
    } else if (flock(r->events_fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno == EWOULDBLOCK)
            err_set(e, ERR_USAGE, 0,
                    "another agent is at work on session %s: wait for its end, or go on with a "
                    "copy (--fork)",
                    id);
        else
            err_set(e, ERR_SYS, errno, "lock %s/events.jsonl", dir);
    } else if (take_up_events(r, dir, e) == 0) {
        r->dir = xstrdup(dir);
        return r;
    }
    record_free(r);
    return NULL;
}

struct record *record_new(const char *root, bool ephemeral, struct err *e)
{
    struct record *r = xcalloc(1, sizeof *r);

    r->dir_fd = r->events_fd = r->artifacts_fd = -1;
    make_id(r);
    if (!ephemeral && open_folder(r, root, e) < 0) {
        record_free(r);
        return NULL;
    }
    return r;
}

void record_free(struct record *r)
{
    if (r == NULL)
        return;
    record_drop_inputs(r);
    cleanup_closep(&r->dir_fd);
    cleanup_closep(&r->events_fd);
    cleanup_closep(&r->artifacts_fd);
    free(r->dir);
    free(r->inputs);
    free(r);
}

const char *record_id(const struct record *r)
{
    return r->id;
}

const char *record_dir(const struct record *r)
{
    return r->dir;
}

int record_artifacts_fd(struct record *r)
{
    return r->artifacts_fd;
}

const char *record_inputs(struct record *r, struct err *e)
{
    if (r->inputs)
        return r->inputs;
    if (r->dir)
        return r->inputs = io_join(r->dir, "inputs");
    const char *tmp = getenv("TMPDIR");
    cleanup_free char *path = xasprintf("%s/agent-XXXXXX", tmp && tmp[0] == '/' ? tmp : "/tmp");
    if (mkdtemp(path) == NULL) {
        err_set(e, ERR_SYS, errno, "create a temporary folder %s", path);
        return NULL;
    }
    return r->inputs = steal_ptr(&path);
}

void record_drop_inputs(struct record *r)
{
    struct err e = ERR_INIT;

    if (r->dir == NULL && r->inputs != NULL)
        (void)io_remove_tree(AT_FDCWD, r->inputs, &e);
}

static void note_error(struct record *r, const struct err *e)
{
    if (r->first.code == ERR_NONE)
        r->first = *e;
}

void record_watch(struct record *r, record_watcher *fn, void *arg)
{
    r->watcher = fn;
    r->watcher_arg = arg;
}

void record_event(struct record *r, const char *type, struct cJSON *fields)
{
    struct err e = ERR_INIT;
    struct tm tm = utc_now();
    char when[40];

    if (r->watcher)
        r->watcher(r->watcher_arg, type, fields);
    if (r->dir == NULL) {
        cJSON_Delete(fields);
        return;
    }
    cleanup_json cJSON *ev = fields ? fields : cJSON_CreateObject();
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &tm);
    cleanup_buf struct buf raw = BUF_MAX(SIZE_MAX / 4), line = BUF_MAX(SIZE_MAX / 4);
    cleanup_free char *rest = json_text(ev);
    buf_putf(&raw, "{\"v\":%d,\"seq\":%lld,\"t\":\"%s\",\"type\":", RECORD_VERSION,
             (long long)++r->seq, when);
    json_quote(&raw, str_of(type));
    if (ev->child)
        buf_putc(&raw, ',');
    buf_puts(&raw, rest + 1);
    buf_putc(&raw, '\n');
    secret_redact(&line, buf_str(&raw));
    if (io_write_all(r->events_fd, line.p, line.n, &e) < 0) {
        err_wrap(&e, "%s/events.jsonl", r->dir);
        note_error(r, &e);
    }
}

void record_file(struct record *r, const char *name, struct str content)
{
    struct err e = ERR_INIT;

    if (r->dir == NULL)
        return;
    cleanup_buf struct buf safe = BUF_MAX(SIZE_MAX / 4);
    secret_redact(&safe, content);
    if (io_write_atomic(r->dir_fd, name, buf_str(&safe), 0600, &e) < 0) {
        err_wrap(&e, "%s", r->dir);
        note_error(r, &e);
    }
}

int record_close(struct record *r, struct cJSON *manifest, struct err *e)
{
    cleanup_json cJSON *m = manifest;

    if (r->dir == NULL)
        return 0;
    if (m) {
        cleanup_free char *text = cJSON_Print(m);
        cleanup_buf struct buf b = BUF_MAX(SIZE_MAX / 4);
        buf_puts(&b, text ? text : "{}");
        buf_putc(&b, '\n');
        record_file(r, "manifest.json", buf_str(&b));
    }
    if (fsync(r->events_fd) < 0 && r->first.code == ERR_NONE)
        err_set(&r->first, ERR_SYS, errno, "sync %s/events.jsonl", r->dir);
    if (r->first.code != ERR_NONE) {
        *e = r->first;
        return err_wrap(e, "the record of this session is incomplete");
    }
    return 0;
}
