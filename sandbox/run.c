/* The agent's side of a running sandbox: start, wait, messages to the base process, end. Cells are
 * in runcell.c.
 *
 * Theory of operation. launch.c starts agent-sandbox with the interpreter in it. Three things must
 * come before the sandbox counts as ready: the helper's `started` event (every layer stands), the
 * descriptor of /workspace, and the base process's `ready` frame. From then on the helper speaks
 * only to report memory kills and its own end, and the base process only answers. All descriptors
 * are non-blocking; every wait is a poll(2) that also watches the stop and the helper's life. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "sandbox/session.h"
#include "agent/base/banned.h"

#define READY_MS 20000 /* a machine under full load takes a second; beyond this it hangs */
#define PUT_MS 20000
#define PROBE_MS 180000 /* imports every library there is, on a cold disk */
#define MAX_RESTARTS 3
#define MAX_LOG (16 * KIB)
#define MAX_STATUS (256 * KIB)
#define MAX_NETWORK (32 * MIB) /* all lines of a proxy and of those before it: 6 MiB each */
#define END_MS 2000

/* --- start and end --- */

static char *dup_or_null(const char *s)
{
    return s ? xstrdup(s) : NULL;
}

static void copy_spec(struct sandbox_spec *to, const struct sandbox_spec *from)
{
    struct sandbox_file *files = xcalloc(from->n_files + 1, sizeof *files);
    struct sandbox_program *programs = xcalloc(from->n_programs + 1, sizeof *programs);

    *to = *from;
    to->helper = dup_or_null(from->helper);
    to->python = dup_or_null(from->python);
    to->preload = dup_or_null(from->preload);
    to->network = dup_or_null(from->network);
    to->packages = dup_or_null(from->packages);
    to->wheels = dup_or_null(from->wheels);
    to->devices = dup_or_null(from->devices);
    for (size_t i = 0; i < from->n_files; i++)
        files[i] =
            (struct sandbox_file){ xstrdup(from->files[i].path), xstrdup(from->files[i].name) };
    to->files = files;
    for (size_t i = 0; i < from->n_programs; i++)
        programs[i] = (struct sandbox_program){ from->programs[i].language,
                                                dup_or_null(from->programs[i].path) };
    to->programs = programs;
    to->fonts_name = dup_or_null(from->fonts_name);
    to->fonts_fd = from->fonts_name ? fcntl(from->fonts_fd, F_DUPFD_CLOEXEC, 3) : -1;
    to->image = image_copy(from->image);
}

static void free_const(const void *p)
{
    free((void *)(uintptr_t)p);
}

static void free_spec(struct sandbox_spec *s)
{
    for (size_t i = 0; i < s->n_files; i++) {
        free_const(s->files[i].path);
        free_const(s->files[i].name);
    }
    free_const(s->files);
    for (size_t i = 0; i < s->n_programs; i++)
        free_const(s->programs[i].path);
    free_const(s->programs);
    free_const(s->helper);
    free_const(s->python);
    free_const(s->preload);
    free_const(s->fonts_name);
    if (s->fonts_fd >= 0)
        close(s->fonts_fd);
    free_const(s->network);
    free_const(s->packages);
    free_const(s->wheels);
    free_const(s->devices);
    image_free(s->image);
}

struct sandbox *sandbox_start(const struct sandbox_spec *spec, struct err *e)
{
    cleanup_free char *python = launch_find_python(spec->python, e);

    if (python == NULL)
        return NULL;
    struct sandbox *s = xcalloc(1, sizeof *s);
    s->h = (struct helper)HELPER_INIT;
    s->workspace_fd = -1;
    s->control_in = (struct buf)BUF_MAX(MAX_FRAME_BYTES + 8);
    s->status_in = (struct buf)BUF_MAX(MAX_STATUS);
    s->log = (struct buf)BUF_MAX(MAX_LOG);
    s->weaker = (struct buf)BUF_MAX(MAX_STATUS);
    s->network_in = (struct buf)BUF_MAX(MAX_NETWORK);
    copy_spec(&s->spec, spec);
    s->python = steal_ptr(&python);
    if (launch_helper(&s->spec, s->python, &s->h, e) < 0) {
        sandbox_free(s);
        return NULL;
    }
    return s;
}

static void contexts_free(struct sandbox *s)
{
    for (size_t i = 0; i < s->n_contexts; i++)
        context_done(&s->contexts[i]);
    free(s->contexts);
    s->contexts = NULL;
    s->n_contexts = 0;
}

