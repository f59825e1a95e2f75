/* One connection, in a process of its own: read the head, decide, resolve, check each address,
 * connect to exactly the address that was checked, pass bytes. Since the name is looked up once and
 * the result is what is connected to, a name server that answers differently the second time gains
 * nothing. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/stop.h"
#include "sandbox/egress.h"
#include "agent/base/banned.h"

#define CHUNK 65536

static void because(struct egress_note *note, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void because(struct egress_note *note, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(note->reason, sizeof note->reason, fmt, ap);
    va_end(ap);
}

/* Waits for one event, until `deadline`. false = it did not come. */
static bool wait_for(int fd, short events, int64_t deadline)
{
    for (;;) {
        int64_t left = deadline - now_ms();
        struct pollfd p = { fd, events, 0 };
        if (left <= 0)
            return false;
        int r = poll(&p, 1, (int)left);
        if (r > 0)
            return true;
        if (r < 0 && errno != EINTR)
            return false;
    }
}

static bool send_all(int fd, struct str s, int64_t deadline)
{
    while (s.n) {
        ssize_t r = send(fd, s.p, s.n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (r >= 0)
            s = str_from(s, (size_t)r);
        else if (errno != EINTR && (errno != EAGAIN || !wait_for(fd, POLLOUT, deadline)))
            return false;
    }
    return true;
}

/* The reason in words, to the client. What it still sends is read away for a moment: closing over
 * unread bytes would turn the answer into a reset. */
static void say_no(int fd, const char *status, const struct egress_note *note)
{
    cleanup_buf struct buf b = BUF_MAX(2048);
    int64_t deadline = now_ms() + 1000;
    char waste[4096];

    buf_putf(&b,
             "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\nConnection: "
             "close\r\n\r\n%s\n",
             status, strlen(note->reason) + 1, note->reason);
    if (!send_all(fd, buf_str(&b), deadline))
        return;
    shutdown(fd, SHUT_WR);
    for (size_t n = 0; n < 4 * CHUNK && wait_for(fd, POLLIN, deadline); n += sizeof waste)
        if (recv(fd, waste, sizeof waste, MSG_DONTWAIT) <= 0)
            return;
}

static int read_head(int fd, struct buf *in, struct egress_request *rq, struct egress_note *note)
{
    int64_t deadline = now_ms() + EGRESS_HEAD_MS;
    const char *why = NULL;
    int r;

    while ((r = egress_head_parse(buf_str(in), rq, &why)) == 0) {
        char chunk[4096];
        if (!wait_for(fd, POLLIN, deadline)) {
            because(note, "no whole request within %d s", EGRESS_HEAD_MS / 1000);
            return -1;
        }
        ssize_t n = recv(fd, chunk, sizeof chunk, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n <= 0) {
            because(note, "the client ended before its request was whole");
            return -1;
        }
        buf_put(in, chunk, (size_t)n);
    }
    if (r < 0)
        because(note, "%s", why);
    return r;
}

/* The machine's own public address is no public network: what listens there may trust the machine.
 * A datagram socket that is connected sends nothing, and tells by which address of ours the other
 * would be reached. */
static bool is_ourselves(const struct sockaddr *sa, socklen_t size)
{
    struct sockaddr_storage ours = { 0 };
    socklen_t n = sizeof ours;
    cleanup_fd int fd = socket(sa->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, sa, size) < 0 || getsockname(fd, (struct sockaddr *)&ours, &n) < 0)
        return false; /* then the real connection fails for the same reason */
    if (sa->sa_family == AF_INET)
        return ((struct sockaddr_in *)&ours)->sin_addr.s_addr ==
               ((const struct sockaddr_in *)(const void *)sa)->sin_addr.s_addr;
    return memcmp(&((struct sockaddr_in6 *)&ours)->sin6_addr,
                  &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, 16) == 0;
}

static int connect_to(const struct addrinfo *a, struct egress_note *note)
{
    cleanup_fd int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int error = 0;
    socklen_t size = sizeof error;

    if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) < 0) {
        if (errno == EINPROGRESS && !wait_for(fd, POLLOUT, now_ms() + EGRESS_CONNECT_MS))
            errno = ETIMEDOUT;
        else if (errno == EINPROGRESS && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0)
            errno = error;
        if (errno != 0) {
            because(note, "connecting failed: %s", strerror(errno));
            return -1;
        }
    } else if (fd < 0) {
        because(note, "no socket: %s", strerror(errno));
    }
    return steal_fd(&fd);
}

/* A connection to the first permitted address that answers; -1 with the reason. *ret_refused: no
 * address was permitted. */
static int dial(struct egress_note *note, bool *ret_refused)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV },
                    *list = NULL;
    char port[8];
    int fd = -1;

    snprintf(port, sizeof port, "%d", note->port);
    /* The resolver heeds no deadline of ours. The alarm ends this process, and the proxy tells this
     * reason. */
    because(note, "the name was not resolved within %d s", EGRESS_RESOLVE_S);
    alarm(EGRESS_RESOLVE_S);
    int r = getaddrinfo(note->host, port, &hints, &list);
    alarm(EGRESS_TOTAL_MS / 1000 + 5);
    *ret_refused = false;
    if (r != 0) {
        because(note, "the name cannot be resolved: %s", gai_strerror(r));
        return -1;
    }
    bool tried = false;
    for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        const char *what = egress_addr_refused(a->ai_addr);
        if (!what && is_ourselves(a->ai_addr, a->ai_addrlen))
            what = "this machine's own";
        if (what) {
            if (!tried)
                because(note, "the name stands for an address that is not public (%s)", what);
            continue;
        }
        tried = true;
        fd = connect_to(a, note);
    }
    *ret_refused = !tried;
    freeaddrinfo(list);
    return fd;
}

