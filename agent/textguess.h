/* Guesses about bytes of unknown origin, from their beginning: encoding, and whether they are a
 * table or JSON. A guess is for people and prompts; nothing depends on its being right. Pure. */
#ifndef AGENT_TEXTGUESS_H
#define AGENT_TEXTGUESS_H

#include "agent/base/str.h"

enum attach_encoding {
    ENC_ASCII,
    ENC_UTF8,
    ENC_UTF8_BOM,
    ENC_UTF16LE,
    ENC_UTF16BE,
    ENC_8BIT,
    ENC_BINARY
};
#define GUESS_BYTES 65536u /* how much of a file the guesses look at */

/* `is_all`: the bytes are the whole content, so that a cut sequence at the end is an error. */
enum attach_encoding guess_encoding(struct str bytes, bool is_all);
/* Appends `bytes` as UTF-8 without the byte order mark; 8-bit text is read as cp1252. What does not
 * decode becomes U+FFFD. Controls are left for utf8_clean(). Nothing for binary. */
void guess_decode(struct str bytes, enum attach_encoding enc, struct buf *out);

/* Appends at most `lines` first lines, each clipped with a count, at most `max` bytes in all,
 * cleaned for a prompt or a terminal. False if something is not shown. */
bool guess_head(struct str bytes, bool is_all, enum attach_encoding enc, size_t lines, size_t max,
                struct buf *out);

/* What the decoded text looks like: "csv", "tsv", "json", "jsonl" or NULL for none of these. */
const char *guess_format(struct str text, bool is_all);

#endif
