/* agent report SESSION FILE...: a recorded session's report again, without a model. */
#include <stdlib.h>
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/program.h"
#include "agent/report.h"
#include "agent/base/banned.h"

static int write_all(struct program *p, const struct saved *s, struct err *e)
{
    cleanup_buf struct buf notes = BUF_MAX(MAX_CONF_BYTES);
    const struct conf *c = &p->conf;
    struct report_store store;
    struct report r;
    int failed = report_of_saved(s, &store, &r, &notes, e);

    program_warn_lines(p->run.ui, buf_str(&notes));
    r.from_record = true;
    for (size_t i = 1; i < c->n_args && failed == 0; i++) {
        failed = report_write(&r, c->args[i], c, &p->stop, e);
        if (failed == 0)
            ui_note(p->run.ui, "report: %s", c->args[i]);
    }
    report_store_done(&store);
    return failed;
}

void report_command(struct program *p, struct err *why)
{
    const struct conf *c = &p->conf;
    cleanup_free char *root = conf_session_root(c, why);
    enum report_format f;
    struct saved s;

    if (root == NULL)
        return;
    if (c->n_args < 2) {
        err_set(why, ERR_USAGE, 0,
                "agent report takes a session and at least one file to write: agent report last "
                "report.pdf");
        return;
    }
    for (size_t i = 1; i < c->n_args; i++)
        if (report_format_of(c->args[i], &f, why) < 0)
            return;
    cleanup_free char *dir = saved_find(root, c->args[0], why);
    if (dir == NULL || saved_load(dir, &s, why) < 0)
        return;
    if (s.damage)
        ui_warn(p->run.ui, "%s", s.damage);
    write_all(p, &s, why);
    saved_done(&s);
}
