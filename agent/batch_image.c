/* Importing the data stack takes each sandbox some 60 MB and most of a second of a processor. In a
 * batch it is done once, in a sandbox in which no cell ever runs, and the other sandboxes map what
 * came of it.
 *
 * The process that makes it alone holds the writing end of a pipe, whose end the sandboxes wait
 * for: however that process ends, they hear of it, and the seals of the file tell whether it is
 * whole. */
#include "agent/batch_image.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "agent/base/mem.h"
#include "agent/program.h"
#include "agent/base/banned.h"

#define MAKE_MS 30000 /* then the questions go without */

/* What makes memory differ between the sandboxes of one batch, or is not there to be warmed. */
static bool is_shareable(const struct conf *c)
{
    return c->share_template && c->preload && c->preload[0] && c->network == NULL &&
           c->env == NULL && c->devices == NULL;
}

/* In the child, which goes with the batch. No attachment is shown to what gets shared. */
static void make(struct program *p, int fd, pid_t parent)
{
    struct stop stop = STOP_NEVER, bound = stop_within(&stop, MAKE_MS);
    struct sandbox_info info;
    struct err e = ERR_INIT;
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0);
    p->files = (struct attach_list){ 0 };
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent ||
        program_start_sandbox(p, &e) < 0 || sandbox_wait_ready(p->run.sandbox, &bound, &e) < 0)
        _exit(1);
    sandbox_get_info(p->run.sandbox, &info);
    /* Without namespaces each sandbox lies elsewhere, and its template knows where. */
    int r = strcmp(info.backend, "namespaces") == 0 ? sandbox_image(p->run.sandbox, fd, &bound, &e)
                                                    : -1;
    if (r < 0)
        ui_detail(p->run.ui, "the sandboxes of this batch share no memory: %s",
                  e.msg[0] ? e.msg : "there are no namespaces here");
    sandbox_free(p->run.sandbox);
    _exit(r < 0);
}

void batch_image_begin(struct batch_image *b, struct program *p)
{
    int gate[2];

    *b = (struct batch_image){ 0, { -1, -1 } };
    if (!is_shareable(&p->conf))
        return;
    cleanup_fd int fd = memfd_create("template", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || pipe2(gate, O_CLOEXEC) < 0)
        return;
    fflush(NULL);
    pid_t parent = getpid(); /* 1 in a container of its own */
    pid_t pid = fork();
    if (pid == 0) {
        close(gate[0]);
        make(p, fd, parent);
    }
    close(gate[1]);
    if (pid < 0) {
        close(gate[0]);
        return;
    }
    *b = (struct batch_image){ pid, { steal_fd(&fd), gate[0] } };
}

char *batch_image_flag(const struct batch_image *b)
{
    return b->maker ? xasprintf("--template-image=%d,%d", b->image.fd, b->image.gate) : NULL;
}

void batch_image_inherit(const struct batch_image *b)
{
    if (b->maker) {
        fcntl(b->image.fd, F_SETFD, 0);
        fcntl(b->image.gate, F_SETFD, 0);
    }
}

void batch_image_end(struct batch_image *b)
{
    if (b->maker == 0)
        return;
    kill(b->maker, SIGKILL);
    while (waitpid(b->maker, NULL, 0) < 0 && errno == EINTR)
        continue;
    close(b->image.fd);
    close(b->image.gate);
    b->maker = 0;
}

bool batch_image_parse(const char *flag, struct sandbox_image *ret)
{
    int n = 0;

    if (flag == NULL || sscanf(flag, "%d,%d%n", &ret->fd, &ret->gate, &n) != 2 || flag[n])
        return false;
    /* From here on only the sandbox has them. */
    return fcntl(ret->fd, F_SETFD, FD_CLOEXEC) == 0 && fcntl(ret->gate, F_SETFD, FD_CLOEXEC) == 0;
}
