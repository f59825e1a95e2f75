/* How it works: one easy handle in one multi handle, both kept for the client's life, so that the
 * connection is too. drive() turns the crank: perform, look at the clocks, poll on libcurl's
 * sockets and the stop's descriptor together. The callbacks only count, check caps and hand on. */
#include "providers/http.h"
#include <curl/curl.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "agent/base/limits.h"
#include "agent/base/log.h"
#include "agent/base/mem.h"
#include "providers/errbody.h"
#include "agent/base/banned.h"

struct http {
    CURLM *multi;
    CURL *easy;
    char why[CURL_ERROR_SIZE]; /* libcurl's own words */
};

/* One request under way. */
struct xfer {
    const struct http_req *rq;
    struct http_resp *resp;
    http_sink *sink;
    void *arg;
    struct http *h;
    struct err *e;
    bool failed, enough;
    size_t header_bytes;
    int64_t begun, window; /* ms; `window` is the start of the stall window */
    int64_t tail;          /* when the sink said that it has all */
    size_t window_bytes;
};

void http_resp_free(struct http_resp *r)
{
    buf_free(&r->headers);
}

void http_free(struct http *h)
{
    if (h == NULL)
        return;
    if (h->easy)
        curl_easy_cleanup(h->easy);
    if (h->multi)
        curl_multi_cleanup(h->multi);
    free(h);
    curl_global_cleanup();
}

struct http *http_new(struct err *e)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        err_set(e, ERR_INTERNAL, 0, "libcurl could not be initialised");
        return NULL;
    }
    struct http *h = xcalloc(1, sizeof *h);
    h->multi = curl_multi_init();
    h->easy = curl_easy_init();
    if (h->multi == NULL || h->easy == NULL) {
        http_free(h);
        err_set(e, ERR_INTERNAL, 0, "libcurl has no memory");
        return NULL;
    }
    /* The multi handle's own pair of wake-up sockets, which no callback shows. All other
     * descriptors of this process are close-on-exec by rule, so nothing else changes. */
    (void)close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
    return h;
}

struct str http_header(struct str lines, const char *name)
{
    size_t n = strlen(name);
    struct str line;

    while (lines.n) {
        str_cut(&lines, '\n', &line);
        if (line.n > n && line.p[n] == ':' && strncasecmp(line.p, name, n) == 0)
            return str_trim(str_from(line, n + 1));
    }
    return (struct str){ "", 0 };
}

int http_url_host(const char *url, struct buf *where, struct err *e)
{
    CURLU *u = curl_url();
    char *scheme = NULL, *host = NULL, *port = NULL;
    bool ok = u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
              (!strcmp(scheme, "http") || !strcmp(scheme, "https"));

    if (ok && where) {
        errbody_clean(where, str_of(host), 300);
        buf_putf(where, ":%s", port);
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(u);
    if (ok)
        return 0;
    cleanup_buf struct buf shown = BUF_MAX(400);
    errbody_clean(&shown, str_of(url), 300);
    return err_set(e, ERR_CONFIG, 0,
                   "the address \"%s\" is no http or https URL; it should look like "
                   "https://api.example.com/v1",
                   buf_cstr(&shown));
}

/* libcurl 7.88 opens its sockets without close-on-exec; no child of ours shall have one. */
static int on_socket(void *arg, curl_socket_t fd, curlsocktype purpose)
{
    (void)arg, (void)purpose;
    return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? CURL_SOCKOPT_ERROR : CURL_SOCKOPT_OK;
}

static size_t fail(struct xfer *x)
{
    x->failed = true;
    return 0;
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
    struct xfer *x = arg;
    struct str line = { p, size * n };

    /* Interim answers (1xx) and trailers count too, or they would be endless. */
    x->header_bytes += line.n;
    if (x->header_bytes > MAX_HEADER_BYTES) {
        err_set(x->e, ERR_PROVIDER, 0, "the answer's headers are longer than %u KiB",
                MAX_HEADER_BYTES / KIB);
        return fail(x);
    }
    if (str_starts(line, "HTTP/"))
        buf_clear(&x->resp->headers);
    buf_putstr(&x->resp->headers, str_trim(line));
    buf_putc(&x->resp->headers, '\n');
    return size * n;
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
    struct xfer *x = arg;
    size_t len = size * n;

    if (x->resp->bytes == 0) {
        curl_easy_getinfo(x->h->easy, CURLINFO_RESPONSE_CODE, &x->resp->status);
        x->window = now_ms();
    }
    x->resp->bytes += len;
    if (x->resp->bytes > MAX_REPLY_BYTES) {
        err_set(x->e, ERR_PROVIDER, 0, "the answer is longer than %u MiB", MAX_REPLY_BYTES / MIB);
        return fail(x);
    }
    int r = x->sink(x->arg, (struct str){ p, len }, x->e);
    if (r < 0)
        return fail(x);
    if (r > 0) {
        x->enough = true;
        return 0;
    }
    if (x->resp->finishing && x->tail == 0)
        x->tail = now_ms();
    return len;
}

/* libcurl's command-line tool reads these; the library leaves them to its user. */
static void set_ca(CURL *c)
{
    const char *bundle = getenv("CURL_CA_BUNDLE"), *dir = getenv("SSL_CERT_DIR");
    const char *file = getenv("SSL_CERT_FILE");

    if (bundle && *bundle)
        curl_easy_setopt(c, CURLOPT_CAINFO, bundle);
    else if (file && *file)
        curl_easy_setopt(c, CURLOPT_CAINFO, file);
    if (dir && *dir)
        curl_easy_setopt(c, CURLOPT_CAPATH, dir);
}

static struct curl_slist *header_list(struct str lines)
{
    struct curl_slist *list = NULL;
    struct str line;

    while (lines.n) {
        str_cut(&lines, '\n', &line);
        cleanup_free char *s = str_dup(line);
        struct curl_slist *next = line.n ? curl_slist_append(list, s) : list;
        mem_wipe(s, line.n); /* one of them holds the key */
        if (next == NULL)
            abort(); /* out of memory */
        list = next;
    }
    return list;
}

static void wipe_list(struct curl_slist *list)
{
    for (struct curl_slist *l = list; l; l = l->next)
        mem_wipe(l->data, strlen(l->data));
    curl_slist_free_all(list);
}

static void prepare(struct http *h, struct xfer *x, struct curl_slist *headers)
{
    CURL *c = h->easy;
    const struct http_req *rq = x->rq;

    curl_easy_reset(c); /* keeps connections, the DNS cache and TLS sessions */
    h->why[0] = '\0';
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, h->why);
    curl_easy_setopt(c, CURLOPT_URL, rq->url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L); /* a cancel does not wait for the resolver */
    curl_easy_setopt(c, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(c, CURLOPT_ACCEPT_ENCODING, "gzip");
    curl_easy_setopt(c, CURLOPT_USERAGENT, "agent/" AGENT_VERSION);
    curl_easy_setopt(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c, CURLOPT_SOCKOPTFUNCTION, on_socket);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, x);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, x);
    if (rq->connect_ms > 0)
        curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, rq->connect_ms);
    if (rq->body.p) {
        curl_easy_setopt(c, CURLOPT_POST, 1L);
        curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)rq->body.n);
        curl_easy_setopt(c, CURLOPT_POSTFIELDS, rq->body.p);
    }
    set_ca(c);
}

