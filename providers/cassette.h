/* A cassette: a conversation's HTTP exchanges on disk, one JSON document per line, to be played
 * again without a network.
 *
 *   {"v":1,"wire":"openai-chat","request":{...body...},"response":{"status":200,"content_type":"...","body":"..."}}
 *
 * Replies are played in order, each in the wire format that its line names (else the client's). A
 * line with "request" is compared with what would be sent, in any format: model, tool names,
 * instructions, and each message's role, text and called tools; a difference is an error that shows
 * it. A line without "request" is played whatever is asked. No headers are kept, and registered
 * secrets are redacted before anything is written. */
#ifndef PROVIDERS_CASSETTE_H
#define PROVIDERS_CASSETTE_H

#include "agent/base/err.h"
#include "agent/base/str.h"

struct cassette;
/* Reads and checks the whole file, so that a broken line fails before the run begins. ERR_CONFIG.
 */
struct cassette *cassette_open(const char *path, struct err *e);
/* The same from memory; `name` is for messages. `text` is copied. */
struct cassette *cassette_parse(struct str text, const char *name, struct err *e);
void cassette_free(struct cassette *c); /* NULL is fine */

struct cassette_reply {
    long status;
    char *content_type; /* never NULL */
    char *body;         /* NUL-terminated; never NULL */
};
void cassette_reply_done(struct cassette_reply *r);
/* The next reply, owned by the caller. ERR_PROVIDER when there is none left or when the request is
 * not the recorded one. */
int cassette_next(struct cassette *c, struct str request, struct cassette_reply *ret,
                  struct err *e);

/* The wire format of the next reply, "" when its line does not say. Valid until it is played. */
const char *cassette_wire(struct cassette *c);

/* Appends one exchange to the file (created 0600) and flushes it. `content_type` may be empty. */
int cassette_append(const char *path, const char *wire, struct str request, long status,
                    struct str content_type, struct str body, struct err *e);

#define CASSETTE_MAX_BYTES (256u * 1024 * 1024) /* a long recorded session with pictures */

#endif
