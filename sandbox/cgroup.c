/* Memory and processes of the whole sandbox, counted by the kernel.
 *
 * Where systemd rules the version 2 tree, root and ordinary users alike get a transient scope that
 * is delegated to them (scope.c), and the group is made in it. Without systemd, root makes a group
 * in the version 1 or version 2 tree, and an ordinary user beside its own where what is above was
 * delegated. Else there are per-process limits and the meter (meter.c), reported as weaker.
 *
 * A keeper (keeper.c) makes the group and removes it when all is over.
 *
 * The child moves itself, by writing "0" to descriptors that were opened while it was still
 * permitted: to version 1 `tasks', which moves one thread and so takes no lock over all of the
 * machine's forks (18 ms). */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "sandbox/box.h"
#include "sandbox/keeper.h"
#include "sandbox/scope.h"
#include "agent/base/io.h"
#include "agent/base/mem.h"
#include "agent/base/banned.h"

/* Is `word` one of the words in this file? */
static bool has_word(const char *dir, const char *file, const char *word)
{
    char text[512];
    cleanup_fd int fd = cgroup_open(dir, file, O_RDONLY);
    struct str rest, one;

    if (!cgroup_read(fd, text, sizeof text))
        return false;
    text[strcspn(text, "\n")] = '\0';
    for (rest = str_of(text); rest.n;) {
        str_cut(&rest, ' ', &one);
        if (str_is(one, word))
            return true;
    }
    return false;
}

/* What is below user@UID.service and no slice or service of systemd's own making. */
static bool is_systemds(const char *dir)
{
    struct str s = str_of(dir);

    return str_ends(s, ".slice") || strstr(strrchr(dir, '/'), "/user@");
}

/* Where an ordinary user may make a group without systemd: beside our own, when what is above was
 * delegated. NULL: nowhere. */
static char *delegated_parent(void)
{
    cleanup_free char *own = scope_own_group();
    char *slash = own ? strrchr(own, '/') : NULL;

    if (!slash || slash == own)
        return NULL;
    *slash = '\0';
    cleanup_free char *parent = xasprintf(CGROUP_ROOT "%s", own);
    if (!is_systemds(parent) && access(parent, W_OK) == 0 &&
        has_word(parent, "cgroup.subtree_control", "memory"))
        return steal_ptr(&parent);
    return NULL;
}

/* Gives to groups below `parent` what it has itself; the tree refuses a line that names one that is
 * missing. */
static int give_controllers(const char *parent, struct buf *why)
{
    static const char *const names[] = { "memory", "pids", "cpu" };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char text[16];
        snprintf(text, sizeof text, "+%s", names[i]);
        errno = ENOENT;
        if (has_word(parent, "cgroup.subtree_control", names[i]) ||
            (has_word(parent, "cgroup.controllers", names[i]) &&
             cgroup_write(parent, "cgroup.subtree_control", text) == 0))
            continue;
        if (i > 0) /* processes are limited by RLIMIT_NPROC too, and cpu-share asks for itself */
            continue;
        if (errno == EROFS)
            buf_puts(why, "the cgroup tree is read-only here, as in a container");
        else
            buf_putf(why, "the memory controller is not to be had in %s: %s", parent,
                     strerror(errno));
        return -1;
    }
    return 0;
}

/* The group in which ours is made, with the controllers that it needs. NULL: *why says why not. */
static char *find_parent(const struct box *b, struct buf *why)
{
    uid_t uid = b->from_root ? 0 : getuid();
    cleanup_free char *parent = b->from_root ? NULL : delegated_parent();

    if (!parent && scope_manager(uid)) {
        parent = scope_enter(CGROUP_ROOT, uid, why);
        if (!parent)
            return NULL;
    }
    if (!parent && b->from_root)
        parent = xstrdup(CGROUP_ROOT);
    if (!parent) {
        buf_puts(why, access("/run/systemd/system", F_OK) == 0
                          ? "this user has no systemd session; as root: loginctl enable-linger USER"
                          : "no cgroup is delegated to this user; run as root, or under systemd");
        return NULL;
    }
    return give_controllers(parent, why) < 0 ? NULL : steal_ptr(&parent);
}

static bool find_place(const struct box *b, struct place *p, struct buf *why)
{
    if (has_word(CGROUP_ROOT, "cgroup.controllers", "memory")) {
        p->backend = BACKEND_CGROUP2;
        p->parent = find_parent(b, why);
        return p->parent != NULL;
    }
    p->backend = BACKEND_CGROUP1;
    if (access(CGROUP_ROOT "/memory/memory.limit_in_bytes", F_OK) < 0)
        buf_puts(why, "no memory controller below " CGROUP_ROOT);
    else if (!b->from_root)
        buf_puts(why, "this machine has cgroups of version 1, which only root can use");
    else
        return true;
    return false;
}

