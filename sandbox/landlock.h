/* Landlock: a second opinion on files, sockets and signals, held by another part of the kernel than
 * the mount namespace is. It catches a mistake in the mount plan, a descriptor that leaked in, and
 * signals to processes outside.
 *
 * Everything here is static inline and free of libc, because context.so (no libc) enters a domain
 * of its own with the same code and the same table. */
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
    LL_DEVICE = LL_READ | LL_EDIT | LL_IOCTL_DEV,
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

/* What no row grants is refused: device nodes, ioctl on devices, TCP, and from level 6 on abstract
 * sockets and signals that would leave the domain. A unix socket with a path needs no right of
 * Landlock's: the one of --egress-fd is reached because the mount plan shows it. */
static const struct landlock_row landlock_table[] = {
    { "/", LL_LOOK, LL_ALL,
      "all that the mount plan shows may be read; nothing outside it, were it reachable" },
    { "/workspace", LL_EDIT | LL_MAKE, LL_ALL, "the working directory" },
    { "/tmp", LL_EDIT | LL_MAKE, LL_ALL, "temporary files" },
    { "/dev/shm", LL_EDIT | LL_MAKE, LL_ALL, "semaphores and shared memory of multiprocessing" },
    { "/dev", LL_EDIT, LL_ALL, "writing to /dev/null and its like" },
    { "/proc", LL_EDIT, LL_TEMPLATE,
      "a context raises its own oom_score_adj before it enters its domain; after that it cannot "
      "lower it" },
    { "/output", LL_EDIT | LL_MAKE, LL_COMMAND | LL_TEMPLATE,
      "trusted code places files there for contexts, which may only read them" },
};
enum { LANDLOCK_ROWS = sizeof landlock_table / sizeof landlock_table[0] };

/* Without namespaces the host's tree is what a path leads into, so what may be read is named piece
 * by piece. A path below `root` begins with a dot. What the caller shows with --ro comes on top. */
