/* agent-egress: accepts connections on a listening unix socket that agent-sandbox made inside the
 * sandbox, and gives each a process (egress_conn.c), at most MAX_EGRESS_AT_ONCE at a time; the
 * others wait in the socket's queue.
 *
 * Started by agent, with an empty environment, as
 *     agent-egress HANDOFF RECORD LIFELINE HOST[:PORT]...
 * HANDOFF   a unix socket by which the listening socket comes (agent-sandbox --egress-fd has the
 * other end) RECORD    a pipe for one line of JSON a connection, when it has ended LIFELINE  a
 * pipe: when it hangs up, all connections end, are recorded, and so does the program
 *
 * It becomes nobody if it was root, and gives up what it can give up before it reads a byte. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/stop.h"
#include "sandbox/egress.h"
#include "agent/base/banned.h"

#define NOBODY 65534
#define FLUSH_MS 2000 /* the caller reads the last lines at once, or is gone */
#define MAX_LINES                                                                                  \
    (8 * MIB) /* room for all lines there can be: MAX_EGRESS_CONNECTIONS of some 600 bytes */

struct connection {
    pid_t pid; /* 0 = free */
    int pidfd;
    int64_t began_us;
    struct egress_note *note; /* shared with its process alone */
};

struct proxy {
    struct egress_rule rules[MAX_NETWORK_HOSTS];
    size_t n_rules;
    int listener, record, lifeline;
    struct connection conns[MAX_EGRESS_AT_ONCE];
    int active, total;
    struct buf lines; /* not yet taken by the record's reader */
};

/* The host holds characters of names alone, the reason only our words and strerror's: nothing to
 * escape, but the memory is shared with a process that parses hostile bytes. */
static void put_clean(struct buf *out, const char *s, size_t max)
{
    for (size_t i = 0; i < max && s[i]; i++)
        buf_putc(out, s[i] < ' ' || s[i] > '~' || s[i] == '"' || s[i] == '\\' ? '?' : s[i]);
}

static void write_lines(struct proxy *p)
{
    while (p->lines.n) {
        ssize_t r = write(p->record, p->lines.p, p->lines.n);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return; /* full: later. Nobody reads any more: the lifeline will say so */
        buf_drop_front(&p->lines, (size_t)r);
    }
}

static void put_line(struct proxy *p, const struct egress_note *n, int64_t duration_us)
{
    buf_puts(&p->lines, "{\"host\":\"");
    put_clean(&p->lines, n->host, sizeof n->host);
    buf_putf(&p->lines, "\",\"port\":%d,\"allowed\":%s,\"reason\":\"", n->port,
             n->allowed ? "true" : "false");
    put_clean(&p->lines, n->reason, sizeof n->reason);
    buf_putf(&p->lines, "\",\"bytes_in\":%lld,\"bytes_out\":%lld,\"duration_us\":%lld}\n",
             (long long)n->bytes_in, (long long)n->bytes_out, (long long)duration_us);
    write_lines(p);
}

/* The process is a zombie or about to be one. */
static void finish(struct proxy *p, struct connection *c)
{
    int status;

    while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (!(WIFEXITED(status) && WEXITSTATUS(status) == 0) && c->note->reason[0] == '\0')
        snprintf(c->note->reason, sizeof c->note->reason, "its process ended by %s %d",
                 WIFSIGNALED(status) ? "signal" : "status",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    put_line(p, c->note, now_us() - c->began_us);
    munmap(c->note, sizeof *c->note);
    close(c->pidfd);
    c->pid = 0;
    p->active--;
}

static void refuse_unserved(struct proxy *p, const char *why)
{
    struct egress_note n = { .port = 0 };

    snprintf(n.reason, sizeof n.reason, "%s: %s", why, strerror(errno));
    put_line(p, &n, 0);
}

static void take(struct proxy *p)
{
    cleanup_fd int fd = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC);
    struct connection *c = p->conns;

    if (fd < 0)
        return;
    if (++p->total >= MAX_EGRESS_CONNECTIONS) {
        struct egress_note n = {
            .reason = "the last one: no more connections are served in this sandbox"
        };
        put_line(p, &n, 0);
        close(steal_fd(&p->listener));
        return;
    }
    while (c->pid)
        c++;
    struct egress_note *note =
        mmap(NULL, sizeof *note, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (note == MAP_FAILED) {
        refuse_unserved(p, "not served: memory");
        return;
    }
    int64_t began = now_us();
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        close(p->listener);
        close(p->record);
        close(p->lifeline);
        egress_connection(steal_fd(&fd), p->rules, p->n_rules, note);
        _exit(0);
    }
    int pidfd = pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0) {
        refuse_unserved(p, "not served: no process");
        if (pid > 0) {
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
        }
        munmap(note, sizeof *note);
        return;
    }
    /* Later connections must not see it: the page belongs to this one and us. */
    madvise(note, sizeof *note, MADV_DONTFORK);
    *c = (struct connection){ pid, pidfd, began, note };
    p->active++;
}

static void end_all(struct proxy *p)
{
    int64_t deadline = now_ms() + FLUSH_MS;

    for (size_t i = 0; i < MAX_EGRESS_AT_ONCE; i++) {
        struct connection *c = &p->conns[i];
        if (c->pid == 0)
            continue;
        kill(c->pid, SIGKILL);
        if (c->note->reason[0] == '\0')
            snprintf(c->note->reason, sizeof c->note->reason, "cut off: the sandbox ended");
        finish(p, c);
    }
    for (write_lines(p); p->lines.n; write_lines(p)) {
        int64_t left = deadline - now_ms();
        struct pollfd w = { p->record, POLLOUT, 0 };
        if (left <= 0 || poll(&w, 1, (int)left) < 0 || (w.revents & POLLERR))
            return;
    }
}

