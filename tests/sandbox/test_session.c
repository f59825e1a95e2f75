/* The life of a sandbox as the agent sees it: facts, files put in, libraries probed, stops obeyed,
 * a lost sandbox made anew, and nothing left behind. */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/mem.h"
#include "sandbox/sandbox.h"
#include "tests/unit/tap.h"
#include "agent/base/banned.h"

static const struct stop never = STOP_NEVER;
static struct err e = ERR_INIT;

static struct sandbox *start(const struct sandbox_spec *spec)
{
    struct sandbox *s = sandbox_start(spec, &e);

    if (s && sandbox_wait_ready(s, &never, &e) == 0)
        return s;
    printf("Bail out! no sandbox: %s\n", e.msg);
    sandbox_free(s);
    exit(1);
}

/* Runs code and gives what it printed; the caller frees. */
static char *run(struct sandbox *s, const char *context, const char *code, const struct stop *stop,
                 struct sandbox_result *r)
{
    static int number;
    struct sandbox_cell cell = {
        .context = context, .number = ++number, .code = str_of(code), .timeout_ms = 20000
    };

    if (sandbox_run(s, &cell, stop, NULL, r, &e) < 0)
        return NULL;
    for (size_t i = 0; i < r->n_items; i++)
        if (r->items[i].kind == ITEM_STDOUT)
            return xstrndup(r->items[i].text, r->items[i].n);
    return xstrdup("");
}

static bool prints(struct sandbox *s, const char *context, const char *code, const char *want)
{
    struct sandbox_result r = { .status = SANDBOX_OK };
    cleanup_free char *out = run(s, context, code, &never, &r);
    bool ok = out && strcmp(out, want) == 0;

    if (!ok)
        printf("# got: %s (%s)\n", out ? out : "nothing", out ? "" : e.msg);
    sandbox_result_done(&r);
    return ok;
}

/* The helper is our only child. */
static pid_t helper_pid(void)
{
    cleanup_buf struct buf b = BUF_MAX(4096);
    cleanup_free char *path = xasprintf("/proc/self/task/%d/children", (int)getpid());

    return io_read_file(path, &b, &e) < 0 ? 0 : (pid_t)strtol(buf_cstr(&b), NULL, 10);
}

static int open_descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    int n = 0;

    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

static void test_facts(struct sandbox *s)
{
    struct sandbox_info info;

    sandbox_get_info(s, &info);
    CHECK(strncmp(info.python_version, "3.", 2) == 0, "version %s", info.python_version);
    CHECK(strcmp(info.limits_backend, "cgroup2") == 0 ||
              strcmp(info.limits_backend, "cgroup1") == 0 ||
              strcmp(info.limits_backend, "rlimits") == 0,
          "limits by %s", info.limits_backend);
    CHECK(prints(s, "default", "print(6 * 7)", "42\n"), "a cell");
    int dir = sandbox_workspace_fd(s);
    struct stat st;
    CHECK(prints(s, "default", "open('made.txt', 'w').write('x' * 10); print()", "\n") &&
              fstatat(dir, "made.txt", &st, 0) == 0 && st.st_size == 10,
          "the workspace is seen through its descriptor");
}

static void test_contexts(struct sandbox *s)
{
    CHECK(prints(s, "default", "x = 1; print('x' in globals())", "True\n"),
          "a name in one context");
    CHECK(prints(s, "other", "print('x' in globals())", "False\n"), "is not in another");
    CHECK(prints(s, "other", "import os; print(os.path.exists('made.txt'))", "True\n"),
          "but the workspace is shared");
    struct sandbox_result r;
    cleanup_free char *out = run(s, "other", "import os; os._exit(1)", &never, &r);
    CHECK(out && r.status == SANDBOX_DIED, "one context dies");
    sandbox_result_done(&r);
    CHECK(prints(s, "default", "print(x)", "1\n"), "the other lives on");
}

