/* Columns of then and of now: what is a difference, what is none, and what is taken of a list that
 * may hold anything. */
#include <cjson/cJSON.h>
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/mem.h"
#include "agent/columns.h"
#include "tests/unit/tap.h"

static cJSON *parse(const char *text)
{
    struct err e = ERR_INIT;

    return json_parse(str_of(text), &e);
}

#define T(title, columns) "{\"title\":\"" title "\",\"columns\":[" columns "]}"
#define C(name, type) "{\"name\":\"" name "\",\"type\":\"" type "\"}"
#define D(name, ...) "{\"name\":\"" name "\",\"type\":\"date\",\"formats\":[" __VA_ARGS__ "]}"

static void pairs(void)
{
    static const struct {
        const char *then, *now, *told; /* "" = no difference */
    } rows[] = {
        { T("", C("a", "int") "," C("b", "text")), T("", C("b", "text") "," C("a", "int")), "" },
        { T("", C("a", "int")), T("", C("a", "int") "," C("b", "text")), "" },
        { T("", C("a", "int")), T("", C("b", "int") "," C("c", "int")),
          "f: column a is gone (new there: b, c)" },
        { T("", C("a", "int") "," C("b", "int")), T("", C("b", "int")), "f: column a is gone" },
        { T("", C("a", "int")), T("", C("a", "dec")), "" },
        { T("", C("a", "comma")), T("", C("a", "int")), "" },
        { T("", C("a", "dec")), T("", C("a", "comma")),
          "f: column a was number and is number with a decimal comma" },
        { T("", C("a", "code")), T("", C("a", "int")), "f: column a was digits and is number" },
        { T("", C("a", "code")), T("", C("a", "digits")), "" },
        { T("", C("a", "empty")), T("", C("a", "int")), "" },
        { T("", C("a", "int")), T("", C("a", "empty")), "" },
        { T("", C("a", "text")), T("", C("a", "object")), "f: column a was text and is object" },
        { T("", D("d", "\"%Y-%m-%d\",\"%d.%m.%Y\"")), T("", D("d", "\"%d.%m.%Y\"")), "" },
        { T("", D("d", "\"%Y-%m-%d\"")), T("", D("d", "\"%d.%m.%Y\",\"%Y-%m-%d\"")),
          "f: column d was date %Y-%m-%d and is date %d.%m.%Y or %Y-%m-%d" },
        { T("", C("a", "int") "," C("a", "text")), T("", C("a", "int") "," C("a", "text")), "" },
        { T("Week 1", C("a", "int")), T("Week 2", C("a", "int")), "" },
        { T("x", C("a", "int")) "," T("y", C("a", "int")), T("y", C("a", "int")),
          "f: table x is gone" },
        { T("x", C("a", "int")) "," T("y", C("b", "int")),
          T("y", C("b", "text")) "," T("x", C("a", "int")), "f: column b was number and is text" },
        { "{\"title\":\"\",\"columns\":[" C("a", "int") "]}",
          "{\"title\":\"\",\"columns\":[],\"unnamed\":1}", "" },
        { "{\"title\":\"\",\"columns\":[" C("a", "int") "]}",
          "{\"title\":\"\",\"columns\":[],\"more\":1}", "" },
        { T("", C("a\\u001b[31m", "int")), T("", ""), "f: column a\\x1b[31m is gone" },
        { "3,{\"title\":7,\"columns\":[3,{\"type\":\"int\"}]}", "null,{}",
          "f: column  is gone; f: column  is gone" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cleanup_free char *a = xasprintf("[%s]", rows[i].then);
        cleanup_free char *b = xasprintf("[%s]", rows[i].now);
        cleanup_json cJSON *then = parse(a), *now = parse(b);
        cleanup_buf struct buf out = BUF_MAX(10000);
        size_t n = columns_differ(then, now, "f", &out);
        CHECK(then && now && strcmp(buf_cstr(&out), rows[i].told) == 0 && (n > 0) == (out.n > 0),
              "%s against %s: %s", rows[i].then, rows[i].now, buf_cstr(&out));
    }
}

static cJSON *wide(int n, const char *prefix)
{
    cJSON *all = cJSON_CreateArray(), *t = cJSON_CreateObject(), *list;

    cJSON_AddItemToArray(all, t);
    list = cJSON_AddArrayToObject(t, "columns");
    for (int i = 0; i < n; i++) {
        cJSON *c = cJSON_CreateObject();
        cleanup_free char *name = xasprintf("%s%d", prefix, i);
        cJSON_AddStringToObject(c, "name", name);
        cJSON_AddStringToObject(c, "type", "int");
        cJSON_AddItemToArray(list, c);
    }
    return all;
}

static void bounds(void)
{
    cleanup_json cJSON *a = wide(25, "a"), *b = wide(25, "b");
    cleanup_buf struct buf out = BUF_MAX(10000);
    size_t left = 20, all = 100;

    CHECK(columns_differ(a, b, "f", &out) == 25 &&
              strstr(buf_cstr(&out), "a19 is gone (new there: b0, b1, b2, b3, b4, ...)") &&
              strstr(buf_cstr(&out), "; and 5 further differences") &&
              strstr(buf_cstr(&out), "a20") == NULL,
          "of many differences the first are told");
    cleanup_json cJSON *few = columns_take(a, &left), *whole = columns_take(b, &all);
    CHECK(cJSON_GetArraySize(json_arr(few->child, "columns")) == 20 && left == 0 &&
              columns_untold(few) == 5,
          "columns beyond the bound are counted");
    CHECK(cJSON_Compare(json_arr(whole->child, "columns"), json_arr(b->child, "columns"), true) &&
              all == 75 && columns_untold(whole) == 0,
          "others are taken as they are");

    cleanup_buf struct buf text = BUF_MAX(100000);
    buf_puts(&text, "[{\"title\":1,\"unnamed\":-4,\"more\":1e99,\"columns\":[{\"name\":\"");
    for (int i = 0; i < 5000; i++)
        buf_putc(&text, 'x');
    buf_puts(&text, "\",\"type\":[],\"other\":{},\"formats\":[1,\"%Y\",{}]}]}]");
    cleanup_json cJSON *odd = parse(buf_cstr(&text));
    cleanup_json cJSON *took = columns_take(odd, &all);
    const cJSON *c = json_arr(took->child, "columns")->child;
    CHECK(strlen(json_str(c, "name")) == 800 && strcmp(json_str(c, "type"), "") == 0 &&
              json_get(c, "other") == NULL && cJSON_GetArraySize(json_arr(c, "formats")) == 1 &&
              json_int(took->child, "unnamed", -1) == 0 &&
              json_int(took->child, "more", -1) == INT32_MAX,
          "what is of another form is left out, and what is long is cut");
    CHECK(columns_take(NULL, &all) == NULL && columns_take(c, &all) == NULL, "no list is none");
}

int main(void)
{
    pairs();
    bounds();
    return tap_done();
}
