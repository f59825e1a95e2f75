/* What differs between two programs made of cells, as a unified diff. Pure; its memory is bounded,
 * and where two texts are too long to compare line by line one stands whole for the other. */
#ifndef AGENT_DIFF_H
#define AGENT_DIFF_H

#include "agent/base/str.h"

struct diff_cell {
    int number;
    struct str code;
};
/* Appends hunks with three lines around each change; before each cell's code stands a line "# %%".
 * A hunk's head names the old cell in which it begins. Nothing is appended when nothing differs. */
void diff_cells(const struct diff_cell *old, size_t n_old, const struct diff_cell *now,
                size_t n_now, struct buf *out);

#endif
