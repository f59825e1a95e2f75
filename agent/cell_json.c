#include "agent/cell_json.h"
#include <cjson/cJSON.h>
#include <stdint.h>
#include <string.h>
#include "agent/base/base64.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/base/banned.h"

enum value_kind { V_TEXT, V_JSON, V_BINARY };

/* The one place where MIME types and field names meet. What is not here goes into `extra`. */
static const struct {
    const char *mime, *field;
    enum value_kind kind;
    const char *ext; /* V_BINARY: how a file of it is called */
} types[] = {
    { "text/plain", "text", V_TEXT, NULL },
    { "text/html", "html", V_TEXT, NULL },
    { "text/markdown", "markdown", V_TEXT, NULL },
    { "image/svg+xml", "svg", V_TEXT, NULL },
    { "image/png", "png", V_BINARY, "png" },
    { "image/jpeg", "jpeg", V_BINARY, "jpg" },
    { "application/pdf", "pdf", V_BINARY, "pdf" },
    { "text/latex", "latex", V_TEXT, NULL },
    { "application/json", "json", V_JSON, NULL },
    { "application/javascript", "javascript", V_TEXT, NULL },
    { "application/vnd.agent.data+json", "data", V_JSON, NULL },
    { "application/vnd.agent.chart+json", "chart", V_JSON, NULL },
    { "image/gif", NULL, V_BINARY, "gif" },
    { "image/webp", NULL, V_BINARY, "webp" },
};

#define NO_TYPE ARRAY_LEN(types)

static size_t find_type(const char *mime)
{
    size_t i = 0;

    while (i < NO_TYPE && strcmp(types[i].mime, mime) != 0)
        i++;
    return i;
}

const char *cell_json_field(const char *mime)
{
    size_t i = find_type(mime);

    return i < NO_TYPE ? types[i].field : NULL;
}

/* A JSON value stays one, its numbers digit for digit; what claims to be JSON and is none is
 * text (NULL). */
static cJSON *json_value(struct str s)
{
    cleanup_buf struct buf b = BUF_MAX(SIZE_MAX / 4);

    return json_compact(s, &b) ? cJSON_CreateRaw(buf_cstr(&b)) : NULL;
}

static cJSON *binary_value(struct str bytes)
{
    cleanup_buf struct buf b = BUF_MAX(SIZE_MAX / 4);

    base64_put(&b, bytes);
    return cJSON_CreateString(buf_cstr(&b));
}

static bool add_stored(cJSON *o, const char *name, const char *ext, struct str bytes, int number,
                       const struct cell_json_opts *opts)
{
    cleanup_buf struct buf file = BUF_MAX(4 * KIB);

    if (opts->store == NULL || !opts->store(opts->arg, number, name, ext, bytes, &file))
        return false;
    cJSON *stored = cJSON_GetObjectItemCaseSensitive(o, "stored");
    if (stored == NULL)
        stored = cJSON_AddObjectToObject(o, "stored");
    json_add_str(stored, name, buf_str(&file));
    return true;
}

static void add_repr(cJSON *o, const struct sandbox_repr *r, const char *name, int number,
                     const struct cell_json_opts *opts)
{
    size_t t = find_type(r->mime);
    struct str bytes = { r->data, r->n };
    enum value_kind kind = t < NO_TYPE                                         ? types[t].kind
                           : str_ends(str_of(r->mime), "+json")                ? V_JSON
                           : utf8_valid(bytes) && !memchr(r->data, '\0', r->n) ? V_TEXT
                                                                               : V_BINARY;
    cJSON *value = NULL;

    if (kind == V_BINARY &&
        add_stored(o, name, t < NO_TYPE ? types[t].ext : "bin", bytes, number, opts))
        return;
    cJSON *to = o;
    if (cell_json_field(r->mime) == NULL) {
        to = cJSON_GetObjectItemCaseSensitive(o, "extra");
        if (to == NULL)
            to = cJSON_AddObjectToObject(o, "extra");
    }
    if (kind == V_JSON)
        value = json_value(bytes);
    else if (kind == V_BINARY)
        value = binary_value(bytes);
    if (value)
        cJSON_AddItemToObject(to, name, value);
    else
        json_add_str(to, name, bytes);
}

/* A representation that was sent twice counts once: the first. */
static bool is_repeat(const struct sandbox_item *it, size_t k)
{
    for (size_t i = 0; i < k; i++)
        if (strcmp(it->reprs[i].mime, it->reprs[k].mime) == 0)
            return true;
    return false;
}

cJSON *cell_json_result(const struct sandbox_item *it, int number,
                        const struct cell_json_opts *opts)
{
    cJSON *o = cJSON_CreateObject(), *formats = cJSON_CreateArray();

    for (size_t k = 0; k < it->n_reprs; k++) {
        const char *mime = it->reprs[k].mime, *field = cell_json_field(mime);
        if (is_repeat(it, k))
            continue;
        cleanup_buf struct buf clean = BUF_MAX(4 * KIB);
        utf8_clean_line(&clean, str_of(field ? field : mime));
        add_repr(o, &it->reprs[k], buf_cstr(&clean), number, opts);
        cJSON_AddItemToArray(formats, cJSON_CreateString(buf_cstr(&clean)));
    }
    if (it->file)
        json_add_str(o, "file", str_of(it->file));
    cJSON_AddItemToObject(o, "formats", formats);
    cJSON_AddBoolToObject(o, "is_main_result", it->is_main);
    return o;
}

