#include "providers/provider.h"
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/base/banned.h"

/* One row per wire format. */
extern const struct codec codec_openai_chat, codec_anthropic_messages, codec_openai_responses,
    codec_gemini_generate_content, codec_ollama_chat;
static const struct codec *const codecs[] = {
    &codec_openai_chat,        &codec_openai_responses,
    &codec_anthropic_messages, &codec_gemini_generate_content,
    &codec_ollama_chat,
};

const struct codec *codec_find(const char *name)
{
    for (size_t i = 0; name && i < ARRAY_LEN(codecs); i++)
        if (strcmp(codecs[i]->name, name) == 0)
            return codecs[i];
    return NULL;
}

void codec_path(const struct codec *c, const struct chat_request *rq, struct buf *out)
{
    if (c->path)
        buf_puts(out, c->path);
    else
        c->path_of(rq, out);
}

void codec_headers(const struct codec *c, const char *key, enum chat_auth auth, struct buf *lines)
{
    static const char *const fronts[] = {
        [CHAT_AUTH_BEARER] = "Authorization: Bearer ",
        [CHAT_AUTH_API_KEY] = "api-key: ",
        [CHAT_AUTH_X_API_KEY] = "x-api-key: ",
        [CHAT_AUTH_X_GOOG_API_KEY] = "x-goog-api-key: ",
    };

    buf_puts(lines, "Content-Type: application/json\n");
    if (c->headers)
        buf_puts(lines, c->headers);
    if (key)
        buf_putf(lines, "%s%s\n", fronts[auth == CHAT_AUTH_OWN ? c->auth : auth], key);
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

static int hex4(struct str s)
{
    int v = 0;

    if (s.n < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = s.p[i];
        int d = c >= '0' && c <= '9'                 ? c - '0'
                : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                     : -1;
        if (d < 0)
            return -1;
        v = v * 16 + d;
    }
    return v;
}

/* The bytes of the escape at `s` (behind its backslash) that are kept: 5 for a character, 11 for a
 * pair of surrogates, 0 if it stands for nothing that a C string or UTF-8 can hold. */
static size_t good_escape(struct str s)
{
    int a = hex4(str_from(s, 1));

    if (a < 0)
        return 1; /* broken: the parser will say so */
    if (a >= 0xD800 && a <= 0xDBFF) {
        int b = str_starts(str_from(s, 5), "\\u") ? hex4(str_from(s, 7)) : -1;
        return b >= 0xDC00 && b <= 0xDFFF ? 11 : 0;
    }
    return a == 0 || (a >= 0xDC00 && a <= 0xDFFF) ? 0 : 5;
}

/* Makes the text one that cJSON reads without loss: an escaped NUL would end the C string and take
 * all text after it along, and half a surrogate pair (models do cut them) or a broken byte would
 * spoil the whole reply. Each becomes U+FFFD. */
static void mend(struct buf *out, struct str s)
{
    while (s.n) {
        size_t n = utf8_seq(s, NULL), keep;
        if (n == 0) {
            buf_puts(out, "\xEF\xBF\xBD");
            n = 1;
        } else if (s.p[0] != '\\' || s.n < 2) {
            buf_put(out, s.p, n);
        } else if (s.p[1] != 'u') {
            n = 1 +
                (s.p[1] > 0 ? 1 : 0); /* \" and \\ as a whole, so that no u follows by mistake */
            buf_put(out, s.p, n);
        } else if ((keep = good_escape(str_from(s, 1))) > 0) {
            n = keep + 1;
            buf_put(out, s.p, n);
        } else {
            buf_puts(out, "\\ufffd");
            n = 6;
        }
        s = str_from(s, n);
    }
}

static bool needs_mending(struct str s)
{
    return s.n && (memmem(s.p, s.n, "\\u0000", 6) || memmem(s.p, s.n, "\\ud", 3) ||
                   memmem(s.p, s.n, "\\uD", 3) || !utf8_valid(s));
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
    if (needs_mending(s)) {
        mend(&fixed, s);
        s = buf_str(&fixed);
    }
    struct cJSON *j = json_parse_exact(s, e);
    if (j == NULL && open && str_starts(str_of(e->msg), "not JSON: syntax"))
        e->code = ERR_NET; /* cut off on its way: another attempt may bring it whole */
    return j;
}
