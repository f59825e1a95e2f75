#include "agent/batch_rows.h"
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/sha256.h"
#include "agent/base/utf8.h"
#include "agent/ui.h"
#include "agent/base/banned.h"

static void list_add(struct conf_list *l, struct str s)
{
    l->v = xrealloc(l->v, l->n + 1, sizeof *l->v);
    l->v[l->n++] = str_dup(s);
}

static void row_done(struct batch_row *r)
{
    free(r->id);
    free(r->question);
    free(r->model);
    free(r->system_prompt);
    free(r->append_system);
    free(r->fault);
    for (size_t i = 0; i < r->files.n; i++)
        free(r->files.v[i]);
    free(r->files.v);
}

void batch_rows_done(struct batch_rows *rows)
{
    for (size_t i = 0; i < rows->n; i++)
        row_done(&rows->v[i]);
    free(rows->v);
    *rows = (struct batch_rows){ 0 };
}

static struct batch_row *add_row(struct batch_rows *rows)
{
    rows->v = xrealloc(rows->v, rows->n + 1, sizeof *rows->v);
    struct batch_row *r = &rows->v[rows->n++];
    *r = (struct batch_row){ 0 };
    return r;
}

static void fault(struct batch_row *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void fault(struct batch_row *r, const char *fmt, ...)
{
    struct buf b = BUF_MAX(4096);
    va_list ap;

    if (r->fault)
        return;
    va_start(ap, fmt);
    buf_vputf(&b, fmt, ap);
    va_end(ap);
    r->fault = buf_steal(&b);
}

/* One member of a row, by its name. Other columns are the user's own. */
static void set_member(struct batch_row *r, struct str name, struct str value)
{
    static const struct {
        const char *name;
        size_t offset;
    } fields[] = {
        { "id", offsetof(struct batch_row, id) },
        { "question", offsetof(struct batch_row, question) },
        { "model", offsetof(struct batch_row, model) },
        { "system", offsetof(struct batch_row, system_prompt) },
        { "append_system", offsetof(struct batch_row, append_system) },
    };
    struct str one;

    if (str_is(name, "file") || str_is(name, "files")) {
        for (bool more = value.n > 0; more;) {
            more = str_cut(&value, ';', &one);
            if (str_trim(one).n)
                list_add(&r->files, str_trim(one));
        }
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        char **field = (char **)((char *)r + fields[i].offset);
        if (!str_is(name, fields[i].name) || *field)
            continue;
        if (memchr(value.p, '\0', value.n))
            fault(r, "%s holds a NUL character", fields[i].name);
        else if (!utf8_valid(value))
            fault(r, "%s is not valid UTF-8", fields[i].name);
        else if (value.n > 0)
            *field = str_dup(value);
    }
}

static void check_row(struct batch_row *r)
{
    if (r->fault == NULL && (r->question == NULL || str_trim(str_of(r->question)).n == 0))
        fault(r, "the row has no question");
    /* One word of a command line: what Linux passes to a program. */
    if (r->fault == NULL && strlen(r->question) > MAX_BATCH_QUESTION)
        fault(r,
              "the question has %zu bytes; in a batch %u is the limit: attach the text as a file",
              strlen(r->question), MAX_BATCH_QUESTION);
}

/* --- JSON lines --- */

static void read_json_row(struct batch_row *r, struct str line, size_t number)
{
    struct err je = ERR_INIT;
    cleanup_json cJSON *o = json_parse(line, &je);
    const cJSON *m;

    if (o == NULL || !cJSON_IsObject(o)) {
        fault(r, "line %zu is %s", number, o ? "no JSON object" : je.msg);
        return;
    }
    cJSON_ArrayForEach(m, o)
    {
        struct str name = str_of(m->string);
        const cJSON *one;
        if (cJSON_IsString(m)) {
            set_member(r, name, str_of(m->valuestring));
        } else if (cJSON_IsNumber(m) && str_is(name, "id")) {
            cleanup_free char *text = json_text(m);
            set_member(r, name, str_of(text));
        } else if (cJSON_IsArray(m) && (str_is(name, "file") || str_is(name, "files"))) {
            cJSON_ArrayForEach(one, m)
            {
                if (cJSON_IsString(one))
                    list_add(&r->files, str_of(one->valuestring));
                else
                    fault(r, "files is no list of names");
            }
        } else if (str_is(name, "question")) {
            fault(r, "question is no text");
        }
    }
}

static void read_jsonl(struct batch_rows *rows, struct str text)
{
    struct str line;

    for (size_t number = 1; text.n; number++) {
        (void)str_cut(&text, '\n', &line);
        if (str_trim(line).n == 0)
            continue;
        struct batch_row *r = add_row(rows);
        read_json_row(r, str_trim(line), number);
        check_row(r);
    }
}

/* --- CSV (RFC 4180) --- */

/* One record off the front of *text: its fields in `out`. false at the end. */
static bool csv_record(struct str *text, struct conf_list *out)
{
    struct buf field = BUF_MAX(MAX_PROMPT_BYTES);
    bool quoted = false, any = false;
    size_t i = 0;

    if (text->n == 0)
        return false;
    for (;; i++) {
        char c = i < text->n ? text->p[i] : '\n';
        if (quoted && i < text->n) {
            if (c == '"' && i + 1 < text->n && text->p[i + 1] == '"')
                buf_putc(&field, text->p[i++]);
            else if (c == '"')
                quoted = false;
            else
                buf_putc(&field, c);
            continue;
        }
        if (c == '"' && field.n == 0) {
            quoted = any = true;
        } else if (c == ',' || c == '\n') {
            struct str s = buf_str(&field);
            if (c == '\n' && s.n && s.p[s.n - 1] == '\r')
                s.n--;
            if (c == ',' || out->n || s.n || any)
                list_add(out, s);
            buf_clear(&field);
            any = false;
            if (c == '\n')
                break;
        } else {
            buf_putc(&field, c);
        }
    }
    buf_free(&field);
    *text = str_from(*text, i + 1 < text->n ? i + 1 : text->n);
    return true;
}

static void free_list(struct conf_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->v[i]);
    free(l->v);
    *l = (struct conf_list){ NULL, 0 };
}

