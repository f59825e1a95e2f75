/* How the columns of the present files differ from those of then: by the profiles that the model
 * was told then and would be told now, which are the same program's lines ("- NAME: KIND; ..."). */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/rerun.h"
#include "agent/base/banned.h"

#define MAX_TOLD 20 /* differences */

/* The next column; false at the end. */
static bool next_column(struct str *rest, struct str *name, struct str *kind)
{
    struct str line;

    while (rest->n) {
        (void)str_cut(rest, '\n', &line);
        if (!str_starts(line, "- ") || str_starts(line, "- and "))
            continue;
        line = str_from(line, 2);
        bool quoted = line.n && line.p[0] == '"';
        const char *at = memmem(line.p, line.n, quoted ? "\": " : ": ", quoted ? 3 : 2);
        if (at == NULL)
            continue;
        *name = (struct str){ line.p, (size_t)(at - line.p) + quoted };
        line = str_from(line, name->n + 2);
        (void)str_cut(&line, ';', kind);
        return true;
    }
    return false;
}

/* What code can rely on: numbers are numbers, texts texts of any length, a date has its form. */
static struct str class_of(struct str kind)
{
    struct str word;

    if (str_starts(kind, "mostly "))
        kind = str_from(kind, 7);
    if (str_starts(kind, "date"))
        return kind;
    (void)str_cut(&kind, ' ', &word);
    return str_is(word, "integer") || str_is(word, "decimal") ? STR("number") : word;
}

static bool find_column(struct str text, struct str name, struct str *kind)
{
    struct str other;

    while (next_column(&text, &other, kind))
        if (str_eq(other, name))
            return true;
    return false;
}

/* Columns that are gone, or hold something else. */
static size_t compare(struct str then, struct str now, const char *file, struct buf *out)
{
    struct str rest = then, name, was, is;
    size_t n = 0;

    if (memmem(now.p, now.n, "\n- and ", 7) ||
        !next_column(&(struct str){ now.p, now.n }, &name, &is))
        return 0; /* not all of them are told */
    while (n < MAX_TOLD && next_column(&rest, &name, &was)) {
        bool there = find_column(now, name, &is);
        if (there && (str_eq(class_of(was), class_of(is)) || str_is(class_of(was), "empty") ||
                      str_is(class_of(is), "empty")))
            continue;
        buf_puts(out, out->n ? "; " : "");
        utf8_clean_line(out, utf8_head(str_of(file), 100));
        buf_puts(out, ": column ");
        utf8_clean_line(out, utf8_head(name, 60));
        if (there)
            buf_putf(out, " was %.*s and is %.*s", (int)class_of(was).n, class_of(was).p,
                     (int)class_of(is).n, class_of(is).p);
        else
            buf_puts(out, " is gone");
        n++;
    }
    return n;
}

/* What the model of then was told of a file; empty if nothing is known. */
static struct str told_then(const struct saved *s, const char *name)
{
    const char *prompt = saved_text(s, "system", "text");
    cleanup_free char *head = xasprintf("/%s\nSize: ", name);
    const char *at = prompt ? strstr(prompt, head) : NULL;

    if (at == NULL)
        return (struct str){ "", 0 };
    const char *file = strstr(at, "\n## "), *part = strstr(at, "\n# ");
    const char *end = file && part ? (file < part ? file : part) : file ? file : part;
    return (struct str){ at, end ? (size_t)(end - at) : strlen(at) };
}

size_t rerun_columns(const struct program *p, const struct intake *in, struct buf *out)
{
    size_t n = 0;

    for (size_t i = 0; i < p->files.n && i < in->n; i++)
        if (in->v[i].text)
            n += compare(told_then(&p->rerun->saved, p->files.v[i].name), str_of(in->v[i].text),
                         p->files.v[i].name, out);
    return n;
}
