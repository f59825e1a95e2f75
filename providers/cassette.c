#include "providers/cassette.h"
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/json.h"
#include "agent/base/log.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "providers/errbody.h"
#include "providers/provider.h"
#include "agent/base/banned.h"

struct cassette {
    char *name;
    char *text;
    struct str *lines; /* into `text`; empty lines left out */
    size_t *numbers;   /* each one's line number */
    size_t n, next;
    char wire[40]; /* of the next line */
};

void cassette_free(struct cassette *c)
{
    if (c == NULL)
        return;
    free(c->name);
    free(c->text);
    free(c->lines);
    free(c->numbers);
    free(c);
}

void cassette_reply_done(struct cassette_reply *r)
{
    free(r->content_type);
    free(r->body);
    memset(r, 0, sizeof *r);
}

static cJSON *line_json(const struct cassette *c, size_t i, struct err *e)
{
    cleanup_json cJSON *j = reply_json(c->lines[i], e);
    const cJSON *r = json_obj(j, "response"), *rq = json_get(j, "request");
    const char *wrong = NULL;
    long status = (long)json_int(r, "status", -1);

    if (j == NULL) {
        e->code = ERR_CONFIG;
        err_wrap(e, "%s:%zu", c->name, c->numbers[i]);
        return NULL;
    }
    if (json_int(j, "v", -1) != 1)
        wrong = "its \"v\" is not 1: it was made by another version of this program";
    else if (r == NULL)
        wrong = "it has no \"response\" object";
    else if (status < 100 || status > 599)
        wrong = "its response has no \"status\" between 100 and 599";
    else if (json_str(r, "body") == NULL)
        wrong = "its response has no \"body\" text";
    else if (rq && !cJSON_IsObject(rq))
        wrong = "its \"request\" is no object";
    if (wrong) {
        err_set(e, ERR_CONFIG, 0, "%s:%zu: this is no line of a cassette: %s", c->name,
                c->numbers[i], wrong);
        return NULL;
    }
    return steal_ptr(&j);
}

struct cassette *cassette_parse(struct str text, const char *name, struct err *e)
{
    struct cassette *c = xcalloc(1, sizeof *c);
    size_t number = 0;

    c->name = xstrdup(name);
    c->text = str_dup(text);
    for (struct str rest = { c->text, text.n }, line; rest.n;) {
        str_cut(&rest, '\n', &line);
        number++;
        line = str_trim(line);
        if (line.n == 0)
            continue;
        if ((c->n & (c->n - 1)) == 0) { /* grow at powers of two */
            size_t room = c->n ? c->n * 2 : 1;
            c->lines = xrealloc(c->lines, room, sizeof *c->lines);
            c->numbers = xrealloc(c->numbers, room, sizeof *c->numbers);
        }
        c->lines[c->n] = line;
        c->numbers[c->n] = number;
        cJSON *j = line_json(c, c->n, e);
        c->n++;
        cJSON_Delete(j);
        if (j == NULL) {
            cassette_free(c);
            return NULL;
        }
    }
    if (c->n == 0) {
        err_set(e, ERR_CONFIG, 0, "the cassette %s holds no reply", name);
        cassette_free(c);
        return NULL;
    }
    return c;
}

struct cassette *cassette_open(const char *path, struct err *e)
{
    cleanup_buf struct buf text = BUF_MAX(CASSETTE_MAX_BYTES);

    if (io_read_file(path, &text, e) < 0) {
        e->code = ERR_CONFIG;
        err_wrap(e, "the cassette to replay");
        return NULL;
    }
    return cassette_parse(buf_str(&text), path, e);
}

static bool is_one_of(const char *key, const char *const *list)
{
    for (; key && *list; list++)
        if (strcmp(key, *list) == 0)
            return true;
    return false;
}

/* What is said in a message of any of the formats: the strings of these members, however deep. Ids,
 * opaque state and pictures differ from run to run and are not looked at. */
static void put_text(const cJSON *j, const char *key, struct buf *out)
{
    static const char *const texts[] = { "content",      "text",   "output", "error",
                                         "instructions", "system", "input",  NULL };
    static const char *const passed[] = { "arguments",    "args",     "function",
                                          "functionCall", "thinking", NULL };
    const cJSON *c;

    if (cJSON_IsString(j) && is_one_of(key, texts))
        buf_puts(out, j->valuestring);
    if (is_one_of(key, passed))
        return; /* of a call its name is compared */
    const char *type = json_str(j, "type");
    bool call = type && (!strcmp(type, "tool_use") || !strcmp(type, "function_call"));
    if (!call)
        cJSON_ArrayForEach(c, j) put_text(c, cJSON_IsArray(j) ? key : c->string, out);
}

