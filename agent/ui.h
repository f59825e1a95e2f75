/* What the user sees while it happens (standard error) and the answer (standard output). All text
 * that is not ours goes through utf8_clean(): nothing from a model, a cell or a file name reaches
 * the terminal's control plane. A closed standard error is not an error; a closed or full standard
 * output is (ui_answer). Nothing here waits. SIGPIPE must be ignored by the process (main.c).
 *
 * Modes, decided once: quiet (errors only), normal, verbose (model text, code, output). On a
 * terminal that can, what goes on is live: the model's text rendered as it comes, each cell as one
 * line that moves while it runs with the last of its output, and then says what came of it. Where
 * standard output is the same terminal, the answer is what has streamed; where it is a file or a
 * pipe, it gets the answer as the model wrote it, and the terminal does not show it twice. */
#ifndef AGENT_UI_H
#define AGENT_UI_H

#include <stdbool.h>
#include <stdint.h>
#include "agent/base/err.h"
#include "agent/base/str.h"
#include "agent/conf.h"

struct ui;
/* `c` may be NULL (before the settings are known): normal mode. */
struct ui *ui_new(const struct conf *c);
void ui_free(struct ui *u); /* takes the moving line away; NULL is fine */

/* One line each. Warnings and errors show in quiet mode too; details only in verbose mode. */
void ui_note(struct ui *u, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* What the user asked for at the prompt: in quiet mode too. */
void ui_respond(struct ui *u, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void ui_detail(struct ui *u, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void ui_warn(struct ui *u, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void ui_error(struct ui *u, const struct err *e); /* "agent: message" */

/* The moving line: "thinking", with the elapsed time. On a pipe or file nothing is printed. Any
 * other call takes it away first. */
void ui_wait(struct ui *u, const char *what);
void ui_wait_end(struct ui *u);
/* Redraws the moving line if 100 ms have passed: call it whenever something wakes the program. */
void ui_tick(struct ui *u);

/* The model's visible text as it streams: on a terminal, or in verbose mode. */
void ui_text(struct ui *u, struct str piece);
/* The same for its reasoning: only with show_reasoning. */
void ui_reasoning(struct ui *u, struct str piece);
/* The reply has ended. `goes_on`: it is not the answer, or it is cut: what was held back is shown.
 */
void ui_text_end(struct ui *u, bool goes_on);
/* A retry: what was streamed of this reply is void. */
void ui_retry(struct ui *u, const struct err *why, int64_t wait_ms, int attempt);

/* A cell starts: its description, or the first line of its code. Shows the code in verbose mode or
 * with show_code, with the colours of `language` (a name as in sandbox.h). */
void ui_cell_begin(struct ui *u, int number, const char *language, const char *description,
                   struct str code);
/* Its output while it runs: whole in verbose mode; on a terminal its last lines for the time. */
void ui_cell_output(struct ui *u, bool is_stderr, struct str bytes);
struct ui_cell_end {
    bool ok;
    const char *status;     /* "ok", "error", "timeout", ... */
    const char *error_line; /* the error's last line; NULL = none */
    int64_t duration_us, stdout_bytes, stderr_bytes;
    size_t stdout_lines;
    size_t n_artifacts;
    const char *const *artifacts; /* their names */
};
void ui_cell_end(struct ui *u, int number, const struct ui_cell_end *end);
/* A picture (PNG) that it made, in the terminal where that can show it; nothing elsewhere. Waits at
 * most half a second, once, for the terminal to say what it can. */
void ui_picture(struct ui *u, struct str png);

/* The end of a run. Negative counts are unknown and left out. */
struct ui_usage {
    int turns, cells;
    int64_t input_tokens, output_tokens, duration_ms;
    double cost; /* USD; NAN = unknown */
};
void ui_usage(struct ui *u, const struct ui_usage *us);
/* Tokens and cost, for who asked for them (--usage): shown in quiet mode too. Negative counts and a
 * NAN cost are unknown. */
struct ui_spent {
    int64_t input, output, cached, reasoning;
    double cost;
};
void ui_spent(struct ui *u, const char *what, const struct ui_spent *s);
/* A unified diff, its lines coloured; nothing in quiet mode. */
void ui_diff(struct ui *u, struct str diff);
void ui_artifact(struct ui *u, const char *path, int64_t bytes);

/* The answer on standard output, ending in exactly one newline, controls made visible; on a
 * terminal rendered, unless it is what has just streamed there. -1 with ERR_SYS when it cannot be
 * written (a full disk; EPIPE in `sys` for a reader who has gone). */
int ui_answer(struct ui *u, struct str text, struct err *e);

#endif
