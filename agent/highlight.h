/* Colours for code, a line at a time: strings, comments, numbers, keywords, by a table of
 * languages. It judges by the characters alone and is right often enough to be read by. Pure. */
#ifndef AGENT_HIGHLIGHT_H
#define AGENT_HIGHLIGHT_H

#include "agent/styled.h"

struct highlight_language;
/* By a name as fences have it ("py", "python", "js", "sh"); NULL = not known. */
const struct highlight_language *highlight_find(struct str name);

/* Zeroed at the start of a block: what a string or a comment left open goes on in the next line. */
struct highlight_state {
    int open; /* 1 + index into the language's pairs; 0 = none */
};
/* Appends the line, without its newline, to `out`. `l` may be NULL: plain. */
void highlight_line(const struct highlight_language *l, struct highlight_state *st, struct str line,
                    struct styled *out);

#endif
