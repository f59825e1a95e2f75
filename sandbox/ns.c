/* Identity and namespaces. The one unprivileged path: whoever started us, a user namespace is made
 * by an ordinary uid, and that uid is the only one mapped. Were host uid 0 mapped, sandboxed code
 * could write /proc/sys/kernel/core_pattern, because the kernel asks for the uid there and not for
 * capabilities. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/futex.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "sandbox/box.h"
#include "sandbox/raw.h"
#include "agent/base/mem.h"
#include "agent/base/banned.h"

/* Above what distributions give to users, services and containers; with the pid added, no two
 * living sandboxes share an id, so that none can signal or count against another. */
#define FIRST_ID 0x7a000000u

/* The highest id that is mapped here; 0 = only root's. */
static unsigned highest_id(const char *map_path)
{
    unsigned long long inside, outside, count, highest = 0;
    FILE *map = fopen(map_path, "re");

    while (map && fscanf(map, "%llu %llu %llu", &inside, &outside, &count) == 3)
        if (count > 0 && inside + count - 1 > highest)
            highest = inside + count - 1;
    if (map)
        fclose(map);
    return (unsigned)highest;
}

static int set_uid(unsigned id)
{
    return setresuid(id, id, id);
}

static int set_gid(unsigned id)
{
    return setresgid(id, id, id);
}

/* Becomes *id or, where that is not mapped (a rootless container has some 65536 ids), the highest
 * id that is. *id 0: that is root's, and nothing was set. */
static int become(int (*set)(unsigned), const char *map_path, unsigned *id)
{
    if (set(*id) == 0)
        return 0;
    if (errno != EINVAL)
        return -1;
    *id = highest_id(map_path);
    return *id == 0 ? 0 : set(*id);
}

int ns_drop_root(struct box *b, struct err *e)
{
    uid_t r, u, s;

    if (!b->from_root) {
        b->uid = getuid();
        b->gid = getgid();
        return 0;
    }
    b->uid = b->gid = FIRST_ID + (unsigned)getpid();
    int done = become(set_gid, "/proc/self/gid_map", &b->gid);
    if (done == 0 && b->gid > 0)
        done = setgroups(0, NULL);
    if (done == 0 && b->gid > 0)
        done = become(set_uid, "/proc/self/uid_map", &b->uid);
    if (done < 0)
        return err_set(e, ERR_SANDBOX, errno,
                       "cannot become the ordinary user %u (a container without CAP_SETUID and "
                       "CAP_SETGID? add "
                       "them, or start agent-sandbox as an ordinary user)",
                       (unsigned)b->uid);
    if (b->uid == 0 || b->gid == 0)
        return err_set(
            e, ERR_SANDBOX, 0,
            "root is the only user that exists here (a user namespace that maps no other, or no "
            "/proc), so there is no "
            "ordinary user to become; start agent-sandbox as an ordinary user, or map more ids");
    if (getresuid(&r, &u, &s) < 0 || r != b->uid || u != b->uid || s != b->uid ||
        getgid() != b->gid)
        return err_set(e, ERR_SANDBOX, 0, "the change to user %u did not take", (unsigned)b->uid);
    /* A change of uid made /proc/self root's; the child must write its id maps there. */
    if (prctl(PR_SET_DUMPABLE, 1) < 0)
        return err_set(e, ERR_SANDBOX, errno, "prctl(PR_SET_DUMPABLE)");
    return 0;
}

/* Two things take the kernel long: a network namespace half a millisecond, and taking the old root
 * out of the tree as long as all processors need to notice, which on a busy machine is ten. So a
 * process that shares our memory and descriptors does both while init goes on, without libc, whose
 * errno is ours. On a busy machine it may not have begun when init needs the first, which init
 * makes itself then. Nobody waits for the end of the second: the old root is out of reach at its
 * beginning, and the command's process looks before its exec whether it is. */
enum { ASIDE_ENDED, ASIDE_BEGUN, ASIDE_NET_MADE };
static struct {
    int state;      /* a futex; the kernel itself sets ASIDE_ENDED, however the process ends */
    bool net_taken; /* by whom comes first */
    long fd;        /* of the network namespace, or -errno */
    const char *what;
    int pivoted;   /* a futex: set by init */
    long detached; /* of the old root: 0 or -errno */
    _Alignas(16) char stack[16384];
} aside = { .fd = -ECANCELED, .what = "a network namespace", .detached = -ECANCELED };

static void futex_set(int *word, int value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
    raw6(SYS_futex, (long)word, FUTEX_WAKE, 1, 0, 0, 0);
}

