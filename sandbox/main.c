/* agent-sandbox: builds a sandbox and runs one command in it.
 *
 * Theory of operation. Up to five processes, of which only the last runs foreign code:
 *
 *   helper    this program as it was started. Parses all of the command line, opens what the host
 *             contributes, becomes an ordinary uid if it was root, forks init into new namespaces,
 * and then waits for it, for the caller's lifeline and for the limits that the kernel does not
 * watch. keeper    only with a cgroup: keeps the privilege to remove it, and does so when all
 * others are gone. init      pid 1 inside. Builds the file tree, drops all rights, forks the
 * command, reaps. command   puts on limits, Landlock and seccomp, in that order, and becomes the
 * command.
 *
 * Pipes: `gate` keeps the command's process from its exec until init is ready; `info` carries
 * struct info records from init and command to the helper (set-up failures, the command's end);
 * `ready` is close-on-exec in the command's process alone, so its hang-up says that the command
 * runs (or failed, which `info` told before); `leash` is held by the helper alone, so that its
 * hang-up tells init that the helper is gone.
 *
 * No memory of a caller may be seen inside: pid 1 is a copy of this process. So it starts with an
 * empty environment, or empties it; and init cannot be inspected.
 *
 * Order matters in both step tables below; each row says why. Any failure ends in exit status 125
 * and nothing runs. There is no path around a layer, except where a row says "weaker". */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "sandbox/box.h"
#include "sandbox/check.h"
#include "sandbox/denied.h"
#include "sandbox/status.h"
#include "agent/base/io.h"
#include "agent/base/mem.h"
#include "agent/base/stop.h"
#include "agent/base/banned.h"

extern char **environ;

