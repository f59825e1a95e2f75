/* Runs cells of Python in the real sandbox and prints what came out, as lines that a test compares.
 *
 * usage: cell [--timeout MS] [--data FILE:NAME] [--python P] [--preload "a b"] [--memory BYTES]
 *             [--figures svg|both|full] [--image whole|unsealed|damaged|environment|truncated]
 *             [--language L [--program P]]... [--times] [--wait MS] FILE
 * FILE holds the cells, with a line `%%%%` between two. A line `%%%% NAME` runs the next in the
 * context NAME, `%%%% LANGUAGE/NAME` in one of that language; else cells are in the last L.
 * --image: the warm template comes from an image that a sandbox before it wrote (whole), or that
 * does not fit.
 *
 * Of each cell: `[N status ...]`, then one line for each line of text, with what it is in front. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "sandbox/sandbox.h"
#include "agent/base/banned.h"

#define SHOWN_BYTES 1200

static void show(const char *what, const char *p, size_t n)
{
    cleanup_buf struct buf b = BUF_MAX(1 << 20);
    struct str rest, line;
    size_t cut = n > SHOWN_BYTES ? n - SHOWN_BYTES : 0;
    bool is_stream = strcmp(what, "out") == 0 || strcmp(what, "err") == 0;
    int left = strcmp(what, "text/html") == 0 ? 2 : 1000; /* HTML tables are long and dull */

    utf8_clean(&b, (struct str){ p, n - cut });
    rest = buf_str(&b);
    for (bool more = true; more;) {
        more = str_cut(&rest, '\n', &line);
        if (left-- == 0) {
            printf("%s: ...\n", what);
            break;
        }
        if (line.n || more)
            printf("%s: %.*s%s\n", what, (int)line.n, line.p, more || !is_stream ? "" : "\\");
    }
    if (cut)
        printf("%s: (and %zu bytes)\n", what, cut);
}

static void show_result(const struct sandbox_item *it)
{
    printf("result%s%s%s\n", it->is_main ? " main" : "", it->file ? " " : "",
           it->file ? it->file : "");
    for (size_t i = 0; i < it->n_reprs; i++) {
        const struct sandbox_repr *r = &it->reprs[i];
        if (strncmp(r->mime, "image/p", 7) == 0 || strcmp(r->mime, "image/jpeg") == 0)
            printf("%s: %s\n", r->mime,
                   r->n > 8 && memcmp(r->data + 1, "PNG", 3) == 0 ? "a PNG" : "bytes");
        else
            show(r->mime, r->data, r->n);
    }
}

static void show_cell(int n, const struct sandbox_result *r)
{
    static const char *const kinds[] = { "out", "err" };

    printf("[%d %s", n, sandbox_status_word(r->status));
    if (r->status == SANDBOX_DIED)
        printf(" exit=%d signal=%d", r->exit_code, r->signal);
    if (r->dropped_results)
        printf(" dropped=%lld", (long long)r->dropped_results);
    if (r->forged)
        printf(" forged");
    printf("]\n");
    for (size_t i = 0; i < r->n_items; i++) {
        const struct sandbox_item *it = &r->items[i];
        if (it->kind == ITEM_RESULT)
            show_result(it);
        else
            show(kinds[it->kind == ITEM_STDERR], it->text, it->n);
    }
    if (r->error_name) {
        show("error", r->error_name, strlen(r->error_name));
        show("value", r->error_value, strlen(r->error_value));
        printf("line: %d\n", r->error_line);
        show("tb", r->traceback, strlen(r->traceback));
    }
    if (r->lost_names && r->lost_names[0])
        show("lost", r->lost_names, strlen(r->lost_names));
    fflush(stdout);
}

/* The image as agent batch makes it, and then what can be wrong with it. */
static int make_image(struct sandbox_spec spec, const char *how, struct sandbox_image *ret,
                      struct err *e)
{
    struct stop never = STOP_NEVER;
    struct sandbox *s = sandbox_start(&spec, e);
    int gate[2];
    char byte = 'x';

