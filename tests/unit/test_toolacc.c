#include <string.h>
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "providers/toolacc.h"
#include "tests/unit/tap.h"

struct piece {
    long index;
    const char *id, *name, *args;
};

/* Pieces in, "id name args" out, calls separated by " / ". "?" stands for an id that was made. */
static const struct {
    const char *name;
    struct piece pieces[6];
    const char *want;
} cases[] = {
    { "one call in pieces",
      { { 0, "a", "f", "" }, { 0, "", "", "{\"x\"" }, { 0, "", "", ":1}" } },
      "a f {\"x\":1}" },
    { "two calls, one after the other",
      { { 0, "a", "f", "{" }, { 0, "", "", "}" }, { 1, "b", "g", "{}" } },
      "a f {} / b g {}" },
    { "two calls, interleaved",
      { { 0, "a", "f", "{" }, { 1, "b", "g", "{" }, { 0, "", "", "}" }, { 1, "", "", "}" } },
      "a f {} / b g {}" },
    { "the first index is 1", { { 1, "a", "f", "{}" } }, "a f {}" },
    { "order is that of appearance",
      { { 5, "a", "f", "{}" }, { 2, "b", "g", "{}" } },
      "a f {} / b g {}" },
    { "no index: by id",
      { { -1, "a", "f", "{" }, { -1, "b", "g", "{}" }, { -1, "a", "", "}" } },
      "a f {} / b g {}" },
    { "no index, no id: the last one",
      { { -1, "a", "f", "{\"x\":" }, { -1, "", "", "1}" } },
      "a f {\"x\":1}" },
    { "no index, no id, two whole calls",
      { { -1, "", "f", "{}" }, { -1, "", "g", "{}" } },
      "? f {} / ? g {}" },
    { "one index, two ids: two calls",
      { { 0, "a", "f", "{}" }, { 0, "b", "g", "{}" } },
      "a f {} / b g {}" },
    { "pieces after that belong to the later one",
      { { 0, "a", "f", "{}" }, { 0, "b", "g", "{" }, { 0, "", "", "}" } },
      "a f {} / b g {}" },
    { "id and name repeated", { { 0, "a", "f", "" }, { 0, "a", "f", "{}" } }, "a f {}" },
    { "an empty name does not overwrite", { { 0, "a", "f", "" }, { 0, "", "", "{}" } }, "a f {}" },
    { "the name comes later", { { 0, "a", "", "" }, { 0, "", "f", "{}" } }, "a f {}" },
    { "no arguments at all", { { 0, "a", "f", "" } }, "a f {}" },
    { "white space is no arguments", { { 0, "a", "f", " \n" } }, "a f {}" },
    { "broken arguments stay", { { 0, "a", "f", "{\"x\":" } }, "a f {\"x\":" },
    { "no name but arguments: kept, the model is told", { { 0, "a", "", "{}" } }, "a  {}" },
    { "neither name nor arguments: dropped",
      { { 0, "a", "", "" }, { 1, "b", "f", "{}" } },
      "b f {}" },
    { "ids missing", { { 0, "", "f", "{}" }, { 1, "", "f", "{}" } }, "? f {} / ? f {}" },
    { "ids repeated", { { 0, "0", "f", "{}" }, { 1, "0", "g", "{}" } }, "0 f {} / ? g {}" },
    { "two whole objects glued",
      { { 0, "a", "f", "{\"x\":1}" }, { 0, "", "", "{\"x\":2}" } },
      "a f {\"x\":1} / ? f {\"x\":2}" },
    { "an object inside is not glued",
      { { 0, "a", "f", "{\"x\":" }, { 0, "", "", "{}" }, { 0, "", "", "}" } },
      "a f {\"x\":{}}" },
    { "a brace in a string is no end",
      { { 0, "a", "f", "{\"x\":\"}" }, { 0, "", "", "{}" }, { 0, "", "", "\"}" } },
      "a f {\"x\":\"}{}\"}" },
    { "no index, no id, the name again in the middle of a call",
      { { -1, "", "f", "{\"x\":" }, { -1, "", "f", "1}" } },
      "? f {\"x\":1}" },
    { "text before an object: nothing is glued",
      { { 0, "a", "f", "so {}" }, { 0, "", "", "{}" } },
      "a f so {}{}" },
    { "text behind an object: nothing is glued",
      { { 0, "a", "f", "{} so" }, { 0, "", "", "{}" } },
      "a f {} so{}" },
    { "an escaped quote is no end",
      { { 0, "a", "f", "{\"x\":\"\\\"}" }, { 0, "", "", "{}\"}" } },
      "a f {\"x\":\"\\\"}{}\"}" },
};

