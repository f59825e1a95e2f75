#include "agent/events.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "agent/artifacts.h"
#include "agent/base/io.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/log.h"
#include "agent/base/mem.h"
#include "agent/base/stop.h"
#include "agent/base/utf8.h"
#include "agent/cell_json.h"
#include "agent/base/banned.h"

#define UPDATE_MS 200      /* between two updates of one item */
#define HEARTBEAT_MS 10000 /* of silence */
#define TAIL_BYTES 4096    /* of a running cell's output that an update shows */

/* The last bytes of a stream. */
struct tail {
    struct buf b;
    int64_t bytes;
};

struct events {
    int fd;
    bool stream, first, begun; /* begun: thread and turn have started */
    struct err failed;
    int64_t said_ms, updated_ms;
    int items; /* numbered from 1 over the whole stream */
    cJSON *kept;

    /* the running cell, as item.started said it; NULL = none runs */
    cJSON *cell;
    char *code; /* of the cell that starts next; owned */
    struct tail out, err;
    /* the model's text of this turn as far as it has come */
    struct buf text;
    int text_item;
};

static void tail_put(struct tail *t, struct str s)
{
    buf_putstr(&t->b, s.n > TAIL_BYTES ? str_from(s, s.n - TAIL_BYTES) : s);
    t->bytes += (int64_t)s.n;
    if (t->b.n > 2 * TAIL_BYTES)
        buf_drop_front(&t->b, t->b.n - TAIL_BYTES);
}

struct events *events_new(int fd, bool stream)
{
    struct events *ev = xcalloc(1, sizeof *ev);

    ev->fd = fd;
    ev->stream = stream;
    ev->first = true;
    ev->said_ms = now_ms();
    ev->kept = cJSON_CreateArray();
    ev->out.b = (struct buf)BUF_MAX(4 * TAIL_BYTES);
    ev->err.b = (struct buf)BUF_MAX(4 * TAIL_BYTES);
    ev->text = (struct buf)BUF_MAX(MAX_ANSWER_BYTES);
    return ev;
}

void events_free(struct events *ev)
{
    if (ev == NULL)
        return;
    cJSON_Delete(ev->kept);
    cJSON_Delete(ev->cell);
    free(ev->code);
    buf_free(&ev->out.b);
    buf_free(&ev->err.b);
    buf_free(&ev->text);
    free(ev);
}

/* Takes `o`. The type stands first, and on the very first line the version. */
static void say(struct events *ev, const char *type, cJSON *o)
{
    cleanup_json cJSON *owned = o ? o : cJSON_CreateObject();
    cleanup_buf struct buf raw = BUF_MAX(SIZE_MAX / 4), line = BUF_MAX(SIZE_MAX / 4);

    if (!ev->stream || ev->failed.code != ERR_NONE)
        return;
    cleanup_free char *rest = json_text(owned);
    buf_puts(&raw, "{\"type\":");
    json_quote(&raw, str_of(type));
    if (ev->first)
        buf_putf(&raw, ",\"schema_version\":%d", EVENTS_SCHEMA_VERSION);
    ev->first = false;
    if (owned->child)
        buf_putc(&raw, ',');
    buf_puts(&raw, rest + 1);
    buf_putc(&raw, '\n');
    secret_redact(&line, buf_str(&raw));
    if (io_write_all(ev->fd, line.p, line.n, &ev->failed) < 0)
        err_wrap(&ev->failed, "write the events to standard output");
    ev->said_ms = now_ms();
}

static void item_id(cJSON *item, int number)
{
    char id[24];

    snprintf(id, sizeof id, "item_%d", number);
    cJSON_AddStringToObject(item, "id", id);
}

/* Takes `item`. */
static void say_item(struct events *ev, const char *type, cJSON *item)
{
    cJSON *o = cJSON_CreateObject();

    cJSON_AddItemToObject(o, "item", item);
    say(ev, type, o);
}

static void complete(struct events *ev, cJSON *item)
{
    if (!ev->stream)
        cJSON_AddItemToArray(ev->kept, item);
    else
        say_item(ev, "item.completed", item);
}

static bool time_to_update(struct events *ev)
{
    int64_t now = now_ms();

    if (now - ev->updated_ms < UPDATE_MS)
        return false;
    ev->updated_ms = now;
    return true;
}

static cJSON *text_item(const char *type, int number, struct str text)
{
    cJSON *item = cJSON_CreateObject();

    item_id(item, number);
    cJSON_AddStringToObject(item, "type", type);
    json_add_str(item, "text", text);
    return item;
}

/* --- what is told directly --- */

void events_code(struct events *ev, struct str code)
{
    if (ev == NULL)
        return;
    free(ev->code);
    ev->code = str_dup(code);
}

void events_text(struct events *ev, struct str piece)
{
    if (ev == NULL || !ev->stream)
        return;
    buf_putstr(&ev->text, piece);
    if (ev->text_item == 0)
        ev->text_item = ++ev->items;
    else if (!time_to_update(ev))
        return;
    say_item(ev, "item.updated", text_item("agent_message", ev->text_item, buf_str(&ev->text)));
}

