/* agent-sandbox --check, for the agent: what it found, as it prints it. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/mem.h"
#include "sandbox/launch.h"
#include "agent/base/banned.h"

#define CHECK_MS 60000 /* half a second; a loaded machine whose memory is watched takes longer */

static int start(const char *program, bool best, const int files[2], pid_t *ret, struct err *e)
{
    char name[] = "agent-sandbox", check[] = "--check", backend[] = "--backend", word[] = "best";
    char *argv[] = { name, check, best ? backend : NULL, word, NULL };
    posix_spawn_file_actions_t fa;

    posix_spawn_file_actions_init(&fa);
    posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&fa, files[0], 1);
    posix_spawn_file_actions_adddup2(&fa, files[1], 2);
    int r = launch_spawn(program, argv, &fa, ret, e);
    posix_spawn_file_actions_destroy(&fa);
    return r;
}

/* The exit status; -1 when the stop came, and then nothing of it is left. */
static int finish(pid_t pid, const struct stop *stop, struct err *e)
{
    struct stop soon = stop_within(stop, CHECK_MS);
    cleanup_fd int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct err why = ERR_INIT;
    int status = 0, stopped = 0;

    while (pidfd >= 0 && !stopped) {
        struct pollfd p[2] = { { pidfd, POLLIN, 0 }, { soon.cancel_fd, POLLIN, 0 } };
        if (poll(p, 2, stop_poll_ms(&soon, -1)) < 0 && errno != EINTR)
            break;
        if (p[0].revents)
            break;
        stopped = stop_check(&soon, &why) < 0;
    }
    if (stopped)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (stopped && why.code == ERR_DEADLINE && stop_check(stop, &why) == 0)
        return err_set(e, ERR_SANDBOX, 0, "agent-sandbox --check came to no end in %d s",
                       CHECK_MS / 1000);
    if (stopped) {
        *e = why;
        return -1;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int sandbox_check(const char *helper, bool best, const struct stop *stop, struct buf *out,
                  struct buf *errors, struct err *e)
{
    cleanup_free char *program = sandbox_helper_path(helper, e);
    cleanup_fd int said = -1, complained = -1;
    pid_t pid;

    if (program == NULL)
        return -1;
    said = memfd_create("check", MFD_CLOEXEC);
    complained = memfd_create("check", MFD_CLOEXEC);
    if (said < 0 || complained < 0)
        return err_set(e, ERR_SANDBOX, errno, "memfd_create");
    int files[2] = { said, complained };
    if (start(program, best, files, &pid, e) < 0)
        return -1;
    int status = finish(pid, stop, e);
    if (status < 0)
        return -1;
    if (lseek(said, 0, SEEK_SET) < 0 || lseek(complained, 0, SEEK_SET) < 0)
        return err_set(e, ERR_SANDBOX, errno, "lseek");
    if (io_read_fd(said, out, e) < 0 || io_read_fd(complained, errors, e) < 0)
        return -1;
    return status;
}
