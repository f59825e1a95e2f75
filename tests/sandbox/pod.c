/* pod MODE COMMAND...: runs a command where namespaces are forbidden, as a container engine's
 * seccomp profile does it: unshare, setns, mount and clone with a flag of a new namespace answer
 * EPERM, clone3 answers ENOSYS. MODE "mount" forbids mounts only, as a covered /proc does; "names"
 * forbids a host name only, as Podman of an ordinary user does; "bare" is "docker" where Landlock
 * is not to be had either. Not a test by itself: the tests start agent-sandbox below it. */
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define NAMESPACES                                                                                 \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |  \
     CLONE_NEWNET)

int main(int argc, char **argv)
{
    static const int mounts[] = { SCMP_SYS(mount),        SCMP_SYS(umount2),
                                  SCMP_SYS(pivot_root),   SCMP_SYS(open_tree),
                                  SCMP_SYS(move_mount),   SCMP_SYS(fsopen),
                                  SCMP_SYS(mount_setattr) };
    static const int spaces[] = { SCMP_SYS(unshare), SCMP_SYS(setns) };
    static const int names[] = { SCMP_SYS(sethostname), SCMP_SYS(setdomainname) };
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
    int r = 0;

    if (argc < 3 || ctx == NULL) {
        fprintf(stderr, "usage: pod docker|mount|names|bare COMMAND...\n");
        return 125;
    }
    bool only_mounts = strcmp(argv[1], "mount") == 0, only_names = strcmp(argv[1], "names") == 0;
    bool no_spaces = !only_mounts && !only_names;
    for (size_t i = 0; r == 0 && only_names && i < sizeof names / sizeof names[0]; i++)
        r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), names[i], 0);
    for (size_t i = 0; r == 0 && !only_names && i < sizeof mounts / sizeof mounts[0]; i++)
        r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), mounts[i], 0);
    for (size_t i = 0; r == 0 && no_spaces && i < sizeof spaces / sizeof spaces[0]; i++)
        r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), spaces[i], 0);
    for (unsigned bit = 0; r == 0 && no_spaces && bit < 32; bit++)
        if (NAMESPACES & 1u << bit)
            r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                                 SCMP_A0(SCMP_CMP_MASKED_EQ, 1u << bit, 1u << bit));
    if (r == 0 && no_spaces)
        r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    if (r == 0 && strcmp(argv[1], "bare") == 0)
        r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EOPNOTSUPP), SCMP_SYS(landlock_create_ruleset), 0);
    /* Root stays root: no_new_privs would be set otherwise, and is no part of such a profile. */
    if (r == 0 && geteuid() == 0)
        r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);
    if (r == 0)
        r = seccomp_load(ctx);
    if (r < 0) {
        fprintf(stderr, "pod: %s\n", strerror(-r));
        return 125;
    }
    execvp(argv[2], argv + 2);
    perror(argv[2]);
    return 127;
}
