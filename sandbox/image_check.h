/* Whether an image (image.h) is one that restore.c can become, before anything is given up for it.
 * Static inline and free of libc, because restore has none. */
#ifndef SANDBOX_IMAGE_CHECK_H
#define SANDBOX_IMAGE_CHECK_H

#include <sys/mman.h>
#include "sandbox/image.h"

/* The address above which only the kernel is. */
#define IMAGE_TOP 0x800000000000ull
/* Around the program that restores: its own pages, stack and break. */
#define IMAGE_APART (64ull << 20)

/* What `status` of restore says. */
enum image_fault {
    IMAGE_FITS = 0,
    IMAGE_NO_HEAD = 11,
    IMAGE_BAD_RANGE,  /* no pages, or not in order */
    IMAGE_BAD_OFFSET, /* not of the pages that the file has */
    IMAGE_BAD_PATH,
    IMAGE_BAD_STACK,
    IMAGE_IN_THE_WAY, /* of `own` */
};

static inline int image_is_apart(uint64_t start, uint64_t end, uint64_t own)
{
    return end <= own - IMAGE_APART || start >= own + IMAGE_APART;
}

static inline enum image_fault image_region_fault(const struct image_head *h, uint64_t i,
                                                  uint64_t own)
{
    const struct image_region *r = &h->regions[i];
    uint64_t before = i ? h->regions[i - 1].end : IMAGE_PAGE, size = r->end - r->start;
    int is_copy = r->kind == IMAGE_PAGES || r->kind == IMAGE_STACK;

    if (r->start < before || r->start >= r->end || r->end > IMAGE_TOP ||
        (r->start | r->end | r->offset) % IMAGE_PAGE || r->kind > IMAGE_KERNEL ||
        r->prot & ~(uint32_t)(PROT_READ | PROT_WRITE | PROT_EXEC))
        return IMAGE_BAD_RANGE;
    if (!image_is_apart(r->start, r->end, own))
        return IMAGE_IN_THE_WAY;
    if (is_copy && (r->offset < h->data || size > h->bytes || r->offset > h->bytes - size))
        return IMAGE_BAD_OFFSET;
    if (r->kind == IMAGE_FILE && r->path >= IMAGE_HEAD_BYTES - h->paths)
        return IMAGE_BAD_PATH;
    /* Its room takes the place of whatever is there. */
    if (r->kind == IMAGE_STACK &&
        (h->stack_floor < before || h->stack_floor > r->start || h->stack_floor % IMAGE_PAGE ||
         !image_is_apart(h->stack_floor, r->end, own)))
        return IMAGE_BAD_STACK;
    return IMAGE_FITS;
}

/* `h`: the first IMAGE_HEAD_BYTES of a file of `bytes`. `own`: an address in the program that
 * restores. */
static inline enum image_fault image_fault(const struct image_head *h, uint64_t bytes, uint64_t own)
{
    enum image_fault fault = IMAGE_FITS;

    if (h->magic != IMAGE_MAGIC || h->n_regions > IMAGE_REGIONS / 2 ||
        h->paths < sizeof *h + h->n_regions * sizeof h->regions[0] ||
        h->paths >= IMAGE_HEAD_BYTES || h->data != IMAGE_HEAD_BYTES || h->bytes != bytes ||
        bytes < h->data)
        return IMAGE_NO_HEAD;
    if (((const char *)h)[IMAGE_HEAD_BYTES - 1] != '\0') /* so that every path ends */
        return IMAGE_BAD_PATH;
    for (uint64_t i = 0; fault == IMAGE_FITS && i < h->n_regions; i++)
        fault = image_region_fault(h, i, own);
    return fault;
}

#endif
