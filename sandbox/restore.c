/* restore: becomes the process that an image holds (image.h). Started in a sandbox by the base
 * template, with every limit and filter on already: what it does, any code there may do.
 *
 * restore IMAGE-FD NUMBER: the call of checkpoint_save() that wrote the image returns NUMBER here.
 * Any other exit status says that it could not be, and the templates are made as without it.
 *
 * Linked without libc at an address where no Python lies (sources.mk). It has a stack of its own,
 * since the new one may come to lie where its first one was. Its break lies above all that an image
 * has for one; see checkpoint.c. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include "sandbox/image_check.h"
#include "sandbox/raw.h"

__attribute__((noreturn, used)) void restore_main(uint64_t *stack);
void *memcpy(void *to, const void *from, unsigned long n); /* the compiler may ask for these */
void *memset(void *to, int c, unsigned long n);

void *memcpy(void *to, const void *from, unsigned long n)
{
    for (unsigned long i = 0; i < n; i++)
        ((volatile char *)to)[i] = ((const char *)from)[i];
    return to;
}

void *memset(void *to, int c, unsigned long n)
{
    for (unsigned long i = 0; i < n; i++)
        ((volatile char *)to)[i] = (char)c;
    return to;
}

__attribute__((noreturn)) static void leave(int status)
{
    for (;;)
        raw4(__NR_exit_group, status, 0, 0, 0);
}

#if defined(__x86_64__)
#include <asm/prctl.h>

enum { SEALS = 0xf }; /* SEAL, SHRINK, GROW, WRITE */

static union {
    struct image_head head;
    char bytes[IMAGE_HEAD_BYTES];
} image;
__attribute__((used)) char own_stack[65536] __attribute__((aligned(16)));

__asm__(".text\n.globl _start\n_start:\n"
        "mov %rsp, %rdi\nlea own_stack+65536(%rip), %rsp\nxor %ebp, %ebp\ncall restore_main\n");

static long number(const char *p)
{
    long v = 0;

    for (; *p >= '0' && *p <= '9' && v < 1000000; p++)
        v = v * 10 + *p - '0';
    return *p ? -1 : v;
}

static void need(int holds, int status)
{
    if (!holds)
        leave(status);
}

static void check(const struct image_head *h, long fd)
{
    long bytes = raw4(__NR_lseek, fd, 0, 2 /* SEEK_END */, 0);
    enum image_fault fault = image_fault(h, bytes < 0 ? 0 : (uint64_t)bytes, (uint64_t)own_stack);

    need(fault == IMAGE_FITS, (int)fault);
}

static void map(uint64_t start, uint64_t end, uint32_t prot, int flags, long fd, uint64_t offset)
{
    long at = raw6(__NR_mmap, (long)start, (long)(end - start), prot, flags | MAP_FIXED, fd,
                   (long)offset);
    need((uint64_t)at == start, 21);
}

static void map_file(const struct image_region *r)
{
    const char *path = image.bytes + image.head.paths + r->path;
    long fd = raw4(__NR_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0);
    struct statx st;

    need(fd >= 0, 22);
    need(raw6(__NR_statx, fd, (long)"", AT_EMPTY_PATH, IMAGE_STATX, (long)&st, 0) == 0, 23);
    need(st.stx_ino == r->ino && st.stx_size == r->bytes && image_changed(&st) == r->changed &&
             ((uint64_t)st.stx_dev_major << 32 | st.stx_dev_minor) == r->dev,
         24);
    map(r->start, r->end, r->prot, r->is_shared ? MAP_SHARED : MAP_PRIVATE, fd, r->offset);
    raw4(__NR_close, fd, 0, 0, 0);
}

static void map_stack(const struct image_region *r, long fd)
{
    uint64_t at = r->start, offset = r->offset;

    /* A stack that grows by itself only the kernel makes, so it has all its room from the start. */
    map(image.head.stack_floor, r->end, r->prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
        0);
    while (at < r->end) {
        long n = raw4(__NR_pread64, fd, (long)at, (long)(r->end - at), (long)offset);
        need(n > 0, 25);
        at += (uint64_t)n;
        offset += (uint64_t)n;
    }
}

