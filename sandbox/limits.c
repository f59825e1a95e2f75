#include <errno.h>
#include <sched.h>
#include <sys/resource.h>
#include "sandbox/box.h"
#include "agent/base/mem.h"
#include "agent/base/banned.h"

/* Threads of numpy's linear algebra each reserve about this much address space. */
#define BYTES_PER_BLAS_THREAD (256ll << 20)
/* Hard limit of the template above its soft one; see context.c. */
#define TEMPLATE_MORE_FILES 4096

enum rlimit_from { FROM_LIMIT, FROM_FIXED, FROM_MEMORY, FROM_MEMORY_UNCOUNTED, FROM_CPU };
static const struct rlimit_row {
    const char *name;
    int resource;
    enum rlimit_from from;
    int64_t value; /* FROM_LIMIT: enum limit_id; FROM_FIXED: the value itself */
    const char *why;
} rlimit_table[] = {
    { "CORE", RLIMIT_CORE, FROM_FIXED, 1,
      "no core file; 1 and not 0, because a core_pattern that is a pipe ignores 0 and starts a "
      "handler as root" },
    { "NOFILE", RLIMIT_NOFILE, FROM_LIMIT, LIMIT_OPEN_FILES, "descriptors of one process" },
    { "NPROC", RLIMIT_NPROC, FROM_LIMIT, LIMIT_PROCESSES,
      "processes and threads; counted per user namespace, so other sandboxes do not matter. "
      "Without one: on top of what the "
      "ordinary user runs already" },
    { "FSIZE", RLIMIT_FSIZE, FROM_LIMIT, LIMIT_FILE, "size of one file" },
    { "STACK", RLIMIT_STACK, FROM_LIMIT, LIMIT_STACK, "main stack" },
    { "DATA", RLIMIT_DATA, FROM_MEMORY, 7,
      "7/8 of `memory', so that a process meets a MemoryError, which it can handle, before the "
      "kill" },
    { "AS", RLIMIT_AS, FROM_MEMORY_UNCOUNTED, 4ll << 30,
      "without a memory cgroup: `memory' and 4 GiB, against shared mappings; less makes OpenBLAS "
      "spin" },
    { "CPU", RLIMIT_CPU, FROM_CPU, 0, "processor time of one process; the helper watches the sum" },
    { "MEMLOCK", RLIMIT_MEMLOCK, FROM_FIXED, 64 << 10, "no pinning of memory" },
    { "MSGQUEUE", RLIMIT_MSGQUEUE, FROM_FIXED, 0, "no message queues" },
    { "SIGPENDING", RLIMIT_SIGPENDING, FROM_FIXED, 1024,
      "queued signals and timers are kernel memory" },
    { "RTPRIO", RLIMIT_RTPRIO, FROM_FIXED, 0, "no real-time priority" },
    { "NICE", RLIMIT_NICE, FROM_FIXED, 0, "no priority over others" },
};

/* The value for this row, or -1 if the row does not apply. */
static int64_t row_value(const struct rlimit_row *row, const struct box *b)
{
    const int64_t *limits = b->spec->limits;

    switch (row->from) {
    case FROM_LIMIT:
        return limits[row->value] + (row->value == LIMIT_PROCESSES ? b->tasks : 0);
    case FROM_FIXED:
        return row->value;
    case FROM_MEMORY:
        return limits[LIMIT_MEMORY] / 8 * row->value;
    case FROM_MEMORY_UNCOUNTED:
        return b->cg.backend == BACKEND_RLIMITS ? limits[LIMIT_MEMORY] + row->value : -1;
    case FROM_CPU:
        return limits[LIMIT_CPU] ? (limits[LIMIT_CPU] + 999) / 1000 : -1;
    }
    return -1;
}

int limits_apply(struct box *b, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(rlimit_table); i++) {
        const struct rlimit_row *row = &rlimit_table[i];
        int64_t v = row_value(row, b);
        struct rlimit old, new;
        if (v < 0)
            continue;
        if (getrlimit(row->resource, &old) < 0)
            return err_set(e, ERR_SANDBOX, errno, "getrlimit RLIMIT_%s", row->name);
        new.rlim_cur = (rlim_t)v;
        new.rlim_max = new.rlim_cur;
        /* Who passes descriptors on is refused when more than its limit of them are on their way
         * for its user: contexts may send as many as theirs, so trusted processes may have more. */
        if (row->resource == RLIMIT_NOFILE && b->spec->is_template)
            new.rlim_max += TEMPLATE_MORE_FILES;
        /* One second between the signal that names the limit and the kill. */
        if (row->resource == RLIMIT_CPU)
            new.rlim_max++;
        /* The caller's own hard limit may be lower, and cannot be raised: the lower one holds. */
        if (new.rlim_max > old.rlim_max)
            new.rlim_max = old.rlim_max;
        rlim_t most = new.rlim_max;
        if (row->resource == RLIMIT_NOFILE && b->spec->is_template)
            most -= most / 4;
        if (new.rlim_cur > most)
            new.rlim_cur = most;
        if (setrlimit(row->resource, &new) < 0)
            return err_set(e, ERR_SANDBOX, errno, "setrlimit RLIMIT_%s to %lld", row->name,
                           (long long)v);
    }
    return 0;
}

int limits_threads(const struct box *b)
{
    cpu_set_t set;
    int64_t n = 1, by_memory = b->spec->limits[LIMIT_MEMORY] / BYTES_PER_BLAS_THREAD;

    if (sched_getaffinity(0, sizeof set, &set) == 0)
        n = CPU_COUNT(&set);
    if (n > 4)
        n = 4;
    if (n > by_memory)
        n = by_memory;
    return n < 1 ? 1 : (int)n;
}

static void put_value(struct buf *out, const struct limit_row *row)
{
    buf_putf(out, "  %-12s %-6s %s\n", row->name, row->def, row->why);
}

void limits_print(struct buf *out)
{
    buf_puts(out, "Limits (--limit NAME=VALUE; default; why)\n");
    for (int i = 0; i < LIMITS; i++)
        put_value(out, &limit_table[i]);
    buf_puts(out, "\nResource limits of every process\n");
    for (size_t i = 0; i < ARRAY_LEN(rlimit_table); i++) {
        const struct rlimit_row *row = &rlimit_table[i];
        buf_putf(out, "  %-12s ", row->name);
        if (row->from == FROM_FIXED)
            buf_putf(out, "%-12lld ", (long long)row->value);
        else
            buf_putf(out, "%-12s ",
                     row->from == FROM_LIMIT ? limit_table[row->value].name
                     : row->from == FROM_CPU ? "cpu"
                                             : "memory");
        buf_putf(out, "%s\n", row->why);
    }
}