static void add_tail(cJSON *item, const char *name, const struct tail *t)
{
    struct str s = buf_str(&t->b);

    if (s.n > TAIL_BYTES)
        s = str_from(s, s.n - TAIL_BYTES);
    /* Not from the middle of a character. */
    while (s.n && t->bytes > (int64_t)s.n && ((unsigned char)s.p[0] & 0xC0) == 0x80)
        s = str_from(s, 1);
    json_add_str(item, name, s);
}

void events_output(struct events *ev, bool is_stderr, struct str bytes)
{
    if (ev == NULL || !ev->stream || ev->cell == NULL)
        return;
    tail_put(is_stderr ? &ev->err : &ev->out, bytes);
    if (!time_to_update(ev))
        return;
    cJSON *item = cJSON_Duplicate(ev->cell, true);
    add_tail(item, "stdout_tail", &ev->out);
    add_tail(item, "stderr_tail", &ev->err);
    json_add_int(item, "stdout_bytes", ev->out.bytes);
    json_add_int(item, "stderr_bytes", ev->err.bytes);
    say_item(ev, "item.updated", item);
}

/* One stream whole, up to a cap, and how much of it is missing. */
static void add_stream(cJSON *item, cJSON *cut, const char *name, const struct sandbox_result *r,
                       enum sandbox_item_kind kind, int64_t written)
{
    cleanup_buf struct buf all = BUF_MAX(SIZE_MAX / 4);

    for (size_t i = 0; i < r->n_items; i++)
        if (r->items[i].kind == kind)
            buf_put(&all, r->items[i].text, r->items[i].n);
    struct str shown = utf8_head(buf_str(&all), MAX_EVENT_STREAM);
    json_add_str(item, name, shown);
    if (written > (int64_t)shown.n)
        json_add_int(cut, name, written - (int64_t)shown.n);
}

static const char *limit_name(enum sandbox_status s)
{
    switch (s) {
    case SANDBOX_TIMEOUT:
    case SANDBOX_KILLED_TIME:
        return "timeout";
    case SANDBOX_MEMORY:
        return "memory";
    case SANDBOX_OUTPUT:
        return "output";
    case SANDBOX_OK:
    case SANDBOX_ERROR:
    case SANDBOX_DIED:
        break;
    }
    return NULL;
}

static void say_limit(struct events *ev, const char *limit, const char *message)
{
    cJSON *o = cJSON_CreateObject();

    cJSON_AddStringToObject(o, "limit", limit);
    if (message)
        json_add_str(o, "message", str_of(message));
    say(ev, "limit.reached", o);
}

void events_cell_end(struct events *ev, const struct sandbox_cell *cell,
                     const struct sandbox_result *r, const struct artifacts *a)
{
    if (ev == NULL || ev->cell == NULL)
        return;
    cJSON *item = steal_ptr(&ev->cell), *cut = cJSON_CreateObject(), *made = cJSON_CreateArray();
    struct cell_json_opts opts = { .logs = false };

    cJSON_DeleteItemFromObject(item, "status");
    cell_json_put(item, r, &opts);
    add_stream(item, cut, "stdout", r, ITEM_STDOUT, r->stdout_bytes);
    add_stream(item, cut, "stderr", r, ITEM_STDERR, r->stderr_bytes);
    cJSON_AddNumberToObject(item, "exit_status",
                            r->status == SANDBOX_OK      ? 0
                            : r->status == SANDBOX_ERROR ? 1
                            : r->signal                  ? 128 + r->signal
                                                         : r->exit_code);
    cJSON_AddItemToObject(item, "truncated", cut); /* bytes of each stream that are not here */
    for (size_t i = 0; i < artifacts_count(a); i++) {
        if (artifacts_get(a, i)->cell != cell->number)
            continue;
        cJSON_AddItemToArray(made, artifacts_json(a, i));
        say(ev, "artifact.created", artifacts_json(a, i));
    }
    cJSON_AddItemToObject(item, "artifacts", made);
    complete(ev, item);
    if (limit_name(r->status))
        say_limit(ev, limit_name(r->status), NULL);
}

void events_tick(struct events *ev)
{
    if (ev && ev->stream && ev->begun && now_ms() - ev->said_ms >= HEARTBEAT_MS)
        say(ev, "heartbeat", NULL);
}

/* --- what the record is told --- */

static void copy_text(cJSON *to, const cJSON *from, const char *name, const char *as)
{
    const char *s = json_str(from, name);

    if (s)
        json_add_str(to, as, str_of(s));
}

static void on_start(struct events *ev, const cJSON *f)
{
    cJSON *o = cJSON_CreateObject();

    copy_text(o, f, "id", "thread_id");
    copy_text(o, f, "model", "model");
    copy_text(o, f, "service", "service");
    say(ev, "thread.started", o);
    say(ev, "turn.started", NULL);
    ev->begun = true;
}

