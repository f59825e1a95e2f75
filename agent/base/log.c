#include "log.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "io.h"
#include "mem.h"
#include "stop.h"
#include "banned.h"

static int log_fd = -1;
static char *secrets[16];
static size_t n_secrets;

int log_open(const char *path, struct err *e)
{
    log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (log_fd < 0)
        return err_set(e, ERR_CONFIG, errno, "open the debug log %s", path);
    return 0;
}

void log_debug(const char *fmt, ...)
{
    if (log_fd < 0)
        return;
    cleanup_buf struct buf raw = BUF_MAX(65536), line = BUF_MAX(131072);
    struct err e = ERR_INIT;
    va_list ap;

    buf_putf(&raw, "%lld %ld ", (long long)now_ms(), (long)getpid());
    va_start(ap, fmt);
    buf_vputf(&raw, fmt, ap);
    va_end(ap);
    buf_putc(&raw, '\n');
    secret_redact(&line, buf_str(&raw));
    (void)io_write_all(log_fd, buf_cstr(&line), line.n, &e);
}

void secret_add(const char *secret)
{
    if (secret == NULL || strlen(secret) < 6)
        return;
    for (size_t i = 0; i < n_secrets; i++)
        if (strcmp(secrets[i], secret) == 0)
            return;
    if (n_secrets < ARRAY_LEN(secrets))
        secrets[n_secrets++] = xstrdup(secret);
}

void secret_redact(struct buf *out, struct str s)
{
    while (s.n) {
        size_t hit = 0;
        for (size_t i = 0; i < n_secrets && hit == 0; i++)
            if (str_starts(s, secrets[i]))
                hit = strlen(secrets[i]);
        if (hit) {
            buf_puts(out, "[redacted]");
            s = str_from(s, hit);
        } else {
            size_t k = 1;
            if (n_secrets == 0)
                k = s.n;
            buf_put(out, s.p, k);
            s = str_from(s, k);
        }
    }
}
