/* The conversation as it will be sent: owned messages, and the invariant that every tool call of an
 * assistant message is answered exactly once, in order, before anything else is said. */
#ifndef AGENT_CONVO_H
#define AGENT_CONVO_H

#include <stdbool.h>
#include "agent/base/str.h"
#include "providers/chat.h"

struct convo {
    struct chat_message *m;
    size_t n, cap;
};

void convo_free(struct convo *c);
void convo_system(struct convo *c, const char *text);
void convo_user(struct convo *c, const char *text);
/* Moves the reply's text, calls and raw form into the conversation; `t` keeps the rest. */
void convo_assistant(struct convo *c, struct chat_turn *t);
void convo_tool(struct convo *c, const struct chat_call *call, const char *text, bool is_error);
/* Gives pictures to the last message, which owns them from now on. */
void convo_images(struct convo *c, struct chat_image *images, size_t n);
/* Keeps the newest `max` pictures of the conversation; a message that loses some says so. */
void convo_limit_images(struct convo *c, size_t max);
/* Makes old tool outputs shorter, the oldest first, until at least `bytes` are freed or nothing is
 * left to shorten: never the question, what is said about the files, or the results behind the
 * last assistant message. Returns how many became shorter, and the bytes freed. */
size_t convo_shorten(struct convo *c, size_t bytes, size_t *freed);
/* The bytes that convo_shorten() frees when it has to free all that it can, but for a few. */
size_t convo_shortable(const struct convo *c);
/* Forgets all messages from the nth on. */
void convo_truncate(struct convo *c, size_t n);
/* The last assistant message, NULL if there is none. Valid until the next append. */
const struct chat_message *convo_last_assistant(const struct convo *c);

#endif
