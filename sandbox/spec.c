#include "sandbox/spec.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/str.h"
#include "agent/base/banned.h"

/* More of any one option than this is a mistake of the caller. */
#define MAX_REPEATS 1000

const struct limit_row limit_table[LIMITS] = {
    [LIMIT_MEMORY] = { "memory", KIND_BYTES, "2g", 16 << 20, 1ll << 44, false,
                       "all processes and files of the sandbox together; pandas, matplotlib, scipy "
                       "and sklearn take 150 MB before any data" },
    [LIMIT_WORKSPACE] = { "workspace", KIND_BYTES, "512m", 1 << 20, 1ll << 44, false,
                          "bytes in /workspace, a part of `memory'" },
    [LIMIT_TMP] = { "tmp", KIND_BYTES, "256m", 1 << 16, 1ll << 44, false, "bytes in /tmp" },
    [LIMIT_SHM] = { "shm", KIND_BYTES, "256m", 1 << 16, 1ll << 44, false,
                    "bytes in /dev/shm: shared arrays of multiprocessing" },
    [LIMIT_FILE] = { "file", KIND_BYTES, "512m", 1 << 12, 1ll << 44, false,
                     "size of one file; beyond it a write fails" },
    [LIMIT_INODES] = { "inodes", KIND_COUNT, "65536", 64, 10000000, false,
                       "files in /workspace, and in /tmp, and in /dev/shm: each costs kernel "
                       "memory" },
    [LIMIT_PROCESSES] = { "processes", KIND_COUNT, "128", 1, 100000, false,
                          "processes and threads together; numpy starts up to four threads a "
                          "process" },
    [LIMIT_OPEN_FILES] = { "open-files", KIND_COUNT, "1024", 16, 1000000, false,
                           "descriptors of one process" },
    [LIMIT_STACK] = { "stack", KIND_BYTES, "8m", 1 << 17, 1ll << 32, false,
                      "stack of a process, and what each thread reserves: as usual on Linux" },
    [LIMIT_CPU] = { "cpu", KIND_SECONDS, "0", 1000, 1000ll * 86400 * 365, true,
                    "processor time of the whole sandbox" },
    [LIMIT_CPU_SHARE] = { "cpu-share", KIND_PERCENT, "0", 1, 100000, true,
                          "per cent of one processor; needs a cpu cgroup" },
    [LIMIT_WALL] = { "wall", KIND_SECONDS, "0", 1, 1000ll * 86400 * 365, true,
                     "time from the start of the command to its end" },
};

static int parse_number(const char *value, enum limit_kind kind, int64_t *ret)
{
    static const struct {
        enum limit_kind kind;
        const char *suffix;
        int64_t factor;
    } units[] = {
        { KIND_BYTES, "", 1 },        { KIND_BYTES, "k", 1 << 10 },   { KIND_BYTES, "m", 1 << 20 },
        { KIND_BYTES, "g", 1 << 30 }, { KIND_COUNT, "", 1 },          { KIND_COUNT, "k", 1000 },
        { KIND_SECONDS, "", 1000 },   { KIND_SECONDS, "ms", 1 },      { KIND_SECONDS, "s", 1000 },
        { KIND_SECONDS, "m", 60000 }, { KIND_SECONDS, "h", 3600000 }, { KIND_PERCENT, "", 1 },
        { KIND_PERCENT, "%", 1 },
    };
    int64_t n = 0;
    const char *p = value;

    if (*p < '0' || *p > '9')
        return -1;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *p - '0', &n))
            return -1;
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (units[i].kind == kind && strcasecmp(p, units[i].suffix) == 0)
            return __builtin_mul_overflow(n, units[i].factor, ret) ? -1 : 0;
    return -1;
}

int limit_parse(const char *name, const char *value, enum limit_id *ret_id, int64_t *ret,
                struct err *e)
{
    static const char *const forms[] = {
        [KIND_BYTES] = "bytes, with k, m or g behind them: 512m",
        [KIND_COUNT] = "a whole number",
        [KIND_SECONDS] = "seconds, or a number with ms, s, m or h behind it: 90s",
        [KIND_PERCENT] = "per cent of one processor: 50",
    };
    cleanup_buf struct buf names = BUF_MAX(1000);

