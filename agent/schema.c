#include "agent/schema.h"
#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/io.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/conf_table.h"
#include "agent/schema_parts.h"
#include "agent/base/banned.h"

/* What a keyword's value must be. */
enum shape {
    S_NOTE, /* anything: it decides nothing */
    S_SCHEMA,
    S_SCHEMAS,    /* a list of at least one schema */
    S_SCHEMA_MAP, /* an object of schemas */
    S_PATTERN_MAP,
    S_TYPE,
    S_ENUM,
    S_ANY,
    S_COUNT,  /* a whole number from 0 */
    S_NUMBER, /* any number */
    S_POSITIVE,
    S_BOOL,
    S_PATTERN,
    S_NAMES,     /* a list of texts */
    S_NAMES_MAP, /* an object of such lists */
    S_REF,
    S_DIALECT,
    S_REFUSED,
};

static const struct {
    const char *word;
    enum shape shape;
} keywords[] = {
    { "$schema", S_DIALECT },
    { "$id", S_NOTE },
    { "$comment", S_NOTE },
    { "title", S_NOTE },
    { "description", S_NOTE },
    { "default", S_NOTE },
    { "examples", S_NOTE },
    { "deprecated", S_NOTE },
    { "readOnly", S_NOTE },
    { "writeOnly", S_NOTE },
    { "format", S_NOTE },
    { "contentEncoding", S_NOTE },
    { "contentMediaType", S_NOTE },
    { "contentSchema", S_NOTE },
    { "$defs", S_SCHEMA_MAP },
    { "definitions", S_SCHEMA_MAP },
    { "$ref", S_REF },
    { "type", S_TYPE },
    { "enum", S_ENUM },
    { "const", S_ANY },
    { "properties", S_SCHEMA_MAP },
    { "required", S_NAMES },
    { "additionalProperties", S_SCHEMA },
    { "patternProperties", S_PATTERN_MAP },
    { "propertyNames", S_SCHEMA },
    { "minProperties", S_COUNT },
    { "maxProperties", S_COUNT },
    { "dependentRequired", S_NAMES_MAP },
    { "dependentSchemas", S_SCHEMA_MAP },
    { "items", S_SCHEMA },
    { "prefixItems", S_SCHEMAS },
    { "contains", S_SCHEMA },
    { "minContains", S_COUNT },
    { "maxContains", S_COUNT },
    { "minItems", S_COUNT },
    { "maxItems", S_COUNT },
    { "uniqueItems", S_BOOL },
    { "minLength", S_COUNT },
    { "maxLength", S_COUNT },
    { "pattern", S_PATTERN },
    { "minimum", S_NUMBER },
    { "maximum", S_NUMBER },
    { "exclusiveMinimum", S_NUMBER },
    { "exclusiveMaximum", S_NUMBER },
    { "multipleOf", S_POSITIVE },
    { "allOf", S_SCHEMAS },
    { "anyOf", S_SCHEMAS },
    { "oneOf", S_SCHEMAS },
    { "not", S_SCHEMA },
    { "if", S_SCHEMA },
    { "then", S_SCHEMA },
    { "else", S_SCHEMA },
    /* Of the standard, older drafts or OpenAPI: to pass over them would give a wrong verdict. */
    { "unevaluatedProperties", S_REFUSED },
    { "unevaluatedItems", S_REFUSED },
    { "additionalItems", S_REFUSED },
    { "dependencies", S_REFUSED },
    { "$anchor", S_REFUSED },
    { "$dynamicAnchor", S_REFUSED },
    { "$dynamicRef", S_REFUSED },
    { "$recursiveAnchor", S_REFUSED },
    { "$recursiveRef", S_REFUSED },
    { "nullable", S_REFUSED },
};

struct reading {
    struct schema *s;
    struct buf path; /* of the schema that is looked at */
};

static int walk(struct reading *r, const cJSON *j, int depth, struct err *e);

