/* The keys of a job file: a row each, which reads it and shows it in `agent job new`. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/io.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/calendar.h"
#include "agent/conf_load.h"
#include "agent/job_parts.h"
#include "agent/base/banned.h"

static int one_question(struct job *j, struct err *e)
{
    return j->question ? err_set(e, ERR_CONFIG, 0, "question and question_file are both set") : 0;
}

static int set_question(struct job *j, struct str value, struct err *e)
{
    if (one_question(j, e) < 0)
        return -1;
    j->question = str_dup(value);
    return 0;
}

static int set_question_file(struct job *j, struct str value, struct err *e)
{
    const char *slash = strrchr(j->path, '/');
    cleanup_free char *dir = slash ? xstrndup(j->path, (size_t)(slash - j->path)) : xstrdup(".");
    cleanup_free char *file = str_dup(value);
    cleanup_free char *path = file[0] == '/' ? xstrdup(file) : io_join(dir, file);
    cleanup_buf struct buf text = BUF_MAX(MAX_PROMPT_BYTES);

    if (one_question(j, e) < 0)
        return -1;
    if (io_read_file(path, &text, e) < 0) {
        e->code = ERR_CONFIG;
        return err_wrap(e, "question_file");
    }
    j->question = buf_steal(&text);
    return 0;
}

/* [newest] PATTERN [as NAME], or command: COMMAND as NAME */
static int add_input(struct job *j, struct str value, struct err *e)
{
    struct job_input in = { .newest = str_starts(value, "newest "),
                            .is_command = str_starts(value, "command:") };

    if (in.newest || in.is_command)
        value = str_trim(str_from(value, in.newest ? 7 : 8));
    const char *as = NULL;
    for (const char *at = value.p; (at = memmem(at, (size_t)(value.p + value.n - at), " as ", 4));
         at += 4)
        as = at;
    struct str name = { NULL, 0 };
    if (as) {
        name = str_trim(str_from(value, (size_t)(as - value.p) + 4));
        value = str_trim((struct str){ value.p, (size_t)(as - value.p) });
        if (name.n == 0 || memchr(name.p, '/', name.n) || name.p[0] == '.')
            return err_set(e, ERR_CONFIG, 0,
                           "what follows \"as\" is a file's name, without a folder");
    }
    if (value.n == 0 || (in.is_command && name.n == 0))
        return err_set(e, ERR_CONFIG, 0,
                       "input is [newest] PATTERN [as NAME], or command: COMMAND as NAME");
    for (size_t i = 0; name.n && i < j->n_inputs; i++)
        if (j->inputs[i].name && str_is(name, j->inputs[i].name))
            return err_set(e, ERR_CONFIG, 0, "input: two are called %s", j->inputs[i].name);
    in.name = name.n ? str_dup(name) : NULL;
    in.text = str_dup(value);
    j->inputs = xrealloc(j->inputs, j->n_inputs + 1, sizeof *j->inputs);
    j->inputs[j->n_inputs++] = in;
    return 0;
}

bool job_is_inside(const char *name)
{
    return name[0] != '\0' && name[0] != '/' && name[0] != '.' && strstr(name, "..") == NULL;
}

/* A name within the report's folder. */
static int add_name(struct conf_list *l, struct str value, struct err *e)
{
    cleanup_free char *name = str_dup(value);

    if (!job_is_inside(name))
        return err_set(e, ERR_CONFIG, 0,
                       "\"%.100s\": it lies in the report's folder, so that a name "
                       "is wanted, without a folder above it",
                       name);
    conf_list_add(l, name);
    return 0;
}

static int add_output(struct job *j, struct str value, struct err *e)
{
    static const char *const endings[] = { ".html", ".md", ".pdf", ".xlsx", ".ipynb", ".py" };

    for (size_t i = 0; i < ARRAY_LEN(endings); i++)
        if (str_ends(value, endings[i]))
            return add_name(&j->outputs, value, e);
    return err_set(
        e, ERR_CONFIG, 0,
        "output: the format is told by the ending, .html, .md, .pdf, .xlsx, .ipynb or .py");
}

