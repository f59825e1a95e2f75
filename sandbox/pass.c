/* Descriptors on their way to the sandbox. */
#include <errno.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include "sandbox/session.h"
#include "agent/base/banned.h"

/* The kernel refuses to pass descriptors on while more than our limit of them are on their way for
 * this user, whose the sandbox's code is too; so for the moment the limit is as high as it may be.
 */
ssize_t session_pass(int fd, const struct msghdr *msg)
{
    struct rlimit usual, most;
    bool raised = msg->msg_controllen > 0 && getrlimit(RLIMIT_NOFILE, &usual) == 0;

    if (raised) {
        most = (struct rlimit){ usual.rlim_max, usual.rlim_max };
        raised = setrlimit(RLIMIT_NOFILE, &most) == 0;
    }
    ssize_t r = sendmsg(fd, msg, MSG_NOSIGNAL);
    int sys = errno;
    if (raised)
        setrlimit(RLIMIT_NOFILE, &usual);
    errno = sys;
    return r;
}
