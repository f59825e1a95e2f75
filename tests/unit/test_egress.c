/* What decides where the sandbox may connect: addresses, rules, request heads. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "sandbox/egress.h"
#include "tap.h"
#include "agent/base/banned.h"

static const struct {
    const char *addr;
    bool open;
} addresses[] = {
    /* public, with the neighbours of every range */
    { "1.0.0.0", true },
    { "1.1.1.1", true },
    { "8.8.8.8", true },
    { "9.255.255.255", true },
    { "11.0.0.0", true },
    { "93.184.216.34", true },
    { "100.63.255.255", true },
    { "100.128.0.0", true },
    { "126.255.255.255", true },
    { "128.0.0.0", true },
    { "168.63.129.15", true },
    { "168.63.129.17", true },
    { "169.253.255.255", true },
    { "169.255.0.0", true },
    { "172.15.255.255", true },
    { "172.32.0.0", true },
    { "191.255.255.255", true },
    { "192.0.1.0", true },
    { "192.0.3.0", true },
    { "192.88.98.255", true },
    { "192.88.100.0", true },
    { "192.167.255.255", true },
    { "192.169.0.0", true },
    { "198.17.255.255", true },
    { "198.20.0.0", true },
    { "198.51.99.255", true },
    { "198.51.101.0", true },
    { "203.0.112.255", true },
    { "203.0.114.0", true },
    { "223.255.255.255", true },
    /* not */
    { "0.0.0.0", false },
    { "0.1.2.3", false },
    { "0.255.255.255", false },
    { "10.0.0.0", false },
    { "10.255.255.255", false },
    { "100.64.0.0", false },
    { "100.100.100.200", false },
    { "100.127.255.255", false },
    { "127.0.0.0", false },
    { "127.0.0.1", false },
    { "127.255.255.255", false },
    { "168.63.129.16", false },
    { "169.254.0.0", false },
    { "169.254.169.254", false },
    { "169.254.255.255", false },
    { "172.16.0.0", false },
    { "172.31.255.255", false },
    { "192.0.0.0", false },
    { "192.0.0.192", false },
    { "192.0.2.1", false },
    { "192.88.99.1", false },
    { "192.168.0.0", false },
    { "192.168.255.255", false },
    { "198.18.0.0", false },
    { "198.19.255.255", false },
    { "198.51.100.7", false },
    { "203.0.113.10", false },
    { "224.0.0.1", false },
    { "239.255.255.255", false },
    { "240.0.0.0", false },
    { "255.255.255.255", false },
    /* IPv6, public */
    { "2000::1", true },
    { "2001:200::1", true },
    { "2001:4860:4860::8888", true },
    { "2001:db7:ffff::1", true },
    { "2001:db9::1", true },
    { "2003::1", true },
    { "2606:2800:220:1:248:1893:25c8:1946", true },
    { "2a00:1450::1", true },
    { "3fff:1000::1", true },
    { "3ffe::1", true },
    /* not */
    { "::", false },
    { "::1", false },
    { "::2", false },
    { "::7f00:1", false },
    { "::8.8.8.8", false },
    { "::ffff:127.0.0.1", false },
    { "::ffff:10.0.0.1", false },
    { "::ffff:8.8.8.8", false },
    { "::ffff:0:8.8.8.8", false },
    { "64:ff9b::a00:1", false },
    { "64:ff9b::8.8.8.8", false },
    { "64:ff9b:1::1", false },
    { "64:ff9b:1:ffff::1", false },
    { "100::1", false },
    { "1fff:ffff::1", false },
    { "2001::1", false },
    { "2001:0:4136:e378::1", false },
    { "2001:2::1", false },
    { "2001:10::1", false },
    { "2001:1ff:ffff::1", false },
    { "2001:db8::1", false },
    { "2002:a00:1::1", false },
    { "2002:808:808::1", false },
    { "3fff::1", false },
    { "3fff:fff:ffff::1", false },
    { "4000::1", false },
    { "5f00::1", false },
    { "fc00::1", false },
    { "fd00:ec2::254", false },
    { "fdff::1", false },
    { "fe00::1", false },
    { "fe80::1", false },
    { "febf::1", false },
    { "fec0::1", false },
    { "feff::1", false },
    { "ff02::1", false },
    { "ff0e::1", false },
};

