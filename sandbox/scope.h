/* A place for a cgroup of our own where systemd rules the tree: a transient scope, delegated to us.
 *
 * Nobody but systemd may make groups in its tree, except below a unit that it delegated. So the
 * manager (the user's own, or the system's for root) is asked, through busctl, to put this process
 * into a scope of its own with Delegate=yes. busctl is the system's own client: no D-Bus is parsed
 * here, and it is handed one address and nothing else of an environment. The scope ends by itself
 * when its last process has: systemd removes what is in it.
 *
 * Waits for the manager, at most SCOPE_WAIT_MS. */
#ifndef SANDBOX_SCOPE_H
#define SANDBOX_SCOPE_H

#include <stdbool.h>
#include <sys/types.h>
#include "agent/base/str.h"

/* Is a systemd manager there for this uid (0: the system's)? */
bool scope_manager(uid_t uid);
/* Moves this process into a delegated scope, and there into a leaf, so that groups can be made
 * beside it. Returns the scope's directory below `root_dir` (caller frees), or NULL with the reason
 * and what to type in *why. */
char *scope_enter(const char *root_dir, uid_t uid, struct buf *why);
/* The path of our own group in the version 2 tree: "/user.slice/...". NULL: there is none. Caller
 * frees. */
char *scope_own_group(void);

#endif
