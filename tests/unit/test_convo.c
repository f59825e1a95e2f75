/* What can be left out of a conversation that is too long, and what never is. */
#include <stdlib.h>
#include <string.h>
#include "agent/base/mem.h"
#include "agent/convo.h"
#include "tests/unit/tap.h"

static char *long_text(size_t n)
{
    char *s = xcalloc(n + 1, 1);

    memset(s, 'x', n);
    return s;
}

static void result(struct convo *c, size_t n)
{
    struct chat_call call = { .id = (char *)"c1", .name = (char *)"execute_python" };
    cleanup_free char *text = long_text(n);

    convo_tool(c, &call, text, false);
}

static void picture(struct convo *c, size_t n)
{
    struct chat_image *images = xcalloc(1, sizeof *images);

    images[0] = (struct chat_image){ xstrdup("image/png"), long_text(n), n };
    convo_images(c, images, 1);
}

static void reply(struct convo *c)
{
    struct chat_turn t = { 0 };

    convo_assistant(c, &t);
}

/* A task, then results of these lengths, a reply, and one result that is still to be looked at. */
static void make(struct convo *c, const size_t *lengths, size_t n)
{
    convo_system(c, "be brief");
    convo_user(c, "count");
    for (size_t i = 0; i < n; i++)
        result(c, lengths[i]);
    reply(c);
    result(c, 50000);
}

static void test_shortable(void)
{
    static const struct {
        size_t lengths[3], least, most;
        const char *what;
    } rows[] = {
        { { 0, 10, 120 }, 0, 0, "short results are not shortened" },
        { { 0, 0, 121 }, 40, 80, "one a little longer is, to a line" },
        { { 9000, 0, 0 }, 8920, 8950, "a long one" },
        { { 9000, 700, 20000 }, 8920 + 620 + 19920, 8950 + 650 + 19950, "all of several" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct convo c = { 0 };
        size_t freed;
        make(&c, rows[i].lengths, 3);
        size_t can = convo_shortable(&c);
        CHECK(can >= rows[i].least && can <= rows[i].most, "%s: %zu bytes", rows[i].what, can);
        convo_shorten(&c, SIZE_MAX, &freed);
        CHECK(freed + 6 >= can && freed <= can + 6, "and so many are freed: %zu", freed);
        CHECK(convo_shortable(&c) == 0, "then nothing more can be");
        CHECK(strlen(c.m[c.n - 1].text) == 50000 && strcmp(c.m[1].text, "count") == 0,
              "the task and the last result stay");
        convo_free(&c);
    }
}

static void test_pictures(void)
{
    struct convo c = { 0 };
    size_t freed;

    result(&c, 10);
    picture(&c, 4000);
    result(&c, 10);
    reply(&c);
    result(&c, 10);
    picture(&c, 5000);
    CHECK(convo_shortable(&c) == 4000, "pictures before the last reply count: %zu",
          convo_shortable(&c));
    CHECK(convo_shorten(&c, 1, &freed) == 1 && freed == 4000 && c.m[0].n_images == 0 &&
              c.m[3].n_images == 1,
          "and are left out");
    convo_free(&c);
    reply(&c);
    CHECK(convo_shortable(&c) == 0, "a conversation without results has nothing");
    convo_free(&c);
}

/* No more than is asked for, the oldest first. */
static void test_as_much_as_needed(void)
{
    const size_t lengths[] = { 9000, 9000, 9000 };
    struct convo c = { 0 };
    size_t freed, n;

    make(&c, lengths, 3);
    n = convo_shorten(&c, 8000, &freed);
    CHECK(n == 1 && freed >= 8000 && strlen(c.m[2].text) < 1000 && strlen(c.m[3].text) == 9000,
          "8000 bytes: the oldest alone");
    n = convo_shorten(&c, 8500, &freed);
    CHECK(n == 2 && strlen(c.m[2].text) > 700 && strlen(c.m[4].text) < 1000,
          "8500 more: the next two, and the first keeps its ends");
    n = convo_shorten(&c, 1, &freed);
    CHECK(n == 1 && strlen(c.m[2].text) < 100 && strlen(c.m[3].text) > 700,
          "then its ends go as well");
    convo_free(&c);
}

int main(void)
{
    test_shortable();
    test_pictures();
    test_as_much_as_needed();
    return tap_done();
}
