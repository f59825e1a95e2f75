/* The sections of agent.conf about services, models and prices. */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/conf_load.h"
#include "providers/services.h"
#include "agent/base/banned.h"

static const char *const words[RULE_COUNT] = { "service", "model", "price" };

/* The keys of a section. `like` is the setting whose kind and checks the value has. */
enum rule_key { KEY_LIKE, KEY_HEADER, KEY_SET, KEY_UNSET, KEY_PRICE };
#define R(field) offsetof(struct conf_rule, field)
static const struct {
    const char *name;
    unsigned kinds; /* 1u << enum conf_rule_kind */
    enum rule_key key;
    const char *like;
    size_t offset;
} keys[] = {
    { "base_url", 1u << RULE_SERVICE, KEY_LIKE, "base_url", R(base_url) },
    { "api_key_env", 1u << RULE_SERVICE, KEY_LIKE, "api_key_env", R(api_key_env) },
    { "api_key_file", 1u << RULE_SERVICE, KEY_LIKE, "api_key_file", R(api_key_file) },
    { "api_key_cmd", 1u << RULE_SERVICE, KEY_LIKE, "api_key_cmd", R(api_key_cmd) },
    { "wire", 1u << RULE_SERVICE | 1u << RULE_MODEL, KEY_LIKE, "wire", R(wire) },
    { "context_window", 1u << RULE_MODEL, KEY_LIKE, "context_window", R(context_window) },
    { "header", 1u << RULE_SERVICE | 1u << RULE_MODEL, KEY_HEADER, NULL, 0 },
    { "set", 1u << RULE_SERVICE | 1u << RULE_MODEL, KEY_SET, NULL, 0 },
    { "unset", 1u << RULE_SERVICE | 1u << RULE_MODEL, KEY_UNSET, NULL, 0 },
    { "in", 1u << RULE_PRICE, KEY_PRICE, NULL, R(in) },
    { "out", 1u << RULE_PRICE, KEY_PRICE, NULL, R(out) },
    { "cache_read", 1u << RULE_PRICE, KEY_PRICE, NULL, R(cache_read) },
    { "cache_write", 1u << RULE_PRICE, KEY_PRICE, NULL, R(cache_write) },
};

struct conf_rule *conf_rule_open(struct conf *c, struct str head, struct err *e)
{
    struct str rest = str_trim(head), word;
    int kind = -1;

    (void)str_cut(&rest, ' ', &word);
    rest = str_trim(rest);
    for (int i = 0; i < RULE_COUNT; i++)
        if (str_is(word, words[i]))
            kind = i;
    if (kind < 0 || rest.n == 0 || rest.p == head.p) {
        cleanup_buf struct buf b = BUF_MAX(1024);
        err_set(e, ERR_CONFIG, 0,
                "unknown section [%s]; a section is [profile NAME], [service NAME], [model NAME] "
                "or [price MODEL]",
                conf_shown(&b, head));
        return NULL;
    }
    c->rules = xrealloc(c->rules, c->n_rules + 1, sizeof *c->rules);
    struct conf_rule *r = &c->rules[c->n_rules++];
    *r = (struct conf_rule){ .kind = (enum conf_rule_kind)kind,
                             .name = str_dup(rest),
                             .in = NAN,
                             .out = NAN,
                             .cache_read = NAN,
                             .cache_write = NAN };
    return r;
}

static void add_change(struct conf_rule *r, struct str path, const char *json)
{
    r->changes = xrealloc(r->changes, r->n_changes + 1, sizeof *r->changes);
    r->changes[r->n_changes++] = (struct conf_change){ str_dup(path), json ? xstrdup(json) : NULL };
}

static bool is_path(struct str s)
{
    if (s.n == 0 || s.n > 200)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.", s.p[i]))
            return false;
    return s.p[0] != '.' && s.p[s.n - 1] != '.' && !memmem(s.p, s.n, "..", 2);
}

static bool is_plain_word(struct str s)
{
    return is_path(s) && (s.p[0] < '0' || s.p[0] > '9') && s.p[0] != '-';
}

