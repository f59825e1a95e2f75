/* Properties of agent.conf, any bytes: it is read or refused with a message that names the file,
 * and what --print-config makes of it is read again and prints the same. The same bytes as words of
 * a command line (cut at newlines) are taken or refused with a message, too. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/conf.h"
#include "agent/base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char root[] = "/tmp/agent-fuzz-conf-XXXXXX";

static void remove_root(void)
{
    struct err e = ERR_INIT;

    if (chdir("/") == 0)
        io_remove_tree(AT_FDCWD, root, &e);
}

/* A folder of our own as home and as working directory: no other agent.conf is met. The first call
 * makes it; the working directory is given back after each, for whoever reads the corpus. */
static int enter(void)
{
    static int back = -1;
    struct err e = ERR_INIT;

    if (back < 0) {
        back = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (back < 0 || mkdtemp(root) == NULL)
            abort();
        atexit(remove_root);
        cleanup_free char *dir = io_join(root, "agent");
        if (io_mkdirs(dir, 0700, &e) < 0)
            abort();
        setenv("HOME", root, 1);
        setenv("XDG_CONFIG_HOME", root, 1);
    }
    if (chdir(root) < 0)
        abort();
    return back;
}

static void put(struct str text)
{
    cleanup_fd int fd = open("agent/agent.conf", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    struct err e = ERR_INIT;

    if (fd < 0 || io_write_all(fd, text.p, text.n, &e) < 0)
        abort();
}

static int load(struct conf *c, struct err *e, char **words, int n)
{
    int r = conf_load(c, n, words, e);

    if (r < 0 && (e->code == ERR_NONE || e->msg[0] == '\0' || e->code == ERR_INTERNAL))
        __builtin_trap();
    return r;
}

static void as_file(struct str text)
{
    char *argv[] = { (char[]){ "agent" }, NULL };
    cleanup_buf struct buf once = BUF_MAX(64 << 20), twice = BUF_MAX(64 << 20);
    struct err e = ERR_INIT;
    struct conf c;

    put(text);
    int r = load(&c, &e, argv, 1);
    if (r < 0 && !strstr(e.msg, "agent.conf") && e.code == ERR_CONFIG && !strstr(e.msg, "replay"))
        __builtin_trap();
    if (r == 0)
        conf_print(&c, &once);
    conf_done(&c);
    if (r < 0)
        return;
    put(buf_str(&once));
    if (load(&c, &e, argv, 1) < 0)
        __builtin_trap();
    conf_print(&c, &twice);
    conf_done(&c);
    /* "# from" lines name the line a value stood at, which moves. */
    if (!strstr(buf_cstr(&once), "# from ") && !str_eq(buf_str(&once), buf_str(&twice)))
        __builtin_trap();
}

static void as_words(struct str text)
{
    char *argv[34] = { (char[]){ "agent" } };
    int n = 1;
    struct err e = ERR_INIT;
    struct conf c;
    struct str word;

    unlink("agent/agent.conf");
    for (bool more = true; more && n < 33;) {
        more = str_cut(&text, '\n', &word);
        /* A word of a command line ends at its first NUL. */
        argv[n] = str_dup(word);
        n++;
    }
    if (load(&c, &e, argv, n) == 0) {
        cleanup_free char *q = conf_prompt(&c);
        if ((q == NULL) != (c.n_args == 0))
            __builtin_trap();
    }
    conf_done(&c);
    for (int i = 1; i < n; i++)
        free(argv[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = { (const char *)data, size };

    int back = enter();
    as_file(text);
    as_words(text);
    if (fchdir(back) < 0)
        abort();
    return 0;
}
