/* agent models [SERVICE]: which services there are and have a key, and what one of them offers by
 * its own list. Nothing of a key is ever shown. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/endpoint.h"
#include "agent/models_cache.h"
#include "agent/program.h"
#include "agent/base/banned.h"

#define MAX_PAGES 20    /* of a list that comes in pages */
#define MAX_MODELS 5000 /* OpenRouter has 400 */

struct listing {
    struct endpoint ep;
    struct client *client;
    char **ids;
    size_t n;
};

static void listing_done(struct listing *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->ids[i]);
    free(l->ids);
    client_free(l->client);
    endpoint_done(&l->ep);
}

/* --- what a service says --- */

static const cJSON *models_of(const cJSON *j)
{
    if (cJSON_IsArray(j))
        return j;
    return json_arr(j, "data") ? json_arr(j, "data") : json_arr(j, "models");
}

static void add_id(struct listing *l, const char *id)
{
    cleanup_buf struct buf b = BUF_MAX(1000);
    struct str s = utf8_head(str_of(id), 200);

    if (str_starts(s, "models/"))
        s = str_from(s, 7);
    utf8_clean_line(&b, s);
    if (b.n == 0 || l->n >= MAX_MODELS)
        return;
    l->ids = xrealloc(l->ids, l->n + 1, sizeof *l->ids);
    l->ids[l->n++] = buf_steal(&b);
}

