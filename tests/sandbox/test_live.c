/* What a cell says reaches the agent while the cell runs: output, results and errors, in order, and
 * soon after they were written. And however much a cell says, the agent's memory stays bounded. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include "agent/base/mem.h"
#include "agent/base/stop.h"
#include "sandbox/sandbox.h"
#include "tests/unit/tap.h"
#include "agent/base/banned.h"

#define MAX_SEEN 2000
static const struct stop never = STOP_NEVER;
static struct err e = ERR_INIT;

static int64_t wall_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

/* Each piece is a time at which it was written; the delay is noted. */
struct seen {
    char order[MAX_SEEN + 1]; /* o, e, r, x: what came, one letter a piece */
    size_t n;
    int64_t delay_us[MAX_SEEN];
    int64_t error_at_ms;
    char error[100];
    int error_line, numbers_ok;
};

static void note(struct seen *s, char kind, const char *digits)
{
    long long t = strtoll(digits, NULL, 10);

    if (s->n == MAX_SEEN)
        return;
    s->delay_us[s->n] = t ? (wall_ns() - t) / 1000 : 0;
    s->order[s->n++] = kind;
}

static void on_output(void *arg, bool is_stderr, struct str bytes)
{
    cleanup_free char *text = str_dup(bytes);

    note(arg, is_stderr ? 'e' : 'o', text);
}

static void on_result(void *arg, const struct sandbox_item *item, int number)
{
    struct seen *s = arg;

    s->numbers_ok += number == s->numbers_ok + 1;
    note(s, 'r', item->n_reprs ? item->reprs[0].data : "");
}

static void on_error(void *arg, const char *name, const char *value, const char *traceback,
                     int line)
{
    struct seen *s = arg;

    snprintf(s->error, sizeof s->error, "%s: %s%s", name, value,
             strstr(traceback, "Traceback") ? "" : " (no traceback)");
    s->error_line = line;
    note(s, 'x', "");
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static struct seen watch(struct sandbox *s, const char *code, struct sandbox_result *r)
{
    static int number;
    struct seen seen = { .n = 0 };
    struct sandbox_sink sink = { on_output, on_result, on_error, &seen };
    struct sandbox_cell cell = {
        .context = "default", .number = ++number, .code = str_of(code), .timeout_ms = 60000
    };

    if (sandbox_run(s, &cell, &never, &sink, r, &e) < 0) {
        printf("Bail out! %s\n", e.msg);
        exit(1);
    }
    return seen;
}

/* The median says what the way costs; the machine may be busy, so the limit is stretched by
 * TEST_PATIENCE and what was measured is printed. */
static void test_delay(struct sandbox *s)
{
    static const struct {
        const char *what, *code;
        char kind;
    } rows[] = {
        { "print", "print(time.time_ns())", 'o' },
        { "a line on stderr", "print(time.time_ns(), file=sys.stderr)", 'e' },
        { "part of a line", "print(time.time_ns(), end='')", 'o' },
        { "part of a line just after a whole one",
          "print(); time.sleep(0.002); print(time.time_ns(), end='')", 'o' },
        { "os.write", "os.write(1, b'%d' % time.time_ns())", 'o' },
        { "a result", "display(time.time_ns())", 'r' },
        { "a child process", "subprocess.run(['date', '+%s%N'])", 'o' },
    };
    const char *patience = getenv("TEST_PATIENCE");
    int64_t limit_us = (int64_t)(20000 * (patience ? strtod(patience, NULL) : 1));

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup_free char *code =
            xasprintf("import time, sys, os, subprocess\nfor i in range(15):\n    "
                      "time.sleep(0.03); %s\n",
                      rows[i].code);
        struct sandbox_result r = { .status = SANDBOX_OK };
        struct seen seen = watch(s, code, &r);
        int64_t delay[MAX_SEEN];
        size_t n = 0;
        for (size_t k = 0; k < seen.n; k++)
            if (seen.order[k] == rows[i].kind && seen.delay_us[k])
                delay[n++] = seen.delay_us[k];
        qsort(delay, n, sizeof *delay, by_size);
        CHECK(n == 15 && delay[n / 2] < limit_us, "%s: %zu pieces, after %lld us in the median",
              rows[i].what, n, n ? (long long)delay[n / 2] : -1ll);
        sandbox_result_done(&r);
    }
}