static int wrong(const struct reading *r, struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static int wrong(const struct reading *r, struct err *e, const char *fmt, ...)
{
    cleanup_buf struct buf b = BUF_MAX(2000), clean = BUF_MAX(8000);
    va_list ap;

    va_start(ap, fmt);
    buf_vputf(&b, fmt, ap);
    va_end(ap);
    utf8_clean_line(&clean, buf_str(&r->path));
    buf_puts(&clean, ": ");
    utf8_clean_line(&clean, buf_str(&b));
    return err_set(e, ERR_USAGE, 0, "at #%.400s", buf_cstr(&clean));
}

unsigned schema_type_bit(const char *word)
{
    static const char *const words[] = { "null",   "boolean", "integer", "number",
                                         "string", "array",   "object" };

    for (size_t i = 0; word && i < ARRAY_LEN(words); i++)
        if (strcmp(words[i], word) == 0)
            return 1u << i;
    return 0;
}

/* One step of a pointer: ~1 is /, ~0 is ~, and %XX a byte, since it stands in a URL. */
static char *pointer_step(struct str s)
{
    cleanup_buf struct buf b = BUF_MAX(4096);

    for (size_t i = 0; i < s.n; i++) {
        unsigned byte;
        if (s.p[i] == '~' && i + 1 < s.n && (s.p[i + 1] == '0' || s.p[i + 1] == '1'))
            buf_putc(&b, s.p[++i] == '0' ? '~' : '/');
        else if (s.p[i] == '%' && i + 2 < s.n &&
                 strspn(s.p + i + 1, "0123456789abcdefABCDEF") >= 2) {
            char hex[3] = { s.p[i + 1], s.p[i + 2], 0 };
            byte = (unsigned)strtoul(hex, NULL, 16);
            buf_putc(&b, (char)byte);
            i += 2;
        } else
            buf_putc(&b, s.p[i]);
    }
    return buf_steal(&b);
}

const cJSON *schema_target(const cJSON *root, const char *ref)
{
    struct str rest = str_of(ref), step;
    const cJSON *at = root;

    if (strcmp(ref, "#") == 0)
        return root;
    if (!str_starts(rest, "#/"))
        return NULL;
    rest = str_from(rest, 2);
    for (bool more = true; more && at;) {
        more = str_cut(&rest, '/', &step);
        cleanup_free char *name = pointer_step(step);
        long long i;
        if (cJSON_IsArray(at))
            at = str_to_ll(str_of(name), &i) && i >= 0 && i < 100000
                     ? cJSON_GetArrayItem(at, (int)i)
                     : NULL;
        else
            at = cJSON_GetObjectItemCaseSensitive(at, name);
    }
    return at && (cJSON_IsObject(at) || cJSON_IsBool(at)) ? at : NULL;
}

static int take_pattern(struct reading *r, const char *source, struct err *e)
{
    cleanup_buf struct buf ere = BUF_MAX(4096);
    const char *why = "it is no regular expression";
    regex_t re;

    if (!schema_regex(source, &ere, &why))
        return wrong(r, e, "the pattern %.200s: %s", source, why);
    if (!schema_regcomp(&re, buf_cstr(&ere)))
        return wrong(r, e, "the pattern %.200s is no regular expression", source);
    struct schema *s = r->s;
    s->patterns = xrealloc(s->patterns, s->n_patterns + 1, sizeof *s->patterns);
    s->patterns[s->n_patterns++] = (struct schema_pattern){ source, re };
    return 0;
}

static int need_names(const struct reading *r, const cJSON *list, const char *word, struct err *e)
{
    const cJSON *one;

    if (!cJSON_IsArray(list))
        return wrong(r, e, "%s must be a list of names", word);
    cJSON_ArrayForEach(one, list) if (!cJSON_IsString(one)) return wrong(
        r, e, "%s must be a list of names", word);
    return 0;
}

static int take_type(const struct reading *r, const cJSON *v, struct err *e)
{
    const cJSON *one = cJSON_IsArray(v) ? v->child : v;

    if (one == NULL)
        return wrong(r, e, "type is an empty list");
    for (; one; one = cJSON_IsArray(v) ? one->next : NULL)
        if (!cJSON_IsString(one) || !schema_type_bit(one->valuestring))
            return wrong(r, e,
                         "type must be null, boolean, integer, number, string, array or object, or "
                         "a list of these%s%.60s",
                         cJSON_IsString(one) ? "; not " : "",
                         cJSON_IsString(one) ? one->valuestring : "");
    return 0;
}

static int walk_map(struct reading *r, const cJSON *map, const char *word, bool patterns, int depth,
                    struct err *e)
{
    const cJSON *one;

    if (!cJSON_IsObject(map))
        return wrong(r, e, "%s must be an object of schemas", word);
    cJSON_ArrayForEach(one, map)
    {
        size_t n = r->path.n;
        buf_putf(&r->path, "/%s/%s", word, one->string);
        if ((patterns && take_pattern(r, one->string, e) < 0) || walk(r, one, depth + 1, e) < 0)
            return -1;
        r->path.n = n;
    }
    return 0;
}

static int walk_list(struct reading *r, const cJSON *list, const char *word, int depth,
                     struct err *e)
{
    const cJSON *one;
    size_t n = r->path.n;
    int i = 0;

    if (!cJSON_IsArray(list) || list->child == NULL)
        return wrong(r, e, "%s must be a list of schemas", word);
    cJSON_ArrayForEach(one, list)
    {
        buf_putf(&r->path, "/%s/%d", word, i++);
        if (walk(r, one, depth + 1, e) < 0)
            return -1;
        r->path.n = n;
    }
    return 0;
}

static int take_number(const struct reading *r, const cJSON *v, enum shape shape, struct err *e)
{
    double d = cJSON_IsNumber(v) ? v->valuedouble : NAN;

    if (shape == S_COUNT && !(d >= 0 && d == floor(d) && d < 9e15))
        return wrong(r, e, "%s must be a whole number from 0", v->string);
    if (shape == S_POSITIVE && !(d > 0))
        return wrong(r, e, "%s must be a number above 0", v->string);
    if (isnan(d))
        return wrong(r, e, "%s must be a number", v->string);
    return 0;
}

static int take_dialect(const struct reading *r, const cJSON *v, struct err *e)
{
    static const char *const known[] = { "json-schema.org/draft/2020-12/schema",
                                         "json-schema.org/draft/2019-09/schema",
                                         "json-schema.org/draft-07/schema",
                                         "json-schema.org/draft-06/schema" };

    for (size_t i = 0; cJSON_IsString(v) && i < ARRAY_LEN(known); i++)
        if (strstr(v->valuestring, known[i]))
            return 0;
    return wrong(r, e, "$schema names a dialect that is not known here; draft 2020-12 is");
}

static int take_ref(const struct reading *r, const cJSON *v, struct err *e)
{
    if (!cJSON_IsString(v))
        return wrong(r, e, "$ref must be a text");
    if (v->valuestring[0] != '#')
        return wrong(r, e,
                     "$ref %.100s: only references within the schema are followed (#/$defs/...)",
                     v->valuestring);
    if (schema_target(r->s->root, v->valuestring) == NULL)
        return wrong(r, e, "$ref %.100s: there is no such schema", v->valuestring);
    return 0;
}

/* A keyword that the standard does not know decides nothing, unless it is a misspelt one. */
static int take_unknown(const struct reading *r, const char *word, struct err *e)
{
    const char *words[ARRAY_LEN(keywords)];
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(keywords); i++)
        if (strlen(keywords[i].word) > 3)
            words[n++] = keywords[i].word;
    const char *near = strlen(word) > 2 && strncmp(word, "x-", 2) != 0
                           ? conf_nearest(str_of(word), words, n)
                           : NULL;
    return near ? wrong(r, e, "there is no keyword %.60s; did you mean %s?", word, near) : 0;
}

