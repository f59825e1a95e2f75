#include "providers/structured.h"
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/mem.h"
#include "agent/base/banned.h"

bool structured_sent(const struct chat_request *rq, bool beside_tools)
{
    if (rq->schema == NULL || (rq->quirks & CHAT_NO_SCHEMA))
        return false;
    return rq->n_tools == 0 || rq->tools_off || (beside_tools && !(rq->quirks & CHAT_SCHEMA_ALONE));
}

static bool among(const char *word, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(words[i], word) == 0)
            return true;
    return false;
}

/* Keywords whose value is a schema, a list of them, or an object of them. */
enum holds { NOTHING, SCHEMA, LIST, MAP };
static enum holds holds(const char *word)
{
    static const char *const one[] = { "items", "additionalProperties", "not", "contains" };
    static const char *const list[] = { "anyOf", "allOf", "oneOf", "prefixItems" };
    static const char *const map[] = { "properties", "$defs", "definitions", "patternProperties" };

    return among(word, one, ARRAY_LEN(one))     ? SCHEMA
           : among(word, list, ARRAY_LEN(list)) ? LIST
           : among(word, map, ARRAY_LEN(map))   ? MAP
                                                : NOTHING;
}

static bool is_object_schema(const cJSON *s)
{
    const cJSON *type = json_get(s, "type"), *one;

    if (json_get(s, "properties"))
        return true;
    if (cJSON_IsString(type))
        return strcmp(type->valuestring, "object") == 0;
    cJSON_ArrayForEach(one, type) if (cJSON_IsString(one) &&
                                      !strcmp(one->valuestring, "object")) return true;
    return false;
}

/* Looks at, or changes, one schema and those within it; false ends it. */
typedef bool visit_fn(cJSON *s);
static bool visit(cJSON *s, visit_fn *fn)
{
    cJSON *k, *one;

    if (cJSON_IsBool(s))
        return true;
    if (!cJSON_IsObject(s) || !fn(s))
        return false;
    cJSON_ArrayForEach(k, s)
    {
        enum holds what = holds(k->string);
        if (what == SCHEMA && !visit(k, fn))
            return false;
        if (what == LIST || what == MAP)
            cJSON_ArrayForEach(one, k) if (!visit(one, fn)) return false;
    }
    return true;
}

static size_t required_and_known(const cJSON *s)
{
    const cJSON *name;
    size_t n = 0;

    cJSON_ArrayForEach(name, json_arr(s, "required")) n +=
        cJSON_IsString(name) && json_get(json_obj(s, "properties"), name->valuestring);
    return n;
}

/* OpenAI's strict mode. */
static bool fits_strict(cJSON *s)
{
    static const char *const known[] = { "$schema",
                                         "$defs",
                                         "definitions",
                                         "$ref",
                                         "type",
                                         "enum",
                                         "const",
                                         "properties",
                                         "required",
                                         "items",
                                         "anyOf",
                                         "additionalProperties",
                                         "title",
                                         "description",
                                         "minimum",
                                         "maximum",
                                         "exclusiveMinimum",
                                         "pattern",
                                         "format",
                                         "exclusiveMaximum",
                                         "multipleOf",
                                         "minItems",
                                         "maxItems" };
    const cJSON *k;

    cJSON_ArrayForEach(k, s) if (!among(k->string, known, ARRAY_LEN(known))) return false;
    return !is_object_schema(s) ||
           (cJSON_IsFalse(json_get(s, "additionalProperties")) &&
            required_and_known(s) == (size_t)cJSON_GetArraySize(json_obj(s, "properties")));
}

static bool top_is_object(const cJSON *s)
{
    const char *type = json_str(s, "type");

    return type && strcmp(type, "object") == 0;
}

bool structured_openai(struct buf *out, const char *schema)
{
    struct err ignored = ERR_INIT;
    cleanup_json cJSON *s = json_parse(str_of(schema), &ignored);

    if (s == NULL || !top_is_object(s))
        return false;
    buf_putf(out, ",\"name\":\"answer\",\"strict\":%s,\"schema\":",
             visit(s, fits_strict) ? "true" : "false");
    buf_puts(out, schema);
    return true;
}

/* Takes away what is refused, and closes objects that say nothing of further members. */
static bool make_plain(cJSON *s)
{
    static const char *const refused[] = {
        "$schema",   "$id",           "$comment",         "examples",         "minimum",
        "maximum",   "multipleOf",    "exclusiveMinimum", "exclusiveMaximum", "minLength",
        "maxLength", "maxItems",      "uniqueItems",      "minContains",      "maxContains",
        "pattern",   "minProperties", "maxProperties",    "minItems",         "propertyNames",
        "readOnly",  "writeOnly",     "deprecated"
    };
    static const char *const impossible[] = { "not",         "if",
                                              "then",        "else",
                                              "contains",    "patternProperties",
                                              "prefixItems", "dependentRequired",
                                              "oneOf",       "dependentSchemas" };
    const cJSON *more = json_get(s, "additionalProperties"), *k;

    cJSON_ArrayForEach(k, s) if (among(k->string, impossible, ARRAY_LEN(impossible))) return false;
    for (size_t i = 0; i < ARRAY_LEN(refused); i++)
        cJSON_DeleteItemFromObjectCaseSensitive(s, refused[i]);
    if (!is_object_schema(s))
        return true;
    if (json_obj(s, "properties") == NULL || cJSON_IsObject(more) ||
        required_and_known(s) != (size_t)cJSON_GetArraySize(json_arr(s, "required")))
        return false;
    cJSON_DeleteItemFromObjectCaseSensitive(s, "additionalProperties");
    cJSON_AddFalseToObject(s, "additionalProperties");
    return true;
}

bool structured_anthropic(struct buf *out, const char *schema)
{
    struct err ignored = ERR_INIT;
    cleanup_json cJSON *s = json_parse(str_of(schema), &ignored);

    if (s == NULL || !top_is_object(s) || !visit(s, make_plain))
        return false;
    cleanup_free char *text = json_text(s);
    buf_puts(out, text);
    return true;
}
