/* Job files: "name = value" lines as in agent.conf, about the job itself, then [settings], which
 * takes the settings of agent.conf by the same table. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/io.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/conf_load.h"
#include "agent/job_parts.h"
#include "agent/base/banned.h"

void job_done(struct job *j)
{
    for (size_t i = 0; i < j->n_inputs; i++) {
        free(j->inputs[i].text);
        free(j->inputs[i].name);
    }
    free(j->inputs);
    for (size_t i = 0; i < j->n_checks; i++)
        job_check_done(&j->checks[i]);
    free(j->checks);
    for (size_t i = 0; i < j->n_params; i++) {
        free(j->params[i].name);
        free(j->params[i].value);
    }
    free(j->params);
    conf_list_done(&j->outputs);
    conf_list_done(&j->must_exist);
    conf_list_done(&j->settings);
    free(j->path);
    free(j->name);
    free(j->question);
    free(j->folder);
    free(j->on_success);
    free(j->on_failure);
    free(j->schedule);
    *j = (struct job){ 0 };
}

static int unknown(struct str name, bool settings, struct err *e)
{
    const char *names[256];
    size_t n = 0;
    cleanup_buf struct buf b = BUF_MAX(1024);

    for (size_t i = 0; settings && i < conf_table_n && n < ARRAY_LEN(names); i++)
        if (!conf_table[i].flag_only)
            names[n++] = conf_table[i].name;
    for (size_t i = 0; !settings && i < job_keys_n; i++)
        names[n++] = job_keys[i].name;
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
    int key = job_key_find(name);
    return key < 0 ? unknown(name, false, e) : job_key_set(j, key, line, e);
}

static int check_dates(const struct job *j, struct err *e)
{
    const char *const *lists[] = { (const char *const *)j->outputs.v,
                                   (const char *const *)j->must_exist.v };
    size_t n[] = { j->outputs.n, j->must_exist.n };
    cleanup_buf struct buf b = BUF_MAX(MAX_PROMPT_BYTES * 2);
    time_t now = time(NULL);

    if (job_expand_dates(j, j->question, now, &b, e) < 0)
        return err_wrap(e, "question");
    cleanup_json cJSON *params = job_params_json(j, now, e);
    if (params == NULL)
        return -1;
    for (size_t i = 0; i < j->n_inputs; i++)
        if (j->n_params && j->inputs[i].name && strcmp(j->inputs[i].name, JOB_PARAMS) == 0)
            return err_set(e, ERR_CONFIG, 0, "input: " JOB_PARAMS " is the file of the parameters");
    for (size_t i = 0; i < j->n_inputs; i++)
        if (job_expand(j, j->inputs[i].text, now, &b, e) < 0)
            return err_wrap(e, "input");
    for (size_t k = 0; k < ARRAY_LEN(lists); k++)
        for (size_t i = 0; i < n[k]; i++)
            if (job_expand(j, lists[k][i], now, &b, e) < 0)
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
