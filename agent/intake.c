#include "agent/intake.h"
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/columns.h"
#include "agent/record.h"
#include "agent/base/banned.h"

#define CONTEXT "intake"
#define SHOWN_COLUMNS 60
#define SHOWN_BYTES (12 * KIB) /* of one file in the first message */
#define LEAST_BYTES (1 * KIB)
#define WHOLE_COLUMNS 5000
#define WHOLE_BYTES (1 * MIB)
#define RECORDED_COLUMNS 20000  /* of all files */
#define SMALL_BYTES (8ll * MIB) /* of all files: pandas' import takes longer than the reading */

static char *spec_text(const struct intake *in, const struct attach_list *files,
                       const struct sandbox_info *info)
{
    cleanup_json cJSON *o = cJSON_CreateObject();
    size_t bytes = SHOWN_BYTES * 2 / files->n;

    bytes = bytes > SHOWN_BYTES ? SHOWN_BYTES : bytes < LEAST_BYTES ? LEAST_BYTES : bytes;
    cJSON *list = cJSON_AddArrayToObject(o, "files");
    for (size_t i = 0; i < files->n; i++) {
        cJSON *f = cJSON_CreateObject();
        cleanup_free char *path = xasprintf("%s/%s", info->data_dir, files->v[i].name);
        json_add_str(f, "name", str_of(files->v[i].name));
        json_add_str(f, "path", str_of(path));
        json_add_int(f, "bytes", files->v[i].size);
        cJSON_AddItemToArray(list, f);
    }
    cJSON_AddStringToObject(o, "mode", in->schema ? "schema" : "full");
    json_add_int(o, "seconds", INTAKE_SECONDS);
    json_add_int(o, "columns", in->whole ? WHOLE_COLUMNS : SHOWN_COLUMNS);
    json_add_int(o, "bytes", in->whole ? WHOLE_BYTES : (int64_t)bytes);
    cJSON_AddBoolToObject(o, "json", in->whole);
    return json_text(o);
}

/* A large file is begun at once; for small ones it is quicker to wait until the interpreter has
 * imported pandas, which then is there already. */
static void put_code(struct buf *code, const char *spec, bool small)
{
    if (small)
        buf_puts(code, "try:\n    import pandas\nexcept BaseException:\n    pass\n");
    buf_putstr(code, sandbox_profiler());
    buf_puts(code, "\nprofile(json.loads(");
    json_quote(code, str_of(spec));
    buf_puts(code, "))\n");
}

static int soft(struct intake *in, struct err *e)
{
    if (e->code != ERR_SANDBOX)
        return -1;
    in->failed = xstrdup(e->msg);
    *e = (struct err)ERR_INIT;
    return 0;
}

int intake_begin(struct intake *in, struct sandbox *s, const struct conf *c,
                 const struct attach_list *files, bool whole, const struct stop *stop,
                 struct err *e)
{
    cleanup_buf struct buf code = BUF_MAX(2 * MIB);
    struct sandbox_info info;
    int64_t all = 0;

    in->schema = c->intake == INTAKE_SCHEMA;
    in->whole = whole;
    if (c->intake == INTAKE_OFF || files->n == 0)
        return 0;
    in->n = files->n;
    in->v = xcalloc(in->n, sizeof *in->v);
    for (size_t i = 0; i < files->n; i++)
        all += files->v[i].size;
    sandbox_get_info(s, &info);
    cleanup_free char *spec = spec_text(in, files, &info);
    put_code(&code, spec, all <= SMALL_BYTES);
    struct sandbox_cell cell = {
        .context = CONTEXT, .number = 0, .code = buf_str(&code), .timeout_ms = INTAKE_MS
    };
    return sandbox_run_begin(s, &cell, stop, &in->running, e) < 0 ? soft(in, e) : 0;
}

/* Clean lines, none of which ends a fence. */
static char *clean_text(struct str text, size_t max)
{
    cleanup_buf struct buf clean = BUF_MAX(8 * WHOLE_BYTES), out = BUF_MAX(8 * WHOLE_BYTES);

    utf8_clean(&clean, utf8_head(text, max));
    struct str rest = buf_str(&clean);
    for (size_t i = 0; i < rest.n; i++)
        if (rest.p[i] == '`' && str_starts(str_from(rest, i), "```")) {
            buf_puts(&out, "'''");
            i += 2;
        } else {
            buf_putc(&out, rest.p[i]);
        }
    return buf_steal(&out);
}

static void take_file(struct intake *in, size_t i, cJSON *o, size_t *columns_left)
{
    struct intake_file *f = &in->v[i];
    const char *text = json_str(o, "text"), *failed = json_str(o, "failed");

    if (f->told)
        return;
    f->told = true;
    if (text && *text)
        f->text = clean_text(str_of(text), in->whole ? WHOLE_BYTES * 2 : SHOWN_BYTES * 2);
    if (failed && *failed) {
        cleanup_buf struct buf b = BUF_MAX(4 * KIB);
        utf8_clean_line(&b, utf8_head(str_of(failed), 400));
        f->failed = buf_steal(&b);
    }
    f->tables = columns_take(json_arr(o, "tables"), columns_left);
    if (in->whole)
        f->data = cJSON_DetachItemFromObject(o, "data");
}

