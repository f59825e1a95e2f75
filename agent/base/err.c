#include "err.h"
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "banned.h"

static const struct {
    const char *word;
    int exit_status;
} codes[] = {
    [ERR_NONE] = { "ok", 0 },
    [ERR_INTERNAL] = { "internal", 1 },
    [ERR_SYS] = { "system", 1 },
    [ERR_USAGE] = { "usage", 2 },
    [ERR_CONFIG] = { "config", 3 },
    [ERR_NET] = { "network", 4 },
    [ERR_PROVIDER] = { "provider", 4 },
    [ERR_CONTEXT] = { "context", 4 },
    [ERR_SANDBOX] = { "sandbox", 5 },
    [ERR_LIMIT] = { "limit", 1 },
    [ERR_TURNS] = { "max_turns", 6 },
    [ERR_BUDGET] = { "budget", 7 },
    [ERR_NO_CELL] = { "no_cell_succeeded", 8 },
    [ERR_CHECK] = { "check", 9 },
    [ERR_UNCHANGED] = { "unchanged", 10 },
    [ERR_LOOP] = { "no_progress", 11 },
    [ERR_DEADLINE] = { "deadline", 124 },
    [ERR_CANCEL] = { "cancelled", 130 },
};

int err_set(struct err *e, enum err_code code, int sys, const char *fmt, ...)
{
    va_list ap;

    e->code = code;
    e->sys = sys;
    va_start(ap, fmt);
    int n = vsnprintf(e->msg, sizeof e->msg, fmt, ap);
    va_end(ap);
    bool is_errno = code == ERR_SYS || code == ERR_SANDBOX || code == ERR_CONFIG ||
                    code == ERR_USAGE || code == ERR_INTERNAL;
    if (sys != 0 && is_errno && n >= 0 && (size_t)n < sizeof e->msg)
        snprintf(e->msg + n, sizeof e->msg - (size_t)n, ": %s", strerror(sys));
    return -1;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
    char old[sizeof e->msg];
    va_list ap;

    memcpy(old, e->msg, sizeof old);
    va_start(ap, fmt);
    int n = vsnprintf(e->msg, sizeof e->msg, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof e->msg - 3)
        snprintf(e->msg + n, sizeof e->msg - (size_t)n, ": %.*s",
                 (int)(sizeof e->msg - (size_t)n - 3), old);
    return -1;
}

int err_exit_status(const struct err *e)
{
    if (e->code == ERR_CANCEL)
        return e->sys > 0 ? 128 + e->sys : 130;
    return codes[e->code].exit_status;
}

const char *err_word(enum err_code code)
{
    return codes[code].word;
}
