/* `agent env create`: requirements in, an environment out.
 *
 * 1. What was asked for is read and judged (env_text.c): nothing passes that would make pip trust
 *    another place, or build and run what a package brings.
 * 2. A sandbox is started with room for the packages and, unless they come from a folder, with the
 *    package index as its only network. One cell in it runs pip (sandbox/interpreter/install.py).
 * 3. What that left is read out as hostile data (env_tree.c) into a draft, with lock and manifest.
 * 4. The draft takes the environment's name in one step (env_store.c). */
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "agent/base/io.h"
#include "agent/base/json.h"
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/sha256.h"
#include "agent/base/utf8.h"
#include "agent/env.h"
#include "agent/env_parts.h"
#include "agent/ui.h"
#include "agent/base/banned.h"

#define MAX_TOLD 16 /* lines of pip's that the user sees when it fails */

struct build {
    const struct conf *c;
    const struct env_plan *plan;
    struct ui *ui;
    const struct stop *stop;
    struct sandbox_spec spec;
    struct sandbox *sandbox;
    char *index, *hosts;    /* owned: where pip goes, and the further hosts of its files */
    char *wheels, *network; /* owned, for the spec */
    struct buf requirements;
    struct buf out; /* pip's progress, not yet a whole line */
    struct env_packages packages;
    struct env_draft draft;
};

static void build_done(struct build *b)
{
    sandbox_free(b->sandbox);
    free(b->index);
    free(b->hosts);
    free(b->wheels);
    free(b->network);
    buf_free(&b->requirements);
    buf_free(&b->out);
    env_packages_done(&b->packages);
    env_draft_done(&b->draft);
}

/* --- what was asked for --- */

static int add_file(struct build *b, const char *path, const char *option, struct err *e)
{
    cleanup_buf struct buf text = BUF_MAX(MAX_CONF_BYTES);
    struct err why = ERR_INIT;
    struct stat st;

    /* A pipe or a device could make us wait for ever. */
    if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
        return err_set(e, ERR_USAGE, errno, "%s %s: no file to read", option, path);
    if (io_read_file(path, &text, &why) < 0)
        return err_set(e, ERR_USAGE, 0, "%s: %s", option, why.msg);
    buf_putc(&text, '\n');
    return env_add_requirements(&b->requirements, path, buf_str(&text), e);
}

static int read_plan(struct build *b, struct err *e)
{
    const struct env_plan *p = b->plan;

    if (env_check_name(p->name, e) < 0)
        return -1;
    if (p->lock && (p->requirements || p->n_packages))
        return err_set(e, ERR_USAGE, 0,
                       "--lock FILE names every package with its version: give it alone");
    if (p->requirements && add_file(b, p->requirements, "-r", e) < 0)
        return -1;
    if (p->lock && add_file(b, p->lock, "--lock", e) < 0)
        return -1;
    for (size_t i = 0; i < p->n_packages; i++) {
        struct str s = str_of(p->packages[i]);
        if (memchr(s.p, '\n', s.n) || memchr(s.p, '#', s.n))
            return err_set(e, ERR_USAGE, 0, "a package's name has no line ends and no #");
        if (env_add_requirements(&b->requirements, "the command line", s, e) < 0)
            return -1;
    }
    if (b->requirements.n == 0)
        return err_set(e, ERR_USAGE, 0,
                       "no package is named; usage: agent env create NAME [-r FILE] [--lock FILE] "
                       "[--wheels DIR] [PACKAGE...]");
    return 0;
}

/* The hosts that pip may reach: the index's own, and those it serves its files from. */
static int plan_network(struct build *b, struct err *e)
{
    struct str rest = str_of(b->index), host;

    if (!str_starts(rest, "https://"))
        return err_set(e, ERR_CONFIG, 0,
                       "package_index must be an https:// URL, since what comes from it is "
                       "installed; it is `%s'",
                       b->index);
    rest = str_from(rest, 8);
    str_cut(&rest, '/', &host);
    cleanup_free char *word = str_dup(host);
    if (sandbox_check_host(host, e) < 0)
        return err_wrap(e, "package_index");
    b->network = b->hosts[0] ? xasprintf("%s %s", word, b->hosts) : xstrdup(word);
    b->spec.network = b->network;
    return 0;
}

