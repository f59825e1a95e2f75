/* Running a cell in a context, and making the context when there is none.
 *
 * Theory of operation. Four channels, read in one poll loop. What the cell prints comes through two
 * pipes; what the driver says comes through `control`, in the same process as hostile code, so it
 * is believed only where a lie harms nobody but the cell itself: it must carry the cell's key, and
 * all of it is bounded. How the process ended comes from the guardian and from the helper, which
 * are ours.
 *
 * Order: the driver flushes before it sends a result and then waits for `ack`. When a result
 * arrives, everything printed before it is therefore in the pipes already, and they are emptied
 * first.
 *
 * Time-out: SIGINT at the limit, SIGKILL to the whole context GRACE_MS later. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "sandbox/collect.h"
#include "sandbox/language.h"
#include "sandbox/needs.h"
#include "sandbox/refusals.h"
#include "sandbox/session.h"
#include "agent/base/banned.h"

#define GRACE_MS 1500     /* from the interrupt to the kill: enough for `finally` and a traceback */
#define KILL_MS 10000     /* a context that does not die in this time takes the sandbox with it */
#define OPEN_MS 60000     /* a new context may wait for the data stack's import, on a cold disk */
#define LAST_WORDS_MS 300 /* between a death by SIGKILL and the helper's word on memory */
#define READ_CHUNK (64 * KIB)
#define READ_AT_ONCE (1 * MIB) /* then look at the clock again */
#define PIPE_BYTES (1 * MIB)
#define MAX_NAMES_BYTES (8 * KIB)

struct run {
    struct collect got;
    const struct sandbox_sink *sink;
    char key[33]; /* hex; empty while no cell runs */
    bool done, has_error, interrupted, broken;
    bool is_program; /* its channel may close before it ends: what it runs last may take long */
    bool died;
    bool killed; /* by us; `cause` says why */
    enum sandbox_status cause;
    int64_t kill_at;   /* when the death must have come */
    struct buf failed; /* why the context could not be made */
};

/* --- what the cell prints --- */

/* Takes up to `max` bytes that are there now. Closes the pipe at its end. */
static void read_stream(struct run *r, int *fd, bool is_stderr, size_t max)
{
    char tmp[READ_CHUNK];

    while (*fd >= 0 && max > 0) {
        ssize_t n = read(*fd, tmp, max < sizeof tmp ? max : sizeof tmp);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return;
        if (n == 0) {
            close(steal_fd(fd));
            return;
        }
        struct str bytes = { tmp, (size_t)n };
        collect_text(&r->got, is_stderr, bytes);
        if (r->sink && r->sink->output)
            r->sink->output(r->sink->arg, is_stderr, bytes);
        max -= (size_t)n;
    }
}

/* What was in the pipes at this moment, and no more: a background child may write for ever. */
static void drain(struct run *r, struct context *c)
{
    int n;

    if (c->out >= 0 && ioctl(c->out, FIONREAD, &n) == 0 && n > 0)
        read_stream(r, &c->out, false, (size_t)n);
    if (c->err >= 0 && ioctl(c->err, FIONREAD, &n) == 0 && n > 0)
        read_stream(r, &c->err, true, (size_t)n);
}

/* --- what the code reads as its standard input --- */

static void read_input(struct context *c)
{
    char tmp[READ_CHUNK];
    ssize_t n = read(c->stdin_in, tmp, sizeof tmp);

    if (n > 0)
        buf_put(&c->stdin_queue, tmp, (size_t)n);
    else if (n == 0 || (errno != EINTR && errno != EAGAIN))
        c->stdin_in = -1; /* the caller's */
}

static void write_input(struct context *c)
{
    while (c->stdin_queue.n) {
        ssize_t n = write(c->stdin_out, c->stdin_queue.p, c->stdin_queue.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0) { /* the code closed it */
            buf_clear(&c->stdin_queue);
            close(steal_fd(&c->stdin_out));
            return;
        }
        buf_drop_front(&c->stdin_queue, (size_t)n);
    }
    if (c->stdin_in < 0)
        close(steal_fd(&c->stdin_out));
}

/* --- what the context says --- */

