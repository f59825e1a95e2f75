/* Which programs are started, and which folders the sandbox has to show for them. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/mem.h"
#include "sandbox/language.h"
#include "sandbox/launch.h"
#include "sandbox/launch_parts.h"
#include "agent/base/banned.h"

#define MAX_LINKS 16

void strings_add(struct strings *s, char *owned)
{
    s->v = xrealloc(s->v, s->n + 2, sizeof *s->v);
    s->v[s->n++] = owned;
    s->v[s->n] = NULL;
}

void strings_done(struct strings *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->v[i]);
    free(s->v);
}

/* --- which programs --- */

char *launch_search_path(const char *name)
{
    const char *path = getenv("PATH");
    struct str rest = str_of(path ? path : "/usr/local/bin:/usr/bin:/bin"), dir;

    for (bool more = true; more;) {
        more = str_cut(&rest, ':', &dir);
        if (dir.n == 0 || dir.p[0] != '/')
            continue; /* the working directory is no place to take a sandbox from */
        cleanup_free char *d = str_dup(dir);
        char *p = io_join(d, name);
        if (access(p, X_OK) == 0)
            return p;
        free(p);
    }
    return NULL;
}

char *launch_find_ours(const char *name, struct err *e)
{
    static const char *const places[] = { "", "../libexec/agent/" };
    char self[PATH_MAX];

    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n > 0) {
        self[n] = '\0';
        *strrchr(self, '/') = '\0';
        for (size_t i = 0; i < ARRAY_LEN(places); i++) {
            char *p = xasprintf("%s/%s%s", self, places[i], name);
            if (access(p, X_OK) == 0)
                return p;
            free(p);
        }
    }
    char *p = launch_search_path(name);
    if (p == NULL)
        err_set(e, ERR_SANDBOX, 0,
                "the program %s was found neither beside this one, nor in ../libexec/agent, nor in "
                "PATH; "
                "build it with `make` or install it with `make install`",
                name);
    return p;
}

char *sandbox_helper_path(const char *wanted, struct err *e)
{
    if (wanted) {
        if (access(wanted, X_OK) < 0) {
            err_set(e, ERR_SANDBOX, errno, "cannot run the sandbox helper %s", wanted);
            return NULL;
        }
        return xstrdup(wanted);
    }
    return launch_find_ours("agent-sandbox", e);
}

char *launch_find_python(const char *wanted, struct err *e)
{
    struct stat st;
    char *p = NULL;

    if (wanted && strchr(wanted, '/'))
        p = wanted[0] == '/' ? xstrdup(wanted) : realpath(wanted, NULL);
    else if (wanted)
        p = launch_search_path(wanted);
    else if (access("/usr/bin/python3", X_OK) == 0)
        p = xstrdup("/usr/bin/python3");
    else
        p = launch_search_path("python3");
    if (p == NULL) {
        err_set(e, ERR_CONFIG, 0,
                "no Python interpreter: %s%s; install python3, or name one with `python = PATH`",
                wanted ? wanted : "neither /usr/bin/python3 nor python3 in PATH",
                wanted ? " was not found" : "");
        return NULL;
    }
    /* A folder is taken for a virtual environment. */
    if (stat(p, &st) == 0 && S_ISDIR(st.st_mode)) {
        char *in = io_join(p, "bin/python3");
        free(p);
        p = in;
    }
    if (stat(p, &st) < 0 || !S_ISREG(st.st_mode) || access(p, X_OK) < 0) {
        err_set(e, ERR_CONFIG, 0,
                "the Python interpreter %s cannot be run; name another with `python = PATH`", p);
        free(p);
        return NULL;
    }
    return p;
}

/* --- what a Python outside /usr needs to be visible inside --- */

static bool in_system(const char *path)
{
    static const char *const roots[] = { "/usr/", "/bin/", "/lib/", "/lib64/" };

    for (size_t i = 0; i < ARRAY_LEN(roots); i++)
        if (strncmp(path, roots[i], strlen(roots[i])) == 0)
            return true;
    return false;
}

/* PREFIX of PREFIX/bin/python3, or NULL. */
static char *prefix_of(const char *program)
{
    char *p = xstrdup(program);

    for (int i = 0; i < 2; i++) {
        char *slash = strrchr(p, '/');
        if (slash == NULL || slash == p) {
            free(p);
            return NULL;
        }
        *slash = '\0';
    }
    return p;
}

/* A prefix is bound only when it looks like a Python installation: ~/bin/python3 must not
 * bring the home directory in. */
static bool is_installation(const char *prefix)
{
    cleanup_free char *cfg = io_join(prefix, "pyvenv.cfg");
    cleanup_free char *lib = io_join(prefix, "lib/python3");

    if (access(cfg, F_OK) == 0 || access(lib, F_OK) == 0)
        return true;
    for (int minor = 8; minor < 40; minor++) {
        cleanup_free char *p = xasprintf("%s.%d", lib, minor);
        if (access(p, F_OK) == 0)
            return true;
    }
    return false;
}

static void add_ro(struct strings *argv, const char *prefix)
{
    for (size_t i = 0; i + 1 < argv->n; i++)
        if (strcmp(argv->v[i], "--ro") == 0 && strcmp(argv->v[i + 1], prefix) == 0)
            return;
    strings_add(argv, xstrdup("--ro"));
    strings_add(argv, xstrdup(prefix));
}

/* The links are followed one by one, since each may lie in another prefix. */
int launch_show_python(struct strings *argv, const char *program, struct err *e)
{
    cleanup_free char *at = xstrdup(program);

    for (int i = 0; i < MAX_LINKS; i++) {
        cleanup_free char *prefix = prefix_of(at);
        if (!in_system(at)) {
            if (prefix == NULL || !is_installation(prefix))
                return err_set(e, ERR_CONFIG, 0,
                               "the Python interpreter %s does not lie in an installation "
                               "(PREFIX/bin/python3 with PREFIX/lib/python3.N or pyvenv.cfg); "
                               "name its real place with `python = PATH`",
                               at);
            add_ro(argv, prefix);
        }
        char link[PATH_MAX];
        ssize_t n = readlink(at, link, sizeof link - 1);
        if (n < 0)
            return 0;
        link[n] = '\0';
        char *dir = xstrdup(at);
        *(strrchr(dir, '/') + 1) = '\0';
        char *next = link[0] == '/' ? xstrdup(link) : io_join(dir, link);
        free(dir);
        free(at);
        at = next;
    }
    return err_set(e, ERR_CONFIG, ELOOP, "the Python interpreter %s", program);
}

static void show_path(void *arg, const char *path)
{
    add_ro(arg, path);
}

int launch_show_runtimes(struct strings *argv, const struct sandbox_spec *spec, struct err *e)
{
    for (size_t i = 0; i < spec->n_programs; i++)
        if (language_shows(&spec->programs[i], show_path, argv, e) < 0)
            return -1;
    return 0;
}
