/* The command, and what all formats share. */
#include "agent/export.h"
#include <cjson/cJSON.h>
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

/* --- steps and pieces --- */

static void add_step(struct export_step **v, size_t *n, struct export_step step)
{
    *v = xrealloc(*v, *n + 1, sizeof **v);
    (*v)[(*n)++] = step;
}

/* What a model said beside its calls. Where it wrote the code itself into the text, the cells say
 * the same. */
static const char *remark_of(const cJSON *ev)
{
    const cJSON *calls = json_arr(ev, "calls");
    const char *text = json_str(ev, "text");

    if (calls == NULL || calls->child == NULL || text == NULL || strstr(text, "```") ||
        str_trim(str_of(text)).n == 0)
        return NULL;
    return text;
}

size_t export_steps(const struct saved *s, struct export_step **ret)
{
    struct export_step *v = NULL;
    size_t n = 0, cell = 0;

    for (size_t i = 0; i < s->n_events; i++) {
        const cJSON *ev = s->events[i];
        const char *type = json_str(ev, "type"), *text = json_str(ev, "text");
        const char *question = json_str(ev, "question"), *remark = remark_of(ev);
        if (question) /* of each run that went on with the session */
            add_step(&v, &n, (struct export_step){ STEP_QUESTION, question, NULL });
        else if (strcmp(type, "turn") == 0 && remark)
            add_step(&v, &n, (struct export_step){ STEP_REMARK, remark, NULL });
        else if (strcmp(type, "cell.start") == 0 && cell < s->n_cells)
            add_step(&v, &n, (struct export_step){ STEP_CELL, NULL, &s->cells[cell++] });
        else if (strcmp(type, "answer") == 0 && text)
            add_step(&v, &n, (struct export_step){ STEP_ANSWER, text, NULL });
    }
    *ret = v;
    return n;
}

static void add_piece(struct export_piece **v, size_t *n, struct export_piece piece)
{
    *v = xrealloc(*v, *n + 1, sizeof **v);
    (*v)[(*n)++] = piece;
}

/* The next `want` bytes of a stream, moved to where a character ends. */
static struct str take(struct str *rest, int64_t want)
{
    size_t n = want < 0 ? 0 : (uint64_t)want < rest->n ? (size_t)want : rest->n;

    while (n < rest->n && ((unsigned char)rest->p[n] & 0xc0) == 0x80)
        n++;
    struct str head = { rest->p, n };
    *rest = str_from(*rest, n);
    return head;
}

size_t export_pieces(const struct saved_cell *c, struct export_piece **ret)
{
    const cJSON *results = json_arr(c->end, "results"), *pair;
    const cJSON *next = results ? results->child : NULL;
    struct str out = buf_str(&c->out), err = buf_str(&c->err);
    struct export_piece *v = NULL;
    size_t n = 0;

    cJSON_ArrayForEach(pair, json_arr(c->end, "order"))
    {
        const cJSON *kind = cJSON_GetArrayItem(pair, 0), *many = cJSON_GetArrayItem(pair, 1);
        if (!cJSON_IsString(kind) || !cJSON_IsNumber(many))
            continue;
        double bytes = many->valuedouble;
        int64_t want = bytes > 0 && bytes < 1e15 ? (int64_t)bytes : 0;
        if (strcmp(kind->valuestring, "result") == 0 && next) {
            add_piece(&v, &n, (struct export_piece){ PIECE_RESULT, { NULL, 0 }, next });
            next = next->next;
        } else if (strcmp(kind->valuestring, "stdout") == 0) {
            add_piece(&v, &n, (struct export_piece){ PIECE_OUT, take(&out, want), NULL });
        } else if (strcmp(kind->valuestring, "stderr") == 0) {
            add_piece(&v, &n, (struct export_piece){ PIECE_ERR, take(&err, want), NULL });
        }
    }
    /* Where the order says less than there is (a secret was redacted, an older record). */
    if (out.n)
        add_piece(&v, &n, (struct export_piece){ PIECE_OUT, out, NULL });
    if (err.n)
        add_piece(&v, &n, (struct export_piece){ PIECE_ERR, err, NULL });
    for (; next; next = next->next)
        add_piece(&v, &n, (struct export_piece){ PIECE_RESULT, { NULL, 0 }, next });
    *ret = v;
    return n;
}

