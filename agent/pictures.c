#include "agent/pictures.h"
#include <stdlib.h>
#include <string.h>
#include "agent/asking.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/banned.h"

/* Services scale pictures down to some 1,500 pixels, and refuse more than 8,000 on a side. */
#define MAX_SIDE 8000

bool pictures_wanted(const struct run *run)
{
    if (run->conf->max_images == 0)
        return false;
    return run->conf->images == IMAGES_ON ||
           (run->conf->images == IMAGES_AUTO && asking_sees(run->asking));
}

static uint32_t big32(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;

    return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}

static const char *png_fault(struct str b)
{
    static const char signature[] = "\x89PNG\r\n\x1a\n";
    bool first = true, pixels = false;

    if (b.n < 8 + 25 || memcmp(b.p, signature, 8) != 0)
        return "it is no PNG";
    for (b = str_from(b, 8); b.n >= 12; first = false) {
        uint32_t n = big32(b.p);
        if (n > b.n - 12)
            return "it is cut";
        struct str type = { b.p + 4, 4 };
        if (first != str_is(type, "IHDR") || (first && n != 13))
            return "its header is missing";
        if (first && (big32(b.p + 8) == 0 || big32(b.p + 12) == 0))
            return "it is empty";
        if (first && (big32(b.p + 8) > MAX_SIDE || big32(b.p + 12) > MAX_SIDE))
            return "it has more than 8000 pixels on a side";
        pixels = pixels || str_is(type, "IDAT");
        b = str_from(b, (size_t)n + 12);
        if (str_is(type, "IEND"))
            return !pixels ? "it has no pixels" : b.n ? "more follows behind its end" : NULL;
    }
    return "it is cut";
}

const char *picture_fault(const char *mime, struct str b)
{
    if (strcmp(mime, "image/png") == 0)
        return png_fault(b);
    if (b.n < 4 || memcmp(b.p, "\xFF\xD8\xFF", 3) != 0)
        return "it is no JPEG";
    return memcmp(b.p + b.n - 2, "\xFF\xD9", 2) != 0 ? "it is cut" : NULL;
}

/* One picture of a result: PNG, else JPEG. */
static const struct sandbox_repr *picture_of(const struct sandbox_item *it)
{
    static const char *const types[] = { "image/png", "image/jpeg" };

    for (size_t t = 0; it->kind == ITEM_RESULT && t < ARRAY_LEN(types); t++)
        for (size_t k = 0; k < it->n_reprs; k++)
            if (strcmp(it->reprs[k].mime, types[t]) == 0)
                return &it->reprs[k];
    return NULL;
}

static const char *fault(const struct run *run, const struct sandbox_repr *p)
{
    if ((int64_t)p->n > run->conf->image_bytes)
        return "it is larger than the setting image_size";
    return picture_fault(p->mime, (struct str){ p->data, p->n });
}

void pictures_take(const struct run *run, const struct sandbox_result *r, struct chat_image **ret,
                   size_t *ret_n, struct buf *text)
{
    size_t all = 0, shown = 0, skip;

    *ret = NULL;
    *ret_n = 0;
    if (!pictures_wanted(run))
        return;
    for (size_t i = 0; i < r->n_items; i++) {
        const struct sandbox_repr *p = picture_of(&r->items[i]);
        const char *why = p ? fault(run, p) : NULL;
        if (why)
            buf_putf(text, "[a picture is not shown to you: %s]\n", why);
        all += p && why == NULL;
    }
    skip = all > (size_t)run->conf->max_images ? all - (size_t)run->conf->max_images : 0;
    for (size_t i = 0, seen = 0; i < r->n_items; i++) {
        const struct sandbox_repr *p = picture_of(&r->items[i]);
        if (p == NULL || fault(run, p) || seen++ < skip)
            continue;
        *ret = xrealloc(*ret, shown + 1, sizeof **ret);
        (*ret)[shown++] = (struct chat_image){ xstrdup(p->mime), xstrndup(p->data, p->n), p->n };
    }
    *ret_n = shown;
    if (skip)
        buf_putf(text, "[%zu pictures are not shown to you: no more than %ld at a time]\n", skip,
                 run->conf->max_images);
    if (shown)
        buf_putf(text, "[%s attached: look at %s]\n",
                 shown == 1 ? "the picture is" : "the pictures are", shown == 1 ? "it" : "them");
}
