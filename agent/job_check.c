/* The checks of a job: what has to hold of a run's published numbers before its report is made
 * public. Expressions go to the run itself (agent/checks.h), which has the variables. */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/job_parts.h"
#include "agent/published.h"
#include "agent/saved.h"
#include "agent/base/banned.h"

/* `last` is NAN when there is none. What had to be is appended to `want`. */
static bool is_near_last(const struct job_check *c, double found, double last, struct buf *want)
{
    if (isnan(last)) {
        buf_puts(want, "any number, since the latest report has none of that name");
        return true;
    }
    double slack = fabs(last) * c->a / 100;
    buf_putf(want, "within %g%% of the latest report's %.15g: %.15g to %.15g", c->a, last,
             last - slack, last + slack);
    return found >= last - slack && found <= last + slack;
}

static bool is_between(const struct job_check *c, double found, double last, struct buf *want)
{
    (void)last;
    buf_putf(want, "between %.15g and %.15g", c->a, c->b);
    return found >= c->a && found <= c->b;
}

/* Words of a form: NAME, A, B (numbers) and A% stand for what the user writes. */
static const struct form {
    const char *words;
    bool (*holds)(const struct job_check *c, double found, double last, struct buf *want);
} forms[] = {
    { "number NAME within A% of last", is_near_last },
    { "number NAME between A and B", is_between },
};
#define CELL "cell:"

static bool next_word(struct str *rest, struct str *word)
{
    *rest = str_trim(*rest);
    if (rest->n == 0)
        return false;
    (void)str_cut(rest, ' ', word);
    return true;
}

static bool read_number(struct str s, double *ret)
{
    cleanup_free char *text = str_dup(s);
    char *end;

    if (s.n == 0 || s.n > 40 || strspn(text, "0123456789+-.eE") != s.n)
        return false;
    *ret = strtod(text, &end);
    return *end == '\0' && isfinite(*ret);
}

/* One word of a check against one of its form. */
static bool take_word(struct job_check *c, struct str form, struct str word)
{
    if (str_is(form, "NAME")) {
        free(c->name);
        c->name = str_dup(word);
        return word.n <= MAX_PUBLISHED_NAME;
    }
    if (str_is(form, "A%"))
        return str_ends(word, "%") && read_number((struct str){ word.p, word.n - 1 }, &c->a) &&
               c->a >= 0;
    if (str_is(form, "A") || str_is(form, "B"))
        return read_number(word, str_is(form, "A") ? &c->a : &c->b);
    return str_eq(form, word);
}

static bool matches(struct job_check *c, const char *form, struct str text)
{
    struct str words = str_of(form), want, got;

    while (next_word(&words, &want))
        if (!next_word(&text, &got) || !take_word(c, want, got))
            return false;
    return str_trim(text).n == 0;
}

int job_check_add(struct job *j, struct str value, struct err *e)
{
    struct job_check c = { .text = str_dup(value), .form = -1 };

    if (str_starts(value, CELL)) {
        struct str code = str_trim(str_from(value, sizeof CELL - 1));
        c.code = code.n ? str_dup(code) : NULL;
    }
    for (size_t i = 0; c.code == NULL && c.form < 0 && i < ARRAY_LEN(forms); i++)
        if (matches(&c, forms[i].words, value))
            c.form = (int)i;
    if (c.code == NULL && (c.form < 0 || (forms[c.form].holds == is_between && c.a > c.b))) {
        cleanup_buf struct buf all = BUF_MAX(1024);
        for (size_t i = 0; i < ARRAY_LEN(forms); i++)
            buf_putf(&all, "\"%s\", ", forms[i].words);
        job_check_done(&c);
        return err_set(e, ERR_CONFIG, 0,
                       "check is of no form that there is: %sor \"" CELL " EXPRESSION\"; A is at "
                       "most B",
                       buf_cstr(&all));
    }
    j->checks = xrealloc(j->checks, j->n_checks + 1, sizeof *j->checks);
    j->checks[j->n_checks++] = c;
    return 0;
}

void job_check_done(struct job_check *c)
{
    free(c->text);
    free(c->name);
    free(c->code);
}

cJSON *job_numbers(const char *record, struct err *e)
{
    cleanup_buf struct buf notes = BUF_MAX(MAX_CONF_BYTES);
    struct published values = { 0 };
    struct saved s;

    if (saved_load(record, &s, e) < 0)
        return NULL;
    cJSON *o = cJSON_CreateObject();
    published_load(&values, &s, &notes);
    for (size_t i = 0; i < values.n; i++) {
        double v = json_num(values.v[i].facts, "value", NAN);
        if (values.v[i].kind == PUBLISHED_NUMBER && isfinite(v))
            cJSON_AddNumberToObject(o, values.v[i].name, v);
    }
    published_done(&values);
    saved_done(&s);
    return o;
}

static int fails(const struct job_check *c, const char *want, const char *found, struct err *e)
{
    return err_set(e, ERR_CHECK, 0, "check = %.200s: expected %.300s, found %.200s", c->text, want,
                   found);
}

int job_check_numbers(const struct job *j, const cJSON *now, const cJSON *last, struct err *e)
{
    for (size_t i = 0; i < j->n_checks; i++) {
        const struct job_check *c = &j->checks[i];
        cleanup_buf struct buf want = BUF_MAX(1024), found = BUF_MAX(1024);
        if (c->form < 0)
            continue;
        double v = json_num(now, c->name, NAN);
        bool ok = forms[c->form].holds(c, v, json_num(last, c->name, NAN), &want);
        if (isnan(v)) {
            const cJSON *one;
            cJSON_ArrayForEach(one, now) buf_putf(&found, ", %s", one->string);
            cleanup_free char *none = xasprintf("no number published as %s; there are%s", c->name,
                                                found.n ? buf_cstr(&found) + 1 : " none");
            return fails(c, buf_cstr(&want), none, e);
        }
        buf_putf(&found, "%.15g", v);
        if (!ok)
            return fails(c, buf_cstr(&want), buf_cstr(&found), e);
    }
    return 0;
}
