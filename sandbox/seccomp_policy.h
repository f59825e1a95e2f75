/* The system call policy as data. Whatever no row names is answered ENOSYS, so that a call newer
 * than this table is refused and libraries fall back; calls of another ABI (x32, 32-bit) kill the
 * process.
 *
 * seccomp_gen.c turns the table into filters at build time, through libseccomp; --policy prints it;
 * the row tests walk it. Nothing else adds a rule. */
#ifndef SANDBOX_SECCOMP_POLICY_H
#define SANDBOX_SECCOMP_POLICY_H

#include <stddef.h>
#include <stdint.h>

enum {
    SET_STRICT = 1,     /* what runs model code or the user's command */
    SET_TEMPLATE = 2,   /* the trusted template interpreter, which starts contexts */
    SET_INIT = 4,       /* pid 1 after set-up */
    SET_LONE = 16,      /* without namespaces: refused on top, in a filter that allows all else */
    SET_LONE_USER = 32, /* likewise, where the code runs as the user */
    SET_COUNTED = 8,    /* only where a memory cgroup counts what the call makes */
    SET_DEVICE = 64,    /* only with --device */
    SET_TOLD = 128,     /* what is refused is counted, where there is a listener (denied.h) */
    SET_HEARD = 256,    /* only in the filter with a listener */
    SET_UNHEARD = 512,  /* only in the others */
    SET_ONLY = SET_COUNTED | SET_DEVICE | SET_HEARD | SET_UNHEARD,
    SET_CODE = SET_STRICT | SET_TEMPLATE,
};

/* A row's err that is none: the listener looks at the call (writes.h), the kernel goes on with it.
 */
enum { WATCHED = -1 };

enum seccomp_op { OP_ANY, OP_EQ, OP_NE, OP_MASKED_EQ };

struct seccomp_row {
    unsigned sets;
    int err;           /* 0 = allowed, WATCHED, else the errno of the refusal */
    const char *calls; /* names, space separated; one name when there is a condition */
    struct {
        enum seccomp_op op;
        unsigned arg; /* 0..5 */
        uint64_t mask, value;
    } cond;
    const char *why;
};

extern const struct seccomp_row seccomp_policy[];
extern const size_t seccomp_policy_rows;

/* The filters that are made from it, in the order of enum seccomp_variant. */
enum seccomp_variant {
    FILTER_STRICT,
    FILTER_STRICT_COUNTED,
    FILTER_TEMPLATE,
    FILTER_TEMPLATE_COUNTED,
    FILTER_STRICT_DEVICE,
    FILTER_STRICT_COUNTED_DEVICE,
    FILTER_TEMPLATE_DEVICE,
    FILTER_TEMPLATE_COUNTED_DEVICE,
    FILTER_TEMPLATE_TOLD, /* of the template, with a listener */
    FILTER_TEMPLATE_COUNTED_TOLD,
    FILTER_TEMPLATE_TOLD_DEVICE,
    FILTER_TEMPLATE_COUNTED_TOLD_DEVICE,
    FILTER_CONTEXT, /* of a context, inside one of the template's */
    FILTER_CONTEXT_DEVICE,
    FILTER_INIT,
    FILTER_LONE,
    FILTER_LONE_USER,
    FILTERS,
};
/* What becomes of the rows with SET_TOLD. */
enum seccomp_told {
    TOLD_REFUSE,
    TOLD_NOTIFY, /* the listener refuses */
    TOLD_PASS, /* the filter around this one refuses; were this one to, the listener would not hear
                  of it */
};
struct seccomp_variant_row {
    const char *name;
    unsigned set;
    unsigned with; /* which of SET_ONLY: rows that ask for more are left out */
    int others;    /* what no row names: the errno, 0 = allowed */
    enum seccomp_told told;
};
extern const struct seccomp_variant_row seccomp_variants[FILTERS];

#endif
