/* Writes to what is read-only, counted.
 *
 * The rows of the policy with WATCHED bring every call that may change a file by its path before
 * the helper, before it happens. The helper finds out, in the file tree of the caller, whether the
 * place lies on a read-only mount (or in /output, which Landlock keeps from contexts), adds one if
 * so, and hands the call back: the kernel decides, by the mounts and by Landlock, as if nobody had
 * looked. So code that changes a path between the look and the call can falsify a number about
 * itself, and nothing else.
 *
 * Counted is what would have been a write were the place writable: not a name that does not exist,
 * a device, or a directory that is there already. Not seen: changes through an open descriptor
 * (fchmod), times (utime), and paths through /proc/self, which lead to descriptors. */
#ifndef SANDBOX_WRITES_H
#define SANDBOX_WRITES_H

#include <linux/seccomp.h>
#include <stdbool.h>
#include "sandbox/denied.h"

/* False: no call of these; it must not go on. `counts` may be NULL. Opens paths that the caller
 * chose with O_PATH only, so no device or pipe is touched. */
bool writes_look(const struct seccomp_notif *ask, struct denied_counts *counts);

#endif
