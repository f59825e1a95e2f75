#include "agent/endpoint.h"
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/mem.h"
#include "agent/conf_table.h"
#include "agent/base/banned.h"

/* What a model's name and the settings decide, step by step. */
struct pick {
    const struct service *row;
    struct str service; /* the name: a row's, or one of the user's own */
    struct str model;
    bool switched; /* said for this run: settings of files about address and key are not meant */
};

static bool own_service(const struct conf *c, struct str name)
{
    for (size_t i = 0; i < c->n_rules; i++)
        if (c->rules[i].kind == RULE_SERVICE && str_is(name, c->rules[i].name))
            return true;
    return false;
}

/* A service's word: one of the table's, or a section's. */
static bool named(const struct conf *c, struct str word, struct pick *p)
{
    const struct service *s = service_find(word);

    if (s == NULL && !own_service(c, word))
        return false;
    p->row = s ? s : service_find(STR("custom"));
    p->service = s ? str_of(s->name) : word;
    return true;
}

static bool url_is_openais(const struct conf *c)
{
    return c->base_url && strcmp(conf_origin(c, "base_url"), "OPENAI_BASE_URL") == 0;
}

static bool url_is_said(const struct conf *c)
{
    return c->base_url && !url_is_openais(c);
}

static int unknown_service(struct str word, struct str model, struct err *e)
{
    const char *near = service_near(word);
    cleanup_buf struct buf all = BUF_MAX(2000), b = BUF_MAX(400);

    for (size_t i = 0; i < services_n; i++)
        buf_putf(&all, "%s%s", i ? ", " : "", services[i].name);
    buf_put(&b, model.p, model.n < 100 ? model.n : 100);
    if (near)
        return err_set(e, ERR_CONFIG, 0,
                       "no service is called \"%.*s\": did you mean %s%.*s? (the services are %s)",
                       (int)(word.n < 60 ? word.n : 60), word.p, near,
                       (int)(b.n > word.n ? b.n - word.n : 0), buf_cstr(&b) + word.n,
                       buf_cstr(&all));
    return err_set(
        e, ERR_CONFIG, 0,
        "no service is called \"%.*s\": the word before the slash in -m names one of %s. "
        "If it is part of the model's name, put the service before it: openrouter/%s",
        (int)(word.n < 60 ? word.n : 60), word.p, buf_cstr(&all), buf_cstr(&b));
}

/* provider = NAME, which may stand before the model's name as well. */
static int by_provider(const struct conf *c, struct pick *p, struct err *e)
{
    struct str rest = p->model, word, name = str_of(c->provider);

    if (!named(c, name, p)) {
        err_set(e, ERR_CONFIG, 0, "no service is called \"%.60s\"%s%s", c->provider,
                service_near(name) ? ": did you mean " : "; agent models lists them",
                service_near(name) ? service_near(name) : "");
        return err_wrap(e, "%s", conf_origin(c, "provider"));
    }
    /* "openrouter/auto" is a model of OpenRouter's own. */
    if (str_cut(&rest, '/', &word) && str_eq(word, p->service) &&
        (!str_is(word, "openrouter") || memchr(rest.p, '/', rest.n)))
        p->model = rest;
    return 0;
}

static int pick(const struct conf *c, bool first, struct pick *p, struct err *e)
{
    struct str rest = p->model, word;
    bool slash = str_cut(&rest, '/', &word) && word.n && rest.n;
    bool now = first ? conf_said_now(c, "model") : true;
    bool provider = c->provider && strcmp(c->provider, "replay") != 0;
    bool provider_now = provider && conf_said_now(c, "provider");
    bool prefixed = slash && named(c, word, p);

    if (!slash && named(c, p->model, p) && !provider)
        return err_set(e, ERR_CONFIG, 0,
                       "\"%.*s\" is a service: name a model of it too, such as %s/%s (agent models "
                       "%.*s lists them)",
                       (int)p->model.n, p->model.p, p->row->name, p->row->example, (int)p->model.n,
                       p->model.p);
    if (provider && (provider_now || !prefixed || !now || !first)) {
        if (!(prefixed && !first)) {
            p->switched = provider_now;
            return by_provider(c, p, e);
        }
    }
    if (prefixed) {
        p->model = rest;
        p->switched = now;
        return 0;
    }
    if (url_is_said(c)) {
        const struct service *s = service_at(c->base_url);
        p->row = s ? s : service_find(STR("custom"));
        p->service = s ? str_of(s->name) : STR("custom");
        return 0;
    }
    p->row = service_find(STR("openai"));
    p->service = str_of(p->row->name);
    if (slash && !url_is_openais(c) && !c->replay)
        return unknown_service(word, p->model, e);
    const struct service *s = service_of_model(p->model);
    if (s && (!url_is_openais(c) || keys_there(s->key_env) || keys_stored(s->name))) {
        p->row = s;
        p->service = str_of(s->name);
        p->switched = now && s != service_find(STR("openai"));
    }
    return 0;
}

