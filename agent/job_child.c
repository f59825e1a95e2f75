#include "agent/job_child.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/mem.h"
#include "agent/base/banned.h"

#define GRACE_MS 10000     /* between SIGTERM and SIGKILL */
#define GUARD_ROUNDS 10000 /* of a millisecond: what forks faster than it is killed is given up */

struct child {
    const struct job_child *c;
    pid_t pid;
    int out, err; /* -1 = ours, or at its end */
};

__attribute__((noreturn)) static void become(const struct job_child *c, pid_t parent)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
        _exit(126);
    for (const char *const *v = c->env; v && *v; v += 2)
        if (setenv(v[0], v[1], 1) < 0)
            _exit(126);
    execv(c->argv[0], (char *const *)c->argv);
    _exit(127);
}

/* --- the guardian of a command. PR_SET_PDEATHSIG reaches the shell alone and not what it started,
 * so a process of ours stands between, which is told of our end and takes what is below it along.
 * Orphans become its children; it runs nothing but system calls. --- */

/* A child that is dead or dying is listed until it is reaped, which does no harm. */
static void kill_children(void)
{
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/self/task/%ld/children", (long)getpid());
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

    text[n > 0 ? n : 0] = '\0';
    for (char *p = text; *p;) {
        char *end;
        long pid = strtol(p, &end, 10);
        /* The last one may be cut: the next round has it. */
        if (end == p || *end != ' ')
            return;
        kill((pid_t)pid, SIGKILL);
        p = end + 1;
    }
}

__attribute__((noreturn)) static void end_with_parent(void)
{
    const struct timespec moment = { 0, 1000000 };

    for (int i = 0; i < GUARD_ROUNDS; i++) {
        kill_children();
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        if (waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD)
            break;
        nanosleep(&moment, NULL);
    }
    _exit(126);
}

__attribute__((noreturn)) static void guard(const struct job_child *c, pid_t parent)
{
    sigset_t all;
    int status = 0;

    /* All of them wait: SIGTERM is for the group, in which this is. */
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 || prctl(PR_SET_PDEATHSIG, SIGUSR2) < 0)
        _exit(126);
    pid_t us = getpid(), command = fork();
    if (command == 0)
        become(c, us);
    /* What it holds of ours would outlive us for a moment: locks, and the ends of the pipes. */
    if (command < 0 || syscall(SYS_close_range, 0u, ~0u, 0) < 0)
        _exit(126);
    for (;;) {
        pid_t pid;
        while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
            if (pid == command)
                _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
        if (getppid() != parent)
            end_with_parent();
        siginfo_t ignored;
        (void)sigwaitinfo(&all, &ignored);
    }
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
    if (k.pid == 0) {
        setpgid(0, 0);
        if (dup2(c->in >= 0 ? c->in : null, STDIN_FILENO) < 0 ||
            (c->take && dup2(out[1], STDOUT_FILENO) < 0) ||
            (c->errors && dup2(err[1], STDERR_FILENO) < 0))
            _exit(126);
        c->guarded ? guard(c, parent) : become(c, parent);
    }
    int error = errno;
    cleanup_closep(&out[1]);
    cleanup_closep(&err[1]);
    int r =
        k.pid < 0 ? err_set(e, ERR_SYS, error, "start %s", c->argv[0]) : wait_child(&k, stop, e);
    cleanup_closep(&k.out);
    cleanup_closep(&k.err);
    return r;
}

int job_child_command(const char *const *argv, struct str input, struct buf *out,
                      struct buf *errors, int64_t ms, const struct stop *stop, struct err *e)
{
    const char *words[24] = { "/usr/bin/env" };
    cleanup_fd int in = memfd_create("input", MFD_CLOEXEC);

    for (size_t i = 0; argv[i] && i + 2 < ARRAY_LEN(words); i++)
        words[i + 1] = argv[i];
    if (in < 0)
        return err_set(e, ERR_SYS, errno, "run %s", argv[0]);
    if (io_write_all(in, input.p, input.n, e) < 0)
        return -1;
    (void)lseek(in, 0, SEEK_SET);
    struct job_child child = {
        .argv = words,
        .in = in,
        .take = job_child_append,
        .arg = out,
        .errors = errors,
        .timeout_ms = ms,
    };
    return job_child_run(&child, stop, e);
}
