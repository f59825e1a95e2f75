/* The two halves of the codec for Ollama's own /api/chat: ollama_encode.c writes requests, ollama.c
 * reads replies. Private to them. */
#ifndef PROVIDERS_OLLAMA_H
#define PROVIDERS_OLLAMA_H

#include "agent/base/err.h"
#include "agent/base/str.h"
#include "providers/chat.h"

#define OLLAMA "ollama-chat"

int ollama_encode(const struct chat_request *rq, struct buf *body, struct err *e);
/* A line when the server has read fewer tokens than the conversation has words: it cut the prompt
 * without saying so. */
void ollama_review(const struct chat_request *rq, const struct chat_turn *t, struct buf *notice);
/* The context window that is asked for: rq->num_ctx, or by an estimate of the conversation. */
long ollama_num_ctx(const struct chat_request *rq);

#endif