static void test_addresses(void)
{
    struct sockaddr odd = { .sa_family = AF_UNIX };

    for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
        struct sockaddr_in a4 = { .sin_family = AF_INET };
        struct sockaddr_in6 a6 = { .sin6_family = AF_INET6 };
        bool six = strchr(addresses[i].addr, ':') != NULL;
        int r = inet_pton(six ? AF_INET6 : AF_INET, addresses[i].addr,
                          six ? (void *)&a6.sin6_addr : &a4.sin_addr);
        const char *what =
            egress_addr_refused(six ? (struct sockaddr *)&a6 : (struct sockaddr *)&a4);
        CHECK(r == 1 && (what == NULL) == addresses[i].open, "%s is %s", addresses[i].addr,
              addresses[i].open ? "public"
              : what            ? what
                                : "to be refused");
    }
    CHECK(egress_addr_refused(&odd) != NULL, "another family is refused");
}

/* host, port and the verdict on them under the rules of `list`. */
#define LIST "data.example.com *.example.org example.net:8443 Mixed.Case.COM. *.deep.example.com:81"
static const struct {
    const char *host;
    int port;
    bool open;
} asked[] = {
    { "data.example.com", 443, true },
    { "data.example.com", 80, true },
    { "data.example.com", 8443, false },
    { "data.example.com", 22, false },
    { "www.data.example.com", 443, false },
    { "xdata.example.com", 443, false },
    { "data.example.com.evil.com", 443, false },
    { "data.example.co", 443, false },
    { "example.org", 443, false },
    { "a.example.org", 443, true },
    { "a.b.c.example.org", 80, true },
    { "aexample.org", 443, false },
    { "a.example.org.evil.com", 443, false },
    { "example.net", 8443, true },
    { "example.net", 443, false },
    { "mixed.case.com", 443, true },
    { "x.deep.example.com", 81, true },
    { "x.deep.example.com", 443, false },
    { "", 443, false },
};
static const char *const bad_words[] = {
    "",
    "*",
    "*.",
    "*.org",
    "*.*.org",
    "a.*.org",
    "1.2.3.4",
    "127.1",
    "0x7f.1",
    "2130706433",
    "::1",
    "[::1]",
    "[::1]:443",
    "host:",
    "host:0",
    "host:65536",
    "host:-1",
    "host:+1",
    "host:4 43",
    "host:443:1",
    "a..b",
    ".a",
    "-a.org",
    "a-.org",
    "a b",
    "a/b",
    "a@b",
    "https://a.org",
    "b\xc3\xbc"
    "cher.de",
    "a.1",
    "user:pw@a.org",
    "a%00b",
    "a\tb",
};

static void test_rules(void)
{
    struct egress_rule rules[8];
    struct str rest = STR(LIST), word;
    struct err e = ERR_INIT;
    size_t n = 0;

    for (bool more = true; more; n++) {
        more = str_cut(&rest, ' ', &word);
        CHECK(egress_rule_parse(word, &rules[n], &e) == 0, "the rule %.*s", (int)word.n, word.p);
    }
    for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
        const char *why = egress_refused(rules, n, asked[i].host, asked[i].port);
        CHECK((why == NULL) == asked[i].open, "%s:%d is %s", asked[i].host, asked[i].port,
              asked[i].open ? "permitted" : "refused");
    }
    CHECK(egress_refused(rules, 0, "data.example.com", 443) != NULL, "no rule, no host");
    for (size_t i = 0; i < ARRAY_LEN(bad_words); i++) {
        struct egress_rule r = { .port = -7 };
        e = (struct err)ERR_INIT;
        CHECK(egress_rule_parse(str_of(bad_words[i]), &r, &e) < 0 && e.code == ERR_USAGE &&
                  r.port == -7,
              "\"%s\" is no rule: %s", bad_words[i], e.msg);
    }
    char name[EGRESS_NAME], longest[300];
    memset(longest, 'a', sizeof longest);
    for (size_t i = 50; i < sizeof longest; i += 51)
        longest[i] = '.';
    CHECK(egress_name((struct str){ longest, 253 }, name) == NULL && strlen(name) == 253,
          "253 bytes are a name");
    CHECK(egress_name((struct str){ longest, 254 }, name) != NULL, "254 bytes are none");
    memset(longest, 'a', 64);
    CHECK(egress_name((struct str){ longest, 64 }, name) != NULL, "a part of 64 bytes is none");
    CHECK(egress_name((struct str){ "a\0b", 3 }, name) != NULL, "a NUL is in no name");
}

