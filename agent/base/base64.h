/* Base64 (RFC 4648, with padding, no line ends). Pure. */
#ifndef AGENT_BASE_BASE64_H
#define AGENT_BASE_BASE64_H

#include "str.h"

/* Appends the text for these bytes: 4 characters for every 3 of them. */
void base64_put(struct buf *out, struct str bytes);

#endif