/* As root the sandbox is an ordinary user: a folder of root's alone would look empty to pip. */
static int plan_wheels(struct build *b, struct err *e)
{
    struct stat st;

    b->wheels = realpath(b->plan->wheels, NULL);
    if (b->wheels == NULL)
        return err_set(e, ERR_USAGE, errno, "--wheels %s", b->plan->wheels);
    if (stat(b->wheels, &st) < 0 || !S_ISDIR(st.st_mode))
        return err_set(e, ERR_USAGE, 0, "--wheels %s: it is no folder", b->plan->wheels);
    if (geteuid() == 0 && (st.st_mode & 05) != 05)
        return err_set(e, ERR_USAGE, 0,
                       "--wheels %s: the sandbox is an ordinary user and could not read it; permit "
                       "that with chmod o+rx",
                       b->plan->wheels);
    b->spec.wheels = b->wheels;
    return 0;
}

/* What pip wrote, a bounded part of it. */
static void tell_errors(struct build *b, const struct sandbox_result *r)
{
    cleanup_buf struct buf all = BUF_MAX(256 * KIB);
    struct str line;
    int told = 0;

    for (size_t i = 0; i < r->n_items; i++)
        if (r->items[i].kind == ITEM_STDERR)
            buf_put(&all, r->items[i].text, r->items[i].n);
    struct str rest = buf_str(&all);
    while (rest.n && told < MAX_TOLD) {
        str_cut(&rest, '\n', &line);
        line = utf8_head(str_trim(line), 500);
        if (line.n == 0)
            continue;
        ui_warn(b->ui, "%.*s", (int)line.n, line.p);
        told++;
    }
}

static int failed(struct build *b, const struct sandbox_result *r, struct err *e)
{
    const char *name = b->plan->name;

    tell_errors(b, r);
    switch (r->status) {
    case SANDBOX_MEMORY:
        return err_set(e, ERR_LIMIT, 0,
                       "the environment %s was not made: the memory limit was reached; permit more "
                       "with --memory or --env-size",
                       name);
    case SANDBOX_TIMEOUT:
    case SANDBOX_KILLED_TIME:
        return err_set(e, ERR_LIMIT, 0, "the environment %s was not made: it took over %d minutes",
                       name, ENV_BUILD_MS / 60000);
    case SANDBOX_ERROR:
        if (r->error_name && strcmp(r->error_name, "SystemExit") == 0)
            return err_set(e, ERR_SYS, 0, "the environment %s was not made; the reason is above",
                           name);
        break;
    default:
        break;
    }
    cleanup_buf struct buf why = BUF_MAX(8 * KIB);
    utf8_clean_line(&why, utf8_head(str_of(r->error_name ? r->error_name : ""), 100));
    buf_puts(&why, ": ");
    utf8_clean_line(&why, utf8_head(str_of(r->error_value ? r->error_value : ""), 300));
    return err_set(e, ERR_SANDBOX, 0,
                   "the environment %s was not made: the installer ended (%s) %s", name,
                   sandbox_status_word(r->status), r->error_name ? buf_cstr(&why) : "");
}

static struct sandbox_spec plain_spec(const struct conf *c)
{
    return (struct sandbox_spec){
        .helper = c->sandbox_helper,
        .python = c->python,
        .memory_bytes = c->memory_bytes,
        .workspace_bytes = c->env_bytes,
        .file_bytes = c->env_bytes,
        .max_processes = (int)c->max_processes,
        .best = c->sandbox == SANDBOX_BEST,
        .fonts_fd = -1,
    };
}

/* Where pip goes when nobody says where: pip knows. It is asked in a sandbox without any network,
 * since the hosts that a sandbox may reach are settled before anything runs in it. */