static void serve(struct proxy *p)
{
    for (;;) {
        struct pollfd fds[3 + MAX_EGRESS_AT_ONCE] = {
            { p->lifeline, POLLIN, 0 },
            { p->active < MAX_EGRESS_AT_ONCE ? p->listener : -1, POLLIN, 0 },
            { p->lines.n ? p->record : -1, POLLOUT, 0 },
        };
        for (size_t i = 0; i < MAX_EGRESS_AT_ONCE; i++)
            fds[3 + i] = (struct pollfd){ p->conns[i].pid ? p->conns[i].pidfd : -1, POLLIN, 0 };
        if (poll(fds, ARRAY_LEN(fds), -1) < 0 && errno != EINTR)
            return;
        if (fds[0].revents)
            return;
        for (size_t i = 0; i < MAX_EGRESS_AT_ONCE; i++)
            if (fds[3 + i].revents)
                finish(p, &p->conns[i]);
        write_lines(p);
        if (fds[1].revents)
            take(p);
    }
}

/* The listening socket, by the handoff; -1 with *e. Ends in silence (1) when the sandbox came to
 * nothing. */
static int receive_listener(struct proxy *p, int handoff, struct err *e)
{
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    char byte;
    struct iovec iov = { &byte, 1 };
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
    };
    struct pollfd fds[] = { { p->lifeline, POLLIN, 0 }, { handoff, POLLIN, 0 } };
    int is_listening = 0;
    socklen_t size = sizeof is_listening;

    while (poll(fds, 2, -1) < 0)
        if (errno != EINTR)
            return err_set(e, ERR_SYS, errno, "poll");
    if (fds[0].revents || recvmsg(handoff, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) <= 0)
        return 1;
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
        c->cmsg_len != CMSG_LEN(sizeof(int)))
        return err_set(e, ERR_SYS, 0, "no listening socket came by descriptor %d", handoff);
    memcpy(&p->listener, CMSG_DATA(c), sizeof p->listener);
    if (getsockopt(p->listener, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &size) < 0 ||
        !is_listening)
        return err_set(e, ERR_SYS, 0, "what came by descriptor %d is no listening socket", handoff);
    io_set_nonblock(p->listener, true);
    return 0;
}

static int give_up_rights(struct err *e)
{
    struct rlimit none = { 0, 0 }, files = { 256, 256 };

    if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
                           setresuid(NOBODY, NOBODY, NOBODY) < 0))
        return err_set(e, ERR_SYS, errno, "cannot become nobody");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0 ||
        setrlimit(RLIMIT_CORE, &none) < 0 || setrlimit(RLIMIT_NOFILE, &files) < 0 ||
        setrlimit(RLIMIT_FSIZE, &none) < 0)
        return err_set(e, ERR_SYS, errno, "cannot give up rights");
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    /* The resolver's own patience; the environment is otherwise empty. */
    if (chdir("/") < 0 || setenv("RES_OPTIONS", "timeout:3 attempts:2", 1) < 0)
        return err_set(e, ERR_SYS, errno, "cannot prepare");
    return 0;
}

static int take_fd(const char *arg, int *ret, struct err *e)
{
    struct stat st;
    long long n;

    if (!str_to_ll(str_of(arg), &n) || n < 3 || n > 1000 || fstat((int)n, &st) < 0)
        return err_set(e, ERR_USAGE, 0, "`%s' is no open descriptor of 3 or more", arg);
    if (fcntl((int)n, F_SETFD, FD_CLOEXEC) < 0)
        return err_set(e, ERR_SYS, errno, "descriptor %s", arg);
    *ret = (int)n;
    return 0;
}

static int prepare(struct proxy *p, int argc, char **argv, int *handoff, struct err *e)
{
    if (argc < 5 || argc - 4 > MAX_NETWORK_HOSTS)
        return err_set(e, ERR_USAGE, 0,
                       "usage: agent-egress HANDOFF RECORD LIFELINE HOST[:PORT]... (at most %d; "
                       "agent starts it)",
                       MAX_NETWORK_HOSTS);
    if (take_fd(argv[1], handoff, e) < 0 || take_fd(argv[2], &p->record, e) < 0 ||
        take_fd(argv[3], &p->lifeline, e) < 0)
        return -1;
    for (int i = 4; i < argc; i++)
        if (egress_rule_parse(str_of(argv[i]), &p->rules[p->n_rules++], e) < 0)
            return -1;
    io_set_nonblock(p->record, true);
    return give_up_rights(e);
}

int main(int argc, char **argv)
{
    static struct proxy p = { .listener = -1, .lines = BUF_MAX(MAX_LINES) };
    struct err e = ERR_INIT;
    int handoff = -1;
    int r = prepare(&p, argc, argv, &handoff, &e);

    if (r == 0)
        r = receive_listener(&p, handoff, &e);
    if (r < 0) {
        fprintf(stderr, "agent-egress: %s\n", e.msg);
        return e.code == ERR_USAGE ? 2 : 1;
    }
    close(handoff);
    if (r == 0) {
        serve(&p);
        end_all(&p);
    }
    buf_free(&p.lines);
    return 0;
}
