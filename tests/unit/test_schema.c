/* The validator of answers: what each keyword allows, which schemas are refused, what is said.
 *
 * With "--pairs" it reads lines SCHEMA TAB VALUE and prints "valid", "invalid" or "refused" for
 * each: tests/cli/schema_reference.t compares that with another implementation. */
#include "agent/schema.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "tests/unit/tap.h"

static const struct {
    const char *schema, *good, *bad; /* values separated by " ; "; "" = none */
} cases[] = {
    { "{}", "1 ; null ; {\"a\":[]} ; \"x\"", "" },
    { "{\"type\":\"object\"}", "{} ; {\"a\":1}", "[] ; 1 ; null" },
    { "{\"type\":\"integer\"}", "1 ; -3 ; 2.0 ; 1e3", "1.5 ; \"1\" ; true" },
    { "{\"type\":\"number\"}", "1 ; 1.5", "\"1\" ; null" },
    { "{\"type\":[\"string\",\"null\"]}", "\"a\" ; null", "1 ; []" },
    { "{\"type\":\"boolean\"}", "true ; false", "0 ; \"true\"" },
    { "{\"enum\":[1,\"a\",null,[1,{\"x\":2,\"y\":3}]]}",
      "1.0 ; \"a\" ; null ; [1,{\"y\":3,\"x\":2}]", "2 ; \"A\" ; [1,{\"x\":2}] ; false" },
    { "{\"const\":{\"a\":[1]}}", "{\"a\":[1.0]}", "{\"a\":[]} ; {} ; {\"a\":[1],\"b\":0}" },
    { "{\"properties\":{\"a\":{\"type\":\"string\"}},\"required\":[\"a\"]}",
      "{\"a\":\"\"} ; {\"a\":\"x\",\"b\":1} ; [] ; 3", "{} ; {\"a\":1}" },
    { "{\"properties\":{\"a\":{}},\"additionalProperties\":false}", "{\"a\":1} ; {}", "{\"b\":1}" },
    { "{\"additionalProperties\":{\"type\":\"number\"}}", "{\"b\":1}", "{\"b\":\"1\"}" },
    { "{\"patternProperties\":{\"^x_\":{\"type\":\"number\"}},\"additionalProperties\":false}",
      "{\"x_a\":1} ; {}", "{\"x_a\":\"\"} ; {\"a\":1}" },
    { "{\"propertyNames\":{\"maxLength\":2}}", "{\"ab\":1}", "{\"abc\":1}" },
    { "{\"minProperties\":1,\"maxProperties\":2}", "{\"a\":1}", "{} ; {\"a\":1,\"b\":1,\"c\":1}" },
    { "{\"dependentRequired\":{\"a\":[\"b\"]}}", "{\"a\":1,\"b\":1} ; {\"b\":1}", "{\"a\":1}" },
    { "{\"dependentSchemas\":{\"a\":{\"required\":[\"c\"]}}}", "{\"a\":1,\"c\":1} ; {}",
      "{\"a\":1}" },
    { "{\"items\":{\"type\":\"integer\"}}", "[] ; [1,2] ; \"no array\"", "[1,\"a\"] ; [1.5]" },
    { "{\"prefixItems\":[{\"type\":\"string\"},{\"type\":\"number\"}],\"items\":false}",
      "[] ; [\"a\"] ; [\"a\",1]", "[1] ; [\"a\",1,2]" },
    { "{\"contains\":{\"const\":1},\"minContains\":2,\"maxContains\":3}", "[1,1] ; [1,2,1,1]",
      "[1] ; [1,1,1,1] ; []" },
    { "{\"contains\":{\"const\":1},\"minContains\":0}", "[] ; [2]", "" },
    { "{\"minItems\":1,\"maxItems\":2}", "[1] ; [1,2]", "[] ; [1,2,3]" },
    { "{\"uniqueItems\":true}", "[1,2] ; [] ; [1,true] ; [0,false]",
      "[1,1.0] ; [{\"a\":1,\"b\":2},{\"b\":2,\"a\":1}]" },
    { "{\"minLength\":2,\"maxLength\":3}", "\"\u00e4\u00f6\u00fc\" ; \"\U0001F600\U0001F600\"",
      "\"\u00e4\" ; \"abcd\"" },
    { "{\"pattern\":\"^\\\\d{4}-\\\\d\\\\d$\"}", "\"2024-01\" ; 5", "\"24-01\" ; \"2024-01x\"" },
    { "{\"pattern\":\"[\\\\w.-]+@(?:a|b)\\\\.org\"}", "\"x.y-z@b.org\"",
      "\"x@c.org\" ; \"@a.org\"" },
    { "{\"pattern\":\"^.$\"}", "\"\u00e9\" ; \"x\"", "\"\\n\" ; \"ab\"" },
    { "{\"pattern\":\"^[\\\\]^-]$\"}", "\"]\" ; \"^\" ; \"-\"", "\"a\" ; \"\\\\\"" },
    { "{\"pattern\":\"^[\\\\^]$\"}", "\"^\"", "\"a\"" },
    { "{\"pattern\":\"^[^\\\\d\\\\s]+$\"}", "\"abc\"", "\"a1\" ; \"a b\"" },
    { "{\"pattern\":\"^\\\\S+\\\\W$\"}", "\"ab!\"", "\"a b!\" ; \"ab\"" },
    { "{\"minimum\":0,\"exclusiveMaximum\":10}", "0 ; 9.99", "-1 ; 10" },
    { "{\"exclusiveMinimum\":0,\"maximum\":1}", "0.1 ; 1", "0 ; 1.1" },
    { "{\"multipleOf\":0.01}", "19.99 ; 0.07 ; 0 ; -3", "19.995" },
    { "{\"multipleOf\":7}", "14 ; -7", "15" },
    { "{\"allOf\":[{\"minimum\":1},{\"maximum\":2}]}", "1.5", "0 ; 3" },
    { "{\"anyOf\":[{\"type\":\"string\"},{\"minimum\":5}]}", "\"a\" ; 6", "4" },
    { "{\"oneOf\":[{\"minimum\":1},{\"maximum\":5}]}", "0 ; 6", "3" },
    { "{\"not\":{\"type\":\"null\"}}", "1", "null" },
    { "{\"if\":{\"properties\":{\"k\":{\"const\":1}},\"required\":[\"k\"]},\"then\":{\"required\":"
      "[\"a\"]},\"else\":{\"required\":[\"b\"]}}",
      "{\"k\":1,\"a\":0} ; {\"k\":2,\"b\":0} ; {\"b\":1}", "{\"k\":1} ; {\"k\":2,\"a\":1}" },
    { "{\"$ref\":\"#/$defs/a~1b\",\"maximum\":5,\"$defs\":{\"a/b\":{\"type\":\"integer\"}}}", "3",
      "6 ; 1.5 ; \"a\"" },
    { "{\"type\":\"object\",\"properties\":{\"next\":{\"$ref\":\"#\"}},\"additionalProperties\":"
      "false}",
      "{\"next\":{\"next\":{}}}", "{\"next\":{\"nxt\":1}}" },
    { "{\"properties\":{\"a\":true,\"b\":false}}", "{\"a\":1}", "{\"b\":1}" },
    { "{\"format\":\"date\",\"title\":\"t\",\"x-order\":1,\"description\":\"d\",\"default\":3}",
      "\"no date\"", "" },
    { "{\"type\":\"object\"}", "",
      "{\"a\":1,\"a\":2} ; {\"b\":{\"a\":1,\"a\":1}} ; nonsense ; {} {}" },
};

