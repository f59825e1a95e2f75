/* Settings by their names: as a key of agent.conf, a flag, a variable; and the name that a word
 * with a slip in it was meant to be. */
#include <string.h>
#include "agent/base/mem.h"
#include "agent/conf_table.h"
#include "agent/base/banned.h"

const char *conf_effort_word(const struct conf *c)
{
    static const char *const words[] = { NULL,     "none", "minimal", "low",
                                         "medium", "high", "xhigh",   "max" };

    return (size_t)c->effort < ARRAY_LEN(words) ? words[c->effort] : NULL;
}

int conf_find(struct str key)
{
    for (size_t i = 0; i < conf_table_n; i++)
        if (str_is(key, conf_table[i].name))
            return (int)i;
    return -1;
}

char *conf_flag_name(const struct conf_setting *s)
{
    char *r = xasprintf("--%s", s->name);

    for (char *p = r; *p; p++)
        if (*p == '_')
            *p = '-';
    return r;
}

char *conf_env_name(const struct conf_setting *s)
{
    char *r = xasprintf("AGENT_%s", s->name);

    for (char *p = r; *p; p++)
        if (*p >= 'a' && *p <= 'z')
            *p = (char)(*p - 'a' + 'A');
    return r;
}

/* Edit distance with swaps of neighbours; words here are short, so the plain table does. */
static size_t distance(struct str a, struct str b)
{
    enum { MAX = 40 };
    size_t d[MAX + 1][MAX + 1];

    if (a.n > MAX || b.n > MAX)
        return MAX;
    for (size_t i = 0; i <= a.n; i++)
        d[i][0] = i;
    for (size_t j = 0; j <= b.n; j++)
        d[0][j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        for (size_t j = 1; j <= b.n; j++) {
            size_t best = d[i - 1][j - 1] + (a.p[i - 1] != b.p[j - 1]);
            if (d[i - 1][j] + 1 < best)
                best = d[i - 1][j] + 1;
            if (d[i][j - 1] + 1 < best)
                best = d[i][j - 1] + 1;
            if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1] &&
                d[i - 2][j - 2] + 1 < best)
                best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    }
    return d[a.n][b.n];
}

const char *conf_nearest(struct str word, const char *const *candidates, size_t n)
{
    const char *best = NULL;
    size_t best_d = 0;

    for (size_t i = 0; i < n; i++) {
        struct str c = str_of(candidates[i]);
        size_t d = distance(word, c), limit = c.n < 5 ? 1 : c.n < 9 ? 2 : 3;
        /* A word cut short is nearer than its distance says. */
        if (word.n >= 3 && c.n > word.n && d > 1 && memcmp(c.p, word.p, word.n) == 0)
            d = 1;
        if (d <= limit && d < word.n && (best == NULL || d < best_d)) {
            best = candidates[i];
            best_d = d;
        }
    }
    return best;
}
