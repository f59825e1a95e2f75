/* Services do not agree on the shape of an error (an object, a string, an array around either, a
 * "message", a "detail"), so this looks in all the places that were seen, in a fixed order. */
#include "providers/errbody.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/log.h"
#include "agent/base/utf8.h"
#include "providers/provider.h"
#include "agent/base/banned.h"

static bool is_key_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '*' || c == '.';
}

static bool looks_like_key(struct str word)
{
    static const char *const fronts[] = {
        "sk-",    "sk_",  "gsk_",  "xai-", "AIza", "hf_",
        "nvapi-", "csk-", "pplx-", "r8_",  "ghp_", "github_pat_"
    };

    if (word.n < 8)
        return false;
    for (size_t i = 0; i < sizeof fronts / sizeof fronts[0]; i++)
        if (str_starts(word, fronts[i]))
            return true;
    /* "abc1****wxyz": a key that the service masked itself still shows its ends */
    return memmem(word.p, word.n, "***", 3) != NULL;
}

void errbody_clean(struct buf *out, struct str s, size_t max)
{
    cleanup_buf struct buf plain = BUF_MAX(4 * MIB), masked = BUF_MAX(4 * MIB);
    cleanup_buf struct buf safe = BUF_MAX(16 * MIB);

    if (s.n > 64 * KIB)
        s = utf8_head(s, 64 * KIB); /* no error text is this long; the cost stays bounded */
    secret_redact(&plain, s);
    for (struct str r = buf_str(&plain); r.n;) {
        size_t n = 0;
        while (n < r.n && is_key_char(r.p[n]))
            n++;
        if (n && looks_like_key((struct str){ r.p, n }))
            buf_puts(&masked, "[redacted]");
        else
            buf_put(&masked, r.p, n ? n : 1);
        r = str_from(r, n ? n : 1);
    }
    /* Line breaks read better as spaces than as escapes. */
    for (size_t i = 0; i < masked.n; i++)
        if (masked.p[i] == '\n' || masked.p[i] == '\r' || masked.p[i] == '\t')
            masked.p[i] = ' ';
    utf8_clean_line(&safe, str_trim(buf_str(&masked)));
    struct str t = utf8_head(buf_str(&safe), max);
    if (t.n < safe.n && max > 8) {
        buf_putstr(out, utf8_head(t, max - 3));
        buf_puts(out, "...");
    } else {
        buf_putstr(out, t);
    }
}

static void set_word(char *dst, size_t size, const char *s)
{
    if (s != NULL && dst[0] == '\0')
        snprintf(dst, size, "%.*s", (int)size - 1, s);
}

/* "48s", "34.4s", "1m12s", "174ms" */
static int64_t duration_ms(const char *s)
{
    double total = 0;

    while (*s) {
        char *end;
        double v = strtod(s, &end);
        if (end == s || !(v >= 0) || v > 1e7)
            break;
        if (end[0] == 'm' && end[1] == 's') {
            total += v;
            end += 2;
        } else if (*end == 'h') {
            total += v * 3600000;
            end++;
        } else if (*end == 'm') {
            total += v * 60000;
            end++;
        } else if (*end == 's') {
            total += v * 1000;
            end++;
        } else {
            break;
        }
        s = end;
    }
    return total > 1e9 ? (int64_t)1e9 : (int64_t)total;
}

/* Gemini's details[]: how long to wait, and which quota it was. */
static void read_details(const cJSON *details, struct errbody *ret)
{
    const cJSON *d, *v;

    cJSON_ArrayForEach(d, details)
    {
        const char *delay = json_str(d, "retryDelay");
        if (delay)
            ret->wait_ms = duration_ms(delay);
        if (json_str(d, "reason"))
            set_word(ret->code, sizeof ret->code, json_str(d, "reason"));
        cJSON_ArrayForEach(v, json_arr(d, "violations"))
        {
            const char *id = json_str(v, "quotaId");
            if (id && strstr(id, "PerDay"))
                ret->per_day = true;
        }
    }
}

/* FastAPI style, in several services: [{"loc":["body","temperature"],"msg":"...","type":"..."}] */
static bool read_validation(const cJSON *list, struct buf *text, struct errbody *ret)
{
    const cJSON *first = cJSON_IsArray(list) ? cJSON_GetArrayItem(list, 0) : NULL;
    const cJSON *loc;
    const char *msg = json_str(first, "msg");

    if (msg == NULL)
        return false;
    cJSON_ArrayForEach(loc, json_arr(first, "loc"))
    {
        if (cJSON_IsString(loc) && strcmp(loc->valuestring, "body") != 0) {
            buf_putf(text, "%s: ", loc->valuestring);
            ret->param[0] = '\0';
            set_word(ret->param, sizeof ret->param, loc->valuestring);
        }
    }
    set_word(ret->type, sizeof ret->type, json_str(first, "type"));
    buf_puts(text, msg);
    return true;
}

