/* What the command line asks for. spec_parse() reads all of it before anything acts; the strings
 * point into argv. */
#ifndef SANDBOX_SPEC_H
#define SANDBOX_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "agent/base/err.h"

/* Where the code finds the way to the network, if the caller gives one. */
#define EGRESS_SOCKET "/run/sandbox/egress.sock"

enum limit_id {
    LIMIT_MEMORY,
    LIMIT_WORKSPACE,
    LIMIT_TMP,
    LIMIT_SHM,
    LIMIT_FILE,
    LIMIT_INODES,
    LIMIT_PROCESSES,
    LIMIT_OPEN_FILES,
    LIMIT_STACK,
    LIMIT_CPU,
    LIMIT_CPU_SHARE,
    LIMIT_WALL,
    LIMITS,
};
enum limit_kind { KIND_BYTES, KIND_COUNT, KIND_SECONDS, KIND_PERCENT };
struct limit_row {
    const char *name;
    enum limit_kind kind;
    const char *def; /* goes through the same parser; "0" where 0 means none */
    int64_t min, max;
    bool zero_is_none;
    const char *why;
};
extern const struct limit_row limit_table[LIMITS];
/* "512m", "90s": the value in bytes, pieces, milliseconds or percent. */
int limit_parse(const char *name, const char *value, enum limit_id *ret_id, int64_t *ret,
                struct err *e);

struct spec_bind {
    const char *src, *dst; /* src is owned; dst absolute, points into argv or to src */
};
struct spec_data {
    const char *path, *name;
};
struct spec_file {
    int fd;
    const char *dst;
};

enum spec_mode { MODE_RUN, MODE_POLICY, MODE_CHECK, MODE_VERSION, MODE_HELP };

struct spec {
    enum spec_mode mode;
    bool is_template;
    bool best; /* without namespaces too, where they cannot be had */
    struct spec_bind *ro;
    struct spec_data *data;
    struct spec_file *files;
    int *pass_fds;
    const char **env;
    const char **devices; /* each below /dev */
    size_t n_ro, n_data, n_files, n_pass_fds, n_env, n_devices;
    int64_t limits[LIMITS];
    const char *chdir;
    int status_fd, workspace_fd, lifeline_fd, egress_fd, denied_fd; /* -1 = not given */
    char **command;                                                 /* NULL-terminated */
};

/* ERR_USAGE names the option, what is wrong with it, and what would be right. */
int spec_parse(struct spec *s, int argc, char **argv, struct err *e);
void spec_free(struct spec *s);
void spec_help(int fd);

/* One row an option; spec_help.c prints it. */
struct option_row {
    const char *name, *arg, *help;
    int (*set)(struct spec *s, const char *value, struct err *e);
};
extern const struct option_row option_table[];
extern const size_t option_rows;

#endif
