/* The keeper of one sandbox's cgroup: a process that makes the group, while the helper opens files,
 * and hands over its descriptors. Then it waits for the end of everything else (a socket hangs up)
 * and removes the group, also when helper and agent were killed. Groups that a killed keeper left
 * are removed by the next run that lasts a little. Internal to cgroup.c. */
#ifndef SANDBOX_KEEPER_H
#define SANDBOX_KEEPER_H

#include "sandbox/box.h"

#define CGROUP_ROOT "/sys/fs/cgroup"

/* Where a group is to be made, and for whom. */
struct place {
    enum limits_backend backend;
    char *parent; /* owned; version 2 only */
    pid_t owner;  /* the helper: the group has its number */
};

/* cgroup_let_go() and cgroup_release() end it. */
int keeper_start(struct box *b, const struct place *p, struct err *e);
/* Blocks until the group is made: b->cg is filled in, and 0. 1: it is not to be had, *ret_why says
 * by which errno. -1: the keeper is gone. */
int keeper_answer(struct box *b, int *ret_why);

extern const struct cgroup no_group;

/* Files of a group. */
int cgroup_open(const char *dir, const char *name, int flags);
int cgroup_write(const char *dir, const char *name, const char *text);
bool cgroup_read(int fd, char *text, size_t size); /* whole, and anew each time */

#endif
