/* What in an answer is a claim: not the numbers that are names, nor what is code. */
#include <string.h>
#include <strings.h>
#include "agent/base/mem.h"
#include "agent/ground_parts.h"
#include "agent/base/banned.h"

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (c & 0x80);
}

static const char *const endings[] = {
    "png",     "jpg",    "jpeg",  "svg",     "gif", "webp", "pdf", "csv", "tsv",   "xlsx",
    "xls",     "json",   "jsonl", "html",    "htm", "md",   "txt", "zip", "ipynb", "py",
    "parquet", "sqlite", "db",    "feather", "pkl", "npy",  "npz", "xml", "docx",  "pptx",
};

/* The name of a file that begins at i: 0, or its length. A name with spaces counts in `quotes`. */
static size_t file_name(struct str t, size_t i, char quote)
{
    size_t end = i;

    if (quote) {
        while (end < t.n && t.p[end] != quote && t.p[end] != '\n' && end - i < 300)
            end++;
        if (end >= t.n || t.p[end] != quote)
            return 0;
    } else {
        while (end < t.n && (is_word(t.p[end]) || strchr("._-/~%+", t.p[end])))
            end++;
        while (end > i && strchr(".-/", t.p[end - 1]))
            end--;
    }
    struct str name = { t.p + i, end - i };
    for (size_t k = name.n; k > 1; k--) {
        if (name.p[k - 1] != '.')
            continue;
        struct str ext = str_from(name, k);
        for (size_t e = 0; e < ARRAY_LEN(endings); e++)
            if (ext.n == strlen(endings[e]) && strncasecmp(ext.p, endings[e], ext.n) == 0)
                return name.n;
        return 0;
    }
    return 0;
}

/* Lines stay, and the length, so that places agree. */
static void blank(struct buf *b, size_t from, size_t to)
{
    for (size_t i = from; i < to && i < b->n; i++)
        if (b->p[i] != '\n')
            b->p[i] = ' ';
}

static size_t line_end(struct str t, size_t i)
{
    while (i < t.n && t.p[i] != '\n')
        i++;
    return i;
}

/* "1." "2)" "#3" at a line's beginning, behind marks of quotes, lists, headings and bold. */
static size_t numbering_end(struct str t, size_t i, size_t *ret_from)
{
    size_t k = i;
    bool heading = false;

    while (k < t.n && (strchr(" \t>#*-|_", t.p[k]) != NULL)) {
        heading = heading || t.p[k] == '#';
        k++;
    }
    *ret_from = k;
    size_t from = k, parts = 0;
    while (k < t.n && t.p[k] >= '0' && t.p[k] <= '9' && k - from < 12) {
        while (k < t.n && t.p[k] >= '0' && t.p[k] <= '9')
            k++;
        parts++;
        if (k + 1 < t.n && t.p[k] == '.' && t.p[k + 1] >= '0' && t.p[k + 1] <= '9')
            k++;
    }
    if (k == from || k - from > 6)
        return 0;
    char c = k < t.n ? t.p[k] : '\n', next = k + 1 < t.n ? t.p[k + 1] : '\n';
    bool list = (c == '.' || c == ')' || c == ':') && strchr(" \t\n*", next) && parts == 1;
    /* The rank in the first column of a table. */
    size_t bar = k;
    while (bar < t.n && t.p[bar] == ' ')
        bar++;
    if (t.p[i] == '|' && k - from <= 3 && parts == 1 && bar < t.n && t.p[bar] == '|')
        return k;
    return list || (heading && strchr(" \t.)", c)) ? k + 1 : 0;
}

static void take_file(struct str t, size_t i, size_t n, struct buf *copy, ground_file_fn *fn,
                      void *arg)
{
    fn(arg, i, (struct str){ t.p + i, n });
    blank(copy, i, i + n);
}

static size_t fence_end(struct str t, size_t i)
{
    for (size_t k = line_end(t, i); k < t.n; k = line_end(t, k + 1)) {
        struct str rest = str_from(t, k + 1);
        while (rest.n && rest.p[0] == ' ')
            rest = str_from(rest, 1);
        if (str_starts(rest, "```"))
            return line_end(t, k + 1);
    }
    return t.n;
}

/* "[1, 2]" at a word's end: its length, 0 for what is none. A list of values has a space before. */
static size_t footnote(struct str t, size_t i)
{
    size_t k = i + 1;

    if (t.p[i] != '[' || i == 0 || strchr(" \n(", t.p[i - 1]))
        return 0;
    while (k < t.n && k - i < 16 && ((t.p[k] >= '0' && t.p[k] <= '9') || strchr(", -", t.p[k])))
        k++;
    return k > i + 1 && k < t.n && t.p[k] == ']' ? k + 1 - i : 0;
}