static int read_csv(struct batch_rows *rows, struct str text, const char *path, struct err *e)
{
    struct conf_list head = { 0 }, fields = { 0 };
    bool has_question = false;

    if (str_starts(text, "\xef\xbb\xbf"))
        text = str_from(text, 3);
    (void)csv_record(&text, &head);
    for (size_t i = 0; i < head.n; i++)
        has_question = has_question || strcmp(head.v[i], "question") == 0;
    if (!has_question) {
        free_list(&head);
        return err_set(e, ERR_USAGE, 0,
                       "%s has no column \"question\" in its first line (a file of JSON lines ends "
                       "in .jsonl)",
                       path);
    }
    while (csv_record(&text, &fields)) {
        if (fields.n) {
            struct batch_row *r = add_row(rows);
            if (fields.n > head.n)
                fault(r, "the row has %zu fields, the first line %zu", fields.n, head.n);
            for (size_t i = 0; i < fields.n && i < head.n; i++)
                set_member(r, str_of(head.v[i]), str_of(fields.v[i]));
            check_row(r);
        }
        free_list(&fields);
    }
    free_list(&head);
    return 0;
}

int batch_read(struct batch_rows *rows, const char *path, struct err *e)
{
    cleanup_buf struct buf b = BUF_MAX(MAX_BATCH_BYTES);
    struct sha256 h;

    if (io_read_file(path, &b, e) < 0) {
        e->code = ERR_USAGE;
        return -1;
    }
    struct str text = buf_str(&b), first = str_trim(text);
    sha256_init(&h);
    sha256_put(&h, text.p, text.n);
    sha256_hex(&h, rows->digest);
    if (str_ends(str_of(path), ".csv") || (first.n && first.p[0] != '{')) {
        if (read_csv(rows, text, path, e) < 0)
            return -1;
    } else {
        read_jsonl(rows, text);
    }
    if (rows->n == 0)
        return err_set(e, ERR_USAGE, 0, "%s has no questions", path);
    return 0;
}

/* --- shards --- */

static long variable(const char *name)
{
    const char *s = getenv(name);
    long long v;

    return s && str_to_ll(str_of(s), &v) && v >= 0 && v < 1000000 ? (long)v : -1;
}

/* The index from 1 on, and the count where the scheduler tells it. */
static int auto_shard(long *i, long *n, struct err *e)
{
    long task = variable("SLURM_ARRAY_TASK_ID"), first = variable("SLURM_ARRAY_TASK_MIN"),
         count = variable("SLURM_ARRAY_TASK_COUNT"), pod = variable("JOB_COMPLETION_INDEX");

    if (task >= 0) {
        *i = task - (first >= 0 ? first : 0) + 1;
        if (*n == 0)
            *n = count;
    } else if (pod >= 0) {
        *i = pod + 1;
    } else {
        return err_set(e, ERR_USAGE, 0,
                       "--shard auto: neither SLURM_ARRAY_TASK_ID nor JOB_COMPLETION_INDEX is set; "
                       "say --shard I/N");
    }
    if (*n < 1)
        return err_set(e, ERR_USAGE, 0,
                       "--shard auto: how many shards there are is not told here; say --shard "
                       "auto/N");
    return 0;
}

