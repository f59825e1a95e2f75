#include <string.h>
#include "sandbox/egress.h"
#include "agent/base/banned.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

const char *egress_name(struct str in, char ret[EGRESS_NAME])
{
    struct str rest = in, label = { "", 0 };

    if (rest.n && rest.p[rest.n - 1] == '.')
        rest.n--;
    if (rest.n == 0)
        return "empty";
    if (rest.n >= EGRESS_NAME)
        return "longer than a host's name can be";
    for (size_t i = 0; i < rest.n; i++) {
        char c = rest.p[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        if (!((c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '_' || c == '.'))
            return c == ':' || c == '[' ? "an address, not a name"
                                        : "no host's name (it has a character that no name has)";
        ret[i] = c;
    }
    ret[rest.n] = '\0';
    bool more = true;
    while (more) {
        more = str_cut(&rest, '.', &label);
        if (label.n == 0 || label.n > 63 || label.p[0] == '-' || label.p[label.n - 1] == '-')
            return "no host's name (a part between dots is empty, too long, or has a hyphen at its "
                   "end)";
    }
    /* inet_aton() reads 1.2.3.4, 0x7f.1 and 2130706433 alike as an address: no such name exists in
     * the DNS. */
    if (is_digit(label.p[0]))
        return "an address, not a name";
    return NULL;
}

int egress_rule_parse(struct str word, struct egress_rule *ret, struct err *e)
{
    struct egress_rule r = { .port = 0 };
    struct str host, rest = word;
    int shown = (int)(word.n < 300 ? word.n : 300);
    long long port;

    bool has_port = str_cut(&rest, ':', &host);
    if (has_port) {
        if (memchr(rest.p, ':', rest.n) || (word.n && word.p[0] == '['))
            return err_set(e, ERR_USAGE, 0, "\"%.*s\" is an address; give the host's name", shown,
                           word.p);
        if (!rest.n || !is_digit(rest.p[0]) || !str_to_ll(rest, &port) || port < 1 || port > 65535)
            return err_set(e, ERR_USAGE, 0,
                           "\"%.*s\": what follows the colon is no port (1 to 65535)", shown,
                           word.p);
        r.port = (int)port;
    }
    if (str_starts(host, "*.")) {
        r.wildcard = true;
        host = str_from(host, 2);
    }
    const char *wrong = egress_name(host, r.host);
    if (wrong)
        return err_set(e, ERR_USAGE, 0,
                       "\"%.*s\" is %s; give host, host:port or *.host (a name outside ASCII in "
                       "its xn-- form)",
                       shown, word.p, wrong);
    if (r.wildcard && !strchr(r.host, '.'))
        return err_set(e, ERR_USAGE, 0,
                       "\"%.*s\" would permit a whole top-level domain; name the domain below it",
                       shown, word.p);
    *ret = r;
    return 0;
}

static bool matches(const struct egress_rule *r, const char *host)
{
    size_t n = strlen(host), m = strlen(r->host);

    if (!r->wildcard)
        return strcmp(host, r->host) == 0;
    return n > m + 1 && host[n - m - 1] == '.' && strcmp(host + n - m, r->host) == 0;
}

const char *egress_refused(const struct egress_rule *rules, size_t n, const char *host, int port)
{
    const char *why = "the host is not among those of the setting `network'";

    for (size_t i = 0; i < n; i++) {
        if (!matches(&rules[i], host))
            continue;
        if (rules[i].port ? rules[i].port == port : port == 443 || port == 80)
            return NULL;
        why = "the port is not permitted by the setting `network' (443 and 80, or what follows the "
              "colon)";
    }
    return why;
}
