/* Structured output: the answer's JSON Schema as each service takes it. What a service cannot be
 * told is left out here, since the answer is checked by the whole schema anyway (agent/schema.h).
 * Pure. */
#ifndef PROVIDERS_STRUCTURED_H
#define PROVIDERS_STRUCTURED_H

#include <stdbool.h>
#include "agent/base/str.h"
#include "providers/chat.h"

/* Does this request carry the schema? `beside_tools`: the format takes one together with tools that
 * may be called. */
bool structured_sent(const struct chat_request *rq, bool beside_tools);

/* Appends ",\"name\":\"answer\",\"strict\":...,\"schema\":..." for OpenAI's two formats. false, and
 * nothing appended: they take no such schema (its top is no object). `strict` is true only for what
 * their strict mode takes: all objects closed, all members required. */
bool structured_openai(struct buf *out, const char *schema);
/* Appends the schema with its objects closed and without what Anthropic's format refuses (limits of
 * numbers and lengths, patterns); false when closing them would change what is meant. */
bool structured_anthropic(struct buf *out, const char *schema);

#endif
