/* Properties of the file name that a name from the workspace gets: as many components as it had,
 * each of 1 to 200 bytes, printable UTF-8 that does not start with a dot or a dash; nothing in it
 * leads anywhere; decoding %XX gives the name back, unless it was cut. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "agent/artifacts.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_COMPONENT 255 /* what a directory entry can be */

static int hex_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void decode(struct str s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '%') {
            buf_putc(out, s.p[i]);
            continue;
        }
        if (i + 2 >= s.n || hex_of(s.p[i + 1]) < 0 || hex_of(s.p[i + 2]) < 0)
            __builtin_trap();
        buf_putc(out, (char)(hex_of(s.p[i + 1]) * 16 + hex_of(s.p[i + 2])));
        i += 2;
    }
}

/* Ends in ~ and twelve digits of a hash, as what was cut does. */
static bool is_cut(struct str s)
{
    if (s.n < 14 || s.p[s.n - 13] != '~')
        return false;
    for (size_t i = s.n - 12; i < s.n; i++)
        if (!memchr("0123456789abcdef", s.p[i], 16))
            return false;
    return true;
}

static void check_component(struct str name, struct str file)
{
    cleanup_buf struct buf clean = BUF_MAX(4096), back = BUF_MAX(4096);

    if (file.n == 0 || file.n > 200 || file.p[0] == '.' || file.p[0] == '-' || !utf8_valid(file) ||
        memchr(file.p, '/', file.n) || memchr(file.p, '\\', file.n) || memchr(file.p, ':', file.n))
        __builtin_trap();
    utf8_clean_line(&clean, file);
    if (!str_eq(buf_str(&clean), file)) /* what would drive a terminal is not left */
        __builtin_trap();
    if (file.n >= 190 && is_cut(file))
        return;
    decode(file, &back);
    if (!str_eq(buf_str(&back), name))
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup_buf struct buf name = BUF_MAX(64 * KIB), file = BUF_MAX(64 * KIB);
    struct str in = { (const char *)data, size }, part, encoded;

    /* A name as the kernel can give it: components that are not empty, without NUL, of a bounded
     * length. */
    for (int i = 0; in.n && i < 32; i++) {
        str_cut(&in, '/', &part);
        if (part.n == 0 || part.n > MAX_COMPONENT || memchr(part.p, '\0', part.n))
            continue;
        if (name.n)
            buf_putc(&name, '/');
        buf_putstr(&name, part);
    }
    if (name.n == 0)
        return 0;
    artifact_file_name(&file, buf_str(&name));
    struct str names = buf_str(&name), files = buf_str(&file);
    for (bool more = true; more;) {
        more = str_cut(&names, '/', &part);
        if (str_cut(&files, '/', &encoded) != more)
            __builtin_trap();
        check_component(part, encoded);
    }
    return 0;
}