/* "0.0.0.0:11434", "box", "https://box": as Ollama's own programs read OLLAMA_HOST. */
static char *ollama_url(const char *v)
{
    struct str s = str_trim(str_of(v));
    cleanup_buf struct buf b = BUF_MAX(2000);
    bool scheme = memmem(s.p, s.n, "://", 3) != NULL;
    const char *host = scheme ? strstr(s.p, "://") + 3 : s.p;

    buf_puts(&b, scheme ? "" : "http://");
    if (strncmp(host, "0.0.0.0", 7) == 0) {
        buf_put(&b, s.p, (size_t)(host - s.p));
        buf_puts(&b, "127.0.0.1");
        s = str_from(s, (size_t)(host - s.p) + 7);
    }
    buf_putstr(&b, s);
    if (!scheme && !strchr(host, ':') && !strchr(host, '/'))
        buf_puts(&b, ":11434");
    return buf_steal(&b);
}

static void drop_end(char *url, const char *end)
{
    if (str_ends(str_of(url), end))
        url[strlen(url) - strlen(end)] = '\0';
}

/* Slashes at the end, and the version that the wire format puts there itself. A query stays behind
 * all of it. */
static void tidy(struct endpoint *ep)
{
    char *query = strchr(ep->base_url, '?');
    cleanup_free char *kept = query ? xstrdup(query) : NULL;

    if (query)
        *query = '\0';
    drop_end(ep->base_url, "/");
    if (strcmp(ep->wire, "anthropic-messages") == 0)
        drop_end(ep->base_url, "/v1");
    if (strcmp(ep->wire, "gemini-generate-content") == 0)
        drop_end(ep->base_url, "/v1beta");
    if (strcmp(ep->wire, "ollama-chat") == 0) {
        drop_end(ep->base_url, "/v1");
        drop_end(ep->base_url, "/api");
    }
    if (strcmp(ep->service, "azure") == 0 && str_ends(str_of(ep->base_url), ".azure.com")) {
        char *whole = xasprintf("%s/openai/v1", ep->base_url);
        free(ep->base_url);
        ep->base_url = whole;
    }
    if (kept) {
        char *whole = xasprintf("%s%s", ep->base_url, kept);
        free(ep->base_url);
        ep->base_url = whole;
    }
}

static int find_url(const struct conf *c, const struct pick *p, const char *section,
                    struct endpoint *ep, bool first, struct err *e)
{
    const char *env = p->row->base_env ? getenv(p->row->base_env) : NULL;
    bool openai = strcmp(p->row->name, "openai") == 0;
    bool meant = url_is_said(c) && first && (!p->switched || conf_said_now(c, "base_url"));

