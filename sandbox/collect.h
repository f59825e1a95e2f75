/* What a cell gives, gathered in order and bounded: text of both streams, results, the error.
 * The input is hostile; what does not fit is counted, never kept. */
#ifndef SANDBOX_COLLECT_H
#define SANDBOX_COLLECT_H

#include "sandbox/frame.h"
#include "sandbox/sandbox.h"

struct collect {
    struct sandbox_result r;
    size_t cap_items;
    size_t kept[2];      /* bytes of stdout and stderr that are in items */
    size_t result_bytes; /* of all representations */
    size_t n_results;
    int number; /* of the last result that was kept */
};

void collect_text(struct collect *c, bool is_stderr, struct str bytes);
/* From `op=result` and `op=error` frames. The result as it was kept, until the next call; NULL:
 * not. With a field `update` it takes the place of the last one with the same `id`, where there is
 * one. */
const struct sandbox_item *collect_result(struct collect *c, const struct frame *f);
/* `op=clear`: the code takes back what it has shown so far. Counted; the bytes stay counted, too.
 */
void collect_clear(struct collect *c);
void collect_error(struct collect *c, const struct frame *f);

#endif
