/* A plain PNG (eight bits, not interlaced) as sixels: unpacked, put on white, made smaller by
 * averages, its commonest colours the palette. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/picture.h"
#include "agent/base/banned.h"

struct image {
    unsigned w, h;
    uint8_t *rgb; /* owned */
};

static void image_done(struct image *i)
{
    free(i->rgb);
}
#define cleanup_image __attribute__((cleanup(image_done)))

static uint32_t big32(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;

    return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}

/* --- unpacking --- */

struct png {
    unsigned w, h, channels;
    int type; /* colour type */
    struct str palette, alpha;
    struct buf packed;
};

static bool read_chunks(struct str b, struct png *p)
{
    static const unsigned channels[] = { 1, 0, 3, 1, 2, 0, 4 };

    if (!picture_size(b, &p->w, &p->h))
        return false;
    p->type = (unsigned char)b.p[25];
    if (b.p[24] != 8 || p->type > 6 || channels[p->type] == 0 || b.p[26] || b.p[27] || b.p[28])
        return false;
    p->channels = channels[p->type];
    if ((uint64_t)p->w * p->h > MAX_PICTURE_PIXELS)
        return false;
    for (b = str_from(b, 33); b.n >= 12;) {
        uint32_t n = big32(b.p);
        if (n > b.n - 12)
            return false;
        struct str type = { b.p + 4, 4 }, data = { b.p + 8, n };
        if (str_is(type, "PLTE"))
            p->palette = data;
        else if (str_is(type, "tRNS"))
            p->alpha = data;
        else if (str_is(type, "IDAT"))
            buf_putstr(&p->packed, data);
        else if (str_is(type, "IEND"))
            return p->packed.n > 0;
        b = str_from(b, (size_t)n + 12);
    }
    return false;
}

static uint8_t paeth(int a, int b, int c)
{
    int p = a + b - c, pa = abs(p - a), pb = abs(p - b), pc = abs(p - c);

    return (uint8_t)(pa <= pb && pa <= pc ? a : pb <= pc ? b : c);
}

/* Takes the row's filter back, in place; `up` is the row above, NULL = none. */
static bool unfilter(uint8_t filter, uint8_t *row, const uint8_t *up, size_t n, size_t step)
{
    for (size_t i = 0; i < n; i++) {
        int a = i >= step ? row[i - step] : 0, b = up ? up[i] : 0,
            c = up && i >= step ? up[i - step] : 0;
        switch (filter) {
        case 0:
            return true;
        case 1:
            row[i] = (uint8_t)(row[i] + a);
            break;
        case 2:
            row[i] = (uint8_t)(row[i] + b);
            break;
        case 3:
            row[i] = (uint8_t)(row[i] + (a + b) / 2);
            break;
        case 4:
            row[i] = (uint8_t)(row[i] + paeth(a, b, c));
            break;
        default:
            return false;
        }
    }
    return true;
}

static uint8_t on_white(unsigned v, unsigned alpha)
{
    return (uint8_t)((v * alpha + 255 * (255 - alpha)) / 255);
}

static void put_pixel(const struct png *p, const uint8_t *in, uint8_t *out)
{
    unsigned r = in[0], g = in[0], b = in[0], alpha = 255;

    if (p->type == 3) {
        size_t at = in[0] * 3u;
        bool there = at + 3 <= p->palette.n;
        const uint8_t *entry = (const uint8_t *)p->palette.p + at;
        r = there ? entry[0] : 0;
        g = there ? entry[1] : 0;
        b = there ? entry[2] : 0;
        if (in[0] < p->alpha.n)
            alpha = (uint8_t)p->alpha.p[in[0]];
    } else if (p->channels >= 3) {
        g = in[1];
        b = in[2];
    }
    if (p->type == 4 || p->type == 6)
        alpha = in[p->channels - 1];
    out[0] = on_white(r, alpha);
    out[1] = on_white(g, alpha);
    out[2] = on_white(b, alpha);
}

static bool unpack(struct str file, struct image *ret)
{
    struct png p = { .packed = BUF_MAX(MAX_PICTURE_SHOWN) };
    bool ok = false;
    uint8_t *raw = NULL;

    if (!read_chunks(file, &p))
        goto out;
    size_t stride = (size_t)p.w * p.channels + 1;
    uLongf n = stride * p.h;
    raw = xmalloc(n);
    if (uncompress(raw, &n, (const Bytef *)p.packed.p, p.packed.n) != Z_OK || n != stride * p.h)
        goto out;
    for (size_t y = 0; y < p.h; y++)
        if (!unfilter(raw[y * stride], raw + y * stride + 1, y ? raw + (y - 1) * stride + 1 : NULL,
                      stride - 1, p.channels))
            goto out;
    *ret = (struct image){ p.w, p.h, xmalloc((size_t)p.w * p.h * 3) };
    for (size_t y = 0; y < p.h; y++)
        for (size_t x = 0; x < p.w; x++)
            put_pixel(&p, raw + y * stride + 1 + x * p.channels, ret->rgb + (y * p.w + x) * 3);
    ok = true;
out:
    free(raw);
    buf_free(&p.packed);
    return ok;
}

/* --- size --- */