    /* Without a word for another service, a fallback is asked where the first model is. */
    if (!first && url_is_said(c) && !p->switched)
        meant = true;
    if (meant || (openai && url_is_openais(c)))
        ep->base_url = xstrdup(c->base_url);
    else if (section)
        ep->base_url = xstrdup(section);
    else if (env && *env && !openai)
        ep->base_url = strcmp(p->row->name, "ollama") == 0 ? ollama_url(env) : xstrdup(env);
    else if (p->row->base_url)
        ep->base_url = xstrdup(p->row->base_url);
    else if (c->replay)
        ep->base_url = xstrdup("http://replay.invalid"); /* nobody is asked */
    else if (p->row->base_env)
        return err_set(e, ERR_CONFIG, 0,
                       "%s has an address for each customer: set %s, or base_url (for example "
                       "https://NAME.openai.azure.com/openai/v1)",
                       p->row->title, p->row->base_env);
    else
        return err_set(e, ERR_CONFIG, 0,
                       "the service %s needs an address: --base-url URL, or base_url in a section "
                       "[service %s] of agent.conf",
                       ep->service, ep->service);
    struct err why = ERR_INIT;
    char *checked = NULL;
    if (conf_value_set(&conf_table[conf_find(STR("base_url"))], &checked, str_of(ep->base_url),
                       NULL, &why) < 0)
        return err_set(e, ERR_CONFIG, 0, "the address of %s%s%s: %s", ep->service,
                       env && *env ? ", from " : "", env && *env ? p->row->base_env : "", why.msg);
    free(ep->base_url);
    ep->base_url = checked;
    return 0;
}

static bool rule_fits(const struct conf_rule *r, const struct endpoint *ep)
{
    cleanup_free char *both = xasprintf("%s/%s", ep->service, ep->model);

    if (r->kind == RULE_SERVICE) {
        const struct service *s = service_find(str_of(r->name));
        return strcmp(r->name, ep->service) == 0 || (s && strcmp(s->name, ep->service) == 0);
    }
    return service_glob(r->name, str_of(ep->model)) || service_glob(r->name, str_of(both));
}

static void add_rule(struct endpoint *ep, const struct conf_rule *r)
{
    if (r->headers) {
        char *all = xasprintf("%s%s", ep->headers ? ep->headers : "", r->headers);
        free(ep->headers);
        ep->headers = all;
    }
    for (size_t i = 0; i < r->n_changes; i++) {
        ep->patches = xrealloc(ep->patches, ep->n_patches + 1, sizeof *ep->patches);
        ep->patches[ep->n_patches++] = (struct patch){ r->changes[i].path, r->changes[i].json };
    }
}

static void set_price(struct endpoint *ep, const struct conf_rule *r)
{
    ep->facts.price = PRICE_UNKNOWN;
    ep->facts.price.in = r->in;
    ep->facts.price.out = r->out;
    ep->facts.price.cache_read = r->cache_read;
    ep->facts.price.cache_write = r->cache_write;
    ep->own_price = true;
}

/* Where the key may come from. api_key_env, _file and _cmd outside of a section are about one
 * service: the one that `provider' names, or the one at base_url, or OpenAI. */
static void find_source(const struct conf *c, const struct pick *p, const struct conf_rule *own,
                        bool first, struct endpoint *ep)
{
    struct key_source *s = &ep->source;
    struct pick home = { .model = STR("") };
    struct err ignored = ERR_INIT;
    bool provider = c->provider && strcmp(c->provider, "replay") != 0;

    if (provider)
        (void)by_provider(c, &home, &ignored);
    bool at_home = provider ? home.row && str_eq(home.service, p->service)
                            : strcmp(ep->service, "openai") == 0 ||
                                  (url_is_said(c) && ep->base_url && c->base_url &&
                                   str_starts(str_of(c->base_url), ep->base_url));
    *s = (struct key_source){ .service = ep->service,
                              .url = ep->base_url,
                              .env = p->row->key_env,
                              .keyless = p->row->keyless,
                              .replay = c->replay != NULL };
    if (strcmp(ep->service, "custom") == 0)
        s->env = "CUSTOM_API_KEY OPENAI_API_KEY"; /* what every OpenAI client takes */
    if (strcmp(p->row->name, "custom") == 0 && strcmp(ep->service, "custom") != 0) {
        ep->owned_env = xasprintf("%s_API_KEY", ep->service);
        for (char *q = ep->owned_env; *q; q++)
            *q = isalnum((unsigned char)*q) ? (char)toupper((unsigned char)*q) : '_';
        s->env = ep->owned_env;
    }
    bool env = at_home || (first && conf_said_now(c, "api_key_env"));
    bool file = at_home || (first && conf_said_now(c, "api_key_file"));
    bool cmd = at_home || (first && conf_said_now(c, "api_key_cmd"));
    if (env && c->api_key_env)
        s->env = c->api_key_env;
    if (file)
        s->file = c->api_key_file;
    if (cmd)
        s->cmd = c->api_key_cmd;
    if (own && own->api_key_env)
        s->env = own->api_key_env;
    if (own && own->api_key_file)
        s->file = own->api_key_file;
    if (own && own->api_key_cmd)
        s->cmd = own->api_key_cmd;
}

