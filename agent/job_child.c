#include "agent/job_child.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "agent/base/mem.h"
#include "agent/base/banned.h"

#define GRACE_MS 10000 /* between SIGTERM and SIGKILL */

struct child {
    const struct job_child *c;
    pid_t pid;
    int out, err; /* -1 = ours, or at its end */
};

static void become(const struct job_child *c, pid_t parent, int in, int out, int err)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    setpgid(0, 0);
    /* What it started goes with it: each program of ours sees to that for its own sandbox. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent || dup2(in, STDIN_FILENO) < 0 ||
        dup2(out, STDOUT_FILENO) < 0 || dup2(err, STDERR_FILENO) < 0)
        _exit(126);
    for (const char *const *v = c->env; v && *v; v += 2)
        if (setenv(v[0], v[1], 1) < 0)
            _exit(126);
    execv(c->argv[0], (char *const *)c->argv);
    _exit(127);
}

int job_child_append(void *buf, struct str bytes, struct err *e)
{
    (void)e;
    buf_putstr(buf, bytes);
    return 0;
}

static void keep_last(struct buf *b, struct str bytes)
{
    size_t half = b->max / 2;

    if (bytes.n > half)
        bytes = str_from(bytes, bytes.n - half);
    if (b->n + bytes.n > b->max)
        buf_drop_front(b, b->n + bytes.n - half);
    buf_putstr(b, bytes);
}

/* What a pipe holds now; it is closed at its end. */
static int take(struct child *k, int *fd, bool is_out, struct err *e)
{
    char part[65536];
    ssize_t n = read(*fd, part, sizeof part);
    int r = 0;

    if (n > 0 && is_out)
        r = k->c->take(k->c->arg, (struct str){ part, (size_t)n }, e);
    else if (n > 0)
        keep_last(k->c->errors, (struct str){ part, (size_t)n });
    if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN) || r < 0)
        cleanup_closep(fd);
    return r;
}

static int check_time(const struct stop *stop, const struct stop *own, struct err *e)
{
    if (stop_check(stop, e) < 0)
        return -1;
    struct err late = ERR_INIT;
    struct stop clock = { own->deadline_ms, -1, NULL, NULL };
    return stop_check(&clock, &late) < 0 ? err_set(e, ERR_DEADLINE, 0, "it took too long") : 0;
}

/* Until it and its output have ended; after a reason to end it, until the group is gone. */
static int wait_child(struct child *k, const struct stop *stop, struct err *e)
{
    struct stop own = stop_within(stop, k->c->timeout_ms);
    int64_t ended_ms = 0;
    int status = 0, r = 0;
    bool gone = false;

    while (!gone || k->out >= 0 || k->err >= 0) {
        struct pollfd fds[] = { { r < 0 ? -1 : stop->cancel_fd, POLLIN, 0 },
                                { k->out, POLLIN, 0 },
                                { k->err, POLLIN, 0 } };
        (void)poll(fds, ARRAY_LEN(fds), 100);
        bool was_good = r == 0;
        if (r == 0)
            r = check_time(stop, &own, e);
        if (r == 0 && fds[1].revents)
            r = take(k, &k->out, true, e);
        if (r == 0 && fds[2].revents)
            r = take(k, &k->err, false, e);
        if (r < 0 && was_good) {
            kill(-k->pid, SIGTERM);
            ended_ms = now_ms();
            cleanup_closep(&k->out); /* what is left in the group may hold them open */
            cleanup_closep(&k->err);
        }
        if (r < 0 && !gone && now_ms() - ended_ms > GRACE_MS)
            kill(-k->pid, SIGKILL);
        gone = gone || waitpid(k->pid, &status, WNOHANG) == k->pid;
    }
    if (r < 0)
        kill(-k->pid, SIGKILL);
    return r < 0 ? -1 : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int job_child_run(const struct job_child *c, const struct stop *stop, struct err *e)
{
    int out[2] = { -1, -1 }, err[2] = { -1, -1 };
    cleanup_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null < 0 || (c->take && pipe2(out, O_CLOEXEC) < 0) ||
        (c->errors && pipe2(err, O_CLOEXEC) < 0)) {
        int error = errno;
        cleanup_closep(&out[0]);
        cleanup_closep(&out[1]);
        return err_set(e, ERR_SYS, error, "start %s", c->argv[0]);
    }
    pid_t parent = getpid(); /* 1 in a container of its own */
    struct child k = { .c = c, .pid = fork(), .out = out[0], .err = err[0] };
    if (k.pid == 0)
        become(c, parent, c->in >= 0 ? c->in : null, c->take ? out[1] : STDOUT_FILENO,
               c->errors ? err[1] : STDERR_FILENO);
    int error = errno;
    cleanup_closep(&out[1]);
    cleanup_closep(&err[1]);
    int r =
        k.pid < 0 ? err_set(e, ERR_SYS, error, "start %s", c->argv[0]) : wait_child(&k, stop, e);
    cleanup_closep(&k.out);
    cleanup_closep(&k.err);
    return r;
}
