/* Code with static marks: comments, texts, numbers, keywords. It only colours; what it does not
 * know stays plain. */
#include <string.h>
#include "agent/base/mem.h"
#include "agent/export_source.h"
#include "agent/html.h"
#include "agent/base/banned.h"

struct look {
    const char *language;
    const char *comment;  /* to the end of the line */
    const char *quotes;   /* each opens and closes a text */
    bool triple;          /* three of them too, over lines */
    const char *keywords; /* with a space on both sides */
};

static const struct look looks[] = {
    { "python", "#", "'\"", true,
      " False None True and as assert async await break class continue def del elif else except "
      "finally for from global if import in is lambda nonlocal not or pass raise return try while "
      "with yield " },
    { "javascript", "//", "'\"`", false,
      " async await break case catch class const continue default delete do else export extends "
      "false finally for function if import in instanceof let new null of return super switch this "
      "throw true try typeof undefined var void while yield interface type enum " },
    { "bash", "#", "'\"", false,
      " case do done elif else esac export fi for function if in local return then until while " },
    { "r", "#", "'\"", false,
      " FALSE Inf NA NULL NaN TRUE break else for function if in next repeat return while " },
    { "java", "//", "'\"", false,
      " abstract boolean break case catch char class continue default do double else enum extends "
      "false final finally float for if implements import int interface long new null package "
      "private protected public record return static super switch this throw throws true try var "
      "void while " },
    { "go", "//", "'\"`", false,
      " break case chan const continue default defer else false for func go goto if import "
      "interface map nil package range return select struct switch true type var " },
};

static const struct look *look_of(const char *language)
{
    if (strcmp(language, "typescript") == 0)
        language = "javascript";
    for (size_t i = 0; i < ARRAY_LEN(looks); i++)
        if (strcmp(looks[i].language, language) == 0)
            return &looks[i];
    return NULL;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (unsigned char)c >= 0x80;
}

static bool is_keyword(const struct look *l, struct str word)
{
    char padded[24];

    if (word.n > sizeof padded - 3)
        return false;
    padded[0] = ' ';
    memcpy(padded + 1, word.p, word.n);
    memcpy(padded + 1 + word.n, " ", 2);
    return strstr(l->keywords, padded) != NULL;
}

/* The next token's length, and its class (0 = plain). */
static size_t next_token(const struct look *l, struct str s, char *ret_class)
{
    size_t n = 1;

    *ret_class = 0;
    if (str_starts(s, l->comment)) {
        const char *end = memchr(s.p, '\n', s.n);
        *ret_class = 'c';
        return end ? (size_t)(end - s.p) : s.n;
    }
    if (strchr(l->quotes, s.p[0]) && s.p[0]) {
        *ret_class = 's';
        n = source_text_length(s, l->triple);
        return n < s.n ? n : s.n;
    }
    if (!is_word(s.p[0]))
        return 1;
    bool number = is_digit(s.p[0]);
    while (n < s.n && (is_word(s.p[n]) || (number && s.p[n] == '.')))
        n++;
    *ret_class = number ? 'n' : is_keyword(l, (struct str){ s.p, n }) ? 'k' : 0;
    return n;
}

void html_code(struct buf *out, const char *language, struct str code)
{
    const struct look *l = look_of(language);
    size_t plain = 0, at = 0;
    char class;

    buf_puts(out, "<pre class=\"code\"><code>");
    while (l && at < code.n) {
        size_t n = next_token(l, str_from(code, at), &class);
        if (class) {
            html_text(out, (struct str){ code.p + plain, at - plain });
            buf_putf(out, "<span class=\"%c\">", class);
            html_text(out, (struct str){ code.p + at, n });
            buf_puts(out, "</span>");
            plain = at + n;
        }
        at += n;
    }
    html_text(out, str_from(code, plain));
    buf_puts(out, "</code></pre>\n");
}