static int open_trees_as_root(struct box *b, struct err *e)
{
    if (!b->from_root)
        return 0;
    /* Root of a container may lack the right over the mount namespace; then the child, which has
     * one of its own, opens them by the rights of the ordinary user. The kernel looks at the right
     * before it looks at the name, and no name leaves no mount behind: taking one apart again makes
     * the kernel wait for all processors. */
    cleanup_fd int probe =
        (int)syscall(SYS_open_tree, AT_FDCWD, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (probe < 0 && errno == EPERM)
        return 0;
    b->trees_open = true;
    return sources_open_trees(b, e);
}

static int open_trees_inside(struct box *b, struct err *e)
{
    return b->trees_open ? 0 : sources_open_trees(b, e);
}

struct step {
    const char *layer;
    int (*run)(struct box *b, struct err *e);
    const char *why;
};

static const struct step outer_steps[] = {
    { "refusals", denied_open, "with --denied-fd only: where refused calls are counted" },
    { "attachments", sources_open_files, "opened by the caller's own rights, before they change" },
    { "cgroup", cgroup_make,
      "needs the caller's rights; its keeper keeps them, and makes it while files are opened" },
    { "system files", open_trees_as_root,
      "root only: what root alone may reach is opened before root is given up" },
    { "user", ns_drop_root,
      "root only: from here on one path for all, and host uid 0 is never mapped" },
};

static const struct step inner_steps[] = {
    { "user namespace", ns_map_ids, "the one id, and nothing else, is mapped" },
    { "counters", ns_counters, "what the kernel counts for a user and no limit below holds" },
    { "limits", command_oom_score, "the command is killed first where memory runs out" },
    { "network", ns_aside_begin,
      "its namespace takes the longest, and is made while the file tree is built" },
    { "host name", ns_names, "while there is the right to set it" },
    { "system files", open_trees_inside, "in our own mount namespace, before anything is covered" },
    { "cgroup", cgroup_await, "made by now, or waited for" },
    { "cgroup", cgroup_join,
      "before memory is used, and before its own namespace hides where it is" },
    { "mounts", mounts_build, "the file tree, from open descriptors" },
    { "egress", egress_send,
      "with --egress-fd only: the socket is made in the new tree, its listening end leaves" },
    { "root", mounts_pivot, "the host's tree is covered, and being taken away" },
    { "devices", devices_check, "with --device only: may the code open them?" },
    { "workspace", workspace_send, "the caller's view of the results" },
    { "meter", meter_send, "without a cgroup only: lets the helper count what lies in the tmpfs" },
    { "end", ns_linger, "not a layer: the mounts are taken apart after the end, not before it" },
    { "session", ns_session, "no terminal, no keyring of the caller" },
    { "network", ns_net_join, "an empty one; nothing before this needs it" },
    { "capabilities", caps_drop, "nothing after this needs them; also sets no_new_privs" },
};

/* Without namespaces: --backend best, where the steps above were tried and refused. */
static const struct step lone_outer_steps[] = {
    { "refusals", denied_open, "with --denied-fd only; without namespaces it stays empty" },
    { "landlock", lone_level, "it alone holds the files: without it nothing runs" },
    { "attachments", sources_open_files, "opened by the caller's own rights, before they change" },
    { "cgroup", cgroup_make, "needs the caller's rights; its keeper keeps them" },
    { "user", ns_drop_root, "root becomes a user of the run's own" },
    { "cgroup", cgroup_await, "before files are made that a failure would leave behind" },
    { "files", lone_files, "the private directory, owned by the user that the code runs as" },
    { "workspace", workspace_send, "the caller's view of the results" },
    { "process limit", lone_count, "the kernel counts all processes of a user" },
    { "reaper", lone_reaper, "should init be killed, the helper inherits what it held" },
};

static const struct step lone_inner_steps[] = {
    { "devices", devices_check, "with --device only: judged, and may the code open them?" },
    { "reaper", lone_reaper, "orphans of the code become init's children, so that it finds them" },
    { "cgroup", cgroup_join, "before memory is used" },
    { "session", ns_session, "no terminal, no keyring of the caller" },
    { "capabilities", lone_rights, "none, and no_new_privs" },
};

/* What command.c and init.c do after the steps above, for --policy. */
static const struct step last_steps[] = {
    { "descriptors", NULL, "all but 0, 1, 2 and --pass-fd close" },
    { "limits", NULL, "the command's own, not pid 1's" },
    { "root", NULL, "waits until the host's tree is out of reach" },
    { "landlock", NULL, "before seccomp, which refuses its calls" },
    { "seccomp", NULL, "last, so that it need not permit any call of the set-up" },
    { "pid 1", NULL, "meanwhile pid 1 makes itself uninspectable and filters itself; exec waits" },
};

static void print_steps(struct buf *out, const char *who, const struct step *steps, size_t n)
{
    buf_putf(out, "Steps of %s, in order\n", who);
    for (size_t i = 0; i < n; i++)
        buf_putf(out, "  %-16s %s\n", steps[i].layer, steps[i].why);
}

void steps_print(struct buf *out)
{
    print_steps(out, "the helper", outer_steps, ARRAY_LEN(outer_steps));
    print_steps(out, "pid 1, in new user, mount, pid, IPC and UTS namespaces", inner_steps,
                ARRAY_LEN(inner_steps));
    print_steps(out, "the helper, without namespaces (--backend best where they are refused)",
                lone_outer_steps, ARRAY_LEN(lone_outer_steps));
    print_steps(out, "init, without namespaces", lone_inner_steps, ARRAY_LEN(lone_inner_steps));
    print_steps(out, "the command's process", last_steps, ARRAY_LEN(last_steps));
}

void box_fail(struct box *b, const char *layer, const struct err *e)
{
    struct info info = { .kind = INFO_FAILED, .err = *e };

    snprintf(info.layer, sizeof info.layer, "%s", layer);
    if (write(b->info_fd, &info, sizeof info) < 0)
        _exit(124); /* nobody listens any more */
    _exit(125);
}

int box_report(const struct spec *s, const char *layer, const struct err *e, int exit_status)
{
    fprintf(stderr, "agent-sandbox: %s: %s\n", layer, e->msg);
    status_error(s->status_fd, layer, e);
    return exit_status;
}

static void run_inner_steps(struct box *b, const struct step *steps, size_t n)
{
    struct err e = ERR_INIT;

    for (size_t i = 0; i < n; i++)
        if (steps[i].run(b, &e) < 0)
            box_fail(b, steps[i].layer, &e);
}

/* In the new namespaces: init, and from it the command. */
__attribute__((noreturn)) static void inside(struct box *b, int ready_fd)
{
    struct err e = ERR_INIT;

    if (b->lone)
        run_inner_steps(b, lone_inner_steps, ARRAY_LEN(lone_inner_steps));
    else
        run_inner_steps(b, inner_steps, ARRAY_LEN(inner_steps));
    int gate[2];
    if (!b->lone && !command_shares_memory(b) && ns_aside_join(b, &e) < 0)
        box_fail(b, "root", &e);
    pid_t command = pipe2(gate, O_CLOEXEC) < 0 ? -1 : command_start(b, gate);
    if (command < 0) {
        err_set(&e, ERR_SANDBOX, errno, "fork");
        box_fail(b, "command", &e);
    }
    close(gate[0]);
    close(ready_fd);
    init_run(b, command, gate[1]);
}

static int run_outer_steps(struct box *b, const struct step *steps, size_t n, struct err *e,
                           const char **layer)
{
    for (size_t i = 0; i < n; i++) {
        *layer = steps[i].layer;
        if (steps[i].run(b, e) < 0)
            return -1;
    }
    return 0;
}

static int run_box(struct box *b, struct err *e, const char **layer)
{
    cleanup_fd int pidfd = -1, info_in = -1, ready_in = -1;
    int info[2], ready[2], leash[2];

    b->landlock = landlock_level();
    if (b->landlock < 0) {
        b->landlock = 0;
        buf_puts(&b->weaker, "no Landlock in this kernel: files and signals are held by namespaces "
                             "and seccomp alone\n");
    }
    if ((b->lone ? run_outer_steps(b, lone_outer_steps, ARRAY_LEN(lone_outer_steps), e, layer)
                 : run_outer_steps(b, outer_steps, ARRAY_LEN(outer_steps), e, layer)) < 0)
        return -1;
    if (b->spec->mode == MODE_CHECK) {
        if (cgroup_await(b, e) < 0) /* it tells of the group */
            return -1;
        check_head(b);
    }
    *layer = b->lone ? "processes" : "namespaces";
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, info) < 0 ||
        pipe2(ready, O_CLOEXEC) < 0 || pipe2(leash, O_CLOEXEC) < 0)
        return err_set(e, ERR_SANDBOX, errno, "pipe");
    info_in = info[0];
    b->info_fd = info[1];
    ready_in = ready[0];
    b->leash_fd = leash[0];
    b->leash_out = leash[1];
    pid_t init = ns_fork(b, &pidfd, e);
    if (init < 0)
        return -1;
    if (init == 0) {
        cleanup_closep(&b->leash_out);
        close(steal_fd(&info_in));
        close(steal_fd(&ready_in));
        inside(b, ready[1]);
    }
    /* The child needs it on to write its id maps; here nothing does. */
    prctl(PR_SET_DUMPABLE, 0);
    close(b->info_fd);
    close(ready[1]);
    close(b->leash_fd);
    ops_free(b);
    if (cgroup_await(b, e) < 0) {
        *layer = "cgroup";
        syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
        waitpid(init, NULL, 0);
        return -1;
    }
    return box_watch(b, init, pidfd, info_in, ready_in);
}