/* Milliseconds until the next of our clocks runs out; -1 with *e when one has. */
static int64_t clocks(struct xfer *x)
{
    const struct http_req *rq = x->rq;
    int64_t now = now_ms(), left = 60000, d;

    if (x->tail) {
        d = x->tail + HTTP_TAIL_MS - now;
        x->enough = d <= 0;
        return d > 0 ? d : 0;
    }
    if (rq->request_ms > 0) {
        d = x->begun + rq->request_ms - now;
        if (d <= 0)
            return err_set(
                x->e, ERR_NET, 0,
                "the request took longer than %ld ms (request_timeout); %zu bytes had come",
                rq->request_ms, x->resp->bytes);
        left = d < left ? d : left;
    }
    if (x->resp->bytes == 0) {
        if (rq->first_byte_ms > 0) {
            d = x->begun + rq->first_byte_ms - now;
            if (d <= 0)
                return err_set(x->e, ERR_NET, 0, "no answer within %ld ms (first_byte_timeout)",
                               rq->first_byte_ms);
            left = d < left ? d : left;
        }
    } else if (rq->stall_ms > 0) {
        if (x->resp->bytes - x->window_bytes >= HTTP_STALL_BYTES) {
            x->window_bytes = x->resp->bytes;
            x->window = now;
        }
        d = x->window + rq->stall_ms - now;
        if (d <= 0)
            return err_set(
                x->e, ERR_NET, 0,
                "the answer stalled: nothing new for %ld ms (stall_timeout) after %zu bytes",
                rq->stall_ms, x->resp->bytes);
        left = d < left ? d : left;
    }
    return left;
}

