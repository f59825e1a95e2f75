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
#include "sandbox/box.h"
#include "seccomp_told.h"
#include "agent/base/banned.h"

#define AT_ONCE 256 /* then the helper looks at its limits and signals again */

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

    for (int i = 0; i < AT_ONCE; i++) {
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
        answer.r.error = c ? -c->err : -EPERM;
        (void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer); /* fails if it was killed */
    }
    return 1;
}
