/* The folder of a job's reports where its lock does not hold: runs that publish at once, names that
 * are taken, what is left over and what belongs to a run at work. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/mem.h"
#include "agent/job_parts.h"
#include "tests/unit/tap.h"

#define RUNS 4 /* at once */
#define ROUNDS 40

static int folder = -1;

static bool there(const char *name)
{
    return faccessat(folder, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool make(const char *path, const char *content)
{
    struct err e = ERR_INIT;

    return io_write_atomic(folder, path, str_of(content), 0666, &e) == 0;
}

/* As a run does it, in one and the same second with the others. Not the name that it got: NULL. */
static char *publish(time_t now, int keep)
{
    struct err e = ERR_INIT;

    job_clean(folder);
    cleanup_free char *name = job_take_name(folder, now, &e);
    cleanup_free char *stage = name ? job_stage(name) : NULL;
    if (stage == NULL || mkdirat(folder, stage, 0777) < 0)
        return NULL;
    cleanup_free char *page = xasprintf("%s/report.html", stage),
                      *json = xasprintf("%s/" JOB_SUMMARY, stage),
                      *text = xasprintf("{\"name\": \"%s\"}", name);
    bool good = make(page, name) && make(json, text) && job_publish(folder, name, &e) == 0;
    if (good)
        job_keep(folder, keep);
    job_leave(folder, name);
    return good ? steal_ptr(&name) : NULL;
}

/* Is the folder that the link leads to whole, and the one that it says it is? */
static bool latest_is_whole(void)
{
    for (;;) {
        cleanup_free char *name = job_latest(folder);
        cleanup_fd int at = name ? openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        struct err e = ERR_INIT;
        cleanup_buf struct buf page = BUF_MAX(100);
        cleanup_fd int fd = at < 0 ? -1 : openat(at, "report.html", O_RDONLY | O_CLOEXEC);
        if (fd >= 0 && io_read_fd(fd, &page, &e) == 0 && strcmp(buf_cstr(&page), name) == 0 &&
            faccessat(at, JOB_SUMMARY, F_OK, 0) == 0)
            return true;
        /* It may have been switched since, and what it led to taken away (keep). */
        cleanup_free char *again = job_latest(folder);
        if (again == NULL || (name && strcmp(again, name) == 0))
            return false;
    }
}

static int count(const char *head)
{
    cleanup_free char *command =
        xasprintf("cd /proc/%ld/fd/%d && ls -A | grep -c '^%s'", (long)getpid(), folder, head);
    FILE *p = popen(command, "r");
    int n = -1;

    if (p == NULL || fscanf(p, "%d", &n) != 1)
        n = -1;
    if (p)
        pclose(p);
    return n;
}

/* Returns how many looks at `latest` found it whole; -1: one did not. */
static int race(int keep, time_t now)
{
    pid_t pids[RUNS];
    int looks = 0, left = RUNS, failed = 0;

    for (int i = 0; i < RUNS; i++)
        if ((pids[i] = fork()) == 0) {
            for (int k = 0; k < ROUNDS; k++) {
                cleanup_free char *name = publish(now + k / 8, keep);
                if (name == NULL || (keep == 0 && !there(name)))
                    _exit(1);
            }
            _exit(0);
        }
    while (left > 0) {
        int status;
        bool begun = there("latest");
        if (begun && !latest_is_whole())
            return -1;
        looks += begun;
        while (waitpid(-1, &status, WNOHANG) > 0) {
            left--;
            failed += status != 0;
        }
    }
    return failed ? -1 : looks;
}

static void test_race(void)
{
    int looks = race(0, 1800000000);
    CHECK(looks > 0, "%d runs publish %d reports each at once, %d looks: latest is whole", RUNS,
          ROUNDS, looks);
    CHECK(count("20") == RUNS * ROUNDS, "none is lost");
    CHECK(latest_is_whole(), "the last look too");
    CHECK(count("\\.") == 0, "and nothing else is left");
    looks = race(2, 1900000000);
    CHECK(looks > 0, "with keep = 2 as well, %d looks", looks);
    publish(2000000000, 2);
    CHECK(count("20") == 2 && count("\\.") == 0, "two stay");
    CHECK(latest_is_whole(), "and the latest is one of them");
}

static void test_others(void)
{
    struct err e = ERR_INIT;
    cleanup_free char *one = job_take_name(folder, 2100000000, &e),
                      *two = job_take_name(folder, 2100000000, &e);
    CHECK(one && two && strcmp(one, two) != 0, "in one second: two names");
    cleanup_free char *stage = job_stage(one), *inputs = xasprintf(JOB_INPUTS "/%s", one);
    mkdirat(folder, stage, 0777);
    mkdirat(folder, JOB_INPUTS, 0777);
    mkdirat(folder, inputs, 0777);
    /* Whose it is: of a process that is there, of one that is not, of another machine. */
    char host[100] = "";
    (void)gethostname(host, sizeof host - 1);
    cleanup_free char *run = xasprintf(".run-%s", one), *theirs = xasprintf("1@not-%s", host);
    cleanup_free char *alive = xasprintf("%ld@%s", (long)getppid(), host);
    pid_t gone = fork();
    if (gone == 0)
        _exit(0);
    waitpid(gone, NULL, 0);
    cleanup_free char *dead = xasprintf("%ld@%s", (long)gone, host);
    const char *const owners[] = { alive, theirs };
    for (size_t i = 0; i < 2; i++) {
        unlinkat(folder, run, 0);
        CHECK(symlinkat(owners[i], folder, run) == 0, "a run of %s", owners[i]);
        job_clean(folder);
        CHECK(there(stage) && there(inputs) && there(run), "what belongs to it is left alone");
    }
    struct timespec old[2] = { { time(NULL) - 3 * 86400, 0 }, { time(NULL) - 3 * 86400, 0 } };
    utimensat(folder, run, old, AT_SYMLINK_NOFOLLOW);
    job_clean(folder);
    CHECK(!there(stage) && !there(inputs) && !there(run),
          "of another machine, and three days old: it goes");
    mkdirat(folder, stage, 0777);
    CHECK(symlinkat(dead, folder, run) == 0, "a run that was killed");
    job_clean(folder);
    CHECK(!there(stage) && !there(run), "goes at once");
    job_leave(folder, two);
}

int main(void)
{
    char dir[] = "/tmp/agent-folder-XXXXXX";
    struct err e = ERR_INIT;

    if (mkdtemp(dir) == NULL || (folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        return 1;
    alarm(300);
    test_race();
    test_others();
    (void)io_remove_tree(AT_FDCWD, dir, &e);
    return tap_done();
}
