/* Job files: "name = value" lines as in agent.conf, about the job itself, then [settings], which
 * takes the settings of agent.conf by the same table. */
#include <stdlib.h>
#include <string.h>
#include "agent/base/io.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/conf_load.h"
#include "agent/job.h"
#include "agent/base/banned.h"

static const char *const keys[] = {
    "question", "question_file", "folder",          "input",   "output",     "must_exist",
    "mode",     "keep",          "only_if_changed", "overlap", "on_success", "on_failure",
};
enum {
    K_QUESTION,
    K_QUESTION_FILE,
    K_FOLDER,
    K_INPUT,
    K_OUTPUT,
    K_EXIST,
    K_MODE,
    K_KEEP,
    K_CHANGED,
    K_OVERLAP,
    K_SUCCESS,
    K_FAILURE
};

void job_done(struct job *j)
{
    for (size_t i = 0; i < j->n_inputs; i++) {
        free(j->inputs[i].pattern);
        free(j->inputs[i].name);
    }
    free(j->inputs);
    struct conf_list *lists[] = { &j->outputs, &j->must_exist, &j->settings };
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        for (size_t k = 0; k < lists[i]->n; k++)
            free(lists[i]->v[k]);
        free(lists[i]->v);
    }
    free(j->path);
    free(j->name);
    free(j->question);
    free(j->folder);
    free(j->on_success);
    free(j->on_failure);
    *j = (struct job){ 0 };
}

static int choose(const char *name, struct str value, const char *no, const char *yes, bool *ret,
                  struct err *e)
{
    cleanup_buf struct buf b = BUF_MAX(1024);

    if (!str_is(value, no) && !str_is(value, yes))
        return err_set(e, ERR_CONFIG, 0, "%s is %s or %s, not \"%s\"", name, no, yes,
                       conf_shown(&b, value));
    *ret = str_is(value, yes);
    return 0;
}

/* [newest] PATTERN [as NAME] */
static int add_input(struct job *j, struct str value, struct err *e)
{
    struct job_input in = { .newest = str_starts(value, "newest ") };

    if (in.newest)
        value = str_trim(str_from(value, 7));
    const char *as = NULL;
    for (const char *at = value.p; (at = memmem(at, (size_t)(value.p + value.n - at), " as ", 4));
         at += 4)
        as = at;
    if (as) {
        struct str name = str_trim(str_from(value, (size_t)(as - value.p) + 4));
        if (name.n == 0 || memchr(name.p, '/', name.n))
            return err_set(e, ERR_CONFIG, 0,
                           "what follows \"as\" is a file's name, without a folder");
        in.name = str_dup(name);
        value = str_trim((struct str){ value.p, (size_t)(as - value.p) });
    }
    in.pattern = str_dup(value);
    j->inputs = xrealloc(j->inputs, j->n_inputs + 1, sizeof *j->inputs);
    j->inputs[j->n_inputs++] = in;
    return 0;
}

static int read_question(struct job *j, struct str name, struct err *e)
{
    const char *slash = strrchr(j->path, '/');
    cleanup_free char *dir = slash ? xstrndup(j->path, (size_t)(slash - j->path)) : xstrdup(".");
    cleanup_free char *file = str_dup(name);
    cleanup_free char *path = file[0] == '/' ? xstrdup(file) : io_join(dir, file);
    cleanup_buf struct buf text = BUF_MAX(MAX_PROMPT_BYTES);

    if (io_read_file(path, &text, e) < 0) {
        e->code = ERR_CONFIG;
        return err_wrap(e, "question_file");
    }
    j->question = buf_steal(&text);
    return 0;
}

/* A name within the report's folder. */
static int add_name(struct conf_list *l, struct str value, struct err *e)
{
    cleanup_free char *name = str_dup(value);

    if (name[0] == '/' || name[0] == '.' || strstr(name, ".."))
        return err_set(e, ERR_CONFIG, 0,
                       "\"%.100s\": it lies in the report's folder, so that a name "
                       "is wanted, without a folder above it",
                       name);
    conf_list_add(l, name);
    return 0;
}

