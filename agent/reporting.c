#include "agent/reporting.h"
#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "agent/asking.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/program.h"
#include "agent/rerun.h"
#include "prompts/prompts.h"
#include "agent/base/banned.h"

bool reporting_wanted(const struct run *run)
{
    return run->conf->report.n > 0 || run->reporting.wanted;
}

int reporting_check_names(const struct conf *c, struct err *e)
{
    enum report_format f;

    if (c->report.n > MAX_REPORTS)
        return err_set(e, ERR_USAGE, 0, "--report is given %zu times; the limit is %d", c->report.n,
                       MAX_REPORTS);
    for (size_t i = 0; i < c->report.n; i++) {
        if (report_format_of(c->report.v[i], &f, e) < 0)
            return err_wrap(e, "--report");
        for (size_t k = 0; k < i; k++)
            if (strcmp(c->report.v[k], c->report.v[i]) == 0)
                return err_set(e, ERR_USAGE, 0, "--report %s is given twice", c->report.v[i]);
    }
    return 0;
}

int reporting_check_tools(struct run *run, struct err *e)
{
    return report_check((const char *const *)run->conf->report.v, run->conf->report.n, run->sandbox,
                        run->stop, e) < 0
               ? err_wrap(e, "--report")
               : 0;
}

char *reporting_prompt(const struct run *run, struct err *e)
{
    cleanup_buf struct buf formats = BUF_MAX(MAX_CONF_BYTES), text = BUF_MAX(MAX_PROMPT_BYTES);
    static const char *const words[] = { "HTML", "Markdown", "PDF", "XLSX" };
    static const char slot[] = "{{formats}}";
    bool seen[ARRAY_LEN(words)] = { false };

    if (!reporting_wanted(run))
        return xstrdup("");
    for (size_t i = 0; i < run->conf->report.n; i++) {
        enum report_format f;
        if (report_format_of(run->conf->report.v[i], &f, e) < 0)
            return NULL;
        if (!seen[f])
            buf_putf(&formats, "%s%s", formats.n ? ", " : "", words[f]);
        seen[f] = true;
    }
    if (formats.n == 0)
        buf_puts(&formats, words[1]);
    /* The prompt shows references, so that its braces are no placeholders but for this one. */
    cleanup_free char *form = prompt_text(run->conf->prompts_dir, "report.md", e);
    if (form == NULL)
        return NULL;
    const char *at = strstr(form, slot);
    buf_put(&text, form, at ? (size_t)(at - form) : strlen(form));
    if (at) {
        buf_putstr(&text, buf_str(&formats));
        buf_puts(&text, at + strlen(slot));
    }
    return buf_steal(&text);
}

void reporting_saved(struct run *run, const struct saved *s)
{
    cleanup_buf struct buf notes = BUF_MAX(MAX_CONF_BYTES);

    published_load(&run->reporting.values, s, &notes);
    program_warn_lines(run->ui, buf_str(&notes));
}

void reporting_cell(struct run *run, const struct sandbox_cell *cell, const char *description,
                    const struct sandbox_result *r)
{
    struct reporting *g = &run->reporting;
    cleanup_buf struct buf notes = BUF_MAX(MAX_CONF_BYTES);

    published_take(&g->values, r, cell->number, &notes);
    program_warn_lines(run->ui, buf_str(&notes));
    if (!reporting_wanted(run))
        return;
    g->code = xrealloc(g->code, g->n_code + 1, sizeof *g->code);
    g->code[g->n_code++] = (struct report_cell){
        .number = cell->number,
        .language = cell->language->name,
        .description = description ? xstrdup(description) : NULL,
        .code = { xstrndup(cell->code.p, cell->code.n), cell->code.n },
        .ok = r->status == SANDBOX_OK,
    };
}

char *reporting_resolve(struct run *run, const char *text)
{
    struct reporting *g = &run->reporting;
    cleanup_buf struct buf b = BUF_MAX(MAX_ANSWER_BYTES * 4);

    free(g->markdown);
    g->markdown = NULL;
    if (!report_has_references(str_of(text)) || (g->values.n == 0 && !reporting_wanted(run)))
        return xstrdup(text);
    g->markdown = xstrdup(text);
    report_answer(str_of(text), &g->values, &b);
    return buf_steal(&b);
}

