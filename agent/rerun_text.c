/* The prose of a session on other files: which of its numbers are of the old ones. */
#include <cjson/cJSON.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/ground.h"
#include "agent/rerun.h"
#include "agent/base/banned.h"

/* Does `word` stand at `i` by itself, not as a part of a longer number or name? */
static bool stands(struct str t, size_t i, const char *word)
{
    size_t n = strlen(word), end = i + n;

    if (n == 0 || end > t.n || memcmp(t.p + i, word, n) != 0)
        return false;
    unsigned char first = (unsigned char)word[0], last = (unsigned char)word[n - 1];
    if (isalnum(first) && i > 0) {
        unsigned char c = (unsigned char)t.p[i - 1];
        if (isalnum(c) || c == '_' ||
            ((c == '.' || c == ',') && i > 1 && isdigit((unsigned char)t.p[i - 2])))
            return false;
    }
    if (isalnum(last) && end < t.n) {
        unsigned char c = (unsigned char)t.p[end];
        if (isalnum(c) || c == '_' ||
            ((c == '.' || c == ',') && end + 1 < t.n && isdigit((unsigned char)t.p[end + 1])))
            return false;
    }
    return true;
}

/* Bytes at `i` that are no prose: a reference, code within a line, a fenced block. 0 = it is. */
static size_t skipped(struct str t, size_t i)
{
    struct str rest = str_from(t, i);

    if (str_starts(rest, "{{")) {
        const char *end = memmem(rest.p, rest.n, "}}", 2);
        return end ? (size_t)(end - rest.p) + 2 : 0;
    }
    if ((i == 0 || t.p[i - 1] == '\n') && str_starts(rest, "```")) {
        const char *end = memmem(rest.p + 3, rest.n - 3, "\n```", 4);
        return end ? (size_t)(end - rest.p) + 4 : rest.n;
    }
    if (rest.p[0] == '`') {
        for (size_t k = 1; k < rest.n && rest.p[k] != '\n'; k++)
            if (rest.p[k] == '`')
                return k + 1;
    }
    return 0;
}

/* `instead` NULL: an old number is struck through. */
static size_t mark(struct str t, const struct ground_result *old, const char *instead,
                   struct buf *out)
{
    size_t marked = 0;

    for (size_t i = 0; i < t.n;) {
        size_t skip = skipped(t, i);
        const char *best = NULL;
        for (size_t k = 0; skip == 0 && k < old->n_unmatched; k++) {
            const struct ground_miss *m = &old->unmatched[k];
            if (m->kind == GROUND_NUMBER && stands(t, i, m->text) &&
                (best == NULL || strlen(m->text) > strlen(best)))
                best = m->text;
        }
        if (best) {
            if (instead)
                buf_puts(out, instead);
            else
                buf_putf(out, "~~%s~~", best);
            i += strlen(best);
            marked++;
        } else {
            skip = skip ? skip : 1;
            buf_put(out, t.p + i, skip);
            i += skip;
        }
    }
    return marked;
}

/* What is not said by the user, and no constant of the code, was computed. */
static size_t mark_old(const struct rerun *r, const char *question, const char *instead,
                       struct buf *out)
{
    struct ground_result old = { 0 };
    struct ground *g = ground_new();

    ground_said(g, str_of(question));
    for (size_t i = 0; i < r->saved.n_cells; i++)
        if (r->v[i].code)
            ground_code(g, str_of(r->saved.cells[i].code));
    if (!r->same_files)
        ground_check(g, str_of(r->text), &old);
    ground_free(g);
    size_t n = mark(str_of(r->text), &old, instead, out);
    ground_result_done(&old);
    return n;
}

void rerun_blank(const struct rerun *r, const char *question, struct buf *out)
{
    mark_old(r, question, "[number of then]", out);
}

size_t rerun_mark(const struct rerun *r, const char *question, struct buf *out)
{
    cleanup_buf struct buf marked = BUF_MAX(MAX_ANSWER_BYTES * 4);
    const cJSON *started = saved_last(&r->saved, "session.start");
    const char *day = json_str(started, "t");
    size_t n = mark_old(r, question, NULL, &marked);
    struct str rest = buf_str(&marked), title;
    if (n && str_starts(rest, "# ")) {
        (void)str_cut(&rest, '\n', &title);
        buf_putf(out, "%.*s\n\n", (int)title.n, title.p);
    }
    if (n)
        buf_putf(
            out,
            "> This text was written about earlier data%s%.*s. Numbers that are struck through "
            "are of that data: they were not computed again.\n\n",
            day ? ", on " : "", day ? 10 : 0, day ? day : "");
    buf_putstr(out, rest);
    return n;
}
