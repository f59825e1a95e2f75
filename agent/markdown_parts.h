/* What markdown.c, markdown_inline.c and markdown_table.c share; for them alone. */
#ifndef AGENT_MARKDOWN_PARTS_H
#define AGENT_MARKDOWN_PARTS_H

#include "agent/markdown.h"
#include "agent/styled.h"

/* Appends a line's text with its emphasis, on top of the style `base`. Without colour the backticks
 * stay, so that code can be told from words. */
void markdown_inline(struct str s, unsigned base, bool colour, struct styled *out);

/* Does the line have a column sign outside of code? Is it the line between a table's head and its
 * body, and fits to this head? */
bool markdown_has_column(struct str line);
bool markdown_is_rule(struct str rule, struct str head);
/* A table: the head, the rule, the rows, each ending in a newline. */
void markdown_table(struct str lines, const struct markdown_look *look, struct buf *out);

#endif
