/* Properties of a picture that is decoded for a terminal, any bytes: it is shown or not, and what
 * is written is sixels in their frame and nothing else. */
#include <stdint.h>
#include <string.h>
#include "agent/picture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = { (const char *)data, size };
    cleanup_buf struct buf out = BUF_MAX(64u << 20);
    struct picture_place place;

    (void)picture_answer(in, &place);
    unsigned w = 0, h = 0;
    /* The size is bounded by pixels; here also by time. */
    if (!picture_size(in, &w, &h) || (uint64_t)w * h > 1u << 20)
        return 0;
    if (!picture_sixel(in, size % 300 + 1, size % 200 + 1, &out)) {
        if (out.n)
            __builtin_trap();
        return 0;
    }
    if (out.n < 4 || memcmp(out.p, "\033P", 2) != 0 || memcmp(out.p + out.n - 2, "\033\\", 2) != 0)
        __builtin_trap();
    for (size_t i = 2; i + 2 < out.n; i++)
        if (out.p[i] < ' ' || out.p[i] > '~')
            __builtin_trap();
    return 0;
}
