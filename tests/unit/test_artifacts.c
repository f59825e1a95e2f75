/* Files brought out of a workspace that means harm. A plain directory stands in for the tmpfs: the
 * lookups are the same. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/artifacts.h"
#include "agent/base/io.h"
#include "agent/base/mem.h"
#include "tests/unit/tap.h"

static char top[] = "/tmp/test-artifacts-XXXXXX";

static void put(int dir, const char *name, const char *text)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        perror(name);
    close(fd);
}

static bool holds(int dir, const char *name, const char *text)
{
    struct buf b = BUF_MAX(1 << 20);
    struct err e = ERR_INIT;
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW);
    bool ok = fd >= 0 && io_read_fd(fd, &b, &e) == 0 && str_is(buf_str(&b), text);

    if (fd >= 0)
        close(fd);
    buf_free(&b);
    return ok;
}

static void test_names(void)
{
    static const struct {
        const char *name, *want;
    } cases[] = {
        { "chart.png", "chart.png" },
        { "a b.csv", "a b.csv" },
        { "-rf", "%2Drf" },
        { ".bashrc", "%2Ebashrc" },
        { "..", "%2E%2E" },
        { "x\ny", "x%0Ay" },
        { "\x1b[31m", "%1B[31m" },
        { "\xff\xfe", "%FF%FE" },
        { "100%", "100%25" },
        { "caf\xC3\xA9.txt", "caf\xC3\xA9.txt" },
        { "a\xE2\x80\xAEgnp.exe", "a%E2%80%AEgnp.exe" },
        { "dir/../x", "dir/%2E%2E/x" },
        { "end. ", "end.%20" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf b = BUF_MAX(4096);
        artifact_file_name(&b, str_of(cases[i].name));
        CHECK(strcmp(buf_cstr(&b), cases[i].want) == 0, "name %zu becomes %s (got %s)", i,
              cases[i].want, buf_cstr(&b));
        buf_free(&b);
    }
    char longname[256];
    memset(longname, '\n', 255);
    longname[255] = '\0';
    struct buf b = BUF_MAX(4096);
    artifact_file_name(&b, str_of(longname));
    CHECK(b.n <= 200 && memchr(b.p, '~', b.n), "255 hostile bytes become a short name with a hash");
    buf_free(&b);
}

int main(void)
{
    struct err e = ERR_INIT;
    struct buf lines = BUF_MAX(1 << 16), notes = BUF_MAX(1 << 16);

    test_names();
    if (mkdtemp(top) == NULL)
        return 1;
    int t = open(top, O_RDONLY | O_DIRECTORY);
    mkdirat(t, "w", 0700);
    mkdirat(t, "out", 0700);
    mkdirat(t, "extra", 0700);
    int w = openat(t, "w", O_RDONLY | O_DIRECTORY), out = openat(t, "out", O_RDONLY | O_DIRECTORY);
    int x = openat(t, "extra", O_RDONLY | O_DIRECTORY);
    char *extra = io_join(top, "extra");
    put(w, "input.csv", "a,b\n");
    put(x, "mine.txt", "the user's own");

    struct artifacts *a = artifacts_new(w, out, NULL, extra);
    CHECK(artifacts_baseline(a, &e) == 0, "baseline");
    CHECK(artifacts_collect(a, 1, &lines, &notes, &e) == 0 && lines.n == 0,
          "what was there before is not an artifact");

    put(w, "chart.txt", "one");
    put(w, "mine.txt", "from a cell");
    mkdirat(w, "sub", 0700);
    int sub = openat(w, "sub", O_RDONLY | O_DIRECTORY);
    put(sub, "deep.txt", "deep");
    CHECK(artifacts_collect(a, 1, &lines, &notes, &e) == 3, "three new files");
    CHECK(holds(out, "chart.txt", "one") && holds(out, "sub/deep.txt", "deep"), "copies are whole");
    CHECK(holds(x, "mine.txt", "the user's own") && holds(x, "mine-2.txt", "from a cell"),
          "a file of the user's is never overwritten");
    CHECK(strstr(buf_cstr(&notes), "mine-2.txt"), "and that is said: %s", buf_cstr(&notes));
    char *path = artifacts_path(a, 1), *want = io_join(extra, "mine-2.txt");
    CHECK(strcmp(path, want) == 0, "its path is where it was written: %s", path);
    free(path);
    free(want);
    CHECK(strcmp(artifacts_get(a, 0)->sha256,
                 "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed") == 0,
          "sha256 of \"one\"");

    usleep(20000);
    put(w, "chart.txt", "two");
    buf_clear(&lines);
    CHECK(artifacts_collect(a, 2, &lines, &notes, &e) == 1 &&
              strstr(buf_cstr(&lines), "chart.txt (changed"),
          "a changed file is brought out again");
    CHECK(holds(out, "chart.txt", "two") && holds(x, "chart.txt", "two"), "in both places");
    CHECK(artifacts_count(a) == 3 && artifacts_get(a, 0)->cell == 2, "and listed once");

    buf_clear(&notes);
    CHECK(symlinkat("/etc/passwd", w, "link.png") == 0 && mkfifoat(w, "pipe", 0600) == 0 &&
              symlinkat("/etc", w, "etcdir") == 0,
          "hostile entries made");
    int big = openat(w, "sparse", O_WRONLY | O_CREAT, 0600);
    CHECK(ftruncate(big, 1ll << 40) == 0, "a sparse file of 1 TiB");
    int hole = openat(w, "holes", O_WRONLY | O_CREAT, 0600);
    CHECK(ftruncate(hole, 64 << 20) == 0 && pwrite(hole, "end", 3, (64 << 20) - 3) == 3,
          "a sparse file under the cap");
    CHECK(artifacts_collect(a, 3, &lines, &notes, &e) == 1, "only the regular file under the cap");
    struct stat st;
    CHECK(fstatat(out, "holes", &st, 0) == 0 && st.st_size == 64 << 20 &&
              st.st_blocks * 512 < 1 << 20,
          "its holes stay holes");
    CHECK(strstr(buf_cstr(&notes), "link.png") && strstr(buf_cstr(&notes), "pipe") &&
              strstr(buf_cstr(&notes), "sparse") && strstr(buf_cstr(&notes), "etcdir"),
          "each refusal is named");
    buf_clear(&notes);
    CHECK(artifacts_collect(a, 4, &lines, &notes, &e) == 0 && notes.n == 0, "and only once");

    for (int i = 0; i < 300; i++) {
        char name[32];
        snprintf(name, sizeof name, "l%d", i);
        (void)!symlinkat("/etc/shadow", w, name);
    }
    CHECK(artifacts_collect(a, 5, &lines, &notes, &e) == 0 && strstr(buf_cstr(&notes), "280 more"),
          "a flood of refusals is counted, not listed");

    artifacts_free(a);
    free(extra);
    buf_free(&lines);
    buf_free(&notes);
    close(big), close(hole), close(sub), close(w), close(out), close(x), close(t);
    CHECK(io_remove_tree(AT_FDCWD, top, &e) == 0, "removed");
    return tap_done();
}