    for (int i = 0; i < LIMITS; i++) {
        const struct limit_row *row = &limit_table[i];
        int64_t v;
        if (strcmp(row->name, name) != 0) {
            buf_putf(&names, " %s", row->name);
            continue;
        }
        if (parse_number(value, row->kind, &v) < 0)
            return err_set(e, ERR_USAGE, 0, "--limit %s=%s: the value is %s", name, value,
                           forms[row->kind]);
        if (!(v == 0 && row->zero_is_none) && (v < row->min || v > row->max))
            return err_set(e, ERR_USAGE, 0, "--limit %s=%s: out of range (%lld to %lld%s%s)", name,
                           value, (long long)row->min, (long long)row->max,
                           row->kind == KIND_SECONDS ? " ms" : "",
                           row->zero_is_none ? ", or 0 for none" : "");
        *ret_id = (enum limit_id)i;
        *ret = v;
        return 0;
    }
    return err_set(e, ERR_USAGE, 0, "--limit %s: no such limit; there are%s", name,
                   buf_cstr(&names));
}

/* Makes room for one more element. */
static void *grow(void *p, size_t n, size_t size)
{
    return n % 8 ? p : xrealloc(p, n + 8, size);
}
#define GROW(array, n) (array) = grow((array), (n), sizeof *(array))

static int check_repeats(size_t n, const char *option, struct err *e)
{
    if (n >= MAX_REPEATS)
        return err_set(e, ERR_USAGE, 0, "%s: given more than %d times", option, MAX_REPEATS);
    return 0;
}

/* An absolute path below "/" without "." or ".." parts. */
static int check_path(const char *option, const char *path, struct err *e)
{
    if (path[0] != '/' || path[1] == '\0' || strlen(path) >= PATH_MAX)
        return err_set(e, ERR_USAGE, 0, "%s: `%s' is no absolute path below / inside the sandbox",
                       option, path);
    struct str rest = str_of(path + 1), part;
    while (rest.n) {
        str_cut(&rest, '/', &part);
        if (str_is(part, ".") || str_is(part, ".."))
            return err_set(e, ERR_USAGE, 0, "%s: `%s' may not contain . or ..", option, path);
        if (part.n > NAME_MAX)
            return err_set(e, ERR_USAGE, 0, "%s: a name in `%s' is longer than %d bytes", option,
                           path, NAME_MAX);
    }
    return 0;
}

/* Outside what the sandbox itself provides. */
static int check_inner_path(const char *option, const char *path, struct err *e)
{
    static const char *const ours[] = { "/proc", "/dev", "/data", "/output" };

    if (check_path(option, path, e) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
        size_t n = strlen(ours[i]);
        if (strncmp(path, ours[i], n) == 0 && (path[n] == '/' || path[n] == '\0'))
            return err_set(e, ERR_USAGE, 0,
                           "%s: %s belongs to the sandbox; choose another place than `%s'", option,
                           ours[i], path);
    }
    return 0;
}

static int parse_fd(const char *option, const char *value, int *ret, struct err *e)
{
    long long fd;
    struct stat st;

    if (!str_to_ll(str_of(value), &fd) || fd < 0 || fd > INT_MAX)
        return err_set(e, ERR_USAGE, 0, "%s %s: not a descriptor number", option, value);
    if (fd < 3)
        return err_set(e, ERR_USAGE, 0, "%s %s: 0, 1 and 2 are the command's own; give 3 or more",
                       option, value);
    if (fstat((int)fd, &st) < 0)
        return err_set(e, ERR_USAGE, errno, "%s %s: the caller must open it", option, value);
    *ret = (int)fd;
    return 0;
}

static int set_ro(struct spec *s, const char *value, struct err *e)
{
    const char *src = value, *dst = value;

    if (check_repeats(s->n_ro, "--ro", e) < 0)
        return -1;
    /* The last ":/" parts the two, so that a source may hold colons. */
    for (const char *p = value; (p = strstr(p, ":/")) != NULL; p++)
        dst = p + 1;
    GROW(s->ro, s->n_ro);
    src = dst == value ? xstrdup(value) : xstrndup(value, (size_t)(dst - 1 - value));
    s->ro[s->n_ro++] = (struct spec_bind){ src, dst };
    if (*src == '\0')
        return err_set(e, ERR_USAGE, 0, "--ro %s: no source before the colon", value);
    return check_inner_path("--ro", dst, e);
}

