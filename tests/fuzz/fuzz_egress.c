/* Properties: no part of a whole head is a whole head; what is understood names a host that is a
 * name and a port that is one; and the head that goes on to a server is one request line, that
 * host, and ends once. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "sandbox/egress.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = { (const char *)data, size };
    struct egress_request rq, again;
    struct egress_rule rule;
    struct err e = ERR_INIT;
    const char *why = NULL;
    char name[EGRESS_NAME];
    int r = egress_head_parse(in, &rq, &why);

    if (egress_rule_parse(in, &rule, &e) == 0)
        check(egress_name(str_of(rule.host), name) == NULL && strcmp(name, rule.host) == 0);
    check(r >= 0 || why != NULL);
    if (r != 1)
        return 0;
    check(rq.used >= 4 && rq.used <= size && rq.used <= MAX_EGRESS_HEAD);
    check(rq.port >= 1 && rq.port <= 65535 && egress_name(str_of(rq.host), name) == NULL);
    for (size_t n = 0; n < rq.used; n += 1 + rq.used / 64)
        check(egress_head_parse((struct str){ in.p, n }, &again, &why) == 0);
    if (rq.connect)
        return 0;
    cleanup_buf struct buf out = BUF_MAX(2 * MAX_EGRESS_HEAD), host = BUF_MAX(400);
    egress_head_rewrite(in, &rq, &out);
    const char *end = memmem(out.p, out.n, "\r\n\r\n", 4);
    check(!out.over && end && end + 4 == out.p + out.n);
    buf_putf(&host, "\r\nHost: %s", rq.host);
    check(memmem(out.p, out.n, host.p, host.n) != NULL);
    return 0;
}
