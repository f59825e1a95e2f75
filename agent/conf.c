#include "agent/conf.h"
#include <arpa/inet.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/conf_load.h"
#include "agent/base/banned.h"

const char conf_key_advice[] =
    "a key on a command line or in a settings file shows in process lists, shell histories and "
    "backups. Three ways are safe: export OPENAI_API_KEY=...; or put it in a file of mode 0600 "
    "and set api_key_file; or set api_key_cmd to a command that prints it";

static void *field(struct conf *c, int setting)
{
    return (char *)c + conf_table[setting].offset;
}

void conf_list_add(struct conf_list *l, const char *s)
{
    l->v = xrealloc(l->v, l->n + 1, sizeof *l->v);
    l->v[l->n++] = xstrdup(s);
}

void conf_list_done(struct conf_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->v[i]);
    free(l->v);
    *l = (struct conf_list){ NULL, 0 };
}

void conf_note(struct conf *c, const char *fmt, ...)
{
    cleanup_buf struct buf b = BUF_MAX(4096), clean = BUF_MAX(65536);
    va_list ap;

    va_start(ap, fmt);
    buf_vputf(&b, fmt, ap);
    va_end(ap);
    utf8_clean_line(&clean, buf_str(&b));
    conf_list_add(&c->notes, buf_cstr(&clean));
}

const char *conf_shown(struct buf *b, struct str s)
{
    buf_clear(b);
    utf8_clean_line(b, utf8_head(s, 60));
    if (s.n > 60)
        buf_puts(b, "...");
    return buf_cstr(b);
}

struct conf_assign *conf_assign_add(struct conf_loader *l, int setting, enum conf_level level,
                                    struct str value, char *where)
{
    l->v = xrealloc(l->v, l->n + 1, sizeof *l->v);
    struct conf_assign *a = &l->v[l->n++];

    *a = (struct conf_assign){ .setting = setting, .level = level, .where = where };
    a->value = str_dup(value);
    return a;
}

static void loader_done(struct conf_loader *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->v[i].value);
        free(l->v[i].where);
        free(l->v[i].dir);
        free(l->v[i].profile);
    }
    free(l->v);
    conf_list_done(&l->profiles);
}

/* The prefix, which all have, makes nothing nearer. */
static const char *nearest_env(struct str name, char *const *names)
{
    const char **bare = xcalloc(conf_table_n, sizeof *bare);
    size_t prefix = strlen("AGENT_"), n = 0;

    for (size_t i = 0; i < conf_table_n; i++)
        if (!conf_table[i].flag_only)
            bare[n++] = names[i] + prefix;
    const char *near = conf_nearest(str_from(name, prefix), bare, n);
    free(bare);
    return near ? near - prefix : NULL;
}

/* A misspelt AGENT_ variable would be ignored in silence; other programs use the prefix too, so it
 * is a note and only when a name of ours is near. */
static void read_env(struct conf_loader *l, char **env)
{
    char **names = xcalloc(conf_table_n, sizeof *names);

    for (size_t i = 0; i < conf_table_n; i++) {
        const struct conf_setting *s = &conf_table[i];
        names[i] = conf_env_name(s);
        const char *v = s->flag_only ? NULL : getenv(names[i]);
        if (v && *v)
            conf_assign_add(l, (int)i, L_ENV, str_of(v), xstrdup(names[i]));
        v = s->env ? getenv(s->env) : NULL;
        if (v && *v)
            conf_assign_add(l, (int)i, L_ENV_OTHER, str_of(v), xstrdup(s->env));
    }
    for (; env && *env; env++) {
        struct str rest = str_of(*env), name;
        bool known = false;
        if (!str_starts(rest, "AGENT_") || !str_cut(&rest, '=', &name))
            continue;
        for (size_t i = 0; i < conf_table_n && !known; i++)
            known = !conf_table[i].flag_only && str_is(name, names[i]);
        const char *near = known ? NULL : nearest_env(name, names);
        if (near)
            conf_note(l->c, "the environment variable %.*s is not a setting; did you mean %s?",
                      (int)name.n, name.p, near);
    }
    for (size_t i = 0; i < conf_table_n; i++)
        free(names[i]);
    free(names);
}

/* --- deciding and applying --- */

