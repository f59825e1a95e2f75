#include "agent/convo.h"
#include <stdlib.h>
#include "agent/base/mem.h"
#include "agent/base/banned.h"

static struct chat_message *append(struct convo *c, enum chat_role role)
{
    if (c->n == c->cap) {
        c->cap = c->cap ? c->cap * 2 : 16;
        c->m = xrealloc(c->m, c->cap, sizeof *c->m);
    }
    struct chat_message *m = &c->m[c->n++];
    *m = (struct chat_message){ .role = role };
    return m;
}

void convo_free(struct convo *c)
{
    for (size_t i = 0; i < c->n; i++)
        chat_message_done(&c->m[i]);
    free(c->m);
    *c = (struct convo){ 0 };
}

void convo_system(struct convo *c, const char *text)
{
    append(c, CHAT_SYSTEM)->text = xstrdup(text);
}

void convo_user(struct convo *c, const char *text)
{
    append(c, CHAT_USER)->text = xstrdup(text);
}

void convo_assistant(struct convo *c, struct chat_turn *t)
{
    struct chat_message *m = append(c, CHAT_ASSISTANT);

    m->text = steal_ptr(&t->text);
    m->calls = steal_ptr(&t->calls);
    m->n_calls = t->n_calls;
    t->n_calls = 0;
    m->raw = steal_ptr(&t->raw);
    m->wire = steal_ptr(&t->wire);
}

void convo_tool(struct convo *c, const struct chat_call *call, const char *text, bool is_error)
{
    struct chat_message *m = append(c, CHAT_TOOL);

    m->call_id = xstrdup(call->id);
    m->name = xstrdup(call->name);
    m->text = xstrdup(text);
    m->is_error = is_error;
}

const struct chat_message *convo_last_assistant(const struct convo *c)
{
    for (size_t i = c->n; i > 0; i--)
        if (c->m[i - 1].role == CHAT_ASSISTANT)
            return &c->m[i - 1];
    return NULL;
}
