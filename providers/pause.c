#include "providers/pause.h"
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>
#include "agent/base/mem.h"
#include "agent/base/stop.h"
#include "agent/base/str.h"
#include "agent/base/banned.h"

#define DIGITS 20

static int64_t until(int fd)
{
    char text[DIGITS + 1];
    long long v;
    ssize_t n = pread(fd, text, sizeof text, 0);

    if (n <= 0 || !str_to_ll(str_trim((struct str){ text, (size_t)n }), &v) || v < 0)
        return 0;
    return v;
}

int64_t pause_left_ms(const char *path)
{
    cleanup_fd int fd =
        path ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY) : -1;
    int64_t left = fd < 0 ? 0 : until(fd) - now_ms();

    return left > 0 && left <= PAUSE_MAX_MS ? left : 0;
}

void pause_extend(const char *path, int64_t ms)
{
    char text[DIGITS + 2];
    cleanup_fd int fd =
        path && ms > 0
            ? open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600)
            : -1;

    if (fd < 0 || flock(fd, LOCK_EX) < 0)
        return;
    int64_t end = now_ms() + (ms < PAUSE_MAX_MS ? ms : PAUSE_MAX_MS);
    if (end > until(fd)) {
        int n = snprintf(text, sizeof text, "%-*lld\n", DIGITS - 1, (long long)end);
        (void)!pwrite(fd, text, (size_t)n, 0);
    }
}
