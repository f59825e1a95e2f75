/* One image of a warm template for all questions of a batch: see docs/BATCH.md. */
#ifndef AGENT_BATCH_IMAGE_H
#define AGENT_BATCH_IMAGE_H

#include <sys/types.h>
#include "sandbox/sandbox.h"

struct program;

struct batch_image {
    pid_t maker; /* 0 = there is no image, and none is being made */
    struct sandbox_image image;
};

/* Starts a process that makes it in a sandbox of its own, where the settings permit one to be
 * shared. Nothing waits for it, and a failure is nobody's: the questions then go without. */
void batch_image_begin(struct batch_image *b, struct program *p);
/* For the command line of a question's process, which inherits the descriptors; NULL = none. Caller
 * frees. In that process, before exec. */
char *batch_image_flag(const struct batch_image *b);
void batch_image_inherit(const struct batch_image *b);
/* Ends the process that makes it, if it still does. */
void batch_image_end(struct batch_image *b);
/* What the flag said, in the process of a question; false: nothing or no such thing. */
bool batch_image_parse(const char *flag, struct sandbox_image *ret);

#endif