/* All sections about the service folded into one view; NULL strings where nothing is set. */
static struct conf_rule service_rule(const struct conf *c, struct endpoint *ep)
{
    struct conf_rule all = { .kind = RULE_SERVICE };

    for (size_t i = 0; i < c->n_rules; i++) {
        const struct conf_rule *r = &c->rules[i];
        if (r->kind != RULE_SERVICE || !rule_fits(r, ep))
            continue;
        all.base_url = r->base_url ? r->base_url : all.base_url;
        all.api_key_env = r->api_key_env ? r->api_key_env : all.api_key_env;
        all.api_key_file = r->api_key_file ? r->api_key_file : all.api_key_file;
        all.api_key_cmd = r->api_key_cmd ? r->api_key_cmd : all.api_key_cmd;
        all.wire = r->wire ? r->wire : all.wire;
        add_rule(ep, r);
    }
    return all;
}

static bool at_own_address(const struct endpoint *ep)
{
    const struct service *s = service_at(ep->base_url);

    return s && strcmp(s->name, ep->service) == 0;
}

static int build(const struct conf *c, const struct pick *p, bool first, struct endpoint *ep,
                 struct err *e)
{
    ep->row = p->row;
    ep->service = str_dup(p->service);
    ep->model = str_dup(p->model);
    ep->headers = p->row->headers ? xstrdup(p->row->headers) : NULL;
    struct conf_rule own = service_rule(c, ep);
    if (find_url(c, p, own.base_url, ep, first, e) < 0)
        return -1;
    struct model_trait trait = { NULL, 0 };
    if (at_own_address(ep))
        trait = service_model_trait(p->row, p->model);
    if (trait.wire && !codec_find(trait.wire))
        trait.wire = NULL;
    ep->wire = trait.wire ? trait.wire : p->row->wire;
    ep->quirks = p->row->quirks | trait.quirks;
    /* Another server behind OpenAI's variable: what OpenAI itself wants says nothing about it. */
    if (strcmp(p->row->name, "openai") == 0 && !at_own_address(ep))
        ep->quirks = 0;
    if (own.wire)
        ep->wire = conf_wires[own.wire];
    ep->facts = model_facts(p->row->name, p->model);
    ep->billed = !p->row->keyless;
    ep->context = ep->facts.context;
    for (size_t i = 0; i < c->n_rules; i++) {
        const struct conf_rule *r = &c->rules[i];
        if (r->kind == RULE_SERVICE || !rule_fits(r, ep))
            continue;
        if (r->kind == RULE_PRICE) {
            set_price(ep, r);
            continue;
        }
        add_rule(ep, r);
        ep->wire = r->wire ? conf_wires[r->wire] : ep->wire;
        ep->context = r->context_window ? r->context_window : ep->context;
    }
    if (c->wire != WIRE_AUTO && (first || !p->switched))
        ep->wire = conf_wires[c->wire];
    if (c->context_window && first)
        ep->context = c->context_window;
    tidy(ep);
    find_source(c, p, &own, first, ep);
    return 0;
}

int endpoint_find(const struct conf *c, const char *model, bool first, struct endpoint *ret,
                  struct err *e)
{
    struct pick p = { .model = str_trim(str_of(model)) };

