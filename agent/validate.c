#include "agent/validate.h"
#include <cjson/cJSON.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include "agent/base/json.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/base/banned.h"

#define MAX_WARNINGS 100
#define BY_USER "a setting forbids it"

/* Why the defaults of the three settings are there; what the user adds has no reason of ours. */
static const struct {
    const char *rule, *reason;
} reasons[] = {
    { "import ctypes", "it reaches past the interpreter into memory and the C library" },
    { "import _ctypes", "it reaches past the interpreter into memory and the C library" },
    { "import cffi", "it reaches past the interpreter into memory and the C library" },
    { "import socket", "there is no network, and a socket is the first step of a way out" },
    { "import _socket", "there is no network, and a socket is the first step of a way out" },
    { "import pty", "a terminal of its own is what interactive shells want" },
    { "import _posixsubprocess", "the inside of subprocess; only evasions call it" },
    { "call os.setuid", "an ordinary analysis changes no identity" },
    { "call os.setgid", "an ordinary analysis changes no identity" },
    { "call os.chroot", "an ordinary analysis changes no root" },
    { "call os.unshare", "new namespaces are the sandbox's own affair" },
    { "call os.setns", "new namespaces are the sandbox's own affair" },
    { "call sys.settrace", "it watches and changes other code as it runs" },
    { "call gc.get_objects", "it finds objects that the code was not given" },
    { "pattern /proc/([0-9]+|self)/(mem|environ|maps)", "memory and secrets of processes" },
    { "pattern /dev/tcp/", "the shell's own way to the network" },
    { "pattern 169\\.254\\.169\\.254", "where clouds hand out credentials" },
    { "pattern docker\\.sock", "the door to the host of a container" },
    { "pattern release_agent|core_pattern", "ways by which containers were left" },
    { "pattern :\\(\\)[[:space:]]*\\{", "a fork bomb" },
};

static const char *reason_of(const char *rule)
{
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (strcmp(reasons[i].rule, rule) == 0)
            return reasons[i].reason;
    return BY_USER;
}

void warnings_done(struct warnings *w)
{
    for (size_t i = 0; i < w->n; i++)
        free(w->v[i].rule);
    free(w->v);
    *w = (struct warnings){ NULL, 0 };
}

static void add(struct warnings *w, const char *kind, struct str name, int line)
{
    if (w->n == MAX_WARNINGS)
        return;
    w->v = xrealloc(w->v, w->n + 1, sizeof *w->v);
    struct warning *one = &w->v[w->n++];
    one->rule = xasprintf("%s %.*s", kind, (int)name.n, name.p);
    one->reason = reason_of(one->rule);
    one->line = line;
}

/* --- patterns --- */

static int compile(struct str word, regex_t *re, struct err *e)
{
    cleanup_free char *text = str_dup(word);
    char why[200];

    int r = regcomp(re, text, REG_EXTENDED);
    if (r == 0)
        return 0;
    regerror(r, re, why, sizeof why);
    return err_set(e, ERR_CONFIG, 0,
                   "forbid_patterns: \"%s\" is no extended regular expression: %s", text, why);
}

/* The next pattern of a list, compiled. 1, 0 = there is none, -1 = *e is set. */
static int next_pattern(struct str *list, struct str *word, regex_t *re, struct err *e)
{
    do {
        if (list->n == 0)
            return 0;
        str_cut(list, ' ', word);
    } while (word->n == 0);
    return compile(*word, re, e) < 0 ? -1 : 1;
}

int validate_patterns(const struct conf *c, struct err *e)
{
    struct str rest = str_of(c->forbid_patterns), word;
    regex_t re;
    int r;

    while ((r = next_pattern(&rest, &word, &re, e)) > 0)
        regfree(&re);
    return r;
}

/* The first line that a pattern is found in. */
static int find_line(const regex_t *re, struct str code)
{
    struct str line;
    int number = 0;

    for (bool more = true; more;) {
        more = str_cut(&code, '\n', &line);
        number++;
        regmatch_t at = { 0, (regoff_t)line.n };
        if (regexec(re, line.n ? line.p : "", 1, &at, REG_STARTEND) == 0)
            return number;
    }
    return 0;
}

static int find_patterns(const struct conf *c, struct str code, struct warnings *ret, struct err *e)
{
    struct str rest = str_of(c->forbid_patterns), word;
    regex_t re;
    int r;

    while ((r = next_pattern(&rest, &word, &re, e)) > 0) {
        int line = find_line(&re, code);
        regfree(&re);
        if (line)
            add(ret, "pattern", word, line);
    }
    return r;
}

/* --- Python --- */

/* Could the code name one of these? Names in other letters that Python takes for the same are not
 * ASCII. Most code names none, and costs nothing then. */
static bool may_name(const char *rules, struct str code)
{
    struct str rest = str_of(rules), rule;

    for (size_t i = 0; i < code.n; i++)
        if ((unsigned char)code.p[i] >= 0x80)
            return true;
    while (rest.n) {
        str_cut(&rest, ' ', &rule);
        for (size_t i = rule.n; i > 0; i--)
            if (rule.p[i - 1] == '.') {
                rule = str_from(rule, i); /* the last part of a dotted name must stand there */
                break;
            }
        if (rule.n && memmem(code.p, code.n, rule.p, rule.n))
            return true;
    }
    return false;
}

static int find_names(const struct conf *c, struct sandbox *s, struct str code,
                      const struct stop *stop, struct warnings *ret, struct err *e)
{
    cleanup_buf struct buf found = BUF_MAX(64 * 1024);
    struct str rest, line, kind, name;
    long long number;

    if (!may_name(c->forbid_imports, code) && !may_name(c->forbid_calls, code))
        return 0;
    if (sandbox_names(s, code, c->forbid_imports, c->forbid_calls, stop, &found, e) < 0)
        return -1;
    rest = buf_str(&found);
    while (rest.n) {
        str_cut(&rest, '\n', &line);
        str_cut(&line, ' ', &kind);
        str_cut(&line, ' ', &name);
        if ((str_is(kind, "import") || str_is(kind, "call")) && str_to_ll(line, &number))
            add(ret, str_is(kind, "import") ? "import" : "call", name, (int)number);
    }
    return 0;
}

int validate_code(const struct conf *c, struct sandbox *s, const struct sandbox_cell *cell,
                  const struct stop *stop, struct warnings *ret, struct err *e)
{
    bool is_python = cell->language == NULL || cell->language->start == START_PYTHON;

    if (c->validate == VALIDATE_OFF)
        return 0;
    if (is_python && find_names(c, s, cell->code, stop, ret, e) < 0)
        return -1;
    return find_patterns(c, cell->code, ret, e);
}

void warnings_text(const struct warnings *w, struct buf *out)
{
    for (size_t i = 0; i < w->n; i++) {
        buf_putf(out, "line %d: ", w->v[i].line);
        utf8_clean_line(out, str_of(w->v[i].rule));
        buf_putf(out, " (%s)\n", w->v[i].reason);
    }
}

void warnings_json(const struct warnings *w, cJSON *o)
{
    if (w->n == 0)
        return;
    cJSON *list = cJSON_AddArrayToObject(o, "warnings");
    for (size_t i = 0; i < w->n; i++) {
        cJSON *one = cJSON_CreateObject();
        json_add_str(one, "rule", str_of(w->v[i].rule));
        json_add_str(one, "reason", str_of(w->v[i].reason));
        json_add_int(one, "line", w->v[i].line);
        cJSON_AddItemToArray(list, one);
    }
}
