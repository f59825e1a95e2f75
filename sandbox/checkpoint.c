/* A part of context.so: writes the memory of the calling process, a fork of the warm template that
 * does nothing else, into a file. Single-threaded, and without libc, whose memory it is that gets
 * written.
 *
 * What is in a mapped file unchanged is named and not copied. Anonymous memory is copied page by
 * page where it was touched. The break cannot be restored by a process without capabilities, so
 * libc is made to ask for it again (`curbrk`): it then takes a break that has moved for what it is.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include "sandbox/image.h"
#include "sandbox/raw.h"
#include <sys/syscall.h>

#define EXPORT __attribute__((visibility("default")))
#define SCRATCH (16l << 20)
/* So many untouched pages between touched ones are not worth a region of their own. */
#define JOIN 16

long checkpoint_save(long fd, const uint64_t *libc);

#if defined(__x86_64__)
#include <asm/prctl.h>

long checkpoint_point(struct image_regs *r) __attribute__((returns_twice, visibility("hidden")));
__asm__(".text\n.hidden checkpoint_point\n.globl checkpoint_point\n"
        "checkpoint_point:\n"
        "mov %rbx, 0(%rdi)\nmov %rbp, 8(%rdi)\nmov %r12, 16(%rdi)\nmov %r13, 24(%rdi)\n"
        "mov %r14, 32(%rdi)\nmov %r15, 40(%rdi)\n"
        "lea 8(%rsp), %rax\nmov %rax, 48(%rdi)\nmov (%rsp), %rax\nmov %rax, 56(%rdi)\n"
        "xor %eax, %eax\nret\n");

struct save {
    struct image_head *head;
    char *paths;          /* behind the regions, in the scratch memory */
    uint64_t n_paths, at; /* bytes of paths; where the next page goes */
    long fd, pagemap;
    char *smaps;
    uint64_t *entries; /* of the page map, IMAGE_PAGE bytes */
    uint64_t scratch;
};

enum { PATHS_BYTES = IMAGE_HEAD_BYTES / 4 };

static long read_all(const char *path, char *to, long max)
{
    long fd = raw4(__NR_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0), n = 0, r = 1;

    if (fd < 0)
        return fd;
    while (r > 0 && n < max - 1) {
        r = raw4(__NR_read, fd, (long)(to + n), max - 1 - n, 0);
        if (r > 0)
            n += r;
    }
    raw4(__NR_close, fd, 0, 0, 0);
    to[n] = '\0';
    return r < 0 ? r : r > 0 ? -27 /* EFBIG */ : n;
}

static uint64_t number(const char **p, int base)
{
    uint64_t v = 0;

    for (;; (*p)++) {
        int c = **p, d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
        if (d >= base)
            return v;
        v = v * (uint64_t)base + (uint64_t)d;
    }
}

static int starts(const char *s, const char *with)
{
    while (*with)
        if (*s++ != *with++)
            return 0;
    return 1;
}

static struct image_region *add(struct save *s, uint64_t start, uint64_t end, uint32_t prot,
                                enum image_kind kind)
{
    struct image_region *r = &s->head->regions[s->head->n_regions];

    if (s->head->n_regions >= IMAGE_REGIONS / 2)
        return 0;
    s->head->n_regions++;
    *r = (struct image_region){ .start = start, .end = end, .prot = prot, .kind = kind };
    return r;
}

static long put(struct save *s, uint64_t start, uint64_t end, uint32_t prot, enum image_kind kind)
{
    struct image_region *r = add(s, start, end, prot, kind);

    if (!r)
        return -7; /* E2BIG */
    r->offset = s->at;
    /* What may not be read holds nothing to keep. */
    if (!(prot & PROT_READ)) {
        r->kind = IMAGE_EMPTY;
        return 0;
    }
    for (uint64_t at = start; at < end;) {
        long n = raw4(__NR_pwrite64, s->fd, (long)at, (long)(end - at), (long)s->at);
        if (n <= 0)
            return n < 0 ? n : -5;
        at += (uint64_t)n;
        s->at += (uint64_t)n;
    }
    return 0;
}

/* 1 = the page was touched. */
static long touched(struct save *s, uint64_t page, uint64_t first)
{
    uint64_t i = (page - first) / IMAGE_PAGE % (IMAGE_PAGE / 8);

    if (i == 0) {
        long n = raw4(__NR_pread64, s->pagemap, (long)s->entries, IMAGE_PAGE,
                      (long)(page / IMAGE_PAGE * 8));
        if (n <= 0)
            return n < 0 ? n : -5;
    }
    return s->entries[i] >> 62 != 0; /* present or swapped out */
}

