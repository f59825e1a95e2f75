/* The table of languages, and what a runtime needs: its place, its arguments. See
 * docs/LANGUAGES.md. */
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "sandbox/language.h"
#include "agent/base/banned.h"

#define MAX_LINKS 16
#define DEFAULT_MEMORY (2048ll * MIB) /* the helper's own, when the spec leaves it to it */

const struct sandbox_language sandbox_languages[] = {
    { .name = "python",
      .title = "Python",
      .other = "py python3",
      .extension = "py",
      .mime = "text/x-python",
      .runtime = "python3",
      .setting = "python",
      .marks = "",
      .start = START_PYTHON,
      .driver = "",
      .args = "",
      .env = "",
      .needs = "",
      .probe = "" },
    { .name = "javascript",
      .title = "JavaScript",
      .other = "js node",
      .extension = "js",
      .mime = "text/javascript",
      .runtime = "node",
      .setting = "node",
      .marks = "lib/node_modules include/node",
      .start = START_EXEC,
      .driver = "javascript.js",
      .args = "--max-old-space-size={heap} {driver}",
      .env = "NODE_NO_WARNINGS=1 OPENSSL_CONF=/dev/null",
      .needs = "",
      .probe = "process.version.slice(1)" },
    { .name = "typescript",
      .title = "TypeScript",
      .other = "ts",
      .extension = "ts",
      .mime = "text/x-typescript",
      .runtime = "node",
      .setting = "node",
      .marks = "lib/node_modules include/node",
      .start = START_EXEC,
      .driver = "javascript.js",
      .args = "--max-old-space-size={heap} {driver} typescript",
      .env = "NODE_NO_WARNINGS=1 OPENSSL_CONF=/dev/null",
      .needs = "",
      .probe = "process.version.slice(1) as string" },
    { .name = "bash",
      .title = "Bash",
      .other = "sh shell",
      .extension = "sh",
      .mime = "text/x-shellscript",
      .runtime = "bash",
      .setting = "bash",
      .marks = "",
      .start = START_EXEC,
      .driver = "bash.sh",
      .args = "--norc --noprofile {driver}",
      .env = "",
      .needs = "",
      .probe = "echo \"$BASH_VERSION\"" },
    { .name = "r",
      .title = "R",
      .other = "R rscript",
      .extension = "R",
      .mime = "text/x-r",
      .runtime = "R",
      .setting = "r",
      .marks = "lib/R lib64/R",
      .start = START_RELAY,
      .driver = "r.R",
      .args = "--no-echo --no-restore --vanilla --file={driver}",
      .env = "R_MAX_VSIZE={heap}M R_DEFAULT_INTERNET_TIMEOUT=5",
      .needs = "/etc/R",
      .probe = "cat(paste(R.version$major, R.version$minor, sep = \".\"))" },
    { .name = "java",
      .title = "Java",
      .other = "jshell",
      .extension = "java",
      .mime = "text/x-java",
      .runtime = "java",
      .setting = "java",
      .marks = "release lib/modules",
      .start = START_RELAY,
      .driver = "java.java",
      .args = "-Xmx{half}m -Xss8m -XX:ErrorFile=/tmp/java-error.log -XX:+UseSerialGC "
              "-XX:TieredStopAtLevel=1 -XX:-UsePerfData "
              "-Xshare:auto --add-modules jdk.jshell {driver}",
      .env = "",
      .needs = "/etc/java-*",
      .probe = "System.out.println(Runtime.version().feature())" },
    { .name = "go",
      .title = "Go",
      .other = "golang",
      .extension = "go",
      .mime = "text/x-go",
      .runtime = "go",
      .setting = "go",
      .marks = "VERSION pkg/tool",
      .start = START_FORK,
      .driver = "go.py",
      .args = "",
      .env = "GOMEMLIMIT={heap}MiB GOPROXY=off GOFLAGS=-mod=mod GO111MODULE=on GOTOOLCHAIN=local "
             "GOTELEMETRY=off CGO_ENABLED=0",
      .needs = "",
      .probe = "import (\"fmt\"; \"runtime\")\n"
               "func main() { fmt.Println(runtime.Version()[2:]) }" },
};
const size_t sandbox_languages_n = ARRAY_LEN(sandbox_languages);

