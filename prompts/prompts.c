#include "prompts/prompts.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/banned.h"

#define EMBEDDED(X)                                                                                \
    X(system_md, "system.md")                                                                      \
    X(tool_python_md, "tool_python.md")                                                            \
    X(tool_python_json, "tool_python.json")                                                        \
    X(tool_code_json, "tool_code.json")                                                            \
    X(tool_javascript_md, "tool_javascript.md")                                                    \
    X(tool_typescript_md, "tool_typescript.md")                                                    \
    X(tool_bash_md, "tool_bash.md")                                                                \
    X(tool_r_md, "tool_r.md")                                                                      \
    X(tool_java_md, "tool_java.md")                                                                \
    X(tool_go_md, "tool_go.md")                                                                    \
    X(last_turn_md, "last_turn.md")                                                                \
    X(empty_reply_md, "empty_reply.md")                                                            \
    X(fenced_md, "fenced.md")                                                                      \
    X(no_progress_md, "no_progress.md")                                                            \
    X(resumed_md, "resumed.md")                                                                    \
    X(ground_repair_md, "ground_repair.md")                                                        \
    X(params_md, "params.md")                                                                      \
    X(report_md, "report.md")                                                                      \
    X(report_repair_md, "report_repair.md")                                                        \
    X(rerun_repair_md, "rerun_repair.md")                                                          \
    X(schema_md, "schema.md")                                                                      \
    X(schema_repair_md, "schema_repair.md")

#define DECLARE(sym, file) extern const char prompt_##sym[], prompt_##sym##_end[];
EMBEDDED(DECLARE)

static const struct {
    const char *name, *begin, *end;
} embedded[] = {
#define ROW(sym, file) { file, prompt_##sym, prompt_##sym##_end },
    EMBEDDED(ROW)
};

char *prompt_text(const char *dir, const char *name, struct err *e)
{
    if (dir != NULL) {
        cleanup_free char *path = io_join(dir, name);
        if (access(path, F_OK) == 0) {
            cleanup_buf struct buf b = BUF_MAX(MAX_CONF_BYTES);
            if (io_read_file(path, &b, e) < 0) {
                e->code = ERR_CONFIG;
                return NULL;
            }
            return str_dup(str_trim(buf_str(&b)));
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(embedded); i++)
        if (strcmp(embedded[i].name, name) == 0)
            return str_dup(str_trim(
                (struct str){ embedded[i].begin, (size_t)(embedded[i].end - embedded[i].begin) }));
    err_set(e, ERR_INTERNAL, 0, "there is no prompt named %s", name);
    return NULL;
}

static const char *lookup(const char *const *pairs, struct str name)
{
    for (; *pairs; pairs += 2)
        if (str_is(name, pairs[0]))
            return pairs[1];
    return NULL;
}

char *prompt_fill(const char *text, const char *const *pairs, struct err *e)
{
    cleanup_buf struct buf out = BUF_MAX(MAX_PROMPT_BYTES);
    struct str s = str_of(text);

    while (s.n) {
        const char *open = memmem(s.p, s.n, "{{", 2);
        if (open == NULL) {
            buf_putstr(&out, s);
            break;
        }
        buf_put(&out, s.p, (size_t)(open - s.p));
        s = str_from(s, (size_t)(open - s.p) + 2);
        const char *close = memmem(s.p, s.n, "}}", 2);
        struct str name = { s.p, close ? (size_t)(close - s.p) : 0 };
        const char *value = close ? lookup(pairs, name) : NULL;
        if (value == NULL) {
            err_set(e, ERR_CONFIG, 0, "the prompt names an unknown placeholder {{%.*s}}",
                    (int)(name.n < 40 ? name.n : 40), name.p);
            return NULL;
        }
        buf_puts(&out, value);
        s = str_from(s, name.n + 2);
    }
    if (out.over) {
        err_set(e, ERR_CONFIG, 0, "the prompt is larger than %zu bytes when filled in", out.max);
        return NULL;
    }
    return buf_steal(&out);
}
