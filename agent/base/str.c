#include "str.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mem.h"
#include "banned.h"

struct str str_of(const char *s)
{
    return (struct str){ s ? s : "", s ? strlen(s) : 0 };
}

bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool str_is(struct str a, const char *s)
{
    return str_eq(a, str_of(s));
}

bool str_starts(struct str s, const char *prefix)
{
    size_t n = strlen(prefix);
    return s.n >= n && memcmp(s.p, prefix, n) == 0;
}

bool str_ends(struct str s, const char *suffix)
{
    size_t n = strlen(suffix);
    return s.n >= n && memcmp(s.p + s.n - n, suffix, n) == 0;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

struct str str_trim(struct str s)
{
    while (s.n && is_space(s.p[0]))
        s = str_from(s, 1);
    while (s.n && is_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

struct str str_from(struct str s, size_t at)
{
    if (at > s.n)
        at = s.n;
    return (struct str){ s.p + at, s.n - at };
}

bool str_cut(struct str *s, char sep, struct str *head)
{
    const char *q = s->n ? memchr(s->p, sep, s->n) : NULL;

    if (q == NULL) {
        *head = *s;
        *s = (struct str){ s->p + s->n, 0 };
        return false;
    }
    *head = (struct str){ s->p, (size_t)(q - s->p) };
    *s = str_from(*s, head->n + 1);
    return true;
}

char *str_dup(struct str s)
{
    return xstrndup(s.p, s.n);
}

bool str_to_ll(struct str s, long long *ret)
{
    char tmp[32], *end;

    if (s.n == 0 || s.n >= sizeof tmp || is_space(s.p[0]))
        return false;
    memcpy(tmp, s.p, s.n);
    tmp[s.n] = '\0';
    errno = 0;
    long long v = strtoll(tmp, &end, 10);
    if (errno != 0 || *end != '\0' || end == tmp)
        return false;
    *ret = v;
    return true;
}

void buf_free(struct buf *b)
{
    free(b->p);
    b->p = NULL;
    b->n = b->cap = 0;
    b->over = false;
}

void buf_clear(struct buf *b)
{
    b->n = 0;
    b->over = false;
    if (b->p)
        b->p[0] = '\0';
}

static bool reserve(struct buf *b, size_t more)
{
    if (b->over || more > b->max - b->n || b->n > b->max) {
        b->over = true;
        return false;
    }
    size_t need = b->n + more + 1;
    if (need > b->cap) {
        size_t cap = b->cap ? b->cap * 2 : 64;
        if (cap < need)
            cap = need;
        b->p = xrealloc(b->p, cap, 1);
        b->cap = cap;
    }
    return true;
}

void buf_put(struct buf *b, const void *p, size_t n)
{
    if (!reserve(b, n))
        return;
    if (n)
        memcpy(b->p + b->n, p, n);
    b->n += n;
    b->p[b->n] = '\0';
}

void buf_puts(struct buf *b, const char *s)
{
    buf_put(b, s, strlen(s));
}

void buf_putstr(struct buf *b, struct str s)
{
    buf_put(b, s.p, s.n);
}

void buf_putc(struct buf *b, char c)
{
    buf_put(b, &c, 1);
}

void buf_vputf(struct buf *b, const char *fmt, va_list ap)
{
    char *p = NULL;
    int n = vasprintf(&p, fmt, ap);

    if (n < 0) {
        b->over = true;
        return;
    }
    buf_put(b, p, (size_t)n);
    free(p);
}

void buf_putf(struct buf *b, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    buf_vputf(b, fmt, ap);
    va_end(ap);
}

void buf_wrap(struct buf *b, struct str text, size_t at, const char *prefix)
{
    enum { COLUMNS = 79 };
    struct str word;
    bool first = true;

    for (bool more = true; more; first = false) {
        more = str_cut(&text, ' ', &word);
        if (!first && at + 1 + word.n > COLUMNS) {
            buf_putc(b, '\n');
            buf_puts(b, prefix);
            at = strlen(prefix);
        } else if (!first) {
            buf_putc(b, ' ');
            at++;
        }
        buf_putstr(b, word);
        at += word.n;
    }
    buf_putc(b, '\n');
}

void buf_drop_front(struct buf *b, size_t n)
{
    if (n > b->n)
        n = b->n;
    if (n == 0)
        return;
    memmove(b->p, b->p + n, b->n - n);
    b->n -= n;
    b->p[b->n] = '\0';
}

struct str buf_str(const struct buf *b)
{
    return (struct str){ b->p ? b->p : "", b->n };
}

const char *buf_cstr(const struct buf *b)
{
    return b->p ? b->p : "";
}

char *buf_steal(struct buf *b)
{
    char *p = b->p ? b->p : xstrdup("");

    b->p = NULL;
    b->n = b->cap = 0;
    return p;
}

void cleanup_bufp(struct buf *b)
{
    buf_free(b);
}
