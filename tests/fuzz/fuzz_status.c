/* Properties of what the agent hears on the helper's status descriptor, any bytes: any
 * fragmentation of the same bytes leaves the same state; and a line that never ends loses the
 * sandbox instead of memory. */
#include <stdint.h>
#include "sandbox/run.c" /* hear_status() and the state it fills are its own */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_INPUT (32 * KIB) /* fits into a pipe, so that one thread can write and read it */

static void hear_pieces(struct str in, size_t step, struct buf *out)
{
    struct sandbox s = { .h = HELPER_INIT, .workspace_fd = -1 };
    int p[2];

    s.status_in = (struct buf)BUF_MAX(MAX_STATUS);
    s.weaker = (struct buf)BUF_MAX(MAX_STATUS);
    if (pipe2(p, O_CLOEXEC | O_NONBLOCK) < 0)
        abort();
    s.h.status = p[0];
    while (in.n) {
        size_t n = step < in.n ? step : in.n;
        if (write(p[1], in.p, n) != (ssize_t)n)
            abort();
        hear_status(&s);
        in = str_from(in, n);
    }
    close(p[1]);
    hear_status(&s);
    if (s.h.status >= 0 || s.status_in.n > MAX_STATUS || s.weaker.n > MAX_STATUS)
        __builtin_trap();
    buf_putf(out, "%d %d %d [%s] [%s] %lld [%s] [%s]", s.started, s.ready, s.lost, s.limits,
             buf_cstr(&s.weaker), (long long)s.oom_kills, s.lost ? s.why.msg : "",
             buf_cstr(&s.status_in));
    buf_free(&s.status_in);
    buf_free(&s.weaker);
}

/* The line goes on and on: the sandbox is lost, and no more than the cap was kept. */
static void endless(const char *p, size_t n)
{
    struct sandbox s = { .h = HELPER_INIT, .workspace_fd = -1 };
    int fds[2];

    s.status_in = (struct buf)BUF_MAX(MAX_STATUS);
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
        abort();
    s.h.status = fds[0];
    for (size_t sent = 0; sent <= MAX_STATUS + n && !s.lost; sent += n) {
        if (write(fds[1], p, n) != (ssize_t)n)
            abort();
        hear_status(&s);
    }
    if (!s.lost || s.status_in.n > MAX_STATUS)
        __builtin_trap();
    close(fds[0]);
    close(fds[1]);
    buf_free(&s.status_in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = { (const char *)data, size };
    cleanup_buf struct buf whole = BUF_MAX(MIB), parts = BUF_MAX(MIB), bytes = BUF_MAX(MIB);

    if (size > MAX_INPUT)
        return 0;
    hear_pieces(in, size + 1, &whole);
    hear_pieces(in, size ? 1 + data[0] % 7 : 1, &parts);
    hear_pieces(in, 1, &bytes);
    if (whole.over || !str_eq(buf_str(&whole), buf_str(&parts)) ||
        !str_eq(buf_str(&whole), buf_str(&bytes)))
        __builtin_trap();
    if (size >= 4096 && memchr(data, '\n', size) == NULL)
        endless(in.p, size);
    return 0;
}