static struct box new_box(const struct spec *s)
{
    return (struct box){ .spec = s,
                         .from_root = geteuid() == 0,
                         .weaker = BUF_MAX(8192),
                         .info_fd = -1,
                         .leash_fd = -1,
                         .leash_out = -1,
                         .meter_fds = { -1, -1, -1, -1 },
                         .listener = -1,
                         .start_us = now_us() };
}

/* --- --backend best: are namespaces to be had? --- */

/* Refusals that mean "not here". Any other failure (memory, descriptors, a path that is wrong)
 * would be one with namespaces or without, and ends the start. */
static bool is_forbidden(const struct info *info)
{
    static const struct {
        const char *layer;
        int errors[7];
    } rows[] = {
        { "namespaces", { EPERM, EACCES, ENOSYS, EINVAL, ENOSPC, EUSERS } },
        { "user namespace", { EPERM, EACCES, ENOENT } },
        { "network", { EPERM, ENOSPC, EINVAL } },
        { "host name", { EPERM, EACCES } },
        { "system files", { EPERM, ENOSYS } },
        { "cgroup namespace", { EPERM, ENOSPC } },
        { "mounts", { EPERM, EACCES, ENOSYS } },
        { "root", { EPERM, EACCES, ENOSYS } },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (size_t k = 0; strcmp(rows[i].layer, info->layer) == 0 && k < ARRAY_LEN(rows[i].errors);
             k++)
            if (rows[i].errors[k] && rows[i].errors[k] == info->err.sys)
                return true;
    return false;
}

static int cgroup_space(struct box *b, struct err *e)
{
    (void)b;
    return unshare(CLONE_NEWCGROUP) < 0 ? hint_namespace(e, errno, "unshare the cgroup namespace")
                                        : 0;
}

/* Everything that takes namespaces, without the caller's files, limits and command. */
__attribute__((noreturn)) static void trial(struct box *b)
{
    static const struct step before[] = {
        { "system files", open_trees_as_root, "" },
        { "user", ns_drop_root, "" },
    };
    static const struct step within[] = {
        { "user namespace", ns_map_ids, "" },
        { "network", ns_aside_begin, "" },
        { "host name", ns_names, "" },
        { "system files", open_trees_inside, "" },
        { "cgroup namespace", cgroup_space, "" },
        { "mounts", mounts_build, "" },
        { "root", mounts_pivot, "" },
        { "network", ns_net_join, "" },
        { "root", ns_aside_join, "" },
    };
    struct info info = { .kind = INFO_ENDED };
    struct err e = ERR_INIT;
    int pidfd;

    run_inner_steps(b, before, ARRAY_LEN(before));
    pid_t pid = ns_fork(b, &pidfd, &e);
    if (pid < 0)
        box_fail(b, "namespaces", &e);
    if (pid == 0) {
        run_inner_steps(b, within, ARRAY_LEN(within));
        _exit(write(b->info_fd, &info, sizeof info) < 0);
    }
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    _exit(0);
}

/* 1 = namespaces can be had, 0 = they are forbidden here (*ret says by what), -1 = another failure.
 */
static int try_namespaces(const struct spec *s, struct info *ret, struct err *e, const char **layer)
{
    cleanup_fd int in = -1;
    int info[2];

    *layer = "namespaces";
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, info) < 0)
        return err_set(e, ERR_SANDBOX, errno, "socketpair");
    in = info[0];
    pid_t pid = fork();
    if (pid == 0) {
        struct box b = new_box(s);
        b.info_fd = info[1];
        trial(&b);
    }
    int sys = errno;
    close(info[1]);
    if (pid < 0)
        return err_set(e, ERR_SANDBOX, sys, "fork");
    ssize_t n = read(in, ret, sizeof *ret);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    if (n != (ssize_t)sizeof *ret)
        return err_set(e, ERR_SANDBOX, 0,
                       "the trial of namespaces was killed before it could tell");
    ret->layer[sizeof ret->layer - 1] = '\0';
    if (ret->kind == INFO_ENDED)
        return 1;
    if (is_forbidden(ret))
        return 0;
    *e = ret->err;
    *layer = ret->layer;
    return -1;
}

