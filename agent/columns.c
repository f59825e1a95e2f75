#include "agent/columns.h"
#include <cjson/cJSON.h>
#include <stdint.h>
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/utf8.h"
#include "agent/base/banned.h"

#define MAX_TABLES 200
#define MAX_NAME 800   /* bytes: 200 characters of any kind */
#define MAX_WORD 40    /* of a type, of a form of dates */
#define MAX_FORMATS 8  /* of one column */
#define MAX_TOLD 20    /* differences of one file */
#define MAX_TOLD_NEW 5 /* columns that may be those that are gone, by another name */

/* --- what is taken --- */

static void take_text(cJSON *o, const char *member, const cJSON *from, size_t max)
{
    json_add_str(o, member, utf8_head(str_of(json_str(from, member)), max));
}

static cJSON *take_column(const cJSON *from)
{
    const cJSON *formats = json_arr(from, "formats"), *one;
    cJSON *o = cJSON_CreateObject(), *list;
    int n = 0;

    take_text(o, "name", from, MAX_NAME);
    take_text(o, "type", from, MAX_WORD);
    if (formats == NULL)
        return o;
    list = cJSON_AddArrayToObject(o, "formats");
    cJSON_ArrayForEach(one, formats)
    {
        if (n++ == MAX_FORMATS)
            break;
        if (cJSON_IsString(one) && strlen(one->valuestring) <= MAX_WORD)
            cJSON_AddItemToArray(list, cJSON_CreateString(one->valuestring));
    }
    return o;
}

static int64_t count(const cJSON *table, const char *member)
{
    int64_t n = json_int(table, member, 0);

    return n < 0 ? 0 : n > INT32_MAX ? INT32_MAX : n;
}

static cJSON *take_table(const cJSON *from, size_t *left)
{
    cJSON *o = cJSON_CreateObject(), *list;
    int64_t more = count(from, "more");
    const cJSON *c;

    take_text(o, "title", from, MAX_NAME);
    list = cJSON_AddArrayToObject(o, "columns");
    cJSON_ArrayForEach(c, json_arr(from, "columns"))
    {
        if (*left == 0) {
            more++;
            continue;
        }
        --*left;
        cJSON_AddItemToArray(list, take_column(c));
    }
    json_add_int(o, "unnamed", count(from, "unnamed"));
    json_add_int(o, "more", more);
    return o;
}

cJSON *columns_take(const cJSON *tables, size_t *left)
{
    cJSON *out;
    const cJSON *t;
    int n = 0;

    if (!cJSON_IsArray(tables))
        return NULL;
    out = cJSON_CreateArray();
    cJSON_ArrayForEach(t, tables)
    {
        if (n++ == MAX_TABLES)
            break;
        cJSON_AddItemToArray(out, take_table(t, left));
    }
    return out;
}

/* --- what differs --- */

static const char *text(const cJSON *o, const char *member)
{
    const char *s = json_str(o, member);

    return s ? s : "";
}

/* The types that are numbers, by how they are written. */
static const struct {
    const char *type, *words;
} numbers[] = {
    { "int", "number" },
    { "dec", "number" },
    { "grouped", "number with thousands commas" },
    { "comma", "number with a decimal comma" },
    { "dotted", "number with thousands dots and a decimal comma" },
    { "spaced", "number with thousands spaces" },
};

static const char *number_words(const char *type)
{
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(numbers[i].type, type) == 0)
            return numbers[i].words;
    return NULL;
}

/* 007, and digits that are too many for a number: both are read as text. */
static bool is_digits(const char *type)
{
    return strcmp(type, "code") == 0 || strcmp(type, "digits") == 0;
}

static bool has_format(const cJSON *column, const char *format)
{
    const cJSON *one;

    cJSON_ArrayForEach(one, json_arr(column, "formats"))
    {
        if (cJSON_IsString(one) && strcmp(one->valuestring, format) == 0)
            return true;
    }
    return false;
}

/* Does code do for `now` that did for `then`? Whole numbers are written alike in every notation,
 * and dates may have fewer forms than they had. */
static bool fits(const cJSON *then, const cJSON *now)
{
    const char *was = text(then, "type"), *is = text(now, "type");
    const cJSON *one;

    if (strcmp(was, "empty") == 0 || strcmp(is, "empty") == 0)
        return true;
    if (number_words(was) && number_words(is))
        return strcmp(was, "int") == 0 || strcmp(is, "int") == 0 || strcmp(was, is) == 0;
    if (is_digits(was) && is_digits(is))
        return true;
    if (strcmp(was, is) != 0)
        return false;
    cJSON_ArrayForEach(one, json_arr(now, "formats"))
    {
        if (cJSON_IsString(one) && !has_format(then, one->valuestring))
            return false;
    }
    return true;
}

