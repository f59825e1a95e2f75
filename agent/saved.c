#include "agent/saved.h"
#include <cjson/cJSON.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/record.h"
#include "agent/base/banned.h"

/* Opens below the folder only: names come from events, which anybody may have edited. */
static int open_below(int dir_fd, const char *name)
{
    cleanup_fd int fd = io_open_beneath(dir_fd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))) {
        errno = EINVAL;
        return -1;
    }
    return steal_fd(&fd);
}

int saved_read(const struct saved *s, const char *name, struct buf *out, struct err *e)
{
    cleanup_fd int fd = open_below(s->dir_fd, name);

    if (fd < 0)
        return err_set(e, ERR_SYS, errno, "read %s/%.200s", s->dir, name);
    if (io_read_fd(fd, out, e) < 0)
        return err_wrap(e, "%s/%.200s", s->dir, name);
    return 0;
}

static void damaged(struct saved *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void damaged(struct saved *s, const char *fmt, ...)
{
    cleanup_buf struct buf b = BUF_MAX(4096), clean = BUF_MAX(16384);
    va_list ap;

    if (s->damage)
        return;
    va_start(ap, fmt);
    buf_vputf(&b, fmt, ap);
    va_end(ap);
    utf8_clean_line(&clean, buf_str(&b));
    s->damage = buf_steal(&clean);
}

/* A turn's raw form goes back to its service: digit for digit. */
static void exact_raw(cJSON *ev, struct str line)
{
    struct err ignored = ERR_INIT;
    cleanup_json cJSON *exact = json_parse_exact(line, &ignored);
    cJSON *raw = cJSON_DetachItemFromObjectCaseSensitive(exact, "raw");

    cJSON_ReplaceItemInObjectCaseSensitive(ev, "raw", raw);
}

static int read_events(struct saved *s, struct err *e)
{
    cleanup_buf struct buf all = BUF_MAX(MAX_RECORD_BYTES);
    size_t cap = 0, number = 0;
    struct str rest, line;

    if (saved_read(s, "events.jsonl", &all, e) < 0) {
        if (e->code == ERR_SYS && e->sys == ENOENT)
            return err_set(e, ERR_USAGE, 0, "%s holds no session: it has no events.jsonl", s->dir);
        return -1;
    }
    for (rest = buf_str(&all); rest.n;) {
        struct err je = ERR_INIT;
        bool whole = str_cut(&rest, '\n', &line);
        number++;
        if (!whole) {
            damaged(s, "the last event (line %zu of events.jsonl) was cut by a crash", number);
            break;
        }
        cJSON *ev = json_parse(line, &je);
        if (ev == NULL || json_str(ev, "type") == NULL) {
            damaged(s, "line %zu of events.jsonl is damaged (%s); what follows it is not used",
                    number, ev ? "it is no event" : je.msg);
            cJSON_Delete(ev);
            break;
        }
        if (s->n_events == cap) {
            cap = cap ? cap * 2 : 64;
            s->events = xrealloc(s->events, cap, sizeof(cJSON *));
        }
        if (json_get(ev, "raw"))
            exact_raw(ev, line);
        s->events[s->n_events++] = ev;
    }
    return 0;
}

static void read_part(struct saved *s, const cJSON *ev, const char *member, struct buf *out)
{
    const char *name = json_str(ev, member);
    struct err e = ERR_INIT;

    if (name && saved_read(s, name, out, &e) < 0)
        damaged(s, "%s", e.msg);
}

static struct saved_cell *cell_of(struct saved *s, const cJSON *ev)
{
    int64_t number = json_int(ev, "cell", 0);

    for (size_t i = s->n_cells; i > 0; i--)
        if (s->cells[i - 1].number == number)
            return &s->cells[i - 1];
    return NULL;
}

static void add_cell(struct saved *s, const cJSON *ev)
{
    cleanup_buf struct buf code = BUF_MAX(MAX_ARGS_BYTES);

    s->cells = xrealloc(s->cells, s->n_cells + 1, sizeof *s->cells);
    struct saved_cell *c = &s->cells[s->n_cells++];
    *c = (struct saved_cell){
        .number = (int)json_int(ev, "cell", 0),
        .language = json_str(ev, "language"),
        .call_id = json_str(ev, "call_id"),
        .description = json_str(ev, "description"),
        .out = BUF_MAX(MAX_STREAM_BYTES * 2),
        .err = BUF_MAX(MAX_STREAM_BYTES * 2),
        .start = ev,
    };
    c->language = c->language ? c->language : "python";
    c->call_id = c->call_id ? c->call_id : "";
    read_part(s, ev, "code", &code);
    c->code = buf_steal(&code);
}

static void read_cells(struct saved *s)
{
    for (size_t i = 0; i < s->n_events; i++) {
        const cJSON *ev = s->events[i];
        const char *type = json_str(ev, "type");
        if (strcmp(type, "cell.start") == 0) {
            add_cell(s, ev);
        } else if (strcmp(type, "cell.end") == 0) {
            struct saved_cell *c = cell_of(s, ev);
            if (c == NULL || c->end)
                continue;
            c->end = ev;
            c->status = json_str(ev, "status");
            read_part(s, ev, "stdout", &c->out);
            read_part(s, ev, "stderr", &c->err);
        }
    }
}

static cJSON *read_manifest(const struct saved *s)
{
    cleanup_buf struct buf b = BUF_MAX(MAX_MANIFEST_BYTES);
    struct err e = ERR_INIT;

    return saved_read(s, "manifest.json", &b, &e) == 0 ? json_parse(buf_str(&b), &e) : NULL;
}

int saved_load(const char *dir, struct saved *ret, struct err *e)
{
    struct saved s = { .dir_fd = -1 };

    s.dir = xstrdup(dir);
    s.id = xstrdup(io_basename(dir));
    s.dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s.dir_fd < 0) {
        err_set(e, errno == ENOENT ? ERR_USAGE : ERR_SYS, errno, "open the session %s", dir);
    } else if (read_events(&s, e) == 0) {
        read_cells(&s);
        s.manifest = read_manifest(&s);
        *ret = s;
        return 0;
    }
    saved_done(&s);
    return -1;
}

