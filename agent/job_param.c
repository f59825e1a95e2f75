/* Parameters of a job: values that may be other ones each time (a week, a region), for the same
 * code. The code reads them from JOB_PARAMS, a file like any input; the question names them only,
 * so that it is the same question whatever they are. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/io.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/conf_load.h"
#include "agent/job_parts.h"
#include "agent/saved.h"
#include "agent/base/banned.h"

#define MAX_PARAMS 100

static bool is_name(struct str s)
{
    if (s.n == 0 || s.n > 64 || (s.p[0] >= '0' && s.p[0] <= '9'))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!memchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", s.p[i], 63))
            return false;
    return true;
}

const struct job_param *job_param_find(const struct job *j, struct str name)
{
    for (size_t i = 0; j && i < j->n_params; i++)
        if (str_is(name, j->params[i].name))
            return &j->params[i];
    return NULL;
}

/* NAME = VALUE. */
static int read_param(struct str given, struct str *name, struct str *value, struct err *e)
{
    cleanup_buf struct buf shown = BUF_MAX(1024);
    bool cut = str_cut(&given, '=', name);

    *name = str_trim(*name);
    *value = str_trim(given);
    if (!cut || !is_name(*name))
        return err_set(e, ERR_CONFIG, 0,
                       "param is NAME = VALUE, with a name of letters, digits and _, not \"%s\"",
                       conf_shown(&shown, *name));
    if (job_is_date(*name))
        return err_set(e, ERR_CONFIG, 0, "param: %s is the name of a date",
                       conf_shown(&shown, *name));
    return 0;
}

int job_param_add(struct job *j, struct str given, struct err *e)
{
    struct str name, value;

    if (read_param(given, &name, &value, e) < 0)
        return -1;
    cleanup_free char *own = str_dup(name);
    if (job_param_find(j, name))
        return err_set(e, ERR_CONFIG, 0, "param %s is set twice", own);
    if (j->n_params == MAX_PARAMS)
        return err_set(e, ERR_CONFIG, 0, "there are more than %d parameters", MAX_PARAMS);
    j->params = xrealloc(j->params, j->n_params + 1, sizeof *j->params);
    j->params[j->n_params++] = (struct job_param){ steal_ptr(&own), str_dup(value) };
    return 0;
}

int job_params_override(struct job *j, const struct conf_list *given, struct err *e)
{
    for (size_t i = 0; i < given->n; i++) {
        cleanup_buf struct buf shown = BUF_MAX(1024), names = BUF_MAX(8 * KIB);
        struct str name, value;
        if (read_param(str_of(given->v[i]), &name, &value, e) < 0) {
            e->code = ERR_USAGE;
            return -1;
        }
        struct job_param *p = (struct job_param *)job_param_find(j, name);
        for (size_t k = 0; k < j->n_params; k++)
            buf_putf(&names, "%s%s", k ? ", " : "", j->params[k].name);
        if (p == NULL)
            return err_set(e, ERR_USAGE, 0, "job %s has no parameter %s; it has: %.300s", j->name,
                           conf_shown(&shown, name), names.n ? buf_cstr(&names) : "none");
        free(p->value);
        p->value = str_dup(value);
    }
    return 0;
}

cJSON *job_params_json(const struct job *j, time_t now, struct err *e)
{
    cJSON *o = cJSON_CreateObject();

    for (size_t i = 0; i < j->n_params; i++) {
        cleanup_buf struct buf value = BUF_MAX(MAX_CONF_BYTES);
        if (job_expand(NULL, j->params[i].value, now, &value, e) < 0) {
            cJSON_Delete(o);
            err_wrap(e, "param %s", j->params[i].name);
            return NULL;
        }
        json_add_str(o, j->params[i].name, buf_str(&value));
    }
    return o;
}

/* --- does recorded code depend on them? --- */

/* `text` in quotes of either kind, behind `before`. */
static bool has_quoted(const char *code, const char *before, const char *text)
{
    cleanup_free char *one = xasprintf("%s'%s'", before, text),
                      *two = xasprintf("%s\"%s\"", before, text);

    return strstr(code, one) || strstr(code, two);
}

static bool is_letter(char c)
{
    return c == '_' || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
}

static bool has_word(const char *text, const char *word)
{
    size_t n = strlen(word);

    for (const char *at = text; n && (at = strstr(at, word)); at++)
        if ((at == text || !is_letter(at[-1]) || !is_letter(word[0])) &&
            (!is_letter(at[n]) || !is_letter(word[n - 1])))
            return true;
    return false;
}

static const char *fixed_in(const struct saved *s, const char *name, const char *old)
{
    const cJSON *report = saved_last(s, "report");
    const char *text = report ? json_str(report, "markdown") : saved_text(s, "answer", "text");
    bool read = false;

    for (size_t i = 0; i < s->n_cells; i++) {
        const struct saved_cell *c = &s->cells[i];
        if (c->status == NULL || strcmp(c->status, "ok") != 0)
            continue;
        read = read || has_quoted(c->code, "param(", name);
        if (old && old[0] && has_quoted(c->code, "", old))
            return "has its earlier value in it";
    }
    if (!read)
        return "does not read it (report.param)";
    return old && text && has_word(text, old) ? "comes with a text that has its earlier value in it"
                                              : NULL;
}

int job_params_free_of(const char *session_dir, const cJSON *now, const cJSON *before,
                       char **ret_why, struct err *e)
{
    struct saved s;
    const cJSON *one;

    *ret_why = NULL;
    if (cJSON_Compare(now, before, true))
        return 0;
    if (saved_load(session_dir, &s, e) < 0)
        return -1;
    cJSON_ArrayForEach(one, now)
    {
        const char *old = json_str(before, one->string);
        if (old && strcmp(old, one->valuestring) == 0)
            continue;
        const char *why = fixed_in(&s, one->string, old);
        if (why && *ret_why == NULL)
            *ret_why = xasprintf("parameter %s has another value, and the code of before %s",
                                 one->string, why);
    }
    saved_done(&s);
    return 0;
}