static int set_keep(struct job *j, struct str value, struct err *e)
{
    long long n;

    if (!str_to_ll(value, &n) || n < 1 || n > 100000)
        return err_set(e, ERR_CONFIG, 0, "keep is the number of reports that stay, 1 to 100000");
    j->keep = (long)n;
    return 0;
}

static int set_key(struct job *j, size_t k, struct str value, struct err *e)
{
    bool second = false;

    if (k != K_INPUT && k != K_OUTPUT && k != K_EXIST) {
        if (j->seen & (1u << k))
            return err_set(e, ERR_CONFIG, 0, "%s is set twice", keys[k]);
        j->seen |= 1u << k;
    }
    switch (k) {
    case K_QUESTION:
        j->question = str_dup(value);
        return 0;
    case K_QUESTION_FILE:
        return read_question(j, value, e);
    case K_FOLDER:
        j->folder = str_dup(value);
        return 0;
    case K_INPUT:
        return add_input(j, value, e);
    case K_OUTPUT:
        if (!str_ends(value, ".html") && !str_ends(value, ".md") && !str_ends(value, ".ipynb") &&
            !str_ends(value, ".pdf") && !str_ends(value, ".xlsx") && !str_ends(value, ".py"))
            return err_set(
                e, ERR_CONFIG, 0,
                "output: the format is told by the ending, .html, .md, .pdf, .xlsx, .ipynb or "
                ".py");
        return add_name(&j->outputs, value, e);
    case K_EXIST:
        return add_name(&j->must_exist, value, e);
    case K_KEEP:
        return set_keep(j, value, e);
    case K_MODE:
        if (choose("mode", value, "rerun-first", "model-always", &second, e) < 0)
            return -1;
        j->mode = second ? JOB_MODEL_ALWAYS : JOB_RERUN_FIRST;
        return 0;
    case K_CHANGED:
        return choose("only_if_changed", value, "false", "true", &j->only_if_changed, e);
    case K_OVERLAP:
        return choose("overlap", value, "ok", "fail", &j->overlap_fails, e);
    case K_SUCCESS:
        j->on_success = str_dup(value);
        return 0;
    default:
        j->on_failure = str_dup(value);
        return 0;
    }
}

static int unknown(struct str name, bool settings, struct err *e)
{
    const char *names[256];
    size_t n = 0;
    cleanup_buf struct buf b = BUF_MAX(1024);

    for (size_t i = 0; settings && i < conf_table_n && n < ARRAY_LEN(names); i++)
        if (!conf_table[i].flag_only)
            names[n++] = conf_table[i].name;
    for (size_t i = 0; !settings && i < ARRAY_LEN(keys); i++)
        names[n++] = keys[i];
    if (!settings && conf_find(name) >= 0)
        return err_set(e, ERR_CONFIG, 0, "unknown key \"%s\"; settings stand below [settings]",
                       conf_shown(&b, name));
    const char *near = conf_nearest(name, names, n);
    return err_set(e, ERR_CONFIG, 0, "unknown %s \"%s\"%s%s%s", settings ? "setting" : "key",
                   conf_shown(&b, name), near ? "; did you mean " : "", near ? near : "",
                   near ? "?" : "");
}

static int set_setting(struct job *j, struct str name, struct str value, struct err *e)
{
    static const char *const ours[] = { "file",          "output", "report",   "out_dir",
                                        "output_format", "stdin",  "ephemeral" };
    int i = conf_find(name);

    if (i < 0 || conf_table[i].flag_only || !conf_in_scope(&conf_table[i], CMD_ASK))
        return unknown(name, true, e);
    for (size_t k = 0; k < ARRAY_LEN(ours); k++)
        if (strcmp(conf_table[i].name, ours[k]) == 0)
            return err_set(e, ERR_CONFIG, 0, "%s is the job's own affair: see input and folder",
                           ours[k]);
    if (conf_value_set(&conf_table[i], NULL, value, NULL, e) < 0) {
        e->code = ERR_CONFIG;
        return err_wrap(e, "%s", conf_table[i].name);
    }
    cleanup_free char *flag = conf_flag_name(&conf_table[i]), *text = str_dup(value);
    cleanup_free char *word = xasprintf("%s=%s", flag, text);
    conf_list_add(&j->settings, word);
    return 0;
}