/* Returns when `word` is no longer `value`, or after `ns`. Not the private kind: the kernel wakes
 * the shared one when a process ends. */
static void futex_wait(int *word, int value, long ns)
{
    const struct timespec time = { .tv_nsec = ns };

    raw6(SYS_futex, (long)word, FUTEX_WAIT, value, (long)&time, 0, 0);
}

/* A wake that was refused costs a millisecond. */
static void futex_wait_while(int *word, int value)
{
    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == value)
        futex_wait(word, value, 1000000);
}

static bool take_net(void)
{
    return !__atomic_exchange_n(&aside.net_taken, true, __ATOMIC_ACQ_REL);
}

static void make_net_aside(void)
{
    aside.what = "unshare the network namespace";
    aside.fd = raw4(SYS_unshare, CLONE_NEWNET, 0, 0, 0);
    if (aside.fd == 0) {
        aside.what = "/proc/self/ns/net";
        aside.fd = raw4(SYS_openat, AT_FDCWD, (long)aside.what, O_RDONLY | O_CLOEXEC, 0);
    }
}

static int work_aside(void *arg)
{
    (void)arg;
    if (take_net())
        make_net_aside();
    futex_set(&aside.state, ASIDE_NET_MADE);
    futex_wait_while(&aside.pivoted, 0);
    /* pivot_root() has made the new root ours too; the old one lies on it. Our working directory
     * would still be in that. */
    aside.detached = raw4(SYS_chdir, (long)"/", 0, 0, 0);
    if (aside.detached == 0)
        aside.detached = raw4(SYS_umount2, (long)"/", MNT_DETACH, 0, 0);
    return 0;
}

int ns_aside_begin(struct box *b, struct err *e)
{
    (void)b;
    aside.state = ASIDE_BEGUN;
    if (clone(work_aside, aside.stack + sizeof aside.stack,
              CLONE_VM | CLONE_FILES | CLONE_CHILD_CLEARTID | SIGCHLD, NULL, NULL, NULL,
              &aside.state) < 0)
        return err_set(e, ERR_SANDBOX, errno, "clone");
    return 0;
}

void ns_aside_pivoted(void)
{
    futex_set(&aside.pivoted, 1);
}

/* While the old root lies on the new one, ".." of the root is another mount. */
static bool old_root_is_there(void)
{
    struct statx root, above;

    return statx(AT_FDCWD, "/", 0, STATX_MNT_ID, &root) < 0 ||
           statx(AT_FDCWD, "/..", 0, STATX_MNT_ID, &above) < 0 ||
           !(root.stx_mask & above.stx_mask & STATX_MNT_ID) || root.stx_mnt_id != above.stx_mnt_id;
}

int ns_aside_join(struct box *b, struct err *e)
{
    (void)b;
    while (__atomic_load_n(&aside.state, __ATOMIC_ACQUIRE) != ASIDE_ENDED) {
        if (!old_root_is_there())
            return 0;
        futex_wait(&aside.state, ASIDE_NET_MADE, 50000);
    }
    if (aside.detached < 0)
        return err_set(e, ERR_SANDBOX, (int)-aside.detached, "leave the host's root");
    return 0;
}

int ns_net_join(struct box *b, struct err *e)
{
    (void)b;
    if (take_net())
        return unshare(CLONE_NEWNET) < 0 ? hint_namespace(e, errno, "unshare the network namespace")
                                         : 0;
    futex_wait_while(&aside.state, ASIDE_BEGUN);
    if (aside.fd < 0)
        return hint_namespace(e, (int)-aside.fd, aside.what);
    cleanup_fd int fd = (int)aside.fd;
    if (setns(fd, CLONE_NEWNET) < 0)
        return hint_namespace(e, errno, "join the network namespace");
    return 0;
}

pid_t ns_fork(struct box *b, int *ret_pidfd, struct err *e)
{
    /* CLONE_NEWCGROUP comes later, in cgroup_join(): it takes the group at that moment as its root.
     * CLONE_NEWNET too, in ns_aside_begin(). */
    unsigned long flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS |
                          CLONE_PIDFD | SIGCHLD;
    int pidfd = -1;

    if (b->lone)
        flags = CLONE_PIDFD | SIGCHLD;
    /* The system call itself: libc's clone() wants a stack, and a fork is meant. */
    long pid = syscall(SYS_clone, flags, 0, &pidfd, 0, 0);
    if (pid < 0)
        return b->lone ? err_set(e, ERR_SANDBOX, errno, "fork")
                       : hint_namespace(e, errno, "clone with new namespaces");
    if (pid > 0)
        *ret_pidfd = pidfd;
    return (pid_t)pid;
}

