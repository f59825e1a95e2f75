/* The helper while the command runs: it waits for pid 1, the caller's lifeline, signals and the
 * limits that the kernel does not watch, and says how it ended. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "sandbox/box.h"
#include "sandbox/denied.h"
#include "sandbox/status.h"
#include "agent/base/mem.h"
#include "agent/base/stop.h"
#include "agent/base/banned.h"

#define METER_MS 100
/* Without a tmpfs: how often the files are added up (lone_over() itself takes care that it costs
 * little). */
#define ROOM_MS 25
/* The kernel signals "out of memory" before it has killed: look again after this. */
#define OOM_LOOK_MS 10

struct watch {
    struct box *box;
    pid_t init;
    int pidfd, info_fd, ready_fd, signal_fd;
    struct meter *meter;
    const char *cause;                /* why we killed, NULL if we did not */
    int caught;                       /* signal that told us to end */
    struct info ended;                /* kind 0 until the command's process reported */
    int64_t peak_bytes, throttled_ms; /* of the cgroup, once `read_out` */
    bool read_out;
    int64_t oom_kills, oom_seen, look_again_ms, started_ms, cpu_ms; /* cpu_ms: highest seen */
    int64_t meter_ms; /* not to be summed up again before */
};

/* Of the living: what a kill takes away unreaped appears in no rusage. */
static int64_t cpu_now(struct watch *w)
{
    int64_t ms = cgroup_cpu_ms(&w->box->cg);

    if (ms < 0)
        ms = meter_cpu_ms(w->meter);
    if (ms > w->cpu_ms)
        w->cpu_ms = ms;
    return w->cpu_ms;
}

static void kill_all(struct watch *w, const char *cause)
{
    if (!w->cause)
        w->cause = cause;
    cpu_now(w);
    /* Init takes everything inside with it. Without a pid namespace it has to be told, and does it
     * itself. */
    if (w->box->lone)
        cleanup_closep(&w->box->leash_out);
    else
        syscall(SYS_pidfd_send_signal, w->pidfd, SIGKILL, NULL, 0);
}

static void look_at_memory(struct watch *w)
{
    if (w->read_out)
        return;
    int64_t kills =
        w->box->cg.backend == BACKEND_RLIMITS ? w->oom_kills : cgroup_oom_kills(&w->box->cg);

    if (kills > w->oom_seen)
        status_memory(w->box->spec->status_fd, kills);
    w->oom_kills = w->oom_seen = kills;
}

/* The command has ended, and init with all that is left ends now. What the cgroup tells is read, so
 * that its keeper need not wait for us to remove it; not where nobody wants to know. */
static void read_out(struct watch *w)
{
    if (w->box->spec->status_fd >= 0) {
        look_at_memory(w);
        cpu_now(w);
        w->peak_bytes = cgroup_peak(&w->box->cg);
        w->throttled_ms = cgroup_throttled_ms(&w->box->cg);
    }
    w->read_out = true;
    cgroup_let_go(&w->box->cg);
}

static int64_t tick_ms(const struct watch *w)
{
    return w->box->lone ? ROOM_MS : METER_MS;
}

/* Not at each thing that happens: a sum reads some files of each process. */
static bool is_meter_due(struct watch *w)
{
    int64_t now = now_ms();

    if (w->box->cg.backend != BACKEND_RLIMITS || now < w->meter_ms)
        return false;
    w->meter_ms = now + tick_ms(w) / 2; /* a tick may come a little early */
    return true;
}

static void on_tick(struct watch *w)
{
    const int64_t *limits = w->box->spec->limits;

    if (limits[LIMIT_WALL] && now_ms() - w->started_ms >= limits[LIMIT_WALL])
        kill_all(w, "wall");
    if (limits[LIMIT_CPU] && cpu_now(w) >= limits[LIMIT_CPU])
        kill_all(w, "cpu");
    if (is_meter_due(w) && meter_check(w->meter)) {
        w->oom_kills = w->oom_seen + 1;
        look_at_memory(w);
    }
    const char *over = w->box->lone && !w->cause ? lone_over(w->box) : NULL;
    if (over)
        kill_all(w, over);
    if (w->look_again_ms && now_ms() >= w->look_again_ms) {
        w->look_again_ms = 0;
        look_at_memory(w);
    }
}

