/* agent sessions: what was recorded: listed, searched, shown, deleted. Reads through agent/saved.c;
 * deletes whole session folders of the sessions' root and nothing else. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/export.h"
#include "agent/program.h"
#include "agent/saved.h"
#include "agent/base/banned.h"

static int print(struct str text, struct err *e)
{
    return io_write_all(STDOUT_FILENO, text.p, text.n, e) < 0 && e->sys != EPIPE ? -1 : 0;
}

static void put_bytes(struct buf *out, int64_t n)
{
    if (n >= 10 * (int64_t)MIB)
        buf_putf(out, "%lld MB", (long long)(n / 1000000));
    else if (n >= 10000)
        buf_putf(out, "%lld kB", (long long)(n / 1000));
    else
        buf_putf(out, "%lld B", (long long)n);
}

/* The first `columns` columns of one line of foreign text. */
static void put_cut(struct buf *out, const char *text, size_t columns)
{
    cleanup_buf struct buf clean = BUF_MAX(SIZE_MAX / 4);

    utf8_clean_line(&clean, utf8_head(str_of(text), columns * 4 + 200));
    struct str s = buf_str(&clean);
    if (utf8_width(s) <= columns) {
        buf_putstr(out, s);
        return;
    }
    size_t n = s.n;
    while (n > 0 && utf8_width(utf8_head(s, n)) + 3 > columns)
        n--;
    buf_putstr(out, utf8_head(s, n));
    buf_puts(out, "...");
}

/* --- list and search --- */

static cJSON *info_json(const struct saved_info *s)
{
    cJSON *o = cJSON_CreateObject();

    json_add_str(o, "id", str_of(s->id));
    json_add_str(o, "started", str_of(s->started));
    json_add_str(o, "status", str_of(s->status));
    json_add_str(o, "question", str_of(s->question));
    json_add_str(o, "model", str_of(s->model));
    json_add_int(o, "cells", s->cells);
    json_add_int(o, "bytes", s->bytes);
    if (!isnan(s->cost))
        cJSON_AddNumberToObject(o, "cost_usd", s->cost);
    return o;
}

static void put_info(struct buf *out, const struct saved_info *s)
{
    cleanup_buf struct buf size = BUF_MAX(64);

    put_bytes(&size, s->bytes);
    /* "2026-11-21T05:33:04Z" as "2026-11-21 05:33" */
    buf_putf(out, "%-26s  %.10s %.5s  %-9s %8s  ", s->id, s->started,
             strlen(s->started) > 16 ? s->started + 11 : "", s->status, buf_cstr(&size));
    put_cut(out, s->question, 60);
    buf_putc(out, '\n');
}

static bool holds(const char *text, const char *word)
{
    return text && strcasestr(text, word) != NULL;
}

/* Is the word in the question, an answer, a cell's code or what it printed? */
static bool mentions(const char *root, const struct saved_info *info, const char *word)
{
    cleanup_free char *dir = io_join(root, info->id);
    struct err e = ERR_INIT;
    struct saved s;
    bool found = holds(info->question, word);

    if (found || saved_load(dir, &s, &e) < 0)
        return found;
    for (size_t i = 0; i < s.n_events && !found; i++) {
        const char *type = json_str(s.events[i], "type");
        if (strcmp(type, "answer") == 0 || strcmp(type, "user") == 0 || strcmp(type, "turn") == 0)
            found = holds(json_str(s.events[i], "text"), word);
    }
    for (size_t i = 0; i < s.n_cells && !found; i++)
        found = holds(s.cells[i].code, word) || holds(buf_cstr(&s.cells[i].out), word) ||
                holds(s.cells[i].description, word);
    saved_done(&s);
    return found;
}

