#include "agent/dry_run.h"
#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "agent/asking.h"
#include "agent/base/io.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/log.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/events.h"
#include "agent/loop.h"
#include "agent/base/banned.h"

static void new_line(struct buf *out, int depth)
{
    buf_putc(out, '\n');
    for (int i = 0; i < depth; i++)
        buf_puts(out, "  ");
}

void dry_run_indent(struct str json, struct buf *out)
{
    bool quoted = false;
    int depth = 0;

    for (size_t i = 0; i < json.n; i++) {
        char c = json.p[i];
        if (quoted) {
            buf_putc(out, c);
            if (c == '\\' && i + 1 < json.n)
                buf_putc(out, json.p[++i]);
            quoted = c != '"';
            continue;
        }
        if (strchr(" \t\r\n", c))
            continue;
        if (c == '}' || c == ']')
            new_line(out, --depth);
        buf_putc(out, c);
        if (c == '"')
            quoted = true;
        else if (c == ':')
            buf_putc(out, ' ');
        else if (c == ',')
            new_line(out, depth);
        else if (c == '{' || c == '[') {
            size_t k = i + 1;
            while (k < json.n && strchr(" \t\r\n", json.p[k]))
                k++;
            if (k < json.n && json.p[k] == (c == '{' ? '}' : ']')) { /* empty: on one line */
                buf_putc(out, json.p[k]);
                i = k;
            } else {
                new_line(out, ++depth);
            }
        }
    }
}

static void put_text(const struct run *run, const struct asking_preview *p, struct buf *out)
{
    buf_putf(out, "# %s, model %s: nothing was sent\n", asking_service(run->asking),
             asking_model(run->asking));
    buf_putf(out, "# about %lld tokens", (long long)p->input_tokens);
    if (isnan(p->cost))
        buf_puts(out, "; what they cost is not known\n");
    else
        buf_putf(out, ", about %.6f USD, and the reply on top\n", p->cost);
    buf_putf(out, "POST %s\n%s\n", buf_cstr(&p->request.url), buf_cstr(&p->request.headers));
    dry_run_indent(buf_str(&p->request.body), out);
    buf_putc(out, '\n');
}

static int put_json(const struct asking_preview *p, struct buf *out, struct err *e)
{
    cleanup_json cJSON *o = cJSON_CreateObject(), *body = json_parse(buf_str(&p->request.body), e);
    struct str rest = buf_str(&p->request.headers), line, name;

    if (body == NULL)
        return -1;
    cJSON_AddStringToObject(o, "type", "dry_run");
    json_add_int(o, "schema_version", EVENTS_SCHEMA_VERSION);
    cJSON_AddStringToObject(o, "method", "POST");
    json_add_str(o, "url", buf_str(&p->request.url));
    cJSON *headers = cJSON_AddObjectToObject(o, "headers");
    while (rest.n) {
        (void)str_cut(&rest, '\n', &line);
        if (!str_cut(&line, ':', &name))
            continue;
        cleanup_free char *n = str_dup(name);
        json_add_str(headers, n, str_trim(line));
    }
    json_add_int(o, "input_tokens", p->input_tokens);
    if (!isnan(p->cost))
        cJSON_AddNumberToObject(o, "cost_usd", p->cost);
    cleanup_free char *text = json_text(o);
    buf_put(out, text, strlen(text) - 1);
    buf_putf(out, ",\"body\":"); /* as it is, digit for digit */
    if (!json_compact(buf_str(&p->request.body), out))
        return err_set(e, ERR_INTERNAL, 0, "the request is no JSON");
    buf_puts(out, "}\n");
    return 0;
}

int dry_run_print(struct run *run, struct err *e)
{
    struct asking_preview p = { .request = CLIENT_PREVIEW_INIT };
    cleanup_buf struct buf raw = BUF_MAX(SIZE_MAX / 8), safe = BUF_MAX(SIZE_MAX / 8),
                           out = BUF_MAX(SIZE_MAX / 4);
    int r = loop_preview(run, &p, e);

    if (r == 0 && run->conf->output_format != FORMAT_TEXT)
        r = put_json(&p, &raw, e);
    else if (r == 0)
        put_text(run, &p, &raw);
    client_preview_done(&p.request);
    if (r < 0)
        return -1;
    secret_redact(&safe, buf_str(&raw));
    if (run->conf->output_format != FORMAT_TEXT)
        buf_putstr(&out, buf_str(&safe)); /* JSON: its control characters are escapes */
    else
        utf8_clean(&out, buf_str(&safe));
    return io_write_all(STDOUT_FILENO, out.p, out.n, e) < 0 && e->sys != EPIPE ? -1 : 0;
}