void sandbox_free(struct sandbox *s)
{
    if (s == NULL)
        return;
    contexts_free(s);
    launch_end(&s->h, END_MS);
    if (s->workspace_fd >= 0)
        close(s->workspace_fd);
    buf_free(&s->control_in);
    buf_free(&s->status_in);
    buf_free(&s->log);
    buf_free(&s->weaker);
    buf_free(&s->network_in);
    free_spec(&s->spec);
    free(s->python);
    free(s);
}

/* --- what the helper says --- */

int session_read(int fd, struct buf *out, size_t max)
{
    char tmp[65536];

    while (max > 0) {
        ssize_t r = read(fd, tmp, max < sizeof tmp ? max : sizeof tmp);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return errno == EAGAIN;
        if (r == 0)
            return 0;
        buf_put(out, tmp, (size_t)r);
        max -= (size_t)r;
    }
    return 1;
}

void session_lose(struct sandbox *s, const char *why)
{
    if (s->lost)
        return;
    s->lost = true;
    err_set(&s->why, ERR_SANDBOX, 0, "%s", why);
}

static void hear_event(struct sandbox *s, struct str line)
{
    struct err ignored = ERR_INIT;
    cleanup_json cJSON *j = json_parse(line, &ignored);
    const char *event = json_str(j, "event");

    if (event == NULL)
        return;
    if (strcmp(event, "started") == 0) {
        const char *limits = json_str(j, "limits");
        const char *backend = json_str(j, "backend"), *root = json_str(j, "root");
        const cJSON *one;
        if (root == NULL || strlen(root) > 60)
            root = "";
        snprintf(s->backend, sizeof s->backend, "%s", backend ? backend : "");
        snprintf(s->workspace_dir, sizeof s->workspace_dir, "%.60s/workspace", root);
        snprintf(s->data_dir, sizeof s->data_dir, "%.60s/data", root);
        snprintf(s->output_dir, sizeof s->output_dir, "%.60s/output", root);
        snprintf(s->limits, sizeof s->limits, "%s", limits ? limits : "");
        buf_clear(&s->weaker);
        cJSON_ArrayForEach(one, json_arr(j, "weaker")) if (cJSON_IsString(one))
            buf_putf(&s->weaker, "%s\n", one->valuestring);
        s->started = true;
    } else if (strcmp(event, "memory") == 0) {
        s->oom_kills = json_int(j, "oom_kills", s->oom_kills);
    } else if (strcmp(event, "error") == 0) {
        const char *layer = json_str(j, "layer"), *message = json_str(j, "message");
        cleanup_free char *why = xasprintf("the sandbox could not be made: %s: %s",
                                           layer ? layer : "", message ? message : "");
        session_lose(s, why);
        s->why.sys = 0;
    } else if (strcmp(event, "exited") == 0) {
        const char *cause = json_str(j, "cause");
        int64_t kills = json_int(j, "oom_kills", 0);
        if (kills > s->oom_kills)
            s->oom_kills = kills;
        cleanup_free char *why =
            xasprintf("the sandbox ended by itself (cause: %s, status %lld, signal %lld)",
                      cause ? cause : "unknown", (long long)json_int(j, "exit", 0),
                      (long long)json_int(j, "signal", 0));
        session_lose(s, why);
    }
}

static void hear_status(struct sandbox *s)
{
    if (s->h.status < 0)
        return;
    int more = session_read(s->h.status, &s->status_in, MAX_STATUS);
    for (;;) {
        const char *nl = s->status_in.n ? memchr(s->status_in.p, '\n', s->status_in.n) : NULL;
        if (nl == NULL)
            break;
        size_t n = (size_t)(nl - s->status_in.p);
        hear_event(s, (struct str){ s->status_in.p, n });
        buf_drop_front(&s->status_in, n + 1);
    }
    if (s->status_in.over)
        session_lose(s, "the sandbox helper sent an endless status line");
    if (more == 0)
        close(steal_fd(&s->h.status));
}

