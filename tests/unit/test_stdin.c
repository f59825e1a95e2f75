/* Standard input: when it is read, when it is not waited for, and what becomes of it. Real pipes,
 * files and processes; every wait has a bound that is far above what it should take. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "agent/attach.h"
#include "agent/base/io.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "tests/unit/tap.h"
#include "agent/base/banned.h"

static char root[] = "/tmp/agent-stdin-XXXXXX";
static const struct stop never = STOP_NEVER;
static struct attach_list list;
static struct buf notices = BUF_MAX(1 << 20);
static struct err err;
static char *text;
static int64_t took;

static void on_notice(void *arg, const char *line)
{
    (void)arg;
    buf_puts(&notices, line);
    buf_putc(&notices, '\n');
}

/* Runs attach_stdin on `fd` and closes it. */
static int take(int fd, bool is_prompt, bool wait, const struct stop *stop)
{
    struct attach_stdin in = {
        .fd = fd, .is_prompt = is_prompt, .wait = wait, .dir = root, .notice = on_notice
    };
    int64_t start = now_ms();

    free(text);
    text = NULL;
    attach_list_done(&list);
    buf_clear(&notices);
    err = (struct err)ERR_INIT;
    int r = attach_stdin(&list, &in, stop, &text, &err);
    took = now_ms() - start;
    if (fd >= 0)
        close(fd);
    return r;
}

/* The read end of a pipe that holds these bytes; its write end is closed. */
static int pipe_with(struct str bytes)
{
    int fds[2];
    struct err e = ERR_INIT;

    if (pipe2(fds, O_CLOEXEC) < 0 || io_write_all(fds[1], bytes.p, bytes.n, &e) < 0)
        printf("Bail out! pipe\n");
    close(fds[1]);
    return fds[0];
}

/* The same with a child that writes after `ms`, or keeps the pipe open for ten seconds. */
static int pipe_late(const char *bytes, int ms, pid_t *ret)
{
    int fds[2];
    struct err e = ERR_INIT;

    if (pipe2(fds, O_CLOEXEC) < 0)
        printf("Bail out! pipe\n");
    *ret = fork();
    if (*ret == 0) {
        close(fds[0]);
        stop_sleep(&never, bytes ? ms : 10000, &e);
        if (bytes)
            io_write_all(fds[1], bytes, strlen(bytes), &e);
        _exit(0);
    }
    close(fds[1]);
    return fds[0];
}

static void reap(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static int file_with(struct str bytes)
{
    struct err e = ERR_INIT;
    cleanup_free char *path = io_join(root, "input");
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0 || io_write_all(fd, bytes.p, bytes.n, &e) < 0 || lseek(fd, 0, SEEK_SET) < 0)
        printf("Bail out! file\n");
    unlink(path);
    return fd;
}

static bool folder_is_clean(void)
{
    cleanup_free char *part = io_join(root, "stdin.part");

    return access(part, F_OK) < 0;
}

static void test_not_read(void)
{
    int fds[2];
    pid_t pid;

    CHECK(take(open("/dev/null", O_RDONLY | O_CLOEXEC), false, false, &never) == 0 && !text &&
              !list.n,
          "/dev/null");
    CHECK(notices.n == 0, "without a word");
    CHECK(take(-1, false, false, &never) == 0 && !text && !list.n, "a closed descriptor");
    CHECK(take(pipe_with(STR("")), false, false, &never) == 0 && !text && !list.n,
          "a pipe at its end");
    CHECK(took < 20000 && notices.n == 0, "at once");

    /* We ourselves keep it open, as with 3<>fifo. */
    if (pipe2(fds, O_CLOEXEC) < 0)
        return;
    CHECK(take(fds[0], false, false, &never) == 0 && !text && !list.n, "a pipe that we keep open");
    CHECK(took >= 90 && took < 20000, "is left after a short grace (%lld ms)", (long long)took);
    CHECK(strstr(buf_cstr(&notices), "is not read") && strstr(buf_cstr(&notices), "--stdin=wait"),
          "and that is told");
    close(fds[1]);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return;
    CHECK(take(fds[0], false, false, &never) == 0 && !text && took < 20000,
          "a socket that stays open");
    close(fds[1]);

    /* A parent keeps it open: cron, a CI runner, subprocess.Popen(stdin=PIPE). */
    if (pipe2(fds, O_CLOEXEC) < 0)
        return;
    pid = fork();
    if (pid == 0) {
        close(fds[1]);
        /* By what it says, not by the clock: a busy machine may be slow. */
        _exit(take(fds[0], false, false, &never) == 0 && !text &&
                      strstr(buf_cstr(&notices), "is not read")
                  ? 0
                  : 1);
    }
    close(fds[0]);
    int status = -1;
    waitpid(pid, &status, 0);
    CHECK(status == 0, "a pipe that the parent keeps open");
    close(fds[1]);
}

