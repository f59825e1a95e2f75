#include "sandbox/collect.h"
#include <stdlib.h>
#include <string.h>
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/banned.h"

/* All representations of one cell: MAX_CELL_EVENTS frames of MAX_FRAME_BYTES would be 240 GB. */
#define MAX_RESULT_BYTES (64 * MIB)
/* Writes that alternate between the streams make an item each; beyond this they are joined to
 * the last item of their stream, and only the order between the streams is lost. */
#define MAX_ITEMS (4 * MAX_CELL_EVENTS)
#define MAX_ERROR_FIELD (64 * KIB)
#define MAX_MIME_BYTES 100
#define MAX_FILE_NAME 255
#define MAX_ID_BYTES 100

static struct sandbox_item *item_add(struct collect *c, enum sandbox_item_kind kind)
{
    struct sandbox_result *r = &c->r;

    if (r->n_items == c->cap_items) {
        c->cap_items = c->cap_items ? c->cap_items * 2 : 16;
        r->items = xrealloc(r->items, c->cap_items, sizeof *r->items);
    }
    struct sandbox_item *it = &r->items[r->n_items++];
    *it = (struct sandbox_item){ .kind = kind };
    return it;
}

/* The item that more text of this kind goes to, or NULL for a new one. */
static struct sandbox_item *item_to_extend(struct collect *c, enum sandbox_item_kind kind)
{
    struct sandbox_result *r = &c->r;

    if (r->n_items && r->items[r->n_items - 1].kind == kind)
        return &r->items[r->n_items - 1];
    if (r->n_items >= MAX_ITEMS)
        for (size_t i = r->n_items; i-- > 0;)
            if (r->items[i].kind == kind)
                return &r->items[i];
    return NULL;
}

/* Room grows in powers of two, so that many small writes do not copy the text each time. */
static size_t room_for(size_t n)
{
    size_t room = 64;

    while (room < n + 1)
        room *= 2;
    return room;
}

void collect_text(struct collect *c, bool is_stderr, struct str bytes)
{
    enum sandbox_item_kind kind = is_stderr ? ITEM_STDERR : ITEM_STDOUT;
    size_t *kept = &c->kept[is_stderr];

    *(is_stderr ? &c->r.stderr_bytes : &c->r.stdout_bytes) += (int64_t)bytes.n;
    if (bytes.n > MAX_STREAM_BYTES - *kept)
        bytes.n = MAX_STREAM_BYTES - *kept;
    if (bytes.n == 0)
        return;
    *kept += bytes.n;
    struct sandbox_item *it = item_to_extend(c, kind);
    if (it == NULL)
        it = item_add(c, kind);
    if (it->text == NULL || room_for(it->n + bytes.n) > room_for(it->n))
        it->text = xrealloc(it->text, room_for(it->n + bytes.n), 1);
    memcpy(it->text + it->n, bytes.p, bytes.n);
    it->n += bytes.n;
    it->text[it->n] = '\0';
}

static void reprs_free(struct sandbox_item *it)
{
    for (size_t k = 0; k < it->n_reprs; k++) {
        free(it->reprs[k].mime);
        free(it->reprs[k].data);
    }
    free(it->reprs);
    it->reprs = NULL;
    it->n_reprs = 0;
}

static void items_free(struct sandbox_result *r)
{
    for (size_t i = 0; i < r->n_items; i++) {
        reprs_free(&r->items[i]);
        free(r->items[i].text);
        free(r->items[i].file);
        free(r->items[i].id);
    }
    r->n_items = 0;
}

static size_t size_of(const struct sandbox_item *it)
{
    size_t n = 0;

    for (size_t k = 0; k < it->n_reprs; k++)
        n += it->reprs[k].n;
    return n;
}

/* The result that an update replaces; NULL: it is one of its own. */
static struct sandbox_item *item_to_replace(struct collect *c, const struct frame *f)
{
    struct str id = frame_get(f, "id");

    if (id.n == 0 || !str_is(frame_get(f, "update"), "1"))
        return NULL;
    for (size_t i = c->r.n_items; i-- > 0;)
        if (c->r.items[i].id && str_is(id, c->r.items[i].id))
            return &c->r.items[i];
    return NULL;
}

