#include "agent/export_source.h"
#include <stdint.h>
#include <string.h>
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/base/banned.h"

static bool is_name(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (unsigned char)c >= 0x80;
}

static size_t blanks(struct str s, size_t i)
{
    while (i < s.n && (s.p[i] == ' ' || s.p[i] == '\t'))
        i++;
    return i;
}

static size_t physical_end(struct str s, size_t i)
{
    const char *nl = i < s.n ? memchr(s.p + i, '\n', s.n - i) : NULL;

    return nl ? (size_t)(nl - s.p) : s.n;
}

size_t source_text_length(struct str s, bool triples)
{
    char q = s.p[0];
    bool triple = triples && s.n >= 3 && s.p[1] == q && s.p[2] == q;

    for (size_t i = triple ? 3 : 1; i < s.n; i++) {
        if (s.p[i] == '\\')
            i++;
        else if (s.p[i] == '\n' && !triple && q != '`')
            return i;
        else if (s.p[i] == q && !triple)
            return i + 1;
        else if (s.p[i] == q && i + 2 < s.n && s.p[i + 1] == q && s.p[i + 2] == q)
            return i + 3;
    }
    return s.n;
}

static bool word_is(struct str s, size_t i, const char *words)
{
    size_t n = 0;
    char padded[24];

    while (i + n < s.n && is_name(s.p[i + n]))
        n++;
    if (n == 0 || n > sizeof padded - 3)
        return false;
    padded[0] = ' ';
    memcpy(padded + 1, s.p + i, n);
    memcpy(padded + 1 + n, " ", 2);
    return strstr(words, padded) != NULL;
}

/* "x = !ls" or "x = %time f()": where the mark is, 0 if there is none. */
static size_t assigned_magic(struct str s, size_t i)
{
    size_t from = i;

    while (i < s.n && (is_name(s.p[i]) || s.p[i] == ',' || s.p[i] == ' '))
        i++;
    if (i == from || i >= s.n || s.p[i] != '=')
        return 0;
    i = blanks(s, i + 1);
    return i < s.n && (s.p[i] == '!' || s.p[i] == '%') ? i : 0;
}

static bool is_magic(struct str s, size_t i)
{
    size_t end = physical_end(s, i);

    if (i >= end)
        return false;
    if (s.p[i] == '!' || s.p[i] == '%' || s.p[i] == '?')
        return true;
    if (s.p[end - 1] == '?' && memchr(s.p + i, '#', end - i) == NULL)
        return true;
    return assigned_magic(s, i) != 0;
}

bool source_next(struct str s, size_t *at, int *number, struct source_line *ret)
{
    size_t i = blanks(s, *at);
    int depth = 0;

    if (*at >= s.n)
        return false;
    *ret = (struct source_line){ .at = *at, .first = *number, .last = *number, .last_part = *at };
    ret->blank = i >= s.n || s.p[i] == '\n' || s.p[i] == '#';
    ret->magic = !ret->blank && is_magic(s, i);
    ret->top = i == *at && !ret->blank && !word_is(s, i, " else elif except finally ") &&
               s.p[i] != ')' && s.p[i] != ']' && s.p[i] != '}';
    if (ret->blank || ret->magic)
        i = physical_end(s, i);
    for (; i < s.n && !(s.p[i] == '\n' && depth == 0); i++) {
        char c = s.p[i];
        if (c == '#')
            i = physical_end(s, i) - 1;
        else if (c == '\'' || c == '"')
            i += source_text_length(str_from(s, i), true) - 1;
        else if (c == '\\')
            i++;
        else if (strchr("([{", c) && c)
            depth++;
        else if (strchr(")]}", c) && c)
            depth -= depth > 0;
        else if (c == ';' && depth == 0)
            ret->last_part = i + 1;
    }
    i = i < s.n ? i + 1 : s.n;
    ret->end = i;
    for (size_t k = *at; k < i; k++)
        *number += s.p[k] == '\n';
    ret->last = *number - (i > *at && s.p[i - 1] == '\n');
    *at = i;
    return true;
}

/* --- notebook lines --- */