static int add_exist(struct job *j, struct str value, struct err *e)
{
    return add_name(&j->must_exist, value, e);
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

static int set_mode(struct job *j, struct str value, struct err *e)
{
    bool second = false;

    if (choose("mode", value, "rerun-first", "model-always", &second, e) < 0)
        return -1;
    j->mode = second ? JOB_MODEL_ALWAYS : JOB_RERUN_FIRST;
    return 0;
}

static int set_repair(struct job *j, struct str value, struct err *e)
{
    return choose("repair", value, "auto", "never", &j->no_repair, e);
}

static int set_changed(struct job *j, struct str value, struct err *e)
{
    return choose("only_if_changed", value, "false", "true", &j->only_if_changed, e);
}

static int set_keep(struct job *j, struct str value, struct err *e)
{
    long long n;

    if (!str_to_ll(value, &n) || n < 1 || n > 100000)
        return err_set(e, ERR_CONFIG, 0, "keep is the number of reports that stay, 1 to 100000");
    j->keep = (long)n;
    return 0;
}

static int set_overlap(struct job *j, struct str value, struct err *e)
{
    return choose("overlap", value, "ok", "fail", &j->overlap_fails, e);
}

static int set_schedule(struct job *j, struct str value, struct err *e)
{
    struct calendar c;
    cleanup_free char *text = str_dup(value);

    if (calendar_parse(text, &c, e) < 0)
        return err_wrap(e, "schedule");
    j->schedule = steal_ptr(&text);
    return 0;
}

#define MANY true
#define ONCE false
#define SET(function) function, 0
#define TEXT(member) NULL, offsetof(struct job, member)

const struct job_key job_keys[] = {
    { "question", ONCE, SET(set_question), "Sum the revenue by month and draw a chart.",
      "what is asked; dates may stand in it as {{today}} or {{last_month:%B %Y}}" },
    { "question_file", ONCE, SET(set_question_file), "question.md", "or the file that says it" },
    { "input", MANY, SET(add_input), "newest data/sales-*.csv as sales.csv",
      "[newest] PATTERN [as NAME], or command: COMMAND as NAME; any number of them" },
    { "folder", ONCE, TEXT(folder), "NAME.reports", "where reports go" },
    { "param", MANY, SET(job_param_add), "region = north",
      "a value that may change (NAME = VALUE), {{region}} elsewhere; dates may stand in it" },
    { "output", MANY, SET(add_output), "report.html",
      "a report, any number of them: .html .md .pdf .xlsx, .py and .ipynb for the code" },
    { "must_exist", MANY, SET(add_exist), "chart.png",
      "a file that the run has to make, not empty" },
    { "check", MANY, SET(job_check_add), "number total within 20% of last",
      "what must hold; also number total between 0 and 1e6, and cell: len(df) > 0 (Python)" },
    { "mode", ONCE, SET(set_mode), "rerun-first",
      "the code of the last report runs again where it can; or model-always" },
    { "repair", ONCE, SET(set_repair), "auto",
      "code that does not do is repaired by the model from there on; never: the run fails" },
    { "only_if_changed", ONCE, SET(set_changed), "false",
      "true: nothing is done when inputs, question and this file are what they were" },
    { "keep", ONCE, SET(set_keep), "12", "how many reports stay; without it all" },
    { "overlap", ONCE, SET(set_overlap), "ok",
      "a run that finds another at work does nothing, with status 0; fail: with status 2" },
    { "on_success", ONCE, TEXT(on_success), "mail -s \"report\" me@example.org",
      "a command for /bin/sh, told of the report by its standard input and AGENT_JOB_REPORT" },
    { "on_failure", ONCE, TEXT(on_failure), "logger -t agent", "the same for a run that failed" },
    { "schedule", ONCE, SET(set_schedule), "Mon 07:00",
      "when agent job install has it run: a calendar event as of systemd" },
};
const size_t job_keys_n = ARRAY_LEN(job_keys);

int job_key_find(struct str name)
{
    for (size_t i = 0; i < job_keys_n; i++)
        if (str_is(name, job_keys[i].name))
            return (int)i;
    return -1;
}

int job_key_set(struct job *j, int key, struct str value, struct err *e)
{
    const struct job_key *k = &job_keys[key];
    uint64_t bit = (uint64_t)1 << key;

    if (value.n == 0)
        return err_set(e, ERR_CONFIG, 0, "%s has no value", k->name);
    if (!k->many && (j->seen & bit))
        return err_set(e, ERR_CONFIG, 0, "%s is set twice", k->name);
    j->seen |= bit;
    if (k->set)
        return k->set(j, value, e);
    *(char **)((char *)j + k->text) = str_dup(value);
    return 0;
}

void job_keys_example(struct buf *out)
{
    buf_puts(out, "# A job: what is asked, of which files, and where the report goes.\n"
                  "# Paths begin at this file's folder. Lines with a # are remarks: examples, or "
                  "what holds without them.\n\n");
    for (size_t i = 0; i < job_keys_n; i++)
        buf_putf(out, "# %s\n%s%s = %s\n\n", job_keys[i].help, i == 0 ? "" : "# ", job_keys[i].name,
                 job_keys[i].example);
    buf_puts(out, "# Below this line: settings of agent.conf.\n"
                  "[settings]\n"
                  "# model = ...\n"
                  "max_cost = 1\n"
                  "deadline = 15m\n");
}
