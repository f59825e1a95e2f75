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

/* A message's text, whichever form it has: a string, null, or a list of text parts. */
static void message_text(const cJSON *m, struct buf *out)
{
    const cJSON *content = json_get(m, "content"), *part;

    if (cJSON_IsString(content))
        buf_puts(out, content->valuestring);
    cJSON_ArrayForEach(part, json_arr(m, "content")) if (json_str(part, "text"))
        buf_puts(out, json_str(part, "text"));
}

/* Names of the declared tools, or of the tools that a message calls. */
static void tool_names(const cJSON *o, const char *member, struct buf *out)
{
    const cJSON *t;

    cJSON_ArrayForEach(t, json_arr(o, member))
    {
        const cJSON *fn = json_obj(t, "function");
        const char *name = json_str(fn ? fn : t, "name");
        buf_putf(out, "%s%s", out->n ? " " : "", name ? name : "?");
    }
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

static int compare(const cJSON *was, const cJSON *is, struct err *e)
{
    const cJSON *wm = json_arr(was, "messages"), *im = json_arr(is, "messages");
    struct str a = str_of(json_str(was, "model")), b = str_of(json_str(is, "model"));
    int wn = cJSON_GetArraySize(wm), in = cJSON_GetArraySize(im);
    cleanup_buf struct buf wt = BUF_MAX(SIZE_MAX / 2), it = BUF_MAX(SIZE_MAX / 2);

    if (!str_eq(a, b))
        return differs("the model", a, b, e);
    tool_names(was, "tools", &wt);
    tool_names(is, "tools", &it);
    if (!str_eq(buf_str(&wt), buf_str(&it)))
        return differs("the list of tools", buf_str(&wt), buf_str(&it), e);
    const cJSON *w = wm ? wm->child : NULL, *i = im ? im->child : NULL;
    for (int k = 0; w && i; k++, w = w->next, i = i->next) {
        static const char *const parts[] = { "role", "text", "calls" };
        for (size_t p = 0; p < ARRAY_LEN(parts); p++) {
            buf_clear(&wt);
            buf_clear(&it);
            if (p == 0) {
                buf_putstr(&wt, str_of(json_str(w, "role")));
                buf_putstr(&it, str_of(json_str(i, "role")));
            } else if (p == 1) {
                message_text(w, &wt);
                message_text(i, &it);
            } else {
                tool_names(w, "tool_calls", &wt);
                tool_names(i, "tool_calls", &it);
            }
            cleanup_free char *what =
                xasprintf("messages[%d] (%s): its %s", k,
                          json_str(i, "role") ? json_str(i, "role") : "?", parts[p]);
            if (!str_eq(buf_str(&wt), buf_str(&it)))
                return differs(what, buf_str(&wt), buf_str(&it), e);
        }
    }
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
    buf_putstr(&raw, request);
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