static long put_anonymous(struct save *s, uint64_t start, uint64_t end, uint32_t prot)
{
    uint64_t run = start, gap = 0; /* the run of pages to keep, and how many untouched end it */
    int keeping = 0;
    long r = 0;

    for (uint64_t page = start; r == 0 && page < end; page += IMAGE_PAGE) {
        long t = touched(s, page, start);
        if (t < 0)
            return t;
        if (t && !keeping) {
            if (page > run && !add(s, run, page, prot, IMAGE_EMPTY))
                return -7;
            run = page;
            keeping = 1;
        }
        gap = t ? 0 : gap + 1;
        if (keeping && gap > JOIN) {
            uint64_t stop = page - (gap - 1) * IMAGE_PAGE;
            r = put(s, run, stop, prot, IMAGE_PAGES);
            run = stop;
            keeping = 0;
        }
    }
    if (r == 0 && keeping) {
        uint64_t stop = end - gap * IMAGE_PAGE;
        r = put(s, run, stop, prot, IMAGE_PAGES);
        run = stop;
    }
    if (r == 0 && run < end && !add(s, run, end, prot, IMAGE_EMPTY))
        r = -7;
    return r;
}

static long put_file(struct save *s, struct image_region *r, const char *path)
{
    struct statx st;
    long e = raw6(__NR_statx, AT_FDCWD, (long)path, 0, IMAGE_STATX, (long)&st, 0);

    if (e < 0)
        return e;
    if (st.stx_ino != r->ino)
        return -116; /* ESTALE: another file is there by now */
    r->dev = (uint64_t)st.stx_dev_major << 32 | st.stx_dev_minor;
    r->bytes = st.stx_size;
    r->changed = image_changed(&st);
    r->path = (uint32_t)s->n_paths;
    do {
        if (s->n_paths >= PATHS_BYTES)
            return -7;
        s->paths[s->n_paths++] = *path;
    } while (*path++);
    return 0;
}

/* The kernel keeps more than this free below the first stack. */
static uint64_t stack_room(void)
{
    uint64_t limit[2], most = 64ull << 20;

    if (raw4(__NR_prlimit64, 0, 3 /* RLIMIT_STACK */, 0, (long)limit) < 0 || limit[0] > most)
        return most;
    return limit[0] & ~(IMAGE_PAGE - 1ull);
}

/* One mapping: a line of /proc/self/smaps, cut at its end, and what it has of anonymous pages. */
static long put_mapping(struct save *s, const char *line, uint64_t anonymous)
{
    uint64_t start = number(&line, 16), end = (line++, number(&line, 16));
    const char *flags = ++line;
    uint32_t prot = (flags[0] == 'r' ? PROT_READ : 0u) | (flags[1] == 'w' ? PROT_WRITE : 0u) |
                    (flags[2] == 'x' ? PROT_EXEC : 0u);
    int is_shared = flags[3] == 's';

    line += 5;
    uint64_t offset = number(&line, 16);
    while (*line++ != ' ') /* before the device */
        continue;
    while (*line++ != ' ') /* and behind it */
        continue;
    uint64_t ino = number(&line, 10);
    while (*line == ' ')
        line++;
    if (start == s->scratch || starts(line, "[vsyscall]"))
        return 0;
    if (starts(line, "[vdso]") || starts(line, "[vvar")) {
        if (starts(line, "[vdso]"))
            s->head->vdso = start;
        return add(s, start, end, prot, IMAGE_KERNEL) ? 0 : -7;
    }
    if (starts(line, "[stack]")) {
        s->head->stack_floor = end - stack_room();
        return put(s, start, end, prot, IMAGE_STACK);
    }
    if (ino == 0 || *line != '/')
        return is_shared ? -95 /* EOPNOTSUPP */ : put_anonymous(s, start, end, prot);
    if (is_shared && prot & PROT_WRITE)
        return -95;
    /* Our own files are another sandbox's in the next one. */
    if (anonymous || starts(line, "/run/") || starts(line, "/tmp/") || starts(line, "/memfd:"))
        return put(s, start, end, prot, IMAGE_PAGES);
    struct image_region *r = add(s, start, end, prot, IMAGE_FILE);
    if (!r)
        return -7;
    r->offset = offset;
    r->ino = ino;
    r->is_shared = (uint32_t)is_shared;
    return put_file(s, r, line);
}

