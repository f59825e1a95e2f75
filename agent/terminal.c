#include "agent/terminal.h"
#include <string.h>
#include "agent/base/utf8.h"
#include "agent/base/banned.h"

/* Finals of ESC [ that change colours or move within what the code may draw: SGR, erase in line,
 * cursor up, down, right, left and to a column. */
#define HARMLESS_FINALS "mKABCDG"

enum verdict { WAIT, PASS, SHOW };

/* The sequence at the front of `s`, which begins with ESC or a byte above 0x7f. *n: its length. */
static enum verdict judge(struct str s, size_t *n)
{
    unsigned char first = (unsigned char)s.p[0];

    *n = 1;
    if (first != 0x1b) { /* UTF-8 */
        size_t want = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 1;
        size_t have = utf8_seq(s, NULL);
        if (have) {
            *n = have;
            return SHOW; /* harmless ones come through as they are */
        }
        return s.n < want ? WAIT : SHOW;
    }
    if (s.n < 2)
        return WAIT;
    if (s.p[1] != '[')
        return SHOW;
    for (size_t i = 2; i < s.n; i++) {
        char c = s.p[i];
        if ((c >= '0' && c <= '9') || c == ';')
            continue;
        if (strchr(HARMLESS_FINALS, c) && c) {
            *n = i + 1;
            return PASS;
        }
        return SHOW;
    }
    return WAIT;
}

static void filter(struct terminal *t, struct str s, struct buf *out)
{
    size_t at = 0;

    while (at < s.n) {
        unsigned char c = (unsigned char)s.p[at];
        size_t n = 1;
        if (c == '\r' || c == '\b' || c == '\n' || c == '\t' || (c >= ' ' && c < 0x7f)) {
            buf_putc(out, (char)c);
            at++;
            continue;
        }
        enum verdict v = c == 0x1b || c > 0x7f ? judge(str_from(s, at), &n) : SHOW;
        if (v == WAIT && s.n - at < sizeof t->held) {
            t->n = s.n - at;
            memcpy(t->held, s.p + at, t->n);
            return;
        }
        if (v == PASS)
            buf_put(out, s.p + at, n);
        else
            utf8_clean_line(out, (struct str){ s.p + at, n });
        at += n;
    }
}

void terminal_filter(struct terminal *t, struct str bytes, struct buf *out)
{
    if (t->n == 0) {
        filter(t, bytes, out);
        return;
    }
    cleanup_buf struct buf all = BUF_MAX(sizeof t->held + bytes.n);
    buf_put(&all, t->held, t->n);
    buf_putstr(&all, bytes);
    t->n = 0;
    filter(t, buf_str(&all), out);
}