static const struct {
    const char *schema, *says;
} refused[] = {
    { "{\"type\":\"objekt\"}", "not objekt" },
    { "{\"propertis\":{}}", "did you mean properties?" },
    { "{\"properties\":{\"a\":{\"typ\":\"string\"}}}", "#/properties/a: there is no keyword typ" },
    { "{\"properties\":[]}", "properties must be an object" },
    { "{\"required\":\"a\"}", "required must be a list" },
    { "{\"items\":[{}]}", "prefixItems" },
    { "{\"nullable\":true}", "nullable is not supported" },
    { "{\"unevaluatedProperties\":false}", "unevaluatedProperties is not supported" },
    { "{\"$ref\":\"http://example.org/s\"}", "only references within" },
    { "{\"$ref\":\"#/$defs/none\"}", "there is no such schema" },
    { "{\"pattern\":\"(?!a)\"}", "looks ahead" },
    { "{\"pattern\":\"(a)\\\\1\"}", "refers back" },
    { "{\"pattern\":\"[a\"}", "not closed" },
    { "{\"pattern\":\"(a\"}", "no regular expression" },
    { "{\"minLength\":-1}", "whole number" },
    { "{\"multipleOf\":0}", "above 0" },
    { "{\"exclusiveMinimum\":true}", "must be a number" },
    { "{\"anyOf\":[]}", "list of schemas" },
    { "{\"enum\":3}", "list of values" },
    { "{\"$schema\":\"http://json-schema.org/draft-03/schema\"}", "dialect" },
    { "{\"type\":\"string\",\"type\":\"number\"}", "twice" },
    { "{\"properties\":{\"a\":3}}", "a schema is an object" },
    { "[1]", "no JSON Schema" },
    { "\"x\"", "no JSON Schema" },
    { "{", "JSON" },
    { "", "JSON" },
};

