/* Build-time program: the policy table in, C arrays of the finished filters out. Compiling a filter
 * takes libseccomp milliseconds, which is more than all the rest of the set-up; so it happens here.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "sandbox/seccomp_compact.h"
#include "sandbox/seccomp_policy.h"

static int add_call(scmp_filter_ctx ctx, const struct seccomp_row *row, const char *name)
{
    static const enum scmp_compare ops[] = {
        [OP_EQ] = SCMP_CMP_EQ, [OP_NE] = SCMP_CMP_NE, [OP_MASKED_EQ] = SCMP_CMP_MASKED_EQ
    };
    uint32_t action = row->err ? SCMP_ACT_ERRNO((unsigned)row->err) : SCMP_ACT_ALLOW;
    int nr = seccomp_syscall_resolve_name(name);
    int r;

    /* A name that this libseccomp does not know is newer than it is (or a slip of the pen, which
     * the row test finds): the default refuses it. A negative number is a call that this
     * architecture lacks. */
    if (nr == __NR_SCMP_ERROR) {
        fprintf(stderr, "seccomp_gen: %s: unknown to this libseccomp, left at ENOSYS\n", name);
        return 0;
    }
    if (nr < 0 || row->err == ENOSYS)
        return 0;
    if (row->cond.op == OP_ANY)
        r = seccomp_rule_add_exact(ctx, action, nr, 0);
    else
        r = seccomp_rule_add_exact(
            ctx, action, nr, 1,
            SCMP_CMP(row->cond.arg, ops[row->cond.op],
                     row->cond.op == OP_MASKED_EQ ? row->cond.mask : row->cond.value,
                     row->cond.value));
    if (r < 0)
        fprintf(stderr, "seccomp_gen: %s: %s\n", name, strerror(-r));
    return r;
}

static int add_row(scmp_filter_ctx ctx, const struct seccomp_row *row)
{
    char *names = strdup(row->calls);
    char *save = NULL;
    int r = names ? 0 : -1;

    for (char *name = strtok_r(names, " ", &save); name && r == 0;
         name = strtok_r(NULL, " ", &save))
        r = add_call(ctx, row, name);
    free(names);
    return r;
}

static int print_filter(const struct seccomp_variant_row *v)
{
    scmp_filter_ctx ctx =
        seccomp_init(v->others ? SCMP_ACT_ERRNO((unsigned)v->others) : SCMP_ACT_ALLOW);
    int fd = memfd_create("filter", MFD_CLOEXEC);
    int r = ctx && fd >= 0 ? 0 : -1;

    if (r == 0)
        r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (r == 0) /* a binary tree instead of a list: fewer steps a call */
        r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    for (size_t i = 0; r == 0 && i < seccomp_policy_rows; i++) {
        const struct seccomp_row *row = &seccomp_policy[i];
        if ((row->sets & v->set) && (row->sets & SET_ONLY & ~v->with) == 0)
            r = add_row(ctx, row);
    }
    if (r == 0)
        r = seccomp_export_bpf(ctx, fd);
    static struct sock_filter made[COMPACT_MAX];
    static struct compact small;
    ssize_t size = r < 0 ? -1 : pread(fd, made, sizeof made, 0);
    if (size <= 0 || seccomp_compact(made, (size_t)size / sizeof made[0], &small) < 0)
        return -1;
    printf("static const struct sock_filter bpf_%s[] = {\n", v->name);
    for (size_t i = 0; i < small.n; i++)
        printf("    { 0x%04x, %u, %u, 0x%08" PRIx32 " },\n", small.insns[i].code, small.insns[i].jt,
               small.insns[i].jf, small.insns[i].k);
    printf("};\n");
    close(fd);
    seccomp_release(ctx);
    return 0;
}

int main(void)
{
    printf("/* Made by seccomp_gen from sandbox/seccomp_policy.c. */\n");
    for (int i = 0; i < FILTERS; i++)
        if (print_filter(&seccomp_variants[i]) < 0) {
            fprintf(stderr, "seccomp_gen: cannot make the filter %s\n", seccomp_variants[i].name);
            return 1;
        }
    return fflush(stdout) == 0 ? 0 : 1;
}
