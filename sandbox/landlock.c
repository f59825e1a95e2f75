#include "sandbox/landlock.h"
#include <errno.h>
#include <string.h>
#include "sandbox/box.h"
#include "agent/base/mem.h"
#include "agent/base/banned.h"

#define MAX_RO_BYTES (64 << 10)

long landlock_level(void)
{
    return landlock_abi();
}

void landlock_ro(const struct box *b, struct buf *out)
{
    for (size_t i = 0; i < b->spec->n_ro; i++)
        buf_putf(out, "%s\n", b->spec->ro[i].src);
}

void landlock_devices(const struct box *b, struct buf *out)
{
    for (size_t i = 0; i < b->spec->n_devices; i++)
        buf_putf(out, "%s\n", b->spec->devices[i]);
}

int landlock_apply(struct box *b, struct err *e)
{
    const char *step = "";
    cleanup_buf struct buf ro = BUF_MAX(MAX_RO_BYTES), devices = BUF_MAX(MAX_RO_BYTES);

    if (b->landlock <= 0)
        return 0; /* reported as weaker by main.c, once */
    landlock_ro(b, &ro);
    landlock_devices(b, &devices);
    if (ro.over || devices.over)
        return err_set(
            e, ERR_LIMIT, 0,
            "the paths of all --ro, or of all --device, together have more than %d bytes",
            MAX_RO_BYTES);
    struct landlock_place place = { b->root, buf_cstr(&ro), buf_cstr(&devices) };
    long r =
        landlock_enter(b->landlock, b->spec->is_template ? LL_TEMPLATE : LL_COMMAND, &place, &step);
    if (r < 0)
        return err_set(e, ERR_SANDBOX, (int)-r, "%s (level %ld)", step, b->landlock);
    return 0;
}

static void print_table(struct buf *out, const struct landlock_row *rows, int n)
{
    static const struct {
        uint64_t right;
        const char *name;
    } names[] = {
        { LL_READ, "read" },   { LL_READ_DIR, "list" },        { LL_EXECUTE, "execute" },
        { LL_WRITE, "write" }, { LL_MAKE_REG, "make+remove" },
    };

    for (int i = 0; i < n; i++) {
        const struct landlock_row *row = &rows[i];
        const char *sep = "";
        buf_putf(out, "  %-11s ", row->path);
        for (size_t k = 0; k < sizeof names / sizeof names[0]; k++)
            if (row->rights & names[k].right) {
                buf_putf(out, "%s%s", sep, names[k].name);
                sep = ",";
            }
        buf_putf(out, "  [%s%s%s ]  %s\n", row->domains & LL_COMMAND ? " command" : "",
                 row->domains & LL_TEMPLATE ? " template" : "",
                 row->domains & LL_CONTEXT ? " context" : "", row->why);
    }
}

void landlock_print(struct buf *out)
{
    buf_puts(out, "Landlock (path; rights; domains; why). TCP, ioctls on devices but those of "
                  "--device, and from level 6 "
                  "abstract sockets and "
                  "signals\nout of the domain are refused as well.\n");
    print_table(out, landlock_table, LANDLOCK_ROWS);
    buf_puts(out, "Landlock without namespaces (a dot: below the private directory)\n");
    print_table(out, landlock_lone_table, LANDLOCK_LONE_ROWS);
}