/* How long poll may sleep; -1 = until something happens. */
static int next_tick(const struct watch *w)
{
    const int64_t *limits = w->box->spec->limits;
    int64_t next = -1, now = now_ms();

    if (w->box->cg.backend == BACKEND_RLIMITS || limits[LIMIT_CPU] || w->box->lone)
        next = tick_ms(w);
    if (limits[LIMIT_WALL]) {
        int64_t left = w->started_ms + limits[LIMIT_WALL] - now;
        if (next < 0 || left < next)
            next = left < 0 ? 0 : left;
    }
    if (w->look_again_ms && (next < 0 || w->look_again_ms - now < next))
        next = w->look_again_ms > now ? w->look_again_ms - now : 0;
    return next > 3600000 ? 3600000 : (int)next;
}

static void read_info(struct watch *w)
{
    struct info info;

    while (meter_receive(w->box, w->info_fd, &info))
        if (info.kind == INFO_LISTENER && w->box->denied) {
            denied_hurry(w->box->listener);
            __atomic_store_n(&w->box->denied->works, 1, __ATOMIC_RELEASE);
        } else if (info.kind != INFO_DIRS && (w->ended.kind == 0 || info.kind != INFO_ENDED)) {
            w->ended = info;
            if (info.kind == INFO_ENDED && w->box->cg.backend != BACKEND_RLIMITS)
                read_out(w);
        }
}

static void read_signal(struct watch *w)
{
    struct signalfd_siginfo si;

    if (read(w->signal_fd, &si, sizeof si) == (ssize_t)sizeof si) {
        w->caught = (int)si.ssi_signo;
        kill_all(w, "signal");
    }
}

static void wait_for_init(struct watch *w, struct rusage *usage)
{
    enum { INIT, INFO, READY, SIGNAL, LIFELINE, MEMORY, DENIED, POLLED };
    struct box *b = w->box;
    struct pollfd p[POLLED] = {
        [INIT] = { w->pidfd, POLLIN, 0 },
        [INFO] = { w->info_fd, POLLIN, 0 },
        [READY] = { w->ready_fd, 0, 0 },
        [SIGNAL] = { w->signal_fd, POLLIN, 0 },
        [LIFELINE] = { b->spec->lifeline_fd, 0, 0 },
        [MEMORY] = { b->cg.notify_fd >= 0 ? b->cg.notify_fd : b->cg.events_fd,
                     b->cg.notify_fd >= 0 ? POLLIN : POLLPRI, 0 },
        [DENIED] = { -1, POLLIN, 0 },
    };
    int status;

    while (!(p[INIT].revents & POLLIN)) {
        p[DENIED].fd = b->listener;
        if (poll(p, POLLED, next_tick(w)) < 0)
            continue;
        if (p[DENIED].revents && !denied_serve(b->listener, b->denied))
            cleanup_closep(&b->listener);
        if (p[INFO].revents & POLLIN)
            read_info(w);
        /* All of them are gone; the end of init itself comes a little later. */
        if (p[INFO].revents & (POLLHUP | POLLERR))
            p[INFO].fd = -1;
        if (p[READY].revents & (POLLHUP | POLLERR)) {
            p[READY].fd = -1;
            read_info(w);
            if (b->denied && b->listener < 0)
                buf_puts(&b->weaker, "refused system calls are not counted here\n");
            if (w->ended.kind != INFO_FAILED && w->ended.kind != INFO_NOT_RUN)
                status_started(b->spec->status_fd, b, w->init);
        }
        if (p[SIGNAL].revents & POLLIN)
            read_signal(w);
        if (p[LIFELINE].revents & (POLLHUP | POLLERR | POLLNVAL)) {
            p[LIFELINE].fd = -1;
            kill_all(w, "lifeline");
        }
        if (p[MEMORY].revents) {
            uint64_t count;
            if (b->cg.notify_fd >= 0 && read(b->cg.notify_fd, &count, sizeof count) < 0)
                p[MEMORY].fd = -1;
            look_at_memory(w);
            w->look_again_ms = now_ms() + OOM_LOOK_MS;
        }
        on_tick(w);
    }
    while (wait4(w->init, &status, 0, usage) < 0 && errno == EINTR)
        ;
    if (w->box->lone)
        lone_kill(w->box->cg.keeper); /* if init itself was killed, what it held is ours now */
    read_info(w);
    if (!w->read_out)
        read_out(w);
}