bool export_picture(const struct export *x, const cJSON *result, struct export_picture *ret,
                    struct buf *out)
{
    static const struct {
        const char *name, *mime, *ext;
    } kinds[] = {
        { "png", "image/png", "png" },       { "jpeg", "image/jpeg", "jpg" },
        { "image/gif", "image/gif", "gif" }, { "image/webp", "image/webp", "webp" },
        { "svg", "image/svg+xml", "svg" },
    };
    const cJSON *stored = json_obj(result, "stored");
    struct err e = ERR_INIT;

    *ret = (struct export_picture){ NULL, NULL, false };
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        const char *file = json_str(stored, kinds[i].name);
        const char *svg = strcmp(kinds[i].name, "svg") == 0 ? json_str(result, "svg") : NULL;
        if (file == NULL && svg == NULL)
            continue;
        ret->mime = kinds[i].mime;
        ret->ext = kinds[i].ext;
        if (svg)
            buf_puts(out, svg);
        ret->missing = file && saved_read(x->s, file, out, &e) < 0;
        return true;
    }
    return false;
}

/* --- text --- */

/* The length of an escape sequence at the front: a colour, a cursor movement, a title. */
static size_t escape_length(struct str s)
{
    size_t i = 2;

    if (s.n < 2 || s.p[0] != '\x1b')
        return 0;
    if (s.p[1] == '[') {
        while (i < s.n && (unsigned char)s.p[i] >= 0x20 && (unsigned char)s.p[i] < 0x40)
            i++;
        return i < s.n ? i + 1 : i;
    }
    if (s.p[1] == ']') {
        while (i < s.n && s.p[i] != '\a' && s.p[i] != '\n' && s.p[i] != '\x1b')
            i++;
        return i < s.n && s.p[i] == '\x1b' ? i + 2 : i < s.n && s.p[i] == '\a' ? i + 1 : i;
    }
    return 2;
}

void export_plain(struct buf *out, struct str s)
{
    size_t line = out->n;

    for (size_t i = 0; i < s.n; i++) {
        size_t skip = escape_length(str_from(s, i));
        if (skip) {
            i += skip - 1 < s.n - i ? skip - 1 : s.n - i - 1;
        } else if (s.p[i] == '\r') {
            bool rewrites = i + 1 < s.n && s.p[i + 1] != '\n' && s.p[i + 1] != '\r';
            if (rewrites && !out->over)
                out->n = line;
        } else {
            buf_putc(out, s.p[i]);
            if (s.p[i] == '\n')
                line = out->n;
        }
    }
}

void export_clip(struct buf *out, struct str s, size_t max)
{
    if (s.n <= max) {
        buf_putstr(out, s);
        return;
    }
    struct str head = utf8_head(s, max / 4 * 3), tail = utf8_tail(s, max / 4);
    buf_putstr(out, head);
    buf_putf(out, "\n[... %zu bytes of %zu are left out here ...]\n", s.n - head.n - tail.n, s.n);
    buf_putstr(out, tail);
}

void export_lost(const struct saved_cell *c, struct buf *out)
{
    int64_t so = json_int(c->end, "stdout_bytes", 0), se = json_int(c->end, "stderr_bytes", 0);
    int64_t dropped = json_int(c->end, "dropped_results", 0);

    if (so > (int64_t)c->out.n)
        buf_putf(out, "Of the %lld bytes printed, %zu are in the record. ", (long long)so,
                 c->out.n);
    if (se > (int64_t)c->err.n)
        buf_putf(out, "Of the %lld bytes on standard error, %zu are in the record. ", (long long)se,
                 c->err.n);
    if (dropped > 0)
        buf_putf(out, "%lld results were too many or too large to keep. ", (long long)dropped);
}