size_t reporting_unknown(const struct run *run, struct buf *lines)
{
    return report_unknown(str_of(run->reporting.markdown), &run->reporting.values, lines);
}

static void list_published(const struct published *p, struct buf *out)
{
    for (size_t i = 0; i < p->n && i < 100; i++)
        buf_putf(out, "%s{{%s:%s}}", i ? ", " : "", published_word(p->v[i].kind), p->v[i].name);
    if (p->n > 100)
        buf_putf(out, " and %zu more", p->n - 100);
    if (p->n == 0)
        buf_puts(out, "no values at all");
}

char *reporting_repair(const struct run *run, const char *text, struct err *e)
{
    const struct published *values = &run->reporting.values;
    cleanup_buf struct buf misses = BUF_MAX(MAX_PROMPT_BYTES), have = BUF_MAX(MAX_PROMPT_BYTES);

    if ((values->n == 0 && !reporting_wanted(run)) ||
        report_unknown(str_of(text), values, &misses) == 0)
        return xstrdup("");
    cleanup_free char *form = prompt_text(run->conf->prompts_dir, "report_repair.md", e);
    if (form == NULL)
        return NULL;
    list_published(values, &have);
    const char *const pairs[] = { "misses", buf_cstr(&misses), "published", buf_cstr(&have), NULL };
    return prompt_fill(form, pairs, e);
}

int reporting_write(struct program *p, const char *answer, struct err *e)
{
    struct run *run = &p->run;
    struct reporting *g = &run->reporting;
    struct asking_total total = asking_total(run->asking);
    bool again = p->rerun && !p->rerun->repairs; /* no model takes part */
    char made[40] = "", cost[40] = "";
    time_t now = time(NULL);
    struct tm tm;
    int failed = 0;

    if (!reporting_wanted(run) && g->markdown == NULL)
        return 0;
    cJSON *ev = cJSON_CreateObject(), *files = cJSON_CreateArray();
    json_add_str(ev, "markdown", str_of(g->markdown ? g->markdown : answer));
    if (gmtime_r(&now, &tm))
        strftime(made, sizeof made, "%Y-%m-%d %H:%M UTC", &tm);
    if (!isnan(total.cost))
        snprintf(cost, sizeof cost, "%.4f USD", total.cost);
    cleanup_json cJSON *inputs = program_inputs_json(&p->files);
    struct report r = {
        .markdown = str_of(g->markdown ? g->markdown : answer),
        .values = &g->values,
        .question = p->question,
        .model = again ? NULL : p->conf.model,
        .service = again ? NULL : asking_service(run->asking),
        .session = record_dir(run->record) ? record_id(run->record) : NULL,
        .made = made,
        .cost = cost[0] ? cost : NULL,
        .turns = run->turns,
        .cells = run->cells,
        .cells_ok = run->cells_ok,
        .duration_ms = now_ms() - p->started_ms,
        .inputs = inputs,
        .grounding = run->grounded ? &run->grounding : NULL,
        .code = g->code,
        .n_code = g->n_code,
        .from_record = again,
    };
    for (size_t i = 0; i < p->conf.report.n; i++) {
        struct err why = ERR_INIT;
        const char *path = p->conf.report.v[i];
        if (report_write(&r, path, &p->conf, &p->stop, &why) == 0) {
            cJSON_AddItemToArray(files, cJSON_CreateString(path));
            ui_note(run->ui, "report: %s", path);
            continue;
        }
        if (failed)
            ui_warn(run->ui, "%s", why.msg);
        else
            *e = why;
        failed = -1;
    }
    cJSON_AddItemToObject(ev, "files", files);
    record_event(run->record, "report", ev);
    return failed;
}

void reporting_done(struct run *run)
{
    struct reporting *g = &run->reporting;

    for (size_t i = 0; i < g->n_code; i++) {
        free((char *)g->code[i].description);
        free((char *)g->code[i].code.p);
    }
    free(g->code);
    free(g->markdown);
    published_done(&g->values);
}
