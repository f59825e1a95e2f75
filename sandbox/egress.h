/* agent-egress: the only way from the sandbox to the network, and only to hosts that the user
 * listed. A program of its own, started with an empty environment outside the sandbox: it holds no
 * key, and a mistake in it does not reach the agent's memory. docs/EGRESS.md says why it is ours.
 *
 * The parts here are pure (no I/O, no clock) but for egress_connection(), which is the whole life
 * of one connection in a process of its own. All that comes from the sandbox is hostile: bounded,
 * and parsed strictly. */
#ifndef SANDBOX_EGRESS_H
#define SANDBOX_EGRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include "agent/base/err.h"
#include "agent/base/str.h"

enum { EGRESS_NAME = 254 };

/* --- egress_rule.c: which names and ports --- */
struct egress_rule {
    char host[EGRESS_NAME]; /* lower case, no dot at the end; of a wildcard what follows "*." */
    bool wildcard;          /* one level below it and deeper, not itself */
    int port;               /* 0 = 443 and 80 */
};
/* "host", "host:port", "*.host[:port]". ERR_USAGE says what is wrong with it; an address is none.
 */
int egress_rule_parse(struct str word, struct egress_rule *ret, struct err *e);
/* Lower case, without the dot at the end. NULL if it is a host's name, else what it is instead. */
const char *egress_name(struct str in, char ret[EGRESS_NAME]);
/* NULL, or the reason why not. */
const char *egress_refused(const struct egress_rule *rules, size_t n, const char *host, int port);

/* --- egress_addr.c: which addresses --- */
/* NULL for a public address, else what it is ("private", "loopback", ...). Other families are
 * refused. */
const char *egress_addr_refused(const struct sockaddr *sa);

/* --- egress_head.c: what the client asks --- */
struct egress_request {
    bool connect; /* else an http:// URL with another method */
    char host[EGRESS_NAME];
    int port;
    size_t used; /* bytes of the head, with its empty line */
    struct str method,
        path; /* views into the bytes; of a URL, from its first slash (may be empty) */
};
/* 1 = a whole head, 0 = more must come, -1 = malformed or too long, with *why. */
int egress_head_parse(struct str bytes, struct egress_request *ret, const char **why);
/* The head as the server gets it: path instead of URL, Host by the URL, nothing that was meant for
 * a proxy. */
void egress_head_rewrite(struct str bytes, const struct egress_request *rq, struct buf *out);

/* --- egress_conn.c --- */
/* What is told of a connection. The proxy shares it with the connection's process, so that it is
 * recorded however that one ends. */
struct egress_note {
    char host[EGRESS_NAME]; /* as asked, only characters of names; "" = it did not get that far */
    int port;
    bool allowed;                /* a connection to the host was made */
    char reason[200];            /* why not, or why it ended early; "" = it ran to its end */
    int64_t bytes_in, bytes_out; /* from and to the network */
};
/* Serves `fd` (owned) to its end. */
void egress_connection(int fd, const struct egress_rule *rules, size_t n, struct egress_note *note);

#endif
