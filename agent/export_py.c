/* A recorded session as a script that needs no more than Python and the packages its cells import.
 * The helpers come from export_runtime.py, whose parts ("#: name") are taken as they are needed. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/export.h"
#include "agent/export_source.h"
#include "agent/base/banned.h"

extern const char export_runtime[], export_runtime_end[];

void export_helper(struct buf *out, const char *name)
{
    struct str all = { export_runtime, (size_t)(export_runtime_end - export_runtime) };
    cleanup_free char *head = xasprintf("#: %s\n", name);
    const char *from = memmem(all.p, all.n, head, strlen(head));
    size_t n = from ? all.n - (size_t)(from - all.p) : 0;
    const char *next = from ? memmem(from + 1, n - 1, "#: ", 3) : NULL;

    if (from)
        buf_put(out, from + strlen(head), (next ? (size_t)(next - from) : n) - strlen(head));
    buf_puts(out, "\n");
}

static void put_comment(struct buf *out, struct str text, size_t max_lines)
{
    cleanup_buf struct buf clean = BUF_MAX(SIZE_MAX / 4);
    struct str rest, line;
    size_t n = 0;

    utf8_clean(&clean, str_trim(text));
    for (rest = buf_str(&clean); rest.n && n < max_lines; n++) {
        str_cut(&rest, '\n', &line);
        buf_putf(out, "#%s%.*s\n", line.n ? " " : "", (int)(line.n > 10000 ? 10000 : line.n),
                 line.p);
    }
    if (rest.n)
        buf_puts(out, "# ...\n");
}

struct script {
    const struct export *x;
    const char **files; /* names of the inputs */
    size_t n_files;
    struct buf body;
    struct source_needs needs;
    bool awaits, ipython, figures, pyplot, report;
};

/* Where a cell failed; -1 = it is not known, and so none of it is run. */
static int failed_at(const struct saved_cell *c)
{
    const cJSON *error = json_obj(c->end, "error");
    const char *name = json_str(error, "name");
    int64_t line = json_int(error, "line", 0);

    if (c->status && strcmp(c->status, "ok") == 0)
        return 0;
    if (c->status == NULL || strcmp(c->status, "error") != 0 || line <= 0 || line > 1000000 ||
        name == NULL || strcmp(name, "SyntaxError") == 0 || strcmp(name, "IndentationError") == 0 ||
        strcmp(name, "TabError") == 0)
        return -1;
    return (int)line;
}

static bool has_main_result(const struct saved_cell *c)
{
    const cJSON *r;

    cJSON_ArrayForEach(
        r, json_arr(c->end, "results")) if (json_bool(r, "is_main_result", false)) return true;
    return false;
}

static void put_foreign(struct script *s, const struct saved_cell *c)
{
    buf_putf(&s->body, "# It is written in %s and is not run here:\n", export_language(c));
    put_comment(&s->body, str_of(c->code), SIZE_MAX);
    buf_putf(s->x->notes, "cell %d is in another language (%s): it is in the script as a comment\n",
             c->number, export_language(c));
}

static void put_python(struct script *s, const struct saved_cell *c)
{
    struct source_opts o = {
        .files = s->files,
        .n_files = s->n_files,
        .show = has_main_result(c),
        .failed_at = failed_at(c),
    };
    cleanup_buf struct buf plain = BUF_MAX(SIZE_MAX / 4), why = BUF_MAX(8192);
    const char *context = json_str(c->start, "context");
    struct str code = str_of(c->code);
    bool awaits = source_awaits(code) && o.failed_at == 0;

    export_failure(c, &why);
    if (why.n) {
        buf_puts(&s->body, "# In the session it ");
        buf_putstr(&s->body, buf_str(&why));
        buf_puts(&s->body, o.failed_at > 0
                               ? "\n# What ran before that is kept; the rest is left out.\n"
                               : "\n# It is left out.\n");
    }
    if (context)
        buf_putf(s->x->notes,
                 "cell %d ran in an interpreter of its own; in the script all share one\n",
                 c->number);
    if (source_awaits(code) && o.failed_at > 0)
        o.failed_at = -1;
    source_plain(&plain, code, &o, &s->needs);
    if (awaits) {
        s->awaits = true;
        buf_puts(&s->body, "_run_async(");
        source_literal(&s->body, buf_str(&plain));
        buf_putf(&s->body, ", \"cell %d\")\n", c->number);
    } else {
        buf_putstr(&s->body, buf_str(&plain));
        if (plain.n && !str_ends(buf_str(&plain), "\n"))
            buf_putc(&s->body, '\n');
    }
    if (s->figures && o.failed_at >= 0)
        buf_puts(&s->body, "_save_figures()\n");
}