static int list(struct program *p, const char *root, const char *word, struct err *e)
{
    cleanup_buf struct buf out = BUF_MAX(SIZE_MAX / 4);
    cleanup_json cJSON *all = cJSON_CreateObject();
    cJSON *rows = cJSON_AddArrayToObject(all, "sessions");
    struct saved_list l;
    long shown = 0, more = 0;

    if (saved_list(root, word ? 0 : (size_t)p->conf.limit, &l, e) < 0)
        return -1;
    more = (long)l.more;
    for (size_t i = 0; i < l.n; i++) {
        if (word && !mentions(root, &l.v[i], word))
            continue;
        if (p->conf.limit > 0 && shown >= p->conf.limit) {
            more++;
            continue;
        }
        shown++;
        if (p->conf.json)
            cJSON_AddItemToArray(rows, info_json(&l.v[i]));
        else
            put_info(&out, &l.v[i]);
    }
    saved_list_done(&l);
    if (p->conf.json) {
        json_add_int(all, "more", more);
        cleanup_free char *text = json_text(all);
        buf_putf(&out, "%s\n", text);
    } else if (shown == 0) {
        ui_note(p->run.ui, word ? "no session has that text" : "there is no session yet");
    } else if (more) {
        ui_note(p->run.ui, "and %ld more: --limit N shows more, --limit 0 all", more);
    }
    return print(buf_str(&out), e);
}

/* --- show --- */

static void put_indented(struct buf *out, struct str text, size_t max_lines)
{
    cleanup_buf struct buf clean = BUF_MAX(SIZE_MAX / 4);
    struct str rest, line;
    size_t n = 0, left = 0;

    utf8_clean(&clean, text);
    for (rest = buf_str(&clean); rest.n;) {
        (void)str_cut(&rest, '\n', &line);
        if (n++ < max_lines)
            buf_putf(out, "    %.*s\n", (int)line.n, line.p);
        else
            left++;
    }
    if (left)
        buf_putf(out, "    ... and %zu more lines\n", left);
}

static void put_cell(struct buf *out, const struct saved_cell *c, bool whole)
{
    size_t lines = whole ? SIZE_MAX : 20;
    const cJSON *error = json_obj(c->end, "error");

    buf_putf(out, "\n[%d] ", c->number);
    if (c->description)
        put_cut(out, c->description, 100);
    buf_putf(out, "%s%s: %s", c->description ? " " : "", c->language,
             c->status ? c->status : "never ended");
    int64_t us = json_int(c->end, "duration_us", -1);
    if (us >= 0)
        buf_putf(out, ", %.3f s", (double)us / 1e6);
    buf_putc(out, '\n');
    put_indented(out, str_of(c->code), lines);
    if (c->out.n) {
        buf_puts(out, "  printed:\n");
        put_indented(out, buf_str(&c->out), lines);
    }
    if (c->err.n) {
        buf_puts(out, "  on standard error:\n");
        put_indented(out, buf_str(&c->err), lines);
    }
    const cJSON *results = json_arr(c->end, "results"), *r;
    cJSON_ArrayForEach(r, results)
    {
        const char *text = json_str(r, "text");
        if (text) {
            buf_puts(out, "  result:\n");
            put_indented(out, str_of(text), lines);
        }
    }
    if (error) {
        buf_puts(out, "  error: ");
        cleanup_free char *one =
            xasprintf("%s: %s", json_str(error, "name") ? json_str(error, "name") : "error",
                      json_str(error, "value") ? json_str(error, "value") : "");
        put_cut(out, one, 300);
        buf_putc(out, '\n');
    }
}

static void put_line(struct buf *out, const char *what, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return;
    buf_putf(out, "%-10s", what);
    put_cut(out, text, 2000);
    buf_putc(out, '\n');
}