static void put_type(const cJSON *column, struct buf *out)
{
    const char *type = text(column, "type"), *words = number_words(type);
    const cJSON *one;
    int n = 0;

    utf8_clean_line(out, str_of(words ? words : is_digits(type) ? "digits" : type));
    cJSON_ArrayForEach(one, json_arr(column, "formats"))
    {
        buf_puts(out, n++ ? " or " : " ");
        utf8_clean_line(out, str_of(cJSON_IsString(one) ? one->valuestring : ""));
    }
}

static const cJSON *first_column(const cJSON *table)
{
    const cJSON *list = json_arr(table, "columns");

    return list ? list->child : NULL;
}

/* The column of a name. Columns mostly stand in their order: *next is where it is looked for
 * first, and left behind the one that was found. */
static const cJSON *column_named(const cJSON *table, const char *name, const cJSON **next)
{
    for (const cJSON *at = *next; at; at = at->next)
        if (strcmp(text(at, "name"), name) == 0) {
            *next = at->next;
            return at;
        }
    for (const cJSON *at = first_column(table); at && at != *next; at = at->next)
        if (strcmp(text(at, "name"), name) == 0)
            return at;
    return NULL;
}

/* The table of a title; where there is but one, then and now, that is meant. */
static const cJSON *table_for(const cJSON *then_all, const cJSON *then, const cJSON *now_all)
{
    const cJSON *t;

    cJSON_ArrayForEach(t, now_all)
    {
        if (strcmp(text(t, "title"), text(then, "title")) == 0)
            return t;
    }
    return cJSON_GetArraySize(then_all) == 1 && cJSON_GetArraySize(now_all) == 1 ? now_all->child
                                                                                 : NULL;
}

struct telling {
    const char *file;
    struct buf *out;
    size_t n;
};

/* Begins one difference; false: enough of them are told. */
static bool tell(struct telling *t, const char *what, const char *name)
{
    if (t->n++ >= MAX_TOLD)
        return false;
    buf_puts(t->out, t->out->n ? "; " : "");
    utf8_clean_line(t->out, utf8_head(str_of(t->file), 100));
    buf_putf(t->out, ": %s ", what);
    utf8_clean_line(t->out, utf8_head(str_of(name), 60));
    return true;
}

/* Those of `now` that were not there: one of them may be what is gone, by another name. */
static void tell_new(const cJSON *then, const cJSON *now, struct buf *out)
{
    const cJSON *c, *next = first_column(then);
    int n = 0;

    cJSON_ArrayForEach(c, json_arr(now, "columns"))
    {
        if (column_named(then, text(c, "name"), &next))
            continue;
        if (n == MAX_TOLD_NEW) {
            buf_puts(out, ", ...");
            break;
        }
        buf_puts(out, n++ ? ", " : " (new there: ");
        utf8_clean_line(out, utf8_head(str_of(text(c, "name")), 60));
    }
    buf_puts(out, n ? ")" : "");
}

static void compare(const cJSON *then, const cJSON *now, struct telling *t)
{
    /* A name that is not told may be the one that is looked for. */
    bool all_known = count(now, "unnamed") == 0 && count(now, "more") == 0;
    const cJSON *was, *next = first_column(now);
    size_t gone = 0;

    cJSON_ArrayForEach(was, json_arr(then, "columns"))
    {
        const cJSON *is = column_named(now, text(was, "name"), &next);
        if (is == NULL && all_known) {
            gone++;
            if (tell(t, "column", text(was, "name")))
                buf_puts(t->out, " is gone");
        } else if (is && !fits(was, is) && tell(t, "column", text(was, "name"))) {
            buf_puts(t->out, " was ");
            put_type(was, t->out);
            buf_puts(t->out, " and is ");
            put_type(is, t->out);
        }
    }
    if (gone)
        tell_new(then, now, t->out);
}

size_t columns_differ(const cJSON *then, const cJSON *now, const char *file, struct buf *out)
{
    struct telling t = { file, out, 0 };
    const cJSON *was;

    cJSON_ArrayForEach(was, then)
    {
        const cJSON *is = table_for(then, was, now);
        if (is)
            compare(was, is, &t);
        else if (tell(&t, "table", text(was, "title")))
            buf_puts(out, " is gone");
    }
    if (t.n > MAX_TOLD)
        buf_putf(out, "; and %zu further differences", t.n - MAX_TOLD);
    return t.n;
}

size_t columns_untold(const cJSON *tables)
{
    const cJSON *t;
    int64_t n = 0;

    cJSON_ArrayForEach(t, tables)
    {
        n += count(t, "unnamed") + count(t, "more");
    }
    return (size_t)n;
}
