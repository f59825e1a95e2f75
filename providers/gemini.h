/* The two halves of the codec for Gemini's generateContent: gemini_encode.c writes requests,
 * gemini.c reads replies. Private to them. */
#ifndef PROVIDERS_GEMINI_H
#define PROVIDERS_GEMINI_H

#include "agent/base/err.h"
#include "agent/base/str.h"
#include "providers/chat.h"

#define GEMINI "gemini-generate-content"

void gemini_path(const struct chat_request *rq, struct buf *out);
int gemini_encode(const struct chat_request *rq, struct buf *body, struct err *e);

#endif
