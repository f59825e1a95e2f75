/* Server-sent-events splitter. Bytes in, events out; no I/O. Any fragmentation of the same bytes
 * gives the same events.
 *
 * The standard's grammar, and two things that real services do:
 *   - a field named "error" is an event of its own, named "error";
 *   - lines that begin with "{" (a bare error body) are an event named "bare", up to the next empty
 *     line or field.
 * Comments, ids and retry hints are dropped. Events without data are not reported. */
#ifndef PROVIDERS_SSE_H
#define PROVIDERS_SSE_H

#include "agent/base/err.h"
#include "agent/base/str.h"

/* `event` ("message" when the stream names none) and `data` live only during the call. -1 stops the
 * feed, with *e set by the callback. */
typedef int sse_fn(void *arg, struct str event, struct str data, struct err *e);

struct sse;
struct sse *sse_new(void);
/* The same for streams of one JSON document a line: each line that is not blank is an event. */
struct sse *sse_new_lines(void);
void sse_free(struct sse *s); /* NULL is fine */
/* -1: the callback's failure, or ERR_PROVIDER when one event passes SSE_MAX_EVENT. */
int sse_feed(struct sse *s, struct str bytes, sse_fn *fn, void *arg, struct err *e);
/* End of input. The standard drops an event that no empty line closed; here it is reported, since
 * some services forget the empty line: `fn` must judge whether it is whole. */
int sse_end(struct sse *s, sse_fn *fn, void *arg, struct err *e);

/* One event. 100 kB were seen in practice (a picture); services that repeat the whole message in
 * every chunk need more. */
#define SSE_MAX_EVENT (16u * 1024 * 1024)

#endif