    *ret = (struct endpoint){ 0 };
    if (p.model.n == 0)
        return err_set(e, ERR_CONFIG, 0, "no model is named: give one with -m");
    if (pick(c, first, &p, e) < 0)
        return -1;
    if (first && strcmp(conf_origin(c, "model"), "default") == 0 &&
        strcmp(p.row->name, "openai") != 0 && !c->replay &&
        !(url_is_said(c) && strcmp(p.row->name, "custom") == 0))
        return err_set(
            e, ERR_CONFIG, 0,
            "which model of %.*s? Name one, such as -m %s (agent models %.*s lists them)",
            (int)p.service.n, p.service.p, p.row->example, (int)p.service.n, p.service.p);
    return build(c, &p, first, ret, e);
}

int endpoint_of_service(const struct conf *c, const char *service, struct endpoint *ret,
                        struct err *e)
{
    struct pick p = { .model = STR("") };

    *ret = (struct endpoint){ 0 };
    if (service == NULL) {
        p.model = str_of(c->model);
        if (pick(c, true, &p, e) < 0)
            return -1;
    } else if (!named(c, str_of(service), &p)) {
        return unknown_service(str_of(service), str_of(service), e);
    } else {
        /* Its own address, unless the settings are about this very service. */
        struct pick home = { .model = str_of(c->model ? c->model : "") };
        struct err ignored = ERR_INIT;
        bool same = pick(c, true, &home, &ignored) == 0 && str_eq(home.service, p.service);
        p.switched = !same;
    }
    return build(c, &p, true, ret, e);
}

int endpoint_key(struct endpoint *ep, const struct stop *stop, struct err *e)
{
    return keys_resolve(&ep->source, stop, &ep->key, e);
}

struct client *endpoint_client(const struct endpoint *ep, const struct conf *c, struct err *e)
{
    cleanup_free char *origin = xasprintf("%s/%s", ep->service, ep->model);
    struct client_conf cc = {
        .codec = ep->wire,
        .base_url = ep->base_url,
        .key = ep->key.value,
        .key_hint = ep->key.hint,
        .auth = ep->row->auth,
        .headers = ep->headers,
        .patches = ep->patches,
        .n_patches = ep->n_patches,
        .quirks = ep->quirks,
        .wire_fixed = c->wire != WIRE_AUTO,
        .origin = origin,
        .pause = c->pause_file,
        .replay = c->replay,
        .record = c->record,
        .connect_ms = (long)c->connect_ms,
        .first_byte_ms = (long)c->first_byte_ms,
        .stall_ms = (long)c->stall_ms,
        .request_ms = (long)c->request_ms,
        .retries = (int)c->retries,
    };

    return client_new(&cc, e);
}

const char *endpoint_list_path(const struct endpoint *ep)
{
    const char *path = ep->row->list_path;

    /* A whole URL is at the service's own host; elsewhere its kin's usual path is the guess. */
    return strstr(path, "://") && service_at(ep->base_url) != ep->row ? "/models" : path;
}

int endpoint_try(const struct endpoint *ep, const struct conf *c, const struct stop *stop,
                 char **ret_date, struct err *e)
{
    cleanup_buf struct buf body = BUF_MAX(MAX_LIST_BYTES);
    struct stop soon = stop_within(stop, ENDPOINT_TRY_MS);
    const char *own = ep->row->key_path;
    struct conf quick = *c; /* a view, never freed */

    quick.retries = 0;
    quick.connect_ms = ENDPOINT_TRY_MS / 2;
    quick.first_byte_ms = quick.stall_ms = quick.request_ms = ENDPOINT_TRY_MS;
    quick.replay = quick.record = NULL;
    struct client *client = endpoint_client(ep, &quick, e);
    *ret_date = NULL;
    int r = client ? client_get(client,
                                own && *own && ep->key.value && service_at(ep->base_url) == ep->row
                                    ? own
                                    : endpoint_list_path(ep),
                                &soon, &body, e)
                   : -1;
    *ret_date = xstrdup(client ? client_date(client) : "");
    client_free(client);
    return r;
}

void endpoint_done(struct endpoint *ep)
{
    free(ep->service);
    free(ep->model);
    free(ep->base_url);
    free(ep->headers);
    free(ep->patches);
    free(ep->owned_env);
    key_done(&ep->key);
    *ep = (struct endpoint){ 0 };
}
