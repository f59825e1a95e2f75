/* Why this machine refused, in words that end with what to type. Called only when a step has
 * failed. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "sandbox/box.h"
#include "agent/base/io.h"
#include "agent/base/mem.h"
#include "agent/base/banned.h"

/* The number in a file of /proc/sys, or -1. */
static long read_number(const char *path)
{
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    char text[32];
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;

    if (n <= 0)
        return -1;
    text[n] = '\0';
    return strtol(text, NULL, 10);
}

/* Is there a filter around us that we did not make? */
static bool is_filtered(void)
{
    cleanup_buf struct buf status = BUF_MAX(65536);
    struct err ignored;

    if (io_read_file("/proc/self/status", &status, &ignored) < 0)
        return false;
    const char *line = strstr(buf_cstr(&status), "\nSeccomp:");
    return line && strtol(line + 9, NULL, 10) == 2;
}

/* The profile is bound to the installed path: a build folder's agent-sandbox stays restricted. */
static const char apparmor_advice[] =
    "AppArmor restricts user namespaces (kernel.apparmor_restrict_unprivileged_userns is 1); in "
    "agent's source folder, "
    "`sudo make install install-apparmor' installs agent-sandbox, and the profile that permits "
    "them to it alone, as "
    "/etc/apparmor.d/agent-sandbox";

static const char *container_advice(void)
{
    if (access("/.dockerenv", F_OK) == 0 || access("/run/.containerenv", F_OK) == 0 ||
        is_filtered())
        return "this looks like a container whose seccomp profile forbids namespaces; start it "
               "with "
               "`docker run --security-opt seccomp=unconfined --security-opt "
               "systempaths=unconfined ...', or run agent-sandbox "
               "outside the container; or permit less isolation with --backend best (for agent: "
               "sandbox = best)";
    return NULL;
}

int hint_namespace(struct err *e, int sys, const char *what)
{
    const char *advice = container_advice();

    if (sys == ENOSPC && read_number("/proc/sys/user/max_user_namespaces") == 0)
        advice = "user.max_user_namespaces is 0; as root: sysctl -w user.max_user_namespaces=10000 "
                 "(and put it into "
                 "/etc/sysctl.d/ to keep it)";
    else if (sys == ENOSPC || sys == EUSERS)
        advice = "a limit on namespaces is reached; look at /proc/sys/user/max_*_namespaces; as "
                 "root: sysctl -w "
                 "user.max_user_namespaces=10000";
    else if (read_number("/proc/sys/kernel/unprivileged_userns_clone") == 0)
        advice = "kernel.unprivileged_userns_clone is 0; as root: sysctl -w "
                 "kernel.unprivileged_userns_clone=1";
    else if (read_number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1)
        advice = apparmor_advice;
    else if (sys == EINVAL || sys == ENOSYS)
        advice = "this kernel is built without a namespace that is needed (CONFIG_USER_NS, PID_NS, "
                 "NET_NS, IPC_NS, UTS_NS, "
                 "CGROUPS), or is older than 5.12";
    else if (sys == EPERM && !advice)
        advice = "user namespaces are forbidden here: inside a chroot, or by a security module; "
                 "run agent-sandbox outside "
                 "the chroot, or see `dmesg' for the module's denial";
    else if (sys == EMFILE || sys == ENFILE || sys == ENOMEM || sys == EAGAIN)
        advice = "the machine or a limit of this session (ulimit -a) is out of processes, memory "
                 "or descriptors";
    err_set(e, ERR_SANDBOX, sys, "%s", what);
    if (advice) {
        size_t n = strlen(e->msg);
        strncat(e->msg, ". ", sizeof e->msg - n - 1);
        strncat(e->msg, advice, sizeof e->msg - strlen(e->msg) - 1);
    }
    return -1;
}

int hint_mount(struct err *e, int sys, const char *what)
{
    const char *advice = NULL;

    if (sys == EPERM || sys == EACCES) {
        advice = container_advice();
        if (!advice && read_number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1)
            advice = apparmor_advice;
        else if (!advice && strcmp(what, "/proc") == 0)
            advice = "parts of this machine's /proc are covered, as in a container, so the kernel "
                     "permits no new one; start the "
                     "container with --security-opt systempaths=unconfined (Kubernetes: procMount: "
                     "Unmasked)";
        else if (!advice)
            advice =
                "a security module or an outer sandbox forbids mounts; see `dmesg' for its denial";
    } else if (sys == ENOSPC) {
        advice = "fs.mount-max is reached, or memory is short; see /proc/sys/fs/mount-max";
    }
    err_set(e, ERR_SANDBOX, sys, "cannot mount %s", what);
    if (advice) {
        strncat(e->msg, ". ", sizeof e->msg - strlen(e->msg) - 1);
        strncat(e->msg, advice, sizeof e->msg - strlen(e->msg) - 1);
    }
    return -1;
}
