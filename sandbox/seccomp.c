#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "sandbox/box.h"
#include "sandbox/seccomp_policy.h"
#include "agent/base/mem.h"
#include "agent/base/banned.h"
#include "seccomp_bpf.h"

static const struct sock_fprog programs[FILTERS] = {
#define PROGRAM(index, array) [index] = { ARRAY_LEN(array), (struct sock_filter *)array }
    PROGRAM(FILTER_STRICT, bpf_strict),
    PROGRAM(FILTER_STRICT_COUNTED, bpf_strict_counted),
    PROGRAM(FILTER_TEMPLATE, bpf_template),
    PROGRAM(FILTER_TEMPLATE_COUNTED, bpf_template_counted),
    PROGRAM(FILTER_STRICT_DEVICE, bpf_strict_device),
    PROGRAM(FILTER_STRICT_COUNTED_DEVICE, bpf_strict_counted_device),
    PROGRAM(FILTER_TEMPLATE_DEVICE, bpf_template_device),
    PROGRAM(FILTER_TEMPLATE_COUNTED_DEVICE, bpf_template_counted_device),
    PROGRAM(FILTER_TEMPLATE_TOLD, bpf_template_told),
    PROGRAM(FILTER_TEMPLATE_COUNTED_TOLD, bpf_template_counted_told),
    PROGRAM(FILTER_TEMPLATE_TOLD_DEVICE, bpf_template_told_device),
    PROGRAM(FILTER_TEMPLATE_COUNTED_TOLD_DEVICE, bpf_template_counted_told_device),
    PROGRAM(FILTER_CONTEXT, bpf_context),
    PROGRAM(FILTER_CONTEXT_DEVICE, bpf_context_device),
    PROGRAM(FILTER_INIT, bpf_init),
    PROGRAM(FILTER_LONE, bpf_lone),
    PROGRAM(FILTER_LONE_USER, bpf_lone_user),
};

static int load(enum seccomp_variant v, struct err *e)
{
    /* SPEC_ALLOW: without it, kernels before 5.16 slow every thread down against a side channel
     * that a process of the sandbox could only use on itself. */
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW,
                &programs[v]) < 0)
        return err_set(
            e, ERR_SANDBOX, errno,
            "cannot load the filter %s (%u instructions); this kernel needs CONFIG_SECCOMP_FILTER",
            seccomp_variants[v].name, programs[v].len);
    return 0;
}

/* The template's filter with a listener, which goes to the helper. False: there can be none here,
 * and nothing is loaded. */
static bool load_told(struct box *b, enum seccomp_variant v)
{
    struct info info = { .kind = INFO_LISTENER };
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } control = { .space = { 0 } };
    struct iovec iov = { &info, sizeof info };
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
    };
    unsigned flags = SECCOMP_FILTER_FLAG_SPEC_ALLOW | SECCOMP_FILTER_FLAG_NEW_LISTENER;

    /* Once the helper has a call, only a fatal signal takes it away again (Linux 5.19). */
    int fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                          flags | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &programs[v]);
    if (fd < 0 && errno == EINVAL)
        fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &programs[v]);
    if (fd < 0)
        return false;
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    (void)sendmsg(b->info_fd, &msg, MSG_NOSIGNAL); /* the helper is gone: the end is near */
    close(fd);
    return true;
}

int seccomp_command(struct box *b, struct err *e)
{
    static const enum seccomp_variant filters[2][2][2] = {
        { { FILTER_STRICT, FILTER_STRICT_COUNTED },
          { FILTER_STRICT_DEVICE, FILTER_STRICT_COUNTED_DEVICE } },
        { { FILTER_TEMPLATE, FILTER_TEMPLATE_COUNTED },
          { FILTER_TEMPLATE_DEVICE, FILTER_TEMPLATE_COUNTED_DEVICE } },
    };
    static const enum seccomp_variant told[2][2] = {
        { FILTER_TEMPLATE_TOLD, FILTER_TEMPLATE_COUNTED_TOLD },
        { FILTER_TEMPLATE_TOLD_DEVICE, FILTER_TEMPLATE_COUNTED_TOLD_DEVICE },
    };
    bool counted = b->cg.backend != BACKEND_RLIMITS, devices = b->spec->n_devices > 0;

    if (b->lone && load(b->from_root ? FILTER_LONE : FILTER_LONE_USER, e) < 0)
        return -1;

    /* Without namespaces the filter above refuses sockets before a listener would hear of it. */
    if (b->spec->is_template && b->denied && !b->lone && load_told(b, told[devices][counted]))
        return 0;
    return load(filters[b->spec->is_template][devices][counted], e);
}

int seccomp_init_filter(struct box *b, struct err *e)
{
    (void)b;
    return load(FILTER_INIT, e);
}

static void put_condition(struct buf *out, const struct seccomp_row *row)
{
    unsigned long long value = row->cond.value, mask = row->cond.mask;

    switch (row->cond.op) {
    case OP_ANY:
        break;
    case OP_EQ:
        buf_putf(out, " if arg%u == 0x%llx", row->cond.arg, value);
        break;
    case OP_NE:
        buf_putf(out, " if arg%u != 0x%llx", row->cond.arg, value);
        break;
    case OP_MASKED_EQ:
        buf_putf(out, " if (arg%u & 0x%llx) == 0x%llx", row->cond.arg, mask, value);
        break;
    }
}

void seccomp_print(struct buf *out)
{
    buf_puts(
        out,
        "System calls (what no row names: ENOSYS; x32 and 32-bit calls: the process is killed)\n");
    for (int i = 0; i < FILTERS; i++)
        buf_putf(out, "  filter %s: %u instructions\n", seccomp_variants[i].name, programs[i].len);
    for (size_t i = 0; i < seccomp_policy_rows; i++) {
        const struct seccomp_row *row = &seccomp_policy[i];
        buf_putf(out, "  %s %s",
                 row->err == WATCHED ? "allow"
                 : row->err          ? strerrorname_np(row->err)
                                     : "allow",
                 row->calls);
        put_condition(out, row);
        buf_putf(
            out, "\n      [%s%s%s%s%s%s%s%s%s%s] %s\n", row->sets & SET_STRICT ? " strict" : "",
            row->sets & SET_TEMPLATE ? " template" : "", row->sets & SET_INIT ? " init" : "",
            row->sets & SET_LONE ? " lone" : "", row->sets & SET_LONE_USER ? " lone, not root" : "",
            row->sets & SET_COUNTED ? ", only with a memory cgroup" : "",
            row->sets & SET_DEVICE ? ", only with --device" : "",
            row->sets & SET_TOLD ? " counted" : "",
            row->err == WATCHED     ? ", watched by the listener"
            : row->sets & SET_HEARD ? ", with a listener"
                                    : "",
            row->sets & SET_UNHEARD ? ", without a listener" : "", row->why);
    }
}
