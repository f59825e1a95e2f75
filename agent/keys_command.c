/* agent keys: where each service's key would be read from, and keys that are kept in files of the
 * user's own. Nothing of a key is shown: not a character, not its length. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/endpoint.h"
#include "agent/program.h"
#include "agent/base/banned.h"

static void one_service(const struct conf *c, const char *name, struct buf *out, cJSON *list)
{
    struct endpoint ep;
    struct err e = ERR_INIT;
    const struct service *row = service_find(str_of(name));
    bool found = endpoint_of_service(c, name, &ep, &e) == 0;
    struct key_source bare = { .service = name,
                               .env = row ? row->key_env : NULL,
                               .keyless = row && row->keyless };
    const struct key_source *s = found ? &ep.source : &bare;
    cleanup_free char *where = keys_where(s);
    const char *state = where ? "set" : s->keyless ? "not needed" : "missing";

    if (list) {
        cJSON *o = cJSON_CreateObject();
        json_add_str(o, "service", str_of(name));
        json_add_str(o, "key", str_of(state));
        if (where)
            json_add_str(o, "from", str_of(where));
        json_add_str(o, "variables", str_of(s->env));
        cJSON_AddItemToArray(list, o);
    } else {
        buf_putf(out, "%-12s %-11s ", name, state);
        if (where)
            buf_putf(out, "%s\n", where);
        else if (s->keyless)
            buf_puts(out, "a server of your own\n");
        else
            buf_putf(out, "%s, or agent keys set %s\n", s->env ? s->env : "", name);
    }
    endpoint_done(&ep);
}

static int list_keys(struct program *p, struct err *e)
{
    const struct conf *c = &p->conf;
    cleanup_buf struct buf out = BUF_MAX(MAX_CONF_BYTES);
    cleanup_json cJSON *j = c->json ? cJSON_CreateObject() : NULL;
    cJSON *list = j ? cJSON_AddArrayToObject(j, "services") : NULL;

    if (list == NULL)
        buf_putf(&out, "%-12s %-11s %s\n", "SERVICE", "KEY", "FROM");
    for (size_t i = 0; i < services_n; i++)
        one_service(c, services[i].name, &out, list);
    for (size_t i = 0; i < c->n_rules; i++) {
        bool seen = c->rules[i].kind != RULE_SERVICE || service_find(str_of(c->rules[i].name));
        for (size_t k = 0; k < i && !seen; k++)
            seen =
                c->rules[k].kind == RULE_SERVICE && strcmp(c->rules[k].name, c->rules[i].name) == 0;
        if (!seen)
            one_service(c, c->rules[i].name, &out, list);
    }
    cleanup_free char *text = j ? cJSON_Print(j) : NULL;
    if (text) {
        buf_puts(&out, text);
        buf_putc(&out, '\n');
    }
    return io_write_all(STDOUT_FILENO, out.p, out.n, e) < 0 && e->sys != EPIPE ? -1 : 0;
}

/* The service's own name for the word, which may be an alias. NULL with *e if there is none. */
static const char *service_name(const struct conf *c, const char *word, struct err *e)
{
    const struct service *row = service_find(str_of(word));
    struct endpoint ep;

    if (row)
        return row->name;
    for (size_t i = 0; i < c->n_rules; i++)
        if (c->rules[i].kind == RULE_SERVICE && strcmp(c->rules[i].name, word) == 0)
            return c->rules[i].name;
    if (endpoint_of_service(c, word, &ep, e) == 0) /* says which there are */
        err_set(e, ERR_USAGE, 0, "no service is called \"%.60s\"", word);
    e->code = ERR_USAGE;
    endpoint_done(&ep);
    return NULL;
}

static int set_key(struct program *p, const char *service, struct err *e)
{
    const struct service *row = service_find(str_of(service));
    cleanup_free char *path = keys_stored_path(service);
    bool terminal = isatty(STDIN_FILENO);

    if (terminal &&
        dprintf(STDERR_FILENO, "The key of %s (it is not shown): ", row ? row->title : service) < 0)
        return err_set(e, ERR_SYS, errno, "ask for the key");
    int r = keys_store(service, STDIN_FILENO, &p->stop, e);
    if (terminal)
        (void)!write(STDERR_FILENO, "\n", 1);
    if (r < 0)
        return -1;
    ui_note(p->run.ui, "kept in %s; agent keys test %s tries it", path, service);
    struct key_source s = { .service = service, .env = row ? row->key_env : NULL };
    if (row && keys_there(row->key_env)) {
        cleanup_free char *where = keys_where(&s);
        ui_warn(p->run.ui, "%s is set too, and wins over it", where);
    }
    return 0;
}

static int remove_key(struct program *p, const char *service, struct err *e)
{
    int r = keys_forget(service, e);

    if (r == 0)
        ui_note(p->run.ui, "the kept key of %s is removed", service);
    if (r == 1)
        return err_set(e, ERR_USAGE, 0, "no key of %s is kept; agent keys lists what there is",
                       service);
    return r;
}

static int test_key(struct program *p, const char *service, struct err *e)
{
    __attribute__((cleanup(endpoint_done))) struct endpoint ep = { 0 };
    cleanup_free char *date = NULL, *text = NULL;

    if (endpoint_of_service(&p->conf, service, &ep, e) < 0 || endpoint_key(&ep, &p->stop, e) < 0 ||
        endpoint_try(&ep, &p->conf, &p->stop, &date, e) < 0)
        return -1;
    if (ep.key.warning)
        ui_warn(p->run.ui, "%s", ep.key.warning);
    if (ep.key.value && ep.row->key_path && !*ep.row->key_path)
        text = xasprintf("%s answers, but what it was asked is open to all: whether the key is "
                         "good only a question can tell\n",
                         ep.base_url);
    else
        text = xasprintf("%s %s\n", ep.base_url,
                         ep.key.value ? "takes the key" : "answers; no key was sent");
    return io_write_all(STDOUT_FILENO, text, strlen(text), e) < 0 && e->sys != EPIPE ? -1 : 0;
}

void keys_command(struct program *p, struct err *why)
{
    static const struct {
        const char *name;
        int (*run)(struct program *p, const char *service, struct err *e);
    } verbs[] = { { "set", set_key }, { "remove", remove_key }, { "test", test_key } };
    const struct conf *c = &p->conf;
    const char *verb = c->n_args ? c->args[0] : "list";

    if (strcmp(verb, "list") == 0 && c->n_args <= 1) {
        list_keys(p, why);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        if (strcmp(verb, verbs[i].name) != 0)
            continue;
        if (c->n_args != 2) {
            err_set(why, ERR_USAGE, 0,
                    c->n_args < 2 ? "agent keys %s needs a SERVICE; agent keys lists them"
                                  : "agent keys %s takes one SERVICE and nothing else. A key is "
                                    "never given on the command line, where others can read it",
                    verb);
            return;
        }
        const char *name = service_name(c, c->args[1], why);
        if (name)
            verbs[i].run(p, name, why);
        return;
    }
    err_set(why, ERR_USAGE, 0,
            "agent keys takes list, set, remove or test; agent keys --help "
            "shows how");
}
