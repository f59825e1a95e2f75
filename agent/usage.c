/* agent usage: the records' tokens and costs, summed by day (UTC) and model. Reads the turns alone,
 * so that years of sessions take a second. Ephemeral runs left no record and are not counted. */
#include <cjson/cJSON.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/program.h"
#include "agent/base/banned.h"

struct row {
    char day[11];
    char *model; /* "service/model" */
    int64_t turns, unpriced, input, output, cached, reasoning;
    double cost; /* of the priced turns */
};
struct table {
    struct row *v;
    size_t n;
    int64_t sessions, damaged;
};

static void table_done(struct table *t)
{
    for (size_t i = 0; i < t->n; i++)
        free(t->v[i].model);
    free(t->v);
}

static struct row *row_of(struct table *t, const char *day, const char *model)
{
    for (size_t i = t->n; i > 0; i--)
        if (strcmp(t->v[i - 1].day, day) == 0 && strcmp(t->v[i - 1].model, model) == 0)
            return &t->v[i - 1];
    t->v = xrealloc(t->v, t->n + 1, sizeof *t->v);
    struct row *r = &t->v[t->n++];
    *r = (struct row){ .model = xstrdup(model) };
    memcpy(r->day, day, strlen(day) < 10 ? strlen(day) : 10);
    return r;
}

static void count(int64_t *sum, const cJSON *usage, const char *name)
{
    int64_t v = json_int(usage, name, 0);

    if (v > 0 && v < (int64_t)1 << 50)
        *sum += v;
}

static void add_turn(struct table *t, const cJSON *ev)
{
    const cJSON *usage = json_obj(ev, "usage");
    const char *when = json_str(ev, "t"), *service = json_str(ev, "service");
    const char *model = json_str(ev, "asked") ? json_str(ev, "asked") : json_str(ev, "model");
    char day[11] = "unknown";

    if (when && strlen(when) >= 10)
        memcpy(day, when, 10);
    cleanup_free char *name =
        xasprintf("%s%s%s", service ? service : "", service ? "/" : "", model ? model : "unknown");
    struct row *r = row_of(t, day, name);
    double cost = json_num(usage, "cost_usd", NAN);
    r->turns++;
    count(&r->input, usage, "input_tokens");
    count(&r->output, usage, "output_tokens");
    count(&r->cached, usage, "cached_tokens");
    count(&r->reasoning, usage, "reasoning_tokens");
    if (isnan(cost) || cost < 0)
        r->unpriced++;
    else
        r->cost += cost;
}

/* A copied session (--fork) begins with turns that the other one counts. */
static struct str own_part(struct str all)
{
    struct str own = all, line;
    struct err ignored = ERR_INIT;

    for (struct str rest = all; rest.n;) {
        (void)str_cut(&rest, '\n', &line);
        if (memmem(line.p, line.n, "\"type\":\"session.fork\"", 21) == NULL)
            continue;
        cleanup_json cJSON *j = json_parse(line, &ignored);
        const char *type = json_str(j, "type");
        if (type && strcmp(type, "session.fork") == 0)
            own = rest;
    }
    return own;
}