void export_failure(const struct saved_cell *c, struct buf *out)
{
    static const struct {
        const char *status, *text;
    } words[] = {
        { "error", "failed" },
        { "timeout", "was stopped at the time limit" },
        { "memory", "passed the memory limit" },
        { "output", "printed too much and was stopped" },
        { "died", "ended its interpreter" },
        { "killed_time", "was killed at the time limit" },
        { "validation_failed", "was not run: the settings forbid it" },
    };
    const cJSON *error = json_obj(c->end, "error");
    const char *name = json_str(error, "name"), *value = json_str(error, "value");
    cleanup_buf struct buf clean = BUF_MAX(SIZE_MAX / 4);
    size_t i = 0;

    if (c->status && strcmp(c->status, "ok") == 0)
        return;
    while (i < ARRAY_LEN(words) && c->status && strcmp(words[i].status, c->status) != 0)
        i++;
    buf_puts(out, c->status == NULL      ? "never ended"
                  : i < ARRAY_LEN(words) ? words[i].text
                                         : "did not succeed");
    if (name == NULL)
        return;
    struct str first = str_of(value ? value : ""), line;
    str_cut(&first, '\n', &line);
    utf8_clean_line(&clean, utf8_head(line, 300));
    buf_puts(out, ": ");
    utf8_clean_line(out, utf8_head(str_of(name), 100));
    buf_putf(out, "%s%s", clean.n ? ": " : "", buf_cstr(&clean));
}

bool export_is_python(const struct saved_cell *c)
{
    return strcmp(c->language, "python") == 0;
}

const char *export_language(const struct saved_cell *c)
{
    static const char *const names[] = { "python", "javascript", "typescript", "bash",
                                         "r",      "java",       "go" };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(names[i], c->language) == 0)
            return names[i];
    return "a language that is not known";
}

void export_title(const struct saved *s, size_t max, struct buf *out)
{
    const char *q = json_str(s->manifest, "question");
    struct export_step *v = NULL;
    size_t n = q ? 0 : export_steps(s, &v);

    for (size_t i = 0; i < n && q == NULL; i++)
        q = v[i].kind == STEP_QUESTION ? v[i].text : NULL;
    free(v);
    struct str rest = str_trim(str_of(q ? q : s->id)), line;
    str_cut(&rest, '\n', &line);
    struct str head = utf8_head(line, max);
    utf8_clean_line(out, head);
    if (head.n < line.n)
        buf_puts(out, " \u2026");
}

const struct cJSON *export_inputs(const struct saved *s)
{
    const cJSON *files = json_arr(s->manifest, "inputs");

    return files ? files : json_arr(saved_last(s, "inputs"), "files");
}

size_t export_input_names(const struct saved *s, const char ***ret)
{
    const char **v = NULL;
    const cJSON *f;
    size_t n = 0;

    cJSON_ArrayForEach(f, export_inputs(s))
    {
        const char *name = json_str(f, "name");
        if (name == NULL || name[0] == '\0' || name[0] == '/' || strstr(name, ".."))
            continue;
        v = xrealloc(v, n + 1, sizeof *v);
        v[n++] = name;
    }
    *ret = v;
    return n;
}

const struct cJSON *export_grounding(const struct saved *s)
{
    const cJSON *g = json_obj(s->manifest, "grounding");

    return g ? g : saved_last(s, "grounding");
}

static void put_fact(struct buf *out, const char *what, const char *value)
{
    if (value == NULL || value[0] == '\0')
        return;
    buf_putf(out, "%s\t", what);
    utf8_clean_line(out, str_trim(utf8_head(str_of(value), 2000)));
    buf_putc(out, '\n');
}

