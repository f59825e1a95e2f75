/* agent env create|list|show|remove. */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/conf_table.h"
#include "agent/program.h"
#include "agent/base/banned.h"

static int do_create(struct program *p, struct buf *out, struct err *e)
{
    const struct conf *c = &p->conf;
    const struct env_plan plan = {
        .name = c->args[1],
        .requirements = c->requirements,
        .wheels = c->wheels,
        .lock = c->lock,
        .packages = c->args + 2,
        .n_packages = c->n_args - 2,
    };

    if (env_create(c, &plan, p->run.ui, &p->stop, e) < 0)
        return -1;
    return env_show(plan.name, out, e);
}

static int do_list(struct program *p, struct buf *out, struct err *e)
{
    if (env_list(out, e) < 0)
        return -1;
    if (out->n == 0)
        ui_note(p->run.ui, "there are no environments; agent env create NAME PACKAGE... makes one");
    return 0;
}

static int do_show(struct program *p, struct buf *out, struct err *e)
{
    return env_show(p->conf.args[1], out, e);
}

static int do_remove(struct program *p, struct buf *out, struct err *e)
{
    (void)out;
    if (env_remove(p->conf.args[1], &p->stop, e) < 0)
        return -1;
    ui_note(p->run.ui, "the environment %s is removed", p->conf.args[1]);
    return 0;
}

static const struct verb {
    const char *name;
    size_t min, max; /* words, this one included */
    bool builds;     /* takes -r, --wheels, --lock */
    int (*run)(struct program *p, struct buf *out, struct err *e);
} verbs[] = {
    { "create", 2, 2 + MAX_ENV_PACKAGES, true, do_create },
    { "list", 1, 1, false, do_list },
    { "show", 2, 2, false, do_show },
    { "remove", 2, 2, false, do_remove },
};

static const struct verb *find_verb(const struct conf *c, struct err *e)
{
    const char *word = c->n_args ? c->args[0] : NULL;

    for (size_t i = 0; word && i < ARRAY_LEN(verbs); i++) {
        const struct verb *v = &verbs[i];
        if (strcmp(v->name, word) != 0)
            continue;
        if (c->n_args < v->min || c->n_args > v->max) {
            err_set(e, ERR_USAGE, 0, "agent env %s %s; agent env --help shows how", v->name,
                    c->n_args < v->min ? "needs the NAME of an environment"
                                       : "was given too many words");
            return NULL;
        }
        if (!v->builds && (c->requirements || c->wheels || c->lock)) {
            err_set(e, ERR_USAGE, 0, "-r, --wheels and --lock belong to agent env create");
            return NULL;
        }
        return v;
    }
    err_set(e, ERR_USAGE, 0,
            "agent env needs one of: create, list, show, remove; agent env --help shows how");
    return NULL;
}

void env_command(struct program *p, struct err *why)
{
    cleanup_buf struct buf out = BUF_MAX(MAX_ENV_PACKAGES * KIB);
    const struct verb *v = find_verb(&p->conf, why);

    if (v == NULL || v->run(p, &out, why) < 0)
        return;
    if (io_write_all(STDOUT_FILENO, out.p, out.n, why) < 0 && why->sys == EPIPE)
        *why = (struct err)ERR_INIT; /* a reader who has gone */
}
