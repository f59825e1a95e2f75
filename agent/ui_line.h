/* What ui.c, ui_live.c and ui_cell.c share; for them alone.
 *
 * On a terminal that can, the last rows are live: the end of the text or output that is coming, and
 * below it the moving line. They are drawn anew a few times a second and taken away whenever
 * something that stays is written, in one write(2) with it, so that nothing flickers. The rows are
 * counted with the width at hand, since a terminal that is made narrower wraps what it shows. */
#ifndef AGENT_UI_LINE_H
#define AGENT_UI_LINE_H

#include "agent/markdown.h"
#include "agent/picture.h"
#include "agent/styled.h"
#include "agent/ui.h"

#define UI_MAX_LINE (64 * 1024) /* one message; longer ones are our own mistake */

#define UI_MAX_ROWS 12
#define UI_TAIL_BYTES 8192u

enum ui_style { PLAIN, DIM, RED, YELLOW, GREEN, CYAN };

struct ui {
    bool quiet, verbose, show_code, show_reasoning;
    bool colour;                   /* escape sequences for colour may be written */
    bool moving;                   /* the live rows may be drawn: a terminal that can */
    bool ascii;                    /* signs of ours are of ASCII alone: the locale is not UTF-8 */
    int inline_images;             /* enum conf_inline */
    struct picture_place pictures; /* how the terminal shows them, once it was asked */
    bool asked;
    bool same; /* standard output is the same terminal */
    bool gone; /* standard error is closed: say nothing more */

    char *waiting; /* what the moving line says; NULL = none */
    int64_t wait_since, last_draw;
    unsigned frame;
    size_t rows[UI_MAX_ROWS], n_rows; /* columns of each live line that is on the screen */
    enum { AFTER_NOTHING, AFTER_LINE, AFTER_TEXT } after; /* what was last written to stay */

    /* The reply of this turn, rendered. When standard output is elsewhere, it waits until it is
     * known not to be the answer, which goes there. */
    struct markdown *reply;
    struct buf said; /* its bytes */
    struct buf held; /* what of it is rendered and waits */
    bool in_reply;

    /* The cell that runs, as it is on the screen while only live. */
    int cell;
    char *cell_text;
    struct buf tail; /* the last of its output */

    /* Streamed text may be cut inside a UTF-8 sequence: the cut piece waits here for its rest. */
    struct buf partial;
    int stream; /* 0 none, 1 model text, 2 stdout, 3 stderr */
    bool at_line_start;
};

/* One line: a label in its style, then foreign text, made harmless, in plain. */
void ui_line(struct ui *u,
#define UI_MAX_ROWS 12
#define UI_TAIL_BYTES 8192u

             enum ui_style style, const char *label, struct str text);
/* Bytes as they are; a standard error that is closed is remembered and left alone. */
void ui_out(struct ui *u, struct str s);
/* Appends `s` between the codes of its style, or alone when there is no colour. */
void ui_styled(const struct ui *u, struct buf *b,
#define UI_MAX_ROWS 12
#define UI_TAIL_BYTES 8192u

               enum ui_style style, struct str s);
/* Columns of the terminal now, 80 if there is none. */
size_t ui_width(void);
struct markdown_look ui_look(const struct ui *u);
/* Writes lines that stay, in the place of the live ones; these come again below when `again`. */
void ui_stay(struct ui *u, struct str lines, bool text, bool again);
void ui_erase(struct ui *u);
void ui_reply(struct ui *u, struct str piece);
void ui_reply_end(struct ui *u, bool goes_on);
void ui_cell_tail(struct ui *u, struct str bytes);
void ui_draw(struct ui *u);
/* A cell of which only the live line told and that has no outcome gets a line that stays. */
void ui_cell_left(struct ui *u);
/* "12s", "3m05s", "1h02m". */
void ui_put_elapsed(struct buf *b, int64_t ms);

#endif
