/* libseccomp compares a call's number with one number after the other and returns next to each.
 * What the kernel charges for is the length: loading 570 instructions takes it a quarter of a
 * millisecond, in every command and every context. So the numbers that lead to the same end are put
 * together in ranges, and a binary search over their bounds leads to few shared ends. Only what
 * looks at arguments is copied from the reference.
 *
 * The program is made from its end to its beginning, since jumps lead forward only: `at` in here
 * counts from the end, so it stays true while instructions are put before it. */
#include "sandbox/seccomp_compact.h"
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/banned.h"

#define OFF_NR offsetof(struct seccomp_data, nr)
#define OFF_ARCH offsetof(struct seccomp_data, arch)
#define OFF_ARGS offsetof(struct seccomp_data, args)
#define LOAD (BPF_LD | BPF_W | BPF_ABS)
#define RETURN (BPF_RET | BPF_K)
#if defined(__aarch64__)
#define NATIVE AUDIT_ARCH_AARCH64
#else
#define NATIVE AUDIT_ARCH_X86_64
#endif
#define FAR 255 /* how far a conditional jump reaches */
#define NONE SIZE_MAX

/* --- running a filter --- */

struct state {
    size_t pc;
    uint32_t a;
};

/* Runs until a return, or with `stop` until an argument is about to be loaded. Gives the place,
 * NONE for what is no filter of this kind. */
static size_t run(const struct sock_filter *p, size_t n, const struct seccomp_data *d, bool stop)
{
    struct state s = { 0, 0 };

    while (s.pc < n) {
        const struct sock_filter *i = &p[s.pc];
        bool yes;
        switch (i->code) {
        case LOAD:
            if (i->k > sizeof *d - 4 || i->k % 4)
                return NONE;
            if (stop && i->k >= OFF_ARGS)
                return s.pc;
            memcpy(&s.a, (const char *)d + i->k, 4);
            s.pc++;
            continue;
        case RETURN:
            return s.pc;
        case BPF_JMP | BPF_JA:
            s.pc += 1 + (size_t)i->k;
            continue;
        case BPF_ALU | BPF_AND | BPF_K:
            if (stop) /* a number that is calculated with would not be a range */
                return NONE;
            s.a &= i->k;
            s.pc++;
            continue;
        case BPF_JMP | BPF_JEQ | BPF_K:
            yes = s.a == i->k;
            break;
        case BPF_JMP | BPF_JGT | BPF_K:
            yes = s.a > i->k;
            break;
        case BPF_JMP | BPF_JGE | BPF_K:
            yes = s.a >= i->k;
            break;
        default:
            return NONE;
        }
        s.pc += 1 + (size_t)(yes ? i->jt : i->jf);
    }
    return NONE;
}

/* --- ranges of numbers --- */

struct range {
    uint32_t from;
    size_t end; /* place in the reference: a return, or the first load of an argument */
};
struct ranges {
    struct range *v;
    size_t n;
};

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static bool same_end(const struct sock_filter *p, size_t a, size_t b)
{
    return a == b || (p[a].code == RETURN && p[b].code == RETURN && p[a].k == p[b].k);
}

/* The reference compares numbers with its constants only, so between two of them it does the same.
 */
static int find_ranges(const struct sock_filter *p, size_t n, struct ranges *ret)
{
    uint32_t *bounds = calloc(2 * n + 1, sizeof *bounds);
    size_t n_bounds = 1;

    ret->v = calloc(2 * n + 1, sizeof *ret->v);
    ret->n = 0;
    if (!bounds || !ret->v) {
        free(bounds);
        return -1;
    }
    for (size_t i = 0; i < n; i++)
        if (BPF_CLASS(p[i].code) == BPF_JMP && p[i].code != (BPF_JMP | BPF_JA)) {
            bounds[n_bounds++] = p[i].k;
            bounds[n_bounds++] = p[i].k + 1;
        }
    qsort(bounds, n_bounds, sizeof *bounds, by_value);
    for (size_t i = 0; i < n_bounds; i++) {
        struct seccomp_data d = { .nr = (int)bounds[i], .arch = NATIVE };
        size_t end = run(p, n, &d, true);
        if (end == NONE) {
            free(bounds);
            return -1;
        }
        if (ret->n == 0 || !same_end(p, ret->v[ret->n - 1].end, end))
            ret->v[ret->n++] = (struct range){ bounds[i], end };
    }
    free(bounds);
    return 0;
}

/* --- putting it together, from the end --- */

struct maker {
    const struct sock_filter *ref;
    size_t n_ref;
    struct sock_filter back[COMPACT_MAX]; /* last instruction first */
    size_t n;
    size_t *known; /* for each place of the reference: where its copy is, NONE if nowhere */
    bool full;
};

static size_t put(struct maker *m, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
    if (m->n == COMPACT_MAX) {
        m->full = true;
        return 0;
    }
    m->back[m->n] = (struct sock_filter){ code, jt, jf, k };
    return m->n++;
}

/* A place from which `at` can be reached by a conditional jump that is put next but one at most. */
static size_t near(struct maker *m, size_t at)
{
    if (m->n - at <= FAR - 1)
        return at;
    if (m->back[at].code == RETURN)
        return put(m, RETURN, 0, 0, m->back[at].k);
    return put(m, BPF_JMP | BPF_JA, 0, 0, (uint32_t)(m->n - at - 1));
}

static size_t branch(struct maker *m, uint16_t code, uint32_t k, size_t yes, size_t no)
{
    yes = near(m, yes);
    no = near(m, no);
    return put(m, code, (uint8_t)(m->n - yes - 1), (uint8_t)(m->n - no - 1), k);
}