/* The last holder of a mount namespace takes its mounts apart when it ends, and waits for all
 * processors meanwhile: a third of a millisecond, which init's end would cost the caller. So the
 * last holder is a socket that only a message in its own queue refers to, and the message holds the
 * namespace too. Once init has closed its end, the kernel's collector of such circles finds it, in
 * its own time. Where that cannot be set up, the end is slower and nothing else. */
int ns_linger(struct box *b, struct err *e)
{
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(2 * sizeof(int))];
    } control = { 0 };
    char byte = 0;
    struct iovec iov = { &byte, 1 };
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
    };
    cleanup_fd int ns = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    int pair[2];

    (void)b;
    (void)e;
    if (ns < 0 || socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) < 0)
        return 0;
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(2 * sizeof(int));
    memcpy(CMSG_DATA(c), (int[]){ ns, pair[1] }, 2 * sizeof(int));
    if (sendmsg(pair[0], &msg, MSG_NOSIGNAL) < 0) {
        close(pair[0]);
        close(pair[1]);
    }
    return 0;
}

static int write_proc(const char *path, const char *text, struct err *e)
{
    cleanup_fd int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        return hint_namespace(e, errno, path);
    return 0;
}

int ns_map_ids(struct box *b, struct err *e)
{
    char map[64];

    /* Dies with the helper. The leash covers the moment before this call. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return err_set(e, ERR_SANDBOX, errno, "prctl(PR_SET_PDEATHSIG)");
    /* setgroups must be off before an unprivileged process may write its gid_map. */
    if (write_proc("/proc/self/setgroups", "deny", e) < 0)
        return -1;
    snprintf(map, sizeof map, "%d %u 1", INNER_ID, (unsigned)b->gid);
    if (write_proc("/proc/self/gid_map", map, e) < 0)
        return -1;
    snprintf(map, sizeof map, "%d %u 1", INNER_ID, (unsigned)b->uid);
    return write_proc("/proc/self/uid_map", map, e);
}

/* Of the user namespace, and so of an ordinary user too: what the kernel counts for a user it
 * counts in the namespace above as well, and the user's own programs would be refused what the code
 * took. */
static const struct {
    const char *path, *most, *why;
} counters[] = {
    { "/proc/sys/user/max_inotify_instances", "32", "the usual limit of a user is 128" },
    { "/proc/sys/user/max_inotify_watches", "8192", "each holds memory of the kernel" },
    { "/proc/sys/user/max_user_namespaces", "0", "none within, should seccomp have a hole" },
};

int ns_counters(struct box *b, struct err *e)
{
    (void)b;
    for (size_t i = 0; i < ARRAY_LEN(counters); i++) {
        cleanup_fd int fd = open(counters[i].path, O_WRONLY | O_CLOEXEC);
        /* A kernel without it, or a container that shows /proc/sys read-only: it stays the user's.
         */
        if (fd < 0 && (errno == ENOENT || errno == EROFS))
            continue;
        if (fd < 0 || write(fd, counters[i].most, strlen(counters[i].most)) < 0)
            return err_set(e, ERR_SANDBOX, errno, "cannot set %s to %s", counters[i].path,
                           counters[i].most);
    }
    return 0;
}

void ns_print(struct buf *out)
{
    buf_puts(out, "What a user namespace may use of the kernel (value; why)\n");
    for (size_t i = 0; i < ARRAY_LEN(counters); i++)
        buf_putf(out, "  %-38s %-6s %s\n", counters[i].path, counters[i].most, counters[i].why);
}

int ns_names(struct box *b, struct err *e)
{
    (void)b;
    if (sethostname("sandbox", 7) < 0 || setdomainname("", 0) < 0)
        return hint_namespace(e, errno, "set the sandbox's host name");
    return 0;
}

int ns_session(struct box *b, struct err *e)
{
    if (setsid() < 0)
        return err_set(e, ERR_SANDBOX, errno, "setsid");
    /* The caller's session keyring is inherited, and keyrings know no namespaces. ENOSYS: this
     * kernel has none. A container's filter refuses the call with EPERM to us and so to everything
     * below us. */
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS &&
        !(b->lone && errno == EPERM))
        return err_set(e, ERR_SANDBOX, errno, "cannot leave the caller's session keyring");
    return 0;
}
