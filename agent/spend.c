#include "agent/spend.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/stop.h"
#include "agent/base/str.h"
#include "agent/base/banned.h"

#define NANO 1e9

struct spend {
    char *dir;
    char id[64];  /* of the request under way */
    char day[16]; /* whose file holds its line */
    int64_t sequence;
};

struct spend *spend_open(const char *dir)
{
    struct spend *s = xcalloc(1, sizeof *s);

    s->dir = io_join(dir, "spend");
    return s;
}

void spend_free(struct spend *s)
{
    if (s == NULL)
        return;
    free(s->dir);
    free(s);
}

static void today(char out[16])
{
    time_t t = time(NULL);
    struct tm tm;

    gmtime_r(&t, &tm);
    strftime(out, 16, "%Y-%m-%d", &tm);
}

/* The day's file, open and locked; the lock goes with the descriptor. */
static int lock(const struct spend *s, const char *day, struct err *e)
{
    cleanup_free char *path = xasprintf("%s/%s.log", s->dir, day);
    int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0 && errno == ENOENT) {
        if (io_mkdirs(s->dir, 0700, e) < 0)
            return -1;
        fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    }
    if (fd < 0) {
        err_set(e, ERR_SYS, errno, "open %s", path);
        return -1;
    }
    while (flock(fd, LOCK_EX) < 0)
        if (errno != EINTR) {
            err_set(e, ERR_SYS, errno, "lock %s", path);
            close(fd);
            return -1;
        }
    return fd;
}

static bool parse(struct str line, struct str *id, int64_t *nano)
{
    long long v;

    if (!str_cut(&line, ' ', id) || id->n == 0 || !str_to_ll(line, &v) || v < 0)
        return false;
    *nano = v;
    return true;
}

struct entry {
    struct str id;
    int64_t nano;
    size_t at;
};

static int by_id(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    size_t n = x->id.n < y->id.n ? x->id.n : y->id.n;
    int c = memcmp(x->id.p, y->id.p, n);

    if (c == 0 && x->id.n != y->id.n)
        c = x->id.n < y->id.n ? -1 : 1;
    return c ? c : x->at < y->at ? -1 : 1;
}

static int sum(int fd, double *ret, struct err *e)
{
    cleanup_buf struct buf text = BUF_MAX(MAX_SPEND_BYTES);
    cleanup_free struct entry *v = NULL;
    size_t n = 0, cap = 0;
    double total = 0;

    if (lseek(fd, 0, SEEK_SET) < 0)
        return err_set(e, ERR_SYS, errno, "seek");
    if (io_read_fd(fd, &text, e) < 0)
        return -1;
    for (struct str rest = buf_str(&text), line; rest.n;) {
        (void)str_cut(&rest, '\n', &line);
        if (n == cap) {
            cap = cap ? cap * 2 : 64;
            v = xrealloc(v, cap, sizeof *v);
        }
        v[n].at = n;
        n += parse(line, &v[n].id, &v[n].nano);
    }
    if (n)
        qsort(v, n, sizeof *v, by_id);
    for (size_t i = 0; i < n; i++)
        if (i + 1 == n || !str_eq(v[i].id, v[i + 1].id))
            total += (double)v[i].nano / NANO;
    *ret = total;
    return 0;
}

static int put(const struct spend *s, int fd, double usd, struct err *e)
{
    cleanup_buf struct buf b = BUF_MAX(200);

    buf_putf(&b, "%s %" PRId64 "\n", s->id, (int64_t)llround(usd * NANO));
    return io_write_all(fd, b.p, b.n, e);
}

int spend_reserve(struct spend *s, double usd, double cap, struct err *e)
{
    double spent = 0;

    today(s->day);
    snprintf(s->id, sizeof s->id, "%ld-%" PRId64 "-%" PRId64, (long)getpid(), now_us(),
             ++s->sequence);
    cleanup_fd int fd = lock(s, s->day, e);
    if (fd < 0)
        return -1;
    if (!isnan(cap)) {
        if (sum(fd, &spent, e) < 0)
            return err_wrap(e, "%s/%s.log", s->dir, s->day);
        if (spent + usd > cap)
            return err_set(e, ERR_BUDGET, 0,
                           "the day's budget is used up: %.4f USD of today's runs and about %.4f "
                           "USD for the next request pass max_cost_per_day = %.6g",
                           spent, usd, cap);
    }
    return put(s, fd, usd, e);
}

int spend_settle(struct spend *s, double usd, struct err *e)
{
    cleanup_fd int fd = lock(s, s->day, e);

    return fd < 0 ? -1 : put(s, fd, usd, e);
}

int spend_today(struct spend *s, double *ret, struct err *e)
{
    char day[16];

    today(day);
    cleanup_fd int fd = lock(s, day, e);
    return fd < 0 ? -1 : sum(fd, ret, e);
}
