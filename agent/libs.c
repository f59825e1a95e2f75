#include "agent/libs.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/sha256.h"
#include "agent/base/utf8.h"
#include "agent/ui.h"
#include "agent/base/banned.h"

/* What a data analyst reaches for. Names are import names. */
static const char candidates[] =
    "numpy pandas matplotlib scipy sklearn statsmodels seaborn plotly altair openpyxl xlsxwriter "
    "xlrd pyarrow polars duckdb sqlite3 PIL reportlab weasyprint docx pptx bs4 lxml yaml sympy "
    "networkx jinja2 tabulate dateutil pytz tqdm chardet";

/* The folders where packages land, so that installing one makes a new key. */
void libs_hash_folder(struct sha256 *h, const char *path)
{
    struct stat st;
    char line[128];

    if (stat(path, &st) < 0)
        return;
    int n = snprintf(line, sizeof line, "%" PRIdMAX ".%09ld %ju", (intmax_t)st.st_mtim.tv_sec,
                     st.st_mtim.tv_nsec, (uintmax_t)st.st_ino);
    sha256_put(h, path, strlen(path));
    sha256_put(h, line, (size_t)n);
}

void libs_hash_packages(struct sha256 *h, const char *python)
{
    static const char *const below[] = { "lib", "local/lib" };
    const char *slash = strstr(python, "/bin/");
    cleanup_free char *prefix =
        slash ? xstrndup(python, (size_t)(slash - python)) : xstrdup("/usr");

    for (size_t i = 0; i < ARRAY_LEN(below); i++) {
        cleanup_free char *lib = io_join(prefix, below[i]);
        DIR *d = opendir(lib);
        if (d == NULL)
            continue;
        for (struct dirent *de; (de = readdir(d)) != NULL;) {
            if (strncmp(de->d_name, "python", 6) != 0)
                continue;
            cleanup_free char *dist = xasprintf("%s/%s/dist-packages", lib, de->d_name);
            cleanup_free char *site = xasprintf("%s/%s/site-packages", lib, de->d_name);
            libs_hash_folder(h, dist);
            libs_hash_folder(h, site);
        }
        closedir(d);
    }
    struct stat st;
    if (stat(python, &st) == 0)
        libs_hash_folder(h, python);
}

char *libs_cache_path(const char *name)
{
    const char *base = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");

    if (base && base[0] == '/')
        return xasprintf("%s/agent/%s", base, name);
    if (home && home[0] == '/')
        return xasprintf("%s/.cache/agent/%s", home, name);
    return NULL;
}

static char *cache_file(const struct sandbox_info *info, const struct env *env)
{
    struct sha256 h;
    char hex[65];

    sha256_init(&h);
    sha256_put(&h, candidates, sizeof candidates);
    sha256_put(&h, info->python_path, strlen(info->python_path));
    sha256_put(&h, info->python_version, strlen(info->python_version));
    libs_hash_packages(&h, info->python_path);
    if (env->lock_sha256)
        sha256_put(&h, env->lock_sha256, strlen(env->lock_sha256));
    sha256_hex(&h, hex);
    cleanup_free char *name = xasprintf("libraries-%.24s", hex);
    return libs_cache_path(name);
}

/* "name version" lines → "name version, name version". */
static char *as_list(struct str lines)
{
    cleanup_buf struct buf out = BUF_MAX(64 * KIB);
    struct str line;

    while (lines.n) {
        str_cut(&lines, '\n', &line);
        if (str_trim(line).n == 0)
            continue;
        if (out.n)
            buf_puts(&out, ", ");
        utf8_clean_line(&out, utf8_head(str_trim(line), 80));
    }
    return out.n ? buf_steal(&out) : xstrdup("only the standard library");
}

static bool has_word(const char *words, struct str name)
{
    struct str rest = str_of(words), word;

    for (bool more = true; more;) {
        more = str_cut(&rest, ' ', &word);
        if (word.n && str_eq(word, name))
            return true;
    }
    return false;
}

/* What stands in a cache file goes into the prompt: it is believed only if it is what a probe
 * could have said, whole. */
static bool is_plausible_line(struct str line, const struct env *env)
{
    struct str name;

    for (size_t i = 0; i < line.n; i++)
        if (line.p[i] < ' ' || line.p[i] > '~')
            return false;
    if (line.n == 0)
        return true;
    str_cut(&line, ' ', &name);
    return line.n <= 60 &&
           (has_word(candidates, name) || (env->modules && has_word(env->modules, name)));
}

static bool is_plausible(struct str lines, const struct env *env)
{
    struct str line;

    if (lines.n == 0 || lines.p[lines.n - 1] != '\n')
        return false;
    while (lines.n) {
        str_cut(&lines, '\n', &line);
        if (!is_plausible_line(line, env))
            return false;
    }
    return true;
}

