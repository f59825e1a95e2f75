#include "providers/reply.h"
#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "providers/errbody.h"
#include "providers/retry.h"
#include "providers/think.h"
#include "agent/base/banned.h"

void reply_init(struct reply *r, const struct decoder_sink *sink)
{
    memset(r, 0, sizeof *r);
    if (sink)
        r->sink = *sink;
    r->text.max = r->reasoning.max = r->refusal.max = MAX_ANSWER_BYTES;
    r->stop.max = r->id.max = r->model.max = 1024;
    r->usage = CHAT_USAGE_NONE;
}

void reply_free(struct reply *r)
{
    buf_free(&r->text);
    buf_free(&r->reasoning);
    buf_free(&r->refusal);
    buf_free(&r->stop);
    buf_free(&r->id);
    buf_free(&r->model);
}

void reply_restart(struct reply *r)
{
    buf_clear(&r->text);
    buf_clear(&r->reasoning);
    buf_clear(&r->refusal);
    buf_clear(&r->stop);
    buf_clear(&r->id);
    buf_clear(&r->model);
    r->usage = CHAT_USAGE_NONE;
    if (r->sink.restart)
        r->sink.restart(r->sink.arg);
}

void reply_text(struct reply *r, struct str piece)
{
    buf_putstr(&r->text, piece);
    if (r->sink.text && piece.n)
        r->sink.text(r->sink.arg, piece);
}

void reply_reasoning(struct reply *r, struct str piece)
{
    buf_putstr(&r->reasoning, piece);
    if (r->sink.reasoning && piece.n)
        r->sink.reasoning(r->sink.arg, piece);
}

int reply_check(const struct reply *r, struct err *e)
{
    if (r->text.over || r->reasoning.over || r->refusal.over)
        return err_set(e, ERR_PROVIDER, 0, "the reply's text is longer than %u MiB",
                       MAX_ANSWER_BYTES / MIB);
    return 0;
}

void reply_word(struct buf *dst, const char *s, bool overwrite)
{
    if (s == NULL || *s == '\0' || (dst->n && !overwrite))
        return;
    buf_clear(dst);
    buf_putstr(dst, utf8_head(str_of(s), 512));
}

void reply_count(int64_t *dst, const struct cJSON *o, const char *name)
{
    int64_t v = json_int(o, name, -1);

    if (v >= 0 && v < REPLY_MAX_COUNT)
        *dst = v;
}

double reply_cost(const struct cJSON *o, const char *name, double unit)
{
    double cost = json_num(o, name, NAN) * unit;

    return cost >= 0 && cost < 1e6 ? cost : NAN;
}

static void on_text(void *arg, struct str piece)
{
    reply_text(arg, piece);
}

static void on_reasoning(void *arg, struct str piece)
{
    reply_reasoning(arg, piece);
}

struct think *reply_thinking(struct reply *r)
{
    return think_new(&(struct decoder_sink){ on_text, on_reasoning, r, NULL });
}

char *reply_args(const struct cJSON *args)
{
    if (args == NULL || cJSON_IsNull(args))
        return NULL;
    return cJSON_IsString(args) ? xstrdup(args->valuestring) : json_text(args);
}

struct cJSON *reply_event(struct reply *r, struct str name, struct str data, struct err *e)
{
    struct cJSON *j;

    if (str_is(name, "error")) {
        reply_inband(data, e);
        return NULL;
    }
    r->events++;
    j = reply_json(data, e);
    if (j == NULL)
        err_wrap(e, "event %zu of the stream", r->events);
    return j;
}

int reply_inband(struct str json, struct err *e)
{
    struct errbody eb;

    errbody_read(json, &eb);
    long status = retry_inband_status(&eb);
    bool worth = retry_hopeless(status, &eb) == NULL;
    enum err_code code = errbody_too_long(&eb) ? ERR_CONTEXT : worth ? ERR_NET : ERR_PROVIDER;
    return err_set(e, code, (int)status, "the service reports an error inside its answer: %s",
                   eb.text[0] ? eb.text : "(no words)");
}

int reply_none(struct str json, const char *member, struct err *e)
{
    struct errbody eb;

    errbody_read(json, &eb);
    return err_set(e, ERR_PROVIDER, 0, "the answer is JSON, but no reply (no \"%s\"): %s", member,
                   eb.text);
}

int reply_cut(const struct reply *r, struct err *e)
{
    return err_set(e, ERR_NET, 0,
                   "the reply was cut: the stream ended after %zu events without its end mark",
                   r->events);
}

enum chat_stop reply_stop(const struct reply *r, const struct reply_stop *table)
{
    if (r->refusal.n)
        return CHAT_STOP_REFUSAL;
    if (r->stop.n == 0)
        return CHAT_STOP_END;
    for (; table->word; table++)
        if (strcmp(buf_cstr(&r->stop), table->word) == 0)
            return table->stop;
    return CHAT_STOP_OTHER;
}

static char *text_of(const struct buf *b)
{
    return b->n ? str_dup(buf_str(b)) : NULL;
}

void reply_turn(const struct reply *r, struct chat_turn *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->text = text_of(&r->text);
    ret->reasoning = text_of(&r->reasoning);
    ret->refusal = text_of(&r->refusal);
    ret->response_id = text_of(&r->id);
    ret->model = text_of(&r->model);
    ret->stop_word = text_of(&r->stop);
    ret->usage = r->usage;
}