static int set_data(struct spec *s, const char *value, struct err *e)
{
    const char *colon = strrchr(value, ':'), *name = NULL, *path = value;

    if (check_repeats(s->n_data, "--data", e) < 0)
        return -1;
    /* FILE:NAME unless a file of that whole name exists: names with colons are ordinary names. */
    if (colon && strchr(colon, '/') == NULL && access(value, F_OK) < 0) {
        name = colon + 1;
        path = xstrndup(value, (size_t)(colon - value));
    } else {
        path = xstrdup(value);
        const char *slash = strrchr(value, '/');
        name = slash ? slash + 1 : value;
    }
    GROW(s->data, s->n_data);
    s->data[s->n_data++] = (struct spec_data){ path, name };
    if (*path == '\0')
        return err_set(e, ERR_USAGE, 0, "--data %s: no file named", value);
    if (*name == '\0' || strlen(name) > NAME_MAX || strcmp(name, ".") == 0 ||
        strcmp(name, "..") == 0)
        return err_set(e, ERR_USAGE, 0, "--data %s: `%s' cannot be the name of a file in /data",
                       value, name);
    for (size_t i = 0; i + 1 < s->n_data; i++)
        if (strcmp(s->data[i].name, name) == 0)
            return err_set(
                e, ERR_USAGE, 0,
                "--data %s: %s is to be /data/%s already; give one of them another name with "
                "--data FILE:NAME",
                value, s->data[i].path, name);
    return 0;
}

static int set_file_fd(struct spec *s, const char *value, struct err *e)
{
    const char *colon = strchr(value, ':');
    int fd;

    if (check_repeats(s->n_files, "--file-fd", e) < 0)
        return -1;
    if (!colon)
        return err_set(e, ERR_USAGE, 0, "--file-fd %s: give FD:PATH", value);
    cleanup_free char *number = xstrndup(value, (size_t)(colon - value));
    if (parse_fd("--file-fd", number, &fd, e) < 0 ||
        check_inner_path("--file-fd", colon + 1, e) < 0)
        return -1;
    GROW(s->files, s->n_files);
    s->files[s->n_files++] = (struct spec_file){ fd, colon + 1 };
    return 0;
}

static int set_pass_fd(struct spec *s, const char *value, struct err *e)
{
    struct stat st;
    int fd;

    if (check_repeats(s->n_pass_fds, "--pass-fd", e) < 0 ||
        parse_fd("--pass-fd", value, &fd, e) < 0)
        return -1;
    /* A directory of the host would be a way out of the mount namespace. */
    if (fstat(fd, &st) == 0 && (S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode)))
        return err_set(e, ERR_USAGE, 0,
                       "--pass-fd %s: it is a %s of the host, and would be a way out", value,
                       S_ISDIR(st.st_mode) ? "directory" : "block device");
    GROW(s->pass_fds, s->n_pass_fds);
    s->pass_fds[s->n_pass_fds++] = fd;
    return 0;
}

static int set_limit(struct spec *s, const char *value, struct err *e)
{
    const char *eq = strchr(value, '=');
    enum limit_id id;
    int64_t v;

    if (!eq)
        return err_set(e, ERR_USAGE, 0, "--limit %s: give NAME=VALUE, such as memory=512m", value);
    cleanup_free char *name = xstrndup(value, (size_t)(eq - value));
    if (limit_parse(name, eq + 1, &id, &v, e) < 0)
        return -1;
    s->limits[id] = v;
    return 0;
}

static int set_env(struct spec *s, const char *value, struct err *e)
{
    const char *eq = strchr(value, '=');

    if (check_repeats(s->n_env, "--env", e) < 0)
        return -1;
    if (!eq || eq == value)
        return err_set(e, ERR_USAGE, 0, "--env %s: give NAME=VALUE", value);
    GROW(s->env, s->n_env);
    s->env[s->n_env++] = value;
    return 0;
}

static int set_device(struct spec *s, const char *value, struct err *e)
{
    static const char *const ours[] = { "null", "zero", "full",  "random", "urandom",
                                        "fd",   "shm",  "stdin", "stdout", "stderr" };

    if (check_path("--device", value, e) < 0)
        return -1;
    if (s->n_devices >= MAX_DEVICES || strlen(value) > MAX_DEVICE_PATH)
        return err_set(e, ERR_USAGE, 0, "--device %.300s: more than %d of them, or of %d bytes",
                       value, MAX_DEVICES, MAX_DEVICE_PATH);
    if (strncmp(value, "/dev/", 5) != 0 || value[5] == '\0' || strchr(value, '\n'))
        return err_set(e, ERR_USAGE, 0, "--device %s: give the path of a device below /dev", value);
    for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
        size_t n = strlen(ours[i]);
        if (strncmp(value + 5, ours[i], n) == 0 && (value[5 + n] == '/' || value[5 + n] == '\0'))
            return err_set(e, ERR_USAGE, 0, "--device %s: the sandbox has its own /dev/%s already",
                           value, ours[i]);
    }
    for (size_t i = 0; i < s->n_devices; i++)
        if (strcmp(s->devices[i], value) == 0)
            return 0;
    GROW(s->devices, s->n_devices);
    s->devices[s->n_devices++] = value;
    return 0;
}