static int ask_pip(struct build *b, struct err *e)
{
    __attribute__((cleanup(sandbox_result_done))) struct sandbox_result r = { 0 };
    cleanup_buf struct buf code = BUF_MAX(1 * MIB), told = BUF_MAX(4 * KIB);
    struct sandbox_spec spec = plain_spec(b->c);
    struct sandbox_sink sink = { 0 };

    buf_putstr(&code, sandbox_installer());
    buf_puts(&code, "\n\ntell_index()\n");
    struct sandbox_cell cell = {
        .context = "default", .number = 1, .code = buf_str(&code), .timeout_ms = ENV_ASK_MS
    };
    struct sandbox *s = sandbox_start(&spec, e);
    int ran = s && sandbox_wait_ready(s, b->stop, e) == 0
                  ? sandbox_run(s, &cell, b->stop, &sink, &r, e)
                  : -1;
    sandbox_free(s);
    if (ran < 0)
        return -1;
    if (r.status != SANDBOX_OK)
        return failed(b, &r, e);
    for (size_t i = 0; i < r.n_items; i++)
        if (r.items[i].kind == ITEM_STDOUT)
            buf_put(&told, r.items[i].text, r.items[i].n);
    struct str hosts = str_trim(buf_str(&told)), index;
    str_cut(&hosts, ' ', &index);
    if (index.n == 0 || buf_str(&told).n >= told.max)
        return err_set(e, ERR_CONFIG, 0,
                       "this pip does not say where it goes; set package_index to the index's "
                       "URL");
    b->index = str_dup(index);
    b->hosts = str_dup(hosts);
    return 0;
}

/* package_hosts are the hosts of package_index; without one they are added to pip's own. */
static int plan_index(struct build *b, struct err *e)
{
    const char *index = b->c->package_index, *hosts = b->c->package_hosts;

    if (index && index[0]) {
        b->index = xstrdup(index);
        b->hosts = xstrdup(hosts ? hosts : "");
    } else {
        if (ask_pip(b, e) < 0)
            return -1;
        if (hosts && hosts[0]) {
            char *both = xasprintf("%s %s", b->hosts, hosts);
            free(b->hosts);
            b->hosts = both;
        }
    }
    return plan_network(b, e);
}

static int start(struct build *b, struct err *e)
{
    /* The wheel and what is in it are there at once, and byte code comes on top. */
    int64_t room = 3 * b->c->env_bytes;

    b->spec = plain_spec(b->c);
    b->spec.memory_bytes += room;
    b->spec.workspace_bytes = room;
    if ((b->plan->wheels ? plan_wheels(b, e) : plan_index(b, e)) < 0)
        return -1;
    b->sandbox = sandbox_start(&b->spec, e);
    return b->sandbox ? 0 : -1;
}

/* The way to the index needs a network namespace; a folder of wheels needs none. */
static int wait_ready(struct build *b, struct err *e)
{
    if (sandbox_wait_ready(b->sandbox, b->stop, e) == 0)
        return 0;
    if (b->network && e->code == ERR_SANDBOX)
        err_wrap(e,
                 "the environment %s was not made (from a folder of wheels, --wheels DIR, one is "
                 "made without any network)",
                 b->plan->name);
    return -1;
}

/* --- pip --- */

static int put_text(struct build *b, const char *name, struct str text, struct err *e)
{
    return sandbox_put(b->sandbox, name, text, b->stop, e);
}

static int put_inputs(struct build *b, struct err *e)
{
    cleanup_json cJSON *plan = cJSON_CreateObject();

    if (b->plan->wheels)
        json_add_str(plan, "wheels", str_of(sandbox_place(&b->spec, SHOWN_WHEELS)));
    else
        cJSON_AddNullToObject(plan, "wheels");
    json_add_str(plan, "index", str_of(b->index));
    struct sandbox_spec later = { .packages = "", .best = b->spec.best };
    json_add_str(plan, "place", str_of(sandbox_place(&later, SHOWN_PACKAGES)));
    cJSON_AddBoolToObject(plan, "hashes", b->plan->lock != NULL);
    cleanup_free char *text = json_text(plan);
    if (put_text(b, "plan.json", str_of(text), e) < 0)
        return -1;
    return put_text(b, "requirements.txt", buf_str(&b->requirements), e);
}

/* pip's progress, line by line as it comes. */
static void on_output(void *arg, bool is_stderr, struct str bytes)
{
    struct build *b = arg;

    if (is_stderr)
        return; /* shown at the end, when it failed */
    for (size_t i = 0; i < bytes.n; i++) {
        if (bytes.p[i] != '\n') {
            buf_putc(&b->out, bytes.p[i]);
            continue;
        }
        ui_detail(b->ui, "%s", buf_cstr(&b->out));
        buf_clear(&b->out);
    }
}

