/* Pid 1 of the sandbox: reaps whatever is orphaned, and ends when the command ends or the helper is
 * gone. Its end is the end of everything inside: the kernel kills what is left, however often it
 * forked.
 *
 * Not dumpable, so neither its memory nor its descriptors can be looked at; and by then under a
 * filter that leaves it a dozen calls. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "sandbox/box.h"
#include "sandbox/raw.h"
#include "agent/base/banned.h"

static volatile sig_atomic_t child_ended;

static void on_child(int signal_number)
{
    (void)signal_number;
    child_ended = 1;
}

/* Reaps all that ended; true if the command was among them. */
static bool reap(pid_t command, int *status)
{
    bool done = false;
    int st;
    pid_t pid;

    while ((pid = waitpid(-1, &st, WNOHANG)) > 0)
        if (pid == command) {
            *status = st;
            done = true;
        }
    return done;
}

/* The call itself: a sanitizer's _exit does more than the filter permits. */
__attribute__((noreturn)) static void end(int status)
{
    for (;;)
        syscall(SYS_exit_group, status);
}

void init_run(struct box *b, pid_t command, int gate_fd)
{
    struct pollfd leash = { b->leash_fd, 0, 0 };
    struct sigaction action = { .sa_handler = on_child, .sa_flags = SA_NOCLDSTOP };
    struct info info = { .kind = INFO_ENDED };
    struct err e = ERR_INIT;
    sigset_t child, waiting;

    /* SIGCHLD arrives only inside ppoll, so none is missed between the check and the wait. */
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    int r = sigprocmask(SIG_BLOCK, &child, &waiting);
    sigdelset(&waiting, SIGCHLD);
    if (r < 0 || sigaction(SIGCHLD, &action, NULL) < 0) {
        err_set(&e, ERR_SANDBOX, errno, "cannot be told when a process ends");
        box_fail(b, "pid 1", &e);
    }
    /* Without a pid namespace it has to find and kill what is left, and to remove files: too many
     * calls for a filter. */
    if ((!command_shares_memory(b) && prctl(PR_SET_DUMPABLE, 0) < 0) ||
        (!b->lone && seccomp_init_filter(b, &e) < 0)) {
        if (e.code == ERR_NONE)
            err_set(&e, ERR_SANDBOX, errno, "prctl(PR_SET_DUMPABLE)");
        box_fail(b, "pid 1", &e);
    }
    if (write(gate_fd, "", 1) != 1) {
        err_set(&e, ERR_SANDBOX, errno, "cannot let the command go");
        box_fail(b, "pid 1", &e);
    }
    while (!reap(command, &info.status)) {
        /* Not libc's: the command's process may share our errno still. */
        long n = raw6(SYS_ppoll, (long)&leash, 1, 0, (long)&waiting, _NSIG / 8, 0);
        if (n > 0) { /* the helper is gone, or wants the end */
            if (b->lone) {
                lone_kill(0);
                lone_remove(b);
            }
            end(125);
        }
    }
    if (b->lone)
        lone_kill(0);
    end(write(b->info_fd, &info, sizeof info) < 0 ? 125 : 0);
}
