#include "sandbox/launch.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/mem.h"
#include "sandbox/driver_embed.h"
#include "sandbox/language.h"
#include "sandbox/launch_parts.h"
#include "agent/base/banned.h"

#define CHILD_FD_BASE 3 /* descriptors in the helper: 3, 4, ... in the order they are given */
#define CHILD_FD_MAX 48
#define ABOVE_CHILD_FDS 64 /* ours are moved above, so that placing one never closes another */

/* What the child gets: number i of `fd` becomes descriptor CHILD_FD_BASE + i there. */
struct hand_over {
    int fd[CHILD_FD_MAX];
    int n;
};

static void hand_over_done(struct hand_over *h)
{
    for (int i = 0; i < h->n; i++)
        close(h->fd[i]);
}

/* Takes `fd` (owned) and gives the number it has in the child. */
static int hand(struct hand_over *h, int *fd, struct err *e)
{
    int high = fcntl(*fd, F_DUPFD_CLOEXEC, ABOVE_CHILD_FDS);

    if (high >= 0 && h->n == CHILD_FD_MAX) {
        close(high);
        return err_set(e, ERR_INTERNAL, 0, "sandbox: more than %d descriptors", CHILD_FD_MAX);
    }
    if (high < 0)
        return err_set(e, ERR_SYS, errno, "sandbox: duplicate a descriptor");
    close(steal_fd(fd));
    h->fd[h->n] = high;
    return CHILD_FD_BASE + h->n++;
}

/* --- the command line --- */

static void add_limit(struct strings *argv, const char *name, int64_t value)
{
    if (value <= 0)
        return;
    strings_add(argv, xstrdup("--limit"));
    strings_add(argv, xasprintf("%s=%lld", name, (long long)value));
}

static int add_fd(struct strings *argv, struct hand_over *h, const char *option, int *fd,
                  struct err *e)
{
    int n = hand(h, fd, e);

    if (n < 0)
        return -1;
    strings_add(argv, xstrdup(option));
    strings_add(argv, xasprintf("%d", n));
    return n;
}

/* Python's files always; another language's when cells may be in it. */
static bool is_wanted(const struct driver_file *f, const struct sandbox_spec *spec)
{
    if (!f->language)
        return true;
    for (size_t i = 0; i < spec->n_programs; i++)
        if (strcmp(spec->programs[i].language->driver, f->name) == 0)
            return true;
    return false;
}

static int add_driver(struct strings *argv, struct hand_over *h, const struct sandbox_spec *spec,
                      struct err *e)
{
    for (size_t i = 0; i < driver_files_n; i++) {
        const struct driver_file *f = &driver_files[i];
        if (!is_wanted(f, spec))
            continue;
        cleanup_fd int fd = memfd_create(f->name, MFD_CLOEXEC);
        if (fd < 0)
            return err_set(e, ERR_SANDBOX, errno, "sandbox: memfd_create for the interpreter");
        if (io_write_all(fd, f->data, (size_t)(f->end - f->data), e) < 0)
            return err_wrap(e, "sandbox: %s", f->name);
        if (lseek(fd, 0, SEEK_SET) < 0)
            return err_set(e, ERR_SANDBOX, errno, "sandbox: %s", f->name);
        int n = hand(h, &fd, e);
        if (n < 0)
            return -1;
        strings_add(argv, xstrdup("--file-fd"));
        strings_add(argv, xasprintf("%d:/run/sandbox/%s", n, f->name));
    }
    return 0;
}

/* fonts.py puts it where matplotlib looks for it. */
static int add_fonts(struct strings *argv, struct hand_over *h, const struct sandbox_spec *spec,
                     struct err *e)
{
    if (spec->fonts_name == NULL)
        return 0;
    cleanup_fd int fd = fcntl(spec->fonts_fd, F_DUPFD_CLOEXEC, CHILD_FD_BASE);
    if (fd < 0)
        return err_set(e, ERR_SYS, errno, "sandbox: duplicate the descriptor of the list of fonts");
    int n = hand(h, &fd, e);
    if (n < 0)
        return -1;
    strings_add(argv, xstrdup("--file-fd"));
    strings_add(argv, xasprintf("%d:/run/sandbox/fonts/%s", n, spec->fonts_name));
    return 0;
}

