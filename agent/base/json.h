/* cJSON with types and bounds: getters that never return a surprise. Not linked into agent-sandbox.
 */
#ifndef AGENT_BASE_JSON_H
#define AGENT_BASE_JSON_H

#include <stdint.h>
#include "err.h"
#include "str.h"

struct cJSON;

/* Parses one JSON text: all of `s` (white space around it allowed), at most JSON_MAX_DEPTH deep, no
 * NUL inside. Checked before cJSON sees it, so that a bomb costs nothing; an escaped NUL becomes
 * U+FFFD. NULL on failure, with ERR_PROVIDER and the offset. Caller deletes with cJSON_Delete or
 * holds it in a cleanup_json. */
struct cJSON *json_parse(struct str s, struct err *e);

/* The same for what is given on: an integer of more than 15 digits is kept as it is written, so
 * that json_text() has each of its digits. It is of cJSON's raw type, and no number for the
 * getters. */
struct cJSON *json_parse_exact(struct str s, struct err *e);

void cleanup_jsonp(struct cJSON **j);
#define cleanup_json __attribute__((cleanup(cleanup_jsonp)))

/* Appends one JSON text without its white space, digit for digit: all of `text`, strictly RFC 8259,
 * at most JSON_MAX_DEPTH deep, valid UTF-8. It then fits into one line. False: it is none, and
 * what was appended is of no use. Much cheaper than json_parse for large values from outside. */
bool json_compact(struct str text, struct buf *out);

/* Members of an object; NULL, false or the default when absent, null or of another type.
 * Case-sensitive. */
const struct cJSON *json_get(const struct cJSON *o, const char *name);
const char *json_str(const struct cJSON *o, const char *name);
const struct cJSON *json_obj(const struct cJSON *o, const char *name);
const struct cJSON *json_arr(const struct cJSON *o, const char *name);
int64_t json_int(const struct cJSON *o, const char *name, int64_t def); /* clamped to int64 */
double json_num(const struct cJSON *o, const char *name, double def);
bool json_bool(const struct cJSON *o, const char *name, bool def);

/* Adds a string made valid UTF-8 (invalid bytes become U+FFFD, NUL is kept out). */
void json_add_str(struct cJSON *o, const char *name, struct str s);
void json_add_int(struct cJSON *o, const char *name, int64_t v); /* exact up to 2^53 */
/* Compact text; caller frees. */
char *json_text(const struct cJSON *j);
/* Appends `s` as a quoted JSON string. */
void json_quote(struct buf *out, struct str s);

#endif