/* The end of what the helper and the template wrote to standard error; the head is dropped. */
static void hear_log(struct sandbox *s)
{
    cleanup_buf struct buf b = BUF_MAX(MAX_STATUS);

    if (s->h.log < 0)
        return;
    if (session_read(s->h.log, &b, MAX_STATUS) == 0)
        close(steal_fd(&s->h.log));
    struct str tail = utf8_tail(buf_str(&b), MAX_LOG / 2);
    if (s->log.n + tail.n > MAX_LOG)
        buf_drop_front(&s->log, s->log.n + tail.n - MAX_LOG);
    buf_putstr(&s->log, tail);
}

static void hear_workspace(struct sandbox *s)
{
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    char byte;
    struct iovec iov = { &byte, 1 };
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
    };

    if (s->h.workspace < 0 || recvmsg(s->h.workspace, &msg, MSG_CMSG_CLOEXEC) <= 0)
        return;
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
        c->cmsg_len == CMSG_LEN(sizeof(int))) {
        int fd;
        memcpy(&fd, CMSG_DATA(c), sizeof fd);
        if (s->workspace_fd < 0) {
            s->workspace_fd = fd;
        } else {
            dup3(fd, s->workspace_fd, O_CLOEXEC);
            close(fd);
        }
    }
    close(steal_fd(&s->h.workspace));
}

static void hear_base(struct sandbox *s, session_frame *fn, void *arg)
{
    struct str body;
    size_t used;
    struct frame f;
    int r;

    if (s->h.control < 0)
        return;
    int more = session_read(s->h.control, &s->control_in, 1 * MIB);
    while ((r = frame_next(buf_str(&s->control_in), MAX_FRAME_BYTES, &body, &used)) > 0) {
        if (frame_parse(body, &f) < 0) {
            r = -1;
            break;
        }
        if (frame_is(&f, "ready")) {
            struct str v = frame_get(&f, "python");
            snprintf(s->version, sizeof s->version, "%.*s", (int)(v.n < 30 ? v.n : 30), v.p);
            s->ready = true;
        } else if (fn) {
            fn(arg, &f);
        }
        buf_drop_front(&s->control_in, used);
    }
    if (r < 0)
        session_lose(s, "the interpreter's base process sent a message that is none");
    else if (more == 0)
        close(steal_fd(&s->h.control));
}

void session_hear(struct sandbox *s, session_frame *fn, void *arg)
{
    hear_workspace(s);
    hear_base(s, fn, arg);
    hear_log(s);
    hear_status(s);
    struct pollfd p = { s->h.pidfd, POLLIN, 0 };
    if (!s->lost && poll(&p, 1, 0) > 0) {
        hear_log(s);
        hear_status(s); /* its last words may have come between the two looks */
        session_lose(s, "the sandbox helper ended without a word");
    }
}

int session_alive(const struct sandbox *s, struct err *e)
{
    if (!s->lost)
        return 0;
    *e = s->why;
    struct str log = str_trim(buf_str(&s->log));
    if (log.n && !s->started && strstr(e->msg, "could not be made") == NULL) {
        cleanup_buf struct buf b = BUF_MAX(4 * MAX_LOG);
        utf8_clean(&b, utf8_tail(log, 600));
        err_set(e, ERR_SANDBOX, 0, "%s; it wrote: %s", s->why.msg, buf_cstr(&b));
    }
    return -1;
}

/* Waits for anything of the helper's or the stop. */
static int wait_for_news(struct sandbox *s, const struct stop *stop, short control_events,
                         struct err *e)
{
    struct pollfd p[] = {
        { s->h.control, (short)(POLLIN | control_events), 0 },
        { s->h.status, POLLIN, 0 },
        { s->h.log, POLLIN, 0 },
        { s->h.workspace, POLLIN, 0 },
        { s->h.pidfd, POLLIN, 0 },
        { stop->cancel_fd, POLLIN, 0 },
    };

    if (poll(p, ARRAY_LEN(p), stop_poll_ms(stop, -1)) < 0 && errno != EINTR)
        return err_set(e, ERR_INTERNAL, errno, "poll");
    return stop_check(stop, e);
}

/* The same deadline idea for our own bound: which of the two passed decides the error. */
static int too_late(const struct stop *outer, struct err *e, const char *what, int ms)
{
    struct err own = ERR_INIT;

    if (e->code != ERR_DEADLINE || stop_check(outer, &own) < 0)
        return -1;
    return err_set(e, ERR_SANDBOX, 0, "%s within %d s", what, ms / 1000);
}