static const struct {
    const char *name, *head;
    int want;
    const char *host;
    int port;
} heads[] = {
    { "CONNECT", "CONNECT data.example.com:443 HTTP/1.1\r\nHost: data.example.com:443\r\n\r\n", 1,
      "data.example.com", 443 },
    { "CONNECT without headers", "CONNECT Data.Example.Com:443 HTTP/1.0\r\n\r\n", 1,
      "data.example.com", 443 },
    { "a dot at the end", "CONNECT data.example.com.:443 HTTP/1.1\r\n\r\n", 1, "data.example.com",
      443 },
    { "GET of a URL", "GET http://a.org/x?y HTTP/1.1\r\nHost: b.org\r\n\r\n", 1, "a.org", 80 },
    { "GET of a URL with a port", "GET HTTP://a.org:8080 HTTP/1.1\r\n\r\n", 1, "a.org", 8080 },
    { "POST of a URL", "POST http://a.org?q HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", 1, "a.org",
      80 },
    { "half a head", "CONNECT data.example.com:443 HTTP/1.1\r\n", 0, NULL, 0 },
    { "nothing", "", 0, NULL, 0 },
    { "CONNECT without a port", "CONNECT data.example.com HTTP/1.1\r\n\r\n", -1, NULL, 0 },
    { "an IPv4 address", "CONNECT 127.0.0.1:443 HTTP/1.1\r\n\r\n", -1, NULL, 0 },
    { "an IPv6 address", "CONNECT [::1]:443 HTTP/1.1\r\n\r\n", -1, NULL, 0 },
    { "a number for an address", "CONNECT 2130706433:443 HTTP/1.1\r\n\r\n", -1, NULL, 0 },
    { "a URL with a user", "GET http://data.example.com@evil.com/ HTTP/1.1\r\n\r\n", -1, NULL, 0 },
    { "a user that looks like a port", "GET http://data.example.com:80@evil.com/ HTTP/1.1\r\n\r\n",
      -1, NULL, 0 },
    { "an https URL", "GET https://data.example.com/ HTTP/1.1\r\n\r\n", -1, NULL, 0 },
    { "an ftp URL", "GET ftp://data.example.com/ HTTP/1.1\r\n\r\n", -1, NULL, 0 },
    { "a path alone", "GET / HTTP/1.1\r\nHost: data.example.com\r\n\r\n", -1, NULL, 0 },
    { "no version", "CONNECT data.example.com:443\r\n\r\n", -1, NULL, 0 },
    { "another version", "CONNECT data.example.com:443 HTTP/2.0\r\n\r\n", -1, NULL, 0 },
    { "two blanks", "CONNECT  data.example.com:443 HTTP/1.1\r\n\r\n", -1, NULL, 0 },
    { "a bare line feed", "CONNECT data.example.com:443 HTTP/1.1\n\n", -1, NULL, 0 },
    { "a bare carriage return", "CONNECT data.example.com:443 HTTP/1.1\rX: y\r\n\r\n", -1, NULL,
      0 },
    { "a folded line", "CONNECT data.example.com:443 HTTP/1.1\r\nA: b\r\n c\r\n\r\n", -1, NULL, 0 },
    { "a header without a colon", "CONNECT data.example.com:443 HTTP/1.1\r\nabc\r\n\r\n", -1, NULL,
      0 },
    { "a blank before the colon", "CONNECT data.example.com:443 HTTP/1.1\r\nA : b\r\n\r\n", -1,
      NULL, 0 },
    { "an escape in a header", "CONNECT data.example.com:443 HTTP/1.1\r\nA: \x1b\r\n\r\n", -1, NULL,
      0 },
    { "an empty host", "CONNECT :443 HTTP/1.1\r\n\r\n", -1, NULL, 0 },
    { "an empty URL", "GET http:// HTTP/1.1\r\n\r\n", -1, NULL, 0 },
    { "a large port", "CONNECT data.example.com:65979 HTTP/1.1\r\n\r\n", -1, NULL, 0 },
    { "a TLS hello", "\x16\x03\x01\x02", -1, NULL, 0 },
};

