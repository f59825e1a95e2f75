/* Attachments: what is refused and how, names, guesses about their content. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "agent/attach.h"
#include "agent/base/io.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "tests/unit/tap.h"
#include "agent/base/banned.h"

static char root[] = "/tmp/agent-attach-XXXXXX";
static const struct stop never = STOP_NEVER;

static void put_bytes(const char *name, struct str bytes)
{
    struct err e = ERR_INIT;
    cleanup_fd int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0 || io_write_all(fd, bytes.p, bytes.n, &e) < 0)
        printf("Bail out! cannot write %s\n", name);
}

static void put(const char *name, const char *text)
{
    put_bytes(name, str_of(text));
}

static int add(struct attach_list *l, const char *arg, struct buf *notices, struct err *e)
{
    *e = (struct err)ERR_INIT;
    return attach_add(l, arg, notices, e);
}

static void refused(struct attach_list *l, const char *arg, const char *says)
{
    cleanup_buf struct buf n = BUF_MAX(8192);
    struct err e;
    size_t before = l->n;

    CHECK(add(l, arg, &n, &e) < 0 && e.code == ERR_USAGE && strstr(e.msg, says) && l->n == before,
          "refused: %s", e.msg);
}

static void test_refused(void)
{
    struct attach_list l = { NULL, 0 };
    cleanup_buf struct buf n = BUF_MAX(8192);
    struct err e;

    put("a.csv", "x\n1\n");
    put("empty.csv", "");
    put("ctl\033[31m.csv", "");
    mkdir("dir", 0700);
    put("dir/a.csv", "x\n2\n");
    mkfifo("fifo", 0600);
    if (symlink("nowhere", "dangling") < 0)
        printf("Bail out! symlink\n");
    struct sockaddr_un sa = { .sun_family = AF_UNIX, .sun_path = "sock" };
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(s >= 0 && bind(s, (struct sockaddr *)&sa, sizeof sa) == 0, "a socket to attach");
    close(s);

    refused(&l, "", "needs a path");
    refused(&l, "-", "is attached by itself");
    refused(&l, "nowhere.csv", "attachment nowhere.csv: no such file");
    refused(&l, "nowhere.csv:b.csv", "attachment nowhere.csv: no such file");
    refused(&l, "a.csv/x", "no such file");
    refused(&l, "dangling", "attachment dangling: is a link that leads nowhere");
    refused(&l, "empty.csv", "attachment empty.csv: is empty");
    refused(&l, "ctl\033[31m.csv", "ctl\\x1b[31m.csv: is empty");
    refused(&l, "dir", "to attach the files in it write dir/");
    refused(&l, "dir/", "is a directory");
    refused(&l, "fifo", "is a named pipe");
    refused(&l, "sock", "is a socket");
    refused(&l, "/dev/zero", "is a device");
    refused(&l, "a.csv:", "no name after the colon");
    refused(&l, "a.csv:../b.csv", "has no slash");
    refused(&l, "a.csv:/etc/passwd", "has no slash");
    if (geteuid() != 0) {
        chmod("a.csv", 0);
        refused(&l, "a.csv", "you may not read it");
        chmod("a.csv", 0600);
    } else {
        tap_skip("root may read every file");
    }

    CHECK(add(&l, "a.csv", &n, &e) == 0 && l.n == 1, "a file: %s", e.msg);
    refused(&l, "a.csv", "is given twice");
    refused(&l, "dir/a.csv", "attachments a.csv and dir/a.csv: both would be called a.csv");
    refused(&l, "dir/a.csv", "-f dir/a.csv:NAME");
    refused(&l, "dir/a.csv:a.csv", "both would be called");
    CHECK(add(&l, "dir/a.csv:b.csv", &n, &e) == 0 && !strcmp(l.v[1].name, "b.csv") &&
              !strcmp(l.v[1].path, "dir/a.csv"),
          "under another name: %s", e.msg);
    CHECK(n.n == 0, "no notices for plain names");
    attach_list_done(&l);

    for (int i = 0; i < ATTACH_MAX_FILES; i++) {
        cleanup_free char *arg = xasprintf("a.csv:n%d", i);
        if (add(&l, arg, &n, &e) < 0)
            CHECK(false, "%s", e.msg);
    }
    CHECK(l.n == 100, "a hundred files");
    refused(&l, "a.csv:one-more", "more than 100");
    attach_list_done(&l);
}

static void test_names(void)
{
    char long_name[256], long_ext[256];
    static const struct {
        const char *path, *arg, *name; /* NULL arg: the path */
        bool notice;
    } cases[] = {
        { "plain.csv", NULL, "plain.csv", false },
        { "Q1 gr\303\266\303\237e (final).csv", NULL, "Q1 gr\303\266\303\237e (final).csv", false },
        { "c:d.csv", NULL, "c_d.csv", true },
        { "c:d.csv", "c:d.csv:e.csv", "e.csv", false },
        { ".hidden", NULL, "_.hidden", true },
        { "-n.csv", NULL, "_-n.csv", true },
        { "new\nline.csv", NULL, "new_line.csv", true },
        { "esc\033[2J.csv", NULL, "esc_[2J.csv", true },
        { "bad\377.csv", NULL, "bad_.csv", true },
        { "rtl\342\200\256vsc.csv", NULL, "rtl_vsc.csv", true },
        { "plain.csv", "plain.csv:..", "_..", true },
        { "plain.csv", "plain.csv:-x", "_-x", true },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct attach_list l = { NULL, 0 };
        cleanup_buf struct buf n = BUF_MAX(8192);
        struct err e;
        put(cases[i].path, "x\n1\n");
        int r = add(&l, cases[i].arg ? cases[i].arg : cases[i].path, &n, &e);
        CHECK(r == 0 && !strcmp(l.v[0].name, cases[i].name), "name %s %s", cases[i].name, e.msg);
        CHECK((n.n > 0) == cases[i].notice &&
                  str_is(str_of(strchr(buf_cstr(&n), '\n')), n.n ? "\n" : "") &&
                  utf8_valid(buf_str(&n)),
              "%s", cases[i].notice ? "a notice of one line" : "no notice");
        attach_list_done(&l);
        unlink(cases[i].path);
    }
    memset(long_name, 'a', sizeof long_name);
    memcpy(long_name + 246, ".parquet", 9);
    put(long_name, "x\n1\n");
    struct attach_list l = { NULL, 0 };
    cleanup_buf struct buf n = BUF_MAX(8192);
    struct err e;
    CHECK(add(&l, long_name, &n, &e) == 0 && strlen(l.v[0].name) == 200 &&
              !strcmp(l.v[0].name + 192, ".parquet"),
          "a long name keeps its extension %s", e.msg);
    attach_list_done(&l);
    memset(long_ext, 'b', sizeof long_ext);
    long_ext[1] = '.';
    long_ext[254] = '\0';
    put(long_ext, "x\n1\n");
    CHECK(add(&l, long_ext, &n, &e) == 0 && strlen(l.v[0].name) == 200,
          "a long extension is cut %s", e.msg);
    attach_list_done(&l);
}

