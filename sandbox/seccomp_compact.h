/* Build-time: a filter that decides like another one in fewer instructions. */
#ifndef SANDBOX_SECCOMP_COMPACT_H
#define SANDBOX_SECCOMP_COMPACT_H

#include <linux/filter.h>
#include <stddef.h>

enum { COMPACT_MAX = 4096 }; /* instructions; the kernel takes no more either */
struct compact {
    struct sock_filter insns[COMPACT_MAX];
    size_t n;
};

/* The smaller one, tried against `ref` over all call numbers and the arguments that matter. 0, or
 * -1 with the reason on standard error: `ref` does what this cannot read, or the two differ. */
int seccomp_compact(const struct sock_filter *ref, size_t n, struct compact *ret);

#endif
