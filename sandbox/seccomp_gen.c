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

static uint32_t action_of(const struct seccomp_row *row, enum seccomp_told told)
{
    if (!row->err)
        return SCMP_ACT_ALLOW;
    if (row->err == WATCHED)
        return SCMP_ACT_NOTIFY;
    if (!(row->sets & SET_TOLD) || told == TOLD_REFUSE)
        return SCMP_ACT_ERRNO((unsigned)row->err);
    return told == TOLD_NOTIFY ? SCMP_ACT_NOTIFY : SCMP_ACT_ALLOW;
}

static int add_call(scmp_filter_ctx ctx, const struct seccomp_row *row, const char *name,
                    enum seccomp_told told)
{
    static const enum scmp_compare ops[] = {
        [OP_EQ] = SCMP_CMP_EQ, [OP_NE] = SCMP_CMP_NE, [OP_MASKED_EQ] = SCMP_CMP_MASKED_EQ
    };
    uint32_t action = action_of(row, told);
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

static int add_row(scmp_filter_ctx ctx, const struct seccomp_row *row, enum seccomp_told told)
{
    char *names = strdup(row->calls);
    char *save = NULL;
    int r = names ? 0 : -1;

    for (char *name = strtok_r(names, " ", &save); name && r == 0;
         name = strtok_r(NULL, " ", &save))
        r = add_call(ctx, row, name, told);
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
            r = add_row(ctx, row, v->told);
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

/* The calls of the rows with SET_TOLD, each once: for who answers them, and for who names them. */
static int print_told(void)
{
    int seen[1024], n = 0;

    printf("/* Made by seccomp_gen from sandbox/seccomp_policy.c. */\n"
           "static const struct told_call {\n    int nr, err, is_socket;\n    const char *name;\n"
           "} told_calls[] = {\n");
    for (size_t i = 0; i < seccomp_policy_rows; i++) {
        const struct seccomp_row *row = &seccomp_policy[i];
        char *names = strdup(row->calls), *save = NULL;
        if (!names)
            return -1;
        for (char *name = strtok_r(names, " ", &save); name && (row->sets & SET_TOLD);
             name = strtok_r(NULL, " ", &save)) {
            int nr = seccomp_syscall_resolve_name(name), known = nr < 0;
            for (int k = 0; k < n; k++)
                known = known || seen[k] == nr;
            if (known || n == 1024)
                continue;
            seen[n++] = nr;
            printf("    { %d, %d, %d, \"%s\" },\n", nr, row->err, strncmp(name, "socket", 6) == 0,
                   name);
        }
        free(names);
    }
    printf("};\n");
    return fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "told") == 0)
        return print_told() < 0;
    /* Listeners and the end of the whole process: for the kernel that runs the filters to know. The
     * one that builds may know less, as below an emulator. */
    if (seccomp_api_set(5) < 0)
        return 1;
    printf("/* Made by seccomp_gen from sandbox/seccomp_policy.c. */\n");
    for (int i = 0; i < FILTERS; i++)
        if (print_filter(&seccomp_variants[i]) < 0) {
            fprintf(stderr, "seccomp_gen: cannot make the filter %s\n", seccomp_variants[i].name);
            return 1;
        }
    return fflush(stdout) == 0 ? 0 : 1;
}
