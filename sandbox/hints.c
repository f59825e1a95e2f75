/* Why this machine refused, in words that end with what to type. Called only when a step has
 * failed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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

#define INSTALL_PROFILE                                                                            \
    "in agent's source folder, `sudo make install install-apparmor' installs agent-sandbox, and "  \
    "the profile that permits them to it alone, as /etc/apparmor.d/agent-sandbox"
#define RESTRICTED "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"

/* Ubuntu's kernel restricts every program that has no profile. Ours is bound to the installed path:
 * a build folder's agent-sandbox stays restricted. */
static const char restricted_advice[] =
    "AppArmor restricts user namespaces (kernel.apparmor_restrict_unprivileged_userns is "
    "1); " INSTALL_PROFILE;

/* The name of the AppArmor profile that is enforced upon this process, or an empty string. */
static void enforced_profile(char *name, size_t room)
{
    static const char mode[] = " (enforce)";
    cleanup_fd int fd = open("/proc/self/attr/apparmor/current", O_RDONLY | O_CLOEXEC);
    char label[4096];
    ssize_t n = fd >= 0 ? read(fd, label, sizeof label - 1) : -1;

    *name = '\0';
    if (n <= 0)
        return;
    label[n] = '\0';
    char *end = strstr(label, mode);
    if (end)
        snprintf(name, room, "%.*s", (int)(end - label), label);
}

static const char docker_advice[] =
    "start it with `docker run --security-opt seccomp=unconfined --security-opt "
    "apparmor=unconfined --security-opt systempaths=unconfined ...'";

/* Containers, by a file that is in them, and what permits namespaces there. An engine's AppArmor
 * profile forbids mounts, and its covers of /proc keep the kernel from giving a fresh one. */
static const struct engine {
    const char *marker, *advice;
} engines[] = {
    { "/var/run/secrets/kubernetes.io",
      "give the pod hostUsers: false, procMount: Unmasked, and the type Unconfined as "
      "seccompProfile and appArmorProfile (docs/k8s has examples)" },
    { "/run/.containerenv", "start it with `podman run --security-opt seccomp=unconfined "
                            "--security-opt unmask=ALL ...'" },
    { "/.dockerenv", docker_advice },
};

/* NULL: this is none. */
static const char *engine_advice(void)
{
    for (size_t i = 0; i < sizeof engines / sizeof engines[0]; i++)
        if (access(engines[i].marker, F_OK) == 0)
            return engines[i].advice;
    return NULL;
}

/* Which of our surroundings forbids namespaces or mounts, and what to do about it; NULL: none that
 * is known. What is certain comes first: a service of systemd may be filtered, and is no container.
 */
static const char *surroundings(char *room, size_t n)
{
    const char *engine = engine_advice();
    char profile[64];

    enforced_profile(profile, sizeof profile);
    if (!engine && read_number(RESTRICTED) == 1)
        return restricted_advice;
    if (!engine && *profile) {
        snprintf(room, n,
                 "AppArmor confines this program by the profile `%s', which forbids it; start it "
                 "outside of that profile, or " INSTALL_PROFILE,
                 profile);
        return room;
    }
    if (!engine && is_filtered())
        engine = docker_advice;
    if (!engine)
        return NULL;
    snprintf(room, n,
             "this looks like a container whose profile forbids namespaces; %s, or run "
             "agent-sandbox outside the container; or permit less isolation with --backend best "
             "(for agent: sandbox = best)",
             engine);
    return room;
}

/* Appends what to do. */
static int advise(struct err *e, const char *advice)
{
    if (advice) {
        strncat(e->msg, ". ", sizeof e->msg - strlen(e->msg) - 1);
        strncat(e->msg, advice, sizeof e->msg - strlen(e->msg) - 1);
    }
    return -1;
}

int hint_namespace(struct err *e, int sys, const char *what)
{
    const char *advice = NULL;
    char room[sizeof e->msg];

    if (sys == ENOSPC && read_number("/proc/sys/user/max_user_namespaces") == 0)
        advice = "user.max_user_namespaces is 0; as root: sysctl -w user.max_user_namespaces=10000 "
                 "(and put it into /etc/sysctl.d/ to keep it)";
    else if (sys == ENOSPC || sys == EUSERS)
        advice = "a limit on namespaces is reached; look at /proc/sys/user/max_*_namespaces; as "
                 "root: sysctl -w user.max_user_namespaces=10000";
    else if (read_number("/proc/sys/kernel/unprivileged_userns_clone") == 0)
        advice = "kernel.unprivileged_userns_clone is 0; as root: sysctl -w "
                 "kernel.unprivileged_userns_clone=1";
    else if (sys == EPERM || sys == EACCES)
        advice = surroundings(room, sizeof room);
    if (!advice && (sys == EINVAL || sys == ENOSYS))
        advice = "this kernel is built without a namespace that is needed (CONFIG_USER_NS, PID_NS, "
                 "NET_NS, IPC_NS, UTS_NS, CGROUPS), or is older than 5.12";
    else if (!advice && (sys == EPERM || sys == EACCES))
        advice = "user namespaces are forbidden here: inside a chroot, or by a security module; "
                 "run agent-sandbox outside the chroot, or see `dmesg' for the module's denial";
    else if (!advice && (sys == EMFILE || sys == ENFILE || sys == ENOMEM || sys == EAGAIN))
        advice = "the machine or a limit of this session (ulimit -a) is out of processes, memory "
                 "or descriptors";
    err_set(e, ERR_SANDBOX, sys, "%s", what);
    return advise(e, advice);
}

int hint_mount(struct err *e, int sys, const char *what)
{
    const char *advice = NULL;
    char room[sizeof e->msg];

    if (sys == EPERM || sys == EACCES) {
        advice = surroundings(room, sizeof room);
        if (!advice && strcmp(what, "/proc") == 0)
            advice = "parts of this machine's /proc are covered, as in a container, so the kernel "
                     "permits no new one; start the container with --security-opt "
                     "systempaths=unconfined (Kubernetes: procMount: Unmasked)";
        else if (!advice)
            advice =
                "a security module or an outer sandbox forbids mounts; see `dmesg' for its denial";
    } else if (sys == ENOSPC) {
        advice = "fs.mount-max is reached, or memory is short; see /proc/sys/fs/mount-max";
    }
    err_set(e, ERR_SANDBOX, sys, "cannot mount %s", what);
    return advise(e, advice);
}
