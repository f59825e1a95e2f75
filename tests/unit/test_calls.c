/* What models write for tool calls: arguments that are broken in every way that was seen, and code
 * in fences; and pictures as the sandbox hands them out. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/base64.h"
#include "agent/base/json.h"
#include "agent/base/mem.h"
#include "agent/callargs.h"
#include "agent/convo.h"
#include "agent/fences.h"
#include "agent/pictures.h"
#include "tests/unit/tap.h"

static const struct {
    const char *in;
    bool cut;
    const char *out; /* the object; NULL = refused, and then a piece of why: */
    const char *why;
} args[] = {
    { "{\"code\":\"1\"}", false, "{\"code\":\"1\"}", NULL },
    { "{}", false, "{}", NULL },
    { "\"{\\\"code\\\":\\\"1\\\"}\"", false, "{\"code\":\"1\"}", NULL },
    { "\"print(1)\"", false, "{\"code\":\"print(1)\"}", NULL },
    { "\"\"", false, NULL, "not a JSON object" },
    { "\"{\\\"code\\\":\\\"1\"", false, NULL, "not a JSON object" },
    { "```json\n{\"code\":\"1\"}\n```", false, "{\"code\":\"1\"}", NULL },
    { "```\n{\"code\":\"1\"}```", false, "{\"code\":\"1\"}", NULL },
    { "```python\nprint(1)\n```", false, NULL, "not JSON" },
    { "{\"code\":\"1\",}", false, "{\"code\":\"1\"}", NULL },
    { "{\"a\":[1,2,],\"code\":\"a,}\"}", false, "{\"a\":[1,2],\"code\":\"a,}\"}", NULL },
    { "{\"code\":\"it\\'s\"}", false, "{\"code\":\"it's\"}", NULL },
    { "{\"code\":\"1\"", false, "{\"code\":\"1\"}", NULL },
    { "{\"a\":[{\"code\":\"1\"", false, "{\"a\":[{\"code\":\"1\"}]}", NULL },
    { "{\"code\":\"1\"}}", false, "{\"code\":\"1\"}", NULL },
    { "{\"code\":\"1\"}]}\n", false, "{\"code\":\"1\"}", NULL },
    { "{\"code\":\"a\nb\"}", false, "{\"code\":\"a\\nb\"}", NULL },
    /* each of these could mean several things */
    { "{\"code\":\"1\"", true, NULL, "cut off at your output limit" },
    { "{\"code\":\"pri", true, NULL, "cut off at your output limit" },
    { "{\"code\":\"pri", false, NULL, "not JSON" },
    { "{\"code\":\"1\",", false, NULL, "not JSON" },
    { "{\"code\":\"1\"}{\"code\":\"2\"}", false, NULL, "not JSON" },
    { "{\"code\":\"1\"} thanks", false, NULL, "not JSON" },
    { "{'code':'1'}", false, NULL, "not JSON" },
    { "{\"code\":\"\\d+\\n\"}", false, NULL, "not JSON" },
    { "{\"code\":\"say \"hi\"\"}", false, NULL, "not JSON" },
    { "{\"code\":[1}", false, NULL, "not JSON" },
    { "print(1)", false, NULL, "not JSON" },
    { "", false, NULL, "empty" },
    { "null", false, NULL, "not a JSON object" },
    { "[\"1\"]", false, NULL, "not a JSON object" },
    { "7", false, NULL, "not a JSON object" },
};

static void arguments(void)
{
    for (size_t i = 0; i < ARRAY_LEN(args); i++) {
        cleanup_buf struct buf why = BUF_MAX(1000);
        struct callargs r;
        callargs_read(args[i].in, args[i].cut, "code", &r, &why);
        cleanup_json cJSON *o = r.object;
        cleanup_free char *text = o ? json_text(o) : NULL;
        bool plain = args[i].out && strcmp(args[i].in, args[i].out) == 0;
        bool ok = args[i].out ? text && strcmp(text, args[i].out) == 0 && why.n == 0
                              : text == NULL && strstr(buf_cstr(&why), args[i].why);
        if (!CHECK(ok && (!plain || r.mended == NULL), "arguments %zu", i))
            printf("# %s, %s, %s\n", text ? text : "(none)", buf_cstr(&why),
                   r.mended ? r.mended : "-");
    }
    cleanup_buf struct buf why = BUF_MAX(1000), deep = BUF_MAX(1 << 20);
    struct callargs r;
    callargs_read("\"x\"", false, NULL, &r, &why);
    CHECK(r.object == NULL, "a bare string is no argument where the tool has several");
    for (int i = 0; i < 100000; i++)
        buf_puts(&deep, "{\"a\":");
    callargs_read(buf_cstr(&deep), false, "code", &r, &why);
    CHECK(r.object == NULL, "100,000 braces are not mended");
}

