#include "providers/toolacc.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/base/banned.h"

/* Follows JSON text as it grows, to know when one object is complete, without parsing it again at
 * every piece (that would be quadratic in a hostile stream). */
struct balance {
    size_t depth;
    bool in_string, escaped, begun, closed, spoilt;
};

struct slot {
    long index;
    struct buf id, name, args, extra;
    struct balance bal;
};

struct toolacc {
    struct slot slots[MAX_CALLS_PER_TURN];
    size_t n;
    size_t kept[MAX_CALLS_PER_TURN]; /* finish: which slot each call came from */
    size_t n_kept;
};

struct toolacc *toolacc_new(void)
{
    return xcalloc(1, sizeof(struct toolacc));
}

void toolacc_free(struct toolacc *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < t->n; i++) {
        buf_free(&t->slots[i].id);
        buf_free(&t->slots[i].name);
        buf_free(&t->slots[i].args);
        buf_free(&t->slots[i].extra);
    }
    free(t);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void balance_byte(struct balance *b, char c)
{
    if (b->in_string) {
        if (b->escaped)
            b->escaped = false;
        else if (c == '\\')
            b->escaped = true;
        else if (c == '"')
            b->in_string = false;
        return;
    }
    if (is_space(c))
        return;
    if (b->closed || (!b->begun && c != '{')) {
        b->spoilt = true; /* text after the object, or no object at all */
        return;
    }
    b->begun = true;
    if (c == '"')
        b->in_string = true;
    else if (c == '{' || c == '[')
        b->depth++;
    else if ((c == '}' || c == ']') && --b->depth == 0)
        b->closed = true;
}

static bool balance_text(struct balance *b, struct str s)
{
    for (size_t i = 0; i < s.n && !b->spoilt; i++)
        balance_byte(b, s.p[i]);
    return b->closed && !b->spoilt;
}

static bool is_whole_object(struct str s)
{
    struct balance b = { 0 };

    return balance_text(&b, s);
}

static struct slot *slot_add(struct toolacc *t, long index, struct err *e)
{
    if (t->n == MAX_CALLS_PER_TURN) {
        err_set(e, ERR_PROVIDER, 0, "the reply has more than %d tool calls", MAX_CALLS_PER_TURN);
        return NULL;
    }
    struct slot *s = &t->slots[t->n++];
    s->index = index;
    s->id.max = s->name.max = 1024; /* ids of 80 bytes and names of 64 are the longest seen */
    s->args.max = MAX_ARGS_BYTES;
    s->extra.max = MAX_ARGS_BYTES;
    return s;
}

/* Which call a piece belongs to; NULL = a new one. */
static struct slot *slot_of(struct toolacc *t, const struct toolacc_piece *p)
{
    struct slot *s = NULL;

    if (p->index >= 0) {
        for (size_t i = t->n; i-- > 0 && s == NULL;)
            if (t->slots[i].index == p->index)
                s = &t->slots[i];
    } else if (p->id.n) {
        for (size_t i = t->n; i-- > 0 && s == NULL;)
            if (str_eq(buf_str(&t->slots[i].id), p->id))
                s = &t->slots[i];
    } else if (t->n) {
        s = &t->slots[t->n - 1];
        /* Neither index nor id, and a name again: services without both send whole calls. */
        if (p->name.n && s->name.n && s->bal.closed)
            s = NULL;
    }
    if (s == NULL)
        return NULL;
    if (p->id.n && s->id.n && s->name.n && !str_eq(p->id, buf_str(&s->id)))
        return NULL; /* one index used for two calls */
    if (p->id.n == 0 && s->bal.closed && !s->bal.spoilt && is_whole_object(p->args))
        return NULL; /* two whole objects glued together */
    return s;
}

int toolacc_add(struct toolacc *t, const struct toolacc_piece *p, struct err *e)
{
    struct slot *s = slot_of(t, p);

    if (s == NULL) {
        struct slot *last = t->n ? &t->slots[t->n - 1] : NULL;
        if ((s = slot_add(t, p->index, e)) == NULL)
            return -1;
        if (p->id.n == 0 && p->name.n == 0 && last) /* glued on: the same tool again */
            buf_putstr(&s->name, buf_str(&last->name));
    }
    if (s->id.n == 0)
        buf_putstr(&s->id, p->id);
    if (s->name.n == 0)
        buf_putstr(&s->name, p->name);
    if (p->extra.n) {
        buf_clear(&s->extra);
        buf_putstr(&s->extra, p->extra);
    }
    buf_putstr(&s->args, p->args);
    (void)balance_text(&s->bal, p->args);
    if (s->args.over || s->extra.over)
        return err_set(e, ERR_PROVIDER, 0, "the arguments of a tool call are longer than %u MiB",
                       MAX_ARGS_BYTES / MIB);
    if (s->id.over || s->name.over)
        return err_set(e, ERR_PROVIDER, 0, "a tool call has an id or name longer than 1024 bytes");
    return 0;
}

/* Nine letters and digits: the one form that every service accepts. Made of the response's id, so
 * that two turns of one conversation do not get the same. */
static char *made_id(struct str seed, size_t ordinal)
{
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    uint64_t h = 1469598103934665603u;
    char id[10];

    for (size_t i = 0; i < seed.n; i++)
        h = (h ^ (unsigned char)seed.p[i]) * 1099511628211u;
    h = (h ^ (ordinal + 1)) * 1099511628211u;
    h ^= h >> 29;
    for (size_t i = 0; i < 9; i++, h /= 36)
        id[i] = digits[h % 36];
    id[9] = '\0';
    return xstrdup(id);
}

static bool id_taken(const struct chat_call *calls, size_t n, const char *id)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(calls[i].id, id) == 0)
            return true;
    return false;
}

/* A NUL would end the C string early; what is not UTF-8 could not be sent back. */
static char *text_of(const struct buf *b)
{
    struct str s = buf_str(b);
    cleanup_buf struct buf out = BUF_MAX(4 * (size_t)MAX_ARGS_BYTES);

    while (s.n) {
        size_t n = s.p[0] == '\0' ? 0 : utf8_seq(s, NULL);
        if (n)
            buf_put(&out, s.p, n);
        else
            buf_puts(&out, "\xEF\xBF\xBD");
        s = str_from(s, n ? n : 1);
    }
    return buf_steal(&out);
}

void toolacc_finish(struct toolacc *t, struct str seed, struct chat_call **ret, size_t *ret_n)
{
    struct chat_call *calls = xcalloc(t->n + 1, sizeof *calls);
    size_t n = 0;

    t->n_kept = 0;
    for (size_t i = 0; i < t->n; i++) {
        struct slot *s = &t->slots[i];
        bool empty = str_trim(buf_str(&s->args)).n == 0;
        if (s->name.n == 0 && empty)
            continue;
        struct chat_call *c = &calls[n];
        c->name = text_of(&s->name);
        c->args = empty ? xstrdup("{}") : text_of(&s->args);
        c->id = text_of(&s->id);
        for (size_t k = i; *c->id == '\0' || id_taken(calls, n, c->id); k += MAX_CALLS_PER_TURN) {
            free(c->id);
            c->id = made_id(seed, k);
        }
        t->kept[t->n_kept++] = i;
        n++;
    }
    *ret = calls;
    *ret_n = n;
}

const char *toolacc_extra(const struct toolacc *t, size_t i)
{
    if (i >= t->n_kept || t->slots[t->kept[i]].extra.n == 0)
        return NULL;
    return buf_cstr(&t->slots[t->kept[i]].extra);
}