static long put_all(struct save *s)
{
    long n = read_all("/proc/self/smaps", s->smaps, SCRATCH / 2), r = 0;
    char *p = s->smaps, *mapping = 0;
    uint64_t anonymous = 0;

    for (; n > 0 && r == 0; p++) {
        char *line = p;
        while (*p && *p != '\n')
            p++;
        int is_end = *p == '\0';
        *p = '\0';
        if (is_end || (*line >= '0' && *line <= '9') || (*line >= 'a' && *line <= 'f')) {
            if (mapping)
                r = put_mapping(s, mapping, anonymous);
            mapping = line;
            anonymous = 0;
        } else if (starts(line, "Anonymous:")) {
            const char *v = line + 10;
            while (*v == ' ')
                v++;
            anonymous = number(&v, 10);
        }
        if (is_end)
            break;
    }
    return n < 0 ? n : r;
}

static long put_thread(struct image_head *h, uint64_t rseq)
{
    uint64_t size;
    long r = raw4(__NR_arch_prctl, ARCH_GET_FS, (long)&h->fs_base, 0, 0);

    h->rseq = rseq ? h->fs_base + rseq : 0;
    if (r == 0)
        r = raw4(__NR_get_robust_list, 0, (long)&h->robust, (long)&size, 0);
    for (int i = 0; r == 0 && i < IMAGE_SIGNALS; i++)
        r = raw4(__NR_rt_sigaction, i + 1, 0, (long)&h->actions[i], 8);
    return r;
}

static long put_environment(struct save *s)
{
    long n = read_all("/proc/self/environ", s->smaps, SCRATCH / 2);

    if (n >= 0)
        s->head->env_hash = image_hash(IMAGE_HASH_BEGIN, s->smaps, (uint64_t)n);
    return n < 0 ? n : 0;
}

/* 0 = written and sealed; -errno; in a process that was restored from it: the number that
 * restore.c was given, at least 1. `libc`: where its __curbrk and its __rseq_offset are (0 = it
 * has none of these). */
EXPORT long checkpoint_save(long fd, const uint64_t *libc)
{
    uint64_t *curbrk = (uint64_t *)libc[0];
    uint64_t rseq = libc[1] ? *(const uint64_t *)libc[1] : 0;
    struct save s = { .fd = fd, .at = IMAGE_HEAD_BYTES };
    long scratch =
        raw6(__NR_mmap, 0, SCRATCH, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if ((unsigned long)scratch > -4096ul)
        return scratch;
    s.scratch = (uint64_t)scratch;
    s.head = (struct image_head *)scratch;
    s.paths = (char *)scratch + IMAGE_HEAD_BYTES - PATHS_BYTES;
    s.entries = (uint64_t *)(scratch + IMAGE_HEAD_BYTES);
    s.smaps = (char *)scratch + SCRATCH / 2;
    *curbrk = 0;
    long r = put_thread(s.head, rseq);
    if (r < 0)
        return r;
    r = checkpoint_point(&s.head->regs);
    if (r != 0)
        return r;
    /* To read about itself in /proc. No code of a model's is near: see image.py. */
    r = raw4(__NR_prctl, PR_SET_DUMPABLE, 1, 0, 0);
    if (r < 0)
        return r;
    s.pagemap = raw4(__NR_openat, AT_FDCWD, (long)"/proc/self/pagemap", O_RDONLY | O_CLOEXEC, 0);
    if (s.pagemap < 0)
        return s.pagemap;
    r = put_all(&s);
    if (r == 0)
        r = put_environment(&s);
    if (r < 0)
        return r;
    s.head->magic = IMAGE_MAGIC;
    s.head->paths = IMAGE_HEAD_BYTES - PATHS_BYTES;
    s.head->data = IMAGE_HEAD_BYTES;
    s.head->bytes = s.at;
    r = raw4(__NR_pwrite64, fd, scratch, IMAGE_HEAD_BYTES, 0);
    if (r != IMAGE_HEAD_BYTES)
        return r < 0 ? r : -5;
    r = raw4(__NR_fcntl, fd, 1033 /* F_ADD_SEALS */, 0xf /* all that were there at first */, 0);
    return r < 0 ? r : 0;
}

#else

EXPORT long checkpoint_save(long fd, const uint64_t *libc)
{
    (void)fd, (void)libc;
    return -38; /* ENOSYS: the registers of this processor are not known here */
}

#endif
