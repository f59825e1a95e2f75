/* context.so: what a forked interpreter calls before it runs model code, and the two trusted
 * processes above it before they start any. Loaded by the driver through _ctypes, so it is plain
 * functions that return 0 or -errno; without libc, so it depends on no library of the Python that
 * loads it.
 *
 * A context ends up in a Landlock domain and under a filter of its own, both inside those that
 * agent-sandbox put around the template: they can only take away. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include "sandbox/landlock.h"
#include "sandbox/raw.h"
#include "seccomp_bpf.h"

#define EXPORT __attribute__((visibility("default")))

long template_enter(void);
long guardian_enter(void);
long context_enter(const char *root, const char *ro, const char *devices);

static long set(long option, long value)
{
    return raw4(__NR_prctl, option, value, 0, 0);
}

/* {soft, hard}; the soft one is what a context gets. */
static unsigned long files[2];

static long limit_files(unsigned long soft, unsigned long hard)
{
    unsigned long limit[2] = { soft, hard };
    return raw4(__NR_prlimit64, 0, RLIMIT_NOFILE, (long)limit, 0);
}

/* The template: not dumpable, so that no context reads its memory or its descriptors. And with all
 * the descriptors that its hard limit permits: the kernel refuses to pass one on while more than
 * the sender's limit are on their way for the same user, which a context could see to. */
EXPORT long template_enter(void)
{
    long r = set(PR_SET_DUMPABLE, 0);

    /* One that was restored from an image (checkpoint.c) has been here before. */
    if (r == 0 && files[1] == 0)
        r = raw4(__NR_prlimit64, 0, RLIMIT_NOFILE, 0, (long)files);
    return r < 0 ? r : limit_files(files[1], files[1]);
}

/* A guardian: hidden like the template, dies with it, and inherits every orphan of its context. */
EXPORT long guardian_enter(void)
{
    long r = set(PR_SET_DUMPABLE, 0);

    if (r == 0)
        r = set(PR_SET_CHILD_SUBREAPER, 1);
    if (r == 0)
        r = set(PR_SET_PDEATHSIG, SIGKILL);
    return r;
}

/* First choice of the kernel when memory runs out, before the template and the guardian. */
static long offer_to_oom_killer(void)
{
    long fd =
        raw4(__NR_openat, AT_FDCWD, (long)"/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return fd;
    long r = raw4(__NR_write, fd, (long)"1000", 4, 0);
    raw4(__NR_close, fd, 0, 0, 0);
    return r < 0 ? r : 0;
}

/* A context: its arguments as in struct landlock_place, `root` and `ro` "" with namespaces. From
 * here on it runs model code. The strict filter comes last, because it refuses the calls before it.
 */
EXPORT long context_enter(const char *root, const char *ro, const char *devices)
{
    struct landlock_place place = { root, ro, devices };
    /* The filter around the template refuses memfd_create where no cgroup counts it, so the wider
     * variant serves both. What is counted (denied.h) is refused by the listener of that filter. */
    struct sock_fprog prog = { sizeof bpf_context / sizeof bpf_context[0],
                               (struct sock_filter *)bpf_context };
    struct sock_fprog with_devices = { sizeof bpf_context_device / sizeof bpf_context_device[0],
                                       (struct sock_filter *)bpf_context_device };
    const char *step;
    long r = set(PR_SET_PDEATHSIG, SIGKILL);

    if (r == 0)
        r = set(PR_SET_DUMPABLE, 1);
    if (r == 0 && files[1])
        r = limit_files(files[0], files[0]);
    if (r == 0)
        r = offer_to_oom_killer();
    if (r < 0)
        return r;
    long abi = landlock_abi();
    if (abi > 0)
        r = landlock_enter(abi, LL_CONTEXT, &place, &step);
    else if (root[0] || (abi != -ENOSYS && abi != -EOPNOTSUPP))
        r = abi;
    if (r == 0)
        r = raw4(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW,
                 (long)(devices[0] ? &with_devices : &prog), 0);
    return r;
}
