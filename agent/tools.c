#include "agent/tools.h"
#include <stdlib.h>
#include <string.h>
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "prompts/prompts.h"
#include "agent/base/banned.h"

static const struct tool {
    const char *name, *description_file, *schema_file;
    int (*call)(struct run *run, const struct chat_call *call, bool cut, struct tool_outcome *ret,
                struct err *e);
} tools[] = {
    { "execute_python", "tool_python.md", "tool_python.json", tool_python_call },
};

struct chat_tool *tools_declare(const char *prompts_dir, size_t *ret_n, struct err *e)
{
    struct chat_tool *t = xcalloc(ARRAY_LEN(tools), sizeof *t);

    for (size_t i = 0; i < ARRAY_LEN(tools); i++) {
        t[i].name = tools[i].name;
        t[i].description = prompt_text(prompts_dir, tools[i].description_file, e);
        t[i].schema = prompt_text(prompts_dir, tools[i].schema_file, e);
        if (t[i].description == NULL || t[i].schema == NULL) {
            tools_free(t, i + 1);
            return NULL;
        }
    }
    *ret_n = ARRAY_LEN(tools);
    return t;
}

void tools_free(struct chat_tool *t, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free((char *)(uintptr_t)t[i].description);
        free((char *)(uintptr_t)t[i].schema);
    }
    free(t);
}

int tools_call(struct run *run, const struct chat_call *call, bool cut, struct tool_outcome *ret,
               struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(tools); i++)
        if (strcmp(tools[i].name, call->name) == 0)
            return tools[i].call(run, call, cut, ret, e);
    ret->is_error = true;
    buf_puts(&ret->text, "Tool error: there is no tool named \"");
    utf8_clean_line(&ret->text, utf8_head(str_of(call->name), 80));
    buf_puts(&ret->text, "\". Use:");
    for (size_t i = 0; i < ARRAY_LEN(tools); i++)
        buf_putf(&ret->text, " %s", tools[i].name);
    buf_puts(&ret->text, ".");
    return 0;
}
