/* Notebook code as plain Python, and Markdown as HTML that nothing in it can break out of. */
#include <stdlib.h>
#include <string.h>
#include "agent/base/limits.h"
#include "agent/export_source.h"
#include "agent/html.h"
#include "tap.h"

static const char *const files[] = { "a.csv" };

static void test_source(void)
{
    static const struct {
        const char *name, *in, *want;
        bool show;
        int failed_at;
    } cases[] = {
        { "the last value is shown", "x = 1\nx\n", "x = 1\ndisplay(x)\n", true, 0 },
        { "not without a value in the record", "x = 1\nx\n", "x = 1\nx\n", false, 0 },
        { "behind a semicolon", "x = 1; x", "x = 1; display(x)\n", true, 0 },
        { "over several lines", "f(\n 1,\n)\n", "display(f(\n 1,\n))\n", true, 0 },
        { "with a comment", "x  # y", "display(x  # y\n)\n", true, 0 },
        { "a bracket in a text is none", "s = '('\ns", "s = '('\ndisplay(s)\n", true, 0 },
        { "print shows itself", "print(1)", "print(1)", true, 0 },
        { "from the failed statement on", "a = 1\nfor i in x:\n    f(i)\nb = 2\n",
          "a = 1\n# for i in x:\n#     f(i)\n# b = 2\n", false, 3 },
        { "a decorator belongs to what it decorates", "a = 1\n@d\ndef f():\n    pass\n",
          "a = 1\n# @d\n# def f():\n#     pass\n", false, 3 },
        { "all of it", "a = (\n", "# a = (\n", false, -1 },
        { "a magic in a block", "if x:\n    %matplotlib inline\n",
          "if x:\n    pass  # a notebook's line: %matplotlib inline\n", false, 0 },
        { "a magic in a text is text", "s = '''\n%time x\n!ls\n'''\n",
          "s = '''\n%time x\n!ls\n'''\n", false, 0 },
        { "a modulo is no magic", "x = (7\n% 2)\n", "x = (7\n% 2)\n", false, 0 },
        { "a command", "!echo \"{x}\"\n", "_shell(\"echo \\\"{x}\\\"\")\n", false, 0 },
        { "its output", "y = !ls\n", "y = _shell(\"ls\", lines=True)\n", false, 0 },
        { "paths", "open('/data/a.csv'); open(\"/workspace/b\"); '/data/else'\n",
          "open('a.csv'); open(\"b\"); '/data/else'\n", false, 0 },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct source_opts o = { files, 1, cases[i].show, cases[i].failed_at };
        struct source_needs needs = { false };
        struct buf b = BUF_MAX(1 << 16);
        source_plain(&b, str_of(cases[i].in), &o, &needs);
        CHECK(strcmp(buf_cstr(&b), cases[i].want) == 0, "source: %s: %s", cases[i].name,
              buf_cstr(&b));
        buf_free(&b);
    }
    CHECK(source_awaits(STR("x = 1\nawait f()\n")) &&
              source_awaits(STR("async for i in x:\n  1\n")),
          "await outside of functions is seen");
    CHECK(!source_awaits(STR("async def f():\n    await g()\n'await'  # await\nawaiting = 1\n")),
          "and within them it is none");
}

static void test_markdown(void)
{
    static const char *const marks[] = { "12", "b.csv" };
    static const struct {
        const char *in, *want;
    } cases[] = {
        { "12, 120, 3.12, 12%, a12", "<p><mark title=\"t\">12</mark>, 120, 3.12, "
                                     "<mark title=\"t\">12</mark>%, a12</p>\n" },
        { "`b.csv`", "<p><code><mark title=\"t\">b.csv</mark></code></p>\n" },
        { "<b>x</b>", "<p>&lt;b&gt;x&lt;/b&gt;</p>\n" },
        { "[x](JavaScript:alert(1)) [y](data:text/html,x)", "<p>x y</p>\n" },
        { "[x](https://e.org/\"onclick=)",
          "<p><a rel=\"noopener noreferrer\" href=\"https://e.org/&quot;onclick=\">x</a></p>\n" },
        { "![a](http://e.org/p.png)", "<p>[a: http://e.org/p.png]</p>\n" },
        { "&amp;&#x202e;", "<p>&amp;&amp;#x202e;</p>\n" },
    };
    struct html_markdown o = { marks, 2, "t", NULL, NULL };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf b = BUF_MAX(1 << 16);
        html_markdown(&b, str_of(cases[i].in), &o);
        CHECK(strcmp(buf_cstr(&b), cases[i].want) == 0, "markdown: %s: %s", cases[i].in,
              buf_cstr(&b));
        buf_free(&b);
    }
    struct buf in = BUF_MAX(MAX_MARKDOWN_BYTES), out = BUF_MAX(1u << 30);
    for (int i = 0; i < 1000; i++)
        buf_puts(&in, "|a");
    buf_puts(&in, "\n");
    for (int i = 0; i < 1000; i++)
        buf_puts(&in, "|---");
    for (int i = 0; i < 10000; i++)
        buf_puts(&in, "\n|x");
    html_markdown(&out, buf_str(&in), NULL);
    CHECK(out.n > in.n && out.n < in.n * 2 && str_starts(buf_str(&out), "<pre>"),
          "a table that would swell a thousandfold is shown as it stands: %zu of %zu", out.n, in.n);
    buf_free(&in);
    buf_free(&out);
}

int main(void)
{
    test_source();
    test_markdown();
    return tap_done();
}