static int64_t cpu_of(const struct rusage *u)
{
    return (u->ru_utime.tv_sec + u->ru_stime.tv_sec) * 1000ll +
           (u->ru_utime.tv_usec + u->ru_stime.tv_usec) / 1000;
}

/* What the command's end was: by us, by a limit, or its own. */
static void judge(struct watch *w, const struct rusage *usage, struct exit_report *r)
{
    int64_t cpu_limit = w->box->spec->limits[LIMIT_CPU];
    int status = w->ended.kind == INFO_ENDED ? w->ended.status : SIGKILL;

    *r = (struct exit_report){ .cause = "exit",
                               .wall_ms = now_ms() - w->started_ms,
                               .cpu_ms = cpu_of(usage),
                               .oom_kills = w->oom_kills };
    r->peak_bytes = w->peak_bytes;
    r->throttled_ms = w->throttled_ms;
    if (r->cpu_ms < w->cpu_ms)
        r->cpu_ms = w->cpu_ms;
    if (r->peak_bytes < 0)
        r->peak_bytes = meter_peak(w->meter);
    if (r->peak_bytes < usage->ru_maxrss * 1024 && w->box->cg.backend == BACKEND_RLIMITS)
        r->peak_bytes = usage->ru_maxrss * 1024;
    if (WIFSIGNALED(status)) {
        r->signal = WTERMSIG(status);
        r->cause = "signal";
        if (r->signal == SIGKILL && w->oom_kills)
            r->cause = "memory";
        else if (r->signal == SIGXCPU ||
                 (r->signal == SIGKILL && cpu_limit && r->cpu_ms >= cpu_limit))
            r->cause = "cpu";
    } else {
        r->exit = WEXITSTATUS(status);
    }
    if (w->cause && w->ended.kind != INFO_ENDED)
        r->cause = w->cause;
}

static int open_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGQUIT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int box_watch(struct box *b, pid_t init, int pidfd, int info_fd, int ready_fd)
{
    struct watch w = { .box = b,
                       .init = init,
                       .pidfd = pidfd,
                       .info_fd = info_fd,
                       .ready_fd = ready_fd,
                       .started_ms = now_ms(),
                       .signal_fd = open_signals(),
                       .meter = meter_new(b, init) };
    struct rusage usage = { 0 };
    struct exit_report r;

    wait_for_init(&w, &usage);
    if (w.ended.kind == INFO_FAILED || w.ended.kind == INFO_NOT_RUN) {
        bool failed = w.ended.kind == INFO_FAILED;
        meter_free(w.meter);
        close(w.signal_fd);
        w.ended.layer[sizeof w.ended.layer - 1] = '\0';
        return box_report(b->spec, failed ? w.ended.layer : "command", &w.ended.err,
                          failed ? 125 : w.ended.status);
    }
    judge(&w, &usage, &r);
    status_exited(b->spec->status_fd, &r);
    meter_free(w.meter);
    close(w.signal_fd);
    if (w.caught && w.ended.kind != INFO_ENDED)
        return 128 + w.caught;
    return r.signal ? 128 + r.signal : r.exit;
}
