/* What ui.c and ui_cell.c share; for them alone. */
#ifndef AGENT_UI_LINE_H
#define AGENT_UI_LINE_H

#include "agent/ui.h"

#define UI_MAX_LINE (64 * 1024) /* one message; longer ones are our own mistake */

enum ui_style { PLAIN, DIM, RED, YELLOW, GREEN, CYAN };

struct ui {
    bool quiet, verbose, show_code, show_reasoning;
    bool colour; /* escape sequences for colour may be written */
    bool moving; /* the moving line may be drawn: a terminal that can */
    bool gone;   /* standard error is closed: say nothing more */

    char *waiting; /* what the moving line says; NULL = none */
    bool drawn;    /* it is on the screen now */
    int64_t wait_since, last_draw;
    unsigned frame;

    /* Streamed text may be cut inside a UTF-8 sequence: the cut piece waits here for its rest. */
    struct buf partial;
    int stream; /* 0 none, 1 model text, 2 stdout, 3 stderr */
    bool at_line_start;
};

/* One line: a label in its style, then foreign text, made harmless, in plain. */
void ui_line(struct ui *u, enum ui_style style, const char *label, struct str text);
/* Bytes as they are; a standard error that is closed is remembered and left alone. */
void ui_out(struct ui *u, struct str s);
/* Appends `s` between the codes of its style, or alone when there is no colour. */
void ui_styled(const struct ui *u, struct buf *b, enum ui_style style, struct str s);
/* Columns of the terminal now, 80 if there is none; and the prefix of clean text that fits. */
size_t ui_width(void);
struct str ui_fit(struct str s, size_t columns);
/* "12s", "3m05s", "1h02m". */
void ui_put_elapsed(struct buf *b, int64_t ms);

#endif
