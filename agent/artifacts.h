/* Files that cells left in the workspace, brought out and hashed.
 *
 * The workspace is hostile: links, devices, pipes, names and sizes meant to hurt. Lookups go
 * through the directory descriptor with openat2(RESOLVE_BENEATH, no symbolic or magic links, no
 * other mount); only regular files are read, opened without blocking and judged by their
 * descriptor; counts, depth and sizes are capped (agent/base/limits.h). A copy is written under a
 * temporary name and renamed; its mode is 0600 in the record and the umask's in the user's own
 * directory; no owner, times or attributes are taken over. */
#ifndef AGENT_ARTIFACTS_H
#define AGENT_ARTIFACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "agent/base/err.h"
#include "agent/base/str.h"

struct artifact {
    char *name; /* in the workspace, as bytes, "dir/chart.png"; may be anything */
    char *file; /* as written out: `name` with what is unsafe percent-encoded */
    char *kept; /* its name in the user's folder, where it may have a number; NULL = none there */
    int64_t size;
    char sha256[65];
    const char *mime; /* static */
    int cell;         /* that made or last changed it */
};

struct artifacts;
struct cJSON;
/* `workspace_fd` is kept, not owned. `out_fd`, on the folder `out_dir`, gets the copies; -1 and
 * NULL = none. `extra_dir` (may be NULL), the user's folder, gets a second copy of each; it is made
 * when the first file comes. In it, a file that no earlier run of ours wrote is never overwritten:
 * the new one gets a number. */
struct artifacts *artifacts_new(int workspace_fd, int out_fd, const char *out_dir,
                                const char *extra_dir);
void artifacts_free(struct artifacts *a);

/* Remembers what is there now, so that it does not count as made by a cell. */
int artifacts_baseline(struct artifacts *a, struct err *e);
/* Brings out what is new or changed since the last call. Appends to `lines` one line a file for the
 * model, and to `notes` one line for each thing that was refused, with the reason; both are clean
 * text. Returns how many files were brought out, -1 when the workspace cannot be read or a copy
 * cannot be written. */
int artifacts_collect(struct artifacts *a, int cell, struct buf *lines, struct buf *notes,
                      struct err *e);

size_t artifacts_count(const struct artifacts *a);
const struct artifact *artifacts_get(const struct artifacts *a, size_t i);
/* A descriptor on the copy of one, for reading; -1 when there is none. Caller closes. */
int artifacts_open(const struct artifacts *a, size_t i);
/* Where the user finds it: in the user's folder if there is one, else in the other. Caller frees.
 */
char *artifacts_path(const struct artifacts *a, size_t i);
/* What programs are told of it: name, path (absolute), mime, bytes, sha256, cell. Caller owns. */
struct cJSON *artifacts_json(const struct artifacts *a, size_t i);

/* The safe file name for a name from the workspace: each component's bytes outside printable UTF-8,
 * '%', a leading dot or dash and a trailing space or dot become %XX; reversible by percent-decoding
 * unless it had to be cut to 200 bytes, when it ends in ~ and a hash. Appends to `out`. */
void artifact_file_name(struct buf *out, struct str name);

#endif
