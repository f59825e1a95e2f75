/* Properties: what loads plays to its end, each recorded request counts as equal to itself, and one
 * more reply than there are lines is an error. */
#include <cjson/cJSON.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/mem.h"
#include "providers/cassette.h"
#include "providers/provider.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = { (const char *)data, size }, line;
    struct err e = ERR_INIT;
    struct cassette *c = cassette_parse(in, "fuzz", &e);
    struct cassette_reply r = { 0 };

    if (c == NULL)
        return 0;
    while (in.n) {
        str_cut(&in, '\n', &line);
        line = str_trim(line);
        if (line.n == 0)
            continue;
        cleanup_json cJSON *j = reply_json(line, &e);
        cleanup_free char *rq = json_get(j, "request") ? json_text(json_get(j, "request")) : NULL;
        if (cassette_next(c, rq ? str_of(rq) : STR("{}"), &r, &e) < 0)
            __builtin_trap();
        if (r.status < 100 || r.status > 599 || r.body == NULL || r.content_type == NULL)
            __builtin_trap();
        cassette_reply_done(&r);
    }
    if (cassette_next(c, STR("{}"), &r, &e) == 0)
        __builtin_trap();
    cassette_free(c);
    return 0;
}
