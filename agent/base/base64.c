#include "base64.h"
#include <stdint.h>
#include "banned.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_put(struct buf *out, struct str bytes)
{
    const unsigned char *u = (const unsigned char *)bytes.p;

    for (size_t i = 0; i < bytes.n; i += 3) {
        size_t left = bytes.n - i;
        uint32_t v = (uint32_t)u[i] << 16 | (left > 1 ? (uint32_t)u[i + 1] << 8 : 0) |
                     (left > 2 ? u[i + 2] : 0u);
        char four[4] = { letters[v >> 18], letters[v >> 12 & 63],
                         left > 1 ? letters[v >> 6 & 63] : '=', left > 2 ? letters[v & 63] : '=' };
        buf_put(out, four, 4);
    }
}
