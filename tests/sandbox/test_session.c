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

int main(void)
{
    struct sandbox_spec spec = { .helper = getenv("SANDBOX_PROGRAM") };

    test_failures();
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
