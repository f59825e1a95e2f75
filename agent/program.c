#include "agent/program.h"
#include "agent/reporting.h"
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "agent/asking.h"
#include "agent/base/io.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/batch_image.h"
#include "agent/events.h"
#include "agent/consent.h"
#include "agent/grounding.h"
#include "agent/rerun.h"
#include "agent/resume.h"
#include "agent/schema.h"
#include "agent/base/banned.h"

void program_warn_lines(struct ui *ui, struct str lines)
{
    struct str line;
    size_t n = 0;

    while (lines.n) {
        str_cut(&lines, '\n', &line);
        if (line.n && ++n <= MAX_WARN_LINES)
            ui_warn(ui, "%.*s", (int)line.n, line.p);
    }
    if (n > MAX_WARN_LINES)
        ui_warn(ui, "and %zu more", n - MAX_WARN_LINES);
}

int program_choose_model(struct program *p, struct err *e)
{
    p->run.asking = asking_new(&p->conf, &p->stop, p->run.ui, e);
    return p->run.asking ? 0 : -1;
}

int program_attach(struct program *p, struct err *e)
{
    cleanup_buf struct buf notices = BUF_MAX(MAX_CONF_BYTES);

    for (size_t i = 0; i < p->conf.file.n; i++)
        if (attach_add_all(&p->files, p->conf.file.v[i], &notices, e) < 0)
            return -1;
    program_warn_lines(p->run.ui, buf_str(&notices));
    return 0;
}

#define HASH_FIRST_BYTES                                                                           \
    (64ll * MIB) /* a quarter of a second; larger files are hashed at the end */

int program_hash_inputs(struct program *p, bool large, struct err *e)
{
    for (size_t i = 0; i < p->files.n; i++)
        if ((p->files.v[i].size > HASH_FIRST_BYTES) == large &&
            attach_hash(&p->files.v[i], &p->stop, e) < 0)
            return -1;
    return 0;
}

cJSON *program_inputs_json(const struct attach_list *files)
{
    cJSON *list = cJSON_CreateArray();

    for (size_t i = 0; i < files->n; i++) {
        cJSON *o = cJSON_CreateObject();
        json_add_str(o, "name", str_of(files->v[i].name));
        json_add_str(o, "path", str_of(files->v[i].path));
        json_add_int(o, "bytes", files->v[i].size);
        if (files->v[i].sha256[0])
            json_add_str(o, "sha256", str_of(files->v[i].sha256));
        cJSON_AddItemToArray(list, o);
    }
    return list;
}

int program_open_record(struct program *p, struct err *e)
{
    cleanup_free char *root = NULL;

    if (!p->conf.ephemeral) {
        root = conf_session_root(&p->conf, e);
        if (root == NULL)
            return -1;
    }
    p->run.record = record_new(root, p->conf.session_id, p->conf.ephemeral, e);
    return p->run.record ? 0 : -1;
}

int program_start_sandbox(struct program *p, struct err *e)
{
    const struct conf *c = &p->conf;
    struct sandbox_file *files = xcalloc(p->files.n + 1, sizeof *files);

    if (c->env && env_open(c->env, &p->env, e) < 0) {
        free(files);
        return -1;
    }
    fonts_open(c->python, &p->fonts);
    if (languages_find(c, p->run.ui, &p->languages, e) < 0) {
        free(files);
        return -1;
    }
    for (size_t i = 0; i < p->files.n; i++)
        files[i] = (struct sandbox_file){ p->files.v[i].path, p->files.v[i].name };
    struct sandbox_image image;
    struct sandbox_spec spec = {
        .helper = c->sandbox_helper,
        .python = c->python,
        .files = files,
        .n_files = p->files.n,
        .memory_bytes = c->memory_bytes,
        .workspace_bytes = c->workspace_bytes,
        .file_bytes = c->file_bytes,
        .max_processes = (int)c->max_processes,
        .cpu_seconds = (int)((c->cpu_ms + 999) / 1000),
        .cpu_share = (int)c->cpu_share,
        .devices = c->devices,
        .best = c->sandbox == SANDBOX_BEST,
        .network = c->network,
        .figures = (enum sandbox_figures)c->figures,
        .preload = c->preload,
        .programs = p->languages.programs,
        .n_programs = p->languages.n,
        .fonts_name = p->fonts.name,
        .fonts_fd = p->fonts.fd,
        .packages = p->env.site,
        .image = batch_image_parse(c->template_image, &image) ? &image : NULL,
    };
    p->run.sandbox = sandbox_start(&spec, e);
    free(files);
    return p->run.sandbox ? 0 : -1;
}

int program_sandbox_ready(struct program *p, struct err *e)
{
    struct sandbox_info info;
    cJSON *ev = cJSON_CreateObject();

    sandbox_get_info(p->run.sandbox, &info);
    json_add_str(ev, "python", str_of(info.python_path));
    json_add_str(ev, "python_version", str_of(info.python_version));
    json_add_str(ev, "limits", str_of(info.limits_backend));
    json_add_str(ev, "backend", str_of(info.backend));
    json_add_str(ev, "weaker", str_of(info.weaker));
    json_add_str(ev, "network", str_of(p->conf.network ? p->conf.network : "none"));
    if (p->env.name) {
        json_add_str(ev, "env", str_of(p->env.name));
        json_add_str(ev, "env_lock_sha256", str_of(p->env.lock_sha256));
    }
    json_add_str(ev, "devices", str_of(p->conf.devices ? p->conf.devices : "none"));
    record_event(p->run.record, "sandbox.start", ev);
    bool lone = strcmp(info.backend, "landlock") == 0;
    if (lone)
        ui_warn(
            p->run.ui,
            "the sandbox is weaker here (sandbox = best), since this place forbids namespaces:");
    struct str rest = str_of(info.weaker), line;
    while (rest.n) {
        str_cut(&rest, '\n', &line);
        if (lone)
            ui_warn(p->run.ui, "%.*s", (int)line.n, line.p);
        else
            ui_detail(p->run.ui, "sandbox: %.*s", (int)line.n, line.p);
    }
    return env_check(&p->env, &info, e);
}

void program_show_artifacts(struct program *p)
{
    struct artifacts *a = p->run.artifacts;

    for (size_t i = p->shown_artifacts; a && i < artifacts_count(a); i++) {
        cleanup_free char *path = artifacts_path(a, i);
        ui_artifact(p->run.ui, path, artifacts_get(a, i)->size);
    }
    p->shown_artifacts = a ? artifacts_count(a) : 0;
}

void program_done(struct program *p)
{
    artifacts_free(p->run.artifacts);
    sandbox_free(p->run.sandbox);
    fonts_done(&p->fonts);
    languages_done(&p->languages);
    asking_free(p->run.asking);
    env_done(&p->env);
    free(p->run.libraries);
    record_free(p->run.record);
    resume_free(p->resume);
    rerun_free(p->rerun);
    events_free(p->run.events);
    grounding_done(&p->run);
    reporting_done(&p->run);
    schema_free(p->run.schema);
    consent_free(p->run.consent);
    convo_free(&p->run.convo);
    attach_list_done(&p->files);
    free(p->question);
    free(p->stdin_text);
    ui_free(p->run.ui);
    conf_done(&p->conf);
    if (p->stop.cancel_fd >= 0)
        close(p->stop.cancel_fd);
}
