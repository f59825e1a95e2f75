/* Messages between the agent and the interpreter: u32 length of what follows, then fields of u8
 * name length, name, u32 value length, value; numbers little endian. Pure: bytes in, views out.
 *
 * What a context sends is hostile. A frame is taken whole or refused; views point into the caller's
 * buffer and live as long as its bytes stay. */
#ifndef SANDBOX_FRAME_H
#define SANDBOX_FRAME_H

#include "agent/base/str.h"

#define FRAME_MAX_FIELDS 40 /* a result has one field a MIME type (at most 21) and five more */

struct frame {
    struct {
        struct str name, value;
    } field[FRAME_MAX_FIELDS];
    size_t n;
};

/* Looks for a frame at the front of `in`: 1 and its body and the bytes it takes up, 0 when more
 * bytes are needed, -1 when its length is over `max` (nothing after it can be trusted). */
int frame_next(struct str in, size_t max, struct str *ret_body, size_t *ret_used);
/* -1: a length that lies, no first field `op`, or too many fields. `*ret` only on success. */
int frame_parse(struct str body, struct frame *ret);
/* The first field of that name; an empty view when there is none. */
struct str frame_get(const struct frame *f, const char *name);
/* A decimal number in 0..INT64_MAX; `def` when it is absent or is none. */
long long frame_num(const struct frame *f, const char *name, long long def);
bool frame_is(const struct frame *f, const char *op);

/* Building: begin gives the place that end fills in. Names are our own words, under 256 bytes. */
size_t frame_begin(struct buf *out, const char *op);
void frame_put(struct buf *out, const char *name, struct str value);
void frame_put_num(struct buf *out, const char *name, long long value);
void frame_end(struct buf *out, size_t at);

#endif