static void test_put(struct sandbox *s)
{
    CHECK(sandbox_put(s, "full.txt", str_of("all of it"), &never, &e) == 0, "a file is put");
    CHECK(prints(s, "default", "print(open('/output/full.txt').read())", "all of it\n"),
          "and read");
    CHECK(prints(s, "default",
                 "try: open('/output/full.txt', 'w')\nexcept OSError: print('read-only')",
                 "read-only\n"),
          "not written");
    CHECK(sandbox_put(s, "full.txt", str_of("new"), &never, &e) == 0 &&
              prints(s, "default", "print(open('/output/full.txt').read())", "new\n"),
          "a second one replaces it");
    size_t n = 20u << 20;
    char *big = xcalloc(n, 1);
    CHECK(
        sandbox_put(s, "big", (struct str){ big, n }, &never, &e) == 0 &&
            prints(s, "default", "import os; print(os.stat('/output/big').st_size)", "20971520\n"),
        "20 MiB");
    free(big);
    CHECK(sandbox_put(s, "../x", str_of("x"), &never, &e) < 0 && e.code == ERR_SANDBOX,
          "a name with a slash is refused: %s", e.msg);
}

static void test_probe(struct sandbox *s)
{
    cleanup_buf struct buf b = BUF_MAX(4096);

    CHECK(sandbox_probe(s, "json no_such_module csv", &never, &b, &e) == 0, "libraries are probed");
    CHECK(strstr(buf_cstr(&b), "json 2") && strstr(buf_cstr(&b), "csv ") &&
              strstr(buf_cstr(&b), "no_such") == NULL,
          "those there are named: %zu bytes", b.n);
}

static void test_stop(struct sandbox *s)
{
    struct sandbox_result r;
    int p[2];

    struct stop soon = stop_within(&never, 300);
    int64_t t = now_ms();
    CHECK(run(s, "default", "y = 2\nwhile True: pass", &soon, &r) == NULL && e.code == ERR_DEADLINE,
          "a deadline ends the wait");
    CHECK(now_ms() - t < 1500, "promptly");
    CHECK(prints(s, "default", "print('y' in globals())", "False\n"),
          "the next cell has a new context");
    if (pipe(p) == 0) {
        struct stop cancel = STOP_NEVER;
        cancel.cancel_fd = p[0];
        if (write(p[1], "x", 1) != 1)
            return;
        t = now_ms();
        CHECK(run(s, "default", "while True: pass", &cancel, &r) == NULL && e.code == ERR_CANCEL,
              "so does a cancellation");
        CHECK(now_ms() - t < 1500, "promptly");
        close(p[0]);
        close(p[1]);
    }
}

static void test_lost(struct sandbox *s)
{
    struct sandbox_result r;
    int dir = sandbox_workspace_fd(s);
    struct stat st;

    CHECK(prints(s, "default", "kept = 1; print()", "\n"), "a name");
    kill(helper_pid(), SIGKILL);
    stop_sleep(&never, 200, &e);
    CHECK(sandbox_revive(s, &never, &e) == 1, "a killed helper is made anew");
    CHECK(sandbox_workspace_fd(s) == dir && fstatat(dir, "made.txt", &st, 0) < 0,
          "the workspace is new, under the same descriptor");
    cleanup_free char *out = run(s, "default", "print(1)", &never, &r);
    CHECK(out && strcmp(out, "1\n") == 0, "cells run");
    CHECK(out && r.lost_names && strstr(r.lost_names, "kept"), "and the lost names are told");
    sandbox_result_done(&r);
    cleanup_free char *again = run(s, "default", "print(2)", &never, &r);
    CHECK(again && r.lost_names == NULL, "once");
    sandbox_result_done(&r);
}

