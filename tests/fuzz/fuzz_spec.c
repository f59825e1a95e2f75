/* Properties of agent-sandbox's command line, any bytes as its words (cut at newlines): it is taken
 * or refused with a message; what was taken is within its bounds; and written out in its plainest
 * form it is taken again and means the same. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include "sandbox/spec.c" /* a part of the helper, which no library holds */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_WORDS 3000

/* Descriptors that options can name: 3 and up, of both kinds that are looked at. */
static void open_descriptors(void)
{
    static bool done;
    int pair[2];

    if (done)
        return;
    done = true;
    for (int i = 0; i < 4; i++)
        if (open("/dev/null", O_RDWR | O_CLOEXEC) < 0)
            abort();
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        abort();
}

static void word(struct buf *out, const char *option, const char *value)
{
    buf_puts(out, option);
    buf_putc(out, '\n');
    buf_puts(out, value);
    buf_putc(out, '\n');
}

static void number(struct buf *out, const char *option, int fd)
{
    cleanup_buf struct buf b = BUF_MAX(32);

    buf_putf(&b, "%d", fd);
    if (fd >= 0)
        word(out, option, buf_cstr(&b));
}

/* The words again. false: it holds a data file whose name only its own path can give. */
static bool print(const struct spec *s, struct buf *out)
{
    if (s->is_template)
        buf_puts(out, "--template\n");
    word(out, "--backend", s->best ? "best" : "strict");
    for (size_t i = 0; i < s->n_ro; i++) {
        cleanup_free char *v = xasprintf("%s:%s", s->ro[i].src, s->ro[i].dst);
        word(out, "--ro", v);
    }
    for (size_t i = 0; i < s->n_data; i++) {
        cleanup_free char *v = xasprintf("%s:%s", s->data[i].path, s->data[i].name);
        if (strpbrk(s->data[i].name, ":") || access(v, F_OK) == 0)
            return false;
        word(out, "--data", v);
    }
    for (size_t i = 0; i < s->n_files; i++) {
        cleanup_free char *v = xasprintf("%d:%s", s->files[i].fd, s->files[i].dst);
        word(out, "--file-fd", v);
    }
    for (size_t i = 0; i < s->n_pass_fds; i++)
        number(out, "--pass-fd", s->pass_fds[i]);
    for (size_t i = 0; i < LIMITS; i++) {
        const char *unit = limit_table[i].kind == KIND_SECONDS ? "ms" : "";
        cleanup_free char *v =
            xasprintf("%s=%lld%s", limit_table[i].name, (long long)s->limits[i], unit);
        word(out, "--limit", v);
    }
    for (size_t i = 0; i < s->n_env; i++)
        word(out, "--env", s->env[i]);
    word(out, "--chdir", s->chdir);
    number(out, "--status-fd", s->status_fd);
    number(out, "--workspace-fd", s->workspace_fd);
    number(out, "--lifeline-fd", s->lifeline_fd);
    buf_puts(out, "--\n");
    for (char **c = s->command; *c; c++) {
        buf_puts(out, *c);
        buf_putc(out, '\n');
    }
    return true;
}

static void check_place(const char *dst)
{
    if (dst[0] != '/' || strlen(dst) >= PATH_MAX || strstr(dst, "/../") || strstr(dst, "/./"))
        __builtin_trap();
}

static void check_bounds(const struct spec *s)
{
    if (s->n_ro > MAX_REPEATS || s->n_data > MAX_REPEATS || s->n_files > MAX_REPEATS ||
        s->n_pass_fds > MAX_REPEATS || s->n_env > MAX_REPEATS || s->chdir[0] != '/')
        __builtin_trap();
    for (size_t i = 0; i < s->n_ro; i++)
        check_place(s->ro[i].dst);
    for (size_t i = 0; i < s->n_files; i++)
        check_place(s->files[i].dst);
    for (size_t i = 0; i < s->n_data; i++)
        if (strchr(s->data[i].name, '/') || s->data[i].name[0] == '\0')
            __builtin_trap();
    for (size_t i = 0; i < LIMITS; i++) {
        const struct limit_row *row = &limit_table[i];
        int64_t v = s->limits[i];
        if (!(v == 0 && row->zero_is_none) && (v < row->min || v > row->max))
            __builtin_trap();
    }
}

/* Parses `text`; appends its plainest form to `out`. 1 = it has one, 0 = it has none, -1 = it was
 * refused. */
static int parse(struct str text, struct buf *out)
{
    char **argv = xcalloc(MAX_WORDS + 2, sizeof *argv);
    struct err e = ERR_INIT;
    struct spec s;
    int n = 1, r = -1;

    argv[0] = str_dup(str_of("agent-sandbox"));
    while (text.n && n <= MAX_WORDS) {
        struct str one;
        str_cut(&text, '\n', &one);
        argv[n++] = str_dup(one);
    }
    if (spec_parse(&s, n, argv, &e) < 0) {
        if (e.code != ERR_USAGE || e.msg[0] == '\0')
            __builtin_trap();
    } else {
        r = 0;
        if (s.mode == MODE_RUN) {
            check_bounds(&s);
            r = print(&s, out) && !out->over;
        }
    }
    spec_free(&s);
    for (int i = 0; i < n; i++)
        free(argv[i]);
    free(argv);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup_buf struct buf once = BUF_MAX(8 << 20), twice = BUF_MAX(8 << 20);

    open_descriptors();
    if (parse((struct str){ (const char *)data, size }, &once) != 1)
        return 0;
    /* More words than are read here would be cut. */
    size_t lines = 0;
    for (size_t i = 0; i < once.n; i++)
        lines += once.p[i] == '\n';
    if (lines > MAX_WORDS)
        return 0;
    if (parse(buf_str(&once), &twice) != 1 || !str_eq(buf_str(&once), buf_str(&twice)))
        __builtin_trap();
    return 0;
}
