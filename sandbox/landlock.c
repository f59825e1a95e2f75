#include "sandbox/landlock.h"
#include <errno.h>
#include <string.h>
#include "sandbox/box.h"
#include "agent/base/banned.h"

long landlock_level(void)
{
    return landlock_abi();
}

int landlock_apply(struct box *b, struct err *e)
{
    const char *step = "";

    if (b->landlock <= 0)
        return 0; /* reported as weaker by main.c, once */
    long r = landlock_enter(b->landlock, b->spec->is_template ? LL_TEMPLATE : LL_COMMAND, &step);
    if (r < 0)
        return err_set(e, ERR_SANDBOX, (int)-r, "%s (level %ld)", step, b->landlock);
    return 0;
}

void landlock_print(struct buf *out)
{
    static const struct {
        uint64_t right;
        const char *name;
    } names[] = {
        { LL_READ, "read" },   { LL_READ_DIR, "list" },      { LL_EXECUTE, "execute" },
        { LL_WRITE, "write" }, { LL_MAKE_REG, "make+remove" },
    };

    buf_puts(out, "Landlock (path; rights; domains; why). TCP, device ioctls, and from level 6 abstract sockets and "
                  "signals\nout of the domain are refused as well.\n");
    for (int i = 0; i < LANDLOCK_ROWS; i++) {
        const struct landlock_row *row = &landlock_table[i];
        const char *sep = "";
        buf_putf(out, "  %-11s ", row->path);
        for (size_t k = 0; k < sizeof names / sizeof names[0]; k++)
            if (row->rights & names[k].right) {
                buf_putf(out, "%s%s", sep, names[k].name);
                sep = ",";
            }
        buf_putf(out, "  [%s%s%s ]  %s\n", row->domains & LL_COMMAND ? " command" : "",
                 row->domains & LL_TEMPLATE ? " template" : "", row->domains & LL_CONTEXT ? " context" : "",
                 row->why);
    }
}