int sandbox_wait_ready(struct sandbox *s, const struct stop *stop, struct err *e)
{
    struct stop bound = stop_within(stop, READY_MS);

    for (;;) {
        session_hear(s, NULL, NULL);
        if (session_alive(s, e) < 0)
            return -1;
        if (s->started && s->ready && s->workspace_fd >= 0 && s->h.workspace < 0)
            return 0;
        if (wait_for_news(s, &bound, 0, e) < 0)
            return too_late(stop, e, "the sandbox did not become ready", READY_MS);
    }
}

int sandbox_revive(struct sandbox *s, const struct stop *stop, struct err *e)
{
    session_hear(s, NULL, NULL);
    if (!s->lost)
        return 0;
    if (++s->restarts > MAX_RESTARTS) {
        session_alive(s, e);
        return err_wrap(e, "the sandbox was lost %d times", s->restarts);
    }
    for (size_t i = 0; i < s->n_contexts; i++)
        context_close(&s->contexts[i]);
    session_end_network(s);
    launch_end(&s->h, 0);
    buf_clear(&s->control_in);
    buf_clear(&s->status_in);
    buf_clear(&s->log);
    s->started = s->ready = s->lost = false;
    s->oom_kills = 0;
    if (launch_helper(&s->spec, s->python, &s->h, e) < 0)
        return -1;
    return sandbox_wait_ready(s, stop, e) < 0 ? -1 : 1;
}

void sandbox_get_info(const struct sandbox *s, struct sandbox_info *ret)
{
    *ret = (struct sandbox_info){ .python_version = s->version,
                                  .python_path = s->python,
                                  .limits_backend = s->limits,
                                  .backend = s->backend,
                                  .workspace_dir = s->workspace_dir,
                                  .data_dir = s->data_dir,
                                  .output_dir = s->output_dir,
                                  .weaker = buf_cstr(&s->weaker) };
}

int sandbox_workspace_fd(const struct sandbox *s)
{
    return s->workspace_fd;
}

/* --- requests to the base process --- */

int session_send(struct sandbox *s, const struct buf *frame, const int *fds, size_t n_fds,
                 const struct stop *stop, struct err *e)
{
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(5 * sizeof(int))];
    } control = { 0 };
    size_t at = 0;

    while (at < frame->n) {
        struct iovec iov = { frame->p + at, frame->n - at };
        struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
        if (at == 0 && n_fds) { /* descriptors travel with the first byte */
            msg.msg_control = &control;
            msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
            struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
            c->cmsg_level = SOL_SOCKET;
            c->cmsg_type = SCM_RIGHTS;
            c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
            memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
        }
        ssize_t r = s->h.control < 0 ? -1 : session_pass(s->h.control, &msg);
        if (r >= 0) {
            at += (size_t)r;
            continue;
        }
        if (s->h.control >= 0 && errno != EAGAIN && errno != EINTR)
            session_lose(s, "the interpreter's base process is gone");
        session_hear(s, NULL, NULL);
        if (s->h.control < 0)
            session_lose(s, "the interpreter's base process is gone");
        if (session_alive(s, e) < 0 || wait_for_news(s, stop, POLLOUT, e) < 0)
            return -1;
    }
    return 0;
}

/* One question to the base process and the frame that answers it. */
struct answer {
    const char *op;
    bool came;
    struct buf text, error, name;
};

static void answer_done(struct answer *a)
{
    buf_free(&a->text);
    buf_free(&a->error);
    buf_free(&a->name);
}

static void take_answer(void *arg, const struct frame *f)
{
    struct answer *a = arg;

    if (!frame_is(f, a->op))
        return;
    a->came = true;
    buf_putstr(&a->text, frame_get(f, "text"));
    buf_putstr(&a->error, frame_get(f, "error"));
    buf_putstr(&a->name, frame_get(f, "name"));
}

static int ask_base(struct sandbox *s, const struct buf *frame, const int *fds, size_t n_fds,
                    struct answer *a, const struct stop *stop, int ms, struct err *e)
{
    struct stop bound = stop_within(stop, ms);

    if (session_send(s, frame, fds, n_fds, &bound, e) < 0)
        return too_late(stop, e, "the interpreter's base process took no message", ms);
    for (;;) {
        session_hear(s, take_answer, a);
        if (a->came)
            return 0;
        if (s->h.control < 0)
            session_lose(s, "the interpreter's base process is gone");
        if (session_alive(s, e) < 0)
            return -1;
        if (wait_for_news(s, &bound, 0, e) < 0)
            return too_late(stop, e, "the interpreter's base process gave no answer", ms);
    }
}

