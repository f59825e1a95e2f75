#include "sandbox/scope.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/mem.h"
#include "agent/base/stop.h"
#include "agent/base/banned.h"

#define SCOPE_WAIT_MS 5000
#define BUSCTL "/usr/bin/busctl"
#define SYSTEM_BUS "/run/dbus/system_bus_socket"
#define MAX_COMPLAINT 300

static char *bus_path(uid_t uid)
{
    return uid == 0 ? xstrdup(SYSTEM_BUS) : xasprintf("/run/user/%u/bus", (unsigned)uid);
}

/* Whoever listens there must be the user's own or root's, and live among the processes that we see:
 * in another pid namespace our number would be somebody else's. */
static bool is_trusted_bus(const char *path, uid_t uid)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    struct ucred peer;
    socklen_t size = sizeof peer;
    cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || strlen(path) >= sizeof name.sun_path)
        return false;
    memcpy(name.sun_path, path, strlen(path) + 1);
    return connect(fd, (struct sockaddr *)&name, sizeof name) == 0 &&
           getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == 0 || peer.uid == uid) && peer.pid > 0;
}

bool scope_manager(uid_t uid)
{
    cleanup_free char *private = uid == 0 ? xstrdup("/run/systemd/private")
                                          : xasprintf("/run/user/%u/systemd", (unsigned)uid);

    return access("/run/systemd/system", F_OK) == 0 && access(private, F_OK) == 0;
}

char *scope_own_group(void)
{
    cleanup_buf struct buf text = BUF_MAX(65536);
    struct err ignored;
    struct str rest, line;

    if (io_read_file("/proc/self/cgroup", &text, &ignored) < 0)
        return NULL;
    for (rest = buf_str(&text); rest.n;) {
        str_cut(&rest, '\n', &line);
        if (line.n > 3 && strncmp(line.p, "0::/", 4) == 0)
            return xstrndup(line.p + 3, line.n - 3);
    }
    return NULL;
}

/* In the child: nothing of ours is inherited but the pipe, on 1 and 2. */
__attribute__((noreturn)) static void run_busctl(const char *bus, const char *scope, pid_t pid,
                                                 int out)
{
    cleanup_free char *address = xasprintf("--address=unix:path=%s", bus);
    cleanup_free char *number = xasprintf("%d", (int)pid);
    char *const argv[] = { "busctl", address, "--timeout=4", "call", "org.freedesktop.systemd1",
                           "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
                           "StartTransientUnit", "ssa(sv)a(sa(sv))", (char *)scope, "fail",
                           /* four properties, no further units */
                           "4", "Description", "s", "agent-sandbox", "Delegate", "b", "true",
                           "CollectMode", "s", "inactive-or-failed", "PIDs", "au", "1", number, "0",
                           NULL };
    char *const environment[] = { "LC_ALL=C.UTF-8", NULL };
    sigset_t none;
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
        _exit(126);
    for (int fd = 3; fd < 1024; fd++)
        close(fd);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(BUSCTL, argv, environment);
    dprintf(2, "cannot run " BUSCTL ": %s", strerror(errno));
    _exit(127);
}

/* Waits for the child's end, at most until `end`; its exit status, -1 if it had to be killed. */
static int wait_busctl(pid_t pid, int in, int64_t end, char *text, size_t size)
{
    size_t n = 0;
    int status;
    bool open = true;

    while (open && now_ms() < end) {
        struct pollfd p = { in, POLLIN, 0 };
        char drop[256];
        if (poll(&p, 1, (int)(end - now_ms())) <= 0)
            continue;
        ssize_t got = n + 1 < size ? read(in, text + n, size - 1 - n) : read(in, drop, sizeof drop);
        open = got > 0 || (got < 0 && errno == EINTR);
        if (got > 0 && n + 1 < size)
            n += (size_t)got;
    }
    text[n] = '\0';
    text[strcspn(text, "\n")] = '\0';
    if (open)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, __WALL) < 0 && errno == EINTR)
        ;
    return !open && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int ask(const char *bus, const char *scope, int64_t end, struct buf *why)
{
    char text[MAX_COMPLAINT] = "";
    int out[2];

    if (pipe2(out, O_CLOEXEC) < 0) {
        buf_putf(why, "pipe: %s", strerror(errno));
        return -1;
    }
    pid_t pid = fork();
    if (pid == 0)
        run_busctl(bus, scope, getppid(), out[1]);
    close(out[1]);
    int status = pid < 0 ? -1 : wait_busctl(pid, out[0], end, text, sizeof text);
    close(out[0]);
    if (status == 0)
        return 0;
    buf_putf(why, "systemd did not make a scope: %s",
             text[0] ? text : "busctl had no answer in time");
    return -1;
}

/* The answer only says that the job is queued; the kernel tells nobody when a process is moved. */
static char *await_move(const char *scope, int64_t end)
{
    cleanup_free char *tail = xasprintf("/%s", scope);

    for (;;) {
        char *own = scope_own_group();
        if (own && str_ends(str_of(own), tail))
            return own;
        free(own);
        if (now_ms() >= end)
            return NULL;
        poll(NULL, 0, 1);
    }
}

/* Controllers can be given only to groups beside processes, not below them: we move aside. */
static int step_aside(const char *dir, struct buf *why)
{
    cleanup_free char *leaf = io_join(dir, "helper");
    cleanup_free char *procs = io_join(leaf, "cgroup.procs");

    if (mkdir(leaf, 0755) < 0) {
        buf_putf(why, "make %s: %s", leaf, strerror(errno));
        return -1;
    }
    cleanup_fd int fd = open(procs, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "0", 1) != 1) {
        buf_putf(why, "move into %s: %s", leaf, strerror(errno));
        return -1;
    }
    return 0;
}

char *scope_enter(const char *root_dir, uid_t uid, struct buf *why)
{
    cleanup_free char *bus = bus_path(uid);
    int64_t start = now_us(), end = now_ms() + SCOPE_WAIT_MS;
    cleanup_free char *scope =
        xasprintf("agent-sandbox-%d-%llx.scope", (int)getpid(), (unsigned long long)start);

    if (!is_trusted_bus(bus, uid)) {
        buf_putf(why, "systemd has no bus at %s (%s)", bus,
                 uid == 0 ? "apt-get install dbus, or dnf install dbus-broker"
                          : "apt-get install dbus-user-session, and log in anew");
        return NULL;
    }
    if (ask(bus, scope, end, why) < 0)
        return NULL;
    cleanup_free char *own = await_move(scope, end);
    if (!own) {
        buf_putf(why, "systemd did not move this process into %s in time", scope);
        return NULL;
    }
    cleanup_free char *dir = xasprintf("%s%s", root_dir, own);
    return step_aside(dir, why) < 0 ? NULL : steal_ptr(&dir);
}
