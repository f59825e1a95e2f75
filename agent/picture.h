/* Pictures in a terminal: as kitty, iTerm2 or sixel show them. Which of them a terminal can is
 * never guessed from its name: it is asked, with a time limit, and what does not answer gets no
 * picture. A picture is hostile: kitty and iTerm2 get it as base64; for sixel it is decoded here,
 * bounded (agent/base/limits.h), and what is no plain PNG is not shown. */
#ifndef AGENT_PICTURE_H
#define AGENT_PICTURE_H

#include <stdbool.h>
#include "agent/base/str.h"
#include "agent/conf.h"

enum picture_way { PICTURE_NONE, PICTURE_KITTY, PICTURE_ITERM, PICTURE_SIXEL };
struct picture_place {
    enum picture_way way;
    unsigned cell_width, cell_height; /* pixels of a character; 0 = not known */
};

/* Asks the controlling terminal, unless `how` says it. Blocks at most half a second; the terminal
 * is as before when it returns. */
void picture_ask(enum conf_inline how, struct picture_place *ret);
/* What its answer says: pure. True when it is whole (the last part has come). */
bool picture_answer(struct str bytes, struct picture_place *ret);

/* Appends the picture, as large as fits into the window now, and a newline. False: it cannot be
 * shown, and nothing was appended. */
bool picture_put(const struct picture_place *p, struct str png, struct buf *out);
/* Its parts. A window of so many pixels is the most that is used. */
bool picture_size(struct str png, unsigned *width, unsigned *height);
bool picture_sixel(struct str png, unsigned max_width, unsigned max_height, struct buf *out);

#endif
