/* Which settings a session keeps when it goes on: never weaker ones, unless a flag says so. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/conf_table.h"
#include "agent/resume.h"
#include "agent/base/banned.h"

enum rule {
    SMALLER,  /* of two numbers; 0 is no limit */
    LOWER,    /* of two choices, by their order */
    HIGHER,   /* likewise */
    SECRET,   /* what keeps values of files here, where either says so */
    BOTH,     /* words that stand in both */
    EITHER,   /* words that stand in one of them */
    RECORDED, /* part of the session: what its cells and its conversation were made with */
};
static const struct {
    const char *name;
    enum rule rule;
} rules[] = {
    { "sandbox", LOWER },         { "network", BOTH },           { "devices", BOTH },
    { "memory", SMALLER },        { "workspace_size", SMALLER }, { "file_size", SMALLER },
    { "max_processes", SMALLER }, { "cpu_time", SMALLER },       { "cpu_share", SMALLER },
    { "timeout", SMALLER },       { "validate", HIGHER },        { "forbid_imports", EITHER },
    { "forbid_calls", EITHER },   { "forbid_patterns", EITHER }, { "env", RECORDED },
    { "languages", RECORDED },    { "contexts", RECORDED },      { "tools", RECORDED },
    { "intake", SECRET },
};
/* Whom to ask: kept together, and only where the address is the same. */
static const char *const asked[] = { "model", "provider", "wire", "base_url" };

static const struct conf_setting *row(const char *name)
{
    return &conf_table[conf_find(str_of(name))];
}

static void *field(const struct conf *c, const struct conf_setting *s)
{
    return (char *)(uintptr_t)c + s->offset;
}

static char *text_of(const struct conf_setting *s, const void *value)
{
    struct buf b = BUF_MAX(MAX_CONF_BYTES);

    conf_value_text(s, value, 0, &b);
    return buf_steal(&b);
}

static bool said_by_flag(const struct conf *c, const char *name)
{
    return conf_origin(c, name)[0] == '-';
}

static void put(cJSON *o, const struct conf *c, const char *name)
{
    cleanup_free char *text = text_of(row(name), field(c, row(name)));

    json_add_str(o, name, str_of(text));
}

cJSON *resume_settings(const struct conf *c)
{
    cJSON *o = cJSON_CreateObject();

    for (size_t i = 0; i < ARRAY_LEN(rules); i++)
        put(o, c, rules[i].name);
    for (size_t i = 0; i < ARRAY_LEN(asked); i++)
        put(o, c, asked[i]);
    return o;
}

/* A value of any kind that is looked at and thrown away. */
union value {
    char *text;
    long n;
    int64_t size;
    int choice;
    bool yes;
};

static bool has_word(const char *words, struct str word)
{
    struct str rest = str_of(words), one;

    for (bool more = rest.n > 0; more;) {
        more = str_cut(&rest, ' ', &one);
        if (str_eq(one, word))
            return true;
    }
    return false;
}

/* The words of `a` that are in `b`, or those that are not behind all of `b`. */
static char *words(const char *a, const char *b, bool both)
{
    cleanup_buf struct buf out = BUF_MAX(MAX_CONF_BYTES);
    struct str rest = str_of(a), one;

    if (!both && b)
        buf_puts(&out, b);
    for (bool more = rest.n > 0; more;) {
        more = str_cut(&rest, ' ', &one);
        if (one.n && has_word(b, one) == both)
            buf_putf(&out, "%s%.*s", out.n ? " " : "", (int)one.n, one.p);
    }
    return out.n ? buf_steal(&out) : NULL;
}

static int64_t number(const struct conf_setting *s, const void *value)
{
    bool is_long = s->kind == K_LONG || s->kind == K_PERCENT;
    int64_t v = is_long ? *(const long *)value : *(const int64_t *)value;

    return v == 0 ? INT64_MAX : v;
}

/* Is the recorded value to be taken? For words *ret_text is what is taken. */
static bool takes_recorded(const struct conf_setting *s, enum rule rule, const void *now,
                           const union value *then)
{
    switch (rule) {
    case SMALLER:
        return number(s, then) < number(s, now);
    case LOWER:
        return then->choice < *(const int *)now;
    case HIGHER:
        return then->choice > *(const int *)now;
    case SECRET:
        return then->choice == INTAKE_SCHEMA;
    case BOTH:
    case EITHER:
    case RECORDED:
        break;
    }
    return true;
}

static void note(struct buf *notes, const struct conf_setting *s, const char *is, const char *set)
{
    cleanup_free char *flag = conf_flag_name(s);

    buf_putf(notes, "%s is \"%s\" as in the session, not \"%s\" as set now (%s changes it)\n",
             s->name, is, set, flag);
}

static int apply(struct conf *c, const struct conf_setting *s, enum rule rule, const char *recorded,
                 struct buf *notes, struct err *e)
{
    union value then = { 0 };
    void *now = field(c, s);
    cleanup_free char *before = text_of(s, now), *taken = NULL;

    if (conf_value_set(s, &then, str_of(recorded), NULL, e) < 0)
        return err_wrap(e, "the session's record: %s", s->name);
    if (rule == BOTH || rule == EITHER)
        taken = words(*(char **)now, then.text, rule == BOTH);
    else if (takes_recorded(s, rule, now, &then))
        taken = text_of(s, &then);
    else
        taken = xstrdup(before);
    conf_value_free(s, &then);
    if (conf_value_set(s, now, str_of(taken ? taken : s->kind == K_STR ? "" : "none"), NULL, e) < 0)
        return err_wrap(e, "the session's record: %s", s->name);
    cleanup_free char *after = text_of(s, now);
    bool narrowed = rule == BOTH && strcmp(after, recorded) != 0;
    if (strcmp(after, before) != 0)
        note(notes, s, after, before);
    else if (narrowed)
        buf_putf(notes, "%s was \"%s\" in the session and is \"%s\" now\n", s->name, recorded,
                 after);
    return 0;
}

int resume_policy(struct conf *c, const cJSON *settings, bool namespaces, struct buf *notes,
                  struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        const struct conf_setting *s = row(rules[i].name);
        const char *recorded = json_str(settings, s->name);
        if (said_by_flag(c, s->name))
            continue;
        if (strcmp(s->name, "sandbox") == 0 && namespaces)
            recorded = "strict";
        if (apply(c, s, rules[i].rule, recorded ? recorded : s->def, notes, e) < 0)
            return -1;
    }
    return 0;
}

/* The model of before, where nothing on this command line chooses another and the address is the
 * same: where the key goes is never the record's to say. */
int resume_policy_asked(struct conf *c, const cJSON *settings, struct buf *notes, struct err *e)
{
    cleanup_free char *url = text_of(row("base_url"), field(c, row("base_url")));
    const char *recorded_url = json_str(settings, "base_url");

    if (recorded_url == NULL || strcmp(recorded_url, url) != 0 || c->replay)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(asked); i++)
        if (said_by_flag(c, asked[i]))
            return 0;
    const char *model = json_str(settings, "model");
    if (model == NULL || model[0] == '\0') /* nobody was asked then */
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(asked) - 1; i++)
        if (json_str(settings, asked[i]) &&
            apply(c, row(asked[i]), RECORDED, json_str(settings, asked[i]), notes, e) < 0)
            return -1;
    return 0;
}
