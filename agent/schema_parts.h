/* What schema.c (reading) and schema_check.c (checking) share. */
#ifndef AGENT_SCHEMA_PARTS_H
#define AGENT_SCHEMA_PARTS_H

#include <regex.h>
#include "agent/schema.h"

struct cJSON;

struct schema {
    struct cJSON *root;
    char *text;
    struct schema_pattern {
        const char *source; /* in `root` */
        regex_t re;
    } * patterns;
    size_t n_patterns;
};

/* Bits of the word of `type`; 0 = there is no such type. */
enum {
    TYPE_NULL = 1,
    TYPE_BOOLEAN = 2,
    TYPE_INTEGER = 4,
    TYPE_NUMBER = 8,
    TYPE_STRING = 16,
    TYPE_ARRAY = 32,
    TYPE_OBJECT = 64
};
unsigned schema_type_bit(const char *word);
/* What "#", "#/$defs/x" or another pointer within the schema stands for; NULL if there is none. */
const struct cJSON *schema_target(const struct cJSON *root, const char *ref);

/* A pattern of the standard's regular expressions (ECMAScript's) as one for regcomp; false with
 * `why` when it has what that cannot do. */
bool schema_regex(const char *source, struct buf *out, const char **why);
/* Compiles, and looks for, by characters and not bytes, whatever the locale of the process. */
bool schema_regcomp(regex_t *re, const char *ere);
bool schema_regexec(const regex_t *re, const char *text);

#endif