    if (s == NULL)
        return -1;
    ret->fd = memfd_create("template", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int r = sandbox_wait_ready(s, &never, e);
    if (r == 0)
        r = sandbox_image(s, ret->fd, &never, e);
    sandbox_free(s);
    if (r == 0 && strcmp(how, "whole") != 0) { /* a copy, which has no seals yet */
        int copy = memfd_create("template", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        off_t at = 0, size = lseek(ret->fd, 0, SEEK_END);
        while (at < size && sendfile(copy, ret->fd, &at, (size_t)(size - at)) > 0)
            continue;
        /* The magic; the environment's hash (image.h). */
        if (strcmp(how, "truncated") == 0) {
            if (ftruncate(copy, size - 4096) < 0)
                return -1;
        } else if (strcmp(how, "unsealed") != 0 &&
                   pwrite(copy, &byte, 1, strcmp(how, "damaged") == 0 ? 0 : 40) != 1)
            return -1;
        if (strcmp(how, "unsealed") != 0)
            fcntl(copy, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
        close(ret->fd);
        ret->fd = copy;
    }
    if (pipe2(gate, O_CLOEXEC) < 0)
        return -1;
    close(gate[1]);
    ret->gate = gate[0];
    return r;
}

static int fail(const struct err *e)
{
    printf("failed: %s\n", e->msg);
    return 1;
}

int main(int argc, char **argv)
{
    struct err e = ERR_INIT;
    struct stop never = STOP_NEVER;
    struct sandbox_file files[16];
    struct sandbox_spec spec = { .helper = getenv("SANDBOX_PROGRAM"), .files = files };
    cleanup_buf struct buf text = BUF_MAX(1 << 24);
    const char *path = NULL;
    long timeout = 20000;
    bool times = false;
    const char *image_how = NULL;
    struct sandbox_image image;
    const struct sandbox_language *language = NULL;
    struct sandbox_program programs[8];
    long wait = 0; /* between ready and the first cell, as a model takes to answer */

    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--times") == 0) {
            times = true;
            continue;
        }
        if (argv[i][0] != '-') {
            path = argv[i];
            continue;
        }
        if (strcmp(argv[i], "--timeout") == 0) {
            timeout = strtol(value, NULL, 10);
        } else if (strcmp(argv[i], "--wait") == 0) {
            wait = strtol(value, NULL, 10);
        } else if (strcmp(argv[i], "--language") == 0) {
            language = sandbox_language(value);
            if (language == NULL || spec.n_programs == 8)
                return 2;
            programs[spec.n_programs++] = (struct sandbox_program){ language, NULL };
            spec.programs = programs;
        } else if (strcmp(argv[i], "--program") == 0 && spec.n_programs) {
            programs[spec.n_programs - 1].path = value;
        } else if (strcmp(argv[i], "--python") == 0) {
            spec.python = value;
        } else if (strcmp(argv[i], "--preload") == 0) {
            spec.preload = value;
        } else if (strcmp(argv[i], "--image") == 0) {
            image_how = value;
        } else if (strcmp(argv[i], "--figures") == 0) {
            spec.figures = strcmp(value, "svg") == 0    ? FIGURES_SVG
                           : strcmp(value, "full") == 0 ? FIGURES_FULL
                                                        : FIGURES_BOTH;
        } else if (strcmp(argv[i], "--memory") == 0) {
            spec.memory_bytes = strtoll(value, NULL, 10);
        } else if (strcmp(argv[i], "--data") == 0 && spec.n_files < 16) {
            char *colon = strchr(argv[i + 1], ':');
            if (colon == NULL)
                return 2;
            *colon = '\0';
            files[spec.n_files++] = (struct sandbox_file){ value, colon + 1 };
        } else {
            fprintf(stderr, "cell: unknown option %s\n", argv[i]);
            return 2;
        }
        i++;
    }
    if (path == NULL || io_read_file(path, &text, &e) < 0)
        return 2;
    if (image_how) {
        if (make_image(spec, image_how, &image, &e) < 0)
            return fail(&e);
        spec.image = &image;
    }
    int64_t t0 = now_us();
    struct sandbox *s = sandbox_start(&spec, &e);
    if (s == NULL)
        return fail(&e);
    if (sandbox_wait_ready(s, &never, &e) < 0) {
        sandbox_free(s);
        return fail(&e);
    }
    if (times)
        printf("ready: %.1f ms\n", (double)(now_us() - t0) / 1000);
    if (wait && stop_sleep(&never, wait, &e) < 0)
        return fail(&e);
    struct str rest = buf_str(&text);
    cleanup_free char *context = xstrdup("default");
    int n = 0, bad = 0;
    while (rest.n) {
        struct str code = rest, line;
        char *next = NULL;
        size_t len = 0;
        while (rest.n && next == NULL) {
            str_cut(&rest, '\n', &line);
            if (str_starts(line, "%%%%"))
                next = line.n > 5 ? str_dup(str_from(line, 5)) : xstrdup("default");
            else
                len = (size_t)(line.p + line.n - code.p);
        }
        const char *slash = strchr(context, '/');
        cleanup_free char *word = slash ? xstrndup(context, (size_t)(slash - context)) : NULL;
        struct sandbox_cell cell = { .language = word ? sandbox_language(word) : language,
                                     .context = slash ? slash + 1 : context,
                                     .number = ++n,
                                     .code = { code.p, len },
                                     .timeout_ms = timeout };
        struct sandbox_result r;
        int64_t t1 = now_us();
        if (sandbox_run(s, &cell, &never, NULL, &r, &e) < 0) {
            bad = fail(&e);
            free(next);
            break;
        }
        if (times)
            printf("cell %d: %.2f ms, whole call %.2f ms\n", n, (double)r.duration_us / 1000,
                   (double)(now_us() - t1) / 1000);
        show_cell(n, &r);
        sandbox_result_done(&r);
        if (next) {
            free(context);
            context = next;
        }
    }
    sandbox_free(s);
    return bad;
}