/* One word of a space separated list at a time. */
static bool next_word(struct str *rest, struct str *ret)
{
    while (rest->n) {
        str_cut(rest, ' ', ret);
        if (ret->n)
            return true;
    }
    return false;
}

const struct sandbox_language *sandbox_language(const char *name)
{
    if (name == NULL)
        return &sandbox_languages[0];
    for (size_t i = 0; i < sandbox_languages_n; i++) {
        struct str rest = str_of(sandbox_languages[i].other), word;
        if (strcmp(sandbox_languages[i].name, name) == 0)
            return &sandbox_languages[i];
        while (next_word(&rest, &word))
            if (str_is(word, name))
                return &sandbox_languages[i];
    }
    return NULL;
}

/* --- where its program is --- */

static bool in_system(const char *path)
{
    static const char *const roots[] = { "/usr/", "/bin/", "/sbin/", "/lib/", "/lib64/" };

    for (size_t i = 0; i < ARRAY_LEN(roots); i++)
        if (strncmp(path, roots[i], strlen(roots[i])) == 0)
            return true;
    return false;
}

char *sandbox_program_path(const struct sandbox_program *p, struct err *e)
{
    const struct sandbox_language *l = p->language;
    const char *wanted = p->path && p->path[0] ? p->path : NULL;
    struct stat st;
    char *found;

    if (wanted && strchr(wanted, '/'))
        found = wanted[0] == '/' ? xstrdup(wanted) : realpath(wanted, NULL);
    else
        found = launch_search_path(wanted ? wanted : l->runtime);
    if (found && stat(found, &st) == 0 && S_ISDIR(st.st_mode)) { /* an installation */
        char *in = xasprintf("%s/bin/%s", found, l->runtime);
        free(found);
        found = in;
    }
    if (found && stat(found, &st) == 0 && S_ISREG(st.st_mode) && access(found, X_OK) == 0)
        return found;
    if (wanted)
        err_set(e, ERR_CONFIG, 0,
                "%s: the program %s is not there or cannot be run; name another with `%s = PATH`",
                l->title, wanted, l->setting);
    else
        err_set(e, ERR_CONFIG, 0, "%s: no %s in PATH; install it, or name it with `%s = PATH`",
                l->title, l->runtime, l->setting);
    free(found);
    return NULL;
}

int sandbox_check_program(const struct sandbox_program *p, struct err *e)
{
    cleanup_free char *found = sandbox_program_path(p, e);

    return found ? 0 : -1;
}

/* --- what must be visible inside --- */

/* The installation that PREFIX/bin/RUNTIME belongs to, or the file alone: ~/bin/node must not bring
 * the home directory in. */
static char *what_to_show(const struct sandbox_language *l, const char *program)
{
    struct str rest = str_of(l->marks), word;
    cleanup_free char *prefix = xstrdup(program);

    for (int i = 0; i < 2; i++) {
        char *slash = strrchr(prefix, '/');
        if (slash == NULL || slash == prefix)
            return xstrdup(program);
        *slash = '\0';
    }
    while (next_word(&rest, &word)) {
        cleanup_free char *mark = xasprintf("%s/%.*s", prefix, (int)word.n, word.p);
        if (access(mark, F_OK) == 0)
            return steal_ptr(&prefix);
    }
    return xstrdup(program);
}

