/* Properties: the words for the user are one short line of clean UTF-8 without control characters,
 * whatever the body, and a registered secret is never in them. */
#include <stdint.h>
#include <string.h>
#include "agent/base/log.h"
#include "agent/base/utf8.h"
#include "providers/errbody.h"
#include "providers/retry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct errbody b;

    /* in letters that no escape is made of */
    secret_add("QANARY-KEY");
    errbody_read((struct str){ (const char *)data, size }, &b);
    struct str t = str_of(b.text);
    if (t.n >= sizeof b.text || !utf8_valid(t) || strstr(b.text, "QANARY-KEY"))
        __builtin_trap();
    for (size_t i = 0; i < t.n; i++)
        if ((unsigned char)t.p[i] < 0x20 || t.p[i] == 0x7f)
            __builtin_trap();
    if (b.wait_ms < 0 || b.wait_ms > 1000000000)
        __builtin_trap();
    struct retry_case c = { ERR_PROVIDER, 429, { "", 0 }, &b, 1, 0, 0 };
    struct retry_verdict v = retry_judge(&c);
    if (v.again && (v.wait_ms <= 0 || v.wait_ms > RETRY_MAX_WAIT_MS))
        __builtin_trap();
    return 0;
}
