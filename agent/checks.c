#include "agent/checks.h"
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/base/banned.h"

#define SHOWN 300 /* bytes of what was found */

/* What code gives in the cells' own context: the text of its last expression's value, or how it
 * failed. */
static int value_of(struct program *p, struct str code, bool *ret_ok, struct buf *out,
                    struct err *e)
{
    __attribute__((cleanup(sandbox_result_done))) struct sandbox_result r = { 0 };
    struct sandbox_cell cell = { .context = "default",
                                 .code = code,
                                 .timeout_ms = p->conf.timeout_ms };

    if (sandbox_run(p->run.sandbox, &cell, &p->stop, NULL, &r, e) < 0)
        return -1;
    *ret_ok = r.status == SANDBOX_OK;
    for (size_t i = 0; *ret_ok && i < r.n_items; i++)
        for (size_t k = 0; r.items[i].is_main && k < r.items[i].n_reprs; k++)
            if (strcmp(r.items[i].reprs[k].mime, "text/plain") == 0)
                utf8_clean_line(
                    out, utf8_head((struct str){ r.items[i].reprs[k].data, r.items[i].reprs[k].n },
                                   SHOWN));
    if (!*ret_ok && r.error_name) {
        utf8_clean_line(out, utf8_head(str_of(r.error_name), 100));
        buf_puts(out, ": ");
        utf8_clean_line(out, utf8_head(str_of(r.error_value), SHOWN));
    } else if (!*ret_ok) {
        buf_puts(out, sandbox_status_word(r.status));
    }
    return 0;
}

/* Behind "False": the plain values of the names that it speaks of. */
static int put_names(struct program *p, const char *expression, struct buf *found, struct err *e)
{
    cleanup_buf struct buf code = BUF_MAX(MAX_CONF_BYTES), names = BUF_MAX(2 * KIB);
    bool ok = false;

    buf_puts(&code,
             "{n.id: globals()[n.id] for n in __import__('ast').walk(__import__('ast').parse(");
    json_quote(&code, str_of(expression));
    buf_puts(&code, ")) if n.__class__.__name__ == 'Name' and "
                    "isinstance(globals().get(n.id), (int, float, str))}");
    if (value_of(p, buf_str(&code), &ok, &names, e) < 0)
        return -1;
    if (ok && names.n > 2) /* more than {} */
        buf_putf(found, " with %s", buf_cstr(&names));
    return 0;
}

static int check(struct program *p, const char *expression, struct err *e)
{
    cleanup_buf struct buf code = BUF_MAX(MAX_CONF_BYTES), found = BUF_MAX(4 * KIB);
    bool ran = false;

    buf_putf(&code, "True if (\n%s\n) else False", expression);
    if (value_of(p, buf_str(&code), &ran, &found, e) < 0)
        return err_wrap(e, "check %.200s", expression);
    bool ok = ran && str_is(buf_str(&found), "True");
    if (ran && !ok && put_names(p, expression, &found, e) < 0)
        return err_wrap(e, "check %.200s", expression);
    cJSON *ev = cJSON_CreateObject();
    json_add_str(ev, "expression", str_of(expression));
    cJSON_AddBoolToObject(ev, "ok", ok);
    json_add_str(ev, "found", buf_str(&found));
    record_event(p->run.record, "check", ev);
    return ok ? 0
              : err_set(e, ERR_CHECK, 0, "check %.200s: expected True, found %s", expression,
                        buf_cstr(&found));
}

int checks_run(struct program *p, struct err *e)
{
    const struct conf_list *l = &p->conf.check;
    struct err first = ERR_INIT;

    for (size_t i = 0; i < l->n; i++) {
        struct err one = ERR_INIT;
        if (check(p, l->v[i], &one) == 0)
            continue;
        if (one.code != ERR_CHECK) {
            *e = one;
            return -1;
        }
        if (first.code == ERR_NONE)
            first = one;
    }
    if (first.code == ERR_NONE)
        return 0;
    *e = first;
    return -1;
}