static size_t ending(struct maker *m, uint32_t k)
{
    for (size_t at = m->n; at-- > 0 && m->n - at < FAR - 1;)
        if (m->back[at].code == RETURN && m->back[at].k == k)
            return at;
    return put(m, RETURN, 0, 0, k);
}

/* The reference's instructions from `pc` on. */
static size_t copy(struct maker *m, size_t pc)
{
    if (pc >= m->n_ref) {
        m->full = true;
        return 0;
    }
    const struct sock_filter *i = &m->ref[pc];
    if (i->code == RETURN)
        return ending(m, i->k);
    if (m->known[pc] != NONE)
        return m->known[pc];
    size_t at;
    if (i->code == (BPF_JMP | BPF_JA)) {
        at = copy(m, pc + 1 + i->k);
    } else if (BPF_CLASS(i->code) == BPF_JMP) {
        size_t yes = copy(m, pc + 1 + i->jt), no = copy(m, pc + 1 + i->jf);
        at = branch(m, i->code, i->k, yes, no);
    } else {
        size_t next = copy(m, pc + 1);
        if (next != m->n - 1) /* it has to follow */
            put(m, BPF_JMP | BPF_JA, 0, 0, (uint32_t)(m->n - next - 1));
        at = put(m, i->code, 0, 0, i->k);
    }
    return m->known[pc] = at;
}

static size_t search(struct maker *m, const struct ranges *r, size_t from, size_t to)
{
    if (to - from == 1)
        return copy(m, r->v[from].end);
    size_t middle = from + (to - from) / 2;
    size_t high = search(m, r, middle, to), low = search(m, r, from, middle);
    return branch(m, BPF_JMP | BPF_JGE | BPF_K, r->v[middle].from, high, low);
}

static void finish(struct maker *m, size_t root, struct compact *ret)
{
    struct seccomp_data other = { .arch = 0 };
    size_t end = run(m->ref, m->n_ref, &other, true);

    if (root != m->n - 1)
        put(m, BPF_JMP | BPF_JA, 0, 0, (uint32_t)(m->n - root - 1));
    root = put(m, LOAD, 0, 0, OFF_NR);
    if (end == NONE || m->ref[end].code != RETURN) {
        m->full = true;
        return;
    }
    size_t refuse = put(m, RETURN, 0, 0, m->ref[end].k);
    branch(m, BPF_JMP | BPF_JEQ | BPF_K, NATIVE, root, refuse);
    put(m, LOAD, 0, 0, OFF_ARCH);
    ret->n = m->n;
    for (size_t i = 0; i < m->n; i++)
        ret->insns[i] = m->back[m->n - 1 - i];
}

/* --- the proof --- */

static bool agree(const struct sock_filter *ref, size_t n, const struct compact *c,
                  const struct seccomp_data *d)
{
    size_t a = run(ref, n, d, false), b = run(c->insns, c->n, d, false);

    if (a != NONE && b != NONE && ref[a].k == c->insns[b].k)
        return true;
    fprintf(stderr, "seccomp_compact: call %d of ABI %#x, argument 0 %#llx: the filters differ\n",
            d->nr, d->arch, (unsigned long long)d->args[0]);
    return false;
}

/* Every half of every argument, at each constant of the reference and beside it. */
static bool agree_on_arguments(const struct sock_filter *ref, size_t n, const struct compact *c,
                               struct seccomp_data d)
{
    for (size_t arg = 0; arg < 6; arg++)
        for (size_t i = 0; i < n; i++)
            for (uint32_t k = 0; k < 3; k++) {
                uint32_t v = ref[i].k + k - 1;
                for (size_t other = 0; other < 4; other++) {
                    static const uint32_t halves[] = { 0, 1, 0x80000000u, ~0u };
                    d.args[arg] = (uint64_t)halves[other] << 32 | v;
                    if (!agree(ref, n, c, &d))
                        return false;
                    d.args[arg] = (uint64_t)v << 32 | halves[other];
                    if (!agree(ref, n, c, &d))
                        return false;
                    d.args[arg] = 0;
                }
            }
    return true;
}

static bool proved(const struct sock_filter *ref, size_t n, const struct compact *c)
{
    static const uint32_t archs[] = {
        AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64, AUDIT_ARCH_ARM, 0, ~0u
    };

    for (size_t a = 0; a < sizeof archs / sizeof archs[0]; a++)
        for (uint32_t nr = 0; nr < 4096; nr++) {
            const uint32_t also[] = { nr, nr + 0x40000000u, ~nr, nr + 0x7ffff800u };
            for (size_t i = 0; i < sizeof also / sizeof also[0]; i++) {
                struct seccomp_data d = { .nr = (int)also[i], .arch = archs[a] };
                size_t end = run(ref, n, &d, true);
                if (!agree(ref, n, c, &d) ||
                    (end != NONE && ref[end].code != RETURN && !agree_on_arguments(ref, n, c, d)))
                    return false;
            }
        }
    return true;
}

int seccomp_compact(const struct sock_filter *ref, size_t n, struct compact *ret)
{
    struct maker *m = calloc(1, sizeof *m);
    struct ranges ranges = { NULL, 0 };
    int r = m ? 0 : -1;

    if (r == 0) {
        m->ref = ref;
        m->n_ref = n;
        m->known = malloc((n + 1) * sizeof *m->known);
        r = m->known ? find_ranges(ref, n, &ranges) : -1;
    }
    if (r == 0) {
        for (size_t i = 0; i < n; i++)
            m->known[i] = NONE;
        finish(m, search(m, &ranges, 0, ranges.n), ret);
        if (m->full)
            r = -1;
    }
    if (r < 0)
        fprintf(stderr, "seccomp_compact: the reference is no filter that this can read\n");
    else if (!proved(ref, n, ret))
        r = -1;
    free(ranges.v);
    if (m)
        free(m->known);
    free(m);
    return r;
}
