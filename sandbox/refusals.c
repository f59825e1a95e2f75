/* What was refused while a cell ran: the difference of two looks at the helper's counters. */
#include "sandbox/refusals.h"
#include <stdio.h>
#include <sys/socket.h>
#include "agent/base/mem.h"
#include "seccomp_told.h"
#include "agent/base/banned.h"

static uint64_t look(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}

void refusals_look(const struct denied_counts *now, struct denied_counts *ret)
{
    *ret = (struct denied_counts){ .works = 0 };
    if (now == NULL)
        return;
    ret->works = look(&now->works);
    for (size_t i = 0; i < DENIED_CALLS; i++)
        ret->call[i] = look(&now->call[i]);
    for (size_t i = 0; i < DENIED_FAMILIES; i++)
        ret->family[i] = look(&now->family[i]);
    ret->blind = look(&now->blind);
    for (size_t v = 0; v < DENIED_VERBS; v++)
        for (size_t p = 0; p < DENIED_PLACES; p++)
            ret->write[v][p] = look(&now->write[v][p]);
}

static void family_name(size_t family, char *ret, size_t size)
{
    static const struct {
        int number;
        const char *name;
    } names[] = {
        { AF_INET, "AF_INET" },
        { AF_INET6, "AF_INET6" },
        { AF_NETLINK, "AF_NETLINK" },
        { AF_PACKET, "AF_PACKET" },
        { AF_VSOCK, "AF_VSOCK" },
        { AF_ALG, "AF_ALG" },
        { AF_BLUETOOTH, "AF_BLUETOOTH" },
        { AF_CAN, "AF_CAN" },
        { AF_KEY, "AF_KEY" },
        { AF_XDP, "AF_XDP" },
        { AF_TIPC, "AF_TIPC" },
        { AF_RDS, "AF_RDS" },
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if ((size_t)names[i].number == family) {
            snprintf(ret, size, "socket(%s)", names[i].name);
            return;
        }
    snprintf(ret, size,
             family < DENIED_FAMILIES - 1 ? "socket(family %zu)" : "socket(another family)",
             family);
}

static struct sandbox_denied *add(struct sandbox_result *r, const char *what, uint64_t count)
{
    r->denied = xrealloc(r->denied, r->n_denied + 1, sizeof *r->denied);
    struct sandbox_denied *d = &r->denied[r->n_denied++];
    *d = (struct sandbox_denied){ .what = what, .count = (int64_t)count };
    return d;
}

static void add_writes(struct sandbox_result *r, const struct denied_counts *now,
                       const struct denied_counts *before)
{
    static const char *const verbs[DENIED_VERBS] = {
        [VERB_OPEN] = "open to write", [VERB_MKDIR] = "mkdir",       [VERB_UNLINK] = "unlink",
        [VERB_RMDIR] = "rmdir",        [VERB_RENAME] = "rename",     [VERB_LINK] = "link",
        [VERB_SYMLINK] = "symlink",    [VERB_TRUNCATE] = "truncate", [VERB_CHMOD] = "chmod",
        [VERB_CHOWN] = "chown",
    };
    static const char *const places[DENIED_PLACES] = {
        [PLACE_USR] = "in /usr",   [PLACE_ETC] = "in /etc",
        [PLACE_DATA] = "in /data", [PLACE_OUTPUT] = "in /output",
        [PLACE_ENV] = "in /env",   [PLACE_RUN] = "in /run",
        [PLACE_DEV] = "in /dev",   [PLACE_PROC] = "in /proc",
        [PLACE_ROOT] = "in /",     [PLACE_OTHER] = "in a read-only place",
    };

    for (size_t v = 0; v < DENIED_VERBS; v++)
        for (size_t p = 0; p < DENIED_PLACES; p++)
            if (now->write[v][p] > before->write[v][p]) {
                struct sandbox_denied *d =
                    add(r, "read-only", now->write[v][p] - before->write[v][p]);
                snprintf(d->name, sizeof d->name, "%s %s", verbs[v], places[p]);
            }
}

void refusals_since(const struct denied_counts *counts, const struct denied_counts *before,
                    struct sandbox_result *r)
{
    struct denied_counts now;

    refusals_look(counts, &now);
    r->denied_known = now.works != 0 && now.blind == 0;
    for (size_t i = 0; i < DENIED_FAMILIES; i++)
        if (now.family[i] > before->family[i]) {
            struct sandbox_denied *d = add(r, "network", now.family[i] - before->family[i]);
            family_name(i, d->name, sizeof d->name);
        }
    for (size_t i = 0; i < ARRAY_LEN(told_calls); i++)
        if (!told_calls[i].is_socket && now.call[i] > before->call[i]) {
            struct sandbox_denied *d = add(r, "system call", now.call[i] - before->call[i]);
            snprintf(d->name, sizeof d->name, "%s", told_calls[i].name);
        }
    add_writes(r, &now, before);
}
