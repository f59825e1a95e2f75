#include "agent/keys.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/log.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/conf.h"
#include "providers/services.h"
#include "agent/base/banned.h"

#define MAX_KEY_BYTES 8192   /* real keys stay under 300; a signed token may reach 4 KB */
#define MAX_KEY_OUTPUT 65536 /* what a key file or command may hold in all */
#define KEY_CMD_MS 30000

/* Key material in one fixed block: a growing buffer would leave copies behind. */
struct secret {
    char *p;
    size_t n;
};

static void cleanup_secret(struct secret *s)
{
    mem_wipe(s->p, MAX_KEY_OUTPUT);
    free(s->p);
}

static const char *shown(struct buf *b, const char *s)
{
    utf8_clean_line(b, utf8_head(str_of(s), 200));
    return buf_cstr(b);
}

/* Reads what is there now; 1 at the end, 0 when there may be more, -1 on error. */
static int drain(int fd, struct secret *s, struct err *e)
{
    for (;;) {
        if (s->n == MAX_KEY_OUTPUT)
            return err_set(e, ERR_CONFIG, 0,
                           "more than %d bytes where one line with a key was expected",
                           MAX_KEY_OUTPUT);
        ssize_t r = read(fd, s->p + s->n, MAX_KEY_OUTPUT - s->n);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return 0;
        if (r < 0)
            return err_set(e, ERR_CONFIG, errno, "read");
        if (r == 0)
            return 1;
        s->n += (size_t)r;
    }
}

/* Accepts the first line. The bytes go into an HTTP header: nothing but printable ASCII may. */
static int take_key(struct str text, struct key *ret, struct err *e)
{
    struct str line;

    (void)str_cut(&text, '\n', &line);
    line = str_trim(line);
    if (line.n == 0)
        return err_set(e, ERR_CONFIG, 0, "holds no key: its first line is empty");
    if (line.n > MAX_KEY_BYTES)
        return err_set(e, ERR_CONFIG, 0, "a key of %zu bytes is no key (at most %d)", line.n,
                       MAX_KEY_BYTES);
    for (size_t i = 0; i < line.n; i++)
        if ((unsigned char)line.p[i] <= ' ' || (unsigned char)line.p[i] >= 0x7f)
            return err_set(
                e, ERR_CONFIG, 0,
                "has a character that no key has (byte 0x%02x at position %zu); the first "
                "line must be the key alone",
                (unsigned char)line.p[i], i + 1);
    ret->value = str_dup(line);
    secret_add(ret->value);
    return 0;
}

static int from_env(const char *name, struct key *ret, struct err *e)
{
    char *v = getenv(name);

    if (v == NULL || *v == '\0')
        return 0;
    int r = take_key(str_of(v), ret, e);
    /* What /proc/PID/environ shows and what a child would inherit. */
    mem_wipe(v, strlen(v));
    unsetenv(name);
    if (r < 0)
        return err_wrap(e, "the environment variable %s", name);
    ret->hint = xstrdup(name);
    return 0;
}

/* `what`: how messages call the file; `closed`: the rights that nobody else may have on it. */
static int from_file(const char *what, const char *path, mode_t closed, struct key *ret,
                     struct err *e)
{
    cleanup_buf struct buf b = BUF_MAX(4096);
    __attribute__((cleanup(cleanup_secret))) struct secret s = { xcalloc(MAX_KEY_OUTPUT, 1), 0 };
    const char *p = shown(&b, path);
    struct stat st;

    /* O_NONBLOCK: a FIFO of that name must not hang the run. The checks are on the descriptor. */
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set(e, ERR_CONFIG, errno, "%s %s", what, p);
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_CONFIG, 0, "%s %s: is not a regular file", what, p);
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return err_set(e, ERR_CONFIG, 0,
                       "%s %s: belongs to another user (uid %ld), who can read and change "
                       "the key; make a copy of your own with mode 0600",
                       what, p, (long)st.st_uid);
    if (st.st_mode & closed)
        return err_set(e, ERR_CONFIG, 0,
                       "%s %s: has mode %04o, so that others can get at the key; type: "
                       "chmod 600 %s",
                       what, p, (unsigned)(st.st_mode & 07777), p);
    if (drain(fd, &s, e) < 0 || take_key((struct str){ s.p, s.n }, ret, e) < 0)
        return err_wrap(e, "%s %s", what, p);
    ret->hint = xasprintf("%s %s", what, p);
    return 0;
}

/* Starts /bin/sh -c CMD with its standard output on a pipe, in a process group of its own so that
 * all of it can be ended, with signals as a program expects them. Standard input is empty: what is
 * piped into agent is not the command's. Standard error is passed: it says what went wrong. */
