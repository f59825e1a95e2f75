/* The last process of the set-up: it puts on what remains and becomes the command. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "sandbox/box.h"
#include "sandbox/check.h"
#include "agent/base/mem.h"
#include "agent/base/banned.h"

#define INNER_PATH "/usr/local/bin:/usr/bin:/bin"

/* The environment is built from this table and --env. A NULL value is worked out in inner_value().
 */
static const struct {
    const char *name, *value, *why;
} env_table[] = {
    { "PATH", INNER_PATH, "programs of the system" },
    { "HOME", "/workspace", "the only lasting place that can be written" },
    { "TMPDIR", "/tmp", "temporary files" },
    { "USER", "sandbox", "the one user" },
    { "LOGNAME", "sandbox", "the one user" },
    { "LANG", "C.UTF-8", "UTF-8 without a locale archive" },
    { "TZ", NULL, "the host's time zone" },
    { "TERM", "dumb", "there is no terminal" },
    { "MPLBACKEND", "Agg", "matplotlib draws into files" },
    { "MPLCONFIGDIR", "/tmp/.matplotlib",
      "writable; a font cache placed there saves a second of the first plot" },
    { "OPENBLAS_NUM_THREADS", NULL,
      "min(processors, 4, memory / 256 MiB): each thread reserves memory" },
    { "OMP_NUM_THREADS", NULL, "likewise" },
    { "MALLOC_ARENA_MAX", "2", "fewer reserved arenas" },
    { "PYTHONDONTWRITEBYTECODE", "1", "the system is read-only" },
    { "PYTHONUNBUFFERED", "1", "output is not lost when the process is killed" },
};

/* "Europe/Berlin" from /etc/localtime, which is the host's link; "UTC" when it is none. */
static char *time_zone(void)
{
    char target[PATH_MAX];
    ssize_t n = readlink("/etc/localtime", target, sizeof target - 1);

    if (n > 0) {
        target[n] = '\0';
        char *zone = strstr(target, "/zoneinfo/");
        if (zone)
            return xstrdup(zone + strlen("/zoneinfo/"));
    }
    return xstrdup(access("/etc/localtime", R_OK) == 0 ? ":/etc/localtime" : "UTC");
}

static char *inner_value(const struct box *b, const char *name)
{
    return strcmp(name, "TZ") == 0 ? time_zone() : xasprintf("%d", limits_threads(b));
}

static bool is_overridden(const struct spec *s, const char *name)
{
    size_t n = strlen(name);

    for (size_t i = 0; i < s->n_env; i++)
        if (strncmp(s->env[i], name, n) == 0 && s->env[i][n] == '=')
            return true;
    return false;
}

/* Lives until exec. */
static char **build_environment(const struct box *b)
{
    const struct spec *s = b->spec;
    char **env = xcalloc(ARRAY_LEN(env_table) + s->n_env + 4, sizeof *env);
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(env_table); i++) {
        const char *name = env_table[i].name;
        if (is_overridden(s, name))
            continue;
        cleanup_free char *value =
            env_table[i].value ? box_place(b, env_table[i].value) : inner_value(b, name);
        env[n++] = xasprintf("%s=%s", name, value);
    }
    for (size_t i = 0; i < s->n_env; i++)
        env[n++] = xstrdup(s->env[i]);
    if (s->n_devices) { /* for contexts, which enter Landlock by themselves */
        cleanup_buf struct buf devices = BUF_MAX(65536);
        landlock_devices(b, &devices);
        env[n++] = xasprintf("SANDBOX_DEVICES=%s", buf_cstr(&devices));
    }
    if (b->lone) { /* last, so that --env cannot say otherwise */
        cleanup_buf struct buf ro = BUF_MAX(65536);
        landlock_ro(b, &ro);
        env[n++] = xasprintf("SANDBOX_ROOT=%s", b->root);
        env[n++] = xasprintf("SANDBOX_RO=%s", buf_cstr(&ro));
    }
    return env;
}

void environment_print(struct buf *out)
{
    buf_puts(out, "Environment (nothing is inherited; --env adds)\n");
    for (size_t i = 0; i < ARRAY_LEN(env_table); i++)
        buf_putf(out, "  %-24s %-30s %s\n", env_table[i].name,
                 env_table[i].value ? env_table[i].value : "(worked out)", env_table[i].why);
}

int command_oom_score(struct box *b, struct err *e)
{
    /* The template stays where it is and its contexts raise theirs (context.c): they go first, and
     * it lives on. Landlock keeps everyone from lowering it again. */
    if (b->spec->is_template)
        return 0;
    cleanup_fd int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "1000", 4) < 0)
        return err_set(e, ERR_SANDBOX, errno, "cannot raise oom_score_adj");
    return 0;
}

/* An argument that is the place of a --file-fd names the file where it was placed. Lives until
 * exec. */
static char **place_arguments(const struct box *b)
{
    const struct spec *s = b->spec;
    size_t n = 0;

    while (s->command && s->command[n]) /* --check has none */
        n++;
    char **argv = xcalloc(n + 1, sizeof *argv);
    for (size_t i = 0; i < n; i++) {
        argv[i] = s->command[i];
        for (size_t k = 0; k < s->n_files; k++)
            if (strcmp(s->files[k].dst, argv[i]) == 0) {
                argv[i] = box_place(b, argv[i]);
                break;
            }
    }
    return argv;
}