static void test_failures(void)
{
    struct sandbox_spec none = { .helper = "/nonexistent/agent-sandbox" };
    CHECK(sandbox_start(&none, &e) == NULL && e.code == ERR_SANDBOX &&
              strstr(e.msg, "/nonexistent"),
          "no helper: %s", e.msg);
    struct sandbox_spec python = { .helper = getenv("SANDBOX_PROGRAM"),
                                   .python = "/nonexistent/python" };
    CHECK(sandbox_start(&python, &e) == NULL && e.code == ERR_CONFIG &&
              strstr(e.msg, "/nonexistent"),
          "no Python: %s", e.msg);
    struct sandbox_spec not_python = { .helper = getenv("SANDBOX_PROGRAM"),
                                       .python = "/usr/bin/true" };
    struct sandbox *s = sandbox_start(&not_python, &e);
    CHECK(s && sandbox_wait_ready(s, &never, &e) < 0 && e.code == ERR_SANDBOX,
          "a Python that is none: %s", e.msg);
    sandbox_free(s);
}

static void count_file(void *arg, struct str name, int64_t size)
{
    struct buf *out = arg;

    buf_putf(out, "%.*s %lld\n", (int)name.n, name.p, (long long)size);
}

static bool lists(struct sandbox *s, const char *want)
{
    cleanup_buf struct buf out = BUF_MAX(4096);

    return sandbox_file_list(s, count_file, &out, &e) == 1 && strcmp(buf_cstr(&out), want) == 0;
}

/* Files of the workspace, with the code beside it as the enemy. */
static void test_files(void)
{
    static const char *const no_names[] = { "", ".", "..", "/x", "a/../b", "a//b", "../x" };
    struct sandbox_spec spec = { .helper = getenv("SANDBOX_PROGRAM") };
    struct sandbox *s = start(&spec);

    CHECK(lists(s, ""), "no files at first");
    CHECK(prints(s, "default",
                 "import os\nos.mkdir('d'); open('d/-x\\n', 'w').write('abc')\n"
                 "os.symlink('/etc/passwd', 'l'); print('made')",
                 "made\n"),
          "files made by code");
    CHECK(lists(s, "d/-x\n 3\n"), "listed by their bytes; a link is none");
    for (size_t i = 0; i < sizeof no_names / sizeof no_names[0]; i++) {
        e = (struct err)ERR_INIT;
        CHECK(sandbox_file_remove(s, str_of(no_names[i]), &never, &e) < 0 && e.code == ERR_USAGE,
              "`%s' is no name to remove: %s", no_names[i], e.msg);
    }
    CHECK(sandbox_file_remove(s, str_of("none"), &never, &e) < 0, "what is not there: %s", e.msg);
    CHECK(sandbox_file_remove(s, str_of("l"), &never, &e) == 0 &&
              prints(s, "default", "print(os.path.lexists('l'), os.path.exists('/etc/passwd'))",
                     "False True\n"),
          "a link itself is removed");
    CHECK(sandbox_file_remove(s, str_of("d/-x\n"), &never, &e) == 0 && lists(s, ""),
          "and a file with a hostile name: %s", e.msg);
    CHECK(prints(s, "default",
                 "os.rmdir('d'); os.symlink('/tmp', 'd'); open('/tmp/f', 'w'); print()", "\n") &&
              sandbox_file_remove(s, str_of("d/f"), &never, &e) < 0 &&
              prints(s, "default", "print(os.path.exists('/tmp/f'))", "True\n"),
          "no link is followed on the way: %s", e.msg);
    sandbox_free(s);
}

