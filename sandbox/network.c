/* The agent's side of the proxy: what it tells of each connection. launch.c starts and ends it. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "sandbox/egress.h"
#include "sandbox/session.h"
#include "agent/base/banned.h"

#define END_MS 3000 /* the proxy's own bound for its last lines is 2 s */

int sandbox_check_host(struct str word, struct err *e)
{
    struct egress_rule rule;

    return egress_rule_parse(word, &rule, e);
}

/* Reads what is there. */
static void hear(struct sandbox *s)
{
    if (s->h.network < 0 || session_read(s->h.network, &s->network_in, 16 * MIB) > 0)
        return;
    close(steal_fd(&s->h.network));
    if (!s->network_ending && s->h.egress_life >= 0)
        buf_puts(&s->network_in,
                 "\n{\"reason\":\"the proxy ended by itself: nothing can be reached any more\"}\n");
}

void session_end_network(struct sandbox *s)
{
    int64_t deadline = now_ms() + END_MS;

    s->network_ending = true;
    if (s->h.egress_life >= 0)
        close(steal_fd(&s->h.egress_life));
    while (s->h.network >= 0) {
        struct pollfd p = { s->h.network, POLLIN, 0 };
        int64_t left = deadline - now_ms();
        if (left <= 0 || (poll(&p, 1, (int)left) < 0 && errno != EINTR))
            break;
        hear(s);
    }
    s->network_ending = false;
}

void sandbox_network(struct sandbox *s, bool last, sandbox_connection_fn *fn, void *arg)
{
    if (s == NULL)
        return;
    if (last)
        session_end_network(s);
    else
        hear(s);
    struct str rest = buf_str(&s->network_in), line;
    size_t used = 0;
    while (str_cut(&rest, '\n', &line)) {
        struct err ignored = ERR_INIT; /* a cut line of a killed proxy: there is nothing to tell */
        cleanup_json cJSON *j = json_parse(line, &ignored);
        const char *host = json_str(j, "host"), *reason = json_str(j, "reason");
        struct sandbox_connection c = {
            .host = host ? host : "",
            .port = (int)json_int(j, "port", 0),
            .allowed = json_bool(j, "allowed", false),
            .reason = reason ? reason : "",
            .bytes_in = json_int(j, "bytes_in", 0),
            .bytes_out = json_int(j, "bytes_out", 0),
            .duration_us = json_int(j, "duration_us", 0),
        };
        used += line.n + 1;
        if (j)
            fn(arg, &c);
    }
    buf_drop_front(&s->network_in, used);
}
