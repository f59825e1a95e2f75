#include "agent/env.h"
#include <cjson/cJSON.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/env_parts.h"
#include "agent/base/banned.h"

void env_done(struct env *env)
{
    char *const owned[] = { env->name,   env->dir,      env->site,   env->lock_sha256,
                            env->python, env->packages, env->modules };

    for (size_t i = 0; i < ARRAY_LEN(owned); i++)
        free(owned[i]);
    cleanup_closep(&env->fd);
    *env = (struct env)ENV_NONE;
}

static int read_at(int dir, const char *name, struct buf *out, struct err *e)
{
    cleanup_fd int fd = io_open_beneath(dir, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set(e, ERR_CONFIG, errno, "open %s", name);
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_CONFIG, 0, "%s is no file", name);
    return io_read_fd(fd, out, e);
}

static cJSON *read_manifest(int dir, struct err *e)
{
    cleanup_buf struct buf text = BUF_MAX(MAX_ENV_TEXT);

    if (read_at(dir, "manifest.json", &text, e) < 0)
        return NULL;
    cJSON *m = json_parse(buf_str(&text), e);
    if (m && json_int(m, "v", 0) != 1) {
        cJSON_Delete(m);
        err_set(e, ERR_CONFIG, 0, "manifest.json is of another version of this program");
        return NULL;
    }
    return m;
}

/* "alpha 1.0, beta 2.1" */
static char *packages_text(const cJSON *manifest)
{
    cleanup_buf struct buf b = BUF_MAX(64 * KIB);
    const cJSON *one;

    cJSON_ArrayForEach(one, json_arr(manifest, "packages"))
    {
        const char *name = json_str(one, "name"), *version = json_str(one, "version");
        if (name == NULL || version == NULL)
            continue;
        if (b.n)
            buf_puts(&b, ", ");
        utf8_clean_line(&b, utf8_head(str_of(name), 200));
        buf_putc(&b, ' ');
        utf8_clean_line(&b, utf8_head(str_of(version), 200));
    }
    return buf_steal(&b);
}

static int damaged(const char *name, struct err *e)
{
    err_wrap(e, "the environment %s is damaged; make it again with agent env create %s", name,
             name);
    e->code = ERR_CONFIG;
    return -1;
}

static int missing(const char *name, struct err *e)
{
    return err_set(e, ERR_CONFIG, 0,
                   "there is no environment %s; `agent env list' shows which there are, `agent env "
                   "create %s PACKAGE...' makes it",
                   name, name);
}

/* The folder of all environments, for one of that name; -1 also when there is no folder yet. */
static int open_root_for(const char *name, struct err *e)
{
    struct err why = ERR_INIT;

    if (env_check_name(name, e) < 0)
        return -1;
    int root = env_open_root(false, &why);
    if (root < 0 && why.code != ERR_NONE)
        *e = why;
    else if (root < 0)
        missing(name, e);
    return root;
}

/* The folder, with a lock that keeps it from being removed; -1 when there is none. */
static int open_dir(const char *name, struct err *e)
{
    cleanup_fd int root = open_root_for(name, e);

    if (root < 0)
        return -1;
    cleanup_fd int fd = openat(root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) < 0)
        return missing(name, e);
    return steal_fd(&fd);
}

int env_open(const char *name, struct env *ret, struct err *e)
{
    __attribute__((cleanup(env_done))) struct env env = ENV_NONE;

    env.fd = open_dir(name, e);
    if (env.fd < 0)
        return -1;
    cleanup_json cJSON *m = read_manifest(env.fd, e);
    if (m == NULL)
        return damaged(name, e);
    const char *lock = json_str(m, "lock_sha256"), *python = json_str(m, "python_minor"),
               *modules = json_str(m, "modules");
    struct stat st;
    if (lock == NULL || python == NULL || modules == NULL ||
        fstatat(env.fd, "site", &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode)) {
        err_set(e, ERR_CONFIG, 0, "its manifest or its folder site is not whole");
        return damaged(name, e);
    }
    cleanup_free char *root = env_root(e);
    if (root == NULL)
        return -1;
    env.name = xstrdup(name);
    env.dir = io_join(root, name);
    env.site = io_join(env.dir, "site");
    env.lock_sha256 = xstrdup(lock);
    env.python = xstrdup(python);
    env.modules = xstrdup(modules);
    env.packages = packages_text(m);
    *ret = env;
    env = (struct env)ENV_NONE;
    return 0;
}

int env_check(const struct env *env, const struct sandbox_info *info, struct err *e)
{
    struct str rest = str_of(info->python_version), major, minor;
    struct stat opened, now;

    if (env->fd < 0)
        return 0;
    str_cut(&rest, '.', &major);
    str_cut(&rest, '.', &minor);
    cleanup_free char *is = xasprintf("%.*s.%.*s", (int)major.n, major.p, (int)minor.n, minor.p);
    if (strcmp(is, env->python) != 0)
        return err_set(e, ERR_CONFIG, 0,
                       "the environment %s was made for Python %s, and %s is Python %s: make it "
                       "again with `agent env create %s --lock %s/lock', or name another Python "
                       "with --python",
                       env->name, env->python, info->python_path, info->python_version, env->name,
                       env->dir);
    if (fstat(env->fd, &opened) < 0 || stat(env->dir, &now) < 0 || opened.st_ino != now.st_ino ||
        opened.st_dev != now.st_dev)
        return err_set(e, ERR_CONFIG, 0,
                       "the environment %s was replaced or removed meanwhile, and the sandbox that "
                       "was just started has the new one; start the run again",
                       env->name);
    return 0;
}

