/* Notebook code as plain Python: cut into logical lines (not parsed further), notebook lines made
 * plain, the last expression shown. Pure. */
#ifndef AGENT_EXPORT_SOURCE_H
#define AGENT_EXPORT_SOURCE_H

#include <stdbool.h>
#include "agent/base/str.h"

struct source_line {
    size_t at, end;   /* bytes, with the line end */
    int first, last;  /* numbers of its physical lines, from 1 */
    bool top;         /* begins a statement of the top level */
    bool blank;       /* nothing, or a comment */
    bool magic;       /* !command, %magic, name? or x = !command */
    size_t last_part; /* behind the last ';' on its outermost level; `at` if there is none */
};
/* The line that begins at `*at`, which moves on; `*number` is that of its first physical line.
 * False at the end. */
bool source_next(struct str code, size_t *at, int *number, struct source_line *ret);

struct source_opts {
    const char *const *files; /* names of input files: /data/NAME becomes NAME */
    size_t n_files;
    bool show;     /* the last expression is shown */
    int failed_at; /* the line at which it failed: from that statement on all is a comment; 0 =
                      nothing failed, -1 = all of it */
};
/* The code with names of files where it has paths that only exist in the sandbox. */
void source_paths(struct buf *out, const struct source_opts *opts, struct str code);
/* What the plain code needs of the helpers (agent/export_runtime.py). */
struct source_needs {
    bool shell;
};
void source_plain(struct buf *out, struct str code, const struct source_opts *opts,
                  struct source_needs *needs);

/* Is there an await outside of functions? Such a cell cannot be plain code. */
bool source_awaits(struct str code);
/* The length of the text literal that opens at the front of `s`, with its quotes; to the line's end
 * where it is not closed. `triples`: three quotes open one over lines, as in Python. */
size_t source_text_length(struct str s, bool triples);
/* Appends `s` as a text literal of Python, over several lines where it has them. */
void source_literal(struct buf *out, struct str s);

#endif