static int add_files(struct strings *argv, const struct sandbox_spec *spec, struct err *e)
{
    for (size_t i = 0; i < spec->n_files; i++) {
        /* The helper splits at the last colon; a name with one would be cut wrongly. */
        if (strchr(spec->files[i].name, ':') || strchr(spec->files[i].name, '/'))
            return err_set(e, ERR_USAGE, 0,
                           "attachment %s: the name `%s' cannot be used in the sandbox (it has a "
                           "colon or a slash); give it another",
                           spec->files[i].path, spec->files[i].name);
        strings_add(argv, xstrdup("--data"));
        strings_add(argv, xasprintf("%s:%s", spec->files[i].path, spec->files[i].name));
    }
    return 0;
}

/* Without namespaces a folder can only be shown where it is. With them its own path, which may tell
 * the user's name, stays outside. */
const char *sandbox_place(const struct sandbox_spec *spec, enum sandbox_shown which)
{
    if (which == SHOWN_PACKAGES)
        return spec->packages == NULL || spec->best ? spec->packages : "/env";
    return spec->wheels == NULL || spec->best ? spec->wheels : "/wheels";
}

static void add_shown(struct strings *argv, const struct sandbox_spec *spec)
{
    const char *const paths[] = {
        [SHOWN_PACKAGES] = spec->packages, [SHOWN_WHEELS] = spec->wheels
    };

    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        if (paths[i] == NULL)
            continue;
        strings_add(argv, xstrdup("--ro"));
        strings_add(argv, xasprintf("%s:%s", paths[i], sandbox_place(spec, (enum sandbox_shown)i)));
    }
    if (spec->packages) {
        /* The driver's contexts heed it, and the processes that they start. */
        strings_add(argv, xstrdup("--env"));
        strings_add(argv, xasprintf("PYTHONPATH=%s", sandbox_place(spec, SHOWN_PACKAGES)));
    }
}

static void add_words(struct strings *argv, const char *words)
{
    struct str rest = str_of(words), word;

    for (bool more = true; more;) {
        more = str_cut(&rest, ' ', &word);
        if (word.n)
            strings_add(argv, str_dup(word));
    }
}

static void add_devices(struct strings *argv, const char *paths)
{
    struct str rest = str_of(paths ? paths : ""), word;

    while (rest.n) {
        str_cut(&rest, ' ', &word);
        strings_add(argv, xstrdup("--device"));
        strings_add(argv, str_dup(word));
    }
}

/* Gives the descriptors of the image; `numbers` are theirs in the sandbox. */
static int add_image(struct strings *argv, struct hand_over *h, const struct sandbox_image *image,
                     int *numbers, struct err *e)
{
    const int fds[] = { image ? image->fd : -1, image ? image->gate : -1 };

    for (size_t i = 0; image && i < ARRAY_LEN(fds); i++) {
        cleanup_fd int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, CHILD_FD_BASE);
        if (fd < 0)
            return err_set(e, ERR_SYS, errno, "sandbox: duplicate the descriptor of the image");
        numbers[i] = add_fd(argv, h, "--pass-fd", &fd, e);
        if (numbers[i] < 0)
            return -1;
    }
    return 0;
}

/* --- the process --- */

/* A group of its own: Ctrl-C at the terminal is for the agent, which ends the sandbox. The mask is
 * cleared, since the agent blocks the signals that it reads from a descriptor. */
int launch_spawn(const char *program, char *const *argv, const posix_spawn_file_actions_t *fa,
                 pid_t *ret, struct err *e)
{
    static char *no_environment[] = { NULL };
    posix_spawnattr_t at;
    sigset_t none, all;

    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_init(&at);
    posix_spawnattr_setflags(&at, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                      POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&at, 0);
    posix_spawnattr_setsigmask(&at, &none);
    posix_spawnattr_setsigdefault(&at, &all);
    int r = posix_spawn(ret, program, fa, &at, argv, no_environment);
    posix_spawnattr_destroy(&at);
    return r ? err_set(e, ERR_SANDBOX, r, "start %s", program) : 0;
}

