/* One reply as its bytes come: a refusal or a whole JSON document is collected, a stream goes
 * through the event splitter into the codec's decoder at once. Which of them it is, is decided by
 * status, content type and the first byte. Pure: bytes in, a turn out. */
#ifndef PROVIDERS_READING_H
#define PROVIDERS_READING_H

#include "agent/base/err.h"
#include "agent/base/str.h"
#include "providers/fault.h"
#include "providers/http.h"
#include "providers/provider.h"

struct sse;

enum reading_mode { READING_UNDECIDED, READING_STREAM, READING_DOCUMENT, READING_REFUSAL };

struct reading {
    const struct codec *codec;
    struct decoder *dec;
    struct sse *sse;
    struct http_resp resp;
    struct str type; /* content type; into resp.headers or the cassette's reply */
    struct buf body; /* refusal or document; before the decision, what came so far */
    struct buf head; /* the first bytes of a stream, for messages */
    struct buf tape; /* all of it, when recording */
    bool taping;
    enum reading_mode mode;
};

/* `taping` keeps all bytes in r->tape. Caller: reading_done(), which a zeroed one takes too. */
void reading_begin(struct reading *r, const struct codec *codec, const struct decoder_sink *sink,
                   bool taping);
void reading_done(struct reading *r);

/* Takes bytes, of any length: an http_sink with the reading as its argument. r->resp holds status
 * and headers by then. 1 = enough: more of a refusal tells nothing. -1 with *e. */
int reading_bytes(void *reading, struct str b, struct err *e);
/* All bytes are there (`cut`: as many as came before the connection broke): the turn, which the
 * caller owns, or -1 and why not. */
int reading_end(struct reading *r, const struct fault_place *p, bool cut, struct chat_turn *ret,
                struct err *e);
/* The content type that the answer names, "" if it names none. */
struct str reading_type(struct reading *r);

bool reading_is_2xx(long status);

#endif