static int set_chdir(struct spec *s, const char *value, struct err *e)
{
    if (value[0] != '/')
        return err_set(e, ERR_USAGE, 0, "--chdir %s: give an absolute path inside the sandbox",
                       value);
    s->chdir = value;
    return 0;
}

static int set_template(struct spec *s, const char *value, struct err *e)
{
    (void)value, (void)e;
    s->is_template = true;
    return 0;
}

static int set_backend(struct spec *s, const char *value, struct err *e)
{
    s->best = strcmp(value, "best") == 0;
    if (!s->best && strcmp(value, "strict") != 0)
        return err_set(e, ERR_USAGE, 0, "--backend %s: give strict or best", value);
    return 0;
}

static int set_denied_fd(struct spec *s, const char *value, struct err *e)
{
    return parse_fd("--denied-fd", value, &s->denied_fd, e);
}

static int set_status_fd(struct spec *s, const char *value, struct err *e)
{
    return parse_fd("--status-fd", value, &s->status_fd, e);
}

static int set_workspace_fd(struct spec *s, const char *value, struct err *e)
{
    struct stat st;

    if (parse_fd("--workspace-fd", value, &s->workspace_fd, e) < 0)
        return -1;
    if (fstat(s->workspace_fd, &st) < 0 || !S_ISSOCK(st.st_mode))
        return err_set(e, ERR_USAGE, 0, "--workspace-fd %s: must be a unix socket", value);
    return 0;
}

static int set_egress_fd(struct spec *s, const char *value, struct err *e)
{
    struct stat st;

    if (parse_fd("--egress-fd", value, &s->egress_fd, e) < 0)
        return -1;
    if (fstat(s->egress_fd, &st) < 0 || !S_ISSOCK(st.st_mode))
        return err_set(e, ERR_USAGE, 0, "--egress-fd %s: must be a unix socket", value);
    return 0;
}

static int set_lifeline_fd(struct spec *s, const char *value, struct err *e)
{
    return parse_fd("--lifeline-fd", value, &s->lifeline_fd, e);
}

#define SET_MODE(name, mode_)                                                                      \
    static int set_##name(struct spec *s, const char *value, struct err *e)                        \
    {                                                                                              \
        (void)value, (void)e;                                                                      \
        s->mode = mode_;                                                                           \
        return 0;                                                                                  \
    }
SET_MODE(policy, MODE_POLICY)
SET_MODE(check, MODE_CHECK)
SET_MODE(version, MODE_VERSION)
SET_MODE(help, MODE_HELP)

const struct option_row option_table[] = {
    { "--ro", "SRC[:DST]", "show a file or directory inside, read-only", set_ro },
    { "--data", "FILE[:NAME]", "show a file as /data/NAME (read-only) and /workspace/NAME",
      set_data },
    { "--file-fd", "FD:DST", "copy what an open descriptor holds to DST, read-only", set_file_fd },
    { "--pass-fd", "FD", "leave this descriptor open in the command (all others are closed)",
      set_pass_fd },
    { "--device", "/dev/NAME",
      "show this character device and permit the ioctls of GPUs: its driver is then within reach",
      set_device },
    { "--limit", "NAME=VALUE", "set a limit; the names are below", set_limit },
    { "--env", "NAME=VALUE", "add to the environment, which is built and never inherited",
      set_env },
    { "--chdir", "DIR", "start in this directory (default /workspace)", set_chdir },
    { "--template", NULL, "the command is a trusted template that starts contexts", set_template },
    { "--backend", "strict|best",
      "best: where namespaces are forbidden, go on without them, and say what is weaker",
      set_backend },
    { "--status-fd", "FD", "write one JSON object a line: started, memory, exited, error",
      set_status_fd },
    { "--denied-fd", "FD", "count refused system calls in this memory (with --template)",
      set_denied_fd },
    { "--workspace-fd", "FD", "send a descriptor of /workspace over this unix socket",
      set_workspace_fd },
    { "--egress-fd", "FD",
      "make " EGRESS_SOCKET " and send its listening end over this unix socket", set_egress_fd },
    { "--lifeline-fd", "FD", "when this pipe or socket hangs up, kill everything inside",
      set_lifeline_fd },
    { "--policy", NULL, "print every table: steps, mounts, limits, environment, system calls",
      set_policy },
    { "--check", NULL, "probe every layer for real and say what holds", set_check },
    { "--version", NULL, "print the version", set_version },
    { "--help", NULL, "print this", set_help },
};
const size_t option_rows = ARRAY_LEN(option_table);

