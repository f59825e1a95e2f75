/* The variables of a session: its cells, run again in a fresh sandbox.
 *
 * What a context held at the end stems from its cells since it was last made anew, so a cell that
 * killed its context is not run again: the context is emptied, as it was then. A cell that raised
 * is run like one that did not, since all before the error counted. One that met its time limit had
 * done nobody knows what, and one that never ended has told nothing: both are left out, and said.
 * Before a sandbox that was lost as a whole nothing counts. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/grounding.h"
#include "agent/network.h"
#include "agent/recorded.h"
#include "agent/resume.h"
#include "agent/validate.h"
#include "agent/base/banned.h"

#define SHOWN_BYTES 600 /* of what a cell printed this time */

struct replay {
    struct run *run;
    const struct saved *s;
    struct buf *differs;
    size_t from; /* event behind the loss of all before */
    bool stop;   /* the sandbox was lost: no use to go on */
};

/* The event behind the last one that says that variables and files were gone. */
static size_t last_loss(const struct saved *s)
{
    for (size_t i = s->n_events; i > 0; i--) {
        const cJSON *ev = s->events[i - 1];
        const char *type = json_str(ev, "type");
        if (strcmp(type, "sandbox.restart") == 0 ||
            (strcmp(type, "session.restored") == 0 && !json_bool(ev, "cells_replayed", false)))
            return i;
    }
    return 0;
}

static bool counts(const struct replay *r, const struct saved_cell *c)
{
    for (size_t i = r->from; i < r->s->n_events; i++)
        if (r->s->events[i] == c->start || r->s->events[i] == c->end)
            return true;
    return false;
}

static void put_clean(struct buf *out, const char *text, size_t max)
{
    utf8_clean_line(out, utf8_head(str_of(text), max));
}

static void empty_context(const struct replay *r, const struct sandbox_language *l,
                          const char *name)
{
    struct sandbox_context_info info;
    struct err ignored = ERR_INIT;

    for (size_t i = 0; i < sandbox_context_count(r->run->sandbox); i++) {
        sandbox_context_get(r->run->sandbox, i, &info);
        if (info.language == l && strcmp(info.name, name) == 0) {
            (void)sandbox_context_restart(r->run->sandbox, l, name, &ignored);
            return;
        }
    }
}

/* Where the user had all variables forgotten (/reset of agent chat) between two events, they are
 * forgotten here too: files that earlier cells made stay. */
static void follow_resets(const struct replay *r, size_t from, size_t to)
{
    struct sandbox *s = r->run->sandbox;
    struct sandbox_context_info info;
    struct err ignored = ERR_INIT;
    bool reset = false;

    for (size_t i = from; i < to; i++)
        reset = reset || (strcmp(json_str(r->s->events[i], "type"), "reset") == 0 &&
                          json_bool(r->s->events[i], "variables", false));
    for (size_t i = 0; reset && i < sandbox_context_count(s); i++) {
        sandbox_context_get(s, i, &info);
        (void)sandbox_context_restart(s, info.language, info.name, &ignored);
    }
}

static void put_stdout(struct buf *out, const struct sandbox_result *res)
{
    for (size_t i = 0; i < res->n_items; i++)
        if (res->items[i].kind == ITEM_STDOUT)
            buf_put(out, res->items[i].text, res->items[i].n);
}

/* Says how the cell ended otherwise than before. */
static void compare(struct replay *r, const struct saved_cell *c, const struct sandbox_result *res)
{
    const char *word = sandbox_status_word(res->status);
    const char *error = json_str(json_obj(c->end, "error"), "name");
    bool same_error = strcmp(error ? error : "", res->error_name ? res->error_name : "") == 0;
    cleanup_buf struct buf out = BUF_MAX(MAX_STREAM_BYTES * 2), clean = BUF_MAX(8 * SHOWN_BYTES);

    if (strcmp(word, c->status) != 0 || !same_error) {
        buf_putf(r->differs, "- cell %d, run again, ended with \"%s\"", c->number, word);
        if (res->error_name) {
            buf_puts(r->differs, " (");
            put_clean(r->differs, res->error_name, 100);
            buf_puts(r->differs, ": ");
            put_clean(r->differs, res->error_value ? res->error_value : "", 300);
            buf_puts(r->differs, ")");
        }
        buf_puts(r->differs, " where it had ended with \"");
        put_clean(r->differs, c->status, 40);
        buf_puts(r->differs, "\"\n");
    } else {
        put_stdout(&out, res);
        if (str_eq(buf_str(&out), buf_str(&c->out)))
            return;
        buf_putf(r->differs, "- cell %d, run again, printed something else than before", c->number);
        utf8_clean(&clean, utf8_head(str_trim(buf_str(&out)), SHOWN_BYTES));
        struct str rest = buf_str(&clean), line;
        if (rest.n)
            buf_puts(r->differs, ". Now it begins:");
        buf_putc(r->differs, '\n');
        while (rest.n) {
            (void)str_cut(&rest, '\n', &line);
            buf_putf(r->differs, "    %.*s\n", (int)line.n, line.p);
        }
    }
    if (res->lost_names) {
        buf_putf(r->differs, "- with cell %d these names were lost: ", c->number);
        put_clean(r->differs, res->lost_names, 2000);
        buf_putc(r->differs, '\n');
    }
}

