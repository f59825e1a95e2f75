/* The terminal: what each mode shows, that nothing foreign reaches its control plane, and what a
 * closed or full stream does. Standard error is a file, a pipe or a pseudo-terminal; TAP is on
 * standard output. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/log.h"
#include "agent/base/mem.h"
#include "agent/base/stop.h"
#include "agent/base/utf8.h"
#include "agent/ui.h"
#include "tests/unit/tap.h"
#include "agent/base/banned.h"

static int saved_err, saved_out;
static struct buf got = BUF_MAX(4 << 20);

/* Everything a run may show, in the order it would come. */
static void whole_run(struct ui *u)
{
    static const char *const made[] = { "chart.png", "evil\033[2J\n.csv" };
    struct err why = ERR_INIT;

    ui_wait(u, "thinking");
    ui_note(u, "a note with \033[31mcolour\nand a second line");
    ui_detail(u, "a detail");
    ui_warn(u, "a warning");
    ui_text(u, STR("Let me "));
    ui_text(u, STR("look.\033]0;title\007"));
    ui_text_end(u, true);
    err_set(&why, ERR_NET, 503, "the service is busy (503)");
    ui_retry(u, &why, 1500, 2);
    ui_cell_begin(u, 1, "python", "Read the file\033[H", STR("import pandas as pd\nprint(1)\n"));
    ui_cell_output(u, false, STR("out\033[1mput\r\n"));
    ui_cell_output(u, true, STR("complaint"));
    struct ui_cell_end end = { .ok = true,
                               .status = "ok",
                               .duration_us = 34500,
                               .stdout_bytes = 2048,
                               .stdout_lines = 12,
                               .n_artifacts = 2,
                               .artifacts = made };
    ui_cell_end(u, 1, &end);
    struct ui_cell_end bad = { .status = "error",
                               .error_line = "KeyError: 'x\033[2J'",
                               .duration_us = 1250000 };
    ui_cell_begin(u, 2, "python", "", STR("# a comment\nimport os\n\nx = d['x']\n"));
    ui_cell_end(u, 2, &bad);
    ui_artifact(u, "/tmp/out/chart\033.png", 12345);
    struct ui_usage us = { 2, 2, 1200, 340, 5600, NAN };
    ui_usage(u, &us);
}

/* Runs `fn` with standard error to a file and reads it into `got`. */
static void capture(struct ui *(*make)(void), void (*fn)(struct ui *))
{
    char name[] = "/tmp/agent-ui-XXXXXX";
    struct err e = ERR_INIT;
    int fd = mkstemp(name);

    unlink(name);
    dup2(fd, STDERR_FILENO);
    struct ui *u = make();
    fn(u);
    ui_free(u);
    dup2(saved_err, STDERR_FILENO);
    lseek(fd, 0, SEEK_SET);
    buf_clear(&got);
    io_read_fd(fd, &got, &e);
    close(fd);
}

static struct conf conf;
static struct ui *make(void)
{
    return ui_new(&conf);
}

static bool has(const char *s)
{
    return strstr(buf_cstr(&got), s) != NULL;
}

static bool is_tame(void)
{
    for (size_t i = 0; i < got.n; i++)
        if ((unsigned char)got.p[i] < ' ' && got.p[i] != '\n' && got.p[i] != '\t')
            return false;
    return utf8_valid(buf_str(&got));
}

