/* Keys, the endpoint of the chosen model's service, and the clock. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/doctor.h"
#include "agent/endpoint.h"
#include "agent/base/banned.h"

#define SKEW_S 300 /* signed requests and certificates start to fail beyond some minutes */

static void check_clock(struct doctor *d, const char *date)
{
    struct tm tm = { 0 };
    const char *end = date && *date ? strptime(date, "%a, %d %b %Y %H:%M:%S GMT", &tm) : NULL;

    if (end == NULL) {
        doctor_say(d, FINDING_OK, "clock", NULL, "not compared: no answer with a date came");
        return;
    }
    long long skew = (long long)time(NULL) - (long long)timegm(&tm);
    long long off = skew < 0 ? -skew : skew;
    if (off > SKEW_S)
        doctor_say(d, FINDING_WEAKER, "clock", "sudo timedatectl set-ntp true",
                   "%lld s %s the service's: certificates and limits of cost by day go wrong", off,
                   skew > 0 ? "ahead of" : "behind");
    else
        doctor_say(d, FINDING_OK, "clock", NULL, "within %lld s of the service's", off);
}

/* 0 = there is a key or none is needed; 1 = it is missing. */
static int check_key(struct doctor *d, const struct endpoint *ep)
{
    cleanup_free char *where = keys_where(&ep->source);
    cleanup_free char *mend = xasprintf("agent keys set %s", ep->service);

    if (where)
        doctor_say(d, FINDING_OK, "key", NULL, "%s: from %s", ep->service, where);
    else if (ep->source.keyless || conf_url_is_loopback(ep->base_url))
        doctor_say(d, FINDING_OK, "key", NULL, "%s: none is needed", ep->service);
    else {
        doctor_say(d, FINDING_MISSING, "key", mend, "%s: none in %s, nor in a file", ep->service,
                   ep->source.env ? ep->source.env : "the environment");
        return 1;
    }
    return 0;
}

static void say_answer(struct doctor *d, const struct endpoint *ep, int r, bool no_key,
                       const struct err *why)
{
    bool refused = r < 0 && why->code == ERR_CONFIG;
    cleanup_free char *set = xasprintf("agent keys set %s", ep->service);
    cleanup_free char *curl = xasprintf("curl -sSI %s", ep->base_url);
    bool own = ep->source.keyless || conf_url_is_loopback(ep->base_url);

    if (r == 0 || (refused && no_key))
        doctor_say(d, FINDING_OK, "endpoint", NULL, "%s answers%s", ep->base_url,
                   no_key          ? ", without a key"
                   : ep->key.value ? " and takes the key"
                                   : "");
    else if (refused)
        doctor_say(d, FINDING_MISSING, "endpoint", set, "%s answers, and refuses the key: %s",
                   ep->base_url, why->msg);
    else if (why->code == ERR_NET)
        doctor_say(d, FINDING_MISSING, "endpoint",
                   own ? "start the server, or name its address: --base-url URL" : curl, "%s",
                   why->msg);
    else
        doctor_say(d, FINDING_WEAKER, "endpoint", NULL,
                   "%s answers, but its list of models "
                   "cannot be had: %s",
                   ep->base_url, why->msg);
}

/* One service, asked for its list. *date is the first answer's; caller frees. */
static int check_endpoint(struct doctor *d, struct endpoint *ep, bool missing, char **date,
                          struct err *e)
{
    struct program *p = d->p;
    struct err why = ERR_INIT;
    cleanup_free char *when = NULL;

    if (!missing && endpoint_key(ep, &p->stop, &why) < 0) {
        if (why.code == ERR_CANCEL) {
            *e = why;
            return -1;
        }
        doctor_say(d, FINDING_MISSING, "key", NULL, "%s", why.msg);
        missing = true;
    }
    why = (struct err)ERR_INIT;
    if (ep->key.warning)
        doctor_say(d, FINDING_WEAKER, "key", NULL, "%s", ep->key.warning);
    ui_wait(p->run.ui, ep->service);
    int r = endpoint_try(ep, &p->conf, &p->stop, &when, &why);
    if (why.code == ERR_CANCEL) {
        *e = why;
        return -1;
    }
    if (why.code == ERR_DEADLINE)
        why.code = ERR_NET;
    say_answer(d, ep, r, missing, &why);
    if (*date == NULL && when && *when)
        *date = steal_ptr(&when);
    return 0;
}

static void say_others(struct doctor *d, const char *chosen)
{
    cleanup_buf struct buf with = BUF_MAX(4096);

    for (size_t i = 0; i < services_n; i++) {
        struct endpoint ep;
        struct err ignored = ERR_INIT;
        bool found = endpoint_of_service(&d->p->conf, services[i].name, &ep, &ignored) == 0;
        cleanup_free char *where = found ? keys_where(&ep.source) : NULL;
        if (where && strcmp(services[i].name, chosen) != 0)
            buf_putf(&with, "%s%s", with.n ? ", " : "", services[i].name);
        endpoint_done(&ep);
    }
    doctor_say(d, FINDING_OK, "other keys", NULL, "%s",
               with.n ? buf_cstr(&with) : "for no other service");
}

int doctor_service(struct doctor *d, struct err *e)
{
    const struct conf *c = &d->p->conf;
    cleanup_free char *date = NULL;
    struct endpoint ep;
    struct err why = ERR_INIT;
    int r = 0;

    if (endpoint_find(c, c->model ? c->model : "", true, &ep, &why) < 0) {
        doctor_say(d, FINDING_MISSING, "model", "agent models", "%s", why.msg);
        endpoint_done(&ep);
        return 0;
    }
    doctor_say(d, FINDING_OK, "model", NULL, "%s, of %s, by %s", ep.model, ep.service, ep.wire);
    bool missing = check_key(d, &ep) == 1;
    say_others(d, ep.service);
    if (c->offline)
        doctor_say(d, FINDING_OK, "endpoint", NULL, "not asked (--offline)");
    else
        r = check_endpoint(d, &ep, missing, &date, e);
    for (size_t i = 0; r == 0 && c->all && !c->offline && i < services_n; i++) {
        struct endpoint other = { 0 };
        struct err none = ERR_INIT;
        bool found = strcmp(services[i].name, ep.service) != 0 &&
                     endpoint_of_service(c, services[i].name, &other, &none) == 0;
        cleanup_free char *where = found ? keys_where(&other.source) : NULL;
        if (where) /* nobody asks a service that he has nothing to do with */
            r = check_endpoint(d, &other, false, &date, e);
        endpoint_done(&other);
    }
    if (r == 0 && !c->offline)
        check_clock(d, date);
    endpoint_done(&ep);
    return r;
}