static void test_content(void)
{
#define B(s)                                                                                       \
    {                                                                                              \
        "" s, sizeof(s) - 1                                                                        \
    }
    static const struct {
        const char *name;
        struct str in;
        enum attach_encoding enc;
        const char *head;
        bool all;
    } cases[] = {
        { "ascii", B("a,b\n1,2\n"), ENC_ASCII, "a,b\n1,2\n", true },
        { "no last newline", B("a,b\n1,2"), ENC_ASCII, "a,b\n1,2\n", true },
        { "CR LF", B("a\r\nb\r\n"), ENC_ASCII, "a\nb\n", true },
        { "lone CR", B("a\rb\rc"), ENC_ASCII, "a\nb\nc\n", true },
        { "tabs stay", B("a\tb\n"), ENC_ASCII, "a\tb\n", true },
        { "six lines", B("1\n2\n3\n4\n5\n6\n"), ENC_ASCII, "1\n2\n3\n4\n5\n", false },
        { "blank lines count", B("\n\n\n\n\n\n"), ENC_ASCII, "\n\n\n\n\n", false },
        { "utf-8", B("stra\303\237e\n"), ENC_UTF8, "stra\303\237e\n", true },
        { "utf-8 with mark", B("\xEF\xBB\xBFstra\303\237e\n"), ENC_UTF8_BOM, "stra\303\237e\n",
          true },
        { "ascii with mark",
          B("\xEF\xBB\xBF"
            "abc\n"),
          ENC_UTF8_BOM, "abc\n", true },
        { "latin-1", B("stra\337e\n"), ENC_8BIT, "stra\303\237e\n", true },
        { "cp1252", B("5 \200\n"), ENC_8BIT, "5 \342\202\254\n", true },
        { "cut utf-8 at the end of a file", B("abc\303"), ENC_8BIT, "abc\303\203\n", true },
        { "utf-16-le",
          B("\xFF\xFE"
            "a\0,\0b\0\n\0"),
          ENC_UTF16LE, "a,b\n", true },
        { "utf-16-be", B("\xFE\xFF\0a\0,\0b\0\n"), ENC_UTF16BE, "a,b\n", true },
        { "utf-16-le, no mark",
          B("a\0,\0b\0\n\0"
            "1\0"),
          ENC_UTF16LE, "a,b\n1\n", true },
        { "utf-16-be, no mark", B("\0a\0,\0b\0\n"), ENC_UTF16BE, "a,b\n", true },
        { "utf-16 pair", B("\xFF\xFE\x3d\xd8\x00\xde"), ENC_UTF16LE, "\360\237\230\200\n", true },
        { "utf-16 lone half",
          B("\xFF\xFE\x3d\xd8"
            "a\0"),
          ENC_UTF16LE,
          "\357\277\275"
          "a\n",
          true },
        { "utf-16 odd length",
          B("\xFF\xFE"
            "a\0b"),
          ENC_UTF16LE, "a\357\277\275\n", true },
        { "controls", B("a\033[31mb\177\n"), ENC_ASCII, "a\\x1b[31mb\\x7f\n", true },
        { "right to left", B("a\342\200\256b\n"), ENC_UTF8, "a\\u202eb\n", true },
        { "a NUL", B("a,b\n\0,c\n"), ENC_BINARY, "", false },
        { "png", B("\x89PNG\r\n\x1a\n    "), ENC_BINARY, "", false },
        { "pdf", B("%PDF-1.4\nall text here\n"), ENC_BINARY, "", false },
        { "zip", B("PK\003\004text"), ENC_BINARY, "", false },
        { "many controls", B("\1\2\3\4\5\6abc"), ENC_BINARY, "", false },
        { "one byte", B("a"), ENC_ASCII, "a\n", true },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct attach_list l = { NULL, 0 };
        cleanup_buf struct buf n = BUF_MAX(8192);
        struct err e;
        put_bytes("content", cases[i].in);
        int r = add(&l, "content", &n, &e);
        CHECK(r == 0 && l.v[0].encoding == cases[i].enc && l.v[0].size == (int64_t)cases[i].in.n,
              "%s: %s %s", cases[i].name, attach_encoding_word(cases[i].enc), e.msg);
        CHECK(r == 0 && !strcmp(l.v[0].head, cases[i].head) && l.v[0].head_is_all == cases[i].all,
              "%s: its head", cases[i].name);
        attach_list_done(&l);
    }

    /* Long lines, and files longer than the sample. */
    struct attach_list l = { NULL, 0 };
    cleanup_buf struct buf n = BUF_MAX(8192), text = BUF_MAX(1 << 20);
    struct err e;
    for (int i = 0; i < 600; i++)
        buf_puts(&text, "\303\244");
    buf_puts(&text, "\nnext\n");
    put("long", buf_cstr(&text));
    CHECK(add(&l, "long", &n, &e) == 0, "a long line %s", e.msg);
    CHECK(strstr(l.v[0].head, "\303\244... (860 more bytes)\nnext\n") &&
              utf8_valid(str_of(l.v[0].head)) && !l.v[0].head_is_all,
          "a clipped line says how much: %s", l.v[0].head + 330);
    attach_list_done(&l);
    buf_clear(&text);
    for (int i = 0; i < 100000; i++)
        buf_puts(&text, "\303\244");
    put("endless", buf_cstr(&text));
    CHECK(add(&l, "endless", &n, &e) == 0, "an endless line %s", e.msg);
    CHECK(l.v[0].encoding == ENC_UTF8 && strstr(l.v[0].head, "(at least 65196 more bytes)"),
          "a line beyond the sample: %s", l.v[0].head + 340);
    attach_list_done(&l);
    buf_clear(&text);
    for (int i = 0; i < 5; i++)
        buf_putf(&text, "%0300d\n", i);
    put("wide", buf_cstr(&text));
    CHECK(add(&l, "wide", &n, &e) == 0, "wide lines %s", e.msg);
    CHECK(strlen(l.v[0].head) == 903 && !l.v[0].head_is_all, "at most 1 KiB, whole lines (%zu)",
          strlen(l.v[0].head));
    attach_list_done(&l);
}