static int spawn(const char *cmd, pid_t *ret_pid, int *ret_fd, struct err *e)
{
    char *argv[] = { (char[]){ "sh" }, (char[]){ "-c" }, (char *)cmd, NULL };
    cleanup_fd int rd = -1, wr = -1;
    posix_spawn_file_actions_t fa;
    posix_spawnattr_t attr;
    sigset_t none, pipe_set;
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0)
        return err_set(e, ERR_CONFIG, errno, "api_key_cmd: pipe");
    rd = fds[0];
    wr = fds[1];
    io_set_nonblock(rd, true);
    sigemptyset(&none);
    sigemptyset(&pipe_set);
    sigaddset(&pipe_set, SIGPIPE);
    posix_spawn_file_actions_init(&fa);
    posix_spawnattr_init(&attr);
    posix_spawn_file_actions_addopen(&fa, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&fa, wr, STDOUT_FILENO);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &pipe_set);
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                        POSIX_SPAWN_SETPGROUP);
    int r = posix_spawn(ret_pid, "/bin/sh", &fa, &attr, argv, environ);
    posix_spawn_file_actions_destroy(&fa);
    posix_spawnattr_destroy(&attr);
    if (r != 0)
        return err_set(e, ERR_CONFIG, r, "api_key_cmd: start /bin/sh");
    *ret_fd = steal_fd(&rd);
    return 0;
}

/* Collects output until the command has ended. Not until its pipe ends: something it left in the
 * background may hold that open. */
static int collect(int fd, int pidfd, const struct stop *stop, int64_t limit_ms, struct secret *s,
                   struct err *e)
{
    struct stop limit = stop_within(stop, limit_ms);
    bool open = true;

    for (;;) {
        struct pollfd p[3] = { { pidfd, POLLIN, 0 },
                               { stop->cancel_fd, POLLIN, 0 },
                               { open ? fd : -1, POLLIN, 0 } };
        if (poll(p, 3, stop_poll_ms(&limit, -1)) < 0 && errno != EINTR)
            return err_set(e, ERR_CONFIG, errno, "poll");
        bool ended = p[0].revents != 0;
        if (open) {
            int r = drain(fd, s, e);
            if (r < 0)
                return -1;
            open = r == 0;
        }
        if (ended)
            return 0;
        if (stop_check(stop, e) < 0)
            return -1;
        struct err ignored = ERR_INIT;
        if (stop_check(&limit, &ignored) < 0)
            return err_set(e, ERR_CONFIG, 0,
                           "gave no key within %.3g s and was ended; it must not ask for anything "
                           "on standard input",
                           (double)limit_ms / 1000);
    }
}

int keys_from_cmd(const char *cmd, const struct stop *stop, int64_t limit_ms, struct key *ret,
                  struct err *e)
{
    cleanup_buf struct buf b = BUF_MAX(4096);
    __attribute__((cleanup(cleanup_secret))) struct secret s = { xcalloc(MAX_KEY_OUTPUT, 1), 0 };
    cleanup_fd int fd = -1, pidfd = -1;
    pid_t pid;
    int status = 0;

