/* Runs a fuzz target over its corpus without a fuzzer: link with one fuzz_NAME.c. The corpus is
 * tests/corpus/NAME, by the program's own name, or the files and directories given. Prints TAP. A
 * property that does not hold ends the program by a trap, and a hang by an alarm. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path)
{
    struct buf b = BUF_MAX(64u << 20);
    struct err e = ERR_INIT;

    if (io_read_file(path, &b, &e) < 0) {
        printf("# %s\n", e.msg);
        return -1;
    }
    /* Exactly its size, so that a sanitizer sees a read beyond the end. */
    uint8_t *p = xmalloc(b.n ? b.n : 1);
    if (b.n)
        memcpy(p, b.p, b.n);
    printf("# %s\n", path);
    fflush(stdout);
    alarm(60);
    (void)LLVMFuzzerTestOneInput(p, b.n);
    alarm(0);
    free(p);
    buf_free(&b);
    return 0;
}

/* Number of inputs run; -1 if one could not be read. */
static int run_path(const char *path)
{
    struct stat st;
    int n = 0;

    if (stat(path, &st) < 0)
        return -1;
    if (!S_ISDIR(st.st_mode))
        return run_file(path) < 0 ? -1 : 1;
    DIR *d = opendir(path);
    for (struct dirent *de; d && (de = readdir(d)) != NULL;) {
        if (de->d_name[0] == '.')
            continue;
        cleanup_free char *file = io_join(path, de->d_name);
        if (run_file(file) < 0) {
            n = -1;
            break;
        }
        n++;
    }
    if (d)
        closedir(d);
    return n;
}

int main(int argc, char **argv)
{
    const char *name = io_basename(argv[0]);
    int failed = 0, tests = argc > 1 ? argc - 1 : 1;

    cleanup_free char *own =
        xasprintf("tests/corpus/%s", strncmp(name, "fuzz_", 5) ? name : name + 5);
    for (int i = 0; i < tests; i++) {
        const char *path = argc > 1 ? argv[i + 1] : own;
        int n = run_path(path);
        printf("%s %d - %d inputs of %s\n", n > 0 ? "ok" : "not ok", i + 1, n, path);
        failed += n <= 0;
    }
    printf("1..%d\n", tests);
    return failed != 0;
}
