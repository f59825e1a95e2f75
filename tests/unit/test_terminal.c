/* What foreign code may do to a terminal, whole and in pieces of every size. */
#include <string.h>
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/terminal.h"
#include "tests/unit/tap.h"
#include "agent/base/banned.h"

#define ESC "\033"

static const struct {
    const char *what, *in;
    bool passes; /* as it is; else no ESC and no control byte comes out */
} cases[] = {
    { "text, tabs and line ends", "a\tb\r\nc\bd", true },
    { "letters of other scripts", "naïve 数据 \xf0\x9f\x93\x88", true },
    { "colours", ESC "[1;31mred" ESC "[0m", true },
    { "a progress bar",
      "10%\r" ESC "[2K20%\r" ESC "[K" ESC "[2A" ESC "[3B" ESC "[4C" ESC "[5D" ESC "[6G", true },
    { "the title", ESC "]0;mine\a", false },
    { "the clipboard", ESC "]52;c;aGk=\a", false },
    { "a link",
      ESC "]8;;http://evil.example/\a"
          "text" ESC "]8;;\a",
      false },
    { "a report of the cursor, typed back", ESC "[6n", false },
    { "what terminal it is", ESC "[c", false },
    { "clearing the screen", ESC "[2J", false },
    { "another cursor position", ESC "[1;1H", false },
    { "the other screen", ESC "[?1049h", false },
    { "the mouse", ESC "[?1000h", false },
    { "scrolling regions", ESC "[1;2r", false },
    { "full reset", ESC "c", false },
    { "device control", ESC "P$q q" ESC "\\", false },
    { "an application's own words", ESC "_Gi=1;AAAA" ESC "\\", false },
    { "a sequence within a sequence", ESC "[" ESC "]0;x\a", false },
    { "C1 controls in UTF-8",
      "\xc2\x9b"
      "2J",
      false },
    { "C1 controls as bytes",
      "\x9b"
      "2J",
      false },
    { "broken UTF-8", "\xc3(\xf0\x9f\xff", false },
    { "the bell", "\a", false },
    { "delete", "\x7f", false },
    { "shift out", "\x0e", false },
    { "the direction of text",
      "\xe2\x80\xae"
      "txt.exe",
      false },
};

static void feed(const char *in, size_t piece, struct buf *out)
{
    struct terminal t = { 0 };
    size_t n = strlen(in);

    for (size_t i = 0; i < n; i += piece)
        terminal_filter(&t, (struct str){ in + i, n - i < piece ? n - i : piece }, out);
}

static bool is_harmless(const struct buf *b)
{
    for (size_t i = 0; i < b->n; i++) {
        unsigned char c = (unsigned char)b->p[i];
        if ((c < ' ' && c != '\n' && c != '\r' && c != '\t' && c != '\b') || c == 0x7f)
            return false;
        if (c == 0xc2 && i + 1 < b->n && (unsigned char)b->p[i + 1] < 0xa0)
            return false;
    }
    return utf8_valid(buf_str(b)) && memmem(b->p, b->n, "\xe2\x80\xae", 3) == NULL;
}

int main(void)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf whole = BUF_MAX(4096);
        feed(cases[i].in, strlen(cases[i].in), &whole);
        CHECK(cases[i].passes ? strcmp(buf_cstr(&whole), cases[i].in) == 0 : is_harmless(&whole),
              "%s: %s", cases[i].what, cases[i].passes ? "passes" : "is shown, not obeyed");
        for (size_t piece = 1; piece < 8; piece++) {
            struct buf parts = BUF_MAX(4096);
            feed(cases[i].in, piece, &parts);
            CHECK(str_eq(buf_str(&parts), buf_str(&whole)), "%s: the same in pieces of %zu",
                  cases[i].what, piece);
            buf_free(&parts);
        }
        buf_free(&whole);
    }

    /* A sequence that never ends is not held for ever, nor is what comes after it. */
    struct terminal t = { 0 };
    struct buf out = BUF_MAX(4096), long_one = BUF_MAX(4096);
    buf_puts(&long_one, ESC "[");
    for (int i = 0; i < 300; i++)
        buf_puts(&long_one, "1;");
    buf_puts(&long_one, "H after");
    terminal_filter(&t, buf_str(&long_one), &out);
    CHECK(is_harmless(&out) && str_ends(buf_str(&out), "H after"),
          "a sequence without end is text");
    buf_clear(&out);
    terminal_filter(&t, str_of(ESC "[1"), &out);
    CHECK(out.n == 0, "half a sequence waits");
    terminal_filter(&t, str_of("mx"), &out);
    CHECK(strcmp(buf_cstr(&out), ESC "[1mx") == 0, "until it is whole");
    buf_free(&out);
    buf_free(&long_one);
    return tap_done();
}