/* Where the user's own agent.conf is; NULL if there is no home. */
static char *user_file(void)
{
    const char *dir = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

    if (dir && dir[0] == '/') /* the XDG specification: a relative path is to be ignored */
        return io_join(dir, "agent/agent.conf");
    return home && home[0] == '/' ? io_join(home, ".config/agent/agent.conf") : NULL;
}

static bool same_file(const char *a, const char *b)
{
    struct stat sa, sb;

    return stat(a, &sa) == 0 && stat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
           sa.st_ino == sb.st_ino;
}

/* Sets one setting; the error says where the value stood. */
static int apply(struct conf_loader *l, const struct conf_assign *a, struct err *e)
{
    const struct conf_setting *s = &conf_table[a->setting];

    if (conf_value_set(s, field(l->c, a->setting), str_of(a->value), a->dir, e) < 0) {
        e->code = a->level == L_FLAG ? ERR_USAGE : ERR_CONFIG;
        if (a->dir)
            return err_wrap(e, "%s: %s", a->where, s->name);
        return err_wrap(e, "%s", a->where);
    }
    free(l->c->origin[a->setting]);
    l->c->origin[a->setting] = xstrdup(a->where);
    return 0;
}

/* The highest assignment of a setting that decides how the rest is read; NULL if there is none. It
 * cannot stand in a profile, and a project cannot vouch for itself. */
static const struct conf_assign *deciding(const struct conf_loader *l, const char *name,
                                          bool project)
{
    int setting = conf_find(str_of(name));
    const struct conf_assign *best = NULL;

    for (size_t i = 0; i < l->n; i++) {
        const struct conf_assign *a = &l->v[i];
        if (a->setting == setting && !a->profile && (project || a->level != L_PROJECT) &&
            (best == NULL || a->level >= best->level))
            best = a;
    }
    return best;
}

/* profile = full, schema or off, where no section has that name, is what --intake says. */
static void read_intake_words(struct conf_loader *l)
{
    static const char *const words[] = { "full", "schema", "off" };
    int profile = conf_find(STR("profile")), intake = conf_find(STR("intake"));

    for (size_t i = 0; i < l->n; i++)
        for (size_t w = 0; w < ARRAY_LEN(words) && l->v[i].setting == profile; w++) {
            bool is_section = false;
            for (size_t k = 0; k < l->profiles.n; k++)
                is_section = is_section || strcmp(l->profiles.v[k], words[w]) == 0;
            if (!is_section && strcmp(l->v[i].value, words[w]) == 0)
                l->v[i].setting = intake;
        }
}

/* Which profile is chosen, and whether the project is trusted. */
static int decide(struct conf_loader *l, struct err *e)
{
    cleanup_buf struct buf b = BUF_MAX(1024);
    read_intake_words(l);
    const struct conf_assign *profile = deciding(l, "profile", true),
                             *trust = deciding(l, "trust_project", false);

    /* A bad value is told with the place it stands at, as for every setting. */
    if (trust && apply(l, trust, e) < 0)
        return -1;
    l->trusted = l->c->trust_project;
    if (profile == NULL || profile->value[0] == '\0')
        return 0;
    const char *wanted = l->chosen = profile->value;
    for (size_t i = 0; i < l->profiles.n; i++)
        if (strcmp(l->profiles.v[i], wanted) == 0)
            return 0;
    const char *near =
        conf_nearest(str_of(wanted), (const char *const *)l->profiles.v, l->profiles.n);
    return err_set(e, ERR_CONFIG, 0, "%s: no agent.conf has a section [profile %s]%s%s%s",
                   profile->where, conf_shown(&b, str_of(wanted)), near ? "; did you mean " : "",
                   near ? near : "", near ? "?" : "");
}

/* A project's agent.conf came with the directory, from whoever wrote it. */
static int check_guard(const struct conf_loader *l, const struct conf_assign *a, struct err *e)
{
    const struct conf_setting *s = &conf_table[a->setting];
    const char *user = l->c->user_file;

    if (a->level != L_PROJECT && a->level != L_PROJECT_PROFILE)
        return 0;
    if (s->guard == NULL || (l->trusted && strcmp(s->name, "trust_project") != 0))
        return 0;
    return err_set(e, ERR_CONFIG, 0,
                   "%s: a project's agent.conf may not set %s: %s. Move the line to %s, or, if you "
                   "trust everyone who can write here, say trust_project = true there",
                   a->where, s->name, s->guard, user ? user : "your own agent.conf");
}

