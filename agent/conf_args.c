/* The command line: long flags with = or the next word, --no-X, clusters of letters, --. */
#include <stdlib.h>
#include <string.h>
#include "agent/base/mem.h"
#include "agent/conf_load.h"
#include "agent/base/banned.h"

/* One long flag without its dashes matched against a setting: its name or an alias. */
static bool has_flag_name(const struct conf_setting *s, struct str word)
{
    cleanup_free char *flag = conf_flag_name(s);

    if (str_is(word, flag + 2))
        return true;
    struct str rest = str_of(s->aliases), alias;
    for (bool more = rest.n > 0; more;) {
        more = str_cut(&rest, ' ', &alias);
        if (str_eq(alias, word))
            return true;
    }
    return false;
}

/* Two commands may use one name for different things, so the command's own come first. */
static int find_long(enum conf_command command, struct str word)
{
    int other = -1;

    for (size_t i = 0; i < conf_table_n; i++) {
        if (!has_flag_name(&conf_table[i], word))
            continue;
        if (conf_in_scope(&conf_table[i], command))
            return (int)i;
        other = (int)i;
    }
    return other;
}

static int find_letter(enum conf_command command, char letter)
{
    int other = -1;

    for (size_t i = 0; i < conf_table_n; i++) {
        if (conf_table[i].letter != letter)
            continue;
        if (conf_in_scope(&conf_table[i], command))
            return (int)i;
        other = (int)i;
    }
    return other;
}

static const struct conf_flag *find_action(struct str word, char letter)
{
    for (size_t i = 0; i < conf_flags_n; i++)
        if ((letter && conf_flags[i].letter == letter) ||
            (!letter && str_is(word, conf_flags[i].name)))
            return &conf_flags[i];
    return NULL;
}

/* What --no-X stands for: "false" for a switch, "no" or "never" for a choice that has it. */
static const char *negative(const struct conf_setting *s)
{
    static const char *const words[] = { "no", "never" };

    if (s->kind == K_BOOL)
        return "false";
    struct err ignored = ERR_INIT;
    for (size_t i = 0; s->kind == K_CHOICE && i < ARRAY_LEN(words); i++)
        if (conf_value_set(s, NULL, str_of(words[i]), NULL, &ignored) == 0)
            return words[i];
    return NULL;
}

/* `letter`: the one letter of a cluster that is not known, or NULL; the whole word is better when
 * it is near a long flag ("-quiet"). */
static int unknown_flag(enum conf_command command, struct str word, const char *letter,
                        struct err *e)
{
    cleanup_buf struct buf b = BUF_MAX(1024);
    char **names = xcalloc(2 * conf_table_n + conf_flags_n, sizeof *names);
    size_t n = 0;
    struct str bare = word;

    /* Without the dashes: what all have in common makes nothing nearer. */
    while (bare.n && bare.p[0] == '-')
        bare = str_from(bare, 1);
    bool no = str_starts(bare, "no-") && bare.n > 3;
    for (size_t i = 0; i < conf_table_n; i++) {
        cleanup_free char *flag = conf_flag_name(&conf_table[i]);
        if (!conf_in_scope(&conf_table[i], command))
            continue;
        if (no && negative(&conf_table[i]))
            names[n++] = xasprintf("no-%s", flag + 2);
        names[n++] = xstrdup(flag + 2);
    }
    for (size_t i = 0; i < conf_flags_n; i++)
        names[n++] = xstrdup(conf_flags[i].name);
    const char *near = bare.n > 2 ? conf_nearest(bare, (const char *const *)names, n) : NULL;
    if (letter && !near)
        word = str_of(letter);
    err_set(
        e, ERR_USAGE, 0, "unknown flag %s%s%s%s agent %s%s--help lists all, and -- ends the flags",
        conf_shown(&b, word), near ? "; did you mean --" : ";", near ? near : "", near ? "?" : "",
        command == CMD_ASK ? "" : conf_commands[command].name, command == CMD_ASK ? "" : " ");
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
    return -1;
}

/* Is this word one of our flags, whole? Then it is hardly meant as another flag's value. */
static bool is_flag(enum conf_command command, const char *word)
{
    struct str w = str_of(word);

    if (w.n == 2 && w.p[0] == '-')
        return find_letter(command, w.p[1]) >= 0 || find_action(w, w.p[1]);
    if (!str_starts(w, "--") || w.n < 3)
        return false;
    (void)str_cut(&w, '=', &w);
    w = str_from(str_of(word), 2);
    struct str name;
    (void)str_cut(&w, '=', &name);
    return find_long(command, name) >= 0 || find_action(name, 0);
}

struct words {
    char **v;
    int n, i;
    enum conf_command command; /* known once its word has been met */
};

/* The value of a flag that stands alone: the next word. */
static int next_value(struct words *w, const char *flag, const struct conf_setting *s,
                      struct str *ret, struct err *e)
{
    if (w->i + 1 >= w->n)
        return err_set(e, ERR_USAGE, 0, "%s needs a value: %s %s", flag, flag, s->arg);
    const char *next = w->v[w->i + 1];
    if (is_flag(w->command, next)) {
        cleanup_free char *name = conf_flag_name(s);
        return err_set(e, ERR_USAGE, 0,
                       "%s needs a value, but %s is a flag; write %s=%s if that is the value", flag,
                       next, name, next);
    }
    w->i++;
    *ret = str_of(next);
    return 0;
}