    shown(&b, cmd);
    if (spawn(cmd, &pid, &fd, e) < 0)
        return -1;
    pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    int r = pidfd < 0 ? err_set(e, ERR_CONFIG, errno, "pidfd_open")
                      : collect(fd, pidfd, stop, limit_ms, &s, e);
    if (r < 0)
        kill(-pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (r < 0) {
        if (e->code != ERR_CANCEL && e->code != ERR_DEADLINE)
            err_wrap(e, "api_key_cmd \"%s\"", buf_cstr(&b));
        return -1;
    }
    if (WIFSIGNALED(status))
        return err_set(e, ERR_CONFIG, 0, "api_key_cmd \"%s\": was ended by signal %d", buf_cstr(&b),
                       WTERMSIG(status));
    if (WEXITSTATUS(status) != 0)
        return err_set(e, ERR_CONFIG, 0,
                       "api_key_cmd \"%s\": failed with status %d; run it in a shell to see why",
                       buf_cstr(&b), WEXITSTATUS(status));
    if (take_key((struct str){ s.p, s.n }, ret, e) < 0)
        return err_wrap(e, "api_key_cmd \"%s\": its output", buf_cstr(&b));
    ret->hint = xstrdup("api_key_cmd");
    return 0;
}

/* Services that a key is there for, so that the user sees what would work. */
static void others(const struct key_source *src, struct buf *out)
{
    for (size_t i = 0; i < services_n; i++) {
        const struct service *s = &services[i];
        bool same = src->service && strcmp(src->service, s->name) == 0;
        if (!same && !s->keyless && (keys_there(s->key_env) || keys_stored(s->name)))
            buf_putf(out, "%s-m %s/%s", out->n ? ", " : "", s->name, s->example);
    }
}

static int no_key(const struct key_source *s, struct err *e)
{
    cleanup_buf struct buf or = BUF_MAX(1024), first = BUF_MAX(200);
    struct str rest = str_of(s->env), name;
    const char *who = s->service ? s->service : s->url;

    if (!str_cut(&rest, ' ', &name))
        rest = STR("");
    buf_putstr(&first, name);
    others(s, & or);
    return err_set(
        e, ERR_CONFIG, 0,
        "no API key for %s: the environment variable %s%s%.*s is not set, and neither "
        "api_key_file nor api_key_cmd is. One of these gives it:\n"
        "  agent keys set %s      asks for it and keeps it, mode 0600\n"
        "  export %s=...\n"
        "  --api-key-file FILE      a file of yours, mode 0600, the key in its first line\n"
        "  --api-key-cmd COMMAND    a command that prints it, such as \"pass show %s\"\n"
        "Without any key: --replay FILE plays a recorded conversation (make demo does), and\n"
        "a server on this machine needs none (-m ollama/qwen3, or --base-url "
        "http://127.0.0.1:8080/v1)%s%.300s%s",
        who, buf_cstr(&first), rest.n ? " or " : "", (int)rest.n, rest.p,
        s->service ? s->service : "openai", buf_cstr(&first), s->service ? s->service : "openai",
        or.n ? "\nThere is a key for other services: " : "", buf_cstr(& or), or.n ? "" : "");
}

bool keys_there(const char *env)
{
    struct str rest = str_of(env), name;

    for (bool more = rest.n > 0; more;) {
        more = str_cut(&rest, ' ', &name);
        cleanup_free char *var = str_dup(name);
        const char *v = getenv(var);
        if (v && *v)
            return true;
    }
    return false;
}

/* --- keys that are kept --- */

static bool is_file_name(const char *service)
{
    bool is = service && service[0] && service[0] != '.' && strlen(service) < 100;

    for (const char *p = service; is && *p; p++)
        is = *p != '/' && (unsigned char)*p > ' ' && *p != 0x7f;
    return is;
}

/* What the service manager hands to a service of its own (LoadCredential=); NULL = nothing. */
static char *credential_path(const char *service)
{
    const char *dir = getenv("CREDENTIALS_DIRECTORY");
    struct stat st;

    if (dir == NULL || dir[0] != '/' || !is_file_name(service))
        return NULL;
    char *path = xasprintf("%s/" KEYS_CREDENTIAL "%s", dir, service);
    if (lstat(path, &st) == 0)
        return path;
    free(path);
    return NULL;
}

char *keys_stored_path(const char *service)
{
    const char *dir = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

    if (!is_file_name(service))
        return NULL;
    if (dir && dir[0] == '/')
        return xasprintf("%s/agent/keys/%s", dir, service);
    return home && home[0] == '/' ? xasprintf("%s/.config/agent/keys/%s", home, service) : NULL;
}

bool keys_stored(const char *service)
{
    cleanup_free char *path = keys_stored_path(service);
    struct stat st;

    return path && lstat(path, &st) == 0;
}

char *keys_where(const struct key_source *s)
{
    cleanup_buf struct buf b = BUF_MAX(4096);
    struct str rest = str_of(s->env), name;

    for (bool more = rest.n > 0; more;) {
        more = str_cut(&rest, ' ', &name);
        cleanup_free char *var = str_dup(name);
        const char *v = getenv(var);
        if (v && *v)
            return xasprintf("the variable %s", var);
    }
    cleanup_free char *given = credential_path(s->service);
    if (given)
        return xasprintf("the credential %s", shown(&b, given));
    if (s->file)
        return xasprintf("api_key_file %s", shown(&b, s->file));
    if (s->cmd)
        return xasprintf("api_key_cmd \"%s\"", shown(&b, s->cmd));
    if (!keys_stored(s->service))
        return NULL;
    cleanup_free char *path = keys_stored_path(s->service);
    return xasprintf("the file %s", shown(&b, path));
}

char *keys_file(const struct key_source *s)
{
    if (s->file)
        return xstrdup(s->file);
    return s->cmd || !keys_stored(s->service) ? NULL : keys_stored_path(s->service);
}

/* One line, byte by byte: what follows it is not ours. */
static int read_line(int fd, struct secret *s, const struct stop *stop, struct err *e)
{
    for (;;) {
        struct pollfd p[2] = { { fd, POLLIN, 0 }, { stop->cancel_fd, POLLIN, 0 } };
        if (poll(p, 2, stop_poll_ms(stop, -1)) < 0 && errno != EINTR)
            return err_set(e, ERR_INTERNAL, errno, "poll");
        if (stop_check(stop, e) < 0)
            return -1;
        if (p[0].revents == 0)
            continue;
        ssize_t r = read(fd, s->p + s->n, 1);
        if (r < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (r < 0)
            return err_set(e, ERR_USAGE, errno, "read the key");
        if (r == 0 || s->p[s->n] == '\n')
            return 0;
        if (++s->n > MAX_KEY_BYTES)
            return err_set(e, ERR_USAGE, 0,
                           "more than %d bytes without the end of a line are no "
                           "key",
                           MAX_KEY_BYTES);
    }
}

int keys_store(const char *service, int fd, const struct stop *stop, struct err *e)
{
    __attribute__((cleanup(cleanup_secret))) struct secret s = { xcalloc(MAX_KEY_OUTPUT, 1), 0 };
    __attribute__((cleanup(key_done))) struct key k = { NULL, NULL, NULL };
    cleanup_free char *path = keys_stored_path(service);
    struct termios was, quiet;

    if (path == NULL)
        return err_set(e, ERR_CONFIG, 0,
                       "there is no place to keep a key of %.60s: set HOME or XDG_CONFIG_HOME",
                       service);
    bool terminal = tcgetattr(fd, &was) == 0;
    if (terminal) {
        quiet = was;
        quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
        if (tcsetattr(fd, TCSAFLUSH, &quiet) < 0)
            return err_set(e, ERR_SYS, errno, "make the terminal not show the key");
    }
    int r = read_line(fd, &s, stop, e);
    if (terminal)
        tcsetattr(fd, TCSAFLUSH, &was);
    if (r < 0)
        return -1;
    if (take_key((struct str){ s.p, s.n }, &k, e) < 0) {
        e->code = ERR_USAGE;
        return err_wrap(e, "what was given");
    }
    cleanup_free char *dir = xstrndup(path, (size_t)(io_basename(path) - path));
    if (io_mkdirs(dir, 0700, e) < 0)
        return -1;
    if (chmod(dir, 0700) < 0)
        return err_set(e, ERR_SYS, errno, "chmod 0700 %s", dir);
    return io_write_atomic(AT_FDCWD, path, str_of(k.value), 0600, e);
}

int keys_forget(const char *service, struct err *e)
{
    cleanup_free char *path = keys_stored_path(service);

    if (path == NULL || unlink(path) == 0)
        return path == NULL;
    if (errno == ENOENT || errno == ENOTDIR)
        return 1;
    return err_set(e, ERR_SYS, errno, "remove %s", path);
}

int keys_resolve(const struct key_source *s, const struct stop *stop, struct key *ret,
                 struct err *e)
{
    __attribute__((cleanup(key_done))) struct key k = { NULL, NULL, NULL };
    struct str rest = str_of(s->env), name;

    /* Taken out of the environment even when it is not needed: what stays there can leak. */
    for (bool more = rest.n > 0; more;) {
        struct key spare = { NULL, NULL, NULL };
        more = str_cut(&rest, ' ', &name);
        cleanup_free char *var = str_dup(name);
        int r = from_env(var, k.value ? &spare : &k, e);
        key_done(&spare);
        if (r < 0)
            return -1;
    }
    cleanup_free char *given = s->replay || k.value ? NULL : credential_path(s->service);
    if (s->replay)
        key_done(&k);
    /* Where the service runs as another user than the manager, an access list lets it read the
     * file, and the list's mask looks like a right of the group. */
    else if (given && from_file("the credential", given, 027, &k, e) < 0)
        return -1;
    else if (!k.value && s->file && from_file("api_key_file", s->file, 077, &k, e) < 0)
        return -1;
    else if (!k.value && s->cmd && keys_from_cmd(s->cmd, stop, KEY_CMD_MS, &k, e) < 0)
        return -1;
    cleanup_free char *kept = s->replay || k.value ? NULL : keys_stored_path(s->service);
    if (kept && keys_stored(s->service) && from_file("the key file", kept, 077, &k, e) < 0)
        return -1;
    bool loopback = conf_url_is_loopback(s->url);
    if (!k.value && !s->replay && !s->keyless && !loopback)
        return no_key(s, e);
    if (k.hint == NULL) {
        rest = str_of(s->env);
        (void)str_cut(&rest, ' ', &name);
        k.hint = str_dup(name);
    }
    if (k.value && str_starts(str_of(s->url), "http://") && !loopback)
        k.warning =
            xasprintf("%s is not encrypted: the API key and your data can be read on the way; "
                      "use https:// if the server has it",
                      s->url);
    *ret = k;
    k = (struct key){ NULL, NULL, NULL };
    return 0;
}

void key_done(struct key *k)
{
    if (k->value)
        mem_wipe(k->value, strlen(k->value));
    free(k->value);
    free(k->hint);
    free(k->warning);
    *k = (struct key){ NULL, NULL, NULL };
}