void saved_done(struct saved *s)
{
    for (size_t i = 0; i < s->n_cells; i++) {
        free(s->cells[i].code);
        buf_free(&s->cells[i].out);
        buf_free(&s->cells[i].err);
    }
    free(s->cells);
    for (size_t i = 0; i < s->n_events; i++)
        cJSON_Delete(s->events[i]);
    free(s->events);
    cJSON_Delete(s->manifest);
    cleanup_closep(&s->dir_fd);
    free(s->id);
    free(s->dir);
    free(s->damage);
    *s = (struct saved){ .dir_fd = -1 };
}

const struct cJSON *saved_last(const struct saved *s, const char *type)
{
    for (size_t i = s->n_events; i > 0; i--)
        if (strcmp(json_str(s->events[i - 1], "type"), type) == 0)
            return s->events[i - 1];
    return NULL;
}

const char *saved_text(const struct saved *s, const char *type, const char *member)
{
    const cJSON *ev = saved_last(s, type);

    return ev ? json_str(ev, member) : NULL;
}

/* --- listing --- */

/* When its record last grew. */
static int64_t used_of(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

static int64_t bytes_of(int dir_fd, int depth)
{
    int fd = dup(dir_fd);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    int64_t sum = 0;

    if (d == NULL) {
        cleanup_closep(&fd);
        return 0;
    }
    for (struct dirent *de; (de = readdir(d)) != NULL;) {
        struct stat st;
        if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0 ||
            fstatat(dir_fd, de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (S_ISREG(st.st_mode)) {
            sum += st.st_size;
        } else if (S_ISDIR(st.st_mode) && depth > 0) {
            cleanup_fd int sub =
                openat(dir_fd, de->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
            sum += sub >= 0 ? bytes_of(sub, depth - 1) : 0;
        }
    }
    closedir(d);
    return sum;
}

/* The first whole line of the events; without a manifest it is all that is cheap to know. */
static cJSON *first_event(int events_fd)
{
    cleanup_buf struct buf b = BUF_MAX(MAX_PROMPT_BYTES * 2);
    struct err e = ERR_INIT;
    char part[4096];
    off_t at = 0;

    for (ssize_t n; (n = pread(events_fd, part, sizeof part, at)) > 0; at += n) {
        buf_put(&b, part, (size_t)n);
        if (b.over || memchr(part, '\n', (size_t)n))
            break;
    }
    struct str rest = buf_str(&b), line;
    return str_cut(&rest, '\n', &line) ? json_parse(line, &e) : NULL;
}

static char *member(const cJSON *a, const cJSON *b, const char *name)
{
    const char *s = json_str(a, name);

    return xstrdup(s ? s : json_str(b, name) ? json_str(b, name) : "");
}

static bool read_info(int root_fd, const char *id, struct saved_info *ret)
{
    cleanup_fd int dir = openat(root_fd, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    cleanup_fd int events = dir >= 0 ? open_below(dir, "events.jsonl") : -1;

    struct stat st;

    if (events < 0 || fstat(events, &st) < 0)
        return false;
    struct saved s = { .dir_fd = dir, .dir = (char[]){ "" } };
    cleanup_json cJSON *m = read_manifest(&s), *first = first_event(events);
    *ret = (struct saved_info){
        .id = xstrdup(id),
        .started = member(first, NULL, "t"),
        .question = member(m, first, "question"),
        .model = member(m, first, "model"),
        .used = used_of(&st),
        .bytes = bytes_of(dir, 2),
        .cells = (int)json_int(m, "cells", 0),
        .cost = json_num(json_obj(m, "usage"), "cost_usd", NAN),
    };
    /* A run holds a lock on its events (record.c). */
    bool held = flock(events, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
    const char *status = json_str(m, "status");
    ret->status = xstrdup(held ? "running" : status ? status : "killed");
    return true;
}

/* What a folder's place in the order needs: one look at it. */
struct place {
    char *id;
    int64_t used;
};

static int used_last_first(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    return x->used != y->used ? (x->used < y->used ? 1 : -1) : strcmp(y->id, x->id);
}

static struct place *read_places(DIR *d, size_t *ret_n)
{
    struct place *v = NULL;
    size_t n = 0, cap = 0;

    for (struct dirent *de; (de = readdir(d)) != NULL;) {
        struct stat st;
        if (!record_is_id(str_of(de->d_name)))
            continue;
        cleanup_free char *events = io_join(de->d_name, "events.jsonl");
        if (fstatat(dirfd(d), events, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
            continue;
        if (n == cap) {
            cap = cap ? cap * 2 : 64;
            v = xrealloc(v, cap, sizeof *v);
        }
        v[n++] = (struct place){ xstrdup(de->d_name), used_of(&st) };
    }
    if (n)
        qsort(v, n, sizeof *v, used_last_first);
    *ret_n = n;
    return v;
}

int saved_list(const char *root, size_t max, struct saved_list *ret, struct err *e)
{
    DIR *d = opendir(root);
    size_t n;

    *ret = (struct saved_list){ NULL, 0, 0 };
    if (d == NULL)
        return errno == ENOENT ? 0 : err_set(e, ERR_SYS, errno, "read the sessions in %s", root);
    struct place *places = read_places(d, &n);
    ret->v = xcalloc(n + 1, sizeof *ret->v);
    for (size_t i = 0; i < n; i++) {
        if (max && ret->n >= max)
            ret->more++;
        else if (read_info(dirfd(d), places[i].id, &ret->v[ret->n]))
            ret->n++;
        free(places[i].id);
    }
    free(places);
    closedir(d);
    return 0;
}

void saved_list_done(struct saved_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->v[i].id);
        free(l->v[i].started);
        free(l->v[i].question);
        free(l->v[i].model);
        free(l->v[i].status);
    }
    free(l->v);
    *l = (struct saved_list){ NULL, 0, 0 };
}

struct search {
    struct str word;
    bool last; /* the one used last is looked for */
    int64_t used;
    char *found;
    size_t n;
    struct buf names; /* the first few that fit */
};

static void consider(struct search *q, const char *id, int64_t used)
{
    if (q->last) {
        if (q->found == NULL || used > q->used || (used == q->used && strcmp(id, q->found) > 0)) {
            free(q->found);
            q->found = xstrdup(id);
            q->used = used;
        }
        q->n = 1;
        return;
    }
    struct str s = str_of(id);
    if (s.n < q->word.n || memcmp(s.p, q->word.p, q->word.n) != 0)
        return;
    if (++q->n <= 5)
        buf_putf(&q->names, " %s", id);
    free(q->found);
    q->found = xstrdup(id);
}

static void search_done(struct search *q)
{
    free(q->found);
    buf_free(&q->names);
}

char *saved_find(const char *root, const char *word, struct err *e)
{
    __attribute__((cleanup(search_done))) struct search q = {
        .word = str_of(word),
        .last = strcmp(word, "last") == 0,
        .names = BUF_MAX(1024),
    };
    cleanup_buf struct buf shown = BUF_MAX(1024);

    utf8_clean_line(&shown, utf8_head(q.word, 60));
    if (!q.last && !record_is_id(q.word)) {
        err_set(e, ERR_USAGE, 0,
                "\"%s\" is no session id: an id has digits, small letters and dashes, as agent "
                "sessions shows them; its beginning is enough, and \"last\" is the one used last",
                buf_cstr(&shown));
        return NULL;
    }
    if (!q.last) {
        cleanup_free char *exact = io_join(root, word);
        cleanup_free char *events = io_join(exact, "events.jsonl");
        if (access(events, F_OK) == 0)
            return steal_ptr(&exact);
    }
    DIR *d = opendir(root);
    if (d == NULL && errno != ENOENT) {
        err_set(e, ERR_SYS, errno, "read the sessions in %s", root);
        return NULL;
    }
    for (struct dirent *de; d && (de = readdir(d)) != NULL;) {
        if (!record_is_id(str_of(de->d_name)))
            continue;
        cleanup_free char *events = xasprintf("%s/events.jsonl", de->d_name);
        struct stat st;
        if (fstatat(dirfd(d), events, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
            consider(&q, de->d_name, used_of(&st));
    }
    if (d)
        closedir(d);
    if (q.n == 1)
        return io_join(root, q.found);
    if (q.n > 1)
        err_set(e, ERR_USAGE, 0, "%zu sessions begin with \"%s\":%s%s. Give more of the id", q.n,
                buf_cstr(&shown), buf_cstr(&q.names), q.n > 5 ? " ..." : "");
    else if (q.last)
        err_set(e, ERR_USAGE, 0, "there is no session in %s yet", root);
    else
        err_set(e, ERR_USAGE, 0, "there is no session \"%s\" in %s; agent sessions lists them",
                buf_cstr(&shown), root);
    return NULL;
}
