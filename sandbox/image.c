/* The image of a warm template (image.h) as the agent sees it: a descriptor that is written by one
 * sandbox and given to others. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include "agent/base/mem.h"
#include "sandbox/session.h"
#include "agent/base/banned.h"

struct sandbox_image *image_copy(const struct sandbox_image *from)
{
    if (from == NULL)
        return NULL;
    struct sandbox_image *to = xcalloc(1, sizeof *to);
    to->fd = fcntl(from->fd, F_DUPFD_CLOEXEC, 3);
    to->gate = fcntl(from->gate, F_DUPFD_CLOEXEC, 3);
    return to;
}

void image_free(const struct sandbox_image *image)
{
    if (image == NULL)
        return;
    if (image->fd >= 0)
        close(image->fd);
    if (image->gate >= 0)
        close(image->gate);
    free((void *)(uintptr_t)image);
}

int sandbox_image(struct sandbox *s, int fd, const struct stop *stop, struct err *e)
{
    cleanup_buf struct buf frame = BUF_MAX(4096), error = BUF_MAX(4096);
    size_t at = frame_begin(&frame, "image");

    frame_end(&frame, at);
    if (session_ask(s, &frame, &fd, 1, "image-made", &error, stop, e) < 0)
        return -1;
    return error.n ? err_set(e, ERR_SANDBOX, 0, "the template's memory could not be written: %s",
                             buf_cstr(&error))
                   : 0;
}