/* The token of the page that follows, for its query; NULL if this was the last. Caller frees. */
static char *next_page(const cJSON *j)
{
    const char *token = json_str(j, "nextPageToken"), *last = json_str(j, "last_id");
    const char *name = token ? "pageToken" : "after_id";
    cleanup_buf struct buf b = BUF_MAX(4096);

    if (token == NULL && !(json_bool(j, "has_more", false) && last))
        return NULL;
    buf_putf(&b, "%s=", name);
    for (const char *p = token ? token : last; *p; p++)
        if ((*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z'))
            buf_putc(&b, *p);
        else
            buf_putf(&b, "%%%02X", (unsigned char)*p);
    return b.over ? NULL : buf_steal(&b);
}

static int read_page(struct listing *l, struct str body, char **next, struct err *e)
{
    cleanup_json cJSON *j = reply_json(body, e);
    const cJSON *list = models_of(j), *m;

    if (j && list == NULL)
        err_set(e, ERR_PROVIDER, 0, "it holds neither \"data\" nor \"models\"");
    if (list == NULL) {
        e->code = ERR_PROVIDER;
        return err_wrap(e, "the list of models of %s", l->ep.service);
    }
    cJSON_ArrayForEach(m, list)
    {
        const char *id = json_str(m, "id");
        if (id == NULL || l->ep.row->list == LIST_TAGS || l->ep.row->list == LIST_MODELS)
            id = json_str(m, "name") ? json_str(m, "name") : id;
        if (id)
            add_id(l, id);
    }
    *next = next_page(j);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int ask_list(struct listing *l, const struct stop *stop, struct err *e)
{
    const char *path = endpoint_list_path(&l->ep);
    cleanup_free char *next = NULL;

    for (int page = 0; page < MAX_PAGES; page++) {
        cleanup_buf struct buf body = BUF_MAX(MAX_LIST_BYTES);
        cleanup_free char *url =
            next ? xasprintf("%s%c%s", path, strchr(path, '?') ? '&' : '?', next) : xstrdup(path);
        free(next);
        next = NULL;
        if (client_get(l->client, url, stop, &body, e) < 0 ||
            read_page(l, buf_str(&body), &next, e) < 0)
            return -1;
        if (next == NULL)
            break;
    }
    if (l->n) {
        qsort(l->ids, l->n, sizeof *l->ids, by_name);
        models_cache_keep(l->ep.service, l->ids, l->n);
    }
    return 0;
}

static int open_list(struct program *p, struct listing *l, struct err *e)
{
    if (endpoint_key(&l->ep, &p->stop, e) < 0)
        return -1;
    if (l->ep.key.warning)
        ui_warn(p->run.ui, "%s", l->ep.key.warning);
    l->client = endpoint_client(&l->ep, &p->conf, e);
    return l->client ? ask_list(l, &p->stop, e) : -1;
}

/* --- which rows have a key --- */

/* "set", "missing" or "not needed". */
static const char *key_state(const struct endpoint *ep)
{
    cleanup_free char *where = keys_where(&ep->source);

    if (where)
        return "set";
    return ep->source.keyless ? "not needed" : "missing";
}

static void put_padded(struct buf *out, const char *s, size_t width)
{
    size_t n = strlen(s);

    buf_puts(out, s);
    for (; n < width; n++)
        buf_putc(out, ' ');
    buf_putc(out, ' ');
}

static void service_line(const struct conf *c, const char *name, struct buf *out, cJSON *list)
{
    struct endpoint ep;
    struct err e = ERR_INIT;
    bool found = endpoint_of_service(c, name, &ep, &e) == 0;
    const struct service *row = service_find(str_of(name));
    const char *state = found ? key_state(&ep)
                        : row && (keys_there(row->key_env) || keys_stored(row->name)) ? "set"
                        : row && row->key_env && !row->keyless                        ? "missing"
                                                               : "not needed";
    const char *env = found ? ep.source.env : row ? row->key_env : "";
    const char *url = found ? ep.base_url : "(base_url needed)";
    const char *example = row ? row->example : "MODEL";
    cleanup_free char *model = xasprintf("%s/%s", name, example);

    if (list) {
        cJSON *o = cJSON_CreateObject();
        json_add_str(o, "name", str_of(name));
        json_add_str(o, "title", str_of(row ? row->title : name));
        if (found)
            json_add_str(o, "base_url", str_of(ep.base_url));
        json_add_str(o, "wire", str_of(found ? ep.wire : row ? row->wire : ""));
        json_add_str(o, "key", str_of(state));
        json_add_str(o, "key_env", str_of(env));
        json_add_str(o, "example", str_of(model));
        cJSON_AddItemToArray(list, o);
    } else {
        put_padded(out, name, 12);
        put_padded(out,
                   !strcmp(state, "set")       ? "key"
                   : !strcmp(state, "missing") ? "no key"
                                               : "-",
                   7);
        put_padded(out, env, 29);
        put_padded(out, model, 49);
        buf_putf(out, "%s\n", url);
    }
    endpoint_done(&ep);
}

static void all_services(const struct conf *c, struct buf *out, cJSON *list)
{
    if (list == NULL) {
        put_padded(out, "SERVICE", 12);
        put_padded(out, "KEY", 7);
        put_padded(out, "FROM THE VARIABLE", 29);
        put_padded(out, "EXAMPLE FOR -m", 49);
        buf_puts(out, "ADDRESS\n");
    }
    for (size_t i = 0; i < services_n; i++)
        service_line(c, services[i].name, out, list);
    for (size_t i = 0; i < c->n_rules; i++) {
        const struct conf_rule *r = &c->rules[i];
        bool seen = r->kind != RULE_SERVICE || service_find(str_of(r->name));
        for (size_t k = 0; k < i && !seen; k++)
            seen = c->rules[k].kind == RULE_SERVICE && strcmp(c->rules[k].name, r->name) == 0;
        if (!seen)
            service_line(c, r->name, out, list);
    }
}

/* --- the models --- */

static void model_line(const struct endpoint *ep, const char *id, struct buf *out, cJSON *list)
{
    struct model_facts f = model_facts(ep->row->name, str_of(id));
    cleanup_free char *name = xasprintf("%s/%s", ep->service, id);

    if (list) {
        cJSON *o = cJSON_CreateObject();
        json_add_str(o, "service", str_of(ep->service));
        json_add_str(o, "id", str_of(id));
        json_add_str(o, "model", str_of(name));
        if (f.context)
            json_add_int(o, "context", f.context);
        if (f.known)
            cJSON_AddBoolToObject(o, "images", f.images);
        if (!isnan(f.price.in) && !isnan(f.price.out)) {
            cJSON_AddNumberToObject(o, "usd_per_million_in", f.price.in);
            cJSON_AddNumberToObject(o, "usd_per_million_out", f.price.out);
        }
        cJSON_AddItemToArray(list, o);
        return;
    }
    bool more = f.context || !isnan(f.price.in);
    if (more)
        put_padded(out, name, 48);
    else
        buf_puts(out, name);
    if (f.context >= 1000)
        buf_putf(out, " %7lldk", (long long)(f.context / 1000));
    else if (more)
        buf_puts(out, "         ");
    if (!isnan(f.price.in) && !isnan(f.price.out))
        buf_putf(out, "  USD %g in, %g out per million", f.price.in, f.price.out);
    buf_puts(out, f.images ? ", images\n" : "\n");
}

static int show(const struct buf *text, cJSON *json, struct err *e)
{
    cleanup_free char *s = json ? cJSON_Print(json) : NULL;
    struct str out = s ? str_of(s) : buf_str(text);

    if (io_write_all(STDOUT_FILENO, out.p, out.n, e) < 0 ||
        (s && io_write_all(STDOUT_FILENO, "\n", 1, e) < 0))
        return e->sys == EPIPE ? 0 : -1;
    return 0;
}

static bool can_list(const struct endpoint *ep)
{
    return strcmp(key_state(ep), "set") == 0 ||
           (conf_url_is_loopback(ep->base_url) && !ep->row->keyless);
}

void models_command(struct program *p, struct err *why)
{
    const struct conf *c = &p->conf;
    cleanup_buf struct buf text = BUF_MAX(MAX_LIST_BYTES);
    cleanup_json cJSON *json = c->json ? cJSON_CreateObject() : NULL;
    __attribute__((cleanup(listing_done))) struct listing l = { 0 };
    struct err e = ERR_INIT;

    if (c->n_args > 1) {
        err_set(why, ERR_USAGE, 0, "agent models takes one service at most");
        return;
    }
    const char *service = c->n_args ? c->args[0] : c->provider;
    if (endpoint_of_service(c, service, &l.ep, why) < 0)
        return;
    bool listed = service || can_list(&l.ep);
    if (c->n_args == 0)
        all_services(c, &text, json ? cJSON_AddArrayToObject(json, "services") : NULL);
    else if (json)
        service_line(c, l.ep.service, &text, cJSON_AddArrayToObject(json, "services"));
    int r = listed ? open_list(p, &l, &e) : 0;
    if (listed && r == 0) {
        cJSON *list = json ? cJSON_AddArrayToObject(json, "models") : NULL;
        if (!json && c->n_args == 0)
            buf_putf(&text, "\nModels of %s:\n", l.ep.service);
        for (size_t i = 0; i < l.n; i++)
            model_line(&l.ep, l.ids[i], &text, list);
    } else if (!json && c->n_args == 0 && r == 0) {
        buf_puts(&text, "\nagent models SERVICE lists what a service offers.\n");
    }
    if ((r == 0 || c->n_args == 0) && show(&text, json, why) < 0)
        return;
    if (r < 0)
        *why = e;
}
