#include "agent/picture.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include "agent/base/base64.h"
#include "agent/base/io.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/stop.h"
#include "agent/base/banned.h"

#define ASK_MS 500
#define KITTY_ID "4211"
#define KITTY_CHUNK 4096u

/* --- asking --- */

/* Kitty's own question; the terminal's name and version; the size of a character; and last what
 * every terminal answers (DA1), so that there is an end to wait for. */
static const char question[] = "\033_Gi=" KITTY_ID ",s=1,v=1,a=q,t=d,f=24;AAAA\033\\"
                               "\033[>q\033[16t\033[c";

static const char *find(struct str s, const char *what)
{
    return s.n ? memmem(s.p, s.n, what, strlen(what)) : NULL;
}

static unsigned number(const char **p, const char *end)
{
    unsigned n = 0;

    while (*p < end && **p >= '0' && **p <= '9' && n < 100000)
        n = n * 10 + (unsigned)(*(*p)++ - '0');
    return n;
}

bool picture_answer(struct str bytes, struct picture_place *ret)
{
    const char *end = bytes.p + bytes.n, *p = find(bytes, "\033[?");
    bool whole = false, sixel = false;

    *ret = (struct picture_place){ PICTURE_NONE, 0, 0 };
    if (p) {
        for (p += 3; p < end; p++) {
            unsigned n = number(&p, end);
            sixel = sixel || n == 4;
            if (p < end && *p == 'c')
                whole = true;
            if (p >= end || *p != ';')
                break;
        }
    }
    const char *name = find(bytes, "\033P>|");
    struct str rest = name ? (struct str){ name + 4, (size_t)(end - name) - 4 } : STR("");
    if (find(bytes, "\033_Gi=" KITTY_ID ";OK"))
        ret->way = PICTURE_KITTY;
    else if (str_starts(rest, "iTerm2") || str_starts(rest, "WezTerm"))
        ret->way = PICTURE_ITERM;
    else if (whole && sixel)
        ret->way = PICTURE_SIXEL;
    if ((p = find(bytes, "\033[6;")) != NULL) {
        p += 4;
        unsigned height = number(&p, end);
        if (p < end && *p++ == ';') {
            unsigned width = number(&p, end);
            if (p < end && *p == 't' && width >= 2 && width <= 200 && height >= 2 &&
                height <= 400) {
                ret->cell_width = width;
                ret->cell_height = height;
            }
        }
    }
    return whole;
}

void picture_ask(enum conf_inline how, struct picture_place *ret)
{
    static const enum picture_way said[] = { [INLINE_KITTY] = PICTURE_KITTY,
                                             [INLINE_ITERM] = PICTURE_ITERM,
                                             [INLINE_SIXEL] = PICTURE_SIXEL };
    cleanup_buf struct buf got = BUF_MAX(64 * KIB);
    struct termios before, raw;
    struct err ignored = ERR_INIT;
    bool whole = false;

    *ret = (struct picture_place){ PICTURE_NONE, 0, 0 };
    if (how != INLINE_AUTO) {
        ret->way = how == INLINE_NEVER ? PICTURE_NONE : said[how];
        return;
    }
    cleanup_fd int tty = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    /* In the background the terminal is another's. */
    if (tty < 0 || tcgetpgrp(tty) != getpgrp() || tcgetattr(tty, &before) < 0)
        return;
    raw = before;
    /* Without ISIG nothing can stop or end the program while the terminal is not as it was. */
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG | IEXTEN);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    if (tcsetattr(tty, TCSADRAIN, &raw) < 0)
        return;
    int64_t until = now_ms() + ASK_MS;
    if (io_write_all(tty, question, sizeof question - 1, &ignored) == 0) {
        for (int64_t left; !whole && (left = until - now_ms()) > 0;) {
            struct pollfd p = { tty, POLLIN, 0 };
            char bytes[512];
            if (poll(&p, 1, (int)left) <= 0)
                continue;
            ssize_t n = read(tty, bytes, sizeof bytes);
            if (n <= 0)
                break;
            buf_put(&got, bytes, (size_t)n);
            whole = picture_answer(buf_str(&got), ret);
        }
    }
    /* What comes late must not be taken for keys. */
    tcsetattr(tty, whole ? TCSADRAIN : TCSAFLUSH, &before);
    if (!whole)
        ret->way = PICTURE_NONE;
}

/* --- showing --- */

static unsigned big32(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;

    return (unsigned)u[0] << 24 | (unsigned)u[1] << 16 | (unsigned)u[2] << 8 | u[3];
}

bool picture_size(struct str png, unsigned *width, unsigned *height)
{
    if (png.n < 33 || memcmp(png.p, "\x89PNG\r\n\x1a\n", 8) != 0 ||
        memcmp(png.p + 12, "IHDR", 4) != 0)
        return false;
    *width = big32(png.p + 16);
    *height = big32(png.p + 20);
    return *width > 0 && *height > 0 && *width <= 32767 && *height <= 32767;
}

static void put_kitty(struct str png, unsigned columns, struct buf *out)
{
    cleanup_buf struct buf text = BUF_MAX(SIZE_MAX / 8);

    base64_put(&text, png);
    for (size_t at = 0; at < text.n; at += KITTY_CHUNK) {
        size_t n = text.n - at < KITTY_CHUNK ? text.n - at : KITTY_CHUNK;
        buf_puts(out, "\033_G");
        if (at == 0)
            buf_putf(out, "a=T,f=100,q=2,c=%u,", columns);
        buf_putf(out, "m=%d;", at + n < text.n);
        buf_put(out, text.p + at, n);
        buf_puts(out, "\033\\");
    }
}

static void put_iterm(struct str png, unsigned columns, struct buf *out)
{
    buf_putf(out, "\033]1337;File=inline=1;size=%zu;width=%u;preserveAspectRatio=1:", png.n,
             columns);
    base64_put(out, png);
    buf_puts(out, "\a");
}

bool picture_put(const struct picture_place *p, struct str png, struct buf *out)
{
    struct winsize w = { 24, 80, 0, 0 };
    unsigned width, height, cell_w = p->cell_width, cell_h = p->cell_height;

    if (p->way == PICTURE_NONE || !picture_size(png, &width, &height))
        return false;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) < 0 || w.ws_col < 10 || w.ws_row < 6)
        return false;
    if (cell_w == 0 && w.ws_xpixel && w.ws_ypixel) {
        cell_w = w.ws_xpixel / w.ws_col;
        cell_h = w.ws_ypixel / w.ws_row;
    }
    if (cell_w < 2 || cell_h < 2) { /* what most fonts have */
        cell_w = 8;
        cell_h = 16;
    }
    unsigned most_w = (w.ws_col - 1u) * cell_w, most_h = (w.ws_row - 3u) * cell_h;
    if (p->way == PICTURE_SIXEL) {
        if (!picture_sixel(png, most_w, most_h, out))
            return false;
    } else {
        /* So many columns that neither the width nor the height is more than the window's. */
        unsigned long long fit = (unsigned long long)width * most_h / height;
        unsigned pixels = width < most_w ? width : most_w;
        if (pixels > fit)
            pixels = (unsigned)fit;
        unsigned columns = pixels / cell_w ? pixels / cell_w : 1;
        (p->way == PICTURE_KITTY ? put_kitty : put_iterm)(png, columns, out);
    }
    buf_putc(out, '\n');
    return true;
}
