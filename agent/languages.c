#include "agent/languages.h"
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "agent/base/io.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/sha256.h"
#include "agent/base/utf8.h"
#include "agent/libs.h"
#include "agent/run.h"
#include "agent/base/banned.h"

#define PROBE_MS 60000
#define MAX_VERSION 60

const char *languages_program(const struct conf *c, const struct sandbox_language *l)
{
    const struct {
        const char *name, *value;
    } settings[] = {
        { "node", c->node }, { "bash", c->bash }, { "r", c->r },
        { "java", c->java }, { "go", c->go },
    };

    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        if (strcmp(settings[i].name, l->setting) == 0)
            return settings[i].value;
    return NULL;
}

const struct sandbox_language *languages_chosen(const struct conf *c, struct err *e)
{
    const struct sandbox_language *l = sandbox_language(c->language);
    cleanup_buf struct buf known = BUF_MAX(4 * KIB);

    if (l)
        return l;
    for (size_t k = 0; k < sandbox_languages_n; k++)
        buf_putf(&known, " %s", sandbox_languages[k].name);
    err_set(e, ERR_USAGE, 0, "--language: there is no language \"%.60s\"; there are:%s",
            c->language, buf_cstr(&known));
    return NULL;
}

int languages_find(const struct conf *c, struct ui *ui, struct languages *ret, struct err *e)
{
    struct str rest = str_of(c->languages), word;

    *ret = (struct languages){ .n = 0 };
    if (c->language) {
        const struct sandbox_language *l = languages_chosen(c, e);
        if (l == NULL)
            return -1;
        if (l->start == START_PYTHON)
            return 0;
        ret->v[0].language = l;
        ret->programs[0] = (struct sandbox_program){ l, languages_program(c, l) };
        ret->n = 1;
        return sandbox_check_program(&ret->programs[0], e);
    }
    while (rest.n && ret->n < MAX_LANGUAGES) {
        str_cut(&rest, ' ', &word);
        cleanup_free char *name = str_dup(word);
        const struct sandbox_language *l = sandbox_language(name);
        if (l == NULL || l->start == START_PYTHON)
            continue;
        struct sandbox_program p = { l, languages_program(c, l) };
        struct err why = ERR_INIT;
        if (sandbox_check_program(&p, &why) < 0) {
            ui_warn(ui, "%s is not offered: %s", l->title, why.msg);
            continue;
        }
        ret->v[ret->n].language = l;
        ret->programs[ret->n++] = p;
    }
    return 0;
}

static void take_out(struct languages *l, size_t i)
{
    free(l->v[i].version);
    memmove(&l->v[i], &l->v[i + 1], (l->n - i - 1) * sizeof l->v[0]);
    memmove(&l->programs[i], &l->programs[i + 1], (l->n - i - 1) * sizeof l->programs[0]);
    l->v[--l->n].version = NULL;
}

void languages_done(struct languages *l)
{
    while (l->n)
        take_out(l, l->n - 1);
}

/* Where its answer is kept: a key of what decides whether it works. */
static char *cache_file(const struct sandbox *s, const struct sandbox_program *p, struct err *e)
{
    cleanup_free char *program = sandbox_program_path(p, e);
    struct sandbox_info info;
    struct sha256 h;
    struct stat st;
    char hex[65], line[160];

    if (program == NULL || stat(program, &st) < 0)
        return NULL;
    sandbox_get_info(s, &info);
    int n = snprintf(line, sizeof line, "%s %jd %" PRIdMAX ".%09ld %s " AGENT_VERSION,
                     p->language->name, (intmax_t)st.st_size, (intmax_t)st.st_mtim.tv_sec,
                     st.st_mtim.tv_nsec, info.backend);
    sha256_init(&h);
    sha256_put(&h, program, strlen(program));
    sha256_put(&h, line, (size_t)n);
    sha256_put(&h, p->language->args, strlen(p->language->args));
    sha256_hex(&h, hex);
    cleanup_free char *name = xasprintf("language-%s-%.24s", p->language->name, hex);
    return libs_cache_path(name);
}

/* One printable line, or NULL: it goes into the prompt, wherever it comes from. */
static char *as_version(struct str text)
{
    struct str line;

    text = str_trim(text);
    str_cut(&text, '\n', &line);
    line = str_trim(line);
    if (line.n >= 2 && line.p[0] == '\'' && line.p[line.n - 1] == '\'')
        line = (struct str){ line.p + 1, line.n - 2 };
    if (line.n == 0 || line.n > MAX_VERSION || line.p[0] < '0' || line.p[0] > '9')
        return NULL;
    for (size_t i = 0; i < line.n; i++)
        if (line.p[i] < ' ' || line.p[i] > '~')
            return NULL;
    return str_dup(line);
}

