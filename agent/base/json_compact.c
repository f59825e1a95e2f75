/* A strict check of JSON text that copies it without its white space: see json.h. One pass, no
 * tree, so that megabytes of numbers cost no more than their text. */
#include "json.h"
#include "limits.h"
#include "utf8.h"
#include "banned.h"

struct scan {
    struct str left;
    struct buf *out;
};

static void skip_space(struct scan *s)
{
    while (s->left.n && (s->left.p[0] == ' ' || s->left.p[0] == '\t' || s->left.p[0] == '\n' ||
                         s->left.p[0] == '\r'))
        s->left = str_from(s->left, 1);
}

static int peek(const struct scan *s)
{
    return s->left.n ? (unsigned char)s->left.p[0] : -1;
}

static void copy(struct scan *s, size_t n)
{
    buf_put(s->out, s->left.p, n);
    s->left = str_from(s->left, n);
}

static bool is_hex(int c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool string(struct scan *s)
{
    size_t i = 1;

    if (peek(s) != '"')
        return false;
    while (i < s->left.n && s->left.p[i] != '"') {
        if ((unsigned char)s->left.p[i] < ' ')
            return false;
        if (s->left.p[i++] != '\\')
            continue;
        if (i == s->left.n)
            return false;
        char c = s->left.p[i++];
        if (c == 'u') {
            for (int k = 0; k < 4; k++, i++)
                if (i >= s->left.n || !is_hex((unsigned char)s->left.p[i]))
                    return false;
        } else if (c != '"' && c != '\\' && c != '/' && c != 'b' && c != 'f' && c != 'n' &&
                   c != 'r' && c != 't') {
            return false;
        }
    }
    if (i >= s->left.n)
        return false;
    copy(s, i + 1);
    return true;
}

static bool digits(struct scan *s)
{
    size_t n = 0;

    while (n < s->left.n && s->left.p[n] >= '0' && s->left.p[n] <= '9')
        n++;
    copy(s, n);
    return n > 0;
}

static bool number(struct scan *s)
{
    if (peek(s) == '-')
        copy(s, 1);
    if (peek(s) == '0')
        copy(s, 1);
    else if (!digits(s))
        return false;
    if (peek(s) == '.') {
        copy(s, 1);
        if (!digits(s))
            return false;
    }
    if (peek(s) == 'e' || peek(s) == 'E') {
        copy(s, 1);
        if (peek(s) == '+' || peek(s) == '-')
            copy(s, 1);
        return digits(s);
    }
    return true;
}

static bool scalar(struct scan *s)
{
    static const char *const words[] = { "true", "false", "null" };

    if (peek(s) == '"')
        return string(s);
    for (size_t i = 0; i < 3; i++)
        if (str_starts(s->left, words[i])) {
            copy(s, str_of(words[i]).n);
            return true;
        }
    return number(s);
}

/* A member's name and its colon. */
static bool name(struct scan *s)
{
    skip_space(s);
    if (!string(s))
        return false;
    skip_space(s);
    if (peek(s) != ':')
        return false;
    copy(s, 1);
    return true;
}

/* After a value: closes what ends here. False: an error, or `*done` when all is closed. */
static bool after(struct scan *s, const char *open, int *depth, bool *done)
{
    for (;;) {
        skip_space(s);
        if (*depth == 0) {
            *done = s->left.n == 0;
            return false;
        }
        char top = open[*depth - 1];
        if (peek(s) == ',') {
            copy(s, 1);
            return top == '[' || name(s);
        }
        if (peek(s) != (top == '[' ? ']' : '}'))
            return false;
        copy(s, 1);
        (*depth)--;
    }
}

bool json_compact(struct str text, struct buf *out)
{
    struct scan s = { text, out };
    char open[JSON_MAX_DEPTH];
    int depth = 0;
    bool done = false;

    if (!utf8_valid(text))
        return false;
    do {
        for (;;) { /* into arrays and objects, down to the first scalar or empty one */
            skip_space(&s);
            int c = peek(&s);
            if (c != '[' && c != '{') {
                if (!scalar(&s))
                    return false;
                break;
            }
            if (depth == JSON_MAX_DEPTH)
                return false;
            copy(&s, 1);
            skip_space(&s);
            if (peek(&s) == (c == '[' ? ']' : '}')) {
                copy(&s, 1);
                break;
            }
            open[depth++] = (char)c;
            if (c == '{' && !name(&s))
                return false;
        }
    } while (after(&s, open, &depth, &done));
    return done && !out->over;
}
