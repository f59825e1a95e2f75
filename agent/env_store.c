/* Where environments lie, and how one takes its name.
 *
 * Names that begin with a dot are ours: .lock is held while the folder's entries change, .new-NAME
 * is growing, .old-NAME-N was replaced or removed while a run still used it. Who builds or uses a
 * folder holds a lock (flock) on it, and the kernel lets go of it however he ends: what is not
 * locked is litter, and the next change removes it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/mem.h"
#include "agent/env_parts.h"
#include "agent/base/banned.h"

#define LOCK_PAUSE_MS 20

char *env_root(struct err *e)
{
    const char *dir = getenv("XDG_DATA_HOME"), *home = getenv("HOME");

    if (dir && dir[0] == '/')
        return io_join(dir, "agent/envs");
    if (home && home[0] == '/')
        return io_join(home, ".local/share/agent/envs");
    err_set(e, ERR_CONFIG, 0, "there is no place for environments: HOME is not set; set it");
    return NULL;
}

int env_open_root(bool make, struct err *e)
{
    cleanup_free char *root = env_root(e);

    if (root == NULL || (make && io_mkdirs(root, 0700, e) < 0))
        return -1;
    int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && (make || errno != ENOENT))
        err_set(e, ERR_SYS, errno, "open %s", root);
    return fd;
}

/* The folder's lock: held for as long as it takes to rename and remove a few trees. */
static int lock_root(int root, const struct stop *stop, struct err *e)
{
    cleanup_fd int fd = openat(root, ".lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd < 0)
        return err_set(e, ERR_SYS, errno, "create .lock in the folder of environments");
    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return err_set(e, ERR_SYS, errno, "lock the folder of environments");
        if (stop_sleep(stop, LOCK_PAUSE_MS, e) < 0)
            return -1;
    }
    return steal_fd(&fd);
}

static int open_locked(int root, const char *name)
{
    cleanup_fd int fd = openat(root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
        return -1;
    return steal_fd(&fd);
}

/* Removes what nobody builds or uses any more. With the lock held. What cannot be removed stays for
 * the next time: it is in nobody's way. */
static void sweep(int root)
{
    int again = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = again < 0 ? NULL : fdopendir(again);

    if (d == NULL) {
        if (again >= 0)
            close(again);
        return;
    }
    for (struct dirent *de; (de = readdir(d)) != NULL;) {
        struct str name = str_of(de->d_name);
        if (!str_starts(name, ".new-") && !str_starts(name, ".old-"))
            continue;
        struct err ignored = ERR_INIT;
        cleanup_fd int fd = open_locked(root, de->d_name);
        if (fd >= 0)
            (void)io_remove_tree(root, de->d_name, &ignored);
    }
    closedir(d);
}

/* Out of the way, under a name that nothing has yet. */
static int set_aside(int root, const char *from, const char *name, struct err *e)
{
    for (int i = 1; i < 10000; i++) {
        cleanup_free char *old = xasprintf(".old-%s-%d", name, i);
        if (renameat2(root, from, root, old, RENAME_NOREPLACE) == 0)
            return 0;
        if (errno == EINVAL && faccessat(root, old, F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
            renameat(root, from, root, old) == 0)
            return 0; /* a file system without that flag; the lock is held */
        if (errno != EEXIST && errno != ENOTEMPTY && errno != EINVAL)
            return err_set(e, ERR_SYS, errno, "set the environment %s aside", name);
    }
    return err_set(e, ERR_SYS, EEXIST, "set the environment %s aside", name);
}

int env_draft_begin(struct env_draft *ret, const char *name, const struct stop *stop, struct err *e)
{
    __attribute__((cleanup(env_draft_done))) struct env_draft d = ENV_DRAFT_NONE;

    d.root = env_open_root(true, e);
    if (d.root < 0)
        return -1;
    cleanup_fd int lock = lock_root(d.root, stop, e);
    if (lock < 0)
        return -1;
    sweep(d.root);
    cleanup_free char *tmp = xasprintf(".new-%s", name);
    if (mkdirat(d.root, tmp, 0755) < 0) {
        if (errno == EEXIST)
            return err_set(e, ERR_USAGE, 0,
                           "the environment %s is being made by another agent; wait for it", name);
        return err_set(e, ERR_SYS, errno, "create a folder for the environment %s", name);
    }
    d.tmp = steal_ptr(&tmp);
    d.name = xstrdup(name);
    d.dir = open_locked(d.root, d.tmp);
    if (d.dir < 0 || fchmod(d.dir, 0755) < 0)
        return err_set(e, ERR_SYS, errno, "open the folder for the environment %s", name);
    *ret = d;
    d = (struct env_draft)ENV_DRAFT_NONE;
    return 0;
}

int env_draft_commit(struct env_draft *d, const struct stop *stop, struct err *e)
{
    /* All of it is on the disk before the name leads there. */
    if (syncfs(d->dir) < 0)
        return err_set(e, ERR_SYS, errno, "write the environment %s", d->name);
    cleanup_fd int lock = lock_root(d->root, stop, e);
    if (lock < 0)
        return -1;
    flock(d->dir, LOCK_UN); /* from its new name on it may be used; until then nobody looks */
    if (renameat2(d->root, d->tmp, d->root, d->name, RENAME_NOREPLACE) < 0) {
        if (errno != EEXIST && errno != EINVAL)
            return err_set(e, ERR_SYS, errno, "give the environment %s its name", d->name);
        if (renameat2(d->root, d->tmp, d->root, d->name, RENAME_EXCHANGE) == 0) {
            /* Under the draft's name is the one of before: it must not be taken for a draft. */
            if (set_aside(d->root, d->tmp, d->name, e) < 0)
                return -1;
        } else {
            /* No exchange on this file system: for a moment there is none. */
            struct err ignored = ERR_INIT;
            (void)set_aside(d->root, d->name, d->name, &ignored);
            if (renameat(d->root, d->tmp, d->root, d->name) < 0)
                return err_set(e, ERR_SYS, errno, "give the environment %s its name", d->name);
        }
    }
    free(d->tmp);
    d->tmp = NULL;
    (void)fsync(d->root);
    sweep(d->root);
    return 0;
}

void env_draft_done(struct env_draft *d)
{
    struct err ignored = ERR_INIT;

    if (d->tmp && d->dir >= 0)
        (void)io_remove_tree(d->root, d->tmp, &ignored);
    cleanup_closep(&d->dir);
    cleanup_closep(&d->root);
    free(d->tmp);
    free(d->name);
    *d = (struct env_draft)ENV_DRAFT_NONE;
}

int env_drop(int root, const char *name, const struct stop *stop, struct err *e)
{
    cleanup_fd int lock = lock_root(root, stop, e);

    if (lock < 0 || set_aside(root, name, name, e) < 0)
        return -1;
    sweep(root);
    return 0;
}