/* --limit cpu-share is held by the kernel or not at all: nothing else could. */
static int refuse_share(const struct box *b, const char *why, struct err *e)
{
    if (b->cg.backend == BACKEND_CGROUP2 && !b->from_root)
        return err_set(e, ERR_SANDBOX, 0,
                       "--limit cpu-share: systemd does not give this user the cpu controller; as "
                       "root: mkdir -p /etc/systemd/system/user@.service.d && printf "
                       "'[Service]\\nDelegate=cpu memory pids\\n' >/etc/systemd/system/"
                       "user@.service.d/delegate.conf && systemctl daemon-reload && systemctl "
                       "restart user@%u",
                       (unsigned)getuid());
    return err_set(
        e, ERR_SANDBOX, 0, "--limit cpu-share needs a cpu cgroup, and none can be had: %s%s", why,
        b->from_root ? "; leave the limit out" : "; leave the limit out, or run as root");
}

static int check_share(struct box *b, const char *why, struct err *e)
{
    if (!b->spec->limits[LIMIT_CPU_SHARE] || b->cg.has_cpu || refuse_share(b, why, e) == 0)
        return 0;
    if (b->spec->mode != MODE_CHECK)
        return -1;
    buf_putf(&b->weaker, "%s\n", e->msg); /* told, and the other layers looked at */
    return 0;
}

/* Without a group it goes on, weaker; but not without a share of the processor that was asked for.
 */
static int go_without(struct box *b, const char *why, struct err *e)
{
    b->cg = no_group;
    buf_putf(&b->weaker,
             "no memory cgroup (%s): memory is summed ten times a second, a fast allocation can "
             "pass the limit for a moment, and what waits in unix sockets is not counted\n",
             why);
    return check_share(b, why, e);
}

int cgroup_make(struct box *b, struct err *e)
{
    struct place p = { .owner = getpid() };
    cleanup_buf struct buf why = BUF_MAX(1024);
    bool found = find_place(b, &p, &why);
    int r;

    b->cg = no_group;
    r = found ? keeper_start(b, &p, e) : go_without(b, buf_cstr(&why), e);
    free(p.parent);
    return r;
}

int cgroup_await(struct box *b, struct err *e)
{
    int sys = 0;

    if (b->cg.keeper <= 0 || b->cg.answered)
        return 0;
    int r = keeper_answer(b, &sys);
    if (r < 0)
        return err_set(e, ERR_SANDBOX, errno,
                       "the cgroup's keeper ended before it had made the group");
    if (r == 0)
        return check_share(b, "its cpu group cannot be made", e);
    cgroup_release(&b->cg);
    cleanup_free char *why = xasprintf("cannot make a group: %s", strerror(sys));
    return go_without(b, why, e);
}

int cgroup_join(struct box *b, struct err *e)
{
    for (size_t i = 0; i < b->cg.n_attach; i++)
        if (write(b->cg.attach_fds[i], "0", 1) != 1)
            return err_set(e, ERR_SANDBOX, errno,
                           "cannot move into the cgroup (kernels before 5.16 may refuse)");
    if (b->lone)
        return 0;
    /* Now, so that the group just joined is the root that is seen inside. */
    if (unshare(CLONE_NEWCGROUP) < 0)
        return hint_namespace(e, errno, "unshare the cgroup namespace");
    return 0;
}

/* --- reading --- */

static int64_t number_after(int fd, const char *key)
{
    char text[4096];

    if (!cgroup_read(fd, text, sizeof text))
        return -1;
    const char *at = key ? strstr(text, key) : text;
    return at ? strtoll(at + (key ? strlen(key) : 0), NULL, 10) : -1;
}

int64_t cgroup_oom_kills(const struct cgroup *cg)
{
    int64_t n = number_after(cg->events_fd, "oom_kill ");

    return n < 0 ? 0 : n;
}

int64_t cgroup_peak(const struct cgroup *cg)
{
    return number_after(cg->peak_fd, NULL);
}

int64_t cgroup_cpu_ms(const struct cgroup *cg)
{
    int64_t us = number_after(cg->cpu_fd, "usage_usec ");

    return us < 0 ? -1 : us / 1000;
}

int64_t cgroup_throttled_ms(const struct cgroup *cg)
{
    int64_t us = number_after(cg->share_fd, "throttled_usec "); /* version 2 */

    return us >= 0 ? us / 1000 : number_after(cg->share_fd, "throttled_time ") / 1000000;
}