static void test_waits(void)
{
    pid_t pid;

    /* Beside us, in a pipeline: psql ... | agent */
    int fd = pipe_late("late text\n", 600, &pid);
    CHECK(take(fd, false, false, &never) == 0 && text && !strcmp(text, "late text"),
          "a slow program before us in a pipeline is waited for (%lld ms)", (long long)took);
    reap(pid);
    fd = pipe_late(NULL, 0, &pid);
    CHECK(take(fd, false, false, &never) == 0 && !text && took >= 4900 && took < 30000,
          "but not for ever (%lld ms)", (long long)took);
    CHECK(strstr(buf_cstr(&notices), "waiting") &&
              strstr(buf_cstr(&notices), "going on without it"),
          "and that is told");
    reap(pid);
    fd = pipe_late(NULL, 0, &pid);
    struct stop soon = stop_within(&never, 400);
    CHECK(take(fd, false, true, &soon) < 0 && err.code == ERR_DEADLINE && took < 20000,
          "--stdin=wait waits until the deadline: %s", err.msg);
    reap(pid);
    fd = pipe_late("a,b\n1,2\n", 3000, &pid);
    CHECK(take(fd, false, true, &never) == 0 && list.n == 1 && took >= 2500 &&
              strstr(buf_cstr(&notices), "waiting for standard input"),
          "--stdin=wait waits for data, and says so after 2 s");
    reap(pid);

    /* Data came, the end does not. */
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0 || write(fds[1], "begun", 5) != 5)
        return;
    soon = stop_within(&never, 2500);
    CHECK(take(fds[0], false, false, &soon) < 0 && err.code == ERR_DEADLINE &&
              strstr(err.msg, "5 bytes so far"),
          "data without an end: until the deadline: %s", err.msg);
    CHECK(strstr(buf_cstr(&notices), "waiting for the rest"), "told after 2 s");
    CHECK(folder_is_clean(), "nothing is left");
    close(fds[1]);

    int cancel[2];
    if (pipe2(cancel, O_CLOEXEC) < 0 || write(cancel[1], "x", 1) != 1 ||
        pipe2(fds, O_CLOEXEC) < 0 || write(fds[1], "begun", 5) != 5)
        return;
    struct stop cancelled = { .cancel_fd = cancel[0] };
    CHECK(take(fds[0], false, false, &cancelled) < 0 && err.code == ERR_CANCEL && took < 20000,
          "Ctrl-C ends the wait: %s", err.msg);
    close(fds[1]);
    close(cancel[0]);
    close(cancel[1]);
}