static void put_manifest(struct buf *out, const struct saved *s)
{
    const cJSON *a, *m = s->manifest;

    cJSON_ArrayForEach(a, json_arr(m, "inputs")) put_line(out, "attached", json_str(a, "path"));
    cJSON_ArrayForEach(a, json_arr(m, "artifacts"))
    {
        cleanup_free char *path =
            io_join(s->dir, json_str(a, "file") ? json_str(a, "file") : "artifacts");
        put_line(out, "file", path);
    }
    const cJSON *usage = json_obj(m, "usage");
    if (usage && json_int(usage, "input_tokens", -1) >= 0)
        buf_putf(out, "tokens    %lld in, %lld out\n",
                 (long long)json_int(usage, "input_tokens", 0),
                 (long long)json_int(usage, "output_tokens", 0));
    double cost = json_num(usage, "cost_usd", NAN);
    if (!isnan(cost))
        buf_putf(out, "cost      $%.4f\n", cost);
    const cJSON *g = json_obj(m, "grounding");
    if (g)
        buf_putf(out, "checked   %lld numbers and files of the answer, %d not found\n",
                 (long long)json_int(g, "checked", 0),
                 cJSON_GetArraySize(json_arr(g, "unmatched")));
}

static int show(struct program *p, const char *root, const char *word, struct err *e)
{
    cleanup_free char *dir = saved_find(root, word, e);
    cleanup_buf struct buf out = BUF_MAX(SIZE_MAX / 4);
    struct saved s;

    if (dir == NULL || saved_load(dir, &s, e) < 0)
        return -1;
    if (s.damage)
        ui_warn(p->run.ui, "%s", s.damage);
    put_line(&out, "session", s.id);
    put_line(&out, "started", s.n_events ? json_str(s.events[0], "t") : NULL);
    const char *model = saved_text(&s, "session.start", "model");
    put_line(&out, "model", model ? model : json_str(s.manifest, "model"));
    put_line(&out, "status",
             json_str(s.manifest, "status") ? json_str(s.manifest, "status")
                                            : "killed, or still running");
    put_manifest(&out, &s);
    put_line(&out, "record", s.dir);
    cleanup_buf struct buf repair = BUF_MAX(8192), diff = BUF_MAX(SIZE_MAX / 4);
    export_repair(&s, &repair, &diff);
    put_line(&out, "repaired", repair.n ? buf_cstr(&repair) : NULL);
    if (diff.n)
        put_indented(&out, buf_str(&diff), SIZE_MAX);
    for (size_t i = 0, next = 0; i < s.n_events; i++) {
        const char *type = json_str(s.events[i], "type"), *text = json_str(s.events[i], "text");
        bool user = strcmp(type, "user") == 0, answer = strcmp(type, "answer") == 0;
        if (strcmp(type, "cell.start") == 0 && next < s.n_cells)
            put_cell(&out, &s.cells[next++], p->conf.verbose);
        if (!text || !(user || answer))
            continue;
        buf_puts(&out, user ? "\nquestion\n" : "\nanswer\n");
        put_indented(&out, str_of(text), p->conf.verbose || answer ? SIZE_MAX : 40);
    }
    saved_done(&s);
    return print(buf_str(&out), e);
}

/* --- delete and prune --- */