static int apply_all(struct conf_loader *l, struct err *e)
{
    enum conf_level *list_level = xcalloc(conf_table_n, sizeof *list_level);
    int r = 0;

    for (int level = 0; level < L_COUNT && r == 0; level++) {
        for (size_t i = 0; i < l->n && r == 0; i++) {
            const struct conf_assign *a = &l->v[i];
            const struct conf_setting *s = &conf_table[a->setting];
            if ((int)a->level != level)
                continue;
            r = check_guard(l, a, e);
            if (r == 0 && a->profile && (!l->chosen || strcmp(a->profile, l->chosen) != 0)) {
                /* Not chosen, but a mistake in it is better told now than at night. */
                r = conf_value_set(s, NULL, str_of(a->value), a->dir, e);
                if (r < 0) {
                    e->code = ERR_CONFIG;
                    err_wrap(e, "%s: %s", a->where, s->name);
                }
                continue;
            }
            if (r == 0 && conf_is_list(s) && list_level[a->setting] != a->level) {
                conf_value_free(s, field(l->c, a->setting));
                list_level[a->setting] = a->level;
            }
            if (r == 0)
                r = apply(l, a, e);
        }
    }
    free(list_level);
    return r;
}

/* The level that a setting's value came from. */
static enum conf_level level_of(const struct conf_loader *l, const char *name)
{
    enum conf_level best = L_DEFAULT;
    int setting = conf_find(str_of(name));

    for (size_t i = 0; i < l->n; i++)
        if (l->v[i].setting == setting && l->v[i].level > best &&
            (!l->v[i].profile || (l->chosen && !strcmp(l->v[i].profile, l->chosen))))
            best = l->v[i].level;
    return best;
}

/* Settings that contradict each other. What stands higher wins; two at one place are a mistake. */
static int check_together(struct conf_loader *l, struct err *e)
{
    struct conf *c = l->c;

    if (c->quiet && c->verbose) {
        enum conf_level q = level_of(l, "quiet"), v = level_of(l, "verbose");
        if (q == v)
            return err_set(e, q == L_FLAG ? ERR_USAGE : ERR_CONFIG, 0,
                           "%s and %s contradict each other: give one of them",
                           conf_origin(c, "quiet"), conf_origin(c, "verbose"));
        *(q > v ? &c->verbose : &c->quiet) = false;
    }
    if (c->replay && c->record)
        return err_set(e, ERR_USAGE, 0,
                       "%s and %s exclude each other: a replay has nothing new to record",
                       conf_origin(c, "replay"), conf_origin(c, "record"));
    if (!c->replay && c->provider && strcmp(c->provider, "replay") == 0)
        return err_set(e, ERR_CONFIG, 0,
                       "%s: the provider replay needs a recording: add --replay FILE",
                       conf_origin(c, "provider"));
    return 0;
}

/* "agent -f *.csv question": the shell makes one -f of it, and words of all other files. */
static void note_stray_files(struct conf *c)
{
    struct stat st;

    for (size_t i = 0; c->command == CMD_ASK && c->n_args > 1 && i < c->n_args; i++)
        if (stat(c->args[i], &st) == 0 && S_ISREG(st.st_mode))
            conf_note(c,
                      "%s is a file, but stands among the words of the question: each file needs "
                      "its own -f",
                      c->args[i]);
}

static int load(struct conf_loader *l, int argc, char **argv, struct err *e)
{
    static const char project[] = "./agent.conf";
    struct conf *c = l->c;

    if (conf_read_args(l, argc, argv, e) < 0)
        return -1;
    if (c->action == CONF_HELP || c->action == CONF_VERSION)
        return 0;
    note_stray_files(c);
    read_env(l, environ);
    c->user_file = user_file();
    if (c->user_file && conf_read_file(l, c->user_file, L_USER, e) < 0)
        return -1;
    if ((c->user_file == NULL || !same_file(project, c->user_file)) &&
        conf_read_file(l, project, L_PROJECT, e) < 0)
        return -1;
    if (decide(l, e) < 0 || apply_all(l, e) < 0 || conf_rules_check(l, e) < 0)
        return -1;
    return check_together(l, e);
}