static void test_heads(void)
{
    struct egress_request rq;
    const char *why = NULL;

    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        size_t n = strlen(heads[i].head);
        /* An exact-size copy, so that a sanitizer sees a read behind the end. */
        char *copy = xmalloc(n ? n : 1);
        memcpy(copy, heads[i].head, n);
        int r = egress_head_parse((struct str){ copy, n }, &rq, &why);
        CHECK(r == heads[i].want &&
                  (r < 1 || (strcmp(rq.host, heads[i].host) == 0 && rq.port == heads[i].port)),
              "%s: %s", heads[i].name,
              r < 0    ? why
              : r == 0 ? "more must come"
                       : "understood");
        int early = 0;
        for (size_t k = 0; r == 1 && k < rq.used; k++)
            early += egress_head_parse((struct str){ copy, k },
                                       &(struct egress_request){ .port = 0 }, &why) != 0;
        CHECK(early == 0, "%s: every part of it asks for more, or it is none", heads[i].name);
        free(copy);
    }
    cleanup_buf struct buf big = BUF_MAX(4 * MAX_EGRESS_HEAD), out = BUF_MAX(4 * MAX_EGRESS_HEAD);
    buf_puts(&big, "CONNECT a.org:443 HTTP/1.1\r\n");
    while (big.n < MAX_EGRESS_HEAD)
        buf_puts(&big, "A: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n");
    CHECK(egress_head_parse(buf_str(&big), &rq, &why) == -1, "a head without an end: %s", why);
    buf_puts(&big, "\r\n");
    CHECK(egress_head_parse(buf_str(&big), &rq, &why) == -1,
          "a head that is too long though whole: %s", why);

    struct str get = STR(
        "GET http://a.org:8080/p?q HTTP/1.1\r\nHost: inner.evil\r\nProxy-Authorization: x\r\n"
        "proxy-connection: y\r\nConnection: keep-alive\r\nUpgrade: z\r\nAccept: */*\r\n\r\nbody");
    CHECK(egress_head_parse(get, &rq, &why) == 1 && get.n - rq.used == 4,
          "the body is behind the head");
    egress_head_rewrite(get, &rq, &out);
    CHECK(
        strcmp(
            buf_cstr(&out),
            "GET /p?q HTTP/1.1\r\nHost: a.org:8080\r\nConnection: close\r\nAccept: */*\r\n\r\n") ==
            0,
        "a URL's request becomes a path's: the Host is the URL's, nothing meant for a proxy goes "
        "on");
    buf_clear(&out);
    get = STR("HEAD http://a.org?q HTTP/1.0\r\n\r\n");
    egress_head_parse(get, &rq, &why);
    egress_head_rewrite(get, &rq, &out);
    CHECK(strcmp(buf_cstr(&out), "HEAD /?q HTTP/1.0\r\nHost: a.org\r\nConnection: close\r\n\r\n") ==
              0,
          "a URL without a path gets one, and the version stays");
}

int main(void)
{
    test_addresses();
    test_rules();
    test_heads();
    return tap_done();
}
