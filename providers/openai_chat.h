/* The two halves of the codec for OpenAI's chat completions, as many services and local servers
 * speak them: openai_chat_encode.c writes requests, openai_chat.c reads replies. Private to them.
 */
#ifndef PROVIDERS_OPENAI_CHAT_H
#define PROVIDERS_OPENAI_CHAT_H

#include "agent/base/err.h"
#include "agent/base/str.h"
#include "providers/chat.h"

#define OPENAI_CHAT "openai-chat"

int openai_chat_encode(const struct chat_request *rq, struct buf *body, struct err *e);
/* Appends one element of a message's tool_calls. Arguments that are no JSON object become {}, since
 * services refuse a history that holds them. `extra` is the call's opaque member or NULL. */
void openai_chat_put_call(struct buf *out, const struct chat_call *call, struct str quoted_id,
                          const char *extra);

#endif