static void put_cell(struct script *s, const struct saved_cell *c)
{
    cleanup_buf struct buf title = BUF_MAX(4096);

    utf8_clean_line(&title, utf8_head(str_of(c->description), 300));
    buf_putf(&s->body, "\n# %%%% Cell %d%s%s\n", c->number, title.n ? ": " : "", buf_cstr(&title));
    if (export_is_python(c))
        put_python(s, c);
    else
        put_foreign(s, c);
}

/* What the cells use is seen in their text: too much is harmless. */
static void look(struct script *s)
{
    for (size_t i = 0; i < s->x->s->n_cells; i++) {
        const struct saved_cell *c = &s->x->s->cells[i];
        if (!export_is_python(c))
            continue;
        bool pyplot = strstr(c->code, "pyplot") != NULL;
        s->pyplot = s->pyplot || (pyplot && c->status && strcmp(c->status, "ok") == 0);
        s->figures = s->figures || pyplot || strstr(c->code, "plot") || strstr(c->code, "seaborn");
        s->ipython = s->ipython || strstr(c->code, "IPython");
        s->report = s->report || strstr(c->code, "report");
    }
}

static void put_head(const struct script *s)
{
    const struct export *x = s->x;
    cleanup_buf struct buf title = BUF_MAX(4096);

    export_title(x->s, 200, &title);
    buf_puts(x->out, "#!/usr/bin/env python3\n# ");
    buf_putstr(x->out, buf_str(&title));
    buf_putf(x->out, "\n#\n# The code of session %s as a script. It works in the current folder",
             x->s->id);
    buf_puts(x->out, s->n_files
                         ? ", on the files\n# named in FILES; other files in their place are "
                           "given as arguments: PATH... or NAME=PATH...\n"
                         : ".\n");
    if (x->s->damage) {
        buf_puts(x->out, "# The record is damaged: ");
        buf_puts(x->out, x->s->damage);
        buf_putc(x->out, '\n');
    }
    buf_puts(x->out, "import os\nimport sys\n\nFILES = [");
    for (size_t i = 0; i < s->n_files; i++) {
        buf_puts(x->out, i ? ", " : "");
        source_literal(x->out, str_of(s->files[i]));
    }
    buf_puts(x->out, "]\n\n\n");
    export_helper(x->out, "files");
    export_helper(x->out, "display");
    if (s->figures)
        export_helper(x->out, "figures");
    else /* display() of a figure that nothing seems to draw */
        buf_puts(x->out, "def _save_figures(figures):\n    for figure in figures:\n        "
                         "print(repr(figure))\n\n\n");
    if (s->pyplot)
        export_helper(x->out, "matplotlib");
    if (s->needs.shell)
        export_helper(x->out, "shell");
    if (s->awaits)
        export_helper(x->out, "await");
    if (s->ipython)
        export_helper(x->out, "ipython");
    if (s->report)
        export_helper(x->out, "report");
}

void export_py(const struct export *x)
{
    struct script s = { .x = x, .body = BUF_MAX(MAX_EXPORT_BYTES) };
    struct export_step *v = NULL;
    size_t n = export_steps(x->s, &v);

    s.n_files = export_input_names(x->s, &s.files);
    look(&s);
    for (size_t i = 0; i < n; i++) {
        if (v[i].kind == STEP_CELL) {
            put_cell(&s, v[i].cell);
        } else if (v[i].kind != STEP_REMARK) {
            buf_puts(&s.body, v[i].kind == STEP_QUESTION ? "\n# Question:\n" : "\n# Answer:\n");
            put_comment(&s.body, str_of(v[i].text), 200);
        }
    }
    free(v);
    put_head(&s);
    buf_putstr(x->out, buf_str(&s.body));
    buf_free(&s.body);
    free(s.files);
}