/* One direction: what was read and is not sent yet. */
struct way {
    int from, to;
    int64_t *count;
    size_t at, n;
    bool ended; /* nothing more comes; told to `to` once all is sent */
    bool told;
    char bytes[CHUNK];
};

/* false: the connection is broken. */
static bool move(struct way *w)
{
    if (w->n == 0 && !w->ended) {
        ssize_t r = recv(w->from, w->bytes, sizeof w->bytes, MSG_DONTWAIT);
        if (r < 0)
            return errno == EAGAIN || errno == EINTR;
        w->ended = r == 0;
        w->n = (size_t)r;
        w->at = 0;
    }
    if (w->n) {
        ssize_t r = send(w->to, w->bytes + w->at, w->n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (r < 0)
            return errno == EAGAIN || errno == EINTR;
        w->at += (size_t)r;
        w->n -= (size_t)r;
        *w->count += r;
    }
    if (w->ended && w->n == 0 && !w->told) {
        w->told = true;
        shutdown(w->to, SHUT_WR);
    }
    return true;
}

static void tunnel(int client, int server, struct egress_note *note)
{
    struct way *out = xcalloc(1, sizeof *out), *in = xcalloc(1, sizeof *in);
    int64_t end = now_ms() + EGRESS_TOTAL_MS;

    *out = (struct way){ .from = client, .to = server, .count = &note->bytes_out };
    *in = (struct way){ .from = server, .to = client, .count = &note->bytes_in };
    while (!(out->told && in->told)) {
        struct pollfd p[2] = { { client, 0, 0 }, { server, 0, 0 } };
        int64_t left = end - now_ms();
        p[0].events = (short)((out->n || out->ended ? 0 : POLLIN) | (in->n ? POLLOUT : 0));
        p[1].events = (short)((in->n || in->ended ? 0 : POLLIN) | (out->n ? POLLOUT : 0));
        /* A side of which nothing is wanted would report its hang-up without end. */
        for (int i = 0; i < 2; i++)
            if (p[i].events == 0)
                p[i].fd = -1;
        int r = left <= 0 ? 0 : poll(p, 2, (int)(left < EGRESS_IDLE_MS ? left : EGRESS_IDLE_MS));
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0) {
            because(note,
                    left <= EGRESS_IDLE_MS ? "ended after %d s in all"
                                           : "ended after %d s without a byte",
                    (left <= EGRESS_IDLE_MS ? EGRESS_TOTAL_MS : EGRESS_IDLE_MS) / 1000);
            break;
        }
        if (!move(out) || !move(in)) {
            because(note, "broken: %s", strerror(errno));
            break;
        }
        if (note->bytes_in > MAX_EGRESS_BYTES || note->bytes_out > MAX_EGRESS_BYTES) {
            because(note, "ended after %lld MiB", MAX_EGRESS_BYTES / (long long)MIB);
            break;
        }
    }
    free(out);
    free(in);
}

void egress_connection(int fd, const struct egress_rule *rules, size_t n, struct egress_note *note)
{
    cleanup_fd int client = fd, server = -1;
    cleanup_buf struct buf in = BUF_MAX(MAX_EGRESS_HEAD + 4096),
                           head = BUF_MAX(2 * MAX_EGRESS_HEAD);
    struct egress_request rq = { .port = 0 };
    bool refused;
    const char *why;

    alarm(EGRESS_TOTAL_MS / 1000 + 5); /* the last resort: every wait below has its own end */
    int r = read_head(client, &in, &rq, note);
    snprintf(note->host, sizeof note->host, "%s", rq.host);
    note->port = rq.port;
    if (r < 0) {
        say_no(client, "400 Bad Request", note);
        return;
    }
    why = egress_refused(rules, n, rq.host, rq.port);
    if (why) {
        because(note, "%s", why);
        say_no(client, "403 Forbidden", note);
        return;
    }
    server = dial(note, &refused);
    if (server < 0) {
        say_no(client, refused ? "403 Forbidden" : "502 Bad Gateway", note);
        return;
    }
    note->reason[0] = '\0';
    note->allowed = true;
    int64_t deadline = now_ms() + EGRESS_IDLE_MS;
    struct str rest = str_from(buf_str(&in), rq.used);
    if (rq.connect) {
        if (!send_all(client, STR("HTTP/1.1 200 Connection established\r\n\r\n"), deadline))
            return;
    } else {
        egress_head_rewrite(buf_str(&in), &rq, &head);
    }
    if (!send_all(server, buf_str(&head), deadline) || !send_all(server, rest, deadline)) {
        because(note, "broken: the server did not take the request");
        return;
    }
    note->bytes_out = (int64_t)(head.n + rest.n);
    tunnel(client, server, note);
}
