/* System calls without libc, for code that runs where errno does not: context.so, which has no libc
 * at all, and the Landlock code that it shares with agent-sandbox. Returns the kernel's value:
 * -errno on failure. */
#ifndef SANDBOX_RAW_H
#define SANDBOX_RAW_H

static inline long raw6(long nr, long a, long b, long c, long d, long e, long f)
{
#if defined(__x86_64__)
    long ret;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;

    __asm__ volatile("syscall"
                     : "=a"(ret)
                     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return ret;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = nr;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;

    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
#else
#error "agent-sandbox knows x86_64 and aarch64; add the system call sequence of this processor here"
#endif
}

static inline long raw4(long nr, long a, long b, long c, long d)
{
    return raw6(nr, a, b, c, d, 0, 0);
}

#endif