static void test_modes(void)
{
    conf = (struct conf){ .color = COLOR_AUTO };
    capture(make, whole_run);
    CHECK(is_tame(), "normal, in a file: no control byte at all");
    CHECK(has("a note with \\x1b[31mcolour\\nand a second line\n"), "a note is one line");
    CHECK(!has("a detail") && !has("Let me look") && !has("output") && !has("print(1)"),
          "normal: no details, model text, output or code");
    CHECK(!has("thinking"), "no moving line in a file");
    CHECK(has("agent: warning: a warning\n"), "a warning");
    CHECK(has("the service is busy (503); attempt 2 in 1.5 s\n"), "a retry");
    CHECK(has("[1] Read the file\\x1b[H\n"), "a cell by its description");
    CHECK(has("[1] ok 35 ms, printed 12 lines (2.0 KB); made chart.png, evil\\x1b[2J\\n.csv\n"),
          "its outcome");
    CHECK(has("[2] x = d['x']\n"), "a cell by its first line that says something");
    CHECK(has("[2] error 1.2 s: KeyError: 'x\\x1b[2J'\n"), "its error");
    CHECK(has("file: /tmp/out/chart\\x1b.png (12.1 KB)\n"), "an artifact");
    CHECK(has("done: 2 turns, 2 cells, 1200 tokens in and 340 out, 5.6 s\n"), "the usage");

    conf.verbose = true;
    capture(make, whole_run);
    CHECK(is_tame(), "verbose: no control byte");
    CHECK(has("a detail\n") && has("Let me look.\\x1b]0;title\\x07\n"),
          "verbose: details and model text");
    CHECK(has("    | import pandas as pd\n    | print(1)\n"), "verbose: code");
    CHECK(has("out\\x1b[1mput\ncomplaint\n[1] ok"),
          "verbose: output, each stream, then a line of its own");
    conf = (struct conf){ .show_code = true };
    capture(make, whole_run);
    CHECK(has("    | print(1)\n") && !has("complaint"), "show_code: code alone");

    conf = (struct conf){ .quiet = true };
    capture(make, whole_run);
    CHECK(!strcmp(buf_cstr(&got), "agent: warning: a warning\n"), "quiet: warnings alone: %s",
          buf_cstr(&got));
    conf = (struct conf){ .color = COLOR_ALWAYS };
    capture(make, whole_run);
    CHECK(has("\033[36m[1] \033[0mRead the file\\x1b[H\n") && !has("\033[H") && !has("\033[2J"),
          "colour: ours alone");
    conf = (struct conf){ .color = COLOR_AUTO };
}

static void show_error(struct ui *u)
{
    struct err e = ERR_INIT;

    err_set(&e, ERR_CONFIG, 0, "no key\033[5m.\nDo this:\n  export X=sk-test-canary-key");
    ui_error(u, &e);
}

static void test_errors(void)
{
    secret_add("sk-test-canary-key");
    conf = (struct conf){ .quiet = true };
    capture(make, show_error);
    CHECK(!strcmp(buf_cstr(&got), "agent: no key\\x1b[5m.\n  Do this:\n    export X=[redacted]\n"),
          "%s", buf_cstr(&got));
}

static void colours(struct ui *u)
{
    ui_warn(u, "x");
}

static void test_colour(void)
{
    static const struct {
        const char *no_color, *force, *term;
        enum conf_color mode;
        bool want;
    } cases[] = {
        { NULL, NULL, "xterm", COLOR_AUTO, false }, /* a file is no terminal */
        { NULL, "1", "xterm", COLOR_AUTO, true },   { NULL, "0", "xterm", COLOR_AUTO, false },
        { NULL, "", "xterm", COLOR_AUTO, false },   { "1", "1", "xterm", COLOR_AUTO, false },
        { "", "1", "dumb", COLOR_AUTO, true }, /* an empty NO_COLOR is none */
        { "1", NULL, "dumb", COLOR_ALWAYS, true },  { NULL, "1", "xterm", COLOR_NEVER, false },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        unsetenv("NO_COLOR");
        unsetenv("FORCE_COLOR");
        if (cases[i].no_color)
            setenv("NO_COLOR", cases[i].no_color, 1);
        if (cases[i].force)
            setenv("FORCE_COLOR", cases[i].force, 1);
        setenv("TERM", cases[i].term, 1);
        conf = (struct conf){ .color = cases[i].mode };
        capture(make, colours);
        CHECK(has("\033[") == cases[i].want, "colour case %zu", i);
    }
    unsetenv("NO_COLOR");
    unsetenv("FORCE_COLOR");
}