/* "reasoning.effort = \"high\"": JSON; a bare word is taken as text. */
static int set_change(struct conf_rule *r, struct str value, struct err *e)
{
    struct str path;
    struct err ignored = ERR_INIT;

    if (!str_cut(&value, '=', &path))
        return err_set(e, ERR_CONFIG, 0,
                       "set takes a member of the request and its value: set = temperature = 0.2");
    path = str_trim(path);
    value = str_trim(value);
    if (!is_path(path))
        return err_set(e, ERR_CONFIG, 0,
                       "set: \"%.*s\" is no member's name, such as reasoning or "
                       "reasoning.effort",
                       (int)(path.n < 60 ? path.n : 60), path.p);
    cleanup_json cJSON *j = json_parse(value, &ignored);
    if (j == NULL && is_plain_word(value)) {
        cleanup_free char *text = str_dup(value);
        j = cJSON_CreateString(text);
    }
    if (j == NULL)
        return err_set(e, ERR_CONFIG, 0,
                       "set: the value of %.*s is no JSON (a number, true, \"text\", {...})",
                       (int)path.n, path.p);
    cleanup_free char *json = json_text(j);
    add_change(r, path, json);
    return 0;
}

static int unset_change(struct conf_rule *r, struct str value, struct err *e)
{
    struct str path;

    for (bool more = true; more;) {
        more = str_cut(&value, ' ', &path);
        if (path.n == 0)
            continue;
        if (!is_path(path))
            return err_set(e, ERR_CONFIG, 0, "unset takes names of members, separated by spaces");
        add_change(r, path, NULL);
    }
    return 0;
}

static int add_header(struct conf_rule *r, struct str value, struct err *e)
{
    struct str name, rest = value;
    bool good = str_cut(&rest, ':', &name) && name.n > 0 && name.n < 100 && str_trim(rest).n > 0;

    for (size_t i = 0; good && i < name.n; i++)
        good = name.p[i] > ' ' && name.p[i] < 0x7f && !strchr("()<>@,;:\\\"/[]?={}", name.p[i]);
    for (size_t i = 0; good && i < rest.n; i++)
        good = (unsigned char)rest.p[i] >= ' ' && rest.p[i] != 0x7f;
    if (!good)
        return err_set(e, ERR_CONFIG, 0, "header takes a name and a value: header = X-Title: mine");
    cleanup_buf struct buf b = BUF_MAX(64 * 1024);
    buf_puts(&b, r->headers ? r->headers : "");
    buf_putf(&b, "%.*s: ", (int)name.n, name.p);
    buf_putstr(&b, str_trim(rest));
    buf_putc(&b, '\n');
    free(r->headers);
    r->headers = buf_steal(&b);
    return 0;
}

static int set_price(double *field, struct str value, struct err *e)
{
    cleanup_free char *s = str_dup(str_trim(value));
    char *end;
    double v = strtod(s, &end);

    if (*s == '\0' || *end != '\0' || !(v >= 0) || v > 1e6)
        return err_set(e, ERR_CONFIG, 0,
                       "\"%.40s\" is no price: US dollars per million tokens, such as 2.5", s);
    *field = v;
    return 0;
}

int conf_rule_set(struct conf_rule *r, struct str name, struct str value, const char *dir,
                  struct err *e)
{
    const char *names[ARRAY_LEN(keys)];
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (!(keys[i].kinds & (1u << r->kind)))
            continue;
        names[n++] = keys[i].name;
        if (!str_is(name, keys[i].name))
            continue;
        void *field = (char *)r + keys[i].offset;
        switch (keys[i].key) {
        case KEY_LIKE:
            if (conf_value_set(&conf_table[conf_find(str_of(keys[i].like))], field, value, dir, e) <
                0)
                return err_wrap(e, "%s", keys[i].name);
            return 0;
        case KEY_HEADER:
            return add_header(r, value, e);
        case KEY_SET:
            return set_change(r, value, e);
        case KEY_UNSET:
            return unset_change(r, value, e);
        case KEY_PRICE:
            return set_price(field, value, e);
        }
    }
    cleanup_buf struct buf b = BUF_MAX(1024), all = BUF_MAX(1024);
    if (str_is(name, "api_key") || str_is(name, "key"))
        return err_set(e, ERR_CONFIG, 0, "%.*s is not a setting: %s", (int)name.n, name.p,
                       conf_key_advice);
    const char *near = conf_nearest(name, names, n);
    for (size_t i = 0; i < n; i++)
        buf_putf(&all, "%s%s", i ? ", " : "", names[i]);
    return err_set(e, ERR_CONFIG, 0, "\"%s\" does not belong into a section [%s NAME]%s%s%s%s",
                   conf_shown(&b, name), words[r->kind], near ? "; did you mean " : ": it takes ",
                   near ? near : buf_cstr(&all), near ? "?" : "", "");
}