static void test_order(struct sandbox *s)
{
    struct sandbox_result r = { .status = SANDBOX_OK };
    struct seen seen = watch(s,
                             "import time, sys\n"
                             "print('a'); display(1); print('b', file=sys.stderr); display(2)\n"
                             "print('c')\n"
                             "display(3); 1 / 0\n",
                             &r);

    size_t n = 0; /* a line may come in two pieces */
    for (size_t i = 0; i < seen.n; i++)
        if (i == 0 || seen.order[i] != seen.order[i - 1])
            seen.order[n++] = seen.order[i];
    seen.order[n] = '\0';
    CHECK(strcmp(seen.order, "orerorx") == 0, "pieces come in the order of the code: %s",
          seen.order);
    CHECK(seen.numbers_ok == 3, "results are numbered");
    CHECK(strcmp(seen.error, "ZeroDivisionError: division by zero") == 0 && seen.error_line == 4,
          "the error comes with its fields: %s, line %d", seen.error, seen.error_line);
    sandbox_result_done(&r);
}

static long peak_kib(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return u.ru_maxrss;
}

/* Each floods in its own way; the peak of this process, which is the agent's half, is measured
 * after all of them. What may be kept: 16 MiB a stream, 64 MiB of results, one message of 24 MiB
 * and its copy. */
static void test_memory(struct sandbox *s)
{
    static const struct {
        const char *what, *code;
        enum sandbox_status want;
    } rows[] = {
        { "10 GB of output", "while True: print('A' * 10**6)", SANDBOX_OUTPUT },
        { "a string of 1 GB", "'x' * 10**9", SANDBOX_OK },
        { "500 results of 1 MB", "for i in range(500): display('y' * 10**6)", SANDBOX_OK },
        { "300 results of 9 MB",
          "class B:\n"
          "    def __repr__(self): return 'B'\n"
          "    def _repr_png_(self): return bytes(9 * 10**6)\n"
          "for i in range(300): display(B())",
          SANDBOX_OK },
        { "11000 results", "for i in range(11000): display(i)", SANDBOX_OK },
        { "an error of 100 MB", "raise ValueError('z' * 10**8)", SANDBOX_ERROR },
        { "a traceback of 10^6 lines", "raise ValueError('z\\n' * 10**6)", SANDBOX_ERROR },
        { "forged messages of 20 MB",
          "import os\n"
          "body = b'\\x02op' + (4).to_bytes(4, 'little') + b'done' + b'\\x01x' + "
          "(20 << 20).to_bytes(4, 'little') + bytes(20 << 20)\n"
          "data = len(body).to_bytes(4, 'little') + body\n"
          "for i in range(20):\n"
          "    left = memoryview(data)\n"
          "    while left: left = left[os.write(200, left):]\n",
          SANDBOX_OK },
    };

    long before = peak_kib();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sandbox_result r = { .status = SANDBOX_OK };
        watch(s, rows[i].code, &r);
        CHECK(r.status == rows[i].want, "%s: %s", rows[i].what, sandbox_status_word(r.status));
        sandbox_result_done(&r);
    }
    long grown = (peak_kib() - before) / 1024;
    CHECK(grown < 200, "after all of it the agent's memory had grown by %ld MiB at its peak",
          grown);
}

int main(void)
{
    struct sandbox_spec spec = { .helper = getenv("SANDBOX_PROGRAM") };
    struct sandbox *s = sandbox_start(&spec, &e);

    if (s == NULL || sandbox_wait_ready(s, &never, &e) < 0) {
        printf("Bail out! no sandbox: %s\n", e.msg);
        return 1;
    }
    test_delay(s);
    test_order(s);
    test_memory(s);
    sandbox_free(s);
    return tap_done();
}
