#include "agent/record.h"
#include <cjson/cJSON.h>
#include <dirent.h>
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
    char id[MAX_SESSION_ID + 1];
    int question; /* the how manieth of the session */
    char *dir;    /* NULL: ephemeral */
    char *inputs; /* NULL until asked for */
    int dir_fd, events_fd, artifacts_fd;
    char *damage; /* that was mended; NULL = none */
    int64_t seq;
    record_watcher *watcher;
    void *watcher_arg;
    struct err first; /* the first failure to write */
};

static void note_error(struct record *r, const struct err *e)
{
    if (r->first.code == ERR_NONE)
        r->first = *e;
}

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
    int made = mkdir(dir, 0700);
    if (made < 0 && errno == EEXIST)
        return err_set(e, ERR_USAGE, 0,
                       "there is a session %s already: -r %s goes on with it, and another "
                       "--session-id makes a new one",
                       r->id, r->id);
    if (made < 0)
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
        openat(r->dir_fd, "events.jsonl", O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
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
    struct str rest, line, after;
    size_t whole = 0, number = 0;

    if (io_read_fd(r->events_fd, &all, e) < 0)
        return err_wrap(e, "%s/events.jsonl", dir);
    for (rest = buf_str(&all); str_cut(&rest, '\n', &line); whole += line.n + 1) {
        struct err ignored = ERR_INIT;
        cleanup_json cJSON *ev = json_parse(line, &ignored);
        if (ev == NULL || json_str(ev, "type") == NULL)
            break; /* readers go no further either (saved.c) */
        int64_t seq = json_int(ev, "seq", 0);
        r->seq = seq > r->seq ? seq : r->seq;
        number++;
    }
    after = str_from(buf_str(&all), whole);
    if (after.n && memchr(after.p, '\n', after.n)) {
        cleanup_free char *name = xasprintf("damaged-%lld.jsonl", (long long)r->seq);
        if (io_write_atomic(r->dir_fd, name, after, 0600, e) < 0)
            return err_wrap(e, "%s", dir);
        r->damage = xasprintf("line %zu of events.jsonl is damaged; it and what follows it is not "
                              "used, but kept in %s",
                              number + 1, name);
    } else if (after.n) {
        r->damage = xstrdup("the last event was cut by a crash");
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

struct record *record_new(const char *root, const char *id, bool ephemeral, struct err *e)
{
    struct record *r = xcalloc(1, sizeof *r);

    r->dir_fd = r->events_fd = r->artifacts_fd = -1;
    if (id)
        snprintf(r->id, sizeof r->id, "%s", id);
    else
        make_id(r);
    if (!ephemeral && open_folder(r, root, e) < 0) {
        record_free(r);
        return NULL;
    }
    return r;
}

bool record_is_id(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'z') ||
              (i > 0 && s.p[i] == '-')))
            return false;
    return s.n > 0 && s.n <= MAX_SESSION_ID;
}

static int copy_file(int from, int to, const char *name, struct err *e)
{
    cleanup_fd int in = io_open_beneath(from, name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    char part[65536];
    ssize_t n;

    if (in < 0 && errno == ENOENT)
        return 0; /* a temporary one of a session that runs */
    if (in < 0 || fstat(in, &st) < 0)
        return err_set(e, ERR_SYS, errno, "open %.200s", name);
    if (!S_ISREG(st.st_mode))
        return 0;
    cleanup_fd int out =
        openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (out < 0)
        return err_set(e, ERR_SYS, errno, "create %.200s", name);
    while ((n = read(in, part, sizeof part)) > 0)
        if (io_write_all(out, part, (size_t)n, e) < 0)
            return err_wrap(e, "%.200s", name);
    return n < 0 ? err_set(e, ERR_SYS, errno, "read %.200s", name) : 0;
}

/* The plain files of a folder and of the folders in it; folders that are there are filled. */
static int copy_tree(int from, int to, int depth, struct err *e)
{
    int fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

    if (d == NULL) {
        cleanup_closep(&fd);
        return err_set(e, ERR_SYS, errno, "open a folder of the session");
    }
    for (struct dirent *de; r == 0 && (de = readdir(d)) != NULL;) {
        struct stat st;
        const char *name = de->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
            strcmp(name, "events.jsonl") == 0 || fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (S_ISREG(st.st_mode)) {
            r = copy_file(from, to, name, e);
        } else if (S_ISDIR(st.st_mode) && depth > 0) {
            cleanup_fd int sub = io_open_beneath(from, name, O_RDONLY | O_DIRECTORY);
            if (mkdirat(to, name, 0700) < 0 && errno != EEXIST)
                r = err_set(e, ERR_SYS, errno, "create %.200s", name);
            cleanup_fd int into = io_open_beneath(to, name, O_RDONLY | O_DIRECTORY);
            if (r == 0 && sub >= 0 && into >= 0)
                r = copy_tree(sub, into, depth - 1, e);
        }
    }
    closedir(d);
    return r;
}

int record_copy(struct record *r, int from_fd, struct err *e)
{
    cleanup_buf struct buf all = BUF_MAX(MAX_RECORD_BYTES);
    cleanup_fd int in = io_open_beneath(from_fd, "events.jsonl", O_RDONLY | O_NONBLOCK);

    if (in < 0)
        err_set(e, ERR_SYS, errno, "open its events.jsonl");
    else if (io_read_fd(in, &all, e) == 0 && io_write_all(r->events_fd, all.p, all.n, e) == 0 &&
             lseek(r->events_fd, 0, SEEK_SET) == 0 && take_up_events(r, r->dir, e) == 0 &&
             copy_tree(from_fd, r->dir_fd, MAX_SCAN_DEPTH + 1, e) == 0)
        return 0;
    struct err ignored = ERR_INIT;
    (void)io_remove_tree(AT_FDCWD, r->dir, &ignored);
    return err_wrap(e, "copy the session to %s", r->dir);
}

void record_next_question(struct record *r, int n)
{
    r->question = n;
    if (r->dir == NULL)
        return;
    for (int i = 0; i < 2; i++) {
        const char *stem = i ? "manifest" : "answer", *ext = i ? "json" : "md";
        cleanup_free char *old = xasprintf("%s.%s", stem, ext),
                          *name = xasprintf("%s-%d.%s", stem, n - 1, ext);
        if (renameat(r->dir_fd, old, r->dir_fd, name) < 0 && errno != ENOENT) {
            struct err e = ERR_INIT;
            err_set(&e, ERR_SYS, errno, "rename %s/%s", r->dir, old);
            note_error(r, &e);
        }
    }
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
    free(r->damage);
    free(r);
}

const char *record_damage(const struct record *r)
{
    return r->damage;
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
    if (r->dir && r->question > 1) {
        r->inputs = xasprintf("%s/inputs/%d", r->dir, r->question);
        if (io_mkdirs(r->inputs, 0700, e) == 0)
            return r->inputs;
        free(r->inputs);
        r->inputs = NULL;
        return NULL;
    }
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
