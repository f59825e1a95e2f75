#include "sandbox/driver_embed.h"
#include "sandbox/sandbox.h"
#include "agent/base/mem.h"
#include "agent/base/banned.h"

/* Assembler does the embedding; the path is from the top of the tree, where make runs. */
#define EMBED(sym, file)                                                                           \
    __asm__(".pushsection .rodata\n"                                                               \
            "sandbox_in_" #sym ":\n.incbin \"sandbox/interpreter/" file "\"\n"                     \
            "sandbox_in_" #sym "_end:\n.byte 0\n.popsection\n");                                   \
    extern const char sandbox_in_##sym[] __attribute__((visibility("hidden")));                    \
    extern const char sandbox_in_##sym##_end[] __attribute__((visibility("hidden")))
#define ROW(sym, file)                                                                             \
    {                                                                                              \
        file, sandbox_in_##sym, sandbox_in_##sym##_end, false                                      \
    }
#define LANGUAGE(sym, file)                                                                        \
    {                                                                                              \
        file, sandbox_in_##sym, sandbox_in_##sym##_end, true                                       \
    }

EMBED(start, "start.py");
EMBED(driver, "driver.py");
EMBED(guardian, "guardian.py");
EMBED(cell, "cell.py");
EMBED(imports, "imports.py");
EMBED(program, "program.py");
EMBED(validate, "validate.py");
EMBED(files, "files.py");
EMBED(show, "show.py");
EMBED(magics, "magics.py");
EMBED(ipython, "ipython.py");
EMBED(fonts, "fonts.py");
EMBED(net, "net.py");
EMBED(image, "image.py");
EMBED(figures, "figures.py");
EMBED(tables, "tables.py");
EMBED(charts, "charts.py");
EMBED(plotted, "plotted.py");
EMBED(style, "style.py");
EMBED(scripts, "scripts.py");
EMBED(words, "words.py");
EMBED(webcharts, "webcharts.py");
EMBED(report, "report.py");
EMBED(bash, "bash.sh");
EMBED(r, "r.R");
EMBED(java, "java.java");
EMBED(go, "go.py");
EMBED(install, "install.py"); /* a cell of `agent env create`, no file of the driver's */

/* Two files in one. */
__asm__(".pushsection .rodata\n"
        "sandbox_in_javascript:\n"
        ".incbin \"sandbox/interpreter/javascript_code.js\"\n"
        ".incbin \"sandbox/interpreter/javascript.js\"\n"
        "sandbox_in_javascript_end:\n.byte 0\n.popsection\n");
extern const char sandbox_in_javascript[] __attribute__((visibility("hidden")));
extern const char sandbox_in_javascript_end[] __attribute__((visibility("hidden")));

/* The intake profile: one cell of six files. */
__asm__(".pushsection .rodata\n"
        "sandbox_profile:\n"
        ".incbin \"sandbox/interpreter/profile_column.py\"\n"
        ".incbin \"sandbox/interpreter/profile_text.py\"\n"
        ".incbin \"sandbox/interpreter/profile_json.py\"\n"
        ".incbin \"sandbox/interpreter/profile_binary.py\"\n"
        ".incbin \"sandbox/interpreter/profile_packed.py\"\n"
        ".incbin \"sandbox/interpreter/profile.py\"\n"
        "sandbox_profile_end:\n.byte 0\n.popsection\n");
extern const char sandbox_profile[] __attribute__((visibility("hidden")));
extern const char sandbox_profile_end[] __attribute__((visibility("hidden")));

/* The bytecode of the others, made by the build; empty where the build had no Python. */
__asm__(".pushsection .rodata\n"
        "sandbox_code:\n.incbin \"" DRIVER_CODE "\"\n"
        "sandbox_code_end:\n.byte 0\n.popsection\n");
extern const char sandbox_code[] __attribute__((visibility("hidden")));
extern const char sandbox_code_end[] __attribute__((visibility("hidden")));

const struct driver_file driver_files[] = {
    { "code.bin", sandbox_code, sandbox_code_end, false },
    ROW(start, "start.py"),
    ROW(driver, "driver.py"),
    ROW(guardian, "guardian.py"),
    ROW(cell, "cell.py"),
    ROW(imports, "imports.py"),
    ROW(program, "program.py"),
    ROW(validate, "validate.py"),
    ROW(files, "files.py"),
    ROW(show, "show.py"),
    ROW(magics, "magics.py"),
    ROW(ipython, "ipython.py"),
    ROW(fonts, "fonts.py"),
    ROW(net, "net.py"),
    ROW(image, "image.py"),
    ROW(figures, "figures.py"),
    ROW(tables, "tables.py"),
    ROW(charts, "charts.py"),
    ROW(plotted, "plotted.py"),
    ROW(style, "style.py"),
    ROW(scripts, "scripts.py"),
    ROW(words, "words.py"),
    ROW(webcharts, "webcharts.py"),
    ROW(report, "report.py"),
    LANGUAGE(javascript, "javascript.js"),
    LANGUAGE(bash, "bash.sh"),
    LANGUAGE(r, "r.R"),
    LANGUAGE(java, "java.java"),
    LANGUAGE(go, "go.py"),
};
const size_t driver_files_n = ARRAY_LEN(driver_files);

struct str sandbox_installer(void)
{
    return (struct str){ sandbox_in_install,
                         (size_t)(sandbox_in_install_end - sandbox_in_install) };
}

struct str sandbox_profiler(void)
{
    return (struct str){ sandbox_profile, (size_t)(sandbox_profile_end - sandbox_profile) };
}
