#include "stop.h"
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>
#include "banned.h"

#define TICK_MS 100

int64_t now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_BOOTTIME, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t now_ms(void)
{
    return now_us() / 1000;
}

int stop_open_signals(struct stop *s, struct err *e)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return err_set(e, ERR_INTERNAL, errno, "sigprocmask");
    s->cancel_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (s->cancel_fd < 0)
        return err_set(e, ERR_INTERNAL, errno, "signalfd");
    return 0;
}

int stop_take_signal(const struct stop *s)
{
    struct signalfd_siginfo si;

    if (s->cancel_fd < 0 || read(s->cancel_fd, &si, sizeof si) != (ssize_t)sizeof si)
        return 0;
    return (int)si.ssi_signo;
}

/* Which signal waits, without consuming it. */
static int peek_signal(void)
{
    static const int wanted[] = { SIGINT, SIGTERM, SIGHUP };
    sigset_t set;

    if (sigpending(&set) == 0)
        for (unsigned i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
            if (sigismember(&set, wanted[i]) == 1)
                return wanted[i];
    return SIGINT;
}

static const char *signal_word(int signo)
{
    return signo == SIGTERM ? "SIGTERM" : signo == SIGHUP ? "SIGHUP" : "SIGINT";
}

int stop_check(const struct stop *s, struct err *e)
{
    struct pollfd p = { s->cancel_fd, POLLIN, 0 };

    if (s->tick)
        s->tick(s->arg);
    if (s->cancel_fd >= 0 && poll(&p, 1, 0) > 0) {
        int signo = peek_signal();
        return err_set(e, ERR_CANCEL, signo, "stopped by %s", signal_word(signo));
    }
    if (s->deadline_ms != 0 && now_ms() >= s->deadline_ms)
        return err_set(e, ERR_DEADLINE, 0, "the deadline has passed");
    return 0;
}

struct stop stop_within(const struct stop *s, int64_t ms)
{
    struct stop r = *s;

    if (ms > 0) {
        int64_t d = now_ms() + ms;
        if (r.deadline_ms == 0 || d < r.deadline_ms)
            r.deadline_ms = d;
    }
    return r;
}

int stop_poll_ms(const struct stop *s, int64_t max_ms)
{
    if (s->tick && (max_ms < 0 || max_ms > TICK_MS))
        max_ms = TICK_MS;
    int64_t left = max_ms < 0 ? INT_MAX : max_ms;

    if (s->deadline_ms != 0) {
        int64_t d = s->deadline_ms - now_ms();
        if (d < 0)
            d = 0;
        if (d < left)
            left = d;
    } else if (max_ms < 0) {
        return -1;
    }
    return left > INT_MAX ? INT_MAX : (int)left;
}

int stop_sleep(const struct stop *s, int64_t ms, struct err *e)
{
    int64_t end = now_ms() + ms;

    for (;;) {
        if (stop_check(s, e) < 0)
            return -1;
        int64_t left = end - now_ms();
        if (left <= 0)
            return 0;
        struct pollfd p = { s->cancel_fd, POLLIN, 0 };
        if (poll(&p, s->cancel_fd >= 0 ? 1 : 0, stop_poll_ms(s, left)) < 0 && errno != EINTR)
            return err_set(e, ERR_INTERNAL, errno, "poll");
    }
}
