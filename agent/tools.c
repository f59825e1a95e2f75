#include "agent/tools.h"
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/languages.h"
#include "prompts/prompts.h"
#include "agent/base/banned.h"

#define TOOL_PREFIX "execute_"

/* Python, and what was found of further languages: number i of 0..n-1, NULL past the end. */
static const struct sandbox_language *language_at(const struct run *run, size_t i)
{
    if (i == 0)
        return sandbox_language(NULL);
    return run->languages && i <= run->languages->n ? run->languages->v[i - 1].language : NULL;
}

/* A file of prompts/ with {{version}} and {{code}} filled in. */
static char *text_of(const struct run *run, size_t i, const char *file, struct err *e)
{
    const struct sandbox_language *l = language_at(run, i);
    cleanup_free char *form = prompt_text(run->conf->prompts_dir, file, e);
    cleanup_free char *code =
        xasprintf("%s source of one %s.", l->title,
                  l->start == START_FORK ? "whole program" : "cell. State persists between cells");
    const char *const pairs[] = { "version", i ? run->languages->v[i - 1].version : "", "code",
                                  code, NULL };

    return form ? prompt_fill(form, pairs, e) : NULL;
}

/* The schema with the optional argument `context`, where the setting offers it. */
static char *with_context(char *schema, struct err *e)
{
    cleanup_free char *old = schema;
    cleanup_json cJSON *o = old ? json_parse(str_of(old), e) : NULL;
    cJSON *properties = cJSON_GetObjectItemCaseSensitive(o, "properties");

    if (properties == NULL) {
        err_set(e, ERR_CONFIG, 0,
                "the schema of a tool in prompts_dir is no JSON object with "
                "properties, so that `contexts' cannot be offered");
        return NULL;
    }
    cJSON *context = cJSON_AddObjectToObject(properties, "context");
    cJSON_AddStringToObject(context, "type", "string");
    cJSON_AddStringToObject(
        context, "description",
        "Name of the interpreter that runs the cell; leave it out for the usual "
        "one. A new name is a new interpreter without variables; all share the "
        "files.");
    return json_text(o);
}

struct chat_tool *tools_declare(const struct run *run, size_t *ret_n, struct err *e)
{
    size_t n = 1 + (run->languages ? run->languages->n : 0);
    struct chat_tool *t = xcalloc(n, sizeof *t);

    for (size_t i = 0; i < n; i++) {
        const struct sandbox_language *l = language_at(run, i);
        cleanup_free char *description = xasprintf("tool_%s.md", l->name);
        t[i].name = languages_tool(l);
        t[i].description = text_of(run, i, description, e);
        t[i].schema = text_of(run, i, i ? "tool_code.json" : "tool_python.json", e);
        if (run->conf->contexts && t[i].schema)
            t[i].schema = with_context((char *)(uintptr_t)t[i].schema, e);
        if (t[i].description == NULL || t[i].schema == NULL) {
            tools_free(t, i + 1);
            return NULL;
        }
    }
    *ret_n = n;
    return t;
}

void tools_free(struct chat_tool *t, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free((char *)(uintptr_t)t[i].name);
        free((char *)(uintptr_t)t[i].description);
        free((char *)(uintptr_t)t[i].schema);
    }
    free(t);
}

void tool_outcome_done(struct tool_outcome *o)
{
    buf_free(&o->text);
    chat_images_free(o->images, o->n_images);
    o->images = NULL;
    o->n_images = 0;
}

int tools_call(struct run *run, const struct chat_call *call, bool cut, struct tool_outcome *ret,
               struct err *e)
{
    const struct sandbox_language *l;
    struct str name = str_of(call->name);

    for (size_t i = 0; (l = language_at(run, i)) != NULL; i++)
        if (str_starts(name, TOOL_PREFIX) && str_is(str_from(name, strlen(TOOL_PREFIX)), l->name))
            return tool_code_call(run, l, call, cut, ret, e);
    ret->is_error = true;
    buf_puts(&ret->text, "Tool error: there is no tool named \"");
    utf8_clean_line(&ret->text, utf8_head(name, 80));
    buf_puts(&ret->text, "\". Use:");
    for (size_t i = 0; (l = language_at(run, i)) != NULL; i++)
        buf_putf(&ret->text, " " TOOL_PREFIX "%s", l->name);
    buf_puts(&ret->text, ".");
    return 0;
}
