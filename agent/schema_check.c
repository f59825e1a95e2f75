#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/schema_parts.h"
#include "agent/base/banned.h"

#define MAX_REASONS 10

struct check {
    const struct schema *s;
    struct buf path; /* of the value that is looked at */
    struct buf *why; /* NULL within a branch, whose failure may be no failure */
    int reasons;
    long steps;
    bool spent; /* a bound was met: nothing counts any more */
};

static bool allows(struct check *c, const cJSON *schema, const cJSON *v, int depth);

/* Says it, unless within a branch. Always false. */
static bool fails(struct check *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool fails(struct check *c, const char *fmt, ...)
{
    cleanup_buf struct buf b = BUF_MAX(2000);
    va_list ap;

    if (c->why == NULL || c->reasons++ >= MAX_REASONS)
        return false;
    utf8_clean_line(c->why, utf8_head(buf_str(&c->path), 300));
    if (c->path.n == 0)
        buf_puts(c->why, "the answer");
    va_start(ap, fmt);
    buf_vputf(&b, fmt, ap);
    va_end(ap);
    buf_puts(c->why, ": ");
    utf8_clean_line(c->why, utf8_head(buf_str(&b), 400));
    buf_putc(c->why, '\n');
    return false;
}

static bool step(struct check *c, long n)
{
    c->steps += n;
    if (c->steps > SCHEMA_STEPS)
        c->spent = true;
    return !c->spent;
}

/* Does it hold, without a word about it? */
static bool silently(struct check *c, const cJSON *schema, const cJSON *v, int depth)
{
    struct buf *why = c->why;

    c->why = NULL;
    bool r = allows(c, schema, v, depth);
    c->why = why;
    return r;
}

static bool is_whole(const cJSON *v)
{
    return cJSON_IsNumber(v) && isfinite(v->valuedouble) && v->valuedouble == floor(v->valuedouble);
}

static unsigned type_of(const cJSON *v)
{
    return cJSON_IsNull(v)     ? TYPE_NULL
           : cJSON_IsBool(v)   ? TYPE_BOOLEAN
           : cJSON_IsNumber(v) ? TYPE_NUMBER | (is_whole(v) ? TYPE_INTEGER : 0u)
           : cJSON_IsString(v) ? TYPE_STRING
           : cJSON_IsArray(v)  ? TYPE_ARRAY
                               : TYPE_OBJECT;
}

static const char *type_word(const cJSON *v)
{
    return cJSON_IsNull(v)     ? "null"
           : cJSON_IsBool(v)   ? "a boolean"
           : cJSON_IsNumber(v) ? "a number"
           : cJSON_IsString(v) ? "a string"
           : cJSON_IsArray(v)  ? "an array"
                               : "an object";
}

static const cJSON *member(const cJSON *o, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(o, name);
}

static double limit(const cJSON *schema, const char *name, double def)
{
    const cJSON *v = member(schema, name);

    return v ? v->valuedouble : def;
}

/* Numbers are equal by value; the order of an object's members does not matter. */
static bool same(struct check *c, const cJSON *a, const cJSON *b)
{
    const cJSON *x, *y;

    if (!step(c, 1))
        return false;
    if ((type_of(a) & ~(unsigned)TYPE_INTEGER) != (type_of(b) & ~(unsigned)TYPE_INTEGER))
        return false;
    if (cJSON_IsNumber(a))
        return a->valuedouble >= b->valuedouble && a->valuedouble <= b->valuedouble;
    if (cJSON_IsString(a))
        return strcmp(a->valuestring, b->valuestring) == 0;
    if (cJSON_IsBool(a))
        return cJSON_IsTrue(a) == cJSON_IsTrue(b);
    if (cJSON_IsArray(a)) {
        for (x = a->child, y = b->child; x && y; x = x->next, y = y->next)
            if (!same(c, x, y))
                return false;
        return x == NULL && y == NULL;
    }
    if (cJSON_IsNull(a))
        return true;
    if (cJSON_GetArraySize(a) != cJSON_GetArraySize(b))
        return false;
    cJSON_ArrayForEach(x, a)
    {
        y = member(b, x->string);
        if (y == NULL || !same(c, x, y))
            return false;
    }
    return true;
}

static bool check_type(struct check *c, const cJSON *schema, const cJSON *v)
{
    const cJSON *type = member(schema, "type"), *one;
    cleanup_buf struct buf names = BUF_MAX(200);
    unsigned allowed = 0;

    if (type == NULL)
        return true;
    for (one = cJSON_IsArray(type) ? type->child : type; one;
         one = cJSON_IsArray(type) ? one->next : NULL) {
        allowed |= schema_type_bit(one->valuestring);
        buf_putf(&names, "%s%s", names.n ? " or " : "", one->valuestring);
    }
    if (type_of(v) & allowed)
        return true;
    return fails(c, "must be of type %s, is %s", buf_cstr(&names), type_word(v));
}

static bool check_values(struct check *c, const cJSON *schema, const cJSON *v)
{
    const cJSON *list = member(schema, "enum"), *only = member(schema, "const"), *one;
    bool found = list == NULL;

    cJSON_ArrayForEach(one, list) if (!found) found = same(c, one, v);
    if (!found) {
        cleanup_free char *text = json_text(list);
        return fails(c, "must be one of %.200s", text);
    }
    if (only == NULL || same(c, only, v))
        return true;
    cleanup_free char *text = json_text(only);
    return fails(c, "must be %.200s", text);
}

static bool check_number(struct check *c, const cJSON *schema, const cJSON *v)
{
    double d = v->valuedouble, step_of = limit(schema, "multipleOf", 0);

    if (!isfinite(d))
        return fails(c, "the number is too large");
    if (d < limit(schema, "minimum", -INFINITY))
        return fails(c, "must be at least %.15g, is %.15g", limit(schema, "minimum", 0), d);
    if (d > limit(schema, "maximum", INFINITY))
        return fails(c, "must be at most %.15g, is %.15g", limit(schema, "maximum", 0), d);
    if (d <= limit(schema, "exclusiveMinimum", -INFINITY))
        return fails(c, "must be above %.15g, is %.15g", limit(schema, "exclusiveMinimum", 0), d);
    if (d >= limit(schema, "exclusiveMaximum", INFINITY))
        return fails(c, "must be below %.15g, is %.15g", limit(schema, "exclusiveMaximum", 0), d);
    if (step_of > 0) {
        /* 0.3 is a multiple of 0.1, though not of the double that stands for it. */
        double q = d / step_of;
        if (!isfinite(q) || fabs(q - round(q)) > 1e-9 * fmax(1, fabs(q)))
            return fails(c, "must be a multiple of %.15g, is %.15g", step_of, d);
    }
    return true;
}

static bool matches(struct check *c, const char *source, const char *text)
{
    if (!step(c, 10 + (long)strlen(text)))
        return false;
    for (size_t i = 0; i < c->s->n_patterns; i++)
        if (strcmp(c->s->patterns[i].source, source) == 0)
            return schema_regexec(&c->s->patterns[i].re, text);
    return false;
}

static bool check_string(struct check *c, const cJSON *schema, const cJSON *v)
{
    const cJSON *pattern = member(schema, "pattern");
    double n = 0;

    for (const char *p = v->valuestring; *p; p++)
        n += ((unsigned char)*p & 0xC0) != 0x80;
    if (n < limit(schema, "minLength", 0))
        return fails(c, "must have at least %g characters, has %g", limit(schema, "minLength", 0),
                     n);
    if (n > limit(schema, "maxLength", INFINITY))
        return fails(c, "must have at most %g characters, has %g", limit(schema, "maxLength", 0),
                     n);
    if (pattern && !matches(c, pattern->valuestring, v->valuestring))
        return fails(c, "must match the pattern %.200s", pattern->valuestring);
    return true;
}

static bool check_unique(struct check *c, const cJSON *v)
{
    const cJSON *a, *b;

    for (a = v->child; a && !c->spent; a = a->next)
        for (b = a->next; b && !c->spent; b = b->next)
            if (same(c, a, b))
                return fails(c, "holds the same value twice");
    return !c->spent;
}

static bool check_contains(struct check *c, const cJSON *schema, const cJSON *v, int depth)
{
    const cJSON *what = member(schema, "contains"), *one;
    double n = 0, least = limit(schema, "minContains", 1);

    if (what == NULL)
        return true;
    cJSON_ArrayForEach(one, v) n += silently(c, what, one, depth + 1);
    if (n < least)
        return fails(c, "must contain at least %g such items as \"contains\" says, has %g", least,
                     n);
    if (n > limit(schema, "maxContains", INFINITY))
        return fails(c, "must contain at most %g such items as \"contains\" says, has %g",
                     limit(schema, "maxContains", 0), n);
    return true;
}

static bool check_array(struct check *c, const cJSON *schema, const cJSON *v, int depth)
{
    const cJSON *items = member(schema, "items"), *one,
                *first = cJSON_GetArrayItem(member(schema, "prefixItems"), 0);
    double n = cJSON_GetArraySize(v);
    size_t at = c->path.n;
    bool r = true;
    int i = 0;

    if (n < limit(schema, "minItems", 0))
        return fails(c, "must have at least %g items, has %g", limit(schema, "minItems", 0), n);
    if (n > limit(schema, "maxItems", INFINITY))
        return fails(c, "must have at most %g items, has %g", limit(schema, "maxItems", 0), n);
    cJSON_ArrayForEach(one, v)
    {
        const cJSON *rule = first ? first : items;
        if (first)
            first = first->next;
        buf_putf(&c->path, "/%d", i++);
        if (rule && !allows(c, rule, one, depth + 1))
            r = false;
        c->path.n = at;
        if (!r && (c->why == NULL || c->reasons > MAX_REASONS))
            return false;
    }
    if (cJSON_IsTrue(member(schema, "uniqueItems")) && !check_unique(c, v))
        r = false;
    return check_contains(c, schema, v, depth) && r;
}

/* One member by properties, patternProperties, additionalProperties and propertyNames. */
static bool check_member(struct check *c, const cJSON *schema, const cJSON *v, int depth)
{
    const cJSON *own = member(member(schema, "properties"), v->string), *p,
                *names = member(schema, "propertyNames"),
                *others = member(schema, "additionalProperties");
    bool known = own != NULL, r = own == NULL || allows(c, own, v, depth + 1);

    cJSON_ArrayForEach(p, member(schema, "patternProperties"))
    {
        if (!matches(c, p->string, v->string))
            continue;
        known = true;
        r = allows(c, p, v, depth + 1) && r;
    }
    if (!known && cJSON_IsFalse(others))
        r = fails(c, "is a member that the schema does not allow");
    else if (!known && others)
        r = allows(c, others, v, depth + 1) && r;
    if (names) {
        cJSON name = { .type = cJSON_String, .valuestring = v->string };
        r = allows(c, names, &name, depth + 1) && r;
    }
    return r;
}

static bool need_members(struct check *c, const cJSON *list, const cJSON *v, const char *because)
{
    const cJSON *name;
    bool r = true;

    cJSON_ArrayForEach(name, list) if (step(c, 1) && member(v, name->valuestring) == NULL) r =
        fails(c, "the member \"%s\" is missing%s%s", name->valuestring, because ? " beside " : "",
              because ? because : "");
    return r;
}

static bool check_object(struct check *c, const cJSON *schema, const cJSON *v, int depth)
{
    double n = cJSON_GetArraySize(v);
    size_t at = c->path.n;
    const cJSON *one;
    bool r = need_members(c, member(schema, "required"), v, NULL);

    if (n < limit(schema, "minProperties", 0))
        r = fails(c, "must have at least %g members, has %g", limit(schema, "minProperties", 0), n);
    if (n > limit(schema, "maxProperties", INFINITY))
        r = fails(c, "must have at most %g members, has %g", limit(schema, "maxProperties", 0), n);
    cJSON_ArrayForEach(one, v)
    {
        buf_putf(&c->path, "/%s", one->string);
        if (!check_member(c, schema, one, depth))
            r = false;
        c->path.n = at;
        c->path.over = false;
        if (!r && c->why == NULL)
            return false;
    }
    cJSON_ArrayForEach(one, member(schema, "dependentRequired")) if (member(v, one->string)) r =
        need_members(c, one, v, one->string) && r;
    cJSON_ArrayForEach(one, member(schema, "dependentSchemas")) if (member(v, one->string)) r =
        allows(c, one, v, depth + 1) && r;
    return r;
}

static bool check_combined(struct check *c, const cJSON *schema, const cJSON *v, int depth)
{
    const cJSON *one, *any = member(schema, "anyOf"), *exactly = member(schema, "oneOf"),
                      *not = member(schema, "not"), *cond = member(schema, "if");
    bool r = true;
    int n = 0;

    cJSON_ArrayForEach(one, member(schema, "allOf")) r = allows(c, one, v, depth + 1) && r;
    cJSON_ArrayForEach(one, any) if (n == 0) n += silently(c, one, v, depth + 1);
    if (any && n == 0)
        r = fails(c, "fits none of the schemas of \"anyOf\"");
    n = 0;
    cJSON_ArrayForEach(one, exactly) n += silently(c, one, v, depth + 1);
    if (exactly && n != 1)
        r = fails(c, "fits %d of the schemas of \"oneOf\", must fit exactly one", n);
    if (not &&silently(c, not, v, depth + 1))
        r = fails(c, "fits the schema of \"not\"");
    if (cond) {
        one = member(schema, silently(c, cond, v, depth + 1) ? "then" : "else");
        r = (one == NULL || allows(c, one, v, depth + 1)) && r;
    }
    return r;
}

static bool allows(struct check *c, const cJSON *schema, const cJSON *v, int depth)
{
    const cJSON *ref = member(schema, "$ref");

    if (!step(c, 1 + cJSON_GetArraySize(schema)))
        return false;
    if (depth > SCHEMA_DEPTH) {
        c->spent = true;
        return false;
    }
    if (cJSON_IsBool(schema))
        return cJSON_IsTrue(schema) || fails(c, "the schema allows nothing here");
    bool r = ref == NULL || allows(c, schema_target(c->s->root, ref->valuestring), v, depth + 1);
    if (!check_type(c, schema, v))
        return false; /* whatever else there is to say follows from it */
    r = check_values(c, schema, v) && r;
    if (cJSON_IsNumber(v))
        r = check_number(c, schema, v) && r;
    else if (cJSON_IsString(v))
        r = check_string(c, schema, v) && r;
    else if (cJSON_IsArray(v))
        r = check_array(c, schema, v, depth) && r;
    else if (cJSON_IsObject(v))
        r = check_object(c, schema, v, depth) && r;
    return check_combined(c, schema, v, depth) && r && !c->spent;
}

/* A name that stands twice in an object: every reader of it would take another value. */
static bool names_are_unique(struct check *c, const cJSON *v)
{
    const cJSON *a, *b;
    size_t at = c->path.n;
    bool r = true;

    for (a = v->child; a && r; a = a->next) {
        for (b = a->next; cJSON_IsObject(v) && b && step(c, 1); b = b->next)
            if (strcmp(a->string, b->string) == 0)
                return fails(c, "the member \"%s\" stands there twice", a->string);
        if (cJSON_IsObject(v))
            buf_putf(&c->path, "/%s", a->string);
        r = names_are_unique(c, a);
        c->path.n = at;
    }
    return r && !c->spent;
}

bool schema_allows(const struct schema *s, struct str json, struct buf *why)
{
    struct err e = ERR_INIT;
    cleanup_json cJSON *v = json_parse(json, &e);
    struct check c = { .s = s, .path = BUF_MAX(MAX_SCHEMA_BYTES), .why = why };

    if (v == NULL) {
        buf_putf(why, "the answer is no JSON (%s)\n", e.msg);
        return false;
    }
    bool r = names_are_unique(&c, v) && allows(&c, s->root, v, 0);
    if (c.spent) {
        buf_puts(why, "it is too large or the schema too deep to be checked\n");
        r = false;
    }
    if (c.reasons > MAX_REASONS)
        buf_putf(why, "and %d more\n", c.reasons - MAX_REASONS);
    buf_free(&c.path);
    return r;
}
