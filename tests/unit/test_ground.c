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
    /* --- as models write --- */
    { "thousands and millions by a letter", "a 3187\nb 1203455", "about 3.2k of 1.2M", "" },
    { "the same, wrong", "a 3387\nb 1303455", "about 3.2k of 1.2M", "3.2k | 1.2M" },
    { "more than, less than", "a 3412\nb 3870",
      "over 3,000, more than 3400, nearly 4,000, under 4000", "" },
    { "more than, and it is less", "a 2890\nb 3412", "over 3,000 and under 3,400", "3,400" },
    { "a year after to", "2009 2012 2020", "2009 to 2021, and from 2009 to 2100", "2021 | 2100" },
    { "a loose range", "a 2987\nb 4012", "about 3,000 to 4,000, between about 3,000 and 4,000",
      "" },
    { "a range that nobody called loose", "a 2987\nb 4012", "3,000 to 4,000", "3,000 | 4,000" },
    { "a range of percentages", "a 0.1234\nb 0.1512", "12\u201315 %, 12-15%, 12 to 15 percent",
      "" },
    { "a wrong range of percentages", "a 0.1334\nb 0.1512", "12\u201315 %", "12" },
    { "a range in millions", "a 1203455\nb 1534000", "$1.2\u20131.5M, 1.2 to 1.5 million", "" },
    { "a range of days", "2024-03-01\n2024-03-15", "March 1\u201315, 2024; 1\u201315 March 2024",
      "" },
    { "a wrong range of days", "2024-03-01\n2024-03-15",
      "March 1\u201316, 2024; 2\u201315 March 2024", "16 | 2" },
    { "a range's second number is right, its first is not", "a 0.1512\nb 12", "9\u201315 %", "9" },
    { "what only looks like a range", "a 0.1234\nb 0.1512", "12 % and 15 million", "15 million" },
    { "days of another month", "2024-03-01\n2024-04-16", "March 1 and 15", "15" },
    { "not a season", "2023\n3", "2023/25 and 2023-2", "25 | 2" },
    { "fractions that are none", "share 0.5", "3/2, 1/21 and 40/80", "3 | 2 | 1 | 21 | 40 | 80" },
    { "two that were printed", "a 3\nb 5", "3/5 and 3:5, but 3/4", "3/4" },
    { "a season", "2023\n2024", "in 2023/24 and 2023-24", "" },
    { "a quarter and a half-year", "2024-03-31", "Q1 2024, H1 2024, FY2024, FY24", "" },
    { "a decade", "1994 12\n1961 3", "in the 1990s and the 1960s", "" },
    { "a wrong decade", "1994 12", "in the 1980s", "1980" },
    { "a full date of another day", "2000-10-13\n2000 31 10", "31 October 2000, 10 October 2000",
      "31 October 2000 | 10 October 2000" },
    { "dates with two digits of a year", "31.12.24\n12/31/23", "31 December 2024, 2023-12-31", "" },
    { "whole hours", "hour 7 n 12\nhour 19 n 5", "at 07:00, 7 am, 7 PM, 19:00, 7:00 p.m.", "" },
    { "wrong whole hours", "hour 7 n 12", "at 08:00 and 9 pm", "08:00 | 9" },
    { "ratios", "ratio 3.02\nother 2.48", "3:1, 2.5:1 and 1:3", "" },
    { "wrong ratios", "ratio 3.82\nother 2.48", "3:1", "3:1" },
    { "a score that was printed", "home 3 away 2", "it ended 3:2", "" },
    { "fractions", "share 0.6648", "2/3 of them, or \\frac{2}{3}", "" },
    { "wrong fractions", "share 0.4648", "2/3 of them", "2/3" },
    { "times as many", "x 3.02\ny 2.49", "3x as many, 3 times, 2.5x, threefold", "" },
    { "words for shares", "share 0.66", "two thirds, doubled, twelve, a dozen, half", "" },
    { "Roman numerals", "", "Part IV, Louis XIV, Q IV", "" },
    { "names that are numbers", "", "No. 7, Nr. 8, the top 10, ISO 8601, RFC 4180, ISO-8859-1",
      "" },
    { "versions", "", "Python 3.11, pandas 2.2.1, version 1.4, v2.0, 10.0.0.1", "" },
    { "labels with parts", "", "Section 3.2, Figure 4.1, Table 2.3", "" },
    { "footnotes", "", "It grew.[1] So it is.[^2] And more.[1, 2][3]\n\n[^2]: A note", "" },
    { "a list in brackets is none", "", "the values are [14, 15]", "14 | 15" },
    { "LaTeX", "a 1234.5\nb 0.12", "$x = 1{,}234.5$, $12\\%$, \\$1,234.50, 1\\,234.5", "" },
    { "a wrong number in LaTeX", "a 1234.5\nb 0.12", "$x = 1{,}243.5$, $13\\%$", "1,243.5 | 13%" },
    { "powers of ten", "n 3210000\nm 0.00042",
      "3.21 \u00d7 10^6, 3.2\u00d710\u2076, $3.2 \\times 10^{6}$, 4.2 x 10^-4, "
      "4.2\u00b710\u207b\u2074",
      "" },
    { "wrong powers of ten", "n 3210000", "3.2 \u00d7 10^5", "3.2 \u00d7 10^5" },
    { "a percentile", "q 412.5 0.95 99", "the 95th percentile is 412.5", "" },
    { "basis points", "spread 0.0025", "25 basis points, 25 bps", "" },
    { "a level of confidence", "low 3.1 high 4.2", "95 % confidence interval 3.1 to 4.2 (95% CI)",
      "" },
    { "a bound of p", "p 0.00031", "p < 0.001, p<0.05, *p* < .01", "" },
    { "a bound of p that does not hold", "p 0.31", "p < 0.05", "0.05" },
    { "idioms", "", "24/7, the 80/20 rule", "" },
    { "millions in other languages", "sum 1234567",
      "1,2 Millionen, 1,23 Mio., 1,2 millones, 1,2 milioni, 1,2 miljoen, 1.2 mln", "" },
    { "billions in other languages", "sum 1234567890", "1,2 Milliarden, 1,2 milliards, 1,2 Mrd.",
      "" },
    { "a column in millions", "country gdp_millions\nFR 2803.1", "2,803 million, 2.8 billion",
      "2.8 billion" },
    { "the same, when no column is", "country gdp\nFR 2803.1", "2,803 million", "2,803 million" },
    { "a number with its unit makes no such column", "3 million and 2803.1", "2,803 million",
      "2,803 million" },
    { "two scale words", "a 12345678901", "12.3 thousand million, 12,3 mil milhões", "" },
    { "a currency's name before", "a 12.5\nb 48200", "EUR12.50, USD48.2k", "" },
    { "a phone number", "call +49 30 1234567", "call +49 30 1234567", "" },
    { "a comma in an English text is no decimal", "a 1.2341\nb 2.5", "1,234 against 2.5", "1,234" },
    { "a decimal comma with three digits", "a 1.234\nb 2.5", "1,234 gegen 2,5", "" },
    { "the neighbour of a whole number", "n 1352", "about 1,353", "1,353" },
    { "cut instead of rounded, and said so", "x 1352.9", "over 1,352", "" },
    { "parts of a number with commas", "total 1,352,417 rows", "352 and 417 of 1,352,417",
      "352 | 417" },
    { "fields of a row with commas", "a,352,417", "352 and 417", "" },
    { "part of a decimal number", "x 17.352", "352", "352" },
    { "a sum of two", "a 0.41\nb 0.17", "together 58 %", "58 %" },
    { "an average in the head", "a 10\nb 20", "15 on average", "15" },
    { "a number of a file name", "wrote sales_2031.csv", "2031", "2031" },
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

