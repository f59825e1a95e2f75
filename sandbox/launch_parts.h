/* What the files of sandbox/launch.h share: a command line in the making. */
#ifndef SANDBOX_LAUNCH_PARTS_H
#define SANDBOX_LAUNCH_PARTS_H

#include <stddef.h>
#include "sandbox/sandbox.h"

struct strings {
    char **v; /* NULL-terminated once anything is in it */
    size_t n;
};
void strings_add(struct strings *s, char *owned);
void strings_done(struct strings *s);

/* A program of ours, beside this one or where it is installed; caller frees. NULL: ERR_SANDBOX. */
char *launch_find_ours(const char *name, struct err *e);
/* The options by which the sandbox shows what a Python outside of the system's folders, or a
 * further language's runtime, consists of. ERR_CONFIG: it lies in no installation. */
int launch_show_python(struct strings *argv, const char *program, struct err *e);
int launch_show_runtimes(struct strings *argv, const struct sandbox_spec *spec, struct err *e);

#endif