/* --- text in pieces --- */

static size_t step;
static void in_pieces(struct ui *u)
{
    static const char text[] = "stra\303\237e \342\202\254 \360\237\230\200 bad\377\303 cut\303";

    for (size_t i = 0; i < sizeof text - 1; i += step)
        ui_text(u,
                (struct str){ text + i, sizeof text - 1 - i < step ? sizeof text - 1 - i : step });
    ui_text(u, STR(""));
    ui_text_end(u, true);
    ui_note(u, "next");
}

static void test_pieces(void)
{
    conf = (struct conf){ .verbose = true };
    for (step = 1; step <= 40; step++) {
        capture(make, in_pieces);
        CHECK(!strcmp(buf_cstr(&got),
                      "stra\303\237e \342\202\254 \360\237\230\200 bad\357\277\275\357\277\275 cut"
                      "\357\277\275\nnext\n"),
              "text in pieces of %zu bytes: %s", step, buf_cstr(&got));
    }
}

/* --- the answer --- */

static void test_answer(void)
{
    static const struct {
        const char *in, *want;
    } cases[] = {
        { "It is 4.", "It is 4.\n" },
        { "It is 4.\n\n \n", "It is 4.\n" },
        { "  indented\n\ttab\n", "  indented\n\ttab\n" },
        { "esc\033[2J \r\n bell\007", "esc\\x1b[2J \n bell\\x07\n" },
        { "", "\n" },
    };
    struct err e = ERR_INIT;
    int fds[2];

    conf = (struct conf){ 0 };
    struct ui *u = make();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (pipe2(fds, O_CLOEXEC) < 0)
            return;
        dup2(fds[1], STDOUT_FILENO);
        close(fds[1]);
        int r = ui_answer(u, str_of(cases[i].in), &e);
        dup2(saved_out, STDOUT_FILENO);
        buf_clear(&got);
        io_read_fd(fds[0], &got, &e);
        close(fds[0]);
        CHECK(r == 0 && !strcmp(buf_cstr(&got), cases[i].want), "answer %zu: %s", i,
              buf_cstr(&got));
    }
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    dup2(full, STDOUT_FILENO);
    int r = ui_answer(u, STR("x"), &e);
    dup2(saved_out, STDOUT_FILENO);
    CHECK(r < 0 && e.code == ERR_SYS && e.sys == ENOSPC && strstr(e.msg, "No space left"),
          "a full disk: %s", e.msg);
    close(full);
    if (pipe2(fds, O_CLOEXEC) == 0) {
        close(fds[0]);
        dup2(fds[1], STDOUT_FILENO);
        close(fds[1]);
        r = ui_answer(u, STR("x"), &e);
        dup2(saved_out, STDOUT_FILENO);
        CHECK(r < 0 && e.sys == EPIPE, "a reader who has gone: %s", e.msg);
    }
    ui_free(u);
    ui_free(NULL);
}

static void test_gone(void)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0)
        return;
    close(fds[0]);
    dup2(fds[1], STDERR_FILENO);
    close(fds[1]);
    conf = (struct conf){ .verbose = true };
    struct ui *u = make();
    whole_run(u);
    ui_free(u);
    dup2(saved_err, STDERR_FILENO);
    CHECK(true, "a closed standard error does no harm"); /* SIGPIPE or a crash would end the test */
}

/* --- a terminal --- */

/* What came out of the pseudo-terminal so far. */
static void read_pty(int master)
{
    char tmp[4096];
    struct pollfd p = { master, POLLIN, 0 };

    buf_clear(&got);
    while (poll(&p, 1, 100) > 0 && (p.revents & POLLIN)) {
        ssize_t r = read(master, tmp, sizeof tmp);
        if (r <= 0)
            break;
        buf_put(&got, tmp, (size_t)r);
    }
}

