/* Patterns: ECMAScript's regular expressions, told again as POSIX extended ones. What both have is
 * translated; what only ECMAScript has (looking ahead, references back, lazy repetition) is
 * refused. Lazy repetition alone would be harmless, since only whether it matches counts: there the
 * mark is dropped. */
#include <locale.h>
#include <string.h>
#include "agent/schema_parts.h"
#include "agent/base/banned.h"

/* The inside of a bracket expression for \d, \w, \s; NULL for others. */
static const char *class_of(char c)
{
    return c == 'd' ? "0-9" : c == 'w' ? "A-Za-z0-9_" : c == 's' ? " \t\n\r\f\v" : NULL;
}

static char control_of(char c)
{
    switch (c) {
    case 't':
        return '\t';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 'f':
        return '\f';
    case 'v':
        return '\v';
    default:
        return 0;
    }
}

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* `p` stands on a backslash outside of brackets; returns what follows, NULL when it is refused. */
static const char *escape(const char *p, struct buf *out, const char **why)
{
    char c = p[1], lower = (char)(c | 0x20);

    if (c == '\0') {
        *why = "it ends in a backslash";
        return NULL;
    }
    if (class_of(lower) && is_alnum(c)) {
        buf_putf(out, "[%s%s]", c == lower ? "" : "^", class_of(lower));
        return p + 2;
    }
    if (control_of(c)) {
        buf_putc(out, control_of(c));
        return p + 2;
    }
    if (is_alnum(c)) {
        *why = c >= '1' && c <= '9' ? "it refers back to a group"
                                    : "it has an escape that is not supported";
        return NULL;
    }
    if (strchr(".[](){}*+?|^$\\", c))
        buf_putc(out, '\\');
    buf_putc(out, c);
    return p + 2;
}

/* A bracket expression. In POSIX ] stands first, - last, ^ not first, and a backslash is itself. */
static const char *bracket(const char *p, struct buf *out, const char **why)
{
    cleanup_buf struct buf body = BUF_MAX(4096);
    bool close = false, caret = false, dash = false, negated = p[1] == '^', after_class = false;

    for (p += negated ? 2 : 1; *p && *p != ']'; p++) {
        char c = *p;
        bool escaped = c == '\\';
        if (escaped) {
            c = *++p;
            if (c == '\0')
                break;
            if (class_of(c)) {
                buf_puts(&body, class_of(c));
                after_class = true;
                continue;
            }
            if (is_alnum(c) && !control_of(c) && c != 'b') {
                *why = "it has an escape in brackets that is not supported";
                return NULL;
            }
            c = control_of(c) ? control_of(c) : c == 'b' ? '\b' : c;
        }
        /* A class is no end of a range. */
        bool between =
            body.n && !after_class && p[1] && p[1] != ']' && !(p[1] == '\\' && class_of(p[2]));
        after_class = false;
        if (c == ']')
            close = true;
        else if (c == '^')
            caret = true;
        else if (c == '-' && (escaped || !between))
            dash = true;
        else if (c == '[' && strchr(".:=", p[1] ? p[1] : 'x')) {
            *why = "it has [. [: or [= in brackets";
            return NULL;
        } else
            buf_putc(&body, c);
    }
    if (*p != ']') {
        *why = "a bracket is not closed";
        return NULL;
    }
    if (!close && !caret && !dash && body.n == 0) {
        *why = "it has empty brackets";
        return NULL;
    }
    /* "[^]" alone would be read as a negation. */
    if (caret && !negated && !close && !dash && body.n == 0) {
        buf_puts(out, "\\^");
        return p + 1;
    }
    buf_puts(out, negated ? "[^" : "[");
    buf_puts(out, close ? "]" : "");
    buf_putstr(out, buf_str(&body));
    if (caret && !negated && !close && body.n == 0)
        buf_puts(out, "-^"); /* and the dash, so that ^ does not stand first */
    else
        buf_puts(out, caret ? dash ? "^-" : "^" : dash ? "-" : "");
    buf_putc(out, ']');
    return p + 1;
}

bool schema_regex(const char *source, struct buf *out, const char **why)
{
    for (const char *p = source; *p;) {
        if (*p == '\\') {
            p = escape(p, out, why);
        } else if (*p == '[') {
            p = bracket(p, out, why);
        } else if (strncmp(p, "(?:", 3) == 0) {
            buf_putc(out, '(');
            p += 3;
        } else if (strncmp(p, "(?", 2) == 0) {
            *why = "it looks ahead or behind, or names a group";
            return false;
        } else if (*p == '.') { /* in ECMAScript it is no line break */
            buf_puts(out, "[^\n\r]");
            p++;
        } else if (strchr("*+?}", *p) && p[1] == '?') {
            buf_putc(out, *p);
            p += 2;
        } else {
            buf_putc(out, *p++);
        }
        if (p == NULL)
            return false;
    }
    *why = "it is too long";
    return !out->over;
}

static locale_t by_characters(void)
{
    static locale_t l;

    if (l == (locale_t)0)
        l = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    return l;
}

bool schema_regcomp(regex_t *re, const char *ere)
{
    locale_t l = by_characters(), old = l ? uselocale(l) : (locale_t)0;
    int r = regcomp(re, ere, REG_EXTENDED | REG_NOSUB);

    if (l)
        uselocale(old);
    return r == 0;
}

bool schema_regexec(const regex_t *re, const char *text)
{
    locale_t l = by_characters(), old = l ? uselocale(l) : (locale_t)0;
    int r = regexec(re, text, 0, NULL, 0);

    if (l)
        uselocale(old);
    return r == 0;
}
