#include "providers/history.h"
#include <cjson/cJSON.h>
#include <stdint.h>
#include <string.h>
#include "agent/base/base64.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/banned.h"

static const char name_letters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
enum { NAME_MAX_LETTERS = 64, SHORT_ID = 9 };

bool history_raw(const struct chat_request *rq, const struct chat_message *m, const char *codec)
{
    return m->raw && m->wire && strcmp(m->wire, codec) == 0 && !(rq->quirks & CHAT_PLAIN_HISTORY) &&
           (m->origin == NULL || rq->origin == NULL || strcmp(m->origin, rq->origin) == 0);
}

const struct chat_message *history_result(const struct chat_request *rq, size_t i, size_t c)
{
    const char *id = rq->messages[i].calls[c].id;

    for (size_t k = i + 1; k < rq->n_messages && rq->messages[k].role == CHAT_TOOL; k++)
        if (rq->messages[k].call_id && strcmp(rq->messages[k].call_id, id) == 0)
            return &rq->messages[k];
    return NULL;
}

const char *history_result_text(const struct chat_message *result)
{
    if (result == NULL)
        return "(no result: the run was interrupted before this call was answered)";
    return history_blank(result->text) ? "(no output)" : result->text;
}

bool history_blank(const char *text)
{
    return str_trim(str_of(text)).n == 0;
}

const char *history_args(const char *args)
{
    struct err ignored = ERR_INIT;
    cleanup_json cJSON *j = json_parse(str_of(args), &ignored);

    return cJSON_IsObject(j) ? args : "{}";
}

void history_put_name(struct buf *out, const char *name)
{
    size_t n = 0;

    buf_putc(out, '"');
    for (; name && name[n] && n < NAME_MAX_LETTERS; n++)
        buf_putc(out, strchr(name_letters, name[n]) ? name[n] : '_');
    buf_puts(out, n ? "\"" : "unnamed\"");
}

static bool used_before(const struct chat_request *rq, size_t i, const char *id)
{
    for (size_t k = 0; k < i; k++)
        for (size_t c = 0; c < rq->messages[k].n_calls; c++)
            if (strcmp(rq->messages[k].calls[c].id, id) == 0)
                return true;
    return false;
}

static bool id_fits(const struct chat_request *rq, const char *id)
{
    size_t n = strlen(id);

    if (rq->quirks & CHAT_SHORT_IDS)
        return n == SHORT_ID && strspn(id, name_letters) == n && strcspn(id, "_-") == n;
    return n > 0 && n <= NAME_MAX_LETTERS && strspn(id, name_letters) == n;
}

void history_put_id(struct buf *out, const struct chat_request *rq, const char *codec, size_t i,
                    size_t c)
{
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    const char *id = rq->messages[i].calls[c].id;
    bool own = history_raw(rq, &rq->messages[i], codec);
    uint64_t h = 1469598103934665603u;
    char made[SHORT_ID + 1] = "";

    if (own || (id_fits(rq, id) && !used_before(rq, i, id))) {
        json_quote(out, str_of(id));
        return;
    }
    for (const char *p = id; *p; p++)
        h = (h ^ (unsigned char)*p) * 1099511628211u;
    h = (h ^ (i * MAX_CALLS_PER_TURN + c + 1)) * 1099511628211u;
    h ^= h >> 29;
    for (size_t k = 0; k < SHORT_ID; k++, h /= 36)
        made[k] = digits[h % 36];
    json_quote(out, str_of(made));
}

size_t history_images(const struct chat_request *rq, const struct chat_message *m)
{
    return m == NULL || (rq->quirks & CHAT_NO_IMAGES) ? 0 : m->n_images;
}

void history_put_base64(struct buf *out, const struct chat_image *im)
{
    buf_putc(out, '"');
    base64_put(out, (struct str){ im->data, im->n });
    buf_putc(out, '"');
}

void history_put_data_url(struct buf *out, const struct chat_image *im)
{
    buf_putf(out, "\"data:%s;base64,", im->mime);
    base64_put(out, (struct str){ im->data, im->n });
    buf_putc(out, '"');
}

void history_put_functions(struct buf *out, const struct chat_request *rq)
{
    buf_puts(out, ",\"tools\":[");
    for (size_t i = 0; i < rq->n_tools; i++) {
        const struct chat_tool *t = &rq->tools[i];
        buf_puts(out, i ? "," : "");
        buf_puts(out, "{\"type\":\"function\",\"function\":{\"name\":");
        json_quote(out, str_of(t->name));
        buf_puts(out, ",\"description\":");
        json_quote(out, str_of(t->description));
        buf_puts(out, ",\"parameters\":");
        buf_putstr(out, str_trim(str_of(t->schema)));
        buf_puts(out, "}}");
    }
    buf_putc(out, ']');
}

int history_need_model(const struct chat_request *rq, struct err *e)
{
    if (rq->model == NULL || *rq->model == '\0')
        return err_set(e, ERR_CONFIG, 0,
                       "no model is named: give one with -m or the setting \"model\"");
    return 0;
}

int history_body_fits(const struct buf *body, struct err *e)
{
    if (body->over)
        return err_set(e, ERR_LIMIT, 0, "the conversation is longer than %zu MiB: start a new one",
                       body->max >> 20);
    return 0;
}
