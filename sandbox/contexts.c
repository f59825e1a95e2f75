/* The contexts of a sandbox as the agent holds them: made, found, listed, thrown away. Their
 * processes are made in runcell.c, when a cell comes. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "sandbox/session.h"
#include "agent/base/banned.h"

#define MAX_NAME 64
#define READ_AT_ONCE (1 * MIB)

static struct context *find(const struct sandbox *s, const struct sandbox_language *language,
                            const char *name)
{
    if (language == NULL)
        language = sandbox_language(NULL);
    for (size_t i = 0; i < s->n_contexts; i++)
        if (s->contexts[i].language == language && strcmp(s->contexts[i].name, name) == 0)
            return &s->contexts[i];
    return NULL;
}

static struct context *add(struct sandbox *s, const struct sandbox_language *language,
                           const char *name)
{
    s->contexts = xrealloc(s->contexts, s->n_contexts + 1, sizeof *s->contexts);
    struct context *c = &s->contexts[s->n_contexts++];
    *c = (struct context){ .language = language ? language : sandbox_language(NULL),
                           .name = xstrdup(name),
                           .control = -1,
                           .out = -1,
                           .err = -1,
                           .guard = -1,
                           .stdin_in = -1,
                           .stdin_out = -1,
                           .stdin_queue = BUF_MAX(64 * KIB),
                           .env = BUF_MAX(MAX_CONTEXT_ENV),
                           .in = BUF_MAX(MAX_FRAME_BYTES + READ_AT_ONCE),
                           .guard_in = BUF_MAX(READ_AT_ONCE + 4096),
                           .out_queue = BUF_MAX(MAX_OUT_QUEUE) };
    return c;
}

struct context *session_context(struct sandbox *s, const struct sandbox_language *language,
                                const char *name)
{
    struct context *c = find(s, language, name);

    return c ? c : add(s, language, name);
}

void context_close(struct context *c)
{
    int *fds[] = { &c->guard, &c->control, &c->out, &c->err, &c->stdin_out };

    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        if (*fds[i] >= 0)
            close(steal_fd(fds[i]));
    buf_free(&c->in);
    buf_free(&c->guard_in);
    buf_free(&c->out_queue);
    c->ready = false;
}

void context_done(struct context *c)
{
    context_close(c);
    buf_free(&c->stdin_queue);
    buf_free(&c->env);
    free(c->cwd);
    free(c->name);
    free(c->names);
}

static bool is_name(const char *name)
{
    size_t n = strlen(name);

    if (n == 0 || n > MAX_NAME || name[0] == '.' || name[0] == '-')
        return false;
    for (const char *p = name; *p; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
              *p == '.' || *p == '_' || *p == '-'))
            return false;
    return true;
}

/* "context `NAME': why" with the name made harmless. */
static int refuse(struct err *e, const char *name, const char *why)
{
    cleanup_buf struct buf b = BUF_MAX(4096);

    utf8_clean_line(&b, utf8_head(str_of(name), 100));
    return err_set(e, ERR_USAGE, 0, "context `%s': %s", buf_cstr(&b), why);
}

static int add_env(struct buf *env, const char *entry, const char *name, struct err *e)
{
    const char *eq = strchr(entry, '=');

    if (eq == NULL || eq == entry)
        return refuse(e, name, "an environment entry must be NAME=VALUE");
    buf_put(env, entry, strlen(entry) + 1);
    if (env->over)
        return refuse(e, name, "its environment is larger than 64 KiB");
    return 0;
}

int sandbox_context_create(struct sandbox *s, const struct sandbox_language *language,
                           const char *name, const struct sandbox_context_options *o, struct err *e)
{
    cleanup_buf struct buf env = BUF_MAX(MAX_CONTEXT_ENV);

    if (!is_name(name))
        return refuse(e, name,
                      "a name is 1 to 64 letters, digits, dots, dashes and underscores, and "
                      "begins with neither dot nor dash");
    if (find(s, language, name))
        return refuse(e, name, "there is one of that name already");
    if (s->n_contexts >= MAX_CONTEXTS)
        return refuse(e, name, "there are 32 already; delete one");
    if (o && o->cwd && o->cwd[0] != '/')
        return refuse(e, name, "its working directory must be an absolute path inside");
    for (size_t i = 0; o && o->env && o->env[i]; i++)
        if (add_env(&env, o->env[i], name, e) < 0)
            return -1;
    struct context *c = add(s, language, name);
    if (o) {
        c->cwd = o->cwd ? xstrdup(o->cwd) : NULL;
        c->timeout_ms = o->timeout_ms;
        c->stdin_in = o->input;
        buf_putstr(&c->env, buf_str(&env));
    }
    return 0;
}

static struct context *must_find(struct sandbox *s, const struct sandbox_language *language,
                                 const char *name, struct err *e)
{
    struct context *c = find(s, language, name);

    if (c == NULL)
        refuse(e, name, "there is none of that name");
    return c;
}

int sandbox_context_delete(struct sandbox *s, const struct sandbox_language *language,
                           const char *name, struct err *e)
{
    struct context *c = must_find(s, language, name, e);

    if (c == NULL)
        return -1;
    context_done(c);
    *c = s->contexts[--s->n_contexts];
    return 0;
}

int sandbox_context_restart(struct sandbox *s, const struct sandbox_language *language,
                            const char *name, struct err *e)
{
    struct context *c = must_find(s, language, name, e);

    if (c == NULL)
        return -1;
    context_close(c);
    free(c->names);
    c->names = NULL;
    return 0;
}

size_t sandbox_context_count(const struct sandbox *s)
{
    return s->n_contexts;
}

void sandbox_context_get(const struct sandbox *s, size_t i, struct sandbox_context_info *ret)
{
    const struct context *c = &s->contexts[i];

    *ret = (struct sandbox_context_info){ .language = c->language,
                                          .name = c->name,
                                          .lives = c->control >= 0,
                                          .cells = c->cells,
                                          .names = c->names ? c->names : "" };
}