static void put_usage(const struct saved *s, struct buf *out)
{
    const cJSON *u = json_obj(s->manifest, "usage");
    int64_t in = json_int(u, "input_tokens", -1), made = json_int(u, "output_tokens", -1);
    double cost = json_num(u, "cost_usd", NAN);

    if (!isnan(cost))
        buf_putf(out, "cost\t%.*f USD\n", cost < 0.1 ? 6 : 4, cost);
    else if (u)
        buf_puts(out, "cost\tnot known\n");
    if (in >= 0 || made >= 0)
        buf_putf(out, "tokens\t%lld in, %lld out\n", (long long)in, (long long)made);
    if (s->manifest) {
        int64_t ms = json_int(s->manifest, "duration_ms", 0);
        buf_putf(out, "effort\t%lld turns, %lld cells, %lld.%lld s\n",
                 (long long)json_int(s->manifest, "turns", 0),
                 (long long)json_int(s->manifest, "cells", 0), (long long)(ms / 1000),
                 (long long)(ms % 1000 / 100));
    }
}

void export_repair(const struct saved *s, struct buf *what, struct buf *diff)
{
    const cJSON *began = saved_last(s, "repair.started"),
                *ended = saved_last(s, "repair.completed");
    const char *from = json_str(began, "session"), *file = json_str(ended, "diff");
    const char *why = json_str(began, "why");
    int64_t cell = json_int(began, "cell", 0);
    struct err ignored = ERR_INIT;

    if (ended == NULL || from == NULL || why == NULL)
        return;
    cleanup_free char *line =
        cell > 0 ? xasprintf("session %s, cell %lld (%s)", from, (long long)cell, why)
                 : xasprintf("session %s (%s)", from, why);
    utf8_clean_line(what, utf8_head(str_of(line), 1000));
    if (file && saved_read(s, file, diff, &ignored) < 0)
        buf_clear(diff);
}

void export_facts(const struct saved *s, struct buf *out)
{
    const cJSON *box = saved_last(s, "sandbox.start"), *turn = saved_last(s, "turn");
    const char *asked = saved_text(s, "session.start", "model"), *model = json_str(turn, "model");
    const char *status = json_str(s->manifest, "status"), *word = json_str(box, "backend");
    const char *network = json_str(box, "network"), *limits = json_str(box, "limits");

    put_fact(out, "session", s->id);
    put_fact(out, "started", s->n_events ? json_str(s->events[0], "t") : NULL);
    put_fact(out, "model", asked ? asked : model);
    if (model && asked && strcmp(model, asked) != 0)
        put_fact(out, "model that answered", model);
    const char *service = saved_text(s, "session.start", "service");
    put_fact(out, "service", service ? service : json_str(turn, "service"));
    put_usage(s, out);
    cleanup_buf struct buf repair = BUF_MAX(8192), diff = BUF_MAX(SIZE_MAX / 4);
    export_repair(s, &repair, &diff);
    put_fact(out, "repaired from", repair.n ? buf_cstr(&repair) : NULL);
    put_fact(out, "status",
             status == NULL                ? "killed, or still running"
             : strcmp(status, "none") == 0 ? "ok"
                                           : status);
    if (box) {
        cleanup_free char *text =
            xasprintf("%s, network: %s%s%s", word && word[0] ? word : "namespaces",
                      network ? network : "none", limits && limits[0] ? ", limits: " : "",
                      limits ? limits : "");
        put_fact(out, "sandbox", text);
    }
    put_fact(out, "weaker", json_str(box, "weaker"));
    put_fact(out, "Python", json_str(box, "python_version"));
    put_fact(out, "packages", json_str(box, "env"));
    put_fact(out, "program", saved_text(s, "session.start", "program"));
    put_fact(out, "damage", s->damage);
}

/* --- the command --- */

struct format {
    const char *name;
    size_t flag; /* of the bool in struct conf */
    void (*write)(const struct export *x);
    mode_t mode;
};

static const struct format formats[] = {
    { "--py", offsetof(struct conf, export_py), export_py, 0777 },
    { "--ipynb", offsetof(struct conf, export_ipynb), export_ipynb, 0666 },
    { "--md", offsetof(struct conf, export_md), export_md, 0666 },
    { "--html", offsetof(struct conf, export_html), export_html, 0666 },
};