int conf_load(struct conf *c, int argc, char **argv, struct err *e)
{
    struct conf_loader l = { .c = c };

    *c = (struct conf){ .action = CONF_RUN };
    c->origin = xcalloc(conf_table_n, sizeof *c->origin);
    for (size_t i = 0; i < conf_table_n; i++)
        if (conf_table[i].kind != K_TEXTS && /* an empty text is an entry */
            conf_value_set(&conf_table[i], field(c, (int)i), str_of(conf_table[i].def), NULL, e) <
                0) {
            e->code = ERR_INTERNAL;
            return err_wrap(e, "the default of %s", conf_table[i].name);
        }
    int r = load(&l, argc, argv, e);
    loader_done(&l);
    return r;
}

void conf_done(struct conf *c)
{
    for (size_t i = 0; i < conf_table_n; i++) {
        conf_value_free(&conf_table[i], field(c, (int)i));
        if (c->origin)
            free(c->origin[i]);
    }
    free(c->origin);
    c->origin = NULL;
    conf_rules_free(c);
    conf_list_done(&c->given);
    struct conf_list args = { c->args, c->n_args };
    conf_list_done(&args);
    conf_list_done(&c->notes);
    c->args = NULL;
    c->n_args = 0;
    free(c->user_file);
    c->user_file = NULL;
}

/* --- questions about settings --- */

const char *conf_origin(const struct conf *c, const char *name)
{
    int i = conf_find(str_of(name));

    if (i < 0)
        abort(); /* a misspelt name in our own code */
    return c->origin && c->origin[i] ? c->origin[i] : "default";
}

bool conf_prompt_is_stdin(const struct conf *c)
{
    return c->n_args == 1 && strcmp(c->args[0], "-") == 0;
}

char *conf_prompt(const struct conf *c)
{
    cleanup_buf struct buf b = BUF_MAX(SIZE_MAX / 2);

    if (c->n_args == 0)
        return NULL;
    for (size_t i = 0; i < c->n_args; i++) {
        buf_puts(&b, i ? " " : "");
        buf_puts(&b, c->args[i]);
    }
    return buf_steal(&b);
}

bool conf_said_now(const struct conf *c, const char *name)
{
    const char *origin = conf_origin(c, name);

    return origin[0] == '-' || strncmp(origin, "AGENT_", 6) == 0;
}

char *conf_data_dir(void)
{
    const char *dir = getenv("XDG_DATA_HOME"), *home = getenv("HOME");

    if (dir && dir[0] == '/')
        return io_join(dir, "agent");
    return home && home[0] == '/' ? io_join(home, ".local/share/agent") : NULL;
}

char *conf_session_root(const struct conf *c, struct err *e)
{
    cleanup_free char *dir = conf_data_dir();

    if (c->session_dir)
        return xstrdup(c->session_dir);
    if (dir)
        return io_join(dir, "sessions");
    err_set(e, ERR_CONFIG, 0,
            "there is no place for the session's record: HOME is not set; set it, give "
            "--session-dir DIR, or --ephemeral for no record");
    return NULL;
}

bool conf_url_is_loopback(const char *url)
{
    struct str rest = str_of(url), host;
    struct in_addr v4;
    struct in6_addr v6;

    if (str_starts(rest, "http://"))
        rest = str_from(rest, 7);
    else if (str_starts(rest, "https://"))
        rest = str_from(rest, 8);
    else
        return false;
    (void)str_cut(&rest, '/', &host);
    if (memchr(host.p, '@', host.n) || memchr(host.p, '\\', host.n))
        return false;
    if (str_starts(host, "[")) {
        rest = str_from(host, 1);
        if (!str_cut(&rest, ']', &host))
            return false;
    } else {
        rest = host;
        (void)str_cut(&rest, ':', &host);
    }
    cleanup_free char *name = str_dup(host);
    if (inet_pton(AF_INET, name, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    if (inet_pton(AF_INET6, name, &v6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&v6);
    return strcasecmp(name, "localhost") == 0;
}
