#include "agent/fences.h"
#include <string.h>
#include <strings.h>
#include "agent/base/mem.h"
#include "agent/base/banned.h"

/* How many signs a fence line begins with; 0 = it is none. `info` is what follows them. */
static size_t fence_line(struct str line, char *sign, struct str *info)
{
    size_t at = 0, n = 0;

    while (at < line.n && at < 3 && line.p[at] == ' ')
        at++;
    if (at == line.n || (line.p[at] != '`' && line.p[at] != '~'))
        return 0;
    *sign = line.p[at];
    while (at + n < line.n && line.p[at + n] == *sign)
        n++;
    *info = str_trim(str_from(line, at + n));
    if (n < 3 || (*sign == '`' && info->n && memchr(info->p, '`', info->n)))
        return 0; /* inline code is no fence */
    return n;
}

static bool is_python(struct str info)
{
    static const char *const words[] = { "python", "python3", "py" };
    size_t n = 0;

    while (n < info.n && info.p[n] != ' ' && info.p[n] != '\t' && info.p[n] != '{' &&
           info.p[n] != ',')
        n++;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strlen(words[i]) == n && strncasecmp(words[i], info.p, n) == 0)
            return true;
    return false;
}

bool fence_next(struct str *text, struct str *code, bool *whole)
{
    struct str line, info, rest;
    char sign, other;

    while (text->n) {
        str_cut(text, '\n', &line);
        size_t n = fence_line(line, &sign, &info);
        if (n == 0)
            continue;
        bool ours = is_python(info), closed = false;
        const char *begin = text->p, *end = text->p + text->n;
        for (rest = *text; rest.n && !closed;) {
            str_cut(&rest, '\n', &line);
            size_t m = fence_line(line, &other, &info);
            closed = m >= n && other == sign && info.n == 0;
            if (closed)
                end = line.p;
        }
        *text = rest;
        if (!ours)
            continue;
        *code = (struct str){ begin, (size_t)(end - begin) };
        if (whole)
            *whole = closed;
        return true;
    }
    return false;
}
