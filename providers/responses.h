/* The two halves of the codec for OpenAI's Responses API: responses_encode.c writes requests,
 * responses.c reads replies. Private to them. */
#ifndef PROVIDERS_RESPONSES_H
#define PROVIDERS_RESPONSES_H

#include "agent/base/err.h"
#include "agent/base/str.h"
#include "providers/chat.h"

#define RESPONSES "openai-responses"

int responses_encode(const struct chat_request *rq, struct buf *body, struct err *e);

#endif
