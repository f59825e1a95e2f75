/* How settings are read, shared by conf*.c alone: collect, then decide, then apply.
 *
 * Every source (command line, environment, two files) only yields assignments: which setting, what
 * text, where it stood, how high it stands. When all are there, it is known which profile is chosen
 * and whether the project is trusted; then each assignment is checked and applied from the lowest
 * level up, so that the last one wins and its origin can be named. */
#ifndef AGENT_CONF_LOAD_H
#define AGENT_CONF_LOAD_H

#include "agent/conf_table.h"

/* Lowest first. L_ENV_OTHER: names that are not ours, such as OPENAI_BASE_URL. */
enum conf_level {
    L_DEFAULT,
    L_USER,
    L_USER_PROFILE,
    L_PROJECT,
    L_PROJECT_PROFILE,
    L_ENV_OTHER,
    L_ENV,
    L_FLAG,
    L_COUNT
};

struct conf_assign {
    int setting;
    enum conf_level level;
    char *value;
    char *where;   /* "./agent.conf:3", "AGENT_MODEL", "--model" */
    char *dir;     /* of the file; NULL elsewhere */
    char *profile; /* of a [profile NAME] section; NULL elsewhere */
    int line;      /* in a file; 0 elsewhere */
};
struct conf_loader {
    struct conf *c;
    struct conf_assign *v;
    size_t n;
    struct conf_list profiles; /* the names of all profile sections met */
    const char *chosen;        /* the profile that counts; NULL = none */
    bool trusted;              /* the project may set what is guarded */
};

/* Adds an assignment; takes `where`. The result is valid until the next call. */
struct conf_assign *conf_assign_add(struct conf_loader *l, int setting, enum conf_level level,
                                    struct str value, char *where);
int conf_read_args(struct conf_loader *l, int argc, char **argv, struct err *e);
/* The rule that a section's header opens; NULL with *e when it is none. `words` is what stands
 * between the brackets. */
struct conf_rule *conf_rule_open(struct conf *c, struct str words, struct err *e);
/* One line of it. The error does not say where it stood. */
int conf_rule_set(struct conf_rule *r, struct str name, struct str value, const char *dir,
                  struct err *e);
/* What a rule lacks, or what is in a project's file without leave: the error says where. */
int conf_rules_check(const struct conf_loader *l, struct err *e);
void conf_rules_free(struct conf *c);
void conf_rules_print(const struct conf *c, struct buf *out);
/* A file that is not there is no error. `level` is L_USER or L_PROJECT. */
int conf_read_file(struct conf_loader *l, const char *path, enum conf_level level, struct err *e);

/* Foreign text for a message: cleaned and at most 60 bytes. Points into `b`, which it clears. */
const char *conf_shown(struct buf *b, struct str s);
/* The three ways to give a key, for whoever tries a fourth. */
extern const char conf_key_advice[];
void conf_note(struct conf *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