/* The one that was asked for; by the name of the file when none was. */
static const struct format *choose(const struct conf *c, const char *file, struct err *e)
{
    const struct format *found = NULL;
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        if (*(const bool *)((const char *)c + formats[i].flag)) {
            found = &formats[i];
            n++;
        }
    for (size_t i = 0; n == 0 && file && i < ARRAY_LEN(formats); i++) {
        cleanup_free char *ext = xasprintf(".%s", formats[i].name + 2);
        if (str_ends(str_of(file), ext))
            return &formats[i];
    }
    if (n != 1) {
        err_set(e, ERR_USAGE, 0,
                n ? "one format at a time: --py, --ipynb, --md or --html"
                  : "which format? agent export SESSION --py, --ipynb, --md or --html, or -o FILE "
                    "with such an ending");
        return NULL;
    }
    return found;
}

/* The folder of pictures beside a Markdown file: report.md has report_files/. */
static int open_folder(struct export *x, const char *file, char **ret, struct err *e)
{
    size_t n = strlen(file);

    n -= str_ends(str_of(file), ".md") ? 3 : 0;
    *ret = xasprintf("%.*s_files", (int)n, file);
    if (mkdir(*ret, 0777) < 0 && errno != EEXIST)
        return err_set(e, ERR_SYS, errno, "make the folder of pictures %s", *ret);
    x->folder_fd = open(*ret, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (x->folder_fd < 0)
        return err_set(e, ERR_SYS, errno, "open the folder of pictures %s", *ret);
    x->name = io_basename(*ret);
    return 0;
}

static int deliver(struct program *p, const struct format *f, const char *file, struct str text,
                   struct err *e)
{
    if (file == NULL)
        return io_write_all(STDOUT_FILENO, text.p, text.n, e) < 0 && e->sys != EPIPE ? -1 : 0;
    if (io_write_atomic(AT_FDCWD, file, text, f->mode, e) < 0)
        return err_wrap(e, "--output");
    ui_note(p->run.ui, "wrote %s", file);
    return 0;
}

static int export_one(struct program *p, const char *dir, const struct format *f, const char *file,
                      struct err *e)
{
    cleanup_buf struct buf out = BUF_MAX(MAX_EXPORT_BYTES), notes = BUF_MAX(MAX_CONF_BYTES);
    cleanup_free char *folder = NULL;
    struct saved s;
    struct export x = {
        .s = &s, .embed = p->conf.embed, .folder_fd = -1, .out = &out, .notes = &notes
    };
    int r = 0;

    if (saved_load(dir, &s, e) < 0)
        return -1;
    if (s.damage)
        ui_warn(p->run.ui, "the record is damaged: %s. What can be read is exported", s.damage);
    if (f->write == export_md && file && !x.embed && strcmp(file, "/dev/stdout") != 0)
        r = open_folder(&x, file, &folder, e);
    if (r == 0) {
        f->write(&x);
        program_warn_lines(p->run.ui, buf_str(&notes));
        r = out.over ? err_set(e, ERR_LIMIT, 0,
                               "the export would be larger than %llu MB; nothing was written",
                               MAX_EXPORT_BYTES / MIB)
                     : deliver(p, f, file, buf_str(&out), e);
    }
    cleanup_closep(&x.folder_fd);
    if (folder)
        (void)rmdir(folder); /* goes when no picture came */
    saved_done(&s);
    return r;
}

void export_command(struct program *p, struct err *why)
{
    const struct conf *c = &p->conf;
    const char *file = conf_said_now(c, "output") ? c->output : NULL;
    const struct format *f = choose(c, file, why);
    cleanup_free char *root = f ? conf_session_root(c, why) : NULL;

    if (root == NULL)
        return;
    if (c->n_args != 1) {
        err_set(why, ERR_USAGE, 0,
                "agent export takes one session: an id, its beginning, or \"last\"");
        return;
    }
    cleanup_free char *dir = saved_find(root, c->args[0], why);
    if (dir)
        export_one(p, dir, f, file, why);
}