static int show_program(const struct sandbox_language *l, const char *program, language_show *show,
                        void *arg, struct err *e)
{
    cleanup_free char *at = xstrdup(program);

    /* The links are followed one by one, since each may lie in another folder. */
    for (int i = 0; i < MAX_LINKS; i++) {
        char link[PATH_MAX];
        if (!in_system(at)) {
            cleanup_free char *path = what_to_show(l, at);
            show(arg, path);
        }
        ssize_t n = readlink(at, link, sizeof link - 1);
        if (n < 0)
            return 0;
        link[n] = '\0';
        *(strrchr(at, '/') + 1) = '\0';
        char *next = link[0] == '/' ? xstrdup(link) : xasprintf("%s%s", at, link);
        free(at);
        at = next;
    }
    return err_set(e, ERR_CONFIG, ELOOP, "%s: the program %s", l->title, program);
}

int language_shows(const struct sandbox_program *p, language_show *show, void *arg, struct err *e)
{
    cleanup_free char *program = sandbox_program_path(p, e);
    struct str rest = str_of(p->language->needs), word;

    if (program == NULL || show_program(p->language, program, show, arg, e) < 0)
        return -1;
    while (next_word(&rest, &word)) {
        cleanup_free char *pattern = str_dup(word);
        glob_t g = { 0 };
        if (in_system(pattern))
            continue;
        if (glob(pattern, GLOB_NOSORT, NULL, &g) == 0)
            for (size_t i = 0; i < g.gl_pathc; i++)
                show(arg, g.gl_pathv[i]);
        globfree(&g);
    }
    return 0;
}

/* --- how it starts --- */

/* For {heap} three quarters: the rest is for what the heap is not (code, stacks, buffers), and for
 * others. For {half} less, since a JVM needs more besides it. */
static long long heap_mib(const struct sandbox_spec *spec, bool half)
{
    int64_t memory = spec->memory_bytes > 0 ? spec->memory_bytes : DEFAULT_MEMORY;

    return (half ? memory / 2 : memory / 4 * 3) / MIB;
}

/* Words to lines, placeholders filled in. */
static void put_words(struct buf *frame, const char *name, const char *words,
                      const struct sandbox_spec *spec, const struct sandbox_language *l)
{
    cleanup_buf struct buf lines = BUF_MAX(16 * KIB);
    struct str rest = str_of(words), word;

    while (next_word(&rest, &word)) {
        const char *open = memchr(word.p, '{', word.n);
        size_t head = open ? (size_t)(open - word.p) : word.n;
        buf_put(&lines, word.p, head);
        if (open && str_starts(str_from(word, head), "{driver}"))
            buf_putf(&lines, "{driver}/%s", l->driver); /* the folder is known inside */
        else if (open)
            buf_putf(&lines, "%lld", heap_mib(spec, str_starts(str_from(word, head), "{half}")));
        if (open) {
            const char *close = memchr(open, '}', word.n - head);
            size_t past = close ? (size_t)(close - word.p) + 1 : word.n;
            buf_putstr(&lines, str_from(word, past));
        }
        buf_putc(&lines, '\n');
    }
    frame_put(frame, name, buf_str(&lines));
}

int language_start(const struct sandbox_spec *spec, const struct sandbox_language *l,
                   struct buf *frame, struct err *e)
{
    static const char *const starts[] = {
        [START_EXEC] = "exec", [START_RELAY] = "relay", [START_FORK] = "fork"
    };

    for (size_t i = 0; i < spec->n_programs; i++) {
        if (spec->programs[i].language != l)
            continue;
        cleanup_free char *program = sandbox_program_path(&spec->programs[i], e);
        if (program == NULL)
            return -1;
        frame_put(frame, "start", str_of(starts[l->start]));
        frame_put(frame, "program", str_of(program));
        frame_put(frame, "driver", str_of(l->driver));
        put_words(frame, "args", l->args, spec, l);
        put_words(frame, "env", l->env, spec, l);
        return 0;
    }
    return err_set(e, ERR_CONFIG, 0,
                   "%s is not among the languages of this sandbox; add it to `languages`",
                   l->title);
}
