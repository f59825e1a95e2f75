/* What of a session is run again: the decision of rerun_plan.py, which runs in the sandbox. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/report.h"
#include "agent/rerun.h"
#include "agent/base/banned.h"

#define PLAN_MS 60000
#define PLAN_CONTEXT "rerun-plan"

extern const char rerun_plan_code[], rerun_plan_code_end[];

static bool is_ok(const struct saved_cell *c)
{
    return c->status && strcmp(c->status, "ok") == 0;
}

/* Nothing, or only a part, of such a cell had run when it was refused. */
static bool was_refused(const struct saved_cell *c)
{
    return c->status == NULL || strcmp(c->status, "error") != 0;
}

static char *question(const struct rerun *r)
{
    cleanup_json cJSON *o = cJSON_CreateObject();
    cJSON *cells = cJSON_AddArrayToObject(o, "cells");

    for (size_t i = 0; i < r->n; i++) {
        const struct saved_cell *c = r->v[i].cell;
        const cJSON *error = json_obj(c->end, "error");
        const char *context = json_str(c->start, "context");
        const char *name = json_str(error, "name");
        bool left = !is_ok(c) && was_refused(c);
        cJSON *one = cJSON_CreateObject();
        json_add_str(one, "code", str_of(left ? "" : c->code));
        json_add_str(one, "context", str_of(context ? context : "default"));
        cJSON_AddBoolToObject(one, "python", strcmp(c->language, "python") == 0);
        cJSON_AddBoolToObject(one, "ok", is_ok(c));
        json_add_str(one, "error", str_of(name));
        json_add_int(one, "line", json_int(error, "line", 0));
        cJSON_AddItemToArray(cells, one);
    }
    cJSON_AddBoolToObject(o, "references", report_has_references(str_of(r->text)));
    return json_text(o);
}

/* The statements before a line. */
static char *before_line(const char *code, int64_t line)
{
    const char *at = code;

    for (int64_t i = 1; i < line && at; i++) {
        at = strchr(at, '\n');
        at = at ? at + 1 : NULL;
    }
    return at ? xstrndup(code, (size_t)(at - code)) : xstrdup(code);
}

/* One decision; false: it is none. A cell that succeeded is never cut. */
static bool take(struct rerun_cell *rc, const cJSON *decision)
{
    const cJSON *word = cJSON_GetArrayItem(decision, 0), *line = cJSON_GetArrayItem(decision, 1);

    if (!cJSON_IsString(word))
        return false;
    if (strcmp(word->valuestring, "run") == 0 && is_ok(rc->cell))
        rc->code = xstrdup(rc->cell->code);
    else if (strcmp(word->valuestring, "look") == 0 && is_ok(rc->cell))
        rc->why = "it only showed things";
    else if (strcmp(word->valuestring, "failed") == 0 && !is_ok(rc->cell))
        rc->why = "it failed";
    else if (strcmp(word->valuestring, "part") == 0 && !is_ok(rc->cell) && cJSON_IsNumber(line))
        rc->code = before_line(rc->cell->code, (int64_t)line->valuedouble);
    else
        return false;
    return true;
}

/* Without decisions all that succeeded is run. */
static void by_status(struct program *p, const char *why)
{
    struct rerun *r = p->rerun;

    ui_warn(p->run.ui,
            "which cells are still needed could not be found out (%s): all that had "
            "succeeded are run",
            why);
    for (size_t i = 0; i < r->n; i++) {
        free(r->v[i].code);
        r->v[i].why = is_ok(r->v[i].cell) ? NULL : "it failed";
        r->v[i].code = is_ok(r->v[i].cell) ? xstrdup(r->v[i].cell->code) : NULL;
    }
}

static void decide(struct program *p, struct str text)
{
    struct rerun *r = p->rerun;
    struct err e = ERR_INIT;
    cleanup_json cJSON *list = json_parse(text, &e);
    const cJSON *one;
    size_t n = 0;

    cJSON_ArrayForEach(one, list)
    {
        if (n == r->n || !take(&r->v[n], one))
            break;
        n++;
    }
    if (n != r->n || one != NULL)
        by_status(p, "no whole decision came out of the sandbox");
}

int rerun_plan(struct program *p, struct err *e)
{
    __attribute__((cleanup(sandbox_result_done))) struct sandbox_result res = { 0 };
    cleanup_buf struct buf out = BUF_MAX(MAX_STREAM_BYTES * 2);
    struct sandbox *s = p->run.sandbox;
    struct err ignored = ERR_INIT;
    cleanup_free char *text = question(p->rerun);
    struct sandbox_cell cell = {
        .context = PLAN_CONTEXT,
        .number = 0,
        .code = { rerun_plan_code, (size_t)(rerun_plan_code_end - rerun_plan_code) },
        .timeout_ms = PLAN_MS,
    };

    if (sandbox_put(s, "rerun-cells.json", str_of(text), &p->stop, e) < 0 ||
        sandbox_run(s, &cell, &p->stop, NULL, &res, e) < 0)
        return err_wrap(e, "which cells are needed");
    for (size_t i = 0; i < res.n_items; i++)
        if (res.items[i].kind == ITEM_STDOUT)
            buf_put(&out, res.items[i].text, res.items[i].n);
    (void)sandbox_context_delete(s, sandbox_language("python"), PLAN_CONTEXT, &ignored);
    if (res.status == SANDBOX_OK)
        decide(p, buf_str(&out));
    else
        by_status(p, res.error_name ? res.error_name : sandbox_status_word(res.status));
    return 0;
}