static int run(const struct spec *s, struct err *e, const char **layer)
{
    static struct info tried; /* *layer may point into it */
    int status = s->best ? try_namespaces(s, &tried, e, layer) : 1;

    if (status < 0)
        return -1;
    struct box b = new_box(s);
    if (status == 0) {
        b.lone = true;
        char *advice =
            strstr(tried.err.msg, ". "); /* how to have them is for who insists on them */
        buf_putf(&b.weaker, "no namespaces, which this place forbids: %s: %.*s\n", tried.layer,
                 (int)(advice ? advice - tried.err.msg : (long)strlen(tried.err.msg)),
                 tried.err.msg);
    }
    status = run_box(&b, e, layer);
    for (size_t i = 0; i < METER_DIRS; i++)
        cleanup_closep(&b.meter_fds[i]);
    cleanup_closep(&b.leash_out);
    cleanup_closep(&b.listener);
    lone_remove(&b);
    ops_free(&b);
    cgroup_release(&b.cg);
    buf_free(&b.weaker);
    return status;
}

/* 0 to 2 exist, and are no way out: a directory there would be a door to the host's files. */
static int check_standard_fds(struct err *e)
{
    for (int fd = 0; fd < 3; fd++) {
        struct stat st;
        if (fstat(fd, &st) < 0 && open("/dev/null", fd == 0 ? O_RDONLY : O_WRONLY) != fd)
            return err_set(e, ERR_SANDBOX, errno, "cannot open /dev/null in place of descriptor %d",
                           fd);
        if (fstat(fd, &st) == 0 && (S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode)))
            return err_set(
                e, ERR_SANDBOX, 0,
                "descriptor %d is a %s of the host, and would be a way out; redirect it elsewhere",
                fd, S_ISDIR(st.st_mode) ? "directory" : "block device");
    }
    return 0;
}

