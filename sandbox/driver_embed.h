/* The interpreter's files, as they are in sandbox/interpreter/, inside the program. */
#ifndef SANDBOX_DRIVER_EMBED_H
#define SANDBOX_DRIVER_EMBED_H

#include <stdbool.h>
#include <stddef.h>

struct driver_file {
    const char *name; /* "driver.py": the name under /run/sandbox/ */
    const char *data, *end;
    bool language; /* the driver of a language besides Python */
};
extern const struct driver_file driver_files[];
extern const size_t driver_files_n;

#endif
