/* Markdown for a terminal: golden text by rows, the width kept, any fragmentation the same, nothing
 * foreign that could drive the terminal. Colours are written here as {codes}. */
#include <stdlib.h>
#include <string.h>
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/highlight.h"
#include "agent/markdown.h"
#include "tests/unit/tap.h"
#include "agent/base/banned.h"

static const struct {
    const char *name;
    size_t columns;
    bool colour, ascii;
    const char *in, *want;
} cases[] = {
    { "plain text", 80, true, false, "one\ntwo", "one\ntwo\n" },
    { "wrapped between words", 12, true, false, "one two three four", "one two\nthree four\n" },
    { "a word wider than the window", 10, true, false, "abcdefghijklmno", "abcdefghij\nklmno\n" },
    { "wide characters", 12, true, false, "漢字漢字漢字漢字", "漢字漢字漢字\n漢字\n" },
    { "bold, italic, code, struck", 80, true, false, "**b** *i* `c` ~~s~~ ***x***",
      "{0;1}b{0} {0;3}i{0} {0;36}c{0} {0;9}s{0} {0;1;3}x{0}\n" },
    { "without colour the code keeps its marks", 80, false, false, "**b** *i* `c`", "b i `c`\n" },
    { "no emphasis inside of words and sums", 80, true, false, "a_b_c 2*3*4 * x _ **",
      "a_b_c 2*3*4 * x _ **\n" },
    { "an escape", 80, true, false, "\\*a\\* C:\\x", "*a* C:\\x\n" },
    { "code hides emphasis", 80, true, false, "*a `b*` c*", "{0;3}a {0;3;36}b*{0;3} c{0}\n" },
    { "a link shows where it leads", 80, true, false, "[x](http://e.org)",
      "{0;4}x{0;2} (http://e.org){0}\n" },
    { "a bare link", 80, true, false, "<http://e.org> <b>", "{0;4}http://e.org{0} <b>\n" },
    { "headings", 80, true, false, "# One\n## Two\n### Three #",
      "{0;1;4;36}One{0}\n{0;1;36}Two{0}\n{0;1}Three{0}\n" },
    { "headings without colour", 80, false, false, "## Two\n#no", "## Two\n#no\n" },
    { "lists", 20, false, false, "- one two three four five\n  1. sub\n* x",
      "• one two three four\n  five\n  1. sub\n• x\n" },
    { "lists in ASCII", 20, false, true, "- one\n> q", "- one\n| q\n" },
    { "a quotation", 20, false, false, "> one two three four five\n>> deep",
      "│ one two three four\n│ five\n│ │ deep\n" },
    { "blank lines come one at a time", 80, true, false, "\n\na\n\n\nb\n\n", "a\n\nb\n" },
    { "a rule", 12, false, true, "---", "-----------\n" },
    { "code", 80, true, false, "```python\nif x: # y\n    return 'a' + 1\n```\nz",
      "    {0;35}if{0} x: {0;2;3}# y{0}\n        {0;35}return{0} {0;32}'a'{0} + {0;36}1{0}\nz\n" },
    { "code without colour has its fences", 80, false, false, "~~~\n**a**\n~~~\n",
      "~~~\n    **a**\n~~~\n" },
    { "a string over lines", 80, true, false, "```py\nx = \"\"\"a\nif b\"\"\"\n```",
      "    x = {0;32}\"\"\"a{0}\n    {0;32}if b\"\"\"{0}\n" },
    { "code that never ends", 80, false, false, "```\na\n\nb", "```\n    a\n    \n    b\n" },
    { "a table", 40, false, true, "| a | bb |\n|:-|-:|\n| x | 1 |\n| yyy | 22 |\n",
      "a   | bb\n----+---\nx   |  1\nyyy | 22\n" },
    { "a table is cut to the width", 20, false, false,
      "|name|text|\n|-|-|\n|abc|a text that is long|\n",
      "name │ text\n─────┼──────────────\nabc  │ a text that …\n" },
    { "columns that have no room are marked", 20, false, true,
      "|a|b|c|d|e|f|\n|-|-|-|-|-|-|\n|111|222|333|444|555|666|\n",
      "a   | b   | c   | ~\n----+-----+-----+--\n111 | 222 | 333 | ~\n" },
    { "a column sign in code or escaped", 40, false, true, "a|b\n-|-\n`x|y`|z\\|w\n",
      "a     | b\n------+----\n`x|y` | z|w\n" },
    { "columns but no table", 40, false, false, "a | b\nc", "a | b\nc\n" },
    { "DOS line ends and tabs", 40, false, false, "a\r\n\tb\r\n", "a\n    b\n" },
    { "controls are shown", 80, true, false, "a\033[2Jb\007 `\033]0;x\007`\rz",
      "a\\x1b[2Jb\\x07 {0;36}\\x1b]0;x\\x07{0}\\rz\n" },
    { "controls in tables and code", 80, false, true, "|a|\n|-|\n|\033[1m|\n\n```\n\033c\n```",
      "a\n-------\n\\x1b[1m\n\n```\n    \\x1bc\n```\n" },
    { "no UTF-8", 80, true, false, "a\xff\xc3", "a\xEF\xBF\xBD\xEF\xBF\xBD\n" },
};

