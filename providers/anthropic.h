/* The two halves of the codec for Anthropic's Messages API: anthropic_encode.c writes requests,
 * anthropic.c reads replies. Private to them. */
#ifndef PROVIDERS_ANTHROPIC_H
#define PROVIDERS_ANTHROPIC_H

#include "agent/base/err.h"
#include "agent/base/str.h"
#include "providers/chat.h"

#define ANTHROPIC "anthropic-messages"

int anthropic_encode(const struct chat_request *rq, struct buf *body, struct err *e);

#endif