static bool allowed(const struct schema *s, struct str value)
{
    cleanup_buf struct buf why = BUF_MAX(MAX_CONF_BYTES);
    bool r = schema_allows(s, value, &why);

    if (r != (why.n == 0))
        printf("# a verdict without a reason, or a reason without: %s\n", buf_cstr(&why));
    return r && why.n == 0;
}

/* The values of one side of a row; the number of those whose verdict is not `want`. */
static int wrong_ones(const struct schema *s, const char *values, bool want)
{
    int wrong = 0;

    for (const char *p = values; *p;) {
        const char *end = strstr(p, " ; ");
        struct str v = { p, end ? (size_t)(end - p) : strlen(p) };
        if (allowed(s, v) != want) {
            printf("# %.*s should be %s\n", (int)v.n, v.p, want ? "allowed" : "refused");
            wrong++;
        }
        p += v.n + (end ? 3 : 0);
    }
    return wrong;
}

static void check_reasons(void)
{
    struct err e = ERR_INIT;
    cleanup_buf struct buf why = BUF_MAX(MAX_CONF_BYTES);
    struct schema *s = schema_read(
        STR("{\"type\":\"object\",\"properties\":{\"rows\":{\"type\":\"array\",\"items\":{\"type\":"
            "\"object\",\"properties\":{\"n\":{\"type\":\"integer\"}},\"required\":[\"n\"]}}},"
            "\"required\":[\"rows\",\"total\"],\"additionalProperties\":false}"),
        &e);

    CHECK(s &&
              !schema_allows(s, STR("{\"rows\":[{\"n\":1},{\"n\":\"x\"},{}],\"\\u001b\":1}"), &why),
          "several faults at once");
    CHECK(strstr(buf_cstr(&why), "/rows/1/n: must be of type integer, is a string\n"),
          "the place and the fault are said");
    CHECK(strstr(buf_cstr(&why), "/rows/2: the member \"n\" is missing\n"), "a missing member");
    CHECK(strstr(buf_cstr(&why), "the answer: the member \"total\" is missing\n"), "at the top");
    CHECK(!strchr(buf_cstr(&why), 0x1b), "no control character of the answer's comes through");
    schema_free(s);
}

