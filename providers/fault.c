#include "providers/fault.h"
#include <stdio.h>
#include <string.h>
#include "agent/base/utf8.h"
#include "providers/http.h"
#include "providers/retry.h"
#include "agent/base/banned.h"

static bool has(const char *text, const char *part)
{
    return strcasestr(text, part) != NULL;
}

/* Some services answer 400 for a wrong key. */
static bool is_key_fault(long status, const struct errbody *b)
{
    if (status == 401 || status == 403)
        return true;
    return status == 400 &&
           (!strcmp(b->code, "API_KEY_INVALID") || !strcmp(b->code, "invalid_api_key") ||
            (has(b->text, "api key") &&
             (has(b->text, "incorrect") || has(b->text, "not valid") || has(b->text, "invalid"))));
}

static int key_fault(const struct fault_place *p, long status, const char *text, struct err *e)
{
    const char *hint = p->key_hint ? p->key_hint : "the settings";

    if (!p->has_key)
        return err_set(e, ERR_CONFIG, 0,
                       "%s wants a key and none was sent (HTTP %ld: %s). Put the key into %s",
                       p->host, status, text, hint);
    return err_set(
        e, ERR_CONFIG, 0,
        "%s refuses the key (HTTP %ld: %s). The key came from %s: is it whole, still valid, "
        "of this service, and allowed to use the model %s?",
        p->host, status, text, hint, p->model);
}

static int redirect(const struct fault_place *p, long status, struct str headers, struct err *e)
{
    cleanup_buf struct buf to = BUF_MAX(400);
    struct str where = http_header(headers, "location"), front;

    str_cut(&where, '?', &front); /* a query may hold secrets */
    errbody_clean(&to, front, 300);
    return err_set(
        e, ERR_PROVIDER, (int)status,
        "%s answers with a redirect (HTTP %ld) to %s. Redirects are not followed, since the "
        "key would go along: if that is the right place, make it the base URL",
        p->url, status, to.n ? buf_cstr(&to) : "(nowhere)");
}

/* The id that a service's support asks for; " (request id ...)" or nothing. */
static void request_id(struct str headers, struct buf *out)
{
    static const char *const names[] = { "x-request-id", "request-id", "apim-request-id",
                                         "mistral-correlation-id" };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct str id = http_header(headers, names[i]);
        if (id.n) {
            buf_puts(out, " (request id ");
            errbody_clean(out, id, 80);
            buf_puts(out, ")");
            return;
        }
    }
}

static int too_many(const struct fault_place *p, long status, const char *text,
                    const struct errbody *b, const char *id, struct err *e)
{
    const char *never = retry_hopeless(status, b);

    if (never)
        return err_set(
            e, ERR_PROVIDER, (int)status,
            "%s: %s (HTTP %ld: %s)%s. Waiting will not help: look at the plan and billing "
            "of the account",
            p->host, never, status, text, id);
    return err_set(
        e, ERR_PROVIDER, (int)status,
        "%s limits the rate of requests (HTTP %ld: %s)%s. Wait a little, or use a model or "
        "key with a higher limit",
        p->host, status, text, id);
}

int fault_refused(const struct fault_place *p, long status, struct str headers,
                  const struct errbody *b, struct err *e)
{
    cleanup_buf struct buf id = BUF_MAX(200), words = BUF_MAX(700);
    const char *text = b->text[0] ? b->text : "no explanation";

    if (b->html) {
        buf_putf(&words, "a web page%s%s, not an API's answer", b->text[0] ? ": " : "", b->text);
        text = buf_cstr(&words);
    }
    request_id(headers, &id);
    if (status >= 300 && status < 400)
        return redirect(p, status, headers, e);
    if (is_key_fault(status, b))
        return key_fault(p, status, text, e);
    if (status == 404 && p->model[0] == '\0') /* its list of models */
        return err_set(e, ERR_PROVIDER, 404,
                       "%s has nothing at %s (HTTP 404: %s)%s. Check that the base URL ends in its "
                       "version part, as in https://api.openai.com/v1",
                       p->host, p->url, text, buf_cstr(&id));
    if (status == 404)
        return err_set(
            e, ERR_PROVIDER, 404,
            "%s does not know the model %s or the path of %s (HTTP 404: %s)%s. Check the "
            "model's name (-m), and that the base URL ends in its version part, as in "
            "https://api.openai.com/v1",
            p->host, p->model, p->url, text, buf_cstr(&id));
    if (status == 413 || ((status == 400 || status == 422) && errbody_too_long(b)) ||
        (status == 429 && has(b->text, "request too large")))
        return err_set(
            e, ERR_CONTEXT, (int)status,
            "the conversation is too long for the model %s (HTTP %ld: %s)%s. Ask for less at "
            "once, lower output_cap, or use a model with a larger context",
            p->model, status, text, buf_cstr(&id));
    if (status == 402 || status == 429)
        return too_many(p, status, text, b, buf_cstr(&id), e);
    if (status == 400 && has(b->text, "/v1/responses"))
        return err_set(
            e, ERR_PROVIDER, 400,
            "the model %s takes no tools in chat completions (HTTP 400: %s)%s. Use another "
            "model",
            p->model, text, buf_cstr(&id));
    if (status >= 500 || status == 408 || status == 409)
        return err_set(
            e, ERR_PROVIDER, (int)status,
            "%s failed (HTTP %ld: %s)%s. It is a fault on the service's side: try again later",
            p->host, status, text, buf_cstr(&id));
    return err_set(e, ERR_PROVIDER, (int)status, "%s refuses the request (HTTP %ld: %s)%s", p->host,
                   status, text, buf_cstr(&id));
}

int fault_final(const struct fault_place *p, int attempts, const char *why_no_more, struct err *e)
{
    char old[sizeof e->msg], tried[80] = "";
    const char *advice = "";

    if (e->code != ERR_NET && e->code != ERR_PROVIDER && e->code != ERR_CONTEXT)
        return -1;
    memcpy(old, e->msg, sizeof old);
    if (attempts > 1)
        snprintf(tried, sizeof tried, " [tried %d times]", attempts);
    if (has(old, "no connection to") || has(old, "no address is known"))
        advice = ". Is the server running, and is the address right? It comes from base_url "
                 "(OPENAI_BASE_URL), or from the service that the model names (agent models)";
    bool named = p->replay || has(old, p->host);
    int room = (int)(sizeof old - strlen(advice) - strlen(tried)) - 200;
    return err_set(e, e->code, e->sys, "%s%s%.*s%s%s%s", named ? "" : p->host, named ? "" : ": ",
                   room, old, advice, tried, why_no_more ? why_no_more : "");
}

int fault_not_json(const struct fault_place *p, struct str content_type, struct str head,
                   struct err *e)
{
    cleanup_buf struct buf type = BUF_MAX(100), bytes = BUF_MAX(200);

    errbody_clean(&type, content_type, 80);
    errbody_clean(&bytes, utf8_head(str_trim(head), 100), 160);
    return err_set(e, ERR_PROVIDER, 0,
                   "the answer of %s is no JSON: content type %s, it begins with \"%s\". Is %s the "
                   "address of an OpenAI-compatible API, with its version part, such as /v1?",
                   p->host, type.n ? buf_cstr(&type) : "(none)", buf_cstr(&bytes), p->url);
}
