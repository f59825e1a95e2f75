#include "providers/details.h"
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/banned.h"

/* One element: everything but its long text, and the text as it grows (joining inside cJSON would
 * copy the whole at each piece). */
struct detail {
    cJSON *rest;
    struct buf text;
    const char *member; /* "text", "summary" or "data"; NULL when it has none of them */
};

struct details {
    struct detail *list;
    size_t n, bytes;
};

static const char *const members[] = { "text", "summary", "data" };

struct details *details_new(void)
{
    return xcalloc(1, sizeof(struct details));
}

void details_free(struct details *d)
{
    if (d == NULL)
        return;
    for (size_t i = 0; i < d->n; i++) {
        cJSON_Delete(d->list[i].rest);
        buf_free(&d->list[i].text);
    }
    free(d->list);
    free(d);
}

static const char *long_member(const cJSON *item)
{
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        if (json_str(item, members[i]))
            return members[i];
    return NULL;
}

static bool continues(const struct detail *last, const cJSON *item, const char *member)
{
    const char *a = json_str(last->rest, "type"), *b = json_str(item, "type");

    return a && b && strcmp(a, b) == 0 &&
           json_int(last->rest, "index", -1) == json_int(item, "index", -1) &&
           (member == NULL || last->member == NULL || strcmp(member, last->member) == 0);
}

/* What a later piece brings beside its text: a signature, mostly. */
static void merge(struct detail *last, const cJSON *item, const char *member)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, item)
    {
        const cJSON *old = json_get(last->rest, v->string);
        if (cJSON_IsNull(v) || (member && strcmp(v->string, member) == 0))
            continue;
        if (old && cJSON_Compare(old, v, true))
            continue;
        cJSON_DeleteItemFromObjectCaseSensitive(last->rest, v->string);
        cJSON_AddItemToObject(last->rest, v->string, cJSON_Duplicate(v, true));
    }
}

int details_add(struct details *d, const struct cJSON *list, struct err *e)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, list)
    {
        const char *member = long_member(item);
        struct str text = str_of(member ? json_str(item, member) : NULL);
        struct detail *last = d->n ? &d->list[d->n - 1] : NULL;
        if (!cJSON_IsObject(item))
            continue;
        d->bytes += text.n + 64;
        if (d->bytes > MAX_ANSWER_BYTES || d->n == DETAILS_MAX)
            return err_set(e, ERR_PROVIDER, 0, "the reply's reasoning_details are too long");
        if (last && continues(last, item, member)) {
            merge(last, item, member);
        } else {
            d->list = xrealloc(d->list, d->n + 1, sizeof *d->list);
            last = &d->list[d->n++];
            *last = (struct detail){ cJSON_Duplicate(item, true), BUF_MAX(MAX_ANSWER_BYTES), NULL };
            if (member)
                cJSON_DeleteItemFromObjectCaseSensitive(last->rest, member);
        }
        if (member)
            last->member = member;
        buf_putstr(&last->text, text);
    }
    return 0;
}

bool details_any(const struct details *d)
{
    return d->n > 0;
}

void details_put(const struct details *d, struct buf *out)
{
    for (size_t i = 0; i < d->n; i++) {
        const struct detail *t = &d->list[i];
        cleanup_free char *rest = json_text(t->rest);
        size_t n = strlen(rest);
        buf_putc(out, i ? ',' : '[');
        if (t->member == NULL) {
            buf_puts(out, rest);
            continue;
        }
        buf_put(out, rest, n - 1); /* the text becomes the last member */
        buf_putf(out, "%s\"%s\":", n > 2 ? "," : "", t->member);
        json_quote(out, buf_str(&t->text));
        buf_putc(out, '}');
    }
    if (d->n)
        buf_putc(out, ']');
}