static int parse_long(struct conf_loader *l, struct words *w, struct err *e)
{
    char *word = w->v[w->i];
    struct str value = str_from(str_of(word), 2), name;
    bool has_value = str_cut(&value, '=', &name);

    if (str_is(name, "api-key") || str_is(name, "api_key") || str_is(name, "key")) {
        if (has_value)
            mem_wipe((char *)value.p, value.n);
        else if (w->i + 1 < w->n)
            mem_wipe(w->v[w->i + 1], strlen(w->v[w->i + 1]));
        return err_set(e, ERR_USAGE, 0, "--%.*s is not a flag: %s", (int)name.n, name.p,
                       conf_key_advice);
    }
    const struct conf_flag *flag = find_action(name, 0);
    if (flag) {
        if (has_value)
            return err_set(e, ERR_USAGE, 0, "--%s takes no value", flag->name);
        if (l->c->action != CONF_HELP)
            l->c->action = flag->action;
        return 0;
    }
    int i = find_long(w->command, name);
    const char *no = NULL;
    if (i < 0 && str_starts(name, "no-")) {
        i = find_long(w->command, str_from(name, 3));
        no = i >= 0 ? negative(&conf_table[i]) : NULL;
        if (no == NULL)
            i = -1;
    }
    if (i < 0)
        return unknown_flag(w->command, (struct str){ word, name.n + 2 }, NULL, e);
    cleanup_free char *where = xasprintf("--%.*s", (int)name.n, name.p);
    if (no) {
        if (has_value)
            return err_set(e, ERR_USAGE, 0, "%s takes no value", where);
        value = str_of(no);
    } else if (!has_value && conf_table[i].kind == K_BOOL) {
        value = STR("true");
    } else if (!has_value && next_value(w, where, &conf_table[i], &value, e) < 0) {
        return -1;
    }
    conf_assign_add(l, i, L_FLAG, value, steal_ptr(&where));
    return 0;
}

/* "-qv", "-n5", "-n 5", "-vm NAME". */
static int parse_cluster(struct conf_loader *l, struct words *w, struct err *e)
{
    for (const char *p = w->v[w->i] + 1; *p; p++) {
        cleanup_free char *where = xasprintf("-%c", *p);
        const struct conf_flag *flag = find_action(STR(""), *p);
        int i = find_letter(w->command, *p);

        if (flag) {
            if (l->c->action != CONF_HELP)
                l->c->action = flag->action;
            continue;
        }
        if (i < 0)
            return unknown_flag(w->command, str_of(w->v[w->i]), where, e);
        if (conf_table[i].kind == K_BOOL) {
            conf_assign_add(l, i, L_FLAG, STR("true"), steal_ptr(&where));
            continue;
        }
        struct str value = str_of(p + 1);
        if (value.n == 0 && next_value(w, where, &conf_table[i], &value, e) < 0)
            return -1;
        conf_assign_add(l, i, L_FLAG, value, steal_ptr(&where));
        return 0;
    }
    return 0;
}

/* A flag may stand before the command's word, so only at the end is it known whose it is. */
static int check_scope(struct conf_loader *l, struct err *e)
{
    const char *command = conf_commands[l->c->command].name;

    for (size_t i = 0; i < l->n; i++) {
        const struct conf_setting *s = &conf_table[l->v[i].setting];
        if (l->v[i].level == L_FLAG && !conf_in_scope(s, l->c->command))
            return err_set(e, ERR_USAGE, 0,
                           "%s is no flag of agent %s: it would change nothing there; agent %s "
                           "--help lists those that count",
                           l->v[i].where, command, command);
        if (l->v[i].level == L_FLAG && conf_in_scope(s, CMD_ASK)) {
            cleanup_free char *name = conf_flag_name(s);
            cleanup_free char *given = xasprintf("%s=%s", name, l->v[i].value);
            conf_list_add(&l->c->given, given);
        }
    }
    return 0;
}

int conf_read_args(struct conf_loader *l, int argc, char **argv, struct err *e)
{
    struct words w = { argv, argc, 1, CMD_ASK };
    struct conf *c = l->c;
    bool flags = true, named = false;

    c->args = xcalloc((size_t)argc + 1, sizeof *c->args);
    for (; w.i < argc; w.i++) {
        const char *word = argv[w.i];
        if (flags && strcmp(word, "--") == 0) {
            flags = false;
        } else if (flags && word[0] == '-' && word[1] == '-') {
            if (parse_long(l, &w, e) < 0)
                return -1;
        } else if (flags && word[0] == '-' && word[1] != '\0') {
            if (parse_cluster(l, &w, e) < 0)
                return -1;
        } else {
            int command = flags && !named && c->n_args == 0 ? conf_command_find(str_of(word)) : -1;
            if (command >= 0) {
                named = true;
                w.command = c->command = (enum conf_command)command;
                continue;
            }
            c->args[c->n_args++] = xstrdup(word);
            if (conf_commands[c->command].words_end_flags)
                flags = false;
        }
    }
    return check_scope(l, e);
}