static void on_turn(struct events *ev, const cJSON *f)
{
    const char *text = json_str(f, "text"), *reasoning = json_str(f, "reasoning");

    if (reasoning)
        complete(ev, text_item("reasoning", ++ev->items, str_of(reasoning)));
    if (text)
        complete(ev, text_item("agent_message", ev->text_item ? ev->text_item : ++ev->items,
                               str_of(text)));
    ev->text_item = 0;
    buf_clear(&ev->text);
}

static void on_cell(struct events *ev, const cJSON *f)
{
    cJSON_Delete(ev->cell);
    ev->cell = cJSON_CreateObject();
    item_id(ev->cell, ++ev->items);
    cJSON_AddStringToObject(ev->cell, "type", "code_execution");
    json_add_int(ev->cell, "cell", json_int(f, "cell", 0));
    copy_text(ev->cell, f, "language", "language");
    copy_text(ev->cell, f, "context", "context");
    copy_text(ev->cell, f, "description", "description");
    json_add_str(ev->cell, "code", str_of(ev->code));
    cJSON_AddStringToObject(ev->cell, "status", "in_progress");
    buf_clear(&ev->out.b);
    buf_clear(&ev->err.b);
    ev->out.bytes = ev->err.bytes = 0;
    if (ev->stream)
        say_item(ev, "item.started", cJSON_Duplicate(ev->cell, true));
}

/* A cell that never ran: forbidden by the settings. */
static void on_cell_end(struct events *ev, const cJSON *f)
{
    const char *status = json_str(f, "status");

    if (ev->cell == NULL || status == NULL || strcmp(status, "validation_failed") != 0)
        return;
    cJSON_ReplaceItemInObject(ev->cell, "status", cJSON_CreateString(status));
    complete(ev, steal_ptr(&ev->cell));
}

static void on_sandbox(struct events *ev, const cJSON *f)
{
    const char *weaker = json_str(f, "weaker");

    if (weaker == NULL || weaker[0] == '\0')
        return;
    cJSON *o = cJSON_CreateObject(), *list = cJSON_CreateArray();
    struct str rest = str_of(weaker), line;
    while (rest.n) {
        (void)str_cut(&rest, '\n', &line);
        cleanup_free char *s = str_dup(line);
        cJSON_AddItemToArray(list, cJSON_CreateString(s));
    }
    copy_text(o, f, "backend", "backend");
    copy_text(o, f, "limits", "limits");
    cJSON_AddItemToObject(o, "weaker", list);
    say(ev, "sandbox.degraded", o);
}

static void on_same(struct events *ev, const char *type, const cJSON *f)
{
    say(ev, type, f ? cJSON_Duplicate(f, true) : NULL);
}

void events_record(void *arg, const char *type, const struct cJSON *f)
{
    struct events *ev = arg;

    if (strcmp(type, "session.start") == 0 || strcmp(type, "session.resume") == 0)
        on_start(ev, f);
    else if (strcmp(type, "sandbox.start") == 0)
        on_sandbox(ev, f);
    else if (strcmp(type, "turn") == 0)
        on_turn(ev, f);
    else if (strcmp(type, "cell.start") == 0)
        on_cell(ev, f);
    else if (strcmp(type, "cell.end") == 0)
        on_cell_end(ev, f);
    else if (strcmp(type, "retry") == 0 || strcmp(type, "loop.detected") == 0 ||
             strcmp(type, "notice") == 0 || strcmp(type, "grounding") == 0 ||
             str_starts(str_of(type), "repair."))
        on_same(ev, type, f);
}

/* --- the end --- */

static cJSON *error_json(const struct err *why)
{
    cJSON *o = cJSON_CreateObject();

    cJSON_AddStringToObject(o, "code", err_word(why->code));
    json_add_str(o, "message", str_of(why->msg));
    cJSON_AddNumberToObject(o, "exit_status", err_exit_status(why));
    return o;
}

void events_end(struct events *ev, const struct err *why, struct cJSON *summary)
{
    if (ev == NULL) {
        cJSON_Delete(summary);
        return;
    }
    enum err_code c = why->code;
    if (c == ERR_TURNS || c == ERR_BUDGET || c == ERR_DEADLINE)
        say_limit(ev,
                  c == ERR_TURNS    ? "max_turns"
                  : c == ERR_BUDGET ? "budget"
                                    : "deadline",
                  why->msg);
    if (c != ERR_NONE)
        cJSON_AddItemToObject(summary, "error", error_json(why));
    say(ev, c == ERR_NONE ? "turn.completed" : "turn.failed", summary);
}

void events_error(struct events *ev, const struct err *why)
{
    if (ev == NULL)
        return;
    cJSON *o = cJSON_CreateObject();
    json_add_str(o, "message", str_of(why->msg));
    cJSON_AddItemToObject(o, "error", error_json(why));
    say(ev, "error", o);
}

const struct cJSON *events_items(const struct events *ev)
{
    return ev ? ev->kept : NULL;
}

int events_status(const struct events *ev, struct err *e)
{
    if (ev == NULL || ev->failed.code == ERR_NONE)
        return 0;
    *e = ev->failed;
    return -1;
}
