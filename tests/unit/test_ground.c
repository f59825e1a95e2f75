/* Which numbers and file names of an answer are found in what the code printed. */
#include "agent/ground.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/mem.h"
#include "tests/unit/tap.h"

static const struct {
    const char *name, *printed, *answer;
    const char *misses; /* separated by " | "; "" = all is found */
} cases[] = {
    /* --- notations --- */
    { "as printed", "total 1352", "The total is 1352.", "" },
    { "with a comma of thousands", "total 1352", "The total is 1,352.", "" },
    { "with a point of thousands", "total 1352", "Insgesamt 1.352 Stück.", "" },
    { "with a narrow space", "total 1352417", "In all 1\u202f352\u202f417.", "" },
    { "with a plain space", "total 1352417", "In all 1 352 417 rows.", "" },
    { "with an apostrophe", "total 1352417", "Total: CHF 1'352'417.", "" },
    { "the Indian way", "total 1352417", "Total: 13,52,417.", "" },
    { "printed with commas", "total 1,352,417.25", "It is 1352417.25.", "" },
    { "a decimal comma", "mean 3.75", "Im Mittel 3,75.", "" },
    { "both, the German way", "sum 12345.5", "Summe: 12.345,50 €", "" },
    { "an exponent", "p 3.2e-05", "p = 0.000032", "" },
    { "an exponent in the answer", "p 0.000032", "p = 3.2e-05", "" },
    { "Arabic digits", "total 1352", "العدد ١٣٥٢", "" },
    { "full-width digits", "total 1352", "合計１３５２件", "" },
    { "beside Chinese text", "total 1352", "共1352次。", "" },
    { "a minus sign", "change -12.5", "It fell by 12.5 to \u221212.5.", "" },
    { "a point before the digits", "r .45", "r = 0.45", "" },
    { "underscores", "n 1352417", "n = 1_352_417", "" },
    /* --- rounding --- */
    { "rounded", "mean 39.3478", "It is 39.3, or 39.35, or 39.", "" },
    { "rounded the wrong way", "mean 39.3678", "It is 39.3.", "39.3" },
    { "half up and half even", "mean 2.5\nx 24.45", "24.5 and 24.4", "" },
    { "more digits than were printed", "mean 39.4", "It is 39.37.", "39.37" },
    { "in millions", "sum 1234567", "1.2 million, 1.23M, 1.235 mn", "" },
    { "in wrong millions", "sum 1234567", "1.3 million", "1.3 million" },
    { "in billions and thousands", "a 7800000000\nb 45231", "7.8 billion, 7.8bn, 45k, 45.2K", "" },
    { "in Chinese ten-thousands", "sum 1234567", "约123万", "" },
    { "about", "sum 3930", "about 4,000, nearly 4000, over 3,900 and ~3900", "" },
    { "about, but far away", "sum 3930", "about 5,000", "5,000" },
    { "round, but not said so", "sum 3930", "There were 4,000.", "4,000" },
    { "a small count must be exact", "mean 2.7", "There were 3 of them.", "3" },
    { "a small measure may be rounded", "mean 2.7", "It took 3 hours, 3 km, 3 %.", "" },
    /* --- percent --- */
    { "a fraction", "share 0.39327", "39.3 %, 39%, 39.33 percent", "" },
    { "a percentage", "share 39.327%", "39.3 %, or 0.393", "" },
    { "percentage printed without a sign", "share 39.327", "39.3 %", "" },
    { "a wrong percentage", "share 0.39327", "40.3 %", "40.3 %" },
    { "points", "diff 2.4", "2.4 percentage points, 2.4 pp", "" },
    /* --- currency and units --- */
    { "currency", "total 48213.7", "$48,213.70, €48,214, 48 213,70 EUR, USD 48.2k", "" },
    { "units", "d 12.25\nt 450", "12.3 km, 450 ms, 12.25°C", "" },
    { "wrong currency amount", "total 48213.7", "$48,231.70", "48,231.70" },
    /* --- dates and times --- */
    { "a date in words", "1990-01-08", "8 January 1990, January 8, 1990, Jan 8, 8th of January",
      "" },
    { "a date in numbers", "1990-01-08", "08.01.1990, 1990/01/08, 01/08/1990", "" },
    { "month and year", "1990-01-08", "January 1990, 1990-01, 1990", "" },
    { "a wrong date", "1990-01-08", "9 January 1990", "9 January 1990" },
    { "a wrong month", "1990-01-08", "February 1990", "February 1990" },
    { "year and month as columns", "year month\n1990 1", "January 1990", "" },
    { "no date at all", "Oct 1352\nSep 1330", "in October 1352 strikes, in September 1330", "" },
    { "a time", "first 07:35:10", "at 07:35", "" },
    { "a wrong time", "first 07:35:10", "at 07:45", "07:45" },
    { "a range of years", "1990-01-08 2002-07-25", "1990-2002, 1990\u20132002", "" },
    /* --- no claims --- */
    { "the numbering of a list", "", "1. First\n2. Second\n10) Tenth\n   3. Deep", "" },
    { "headings", "", "## 2. Results\n### 2.1 Details\n**3.** Bold", "" },
    { "labels", "", "Table 2, Figure 11, step 4, [1], Section 3", "" },
    { "names", "", "Q1, H2, UTF-8, COVID-19, x2, col_3, SHA-256", "" },
    { "code", "", "```python\nx = 4711\n```\nand `df[4711]`", "" },
    { "a fence without a language is text", "", "```\n4711\n```", "4711" },
    { "links", "", "[page](https://example.org/2024/4711) http://x.org/4711", "" },
    { "ordinals", "", "the 2nd and the 3rd", "" },
    { "number words", "", "three of them", "" },
    { "no numbers", "", "Nothing to see.", "" },
    { "nothing", "", "", "" },
    /* --- tables --- */
    { "a Markdown table", "Oct 1352 137 10.1\nSep 1330 111 8.3",
      "| month | n | d | % |\n|---|---|---|---|\n| Oct | 1,352 | 137 | 10.1 |\n| Sep | 1330 | 111 "
      "| 8.4 |",
      "8.4" },
    { "a row of CSV", "a,1352,137,10.1,7", "1352, 137, 10.1 and 7", "" },
    { "a list", "[3, 14, 15]\n[9,26,535]", "3, 14, 15, 9, 26, 535", "" },
    { "a dictionary", "{'a': 1352, 'b': -0.5}", "a is 1352, b is -0.5", "" },
    { "JSON", "{\"n\":1352,\"x\":[1,2.5]}", "1352, 1, 2.5", "" },
    /* --- invented --- */
    { "an invented number", "total 1352", "The total is 1353 of 9999.", "1353 | 9999" },
    { "a digit turned", "total 48213", "The total is 48231.", "48231" },
    { "ten times too large", "total 4821.3", "The total is 48213.", "48213" },
    { "a sum that was never printed", "a 1352\nb 1330", "Together 2,682.", "2,682" },
    { "part of a longer number", "id 13529981", "1352", "1352" },
    { "nothing was printed", "", "It is 42.", "42" },
};