static int take_refused(const struct reading *r, const char *word, struct err *e)
{
    return wrong(r, e, "the keyword %s is not supported%s", word,
                 !strcmp(word, "nullable")          ? ": say \"type\": [\"string\", \"null\"]"
                 : !strcmp(word, "additionalItems") ? ": say \"items\" beside \"prefixItems\""
                 : !strcmp(word, "dependencies")
                     ? ": say \"dependentRequired\" or \"dependentSchemas\""
                     : "");
}

static int keyword(struct reading *r, const cJSON *v, int depth, struct err *e)
{
    const cJSON *one;
    size_t i, n = r->path.n;

    for (i = 0; i < ARRAY_LEN(keywords) && strcmp(keywords[i].word, v->string) != 0; i++)
        ;
    if (i == ARRAY_LEN(keywords))
        return take_unknown(r, v->string, e);
    switch (keywords[i].shape) {
    case S_NOTE:
    case S_ANY:
        return 0;
    case S_SCHEMA:
        if (cJSON_IsArray(v) && strcmp(v->string, "items") == 0)
            return wrong(r, e, "items is a list, as in older drafts: say \"prefixItems\"");
        buf_putf(&r->path, "/%s", v->string);
        if (walk(r, v, depth + 1, e) < 0)
            return -1;
        r->path.n = n;
        return 0;
    case S_SCHEMAS:
        return walk_list(r, v, v->string, depth, e);
    case S_SCHEMA_MAP:
    case S_PATTERN_MAP:
        return walk_map(r, v, v->string, keywords[i].shape == S_PATTERN_MAP, depth, e);
    case S_TYPE:
        return take_type(r, v, e);
    case S_ENUM:
        return cJSON_IsArray(v) && v->child ? 0 : wrong(r, e, "enum must be a list of values");
    case S_COUNT:
    case S_NUMBER:
    case S_POSITIVE:
        return take_number(r, v, keywords[i].shape, e);
    case S_BOOL:
        return cJSON_IsBool(v) ? 0 : wrong(r, e, "%s must be true or false", v->string);
    case S_PATTERN:
        return cJSON_IsString(v) ? take_pattern(r, v->valuestring, e)
                                 : wrong(r, e, "pattern must be a text");
    case S_NAMES:
        return need_names(r, v, v->string, e);
    case S_NAMES_MAP:
        if (!cJSON_IsObject(v))
            return wrong(r, e, "%s must be an object of lists of names", v->string);
        cJSON_ArrayForEach(one, v) if (need_names(r, one, v->string, e) < 0) return -1;
        return 0;
    case S_REF:
        return take_ref(r, v, e);
    case S_DIALECT:
        return take_dialect(r, v, e);
    case S_REFUSED:
        return take_refused(r, v->string, e);
    }
    return 0;
}