static const struct {
    const char *in, *out; /* blocks as "[code]", "(code)" when the fence is open */
} fences[] = {
    { "no code", "" },
    { "a\n```python\nx = 1\nprint(x)\n```\nb", "[x = 1\nprint(x)\n]" },
    { "```py\n1\n```\n```Python3 title=x\n2\n```", "[1\n][2\n]" },
    { "```\n1\n```\n```json\n```python\n```\n```python\n3\n```", "[3\n]" },
    { "````python\ns = '''\n```\n'''\n````", "[s = '''\n```\n'''\n]" },
    { "~~~python\n1\n~~~", "[1\n]" },
    { "  ```python\n1\n  ```", "[1\n]" },
    { "    ```python\n1\n```", "" },
    { "```python\r\n1\r\n```\r\n", "[1\r\n]" },
    { "```python\n1", "(1)" },
    { "```python\n1\n``` not closed\n2\n", "(1\n``` not closed\n2\n)" },
    { "say ```python 1``` inline", "" },
    { "```python x``` inline\n1\n", "" },
    { "```pythonic\n1\n```", "" },
    { "```{python}\n1\n```", "" },
    { "```python\n```", "[]" },
};

static void blocks(void)
{
    for (size_t i = 0; i < ARRAY_LEN(fences); i++) {
        cleanup_buf struct buf out = BUF_MAX(1000);
        struct str text = str_of(fences[i].in), code;
        bool whole;
        while (fence_next(&text, &code, &whole)) {
            buf_putc(&out, whole ? '[' : '(');
            buf_putstr(&out, code);
            buf_putc(&out, whole ? ']' : ')');
        }
        if (!CHECK(strcmp(buf_cstr(&out), fences[i].out) == 0, "fences %zu", i))
            printf("# %s\n", buf_cstr(&out));
    }
}

static const char head[] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\2\0\0\0\3\10\6\0\0\0crc.";
static const char pixels[] = "\0\0\0\4IDATabcdcrc.";
static const char end[] = "\0\0\0\0IENDcrc.";

static struct buf png(const char *a, size_t an, const char *b, size_t bn, const char *c, size_t cn)
{
    struct buf out = BUF_MAX(1000);

    buf_put(&out, a, an);
    buf_put(&out, b, bn);
    buf_put(&out, c, cn);
    return out;
}

static void pictures(void)
{
    enum { H = sizeof head - 1, P = sizeof pixels - 1, E = sizeof end - 1 };
    cleanup_buf struct buf good = png(head, H, pixels, P, end, E),
                           no_pixels = png(head, H, end, E, "", 0);
    cleanup_buf struct buf more = png(head, H, pixels, P, end, E),
                           huge = png(head, H, pixels, P, end, E);

    buf_puts(&more, "x");
    huge.p[17] = 1; /* 65,536 pixels wide */
    CHECK(picture_fault("image/png", buf_str(&good)) == NULL, "a whole PNG");
    bool all_cut = true;
    for (size_t n = 0; n < good.n; n++)
        all_cut = all_cut && picture_fault("image/png", (struct str){ good.p, n });
    CHECK(all_cut, "cut anywhere it is none");
    CHECK(picture_fault("image/png", buf_str(&no_pixels)) &&
              picture_fault("image/png", buf_str(&more)) &&
              strstr(picture_fault("image/png", buf_str(&huge)), "8000"),
          "without pixels, with more behind its end, or huge, it is none");
    CHECK(picture_fault("image/jpeg", buf_str(&good)) &&
              picture_fault("image/jpeg", STR("\xFF\xD8\xFF\xE0")) &&
              picture_fault("image/jpeg", STR("\xFF\xD8\xFF\xE0\xFF\xD9")) == NULL,
          "a JPEG by its begin and end");

    struct convo c = { 0 };
    convo_user(&c, "q");
    for (int i = 0; i < 3; i++) {
        struct chat_image *im = xcalloc(2, sizeof *im);
        for (int k = 0; k < 2; k++)
            im[k] = (struct chat_image){ xstrdup("image/png"), xasprintf("%d%d", i, k), 2 };
        convo_tool(&c, &(struct chat_call){ (char *)"c", (char *)"f", (char *)"{}" }, "out", false);
        convo_images(&c, im, 2);
        convo_limit_images(&c, 3);
    }
    CHECK(c.m[1].n_images == 0 && c.m[2].n_images == 1 && c.m[3].n_images == 2 &&
              strcmp(c.m[2].images[0].data, "11") == 0 && strstr(c.m[1].text, "no longer shown"),
          "the newest pictures are kept, and what is gone is said");
    convo_free(&c);
}

int main(void)
{
    arguments();
    blocks();
    pictures();
    return tap_done();
}