static void join_misses(const struct ground_result *r, struct buf *out)
{
    for (size_t i = 0; i < r->n_unmatched; i++)
        buf_putf(out, "%s%s", i ? " | " : "", r->unmatched[i].text);
}

static void test_cases(void)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct ground *g = ground_new();
        struct ground_result r;
        cleanup_buf struct buf got = BUF_MAX(1 << 16);
        ground_printed(g, str_of(cases[i].printed));
        ground_check(g, str_of(cases[i].answer), &r);
        join_misses(&r, &got);
        CHECK(strcmp(buf_cstr(&got), cases[i].misses) == 0, "%s: not found: [%s], want [%s]",
              cases[i].name, buf_cstr(&got), cases[i].misses);
        ground_result_done(&r);
        ground_free(g);
    }
}

static void test_sources(void)
{
    struct ground *g = ground_new();
    struct ground_result r;
    cleanup_buf struct buf got = BUF_MAX(1 << 16);

    ground_said(g, STR("the ten largest of the 4711 rows above 0.75 in 2026"));
    ground_code(g, STR("df.nlargest(15)\nx = 48213  # 0.05\n"));
    ground_file(g, "figure-1.png");
    ground_file(g, "artifacts/top ten.csv");
    ground_printed(g, STR("ok 1"));
    ground_check(g,
                 STR("Of 4711 rows in 2026, those above 0.75: 15, at 5 %. See figure-1.png, "
                     "`artifacts/figure-1.png`, `top ten.csv` and **figure-2.png**; not 48213."),
                 &r);
    join_misses(&r, &got);
    CHECK(strcmp(buf_cstr(&got), "figure-2.png | 48213") == 0,
          "the question, parameters of the code, and files: [%s]", buf_cstr(&got));
    CHECK(r.checked == 10, "%zu claims were looked up", r.checked);
    CHECK(strstr(r.unmatched[1].around, "figure-2.png**; not 48213.") != NULL,
          "a miss is shown with "
          "its words: %s",
          r.unmatched[1].around);
    CHECK(r.unmatched[0].kind == GROUND_FILE && r.unmatched[1].kind == GROUND_NUMBER, "by kind");
    ground_result_done(&r);
    ground_free(g);
}

/* Whatever the text: no crash, and the same text as evidence grounds itself. */
static void test_any(void)
{
    static const char alphabet[] = "0123456789.,' \n%-eE:/$kMJan`*#[]|()x_\xe2\x82\xac\xc3\xa9\x1f";
    unsigned seed = 12345;
    size_t bad = 0;

    for (int round = 0; round < 3000; round++) {
        char text[65];
        size_t n = 1 + (seed >> 8) % 64;
        for (size_t i = 0; i < n; i++) {
            seed = seed * 1103515245u + 12345u;
            text[i] = alphabet[(seed >> 12) % (sizeof alphabet - 1)];
        }
        struct ground *g = ground_new();
        struct ground_result r;
        ground_printed(g, (struct str){ text, n });
        ground_check(g, (struct str){ text, n }, &r);
        bad += r.n_unmatched > r.checked;
        ground_result_done(&r);
        ground_free(g);
    }
    CHECK(bad == 0, "3000 odd texts");
    /* Time is linear: a megabyte of digits, of separators, of open fences. */
    static const char *const parts[] = {
        "1,", "1 ", "1.", "`", "[", "Jan ", "1:", "9", "a.", "\n1"
    };
    for (size_t k = 0; k < ARRAY_LEN(parts); k++) {
        cleanup_buf struct buf b = BUF_MAX(8 << 20);
        struct ground *g = ground_new();
        struct ground_result r;
        while (b.n < 1 << 20)
            buf_puts(&b, parts[k]);
        ground_printed(g, buf_str(&b));
        ground_check(g, buf_str(&b), &r);
        CHECK(r.n_unmatched <= 100, "a megabyte of \"%s\"", k == 9 ? "\\n1" : parts[k]);
        ground_result_done(&r);
        ground_free(g);
    }
}

int main(void)
{
    test_cases();
    test_sources();
    test_any();
    return tap_done();
}
