/* Text with a style for each byte, measured in columns of a terminal and written with escape
 * sequences only here. Pure. What is put in must be clean (utf8_clean): the escape sequences that
 * come out are ours alone. */
#ifndef AGENT_STYLED_H
#define AGENT_STYLED_H

#include <stdbool.h>
#include <stdint.h>
#include "agent/base/str.h"

enum {
    ST_BOLD = 1,
    ST_DIM = 2,
    ST_ITALIC = 4,
    ST_UNDER = 8,
    ST_STRIKE = 16,
    /* one of these */
    ST_RED = 1 << 5,
    ST_GREEN = 2 << 5,
    ST_YELLOW = 3 << 5,
    ST_BLUE = 4 << 5,
    ST_MAGENTA = 5 << 5,
    ST_CYAN = 6 << 5,
};

struct styled {
    struct buf text, style; /* of the same length */
};
#define STYLED_INIT                                                                                \
    {                                                                                              \
        BUF_MAX(SIZE_MAX / 8), BUF_MAX(SIZE_MAX / 8)                                               \
    }
void styled_done(struct styled *t);
#define cleanup_styled __attribute__((cleanup(styled_done)))
void styled_put(struct styled *t, struct str s, unsigned style);
size_t styled_width(const struct styled *t);

/* The bytes from `from` that fit into `columns`; all of the rest when it does. */
size_t styled_fit(const struct styled *t, size_t from, size_t columns);
/* Writes the bytes [from, to), the styles ended at its end. */
void styled_write(const struct styled *t, size_t from, size_t to, bool colour, struct buf *out);
/* The same, no wider than `columns`: what is cut is marked. Returns the columns used. */
size_t styled_write_cut(const struct styled *t, size_t columns, bool colour, bool ascii,
                        struct buf *out);
/* Lines of at most `columns`, broken between words where that is possible: the first behind
 * `first`, the others behind `others`, each ending in a newline. */
void styled_wrap(const struct styled *t, const struct styled *first, const struct styled *others,
                 size_t columns, bool colour, struct buf *out);

#endif
