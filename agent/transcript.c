#include "agent/transcript.h"
#include <cjson/cJSON.h>
#include "agent/asking.h"
#include "agent/base/json.h"
#include "agent/base/mem.h"
#include "agent/base/sha256.h"
#include "prompts/prompts.h"
#include "agent/base/banned.h"

static void add_count(cJSON *o, const char *name, int64_t v)
{
    if (v >= 0)
        json_add_int(o, name, v);
}

void transcript_turn(struct run *run, const struct chat_turn *t)
{
    cJSON *ev = cJSON_CreateObject();
    cJSON *calls = cJSON_CreateArray(), *usage = cJSON_CreateObject();
    struct err ignored = ERR_INIT;

    json_add_int(ev, "turn", run->turns_before + run->turns);
    if (t->text)
        json_add_str(ev, "text", str_of(t->text));
    if (t->reasoning)
        json_add_str(ev, "reasoning", str_of(t->reasoning));
    if (t->refusal)
        json_add_str(ev, "refusal", str_of(t->refusal));
    for (size_t i = 0; i < t->n_calls; i++) {
        cJSON *c = cJSON_CreateObject();
        json_add_str(c, "id", str_of(t->calls[i].id));
        json_add_str(c, "name", str_of(t->calls[i].name));
        json_add_str(c, "arguments", str_of(t->calls[i].args));
        cJSON_AddItemToArray(calls, c);
    }
    cJSON_AddItemToObject(ev, "calls", calls);
    json_add_str(ev, "service", str_of(asking_service(run->asking)));
    json_add_str(ev, "asked", str_of(asking_model(run->asking)));
    cJSON_AddStringToObject(ev, "stop", chat_stop_word(t->stop));
    if (t->stop_word)
        json_add_str(ev, "stop_word", str_of(t->stop_word));
    if (t->model)
        json_add_str(ev, "model", str_of(t->model));
    if (t->response_id)
        json_add_str(ev, "response_id", str_of(t->response_id));
    add_count(usage, "input_tokens", t->usage.input);
    add_count(usage, "output_tokens", t->usage.output);
    add_count(usage, "cached_tokens", t->usage.cached);
    add_count(usage, "reasoning_tokens", t->usage.reasoning);
    asking_add_cost(run->asking, usage);
    cJSON_AddItemToObject(ev, "usage", usage);
    if (t->raw) {
        cJSON *raw = json_parse_exact(str_of(t->raw), &ignored);
        if (raw)
            cJSON_AddItemToObject(ev, "raw", raw);
        cJSON_AddStringToObject(ev, "wire", t->wire ? t->wire : "");
        if (t->origin) /* who understands the raw form */
            json_add_str(ev, "origin", str_of(t->origin));
    }
    record_event(run->record, "turn", ev);
}

/* Pictures are recorded by what they are, not by their bytes: those are in the cell's own record.
 */
static cJSON *images_json(const struct chat_image *images, size_t n)
{
    cJSON *list = cJSON_CreateArray();

    for (size_t i = 0; i < n; i++) {
        cJSON *o = cJSON_CreateObject();
        char digest[65];
        struct sha256 sha;
        sha256_init(&sha);
        sha256_put(&sha, images[i].data, images[i].n);
        sha256_hex(&sha, digest);
        json_add_str(o, "mime", str_of(images[i].mime));
        json_add_int(o, "bytes", (int64_t)images[i].n);
        cJSON_AddStringToObject(o, "sha256", digest);
        cJSON_AddItemToArray(list, o);
    }
    return list;
}

void transcript_observation(struct run *run, const char *call_id, const struct tool_outcome *o)
{
    cJSON *ev = cJSON_CreateObject();

    json_add_str(ev, "call_id", str_of(call_id));
    cJSON_AddBoolToObject(ev, "is_error", o->is_error);
    json_add_str(ev, "text", buf_str(&o->text));
    if (o->n_images)
        cJSON_AddItemToObject(ev, "images", images_json(o->images, o->n_images));
    record_event(run->record, "observation", ev);
}

void transcript_text(struct run *run, const char *type, const char *text)
{
    cJSON *ev = cJSON_CreateObject();

    json_add_str(ev, "text", str_of(text));
    record_event(run->record, type, ev);
}

void transcript_say(struct run *run, const char *text)
{
    convo_user(&run->convo, text);
    transcript_text(run, "user", text);
}

int transcript_say_prompt(struct run *run, const char *file, struct err *e)
{
    cleanup_free char *text = prompt_text(run->conf->prompts_dir, file, e);

    if (text == NULL)
        return -1;
    transcript_say(run, text);
    return 0;
}
