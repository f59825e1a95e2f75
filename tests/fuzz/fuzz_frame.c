/* Properties of what a context sends: any fragmentation of the same bytes gives the same cell
 * result; what is gathered is bounded by what came; and a frame that was taken, written again, is
 * the same bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "sandbox/collect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_FRAME (64 * KIB)
#define MAX_INPUT (1 * MIB)

static void written_again(const struct frame *f, struct str body)
{
    cleanup_buf struct buf b = BUF_MAX(2 * MAX_FRAME);
    size_t at;

    for (size_t i = 0; i < f->n; i++)
        if (f->field[i].name.n && memchr(f->field[i].name.p, '\0', f->field[i].name.n))
            return; /* names of ours are C strings */
    cleanup_free char *op = str_dup(f->field[0].value);
    if (strlen(op) != f->field[0].value.n)
        return;
    at = frame_begin(&b, op);
    for (size_t i = 1; i < f->n; i++) {
        cleanup_free char *name = str_dup(f->field[i].name);
        frame_put(&b, name, f->field[i].value);
    }
    frame_end(&b, at);
    struct str again;
    size_t used;
    if (frame_next(buf_str(&b), MAX_FRAME, &again, &used) != 1 || used != b.n ||
        !str_eq(again, body))
        __builtin_trap();
}

static void take(struct collect *c, struct str in, size_t *n_frames)
{
    /* Exactly its size, so that a sanitizer sees a read beyond the end. */
    cleanup_free char *bytes = in.n ? memcpy(xmalloc(in.n), in.p, in.n) : NULL;
    struct str body = { bytes, in.n };
    struct frame f;

    if (frame_parse(body, &f) < 0)
        return;
    ++*n_frames;
    written_again(&f, body);
    if (frame_is(&f, "result"))
        collect_result(c, &f);
    else if (frame_is(&f, "error"))
        collect_error(c, &f);
    else
        collect_text(c, frame_is(&f, "err"), frame_get(&f, "text"));
}

static void put_text(struct buf *out, const char *name, const char *s)
{
    buf_putf(out, "%s=%s|", name, s ? s : "(none)");
}

/* All that the result holds, in one text. */
static void describe(const struct collect *c, struct buf *out)
{
    const struct sandbox_result *r = &c->r;

    for (size_t i = 0; i < r->n_items; i++) {
        const struct sandbox_item *it = &r->items[i];
        buf_putf(out, "item %d main %d text ", (int)it->kind, it->is_main);
        buf_put(out, it->text ? it->text : "", it->n);
        put_text(out, "file", it->file);
        for (size_t k = 0; k < it->n_reprs; k++) {
            put_text(out, "mime", it->reprs[k].mime);
            buf_put(out, it->reprs[k].data, it->reprs[k].n);
        }
    }
    put_text(out, "name", r->error_name);
    put_text(out, "value", r->error_value);
    put_text(out, "traceback", r->traceback);
    buf_putf(out, "line %d bytes %lld %lld dropped %lld", r->error_line, (long long)r->stdout_bytes,
             (long long)r->stderr_bytes, (long long)r->dropped_results);
}

static int run(struct str in, size_t step, struct buf *out)
{
    struct collect c = { .cap_items = 0 };
    cleanup_buf struct buf b = BUF_MAX(MAX_FRAME + 8 + MAX_INPUT);
    size_t n_frames = 0;
    int r = 0;

    while (in.n && r >= 0) {
        size_t n = step < in.n ? step : in.n;
        struct str body;
        size_t used;
        buf_put(&b, in.p, n);
        in = str_from(in, n);
        while ((r = frame_next(buf_str(&b), MAX_FRAME, &body, &used)) == 1) {
            take(&c, body, &n_frames);
            buf_drop_front(&b, used);
        }
    }
    if (c.r.n_items > n_frames || c.kept[0] > MAX_STREAM_BYTES || c.kept[1] > MAX_STREAM_BYTES)
        __builtin_trap();
    describe(&c, out);
    sandbox_result_done(&c.r);
    return r;
}

/* The streams themselves come without frames. */
static void text(struct str in, size_t step, struct buf *out)
{
    struct collect c = { .cap_items = 0 };

    for (struct str rest = in; rest.n;) {
        struct str part = { rest.p, step < rest.n ? step : rest.n };
        collect_text(&c, in.p[0] & 1, part);
        rest = str_from(rest, part.n);
    }
    describe(&c, out);
    sandbox_result_done(&c.r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = { (const char *)data, size };
    size_t step = size ? 1 + data[0] % 7 : 1;
    cleanup_buf struct buf whole = BUF_MAX(64 * MIB), parts = BUF_MAX(64 * MIB);

    if (size > MAX_INPUT)
        return 0;
    if (run(in, size + 1, &whole) != run(in, step, &parts) ||
        !str_eq(buf_str(&whole), buf_str(&parts)))
        __builtin_trap();
    buf_clear(&whole);
    buf_clear(&parts);
    text(in, size + 1, &whole);
    text(in, step, &parts);
    if (!str_eq(buf_str(&whole), buf_str(&parts)))
        __builtin_trap();
    return 0;
}
