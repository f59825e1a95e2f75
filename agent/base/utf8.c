#include "utf8.h"
#include "banned.h"

size_t utf8_seq(struct str s, unsigned *ret_cp)
{
    const unsigned char *p = (const unsigned char *)s.p;
    unsigned cp;
    size_t n;

    if (s.n == 0)
        return 0;
    if (p[0] < 0x80) {
        if (ret_cp)
            *ret_cp = p[0];
        return 1;
    }
    if (p[0] >= 0xC2 && p[0] <= 0xDF)
        n = 2, cp = p[0] & 0x1Fu;
    else if ((p[0] & 0xF0) == 0xE0)
        n = 3, cp = p[0] & 0x0Fu;
    else if (p[0] >= 0xF0 && p[0] <= 0xF4)
        n = 4, cp = p[0] & 0x07u;
    else
        return 0;
    if (s.n < n)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
        cp = cp << 6 | (p[i] & 0x3Fu);
    }
    if ((n == 3 && cp < 0x800) || (n == 4 && cp < 0x10000) || cp > 0x10FFFF ||
        (cp >= 0xD800 && cp <= 0xDFFF))
        return 0;
    if (ret_cp)
        *ret_cp = cp;
    return n;
}

bool utf8_valid(struct str s)
{
    while (s.n) {
        size_t n = utf8_seq(s, NULL);
        if (n == 0)
            return false;
        s = str_from(s, n);
    }
    return true;
}

struct str utf8_head(struct str s, size_t n)
{
    if (s.n <= n)
        return s;
    /* Step back over at most three continuation bytes to the start of the cut sequence. */
    size_t k = n;
    while (k > 0 && n - k < 3 && ((unsigned char)s.p[k] & 0xC0) == 0x80)
        k--;
    if (((unsigned char)s.p[k] & 0xC0) == 0x80)
        k = n; /* not UTF-8 at all: cut where asked */
    return (struct str){ s.p, k };
}

struct str utf8_tail(struct str s, size_t n)
{
    if (s.n <= n)
        return s;
    size_t k = s.n - n, limit = k + 3;
    while (k < s.n && k < limit && ((unsigned char)s.p[k] & 0xC0) == 0x80)
        k++;
    return str_from(s, k);
}

/* Characters that draw nothing or reorder what is drawn: they let text lie about itself. */
static bool is_deceptive(unsigned cp)
{
    return (cp >= 0x200B && cp <= 0x200F) || (cp >= 0x202A && cp <= 0x202E) ||
           (cp >= 0x2060 && cp <= 0x2069) || cp == 0xFEFF || cp == 0x061C || cp == 0x180E ||
           cp == 0x2028 || cp == 0x2029 || (cp >= 0xFFF9 && cp <= 0xFFFB) ||
           (cp >= 0xE0000 && cp <= 0xE007F);
}

static void clean(struct buf *out, struct str s, bool one_line)
{
    while (s.n) {
        unsigned cp = 0;
        size_t n = utf8_seq(s, &cp);

        if (n == 0) {
            buf_puts(out, "\xEF\xBF\xBD");
            n = 1;
        } else if (cp == '\r' && s.n > 1 && s.p[1] == '\n' && !one_line) {
            /* dropped: the LF follows */
        } else if ((cp == '\n' || cp == '\t') && !one_line) {
            buf_putc(out, (char)cp);
        } else if (cp == '\n') {
            buf_puts(out, "\\n");
        } else if (cp == '\t') {
            buf_puts(out, "\\t");
        } else if (cp == '\r') {
            buf_puts(out, "\\r");
        } else if (cp < 0x20 || (cp >= 0x7F && cp < 0xA0)) {
            buf_putf(out, "\\x%02x", cp);
        } else if (is_deceptive(cp)) {
            buf_putf(out, cp > 0xFFFF ? "\\U%08x" : "\\u%04x", cp);
        } else {
            buf_put(out, s.p, n);
        }
        s = str_from(s, n);
    }
}

void utf8_clean(struct buf *out, struct str s)
{
    clean(out, s, false);
}

void utf8_clean_line(struct buf *out, struct str s)
{
    clean(out, s, true);
}

static bool in_ranges(unsigned cp, const unsigned (*r)[2], size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (cp >= r[i][0] && cp <= r[i][1])
            return true;
    return false;
}

size_t utf8_width(struct str s)
{
    /* Not wcwidth(3): it depends on the locale, and cron runs with none. Main blocks of
     * Unicode 15 EastAsianWidth.txt (W, F) and of combining marks. */
    static const unsigned wide[][2] = {
        { 0x1100, 0x115F },   { 0x2E80, 0x303E },   { 0x3041, 0x33FF },   { 0x3400, 0x4DBF },
        { 0x4E00, 0x9FFF },   { 0xA000, 0xA4CF },   { 0xA960, 0xA97F },   { 0xAC00, 0xD7A3 },
        { 0xF900, 0xFAFF },   { 0xFE30, 0xFE6F },   { 0xFF00, 0xFF60 },   { 0xFFE0, 0xFFE6 },
        { 0x1F300, 0x1F64F }, { 0x1F680, 0x1F6FF }, { 0x1F900, 0x1F9FF }, { 0x20000, 0x3FFFD },
    };
    static const unsigned zero[][2] = {
        { 0x0300, 0x036F }, { 0x0483, 0x0489 }, { 0x0591, 0x05BD }, { 0x064B, 0x065F },
        { 0x0E31, 0x0E31 }, { 0x0E34, 0x0E3A }, { 0x1AB0, 0x1AFF }, { 0x1DC0, 0x1DFF },
        { 0x200B, 0x200F }, { 0x20D0, 0x20FF }, { 0xFE00, 0xFE0F }, { 0xFE20, 0xFE2F },
    };
    size_t w = 0;

    while (s.n) {
        unsigned cp = 0;
        size_t n = utf8_seq(s, &cp);
        if (n == 0) {
            w++;
            n = 1;
        } else if (in_ranges(cp, wide, sizeof wide / sizeof wide[0])) {
            w += 2;
        } else if (!in_ranges(cp, zero, sizeof zero / sizeof zero[0])) {
            w++;
        }
        s = str_from(s, n);
    }
    return w;
}
