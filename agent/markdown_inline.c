/* Within a line: code, emphasis, links. */
#include <string.h>
#include "agent/markdown_parts.h"
#include "agent/base/banned.h"

#define LOOK_AHEAD 4000 /* bytes in which an opening's end is looked for */
#define MAX_DEPTH 8

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (unsigned char)c >= 0x80;
}

static bool is_punct(char c)
{
    return c > ' ' && c < 0x7f && !is_alnum(c);
}

static size_t run_of(struct str s, size_t at)
{
    size_t n = 0;

    while (at + n < s.n && s.p[at + n] == s.p[at])
        n++;
    return n;
}

static struct str slice(struct str s, size_t from, size_t to)
{
    return (struct str){ s.p + from, to - from };
}

/* How far what begins with this backtick reaches: a span of code, or the run alone. */
static size_t over_code(struct str s, size_t at, size_t stop)
{
    size_t n = run_of(s, at);

    for (size_t i = at + n; i < stop;) {
        size_t k = s.p[i] == '`' ? run_of(s, i) : 1;
        if (s.p[i] == '`' && k == n)
            return i + n - at;
        i += k;
    }
    return n;
}

/* `code`: a run of backticks of the same length ends it. */
static size_t code_span(struct str s, unsigned base, bool colour, struct styled *out)
{
    size_t n = run_of(s, 0), all = over_code(s, 0, s.n < LOOK_AHEAD ? s.n : LOOK_AHEAD);
    struct str in = slice(s, n, all > n ? all - n : n);

    if (all == n) {
        styled_put(out, slice(s, 0, n), base);
        return n;
    }
    if (in.n > 2 && in.p[0] == ' ' && in.p[in.n - 1] == ' ')
        in = slice(in, 1, in.n - 1);
    styled_put(out, colour ? in : slice(s, 0, all), (base & 31u) | ST_CYAN);
    return all;
}

/* Where the delimiter (one or two of a character) that opens at `at` is closed; 0 = nowhere. */
static size_t closing(struct str s, size_t at, size_t n)
{
    char c = s.p[at];
    size_t stop = s.n - at < LOOK_AHEAD ? s.n : at + LOOK_AHEAD;

    if (at + n >= s.n || s.p[at + n] == ' ' || (n == 1 && at > 0 && is_alnum(s.p[at - 1])))
        return 0;
    for (size_t i = at + n; i < stop;) {
        if (s.p[i] == '\\' || s.p[i] == '`') {
            i += s.p[i] == '\\' ? 2 : over_code(s, i, stop);
            continue;
        }
        size_t k = s.p[i] == c ? run_of(s, i) : 1;
        bool fits = n == 2 ? k >= 2 : k % 2 == 1;
        if (s.p[i] == c && fits && i > at + n && s.p[i - 1] != ' ') {
            size_t end = i + k - n; /* the inner delimiters of a longer run come first */
            if (n == 2 || end + n >= s.n || !is_alnum(s.p[end + n]))
                return end;
        }
        i += k;
    }
    return 0;
}

static void put(struct str s, unsigned base, bool colour, int depth, struct styled *out);

static size_t emphasis(struct str s, size_t at, unsigned base, bool colour, int depth,
                       struct styled *out)
{
    size_t run = run_of(s, at), n = run >= 2 ? 2 : 1, end;
    unsigned style = s.p[at] == '~' ? ST_STRIKE : n == 2 ? ST_BOLD : ST_ITALIC;

    if ((s.p[at] == '~' && n < 2) || run > 3 || depth >= MAX_DEPTH ||
        (end = closing(s, at, n)) == 0) {
        styled_put(out, slice(s, at, at + run), base);
        return run;
    }
    put(slice(s, at + n, end), base | style, colour, depth + 1, out);
    return end + n - at;
}

/* [text](address), ![text](address). The address is always in sight. 0 = it is none. */
static size_t link(struct str s, unsigned base, bool colour, int depth, struct styled *out)
{
    size_t stop = s.n < LOOK_AHEAD ? s.n : LOOK_AHEAD, open = s.p[0] == '!', i = open + 1, nest = 1;

    for (; i < stop; i++) {
        if (s.p[i] == '\\')
            i++;
        else if (s.p[i] == '[')
            nest++;
        else if (s.p[i] == ']' && --nest == 0)
            break;
    }
    if (i + 1 >= stop || s.p[i + 1] != '(' || depth >= MAX_DEPTH)
        return 0;
    size_t close = i + 2, round = 1;
    for (; close < stop; close++)
        if ((s.p[close] == '(' && ++round) || (s.p[close] == ')' && --round == 0))
            break;
    if (close >= stop)
        return 0;
    struct str text = slice(s, open + 1, i), address = str_trim(slice(s, i + 2, close));
    if (text.n == 0 || str_eq(text, address)) {
        styled_put(out, address, base | ST_UNDER);
        return close + 1;
    }
    put(text, base | ST_UNDER, colour, depth + 1, out);
    styled_put(out, STR(" ("), base | ST_DIM);
    styled_put(out, address, base | ST_DIM);
    styled_put(out, STR(")"), base | ST_DIM);
    return close + 1;
}

/* <https://...> */
static size_t bare_link(struct str s, unsigned base, struct styled *out)
{
    const char *end = memchr(s.p, '>', s.n < LOOK_AHEAD ? s.n : LOOK_AHEAD);

    if (end == NULL ||
        !(str_starts(s, "<http://") || str_starts(s, "<https://") || str_starts(s, "<mailto:")))
        return 0;
    styled_put(out, slice(s, 1, (size_t)(end - s.p)), base | ST_UNDER);
    return (size_t)(end - s.p) + 1;
}

static void put(struct str s, unsigned base, bool colour, int depth, struct styled *out)
{
    size_t i = 0;

    while (i < s.n) {
        char c = s.p[i];
        size_t n = 0;
        if (c == '\\' && i + 1 < s.n && is_punct(s.p[i + 1])) {
            styled_put(out, slice(s, i + 1, i + 2), base);
            n = 2;
        } else if (c == '`') {
            n = code_span(str_from(s, i), base, colour, out);
        } else if (c == '*' || c == '_' || c == '~') {
            n = emphasis(s, i, base, colour, depth, out);
        } else if (c == '[' || (c == '!' && i + 1 < s.n && s.p[i + 1] == '[')) {
            n = link(str_from(s, i), base, colour, depth, out);
        } else if (c == '<') {
            n = bare_link(str_from(s, i), base, out);
        }
        if (n == 0) {
            styled_put(out, slice(s, i, i + 1), base);
            n = 1;
        }
        i += n;
    }
}

void markdown_inline(struct str s, unsigned base, bool colour, struct styled *out)
{
    put(s, base, colour, 0, out);
}