void ground_take_out(struct str t, struct buf *copy, ground_file_fn *fn, void *arg)
{

    for (size_t i = 0; i < t.n;) {
        bool first = i == 0 || t.p[i - 1] == '\n';
        size_t from, n = first ? numbering_end(t, i, &from) : 0;
        if (n)
            blank(copy, from, n);
        struct str rest = str_from(t, i);
        if (str_starts(rest, "```")) {
            size_t end = fence_end(t, i);
            if (i + 3 < t.n && is_word(t.p[i + 3]) && !str_starts(str_from(rest, 3), "text"))
                blank(copy, i, end);
            i = end;
            continue;
        }
        size_t note = footnote(t, i);
        if (note) {
            blank(copy, i, i + note);
            i += note;
            continue;
        }
        if (t.p[i] == '`') {
            size_t end = i + 1, f = file_name(t, i + 1, '`');
            bool letters = false;
            while (end < t.n && t.p[end] != '`' && t.p[end] != '\n') {
                letters = letters || (t.p[end] >= 'A' && t.p[end] <= 'Z') ||
                          (t.p[end] >= 'a' && t.p[end] <= 'z') || t.p[end] == '_';
                end++;
            }
            if (f)
                take_file(t, i + 1, f, copy, fn, arg);
            else if (letters)
                blank(copy, i, end);
            i = end + 1;
            continue;
        }
        if (str_starts(rest, "http://") || str_starts(rest, "https://") ||
            str_starts(rest, "www.")) {
            size_t end = i;
            while (end < t.n && !strchr(" \n)>\"", t.p[end]))
                end++;
            blank(copy, i, end);
            i = end;
            continue;
        }
        if (is_word(t.p[i]) || (t.p[i] == '/' && (i == 0 || t.p[i - 1] == ' '))) {
            size_t f = file_name(t, i, 0), end = i;
            if (f)
                take_file(t, i, f, copy, fn, arg);
            while (end < t.n && (is_word(t.p[end]) || strchr("./_", t.p[end])))
                end++;
            i = f ? i + f : end > i ? end : i + 1;
            continue;
        }
        i++;
    }
}

/* "Table 2", "Python 3.11": the number is a name. */
static bool is_label(struct str t, const struct number *n)
{
    static const struct {
        const char *word;
        bool dotted; /* its number may have a point: Section 3.2 */
    } words[] = {
        { "table", true },    { "figure", true },  { "fig.", true },       { "chart", true },
        { "step", true },     { "section", true }, { "page", false },      { "chapter", true },
        { "appendix", true }, { "sheet", false },  { "note", false },      { "part", false },
        { "figures", true },  { "tables", true },  { "steps", true },      { "no.", false },
        { "nr.", false },     { "№", false },      { "#", false },         { "cell", false },
        { "[^", false },      { "top", false },    { "iso", false },       { "rfc", false },
        { "din", false },     { "python", true },  { "pandas", true },     { "numpy", true },
        { "version", true },  { "release", true }, { "matplotlib", true },
    };
    size_t end = n->at, from = n->at > 8 ? n->at - 8 : 0;

    if (n->kind != NUMBER_PLAIN || n->percent || n->scale != 1)
        return false;
    while (end > from && strchr(" *_", t.p[end - 1]))
        end--;
    if (end == 0 || !(is_word(t.p[end - 1]) || strchr("#.^", t.p[end - 1])))
        return false;
    for (size_t k = 0; k < ARRAY_LEN(words); k++) {
        size_t len = strlen(words[k].word);
        if (end >= len && (n->integer || words[k].dotted) &&
            strncasecmp(t.p + end - len, words[k].word, len) == 0 &&
            (end == len || !is_word(t.p[end - len - 1]) || !is_word(words[k].word[0])))
            return true;
    }
    return false;
}

/* "[7]": where it is looked up, not what it says. */
static bool is_citation(struct str t, const struct number *n)
{
    size_t end = n->at + n->text.n;

    return n->integer && n->at > 0 && t.p[n->at - 1] == '[' && end < t.n && t.p[end] == ']';
}

/* "95 % confidence", "95% CI": the level that everybody takes. */
static bool is_convention(struct str t, const struct number *n)
{
    size_t end = n->at + n->text.n;
    struct str rest = str_from(t, end < t.n ? end : t.n);

    if (!n->percent || n->n_r == 0 || n->r[0].value < 90 || n->r[0].value >= 100)
        return false;
    while (rest.n && strchr(" -*", rest.p[0]))
        rest = str_from(rest, 1);
    return (rest.n >= 10 && strncasecmp(rest.p, "confidence", 10) == 0) ||
           (str_starts(rest, "CI") && !(rest.n > 2 && is_word(rest.p[2])));
}

/* Numbers that are a word together. */
static bool is_idiom(struct str t, struct ground_claim *c)
{
    static const char *const idioms[] = { "24/7", "80/20" };
    struct str rest = str_from(t, c->n.at);

    for (size_t k = 0; k < ARRAY_LEN(idioms); k++) {
        size_t len = strlen(idioms[k]);
        if (str_starts(rest, idioms[k]) && !(rest.n > len && is_word(rest.p[len]))) {
            c->end = c->n.at + len;
            return true;
        }
    }
    return false;
}

bool ground_no_claim(struct str text, struct ground_claim *c)
{
    const struct number *n = &c->n;

    /* "the 2nd": a place in a list that was printed; "the 95th percentile": what was asked for. */
    if (n->ordinal && (n->r[0].value <= 10 || str_starts(str_from(text, c->end), " percentile")))
        return true;
    return n->version || is_label(text, n) || is_citation(text, n) || is_convention(text, n) ||
           is_idiom(text, c);
}

/* How many digits stand from i on. */
static size_t digits_at(struct str t, size_t i)
{
    size_t n = 0;

    while (i + n < t.n && t.p[i + n] >= '0' && t.p[i + n] <= '9')
        n++;
    return n;
}

bool ground_point_decimals(struct str t)
{
    bool point = false;

    for (size_t i = 1; i + 1 < t.n; i++) {
        bool comma = t.p[i] == ',';
        if ((!comma && t.p[i] != '.') || !(t.p[i - 1] >= '0' && t.p[i - 1] <= '9'))
            continue;
        size_t n = digits_at(t, i + 1);
        if (n == 0 || n == 3)
            continue; /* of thousands, perhaps */
        if (comma)
            return false;
        point = true;
        i += n;
    }
    return point;
}