/* Renamed first, so that a half-removed folder is never taken for a session. */
static int delete_one(const char *root, const char *id, struct err *e)
{
    cleanup_free char *dir = io_join(root, id), *events = io_join(dir, "events.jsonl"),
                      *gone = xasprintf("%s/.deleted-%s", root, id);
    cleanup_fd int fd = open(events, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
        return err_set(e, ERR_USAGE, 0, "session %s is running: it is kept", id);
    if (rename(dir, gone) < 0)
        return err_set(e, ERR_SYS, errno, "delete %s", dir);
    return io_remove_tree(AT_FDCWD, gone, e);
}

static int delete (struct program *p, const char *root, struct err *e)
{
    char **ids = xcalloc(p->conf.n_args, sizeof *ids);
    size_t n = p->conf.n_args - 1;
    int r = 0;

    /* All are found before any is deleted. */
    for (size_t i = 0; i < n && r == 0; i++) {
        ids[i] = saved_find(root, p->conf.args[i + 1], e);
        r = ids[i] ? 0 : -1;
    }
    for (size_t i = 0; i < n && r == 0; i++) {
        r = delete_one(root, io_basename(ids[i]), e);
        if (r == 0)
            ui_note(p->run.ui, "deleted %s", io_basename(ids[i]));
    }
    for (size_t i = 0; i < n; i++)
        free(ids[i]);
    free(ids);
    return r;
}

static int prune(struct program *p, const char *root, struct err *e)
{
    const struct conf *c = &p->conf;
    int64_t kept_bytes = 0, freed = 0;
    struct saved_list l;
    size_t n = 0;
    int r = 0;

    if (c->older_ms == 0 && c->keep < 0 && c->max_size == 0)
        return err_set(e, ERR_USAGE, 0,
                       "agent sessions prune needs a rule: --older-than 30d, --keep N or "
                       "--max-size 1g; --dry-run shows what would go");
    if (saved_list(root, 0, &l, e) < 0)
        return -1;
    /* The one used last first: what is beyond a rule has rested longest. */
    for (size_t i = 0; i < l.n && r == 0; i++) {
        const struct saved_info *s = &l.v[i];
        bool old = c->older_ms && (int64_t)time(NULL) * 1000 - s->used / 1000000 > c->older_ms;
        bool many = c->keep >= 0 && (long)(i - n) >= c->keep;
        bool large = c->max_size && kept_bytes + s->bytes > c->max_size;
        if (strcmp(s->status, "running") == 0 || !(old || many || large)) {
            kept_bytes += s->bytes;
            continue;
        }
        n++;
        freed += s->bytes;
        if (c->dry_run)
            ui_note(p->run.ui, "would delete %s", s->id);
        else
            r = delete_one(root, s->id, e);
    }
    cleanup_buf struct buf size = BUF_MAX(64);
    put_bytes(&size, freed);
    if (r == 0)
        ui_note(p->run.ui, "%s %zu of %zu sessions, %s", c->dry_run ? "would delete" : "deleted", n,
                l.n, buf_cstr(&size));
    saved_list_done(&l);
    return r;
}

void sessions_command(struct program *p, struct err *why)
{
    static const struct {
        const char *name;
        size_t min, max; /* words behind it */
        const char *wants;
    } verbs[] = {
        { "list", 0, 0, "nothing" },
        { "search", 1, SIZE_MAX, "a text" },
        { "show", 1, 1, "one session" },
        { "delete", 1, SIZE_MAX, "sessions" },
        { "prune", 0, 0, "no words, but a rule such as --older-than 30d" },
    };
    const struct conf *c = &p->conf;
    const char *verb = c->n_args ? c->args[0] : "list";
    size_t words = c->n_args ? c->n_args - 1 : 0, k = 0;
    cleanup_free char *root = conf_session_root(c, why);

    if (root == NULL)
        return;
    while (k < ARRAY_LEN(verbs) && strcmp(verbs[k].name, verb) != 0)
        k++;
    if (k == ARRAY_LEN(verbs)) {
        cleanup_buf struct buf b = BUF_MAX(4096);
        put_cut(&b, verb, 60);
        err_set(why, ERR_USAGE, 0,
                "agent sessions does not know \"%s\": it lists, or does search TEXT, show ID, "
                "delete ID..., prune",
                buf_cstr(&b));
    } else if (words < verbs[k].min || words > verbs[k].max) {
        err_set(why, ERR_USAGE, 0, "agent sessions %s takes %s", verb, verbs[k].wants);
    } else if (k == 0) {
        list(p, root, NULL, why);
    } else if (k == 1) {
        cleanup_buf struct buf text = BUF_MAX(MAX_CONF_BYTES);
        for (size_t i = 1; i < c->n_args; i++)
            buf_putf(&text, "%s%s", i > 1 ? " " : "", c->args[i]);
        list(p, root, buf_cstr(&text), why);
    } else if (k == 2) {
        show(p, root, c->args[1], why);
    } else if (k == 3) {
        delete (p, root, why);
    } else {
        prune(p, root, why);
    }
}
