/* Markdown as it streams, rendered lightly for a terminal: headings, bold, italics, inline code,
 * blocks of code with their colours, lists, quotations, links with their address in sight, and
 * tables that are aligned and cut to the width. Bytes in, lines out, no I/O; any fragmentation of
 * the same bytes gives the same lines.
 *
 * The bytes are foreign: what comes out holds no control character but the newlines and the colour
 * sequences (ESC [ ... m) that are ours, and every line ends without colour. No line but one of
 * code is wider than `columns`. */
#ifndef AGENT_MARKDOWN_H
#define AGENT_MARKDOWN_H

#include <stdbool.h>
#include "agent/base/str.h"

struct markdown_look {
    size_t columns; /* at least 10 are used */
    bool colour;
    bool ascii; /* rules and bullets of ASCII alone */
};

struct markdown;
struct markdown *markdown_new(void);
void markdown_free(struct markdown *m); /* NULL is fine */
/* Appends the lines that nothing to come can change: the text's last line and an unfinished table
 * wait. The look may change from call to call (a window that is resized). */
void markdown_feed(struct markdown *m, struct str bytes, const struct markdown_look *look,
                   struct buf *out);
/* Appends what waits as it would look if the text ended here; nothing changes. */
void markdown_rest(const struct markdown *m, const struct markdown_look *look, struct buf *out);
/* The text has ended: what waits, and it is ready for another text. */
void markdown_end(struct markdown *m, const struct markdown_look *look, struct buf *out);
/* A whole text. */
void markdown_render(struct str text, const struct markdown_look *look, struct buf *out);

#endif