static void on_connection(void *arg, const struct sandbox_connection *c)
{
    struct build *b = arg;

    if (c->allowed)
        ui_detail(b->ui, "network: %s:%d, %lld bytes in", c->host, c->port, (long long)c->bytes_in);
    else
        ui_warn(b->ui,
                "network: %s:%d was refused: %s (hosts that the index serves its files from "
                "belong into package_hosts)",
                c->host, c->port, c->reason);
}

static int install(struct build *b, struct err *e)
{
    __attribute__((cleanup(sandbox_result_done))) struct sandbox_result r = { 0 };
    cleanup_buf struct buf code = BUF_MAX(1 * MIB), call = BUF_MAX(8 * KIB);
    struct sandbox_info info;

    sandbox_get_info(b->sandbox, &info);
    json_quote(&call, str_of(info.output_dir));
    buf_putstr(&code, sandbox_installer());
    buf_putf(&code, "\n\nbuild(%s)\n", buf_cstr(&call));
    struct sandbox_cell cell = {
        .context = "default", .number = 1, .code = buf_str(&code), .timeout_ms = ENV_BUILD_MS
    };
    struct sandbox_sink sink = { .output = on_output, .arg = b };
    ui_wait(b->ui, "installing");
    int ran = sandbox_run(b->sandbox, &cell, b->stop, &sink, &r, e);
    ui_wait_end(b->ui);
    sandbox_network(b->sandbox, true, on_connection, b);
    if (ran < 0)
        return -1;
    return r.status == SANDBOX_OK ? 0 : failed(b, &r, e);
}

/* --- out of the sandbox --- */

static int read_out(struct build *b, const char *name, struct buf *text, struct err *e)
{
    cleanup_fd int fd = io_open_beneath(sandbox_workspace_fd(b->sandbox), name,
                                        O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
    struct stat st;

    if (fd < 0)
        return err_set(e, ERR_SANDBOX, errno, "the installer left no list `%s'", name);
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return err_set(e, ERR_SANDBOX, 0, "the installer's `%s' is no file", name);
    return io_read_fd(fd, text, e);
}

static int by_text(const void *x, const void *y)
{
    return strcmp(*(char *const *)x, *(char *const *)y);
}

/* A folder's entries come in any order. */
static char *sorted_words(struct str words)
{
    cleanup_buf struct buf out = BUF_MAX(MAX_ENV_MODULES + 256);
    char **v = NULL;
    size_t n = 0;
    struct str word;

    while (words.n) {
        str_cut(&words, ' ', &word);
        v = xrealloc(v, n + 1, sizeof *v);
        v[n++] = str_dup(word);
    }
    if (n)
        qsort(v, n, sizeof *v, by_text);
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_putc(&out, ' ');
        buf_puts(&out, v[i]);
        free(v[i]);
    }
    free(v);
    return buf_steal(&out);
}

static cJSON *manifest(const struct build *b, const struct env_tree *tree, const char *lock_sha256)
{
    cJSON *m = cJSON_CreateObject(), *list = cJSON_CreateArray();
    struct sandbox_info info;
    struct tm tm;
    time_t now = time(NULL);
    char date[40];

    sandbox_get_info(b->sandbox, &info);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    struct str minor = str_of(info.python_version), major, second;
    str_cut(&minor, '.', &major);
    str_cut(&minor, '.', &second);
    cleanup_free char *python =
        xasprintf("%.*s.%.*s", (int)major.n, major.p, (int)second.n, second.p);
    json_add_int(m, "v", 1);
    json_add_str(m, "name", str_of(b->plan->name));
    json_add_str(m, "created", str_of(date));
    json_add_str(m, "program", str_of("agent " AGENT_VERSION));
    json_add_str(m, "python", str_of(info.python_path));
    json_add_str(m, "python_version", str_of(info.python_version));
    json_add_str(m, "python_minor", str_of(python));
    if (b->plan->wheels)
        json_add_str(m, "wheels", str_of(b->wheels));
    else
        json_add_str(m, "index", str_of(b->index));
    json_add_str(m, "lock_sha256", str_of(lock_sha256));
    json_add_int(m, "files", tree->files);
    json_add_int(m, "bytes", tree->bytes);
    cleanup_free char *modules = sorted_words(buf_str(&tree->modules));
    json_add_str(m, "modules", str_of(modules));
    for (size_t i = 0; i < b->packages.n; i++) {
        const struct env_package *p = &b->packages.v[i];
        cJSON *o = cJSON_CreateObject();
        json_add_str(o, "name", str_of(p->name));
        json_add_str(o, "version", str_of(p->version));
        json_add_str(o, "sha256", str_of(p->sha256));
        json_add_int(o, "bytes", p->bytes);
        cJSON_AddItemToArray(list, o);
    }
    cJSON_AddItemToObject(m, "packages", list);
    return m;
}