static void save(const char *path, struct str lines)
{
    struct err e = ERR_INIT;
    cleanup_free char *dir = xstrndup(path, (size_t)(io_basename(path) - path));

    if (io_mkdirs(dir, 0700, &e) == 0)
        (void)io_write_atomic(AT_FDCWD, path, lines, 0600, &e);
}

/* Imports them in processes of its own, so that one which crashes takes none of the others along
 * and the memory is given back. */
static const char probe_code[] =
    "def probe(names):\n"
    "    import os, sys\n"
    "    while names:\n"
    "        r, w = os.pipe()\n"
    "        pid = os.fork()\n"
    "        if pid == 0:\n"
    "            null = os.open('/dev/null', os.O_WRONLY)\n"
    "            os.dup2(null, 1), os.dup2(null, 2)\n"
    "            for name in names:\n"
    "                line = '-'\n"
    "                try:\n"
    "                    __import__(name)\n"
    "                    line = (name + ' ' + str(getattr(sys.modules[name], '__version__', "
    "''))[:40]).strip()\n"
    "                except BaseException:\n"
    "                    pass\n"
    "                os.write(w, (line.replace('\\n', ' ') + '\\n').encode())\n"
    "            os._exit(0)\n"
    "        os.close(w)\n"
    "        lines = b''\n"
    "        while lines.count(b'\\n') < len(names) and (part := os.read(r, 4096)):\n"
    "            lines += part\n"
    "        os.close(r), os.waitpid(pid, 0)\n"
    "        for line in lines.decode('utf-8', 'replace').splitlines():\n"
    "            if line != '-':\n"
    "                print(line)\n"
    "        names = names[lines.count(b'\\n') + 1:]\n"
    "probe('%s %s'.split())\n";

#define PROBE_MS 180000

/* The modules of an environment are as hostile as a cell's code, so a cell imports them, never the
 * template. What it says is kept line by line as far as it is plausible. 1 = it came to its end. */
static int probe_env(struct sandbox *s, const struct env *env, const struct stop *stop,
                     struct buf *lines, struct err *e)
{
    __attribute__((cleanup(sandbox_result_done))) struct sandbox_result r = { 0 };
    cleanup_buf struct buf code = BUF_MAX(64 * KIB), out = BUF_MAX(64 * KIB);
    struct str line;

    buf_putf(&code, probe_code, candidates, env->modules);
    struct sandbox_cell cell = {
        .context = "libraries", .number = 0, .code = buf_str(&code), .timeout_ms = PROBE_MS
    };
    if (sandbox_run(s, &cell, stop, NULL, &r, e) < 0)
        return -1;
    for (size_t i = 0; i < r.n_items; i++)
        if (r.items[i].kind == ITEM_STDOUT)
            buf_put(&out, r.items[i].text, r.items[i].n);
    struct str rest = buf_str(&out);
    while (rest.n) {
        str_cut(&rest, '\n', &line);
        if (line.n == 0 || !is_plausible_line(line, env))
            continue;
        buf_putstr(lines, line);
        buf_putc(lines, '\n');
    }
    return r.status == SANDBOX_OK;
}

/* What the model reads: what imports, and what of it the environment brought. */
static char *told(struct str lines, const struct env *env)
{
    cleanup_free char *list = as_list(lines);

    if (env->name == NULL)
        return steal_ptr(&list);
    return xasprintf("%s. The user's environment of packages brings: %s", list, env->packages);
}

char *libs_list(struct sandbox *s, const struct env *env, struct ui *ui, const struct stop *stop,
                struct err *e)
{
    cleanup_buf struct buf lines = BUF_MAX(64 * KIB);
    struct sandbox_info info;
    struct err ignored = ERR_INIT;

    sandbox_get_info(s, &info);
    cleanup_free char *path = cache_file(&info, env);
    if (path && io_read_file(path, &lines, &ignored) == 0 && is_plausible(buf_str(&lines), env))
        return told(buf_str(&lines), env);
    buf_clear(&lines);
    ui_note(ui, "looking which libraries Python %s has here%s%s (once)", info.python_version,
            env->name ? ", with the environment " : "", env->name ? env->name : "");
    int r = env->name ? probe_env(s, env, stop, &lines, e)
                      : sandbox_probe(s, candidates, stop, &lines, e);
    if (r < 0)
        return NULL;
    if (lines.n == 0)
        buf_putc(&lines, '\n');
    if (path && (r == 1 || env->name == NULL))
        save(path, buf_str(&lines));
    return told(buf_str(&lines), env);
}