static int read_line(struct job *j, struct str line, bool *settings, struct err *e)
{
    struct str name;
    cleanup_buf struct buf b = BUF_MAX(1024);

    line = str_trim(line);
    if (line.n == 0 || line.p[0] == '#' || line.p[0] == ';')
        return 0;
    if (line.p[0] == '[') {
        if (!str_is(line, "[settings]"))
            return err_set(e, ERR_CONFIG, 0, "unknown section \"%s\"; there is [settings]",
                           conf_shown(&b, line));
        *settings = true;
        return 0;
    }
    if (!utf8_valid(line) || memchr(line.p, '\0', line.n))
        return err_set(e, ERR_CONFIG, 0, "the line is not text in UTF-8");
    if (!str_cut(&line, '=', &name))
        return err_set(e, ERR_CONFIG, 0, "is not of the form name = value or [settings]");
    name = str_trim(name);
    line = str_trim(line);
    if (*settings)
        return set_setting(j, name, line, e);
    for (size_t k = 0; k < ARRAY_LEN(keys); k++)
        if (str_is(name, keys[k]))
            return line.n ? set_key(j, k, line, e)
                          : err_set(e, ERR_CONFIG, 0, "%s has no value", keys[k]);
    return unknown(name, false, e);
}

static int check_dates(const struct job *j, struct err *e)
{
    const char *const *lists[] = { (const char *const *)j->outputs.v,
                                   (const char *const *)j->must_exist.v };
    size_t n[] = { j->outputs.n, j->must_exist.n };
    cleanup_buf struct buf b = BUF_MAX(MAX_PROMPT_BYTES * 2);
    time_t now = time(NULL);

    if (job_expand(j->question, now, &b, e) < 0)
        return err_wrap(e, "question");
    for (size_t i = 0; i < j->n_inputs; i++)
        if (job_expand(j->inputs[i].pattern, now, &b, e) < 0)
            return err_wrap(e, "input");
    for (size_t k = 0; k < ARRAY_LEN(lists); k++)
        for (size_t i = 0; i < n[k]; i++)
            if (job_expand(lists[k][i], now, &b, e) < 0)
                return err_wrap(e, k ? "must_exist" : "output");
    return 0;
}

int job_read(const char *path, struct job *ret, struct err *e)
{
    cleanup_buf struct buf text = BUF_MAX(MAX_CONF_BYTES);
    struct job j = { .path = xstrdup(path) };
    bool settings = false;
    int number = 0;
    struct str rest, line;

    const char *base = io_basename(path);
    if (!str_ends(str_of(base), ".job") || strlen(base) == 4) {
        err_set(e, ERR_USAGE, 0, "%.300s: a job file is named NAME.job", path);
        goto fail;
    }
    j.name = xstrndup(base, strlen(base) - 4);
    if (io_read_file(path, &text, e) < 0) {
        e->code = ERR_CONFIG;
        goto fail;
    }
    for (rest = buf_str(&text); rest.n;) {
        (void)str_cut(&rest, '\n', &line);
        number++;
        if (read_line(&j, line, &settings, e) < 0) {
            err_wrap(e, "%.300s:%d", path, number);
            goto fail;
        }
    }
    if ((j.seen & 3) == 3) {
        err_set(e, ERR_CONFIG, 0, "%.300s: question and question_file are both set", path);
        goto fail;
    }
    if (j.question == NULL || str_trim(str_of(j.question)).n == 0) {
        err_set(e, ERR_CONFIG, 0, "%.300s: there is no question (question = ..., or question_file)",
                path);
        goto fail;
    }
    if (j.folder == NULL)
        j.folder = xasprintf("%s.reports", j.name);
    if (check_dates(&j, e) < 0) {
        err_wrap(e, "%.300s", path);
        goto fail;
    }
    *ret = j;
    return 0;
fail:
    job_done(&j);
    return -1;
}
