/* The floor: strings, UTF-8, JSON guards, files, stops, redaction. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/json.h"
#include "agent/base/log.h"
#include "agent/base/mem.h"
#include "agent/base/stop.h"
#include "agent/base/utf8.h"
#include "tests/unit/tap.h"

static void test_str(void)
{
    struct str s = STR("a,b"), head;
    long long v = 7;

    CHECK(str_cut(&s, ',', &head) && str_is(head, "a") && str_is(s, "b"), "cut at a separator");
    CHECK(!str_cut(&s, ',', &head) && str_is(head, "b") && s.n == 0, "cut without one");
    CHECK(str_is(str_trim(STR(" \t x y\r\n")), "x y"), "trim");
    CHECK(str_to_ll(STR("-42"), &v) && v == -42, "number");
    CHECK(!str_to_ll(STR("4 2"), &v) && !str_to_ll(STR(""), &v) && !str_to_ll(STR(" 4"), &v) &&
              !str_to_ll(STR("99999999999999999999"), &v) && v == -42,
          "what is no number leaves the result alone");

    struct buf b = BUF_MAX(4);
    buf_puts(&b, "abc");
    buf_puts(&b, "de");
    CHECK(b.over && str_is(buf_str(&b), "abc"), "a buffer stops whole at its cap");
    buf_putc(&b, 'x');
    CHECK(b.n == 3, "and stays stopped");
    buf_clear(&b);
    buf_puts(&b, "wxyz");
    CHECK(!b.over && b.n == 4, "until it is cleared");
    buf_drop_front(&b, 3);
    CHECK(str_is(buf_str(&b), "z"), "drop from the front");
    buf_free(&b);
}

static void test_utf8(void)
{
    static const struct {
        const char *name, *in, *want;
    } cases[] = {
        { "plain text and newlines stay", "a\tb\n", "a\tb\n" },
        { "escape sequences become visible", "\x1b]0;x\a", "\\x1b]0;x\\x07" },
        { "C1 controls in UTF-8 too",
          "\xC2\x9B"
          "31m",
          "\\x9b31m" },
        { "overlong forms are no UTF-8", "\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD" },
        { "surrogates are no UTF-8", "\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD" },
        { "right-to-left override becomes visible",
          "a\xE2\x80\xAE"
          "b",
          "a\\u202eb" },
        { "CR LF is a line end", "a\r\nb", "a\nb" },
        { "a lone CR is a control", "a\rb", "a\\rb" },
        { "four-byte characters stay", "\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80" },
        { "a cut sequence is replaced", "\xF0\x9F\x98", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf b = BUF_MAX(1000);
        utf8_clean(&b, str_of(cases[i].in));
        CHECK(strcmp(buf_cstr(&b), cases[i].want) == 0, "%s (got \"%s\")", cases[i].name,
              buf_cstr(&b));
        buf_free(&b);
    }
    CHECK(utf8_head(STR("a\xE2\x82\xAC"), 2).n == 1 && utf8_head(STR("a\xE2\x82\xAC"), 3).n == 1 &&
              utf8_head(STR("a\xE2\x82\xAC"), 4).n == 4,
          "head does not cut a character");
    CHECK(utf8_tail(STR("\xE2\x82\xAC"
                        "a"),
                    2)
                  .n == 1,
          "nor does tail");
    CHECK(utf8_width(STR("a\xE6\x97\xA5")) == 3, "wide characters take two columns");
}

static bool parses(struct str s)
{
    struct err e = ERR_INIT;
    cJSON *j = json_parse(s, &e);
    bool ok = j != NULL;

    cJSON_Delete(j);
    return ok;
}

static void test_json(void)
{
    struct err e = ERR_INIT;
    char deep[401];

    CHECK(parses(STR("\xEF\xBB\xBF {\"a\":1} \n")), "BOM and white space around are fine");
    CHECK(!parses(STR("{\"a\":1} x")) && !parses(STR("")) && !parses(STR("{\"a\":")) &&
              !parses((struct str){ "{\"a\":1\0}", 8 }),
          "trailing text, nothing, a cut object and a NUL are not");
    memset(deep, '[', 200);
    memset(deep + 200, ']', 200);
    CHECK(parses((struct str){ deep, 400 }), "200 levels are read");
    memset(deep, '[', 201);
    CHECK(!parses((struct str){ deep, 400 }), "201 are not");

    cJSON *j =
        json_parse(STR("{\"s\":\"a\\u0000b\",\"t\":\"\\\\u0000\",\"n\":1e300,\"x\":null}"), &e);
    CHECK(j && strcmp(json_str(j, "s"), "a\xEF\xBF\xBD"
                                        "b") == 0,
          "an escaped NUL does not end the string");
    CHECK(j && strcmp(json_str(j, "t"), "\\u0000") == 0, "an escaped backslash is no NUL");
    CHECK(json_int(j, "n", 0) == INT64_MAX && json_str(j, "x") == NULL && json_int(j, "s", 5) == 5,
          "getters clamp, and give the default for another type");
    cJSON_Delete(j);

    static const char exact[] =
        "{\"-5\":[9007199254740993,\"a\\\"12345678901234567890\",-12345678901234567890],"
        "\"b\":999999999999999,\"c\":1e5,\"d\":12345678901234567890}";
    j = json_parse_exact(str_of(exact), &e);
    cleanup_free char *again = j ? json_text(j) : NULL;
    CHECK(again && strcmp(again, "{\"-5\":[9007199254740993,\"a\\\"12345678901234567890\","
                                 "-12345678901234567890],\"b\":999999999999999,\"c\":100000,"
                                 "\"d\":12345678901234567890}") == 0,
          "long integers are kept digit for digit: %s", again ? again : e.msg);
    CHECK(json_int(j, "b", 0) == 999999999999999 && json_int(j, "d", 7) == 7,
          "short ones are numbers, long ones are none");
    cJSON_Delete(j);
    j = json_parse_exact(STR("[00000000000000000001]"), &e);
    cleanup_free char *zeros = j ? json_text(j) : NULL;
    CHECK(zeros == NULL || strcmp(zeros, "[1]") == 0, "what is no JSON is not given on");
    cJSON_Delete(j);

    struct buf q = BUF_MAX(100);
    json_quote(&q, STR("a\"\\\n\x01\xff\x7f"));
    CHECK(str_is(buf_str(&q), "\"a\\\"\\\\\\n\\u0001\\ufffd\\u007f\""), "quoting: %s",
          buf_cstr(&q));
    buf_free(&q);
}

static void test_io(void)
{
    char dir[] = "/tmp/test-base-XXXXXX";
    struct err e = ERR_INIT;
    struct buf b = BUF_MAX(8);

    if (mkdtemp(dir) == NULL)
        return;
    char *path = io_join(dir, "f");
    CHECK(io_write_atomic(AT_FDCWD, path, STR("12345678"), 0600, &e) == 0, "atomic write");
    CHECK(io_read_file(path, &b, &e) == 0 && b.n == 8, "read up to the cap");
    CHECK(io_write_atomic(AT_FDCWD, path, STR("123456789"), 0600, &e) == 0, "rewrite");
    buf_clear(&b);
    CHECK(io_read_file(path, &b, &e) < 0 && e.code == ERR_LIMIT && strstr(e.msg, path),
          "beyond it is an error that names the file");
    char *sub = io_join(dir, "a/b/c");
    CHECK(io_mkdirs(sub, 0700, &e) == 0 && access(sub, F_OK) == 0, "mkdir -p");
    char *victim = io_join(dir, "a/b/link");
    CHECK(symlink("/etc/hostname", victim) == 0 && io_remove_tree(AT_FDCWD, dir, &e) == 0 &&
              access(dir, F_OK) < 0 && access("/etc/hostname", F_OK) == 0,
          "a tree is removed, not what its links point to");
    CHECK(io_write_atomic(AT_FDCWD, "/nonexistent/x", STR("y"), 0600, &e) < 0 &&
              strstr(e.msg, "/nonexistent/x"),
          "a failed write names the file: %s", e.msg);
    free(path), free(sub), free(victim);
    buf_free(&b);
}

static void test_stop(void)
{
    struct stop s = STOP_NEVER;
    struct err e = ERR_INIT;

    CHECK(stop_check(&s, &e) == 0 && stop_poll_ms(&s, -1) == -1, "never stops");
    struct stop d = stop_within(&s, 30);
    int64_t t = now_ms();
    CHECK(stop_sleep(&d, 5000, &e) < 0 && e.code == ERR_DEADLINE && now_ms() - t < 1000,
          "a deadline ends a sleep");
    CHECK(err_exit_status(&e) == 124, "with status 124");
    CHECK(stop_open_signals(&s, &e) == 0, "signals open");
    kill(getpid(), SIGTERM);
    CHECK(stop_sleep(&s, 5000, &e) < 0 && e.code == ERR_CANCEL && e.sys == SIGTERM &&
              err_exit_status(&e) == 143,
          "a signal too, with 128 + its number");
    CHECK(stop_check(&s, &e) < 0, "and it stays");
    CHECK(stop_take_signal(&s) == SIGTERM && stop_check(&s, &e) == 0, "until it is taken");
    close(s.cancel_fd);
}

static void test_secrets(void)
{
    struct buf b = BUF_MAX(200);

    secret_add("sk-test-abcdef");
    secret_add("abc"); /* too short to hide without hiding half the text */
    secret_redact(&b, STR("key sk-test-abcdef, abc, sk-test-abcdefsk-test-abcdef"));
    CHECK(str_is(buf_str(&b), "key [redacted], abc, [redacted][redacted]"), "keys are redacted: %s",
          buf_cstr(&b));
    buf_free(&b);
}