/* Does every word of a list do what one of them does above? `form` has the word at %s. */
static void each_word(const char *what, const char *const *words, size_t n, const char *printed,
                      const char *form, const char *misses)
{
    for (size_t i = 0; i < n; i++) {
        cleanup_buf struct buf text = BUF_MAX(1000), got = BUF_MAX(1000);
        struct ground *g = ground_new();
        struct ground_result r;
        const char *at = strstr(form, "%s");
        buf_put(&text, form, (size_t)(at - form));
        buf_puts(&text, words[i]);
        buf_puts(&text, at + 2);
        ground_printed(g, str_of(printed));
        ground_check(g, buf_str(&text), &r);
        join_misses(&r, &got);
        CHECK(r.checked + r.n_unmatched <= 2 && strcmp(buf_cstr(&got), misses) == 0,
              "%s: %s: not found: [%s], want [%s]", what, buf_cstr(&text), buf_cstr(&got), misses);
        ground_result_done(&r);
        ground_free(g);
    }
}
#define EACH(what, printed, form, misses, ...)                                                     \
    do {                                                                                           \
        static const char *const words[] = { __VA_ARGS__ };                                        \
        each_word(what, words, ARRAY_LEN(words), printed, form, misses);                           \
    } while (0)

static void test_words(void)
{
#define ABOUT_WORDS                                                                                \
    "about ", "around ", "roughly ", "circa ", "approximately ", "approx. ", "ca. ", "some ", "~", \
        "≈", "rund ", "etwa ", "около ", "near ", "close to ", "about $", "about €", "about **"
#define BELOW_WORDS                                                                                \
    "nearly ", "almost ", "under ", "below ", "at most ", "fast ", "knapp ", "up to ",             \
        "less than ", "fewer than ", "lower than ", "smaller than "
#define ABOVE_WORDS                                                                                \
    "over ", "more than ", "above ", "at least ", "which exceeds ", "exceeding ", "greater than "
    EACH("near", "x 3930", "It is %s4,000.", "", ABOUT_WORDS, BELOW_WORDS);
    EACH("near from above", "x 4100", "It is %s4,000.", "", ABOUT_WORDS, ABOVE_WORDS);
    EACH("the wrong side", "x 4100", "It is %s4,000.", "4,000", BELOW_WORDS);
    EACH("the wrong side", "x 3930", "It is %s4,000.", "4,000", ABOVE_WORDS);
    EACH("too far", "x 4500", "It is %s4,000.", "4,000", "about ", "nearly ");
    EACH("too far", "x 4900", "It is %s4,000.", "4,000", "over ");
    EACH("no such word", "x 3930", "It is %s4,000.", "4,000", "", "exactly ", "a ", "crossover ");

    EACH("a name", "", "In %s 7 it stands.", "", "table", "Figure", "Fig.", "chart", "step",
         "section", "page", "chapter", "appendix", "sheet", "note", "part", "figures", "tables",
         "steps", "No.", "Nr.", "№", "#", "cell", "top", "ISO", "RFC", "DIN", "Python", "pandas",
         "numpy", "version", "release", "matplotlib");
    EACH("a name with a point", "", "In %s 7.5 it stands.", "", "table", "Figure", "Fig.", "chart",
         "step", "section", "chapter", "appendix", "figures", "tables", "steps", "Python", "pandas",
         "numpy", "version", "release", "matplotlib");
    EACH("no name", "", "The %s 7.5.", "7.5", "page", "sheet", "note", "part", "top", "stable",
         "cell", "mean");
    EACH("a name's amount", "", "%s 7 million", "7 million", "top", "part");
    EACH("a name's share", "", "%s 7 %", "7 %", "top", "part");

    EACH("no file", "", "It is in made_7.%s there.", "", "nothing", "c");
    static const char *const endings[] = {
        "png", "jpg",    "jpeg",    "svg",     "gif", "webp", "pdf", "csv", "tsv",  "xlsx",
        "xls", "json",   "jsonl",   "html",    "htm", "md",   "txt", "zip", "py",   "ipynb",
        "db",  "sqlite", "parquet", "feather", "pkl", "npy",  "npz", "xml", "docx", "pptx",
    };
    for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
        cleanup_free char *want = xasprintf("made.%s", endings[i]);
        each_word("a file", &endings[i], 1, "", "It is in made.%s there.", want);
    }

    EACH("thousands", "x 1234567", "It is 1234,6 %s.", "", "thousand", "tsd", "Tausend", "mille",
         "mil", "тыс.", "千");
    EACH("thousands and thousands", "x 1234567", "It is 12.3 %s.", "", "lakh", "lakhs");
    EACH("hundreds", "x 1234567", "It is 12345.7 %s.", "", "hundred");
    EACH("tens of thousands", "x 1234567", "It is 123.5 %s.", "", "万", "萬");
    EACH("millions", "x 1234567", "It is 1,2 %s.", "", "million", "millions", "mn", "mln", "Mio",
         "Millionen", "millones", "milioni", "miljoen", "milhões", "млн", "миллиона");
    EACH("millions by a letter", "x 1234567", "It is 1,2%s.", "", "m", "M");
    EACH("billions by a letter", "x 1234567890", "It is 1,2%s.", "", "b", "B");
    EACH("trillions by a letter", "x 1234567890123", "It is 1,23%s.", "", "t", "T");
    EACH("tens of millions", "x 12345678", "It is 1.23 %s.", "", "crore", "crores");
    EACH("hundreds of millions", "x 1234567890", "It is 12.3 %s.", "", "亿", "億");
    EACH("billions", "x 1234567890", "It is 1,2 %s.", "", "billion", "bn", "Mrd", "mld",
         "Milliarden", "milliards", "miliardi", "miljard", "млрд", "миллиарда", "mille milioni",
         "mil milhões", "thousand million");
    EACH("a billion", "x 1e9", "It is 1 %s.", "", "Milliarde", "milliard");
    EACH("trillions", "x 1234567890123", "It is 1,23 %s.", "", "trillion", "milliers de milliards");
    EACH("no scale", "x 1234567", "It is 1,2 %s.", "1,2", "mnemonics", "milk", "kilos", "Mister");

    EACH("percent", "x 0.1234", "It is 12%s.", "", "%", " %", " percent", " per cent", " pct",
         " pp", " Prozent", " процентов", " percentage points");
    EACH("basis points", "x 0.0025", "It is 25 %s.", "", "bp", "bps", "basis points");
    EACH("a unit", "x 2.7", "It took 3%s.", "", " km", " kg", " cm", " mm", " ms", " GB", " MB",
         " KB", " g of", " m and", " h in", " s in", " °C", " €", " $", " USD", " EUR", " hours",
         " min", " sec", " days", " weeks", " months", " years", " litres", " liters", " miles",
         "x", "×", " times", "-fold");
    EACH("no unit", "x 2.7", "It took 3%s.", "3", " cats", " xyz", " folders");
    EACH("a currency", "x 2.7", "It was %s3.", "", "$", "€", "£", "¥", "₹", "₽", "USD ", "EUR ",
         "GBP ", "CHF ", "USD");
    EACH("a level", "", "the 95%s", "", "% confidence interval", "% CI", "%-confidence band",
         " percent confidence", " % CI");
    EACH("no level", "", "the 95 %s", "95 %", "% confident", "% CIO", "% of all");
    EACH("no level", "", "the 85 %s", "85 %", "% confidence interval");
    EACH("the hour", "hour 19 0", "at 7%s", "", " pm", "pm", " PM", " p.m.", ":00 pm");
    EACH("the hour", "hour 7 0", "at 7%s", "", " am", "am", " AM", " a.m.", ":00 am", ":00");
    EACH("midnight and noon", "hour 0", "at 12%s", "", " am");
    EACH("midnight and noon", "hour 12", "at 12%s", "", " pm");
    EACH("no hour", "hour 19", "at 7%s", "7", " pmol", " amps", " o'clock");
    EACH("a bound", "p 0.0003", "%s 0.001", "", "p <", "p<", "*p* <", "P ≤", "p-value <");
    EACH("no bound", "p 0.0003", "%s 0.001", "0.001", "gap <", "p =", "p >", "p");
    EACH("ten to the power", "x 3210000", "3.2%s.", "", "e6", "E+6", " x 10^6", "×10^{6}", "*10**6",
         " · 10⁶", "⋅10⁶", " \\times 10^6", " \\cdot 10^{6}");
    EACH("ten to the power", "x 0.00000321", "3.2%s.", "", "e-6", "E-06", " x 10^-6", "×10^{-6}",
         " · 10⁻⁶");
    EACH("a range", "a 0.1234\nb 0.1512", "%s 15 %", "", "12 -", "12 to", "12 and", "12 bis");
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
    test_words();
    test_sources();
    test_any();
    return tap_done();
}
