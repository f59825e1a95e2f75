#include "sandbox/listen.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/base/banned.h"

#define READ_CHUNK (64 * KIB)
#define READ_AT_ONCE (1 * MIB) /* then look at the clock again */
#define MAX_NAMES_BYTES (8 * KIB)

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
void listen_drain(struct run *r, struct context *c)
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

void listen_flush(struct run *r, struct context *c)
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
        listen_flush(r, c);
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
    listen_drain(r, c);
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

int listen_step(struct sandbox *s, struct context *c, struct run *r, const struct stop *stop,
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
        listen_flush(r, c);
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

void listen_tell(struct context *c, const char *op)
{
    cleanup_buf struct buf b = BUF_MAX(256);

    size_t at = frame_begin(&b, op);
    frame_end(&b, at);
    if (c->guard >= 0 && send(c->guard, b.p, b.n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        close(steal_fd(&c->guard)); /* it then kills by itself, or is gone */
}