static void test_err(void)
{
    struct err e = ERR_INIT;

    err_set(&e, ERR_SYS, ENOENT, "open %s", "x");
    err_wrap(&e, "attach");
    CHECK(strcmp(e.msg, "attach: open x: No such file or directory") == 0, "context: %s", e.msg);
    for (int i = 0; i < 100; i++)
        err_wrap(&e, "a rather long piece of context number %d", i);
    CHECK(strlen(e.msg) < sizeof e.msg && sizeof e <= 4096, "never more than a pipe takes at once");
}

/* From here on openat2 is not there, as below a container engine's old filter. */
static void without_openat2(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog prog = { ARRAY_LEN(code), code };
    struct open_how how = { .flags = O_RDONLY };

    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
              prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == 0 &&
              syscall(SYS_openat2, AT_FDCWD, ".", &how, sizeof how) < 0 && errno == ENOSYS,
          "openat2 is taken away");
}

static void look_beneath(const char *when)
{
    static const struct {
        const char *name;
        bool opens;
    } names[] = {
        { "a/b/file", true },  { "file", true },           { "a", true },
        { ".", true },         { "none", false },          { "/etc/passwd", false },
        { "../etc", false },   { "a/../../etc", false },   { "link", false },
        { "linked/b", false }, { "a/b/up/passwd", false }, { "a/b/file/x", false },
    };
    char dir[] = "/tmp/test-beneath-XXXXXX";
    struct err e = ERR_INIT;
    int top = mkdtemp(dir) ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    if (!CHECK(top >= 0, "%s: a folder", when))
        return;
    bool made = mkdirat(top, "a", 0700) == 0 && mkdirat(top, "a/b", 0700) == 0 &&
                io_write_atomic(top, "file", STR("x"), 0600, &e) == 0 &&
                io_write_atomic(top, "a/b/file", STR("x"), 0600, &e) == 0 &&
                symlinkat("/etc/passwd", top, "link") == 0 && symlinkat("a", top, "linked") == 0 &&
                symlinkat("/etc", top, "a/b/up") == 0;
    CHECK(made, "%s: with links in it", when);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        cleanup_fd int fd = io_open_beneath(top, names[i].name, O_RDONLY | O_NONBLOCK);
        CHECK((fd >= 0) == names[i].opens, "%s: %s %s", when, names[i].name,
              names[i].opens ? "opens" : "does not open");
    }
    close(top);
    io_remove_tree(AT_FDCWD, dir, &e);
}

static void test_beneath(void)
{
    look_beneath("openat2");
    without_openat2(); /* for good: this test is the last */
    look_beneath("part by part");
}

int main(void)
{
    test_str();
    test_utf8();
    test_json();
    test_io();
    test_stop();
    test_secrets();
    test_err();
    test_beneath();
    return tap_done();
}