void source_literal(struct buf *out, struct str s)
{
    cleanup_buf struct buf clean = BUF_MAX(SIZE_MAX / 4);

    utf8_clean(&clean, s);
    buf_puts(out, memchr(buf_cstr(&clean), '\n', clean.n) ? "\"\"\"\\\n" : "\"");
    bool lines = memchr(buf_cstr(&clean), '\n', clean.n) != NULL;
    for (size_t i = 0; i < clean.n; i++) {
        if (clean.p[i] == '"' || clean.p[i] == '\\')
            buf_putc(out, '\\');
        buf_putc(out, clean.p[i]);
    }
    buf_puts(out, lines ? "\"\"\"" : "\"");
}

static void put_comment(struct buf *out, struct str s)
{
    cleanup_buf struct buf clean = BUF_MAX(SIZE_MAX / 4);
    struct str rest, line;

    utf8_clean(&clean, s);
    for (rest = buf_str(&clean); rest.n;) {
        str_cut(&rest, '\n', &line);
        buf_puts(out, line.n ? "# " : "#");
        buf_putstr(out, line);
        buf_putc(out, '\n');
    }
}

/* The value of "%name value"; false: it is another magic. */
static bool magic_is(struct str s, const char *name, struct str *ret_rest)
{
    struct str word;

    *ret_rest = s;
    str_cut(ret_rest, ' ', &word);
    *ret_rest = str_trim(*ret_rest);
    return str_is(word, name);
}

/* One notebook line; what has no meaning in a script stays as a comment. */
static void put_magic(struct buf *out, struct str line, struct source_needs *needs)
{
    size_t indent = blanks(line, 0), mark = assigned_magic(line, indent);
    struct str s = str_trim(line), rest;

    if (mark == 0 && magic_is(s, "%time", &rest) && rest.n) {
        buf_put(out, line.p, indent);
        buf_putstr(out, rest);
        buf_putc(out, '\n');
        return;
    }
    buf_put(out, line.p, indent);
    if (mark == 0 && magic_is(s, "%cd", &rest) && rest.n) {
        buf_puts(out, "os.chdir(");
        source_literal(out, rest);
        buf_puts(out, ")\n");
    } else if ((mark ? line.p[mark] : s.p[0]) == '!' &&
               memmem(line.p, line.n, "pip install", 11) == NULL) {
        struct str command = str_trim(str_from(mark ? line : s, mark ? mark + 1 : 1));
        needs->shell = true;
        if (mark)
            buf_put(out, line.p + indent, mark - indent);
        buf_puts(out, "_shell(");
        source_literal(out, command);
        buf_puts(out, mark ? ", lines=True)\n" : ")\n");
    } else {
        buf_puts(out, indent ? "pass  # a notebook's line: " : "# a notebook's line: ");
        utf8_clean_line(out, s);
        buf_putc(out, '\n');
    }
}

/* --- plain lines --- */

/* How much of a text literal's beginning is a path that only exists in the sandbox. */
static size_t inner_path(const struct source_opts *o, struct str s, const char **ret_instead)
{
    struct str rest = str_from(s, 6);

    *ret_instead = "";
    if (str_starts(s, "/workspace/"))
        return strlen("/workspace/");
    if (str_starts(s, "/workspace") && s.n > 10 && (s.p[10] == '"' || s.p[10] == '\'')) {
        *ret_instead = ".";
        return strlen("/workspace");
    }
    for (size_t i = 0; str_starts(s, "/data/") && i < o->n_files; i++)
        if (str_starts(rest, o->files[i]))
            return strlen("/data/");
    return 0;
}

void source_paths(struct buf *out, const struct source_opts *o, struct str s)
{
    size_t from = 0;

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '#') {
            i = physical_end(s, i);
        } else if (s.p[i] == '\'' || s.p[i] == '"') {
            size_t end = i + source_text_length(str_from(s, i), true);
            const char *instead;
            size_t n = inner_path(o, (struct str){ s.p + i + 1, end - i - 1 }, &instead);
            if (n) {
                buf_put(out, s.p + from, i + 1 - from);
                buf_puts(out, instead);
                from = i + 1 + n;
            }
            i = end - 1;
        }
    }
    buf_putstr(out, str_from(s, from));
}

/* The last part of the last line is an expression if the record has its value: what is left to see
 * is that it does not show itself. */