int batch_choose(struct batch_rows *rows, const char *shard, struct err *e)
{
    struct str rest = str_of(shard), head;
    long long i = 1, n = 0;

    if (shard) {
        bool slash = str_cut(&rest, '/', &head);
        bool is_auto = str_is(head, "auto");
        if ((slash && (!str_to_ll(rest, &n) || n < 1)) ||
            (!is_auto && (!slash || !str_to_ll(head, &i))))
            return err_set(e, ERR_USAGE, 0,
                           "--shard \"%.40s\" is not I/N (the Ith of N, from 1), auto or auto/N",
                           shard);
        long li = (long)i, ln = (long)n;
        if (is_auto && auto_shard(&li, &ln, e) < 0)
            return -1;
        i = li;
        n = ln;
        if (i < 1 || i > n)
            return err_set(e, ERR_USAGE, 0, "--shard: there is no shard %lld of %lld", i, n);
    } else {
        n = 1;
    }
    for (size_t k = 0; k < rows->n; k++)
        rows->v[k].mine = (long long)k % n == i - 1;
    return 0;
}

/* --- results --- */

static cJSON *begin_result(const struct batch_rows *rows, size_t row)
{
    const struct batch_row *r = &rows->v[row];
    cJSON *o = cJSON_CreateObject();

    json_add_int(o, "index", (int64_t)row);
    if (r->id)
        json_add_str(o, "id", str_of(r->id));
    cJSON_AddStringToObject(o, "batch", rows->digest);
    if (r->question)
        json_add_str(o, "question", str_of(r->question));
    return o;
}

static void end_result(cJSON *o, const char *status, int exit_status, const char *message)
{
    cJSON_AddStringToObject(o, "status", status);
    cJSON_AddNumberToObject(o, "exit_status", exit_status);
    json_add_str(o, "message", str_of(message));
}

struct cJSON *batch_fault(const struct batch_rows *rows, size_t row)
{
    cJSON *o = begin_result(rows, row);

    end_result(o, "usage", 2, rows->v[row].fault);
    return o;
}

struct cJSON *batch_result(const struct batch_rows *rows, size_t row, struct str printed, bool cut,
                           int wait_status)
{
    static const char *const taken[] = { "status",    "exit_status", "message",   "answer",
                                         "thread_id", "model",       "usage",     "turns",
                                         "cells",     "artifacts",   "grounding", "duration_ms",
                                         "record" };
    cJSON *o = begin_result(rows, row);
    struct err je = ERR_INIT;
    cleanup_json cJSON *said = cut ? NULL : json_parse(str_trim(printed), &je);
    char text[200];

    if (cJSON_IsObject(said) && json_str(said, "status")) {
        for (size_t i = 0; i < ARRAY_LEN(taken); i++) {
            const cJSON *m = json_get(said, taken[i]);
            if (m)
                cJSON_AddItemToObject(o, taken[i], cJSON_Duplicate(m, true));
        }
        return o;
    }
    if (WIFSIGNALED(wait_status)) {
        snprintf(text, sizeof text, "its process was ended by signal %d (%s)",
                 WTERMSIG(wait_status), strsignal(WTERMSIG(wait_status)));
        end_result(o, "died", 128 + WTERMSIG(wait_status), text);
    } else {
        int status = WEXITSTATUS(wait_status);
        snprintf(text, sizeof text, "its process ended with status %d and told %s", status,
                 cut ? "more than a result may have" : "no result");
        end_result(o, "internal", status ? status : 1, text);
    }
    return o;
}

/* *ret_whole: the bytes of whole lines. */
static int mark(struct batch_rows *rows, int fd, const char *path, double *ret_spent,
                size_t *ret_whole, size_t *ret_all, struct err *e)
{
    cleanup_buf struct buf all = BUF_MAX(MAX_RECORD_BYTES);
    struct str rest, line;

    if (io_read_fd(fd, &all, e) < 0)
        return err_wrap(e, "%s", path);
    *ret_whole = 0;
    *ret_all = all.n;
    for (rest = buf_str(&all); str_cut(&rest, '\n', &line); *ret_whole += line.n + 1) {
        struct err je = ERR_INIT;
        cleanup_json cJSON *o = json_parse(line, &je);
        int64_t index = json_int(o, "index", -1);
        const char *batch = json_str(o, "batch");
        if (o == NULL || batch == NULL)
            return err_set(e, ERR_USAGE, 0, "%s holds lines that are no results of agent batch",
                           path);
        if (strcmp(batch, rows->digest) != 0)
            return err_set(e, ERR_USAGE, 0,
                           "%s has results of other questions: the file of questions has changed, "
                           "or it is another one",
                           path);
        if (index < 0 || (size_t)index >= rows->n)
            continue;
        double cost = json_num(json_obj(o, "usage"), "cost_usd", NAN);
        rows->v[index].done = true;
        *ret_spent += isnan(cost) || cost < 0 ? 0 : cost;
    }
    return 0;
}