static void fill(struct sandbox_item *it, const struct frame *f, size_t n)
{
    it->is_main = str_is(frame_get(f, "main"), "1");
    struct str file = frame_get(f, "file");
    if (file.n && file.n <= MAX_FILE_NAME && memchr(file.p, '/', file.n) == NULL)
        it->file = str_dup(file);
    it->reprs = xcalloc(n, sizeof *it->reprs);
    for (size_t i = 0; i < f->n; i++) {
        struct str mime = f->field[i].name, data = f->field[i].value;
        if (!str_starts(mime, "m:") || mime.n > MAX_MIME_BYTES)
            continue;
        struct sandbox_repr *r = &it->reprs[it->n_reprs++];
        r->mime = str_dup(str_from(mime, 2));
        r->data = str_dup(data);
        r->n = data.n;
    }
}

const struct sandbox_item *collect_result(struct collect *c, const struct frame *f)
{
    size_t size = 0, n = 0;

    for (size_t i = 0; i < f->n; i++)
        if (str_starts(f->field[i].name, "m:")) {
            size += f->field[i].value.n;
            n++;
        }
    struct sandbox_item *it = item_to_replace(c, f);
    size_t old = it ? size_of(it) : 0;
    if (n == 0 || (it == NULL && c->n_results >= MAX_CELL_EVENTS) ||
        size > MAX_RESULT_BYTES - (c->result_bytes - old)) {
        c->r.dropped_results++;
        return NULL;
    }
    if (it) {
        reprs_free(it);
        free(it->file);
        it->file = NULL;
    } else {
        struct str id = frame_get(f, "id");
        it = item_add(c, ITEM_RESULT);
        it->number = ++c->number;
        it->id = id.n && id.n <= MAX_ID_BYTES ? str_dup(id) : NULL;
        c->n_results++;
    }
    c->result_bytes = c->result_bytes - old + size;
    fill(it, f, n);
    return it;
}

void collect_clear(struct collect *c)
{
    if (c->r.n_items)
        c->r.cleared++;
    items_free(&c->r);
    c->kept[0] = c->kept[1] = 0;
    c->result_bytes = c->n_results = 0;
}

/* These are C strings: a NUL is written out, or it would cut the message short. */
static void set_text(char **to, struct str value, size_t max)
{
    cleanup_buf struct buf b = BUF_MAX(4 * max + 4);
    struct str part;

    if (value.n > max)
        value.n = max;
    for (bool more = true; more;) {
        more = str_cut(&value, '\0', &part);
        buf_putstr(&b, part);
        if (more)
            buf_puts(&b, "\\x00");
    }
    free(*to);
    *to = buf_steal(&b);
}

void collect_error(struct collect *c, const struct frame *f)
{
    long long line = frame_num(f, "line", 0);

    set_text(&c->r.error_name, frame_get(f, "name"), MAX_ERROR_FIELD);
    set_text(&c->r.error_value, frame_get(f, "value"), 2 * MAX_ERROR_FIELD);
    set_text(&c->r.traceback, frame_get(f, "traceback"), MAX_TRACEBACK_BYTES);
    c->r.exit_code = (int)frame_num(f, "exit", 0) & 255;
    c->r.error_line = line > 0 && line < 100000000 ? (int)line : 0;
}

void sandbox_result_done(struct sandbox_result *r)
{
    items_free(r);
    free(r->items);
    free(r->error_name);
    free(r->error_value);
    free(r->traceback);
    free(r->lost_names);
    free(r->denied);
    *r = (struct sandbox_result){ .status = SANDBOX_OK };
}

const char *sandbox_status_word(enum sandbox_status s)
{
    static const char *const words[] = {
        [SANDBOX_OK] = "ok",           [SANDBOX_ERROR] = "error",
        [SANDBOX_TIMEOUT] = "timeout", [SANDBOX_KILLED_TIME] = "killed_time",
        [SANDBOX_MEMORY] = "memory",   [SANDBOX_OUTPUT] = "output",
        [SANDBOX_DIED] = "died",
    };

    return words[s];
}