static void shrink(struct image *im, unsigned max_w, unsigned max_h)
{
    unsigned w = im->w, h = im->h;

    if (w > max_w) {
        h = (unsigned)((uint64_t)h * max_w / w);
        w = max_w;
    }
    if (h > max_h) {
        w = (unsigned)((uint64_t)w * max_h / h);
        h = max_h;
    }
    w = w ? w : 1;
    h = h ? h : 1;
    if (w == im->w && h == im->h)
        return;
    uint8_t *out = xmalloc((size_t)w * h * 3);
    for (size_t y = 0; y < h; y++) {
        size_t y0 = y * im->h / h, y1 = (y + 1) * im->h / h;
        for (size_t x = 0; x < w; x++) {
            size_t x0 = x * im->w / w, x1 = (x + 1) * im->w / w;
            for (size_t c = 0; c < 3; c++) {
                uint64_t sum = 0;
                for (size_t v = y0; v < y1; v++)
                    for (size_t u = x0; u < x1; u++)
                        sum += im->rgb[(v * im->w + u) * 3 + c];
                out[(y * w + x) * 3 + c] = (uint8_t)(sum / ((y1 - y0) * (x1 - x0)));
            }
        }
    }
    free(im->rgb);
    *im = (struct image){ w, h, out };
}

/* --- colours --- */

#define SHADES 32768u /* five bits of each */
#define MAX_COLOURS 255

struct palette {
    uint8_t of[SHADES]; /* the colour of each shade that is in the picture */
    uint16_t shade[MAX_COLOURS];
    unsigned n;
};

static unsigned shade_of(const uint8_t *p)
{
    return (unsigned)(p[0] >> 3) << 10 | (unsigned)(p[1] >> 3) << 5 | (unsigned)(p[2] >> 3);
}

static int by_count(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? 1 : x > y ? -1 : 0;
}

static int distance(unsigned a, unsigned b)
{
    int r = (int)(a >> 10) - (int)(b >> 10), g = (int)(a >> 5 & 31) - (int)(b >> 5 & 31),
        l = (int)(a & 31) - (int)(b & 31);

    return 2 * r * r + 4 * g * g + l * l;
}

static void make_palette(const struct image *im, struct palette *p)
{
    uint64_t *counts = xcalloc(SHADES, sizeof *counts); /* count << 16 | shade */
    size_t pixels = (size_t)im->w * im->h;

    for (size_t i = 0; i < pixels; i++)
        counts[shade_of(im->rgb + i * 3)] += 1u << 16;
    for (unsigned i = 0; i < SHADES; i++)
        counts[i] |= i;
    qsort(counts, SHADES, sizeof *counts, by_count);
    for (p->n = 0; p->n < MAX_COLOURS && counts[p->n] >> 16; p->n++)
        p->shade[p->n] = (uint16_t)(counts[p->n] & 0xFFFF);
    for (unsigned i = 0; i < SHADES && counts[i] >> 16; i++) {
        unsigned shade = (unsigned)(counts[i] & 0xFFFF), best = 0;
        for (unsigned k = 1; k < p->n; k++)
            if (distance(p->shade[k], shade) < distance(p->shade[best], shade))
                best = k;
        p->of[shade] = (uint8_t)best;
    }
    free(counts);
}

/* --- sixels --- */

static void put_run(struct buf *out, char c, size_t n)
{
    if (n > 3) {
        buf_putf(out, "!%zu%c", n, c);
        return;
    }
    while (n--)
        buf_putc(out, c);
}

/* Six rows: each colour in them draws its own dots over the others'. */
static void put_band(const struct image *im, const struct palette *p, size_t y0, uint8_t *band,
                     struct buf *out)
{
    bool there[MAX_COLOURS] = { false }, first = true;
    size_t rows = im->h - y0 < 6 ? im->h - y0 : 6;

    for (size_t i = 0; i < rows * im->w; i++) {
        band[i] = p->of[shade_of(im->rgb + (y0 * im->w + i) * 3)];
        there[band[i]] = true;
    }
    for (unsigned c = 0; c < p->n; c++) {
        size_t run = 0;
        char last = 0;
        if (!there[c])
            continue;
        buf_putf(out, "%s#%u", first ? "" : "$", c);
        first = false;
        for (size_t x = 0; x < im->w; x++) {
            unsigned bits = 0;
            for (size_t y = 0; y < rows; y++)
                bits |= (unsigned)(band[y * im->w + x] == c) << y;
            char sign = (char)('?' + bits);
            if (sign != last && run) {
                put_run(out, last, run);
                run = 0;
            }
            last = sign;
            run++;
        }
        if (last != '?')
            put_run(out, last, run);
    }
    buf_putc(out, '-');
}

bool picture_sixel(struct str png, unsigned max_width, unsigned max_height, struct buf *out)
{
    cleanup_image struct image im = { 0 };

    if (!unpack(png, &im))
        return false;
    shrink(&im, max_width ? max_width : 1, max_height ? max_height : 1);
    struct palette *p = xcalloc(1, sizeof *p);
    make_palette(&im, p);
    buf_putf(out, "\033P0;1q\"1;1;%u;%u", im.w, im.h);
    for (unsigned i = 0; i < p->n; i++)
        buf_putf(out, "#%u;2;%u;%u;%u", i, (p->shade[i] >> 10) * 100u / 31,
                 (p->shade[i] >> 5 & 31) * 100u / 31, (p->shade[i] & 31) * 100u / 31);
    uint8_t *band = xmalloc((size_t)im.w * 6);
    for (size_t y = 0; y < im.h; y += 6)
        put_band(&im, p, y, band, out);
    buf_puts(out, "\033\\");
    free(band);
    free(p);
    return true;
}
