#include "providers/chat.h"
#include <stdlib.h>
#include <string.h>
#include "agent/base/mem.h"
#include "agent/base/banned.h"

void chat_calls_free(struct chat_call *calls, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(calls[i].id);
        free(calls[i].name);
        free(calls[i].args);
    }
    free(calls);
}

void chat_images_free(struct chat_image *images, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(images[i].mime);
        free(images[i].data);
    }
    free(images);
}

void chat_message_done(struct chat_message *m)
{
    free(m->text);
    chat_calls_free(m->calls, m->n_calls);
    free(m->call_id);
    free(m->name);
    free(m->raw);
    free(m->wire);
    free(m->origin);
    chat_images_free(m->images, m->n_images);
    memset(m, 0, sizeof *m);
}

void chat_turn_done(struct chat_turn *t)
{
    free(t->text);
    free(t->reasoning);
    free(t->refusal);
    chat_calls_free(t->calls, t->n_calls);
    free(t->stop_word);
    free(t->model);
    free(t->response_id);
    free(t->raw);
    free(t->wire);
    free(t->origin);
    memset(t, 0, sizeof *t);
}

const char *chat_stop_word(enum chat_stop s)
{
    static const char *const words[] = {
        [CHAT_STOP_END] = "end",         [CHAT_STOP_LENGTH] = "length",
        [CHAT_STOP_FILTER] = "filter",   [CHAT_STOP_REFUSAL] = "refusal",
        [CHAT_STOP_CONTEXT] = "context", [CHAT_STOP_PAUSE] = "pause",
        [CHAT_STOP_OTHER] = "other",
    };

    return (size_t)s < ARRAY_LEN(words) ? words[s] : "other";
}