/* ESC [ codes m is written {codes}. */
static char *readable(struct str s)
{
    struct buf b = BUF_MAX(1 << 20);

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\033' && i + 1 < s.n && s.p[i + 1] == '[') {
            buf_putc(&b, '{');
            for (i += 2; i < s.n && s.p[i] != 'm'; i++)
                buf_putc(&b, s.p[i]);
            buf_putc(&b, '}');
        } else {
            buf_putc(&b, s.p[i]);
        }
    }
    return buf_steal(&b);
}

static void in_pieces(size_t step, size_t i, struct buf *out)
{
    struct markdown_look look = { cases[i].columns, cases[i].colour, cases[i].ascii };
    struct markdown *m = markdown_new();
    struct str in = str_of(cases[i].in);

    while (in.n) {
        size_t n = in.n < step ? in.n : step;
        cleanup_buf struct buf unused = BUF_MAX(1 << 20);
        markdown_feed(m, (struct str){ in.p, n }, &look, out);
        markdown_rest(m, &look, &unused); /* changes nothing */
        in = str_from(in, n);
    }
    markdown_end(m, &look, out);
    markdown_free(m);
}

static void test_cases(void)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct markdown_look look = { cases[i].columns, cases[i].colour, cases[i].ascii };
        cleanup_buf struct buf whole = BUF_MAX(1 << 20);
        markdown_render(str_of(cases[i].in), &look, &whole);
        cleanup_free char *got = readable(buf_str(&whole));
        CHECK(!strcmp(got, cases[i].want), "%s", cases[i].name);
        if (strcmp(got, cases[i].want))
            printf("# got:\n%s# want:\n%s", got, cases[i].want);
        bool same = true;
        for (size_t step = 1; step < 5; step++) {
            cleanup_buf struct buf parts = BUF_MAX(1 << 20);
            in_pieces(step, i, &parts);
            same = same && str_eq(buf_str(&whole), buf_str(&parts));
        }
        CHECK(same, "%s: the same in pieces", cases[i].name);
    }
}

static void test_rest(void)
{
    struct markdown_look look = { 40, false, true };
    struct markdown *m = markdown_new();
    cleanup_buf struct buf out = BUF_MAX(1 << 20), rest = BUF_MAX(1 << 20);

    markdown_feed(m, STR("x\n|a|b|\n|-|-|\n|1|2|\n|3"), &look, &out);
    markdown_rest(m, &look, &rest);
    CHECK(!strcmp(buf_cstr(&out), "x\n") && !strcmp(buf_cstr(&rest), "a | b\n--+--\n1 | 2\n3 | \n"),
          "a table that grows: %s", buf_cstr(&rest));
    buf_clear(&rest);
    markdown_end(m, &look, &out);
    markdown_feed(m, STR("stra\303"), &look, &out);
    markdown_rest(m, &look, &rest);
    CHECK(!strcmp(buf_cstr(&rest), "stra\n"), "half a character waits");
    markdown_free(m);
}

/* What would take the square of its length. */
static void test_hard(void)
{
    static const char *const units[] = { "*",  "**a ",     "[",  "![a](", "`",
                                         "_a", "<http://", "| ", "> " };
    struct markdown_look look = { 80, true, false };

    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        cleanup_buf struct buf in = BUF_MAX(1 << 20), out = BUF_MAX(SIZE_MAX / 8);
        while (in.n < 20000)
            buf_puts(&in, units[i]);
        markdown_render(buf_str(&in), &look, &out);
        CHECK(!out.over, "20,000 bytes of %s", units[i]);
    }
}

static void test_highlight(void)
{
    static const struct {
        const char *language, *line, *want;
    } rows[] = {
        { "js", "const a = `x`; // y", "{0;35}const{0} a = {0;32}`x`{0}; {0;2;3}// y{0}" },
        { "bash", "for i in $(ls); do echo \"$i\"; done",
          "{0;35}for{0} i {0;35}in{0} $(ls); {0;35}do{0} echo {0;32}\"$i\"{0}; {0;35}done{0}" },
        { "sql", "SELECT a -- b", "{0;35}SELECT{0} a {0;2;3}-- b{0}" },
        { "json", "{\"a\": null}", "{{0;32}\"a\"{0}: {0;35}null{0}}" },
        { "python", "'it\\'s' f(1.5)", "{0;32}'it\\'s'{0} {0;34}f{0}({0;36}1.5{0})" },
        { "python", "'open", "{0;32}'open{0}" },
        { "nothing", "if 1", "if 1" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup_styled struct styled t = STYLED_INIT;
        cleanup_buf struct buf out = BUF_MAX(1 << 16);
        struct highlight_state st = { 0 };
        highlight_line(highlight_find(str_of(rows[i].language)), &st, str_of(rows[i].line), &t);
        styled_write(&t, 0, t.text.n, true, &out);
        cleanup_free char *got = readable(buf_str(&out));
        CHECK(!strcmp(got, rows[i].want), "%s: %s", rows[i].language, got);
    }
}

int main(void)
{
    test_cases();
    test_rest();
    test_hard();
    test_highlight();
    return tap_done();
}
