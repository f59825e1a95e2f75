/* Every row of the system call policy, twice.
 *
 * By reading: the finished filter is run in a small interpreter, for every row, every variant,
 * every other number, and the other ABIs. That covers calls that cannot be tried (exit, pause,
 * reboot).
 *
 * By trying: in a forked child under the real filter, each refused call is made with arguments that
 * mean nothing, with the policy's errno replaced by ECONNREFUSED, which none of these calls gives
 * by itself. The same call without a filter is the control: ECONNREFUSED there would make the test
 * worthless, and it says so. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/unit/tap.h"
#include "sandbox/seccomp_policy.c"
#include "seccomp_bpf.h"

#define PROGRAM(index, array)                                                                      \
    [index] = { sizeof(array) / sizeof(array)[0], (struct sock_filter *)array }
static const struct sock_fprog programs[FILTERS] = {
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
#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#define OTHER AUDIT_ARCH_I386
#else
#define NATIVE AUDIT_ARCH_AARCH64
#define OTHER AUDIT_ARCH_ARM
#endif

/* What the filter answers: the kernel's own rules for the few instructions that libseccomp uses. */
static uint32_t judge(const struct sock_fprog *p, const struct seccomp_data *data)
{
    uint32_t a = 0;

    for (unsigned pc = 0; pc < p->len; pc++) {
        const struct sock_filter *f = &p->filter[pc];
        bool yes;
        switch (f->code) {
        case BPF_LD | BPF_W | BPF_ABS:
            memcpy(&a, (const char *)data + f->k, sizeof a);
            continue;
        case BPF_ALU | BPF_AND | BPF_K:
            a &= f->k;
            continue;
        case BPF_JMP | BPF_JA:
            pc += f->k;
            continue;
        case BPF_JMP | BPF_JEQ | BPF_K:
            yes = a == f->k;
            break;
        case BPF_JMP | BPF_JGT | BPF_K:
            yes = a > f->k;
            break;
        case BPF_JMP | BPF_JGE | BPF_K:
            yes = a >= f->k;
            break;
        case BPF_JMP | BPF_JSET | BPF_K:
            yes = (a & f->k) != 0;
            break;
        case BPF_RET | BPF_K:
            return f->k;
        default:
            printf("Bail out! instruction 0x%x is not known to this test\n", f->code);
            exit(1);
        }
        pc += yes ? f->jt : f->jf;
    }
    return SECCOMP_RET_KILL_PROCESS;
}

static uint32_t answer(const struct seccomp_row *row, enum seccomp_told told)
{
    if (row->err == WATCHED)
        return SECCOMP_RET_USER_NOTIF;
    if (row->err && (row->sets & SET_TOLD) && told != TOLD_REFUSE)
        return told == TOLD_NOTIFY ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_ALLOW;
    return row->err ? SECCOMP_RET_ERRNO | (uint32_t)row->err : SECCOMP_RET_ALLOW;
}

/* Arguments that meet the row's condition, with everything else set to `rest`. */
static void fill(struct seccomp_data *d, const struct seccomp_row *row, int nr, uint64_t rest)
{
    *d = (struct seccomp_data){ .nr = nr, .arch = NATIVE };
    for (int i = 0; i < 6; i++)
        d->args[i] = rest;
    switch (row->cond.op) {
    case OP_ANY:
        break;
    case OP_EQ:
        d->args[row->cond.arg] = row->cond.value;
        break;
    case OP_NE:
        d->args[row->cond.arg] = row->cond.value + 1;
        break;
    case OP_MASKED_EQ:
        d->args[row->cond.arg] = row->cond.value;
        break;
    }
}

static bool in_variant(const struct seccomp_row *row, const struct seccomp_variant_row *v)
{
    return (row->sets & v->set) && (row->sets & SET_ONLY & ~v->with) == 0;
}

static void read_row(const struct seccomp_row *row, const char *name, int nr)
{
    for (int v = 0; v < FILTERS; v++) {
        struct seccomp_data d;
        if (!in_variant(row, &seccomp_variants[v]))
            continue;
        fill(&d, row, nr, 0);
        uint32_t with_0 = judge(&programs[v], &d);
        fill(&d, row, nr, ~0ull);
        uint32_t with_1 = judge(&programs[v], &d);
        uint32_t want = answer(row, seccomp_variants[v].told);
        CHECK(with_0 == want && with_1 == want, "%s: %s %s", seccomp_variants[v].name, name,
              want == SECCOMP_RET_ALLOW        ? "is allowed"
              : want == SECCOMP_RET_USER_NOTIF ? "is the listener's"
                                               : "is refused");
    }
}

