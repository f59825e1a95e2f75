#include "sandbox/needs.h"
#include "agent/base/limits.h"
#include "agent/base/banned.h"

#define MAX_NEEDS_BYTES (1 * KIB)

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.';
}

/* A dotted name at the front of `s`, after blanks; moves `s` behind it. */
static struct str take_name(struct str *s)
{
    *s = str_trim(*s);
    struct str name = { s->p, 0 };
    while (name.n < s->n && is_name_char(s->p[name.n]))
        name.n++;
    *s = str_from(*s, name.n);
    return name;
}

static void add(struct buf *out, struct str name)
{
    if (name.n == 0 || name.p[0] == '.' || name.n > 100 || out->n + name.n + 1 > MAX_NEEDS_BYTES)
        return;
    if (out->n)
        buf_putc(out, ' ');
    buf_putstr(out, name);
}

void needs_of(struct str code, struct buf *out)
{
    struct str line;

    for (bool more = true; more;) {
        more = str_cut(&code, '\n', &line);
        line = str_trim(line);
        if (str_starts(line, "from ")) {
            line = str_from(line, 5);
            add(out, take_name(&line));
        } else if (str_starts(line, "import ")) {
            line = str_from(line, 7);
            /* import a, b.c as d, e */
            for (bool comma = true; comma;) {
                struct str part;
                comma = str_cut(&line, ',', &part);
                add(out, take_name(&part));
            }
        }
    }
}