static void move_kernel(uint64_t vdso)
{
    for (uint64_t i = 0; i < image.head.n_regions; i++) {
        const struct image_region *r = &image.head.regions[i];
        uint64_t from = r->start - image.head.vdso + vdso, size = r->end - r->start;
        if (r->kind != IMAGE_KERNEL || from == r->start)
            continue;
        long at = raw6(__NR_mremap, (long)from, (long)size, (long)size,
                       MREMAP_MAYMOVE | MREMAP_FIXED, (long)r->start, 0);
        need((uint64_t)at == r->start, 26);
    }
}

static void map_all(long fd)
{
    for (uint64_t i = 0; i < image.head.n_regions; i++) {
        const struct image_region *r = &image.head.regions[i];
        if (r->kind == IMAGE_PAGES)
            map(r->start, r->end, r->prot, MAP_PRIVATE, fd, r->offset);
        else if (r->kind == IMAGE_EMPTY)
            map(r->start, r->end, r->prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        else if (r->kind == IMAGE_FILE)
            map_file(r);
        else if (r->kind == IMAGE_STACK)
            map_stack(r, fd);
    }
}

static void set_thread(const struct image_head *h)
{
    for (int i = 0; i < IMAGE_SIGNALS; i++)
        if (i + 1 != 9 && i + 1 != 19) /* SIGKILL, SIGSTOP */
            raw4(__NR_rt_sigaction, i + 1, (long)&h->actions[i], 0, 8);
    need(raw4(__NR_arch_prctl, ARCH_SET_FS, (long)h->fs_base, 0, 0) == 0, 31);
    need(raw4(__NR_set_robust_list, (long)h->robust, 24, 0, 0) == 0, 32);
    if (h->rseq)
        need(raw4(__NR_rseq, (long)h->rseq, 32, 0, 0x53053053) == 0, 33);
}

__attribute__((noreturn)) static void resume(const struct image_regs *r, long value)
{
    __asm__ volatile("mov 0(%0), %%rbx\nmov 8(%0), %%rbp\nmov 16(%0), %%r12\nmov 24(%0), %%r13\n"
                     "mov 32(%0), %%r14\nmov 40(%0), %%r15\nmov 48(%0), %%rsp\njmp *56(%0)\n"
                     :
                     : "D"(r), "a"(value)
                     : "memory");
    __builtin_unreachable();
}

void restore_main(uint64_t *stack)
{
    uint64_t n_args = *stack;
    char **argv = (char **)(stack + 1), **env = argv + n_args + 1;
    uint64_t hash = IMAGE_HASH_BEGIN, vdso = 0;

    need(n_args == 3, 1);
    long fd = number(argv[1]), value = number(argv[2]);
    need(fd > 2 && value > 0, 1);
    need((raw4(__NR_fcntl, fd, 1034 /* F_GET_SEALS */, 0, 0) & SEALS) == SEALS, 2);
    need(raw4(__NR_pread64, fd, (long)image.bytes, IMAGE_HEAD_BYTES, 0) == IMAGE_HEAD_BYTES, 3);
    check(&image.head, fd);
    for (; *env; env++) {
        uint64_t n = 0;
        while ((*env)[n++])
            continue;
        hash = image_hash(hash, *env, n);
    }
    need(hash == image.head.env_hash, 4);
    for (uint64_t *aux = (uint64_t *)(env + 1); aux[0]; aux += 2)
        if (aux[0] == 33) /* AT_SYSINFO_EHDR */
            vdso = aux[1];
    need(vdso != 0, 5);
    move_kernel(vdso);
    map_all(fd);
    raw4(__NR_close, fd, 0, 0, 0);
    set_thread(&image.head);
    resume(&image.head.regs, value);
}

#else

void _start(void);
void _start(void)
{
    leave(1);
}

#endif
