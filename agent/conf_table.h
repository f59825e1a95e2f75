/* The settings table and its kinds: shared by conf*.c and their tests alone. */
#ifndef AGENT_CONF_TABLE_H
#define AGENT_CONF_TABLE_H

#include <stddef.h>
#include "agent/base/err.h"
#include "agent/base/str.h"
#include "agent/conf.h"

enum conf_kind {
    K_STR,       /* char *: NULL when empty */
    K_PATH,      /* char *: in a file, "~/" is the home and a relative path starts at the file */
    K_URL,       /* char *: http or https, no user or password in it, trailing slashes dropped */
    K_ENVNAME,   /* char *: the name of an environment variable */
    K_LONG,      /* long */
    K_PERCENT,   /* long: "50" or "50%" */
    K_NUM,       /* double: NAN when empty */
    K_SIZE,      /* int64_t, bytes: "512m" */
    K_DURATION,  /* int64_t, milliseconds: "1m30s"; a bare number is seconds */
    K_BOOL,      /* bool */
    K_CHOICE,    /* int: index into `choices` */
    K_HOSTS,     /* char *: hosts separated by a space; NULL when none */
    K_DEVICES,   /* char *: paths below /dev, likewise */
    K_LANGUAGES, /* char *: names of languages separated by a space, python among them */
    K_LIST,      /* struct conf_list of paths: repeatable */
    K_TEXTS,     /* struct conf_list of texts, also empty ones: repeatable */
};

enum conf_group {
    G_CODE,
    G_BATCH,
    G_MODEL,
    G_RUN,
    G_OUTPUT,
    G_SANDBOX,
    G_PACKAGES,
    G_NETWORK,
    G_FILES,
    G_COUNT
};

/* A command: what its --help starts with, and which flags it takes. */
struct conf_command_row {
    const char *name;     /* "ask" */
    const char *usage;    /* "agent [flags] \"question\"" */
    const char *about;    /* one line, for the list of commands */
    const char *text;     /* what it does, in lines of at most 79 columns */
    const char *examples; /* each line indented by two */
    unsigned groups;      /* 1u << enum conf_group: settings that it obeys */
    const char *also;     /* further settings that it obeys, by name, space separated; or NULL */
    bool asks;            /* it runs agent ask: what that obeys is given on, but for `not_on` */
    const char *not_on;   /* names, space separated */
    bool words_end_flags; /* what follows the first word belongs to that word (a script) */
};
extern const struct conf_command_row conf_commands[CMD_COUNT];
/* The index of a command by its exact name, or -1. */
int conf_command_find(struct str word);

struct conf_setting {
    const char *name; /* agent.conf key; --name with dashes; AGENT_NAME */
    char letter;      /* short flag, 0 = none */
    enum conf_kind kind;
    enum conf_group group;
    size_t offset;       /* of the field in struct conf */
    const char *def;     /* text, read by the same parser as all others */
    double min, max;     /* K_LONG, K_NUM, K_SIZE (bytes), K_DURATION (ms) */
    bool zero_ok;        /* 0 is allowed below min and means "none" */
    const char *choices; /* K_CHOICE: words separated by a space */
    const char *aliases; /* further long flags, separated by a space; NULL = none */
    const char *env;     /* a further environment variable, below AGENT_NAME; NULL = none */
    const char *arg;     /* what --help calls the value */
    const char *only;    /* names of the commands that obey it, separated by a space; NULL = all
                            whose groups have it */
    bool flag_only;      /* a flag of these commands, but no line of agent.conf and no variable */
    const char *guard;   /* why a project's agent.conf may not set it; NULL = it may */
    const char *help;
};
extern const struct conf_setting conf_table[];
extern const size_t conf_table_n;
extern const char *const conf_group_title[G_COUNT];

/* Long flags that are no settings. */
struct conf_flag {
    const char *name;
    char letter;
    enum conf_action action;
    const char *help;
};
extern const struct conf_flag conf_flags[];
extern const size_t conf_flags_n;

/* The index of a setting by its name, or -1. */
int conf_find(struct str key);
/* Does the command obey it? Only such flags are taken on its command line. */
bool conf_in_scope(const struct conf_setting *s, enum conf_command command);
/* "--max-turns"; caller frees. */
char *conf_flag_name(const struct conf_setting *s);
/* "AGENT_MAX_TURNS"; caller frees. */
char *conf_env_name(const struct conf_setting *s);

/* Reads `text` into *field, which is of the kind's type (NULL: checks only); lists get one entry
 * more. `dir` is the folder of the file it stands in (NULL: relative paths stay as they are). The
 * error says what is wrong with the value, not where it stood. */
int conf_value_set(const struct conf_setting *s, void *field, struct str text, const char *dir,
                   struct err *e);
/* The text that conf_value_set() would read back; for lists the entry `i`. */
void conf_value_text(const struct conf_setting *s, const void *field, size_t i, struct buf *out);
/* "1 to 1000", "0 or 1s to 30d", "auto, always or never": for help and errors; nothing if free. */
void conf_value_range(const struct conf_setting *s, struct buf *out);
void conf_value_free(const struct conf_setting *s, void *field);
bool conf_is_list(const struct conf_setting *s);
/* The number of values: 1 but for lists. */
size_t conf_value_count(const struct conf_setting *s, const void *field);

/* The nearest of `n` candidates to a mistyped word, NULL if none is near. */
const char *conf_nearest(struct str word, const char *const *candidates, size_t n);

#endif
