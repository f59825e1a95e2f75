/* Running a cell in a context, and making the context when there is none. What comes of it
 * meanwhile listen.c takes; how the process ended comes from the guardian and from the helper,
 * which are ours.
 *
 * Time-out: SIGINT at the limit, SIGKILL to the whole context GRACE_MS later. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "sandbox/language.h"
#include "sandbox/listen.h"
#include "sandbox/needs.h"
#include "sandbox/refusals.h"
#include "agent/base/banned.h"

#define GRACE_MS 1500     /* from the interrupt to the kill: enough for `finally` and a traceback */
#define KILL_MS 10000     /* a context that does not die in this time takes the sandbox with it */
#define OPEN_MS 60000     /* a new context may wait for the data stack's import, on a cold disk */
#define LAST_WORDS_MS 300 /* between a death by SIGKILL and the helper's word on memory */
#define PIPE_BYTES (1 * MIB)

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
    listen_drain(r, c);
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
        if (listen_step(s, c, r, &bound, OPEN_MS, e) < 0) {
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
    listen_flush(r, c);
    return 0;
}

static void kill_context(struct context *c, struct run *r, enum sandbox_status cause)
{
    if (r->killed)
        return;
    r->killed = true;
    r->cause = cause;
    r->kill_at = now_ms() + KILL_MS;
    listen_tell(c, "kill");
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
                listen_tell(c, "interrupt");
            }
            continue;
        }
        if (listen_step(s, c, r, stop, next - now, e) < 0)
            return -1;
        if (r->got.r.stdout_bytes > MAX_WRITTEN_BYTES || r->got.r.stderr_bytes > MAX_WRITTEN_BYTES)
            kill_context(c, r, SANDBOX_OUTPUT);
        if (r->broken)
            kill_context(c, r, SANDBOX_DIED);
        /* Without the channel no word of the cell can come any more. It may be about to end. */
        if (c->control < 0 && !r->killed && !r->is_program) {
            struct stop soon = stop_within(stop, LAST_WORDS_MS);
            while (!r->died && c->guard >= 0 && !s->lost)
                if (listen_step(s, c, r, &soon, LAST_WORDS_MS, e) < 0)
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
    listen_tell(c, "interrupt");
    while (!r->done && !r->died && !r->broken && !s->lost && c->guard >= 0)
        if (listen_step(s, c, r, &soon, GRACE_MS, &ignored) < 0)
            break;
    if (r->done)
        listen_drain(r, c);
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
        if (listen_step(s, c, r, &soon, LAST_WORDS_MS, &ignored) < 0 || s->lost)
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
        if (listen_step(s, c, r, &soon, KILL_MS, &ignored) < 0)
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
    listen_drain(r, c);
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
        listen_drain(r, c);
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