static void test_terminal(void)
{
    struct winsize w = { 24, 30, 0, 0 };
    struct err e = ERR_INIT;
    struct stop never = STOP_NEVER;
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

    if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0) {
        tap_skip("no pseudo-terminal here: %s", strerror(errno));
        return;
    }
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    ioctl(slave, TIOCSWINSZ, &w);
    dup2(slave, STDERR_FILENO);
    setenv("TERM", "xterm", 1);
    conf = (struct conf){ .color = COLOR_AUTO };
    struct ui *u = make();
    ui_wait(u, "thinking about a rather long thing to say here");
    read_pty(master);
    CHECK(has("\r\033[K") && has("thinking about a rather lon") && !has("thing to say"),
          "the moving line is cut to the width");
    for (int i = 0; i < 1000; i++)
        ui_tick(u);
    read_pty(master);
    size_t draws = 0;
    for (const char *p = buf_cstr(&got); (p = strstr(p, "\r\033[K")) != NULL; p++)
        draws++;
    CHECK(draws < 100, "a tick redraws seldom (%zu of 1000)", draws);
    stop_sleep(&never, 1050, &e);
    ui_tick(u);
    read_pty(master);
    CHECK(has(" 1s"), "later with the time");
    w.ws_col = 60;
    ioctl(slave, TIOCSWINSZ, &w);
    stop_sleep(&never, 110, &e);
    ui_tick(u);
    read_pty(master);
    CHECK(has("thing to say"), "a wider window shows more");
    ui_note(u, "a note");
    read_pty(master);
    CHECK(!strncmp(buf_cstr(&got), "\r\033[Ka note\r\n", 12), "a note takes its place");
    CHECK(has("thing to say"), "and it goes on below");
    ui_wait_end(u);
    read_pty(master);
    CHECK(!strcmp(buf_cstr(&got), "\r\033[K"), "the end takes it away");
    ui_tick(u);
    read_pty(master);
    CHECK(got.n == 0, "nothing more once the wait is over");
    ui_cell_begin(
        u, 1, "python",
        "\346\274\242\345\255\227\346\274\242\345\255\227\346\274\242\345\255\227\346\274\242\345"
        "\255\227\346\274\242\345\255\227\346\274\242\345\255\227\346\274\242\345\255\227\346\274"
        "\242\345\255\227\346\274\242\345\255\227\346\274\242\345\255\227\346\274\242\345\255\227"
        "\346\274\242\345\255\227\346\274\242\345\255\227\346\274\242\345\255\227\346\274\242\345"
        "\255\227\346\274\242\345\255\227",
        STR("x"));
    read_pty(master);
    const char *at = strstr(buf_cstr(&got), "[1]");
    CHECK(at && utf8_width(str_of(at)) <= 57 && utf8_width(str_of(at)) > 54,
          "a cell that runs moves; wide characters count twice");
    ui_free(u);
    read_pty(master);
    CHECK(has("\r\033[K") && has("not finished"), "a cell that never ended is told of at the end");

    setenv("TERM", "dumb", 1);
    u = make();
    ui_wait(u, "thinking");
    ui_note(u, "plain");
    ui_free(u);
    read_pty(master);
    CHECK(!strcmp(buf_cstr(&got), "plain\r\n"), "TERM=dumb: neither colour nor movement");
    conf.quiet = true;
    setenv("TERM", "xterm", 1);
    u = make();
    whole_run(u);
    ui_free(u);
    read_pty(master);
    CHECK(!has("thinking") && !has("running"), "quiet: nothing moves");
    dup2(saved_err, STDERR_FILENO);
    close(slave);
    close(master);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    saved_err = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
    saved_out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10);
    unsetenv("NO_COLOR");
    unsetenv("FORCE_COLOR");
    setenv("TERM", "xterm", 1);
    test_modes();
    test_errors();
    test_colour();
    test_pieces();
    test_answer();
    test_gone();
    test_terminal();
    buf_free(&got);
    return tap_done();
}
