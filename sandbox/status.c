#include "sandbox/status.h"
#include "agent/base/io.h"
#include "agent/base/mem.h"
#include "agent/base/stop.h"
#include "agent/base/banned.h"

void status_quote(struct buf *out, const char *s)
{
    buf_putc(out, '"');
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            buf_putf(out, "\\%c", c);
        else if (c == '\n')
            buf_puts(out, "\\n");
        else if (c < 0x20 || c >= 0x7f)
            buf_putf(out, "\\u%04x", c);
        else
            buf_putc(out, (char)c);
    }
    buf_putc(out, '"');
}

static void send_line(int fd, struct buf *line)
{
    struct err ignored;

    buf_puts(line, "}\n");
    io_write_all(fd, line->p, line->n, &ignored);
}

void status_started(int fd, const struct box *b, pid_t init)
{
    static const char *const backends[] = {
        [BACKEND_RLIMITS] = "rlimits", [BACKEND_CGROUP1] = "cgroup1", [BACKEND_CGROUP2] = "cgroup2"
    };
    cleanup_buf struct buf line = BUF_MAX(32768);
    struct str rest = buf_str(&b->weaker), one;
    const char *sep = "";

    if (fd < 0)
        return;
    buf_putf(&line,
             "{\"event\":\"started\",\"pid\":%d,\"limits\":\"%s\",\"landlock\":%ld,\"backend\":\"%"
             "s\",\"root\":\"%s\",\"weaker\":[",
             (int)init, backends[b->cg.backend], b->landlock, b->lone ? "landlock" : "namespaces",
             b->root);
    while (rest.n) {
        str_cut(&rest, '\n', &one);
        cleanup_free char *text = str_dup(one);
        buf_puts(&line, sep);
        status_quote(&line, text);
        sep = ",";
    }
    buf_puts(&line, "],\"devices\":[");
    for (size_t i = 0; i < b->spec->n_devices; i++) {
        buf_puts(&line, i ? "," : "");
        status_quote(&line, b->spec->devices[i]);
    }
    buf_putf(&line, "],\"setup_us\":%lld", (long long)(now_us() - b->start_us));
    send_line(fd, &line);
}

void status_memory(int fd, int64_t oom_kills)
{
    cleanup_buf struct buf line = BUF_MAX(256);

    if (fd < 0)
        return;
    buf_putf(&line, "{\"event\":\"memory\",\"oom_kills\":%lld", (long long)oom_kills);
    send_line(fd, &line);
}

void status_exited(int fd, const struct exit_report *r)
{
    cleanup_buf struct buf line = BUF_MAX(1024);

    if (fd < 0)
        return;
    buf_putf(&line,
             "{\"event\":\"exited\",\"exit\":%d,\"signal\":%d,\"cause\":\"%s\",\"wall_ms\":%lld,"
             "\"cpu_ms\":%lld,"
             "\"peak_bytes\":%lld,\"oom_kills\":%lld,\"throttled_ms\":%lld",
             r->exit, r->signal, r->cause, (long long)r->wall_ms, (long long)r->cpu_ms,
             (long long)r->peak_bytes, (long long)r->oom_kills, (long long)r->throttled_ms);
    send_line(fd, &line);
}

void status_error(int fd, const char *layer, const struct err *e)
{
    cleanup_buf struct buf line = BUF_MAX(16384);

    if (fd < 0)
        return;
    buf_puts(&line, "{\"event\":\"error\",\"layer\":");
    status_quote(&line, layer);
    buf_putf(&line, ",\"errno\":%d,\"message\":", e->sys);
    status_quote(&line, e->msg);
    send_line(fd, &line);
}
