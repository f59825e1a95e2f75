#include "agent/grounding.h"
#include <cjson/cJSON.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/schema.h"
#include "agent/base/banned.h"

static struct ground *evidence(struct run *run)
{
    if (run->evidence == NULL)
        run->evidence = ground_new();
    return run->evidence;
}

void grounding_said(struct run *run, const char *text)
{
    ground_said(evidence(run), str_of(text));
}

static bool is_text(const char *mime)
{
    return strncmp(mime, "text/", 5) == 0 || strstr(mime, "json") != NULL;
}

void grounding_cell(struct run *run, struct str code, const struct sandbox_result *r)
{
    struct ground *g = evidence(run);

    if (r->status == SANDBOX_OK)
        ground_code(g, code);
    for (size_t i = 0; i < r->n_items; i++) {
        const struct sandbox_item *it = &r->items[i];
        if (it->kind != ITEM_RESULT) {
            ground_printed(g, (struct str){ it->text, it->n });
            continue;
        }
        for (size_t k = 0; k < it->n_reprs; k++)
            if (is_text(it->reprs[k].mime))
                ground_printed(g, (struct str){ it->reprs[k].data, it->reprs[k].n });
    }
}

/* What a result of the record showed: its texts, and its values as JSON. */
static void read_result(struct ground *g, const cJSON *result)
{
    static const char *const binary[] = { "png", "jpeg", "pdf", "formats", "stored" };
    const cJSON *m;

    cJSON_ArrayForEach(m, result)
    {
        bool skip = false;
        for (size_t i = 0; i < ARRAY_LEN(binary); i++)
            skip = skip || strcmp(m->string, binary[i]) == 0;
        if (skip)
            continue;
        if (cJSON_IsString(m)) {
            ground_printed(g, str_of(m->valuestring));
        } else if (cJSON_IsObject(m) || cJSON_IsArray(m)) {
            cleanup_free char *text = json_text(m);
            ground_printed(g, str_of(text));
        }
    }
}

void grounding_saved(struct run *run, const struct saved *s)
{
    struct ground *g = evidence(run);

    for (size_t i = 0; i < s->n_cells; i++) {
        const struct saved_cell *c = &s->cells[i];
        const cJSON *result;
        if (c->status && strcmp(c->status, "ok") == 0) {
            ground_code(g, str_of(c->code));
            run->rests_on_cells = true;
        }
        ground_printed(g, buf_str(&c->out));
        ground_printed(g, buf_str(&c->err));
        cJSON_ArrayForEach(result, json_arr(c->end, "results")) read_result(g, result);
        struct str lines = str_of(json_str(c->end, "files")), line;
        while (lines.n) { /* "NAME (new, 12 bytes)" */
            (void)str_cut(&lines, '\n', &line);
            cleanup_free char *name = str_dup(line);
            char *end = strstr(name, " (");
            if (end)
                *end = '\0';
            ground_file(g, name);
        }
    }
}

bool grounding_applies(const struct run *run)
{
    return run->conf->grounding && (run->cells_ok > 0 || run->rests_on_cells || run->conf->strict);
}

/* Tables and texts that the cells wrote count as what they printed. */
static void read_artifacts(struct run *run)
{
    int last = run->evidence_cell;

    for (size_t i = 0; i < artifacts_count(run->artifacts); i++) {
        const struct artifact *a = artifacts_get(run->artifacts, i);
        cleanup_buf struct buf b = BUF_MAX(MAX_GROUND_FILE);
        struct err e = ERR_INIT;
        if (a->cell <= run->evidence_cell)
            continue;
        last = a->cell > last ? a->cell : last;
        ground_file(run->evidence, a->name);
        ground_file(run->evidence, a->file);
        if (!is_text(a->mime) || a->size > MAX_GROUND_FILE)
            continue;
        cleanup_fd int fd = artifacts_open(run->artifacts, i);
        if (fd >= 0 && io_read_fd(fd, &b, &e) == 0)
            ground_printed(run->evidence, buf_str(&b));
    }
    run->evidence_cell = last;
}

size_t grounding_check(struct run *run, const char *answer)
{
    struct ground *g = evidence(run);

    read_artifacts(run);
    for (size_t i = 0; run->files && i < run->files->n; i++) {
        ground_file(g, run->files->v[i].name);
        ground_file(g, run->files->v[i].path);
    }
    ground_result_done(&run->grounding);
    if (run->schema) {
        cleanup_buf struct buf said = BUF_MAX(MAX_ANSWER_BYTES);
        schema_words(str_of(answer), &said);
        ground_check(g, buf_str(&said), &run->grounding);
    } else {
        ground_check(g, str_of(answer), &run->grounding);
    }
    run->grounded = true;
    return run->grounding.n_unmatched;
}

void grounding_lines(const struct run *run, size_t max, struct buf *out)
{
    const struct ground_result *r = &run->grounding;

    for (size_t i = 0; i < r->n_unmatched && i < max; i++)
        buf_putf(out, "- %s   (in: %s)\n", r->unmatched[i].text, r->unmatched[i].around);
    if (r->n_unmatched > max)
        buf_putf(out, "- and %zu more\n", r->n_unmatched - max);
}

struct cJSON *grounding_json(const struct run *run)
{
    if (!run->grounded)
        return NULL;
    cJSON *o = cJSON_CreateObject(), *list = cJSON_CreateArray();
    json_add_int(o, "checked", (int64_t)run->grounding.checked);
    for (size_t i = 0; i < run->grounding.n_unmatched; i++) {
        const struct ground_miss *m = &run->grounding.unmatched[i];
        cJSON *u = cJSON_CreateObject();
        cJSON_AddStringToObject(u, "kind", m->kind == GROUND_FILE ? "file" : "number");
        json_add_str(u, "text", str_of(m->text));
        json_add_str(u, "around", str_of(m->around));
        cJSON_AddItemToArray(list, u);
    }
    cJSON_AddItemToObject(o, "unmatched", list);
    return o;
}

void grounding_done(struct run *run)
{
    ground_result_done(&run->grounding);
    ground_free(run->evidence);
    run->evidence = NULL;
}
