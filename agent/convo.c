#include "agent/convo.h"
#include <stdlib.h>
#include <string.h>
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
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

void convo_truncate(struct convo *c, size_t n)
{
    while (c->n > n)
        chat_message_done(&c->m[--c->n]);
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
    m->origin = steal_ptr(&t->origin);
}

void convo_tool(struct convo *c, const struct chat_call *call, const char *text, bool is_error)
{
    struct chat_message *m = append(c, CHAT_TOOL);

    m->call_id = xstrdup(call->id);
    m->name = xstrdup(call->name);
    m->text = xstrdup(text);
    m->is_error = is_error;
}

void convo_images(struct convo *c, struct chat_image *images, size_t n)
{
    struct chat_message *m = &c->m[c->n - 1];

    m->images = xrealloc(m->images, m->n_images + n + 1, sizeof *images);
    for (size_t i = 0; i < n; i++)
        m->images[m->n_images++] = images[i];
    free(images);
}

static void drop_images(struct chat_message *m, size_t n)
{
    char *text = xasprintf("%s\n[%zu older picture%s of this are no longer shown]",
                           m->text ? m->text : "", n, n == 1 ? "" : "s");

    for (size_t i = 0; i < n; i++) {
        free(m->images[i].mime);
        free(m->images[i].data);
    }
    m->n_images -= n;
    for (size_t i = 0; i < m->n_images; i++)
        m->images[i] = m->images[i + n];
    free(m->text);
    m->text = text;
}

void convo_limit_images(struct convo *c, size_t max)
{
    size_t kept = 0;

    for (size_t i = c->n; i > 0; i--) {
        struct chat_message *m = &c->m[i - 1];
        size_t room = max - kept, over = m->n_images > room ? m->n_images - room : 0;
        if (over)
            drop_images(m, over);
        kept += m->n_images;
    }
}

const struct chat_message *convo_last_assistant(const struct convo *c)
{
    for (size_t i = c->n; i > 0; i--)
        if (c->m[i - 1].role == CHAT_ASSISTANT)
            return &c->m[i - 1];
    return NULL;
}

/* What is left of an output: first its ends, then, when that is not enough, a line. */
#define KEEP_HEAD 500
#define KEEP_TAIL 200
#define KEEP_LITTLE 120
static const char left_out[] = "characters of this old output were left out to make room";

static size_t last_assistant(const struct convo *c)
{
    for (size_t i = c->n; i > 0; i--)
        if (c->m[i - 1].role == CHAT_ASSISTANT)
            return i - 1;
    return 0;
}

/* The text that would stand instead; NULL if it would not be shorter. */
static char *shorter(const char *text, bool little)
{
    struct str s = str_of(text);
    cleanup_buf struct buf b = BUF_MAX(SIZE_MAX / 2);
    bool cut_before = strstr(text, left_out) != NULL;

    if (little ? s.n <= KEEP_LITTLE : cut_before || s.n <= KEEP_HEAD + KEEP_TAIL + 100)
        return NULL;
    if (little) {
        buf_putf(&b, "[%zu %s]", s.n, left_out);
        return b.n < s.n ? buf_steal(&b) : NULL;
    }
    struct str head = utf8_head(s, KEEP_HEAD);
    size_t from = s.n - KEEP_TAIL;
    while (from < s.n && ((unsigned char)s.p[from] & 0xC0) == 0x80)
        from++;
    buf_putstr(&b, head);
    buf_putf(&b, "\n[%zu %s]\n", from - head.n, left_out);
    buf_putstr(&b, str_from(s, from));
    return buf_steal(&b);
}

static size_t images_bytes(const struct chat_message *m)
{
    size_t n = 0;

    for (size_t i = 0; i < m->n_images; i++)
        n += m->images[i].n;
    return n;
}

size_t convo_shorten(struct convo *c, size_t bytes, size_t *freed)
{
    size_t end = last_assistant(c), n = 0;

    *freed = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < end && *freed < bytes; i++) {
            struct chat_message *m = &c->m[i];
            if (m->role != CHAT_TOOL)
                continue;
            char *text = shorter(m->text ? m->text : "", pass == 1);
            if (m->n_images) {
                *freed += images_bytes(m);
                chat_images_free(m->images, m->n_images);
                m->images = NULL;
                m->n_images = 0;
                n += text == NULL;
            }
            if (text == NULL)
                continue;
            *freed += strlen(m->text) - strlen(text);
            free(m->text);
            m->text = text;
            n++;
        }
    }
    return n;
}

size_t convo_shortable(const struct convo *c)
{
    size_t end = last_assistant(c), n = 0;

    for (size_t i = 0; i < end; i++) {
        const struct chat_message *m = &c->m[i];
        if (m->role != CHAT_TOOL)
            continue;
        cleanup_free char *little = shorter(m->text ? m->text : "", true);
        n += images_bytes(m) + (little ? strlen(m->text) - strlen(little) : 0);
    }
    return n;
}
