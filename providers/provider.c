#include "providers/provider.h"
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/mem.h"
#include "providers/errbody.h"
#include "agent/base/banned.h"

/* One row per wire format. */
extern const struct codec codec_openai_chat;
static const struct codec *const codecs[] = { &codec_openai_chat };

const struct codec *codec_find(const char *name)
{
    for (size_t i = 0; name && i < ARRAY_LEN(codecs); i++)
        if (strcmp(codecs[i]->name, name) == 0)
            return codecs[i];
    return NULL;
}

void provider_error_text(struct str body, struct buf *out)
{
    struct errbody eb;

    errbody_read(body, &eb);
    buf_puts(out, eb.text);
}

/* Counts the values of a JSON text and sees whether it ends in the middle. */
static void survey(struct str s, size_t *values, bool *open)
{
    size_t depth = 0;
    bool in_string = false;

    *values = 1;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            depth++;
            ++*values;
        } else if (c == ',') {
            ++*values;
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    *open = in_string || depth > 0;
}

/* cJSON turns the escape for NUL into a real NUL, which then ends the C string: all text after it
 * would be lost without a word. It becomes the replacement character instead. */
static void replace_nul_escapes(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n;) {
        size_t run = 0;
        while (i + run < s.n && s.p[i + run] == '\\')
            run++;
        if (run % 2 == 1 && str_starts(str_from(s, i + run), "u0000")) {
            buf_put(out, s.p + i, run);
            buf_puts(out, "ufffd");
            i += run + 5;
        } else {
            size_t n = run ? run : 1;
            buf_put(out, s.p + i, n);
            i += n;
        }
    }
}

struct cJSON *reply_json(struct str s, struct err *e)
{
    size_t values;
    bool open;

    survey(s, &values, &open);
    if (values > REPLY_MAX_VALUES) {
        err_set(e, ERR_PROVIDER, 0, "JSON with more than %d values: that is no chat reply",
                REPLY_MAX_VALUES);
        return NULL;
    }
    cleanup_buf struct buf fixed = BUF_MAX(SIZE_MAX / 2);
    if (s.n && memmem(s.p, s.n, "\\u0000", 6)) {
        replace_nul_escapes(&fixed, s);
        s = buf_str(&fixed);
    }
    struct cJSON *j = json_parse(s, e);
    if (j == NULL && open && str_starts(str_of(e->msg), "not JSON: syntax"))
        e->code = ERR_NET; /* cut off on its way: another attempt may bring it whole */
    return j;
}