static char *version_of(const struct sandbox_result *r)
{
    for (size_t i = 0; r->status == SANDBOX_OK && i < r->n_items; i++) {
        const struct sandbox_item *it = &r->items[i];
        struct str text = { it->text, it->n };
        if (it->kind == ITEM_STDERR)
            continue;
        if (it->kind == ITEM_RESULT && it->n_reprs)
            text = (struct str){ it->reprs[0].data, it->reprs[0].n };
        char *v = as_version(text);
        if (v)
            return v;
    }
    return NULL;
}

static void say_why(struct ui *ui, const struct sandbox_language *l, const char *program,
                    const struct sandbox_result *r, const struct err *e)
{
    cleanup_buf struct buf b = BUF_MAX(8 * KIB);

    if (e->code != ERR_NONE)
        buf_puts(&b, e->msg);
    else if (r->error_name)
        buf_putf(&b, "%.200s: %.600s", r->error_name, r->error_value);
    else
        buf_putf(&b, "a first cell ended with \"%s\"", sandbox_status_word(r->status));
    for (size_t i = 0; i < r->n_items; i++)
        if (r->items[i].kind == ITEM_STDERR) {
            buf_puts(&b, "; it wrote: ");
            utf8_clean_line(
                &b, utf8_head(str_trim((struct str){ r->items[i].text, r->items[i].n }), 400));
            break;
        }
    ui_warn(ui, "%s is not offered: %s does not work in the sandbox: %s", l->title, program,
            buf_cstr(&b));
}

static void save(const char *path, const char *version)
{
    struct err e = ERR_INIT;
    cleanup_free char *dir = xstrndup(path, (size_t)(io_basename(path) - path));

    if (io_mkdirs(dir, 0700, &e) == 0)
        (void)io_write_atomic(AT_FDCWD, path, str_of(version), 0600, &e);
}

/* 1 = it works, 0 = it does not, which was said; -1 = the run is over. */
static int probe(struct run *run, const struct sandbox_program *p, char **ret, struct err *e)
{
    __attribute__((cleanup(sandbox_result_done))) struct sandbox_result r = { 0 };
    struct sandbox_cell cell = { .context = "default",
                                 .number = 0,
                                 .code = str_of(p->language->probe),
                                 .timeout_ms = PROBE_MS,
                                 .language = p->language };
    struct err why = ERR_INIT;
    cleanup_free char *program = sandbox_program_path(p, &why);

    ui_note(run->ui, "looking whether %s works here (once)", p->language->title);
    if (sandbox_run(run->sandbox, &cell, run->stop, NULL, &r, &why) < 0) {
        if (stop_check(run->stop, e) < 0)
            return -1;
        r = (struct sandbox_result){ 0 };
    }
    *ret = version_of(&r);
    if (*ret == NULL)
        say_why(run->ui, p->language, program ? program : p->language->runtime, &r, &why);
    return *ret != NULL;
}

int languages_probe(struct run *run, struct languages *l, struct err *e)
{
    for (size_t i = 0; i < l->n;) {
        cleanup_buf struct buf kept = BUF_MAX(4 * KIB);
        struct err ignored = ERR_INIT;
        cleanup_free char *path = cache_file(run->sandbox, &l->programs[i], &ignored);
        if (path && io_read_file(path, &kept, &ignored) == 0)
            l->v[i].version = as_version(buf_str(&kept));
        if (l->v[i].version == NULL) {
            int r = probe(run, &l->programs[i], &l->v[i].version, e);
            if (r < 0)
                return -1;
            if (r == 0) {
                take_out(l, i);
                continue;
            }
            if (path)
                save(path, l->v[i].version);
        }
        i++;
    }
    return 0;
}

char *languages_tool(const struct sandbox_language *l)
{
    return xasprintf("execute_%s", l->name);
}

char *languages_text(const struct languages *l)
{
    cleanup_buf struct buf b = BUF_MAX(64 * KIB);

    if (l->n == 0)
        return xstrdup("");
    buf_puts(
        &b, "- Further languages have an interpreter and a tool of their own; they share the files "
            "of the working directory and nothing else:");
    for (size_t i = 0; i < l->n; i++)
        buf_putf(&b, "%s `execute_%s` (%s%s%s %s)", i ? "," : "", l->v[i].language->name,
                 l->v[i].language->title,
                 strcmp(l->v[i].language->runtime, l->v[i].language->name) ? ", " : "",
                 strcmp(l->v[i].language->runtime, l->v[i].language->name)
                     ? l->v[i].language->runtime
                     : "",
                 l->v[i].version);
    buf_puts(&b, ". Use Python unless another language is asked for or serves better.\n");
    return buf_steal(&b);
}