/* The names of the tools that a message calls. */
static void put_calls(const cJSON *j, const char *key, struct buf *out)
{
    const char *type = json_str(j, "type"), *name = json_str(j, "name");
    bool call = key && (!strcmp(key, "function") || !strcmp(key, "functionCall"));
    const cJSON *c;

    call = call || (type && (!strcmp(type, "tool_use") || !strcmp(type, "function_call")));
    if (call)
        buf_putf(out, "%s%s", out->n ? " " : "", name ? name : "?");
    else
        cJSON_ArrayForEach(c, j) put_calls(c, cJSON_IsArray(j) ? key : c->string, out);
}

/* The names of the declared tools. */
static void put_tools(const cJSON *j, struct buf *out)
{
    const cJSON *t;

    cJSON_ArrayForEach(t, j)
    {
        const cJSON *fn = json_obj(t, "function"), *more = json_arr(t, "functionDeclarations");
        const char *name = json_str(fn ? fn : t, "name");
        if (more)
            put_tools(more, out);
        else
            buf_putf(out, "%s%s", out->n ? " " : "", name ? name : "?");
    }
}

/* The conversation, by whichever name the format has for it. */
static const cJSON *messages_of(const cJSON *j)
{
    static const char *const names[] = { "messages", "input", "contents" };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (json_arr(j, names[i]))
            return json_arr(j, names[i]);
    return NULL;
}

/* The instructions, where the format keeps them outside of the conversation. */
static void put_system(const cJSON *j, struct buf *out)
{
    static const char *const names[] = { "system", "instructions", "systemInstruction" };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        put_text(json_get(j, names[i]), names[i], out);
}

static const char *role_of(const cJSON *m)
{
    const char *role = json_str(m, "role"), *type = json_str(m, "type");

    return role ? role : type ? type : "";
}

/* From where the two differ, a bit of each, on one line. */
static int differs(const char *what, struct str was, struct str is, struct err *e)
{
    cleanup_buf struct buf a = BUF_MAX(400), b = BUF_MAX(400);
    size_t at = 0;

    while (at < was.n && at < is.n && was.p[at] == is.p[at])
        at++;
    size_t from = at > 20 ? at - 20 : 0;
    while (from > 0 && ((unsigned char)was.p[from] & 0xC0) == 0x80)
        from--;
    errbody_clean(&a, str_from(was, from), 90);
    errbody_clean(&b, str_from(is, from), 90);
    return err_set(e, ERR_PROVIDER, 0,
                   "%s differs from byte %zu on: recorded \"%s%s\", now \"%s%s\"", what, at,
                   from ? "..." : "", buf_cstr(&a), from ? "..." : "", buf_cstr(&b));
}

static int compare_message(const cJSON *w, const cJSON *i, int k, struct err *e)
{
    cleanup_buf struct buf wt = BUF_MAX(SIZE_MAX / 2), it = BUF_MAX(SIZE_MAX / 2);
    static const char *const parts[] = { "role", "text", "calls" };

    for (size_t p = 0; p < ARRAY_LEN(parts); p++) {
        buf_clear(&wt);
        buf_clear(&it);
        if (p == 0) {
            buf_puts(&wt, role_of(w));
            buf_puts(&it, role_of(i));
        } else if (p == 1) {
            put_text(w, NULL, &wt);
            put_text(i, NULL, &it);
        } else {
            put_calls(w, NULL, &wt);
            put_calls(i, NULL, &it);
        }
        cleanup_free char *what = xasprintf("messages[%d] (%s): its %s", k, role_of(i), parts[p]);
        if (!str_eq(buf_str(&wt), buf_str(&it)))
            return differs(what, buf_str(&wt), buf_str(&it), e);
    }
    return 0;
}