/* One session's turns. What a crash cut off, or is no JSON, is passed over and counted. */
static void read_session(struct table *t, int root, const char *name)
{
    cleanup_free char *path = io_join(name, "events.jsonl");
    cleanup_buf struct buf text = BUF_MAX(MAX_USAGE_FILE);
    struct err e = ERR_INIT;
    cleanup_fd int fd = openat(root, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return; /* no session */
    t->sessions++;
    bool bad = io_read_fd(fd, &text, &e) < 0;
    for (struct str rest = own_part(buf_str(&text)), line; rest.n;) {
        bool whole = str_cut(&rest, '\n', &line);
        if (!whole || memmem(line.p, line.n, "\"type\":\"turn\"", 13) == NULL)
            continue;
        cleanup_json cJSON *j = json_parse(line, &e);
        const char *type = json_str(j, "type");
        bad = bad || j == NULL;
        if (type && strcmp(type, "turn") == 0)
            add_turn(t, j);
    }
    t->damaged += bad;
}

static int read_all(struct table *t, const char *root, struct err *e)
{
    DIR *d = opendir(root);
    struct dirent *ent;

    if (d == NULL && errno == ENOENT)
        return 0;
    if (d == NULL)
        return err_set(e, ERR_SYS, errno, "open the sessions in %s", root);
    while ((ent = readdir(d)) != NULL)
        if (ent->d_name[0] != '.')
            read_session(t, dirfd(d), ent->d_name);
    closedir(d);
    return 0;
}

static int by_day(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int c = strcmp(x->day, y->day);

    return c ? c : strcmp(x->model, y->model);
}

static void put_cost(struct buf *out, const struct row *r)
{
    if (r->turns == r->unpriced)
        buf_puts(out, "  unpriced");
    else
        buf_putf(out, "%10.4f", r->cost);
    if (r->unpriced && r->unpriced < r->turns)
        buf_putf(out, " and %lld unpriced turn%s", (long long)r->unpriced,
                 r->unpriced == 1 ? "" : "s");
    buf_putc(out, '\n');
}

static void put_row(struct buf *out, const struct row *r)
{
    cleanup_buf struct buf name = BUF_MAX(1000);

    utf8_clean_line(&name, utf8_head(str_of(r->model), 200));
    buf_putf(out, "%-10s %-40s %6lld %12lld %12lld %10lld ", r->day, buf_cstr(&name),
             (long long)r->turns, (long long)r->input, (long long)r->cached, (long long)r->output);
    put_cost(out, r);
}

static cJSON *row_json(const struct row *r)
{
    cJSON *o = cJSON_CreateObject();

    if (r->day[0])
        cJSON_AddStringToObject(o, "day", r->day);
    if (r->model)
        json_add_str(o, "model", str_of(r->model));
    json_add_int(o, "turns", r->turns);
    json_add_int(o, "input_tokens", r->input);
    json_add_int(o, "cached_tokens", r->cached);
    json_add_int(o, "output_tokens", r->output);
    json_add_int(o, "reasoning_tokens", r->reasoning);
    json_add_int(o, "unpriced_turns", r->unpriced);
    if (r->turns > r->unpriced)
        cJSON_AddNumberToObject(o, "cost_usd", r->cost);
    return o;
}

static struct row total_of(const struct table *t)
{
    struct row s = { .model = NULL };

    for (size_t i = 0; i < t->n; i++) {
        s.turns += t->v[i].turns;
        s.unpriced += t->v[i].unpriced;
        s.input += t->v[i].input;
        s.output += t->v[i].output;
        s.cached += t->v[i].cached;
        s.reasoning += t->v[i].reasoning;
        s.cost += t->v[i].cost;
    }
    return s;
}

static char *as_json(const struct table *t, const struct row *sum)
{
    cleanup_json cJSON *j = cJSON_CreateObject();
    cJSON *rows = cJSON_AddArrayToObject(j, "days");

    for (size_t i = 0; i < t->n; i++)
        cJSON_AddItemToArray(rows, row_json(&t->v[i]));
    cJSON_AddItemToObject(j, "total", row_json(sum));
    json_add_int(j, "sessions", t->sessions);
    return cJSON_Print(j);
}

static void as_text(const struct table *t, const struct row *sum, struct buf *out)
{
    buf_putf(out, "%-10s %-40s %6s %12s %12s %10s %10s\n", "DAY (UTC)", "MODEL", "TURNS",
             "TOKENS IN", "CACHED", "OUT", "USD");
    for (size_t i = 0; i < t->n; i++)
        put_row(out, &t->v[i]);
    struct row all = *sum;
    all.model = (char[]){ "" };
    memcpy(all.day, "all", 4);
    put_row(out, &all);
}

void usage_command(struct program *p, struct err *why)
{
    __attribute__((cleanup(table_done))) struct table t = { 0 };
    cleanup_free char *root = conf_session_root(&p->conf, why);
    cleanup_buf struct buf out = BUF_MAX(SIZE_MAX / 4);

    if (p->conf.n_args) {
        err_set(why, ERR_USAGE, 0, "agent usage takes no words, only flags");
        return;
    }
    if (root == NULL || read_all(&t, root, why) < 0)
        return;
    if (t.n)
        qsort(t.v, t.n, sizeof *t.v, by_day);
    struct row sum = total_of(&t);
    if (p->conf.json) {
        cleanup_free char *s = as_json(&t, &sum);
        buf_puts(&out, s);
        buf_putc(&out, '\n');
    } else if (t.n == 0) {
        buf_putf(&out, "No turns are recorded in %s.\n", root);
    } else {
        as_text(&t, &sum, &out);
    }
    if (t.damaged)
        ui_warn(p->run.ui, "%lld session%s a damaged record: what can be read is counted",
                (long long)t.damaged, t.damaged == 1 ? " has" : "s have");
    if (io_write_all(STDOUT_FILENO, out.p, out.n, why) < 0 && why->sys == EPIPE)
        *why = (struct err)ERR_INIT;
}
