#include "agent/network.h"
#include <cjson/cJSON.h>
#include "agent/base/json.h"
#include "agent/base/banned.h"

static void on_connection(void *arg, const struct sandbox_connection *c)
{
    struct run *run = arg;
    cJSON *ev = cJSON_CreateObject();

    json_add_str(ev, "host", str_of(c->host));
    json_add_int(ev, "port", c->port);
    cJSON_AddBoolToObject(ev, "allowed", c->allowed);
    json_add_str(ev, "reason", str_of(c->reason));
    json_add_int(ev, "bytes_in", c->bytes_in);
    json_add_int(ev, "bytes_out", c->bytes_out);
    json_add_int(ev, "duration_us", c->duration_us);
    record_event(run->record, "network", ev);
    ui_detail(run->ui, "network: %s:%d %s%s%s", c->host, c->port,
              c->allowed ? "reached" : "refused", c->reason[0] ? ": " : "", c->reason);
}

void network_record(struct run *run, bool last)
{
    sandbox_network(run->sandbox, last, on_connection, run);
}