/* Neither a deep nor a wide nor an endless one costs more than the bounds say. */
static void check_bounds(void)
{
    struct err e = ERR_INIT;
    cleanup_buf struct buf why = BUF_MAX(MAX_CONF_BYTES), b = BUF_MAX(MAX_CONF_BYTES * 16);
    struct schema *s = schema_read(STR("{\"$ref\":\"#\"}"), &e);

    CHECK(s && !schema_allows(s, STR("1"), &why) && strstr(buf_cstr(&why), "to be checked"),
          "a reference to itself ends");
    schema_free(s);
    s = schema_read(STR("{\"anyOf\":[{\"$ref\":\"#\"},{\"$ref\":\"#\"}],\"type\":\"string\"}"), &e);
    buf_clear(&why);
    CHECK(s && !schema_allows(s, STR("\"x\""), &why), "one that doubles at each step ends");
    schema_free(s);
    s = schema_read(STR("{\"uniqueItems\":true}"), &e);
    buf_puts(&b, "[0");
    for (int i = 1; i < 200000; i++)
        buf_putf(&b, ",%d", i);
    buf_puts(&b, "]");
    buf_clear(&why);
    CHECK(s && !schema_allows(s, buf_str(&b), &why) && strstr(buf_cstr(&why), "too large"),
          "pairs of two hundred thousand items are not all compared");
    schema_free(s);
    buf_clear(&b);
    for (int i = 0; i < 300; i++)
        buf_puts(&b, "{\"not\":");
    buf_puts(&b, "{}");
    for (int i = 0; i < 300; i++)
        buf_puts(&b, "}");
    s = schema_read(buf_str(&b), &e);
    CHECK(s == NULL, "a schema three hundred deep is refused");
    schema_free(s);
}

static void check_text(void)
{
    cleanup_buf struct buf b = BUF_MAX(1000);

    CHECK(str_is(schema_payload(STR(" {\"a\":1}\n")), "{\"a\":1}"), "white space goes");
    CHECK(str_is(schema_payload(STR("```json\n{\"a\":1}\n```\n")), "{\"a\":1}"), "a fence goes");
    CHECK(str_starts(schema_payload(STR("Here:\n```json\n{}\n```")), "Here"), "words do not");
    CHECK(str_starts(schema_payload(STR("```\n1\n```\n```\n2\n```")), "```"), "nor do two fences");
    schema_words(STR("{\"top_10\":{\"n\":42.50,\"s\":\"a\\nb 7\\\"q\\\"\"}}"), &b);
    CHECK(strcmp(buf_cstr(&b), "{top_:{n:42.50,s:a\nb 7\"q\"}}") == 0,
          "what an answer says, without names' digits: %s", buf_cstr(&b));
}

static int pairs(void)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;

    while ((n = getline(&line, &cap, stdin)) > 0) {
        struct str value = { line, (size_t)n - (line[n - 1] == '\n') }, schema;
        struct err e = ERR_INIT;
        cleanup_buf struct buf why = BUF_MAX(MAX_CONF_BYTES);
        (void)str_cut(&value, '\t', &schema);
        struct schema *s = schema_read(schema, &e);
        puts(s == NULL ? "refused" : schema_allows(s, value, &why) ? "valid" : "invalid");
        schema_free(s);
    }
    free(line);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--pairs") == 0)
        return pairs();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e = ERR_INIT;
        struct schema *s = schema_read(str_of(cases[i].schema), &e);
        CHECK(s && wrong_ones(s, cases[i].good, true) + wrong_ones(s, cases[i].bad, false) == 0,
              "%s%s%s", cases[i].schema, s ? "" : " is refused: ", e.msg);
        schema_free(s);
    }
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct err e = ERR_INIT;
        struct schema *s = schema_read(str_of(refused[i].schema), &e);
        CHECK(s == NULL && e.code == ERR_USAGE && strstr(e.msg, refused[i].says), "%s: %s",
              refused[i].schema, e.msg);
        schema_free(s);
    }
    check_reasons();
    check_bounds();
    check_text();
    return tap_done();
}
