#include "sandbox/denied.h"
#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "agent/base/mem.h"
#include "agent/base/stop.h"
#include "sandbox/box.h"
#include "sandbox/writes.h"
#include "seccomp_told.h"
#include "agent/base/banned.h"

/* Then the helper looks at its limits and signals again. */
#define AT_ONCE 256
#define AT_ONCE_US 20000

/* Linux 6.6, newer than the headers that we may be compiled with. */
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif
#define SYNC_WAKE_UP 1ull

_Static_assert(ARRAY_LEN(told_calls) <= DENIED_CALLS, "make DENIED_CALLS larger");

int denied_open(struct box *b, struct err *e)
{
    struct stat st;

    if (b->spec->denied_fd < 0)
        return 0;
    if (!b->spec->is_template)
        return err_set(e, ERR_USAGE, 0, "--denied-fd counts for --template only");
    if (fstat(b->spec->denied_fd, &st) < 0 || st.st_size < (off_t)sizeof *b->denied)
        return err_set(e, ERR_USAGE, 0, "--denied-fd %d is no memory of %zu bytes",
                       b->spec->denied_fd, sizeof *b->denied);
    void *p =
        mmap(NULL, sizeof *b->denied, PROT_READ | PROT_WRITE, MAP_SHARED, b->spec->denied_fd, 0);
    if (p == MAP_FAILED)
        return err_set(e, ERR_SANDBOX, errno, "--denied-fd %d", b->spec->denied_fd);
    b->denied = p;
    return 0;
}

static const struct told_call *find(int nr)
{
    for (size_t i = 0; i < ARRAY_LEN(told_calls); i++)
        if (told_calls[i].nr == nr)
            return &told_calls[i];
    return NULL;
}

static void add(uint64_t *counter)
{
    __atomic_fetch_add(counter, 1, __ATOMIC_RELEASE);
}

/* The caller sleeps until we answer, so let us take its processor meanwhile; where that cannot be
 * had it is slower and nothing else. */
void denied_hurry(int listener)
{
    (void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SYNC_WAKE_UP);
}

int denied_serve(int listener, struct denied_counts *counts)
{
    /* A newer kernel's records may be longer than those that we were compiled with. */
    static union {
        struct seccomp_notif n;
        char room[1024];
    } ask;
    static union {
        struct seccomp_notif_resp r;
        char room[1024];
    } answer;

    int64_t until = now_us() + AT_ONCE_US;
    for (int i = 0; i < AT_ONCE && now_us() < until; i++) {
        struct pollfd p = { listener, POLLIN, 0 };
        if (poll(&p, 1, 0) <= 0)
            return 1;
        if (!(p.revents & POLLIN))
            return 0;
        memset(&ask, 0, sizeof ask);
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &ask) < 0)
            continue; /* the caller was killed meanwhile */
        const struct told_call *c = find(ask.n.data.nr);
        if (c && counts) {
            add(&counts->call[c - told_calls]);
            if (c->is_socket) {
                uint64_t family = ask.n.data.args[0];
                add(&counts->family[family < DENIED_FAMILIES ? family : DENIED_FAMILIES - 1]);
            }
        }
        memset(&answer, 0, sizeof answer);
        answer.r.id = ask.n.id;
        if (!c && writes_look(&ask.n, counts))
            answer.r.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
        else
            answer.r.error = c ? -c->err : -EPERM;
        (void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer); /* fails if it was killed */
    }
    return 1;
}