cJSON *cell_json_error(const struct sandbox_result *r)
{
    cJSON *o = cJSON_CreateObject();

    json_add_str(o, "name", str_of(r->error_name));
    json_add_str(o, "value", str_of(r->error_value));
    json_add_str(o, "traceback", str_of(r->traceback));
    json_add_int(o, "line", r->error_line);
    return o;
}

static void add_order(cJSON *order, const char *kind, int64_t n)
{
    cJSON *pair = cJSON_CreateArray();

    cJSON_AddItemToArray(pair, cJSON_CreateString(kind));
    cJSON_AddItemToArray(pair, cJSON_CreateNumber((double)n));
    cJSON_AddItemToArray(order, pair);
}

/* Text that follows text of its own kind is one piece: where it was cut is chance. */
static size_t put_stream(cJSON *list, cJSON *order, const struct sandbox_result *r, size_t i)
{
    enum sandbox_item_kind kind = r->items[i].kind;
    cleanup_buf struct buf all = BUF_MAX(SIZE_MAX / 4);

    for (; i < r->n_items && r->items[i].kind == kind; i++)
        buf_put(&all, r->items[i].text, r->items[i].n);
    if (list) {
        cleanup_json cJSON *o = cJSON_CreateObject();
        json_add_str(o, "s", buf_str(&all));
        cJSON_AddItemToArray(list, cJSON_DetachItemFromObject(o, "s"));
    }
    add_order(order, kind == ITEM_STDERR ? "stderr" : "stdout", (int64_t)all.n);
    return i - 1;
}

static void put_items(cJSON *o, const struct sandbox_result *r, const struct cell_json_opts *opts)
{
    cJSON *results = cJSON_AddArrayToObject(o, "results"), *out = NULL, *err = NULL;
    int number = 0;

    if (opts->logs) {
        cJSON *logs = cJSON_AddObjectToObject(o, "logs");
        out = cJSON_AddArrayToObject(logs, "stdout");
        err = cJSON_AddArrayToObject(logs, "stderr");
    }
    cJSON *order = cJSON_AddArrayToObject(o, "order");
    for (size_t i = 0; i < r->n_items; i++) {
        const struct sandbox_item *it = &r->items[i];
        if (it->kind != ITEM_RESULT) {
            i = put_stream(it->kind == ITEM_STDERR ? err : out, order, r, i);
            continue;
        }
        cJSON_AddItemToArray(results, cell_json_result(it, ++number, opts));
        add_order(order, "result", number);
    }
}

static void put_names(cJSON *o, const char *names)
{
    cJSON *list = cJSON_AddArrayToObject(o, "lost_names");
    struct str rest = str_of(names), name;

    while (rest.n) {
        cleanup_buf struct buf b = BUF_MAX(64 * KIB);
        str_cut(&rest, ' ', &name);
        utf8_clean_line(&b, name);
        cJSON_AddItemToArray(list, cJSON_CreateString(buf_cstr(&b)));
    }
}

void cell_json_denied(cJSON *o, const struct sandbox_result *r)
{
    cJSON *list = r->denied_known ? cJSON_CreateArray() : cJSON_CreateNull();

    for (size_t i = 0; i < r->n_denied; i++) {
        cJSON *d = cJSON_CreateObject();
        cJSON_AddStringToObject(d, "what", r->denied[i].what);
        cJSON_AddStringToObject(d, "name", r->denied[i].name);
        json_add_int(d, "count", r->denied[i].count);
        cJSON_AddItemToArray(list, d);
    }
    cJSON_AddItemToObject(o, "denied", list);
}

void cell_json_put(cJSON *o, const struct sandbox_result *r, const struct cell_json_opts *opts)
{
    cJSON_AddStringToObject(o, "status", sandbox_status_word(r->status));
    put_items(o, r, opts);
    json_add_int(o, "stdout_bytes", r->stdout_bytes);
    json_add_int(o, "stderr_bytes", r->stderr_bytes);
    if (r->dropped_results)
        json_add_int(o, "dropped_results", r->dropped_results);
    if (r->cleared)
        json_add_int(o, "cleared", r->cleared);
    cJSON_AddItemToObject(o, "error", r->error_name ? cell_json_error(r) : cJSON_CreateNull());
    if (r->status == SANDBOX_DIED) {
        json_add_int(o, "exit_code", r->exit_code);
        json_add_int(o, "signal", r->signal);
    }
    if (r->lost_names)
        put_names(o, r->lost_names);
    cell_json_denied(o, r);
    if (r->forged)
        json_add_int(o, "forged", r->forged);
    json_add_int(o, "duration_us", r->duration_us);
    if (r->cpu_us)
        json_add_int(o, "cpu_us", r->cpu_us);
    if (r->peak_bytes)
        json_add_int(o, "peak_bytes", r->peak_bytes);
}