static int spawn(const char *program, struct strings *argv, struct hand_over *h, int log,
                 pid_t *ret, struct err *e)
{
    posix_spawn_file_actions_t fa;

    posix_spawn_file_actions_init(&fa);
    posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&fa, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&fa, log, 2);
    for (int i = 0; i < h->n; i++)
        posix_spawn_file_actions_adddup2(&fa, h->fd[i], CHILD_FD_BASE + i);
    int r = launch_spawn(program, argv->v, &fa, ret, e);
    posix_spawn_file_actions_destroy(&fa);
    return r;
}

static int make_pair(int *ours, int *theirs, struct err *e)
{
    int sv[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
        return err_set(e, ERR_SANDBOX, errno, "sandbox: socketpair");
    *ours = sv[0];
    *theirs = sv[1];
    io_set_nonblock(sv[0], true);
    return 0;
}

static int make_pipe(int *ours, int *theirs, bool we_read, struct err *e)
{
    int p[2];

    if (pipe2(p, O_CLOEXEC) < 0)
        return err_set(e, ERR_SANDBOX, errno, "sandbox: pipe");
    *ours = we_read ? p[0] : p[1];
    *theirs = we_read ? p[1] : p[0];
    io_set_nonblock(*ours, true);
    return 0;
}

/* The memory in which the helper counts refused calls. */
static int make_counts(struct helper *h, int *theirs, struct err *e)
{
    *theirs = memfd_create("denied", MFD_CLOEXEC);
    if (*theirs < 0 || ftruncate(*theirs, sizeof *h->denied) < 0)
        return err_set(e, ERR_SANDBOX, errno, "sandbox: memory for counters");
    void *p = mmap(NULL, sizeof *h->denied, PROT_READ, MAP_SHARED, *theirs, 0);
    if (p == MAP_FAILED)
        return err_set(e, ERR_SANDBOX, errno, "sandbox: memory for counters");
    h->denied = p;
    return 0;
}

static int build(const struct sandbox_spec *spec, const char *python, struct strings *argv,
                 struct hand_over *hand_in, int *egress, struct helper *h, struct err *e)
{
    cleanup_fd int control = -1, status = -1, workspace = -1, lifeline = -1, denied = -1;

    if (make_pair(&h->control, &control, e) < 0 || make_pair(&h->workspace, &workspace, e) < 0 ||
        make_pipe(&h->status, &status, true, e) < 0 ||
        make_pipe(&h->lifeline, &lifeline, false, e) < 0 || make_counts(h, &denied, e) < 0)
        return -1;
    strings_add(argv, xstrdup("agent-sandbox"));
    strings_add(argv, xstrdup("--template"));
    if (spec->best) {
        strings_add(argv, xstrdup("--backend"));
        strings_add(argv, xstrdup("best"));
    }
    if (launch_show_python(argv, python, e) < 0 || launch_show_runtimes(argv, spec, e) < 0 ||
        add_files(argv, spec, e) < 0)
        return -1;
    add_shown(argv, spec);
    add_limit(argv, "memory", spec->memory_bytes);
    add_limit(argv, "workspace", spec->workspace_bytes);
    add_limit(argv, "file", spec->file_bytes);
    add_limit(argv, "processes", spec->max_processes);
    add_limit(argv, "open-files", spec->max_open_files);
    add_limit(argv, "cpu", spec->cpu_seconds);
    add_limit(argv, "cpu-share", spec->cpu_share);
    add_devices(argv, spec->devices);
    int number = add_fd(argv, hand_in, "--pass-fd", &control, e), image[] = { 0, 0 };
    if (number < 0 || add_image(argv, hand_in, spec->image, image, e) < 0 ||
        add_fd(argv, hand_in, "--status-fd", &status, e) < 0 ||
        add_fd(argv, hand_in, "--workspace-fd", &workspace, e) < 0 ||
        add_fd(argv, hand_in, "--denied-fd", &denied, e) < 0 ||
        add_fd(argv, hand_in, "--lifeline-fd", &lifeline, e) < 0 ||
        (*egress >= 0 && add_fd(argv, hand_in, "--egress-fd", egress, e) < 0) ||
        add_driver(argv, hand_in, spec, e) < 0 || add_fonts(argv, hand_in, spec, e) < 0)
        return -1;
    strings_add(argv, xstrdup("--"));
    strings_add(argv, xstrdup(python));
    static const char *const flags[] = { "-I", "-S", "-B", "/run/sandbox/start.py" };
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        strings_add(argv, xstrdup(flags[i]));
    strings_add(argv, xasprintf("%d", number));
    for (size_t i = 0; i < ARRAY_LEN(image); i++)
        strings_add(argv, xasprintf("%d", image[i]));
    if (spec->packages == NULL) /* what is preloaded would be the system's, not the environment's */
        add_words(argv, spec->preload);
    return 0;
}

/* The proxy, with its end of the socket by which the helper hands over where to listen. */
static int launch_egress(const struct sandbox_spec *spec, int *handoff, int log, struct helper *h,
                         struct err *e)
{
    cleanup_free char *program = launch_find_ours("agent-egress", e);
    cleanup_fd int record = -1, life = -1;
    struct strings argv = { NULL, 0 };
    struct hand_over hand_in = { .n = 0 };
    int r = -1;

    if (program == NULL || make_pipe(&h->network, &record, true, e) < 0 ||
        make_pipe(&h->egress_life, &life, false, e) < 0)
        return -1;
    strings_add(&argv, xstrdup("agent-egress"));
    int *fds[] = { handoff, &record, &life };
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        int n = hand(&hand_in, fds[i], e);
        if (n < 0)
            goto out;
        strings_add(&argv, xasprintf("%d", n));
    }
    add_words(&argv, spec->network);
    r = spawn(program, &argv, &hand_in, log, &h->egress, e);
out:
    hand_over_done(&hand_in);
    strings_done(&argv);
    return r;
}

