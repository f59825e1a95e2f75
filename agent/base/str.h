/* Two string types.
 *
 * `struct str` is a view: never owned, not NUL-terminated, valid as long as what it points into.
 * `struct buf` grows up to a cap given at birth. An append that would pass the cap sets `over` and
 * appends nothing; check once after a run of appends. `p` is NULL until the first append and is
 * then always NUL-terminated (the NUL is not counted in `n`). */
#ifndef AGENT_BASE_STR_H
#define AGENT_BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct str {
    const char *p;
    size_t n;
};

#define STR(literal) ((struct str){ "" literal, sizeof(literal) - 1 })
struct str str_of(const char *s); /* NULL gives an empty view */
bool str_eq(struct str a, struct str b);
bool str_is(struct str a, const char *s);
bool str_starts(struct str s, const char *prefix);
bool str_ends(struct str s, const char *suffix);
struct str str_trim(struct str s);                       /* ASCII white space at both ends */
struct str str_from(struct str s, size_t at);            /* the rest from `at` */
bool str_cut(struct str *s, char sep, struct str *head); /* false: no sep; head is the rest */
char *str_dup(struct str s);                             /* caller frees */
/* Decimal with optional sign, whole view, within the range; false otherwise. */
bool str_to_ll(struct str s, long long *ret);

struct buf {
    char *p;
    size_t n, cap, max;
    bool over;
};

#define BUF_MAX(limit)                                                                             \
    {                                                                                              \
        NULL, 0, 0, (limit), false                                                                 \
    }
void buf_free(struct buf *b);  /* frees; the buffer is empty again with the same cap */
void buf_clear(struct buf *b); /* keeps the memory, resets `over` */
void buf_put(struct buf *b, const void *p, size_t n);
void buf_puts(struct buf *b, const char *s);
void buf_putstr(struct buf *b, struct str s);
void buf_putc(struct buf *b, char c);
void buf_putf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vputf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
/* A line of words, broken where it would pass column 79. `at` is the column reached already; each
 * further line begins with `prefix`. */
void buf_wrap(struct buf *b, struct str text, size_t at, const char *prefix);
void buf_drop_front(struct buf *b, size_t n);
struct str buf_str(const struct buf *b);
const char *buf_cstr(const struct buf *b); /* never NULL */
char *buf_steal(struct buf *b);            /* caller frees; never NULL */

void cleanup_bufp(struct buf *b);
#define cleanup_buf __attribute__((cleanup(cleanup_bufp)))

#endif