static void take_joins(struct intake *in, const cJSON *list)
{
    cleanup_buf struct buf b = BUF_MAX(SHOWN_BYTES);
    const cJSON *item;

    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsString(item) || b.n > 4 * KIB)
            continue;
        utf8_clean_line(&b, utf8_head(str_of(item->valuestring), 600));
        buf_putc(&b, '\n');
    }
    if (b.n && in->joins == NULL)
        in->joins = clean_text(buf_str(&b), SHOWN_BYTES);
}

/* What came to standard output: a line of JSON a file, in their order, and one on all. */
static void take_output(struct intake *in, const struct attach_list *files, struct str out)
{
    size_t columns_left = RECORDED_COLUMNS;
    struct str line;

    while (out.n) {
        struct err ignored = ERR_INIT;
        str_cut(&out, '\n', &line);
        cleanup_json cJSON *o = json_parse(line, &ignored);
        const char *name = json_str(o, "name");
        for (size_t i = 0; name && i < files->n; i++)
            if (strcmp(files->v[i].name, name) == 0)
                take_file(in, i, o, &columns_left);
        if (o && name == NULL)
            take_joins(in, json_arr(o, "joins"));
    }
}

static const char *why_ended(const struct sandbox_result *r)
{
    switch (r->status) {
    case SANDBOX_OK:
        return NULL;
    case SANDBOX_TIMEOUT:
    case SANDBOX_KILLED_TIME:
        return "it took too long";
    case SANDBOX_MEMORY:
        return "it took more memory than the sandbox has";
    case SANDBOX_ERROR:
        return r->error_name;
    default:
        return "its process died";
    }
}

int intake_end(struct intake *in, struct sandbox *s, const struct attach_list *files,
               const struct stop *stop, struct err *e)
{
    __attribute__((cleanup(sandbox_result_done))) struct sandbox_result r = { 0 };
    cleanup_buf struct buf out = BUF_MAX(MAX_STREAM_BYTES);

    if (in->running == NULL)
        return 0;
    if (sandbox_run_end(s, steal_ptr(&in->running), stop, NULL, &r, e) < 0)
        return soft(in, e);
    for (size_t i = 0; i < r.n_items; i++)
        if (r.items[i].kind == ITEM_STDOUT)
            buf_put(&out, r.items[i].text, r.items[i].n);
    take_output(in, files, buf_str(&out));
    const char *why = why_ended(&r);
    if (why) {
        cleanup_buf struct buf b = BUF_MAX(4 * KIB);
        utf8_clean_line(&b, utf8_head(str_of(why), 200));
        in->failed = buf_steal(&b);
    }
    for (size_t i = 0; why == NULL && i < in->n; i++)
        if (!in->v[i].told)
            in->v[i].failed = xstrdup("what was found in it could not be read");
    struct err ignored = ERR_INIT;
    (void)sandbox_context_delete(s, NULL, CONTEXT, &ignored);
    return 0;
}

void intake_done(struct intake *in, struct sandbox *s)
{
    sandbox_run_drop(s, in->running);
    for (size_t i = 0; i < in->n; i++) {
        free(in->v[i].text);
        free(in->v[i].failed);
        cJSON_Delete(in->v[i].tables);
        cJSON_Delete(in->v[i].data);
    }
    free(in->v);
    free(in->joins);
    free(in->failed);
    *in = (struct intake){ 0 };
}

void intake_say(const struct intake *in, const struct attach_list *files, struct ui *ui)
{
    const char *instead = in->schema ? "nothing of it" : "its first lines";

    for (size_t i = 0; i < in->n; i++) {
        const char *why = in->v[i].failed ? in->v[i].failed : in->v[i].text ? NULL : in->failed;
        if (why)
            ui_note(ui, "%s could not be profiled (%s); the model is told %s", files->v[i].name,
                    why, in->v[i].text ? "that" : instead);
    }
}

void intake_record(const struct intake *in, const struct attach_list *files, struct record *r)
{
    cJSON *ev, *list;

    if (files->n == 0)
        return;
    ev = cJSON_CreateObject();
    cJSON_AddStringToObject(ev, "intake", in->n == 0 ? "off" : in->schema ? "schema" : "full");
    list = cJSON_AddArrayToObject(ev, "files");
    for (size_t i = 0; i < in->n; i++) {
        const struct intake_file *f = &in->v[i];
        const char *failed = f->failed ? f->failed : f->tables ? NULL : in->failed;
        cJSON *one = cJSON_CreateObject();
        json_add_str(one, "name", str_of(files->v[i].name));
        if (f->tables)
            cJSON_AddItemToObject(one, "tables", cJSON_Duplicate(f->tables, true));
        if (failed)
            json_add_str(one, "failed", str_of(failed));
        cJSON_AddItemToArray(list, one);
    }
    record_event(r, "profile", ev);
}