static const struct landlock_row landlock_lone_table[] = {
    { "/usr", LL_LOOK, LL_ALL, "interpreter, libraries, fonts, time zones" },
    { "/bin", LL_LOOK, LL_ALL, "where it is no link into /usr" },
    { "/sbin", LL_LOOK, LL_ALL, "likewise" },
    { "/lib", LL_LOOK, LL_ALL, "likewise" },
    { "/lib32", LL_LOOK, LL_ALL, "likewise" },
    { "/lib64", LL_LOOK, LL_ALL, "likewise: the loader's path" },
    { "/libx32", LL_LOOK, LL_ALL, "likewise" },
    { "/etc/ld.so.cache", LL_READ, LL_ALL, "where shared libraries are" },
    { "/etc/alternatives", LL_LOOK, LL_ALL, "libblas and liblapack are links through it" },
    { "/etc/localtime", LL_READ, LL_ALL, "the time zone" },
    { "/etc/timezone", LL_READ, LL_ALL, "the time zone's name" },
    { "/etc/fonts", LL_LOOK, LL_ALL, "fontconfig" },
    { "/etc/matplotlibrc", LL_READ, LL_ALL, "matplotlib's settings" },
    { "/etc/mime.types", LL_READ, LL_ALL, "the mimetypes module" },
    { "/etc/os-release", LL_READ, LL_ALL, "the platform module" },
    { "/etc/debian_version", LL_READ, LL_ALL, "pip tells the system by it" },
    { "/etc/services", LL_READ, LL_ALL, "names of ports" },
    { "/etc/protocols", LL_READ, LL_ALL, "names of protocols" },
    { "/etc/python3", LL_LOOK, LL_ALL, "settings of the system's Python" },
    { "/dev/null", LL_READ | LL_EDIT, LL_ALL, "nothing" },
    { "/dev/zero", LL_READ | LL_EDIT, LL_ALL, "zeros" },
    { "/dev/full", LL_READ | LL_EDIT, LL_ALL, "a full disk" },
    { "/dev/random", LL_READ, LL_ALL, "random bytes" },
    { "/dev/urandom", LL_READ, LL_ALL, "random bytes" },
    { "/proc/self/status", LL_READ, LL_COMMAND | LL_CONTEXT,
      "a process looks at itself. Not all of /proc/self: net and mountinfo tell of the host. A "
      "child has other "
      "numbers, and sees nothing" },
    { "/proc/self/stat", LL_READ, LL_COMMAND | LL_CONTEXT, "likewise" },
    { "/proc/self/statm", LL_READ, LL_COMMAND | LL_CONTEXT, "likewise" },
    { "/proc/self/maps", LL_READ, LL_COMMAND | LL_CONTEXT, "likewise" },
    { "/proc/self/smaps", LL_READ, LL_COMMAND | LL_CONTEXT, "likewise" },
    { "/proc/self/smaps_rollup", LL_READ, LL_COMMAND | LL_CONTEXT, "likewise" },
    { "/proc/self/io", LL_READ, LL_COMMAND | LL_CONTEXT, "likewise" },
    { "/proc/self/limits", LL_READ, LL_COMMAND | LL_CONTEXT, "likewise" },
    { "/proc/self/cmdline", LL_READ, LL_COMMAND | LL_CONTEXT, "likewise" },
    { "/proc/self/comm", LL_READ, LL_COMMAND | LL_CONTEXT, "likewise" },
    { "/proc/self/environ", LL_READ, LL_COMMAND | LL_CONTEXT, "likewise" },
    { "/proc/self/fd", LL_READ | LL_READ_DIR, LL_COMMAND | LL_CONTEXT, "its open descriptors" },
    { "/proc/self/fdinfo", LL_READ | LL_READ_DIR, LL_COMMAND | LL_CONTEXT, "likewise" },
    { "/proc", LL_READ | LL_READ_DIR | LL_EDIT, LL_TEMPLATE,
      "guardians find what their contexts started; contexts raise their own oom_score_adj before "
      "they enter their domain" },
    { "/proc/stat", LL_READ, LL_ALL, "libraries count processors with it" },
    { "/proc/meminfo", LL_READ, LL_ALL, "libraries size their buffers with it" },
    { "/proc/cpuinfo", LL_READ, LL_ALL, "libraries choose their code by it" },
    { "/proc/loadavg", LL_READ, LL_ALL, "os.getloadavg" },
    { "/proc/uptime", LL_READ, LL_ALL, "uptime" },
    { "/proc/version", LL_READ, LL_ALL, "platform" },
    { "/proc/filesystems", LL_READ, LL_ALL, "libc reads it" },
    { "./workspace", LL_LOOK | LL_EDIT | LL_MAKE, LL_ALL, "the working directory" },
    { "./tmp", LL_LOOK | LL_EDIT | LL_MAKE, LL_ALL, "temporary files" },
    { "./data", LL_READ | LL_READ_DIR, LL_ALL, "attachments" },
    { "./run", LL_LOOK, LL_ALL, "files that the caller placed" },
    { "./output", LL_READ | LL_READ_DIR, LL_CONTEXT, "contexts may only read them" },
    { "./output", LL_READ | LL_READ_DIR | LL_EDIT | LL_MAKE, LL_COMMAND | LL_TEMPLATE,
      "trusted code places files there for contexts" },
};
enum { LANDLOCK_LONE_ROWS = sizeof landlock_lone_table / sizeof landlock_lone_table[0] };

/* Where a sandbox without namespaces lies. NULL or an empty root: there are namespaces, and the
 * first table holds. */
struct landlock_place {
    const char *root;    /* the private directory */
    const char *ro;      /* what else may be read: paths, each ended by a line end */
    const char *devices; /* --device, with namespaces or without: likewise */
};

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

enum {
    LL_FILE = LL_EXECUTE | LL_WRITE | LL_READ | LL_TRUNCATE | LL_IOCTL_DEV
}; /* what can be granted on a file */