static int walk(struct reading *r, const cJSON *j, int depth, struct err *e)
{
    const cJSON *v, *w;

    if (depth > JSON_MAX_DEPTH)
        return wrong(r, e, "schemas within schemas, more than %d deep", JSON_MAX_DEPTH);
    if (cJSON_IsBool(j))
        return 0;
    if (!cJSON_IsObject(j))
        return wrong(r, e, "a schema is an object, or true or false");
    cJSON_ArrayForEach(v, j)
    {
        for (w = v->next; w; w = w->next)
            if (strcmp(w->string, v->string) == 0)
                return wrong(r, e, "%.60s stands there twice", v->string);
        if (keyword(r, v, depth, e) < 0)
            return -1;
    }
    return 0;
}

struct schema *schema_read(struct str text, struct err *e)
{
    struct schema *s = xcalloc(1, sizeof *s);
    struct reading r = { s, BUF_MAX(2000) };
    struct err why = ERR_INIT;

    if (str_starts(text, "\xEF\xBB\xBF"))
        text = str_from(text, 3);
    s->root = json_parse(text, &why);
    if (s->root == NULL)
        err_set(e, ERR_USAGE, 0, "%s", why.msg);
    else if (!cJSON_IsObject(s->root))
        err_set(e, ERR_USAGE, 0,
                "is no JSON Schema: that is an object, such as {\"type\": "
                "\"object\", \"properties\": {...}}");
    else if (walk(&r, s->root, 0, e) == 0)
        s->text = json_text(s->root);
    buf_free(&r.path);
    if (s->text == NULL) {
        schema_free(s);
        return NULL;
    }
    return s;
}

struct schema *schema_open(const char *what, struct err *e)
{
    cleanup_buf struct buf b = BUF_MAX(MAX_SCHEMA_BYTES);
    bool is_text = str_starts(str_trim(str_of(what)), "{");

    if (is_text) {
        buf_puts(&b, what);
    } else if (io_read_file(what, &b, e) < 0) {
        e->code = ERR_USAGE;
        err_wrap(e, "--schema");
        return NULL;
    }
    struct schema *s = schema_read(buf_str(&b), e);
    if (s == NULL)
        err_wrap(e, "--schema %s", is_text ? "as given" : what);
    return s;
}

void schema_free(struct schema *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->n_patterns; i++)
        regfree(&s->patterns[i].re);
    free(s->patterns);
    cJSON_Delete(s->root);
    free(s->text);
    free(s);
}

const char *schema_text(const struct schema *s)
{
    return s->text;
}

struct str schema_payload(struct str answer)
{
    struct str s = str_trim(answer), line;

    if (!str_starts(s, "```") || !str_ends(s, "```") || s.n < 7)
        return s;
    s.n -= 3;
    if (!str_cut(&s, '\n', &line) || memmem(s.p, s.n, "```", 3))
        return str_trim(answer);
    return str_trim(s);
}

/* Appends the inside of the string that begins behind s[at], and returns where it ends. */
static size_t unquoted(struct str s, size_t at, struct buf *out)
{
    for (; at < s.n && s.p[at] != '"'; at++) {
        if (s.p[at] != '\\' || at + 1 >= s.n) {
            buf_putc(out, s.p[at]);
            continue;
        }
        char c = s.p[++at];
        if (c == 'u') {
            buf_putc(out, ' '); /* a letter that nobody looks for */
            at += at + 4 < s.n ? 4 : 0;
        } else {
            buf_putc(out, strchr("nrtbf", c) ? '\n' : c);
        }
    }
    return at;
}

void schema_words(struct str json, struct buf *out)
{
    for (size_t i = 0; i < json.n; i++) {
        if (json.p[i] != '"') {
            buf_putc(out, json.p[i]);
            continue;
        }
        cleanup_buf struct buf word = BUF_MAX(MAX_ANSWER_BYTES);
        i = unquoted(json, i + 1, &word);
        bool is_name = str_starts(str_trim(str_from(json, i + 1 < json.n ? i + 1 : json.n)), ":");
        for (size_t k = 0; k < word.n; k++)
            if (!is_name || word.p[k] < '0' || word.p[k] > '9')
                buf_putc(out, word.p[k]);
    }
}