static bool is_made(const char *id)
{
    return strlen(id) == 9 && strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789") == 9;
}

static char *run(const struct piece *p, size_t n, const char *seed)
{
    struct toolacc *t = toolacc_new();
    struct err e = ERR_INIT;
    struct chat_call *calls;
    size_t n_calls;
    struct buf out = BUF_MAX(1 << 16);

    for (size_t i = 0; i < n; i++) {
        struct toolacc_piece q = { .index = p[i].index,
                                   .id = str_of(p[i].id),
                                   .name = str_of(p[i].name),
                                   .args = str_of(p[i].args) };
        if (p[i].id && toolacc_add(t, &q, &e) < 0)
            buf_puts(&out, e.msg);
    }
    toolacc_finish(t, str_of(seed), &calls, &n_calls);
    for (size_t i = 0; i < n_calls; i++)
        buf_putf(&out, "%s%s %s %s", i ? " / " : "", is_made(calls[i].id) ? "?" : calls[i].id,
                 calls[i].name, calls[i].args);
    for (size_t i = 0; i < n_calls; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(calls[i].id, calls[k].id) == 0)
                buf_puts(&out, " SAME ID");
    chat_calls_free(calls, n_calls);
    toolacc_free(t);
    return buf_steal(&out);
}

static char *only_id(const char *seed)
{
    struct toolacc *t = toolacc_new();
    struct err e = ERR_INIT;
    struct toolacc_piece q = { .index = 0, .name = STR("f") };
    struct chat_call *calls;
    size_t n;

    (void)toolacc_add(t, &q, &e);
    toolacc_finish(t, str_of(seed), &calls, &n);
    char *id = xstrdup(calls[0].id);
    chat_calls_free(calls, n);
    toolacc_free(t);
    return id;
}

int main(void)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        cleanup_free char *got = run(cases[i].pieces, ARRAY_LEN(cases[i].pieces), "seed");
        if (!CHECK(strcmp(got, cases[i].want) == 0, "%s", cases[i].name))
            printf("# got %s\n", got);
    }
    cleanup_free char *a = only_id("resp-1"), *b = only_id("resp-2"), *c = only_id("resp-1");
    CHECK(strcmp(a, b) != 0 && strcmp(a, c) == 0, "a made id depends on the response");

    struct toolacc *t = toolacc_new();
    struct err e = ERR_INIT;
    int r = 0;
    for (long i = 0; i < MAX_CALLS_PER_TURN + 1 && r == 0; i++)
        r = toolacc_add(t, &(struct toolacc_piece){ .index = i, .name = STR("f") }, &e);
    CHECK(r < 0 && strstr(e.msg, "64"), "too many calls: %s", e.msg);
    toolacc_free(t);

    /* Quadratic work would take minutes here. */
    t = toolacc_new();
    r = toolacc_add(t,
                    &(struct toolacc_piece){
                        .index = 0, .id = STR("a"), .name = STR("f"), .args = STR("{\"x\":\"") },
                    &e);
    for (int i = 0; i < 500000 && r == 0; i++)
        r = toolacc_add(t, &(struct toolacc_piece){ .index = 0, .args = STR("{}") }, &e);
    CHECK(r == 0, "half a million small pieces");
    toolacc_free(t);
    return tap_done();
}