/* --- what the commands print --- */

static void put_bytes(struct buf *out, int64_t n)
{
    if (n >= 10 * (int64_t)MIB)
        buf_putf(out, "%lld MiB", (long long)(n / MIB));
    else if (n >= 10 * (int64_t)KIB)
        buf_putf(out, "%lld KiB", (long long)(n / KIB));
    else
        buf_putf(out, "%lld B", (long long)n);
}

static int by_name(const void *x, const void *y)
{
    return strcmp(*(char *const *)x, *(char *const *)y);
}

static void list_one(struct buf *out, const char *name)
{
    struct err why = ERR_INIT;
    cleanup_fd int fd = open_dir(name, &why);
    cleanup_json cJSON *m = fd < 0 ? NULL : read_manifest(fd, &why);

    if (m == NULL) {
        buf_putf(out, "%s\tdamaged: %s\n", name, why.msg);
        return;
    }
    int n = cJSON_GetArraySize(json_arr(m, "packages"));
    buf_putf(out, "%s\t%d package%s\t", name, n, n == 1 ? "" : "s");
    put_bytes(out, json_int(m, "bytes", 0));
    buf_puts(out, "\tPython ");
    utf8_clean_line(out, utf8_head(str_of(json_str(m, "python_version")), 40));
    buf_putc(out, '\t');
    utf8_clean_line(out, utf8_head(str_of(json_str(m, "created")), 40));
    buf_putc(out, '\n');
}

int env_list(struct buf *out, struct err *e)
{
    struct err why = ERR_INIT;
    int root = env_open_root(false, &why);
    char **names = NULL;
    size_t n = 0;

    if (root < 0 && why.code == ERR_NONE)
        return 0; /* nobody ever made one */
    DIR *d = root < 0 ? NULL : fdopendir(root);
    if (d == NULL) {
        *e = why;
        if (root >= 0) {
            err_set(e, ERR_SYS, errno, "read the folder of environments");
            close(root);
        }
        return -1;
    }
    for (struct dirent *de; (de = readdir(d)) != NULL;) {
        struct err none = ERR_INIT;
        if (env_check_name(de->d_name, &none) < 0)
            continue;
        names = xrealloc(names, n + 1, sizeof *names);
        names[n++] = xstrdup(de->d_name);
    }
    closedir(d);
    if (n)
        qsort(names, n, sizeof *names, by_name);
    for (size_t i = 0; i < n; i++) {
        list_one(out, names[i]);
        free(names[i]);
    }
    free(names);
    return 0;
}

static void show_fact(struct buf *out, const cJSON *m, const char *key, const char *label)
{
    const char *s = json_str(m, key);

    if (s == NULL)
        return;
    buf_putf(out, "%-9s ", label);
    utf8_clean_line(out, utf8_head(str_of(s), 1000));
    buf_putc(out, '\n');
}

int env_show(const char *name, struct buf *out, struct err *e)
{
    cleanup_fd int fd = open_dir(name, e);
    const cJSON *one;

    if (fd < 0)
        return -1;
    cleanup_json cJSON *m = read_manifest(fd, e);
    cleanup_free char *root = env_root(e);
    if (m == NULL || root == NULL)
        return damaged(name, e);
    show_fact(out, m, "name", "name");
    buf_putf(out, "%-9s %s/%s\n", "folder", root, name);
    show_fact(out, m, "python_version", "Python");
    show_fact(out, m, "created", "made");
    show_fact(out, m, "index", "from");
    show_fact(out, m, "wheels", "from");
    buf_putf(out, "%-9s ", "size");
    put_bytes(out, json_int(m, "bytes", 0));
    buf_putf(out, " in %lld files\n", (long long)json_int(m, "files", 0));
    show_fact(out, m, "modules", "imports");
    buf_putf(out, "%-9s %s/%s/lock (SHA-256 ", "lock", root, name);
    utf8_clean_line(out, utf8_head(str_of(json_str(m, "lock_sha256")), 64));
    buf_puts(out, ")\npackages\n");
    cJSON_ArrayForEach(one, json_arr(m, "packages"))
    {
        buf_puts(out, "  ");
        utf8_clean_line(out, utf8_head(str_of(json_str(one, "name")), 200));
        buf_putc(out, ' ');
        utf8_clean_line(out, utf8_head(str_of(json_str(one, "version")), 200));
        buf_puts(out, "  ");
        put_bytes(out, json_int(one, "bytes", 0));
        buf_puts(out, "  sha256:");
        utf8_clean_line(out, utf8_head(str_of(json_str(one, "sha256")), 64));
        buf_putc(out, '\n');
    }
    return 0;
}

int env_remove(const char *name, const struct stop *stop, struct err *e)
{
    struct stat st;
    cleanup_fd int root = open_root_for(name, e);

    if (root < 0)
        return -1;
    if (fstatat(root, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return missing(name, e);
    return env_drop(root, name, stop, e);
}
