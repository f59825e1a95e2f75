#include "sandbox/driver_embed.h"
#include "agent/base/mem.h"
#include "agent/base/banned.h"

/* Assembler does the embedding; the path is from the top of the tree, where make runs. */
#define EMBED(sym)                                                                                 \
    __asm__(".pushsection .rodata\n"                                                               \
            "sandbox_py_" #sym ":\n.incbin \"sandbox/interpreter/" #sym ".py\"\n"                  \
            "sandbox_py_" #sym "_end:\n.byte 0\n.popsection\n");                                   \
    extern const char sandbox_py_##sym[] __attribute__((visibility("hidden")));                    \
    extern const char sandbox_py_##sym##_end[] __attribute__((visibility("hidden")))
#define FILE_ROW(sym)                                                                              \
    {                                                                                              \
#sym ".py", sandbox_py_##sym, sandbox_py_##sym##_end                                       \
    }

EMBED(driver);
EMBED(guardian);
EMBED(cell);
EMBED(show);
EMBED(extras);
EMBED(fonts);
EMBED(net);

const struct driver_file driver_files[] = { FILE_ROW(driver), FILE_ROW(guardian), FILE_ROW(cell),
                                            FILE_ROW(show),   FILE_ROW(extras),   FILE_ROW(fonts),
                                            FILE_ROW(net) };
const size_t driver_files_n = ARRAY_LEN(driver_files);