static void test_hash(void)
{
    struct attach_list l = { NULL, 0 };
    cleanup_buf struct buf n = BUF_MAX(8192);
    struct err e = ERR_INIT;

    put("h", "abc");
    add(&l, "h", &n, &e);
    CHECK(l.v[0].sha256[0] == '\0', "no hash before it is asked for");
    CHECK(attach_hash(&l.v[0], &never, &e) == 0 &&
              !strcmp(l.v[0].sha256,
                      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
          "the hash %s", e.msg);
    struct stop past = { .deadline_ms = 1, .cancel_fd = -1 };
    CHECK(attach_hash(&l.v[0], &past, &e) < 0 && e.code == ERR_DEADLINE, "under the stop");
    put("h", "abcd");
    CHECK(attach_hash(&l.v[0], &never, &e) < 0 && strstr(e.msg, "has changed") &&
              strstr(e.msg, "3 bytes then, 4 now"),
          "%s", e.msg);
    unlink("h");
    CHECK(attach_hash(&l.v[0], &never, &e) < 0 && strstr(e.msg, "no such file"), "%s", e.msg);
    attach_list_done(&l);
}

static void test_format(void)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        { "a,b\n1,2\n", "csv" },
        { "a;b\n1;2\n", "csv" },
        { "a|b|c\n1|2|3\n4|5|6\n", "csv" },
        { "a\tb\n1\t2\n", "tsv" },
        { "name,text\nx,\"a, b, c\"\n", "csv" },
        { "a,b\n1,2", "csv" },
        { "a,b\r\n1,2\r\n", "csv" },
        { "{\"a\": 1}", "json" },
        { " [1, 2]\n", "json" },
        { "{\n \"a\": 1\n}\n", "json" },
        { "{\"a\": 1}\n{\"a\": 2}\n", "jsonl" },
        { "{\"a\": 1}\n", "json" },
        { "{\"a\": 1,\n", NULL },
        { "[note] what is it?\n", NULL },
        { "{brace}\n{brace}\n", NULL },
        { "Dear all, the meeting is moved.\n", NULL },
        { "Hello, world\nfoo, bar\n", NULL },
        { "one line, only", NULL },
        { "a,b\n1,2,3\n", NULL },
        { "words\nmore words\n", NULL },
        { "", NULL },
        { "\n\n", NULL },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *got = guess_format(str_of(cases[i].text), true);
        CHECK(!strcmp(got ? got : "none", cases[i].want ? cases[i].want : "none"), "format %zu: %s",
              i, got ? got : "none");
    }
    CHECK(!strcmp(guess_format(STR("a,b\n1,2\n3,4\n5"), false), "csv"),
          "a line that the sample cut does not count");
    CHECK(!strcmp(guess_format(STR("{\"a\": [1, 2"), false), "json"),
          "nor does JSON have to be whole");
    CHECK(!strcmp(guess_format(STR("{\"a\": 1}\n{\"a\": 2"), false), "jsonl"), "or JSON lines");
}

int main(void)
{
    struct err e = ERR_INIT;

    if (mkdtemp(root) == NULL || chdir(root) < 0) {
        printf("Bail out! no temporary folder\n");
        return 1;
    }
    test_refused();
    test_names();
    test_content();
    test_hash();
    test_format();
    if (chdir("/") == 0)
        io_remove_tree(AT_FDCWD, root, &e);
    return tap_done();
}
