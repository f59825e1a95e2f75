/* Open models served raw put their reasoning at the front of the text, between <think> and
 * </think>. This takes it out as the text arrives. Pure; any fragmentation gives the same two
 * texts. */
#ifndef PROVIDERS_THINK_H
#define PROVIDERS_THINK_H

#include "agent/base/str.h"
#include "providers/provider.h"

struct think;
struct think *think_new(const struct decoder_sink *sink);
void think_free(struct think *t); /* NULL is fine */
void think_feed(struct think *t, struct str piece);
void think_end(struct think *t); /* hands out what was held back */

#endif
