/* The parts of environments that need no sandbox: what may be asked for, what a tree may hold,
 * drafts. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/env_parts.h"
#include "tests/unit/tap.h"

static const struct stop never = STOP_NEVER;

static void test_requirements(void)
{
    static const struct {
        const char *in, *want; /* NULL: refused */
    } cases[] = {
        { "polars", "polars\n" },
        { "polars>=0.20,<1 ; python_version >= \"3.8\"",
          "polars>=0.20,<1 ; python_version >= \"3.8\"\n" },
        { "pandas[excel,html] ~= 2.0", "pandas[excel,html] ~= 2.0\n" },
        { "a==1.0.*\n\n# note\nb!=2 # why\n", "a==1.0.*\nb!=2\n" },
        { "\xef\xbb\xbf"
          "a\r\nb\\\r\n==1\r\n",
          "a\nb ==1\n" },
        { "a==1 --hash=sha256:"
          "0123456789012345678901234567890123456789012345678901234567890123",
          "a==1 --hash=sha256:0123456789012345678901234567890123456789012345678901234567890123\n" },
        { "", "" },
        { "a==1 --hash=sha256:0123", NULL },
        { "--hash=sha256:0123456789012345678901234567890123456789012345678901234567890123", NULL },
        { "a --hash=sha256:0123456789012345678901234567890123456789012345678901234567890123 -e .",
          NULL },
        { "-i https://x.org", NULL },
        { "a\n--pre\n", NULL },
        { "a @ file:///etc/passwd", NULL },
        { "a@b", NULL },
        { "git+ssh://x", NULL },
        { "c:\\x", NULL },
        { "../a", NULL },
        { "a b.whl", NULL },
        { "a;\x01", NULL },
        { "${HOME}", NULL },
        { "a`id`", NULL },
        { "\xc3\xa4", NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cleanup_buf struct buf out = BUF_MAX(MAX_CONF_BYTES);
        struct err e = ERR_INIT;
        int r = env_add_requirements(&out, "req.txt", str_of(cases[i].in), &e);
        CHECK(cases[i].want ? r == 0 && !strcmp(buf_cstr(&out), cases[i].want)
                            : r < 0 && e.code == ERR_USAGE,
              "requirement %zu is %s", i, cases[i].want ? "taken" : "refused");
    }
}

static void test_packages(void)
{
#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    static const struct {
        const char *in;
        int n; /* -1 = refused */
    } cases[] = {
        { "", 0 },
        { "alpha 1.0 " HASH " 12\nbeta 2+local.1 " HASH " 0\n", 2 },
        { "alpha 1.0 " HASH, -1 },
        { "alpha 1.0  12\n", -1 },
        { "alpha 1.0 " HASH " -1\n", -1 },
        { "alpha 1.0 " HASH " 1e9\n", -1 },
        { "al\x1b[2Jpha 1.0 " HASH " 1\n", -1 },
        { "alpha 1.0\t" HASH " 1\n", -1 },
        { "../alpha 1.0 " HASH " 1\n", -1 },
        { "alpha 1/0 " HASH " 1\n", -1 },
        { "alpha 1.0 " HASH " 99999999999999999999\n", -1 },
        { "\n", -1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct env_packages p = { NULL, 0 };
        struct err e = ERR_INIT;
        int r = env_parse_packages(str_of(cases[i].in), &p, &e);
        CHECK(cases[i].n < 0 ? r < 0 && p.n == 0 : r == 0 && p.n == (size_t)cases[i].n,
              "list of packages %zu", i);
        env_packages_done(&p);
    }
}

static void put(int dir, const char *name, const char *text, mode_t mode)
{
    cleanup_fd int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, text, strlen(text)) < 0 || fchmod(fd, mode) < 0)
        printf("Bail out! %s\n", name);
}