int session_ask(struct sandbox *s, const struct buf *frame, const int *fds, size_t n_fds,
                const char *answer, struct buf *error, const struct stop *stop, struct err *e)
{
    struct answer a = { answer, false, BUF_MAX(4096), BUF_MAX(4096), BUF_MAX(4096) };
    int r = ask_base(s, frame, fds, n_fds, &a, stop, PUT_MS, e);

    if (r == 0)
        buf_putstr(error, buf_str(&a.error));
    answer_done(&a);
    return r;
}

int sandbox_put(struct sandbox *s, const char *name, struct str content, const struct stop *stop,
                struct err *e)
{
    cleanup_fd int fd = memfd_create("put", MFD_CLOEXEC);
    cleanup_buf struct buf frame = BUF_MAX(4096);
    struct answer a = { "put-done", false, BUF_MAX(4096), BUF_MAX(4096), BUF_MAX(4096) };

    if (fd < 0)
        return err_set(e, ERR_SANDBOX, errno, "memfd_create");
    if (io_write_all(fd, content.p, content.n, e) < 0)
        return err_wrap(e, "sandbox: %s", name);
    if (lseek(fd, 0, SEEK_SET) < 0)
        return err_set(e, ERR_SANDBOX, errno, "sandbox: %s", name);
    size_t at = frame_begin(&frame, "put");
    frame_put(&frame, "name", str_of(name));
    frame_end(&frame, at);
    int r = ask_base(s, &frame, &fd, 1, &a, stop, PUT_MS, e);
    if (r == 0 && a.error.n) {
        cleanup_buf struct buf why = BUF_MAX(16384);
        utf8_clean_line(&why, buf_str(&a.error));
        r = err_set(e, ERR_SANDBOX, 0, "write /output/%s in the sandbox: %s", name, buf_cstr(&why));
    }
    answer_done(&a);
    return r;
}

int sandbox_probe(struct sandbox *s, const char *modules, const struct stop *stop, struct buf *ret,
                  struct err *e)
{
    cleanup_buf struct buf frame = BUF_MAX(64 * KIB);
    struct answer a = { "probed", false, BUF_MAX(64 * KIB), BUF_MAX(4096), BUF_MAX(4096) };
    size_t at = frame_begin(&frame, "probe");

    frame_put(&frame, "modules", str_of(modules));
    frame_end(&frame, at);
    int r = ask_base(s, &frame, NULL, 0, &a, stop, PROBE_MS, e);
    if (r == 0)
        buf_putstr(ret, buf_str(&a.text));
    answer_done(&a);
    return r;
}

int sandbox_names(struct sandbox *s, struct str code, const char *imports, const char *calls,
                  const struct stop *stop, struct buf *ret, struct err *e)
{
    cleanup_buf struct buf frame = BUF_MAX(4 * MIB);
    struct answer a = { "named", false, BUF_MAX(64 * KIB), BUF_MAX(4096), BUF_MAX(4096) };
    size_t at = frame_begin(&frame, "names");

    frame_put(&frame, "imports", str_of(imports));
    frame_put(&frame, "calls", str_of(calls));
    frame_put(&frame, "code", code);
    frame_end(&frame, at);
    int r = frame.over ? err_set(e, ERR_LIMIT, 0, "the code is too large to be looked at")
                       : ask_base(s, &frame, NULL, 0, &a, stop, PUT_MS, e);
    if (r == 0)
        buf_putstr(ret, buf_str(&a.text));
    answer_done(&a);
    return r;
}

int sandbox_fonts(struct sandbox *s, const struct stop *stop, struct buf *name, struct buf *ret,
                  struct err *e)
{
    cleanup_buf struct buf frame = BUF_MAX(4096);
    struct answer a = { "fonts-made", false, BUF_MAX(MAX_FONTS_BYTES), BUF_MAX(4096),
                        BUF_MAX(4096) };
    size_t at = frame_begin(&frame, "fonts");

    frame_end(&frame, at);
    int r = ask_base(s, &frame, NULL, 0, &a, stop, PROBE_MS, e);
    if (r == 0 && !a.text.over && !a.name.over) {
        buf_putstr(name, buf_str(&a.name));
        buf_putstr(ret, buf_str(&a.text));
    }
    answer_done(&a);
    return r;
}