static void read_error_object(const cJSON *err, struct buf *text, struct errbody *ret)
{
    const cJSON *code = json_get(err, "code"), *meta = json_obj(err, "metadata");
    const char *msg = json_str(err, "message"), *raw = json_str(meta, "raw");

    if (cJSON_IsNumber(code))
        ret->status = (long)json_int(err, "code", 0);
    else
        set_word(ret->code, sizeof ret->code, json_str(err, "code"));
    set_word(ret->code, sizeof ret->code, json_str(json_obj(err, "details"), "error_code"));
    set_word(ret->type, sizeof ret->type, json_str(err, "type"));
    set_word(ret->type, sizeof ret->type, json_str(err, "status"));
    set_word(ret->type, sizeof ret->type, json_str(meta, "error_type"));
    set_word(ret->param, sizeof ret->param, json_str(err, "param"));
    if (ret->status == 0)
        ret->status = (long)json_int(err, "status_code", 0);
    read_details(json_arr(err, "details"), ret);
    if (msg)
        buf_puts(text, msg);
    if (raw) /* a router's "provider returned error" says nothing without it */
        buf_putf(text, "%s%s", msg ? ": " : "", raw);
}

static void read_json(const cJSON *j, struct buf *text, struct errbody *ret)
{
    const cJSON *err = json_get(j, "error"), *msg = json_get(j, "message");
    const cJSON *detail = json_get(j, "detail");

    set_word(ret->param, sizeof ret->param, json_str(j, "param"));
    if (cJSON_IsObject(err))
        read_error_object(err, text, ret);
    else if (cJSON_IsString(err))
        buf_puts(text, err->valuestring);
    set_word(ret->code, sizeof ret->code, json_str(j, "code"));
    set_word(ret->type, sizeof ret->type, json_str(j, "type"));
    if (text->n)
        return;
    if (cJSON_IsString(msg))
        buf_puts(text, msg->valuestring);
    else if (cJSON_IsObject(msg) && read_validation(json_get(msg, "detail"), text, ret))
        return;
    else if (cJSON_IsString(detail))
        buf_puts(text, detail->valuestring);
    else
        (void)read_validation(detail, text, ret);
}

/* "... Please try again in 174ms." */
static int64_t wait_in_text(const char *text)
{
    static const char *const fronts[] = { "try again in ", "retry in " };

    for (size_t i = 0; i < sizeof fronts / sizeof fronts[0]; i++) {
        const char *p = strstr(text, fronts[i]);
        if (p)
            return duration_ms(p + strlen(fronts[i]));
    }
    return 0;
}

/* A page made for a browser: its title says more than its first bytes. */
static struct str html_title(struct str body)
{
    const char *a = memmem(body.p, body.n, "<title>", 7);
    const char *z = a ? memmem(a, body.n - (size_t)(a - body.p), "</title>", 8) : NULL;

    return z ? (struct str){ a + 7, (size_t)(z - a) - 7 } : (struct str){ "", 0 };
}

void errbody_read(struct str body, struct errbody *ret)
{
    struct err ignored = ERR_INIT;
    cleanup_buf struct buf text = BUF_MAX(4 * MIB), clean = BUF_MAX(sizeof ret->text);

    memset(ret, 0, sizeof *ret);
    body = str_trim(body);
    ret->html = body.n && body.p[0] == '<';
    cleanup_json cJSON *j = ret->html ? NULL : reply_json(body, &ignored);
    if (j)
        read_json(cJSON_IsArray(j) ? cJSON_GetArrayItem(j, 0) : j, &text, ret);
    if (ret->html && text.n == 0)
        buf_putstr(&text, html_title(body));
    if (text.n == 0)
        buf_putstr(&text, utf8_head(body, 200));
    if (ret->wait_ms == 0)
        ret->wait_ms = wait_in_text(buf_cstr(&text));
    errbody_clean(&clean, buf_str(&text), sizeof ret->text - 1);
    snprintf(ret->text, sizeof ret->text, "%s", buf_cstr(&clean));
}

bool errbody_too_long(const struct errbody *b)
{
    static const char *const words[] = { "context length",
                                         "context window",
                                         "prompt is too long",
                                         "prompt too long",
                                         "exceed context limit",
                                         "available context size",
                                         "maximum number of tokens allowed" };

    if (!strcmp(b->code, "context_length_exceeded") ||
        !strcmp(b->type, "context_length_exceeded") ||
        !strcmp(b->type, "exceed_context_size_error"))
        return true;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcasestr(b->text, words[i]))
            return true;
    return false;
}