/* Grants `rights` at and beneath `path`, `n` bytes of it, behind `root`. A path that is missing
 * grants nothing. */
static inline long landlock_grant(long ruleset, const char *root, const char *path, long n,
                                  uint64_t rights)
{
    char whole[4200];
    long at = 0;
    struct {
        uint64_t rights;
        int32_t fd;
    } __attribute__((packed)) rule;

    while (root && root[at] && at < 100) {
        whole[at] = root[at];
        at++;
    }
    if (n > 4096)
        return -36; /* ENAMETOOLONG */
    for (long i = 0; i < n; i++)
        whole[at++] = path[i];
    whole[at] = '\0';
    long fd = raw4(__NR_openat, AT_FDCWD, (long)whole, O_PATH | O_CLOEXEC, 0);
    if (fd == -2 /* ENOENT */)
        return 0;
    if (fd < 0)
        return fd;
    rule.rights = rights;
    rule.fd = (int32_t)fd;
    long r = raw4(__NR_landlock_add_rule, ruleset, 1 /* path beneath */, (long)&rule, 0);
    if (r == -22 && (rights & ~(uint64_t)LL_FILE)) { /* EINVAL: it is a file */
        rule.rights = rights & LL_FILE;
        r = raw4(__NR_landlock_add_rule, ruleset, 1, (long)&rule, 0);
    }
    raw4(__NR_close, fd, 0, 0, 0);
    return r;
}

static inline long landlock_length(const char *s)
{
    long n = 0;

    while (s[n])
        n++;
    return n;
}

static inline long landlock_list(long ruleset, const char *list, uint64_t rights)
{
    long r = 0;

    for (const char *p = list ? list : ""; r == 0 && *p;) {
        long length = 0;
        while (p[length] && p[length] != '\n')
            length++;
        r = landlock_grant(ruleset, 0, p, length, rights);
        p += length + (p[length] == '\n');
    }
    return r;
}

static inline long landlock_rows(long ruleset, uint64_t handled, unsigned domain,
                                 const struct landlock_place *place, const char **step)
{
    int lone = place && place->root && place->root[0];
    const struct landlock_row *rows = lone ? landlock_lone_table : landlock_table;
    int n = lone ? (int)LANDLOCK_LONE_ROWS : (int)LANDLOCK_ROWS;
    long r = 0;

    for (int i = 0; r == 0 && i < n; i++) {
        const char *path = rows[i].path;
        int below = path[0] == '.';
        if (!(rows[i].domains & domain))
            continue;
        *step = path;
        r = landlock_grant(ruleset, below ? place->root : 0, path + below,
                           landlock_length(path + below), rows[i].rights & handled);
    }
    if (r == 0 && lone) {
        *step = "--ro";
        r = landlock_list(ruleset, place->ro, LL_LOOK & handled);
    }
    if (r == 0 && place) {
        *step = "--device";
        r = landlock_list(ruleset, place->devices, LL_DEVICE & handled);
    }
    return r;
}

/* Enters the domain: 0, or -errno with *step naming the call. Needs no_new_privs. A kernel without
 * Landlock is the caller's decision: ask landlock_abi() first. */
static inline long landlock_enter(long abi, unsigned domain, const struct landlock_place *place,
                                  const char **step)
{
    struct landlock_attr attr;
    long size = landlock_fill(&attr, abi);

    *step = "landlock_create_ruleset";
    long ruleset = raw4(__NR_landlock_create_ruleset, (long)&attr, size, 0, 0);
    if (ruleset < 0)
        return ruleset;
    long r = landlock_rows(ruleset, attr.handled_access_fs, domain, place, step);
    if (r < 0)
        return r;
    *step = "landlock_restrict_self";
    r = raw4(__NR_landlock_restrict_self, ruleset, 0, 0, 0);
    raw4(__NR_close, ruleset, 0, 0, 0);
    return r;
}

#endif
