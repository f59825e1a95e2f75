#include "agent/recorded.h"
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/resume.h"
#include "agent/base/banned.h"

/* The settings under which the session last went on. */
static const cJSON *last_settings(const struct saved *s)
{
    const cJSON *found = NULL;

    for (size_t i = 0; i < s->n_events; i++) {
        const char *type = json_str(s->events[i], "type");
        if (strcmp(type, "session.start") == 0 || strcmp(type, "session.resume") == 0)
            found = json_obj(s->events[i], "settings");
    }
    return found;
}

int recorded_policy(struct program *p, const struct saved *s, struct err *e)
{
    cleanup_buf struct buf notes = BUF_MAX(MAX_CONF_BYTES), unasked = BUF_MAX(MAX_CONF_BYTES);
    const char *backend = saved_text(s, "sandbox.start", "backend");
    const cJSON *settings = last_settings(s);
    bool asks = p->conf.command != CMD_RERUN || p->conf.repair != REPAIR_NEVER;
    struct str rest, line;

    if (resume_policy(&p->conf, settings, backend && strcmp(backend, "landlock") != 0, &notes, e) <
            0 ||
        resume_policy_asked(&p->conf, settings, asks ? &notes : &unasked, e) < 0)
        return -1;
    for (rest = buf_str(&notes); rest.n;) {
        (void)str_cut(&rest, '\n', &line);
        ui_note(p->run.ui, "%.*s", (int)line.n, line.p);
    }
    return 0;
}

/* Where an input of before is: what came by standard input lies in the record, which may have been
 * copied or moved; a relative path began at the folder of that question. What is found is compared
 * with the fingerprint in any case. */
char *recorded_input_path(const struct saved *s, const char *path, const char *cwd)
{
    const char *in = NULL;

    for (const char *at = path; (at = strstr(at, "/inputs/")) != NULL; in = at)
        at += strlen("/inputs/");
    if (in && strstr(in, "..") == NULL) {
        cleanup_free char *here = xasprintf("%s/inputs/%s", s->dir, in);
        if (access(here, F_OK) == 0)
            return steal_ptr(&here);
    }
    return path[0] == '/' || cwd == NULL ? xstrdup(path) : io_join(cwd, path);
}

/* The fingerprint of a large file is told at the end, in the manifest. */
const cJSON *recorded_input(const struct saved *s, const cJSON *file)
{
    const char *name = json_str(file, "name"), *of;
    const cJSON *f;

    if (json_str(file, "sha256"))
        return file;
    cJSON_ArrayForEach(
        f, json_arr(s->manifest, "inputs")) if (name && (of = json_str(f, "name")) != NULL &&
                                                strcmp(of, name) == 0 &&
                                                json_int(f, "bytes", -1) ==
                                                    json_int(file, "bytes", -2)) return f;
    return file;
}

const cJSON *recorded_inputs(const struct saved *s, const char **ret_cwd)
{
    for (size_t i = s->n_events; i > 0; i--) {
        const cJSON *ev = s->events[i - 1];
        if (strcmp(json_str(ev, "type"), "inputs") != 0)
            continue;
        *ret_cwd = NULL;
        for (size_t k = i - 1; k > 0 && *ret_cwd == NULL; k--) {
            const char *type = json_str(s->events[k - 1], "type");
            if (strcmp(type, "session.start") == 0 || strcmp(type, "session.resume") == 0)
                *ret_cwd = json_str(s->events[k - 1], "cwd");
        }
        return json_arr(ev, "files"); /* the last question's: what was there of the earlier ones */
    }
    return NULL;
}

const struct sandbox_language *recorded_language(const struct run *run, const struct saved_cell *c)
{
    const struct sandbox_language *l = sandbox_language(c->language);

    if (l == NULL || l->start == START_PYTHON)
        return l;
    for (size_t i = 0; run->languages && i < run->languages->n; i++)
        if (run->languages->v[i].language == l)
            return l;
    return NULL;
}