static void test_context_options(void)
{
    static const char *const env[] = { "COLOUR=blue", NULL };
    struct sandbox_program bash = { sandbox_language("bash"), NULL };
    struct sandbox_spec spec = { .helper = getenv("SANDBOX_PROGRAM"),
                                 .programs = &bash,
                                 .n_programs = 1 };
    struct sandbox_context_options o = {
        .cwd = "/tmp", .env = env, .timeout_ms = 500, .input = -1
    };
    struct sandbox *s = start(&spec);
    struct sandbox_result r;

    CHECK(sandbox_context_create(s, NULL, "a", &o, &e) == 0, "a context with options: %s", e.msg);
    CHECK(sandbox_context_create(s, NULL, "a", &o, &e) < 0 && e.code == ERR_USAGE,
          "its name is taken: %s", e.msg);
    CHECK(sandbox_context_create(s, NULL, "../a", &o, &e) < 0 && e.code == ERR_USAGE, "no name: %s",
          e.msg);
    CHECK(
        prints(s, "a", "import os; x = 1; print(os.getcwd(), os.environ['COLOUR'])", "/tmp blue\n"),
        "directory and environment");
    struct sandbox_cell slow = { .context = "a", .number = 90, .code = str_of("while True: pass") };
    CHECK(sandbox_run(s, &slow, &never, NULL, &r, &e) == 0 && r.status == SANDBOX_TIMEOUT,
          "its time limit holds for cells that name none");
    sandbox_result_done(&r);
    CHECK(sandbox_context_restart(s, NULL, "a", &e) == 0, "restart: %s", e.msg);
    cleanup_free char *out =
        run(s, "a", "import os; print('x' in globals(), os.getcwd(), os.environ['COLOUR'])", &never,
            &r);
    CHECK(out && strcmp(out, "False /tmp blue\n") == 0 && r.lost_names == NULL,
          "empty, with the same options, and nothing counts as lost: %s", out ? out : e.msg);
    sandbox_result_done(&r);
    CHECK(
        prints(s, "a", "import os, time\nif os.fork() == 0:\n    time.sleep(60)\nprint()", "\n") &&
            sandbox_context_delete(s, NULL, "a", &e) == 0,
        "delete: %s", e.msg);
    CHECK(prints(s, "default",
                 "import os\nprint([p for p in os.listdir('/proc') if p.isdigit() and "
                 "p != str(os.getpid())])",
                 "[]\n"),
          "all that ran in it is gone");
    CHECK(sandbox_context_delete(s, NULL, "a", &e) < 0 && e.code == ERR_USAGE &&
              sandbox_context_restart(s, NULL, "a", &e) < 0 && e.code == ERR_USAGE,
          "it is not there any more: %s", e.msg);
    if (sandbox_check_program(&bash, &e) < 0) {
        tap_skip("no bash: %s", e.msg);
    } else {
        CHECK(sandbox_context_create(s, bash.language, "a", &o, &e) == 0,
              "another language has names of its own: %s", e.msg);
        struct sandbox_cell cell = { .context = "a",
                                     .number = 91,
                                     .code = str_of("echo $PWD $COLOUR; x=1"),
                                     .timeout_ms = 20000,
                                     .language = bash.language };
        CHECK(sandbox_run(s, &cell, &never, NULL, &r, &e) == 0 && r.n_items == 1 &&
                  strcmp(r.items[0].text, "/tmp blue\n") == 0,
              "with the same options: %s", r.n_items ? r.items[0].text : e.msg);
        sandbox_result_done(&r);
        cell.code = str_of("echo ${x-none}");
        CHECK(sandbox_context_restart(s, bash.language, "a", &e) == 0 &&
                  sandbox_run(s, &cell, &never, NULL, &r, &e) == 0 && r.n_items == 1 &&
                  strcmp(r.items[0].text, "none\n") == 0,
              "and restarts");
        sandbox_result_done(&r);
    }
    sandbox_free(s);
}

int main(void)
{
    struct sandbox_spec spec = { .helper = getenv("SANDBOX_PROGRAM") };

    test_failures();
    test_files();
    test_context_options();
    int before = open_descriptors();
    struct sandbox *s = start(&spec);
    test_facts(s);
    test_contexts(s);
    test_put(s);
    test_probe(s);
    test_stop(s);
    test_lost(s);
    int64_t t = now_ms();
    sandbox_free(s);
    CHECK(now_ms() - t < 2500, "it ends within %lld ms", (long long)(now_ms() - t));
    CHECK(helper_pid() == 0, "no child is left");
    CHECK(open_descriptors() == before, "no descriptor is left");
    return tap_done();
}
