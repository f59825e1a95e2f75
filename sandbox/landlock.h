/* Landlock: a second opinion on files, sockets and signals, held by another part of the kernel than the
 * mount namespace is. It catches a mistake in the mount plan, a descriptor that leaked in, and
 * signals to processes outside.
 *
 * Everything here is static inline and free of libc, because context.so (no libc) enters a domain of its own with
 * the same code and the same table. */
#ifndef SANDBOX_LANDLOCK_H
#define SANDBOX_LANDLOCK_H

#include <fcntl.h>
#include <stdint.h>
#include <sys/syscall.h>
#include "sandbox/raw.h"

/* Numbers of our own: the headers of Debian 12 end at the third level. */
#ifndef __NR_landlock_create_ruleset
#define __NR_landlock_create_ruleset 444
#define __NR_landlock_add_rule 445
#define __NR_landlock_restrict_self 446
#endif

enum {
    LL_EXECUTE = 1 << 0,
    LL_WRITE = 1 << 1,
    LL_READ = 1 << 2,
    LL_READ_DIR = 1 << 3,
    LL_REMOVE_DIR = 1 << 4,
    LL_REMOVE_FILE = 1 << 5,
    LL_MAKE_CHAR = 1 << 6,
    LL_MAKE_DIR = 1 << 7,
    LL_MAKE_REG = 1 << 8,
    LL_MAKE_SOCK = 1 << 9,
    LL_MAKE_FIFO = 1 << 10,
    LL_MAKE_BLOCK = 1 << 11,
    LL_MAKE_SYM = 1 << 12,
    LL_REFER = 1 << 13,     /* level 2 */
    LL_TRUNCATE = 1 << 14,  /* level 3 */
    LL_IOCTL_DEV = 1 << 15, /* level 5 */

    LL_LOOK = LL_EXECUTE | LL_READ | LL_READ_DIR,
    LL_EDIT = LL_WRITE | LL_TRUNCATE,
    LL_MAKE = LL_REMOVE_DIR | LL_REMOVE_FILE | LL_MAKE_DIR | LL_MAKE_REG | LL_MAKE_SOCK |
              LL_MAKE_FIFO | LL_MAKE_SYM | LL_REFER,
};

/* Whose domain a row belongs to. */
enum { LL_COMMAND = 1, LL_TEMPLATE = 2, LL_CONTEXT = 4, LL_ALL = 7 };

struct landlock_row {
    const char *path; /* inside; a row whose path is missing is skipped: nothing is granted */
    uint64_t rights;
    unsigned domains;
    const char *why;
};

/* What no row grants is refused: device nodes, ioctl on devices, TCP, and from level 6 on abstract sockets and signals that
 * would leave the domain. */
static const struct landlock_row landlock_table[] = {
    { "/", LL_LOOK, LL_ALL,
      "all that the mount plan shows may be read; nothing outside it, were it reachable" },
    { "/workspace", LL_EDIT | LL_MAKE, LL_ALL, "the working directory" },
    { "/tmp", LL_EDIT | LL_MAKE, LL_ALL, "temporary files" },
    { "/dev/shm", LL_EDIT | LL_MAKE, LL_ALL,
      "semaphores and shared memory of multiprocessing" },
    { "/dev", LL_EDIT, LL_ALL, "writing to /dev/null and its like" },
    { "/proc", LL_EDIT, LL_TEMPLATE,
      "a context raises its own oom_score_adj before it enters its domain; after that it cannot lower it" },
    { "/output", LL_EDIT | LL_MAKE, LL_COMMAND | LL_TEMPLATE,
      "trusted code places files there for contexts, which may only read them" },
};
enum { LANDLOCK_ROWS = sizeof landlock_table / sizeof landlock_table[0] };

/* The kernel's level (1..), or -errno: -ENOSYS not built in, -EOPNOTSUPP not enabled at boot. */
static inline long landlock_abi(void)
{
    return raw4(__NR_landlock_create_ruleset, 0, 0, 1 /* LANDLOCK_CREATE_RULESET_VERSION */, 0);
}

struct landlock_attr {
    uint64_t handled_access_fs, handled_access_net, scoped;
};

/* What level `abi` can restrict; returns the size of the struct as that level knows it. */
static inline long landlock_fill(struct landlock_attr *attr, long abi)
{
    uint64_t fs = (1u << 13) - 1;

    if (abi >= 2)
        fs |= LL_REFER;
    if (abi >= 3)
        fs |= LL_TRUNCATE;
    if (abi >= 5)
        fs |= LL_IOCTL_DEV;
    attr->handled_access_fs = fs;
    attr->handled_access_net = abi >= 4 ? 3 : 0; /* TCP bind and connect */
    attr->scoped = abi >= 6 ? 3 : 0;             /* abstract unix sockets, signals */
    return abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
}

/* Enters the domain: 0, or -errno with *step naming the call. Needs no_new_privs. A kernel without
 * Landlock is the caller's decision: ask landlock_abi() first. */
static inline long landlock_enter(long abi, unsigned domain, const char **step)
{
    struct landlock_attr attr;
    long size = landlock_fill(&attr, abi);

    *step = "landlock_create_ruleset";
    long ruleset = raw4(__NR_landlock_create_ruleset, (long)&attr, size, 0, 0);
    if (ruleset < 0)
        return ruleset;
    for (int i = 0; i < LANDLOCK_ROWS; i++) {
        struct {
            uint64_t rights;
            int32_t fd;
        } __attribute__((packed)) rule;

        if (!(landlock_table[i].domains & domain))
            continue;
        *step = landlock_table[i].path;
        long fd = raw4(__NR_openat, AT_FDCWD, (long)landlock_table[i].path, O_PATH | O_CLOEXEC, 0);
        if (fd == -2 /* ENOENT */)
            continue;
        if (fd < 0)
            return fd;
        rule.rights = landlock_table[i].rights & attr.handled_access_fs;
        rule.fd = (int32_t)fd;
        long r = raw4(__NR_landlock_add_rule, ruleset, 1 /* path beneath */, (long)&rule, 0);
        raw4(__NR_close, fd, 0, 0, 0);
        if (r < 0)
            return r;
    }
    *step = "landlock_restrict_self";
    long r = raw4(__NR_landlock_restrict_self, ruleset, 0, 0, 0);
    raw4(__NR_close, ruleset, 0, 0, 0);
    return r;
}

#endif
