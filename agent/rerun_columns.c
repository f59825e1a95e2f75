/* The columns of the files of then, as the record has them (event "profile"), and of those of now.
 * Code can run to its end on a table that lacks what it should have looked at. */
#include <cjson/cJSON.h>
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/columns.h"
#include "agent/rerun.h"
#include "agent/base/banned.h"

int rerun_profile(struct program *p, struct err *e)
{
    struct rerun *r = p->rerun;
    struct run *run = &p->run;

    if (r->profiled)
        return 0;
    r->profiled = true;
    if (intake_begin(&r->intake, run->sandbox, &p->conf, &p->files, false, &p->stop, e) < 0 ||
        intake_end(&r->intake, run->sandbox, &p->files, &p->stop, e) < 0)
        return -1;
    intake_say(&r->intake, &p->files, run->ui);
    return 0;
}

void rerun_keep_profile(struct program *p)
{
    const cJSON *then = saved_last(&p->rerun->saved, "profile");
    cJSON *ev;

    if (then == NULL)
        return;
    ev = cJSON_CreateObject();
    cJSON_AddItemToObject(ev, "intake", cJSON_Duplicate(json_get(then, "intake"), true));
    cJSON_AddItemToObject(ev, "files", cJSON_Duplicate(json_get(then, "files"), true));
    record_event(p->run.record, "profile", ev);
}

/* What the last question's profile says of a file; NULL: nothing. */
static const cJSON *profile_then(const struct saved *s, const char *name)
{
    const cJSON *f;

    cJSON_ArrayForEach(f, json_arr(saved_last(s, "profile"), "files"))
    {
        const char *of = json_str(f, "name");
        if (of && strcmp(of, name) == 0)
            return f;
    }
    return NULL;
}

/* Why the columns of a file cannot be compared; NULL: they can, as far as they have names. */
static const char *why_untold(const struct program *p, const cJSON *then, size_t i)
{
    const cJSON *ev = saved_last(&p->rerun->saved, "profile");
    const struct intake *now = &p->rerun->intake;
    const char *mode = json_str(ev, "intake");

    if (ev == NULL)
        return "the session's record does not say what they were";
    if (mode && strcmp(mode, "off") == 0)
        return "the session's files were not profiled (intake = off)";
    if (now->n == 0)
        return "the present files are not profiled (intake = off)";
    if (json_arr(then, "tables") == NULL || json_str(then, "failed"))
        return "the file of then was not profiled to its end";
    return now->v[i].tables == NULL || now->v[i].failed
               ? "the present file could not be profiled to its end"
               : NULL;
}

static void put_untold(struct buf *out, const char *name, size_t n, const char *why)
{
    if (n)
        buf_putf(out, "%zu ", n);
    buf_puts(out, "columns of ");
    utf8_clean_line(out, utf8_head(str_of(name), 100));
    buf_putf(out, " cannot be compared with those of then: %s\n", why);
}

size_t rerun_columns(const struct program *p, struct buf *differ, struct buf *untold)
{
    size_t n = 0;

    for (size_t i = 0; i < p->files.n; i++) {
        const char *name = p->files.v[i].name;
        const cJSON *then = profile_then(&p->rerun->saved, name);
        const cJSON *tables = json_arr(then, "tables");
        const char *why = why_untold(p, then, i);
        if (why) {
            put_untold(untold, name, 0, why);
            continue;
        }
        const cJSON *now = p->rerun->intake.v[i].tables;
        size_t then_untold = columns_untold(tables), now_untold = columns_untold(now);
        if (then_untold || now_untold)
            put_untold(untold, name, then_untold > now_untold ? then_untold : now_untold,
                       "their names are not recorded");
        n += columns_differ(tables, now, name, differ);
    }
    return n;
}