static bool shows_itself(struct str s)
{
    static const char *const calls[] = { "print(", "display(", "plt.show(" };

    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        if (str_starts(s, calls[i]))
            return true;
    return word_is(s, 0, " import from def class if for while with try return del assert raise ");
}

static void put_shown(struct buf *out, const struct source_opts *o, struct str code,
                      const struct source_line *l)
{
    struct str line = { code.p + l->at, l->end - l->at };
    size_t part = l->last_part - l->at;
    struct str last = str_trim(str_from(line, part));

    if (last.n == 0 || shows_itself(last)) {
        source_paths(out, o, line);
        return;
    }
    source_paths(out, o, (struct str){ line.p, part });
    if (part)
        buf_putc(out, ' ');
    /* A comment at the end would take the bracket with it. */
    bool comment = memchr(last.p, '#', last.n) != NULL;
    buf_puts(out, "display(");
    source_paths(out, o, last);
    buf_puts(out, comment ? "\n)\n" : ")\n");
}

/* A whole cell that begins with %%. False: the first line goes, the rest is code. */
static bool put_cell_magic(struct buf *out, struct str code, struct source_needs *needs)
{
    struct str rest = code, first, name;

    str_cut(&rest, '\n', &first);
    if (magic_is(first, "%%time", &name) || magic_is(first, "%%capture", &name))
        return false;
    if (magic_is(first, "%%bash", &name) || magic_is(first, "%%sh", &name)) {
        needs->shell = true;
        buf_puts(out, "_shell(");
        source_literal(out, rest);
        buf_puts(out, ")\n");
    } else if (magic_is(first, "%%writefile", &name) && name.n) {
        buf_puts(out, "with open(");
        source_literal(out, name);
        buf_puts(out, ", \"w\") as _file:\n    _file.write(");
        source_literal(out, rest);
        buf_puts(out, ")\n");
    } else {
        put_comment(out, code);
    }
    return true;
}

void source_plain(struct buf *out, struct str code, const struct source_opts *o,
                  struct source_needs *needs)
{
    struct source_line l, last = { .first = 0 };
    size_t at = 0, cut = o->failed_at < 0 ? 0 : code.n;
    int number = 1;

    if (o->failed_at == 0 && str_starts(code, "%%")) {
        if (put_cell_magic(out, code, needs))
            return;
        struct str first;
        str_cut(&code, '\n', &first);
        cut = code.n;
        put_comment(out, first);
    }
    bool decorated = false;
    while (source_next(code, &at, &number, &l)) {
        if (l.top && !decorated && o->failed_at > 0 && l.first <= o->failed_at)
            cut = l.at;
        if (l.top || (!l.blank && !decorated))
            last = l;
        decorated = l.top && code.p[l.at] == '@';
    }
    at = 0;
    number = 1;
    while (at < cut && source_next(code, &at, &number, &l)) {
        struct str line = { code.p + l.at, l.end - l.at };
        if (l.magic)
            put_magic(out, line, needs);
        else if (o->show && o->failed_at == 0 && l.at == last.at && l.top)
            put_shown(out, o, code, &l);
        else
            source_paths(out, o, line);
    }
    if (cut < code.n)
        put_comment(out, str_from(code, cut));
}

bool source_awaits(struct str s)
{
    struct source_line l;
    size_t at = 0;
    int number = 1;
    bool in_def = false;

    while (source_next(s, &at, &number, &l)) {
        size_t i = blanks(s, l.at);
        if (l.blank || l.magic)
            continue;
        if (l.top) {
            size_t k = word_is(s, i, " async ") ? blanks(s, i + 5) : i;
            in_def = word_is(s, k, " def class ") || s.p[i] == '@';
            if (k != i && !in_def)
                return true; /* async for, async with */
        }
        for (; i < l.end && !in_def; i++) {
            if (s.p[i] == '#')
                break;
            if (s.p[i] == '\'' || s.p[i] == '"')
                i += source_text_length(str_from(s, i), true) - 1;
            else if (is_name(s.p[i])) {
                if (word_is(s, i, " await "))
                    return true;
                while (i + 1 < l.end && is_name(s.p[i + 1]))
                    i++;
            }
        }
    }
    return false;
}