/* Edit distance, for names of options: short. */
static size_t distance(const char *a, size_t na, const char *b)
{
    size_t nb = strlen(b), row[64];

    if (na >= ARRAY_LEN(row) || nb >= ARRAY_LEN(row))
        return SIZE_MAX;
    for (size_t j = 0; j <= nb; j++)
        row[j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            size_t shorter = row[j - 1] < row[j] ? row[j - 1] : row[j];
            row[j] = shorter + 1 < change ? shorter + 1 : change;
        }
    }
    return row[nb];
}

static int unknown_option(const char *arg, size_t n, struct err *e)
{
    const char *best = NULL;
    size_t best_distance = 4;

    for (size_t i = 0; i < option_rows; i++) {
        size_t d = distance(arg, n, option_table[i].name);
        if (d < best_distance) {
            best = option_table[i].name;
            best_distance = d;
        }
    }
    return err_set(e, ERR_USAGE, 0, "unknown option %.*s%s%s%s; see agent-sandbox --help",
                   (int)(n & 0xff), arg, best ? " (did you mean " : "", best ? best : "",
                   best ? "?)" : "");
}

static int parse_option(struct spec *s, char **argv, int *i, struct err *e)
{
    const char *arg = argv[*i], *eq = strchr(arg, '=');
    size_t n = eq ? (size_t)(eq - arg) : strlen(arg);

    for (size_t k = 0; k < option_rows; k++) {
        const struct option_row *row = &option_table[k];
        const char *value = NULL;
        if (strlen(row->name) != n || strncmp(row->name, arg, n) != 0)
            continue;
        if (!row->arg && eq)
            return err_set(e, ERR_USAGE, 0, "%s takes no value", row->name);
        if (row->arg) {
            value = eq ? eq + 1 : argv[*i + 1];
            if (!value || (!eq && strcmp(value, "--") == 0))
                return err_set(e, ERR_USAGE, 0, "%s needs %s", row->name, row->arg);
            *i += eq ? 0 : 1;
        }
        return row->set(s, value, e);
    }
    return unknown_option(arg, n, e);
}

int spec_parse(struct spec *s, int argc, char **argv, struct err *e)
{
    int i;

    *s = (struct spec){ .status_fd = -1,
                        .denied_fd = -1,
                        .workspace_fd = -1,
                        .lifeline_fd = -1,
                        .egress_fd = -1,
                        .chdir = "/workspace" };
    for (i = 0; i < LIMITS; i++)
        if (parse_number(limit_table[i].def, limit_table[i].kind, &s->limits[i]) < 0)
            return err_set(e, ERR_INTERNAL, 0, "bad default of the limit %s", limit_table[i].name);
    for (i = 1; i < argc && argv[i][0] == '-' && strcmp(argv[i], "--") != 0; i++)
        if (parse_option(s, argv, &i, e) < 0)
            return -1;
    if (s->mode != MODE_RUN)
        return 0;
    if (i < argc && strcmp(argv[i], "--") != 0)
        return err_set(e, ERR_USAGE, 0, "`%s' is no option; write -- before the command", argv[i]);
    if (i + 1 >= argc)
        return err_set(e, ERR_USAGE, 0,
                       "no command; usage: agent-sandbox [options] -- command [args...]");
    s->command = argv + i + 1;
    return 0;
}

void spec_free(struct spec *s)
{
    for (size_t i = 0; i < s->n_ro; i++)
        free((char *)s->ro[i].src);
    for (size_t i = 0; i < s->n_data; i++)
        free((char *)s->data[i].path);
    free(s->ro);
    free(s->data);
    free(s->files);
    free(s->pass_fds);
    free(s->env);
    free(s->devices);
}