static int write_texts(struct build *b, const struct env_tree *tree, struct err *e)
{
    cleanup_buf struct buf lock = BUF_MAX(MAX_ENV_TEXT);
    struct sha256 h;
    char hex[65];

    env_write_lock(&lock, &b->packages);
    sha256_init(&h);
    sha256_put(&h, lock.p, lock.n);
    sha256_hex(&h, hex);
    cleanup_json cJSON *m = manifest(b, tree, hex);
    cleanup_free char *text = json_text(m);
    if (io_write_atomic(b->draft.dir, "lock", buf_str(&lock), 0644, e) < 0 ||
        io_write_atomic(b->draft.dir, "manifest.json", str_of(text), 0644, e) < 0)
        return err_wrap(e, "write the environment");
    return 0;
}

static int bring_out(struct build *b, struct err *e)
{
    cleanup_buf struct buf packages = BUF_MAX(MAX_ENV_TEXT), notes = BUF_MAX(64 * KIB);
    struct env_tree tree = { .max_bytes = b->c->env_bytes,
                             .max_files = MAX_ENV_FILES,
                             .modules = BUF_MAX(MAX_ENV_MODULES + 256) };
    struct str line;

    if (read_out(b, "packages", &packages, e) < 0 || read_out(b, "notes", &notes, e) < 0 ||
        env_parse_packages(buf_str(&packages), &b->packages, e) < 0)
        return -1;
    cleanup_fd int from =
        io_open_beneath(sandbox_workspace_fd(b->sandbox), "site", O_RDONLY | O_DIRECTORY);
    if (from < 0)
        return err_set(e, ERR_SANDBOX, errno, "the installer left no folder `site'");
    if (mkdirat(b->draft.dir, "site", 0755) < 0)
        return err_set(e, ERR_SYS, errno, "write the environment");
    cleanup_fd int to = io_open_beneath(b->draft.dir, "site", O_RDONLY | O_DIRECTORY);
    if (to < 0 || fchmod(to, 0755) < 0)
        return err_set(e, ERR_SYS, errno, "write the environment");
    int r = env_tree_copy(from, to, &tree, b->stop, e);
    if (r == 0)
        r = write_texts(b, &tree, e);
    buf_free(&tree.modules);
    struct str rest = buf_str(&notes);
    while (r == 0 && rest.n) {
        str_cut(&rest, '\n', &line);
        ui_warn(b->ui, "%.*s", (int)line.n, line.p);
    }
    return r;
}

int env_create(const struct conf *c, const struct env_plan *plan, struct ui *ui,
               const struct stop *stop, struct err *e)
{
    __attribute__((cleanup(build_done))) struct build b = {
        .c = c,
        .plan = plan,
        .ui = ui,
        .stop = stop,
        .requirements = BUF_MAX(MAX_CONF_BYTES),
        .out = BUF_MAX(4 * KIB),
        .draft = ENV_DRAFT_NONE,
    };

    if (read_plan(&b, e) < 0 || env_draft_begin(&b.draft, plan->name, stop, e) < 0 ||
        start(&b, e) < 0 || wait_ready(&b, e) < 0 || put_inputs(&b, e) < 0 || install(&b, e) < 0 ||
        bring_out(&b, e) < 0 || env_draft_commit(&b.draft, stop, e) < 0)
        return -1;
    ui_note(ui, "the environment %s is made: %zu package%s; use it with --env %s", plan->name,
            b.packages.n, b.packages.n == 1 ? "" : "s", plan->name);
    return 0;
}