static int run_cell(struct replay *r, const struct saved_cell *c, const struct sandbox_language *l,
                    const char *context, struct err *e)
{
    __attribute__((cleanup(sandbox_result_done))) struct sandbox_result res = { 0 };
    __attribute__((cleanup(warnings_done))) struct warnings warnings = { 0 };
    struct run *run = r->run;
    struct sandbox_sink quiet = { 0 };
    struct sandbox_cell cell = {
        .context = context,
        .number = c->number,
        .code = str_of(c->code),
        .timeout_ms = run->conf->timeout_ms,
        .language = l,
    };

    int revived = sandbox_revive(run->sandbox, run->stop, e);
    if (revived < 0)
        return -1;
    if (revived > 0) {
        buf_putf(r->differs,
                 "- the sandbox ended before cell %d was run again: all variables and files are "
                 "gone\n",
                 c->number);
        r->stop = true;
        return 0;
    }
    if (validate_code(run->conf, run->sandbox, &cell, run->stop, &warnings, e) < 0)
        return -1;
    if (warnings.n && run->conf->validate == VALIDATE_STRICT) {
        buf_putf(r->differs, "- cell %d was not run again: the settings forbid its code\n",
                 c->number);
        return 0;
    }
    int ran = sandbox_run(run->sandbox, &cell, run->stop, &quiet, &res, e);
    network_record(run, false);
    if (ran < 0)
        return -1;
    grounding_cell(run, cell.code, &res);
    compare(r, c, &res);
    return 0;
}

static bool is_one_of(const char *word, const char *const *list)
{
    for (; word && *list; list++)
        if (strcmp(word, *list) == 0)
            return true;
    return false;
}

static int take_cell(struct replay *r, const struct saved_cell *c, struct err *e)
{
    static const char *const ran[] = { "ok", "error", NULL };
    static const char *const killed[] = { "killed_time", "memory", "output", "died", NULL };
    const struct sandbox_language *l = recorded_language(r->run, c);
    const char *context = json_str(c->start, "context");

    context = context && context[0] ? context : "default";
    if (c->status && strcmp(c->status, "validation_failed") == 0)
        return 0; /* it had not run then either */
    if (l == NULL) {
        buf_putf(r->differs, "- cell %d was not run again: its language, ", c->number);
        put_clean(r->differs, c->language, 40);
        buf_puts(r->differs, ", is not there now\n");
    } else if (is_one_of(c->status, killed)) {
        empty_context(r, l, context);
        buf_putf(r->differs,
                 "- cell %d was not run again: it had ended its interpreter (%s); files that it "
                 "made are not there\n",
                 c->number, c->status);
    } else if (!is_one_of(c->status, ran)) {
        buf_putf(r->differs, "- cell %d was not run again: it had %s\n", c->number,
                 c->status ? "met its time limit" : "not come to its end");
    } else if (c->code[0] == '\0') {
        buf_putf(r->differs, "- cell %d was not run again: its code is not in the record\n",
                 c->number);
    } else {
        return run_cell(r, c, l, context, e);
    }
    return 0;
}

int resume_cells(struct run *run, const struct saved *s, struct buf *differs, struct err *e)
{
    struct replay r = { .run = run, .s = s, .differs = differs, .from = last_loss(s) };
    size_t at = r.from;
    int result = 0;

    for (size_t i = 0; i < s->n_cells && result == 0 && !r.stop; i++) {
        if (!counts(&r, &s->cells[i]))
            continue;
        size_t begins = at;
        while (begins < s->n_events && s->events[begins] != s->cells[i].start)
            begins++;
        follow_resets(&r, at, begins);
        at = begins;
        cleanup_free char *what = xasprintf("running cell %d of before again", s->cells[i].number);
        ui_wait(run->ui, what);
        result = stop_check(run->stop, e) < 0 ? -1 : take_cell(&r, &s->cells[i], e);
        ui_wait_end(run->ui);
    }
    follow_resets(&r, at, s->n_events);
    return result;
}