int launch_helper(const struct sandbox_spec *spec, const char *python, struct helper *ret,
                  struct err *e)
{
    struct helper h = HELPER_INIT;
    struct strings argv = { NULL, 0 };
    struct hand_over hand_in = { .n = 0 };
    cleanup_free char *program = sandbox_helper_path(spec->helper, e);
    cleanup_fd int log = -1, to_helper = -1, to_egress = -1;
    int r = -1, pair[2];

    if (program == NULL)
        return -1;
    if (spec->network) {
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
            return err_set(e, ERR_SANDBOX, errno, "sandbox: socketpair");
        to_helper = pair[0];
        to_egress = pair[1];
    }
    if (make_pipe(&h.log, &log, true, e) == 0 &&
        (to_egress < 0 || launch_egress(spec, &to_egress, log, &h, e) == 0) &&
        build(spec, python, &argv, &hand_in, &to_helper, &h, e) == 0 &&
        spawn(program, &argv, &hand_in, log, &h.pid, e) == 0) {
        h.pidfd = (int)syscall(SYS_pidfd_open, h.pid, 0);
        r = h.pidfd < 0 ? err_set(e, ERR_SANDBOX, errno, "sandbox: pidfd_open") : 0;
    }
    hand_over_done(&hand_in);
    strings_done(&argv);
    if (r < 0) {
        launch_end(&h, 0);
        return -1;
    }
    *ret = h;
    return 0;
}

void launch_end(struct helper *h, int ms)
{
    int *fds[] = { &h->lifeline,  &h->control, &h->status,     &h->log,
                   &h->workspace, &h->network, &h->egress_life };

    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        if (*fds[i] >= 0)
            close(steal_fd(fds[i]));
    if (h->pid > 0) {
        struct pollfd p = { h->pidfd, POLLIN, 0 };
        if (h->pidfd < 0 || poll(&p, 1, ms) <= 0)
            kill(h->pid, SIGKILL);
        while (waitpid(h->pid, NULL, 0) < 0 && errno == EINTR)
            continue;
        h->pid = -1;
    }
    if (h->pidfd >= 0)
        close(steal_fd(&h->pidfd));
    if (h->denied)
        munmap((void *)(uintptr_t)h->denied, sizeof *h->denied);
    h->denied = NULL;
    if (h->egress > 0) {
        kill(h->egress, SIGKILL); /* with it go the processes of its connections */
        while (waitpid(h->egress, NULL, 0) < 0 && errno == EINTR)
            continue;
        h->egress = -1;
    }
}
