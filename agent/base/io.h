/* Files and descriptors. Everything is O_CLOEXEC; nothing follows a cap with a silent cut. */
#ifndef AGENT_BASE_IO_H
#define AGENT_BASE_IO_H

#include <sys/types.h>
#include "err.h"
#include "str.h"

/* Appends all that `fd` holds to `out`, up to the buffer's cap (then ERR_LIMIT). May block on a
 * pipe or terminal: only for regular files and for pipes that the caller has polled. */
int io_read_fd(int fd, struct buf *out, struct err *e);
int io_read_file(const char *path, struct buf *out, struct err *e);
/* All of it, retrying short writes and EINTR. */
int io_write_all(int fd, const void *p, size_t n, struct err *e);

/* Writes a temporary name beside `name` and renames it over: a reader sees the old or the new
 * content, and a full disk leaves the old. Not synced, so that a power cut a moment later may take
 * it away: a sync takes milliseconds, more than the cell whose file is written. `dirfd` may be
 * AT_FDCWD. */
int io_write_atomic(int dirfd, const char *name, struct str content, mode_t mode, struct err *e);

/* mkdir -p with `mode` for what is created. */
int io_mkdirs(const char *path, mode_t mode, struct err *e);
/* Removes a tree that we made ourselves, without following symbolic links. */
int io_remove_tree(int dirfd, const char *name, struct err *e);

/* Opens `name` beneath a directory that others wrote: no symbolic or magic link is followed, no
 * other mount entered. -1 with errno. */
int io_open_beneath(int dirfd, const char *name, int flags);

/* path "a/b", joined and allocated; caller frees. */
char *io_join(const char *dir, const char *name);
/* The name after the last slash; points into `path`. */
const char *io_basename(const char *path);
int io_set_nonblock(int fd, bool on);
/* Has a terminal show what is typed, or not. Returns what held before; true where `fd` is none. */
bool io_set_echo(int fd, bool on);

#endif