static int set_check_limits(struct spec *s, struct err *e)
{
    for (size_t i = 0; check_limits[i]; i++) {
        enum limit_id id;
        int64_t v;
        cleanup_free char *name = xstrdup(check_limits[i]);
        char *eq = strchr(name, '=');
        *eq = '\0';
        if (limit_parse(name, eq + 1, &id, &v, e) < 0)
            return -1;
        s->limits[id] = v;
    }
    /* Is it to be had? So much that it hinders nothing. */
    if (!s->limits[LIMIT_CPU_SHARE])
        s->limits[LIMIT_CPU_SHARE] = limit_table[LIMIT_CPU_SHARE].max;
    return 0;
}

/* Pid 1 is a copy of this process, so nothing of the caller's environment may be left in it. The
 * strings are overwritten where the kernel put them, which is the one place they are in: nothing
 * before main() copies them, but for the names that libc itself reads. Where one of those is there,
 * this program starts again without any, which costs half a millisecond. */
static int forget_environment(char **argv)
{
    static const char *const copied[] = { "LD_", "GLIBC_", "MALLOC_" };
    static char *const nothing[] = { NULL };
    bool again = false;

#ifdef BUILD_ASAN
    again = environ && environ[0]; /* its run-time keeps a copy */
#endif
    for (char **v = environ; v && *v; v++)
        for (size_t i = 0; i < ARRAY_LEN(copied); i++)
            again = again || strncmp(*v, copied[i], strlen(copied[i])) == 0;
    if (again) {
        execve("/proc/self/exe", argv, nothing);
        perror("agent-sandbox: cannot start itself again with an empty environment (is /proc "
               "mounted?)");
        return -1;
    }
    for (char **v = environ; v && *v; v++)
        explicit_bzero(*v, strlen(*v));
    if (environ)
        *environ = NULL;
    return 0;
}

int main(int argc, char **argv)
{
    struct spec spec;
    struct err e = ERR_INIT;
    const char *layer = "start";

    if (forget_environment(argv) < 0)
        return 125;
    if (spec_parse(&spec, argc, argv, &e) < 0) {
        status_error(spec.status_fd, "options", &e);
        fprintf(stderr, "agent-sandbox: %s\n", e.msg);
        spec_free(&spec);
        return 125;
    }
    switch (spec.mode) {
    case MODE_HELP:
        spec_help(1);
        return 0;
    case MODE_VERSION:
        puts("agent-sandbox " AGENT_VERSION);
        return 0;
    case MODE_POLICY:
        return policy_print();
    case MODE_CHECK:
    case MODE_RUN:
        break;
    }
    int status = check_standard_fds(&e);
    if (status == 0 && spec.mode == MODE_CHECK)
        status = set_check_limits(&spec, &e);
    if (status == 0)
        status = run(&spec, &e, &layer);
    if (status < 0)
        status = box_report(&spec, layer, &e, 125);
    spec_free(&spec);
    return status;
}
