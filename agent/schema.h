/* JSON Schema (draft 2020-12), as far as people write it for answers: every keyword that decides
 * whether a value is valid is either obeyed or refused when the schema is read, so that a verdict
 * can be relied on. `format` and the other annotations decide nothing, as the standard has it.
 *
 * Bounds: a check takes at most SCHEMA_STEPS steps and SCHEMA_DEPTH levels, whatever schema and
 * value are; beyond them the value counts as not valid and the reason says so. Pure but for
 * schema_open(), which reads a file. */
#ifndef AGENT_SCHEMA_H
#define AGENT_SCHEMA_H

#include "agent/base/err.h"
#include "agent/base/str.h"

#define SCHEMA_STEPS 5000000
#define SCHEMA_DEPTH 400 /* of schemas within schemas, references followed */

struct schema;
/* `what` is a file's path, or the schema itself when it begins with "{". ERR_USAGE says what is
 * wrong with it and where. Caller frees. */
struct schema *schema_open(const char *what, struct err *e);
/* The same from memory. */
struct schema *schema_read(struct str text, struct err *e);
void schema_free(struct schema *s);              /* NULL is fine */
const char *schema_text(const struct schema *s); /* its JSON, compact */

/* The JSON of an answer: without white space around it, and without a Markdown fence when the whole
 * answer is one. A view into `answer`. */
struct str schema_payload(struct str answer);
/* What a JSON text says, for who looks for numbers and names in it: strings without their escapes,
 * and members' names without digits, since "top_10" is the schema's word and no claim. */
void schema_words(struct str json, struct buf *out);
/* Is `json` one JSON text that the schema allows? When not, the first reasons are appended to
 * `why`, one a line: "/items/0/price: must be a number, is a string". */
bool schema_allows(const struct schema *s, struct str json, struct buf *why);

#endif
