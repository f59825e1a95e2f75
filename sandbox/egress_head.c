#include <string.h>
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "sandbox/egress.h"
#include "agent/base/banned.h"

static bool is_token(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              (c && strchr("!#$%&'*+-.^_`|~", c))))
            return false;
    }
    return s.n > 0;
}

static bool same_word(struct str s, const char *lower)
{
    return s.n == strlen(lower) && strncasecmp(s.p, lower, s.n) == 0;
}

/* Up to the CR LF, which is skipped. Only called on a head that ends in an empty line. */
static struct str next_line(struct str *rest)
{
    const char *end = memmem(rest->p, rest->n, "\r\n", 2);
    struct str line = { rest->p, (size_t)(end - rest->p) };

    *rest = str_from(*rest, line.n + 2);
    return line;
}

/* "host[:port]" into the request. */
static const char *take_target(struct str target, bool needs_port, int def,
                               struct egress_request *rq)
{
    struct str host, port = target;
    long long n = def;

    if (target.n && target.p[0] == '[')
        return "an address, not a name";
    if (str_cut(&port, ':', &host)) {
        if (port.n == 0 || port.p[0] < '0' || port.p[0] > '9' || !str_to_ll(port, &n) || n < 1 ||
            n > 65535)
            return "the port is none";
    } else if (needs_port) {
        return "CONNECT without a port";
    }
    rq->port = (int)n;
    return egress_name(host, rq->host);
}

/* Where the head ends, its empty line included; 0 = not yet, SIZE_MAX = a byte that no head has. */
static size_t find_end(struct str b)
{
    for (size_t i = 0; i < b.n; i++) {
        unsigned char c = (unsigned char)b.p[i];
        if (c == '\n' && (i == 0 || b.p[i - 1] != '\r'))
            return SIZE_MAX;
        if (c == '\n' && i >= 3 && b.p[i - 2] == '\n')
            return i + 1;
        if ((c < ' ' && c != '\t' && c != '\r' && c != '\n') || c == 0x7f)
            return SIZE_MAX;
        if (c == '\r' && i + 1 < b.n && b.p[i + 1] != '\n')
            return SIZE_MAX;
    }
    return 0;
}

int egress_head_parse(struct str bytes, struct egress_request *ret, const char **why)
{
    struct egress_request rq = { .connect = false };
    struct str line, method, target, name;
    size_t end = find_end(bytes);

    *why = "the request's head is larger than permitted";
    if (end == 0)
        return bytes.n >= MAX_EGRESS_HEAD ? -1 : 0;
    if (end != SIZE_MAX && end > MAX_EGRESS_HEAD)
        return -1;
    *why = "the request is no HTTP";
    if (end == SIZE_MAX)
        return -1;
    rq.used = end;
    struct str rest = { bytes.p, end - 2 };
    line = next_line(&rest);
    if (!str_cut(&line, ' ', &method) || !str_cut(&line, ' ', &target) || !is_token(method) ||
        !(str_is(line, "HTTP/1.1") || str_is(line, "HTTP/1.0")))
        return -1;
    while (rest.n) {
        line = next_line(&rest);
        /* No colon, a blank before it or a folded line: three ways in which two readers of a head
         * disagree. */
        if (!str_cut(&line, ':', &name) || !is_token(name))
            return -1;
    }
    rq.method = method;
    rq.connect = str_is(method, "CONNECT");
    if (!rq.connect) {
        *why = "the request's target is no http:// URL";
        if (target.n < 7 || strncasecmp(target.p, "http://", 7) != 0)
            return -1;
        target = str_from(target, 7);
        size_t n = 0;
        while (n < target.n && !strchr("/?#", target.p[n]))
            n++;
        rq.path = str_from(target, n);
        target.n = n;
    }
    const char *wrong = take_target(target, rq.connect, 80, &rq);
    *ret = rq;
    if (wrong) {
        *why = wrong;
        return -1;
    }
    return 1;
}

void egress_head_rewrite(struct str bytes, const struct egress_request *rq, struct buf *out)
{
    static const char *const dropped[] = {
        "host",       "connection", "proxy-connection", "proxy-authorization",
        "keep-alive", "te",         "upgrade"
    };
    struct str rest = { bytes.p, rq->used - 2 }, name;

    const char *version = str_ends(next_line(&rest), "1.0") ? "1.0" : "1.1";
    buf_putstr(out, rq->method);
    buf_puts(out, rq->path.n && rq->path.p[0] == '/' ? " " : " /");
    buf_putstr(out, rq->path);
    buf_putf(out, " HTTP/%s\r\nHost: %s", version, rq->host);
    if (rq->port != 80)
        buf_putf(out, ":%d", rq->port);
    buf_puts(out, "\r\nConnection: close\r\n");
    while (rest.n) {
        struct str line = next_line(&rest), value = line;
        bool drop = false;
        str_cut(&value, ':', &name);
        for (size_t i = 0; i < ARRAY_LEN(dropped); i++)
            drop |= same_word(name, dropped[i]);
        if (drop)
            continue;
        buf_putstr(out, line);
        buf_puts(out, "\r\n");
    }
    buf_puts(out, "\r\n");
}