/* Only 0 to 2 and what was asked for survive exec. */
static int keep_fds(const struct spec *s, struct err *e)
{
    if (syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
        return err_set(e, ERR_SANDBOX, errno, "close_range (needs Linux 5.11 or newer)");
    for (size_t i = 0; i < s->n_pass_fds; i++)
        if (fcntl(s->pass_fds[i], F_SETFD, 0) < 0)
            return err_set(e, ERR_SANDBOX, errno, "--pass-fd %d", s->pass_fds[i]);
    return 0;
}

/* The caller's dispositions and mask would be inherited through exec: a program that finds SIGCHLD
 * or SIGPIPE ignored misbehaves. */
static void reset_signals(void)
{
    sigset_t none;

    for (int n = 1; n < NSIG; n++)
        signal(n, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void try_exec(char **argv, char **env)
{
    const char *path = INNER_PATH;
    int kept = ENOENT;

    if (strchr(argv[0], '/')) {
        execve(argv[0], argv, env);
        return;
    }
    for (size_t i = 0; env[i]; i++)
        if (strncmp(env[i], "PATH=", 5) == 0)
            path = env[i] + 5;
    struct str rest = str_of(path), dir;
    while (rest.n) {
        str_cut(&rest, ':', &dir);
        cleanup_free char *file = xasprintf("%.*s/%s", (int)dir.n, dir.p, argv[0]);
        execve(file, argv, env);
        if (errno != ENOENT && errno != ENOTDIR)
            kept = errno;
    }
    errno = kept;
}

/* A fork copies memory for a process that throws it away at its exec: a quarter of a millisecond.
 * Not for --check, which never comes to an exec and looks at pid 1. */
bool command_shares_memory(const struct box *b)
{
#ifdef BUILD_ASAN
    (void)b;
    return false; /* its run-time knows one stack a process */
#else
    return !b->lone && b->spec->mode != MODE_CHECK;
#endif
}

__attribute__((noreturn)) static void command_exec(struct box *b, int gate_fd)
{
    const struct spec *s = b->spec;
    struct info info = { .kind = INFO_NOT_RUN };
    struct err e = ERR_INIT;
    char **env = build_environment(b), **argv = place_arguments(b);
    cleanup_free char *dir = box_place(b, s->chdir);
    char go;

    reset_signals();
    /* Where no pid namespace takes it along, it goes with init by this, if it leaves it so. */
    if (b->lone && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) {
        err_set(&e, ERR_SANDBOX, errno, "prctl(PR_SET_PDEATHSIG)");
        box_fail(b, "limits", &e);
    }
    if (b->lone && command_oom_score(b, &e) < 0)
        box_fail(b, "limits", &e);
    /* Of the memory, so it holds for init, which shares it; exec gives the command its own. Not
     * earlier: what is not dumpable may not write to its own files of /proc. */
    if (command_shares_memory(b) && prctl(PR_SET_DUMPABLE, 0) < 0) {
        err_set(&e, ERR_SANDBOX, errno, "prctl(PR_SET_DUMPABLE)");
        box_fail(b, "pid 1", &e);
    }
    if (keep_fds(s, &e) < 0)
        box_fail(b, "descriptors", &e);
    if (chdir(dir) < 0) {
        err_set(&e, ERR_SANDBOX, errno, "--chdir %s: no such directory inside the sandbox",
                s->chdir);
        box_fail(b, "command", &e);
    }
    if (limits_apply(b, &e) < 0)
        box_fail(b, "limits", &e);
    if (command_shares_memory(b) && ns_aside_join(b, &e) < 0)
        box_fail(b, "root", &e);
    if (landlock_apply(b, &e) < 0)
        box_fail(b, "landlock", &e);
    if (seccomp_command(b, &e) < 0)
        box_fail(b, "seccomp", &e);
    ssize_t told = read(gate_fd, &go, 1);
    if (told < 0) {
        err_set(&e, ERR_SANDBOX, errno, "cannot hear whether pid 1 is ready");
        box_fail(b, "pid 1", &e);
    }
    if (told == 0)
        _exit(125); /* pid 1 could not protect itself, and said so */
    if (s->mode == MODE_CHECK)
        _exit(check_inside(b));
    try_exec(argv, env);
    info.status = errno == ENOENT || errno == ENOTDIR ? 127 : 126;
    err_set(&info.err, ERR_SANDBOX, errno, "cannot run %.400s%s", s->command[0],
            errno == ENOENT ? " (inside the sandbox only /usr and what --ro names is there)" : "");
    if (write(b->info_fd, &info, sizeof info) < 0)
        _exit(125);
    _exit(info.status);
}

static struct {
    struct box *box;
    int gate[2];
    _Alignas(16) char stack[256 << 10];
} shared;

static int run_shared(void *arg)
{
    (void)arg;
    close(shared.gate[1]);
    command_exec(shared.box, shared.gate[0]);
}

pid_t command_start(struct box *b, const int gate[2])
{
    if (command_shares_memory(b)) {
        shared.box = b;
        memcpy(shared.gate, gate, sizeof shared.gate);
        return clone(run_shared, shared.stack + sizeof shared.stack, CLONE_VM | SIGCHLD, NULL);
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(gate[1]);
        command_exec(b, gate[0]);
    }
    return pid;
}
