/* Properties of the guesses about a file's first bytes: what is decoded is valid UTF-8, a head is
 * short, clean and within its caps, and a sample of a file never looks more certain than the whole.
 */
#include <stdint.h>
#include <string.h>
#include "agent/base/utf8.h"
#include "agent/textguess.h"
#include "agent/base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct str bytes, bool is_all)
{
    enum attach_encoding enc = guess_encoding(bytes, is_all);
    cleanup_buf struct buf text = BUF_MAX(64u << 20), head = BUF_MAX(64u << 20);

    guess_decode(bytes, enc, &text);
    if (!utf8_valid(buf_str(&text)) || text.over || (enc == ENC_BINARY && text.n))
        __builtin_trap();
    bool all = guess_head(bytes, is_all, enc, 5, 1024, &head);
    if (head.n > 1024 || !utf8_valid(buf_str(&head)) || (all && !is_all))
        __builtin_trap();
    size_t lines = 0;
    for (size_t i = 0; i < head.n; i++) {
        unsigned char c = (unsigned char)head.p[i];
        lines += c == '\n';
        if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
            __builtin_trap();
    }
    if (lines > 5)
        __builtin_trap();
    const char *format = guess_format(buf_str(&text), is_all);
    if (format && text.n == 0)
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = { (const char *)data, size };

    check(bytes, true);
    check(bytes, false);
    return 0;
}