int batch_mark(struct batch_rows *rows, int fd, const char *path, struct err *e)
{
    double spent = 0;
    size_t whole, all;

    return mark(rows, fd, path, &spent, &whole, &all, e);
}

int batch_take_up(struct batch_rows *rows, int fd, const char *path, double *ret_spent,
                  struct err *e)
{
    size_t whole, all;

    if (mark(rows, fd, path, ret_spent, &whole, &all, e) < 0)
        return -1;
    if (whole < all && ftruncate(fd, (off_t)whole) < 0)
        return err_set(e, ERR_SYS, errno, "mend the end of %s", path);
    return 0;
}

/* --- merge --- */

struct merged {
    int64_t index;
    bool good;
    char *line;
};

static int by_index(const void *a, const void *b)
{
    const struct merged *x = a, *y = b;

    if (x->index != y->index)
        return x->index < y->index ? -1 : 1;
    return (int)y->good - (int)x->good; /* of two results the good one is first */
}

static int read_shard(const char *path, char *digest, struct merged **v, size_t *n, struct err *e)
{
    cleanup_buf struct buf all = BUF_MAX(MAX_RECORD_BYTES);
    struct str rest, line;

    if (io_read_file(path, &all, e) < 0) {
        e->code = ERR_USAGE;
        return -1;
    }
    for (rest = buf_str(&all); str_cut(&rest, '\n', &line);) {
        struct err je = ERR_INIT;
        cleanup_json cJSON *o = json_parse(line, &je);
        const char *batch = json_str(o, "batch");
        if (batch == NULL || strlen(batch) != 64)
            return err_set(e, ERR_USAGE, 0, "%s holds lines that are no results of agent batch",
                           path);
        if (digest[0] && strcmp(digest, batch) != 0)
            return err_set(e, ERR_USAGE, 0, "%s has results of other questions", path);
        memcpy(digest, batch, 65);
        *v = xrealloc(*v, *n + 1, sizeof **v);
        (*v)[(*n)++] = (struct merged){ json_int(o, "index", 0), json_int(o, "exit_status", 1) == 0,
                                        str_dup(line) };
    }
    return 0;
}

int batch_join(const char *const *paths, size_t n_paths, const char *to, struct ui *ui,
               struct err *e)
{
    cleanup_buf struct buf out = BUF_MAX(MAX_RECORD_BYTES);
    struct merged *v = NULL;
    size_t n = 0, kept = 0, twice = 0, gaps = 0;
    char digest[65] = "";
    int64_t last = -1;
    int r = 0;

    for (size_t i = 0; i < n_paths && r == 0; i++)
        r = read_shard(paths[i], digest, &v, &n, e);
    if (n)
        qsort(v, n, sizeof *v, by_index);
    for (size_t i = 0; i < n; i++) {
        if (v[i].index == last) {
            twice++;
            continue;
        }
        gaps += (size_t)(v[i].index - last - 1);
        last = v[i].index;
        kept++;
        buf_putf(&out, "%s\n", v[i].line);
    }
    if (r == 0)
        r = io_write_atomic(AT_FDCWD, to, buf_str(&out), 0666, e);
    if (r == 0)
        ui_note(ui, "%zu results, %zu that were there twice left out", kept, twice);
    if (r == 0 && gaps)
        r = err_set(e, ERR_CHECK, 0,
                    "%zu questions before the last one have no result: a shard is missing or not "
                    "complete",
                    gaps);
    for (size_t i = 0; i < n; i++)
        free(v[i].line);
    free(v);
    return r;
}

void batch_merge(const struct conf *c, struct ui *ui, struct err *e)
{
    if (c->out == NULL || c->n_args < 2)
        err_set(e, ERR_USAGE, 0, "agent batch merge needs --out FILE and files of results");
    else
        batch_join((const char *const *)c->args + 1, c->n_args - 1, c->out, ui, e);
}
