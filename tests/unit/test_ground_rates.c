/* How good the check of answers is, over real tables: false alarms on right answers, and wrong
 * numbers that it misses. Each number of each answer is spoilt in several ways in turn. One that
 * was printed as it stands, for something else, cannot be told from a right one by any look-up: it
 * is counted by itself. What merely rounds to a printed number cannot be told either, and counts as
 * missed. With the word --rates it prints the figures instead of TAP (make bench). */
#include <glob.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/io.h"
#include "agent/base/mem.h"
#include "agent/ground.h"
#include "tests/unit/tap.h"

static size_t claims, alarms, planted, missed, collided, names;

/* Text between this mark and the next; cuts it off the front of *rest. */
static struct str part(struct str *rest, const char *mark)
{
    const char *end = mark[0] ? strstr(rest->p, mark) : NULL;
    struct str got = { rest->p, end ? (size_t)(end - rest->p) : rest->n };

    *rest = str_from(*rest, end ? got.n + strlen(mark) : rest->n);
    return got;
}

struct one_case {
    struct str question, files, printed, answer;
};

static void look(const struct one_case *c, struct str answer, struct ground_result *ret)
{
    struct ground *g = ground_new();
    struct str files = c->files, name;

    ground_said(g, c->question);
    ground_printed(g, c->printed);
    while (files.n) {
        (void)str_cut(&files, ' ', &name);
        cleanup_free char *s = str_dup(str_trim(name));
        ground_file(g, s);
    }
    ground_check(g, answer, ret);
    ground_free(g);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The ways in which a number goes wrong: a digit changed, two turned round, a digit more, a digit
 * less, another number of the same length. false = this way changes nothing. */
static bool spoil(struct str number, int way, unsigned seed, struct buf *out)
{
    char s[64];
    size_t n = number.n < sizeof s - 2 ? number.n : sizeof s - 2, digits[64], nd = 0;

    memcpy(s, number.p, n);
    for (size_t i = 0; i < n; i++)
        if (is_digit(s[i]))
            digits[nd++] = i;
    if (nd == 0)
        return false;
    size_t at = digits[seed % nd];
    switch (way) {
    case 0:
        s[digits[0]] = (char)('0' + (s[digits[0]] - '0' + 1 + seed % 8) % 10);
        break;
    case 1:
        s[at] = (char)('0' + (s[at] - '0' + 3) % 10);
        break;
    case 2:
        if (nd < 2 || s[digits[nd - 2]] == s[digits[nd - 1]])
            return false;
        s[digits[nd - 1]] = number.p[digits[nd - 2]];
        s[digits[nd - 2]] = number.p[digits[nd - 1]];
        break;
    case 3:
        for (size_t i = 0; i < nd; i++)
            s[digits[i]] = (char)('0' + (seed >> (i % 8)) % 9 + (i == 0 && (seed % 9) == 0));
        break;
    }
    if (memcmp(s, number.p, n) == 0)
        return false;
    buf_put(out, s, n);
    return true;
}

/* Does the number stand in a text by itself, with or without its commas of thousands? */
static bool stands(struct str text, struct str number)
{
    cleanup_buf struct buf plain = BUF_MAX(128);

    for (size_t i = 0; i < number.n; i++)
        if (number.p[i] != ',')
            buf_putc(&plain, number.p[i]);
    for (size_t i = 0; i < text.n; i++) {
        const struct str forms[] = { number, buf_str(&plain) };
        for (size_t k = 0; k < 2; k++) {
            size_t end = i + forms[k].n;
            if (end <= text.n && memcmp(text.p + i, forms[k].p, forms[k].n) == 0 &&
                !(i > 0 && strchr("0123456789.,", text.p[i - 1])) &&
                !(end < text.n && is_digit(text.p[end])) &&
                !(end + 1 < text.n && text.p[end] == '.' && is_digit(text.p[end + 1])))
                return true;
        }
    }
    return false;
}

/* All claims of an answer: what is not found when nothing is known. */
static void list_claims(struct str answer, struct buf *out)
{
    static const struct one_case nothing;
    struct ground_result r;

    look(&nothing, answer, &r);
    for (size_t i = 0; i < r.n_unmatched; i++)
        buf_putf(out, "%s\n", r.unmatched[i].text);
    ground_result_done(&r);
}

/* Is the number a claim or a part of one, and no name, numbering or convention (Section 4.2, 95 %
 * confidence)? */
static bool is_claim(struct str answer, size_t from, size_t to)
{
    cleanup_buf struct buf without = BUF_MAX(1 << 20), some = BUF_MAX(1 << 20),
                           all = BUF_MAX(1 << 20);

    buf_put(&without, answer.p, from);
    buf_puts(&without, "x");
    buf_putstr(&without, str_from(answer, to));
    list_claims(answer, &all);
    list_claims(buf_str(&without), &some);
    return !str_eq(buf_str(&all), buf_str(&some));
}

static void plant(const struct one_case *c)
{
    unsigned seed = 17;

    for (size_t i = 0; i < c->answer.n; i++) {
        size_t end = i;
        if (!is_digit(c->answer.p[i]))
            continue;
        while (end < c->answer.n && (is_digit(c->answer.p[end]) ||
                                     ((c->answer.p[end] == ',' || c->answer.p[end] == '.') &&
                                      end + 1 < c->answer.n && is_digit(c->answer.p[end + 1]))))
            end++;
        struct str number = { c->answer.p + i, end - i };
        /* A number alone: what stands in a numbering, a name or a short count is no target. */
        bool target = number.n >= 2 && i > 0 && strchr(" (*$+", c->answer.p[i - 1]);
        if (target && !is_claim(c->answer, i, end)) {
            names++;
            if (getenv("SHOW_MISSED"))
                printf("# name: %.*s\n", (int)number.n, number.p);
            target = false;
        }
        for (int way = 0; target && way < 4; way++) {
            cleanup_buf struct buf wrong = BUF_MAX(128), text = BUF_MAX(1 << 20);
            struct ground_result r;
            seed = seed * 1103515245u + 12345u;
            if (!spoil(number, way, seed >> 8, &wrong))
                continue;
            if (wrong.p[0] == '0' && number.p[0] != '0' && is_digit(wrong.p[1]))
                continue; /* nobody writes 0019 */
            if (stands(c->printed, buf_str(&wrong)) || stands(c->question, buf_str(&wrong))) {
                collided++;
                continue;
            }
            buf_put(&text, c->answer.p, i);
            buf_putstr(&text, buf_str(&wrong));
            buf_put(&text, c->answer.p + end, c->answer.n - end);
            look(c, buf_str(&text), &r);
            planted++;
            missed += r.n_unmatched == 0;
            if (r.n_unmatched == 0 && getenv("SHOW_MISSED"))
                printf("# missed: %.*s for %.*s\n", (int)wrong.n, wrong.p, (int)number.n, number.p);
            ground_result_done(&r);
        }
        i = end - 1;
    }
}

static void one(const char *path, bool tap)
{
    cleanup_buf struct buf b = BUF_MAX(1 << 20);
    struct err e = ERR_INIT;
    struct ground_result r;

    if (io_read_file(path, &b, &e) < 0) {
        CHECK(false, "%s", e.msg);
        return;
    }
    buf_puts(&b, "");
    struct str rest = buf_str(&b);
    struct one_case c;
    c.question = part(&rest, "--- files\n");
    c.files = str_trim(part(&rest, "--- printed\n"));
    c.printed = part(&rest, "--- answer\n");
    c.answer = rest;
    look(&c, c.answer, &r);
    if (tap)
        CHECK(r.checked >= 8 && r.n_unmatched == 0, "%s: all of %zu claims are found; not: %s",
              path, r.checked, r.n_unmatched ? r.unmatched[0].around : "");
    claims += r.checked;
    alarms += r.n_unmatched;
    ground_result_done(&r);
    plant(&c);
}

int main(int argc, char **argv)
{
    bool tap = argc < 2 || strcmp(argv[1], "--rates") != 0;
    glob_t found;

    if (glob("tests/cases/grounding/*.case", 0, NULL, &found) != 0) {
        CHECK(false, "tests/cases/grounding is there");
        return tap_done();
    }
    for (size_t i = 0; i < found.gl_pathc; i++)
        one(found.gl_pathv[i], tap);
    if (!tap) {
        printf("%zu right claims, %zu false alarms (%.1f %%); %zu wrong numbers, %zu missed (%.1f "
               "%%), %zu more were printed for something else; %zu numbers are names\n",
               claims, alarms, 100.0 * (double)alarms / (double)claims, planted, missed,
               100.0 * (double)missed / (double)planted, collided, names);
    } else {
        CHECK(found.gl_pathc >= 9 && claims >= 200, "%zu answers with %zu claims", found.gl_pathc,
              claims);
        CHECK(alarms * 50 <= claims, "%zu false alarms", alarms);
        CHECK(planted >= 800 && missed * 40 <= planted, "of %zu wrong numbers %zu are missed",
              planted, missed);
    }
    globfree(&found);
    return tap ? tap_done() : 0;
}
