#include "providers/think.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/mem.h"
#include "agent/base/banned.h"

static const char open_tag[] = "<think>", close_tag[] = "</think>";

struct think {
    struct decoder_sink sink;
    enum { FRONT, INSIDE, SKIP, PLAIN } state;
    struct buf held; /* bytes that may be (part of) a tag; never longer than white space + a tag */
};

/* White space before a tag is held back too; more than this is text. */
enum { MAX_FRONT = 64 };

struct think *think_new(const struct decoder_sink *sink)
{
    struct think *t = xcalloc(1, sizeof *t);

    t->sink = *sink;
    t->held.max = SIZE_MAX / 2; /* one piece and a few bytes: the caller bounds the piece */
    return t;
}

void think_free(struct think *t)
{
    if (t == NULL)
        return;
    buf_free(&t->held);
    free(t);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* At the front of the text, one byte at a time: is it the tag? */
static void front_byte(struct think *t, char c)
{
    buf_putc(&t->held, c);
    struct str tag = buf_str(&t->held);
    while (tag.n && is_space(tag.p[0]))
        tag = str_from(tag, 1);
    if (tag.n == 0 && t->held.n < MAX_FRONT)
        return;
    if (tag.n && tag.n < strlen(open_tag) && memcmp(tag.p, open_tag, tag.n) == 0)
        return;
    t->state = str_is(tag, open_tag) ? INSIDE : PLAIN;
}

/* What was held turns out to be text: it goes out with the rest of the piece, so that no character
 * is cut in two. */
static struct str front(struct think *t, struct str piece)
{
    while (piece.n && t->state == FRONT) {
        front_byte(t, piece.p[0]);
        piece = str_from(piece, 1);
    }
    if (t->state == PLAIN) {
        buf_putstr(&t->held, piece);
        t->sink.text(t->sink.arg, buf_str(&t->held));
        piece = str_from(piece, piece.n);
    }
    if (t->state != FRONT)
        buf_clear(&t->held);
    return piece;
}

/* The longest tail of `s` that could be the start of the closing tag. */
static size_t maybe_tag(struct str s)
{
    size_t n = strlen(close_tag) - 1;

    if (n > s.n)
        n = s.n;
    while (n && memcmp(s.p + s.n - n, close_tag, n) != 0)
        n--;
    return n;
}

static struct str inside(struct think *t, struct str piece)
{
    cleanup_buf struct buf all = BUF_MAX(SIZE_MAX / 2);
    struct str s = piece, rest = { piece.p + piece.n, 0 };

    if (t->held.n) {
        buf_putstr(&all, buf_str(&t->held));
        buf_putstr(&all, piece);
        buf_clear(&t->held);
        s = buf_str(&all);
    }
    const char *z = s.n ? memmem(s.p, s.n, close_tag, strlen(close_tag)) : NULL;
    size_t n = z ? (size_t)(z - s.p) : s.n - maybe_tag(s);
    if (n)
        t->sink.reasoning(t->sink.arg, (struct str){ s.p, n });
    if (z) {
        size_t after = s.n - n - strlen(close_tag); /* all of it is the tail of `piece` */
        rest = str_from(piece, piece.n - after);
        t->state = SKIP;
    } else {
        buf_putstr(&t->held, str_from(s, n));
    }
    return rest;
}

void think_feed(struct think *t, struct str piece)
{
    if (t->state == FRONT)
        piece = front(t, piece);
    if (piece.n && t->state == INSIDE)
        piece = inside(t, piece);
    while (piece.n && t->state == SKIP) { /* the empty lines between reasoning and answer */
        if (is_space(piece.p[0]))
            piece = str_from(piece, 1);
        else
            t->state = PLAIN;
    }
    if (piece.n && t->state == PLAIN)
        t->sink.text(t->sink.arg, piece);
}

void think_end(struct think *t)
{
    if (t->held.n && t->state == FRONT)
        t->sink.text(t->sink.arg, buf_str(&t->held));
    else if (t->held.n)
        t->sink.reasoning(t->sink.arg, buf_str(&t->held));
    buf_clear(&t->held);
    t->state = PLAIN;
}
