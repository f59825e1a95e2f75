/* agent profile: what files are, without a model. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/intake.h"
#include "agent/program.h"
#include "agent/base/banned.h"

static int attach_args(struct program *p, struct err *e)
{
    cleanup_buf struct buf notices = BUF_MAX(MAX_CONF_BYTES);

    if (p->conf.n_args == 0)
        return err_set(e, ERR_USAGE, 0,
                       "no file: agent profile FILE...; agent profile --help shows more");
    if (p->conf.intake == INTAKE_OFF)
        return err_set(e, ERR_USAGE, 0,
                       "intake = off forbids the only thing agent profile does; "
                       "say --intake full or --intake schema");
    for (size_t i = 0; i < p->conf.n_args; i++)
        if (attach_add(&p->files, p->conf.args[i], &notices, e) < 0)
            return -1;
    program_warn_lines(p->run.ui, buf_str(&notices));
    return 0;
}

static void put_text(const struct intake *in, const struct attach_list *files, struct buf *out)
{
    for (size_t i = 0; i < files->n; i++) {
        const struct intake_file *f = &in->v[i];
        buf_putf(out, "%s%s (%lld bytes)\n", i ? "\n" : "", files->v[i].name,
                 (long long)files->v[i].size);
        if (f->text)
            buf_putf(out, "%s\n", f->text);
        else if (f->failed || in->failed)
            buf_putf(out, "No profile: %s.\n", f->failed ? f->failed : in->failed);
        else
            buf_puts(out, "No table, as far as can be told.\n");
    }
    if (in->joins)
        buf_putf(out, "\nLikely join keys\n%s", in->joins);
}

static void put_json(struct intake *in, const struct attach_list *files, struct buf *out)
{
    cleanup_json cJSON *o = cJSON_CreateObject();
    cJSON *list = cJSON_AddArrayToObject(o, "files"), *joins = cJSON_AddArrayToObject(o, "joins");
    struct str rest = str_of(in->joins), line;

    for (size_t i = 0; i < files->n; i++) {
        struct intake_file *f = &in->v[i];
        cJSON *one = cJSON_IsObject(f->data) ? f->data : cJSON_CreateObject();
        if (one == f->data)
            f->data = NULL; /* the list's now */
        cJSON_DeleteItemFromObject(one, "path");
        cJSON_AddStringToObject(one, "path", files->v[i].path);
        const char *failed = f->failed ? f->failed : f->text ? NULL : in->failed;
        if (failed)
            json_add_str(one, "failed", str_of(failed));
        cJSON_AddItemToArray(list, one);
    }
    while (rest.n) {
        str_cut(&rest, '\n', &line);
        cleanup_free char *text = str_dup(line);
        if (line.n)
            cJSON_AddItemToArray(joins, cJSON_CreateString(text));
    }
    if (in->failed)
        json_add_str(o, "failed", str_of(in->failed));
    cleanup_free char *text = json_text(o);
    buf_puts(out, text);
    buf_putc(out, '\n');
}

void profile_command(struct program *p, struct err *why)
{
    struct run *r = &p->run;
    struct intake in = { 0 };
    cleanup_buf struct buf out = BUF_MAX(SIZE_MAX / 4);

    if (attach_args(p, why) < 0)
        return;
    r->record = record_new(NULL, NULL, true, why);
    if (r->record == NULL || program_start_sandbox(p, why) < 0 ||
        sandbox_wait_ready(r->sandbox, &p->stop, why) < 0 || program_sandbox_ready(p, why) < 0)
        return;
    if (intake_begin(&in, r->sandbox, &p->conf, &p->files, true, &p->stop, why) == 0 &&
        intake_end(&in, r->sandbox, &p->files, &p->stop, why) == 0) {
        if (p->conf.json)
            put_json(&in, &p->files, &out);
        else
            put_text(&in, &p->files, &out);
        size_t failed = 0;
        for (size_t i = 0; i < in.n; i++)
            failed += in.v[i].failed || (in.failed && in.v[i].text == NULL);
        if (io_write_all(STDOUT_FILENO, out.p, out.n, why) < 0 && why->sys == EPIPE)
            *why = (struct err)ERR_INIT;
        else if (why->code == ERR_NONE && failed)
            err_set(why, ERR_USAGE, 0, "%zu of %zu files could not be profiled", failed, in.n);
    }
    intake_done(&in, r->sandbox);
}
