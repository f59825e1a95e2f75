/* The head of an image that restore is given (sandbox/image_check.h). The input: the size of the
 * file, then changes to the head of a proper image, each {u32 offset, u64 value}; so that the
 * fuzzer need not invent a megabyte. Properties: a proper image fits; what fits keeps to the file,
 * to its order, to memory of a process, and off the program that restores; its paths end within
 * the head. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "sandbox/image_check.h"
#include "agent/base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHANGE = 12, REGIONS = 6 };
#define OWN 0x600000010000ull
#define BYTES (IMAGE_HEAD_BYTES + 8ull * IMAGE_PAGE)

static void check(bool holds)
{
    if (!holds)
        __builtin_trap();
}

static void make(struct image_head *h)
{
    static const char path[] = "/usr/lib/libc.so.6";
    const struct image_region regions[REGIONS] = {
        { .start = 0x400000,
          .end = 0x404000,
          .kind = IMAGE_PAGES,
          .offset = IMAGE_HEAD_BYTES,
          .prot = PROT_READ },
        { .start = 0x404000, .end = 0x800000, .kind = IMAGE_EMPTY, .prot = PROT_READ | PROT_WRITE },
        { .start = 0x7f0000000000,
          .end = 0x7f0000100000,
          .kind = IMAGE_FILE,
          .offset = IMAGE_PAGE,
          .prot = PROT_READ | PROT_EXEC },
        { .start = 0x7f0000100000,
          .end = 0x7f0000104000,
          .kind = IMAGE_PAGES,
          .offset = IMAGE_HEAD_BYTES + 4ull * IMAGE_PAGE,
          .prot = PROT_READ },
        { .start = 0x7ffc00000000,
          .end = 0x7ffc00002000,
          .kind = IMAGE_STACK,
          .offset = IMAGE_HEAD_BYTES,
          .prot = PROT_READ | PROT_WRITE },
        { .start = 0x7ffd00000000,
          .end = 0x7ffd00002000,
          .kind = IMAGE_KERNEL,
          .prot = PROT_READ | PROT_EXEC },
    };

    h->magic = IMAGE_MAGIC;
    h->n_regions = REGIONS;
    h->paths = IMAGE_HEAD_BYTES - IMAGE_HEAD_BYTES / 4;
    h->data = IMAGE_HEAD_BYTES;
    h->bytes = BYTES;
    h->vdso = 0x7ffd00000000;
    h->stack_floor = 0x7ffbff800000;
    memcpy(h->regions, regions, sizeof regions);
    memcpy((char *)h + h->paths, path, sizeof path);
}

static bool meets_own(uint64_t start, uint64_t end)
{
    return start < OWN + (1 << 20) && end > OWN - (1 << 20);
}

static void check_region(const struct image_head *h, uint64_t i, uint64_t bytes)
{
    const struct image_region *r = &h->regions[i];
    uint64_t low = r->kind == IMAGE_STACK ? h->stack_floor : r->start;
    const char *end = (const char *)h + IMAGE_HEAD_BYTES,
               *path = (const char *)h + h->paths + r->path;

    check((const char *)(r + 1) <= (const char *)h + h->paths);
    check(r->start < r->end && r->end <= 1ull << 47 && low <= r->start && low >= 4096);
    check(i == 0 || h->regions[i - 1].end <= low);
    check((low | r->start | r->end | r->offset) % 4096 == 0 && !meets_own(low, r->end));
    if (r->kind == IMAGE_PAGES || r->kind == IMAGE_STACK) {
        check(r->offset >= IMAGE_HEAD_BYTES && r->offset < bytes);
        check(bytes - r->offset >= r->end - r->start);
    } else if (r->kind == IMAGE_FILE) {
        check(path < end && memchr(path, '\0', (size_t)(end - path)) != NULL);
    } else {
        check(r->kind == IMAGE_EMPTY || r->kind == IMAGE_KERNEL);
    }
}

/* Makes the changes, and takes back those made before: copying the megabyte would be most of the
 * time. */
static size_t change(struct image_head *h, const uint8_t *data, size_t size)
{
    static const struct image_head *proper;
    static uint32_t changed[4096];
    static size_t n;
    uint64_t value;

    if (proper == NULL) {
        struct image_head *copy = xcalloc(1, IMAGE_HEAD_BYTES);
        make(copy);
        proper = copy;
        memcpy(h, proper, IMAGE_HEAD_BYTES);
    }
    while (n > 0) {
        uint32_t at = changed[--n];
        memcpy((char *)h + at, (const char *)proper + at, sizeof value);
    }
    for (; size >= CHANGE && n < ARRAY_LEN(changed); data += CHANGE, size -= CHANGE) {
        memcpy(&changed[n], data, sizeof changed[n]);
        memcpy(&value, data + sizeof changed[n], sizeof value);
        changed[n] %= IMAGE_HEAD_BYTES - sizeof value + 1;
        memcpy((char *)h + changed[n++], &value, sizeof value);
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct image_head *h; /* exactly its size */
    uint64_t bytes;

    if (h == NULL)
        h = xmalloc(IMAGE_HEAD_BYTES);
    if (size < sizeof bytes)
        return 0;
    memcpy(&bytes, data, sizeof bytes);
    size_t n = change(h, data + sizeof bytes, size - sizeof bytes);
    enum image_fault fault = image_fault(h, bytes, OWN);
    check(n > 0 || (fault == IMAGE_FITS) == (bytes == BYTES));
    if (fault == IMAGE_FITS)
        for (uint64_t i = 0; i < h->n_regions; i++)
            check_region(h, i, bytes);
    return 0;
}