static const struct sock_fprog *marked(void)
{
    static struct sock_filter copy[sizeof bpf_strict / sizeof bpf_strict[0]];
    static struct sock_fprog p = { sizeof copy / sizeof copy[0], copy };

    memcpy(copy, bpf_strict, sizeof copy);
    for (unsigned i = 0; i < p.len; i++)
        if (copy[i].code == (BPF_RET | BPF_K) &&
            (copy[i].k & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO)
            copy[i].k = SECCOMP_RET_ERRNO | ECONNREFUSED;
    return &p;
}

/* errno of the call in a child of its own, as an ordinary user; 0 if it succeeded, -1 if the child
 * died. */
static int try_call(int nr, const struct seccomp_data *d, bool filtered)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        if (geteuid() == 0 &&
            (setresgid(65533, 65533, 65533) < 0 || setresuid(65533, 65533, 65533) < 0))
            _exit(255);
        alarm(5);
        if (filtered && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
                         syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, marked()) < 0))
            _exit(254);
        errno = 0;
        long r =
            syscall(nr, d->args[0], d->args[1], d->args[2], d->args[3], d->args[4], d->args[5]);
        _exit(r < 0 ? errno : 0);
    }
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status);
}

static void try_row(const struct seccomp_row *row, const char *name, int nr)
{
    struct seccomp_data d;

    if (row->err <= 0 || !(row->sets & SET_STRICT))
        return;
    fill(&d, row, nr, ~0ull);
    int with = try_call(nr, &d, true), without = try_call(nr, &d, false);
    if (without == ECONNREFUSED)
        tap_skip("%s: unfiltered it gives ECONNREFUSED as well", name);
    else
        CHECK(with == ECONNREFUSED, "the kernel refuses %s by the filter (without: errno %d)", name,
              without);
}

/* A call belongs to some row of this variant, whatever its arguments. */
static bool is_named(int nr, const struct seccomp_variant_row *v)
{
    char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);
    bool found = false;

    for (size_t i = 0; name && !found && i < seccomp_policy_rows; i++) {
        const struct seccomp_row *row = &seccomp_policy[i];
        size_t n = strlen(name);
        for (const char *at = row->calls; in_variant(row, v) && (at = strstr(at, name)) != NULL;
             at += n)
            if ((at == row->calls || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0'))
                found = true;
    }
    free(name);
    return found;
}

static void read_default(void)
{
    for (int v = 0; v < FILTERS; v++) {
        int wrong = 0, foreign = 0, answered = seccomp_variants[v].others;
        uint32_t others = answered ? SECCOMP_RET_ERRNO | (uint32_t)answered : SECCOMP_RET_ALLOW;
        for (int nr = 0; nr < 1024; nr++) {
            struct seccomp_data d = { .nr = nr, .arch = NATIVE };
            if (!is_named(nr, &seccomp_variants[v]) && judge(&programs[v], &d) != others)
                wrong++;
            d.arch = OTHER;
            foreign += judge(&programs[v], &d) != SECCOMP_RET_KILL_PROCESS;
        }
        CHECK(wrong == 0, "%s: every call that no row names is %s (%d are not)",
              seccomp_variants[v].name, answered ? "ENOSYS" : "left to the other filter", wrong);
        CHECK(foreign == 0, "%s: every call of the 32-bit ABI kills (%d do not)",
              seccomp_variants[v].name, foreign);
    }
}

#if defined(__x86_64__)
/* Other processors have no such calls: the kernel answers ENOSYS to numbers of that size. */
static void read_x32(void)
{
    for (int v = 0; v < FILTERS; v++) {
        int open = 0;
        for (int nr = 0; nr < 1024; nr++) {
            struct seccomp_data d = { .nr = nr | 0x40000000, .arch = NATIVE };
            uint32_t r = judge(&programs[v], &d);
            open += r != SECCOMP_RET_KILL_PROCESS && r != (SECCOMP_RET_ERRNO | ENOSYS);
        }
        CHECK(open == 0, "%s: every x32 call is refused (%d are not)", seccomp_variants[v].name,
              open);
    }
}
#else
static void read_x32(void)
{
}
#endif

int main(void)
{
    int unknown = 0;

    for (size_t i = 0; i < seccomp_policy_rows; i++) {
        const struct seccomp_row *row = &seccomp_policy[i];
        char *names = strdup(row->calls), *save = NULL;
        CHECK(row->why && *row->why, "row %zu (%.30s) says why", i, row->calls);
        for (char *name = strtok_r(names, " ", &save); name; name = strtok_r(NULL, " ", &save)) {
            int nr = seccomp_syscall_resolve_name(name);
            if (nr == __NR_SCMP_ERROR)
                unknown++; /* newer than libseccomp: the default refuses it */
            if (nr < 0)
                continue; /* this architecture lacks it */
            read_row(row, name, nr);
            try_row(row, name, nr);
        }
        free(names);
    }
    CHECK(unknown <= 4, "no name in the table is a slip of the pen (%d unknown to libseccomp)",
          unknown);
    read_default();
    read_x32();
    return tap_done();
}
