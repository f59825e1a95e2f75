/* Pictures that a cell displayed, for a model that can look at them: its own charts. They come from
 * the sandbox, so only what is whole by its structure, of a usual size, and under the user's limits
 * is passed on; the rest is left out with a word to the model. */
#ifndef AGENT_PICTURES_H
#define AGENT_PICTURES_H

#include "agent/run.h"

/* Does the run show pictures to its model? */
bool pictures_wanted(const struct run *run);
/* The PNG and JPEG pictures among the cell's results, at most max_images and the last ones. Appends
 * a line about them to `text`. The caller owns *ret (chat_images_free). */
void pictures_take(const struct run *run, const struct sandbox_result *r, struct chat_image **ret,
                   size_t *ret_n, struct buf *text);
/* NULL: a whole picture of that type; else what is wrong with it. */
const char *picture_fault(const char *mime, struct str bytes);

#endif
