/* The image of a warm template: what a process that has imported the data stack holds in its
 * memory, in a sealed file from which others map it privately. checkpoint.c writes it, restore.c
 * becomes it.
 *
 * The file: struct image_head, then its regions, then the paths of mapped files (NUL-terminated),
 * then from `data` on the pages themselves. Both sides are of one build on one machine, so that
 * neither byte order nor versions are looked at beyond the magic. It comes from trusted code and
 * is sealed, but is checked before anything is given up for it. */
#ifndef SANDBOX_IMAGE_H
#define SANDBOX_IMAGE_H

#include <linux/stat.h>
#include <stdint.h>

#define IMAGE_MAGIC 0x314567616d697761ull
enum { IMAGE_PAGE = 4096, IMAGE_REGIONS = 8192, IMAGE_HEAD_BYTES = 1 << 20, IMAGE_SIGNALS = 64 };

enum image_kind {
    IMAGE_PAGES,  /* `offset` in the image */
    IMAGE_EMPTY,  /* anonymous, never touched */
    IMAGE_FILE,   /* a file's pages that nobody changed: `offset` in it, `path` in the head */
    IMAGE_STACK,  /* like IMAGE_PAGES, but read, because it is used at once */
    IMAGE_KERNEL, /* vdso, and its data: moved to where they were */
};

struct image_region {
    uint64_t start, end, offset;
    uint32_t prot, kind;
    uint64_t dev, ino, bytes, changed; /* IMAGE_FILE: still the same? */
    uint32_t path, is_shared;
};

struct image_regs { /* checkpoint_point() in checkpoint.c and resume() in restore.c know the order
                     */
    uint64_t rbx, rbp, r12, r13, r14, r15, rsp, rip;
};

struct image_action { /* the kernel's struct sigaction */
    uint64_t handler, flags, restorer, mask;
};

struct image_head {
    uint64_t magic, n_regions, paths, data, bytes; /* offsets; the whole file's size */
    uint64_t env_hash;
    uint64_t vdso;                  /* where it was */
    uint64_t fs_base, robust, rseq; /* of the thread; rseq 0 = none */
    uint64_t stack_floor;           /* as far as the stack may grow */
    struct image_regs regs;
    struct image_action actions[IMAGE_SIGNALS];
    struct image_region regions[];
};

enum { IMAGE_STATX = STATX_INO | STATX_SIZE | STATX_CTIME };
static inline uint64_t image_changed(const struct statx *st)
{
    return (uint64_t)st->stx_ctime.tv_sec * 1000000000 + st->stx_ctime.tv_nsec;
}

/* Of the environment: each NAME=VALUE with its NUL. */
static inline uint64_t image_hash(uint64_t h, const char *p, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)p[i]) * 0x100000001b3ull;
    return h;
}
#define IMAGE_HASH_BEGIN 0xcbf29ce484222325ull

#endif
