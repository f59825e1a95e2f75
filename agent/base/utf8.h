/* UTF-8 for text of unknown origin: model replies, script output, file names. Pure. */
#ifndef AGENT_BASE_UTF8_H
#define AGENT_BASE_UTF8_H

#include "str.h"

/* Length (1..4) of the well-formed sequence at the front of `s`, 0 if there is none. Overlong
 * forms, surrogates and values over U+10FFFF are not well-formed. */
size_t utf8_seq(struct str s, unsigned *ret_cp);
bool utf8_valid(struct str s);
/* The longest prefix (suffix) of at most n bytes that does not cut a sequence. */
struct str utf8_head(struct str s, size_t n);
struct str utf8_tail(struct str s, size_t n);

/* Appends `s` made harmless: what is not UTF-8 becomes U+FFFD; control characters other than
 * newline and tab (C0, DEL, C1), bidirectional controls and invisible formatting characters become
 * a visible escape such as \x1b or \u202e; CR LF becomes LF. The result is valid UTF-8 that cannot
 * drive a terminal. */
void utf8_clean(struct buf *out, struct str s);
/* The same for one line: newline and tab are escaped as well. */
void utf8_clean_line(struct buf *out, struct str s);
/* Columns a terminal needs (East Asian wide = 2, combining = 0); malformed bytes count 1. */
size_t utf8_width(struct str s);

#endif