static void test_text(void)
{
#define B(s)                                                                                       \
    {                                                                                              \
        "" s, sizeof(s) - 1                                                                        \
    }
    static const struct {
        const char *name;
        struct str in;
        const char *want; /* NULL: no text */
    } cases[] = {
        { "words", B("Dear all,\nthe meeting is moved.\n"), "Dear all,\nthe meeting is moved." },
        { "no newline", B("x"), "x" },
        { "white space", B(" \n\t\n"), NULL },
        { "controls", B("a\033[31mb"), "a\\x1b[31mb" },
        { "latin-1", B("stra\337e"), "stra\303\237e" },
        { "utf-16", B("\xFF\xFEh\0i\0"), "hi" },
        { "leading space stays", B("  - a\n  - b\n"), "  - a\n  - b" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int r = take(pipe_with(cases[i].in), false, false, &never);
        CHECK(r == 0 && list.n == 0 &&
                  !strcmp(text ? text : "none", cases[i].want ? cases[i].want : "none"),
              "pipe: %s", cases[i].name);
        r = take(file_with(cases[i].in), false, false, &never);
        CHECK(r == 0 && list.n == 0 &&
                  !strcmp(text ? text : "none", cases[i].want ? cases[i].want : "none"),
              "file: %s", cases[i].name);
    }
    int fd = file_with(STR("skipped text"));
    lseek(fd, 8, SEEK_SET);
    CHECK(take(fd, false, false, &never) == 0 && text && !strcmp(text, "text"),
          "from where the file stands");

    CHECK(take(pipe_with(STR("what is 2+2?\n")), true, false, &never) == 0 &&
              !strcmp(text, "what is 2+2?"),
          "the question");
    CHECK(take(pipe_with(STR("a,b\n1,2\n")), true, false, &never) == 0 && text && list.n == 0,
          "the question stays one whatever it looks like");
    CHECK(take(pipe_with(STR("bad \xff\xfe bytes?")), true, false, &never) == 0 && text,
          "bytes that are no UTF-8");
    CHECK(take(pipe_with(STR(" \n")), true, false, &never) < 0 && err.code == ERR_USAGE &&
              strstr(err.msg, "is empty"),
          "an empty question: %s", err.msg);
    CHECK(take(open("/dev/null", O_RDONLY | O_CLOEXEC), true, false, &never) < 0 &&
              strstr(err.msg, "is empty"),
          "no question: %s", err.msg);
    CHECK(take(-1, true, false, &never) < 0 && err.code == ERR_USAGE, "a closed descriptor: %s",
          err.msg);
    CHECK(take(pipe_with(STR("\x89PNG\r\n\x1a\n\0\0")), true, false, &never) < 0 &&
              strstr(err.msg, "not text"),
          "%s", err.msg);
    cleanup_buf struct buf big = BUF_MAX(64 << 20);
    for (size_t i = 0; i < MAX_PROMPT_BYTES / 16; i++)
        buf_puts(&big, "a question with ");
    CHECK(take(file_with(buf_str(&big)), true, false, &never) == 0 &&
              strlen(text) == MAX_PROMPT_BYTES - 1,
          "a question of 4 MB");
    buf_puts(&big, "?");
    CHECK(take(file_with(buf_str(&big)), true, false, &never) < 0 &&
              strstr(err.msg, "longer than 4 MB"),
          "%s", err.msg);

    cleanup_free char *both = attach_prompt("q", "t"), *one = attach_prompt("q", NULL),
                      *other = attach_prompt(NULL, "t");
    CHECK(!strcmp(both, "q\n\n<stdin>\nt\n</stdin>") && !strcmp(one, "q") && !strcmp(other, "t"),
          "the block");
}

static void test_files(void)
{
    static const struct {
        const char *name;
        struct str in;
    } cases[] = {
        { "stdin.csv", B("a,b\n1,2\n") },
        { "stdin.tsv", B("a\tb\n1\t2\n") },
        { "stdin.json", B("{\"a\": [1, 2]}") },
        { "stdin.jsonl", B("{\"a\": 1}\n{\"a\": 2}\n") },
        { "stdin.bin", B("\x89PNG\r\n\x1a\n\0\0") },
        { "stdin.csv", B("\xFF\xFE"
                         "a\0,\0b\0\n\0"
                         "1\0,\0"
                         "2\0\n\0") },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        cleanup_buf struct buf back = BUF_MAX(1 << 20);
        struct stat st = { 0 };
        struct err e = ERR_INIT;
        int r = take(pipe_with(cases[i].in), false, false, &never);
        CHECK(r == 0 && !text && list.n == 1 && !strcmp(list.v[0].name, cases[i].name), "%s %s",
              cases[i].name, err.msg);
        if (r < 0 || list.n != 1)
            continue;
        io_read_file(list.v[0].path, &back, &e);
        CHECK(str_eq(buf_str(&back), cases[i].in) && stat(list.v[0].path, &st) == 0 &&
                  (st.st_mode & 0777) == 0600,
              "%s: as it came, private", cases[i].name);
        unlink(list.v[0].path);
    }

    cleanup_buf struct buf big = BUF_MAX(64 << 20), back = BUF_MAX(64 << 20);
    struct err e = ERR_INIT;
    while (big.n <= STDIN_PROMPT_BYTES)
        buf_puts(&big, "words, and more of them. ");
    CHECK(take(pipe_with(buf_str(&big)), false, false, &never) == 0 && list.n == 1 &&
              !strcmp(list.v[0].name, "stdin.txt"),
          "more than a few KB of words is a file");
    big.n = STDIN_PROMPT_BYTES;
    unlink(list.n ? list.v[0].path : "");
    CHECK(take(file_with(buf_str(&big)), false, false, &never) == 0 && list.n == 0 && text,
          "up to there it is text");
    buf_clear(&big);
    for (int i = 0; i < 300000; i++)
        buf_putf(&big, "%d,%d\n", i, i * 7 % 1000);
    CHECK(take(file_with(buf_str(&big)), false, false, &never) == 0 && list.n == 1 &&
              !strcmp(list.v[0].name, "stdin.csv") && list.v[0].size == (int64_t)big.n,
          "a large table (%zu bytes)", big.n);
    if (list.n)
        io_read_file(list.v[0].path, &back, &e);
    CHECK(str_eq(buf_str(&back), buf_str(&big)), "whole");
    CHECK(folder_is_clean(), "under its final name only");
    unlink(list.n ? list.v[0].path : "");

    /* Beside an attachment of that name. */
    struct attach_stdin in = { .dir = root };
    cleanup_free char *mine = io_join(root, "mine");
    io_write_atomic(AT_FDCWD, mine, STR("x\n1\n"), 0600, &e);
    cleanup_free char *arg = xasprintf("%s:stdin.csv", mine);
    attach_list_done(&list);
    attach_add(&list, arg, &notices, &e);
    in.fd = pipe_with(STR("a,b\n1,2\n"));
    free(text);
    text = NULL;
    CHECK(attach_stdin(&list, &in, &never, &text, &e) == 0 && list.n == 2 &&
              !strcmp(list.v[1].name, "stdin-2.csv"),
          "another name when its own is taken");
    close(in.fd);

    int fd = file_with(STR("x"));
    if (ftruncate(fd, (off_t)MAX_STDIN_BYTES + 1) == 0)
        CHECK(take(fd, false, false, &never) < 0 && err.code == ERR_USAGE &&
                  strstr(err.msg, "attach it as a file") && took < 20000,
              "%s", err.msg);
    struct attach_stdin nowhere = { .dir = "/nonexistent/dir" };
    nowhere.fd = pipe_with(STR("a,b\n1,2\n"));
    attach_list_done(&list);
    CHECK(attach_stdin(&list, &nowhere, &never, &text, &e) < 0 &&
              strstr(e.msg, "/nonexistent/dir/stdin.part") && list.n == 0,
          "%s", e.msg);
    close(nowhere.fd);
}

int main(void)
{
    struct err e = ERR_INIT;

    if (mkdtemp(root) == NULL) {
        printf("Bail out! no temporary folder\n");
        return 1;
    }
    test_not_read();
    test_waits();
    test_text();
    test_files();
    free(text);
    buf_free(&notices);
    attach_list_done(&list);
    io_remove_tree(AT_FDCWD, root, &e);
    return tap_done();
}