static void flush_queue(struct run *r, struct context *c)
{
    while (c->control >= 0 && c->out_queue.n) {
        ssize_t n = send(c->control, c->out_queue.p, c->out_queue.n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            r->broken = true;
        if (n < 0)
            return;
        buf_drop_front(&c->out_queue, (size_t)n);
    }
}

static void send_ack(struct run *r, struct context *c, struct str seq)
{
    if (seq.n > 20)
        seq.n = 20;
    size_t at = frame_begin(&c->out_queue, "ack");
    frame_put(&c->out_queue, "seq", seq);
    frame_end(&c->out_queue, at);
    if (c->out_queue.over)
        r->broken = true;
    else
        flush_queue(r, c);
}

/* Names as the driver lists them: anything else in the field makes it no list. */
static void keep_names(struct context *c, struct str names)
{
    if (names.n > MAX_NAMES_BYTES || !utf8_valid(names))
        return;
    for (size_t i = 0; i < names.n; i++)
        if ((unsigned char)names.p[i] < ' ')
            return;
    free(c->names);
    c->names = str_dup(names);
}

static void hear_cell(struct run *r, struct context *c, const struct frame *f)
{
    if (!c->ready) { /* nothing of the model's has run in it yet */
        if (frame_is(f, "ready"))
            c->ready = true;
        else
            buf_putstr(&r->failed, frame_get(f, "text"));
        return;
    }
    if (r->done || r->key[0] == '\0' || !str_is(frame_get(f, "key"), r->key)) {
        r->got.r.forged++;
        return;
    }
    drain(r, c);
    if (frame_is(f, "result")) {
        const struct sandbox_item *it = collect_result(&r->got, f);
        send_ack(r, c, frame_get(f, "seq"));
        if (it && r->sink && r->sink->result)
            r->sink->result(r->sink->arg, it, it->number);
    } else if (frame_is(f, "clear")) {
        collect_clear(&r->got);
        send_ack(r, c, frame_get(f, "seq"));
    } else if (frame_is(f, "error")) {
        const struct sandbox_result *so_far = &r->got.r;
        r->has_error = true;
        collect_error(&r->got, f);
        if (r->sink && r->sink->error)
            r->sink->error(r->sink->arg, so_far->error_name, so_far->error_value, so_far->traceback,
                           so_far->error_line);
    } else if (frame_is(f, "done")) {
        r->done = true;
        keep_names(c, frame_get(f, "names"));
    } else {
        r->got.r.forged++;
    }
}

static void hear_guardian(struct run *r, const struct frame *f)
{
    if (frame_is(f, "died")) {
        r->died = true;
        r->got.r.exit_code = (int)frame_num(f, "exit", 0) & 255;
        r->got.r.signal = (int)frame_num(f, "signal", 0) & 127;
        r->got.r.cpu_us = frame_num(f, "cpu_us", 0);
        r->got.r.peak_bytes = frame_num(f, "peak_bytes", 0);
    } else if (frame_is(f, "failed")) {
        buf_putstr(&r->failed, frame_get(f, "text"));
    }
}

/* Reads one channel and hands its frames on. Closes it at its end. -1: it cannot be trusted. */
static int hear_channel(struct run *r, struct context *c, int *fd, struct buf *in)
{
    struct str body;
    struct frame f;
    size_t used, at = 0;
    int k;

    if (*fd < 0)
        return 0;
    int more = session_read(*fd, in, READ_AT_ONCE);
    while ((k = frame_next(str_from(buf_str(in), at), MAX_FRAME_BYTES, &body, &used)) > 0) {
        if (frame_parse(body, &f) < 0)
            return -1;
        if (fd == &c->guard)
            hear_guardian(r, &f);
        else
            hear_cell(r, c, &f);
        at += used;
    }
    buf_drop_front(in, at);
    if (k < 0 || in->over)
        return -1;
    if (more == 0)
        close(steal_fd(fd));
    return 0;
}

/* --- the loop's one step --- */

static int step(struct sandbox *s, struct context *c, struct run *r, const struct stop *stop,
                int64_t ms, struct err *e)
{
    short control = (short)(POLLIN | (c->out_queue.n ? POLLOUT : 0));
    struct pollfd p[] = {
        { c->control, control, 0 }, { c->out, POLLIN, 0 },       { c->err, POLLIN, 0 },
        { c->guard, POLLIN, 0 },    { s->h.control, POLLIN, 0 }, { s->h.status, POLLIN, 0 },
        { s->h.log, POLLIN, 0 },    { s->h.pidfd, POLLIN, 0 },   { stop->cancel_fd, POLLIN, 0 },
        { -1, POLLIN, 0 },          { -1, POLLOUT, 0 },
    };
    /* Input is taken only as fast as the code reads it. */
    if (c->ready && c->stdin_out >= 0 && c->stdin_in >= 0 && c->stdin_queue.n == 0)
        p[9].fd = c->stdin_in;
    else if (c->ready)
        p[10].fd = c->stdin_out;

    if (poll(p, ARRAY_LEN(p), stop_poll_ms(stop, ms < 0 ? 0 : ms)) < 0 && errno != EINTR)
        return err_set(e, ERR_INTERNAL, errno, "poll");
    if (stop_check(stop, e) < 0)
        return -1;
    if (p[0].revents & POLLOUT)
        flush_queue(r, c);
    if (p[0].revents & ~POLLOUT && hear_channel(r, c, &c->control, &c->in) < 0) {
        r->got.r.forged++;
        r->broken = true;
    }
    if (p[1].revents)
        read_stream(r, &c->out, false, READ_AT_ONCE);
    if (p[2].revents)
        read_stream(r, &c->err, true, READ_AT_ONCE);
    if (p[9].revents)
        read_input(c);
    if (p[10].revents)
        write_input(c);
    if (p[3].revents && hear_channel(r, c, &c->guard, &c->guard_in) < 0)
        session_lose(s, "a context's guardian sent a message that is none");
    if (p[4].revents || p[5].revents || p[6].revents || p[7].revents)
        session_hear(s, NULL, NULL);
    return 0;
}

static void tell_guardian(struct context *c, const char *op)
{
    cleanup_buf struct buf b = BUF_MAX(256);

    size_t at = frame_begin(&b, op);
    frame_end(&b, at);
    if (c->guard >= 0 && send(c->guard, b.p, b.n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        close(steal_fd(&c->guard)); /* it then kills by itself, or is gone */
}

/* --- a new context --- */

#define CHANNELS 5 /* the last one only with standard input */

/* How many there are. */
static int open_channels(struct context *c, int theirs[CHANNELS], struct err *e)
{
    int sv[2];
    int *ours[] = { &c->control, &c->out, &c->err, &c->guard };

    for (int i = 0; i < CHANNELS - 1; i++) {
        bool is_pipe = i == 1 || i == 2;
        if ((is_pipe ? pipe2(sv, O_CLOEXEC)
                     : socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv)) < 0)
            return err_set(e, ERR_SANDBOX, errno, "sandbox: channels of a context");
        *ours[i] = sv[0];
        theirs[i] = sv[1];
        io_set_nonblock(sv[0], true);
        if (is_pipe) /* the kernel may refuse: a small pipe is slower, not wrong */
            (void)fcntl(sv[0], F_SETPIPE_SZ, PIPE_BYTES);
    }
    if (c->stdin_in < 0 && c->stdin_queue.n == 0)
        return CHANNELS - 1;
    if (pipe2(sv, O_CLOEXEC) < 0)
        return err_set(e, ERR_SANDBOX, errno, "sandbox: channels of a context");
    theirs[4] = sv[0];
    c->stdin_out = sv[1];
    io_set_nonblock(sv[1], true);
    return CHANNELS;
}

static int request_context(struct sandbox *s, struct context *c, struct str code,
                           const struct stop *stop, struct err *e)
{
    cleanup_buf struct buf frame = BUF_MAX(128 * KIB), needs = BUF_MAX(4 * KIB);
    cleanup_buf struct buf start = BUF_MAX(16 * KIB);
    static const char *const figures[] = { "png", "svg", "png svg", "png beside" };
    int theirs[CHANNELS] = { -1, -1, -1, -1, -1 };

    int n = open_channels(c, theirs, e), r = -1;
    if (c->language->start == START_PYTHON)
        needs_of(code, &needs);
    else if (n > 0 && language_start(&s->spec, c->language, &start, e) < 0)
        n = -1;
    size_t at = frame_begin(&frame, "context");
    frame_put(&frame, "name", utf8_head(str_of(c->name), 200));
    frame_put(&frame, "needs", buf_str(&needs));
    buf_putstr(&frame, buf_str(&start));
    if (c->cwd)
        frame_put(&frame, "cwd", str_of(c->cwd));
    if (c->env.n)
        frame_put(&frame, "setenv", buf_str(&c->env));
    if (n == CHANNELS)
        frame_put_num(&frame, "stdin", 1);
    if (s->spec.figures != FIGURES_PNG)
        frame_put(&frame, "figures", str_of(figures[s->spec.figures]));
    frame_end(&frame, at);
    if (n > 0)
        r = session_send(s, &frame, theirs, (size_t)n, stop, e);
    for (int i = 0; i < CHANNELS; i++)
        if (theirs[i] >= 0)
            close(theirs[i]);
    return r;
}

static int failed_open(struct sandbox *s, struct context *c, struct run *r, struct err *e)
{
    cleanup_buf struct buf b = BUF_MAX(8 * KIB);

    if (session_alive(s, e) < 0)
        return -1;
    drain(r, c);
    utf8_clean_line(&b, utf8_head(buf_str(&r->failed), 400));
    for (size_t i = 0; b.n == 0 && i < r->got.r.n_items; i++) {
        const struct sandbox_item *it = &r->got.r.items[i];
        buf_puts(&b, "its process ended at once; it wrote: ");
        utf8_clean_line(&b, utf8_head(str_trim((struct str){ it->text, it->n }), 400));
    }
    return err_set(e, ERR_SANDBOX, 0, "a context for the code could not be made: %s",
                   b.n ? buf_cstr(&b) : "its process ended at once");
}

static int context_open(struct sandbox *s, struct context *c, struct run *r, struct str code,
                        const struct stop *stop, struct err *e)
{
    struct stop bound = stop_within(stop, OPEN_MS);
    struct err own = ERR_INIT;

    context_close(c);
    if (request_context(s, c, code, &bound, e) < 0)
        goto fail;
    while (!c->ready) {
        if (step(s, c, r, &bound, OPEN_MS, e) < 0) {
            if (e->code == ERR_DEADLINE && stop_check(stop, &own) == 0)
                err_set(e, ERR_SANDBOX, 0, "no context for the code came within %d s",
                        OPEN_MS / 1000);
            goto fail;
        }
        if (!c->ready && (s->lost || r->failed.n || r->died || r->broken || c->control < 0)) {
            failed_open(s, c, r, e);
            goto fail;
        }
    }
    return 0;
fail:
    context_close(c);
    return -1;
}

/* --- the cell --- */

static void put_program(struct buf *out, const struct sandbox_program_unit *u)
{
    cleanup_buf struct buf argv = BUF_MAX(4 * MIB);

    for (size_t i = 0; u->argv[i]; i++) {
        if (i)
            buf_putc(&argv, '\0');
        buf_puts(&argv, u->argv[i]);
    }
    frame_put(out, "script", str_of(u->script));
    frame_put(out, "argv", buf_str(&argv));
    frame_put_num(out, "last", u->last);
}

static int send_code(struct context *c, struct run *r, const struct sandbox_cell *cell,
                     struct err *e)
{
    unsigned char raw[16];

    if (getrandom(raw, sizeof raw, 0) != (ssize_t)sizeof raw)
        return err_set(e, ERR_INTERNAL, errno, "getrandom");
    for (size_t i = 0; i < sizeof raw; i++)
        snprintf(r->key + 2 * i, 3, "%02x", raw[i]);
    buf_clear(&c->out_queue); /* acks that nobody took */
    size_t at = frame_begin(&c->out_queue, "run");
    frame_put_num(&c->out_queue, "cell", cell->number);
    frame_put(&c->out_queue, "key", str_of(r->key));
    frame_put(&c->out_queue, "code", cell->code);
    if (cell->program)
        put_program(&c->out_queue, cell->program);
    frame_end(&c->out_queue, at);
    if (c->out_queue.over) {
        buf_clear(&c->out_queue);
        return err_set(e, ERR_LIMIT, 0, "the code is too large for the sandbox");
    }
    flush_queue(r, c);
    return 0;
}

static void kill_context(struct context *c, struct run *r, enum sandbox_status cause)
{
    if (r->killed)
        return;
    r->killed = true;
    r->cause = cause;
    r->kill_at = now_ms() + KILL_MS;
    tell_guardian(c, "kill");
}

/* Until it is done or dead. */
static int watch(struct sandbox *s, struct context *c, struct run *r, int64_t limit,
                 const struct stop *stop, struct err *e)
{
    while (!r->done && !r->died && !s->lost && c->guard >= 0) {
        int64_t now = now_ms(), next = limit + (r->interrupted ? GRACE_MS : 0);
        if (r->killed)
            next = r->kill_at;
        if (now >= next) {
            if (r->killed) {
                session_lose(s, "a context could not be killed");
                break;
            }
            if (r->interrupted) {
                kill_context(c, r, SANDBOX_KILLED_TIME);
            } else {
                r->interrupted = true;
                tell_guardian(c, "interrupt");
            }
            continue;
        }
        if (step(s, c, r, stop, next - now, e) < 0)
            return -1;
        if (r->got.r.stdout_bytes > MAX_WRITTEN_BYTES || r->got.r.stderr_bytes > MAX_WRITTEN_BYTES)
            kill_context(c, r, SANDBOX_OUTPUT);
        if (r->broken)
            kill_context(c, r, SANDBOX_DIED);
        /* Without the channel no word of the cell can come any more. It may be about to end. */
        if (c->control < 0 && !r->killed && !r->is_program) {
            struct stop soon = stop_within(stop, LAST_WORDS_MS);
            while (!r->died && c->guard >= 0 && !s->lost)
                if (step(s, c, r, &soon, LAST_WORDS_MS, e) < 0)
                    break;
            if (stop_check(stop, e) < 0)
                return -1;
            kill_context(c, r, SANDBOX_DIED);
        }
    }
    return 0;
}

static bool ends_by_interrupt(struct sandbox *s, struct context *c, struct run *r)
{
    struct stop soon = STOP_NEVER;
    struct err ignored = ERR_INIT;

    soon = stop_within(&soon, GRACE_MS);
    tell_guardian(c, "interrupt");
    while (!r->done && !r->died && !r->broken && !s->lost && c->guard >= 0)
        if (step(s, c, r, &soon, GRACE_MS, &ignored) < 0)
            break;
    if (r->done)
        drain(r, c);
    return r->done;
}

/* A death by SIGKILL that nobody here sent: the helper knows whether memory was the reason. */
static bool was_memory(struct sandbox *s, struct context *c, struct run *r, int64_t kills_before,
                       const struct stop *stop)
{
    struct err ignored = ERR_INIT;
    struct stop soon = stop_within(stop, LAST_WORDS_MS);

    if (r->got.r.signal != 9 && !s->lost)
        return false;
    while (s->oom_kills <= kills_before)
        if (step(s, c, r, &soon, LAST_WORDS_MS, &ignored) < 0 || s->lost)
            break;
    return s->oom_kills > kills_before;
}

/* A guardian went without a word: the helper is ending the whole sandbox, and says why once all is
 * dead, which takes a while on a loaded machine. The next cell has to find the sandbox lost, or it
 * would begin in one that is going. */
static void await_loss(struct sandbox *s, struct context *c, struct run *r, const struct stop *stop)
{
    struct err ignored = ERR_INIT;
    struct stop soon = stop_within(stop, KILL_MS);

    while (!s->lost)
        if (step(s, c, r, &soon, KILL_MS, &ignored) < 0)
            break;
    session_lose(s, "a context's guardian ended");
}

static void bury(struct sandbox *s, struct context *c, struct run *r, int64_t kills_before,
                 const struct stop *stop)
{
    struct sandbox_result *res = &r->got.r;

    if (!r->died && !s->lost)
        await_loss(s, c, r, stop);
    if (r->died && r->killed && r->cause != SANDBOX_DIED)
        res->status = r->cause;
    else if (r->died && r->is_program && r->interrupted)
        res->status = SANDBOX_KILLED_TIME;
    else if (was_memory(s, c, r, kills_before, stop))
        res->status = SANDBOX_MEMORY;
    else
        res->status = SANDBOX_DIED;
    if (!r->died) /* the guardian or the whole sandbox went with it */
        res->signal = 9;
    drain(r, c);
    context_close(c);
    if (c->names == NULL)
        c->names = xstrdup("");
    res->lost_names = steal_ptr(&c->names);
}

static void give(struct run *r, struct sandbox_result *ret)
{
    *ret = r->got.r;
    r->got.r = (struct sandbox_result){ .status = SANDBOX_OK };
}

static void start_failed(struct sandbox_result *r, struct err *e)
{
    r->status = SANDBOX_DIED;
    r->error_name = xstrdup("StartError");
    r->error_value = xstrdup(e->msg);
    r->traceback = xasprintf("StartError: %s", e->msg);
    *e = (struct err)ERR_INIT;
}

/* A cell between its two steps. `r.done` or `r.died` may be set as soon as it begins. */
struct sandbox_running {
    struct run r;
    char *context;
    const struct sandbox_language *language;
    char *lost;     /* names that were gone before it began */
    bool spare;     /* as in struct sandbox_cell */
    bool unstarted; /* its runtime did not start: the result stands */
    int64_t kills, start, limit_ms;
    struct denied_counts before;
};

static void running_free(struct sandbox_running *g)
{
    sandbox_result_done(&g->r.got.r);
    buf_free(&g->r.failed);
    free(g->context);
    free(g->lost);
    free(g);
}

int sandbox_run_begin(struct sandbox *s, const struct sandbox_cell *cell, const struct stop *stop,
                      struct sandbox_running **ret, struct err *e)
{
    if (sandbox_revive(s, stop, e) < 0 || sandbox_wait_ready(s, stop, e) < 0)
        return -1;
    struct sandbox_running *g = xcalloc(1, sizeof *g);
    g->r = (struct run){ .is_program = cell->program != NULL, .failed = BUF_MAX(4 * KIB) };
    g->context = xstrdup(cell->context);
    g->language = cell->language;
    g->spare = cell->spare;
    struct context *c = session_context(s, cell->language, cell->context);
    if (c->control < 0) {
        g->lost = steal_ptr(&c->names); /* gone with a lost sandbox, not yet told */
        if (context_open(s, c, &g->r, cell->code, stop, e) < 0) {
            if (c->language->start == START_PYTHON || e->code != ERR_SANDBOX || s->lost)
                goto fail;
            start_failed(&g->r.got.r, e); /* the sandbox lives, this runtime does not */
            g->unstarted = true;
            *ret = g;
            return 0;
        }
    }
    g->kills = s->oom_kills;
    g->start = now_us();
    refusals_look(s->h.denied, &g->before);
    if (send_code(c, &g->r, cell, e) < 0)
        goto fail;
    g->limit_ms = cell->timeout_ms ? cell->timeout_ms : c->timeout_ms;
    c->cells++;
    *ret = g;
    return 0;
fail:
    running_free(g);
    return -1;
}

int sandbox_run_end(struct sandbox *s, struct sandbox_running *g, const struct stop *stop,
                    const struct sandbox_sink *sink, struct sandbox_result *ret, struct err *e)
{
    struct context *c = session_context(s, g->language, g->context);
    struct run *r = &g->r;
    int result = -1;

    r->sink = sink;
    if (g->unstarted) {
        give(r, ret);
        result = 0;
        goto out;
    }
    if (watch(s, c, r, g->start / 1000 + g->limit_ms, stop, e) < 0) {
        /* The stop came: what runs there is killed, unless it ends by itself. */
        if (!g->spare || e->code != ERR_CANCEL || !ends_by_interrupt(s, c, r))
            context_close(c);
        goto out;
    }
    if (r->done) {
        drain(r, c);
        r->got.r.status = r->interrupted ? SANDBOX_TIMEOUT
                          : r->has_error ? SANDBOX_ERROR
                                         : SANDBOX_OK;
        r->got.r.lost_names = steal_ptr(&g->lost);
    } else {
        bury(s, c, r, g->kills, stop);
    }
    r->got.r.duration_us = now_us() - g->start;
    refusals_since(s->h.denied, &g->before, &r->got.r);
    give(r, ret);
    result = 0;
out:
    running_free(g);
    return result;
}

void sandbox_run_drop(struct sandbox *s, struct sandbox_running *g)
{
    if (g == NULL)
        return;
    context_close(session_context(s, g->language, g->context));
    running_free(g);
}

int sandbox_run(struct sandbox *s, const struct sandbox_cell *cell, const struct stop *stop,
                const struct sandbox_sink *sink, struct sandbox_result *ret, struct err *e)
{
    struct sandbox_running *running;

    return sandbox_run_begin(s, cell, stop, &running, e) < 0
               ? -1
               : sandbox_run_end(s, running, stop, sink, ret, e);
}