static int compare(const cJSON *was, const cJSON *is, struct err *e)
{
    const cJSON *wm = messages_of(was), *im = messages_of(is);
    struct str a = str_of(json_str(was, "model")), b = str_of(json_str(is, "model"));
    int wn = cJSON_GetArraySize(wm), in = cJSON_GetArraySize(im);
    cleanup_buf struct buf wt = BUF_MAX(SIZE_MAX / 2), it = BUF_MAX(SIZE_MAX / 2);

    if (!str_eq(a, b))
        return differs("the model", a, b, e);
    put_tools(json_arr(was, "tools"), &wt);
    put_tools(json_arr(is, "tools"), &it);
    if (!str_eq(buf_str(&wt), buf_str(&it)))
        return differs("the list of tools", buf_str(&wt), buf_str(&it), e);
    buf_clear(&wt);
    buf_clear(&it);
    put_system(was, &wt);
    put_system(is, &it);
    if (!str_eq(buf_str(&wt), buf_str(&it)))
        return differs("the instructions", buf_str(&wt), buf_str(&it), e);
    const cJSON *w = wm ? wm->child : NULL, *i = im ? im->child : NULL;
    for (int k = 0; w && i; k++, w = w->next, i = i->next)
        if (compare_message(w, i, k, e) < 0)
            return -1;
    if (wn != in)
        return err_set(e, ERR_PROVIDER, 0, "it has %d messages, the recorded one has %d", in, wn);
    return 0;
}

int cassette_next(struct cassette *c, struct str request, struct cassette_reply *ret, struct err *e)
{
    if (c->next == c->n)
        return err_set(
            e, ERR_PROVIDER, 0,
            "the cassette %s has only %zu %s, and the run asks for one more: the recording "
            "is of a shorter conversation, or this one took another way",
            c->name, c->n, c->n == 1 ? "reply" : "replies");
    cleanup_json cJSON *j = line_json(c, c->next, e);
    if (j == NULL)
        return -1;
    const cJSON *was = json_obj(j, "request"), *r = json_obj(j, "response");
    if (was) {
        /* What was recorded is redacted, so what is asked must be too. */
        cleanup_buf struct buf plain = BUF_MAX(SIZE_MAX / 2);
        secret_redact(&plain, request);
        cleanup_json cJSON *is = json_parse(buf_str(&plain), e);
        if (is == NULL)
            return err_wrap(e, "the request that is compared with the cassette");
        if (compare(was, is, e) < 0)
            return err_wrap(e, "%s:%zu: request %zu is not the recorded one", c->name,
                            c->numbers[c->next], c->next + 1);
    }
    const char *type = json_str(r, "content_type");
    ret->status = (long)json_int(r, "status", 0);
    ret->content_type = xstrdup(type ? type : "");
    ret->body = xstrdup(json_str(r, "body"));
    c->next++;
    return 0;
}

const char *cassette_wire(struct cassette *c)
{
    struct err ignored = ERR_INIT;
    cleanup_json cJSON *j = c->next < c->n ? line_json(c, c->next, &ignored) : NULL;
    const char *wire = json_str(j, "wire");

    snprintf(c->wire, sizeof c->wire, "%s", wire ? wire : "");
    return c->wire;
}

/* A NUL cannot be in a JSON text that C reads back: it becomes U+FFFD, as invalid bytes do. */
static void quote(struct buf *out, struct str s)
{
    cleanup_buf struct buf b = BUF_MAX(SIZE_MAX / 2);

    if (s.n && memchr(s.p, '\0', s.n)) {
        for (size_t i = 0; i < s.n; i++)
            if (s.p[i])
                buf_putc(&b, s.p[i]);
            else
                buf_puts(&b, "\xEF\xBF\xBD");
        s = buf_str(&b);
    }
    json_quote(out, s);
}

int cassette_append(const char *path, const char *wire, struct str request, long status,
                    struct str content_type, struct str body, struct err *e)
{
    cleanup_buf struct buf raw = BUF_MAX(SIZE_MAX / 2), line = BUF_MAX(SIZE_MAX / 2);

    buf_putf(&raw, "{\"v\":1,\"wire\":\"%s\",\"request\":", wire);
    size_t from = raw.n;
    buf_putstr(&raw, request);
    /* A tool's schema may have lines; in a JSON text they can stand between values only. */
    for (size_t i = from; i < raw.n; i++)
        if (raw.p[i] == '\n' || raw.p[i] == '\r')
            raw.p[i] = ' ';
    buf_putf(&raw, ",\"response\":{\"status\":%ld,\"content_type\":", status);
    quote(&raw, content_type);
    buf_puts(&raw, ",\"body\":");
    quote(&raw, body);
    buf_puts(&raw, "}}");
    secret_redact(&line, buf_str(&raw));
    buf_putc(&line, '\n');
    cleanup_fd int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set(e, ERR_CONFIG, errno, "open the cassette %s to record into", path);
    if (io_write_all(fd, line.p, line.n, e) < 0)
        return err_wrap(e, "write the cassette %s", path);
    return 0;
}