int conf_rules_check(const struct conf_loader *l, struct err *e)
{
    const struct conf *c = l->c;

    for (size_t i = 0; i < c->n_rules; i++) {
        const struct conf_rule *r = &c->rules[i];
        if (r->project && !l->trusted)
            return err_set(
                e, ERR_CONFIG, 0,
                "%s: a project's agent.conf may not have a section [%s NAME]: it decides what goes "
                "to whom at what price. Move it to %s, or, if you trust everyone who can write "
                "here, say trust_project = true there",
                r->where, words[r->kind], c->user_file ? c->user_file : "your own agent.conf");
        if (r->kind == RULE_PRICE && (isnan(r->in) || isnan(r->out)))
            return err_set(e, ERR_CONFIG, 0,
                           "%s: [price %s] needs both in and out, in US dollars per million tokens",
                           r->where, r->name);
        if (r->kind != RULE_SERVICE || service_find(str_of(r->name)))
            continue;
        bool placed = false;
        for (size_t k = 0; k < c->n_rules; k++)
            placed = placed || (c->rules[k].kind == RULE_SERVICE && c->rules[k].base_url &&
                                !strcmp(c->rules[k].name, r->name));
        const char *near = placed ? NULL : service_near(str_of(r->name));
        if (!placed)
            return err_set(e, ERR_CONFIG, 0,
                           "%s: the service %s is not known%s%s; one of your own needs a base_url",
                           r->where, r->name, near ? ": did you mean " : "", near ? near : "");
    }
    return 0;
}

void conf_rules_free(struct conf *c)
{
    for (size_t i = 0; i < c->n_rules; i++) {
        struct conf_rule *r = &c->rules[i];
        free(r->name);
        free(r->where);
        free(r->base_url);
        free(r->api_key_env);
        free(r->api_key_file);
        free(r->api_key_cmd);
        free(r->headers);
        for (size_t k = 0; k < r->n_changes; k++) {
            free(r->changes[k].path);
            free(r->changes[k].json);
        }
        free(r->changes);
    }
    free(c->rules);
    c->rules = NULL;
    c->n_rules = 0;
}

static void put_line(struct buf *out, const char *name, const char *value)
{
    if (value)
        buf_putf(out, "%s = %s\n", name, value);
}

void conf_rules_print(const struct conf *c, struct buf *out)
{
    for (size_t i = 0; i < c->n_rules; i++) {
        const struct conf_rule *r = &c->rules[i];
        struct str lines = str_of(r->headers), line;
        buf_putf(out, "\n[%s %s]\n", words[r->kind], r->name);
        put_line(out, "base_url", r->base_url);
        put_line(out, "api_key_env", r->api_key_env);
        put_line(out, "api_key_file", r->api_key_file);
        put_line(out, "api_key_cmd", r->api_key_cmd);
        put_line(out, "wire", conf_wires[r->wire]);
        if (r->context_window)
            buf_putf(out, "context_window = %ld\n", r->context_window);
        while (lines.n) {
            (void)str_cut(&lines, '\n', &line);
            if (line.n)
                buf_putf(out, "header = %.*s\n", (int)line.n, line.p);
        }
        for (size_t k = 0; k < r->n_changes; k++)
            if (r->changes[k].json)
                buf_putf(out, "set = %s = %s\n", r->changes[k].path, r->changes[k].json);
            else
                buf_putf(out, "unset = %s\n", r->changes[k].path);
        const double prices[] = { r->in, r->out, r->cache_read, r->cache_write };
        static const char *const names[] = { "in", "out", "cache_read", "cache_write" };
        for (size_t k = 0; k < 4; k++)
            if (!isnan(prices[k]))
                buf_putf(out, "%s = %.15g\n", names[k], prices[k]);
    }
}
