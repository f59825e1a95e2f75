#include "agent/highlight.h"
#include <string.h>
#include "agent/base/mem.h"
#include "agent/base/banned.h"

/* Strings and comments that may span lines, and those that end with theirs. */
struct pair {
    const char *begin, *end; /* end NULL = the line's end */
    bool spans, escapes;     /* goes on in the next line; a backslash takes the next character */
    bool comment;
};
#define MAX_PAIRS 6

struct highlight_language {
    const char *names; /* space separated, with a space at both ends */
    const char *words; /* keywords, likewise */
    bool any_case;
    struct pair pairs[MAX_PAIRS]; /* longer openings first */
};

#define LINE_COMMENT(sign)                                                                         \
    {                                                                                              \
        sign, NULL, false, false, true                                                             \
    }
#define BLOCK_COMMENT                                                                              \
    {                                                                                              \
        "/*", "*/", true, false, true                                                              \
    }
#define STRING(sign)                                                                               \
    {                                                                                              \
        sign, sign, false, true, false                                                             \
    }
#define LONG_STRING(sign, escapes)                                                                 \
    {                                                                                              \
        sign, sign, true, escapes, false                                                           \
    }

static const struct highlight_language languages[] = {
    { " python py python3 ipython pycon ",
      " and as assert async await break case class continue def del elif else except finally for "
      "from global if import in is lambda match nonlocal not or pass raise return try while with "
      "yield True False None ",
      false,
      { LONG_STRING("\"\"\"", true), LONG_STRING("'''", true), STRING("\""), STRING("'"),
        LINE_COMMENT("#") } },
    { " javascript js node typescript ts jsx tsx mjs ",
      " async await break case catch class const continue debugger default delete do else enum "
      "export extends false finally for from function if implements import in instanceof interface "
      "let new null of return static super switch this throw true try type typeof undefined var "
      "void while with yield ",
      false,
      { BLOCK_COMMENT, LINE_COMMENT("//"), STRING("\""), STRING("'"), LONG_STRING("`", true) } },
    { " bash sh shell zsh console shell-session ",
      " case do done elif else esac export fi for function if in local return select set then "
      "until while ",
      false,
      { LONG_STRING("\"", true), LONG_STRING("'", false), LINE_COMMENT("#") } },
    { " r ",
      " break else FALSE for function if in Inf library NA NaN next NULL repeat require return "
      "TRUE while ",
      false,
      { LONG_STRING("\"", true), LONG_STRING("'", true), LINE_COMMENT("#") } },
    { " java kotlin scala ",
      " abstract assert boolean break byte case catch char class const continue default do double "
      "else enum extends false final finally float for if implements import instanceof int "
      "interface long new null package private protected public record return short static super "
      "switch synchronized this throw throws true try var void volatile while yield ",
      false,
      { BLOCK_COMMENT, LINE_COMMENT("//"), LONG_STRING("\"\"\"", true), STRING("\""),
        STRING("'") } },
    { " go golang ",
      " break case chan const continue default defer else fallthrough false for func go goto if "
      "import interface iota map nil package range return select struct switch true type var ",
      false,
      { BLOCK_COMMENT, LINE_COMMENT("//"), STRING("\""), STRING("'"), LONG_STRING("`", false) } },
    { " c h cpp c++ cc rust rs ",
      " auto bool break case char class const continue default do double else enum extern false "
      "float fn for goto if impl inline int let long match mut namespace NULL nullptr pub return "
      "short signed sizeof static struct switch template true typedef union unsigned use using "
      "void volatile while ",
      false,
      { BLOCK_COMMENT, LINE_COMMENT("//"), STRING("\""), STRING("'") } },
    { " sql sqlite postgresql mysql ",
      " all alter and as asc between by case count create delete desc distinct drop else end "
      "exists false from full group having in index inner insert into is join left like limit not "
      "null offset on or order outer over partition primary right select set sum table then true "
      "union update values view when where with ",
      true,
      { BLOCK_COMMENT, LINE_COMMENT("--"), LONG_STRING("'", false), STRING("\"") } },
    { " json jsonl ndjson ", " true false null ", false, { STRING("\"") } },
    { " toml ini yaml yml ",
      " true false yes no null ",
      false,
      { STRING("\""), STRING("'"), LINE_COMMENT("#") } },
};

static bool listed(const char *list, struct str word, bool any_case)
{
    for (const char *p = list; (p = strchr(p, ' ')) != NULL && p[1];) {
        const char *end = strchr(++p, ' ');
        size_t n = (size_t)(end - p);
        if (n == word.n && (any_case ? strncasecmp(p, word.p, n) : strncmp(p, word.p, n)) == 0)
            return true;
        p = end;
    }
    return false;
}

const struct highlight_language *highlight_find(struct str name)
{
    for (size_t i = 0; name.n && i < ARRAY_LEN(languages); i++)
        if (listed(languages[i].names, name, true))
            return &languages[i];
    return NULL;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool in_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' ||
           (unsigned char)c >= 0x80;
}

/* The length of what is between `at` and the pair's end, the end included. *closed: it was there.
 */
static size_t inside(const struct pair *p, struct str s, bool *closed)
{
    *closed = p->end == NULL;
    for (size_t i = 0; p->end && i < s.n; i++) {
        if (p->escapes && s.p[i] == '\\') {
            i++;
        } else if (str_starts(str_from(s, i), p->end)) {
            *closed = true;
            return i + strlen(p->end);
        }
    }
    return s.n;
}

static unsigned style_of(const struct pair *p)
{
    return p->comment ? ST_DIM | ST_ITALIC : ST_GREEN;
}

static const struct pair *opening(const struct highlight_language *l, struct str s)
{
    for (size_t i = 0; i < MAX_PAIRS && l->pairs[i].begin; i++)
        if (str_starts(s, l->pairs[i].begin))
            return &l->pairs[i];
    return NULL;
}

/* A word or a number at the front. */
static size_t put_word(const struct highlight_language *l, struct str s, struct styled *out)
{
    size_t n = 0;

    if (is_digit(s.p[0])) {
        while (n < s.n && (in_word(s.p[n]) || s.p[n] == '.'))
            n++;
        styled_put(out, (struct str){ s.p, n }, ST_CYAN);
        return n;
    }
    while (n < s.n && in_word(s.p[n]))
        n++;
    struct str word = { s.p, n };
    unsigned style = listed(l->words, word, l->any_case) ? ST_MAGENTA
                     : n < s.n && s.p[n] == '('          ? ST_BLUE
                                                         : 0;
    styled_put(out, word, style);
    return n;
}

void highlight_line(const struct highlight_language *l, struct highlight_state *st, struct str line,
                    struct styled *out)
{
    bool closed;

    if (l == NULL) {
        styled_put(out, line, 0);
        return;
    }
    while (line.n) {
        const struct pair *p = st->open ? &l->pairs[st->open - 1] : opening(l, line);
        size_t n = 1;
        /* A shell's # begins a comment only between words: ${#list}. */
        bool word_end = out->text.n && in_word(out->text.p[out->text.n - 1]);
        if (p && !(p->begin[0] == '#' && word_end)) {
            size_t skip = st->open ? 0 : strlen(p->begin);
            n = skip + inside(p, str_from(line, skip), &closed);
            styled_put(out, (struct str){ line.p, n }, style_of(p));
            st->open = !closed && p->spans ? 1 + (int)(p - l->pairs) : 0;
        } else if (in_word(line.p[0])) {
            n = put_word(l, line, out);
        } else {
            styled_put(out, (struct str){ line.p, 1 }, 0);
        }
        line = str_from(line, n);
    }
}