/* What copying the folder `name` gives: 0, or the error's text. */
static int copy(int top, const char *name, int64_t max, struct env_tree *t, struct err *e)
{
    static int n;
    char to[40];

    snprintf(to, sizeof to, "out%d", n++);
    mkdirat(top, to, 0755);
    cleanup_fd int in = openat(top, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cleanup_fd int out = openat(top, to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *t = (struct env_tree){ .max_bytes = max,
                            .max_files = 20,
                            .modules = BUF_MAX(MAX_ENV_MODULES + 256) };
    int r = env_tree_copy(in, out, t, &never, e);
    struct stat st;
    if (r == 0 && fstatat(out, "pkg/run", &st, 0) == 0)
        CHECK((st.st_mode & 07777) == 0755, "set-id and writable modes are not taken over");
    return r;
}

static void test_tree(int top)
{
    struct env_tree t;
    struct err e = ERR_INIT;

    mkdirat(top, "good", 0755);
    mkdirat(top, "good/pkg", 0777);
    mkdirat(top, "good/pkg-1.0.dist-info", 0755);
    put(top, "good/mod.py", "x = 1\n", 0666);
    put(top, "good/ext.cpython-311-x86_64-linux-gnu.so", "ELF", 0755);
    put(top, "good/_hidden.py", "", 0644);
    put(top, "good/note.txt", "", 0644);
    put(top, "good/pkg/run", "#!", 06777);
    CHECK(copy(top, "good", 1000, &t, &e) == 0 && t.files == 5 && t.bytes == 11,
          "a tree is copied: %s", e.msg);
    CHECK(strstr(buf_cstr(&t.modules), "mod") && strstr(buf_cstr(&t.modules), "ext") &&
              strstr(buf_cstr(&t.modules), "pkg") && !strstr(buf_cstr(&t.modules), "hidden") &&
              !strstr(buf_cstr(&t.modules), "note") && !strstr(buf_cstr(&t.modules), "info"),
          "its modules are found: %s", buf_cstr(&t.modules));
    buf_free(&t.modules);
    CHECK(copy(top, "good", 10, &t, &e) < 0 && e.code == ERR_LIMIT && strstr(e.msg, "--env-size"),
          "too many bytes: %s", e.msg);
    buf_free(&t.modules);

    mkdirat(top, "link", 0755);
    CHECK(symlinkat("/etc/passwd", top, "link/x.py") == 0 && copy(top, "link", 1000, &t, &e) < 0 &&
              strstr(e.msg, "x.py is a symbolic link"),
          "a link is refused: %s", e.msg);
    buf_free(&t.modules);
    mkdirat(top, "dirlink", 0755);
    CHECK(symlinkat("/etc", top, "dirlink/x") == 0 && copy(top, "dirlink", 1000, &t, &e) < 0 &&
              strstr(e.msg, "symbolic link"),
          "a link to a folder as well: %s", e.msg);
    buf_free(&t.modules);
    mkdirat(top, "fifo", 0755);
    CHECK(mkfifoat(top, "fifo/x", 0666) == 0 && copy(top, "fifo", 1000, &t, &e) < 0 &&
              strstr(e.msg, "neither a file nor a folder"),
          "a pipe, without waiting for its writer: %s", e.msg);
    buf_free(&t.modules);
    static const char *const names[] = { "a\nb", "a\x1b[2J", "\xff\xfe", "a\x7f" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        cleanup_free char *dir = xasprintf("name%zu", i);
        cleanup_free char *path = io_join(dir, names[i]);
        mkdirat(top, dir, 0755);
        put(top, path, "", 0644);
        CHECK(copy(top, dir, 1000, &t, &e) < 0 && strstr(e.msg, "control characters") &&
                  !strchr(e.msg, '\x1b'),
              "a hostile name is refused, and shown clean");
        buf_free(&t.modules);
    }
    mkdirat(top, "many", 0755);
    cleanup_fd int many = openat(top, "many", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i <= 20; i++) {
        char name[20];
        snprintf(name, sizeof name, "%d", i);
        if (mknodat(many, name, S_IFREG | 0644, 0) < 0)
            break;
    }
    CHECK(copy(top, "many", 1000, &t, &e) < 0 && e.code == ERR_LIMIT && strstr(e.msg, "files"),
          "too many files: %s", e.msg);
    buf_free(&t.modules);
}

static bool there(int root, const char *name)
{
    return faccessat(root, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void test_drafts(void)
{
    struct env_draft a = ENV_DRAFT_NONE, b = ENV_DRAFT_NONE;
    struct err e = ERR_INIT;

    cleanup_fd int root = env_open_root(true, &e);
    CHECK(env_draft_begin(&a, "x", &never, &e) == 0 && there(root, ".new-x") && !there(root, "x"),
          "a draft is unseen");
    CHECK(env_draft_begin(&b, "x", &never, &e) < 0 && e.code == ERR_USAGE && b.tmp == NULL,
          "there is one of a name: %s", e.msg);
    CHECK(env_draft_begin(&b, "y", &never, &e) == 0, "another name is free");
    env_draft_done(&b);
    CHECK(!there(root, ".new-y"), "one that is given up is removed");
    put(a.dir, "of", "first", 0644);
    CHECK(env_draft_commit(&a, &never, &e) == 0 && there(root, "x/of") && !there(root, ".new-x"),
          "it takes its name: %s", e.msg);
    env_draft_done(&a);
    CHECK(there(root, "x/of"), "and keeps it");

    cleanup_fd int user = openat(root, "x", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    flock(user, LOCK_SH);
    CHECK(env_draft_begin(&a, "x", &never, &e) == 0, "a second one begins");
    put(a.dir, "of2", "second", 0644);
    CHECK(env_draft_commit(&a, &never, &e) == 0 && there(root, "x/of2") && !there(root, "x/of"),
          "and replaces the first whole: %s", e.msg);
    env_draft_done(&a);
    CHECK(there(root, ".old-x-1/of") && faccessat(user, "of", F_OK, 0) == 0,
          "which stays for who uses it");
    CHECK(env_draft_begin(&a, "x", &never, &e) == 0, "the user's lock is in nobody's way: %s",
          e.msg);
    env_draft_done(&a);
    close(steal_fd(&user));
    CHECK(env_drop(root, "x", &never, &e) == 0 && !there(root, "x") && !there(root, ".old-x-1") &&
              !there(root, ".old-x-2"),
          "removing sweeps up what nobody uses: %s", e.msg);
    CHECK(env_drop(root, "x", &never, &e) < 0, "what is not there cannot be removed");
}

int main(void)
{
    char dir[] = "/tmp/agent-env-XXXXXX";
    struct err e = ERR_INIT;

    if (mkdtemp(dir) == NULL)
        return 1;
    setenv("XDG_DATA_HOME", dir, 1);
    cleanup_fd int top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    test_requirements();
    test_packages();
    test_tree(top);
    test_drafts();
    io_remove_tree(AT_FDCWD, dir, &e);
    return tap_done();
}
