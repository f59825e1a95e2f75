/* One HTTP client for the whole run: one connection, kept alive. The only user of libcurl.
 *
 * http_stream() is one of the three functions that may block. Redirects are never followed (the key
 * would go along). Proxies come from libcurl's own variables (https_proxy, no_proxy...), CA bundles
 * from CURL_CA_BUNDLE, SSL_CERT_FILE and SSL_CERT_DIR. What the server sends is bounded: headers by
 * MAX_HEADER_BYTES, the decoded body by MAX_REPLY_BYTES. */
#ifndef PROVIDERS_HTTP_H
#define PROVIDERS_HTTP_H

#include <stdbool.h>
#include "agent/base/err.h"
#include "agent/base/stop.h"
#include "agent/base/str.h"

struct http;
struct http *http_new(struct err *e);
void http_free(struct http *h); /* NULL is fine */

struct http_req {
    const char *url;
    struct str body;    /* sent by POST; `p` NULL means GET */
    struct str headers; /* "Name: value\n" lines */
    /* 0 = none. first_byte: from the start to the first byte of the body. stall: the longest time
     * in which fewer than HTTP_STALL_BYTES of the body may come. request: the whole of it. */
    long connect_ms, first_byte_ms, stall_ms, request_ms;
};

/* A keep-alive comment has more; a server that feeds one byte a minute has fewer. */
#define HTTP_STALL_BYTES 4
#define HTTP_TAIL_MS 300

struct http_resp {
    long status;          /* set before the first call of the sink */
    struct buf headers;   /* "Name: value\n" lines of the final answer */
    size_t bytes;         /* decoded body bytes that came */
    long new_connections; /* made for this request: 0 when one was reused */
    bool finishing; /* the sink may set it: all that matters has come. The rest is read, so that
                     * the connection can be used again, but for HTTP_TAIL_MS at most */
};
void http_resp_free(struct http_resp *r);

/* Takes the body as it comes. 0 = go on, 1 = enough (the request ends well), -1 = *e is set. */
typedef int http_sink(void *arg, struct str bytes, struct err *e);

/* 0 when an answer came, whatever its status. `ret` must be zeroed, is valid in every case, and is
 * freed by the caller. Errors: ERR_NET (worth a retry), ERR_PROVIDER (a cap, TLS), ERR_CONFIG (the
 * URL), ERR_DEADLINE, ERR_CANCEL, or the sink's own. */
int http_stream(struct http *h, const struct http_req *rq, const struct stop *stop, http_sink *sink,
                void *arg, struct http_resp *ret, struct err *e);

/* The value of a header, trimmed; empty if absent. Names are compared without case. Pure. */
struct str http_header(struct str lines, const char *name);
/* "host:port" of a URL, made safe to show (no user, no password, no query); -1 with ERR_CONFIG for
 * what is no http or https URL. `where` may be NULL. */
int http_url_host(const char *url, struct buf *where, struct err *e);

#endif
