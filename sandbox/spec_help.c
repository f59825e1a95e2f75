#include "sandbox/spec.h"
#include <stdio.h>
#include "agent/base/io.h"
#include "agent/base/str.h"
#include "agent/base/banned.h"

void spec_help(int fd)
{
    cleanup_buf struct buf out = BUF_MAX(16384);
    struct err ignored;

    buf_puts(
        &out,
        "usage: agent-sandbox [options] -- command [args...]\n"
        "Runs a command without network, without the machine's files (but a read-only system and "
        "what you "
        "name)\nand without rights, within limits. Works as root and as an ordinary user.\n\n");
    for (size_t i = 0; i < option_rows; i++) {
        char left[64];
        snprintf(left, sizeof left, "%s %s", option_table[i].name,
                 option_table[i].arg ? option_table[i].arg : "");
        buf_putf(&out, "  %-24s %s\n", left, option_table[i].help);
    }
    buf_puts(
        &out,
        "\nlimits (bytes with k m g; times with ms s m h; 0 = none where the default is 0):\n");
    for (int i = 0; i < LIMITS; i++)
        buf_putf(&out, "  %-12s %-6s %s\n", limit_table[i].name, limit_table[i].def,
                 limit_table[i].why);
    buf_puts(&out, "\nexit status: the command's; 128+N when a signal N ended it; 125 nothing ran "
                   "(wrong usage, or the sandbox could not be made)"
                   ";\n126, 127 the command cannot be run, was not found\n");
    io_write_all(fd, out.p, out.n, &ignored);
}