static int curl_failed(struct xfer *x, CURLcode rc)
{
    cleanup_buf struct buf where = BUF_MAX(512), why = BUF_MAX(512);
    long sys = 0;

    if (http_url_host(x->rq->url, &where, x->e) < 0)
        return -1;
    if (rc == CURLE_COULDNT_CONNECT &&
        curl_easy_getinfo(x->h->easy, CURLINFO_OS_ERRNO, &sys) == CURLE_OK && sys != 0)
        snprintf(x->h->why, sizeof x->h->why, "%s", strerror((int)sys));
    errbody_clean(&why, str_of(x->h->why[0] ? x->h->why : curl_easy_strerror(rc)), 200);
    switch (rc) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        if (strstr(x->h->why, "HTTP/0.9")) /* libcurl's word for a first line that is none */
            return err_set(x->e, ERR_PROVIDER, 0,
                           "what answers at %s does not speak HTTP: is that the right port?",
                           buf_cstr(&where));
        return err_set(x->e, ERR_CONFIG, 0, "the address of %s is not usable: %s", buf_cstr(&where),
                       buf_cstr(&why));
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return err_set(x->e, ERR_NET, 0, "no address is known for %s (%s)", buf_cstr(&where),
                       buf_cstr(&why));
    case CURLE_COULDNT_CONNECT:
        return err_set(x->e, ERR_NET, 0, "no connection to %s (%s)", buf_cstr(&where),
                       buf_cstr(&why));
    case CURLE_OPERATION_TIMEDOUT: /* only the connect limit is libcurl's */
        return err_set(x->e, ERR_NET, 0, "no connection to %s within %ld ms (connect_timeout)",
                       buf_cstr(&where), x->rq->connect_ms);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CERTPROBLEM:
        return err_set(
            x->e, ERR_PROVIDER, 0,
            "the certificate of %s is not trusted (%s). For a private CA, name its bundle "
            "in SSL_CERT_FILE",
            buf_cstr(&where), buf_cstr(&why));
    case CURLE_SSL_CONNECT_ERROR:
        return err_set(x->e, ERR_NET, 0, "the TLS handshake with %s failed (%s)", buf_cstr(&where),
                       buf_cstr(&why));
    case CURLE_GOT_NOTHING:
        return err_set(x->e, ERR_NET, 0, "%s closed the connection without an answer",
                       buf_cstr(&where));
    case CURLE_OUT_OF_MEMORY: /* libcurl's word for one header line beyond its own cap */
        return err_set(x->e, ERR_PROVIDER, 0, "%s sent a header line longer than libcurl takes",
                       buf_cstr(&where));
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_WEIRD_SERVER_REPLY:
        return err_set(x->e, ERR_PROVIDER, 0, "the answer of %s is not understood (%s)",
                       buf_cstr(&where), buf_cstr(&why));
    default:
        return err_set(x->e, ERR_NET, 0,
                       "the connection to %s broke after %zu bytes of the answer (%s)",
                       buf_cstr(&where), x->resp->bytes, buf_cstr(&why));
    }
}

static int drive(struct http *h, struct xfer *x, const struct stop *stop)
{
    struct curl_waitfd fd = { stop->cancel_fd, CURL_WAIT_POLLIN, 0 };
    unsigned n_fds = stop->cancel_fd >= 0;

    for (;;) {
        int running, queued;
        CURLMcode m = curl_multi_perform(h->multi, &running);
        if (x->failed)
            return -1;
        if (x->enough)
            return 0;
        if (m != CURLM_OK)
            return err_set(x->e, ERR_INTERNAL, 0, "libcurl: %s", curl_multi_strerror(m));
        CURLMsg *msg = curl_multi_info_read(h->multi, &queued);
        if (msg && msg->msg == CURLMSG_DONE)
            return msg->data.result == CURLE_OK ? 0 : curl_failed(x, msg->data.result);
        if (stop_check(stop, x->e) < 0)
            return -1;
        int64_t left = clocks(x);
        if (left < 0)
            return -1;
        if (x->enough)
            return 0;
        m = curl_multi_poll(h->multi, n_fds ? &fd : NULL, n_fds, stop_poll_ms(stop, left), NULL);
        if (m != CURLM_OK)
            return err_set(x->e, ERR_INTERNAL, 0, "libcurl: %s", curl_multi_strerror(m));
    }
}

int http_stream(struct http *h, const struct http_req *rq, const struct stop *stop, http_sink *sink,
                void *arg, struct http_resp *ret, struct err *e)
{
    struct xfer x = { .rq = rq, .resp = ret, .sink = sink, .arg = arg, .h = h, .e = e };

    ret->headers.max = MAX_HEADER_BYTES + KIB;
    if (http_url_host(rq->url, NULL, e) < 0)
        return -1;
    struct curl_slist *headers = header_list(rq->headers);
    prepare(h, &x, headers);
    x.begun = now_ms();
    CURLMcode m = curl_multi_add_handle(h->multi, h->easy);
    int r = m == CURLM_OK ? drive(h, &x, stop)
                          : err_set(e, ERR_INTERNAL, 0, "libcurl: %s", curl_multi_strerror(m));
    curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &ret->status);
    curl_easy_getinfo(h->easy, CURLINFO_NUM_CONNECTS, &ret->new_connections);
    if (m == CURLM_OK)
        curl_multi_remove_handle(h->multi, h->easy);
    curl_easy_setopt(h->easy, CURLOPT_HTTPHEADER, NULL);
    curl_easy_setopt(h->easy, CURLOPT_POSTFIELDS, NULL);
    wipe_list(headers);
    log_debug("http %s: status %ld, %zu bytes, %ld new connections, %lld ms%s%s",
              rq->body.p ? "POST" : "GET", ret->status, ret->bytes, ret->new_connections,
              (long long)(now_ms() - x.begun), r < 0 ? ", " : "", r < 0 ? e->msg : "");
    return r;
}
